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


def opaque_arrays(name: str, function: Function, shapes: Sequence[Any], *operands: Array) -> list[Array]:
    """Return function(*operands), arrays of these shapes, as one operation."""

    def flat(*operands: Array) -> Array:
        return tnp.concatenate([tnp.ravel(x) for x in function(*operands)])

    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1].tolist()
    parts = tnp.split(opaque(name, flat, *operands), ends)
    return [tnp.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]


def at_places(function: Function, places: Sequence[int], operands: Sequence[Array]) -> Function:
    """Return the function of the operands at some places alone."""

    def alone(*values: Array) -> Array:
        replaced = dict(zip(places, values, strict=True))
        return function(*[replaced.get(i, x) for i, x in enumerate(operands)])

    return alone


def _pulled(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
    name, function = parameters["name"], parameters["function"]
    places = [i for i, slot in enumerate(slots) if slot is not None]

    def pulled(t: Array, *operands: Array) -> Sequence[Array]:
        found: Sequence[Array] = vjp(at_places(function, places, operands), *(operands[i] for i in places))[1](t)
        return found

    given = (t, *kept[: len(slots)])
    found = opaque_arrays(f"{name}'s pullback", pulled, [shapes[i] or () for i in places], *given)
    bars = dict(zip(places, found, strict=True))
    return [bars.get(i, NO_PATH) for i in range(len(slots))]


def _pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
    name, function = parameters["name"], parameters["function"]
    places = [i for i, dot in enumerate(tangents) if dot is not None]
    operands = kept[: len(slots)]

    def pushed(*given: Array) -> Array:
        operands, dots = given[: len(slots)], given[len(slots) :]
        return jvp(at_places(function, places, operands), [operands[i] for i in places], dots)[1]

    return opaque(f"{name}'s pushforward", pushed, *operands, *(tangents[i] for i in places))
