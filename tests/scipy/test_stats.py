"""Distributions at edges: outside the support, wrong parameters, draws, fixed parameters, and what is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.stats

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import stats
from tapenet.scipy.stats.placed import PLACED
from tests.scipy.subjects_distributions import DISTRIBUTIONS, INTEGRATED


def on_tape(method: str, name: str, x: object, *parameters: float) -> tuple[np.ndarray, np.ndarray]:
    """The value on a tape, and the gradient of its finite parts by x and the scale, of which the last parameter is."""
    *others, scale = parameters

    def of(x: object, scale: object) -> object:
        return getattr(getattr(stats, name), method)(x, *others, scale)

    with tn.GradientTape() as tape:
        x, scale = tape.watch((np.asarray(x, float), float(scale)))
        y = of(x, scale)
    gradient = tape.gradient(y, (x, scale), np.ones(y.shape), unconnected="zero")
    return y.value, gradient[0]


@pytest.mark.parametrize("name", ["expon", "gamma", "beta", "uniform", "pareto", "weibull_max", "genpareto", "triang"])
@pytest.mark.parametrize("method", ["pdf", "logpdf", "cdf", "sf", "logcdf", "logsf"])
def test_outside_of_the_support_values_are_scipys_and_derivatives_are_zero(name: str, method: str) -> None:
    shapes = {"gamma": (2.3,), "beta": (1.5, 2.5), "pareto": (3.0,), "weibull_max": (1.5,), "genpareto": (-0.4,)}
    parameters = (*shapes.get(name, (0.3,) if name == "triang" else ()), 0.2, 1.3)
    x = np.array([-9.0, 9.0])
    distribution = getattr(scipy.stats, name)
    low, high = distribution.support(*parameters)
    x = np.array([point for point in x if not low <= point <= high])
    value, gradient = on_tape(method, name, x, *parameters)
    np.testing.assert_array_equal(value, getattr(distribution, method)(x, *parameters))
    np.testing.assert_array_equal(gradient, 0)


def test_wrong_parameters_and_nan_give_nan_as_scipy_has_it() -> None:
    assert np.isnan(on_tape("logpdf", "norm", 1.0, 0.0, -1.0)[0])
    assert np.isnan(on_tape("cdf", "gamma", 1.0, -2.0, 0.0, 1.0)[0])
    assert np.isnan(on_tape("pdf", "beta", np.nan, 2.0, 2.0, 0.0, 1.0)[0])
    value, _ = on_tape("ppf", "norm", np.array([-0.1, 0.0, 1.0, 1.1]), 0.0, 2.0)
    np.testing.assert_array_equal(value, [np.nan, -np.inf, np.inf, np.nan])
    value, _ = on_tape("isf", "expon", np.array([0.0, 1.0]), 1.0, 2.0)
    np.testing.assert_array_equal(value, [np.inf, 1.0])


def test_moments_that_do_not_exist_are_scipys() -> None:
    for name, shape in (
        ("pareto", 0.9),
        ("pareto", 1.5),
        ("t", 0.5),
        ("t", 1.5),
        ("invgamma", 0.7),
        ("genpareto", 1.2),
    ):
        for method in ("mean", "var"):
            with tn.GradientTape() as tape:
                value = getattr(getattr(stats, name), method)(tape.watch(shape)).value
            np.testing.assert_array_equal(value, getattr(getattr(scipy.stats, name), method)(shape))


def test_tails_are_accurate_where_differences_are_not() -> None:
    slope = tn.grad(lambda x: stats.norm.logsf(x))(30.0)
    assert abs(slope / -30.03325966 - 1) < 1e-8
    slope = tn.grad(lambda a: stats.gamma.sf(60.0, a))(2.0)  # (1 + x) e^-x, and its derivative by a
    assert 0 < slope < 1e-23


def test_draws_are_scipys_and_functions_of_the_parameters() -> None:
    def drawn(mean: float, sd: float) -> object:
        return stats.norm.rvs(mean, sd, size=4, random_state=0)

    expected = scipy.stats.norm.rvs(1.0, 2.0, size=4, random_state=0)
    with tn.GradientTape() as tape:
        value = drawn(*tape.watch((1.0, 2.0)))
    np.testing.assert_allclose(value.value, expected)
    z = (expected - 1.0) / 2.0
    np.testing.assert_allclose(tn.jacobian(drawn, argnums=1)(1.0, 2.0), z)
    np.testing.assert_allclose(tn.jacobian(drawn)(1.0, 2.0), 1)


@pytest.mark.parametrize(("name", "shapes"), [("gamma", (2.3,)), ("beta", (1.4, 2.6)), ("t", (4.0,))])
def test_draws_by_shape_parameters_keep_the_distribution_function(name: str, shapes: tuple[float, ...]) -> None:
    distribution, step = getattr(scipy.stats, name), 1e-6
    draws = distribution.rvs(*shapes, size=3, random_state=1)
    found = tn.jacobian(lambda a: getattr(stats, name).rvs(a, *shapes[1:], size=3, random_state=1))(shapes[0])
    fixed = distribution.cdf(draws, *shapes)
    moved = [distribution.ppf(fixed, shapes[0] + side * step, *shapes[1:]) for side in (-1, 1)]
    np.testing.assert_allclose(found, (moved[1] - moved[0]) / (2 * step), rtol=1e-5)


def test_draws_of_vectors_have_the_covariance() -> None:
    cov = np.array([[2.0, 0.3], [0.3, 1.0]])
    with tn.GradientTape() as tape:
        x = stats.multivariate_normal.rvs(np.zeros(2), tape.watch(cov), size=20000, random_state=0)
        spread = tnp.matmul(x.T, x) / 20000
    np.testing.assert_allclose(spread.value, cov, atol=0.05)


def test_discrete_draws_and_quantiles_are_plain() -> None:
    with tn.GradientTape() as tape:
        mu = tape.watch(3.0)
        assert type(stats.poisson.rvs(mu, size=5, random_state=0)) is np.ndarray
        assert stats.poisson.ppf(0.4, mu) == scipy.stats.poisson.ppf(0.4, 3.0)
        assert stats.hypergeom.pmf(2, 20, 7, np.array(9)) == scipy.stats.hypergeom.pmf(2, 20, 7, 9)


def test_hypergeometric_probabilities_of_tensors_are_scipys() -> None:
    with tn.GradientTape() as tape:
        k = tape.watch(np.array([1.0, 2.0, 5.0]))
        for method in ("pmf", "logpmf", "cdf", "sf"):
            found = getattr(stats.hypergeom, method)(k, 20, 7, 9)
            expected = getattr(scipy.stats.hypergeom, method)(k.value, 20, 7, 9)
            np.testing.assert_allclose(np.asarray(getattr(found, "value", found)), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "counts"), [("randint", (1, 7)), ("nhypergeom", (20, 7, 9))])
def test_probabilities_by_counts_alone_are_scipys(name: str, counts: tuple[int, ...]) -> None:
    ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
    k = np.array([1.0, 2.0, 5.0])
    with tn.GradientTape() as tape:
        for method in ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf"):
            found, expected = getattr(ours, method)(tape.watch(k), *counts), getattr(theirs, method)(k, *counts)
            np.testing.assert_allclose(np.asarray(getattr(found, "value", found)), expected, rtol=1e-10)
        for method in ("mean", "var", "entropy"):
            found = getattr(ours, method)(tape.watch(float(counts[0])), *counts[1:])
            np.testing.assert_allclose(
                np.asarray(getattr(found, "value", found)), getattr(theirs, method)(*counts), rtol=1e-10
            )


def test_fixed_parameters() -> None:
    fixed = stats.norm(loc=1.0, scale=2.0)
    assert fixed.logpdf(0.5) == scipy.stats.norm(1.0, 2.0).logpdf(0.5)
    assert tn.grad(lambda m: stats.norm(m, 2.0).logpdf(0.5))(1.0) == -0.125
    assert tn.grad(lambda m: stats.norm(m, 2.0).mean())(1.0) == 1
    np.testing.assert_array_equal(fixed.rvs(3, random_state=0), scipy.stats.norm(1.0, 2.0).rvs(3, random_state=0))
    assert tn.grad(lambda c: stats.multivariate_normal(np.zeros(2), c).logpdf(np.ones(2)))(np.eye(2)).shape == (2, 2)


def test_what_has_no_formula_goes_to_scipy_and_refuses_tensors() -> None:
    assert stats.norm.interval(0.5) == scipy.stats.norm.interval(0.5)
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentTypeError, match=r"stats\.norm\.interval: not supported"):
        stats.norm.interval(tape.watch(0.5))
    with (
        tn.GradientTape() as tape,
        pytest.raises(tn.ArgumentTypeError, match=r"stats\.gamma\.pdf: parameters must be a"),
    ):
        stats.gamma.pdf(tape.watch(0.5))
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentTypeError, match=r"stats\.multivariate_normal\.cdf: not"):
        stats.multivariate_normal.cdf(tape.watch(np.ones(2)))


def test_distributions_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(stats.gamma)) is stats.gamma
    assert pickle.loads(pickle.dumps(stats.wishart)) is stats.wishart


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: stats.skew(x, nan_policy="omit"), "stats.skew: nan_policy must be 'propagate'"),
        (lambda x: stats.pearsonr(x, x, alternative="both"), "stats.pearsonr: alternative must be"),
        (lambda x: stats.gaussian_kde(x, "wide"), "stats.gaussian_kde: bw_method must be"),
        (lambda x: stats.gaussian_kde(x[:1]), "stats.gaussian_kde: dataset must have more than one"),
        (lambda x: stats.dirichlet.logpdf(x, np.ones(5)), "stats.dirichlet.logpdf: x must have 5 rows"),
    ],
)
def test_wrong_arguments_have_named_errors(call: object, words: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=words):
        call(tape.watch(np.array([1.0, 2.0, 4.0])))  # type: ignore[operator]


def middle(name: str) -> list[float]:
    return [(low + high) / 2 for low, high in DISTRIBUTIONS[name]]


def slope(f: object, x: float, step: float = 1e-5) -> object:
    """The derivative of what f computes on a tape, by differences."""

    def value(x: float) -> object:
        with tn.GradientTape() as tape:
            return f(tape.watch(x)).value  # type: ignore[operator]

    return (value(x + step) - value(x - step)) / (2 * step)  # type: ignore[operator]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_second_derivatives_of_distributions_agree_with_differences(name: str) -> None:
    distribution, shapes = getattr(stats, name), middle(name)
    x = float(getattr(scipy.stats, name).ppf(0.37, *shapes, 0.2, 1.3))

    def of(parameters: tuple[object, ...]) -> object:
        point, *others = parameters
        return distribution.logpdf(point, *others, 1.3) + distribution.cdf(point, *others, 1.3)

    values = (x, *shapes, 0.2)
    for i in range(len(values)):

        def at(value: object, i: int = i) -> object:
            return tnp.stack(tn.grad(of)((*values[:i], value, *values[i + 1 :])))

        np.testing.assert_allclose(tn.jacobian(at)(values[i]), slope(at, values[i]), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", sorted(INTEGRATED))
@pytest.mark.parametrize("method", ["mean", "var", "entropy"])
def test_moments_are_those_that_scipy_integrates(name: str, method: str) -> None:
    first, *others = (*middle(name), 0.2, 1.3)
    expected = getattr(getattr(scipy.stats, name), method)(first, *others)

    def of(shape: float) -> object:
        return getattr(getattr(stats, name), method)(shape, *others)

    with tn.GradientTape() as tape:
        np.testing.assert_allclose(of(tape.watch(first)).value, expected, rtol=1e-7)
    np.testing.assert_allclose(tn.grad(of)(first), slope(of, first), rtol=1e-6, atol=1e-8)


def test_what_depends_on_ranks_alone_gives_plain_numbers() -> None:
    x, y = np.array([3.0, 1.0, 2.0, 5.0]), np.array([2.0, 1.5, 0.5, 4.0])
    with tn.GradientTape() as tape:
        at_x, at_y = tape.watch((x, y))
        np.testing.assert_array_equal(stats.rankdata(at_x), [3, 1, 2, 4])
        for name in ("spearmanr", "kendalltau", "ks_2samp", "mannwhitneyu"):
            found, expected = getattr(stats, name)(at_x, at_y), getattr(scipy.stats, name)(x, y)
            assert (found.statistic, found.pvalue) == (expected.statistic, expected.pvalue)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("ansari", 2),
        ("brunnermunzel", 2),
        ("cramervonmises_2samp", 2),
        ("friedmanchisquare", 3),
        ("kruskal", 3),
        ("median_test", 2),
        ("mood", 2),
        ("ranksums", 2),
        ("somersd", 2),
        ("weightedtau", 2),
        ("wilcoxon", 2),
    ],
)
def test_tests_of_ranks_are_scipys_and_plain_numbers(name: str, count: int) -> None:
    samples = tuple(np.random.default_rng(0).normal(size=(count, 9)))
    expected = getattr(scipy.stats, name)(*samples)
    with tn.GradientTape() as tape:
        found = getattr(stats, name)(*tape.watch(samples))
    assert not isinstance(found.statistic, tn.Tensor)
    np.testing.assert_array_equal((found.statistic, found.pvalue), (expected.statistic, expected.pvalue))


def test_trends_and_ties_of_ranks_are_scipys_and_plain_numbers() -> None:
    table = np.array([[3.0, 4.0, 5.0, 9.0], [2.0, 1.0, 6.0, 7.0], [1.0, 2.0, 4.0, 3.0]])
    with tn.GradientTape() as tape:
        rows = tape.watch(table)
        assert stats.page_trend_test(rows).pvalue == scipy.stats.page_trend_test(table).pvalue
        ranks = np.array([1.0, 2.5, 2.5, 4.0])
        assert stats.tiecorrect(tape.watch(ranks)) == scipy.stats.tiecorrect(ranks)


@pytest.mark.parametrize("name", sorted(PLACED))
def test_what_is_not_differentiated_refuses_a_tensor_and_says_so(name: str) -> None:
    declared = getattr(stats, name)
    assert "Refused: " in declared.__doc__ or "No derivative: " in declared.__doc__
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentTypeError, match=f"stats.{name}: not supported for a Ten"):
        declared(tape.watch(np.ones(4)))


def test_plain_arguments_of_what_is_not_differentiated_go_to_scipy() -> None:
    x = np.array([3.0, 1.0, 2.0, 5.0])
    np.testing.assert_array_equal(stats.trimboth(x, 0.25), scipy.stats.trimboth(x, 0.25))
    assert stats.binomtest(3, 10).pvalue == scipy.stats.binomtest(3, 10).pvalue


def test_results_of_hypotheses_have_their_further_parts() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 3.0, 3.5, 9.0])
    with tn.GradientTape() as tape:
        a, b = tape.watch((x, y))
        line, expected = stats.linregress(a, b), scipy.stats.linregress(x, y)
        np.testing.assert_allclose(line.intercept_stderr.value, expected.intercept_stderr, rtol=1e-12)
        assert stats.ttest_rel(a, b).df == 3
        welch = stats.ttest_ind(a, b, equal_var=False)
        np.testing.assert_allclose(welch.df.value, scipy.stats.ttest_ind(x, y, equal_var=False).df, rtol=1e-12)
        assert stats.ttest_ind(a, b).df == 6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: stats.ttest_1samp(x, 0.0, alternative="both"), "alternative must be 'two-sided'"),
        (lambda x: stats.ttest_ind(x, x, trim=0.2), "stats.ttest_ind: trim must be 0"),
        (lambda x: stats.skewtest(x), "stats.skewtest: samples must have 8 elements"),
        (lambda x: stats.kurtosistest(x), "stats.kurtosistest: samples must have 5 elements"),
        (lambda x: stats.describe(x[:0]), "stats.describe: a must have elements"),
        (lambda x: stats.shapiro(x), "stats.shapiro: not supported for a Tensor. Write stats.normaltest"),
        (lambda x: stats.landau.pdf(x), "stats.landau: not supported for a Tensor. Give its logarithm"),
        (lambda x: stats.ksone(x), "stats.ksone: not supported for a Tensor. Write special.smirnov"),
        (lambda x: stats.betanbinom.entropy(2, x, x), "stats.betanbinom.entropy: not supported for a Tensor"),
        (lambda x: stats.linregress(x, x[:3]), "stats.linregress: x and y must be of one length"),
        (lambda x: stats.power_divergence(x, lambda_="none"), "stats.power_divergence: lambda_ must be one of"),
        (lambda x: stats.f_oneway(x), "stats.f_oneway: equal_var must be True"),
        (lambda x: stats.iqr(x, scale="wide"), "stats.iqr: scale must be"),
        (lambda x: stats.trim_mean(x, 0.5), "stats.trim_mean: proportiontocut must leave"),
        (lambda x: stats.kstat(x, 5), "stats.kstat: n must be 1, 2, 3 or 4"),
        (lambda x: stats.boxcox(x), "stats.boxcox: lmbda must be given"),
        (lambda x: stats.differential_entropy(x, window_length=9), "2 \\* window_length must be from 2 to 3"),
        (
            lambda x: stats.differential_entropy(x, window_length=1, method="none"),
            "stats.differential_entropy: method must be",
        ),
    ],
)
def test_wrong_arguments_of_hypotheses_and_summaries_have_named_errors(call: object, words: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=words):
        call(tape.watch(np.array([1.0, 2.0, 4.0, 5.0])))  # type: ignore[operator]


def test_the_upper_tail_of_crystalball_keeps_its_digits() -> None:
    z, shapes = np.array([-30.0, -2.0, -1.9, 0.3, 5.0, 9.0, 20.0, 30.0]), (2.0, 3.0)
    expected = scipy.stats.crystalball.logsf(z, *shapes)
    logsf, by_z = tn.value_and_grad(lambda z: tnp.sum(stats.crystalball.logsf(z, *shapes)))(z)
    np.testing.assert_allclose(logsf, np.sum(expected), rtol=1e-12)
    np.testing.assert_allclose(tn.vjp(lambda z: stats.crystalball.logsf(z, *shapes), z)[0], expected, rtol=1e-12)
    np.testing.assert_allclose(tn.vjp(lambda z: stats.crystalball.sf(z, *shapes), z)[0], np.exp(expected), rtol=1e-12)
    hazard = -np.exp(scipy.stats.crystalball.logpdf(z, *shapes) - expected)
    np.testing.assert_allclose(by_z, hazard, rtol=1e-12)


@pytest.mark.filterwarnings("ignore")  # NumPy's and SciPy's, of few elements
def test_statistics_of_too_few_elements_are_nan_as_scipys_are() -> None:
    for n in (1, 2, 3, 4):
        for size in range(1, 6):
            data = np.arange(1.0, 1.0 + size) ** 2
            value = tn.vjp(lambda x, n=n: stats.kstat(x, n), data)[0]
            np.testing.assert_allclose(value, scipy.stats.kstat(data, n), rtol=1e-12)
    for equal_var in (True, False):
        statistic = tn.vjp(lambda x, e=equal_var: stats.ttest_ind(x, np.ones(2), equal_var=e).statistic, np.zeros(0))[0]
        assert np.isnan(statistic)


FEW = {
    "iqr": stats.iqr,
    "trim_mean": lambda x, **keywords: stats.trim_mean(x, 0.1, **keywords),
    "differential_entropy": stats.differential_entropy,
}


@pytest.mark.filterwarnings("ignore")  # NumPy's and SciPy's, of few elements
@pytest.mark.parametrize("name", FEW)
def test_summaries_of_few_elements_are_scipys(name: str) -> None:
    for size in range(6):
        data = np.arange(1.0, 1.0 + size) ** 2
        expected = FEW[name](data)  # plain, so that SciPy answers
        value, pullback = tn.vjp(FEW[name], data)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        (gradient,) = pullback(1.0)
        assert gradient.shape == data.shape
        assert np.all(np.isnan(gradient) == np.isnan(expected))
    for keepdims in (False, True):
        found = tn.vjp(lambda x, keep=keepdims: FEW[name](x, axis=1, keepdims=keep), np.ones((2, 0)))[0]
        assert found.shape == ((2, 1) if keepdims else (2,))
        assert np.all(np.isnan(found))


@pytest.mark.filterwarnings("ignore")  # SciPy's, of few elements
def test_a_line_through_fewer_than_two_points_is_nan_as_scipys_is() -> None:
    for size in (0, 1):
        x = np.ones(size)
        with tn.GradientTape() as tape:
            line = stats.linregress(*tape.watch((x, 2 * x)))
            assert all(np.isnan(part.value) for part in (*line, line.intercept_stderr))
        assert np.all(np.isnan(scipy.stats.linregress(x, 2 * x)))
        assert np.all(np.isnan(tn.grad(lambda x: stats.linregress(x, x).slope)(x)))


@pytest.mark.parametrize(
    ("distribution", "more"), [(stats.multivariate_normal, ()), (stats.multivariate_t, (3.0,))], ids=["normal", "t"]
)
def test_singular_covariances_have_densities_and_derivatives_at_fixed_rank(distribution: Any, more: Any) -> None:
    root, x, mean = np.array([[1.0, 0.4], [0.2, 1.3]]), np.array([[0.3, 0.2, 0.0], [1.0, 0.0, 0.0]]), np.full(3, 0.0)

    def logpdf(x: Any, mean: Any, root: Any) -> Any:
        covariance = tnp.pad(root @ root.T, ((0, 1), (0, 1)))
        return distribution(mean, covariance, *more, allow_singular=True).logpdf(x)

    covariance = np.pad(root @ root.T, ((0, 1), (0, 1)))
    theirs = getattr(scipy.stats, distribution.name)(mean, covariance, *more, allow_singular=True)
    value = tn.vjp(logpdf, x, mean, root)[0]
    np.testing.assert_allclose(value, theirs.logpdf(x))
    tn.testing.check_grads(lambda root: logpdf(x, mean, root), (root,))
    tn.testing.check_grads(lambda y: logpdf(tnp.pad(y, ((0, 0), (0, 1))), mean, root), (x[:, :2],))
    if not more:
        entropy = tn.vjp(lambda c: distribution(mean, c, allow_singular=True).entropy(), covariance)[0]
        np.testing.assert_allclose(entropy, theirs.entropy())
    off = tn.vjp(logpdf, x + 1.0, mean, root)[0]
    np.testing.assert_allclose(off, theirs.logpdf(x + 1.0))
    with pytest.raises(tn.ArgumentError, match="must be positive semidefinite; got the eigenvalue"):
        tn.grad(lambda c: distribution(mean, c, *more, allow_singular=True).logpdf(x[0]))(-covariance)


def test_the_line_through_two_points_is_exact_as_scipys_is() -> None:
    x, y = np.array([1.0, 3.0]), np.array([2.0, 1.0])
    for level in (y, 0 * y):
        with tn.GradientTape() as tape:
            found, expected = stats.linregress(*tape.watch((x, level))), scipy.stats.linregress(x, level)
            np.testing.assert_allclose([part.value for part in found], list(expected), atol=1e-15)
            assert found.intercept_stderr.value == expected.intercept_stderr
    np.testing.assert_allclose(tn.grad(lambda y: stats.linregress(x, y).slope)(y), [-0.5, 0.5])


def test_distributions_that_are_not_differentiated_are_scipys_for_plain_numbers() -> None:
    assert stats.landau.pdf(0.3) == scipy.stats.landau.pdf(0.3)
    assert stats.multinomial(5, [0.4, 0.6]).pmf([2, 3]) == scipy.stats.multinomial(5, [0.4, 0.6]).pmf([2, 3])
    assert pickle.loads(pickle.dumps(stats.landau)) is stats.landau
