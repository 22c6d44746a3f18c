"""Models, written as a user of the graph would write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import tapenet as tn
from numpynet.activators import ReluActivator
from numpynet.data import miniBatch, randomshuffle
from numpynet.graph import Graph
from numpynet.initializers import NormalInit
from numpynet.losses import Loss, Softmax
from numpynet.operations import Conv2d, Dot, Dropout, Flatten, MaxPooling
from numpynet.optimizers import AdamOptimizer
from numpynet.symbols import Array, Layer, Link, Op, Placeholder, Variable, checked_data
from tapenet.core.argument_checks import checked_count, checked_number, checked_shape, shown

# Channels and number of the convolutions before each pooling.
VGG16_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


class Model:
    """A graph that grows at its end, closes with a softmax and is trained by Adam.

    Parameters are float32 and start He-normal, biases at 0. The original's started uniformly in [-0.5, 0.5],
    from where neither model learns.

    Attributes:
        graph: the `Graph`.
        X: its `Placeholder`.
    """

    def __init__(self, imagesize: Sequence[int], num_labels: int, lr: float) -> None:
        model = type(self).__name__
        sizes = checked_shape(model, "imagesize", imagesize)
        if len(sizes) != 4:
            raise tn.ArgumentError(f"{model}: imagesize must be (N, C, W, H); got {shown(imagesize)}.")
        self.N, self.C, self.W, self.H = sizes
        self.num_labels = checked_count(model, "num_labels", num_labels)
        self.lr = checked_number(model, "lr", lr, "[0, inf)")
        self.graph = Graph()
        self.graph.add_loss(Loss(Softmax()))
        self.graph.add_optimizer(AdamOptimizer())
        self.X = Placeholder()
        self._end: Link = self.X

    def train(
        self,
        X_train: Variable,
        Y_train: Variable,
        X_test: Variable,
        Y_test: Variable,
        epochs: int,
        trbatchsize: int = 10,
        tebatchsize: int = 10,
    ) -> None:
        """Train, and print the loss at every fiftieth batch and the accuracy after every epoch.

        Args:
            X_train, Y_train, X_test, Y_test: images (N, C, H, W) and one-hot labels, as Variables or arrays.
            epochs: passes over the training images, in a new random order each.
            trbatchsize, tebatchsize: images in a batch, in training and in testing.
        """
        epochs = checked_count("train", "epochs", epochs, 0)
        trbatchsize = checked_count("train", "trbatchsize", trbatchsize)
        tebatchsize = checked_count("train", "tebatchsize", tebatchsize)
        X_train, Y_train = _single("X_train", X_train), _single("Y_train", Y_train)
        X_test, Y_test = _single("X_test", X_test), _single("Y_test", Y_test)
        tests = miniBatch(X_test, Y_test, tebatchsize)
        for epoch in range(epochs):
            batches = miniBatch(*randomshuffle(X_train, Y_train), trbatchsize)
            for i, (X, Y) in enumerate(batches):
                self.graph.forward(X)
                self.graph.calc_loss(Y)
                self.graph.backward()
                self.graph.update()
                if i % 50 == 0:
                    print(f"epoch:{epoch}/{epochs}, batch:{i}/{len(batches)}, train loss:{self.graph.loss}")
            print(f"epoch:{epoch}, accuracy:{self.graph.accuracy(tests)}", flush=True)

    # ---- growing ----

    def _op(self, operation: Any, X2: Link = None) -> None:
        self._end = Op(operation, self._end, X2)
        self.graph.add_op(self._end)

    def _relu(self) -> None:
        self._end = Layer(ReluActivator(), self._end)
        self.graph.add_layer(self._end)

    def _weights(self, *shape: int) -> list[Variable]:
        """Return a kernel whose last axis is its outputs, and a bias; both added to the graph."""
        scale = math.sqrt(2 / math.prod(shape[:-1]))
        W = Variable(NormalInit(shape, scale=scale).astype(np.float32), self.lr)
        b = Variable(np.zeros((shape[-1], 1), np.float32), self.lr)
        self.graph.add_vars([W, b])
        return [W, b]

    def _check_sizes(self, flatten_size: int, expected: int) -> None:
        model, size = type(self).__name__, f"{self.W} x {self.H}"
        if expected < 1:
            raise tn.ArgumentError(f"{model}: imagesize must be of images large enough to leave a feature; got {size}.")
        if checked_count(model, "flatten_size", flatten_size) != expected:
            raise tn.ArgumentError(
                f"{model}: flatten_size must be {expected} for images of {size}; got {flatten_size}."
            )


class LeNet(Model):
    """Conv 5x5x32, pool, conv 5x5x64, pool, dense 1024 with dropout (0.3 kept), dense to the labels.

    The new library's is `tapenet.models.LeNet`.

    Args:
        imagesize: (N, C, W, H), such as `X.value.shape`.
        flatten_size: how many features come out of the convolutions: 1024 for 28 x 28.
        num_labels: the number of classes.
        lr: of all parameters.

    >>> LeNet((10, 1, 28, 28), 1024, 10).graph.predict(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 10)
    """

    def __init__(self, imagesize: Sequence[int], flatten_size: int, num_labels: int, lr: float = 1e-3) -> None:
        super().__init__(imagesize, num_labels, lr)
        w, h = (((size - 4) // 2 - 4) // 2 for size in (self.W, self.H))
        self._check_sizes(flatten_size, 64 * max(w, 0) * max(h, 0))
        for inputs, outputs in ((self.C, 32), (32, 64)):
            self._op(Conv2d(padding="valid"), self._weights(5, 5, inputs, outputs))
            self._relu()
            self._op(MaxPooling(2, 2))
        self._op(Flatten())
        self._op(Dot(), self._weights(flatten_size, 1024))
        self._relu()
        self._op(Dropout(0.3))
        self._op(Dot(), self._weights(1024, num_labels))


class VGG16(Model):
    """Thirteen 3x3 convolutions in five stages with a pooling after each, and three dense layers.

    Its Adam has beta2 = 0.95: without bias correction, steps with the usual 0.999 are up to six times lr in the
    beginning, which sixteen layers do not survive. The original's had 0.999.

    Args:
        imagesize: (N, C, W, H), such as `X.value.shape`.
        flatten_size: how many features come out of the convolutions: 512 for 32 x 32.
        num_labels: the number of classes.
        lr: of all parameters.
    """

    def __init__(self, imagesize: Sequence[int], flatten_size: int, num_labels: int, lr: float = 1e-4) -> None:
        super().__init__(imagesize, num_labels, lr)
        self.graph.add_optimizer(AdamOptimizer(beta2=0.95))
        self._check_sizes(flatten_size, 512 * (self.W // 32) * (self.H // 32))
        channels = self.C
        for outputs, count in VGG16_STAGES:
            for _ in range(count):
                self._op(Conv2d(padding="same"), self._weights(3, 3, channels, outputs))
                self._relu()
                channels = outputs
            self._op(MaxPooling(2, 2))
        self._op(Flatten())
        for inputs in (flatten_size, 4096):
            self._op(Dot(), self._weights(inputs, 4096))
            self._relu()
        self._op(Dot(), self._weights(4096, num_labels))


def _single(name: str, data: Variable | Array) -> Variable:
    """Data in the precision of the parameters."""
    return Variable(checked_data("train", name, data).astype(np.float32, copy=False))
