"""Means over the scale of Student's t distributions, s = sqrt(chi squared / df), of which the integrands are positive.

The logarithm of an integrand is concave in s. It is integrated by Gauss's rule in log(s), from where it has fallen by
e^-45 below its peak to where it has on the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy.special.gamma import gammaln

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(128)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2
_DROP = 45.0


def _logarithm(u: Any, df: Any, nc: Any, t: Any) -> Any:
    """Compute the logarithm of e^(df (u - e^(2 u) / 2)) ndtr(t e^u - nc), up to a constant."""
    return df * (u - np.exp(2 * u) / 2) + scipy.special.log_ndtr(t * np.exp(u) - nc)


def _peak(df: Any, nc: Any, t: Any) -> Any:
    """Find the peak by golden sections of log(s)."""
    low, high = np.full_like(df, -30.0), np.full_like(df, 5.0)
    for _ in range(60):
        left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
        rises = _logarithm(left, df, nc, t) < _logarithm(right, df, nc, t)
        low, high = np.where(rises, left, low), np.where(rises, high, right)
    return (low + high) / 2


@np.errstate(all="ignore")
def _end(df: Any, nc: Any, t: Any, side: Any) -> Any:
    """Find where the integrand has fallen, below its peak for side -1 and above it for side 1."""
    df, nc, t = (x.copy() for x in np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (df, nc, t))))
    inside = (df > 0) & np.isfinite(df) & np.isfinite(nc) & np.isfinite(t)
    df, nc, t = np.where(inside, df, 1.0), np.where(inside, nc, 0.0), np.where(inside, t, 0.0)
    peak = _peak(df, nc, t)
    least = _logarithm(peak, df, nc, t) - _DROP
    near, far = np.zeros_like(df), np.full_like(df, 1e-4)
    for _ in range(50):
        short = _logarithm(peak + side * far, df, nc, t) > least
        far = np.where(short, 2 * far, far)
    for _ in range(8):
        middle = (near + far) / 2
        short = _logarithm(peak + side * middle, df, nc, t) > least
        near, far = np.where(short, middle, near), np.where(short, far, middle)
    return np.where(inside, peak + side * far, np.nan)[()]


_ends: Any = elementwise(_end, None, None, None, None, name="special.nctdtr.end", operands=("df", "nc", "t", "side"))


def over_scale(logarithm: Callable[..., Array], df: Array, nc: Array, t: Array) -> Array:
    """Compute the mean over s of the exponential of a function of s, nc and t, like ndtr(t s - nc) or its slope."""
    df, nc, t = (tnp.asarray(x) * 1.0 for x in (df, nc, t))
    fixed = [constant(x) for x in (df, nc, t)]
    low, high = (tnp.expand_dims(_ends(*fixed, side), -1) for side in (-1.0, 1.0))
    u = low + (high - low) * _POINTS
    column, *others = (tnp.expand_dims(x, -1) for x in (df, nc, t))
    size = column / 2 * tnp.log(column / 2) - gammaln(column / 2) + 0.6931471805599453
    density = size + column * (u - tnp.exp(2 * u) / 2)
    return tnp.sum(tnp.exp(density + logarithm(tnp.exp(u), *others)) * (_WEIGHTS * (high - low)), axis=-1)
