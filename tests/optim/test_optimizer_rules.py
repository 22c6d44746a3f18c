"""Two steps of every rule against values worked out by hand, from p = 1 with the gradients 2 and then 1."""

from math import sqrt

import attrs
import numpy as np
import pytest

from tapenet.optim import (
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    momentum,
    nadam,
    nesterov,
    radam,
    rmsprop,
    rprop,
    sgd,
)
from tapenet.optim.adaptive import Adagrad
from tapenet.optim.moments import Adam

ROWS = [
    # 1 - 2/2;  0 - 1/2
    (sgd(0.5), 0, -0.5),
    # g = 2.25;  g = 1 - 0.125/4 = 0.96875
    (sgd(0.5, weight_decay=0.25), -0.125, -0.609375),
    # v = 2;  v = 1 + 1
    (momentum(0.5, 0.5), 0, -1),
    # g = v = 2.25;  g = 0.96875, v = 1.125 + 0.96875 = 2.09375
    (momentum(0.5, 0.5, weight_decay=0.25), -0.125, -1.171875),
    # g + v/2 = 2 + 1;  g + v/2 = 1 + 1
    (nesterov(0.5, 0.5), -0.5, -1.5),
    # g = v = 2.25, g + v/2 = 3.375;  g = 1 - 0.6875/4 = 0.828125, v = 1.953125, g + v/2 = 1.8046875
    (nesterov(0.5, 0.5, weight_decay=0.25), -0.6875, -1.58984375),
    # s = 4;  s = 5
    (adagrad(0.5, eps=0), 0.5, 0.5 - 0.5 / sqrt(5)),
    # sqrt(s) + eps = 4;  sqrt(s) + eps = sqrt(5) + 2, learning rate 0.5 / 2
    (adagrad(0.5, eps=2, learning_rate_decay=1), 0.75, 0.75 - 0.25 / (sqrt(5) + 2)),
    # g = 3, s = 9, 3/4;  g = 1.625, s = 11.640625
    (adagrad(0.5, eps=1, weight_decay=1), 0.625, 0.625 - 0.8125 / (sqrt(11.640625) + 1)),
    # s = 2, u = 2 / sqrt(3), d = 2/3;  s = 1.5, u = sqrt(5/3 / 2.5)
    (adadelta(1, rho=0.5, eps=1), 1 - 2 / sqrt(3), 1 - 2 / sqrt(3) - sqrt(2 / 3)),
    # g = 3, s = 4.5, u = 3 / sqrt(5.5), d = 9/11;  g = 2 - u, s = 2.25 + g^2 / 2
    (
        adadelta(1, rho=0.5, eps=1, weight_decay=1),
        1 - 3 / sqrt(5.5),
        1 - 3 / sqrt(5.5) - sqrt(20 / 11 / (3.25 + (2 - 3 / sqrt(5.5)) ** 2 / 2)) * (2 - 3 / sqrt(5.5)),
    ),
    # s = 1;  s = 0.75 + 0.25
    (rmsprop(0.5, decay=0.75, eps=0), 0, -0.5),
    # g = 4, s = 4, g / (sqrt(s) + eps) = 4/4;  g = 2, s = 4, 2/4
    (rmsprop(0.5, decay=0.75, eps=2, weight_decay=2), 0.5, 0.25),
    # s = 1, v = 2/2;  s = 1, v = 1/2 + 1/2
    (rmsprop(0.5, decay=0.75, eps=1, momentum=0.5), 0.5, 0),
    # g = 4, s = 4, v = 4/4;  g = 2, s = 4, v = 1/2 + 2/4
    (rmsprop(0.5, decay=0.75, eps=2, momentum=0.5, weight_decay=2), 0.5, 0),
    # corrected m = 2, s = 4;  m = 1 / (3/4), s = 1 / (7/16)
    (adam(0.5, b1=0.5, b2=0.75, eps=0), 0.5, 0.5 - sqrt(7) / 6),
    (adam(0.5, b1=0.5, b2=0.75, eps=2), 0.75, 0.75 - (2 / 3) / (4 / sqrt(7) + 2)),
    # g = 3, corrected m = 3, s = 9;  g = 5/3, corrected m = 19/9, s = 49/9
    (adam(0.5, b1=0.5, b2=0.75, eps=1.5, weight_decay=1), 2 / 3, 9 / 23),
    # as adam without decay, from 3/4 of the parameter
    (adamw(0.5, b1=0.5, b2=0.75, eps=0, weight_decay=0.5), 0.25, 0.1875 - sqrt(7) / 6),
    (adamw(0.5, b1=0.5, b2=0.75, eps=2, weight_decay=0), 0.75, 0.75 - (2 / 3) / (4 / sqrt(7) + 2)),
]


def assert_two_steps(optimizer, first, second):
    state = optimizer.init(1.0)
    params, state = optimizer.update(2.0, state, 1.0)
    np.testing.assert_allclose(params, first, rtol=1e-14, atol=1e-15)
    params, state = optimizer.update(1.0, state, params)
    np.testing.assert_allclose(params, second, rtol=1e-14, atol=1e-15)
    assert state.step == 2


@pytest.mark.parametrize(("optimizer", "first", "second"), ROWS)
def test_two_steps_by_hand(optimizer, first, second):
    assert_two_steps(optimizer, first, second)


@pytest.mark.parametrize("make", [sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw])
def test_every_setting_matters_to_the_rows(make):
    """A setting off by 0.1% is found by at least one row of its optimizer."""
    rows = [row for row in ROWS if row[0].name == make.__name__]
    fields = {field.name for row in rows for field in attrs.fields(type(row[0]))}
    assert {field for field in fields if not any(_finds(row, field) for row in rows)} == set()


def _finds(row, field):
    optimizer, *expected = row
    if not hasattr(optimizer, field):
        return False
    wrong = attrs.evolve(optimizer, **{field: getattr(optimizer, field) * 1.001})
    return _fails(wrong, *expected)


def _fails(optimizer, *expected):
    try:
        assert_two_steps(optimizer, *expected)
    except AssertionError:
        return True
    return False


class UncorrectedAdam(Adam):
    def write_change(self, scratch, mean, square_mean, rate, step):
        scratch[...] = rate * mean / (np.sqrt(square_mean) + self.eps)


class EpsInsideTheRoot(Adagrad):
    def rule(self, parameter, gradient, square_sum, *, rate, step):
        square_sum = square_sum + gradient * gradient
        return parameter - rate * gradient / np.sqrt(square_sum + self.eps), square_sum


class ForgetfulAdagrad(Adagrad):
    def rule(self, parameter, gradient, square_sum, *, rate, step):
        parameter, _ = super().rule(parameter, gradient, square_sum, rate=rate, step=step)
        return parameter, square_sum


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (UncorrectedAdam(0.5, 0.5, 0.75, 0, 0), adam(0.5, b1=0.5, b2=0.75, eps=0)),
        (EpsInsideTheRoot(0.5, 2, 0, 1), adagrad(0.5, eps=2, learning_rate_decay=1)),
        (ForgetfulAdagrad(0.5, 2, 0, 1), adagrad(0.5, eps=2, learning_rate_decay=1)),
    ],
)
def test_a_wrong_rule_is_found(wrong, right):
    (expected,) = [row[1:] for row in ROWS if row[0] == right]
    assert _fails(wrong, *expected)
    assert not _fails(right, *expected)


def test_defaults():
    """The defaults of PyTorch 2."""
    assert sgd() == sgd(1e-3, weight_decay=0.0)
    assert momentum() == momentum(1e-3, momentum=0.9, weight_decay=0.0)
    assert nesterov() == nesterov(1e-3, momentum=0.9, weight_decay=0.0)
    assert adagrad() == adagrad(1e-2, eps=1e-10, weight_decay=0.0, learning_rate_decay=0.0)
    assert adadelta() == adadelta(1.0, rho=0.9, eps=1e-6, weight_decay=0.0)
    assert rmsprop() == rmsprop(1e-2, decay=0.99, eps=1e-8, momentum=0.0, weight_decay=0.0)
    assert adam() == adam(1e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0)
    assert adamw() == adamw(1e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=1e-2)
    assert adamax() == adamax(2e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0)
    assert nadam() == nadam(2e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0, momentum_decay=4e-3)
    assert radam() == radam(1e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0)
    assert rprop() == rprop(1e-2, shrink=0.5, grow=1.2, min_size=1e-6, max_size=50.0)


def brisk(optimizer):
    """With a learning rate that suits the rule, and no decay to keep it from the minimum."""
    learning_rate = {"adadelta": 1.0, "adagrad": 0.5}.get(optimizer.name, 0.02)
    has_decay = hasattr(optimizer, "weight_decay")
    return attrs.evolve(optimizer, learning_rate=learning_rate, **({"weight_decay": 0.0} if has_decay else {}))


def test_a_quadratic_converges(default_optimizer, rng):
    """f(p) = sum(scale * (p - target)^2) falls to its minimum from any start."""
    target, scale = rng.normal(size=5), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    optimizer = brisk(default_optimizer)
    params = target + rng.normal(size=5)
    state = optimizer.init(params)
    for _ in range(2000):
        params, state = optimizer.update(2 * scale * (params - target), state, params)
    np.testing.assert_allclose(params, target, atol=0.05)


def test_a_complex_quadratic_converges(default_optimizer):
    """d|z - c|^2 / dz is the conjugate of 2 (z - c) for `tapenet.grad`, and that is what is passed."""
    target = np.array([1 + 2j, -1.5 - 0.5j])
    optimizer = brisk(default_optimizer)
    params = np.array([-1j, 1 + 0j])
    state = optimizer.init(params)
    for _ in range(2000):
        params, state = optimizer.update(2 * np.conjugate(params - target), state, params)
    np.testing.assert_allclose(params, target, atol=0.05)


def test_complex_parameters_are_pairs_of_real_ones(optimizer, rng):
    params, *gradients = (rng.normal(size=(3, 2)) for _ in range(5))
    complex_params = params.view(complex)
    state, complex_state = optimizer.init(params), optimizer.init(complex_params)
    for gradient in gradients:
        params, state = optimizer.update(gradient, state, params)
        complex_gradient = np.conjugate(gradient.view(complex))
        complex_params, complex_state = optimizer.update(complex_gradient, complex_state, complex_params)
    np.testing.assert_array_equal(complex_params.view(float), params)
    for slot, complex_slot in zip(state[1:], complex_state[1:], strict=True):
        np.testing.assert_array_equal(complex_slot.view(float), slot)
