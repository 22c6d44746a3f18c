"""Activation functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.argument_checks import checked_array, checked_flag, checked_number, checked_operand
from tapenet.core.batch_rules import leading, shifted
from tapenet.core.families import elementwise, general
from tapenet.core.primitive import Array, Primitive
from tapenet.errors import ArgumentError
from tapenet.kernels import elementwise as kernels
from tapenet.kernels.elementwise import add_up
from tapenet.ops.elementwise.arithmetic import clip, multiply, square, subtract, where
from tapenet.ops.elementwise.comparison import greater
from tapenet.ops.elementwise.exponential import exp, expm1, logaddexp
from tapenet.ops.elementwise.trigonometric import tanh as tanh
from tapenet.ops.reductions.reduction import Axes, normalized_axes, sum as sum_over
from tapenet.ops.special.functions import erf


def _numeric(function: str, compute: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of an array that names itself where it is given something else."""

    def checked(x: Array) -> Array:
        try:
            return compute(x if type(x) is np.ndarray else checked_operand(function, "x", x))
        except TypeError:
            checked_array(function, "x", x)
            raise

    return checked


relu = elementwise(
    _numeric("relu", kernels.relu),
    lambda t, out: where(greater(out, 0), t, 0),
    name="relu",
    doc="""Rectify: max(x, 0).

    Derivative: 1 for x > 0, else 0, also at 0.

    Args:
        x: real array of any shape.

    Returns:
        An array of the shape and dtype of x.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> tn.nn.relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """,
)


def _sigmoid(x: Array) -> Array:
    decayed = np.exp(-np.abs(x))  # at most 1: neither side overflows, and the small side keeps its digits
    return np.where(np.less(x, 0), decayed, 1) / (1 + decayed)


sigmoid = elementwise(
    _numeric("sigmoid", _sigmoid),
    lambda t, out: t * (out * (1 - out)),
    name="sigmoid",
    doc="""Compute the logistic function 1 / (1 + e^-x), without overflow.

    Derivative: y (1 - y), with y the result.

    Args:
        x: float array of any shape.

    Returns:
        An array of the shape and dtype of x, in [0, 1].

    >>> tn.nn.sigmoid(np.array([0.0]))
    array([0.5])
    """,
)


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """Rectify, but let a part of negative values pass: x for x > 0, else slope * x.

    Derivatives: for x, 1 where x > 0, else slope, also at 0; for slope, x where x <= 0, else 0.

    Args:
        x: float array of any shape.
        slope: the slope for negative values.

    Returns:
        An array of the shape and dtype of x.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    >>> tn.nn.leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    x, slope = checked_operand("leaky_relu", "x", x), _coefficient("leaky_relu", "slope", slope)
    return where(greater(x, 0), x, multiply(slope, x))


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Compute the exponential linear unit: x for x > 0, else alpha (e^x - 1).

    Derivatives: for x, 1 where x > 0, else alpha e^x, which is alpha at 0; for alpha, e^x - 1 where x <= 0, else 0.

    Args:
        x: float array of any shape.
        alpha: the scale of negative values.

    Returns:
        An array of the shape and dtype of x.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear
    units", arXiv:1511.07289.

    >>> tn.nn.elu(np.array([-np.inf, 2.0]))
    array([-1.,  2.])
    """
    x, alpha = checked_operand("elu", "x", x), _coefficient("elu", "alpha", alpha)
    positive = greater(x, 0)
    return where(positive, x, multiply(alpha, expm1(where(positive, 0, x))))


def gelu(x: Array, approximate: bool = False) -> Array:
    """Compute the Gaussian error linear unit: x Phi(x), with the normal distribution function Phi, or by tanh.

    Exact: x / 2 (1 + erf(x / sqrt(2))). Approximate: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Derivative: Phi(x) + x phi(x), with the normal density phi; with `approximate`, that of its formula.

    Args:
        x: float array of any shape.
        approximate: whether to take the formula with tanh.

    Returns:
        An array of the shape and dtype of x.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", arXiv:1606.08415.

    >>> tn.nn.gelu(np.array([0.0, 100.0]))
    array([  0., 100.])
    """
    x = checked_operand("gelu", "x", x)
    if checked_flag("gelu", "approximate", approximate):
        near = clip(x, -10, 10)  # beyond it tanh is -1 or 1 to the last digit, and the cube could overflow
        cumulative = 1 + tanh(math.sqrt(2 / math.pi) * near * (1 + 0.044715 * square(near)))
    else:
        cumulative = 1 + erf(multiply(math.sqrt(0.5), x))
    return multiply(multiply(0.5, x), cumulative)


def silu(x: Array) -> Array:
    """Compute the sigmoid linear unit: x sigmoid(x).

    Derivative: s + x s (1 - s), with s = sigmoid(x).

    Args:
        x: float array of any shape.

    Returns:
        An array of the shape and dtype of x.

    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units", arXiv:1702.03118.

    >>> tn.nn.silu(np.array([0.0]))
    array([0.])
    """
    x = checked_operand("silu", "x", x)
    return multiply(x, sigmoid(x))


def softplus(x: Array) -> Array:
    """Compute log(1 + e^x), without overflow.

    Derivative: sigmoid(x).

    Args:
        x: float array of any shape.

    Returns:
        An array of the shape and dtype of x.

    >>> tn.nn.softplus(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    return logaddexp(checked_operand("softplus", "x", x), 0)


def softmax(x: Array, axis: int = -1) -> Array:
    """Compute e^x_i / sum_j e^x_j along an axis, without overflow.

    Derivative: the Jacobian is diag(y) - y y^T, with y the result.

    Args:
        x: logits, float array of any shape with at least one axis.
        axis: the axis of the classes.

    Returns:
        Probabilities, an array of the shape and dtype of x.

    Raises:
        ArgumentError: an x without axes.
        AxisError: an axis that x does not have.

    >>> tn.nn.softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return _along("softmax", _softmax, x, axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Compute x_i - log sum_j e^x_j along an axis, without overflow.

    Derivative: the Jacobian is I - 1 softmax(x)^T.

    Args:
        x: logits, float array of any shape with at least one axis.
        axis: the axis of the classes.

    Returns:
        Logarithms of probabilities, an array of the shape and dtype of x.

    Raises:
        ArgumentError: an x without axes.
        AxisError: an axis that x does not have.

    >>> tn.nn.log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    return _along("log_softmax", _log_softmax, x, axis)


@general(
    [lambda t, out, axis: multiply(out, subtract(t, sum_over(multiply(t, out), axis, keepdims=True)))],
    [lambda t, out, axis: multiply(out, subtract(t, sum_over(multiply(t, out), axis, keepdims=True)))],
    name="softmax",
    batch=leading(axis=shifted),
)
def _softmax(x: Array, *, axis: Axes) -> Array:
    weights = np.exp(_less_largest(x, axis))
    return weights / add_up(weights, axis, keepdims=True)


@general(
    [lambda t, out, axis: subtract(t, multiply(exp(out), sum_over(t, axis, keepdims=True)))],
    [lambda t, out, axis: subtract(t, sum_over(multiply(exp(out), t), axis, keepdims=True))],
    name="log_softmax",
    batch=leading(axis=shifted),
)
def _log_softmax(x: Array, *, axis: Axes) -> Array:
    less = _less_largest(x, axis)
    return less - np.log(add_up(np.exp(less), axis, keepdims=True))


def _coefficient(function: str, name: str, value: Any) -> Any:
    """A finite number; or an array of them, one for each channel, say."""
    if type(value) is float:
        return checked_number(function, name, value)
    return checked_array(function, name, value) if np.ndim(value) else checked_number(function, name, value)


def _along(function: str, primitive: Primitive, x: Array, axis: int) -> Array:
    x = checked_array(function, "x", x)
    if x.ndim == 0:
        raise ArgumentError(f"{function}: x must have at least one axis; got shape ().")
    return primitive(x, axis=normalized_axes(function, axis, x.ndim))


def _less_largest(x: Array, axis: Axes) -> Array:
    """Subtract from x its largest element along an axis: a constant, which changes neither value nor derivative."""
    largest = np.max(x, axis, keepdims=True)
    return x - np.where(np.isfinite(largest), largest, 0)
