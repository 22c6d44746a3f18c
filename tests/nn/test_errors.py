"""What each mistake is answered with: the class, and the whole text."""

import re

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn

IMAGES = np.zeros((2, 5, 6, 4))
KERNEL = np.zeros((3, 3, 4, 8))
PADDINGS = "must be 'valid', 'same', an int, (rows, columns) or ((top, bottom), (left, right))"


def generator():
    return np.random.default_rng(0)


CASES = {
    "dense, kernel": (
        lambda: nn.dense(np.zeros((2, 3)), np.zeros(3)),
        "dense: kernel must have shape (inputs, outputs); got (3,).",
    ),
    "dense, x": (
        lambda: nn.dense(np.zeros((2, 4)), np.zeros((3, 5))),
        "dense: x must have shape (..., 3), for a kernel of (3, 5); got (2, 4).",
    ),
    "dense, scalar x": (
        lambda: nn.dense(1.0, np.zeros((3, 5))),
        "dense: x must have shape (..., 3), for a kernel of (3, 5); got ().",
    ),
    "dense, images": (
        lambda: nn.dense(IMAGES, np.zeros((120, 5))),
        "dense: x must have shape (..., 120), for a kernel of (120, 5); got (2, 5, 6, 4). "
        "Flatten images first: x.reshape(len(x), -1).",
    ),
    "dense, bias": (
        lambda: nn.dense(np.zeros((2, 3)), np.zeros((3, 5)), np.zeros(3)),
        "dense: bias must have shape (5,), one number for each output; got (3,).",
    ),
    "conv, x": (
        lambda: nn.conv(np.zeros((5, 6, 4)), KERNEL),
        "conv: x must have shape (N, H, W, C); got (5, 6, 4). Add a batch axis: x[None].",
    ),
    "conv, one channel": (
        lambda: nn.conv(np.zeros((5, 6, 4)), np.zeros((3, 3, 1, 8))),
        "conv: x must have shape (N, H, W, C); got (5, 6, 4). Add a channel axis: x[..., None].",
    ),
    "conv, groups of one channel": (
        lambda: nn.conv(np.zeros((5, 6, 4)), np.zeros((3, 3, 1, 8)), groups=4),
        "conv: x must have shape (N, H, W, C); got (5, 6, 4). Add a batch axis: x[None].",
    ),
    "conv, neither axis": (
        lambda: nn.conv(np.zeros((5, 6, 4)), np.zeros((3, 3, 2, 8))),
        "conv: x must have shape (N, H, W, C); got (5, 6, 4).",
    ),
    "conv1d, one example": (
        lambda: nn.conv1d(np.zeros((8, 3)), np.zeros((3, 3, 2))),
        "conv1d: x must have shape (N, L, C); got (8, 3). Add a batch axis: x[None].",
    ),
    "conv_transpose1d, one example": (
        lambda: nn.conv_transpose1d(np.zeros((8, 3)), np.zeros((3, 2, 3))),
        "conv_transpose1d: x must have shape (N, L, C); got (8, 3). Add a batch axis: x[None].",
    ),
    "max_pool, one axis missing": (
        lambda: nn.max_pool(np.zeros((5, 6, 4)), 2),
        "max_pool: x must have shape (N, H, W, C); got (5, 6, 4). "
        "Add a batch axis, x[None], or a channel axis, x[..., None].",
    ),
    "LSTM, one example": (
        lambda: nn.LSTM(3, 5, rng=generator())(np.zeros((8, 3))),
        "lstm: x must have shape (N, L, C), of at least one step; got (8, 3). Add a batch axis: x[None].",
    ),
    "GRU, one feature": (
        lambda: nn.GRU(1, 5, rng=generator())(np.zeros((2, 8))),
        "gru: x must have shape (N, L, C), of at least one step; got (2, 8). Add an axis of features: x[..., None].",
    ),
    "MultiHeadAttention, one example": (
        lambda: nn.MultiHeadAttention(8, 2, rng=generator())(np.zeros((5, 8))),
        "MultiHeadAttention: x must have shape (N, L, 8); got (5, 8). Add a batch axis: x[None].",
    ),
    "conv, flat x": (lambda: nn.conv(np.zeros(5), KERNEL), "conv: x must have shape (N, H, W, C); got (5,)."),
    "conv, kernel": (
        lambda: nn.conv(IMAGES, np.zeros((3, 3, 4))),
        "conv: kernel must have shape (kh, kw, C // groups, O); got (3, 3, 4).",
    ),
    "conv, groups": (
        lambda: nn.conv(IMAGES, KERNEL, groups=3),
        "conv: groups must divide the channels, 4, and the outputs, 8; got 3.",
    ),
    "conv, no groups": (
        lambda: nn.conv(IMAGES, KERNEL, groups=0),
        "conv: groups must be a positive int; got 0.",
    ),
    "conv, channels": (
        lambda: nn.conv(IMAGES, KERNEL, groups=2),
        "conv: kernel must have shape (kh, kw, 2, O) for x of 4 channels in 2 groups; got (3, 3, 4, 8).",
    ),
    "conv, channels in front": (
        lambda: nn.conv(np.zeros((2, 4, 7, 7)), KERNEL),
        "conv: kernel must have shape (kh, kw, 7, O) for x of 7 channels in 1 groups; got (3, 3, 4, 8). "
        "Channels come last: np.moveaxis(x, 1, -1).",
    ),
    "conv1d, channels in front": (
        lambda: nn.conv1d(np.zeros((2, 4, 7)), np.zeros((3, 2, 8)), groups=1),
        "conv1d: kernel must have shape (k, 7, O) for x of 7 channels in 1 groups; got (3, 2, 8).",
    ),
    "conv_transpose, channels in front": (
        lambda: nn.conv_transpose(np.zeros((2, 4, 7, 7)), np.zeros((3, 3, 8, 4))),
        "conv_transpose: kernel must have shape (kh, kw, O // groups, 7) for x of 7 channels; got (3, 3, 8, 4). "
        "Channels come last: np.moveaxis(x, 1, -1).",
    ),
    "BatchNorm, channels in front": (
        lambda: nn.BatchNorm(4)(np.zeros((2, 4, 7, 7))),
        "BatchNorm: x must have shape (..., 4); got (2, 4, 7, 7). Channels come last: np.moveaxis(x, 1, -1).",
    ),
    "cross_entropy of a column": (
        lambda: nn.cross_entropy(np.zeros((2, 3)), np.zeros((2, 1), int)),
        "cross_entropy: labels must have shape (2,), or (2, 3) as probabilities; got (2, 1). Write labels[..., 0].",
    ),
    "conv, bias": (
        lambda: nn.conv(IMAGES, KERNEL, np.zeros(4)),
        "conv: bias must have shape (8,), one number for each output; got (4,).",
    ),
    "conv, stride": (
        lambda: nn.conv(IMAGES, KERNEL, stride=0),
        "conv: stride must be positive; got 0.",
    ),
    "conv, dilation": (
        lambda: nn.conv(IMAGES, KERNEL, dilation=(1, -1)),
        "conv: dilation must be positive; got (1, -1).",
    ),
    "conv, padding": (
        lambda: nn.conv(IMAGES, KERNEL, padding="full"),
        f"conv: padding {PADDINGS}; got 'full'.",
    ),
    "conv, padding of three": (
        lambda: nn.conv(IMAGES, KERNEL, padding=(1, 2, 3)),
        f"conv: padding {PADDINGS}; got (1, 2, 3).",
    ),
    "conv, padding of a float": (
        lambda: nn.conv(IMAGES, KERNEL, padding=1.5),
        f"conv: padding {PADDINGS}; got 1.5.",
    ),
    "conv, negative padding": (
        lambda: nn.conv(IMAGES, KERNEL, padding=((0, 1), (-2, 0))),
        "conv: padding must not be negative; got ((0, 1), (-2, 0)).",
    ),
    "conv, too large": (
        lambda: nn.conv(IMAGES, KERNEL, dilation=(3, 1), padding=((0, 1), (0, 0))),
        "conv: the window must fit into the padded input; got a window that reaches over 7 places "
        "(window 3, dilation 3), an input of 6 (size 5, padding (0, 1)).",
    ),
    "max_pool, x": (
        lambda: nn.max_pool(np.zeros((5, 6)), 2),
        "max_pool: x must have shape (N, H, W, C); got (5, 6).",
    ),
    "avg_pool, x": (
        lambda: nn.avg_pool(np.zeros((5, 6)), 2),
        "avg_pool: x must have shape (N, H, W, C); got (5, 6).",
    ),
    "max_pool, window": (
        lambda: nn.max_pool(IMAGES, (2, 0)),
        "max_pool: window must be positive; got (2, 0).",
    ),
    "max_pool, too large": (
        lambda: nn.max_pool(IMAGES, (2, 7)),
        "max_pool: the window must fit into the padded input; got a window that reaches over 7 places "
        "(window 7, dilation 1), an input of 6 (size 6, padding (0, 0)).",
    ),
    "max_pool, wholly padding": (
        lambda: nn.max_pool(IMAGES, 2, padding=2),
        "max_pool: no window may lie wholly in the padding; got windows of 2 that begin from place -2 to place 4 "
        "of an input of 5 places.",
    ),
    "batch_norm, x": (
        lambda: nn.batch_norm(np.zeros(3)),
        "batch_norm: x must have shape (..., C), of two axes or more; got (3,).",
    ),
    "batch_norm, nothing": (
        lambda: nn.batch_norm(np.zeros((0, 3))),
        "batch_norm: x must have elements to take the mean of; got shape (0, 3).",
    ),
    "batch_norm, scale": (
        lambda: nn.batch_norm(np.zeros((2, 3)), np.zeros(2)),
        "batch_norm: scale must have shape (3,), one number for each channel; got (2,).",
    ),
    "batch_norm, offset": (
        lambda: nn.batch_norm(np.zeros((2, 3)), offset=np.zeros((1, 3))),
        "batch_norm: offset must have shape (3,), one number for each channel; got (1, 3).",
    ),
    "layer_norm, scale that widens x": (
        lambda: nn.layer_norm(np.zeros((2, 1)), np.zeros(4)),
        "layer_norm: scale must broadcast to the shape of x, (2, 1); got (4,).",
    ),
    "normalize, mean that widens x": (
        lambda: nn.normalize(np.zeros(3), np.zeros((2, 3)), 1.0),
        "normalize: mean must broadcast to the shape of x, (3,); got (2, 3).",
    ),
    "layer_norm, x": (lambda: nn.layer_norm(1.0), "layer_norm: x must have at least one axis; got shape ()."),
    "dropout, rate": (
        lambda: nn.dropout(np.zeros(3), 1, generator()),
        "dropout: rate must be in [0, 1); got 1.",
    ),
    "embedding, table": (
        lambda: nn.embedding(np.zeros(3), [0]),
        "embedding: table must have shape (rows, features); got (3,).",
    ),
    "embedding, negative": (
        lambda: nn.embedding(np.zeros((3, 2)), [0, -1]),
        "embedding: indices must be in [0, 3); got -1.",
    ),
    "embedding, beyond": (
        lambda: nn.embedding(np.zeros((3, 2)), [0, 3]),
        "embedding: indices must be in [0, 3); got 3.",
    ),
    "one_hot, beyond": (lambda: nn.one_hot([0, 7], 5), "one_hot: labels must be in [0, 5); got 7."),
    "cross_entropy, logits": (
        lambda: nn.cross_entropy(1.0, 0),
        "cross_entropy: logits must have shape (..., classes), of a class at least; got ().",
    ),
    "cross_entropy, shape": (
        lambda: nn.cross_entropy(np.zeros((2, 3)), [0, 1, 2]),
        "cross_entropy: labels must have shape (2,), or (2, 3) as probabilities; got (3,).",
    ),
    "cross_entropy, beyond": (
        lambda: nn.cross_entropy(np.zeros((2, 3)), [0, 3]),
        "cross_entropy: labels must be in [0, 3); got 3.",
    ),
    "cross_entropy, reduction": (
        lambda: nn.cross_entropy(np.zeros((2, 3)), [0, 1], "average"),
        "cross_entropy: reduction must be 'mean', 'sum' or 'none'; got 'average'.",
    ),
    "binary_cross_entropy, too large": (
        lambda: nn.binary_cross_entropy(np.zeros(2), [0, 1.5]),
        "binary_cross_entropy: labels must be in [0, 1]; got 1.5.",
    ),
    "binary_cross_entropy, negative": (
        lambda: nn.binary_cross_entropy(np.zeros(2), [-0.5, 1.0]),
        "binary_cross_entropy: labels must be in [0, 1]; got -0.5.",
    ),
    "huber, delta": (
        lambda: nn.huber(np.zeros(2), np.zeros(2), 0.0),
        "huber: delta must be in (0, inf); got 0.0.",
    ),
    "Dense, inputs": (
        lambda: nn.Dense(0, 3, rng=generator()),
        "Dense: inputs must be a positive int; got 0.",
    ),
    "Dense, outputs": (
        lambda: nn.Dense(2, -3, rng=generator()),
        "Dense: outputs must be a positive int; got -3.",
    ),
    "Conv, groups": (
        lambda: nn.Conv(4, 6, 3, rng=generator(), groups=4),
        "Conv: groups must divide inputs, 4, and outputs, 6; got 4.",
    ),
    "Conv, window": (
        lambda: nn.Conv(4, 6, 0, rng=generator()),
        "Conv: window must be positive; got 0.",
    ),
    "Embedding": (
        lambda: nn.Embedding(3, 0, rng=generator()),
        "Embedding: features must be a positive int; got 0.",
    ),
    "BatchNorm": (lambda: nn.BatchNorm(0), "BatchNorm: channels must be a positive int; got 0."),
    "BatchNorm, momentum": (
        lambda: nn.BatchNorm(3, momentum=1.5),
        "BatchNorm: momentum must be in [0, 1]; got 1.5.",
    ),
    "LayerNorm": (lambda: nn.LayerNorm(-1), "LayerNorm: features must be a positive int; got -1."),
    "Dropout": (lambda: nn.Dropout(1.0), "Dropout: rate must be in [0, 1); got 1.0."),
    "Flatten": (lambda: nn.Flatten()(1.0), "Flatten: x must have a batch axis; got shape ()."),
}

TYPE_CASES = {
    "Dense, a float": (
        lambda: nn.Dense(2.5, 3, rng=generator()),
        "Dense: inputs must be a positive int; got 2.5.",
    ),
    "Conv, inputs": (
        lambda: nn.Conv("a", 3, 3, rng=generator()),
        "Conv: inputs must be a positive int; got 'a'.",
    ),
    "conv, stride": (
        lambda: nn.conv(IMAGES, KERNEL, stride=1.5),
        "conv: stride must be an int or a pair of ints; got 1.5.",
    ),
    "conv, three strides": (
        lambda: nn.conv(IMAGES, KERNEL, stride=(1, 2, 3)),
        "conv: stride must be an int or a pair of ints; got (1, 2, 3).",
    ),
    "max_pool, window": (
        lambda: nn.max_pool(IMAGES, "2"),
        "max_pool: window must be an int or a pair of ints; got '2'.",
    ),
    "dropout, rng": (
        lambda: nn.dropout(np.zeros(3), 0.5, 7),
        "dropout: rng must be a numpy.random.Generator; got int. Write rng = numpy.random.default_rng(seed).",
    ),
    "dropout, rng, rate 0": (
        lambda: nn.dropout(np.zeros(3), 0, None),
        "dropout: rng must be a numpy.random.Generator; got NoneType. Write rng = numpy.random.default_rng(seed).",
    ),
    "embedding, floats": (
        lambda: nn.embedding(np.zeros((3, 2)), [0.0]),
        "embedding: indices must be integers; got float64.",
    ),
    "one_hot, floats": (
        lambda: nn.one_hot(np.float32([1]), 3),
        "one_hot: labels must be integers; got float32.",
    ),
    "cross_entropy, floats": (
        lambda: nn.cross_entropy(np.zeros((2, 3)), [0.0, 1.0]),
        "cross_entropy: labels must be integers; got float64.",
    ),
    "Sequential": (
        lambda: nn.Sequential(nn.relu, [nn.relu]),
        "Sequential: layers must be layers or functions; got list at 1. Write Sequential(*layers).",
    ),
}


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.BatchNorm])
@pytest.mark.parametrize(("channels", "shape"), [(4, (2, 1)), (1, (2, 4)), (4, (2, 3)), (4, ()), (1, ())])
def test_norms_do_not_broadcast_channels(kind, channels, shape):
    layer, x = kind(channels), np.ones(shape)
    text = re.escape(f"{kind.__name__}: x must have shape (..., {channels}); got {shape}.")
    for call in (lambda: layer(x), lambda: layer.train(x, generator()), lambda: tn.grad(lambda x: layer(x).sum())(x)):
        with pytest.raises(tn.ArgumentError, match=f"^{text}$"):
            call()


@pytest.mark.parametrize("name", CASES)
def test_value_errors(name):
    call, text = CASES[name]
    with pytest.raises(tn.ArgumentError, match=f"^{re.escape(text)}$"):
        call()


@pytest.mark.parametrize("name", TYPE_CASES)
def test_type_errors(name):
    call, text = TYPE_CASES[name]
    with pytest.raises(tn.ArgumentTypeError, match=f"^{re.escape(text)}$"):
        call()


def test_texts_are_the_same_on_a_tape():
    def shapes(x):
        with pytest.raises(tn.ArgumentError, match=re.escape("got (2, 5, 6, 4)")):
            nn.dense(x, np.zeros((120, 5)))
        with pytest.raises(tn.ArgumentError, match=r"no window may lie wholly in the padding"):
            nn.max_pool(x, 2, padding=2)
        with pytest.raises(tn.ArgumentError, match=re.escape("(5, 6, 4); got (2, 5, 6, 4)")):
            nn.mean_squared_error(x[0], x)
        return x.sum()

    tn.grad(shapes)(IMAGES)
