"""Results of compiled functions are the caller's own, however a call is computed."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.recording.tracing import owned_result
from tests.program.comparing import BACKENDS
from tests.program.observing import arrays_of

Array = Any
AROUND = np.arange(6.0).reshape(2, 3)
CALLS = 0


class Holder:
    """Not a pytree: what it holds is not seen from a function."""

    def __init__(self) -> None:
        self.kept = np.arange(6.0).reshape(2, 3)


HOLDER = Holder()


@attrs.frozen
class Pair:
    first: Any
    second: Any


RESULTS: dict[str, Callable[[Array], Any]] = {
    "the argument": lambda x: x,
    "twice": lambda x: (x, x),
    "slice": lambda x: x[:1],
    "reversed": lambda x: x[::-1],
    "transpose": lambda x: x.T,
    "broadcast": lambda x: tnp.broadcast_to(x, (4, 2, 3)),
    "reshape": lambda x: x.reshape(3, 2),
    "ravel": lambda x: tnp.ravel(x),
    "whole and part": lambda x: (y := x + 1, y[0], y.T),
    "same result twice": lambda x: {"a": (y := x * 2), "b": [y, y]},
    "parts": lambda x: tnp.split(x, 3, axis=1),
    "around": lambda x: (AROUND, AROUND[0], x),
    "around, unseen": lambda x: (HOLDER.kept, HOLDER.kept.T, x + 0),
    "new": lambda x: (x + 1, x @ x.T, tnp.sum(x)),
    "constant": lambda x: (np.ones(3), np.zeros((2, 2)).T),
    "class": lambda x: Pair(x, Pair(x, x.T)),
    "gradient": lambda x: tn.grad(lambda y: tnp.sum(y[:1] * 2))(x),
    "identity gradient": lambda x: tn.vjp(lambda y: y, x)[1](np.ones_like(AROUND)),
    "nothing": lambda x: None,
}


@contextmanager
def with_debugger() -> Iterator[None]:
    class Stepper:
        def trace(self, *_: Any) -> None: ...

    Stepper.__module__ = "pdb"
    before = sys.gettrace()
    sys.settrace(Stepper().trace)
    try:
        yield
    finally:
        sys.settrace(before)


WAYS: dict[str, Callable[[], Any]] = {
    "compiled": nullcontext,
    "under checks": tn.checks,
    "in a debugger": with_debugger,
}


def eager(x: Array, turn: Callable[[Array], Any]) -> Any:
    """What cannot be a program, and then the function of it."""
    global CALLS
    CALLS += 1
    return turn(x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", RESULTS)
def test_results_share_memory_with_nothing(name: str, way: str, backend: Any) -> None:
    f = RESULTS[name]
    for own, runs_eagerly in ((f, False), (lambda x: eager(x, f), True)):
        compiled: Any = tn.compile(own, backend=backend)
        x = np.arange(6.0).reshape(2, 3)
        expected = [y.copy() for y in arrays_of(own(x.copy()))]
        results = []
        for _ in range(3):
            with warnings.catch_warnings(), WAYS[way]():
                warnings.simplefilter("ignore", tn.errors.CompileWarning)
                results.append(arrays_of(compiled(x)))
        assert not (runs_eagerly and compiled.programs)
        others = [x, AROUND, HOLDER.kept]
        found = [y for result in results for y in result]
        for y, z in itertools.combinations([*others, *found], 2):
            assert not np.shares_memory(y, z)
        for result in results:
            for y, z in zip(result, expected, strict=True):
                np.testing.assert_array_equal(y, z)
                assert y.flags.writeable
        for y in found:
            y.fill(-1)
        assert (x >= 0).all()
        assert (AROUND >= 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_many_ways_are_the_callers(backend: Any) -> None:
    def f(x: Array, n: int) -> Array:
        return x if float(x[0]) > n else x[:1]

    compiled: Any = tn.compile(f, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tn.errors.CompileWarning)
        for n in range(12):
            x = np.full(3, n + 0.5) if n % 2 else np.full(3, n - 0.5)
            assert not np.shares_memory(compiled(x, n), x)


@pytest.mark.parametrize("backend", BACKENDS)
def test_donated_arguments_may_be_results_but_no_two_of_them(backend: Any) -> None:
    def f(x: Array, y: Array) -> Any:
        return x, x, x.T, y, y[0]

    compiled: Any = tn.compile(f, backend=backend, donate_argnums=(0,))
    for _ in range(3):
        x, y = np.ones((2, 2)), np.zeros((2, 2))
        results = compiled(x, y)
        for a, b in itertools.combinations([*results, y], 2):
            assert not np.shares_memory(a, b)


def test_new_arrays_are_not_copied() -> None:
    made: list[int] = []

    def f() -> Any:
        x = np.ones(3)
        y = {"x": x, "more": (np.ones(4), [np.zeros(2)])}
        made.extend(id(z) for z in arrays_of(y))
        return y

    result = owned_result(f)
    assert [id(x) for x in arrays_of(result)] == made
    bare = owned_result(lambda: np.ones(3))
    assert bare.base is None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", [">f8", "<f4", ">f4", ">c16"])
def test_derivatives_have_the_byte_order_of_their_sources(dtype: str, shape: tuple[int, ...], backend: Any) -> None:
    def f(x: Array) -> Array:
        return tnp.sum(tnp.tanh(x) * x).real

    x = np.full(shape, 0.5, dtype)
    transforms = (tn.grad(f), tn.value_and_grad(f), lambda x: tn.jvp(f, (x,), (x,)), lambda x: tn.vjp(f, x)[1](f(x)))
    for own in (*transforms, tn.jacobian(lambda x: tnp.tanh(x))) if dtype != ">c16" else transforms:
        compiled: Any = tn.compile(own, backend=backend, fullgraph=True)
        for _ in range(3):
            for found, expected in zip(arrays_of(compiled(x)), arrays_of(own(x)), strict=True):
                assert found.dtype == expected.dtype
                np.testing.assert_allclose(found, expected, rtol=1e-6)
