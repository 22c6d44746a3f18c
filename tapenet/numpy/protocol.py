"""NumPy's dispatch protocols: what plain `np.*` calls on a Tensor, found by name in `tapenet.numpy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentTypeError
from tapenet.numpy.ufunc_methods import call_method


def _by_numpy_function() -> dict[Any, Callable[..., Any]]:
    """Our function for each of NumPy's that has the same name, in its namespace and in those below it."""
    table: dict[Any, Callable[..., Any]] = {}
    for here, there in ((tnp, np), (tnp.linalg, np.linalg), (tnp.fft, np.fft)):
        for name, ours in vars(here).items():
            theirs = getattr(there, name, None)
            if callable(theirs) and callable(ours) and ours is not theirs and not name.startswith("_"):
                table[theirs] = ours
    return table


_OURS = _by_numpy_function()


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *operands: Any, **keywords: Any) -> Any:
    """`__array_ufunc__`: NumPy's ufuncs and their methods on Tensors."""
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if any(out is not None for out in keywords.pop("out", ())):
        raise ArgumentTypeError(
            f"{name}: out= must not be given with a Tensor, which is a value and never changes. "
            f"Write y = {name}(...), and a = a + x in place of a += x."
        )
    ours = _OURS.get(ufunc)
    if ours is None:
        raise ArgumentTypeError(f"{name}: not taken with a Tensor. {_ADVICE}")
    return (
        ours(*operands, **keywords) if method == "__call__" else call_method(ufunc, ours, method, *operands, **keywords)
    )


def array_function(self: Tensor, function: Any, types: Any, operands: Any, keywords: Any) -> Any:
    """`__array_function__`: NumPy's other functions on Tensors."""
    ours = _OURS.get(function)
    if ours is None:
        raise ArgumentTypeError(f"{function.__module__}.{function.__name__}: not taken with a Tensor. {_ADVICE}")
    return ours(*operands, **keywords)


_ADVICE = (
    "Compose it from functions of tapenet.numpy, or, for a constant in the computation, apply it to "
    "tn.stop_gradient(x)."
)
