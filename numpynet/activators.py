"""Activators: elementwise functions for `Layer`."""

from __future__ import annotations

import tapenet as tn
from numpynet.layout import elementwise
from numpynet.symbols import Variable


class ReluActivator:
    """max(x, 0), with slope 0 at 0, as the original had it."""

    name = "Relu"

    def forward(self, X: Variable, if_train: bool = True) -> Variable:
        """Return the rectified input."""
        return Variable(elementwise(tn.nn.relu, X.value))


class IdentityActivator:
    """The input itself."""

    name = "Identity"

    def forward(self, X: Variable, if_train: bool = True) -> Variable:
        """Return the input."""
        return X


class SigmoidActivator:
    """1 / (1 + e^-x), without the original's overflow for large negative x."""

    name = "Sigmoid"

    def forward(self, X: Variable, if_train: bool = True) -> Variable:
        """Return the logistic function of the input."""
        return Variable(elementwise(tn.nn.sigmoid, X.value))


class TanhActivator:
    """The hyperbolic tangent, without the original's overflow for large negative x."""

    name = "Tanh"

    def forward(self, X: Variable, if_train: bool = True) -> Variable:
        """Return the hyperbolic tangent of the input."""
        return Variable(elementwise(tn.nn.tanh, X.value))
