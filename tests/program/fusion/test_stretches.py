"""Stretches: small products and regions that follow each other, in one call of machine code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.kernels.gemm import gemm_for
from tapenet.program.backends.llvm import fusing, stretch_code
from tapenet.program.backends.llvm.kernel_code import kernel_of
from tapenet.program.fusion.regions import Region
from tapenet.program.fusion.stretches import Arena, Stretch, in_stretches
from tests.program.comparing import assert_same, compiled_quietly

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)

needs_products = pytest.mark.skipif(gemm_for(np.dtype("f")) is None, reason="products are BLAS's on this processor")


def arrays(*shapes: tuple[int, ...], dtype: Any = np.float64) -> list[Array]:
    return [(RNG.normal(size=shape) * 0.5).astype(dtype) for shape in shapes]


def check(f: Any, *args: Array, scale: float = 2**6, calls: int = 3) -> None:
    """What LLVM compiled gives what the function does."""
    expected = f(*args)
    for found in compiled_quietly(f, *[args] * calls, backend="llvm")[1]:
        assert_same(found, expected, scale=scale, floor=1.0)


def stretches_of(f: Any, *args: Array) -> list[Stretch]:
    """The stretches of a function's program."""
    program = tn.compile(f).lower(*args)
    fits = lambda region: kernel_of(region, program) is not None  # noqa: E731
    return [x for x in in_stretches(fusing.steps_of(program), program, fits) if isinstance(x, Stretch)]


def recurrence(w: Array, u: Array, b: Array, xs: Array) -> Array:
    h = tnp.zeros((xs.shape[1], len(w)), xs.dtype)
    for i in range(len(xs)):
        h = tnp.tanh(h @ w + xs[i] @ u + b)
    return tnp.mean(h * h)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("batch", "inputs", "width"), [(1, 1, 1), (3, 5, 7), (16, 20, 33)])
def test_a_recurrence_and_its_gradient(dtype: Any, batch: int, inputs: int, width: int) -> None:
    args = arrays((width, width), (inputs, width), (width,), (6, batch, inputs), dtype=dtype)
    check(tn.value_and_grad(recurrence, (0, 1, 2)), *args)


def test_a_recurrence_is_one_call() -> None:
    args = arrays((7, 7), (5, 7), (7,), (6, 3, 5))
    found = stretches_of(tn.grad(recurrence, (0, 1, 2)), *args)
    assert len(found) == 1
    assert sum(isinstance(step, Region) for step in found[0].steps) > 8


def perceptron(w: Array, b: Array, v: Array, x: Array) -> Any:
    h = tn.nn.relu(tn.nn.dense(x, w, b))
    return tnp.sum(tnp.tanh(h @ v), 0), h, h.T @ x


def test_affine_maps_sums_and_transposes() -> None:
    args = arrays((5, 9), (9,), (9, 3), (8, 5))
    check(perceptron, *args)
    check(lambda *args: tn.jacobian(lambda w: perceptron(w, *args[1:])[0])(args[0]), *args)
    check(tn.hessian(lambda b: tnp.sum(perceptron(args[0], b, *args[2:])[0])), args[1])


def test_operands_in_any_order_of_memory() -> None:
    w, b, v, x = arrays((9, 9), (9,), (9, 9), (9, 9))
    check(perceptron, w.T, b, v[::-1], np.asfortranarray(x))
    check(perceptron, w, np.repeat(b, 2)[::2], v[:, ::-1], x.T)


STEPS: list[Any] = [
    lambda a, b, row: a @ b,
    lambda a, b, row: a.T,
    lambda a, b, row: tnp.tanh(a) * b,
    lambda a, b, row: a.T @ b,
    lambda a, b, row: tn.nn.dense(a, b, row),
    lambda a, b, row: (a.reshape(3, 12) * 0.5).reshape(6, 6),
    lambda a, b, row: tnp.concatenate((a[:3], b[3:])),
    lambda a, b, row: tnp.sum(a, 0) + b,
    lambda a, b, row: b + a[::-1, 1] * b[2],
    lambda a, b, row: a[:, 1:3] @ b[::-1][None, 2:4][0],
]


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(3, 9), dtype=st.sampled_from([np.float32, np.float64]))
def test_random_chains(seed: int, length: int, dtype: Any) -> None:
    choices = np.random.default_rng(seed).integers(0, 10, (length, 3))
    x, y, row = arrays((6, 6), (6, 6), (6,), dtype=dtype)

    def f(x: Array, y: Array, row: Array) -> Any:
        values = [x, y, x + y]
        for kind, i, j in choices:
            values.append(STEPS[kind](values[i % len(values)], values[j % len(values)], row))
        return values[-1] @ x, tuple(values[3:])

    with np.errstate(all="ignore"):
        check(f, x, y, row, scale=2**10)


def test_angles_too_large_to_be_reduced_are_numpys() -> None:
    x, w = arrays((4, 4), (4, 4))
    check(lambda x, w: tnp.sin(tnp.cos(x * 1e9) @ w * 1e12) @ w + 1, x, w)


@needs_products
def test_exceptions_of_products_are_reported_as_numpys() -> None:
    made: Any = tn.compile(lambda x, w: tnp.tanh(x @ w) @ w + 1.0, backend="llvm")
    x = np.full((4, 4), 1e200)
    for _ in range(3):
        with pytest.warns(RuntimeWarning, match="overflow"):
            made(x, x)
        with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
            made(x, x)
        with np.errstate(over="ignore"):
            made(x, x)


def test_results_are_the_callers() -> None:
    w, b, v, x = arrays((5, 9), (9,), (9, 3), (8, 5))
    made: Any = tn.compile(perceptron, backend="llvm")
    results = [made(w, b, v, x) for _ in range(4)]
    kept = [[part.copy() for part in result] for result in results]
    for part in results[-1]:
        assert part.flags.writeable
        assert part.flags.owndata
        part.fill(0)
    assert_same(results[2], tuple(kept[2]))


def test_where_products_are_blas_it_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "gemm_for", lambda dtype: None)
    check(perceptron, *arrays((5, 9), (9,), (9, 3), (8, 5)))


def test_places_in_memory_are_used_again() -> None:
    arena = Arena()
    first, second = arena.take(100), arena.take(100)
    assert second >= first + 100
    arena.give(first, 100)
    assert arena.take(65) == first
    assert arena.size == 256


def test_the_memory_of_a_long_recurrence_is_that_of_what_is_needed_at_once() -> None:
    def f(w: Array, x: Array) -> Array:
        for _ in range(60):
            x = tnp.tanh(x @ w) * 0.5
        return x

    (stretch,) = stretches_of(f, *arrays((8, 8), (8, 8)))
    program = tn.compile(f).lower(*arrays((8, 8), (8, 8)))
    kernels = {id(x): kernel_of(x, program) for x in stretch.steps if isinstance(x, Region)}
    names = {kernel.text: "kernel0" for kernel in kernels.values() if kernel is not None}
    code = stretch_code.code_of(stretch, program, kernels, names)  # type: ignore[arg-type]  # none is None
    assert code.size <= 4 * 8 * 8 * 8


@needs_products
def test_kernels_of_several_sizes_have_one_text() -> None:
    def f(x: Array, *matrices: Array) -> Any:
        for matrix in matrices:
            x = tnp.tanh(x @ matrix)
        return x

    args = arrays((1, 4), (4, 5), (5, 6), (6, 7))
    program = tn.compile(f).lower(*args)
    regions = [step for stretch in stretches_of(f, *args) for step in stretch.steps if isinstance(step, Region)]
    kernels = [kernel for region in regions if (kernel := kernel_of(region, program)) is not None]
    assert [kernel.columns for kernel in kernels] == [5, 6, 7]
    assert len({kernel.text for kernel in kernels}) == 1
    check(f, *args)
