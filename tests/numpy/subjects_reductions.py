"""Subjects: reductions, order statistics, averages, running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.numpy.subjects import A, C, D, G, P, _of, case, either, has_numbers, of, with_nan
from tests.samples import drawing

# ---- reductions ----

AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}]
MASK3 = np.array([[[True], [False]], [[True], [True]]])

PLAIN_REDUCTIONS = "sum mean prod max min amax amin ptp var std median".split()
NAN_REDUCTIONS = "nansum nanmean nanprod nanmax nanmin nanvar nanstd nanmedian".split()
for name in PLAIN_REDUCTIONS + NAN_REDUCTIONS:
    numbers = D if any(part in name for part in ("max", "min", "ptp", "med", "std")) else A
    for keywords in AXES:
        case(name, of(name, **keywords), numbers(2, 2, 3))
    if name not in ("ptp", "median", "nanmedian"):
        start = {"initial": -9.0 if "max" in name else 9.0} if name[-3:] in ("max", "min") else {}
        case(name, lambda xp, x, name=name, k=start: getattr(xp, name)(x, axis=1, where=MASK3, **k), numbers(2, 2, 3))
    if name.startswith("nan"):
        for axis in (None, 0, -1):
            case(
                name,
                of(name, axis),
                with_nan(4, 3).filter(has_numbers),
            )
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([x, y, 0.125]), D(), G(), dispatches=False)
for name in ("sum", "prod"):
    case(name, of(name, axis=0, initial=2.0), A(2, 3))
    case(name, of(name, dtype=np.longdouble), A(2, 3))
case("prod", lambda xp, x: xp.prod(x * np.array([0.0, 1.0, 0.0]), -1), A(2, 3))
case("prod", lambda xp, x: xp.prod(x * np.array([0.0, 1.0, 1.0]), -1), A(2, 3))
case("var", lambda xp, x: xp.var(x, ddof=1), either(4))
case("var", lambda xp, x: xp.var(x, axis=0, correction=1), A(4, 2))
case("var", lambda xp, x, m: xp.var(x, 0, mean=m), A(4, 2), A(1, 2))
case("std", lambda xp, x: xp.std(x, 0, ddof=1), either(4, 2))
case("mean", lambda xp, z: xp.mean(z), C(3))
case("average", lambda xp, x: xp.average(x, 0), A(3, 2))
case("average", lambda xp, x, w: xp.average(x, 1, w, True), A(3, 2), P(2))
case("average", lambda xp, x, w: xp.average(x, weights=w), A(3, 2), P(3, 2))
case("average", lambda xp, x, w: xp.average(x, (0, 2), w, keepdims=True), A(2, 3, 2), P(2, 2))

METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear "
    "median_unbiased normal_unbiased lower higher midpoint nearest"
).split()
CONTINUOUS = ("linear", "hazen", "weibull", "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf")
for method in METHODS:
    case("quantile", lambda xp, x, m=method: xp.quantile(x, [0.2, 0.73], axis=0, method=m), D(5, 2))
    case(
        "nanquantile",
        lambda xp, x, m=method: xp.nanquantile(x, 0.62, axis=1, method=m),
        with_nan(3, 4).filter(lambda x: (~np.isnan(x)).sum(1).min() > 0),
    )
for method in CONTINUOUS:
    case(
        "quantile",
        lambda xp, x, q, m=method: xp.quantile(x, q, method=m),
        D(5),
        st.sampled_from([0.33, 0.47, 0.68]).map(np.asarray),
    )
case("quantile", lambda xp, x: xp.quantile(x, np.array([[0.1], [0.9]]), axis=(0, 2), keepdims=True), D(2, 3, 2))
case(
    "quantile",
    lambda xp, x: xp.quantile(x, 0.6, axis=0, weights=np.array([0.5, 2.0, 1.0]), method="inverted_cdf"),
    D(3, 2),
)
case("nanquantile", lambda xp, x: xp.nanquantile(x, 0.6, weights=np.full((3, 2), 0.5), method="inverted_cdf"), D(3, 2))
for name in ("percentile", "nanpercentile"):
    case(name, of(name, 30), D(5))
    case(name, of(name, [30, 80], axis=-1, keepdims=True), D(2, 5))

W, F = np.array([0.5, 1.0, 2.0, 0.7]), np.array([1, 2, 1, 3])
case("cov", lambda xp, x: xp.cov(x), either(2, 4))
case("cov", lambda xp, x: xp.cov(x), A(4))
case("cov", lambda xp, x, y: xp.cov(x, y, bias=True), A(4), A(4))
case("cov", lambda xp, x: xp.cov(x, rowvar=False, ddof=0), A(4, 2))
case("cov", lambda xp, x: xp.cov(x, fweights=F), A(2, 4))
case("cov", lambda xp, x, w: xp.cov(x, aweights=w, fweights=F), A(2, 4), P(4))
case("corrcoef", lambda xp, x: xp.corrcoef(x), _of(drawing.numbers, (2, 5)) | C(2, 5))
case("corrcoef", lambda xp, x, y: xp.corrcoef(x, y), A(5), A(5))
case("bincount", lambda xp, w: xp.bincount(np.array([0, 2, 2]), w, 4), A(3))

# ---- cumulative ----

for name in "cumsum cumprod nancumsum nancumprod".split():
    for axis in (None, 0, -1):
        case(name, of(name, axis), either(2, 3))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x * np.array([1.0, 0.0, 1.0]), axis=1), A(2, 3))
case("nancumprod", lambda xp, x: xp.nancumprod(x, 0), with_nan(4, 2))
case("nancumsum", lambda xp, x: xp.nancumsum(x, 0), with_nan(4, 2))
for name in ("cumulative_sum", "cumulative_prod"):
    case(name, of(name), A(3))
    case(name, of(name, axis=-2, include_initial=True), A(2, 3))
