"""Without SciPy the functions are there, and name the extra when they are called."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules["scipy"] = None
import numpy as np
from tapenet import color, sparse_hessian, sparse_jacobian, sparsity
import tapenet as tn
try:
    {call}
except tn.MissingPackageError as error:
    print(error)
"""


CALLS = (
    "color(np.eye(2))",
    "sparsity(np.sin)(np.ones(2))",
    "sparse_jacobian(np.sin)(1.0)",
    "sparse_hessian(np.sum)(1.0)",
)


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_scipy_is_named(call: str) -> None:
    program = PROGRAM.format(call=call)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sparse derivatives: scipy must be installed; got")
    assert done.stdout.endswith('pip install "tapenet[scipy]".\n')
