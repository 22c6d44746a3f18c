"""The door of authors of operations: `primitive` for users, and the declarations that the library itself is made of.

`primitive` makes an operation of one's own, whose answers are checked, and which no registry knows. The other functions
declare operations as tapenet does, in `tapenet.ops`: the families `elementwise`, `linear`, `multilinear`, `general` and
`joint`; `piecewise_constant` in the place of a rule; `choice` and `nondifferentiable` for what has no derivative; batch
rules for `vmap`. Outside of tapenet names are "package.operation". The rules of these are trusted: a rule
returns an array of its own or its cotangent, never an operand or an array that it holds. `register_array_type` has
arrays of another library taken for values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_flag, checked_function, shown
from tapenet.core.batch_rules import (
    along_axis as along_axis,
    broadcast_rule as broadcast_rule,
    into_images as into_images,
    leading as leading,
    leading_axes as leading_axes,
    over_operand as over_operand,
    refused as refused,
    reordered as reordered,
    shifted as shifted,
    untouched as untouched,
    with_examples as with_examples,
)
from tapenet.core.batching import elementwise_rule as elementwise_rule, one_by_one as one_by_one
from tapenet.core.families import (
    Rule,
    built,
    built_multilinear,
    elementwise as elementwise,
    general as general,
    joint as joint,
    linear as linear,
    multilinear as multilinear,
    piecewise_constant as piecewise_constant,
    read_names,
)
from tapenet.core.foreign import register_array_type as register_array_type
from tapenet.core.leaf_checks import described
from tapenet.core.nondifferentiable import choice as choice, nondifferentiable as nondifferentiable
from tapenet.core.primitive import Array, BatchRule, Primitive as Primitive, bind
from tapenet.core.record import Parameters
from tapenet.core.tensor import Tensor
from tapenet.core.user_operations import (
    checked_pullback,
    checked_pushforward,
    evaluation,
    joint_primitive,
    with_users_residual,
)
from tapenet.errors import ArgumentError, ArgumentTypeError

__all__ = [
    # operations of one's own
    "primitive",
    # families
    "elementwise",
    "linear",
    "multilinear",
    "general",
    "joint",
    "piecewise_constant",
    "Primitive",
    # without a derivative
    "choice",
    "nondifferentiable",
    # batch rules
    "elementwise_rule",
    "leading",
    "shifted",
    "reordered",
    "with_examples",
    "untouched",
    "broadcast_rule",
    "leading_axes",
    "along_axis",
    "over_operand",
    "into_images",
    "one_by_one",
    "refused",
    # arrays of other libraries
    "register_array_type",
]

Family = Literal["elementwise", "linear", "multilinear", "general", "joint"]
FAMILIES = ("elementwise", "linear", "multilinear", "general", "joint")


def primitive(
    forward: Callable[..., Array],
    *rules: Rule | None,
    family: Family = "elementwise",
    pushes: Sequence[Rule | None] | None = None,
    residual: bool = False,
    name: str | None = None,
    operands: Sequence[str] | None = None,
    batch: BatchRule | None = None,
) -> Callable[..., Array]:
    """Define an operation: a function of plain arrays, and the rules of its derivative.

    The operation is recorded as one, whatever `forward` is: compiled code, SciPy, a loop in Python.

    A rule is a Python function of `t` and of what it reads, by name: an operand, the output `out`, a keyword
    parameter, as `x_shape` the shape of the operand x whose rule it is, and `residual`. It is linear in `t`, and is
    written with functions of NumPy or tapenet, or with operations defined like this one; then derivatives of higher
    order follow. What it returns is copied: it may return an operand, or an array that it holds.

    Args:
        forward: `forward(*operands, **parameters) -> one array, or a tuple of arrays`; gets plain arrays and scalars.
            Parameters are keyword-only and hashable.
        rules: one for each operand, None where it has no derivative; none at all for an operation without any. By
            family a rule gives

            - "elementwise": t times the partial derivative, which serves both modes; forward broadcasts, and its
              output has the shape that its operands broadcast to;
            - "linear": the cotangent of the first operand, from t, that of the output: the transpose; forward is
              linear in that operand;
            - "multilinear": the same for each operand that forward is linear in;
            - "general": the cotangent of the operand, from t, that of the output;
            - "joint": one rule for all operands, which gives a tuple with a cotangent for each. Of `forward(*xs)`, with
              any number of operands, it reads them as the tuple `xs`, and their shapes as `xs_shape`.

            Of several outputs t is a tuple: zeros for an output without cotangent, None for one that is not float or
            complex.
        family: one of these; for all but "general" and "joint", forward mode follows.
        pushes: for "general" one rule for each operand: the output's tangent, from t, that of the operand; for "joint"
            one rule, of which t is a tuple with a tangent for each operand, zeros for a constant. Of several outputs
            the tangent is a tuple.
        residual: whether forward returns `(out, residual)`. The residual is one array that rules read by this name:
            what forward found on the way. Integers and truth values count as piecewise constant; a derivative of
            second order through a residual of floats raises, for there is no rule for it.
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
    names = tuple(operands) if operands is not None else _operand_names(forward, name, family)
    if pushes is not None and family not in ("general", "joint"):
        raise ArgumentError(
            f"primitive: pushes must be given for family='general' or 'joint' alone; got family={family!r}."
        )
    residual = checked_flag("primitive", "residual", residual)
    given = _for_each(rules, names, f"{name}: rules", family)
    pushed = _for_each(pushes or (), names, f"{name}: pushes", family)
    collected = _collected_name(forward) if not names else ""
    known = [*names, "out", *(["residual"] if residual else [])]
    _check_reads((*given, *pushed), forward, known, names, collected, name, family)
    evaluated = evaluation(forward, name, is_elementwise=family == "elementwise", has_residual=residual)
    made = _made(
        lambda *xs, **parameters: evaluated(*xs, **parameters)[0], given, pushed, family, name, names, batch, collected
    )
    made = with_users_residual(made, evaluated) if residual else made
    operation = _public(
        made.named(str(getattr(forward, "__module__", None) or "")),
        {key: value for key, value in _parameters(forward) if value is not inspect.Parameter.empty},
    )
    operation.__name__ = operation.__qualname__ = name
    operation.__module__ = forward.__module__ if hasattr(forward, "__module__") else operation.__module__  # for pickle
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
    collected: str,
) -> Primitive:
    match family:
        case "elementwise":
            made = built(name, family, forward, rules, rules, names, batch or elementwise_rule, is_elementwise=True)
        case "general":
            made = built(name, family, forward, rules, pushes, names, batch)
        case "joint":
            return attrs.evolve(joint_primitive(name, forward, rules[0], pushes[0], names, collected), batch=batch)
        case _:
            made = built_multilinear(name, family, forward, rules, names, batch)
    checked = checked_pullback if family == "elementwise" else checked_pushforward
    return attrs.evolve(
        made,
        pullbacks=tuple(checked_pullback(rule, name, own) for rule, own in zip(made.pullbacks, names, strict=True)),
        pushforwards=tuple(checked(rule, name, own) for rule, own in zip(made.pushforwards, names, strict=True)),
        is_users=True,
        users_rules="each",
    )


def _public(primitive: Primitive, defaults: Parameters) -> Callable[..., Array]:
    def operation(*operands: Array, **parameters: Any) -> Array:
        if primitive.operands and len(operands) != len(primitive.operands):
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


def _operand_names(forward: Callable[..., Array], name: str, family: Family) -> tuple[str, ...]:
    """Return the names of forward's operands; none where there may be any number of them."""
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
        if family == "joint":
            return ()
        raise ArgumentTypeError(
            f"primitive: forward must have a fixed number of operands; got {name}(*args). {advice} "
            "For any number of them pass family='joint', whose one rule serves all."
        )
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in by_position)


def _collected_name(forward: Callable[..., Array]) -> str:
    """Return the name of the parameter that takes any number of operands."""
    parameters = inspect.signature(forward).parameters.values()
    return next(parameter.name for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL)


def _for_each(
    rules: Sequence[Rule | None], names: tuple[str, ...], what: str, family: Family
) -> tuple[Rule | None, ...]:
    count = 1 if family == "joint" else len(names)
    if not rules:
        return (None,) * count
    if len(rules) != count:
        wanted = "for all operands" if family == "joint" else f"for each operand ({', '.join(names)})"
        raise ArgumentError(f"{what} must be one {wanted}; got {len(rules)}.")
    for rule in rules:
        if rule is not None and not isinstance(rule, FunctionType):
            raise ArgumentTypeError(f"{what} must be Python functions, whose parameters have names; got {rule!r}.")
    return tuple(rules)


def _check_reads(
    rules: Sequence[Rule | None],
    forward: Callable[..., Array],
    known: Sequence[str],
    names: tuple[str, ...],
    collected: str,
    name: str,
    family: Family,
) -> None:
    """Raise for a rule that reads what there is not.

    Args:
        rules: for each operand one and then for each another; of a joint operation two for all operands.
        known: the names of what every rule may read, parameters of forward apart.
    """
    if _takes_any_keyword(forward):
        return
    is_joint = family == "joint"
    parameters = [key for key, _ in _parameters(forward)]
    for i, rule in enumerate(rules):
        own = (*names, *([collected] if collected else ())) if is_joint else (names[i % len(names)],)
        readable = [*([collected] if collected else []), *known, *(f"{operand}_shape" for operand in own), *parameters]
        for read in read_names(rule) if rule is not None else ():
            if read not in readable:
                who = "the rule" if is_joint else f"the rule for {own[0]}"
                raise ArgumentError(f"{name}: {who} must read some of {', '.join(readable)}; got {read}.")


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


def __dir__() -> list[str]:
    return __all__
