"""The public functions of elementwise primitives: the recording path, written out for speed.

A small operation costs less than a microsecond, so that each call, dictionary and object around it counts. For one
and two operands recording is written out in one function, compiled from the template below when it is first called.
Everything else goes to `_slow_path`, which makes the same records.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import attrs
import numpy as np

from tapenet.core.arguments import collected, holds_tensor
from tapenet.core.foreign import as_constant, is_container
from tapenet.core.primitive import CONSTANTS, Array, Primitive, bind, named_error  # noqa: F401  # in the template
from tapenet.core.provided import provided
from tapenet.core.record import NO_PARAMETERS, SHAPE
from tapenet.core.recorder import slot_of  # noqa: F401  # in the template
from tapenet.core.tensor import Tensor, UnsealedTensor, resolve  # noqa: F401  # in the template


def public_function(primitive: Primitive) -> Callable[..., Array]:
    """Return the function that computes an elementwise primitive, and records it."""
    make = {1: _unary, 2: _binary}.get(len(primitive.operands))
    return _general(primitive) if make is None else make(primitive, primitive.forward, _slow_path)


def operator_function(
    primitive: Primitive, before: Callable[..., Any], *, is_reflected: bool = False
) -> Callable[..., Array]:
    """Return the same as the method of a binary operator, which takes no keywords.

    Args:
        before: called with operands that are not arrays, scalars and Tensors of one tape; answers None where the
            function is to compute as usual, and else what the operator returns.
        is_reflected: whether the method takes the second operand first.
    """

    def slow_path(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        answer = before(*operands)
        return _slow_path(primitive, operands, keywords) if answer is None else answer

    make = _reflected if is_reflected else _operator
    return make(primitive, primitive.forward, slow_path)


def product_function(primitive: Primitive) -> Callable[[Array, Array], Array]:
    """Return the same of a primitive of two operands that is not elementwise: of arrays and Tensors, without lists."""

    def slow_path(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        return bind(primitive, operands, keywords)

    return _operator(primitive, primitive.forward, slow_path)


def _general(primitive: Primitive) -> Callable[..., Array]:
    def function(*operands: Array, **keywords: Any) -> Array:
        return _slow_path(primitive, operands, keywords)

    return function


def _slow_path(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
    """Apply an elementwise function in general: several tapes, closed tapes, lists, containers, ufunc keywords."""
    operands = [resolve(collected(x)) for x in operands]
    if any(map(is_container, operands)):
        return _taken_over(primitive, operands, keywords)
    if not keywords:
        return bind(primitive, operands, NO_PARAMETERS)
    if not any(map(holds_tensor, (*operands, *keywords.values()))):
        return primitive.forward(*operands, **keywords)

    def applied(*xs: Array) -> Array:
        return bind(primitive, xs, NO_PARAMETERS)

    return provided.with_ufunc_keywords(primitive.name, applied, operands, keywords)


def _taken_over(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
    """Apply the operation as NumPy dispatches it, to a container among the operands."""
    if isinstance(primitive.forward, np.ufunc):
        return primitive.forward(*operands, **keywords)
    container = next(x for x in operands if is_container(x))
    return as_constant(primitive.name, container)  # raises, and says what to pass


def _of_lists(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any], error: Exception) -> Array:
    """Apply an operation to what NumPy could not take: lists that hold Tensors, or a Tensor as a keyword."""
    if keywords.get("out") is not None or not any(map(holds_tensor, (*operands, *keywords.values()))):
        raise error
    return _slow_path(primitive, operands, keywords)


# ---- the constants that it takes: with others a result may be of objects or of durations, which `bind` refuses ----

_NUMBERS = (bool, int, float, complex, np.bool_, np.number)
SCALARS = frozenset(kind for kind in CONSTANTS if issubclass(kind, _NUMBERS)) - {np.timedelta64}


def is_numeric_array(x: Any) -> bool:
    """Return whether x is a plain array of numbers."""
    return type(x) is np.ndarray and x.dtype.kind in "biufc"


# ---- the template ----

# {signature} are the parameters, {values} the plain values of the operands. {partition} finds the trace, the values,
# the slots and what the record keeps, {shape} the shape of the output. `made_tensor` and the write of a `TapeRecorder`
# are written out.
_TEMPLATE = """
def function({signature}):
{partition}
    try:
        out = {recurse}forward({values})
    except (ValueError, TypeError) as error:
        raise named_error(primitive.name, error) from error
    entries = trace.entries
{shape}
    slot = len(entries)
    entry = (primitive, slots, {kept}, NO_PARAMETERS, shape, out.dtype)
    entries.append(entry)
    if entries[slot] is not entry:  # another thread recorded on the tape meanwhile
        slot = slot_of(entries, entry, slot)
    made = UnsealedTensor()
    made._value = out
    made.owner = trace
    made.slot = slot
    made.__class__ = Tensor
    return made
"""

# {keywords} are those of the call, and {or_keywords} whether there are any: for operators, which take none, nothing.
_UNARY = """
    if type(x) is not Tensor:
        try:
            return slow_path(primitive, (x,), {keywords}) if {keywords} else forward(x)
        except (TypeError, ValueError) as error:
            return _of_lists(primitive, (x,), {keywords}, error)
    trace = x.owner
    if not trace.is_fast{or_keywords}:
        return slow_path(primitive, (x,), {keywords})
    x_value = x._value
    first = x.slot
    slots = (first,)
"""

_BINARY = """
    if type(x) is Tensor:
        trace = x.owner
        x_value = x._value
        first = x.slot
        if type(y) is Tensor:
            if y.owner is not trace or not trace.is_fast{or_keywords}:
                return slow_path(primitive, (x, y), {keywords})
            y_value = y._value
            second = y.slot
            slots = (first, second)
            {both_keep}
        else:
            if not trace.is_fast or (type(y) not in SCALARS and not is_numeric_array(y)){or_keywords}:
                return slow_path(primitive, (x, y), {keywords})
            y_value = y
            second = None
            slots = (first, None)
            {x_keeps}
    elif type(y) is Tensor:
        trace = y.owner
        if not trace.is_fast or (type(x) not in SCALARS and not is_numeric_array(x)){or_keywords}:
            return slow_path(primitive, (x, y), {keywords})
        x_value, y_value = x, y._value
        first, second = y.slot, None
        slots = (None, first)
        {y_keeps}
    else:
        try:
            return slow_path(primitive, (x, y), {keywords}) if {keywords} else forward(x, y)
        except (TypeError, ValueError) as error:
            return _of_lists(primitive, (x, y), {keywords}, error)
"""

# Output and operands share one tuple for their shapes: the time of long tapes is bound by allocating memory.
_SHAPE_OF_ONE = """
    shape = entries[first][{SHAPE}]
"""

_SHAPE_OF_TWO = """
    shape = entries[first][{SHAPE}]
    if (second is None or entries[second][{SHAPE}] is not shape) and out.shape != shape:
        shape = out.shape
"""

_PIECES: dict[int, Mapping[str, str]] = {
    1: {
        "values": "x_value",
        "partition": _UNARY,
        "shape": _SHAPE_OF_ONE,
        # The value of a Tensor may be one itself, of a tape further out, which records it too.
        "recurse": "function({outward}) if type(x_value) is Tensor else ",
        "kept": "{kept}",
    },
    2: {
        "values": "x_value, y_value",
        "partition": _BINARY,
        "shape": _SHAPE_OF_TWO,
        "recurse": "function({outward}) if type(x_value) is Tensor or type(y_value) is Tensor else ",
        "kept": "{kept}",
    },
}
_NAME = os.path.join(os.path.dirname(__file__), "<fast path>")  # for tracebacks
# What differs between primitives comes in cells and not in globals: functions of a template share one code object, and
# the interpreter specializes its loads of globals for one dictionary. What a record keeps is written into the code.
_MAKE = "def make(function, primitive, forward, slow_path):{body}\n    return function\n"


@attrs.frozen
class _Kind:
    """What a template's function is called with.

    Attributes:
        signature: its parameters.
        outward: its arguments for the values of the operands, where one is a Tensor of a tape further out.
        keywords: the name of the mapping of its keywords.
        or_keywords: what asks whether there are any, after another condition for the slow path.
    """

    signature: str
    outward: str
    keywords: str = "keywords"
    or_keywords: str = " or keywords"


_FUNCTION_OF_ONE = _Kind("x, /, **keywords", "x_value")
_FUNCTION_OF_TWO = _Kind("x, y, /, **keywords", "x_value, y_value")
_OPERATOR = _Kind("x, y, /", "x_value, y_value", "NO_PARAMETERS", "")
_REFLECTED = _Kind("y, x, /", "y_value, x_value", "NO_PARAMETERS", "")


# These four are what a template's function is until it is called: a program uses few of them, and to compile all takes
# a good part of the time of `import tapenet`. Their code is exchanged, so that the function stays the same object; the
# cells stay too, and are those of the four names that the body mentions.


def _unary(
    primitive: Primitive, forward: Callable[..., Array], slow_path: Callable[..., Array]
) -> Callable[..., Array]:
    def function(x: Array, /, **keywords: Any) -> Array:
        _compile(function, _FUNCTION_OF_ONE, primitive, forward, slow_path)
        return function(x, **keywords)

    return function


def _binary(
    primitive: Primitive, forward: Callable[..., Array], slow_path: Callable[..., Array]
) -> Callable[..., Array]:
    def function(x: Array, y: Array, /, **keywords: Any) -> Array:
        _compile(function, _FUNCTION_OF_TWO, primitive, forward, slow_path)
        return function(x, y, **keywords)

    return function


def _operator(
    primitive: Primitive, forward: Callable[..., Array], slow_path: Callable[..., Array]
) -> Callable[..., Array]:
    def function(x: Array, y: Array, /) -> Array:
        _compile(function, _OPERATOR, primitive, forward, slow_path)
        return function(x, y)

    return function


def _reflected(
    primitive: Primitive, forward: Callable[..., Array], slow_path: Callable[..., Array]
) -> Callable[..., Array]:
    def function(y: Array, x: Array, /) -> Array:
        _compile(function, _REFLECTED, primitive, forward, slow_path)
        return function(y, x)

    return function


def _compile(function: Any, kind: _Kind, primitive: Primitive, *_: Any) -> None:
    """Give a function the code of the template, for what the records of its primitive keep."""
    patterns = ((False,),) if len(primitive.operands) == 1 else ((False, False), (False, True), (True, False))
    function.__code__ = _code(kind, tuple(primitive.keeps(pattern) for pattern in patterns))


@functools.cache
def _code(kind: _Kind, keeps: tuple[tuple[bool, ...], ...]) -> CodeType:
    """Return the code of a template's function for primitives whose records keep the same."""
    count = 1 if len(keeps) == 1 else 2
    fill = _kept_by_one(*keeps) if count == 1 else _kept_by_two(*keeps)
    pieces = {key: text.strip("\n") for key, text in _PIECES[count].items()}
    body = _TEMPLATE.format(signature=kind.signature, **pieces)
    body = body.format(SHAPE=SHAPE, **fill, **attrs.asdict(kind)).replace("\n", "\n    ")
    names: dict[str, Any] = {}
    exec(compile(_MAKE.format(body=body), _NAME, "exec"), globals(), names)
    code: CodeType = names["make"](*[None] * 4).__code__
    return code


def _kept_by_one(keeps: tuple[bool, ...]) -> dict[str, str]:
    """Return the expression of what a record of one operand keeps."""
    kept = [name if keep else "None" for name, keep in zip(("x_value", "out"), keeps, strict=True)]
    return {"kept": f"({', '.join(kept)})"}


def _kept_by_two(*keeps: tuple[bool, ...]) -> dict[str, str]:
    """Return for each mix of Tensors and constants the statement that says what a record of two operands keeps.

    Where no record keeps the output, which is not there yet, the statement makes the whole tuple: of None alone it is
    a constant of the code.
    """
    reads_out = any(own[-1] for own in keeps)

    def statement(keeps_x: bool, keeps_y: bool, keeps_out: bool) -> str:
        kept = "x_value" if keeps_x else "None", "y_value" if keeps_y else "None"
        if reads_out:
            return f"kept_x, kept_y, keeps_out = {kept[0]}, {kept[1]}, {keeps_out}"
        return f"kept = ({kept[0]}, {kept[1]}, None)"

    names = ("both_keep", "x_keeps", "y_keeps")
    return {name: statement(*own) for name, own in zip(names, keeps, strict=True)} | {
        "kept": "(kept_x, kept_y, out if keeps_out else None)" if reads_out else "kept"
    }
