"""The error function and its relatives: inverses, logarithms, Dawson's, Faddeeva's and Fresnel's integrals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array, bind
from tapenet.ops.special.functions import gaussian, normal_density
from tapenet.scipy.special import error_kernels
from tapenet.scipy.special.declaring import primitive, several, ufunc
from tapenet.scipy.special.helpers import PI, ROOT_PI, ROOT_TWO, ROOT_TWO_PI, guarded, is_complex

TWO_OVER_ROOT_PI = 2 / ROOT_PI


def _gaussian(z: Array) -> Array:
    """Compute e^(-z^2)."""
    return tnp.exp(-z * z) if is_complex(z) else gaussian(z)


erf = ufunc("erf", "z", lambda t, z: t * (TWO_OVER_ROOT_PI * _gaussian(z)), note="2 / sqrt(pi) e^(-z^2).")
erfc = ufunc("erfc", "z", lambda t, z: -t * (TWO_OVER_ROOT_PI * _gaussian(z)), note="-2 / sqrt(pi) e^(-z^2).")
erfi = ufunc("erfi", "z", lambda t, z: t * TWO_OVER_ROOT_PI / _gaussian(z), note="2 / sqrt(pi) e^(z^2).")


def _erfcx_slope(t: Array, z: Array, out: Array) -> Array:
    slope = 2 * z * out - TWO_OVER_ROOT_PI if is_complex(z) else -2 * _scaled_integral(z, 1)
    return t * slope


erfcx = ufunc(
    "erfcx",
    "z",
    _erfcx_slope,
    note="2 z erfcx(z) - 2 / sqrt(pi), computed as an integral for real z, so that nothing cancels.",
)
_of_integral: Any = primitive(
    "scaled_integral_of_erfc",
    "x",
    error_kernels.scaled_integral_of_erfc,
    lambda t, x, order: -2 * (order + 1) * (t * _scaled_integral(x, order + 1)),
)


def _scaled_integral(x: Array, order: int) -> Array:
    return bind(_of_integral.primitive, (x,), {"order": order})


def _dawsn_slope(t: Array, x: Array, out: Array) -> Array:
    return t * (1 - 2 * x * out) if is_complex(x) else t * _dawsn_of_order(x, 1)


dawsn = ufunc("dawsn", "x", _dawsn_slope, note="1 - 2 x dawsn(x), by an asymptotic series where it would cancel.")
_of_dawsn: Any = primitive(
    "dawsn_by_order", "x", error_kernels.dawsn, lambda t, x, order: t * _dawsn_of_order(x, order + 1)
)


def _dawsn_of_order(x: Array, order: int) -> Array:
    return bind(_of_dawsn.primitive, (x,), {"order": order})


wofz = ufunc("wofz", "z", lambda t, z, out: t * (2j / ROOT_PI - 2 * z * out), note="2 i / sqrt(pi) - 2 z wofz(z).")


def _voigt(x: Array, sigma: Array, gamma: Array) -> Array:
    scale = ROOT_TWO * sigma
    return tnp.real(wofz((x + 1j * gamma) / scale)) / (ROOT_PI * scale)


voigt_profile = ufunc(
    "voigt_profile",
    "x sigma gamma",
    formula=_voigt,
    note="that of Re w(z) / (sigma sqrt(2 pi)), z = (x + i gamma) / (sigma sqrt(2)), by each; NaN at sigma = 0.",
)

# ---- inverses ----


def _inverse_tail_density(out: Array, tail: Array) -> Array:
    """Compute erfcx(out) / tail, where erfc(out) is a multiple of tail: infinite where there is no tail."""
    ends = tnp.equal(tail, 0)
    return tnp.where(ends, np.inf, erfcx(guarded(~ends, out, 1.0)) / guarded(~ends, tail, 1.0))


def _erfinv_slope(t: Array, y: Array, out: Array) -> Array:
    """Compute t sqrt(pi) / 2 e^(out^2), in which near an end e^(out^2) is erfcx(out) / erfc(out)."""
    middle = tnp.abs(y) < 0.5
    inside, beyond = guarded(middle, out, 0.0), guarded(~middle, tnp.abs(out), 1.0)
    tail = _inverse_tail_density(beyond, guarded(~middle, 1 - tnp.abs(y), 1.0))
    slope = tnp.where(middle, 1 / gaussian(inside), tail)
    return t * (slope * (ROOT_PI / 2))


erfinv = ufunc("erfinv", "y", _erfinv_slope, note="sqrt(pi) / 2 e^(erfinv(y)^2); infinite at -1 and 1.")


def _erfcinv_slope(t: Array, y: Array, out: Array) -> Array:
    upper = y < 1
    tail = tnp.where(upper, y, 2 - y)
    return -t * (_inverse_tail_density(tnp.abs(out), tail) * (ROOT_PI / 2))


erfcinv = ufunc("erfcinv", "y", _erfcinv_slope, note="-sqrt(pi) / 2 e^(erfcinv(y)^2); infinite at 0 and 2.")

# ---- the normal distribution ----


def _ndtr_slope(t: Array, x: Array) -> Array:
    return t * (tnp.exp(-x * x / 2) / ROOT_TWO_PI if is_complex(x) else normal_density(x))


ndtr = ufunc("ndtr", "x", _ndtr_slope, note="e^(-x^2 / 2) / sqrt(2 pi).")


def inverse_mills_ratio(x: Array) -> Array:
    """Compute the density of the normal distribution over its distribution function, without underflow."""
    if is_complex(x):
        return tnp.exp(-x * x / 2) / ROOT_TWO_PI / ndtr(x)
    above = x > 0
    right, left = guarded(above, x, 0.0), guarded(~above, x, 0.0)
    return tnp.where(above, normal_density(right) / ndtr(right), math.sqrt(2 / PI) / erfcx(-left / ROOT_TWO))


log_ndtr = ufunc(
    "log_ndtr",
    "x",
    lambda t, x: t * inverse_mills_ratio(x),
    note="the density over the distribution function, through erfcx below 0.",
)


def _ndtri_slope(t: Array, y: Array, out: Array) -> Array:
    tail = tnp.where(y < 0.5, y, 1 - y)
    return t * (_inverse_tail_density(tnp.abs(out) / ROOT_TWO, tail) * math.sqrt(PI / 2))


ndtri = ufunc("ndtri", "y", _ndtri_slope, note="sqrt(2 pi) e^(ndtri(y)^2 / 2); infinite at 0 and 1.")
ndtri_exp = ufunc(
    "ndtri_exp", "y", lambda t, y, out: t / inverse_mills_ratio(out), note="1 over that of log_ndtr at the result."
)
owens_t = ufunc(
    "owens_t",
    "h a",
    lambda t, h, a: -t * (normal_density(h) * erf(a * h / ROOT_TWO) / 2),
    lambda t, h, a: t * (gaussian(h / ROOT_TWO) * gaussian(a * h / ROOT_TWO) / (2 * PI * (1 + a * a))),
    note="by h -e^(-h^2 / 2) erf(a h / sqrt(2)) / sqrt(8 pi), by a e^(-h^2 (1 + a^2) / 2) / (2 pi (1 + a^2)).",
)

# ---- Fresnel's integrals ----

_sine = primitive("sine_of_square", "z", error_kernels.sine_of_square, lambda t, z: t * (PI * z * _cosine(z)))
_cosine = primitive("cosine_of_square", "z", error_kernels.cosine_of_square, lambda t, z: -t * (PI * z * _sine(z)))
fresnel = several(
    "fresnel", "z", [lambda t, z: t * _sine(z)], [lambda t, z: t * _cosine(z)], note="sin(pi z^2 / 2), cos(pi z^2 / 2)."
)[0]
_PLUS, _MINUS = np.exp(0.25j * np.pi) / ROOT_PI, np.exp(-0.25j * np.pi) / ROOT_PI


def _not_below_0(x: Array) -> Array:
    return tnp.where(x < 0, np.nan, x)


modfresnelp = several(
    "modfresnelp",
    "x",
    [lambda t, x: -t * tnp.exp(1j * x * x)],
    [lambda t, x, out: -t * (2j * _not_below_0(x) * out + complex(_MINUS))],
    note="-e^(i x^2), and -2 i x K - e^(-i pi / 4) / sqrt(pi) of the scaled integral K; of that NaN for x < 0, "
    "where SciPy's value is not the integral's.",
)[0]
modfresnelm = several(
    "modfresnelm",
    "x",
    [lambda t, x: -t * tnp.exp(-1j * x * x)],
    [lambda t, x, out: t * (2j * _not_below_0(x) * out - complex(_PLUS))],
    note="-e^(-i x^2), and 2 i x K - e^(i pi / 4) / sqrt(pi) of the scaled integral K; of that NaN for x < 0, "
    "where SciPy's value is not the integral's.",
)[0]
