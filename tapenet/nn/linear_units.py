"""Activation functions of straight pieces, and smooth relatives of elu and silu."""

from __future__ import annotations

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_number, checked_operand
from tapenet.core.arguments import axis_of
from tapenet.core.array_types import Array
from tapenet.core.families import elementwise
from tapenet.errors import ArgumentError
from tapenet.nn.activations import elu, sigmoid, silu, softplus, tanh
from tapenet.nn.floats import as_floating
from tapenet.ops.elementwise.arithmetic import clip as limited, divide, multiply, negative, where
from tapenet.ops.elementwise.choices import greater

# Klambauer et al., appendix A: the fixed point of mean 0 and variance 1.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def relu6(x: Array) -> Array:
    """Rectify, and limit to 6: min(max(x, 0), 6).

    Derivative: 1 for 0 < x < 6, else 0, also at 0 and 6.

    Args:
        x: real array of any shape.

    Returns:
        An array of the shape and dtype of x.

    Source: Howard et al., "MobileNets", arXiv:1704.04861.

    >>> tn.nn.relu6(np.array([-1.0, 2.0, 9.0]))
    array([0., 2., 6.])
    """
    return limited(check_real("relu6", "x", checked_operand("relu6", "x", x)), 0.0, 6.0)


def hardtanh(x: Array, low: float = -1.0, high: float = 1.0) -> Array:
    """Limit x to [low, high], as tanh does in three straight pieces.

    Derivative: 1 for low < x < high, else 0, also at the bounds; none for the bounds.

    Args:
        x: real array of any shape.
        low, high: the bounds, low < high.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        ArgumentError: bounds in the wrong order.

    Source: Collobert, "Large scale machine learning", thesis, Paris VI (2004).

    >>> tn.nn.hardtanh(np.array([-3.0, 0.5]))
    array([-1. ,  0.5])
    """
    x = check_real("hardtanh", "x", checked_operand("hardtanh", "x", x))
    return limited(x, *_interval("hardtanh", low, high))


def hardswish(x: Array) -> Array:
    """Compute x min(max(x + 3, 0), 6) / 6, as silu is in straight and square pieces.

    Derivative: 0 for x <= -3, 1 for x >= 3, x / 3 + 1 / 2 between.

    Args:
        x: real array of any shape.

    Returns:
        An array of the shape and dtype of x.

    Source: Howard et al., "Searching for MobileNetV3", arXiv:1905.02244.

    >>> tn.nn.hardswish(np.array([-4.0, 0.0, 4.0]))
    array([-0.,  0.,  4.])
    """
    x = as_floating(check_real("hardswish", "x", checked_operand("hardswish", "x", x)))
    return multiply(x, limited(divide(x, 6.0) + 0.5, 0.0, 1.0))


def selu(x: Array) -> Array:
    """Compute the scaled exponential linear unit: s x for x > 0, else s a (e^x - 1).

    s = 1.0507... and a = 1.6732... keep mean 0 and variance 1 from layer to layer.

    Derivative: s for x > 0, else s a e^x, which is s a at 0.

    Args:
        x: real array of any shape.

    Returns:
        An array of the shape and dtype of x.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", arXiv:1706.02515.

    >>> tn.nn.selu(np.array([1.0]))
    array([1.05070099])
    """
    x = as_floating(check_real("selu", "x", checked_operand("selu", "x", x)))
    return multiply(_SELU_SCALE, elu(x, _SELU_ALPHA))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """Compute the continuously differentiable elu: x for x > 0, else alpha (e^(x / alpha) - 1).

    Derivatives: for x, 1 where x > 0, else e^(x / alpha), which is 1 at 0; for alpha, that of the formula.

    Args:
        x: real array of any shape.
        alpha: minus the limit for x to minus infinity; positive.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        ArgumentError: an alpha that is not positive.

    Source: Barron, "Continuously differentiable exponential linear units", arXiv:1704.07483.

    >>> tn.nn.celu(np.array([-np.inf, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    x = as_floating(check_real("celu", "x", checked_operand("celu", "x", x)))
    alpha = checked_number("celu", "alpha", alpha, "(0, inf)")
    return multiply(alpha, elu(divide(x, alpha)))


def prelu(x: Array, slope: Array) -> Array:
    """Rectify, but let a learned part of negative values pass: x for x > 0, else slope x.

    Derivatives: for x, 1 where x > 0, else slope, also at 0; for slope, the sum of x where x <= 0.

    Args:
        x: real array, shape (..., C).
        slope: real array, shape (C,), or a number for all channels.

    Returns:
        An array of the shape of x.

    Raises:
        ArgumentError: a slope of another shape.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", arXiv:1502.01852.

    >>> tn.nn.prelu(np.array([[-1.0, -1.0]]), np.array([0.25, 0.5]))
    array([[-0.25, -0.5 ]])
    """
    x = check_real("prelu", "x", checked_array("prelu", "x", x))
    slope = check_real("prelu", "slope", checked_operand("prelu", "slope", slope))
    shape = np.shape(slope)
    if shape not in ((), x.shape[-1:]):
        raise ArgumentError(f"prelu: slope must have shape (), or {x.shape[-1:]} for each channel; got {shape}.")
    return where(greater(x, 0), x, multiply(slope, x))


def mish(x: Array) -> Array:
    """Compute x tanh(log(1 + e^x)).

    Derivative: that of the formula; 0.6 at 0.

    Args:
        x: real array of any shape.

    Returns:
        An array of the shape and dtype of x.

    Source: Misra, "Mish: a self regularized non-monotonic activation function", arXiv:1908.08681.

    >>> tn.nn.mish(np.array([0.0, 100.0]))
    array([  0., 100.])
    """
    x = as_floating(check_real("mish", "x", checked_operand("mish", "x", x)))
    return multiply(x, tanh(softplus(x)))


def logsigmoid(x: Array) -> Array:
    """Compute log(1 / (1 + e^-x)), without overflow.

    Derivative: sigmoid(-x).

    Args:
        x: real array of any shape.

    Returns:
        An array of the shape and dtype of x.

    >>> tn.nn.logsigmoid(np.array([0.0, -1000.0]))
    array([-6.93147181e-01, -1.00000000e+03])
    """
    x = as_floating(check_real("logsigmoid", "x", checked_operand("logsigmoid", "x", x)))
    return negative(softplus(negative(x)))


# ---- gates ----


def glu(x: Array, axis: int = -1) -> Array:
    """Compute a sigmoid(b), with a and b the halves of x along an axis: a gated linear unit.

    Derivatives: sigmoid(b) for a; a sigmoid(b) (1 - sigmoid(b)) for b.

    Args:
        x: float array, of an even length along `axis`.
        axis: the axis to halve.

    Returns:
        An array, half as long as x along `axis`.

    Raises:
        ArgumentError: an odd length.
        AxisError: an axis that x does not have.

    Source: Dauphin, Fan, Auli and Grangier, "Language modeling with gated convolutional networks", arXiv:1612.08083.

    >>> tn.nn.glu(np.array([3.0, 0.0]))
    array([1.5])
    """
    a, b = _halves("glu", x, axis)
    return multiply(a, sigmoid(b))


def swiglu(x: Array, axis: int = -1) -> Array:
    """Compute silu(a) b, with a and b the halves of x along an axis: silu opens the gate.

    Derivatives: those of the formula, silu'(a) b for a and silu(a) for b.

    Args:
        x: float array, of an even length along `axis`.
        axis: the axis to halve.

    Returns:
        An array, half as long as x along `axis`.

    Raises:
        ArgumentError: an odd length.
        AxisError: an axis that x does not have.

    Source: Shazeer, "GLU variants improve transformer", arXiv:2002.05202.

    >>> tn.nn.swiglu(np.array([0.0, 3.0]))
    array([0.])
    """
    a, b = _halves("swiglu", x, axis)
    return multiply(silu(a), b)


def _halves(function: str, x: Array, axis: int) -> tuple[Array, Array]:
    x = as_floating(checked_array(function, "x", x))
    place = axis_of(function, axis, x.ndim)
    length = x.shape[place]
    if length % 2:
        raise ArgumentError(f"{function}: x must have an even length along axis {axis}; got shape {x.shape}.")
    before = (slice(None),) * place
    return x[(*before, slice(length // 2))], x[(*before, slice(length // 2, None))]


# ---- limits with a derivative beyond them ----


_clip_through = elementwise(
    lambda x, low, high: np.clip(x, low, high),
    lambda t: t,
    None,
    None,
    name="clip_through",
    operands=("x", "low", "high"),
    doc="Limit x to [low, high]; the derivative is that of x alone.",
)


def clip(x: Array, low: float, high: float) -> Array:
    """Limit x to [low, high], with the derivative of x itself everywhere: straight-through.

    `tnp.clip` has derivative 0 beyond its bounds, so that a parameter that left them never comes back.

    Derivative: 1, within the bounds and beyond them, on purpose: beyond them it is not that of the value. None for the
    bounds.

    Args:
        x: real array of any shape.
        low, high: the bounds, low <= high.

    Returns:
        An array of the shape and dtype of x.

    Raises:
        ArgumentError: bounds in the wrong order.

    Source: Bengio, Leonard and Courville, "Estimating or propagating gradients", arXiv:1308.3432.

    >>> tn.elementwise_grad(lambda x: tn.nn.clip(x, -1.0, 1.0) ** 2)(np.array([0.5, 3.0]))
    array([1., 2.])
    """
    x = check_real("clip", "x", checked_operand("clip", "x", x))
    return _clip_through(x, *_interval("clip", low, high))


def _interval(function: str, low: float, high: float) -> tuple[float, float]:
    low, high = checked_number(function, "low", low), checked_number(function, "high", high)
    if not low <= high:
        raise ArgumentError(f"{function}: high must be at least low, {low}; got {high}.")
    return low, high
