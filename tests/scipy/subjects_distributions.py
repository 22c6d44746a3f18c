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
    "betaprime": [(0.7, 3), (2.4, 5)],
    "bradford": [(0.5, 2)],
    "burr": [(2.4, 5), (0.7, 2)],
    "chi": [(1.2, 6)],
    "crystalball": [(0.8, 2), (6, 9)],
    "dgamma": [(0.7, 4)],
    "dweibull": [(0.8, 3)],
    "exponnorm": [(0.6, 2)],
    "exponpow": [(0.8, 3)],
    "fatiguelife": [(0.5, 2)],
    "fisk": [(2.4, 5)],
    "foldnorm": [(0.6, 2)],
    "gengamma": [(0.7, 3), (0.8, 2)],
    "gennorm": [(0.8, 3)],
    "genlogistic": [(0.6, 3)],
    "gibrat": [],
    "halfcauchy": [],
    "halfgennorm": [(0.8, 3)],
    "halflogistic": [],
    "hypsecant": [],
    "invweibull": [(2.4, 5)],
    "johnsonsb": [(-0.5, 0.5), (0.8, 2)],
    "johnsonsu": [(-0.5, 0.5), (1, 2)],
    "laplace_asymmetric": [(0.6, 2)],
    "levy": [],
    "loggamma": [(0.7, 3)],
    "loglaplace": [(2.4, 5)],
    "loguniform": [(0.4, 0.8), (1.5, 3)],
    "lomax": [(2.4, 5)],
    "maxwell": [],
    "mielke": [(0.7, 3), (2.4, 5)],
    "moyal": [],
    "nakagami": [(0.7, 3)],
    "powerlaw": [(0.7, 3)],
    "powernorm": [(0.7, 3)],
    "rdist": [(1.2, 4)],
    "reciprocal": [(0.4, 0.8), (1.5, 3)],
    "semicircular": [],
    "truncexpon": [(1, 3)],
    "wald": [],
}
INFINITE = {"alpha", "halfcauchy", "levy"}  # mean and variance
# Of which SciPy integrates moments: `test_stats.py` has them.
INTEGRATED = {"burr", "crystalball", "exponnorm", "exponpow", "foldnorm", "halfgennorm", "johnsonsb", "powernorm"}
ON_FIXED_SHAPES = {"erlang": (2,)}
PROBABILITIES = np.array([0.24, 0.37, 0.67, 0.81])


def _declare(name: str, intervals: list[tuple[float, float]], fixed: tuple[float, ...] = ()) -> None:
    def call(xp: Any, x: Array, q: Array, *parameters: Array) -> list[Array]:
        distribution = getattr(xp, name)(*fixed, *parameters)
        points = [getattr(distribution, method)(x) for method in ("logpdf", "pdf", "cdf", "logcdf", "sf", "logsf")]
        moments = [] if name in INFINITE | INTEGRATED else [distribution.mean(), distribution.var()]
        entropy = [] if name in INTEGRATED else [distribution.entropy()]
        return [*points, distribution.ppf(q), distribution.isf(q), *entropy, *moments]

    def with_points(parameters: tuple[Array, ...]) -> tuple[Array, ...]:
        x = getattr(scipy.stats, name).ppf(PROBABILITIES, *fixed, *parameters)
        return x, PROBABILITIES[::-1].copy(), *parameters

    parameters = (*(between(low, high, 1) for low, high in intervals), between(-0.5, 0.5, 1), between(0.6, 1.6, 1))
    arrays = st.tuples(*parameters).map(with_points)
    # Second order is in `test_stats.py`.
    SUBJECTS.append(Subject("stats", name, call, arrays, order=1, tolerance=1e-5, closeness=1e-6))


for _name, _intervals in DISTRIBUTIONS.items():
    _declare(_name, _intervals)
for _name, _shapes in ON_FIXED_SHAPES.items():
    _declare(_name, [], _shapes)
