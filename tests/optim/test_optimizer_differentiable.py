"""Derivatives through updates, with respect to parameters and to settings, against central differences."""

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet.optim import adam, sgd

TARGET = np.array([1.0, 2.0])
START = np.array([0.3, -0.7])


def trained(optimizer, params):
    """The sum of squares of the parameters after three steps on a loss with a curvature that changes."""
    state = optimizer.init(params)
    for _ in range(3):
        gradient = 3 * params**2 - 2 * params * TARGET
        params, state = optimizer.update(gradient, state, params)
    return (params * params).sum()


def difference(function, x, step=1e-6):
    return (function(x + step) - function(x - step)) / (2 * step)


def test_with_respect_to_parameters(optimizer):
    actual = tn.grad(lambda params: trained(optimizer, params))(START)
    expected = [difference(lambda x, e=e: trained(optimizer, START + x * e), 0.0) for e in np.eye(2)]
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


def test_with_respect_to_each_setting(case):
    """The whole optimizer is a pytree of its settings: its gradient is an optimizer of derivatives."""
    settings = {"learning_rate": 0.02} | case.settings
    optimizer = case.make(**settings)
    gradient = tn.grad(lambda optimizer: trained(optimizer, START))(optimizer)
    assert type(gradient) is type(optimizer)
    for field in attrs.fields(type(optimizer)):
        value = getattr(optimizer, field.name)
        # Settings of 0 are at the end of their range: differences from there go one way only.
        step = 1e-6 if value > 1e-3 else value / 100 or 1e-7
        upper = trained(attrs.evolve(optimizer, **{field.name: value + step}), START)
        lower = trained(attrs.evolve(optimizer, **{field.name: max(value - step, 0.0)}), START)
        expected = (upper - lower) / (value + step - max(value - step, 0.0))
        np.testing.assert_allclose(getattr(gradient, field.name), expected, rtol=2e-3, atol=1e-4, err_msg=field.name)


def test_with_respect_to_a_schedule():
    def after(peak):
        return trained(adam(lambda step: peak / (1 + step)), START)

    np.testing.assert_allclose(tn.grad(after)(0.05), difference(after, 0.05), rtol=1e-6)


def test_with_respect_to_complex_parameters():
    def after(params):
        optimizer = adam(0.05, weight_decay=0.1)
        state = optimizer.init(params)
        for _ in range(2):
            params, state = optimizer.update(np.conjugate(params) * (1 + 2j), state, params)
        return (params * np.conjugate(params)).real.sum()

    params = np.array([0.3 + 0.5j, -0.7 - 0.2j])
    directions = [(direction, unit) for unit in np.eye(2) for direction in (1, 1j)]
    by_real, by_imaginary = np.reshape(
        [difference(lambda x, d=d: after(params + x * d[0] * d[1]), 0.0) for d in directions], (2, 2)
    ).T
    np.testing.assert_allclose(tn.grad(after)(params), by_real - 1j * by_imaginary, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_stay_on_the_tape(optimizer, dtype):
    with tn.GradientTape() as tape:
        params = tape.watch(np.ones(3, dtype))
        updated, state = optimizer.update(np.full(3, 0.5), optimizer.init(params), params)
        assert isinstance(updated, tn.Tensor)
        assert updated.dtype == np.dtype(dtype)
        loss = updated.sum()
    assert tape.gradient(loss, params).dtype == np.dtype(dtype)
    assert state.step == 1


def test_training_by_tapenet_gradients_of_a_complex_loss():
    """The gradient goes to the optimizer as it is, unconjugated, and the loss falls to its minimum."""
    target = np.array([1 + 2j, -1.5 - 0.5j])
    optimizer, params = sgd(0.25), np.array([-1j, 1 + 0j])
    state = optimizer.init(params)
    for _ in range(50):
        gradient = tn.grad(lambda z: ((z - target) * np.conjugate(z - target)).real.sum())(params)
        params, state = optimizer.update(gradient, state, params)
    np.testing.assert_allclose(params, target, atol=1e-12)
