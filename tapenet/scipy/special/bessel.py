"""Bessel functions: cylindrical, scaled, spherical, Hankel's; Airy, Kelvin and Struve functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.arguments import check_is_count, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentTypeError
from tapenet.scipy.placing import published
from tapenet.scipy.special.declaring import primitive, rule_of, several, ufunc
from tapenet.scipy.special.gamma import rgamma
from tapenet.scipy.special.helpers import ROOT_PI, guarded, is_complex
from tapenet.scipy.special.orders import by_order, hankel_by_order
from tapenet.scipy.special.struve_orders import modstruve_formula, struve_formula
from tapenet.series.arithmetic import Series, composed, is_constant
from tapenet.series.rules import rule

Function = Callable[..., Array]

# ---- of the first, second and third kind ----

jv = jn = ufunc(
    "jv",
    "v z",
    by_order("j"),
    lambda t, v, z: t * ((jv(v - 1, z) - jv(v + 1, z)) / 2),
    note="(J_(v-1) - J_(v+1)) / 2 by z; by v, for real z > 0, that of Schlaefli's integral, NaN elsewhere.",
)
yv = ufunc(
    "yv",
    "v z",
    by_order("y"),
    lambda t, v, z: t * ((yv(v - 1, z) - yv(v + 1, z)) / 2),
    note="(Y_(v-1) - Y_(v+1)) / 2 by z; by v, for real z > 0, that of Schlaefli's integral, NaN elsewhere.",
)
iv = ufunc(
    "iv",
    "v z",
    by_order("i"),
    lambda t, v, z: t * ((iv(v - 1, z) + iv(v + 1, z)) / 2),
    note="(I_(v-1) + I_(v+1)) / 2 by z; by v, for real z > 0, that of the integral representation, NaN elsewhere.",
)
kv = ufunc(
    "kv",
    "v z",
    by_order("k"),
    lambda t, v, z: -t * ((kv(v - 1, z) + kv(v + 1, z)) / 2),
    note="-(K_(v-1) + K_(v+1)) / 2 by z; by v, for real z > 0, the integral of s sinh(v s) e^(-z cosh s), NaN "
    "elsewhere.",
)
yn = ufunc(
    "yn", "n x", None, lambda t, n, x: t * ((yn(n - 1, x) - yn(n + 1, x)) / 2), note="(Y_(n-1) - Y_(n+1)) / 2 by x."
)
kn = ufunc(
    "kn", "n x", None, lambda t, n, x: -t * ((kn(n - 1, x) + kn(n + 1, x)) / 2), note="-(K_(n-1) + K_(n+1)) / 2 by x."
)
hankel1 = ufunc(
    "hankel1",
    "v z",
    hankel_by_order(1, scaled=False),
    lambda t, v, z: t * ((hankel1(v - 1, z) - hankel1(v + 1, z)) / 2),
    note="(H_(v-1) - H_(v+1)) / 2 by z; by v, for real z > 0, those of jv and yv, NaN elsewhere.",
)
hankel2 = ufunc(
    "hankel2",
    "v z",
    hankel_by_order(-1, scaled=False),
    lambda t, v, z: t * ((hankel2(v - 1, z) - hankel2(v + 1, z)) / 2),
    note="(H_(v-1) - H_(v+1)) / 2 by z; by v, for real z > 0, those of jv and yv, NaN elsewhere.",
)


def _by_orders(function: Function, sign: int, other: int) -> Callable[[Series, Series], Series | None]:
    """Return the rule of f_v' = sign (f_(v-1) + other f_(v+1)) / 2, whose derivatives are sums over orders."""

    def of_series(v: Series, z: Series) -> Series | None:
        if not is_constant(v):
            return None
        order, highest = v[0], len(z) - 1
        values = {i: function(order + i, z[0]) for i in range(-highest, highest + 1)}

        def derivative(k: int) -> Array:
            terms = (math.comb(k, j) * other**j * values[2 * j - k] for j in range(k + 1))
            return sum(terms) * (sign**k / (2.0**k * math.factorial(k)))

        return composed([derivative(k) for k in range(highest + 1)], z)

    return of_series


for _name, _function, _sign, _other in (
    ("jv", jv, 1, -1),
    ("yv", yv, 1, -1),
    ("iv", iv, 1, 1),
    ("kv", kv, -1, 1),
    ("yn", yn, 1, -1),
    ("kn", kn, -1, 1),
    ("hankel1", hankel1, 1, -1),
    ("hankel2", hankel2, 1, -1),
):
    rule(f"special.{_name}")(_by_orders(_function, _sign, _other))

j0 = ufunc("j0", "x", lambda t, x: -t * j1(x), note="-j1(x).")
j1 = ufunc("j1", "x", lambda t, x: t * ((j0(x) - jv(2, x)) / 2), note="(J_0 - J_2) / 2.")
y0 = ufunc("y0", "x", lambda t, x: -t * y1(x), note="-y1(x).")
y1 = ufunc("y1", "x", lambda t, x: t * ((y0(x) - yn(2, x)) / 2), note="(Y_0 - Y_2) / 2.")
i0 = ufunc("i0", "x", lambda t, x: t * i1(x), note="i1(x).")
i1 = ufunc("i1", "x", lambda t, x: t * ((i0(x) + iv(2, x)) / 2), note="(I_0 + I_2) / 2.")
k0 = ufunc("k0", "x", lambda t, x: -t * k1(x), note="-k1(x).")
k1 = ufunc("k1", "x", lambda t, x: -t * ((k0(x) + kn(2, x)) / 2), note="-(K_0 + K_2) / 2.")

# ---- scaled by exponentials ----


def _real(name: str, z: Array) -> Array:
    """Return z; raise for complex numbers, as the scale is of a real part, which has no complex derivative."""
    if is_complex(z):
        raise ArgumentTypeError(f"special.{name}: z must be real on a tape; got complex. Write the unscaled function.")
    return z


jve = ufunc(
    "jve",
    "v z",
    by_order("j"),
    lambda t, v, z: t * ((jve(v - 1, _real("jve", z)) - jve(v + 1, z)) / 2),
    note="those of jv; z must be real, and above 0 for that by v.",
)
yve = ufunc(
    "yve",
    "v z",
    by_order("y"),
    lambda t, v, z: t * ((yve(v - 1, _real("yve", z)) - yve(v + 1, z)) / 2),
    note="those of yv; z must be real, and above 0 for that by v.",
)
ive = ufunc(
    "ive",
    "v z",
    by_order("ie"),
    lambda t, v, z, out: t * ((ive(v - 1, _real("ive", z)) + ive(v + 1, z)) / 2 - tnp.sign(z) * out),
    note="those of e^(-|z|) I_v(z); z must be real, and above 0 for that by v.",
)
kve = ufunc(
    "kve",
    "v z",
    by_order("ke"),
    lambda t, v, z, out: t * (out - (kve(v - 1, z) + kve(v + 1, z)) / 2),
    note="those of e^z K_v(z); by v for real z > 0, NaN elsewhere.",
)
hankel1e = ufunc(
    "hankel1e",
    "v z",
    hankel_by_order(1, scaled=True),
    lambda t, v, z, out: t * ((hankel1e(v - 1, z) - hankel1e(v + 1, z)) / 2 - 1j * out),
    note="those of e^(-i z) H_v(z); by v for real z > 0, NaN elsewhere.",
)
hankel2e = ufunc(
    "hankel2e",
    "v z",
    hankel_by_order(-1, scaled=True),
    lambda t, v, z, out: t * ((hankel2e(v - 1, z) - hankel2e(v + 1, z)) / 2 + 1j * out),
    note="those of e^(i z) H_v(z); by v for real z > 0, NaN elsewhere.",
)
i0e = ufunc("i0e", "x", lambda t, x, out: t * (i1e(x) - tnp.sign(x) * out), note="that of e^(-|x|) I_0(x).")
i1e = ufunc(
    "i1e",
    "x",
    lambda t, x, out: t * ((i0e(x) + ive(2, x)) / 2 - tnp.sign(x) * out),
    note="that of e^(-|x|) I_1(x).",
)
k0e = ufunc("k0e", "x", lambda t, x, out: t * (out - k1e(x)), note="that of e^x K_0(x).")
k1e = ufunc("k1e", "x", lambda t, x, out: t * (out - (k0e(x) + kve(2, x)) / 2), note="that of e^x K_1(x).")

# ---- derivatives as functions ----


def _derivative(name: str, of: Function, phase: int, sign: int = 1) -> Function:
    """Declare the n-th derivative of a Bessel function by its argument, a sum over n + 1 orders."""

    @numpy_function(getattr(scipy.special, name))
    def function(v: Array, z: Array, n: int = 1) -> Array:
        check_is_count(f"special.{name}", "n", n)
        factor, total = 1.0, of(v - n, z)
        for i in range(1, n + 1):
            factor = phase * factor * (n - i + 1) / i
            total = total + factor * of(v - n + 2 * i, z)
        return sign**n * total / 2**n

    return published(function, scipy.special, name, "Derivative: the derivative of order n + 1, by z.")


jvp = _derivative("jvp", jv, -1)
yvp = _derivative("yvp", yv, -1)
ivp = _derivative("ivp", iv, 1)
kvp = _derivative("kvp", kv, 1, -1)
h1vp = _derivative("h1vp", hankel1, -1)
h2vp = _derivative("h2vp", hankel2, -1)

# ---- spherical ----


def _spherical(name: str, below: int, above: int) -> Function:
    """Declare a spherical Bessel function: (2 n + 1) f_n' = below n f_(n-1) + above (n + 1) f_(n+1)."""
    theirs = getattr(scipy.special, name)

    def slope(n: Any, z: Array) -> Array:
        n = int(n) if np.ndim(n) == 0 else np.asarray(n)
        lower = tnp.where(np.greater(n, 0), function_of_order(np.maximum(n - 1, 0), z), 0.0)
        return (below * n * lower + above * (n + 1) * function_of_order(n + 1, z)) / (2 * n + 1)

    function_of_order = primitive(name, "n z", theirs, None, lambda t, n, z: t * slope(n, z))

    @numpy_function(theirs)
    def function(n: Any, z: Array, derivative: bool = False) -> Array:
        check_is_count(f"special.{name}", "n", n)
        return slope(n, z) if derivative else function_of_order(n, z)

    return published(function, scipy.special, name, "Derivative: by z, from the functions of orders n - 1 and n + 1.")


spherical_jn = _spherical("spherical_jn", 1, -1)
spherical_yn = _spherical("spherical_yn", 1, -1)
spherical_in = _spherical("spherical_in", 1, 1)
spherical_kn = _spherical("spherical_kn", -1, -1)

# ---- Airy functions ----

airy, _ai, _aip, _bi, _bip = several(
    "airy",
    "z",
    [lambda t, z: t * _aip(z)],
    [lambda t, z: t * (z * _ai(z))],
    [lambda t, z: t * _bip(z)],
    [lambda t, z: t * (z * _bi(z))],
    note="Ai', z Ai, Bi' and z Bi.",
)


def _growth(z: Array) -> Array:
    """Return the derivative of the exponent of the scale, sqrt(z) above 0."""
    above = _real("airye", z) > 0
    return tnp.where(above, tnp.sqrt(guarded(above, z, 1.0)), 0.0)


airye, _aie, _aiep, _bie, _biep = several(
    "airye",
    "z",
    [lambda t, z, out: t * (_aiep(z) + _growth(z) * out)],
    [lambda t, z, out: t * (z * _aie(z) + _growth(z) * out)],
    [lambda t, z, out: t * (_biep(z) - _growth(z) * out)],
    [lambda t, z, out: t * (z * _bie(z) - _growth(z) * out)],
    note="those of airy, and the scale's, e^(2/3 z^1.5) and its inverse for z > 0; z must be real.",
)
itairy = several(
    "itairy",
    "x",
    [lambda t, x: t * _ai(x)],
    [lambda t, x: t * _bi(x)],
    [lambda t, x: t * _ai(-x)],
    [lambda t, x: t * _bi(-x)],
    note="Ai(x), Bi(x), Ai(-x) and Bi(-x).",
)[0]

# ---- Kelvin functions ----


def _over(x: Array, y: Array, limit: complex) -> Array:
    """Compute y / x, and its limit where x is 0."""
    away = tnp.not_equal(x, 0)
    return tnp.where(away, y / guarded(away, x, 1.0), limit)


ber = ufunc("ber", "x", lambda t, x: t * berp(x), note="berp(x).")
bei = ufunc("bei", "x", lambda t, x: t * beip(x), note="beip(x).")
ker = ufunc("ker", "x", lambda t, x: t * kerp(x), note="kerp(x).")
kei = ufunc("kei", "x", lambda t, x: t * keip(x), note="keip(x).")
berp = ufunc("berp", "x", lambda t, x, out: -t * (bei(x) + _over(x, out, 0.0)), note="-bei(x) - berp(x) / x.")
beip = ufunc("beip", "x", lambda t, x, out: t * (ber(x) - _over(x, out, 0.5)), note="ber(x) - beip(x) / x.")
kerp = ufunc("kerp", "x", lambda t, x, out: -t * (kei(x) + out / x), note="-kei(x) - kerp(x) / x.")
keip = ufunc("keip", "x", lambda t, x, out: t * (ker(x) - out / x), note="ker(x) - keip(x) / x.")
kelvin, _be, _ke, _bep, _kep = several(
    "kelvin",
    "x",
    [lambda t, x: t * _bep(x)],
    [lambda t, x: t * _kep(x)],
    [lambda t, x, out: t * (1j * _be(x) - _over(x, out, 0.5j))],
    [lambda t, x, out: t * (1j * _ke(x) - out / x)],
    note="Be', Ke', i Be - Be' / x and i Ke - Ke' / x.",
)

# ---- Struve functions ----


def _struve_term(v: Array, x: Array) -> Array:
    return tnp.power(x / 2, v) * (rgamma(v + 1.5) / ROOT_PI)


struve = ufunc(
    "struve",
    "v x",
    rule_of(struve_formula(yv), ("v", "x"), 0),
    lambda t, v, x: t * ((struve(v - 1, x) - struve(v + 1, x) + _struve_term(v, x)) / 2),
    note="(H_(v-1) - H_(v+1) + (x/2)^v / (sqrt(pi) gamma(v + 3/2))) / 2 by x; by v, for x > 0, that of its series, or "
    "of Y_v and an integral, NaN elsewhere.",
)
modstruve = ufunc(
    "modstruve",
    "v x",
    rule_of(modstruve_formula, ("v", "x"), 0),
    lambda t, v, x: t * ((modstruve(v - 1, x) + modstruve(v + 1, x) + _struve_term(v, x)) / 2),
    note="(L_(v-1) + L_(v+1) + (x/2)^v / (sqrt(pi) gamma(v + 3/2))) / 2 by x; by v, for x > 0, that of its series, "
    "NaN elsewhere.",
)
