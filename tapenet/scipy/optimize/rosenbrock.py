"""Rosenbrock's function of tests of minimizers, with its derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart

_FORMULA = "Derivative: that of the formula."


def _point(function: str, x: Any) -> Array:
    x = tnp.asarray(x)
    if x.ndim != 1:
        raise ArgumentError(f"{function}: x must be a vector on a tape; got shape {x.shape}.")
    return x


@counterpart(scipy.optimize, _FORMULA)
def rosen(x: Any) -> Array:
    x = tnp.asarray(x)
    return tnp.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0)


@counterpart(scipy.optimize, _FORMULA)
def rosen_der(x: Any) -> Array:
    x = _point("optimize.rosen_der", x)
    ahead = x[1:] - x[:-1] ** 2
    zero = np.zeros(1, x.dtype)
    return tnp.concatenate([-400 * ahead * x[:-1] - 2 * (1 - x[:-1]), zero]) + tnp.concatenate([zero, 200 * ahead])


@counterpart(scipy.optimize, _FORMULA)
def rosen_hess(x: Any) -> Array:
    x = _point("optimize.rosen_hess", x)
    zero = np.zeros(1, x.dtype)
    by_first = tnp.concatenate([1200 * x[:-1] ** 2 - 400 * x[1:] + 2, zero])
    by_second = np.concatenate([zero, np.full(x.shape[0] - 1, 200.0, x.dtype)])
    beside = tnp.diag(-400 * x[:-1], 1)
    return tnp.diag(by_first + by_second) + beside + beside.T


@counterpart(scipy.optimize, _FORMULA)
def rosen_hess_prod(x: Any, p: Any) -> Array:
    return rosen_hess(x) @ tnp.asarray(p)
