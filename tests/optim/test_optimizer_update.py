"""What `init` and `update` promise whatever the rule: structure, dtype, purity, and any kind of array."""

import pickle
from typing import NamedTuple

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.lib.mixins import NDArrayOperatorsMixin

from tapenet.core.pytrees import tree_flatten, tree_leaves, tree_map
from tapenet.optim import Optimizer, adam, rmsprop, sgd
from tests.samples.drawing import numbers

INEXACT = ["float16", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble"]
STATE_DTYPES = {"float16": "float32"}


def arrays_in(*trees):
    return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, np.ndarray)]


# ---- structure ----


class Layer(NamedTuple):
    weight: object
    bias: object


@attrs.frozen
class Model:
    layers: tuple
    scale: object


def test_structures_come_back(optimizer):
    model = Model((Layer(np.ones((2, 3)), None), {"b": [np.ones(3)], "a": ()}), np.float32(1))
    state = optimizer.init(model)
    updated, state = optimizer.update(model, state, model)
    assert type(updated) is Model
    assert tree_flatten(updated)[1] == tree_flatten(model)[1]
    assert all(tree_flatten(slot)[1] == tree_flatten(model)[1] for slot in state[1:])
    assert updated.layers[0].bias is None
    assert type(state.step) is int
    assert state.step == 1


@pytest.mark.parametrize("params", [{}, [], (), None, {"a": None, "b": []}], ids=str)
def test_empty_trees(optimizer, params):
    updated, state = optimizer.update(params, optimizer.init(params), params)
    assert updated == params
    assert all(slot == params for slot in state[1:])
    assert state.step == 1


def test_the_state_is_a_pytree(optimizer, rng):
    """One that was mapped over, or stored as arrays, carries on where it was."""
    params, gradient = rng.normal(size=3), rng.normal(size=3)
    _, state = optimizer.update(gradient, optimizer.init(params), params)
    stored = tree_map(np.array, state)
    assert type(stored) is type(state)
    expected, _ = optimizer.update(gradient, state, params)
    actual, _ = optimizer.update(gradient, stored, params)
    assert actual.dtype == np.float64
    np.testing.assert_array_equal(actual, expected)


def test_an_optimizer_is_a_value(optimizer, case):
    assert isinstance(optimizer, Optimizer)
    assert optimizer == case.optimizer
    assert hash(optimizer) == hash(case.optimizer)
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        optimizer.weight_decay = 1.0


def test_rmsprop_keeps_a_velocity_only_with_momentum():
    assert rmsprop().init(1.0)._fields == ("step", "square_mean")
    assert rmsprop(momentum=0.5).init(1.0)._fields == ("step", "square_mean", "velocity")


# ---- dtype ----


@pytest.mark.parametrize("dtype", INEXACT)
@pytest.mark.parametrize("gradient_dtype", ["float32", "float64", None])
def test_dtypes_stay(optimizer, dtype, gradient_dtype):
    optimizer = attrs.evolve(optimizer, learning_rate=lambda step: np.float64(0.1))
    params = np.ones((2, 3), dtype)
    gradient = np.full((2, 3), 0.5, gradient_dtype or dtype)
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.update(gradient, state, params)
        assert params.dtype == np.dtype(dtype)
        assert all(slot.dtype == STATE_DTYPES.get(dtype, np.dtype(dtype)) for slot in state[1:])
    assert np.all(params != 1)


@pytest.mark.parametrize("learning_rate", [np.float64(0.1), np.array(0.1), 1, np.float32(0.5)], ids=repr)
def test_a_learning_rate_does_not_widen(learning_rate):
    params, _ = sgd(learning_rate).update(np.float32(1), sgd().init(np.float32(1)), np.float32(1))
    assert type(params) is np.float32
    assert params == np.float32(1 - float(learning_rate))


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        (1.0, np.float64),
        (1j, np.complex128),
        (np.float16(1), np.float16),
        (np.float32(1), np.float32),
        (np.complex64(1j), np.complex64),
        (np.array(1, np.float32), np.ndarray),
    ],
)
def test_scalars_keep_their_type(optimizer, leaf, kind):
    updated, state = optimizer.update(leaf, optimizer.init(leaf), leaf)
    assert type(updated) is kind
    assert updated.dtype == np.asarray(leaf).dtype
    assert np.shape(updated) == ()
    assert all(slot.shape == () for slot in state[1:])
    again, _ = optimizer.update(leaf, state, updated)
    assert type(again) is kind


def test_half_precision_neither_overflows_nor_divides_by_zero(optimizer):
    """1e-4 squared, and eps, are zero in float16; a gradient of zero must leave a quotient of zero."""
    params = np.ones(3, np.float16)
    gradient = np.array([0, 1e-4, 100], np.float16)
    state = optimizer.init(params)
    reference, reference_state = params.astype(np.float64), optimizer.init(params.astype(np.float64))
    for _ in range(3):
        params, state = optimizer.update(gradient, state, params)
        reference, reference_state = optimizer.update(gradient, reference_state, reference)
    np.testing.assert_allclose(params, reference, rtol=3e-3, atol=3e-3)


def test_byte_order_stays(optimizer):
    params = np.ones(3, ">f4")
    updated, _ = optimizer.update(params, optimizer.init(params), params)
    assert updated.dtype == np.dtype(">f4")
    np.testing.assert_array_equal(updated, optimizer.update(params, optimizer.init(params), params.astype("<f4"))[0])


# ---- purity ----


@pytest.mark.parametrize("dtype", INEXACT)
def test_nothing_is_changed_or_shared(optimizer, dtype):
    params = {"a": np.ones((3, 2), dtype), "b": [np.full(4, 2, dtype), np.array(3, dtype)]}
    gradients = tree_map(lambda leaf: leaf * 2, params)
    state = optimizer.init(params)
    for _ in range(3):
        arrays = arrays_in(gradients, state, params)
        copies = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        updated, new_state = optimizer.update(gradients, state, params)
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)
        fresh = arrays_in(updated, new_state)
        for i, array in enumerate(fresh):
            assert array.flags.writeable
            assert not any(np.shares_memory(array, other) for other in [*arrays, *fresh[:i]])
        params, state = updated, new_state


def test_the_arrays_of_a_new_state_are_apart(optimizer):
    arrays = arrays_in(optimizer.init({"a": np.ones(3), "b": np.ones(3)}))
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[:i])


def test_a_step_can_be_taken_again(optimizer, rng):
    params, gradient = rng.normal(size=4), rng.normal(size=4)
    _, state = optimizer.update(gradient, optimizer.init(params), params)
    first, first_state = optimizer.update(gradient, state, params)
    again, again_state = optimizer.update(gradient, state, params)
    np.testing.assert_array_equal(first, again)
    assert first_state.step == again_state.step == 2


# ---- layout and size ----


@settings(max_examples=50, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    order=st.sampled_from("CF"),
    reverse=st.booleans(),
    data=st.data(),
)
def test_memory_layout_makes_no_difference(shape, order, reverse, data):
    optimizer = adam(0.1, weight_decay=0.1)
    params, gradient = (np.asarray(numbers(data.draw, shape, start=start)) for start in (0, 100))
    expected, _ = optimizer.update(gradient, optimizer.init(params), params)
    params, gradient = (np.array(array, order=order) for array in (params, gradient))
    if reverse:
        flipped = (slice(None, None, -1),) * len(shape)
        params, gradient = (np.array(array[flipped])[flipped] for array in (params, gradient))
    actual, _ = optimizer.update(gradient, optimizer.init(params), params)
    assert np.shape(actual) == shape
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex128"])
def test_blocks_make_no_difference(optimizer, monkeypatch, rng, dtype):
    params, gradient = (rng.normal(size=(7, 11)).astype(dtype) for _ in range(2))
    state = optimizer.init(params)
    expected, expected_state = optimizer.update(gradient, state, params)
    monkeypatch.setattr("tapenet.optim.leafwise.BLOCK_BYTES", 80)
    actual, actual_state = optimizer.update(gradient, state, params)
    np.testing.assert_array_equal(actual, expected)
    for slot, expected_slot in zip(actual_state[1:], expected_state[1:], strict=True):
        np.testing.assert_array_equal(slot, expected_slot)


def test_a_broadcast_gradient():
    params = np.ones((2, 3))
    updated, _ = sgd(0.5).update(np.broadcast_to(2.0, (2, 3)), sgd().init(params), params)
    np.testing.assert_array_equal(updated, np.zeros((2, 3)))


# ---- donated memory ----


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_a_donated_update_is_the_pure_one_in_the_memory_of_the_old_state(optimizer, rng, dtype):
    params, *gradients = (rng.normal(size=(7, 11)).astype(dtype) for _ in range(4))
    state = optimizer.init(params)
    donated, donated_state = params.copy(), optimizer.init(params)
    for gradient in gradients:
        kept = gradient.copy()
        params, state = optimizer.update(gradient, state, params)
        before = donated, *donated_state[1:]
        donated, donated_state = optimizer.update(gradient, donated_state, donated, donate=True)
        assert all(new is old for new, old in zip((donated, *donated_state[1:]), before, strict=True))
        for mine, theirs in zip((donated, *donated_state[1:]), (params, *state[1:]), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(gradient, kept)


def read_only(x):
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "guarded",
    [
        lambda x: (x.T, x.T.copy()),  # a view
        lambda x: (x, x[:]),  # the gradient is a view, here of the parameter
        lambda x: (np.asfortranarray(x), x.copy()),
        lambda x: (read_only(x), x.copy()),
        lambda x: (x, x),
        lambda x: (x, np.frombuffer(bytearray(x)).reshape(x.shape)),  # the gradient is in memory not of NumPy's
    ],
)
def test_memory_that_others_may_hold_is_not_taken(optimizer, rng, guarded):
    params, gradient = guarded(rng.normal(size=(3, 4)))
    kept = params.copy(), gradient.copy()
    expected, _ = optimizer.update(gradient, optimizer.init(params), params)
    updated, _ = optimizer.update(gradient, optimizer.init(params), params, donate=True)
    np.testing.assert_array_equal(updated, expected)
    np.testing.assert_array_equal(params, kept[0])
    np.testing.assert_array_equal(gradient, kept[1])


def test_an_array_that_comes_twice_is_not_overwritten(optimizer, rng):
    shared, gradient = rng.normal(size=5), rng.normal(size=5)
    params, gradients = [shared, shared, np.ones(())], [gradient, 2 * gradient, 1.0]
    kept = shared.copy()
    expected, _ = optimizer.update(gradients, optimizer.init(params), params)
    updated, _ = optimizer.update(gradients, optimizer.init(params), params, donate=True)
    for mine, theirs in zip(updated, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(shared, kept)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_make_no_difference(optimizer, rng, monkeypatch, threads):
    params = [rng.normal(size=100), rng.normal(size=(2, 3)), 1.0]
    gradients = [rng.normal(size=100), rng.normal(size=(2, 3)), 2.0]
    expected, _ = optimizer.update(gradients, optimizer.init(params), params)
    monkeypatch.setattr("tapenet.optim.leafwise.BLOCK_BYTES", 80)
    monkeypatch.setattr("tapenet.kernels.threads.num_threads", lambda: threads)
    monkeypatch.setattr("tapenet.kernels.threads.WORTH_SHARING", 1)
    updated, _ = optimizer.update(gradients, optimizer.init(params), params)
    for mine, theirs in zip(updated, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


# ---- arrays that are not NumPy's ----


class Wrapped(NDArrayOperatorsMixin):
    """An immutable array that computes by NumPy's protocols only, and refuses to be converted."""

    def __init__(self, value):
        self._value = value

    shape = property(lambda self: self._value.shape)
    dtype = property(lambda self: self._value.dtype)
    real = property(lambda self: Wrapped(self._value.real))
    imag = property(lambda self: Wrapped(self._value.imag))

    def astype(self, dtype):
        return Wrapped(self._value.astype(dtype))

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("converted")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        assert method == "__call__"
        assert not options
        return Wrapped(np.asarray(ufunc(*map(unwrapped, inputs))))

    def __array_function__(self, function, types, args, options):
        assert function is np.zeros_like
        return function(*map(unwrapped, args), **options)


def unwrapped(x):
    return x._value if isinstance(x, Wrapped) else x


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("which", ["params", "gradient", "learning_rate", "all"])
def test_other_arrays_by_arithmetic_alone(optimizer, rng, dtype, which):
    start, *gradients = (rng.normal(size=(2, 3)) for _ in range(4))
    if np.dtype(dtype).kind == "c":
        start, *gradients = (array + 1j * rng.normal(size=(2, 3)) for array in (start, *gradients))
    params = expected = start.astype(dtype)
    state = expected_state = optimizer.init(params)
    rate = Wrapped(np.array(0.1)) if which in ("learning_rate", "all") else 0.1
    optimizer, reference = (
        attrs.evolve(optimizer, learning_rate=rate),
        attrs.evolve(optimizer, learning_rate=0.1),
    )
    if which in ("params", "all"):
        params = Wrapped(params)
        state = optimizer.init(params)
    for gradient in gradients:
        given_gradient = Wrapped(gradient) if which in ("gradient", "all") else gradient
        params, state = optimizer.update(given_gradient, state, params)
        expected, expected_state = reference.update(gradient, expected_state, expected)
        assert isinstance(params, Wrapped)
        assert params.dtype == np.dtype(dtype)
        tolerance = {"float16": 1e-3, "float32": 1e-6, "complex64": 1e-6}.get(dtype, 1e-13)
        np.testing.assert_allclose(unwrapped(params), expected, rtol=tolerance, atol=tolerance)
        for slot, expected_slot in zip(state[1:], expected_state[1:], strict=True):
            assert slot.dtype == expected_slot.dtype
            np.testing.assert_allclose(unwrapped(slot), expected_slot, rtol=1e-6, atol=1e-6)
