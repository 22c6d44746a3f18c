"""Long loops, whose derivatives keep few carries, against the same loops in Python."""

from __future__ import annotations

import functools
import gc
import itertools
import math
import os
import random
import signal
import subprocess
import sys
import tracemalloc
import types
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.tensor import unwrap
from tapenet.errors import ArgumentError, ArgumentTypeError, FileError, MappedValueError, MissingFileError, ReplayError
from tapenet.testing import check_grads
from tests.program.comparing import assert_same

Array = Any
RNG = np.random.default_rng(0)
U, W, XS = RNG.normal(size=3), 0.4, {"a": RNG.normal(size=(19, 3)), "k": np.arange(19)}

multistage = pytest.importorskip("checkpoint_schedules").multistage


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the library not compile its one function, which takes longer than these tests."""
    monkeypatch.setattr(multistage, "n_advance", getattr(multistage.n_advance, "py_func", multistage.n_advance))


def python_loop(step: Any, carry: Any, n_or_xs: Any) -> Any:
    xs = range(n_or_xs) if isinstance(n_or_xs, int) else [{k: x[i] for k, x in n_or_xs.items()} for i in range(19)]
    for x in xs:
        carry = step(carry, x)
    return carry


def by_number(loop: Any, steps: int = 23, **options: Any) -> Any:
    def loss(u: Array, w: Array) -> Array:
        def step(carry: Any, i: int) -> Any:
            return carry[0] + 0.1 * tnp.sin(w * carry[1]), carry[1] - 0.1 * w * tnp.cos(carry[0]) + 0.01 * i

        ends = loop(step, (u, 2 * u), steps, **options)
        return tnp.sum(ends[0] * ends[1])

    return loss


def by_arrays(loop: Any, **options: Any) -> Any:
    def loss(a: Array, w: Array) -> Array:
        def step(carry: Any, x: Any) -> Any:
            return {"u": carry["u"] * tnp.cos(w * x["a"]) + 0.01 * x["k"], "n": carry["n"] + 1}

        return tnp.sum(loop(step, {"u": np.ones(3), "n": 0}, {"a": a, "k": XS["k"]}, **options)["u"] ** 2)

    return loss


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": lambda f: tn.grad(f, (0, 1)),
    "tangent": lambda f: lambda x, w: tn.jvp(f, (x, w), (x, w))[1],
    "hessian": tn.hessian,
    "mixed second derivative": lambda f: tn.grad(lambda x, w: tn.grad(f, 1)(x, w)),
    "third derivative": lambda f: tn.grad(tn.grad(tn.grad(f, 1), 1), 1),
    "product": lambda f: lambda x, w: tn.hvp(lambda x: f(x, w))(x, x),
    "forward over forward": lambda f: tn.jacfwd(tn.jacfwd(f, 1), 1),
    "mapped": lambda f: lambda x, w: tn.vmap(f, (0, None))(np.stack([x, -x]), w),
    "mapped gradient": lambda f: lambda x, w: tn.vmap(tn.grad(f, (0, 1)), (0, None))(np.stack([x, -x]), w),
    "gradient by what all examples share": lambda f: tn.grad(
        lambda w, x: tnp.sum(tn.vmap(f, (0, None))(np.stack([x, 2 * x]), w)), argnums=0
    ),
    "checkpointed": lambda f: tn.grad(tn.checkpoint(f), (0, 1)),
    "compiled": lambda f: tn.compile(tn.grad(f, (0, 1))),
}


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@pytest.mark.parametrize(("make", "x"), [(by_number, U), (by_arrays, XS["a"])])
def test_long_loops_are_loops(transform: str, make: Any, x: Array) -> None:
    arguments = (W, x) if transform.endswith("share") else (x, W)
    expected = TRANSFORMS[transform](make(python_loop))(*arguments)
    ours = TRANSFORMS[transform](make(tn.checkpointed_loop, slots=3))(*arguments)
    assert_same(ours, expected, scale=2**8, floor=1.0)


def test_both_modes_and_second_order_by_finite_differences() -> None:
    check_grads(by_number(tn.checkpointed_loop, steps=5, slots=2), (U, np.float64(W)), order=2)


def test_a_tape_walks_twice_and_gives_the_same(tmp_path: Path) -> None:
    with tn.GradientTape() as tape:
        u = tape.watch(U)
        y = by_number(tn.checkpointed_loop, slots=2, disk=(tmp_path, 2))(u, W)
    first, second = tape.gradient(y, u), tape.gradient(y, u)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, tn.grad(by_number(tn.checkpointed_loop))(U, W))
    assert list(tmp_path.iterdir()) == []


def test_a_gradient_inside_the_block_is_recorded() -> None:
    with tn.GradientTape() as tape:
        u = tape.watch(U)
        y = by_number(tn.checkpointed_loop, slots=2)(u, W)
        speed = tnp.sum(tape.gradient(y, u) ** 2)
    expected = tn.grad(lambda u: tnp.sum(tn.grad(by_number(python_loop))(u, W) ** 2))(U)
    np.testing.assert_allclose(tape.gradient(speed, u), expected, rtol=1e-12)


def test_a_replay_runs_the_loop_on_new_values() -> None:
    with tn.GradientTape() as tape:
        u = tape.watch(1.0)
        y = tn.checkpointed_loop(lambda u, i: u * 1.1, u, lambda u: u < 5.0)
    assert float(tape.replay(4.0, y)) == pytest.approx(4 * 1.1**3)


# ---- kinds of carries ----


def test_dtypes_and_integers_stay() -> None:
    def step(carry: Any, i: int) -> Any:
        small, wide, count, flag = carry
        return small * np.float32(1.1), wide * (1 + 0.1j), count + 1, ~flag

    start = (np.ones(2, np.float32), np.ones(2, complex), np.int8(3), np.array([True]))
    small, wide, count, flag = tn.checkpointed_loop(step, start, 5)
    assert [small.dtype, wide.dtype, count.dtype, flag.dtype] == [np.float32, complex, np.int8, bool]
    assert int(count) == 8
    gradient = tn.grad(lambda x: tnp.sum(tn.checkpointed_loop(step, (x, *start[1:]), 5, slots=2)[0]))(start[0])
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, np.float32(1.1) ** 5, rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_shapes(shape: Any, dtype: Any) -> None:
    x = np.full(shape, 1.5, dtype)
    gradient = tn.grad(lambda x: tnp.sum(tn.checkpointed_loop(lambda c, i: c * c, x, 3, slots=1)))(x)
    np.testing.assert_allclose(gradient, 8 * x**7, rtol=1e-5)
    assert gradient.dtype == dtype


@attrs.frozen(eq=False)
class State:
    u: Array
    history: list[Array]
    step: Array = tn.static_field(default=0)


def test_carries_are_pytrees_with_static_fields() -> None:
    def step(state: State, i: int) -> State:
        return State(state.u * 2, [state.u, *state.history[:-1]], np.asarray(state.step + 1))

    def last(u: Array) -> Array:
        return tn.checkpointed_loop(step, State(u, [u, u], np.asarray(0)), 4, slots=2).history[1]

    assert_same(tn.jacobian(last)(U), 4 * np.eye(3))


def test_no_step_gives_the_carry_that_came() -> None:
    assert tn.checkpointed_loop(lambda c, i: 1 / 0, (U, None), 0) == (U, None)
    assert float(tn.grad(lambda x: tn.checkpointed_loop(lambda c, x: c, x, {"a": np.ones((0, 2))}))(2.0)) == 1.0
    assert float(tn.grad(lambda x: tn.checkpointed_loop(lambda c, i: 2 * c, x, iter(())))(2.0)) == 1.0


def test_a_step_may_write_into_the_arrays_of_its_carry() -> None:
    def step(u: Array, i: int) -> Array:
        u *= 1.5
        return u

    start = np.ones(2)
    assert_same(tn.grad(lambda u: tnp.sum(tn.checkpointed_loop(step, u, 9, slots=2)))(start), np.full(2, 1.5**9))
    assert_same(tn.checkpointed_loop(step, start, 9), np.full(2, 1.5**9))
    assert_same(start, np.ones(2))


def test_a_step_may_branch_on_values() -> None:
    def step(u: Array, i: int) -> Array:
        return u * 0.5 if u > 1 else u * 3.0

    def plain(u: Array) -> Array:
        return functools.reduce(step, range(30), u)

    assert_same(tn.grad(lambda u: tn.checkpointed_loop(step, u, 30, slots=3))(0.3), tn.grad(plain)(0.3))


def test_a_carry_that_no_operand_reaches_has_no_derivative() -> None:
    def loss(x: Array) -> Array:
        return tn.checkpointed_loop(lambda c, i: 0.0 * i + 1.0, x, 4)

    assert float(tn.grad(loss)(2.0)) == 0.0


# ---- what is around step ----


class Model:
    def __init__(self, w: Array) -> None:
        self.w = w

    def step(self, u: Array, i: int) -> Array:
        return u * self.w


@attrs.frozen(eq=False)
class Layer:
    w: Array

    def step(self, u: Array, i: int) -> Array:
        return u * self.w


def scaled(u: Array, i: int, w: Array) -> Array:
    return u * w


@pytest.mark.parametrize(
    "make",
    [
        lambda w: lambda u, i: u * w,
        lambda w: functools.partial(scaled, w=w),
        lambda w: Layer(w).step,
        lambda w: lambda u, i, held={"w": [w]}: u * held["w"][0],
    ],
    ids=["closure", "partial", "field", "default"],
)
def test_gradients_flow_to_what_step_takes_from_around_it(make: Any) -> None:
    def loss(w: Array) -> Array:
        return tn.checkpointed_loop(make(w), 2.0, 6, slots=2)

    assert float(tn.grad(loss)(1.5)) == pytest.approx(2.0 * 6 * 1.5**5)
    assert float(tn.hessian(loss)(1.5)) == pytest.approx(2.0 * 30 * 1.5**4)


def test_a_tensor_that_is_hidden_is_refused() -> None:
    with pytest.raises(ArgumentError, match="checkpointed_loop: step must take every Tensor as an argument or visibly"):
        tn.grad(lambda w: tn.checkpointed_loop(Model(w).step, w, 6))(1.5)


def test_a_step_that_writes_around_itself_is_refused_where_it_takes_a_tensor_from_there() -> None:
    def loss(w: Array, x: Array) -> Array:
        calls = 0

        def step(u: Array, i: int) -> Array:
            nonlocal calls
            calls += 1
            return u * w

        return tn.checkpointed_loop(step, x, 6, slots=1)

    assert float(tn.grad(loss, 1)(1.5, 2.0)) == 1.5**6
    with pytest.raises(ArgumentError, match=r"step must not write .* step assigns to calls .*Carry what changes"):
        tn.grad(loss)(1.5, 2.0)


def test_what_is_around_step_must_stay_until_the_walk() -> None:
    factor = 2.0
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
        y = tn.checkpointed_loop(lambda u, i: u * factor, x, 4)
    assert float(tape.gradient(y, x)) == 16.0
    factor = 3.0
    with pytest.raises(ReplayError, match="got another value of factor"):
        tape.gradient(y, x)


def test_a_step_that_computes_something_else_again_is_found() -> None:
    counter = itertools.count()
    with pytest.raises(ReplayError, match="step must compute the same when it is called again; got another carry from"):
        tn.grad(lambda x: tn.checkpointed_loop(lambda u, i: u * 0.9 + next(counter), x, 9, slots=2))(1.0)


# ---- generators ----


@pytest.mark.parametrize("n_or_xs", [30, lambda carry: carry[1] < 30])
@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_draws_are_the_same_each_time(n_or_xs: Any, kind: Any) -> None:
    def loss(w: Array, loop: bool) -> Array:
        own, around, held = kind(1), kind(2), kind(3)

        def draw(u: Array, i: Array, rng: Any, others: Any) -> Array:
            return w * u + rng.normal() + around.normal() * others[0].normal()

        def step(carry: Any, i: int, others: Any) -> Any:
            return draw(carry[0], carry[1], carry[2], others), carry[1] + 1, carry[2]

        stepped = functools.partial(step, others=(held,))
        if loop:
            end = tn.checkpointed_loop(stepped, (0.5, 0, own), n_or_xs, slots=3)[0]
        else:
            end = functools.reduce(stepped, range(30), (0.5, 0, own))[0]
        return end + tnp.asarray(own.normal() + around.normal() + held.normal())

    for transform in (tn.value_and_grad, tn.hessian):
        assert_same(transform(loss)(0.9, True), transform(loss)(0.9, False), scale=2**8)


def test_generators_are_where_the_loop_left_them_after_a_walk() -> None:
    rng = np.random.default_rng(0)
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
        y = tn.checkpointed_loop(lambda u, i: u * rng.random(), x, 9, slots=2)
    after = rng.bit_generator.state
    tape.gradient(y, x)
    assert rng.bit_generator.state == after


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda c, i: (c[0], np.random.default_rng(0)), r"must return carry\[1\], the generator that it is given"),
        (lambda c, i: (c[0] + c[1].spawn(1)[0].random(), c[1]), "must draw from the generators that it is given"),
    ],
)
def test_generators_that_cannot_be_replayed_are_refused(step: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        tn.checkpointed_loop(step, (1.0, np.random.default_rng(1)), 3)


# ---- how many steps are computed ----


def calls_of(n_or_xs: Any, **options: Any) -> Counter[int]:
    calls: list[int] = []

    def step(u: Array, i: int) -> Array:
        calls.append(int(i))
        return u + 0.01 * tnp.sin(u)

    tn.grad(lambda u: tn.checkpointed_loop(step, u, n_or_xs, **options))(1.0)
    return Counter(calls)


def optimum(steps: int, slots: int) -> int:
    """The least number of computations beside those that are recorded: Griewank and Walther, equation (3)."""
    repeats = next(r for r in itertools.count() if math.comb(slots + r, r) >= steps)
    return repeats * steps - math.comb(slots + repeats, repeats - 1) if repeats else 0


@settings(deadline=None, max_examples=25, derandomize=True)
@given(steps=st.integers(1, 300), slots=st.integers(1, 40), on_disk=st.integers(0, 20))
def test_the_number_of_computations_is_the_optimum(
    tmp_path_factory: pytest.TempPathFactory, steps: int, slots: int, on_disk: int
) -> None:
    folder = tmp_path_factory.mktemp("carries") if on_disk else None
    disk = (folder, on_disk) if folder is not None else None
    assert sum(calls_of(steps, slots=slots, disk=disk).values()) == optimum(steps, slots + on_disk) + steps
    assert folder is None or list(folder.iterdir()) == []


@pytest.mark.parametrize(("steps", "slots"), [(100, 5), (500, 10), (5, 10), (286, 10), (287, 10), (40, 1), (1, 1)])
def test_where_the_number_of_steps_is_not_known_no_step_is_repeated_much_more(steps: int, slots: int) -> None:
    calls = calls_of(iter(range(steps)), slots=slots)
    repeats = next(r for r in itertools.count() if math.comb(slots + r, r) >= steps)
    assert max(calls.values()) <= repeats + 2  # the first time, and to be recorded
    assert sum(calls.values()) <= 1.2 * (optimum(steps, slots) + steps) + 1


def test_the_rows_of_a_jacobian_go_back_together() -> None:
    calls: list[int] = []

    def step(u: Array, i: int) -> Array:
        calls.append(i)
        return u[::-1] * np.arange(1.0, 5.0)

    found = tn.jacobian(lambda u: tn.checkpointed_loop(step, u, 50, slots=5))(np.ones(4))
    assert len(calls) == optimum(50, 5) + 50
    assert_same(found, np.diag([4.0**25, 6.0**25, 6.0**25, 4.0**25]))


@pytest.mark.parametrize("disk", [False, True])
def test_by_default_steps_are_computed_again_three_times_at_most(tmp_path: Path, disk: bool) -> None:
    calls = calls_of(700, disk=tmp_path if disk else None)
    assert max(calls.values()) == (3 if disk else 4)


@pytest.mark.parametrize("slots", [1, 4, 100])
def test_a_condition_ends_the_loop(slots: int) -> None:
    def grown(u: Array, limit: Array) -> Array:
        return tn.checkpointed_loop(lambda u, i: u * 1.1, u, lambda u: u < limit, slots=slots)

    assert float(tn.grad(grown)(1.0, 5.0)) == pytest.approx(1.1**17)
    assert float(tn.jvp(lambda u: grown(u, 5.0), (1.0,), (1.0,))[1]) == pytest.approx(1.1**17)
    assert_same(tn.grad(grown, (0, 1))(1.0, 5.0), (np.float64(1.1**17), np.float64(0.0)), scale=2**8)
    assert float(tn.hessian(lambda u: grown(u, 5.0) ** 2)(1.0)) == pytest.approx(2 * 1.1**34)


def test_an_iterator_gives_any_values() -> None:
    def items() -> Iterator[dict[str, Any]]:
        yield from ({"k": k, "name": "abc"[k % 3]} for k in range(12))

    def loss(u: Array) -> Array:
        return tn.checkpointed_loop(lambda u, x: u * (1.5 if x["name"] == "a" else 1.0), u, items(), slots=2)

    assert float(tn.hessian(lambda u: loss(u) ** 2)(1.0)) == pytest.approx(2 * 1.5**8)


# ---- memory ----


def wave(u: Array, steps: Any, **options: Any) -> Array:
    def step(carry: Any, i: int) -> Any:
        now, before = carry
        around = tnp.roll(now, 1, 0) + tnp.roll(now, -1, 0) + tnp.roll(now, 1, 1) + tnp.roll(now, -1, 1)
        return 2 * now - before + 0.2 * (around - 4 * now), now

    return tnp.sum(tn.checkpointed_loop(step, (u, u), steps, **options)[0] ** 2)


MEMORY = {
    "a number of steps": lambda u, memory, disk: tn.grad(wave)(u, 100, memory=memory),
    "an iterator": lambda u, memory, disk: tn.grad(wave)(u, iter(range(100)), memory=memory),
    "files": lambda u, memory, disk: tn.grad(wave)(u, 100, memory=memory, disk=(disk, 30)),
    "an iterator and files": lambda u, memory, disk: tn.grad(wave)(u, iter(range(100)), memory=memory, disk=(disk, 30)),
    "a tangent": lambda u, memory, disk: tn.jvp(lambda u: wave(u, 50, memory=memory), (u,), (u,)),
    # Loops of two orders at a time, each within the bound.
    "second order": lambda u, memory, disk: tn.grad(lambda u: tnp.sum(tn.grad(wave)(u, 60, memory=memory // 2) ** 2))(
        u[:32, :32]
    ),
}


@pytest.mark.parametrize("kind", sorted(MEMORY))
def test_memory_is_kept(kind: str, tmp_path: Path) -> None:
    u, memory = RNG.normal(size=(64, 64)), 2_500_000
    MEMORY[kind](u[:4, :4], memory, tmp_path)  # what is imported counts as well
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        MEMORY[kind](u, memory, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < memory
    assert peak - before > 0.3 * memory  # and used


def test_memory_that_does_not_hold_a_step_says_how_much_does() -> None:
    u = np.ones((64, 64))
    with pytest.raises(ArgumentError, match=r"memory must hold one carry, 65\.8 kB, and one recorded step; got 100 B"):
        wave(u, 5, memory=100)
    with pytest.raises(
        ArgumentError, match=r"memory must hold the values and cotangents of one step, about \d"
    ) as told:
        tn.grad(wave)(u, 5, memory=100_000)
    needed = int(str(told.value).split("memory=")[1].split()[0])
    assert_same(tn.grad(wave)(u, 5, memory=needed), tn.grad(wave)(u, 5))


# ---- files ----


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("call", [20, 45, 70])
def test_files_are_removed_after_errors(tmp_path: Path, error: Any, call: int) -> None:
    calls = itertools.count()

    def step(u: Array, i: int) -> Array:
        if next(calls) == call:
            assert any(tmp_path.iterdir())
            raise error("in the middle")
        return u * 1.01

    with pytest.raises(error, match="in the middle"):
        tn.grad(lambda u: tn.checkpointed_loop(step, u, 40, slots=1, disk=(tmp_path, 4)))(1.0)
    assert list(tmp_path.iterdir()) == []


def test_files_are_removed_with_a_tape_that_is_not_walked(tmp_path: Path) -> None:
    with tn.GradientTape() as tape:
        tn.checkpointed_loop(lambda u, i: u * 1.01, tape.watch(1.0), 40, slots=1, disk=(tmp_path, 4))
    assert len(list(tmp_path.iterdir())) == 1
    del tape
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_or_xs", [40, lambda u: np.max(np.abs(u)) < 30])
def test_arrays_come_back_from_files(tmp_path: Path, n_or_xs: Any) -> None:
    def loss(u: Array, **options: Any) -> Array:
        def step(carry: Any, i: int) -> Any:
            return {
                "u": carry["u"] * 1.05,
                "z": carry["z"] * 1j,
                "n": carry["n"] + 1,
                "s": carry["s"] + carry["u"][1, 0],
            }

        start = {"u": u, "z": np.asfortranarray(np.ones((3, 2), complex)), "n": np.int16(0), "s": 0.5}
        if callable(n_or_xs):
            return tn.checkpointed_loop(step, start, lambda c: n_or_xs(c["u"]), **options)["s"]
        return tn.checkpointed_loop(step, start, n_or_xs, **options)["s"]

    u = RNG.normal(size=(2, 2))
    assert_same(tn.grad(loss)(u, slots=1, disk=(tmp_path, 5)), tn.grad(loss)(u, slots=200))


def test_files_that_change_are_found(tmp_path: Path) -> None:
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:40])):
        with tn.GradientTape() as tape:
            x = tape.watch(1.0)
            y = tn.checkpointed_loop(lambda u, i: u * 1.01, x, 40, slots=1, disk=(tmp_path, 4))
        for path in tmp_path.rglob("*.npy"):
            damage(path)
        with pytest.raises(FileError, match="checkpointed_loop: the loop's files must stay as they were written; got"):
            tape.gradient(y, x)
        assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
sys.modules["numba"] = None  # compiles for seconds
import numpy as np, tapenet as tn
def step(u, i):
    if i == 30:
        print(len([name for _, _, names in os.walk(sys.argv[1]) for name in names if name.endswith("npy")]), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return u * 1.01
tn.grad(lambda u: tn.checkpointed_loop(step, u, 40, slots=1, disk=(sys.argv[1], 4)))(1.0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a process that is killed, and locks")
def test_what_a_killed_process_left_is_removed_by_the_next_loop(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, timeout=60, cwd=os.getcwd()
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert int(run.stdout) > 0
    assert len(list(tmp_path.iterdir())) == 1
    with tn.GradientTape() as tape:  # whose own files stay
        x = tape.watch(1.0)
        y = tn.checkpointed_loop(lambda u, i: u * 1.01, x, 40, slots=1, disk=(tmp_path, 4))
        tn.grad(lambda u: tn.checkpointed_loop(lambda u, i: u * 1.01, u, 40, slots=1, disk=(tmp_path, 4)))(1.0)
    assert len(list(tmp_path.iterdir())) == 1
    tape.gradient(y, x)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_says_so(tmp_path: Path) -> None:
    def loss(u: Array) -> Array:
        return tn.checkpointed_loop(lambda u, i: u * 1.01, u, 10**9, disk=(tmp_path, 10**15))

    with pytest.raises(FileError, match=r"disk must have room for 10+ carries, .*; got .*disk=\(folder, number\)"):
        tn.grad(loss)(1.0)


# ---- errors ----


def keep(carry: Any, i: Any) -> Any:
    return carry


loop: Any = tn.checkpointed_loop  # called with what no type checker would pass


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ArgumentTypeError, "step must be a function", lambda: loop(3, 1.0, 2)),
        (ArgumentTypeError, r"carry\[1\] must be an array or a number; got str", lambda: loop(keep, (1.0, "a"), 2)),
        (ArgumentError, "n_or_xs must be an int of at least 0; got -1", lambda: loop(keep, 1.0, -1)),
        (ArgumentError, "n_or_xs must be a number of steps, arrays", lambda: loop(keep, 1.0, True)),
        (ArgumentError, "n_or_xs must be a number of steps.*got shapes", lambda: loop(keep, 1.0, 2.5)),
        (ArgumentError, "n_or_xs must be a number of steps.*NoneType", lambda: loop(keep, 1.0, None)),
        (ArgumentError, r"got shapes \(2,\), \(3,\)", lambda: loop(keep, 1.0, (np.ones(2), np.ones(3)))),
        (ArgumentTypeError, "n_or_xs must be an array or a number", lambda: loop(keep, 1.0, "ab")),
        (ArgumentError, r"memory must be in \[1, inf\); got 0", lambda: loop(keep, 1.0, 2, memory=0)),
        (ArgumentTypeError, "slots must be a positive int", lambda: loop(keep, 1.0, 2, slots=1.5)),
        (ArgumentTypeError, "disk must be a folder, or a pair", lambda: loop(keep, 1.0, 2, disk=3)),
        (MissingFileError, "disk must be a folder that exists", lambda: loop(keep, 1.0, 2, disk="no/such")),
        (ArgumentError, r"disk\[1\] must be a positive int", lambda: loop(keep, 1.0, 2, disk=(".", 0))),
        (ArgumentError, "must return a carry of the structure", lambda: loop(lambda c, i: (c,), 1.0, 2)),
        (ArgumentError, r"shape and dtype that it is given, \(2,\)", lambda: loop(lambda c, i: c[:1], np.ones(2), 2)),
        (
            ArgumentError,
            r"given, \(\) and float32; got",
            lambda: loop(lambda c, i: c + np.float64(1), np.float32(1), 2),
        ),
        (
            ArgumentError,
            r"it is given, PyTreeSpec\(\*\); got PyTreeSpec\(None\)",
            lambda: loop(lambda c, i: None, 1.0, 2),
        ),
        (
            ArgumentError,
            "an iterator of plain values; got a Tensor",
            lambda: tn.grad(lambda x: loop(keep, x, iter([x])))(1.0),
        ),
        (
            ArgumentError,
            "disk must be a pair",
            lambda: tn.grad(lambda x: loop(keep, x, lambda c: False, disk="."))(1.0),
        ),
        (
            MappedValueError,
            "one number of steps",
            lambda: tn.vmap(lambda x: loop(keep, x, lambda c: c < 3))(np.ones(2)),
        ),
    ],
)
def test_errors(error: Any, message: str, call: Any) -> None:
    with pytest.raises(error, match=message) as told:
        call()
    assert isinstance(told.value, tn.TapenetError)


def test_an_error_in_a_step_passes_unchanged() -> None:
    def step(u: Array, i: int) -> Array:
        raise Stop(f"at {i}")

    with pytest.raises(Stop, match="at 0"):
        tn.grad(lambda u: loop(step, u, 3))(1.0)


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "checkpoint_schedules", None)
    assert float(loop(lambda u, i: 2 * u, 1.0, 3)) == 8.0
    with pytest.raises(tn.MissingPackageError, match=r'pip install "tapenet\[schedules\]"'):
        tn.grad(lambda u: loop(lambda u, i: 2 * u, u, 3))(1.0)


# ---- loops among other things ----


FREED = {
    "plain": lambda u, w: tn.checkpointed_loop(lambda c, i: 2 * c, u, 5),
    "captured": lambda u, w: tn.checkpointed_loop(lambda c, i: c * w, u, 5),
    "arrays": lambda u, w: tn.checkpointed_loop(lambda c, x: c * x, u, tnp.stack([w, w])),
    "condition": lambda u, w: tn.checkpointed_loop(lambda c, i: c * w, u, lambda c: np.max(c - w) < 0.5),
}


@pytest.mark.parametrize("kind", sorted(FREED))
def test_a_tape_is_freed_without_the_garbage_collector(kind: str) -> None:
    gc.disable()
    try:
        with tn.GradientTape() as tape:
            u = tape.watch(np.ones(50_000)) * 1.0
            alive = weakref.ref(unwrap(u))
            y = FREED[kind](u, u + 0.5)
            tnp.sum(y)
        del u, y, tape
        assert alive() is None
    finally:
        gc.enable()


def test_loops_within_loops() -> None:
    def inner(c: Array, x: Array) -> Array:
        return tn.checkpointed_loop(lambda d, j: d * x, c, 3, slots=1)

    loops = {
        "loop": lambda x: tn.checkpointed_loop(lambda c, i: inner(c, x), 1.0, 4, slots=2),
        "scan": lambda x: tn.scan(lambda c, _: (inner(c, x), None), 1.0, length=4)[0],
        "scan inside": lambda x: tn.checkpointed_loop(
            lambda c, i: tn.scan(lambda d, _: (d * x, None), c, length=3)[0], 1.0, 4
        ),
        "gradient inside": lambda x: tn.checkpointed_loop(lambda c, i: tn.grad(lambda z: x**3 * z**2 / 2)(c), 1.0, 4),
    }
    for name, f in loops.items():
        assert float(tn.grad(f)(1.1)) == pytest.approx(12 * 1.1**11), name
        assert float(tn.hessian(f)(1.1)) == pytest.approx(132 * 1.1**10), name


def test_compiled_steps_and_compiled_loops() -> None:
    step = tn.compile(lambda u, i: u * 1.01 + 0.1)
    assert float(tn.grad(lambda u: tn.checkpointed_loop(step, u, 5, slots=2))(1.0)) == pytest.approx(1.01**5)
    compiled = tn.compile(tn.value_and_grad(lambda u, w: tn.checkpointed_loop(lambda c, i: c * w, u, 5, slots=2)))
    for u in (2.0, 3.0):
        assert_same(compiled(u, 1.5), (np.float64(u * 1.5**5), np.float64(1.5**5)))


def test_checks_name_the_operation_inside_the_step() -> None:
    def step(u: Array, i: int) -> Array:
        return tnp.log(u - 1.0)

    with (
        tn.checks(),
        np.errstate(all="ignore"),
        pytest.raises(tn.NumericalError, match=r"^log: .*test_checkpointed.py"),
    ):
        tn.grad(lambda u: tn.checkpointed_loop(step, u, 5))(4.0)


def test_a_tape_tells_how_many_steps_there_are_and_what_is_kept() -> None:
    with tn.GradientTape() as tape:
        tn.checkpointed_loop(lambda c, i: c * 1.1, tape.watch(np.ones(1000)), 60, slots=3)
    assert "loop=60 steps" in str(tape)
    assert "32 kB" in str(tape)  # the first carry, two others, and that of the last step


def test_several_threads_walk_one_tape() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
        y = tn.checkpointed_loop(lambda c, i: c * 1.1, x, 60, slots=3)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: float(tape.gradient(y, x)), range(8)))
    assert found == [found[0]] * 8
    assert found[0] == pytest.approx(1.1**60)


def test_numbers_of_steps_may_be_ranges_and_arrays_without_axes() -> None:
    for n_or_xs in (range(4), np.int16(4), np.array(4)):
        assert int(tn.checkpointed_loop(lambda c, i: c + i, 0, n_or_xs)) == 6


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState, random.Random])
@pytest.mark.parametrize("is_held", [False, True])
def test_draws_from_generators_around_a_step_come_again(make: Any, is_held: bool) -> None:
    def slope(loop: Any) -> Any:
        rng = make(0)
        held = types.SimpleNamespace(inner={"rng": rng})
        draw = (lambda: held.inner["rng"].normal(0.0, 1.0)) if hasattr(rng, "normal") else lambda: rng.gauss(0.0, 1.0)
        if not is_held:
            draw = (lambda: rng.normal(0.0, 1.0)) if hasattr(rng, "normal") else lambda: rng.gauss(0.0, 1.0)
        return tn.grad(lambda c: loop(lambda carry, i: tnp.tanh(carry + draw()), c))(0.5)

    def python_loop(step: Any, carry: Any) -> Any:
        for i in range(9):
            carry = step(carry, i)
        return carry

    expected = slope(python_loop)
    np.testing.assert_allclose(slope(lambda step, c: tn.checkpointed_loop(step, c, 9, slots=2)), expected, rtol=1e-12)
