"""Tails of distributions: derivatives of distribution functions are densities, and logarithms keep their digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.stats

import tapenet as tn
from tapenet.scipy import special, stats
from tapenet.scipy.special.basic import log1p_over_x
from tests.scipy.subjects_distributions import DISTRIBUTIONS, ON_FIXED_SHAPES

Array = Any
SHAPES: dict[str, list[float]] = {
    **{name: [1.03 * (low + high) / 2 for low, high in intervals] for name, intervals in DISTRIBUTIONS.items()},
    **{name: list(map(float, shapes)) for name, shapes in ON_FIXED_SHAPES.items()},
    "beta": [2.0, 3.0],
    "burr12": [2.0, 1.5],
    "cauchy": [],
    "chi2": [3.0],
    "expon": [],
    "exponweib": [1.5, 1.3],
    "f": [4.0, 5.0],
    "gamma": [2.5],
    "genextreme": [0.2],
    "genpareto": [0.3],
    "gompertz": [1.2],
    "gumbel_l": [],
    "gumbel_r": [],
    "halfnorm": [],
    "invgamma": [2.5],
    "invgauss": [1.3],
    "laplace": [],
    "logistic": [],
    "lognorm": [0.7],
    "norm": [],
    "pareto": [2.5],
    "rayleigh": [],
    "rice": [1.2],
    "skewnorm": [4.0],
    "t": [4.0],
    "triang": [0.4],
    "truncnorm": [-3.0, 4.0],
    "uniform": [],
    "weibull_max": [1.5],
    "weibull_min": [1.5],
}
SMALL = np.array([1e-3, 1e-6, 1e-9])


def with_slope(name: str, method: str, x: Array, *shapes: float) -> tuple[Array, Array]:
    value, pullback = tn.vjp(lambda x: getattr(getattr(stats, name), method)(x, *shapes), x)
    return value, pullback(np.ones_like(x))[0]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_tails_of_distributions_keep_their_digits(name: str) -> None:
    shapes, theirs = SHAPES[name], getattr(scipy.stats, name)
    x = np.concatenate([theirs.ppf(SMALL, *shapes), [theirs.median(*shapes)], theirs.isf(SMALL, *shapes)])
    low, high = theirs.support(*shapes)
    x = x[(x > low) & (x < high) & (np.minimum(x - low, high - x) > 1e-9 * abs(x))]
    density = theirs.pdf(x, *shapes)
    (cdf, by_cdf), (sf, by_sf), (logcdf, by_logcdf), (logsf, by_logsf) = (
        with_slope(name, method, x, *shapes) for method in ("cdf", "sf", "logcdf", "logsf")
    )
    for found, expected in (
        (by_cdf, density),
        (by_sf, -density),
        (by_logcdf, density / cdf),
        (by_logsf, -density / sf),
        (logcdf, np.where(sf < 0.5, np.log1p(-np.minimum(sf, 0.5)), np.log(cdf))),
        (logsf, np.where(cdf < 0.5, np.log1p(-np.minimum(cdf, 0.5)), np.log(sf))),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "shapes", "z"),
    [
        ("laplace", [], 0.0),
        ("laplace_asymmetric", [1.3], 0.0),
        ("loglaplace", [3.0], 1.0),
        ("dgamma", [1.0], 0.0),
        ("gennorm", [1.5], 0.0),
        ("gennorm", [0.8], 0.0),
        ("dweibull", [1.0], 0.0),
        ("triang", [0.4], 0.4),
        ("wald", [], 1.0),
        ("skewnorm", [0.0], 0.0),
    ],
)
def test_where_two_formulas_meet_the_derivative_is_the_density(name: str, shapes: list[float], z: float) -> None:
    theirs = getattr(scipy.stats, name)(*shapes)
    expected = {"cdf": 1.0, "sf": -1.0, "logcdf": 1 / theirs.cdf(z), "logsf": -1 / theirs.sf(z)}
    for method, factor in expected.items():
        value, slope = with_slope(name, method, np.array([z]), *shapes)
        np.testing.assert_allclose(slope, [factor * theirs.pdf(z)], rtol=1e-12)
        np.testing.assert_allclose(value, [getattr(theirs, method)(z)], rtol=1e-12)


def skewnorm_cdf(z: float, a: float) -> Any:
    """Integrate exp(-z^2 (1 + s^2) / 2) / (pi (1 + s^2)) over all s above a, for z < 0."""
    step = 1 / (z * z * abs(a) + abs(z))
    ends = [mpmath.mpf(a) + step * k for k in (0, 1, 2, 4, 8, 16, 32, 64, 128)]
    integrand = lambda s: mpmath.exp(-(mpmath.mpf(z) ** 2) * (1 + s * s) / 2) / (1 + s * s)  # noqa: E731
    return mpmath.quad(integrand, [*ends, mpmath.inf]) / mpmath.pi


@pytest.mark.parametrize(("z", "a"), [(-3.0, 4.0), (-5.0, 4.0), (-0.3, 50.0), (-2.0, 2.0), (-30.0, 0.5), (-30.0, 4.0)])
def test_the_lower_tail_of_skewnorm(z: float, a: float) -> None:
    expected = skewnorm_cdf(z, a)
    logcdf, slope = with_slope("skewnorm", "logcdf", np.array([z]), a)
    np.testing.assert_allclose(logcdf, [float(mpmath.log(expected))], rtol=1e-12)
    density = 2 * mpmath.npdf(z) * mpmath.ncdf(a * z)
    np.testing.assert_allclose(slope, [float(density / expected)], rtol=1e-9)
    by_shape = tn.grad(lambda a: stats.skewnorm.logcdf(z, a))(a)
    closed = -mpmath.exp(-z * z * (1 + a * a) / 2) / (mpmath.pi * (1 + a * a))
    np.testing.assert_allclose(by_shape, float(closed / expected), rtol=1e-9)
    mirrored = with_slope("skewnorm", "logsf", np.array([-z]), -a)
    np.testing.assert_allclose(mirrored, [logcdf, -slope], rtol=1e-14)
    np.testing.assert_allclose(tn.vjp(lambda z: stats.skewnorm.cdf(z, a), z)[0], np.exp(logcdf[0]), rtol=1e-11)
    place, step = np.array([z, a]), 1e-6
    slopes = tn.grad(lambda p: stats.skewnorm.logcdf(p[0], p[1]))
    numeric = [(slopes(place + d) - slopes(place - d)) / (2 * step) for d in step * np.eye(2)]
    np.testing.assert_allclose(
        tn.hessian(lambda p: stats.skewnorm.logcdf(p[0], p[1]))(place), numeric, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "method", "z", "shapes", "expected"),
    [
        # 1 - (1 + z^-c)^-d is d z^-c.
        ("burr", "logsf", 1e20, (2.0, 4.3), lambda z, c, d: np.log(d) - c * np.log(z)),
        ("alpha", "sf", 1e12, (2.0,), lambda z, a: scipy.stats.norm.pdf(a) / scipy.stats.norm.cdf(a) / z),
        ("foldnorm", "cdf", 1e-20, (0.7,), lambda z, c: 2 * scipy.stats.norm.pdf(c) * z),
        ("betaprime", "cdf", 1e-20, (1.0, 3.0), lambda z, a, b: b * z),
        ("mielke", "logcdf", 1e-200, (2.0, 3.0), lambda z, k, s: k * np.log(z)),
        ("powerlaw", "logcdf", 1e-300, (2.0,), lambda z, a: a * np.log(z)),
        ("genpareto", "logsf", 1e50, (0.3,), lambda z, c: -np.log(c * z) / c),
        ("invgauss", "logcdf", 1e-6, (1.3,), lambda *given: scipy.stats.invgauss.logcdf(*given)),
        ("invgauss", "logsf", 1e5, (1.3,), lambda *given: scipy.stats.invgauss.logsf(*given)),
        ("alpha", "logcdf", 1e-3, (2.0,), lambda z, a: scipy.special.log_ndtr(a - 1 / z) - scipy.special.log_ndtr(a)),
        ("rice", "sf", 12.0, (0.0,), lambda z, b: np.exp(-z * z / 2)),
        ("rice", "logsf", 12.0, (1.2,), lambda z, b: np.log(scipy.stats.ncx2.sf(z * z, 2, b * b))),
        ("semicircular", "cdf", -1 + 2.0**-50, (), lambda z: 2**3.5 / (3 * np.pi) * ((1 + z) / 2) ** 1.5 * 2**0.5),
    ],
)
def test_far_tails_have_their_leading_term(name: str, method: str, z: float, shapes: Any, expected: Any) -> None:
    value, slope = with_slope(name, method, np.array([z]), *shapes)
    np.testing.assert_allclose(value, [expected(z, *shapes)], rtol=1e-9)
    assert np.all(np.isfinite(slope))
    assert np.all(slope != 0)


@pytest.mark.parametrize("order", range(4))
def test_the_derivatives_of_log1p_over_x_at_large_x(order: int) -> None:
    for x in (9.9, 10.1, 50.0, 1e6):
        expected = mpmath.diff(lambda x: mpmath.log1p(x) / x, x, order)
        np.testing.assert_allclose(log1p_over_x(np.float64(x), order), float(expected), rtol=1e-11)


def mp_density(name: str, *shapes: float) -> Any:
    """The density of a distribution that is integrated, and of Pearson's near the normal one, by mpmath."""
    mp = mpmath.mp
    if name == "geninvgauss":
        p, b = shapes
        size = 2 * mp.besselk(p, b)
        return lambda x: x ** (p - 1) * mp.exp(-b * (x + 1 / x) / 2) / size
    if name == "nct":
        df, nc = shapes
        chi = lambda s: 2 * (mp.mpf(df) / 2) ** (df / 2) / mp.gamma(df / 2) * s ** (df - 1) * mp.exp(-df * s * s / 2)  # noqa: E731
        return lambda x: mp.quad(lambda s: s * mp.npdf(x * s - nc) * chi(s), [0, 0.5, 1, 2, 6])
    (kappa,) = shapes
    return lambda x: mp.exp(kappa * mp.cos(x)) / (2 * mp.pi * mp.besseli(0, kappa))


@pytest.mark.parametrize(
    ("name", "shapes", "z", "end"),
    [
        ("geninvgauss", (-0.7, 1.4), 0.04, [0.03, 0.02, 0.01, 0.004]),
        ("vonmises", (300.0,), -0.7, [-0.71, -0.75, -0.9, -1.5]),
        ("vonmises_line", (4.0,), -2.0, [-np.pi]),
    ],
)
def test_integrated_tails_and_their_derivatives_by_shapes_are_mpmaths(
    name: str, shapes: tuple[float, ...], z: float, end: list[float]
) -> None:
    def cdf(*shapes: Any) -> Any:
        with mpmath.workdps(50):  # a quadrature stops at an absolute error
            return mpmath.quad(mp_density(name, *shapes), [*reversed(end), z])

    np.testing.assert_allclose(with_slope(name, "cdf", np.array([z]), *shapes)[0], [float(cdf(*shapes))], rtol=1e-11)
    for i in range(len(shapes)):
        with mpmath.workdps(15):  # its step, of which cdf has all digits
            expected = mpmath.diff(lambda x, i=i: cdf(*shapes[:i], x, *shapes[i + 1 :]), shapes[i])
        found = tn.grad(lambda x, i=i: getattr(stats, name).cdf(z, *shapes[:i], x, *shapes[i + 1 :]))(shapes[i])
        np.testing.assert_allclose(found, float(expected), rtol=1e-9)


def test_the_noncentral_t_distribution_in_both_tails_and_at_0() -> None:
    for z, shapes in ((-3.0, (5.5, 2.0)), (0.0, (5.5, 0.8)), (4.0, (9.0, -1.0))):
        density = float(mp_density("nct", *shapes)(z))
        np.testing.assert_allclose(with_slope("nct", "cdf", np.array([z]), *shapes)[1], [density], rtol=1e-11)
        np.testing.assert_allclose(with_slope("nct", "pdf", np.array([z]), *shapes)[0], [density], rtol=1e-11)
    assert tn.grad(lambda t: special.nctdtr(5.5, 0.8, t))(0.0) > 0


@pytest.mark.parametrize(
    ("z", "df", "nc"), [(588.0, 14.0, 0.24), (1e5, 14.0, 0.24), (1.0, 5.0, 1e4), (-30.0, 100.0, 50.0)]
)
def test_the_density_of_the_noncentral_t_distribution_far_from_its_middle(z: float, df: float, nc: float) -> None:
    """The mean over the scale e^u, of which the integrand has its peak at the root of a quadratic equation."""

    def logpdf(z: Any, df: Any, nc: Any) -> Any:
        def logarithm(u: Any) -> Any:
            return df * (u - mpmath.exp(2 * u) / 2) + u - (z * mpmath.exp(u) - nc) ** 2 / 2

        both = df + z * z
        peak = mpmath.log((nc * z + mpmath.sqrt((nc * z) ** 2 + 4 * both * (df + 1))) / (2 * both))
        top, width = logarithm(peak), 1 / mpmath.sqrt(-mpmath.diff(logarithm, peak, 2))
        places = [peak + width * k for k in (-60, -20, -8, -4, -2, 0, 2, 4, 8, 20)]
        mass = mpmath.quad(lambda u: mpmath.exp(logarithm(u) - top), places)
        size = df / 2 * mpmath.log(mpmath.mpf(df) / 2) - mpmath.loggamma(df / 2) + mpmath.log(2 / mpmath.pi) / 2
        return size + top + mpmath.log(mass)

    with mpmath.workdps(25):
        given = tuple(map(mpmath.mpf, (z, df, nc)))
        np.testing.assert_allclose(tn.jvp(stats.nct.logpdf, (z, df, nc), (0.0, 0.0, 0.0))[0], float(logpdf(*given)))
        for i in range(3):
            slope = mpmath.diff(lambda x, i=i: logpdf(*given[:i], x, *given[i + 1 :]), given[i], h=1e-8)
            found = tn.grad(stats.nct.logpdf, argnums=i)(z, df, nc)
            np.testing.assert_allclose(found, float(slope), rtol=1e-9)


def test_tails_of_counts_keep_their_digits_and_end_without_a_warning() -> None:
    expected = [0.34965034965034947, 0.02723002912830255, 3.741969609336206e-17]
    for k, value in zip((0, 3, 500), expected, strict=True):
        np.testing.assert_allclose(tn.jvp(lambda a, k=k: stats.betanbinom.sf(k, 5, a, 1.0), (9.3,), (1.0,))[0], value)
    for logsf in (lambda p: stats.bernoulli.logsf(1, p), lambda a: stats.betabinom.logsf(5, 5, a, 0.6)):
        assert tn.value_and_grad(logsf)(0.3) == (-np.inf, 0.0)


def test_pearsons_distribution_passes_through_the_normal_one() -> None:
    """Of d/ds at s = 0 the density has phi(z) (z^3 - 3 z) / 6, the distribution function -phi(z) (z^2 - 1) / 6."""
    z = 1.3
    phi = scipy.stats.norm.pdf(z)
    np.testing.assert_allclose(tn.grad(lambda s: stats.pearson3.pdf(z, s))(0.0), phi * (z**3 - 3 * z) / 6, rtol=1e-13)
    np.testing.assert_allclose(tn.grad(lambda s: stats.pearson3.cdf(z, s))(0.0), -phi * (z * z - 1) / 6, rtol=1e-13)
    both = [tn.vjp(lambda s: stats.pearson3.cdf(z, s), s)[0] for s in (0.6 - 1e-14, 0.6)]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-12)


@pytest.mark.filterwarnings("ignore")  # SciPy's, of infinities
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_outside_of_the_support_and_at_infinity_derivatives_are_zero(name: str) -> None:
    shapes, theirs = SHAPES[name], getattr(scipy.stats, name)
    low, high = theirs.support(*shapes)
    x = np.array([-np.inf, np.inf, *(end for end in (low - 1, high + 1, low, high) if np.isfinite(end)), np.nan])
    for method in ("cdf", "logsf"):
        value, pullback = tn.vjp(lambda *xs, m=method: getattr(getattr(stats, name), m)(*xs), x, *shapes, 0.0, 1.0)
        np.testing.assert_array_equal(value, getattr(theirs, method)(x, *shapes))
        for gradient in pullback(np.where(np.isnan(value), 0, 1.0)):
            np.testing.assert_array_equal(gradient, 0)
    value, pullback = tn.vjp(lambda *xs: getattr(stats, name).pdf(*xs), x[:2], *shapes, 0.0, 1.0)
    np.testing.assert_array_equal(value, 0)
    assert not any(np.any(gradient) for gradient in pullback(np.ones(2)))


@pytest.mark.parametrize(
    ("name", "shapes", "z", "expected", "slope"),
    [
        ("gamma", (2.0,), 800.0, np.log(801) - 800, -800 / 801),
        ("chi", (2.0,), 60.0, -1800.0, -60.0),
        ("beta", (3.0, 1.0), 1e-120, 3 * np.log(1e-120), 3e120),
        ("dgamma", (1.0,), 800.0, -800 - np.log(2), -1.0),
        ("exponnorm", (1.0,), 900.0, 0.5 - 900, -1.0),
        ("foldnorm", (0.0,), 50.0, float(scipy.special.log_ndtr(-50)) + np.log(2), -50.0199840),
        ("foldnorm", (0.0,), 1e6, float(scipy.special.log_ndtr(-1e6)) + np.log(2), -1e6),
        ("genlogistic", (1.5,), 900.0, np.log(1.5) - 900, -1.0),
    ],
)
def test_the_logarithm_of_a_tail_that_underflows(
    name: str, shapes: tuple[float, ...], z: float, expected: float, slope: float
) -> None:
    method = "logcdf" if name == "beta" else "logsf"
    value, by_z = with_slope(name, method, np.array([z]), *shapes)
    np.testing.assert_allclose(value, [expected], rtol=1e-11)
    np.testing.assert_allclose(by_z, [slope], rtol=1e-8)
    by_shape = tn.grad(lambda s: getattr(getattr(stats, name), method)(z, s, *shapes[1:]))(shapes[0])
    assert np.isfinite(by_shape)
    curvature = tn.grad(tn.grad(lambda z: getattr(getattr(stats, name), method)(z, *shapes)))(z)
    assert np.isfinite(curvature)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "shapes"), [("beta", [0.5, 600.0]), ("vonmises", [3.99]), ("tukeylambda", [3.13]), ("pearson3", [0.1])]
)
def test_logarithms_of_tails_are_mapped_without_a_warning(name: str, shapes: list[float]) -> None:
    def gradient(scale: Any) -> Any:
        return tn.grad(lambda scale: getattr(stats, name).logsf(0.31, *shapes, 0.0, scale))(scale)

    np.testing.assert_allclose(tn.vmap(gradient)(np.array([1.0, 1.5])), [gradient(1.0), gradient(1.5)], rtol=1e-12)
