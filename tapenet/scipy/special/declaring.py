"""How the functions of scipy.special are declared: SciPy's value, and derivatives as rules or as a formula.

    gammaln = ufunc("gammaln", "x", lambda t, x: t * digamma(x), note="digamma(x).")

declares the ufunc of that name with one rule for each operand, None where it has no derivative. A `formula` is a
function of the operands, in functions that are differentiable already; its derivatives stand in for rules. `several` is
for ufuncs of more than one result.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.families import elementwise
from tapenet.core.primitive import Array
from tapenet.scipy.placing import absent, published, refused
from tapenet.transforms.products import jvp

Function = Callable[..., Any]
Rule = Callable[..., Array]

COUNTERPARTS: dict[Any, Function] = {}  # our function for each of SciPy's ufuncs


def scipys(name: str) -> Any:
    """Return SciPy's ufunc itself, also where the array API mode has wrapped it."""
    found = getattr(scipy.special, name, None)
    inner = getattr(found, "__wrapped__", None)
    return inner if isinstance(inner, np.ufunc) else absent(f"scipy.special.{name}") if found is None else found


def ufunc(
    name: str,
    operands: str,
    *rules: Rule | None,
    note: str,
    formula: Function | None = None,
    by: str = "",
    forward: Function | None = None,
) -> Function:
    """Declare a ufunc of scipy.special.

    Args:
        name: SciPy's.
        operands: their names, separated by spaces.
        rules: for each operand the derivative times `t`; None where there is none.
        note: what the derivative is, a sentence that follows "Derivative: ".
        formula: instead of rules, a function of the operands with the same derivatives.
        by: the operands that the formula is differentiated by; all of them by default.
        forward: what computes the value, where it is not SciPy's ufunc.
    """
    names = tuple(operands.split())
    if formula is not None:
        wanted = by.split() or names
        rules = tuple(rule_of(formula, names, i) if own in wanted else None for i, own in enumerate(names))
    function = primitive(name, operands, forward or scipys(name), *rules)
    head = "" if note.startswith(("Piecewise", "Derivative", "No derivative")) else "Derivative: "
    published(function, scipy.special, name, f"{head}{note}")
    COUNTERPARTS[scipys(name)] = function
    return function


def primitive(name: str, operands: str, forward: Function, *rules: Rule | None) -> Function:
    """Declare an elementwise primitive, under the name that errors and listings show."""
    names = tuple(operands.split())
    function = elementwise(forward, *rules, name=f"special.{name}", operands=names)
    by_position = inspect.Parameter.POSITIONAL_ONLY
    signature = inspect.Signature([inspect.Parameter(operand, by_position) for operand in names])
    function.__signature__ = signature  # type: ignore[attr-defined]  # functions take attributes
    return function


def rule_of(formula: Function, names: Sequence[str], place: int) -> Rule:
    """Return the rule of an operand: `t` times the derivative of the formula."""

    def slope(t: Array, *operands: Array) -> Array:
        x = tnp.broadcast_to(operands[place], t.shape)
        with np.errstate(all="ignore"):
            _, dot = jvp(
                lambda x: formula(*operands[:place], x, *operands[place + 1 :]), (x,), (np.ones(x.shape, x.dtype)[()],)
            )
        return t * dot

    listed = ", ".join(names)
    rule: Rule = eval(
        f"lambda tangent, {listed}: slope(tangent, {listed})", {"slope": slope}
    )  # rules name what they read
    return rule


def implicit(name: str, operands: str, equation: Function, *, by: str = "", note: str) -> Function:
    """Declare a ufunc whose result solves an equation.

    Args:
        name: SciPy's.
        operands: their names, separated by spaces.
        equation: of the result and the operands, which vanishes; its derivatives give those of the result.
        by: the operands that it is differentiated by; all of them by default.
        note: what the derivative is.
    """
    return ufunc(name, operands, *implicit_rules(operands, equation, by), note=note)


def solved(name: str, operands: str, forward: Function, equation: Function, *, by: str = "") -> Function:
    """Declare an elementwise primitive, "module.function", whose result solves an equation, as `implicit` does."""
    names = tuple(operands.split())
    function: Function = elementwise(forward, *implicit_rules(operands, equation, by), name=name, operands=names)
    return function


def implicit_rules(operands: str, equation: Function, by: str) -> list[Rule | None]:
    """Return the rules of a result that solves an equation: minus its slope by the operand, over that by itself."""
    names = tuple(operands.split())
    wanted = by.split() or names

    def slope(t: Array, place: int, out: Array, *operands: Array) -> Array:
        everything = (out, *operands)
        shape = np.broadcast_shapes(t.shape, out.shape)  # a tangent has the shape of its operand

        def along(i: int) -> Array:
            x = tnp.broadcast_to(tnp.asarray(everything[i]) * 1.0, shape)
            ones = np.ones(x.shape, x.dtype)[()]
            return jvp(lambda x: equation(*everything[:i], x, *everything[i + 1 :]), (x,), (ones,))[1]

        return -t * (along(place + 1) / along(0))

    listed = ", ".join(names)
    return [
        eval(f"lambda tangent, {listed}, out: slope(tangent, {i}, out, {listed})", {"slope": slope})
        if own in wanted
        else None
        for i, own in enumerate(names)
    ]


def several(name: str, operands: str, *rules: Sequence[Rule | None], note: str) -> tuple[Function, ...]:
    """Declare a ufunc with several results; for each of them the rules of its operands.

    Returns:
        The function, and for each result the function that gives it alone.
    """
    theirs = scipys(name)

    def part(i: int, own: Sequence[Rule | None]) -> Function:
        return primitive(f"{name}[{i}]", operands, lambda *xs: theirs(*xs)[i], *own)

    parts = tuple(part(i, own) for i, own in enumerate(rules))

    def function(*xs: Any, **keywords: Any) -> Any:
        if any(map(holds_tensor, (*xs, *keywords.values()))):
            return tuple(own(*xs, **keywords) for own in parts)
        return theirs(*xs, **keywords)

    published(function, scipy.special, name, f"Derivatives: {note}")
    COUNTERPARTS[theirs] = function
    return (function, *parts)


def refused_ufunc(name: str, instead: str, *, reason: str) -> Function:
    """Declare a ufunc that is not differentiated."""
    function = refused(scipy.special, name, instead, reason=reason)
    COUNTERPARTS[scipys(name)] = function
    return function
