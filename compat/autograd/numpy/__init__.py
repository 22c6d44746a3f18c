"""NumPy's namespace, on boxes and arrays alike: `tapenet.numpy`'s functions, and NumPy's types and constants."""

from __future__ import annotations

import importlib as _importlib
from typing import Any

import numpy as _np

import tapenet.numpy as _tnp
from compat.autograd.numpy import fft as fft, linalg as linalg, random as random
from compat.autograd.numpy.choices import where as _where
from compat.autograd.numpy.types import of_values as _of_values
from compat.autograd.rules import notrace_primitive as _notrace_primitive
from compat.autograd.wrap_util import wraps as _wraps

__all__ = sorted(
    {name for name in (*vars(_np)["__all__"], *dir(_tnp)) if not name.startswith("_")} - {"fft", "linalg", "random"}
)
_NAMES = frozenset(__all__)
_OF_TENSORS = frozenset(dir(_tnp))
_MODULES = ("numpy_boxes", "numpy_vjps", "numpy_vspaces", "numpy_wrapper")
# Names that NumPy 2 has dropped, and packages written for autograd still use.
_RENAMED = {
    "trapz": "trapezoid",
    "product": "prod",
    "cumproduct": "cumprod",
    "row_stack": "vstack",
    "round_": "round",
    "alltrue": "all",
    "sometrue": "any",
    "Inf": "inf",
    "infty": "inf",
    "NaN": "nan",
    "float_": "float64",
    "complex_": "complex128",
}


def _of_iterables(function: Any) -> Any:
    """Return a function of several arrays that takes iterators of them, too, as autograd's do."""

    @_wraps(function)
    def joined(arrays: Any, *args: Any, **kwargs: Any) -> Any:
        return function(arrays if hasattr(arrays, "__getitem__") else list(arrays), *args, **kwargs)

    return joined


_JOINS = ("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack")

_OURS = {
    "where": _where,
    **{name: _of_iterables(getattr(_tnp, name)) for name in _JOINS},
    "array_from_args": lambda array_args, array_kwargs, *args: _tnp.array(list(args), *array_args, **array_kwargs),
    "concatenate_args": lambda axis, *args: _tnp.concatenate(args, axis),
    "metadata": _notrace_primitive(lambda x: (_np.shape(x), _np.ndim(x), _np.result_type(x), _np.iscomplexobj(x))),
    **{name: _notrace_primitive(getattr(_np, name)) for name in ("result_type", "iscomplexobj", "shape", "ndim")},
}


def _found(name: str) -> Any:
    theirs = getattr(_np, name, None)
    if isinstance(theirs, type) and issubclass(theirs, _np.integer):
        return _of_values(theirs)
    return getattr(_tnp, name) if name in _OF_TENSORS else theirs


def make_diagonal(D: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return square matrices with vectors on their diagonals; the two axes are the last ones."""
    if (offset, axis1, axis2) != (0, -1, -2):
        raise NotImplementedError("make_diagonal: only offset=0, axis1=-1, axis2=-2 is supported.")
    return D[..., None] * _np.eye(_np.shape(_tnp.asarray(D))[-1])


globals().update(_OURS)
__version__ = _np.__version__


def __getattr__(name: str) -> Any:
    """Find a name at its first use: to find all takes longer than autograd's import."""
    found = globals().get(name)  # a copy of the namespace asks for it here every time: SurPyval makes one
    if found is not None:
        return found
    if name in _RENAMED:
        return globals().get(_RENAMED[name]) or __getattr__(_RENAMED[name])
    if name in _MODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = _found(name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
