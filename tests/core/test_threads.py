"""Threads: each with tapes of its own, and several on one closed tape."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves

THREADS = 8


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """What each of several threads got, which began at the same moment."""
    barrier = Barrier(THREADS)

    def begun(i: int) -> Any:
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begun, range(THREADS)))


def same(a: Any, b: Any) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


softplus = tn.custom_jvp(
    lambda x: np.logaddexp(x, 0.0), lambda p, t: (np.logaddexp(p[0], 0.0), t[0] / (1 + tnp.exp(-p[0])))
)
clipped = tn.custom_vjp(lambda x: x, lambda x: (x, x), lambda x, t: (tnp.where(x > 0, t, 0.5 * t),))


@tn.checkpoint
def block(w: Any, x: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return tn.nn.dropout(softplus(x @ w), 0.3, rng)


def loss(w: Any, x: Any, seed: int) -> Any:
    for _ in range(5):
        x = clipped(block(w, x, seed)) / 3
    return tnp.sum(tn.vmap(lambda row: tnp.sum(row * row))(x))


def inputs(seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 4)), rng.normal(size=(3, 4))


def test_threads_record_on_tapes_of_their_own() -> None:
    def work(i: int) -> Any:
        w, x = inputs(i)
        return [tn.grad(loss, (0, 1))(w, x, i) for _ in range(3)]

    for i, got in enumerate(in_threads(work)):
        w, x = inputs(i)
        for each in got:
            same(each, tn.grad(loss, (0, 1))(w, x, i))


def test_threads_nest_tapes() -> None:
    def curvature(w: Any, x: Any, seed: int) -> Any:
        return tn.grad(lambda w: tnp.sum(tn.grad(loss)(w, x, seed) ** 2))(w)

    def work(i: int) -> Any:
        return curvature(*inputs(i), i)

    for i, got in enumerate(in_threads(work)):
        same(got, work(i))


def test_several_threads_walk_one_closed_tape() -> None:
    w0, x0 = inputs(0)
    with tn.GradientTape() as tape:
        w, x = tape.watch((w0, x0))
        y = loss(w, x, 0)
    expected = tape.gradient(y, (w, x)), tape.gradient(y, x)
    length = len(tape.records)

    def work(i: int) -> Any:
        return [(tape.gradient(y, (w, x)), tape.gradient(y, x)) for _ in range(5)]

    for got in in_threads(work):
        for each in got:
            same(each, expected)
    assert len(tape.records) == length


def test_several_threads_call_one_pullback_and_one_push() -> None:
    w0, x0 = inputs(0)

    def f(w: Any) -> Any:
        return softplus(x0 @ w) * tnp.sin(w[0])

    y, pullback = tn.vjp(f, w0)
    _, push = tn.linearize(f, w0)
    seeds = [np.full(y.shape, i + 1.0) for i in range(THREADS)]
    directions = [np.full(w0.shape, i + 1.0) for i in range(THREADS)]
    expected = [(pullback(t), push(d)) for t, d in zip(seeds, directions, strict=True)]
    for got, one in zip(in_threads(lambda i: (pullback(seeds[i]), push(directions[i]))), expected, strict=True):
        same(got, one)


def test_several_threads_differentiate_a_walk_over_one_tape() -> None:
    """A tape of each thread's own around a pullback that they share."""
    w0, x0 = inputs(0)
    with tn.GradientTape() as shared:
        w = shared.watch(w0)
        y = tnp.tanh(x0 @ w)

    def work(i: int) -> Any:
        return tn.grad(lambda t: tnp.sum(shared.gradient(y, w, t) ** 2))(np.full(y.shape, i + 1.0))

    for i, got in enumerate(in_threads(work)):
        same(got, work(i))


def test_threads_meet_a_class_for_the_first_time_together() -> None:
    for _ in range(20):

        @attrs.frozen
        class Pair:
            a: Any
            b: Any

        def work(i: int, kind: Any = Pair) -> Any:
            gradient = tn.grad(lambda pair: tnp.sum(pair.a * pair.b))(kind(np.full(2, float(i)), np.ones(2)))
            return gradient.a, gradient.b

        for i, (a, b) in enumerate(in_threads(work)):
            same(a, np.ones(2))
            same(b, np.full(2, float(i)))


def test_an_exception_in_one_thread_is_not_felt_in_another() -> None:
    def work(i: int) -> Any:
        def f(x: Any) -> Any:
            y = softplus(tnp.sin(x))
            if i % 2:
                raise KeyError(i)
            return tnp.sum(y)

        try:
            return tn.grad(tn.checkpoint(f))(np.arange(3.0))
        except KeyError as error:
            return error.args[0]

    results = in_threads(work)
    assert results[1::2] == list(range(1, THREADS, 2))
    for got in results[::2]:
        same(got, results[0])
