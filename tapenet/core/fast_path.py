"""The public functions of elementwise primitives: the recording path, written out for speed.

A small operation costs less than a microsecond, so each call, dictionary and object around it shows: for one and two
operands recording is spelled out in one function, and all that is rare goes to `_off_the_path`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import collected, holds_tensor
from tapenet.core.foreign import as_constant, is_container
from tapenet.core.primitive import CONSTANTS, Array, Primitive, bind, named_error, past_closed_tapes
from tapenet.core.provided import provided
from tapenet.core.record import NO_PARAMETERS, SHAPE
from tapenet.core.tensor import Tensor, UnsealedTensor, new_object


def public_function(primitive: Primitive) -> Callable[..., Array]:
    """The function that computes an elementwise primitive, and records it."""
    make = {1: _unary, 2: _binary}.get(len(primitive.operands), _several)
    return make(primitive)


def operator_function(primitive: Primitive, before: Callable[..., Any]) -> Callable[..., Array]:
    """The same as a binary operator.

    Args:
        before: called with operands that are not arrays, scalars and Tensors of one tape; answers None where the
            function is to compute as usual, and else what the operator returns.
    """

    def off_the_path(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        answer = before(*operands)
        return _off_the_path(primitive, operands, keywords) if answer is None else answer

    return _binary(primitive, off_the_path)


def _unary(primitive: Primitive) -> Callable[..., Array]:
    forward = primitive.forward
    keeps_x, keeps_out = primitive.keeps((False,))

    def function(x: Array, /, **keywords: Any) -> Array:
        if type(x) is not Tensor:
            try:
                return _off_the_path(primitive, (x,), keywords) if keywords else forward(x)
            except (TypeError, ValueError) as error:
                return _of_lists(primitive, (x,), keywords, error)
        tape = x.tape
        if keywords or not tape.is_fast:
            return _off_the_path(primitive, (x,), keywords)
        value = x._value
        try:
            out = forward(value) if type(value) is not Tensor else function(value)
        except TypeError as error:
            raise named_error(primitive.name, error) from error
        x_slot = x.slot
        entries = tape.entries
        made = new_object(UnsealedTensor)  # `made_tensor`, written out
        made._value = out
        made.tape = tape
        made.slot = len(entries)
        made.__class__ = Tensor
        tape.append(
            (
                primitive,
                (x_slot,),
                (value if keeps_x else None, out if keeps_out else None),
                NO_PARAMETERS,
                entries[x_slot][SHAPE],  # the operand's own tuple: long tapes are bound by fresh memory
                out.dtype,
            )
        )
        return made

    return function


def _binary(primitive: Primitive, otherwise: Callable[..., Array] | None = None) -> Callable[..., Array]:
    forward = primitive.forward
    off_the_path = otherwise or _off_the_path
    both_keep_x, both_keep_y, both_keep_out = primitive.keeps((False, False))
    x_keeps_x, _, x_keeps_out = primitive.keeps((False, True))
    _, y_keeps_y, y_keeps_out = primitive.keeps((True, False))

    def function(x: Array, y: Array, /, **keywords: Any) -> Array:
        if type(x) is Tensor:
            tape = x.tape
            x_value = x._value
            a_slot = x.slot
            if type(y) is Tensor:
                if y.tape is not tape or keywords or not tape.is_fast:
                    return off_the_path(primitive, (x, y), keywords)
                y_value = y._value
                slots: tuple[int | None, int | None] = (a_slot, y.slot)
                keeps_x, keeps_y, keeps_out = both_keep_x, both_keep_y, both_keep_out
            else:
                if keywords or not tape.is_fast or type(y) not in CONSTANTS:
                    return off_the_path(primitive, (x, y), keywords)
                y_value = y
                slots = (a_slot, None)
                keeps_x, keeps_y, keeps_out = x_keeps_x, True, x_keeps_out
        elif type(y) is Tensor:
            tape = y.tape
            if keywords or not tape.is_fast or type(x) not in CONSTANTS:
                return off_the_path(primitive, (x, y), keywords)
            x_value, y_value = x, y._value
            a_slot = y.slot
            slots = (None, a_slot)
            keeps_x, keeps_y, keeps_out = True, y_keeps_y, y_keeps_out
        else:
            try:
                return _off_the_path(primitive, (x, y), keywords) if keywords else forward(x, y)
            except (TypeError, ValueError) as error:
                return _of_lists(primitive, (x, y), keywords, error)
        try:
            if type(x_value) is Tensor or type(y_value) is Tensor:
                out = function(x_value, y_value)
            else:
                out = forward(x_value, y_value)
        except (ValueError, TypeError) as error:
            raise named_error(primitive.name, error) from error
        entries = tape.entries
        shape = out.shape
        if shape == (operand_shape := entries[a_slot][SHAPE]):
            shape = operand_shape  # one tuple for both: long tapes are bound by fresh memory
        made = new_object(UnsealedTensor)  # `made_tensor`, written out
        made._value = out
        made.tape = tape
        made.slot = len(entries)
        made.__class__ = Tensor
        tape.append(
            (
                primitive,
                slots,
                (x_value if keeps_x else None, y_value if keeps_y else None, out if keeps_out else None),
                NO_PARAMETERS,
                shape,
                out.dtype,
            )
        )
        return made

    return function


def _several(primitive: Primitive) -> Callable[..., Array]:
    def function(*operands: Array, **keywords: Any) -> Array:
        return _off_the_path(primitive, operands, keywords)

    return function


def _off_the_path(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
    """The general case of an elementwise function: several tapes, closed tapes, lists, containers, ufunc keywords."""
    operands = [past_closed_tapes(collected(x)) for x in operands]
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
    """The operation as NumPy dispatches it, to a container among the operands."""
    if isinstance(primitive.forward, np.ufunc):
        return primitive.forward(*operands, **keywords)
    container = next(x for x in operands if is_container(x))
    return as_constant(primitive.name, container)  # raises, and says what to pass


def _of_lists(primitive: Primitive, operands: Sequence[Array], keywords: Mapping[str, Any], error: Exception) -> Array:
    """What NumPy could not take: lists that hold Tensors, or a Tensor as a keyword."""
    if keywords.get("out") is not None or not any(map(holds_tensor, (*operands, *keywords.values()))):
        raise error
    return _off_the_path(primitive, operands, keywords)
