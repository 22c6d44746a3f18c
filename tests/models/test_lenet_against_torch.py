"""LeNet's logits and gradient against a PyTorch model of the same weights."""

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.core.pytrees import tree_leaves
from tapenet.models import LeNet

torch = pytest.importorskip("torch")
F = torch.nn.functional


def their_logits(x, kernel1, bias1, kernel2, bias2, dense1, offset1, dense2, offset2):
    """Channels first inside; flattened in the order of channels last, which our dense kernel expects."""
    h = F.max_pool2d(F.relu(F.conv2d(x.permute(0, 3, 1, 2), kernel1.permute(3, 2, 0, 1), bias1)), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, kernel2.permute(3, 2, 0, 1), bias2)), 2)
    h = h.permute(0, 2, 3, 1).flatten(1)
    return F.relu(h @ dense1 + offset1) @ dense2 + offset2


@pytest.mark.parametrize(("image", "channels"), [((28, 28), 1), ((17, 20), 3)])
def test_logits_and_gradient(image, channels, rng):
    model = LeNet(7, rng=rng, image_size=image, channels=channels, dropout=0, dtype=np.float64)
    x, labels = rng.normal(size=(3, *image, channels)), rng.integers(0, 7, 3)
    loss, (model_bar, x_bar) = tn.value_and_grad(
        lambda model, x: nn.cross_entropy(model.train(x, rng)[0], labels), (0, 1)
    )(model, x)
    weights = [torch.tensor(leaf, requires_grad=True) for leaf in tree_leaves(model)]
    images = torch.tensor(x, requires_grad=True)
    logits = their_logits(images, *weights)
    np.testing.assert_allclose(model(x), logits.detach().numpy(), rtol=1e-10, atol=1e-12)
    expected = F.cross_entropy(logits, torch.tensor(labels))
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-12)
    pairs = zip([*tree_leaves(model_bar), x_bar], [*weights, images], strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-12)
