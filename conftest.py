"""Names that every doctest may use."""

import importlib.util

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

# It imports an extra, as the first thing it does.
NEEDS = {"numba": ["loops.py"], "llvmlite": ["machine_code.py", "ir_code.py", "gemm_code.py"]}
collect_ignore = [
    f"tapenet/kernels/{name}"
    for package, names in NEEDS.items()
    if not importlib.util.find_spec(package)
    for name in names
]


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(np=np, tn=tn, tnp=tnp)
