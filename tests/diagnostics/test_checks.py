"""Checked mode: what it sees, what it says, and that it is of one thread and task."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import MutationError, NumericalError, UnconnectedError
from tests.comparing import assert_same
from tests.samples import SAMPLES

HERE = re.escape(__file__)
ZERO_AND_ONE = np.array([0.0, 1.0])


def raises(kind: type[Exception], text: str) -> Any:
    return pytest.raises(kind, match=text)


def gradient(f: Any, x0: Any = ZERO_AND_ONE) -> Any:
    return tn.grad(lambda x: tnp.sum(f(x)))(x0)


# ---- gradients that are dead or explode ----


def test_a_dead_gradient_names_the_leaf_and_where_it_dies() -> None:
    with (
        tn.checks(dead=True),
        raises(
            NumericalError,
            r"^value_and_grad: the gradient by args\[0\]\['b'\], a ndarray of shape \(2,\), float64, must not be all "
            rf"zeros; got zeros\. relu \(%\d+, {HERE}:\d+\): inactive: its input is not positive\.$",
        ),
    ):
        tn.value_and_grad(lambda p: tnp.sum(tn.nn.relu(p["b"] - 9.0)) + tnp.sum(p["a"]))(
            {"a": ZERO_AND_ONE, "b": ZERO_AND_ONE}
        )


def test_dead_gradients_of_tapes_that_were_opened_before_and_by_other_arguments() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(ZERO_AND_ONE)
        y = tnp.sum(tnp.floor(x))
    assert_same(tape.gradient(y, x), np.zeros(2))
    with tn.checks(nan=False, mutation=False, dead=True):
        with raises(NumericalError, r"^tape\.gradient: the gradient by x, .* floor \(%1\): piecewise constant"):
            tape.gradient(y, x)
        with raises(NumericalError, r"^grad: the gradient by args\[1\], "):
            tn.grad(lambda a, b: a * b * 0.0, argnums=1)(1.0, 2.0)
        with raises(NumericalError, r"^vjp: the gradient by args\[0\], "):
            tn.vjp(lambda a: a * 0.0, 1.0)[1](1.0)
        assert tape.gradient(y, x, output_gradients=0.0).tolist() == [0, 0]  # a cotangent of zeros gives nothing else
        assert tn.grad(lambda a, b: a * 2)(1.0, 2.0) == 2
        assert tn.grad(lambda x: tnp.sum(x))(np.ones(0)).shape == (0,)


def test_an_exploding_gradient_names_the_steps() -> None:
    def grown(x: Any, count: int = 20) -> Any:
        for _ in range(count):
            x = x * 3.0
        return x

    with tn.checks(exploding=1e6):
        with raises(
            NumericalError,
            r"^grad: the gradient by args\[0\], a float64 of shape \(\), float64, must be at most 1e\+06 times the "
            r"cotangent of y; got 3\.49e\+09 times it\. multiply \(%20, .*: the norm grows by a factor of 3\.$",
        ):
            tn.grad(grown)(1.0)
        assert tn.grad(lambda x: grown(x, 5))(1.0) == 243
        _, pullback = tn.vjp(grown, 1.0)
        with raises(NumericalError, r"^vjp: the gradient by args\[0\]"):
            pullback(1e-9)  # a factor, not a size
    with (
        np.errstate(divide="ignore"),
        tn.checks(nan=False, exploding=1e6),
        raises(NumericalError, r"must be finite; got 1 of 2 elements that are not\. sqrt \(%1"),
    ):
        gradient(lambda x: tnp.sqrt(x))
    with tn.checks(dead=True, exploding=1e6):  # with derivatives of derivatives, mapped ones and checkpoints
        assert tn.grad(tn.grad(lambda x: x**3))(2.0) == 12
        assert_same(tn.vmap(tn.grad(lambda x: x**2))(ZERO_AND_ONE + 1), 2 * (ZERO_AND_ONE + 1))
        assert tn.grad(tn.checkpoint(lambda x: x * x))(3.0) == 6
        assert_same(tn.hessian(lambda x: tnp.sum(x**2))(ZERO_AND_ONE), 2 * np.eye(2))


def test_the_limit_must_be_positive() -> None:
    with raises(ValueError, re.escape("checks: exploding must be in (0, inf); got -1.")), tn.checks(exploding=-1):
        pass
    with raises(TypeError, r"checks: dead must be"), tn.checks(dead=1):  # type: ignore[arg-type]  # on purpose
        pass


# ---- NaN and infinity ----


def test_infinity_in_a_recorded_operation_names_it_its_shapes_and_the_line() -> None:
    with (
        tn.checks(),
        raises(
            NumericalError,
            r"^log: the output must be finite for finite operands; got -inf at index \(0,\) of shape \(2,\), float64 "
            rf"from x of shape \(2,\), at {HERE}:\d+\. .*tnp\.where\(ok, tnp\.log\(tnp\.where\(ok, x, 1\)\), 0\)",
        ),
    ):
        gradient(lambda x: tnp.log(x))


def test_nan_in_an_operation_of_two_operands_names_both_shapes() -> None:
    with (
        tn.checks(),
        raises(
            NumericalError,
            r"^divide: .* got nan at index \(0, 0\) of shape \(2, 2\), float64 from x of shape \(2, 1\), y of shape",
        ),
    ):
        gradient(lambda x: tnp.reshape(x, (2, 1)) * 0 / (x * np.array([0.0, 1.0])), np.array([2.0, 3.0]))


def test_sqrt_at_zero_is_named_in_the_backward_walk_with_a_recipe_and_the_recording_line() -> None:
    with (
        tn.checks(),
        raises(
            NumericalError,
            r"^sqrt: in the backward walk the cotangent by x must be finite for finite operands; got inf at index "
            rf"\(0,\) of shape \(2,\), float64, recorded at {HERE}:\d+\. The derivative of tnp\.sqrt at 0 is infinite.*"
            r"tnp\.where\(x > 0, tnp\.sqrt\(tnp\.where\(x > 0, x, 1\)\), 0\)",
        ),
    ):
        gradient(lambda x: tnp.sqrt(x))


def test_the_where_trap_is_named_in_the_backward_walk_with_the_recipe() -> None:
    def f(x: Any) -> Any:
        return tnp.where(x > 0, tnp.sqrt(x), 0)

    with (
        tn.checks(),
        raises(NumericalError, r"^sqrt: in the backward walk .* got nan at .*tnp\.where\(x > 0, tnp\.sqrt\("),
    ):
        gradient(f)
    with tn.checks():
        np.testing.assert_array_equal(
            gradient(lambda x: tnp.where(x > 0, tnp.sqrt(tnp.where(x > 0, x, 1)), 0)), [0, 0.5]
        )


def test_the_forward_walk_is_watched() -> None:
    with tn.checks(), raises(NumericalError, r"^sqrt: in the forward walk the tangent by x must be finite.* got inf"):
        tn.jvp(tnp.sqrt, (0.0,), (1.0,))


def test_overflow_is_named_with_stable_forms() -> None:
    with tn.checks(), raises(NumericalError, r"^exp: .* got inf at .*logaddexp, softmax, log_softmax"):
        gradient(lambda x: tnp.exp(1000 * x))


def test_operations_with_several_operands_and_outputs_are_watched() -> None:
    with tn.checks(), raises(NumericalError, r"^einsum: the output must be finite .* got inf"):
        gradient(lambda x: tnp.einsum("i,i->", x, x), np.array([1e200, 1.0]))


def test_what_data_hold_is_not_reported() -> None:
    masked = np.array([0.0, -np.inf, 1.0])
    with tn.checks():
        np.testing.assert_allclose(gradient(lambda x: tn.nn.softmax(x + masked) * x, np.ones(3)).sum(), 1.0)
        assert np.isnan(gradient(lambda x: x * x, np.array([np.nan, 1.0]))[0])


def test_a_rule_of_a_recorded_walk_is_named_as_the_derivative_it_is() -> None:
    def f(x: Any) -> Any:
        return tn.grad(lambda v: tnp.sum(tnp.sqrt(v)))(x)

    with tn.checks(), raises(NumericalError, r"^sqrt: in the backward walk: divide: the output must be finite"):
        gradient(f)


def test_of_nested_tapes_each_is_watched() -> None:
    with tn.checks(), raises(NumericalError, r"^log: the output must be finite"):
        tn.hvp(lambda x: tnp.sum(tnp.log(x)))(ZERO_AND_ONE, ZERO_AND_ONE)


def test_under_vmap_the_values_of_all_examples_are_watched() -> None:
    with tn.checks(), raises(NumericalError, r"^sqrt: in the backward walk"):
        tn.vmap(tn.grad(tnp.sqrt))(ZERO_AND_ONE)


def test_a_tape_recorded_before_is_watched_where_it_is_walked() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(0.0)
        y = tnp.sqrt(x)
    with np.errstate(all="ignore"):
        assert tape.gradient(y, x) == np.inf
    with tn.checks(), raises(NumericalError, r"got inf of shape \(\), float64\. The derivative"):
        tape.gradient(y, x)


def test_each_watch_can_be_left_out() -> None:
    with tn.checks(nan=False), np.errstate(all="ignore"):
        assert gradient(tnp.sqrt)[0] == np.inf
    with tn.checks(mutation=False):
        np.testing.assert_array_equal(mutated(), [5.0, 1.0])


@pytest.mark.parametrize("name", sorted(SAMPLES))
@given(data=st.data())
def test_no_primitive_trips_it_at_ordinary_points(name: str, data: Any) -> None:
    sample = data.draw(SAMPLES[name])
    plain, pullback = tn.vjp(sample.function, *sample.arrays)
    expected = pullback(np.ones(plain.shape, plain.dtype))
    with tn.checks():
        y, pullback = tn.vjp(sample.function, *sample.arrays)
        found = pullback(np.ones(y.shape, y.dtype))
        tn.jvp(lambda *xs: tn.vjp(sample.function, *xs)[1](np.ones(y.shape, y.dtype)), sample.arrays, sample.arrays)
    assert_same(y, plain)
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b)


# ---- gradients that can only be zero ----


def test_a_gradient_that_is_zero_by_rounding_is_named_on_request() -> None:
    def rounded(x: Any) -> Any:
        return tnp.sum(tnp.floor(2 * x) * tnp.sign(x))

    with tn.checks():
        np.testing.assert_array_equal(tn.grad(rounded)(np.ones(2)), [0, 0])
    with (
        tn.checks(constant=True),
        raises(
            UnconnectedError,
            r"^tape\.gradient: y must depend on x by a path that is not piecewise constant; got floor at "
            rf"{HERE}:\d+, sign at {HERE}:\d+ on every path from %0, of shape \(2,\), so that its gradient is zero",
        ),
    ):
        tn.grad(rounded)(np.ones(2))


def test_one_path_that_is_not_constant_is_enough() -> None:
    with tn.checks(constant=True):
        assert tn.grad(lambda x: tnp.round(x) * x)(1.6) == 2.0
        assert tn.grad(lambda x: 3.0)(1.0) == 0.0
        assert tn.grad(lambda x, w: tnp.floor(x) * w, 1)(1.5, 2.0) == 1.0


# ---- arrays that change ----


def mutated(change: Any = None) -> Any:
    x0, w = np.array([1.0, 2.0]), np.array([3.0, 1.0])
    with tn.GradientTape() as tape:
        x = tape.watch(x0)
        y = tnp.sum(x * w)
    if change is None:
        w[0] = 5.0
    else:
        change(x0, w)
    return tape.gradient(y, x)


def test_a_captured_array_that_changed_is_named() -> None:
    with (
        tn.checks(),
        raises(
            MutationError,
            r"^multiply: y, of shape \(2,\), must not change between recording and walking; it was recorded at "
            rf"{HERE}:\d+ and has changed since",
        ),
    ):
        mutated()


def test_a_watched_array_that_changed_is_named_even_where_no_rule_reads_it() -> None:
    def change(x0: Any, w: Any) -> None:
        x0[1] = -0.0 if x0[1] == 0 else np.nextafter(x0[1], 3)

    with tn.checks(), raises(MutationError, r"^watch: x, of shape \(2,\), must not change"):
        mutated(change)


def test_every_element_of_a_large_array_is_watched() -> None:
    w = np.ones((300, 300))
    with tn.checks():
        with tn.GradientTape() as tape:
            x = tape.watch(np.ones(300))
            y = tnp.sum(w @ x)
        tape.gradient(y, x)
        w.T[17, 250] += 1e-9
        with raises(MutationError, "^matvec: "):
            tape.gradient(y, x)
        with raises(MutationError, "^matvec: "):
            tape.replay(np.ones(300), y)
        with raises(MutationError, "^matvec: "):
            tape.jvp(y, x, np.ones(300))


def test_a_tape_opened_under_checks_stays_watched() -> None:
    w = np.ones(2)
    with tn.checks():
        _, pullback = tn.vjp(lambda x: x * w, np.ones(2))
    w[0] = 2.0
    with raises(MutationError, "^multiply: "):
        pullback(np.ones(2))


# ---- where it holds ----


def test_it_ends_with_the_block_also_by_an_exception() -> None:
    def failing() -> None:
        with tn.checks():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    with np.errstate(all="ignore"):
        assert gradient(tnp.sqrt)[0] == np.inf
    assert is_unwatched()


def test_an_inner_block_rules_and_the_outer_comes_back() -> None:
    with tn.checks():
        with tn.checks(nan=False, mutation=False), np.errstate(all="ignore"):
            assert gradient(tnp.sqrt)[0] == np.inf
        with pytest.raises(NumericalError):
            gradient(tnp.sqrt)


def is_unwatched() -> bool:
    """Whether a tape that is opened here records NaN without a word."""
    with tn.GradientTape() as tape, np.errstate(all="ignore"):
        try:
            tnp.log(tape.watch(-1.0))
        except tn.NumericalError:
            return False
    return True


def test_it_is_of_one_thread() -> None:
    found = []
    with tn.checks():
        thread = threading.Thread(target=lambda: found.append(is_unwatched()))
        thread.start()
        thread.join()
    assert found == [True]


def test_it_is_of_one_task() -> None:
    found = []

    async def checked(entered: asyncio.Event, seen: asyncio.Event) -> None:
        with tn.checks():
            entered.set()
            await seen.wait()
            found.append(is_unwatched())

    async def unchecked(entered: asyncio.Event, seen: asyncio.Event) -> None:
        await entered.wait()
        found.append(is_unwatched())
        seen.set()

    async def both() -> None:
        entered, seen = asyncio.Event(), asyncio.Event()
        await asyncio.gather(checked(entered, seen), unchecked(entered, seen))

    asyncio.run(both())
    assert found == [True, False]
