"""MLP, ResNet, Transformer, Autoencoder and U-Net: shapes, sizes, errors, and that they learn."""

import re

import numpy as np
import pytest

import tapenet as tn
from tapenet import models, nn
from tapenet.core.pytrees import tree_leaves


def count(model):
    return sum(leaf.size for leaf in tree_leaves(model))


@pytest.mark.parametrize(("depth", "size"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)])
def test_resnets_have_the_parameters_of_torchvision_s(depth, size, rng):
    assert count(models.ResNet(depth, rng=rng)) == size


def test_stems_of_resnet(rng):
    images = np.zeros((1, 32, 32, 3), np.float32)
    for stem, size in (("cifar", 32), ("imagenet", 8)):
        model = models.ResNet(18, 10, rng=rng, stem=stem, width=4)
        assert model.train(images, rng)[0].shape == (1, 10)
        first_block = next(i for i, layer in enumerate(model.layers) if isinstance(layer, nn.Residual))
        x = images
        for layer in list(model.layers)[:first_block]:
            x, _ = layer.train(x, rng)
        assert x.shape == (1, size, size, 4)


def test_resnet_infers_by_what_training_saw(rng):
    model = models.ResNet(18, 3, rng=rng, stem="cifar", width=2)
    images = rng.normal(2, 1, (8, 8, 8, 3)).astype(np.float32)
    logits, after = model.train(images, rng)
    assert np.any(after.layers[1].running.mean != model.layers[1].running.mean)
    for _ in range(200):
        _, after = after.train(images, rng)
    np.testing.assert_allclose(after(images), logits, atol=0.2)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda rng: models.ResNet(19, rng=rng), "ResNet: depth must be 18, 34, 50; got 19."),
        (
            lambda rng: models.Transformer(5, rng=rng, features=12, heads=4),
            "Transformer: heads must divide features, 12",
        ),
        (
            lambda rng: models.Autoencoder(rng=rng, image_size=(8, 10)),
            "Autoencoder: image_size must be a multiple of 4",
        ),
        (lambda rng: models.MLP(2, (3, 0), 1, rng=rng), "MLP: hidden must have positive widths; got (3, 0)."),
        (
            lambda rng: models.UNet(rng=rng, width=2).train(np.zeros((1, 12, 16, 1), np.float32), rng),
            "UNet: x must have a height and a width that are multiples of 8; got (1, 12, 16, 1).",
        ),
        (
            lambda rng: models.Transformer(5, rng=rng, features=8, heads=2).generate(np.zeros((1, 0), int), 1),
            "Transformer.generate: x must be integers, shape (N, L), L > 0; got (1, 0), int64.",
        ),
    ],
)
def test_what_they_cannot_take(make, text, rng):
    with pytest.raises(tn.ArgumentError, match=re.escape(text)):
        make(rng)


# ---- they learn ----


def trained(model, loss, steps, rng, rate=3e-3):
    """The model after some steps by Adam, and the losses."""
    optimizer = tn.optim.adam(rate)
    state, losses = optimizer.init(model), []
    for _ in range(steps):
        (value, model), gradient = tn.value_and_grad(loss, has_aux=True)(model, rng)
        model, state = optimizer.update(gradient, state, model)
        losses.append(float(value))
    return model, losses


def test_an_mlp_learns_exclusive_or(rng):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    labels = np.array([0, 1, 1, 0])

    def loss(model, rng):
        y, model = model.train(x, rng)
        return nn.cross_entropy(y, labels), model

    model, _ = trained(models.MLP(2, 16, 2, rng=rng, activation=nn.tanh), loss, 200, rng, 0.03)
    np.testing.assert_array_equal(model(x).argmax(1), labels)
    dropping = models.MLP(2, (8, 8), 2, rng=rng, dropout=0.5)
    assert np.any(dropping.train(x, rng)[0] != dropping(x))


def test_a_resnet_learns_stripes(rng):
    labels = np.arange(16) % 2
    stripes = np.where(np.arange(8) % 4 < 2, 1.0, -1.0)
    images = np.where(labels[:, None, None], stripes, stripes[:, None])[..., None] + rng.normal(size=(16, 8, 8, 1))
    images = images.astype(np.float32)

    def loss(model, rng):
        y, model = model.train(images, rng)
        return nn.cross_entropy(y, labels), model

    _, losses = trained(models.ResNet(18, 2, rng=rng, stem="cifar", channels=1, width=4), loss, 20, rng)
    assert losses[-1] < 0.1 * losses[0]


def test_a_transformer_learns_a_sequence_and_continues_it(rng):
    symbols = np.tile(np.array([1, 4, 2, 3, 0]), (4, 4))

    def loss(model, rng):
        logits, model = model.train(symbols[:, :-1], rng)
        return nn.cross_entropy(logits, symbols[:, 1:]), model

    model = models.Transformer(5, rng=rng, features=16, layers=2, heads=2, dropout=0.1)
    model, losses = trained(model, loss, 60, rng)
    assert losses[-1] < 0.1 * losses[0]
    np.testing.assert_array_equal(model.generate([[1, 4]], 6), [[1, 4, 2, 3, 0, 1, 4, 2]])
    drawn = model.generate([[1, 4]] * 50, 1, rng=np.random.default_rng(0), temperature=10.0)
    assert len(set(drawn[:, -1])) > 2
    sure = model.generate([[1, 4]] * 50, 1, rng=np.random.default_rng(0), temperature=0.01)
    assert set(sure[:, -1]) == {2}
    np.testing.assert_array_equal(model.generate([[1, 4]], 0), [[1, 4]])


def test_an_autoencoder_learns_blobs(rng):
    places = rng.uniform(2, 6, (32, 2))
    grid = np.arange(8)
    images = np.exp(-((grid[:, None] - places[:, :1, None]) ** 2) - (grid - places[:, 1:, None]) ** 2)
    images = images[..., None].astype(np.float32)

    def loss(model, rng):
        y, model = model.train(images, rng)
        return nn.binary_cross_entropy(y, images), model

    model, losses = trained(models.Autoencoder(2, rng=rng, image_size=8, width=8), loss, 80, rng, 0.005)
    assert losses[-1] < 0.5 * losses[0]
    assert model.encode(images).shape == (32, 2)
    assert model.decode(np.zeros((5, 2), np.float32)).shape == (5, 8, 8, 1)


def test_a_u_net_learns_to_find_what_is_bright(rng):
    images = rng.normal(size=(8, 8, 8, 1)).astype(np.float32)
    labels = (images[..., 0] > 0.5).astype(int)

    def loss(model, rng):
        y, model = model.train(images, rng)
        return nn.cross_entropy(y, labels), model

    model, losses = trained(models.UNet(2, rng=rng, width=4, depth=2), loss, 40, rng, 0.01)
    assert losses[-1] < 0.4 * losses[0]
    assert (model(images).argmax(-1) == labels).mean() > 0.8
