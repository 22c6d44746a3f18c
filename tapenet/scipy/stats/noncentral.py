"""Noncentral distributions: chi squared, F and Student's t."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.families import elementwise
from tapenet.core.primitive import Array
from tapenet.scipy import special
from tapenet.scipy.special.declaring import rule_of
from tapenet.scipy.special.distributions import poisson_mixture, with_last_axis
from tapenet.scipy.special.helpers import guarded
from tapenet.scipy.special.incomplete import beta_density
from tapenet.scipy.special.scale_mixtures import log_over_scale, over_scale
from tapenet.scipy.stats.distribution import continuous
from tapenet.scipy.stats.expectations import exists, over_interval, surprise
from tapenet.scipy.stats.integrals import in_double

_LOG_2 = math.log(2)
_LOG_2_PI = math.log(2 * math.pi)

# ---- chi squared ----


def _log_hyp0f1(b: Array, x: Array) -> Array:
    """Compute log(0F1(; b; x)) for x up to 1 + b / 2, by its series, of which the j-th term is at most 1 / j! there."""
    found: Array = 1.0
    for j in range(20, 0, -1):
        found = 1 + x / ((b + j) * (j + 1)) * found
    return tnp.log1p(x / b * found)


def ncx2_logpdf(z: Array, df: Array, nc: Array) -> Array:
    """Compute log((z / nc)^(df / 4 - 1/2) I_(df / 2 - 1)(sqrt(nc z)) e^(-(z + nc) / 2) / 2), by its series near 0."""
    order, product = df / 2 - 1, z * nc
    near = tnp.asarray(product < 4 + df)
    small, large = guarded(near, product, 1.0), guarded(~near, product, 4.0)
    series = special.xlogy(order, z / 2) - special.gammaln(df / 2) + _log_hyp0f1(df / 2, small / 4)
    root = tnp.sqrt(large)
    ratio = tnp.log(guarded(~near, z, 1.0)) - tnp.log(guarded(~near, nc, 1.0))
    far = guarded(~near, order + 0 * product, 0.0)
    bessel = far / 2 * ratio + tnp.log(special.ive(far, root)) + root
    return tnp.where(near, series, bessel) - (z + nc) / 2 - _LOG_2


def _by_df(tail: Any) -> Any:
    def formula(z: Array, df: Array, nc: Array) -> Array:
        z, df, mean = tnp.broadcast_arrays(z * 1.0, df * 1.0, nc / 2)
        place, half = with_last_axis(z / 2, df / 2)
        return poisson_mixture(mean, lambda j: tail(half + j, place))

    return rule_of(formula, ("z", "df", "nc"), 1)


ncx2_cdf: Any = elementwise(
    in_double(scipy.stats.ncx2.cdf),
    lambda t, z, df, nc: t * tnp.exp(ncx2_logpdf(z, df, nc)),
    _by_df(special.gammainc),
    lambda t, z, df, nc: -t * tnp.exp(ncx2_logpdf(z, df + 2, nc)),
    name="stats.ncx2.cdf",
    operands=("z", "df", "nc"),
)
ncx2_sf: Any = elementwise(
    in_double(scipy.stats.ncx2.sf),
    lambda t, z, df, nc: -t * tnp.exp(ncx2_logpdf(z, df, nc)),
    _by_df(special.gammaincc),
    lambda t, z, df, nc: t * tnp.exp(ncx2_logpdf(z, df + 2, nc)),
    name="stats.ncx2.sf",
    operands=("z", "df", "nc"),
)


def _chi_ends(df: Array, nc: Array) -> tuple[Array, Array]:
    return -90 / df + 0 * nc, np.log(df + nc + 14 * np.sqrt(2 * df + 4 * nc) + 90)


def _chi_term(u: Array, df: Array, nc: Array) -> Array:
    logarithm = ncx2_logpdf(tnp.exp(u), df, nc)
    return -tnp.exp(logarithm + u) * logarithm


ncx2 = continuous(
    "ncx2",
    "df nc",
    lower=0.0,
    valid=lambda df, nc: tnp.asarray((df > 0) & (nc >= 0)) & tnp.isfinite(df),
    logpdf=ncx2_logpdf,
    cdf=ncx2_cdf,
    sf=ncx2_sf,
    mean=lambda df, nc: df + nc,
    var=lambda df, nc: 2 * df + 4 * nc,
    entropy=over_interval(_chi_ends, _chi_term),
)

# ---- F ----


def _shares(z: Array, dfn: Array, dfd: Array, nc: Array) -> tuple[list[Array], Array]:
    """Return half the degrees of freedom and the share of the first in the beta distribution, and the mean count."""
    z, dfn, dfd, mean = tnp.broadcast_arrays(z * 1.0, dfn * 1.0, dfd * 1.0, nc / 2)
    return with_last_axis(dfn / 2, dfd / 2, dfn * z / (dfd + dfn * z), dfd / (dfd + dfn * z)), mean


def _ncf_pdf(z: Array, dfn: Array, dfd: Array, nc: Array) -> Array:
    (first, second, share, _), mean = _shares(z, dfn, dfd, nc)
    mixed = poisson_mixture(mean, lambda j: beta_density(first + j, second, share))
    return mixed * dfn * dfd / (dfd + dfn * z) ** 2


def _ncf_cdf(z: Array, dfn: Array, dfd: Array, nc: Array) -> Array:
    (first, second, _, rest), mean = _shares(z, dfn, dfd, nc)
    return poisson_mixture(mean, lambda j: special.betaincc(second, first + j, rest))


def _ncf_sf(z: Array, dfn: Array, dfd: Array, nc: Array) -> Array:
    (first, second, _, rest), mean = _shares(z, dfn, dfd, nc)
    return poisson_mixture(mean, lambda j: special.betainc(second, first + j, rest))


_F_NAMES = ("z", "dfn", "dfd", "nc")


def _mass(theirs: Any, formula: Any, part: str, sign: float) -> Any:
    return elementwise(
        in_double(theirs),
        lambda t, z, dfn, dfd, nc: t * (sign * _ncf_pdf(z, dfn, dfd, nc)),
        *(rule_of(formula, _F_NAMES, i) for i in (1, 2, 3)),
        name=f"stats.ncf.{part}",
        operands=_F_NAMES,
    )


_ncf_lower = _mass(scipy.stats.ncf.cdf, _ncf_cdf, "cdf", 1.0)
_ncf_upper = _mass(scipy.stats.ncf.sf, _ncf_sf, "sf", -1.0)


def _ncf_mean(dfn: Array, dfd: Array, nc: Array) -> Array:
    high = guarded(dfd > 2, dfd, 3.0)
    return exists(dfd > 2, high * (dfn + nc) / (dfn * (high - 2)), dfd * dfn * nc, np.nan)


def _ncf_var(dfn: Array, dfd: Array, nc: Array) -> Array:
    high = guarded(dfd > 4, dfd, 5.0)
    top = (dfn + nc) ** 2 + (dfn + 2 * nc) * (high - 2)
    return exists(dfd > 4, 2 * (high / dfn) ** 2 * top / ((high - 2) ** 2 * (high - 4)), dfd * dfn * nc, np.nan)


def _ncf_ends(dfn: Array, dfd: Array, nc: Array) -> tuple[Array, Array]:
    middle = np.log1p(nc / dfn)
    return middle - 2 - 90 / dfn, middle + 2 + 90 / dfd


def _ncf_term(u: Array, dfn: Array, dfd: Array, nc: Array) -> Array:
    return surprise(_ncf_pdf(tnp.exp(u), dfn, dfd, nc)) * tnp.exp(u)


ncf = continuous(
    "ncf",
    "dfn dfd nc",
    entropy=over_interval(_ncf_ends, _ncf_term),
    lower=0.0,
    valid=lambda dfn, dfd, nc: tnp.asarray((dfn > 0) & (dfd > 0) & (nc >= 0)),
    logpdf=lambda z, dfn, dfd, nc: tnp.log(_ncf_pdf(z, dfn, dfd, nc)),
    pdf=_ncf_pdf,
    cdf=_ncf_lower,
    sf=_ncf_upper,
    mean=_ncf_mean,
    var=_ncf_var,
)

# ---- Student's t ----


def _nct_logpdf(z: Array, df: Array, nc: Array) -> Array:
    """Compute the logarithm of the mean of s phi(z s - nc) over the scale s."""

    def logarithm(s: Array, nc: Array, z: Array) -> Array:
        return tnp.log(s) - ((z * s - nc) ** 2 + _LOG_2_PI) / 2

    return log_over_scale(logarithm, df, nc, z, is_density=True)


def _nct_pdf(z: Array, df: Array, nc: Array) -> Array:
    return tnp.exp(_nct_logpdf(z, df, nc))


def _nct_sf(z: Array, df: Array, nc: Array) -> Array:
    return over_scale(lambda s, nc, z: special.log_ndtr(z * s - nc), df, -nc, -z)


_T_NAMES = ("z", "df", "nc")
_nct_upper: Any = elementwise(
    in_double(lambda z, df, nc: _nct_sf(z, df, nc)),
    lambda t, z, df, nc: -t * _nct_pdf(z, df, nc),
    rule_of(_nct_sf, _T_NAMES, 1),
    rule_of(_nct_sf, _T_NAMES, 2),
    name="stats.nct.sf",
    operands=_T_NAMES,
)


def _nct_mean(df: Array, nc: Array) -> Array:
    usual = guarded(df > 1, df, 2.0)
    found = nc * tnp.sqrt(usual / 2) * tnp.exp(special.gammaln((usual - 1) / 2) - special.gammaln(usual / 2))
    return exists(df > 1, found, df * nc, np.nan)


def _nct_var(df: Array, nc: Array) -> Array:
    usual = guarded(df > 2, df, 3.0)
    found = usual * (1 + nc * nc) / (usual - 2) - guarded(df > 2, _nct_mean(usual, nc), 0.0) ** 2
    return exists(df > 2, found, df * nc, np.nan)


def _nct_ends(df: Array, nc: Array) -> tuple[Array, Array]:
    low, high = np.arcsinh(np.minimum(nc, 0) - 12), np.arcsinh(np.maximum(nc, 0) + 12)
    return low - 60 / df, high + 60 / df


def _nct_term(u: Array, df: Array, nc: Array) -> Array:
    return surprise(_nct_pdf(tnp.sinh(u), df, nc)) * tnp.cosh(u)


nct = continuous(
    "nct",
    "df nc",
    entropy=over_interval(_nct_ends, _nct_term),
    valid=lambda df, nc: tnp.asarray((df > 0) & (nc == nc)),
    logpdf=_nct_logpdf,
    pdf=_nct_pdf,
    cdf=lambda z, df, nc: _nct_upper(-z, df, -nc),
    sf=_nct_upper,
    mean=_nct_mean,
    var=_nct_var,
)
