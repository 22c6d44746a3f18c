"""Loops whose body is recorded once, against the same loops in Python."""

from __future__ import annotations

import array
import collections
import itertools
import random
import types
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.program.loops import scan as loops_scan
from tapenet.program.recording.environment import environment_of
from tests.program.comparing import assert_compiles, assert_same

Array = Any
RNG = np.random.default_rng(0)
W, B, H, XS = 0.3 * RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(7, 3))


def python_scan(body: Any, carry: Any, xs: Any, reverse: bool = False) -> Any:
    ys = []
    for i in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, y = body(carry, xs[i])
        ys.append(y)
    return carry, tnp.stack(ys[::-1] if reverse else ys)


def recurrent(scan: Any, **options: Any) -> Any:
    def loss(w: Array, b: Array, h: Array, xs: Array) -> Array:
        h, ys = scan(lambda h, x: (tnp.tanh(h @ w + x + b), tnp.sum(h * x)), h, xs, **options)
        return tnp.sum(h**2) + tnp.sum(tnp.sin(ys) * np.arange(1.0, len(ys) + 1))

    return loss


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": lambda f: tn.grad(f, (0, 1, 2, 3)),
    "tangent": lambda f: lambda *xs: tn.jvp(f, xs, xs)[1],
    "hessian": lambda f: tn.hessian(f, 1),
    "product": lambda f: lambda w, b, h, xs: tn.hvp(lambda h: f(w, b, h, xs))(h, h),
    "jacobian forward": lambda f: tn.jacfwd(f, 3),
    "mapped gradient": lambda f: (
        lambda w, b, h, xs: tn.vmap(tn.grad(f, 2), (None, None, 0, None))(w, b, np.stack([h, -h]), xs)
    ),
    "checkpointed": lambda f: tn.grad(tn.checkpoint(f), (0, 3)),
}


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_scans_are_loops(transform: str, reverse: bool, checkpoint: bool) -> None:
    make = TRANSFORMS[transform]
    expected = make(recurrent(python_scan, reverse=reverse))
    ours = make(recurrent(tn.scan, reverse=reverse, checkpoint=checkpoint))
    assert_same(ours(W, B, H, XS), expected(W, B, H, XS), scale=2**8, floor=1.0)


@pytest.mark.parametrize("transform", ["value", "gradient", "product"])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_scans_compile(transform: str, checkpoint: bool) -> None:
    f = TRANSFORMS[transform](recurrent(tn.scan, checkpoint=checkpoint))
    calls = [(W * factor, B, H, XS * factor) for factor in (1.0, 0.9, 1.1)]
    made = assert_compiles(f, *calls, scale=2**8, floor=1.0)
    assert len(made.programs[0]) < 60


def test_the_body_is_recorded_once() -> None:
    def records(count: int, checkpoint: bool) -> int:
        with tn.GradientTape() as tape:
            w = tape.watch(W)
            h, _ = tn.scan(lambda h, x: (tnp.tanh(h @ w + x), None), H, np.ones((count, 3)), checkpoint=checkpoint)
            y = tnp.sum(h)
        assert tape.gradient(y, w).shape == (3, 3)
        return len(tape.records)

    assert records(5, False) == records(500, False) <= 6
    assert records(9, True) == records(400, True) <= 12


def test_the_backward_walk_of_a_checkpointed_scan_keeps_few_carries() -> None:
    with tn.GradientTape() as tape:
        h = tape.watch(H)
        tn.scan(lambda h, _: (tnp.tanh(h), None), h, length=10_000, checkpoint=True)
    assert sum(np.size(x) for record in tape.records for x in tree_leaves(record.kept)) < 2000


def test_pytrees_integers_and_several_outputs() -> None:
    def body(carry: Any, x: Any) -> Any:
        count, state = carry["count"] + 1, carry["state"] * x["a"] + count_of(carry["count"])
        return {"count": count, "state": state}, (state[0], {"sum": tnp.sum(state) * x["b"][0]})

    def count_of(count: Array) -> Array:
        return count * 0.5

    def f(state: Array, a: Array) -> Any:
        carry, ys = tn.scan(body, {"count": 3, "state": state}, {"a": a, "b": np.ones((4, 2))})
        return carry["state"].sum() + ys[0].sum() + ys[1]["sum"] @ np.arange(4.0)

    def in_python(state: Array, a: Array) -> Any:
        carry, firsts, sums = {"count": 3, "state": state}, [], []
        for i in range(4):
            carry, (first, sum_) = body(carry, {"a": a[i], "b": np.ones(2)})
            firsts.append(first)
            sums.append(sum_["sum"])
        return carry["state"].sum() + tnp.stack(firsts).sum() + tnp.stack(sums) @ np.arange(4.0)

    a = RNG.normal(size=(4, 3))
    assert_same(f(H, a), in_python(H, a))
    assert_same(tn.grad(f, (0, 1))(H, a), tn.grad(in_python, (0, 1))(H, a), scale=4)


def test_a_body_that_branches_or_draws_is_recorded_step_by_step() -> None:
    def branching(h: Array, x: Array) -> Any:
        h = h * 2.0 if tnp.sum(x) > 0 else tnp.sin(h)
        return h, h

    def f(scan: Any, h: Array) -> Array:
        return tnp.sum(scan(branching, h, XS)[1])

    assert_same(tn.grad(lambda h: f(tn.scan, h))(H), tn.grad(lambda h: f(python_scan, h))(H))

    def drawn(scan: Any, h: Array, rng: np.random.Generator) -> Array:
        return tnp.sum(scan(lambda h, x: (h * rng.normal(), h * x), h, XS)[1])

    for make in (tn.grad, lambda f: tn.compile(tn.grad(f))):
        ours, theirs = np.random.default_rng(1), np.random.default_rng(1)
        gradient = make(lambda h, rng: drawn(tn.scan, h, rng))
        for _ in range(3):
            assert_same(gradient(H, ours), tn.grad(lambda h, rng: drawn(python_scan, h, rng))(H, theirs))

    masked = lambda h, x: (tnp.where(h > x, h, x * h), h[0])  # noqa: E731
    with tn.GradientTape() as tape:
        h = tape.watch(H)
        tn.scan(masked, h, XS)
    assert len(tape.records) < 8


def test_a_replay_and_a_program_go_the_other_way() -> None:
    def f(h: Array) -> Array:
        return tn.scan(lambda h, x: (h * 2.0 if tnp.sum(h) > 0 else h - x, None), h, XS)[0]

    with tn.GradientTape() as tape:
        h = tape.watch(np.abs(H))
        y = f(h)
    assert_same(tape.replay(2 * np.abs(H), y), f(2 * np.abs(H)))
    with pytest.raises(tn.ReplayError):
        tape.replay(-np.abs(H), y)
    assert_compiles(tn.grad(lambda h: tnp.sum(f(h))), (np.abs(H),), (-np.abs(H),), (np.abs(H),), (-np.abs(H),))


def test_a_while_loop_is_a_loop() -> None:
    def f(x: Array, scale: Array) -> Array:
        return tn.while_loop(lambda pair: pair[0] < 100.0, lambda pair: (pair[0] * scale, pair[1] + 1), (x, 0))[0]

    def in_python(x: Array, scale: Array) -> Array:
        while x < 100.0:
            x = x * scale
        return x

    calls = [(np.float64(x), np.float64(s)) for x, s in ((2.0, 3.0), (2.1, 3.0), (2.0, 9.0), (200.0, 2.0), (2.0, 3.0))]
    for call in calls:
        assert_same(f(*call), in_python(*call))
        assert_same(tn.grad(f, (0, 1))(*call), tn.grad(in_python, (0, 1))(*call))
        assert_same(tn.hessian(f)(*call), tn.hessian(in_python)(*call))
    assert_compiles(tn.grad(f, (0, 1)), *calls)
    with tn.GradientTape() as tape:
        x = tape.watch(np.float64(1.0001))
        y = tn.while_loop(lambda x: x < 2.0, lambda x: x * 1.0001, x)
    assert len(tape.records) < 8
    assert_same(tape.replay(np.float64(1.00011), y), np.float64(1.00011) * (y.value / 1.0001), scale=2**8)
    with pytest.raises(tn.ReplayError, match="while_loop"):
        tape.replay(np.float64(1.5), y)


@pytest.mark.parametrize("start", [1.0, np.float64(1), np.ones(3)], ids=["number", "scalar", "array"])
def test_the_number_of_steps_of_a_while_loop_is_a_guard(start: Any) -> None:
    with tn.GradientTape() as tape:
        y = tn.while_loop(lambda x: np.max(x) < 9, lambda x: x * 2, tape.watch(start))
    assert np.all(y.value == 16)
    with pytest.raises(tn.ReplayError, match="while_loop"):
        tape.replay(start * 5)


def test_a_while_loop_of_examples_is_refused() -> None:
    with pytest.raises(tn.MappedValueError):
        tn.vmap(lambda x: tn.while_loop(lambda x: x < 2.0, lambda x: x * 1.5, x))(np.ones(2))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tn.scan(lambda c, x: (c, x), 0.0, np.ones(0)), "one positive number of steps"),
        (lambda: tn.scan(lambda c, x: (c, x), 0.0), "got neither xs nor length"),
        (lambda: tn.scan(lambda c, x: (c, x), 0.0, (np.ones(2), np.ones(3))), "got lengths 2, 3"),
        (lambda: tn.scan(lambda c, x: (c, x), 0.0, [1.0]), r"xs\[0\] must have an axis of steps"),
        (lambda: tn.scan(lambda c, x: c, 0.0, np.ones(2)), "must return a pair"),
        (lambda: tn.while_loop(lambda c: True, lambda c: (c, c), 0.0), "while_loop: body must return a carry of the"),
        (lambda: tn.scan(lambda c, x: ((c, c), x), 0.0, np.ones(2)), "must return a carry of the structure"),
        (lambda: tn.scan(lambda c, x: (np.ones(2), x), 0.0, np.ones(2)), "must return carry with the shape and dtype"),
        (lambda: tn.grad(lambda c: tn.scan(lambda c, x: (np.ones(2), x), c, XS)[0][0])(0.0), "must return carry with"),
        (lambda: tn.scan(3, 0.0, np.ones(2)), "body must be a function"),
        (lambda: tn.scan(lambda c, x: (c, x), 0.0, np.ones(2), length=0), "length must be a positive int"),
        (lambda: tn.while_loop(lambda c: c < 1, 3, 0.0), "body must be a function"),
    ],
)
def test_bad_arguments_are_named(call: Any, says: str) -> None:
    with pytest.raises((tn.ArgumentError, tn.ArgumentTypeError), match=says):
        call()


# ---- arrays in static fields ----


def normalized(model: Any, x: Any) -> Any:
    y, model = model.train(x, np.random.default_rng(0))
    return model, tnp.sum(y**3)


def looped(model: Any, xs: Any) -> Any:
    ys = []
    for x in xs:
        model, y = normalized(model, x)
        ys.append(y)
    return model, tnp.stack(ys)


def assert_same_statistics(model: Any, expected: Any) -> None:
    for name in ("mean", "var"):
        mine, other = getattr(model.running, name), getattr(expected.running, name)
        assert type(mine) is np.ndarray
        np.testing.assert_allclose(mine, other, rtol=1e-6)


BATCHES = np.random.default_rng(3).normal(1.0, 2.0, size=(5, 4, 3))


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_scan_carries_running_statistics(checkpoint: bool, compiled: bool) -> None:
    model = tn.nn.BatchNorm(3, dtype=np.float64)
    assert_same_statistics(tn.scan(normalized, model, BATCHES, checkpoint=checkpoint)[0], looped(model, BATCHES)[0])

    def gradient(run: Any) -> Any:
        def loss(model: Any) -> Any:
            after, ys = run(model)
            return tnp.sum(ys), after

        return tn.value_and_grad(loss, has_aux=True)

    by_scan = gradient(lambda m: tn.scan(normalized, m, BATCHES, checkpoint=checkpoint))
    (value, after), slope = (tn.compile(by_scan) if compiled else by_scan)(model)
    (right, expected), other = gradient(lambda m: looped(m, BATCHES))(model)
    np.testing.assert_allclose(value, right, rtol=1e-12)
    np.testing.assert_allclose(slope.scale, other.scale, rtol=1e-12)
    assert_same_statistics(after, expected)


def test_scan_stacks_running_statistics_of_its_ys() -> None:
    model = tn.nn.BatchNorm(3, dtype=np.float64)

    def loss(model: Any) -> Any:
        after = tn.scan(lambda m, x: (m, normalized(m, x)[0]), model, BATCHES)[1]
        return tnp.sum(after.scale), after

    (_, after), _ = tn.value_and_grad(loss, has_aux=True)(model)
    np.testing.assert_allclose(after.running.mean, 0.1 * BATCHES.mean(1), rtol=1e-12)


def test_while_loop_carries_running_statistics() -> None:
    model = tn.nn.BatchNorm(3, dtype=np.float64)

    def loss(model: Any) -> Any:
        after = tn.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, normalized(c[1], BATCHES[0])[0]), (0, model))[1]
        return tnp.sum(after.scale), after

    for after in (loss(model)[1], tn.value_and_grad(loss, has_aux=True)(model)[0][1]):
        assert_same_statistics(after, looped(model, [BATCHES[0]] * 3)[0])


FUNCTIONS = (tnp.tanh, tnp.sin, tnp.cos, tnp.arctan, tnp.sin)
OF_WEIGHTS = {
    "gradient": lambda f: tn.grad(f),
    "product": lambda f: lambda w: tn.hvp(f)(w, w),
}


@pytest.mark.parametrize("transform", sorted(OF_WEIGHTS))
def test_a_body_with_products_that_are_joined_is_differentiated(transform: str) -> None:
    def loss(scan: Any) -> Any:
        def body(h: Array, x: Array, w: Array) -> tuple[Array, None]:
            return h + sum(function(x[i : i + 2] @ w) for i, function in enumerate(FUNCTIONS)), None

        return lambda w: tnp.sum(scan(lambda h, x: body(h, x, w), 0.1 * XS[:2], XS[:, None] * XS)[0] ** 2)

    def python(body: Any, carry: Array, xs: Array) -> Any:
        for x in xs:
            carry, _ = body(carry, x)
        return carry, None

    expected = OF_WEIGHTS[transform](loss(python))(W)
    assert np.any(expected)
    assert_same(OF_WEIGHTS[transform](loss(tn.scan))(W), expected, scale=2**8, floor=1.0)


# ---- bodies that change what is around them ----


def bumped(values: Any) -> Any:
    values[0] += 1.0
    return values[0]


def appended(values: Any) -> Any:
    values.append(1.0)
    return len(values)


def counted(values: Any) -> Any:
    values.update("a")
    return values["a"]


EFFECTS: dict[str, tuple[Any, Any]] = {
    "list": (lambda: [1.0], bumped),
    "length of a list": (list, appended),
    "deque": (collections.deque, appended),
    "array.array": (lambda: array.array("d", [1.0]), bumped),
    "bytearray": (lambda: bytearray(b"a"), lambda values: values.append(1) or len(values)),
    "set": (lambda: {0}, lambda values: values.add(len(values)) or len(values)),
    "dict": (dict, lambda values: values.setdefault(len(values), len(values) + 1)),
    "counter": (lambda: collections.Counter("a"), counted),
    "iterator": (lambda: itertools.count(1), next),
    "generator of NumPy's": (lambda: np.random.default_rng(0), lambda rng: rng.random()),
    "RandomState": (lambda: np.random.RandomState(0), lambda rng: rng.rand()),
    "array": (lambda: np.ones(1), bumped),
    "array in an attribute": (lambda: types.SimpleNamespace(own=np.ones(1)), lambda held: bumped(held.own)),
    "array beside a text": (lambda: ["text", np.ones(1)], lambda held: bumped(held[1])),
    "attribute": (lambda: types.SimpleNamespace(own=[1.0]), lambda held: bumped(held.own)),
    "Python's generator": (lambda: random.Random(0), lambda rng: rng.random()),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_a_body_with_effects_has_each_of_them_once_a_step(name: str) -> None:
    make, effect = EFFECTS[name]

    def slope(loop: Any) -> Any:
        held = make()
        return tn.grad(lambda c: loop(lambda carry, x: (carry * x * effect(held), carry), c, np.arange(1.0, 5.0))[0])(
            0.5
        )

    np.testing.assert_allclose(slope(tn.scan), slope(python_scan), rtol=1e-12)


@pytest.mark.parametrize("name", EFFECTS)
def test_a_loop_that_ends_by_a_condition_has_each_effect_once_a_step(name: str) -> None:
    make, effect = EFFECTS[name]

    def python_while(cond: Any, body: Any, carry: Any) -> Any:
        while cond(carry):
            carry = body(carry)
        return carry

    def slope(loop: Any) -> Any:
        held = make()
        return tn.grad(lambda c: loop(lambda carry: carry < 100.0, lambda carry: carry * (1.5 + effect(held)), c))(1.5)

    np.testing.assert_allclose(slope(tn.while_loop), slope(python_while), rtol=1e-12)


def test_a_condition_that_moves_an_iterator_on_is_asked_once_a_step() -> None:
    answers = iter([True, True, False])
    assert tn.grad(lambda c: tn.while_loop(lambda _: next(answers), lambda carry: carry * 3.0, c))(1.5) == 9.0


def test_a_body_draws_from_streams_that_all_code_shares_once_a_step() -> None:
    def slope(loop: Any) -> Any:
        np.random.seed(0)  # noqa: NPY002 - what users do
        random.seed(0)
        draw = lambda: np.random.rand() * random.random()  # noqa: E731, NPY002 - as above
        return tn.grad(lambda c: loop(lambda carry, x: (carry * x * draw(), carry), c, np.arange(1.0, 5.0))[0])(0.5)

    states = np.random.get_state(), random.getstate()  # noqa: NPY002 - as above
    try:
        np.testing.assert_allclose(slope(tn.scan), slope(python_scan), rtol=1e-12)
    finally:
        np.random.set_state(states[0])  # noqa: NPY002 - as above
        random.setstate(states[1])


def test_compiled_steps_of_walks_watch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def noting(f: Any) -> Any:
        made.append(f)
        return tn.compile(f)

    monkeypatch.setattr(loops_scan, "compile", noting)
    f = recurrent(tn.scan)
    tn.grad(f, (0, 1, 2, 3))(W, B, H, XS)
    tn.jvp(f, (W, B, H, XS), (W, B, H, XS))
    assert len(made) == 2
    for found in map(environment_of, made):
        assert not found.places
        assert not found.watches
