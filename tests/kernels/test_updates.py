"""The compiled updates of all optimizers give NumPy's numbers, and report NumPy's exceptions."""

from __future__ import annotations

import warnings
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import objects, rows, updates
from tapenet.kernels.formulas import Formula
from tapenet.kernels.updates import FEWEST, update_block, update_leaves
from tapenet.optim.moments import Adam
from tapenet.optim.optimizer import Elementwise

machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytest.importorskip("llvmlite")
pytestmark = [
    pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors"),
    pytest.mark.usefixtures("llvm_backend"),
]

Array = Any
OPTIMIZERS: dict[str, Any] = {
    "adam": tn.optim.adam(1e-2),
    "decay": tn.optim.adam(1e-2, weight_decay=0.1),
    "adamw": tn.optim.adamw(1e-2, weight_decay=0.1),
    "scheduled": tn.optim.adam(lambda step: 0.1 / (1 + step)),
    "sgd": tn.optim.sgd(1e-2),
    "momentum": tn.optim.momentum(1e-2, weight_decay=0.1),
    "nesterov": tn.optim.nesterov(1e-2),
    "rmsprop": tn.optim.rmsprop(1e-2),
    "rmsprop with momentum": tn.optim.rmsprop(1e-2, momentum=0.9),
    "adagrad": tn.optim.adagrad(1e-2),
    "adadelta": tn.optim.adadelta(),
    "lion": tn.optim.lion(1e-2, weight_decay=0.1),
    "rprop": tn.optim.rprop(1e-2),
    "adamax": tn.optim.adamax(1e-2),
    "nadam": tn.optim.nadam(1e-2),
    "radam": tn.optim.radam(1e-2),
}

# (mean, square mean, parameter) of a step without names.
ADAM = OPTIMIZERS["adam"].recorded(0.1, 0)


def by_numpy(call: Any) -> Any:
    """What a call gives where NumPy computes all."""
    before = tn.use_backend("numpy")
    try:
        return call()
    finally:
        tn.use_backend(before)


def steps(optimizer: Any, params: Any, gradients: list[Any], donate: bool) -> list[Any]:
    """The parameters and all that is remembered of them after some steps."""
    params = tn.tree.map(np.copy, params)
    state = optimizer.init(params)
    for gradient in gradients:
        params, state = optimizer.update(gradient, state, params, donate=donate)
    return tn.tree.leaves((params, *state[1:]))


def assert_same(found: Any, expected: Any) -> None:
    for ours, theirs in zip(tn.tree.leaves(found), tn.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)


def test_every_elementwise_optimizer_is_compiled() -> None:
    # By name, as attrs makes classes twice.
    found = {x.__name__ for x in _classes(Elementwise) if x.__module__.startswith("tapenet.")}
    assert {x for x in found if not x.startswith("_")} == {type(x).__name__ for x in OPTIMIZERS.values()}
    assert all(x.recorded(0.1, step) is not None for x in OPTIMIZERS.values() for step in (0, 1, 100))


def _classes(kind: type) -> set[type]:
    return {x for child in kind.__subclasses__() for x in (child, *_classes(child))}


@pytest.mark.parametrize("donate", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_it_gives_numpys_numbers(name: str, dtype: Any, donate: bool) -> None:
    rng = np.random.default_rng(0)
    params, *gradients = (rng.standard_normal(2 * FEWEST + 13).astype(dtype) for _ in range(4))
    found = steps(OPTIMIZERS[name], params, gradients, donate)
    assert_same(found, by_numpy(lambda: steps(OPTIMIZERS[name], params, gradients, donate)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_special_numbers_are_numpys(name: str, dtype: Any) -> None:
    info = np.finfo(dtype)
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal, 1.0]
    params, gradient = (np.resize(np.array(values[i:] + values[:i], dtype), FEWEST + 5) for i in (0, 4))
    with np.errstate(all="ignore"):
        found = steps(OPTIMIZERS[name], params, [gradient, params], False)
        expected = by_numpy(lambda: steps(OPTIMIZERS[name], params, [gradient, params], False))
    assert_same(found, expected)


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


@pytest.mark.parametrize("name", ["lion", "rprop", "adamax"])
def test_nan_meets_no_exception_where_numpy_reports_none(name: str) -> None:
    params, gradient = np.ones(FEWEST, np.float32), np.ones(FEWEST, np.float32)
    gradient[::7] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = steps(OPTIMIZERS[name], params, [gradient, gradient], False)
        assert_same(found, by_numpy(lambda: steps(OPTIMIZERS[name], params, [gradient, gradient], False)))


def test_what_it_does_not_take_is_left_to_numpy() -> None:
    for dtype, size in ((np.float32, 5), (np.float16, FEWEST)):
        arrays = [np.ones(size, dtype) for _ in range(7)]
        assert not update_block(ADAM, arrays[:3], arrays[3:])
    large = [np.ones(FEWEST, np.float32) for _ in range(7)]
    assert update_block(ADAM, large[:3], large[3:])
    assert not update_block(ADAM, large[:3], [*large[3:6], np.ones(2 * FEWEST, np.float32)[::2]])
    assert not by_numpy(lambda: update_block(ADAM, large[:3], large[3:]))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_many_leaves_at_once_get_numpys_numbers(name: str, threads: int) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3 * FEWEST,), (), (0,), (5,), (7, FEWEST // 7), (400, 700), (1,)]
    for dtypes in ([np.float32, np.float32, np.float32, np.float16, np.float64, np.float32, np.float64], [np.float32]):
        kinds = (dtypes * len(shapes))[: len(shapes)]
        params = [np.asarray(rng.standard_normal(s), d) for s, d in zip(shapes, kinds, strict=True)]
        order: Any = "F" if len(dtypes) > 1 else "C"
        gradients = [np.asarray(rng.standard_normal(s), d, order=order) for s, d in zip(shapes, kinds, strict=True)]
        before = tn.set_num_threads(threads)
        try:
            found = [steps(OPTIMIZERS[name], params, [gradients, gradients], donate) for donate in (False, True)]
            expected = by_numpy(lambda params=params, g=gradients: steps(OPTIMIZERS[name], params, [g, g], False))
        finally:
            tn.set_num_threads(before)
        for results in found:
            assert_same(results, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("streamed", [False, True])
def test_bits_do_not_depend_on_where_arrays_begin(dtype: Any, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "STREAMED", 0 if streamed else np.inf)
    updates._plan.cache_clear()
    rng = np.random.default_rng(0)
    sizes = [FEWEST, 0, 1, 7, 31, 64, 1000, FEWEST + 9]
    leaves = []
    for at, size in enumerate(sizes):
        # Results begin with each other, or each elsewhere.
        shifts = [*rng.integers(0, 17, 4), *([at] * 3 if at % 2 else rng.integers(0, 17, 3))]
        arrays = [rng.random(size + 17).astype(dtype)[shift : shift + size] for shift in shifts]
        leaves.append((arrays[4:], arrays[:4]))
    assert update_leaves(ADAM, leaves) == [True] * len(sizes)
    for outputs, (p, g, m, v) in leaves:
        c1, b1, c2, b2, eps, rate = map(dtype, ADAM[1])
        mean, square = m * b1 + g * c1, v * b2 + g * g * c2
        for ours, expected in zip(outputs, (p - mean / (np.sqrt(square) + eps) * rate, mean, square), strict=True):
            np.testing.assert_array_equal(ours, expected)
    updates._plan.cache_clear()


@pytest.mark.parametrize("name", ["adam", "sgd", "momentum"])
def test_results_that_are_written_past_the_caches_are_those_of_a_step_in_place(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "STREAMED", 0)
    updates._plan.cache_clear()
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(size).astype(np.float32) for size in (3 * FEWEST, 100, 2**20 + 3)]
    gradients = [rng.standard_normal(p.shape).astype(np.float32) for p in params]
    expected = steps(OPTIMIZERS[name], params, [gradients], False)
    assert_same(steps(OPTIMIZERS[name], params, [gradients], True), expected)
    updates._plan.cache_clear()


def test_arrays_of_another_layout_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "finds_data", lambda: False)
    arrays = [np.ones(FEWEST) for _ in range(7)]
    assert update_leaves(ADAM, [(arrays[4:], arrays[:4])]) == [False]
    expected = by_numpy(lambda: steps(OPTIMIZERS["adam"], arrays[0], [arrays[1]], False))
    assert_same(steps(OPTIMIZERS["adam"], arrays[0], [arrays[1]], False), expected)
    monkeypatch.setattr(objects, "finds_headers", lambda: False)
    monkeypatch.setattr(rows, "_survey", rows._survey.__wrapped__)
    assert rows.rows_of((arrays[0], arrays[1]), 2) is None
    assert_same(steps(OPTIMIZERS["adam"], arrays[0], [arrays[1]], True), expected)


def test_only_what_may_be_overwritten_is() -> None:
    for size in (100, FEWEST):
        shared, frozen, whole = np.ones(size), np.ones(size), np.ones(size)
        frozen.flags.writeable = False
        params = [shared[: size // 2], frozen, whole, np.ones(size)]
        optimizer = tn.optim.adam(1e-2)
        gradients = [np.ones(size // 2), np.ones(size), np.ones(size), params[3]]
        found, _ = optimizer.update(gradients, optimizer.init(params), params, donate=True)
        assert [ours is given for ours, given in zip(found, params, strict=True)] == [False, False, True, False]
        np.testing.assert_array_equal(np.concatenate([shared, frozen, params[3]]), 1)


def test_a_parameter_that_comes_twice_is_not_overwritten() -> None:
    twice = np.ones(FEWEST)
    optimizer = tn.optim.momentum(0.5)
    params, state = [twice, twice], optimizer.init([twice, twice])
    found, new = optimizer.update([np.ones(FEWEST)] * 2, state, params, donate=True)
    np.testing.assert_array_equal(twice, 1.0)
    for x in found:
        np.testing.assert_array_equal(x, 0.5)
    assert all(x is y for x, y in zip(new.velocity, state.velocity, strict=True))


def test_gradients_in_memory_that_others_own_are_not_overwritten() -> None:
    params = np.ones(FEWEST)
    optimizer = tn.optim.sgd(0.5)
    found, _ = optimizer.update(np.frombuffer(memoryview(params)), optimizer.init(params), params, donate=True)
    np.testing.assert_array_equal(params, 1.0)
    np.testing.assert_array_equal(found, 0.5)


@attrs.frozen
class Doubled(Elementwise):
    """A rule of one's own that no code is made of."""

    name = "doubled"
    state_type = type(tn.optim.sgd().init(1.0))

    def rule(self, parameter: Array, gradient: Array, *, rate: Any, step: int) -> tuple[Array, ...]:
        return (np.where(gradient > 0, parameter - rate * gradient, parameter),)


@attrs.frozen
class Halved(Adam):
    """A rule of one's own that is made of another."""

    def write_change(self, scratch: Array, mean: Array, square_mean: Array, rate: Any, step: int) -> None:
        super().write_change(scratch, mean, square_mean, rate, step)
        np.multiply(scratch, 0.5, out=scratch)


def test_rules_of_ones_own_are_compiled_or_left_to_numpy() -> None:
    rng = np.random.default_rng(0)
    params, gradient = rng.standard_normal((2, FEWEST))
    assert Doubled(0.5).recorded(0.5, 0) is None
    halved = Halved(0.5, 0.9, 0.99, 1e-8, 0.0)
    assert halved.recorded(0.5, 0) is not None
    for optimizer in (Doubled(0.5), halved):
        expected = by_numpy(lambda own=optimizer: steps(own, params, [gradient], False))
        assert_same(steps(optimizer, params, [gradient], True), expected)


@pytest.mark.parametrize("name", ["adam", "decay", "adamw", "scheduled"])
def test_numbers_of_adam_are_those_that_are_recorded(name: str) -> None:
    optimizer = OPTIMIZERS[name]
    for step in (0, 5):
        assert optimizer.recorded(0.2, step) == Elementwise.recorded(optimizer, 0.2, step)


def test_every_function_of_formulas_is_numpys() -> None:
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.0]
    x, y = (
        np.concatenate([np.tile(special, 8) if i else np.repeat(special, 8), rng.normal(size=FEWEST)]) for i in (0, 1)
    )
    cases: dict[str, Any] = {"sqrt": np.sqrt, "negative": np.negative, "absolute": np.absolute, "sign": np.sign}
    cases |= {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}
    cases |= {"maximum": np.maximum, "minimum": np.minimum}
    for dtype in (np.float32, np.float64):
        arrays = [x.astype(dtype), y.astype(dtype)]
        for name, function in cases.items():
            operands = (0, 1)[: function.nin]
            for given in {operands, (0, -1)[: function.nin]}:
                out = np.empty_like(arrays[0])
                values = [arrays[i] if i >= 0 else 0.5 for i in given]
                with np.errstate(all="ignore"):
                    assert update_block((Formula(2, ((name, given),), (2,)), (0.5,)), [out], arrays)
                    np.testing.assert_array_equal(out, function(*values), err_msg=name)
