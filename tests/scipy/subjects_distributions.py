"""Subjects of the distributions of `stats.elementary` and `stats.related`: each with all of its functions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
from hypothesis import strategies as st

from tests.scipy.subjects import SUBJECTS, Subject, between

Array = Any

# Shape parameters by the intervals that they are drawn from.
DISTRIBUTIONS: dict[str, list[tuple[float, float]]] = {
    "alpha": [(1, 3)],
    "anglit": [],
    "arcsine": [],
    "argus": [(0.6, 3)],
    "betaprime": [(0.7, 3), (2.4, 5)],
    "bradford": [(0.5, 2)],
    "burr": [(2.4, 5), (0.7, 2)],
    "chi": [(1.2, 6)],
    "cosine": [],
    "crystalball": [(0.8, 2), (6, 9)],
    "dgamma": [(0.7, 4)],
    "dpareto_lognorm": [(-0.5, 0.5), (0.6, 1.5), (2.4, 5), (1, 3)],
    "dweibull": [(0.8, 3)],
    "exponnorm": [(0.6, 2)],
    "exponpow": [(0.8, 3)],
    "fatiguelife": [(0.5, 2)],
    "fisk": [(2.4, 5)],
    "foldcauchy": [(0.4, 2)],
    "foldnorm": [(0.6, 2)],
    "gausshyper": [(0.8, 2), (0.8, 2), (0.5, 1.5), (-0.4, 0.8)],
    "genexpon": [(0.6, 2), (0.6, 2), (0.6, 2)],
    "gengamma": [(0.7, 3), (0.8, 2)],
    "genhalflogistic": [(0.4, 0.9)],
    "genhyperbolic": [(0.4, 1.2), (1.4, 2), (-0.6, 0.6)],
    "geninvgauss": [(-0.8, 1.2), (0.8, 2)],
    "genlogistic": [(0.6, 3)],
    "gennorm": [(0.8, 3)],
    "gibrat": [],
    "halfcauchy": [],
    "halfgennorm": [(0.8, 3)],
    "halflogistic": [],
    "hypsecant": [],
    "invweibull": [(2.4, 5)],
    "jf_skew_t": [(2, 5), (2, 5)],
    "johnsonsb": [(-0.5, 0.5), (0.8, 2)],
    "johnsonsu": [(-0.5, 0.5), (1, 2)],
    "kappa3": [(2.4, 4)],
    "kappa4": [(0.2, 0.4), (0.1, 0.3)],
    "kstwobign": [],
    "laplace_asymmetric": [(0.6, 2)],
    "levy": [],
    "levy_l": [],
    "loggamma": [(0.7, 3)],
    "loglaplace": [(2.4, 5)],
    "loguniform": [(0.4, 0.8), (1.5, 3)],
    "lomax": [(2.4, 5)],
    "maxwell": [],
    "mielke": [(0.7, 3), (2.4, 5)],
    "moyal": [],
    "nakagami": [(0.7, 3)],
    "ncf": [(2.2, 5), (5, 9), (0.6, 3)],
    "nct": [(3, 7), (-0.7, 0.9)],
    "ncx2": [(1.2, 5), (0.6, 3)],
    "norminvgauss": [(1.4, 2), (-0.6, 0.6)],
    "pearson3": [(0.1, 1.2)],
    "powerlaw": [(0.7, 3)],
    "powerlognorm": [(0.8, 2), (0.5, 1)],
    "powernorm": [(0.7, 3)],
    "rdist": [(1.2, 4)],
    "recipinvgauss": [(0.6, 2)],
    "reciprocal": [(0.4, 0.8), (1.5, 3)],
    "rel_breitwigner": [(0.8, 3)],
    "semicircular": [],
    "skewcauchy": [(-0.5, 0.5)],
    "trapezoid": [(0.1, 0.3), (0.5, 0.8)],
    "truncexpon": [(1, 3)],
    "truncpareto": [(1.4, 3), (3, 5)],
    "truncweibull_min": [(1, 3), (0.2, 0.4), (1.2, 2)],
    "tukeylambda": [(0.1, 0.6)],
    "vonmises_line": [(0.5, 4)],
    "wald": [],
    "wrapcauchy": [(0.2, 0.8)],
}
INFINITE = {"alpha", "foldcauchy", "halfcauchy", "levy", "levy_l", "skewcauchy"}  # mean and variance
# Of which SciPy integrates moments: `test_stats.py` has them.
INTEGRATED = {"burr", "crystalball", "exponnorm", "exponpow", "foldnorm", "halfgennorm", "johnsonsb", "powernorm"}
SLOW = {"kappa4", "powerlognorm", "recipinvgauss", "vonmises_line"}  # moments that SciPy integrates, slowly
WITHOUT_ENTROPY = {"irwinhall", "rel_breitwigner"}
ON_FIXED_SHAPES = {"erlang": (2,), "irwinhall": (4,)}
PROBABILITIES = np.array([0.24, 0.37, 0.67, 0.81])


def _declare(name: str, intervals: list[tuple[float, float]], fixed: tuple[float, ...] = ()) -> None:
    def call(xp: Any, x: Array, q: Array, *parameters: Array) -> list[Array]:
        distribution = getattr(xp, name)(*fixed, *parameters)
        points = [getattr(distribution, method)(x) for method in ("logpdf", "pdf", "cdf", "logcdf", "sf", "logsf")]
        moments = [] if name in INFINITE | INTEGRATED | SLOW else [distribution.mean(), distribution.var()]
        entropy = [] if name in INTEGRATED | WITHOUT_ENTROPY else [distribution.entropy()]
        return [*points, distribution.ppf(q), distribution.isf(q), *entropy, *moments]

    def with_points(parameters: tuple[Array, ...]) -> tuple[Array, ...]:
        x = getattr(scipy.stats, name).ppf(PROBABILITIES, *fixed, *parameters)
        return x, PROBABILITIES[::-1].copy(), *parameters

    parameters = (*(between(low, high, 1) for low, high in intervals), between(-0.5, 0.5, 1), between(0.6, 1.6, 1))
    arrays = st.tuples(*parameters).map(with_points)
    # Second order is in `test_stats.py`.
    in_single = name != "kappa4"  # which SciPy cannot cast
    SUBJECTS.append(Subject("stats", name, call, arrays, 1, tolerance=1e-5, in_single=in_single, closeness=1e-6))


for _name, _intervals in DISTRIBUTIONS.items():
    _declare(_name, _intervals)
for _name, _shapes in ON_FIXED_SHAPES.items():
    _declare(_name, [], _shapes)
