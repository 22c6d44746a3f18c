"""Functions as one operation with derivatives of all orders, each evaluated on plain values.

What a solver finds has as many steps as its values ask for. So its derivatives are programs of different lengths for
different values: they cannot be evaluated for all examples of a batch at once, nor be part of a compiled program. As an
operation they can: the operation is evaluated for each example, and at each call of a program; its derivatives are
operations of the same kind, of the function's derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import NO_PATH, Array, Primitive, Shapes
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor
from tapenet.transforms.products import jvp, vjp

Function = Callable[..., Any]


def is_opaque_needed(operands: Sequence[Array]) -> bool:
    """Return whether operands stand for examples, or are values of a program, beneath any tapes."""
    return any(map(_is_deferred, operands))


def _is_deferred(x: Any) -> bool:
    while type(x) is Tensor:
        if x.owner.holds_batch or x.owner.keeps_choices:
            return True
        x = x.owner.inner(x)
    return False


def opaque(name: str, function: Function, *operands: Array) -> Array:
    """Return function(*operands), an array, as one operation.

    Args:
        name: for errors and listings.
        function: of arrays; written with differentiable functions.
        operands: arrays; it is differentiated by the floats among them.
    """
    primitive = Primitive(
        name, "joint", _evaluated, joint_pullback=_pulled, joint_pushforward=_pushed, joint_reads="all", is_users=True
    )
    found: Array = primitive(*operands, name=name, function=function)
    return found


def _evaluated(*operands: Array, name: str, function: Function) -> Array:
    return function(*operands)


def _at(function: Function, places: Sequence[int], operands: Sequence[Array]) -> Function:
    """Return the function of the operands at some places alone."""

    def alone(*values: Array) -> Array:
        replaced = dict(zip(places, values, strict=True))
        return function(*[replaced.get(i, x) for i, x in enumerate(operands)])

    return alone


def _pulled(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
    name, function = parameters["name"], parameters["function"]
    places = [i for i, slot in enumerate(slots) if slot is not None]

    def pulled(t: Array, *operands: Array) -> Array:
        values = [operands[i] for i in places]
        bars = vjp(_at(function, places, operands), *values)[1](t)
        return tnp.concatenate([tnp.ravel(bar) for bar in bars])

    operands = kept[: len(slots)]
    sizes = [math.prod(shapes[i] or ()) for i in places]
    parts = tnp.split(opaque(f"{name}'s pullback", pulled, t, *operands), np.cumsum(sizes)[:-1].tolist())
    bars: list[Array | None] = [NO_PATH] * len(slots)
    for i, part in zip(places, parts, strict=True):
        bars[i] = tnp.reshape(part, shapes[i] or ())
    return bars


def _pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
    name, function = parameters["name"], parameters["function"]
    places = [i for i, dot in enumerate(tangents) if dot is not None]
    operands = kept[: len(slots)]

    def pushed(*given: Array) -> Array:
        operands, dots = given[: len(slots)], given[len(slots) :]
        return jvp(_at(function, places, operands), [operands[i] for i in places], dots)[1]

    return opaque(f"{name}'s pushforward", pushed, *operands, *(tangents[i] for i in places))
