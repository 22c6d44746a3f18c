"""Moments without a closed form, as integrals that are differentiated under their sign."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array

Formula = Callable[..., Array]

# The trapezoidal rule in the logit of the probability: the integrand is analytic within pi of the real line.
_STEP = 0.25
_LOGITS = np.arange(-42.0, 42.0 + _STEP / 2, _STEP)
_WEIGHTS = _STEP * scipy.special.expit(_LOGITS) * scipy.special.expit(-_LOGITS)
_LOWER, _UPPER = _LOGITS <= 0, _LOGITS > 0

_POINTS, _GAUSS = np.polynomial.legendre.leggauss(160)


def over_probabilities(ppf: Formula, isf: Formula, of: Formula) -> Formula:
    """Return the mean of a function under a distribution, from its quantiles."""

    def expectation(*shapes: Array) -> Array:
        columns = [tnp.expand_dims(tnp.asarray(shape), -1) for shape in shapes]
        left = of(ppf(scipy.special.expit(_LOGITS[_LOWER]), *columns), *columns)
        right = of(isf(scipy.special.expit(-_LOGITS[_UPPER]), *columns), *columns)
        return tnp.sum(left * _WEIGHTS[_LOWER], axis=-1) + tnp.sum(right * _WEIGHTS[_UPPER], axis=-1)

    return expectation


def over_interval(ends: Callable[..., tuple[Array, Array]], integrand: Formula) -> Formula:
    """Return the integral of a smooth function that vanishes, with its derivatives, at ends that depend on values."""

    def integral(*shapes: Array) -> Array:
        low, high = (tnp.expand_dims(end, -1) for end in ends(*map(constant, shapes)))
        places = (low + high) / 2 + (high - low) / 2 * _POINTS
        columns = [tnp.expand_dims(tnp.asarray(shape), -1) for shape in shapes]
        return tnp.sum(integrand(places, *columns) * (_GAUSS * (high - low) / 2), axis=-1)

    return integral
