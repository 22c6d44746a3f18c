"""Recording: the fast path and the general one make equal records, and what comes from tapes that closed is seen."""

from __future__ import annotations

import asyncio
import operator
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.fast_path import SCALARS
from tapenet.core.primitive import REGISTRY, Primitive
from tapenet.core.pytrees import tree_leaves
from tapenet.core.recorder import new_recorder, put_group, slot_of
from tests.samples import SAMPLES

Array = Any

FAST = [
    name
    for name in tnp.__all__
    if isinstance(getattr(getattr(tnp, name), "primitive", None), Primitive)
    and len(getattr(tnp, name).primitive.operands) <= 2
    and name != "ldexp"  # whose second operand is an integer
]


def shown(entry: Any) -> Any:
    primitive, slots, kept, _, shape, dtype = entry
    return primitive.name, slots, [None if x is None else (type(x), np.asarray(x).tolist()) for x in kept], shape, dtype


@pytest.mark.parametrize("name", sorted(set(FAST)))
def test_the_fast_path_and_the_general_one_make_equal_records(name: str) -> None:
    function = getattr(tnp, name)
    primitive: Primitive = function.primitive
    point = np.array([0.5, 0.25])
    mixes: list[Callable[[Any], tuple[Any, ...]]] = [lambda x: (x,)]
    if len(primitive.operands) == 2:
        mixes = [lambda x: (x, x), lambda x: (x, 0.5), lambda x: (0.5, x), lambda x: (x, np.array([[0.5]]))]
    for mix in mixes:
        with np.errstate(all="ignore"), new_recorder(replayable=False) as fast:
            function(*mix(fast.watch(point)))
        with np.errstate(all="ignore"), new_recorder(replayable=False) as general:
            general.apply(primitive, mix(general.watch(point)), {})
        assert list(map(shown, fast.entries)) == list(map(shown, general.entries))


OPERATORS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (operator.add, tnp.add),
    "subtract": (operator.sub, tnp.subtract),
    "multiply": (operator.mul, tnp.multiply),
    "divide": (operator.truediv, tnp.divide),
    "floor_divide": (operator.floordiv, tnp.floor_divide),
    "remainder": (operator.mod, tnp.remainder),
    "power": (operator.pow, tnp.power),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("other", [0.5, np.float32(0.5), np.array([[0.5]]), None])
def test_operators_make_the_records_of_functions_on_every_tape_of_their_operands(name: str, other: Any) -> None:
    by_operator, function = OPERATORS[name]
    point = np.array([0.5, 0.25])
    found = []
    for operate in (by_operator, function):
        with new_recorder(replayable=False) as outer, new_recorder(replayable=False) as inner:
            x = inner.watch(outer.watch(point))
            y = x if other is None else other
            operate(x, y)
            operate(y, x)
        found.append([list(map(of_tape, trace.entries)) for trace in (outer, inner)])
    assert found[0] == found[1]


def of_tape(entry: Any) -> Any:
    primitive, slots, kept, _, shape, dtype = entry
    return primitive.name, slots, [None if x is None else repr(x) for x in kept], shape, dtype


@pytest.mark.parametrize("mix", [lambda x: (x, x), lambda x: (x, np.eye(2)), lambda x: (np.ones((1, 2)), x)])
@pytest.mark.parametrize("multiply", [operator.matmul, np.matmul, tnp.matmul])
def test_products_of_matrices_make_the_records_of_the_general_path(multiply: Any, mix: Any) -> None:
    point = np.array([[0.5, 0.25], [1.0, 2.0]])
    with new_recorder(replayable=False) as fast:
        multiply(*mix(fast.watch(point)))
    with new_recorder(replayable=False) as general:
        general.apply(REGISTRY["matmul"], mix(general.watch(point)), {})
    assert list(map(shown, fast.entries)) == list(map(shown, general.entries))


@pytest.mark.parametrize("other", [np.ones((2, 2), object), np.ones((2, 2), "m8[s]"), np.timedelta64(1, "s"), None])
@pytest.mark.parametrize("operate", [operator.mul, operator.truediv, tnp.multiply, operator.matmul, tnp.matmul])
def test_operands_that_are_not_numeric_are_refused(operate: Any, other: Any) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((2, 2)))
        for operands in ((x, other), (other, x)):
            with pytest.raises(tn.TapenetError, match=r"^(multiply|divide|matmul): "):
                operate(*operands)
        assert len(tape.records) == 1


@pytest.mark.parametrize("kind", sorted(SCALARS, key=str))
def test_scalars_of_every_numeric_type_are_constants(kind: Any) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.float32(2))
        y = x * kind(1)
        real = y.real
    assert y.dtype == (np.float32(2) * kind(1)).dtype
    assert tape.gradient(real, x) == 1


def test_an_operator_takes_no_keywords() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
        with pytest.raises(TypeError, match="keyword"):
            x.__mul__(2.0, out=None)


def test_a_function_that_is_compiled_at_its_first_call_keeps_its_cells() -> None:
    for function in (
        tn.extend.elementwise(np.sinh, None, name="tests.one"),
        tn.extend.elementwise(np.add, None, None, name="tests.two"),
    ):
        before = function.__code__
        function(*[1.0] * before.co_argcount)
        assert function.__code__ is not before
        assert function.__code__.co_freevars == before.co_freevars


def test_a_result_of_an_inner_tape_that_has_closed_is_seen_by_every_transform() -> None:
    def by_inner_tape(x: Array) -> Array:
        with tn.GradientTape() as tape:
            z = tape.watch(x)
            g = tape.gradient(tnp.sum(z**3), z)
            return tnp.sum(g * g)  # a value of the inner tape, which closes here

    def directly(x: Array) -> Array:
        return tnp.sum((3 * x**2) ** 2)

    x, v = np.array([0.5, 2.0]), np.array([1.0, -1.0])
    for transform in (
        lambda f: tn.grad(f)(x),
        lambda f: tn.value_and_grad(f)(x),
        lambda f: tn.vjp(f, x)[1](1.0),
        lambda f: tn.jvp(f, (x,), (v,)),
        lambda f: tn.linearize(f, x)[1](v),
        lambda f: tn.hvp(f)(x, v),
        lambda f: tn.hessian(f)(x),
        lambda f: tn.jacobian(f)(x),
        lambda f: tn.jacfwd(f)(x),
        lambda f: tn.vmap(f)(np.stack([x, v])),
        lambda f: tn.vmap(tn.grad(f))(np.stack([x, v])),
        lambda f: tn.grad(tn.checkpoint(f))(x),
        lambda f: tn.grad(lambda x: tnp.sum(tn.grad(f)(x) ** 2))(x),
    ):
        for ours, expected in zip(tree_leaves(transform(by_inner_tape)), tree_leaves(transform(directly)), strict=True):
            np.testing.assert_allclose(np.asarray(ours), np.asarray(expected), rtol=1e-12)


def test_the_tape_api_sees_values_under_tapes_that_have_closed() -> None:
    with tn.GradientTape() as outer:
        x = outer.watch(np.array([0.5, 2.0]))
        with tn.GradientTape() as inner:
            z = inner.watch(x)
            y = tnp.sum(z**2)
        np.testing.assert_array_equal(outer.gradient(y, x).value, [1.0, 4.0])
        np.testing.assert_array_equal(outer.gradient(y, z).value, [1.0, 4.0])


# ---- walks ----


clipped = tn.custom_vjp(lambda x: 3 * x, lambda x: (3 * x, x), lambda x, t: (3 * t,))


def test_a_walk_does_not_change_what_a_later_one_answers() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(2.0)
        y = clipped(x) ** 2
        for _ in range(2):
            with pytest.raises(tn.MissingRuleError):
                tape.jvp(y, x, 1.0)
            assert tape.gradient(y, x) == 36.0
        gradient = tape.gradient(y, x)
        assert tape.jvp(gradient, x, 1.0) == 18.0  # forward over reverse: the transpose of the rule
        with pytest.raises(tn.MissingRuleError):
            tape.jvp(y, x, 1.0)
    with pytest.raises(tn.MissingRuleError):
        tape.jvp(y, x, 1.0)


# ---- threads and tasks on one tape ----


@pytest.fixture
def switching_often() -> Any:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def part(x: Array, a: Array) -> Array:
    for _ in range(10):
        w, v = tnp.linalg.eigh(a * x + a.T * x * x)
    return tnp.sum(w * v[0] ** 2)


@pytest.mark.usefixtures("switching_often")
def test_several_threads_record_operations_of_several_outputs_on_one_tape() -> None:
    rng = np.random.default_rng(0)
    matrices = [m @ m.T + 3 * np.eye(4) for m in rng.normal(size=(4, 4, 4))]

    def second(each: Callable[..., Any]) -> float:
        with tn.GradientTape() as tape:
            x = tape.watch(1.3)
            y = sum(each(lambda a: part(x, a), matrices))
            g = tape.gradient(y, x)
        return float(tape.gradient(g, x))

    expected = second(map)
    for _ in range(15):
        with ThreadPoolExecutor(4) as pool:
            np.testing.assert_allclose(second(pool.map), expected)


def deep(w: Array, x: Array) -> Array:
    for _ in range(5):
        x = tnp.tanh(x @ w)
    return tnp.mean(x * x)


def test_a_checkpoint_pauses_the_tape_in_its_own_thread_alone() -> None:
    rng = np.random.default_rng(0)
    w0, xs = rng.normal(size=(16, 16)) / 4, rng.normal(size=(8, 64, 16))
    expected = tn.grad(lambda w: sum(deep(w, x) for x in xs))(w0)
    for _ in range(10):
        with tn.GradientTape() as tape, ThreadPoolExecutor(4) as pool:
            w = tape.watch(w0)
            y = sum(pool.map(lambda i, w=w: (tn.checkpoint(deep) if i % 2 else deep)(w, xs[i]), range(8)))
        np.testing.assert_allclose(tape.gradient(y, w), expected)


def test_a_checkpoint_pauses_the_tape_in_its_own_task_alone() -> None:
    async def both() -> float:
        with tn.GradientTape() as tape:
            x = tape.watch(0.5)

            async def plain() -> Array:
                y = x
                for _ in range(3):
                    y = tnp.sin(y)
                    await asyncio.sleep(0)
                return y

            async def checkpointed() -> Array:
                y = x
                for _ in range(3):
                    y = tn.checkpoint(tnp.sin)(y)
                    await asyncio.sleep(0)
                return y

            y = sum(await asyncio.gather(plain(), checkpointed(), plain()))
        return float(tape.gradient(y, x))

    def thrice(x: Array) -> Array:
        return tnp.sin(tnp.sin(tnp.sin(x)))

    np.testing.assert_allclose(asyncio.run(both()), 3 * tn.grad(thrice)(0.5))


# ---- values that leave a checkpointed function by another way ----


def generated(x: Array) -> Any:
    yield x * 3.0


LEAKS: dict[str, Callable[[Array, list[Array]], Any]] = {
    "a list outside": lambda x, kept: kept.append(x * 3.0),
    "a generator": lambda x, kept: kept.append(generated(x)),
    "a closure": lambda x, kept: kept.append(lambda: x * 3.0),
}


@pytest.mark.parametrize("way", LEAKS)
def test_a_value_that_leaves_a_checkpointed_function_unseen_is_an_error(way: str) -> None:
    def f(x: Array) -> Array:
        kept: list[Any] = []
        y = tn.checkpoint(lambda x: (LEAKS[way](x, kept), x)[1])(x)
        leaked = next(kept[0]) if way == "a generator" else kept[0]() if way == "a closure" else kept[0]
        return y + leaked

    with pytest.raises(tn.TapenetError, match=r"checkpoint: a value of <lambda> must leave it as a result"):
        tn.grad(f)(2.0)


def test_a_checkpoint_leaves_unused_arguments_unconnected() -> None:
    f = tn.checkpoint(lambda a, b: a * 2)
    with np.errstate(divide="ignore"):
        assert tn.grad(lambda x: f(x, tnp.sqrt(x)))(0.0) == 2.0
    with tn.GradientTape() as tape:
        a, b = tape.watch((1.0, 2.0))
        y = f(a, b)
    with pytest.raises(tn.UnconnectedError):
        tape.gradient(y, b)


def test_every_primitive_of_the_registry_has_samples() -> None:
    assert REGISTRY.keys() - {"watch"} == SAMPLES.keys()


def test_patterns_of_constants_are_not_kept_for_operations_of_any_number_of_operands() -> None:
    stack = REGISTRY["concatenate"]
    before = len(stack._pickers)
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones(1))
        for i in range(20):
            tnp.concatenate([x if (i >> bit) & 1 else np.ones(1) for bit in range(5)] + [x])
    assert len(stack._pickers) == before


def test_a_group_that_other_records_came_before_is_made_again_from_its_own_slot() -> None:
    entries: list[Any] = [["first", 0]]
    starts: list[int] = []

    def group(start: int) -> list[Any]:
        if not starts:
            entries.extend([["other", 1], ["other", 2], ["other", 3]])  # as another thread may, at this moment
        starts.append(start)
        return [["mine", start], ["mine", start + 1], ["mine", start + 2]]

    assert put_group(entries, group) == 4
    assert starts == [1, 4]
    assert entries[1:4] == [["other", 1], ["other", 2], ["other", 3]]
    assert entries[5:] == [["mine", 5], ["mine", 6]]


def test_the_slot_of_an_entry_is_found_at_any_distance() -> None:
    entries: list[Any] = [[k] for k in range(4)]
    for first in range(4):
        for slot in range(first, 4):
            assert slot_of(entries, entries[slot], first) == slot
