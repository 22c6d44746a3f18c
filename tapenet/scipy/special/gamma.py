"""The gamma function and what is made of it: logarithms, digamma, beta, binomial coefficients, zeta."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, check_is_count, numpy_function
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array, bind
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.scipy.placing import of_module, published
from tapenet.scipy.special import gamma_kernels
from tapenet.scipy.special.declaring import primitive, ufunc
from tapenet.scipy.special.helpers import PI, cospi, guarded, is_complex, sinpi

# ---- the gamma function ----

gammaln = ufunc("gammaln", "x", lambda t, x: t * digamma(x), note="digamma(x).")
loggamma = ufunc("loggamma", "z", lambda t, z: t * digamma(z), note="digamma(z).")
gamma = ufunc("gamma", "z", lambda t, z, out: t * (out * digamma(z)), note="gamma(z) digamma(z).")


def _rgamma_slope(t: Array, z: Array, out: Array) -> Array:
    """Compute -digamma(z) / gamma(z), by the reflection formula where z has poles of digamma."""
    reflected = tnp.real(z) < 0.5
    below, above = guarded(reflected, z, 0.25), guarded(~reflected, z, 1.0)
    left = gamma(1 - below) * (cospi(below) - digamma(1 - below) * sinpi(below) / PI)
    return t * tnp.where(reflected, left, -digamma(above) * out)


rgamma = ufunc("rgamma", "z", _rgamma_slope, note="-digamma(z) / gamma(z); (-1)^n n! at z = -n.")
gammasgn = ufunc("gammasgn", "x", lambda t, x: t * 0, note="Piecewise constant: 0.")
psi = digamma = ufunc("psi", "z", lambda t, z: t * _polygamma(1, z), note="polygamma(1, z).")

_polygamma = primitive(
    "polygamma", "n x", gamma_kernels.polygamma, None, lambda t, n, x: t * _polygamma(tnp.asarray(n) + 1, x)
)


def of_order(n: int, x: Array) -> Array:
    """Compute the n-th derivative of digamma."""
    return _polygamma(n, x)


digamma_difference = primitive(
    "digamma_difference",
    "a b",
    gamma_kernels.digamma_difference,
    lambda t, a, b: t * (_polygamma(1, a + b) - _polygamma(1, a)),
    lambda t, a, b: t * _polygamma(1, a + b),
)


@numpy_function(of_module(scipy.special, "polygamma"))
def polygamma(n: Any, x: Array) -> Array:
    check_is_count("special.polygamma", "n", n)
    return _polygamma(np.asarray(n), x)


published(
    polygamma,
    scipy.special,
    "polygamma",
    "Derivative: polygamma(n + 1, x), by x.",
    "Compute the n-th derivative of digamma.",
)


@branch_condition
def _reaches(a: Array, bound: float) -> bool:
    return bool(np.any(np.asarray(a) <= bound))


@numpy_function(of_module(scipy.special, "multigammaln"))
def multigammaln(a: Array, d: int) -> Array:
    check_is_count("special.multigammaln", "d", d)
    if _reaches(a, (d - 1) / 2):
        raise ArgumentError(f"special.multigammaln: a must be above (d - 1) / 2 = {(d - 1) / 2}; got {a!r}.")
    constant = d * (d - 1) / 4 * math.log(PI)
    return constant + sum(gammaln(a - j / 2) for j in range(d))


published(multigammaln, scipy.special, "multigammaln", "Derivative: the sum of digamma(a - j / 2) over j < d.")

# ---- beta and binomial coefficients ----

beta = ufunc(
    "beta",
    "a b",
    lambda t, a, b, out: -t * (out * digamma_difference(a, b)),
    lambda t, a, b, out: -t * (out * digamma_difference(b, a)),
    note="beta(a, b) (digamma(a) - digamma(a + b)) by a, and by b the same with a and b exchanged.",
)
betaln = ufunc(
    "betaln",
    "a b",
    lambda t, a, b: -t * digamma_difference(a, b),
    lambda t, a, b: -t * digamma_difference(b, a),
    note="digamma(a) - digamma(a + b) by a, and by b the same with a and b exchanged.",
)
poch = ufunc(
    "poch",
    "z m",
    lambda t, z, m, out: t * (out * digamma_difference(z, m)),
    lambda t, z, m, out: t * (out * digamma(z + m)),
    note="poch(z, m) (digamma(z + m) - digamma(z)) by z, poch(z, m) digamma(z + m) by m; NaN where both have a pole.",
)
binom = ufunc(
    "binom",
    "n k",
    lambda t, n, k, out: t * (out * digamma_difference(n - k + 1, k)),
    lambda t, n, k, out: t * (out * digamma_difference(k + 1, n - 2 * k)),
    note="binom(n, k) (digamma(n + 1) - digamma(n - k + 1)) by n, binom(n, k) (digamma(n - k + 1) - digamma(k + 1)) by "
    "k.",
)


def _refuse_exact(function: str, exact: bool) -> None:
    if exact:
        raise ArgumentError(f"{function}: exact must be False for a Tensor, as integers have no derivative; got True.")


@numpy_function(of_module(scipy.special, "comb"))
def comb(N: Array, k: Array, *, exact: bool = False, repetition: bool = False) -> Array:
    _refuse_exact("special.comb", exact)
    if repetition:
        return comb(as_array(N) + k - 1, k)
    inside = tnp.asarray((tnp.asarray(k) <= N) & (tnp.asarray(N) >= 0) & (tnp.asarray(k) >= 0))
    return tnp.where(inside, binom(guarded(inside, N, 2.0), guarded(inside, k, 1.0)), 0.0)


published(comb, scipy.special, "comb", "Derivative: that of binom(N, k); 0 where k > N or one is negative.")


@numpy_function(of_module(scipy.special, "perm"))
def perm(N: Array, k: Array, exact: bool = False) -> Array:
    _refuse_exact("special.perm", exact)
    inside = tnp.asarray((tnp.asarray(k) <= N) & (tnp.asarray(N) >= 0) & (tnp.asarray(k) >= 0))
    return tnp.where(inside, poch(guarded(inside, as_array(N) - k + 1, 1.0), guarded(inside, k, 1.0)), 0.0)


published(perm, scipy.special, "perm", "Derivative: that of poch(N - k + 1, k); 0 where k > N or one is negative.")


@numpy_function(of_module(scipy.special, "factorial"))
def factorial(n: Array, exact: bool = False, extend: str = "zero") -> Array:
    _refuse_exact("special.factorial", exact)
    found = gamma(as_array(n) + 1)
    return tnp.where(tnp.asarray(n) < 0, 0.0, found) if extend == "zero" else found


published(factorial, scipy.special, "factorial", "Derivative: gamma(n + 1) digamma(n + 1); 0 for n < 0.")

# ---- zeta ----

_zeta: Any = primitive(
    "zeta",
    "x q",
    scipy.special.zeta,
    lambda t, x, q: t * _zeta_by_order(x, q, 1),
    lambda t, x, q: -t * (x * _zeta(x + 1, q)),
)


def _zeta_by_order_in_q(t: Array, s: Array, q: Array, order: int) -> Array:
    """Compute the derivative by q: zeta' = -s zeta(s + 1, q), differentiated by s as often as the order says."""
    lower = _zeta(s + 1, q) if order == 1 else _zeta_by_order(s + 1, q, order - 1)
    return -t * (s * _zeta_by_order(s + 1, q, order) + order * lower)


_of_order: Any = primitive(
    "zeta_by_order",
    "s q",
    gamma_kernels.zeta_by_order,
    lambda t, s, q, order: t * _zeta_by_order(s, q, order + 1),
    _zeta_by_order_in_q,
)


def _zeta_by_order(s: Array, q: Array, order: int) -> Array:
    return bind(_of_order.primitive, (s, q), {"order": order})


@numpy_function(scipy.special.zeta)
def zeta(x: Array, q: Array = None, out: None = None) -> Array:
    if is_complex(x):
        raise ArgumentTypeError(
            "special.zeta: x must be real on a tape; got complex. Give it a derivative by tn.custom_jvp."
        )
    return _zeta(x, 1.0 if q is None else q)


published(
    zeta,
    scipy.special,
    "zeta",
    "Derivatives: by x the sum of -log(q + n) / (q + n)^x, continued below 1 by the Euler-Maclaurin formula; by q "
    "-x zeta(x + 1, q). A complex x is refused on a tape.",
)
zetac = ufunc("zetac", "x", lambda t, x: t * _zeta_by_order(x, 1.0, 1), note="that of zeta(x).")
