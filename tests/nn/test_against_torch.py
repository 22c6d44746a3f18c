"""Functions and losses against PyTorch's: values, and gradients by every operand."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet import nn
from tests.against_torch import assert_same

torch = pytest.importorskip("torch")
F = torch.nn.functional


def first(x):
    """From channels last to channels first."""
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


def assert_same_at_edges(ours, theirs):
    """Second derivatives but for those at 0, where some jump, and PyTorch takes either side."""
    inside = [-1.5, -0.2, 0.3, 2.0]
    assert_same(ours, theirs, np.array([[-50.0, 0.0, -0.0, 50.0], inside]), second=False)
    assert_same(ours, theirs, np.array([[-50.0, -3.0, 3.5, 50.0], inside]))


small = st.integers(1, 3)
pairs = st.tuples(small, small)


@settings(max_examples=12, deadline=None)
@given(pairs, pairs, pairs, st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(1, 3), pairs)
def test_conv(window, stride, dilation, padding, groups, more):
    rng = np.random.default_rng(0)
    size = [(w - 1) * d + m for w, d, m in zip(window, dilation, more)]
    x, kernel = rng.normal(size=(2, *size, 2 * groups)), rng.normal(size=(*window, 2, 2 * groups))
    top, left = padding
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    assert_same(
        lambda *operands: nn.conv(*operands, padding=((top, top), (left, left)), **options),
        lambda x, k, b: last(F.conv2d(first(x), k.permute(3, 2, 0, 1), b, padding=padding, **options)),
        x,
        kernel,
        rng.normal(size=2 * groups),
    )


@pytest.mark.filterwarnings("ignore:Using padding=:UserWarning")
@pytest.mark.parametrize(("window", "dilation"), [((2, 3), 1), ((4, 2), 1), ((2, 2), 3)])
def test_conv_same_without_strides(window, dilation, rng):
    assert_same(
        lambda x, k: nn.conv(x, k, padding="same", dilation=dilation),
        lambda x, k: last(F.conv2d(first(x), k.permute(3, 2, 0, 1), padding="same", dilation=dilation)),
        rng.normal(size=(2, 6, 7, 3)),
        rng.normal(size=(*window, 3, 4)),
    )


@settings(max_examples=25, deadline=None)
@given(pairs, pairs, pairs, st.booleans())
def test_pools(window, stride, more, padded):
    size = [w + m for w, m in zip(window, more)]
    # Rounded, so that windows hold equal elements.
    x = np.round(np.random.default_rng(0).normal(size=(2, *size, 3)), 1)
    top, left = (w // 2 if padded else 0 for w in window)
    sides = ((top, top), (left, left))
    assert_same(
        lambda x: nn.max_pool(x, window, stride, sides),
        lambda x: last(F.max_pool2d(first(x), window, stride, (top, left))),
        x,
    )
    assert_same(
        lambda x: nn.avg_pool(x, window, stride, sides),
        lambda x: last(F.avg_pool2d(first(x), window, stride, (top, left), count_include_pad=False)),
        x,
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.relu, F.relu),
        (nn.leaky_relu, F.leaky_relu),
        (lambda x: nn.leaky_relu(x, 0.3), lambda x: F.leaky_relu(x, 0.3)),
        (nn.elu, F.elu),
        (lambda x: nn.elu(x, 2.0), lambda x: F.elu(x, 2.0)),
        (nn.gelu, F.gelu),
        (lambda x: nn.gelu(x, approximate=True), lambda x: F.gelu(x, approximate="tanh")),
        (nn.silu, F.silu),
        (nn.sigmoid, torch.sigmoid),
        (nn.tanh, torch.tanh),
        (nn.softplus, lambda x: F.softplus(x, threshold=1e9)),
        (lambda x: nn.softmax(x, 0), lambda x: F.softmax(x, 0)),
        (nn.log_softmax, lambda x: F.log_softmax(x, -1)),
    ],
)
def test_activations(ours, theirs):
    assert_same_at_edges(ours, theirs)


def test_dense_and_norms(rng):
    x, scale, offset = rng.normal(size=(6, 4)), rng.normal(size=4), rng.normal(size=4)
    assert_same(nn.dense, lambda x, k, b: F.linear(x, k.T, b), x, rng.normal(size=(4, 3)), rng.normal(size=3))
    assert_same(nn.layer_norm, lambda x, s, o: F.layer_norm(x, (4,), s, o), x, scale, offset)
    assert_same(
        lambda *operands: nn.batch_norm(*operands)[0],
        lambda x, s, o: F.batch_norm(x, None, None, s, o, training=True),
        x,
        scale,
        offset,
    )
    assert_same(
        nn.normalize,
        lambda x, mean, var, s, o: s * (x - mean) / torch.sqrt(var + 1e-5) + o,
        x,
        rng.normal(size=4),
        rng.uniform(1, 2, size=4),
        scale,
        offset,
    )


def test_batch_norm_layer_in_training_and_inference(rng):
    layer = nn.BatchNorm(3, momentum=0.3, dtype=np.float64)
    theirs = torch.nn.BatchNorm2d(3, momentum=0.3, dtype=torch.float64)
    x = rng.normal(2, 3, size=(2, 4, 5, 3))
    y, layer = layer.train(x, rng)
    np.testing.assert_allclose(y, last(theirs(first(torch.tensor(x)))).detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(layer.running.mean, theirs.running_mean.numpy(), rtol=1e-12)
    # PyTorch's running variance is the unbiased one.
    n = x.size // 3
    np.testing.assert_allclose((layer.running.var - 0.7) * n / (n - 1), theirs.running_var.numpy() - 0.7, rtol=1e-12)


def test_embedding(rng):
    indices = np.array([[1, 1, 3], [0, 1, 1]])
    table = rng.normal(size=(5, 2))
    assert_same(lambda t: nn.embedding(t, indices), lambda t: F.embedding(torch.tensor(indices), t), table)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses(reduction, rng):
    logits, labels = 5 * rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    assert_same(
        lambda x: nn.cross_entropy(x, labels, reduction),
        lambda x: F.cross_entropy(x, torch.tensor(labels), reduction=reduction),
        logits,
    )
    assert_same(
        lambda x, p: nn.cross_entropy(x, p, reduction),
        lambda x, p: F.cross_entropy(x, p, reduction=reduction),
        logits,
        rng.dirichlet(np.ones(4), 6),
    )
    p = rng.uniform(size=(6, 4))
    assert_same(
        lambda x, y: nn.binary_cross_entropy(x, y, reduction),
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction=reduction),
        20 * logits,
        p,
    )
    assert_same(
        lambda x, y: nn.mean_squared_error(x, y, reduction),
        lambda x, y: F.mse_loss(x, y, reduction=reduction),
        logits,
        p,
    )
    assert_same(
        lambda x, y: nn.huber(x, y, 1.5, reduction),
        lambda x, y: F.huber_loss(x, y, delta=1.5, reduction=reduction),
        logits,
        p,
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.relu6, F.relu6),
        (nn.hardtanh, F.hardtanh),
        (lambda x: nn.hardtanh(x, -2.0, 0.5), lambda x: F.hardtanh(x, -2.0, 0.5)),
        (nn.hardswish, F.hardswish),
        (nn.selu, F.selu),
        (nn.celu, F.celu),
        (lambda x: nn.celu(x, 0.25), lambda x: F.celu(x, 0.25)),
        (nn.mish, F.mish),
        (nn.logsigmoid, F.logsigmoid),
        (nn.glu, F.glu),
        (lambda x: nn.glu(x, 0), lambda x: F.glu(x, 0)),
        (nn.swiglu, lambda x: F.silu(x[:, :2]) * x[:, 2:]),
    ],
)
def test_activations_in_pieces_and_gates(ours, theirs):
    assert_same_at_edges(ours, theirs)


def test_prelu(rng):
    assert_same(nn.prelu, F.prelu, rng.normal(size=(5, 3)), rng.uniform(size=3))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("ignored", [None, 2])
def test_cross_entropy_with_options(reduction, smoothing, ignored, rng):
    logits, labels, weights = 5 * rng.normal(size=(6, 4)), np.array([0, 2, 3, 1, 2, 0]), rng.uniform(1, 2, 4)
    theirs = {"reduction": reduction, "ignore_index": -100 if ignored is None else ignored}
    for w in (None, weights):
        weight = None if w is None else torch.tensor(w)
        assert_same(
            lambda x, w=w: nn.cross_entropy(x, labels, reduction, smoothing=smoothing, weights=w, ignored=ignored),
            lambda x, w=weight: F.cross_entropy(x, torch.tensor(labels), w, label_smoothing=smoothing, **theirs),
            logits,
        )
        assert_same(
            lambda x, w=w: nn.nll(nn.log_softmax(x), labels, reduction, weights=w, ignored=ignored),
            lambda x, w=weight: F.nll_loss(F.log_softmax(x, -1), torch.tensor(labels), w, **theirs),
            logits,
        )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities_with_options(reduction, smoothing, weighted, rng):
    weights = rng.uniform(1, 2, 4) if weighted else None
    assert_same(
        lambda x, p: nn.cross_entropy(x, p, reduction, smoothing=smoothing, weights=weights),
        lambda x, p: F.cross_entropy(
            x, p, torch.tensor(weights) if weighted else None, label_smoothing=smoothing, reduction=reduction
        ),
        5 * rng.normal(size=(6, 4)),
        rng.dirichlet(np.ones(4), 6),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_distributions_and_distances(reduction, rng):
    x, y, z = rng.normal(size=(3, 6, 4))
    p, signs = rng.dirichlet(np.ones(4), 6), rng.choice([-1.0, 1.0], 6)
    assert_same(
        lambda x, p: nn.kl_div(x, p, reduction),
        lambda x, p: (
            getattr(F.kl_div(x, p, reduction="none").sum(-1), reduction, lambda: None)()
            if reduction != "none"
            else F.kl_div(x, p, reduction="none").sum(-1)
        ),
        x,
        p,
    )
    assert_same(
        lambda x, y: nn.cosine(x, y, signs, 0.2, reduction),
        lambda x, y: F.cosine_embedding_loss(x, y, torch.tensor(signs), 0.2, reduction=reduction),
        x,
        y,
        tolerance=1e-9,
    )
    assert_same(
        lambda a, p, n: nn.triplet(a, p, n, 0.5, reduction),
        lambda a, p, n: F.triplet_margin_loss(a, p, n, 0.5, eps=0.0, reduction=reduction),
        x,
        y,
        z,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc(reduction, rng):
    logits, labels = rng.normal(size=(3, 7, 5)), rng.integers(1, 5, (3, 3))
    lengths, sizes = np.array([7, 6, 5]), np.array([3, 0, 2])
    assert_same(
        lambda x: nn.ctc(x, labels, lengths, sizes, reduction=reduction),
        lambda x: F.ctc_loss(
            F.log_softmax(x, -1).transpose(0, 1), *map(torch.tensor, (labels, lengths, sizes)), reduction=reduction
        ),
        logits,
    )
