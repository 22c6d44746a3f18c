"""VGG16: its shape, its errors, and that it learns."""

import itertools
import re

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.core.pytrees import tree_leaves
from tapenet.models import VGG16


def test_thirteen_convolutions_and_three_dense_layers(rng):
    model = VGG16(10, rng=rng, image_size=32, width=4)
    kernels = [leaf.shape for leaf in tree_leaves(model) if leaf.ndim > 1]
    channels = [3, 4, 4, 8, 8, 16, 16, 16, 32, 32, 32, 32, 32, 32]
    assert kernels[:13] == [(3, 3, *pair) for pair in itertools.pairwise(channels)]
    assert kernels[13:] == [(32, 256), (256, 256), (256, 10)]


@pytest.mark.parametrize(("options", "got"), [({"image_size": (32, 31)}, "(32, 31)"), ({"width": 0}, "0")])
def test_what_it_cannot_take(options, got, rng):
    with pytest.raises(tn.ArgumentError, match=re.escape(f"got {got}.")):
        VGG16(10, rng=rng, **options)


def test_it_learns_from_its_first_parameters(rng):
    labels = np.arange(8) % 2
    images = rng.normal(size=(8, 32, 32, 3)).astype(np.float32) * 0.3 + labels[:, None, None, None].astype(np.float32)
    model = VGG16(2, rng=rng, image_size=32, width=4, dropout=0.0)
    optimizer = tn.optim.adam(1e-3)
    state, losses = optimizer.init(model), []
    for _ in range(25):
        loss, gradient = tn.value_and_grad(lambda model: nn.cross_entropy(model.train(images, rng)[0], labels))(model)
        model, state = optimizer.update(gradient, state, model)
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]
