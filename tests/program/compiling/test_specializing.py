"""A number that becomes an input leaves a compiled function as it was: programs are compared, or results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.compiling import functions
from tests.program.comparing import BACKENDS
from tests.program.compiling.test_equality import NUMBERS
from tests.program.observing import assert_equal_values, kinds_of, observed

Array = Any


@functools.singledispatch
def _by_class(n: Any) -> Any:
    return n * 0


@_by_class.register
def _(n: int) -> Any:
    return n * 2


def _caught(x: Array, n: int) -> Array:
    try:
        return x * n.bit_length()
    except AttributeError:
        return -x


BY_KEY: dict[str, Callable[[Array, int], Any]] = {
    "keys": NUMBERS["keys"],
    "members of a set": lambda x, n: x if n in {2, 5} else -x,
    "keys of what is computed": lambda x, n: {3: x, 4: -x}.get(n + 2, x * 7),
    "keys with text": lambda x, n: {(1, "a"): x, (2, "a"): -x}.get((n, "a"), x * 7),
    "keys inside a gradient": lambda x, n: tn.grad(lambda y: tnp.sum({1: y, 2: y * y}.get(n, y**3)))(x),
    "keys of a gradient": lambda x, n: tn.grad(lambda m: m * {1.5: 2, 2.5: 3}.get(m, 4))(n + 0.5),
}
BY_CLASS: dict[str, Callable[[Array, int], Any]] = {
    "dispatch": lambda x, n: x * _by_class(n),
    "attributes": lambda x, n: x if hasattr(n, "bit_length") else -x,
    "errors": _caught,
    "types": lambda x, n: x if type(n) is type(len("ab")) and n > 1 else -x,
    "class": lambda x, n: x if n.__class__ is int else -x,
}
SEEN: dict[str, Callable[[Array, int], Any]] = {
    "factor": lambda x, n: x * n + n**2,
    "arrays of it": lambda x, n: x + tnp.full(5, n) * tnp.sqrt(n),
    "itself": lambda x, n: (n, n + 1, x - n),
    "gradient": lambda x, n: tn.value_and_grad(lambda y: tnp.sum(y * y * n) / (1 - 0.9**n))(x),
    "reads": lambda x, n: x * n if tnp.sum(x) > 0 else -x,
}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The comparisons with results of another call."""
    found: list[bool] = []
    before = functions.are_alike

    def are_alike(first: Any, second: Any) -> bool:
        found.append(before(first, second))
        return found[-1]

    monkeypatch.setattr(functions, "are_alike", are_alike)
    return found


def assert_right(f: Callable[..., Any], compiled: Any, numbers: list[int]) -> None:
    for n in numbers:
        expected, made = (observed(own, np.arange(5.0), n, errors="ignore") for own in (f, compiled))
        assert (made.error, expected.error) == (None, None)
        assert kinds_of(made.result) == kinds_of(expected.result)
        assert_equal_values(made.result, expected.result)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("f", SEEN.values(), ids=SEEN)
def test_function_is_called_once_for_each_recording(f: Any, backend: Any, compared: list[bool]) -> None:
    compiled = tn.compile(f, backend=backend)
    assert_right(f, compiled, [1, 2, 3, 4, 2])
    assert not compared
    assert len(compiled.programs) == 2


@pytest.mark.parametrize(
    "optimizer", [tn.optim.adam(1e-2), tn.optim.lion(1e-2), tn.optim.adam(lambda n: 0.1 / (n + 1))]
)
@pytest.mark.parametrize("donate", [(), (0, 1)])
def test_steps_of_optimizers_are_called_once(optimizer: Any, donate: Any, compared: list[bool]) -> None:
    def step(params: Any, state: Any, x: Array) -> Any:
        loss, gradients = tn.value_and_grad(lambda p: tnp.sum(tnp.tanh(x @ p["w"]) ** 2))(params)
        return loss, *optimizer.update(gradients, state, params)

    compiled: Any = tn.compile(step, donate_argnums=donate)
    x = np.ones((4, 3))
    params = {"w": np.ones((3, 2))}
    own, found = (params, optimizer.init(params)), ({"w": np.ones((3, 2))}, optimizer.init(params))
    for _ in range(5):
        loss, *own = step(*own, x)
        found_loss, *found = compiled(*found, x)
        np.testing.assert_allclose(found_loss, loss, rtol=1e-12)
    assert not compared


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("f", BY_KEY.values(), ids=BY_KEY)
@settings(max_examples=6)
@given(numbers=st.lists(st.sampled_from([1, 2, 3, 5, 6]), min_size=3, max_size=6))
def test_keys_are_those_of_the_numbers(f: Any, backend: Any, numbers: list[int]) -> None:
    compiled = tn.compile(f, backend=backend)
    assert_right(f, compiled, [*numbers, 5, 6, 2, 1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("numbers", [[1, 2, 3], [5, 2, 1], [1, 5]])
@pytest.mark.parametrize("f", BY_CLASS.values(), ids=BY_CLASS)
def test_classes_are_those_of_the_numbers(f: Any, numbers: list[int], backend: Any) -> None:
    compiled = tn.compile(f, backend=backend)
    assert_right(f, compiled, numbers)


def test_another_program_is_not_taken_for_the_same(compared: list[bool]) -> None:
    def f(x: Array, n: int) -> Array:
        return x + 1 if n > 2 else x * 2

    compiled = tn.compile(f)
    assert_right(f, compiled, [1, 3])
    assert compared == [True]
    assert_right(f, compiled, [2, 4, 1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [float, complex, np.float64, np.float32, np.int64, np.complex64])
def test_keys_are_those_of_scalars(kind: Any, backend: Any) -> None:
    def f(x: Array, n: Any) -> Any:
        return {1: x, 2.0: -x}.get(n, x * 3), len({n, n + 0, 3}), {1: "a"}.get(tnp.sum(x) * n, "b")

    compiled = tn.compile(f, backend=backend)
    for n in map(kind, (5, 6, 2, 1, 3, 5)):
        for x in (np.zeros(3), np.ones(1), np.ones(1, np.float32)):
            expected, found = (observed(own, x, n) for own in (f, compiled))
            assert (found.error, expected.error) == (None, None)
            assert_equal_values(found.result, expected.result)


def test_numbers_are_no_keys_outside_of_recordings() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(2.0)
        assert {x: 1}[x] == 1
        assert hash(x) == object.__hash__(x)
    assert hash(x) == object.__hash__(x)
