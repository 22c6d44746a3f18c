"""Descriptive statistics, as compositions of tapenet.numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, check_is_count, collected, holds_tensor, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.scipy import special
from tapenet.scipy.placing import published


def check_policy(function: str, nan_policy: str) -> None:
    """Raise for a treatment of NaN that there is not on a tape."""
    if nan_policy != "propagate":
        raise ArgumentError(
            f"stats.{function}: nan_policy must be 'propagate' on a tape; got {nan_policy!r}. "
            "Remove NaN first: x[~np.isnan(x)]."
        )


def central_moment(x: Array, order: int, axis: Any, center: Any = None) -> Array:
    """Compute a central moment; of real numbers, of the last axes."""
    x = as_array(x)
    middle = tnp.mean(x, axis=axis, keepdims=True) if center is None else center
    return tnp.mean(tnp.power(x - middle, float(order)) if order > 1 else x - middle, axis=axis)


def size_along(x: Array, axis: Any) -> int:
    """Return the count of elements of some axes, all by None."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return math.prod(x.shape[i] for i in axes)


def _kept(found: Array, x: Array, axis: Any) -> Array:
    """Return a statistic with axes of length 1 where it was taken."""
    return tnp.expand_dims(found, tuple(range(np.ndim(x))) if axis is None else axis)


@numpy_function(scipy.stats.moment)
def moment(
    a: Array,
    order: Any = 1,
    axis: Any = 0,
    nan_policy: str = "propagate",
    *,
    center: Any = None,
    keepdims: bool = False,
) -> Array:
    check_is_count("stats.moment", "order", order)
    check_policy("moment", nan_policy)
    orders = np.asarray(order)
    if orders.ndim > 1 or orders.size == 0:
        raise ArgumentError(
            f"stats.moment: `order` must be a scalar or a non-empty 1D array; got shape {orders.shape}."
        )
    if orders.ndim == 1:
        each = (moment(a, n, axis, nan_policy, center=center, keepdims=keepdims) for n in orders.tolist())
        return tnp.stack(list(each))
    if order == 0:
        return tnp.mean(0.0 * a + 1.0, axis=axis, keepdims=keepdims)
    found = 0.0 * tnp.mean(a, axis=axis) if order == 1 and center is None else central_moment(a, order, axis, center)
    return _kept(found, a, axis) if keepdims else found


published(moment, scipy.stats, "moment", "Derivative: n (x - m)^(n - 1) over the count, less its mean, m the mean.")


@numpy_function(scipy.stats.skew)
def skew(a: Array, axis: Any = 0, bias: bool = True, nan_policy: str = "propagate", *, keepdims: bool = False) -> Array:
    check_policy("skew", nan_policy)
    n = size_along(a, axis)
    second, third = central_moment(a, 2, axis), central_moment(a, 3, axis)
    found = third / tnp.power(second, 1.5)
    if not bias and n > 2:
        found = found * (math.sqrt((n - 1.0) * n) / (n - 2.0))
    return _kept(found, a, axis) if keepdims else found


published(skew, scipy.stats, "skew", "Derivative: that of m3 / m2^1.5, central moments.")


@numpy_function(scipy.stats.kurtosis)
def kurtosis(
    a: Array,
    axis: Any = 0,
    fisher: bool = True,
    bias: bool = True,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    check_policy("kurtosis", nan_policy)
    n = size_along(a, axis)
    second, fourth = central_moment(a, 2, axis), central_moment(a, 4, axis)
    found = fourth / (second * second)
    if not bias and n > 3:
        found = ((n**2 - 1.0) * found - 3 * (n - 1.0) ** 2) / ((n - 2.0) * (n - 3.0)) + 3.0
    found = found - 3 if fisher else found
    return _kept(found, a, axis) if keepdims else found


published(kurtosis, scipy.stats, "kurtosis", "Derivative: that of m4 / m2^2, central moments.")


@numpy_function(scipy.stats.zscore)
def zscore(a: Array, axis: Any = 0, ddof: int = 0, nan_policy: str = "propagate") -> Array:
    check_policy("zscore", nan_policy)
    return zmap(a, a, axis, ddof)


published(zscore, scipy.stats, "zscore", "Derivative: that of (x - mean) / std; NaN where all values are equal.")


@numpy_function(scipy.stats.zmap)
def zmap(scores: Array, compare: Array, axis: Any = 0, ddof: int = 0, nan_policy: str = "propagate") -> Array:
    check_policy("zmap", nan_policy)
    middle = tnp.mean(compare, axis=axis, keepdims=True)
    return (scores - middle) / tnp.std(compare, axis=axis, ddof=ddof, keepdims=True)


published(zmap, scipy.stats, "zmap", "Derivative: that of (x - mean) / std, mean and std of `compare`.")


def _weighted_mean(x: Array, weights: Any, axis: Any, keepdims: bool) -> Array:
    if weights is None:
        return tnp.mean(x, axis=axis, keepdims=keepdims)
    weights = tnp.broadcast_to(as_array(weights), x.shape)
    total = tnp.sum(weights, axis=axis, keepdims=keepdims)
    return tnp.sum(weights * x, axis=axis, keepdims=keepdims) / total


@numpy_function(scipy.stats.gmean)
def gmean(
    a: Array,
    axis: Any = 0,
    dtype: Any = None,
    weights: Array = None,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    check_policy("gmean", nan_policy)
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    return tnp.exp(_weighted_mean(tnp.log(a), weights, axis, keepdims))


published(gmean, scipy.stats, "gmean", "Derivative: that of the exponential of the mean of the logarithms.")


@numpy_function(scipy.stats.hmean)
def hmean(
    a: Array,
    axis: Any = 0,
    dtype: Any = None,
    *,
    weights: Array = None,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    check_policy("hmean", nan_policy)
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    return 1.0 / _weighted_mean(1.0 / a, weights, axis, keepdims)


published(hmean, scipy.stats, "hmean", "Derivative: that of 1 over the mean of the reciprocals.")


@numpy_function(scipy.stats.pmean)
def pmean(
    a: Array,
    p: Array,
    *,
    axis: Any = 0,
    dtype: Any = None,
    weights: Array = None,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    check_policy("pmean", nan_policy)
    a = as_array(a) if dtype is None else as_array(a).astype(dtype)
    return tnp.power(_weighted_mean(tnp.power(a, p), weights, axis, keepdims), 1.0 / p)


published(pmean, scipy.stats, "pmean", "Derivative: that of the power 1 / p of the mean of the powers, p not 0.")


@numpy_function(scipy.stats.entropy)
def entropy(
    pk: Array,
    qk: Array = None,
    base: Any = None,
    axis: Any = 0,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    check_policy("entropy", nan_policy)
    pk = as_array(pk) * 1.0
    pk = pk / tnp.sum(pk, axis=axis, keepdims=True)
    if qk is None:
        terms = special.entr(pk)
    else:
        pk, qk = tnp.broadcast_arrays(pk, as_array(qk) * 1.0)
        terms = special.rel_entr(pk, qk / tnp.sum(qk, axis=axis, keepdims=True))
    total = tnp.sum(terms, axis=axis, keepdims=keepdims)
    return total if base is None else total / (tnp.log(base) if holds_tensor(base) else math.log(base))


published(entropy, scipy.stats, "entropy", "Derivatives: of the sum of -p log(p), or p log(p / q), p and q normalized.")


@numpy_function(scipy.stats.sem)
def sem(a: Array, axis: Any = 0, ddof: int = 1, nan_policy: str = "propagate", *, keepdims: bool = False) -> Array:
    check_policy("sem", nan_policy)
    return tnp.std(a, axis=axis, ddof=ddof, keepdims=keepdims) / math.sqrt(size_along(as_array(a), axis))


published(sem, scipy.stats, "sem", "Derivative: that of the standard deviation over the root of the count.")


@numpy_function(scipy.stats.variation)
def variation(
    a: Array, axis: Any = 0, nan_policy: str = "propagate", ddof: int = 0, *, keepdims: bool = False
) -> Array:
    check_policy("variation", nan_policy)
    return tnp.std(a, axis=axis, ddof=ddof, keepdims=keepdims) / tnp.mean(a, axis=axis, keepdims=keepdims)


published(variation, scipy.stats, "variation", "Derivative: that of the standard deviation over the mean.")


class PearsonResult(tuple[Array, Array]):
    """The result of `pearsonr`: a pair of `statistic` and `pvalue`."""

    __slots__ = ()

    @property
    def statistic(self) -> Array:
        """The correlation coefficient."""
        return self[0]

    @property
    def pvalue(self) -> Array:
        """The probability of a correlation that is as strong, of independent normal variables."""
        return self[1]

    @property
    def correlation(self) -> Array:
        """The correlation coefficient."""
        return self[0]


@numpy_function(scipy.stats.pearsonr)
def pearsonr(x: Array, y: Array, *, alternative: str = "two-sided", method: Any = None, axis: Any = 0) -> Any:
    if method is not None:
        raise ArgumentError(f"stats.pearsonr: method must be None on a tape; got {method!r}.")
    x, y = x - tnp.mean(x, axis=axis, keepdims=True), y - tnp.mean(y, axis=axis, keepdims=True)
    scale = tnp.sqrt(tnp.sum(x * x, axis=axis)) * tnp.sqrt(tnp.sum(y * y, axis=axis))
    r = tnp.sum(x * y, axis=axis) / scale
    shape = (x.shape[0 if axis is None else axis]) / 2 - 1
    lower = special.betainc(shape, shape, (1 + r) / 2)
    upper = special.betainc(shape, shape, (1 - r) / 2)
    if alternative not in ("two-sided", "less", "greater"):
        raise ArgumentError(
            f"stats.pearsonr: alternative must be 'two-sided', 'less' or 'greater'; got {alternative!r}."
        )
    two_sided = 2 * special.betainc(shape, shape, (1 - tnp.abs(r)) / 2)
    return PearsonResult((r, {"two-sided": two_sided, "less": lower, "greater": upper}[alternative]))


published(
    pearsonr,
    scipy.stats,
    "pearsonr",
    "Derivative: that of the covariance over the product of standard deviations, and of the p-value of it.",
)


class gaussian_kde:  # SciPy's name
    """An estimate of a density by a sum of Gaussians around data, as scipy.stats.gaussian_kde.

    Derivatives: of the estimate and of `logpdf` by the points, and by the data and weights, through the covariance and
    through Scott's or Silverman's factor, which depends on the weights.

    Args:
        dataset: the data, shape (number,) or (dimensions, number).
        bw_method: "scott", "silverman", a number, or a function of the estimate.
        weights: of the data, shape (number,).
    """

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        self.dataset = tnp.atleast_2d(as_array(collected(dataset)) * 1.0)
        self.d, self.n = self.dataset.shape
        if self.n < 2:
            raise ArgumentError(f"stats.gaussian_kde: dataset must have more than one element; got {self.n}.")
        weights = np.full(self.n, 1.0 / self.n) if weights is None else as_array(collected(weights)) * 1.0
        self.weights = weights / tnp.sum(weights)
        self.neff = 1 / tnp.sum(self.weights * self.weights)
        self.factor = self._factor("scott" if bw_method is None else bw_method)
        centred = self.dataset - tnp.sum(self.dataset * self.weights, axis=1, keepdims=True)
        scatter = tnp.matmul(centred * self.weights, centred.T) / (1 - tnp.sum(self.weights * self.weights))
        self.covariance = scatter * self.factor**2

    def _factor(self, method: Any) -> Array:
        if method == "scott":
            return tnp.power(self.neff, -1.0 / (self.d + 4))
        if method == "silverman":
            return tnp.power(self.neff * (self.d + 2.0) / 4.0, -1.0 / (self.d + 4))
        if callable(method):
            return method(self)
        if holds_tensor(method) or isinstance(method, int | float | np.number):
            return method
        raise ArgumentTypeError(
            f"stats.gaussian_kde: bw_method must be 'scott', 'silverman', a number or a function; got {method!r}."
        )

    def logpdf(self, x: Any) -> Array:
        """Compute the logarithm of the estimate at points of shape (dimensions, number)."""
        points = tnp.atleast_2d(as_array(collected(x)))
        if points.shape[0] != self.d:
            if points.shape[0] != 1 or points.shape[1] != self.d:
                raise ArgumentError(f"stats.gaussian_kde: points must have dimension {self.d}; got {points.shape[0]}.")
            points = points.T
        root = tnp.linalg.cholesky(self.covariance)
        apart = tnp.reshape(points[:, :, None] - self.dataset[:, None, :], (self.d, -1))
        scaled = tnp.linalg.solve(root, apart)
        exponent = tnp.reshape(-tnp.sum(scaled * scaled, axis=0) / 2, (points.shape[1], self.n))
        logdet = tnp.sum(tnp.log(tnp.diagonal(root))) + self.d / 2 * math.log(2 * math.pi)
        return special.logsumexp(exponent, axis=1, b=self.weights) - logdet

    def evaluate(self, points: Any) -> Array:
        """Compute the estimate at points of shape (dimensions, number)."""
        return tnp.exp(self.logpdf(points))

    pdf = evaluate
    __call__ = evaluate
