"""The operations of users: what their forward functions and their rules give, checked, and rules for all operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.families import Rule, read_names, takes_the_rest
from tapenet.core.leaf_checks import described, dtype_of, own_copy, unshared
from tapenet.core.primitive import Array, CompiledRule, JointRule, Parts, Primitive, Shapes, missing_rule
from tapenet.core.record import Kept, Parameters, Shape, Slots
from tapenet.errors import MissingRuleError, RuleError

Evaluation = Callable[..., tuple[Any, Any]]  # of operands and parameters, the output and the residual

# ---- what forward gives ----


def evaluation(forward: Callable[..., Any], name: str, *, is_elementwise: bool, has_residual: bool) -> Evaluation:
    """Return the forward function, its output as an array or a tuple of arrays, and its residual as an array."""

    def evaluated(*operands: Array, **parameters: Any) -> tuple[Any, Any]:
        out, residual = forward(*operands, **parameters), None
        if has_residual:
            if type(out) is not tuple or len(out) != 2:
                raise RuleError(f"{name}: forward must return a pair (out, residual); got {_came(out)}.")
            out, residual = out
            residual = as_array(residual, f"{name}: the residual must be one array")
        if not is_elementwise:
            return as_output(out, f"{name}: forward must return one array, or a tuple of arrays"), residual
        out = as_array(out, f"{name}: forward must return one array")
        expected = np.broadcast_shapes(*map(np.shape, operands))
        if out.shape != expected:
            raise RuleError(
                f"{name}: forward of an elementwise operation must return the shape that its operands broadcast "
                f"to, {expected}; got {out.shape}. Pass family='general' or 'linear'."
            )
        return out, residual

    return evaluated


def with_users_residual(primitive: Primitive, evaluated: Evaluation) -> Primitive:
    """Return a primitive whose rules read what forward returned beside its output.

    Where a walk is recorded the residual is a value of the operands that has no rule: a second derivative through one
    of floats is an error, and not zero.
    """

    def refuse(
        tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        index = next(i for i, tangent in enumerate(tangents) if tangent is not None)
        raise missing_rule(residual, index, "forward mode")

    residual = Primitive(
        f"residual of {primitive.name}",
        "general",
        lambda *operands, **parameters: evaluated(*operands, **parameters)[1],
        operands=primitive.operands,
        joint_pullback=lambda t, slots, kept, parameters, shapes: [None] * len(slots),
        joint_pushforward=refuse,
        joint_reads="none",
        is_users=True,
        shape_depends_on="shapes",
    )
    return attrs.evolve(primitive, with_residual=evaluated, residual=residual)


# ---- what rules give ----


def checked_pullback(rule: CompiledRule | None, name: str, operand: str) -> CompiledRule | None:
    """Return the rule of one operand with its answer checked; of several outputs it gets a cotangent for each."""
    if rule is None:
        return None
    what = _what(name, operand)

    def checked(t: Any, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
        answer = rule(t.filled() if type(t) is Parts else t, kept, parameters, shape)
        return unshared(_checked(answer, what), kept)

    return checked


def checked_pushforward(rule: CompiledRule | None, name: str, operand: str) -> CompiledRule | None:
    """Return the rule of one operand with its answer checked; of several outputs it gives a tangent for each."""
    if rule is None:
        return None
    what = _what(name, operand)
    return lambda t, kept, parameters, shape: _checked_tangents(rule(t, kept, parameters, shape), what)


def _what(name: str, operand: str) -> str:
    return f"{name}: the rule for {operand} must return one float or complex array"


def _checked(answer: Any, what: str) -> Array:
    array = as_array(answer, what)
    if array.dtype.kind not in "fc":
        raise RuleError(f"{what}; got {described(array)}.")
    return own_copy(array)


def _checked_tangents(answer: Any, what: str) -> Any:
    if type(answer) not in (tuple, list):
        return _checked(answer, what)
    return tuple([None if part is None else _checked(part, what) for part in answer])


def as_array(x: Any, what: str) -> Array:
    """Return an array, or a number as NumPy's; raise for anything else."""
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return x
    if type(x) not in (float, complex, int, bool):
        raise RuleError(f"{what}; got {type(x).__name__}.")
    return np.asarray(x)[()]


def as_output(x: Any, what: str) -> Any:
    """Return an array, or a tuple of arrays; raise for anything else."""
    return tuple([as_array(part, what) for part in x]) if isinstance(x, tuple | list) else as_array(x, what)


def _came(x: Any) -> str:
    return f"{len(x)} values" if type(x) is tuple else type(x).__name__


# ---- one rule for all operands ----


def joint_primitive(
    name: str,
    forward: Callable[..., Array],
    pullback: Rule | None,
    pushforward: Rule | None,
    operands: tuple[str, ...],
    collected: str,
) -> Primitive:
    """Return a primitive of which one rule serves all operands.

    Args:
        operands: the operands' names; empty where their number varies.
        collected: where it varies, the name by which rules read all of them, in a tuple.
    """
    rules = [rule for rule in (pullback, pushforward) if rule is not None]
    read = {own for rule in rules for own in read_names(rule)}
    return Primitive(
        name,
        "joint",
        forward,
        operands,
        joint_pullback=_joint_pullback(name, pullback, operands, collected),
        joint_pushforward=_joint_pushforward(name, pushforward, operands, collected),
        joint_reads="all" if read & {collected, *operands} else "none",
        joint_reads_out="out" in read,
        is_users=True,
        users_rules="each",
    )


def _joint_pullback(name: str, rule: Rule | None, operands: tuple[str, ...], collected: str) -> JointRule:
    what = f"{name}: the rule must return a tuple of float or complex arrays, one for each operand"

    def pulled(t: Any, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
        if rule is None:
            return [None] * len(slots)
        t = t.filled() if type(t) is Parts else t
        answers = rule(t, **_read(rule, operands, collected, kept, parameters, shapes))
        if not isinstance(answers, tuple | list) or len(answers) != len(slots):
            came = f"{len(answers)}" if isinstance(answers, tuple | list) else f"a {type(answers).__name__}"
            raise RuleError(f"{what} ({len(slots)}); got {came}.")
        pairs = zip(answers, slots, strict=True)
        return [
            None if answer is None or slot is None else unshared(_checked(answer, what), kept) for answer, slot in pairs
        ]

    return pulled


def _joint_pushforward(name: str, rule: Rule | None, operands: tuple[str, ...], collected: str) -> JointRule:
    what = f"{name}: the rule of forward mode must return a float or complex array for each output"

    def pushed(
        tangents: Sequence[Array | None], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> Any:
        if rule is None:
            raise MissingRuleError(f"{name}: forward mode needs a rule, and has none. Pass pushes=[rule].")
        dtype = np.result_type(*[dtype_of(tangent) for tangent in tangents if tangent is not None])

        pairs = zip(tangents, shapes, strict=True)
        filled = tuple([np.zeros(shape or (), dtype)[()] if dot is None else dot for dot, shape in pairs])
        return _checked_tangents(rule(filled, **_read(rule, operands, collected, kept, parameters, shapes)), what)

    return pushed


def _read(
    rule: Rule, operands: tuple[str, ...], collected: str, kept: Kept, parameters: Parameters, shapes: Shapes
) -> dict[str, Any]:
    """Return what a rule for all operands reads, by name."""
    count = len(shapes)
    known: dict[str, Any] = {"out": kept[count], "residual": kept[-1], **parameters}
    if collected:
        known.update({collected: tuple(kept[:count]), f"{collected}_shape": tuple(shapes)})
    known.update(zip(operands, kept, strict=False))
    known.update(zip((f"{own}_shape" for own in operands), shapes, strict=False))
    names = read_names(rule)
    rest = {key: value for key, value in parameters.items() if key not in names} if takes_the_rest(rule) else {}
    return {**{own: known[own] for own in names}, **rest}
