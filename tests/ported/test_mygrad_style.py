"""Programs in the style of MyGrad's: plain NumPy functions on Tensors, and gradients asked of the result."""

import numpy as np

import tapenet as tn


def gradients(f, *arrays):
    """A result's gradients by all that went in, as MyGrad's `y.backward()` leaves them."""
    with tn.GradientTape() as tape:
        tensors = tape.watch(arrays)
        y = f(*tensors)
    return y.value, tape.gradient(y, tensors)


def test_plain_numpy_functions_record():
    value, (dx, dy) = gradients(lambda x, y: np.sum(np.sin(x) * np.exp(y) / np.sqrt(x + 2)), np.arange(3.0), np.ones(3))
    x = np.arange(3.0)
    np.testing.assert_allclose(value, np.sum(np.sin(x) * np.e / np.sqrt(x + 2)))
    np.testing.assert_allclose(dy, np.sin(x) * np.e / np.sqrt(x + 2))
    np.testing.assert_allclose(dx, np.e * (np.cos(x) / np.sqrt(x + 2) - 0.5 * np.sin(x) * (x + 2) ** -1.5))


def test_gradient_descent_on_himmelblau_s_function():
    def himmelblau(p):
        return (p[0] ** 2 + p[1] - 11) ** 2 + (p[0] + p[1] ** 2 - 7) ** 2

    p = np.array([2.5, 2.5])
    for _ in range(200):
        _, (slope,) = gradients(himmelblau, p)
        p -= 0.01 * slope
    np.testing.assert_allclose(p, [3, 2], atol=1e-6)


def test_a_spring_that_is_let_go_by_einsum_and_reshaping():
    stiffness = np.array([[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]])

    def energy(x):
        return 0.5 * np.einsum("i,ij,j", x, stiffness, x) - x.reshape(3, 1).sum()

    x = np.zeros(3)
    for _ in range(500):
        x -= 0.2 * gradients(energy, x)[1][0]
    np.testing.assert_allclose(x, np.linalg.solve(stiffness, np.ones(3)), atol=1e-6)


def test_softmax_classification_of_a_spiral():
    rng = np.random.default_rng(0)
    t = np.linspace(0.5, 2.0, 40)
    angles = np.concatenate([3 * t, 3 * t + 2 * np.pi / 3, 3 * t + 4 * np.pi / 3])
    points = np.stack([np.tile(t, 3) * np.cos(angles), np.tile(t, 3) * np.sin(angles)], axis=1)
    labels = np.repeat(np.arange(3), 40)

    def loss(w1, b1, w2):
        hidden = np.maximum(points @ w1 + b1, 0.0)
        scores = hidden @ w2
        scores = scores - np.max(scores, axis=1, keepdims=True)
        log_probabilities = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
        return -np.mean(log_probabilities[np.arange(len(labels)), labels])

    params = [rng.normal(size=(2, 20)), np.zeros(20), 0.3 * rng.normal(size=(20, 3))]
    first = loss(*params)
    for _ in range(150):
        value, slopes = gradients(loss, *params)
        params = [p - 0.5 * slope for p, slope in zip(params, slopes)]
    assert value < 0.5 * first
