"""Orthogonal polynomials and Legendre functions, by argument, and by degree and parameters where these are real."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.arguments import check_is_count, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import of_module, published
from tapenet.scipy.special.declaring import primitive, rule_of, ufunc
from tapenet.scipy.special.gamma import binom, poch, rgamma
from tapenet.scipy.special.helpers import guarded
from tapenet.scipy.special.hypergeometric import hyp1f1, hyp2f1


def _below(n: Array, value: Any) -> Array:
    """Return a value of the degree n - 1, which a function of the degree gives; 0 for n = 0."""
    positive = tnp.not_equal(n, 0)
    return tnp.where(positive, value(guarded(positive, n, 1) - 1), 0.0)


# ---- of the hypergeometric function 2F1 ----


def _jacobi(n: Array, alpha: Array, beta: Array, x: Array) -> Array:
    return binom(n + alpha, n) * hyp2f1(-n, n + alpha + beta + 1, alpha + 1, (1 - x) / 2)


def _gegenbauer(n: Array, alpha: Array, x: Array) -> Array:
    return poch(2 * alpha, n) * rgamma(n + 1.0) * hyp2f1(-n, 2 * alpha + n, alpha + 0.5, (1 - x) / 2)


def _legendre(n: Array, x: Array) -> Array:
    return hyp2f1(-n, n + 1, 1.0, (1 - x) / 2)


_BY_DEGREE = "by the others that of the hypergeometric function."
eval_jacobi = ufunc(
    "eval_jacobi",
    "n alpha beta x",
    *(rule_of(_jacobi, ("n", "alpha", "beta", "x"), i) for i in range(3)),
    lambda t, n, alpha, beta, x: (
        t * ((n + alpha + beta + 1) / 2 * _below(n, lambda k: eval_jacobi(k, alpha + 1, beta + 1, x)))
    ),
    note=f"(n + alpha + beta + 1) / 2 P_(n-1)^(alpha+1, beta+1) by x; {_BY_DEGREE}",
)
eval_gegenbauer = ufunc(
    "eval_gegenbauer",
    "n alpha x",
    *(rule_of(_gegenbauer, ("n", "alpha", "x"), i) for i in range(2)),
    lambda t, n, alpha, x: t * (2 * alpha * _below(n, lambda k: eval_gegenbauer(k, alpha + 1, x))),
    note=f"2 alpha C_(n-1)^(alpha+1) by x; {_BY_DEGREE}",
)
eval_legendre = ufunc(
    "eval_legendre",
    "n x",
    rule_of(_legendre, ("n", "x"), 0),
    lambda t, n, x: t * _below(n, lambda k: eval_gegenbauer(k, 1.5, x)),
    note=f"C_(n-1)^(3/2) by x; {_BY_DEGREE}",
)
eval_sh_legendre = ufunc(
    "eval_sh_legendre",
    "n x",
    rule_of(lambda n, x: _legendre(n, 2 * x - 1), ("n", "x"), 0),
    lambda t, n, x: t * (2 * _below(n, lambda k: eval_gegenbauer(k, 1.5, 2 * x - 1))),
    note="that of the Legendre polynomial at 2 x - 1.",
)


def _sh_jacobi(n: Array, p: Array, q: Array, x: Array) -> Array:
    return eval_jacobi(n, p - q, q - 1, 2 * x - 1) / binom(2 * n + p - 1, n)


eval_sh_jacobi = ufunc(
    "eval_sh_jacobi",
    "n p q x",
    formula=_sh_jacobi,
    note="that of P_n^(p-q, q-1)(2 x - 1) / binom(2 n + p - 1, n), by each.",
)

# ---- Chebyshev's ----


def _chebyt(n: Array, x: Array) -> Array:
    return tnp.cos(n * tnp.arccos(x))


def _chebyu(n: Array, x: Array) -> Array:
    angle = tnp.arccos(x)
    return tnp.sin((n + 1) * angle) / tnp.sin(angle)


_OF_ANGLE = "by n that of the function of the angle arccos(x)."
eval_chebyt = ufunc(
    "eval_chebyt",
    "n x",
    rule_of(_chebyt, ("n", "x"), 0),
    lambda t, n, x: t * (n * _below(n, lambda k: eval_chebyu(k, x))),
    note=f"n U_(n-1) by x; {_OF_ANGLE}",
)
eval_chebyu = ufunc(
    "eval_chebyu",
    "n x",
    rule_of(_chebyu, ("n", "x"), 0),
    lambda t, n, x: t * (2 * _below(n, lambda k: eval_gegenbauer(k, 2.0, x))),
    note=f"2 C_(n-1)^(2) by x; {_OF_ANGLE}",
)
eval_chebyc = ufunc(
    "eval_chebyc",
    "n x",
    rule_of(lambda n, x: 2 * _chebyt(n, x / 2), ("n", "x"), 0),
    lambda t, n, x: t * (n * _below(n, lambda k: eval_chebyu(k, x / 2))),
    note=f"n U_(n-1)(x / 2) by x; {_OF_ANGLE}",
)
eval_chebys = ufunc(
    "eval_chebys",
    "n x",
    rule_of(lambda n, x: _chebyu(n, x / 2), ("n", "x"), 0),
    lambda t, n, x: t * _below(n, lambda k: eval_gegenbauer(k, 2.0, x / 2)),
    note=f"C_(n-1)^(2)(x / 2) by x; {_OF_ANGLE}",
)
eval_sh_chebyt = ufunc(
    "eval_sh_chebyt",
    "n x",
    rule_of(lambda n, x: _chebyt(n, 2 * x - 1), ("n", "x"), 0),
    lambda t, n, x: t * (2 * n * _below(n, lambda k: eval_chebyu(k, 2 * x - 1))),
    note=f"2 n U_(n-1)(2 x - 1) by x; {_OF_ANGLE}",
)
eval_sh_chebyu = ufunc(
    "eval_sh_chebyu",
    "n x",
    rule_of(lambda n, x: _chebyu(n, 2 * x - 1), ("n", "x"), 0),
    lambda t, n, x: t * (4 * _below(n, lambda k: eval_gegenbauer(k, 2.0, 2 * x - 1))),
    note=f"4 C_(n-1)^(2)(2 x - 1) by x; {_OF_ANGLE}",
)

# ---- Laguerre's and Hermite's ----


def _genlaguerre(n: Array, alpha: Array, x: Array) -> Array:
    return binom(n + alpha, n) * hyp1f1(-n, alpha + 1, x)


eval_genlaguerre = ufunc(
    "eval_genlaguerre",
    "n alpha x",
    *(rule_of(_genlaguerre, ("n", "alpha", "x"), i) for i in range(2)),
    lambda t, n, alpha, x: -t * _below(n, lambda k: eval_genlaguerre(k, alpha + 1, x)),
    note=f"-L_(n-1)^(alpha+1) by x; {_BY_DEGREE}",
)
eval_laguerre = ufunc(
    "eval_laguerre",
    "n x",
    rule_of(lambda n, x: hyp1f1(-n, 1.0, x), ("n", "x"), 0),
    lambda t, n, x: -t * _below(n, lambda k: eval_genlaguerre(k, 1.0, x)),
    note=f"-L_(n-1)^(1) by x; {_BY_DEGREE}",
)
eval_hermite = ufunc(
    "eval_hermite",
    "n x",
    None,
    lambda t, n, x: t * (2 * n * _below(n, lambda k: eval_hermite(k, x))),
    note="2 n H_(n-1) by x.",
)
eval_hermitenorm = ufunc(
    "eval_hermitenorm",
    "n x",
    None,
    lambda t, n, x: t * (n * _below(n, lambda k: eval_hermitenorm(k, x))),
    note="n He_(n-1) by x.",
)


@numpy_function(scipy.special.assoc_laguerre)
def assoc_laguerre(x: Array, n: Array, k: Array = 0.0) -> Array:
    return eval_genlaguerre(n, k, x)


published(assoc_laguerre, scipy.special, "assoc_laguerre", "Derivative: that of eval_genlaguerre(n, k, x).")

# ---- Legendre functions and spherical harmonics ----

lpmv = ufunc(
    "lpmv",
    "m v x",
    None,
    None,
    lambda t, m, v, x, out: t * ((v * x * out - (v + m) * lpmv(m, v - 1, x)) / (x * x - 1)),
    note="(v x P_v^m - (v + m) P_(v-1)^m) / (x^2 - 1) by x; NaN at -1 and 1.",
)


def _no_derivatives(function: str, diff_n: int) -> None:
    if diff_n:
        raise ArgumentError(
            f"special.{function}: diff_n must be 0 on a tape; got {diff_n!r}. Write tn.grad for the derivative."
        )


@functools.cache
def _stacks(name: str) -> bool:
    """Return whether SciPy's function gives its value in an array of value and derivatives."""
    arguments = (1, 0.5) if name == "legendre_p" else (1, 0, 0.5)
    return np.ndim(of_module(scipy.special, name)(*arguments)) == 1


def _value(name: str, *arguments: Any, **keywords: Any) -> Any:
    found = of_module(scipy.special, name)(*arguments, **keywords)
    return found[0] if _stacks(name) else found


def _as_scipys(name: str, value: Array) -> Array:
    return tnp.expand_dims(value, 0) if _stacks(name) else value


_legendre_p = primitive(
    "legendre_p",
    "n z",
    lambda n, z: _value("legendre_p", n, z),
    None,
    lambda t, n, z: t * _below(n, lambda k: eval_gegenbauer(k, 1.5, z)),
)


@numpy_function(of_module(scipy.special, "legendre_p"))
def legendre_p(n: Any, z: Array, *, diff_n: int = 0) -> Array:
    check_is_count("special.legendre_p", "n", n)
    _no_derivatives("legendre_p", diff_n)
    return _as_scipys("legendre_p", _legendre_p(n, z))


published(legendre_p, scipy.special, "legendre_p", "Derivative: C_(n-1)^(3/2) by z.", "Compute a Legendre polynomial.")


def _ladder(n: Any, m: Any, step: int) -> tuple[Any, Any]:
    """Return the coefficient of the order m + step in the derivative by the polar angle, and that order where it is."""
    n, m = np.broadcast_arrays(n, m)
    inside = np.abs(m + step) <= n
    factor = np.sqrt(np.where(inside, (n - step * m) * (n + step * m + 1.0), 0.0))
    return step * factor / 2, np.where(inside, m + step, m)


def _polar_slope(of: Any, n: Any, m: Any, phase: Any) -> Array:
    """Compute half of c_+ Y^(m+1) e^(-i phi) - c_- Y^(m-1) e^(i phi), which has no singular point."""
    (up, above), (down, below) = _ladder(n, m, 1), _ladder(n, m, -1)
    return up * phase(-1) * of(n, above) + down * phase(1) * of(n, below)


_sph_legendre_p = primitive(
    "sph_legendre_p",
    "n m theta",
    lambda n, m, theta: _value("sph_legendre_p", n, m, theta),
    None,
    None,
    lambda t, n, m, theta: t * _polar_slope(lambda n, m: _sph_legendre_p(n, m, theta), n, m, lambda sign: 1.0),
)
_sph_harm_y = primitive(
    "sph_harm_y",
    "n m theta phi",
    lambda n, m, theta, phi: of_module(scipy.special, "sph_harm_y")(n, m, theta, phi),
    None,
    None,
    lambda t, n, m, theta, phi: (
        t * _polar_slope(lambda n, m: _sph_harm_y(n, m, theta, phi), n, m, lambda sign: tnp.exp(sign * 1j * phi))
    ),
    lambda t, m, out: t * (1j * np.asarray(m) * out),
)


@numpy_function(of_module(scipy.special, "sph_legendre_p"))
def sph_legendre_p(n: Any, m: Any, theta: Array, *, diff_n: int = 0) -> Array:
    check_is_count("special.sph_legendre_p", "n", n)
    check_is_count("special.sph_legendre_p", "m", m)
    _no_derivatives("sph_legendre_p", diff_n)
    return _as_scipys("sph_legendre_p", _sph_legendre_p(n, m, theta))


published(
    sph_legendre_p,
    scipy.special,
    "sph_legendre_p",
    "Derivative: by theta, from the functions of orders m - 1 and m + 1.",
    "Compute a spherical Legendre polynomial.",
)


@numpy_function(of_module(scipy.special, "sph_harm_y"))
def sph_harm_y(n: Any, m: Any, theta: Array, phi: Array, *, diff_n: int = 0) -> Array:
    check_is_count("special.sph_harm_y", "n", n)
    check_is_count("special.sph_harm_y", "m", m)
    _no_derivatives("sph_harm_y", diff_n)
    return _sph_harm_y(n, m, theta, phi)


published(
    sph_harm_y,
    scipy.special,
    "sph_harm_y",
    "Derivatives: i m Y by phi; by theta from the functions of orders m - 1 and m + 1, at the poles too.",
    "Compute a spherical harmonic.",
)


def _norm_ratio(n: Any, m: Any, norm: bool) -> Any:
    """Return what multiplies P_(n-1)^m in the recurrence: n + m, or for normalized functions its ratio of norms too."""
    n, m = np.broadcast_arrays(np.asarray(n, float), np.asarray(m, float))
    return np.sqrt((2 * n + 1) / np.maximum(2 * n - 1, 1) * np.maximum((n + m) * (n - m), 0)) if norm else n + m


_assoc: Any = primitive(
    "assoc_legendre_p",
    "n m z branch_cut norm",
    lambda n, m, z, branch_cut, norm: _value("assoc_legendre_p", n, m, z, branch_cut=branch_cut, norm=bool(norm)),
    None,
    None,
    lambda t, n, m, z, branch_cut, norm, out: (
        t
        * (
            (
                np.asarray(n) * z * out
                - _norm_ratio(n, m, bool(norm)) * _below(n, lambda k: _assoc(np.asarray(k), m, z, branch_cut, norm))
            )
            / (z * z - 1)
        )
    ),
    None,
    None,
)


@numpy_function(of_module(scipy.special, "assoc_legendre_p"))
def assoc_legendre_p(n: Any, m: Any, z: Array, *, branch_cut: Any = 2, norm: bool = False, diff_n: int = 0) -> Array:
    check_is_count("special.assoc_legendre_p", "n", n)
    check_is_count("special.assoc_legendre_p", "m", m)
    _no_derivatives("assoc_legendre_p", diff_n)
    return _as_scipys("assoc_legendre_p", _assoc(n, m, z, branch_cut, norm))


published(
    assoc_legendre_p,
    scipy.special,
    "assoc_legendre_p",
    "Derivative: (n z P_n^m - (n + m) P_(n-1)^m) / (z^2 - 1) by z; NaN at -1 and 1.",
    "Compute an associated Legendre polynomial.",
)
