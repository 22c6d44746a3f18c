"""The replay: the recorded program on other inputs equals the function, or raises, and is never another's answer."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import ArgumentError, ArgumentTypeError, ReplayError, TapeStateError
from tests.comparing import assert_same
from tests.samples import SAMPLES

X = np.array([1.0, -2.0, 3.0])
OTHER = np.array([0.5, 4.0, -1.0])


def raises(kind: type[Exception], text: str) -> Any:
    return pytest.raises(kind, match=re.escape(text))


def recorded(f: Any, x0: Any = X) -> tuple[tn.GradientTape, Any]:
    with tn.GradientTape() as tape:
        y = f(tape.watch(x0))
    return tape, y


def replayed(f: Any, x0: Any, x1: Any) -> Any:
    tape, y = recorded(f, x0)
    return tape.replay(x1, y)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@given(data=st.data())
def test_replay_of_every_primitive_on_other_inputs_equals_the_function(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    others = tuple(np.flip(x).reshape(x.shape).copy() for x in map(np.asarray, sample.arrays))
    tape, y = recorded(lambda arrays: sample.function(*arrays), tuple(np.asarray(x) for x in sample.arrays))
    found = tape.replay(others, y)
    expected = sample.function(*others)
    assert np.shape(found) == np.shape(expected)
    assert found.dtype == expected.dtype
    assert_same(found, expected)


FUNCTIONS = {
    "softmax": lambda x: tn.nn.softmax(x) * x,
    "log_softmax": tn.nn.log_softmax,
    "sort": tnp.sort,
    "huber": lambda x: tn.nn.huber(x, np.zeros(3)),
    "binary_cross_entropy": lambda x: tn.nn.binary_cross_entropy(x, np.array([0.0, 1.0, 1.0])),
    "relu": lambda x: tn.nn.relu(x) + tnp.maximum(x, 0),
    "max": lambda x: tnp.max(x) * tnp.std(x),
    "prod": tnp.prod,
    "scalar mask": lambda x: tn.nn.huber(x[0], 0.0) + tnp.where(np.True_, x[1], x[2]),
    "gradient of smooth": lambda x: tn.grad(lambda v: tnp.sum(tnp.tanh(v) * v))(x),
    "vmap": lambda x: tn.vmap(lambda v: tnp.sin(v) * v)(x),
    "checkpoint": lambda x: tn.checkpoint(lambda v: tnp.sort(tn.nn.softmax(v)) * v)(x) + x,
    "checkpoint in checkpoint": lambda x: tn.checkpoint(lambda v: tn.checkpoint(tn.nn.softmax)(v * v) - v)(2 * x),
    "gradient of a checkpoint": lambda x: tn.grad(lambda v: tnp.sum(tn.checkpoint(tn.nn.softmax)(v) * v))(x),
    "custom_vjp": lambda x: tn.custom_vjp(tnp.sin, lambda v: (tnp.sin(v), v), lambda v, t: (t * tnp.cos(v),))(x) * x,
    "gradient of a custom_vjp": lambda x: tn.grad(
        lambda v: tnp.sum(tn.custom_vjp(tnp.sin, lambda v: (tnp.sin(v), v), lambda v, t: (t * tnp.cos(v),))(v) * v)
    )(x),
    "custom_jvp": lambda x: tn.custom_jvp(tnp.sin, lambda p, t: (tnp.sin(p[0]), t[0] * tnp.cos(p[0])))(x),
    "root": lambda x: tn.root(lambda y, a: y * y - a * a - 1, np.ones(3), x) * x,
    "Jacobian of smooth": lambda x: tn.jacobian(lambda v: tnp.sin(v) * v[0])(x),
    "several outputs": lambda x: tnp.linalg.slogdet(tnp.outer(x, x) + np.eye(3))[1],
    "norm and det": lambda x: tnp.linalg.norm(x) * tnp.linalg.det(tnp.outer(x, x) + np.eye(3)),
    "gradient of det": lambda x: tn.grad(lambda a: tnp.linalg.det(a))(tnp.outer(x, x) + 5 * np.eye(3)),
    "gradient of lstsq": lambda x: tn.grad(
        lambda v: tnp.sum(tnp.linalg.lstsq(tnp.stack([v, v * v], -1), np.ones(3))[0] ** 2)
    )(x),
    "losses": lambda x: tn.nn.cross_entropy(x[None], np.array([1])) + tn.nn.mean_squared_error(x, np.ones(3)),
    "softmax cross entropy of a batch": lambda x: tn.nn.cross_entropy(tnp.outer(x, x), np.eye(3)),
    "comparison of mapped with not mapped": lambda x: tn.vmap(lambda v: tnp.maximum(v, x[0] - 9) * v)(x),
    "nested vmap of grad": lambda x: tn.vmap(tn.grad(lambda v: tnp.exp(v) * v))(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_replay_of_compositions_equals_the_function(name: str) -> None:
    f = FUNCTIONS[name]
    np.testing.assert_array_equal(replayed(f, X, OTHER), f(OTHER))


def test_what_the_function_returns_is_given_back_in_its_structure_with_constants_as_they_are() -> None:
    tape, y = recorded(lambda x: {"a": x * 2, "b": (x[0], 7, "text")})
    found = tape.replay(OTHER, y)
    np.testing.assert_array_equal(found["a"], OTHER * 2)
    assert found["b"] == (0.5, 7, "text")


def test_by_default_the_last_value_is_given() -> None:
    tape, _ = recorded(lambda x: tnp.sum(x * x))
    assert tape.replay(OTHER) == np.sum(OTHER * OTHER)


def test_several_watches_take_a_tuple() -> None:
    with tn.GradientTape() as tape:
        a = tape.watch({"w": X})
        b = tape.watch(2.0)
        y = a["w"] * b
    np.testing.assert_array_equal(tape.replay(({"w": OTHER}, 3.0), y), OTHER * 3)
    with raises(ArgumentError, "inputs must be a tuple with one entry for each of 2 calls of tape.watch"):
        tape.replay(OTHER, y)
    with raises(ArgumentError, "inputs[0] must have the structure that was watched"):
        tape.replay((OTHER, 3.0), y)


@pytest.mark.parametrize(
    ("given_", "kind", "text"),
    [
        (np.ones(2), ArgumentError, "must have shape (3,) and dtype float64, as it was watched; got a ndarray of sha"),
        (np.ones(3, np.float32), ArgumentTypeError, "dtype float64, as it was watched; got a ndarray of shape (3,), f"),
        (1.0, ArgumentError, "got float 1.0"),
        ("text", ArgumentError, "got str 'text'"),
    ],
)
def test_inputs_are_checked(given_: Any, kind: type[Exception], text: str) -> None:
    tape, y = recorded(lambda x: x * 2)
    with raises(kind, text):
        tape.replay(given_, y)


def test_a_python_scalar_is_replayed_as_one_so_that_dtypes_stay() -> None:
    w = np.float32([1, 2])
    tape, y = recorded(lambda x: x * w, 2.0)
    assert tape.replay(np.float64(3.0), y).dtype == np.float32
    assert tape.replay(3, y).dtype == np.float32


@pytest.mark.parametrize(("watched", "given_"), [(np.array, np.complex128), (np.complex128, np.array)])
def test_an_array_without_axes_and_a_scalar_stand_for_each_other(watched: Any, given_: Any) -> None:
    z = 1.5 - 2.25j
    tape, y = recorded(lambda x: x * x.value, watched(z))
    assert tape.replay(given_(z), y) == z * z


GUARDED = {
    "if x > 0": lambda x: x[1] * 2 if x[1] > 0 else x[1],
    "if x": lambda x: x[0] if (x[1] + 2) else x[2],
    "where": lambda x: tnp.where(x > 0, x, 0 * x),
    "argmax": lambda x: x[tnp.argmax(x)],
    "argsort": lambda x: x[tnp.argsort(x)],
    "value": lambda x: x * x[0].value,
    "stop_gradient": lambda x: x * tn.stop_gradient(x),
    "isnan": lambda x: x * float(np.sum(x > 0)),
    "round to integers": lambda x: x * tnp.astype(x, int),
    "keyword": lambda x: x * tnp.searchsorted(np.array([0.0, 1.0]), v=x),
    "mask index": lambda x: tnp.sum(x[x > 0]),
    "value of a gradient": lambda x: x * tn.grad(lambda v: v * v * v)(x[0]).value,
    "branch in a checkpoint": tn.checkpoint(lambda x: x * 2 if x[1] < 0 else x * 3),
    "branch on what a checkpoint captures": lambda x: tn.checkpoint(lambda v: v * (2 if x[1] < 0 else 3))(x * 2),
    "value of what a checkpoint captures": lambda x: tn.checkpoint(lambda v: v * x.value)(x * 2),
    "comparison with what a checkpoint captures": lambda x: tn.checkpoint(lambda v: tnp.where(v > 1.5 * x, x, v))(
        x * 2
    ),
    "integer output": lambda x: (
        x * tn.custom_vjp(lambda v: np.argsort(v), lambda v: (np.argsort(v), None), lambda _, t: (None,))(x)
    ),
    "mask of a batch": lambda x: tn.vmap(lambda v: tnp.where(v > 0, v, -2 * v))(x),
    "plain inside vmap": lambda x: tn.vmap(lambda v: v * tn.stop_gradient(v))(x),
}


@pytest.mark.parametrize("name", GUARDED)
def test_what_was_read_off_the_tape_is_guarded(name: str) -> None:
    f = GUARDED[name]
    tape, y = recorded(f)
    np.testing.assert_array_equal(tape.replay(X.copy(), y), y.value)
    with raises(ReplayError, "must give what it gave when it was recorded"):
        tape.replay(OTHER, y)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_a_replay_of_a_branching_program_is_right_or_raises(numbers: list[float]) -> None:
    def f(x: Any) -> Any:
        y = x * x
        for i in range(3):
            if y[i] > 1:
                y = tnp.sin(y) * x
            elif x[i] < 0:
                y = y * tn.stop_gradient(tnp.sum(x > y))
        return y

    tape, y = recorded(f)
    other = np.array(numbers)
    try:
        found = tape.replay(other, y)
    except ReplayError:
        return
    np.testing.assert_array_equal(found, f(other))


def test_the_error_names_the_function_the_line_and_both_answers() -> None:
    tape, y = recorded(lambda x: x * 2 if x[1] < 0 else x)
    with pytest.raises(ReplayError) as caught:
        tape.replay(OTHER, y)
    text = str(caught.value)
    assert text.startswith(f"tape.replay: less at {__file__}:")
    assert "got False in place of True" in text
    assert "otherwise=f" in text


def test_guards_are_held_in_order_so_that_the_first_branch_is_named() -> None:
    def f(x: Any) -> Any:
        if x[1] < 0:
            return x[0] if 1 / x[0] > 0.9 else x[1]
        return x[2]

    tape, y = recorded(f)
    with raises(ReplayError, "less at"), np.errstate(all="raise"):
        tape.replay(np.array([0.0, 1.0, 2.0]), y)


def test_otherwise_is_called_with_the_inputs_where_a_guard_fails() -> None:
    f = lambda x: x * 2 if x[1] < 0 else x * 3  # noqa: E731  # one expression, used twice
    tape, y = recorded(f)
    np.testing.assert_array_equal(tape.replay(OTHER, y, otherwise=f), OTHER * 3)
    np.testing.assert_array_equal(tape.replay(-abs(X), y, otherwise=f), -abs(X) * 2)


def test_a_mask_that_the_user_changed_afterwards_is_held_as_it_was_read() -> None:
    def f(x: Any) -> Any:
        mask = x > 0
        mask[:] = False
        return tnp.where(mask, x, 2 * x)

    tape, y = recorded(f)
    with raises(ReplayError, "greater"):
        tape.replay(-abs(X), y)


def test_shape_and_dtype_are_no_reads() -> None:
    def f(x: Any) -> Any:
        assert f"{x.shape} {x.dtype} {len(x)}"
        return x * 2

    np.testing.assert_array_equal(replayed(f, X, OTHER), OTHER * 2)


def test_a_rule_that_a_recorded_walk_ran_compares_anew() -> None:
    def gradient(x: Any) -> Any:
        return tn.grad(lambda x: tnp.sum(tnp.maximum(x, 0) * x))(x)

    with tn.GradientTape() as tape:
        x = tape.watch(X)
        g = tape.gradient(tnp.sum(tnp.maximum(x, 0) * x), x)
    assert not x.owner.guards
    np.testing.assert_array_equal(tape.replay(OTHER, g), gradient(OTHER))


def test_a_residual_that_a_recorded_walk_read_is_computed_anew() -> None:
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    with tn.GradientTape() as tape:
        x = tape.watch(image)
        g = tape.gradient(tnp.sum(tn.nn.max_pool(x, 2) ** 2), x)
    np.testing.assert_array_equal(tape.replay(2 * image, g), 2 * g.value)
    expected = tn.grad(lambda x: tnp.sum(tn.nn.max_pool(x, 2) ** 2))(-image)
    np.testing.assert_array_equal(tape.replay(-image, g), expected)


def test_the_way_that_a_rule_chose_by_the_values_is_guarded() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.diag([1.0, 2.0, 3.0]))
        g = tape.gradient(tnp.linalg.det(x), x)
    np.testing.assert_allclose(tape.replay(np.diag([3.0, 2.0, 1.0]), g), np.diag([2.0, 3.0, 6.0]), atol=1e-12)
    with raises(ReplayError, "is well conditioned at"):
        tape.replay(np.diag([3.0, 2.0, 1e-12]), g)


def test_labels_that_the_function_would_refuse_are_no_inputs() -> None:
    with tn.GradientTape() as tape:
        labels = tape.watch(np.array([0.2, 0.9]))
        y = tn.nn.binary_cross_entropy(np.ones(2), labels)
    other = np.array([1.0, 0.0])
    np.testing.assert_allclose(tape.replay(other, y), tn.nn.binary_cross_entropy(np.ones(2), other))
    with raises(ReplayError, "no probability at"):
        tape.replay(np.array([1.0, 2.0]), y)


def test_a_replay_is_recorded_on_the_tape_of_its_inputs() -> None:
    tape, y = recorded(lambda x: tnp.sum(tnp.sin(x) * x))
    np.testing.assert_allclose(tn.grad(lambda x: tape.replay(x, y))(OTHER), np.cos(OTHER) * OTHER + np.sin(OTHER))


def test_a_branch_in_a_replay_is_a_branch_of_the_tape_it_is_recorded_on() -> None:
    inner, y = recorded(lambda x: x * 2 if x[1] < 0 else x)
    outer, z = recorded(lambda x: inner.replay(x, y) + 1)
    with raises(ReplayError, "less at"):
        outer.replay(OTHER, z)


def test_values_of_tapes_further_in_are_replayed() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        with tn.GradientTape() as inner:
            v = inner.watch(x)
            y = tnp.sum(v * v * v)
        g = inner.gradient(y, v)
    np.testing.assert_array_equal(tape.replay(OTHER, (g, y))[0], 3 * OTHER * OTHER)
    assert tape.replay(OTHER, (g, y))[1] == np.sum(OTHER**3)


def test_a_functional_transform_notes_nothing_and_cannot_be_replayed() -> None:
    tape = tn.GradientTape(replayable=False)
    with tape:
        x = tape.watch(X)
        assert x[0] > 0
    with raises(TapeStateError, "the tape must be replayable; got one made with replayable=False"):
        tape.replay(X)


def test_an_empty_tape_has_nothing_to_replay() -> None:
    with tn.GradientTape() as tape:
        pass
    with raises(ArgumentError, "there must be at least one record; got an empty tape"):
        tape.replay(())


def test_only_what_is_asked_for_is_computed() -> None:
    calls = []

    def f(x: Any) -> Any:
        tnp.exp(x * 1e9)
        return x * 2

    with np.errstate(all="ignore"):
        tape, y = recorded(f)
    calls.append(tape.replay(OTHER, y))  # NumPy's warning of an overflow would be an error here
    np.testing.assert_array_equal(calls[0], OTHER * 2)


def test_a_value_that_was_read_is_guarded_by_the_tape_around_a_replay() -> None:
    inner, y = recorded(lambda x: x * x.value)
    outer, z = recorded(lambda x: inner.replay(x, y) + 1)
    np.testing.assert_array_equal(outer.replay(X, z), X * X + 1)
    with raises(ReplayError, "tape.replay: x.value at"):
        outer.replay(OTHER, z)


@pytest.mark.parametrize("x0", [np.array(2.0), np.array(2.0, np.float32), np.float64(2.0), np.float32(2.0), 2.0, 2.0j])
@pytest.mark.parametrize("number", [3, 3.0])
def test_a_python_number_becomes_the_type_that_was_watched(x0: Any, number: float) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(x0)
    found = tape.replay(number, x)
    assert (type(found), np.asarray(found).dtype) == (type(x0), np.asarray(x0).dtype)
    assert found == number
