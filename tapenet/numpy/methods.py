"""ndarray's operators and methods, given to `Tensor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tapenet.numpy as tnp
from tapenet.errors import AssignmentError
from tapenet.numpy.protocol import array_function, array_ufunc
from tapenet.ops.indexing import At, getitem
from tapenet.primitive import Array
from tapenet.tensor import Tensor


def _reflected(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda self, other: function(other, self)


def _power(x: Tensor, y: Array, modulo: None = None) -> Array:
    """x ** y; as NumPy does for scalars, a square is computed as one."""
    return tnp.square(x) if type(y) in (int, float) and y == 2 else tnp.power(x, y)


def _divmod(x: Array, y: Array) -> tuple[Array, Array]:
    return tnp.floor_divide(x, y), tnp.remainder(x, y)


def _comparison(function: Callable[..., Array]) -> Callable[..., Array]:
    def compare(self: Tensor, other: Any) -> Array:
        return NotImplemented if isinstance(other, str | None.__class__) else function(self, other)

    return compare


_OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": tnp.add,
    "__sub__": tnp.subtract,
    "__mul__": tnp.multiply,
    "__truediv__": tnp.divide,
    "__floordiv__": tnp.floor_divide,
    "__mod__": tnp.remainder,
    "__divmod__": _divmod,
    "__pow__": _power,
    "__matmul__": tnp.matmul,
    "__radd__": _reflected(tnp.add),
    "__rsub__": _reflected(tnp.subtract),
    "__rmul__": _reflected(tnp.multiply),
    "__rtruediv__": _reflected(tnp.divide),
    "__rfloordiv__": _reflected(tnp.floor_divide),
    "__rmod__": _reflected(tnp.remainder),
    "__rdivmod__": _reflected(_divmod),
    "__rpow__": _reflected(tnp.power),
    "__rmatmul__": _reflected(tnp.matmul),
    "__neg__": tnp.negative,
    "__pos__": tnp.positive,
    "__abs__": tnp.absolute,
    "__round__": lambda self, decimals=0: tnp.round(self, decimals),
    "__eq__": _comparison(tnp.equal),
    "__ne__": _comparison(tnp.not_equal),
    "__lt__": tnp.less,
    "__le__": tnp.less_equal,
    "__gt__": tnp.greater,
    "__ge__": tnp.greater_equal,
    "__and__": tnp.bitwise_and,
    "__or__": tnp.bitwise_or,
    "__xor__": tnp.bitwise_xor,
    "__rand__": _reflected(tnp.bitwise_and),
    "__ror__": _reflected(tnp.bitwise_or),
    "__rxor__": _reflected(tnp.bitwise_xor),
    "__invert__": tnp.invert,
    "__getitem__": getitem,
    "__array_ufunc__": array_ufunc,
    "__array_function__": array_function,
}


def _or_tuple(arguments: tuple[Any, ...]) -> Any:
    """What ndarray takes as separate arguments or as one tuple: `x.reshape(2, 3)`, `x.reshape((2, 3))`."""
    return arguments[0] if len(arguments) == 1 else arguments


def _transpose(self: Tensor, *axes: Any) -> Array:
    return tnp.transpose(self, None if not axes or axes == (None,) else _or_tuple(axes))


def _reshape(self: Tensor, *shape: Any, **keywords: Any) -> Array:
    return tnp.reshape(self, _or_tuple(shape), **keywords)


def _flatten(self: Tensor, order: str = "C") -> Array:
    return tnp.ravel(self, order)


def _clip(self: Tensor, min: Array = None, max: Array = None, **keywords: Any) -> Array:
    return tnp.clip(self, min, max, **keywords)


def _copy(self: Tensor, order: str = "C") -> Tensor:
    return self


_SAME_NAME = (
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "astype",
    "conj",
    "conjugate",
    "cumsum",
    "diagonal",
    "dot",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "ptp",
    "ravel",
    "repeat",
    "round",
    "searchsorted",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "var",
)

_METHODS: dict[str, Callable[..., Any]] = {name: getattr(tnp, name) for name in _SAME_NAME} | {
    "clip": _clip,
    "copy": _copy,
    "flatten": _flatten,
    "reshape": _reshape,
    "transpose": _transpose,
}


def _refusal(method: str, instead: str) -> Callable[..., Any]:
    def refuse(self: Tensor, *arguments: Any, **keywords: Any) -> Any:
        raise AssignmentError(f"x.{method}(...): a Tensor is a value and never changes. Write {instead}.")

    return refuse


_REFUSALS = {
    "sort": _refusal("sort", "x = tnp.sort(x)"),
    "fill": _refusal("fill", "x = tnp.full_like(x, value)"),
    "put": _refusal("put", "x = x.at[...].set(...)"),
    "resize": _refusal("resize", "x = tnp.reshape(x, shape)"),
    "partition": _refusal("partition", "x = tnp.sort(x)"),
    "itemset": _refusal("itemset", "x = x.at[...].set(...)"),
    "setflags": _refusal("setflags", "x.value for its array, read-only"),
}

_PROPERTIES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "T": (tnp.transpose, "The axes in reverse order."),
    "mT": (tnp.matrix_transpose, "The last two axes exchanged."),
    "at": (At, "After an index, makes new values: `x.at[index].set(v)`, `.add(v)`, `.multiply(v)`."),
    "real": (tnp.real, "The real part."),
    "imag": (tnp.imag, "The imaginary part."),
    "itemsize": (lambda self: self.dtype.itemsize, "The bytes of an element."),
    "nbytes": (lambda self: self.size * self.dtype.itemsize, "The bytes of all elements."),
}


def give_methods(kind: type) -> None:
    """Give a class ndarray's operators, methods and properties, and NumPy's dispatch protocols."""
    for name, function in (_OPERATORS | _METHODS | _REFUSALS).items():
        setattr(kind, name, function)
    for name, (getter, doc) in _PROPERTIES.items():
        setattr(kind, name, property(getter, doc=doc))
