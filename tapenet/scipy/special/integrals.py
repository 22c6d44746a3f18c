"""Exponential, sine and cosine integrals, and integrals of Bessel, Struve and parabolic cylinder functions."""

from __future__ import annotations

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.scipy.special.bessel import i0, j0, k0, modstruve, spherical_in, spherical_jn, struve, y0
from tapenet.scipy.special.declaring import several, ufunc
from tapenet.scipy.special.helpers import guarded

exp1 = ufunc("exp1", "z", lambda t, z: -t * (tnp.exp(-z) / z), note="-e^(-z) / z.")
expi = ufunc("expi", "x", lambda t, x: t * (tnp.exp(x) / x), note="e^x / x.")


def _expn_slope(t: Array, n: Array, x: Array, out: Array) -> Array:
    """Compute -t E_(n-1)(x), which for n < 1 the recurrence gives: (e^(-x) - (n - 1) E_n(x)) / x."""
    usual = np.asarray(n) >= 1
    lower = expn(np.maximum(np.asarray(n) - 1, 0), x)
    return -t * tnp.where(usual, lower, (tnp.exp(-x) - (np.asarray(n) - 1) * out) / guarded(~usual, x, 1.0))


expn = ufunc("expn", "n x", None, _expn_slope, note="-expn(n - 1, x) by x.")

# The derivatives of spherical Bessel functions of order 0 do not divide by z.
sici = several(
    "sici",
    "z",
    [lambda t, z: t * spherical_jn(0, z)],
    [lambda t, z: t * (tnp.cos(z) / z)],
    note="sin(z) / z and cos(z) / z.",
)[0]
shichi = several(
    "shichi",
    "z",
    [lambda t, z: t * spherical_in(0, z)],
    [lambda t, z: t * (tnp.cosh(z) / z)],
    note="sinh(z) / z and cosh(z) / z.",
)[0]


def _difference_over(x: Array, difference: Array) -> Array:
    """Compute a difference that is of order x^2, over x."""
    away = tnp.not_equal(x, 0)
    return tnp.where(away, difference / guarded(away, x, 1.0), 0.0)


itj0y0 = several("itj0y0", "x", [lambda t, x: t * j0(x)], [lambda t, x: t * y0(x)], note="j0(x) and y0(x).")[0]
iti0k0 = several("iti0k0", "x", [lambda t, x: t * i0(x)], [lambda t, x: t * k0(x)], note="i0(x) and k0(x).")[0]
it2j0y0 = several(
    "it2j0y0",
    "x",
    [lambda t, x: t * _difference_over(x, 1 - j0(x))],
    [lambda t, x: -t * (y0(x) / x)],
    note="(1 - j0(x)) / x and -y0(x) / x.",
)[0]
it2i0k0 = several(
    "it2i0k0",
    "x",
    [lambda t, x: t * _difference_over(x, i0(x) - 1)],
    [lambda t, x: -t * (k0(x) / x)],
    note="(i0(x) - 1) / x and -k0(x) / x.",
)[0]
itstruve0 = ufunc("itstruve0", "x", lambda t, x: t * struve(0, x), note="struve(0, x).")
it2struve0 = ufunc("it2struve0", "x", lambda t, x: -t * (struve(0, x) / x), note="-struve(0, x) / x.")
itmodstruve0 = ufunc("itmodstruve0", "x", lambda t, x: t * modstruve(0, x), note="modstruve(0, x).")
besselpoly = ufunc(
    "besselpoly",
    "a lmb nu",
    lambda t, a, lmb, nu: t * (besselpoly(a, lmb + 1, nu - 1) - besselpoly(a, lmb + 1, nu + 1)),
    None,
    None,
    note="besselpoly(a, lmb + 1, nu - 1) - besselpoly(a, lmb + 1, nu + 1) by a.",
)

# ---- parabolic cylinder functions: f'' = (x^2 / 4 + a) f ----

pbdv, _d, _dp = several(
    "pbdv",
    "v x",
    [None, lambda t, v, x: t * _dp(v, x)],
    [None, lambda t, v, x: t * ((x * x / 4 - v - 0.5) * _d(v, x))],
    note="by x D' and (x^2 / 4 - v - 1/2) D.",
)
pbvv, _v, _vp = several(
    "pbvv",
    "v x",
    [None, lambda t, v, x: t * _vp(v, x)],
    [None, lambda t, v, x: t * ((x * x / 4 - v - 0.5) * _v(v, x))],
    note="by x V' and (x^2 / 4 - v - 1/2) V.",
)
pbwa, _w, _wp = several(
    "pbwa",
    "a x",
    [None, lambda t, a, x: t * _wp(a, x)],
    [None, lambda t, a, x: t * ((a - x * x / 4) * _w(a, x))],
    note="by x W' and (a - x^2 / 4) W.",
)
