"""Conversions of Tensors: of what is piecewise constant, to text, and those that other libraries ask for.

A number that depends on watched values by functions of derivative zero alone (`tnp.floor(x)`, `x // 1`, `tnp.sign(x)`)
loses nothing when it becomes a Python number: it converts, as comparisons do, and the tape notes that it was read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType
from typing import Any

import numpy as np

from tapenet.core.families import constant_rule
from tapenet.core.record import Entry
from tapenet.core.recorder import Recorder
from tapenet.core.source_lines import module_of
from tapenet.core.tensor import Tensor, numbers_trace, read_single_value, record_guard, unwrap
from tapenet.errors import AssignmentError, ConversionError, MappedValueError, TapenetError
from tapenet.ops.elementwise import rounding

# ---- numbers ----


def _number(convert: Callable[[Any], Any], name: str) -> Callable[[Tensor], Any]:
    own = getattr(Tensor, f"__{convert.__name__}__")

    def converted(self: Tensor) -> Any:
        if _is_piecewise_constant(self):
            return convert(read_single_value(self, name))
        asking = sys._getframe(1)
        try:
            return own(self)
        except ConversionError as error:
            if _is_of_scipy(asking) and _in_scipy().is_bracket(asking):
                return convert(read_single_value(self, name))
            if _is_of_scipy(asking) and convert is float:
                raise _in_scipy().dropped(asking) from None
            raise advised(error, asking) from None

    return converted


def advised(error: TapenetError, asking: FrameType) -> TapenetError:
    """Return an error with what to write in place of the function that asked."""
    while module_of(asking) == __name__ and asking.f_back is not None:
        asking = asking.f_back
    advice = import_module("tapenet.numpy.outside").advice_for(asking)
    return type(error)(f"{error} {advice}") if advice else error


def _is_piecewise_constant(x: Any) -> bool:
    """Return whether the derivative of a value is zero on every open tape that it is on, of all orders."""
    while type(x) is Tensor and isinstance(x.owner, Recorder):
        if not _is_constant_on(x.owner.entries, x.slot):
            return False
        x = x.owner.inner(x)
    return True


def _is_constant_on(entries: Sequence[Entry], slot: int) -> bool:
    """Return whether every path from the record at a slot back to watched values goes through a derivative of zero."""
    pending, seen = [slot], {slot}
    while pending:
        primitive, slots, *_ = entries[pending.pop()]
        if primitive.family == "leaf":
            return False
        if primitive.is_discrete:
            continue
        rules = primitive.pullbacks or (None,) * len(slots)
        further = {own for own, rule in zip(slots, rules, strict=True) if own is not None and rule is not constant_rule}
        pending += further - seen
        seen |= further
    return True


def _rounded(self: Tensor, decimals: int | None = None) -> Any:
    """`round(x)`: an integer of a number, as NumPy's; an array of an array, or with decimals."""
    trace = numbers_trace(self, self)
    if trace is not None:
        return trace.apply_to_numbers(round, (self,) if decimals is None else (self, decimals))
    if decimals is None and self.shape == () and type(unwrap(self)) is not Tensor:
        return int(rounding.rint(self))
    return rounding.round(self, decimals or 0)


def _integer(function: Callable[[Any], Any]) -> Callable[[Tensor], int]:
    return lambda self: int(function(self))


# ---- text ----


def _text(convert: Callable[..., str], name: str) -> Callable[..., str]:
    own = getattr(Tensor, f"__{convert.__name__}__")

    def shown(self: Tensor, *specification: str) -> str:
        value = unwrap(self)
        if type(value) is not Tensor:
            record_guard(name, convert, (self, *specification), {}, convert(value, *specification))
        text: str = own(self, *specification)
        return text

    return shown


# ---- arrays ----

_convert = Tensor.__array__


def as_numpy_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """`__array__`: the array once the tape has closed; on an open tape an error.

    The operators of scipy.sparse leave an operation to their other operand where NumPy makes no array of it but one
    object. They ask no protocol, so that their question has to be known by who asks.
    """
    asking = sys._getframe(1)
    try:
        return _convert(self, dtype, copy)
    except (ConversionError, MappedValueError) as error:
        if _is_operator_of_sparse(asking):
            return _as_one_object(self)
        if _is_of_scipy(asking) and isinstance(error, ConversionError):
            raise _in_scipy().dropped(asking) from None
        raise advised(error, asking) from None


def _is_of_scipy(asking: FrameType) -> bool:
    """Return whether code of SciPy's asks, through NumPy's or by itself."""
    is_close = module_of(asking).startswith(("scipy.", "numpy."))
    found: bool = is_close and _in_scipy().is_of_scipy(asking)
    return found


def _in_scipy() -> Any:
    return import_module("tapenet.numpy.in_scipy")


def _is_operator_of_sparse(asking: FrameType | None) -> bool:
    """Return whether an operator of scipy.sparse asks, and not its method `multiply`, called as such."""
    if asking is None or asking.f_code.co_name not in _OPERATORS_OF_SPARSE:
        return False
    name = asking.f_code.co_name
    while asking is not None and module_of(asking).startswith("scipy.sparse._"):
        name, asking = asking.f_code.co_name, asking.f_back
    return name != "multiply"


_OPERATORS_OF_SPARSE = {"_matmul_dispatch", "_multiply_2d_with_broadcasting", "multiply", "_divide"}


def _as_one_object(x: Any) -> np.ndarray[Any, Any]:
    array = np.empty((), object)
    array[()] = x
    return array


_assign = Tensor.__setitem__


def refuse_assignment(self: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`: an error, which says what to write in place of a function of SciPy's that assigns."""
    try:
        _assign(self, index, value)
    except AssignmentError as error:
        raise advised(error, sys._getframe(1)) from None


def lacks_matvec(self: Tensor) -> Any:
    """`x.matvec`: an error, as of an ndarray. SciPy asks for it before it says that it does not know a type."""
    _in_scipy().check_is_no_operator(sys._getframe(1))
    raise AttributeError("'Tensor' object has no attribute 'matvec'", name="matvec", obj=self)


CONVERSIONS: dict[str, Callable[..., Any]] = {
    "__array__": as_numpy_array,
    "__setitem__": refuse_assignment,
    "__int__": _number(int, "int(x)"),
    "__float__": _number(float, "float(x)"),
    "__round__": _rounded,
    "__floor__": _integer(rounding.floor),
    "__ceil__": _integer(rounding.ceil),
    "__trunc__": _integer(rounding.trunc),
    "__str__": _text(str, "str(x)"),
    "__repr__": _text(repr, "repr(x)"),
    "__format__": _text(format, "format(x)"),
}
