"""scipy.stats on Tensors and arrays alike: distributions, each as its formula, and descriptive statistics.

Plain arguments go to SciPy. `docs/guides/scipy.md` lists what becomes of each function.

>>> from tapenet.scipy import stats
>>> tn.grad(lambda scale: stats.norm.logpdf(1.0, 0.0, scale))(2.0)
np.float64(-0.375)
"""

from tapenet.scipy.stats.continuous import (
    beta as beta,
    burr12 as burr12,
    cauchy as cauchy,
    chi2 as chi2,
    expon as expon,
    exponweib as exponweib,
    f as f,
    gamma as gamma,
    genextreme as genextreme,
    genpareto as genpareto,
    gompertz as gompertz,
    gumbel_l as gumbel_l,
    gumbel_r as gumbel_r,
    halfnorm as halfnorm,
    invgamma as invgamma,
    invgauss as invgauss,
    laplace as laplace,
    logistic as logistic,
    lognorm as lognorm,
    norm as norm,
    pareto as pareto,
    rayleigh as rayleigh,
    rice as rice,
    skewnorm as skewnorm,
    t as t,
    triang as triang,
    truncnorm as truncnorm,
    uniform as uniform,
    vonmises as vonmises,
    weibull_max as weibull_max,
    weibull_min as weibull_min,
)
from tapenet.scipy.stats.descriptive import (
    entropy as entropy,
    gaussian_kde as gaussian_kde,
    gmean as gmean,
    hmean as hmean,
    kurtosis as kurtosis,
    moment as moment,
    pearsonr as pearsonr,
    pmean as pmean,
    sem as sem,
    skew as skew,
    variation as variation,
    zmap as zmap,
    zscore as zscore,
)
from tapenet.scipy.stats.discrete import (
    binom as binom,
    geom as geom,
    hypergeom as hypergeom,
    nbinom as nbinom,
    poisson as poisson,
)
from tapenet.scipy.stats.multivariate import (
    dirichlet as dirichlet,
    matrix_normal as matrix_normal,
    multivariate_normal as multivariate_normal,
    multivariate_t as multivariate_t,
    wishart as wishart,
)

__all__ = [
    # continuous distributions
    "beta",
    "burr12",
    "cauchy",
    "chi2",
    "expon",
    "exponweib",
    "f",
    "gamma",
    "genextreme",
    "genpareto",
    "gompertz",
    "gumbel_l",
    "gumbel_r",
    "halfnorm",
    "invgamma",
    "invgauss",
    "laplace",
    "logistic",
    "lognorm",
    "norm",
    "pareto",
    "rayleigh",
    "rice",
    "skewnorm",
    "t",
    "triang",
    "truncnorm",
    "uniform",
    "vonmises",
    "weibull_max",
    "weibull_min",
    # discrete distributions
    "binom",
    "geom",
    "hypergeom",
    "nbinom",
    "poisson",
    # distributions of vectors and matrices
    "dirichlet",
    "matrix_normal",
    "multivariate_normal",
    "multivariate_t",
    "wishart",
    # descriptive statistics
    "entropy",
    "gaussian_kde",
    "gmean",
    "hmean",
    "kurtosis",
    "moment",
    "pearsonr",
    "pmean",
    "sem",
    "skew",
    "variation",
    "zmap",
    "zscore",
]


def __dir__() -> list[str]:
    return __all__
