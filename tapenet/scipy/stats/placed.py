"""Functions and distributions of scipy.stats that are not differentiated: each with what to write instead."""

from __future__ import annotations

import functools
from typing import Any

import scipy.stats

from tapenet.core.arguments import holds_tensor
from tapenet.core.pytrees import tree_leaves
from tapenet.errors import ArgumentTypeError
from tapenet.scipy.placing import of_module, passed_on, refused, summary_of

# ---- functions ----

_VALUES = "Pass plain values, x.value: it is a test of them."
_RANKS = "It depends on the order of the values alone. Pass plain values."
_VARIABLE = "It is of a random variable of SciPy's. Pass plain values."
_INSTEAD = {
    "abs": _VARIABLE,
    "anderson_ksamp": _RANKS,
    "bws_test": _RANKS,
    "chatterjeexi": _RANKS,
    "exp": _VARIABLE,
    "log": _VARIABLE,
    "make_distribution": _VARIABLE,
    "order_statistic": _VARIABLE,
    "spearmanrho": _RANKS,
    "truncate": _VARIABLE,
    "alexandergovern": "Write stats.f_oneway.",
    "anderson": "Write stats.normaltest.",
    "bartlett": "Write stats.f_oneway of the squared distances from the means.",
    "bayes_mvs": "Write stats.ttest_1samp.",
    "binned_statistic": "Write numpy.digitize of the values, and tapenet.numpy.where.",
    "binned_statistic_2d": "Write numpy.digitize of the values, and tapenet.numpy.where.",
    "binned_statistic_dd": "Write numpy.digitize of the values, and tapenet.numpy.where.",
    "bootstrap": "Write the statistic of x[indices] for indices that you draw.",
    "boxcox_normmax": "Write optimize.minimize_scalar of -stats.boxcox_llf.",
    "boxcox_normplot": "Write stats.boxcox.",
    "chi2_contingency": "Write stats.chisquare of the observed and the expected frequencies.",
    "combine_pvalues": "Write the statistic of the p-values: -2 sum(log(p)) and stats.chi2.sf.",
    "cramervonmises": "Write the statistic of dist.cdf(sort(x)).",
    "cumfreq": "It is piecewise constant. Pass plain values.",
    "directional_stats": "Write the mean of the unit vectors.",
    "dunnett": "Write stats.ttest_ind.",
    "ecdf": "It is piecewise constant. Pass plain values.",
    "epps_singleton_2samp": _VALUES,
    "expectile": "Write tn.root of its equation.",
    "false_discovery_control": "It is of sorted p-values. Pass plain values.",
    "fit": "Write optimize.minimize of -sum(dist.logpdf(x, *p)).",
    "fligner": _VALUES,
    "goodness_of_fit": _VALUES,
    "ks_1samp": "Write the largest of abs(dist.cdf(sort(x)) - ranks / n).",
    "kstatvar": "Write stats.kstat.",
    "kstest": "Write the largest of abs(dist.cdf(sort(x)) - ranks / n).",
    "levene": "Write stats.f_oneway of the distances from the medians.",
    "lmoment": "Write the weighted sum of sort(x).",
    "logrank": _VALUES,
    "mode": "It is one of the values. Pass plain values.",
    "monte_carlo_test": _VALUES,
    "multiscale_graphcorr": _VALUES,
    "mvsdist": "Write stats.t and stats.invgamma.",
    "obrientransform": "Write its formula.",
    "percentileofscore": "It is piecewise constant. Pass plain values.",
    "permutation_test": _VALUES,
    "pointbiserialr": "Write stats.pearsonr.",
    "poisson_means_test": _VALUES,
    "power": _VALUES,
    "ppcc_max": _VALUES,
    "ppcc_plot": _VALUES,
    "probplot": _VALUES,
    "quantile_test": _VALUES,
    "quantile": "Write tapenet.numpy.quantile.",
    "relfreq": "It is piecewise constant. Pass plain values.",
    "scoreatpercentile": "Write tapenet.numpy.percentile.",
    "shapiro": "Write stats.normaltest, or stats.jarque_bera.",
    "siegelslopes": "Write tapenet.numpy.median of the slopes between points.",
    "sigmaclip": "Write tapenet.numpy.where, or stats.tmean with limits.",
    "sobol_indices": "Write the variances of the function at points that you draw.",
    "theilslopes": "Write tapenet.numpy.median of the slopes between points.",
    "tmax": "Write tapenet.numpy.max of the values within the limits.",
    "tmin": "Write tapenet.numpy.min of the values within the limits.",
    "trim1": "Write tapenet.numpy.sort, and leave out its ends.",
    "trimboth": "Write tapenet.numpy.sort, and leave out its ends.",
    "ttest_ind_from_stats": "Write its formula, and stats.t.sf.",
    "tukey_hsd": "Write stats.ttest_ind.",
    "wasserstein_distance_nd": "Write stats.wasserstein_distance of projections.",
    "yeojohnson": "Write special.boxcox of x + 1, and of 1 - x below 0.",
    "yeojohnson_llf": "Write stats.boxcox_llf.",
    "yeojohnson_normmax": "Write optimize.minimize_scalar.",
    "yeojohnson_normplot": "Write stats.boxcox.",
}
_OF_COUNTS = "barnard_exact binomtest boschloo_exact fisher_exact"

# ---- distributions ----

_OWN = "Give its logarithm a derivative by tn.custom_jvp."
_DISTRIBUTIONS = {
    "dirichlet_multinomial": "Write its formula in special.gammaln.",
    "invwishart": "Write stats.wishart.logpdf of the inverse, and its Jacobian.",
    "ksone": "Write special.smirnov.",
    "kstwo": "Write stats.kstwobign, its limit.",
    "landau": _OWN,
    "levy_stable": "Write stats.norm, stats.cauchy or stats.levy, where alpha is 2, 1 or 1/2.",
    "matrix_t": "Write its formula in numpy.linalg.slogdet and special.multigammaln.",
    "multinomial": "Write its formula in special.xlogy and special.gammaln.",
    "multivariate_hypergeom": "Its parameters are counts. Pass plain values.",
    "nchypergeom_wallenius": "Write stats.nchypergeom_fisher.",
    "normal_inverse_gamma": "Write stats.norm.logpdf and stats.invgamma.logpdf.",
    "ortho_group": "Draw it from plain numbers.",
    "poisson_binom": "Write the product of the polynomials 1 - p + p z.",
    "random_correlation": "Draw it from plain numbers.",
    "random_table": "Draw it from plain numbers.",
    "special_ortho_group": "Draw it from plain numbers.",
    "studentized_range": _OWN,
    "uniform_direction": "Draw it from plain numbers.",
    "unitary_group": "Draw it from plain numbers.",
    "vonmises_fisher": "Write its formula in special.ive.",
}


class RefusedDistribution:
    """A distribution of SciPy's that is not differentiated: plain arguments go to SciPy, a Tensor raises."""

    def __init__(self, name: str, instead: str) -> None:
        """Hold SciPy's distribution of that name."""
        self.name, self.instead = name, instead
        self.__doc__ = f"{summary_of(of_module(scipy.stats, name))}\n\nRefused: {instead}"
        self.__module__ = "tapenet.scipy.stats"

    def __reduce__(self) -> str:
        """Pickle by name."""
        return self.name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Fix the parameters."""
        self._check(arguments, keywords)
        return of_module(scipy.stats, self.name)(*arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        """Return SciPy's method, for plain arguments."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = getattr(of_module(scipy.stats, self.name), name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def plain(*arguments: Any, **keywords: Any) -> Any:
            self._check(arguments, keywords)
            return found(*arguments, **keywords)

        return plain

    def _check(self, *arguments: Any) -> None:
        if any(map(holds_tensor, tree_leaves(arguments))):
            raise ArgumentTypeError(f"stats.{self.name}: not supported for a Tensor. {self.instead}")


def _declared() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, instead in _INSTEAD.items():
        found[name] = refused(scipy.stats, name, instead)
    for name in _OF_COUNTS.split():
        found[name] = passed_on(scipy.stats, name, "Its arguments are counts.")
    for name, instead in _DISTRIBUTIONS.items():
        found[name] = RefusedDistribution(name, instead)
    return found


PLACED = _declared()
