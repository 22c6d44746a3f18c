"""Activation functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_flag, checked_number, checked_operand
from tapenet.core.array_types import Array
from tapenet.core.batch_rules import leading, shifted
from tapenet.core.families import elementwise, general
from tapenet.core.primitive import Primitive
from tapenet.core.shapes import Axes
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels import elementwise as kernels
from tapenet.kernels.elementwise import add_up
from tapenet.kernels.vector_functions import along_rows, elementwise as in_one_pass
from tapenet.nn.floats import as_floating
from tapenet.ops.elementwise.arithmetic import clip, multiply, negative, square, subtract, where
from tapenet.ops.elementwise.choices import greater
from tapenet.ops.elementwise.exponential import exp, expm1, logaddexp
from tapenet.ops.elementwise.trigonometric import over_square_of_cosh, tanh as hyperbolic_tangent
from tapenet.ops.reductions.reduction import normalized_axes, sum as sum_over
from tapenet.ops.special.functions import gelu as gelu_at_once

_QUICK = frozenset({np.ndarray, Tensor})  # types whose elements are checked where an operation fails
_FAR = 60.0  # where gelu by tanh is 0 or x in every dtype, and no power overflows in float16


def _numeric(function: str, compute: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return a function of an array that names itself where it is given something else."""

    def checked(x: Array) -> Array:
        try:
            return compute(x if type(x) is np.ndarray else checked_operand(function, "x", x))
        except TypeError:
            checked_array(function, "x", x)
            raise

    return checked


tanh: Callable[[Array], Array] = hyperbolic_tangent
relu: Callable[[Array], Array] = elementwise(
    kernels.relu,
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


# 0, 1 and -1 as arrays, which NumPy takes in half the time that Python's numbers take.
_NUMBERS = {dtype: tuple(np.array(n, dtype) for n in (0, 1, -1)) for dtype in map(np.dtype, "efdg")}


def _sigmoid(x: Array) -> Array:
    out = in_one_pass("sigmoid", x)
    if out is not None:
        return out
    if type(x) is np.ndarray and x.dtype in _NUMBERS:
        zero, one, minus_one = _NUMBERS[x.dtype]
        decayed = np.exp(np.copysign(x, minus_one))
        # e^x where x is below 0, and else 1, without branches, which cost ten times as much as the exponential.
        return np.maximum(decayed, np.greater_equal(x, zero).astype(x.dtype)) / (decayed + one)
    x = as_floating(x)
    # At most 1: neither side overflows, and the small side keeps its digits.
    if np.iscomplexobj(x):
        below = np.less(np.real(x), 0)
        decayed = np.exp(np.where(below, x, np.negative(x)))
        return np.where(below, decayed, 1) / (1 + decayed)
    decayed = np.exp(-np.abs(x))
    return np.maximum(decayed, np.greater_equal(x, 0).astype(decayed.dtype)) / (1 + decayed)


def _sigmoid_slope(t: Array, x: Array) -> Array:
    # From the output, as y (1 - y), nothing would be left for x > 37.
    return over_square_of_cosh(t, 0.5 * x) * 0.25


sigmoid: Callable[[Array], Array] = elementwise(
    _numeric("sigmoid", _sigmoid),
    _sigmoid_slope,
    name="sigmoid",
    doc="""Compute the logistic function 1 / (1 + e^-x), without overflow.

    Derivative: y (1 - y), with y the result, computed as 1 / (2 cosh(x / 2))^2.

    Args:
        x: float or complex array of any shape.

    Returns:
        An array of the shape and dtype of x, in [0, 1] if it is real.

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
    x, slope = checked_operand("leaky_relu", "x", x), checked_coefficient("leaky_relu", "slope", slope)
    check_real("leaky_relu", "x", x)
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
    x, alpha = as_floating(checked_operand("elu", "x", x)), checked_coefficient("elu", "alpha", alpha)
    check_real("elu", "x", x)
    positive = greater(x, 0)
    return where(positive, x, multiply(alpha, expm1(where(positive, 0, x))))


def gelu(x: Array, approximate: bool = False) -> Array:
    """Compute the Gaussian error linear unit: x Phi(x), with the normal distribution function Phi, or by tanh.

    Exact: x / 2 (1 + erf(x / sqrt(2))). Approximate: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    At minus infinity both it and its derivative are 0, as their limits are.

    Derivative: Phi(x) + x phi(x), with the normal density phi; with `approximate`, that of its formula.

    Args:
        x: float or complex array of any shape; for complex x, Phi is the entire function erfc(-x / sqrt(2)) / 2.
        approximate: whether to take the formula with tanh.

    Returns:
        An array of the shape and dtype of x.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", arXiv:1606.08415.

    >>> tn.nn.gelu(np.array([0.0, 100.0]))
    array([  0., 100.])
    """
    x = checked_operand("gelu", "x", x)
    if not checked_flag("gelu", "approximate", approximate):
        return gelu_at_once(x)
    # Beyond it the sigmoid is 0 or 1 to the last digit, and the cube could overflow; of complex x it is periodic.
    near = x if np.iscomplexobj(x) else clip(x, -_FAR, _FAR)
    # (1 + tanh u) / 2 = sigmoid(2 u), which keeps its digits where tanh u is nearly -1.
    return multiply(x, sigmoid(2 * math.sqrt(2 / math.pi) * near * (1 + 0.044715 * square(near))))


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
    x = x if type(x) in _QUICK else checked_operand("silu", "x", x)
    try:
        return multiply(x, sigmoid(x))
    except ArgumentTypeError:
        checked_array("silu", "x", x)
        raise


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
    x = x if type(x) in _QUICK else checked_operand("softplus", "x", x)
    try:
        return logaddexp(x, 0.0)
    except TypeError:  # NumPy's function has no complex values
        check_real(
            "softplus",
            "x",
            checked_operand("softplus", "x", x),
            "Write tnp.log(1 + tnp.exp(x)) for the principal logarithm.",
        )
        raise


def softmax(x: Array, axis: int = -1) -> Array:
    """Compute e^x_i / sum_j e^x_j along an axis, without overflow.

    Derivative: the Jacobian is diag(y) - y y^T, with y the result. Of logits among which one is infinity or NaN, or
    all are -infinity, the whole result is NaN.

    Args:
        x: logits, float array of any shape with at least one axis.
        axis: the axis of the classes.

    Returns:
        Probabilities, an array of the shape and dtype of x.

    Raises:
        ArgumentError: an x without axes, or without classes.
        AxisError: an axis that x does not have.

    >>> tn.nn.softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return _along("softmax", _softmax, x, axis)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """Compute x_i - log sum_j e^x_j along an axis, without overflow.

    Derivative: the Jacobian is I - 1 softmax(x)^T. Of logits among which one is infinity or NaN, or all are -infinity,
    the whole result is NaN.

    Args:
        x: logits, float array of any shape with at least one axis.
        axis: the axis of the classes.

    Returns:
        Logarithms of probabilities, an array of the shape and dtype of x.

    Raises:
        ArgumentError: an x without axes, or without classes.
        AxisError: an axis that x does not have.

    >>> tn.nn.log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    x = checked_array("log_softmax", "x", x)
    check_real("log_softmax", "x", x, "Write tnp.log(tn.nn.softmax(x)) for the principal logarithm.")
    return _along("log_softmax", _log_softmax, x, axis)


# ---- Jacobians of softmax, in which the digits of 1 - y_k are kept where one probability y_k is nearly 1 ----


def _holds_most(out: Array) -> Array:
    """Return where a probability is above a half, which at most one of them is; nowhere for complex numbers."""
    return greater(out, 0.5) if out.dtype.kind != "c" else np.zeros(out.shape, bool)


def _less_expected(t: Array, y: Array, axis: Axes) -> Array:
    """Compute t_i - sum_j y_j t_j. t_k of the largest y_k is subtracted from all first, so that it costs no digits."""
    most = _holds_most(y)
    t = subtract(t, sum_over(where(most, t, 0), axis, keepdims=True))
    return subtract(t, sum_over(multiply(y, t), axis, keepdims=True))


def _in_rows(name: str, axis: Axes, *arrays: Array) -> Array | None:
    """Return what machine code gives for plain arrays along the last axis; None where NumPy computes it."""
    return along_rows("tapenet.kernels.softmax_code", name, *arrays) if axis == (arrays[0].ndim - 1,) else None


def _softmax_slope(t: Array, out: Array, axis: Axes) -> Array:
    found = _in_rows("softmax_slope", axis, t, out)
    if found is not None:
        return found
    return multiply(out, _less_expected(t, out, axis))


def _log_softmax_pullback(t: Array, out: Array, axis: Axes) -> Array:
    """Compute t_i - y_i sum_j t_j. They add up to 0, so that of the largest y_k is minus the sum of the others."""
    found = _in_rows("log_softmax_pullback", axis, t, out)
    if found is not None:
        return found
    y = exp(out)
    most = _holds_most(y)
    pulled = subtract(t, multiply(y, sum_over(t, axis, keepdims=True)))
    others = where(most, 0, pulled)
    return where(most, negative(sum_over(others, axis, keepdims=True)), pulled)


def _log_softmax_slope(t: Array, out: Array, axis: Axes) -> Array:
    found = _in_rows("log_softmax_slope", axis, t, out)
    return _less_expected(t, exp(out), axis) if found is None else found


@general([_softmax_slope], [_softmax_slope], name="softmax", batch=leading(axis=shifted))
def _softmax(x: Array, *, axis: Axes) -> Array:
    found = _in_rows("softmax", axis, x)
    if found is not None:
        return found
    weights = np.exp(_less_largest(x, axis))
    return weights / add_up(weights, axis, keepdims=True)


@general(
    [_log_softmax_pullback],
    [_log_softmax_slope],
    name="log_softmax",
    batch=leading(axis=shifted),
)
def _log_softmax(x: Array, *, axis: Axes) -> Array:
    found = _in_rows("log_softmax", axis, x)
    if found is not None:
        return found
    less = _less_largest(x, axis)
    weights = np.exp(less)
    largest = np.equal(less, 0)  # their weights are 1, and hide the digits of the others
    count = add_up(largest, axis, keepdims=True)
    return less - np.log1p(add_up(np.where(largest, 0, weights), axis, keepdims=True) + (count - 1).astype(less.dtype))


def checked_coefficient(function: str, name: str, value: Any) -> Any:
    """Return a finite number; or an array of them, one for each channel, say."""
    if type(value) is float:
        return checked_number(function, name, value)
    return checked_array(function, name, value) if np.ndim(value) else checked_number(function, name, value)


def _along(function: str, primitive: Primitive, x: Array, axis: int) -> Array:
    x = checked_array(function, "x", x)
    if x.ndim == 0:
        raise ArgumentError(f"{function}: x must have at least one axis; got shape ().")
    axes = normalized_axes(function, axis, x.ndim)
    if not all(x.shape[one] for one in axes or ()):
        raise ArgumentError(
            f"{function}: x must have at least one class along axis {axis}; got shape {x.shape}. Name the axis of the "
            "classes: other axes may be empty."
        )
    return primitive(x, axis=axes)


def _less_largest(x: Array, axis: Axes) -> Array:
    """Subtract from x its largest element along an axis: a constant, which changes neither value nor derivative."""
    x = as_floating(x)
    largest = np.max(x, axis, keepdims=True)
    return x - np.where(largest > -np.inf, largest, 0)  # infinity less itself is NaN, in the whole row
