"""Elliptic integrals of Legendre and Carlson, and Jacobi's elliptic functions.

Derivatives of Carlson's integrals are integrals of the same kind, with other exponents: `_integral` computes
int_0^inf t^q (t + x)^-a (t + y)^-b (t + z)^-c (t + p)^-d dt, and the rule of each operand raises its exponent by one.
So nothing cancels where two arguments are the same. Derivatives of Legendre's integrals by m are Carlson's.

Source: NIST Digital Library of Mathematical Functions, 19.16, 19.18 and 19.25.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array, bind
from tapenet.scipy.special.declaring import primitive, several, ufunc

Exponents = tuple[float, float, float, float, float]  # of x, y, z, p, and of 1 / t

_STEP = 0.5  # of the trapezoidal rule in log t, the error of which is e^(-2 pi^2 / step)
_REACH = 84.0  # beyond the logarithms of the arguments on either side


def _kernel(x: Any, y: Any, z: Any, p: Any, *, exponents: Exponents) -> Any:
    given = np.broadcast_arrays(x, y, z, p)
    dtype = np.result_type(*given, np.float32)
    arguments = [argument.astype(np.float64) for argument in given]
    stacked = np.stack(arguments)
    inside = np.all(stacked >= 0, axis=0) & np.all(np.isfinite(stacked), axis=0)
    scale = np.where(inside, stacked.max(axis=0), 1.0)
    scale = np.where(scale > 0, scale, 1.0)
    low = np.min(np.where((stacked > 0) & inside, stacked / scale, 1.0), initial=1.0)
    places = np.arange(math.log(low) - _REACH, _REACH, _STEP)
    total = np.zeros_like(scale)
    for s in places:
        t = math.exp(s)
        term = np.full_like(scale, t * t ** -exponents[4])
        for argument, exponent in zip(arguments, exponents, strict=False):
            if exponent:
                term = term * (t + np.where(inside, argument / scale, 1.0)) ** -exponent
        total += term
    power = 1 - sum(exponents)
    return np.where(inside, _STEP * total * scale**power, np.nan).astype(dtype)[()]


def _raised(t: Array, x: Array, y: Array, z: Array, p: Array, exponents: Exponents, place: int) -> Array:
    own = exponents[place]
    raised = tuple(e + (i == place) for i, e in enumerate(exponents))
    return -t * (own * _integral(x, y, z, p, raised))  # type: ignore[arg-type]  # of the same length


_carlson: Any = primitive(
    "carlson_integral",
    "x y z p",
    _kernel,
    lambda t, x, y, z, p, exponents: _raised(t, x, y, z, p, exponents, 0),
    lambda t, x, y, z, p, exponents: _raised(t, x, y, z, p, exponents, 1),
    lambda t, x, y, z, p, exponents: _raised(t, x, y, z, p, exponents, 2),
    lambda t, x, y, z, p, exponents: _raised(t, x, y, z, p, exponents, 3),
)


def _integral(x: Array, y: Array, z: Array, p: Array, exponents: Exponents) -> Array:
    return bind(_carlson.primitive, (x, y, z, p), {"exponents": exponents})


# ---- Carlson's ----

elliprf = ufunc(
    "elliprf",
    "x y z",
    lambda t, x, y, z: t * (elliprd(y, z, x) / -6),
    lambda t, x, y, z: t * (elliprd(z, x, y) / -6),
    lambda t, x, y, z: t * (elliprd(x, y, z) / -6),
    note="-R_D(y, z, x) / 6 by x, and so on; for real arguments.",
)
elliprc = ufunc(
    "elliprc",
    "x y",
    lambda t, x, y: t * (elliprd(y, y, x) / -6),
    lambda t, x, y: t * (elliprd(x, y, y) / -3),
    note="-R_D(y, y, x) / 6 by x, -R_D(x, y, y) / 3 by y; for real arguments, y above 0.",
)


def _by(t: Array, factor: float, exponents: Exponents, *operands: Array) -> Array:
    x, y, z, p = (*operands, 1.0)[:4]
    return t * (factor * _integral(x, y, z, p, exponents))


_H, _T, _F = 0.5, 1.5, 2.5
elliprd = ufunc(
    "elliprd",
    "x y z",
    lambda t, x, y, z: _by(t, -0.75, (_T, _H, _T, 0, 0), x, y, z),
    lambda t, x, y, z: _by(t, -0.75, (_H, _T, _T, 0, 0), x, y, z),
    lambda t, x, y, z: _by(t, -2.25, (_H, _H, _F, 0, 0), x, y, z),
    note="integrals of the same kind with the exponent of the argument raised by one; for real arguments.",
)
elliprj = ufunc(
    "elliprj",
    "x y z p",
    lambda t, x, y, z, p: _by(t, -0.75, (_T, _H, _H, 1, 0), x, y, z, p),
    lambda t, x, y, z, p: _by(t, -0.75, (_H, _T, _H, 1, 0), x, y, z, p),
    lambda t, x, y, z, p: _by(t, -0.75, (_H, _H, _T, 1, 0), x, y, z, p),
    lambda t, x, y, z, p: _by(t, -1.5, (_H, _H, _H, 2, 0), x, y, z, p),
    note="integrals of the same kind with the exponent of the argument raised by one; for real arguments, p above 0.",
)
elliprg = ufunc(
    "elliprg",
    "x y z",
    lambda t, x, y, z: _by(t, 0.125, (_T, _H, _H, 0, -1), x, y, z),
    lambda t, x, y, z: _by(t, 0.125, (_H, _T, _H, 0, -1), x, y, z),
    lambda t, x, y, z: _by(t, 0.125, (_H, _H, _T, 0, -1), x, y, z),
    note="1/8 int_0^inf t / ((t + x) sqrt((t + x) (t + y) (t + z))) dt by x, and so on; for real arguments.",
)

# ---- Legendre's ----

ellipk = ufunc("ellipk", "m", lambda t, m: t * (elliprd(0.0, 1.0, 1 - m) / 6), note="R_D(0, 1, 1 - m) / 6.")
ellipkm1 = ufunc("ellipkm1", "p", lambda t, p: t * (elliprd(0.0, 1.0, p) / -6), note="-R_D(0, 1, p) / 6.")
ellipe = ufunc("ellipe", "m", lambda t, m: t * (elliprd(0.0, 1 - m, 1.0) / -6), note="-R_D(0, 1 - m, 1) / 6.")


def _halves(phi: Array) -> tuple[Array, Array, Array]:
    """Return how many times pi an angle has, and the sine and the cosine of the rest."""
    count = tnp.rint(phi / math.pi)
    rest = phi - count * math.pi
    return count, tnp.sin(rest), tnp.cos(rest)


def _first_kind_by_m(phi: Array, m: Array) -> Array:
    count, s, c = _halves(phi)
    return s * s * s * elliprd(c * c, 1.0, 1 - m * s * s) / 6 + 2 * count * (elliprd(0.0, 1.0, 1 - m) / 6)


def _second_kind_by_m(phi: Array, m: Array) -> Array:
    count, s, c = _halves(phi)
    return -s * s * s * elliprd(c * c, 1 - m * s * s, 1.0) / 6 - 2 * count * (elliprd(0.0, 1 - m, 1.0) / 6)


def _delta(phi: Array, m: Array) -> Array:
    s = tnp.sin(phi)
    return tnp.sqrt(1 - m * s * s)


ellipkinc = ufunc(
    "ellipkinc",
    "phi m",
    lambda t, phi, m: t / _delta(phi, m),
    lambda t, phi, m: t * _first_kind_by_m(phi, m),
    note="1 / sqrt(1 - m sin(phi)^2) by phi; by m sin(phi)^3 / 6 R_D(cos(phi)^2, 1, 1 - m sin(phi)^2).",
)
ellipeinc = ufunc(
    "ellipeinc",
    "phi m",
    lambda t, phi, m: t * _delta(phi, m),
    lambda t, phi, m: t * _second_kind_by_m(phi, m),
    note="sqrt(1 - m sin(phi)^2) by phi; by m -sin(phi)^3 / 6 R_D(cos(phi)^2, 1 - m sin(phi)^2, 1).",
)

# ---- Jacobi's ----


def _amplitude_by_m(u: Array, m: Array) -> Array:
    return -_first_kind_by_m(_ph(u, m), m) * _dn(u, m)


def _dn_by_m(u: Array, m: Array) -> Array:
    sn, cn = _sn(u, m), _cn(u, m)
    return -(sn * sn + 2 * m * sn * cn * _amplitude_by_m(u, m)) / (2 * _dn(u, m))


ellipj, _sn, _cn, _dn, _ph = several(
    "ellipj",
    "u m",
    [lambda t, u, m: t * (_cn(u, m) * _dn(u, m)), lambda t, u, m: t * (_cn(u, m) * _amplitude_by_m(u, m))],
    [lambda t, u, m: -t * (_sn(u, m) * _dn(u, m)), lambda t, u, m: -t * (_sn(u, m) * _amplitude_by_m(u, m))],
    [lambda t, u, m: -t * (m * _sn(u, m) * _cn(u, m)), lambda t, u, m: t * _dn_by_m(u, m)],
    [lambda t, u, m: t * _dn(u, m), lambda t, u, m: t * _amplitude_by_m(u, m)],
    note="by u cn dn, -sn dn, -m sn cn and dn; by m from the derivative of the amplitude, -dn dF/dm.",
)
