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


def examples(rng, steps=7, classes=4, size=3):
    """Logits, labels of several lengths with equal neighbours among them, and those lengths."""
    labels = rng.integers(1, classes, (5, size))
    labels[0] = 1
    return rng.normal(size=(5, steps, classes)), labels, np.array([7, 5, 7, 6, 7]), np.array([3, 2, 0, 1, 3])


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_is_pytorchs(blank, reduction, rng):
    torch = pytest.importorskip("torch")
    logits, labels, ends, sizes = examples(rng)
    labels = labels if blank == 0 else labels - 1
    theirs = torch.tensor(logits, requires_grad=True)
    integers = (torch.tensor(labels), torch.tensor(ends), torch.tensor(sizes))
    loss = torch.nn.functional.ctc_loss(
        theirs.log_softmax(-1).transpose(0, 1), *integers, blank=blank, reduction=reduction
    )
    weights = rng.normal(size=loss.shape)
    (loss * torch.tensor(weights)).sum().backward()
    found, pullback = tn.vjp(lambda x: nn.ctc(x, labels, ends, sizes, blank, reduction), logits)
    np.testing.assert_allclose(found, loss.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(pullback(weights)[0], theirs.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_both_modes_and_both_orders(rng, check_derivatives):
    logits, labels, ends, sizes = examples(rng)
    check_derivatives(lambda x: nn.ctc(x, labels, ends, sizes, reduction="none"), logits)


def test_the_gradient_of_one_operation_is_that_of_its_steps(rng):
    """Also where steps and labels are mapped, and in a program."""
    logits, labels, ends, sizes = examples(rng)

    def loss(x, y, e, s):
        return nn.ctc(x[None], y[None], e[None], s[None], reduction="sum")

    with tn.GradientTape() as tape:
        x = tape.watch(logits)
        total = nn.ctc(x, labels, ends, sizes, reduction="sum")
    assert sum(record.primitive.name == "ctc" for record in tape.records) == 1
    expected = tape.gradient(total, x)
    each = tn.vmap(tn.value_and_grad(loss))(logits, labels, ends, sizes)
    np.testing.assert_allclose(each[0].sum(), total.value, rtol=1e-12)
    np.testing.assert_allclose(each[1], expected, rtol=1e-10, atol=1e-14)
    compiled = tn.compile(tn.grad(lambda x, y, e, s: nn.ctc(x, y, e, s, reduction="sum")))
    for _ in range(3):
        np.testing.assert_allclose(compiled(logits, labels, ends, sizes), expected, rtol=1e-10, atol=1e-14)
    along = tn.jvp(lambda x: nn.ctc(x, labels, ends, sizes, reduction="sum"), (logits,), (logits,))[1]
    np.testing.assert_allclose(along, np.sum(expected * logits), rtol=1e-10)


def test_extreme_logits():
    """Of logits whose softmax is 0 or 1 to the last bit."""
    logits = np.array([[[1e4, -1e4, 0.0], [0.0, 1e4, -1e4], [0.0, 0.0, 1e4]]])
    value, gradient = tn.value_and_grad(lambda x: nn.ctc(x, [[1, 2]]))(logits)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))
    np.testing.assert_array_equal(tn.hvp(lambda x: nn.ctc(x, [[1, 2]]))(logits, np.ones_like(logits)), gradient)
    # 2, 1 and then 1 or the blank: in all other paths a step has a probability of e^-20000.
    value, gradient = tn.value_and_grad(lambda x: nn.ctc(x, [[2, 1]], reduction="sum"))(logits)
    np.testing.assert_allclose(value, 2e4 - np.log(2), rtol=1e-14)
    np.testing.assert_allclose(gradient, [[[1, 0, -1], [0, 0, 0], [-0.5, -0.5, 1]]], atol=1e-12)


def test_logits_of_impossible_classes():
    """Of minus infinity, which is a probability of 0: paths through it do not count."""
    logits = np.zeros((2, 3, 3))
    logits[0, :, 2] = -np.inf
    logits[1, 1, 0] = -np.inf
    labels = np.array([[1], [1]])
    losses, pullback = tn.vjp(lambda x: nn.ctc(x, labels, reduction="none"), logits)
    np.testing.assert_allclose(losses, [-np.log(6 / 8), -np.log(4 / 18)])
    (gradient,) = pullback(np.ones(2))
    assert np.isfinite(gradient).all()
    assert not gradient[0, :, 2].any()
    assert nn.ctc(logits[:1], [[2]]) == np.inf
    logits[0, 0, 0] = np.nan
    assert np.isnan(nn.ctc(logits, labels, reduction="none")).tolist() == [True, False]
