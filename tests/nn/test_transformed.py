"""Functions of networks under `vmap` and `compile`: the same answers, for labels and masks that are mapped too."""

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6, 4))
LABELS = RNG.integers(1, 4, (3, 6))
P = RNG.dirichlet(np.ones(4), (3, 6))
LSTM = [RNG.normal(size=shape) for shape in ((4, 8), (2, 8), (8,))]

FUNCTIONS = {
    "hardswish": nn.hardswish,
    "mish": nn.mish,
    "swiglu": nn.swiglu,
    "clip": lambda x: nn.clip(x, -0.5, 0.5),
    "conv1d": lambda x: nn.conv1d(x, np.ones((3, 4, 2)), padding="same"),
    "conv3d": lambda x: nn.conv3d(x[:, None, :, :, None], np.ones((1, 2, 2, 1, 2))),
    "conv_transpose1d": lambda x: nn.conv_transpose1d(x, np.ones((3, 2, 4)), stride=2, padding=1, output_padding=1),
    "max_pool1d": lambda x: nn.max_pool1d(x, 2),
    "adaptive_avg_pool": lambda x: nn.adaptive_avg_pool(x, 4),
    "batch_norm": lambda x: nn.batch_norm(x)[0],
    "layer_norm": nn.layer_norm,
    "group_norm": lambda x: nn.group_norm(x, 2),
    "rms_norm": nn.rms_norm,
    "rotary": nn.rotary,
    "attention": lambda x: nn.scaled_dot_product_attention(x, x, x, causal=True),
    "lstm": lambda x: nn.lstm(x, *LSTM)[0],
    "cross_entropy": lambda x: nn.cross_entropy(x, LABELS, "none", smoothing=0.1, ignored=2),
    "kl_div": lambda x: nn.kl_div(nn.log_softmax(x), P, "none"),
    "focal": lambda x: nn.focal(x, P),
    "cosine": lambda x: nn.cosine(x, P, reduction="none"),
    "triplet": lambda x: nn.triplet(x, P, -P, reduction="none"),
    "ctc": lambda x: nn.ctc(x, LABELS[:, :3], [6, 5, 4], [3, 2, 1]),
}

over_functions = pytest.mark.parametrize("name", FUNCTIONS)


@over_functions
def test_a_compiled_gradient_is_the_gradient(name):
    gradient = tn.grad(lambda x: (FUNCTIONS[name](x) ** 2).sum())
    compiled = tn.compile(gradient)
    for x in (X, -X, 2 * X):
        np.testing.assert_allclose(compiled(x), gradient(x), rtol=1e-10, atol=1e-12)


@over_functions
def test_mapped_functions_are_functions_of_each(name):
    f = FUNCTIONS[name]
    batch = np.stack([X, -X, 2 * X])
    np.testing.assert_allclose(tn.vmap(f)(batch), [f(x) for x in batch], rtol=1e-10, atol=1e-12)
    gradient = tn.grad(lambda x: (f(x) ** 2).sum())
    expected = [gradient(x) for x in batch]
    np.testing.assert_allclose(tn.vmap(gradient)(batch), expected, rtol=1e-9, atol=1e-11)


def test_labels_may_be_mapped():
    batch, labels = np.stack([X, -X]), np.stack([LABELS, LABELS[::-1]])
    signs = np.where(labels > 2, 1, -1)
    for loss, targets in (
        (lambda x, y: nn.cross_entropy(x, y, ignored=3, weights=np.arange(4.0)), labels),
        (lambda x, y: nn.nll(nn.log_softmax(x), y), labels),
        (lambda x, y: nn.hinge(x[..., 0], y), signs),
        (lambda x, y: nn.cosine(x, P, y), signs),
        (lambda x, y: nn.ctc(x, y[:, :2]), labels),
    ):
        expected = [loss(*pair) for pair in zip(batch, targets, strict=True)]
        np.testing.assert_allclose(tn.vmap(loss)(batch, targets), expected, rtol=1e-10)


def test_cells_are_bodies_of_scan():
    cell = nn.LSTMCell(4, 2, rng=np.random.default_rng(0), dtype=np.float64)

    def by_scan(cell):
        def body(state, x):
            state = cell(x, state)
            return state, state[0]

        return tn.scan(body, cell.start(X[:, 0]), X.swapaxes(0, 1))[1].swapaxes(0, 1)

    def at_once(cell):
        return nn.lstm(X, cell.kernel, cell.recurrent, cell.bias)[0]

    np.testing.assert_allclose(by_scan(cell), at_once(cell), rtol=1e-12)
    bars = [tn.grad(lambda cell, f=f: (f(cell) ** 2).sum())(cell) for f in (by_scan, at_once)]
    for name in ("kernel", "recurrent", "bias"):
        np.testing.assert_allclose(*(getattr(bar, name) for bar in bars), rtol=1e-10, atol=1e-13)
