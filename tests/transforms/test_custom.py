"""`custom_vjp` and `custom_jvp`: rules of the user's own, in every transform."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.errors import RuleError
from tapenet.testing import check_grads

X = np.array([0.3, -1.2, 2.0])
Array = Any


def by_vjp() -> Any:
    """x * sin(w y) of a dict and a number, with an integer and a switch beside them."""

    def f(p: Any, scale: Any, n: Any, mode: str) -> Any:
        return {"out": tnp.sin(p["w"] * scale) * p["x"] * n, "mode": mode, "count": np.asarray(n)}

    def forward(p: Any, scale: Any, n: Any, mode: str) -> Any:
        return f(p, scale, n, mode), {"p": p, "scale": scale, "n": n}

    def backward(residuals: Any, t: Any) -> Any:
        p, scale, n = residuals["p"], residuals["scale"], residuals["n"]
        assert t["mode"] is None
        assert t["count"] is None
        common = t["out"] * n
        inner = common * p["x"] * tnp.cos(p["w"] * scale)
        return (
            {"w": inner * scale, "x": common * tnp.sin(p["w"] * scale)},
            tnp.sum(inner * p["w"]),
            None,
            None,
        )

    return f, tn.custom_vjp(f, forward, backward)


def by_jvp() -> Any:
    f, _ = by_vjp()

    def rule(primals: Any, tangents: Any) -> Any:
        p, scale, n, mode = primals
        p_dot, scale_dot, n_dot, mode_dot = tangents
        assert n_dot is None
        assert mode_dot is None
        angle = p["w"] * scale
        angle_dot = p_dot["w"] * scale + p["w"] * scale_dot
        out_dot = n * (tnp.cos(angle) * angle_dot * p["x"] + tnp.sin(angle) * p_dot["x"])
        return f(p, scale, n, mode), {"out": out_dot, "mode": None, "count": None}

    return f, tn.custom_jvp(f, rule)


def loss(f: Any) -> Any:
    return lambda p, scale: tnp.sum(f(p, scale, np.array([1, 2, 3]), "loud")["out"] ** 2)


P = {"w": X, "x": X[::-1] + 0.1}


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_off_the_tape_it_is_the_function(make: Any) -> None:
    f, operation = make()
    y = operation(P, 0.7, np.array([1, 2, 3]), "loud")
    assert type(y["out"]) is np.ndarray
    np.testing.assert_array_equal(y["out"], f(P, 0.7, np.array([1, 2, 3]), "loud")["out"])
    assert y["mode"] == "loud"
    assert operation.__name__ == "f"


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_on_a_tape_what_is_no_float_comes_back_as_it_is(make: Any) -> None:
    _, operation = make()
    with tn.GradientTape() as tape:
        y = operation(tape.watch(P), 0.7, np.array([1, 2, 3]), "loud")
    assert y["mode"] == "loud"
    assert type(y["out"]) is tn.Tensor
    assert type(y["count"]) is np.ndarray


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_gradients_to_second_order_are_those_of_the_function(make: Any) -> None:
    f, operation = make()
    check_grads(loss(operation), (P, 0.7), modes=("reverse",), order=3)

    def slope(g: Any) -> Any:
        return tn.grad(lambda s: tnp.sum(tn.grad(loss(g))(P, s)["w"]))(0.7)

    np.testing.assert_allclose(slope(operation), slope(f), rtol=1e-12)


def test_both_modes_follow_from_one_jvp_rule() -> None:
    _, operation = by_jvp()
    check_grads(loss(operation), (P, 0.7), order=3)


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_walks_recorded_in_the_block_agree_with_nested_tapes(make: Any) -> None:
    f, operation = make()
    with tn.GradientTape() as tape:
        s = tape.watch(0.7)
        first = tape.gradient(loss(operation)(P, s), s)
        again = tape.gradient(loss(operation)(P, s) * 2.0, s)
    np.testing.assert_allclose(np.asarray(again), 2 * np.asarray(first))
    expected = tn.grad(tn.grad(loss(f), 1), 1)(P, 0.7)
    np.testing.assert_allclose(tape.gradient(first, s), expected, rtol=1e-12)


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_forward_over_reverse(make: Any) -> None:
    f, operation = make()

    def two_layers(g: Any) -> Any:
        n = np.array([1, 2, 3])
        return lambda w: tnp.sum(g({"w": g({"w": w, "x": X}, 0.5, n, "a")["out"], "x": w}, 0.7, n, "b")["out"])

    v = np.array([1.0, -2.0, 0.5])
    got = tn.hvp(two_layers(operation))(X, v)
    np.testing.assert_allclose(got, tn.hvp(two_layers(f))(X, v), rtol=1e-12)


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_jacobians_and_hessians(make: Any) -> None:
    f, operation = make()
    n = np.array([1, 2, 3])
    for transform in (
        lambda g: tn.jacobian(lambda p: g(p, 0.7, n, "a")["out"])(P),
        lambda g: tn.hessian(lambda w: loss(g)({"w": w, "x": X}, 0.7))(X),
        lambda g: tn.vmap(tn.hessian(lambda w: loss(g)({"w": w, "x": X}, 0.7)))(np.stack([X, X + 1])),
    ):
        for got, expected in zip(tree_leaves(transform(operation)), tree_leaves(transform(f)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)


def test_forward_jacobians_of_a_jvp_rule() -> None:
    f, operation = by_jvp()
    n = np.array([1, 2, 3])
    np.testing.assert_allclose(
        tn.jacfwd(lambda s: operation(P, s, n, "a")["out"])(0.7),
        tn.jacfwd(lambda s: f(P, s, n, "a")["out"])(0.7),
        rtol=1e-12,
    )


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_vmap_in_both_orders(make: Any) -> None:
    f, operation = make()
    scales = np.array([0.2, 0.7, -0.4])

    def gradients(g: Any) -> Any:
        return tn.vmap(tn.grad(loss(g), 1), in_axes=(None, 0))(P, scales)

    def gradient(g: Any) -> Any:
        return tn.grad(lambda s: tnp.sum(tn.vmap(loss(g), in_axes=(None, 0))(P, s) ** 2))(scales)

    def second(g: Any) -> Any:
        return tn.vmap(tn.grad(tn.grad(loss(g), 1), 1), in_axes=(None, 0))(P, scales)

    for of in (gradients, gradient, second):
        np.testing.assert_allclose(of(operation), of(f), rtol=1e-12)


@pytest.mark.parametrize("make", [by_vjp, by_jvp])
def test_a_pullback_may_be_mapped_over_cotangents(make: Any) -> None:
    f, operation = make()

    def rows(g: Any) -> Any:
        _, pullback = tn.vjp(lambda s: g(P, s, np.array([1, 2, 3]), "a")["out"], 0.7)
        return tn.vmap(lambda t: pullback(t)[0])(np.eye(3))

    np.testing.assert_allclose(rows(operation), rows(f), rtol=1e-12)


def test_functions_that_numpy_cannot_see_through_run_on_one_example_after_the_other() -> None:
    def value(x: Any) -> float:
        return math.erf(x)

    def forward(x: Any) -> Any:
        return math.erf(x), math.exp(-(x**2)) * 2 / math.sqrt(math.pi)

    erf = tn.custom_vjp(value, forward, lambda slope, t: (float(t) * slope,))
    got = tn.vmap(tn.grad(erf))(X)
    np.testing.assert_allclose(got, 2 / np.sqrt(np.pi) * np.exp(-(X**2)), rtol=1e-14)


def test_arguments_by_keyword_are_taken_by_position() -> None:
    product = tn.custom_vjp(lambda x, y=3.0: x * y, lambda x, y: (x * y, (x, y)), lambda r, t: (t * r[1], t * r[0]))
    assert tn.grad(lambda x: product(y=x, x=5.0))(2.0) == 5.0
    with pytest.raises(tn.ArgumentTypeError, match=re.escape("given by position; got keyword-only key.")):
        tn.custom_vjp(lambda x, *, key: x, lambda x: (x, None), lambda r, t: (t,))(1.0, key=2)


def test_rules_are_used_as_they_are_written_not_the_function() -> None:
    straight_through = tn.custom_vjp(np.round, lambda x: (np.round(x), None), lambda _, t: (t,))
    assert tn.grad(lambda x: straight_through(x * 3.0))(0.4) == 3.0
    # through the value at an outer tape too
    assert tn.grad(lambda x: tn.value_and_grad(lambda y: straight_through(y * 3.0))(x)[0])(0.4) == 3.0


# ---- errors ----


def square(backward: Any) -> Any:
    def square(x: Any) -> Any:
        return x * x

    return tn.custom_vjp(square, lambda x: (x * x, x), backward)


def test_forward_mode_through_custom_vjp_names_the_operation_and_the_mode() -> None:
    with pytest.raises(tn.MissingRuleError, match=r"^square: forward mode needs a rule, and custom_vjp gives one for"):
        tn.jvp(square(lambda x, t: (2 * x * t,)), (X,), (X,))


@pytest.mark.parametrize(
    ("backward", "text"),
    [
        (
            lambda x, t: 2 * x * t,
            "square: backward must return a tuple with one cotangent for each of 1 arguments; got a ndarray.",
        ),
        (
            lambda x, t: (t, t),
            "square: backward must return a tuple with one cotangent for each of 1 arguments; got 2.",
        ),
        (lambda x, t: (t[:2],), "square: backward's cotangent for args[0] must have shape (3,); got (2,)."),
        (
            lambda x, t: (np.ones(3, int),),
            "square: backward's cotangent for args[0] must be float or complex; got a ndarray of shape (3,), int64.",
        ),
        (
            lambda x, t: ((t, t),),
            "square: backward's cotangent for args[0] must have its structure, PyTreeSpec(*); got PyTreeSpec((*, *)).",
        ),
    ],
)
def test_a_wrong_answer_of_backward(backward: Any, text: str) -> None:
    with pytest.raises(RuleError, match=f"^{re.escape(text)}$"):
        tn.grad(lambda x: tnp.sum(square(backward)(x)))(X)


def test_a_cotangent_of_none_is_a_missing_rule() -> None:
    with pytest.raises(tn.MissingRuleError, match="square: reverse mode needs a rule for operand number 0"):
        tn.grad(square(lambda x, t: (None,)))(2.0)


def test_an_integer_has_no_cotangent() -> None:
    power = tn.custom_vjp(lambda x, n: x**n, lambda x, n: (x**n, (x, n)), lambda r, t: (t * r[0], t))
    text = "<lambda>: backward's cotangent for args[1] must be None, for it has no derivative; got a float64 of shape"
    with pytest.raises(RuleError, match=re.escape(text)):
        tn.grad(lambda x: power(x, 2))(3.0)


def test_forward_must_return_a_pair() -> None:
    broken = tn.custom_vjp(lambda x: x, lambda x: x, lambda r, t: (t,))
    with pytest.raises(RuleError, match=r"<lambda>: forward must return a pair \(y, residuals\); got ndarray\."):
        tn.grad(lambda x: tnp.sum(broken(x)))(X)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda y, d: d, "triple: rule must return a pair (y, y_dot); got ndarray."),
        (lambda y, d: (y, d[:2]), "triple: rule's tangent for y must have shape (3,); got (2,)."),
        (lambda y, d: (y, None), "triple: rule's tangent must have shape (3,), float64; got None."),
        (
            lambda y, d: ((y, y), d),
            "triple: rule's y must have the structure of f's, PyTreeSpec(*); got PyTreeSpec((*, *)).",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_wrong_answer_of_a_jvp_rule(answer: Any, text: str, mode: str) -> None:
    def triple(x: Any) -> Any:
        return 3 * x

    operation = tn.custom_jvp(triple, lambda primals, tangents: answer(3 * primals[0], 3 * tangents[0]))
    use = (lambda: tn.jvp(operation, (X,), (X,))) if mode == "forward" else (lambda: tn.vjp(operation, X)[1](X))
    with pytest.raises(RuleError, match=f"^{re.escape(text).replace('ndarray', '(ndarray|Tensor)')}$"):
        use()


class MyError(ValueError):
    pass


def fail(*args: Any) -> Any:
    raise MyError("mine")


@pytest.mark.parametrize(
    "use",
    [
        lambda: tn.grad(tn.custom_vjp(fail, fail, fail))(1.0),
        lambda: tn.grad(square(fail))(1.0),
        lambda: tn.vmap(tn.grad(square(fail)))(X),
        lambda: tn.jvp(tn.custom_jvp(fail, fail), (1.0,), (1.0,)),
        lambda: tn.jvp(tn.custom_jvp(lambda x: x, fail), (1.0,), (1.0,)),
        lambda: tn.grad(tn.custom_jvp(lambda x: x, fail))(1.0),
    ],
)
def test_what_a_users_function_raises_passes_unchanged(use: Any) -> None:
    with pytest.raises(MyError, match=r"^mine$") as caught:
        use()
    assert type(caught.value) is MyError
    assert caught.value.__cause__ is None


def test_a_captured_tensor_would_lose_its_derivative_and_is_an_error() -> None:
    def loss(w: Any) -> Any:
        scaled = tn.custom_vjp(lambda x: x * w, lambda x: (x * w, None), lambda r, t: (t * w,))
        return tn.grad(scaled)(3.0)

    with pytest.raises(tn.ArgumentError, match="<lambda>: a function with rules of its own must take every Tensor"):
        tn.grad(loss)(2.0)


def test_complex_arguments_and_results() -> None:
    square = tn.custom_jvp(lambda z: z * z, lambda p, t: (p[0] * p[0], 2 * p[0] * t[0]))
    check_grads(square, (np.array([1 + 2j, 0.5 - 1j]),))


def test_single_precision_stays_single() -> None:
    x = X.astype(np.float32)
    gradient = tn.grad(lambda x: tnp.sum(square(lambda x, t: (2 * x * t * np.float64(1.0),))(x)))(x)
    assert gradient.dtype == np.float32


# ---- one operation with both rules ----


def by_both() -> Any:
    f, _ = by_vjp()

    def forward(p: Any, scale: Any, n: Any, mode: str) -> Any:
        return f(p, scale, n, mode), (p, scale, n)

    def backward(residuals: Any, t: Any) -> Any:
        p, scale, n = residuals
        inner = t["out"] * n * p["x"] * tnp.cos(p["w"] * scale)
        outer = t["out"] * n * tnp.sin(p["w"] * scale)
        return {"w": inner * scale, "x": outer}, tnp.sum(inner * p["w"]), None, None

    def rule(primals: Any, tangents: Any) -> Any:
        p, scale, n, mode = primals
        p_dot, scale_dot, _, _ = tangents
        angle_dot = p_dot["w"] * scale + p["w"] * scale_dot
        angle = p["w"] * scale
        out_dot = n * (tnp.cos(angle) * angle_dot * p["x"] + tnp.sin(angle) * p_dot["x"])
        return f(p, scale, n, mode), {"out": out_dot, "mode": None, "count": None}

    return f, tn.custom_vjp(f, forward, backward, jvp=rule)


def test_custom_vjp_with_a_rule_for_forward_mode_serves_both_modes_to_third_order() -> None:
    f, operation = by_both()
    check_grads(loss(operation), (P, 0.7), order=2)
    for outer in (tn.grad, tn.jacfwd):
        for inner in (tn.grad, tn.jacfwd):
            for innermost in (tn.grad, tn.jacfwd):
                third = [
                    outer(lambda s: inner(innermost(lambda u: loss(g)(P, u)))(s))(0.7)  # noqa: B023  # used at once
                    for g in (f, operation)
                ]
                np.testing.assert_allclose(third[0], third[1], rtol=1e-11)


def test_both_rules_serve_several_outputs_and_walks_in_the_block() -> None:
    def f(x: Any) -> Any:
        return tnp.sin(x), tnp.sum(x * x)

    both = tn.custom_vjp(
        f,
        lambda x: (f(x), x),
        lambda x, t: (tnp.cos(x) * t[0] + 2 * x * t[1],),
        jvp=lambda p, t: (f(p[0]), (tnp.cos(p[0]) * t[0], tnp.sum(2 * p[0] * t[0]))),
    )
    check_grads(both, (X,), order=2)
    np.testing.assert_allclose(tn.jacobian(both)(X)[0], tn.jacfwd(both)(X)[0], rtol=1e-14)
    answers = []
    for g in (f, both):
        with tn.GradientTape() as tape:
            x = tape.watch(X)
            wave, total = g(x)
            y = tnp.sum(wave) * total
            gradient = tape.gradient(y, x)
            push = tape.jvp(gradient, x, np.ones(3))
            forward = tape.jvp(y, x, np.ones(3))
        answers.append([gradient.value, push.value, forward.value])
    for expected, found in zip(*answers, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    batch = np.stack([X, X + 1])
    np.testing.assert_allclose(tn.vmap(tn.jacfwd(lambda x: both(x)[1]))(batch), 2 * batch, rtol=1e-14)


# ---- complex answers for real operands ----


def test_a_complex_cotangent_of_a_real_operand_is_projected_in_every_kind_of_rule() -> None:
    weights = np.array([1 + 2j, -0.5j, 3.0])
    by_primitive = tn.primitive(lambda x: weights * x, lambda t: weights * t, name="weighted")
    by_vjp = tn.custom_vjp(
        lambda x: weights * x,
        lambda x: (weights * x, None),
        lambda _, t: (weights * t,),
        jvp=lambda p, t: (weights * p[0], weights * t[0]),
    )
    by_reverse_alone = tn.custom_vjp(lambda x: weights * x, lambda x: (weights * x, None), lambda _, t: (weights * t,))
    by_jvp = tn.custom_jvp(lambda x: weights * x, lambda p, t: (weights * p[0], weights * t[0]))
    seed = np.array([1.0, 2 + 1j, -1j])
    expected = (weights * seed).real
    for operation in (by_primitive, by_vjp, by_reverse_alone, by_jvp):
        (gradient,) = tn.vjp(operation, X)[1](seed)
        assert gradient.dtype == np.float64
        np.testing.assert_allclose(gradient, expected)
    inner = tn.hvp(lambda x: tnp.sum(tnp.abs(by_reverse_alone(x)) ** 2))(X, np.ones(3))
    np.testing.assert_allclose(inner, 2 * np.abs(weights) ** 2)


def test_a_complex_tangent_of_a_real_result_is_projected_in_every_kind_of_rule() -> None:
    by_primitive = tn.primitive(np.abs, lambda t, x, out: t * np.conj(x) / out, name="modulus", operands=["x"])
    rule = lambda p, t: (np.abs(p[0]), t[0] * np.conj(p[0]) / np.abs(p[0]))  # noqa: E731  # one line says it
    by_jvp = tn.custom_jvp(np.abs, rule)
    z, z_dot = np.array([1 + 2j, 0.5 - 1j]), np.array([0.3 - 1j, 2j])
    expected = tn.jvp(tnp.abs, (z,), (z_dot,))[1]
    for operation in (by_primitive, by_jvp):
        y_dot = tn.jvp(operation, (z,), (z_dot,))[1]
        assert y_dot.dtype == np.float64
        np.testing.assert_allclose(y_dot, expected)
        np.testing.assert_allclose(tn.vjp(operation, z)[1](np.ones(2))[0], tn.vjp(tnp.abs, z)[1](np.ones(2))[0])


# ---- rules that return what they hold ----

HELD = np.ones(3)


def _rules_that_hold() -> dict[str, Any]:
    """Functions x -> 2 x of three elements, with rules that write into one buffer and return it."""
    buffer = np.zeros(3)

    def into_buffer(t: Any) -> Any:
        if type(t) is not np.ndarray:
            return 2 * t
        return np.multiply(2, t, out=buffer)

    twice = lambda x: 2 * x  # noqa: E731  # one line says it
    return {
        "primitive": tn.primitive(twice, lambda t: into_buffer(t), name="twice"),
        "custom_vjp": tn.custom_vjp(twice, lambda x: (2 * x, None), lambda _, t: (into_buffer(t),)),
        "custom_vjp with jvp": tn.custom_vjp(
            twice,
            lambda x: (2 * x, None),
            lambda _, t: (into_buffer(t),),
            jvp=lambda p, t: (2 * p[0], into_buffer(t[0])),
        ),
        "custom_jvp": tn.custom_jvp(twice, lambda p, t: (2 * p[0], into_buffer(t[0]))),
    }


@pytest.mark.parametrize("operation", _rules_that_hold().values(), ids=list(_rules_that_hold()))
def test_a_rule_that_writes_into_one_buffer_gives_right_gradients_of_their_own(operation: Any) -> None:
    first, second = tn.grad(lambda x, y: tnp.sum(operation(x)) + tnp.sum(3 * operation(y)), argnums=(0, 1))(X, X)
    later = tn.grad(lambda x: tnp.sum(7 * operation(x)))(X)
    np.testing.assert_array_equal(first, np.full(3, 2.0))
    np.testing.assert_array_equal(second, np.full(3, 6.0))
    np.testing.assert_array_equal(later, np.full(3, 14.0))
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("kind", ["operand", "residual", "constant", "view"])
def test_a_gradient_never_shares_memory_with_what_a_rule_holds_or_was_given(kind: str) -> None:
    x = X.copy()
    held = np.ones(6)

    def answer(own: Any) -> Any:
        return {"operand": own, "residual": own, "constant": held[:3].view(), "view": held[::2]}[kind]

    half = lambda x: tnp.sum(x * x) / 2  # noqa: E731  # one line says it
    operations = [
        tn.custom_vjp(half, lambda x: (half(x), x), lambda r, t: (answer(r),)),
        tn.primitive(lambda x: np.sum(x * x) / 2, lambda t, x: answer(x), family="general", name="half"),
    ]
    for operation in operations:
        with tn.GradientTape() as tape:
            watched = tape.watch(x)
            y = operation(watched)
        first, second = tape.gradient(y, watched), tape.gradient(y, watched)
        for other in (x, held, second):
            assert not np.shares_memory(first, other)
        assert first.flags.writeable
        assert first.base is None


def test_a_tangent_never_shares_memory_with_what_a_rule_holds() -> None:
    held = np.ones(3)
    operations = [
        tn.custom_jvp(lambda x: x * 1.0, lambda p, t: (p[0] * 1.0, held)),
        tn.primitive(lambda x: x * 1.0, lambda t: held, name="copied"),
    ]
    for operation in operations:
        y_dot = tn.jvp(operation, (X,), (np.ones(3),))[1]
        assert not np.shares_memory(y_dot, held)


@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[::1], lambda x: x.T, lambda x: tnp.reshape(x, (3,))])
def test_a_gradient_that_is_recorded_shares_no_memory_with_what_a_rule_was_given(view: Any) -> None:
    half = lambda x: tnp.sum(x * x) / 2  # noqa: E731  # one line says it
    for operation in (
        tn.custom_vjp(half, lambda x: (half(x), x), lambda r, t: (view(r),)),
        tn.primitive(lambda x: np.sum(x * x) / 2, lambda t, x: view(x), family="general", name="half"),
        tn.primitive(lambda *xs: np.sum(xs[0] ** 2) / 2, lambda t, xs: [view(xs[0])], family="joint", name="half"),
    ):
        gradient, change = tn.jvp(tn.grad(operation), (X,), (np.ones(3),))
        np.testing.assert_array_equal(gradient, X)
        np.testing.assert_array_equal(change, np.ones(3))
        assert not np.shares_memory(gradient, X)
        with tn.GradientTape() as tape:
            x = tape.watch(X)
            recorded = tape.gradient(operation(x), x)
        assert not np.shares_memory(np.asarray(recorded), X)
