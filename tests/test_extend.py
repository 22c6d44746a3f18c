"""`tn.primitive`: operations that users define, in every walk."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.primitive import REGISTRY
from tapenet.errors import RuleError
from tapenet.testing import check_grads

X = np.array([[0.3, 1.2, 2.0], [0.5, 0.7, 1.1]])

softsign = tn.primitive(lambda x: x / (1 + np.abs(x)), lambda t, out: t * (1 - tnp.abs(out)) ** 2, name="softsign")


def _scaled(x: Any, y: Any, *, power: int = 1) -> Any:
    return np.multiply(x, y) ** power


scaled = tn.primitive(
    _scaled,
    lambda t, x, y, power: t * power * y * (x * y) ** (power - 1),
    lambda t, x, y, power: t * power * x * (x * y) ** (power - 1),
    name="scaled",
)


def _rolled(x: Any, *, by: int) -> Any:
    return np.roll(x, by)


rolled = tn.primitive(_rolled, lambda t, by: rolled(t, by=-by), family="linear", name="rolled")
product = tn.primitive(
    lambda x, y: x @ y, lambda t, y: t @ y.T, lambda t, x: x.T @ t, family="multilinear", name="product"
)
spread = tn.primitive(
    lambda x: np.asarray(np.max(x) - np.min(x)),
    lambda t, x, x_shape: tnp.broadcast_to(t, x_shape) * _ends(x),
    family="general",
    pushes=[lambda t, x: tnp.sum(t * _ends(x))],
    name="spread",
)


def _ends(x: Any) -> Any:
    return tnp.where(tnp.equal(x, tnp.max(x)), 1.0, 0.0) - tnp.where(tnp.equal(x, tnp.min(x)), 1.0, 0.0)


OPERATIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "elementwise": (softsign, (X,)),
    "elementwise of two that broadcast": (scaled, (X, X[0])),
    "elementwise with a parameter": (functools.partial(scaled, power=3), (X, X[0] + 0.5)),
    "linear": (functools.partial(rolled, by=2), (X,)),
    "multilinear": (product, (X, X.T)),
    "general": (spread, (X,)),
}
over_operations = pytest.mark.parametrize(("operation", "args"), OPERATIONS.values(), ids=list(OPERATIONS))


@over_operations
def test_both_modes_to_third_order(operation: Any, args: Any) -> None:
    check_grads(operation, args, order=3)


@over_operations
def test_off_the_tape_it_is_the_function(operation: Any, args: Any) -> None:
    y = operation(*args)
    assert isinstance(y, np.ndarray)
    with tn.GradientTape() as tape:
        np.testing.assert_array_equal(operation(*tape.watch(args)).value, y)
    assert len(tape.records) == len(args) + 1


@over_operations
def test_vmap_in_both_orders(operation: Any, args: Any) -> None:
    batch = tuple(np.stack([x, x + 0.25, x * 1.5]) for x in args)
    scalar = lambda *xs: tnp.sum(operation(*xs) ** 2)  # noqa: E731  # one line says it
    each = [tn.grad(scalar)(*(x[i] for x in batch)) for i in range(3)]
    np.testing.assert_allclose(tn.vmap(tn.grad(scalar))(*batch), np.stack(each), rtol=1e-12)
    whole = tn.grad(lambda *xs: tnp.sum(tn.vmap(scalar)(*xs)))(*batch)
    np.testing.assert_allclose(whole, np.stack(each), rtol=1e-12)


@over_operations
def test_jacobians_in_both_modes(operation: Any, args: Any) -> None:
    np.testing.assert_allclose(tn.jacobian(operation)(*args), tn.jacfwd(operation)(*args), rtol=1e-12, atol=1e-14)


def test_it_is_not_in_the_librarys_registry() -> None:
    assert softsign.primitive not in REGISTRY.values()  # type: ignore[attr-defined]
    assert repr(softsign.primitive) == "<elementwise primitive softsign>"  # type: ignore[attr-defined]


def test_a_users_name_may_be_one_of_the_librarys() -> None:
    sin = tn.primitive(np.sin, lambda t, x: t * 7.0)
    assert sin.__name__ == "sin"
    assert tn.grad(sin)(0.0) == 7.0
    assert tn.grad(tnp.sin)(0.0) == 1.0


def test_a_batch_rule_is_used_by_vmap() -> None:
    calls = []

    def batch(operation: Any, arrays: Any, mapped: Any, size: int, parameters: Any) -> Any:
        calls.append((mapped, size))
        return np.cumsum(arrays[0], axis=1)

    cumulated = tn.primitive(
        lambda x: np.cumsum(x), lambda t: cumulated(t[::-1])[::-1], family="linear", name="cumulated", batch=batch
    )
    np.testing.assert_array_equal(tn.vmap(cumulated)(X), np.cumsum(X, axis=1))
    assert calls == [([True], 2)]


# ---- functions that NumPy cannot see through ----


def test_a_function_of_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    trigamma = tn.primitive(lambda x: special.polygamma(1, x), name="trigamma")
    digamma = tn.primitive(special.digamma, lambda t, x: t * trigamma(x))
    gammaln = tn.primitive(special.gammaln, lambda t, x: t * digamma(x))
    check_grads(gammaln, (X,), order=2)
    np.testing.assert_allclose(tn.vmap(tn.grad(gammaln))(X[0]), special.digamma(X[0]))
    assert gammaln(X).dtype == np.float64
    text = "trigamma: reverse mode needs a rule for operand x, which has none."
    with pytest.raises(tn.MissingRuleError, match=re.escape(text)):
        tn.grad(tn.grad(tn.grad(gammaln)))(2.0)


def test_a_function_of_floats_alone() -> None:
    erf = tn.primitive(np.vectorize(math.erf), lambda t, x: t * 2 / np.sqrt(np.pi) * tnp.exp(-x * x), operands=["x"])
    check_grads(erf, (X,))


def test_without_rules_it_may_be_called_but_not_differentiated() -> None:
    opaque = tn.primitive(math.gamma, operands=("x",))
    assert opaque(5.0) == 24.0
    with pytest.raises(tn.MissingRuleError, match=r"gamma: forward mode needs a rule for operand x, which has none\."):
        tn.jvp(opaque, (5.0,), (1.0,))
    with pytest.raises(tn.MissingRuleError, match=r"gamma: reverse mode needs a rule for operand x, which has none\."):
        tn.grad(opaque)(5.0)


def test_general_without_pushes_has_no_forward_mode() -> None:
    total = tn.primitive(np.sum, lambda t: t, family="general", operands=["x"], name="total")
    with pytest.raises(tn.MissingRuleError, match=r"total: forward mode needs a rule for operand x"):
        tn.jvp(total, (X,), (X,))


# ---- errors ----


class MyError(TypeError):
    pass


def fail(*args: Any) -> Any:
    raise MyError("mine")


@pytest.mark.parametrize(
    "use",
    [
        lambda: tn.primitive(fail, operands=["x"])(X),
        lambda: tn.grad(tn.primitive(fail, operands=["x"]))(1.0),
        lambda: tn.grad(tn.primitive(np.sin, lambda t, x: fail()))(1.0),
        lambda: tn.jvp(tn.primitive(np.sin, lambda t, x: fail()), (1.0,), (1.0,)),
    ],
)
def test_what_a_users_function_raises_passes_unchanged(use: Any) -> None:
    with pytest.raises(MyError, match=r"^mine$") as caught:
        use()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("define", "error", "text"),
    [
        (
            lambda: tn.primitive(np.add, lambda t: t),
            tn.ArgumentError,
            "add: rules must be one for each operand (x, y); got 1.",
        ),
        (
            lambda: tn.primitive(np.sin, lambda t, y: t),
            tn.ArgumentError,
            "sin: the rule for x must read some of x, out, x_shape; got y.",
        ),
        (
            lambda: tn.primitive(np.sin, np.cos),
            tn.ArgumentTypeError,
            "sin: rules must be Python functions, whose parameters have names; got <ufunc 'cos'>.",
        ),
        (
            lambda: tn.primitive(np.sin, family="elemental"),  # type: ignore[arg-type]
            tn.ArgumentError,
            "primitive: family must be one of elementwise, linear, multilinear, general; got 'elemental'.",
        ),
        (
            lambda: tn.primitive(np.sin, lambda t: t, pushes=[lambda t: t]),
            tn.ArgumentError,
            "primitive: pushes must be given for family='general' alone; got family='elementwise'.",
        ),
        (
            lambda: tn.primitive(lambda *xs: xs[0], name="first"),
            tn.ArgumentTypeError,
            "primitive: forward must have a fixed number of operands; got first(*args). "
            "Write operands=('x', ...), a name for each operand of first.",
        ),
    ],
)
def test_a_wrong_definition(define: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        define()


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (
            tn.primitive(lambda x: x[:2], name="cut"),
            "cut: forward of an elementwise operation must return the shape that its operands broadcast to, (3,); "
            "got (2,). Pass family='general' or 'linear'.",
        ),
        (
            tn.primitive(lambda x: (x, x), name="two"),
            "two: forward must return one array; got tuple.",
        ),
        (
            tn.primitive(np.sin, lambda t: np.ones(3, int)),
            "sin: the rule for x must return one float or complex array; got a ndarray of shape (3,), int64.",
        ),
        (
            tn.primitive(np.sin, lambda t: (t,)),
            "sin: the rule for x must return one float or complex array; got tuple.",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_wrong_answer(operation: Any, text: str, mode: str) -> None:
    x = X[0]
    use = (lambda: tn.jvp(operation, (x,), (x,))) if mode == "forward" else (lambda: tn.vjp(operation, x)[1](x))
    with pytest.raises(RuleError, match=f"^{re.escape(text)}$"):
        use()


def test_a_rules_answer_of_a_wrong_shape_names_the_operation() -> None:
    wrong = tn.primitive(
        np.sort, lambda t: t[:2], family="general", pushes=[lambda t: t[:2]], operands=["x"], name="wrong"
    )
    text = "wrong: the rule's cotangent must have shape (3,), as its operand, or one that it broadcasts to; got (2,)."
    with pytest.raises(RuleError, match=re.escape(text)):
        tn.vjp(wrong, X[0])[1](X[0])
    text = "wrong: the rule's tangent must have shape (3,), as its output, or one that broadcasts to it; got (2,)."
    with pytest.raises(RuleError, match=re.escape(text)):
        tn.jvp(wrong, (X[0],), (X[0],))


def test_parameters_and_operands_are_checked_when_it_is_called() -> None:
    text = "scaled: power must be hashable, as every parameter; got list [2]. Make arrays operands, and lists tuples."
    with pytest.raises(tn.ArgumentTypeError, match=re.escape(text)):
        tn.grad(lambda x: scaled(x, 2.0, power=[2]))(1.0)
    with pytest.raises(tn.ArgumentTypeError, match=re.escape("scaled: there must be 2 operands (x, y), given by posi")):
        scaled(1.0)
