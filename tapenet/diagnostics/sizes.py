"""Whether gradients are dead or explode: for `tn.checks(dead=True, exploding=1e6)`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tapenet.core.leaf_checks import described
from tapenet.core.primitive import Array
from tapenet.core.pytrees import leaf_paths
from tapenet.core.recorder import GradientCheck, Recorder
from tapenet.core.tensor import Tensor
from tapenet.diagnostics.checker import Checks
from tapenet.diagnostics.explaining import Limits, find
from tapenet.diagnostics.magnitudes import Magnitude, magnitude
from tapenet.errors import NumericalError


def size_check(trace: Recorder, checks: Checks) -> GradientCheck | None:
    """Return what raises for a gradient that is all zeros, or too large; None where neither is watched for."""
    return functools.partial(_check_size, trace, checks) if checks.dead or checks.exploding is not None else None


def _check_size(
    trace: Recorder,
    checks: Checks,
    function: str,
    named: Sequence[tuple[str, Any]],
    targets: Sequence[Any],
    cotangents: Sequence[Array],
    sources: Sequence[Tensor],
    pulled: Sequence[Array | None],
) -> None:
    seed = max((magnitude(t).largest for t in cotangents), default=0.0)
    for i, answer in enumerate(pulled):
        size = None if answer is None else magnitude(answer)
        if size is None or not size.size or not seed:
            continue
        wrong = _wrong(checks, size, seed)
        if wrong:
            path = [path for name, tree in named for path in leaf_paths(tree, name)][i]
            limits = Limits(checks.exploding or float("inf"), 0.0)
            numbered = {str(place): target for place, target in enumerate(targets)}
            (source,) = find(trace, numbered, cotangents, {path: sources[i]}, limits).sources
            raise NumericalError(
                f"{function}: the gradient by {path}, {described(answer)}, must {wrong}. {' '.join(source.reasons)}"
            )


def _wrong(checks: Checks, size: Magnitude, seed: float) -> str:
    """Return what a gradient must be and is not; "" where nothing is wrong."""
    if checks.dead and size.is_zero:
        return "not be all zeros; got zeros"
    if checks.exploding is None:
        return ""
    if not size.is_finite:
        return f"be finite; got {size.nans + size.infinities} of {size.size} elements that are not"
    if size.largest > checks.exploding * seed:
        return f"be at most {checks.exploding:g} times the cotangent of y; got {size.largest / seed:.3g} times it"
    return ""
