"""Names that every doctest may use."""

import importlib.util

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

# It imports an extra, as the first thing it does.
collect_ignore = [] if importlib.util.find_spec("numba") else ["tapenet/kernels/loops.py"]


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(np=np, tn=tn, tnp=tnp)
