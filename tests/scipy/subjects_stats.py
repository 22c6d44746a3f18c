"""Subjects of scipy.stats: for each distribution its functions of a point, its quantiles and its moments."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.scipy.subjects import between, subject

Array = Any

# Shape parameters by the intervals that they are drawn from, and points as probabilities.
CONTINUOUS: dict[str, list[tuple[float, float]]] = {
    "norm": [],
    "lognorm": [(0.5, 1.2)],
    "halfnorm": [],
    "truncnorm": [(-1.2, -0.4), (1.5, 3)],
    "skewnorm": [(-2, 2)],
    "gamma": [(0.7, 4)],
    "chi2": [(1.2, 6)],
    "expon": [],
    "invgamma": [(2.4, 5)],
    "beta": [(0.7, 3), (0.7, 3)],
    "f": [(2.2, 6), (5, 9)],
    "t": [(2.4, 7)],
    "laplace": [],
    "logistic": [],
    "gumbel_r": [],
    "gumbel_l": [],
    "gompertz": [(0.5, 2)],
    "cauchy": [],
    "uniform": [],
    "pareto": [(2.4, 5)],
    "genpareto": [(-0.3, 0.3)],
    "genextreme": [(0.1, 0.3)],
    "weibull_min": [(0.8, 3)],
    "weibull_max": [(0.8, 3)],
    "exponweib": [(0.8, 2), (1, 2.5)],
    "burr12": [(1.6, 3), (1.6, 3)],
    "invgauss": [(0.5, 2)],
    "vonmises": [(0.5, 4)],
    "triang": [(0.35, 0.5)],
    "rayleigh": [],
    "rice": [(0.6, 2)],
}
PROBABILITIES = np.array([0.12, 0.31, 0.63, 0.88])
POINTS = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf")


def _parameters(name: str) -> list[Any]:
    return [*(between(low, high, 1) for low, high in CONTINUOUS[name]), between(-0.5, 0.5, 1), between(0.6, 1.6, 1)]


def _points(name: str) -> Any:
    """Draw parameters, and points of fixed probabilities."""
    import scipy.stats

    def with_points(parameters: tuple[Array, ...]) -> tuple[Array, ...]:
        return (getattr(scipy.stats, name).ppf(PROBABILITIES, *parameters), *parameters)

    return st.tuples(*_parameters(name)).map(with_points)


def _declare(name: str) -> None:
    from tests.scipy.subjects import SUBJECTS, Subject

    def at_points(xp: Any, x: Array, *parameters: Array) -> list[Array]:
        return [getattr(getattr(xp, name), method)(x, *parameters) for method in POINTS]

    def quantiles(xp: Any, *parameters: Array) -> list[Array]:
        distribution = getattr(xp, name)
        *shapes, loc, scale = parameters
        return [distribution.ppf(PROBABILITIES, *shapes, loc, scale), distribution.isf(0.3, *parameters)]

    def of_probability(xp: Any, q: Array) -> list[Array]:
        shapes = [(low + high) / 2 for low, high in CONTINUOUS[name]]
        return [getattr(xp, name).ppf(q, *shapes), getattr(xp, name)(*shapes).isf(q)]

    def moments(xp: Any, *parameters: Array) -> list[Array]:
        distribution = getattr(xp, name)(*parameters)
        var = [distribution.var()] if name != "vonmises" else []  # which SciPy integrates, slowly
        return [*var, distribution.entropy(), distribution.mean()]

    SUBJECTS.append(Subject("stats", name, at_points, _points(name)))
    subject("stats", name, quantiles, *_parameters(name))
    subject("stats", name, of_probability, between(0.2, 0.8, 2))
    if name != "cauchy":  # which has no moments
        subject("stats", name, moments, *_parameters(name), closeness=1e-6, in_single=name != "t")


for _name in CONTINUOUS:
    _declare(_name)


def _discrete(name: str, k: Array, *parameters: Any, fixed: tuple[float, ...] = ()) -> None:
    def at_points(xp: Any, *shapes: Array) -> list[Array]:
        distribution = getattr(xp, name)
        found = [getattr(distribution, method)(k, *fixed, *shapes) for method in ("pmf", "logpmf", *POINTS[2:])]
        return [*found, distribution.mean(*fixed, *shapes), distribution.var(*fixed, *shapes)]

    subject("stats", name, at_points, *parameters)
    subject("stats", name, lambda xp, *shapes: getattr(xp, name)(*fixed, *shapes).entropy(), *parameters)


_OF_POINTS: list[tuple[str, tuple[Array, ...]]] = [
    ("entropy", ()),
    ("mean", ()),
    ("var", ()),
    *((method, (np.array([1, 2, 4]),)) for method in ("pmf", "logpmf", *POINTS[2:])),
]
_discrete("poisson", np.array([0, 2, 5]), between(0.6, 4, 1))
_discrete("binom", np.array([0, 2, 5]), between(0.2, 0.8, 1), fixed=(6,))
_discrete("nbinom", np.array([0, 2, 5]), between(1.4, 4, 1), between(0.3, 0.7, 1))
_discrete("geom", np.array([1, 2, 5]), between(0.3, 0.7, 1))
_discrete("bernoulli", np.array([0, 0]), between(0.3, 0.7, 1))
_discrete("betabinom", np.array([0, 2, 5]), between(0.7, 3, 1), between(0.7, 3, 1), fixed=(6,))
_discrete("dlaplace", np.array([-3, 0, 2]), between(0.4, 2, 1))
_discrete("logser", np.array([1, 2, 5]), between(0.3, 0.7, 1))
_discrete("nchypergeom_fisher", np.array([0, 2, 5]), between(0.6, 2, 1), fixed=(20, 7, 9))
_discrete("planck", np.array([0, 2, 5]), between(0.4, 2, 1))
_discrete("skellam", np.array([-3, 0, 2]), between(0.6, 3, 1), between(0.6, 3, 1))
subject(
    "stats",
    "boltzmann",
    lambda xp, rate: [getattr(xp.boltzmann, method)(*k, rate, 6) for method, k in _OF_POINTS],
    between(0.4, 2, 1),
)
subject(
    "stats",
    "zipfian",
    lambda xp, a: [getattr(xp.zipfian, method)(*k, a, 6) for method, k in _OF_POINTS],
    between(0.4, 2, 1),
)
for _name in ("betanbinom", "yulesimon", "zipf"):
    subject(
        "stats",
        _name,
        lambda xp, *shapes, name=_name: [
            getattr(getattr(xp, name), method)(*k, *([3] if len(shapes) > 1 else []), *shapes)
            for method, k in _OF_POINTS[1:]
        ],
        *[between(3.4, 5, 1)] * (1 + (_name == "betanbinom")),
    )

# ---- vectors and matrices ----


def _symmetric(root: Array) -> Array:
    """A positive definite matrix from any."""
    return root @ np.swapaxes(root, -1, -2) + 2 * np.eye(root.shape[-1])


def _of(name: str, method: str, *places: str) -> Any:
    """The call of a method; arguments are used as they are, or made "spd" or a "number" first."""
    make = {"array": lambda x: x, "spd": _symmetric, "number": lambda x: x[()]}
    return lambda xp, *arrays: getattr(getattr(xp, name), method)(
        *(make[place](x) for place, x in zip(places, arrays, strict=True))
    )


POINT, MEAN, ROOT = between(-1, 1, 4, 3), between(-1, 1, 3), between(-1, 1, 3, 3)
SMALL, NUMBER = between(-1, 1, 2, 2), between(4, 7, 1).map(lambda x: x[0])
for method in ("logpdf", "pdf"):
    subject(
        "stats", "multivariate_normal", _of("multivariate_normal", method, "array", "array", "spd"), POINT, MEAN, ROOT
    )
    subject(
        "stats",
        "multivariate_t",
        _of("multivariate_t", method, "array", "array", "spd", "number"),
        POINT,
        MEAN,
        ROOT,
        NUMBER,
    )
subject("stats", "multivariate_normal", _of("multivariate_normal", "entropy", "array", "spd"), MEAN, ROOT)
subject("stats", "multivariate_t", _of("multivariate_t", "entropy", "array", "spd", "number"), MEAN, ROOT, NUMBER)
subject(
    "stats",
    "dirichlet",
    lambda xp, x, alpha: xp.dirichlet.logpdf(x, alpha),
    between(0.1, 0.4, 2),
    between(0.6, 3, 3),
)
for method in ("mean", "var", "entropy"):
    subject("stats", "dirichlet", _of("dirichlet", method, "array"), between(0.6, 3, 3))
    subject("stats", "wishart", _of("wishart", method, "number", "spd"), NUMBER, ROOT)
subject("stats", "wishart", _of("wishart", "logpdf", "spd", "number", "spd"), ROOT, NUMBER, ROOT)
subject(
    "stats",
    "matrix_normal",
    _of("matrix_normal", "logpdf", "array", "array", "spd", "spd"),
    between(-1, 1, 3, 2),
    between(-1, 1, 3, 2),
    ROOT,
    SMALL,
)
subject("stats", "matrix_normal", _of("matrix_normal", "entropy", "spd", "spd"), ROOT, SMALL)

# ---- descriptive ----


@st.composite
def spread(draw: Any, *shape: int) -> Array:
    """Positive numbers that are far from each other."""
    return draw(between(0.2, 0.8, *shape)) + np.arange(1, np.prod(shape) + 1).reshape(shape) ** 1.2


for _function in ("skew", "kurtosis", "zscore", "gmean", "hmean", "entropy", "sem", "variation"):
    subject("stats", _function, lambda xp, x, name=_function: getattr(xp, name)(x), spread(5))
    subject("stats", _function, lambda xp, x, name=_function: getattr(xp, name)(x, axis=1), spread(2, 5))
for order in (1, 2, 3):
    subject("stats", "moment", lambda xp, x, n=order: xp.moment(x, n), spread(5))
subject("stats", "moment", lambda xp, x: xp.moment(x, [2, 3], axis=None, keepdims=True), spread(2, 3), order=1)
for _function in ("skew", "kurtosis"):
    for _axis in (None, (0, 1)):
        call = lambda xp, x, name=_function, axis=_axis: getattr(xp, name)(x, axis=axis, bias=False, keepdims=True)  # noqa: E731
        subject("stats", _function, call, spread(2, 3), order=1)
subject("stats", "sem", lambda xp, x: xp.sem(x, axis=(0, 1)), spread(2, 3), order=1)
subject("stats", "skew", lambda xp, x: xp.skew(x, bias=False), spread(5))
subject("stats", "kurtosis", lambda xp, x: xp.kurtosis(x, fisher=False, bias=False, keepdims=True), spread(5))
subject("stats", "gmean", lambda xp, x, w: xp.gmean(x, weights=w), spread(5), between(0.4, 1, 5))
subject("stats", "hmean", lambda xp, x, w: xp.hmean(x, weights=w), spread(5), between(0.4, 1, 5))
subject("stats", "pmean", lambda xp, x: xp.pmean(x, 1.7), spread(5))
subject("stats", "zmap", lambda xp, x, y: xp.zmap(x, y, ddof=1), spread(5), spread(5))
subject("stats", "entropy", lambda xp, p, q: xp.entropy(p, q, base=2), spread(5), between(0.4, 1, 5))
for _alternative in ("two-sided", "less", "greater"):
    subject(
        "stats",
        "pearsonr",
        lambda xp, x, y, side=_alternative: [*xp.pearsonr(x, y, alternative=side)],
        spread(5),
        between(-1, 1, 5),
    )
subject("stats", "gaussian_kde", lambda xp, data, x: xp.gaussian_kde(data)(x), spread(5), between(1, 5, 4))
subject(
    "stats",
    "gaussian_kde",
    lambda xp, data, x, w: xp.gaussian_kde(data, "silverman", w).logpdf(x),
    st.tuples(between(-1, 1, 2, 5)).map(lambda x: x[0] + np.array([[0, 1, 0, -1, 3], [1.0, 0, -2, 0, 1]])),
    between(-1, 1, 2, 3),
    between(0.4, 1, 5),
)

# ---- tests of hypotheses ----

for _alternative in ("two-sided", "less", "greater"):
    subject(
        "stats",
        "ttest_1samp",
        lambda xp, x, m, side=_alternative: [*xp.ttest_1samp(x, m, axis=1, alternative=side)],
        spread(2, 5),
        between(0.2, 2, 1),
        order=1,
    )
subject("stats", "ttest_rel", lambda xp, x, y: [*xp.ttest_rel(x, y)], spread(5), between(0.2, 3, 5))
for _equal in (True, False):
    call = lambda xp, x, y, equal=_equal: [*xp.ttest_ind(x, y, equal_var=equal)]  # noqa: E731
    subject("stats", "ttest_ind", call, spread(5), between(0.2, 3, 4), order=1)
subject("stats", "f_oneway", lambda xp, x, y, z: [*xp.f_oneway(x, y, z)], spread(5), between(0.2, 3, 4), spread(3))
subject("stats", "jarque_bera", lambda xp, x: [*xp.jarque_bera(x)], spread(6), order=1)
subject("stats", "chisquare", lambda xp, x: [*xp.chisquare(x)], spread(5))
for _power in ("log-likelihood", "mod-log-likelihood", 0.4):
    call = lambda xp, x, power=_power: [*xp.power_divergence(x, ddof=1, lambda_=power)]  # noqa: E731
    subject("stats", "power_divergence", call, spread(5), order=1)
subject("stats", "linregress", lambda xp, x, y: [*xp.linregress(x, y)], spread(5), between(0.2, 3, 5))

# ---- summaries ----

subject("stats", "iqr", lambda xp, x: xp.iqr(x, axis=1, scale="normal"), spread(2, 6))
subject("stats", "iqr", lambda xp, x: xp.iqr(x, rng=(10, 70), keepdims=True), spread(6), order=1)
subject("stats", "trim_mean", lambda xp, x: xp.trim_mean(x, 0.2), spread(6, 2))
subject("stats", "median_abs_deviation", lambda xp, x: xp.median_abs_deviation(x, scale="normal"), spread(5))
subject("stats", "gstd", lambda xp, x: xp.gstd(x, axis=1), spread(2, 5))
for _order in (1, 2, 3, 4):
    subject("stats", "kstat", lambda xp, x, n=_order: xp.kstat(x, n), spread(5), order=1)
subject("stats", "boxcox_llf", lambda xp, x: xp.boxcox_llf(0.6, x), spread(5))
subject("stats", "boxcox", lambda xp, x: xp.boxcox(x, 0.6), spread(5))
for _method in ("vasicek", "van es", "ebrahimi"):
    call = lambda xp, x, method=_method: xp.differential_entropy(x, method=method, axis=-1)  # noqa: E731
    subject("stats", "differential_entropy", call, spread(12), order=1)
subject("stats", "circmean", lambda xp, x: xp.circmean(x, high=9, low=-1), between(0.2, 3, 5))
subject("stats", "circvar", lambda xp, x: xp.circvar(x, axis=1), between(0.2, 3, 2, 5))
subject("stats", "circstd", lambda xp, x: xp.circstd(x, high=9), between(0.2, 3, 5))
subject("stats", "wasserstein_distance", lambda xp, x, y: xp.wasserstein_distance(x, y), spread(4), between(-2, 1, 3))
call = lambda xp, x, y, w: xp.energy_distance(x, y, v_weights=w)  # noqa: E731
subject("stats", "energy_distance", call, spread(4), between(5, 9, 5), between(0.4, 1, 5), order=1)

# ---- within limits, tests of the normal distribution ----

_SAMPLES = between(0.5, 3, 9, 2)
_BEYOND = np.eye(9, 2) * 10  # puts two values out of the limits


def _limited(name: str) -> Any:
    return lambda xp, x: [getattr(xp, name)(x + _BEYOND, (0.2, 5), axis=0), getattr(xp, name)(x)]


def _both_sides(name: str) -> Any:
    return lambda xp, x: [*getattr(xp, name)(x), *getattr(xp, name)(x, alternative="less")]


for _name in ("tmean", "tvar", "tstd", "tsem"):
    subject("stats", _name, _limited(_name), _SAMPLES)
subject("stats", "describe", lambda xp, x: [*xp.describe(x)[1], *xp.describe(x, axis=None)[2:]], _SAMPLES)
subject("stats", "gzscore", lambda xp, x: xp.gzscore(x, axis=1), between(0.5, 3, 2, 4))
for _name in ("skewtest", "kurtosistest"):
    subject(
        "stats", _name, lambda xp, x, f=_name: [*getattr(xp, f)(x), *getattr(xp, f)(x, alternative="less")], _SAMPLES
    )
subject("stats", "normaltest", lambda xp, x: [*xp.normaltest(x), *xp.normaltest(x, axis=None)], _SAMPLES)
