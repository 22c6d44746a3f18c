"""Losses against their formulas, in the extreme, and their derivatives."""

import math

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn

LABELS = np.array([[2, 0, 1], [1, 1, 2]])


def logits_of(rng):
    return rng.normal(size=(2, 3, 4))


def test_cross_entropy_of_integers_and_of_rows(rng):
    logits = logits_of(rng)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log(np.take_along_axis(p, LABELS[..., None], -1))[..., 0]
    rows = np.eye(4)[LABELS]
    for labels in (
        LABELS,
        LABELS.astype(np.uint8),
        LABELS.tolist(),
        rows,
        rows.astype(int),
        rows.astype(bool),
    ):
        np.testing.assert_allclose(nn.cross_entropy(logits, labels, "none"), expected, rtol=1e-12)
        np.testing.assert_allclose(nn.cross_entropy(logits, labels, reduction="sum"), expected.sum(), rtol=1e-12)
        np.testing.assert_allclose(nn.cross_entropy(logits, labels), expected.mean(), rtol=1e-12)


def test_cross_entropy_of_probabilities(rng, check_derivatives):
    logits, labels = logits_of(rng), rng.dirichlet(np.ones(4), size=(2, 3))
    expected = -(labels * np.log(nn.softmax(logits))).sum(-1)
    np.testing.assert_allclose(nn.cross_entropy(logits, labels, "none"), expected, rtol=1e-12)
    check_derivatives(lambda x, p: nn.cross_entropy(x, p, "none"), logits, labels)


def test_cross_entropy_gradient_is_the_error_of_the_probabilities(rng):
    logits = logits_of(rng)
    gradient = tn.grad(lambda x: nn.cross_entropy(x, LABELS))(logits)
    np.testing.assert_allclose(gradient, (nn.softmax(logits) - np.eye(4)[LABELS]) / LABELS.size, atol=1e-15)


def test_cross_entropy_of_one_example():
    assert math.isclose(nn.cross_entropy(np.zeros(4), 2), math.log(4))
    assert math.isclose(nn.cross_entropy([0.0, 0.0], [0.5, 0.5]), math.log(2))


def test_cross_entropy_of_extreme_logits():
    logits = np.array([[1e4, 0.0, -1e4], [0.0, -np.inf, 0.0]])
    np.testing.assert_allclose(nn.cross_entropy(logits, [2, 0], "none"), [2e4, math.log(2)])
    np.testing.assert_allclose(nn.cross_entropy(logits, np.eye(3)[[2, 0]], "none"), [2e4, math.log(2)])
    for labels in (np.array([2, 0]), np.eye(3)[[2, 0]]):
        gradient = tn.grad(lambda x, y: nn.cross_entropy(x, y, "sum"))(logits, labels)
        np.testing.assert_allclose(gradient, [[1, 0, -1], [-0.5, 0, 0.5]], atol=1e-15)


def test_mean_squared_error(rng, check_derivatives):
    x, y = rng.normal(size=(2, 3, 2))
    np.testing.assert_allclose(nn.mean_squared_error(x, y, "none"), (x - y) ** 2)
    np.testing.assert_allclose(nn.mean_squared_error(x, y, "sum"), ((x - y) ** 2).sum())
    np.testing.assert_allclose(nn.mean_squared_error(x, y), ((x - y) ** 2).mean())
    check_derivatives(nn.mean_squared_error, x, y)


def test_mean_squared_error_of_complex_numbers():
    x, y = np.array([1 + 2j, 3j]), np.array([1.0, 0.0])
    loss = nn.mean_squared_error(x, y, "none")
    assert loss.dtype == np.float64
    np.testing.assert_allclose(loss, [4, 9])
    # Complex gradients are not conjugated.
    np.testing.assert_allclose(tn.grad(lambda x: nn.mean_squared_error(x, y, "sum"))(x), [-4j, -6j])


def test_binary_cross_entropy(rng, check_derivatives):
    x, y = rng.normal(size=(3, 4)), rng.uniform(size=(3, 4))
    p = 1 / (1 + np.exp(-x))
    expected = -y * np.log(p) - (1 - y) * np.log(1 - p)
    np.testing.assert_allclose(nn.binary_cross_entropy(x, y, "none"), expected, rtol=1e-12)
    np.testing.assert_allclose(nn.binary_cross_entropy(x, y), expected.mean(), rtol=1e-12)
    check_derivatives(lambda x, y: nn.binary_cross_entropy(x, y, "none"), x, np.clip(y, 0.1, 0.9))


def test_binary_cross_entropy_gradient_is_the_error_of_the_probability():
    x, y = np.array([-2.0, 0.0, 0.0, 3.0]), np.array([1.0, 0.0, 1.0, 0.25])
    gradient = tn.grad(lambda x: nn.binary_cross_entropy(x, y, "sum"))(x)
    np.testing.assert_allclose(gradient, nn.sigmoid(x) - y, atol=1e-15)
    twice = tn.hvp(lambda x: nn.binary_cross_entropy(x, y, "sum"))(x, np.ones(4))
    np.testing.assert_allclose(twice, nn.sigmoid(x) * nn.sigmoid(-x), atol=1e-15)


def test_binary_cross_entropy_keeps_the_digits_of_small_losses():
    x, y = np.array([40.0, -40.0, 1000.0, -1000.0, 1000.0]), np.array([1, 0, 1, 0, 0])
    losses = nn.binary_cross_entropy(x, y, "none")
    np.testing.assert_allclose(losses, [math.exp(-40), math.exp(-40), 0, 0, 1000], rtol=1e-14)
    single = nn.binary_cross_entropy(np.float32([12]), [1], "none")
    np.testing.assert_allclose(single, [math.log1p(math.exp(-12))], rtol=1e-6)


def test_huber(rng, check_derivatives):
    x = np.array([-3.0, -0.4, 0.0, 0.5, 2.0, 5.0])
    expected = [0.5 * e * e if abs(e) <= 1.5 else 1.5 * (abs(e) - 0.75) for e in x]
    zeros = np.zeros(6)
    np.testing.assert_allclose(nn.huber(x, zeros, 1.5, "none"), expected)
    np.testing.assert_allclose(nn.huber(x, zeros, 1.5), np.mean(expected))
    gradient = tn.grad(lambda x: nn.huber(x, zeros, 1.5, "sum"))(x)
    np.testing.assert_allclose(gradient, np.clip(x, -1.5, 1.5))
    check_derivatives(lambda x, y: nn.huber(x, y, 1.5, "none"), x, 0.1 * rng.normal(size=6))


@pytest.mark.parametrize("error", [-1.5, 1.5])
def test_huber_at_delta(error):
    value, slope = tn.value_and_grad(lambda x: nn.huber(x, np.zeros(()), 1.5))(error)
    assert (value, slope) == (1.125, error)


def test_huber_of_large_errors_does_not_overflow():
    for dtype, size in ((np.float16, 1000), (np.float32, 1e30), (np.float64, 1e300)):
        x = np.array([size, -size], dtype)
        gradient = tn.grad(lambda x: nn.huber(x, np.zeros_like(x), reduction="sum"))(x)
        np.testing.assert_array_equal(gradient, [1, -1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_dtype_stays(dtype, reduction, check_dtype, rng):
    logits, targets = logits_of(rng), logits_of(rng)
    rows = np.eye(4)[LABELS]
    for labels in (
        LABELS,
        rows.astype(dtype),
        rows.astype(int),
        rows.astype(bool),
        nn.one_hot(LABELS, 4, dtype),
    ):
        check_dtype(lambda x, y=labels: nn.cross_entropy(x, y, reduction), logits, dtype=dtype)
    for labels in (rows.astype(dtype), rows.astype(int), rows.astype(bool), rows.astype(int).tolist()):
        check_dtype(lambda x, y=labels: nn.binary_cross_entropy(x, y, reduction), logits, dtype=dtype)
    check_dtype(lambda x, y: nn.mean_squared_error(x, y, reduction), logits, targets, dtype=dtype)
    check_dtype(lambda x, y: nn.huber(x, y, 0.7, reduction), logits, targets, dtype=dtype)


@pytest.mark.parametrize("loss", [nn.mean_squared_error, nn.binary_cross_entropy, nn.huber])
def test_losses_do_not_broadcast(loss):
    second = "labels" if loss is nn.binary_cross_entropy else "targets"
    with pytest.raises(tn.ArgumentError, match=rf"{second} must have the shape of \w+, \(3, 1\); got \(3,\)"):
        loss(np.zeros((3, 1)), np.zeros(3))
