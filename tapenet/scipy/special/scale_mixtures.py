"""Means over the scale of Student's t distributions, s = sqrt(chi squared / df), of which the integrands are positive.

The logarithm of an integrand is concave in s. It is integrated by Gauss's rule in log(s), from where it has fallen by
e^-45 below its peak to where it has on the other side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy.special.gamma import gammaln
from tapenet.scipy.special.helpers import as_columns
from tapenet.scipy.special.sums import logsumexp

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(128)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2
_DROP = 45.0


def _logarithm(u: Any, df: Any, nc: Any, t: Any, is_density: bool) -> Any:
    """Compute the logarithm of e^(df (u - e^(2 u) / 2)) times ndtr(t e^u - nc) or its slope, up to a constant."""
    place = t * np.exp(u) - nc
    return df * (u - np.exp(2 * u) / 2) + (u - place * place / 2 if is_density else scipy.special.log_ndtr(place))


def _peak(logarithm: Callable[[Any], Any], shape: tuple[int, ...]) -> Any:
    """Find the peak by golden sections of log(s)."""
    low, high = np.full(shape, -60.0), np.full(shape, 40.0)
    for _ in range(70):
        left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
        rises = logarithm(left) < logarithm(right)
        low, high = np.where(rises, left, low), np.where(rises, high, right)
    return (low + high) / 2


@np.errstate(all="ignore")
def _end(df: Any, nc: Any, t: Any, side: Any, is_density: bool) -> Any:
    """Find where the integrand has fallen, below its peak for side -1 and above it for side 1."""
    df, nc, t = (x.copy() for x in np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (df, nc, t))))
    inside = (df > 0) & np.isfinite(df) & np.isfinite(nc) & np.isfinite(t)
    df, nc, t = np.where(inside, df, 1.0), np.where(inside, nc, 0.0), np.where(inside, t, 0.0)

    def logarithm(u: Any) -> Any:
        return _logarithm(u, df, nc, t, is_density)

    peak = _peak(logarithm, df.shape)
    least = logarithm(peak) - _DROP
    near, far = np.zeros_like(df), np.full_like(df, 1e-10)
    for _ in range(50):
        short = logarithm(peak + side * far) > least
        if not np.any(short):
            break
        near, far = np.where(short, far, near), np.where(short, 2 * far, far)
    for _ in range(8):
        middle = (near + far) / 2
        short = logarithm(peak + side * middle) > least
        near, far = np.where(short, middle, near), np.where(short, far, middle)
    return np.where(inside, peak + side * far, np.nan)[()]


_NAMES = ("df", "nc", "t", "side")
_ends: dict[bool, Any] = {
    is_density: elementwise(
        functools.partial(_end, is_density=is_density), None, None, None, None, name=name, operands=_NAMES
    )
    for is_density, name in ((False, "special.nctdtr.end"), (True, "stats.nct.pdf.end"))
}


def log_over_scale(logarithm: Callable[..., Array], df: Array, nc: Array, t: Array, is_density: bool = False) -> Array:
    """Compute the logarithm of the mean over s of e to a function of s, nc and t.

    Args:
        logarithm: such as that of ndtr(t s - nc), or of its slope by t.
        df, nc, t: as above.
        is_density: whether it is that of the slope.
    """
    df, nc, t = (tnp.asarray(x) * 1.0 for x in (df, nc, t))
    fixed = [constant(x) for x in (df, nc, t)]
    low, high = as_columns(*(_ends[is_density](*fixed, side) for side in (-1.0, 1.0)))
    u = low + (high - low) * _POINTS
    column, *others = as_columns(df, nc, t)
    size = column / 2 * tnp.log(column / 2) - gammaln(column / 2) + 0.6931471805599453
    density = size + column * (u - tnp.exp(2 * u) / 2)
    return logsumexp(density + logarithm(tnp.exp(u), *others) + tnp.log(_WEIGHTS * (high - low)), axis=-1)


def over_scale(logarithm: Callable[..., Array], df: Array, nc: Array, t: Array) -> Array:
    """Compute the mean over s of e to the logarithm of ndtr(t s - nc)."""
    return tnp.exp(log_over_scale(logarithm, df, nc, t))
