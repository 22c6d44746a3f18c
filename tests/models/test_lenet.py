"""LeNet: its shape, its gradient, and that it learns."""

import re

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.core.pytrees import tree_flatten, tree_leaves, tree_map
from tapenet.models import LeNet


def batch(size=4, image=(16, 16), channels=1, classes=10, dtype=np.float32):
    rng = np.random.default_rng(2)
    return rng.normal(size=(size, *image, channels)).astype(dtype), rng.integers(0, classes, size)


def small(seed=0, **options):
    return LeNet(rng=np.random.default_rng(seed), **{"image_size": 16} | options)


def test_shapes_and_count_of_parameters():
    model = small(image_size=28)
    assert [leaf.shape for leaf in tree_leaves(model)] == [
        (5, 5, 1, 32),
        (32,),
        (5, 5, 32, 64),
        (64,),
        (1024, 1024),
        (1024,),
        (1024, 10),
        (10,),
    ]
    assert sum(leaf.size for leaf in tree_leaves(model)) == 832 + 51_264 + 1_049_600 + 10_250
    assert model(np.zeros((3, 28, 28, 1), np.float32)).shape == (3, 10)


@pytest.mark.parametrize(
    ("image", "channels", "classes"),
    [((16, 16), 1, 2), ((17, 25), 3, 7), ((32, 16), 2, 1), ((19, 20), 1, 10)],
)
def test_options(image, channels, classes, rng):
    model = small(num_classes=classes, image_size=image, channels=channels)
    x, _ = batch(2, image, channels)
    logits = model(x)
    assert logits.shape == (2, classes)
    assert logits.dtype == np.float32
    assert model.train(x, rng)[0].shape == (2, classes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(dtype, rng):
    model, (x, labels) = small(dtype=dtype), batch(dtype=dtype)
    loss, gradient = tn.value_and_grad(lambda model: nn.cross_entropy(model.train(x, rng)[0], labels))(model)
    assert loss.dtype == dtype
    assert tree_flatten(gradient)[1] == tree_flatten(model)[1]
    assert {leaf.dtype for leaf in tree_leaves(gradient)} == {np.dtype(dtype)}


def test_a_seed_decides():
    x, _ = batch()
    first, second, other = small(1), small(1), small(2)
    np.testing.assert_array_equal(first(x), second(x))
    assert np.any(first(x) != other(x))


def test_dropout_only_in_training():
    model, (x, _) = small(), batch()
    np.testing.assert_array_equal(model(x), model(x))
    one, after = model.train(x, np.random.default_rng(0))
    assert isinstance(after, LeNet)
    np.testing.assert_array_equal(one, model.train(x, np.random.default_rng(0))[0])
    assert np.any(one != model.train(x, np.random.default_rng(1))[0])
    np.testing.assert_array_equal(small(dropout=0).train(x, np.random.default_rng(0))[0], small(dropout=0)(x))


def test_gradient_along_a_direction():
    model, (x, labels) = small(dtype=np.float64), batch(dtype=np.float64)
    rng = np.random.default_rng(1)
    direction = tree_map(lambda leaf: rng.normal(size=leaf.shape) * 1e-2, model)

    def loss(model):
        return nn.cross_entropy(model.train(x, np.random.default_rng(5))[0], labels)

    gradient = tn.grad(loss)(model)
    slope = sum(np.vdot(g, d) for g, d in zip(tree_leaves(gradient), tree_leaves(direction), strict=True))
    after, before = (loss(tree_map(lambda p, d, s=s: p + s * d, model, direction)) for s in (1e-6, -1e-6))
    np.testing.assert_allclose(slope, (after - before) / 2e-6, rtol=1e-5)
    _, pushed = tn.jvp(loss, (model,), (direction,))
    np.testing.assert_allclose(pushed, slope, rtol=1e-10)


def test_adam_learns_a_batch(rng):
    model, (x, labels) = small(dropout=0.1), batch(8)
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(model)

    def loss(model):
        logits, after = model.train(x, rng)
        return nn.cross_entropy(logits, labels), after

    start = nn.cross_entropy(model(x), labels)
    for _ in range(8):
        (_, after), gradient = tn.value_and_grad(loss, has_aux=True)(model)
        model, state = optimizer.update(gradient, state, after)
    assert nn.cross_entropy(model(x), labels) < 0.3 * start
    assert {leaf.dtype for leaf in tree_leaves(model)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("image_size", [15, (28, 15), [12, 40]])
def test_images_too_small(image_size):
    text = f"LeNet: image_size must be at least 16; got {image_size!r}."
    with pytest.raises(tn.ArgumentError, match=f"^{re.escape(text)}$"):
        small(image_size=image_size)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_classes": 0}, "LeNet: num_classes must be a positive int; got 0."),
        ({"channels": 0}, "LeNet: channels must be a positive int; got 0."),
        ({"dropout": 1.0}, "LeNet: dropout must be in [0, 1); got 1.0."),
    ],
)
def test_options_out_of_range(options, text):
    with pytest.raises(tn.ArgumentError, match=re.escape(text)):
        small(**options)
