"""Moments without a closed form, as integrals that are differentiated under their sign."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy.special.helpers import as_columns, guarded

Formula = Callable[..., Array]

# The trapezoidal rule in the logit of the probability: the integrand is analytic within pi of the real line.
_STEP = 0.25
_LOGITS = np.arange(-42.0, 42.0 + _STEP / 2, _STEP)
_WEIGHTS = _STEP * scipy.special.expit(_LOGITS) * scipy.special.expit(-_LOGITS)
_LOWER, _UPPER = _LOGITS <= 0, _LOGITS > 0

_POINTS, _GAUSS = np.polynomial.legendre.leggauss(160)


def exists(condition: Array, value: Array, shape: Array, otherwise: Array = np.inf) -> Array:
    """Return a moment where it exists: `value` of a shape parameter that is harmless elsewhere."""
    return tnp.where(condition, value, otherwise + 0 * shape)


def log1mexp(x: Array) -> Array:
    """Compute log(1 - e^x) for x < 0."""
    near = tnp.asarray(x > -math.log(2))
    return tnp.where(near, tnp.log(-tnp.expm1(guarded(near, x, -0.5))), tnp.log1p(-tnp.exp(guarded(~near, x, -1.0))))


def surprise(density: Array) -> Array:
    """Compute -p log p, 0 with a derivative of 0 where p underflows."""
    some = tnp.asarray(density > 1e-300)
    inner = guarded(some, density, 1.0)
    return -inner * tnp.log(inner)


def over_probabilities(ppf: Formula, isf: Formula, of: Formula) -> Formula:
    """Return the mean of a function under a distribution, from its quantiles."""

    def expectation(*shapes: Array) -> Array:
        columns = as_columns(*shapes)
        left = of(ppf(scipy.special.expit(_LOGITS[_LOWER]), *columns), *columns)
        right = of(isf(scipy.special.expit(-_LOGITS[_UPPER]), *columns), *columns)
        return tnp.sum(left * _WEIGHTS[_LOWER], axis=-1) + tnp.sum(right * _WEIGHTS[_UPPER], axis=-1)

    return expectation


def over_interval(ends: Callable[..., tuple[Array, Array]], integrand: Formula) -> Formula:
    """Return the integral of a smooth function that vanishes, with its derivatives, at ends that depend on values."""

    def integral(*shapes: Array) -> Array:
        low, high = (tnp.expand_dims(end, -1) for end in ends(*map(constant, shapes)))
        places = (low + high) / 2 + (high - low) / 2 * _POINTS
        columns = as_columns(*shapes)
        return tnp.sum(integrand(places, *columns) * (_GAUSS * (high - low) / 2), axis=-1)

    return integral


def over_unit(integrand: Formula) -> Formula:
    """Return the integral from 0 to 1 of a function of the place, 1 less it, and shape parameters."""

    def integral(*shapes: Array) -> Array:
        columns = as_columns(*shapes)
        found = integrand(scipy.special.expit(_LOGITS), scipy.special.expit(-_LOGITS), *columns)
        return tnp.sum(found * _WEIGHTS, axis=-1)

    return integral
