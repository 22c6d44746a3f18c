"""`primitive`: operations that users define, by one definition each, as the library defines its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_function, shown
from tapenet.core.batching import elementwise_rule
from tapenet.core.families import Rule, built, built_multilinear, read_names
from tapenet.core.leaf_checks import described, detached
from tapenet.core.primitive import Array, BatchRule, CompiledRule, Primitive, bind
from tapenet.core.record import Kept, Parameters, Shape
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, RuleError

__all__ = [
    "primitive",
]

Family = Literal["elementwise", "linear", "multilinear", "general"]
FAMILIES = ("elementwise", "linear", "multilinear", "general")


def primitive(
    forward: Callable[..., Array],
    *rules: Rule | None,
    family: Family = "elementwise",
    pushes: Sequence[Rule | None] | None = None,
    name: str | None = None,
    operands: Sequence[str] | None = None,
    batch: BatchRule | None = None,
) -> Callable[..., Array]:
    """Define an operation: a function of plain arrays, and the rules of its derivative.

    The operation is recorded as one, whatever `forward` is: compiled code, SciPy, a loop in Python.

    A rule is a Python function of `t` and of what it reads, by name: an operand, the output `out`, a keyword
    parameter, and as `x_shape` the shape of the operand x whose rule it is. It is linear in `t`, and is written with
    functions of NumPy or tapenet, or with operations defined like this one; then derivatives of higher order follow.

    Args:
        forward: `forward(*operands, **parameters) -> one array`; gets plain arrays and scalars. Parameters are
            keyword-only and hashable.
        rules: one for each operand, None where it has no derivative; none at all for an operation without any. By
            family a rule gives

            - "elementwise": t times the partial derivative, which serves both modes; forward broadcasts, and its
              output has the shape that its operands broadcast to;
            - "linear": the cotangent of the first operand, from t, that of the output: the transpose; forward is
              linear in that operand;
            - "multilinear": the same for each operand that forward is linear in;
            - "general": the cotangent of the operand, from t, that of the output.
        family: one of these; for all but the last, forward mode follows.
        pushes: for "general" one rule for each operand: the output's tangent, from t, that of the operand.
        name: for errors and listings; forward's own by default.
        operands: the operands' names, where they cannot be read off `forward`.
        batch: how `vmap` evaluates it, `(operation, arrays, mapped, size, parameters) -> array` with the examples
            along axis 0. By default elementwise operations broadcast, and others go through the examples one by one.

    Returns:
        The operation; its `primitive` attribute is what tapes record.

    Raises:
        ArgumentError: a count of rules other than that of operands; a rule that reads what is not there.
        ArgumentTypeError: a rule that is not a Python function; a `forward` whose operands cannot be found.
        RuleError: when called, a forward's or a rule's answer of the wrong type, dtype or shape.
        MissingRuleError: when differentiated, where there is no rule.

    What `forward` and rules raise themselves passes unchanged.

    >>> cube = primitive(lambda x: x * x * x, lambda t, x: 3 * t * x**2, name="cube")
    >>> tn.grad(cube)(2.0), tn.grad(tn.grad(cube))(2.0)
    (np.float64(12.0), np.float64(12.0))
    """
    if family not in FAMILIES:
        raise ArgumentError(f"primitive: family must be one of {', '.join(FAMILIES)}; got {family!r}.")
    checked_function("primitive", "forward", forward)
    if name is not None and not (isinstance(name, str) and name):
        raise ArgumentTypeError(f"primitive: name must be a text; got {shown(name)}.")
    if operands is not None and not (isinstance(operands, list | tuple) and all(isinstance(x, str) for x in operands)):
        raise ArgumentTypeError(f"primitive: operands must be a list or tuple of names; got {shown(operands)}.")
    name = name or str(getattr(forward, "__name__", type(forward).__name__))
    names = tuple(operands) if operands is not None else _operand_names(forward, name)
    if pushes is not None and family != "general":
        raise ArgumentError(f"primitive: pushes must be given for family='general' alone; got family={family!r}.")
    given = _for_each(rules, names, f"{name}: rules")
    pushed = _for_each(pushes or (), names, f"{name}: pushes")
    _check_reads((*zip(given, names, strict=True), *zip(pushed, names, strict=True)), forward, names, name)
    computed = _computed(forward, name, family)
    made = _made(computed, given, pushed, family, name, names, batch)
    operation = _public(
        made, {key: value for key, value in _parameters(forward) if value is not inspect.Parameter.empty}
    )
    operation.__name__ = operation.__qualname__ = name
    operation.__doc__ = forward.__doc__
    return operation


def _made(
    forward: Callable[..., Array],
    rules: Sequence[Rule | None],
    pushes: Sequence[Rule | None],
    family: Family,
    name: str,
    names: tuple[str, ...],
    batch: BatchRule | None,
) -> Primitive:
    match family:
        case "elementwise":
            made = built(name, family, forward, rules, rules, names, batch or elementwise_rule, is_elementwise=True)
        case "general":
            made = built(name, family, forward, rules, pushes, names, batch)
        case _:
            made = built_multilinear(name, family, forward, rules, names, batch)
    return attrs.evolve(
        made,
        pullbacks=tuple(_checked(rule, name, own) for rule, own in zip(made.pullbacks, names, strict=True)),
        pushforwards=tuple(_checked(rule, name, own) for rule, own in zip(made.pushforwards, names, strict=True)),
        is_users=True,
        users_rules="each",
    )


def _public(primitive: Primitive, defaults: Parameters) -> Callable[..., Array]:
    def operation(*operands: Array, **parameters: Any) -> Array:
        if len(operands) != len(primitive.operands):
            raise ArgumentTypeError(
                f"{primitive.name}: there must be {len(primitive.operands)} operands "
                f"({', '.join(primitive.operands)}), given by position; got {len(operands)}."
            )
        if not any(type(x) is Tensor for x in operands):
            return primitive.forward(*operands, **parameters)
        for key, value in parameters.items():
            if type(value).__hash__ is None or type(value) is Tensor:
                raise ArgumentTypeError(
                    f"{primitive.name}: {key} must be hashable, as every parameter; got {described(value)}. "
                    "Make arrays operands, and lists tuples."
                )
        return bind(primitive, operands, {**defaults, **parameters})

    operation.primitive = primitive  # type: ignore[attr-defined]  # functions take attributes
    return operation


# ---- checks where it is defined ----


def _operand_names(forward: Callable[..., Array], name: str) -> tuple[str, ...]:
    if isinstance(forward, np.ufunc):
        return ("x", "y", "z", "w")[: forward.nin]
    advice = f"Write operands=('x', ...), a name for each operand of {name}."
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"primitive: forward must have a signature that Python can read; got {described(forward)}. {advice}"
        ) from error
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        raise ArgumentTypeError(f"primitive: forward must have a fixed number of operands; got {name}(*args). {advice}")
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in by_position)


def _for_each(rules: Sequence[Rule | None], names: tuple[str, ...], what: str) -> tuple[Rule | None, ...]:
    if not rules:
        return (None,) * len(names)
    if len(rules) != len(names):
        raise ArgumentError(f"{what} must be one for each operand ({', '.join(names)}); got {len(rules)}.")
    for rule in rules:
        if rule is not None and not isinstance(rule, FunctionType):
            raise ArgumentTypeError(f"{what} must be Python functions, whose parameters have names; got {rule!r}.")
    return tuple(rules)


def _check_reads(
    pairs: Sequence[tuple[Rule | None, str]], forward: Callable[..., Array], names: tuple[str, ...], name: str
) -> None:
    takes_anything = _takes_any_keyword(forward)
    parameters = [key for key, _ in _parameters(forward)]
    for rule, own in pairs:
        known = (*names, "out", f"{own}_shape", *parameters)
        for read in read_names(rule) if rule is not None and not takes_anything else ():
            if read not in known:
                raise ArgumentError(f"{name}: the rule for {own} must read some of {', '.join(known)}; got {read}.")


def _parameters(forward: Callable[..., Array]) -> list[tuple[str, Any]]:
    """Return forward's keyword parameters with their defaults, as far as they can be read; for a ufunc none."""
    if isinstance(forward, np.ufunc):
        return []
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [(parameter.name, parameter.default) for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _takes_any_keyword(forward: Callable[..., Array]) -> bool:
    if isinstance(forward, np.ufunc):
        return False
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


# ---- checks where it is used ----


def _computed(forward: Callable[..., Array], name: str, family: Family) -> Callable[..., Array]:
    """Return the forward function with its answer checked and as an array."""

    def computed(*operands: Array, **parameters: Any) -> Array:
        out = _as_array(forward(*operands, **parameters), f"{name}: forward must return one array")
        if family == "elementwise":
            expected = np.broadcast_shapes(*map(np.shape, operands))
            if out.shape != expected:
                raise RuleError(
                    f"{name}: forward of an elementwise operation must return the shape that its operands broadcast "
                    f"to, {expected}; got {out.shape}. Pass family='general' or 'linear'."
                )
        return out

    return computed


def _checked(rule: CompiledRule | None, name: str, operand: str) -> CompiledRule | None:
    if rule is None:
        return None

    def checked(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
        what = f"{name}: the rule for {operand} must return one float or complex array"
        answer = _as_array(rule(t, kept, parameters, shape), what)
        if answer.dtype.kind not in "fc":
            raise RuleError(f"{what}; got {described(answer)}.")
        return detached(answer)

    return checked


def _as_array(x: Any, what: str) -> Array:
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return x
    if type(x) not in (float, complex, int, bool):
        raise RuleError(f"{what}; got {type(x).__name__}.")
    return np.asarray(x)[()]


def __dir__() -> list[str]:
    return __all__
