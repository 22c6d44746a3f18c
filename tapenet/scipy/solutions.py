"""What a solver of SciPy's finds, differentiated by a rule that does not see the solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array
from tapenet.transforms.calls import is_differentiable, split_arrays
from tapenet.transforms.custom import JvpRule, custom_jvp, operation
from tapenet.transforms.products import jvp

Function = Callable[..., Any]


def solved(name: str, solve: Function, tangent: Function, *args: Any, is_users: bool = False) -> Any:
    """Return solve(*args), computed once on plain values, with a rule for its tangent.

    Args:
        name: for errors and listings.
        solve: of plain arrays; gives an array or a tuple of arrays.
        tangent: `(out, args, dots) -> out_dot`, linear in the tangents `dots` of the arguments, which are None for
            what is not differentiable. It is written with differentiable functions of mapped values, so that reverse
            mode, higher orders and `vmap` follow.
        args: pytrees of anything.
        is_users: whether `solve` calls functions of a user's, whose exceptions pass unchanged.
    """
    arrays, structure = split_arrays(args)
    solver = choice(lambda *operands: solve(*structure.filled(operands)), name=f"{name}'s solver")
    found = attrs.evolve(solver, is_users=is_users)(*arrays)
    return _dependent(name, tangent, found, args)


def _dependent(name: str, tangent: Function, found: Any, args: tuple[Any, ...]) -> Any:
    def rule(primals: tuple[Any, ...], dots: tuple[Any, ...]) -> tuple[Any, Any]:
        found, *args = primals
        out = _dependent(name, tangent, found, tuple(args))  # so that the derivative is differentiable itself
        return out, tangent(out, tuple(args), dots[1:])

    made_by: tuple[Any, ...] = (custom_jvp, _first, rule, {})
    return operation(_first, JvpRule(name, _first, rule, maps=True).primitive(), made_by)(found, *args)


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
