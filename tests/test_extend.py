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
from tapenet.core.pytrees import tree_leaves
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
            "primitive: family must be one of elementwise, linear, multilinear, general, joint; got 'elemental'.",
        ),
        (
            lambda: tn.primitive(np.sin, lambda t: t, pushes=[lambda t: t]),
            tn.ArgumentError,
            "primitive: pushes must be given for family='general' or 'joint' alone; got family='elementwise'.",
        ),
        (
            lambda: tn.primitive(lambda *xs: xs[0], name="first"),
            tn.ArgumentTypeError,
            "primitive: forward must have a fixed number of operands; got first(*args). "
            "Write operands=('x', ...), a name for each operand of first. "
            "For any number of them pass family='joint', whose one rule serves all.",
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


# ---- several outputs ----

polar = tn.primitive(
    lambda x, y: (np.hypot(x, y), np.arctan2(y, x)),
    lambda t, x, y, out: (t[0] * x - t[1] * y / out[0]) / out[0],
    lambda t, x, y, out: (t[0] * y + t[1] * x / out[0]) / out[0],
    family="general",
    pushes=[
        lambda t, x, y, out: (t * x / out[0], -t * y / out[0] ** 2),
        lambda t, x, y, out: (t * y / out[0], t * x / out[0] ** 2),
    ],
    name="polar",
)
halves = tn.primitive(
    lambda x: (x[: len(x) // 2], x[len(x) // 2 :]),
    lambda t: tnp.concatenate(t),
    family="linear",
    name="halves",
)


def _polar(x: Any, y: Any) -> Any:
    return tnp.sqrt(x * x + y * y), tnp.arctan2(y, x)


@pytest.mark.parametrize("part", [0, 1, None])
def test_several_outputs_in_both_modes_to_third_order(part: int | None) -> None:
    def chosen(of: Any) -> Any:
        return (lambda x, y: of(x, y)) if part is None else (lambda x, y: of(x, y)[part])

    check_grads(chosen(polar), (X, X[::-1] + 0.1), order=3)
    check_grads(lambda x: (halves(x)[1] ** 2, halves(x)[0] * 3), (X[0],), order=2)
    for transform in (tn.jacobian, tn.jacfwd):
        found = transform(chosen(polar), argnums=(0, 1))(X[0], X[1])
        expected = transform(chosen(_polar), argnums=(0, 1))(X[0], X[1])
        for own, other in zip(tree_leaves(found), tree_leaves(expected), strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-12, atol=1e-14)


def test_several_outputs_under_vmap_replay_and_in_a_block() -> None:
    def loss(x: Any, y: Any) -> Any:
        r, angle = polar(x, y)
        return tnp.sum(r * angle)

    batch = np.stack([X, X * 1.5, X + 0.25])
    each = np.stack([tn.grad(loss)(x, x[::-1]) for x in batch])
    np.testing.assert_allclose(tn.vmap(tn.grad(loss))(batch, batch[:, ::-1]), each, rtol=1e-13)
    whole = tn.grad(lambda xs: tnp.sum(tn.vmap(loss)(xs, batch[:, ::-1])))(batch)
    np.testing.assert_allclose(whole, each, rtol=1e-13)
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        gradient = tape.gradient(loss(x, X[::-1]), x)
    np.testing.assert_allclose(tape.replay(X + 1.0, gradient), tn.grad(loss)(X + 1.0, X[::-1]), rtol=1e-13)


def test_an_integer_output_is_a_plain_array_whose_cotangent_is_none() -> None:
    seen = []

    def rule(t: Any, out: Any) -> Any:
        seen.append(t[1])
        place = out[1]
        return tnp.zeros(3) + t[0] * np.eye(3)[int(place)]

    largest = tn.primitive(lambda x: (np.max(x), np.argmax(x)), rule, family="general", operands=["x"], name="largest")
    assert largest(X[0]) == (2.0, 2)
    with tn.GradientTape() as tape:
        x = tape.watch(X[0])
        value, place = largest(x)
        assert type(value) is tn.Tensor
        assert place == 2
        assert not isinstance(place, tn.Tensor)
    np.testing.assert_array_equal(tape.gradient(value, x), [0.0, 0.0, 1.0])
    assert seen == [None]


@pytest.mark.parametrize("answer", [lambda t: t, lambda t: (t,), lambda t: (t, t, t)])
def test_a_wrong_count_of_tangents(answer: Any) -> None:
    twice = tn.primitive(
        lambda x: (x, 2 * x), lambda t: t[0] + 2 * t[1], family="general", pushes=[lambda t: answer(t)], name="twice"
    )
    with pytest.raises(RuleError, match=r"^twice: the rule's tangent must be a tuple of 2, one for each output; got "):
        tn.jvp(lambda x: twice(x)[0], (X,), (X,))


# ---- any number of operands ----

total = tn.primitive(
    lambda *xs, power=1: sum(x**power for x in xs),
    lambda t, xs, power: [t * power * x ** (power - 1) for x in xs],
    family="joint",
    pushes=[lambda t, xs, power: sum(x_dot * power * x ** (power - 1) for x_dot, x in zip(t, xs, strict=True))],
    name="total",
)
stacked = tn.primitive(
    lambda *parts: np.concatenate(parts),
    lambda t, parts_shape: [
        t[sum(shape[0] for shape in parts_shape[:i]) :][: own[0]] for i, own in enumerate(parts_shape)
    ],
    family="joint",
    pushes=[lambda t: tnp.concatenate(t)],
    name="stacked",
)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_operands_in_both_modes(count: int) -> None:
    xs = tuple(X + 0.1 * i for i in range(count))
    check_grads(lambda *xs: total(*xs, power=3), xs, order=2)
    check_grads(lambda *xs: stacked(*xs) ** 2, xs, order=2)
    batch = tuple(np.stack([x, x + 1]) for x in xs)
    gradient = tn.vmap(tn.grad(lambda *xs: tnp.sum(total(*xs, power=3))))(*batch)
    np.testing.assert_allclose(gradient, 3 * batch[0] ** 2, rtol=1e-12)


def test_constants_among_any_number_of_operands() -> None:
    assert np.array_equal(total(X, X), 2 * X)
    np.testing.assert_array_equal(tn.grad(lambda x: tnp.sum(total(x, X, 3, power=2)))(X), 2 * X)
    np.testing.assert_array_equal(tn.jvp(lambda x: total(x, X, 3, power=2), (X,), (X,))[1], 2 * X * X)


def test_a_record_keeps_only_what_a_rule_for_all_operands_reads() -> None:
    with tn.GradientTape() as tape:
        stacked(tape.watch(X), tape.watch(X))
    assert tape.records[-1].kept == (None, None, None)


def test_one_rule_for_all_operands_by_name() -> None:
    quotient = tn.primitive(
        lambda x, y: x / y,
        lambda t, y, out: (t / y, -t * out / y),
        family="joint",
        pushes=[lambda t, y, out: (t[0] - out * t[1]) / y],
        name="quotient",
    )
    check_grads(quotient, (X, X[::-1] + 0.5), order=3)
    sums = tn.primitive(
        lambda x, y: (x + y, x - y),
        lambda t: (t[0] + t[1], t[0] - t[1]),
        family="joint",
        pushes=[lambda t: (t[0] + t[1], t[0] - t[1])],
        name="sums",
    )
    check_grads(lambda x, y: sums(x, y)[0] * sums(x, y)[1], (X, X[::-1]), order=2)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda t: t, "must return a tuple of float or complex arrays, one for each operand (2); got a ndarray."),
        (lambda t: (t,), "must return a tuple of float or complex arrays, one for each operand (2); got 1."),
        (lambda t: (t, "t"), "must return a tuple of float or complex arrays, one for each operand; got str."),
    ],
)
def test_a_wrong_answer_of_a_rule_for_all_operands(rule: Any, text: str) -> None:
    added = tn.primitive(lambda x, y: x + y, rule, family="joint", name="added")
    with pytest.raises(RuleError, match=f"^{re.escape('added: the rule ' + text)}$"):
        tn.vjp(added, X, X)[1](X)
    with pytest.raises(tn.MissingRuleError, match=r"^added: forward mode needs a rule, and has none\. Pass pushes="):
        tn.jvp(added, (X, X), (X, X))


def test_a_joint_operation_without_a_rule_and_with_a_wrong_definition() -> None:
    opaque = tn.primitive(lambda *xs: sum(xs), family="joint", name="opaque")
    with pytest.raises(tn.MissingRuleError, match="opaque: reverse mode needs a rule for operand number 1"):
        tn.grad(lambda x: tnp.sum(opaque(X, x)))(X)
    with pytest.raises(tn.ArgumentError, match="f: rules must be one for all operands; got 2"):
        tn.primitive(lambda *xs: xs[0], lambda t: t, lambda t: t, family="joint", name="f")
    text = re.escape("f: the rule must read some of xs, out, xs_shape; got y.")
    with pytest.raises(tn.ArgumentError, match=text):
        tn.primitive(lambda *xs: xs[0], lambda t, y: t, family="joint", name="f")


# ---- residuals ----


def _with_order(x: Any) -> Any:
    order = np.argsort(x)
    return x[order], order


ordered = tn.primitive(
    _with_order,
    lambda t, residual: tn.at(tnp.zeros_like(t))[residual].add(t),
    family="general",
    pushes=[lambda t, residual: t[residual]],
    residual=True,
    name="ordered",
)


def test_a_residual_is_computed_once_and_read_by_rules() -> None:
    calls = []

    def forward(x: Any) -> Any:
        calls.append(1)
        e = np.exp(x)
        return e / (1 + e), e

    logistic = tn.primitive(
        forward, lambda t, residual: t * residual / (1 + residual) ** 2, residual=True, name="logistic"
    )
    np.testing.assert_allclose(logistic(X), 1 / (1 + np.exp(-X)))
    calls.clear()
    gradient = tn.grad(lambda x: tnp.sum(logistic(x)))(X)
    np.testing.assert_allclose(gradient, logistic(X) * (1 - logistic(X)))
    assert len(calls) == 1 + 2
    check_grads(logistic, (X,), order=1)


def test_a_second_derivative_through_a_residual_of_floats_is_an_error_and_not_zero() -> None:
    cube = tn.primitive(lambda x: (x**3, x * x), lambda t, residual: 3 * t * residual, residual=True, name="cube")
    assert tn.grad(cube)(2.0) == 12.0
    for second in (
        lambda: tn.grad(tn.grad(cube))(2.0),
        lambda: tn.jvp(tn.grad(cube), (2.0,), (1.0,)),
        lambda: tn.grad(lambda x: tn.jvp(cube, (x,), (1.0,))[1])(2.0),
    ):
        with pytest.raises(tn.MissingRuleError, match=r"^residual of cube: (forward|reverse) mode needs a rule for "):
            second()
    with tn.GradientTape() as tape:
        x = tape.watch(np.array(2.0))
        gradient = tape.gradient(cube(x), x)
    assert tape.replay(np.array(3.0), gradient) == 27.0
    with pytest.raises(tn.MissingRuleError, match=r"^residual of cube: "):
        tape.gradient(gradient, x)


def test_a_residual_of_integers_is_piecewise_constant() -> None:
    check_grads(lambda x: ordered(x) ** 3, (X[0],), order=3)
    weights = np.arange(3.0)
    with tn.GradientTape() as tape:
        x = tape.watch(X[0])
        gradient = tape.gradient(tnp.sum(ordered(x) ** 2 * weights), x)
    other = X[0][::-1].copy()
    expected = tn.grad(lambda x: tnp.sum(tnp.sort(x) ** 2 * weights))(other)
    np.testing.assert_allclose(tape.replay(other, gradient), expected)
    batch = np.stack([X[0], other])
    mapped = tn.vmap(tn.grad(lambda x: tnp.sum(ordered(x) ** 2 * weights)))(batch)
    np.testing.assert_allclose(mapped[1], expected)


def test_a_residual_of_a_rule_for_all_operands() -> None:
    largest = tn.primitive(
        lambda *xs: (np.maximum.reduce(xs), np.argmax(np.stack(xs), axis=0)),
        lambda t, xs_shape, residual: [t * (residual == i) for i in range(len(xs_shape))],
        family="joint",
        pushes=[lambda t, residual: sum(x_dot * (residual == i) for i, x_dot in enumerate(t))],
        residual=True,
        name="largest",
    )
    check_grads(lambda *xs: largest(*xs) ** 2, (X, X[:, ::-1] + 0.05, X * 0.9), order=2)


@pytest.mark.parametrize(
    ("forward", "text"),
    [
        (lambda x: x, "f: forward must return a pair (out, residual); got ndarray."),
        (lambda x: (x, x, x), "f: forward must return a pair (out, residual); got 3 values."),
        (lambda x: (x, "x"), "f: the residual must be one array; got str."),
    ],
)
def test_a_forward_without_the_residual_that_it_promises(forward: Any, text: str) -> None:
    operation = tn.primitive(forward, lambda t: t, residual=True, name="f")
    with pytest.raises(RuleError, match=f"^{re.escape(text)}$"):
        operation(X)


def test_residual_is_read_only_where_there_is_one() -> None:
    with pytest.raises(tn.ArgumentError, match=re.escape("must read some of x, out, x_shape; got residual.")):
        tn.primitive(lambda x: x, lambda t, residual: t, name="f")
    with pytest.raises(tn.ArgumentTypeError, match="primitive: residual must be True or False"):
        tn.primitive(lambda x: x, residual="yes", name="f")  # type: ignore[arg-type]


# ---- the door of authors: what the library's own operations are declared by ----


def test_it_is_what_the_library_declares_its_own_operations_by() -> None:
    from tapenet.core import batch_rules, batching, families, foreign, nondifferentiable

    homes = {
        **dict.fromkeys(("elementwise", "linear", "multilinear", "general", "joint", "piecewise_constant"), families),
        **dict.fromkeys(("choice", "nondifferentiable"), nondifferentiable),
        **dict.fromkeys(("elementwise_rule", "one_by_one"), batching),
        "register_array_type": foreign,
        "Primitive": tn.core.primitive,
    }
    for name in tn.extend.__all__:
        if name != "primitive":
            assert getattr(tn.extend, name) is getattr(homes.get(name, batch_rules), name)


def test_operations_of_other_packages_are_in_no_registry() -> None:
    extend = tn.extend
    declared = [
        extend.elementwise(np.sinh, lambda t, x: t * tnp.cosh(x), name="tests.sinh"),
        extend.linear(lambda t: 2 * t, name="tests.twice", batch=extend.leading())(lambda x: 2 * x),
        extend.multilinear(
            lambda t, y: t @ y.T, lambda t, x: x.T @ t, name="tests.product", batch=extend.leading_axes(2, 2)
        )(lambda x, y: np.matmul(x, y)),
    ]
    check_grads(declared[0], (X,), order=3)
    check_grads(declared[1], (X,))
    check_grads(declared[2], (X, X.T))
    batch = np.stack([X, X + 1])
    np.testing.assert_allclose(tn.vmap(declared[2], in_axes=(0, None))(batch, X.T), batch @ X.T, rtol=1e-14)
    again = extend.elementwise(np.cosh, lambda t, x: t * tnp.sinh(x), name="tests.sinh")
    assert again(0.0) == 1.0
    assert not any("." in name for name in REGISTRY)
    with pytest.raises(tn.ArgumentError, match=r"register: a primitive's name must be new; got 'sinh'\."):
        extend.elementwise(np.cosh, lambda t, x: t * tnp.sinh(x), name="sinh")
