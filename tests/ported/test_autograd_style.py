"""Programs in the style of autograd's examples: NumPy under another name, and `grad` of plain functions."""

import numpy as onp
import pytest

import tapenet.numpy as np
from tapenet import elementwise_grad, grad, hvp, jacobian, value_and_grad
from tapenet.numpy.linalg import inv, norm, slogdet


def test_derivatives_of_tanh_one_after_the_other():
    def tanh(x):
        return (1.0 - np.exp(-2.0 * x)) / (1.0 + np.exp(-2.0 * x))

    x = onp.linspace(-2, 2, 9)
    t = onp.tanh(x)
    expected = [t, 1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2)]
    f = tanh
    for derivative in expected:
        onp.testing.assert_allclose(f(x), derivative, rtol=1e-10, atol=1e-12)
        f = elementwise_grad(f)


def test_logistic_regression_by_gradient_descent():
    rng = np.random.RandomState(0)
    inputs = rng.randn(60, 3)
    truth = np.array([1.5, -2.0, 0.5])
    targets = (inputs @ truth > 0).astype(float)

    def predictions(weights):
        return 0.5 * (np.tanh(np.dot(inputs, weights) / 2.0) + 1)

    def loss(weights):
        p = predictions(weights)
        label_probabilities = p * targets + (1 - p) * (1 - targets)
        return -np.sum(np.log(label_probabilities)) + 0.1 * np.sum(weights**2)

    weights = np.zeros(3)
    gradient = grad(loss)
    for _ in range(600):
        weights -= gradient(weights) * 0.05
    assert onp.all(onp.sign(weights) == onp.sign(truth))
    onp.testing.assert_allclose(gradient(weights), 0, atol=1e-3)
    assert onp.mean((predictions(weights) > 0.5) == targets) > 0.95


def test_a_network_with_parameters_in_a_list_of_pairs():
    rng = onp.random.default_rng(1)
    params = [(0.5 * rng.normal(size=(m, n)), onp.zeros(n)) for m, n in ((1, 8), (8, 1))]
    x = onp.linspace(-2, 2, 30)[:, None]
    y = onp.sin(x)

    def predict(params, inputs):
        for W, b in params:
            outputs = np.dot(inputs, W) + b
            inputs = np.tanh(outputs)
        return outputs

    def objective(params):
        return np.mean((predict(params, x) - y) ** 2)

    first, _ = value_and_grad(objective)(params)
    for _ in range(200):
        loss, gradient = value_and_grad(objective)(params)
        params = [(W - 0.1 * dW, b - 0.1 * db) for (W, b), (dW, db) in zip(params, gradient)]
    assert loss < 0.2 * first


def test_a_gaussian_process_s_marginal_likelihood():
    x = onp.linspace(0, 3, 8)
    y = onp.cos(2 * x)

    def log_marginal(hyper):
        scale, length, noise = np.exp(hyper)
        differences = (x[:, None] - x[None, :]) / length
        cov = scale * np.exp(-0.5 * differences**2) + noise * np.eye(len(x))
        _, logdet = slogdet(cov)
        return -0.5 * np.dot(y, np.dot(inv(cov), y)) - 0.5 * logdet

    at = onp.array([0.2, -0.3, -2.0])
    numeric = [(log_marginal(at + 1e-5 * e) - log_marginal(at - 1e-5 * e)) / 2e-5 for e in onp.eye(3)]
    onp.testing.assert_allclose(grad(log_marginal)(at), numeric, rtol=1e-6)
    hessian = jacobian(grad(log_marginal))(at)
    onp.testing.assert_allclose(hessian, hessian.T, rtol=1e-8)
    onp.testing.assert_allclose(hvp(log_marginal)(at, onp.ones(3)), hessian @ onp.ones(3), rtol=1e-8)


def test_an_ode_s_trajectory_by_its_initial_state():
    def step(state, dt):
        position, velocity = state
        return np.array([position + dt * velocity, velocity - dt * np.sin(position)])

    def energy_change(state):
        start = 0.5 * state[1] ** 2 - np.cos(state[0])
        for _ in range(20):
            state = step(state, 0.05)
        return norm(np.array([0.5 * state[1] ** 2 - np.cos(state[0]) - start]))

    at = onp.array([0.4, 0.1])
    numeric = [(energy_change(at + 1e-6 * e) - energy_change(at - 1e-6 * e)) / 2e-6 for e in onp.eye(2)]
    assert grad(energy_change)(at) == pytest.approx(numeric, rel=1e-5)
