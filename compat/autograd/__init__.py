"""The API of HIPS autograd 1.9 on tapenet: `import compat.autograd as autograd`, or `install()`.

Scripts and packages that were written for autograd run as they are: `autograd.numpy`, `autograd.scipy`, all
differential operators, `autograd.extend` with users' rules, `autograd.misc` and `autograd.test_util`. A box is a
`tapenet.Tensor` here. Rules that `defvjp` and `defjvp` declare take part in all of tapenet's transforms.

>>> import compat.autograd as autograd, compat.autograd.numpy as np
>>> autograd.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.array([0.5]))
array([0.72686198])
"""

from __future__ import annotations

import importlib
from typing import Any

from compat.autograd.builtins import dict, isinstance, list, tuple, type
from compat.autograd.core import primitive
from compat.autograd.differential_operators import (
    checkpoint,
    deriv,
    elementwise_grad,
    grad,
    grad_and_aux,
    grad_named,
    hessian,
    hessian_tensor_product,
    hessian_vector_product,
    holomorphic_grad,
    jacobian,
    make_ggnvp,
    make_hvp,
    make_jvp,
    make_vjp,
    multigrad_dict,
    tensor_jacobian_product,
    value_and_grad,
    vector_jacobian_product,
)
from compat.autograd.installing import install, installed, uninstall

__all__ = [
    "checkpoint",
    "deriv",
    "dict",
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "install",
    "installed",
    "isinstance",
    "jacobian",
    "list",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_vjp",
    "multigrad_dict",
    "primitive",
    "tensor_jacobian_product",
    "tuple",
    "type",
    "uninstall",
    "value_and_grad",
    "vector_jacobian_product",
]

# Of the autograd whose API this is; packages compare it.
__version__ = "1.9.0"

_MODULES = ("extend", "misc", "numpy", "scipy", "test_util", "util")


def __getattr__(name: str) -> Any:
    """Import a module at its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
