"""Models written as a user of the graph would write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import tapenet as tn
from compat.activators import ReluActivator
from compat.data import miniBatch, randomshuffle
from compat.graph import Graph
from compat.losses import Loss, Softmax
from compat.operations import Conv2d, Dot, Dropout, Flatten, MaxPooling, global_generator
from compat.optimizers import AdamOptimizer
from compat.symbols import Layer, Op, Placeholder, Variable
from tapenet.errors import ArgumentError

VGG16_STAGES = (
    (64, 2),
    (128, 2),
    (256, 3),
    (512, 3),
    (512, 3),
)  # (channels, convolutions) before each pooling
REPORTED = 50  # batches from one line about the loss to the next


class Model:
    """What LeNet and VGG16 have in common: a graph that ends in a softmax and is trained by Adam.

    Parameters are float32 and start He-normal, biases at 0. The original's started uniformly in [-0.5, 0.5],
    from where neither model learns.

    Attributes:
        graph: the `Graph`.
        X: its `Placeholder`.
    """

    def __init__(self, imagesize: Sequence[int], flatten_size: int, num_labels: int, lr: float, least: int) -> None:
        if len(imagesize) != 4 or min(imagesize[2:]) < least:
            raise ArgumentError(
                f"{type(self).__name__}: imagesize must be (N, C, W, H), W and H at least {least}; "
                f"got {tuple(imagesize)}."
            )
        self.N, self.C, self.W, self.H = imagesize
        self.flatten_size = flatten_size
        self.num_labels = num_labels
        self.lr = lr
        self.graph = Graph()
        self.X = Placeholder()
        self._last: Any = self.X

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
        """Train, and print the loss now and then and the accuracy after every epoch.

        Args:
            X_train, Y_train, X_test, Y_test: images (N, C, H, W) and one-hot labels, as Variables.
            epochs: passes over the training images, in a new random order each.
            trbatchsize, tebatchsize: images in a batch, in training and in testing.
        """
        X_train, Y_train, X_test, Y_test = map(_single, (X_train, Y_train, X_test, Y_test))
        tests = miniBatch(X_test, Y_test, tebatchsize)
        for epoch in range(epochs):
            batches = miniBatch(*randomshuffle(X_train, Y_train), trbatchsize)
            for i, (X, Y) in enumerate(batches):
                self.graph.forward(X)
                self.graph.calc_loss(Y)
                self.graph.backward()
                self.graph.update()
                if i % REPORTED == 0:
                    print(f"epoch:{epoch}/{epochs}, batch:{i}/{len(batches)}, train loss:{self.graph.loss}")
            print(f"epoch:{epoch}, accuracy:{self.graph.accuracy(tests)}", flush=True)

    # ---- building ----

    def _parameters(self, *shape: int) -> list[Variable]:
        """Weights and a bias, added to the graph."""
        weight = tn.nn.init.he_normal(global_generator(), shape)
        pair = [Variable(weight, self.lr), Variable(np.zeros((shape[-1], 1), np.float32), self.lr)]
        self.graph.add_vars(pair)
        return pair

    def _op(self, operation: Any, X2: Any = None) -> None:
        self._last = Op(operation, self._last, X2)
        self.graph.add_op(self._last)

    def _relu(self) -> None:
        self._last = Layer(ReluActivator(), self._last)
        self.graph.add_layer(self._last)

    def _conv(self, size: int, inputs: int, outputs: int, padding: str) -> None:
        self._op(Conv2d(padding=padding), self._parameters(size, size, inputs, outputs))
        self._relu()

    def _dense(self, inputs: int, outputs: int) -> None:
        self._op(Dot(), self._parameters(inputs, outputs))

    def _finish(self) -> None:
        self.graph.add_loss(Loss(Softmax()))
        self.graph.add_optimizer(AdamOptimizer())


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
        super().__init__(imagesize, flatten_size, num_labels, lr, least=16)
        sizes = (((size - 4) // 2 - 4) // 2 for size in (self.W, self.H))
        _check_flatten_size("LeNet", flatten_size, 64 * math.prod(sizes))
        self._conv(5, self.C, 32, "valid")
        self._op(MaxPooling(2, 2))
        self._conv(5, 32, 64, "valid")
        self._op(MaxPooling(2, 2))
        self._op(Flatten())
        self._dense(flatten_size, 1024)
        self._relu()
        self._op(Dropout(0.3))
        self._dense(1024, num_labels)
        self._finish()


class VGG16(Model):
    """Thirteen 3x3 convolutions in five stages with a pooling after each, and three dense layers.

    Args:
        imagesize: (N, C, W, H), such as `X.value.shape`.
        flatten_size: how many features come out of the convolutions: 512 for 32 x 32.
        num_labels: the number of classes.
        lr: of all parameters.
    """

    def __init__(self, imagesize: Sequence[int], flatten_size: int, num_labels: int, lr: float = 1e-4) -> None:
        super().__init__(imagesize, flatten_size, num_labels, lr, least=32)
        _check_flatten_size("VGG16", flatten_size, 512 * (self.W // 32) * (self.H // 32))
        channels = self.C
        for outputs, count in VGG16_STAGES:
            for _ in range(count):
                self._conv(3, channels, outputs, "same")
                channels = outputs
            self._op(MaxPooling(2, 2))
        self._op(Flatten())
        self._dense(flatten_size, 4096)
        self._relu()
        self._dense(4096, 4096)
        self._relu()
        self._dense(4096, num_labels)
        self._finish()


def _single(X: Variable) -> Variable:
    """Data in the precision of the parameters."""
    return Variable(np.asarray(X.value if isinstance(X, Variable) else X, np.float32))


def _check_flatten_size(model: str, flatten_size: int, expected: int) -> None:
    if flatten_size != expected:
        raise ArgumentError(f"{model}: flatten_size must be {expected} for this imagesize; got {flatten_size}.")
