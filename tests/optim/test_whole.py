"""Optimizers of whole leaves: PyTorch's Adafactor, dtypes, structures, Tensors, complex parameters and errors."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet import optim
from tapenet.core.pytrees import tree_flatten, tree_map
from tapenet.errors import ArgumentError, ArgumentTypeError

BOTH = pytest.mark.parametrize("optimizer", [optim.lamb(0.1, weight_decay=0.1), optim.adafactor(0.1, weight_decay=0.1)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (4, 3), (2, 4, 3), (1, 1), (2, 1, 3, 2)])
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({}, {}),
        (
            {"learning_rate": 0.3, "b2_power": -0.5, "eps": 1e-4, "min_scale": 0.1, "clip": 1.1, "weight_decay": 0.1},
            {"lr": 0.3, "beta2_decay": -0.5, "eps": (1e-4, 0.1), "d": 1.1, "weight_decay": 0.1},
        ),
    ],
)
def test_adafactor_is_that_of_torch(rng, dtype, shape, mine, theirs):
    torch = pytest.importorskip("torch")
    params = np.asarray(rng.normal(size=shape), dtype)
    tensor = torch.tensor(params)
    optimizer, reference = optim.adafactor(**mine), torch.optim.Adafactor([tensor], **theirs)
    state = optimizer.init(params)
    for _ in range(10):
        gradient = np.asarray(rng.normal(size=shape), dtype)
        tensor.grad = torch.tensor(gradient)
        reference.step()
        params, state = optimizer.update(gradient, state, params)
        tolerance = 2e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(params, tensor.numpy(), rtol=tolerance, atol=tolerance)


@BOTH
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_structures_and_dtypes_stay(optimizer, dtype):
    params = {"a": np.ones((3, 2), dtype), "b": [np.ones(4, dtype), np.dtype(dtype).type(2)], "c": None, "d": ()}
    state = optimizer.init(params)
    for _ in range(2):
        kept = tree_map(np.array, params)
        updated, state = optimizer.update(params, state, params)
        tree_map(np.testing.assert_array_equal, params, kept)
        assert tree_flatten(updated)[1] == tree_flatten(params)[1]
        assert {leaf.dtype for leaf in tree_flatten(updated)[0]} == {np.dtype(dtype)}
        assert isinstance(updated["b"][1], np.generic)
        params = updated
    working = np.result_type(dtype, np.float32)
    assert {leaf.dtype for leaf in tree_flatten(state[1:])[0]} == {working}


@BOTH
@pytest.mark.parametrize("params", [{}, [], None, {"a": np.ones((0, 3)), "b": np.ones(0)}], ids=str)
def test_empty_trees_and_arrays(optimizer, params):
    updated, state = optimizer.update(params, optimizer.init(params), params)
    assert str(updated) == str(params)
    assert state.step == 1


@BOTH
def test_a_derivative_through_an_update(optimizer, rng):
    start, target = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))

    def trained(params):
        state = optimizer.init(params)
        for _ in range(2):
            params, state = optimizer.update(params**3 - target, state, params)
        return (params * params).sum()

    tn.testing.check_grads(trained, (start,), order=1, step=1e-5)


def test_complex_parameters_are_pairs_of_real_ones(rng):
    params, *gradients = (rng.normal(size=(3, 2)) for _ in range(4))
    optimizer, complex_params = optim.lamb(0.1, weight_decay=0.1), params.view(complex)
    state, complex_state = optimizer.init(params), optimizer.init(complex_params)
    for gradient in gradients:
        params, state = optimizer.update(gradient, state, params)
        given = np.conjugate(gradient.view(complex))
        complex_params, complex_state = optimizer.update(given, complex_state, complex_params)
    np.testing.assert_allclose(complex_params.view(float), params, rtol=1e-13)


@BOTH
def test_a_quadratic_converges(optimizer, rng):
    target = rng.normal(size=(2, 3))
    optimizer = attrs.evolve(optimizer, learning_rate=optim.linear_decay(0.1, 2000), weight_decay=0.0)
    params = target + 1
    state = optimizer.init(params)
    for _ in range(2000):
        params, state = optimizer.update(params - target, state, params)
    np.testing.assert_allclose(params, target, atol=0.05)


def test_errors():
    with pytest.raises(ArgumentTypeError) as caught:
        optim.adafactor().init({"a": np.ones(2, complex)})
    assert str(caught.value).startswith("adafactor.init: params must be real; got complex128.")
    optimizer = optim.adafactor()
    state = optimizer.init({"a": np.ones((2, 3))})
    with pytest.raises(ArgumentError) as caught:
        optimizer.update({"a": np.ones((3, 2))}, state, {"a": np.ones((3, 2))})
    assert str(caught.value) == "adafactor.update: state.rows['a'] must have shape (3, 1); got (2, 1)."
    with pytest.raises(ArgumentTypeError) as caught:
        optimizer.update({"a": np.ones((2, 3))}, optim.adam().init(1.0), {"a": np.ones((2, 3))})
    assert "state must be AdafactorState, from adafactor.init or update; got AdamState." in str(caught.value)
