"""Programs in the style of PyTorch's tutorials: a loop of batches, layers, an optimizer, and gradients by hand."""

import itertools

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp


def test_a_cubic_fitted_to_the_sine():
    x = np.linspace(-np.pi, np.pi, 200)
    y = np.sin(x)
    powers = np.stack([x**k for k in range(4)], axis=1) / np.pi ** np.arange(4)
    weights = np.zeros(4)
    optimizer = tn.optim.adam(0.1)
    state = optimizer.init(weights)
    for _ in range(400):
        with tn.GradientTape() as tape:
            w = tape.watch(weights)
            loss = ((powers @ w - y) ** 2).sum()
        weights, state = optimizer.update(tape.gradient(loss, w), state, weights)
    best = np.linalg.lstsq(powers, y, rcond=None)[0]
    np.testing.assert_allclose(weights, best, atol=0.02)


def test_a_module_trained_on_batches():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(96, 4)).astype(np.float32)
    labels = (inputs[:, 0] + inputs[:, 1] > 0).astype(int)
    model = tn.nn.Sequential(tn.nn.Dense(4, 16, rng=rng), tn.nn.Function(tn.nn.relu), tn.nn.Dense(16, 2, rng=rng))
    optimizer = tn.optim.sgd(0.3)
    state = optimizer.init(model)

    def criterion(model, x, y):
        return tn.nn.cross_entropy(model(x), y)

    first = criterion(model, inputs, labels)
    for _ in range(12):
        for start in range(0, 96, 32):
            batch = slice(start, start + 32)
            slope = tn.grad(criterion)(model, inputs[batch], labels[batch])
            model, state = optimizer.update(slope, state, model)
    assert criterion(model, inputs, labels) < 0.4 * first
    assert np.mean(np.argmax(model(inputs), axis=1) == labels) > 0.9


def test_a_function_with_a_backward_of_its_own():
    def legendre3(x):
        return 0.5 * (5 * x**3 - 3 * x)

    legendre = tn.custom_vjp(
        legendre3,
        lambda x: (legendre3(x), x),
        lambda x, grad_output: (grad_output * 1.5 * (5 * x**2 - 1),),
    )
    x = np.array([-0.5, 0.1, 0.9])
    np.testing.assert_allclose(
        tn.grad(lambda x: tnp.sum(legendre(x) ** 2))(x), tn.grad(lambda x: tnp.sum(legendre3(x) ** 2))(x)
    )


def test_a_recurrent_network_unrolled():
    rng = np.random.default_rng(2)
    sequence = np.sin(np.arange(12.0))[:, None]
    params = {"wx": rng.normal(size=(1, 6)) * 0.5, "wh": rng.normal(size=(6, 6)) * 0.3, "wy": np.zeros((6, 1))}

    def loss(p):
        hidden = np.zeros(6)
        total = 0.0
        for now, after in itertools.pairwise(sequence):
            hidden = tnp.tanh(now @ p["wx"] + hidden @ p["wh"])
            total += tnp.sum((hidden @ p["wy"] - after) ** 2)
        return total / (len(sequence) - 1)

    optimizer = tn.optim.adam(0.05)
    state = optimizer.init(params)
    first = loss(params)
    for _ in range(80):
        slope = tn.grad(loss)(params)
        params, state = optimizer.update(slope, state, params)
    assert loss(params) < 0.2 * first


def test_a_penalty_on_the_gradient_of_the_output():
    rng = np.random.default_rng(3)
    w = rng.normal(size=(3, 3))
    x = rng.normal(size=3)

    def penalty(w):
        with tn.GradientTape() as tape:
            watched = tape.watch(x)
            y = tnp.sum(tnp.tanh(w @ watched) ** 2)
            slope = tape.gradient(y, watched)
        return (tnp.linalg.norm(slope) - 1.0) ** 2

    step = rng.normal(size=(3, 3))
    numeric = (penalty(w + 1e-6 * step) - penalty(w - 1e-6 * step)) / 2e-6
    np.testing.assert_allclose(np.sum(tn.grad(penalty)(w) * step), numeric, rtol=1e-6)
