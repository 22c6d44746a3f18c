"""Models whose layers PyTorch has too: logits and gradients in training, layer by layer with the same weights."""

import functools

import numpy as np
import pytest

import tapenet as tn
from tapenet import models, nn
from tapenet.core.pytrees import tree_leaves, tree_map

torch = pytest.importorskip("torch")
F = torch.nn.functional


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


@functools.singledispatch
def theirs(layer, x):
    """What a layer, with PyTorch's tensors as its parameters, makes of x in training."""
    raise NotImplementedError(type(layer))


@theirs.register
def _(layer: nn.Sequential, x):
    for inside in layer:
        x = theirs(inside, x)
    return x


@theirs.register
def _(layer: nn.Residual, x):
    return (x if layer.shortcut is None else theirs(layer.shortcut, x)) + theirs(layer.inside, x)


@theirs.register
def _(layer: nn.Function, x):
    return {nn.relu: F.relu, nn.gelu: F.gelu}[layer.function](x)


@theirs.register
def _(layer: nn.Conv, x):
    size, window = x.shape[1:3], layer.kernel.shape[:2]
    stride = (layer.stride,) * 2
    around = [(layer.padding,) * 2] * 2
    if layer.padding == "valid":
        around = [(0, 0)] * 2
    if layer.padding == "same":
        totals = [max(0, (-(-n // s) - 1) * s + w - n) for n, w, s in zip(size, window, stride, strict=True)]
        around = [(t // 2, t - t // 2) for t in totals]
    x = F.pad(first(x), (*around[1], *around[0]))
    return last(F.conv2d(x, layer.kernel.permute(3, 2, 0, 1), layer.bias, stride))


@theirs.register
def _(layer: nn.ConvTranspose, x):
    size = [n * layer.stride for n in x.shape[1:3]]
    y = F.conv_transpose2d(first(x), layer.kernel.permute(3, 2, 0, 1), layer.bias, layer.stride)
    window = layer.kernel.shape[0]
    before = max(0, window - layer.stride) // 2  # "same"; 0 where windows do not overlap
    return last(y)[:, before : before + size[0], before : before + size[1]]


@theirs.register
def _(layer: nn.BatchNorm, x):
    y = F.batch_norm(x if x.ndim == 2 else first(x), None, None, layer.scale, layer.offset, training=True)
    return y if x.ndim == 2 else last(y)


@theirs.register
def _(layer: nn.MaxPool, x):
    return last(F.max_pool2d(first(x), layer.window, layer.stride, 0 if layer.padding == "valid" else layer.padding))


@theirs.register
def _(layer: nn.Dense, x):
    return x @ layer.kernel + layer.bias


@theirs.register
def _(layer: nn.Flatten, x):
    return x.flatten(1)


@theirs.register
def _(layer: nn.GlobalAvgPool, x):
    return x.mean((1, 2))


@theirs.register
def _(model: models.ResNet | models.MLP, x):
    return theirs(model.layers, x)


@theirs.register
def _(model: models.Autoencoder, x):
    code = theirs(model.encoder, x)
    return theirs(model.decoder, theirs(model.expansion, code).reshape(len(x), *model.size))


@theirs.register
def _(model: models.UNet, x):
    seen = []
    for layer in model.down:
        seen.append(theirs(layer, x))
        x = last(F.max_pool2d(first(seen[-1]), 2))
    x = theirs(model.bottom, x)
    for rise, layer, beside in zip(model.rising, model.up, reversed(seen), strict=True):
        x = theirs(layer, torch.cat([theirs(rise, x), beside], 3))
    return theirs(model.output, x)


MAKERS = {
    "MLP": (lambda **o: models.MLP(5, (4, 3), 2, **o), (6, 5)),
    "ResNet18": (lambda **o: models.ResNet(18, 3, stem="cifar", width=2, **o), (4, 16, 16, 3)),
    "ResNet34": (lambda **o: models.ResNet(34, 3, width=2, **o), (4, 36, 36, 3)),
    "ResNet50": (lambda **o: models.ResNet(50, 3, stem="cifar", width=2, **o), (4, 16, 16, 3)),
    "Autoencoder": (lambda **o: models.Autoencoder(3, image_size=(8, 12), width=2, **o), (3, 8, 12, 1)),
    "UNet": (lambda **o: models.UNet(3, width=2, depth=2, **o), (3, 8, 12, 1)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_outputs_and_gradients(name, rng):
    make, shape = MAKERS[name]
    model, x = make(rng=rng, dtype=np.float64), rng.normal(size=shape)
    y, pullback = tn.vjp(lambda model, x: model.train(x, rng)[0], model, x)
    tensors = tree_map(lambda leaf: torch.tensor(leaf, requires_grad=True), model)
    images = torch.tensor(x, requires_grad=True)
    expected = theirs(tensors, images)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-6, atol=1e-8)
    y_bar = rng.normal(size=y.shape)
    expected.backward(torch.tensor(y_bar))
    model_bar, x_bar = pullback(y_bar)
    for ours, tensor in zip([*tree_leaves(model_bar), x_bar], [*leaves_of(tensors), images], strict=True):
        size = max(1, np.abs(tensor.grad.numpy()).max())
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-5, atol=1e-7 * size)


def leaves_of(tensors):
    """The tensors of a model, in the order of its leaves."""
    import optree

    from tapenet.core.pytrees import NAMESPACE

    return optree.tree_leaves(tensors, namespace=NAMESPACE)
