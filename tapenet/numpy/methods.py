"""ndarray's operators and methods, given to `Tensor`."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from importlib import import_module
from types import MethodType
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import past_numpy
from tapenet.core.fast_path import operator_function
from tapenet.core.foreign import USUAL, defers_to, is_sparse_matrix
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor, numbers_trace, read_value, resolve, unwrap
from tapenet.errors import ArgumentError, ArgumentTypeError, AssignmentError, ConversionError, MissingAttributeError
from tapenet.numpy.conversions import CONVERSIONS, advised, lacks_matvec
from tapenet.numpy.protocol import array_function, array_ufunc
from tapenet.ops.arrays.shaping import matrix_transpose, transpose
from tapenet.ops.elementwise import arithmetic
from tapenet.ops.elementwise.complex import imag, real


def _reflected(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda self, other: function(other, self)


def _operator(name: str, function: Callable[..., Array] | str) -> Callable[..., Array]:
    """Make a binary operator of a function; it leaves the operation to an operand that it defers to.

    Args:
        name: of the operator's method.
        function: one with a primitive, or the name of a function that is imported when the operator is first used.
    """
    other_s = name.replace("__r", "__", 1) if name in _REFLECTED else _OTHER_S.get(name, name.replace("__", "__r", 1))
    is_product = name in ("__mul__", "__rmul__")
    python_s = _PYTHON_S.get(other_s if name in _REFLECTED else name)

    def before(x: Any, y: Any) -> Any:
        if python_s is not None and (trace := numbers_trace(x, y)) is not None:
            return trace.apply_to_numbers(python_s, (x, y))
        if defers_to(x, other_s) or defers_to(y, other_s):
            return NotImplemented
        if is_product and (isinstance(x, _SEQUENCES) or isinstance(y, _SEQUENCES)):
            return _repeated(x, y) if isinstance(x, _SEQUENCES) else _repeated(y, x)
        if is_product and (is_sparse_matrix(type(x)) or is_sparse_matrix(type(y))) and np.ndim(x) and np.ndim(y):
            return tnp.matmul(x, y)
        return None

    if not isinstance(function, str):
        primitive = function.primitive  # type: ignore[attr-defined]  # functions take attributes
        return operator_function(primitive, before, is_reflected=name in _REFLECTED)

    of_tensors: Any = None

    def operate(x: Any, y: Any) -> Any:
        nonlocal of_tensors
        if type(x) not in USUAL or type(y) not in USUAL or (python_s is not None and numbers_trace(x, y)):
            answer = before(x, y)
            return getattr(tnp, function)(x, y) if answer is None else answer
        of_tensors = of_tensors or past_numpy(getattr(tnp, function))
        return of_tensors(x, y)

    return _reflected(operate) if name in _REFLECTED else operate


_SEQUENCES = (list, tuple, str, bytes)


def _repeated(sequence: Any, count: Any) -> Any:
    """Return a sequence repeated where the count is an integer that is not an array, as NumPy does; else None."""
    value = unwrap(count)
    is_count = type(count) is Tensor and (type(value) in (int, bool) or isinstance(value, np.integer))
    return sequence * operator.index(count) if is_count else None


def _unary(function: str, python_s: Callable[[Any], Any]) -> Callable[[Tensor], Array]:
    """Make an operator of a function of `tapenet.numpy`, and of what Python computes of a number of its own."""

    def operate(x: Tensor) -> Array:
        trace = numbers_trace(x, x)
        return getattr(tnp, function)(x) if trace is None else trace.apply_to_numbers(python_s, (x,))

    return operate


def _quotient_and_remainder(name: str) -> Callable[..., Any]:
    of_arrays = _operator(name, "divmod")

    def operate(x: Any, y: Any) -> Any:
        trace = numbers_trace(x, y)
        if trace is None:
            return of_arrays(x, y)
        pair = (y, x) if name in _REFLECTED else (x, y)
        return trace.apply_to_numbers(operator.floordiv, pair), trace.apply_to_numbers(operator.mod, pair)

    return operate


def _in_place(name: str) -> Callable[..., Any]:
    """Make an in-place operator: a new value, or an error where the Tensor stands for an array of the user's."""
    symbol = _SYMBOLS[name.removeprefix("i")]

    def operate(self: Tensor, other: Any) -> Any:
        self.owner.refuse_write(self, f"x {symbol}= ...")
        return NotImplemented  # so that Python assigns what the operator gives

    return operate


def _comparison(name: str, function: str) -> Callable[..., Array]:
    compared = _operator(name, function)

    def compare(self: Tensor, other: Any) -> Array:
        return NotImplemented if isinstance(other, str | None.__class__) else compared(self, other)

    return compare


_BINARY: dict[str, Callable[..., Array] | str] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.remainder,
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
_REFLECTED = {f"__r{name}__" for name in (*_BINARY, "pow", "divmod")}
_SYMBOLS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "matmul": "@",
}
_SYMBOLS |= {"and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>"}
# What Python computes of two numbers of its own.
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_PYTHON_S: dict[str, Any] = {
    f"__{name}__": getattr(operator, f"__{name}__") for name in (*_SYMBOLS, *_COMPARISONS) if name != "matmul"
}
_OTHER_S = {  # the method of the other operand that answers in its place
    "__eq__": "__eq__",
    "__ne__": "__ne__",
    "__lt__": "__gt__",
    "__le__": "__ge__",
    "__gt__": "__lt__",
    "__ge__": "__le__",
}


def _at_first_use(name: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """Make a method that is replaced when it is first called, by one whose module is imported then."""

    def method(self: Tensor, *arguments: Any) -> Any:
        made = make()
        setattr(Tensor, name, made)
        return made(self, *arguments)

    return method


def _power_operator() -> Callable[..., Array]:
    raised = _operator("__pow__", tnp.power)

    def power(x: Tensor, y: Array, modulo: None = None) -> Array:
        """Compute x ** y; a square is computed as one, as NumPy does for scalars, and roots of complex arrays."""
        if modulo is not None:
            raise ArgumentTypeError("pow: modulo must be left out for a Tensor; got one. Write x ** y % modulo.")
        if type(y) in (int, float) and numbers_trace(x, y) is None:
            if type(y) is int and type(unwrap(x)) is np.bool_:  # which NumPy raises as an integer of Python's
                return raised(tnp.astype(x, int), y)
            if y == 2 and (type(y) is int or x.dtype.kind in "fc"):  # integers to the power 2.0 are floats
                return arithmetic.square(x)
            if (y == 0.5 or y == -1) and x.dtype.kind == "c" and x.ndim:  # power has NaN at infinity
                return arithmetic.sqrt(x) if y == 0.5 else arithmetic.reciprocal(x)
        return raised(x, y)

    return power


_OPERATORS: dict[str, Callable[..., Any]] = {
    **{f"__{name}__": _operator(f"__{name}__", function) for name, function in _BINARY.items()},
    **{f"__r{name}__": _operator(f"__r{name}__", function) for name, function in _BINARY.items()},
    "__pow__": _at_first_use("__pow__", _power_operator),
    "__rpow__": _at_first_use("__rpow__", lambda: _operator("__rpow__", tnp.power)),
    **{f"__i{name}__": _in_place(f"i{name}") for name in _SYMBOLS},
    "__divmod__": _quotient_and_remainder("__divmod__"),
    "__rdivmod__": _quotient_and_remainder("__rdivmod__"),
    "__neg__": _unary("negative", operator.neg),
    "__pos__": _unary("positive", operator.pos),
    "__abs__": _unary("absolute", abs),
    "__eq__": _comparison("__eq__", "equal"),
    "__ne__": _comparison("__ne__", "not_equal"),
    "__lt__": _operator("__lt__", "less"),
    "__le__": _operator("__le__", "less_equal"),
    "__gt__": _operator("__gt__", "greater"),
    "__ge__": _operator("__ge__", "greater_equal"),
    "__invert__": _unary("invert", operator.inv),
    "__contains__": lambda self, value: bool(tnp.any(tnp.equal(self, value))),
    "__getitem__": _at_first_use("__getitem__", lambda: import_module("tapenet.ops.arrays.indexing").getitem),
    "__array_ufunc__": array_ufunc,
    "__array_function__": array_function,
}


def _or_tuple(arguments: tuple[Any, ...]) -> Any:
    """Give one tuple for what ndarray takes as separate arguments or as one: `x.reshape(2, 3)`, `x.reshape((2, 3))`."""
    return arguments[0] if len(arguments) == 1 else arguments


def _transpose(self: Tensor, *axes: Any) -> Array:
    """Reorder the axes, or reverse them: `tapenet.numpy.transpose`."""
    return tnp.transpose(self, None if not axes or axes == (None,) else _or_tuple(axes))


def _reshape(self: Tensor, *shape: Any, **keywords: Any) -> Array:
    """Give the elements another shape: `tapenet.numpy.reshape`."""
    return tnp.reshape(self, _or_tuple(shape), **keywords)


def _flatten(self: Tensor, order: str = "C") -> Array:
    """Give the elements as one axis: `tapenet.numpy.ravel`."""
    return tnp.ravel(self, order)


def _clip(self: Tensor, min: Array = None, max: Array = None, **keywords: Any) -> Array:
    """Limit values to [min, max]: `tapenet.numpy.clip`."""
    return tnp.clip(self, min, max, **keywords)


def _astype(
    self: Tensor, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Array:
    """Cast to a dtype: `tapenet.numpy.astype`."""
    if not np.can_cast(self.dtype, dtype, casting):  # type: ignore[arg-type]  # NumPy names a literal
        raise ArgumentTypeError(
            f"x.astype: dtype must be one that {self.dtype} casts to by {casting!r}; got {np.dtype(dtype)}."
        )
    return tnp.astype(self, dtype)


def _copy(self: Tensor, order: str = "C") -> Tensor:
    """Return the Tensor itself, which never changes."""
    return self


_SAME_NAME = (
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "choose",
    "conj",
    "conjugate",
    "cumprod",
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


def _compress(self: Tensor, condition: Array, axis: int | None = None, out: None = None) -> Array:
    """Take the slices where a condition holds: `tapenet.numpy.compress`."""
    return tnp.compress(condition, self, axis, out)


def _to_device(self: Tensor, device: Any, /, *, stream: None = None) -> Tensor:
    """Return the Tensor itself; the only device is "cpu"."""
    if device != "cpu":
        raise ArgumentError(f"x.to_device: device must be 'cpu'; got {device!r}.")
    return self


def _array_namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """Give the namespace for code written to the Python array API standard: `tapenet.numpy`."""
    if api_version is not None and api_version not in API_VERSIONS:
        raise ArgumentError(
            f"x.__array_namespace__: api_version must be one of {', '.join(API_VERSIONS)}; got {api_version!r}."
        )
    return tnp


API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def _dumped(method: str, instead: str) -> Callable[..., Any]:
    """Make a method that writes an array's bytes elsewhere: ndarray's, once the tape has closed."""

    def export(self: Tensor, *arguments: Any, **keywords: Any) -> Any:
        return getattr(_off_closed_tapes(self, f"x.{method}(...)", instead), method)(*arguments, **keywords)

    export.__doc__ = f"Do as ndarray.{method} once the tape has closed. On an open tape write {instead}."
    return export


def _off_closed_tapes(x: Tensor, conversion: str, instead: str, error: type[ConversionError] = ConversionError) -> Any:
    if type(resolve(x)) is Tensor:
        raise error(
            f"{conversion}: x is a Tensor of an open tape, and its bytes alone are not a value on it. Write {instead}."
        )
    return np.asarray(read_value(x))


class _MethodOfSameName:
    """A method that is the function of `tapenet.numpy` of its name: imported, and put in its place, at first use."""

    def __init__(self, kind: type, name: str) -> None:
        self.kind, self.name = kind, name

    def __get__(self, x: Tensor | None, kind: type) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(tnp, self.name)
        setattr(self.kind, self.name, function)
        return function if x is None else MethodType(function, x)


_METHODS: dict[str, Callable[..., Any]] = {
    "__array_namespace__": _array_namespace,
    "__dlpack__": _dumped("__dlpack__", "x.value"),
    "__dlpack_device__": lambda self: np.empty(0).__dlpack_device__(),
    "astype": _astype,
    "clip": _clip,
    "compress": _compress,
    "copy": _copy,
    "flatten": _flatten,
    "reshape": _reshape,
    "to_device": _to_device,
    "transpose": _transpose,
}


def _refusal(method: str, instead: str) -> Callable[..., Any]:
    def refuse(self: Tensor, *arguments: Any, **keywords: Any) -> Any:
        self.owner.refuse_write(self, f"x.{method}(...)")
        raise AssignmentError(f"x.{method}(...): a Tensor is a value and never changes. Write {instead}.")

    refuse.__doc__ = f"Raise AssignmentError: a Tensor is a value and never changes. Write {instead}."
    return refuse


def _has_no_memory(name: str, instead: str) -> Callable[[Tensor], Any]:
    """Make the getter of a property of an array's memory: ndarray's, once the tape has closed."""

    def get(self: Tensor) -> Any:
        try:
            return getattr(_off_closed_tapes(self, f"x.{name}", instead, MissingAttributeError), name)
        except MissingAttributeError as error:
            raise advised(error, sys._getframe(1)) from None

    return get


_REFUSALS = {
    "sort": _refusal("sort", "x = tnp.sort(x)"),
    "fill": _refusal("fill", "x = tnp.full_like(x, value)"),
    "put": _refusal("put", "x = x.ravel().at[indices].set(values).reshape(x.shape)"),
    "resize": _refusal("resize", "x = tnp.resize(x, shape)"),
    "partition": _refusal("partition", "x = tnp.partition(x, kth)"),
    "itemset": _refusal("itemset", "x = x.at[index].set(value)"),
    "setflags": _refusal("setflags", "x.value for its array, read-only"),
    "setfield": _refusal("setfield", "x = x.at[index].set(value)"),
    "byteswap": _refusal("byteswap", "x.value.byteswap()"),
    "newbyteorder": _refusal("newbyteorder", "x.value.view(dtype) for the bytes"),
    "getfield": _refusal("getfield", "x.value.getfield(dtype)"),
    "view": _refusal("view", "x.astype(dtype), or x.value.view(dtype) for the bytes"),
}

_EXPORTS = {name: _dumped(name, f"x.value.{name}(...)") for name in ("tobytes", "tofile", "dump", "dumps")}


def _flat(self: Tensor) -> Any:
    return import_module("tapenet.numpy.outside").Flat(self)


def _at(self: Tensor) -> Any:
    return import_module("tapenet.ops.arrays.indexing").At(self)


_PROPERTIES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "T": (transpose, "The axes in reverse order."),
    "mT": (matrix_transpose, "The last two axes exchanged."),
    "at": (_at, "After an index, makes new values: `x.at[index].set(v)`, `.add(v)`, `.multiply(v)`."),
    "real": (real, "The real part."),
    "imag": (imag, "The imaginary part."),
    "flat": (_flat, "The elements in C order: iterates, and reads by index."),
    "device": (lambda self: "cpu", "Where it is: 'cpu', in the array API standard's sense."),
    "base": (lambda self: None, "None: a value shares its memory with no other that could be seen."),
    "strides": (_has_no_memory("strides", "x.value.strides"), "Of its array, once the tape has closed."),
    "flags": (_has_no_memory("flags", "x.value.flags"), "Of its array, once the tape has closed."),
    "data": (_has_no_memory("data", "x.value.data"), "Of its array, once the tape has closed."),
    "ctypes": (_has_no_memory("ctypes", "x.value.ctypes"), "Of its array, once the tape has closed."),
    "itemsize": (lambda self: self.dtype.itemsize, "The bytes of an element."),
    "nbytes": (lambda self: self.size * self.dtype.itemsize, "The bytes of all elements."),
    # Not by `__getattr__`: beside one the interpreter looks every attribute up in the slow way.
    "matvec": (lacks_matvec, "Missing: a Tensor is an array, and not a linear operator."),
}


PANDAS_PRIORITY = 5000  # above a DataFrame's 4000: pandas' operators leave the operation to a Tensor's


def give_methods(kind: type) -> None:
    """Give a class ndarray's operators, methods and properties, and NumPy's dispatch protocols."""
    kind.__pandas_priority__ = PANDAS_PRIORITY  # type: ignore[attr-defined]  # classes take attributes
    for name, function in (_OPERATORS | CONVERSIONS | _METHODS | _REFUSALS | _EXPORTS).items():
        if function.__module__ == __name__ or "<locals>" in function.__qualname__:  # else it has its own name
            function.__name__, function.__qualname__ = name, f"{kind.__name__}.{name}"
        setattr(kind, name, function)
    for name in _SAME_NAME:
        setattr(kind, name, _MethodOfSameName(kind, name))
    for name, (getter, doc) in _PROPERTIES.items():
        setattr(kind, name, property(getter, doc=doc))
