"""Closed products: the same answers as one by one, in no more steps, whatever the blocks, threads and operands."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.kernels.gemm import gemm_for
from tapenet.program.backends import llvm_code
from tapenet.program.backends.llvm import closed_code
from tapenet.program.backends.llvm.kernel_code import can_join
from tapenet.program.fusion import closing, stretches
from tapenet.program.fusion.closing import Closed, blocks_of
from tests.program.comparing import assert_same, compiled_quietly

pytest.importorskip("llvmlite")

Array = Any

pytestmark = [
    pytest.mark.skipif(gemm_for(np.dtype("f")) is None, reason="products are BLAS's on this processor"),
    pytest.mark.usefixtures("small_blocks"),
]

ACTIVATIONS = {
    "relu": tn.nn.relu,
    "tanh": tnp.tanh,
    "sin": tnp.sin,
    "sigmoid": tn.nn.sigmoid,
    "silu": tn.nn.silu,
    "none": lambda x: x,
    "scaled": lambda x: tnp.maximum(2.5 * x, x) - 1,
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Close small products too, in many small blocks."""
    for module in (closing, stretches):
        monkeypatch.setattr(module, "LARGEST_PRODUCT", 64)
    monkeypatch.setattr(closing, "BLOCK_BYTES", 2**12)
    monkeypatch.setattr(closed_code, "WORTH_SHARING", 2**9)
    before = tn.set_num_threads(3)
    yield
    tn.set_num_threads(before)


def opened(program: Any) -> Any:
    return closing.opened(program, functools.partial(can_join, program))


def closed_steps(f: Any, *args: Array) -> list[Closed]:
    made = tn.compile(f, backend="llvm")
    program = opened(made.lower(*args))
    return [step for step in llvm_code._Code.of(program).steps if isinstance(step, Closed)]


def layers(params: Any, x: Array, activation: Any) -> Array:
    for kernel, bias in params:
        x = activation(tn.nn.dense(x, kernel, bias))
    return x


def network(dtype: Any, widths: list[int], count: int) -> tuple[Any, Array]:
    rng = np.random.default_rng(sum(widths) + count)
    params = [
        ((rng.normal(size=(a, b)) / math.sqrt(a)).astype(dtype), rng.normal(size=b).astype(dtype))
        for a, b in itertools.pairwise(widths)
    ]
    return params, rng.normal(size=(count, widths[0])).astype(dtype)


def check(f: Any, *args: Array, scale: float = 2**8) -> None:
    expected = f(*args)
    for found in compiled_quietly(f, *[args] * 3, backend="llvm")[1]:
        assert_same(found, expected, scale=scale, floor=1.0)


SIZES = st.sampled_from([1, 2, 7, 16, 17, 48, 50, 63, 100, 131])


@settings(max_examples=12, deadline=None)
@given(
    st.lists(SIZES, min_size=3, max_size=4),
    SIZES,
    st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from([np.float32, np.float64]),
)
def test_networks_and_their_gradients(widths: list[int], count: int, name: str, dtype: Any) -> None:
    params, x = network(dtype, widths, count)
    activation = ACTIVATIONS[name]

    def loss(params: Any, x: Array) -> Array:
        return tnp.mean(layers(params, x, activation) ** 2)

    check(tn.value_and_grad(loss), params, x)
    check(tn.value_and_grad(loss, argnums=1), params, x)


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_bias_the_activation_and_their_gradients_are_closed(name: str) -> None:
    params, x = network(np.float32, [40, 50, 60, 30], 70)

    def loss(params: Any, x: Array) -> Array:
        return tnp.sum(layers(params, x, ACTIVATIONS[name]) ** 2)

    steps = closed_steps(tn.value_and_grad(loss), params, x)
    forward = [step for step in steps if "add" in [x.name for x in step.region.instructions]]
    assert len(forward) == 3
    assert sum(len(step.sums) for step in steps) == 2  # of all layers but the last, whose cotangent no product gives
    assert all(step.product.out not in step.outputs for step in forward)


def test_there_are_never_more_steps() -> None:
    params, x = network(np.float64, [40, 50, 60], 70)
    made = tn.compile(tn.grad(lambda p, x: tnp.sum(layers(p, x, tnp.tanh))), backend="llvm")
    program = made.lower(params, x)
    steps = llvm_code._Code.of(opened(program)).steps
    assert len(steps) < len(llvm_code._Code.of(program).steps) - 1


def test_a_product_that_others_read_is_kept() -> None:
    (kernel, bias), *_ = network(np.float32, [40, 50], 1)[0]
    x = np.random.default_rng(0).random((30, 40), np.float32)

    def f(x: Array) -> Any:
        y = x @ kernel
        return y, tnp.tanh(y + bias), y.T @ y, tnp.sum(tnp.tanh(y + bias), axis=0, keepdims=True)

    check(f, x)
    (step, *_) = closed_steps(f, x)
    assert step.product.out in step.outputs


def test_operands_in_any_memory_order() -> None:
    rng = np.random.default_rng(0)
    x, kernel, mask = (np.asfortranarray(rng.random(shape)) for shape in ((70, 40), (40, 50), (70, 50)))
    check(lambda x, k, m: tnp.exp(x @ k) * m, x, kernel, mask)
    check(lambda x, k, m: tnp.exp(x @ k) * m, x[::-1], kernel[:, ::-1], mask[::2, ::2].repeat(2, 0).repeat(2, 1))
    check(lambda x, k, b: tnp.exp(x @ k + b), np.broadcast_to(x[:1], x.shape), kernel, np.ones((70, 1)))


def test_values_that_are_needed_later_are_waited_for() -> None:
    rng = np.random.default_rng(0)
    x, kernel = rng.random((60, 60)), rng.random((60, 60))

    def f(x: Array, kernel: Array) -> Any:
        y = x @ kernel
        return tnp.tanh(y) * (y @ kernel)  # the region reads another product that comes later

    check(f, x, kernel)


def test_arguments_out_of_a_kernels_range_are_numpys() -> None:
    x = np.full((40, 40), 1e4, np.float32)
    x[7, 9] = 1e30
    check(lambda x: tnp.sin(x @ np.eye(40, dtype=np.float32)), x)


def test_what_is_not_finite_and_its_warnings() -> None:
    x, kernel = np.ones((60, 60), np.float32), np.ones((60, 60), np.float32)
    f: Any = tn.compile(lambda x, k: tnp.maximum(x @ k + 1, 0), backend="llvm")
    f(x, kernel)
    x[3] = 3e38
    with pytest.warns(RuntimeWarning, match="overflow"):
        found = f(x, kernel)
    assert np.isinf(found[3]).all()
    x[3], x[5, 5] = 1, np.nan
    assert np.isnan(f(x, kernel)[5]).all()


def test_the_bits_are_the_same_for_any_number_of_threads() -> None:
    params, x = network(np.float32, [90, 130, 110], 120)
    f: Any = tn.compile(tn.grad(lambda p, x: tnp.sum(layers(p, x, tnp.tanh) ** 2)), backend="llvm")
    found = set()
    for _ in range(2):  # as it is recorded
        f(params, x)
    for count in (3, 1, 2, 8):
        tn.set_num_threads(count)
        found.add(b"".join(a.tobytes() for a in tn.tree.leaves(f(params, x))))
    tn.set_num_threads(3)
    assert len(found) == 1


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.booleans(), st.sampled_from([16, 48]))
def test_blocks_cover_a_product_once(rows: int, columns: int, parts: int, by_columns: bool, unit: int) -> None:
    hits = np.zeros((rows, columns), int)
    found = blocks_of(rows, columns, 4, parts, (8, unit), by_columns)
    assert len(found) <= parts
    for top, bottom, left, right in (block for part in found for block in part):
        hits[top:bottom, left:right] += 1
        assert right - left == columns if not by_columns else right - left >= min(unit, columns)
    assert (hits == 1).all()


# ---- convolutions ----


def images(dtype: Any, channels: int, features: int) -> list[Array]:
    rng = np.random.default_rng(0)
    shapes = (9, 13, 12, channels), (3, 3, channels, features), (features,)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(
    ("dtype", "features", "padding", "name"),
    [
        (np.float32, 8, 0, "relu"),
        (np.float64, 8, ((0, 2), (1, 0)), "sin"),
        (np.float32, 24, 1, "sin"),
        (np.float64, 24, 0, "relu"),
        (np.float32, 24, ((0, 2), (1, 0)), "relu"),
        (np.float32, 64, 1, "relu"),
        (np.float64, 64, 0, "sin"),
    ],
)
def test_convolutions_and_their_gradients(dtype: Any, features: int, padding: Any, name: str) -> None:
    x, kernel, bias = images(dtype, 5 if features < 64 else 64, features)
    inner = tnp.ones((3, 3, features, features), dtype) / 100

    def loss(x: Array, kernel: Array, bias: Array) -> Array:
        y = ACTIVATIONS[name](tn.nn.conv(x, kernel, bias, padding=padding))
        return tnp.mean(tn.nn.conv(y, inner, padding=padding) ** 2)

    f = tn.value_and_grad(loss, argnums=(0, 1, 2))
    check(f, x, kernel, bias)
    found = [step.product.name for step in closed_steps(f, x, kernel, bias)]
    assert found.count("conv") >= 1
    assert "conv_input" in found


def test_a_convolution_that_pools_read_keeps_its_bias() -> None:
    x, kernel, bias = images(np.float32, 5, 8)
    made = tn.compile(lambda *a: tn.nn.max_pool(tn.nn.conv(*a), 2), backend="llvm")
    program = made.lower(x, kernel, bias)
    assert opened(program) is program


def test_rows_out_of_a_kernels_range_are_numpys() -> None:
    x, kernel, bias = images(np.float32, 5, 8)
    x[4, 5, 6] = 1e30
    check(lambda x, k, b: tnp.cos(tn.nn.conv(x, k, b)), x, kernel, bias)


# ---- memory ----


@pytest.mark.parametrize(("columns", "made"), [(64, 1), (65, 2)])
def test_whole_vectors_are_written_to_the_memory_of_their_product(
    columns: int, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((60, 40), (40, columns)))
    f: Any = tn.compile(lambda x, k: tnp.sin(x @ k) * 2 + 1, backend="llvm")
    f(x, kernel)  # records
    first = f(x, kernel)
    shapes: list[Any] = []

    def empty(shape: Any, dtype: Any) -> Array:
        shapes.append(shape)
        return np.empty(shape, dtype)

    monkeypatch.setattr(closed_code, "empty", empty)
    second = f(x, kernel)
    assert shapes == [(60, columns)] * made
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, second)


def test_a_product_that_is_a_result_keeps_its_memory() -> None:
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=(64, 64)) for _ in range(2))

    def f(x: Array, kernel: Array) -> Any:
        y = x @ kernel
        return y, tnp.sin(y) * 2

    check(f, x, kernel)


def test_what_a_convolution_met_is_reported_though_its_region_is_written_over_it() -> None:
    x, kernel, bias = images(np.float32, 5, 16)
    x[4, 5, 6], kernel[1, 1] = np.inf, 0

    def f(x: Array, kernel: Array, bias: Array) -> Array:
        y = tn.nn.conv(x, kernel, bias)
        return tnp.where(tnp.isnan(y), 0, y)

    made: Any = tn.compile(f, backend="llvm")
    with np.errstate(all="ignore"):
        assert [step.product.name for step in closed_steps(f, x, kernel, bias)] == ["conv"]
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            found = made(x, kernel, bias)
        with np.errstate(all="ignore"):
            assert_same(found, f(x, kernel, bias))
