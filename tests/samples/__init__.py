"""Sample strategies for every primitive. One without a strategy fails the collection of tests over the registry."""

import tapenet.nn
import tapenet.numpy as tnp
from tapenet.core.primitive import PART, REGISTRY
from tests.samples import core, linalg, nn, numpy  # noqa: F401  # each adds its own
from tests.samples.core import SAMPLES, Sample

__all__ = ["SAMPLES", "Sample"]

for namespace in (tnp, tnp.linalg, tnp.fft, tapenet.nn):  # functions are imported when they are first used
    for name in namespace.__all__:
        getattr(namespace, name)

WITHOUT_OPERANDS = {"watch"}  # a leaf of the tape, which no walk passes through

missing = REGISTRY.keys() - SAMPLES.keys() - WITHOUT_OPERANDS
if missing:
    raise LookupError(f"primitives without a sample strategy: {', '.join(sorted(missing))}")
unknown = SAMPLES.keys() - REGISTRY.keys()
if unknown:
    raise LookupError(f"samples of no primitive: {', '.join(sorted(unknown))}")
assert PART.name in SAMPLES
