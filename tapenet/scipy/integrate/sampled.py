"""Integrals of samples: sums with weights, by the samples and their places."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.integrate

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, holds_tensor
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart

_BY_SAMPLES = "Derivatives: those of the sum, by the samples and their places."


def _steps(function: str, y: Array, x: Any, dx: Any, axis: int) -> Array:
    """Return the steps between samples, which broadcast against them with `axis` last."""
    if x is None:
        return tnp.broadcast_to(_scalar(dx, y), (max(y.shape[-1] - 1, 0),))
    x = as_array(x)
    if x.ndim == 1:
        across = x
    elif x.ndim == y.ndim:
        across = tnp.moveaxis(x, axis, -1)
    else:
        raise ArgumentError(f"{function}: x must have one axis, or as many as y; got shapes {x.shape} and {y.shape}.")
    if across.shape[-1] != y.shape[-1]:
        raise ArgumentError(
            f"{function}: x must have as many places as y has samples along the axis; got {across.shape[-1]} and "
            f"{y.shape[-1]}."
        )
    return tnp.diff(across)


def _scalar(x: Any, like: Array) -> Array:
    """Return a number in the precision of the samples, or a Tensor as it is."""
    return x if holds_tensor(x) else np.asarray(x, np.result_type(like.dtype, np.float32) if np.ndim(x) == 0 else None)


def _last(function: str, y: Any, axis: int) -> Array:
    y = as_array(y)
    return tnp.moveaxis(y, axis_of(function, axis, y.ndim), -1)


@counterpart(scipy.integrate, _BY_SAMPLES)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    y = _last("integrate.trapezoid", y, axis)
    h = _steps("integrate.trapezoid", y, x, dx, axis)
    return tnp.sum(h * (y[..., 1:] + y[..., :-1]) / 2.0, -1)


def _from(sums: Array, initial: Any, axis: int) -> Array:
    """Return cumulative sums behind their first value, with the axis where it was."""
    if initial is not None:
        first = tnp.broadcast_to(_scalar(initial, sums), (*sums.shape[:-1], 1))
        sums = tnp.concatenate([first, sums], -1)
    return tnp.moveaxis(sums, -1, axis)


@counterpart(scipy.integrate, _BY_SAMPLES)
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Array:
    y = _last("integrate.cumulative_trapezoid", y, axis)
    if initial is not None and initial != 0:
        raise ArgumentError(f"integrate.cumulative_trapezoid: `initial` must be `None` or `0`; got {initial!r}.")
    h = _steps("integrate.cumulative_trapezoid", y, x, dx, axis)
    return _from(tnp.cumsum(h * (y[..., 1:] + y[..., :-1]) / 2.0, -1), initial, axis)


def _parabolas(y: Array, h: Array) -> Array:
    """Integrate over pairs of steps the parabolas through three samples."""
    h0, h1 = h[..., :-1:2], h[..., 1::2]
    both, ratio = h0 + h1, h0 / h1
    first, middle, last = y[..., :-2:2], y[..., 1:-1:2], y[..., 2::2]
    weighted = first * (2.0 - 1 / ratio) + middle * (both * both / (h0 * h1)) + last * (2.0 - ratio)
    return tnp.sum(both / 6.0 * weighted, -1)


@counterpart(scipy.integrate, _BY_SAMPLES)
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Array:
    y = _last("integrate.simpson", y, axis)
    h = _steps("integrate.simpson", y, x, dx, axis)
    count = y.shape[-1]
    if count % 2:
        return _parabolas(y, h)
    if count == 2:
        return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
    # The last step by Cartwright's correction, the parabola through the last three samples.
    near, far = h[..., -1], h[..., -2]
    alpha = (2 * near**2 + 3 * near * far) / (6 * (far + near))
    beta = (near**2 + 3 * near * far) / (6 * far)
    eta = near**3 / (6 * far * (far + near))
    return _parabolas(y[..., :-1], h[..., :-1]) + alpha * y[..., -1] + beta * y[..., -2] - eta * y[..., -3]


def _first_halves(y: Array, h: Array) -> Array:
    """Integrate over each step but the last the parabola through its ends and the next sample."""
    h0, h1 = h[..., :-1], h[..., 1:]
    ahead, share = h0 * h0 / (h1 * (h0 + h1)), h0 / (h0 + h1)
    return h0 / 6 * ((3 - share) * y[..., :-2] + (3 + ahead + share) * y[..., 1:-1] - ahead * y[..., 2:])


@counterpart(scipy.integrate, _BY_SAMPLES)
def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Array:
    y = _last("integrate.cumulative_simpson", y, axis)
    h = tnp.broadcast_to(_steps("integrate.cumulative_simpson", y, x, dx, axis), (*y.shape[:-1], y.shape[-1] - 1))
    if y.shape[-1] < 3:
        sums = tnp.cumsum(h * (y[..., 1:] + y[..., :-1]) / 2.0, -1)
        return _from(sums, initial, axis)
    before = _first_halves(y, h)
    after = _first_halves(y[..., ::-1], h[..., ::-1])[..., ::-1]  # of each step but the first, by the sample before it
    count = y.shape[-1] - 1
    even = np.arange(count) % 2 == 0
    first = tnp.concatenate([before, after[..., -1:]], -1)
    second = tnp.concatenate([before[..., :1], after], -1)
    last = np.arange(count) == count - 1
    parts = tnp.where(even & ~last, first, second)
    sums = tnp.cumsum(parts, -1)
    if initial is not None:
        sums = sums + tnp.expand_dims(_scalar(initial, sums), -1)
    return _from(sums, initial, axis)


@counterpart(scipy.integrate, "Derivatives: those of the sum, by the samples and dx.")
def romb(y: Any, dx: Any = 1.0, axis: int = -1, show: bool = False) -> Array:
    y = _last("integrate.romb", y, axis)
    steps = y.shape[-1] - 1
    levels = steps.bit_length() - 1
    if steps < 1 or 2**levels != steps:
        raise ArgumentError(
            f"integrate.romb: Number of samples must be one plus a non-negative power of 2; got {y.shape[-1]}."
        )
    row = [dx * 2**k * (tnp.sum(y[..., :: 2**k], -1) - (y[..., 0] + y[..., -1]) / 2.0) for k in range(levels, -1, -1)]
    for order in range(1, levels + 1):
        row = [fine + (fine - coarse) / (4.0**order - 1) for coarse, fine in itertools.pairwise(row)]
    return row[0]
