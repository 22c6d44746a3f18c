"""Logarithms of probabilities that underflow, from the logarithm of the density.

The tail is integrated outward, in a coordinate that grows exponentially, to where its integrand has fallen by e^-45.
Far out, where differences of logarithms lose their digits, it is the density over the slope of its logarithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.nondifferentiable import constant
from tapenet.core.primitive import Array
from tapenet.scipy.special.helpers import as_columns, guarded
from tapenet.scipy.stats.integrals import fallen, over_nodes
from tapenet.transforms.products import jvp

Formula = Callable[..., Array]

UNDERFLOW = 1e-290  # below which a probability is computed here
_FAR = -1e5  # of the logarithm of the density


def _outward(v: Array, z: Array, end: Array, side: float) -> tuple[Array, Array]:
    """Return the place at v from z towards the end of the support on a side, and the logarithm of its slope by v."""
    bounded = tnp.asarray(tnp.isfinite(end))
    edge = guarded(bounded, end, 0.0)
    inner = edge + (z - edge) * tnp.exp(-guarded(bounded, v, 0.0))
    size = 1 + tnp.abs(z)
    found = tnp.where(bounded, inner, z + side * size * tnp.expm1(guarded(~bounded, v, 0.0)))
    apart = tnp.log(tnp.abs(guarded(bounded, z - edge, 1.0)))
    return found, tnp.where(bounded, apart - v, tnp.log(size) + v)


def log_tail(name: str, shapes: tuple[str, ...], logpdf: Formula, side: float) -> Formula:
    """Return the logarithm of the tail of a distribution as a function of the place, the support's end and shapes.

    Args:
        name: of a primitive that finds where the integrand has fallen.
        shapes: the names of the shape parameters.
        logpdf: of the place and the shape parameters.
        side: -1 for the lower tail, 1 for the upper one.
    """

    def integrand(v: Array, z: Array, end: Array, *parameters: Array) -> Array:
        place, grown = _outward(v, z, end, side)
        return logpdf(place, *parameters) + grown

    @np.errstate(all="ignore")
    def fall(z: Any, end: Any, *parameters: Any) -> Any:
        wide = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (z, end, *parameters)))
        return fallen(lambda v: integrand(v, *wide), np.zeros_like(wide[0]), 1.0)[()]

    names = ("place", "end", *shapes)
    last = elementwise(fall, *[None] * len(names), name=name, operands=names)

    def logarithm(z: Array, end: Array, *parameters: Array) -> Array:
        z = tnp.asarray(z) * 1.0
        end = tnp.broadcast_to(tnp.asarray(end) * 1.0, z.shape)
        density = logpdf(z, *parameters)
        finite = tnp.asarray(density > -np.inf)
        near = tnp.asarray(density > _FAR)
        base = guarded(finite, density, 0.0)

        def ratio(v: Array, z: Array, end: Array, base: Array, *xs: Array) -> Array:
            return tnp.exp(integrand(v, z, end, *xs) - base)

        far = last(*map(constant, (z, end, *parameters)))
        mass = over_nodes(0.0 * far, guarded(near, far, 1e-3), ratio, z, end, base, *parameters)
        ones = np.ones(z.shape, z.dtype)[()]
        slope = tnp.abs(jvp(lambda x: logpdf(x, *parameters), (z,), (ones,))[1])
        size = tnp.where(near, guarded(near, mass, 1.0), 1 / guarded(finite & ~near, slope, 1.0))
        return tnp.where(finite, base + tnp.log(size), -np.inf)

    return logarithm


_COUNTS = np.arange(64.0)


def log_tail_of_counts(logpmf: Formula, side: float) -> Formula:
    """Return the logarithm of the tail of a discrete distribution as a function of the place, the end and shapes.

    It sums the first probabilities of the tail, and what is beyond them as a geometric series.

    Args:
        logpmf: of the place and the shape parameters.
        side: -1 for the lower tail, with the place itself, 1 for the upper one, without.
    """

    def logarithm(k: Array, end: Array, *parameters: Array) -> Array:
        k, end, *columns = as_columns(k, end, *parameters)
        places = k + max(side, 0.0) + side * _COUNTS
        inside = tnp.asarray((end - places) * side >= 0)
        found = logpmf(guarded(inside, places, 0.0) + tnp.where(inside, 0.0, k + max(side, 0.0)), *columns)
        some = inside & tnp.asarray(found > -np.inf)
        found = guarded(some, found, 0.0)
        first = found[..., :1]
        terms = tnp.where(some, tnp.exp(guarded(some, found - first, 0.0)), 0.0)
        last, before = terms[..., -1], terms[..., -2]
        falls = tnp.asarray((last > 0) & (last < before))
        ratio = guarded(falls, last, 0.0) / guarded(falls, before, 1.0)
        total = tnp.sum(terms, axis=-1) + last * ratio / (1 - ratio)
        has = some[..., 0]
        return tnp.where(has, first[..., 0] + tnp.log(guarded(has, total, 1.0)), -np.inf)

    return logarithm
