"""What a solver of SciPy's finds, differentiated by a rule that does not see the solver."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import attrs
import numpy as np
from numpy.linalg import LinAlgError

from tapenet import errors
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import NO_PATH, Array, Parts, Shapes
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.source_lines import module_of
from tapenet.core.tensor import Tensor
from tapenet.errors import TapenetError
from tapenet.transforms.calls import Structure, is_differentiable, split_arrays
from tapenet.transforms.custom import JvpRule, custom_jvp, operation
from tapenet.transforms.products import jvp

Function = Callable[..., Any]


def solved(
    name: str, solve: Function, tangent: Function, *args: Any, is_users: bool = False, pullback: Function | None = None
) -> Any:
    """Return solve(*args), computed once on plain values, with a rule for its tangent.

    Args:
        name: for errors and listings.
        solve: of plain arrays; gives an array or a tuple of arrays.
        tangent: `(out, args, dots) -> out_dot`, linear in the tangents `dots` of the arguments, which are None for
            what is not differentiable. It is written with differentiable functions of mapped values, so that reverse
            mode, higher orders and `vmap` follow.
        args: pytrees of anything.
        is_users: whether `solve` calls functions of a user's, whose exceptions pass unchanged.
        pullback: `(out, differentiable, bars) -> cotangents` of the differentiable arrays of the arguments
            (`Differentiable`), where that is cheaper than the transpose of `tangent`; `bars` has a cotangent for each
            array of the result, None for integers. It may return None, to leave it to the transpose.
    """
    arrays, structure = split_arrays(args)
    solver = choice(lambda *operands: _named(name, solve, structure.filled(operands)), name=f"{name}'s solver")
    found = attrs.evolve(solver, is_users=is_users)(*arrays)
    return _Rules(name, tangent, pullback).dependent(found, args)


def _named(name: str, solve: Function, args: Any) -> Any:
    """Return solve(*args); what SciPy refuses is refused under our name, and a user's exceptions pass unchanged."""
    try:
        return solve(*args)
    except (ValueError, LinAlgError) as error:
        if isinstance(error, TapenetError) or not _is_scipys(error.__traceback__):
            raise
        kind = errors.LinAlgError if isinstance(error, LinAlgError) else errors.ArgumentError
        raise kind(f"{name}: {str(error).rstrip('.')}.") from error


def _is_scipys(traceback: TracebackType | None) -> bool:
    """Return whether SciPy raised, or NumPy for it."""
    name = ""
    while traceback is not None:
        own = module_of(traceback.tb_frame)
        name = name if own.startswith("numpy.") else own
        traceback = traceback.tb_next
    return name.startswith("scipy.")


@attrs.frozen(eq=False)
class Differentiable:
    """The arguments of a solution as a function of their differentiable arrays, those on a tape.

    Attributes:
        arrays: these.
        places: theirs among all arrays.
        others: all arrays.
        structure: of the arguments.
    """

    arrays: tuple[Array, ...]
    places: tuple[int, ...]
    others: tuple[Array, ...]
    structure: Structure

    def filled(self, arrays: Sequence[Array]) -> Any:
        """Return the arguments with these arrays."""
        filled = list(self.others)
        for place, array in zip(self.places, arrays, strict=True):
            filled[place] = array
        return self.structure.filled(filled)


@attrs.frozen(eq=False)
class _Rules:
    """The derivatives of a solution that was found."""

    name: str
    tangent: Function
    pullback: Function | None

    def dependent(self, found: Any, args: tuple[Any, ...]) -> Any:
        """Return what was found, as a function of the arguments."""
        primitive = JvpRule(self.name, _first, self.rule, maps=True).primitive()
        if self.pullback is not None:
            pulled = functools.partial(self.pulled, primitive.joint_pullback)
            primitive = attrs.evolve(primitive, joint_pullback=pulled)
        return operation(_first, primitive, (custom_jvp, _first, self.rule, {}))(found, *args)

    def rule(self, primals: tuple[Any, ...], dots: tuple[Any, ...]) -> tuple[Any, Any]:
        found, *args = primals
        out = self.dependent(found, tuple(args))  # so that the derivative is differentiable itself
        return out, self.tangent(out, tuple(args), dots[1:])

    def pulled(
        self, transposed: Any, t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        """Return the cotangents of all operands: what was found, and the arrays of the arguments.

        Args:
            transposed: the rule that transposes the tangent, for where the pullback declines.
            t, slots, kept, parameters, shapes: what joint rules get.
        """
        assert self.pullback is not None
        call = parameters["call"]
        found, *args = call.arguments.filled(kept[: len(slots)])
        arrays, structure = split_arrays(tuple(args))
        before = len(slots) - len(arrays)
        places = tuple(i for i, x in enumerate(arrays) if slots[before + i] is not None and is_differentiable(x))
        given = Differentiable(tuple(arrays[i] for i in places), places, tuple(arrays), structure)
        # Where all are plain values the derivative is not differentiated, and need not see that they depend.
        is_plain = not any(type(x) is Tensor for x in (*kept, *t.parts.values()))
        out = found if is_plain else self.dependent(found, tuple(args))
        pulled = self.pullback(out, given, call.cotangents(t.parts))
        if pulled is None:
            answer: list[Array | None] = transposed(t, slots, kept, parameters, shapes)
            return answer
        bars: list[Array | None] = [NO_PATH if slot is not None else None for slot in slots]
        for place, bar in zip(places, pulled, strict=True):
            bars[before + place] = bar
        return bars


def _first(found: Any, *args: Any) -> Any:
    return found


def moved(equation: Function, x: Any, args: tuple[Any, ...], dots: tuple[Any, ...]) -> Any:
    """Return the tangent of equation(x, *args) by the arguments alone."""
    arrays, structure = split_arrays(args)
    tangents, _ = split_arrays(dots)
    places = [i for i, array in enumerate(arrays) if is_differentiable(array)]

    def by_args(*values: Array) -> Any:
        replaced = dict(zip(places, values, strict=True))
        return equation(x, *structure.filled([replaced.get(i, array) for i, array in enumerate(arrays)]))

    if not places:
        return np.zeros_like(np.asarray(equation(x, *args)))
    return jvp(by_args, [arrays[i] for i in places], tangents)[1]
