"""What `check_grads` says when something is wrong: what, where, both numbers, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import GradientError, check_grads
from tests.testing import wrong

X = np.array([0.5, 1.0, 2.0])


def report(f: Callable[..., Any], args: Sequence[Any], **options: Any) -> str:
    """The report of a check that fails."""
    options = {"order": 1} | options
    with pytest.raises(GradientError) as caught:
        check_grads(f, args, **options)
    return str(caught.value)


def likely(f: Callable[..., Any], args: Sequence[Any], **options: Any) -> str:
    """The reason that a report gives."""
    lines = report(f, args, **options).splitlines()
    assert lines[-1].startswith("    likely     ")
    return lines[-1].removeprefix("    likely     ")


# ---- the numbers and where they are ----


def test_a_report_in_full() -> None:
    off_by_a_tenth_of_a_percent = wrong.function(np.square, lambda t, x: t * 2.002 * x)

    def f(p: Any) -> Any:
        return p["bias"] + off_by_a_tenth_of_a_percent(p["weight"])

    text = report(f, ({"bias": 1.0, "weight": 2.0},), modes=["reverse"], rng=np.random.default_rng(3))
    bias, weight = "args[0]['bias']", "args[0]['weight']"
    first, at, entry, expected, got, reason = text.splitlines()
    number = r"-?\d+\.\d+"
    assert re.fullmatch(
        rf"check_grads: reverse mode, order 1: the derivative of y by {re.escape(weight)} must be 4; "
        rf"got {number}\.",
        first,
    )
    assert at == f"    at         {bias} = 1, {weight} = 2"
    assert entry == f"    entry      of the Jacobian: y by {weight}"
    assert expected == "    expected   4  (by a complex step)"
    assert re.fullmatch(rf"    got        {number}  \(off by 0\.001 of it, 1e-09 is allowed\)", got)
    assert reason == "    likely     a wrong rule: it gives 1.001 times what it must."
    low, high = float(expected.split()[1]), float(got.split()[1])
    assert high / low == pytest.approx(1.001, rel=1e-9)


def test_the_element_that_is_wrong_is_named() -> None:
    def f(x: Any, p: Any) -> Any:
        return tnp.sum(x) * tnp.concatenate([p["w"][:2], 1.01 * p["w"][2:] - 0.01 * tn.stop_gradient(p["w"][2:])])

    text = report(f, (2.0, {"w": X}))
    assert text.startswith(
        "check_grads: forward mode, order 1: the derivative of y[2] by args[1]['w'][2] must be 2; got 2.02."
    )
    assert "a wrong rule: it gives 1.01 times what it must" in text
    assert "    entry      of the Jacobian: y[2] by args[1]['w'][2]\n" in text


def test_large_arguments_are_named_and_shortened() -> None:
    text = report(lambda x: x * tn.stop_gradient(x), (np.linspace(1, 2, 100).reshape(4, 25),))
    assert "the derivative by args[0] must be" in text
    assert "(shape (4, 25), float64)" in text
    assert len(max(text.splitlines(), key=len)) < 500


def test_the_order_and_the_mode_are_named() -> None:
    def square(x: Any) -> Any:
        return x * tn.stop_gradient(x) * 2 - tn.stop_gradient(x) ** 2

    assert report(square, (1.5,), order=2).startswith(
        "check_grads: forward mode, order 2: the derivative of y[0] by args[0] must be "
    )


# ---- the likely reason ----


def test_a_kink_nearer_than_the_step() -> None:
    reason = likely(lambda x: tnp.abs(x), (1e-5,), modes=["reverse"])
    assert re.match(
        r"a kink or a jump nearer than the step 0\.000977: the derivative is -?\d+\.?\d* from the left and -?\d+\.?\d* "
        r"from the right\. Keep away from it: strategies\.arrays\(\.\.\., away_from=\[\.\.\.\]\)\. Or pass a "
        r"smaller step\.",
        reason,
    )
    check_grads(tnp.abs, (1e-5,), order=1, step=1e-7)


def test_a_jump_at_the_point() -> None:
    assert re.match(
        r"a jump at the point or near it: differences grow from \d+(\.\d+)? to \d+(\.\d+)? as the step shrinks from "
        r"0\.000977 to 6\.1e-05\. At order 2 and more what jumps is a derivative, at a kink\. Keep away from it: ",
        likely(tnp.abs, (0.0,), order=2),
    )


def test_a_jump_beside_the_point() -> None:
    assert likely(lambda x: tnp.where(x > 1.0, x + 1, x), (1.0001,)).startswith("a jump at the point or near it")


def test_a_step_that_is_too_long() -> None:
    def f(x: Any) -> Any:
        return tnp.sin(400 * x)

    reason = likely(f, (0.3,), method="central")
    assert re.match(
        r"f bends, or has a kink, within the step 0\.000977: with step 6\.1e-05 the differences give -?\d+\.\d+\. "
        r"Pass a smaller step, or arguments of order 1\.",
        reason,
    )
    check_grads(f, (0.3,), method="central", step=1e-5, order=1)
    check_grads(f, (0.3,))


def test_no_path() -> None:
    reason = likely(lambda x, p: x * tn.stop_gradient(p["w"]), (2.0, {"w": 3.0}))
    assert reason == (
        "f depends on args[1]['w'], but no derivative flows: a stop_gradient, x.value, a rounding or a comparison "
        "in f, or a rule that answers zero."
    )


def test_low_precision_inside_of_f() -> None:
    def f(x: Any) -> Any:
        return tnp.astype(tnp.sin(tnp.astype(x, np.float32)), np.float64)

    reason = likely(f, (np.array([0.5, 1.0]),))
    assert reason == (
        "f computes in a lower precision than its arguments have, so that differences see steps: "
        "look for float32 or float16 inside it, in an astype or a constant's dtype."
    )
    check_grads(f, (np.array([0.5, 1.0], np.float32),))


def test_float32_arguments_are_said_to_be_dull() -> None:
    f = wrong.function(np.square, lambda t, x: t * 2.1 * x)
    assert likely(f, (np.float32(2.0),), method="central") == (
        "a wrong rule: it gives 1.05 times what it must. Differences in this precision are good to 0.002 only: "
        "pass float64 arguments for a sharper answer."
    )


def test_a_derivative_that_is_not_finite() -> None:
    f = wrong.function(np.square, lambda t, x: t * np.nan * x)
    message = "^wrong: in the forward walk the tangent by x must be finite for finite operands; got nan"
    with pytest.raises(tn.NumericalError, match=message):
        check_grads(f, (2.0,), order=1)


def test_a_value_that_is_not_finite_beside_the_point() -> None:
    def f(x: Any) -> Any:
        return tnp.where(x < 1.0005, 1.0, np.inf) * x

    assert likely(f, (1.0,)).startswith("f, or f beside the point, is not finite (")


def test_a_derivative_that_must_vanish() -> None:
    f = wrong.function(np.ones_like, lambda t, x: t)
    assert likely(f, (2.0,)) == "a wrong rule: the derivative must vanish."


def test_a_rule_with_the_wrong_sign() -> None:
    f = wrong.function(np.cos, lambda t, x: t * tnp.sin(x))
    assert likely(f, (2.0,)) == "a wrong rule: it gives -1 times what it must."


# ---- modes that disagree ----


def test_modes_that_disagree_by_less_than_differences_can_tell() -> None:
    f = wrong.function(np.square, lambda t, x: t * 2 * x, lambda t, x: t * (2 + 1e-7) * x)
    text = report(lambda x, p: x * f(p), (2.0, 3.0), method="central")
    assert re.fullmatch(
        r"check_grads: the modes must agree, <y_bar, J x_dot> = <J\^T y_bar, x_dot>; got -?\d\.\d+ forward and "
        r"-?\d\.\d+ in reverse\. They differ most by args\[1\]: one of its two rules is wrong, by less than the "
        r"derivative from values can tell\.",
        text,
    )
    assert "forward mode, order 1" in report(f, (3.0,))  # the complex step can tell


# ---- mutation, aliasing, randomness, dtypes ----


def test_a_function_that_writes_into_its_argument_on_a_tape() -> None:
    def f(p: Any) -> Any:
        x = p["x"]
        if isinstance(x, tn.Tensor):
            x._value[0] += 1.0
        return x * 2.0

    mine = X.copy()
    assert report(f, ({"x": mine},)) == (
        "check_grads: the arguments must not change; got other numbers in args[0]['x']. f writes into it."
    )
    np.testing.assert_array_equal(mine, X)


def test_a_function_that_writes_into_plain_arrays() -> None:
    def f(x: Any) -> Any:
        x *= 2  # a new value where x is a Tensor
        return x

    mine = X.copy()
    assert report(f, (mine,)) == (
        "check_grads: the arguments must not change; got other numbers in args[0]. f writes into its argument on plain "
        "arrays."
    )
    np.testing.assert_array_equal(mine, X)


def test_a_rule_that_writes_into_the_cotangent() -> None:
    def scaled_in_place(t: Any, x: Any) -> Any:
        t *= 2
        return t * x

    f = wrong.function(np.square, scaled_in_place, lambda t, x: t * 2 * x)
    text = report(f, (X,), modes=["reverse"])
    assert text == "check_grads: the cotangent must not change; got other numbers in y_bar. A rule writes into it."


def test_a_rule_that_writes_into_what_it_reads() -> None:
    def pullback(t: Any, x: Any) -> Any:
        gradient = t * 2 * x
        x += 1
        return gradient

    message = r"^watch: x, of shape \(3,\), must not change between recording and walking; "
    with pytest.raises(tn.MutationError, match=message):
        check_grads(wrong.function(np.square, pullback), (X,), modes=["reverse"], order=1)


def test_a_captured_array_that_changes() -> None:
    weights = X.copy()

    def pullback(t: Any, x: Any) -> Any:
        weights[0] += 1
        return t * tnp.cos(x)

    f = wrong.function(np.sin, pullback)
    with pytest.raises(tn.MutationError, match=r"^multiply: y, of shape \(3,\), must not change between recording"):
        check_grads(lambda x: f(x) * weights, (X,), modes=["reverse"], order=1)


def test_a_rule_that_answers_differently_each_time() -> None:
    calls = iter(range(100))
    f = wrong.function(np.sin, lambda t, x: t * (tnp.cos(x) + next(calls) * 1e-11))
    assert "a second pullback must give what the first gave" in report(f, (X,), modes=["reverse"])


def test_gradients_that_share_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walks give each gradient an array of its own; a pullback that does not stands in for one that fails to."""

    def sharing(f: Any, *args: Any) -> Any:
        bars: list[Any] = []

        def pullback(y_bar: Any) -> Any:
            bars.append(np.array(y_bar))
            return bars[0], bars[0]

        return f(*args), pullback

    monkeypatch.setattr("tapenet.testing.gradients.vjp", sharing)
    assert report(lambda x, y: x + y, (X, X.copy()), modes=["reverse"]) == (
        "check_grads: gradients must share no memory with each other or with what was given; got the gradient by "
        "args[1] and the gradient by args[0] that do, of shape (3,)."
    )


def test_a_gradient_that_is_the_cotangent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapenet.testing.gradients.vjp", lambda f, *args: (f(*args), lambda y_bar: (y_bar,)))
    assert "the gradient by args[0] and y_bar that do" in report(lambda x: x * 1.0, (X,), modes=["reverse"])


def test_a_gradient_of_another_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_single_precision(f: Any, *args: Any) -> Any:
        return f(*args), lambda y_bar: ({"x": y_bar.astype(np.float32)},)

    monkeypatch.setattr("tapenet.testing.gradients.vjp", in_single_precision)
    assert report(lambda p: p["x"] * 1.0, ({"x": X},), modes=["reverse"]) == (
        "check_grads: reverse mode: the gradient of args[0]['x'] must have shape (3,) and dtype float64; "
        "got (3,), float32."
    )


def test_a_function_that_is_another_one_each_time() -> None:
    rng = np.random.default_rng(0)
    text = report(lambda x: x * rng.uniform(), (2.0,))
    assert re.fullmatch(
        r"check_grads: f must give the same value on a tape as off it; at y got \d\.\d+ on it and \d\.\d+ off it\. "
        r"It is another one each time: random numbers\?",
        text,
    )


def test_a_function_that_branches_on_the_type() -> None:
    def f(x: Any) -> Any:
        return {"y": x * 2 if isinstance(x, tn.Tensor) else x * 3}

    assert report(f, (2.0,)) == (
        "check_grads: f must give the same value on a tape as off it; at y['y'] got 4.0 on it and 6.0 off it. "
        "It branches on the type."
    )


def test_a_function_of_another_structure_off_the_tape() -> None:
    text = report(lambda x: [x] if isinstance(x, tn.Tensor) else (x,), (2.0,))
    assert text.startswith("check_grads: f must return PyTreeSpec([*]")
    assert "off the tape too; got PyTreeSpec((*,)" in text
