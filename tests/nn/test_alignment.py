"""The loss of sequences without places, against the sum over all paths one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn


def spelled(path, blank):
    merged = [k for k, _ in itertools.groupby(path)]
    return [k for k in merged if k != blank]


def summed_over_paths(logits, labels, blank):
    log_p = np.asarray(logits) - np.log(np.exp(logits).sum(-1, keepdims=True))
    steps, classes = log_p.shape
    total = sum(
        np.exp(sum(log_p[t, k] for t, k in enumerate(path)))
        for path in itertools.product(range(classes), repeat=steps)
        if spelled(path, blank) == list(labels)
    )
    return -np.log(total) if total else np.inf


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1000))
def test_it_is_the_sum_over_all_paths(steps, size, blank, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(2, steps, 3))
    labels = rng.choice([k for k in range(3) if k != blank], (2, size)).reshape(2, size)
    expected = [summed_over_paths(x, y, blank) for x, y in zip(logits, labels, strict=True)]
    np.testing.assert_allclose(nn.ctc(logits, labels, blank=blank, reduction="none"), expected, rtol=1e-10)
    if np.isfinite(expected).all():
        tn.testing.check_grads(lambda x: nn.ctc(x, labels, blank=blank), (logits,))


def test_lengths_leave_out_what_is_behind_them(rng):
    logits, labels = rng.normal(size=(2, 5, 4)), np.array([[1, 2, 3], [2, 2, 0]])
    whole = [nn.ctc(logits[:1, :4], labels[:1, :2]), nn.ctc(logits[1:, :5], labels[1:, :1])]
    both = nn.ctc(logits, labels, [4, 5], [2, 1], reduction="none")
    np.testing.assert_allclose(both / [2, 1], whole, rtol=1e-12)
    np.testing.assert_allclose(nn.ctc(logits, labels, [4, 5], [2, 1]), np.mean(whole), rtol=1e-12)
    gradient = tn.grad(lambda x: nn.ctc(x, labels, [4, 5], [2, 1]))(logits)
    assert not gradient[0, 4].any()
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-15)


def test_no_path_is_possible():
    logits = np.zeros((2, 2, 3))
    labels = np.array([[1, 1], [1, 2]])  # equal neighbours need a blank between them
    losses = nn.ctc(logits, labels, reduction="none")
    assert losses[0] == np.inf
    np.testing.assert_allclose(losses[1], 2 * np.log(3))
    gradient = tn.grad(lambda x: nn.ctc(x, labels, reduction="none")[1])(logits)
    assert not gradient[0].any()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(tn.grad(lambda x: nn.ctc(x, labels, reduction="sum"))(logits), gradient)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_no_examples(most):
    logits, labels = np.ones((0, 4, 3)), np.zeros((0, most), int)
    assert nn.ctc(logits, labels, reduction="none").shape == (0,)
    assert nn.ctc(logits, labels, reduction="sum") == 0
    assert tn.grad(lambda x: nn.ctc(x, labels, reduction="sum"))(logits).shape == logits.shape


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_long_sequences_in_low_precision(dtype, rng):
    logits, labels = rng.normal(size=(1, 200, 5)).astype(dtype), rng.integers(1, 5, (1, 30))
    loss, pullback = tn.vjp(lambda x: nn.ctc(x, labels), logits)
    assert loss.dtype == pullback(np.ones_like(loss))[0].dtype == dtype
    np.testing.assert_allclose(loss, nn.ctc(logits.astype(float), labels), rtol=1e-2 if dtype == np.float16 else 1e-5)
