"""Losses of margins and distances, and of distributions: formulas, kinks, far ends, and derivatives of both orders."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn

REDUCTIONS = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}
SMALL = st.integers(1, 4)


def check_reductions(loss, expected, rtol=1e-12):
    for reduction, reduce in REDUCTIONS.items():
        np.testing.assert_allclose(loss(reduction), reduce(expected), rtol=rtol)


@settings(max_examples=15, deadline=None)
@given(SMALL, SMALL)
def test_hinge(n, k):
    rng = np.random.default_rng(n + 10 * k)
    x, y = rng.normal(size=(n, k)), rng.choice([-1, 1], (n, k))
    check_reductions(lambda reduction: nn.hinge(x, y, 0.7, reduction), np.maximum(0, 0.7 - x * y))
    tn.testing.check_grads(lambda x: nn.hinge(x, y), (x,))
    assert nn.hinge(x.astype(np.float32), y).dtype == np.float32


def test_hinge_at_its_kink():
    assert tn.grad(lambda x: nn.hinge(x, 1.0))(1.0) == 0


@settings(max_examples=15, deadline=None)
@given(SMALL, st.integers(2, 4))
def test_cosine(n, k):
    rng = np.random.default_rng(n + 10 * k)
    x, y, labels = rng.normal(size=(n, k)), rng.normal(size=(n, k)), rng.choice([-1, 1], n)
    cos = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    check_reductions(lambda reduction: nn.cosine(x, y, reduction=reduction), 1 - cos)
    expected = np.where(labels > 0, 1 - cos, np.maximum(0, cos - 0.1))
    check_reductions(lambda reduction: nn.cosine(x, y, labels, 0.1, reduction), expected)
    tn.testing.check_grads(lambda x, y: nn.cosine(x, y, labels, -0.9), (x, y))


def test_cosine_does_not_mind_lengths():
    x, y = np.array([[3e200, 4e200]]), np.array([[1e-5, 0.0]])
    np.testing.assert_allclose(nn.cosine(x, y), 0.4, rtol=1e-14)
    zero = np.zeros((1, 2))
    assert nn.cosine(zero, y) == 1
    assert not np.any(tn.grad(nn.cosine, (0, 1))(zero, y))
    wide = np.full((1, 40), 300, np.float16)
    np.testing.assert_allclose(nn.cosine(wide, wide), 0, atol=1e-3)
    assert nn.cosine(wide, wide).dtype == np.float16


@settings(max_examples=15, deadline=None)
@given(SMALL, SMALL)
def test_triplet(n, k):
    a, p, m = np.random.default_rng(n + 10 * k).uniform(0, 1, size=(3, n, k)) + np.array([0, 2, 4])[:, None, None]
    expected = np.maximum(0, np.linalg.norm(a - p, axis=-1) - np.linalg.norm(a - m, axis=-1) + 0.5)
    check_reductions(lambda reduction: nn.triplet(a, p, m, 0.5, reduction), expected)
    tn.testing.check_grads(lambda *x: nn.triplet(*x, 9.0), (a, p, m))


@settings(max_examples=15, deadline=None)
@given(SMALL, st.integers(2, 4))
def test_contrastive(n, k):
    x, y = np.random.default_rng(n + 10 * k).uniform(0.5, 2, size=(2, n, k))
    cos = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T
    expected = -np.diag(cos / 0.5 - np.log(np.exp(cos / 0.5).sum(1, keepdims=True)))
    check_reductions(lambda reduction: nn.contrastive(x, y, 0.5, reduction), expected, rtol=1e-10)
    tn.testing.check_grads(lambda x, y: nn.contrastive(x, y, 0.5), (x, y))


@settings(max_examples=15, deadline=None)
@given(SMALL, SMALL)
def test_kl_div(n, k):
    rng = np.random.default_rng(n + 10 * k)
    p, q = rng.uniform(0.3, 0.7, (2, n, k))
    check_reductions(lambda reduction: nn.kl_div(np.log(q), p, reduction), (p * np.log(p / q)).sum(-1), rtol=1e-9)
    tn.testing.check_grads(nn.kl_div, (np.log(q), p))


def test_kl_div_where_a_target_is_impossible():
    log_q, p = np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]])
    assert nn.kl_div(log_q, p) == 0
    for gradient, expected in zip(tn.grad(nn.kl_div, (0, 1))(log_q, p), ([[-1, 0]], [[1, 0]]), strict=True):
        np.testing.assert_array_equal(gradient, expected)


@settings(max_examples=15, deadline=None)
@given(SMALL, st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([None, 0.25]))
def test_focal(n, gamma, alpha):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n)), rng.integers(0, 2, (2, n))
    p_t = np.where(y, 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x)))
    weight = 1 if alpha is None else np.where(y, alpha, 1 - alpha)
    check_reductions(
        lambda reduction: nn.focal(x, y, gamma, alpha, reduction), -weight * (1 - p_t) ** gamma * np.log(p_t)
    )
    tn.testing.check_grads(lambda x: nn.focal(x, y, gamma, alpha), (x,))


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 0.99, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_focal_of_what_is_surely_right_has_derivative_0(dtype, gamma):
    x, y = np.array([-104, -800, 104, 800, -90], dtype), np.array([0, 0, 1, 1, 0], dtype)

    def loss(x):
        return nn.focal(x, y, gamma, reduction="sum")

    gradient = tn.grad(loss)(x)
    np.testing.assert_allclose(gradient, 0, atol=1e-38)
    np.testing.assert_allclose(tn.grad(lambda x: tn.grad(loss)(x).sum())(x), 0, atol=1e-38)
    np.testing.assert_array_equal(gradient[[1, 3]], 0)
    if gamma > 0:
        assert np.isfinite(tn.grad(lambda y: nn.focal(x, y, gamma))(y)).all()


FAR = [0.0, 1e-300, 1.0, 20.0, 37.0, 50.0, 80.0, 100.0, 300.0, 700.0, 740.0, 1e4]


@pytest.mark.parametrize("gamma", [0.0, 1e-3, 0.5, 1.5])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 2e-4)])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.25])
def test_focal_and_its_derivatives_are_mpmaths_however_far_out(gamma, dtype, rtol, y):
    mpmath = pytest.importorskip("mpmath")
    x = np.array([*FAR, *(-a for a in FAR)], dtype)

    def formula(x):
        p = 1 / (1 + mpmath.exp(-x))
        entropy = -(y * mpmath.log(p) + (1 - y) * mpmath.log1p(-p))
        return entropy * (y * (1 - p) + (1 - y) * p) ** gamma

    def loss(x):
        return nn.focal(x, np.full(len(FAR) * 2, y, dtype), gamma, reduction="sum")

    each = nn.focal(x, np.full_like(x, y), gamma, reduction="none")
    twice = tn.hvp(loss)(x, np.ones_like(x))
    with mpmath.workdps(200):
        for order, found in enumerate((each, tn.grad(loss)(x), twice)):
            inside = [a for a in range(x.size) if abs(x[a]) < 110]
            expected = [float(mpmath.diff(formula, mpmath.mpf(float(x[a])), order)) for a in inside]
            np.testing.assert_allclose(found[inside], expected, rtol=rtol, atol=1e-35)
            assert np.isfinite(found).all()
    with tn.checks():
        tn.grad(loss)(x)


def test_focal_far_out():
    x = np.array([1000.0, -1000.0, 40.0])
    np.testing.assert_allclose(nn.focal(x, np.ones(3), reduction="none"), [0, 1000, math.exp(-120)], rtol=1e-12)
    np.testing.assert_allclose(tn.grad(lambda x: nn.focal(x, np.ones(3), reduction="sum"))(x)[:2], [0, -1], atol=1e-15)


# ---- cross-entropy: smoothing, weights, ignored labels ----


def test_smoothing_is_a_mixture_of_rows(rng, check_derivatives):
    logits, labels = rng.normal(size=(5, 4)), rng.integers(0, 4, 5)
    rows = 0.8 * np.eye(4)[labels] + 0.2 / 4
    weights = rng.uniform(1, 2, 4)
    for options in ({}, {"weights": weights}):
        expected = nn.cross_entropy(logits, rows, "none", **options)
        np.testing.assert_allclose(
            nn.cross_entropy(logits, labels, "none", smoothing=0.2, **options), expected, rtol=1e-12
        )
        np.testing.assert_allclose(
            nn.cross_entropy(logits, np.eye(4)[labels], "none", smoothing=0.2, **options), expected, rtol=1e-12
        )
    check_derivatives(lambda x, w: nn.cross_entropy(x, labels, smoothing=0.2, weights=w, ignored=1), logits, weights)


def test_ignored_labels_do_not_count(rng):
    logits, labels = rng.normal(size=(4, 3)), np.array([0, -1, 2, -1])
    kept = labels >= 0
    assert nn.cross_entropy(logits, labels, ignored=-1) == pytest.approx(nn.cross_entropy(logits[kept], labels[kept]))
    np.testing.assert_array_equal(nn.cross_entropy(logits, labels, "none", ignored=-1)[~kept], 0)
    gradient = tn.grad(lambda x: nn.cross_entropy(x, labels, ignored=-1))(logits)
    assert not gradient[~kept].any()
    nothing = np.full(4, -1)
    assert nn.cross_entropy(logits, nothing, ignored=-1) == 0
    assert not tn.grad(lambda x: nn.cross_entropy(x, nothing, ignored=-1))(logits).any()
    with pytest.raises(tn.ArgumentError, match=r"cross_entropy: labels must be in \[0, 3\); got -1"):
        nn.cross_entropy(logits, labels, ignored=-2)
    with pytest.raises(tn.ArgumentError, match="ignored must be None where labels are probabilities"):
        nn.cross_entropy(logits, np.ones((4, 3)), ignored=-1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_weighted_losses_keep_their_dtype(dtype, rng):
    logits, labels, weights = rng.normal(size=(4, 3)).astype(dtype), np.array([0, 1, 2, 2]), np.ones(3, dtype)
    for reduction in REDUCTIONS:
        for options in ({"ignored": 1}, {"weights": weights}, {"weights": weights, "ignored": 1, "smoothing": 0.5}):
            loss, pullback = tn.vjp(lambda x, o=options, r=reduction: nn.cross_entropy(x, labels, r, **o), logits)
            assert loss.dtype == pullback(np.ones_like(loss))[0].dtype == dtype


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_nothing_is_compared(reduction):
    """No rows, and vectors without features."""
    assert np.sum(nn.contrastive(np.ones((0, 3)), np.ones((0, 3)), reduction=reduction)) == 0
    assert tn.grad(lambda x: nn.contrastive(x, x, reduction="sum"))(np.ones((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(nn.cosine(np.ones((2, 0)), np.ones((2, 0)), reduction="none"), [1, 1])
    with pytest.raises(tn.ArgumentError, match=r"logits must have shape \(..., classes\), of a class .* got \(2, 0\)"):
        nn.cross_entropy(np.ones((2, 0)), [0, 0], reduction)
