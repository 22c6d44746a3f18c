"""What tells the calls of a compiled function apart, how many of them are recorded, and what it must not change."""

from __future__ import annotations

import functools
import inspect
import io
import pickle
import random
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import CompileWarning
from tapenet.program.compiling.variants import MOST_FUNCTIONS, MOST_PROGRAMS
from tests.program.comparing import BACKENDS, assert_same

Array = Any
X = np.array([0.5, -1.5, 2.0])


def counted(f: Any) -> tuple[Any, Callable[[], int]]:
    """A function, and how often its Python code has run."""
    written = io.StringIO()  # what is written into files is not watched

    def run(*args: Any, **kwargs: Any) -> Any:
        written.write("x")
        return f(*args, **kwargs)

    return run, lambda: len(written.getvalue())


# ---- the order of keys ----


def folded(values: Any) -> Any:
    total: Any = 0.0
    for value in values.values():
        total = total * 2 + value
    return total, {key: value * 2 for key, value in values.items()}


@attrs.frozen
class Held:
    values: Any


@pytest.mark.parametrize("f", [folded, lambda held: folded(held["own"].values), lambda **values: folded(values)])
def test_the_order_of_keys_belongs_to_a_signature(f: Any) -> None:
    made = tn.compile(f)
    for keys in ("ab", "ab", "ba", "ba", "ab"):
        given = {key: X * ord(key) for key in keys}
        if inspect.signature(f).parameters.keys() == {"values"} and f is not folded:
            ours, theirs = made(**given), f(**given)
        else:
            own = given if f is folded else {"own": Held(given)}
            ours, theirs = made(own), f(own)
        assert_same(ours[0], theirs[0])
        assert list(ours[1]) == list(theirs[1])
        for key in keys:
            assert_same(ours[1][key], theirs[1][key])
    assert len(made.programs) == 2


# ---- how arrays lie in memory ----


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.ravel(x, order="K"),
        lambda x: np.reshape(x, (3, 2), order="A"),
        lambda x: np.ravel(np.tanh(x) * 2, order="K"),
        lambda x: tn.grad(lambda x: tnp.sum(np.ravel(np.sin(x), order="A") * np.arange(6.0)))(x),
        lambda x: tn.vmap(lambda x: np.ravel(x, order="K"))(np.stack([x, 2 * x])),
        lambda x: (
            tn.scan(lambda c, x: (c + np.sum(np.ravel(x, order="K") * np.arange(3.0)), c), 0.0, x.T)[0]
            if x.ndim > 2
            else np.ravel(x.T, order="K")
        ),
    ],
)
def test_operations_by_order_in_memory_go_by_each_call(f: Any, backend: Any) -> None:
    made = tn.compile(f, backend=backend)
    one = np.arange(6.0).reshape(2, 3)
    for x in (one, one, np.asfortranarray(one), np.asfortranarray(one), one[::-1], one, one[:, ::-1]):
        assert_same(made(x), f(x))


def test_a_replay_reads_the_order_in_memory_again() -> None:
    one = np.arange(6.0).reshape(2, 3)
    with tn.GradientTape() as tape:
        x = tape.watch(np.asfortranarray(one))
        y = np.ravel(x, order="K")
    assert_same(tape.replay(np.asfortranarray(2 * one), y), 2 * one.ravel("F"))
    with pytest.raises(tn.TapenetError, match="order"):
        tape.replay(one, y)


# ---- numbers whose class is read ----


def matched(x: Array, n: Any) -> Array:
    match n:
        case int():
            return x * n
        case _:
            return x * 0


@pytest.mark.parametrize(
    "f",
    [
        lambda x, n: x * n if isinstance(n, int) else x * 0,
        lambda x, n: x * n if isinstance(n, (int, float)) and n < 4 else x * 0,
        lambda x, n: x * n if type(n) is int else x * 0,
        lambda x, n: x * n if n.__class__ is int else x * 0,
        lambda x, n: x * n if np.isscalar(n) else x * 0,
        lambda x, n: (lambda k: x * k if isinstance(k, int) else x * 0)(n),
        matched,
    ],
)
def test_numbers_whose_class_is_read_are_given_as_they_are(f: Any) -> None:
    made = tn.compile(f)
    for n in (1, 1, 2, 3, 3, 4, 5, 2):
        assert_same(made(X, n), f(X, n))
    for n in range(6, MOST_PROGRAMS + 1):
        assert_same(made(X, n), f(X, n))
    with pytest.warns(CompileWarning, match="more than 8 ways"):
        assert_same(made(X, 100), f(X, 100))


def test_other_tests_of_classes_leave_numbers_inputs() -> None:
    made = tn.compile(lambda x, n: x["a"] * n if isinstance(x, dict) else x * float(n > 2))
    for n in range(1, 20):
        assert_same(made({"a": X}, n), X * n)
    assert len(made.programs) == 2


def test_a_number_that_differs_at_each_call_is_found() -> None:
    made = tn.compile(lambda x: x + time.perf_counter())
    first = made(X)
    with pytest.warns(CompileWarning, match="a number that differs at each call"):
        made(X)
    assert made(X)[0] > first[0]


@pytest.mark.parametrize("factor", [0.1, -2.5e-7, 0.123456789012345, 1.0 / 64])
def test_numbers_that_people_write_are_constants_of_the_first_program(factor: float) -> None:
    f, count = counted(lambda x: x * factor)
    made = tn.compile(f)
    literal = tn.compile(lambda x: x * 0.123456789012345 / -0.987654321098765)
    for _ in range(3):
        assert_same(made(X), X * factor)
        assert_same(literal(X), X * 0.123456789012345 / -0.987654321098765)
    assert count() == 1
    assert len(literal.programs) == 1


def test_nan_as_a_static_argument_is_one_value() -> None:
    made = tn.compile(lambda x, n: x * n, static_argnames="n")
    for _ in range(4):
        assert np.isnan(made(X, float("nan"))).all()
    assert len(made.programs) == 1


# ---- functions and objects as arguments ----


class Factor:
    def __init__(self, number: float) -> None:
        self.number = number

    def scaled(self, x: Array) -> Array:
        return x * self.number

    def bump(self) -> None:
        self.number += 1.0


@attrs.frozen
class Layer:
    weight: Any
    activation: Any

    def __call__(self, x: Array) -> Array:
        return self.activation(x * self.weight)


ARGUMENTS: dict[str, Callable[[Factor], Any]] = {
    "function": lambda factor: lambda x: x * factor.number,
    "method": lambda factor: factor.scaled,
    "gradient": lambda factor: tn.elementwise_grad(lambda x: x**2 * factor.number),
    "compiled function": lambda factor: tn.compile(lambda x: x * factor.number),
    "field of a layer": lambda factor: Layer(np.ones(3), lambda x: x * factor.number),
    "field of a layer in a list": lambda factor: [Layer(np.ones(3), lambda x: x * factor.number)],
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_functions_that_are_arguments_read_is_what_is_there_now(name: str) -> None:
    factor = Factor(2.0)
    argument = ARGUMENTS[name](factor)
    f, count = counted(lambda x, g: g[0](x) if isinstance(g, list) else g(x))
    made = tn.compile(f)
    for calls in (1, 3, 2):
        for _ in range(calls):
            given = factor.scaled if name == "method" else argument
            own = given[0] if isinstance(given, list) else given
            assert_same(made(X, given), own(X))
        factor.bump()
    assert count() <= 6  # twice where the recorded program holds arrays


def test_attributes_of_static_arguments_are_watched() -> None:
    factor = Factor(2.0)
    made = tn.compile(lambda x, factor: x * factor.number, static_argnames="factor")
    for calls in (1, 3, 2):
        for _ in range(calls):
            assert_same(made(X, factor), X * factor.number)
        factor.bump()


@pytest.mark.parametrize("make", [np.random.default_rng, random.Random])
def test_draws_from_a_static_argument_are_refused(make: Any) -> None:
    rng = make(0)
    draw = "integers" if hasattr(rng, "integers") else "randrange"
    made = tn.compile(lambda x, rng: x * getattr(rng, draw)(2), static_argnames="rng")
    with pytest.raises(tn.ArgumentError, match="a generator that is drawn from must be an argument"):
        made(X, rng)


def test_another_function_at_each_call_runs_eagerly_in_the_end() -> None:
    made = tn.compile(lambda x, g: g(x))
    known = lambda x: x * 2  # noqa: E731 - an argument
    made(X, known)
    for i in range(MOST_FUNCTIONS - 1):
        assert_same(made(X, lambda x, i=i: x * i), X * i)
    with pytest.warns(CompileWarning, match="an argument is another function at each call"):
        assert_same(made(X, lambda x: x * 3), X * 3)
    assert_same(made(X, lambda x: x * 4), X * 4)
    assert len(made.programs) == MOST_FUNCTIONS
    assert_same(made(X, known), X * 2)


# ---- what changes again and again around it ----


def test_what_changes_at_each_call_runs_eagerly_until_it_rests() -> None:
    factor = Factor(1.0)
    f, count = counted(lambda x: x * factor.number)
    made = tn.compile(f)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(4 * MOST_PROGRAMS):
            factor.bump()
            assert_same(made(X), X * factor.number)
    (warning,) = caught
    assert "number, which it reads around it, is another at each call" in str(warning.message)
    assert len(made.programs) <= MOST_PROGRAMS
    before = count()
    for _ in range(5):
        assert_same(made(X), X * factor.number)
    assert count() == before + 1


def test_what_changes_to_and_fro_is_recorded_once() -> None:
    factor = Factor(1.0)
    f, count = counted(lambda x: x * factor.number)
    made = tn.compile(f)
    numbers = 1.5, 2.5
    for i in range(20):
        factor.number = numbers[i % 2]
        assert_same(made(X), X * factor.number)
    assert count() == 2


def test_fullgraph_refuses_what_changes_at_each_call() -> None:
    factor = Factor(1.0)
    made = tn.compile(lambda x: x * factor.number, fullgraph=True)
    for _ in range(MOST_PROGRAMS):
        made(X)
        factor.bump()
    with pytest.raises(tn.ArgumentError, match="is another at each call"):
        made(X)


def test_threads_that_record_at_once_make_one_program() -> None:
    start = threading.Barrier(16)
    made = tn.compile(lambda x: tnp.sum(tnp.tanh(x)) if x[0] > 0 else x)

    def call() -> None:
        start.wait()
        for x in (X, X, -X, X):
            made(x)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made.programs) == 2


# ---- containers that are arguments ----


def put(values: Any, x: Array) -> Array:
    values["new"] = x
    return x * 2


def popped(values: Any, x: Array) -> Array:
    return values.pop("a") * x


def extended(values: Any, x: Array) -> Array:
    values["list"].append(x)
    return x * 2


def swapped(values: Any, x: Array) -> Array:
    values["a"], values["list"][0] = values["list"][0], values["a"]
    return x * values["a"]


@pytest.mark.parametrize("f", [put, popped, extended, swapped])
@pytest.mark.parametrize("by_name", [False, True])
def test_writes_into_containers_that_are_arguments_are_refused(f: Any, by_name: bool) -> None:
    values = {"a": X * 1.0, "list": [X * 2.0]}
    made = tn.compile(f)
    name = "values" if by_name else "argument number 0"
    for _ in range(2):
        with pytest.raises(tn.ArgumentError, match=f"an argument must not be written into; got a write into {name}"):
            made(values=values, x=X) if by_name else made(values, X)
    assert list(values) == ["a", "list"]
    assert len(values["list"]) == 1


def test_what_a_call_that_is_given_up_put_into_containers_is_there_once() -> None:
    log: list[float] = []

    def f(x: Array) -> Any:
        log.append(1.0)
        return {1, 2}

    made = tn.compile(f)
    with pytest.warns(CompileWarning, match="class set"):
        made(X)
    made(X)
    assert len(log) == 2


# ---- methods ----


class Model:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    @tn.compile
    def apply(self, x: Array) -> Array:
        """Scale."""
        return x * self.scale

    @tn.compile
    @staticmethod
    def doubled(x: Array) -> Array:
        return x * 2

    @classmethod
    @tn.compile
    def named(cls, x: Array) -> Array:
        return x * len(cls.__name__)


@attrs.frozen
class Linear:
    weight: Any

    @tn.compile
    def apply(self, x: Array) -> Array:
        """Scale."""
        return x * self.weight


def test_a_compiled_method_looks_like_the_method() -> None:
    model = Linear(X)
    method = model.apply
    for _ in range(3):
        assert_same(method(X), X * X)
    assert (method.__name__, method.__doc__, method.__qualname__) == ("apply", "Scale.", "Linear.apply")
    assert list(inspect.signature(method).parameters) == ["x"]
    assert len(method.programs) == 1
    assert "multiply" in str(method.lower(X))
    assert method.cost(X).instructions == 1
    assert method == model.apply
    assert hash(method) == hash(model.apply)
    assert method != Linear(X).apply
    assert "compiled function" in repr(method)
    assert_same(tn.grad(lambda x: tnp.sum(method(x)))(X), X)
    assert_same(tn.compile(lambda x: method(x))(X), X * X)
    assert_same(pickle.loads(pickle.dumps(method))(X), X * X)


def test_compiled_methods_of_all_kinds() -> None:
    model = Model(3.0)
    for _ in range(3):
        assert_same(model.doubled(X), X * 2)
        assert_same(Model.doubled(X), X * 2)
        assert_same(Model.named(X), X * 5)
        assert_same(functools.partial(model.doubled)(X), X * 2)
    with pytest.warns(CompileWarning, match="of class Model"):
        assert_same(model.apply(X), X * 3)
