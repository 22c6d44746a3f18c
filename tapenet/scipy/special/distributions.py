"""Distribution functions of scipy.special and their inverses, by arguments and parameters.

Each has SciPy's value; its derivatives are those of its formula in incomplete gamma and beta functions, and those of an
inverse follow from the equation that it solves. `special.error` has the normal distribution.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.scipy.special.basic import boxcox_by_lambda
from tapenet.scipy.special.declaring import implicit, rule_of, ufunc
from tapenet.scipy.special.error import log_ndtr, ndtri
from tapenet.scipy.special.gamma import beta, binom
from tapenet.scipy.special.helpers import as_columns, guarded
from tapenet.scipy.special.incomplete import beta_density, betainc, betaincc, gamma_density, gammainc, gammaincc
from tapenet.scipy.special.scale_mixtures import over_scale

# ---- chi squared and gamma ----

chdtr = ufunc(
    "chdtr", "v x", formula=lambda v, x: gammainc(v / 2, x / 2), note="that of gammainc(v / 2, x / 2), by each."
)
chdtrc = ufunc(
    "chdtrc", "v x", formula=lambda v, x: gammaincc(v / 2, x / 2), note="that of gammaincc(v / 2, x / 2), by each."
)
chdtri = implicit("chdtri", "v p", lambda x, v, p: chdtrc(v, x) - p, note="that of the solution x of chdtrc(v, x) = p.")
chdtriv = implicit("chdtriv", "p x", lambda v, p, x: chdtr(v, x) - p, note="that of the solution v of chdtr(v, x) = p.")

gdtr = ufunc("gdtr", "a b x", formula=lambda a, b, x: gammainc(b, a * x), note="that of gammainc(b, a x), by each.")
gdtrc = ufunc("gdtrc", "a b x", formula=lambda a, b, x: gammaincc(b, a * x), note="that of gammaincc(b, a x), by each.")
gdtria = implicit(
    "gdtria", "p b x", lambda a, p, b, x: gdtr(a, b, x) - p, note="that of the solution a of gdtr(a, b, x) = p."
)
gdtrib = implicit(
    "gdtrib", "a p x", lambda b, a, p, x: gdtr(a, b, x) - p, note="that of the solution b of gdtr(a, b, x) = p."
)
gdtrix = implicit(
    "gdtrix", "a b p", lambda x, a, b, p: gdtr(a, b, x) - p, note="that of the solution x of gdtr(a, b, x) = p."
)

# ---- F ----


def _f(dfn: Array, dfd: Array, x: Array, lower: bool = True) -> Array:
    """Compute F's distribution function, through the smaller one of p and 1 - p, p = dfn x / (dfd + dfn x)."""
    scaled = dfn * x
    total = dfd + scaled
    below = tnp.asarray(scaled < dfd)
    p, q = guarded(below, scaled / total, 0.5), guarded(~below, dfd / total, 0.5)
    left, right = (betainc, betaincc) if lower else (betaincc, betainc)
    return tnp.where(below, left(dfn / 2, dfd / 2, p), right(dfd / 2, dfn / 2, q))


fdtr = ufunc("fdtr", "dfn dfd x", formula=_f, note="that of betainc(dfn / 2, dfd / 2, dfn x / (dfd + dfn x)), by each.")
fdtrc = ufunc("fdtrc", "dfn dfd x", formula=lambda dfn, dfd, x: _f(dfn, dfd, x, False), note="minus that of fdtr.")
fdtri = implicit(
    "fdtri",
    "dfn dfd p",
    lambda x, dfn, dfd, p: fdtr(dfn, dfd, x) - p,
    note="that of the solution x of fdtr(dfn, dfd, x) = p.",
)
fdtridfd = implicit(
    "fdtridfd",
    "dfn p x",
    lambda dfd, dfn, p, x: fdtr(dfn, dfd, x) - p,
    note="that of the solution dfd of fdtr(dfn, dfd, x) = p.",
)

# ---- Student's t ----


def t_density(df: Array, t: Array) -> Array:
    """Compute the density of Student's t distribution."""
    return tnp.exp(-(df + 1) / 2 * tnp.log1p(t * t / df)) / (tnp.sqrt(df) * beta(0.5, df / 2.0))


def _t(df: Array, t: Array) -> Array:
    """Compute Student's distribution function, t away from 0."""
    square = t * t
    near = tnp.asarray(square < df)
    total = df + square
    inner, outer = guarded(near, square / total, 0.5), guarded(~near, df / total, 0.5)
    half = tnp.where(near, betainc(0.5, df / 2, inner) / 2, betaincc(df / 2, 0.5, outer) / 2)
    return 0.5 + tnp.sign(t) * half


_stdtr_by_df = rule_of(_t, ("df", "t"), 0)
stdtr = ufunc(
    "stdtr",
    "df t",
    lambda t_, df, t: _stdtr_by_df(t_, df, tnp.where(tnp.equal(t, 0), 1.0, t)) * tnp.not_equal(t, 0),
    lambda t_, df, t: t_ * t_density(df, t),
    note="the density by t; by df that of its formula in betainc, 0 at t = 0.",
)
stdtrit = implicit(
    "stdtrit", "df p", lambda t, df, p: stdtr(df, t) - p, note="that of the solution t of stdtr(df, t) = p."
)
stdtridf = implicit(
    "stdtridf", "p t", lambda df, p, t: stdtr(df, t) - p, note="that of the solution df of stdtr(df, t) = p."
)

# ---- binomial, negative binomial and Poisson ----

bdtr = ufunc(
    "bdtr",
    "k n p",
    None,
    None,
    lambda t, k, n, p: -t * beta_density(tnp.floor(k) + 1.0, n - tnp.floor(k), p),
    note="-(n - k) binom(n, k) p^k (1 - p)^(n - k - 1) by p, k rounded down.",
)
bdtrc = ufunc(
    "bdtrc",
    "k n p",
    None,
    None,
    lambda t, k, n, p: t * beta_density(tnp.floor(k) + 1.0, n - tnp.floor(k), p),
    note="(n - k) binom(n, k) p^k (1 - p)^(n - k - 1) by p, k rounded down.",
)
bdtri = implicit(
    "bdtri",
    "k n y",
    lambda p, k, n, y: bdtr(k, n, p) - y,
    by="y",
    note="that of the solution p of bdtr(k, n, p) = y, by y.",
)


def _binomial(k: Array, n: Array, p: Array) -> Array:
    return betaincc(k + 1.0, n - k, p)


bdtrik = implicit(
    "bdtrik",
    "y n p",
    lambda k, y, n, p: _binomial(k, n, p) - y,
    note="that of the solution k of betaincc(k + 1, n - k, p) = y.",
)
bdtrin = implicit(
    "bdtrin",
    "k y p",
    lambda n, k, y, p: _binomial(k, n, p) - y,
    note="that of the solution n of betaincc(k + 1, n - k, p) = y.",
)
nbdtr = ufunc(
    "nbdtr",
    "k n p",
    None,
    None,
    lambda t, k, n, p: t * beta_density(n * 1.0, tnp.floor(k) + 1.0, p),
    note="the density of the beta distribution with n and k + 1, by p, k rounded down.",
)
nbdtrc = ufunc(
    "nbdtrc",
    "k n p",
    None,
    None,
    lambda t, k, n, p: -t * beta_density(n * 1.0, tnp.floor(k) + 1.0, p),
    note="minus that of nbdtr.",
)
nbdtri = implicit(
    "nbdtri",
    "k n y",
    lambda p, k, n, y: nbdtr(k, n, p) - y,
    by="y",
    note="that of the solution p of nbdtr(k, n, p) = y, by y.",
)
nbdtrik = implicit(
    "nbdtrik",
    "y n p",
    lambda k, y, n, p: betainc(n, k + 1.0, p) - y,
    note="that of the solution k of betainc(n, k + 1, p) = y.",
)
nbdtrin = implicit(
    "nbdtrin",
    "k y p",
    lambda n, k, y, p: betainc(n, k + 1.0, p) - y,
    note="that of the solution n of betainc(n, k + 1, p) = y.",
)
pdtr = ufunc(
    "pdtr",
    "k m",
    None,
    lambda t, k, m: -t * gamma_density(tnp.floor(k) + 1.0, m),
    note="-m^k e^(-m) / k! by m, k rounded down.",
)
pdtrc = ufunc(
    "pdtrc",
    "k m",
    None,
    lambda t, k, m: t * gamma_density(tnp.floor(k) + 1.0, m),
    note="m^k e^(-m) / k! by m, k rounded down.",
)
pdtri = implicit(
    "pdtri", "k y", lambda m, k, y: pdtr(k, m) - y, by="y", note="that of the solution m of pdtr(k, m) = y, by y."
)
pdtrik = implicit(
    "pdtrik",
    "p m",
    lambda k, p, m: gammaincc(k + 1.0, m) - p,
    note="that of the solution k of gammaincc(k + 1, m) = p.",
)

# ---- normal ----

nrdtrimn = ufunc(
    "nrdtrimn", "p std x", formula=lambda p, std, x: x - std * ndtri(p), note="that of x - std ndtri(p), by each."
)
nrdtrisd = ufunc(
    "nrdtrisd", "mn p x", formula=lambda mn, p, x: (x - mn) / ndtri(p), note="that of (x - mn) / ndtri(p), by each."
)

# ---- noncentral: mixtures over the Poisson distribution ----


@branch_condition
def _count_of_terms(mean: Array) -> int:
    """Return how many terms of a Poisson distribution matter."""
    largest = float(np.max(np.where(np.isfinite(mean), mean, 0.0), initial=0.0))
    return int(largest + 10 * math.sqrt(largest) + 24)


def poisson_mixture(mean: Array, tail: Any) -> Array:
    """Sum over j the Poisson probability of j times tail(j)."""
    terms = np.arange(_count_of_terms(mean))
    weights = gamma_density(terms + 1.0, tnp.expand_dims(tnp.asarray(mean), -1))
    return tnp.sum(weights * tail(terms), axis=-1)


def with_last_axis(*xs: Array) -> list[Array]:
    """Return operands with an axis behind, along which the terms lie."""
    return as_columns(*tnp.broadcast_arrays(*xs))


def _chi_squared(x: Array, df: Array, nc: Array) -> Array:
    x, df, mean = tnp.broadcast_arrays(x, df, nc / 2)
    place, half = with_last_axis(x / 2, df / 2)
    return poisson_mixture(mean, lambda j: gammainc(half + j, place))


chndtr = ufunc(
    "chndtr",
    "x df nc",
    formula=_chi_squared,
    note="that of the sum over j of e^(-nc/2) (nc/2)^j / j! gammainc(df / 2 + j, x / 2), by each; nc above 0.",
)
chndtrix = implicit(
    "chndtrix",
    "p df nc",
    lambda x, p, df, nc: chndtr(x, df, nc) - p,
    note="that of the solution x of chndtr(x, df, nc) = p.",
)
chndtridf = implicit(
    "chndtridf",
    "x p nc",
    lambda df, x, p, nc: chndtr(x, df, nc) - p,
    note="that of the solution df of chndtr(x, df, nc) = p.",
)
chndtrinc = implicit(
    "chndtrinc",
    "x df p",
    lambda nc, x, df, p: chndtr(x, df, nc) - p,
    note="that of the solution nc of chndtr(x, df, nc) = p.",
)


def _noncentral_f(dfn: Array, dfd: Array, nc: Array, f: Array) -> Array:
    dfn, dfd, mean, f = tnp.broadcast_arrays(dfn, dfd, nc / 2, f)
    first, second, place = with_last_axis(dfn / 2, dfd / 2, dfn * f / (dfd + dfn * f))
    return poisson_mixture(mean, lambda j: betainc(first + j, second, place))


ncfdtr = ufunc(
    "ncfdtr",
    "dfn dfd nc f",
    formula=_noncentral_f,
    note="that of the Poisson mixture of betainc(dfn / 2 + j, dfd / 2, dfn f / (dfd + dfn f)), by each; nc above 0.",
)
ncfdtri = implicit(
    "ncfdtri",
    "dfn dfd nc p",
    lambda f, dfn, dfd, nc, p: ncfdtr(dfn, dfd, nc, f) - p,
    note="that of the solution f of ncfdtr(dfn, dfd, nc, f) = p.",
)
ncfdtridfd = implicit(
    "ncfdtridfd",
    "dfn p nc f",
    lambda dfd, dfn, p, nc, f: ncfdtr(dfn, dfd, nc, f) - p,
    note="that of the solution dfd of ncfdtr(dfn, dfd, nc, f) = p.",
)
ncfdtridfn = implicit(
    "ncfdtridfn",
    "p dfd nc f",
    lambda dfn, p, dfd, nc, f: ncfdtr(dfn, dfd, nc, f) - p,
    note="that of the solution dfn of ncfdtr(dfn, dfd, nc, f) = p.",
)
ncfdtrinc = implicit(
    "ncfdtrinc",
    "dfn dfd p f",
    lambda nc, dfn, dfd, p, f: ncfdtr(dfn, dfd, nc, f) - p,
    note="that of the solution nc of ncfdtr(dfn, dfd, nc, f) = p.",
)


def _noncentral_t(df: Array, nc: Array, t: Array) -> Array:
    """Compute the mean of ndtr(t s - nc) over the scale s, which keeps its digits in both tails."""
    return over_scale(lambda scale, nc, t: log_ndtr(t * scale - nc), df, nc, t)


nctdtr = ufunc(
    "nctdtr",
    "df nc t",
    formula=_noncentral_t,
    note="that of the mean of ndtr(t s - nc) over s = sqrt(chi squared / df), by each.",
)
nctdtrit = implicit(
    "nctdtrit",
    "df nc p",
    lambda t, df, nc, p: nctdtr(df, nc, t) - p,
    note="that of the solution t of nctdtr(df, nc, t) = p.",
)
nctdtridf = implicit(
    "nctdtridf",
    "p nc t",
    lambda df, p, nc, t: nctdtr(df, nc, t) - p,
    note="that of the solution df of nctdtr(df, nc, t) = p.",
)
nctdtrinc = implicit(
    "nctdtrinc",
    "df p t",
    lambda nc, df, p, t: nctdtr(df, nc, t) - p,
    note="that of the solution nc of nctdtr(df, nc, t) = p.",
)

# ---- Kolmogorov's and Smirnov's ----

_TERMS = np.arange(1.0, 9.0)


def kolmogorov_below(y: Array) -> Array:
    """Compute the distribution function by the series that converges for small y."""
    (low,) = as_columns(y)
    odd = (2 * _TERMS - 1) * math.pi
    return tnp.sum(tnp.exp(-((odd / low) ** 2) / 8) / low, axis=-1) * math.sqrt(2 * math.pi)


def _kolmogorov(y: Array) -> Array:
    """Sum one of the two series that Jacobi's theta function has: each converges where the other does not."""
    y = tnp.asarray(y)
    far = tnp.asarray(y > 0.8)
    (high,) = as_columns(guarded(far, y, 1.0))
    tail = 2 * tnp.sum((-1) ** (_TERMS - 1) * tnp.exp(-2 * (_TERMS * high) ** 2), axis=-1)
    return tnp.where(far, tail, 1 - kolmogorov_below(guarded(~far, y, 0.5)))


kolmogorov = ufunc("kolmogorov", "y", formula=_kolmogorov, note="that of its series.")
kolmogi = implicit("kolmogi", "p", lambda y, p: kolmogorov(y) - p, note="that of the solution y of kolmogorov(y) = p.")


def _smirnov(n: Any, d: Array) -> Array:
    n, d = tnp.broadcast_arrays(np.asarray(n, float), d)
    count, place = with_last_axis(n, d)
    v = np.arange(int(np.max(n, initial=1)) + 1.0)
    inside = tnp.asarray(v < count * (1 - place))
    left, right = guarded(inside, place + v / count, 0.5), guarded(inside, 1 - place - v / count, 0.5)
    terms = binom(count, tnp.minimum(v, count)) * tnp.power(left, v - 1) * tnp.power(right, count - v)
    return d * tnp.sum(tnp.where(inside, terms, 0.0), axis=-1)


smirnov = ufunc("smirnov", "n d", formula=_smirnov, by="d", note="that of its sum of powers, by d.")
smirnovi = implicit(
    "smirnovi",
    "n p",
    lambda d, n, p: smirnov(n, d) - p,
    by="p",
    note="that of the solution d of smirnov(n, d) = p, by p.",
)

# ---- Tukey's lambda ----


def _tukey(t: Array, lmbda: Array, out: Array, by_lambda: bool) -> Array:
    """Solve x = boxcox(F, lmbda) - boxcox(1 - F, lmbda) implicitly; beyond the support the derivative is 0."""
    inside = tnp.asarray((out > 0) & (out < 1))
    f = guarded(inside, out, 0.5)
    slope = tnp.power(f, lmbda - 1.0) + tnp.power(1 - f, lmbda - 1.0)
    top = -(boxcox_by_lambda(f, lmbda) - boxcox_by_lambda(1 - f, lmbda)) if by_lambda else 1.0
    return t * tnp.where(inside, top / slope, 0.0)


tklmbda = ufunc(
    "tklmbda",
    "x lmbda",
    lambda t, lmbda, out: _tukey(t, lmbda, out, False),
    lambda t, lmbda, out: _tukey(t, lmbda, out, True),
    note="that of the solution F of boxcox(F, lmbda) - boxcox(1 - F, lmbda) = x; 0 beyond the support.",
)
