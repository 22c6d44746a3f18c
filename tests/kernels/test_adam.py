"""The compiled step of Adam gives NumPy's bits, and reports NumPy's exceptions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import adam
from tapenet.kernels.adam import FEWEST, Numbers, take_step

machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytest.importorskip("llvmlite")
pytestmark = [
    pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors"),
    pytest.mark.usefixtures("llvm_backend"),
]

Array = Any
OPTIMIZERS = {
    "adam": tn.optim.adam(1e-2),
    "decay": tn.optim.adam(1e-2, weight_decay=0.1),
    "adamw": tn.optim.adamw(1e-2, weight_decay=0.1),
    "scheduled": tn.optim.adam(lambda step: 0.1 / (1 + step)),
}


def steps(optimizer: Any, params: Array, gradients: list[Array], donate: bool) -> list[Array]:
    """The parameter and both means after some steps."""
    params = params.copy()
    state = optimizer.init(params)
    for gradient in gradients:
        params, state = optimizer.update(gradient, state, params, donate=donate)
    return [params, state.mean, state.square_mean]


@pytest.mark.parametrize("donate", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_it_gives_numpys_bits(name: str, dtype: Any, donate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    params, *gradients = (rng.standard_normal(2 * FEWEST + 13).astype(dtype) for _ in range(4))
    found = steps(OPTIMIZERS[name], params, gradients, donate)
    monkeypatch.setattr(adam, "FEWEST", np.inf)
    for ours, expected in zip(found, steps(OPTIMIZERS[name], params, gradients, donate), strict=True):
        np.testing.assert_array_equal(ours, expected)
        assert ours.dtype == expected.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_numbers_are_numpys(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    info = np.finfo(dtype)
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal, 1.0]
    params, gradient = (np.resize(np.array(values[i:] + values[:i], dtype), FEWEST + 5) for i in (0, 4))
    with np.errstate(all="ignore"):
        found = steps(OPTIMIZERS["decay"], params, [gradient, params], False)
        monkeypatch.setattr(adam, "FEWEST", np.inf)
        expected = steps(OPTIMIZERS["decay"], params, [gradient, params], False)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_exceptions_are_reported_as_numpys() -> None:
    params, gradient = np.ones(FEWEST, np.float32), np.ones(FEWEST, np.float32)
    optimizer = tn.optim.adam(1e-2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps(optimizer, params, [gradient], False)
    gradient[-1] = 1e30
    with pytest.warns(RuntimeWarning, match="overflow"):
        steps(optimizer, params, [gradient], False)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        steps(optimizer, params, [gradient], False)
    gradient[-1] = np.inf
    with pytest.warns(RuntimeWarning, match="invalid"):
        steps(optimizer, params, [gradient], False)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        steps(tn.optim.adam(1e-2, eps=0.0), params, [np.zeros_like(params)], False)


def test_what_it_does_not_take_is_left_to_numpy() -> None:
    numbers = Numbers(0.0, 1.0, 0.9, 0.1, 0.99, 0.01, 1e-8, 0.1)
    for dtype, size in ((np.float32, 5), (np.float16, FEWEST)):
        arrays = [np.ones(size, dtype) for _ in range(7)]
        assert not take_step(arrays[:3], arrays[3:], numbers)
    large = [np.ones(FEWEST, np.float32) for _ in range(7)]
    assert take_step(large[:3], large[3:], numbers)
    double = Numbers(0.0, 1.0, 0.9, 0.1, 0.99, 0.01, 1e-8, np.float64(0.1))
    assert not take_step(large[:3], large[3:], double)
    assert not take_step(large[:3], [*large[3:6], np.ones(2 * FEWEST, np.float32)[::2]], numbers)
    before = tn.use_backend("numpy")
    try:
        assert not take_step(large[:3], large[3:], numbers)
    finally:
        tn.use_backend(before)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_many_leaves_at_once_get_numpys_bits(name: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3 * FEWEST,), (), (0,), (5,), (7, FEWEST // 7), (400, 700), (1,)]
    dtypes = [np.float32, np.float32, np.float32, np.float16, np.float64, np.float32, np.float64]
    params = [np.asarray(rng.standard_normal(s), d) for s, d in zip(shapes, dtypes, strict=True)]
    gradients = [np.asarray(rng.standard_normal(s), d, order="F") for s, d in zip(shapes, dtypes, strict=True)]
    before = tn.set_num_threads(threads)
    try:
        optimizer = OPTIMIZERS[name]
        found = optimizer.update(gradients, optimizer.init(params), params)
        monkeypatch.setattr(adam, "FEWEST", np.inf)
        expected = optimizer.update(gradients, optimizer.init(params), params)
    finally:
        tn.set_num_threads(before)
    for ours, theirs in zip(tn.tree.leaves(found), tn.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("streamed", [False, True])
def test_bits_do_not_depend_on_where_arrays_begin(dtype: Any, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam, "STREAMED", 0 if streamed else np.inf)
    numbers = Numbers(0.0, 1.0, 0.9, 0.1, 0.99, 0.01, 1e-8, 0.1)
    rng = np.random.default_rng(0)
    sizes = [FEWEST, 0, 1, 7, 31, 64, 1000, FEWEST + 9]
    leaves = []
    for at, size in enumerate(sizes):
        # Results begin with each other, or each elsewhere.
        shifts = [*rng.integers(0, 17, 4), *([at] * 3 if at % 2 else rng.integers(0, 17, 3))]
        arrays = [rng.random(size + 17).astype(dtype)[shift : shift + size] for shift in shifts]
        leaves.append((arrays[4:], arrays[:4]))
    assert adam.take_steps(leaves, numbers) == [True] * len(sizes)
    for outputs, (p, g, m, v) in leaves:
        b1, c1, b2, c2, eps, rate = map(dtype, (0.9, 0.1, 0.99, 0.01, 1e-8, 0.1))
        mean, square = m * b1 + g * c1, v * b2 + g * g * c2
        for ours, expected in zip(outputs, (p - mean / (np.sqrt(square) + eps) * rate, mean, square), strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_results_that_are_written_past_the_caches_are_those_of_a_step_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam, "STREAMED", 0)
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(size).astype(np.float32) for size in (3 * FEWEST, 100, 2**20 + 3)]
    gradients = [rng.standard_normal(p.shape).astype(np.float32) for p in params]
    optimizer = tn.optim.adam(1e-2)
    expected = optimizer.update(gradients, optimizer.init(params), params)
    found = optimizer.update(gradients, optimizer.init(params), [p.copy() for p in params], donate=True)
    for ours, theirs in zip(tn.tree.leaves(found), tn.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_arrays_of_another_layout_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam, "finds_data", lambda: False)
    numbers = Numbers(0.0, 1.0, 0.9, 0.1, 0.99, 0.01, 1e-8, 0.1)
    arrays = [np.ones(FEWEST) for _ in range(7)]
    assert adam.take_steps([(arrays[4:], arrays[:4])], numbers) == [False]


def test_only_what_may_be_overwritten_is() -> None:
    shared, frozen, whole = np.ones(100), np.ones(100), np.ones(100)
    frozen.flags.writeable = False
    params = [shared[:50], frozen, whole, np.ones(100)]
    optimizer = tn.optim.adam(1e-2)
    gradients = [np.ones(50), np.ones(100), np.ones(100), params[3]]
    found, _ = optimizer.update(gradients, optimizer.init(params), params, donate=True)
    assert [ours is given for ours, given in zip(found, params, strict=True)] == [False, False, True, False]
    np.testing.assert_array_equal(np.concatenate([shared, frozen, params[3]]), 1)
