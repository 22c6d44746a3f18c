"""Integers and truths as data, such as pixels: every function of networks gives what it gives of the same floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.core.pytrees import tree_leaves

Array = Any

PIXELS = np.array([[0, 1, 100, 200, 255, 7], [3, 250, 0, 128, 64, 31]], np.uint8)
SIGNED = np.array([[-128, 127, 100, -100, 0, 7], [3, -50, 90, -127, 64, -31]], np.int8)
TRUTHS = PIXELS > 64
IMAGES = {
    "uint8": PIXELS,
    "int8": SIGNED,
    "bool": TRUTHS,
    "int64": SIGNED.astype(np.int64),
    "uint32": PIXELS.astype("u4"),
}


def _images(x: Array) -> Array:
    return x.reshape(1, 3, 4, 1)


def _others(x: Array) -> Array:
    """The data in another order, in the same dtype."""
    return x[:, ::-1]


FUNCTIONS: dict[str, Callable[[Array], Any]] = {
    **{
        name: getattr(nn, name)
        for name in ("relu", "elu", "celu", "selu", "gelu", "silu", "mish", "softplus", "sigmoid")
    },
    **{
        name: getattr(nn, name)
        for name in ("leaky_relu", "hardswish", "hardtanh", "relu6", "logsigmoid", "glu", "swiglu")
    },
    **{name: getattr(nn, name) for name in ("softmax", "log_softmax", "layer_norm", "rms_norm", "rotary")},
    "gelu, approximate": lambda x: nn.gelu(x, approximate=True),
    "prelu": lambda x: nn.prelu(x, np.full(6, 0.25)),
    "clip": lambda x: nn.clip(x, -50.0, 50.0),
    "batch_norm": nn.batch_norm,
    "group_norm": lambda x: nn.group_norm(_images(x), 1),
    "instance_norm": lambda x: nn.instance_norm(_images(x)),
    "normalize": lambda x: nn.normalize(x, 100, 4),
    "normalize by integers": lambda x: nn.normalize(x, _others(x)[0], 4.0, x[0], x[1]),
    "dropout": lambda x: nn.dropout(x, 0.5, np.random.default_rng(0)),
    "avg_pool": lambda x: nn.avg_pool(_images(x), 2),
    "adaptive_avg_pool": lambda x: nn.adaptive_avg_pool(_images(x), 1),
    "global_avg_pool": lambda x: nn.global_avg_pool(_images(x)),
    "max_pool": lambda x: nn.max_pool(_images(x), 2),
    "dense": lambda x: nn.dense(x, np.linspace(-1, 1, 12, dtype=np.float64).reshape(6, 2)),
    "conv": lambda x: nn.conv(_images(x), np.linspace(-1, 1, 4).reshape(2, 2, 1, 1)),
    "embedding": lambda x: nn.embedding(x, [0, 1]),
    "attention": lambda x: nn.scaled_dot_product_attention(x[None] / 64, _others(x)[None] / 64, x[None]),
    "mean_squared_error": lambda x: nn.mean_squared_error(x, _others(x)),
    "huber": lambda x: nn.huber(x, _others(x)),
    "hinge": lambda x: nn.hinge(x, np.sign(np.arange(12.0).reshape(2, 6) - 5.5)),
    "cosine": lambda x: nn.cosine(x, _others(x)),
    "contrastive": lambda x: nn.contrastive(x, _others(x)),
    "triplet": lambda x: nn.triplet(x, _others(x), x[::-1]),
    "binary_cross_entropy": lambda x: nn.binary_cross_entropy(x, 1.0 * (_others(x) > 0)),
    "focal": lambda x: nn.focal(x, 1.0 * (_others(x) > 0)),
    "cross_entropy": lambda x: nn.cross_entropy(x, np.array([1, 2])),
    "nll": lambda x: nn.nll(x, np.array([1, 2])),
    "kl_div": lambda x: nn.kl_div(x, np.full((2, 6), 1 / 6)),
}


@pytest.mark.parametrize("dtype", IMAGES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_give_what_floats_give(name: str, dtype: str) -> None:
    function, x = FUNCTIONS[name], IMAGES[dtype]
    with np.errstate(all="ignore"):
        expected = tree_leaves(function(x.astype(np.float64)))
        found = tree_leaves(function(x))
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=2e-5, atol=2e-5 * float(np.max(np.abs(wanted))))


@pytest.mark.parametrize("name", ["mean_squared_error", "huber", "normalize by integers", "softmax", "silu"])
def test_they_are_held_fixed_beside_what_is_differentiated(name: str) -> None:
    function = FUNCTIONS[name]

    def loss(w: Array, x: Array) -> Array:
        return (function(x) * w).sum()

    np.testing.assert_allclose(tn.grad(loss)(2.0, PIXELS), tn.grad(loss)(2.0, PIXELS.astype(float)), rtol=2e-5)
