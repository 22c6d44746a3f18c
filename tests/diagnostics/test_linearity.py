"""Rules of the user's that are not linear, under `tn.checks()`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import RuleError

X = np.array([0.3, -1.2, 2.0])

NOT_LINEAR = {
    "a square": lambda t: t * t,
    "an absolute value": lambda t: tnp.abs(t),
    "a maximum": lambda t: tnp.maximum(t, 0.0),
    "a constant added": lambda t: t + 1.0,
    "a constant": lambda t: np.ones(3),
}
over_rules = pytest.mark.parametrize("rule", NOT_LINEAR.values(), ids=list(NOT_LINEAR))
TEXT = "must be linear in its"


def walk(f: Any, mode: str) -> Any:
    return tn.jvp(f, (X,), (np.ones(3),)) if mode == "forward" else tn.vjp(f, X)[1](np.ones(3))


@over_rules
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_rule_of_custom_jvp(rule: Any, mode: str) -> None:
    operation = tn.custom_jvp(lambda x: x * 1.0, lambda p, t: (p[0] * 1.0, rule(t[0])))
    with tn.checks(), pytest.raises(RuleError, match=f"<lambda>: the rule {TEXT} tangents; got "):
        walk(operation, mode)
    walk(operation, mode)  # without checks no rule is run twice


@over_rules
def test_a_rule_of_custom_vjp(rule: Any) -> None:
    operation = tn.custom_vjp(
        lambda x: x * 1.0, lambda x: (x, None), lambda _, t: (rule(t),), jvp=lambda p, t: (p[0] * 1.0, rule(t[0]))
    )
    for mode, what in (("forward", "tangents"), ("reverse", "cotangents")):
        with tn.checks(), pytest.raises(RuleError, match=f"<lambda>: the rule {TEXT} {what}; got "):
            walk(operation, mode)


@over_rules
def test_a_rule_of_primitive_is_named_with_its_operand(rule: Any) -> None:
    operation = tn.primitive(lambda x: x * 1.0, lambda t: rule(t), name="copied")
    for mode, what in (("forward", "tangents"), ("reverse", "cotangents")):
        with tn.checks(), pytest.raises(RuleError, match=f"copied: the rule for x {TEXT} {what}; got "):
            walk(operation, mode)


def test_the_numbers_are_told() -> None:
    operation = tn.custom_jvp(lambda x: x * 1.0, lambda p, t: (p[0] * 1.0, t[0] ** 2))
    text = (
        "<lambda>: the rule must be linear in its tangents; got 1.0, and for -2 times the tangent 4.0. "
        "Write tangents times what does not depend on them, and sums of these."
    )
    with tn.checks(), pytest.raises(RuleError, match=f"^{re.escape(text)}$"):
        tn.grad(lambda x: tnp.sum(operation(x)))(X)


def test_inside_a_block_and_under_nested_transforms() -> None:
    operation = tn.custom_jvp(lambda x: x**3, lambda p, t: (p[0] ** 3, 3 * p[0] ** 2 * t[0] ** 2))
    with tn.checks(), tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tnp.sum(operation(x))
        with pytest.raises(RuleError, match=TEXT):
            tape.gradient(y, x)
    with tn.checks(), pytest.raises(RuleError, match=TEXT):
        tn.grad(lambda x: tnp.sum(tn.grad(lambda x: tnp.sum(operation(x)))(x)))(X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex128])
def test_linear_rules_pass(dtype: Any) -> None:
    x = X.astype(dtype)
    rule = lambda p, t: (tnp.sin(p[0]), tnp.cos(p[0]) * t[0])  # noqa: E731  # one line says it
    sine = tn.custom_jvp(tnp.sin, rule)
    both = tn.custom_vjp(tnp.sin, lambda x: (tnp.sin(x), x), lambda x, t: (tnp.cos(x) * t,), jvp=rule)
    plain = tn.primitive(np.sin, lambda t, x: t * tnp.cos(x))
    for operation in (sine, both, plain):
        with tn.checks():
            pulled = tn.vjp(operation, x)[1](np.ones(3, dtype))[0]
            pushed = tn.jvp(operation, (x,), (np.ones(3, dtype),))[1]
            tn.vmap(tn.jacobian(operation))(np.stack([x, x]))
        np.testing.assert_array_equal(pulled, np.cos(x))
        np.testing.assert_array_equal(pushed, np.cos(x))


def test_solutions_of_equations_are_not_run_twice() -> None:
    runs = []

    def equation(x: Any, a: Any) -> Any:
        runs.append(1)
        return x * x - a

    with tn.checks():
        np.testing.assert_allclose(tn.grad(lambda a: tn.root(equation, 1.0, a))(2.0), 0.5 / np.sqrt(2.0))
    watched = len(runs)
    runs.clear()
    tn.grad(lambda a: tn.root(equation, 1.0, a))(2.0)
    assert watched == len(runs)
