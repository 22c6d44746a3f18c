"""Losses: summed over the batch, as the original's are."""

from __future__ import annotations

from typing import Any

import tapenet as tn
from numpynet.symbols import Array, Symbol, Variable


class Loss(Symbol):
    """A loss function as a symbol of a graph.

    Args:
        lossfunc: such as `Softmax()`; anything with `forward(output, Y)`, and `predict(X)` for `Graph.predict`.

    Attributes:
        loss: the value that was calculated last; None before.

    >>> Loss(Softmax())
    Softmax, loss:None
    """

    given_as = "lossfunc"

    def __init__(self, lossfunc: Any) -> None:
        super().__init__(lossfunc)
        self.loss: Any = None

    def pull(self, D: Array, inputs: list[Any], output: Array) -> None:
        """Set `.D` of the output from `backward()`, which for a loss function returns the gradient by it."""
        inputs[0].D = D * self.operator.backward()

    def predict(self, X: Variable) -> Array:
        """Return what the loss function predicts for an output; where it has no `predict`, the output itself."""
        predict = getattr(self.operator, "predict", None)
        return Variable(X if predict is None else predict(X)).value

    def __repr__(self) -> str:
        return f"{self.name}, loss:{self.loss}"


class MSE:
    """Half the sum of squared errors, 1/2 sum (output - Y)^2. Gradient: output - Y.

    The original's gradient had the opposite sign, so that its optimizers climbed; and its value added the
    products of every two rows' errors.
    """

    name = "MSE"

    def forward(self, output: Variable, Y: Variable) -> Array:
        """Return the loss of an output, Y being of its shape."""
        return 0.5 * tn.nn.mean_squared_error(output.value, Y.value, reduction="sum")

    def predict(self, X: Variable) -> Array:
        """Return the output itself."""
        return X.value


class Softmax:
    """Softmax and cross-entropy, summed over the batch. Gradient: softmax(output) - Y.

    The original divided by the row's largest element where we subtract it, and added 1e-6 here and there: its
    value was not that of the formula, and not stable for rows below 0.
    """

    name = "Softmax"

    def forward(self, output: Variable, Y: Variable) -> Array:
        """Return the loss of logits (N, classes), Y being one-hot rows of the same shape."""
        return tn.nn.cross_entropy(output.value, Y.value, reduction="sum")

    def predict(self, X: Variable) -> Array:
        """Return the probabilities of the classes, (N, classes)."""
        return tn.nn.softmax(X.value)
