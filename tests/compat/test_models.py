"""LeNet and VGG16: their layers, that they learn from how they start, and what they refuse."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import compat as nn
import tapenet as tn


def stripes(rng: np.random.Generator, count: int, size: int) -> tuple[nn.Variable, nn.Variable]:
    """Noisy images of horizontal or vertical stripes, and which."""
    kinds = rng.permutation(np.arange(count) % 2)[:, None]  # some of each
    wave = np.sin(np.arange(size))
    clean = np.where(kinds[:, :, None], wave[:, None], wave[None, :])
    images = clean[:, None] + 0.3 * rng.normal(size=(count, 1, size, size))
    return nn.Variable(images), nn.Variable(nn.onehot(kinds))


def names(graph: nn.Graph) -> list[str]:
    return [node.name for node in graph.graph]


def test_the_layers_of_lenet() -> None:
    model = nn.LeNet((10, 1, 28, 28), 1024, 10)
    assert names(model.graph) == [
        *["Conv2d", "Relu", "Maxpooling"] * 2,
        *["Flatten", "Dot", "Relu", "Dropout", "Dot"],
    ]
    assert [variable.shape for variable in model.graph.variable] == [
        *[(5, 5, 1, 32), (32, 1), (5, 5, 32, 64), (64, 1)],
        *[(1024, 1024), (1024, 1), (1024, 10), (10, 1)],
    ]
    assert {variable.lr for variable in model.graph.variable} == {1e-3}
    assert model.graph.ops[-2].operator.p == 0.3


def test_lenet_learns_from_how_it_starts(capsys: pytest.CaptureFixture[str], rng: np.random.Generator) -> None:
    np.random.seed(0)
    X_train, Y_train = stripes(rng, 60, 16)
    X_test, Y_test = stripes(rng, 30, 16)
    model = nn.LeNet(X_train.value.shape, 64, 2)
    model.train(X_train, Y_train, X_test, Y_test, epochs=2, trbatchsize=10, tebatchsize=20)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"epoch:0/2, batch:0/6, train loss:Softmax, loss:[\d.]+", lines[0])
    assert re.fullmatch(r"epoch:1, accuracy:[\d.]+", lines[-1])
    assert float(lines[-1].split(":")[-1]) > 0.95
    assert model.graph.accuracy(nn.miniBatch(X_train.value.astype(np.float32), Y_train)) > 0.95


def test_vgg16_has_sixteen_layers_and_learns_from_how_it_starts(rng: np.random.Generator) -> None:
    np.random.seed(0)
    X, Y = (data.value.astype(np.float32) for data in stripes(rng, 4, 32))
    model = nn.VGG16(X.shape, 512, 2)
    channels = [1, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    convolutions = [v.shape for v in model.graph.variable if len(v.shape) == 4]
    assert convolutions == [(3, 3, *pair) for pair in itertools.pairwise(channels)]
    dense = [v.shape for v in model.graph.variable if len(v.shape) == 2 and v.shape[1] > 1]
    assert dense == [(512, 4096), (4096, 4096), (4096, 2)]
    assert names(model.graph).count("Maxpooling") == 5
    assert {variable.lr for variable in model.graph.variable} == {1e-4}

    losses = []
    for _ in range(10):
        model.graph.forward(X)
        losses.append(float(model.graph.calc_loss(Y)))
        model.graph.backward()
        model.graph.update()
    assert losses[0] < 4 * 3 * np.log(2)  # no saturated softmax at the start
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize(
    ("model", "size", "flatten_size", "text"),
    [
        (
            nn.LeNet,
            (1, 1, 28, 28),
            512,
            "LeNet: flatten_size must be 1024 for images of 28 x 28; got 512.",
        ),
        (nn.LeNet, (1, 1, 8, 8), 0, "LeNet: imagesize must be of images large enough to leave a feature; got 8 x 8."),
        (
            nn.VGG16,
            (1, 3, 64, 32),
            512,
            "VGG16: flatten_size must be 1024 for images of 64 x 32; got 512.",
        ),
        (nn.VGG16, (3, 32, 32), 512, "VGG16: imagesize must be (N, C, W, H); got (3, 32, 32)."),
    ],
)
def test_sizes_that_do_not_fit(model: Any, size: Any, flatten_size: int, text: str) -> None:
    with pytest.raises(tn.ArgumentError, match=f"^{re.escape(text)}$"):
        model(size, flatten_size, 10)
