"""Order statistics: medians and quantiles, as elements of sorted rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import as_array, axes_of
from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import branch_condition, choice, constant
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.ops.arrays.indexing import take_along_axis
from tapenet.ops.arrays.shaping import broadcast_to, moveaxis, ravel, reshape, transpose
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, subtract, where
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.choices import detached, equal, greater_equal, isinf, isnan, logical_and
from tapenet.ops.elementwise.comparison import greater, less, logical_or
from tapenet.ops.reductions.nan_functions import nanmean
from tapenet.ops.reductions.reduction import Axis, mean, published
from tapenet.ops.reductions.sorting import sort

# ---- elements in order, along one last axis ----


def _as_rows(function: str, a: Array, axis: Axis) -> tuple[Array, tuple[int, ...]]:
    """Move the axes that are reduced into one last axis; give also the shape that keepdims leaves."""
    axes = tuple(range(a.ndim)) if axis is None else axes_of(function, axis, a.ndim)
    rest = shapes.without(a.shape, axes)
    moved = moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    kept = shapes.kept(a.shape, axes)
    return reshape(moved, (*rest, shapes.count(a.shape, axes))), kept


def _count_of_each(rows: Array) -> Array:
    """Count the elements of each row that are not NaN."""
    return np.sum(~np.isnan(rows), -1)


_counts = choice(_count_of_each, name="counts", batch=elementwise_rule)  # rows in front of rows


def _at(rows: Array, places: Array) -> Array:
    """Take from each row the element at its place."""
    return take_along_axis(rows, places[..., None], -1)[..., 0]


def _median_function(theirs: Callable[..., Array], doc: str) -> Callable[..., Array]:
    """Return the public function of a median; by its name it passes over NaN."""
    name = theirs.__name__
    middle_of = _middle_past_nan if name.startswith("nan") else _middle

    def function(
        a: Array, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
    ) -> Array:
        rows, kept = _as_rows(name, as_array(a), axis)
        ordered = sort(rows)
        middle = middle_of(rows, ordered) if rows.shape[-1] else mean(ordered, -1)  # of nothing as NumPy
        return reshape(middle, kept) if keepdims else as_scalar(middle)

    return published(function, theirs, doc)


def _middle(rows: Array, ordered: Array) -> Array:
    """Return the middle of each row, NaN where there is one: it is sorted to the end."""
    n = rows.shape[-1]
    # Of an odd n twice the same element, which the mean leaves as it is.
    return where(isnan(ordered[..., -1]), np.nan, mean(ordered[..., [(n - 1) // 2, n // 2]], -1))


def _middle_past_nan(rows: Array, ordered: Array) -> Array:
    """Return the middle of what is not NaN in each row."""
    counts = _counts(rows)
    # Kept inside also for rows of NaN alone, whose result is replaced below.
    below, above = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, rows.shape[-1] - 1)
    return where(equal(counts, 0), np.nan, (_at(ordered, below) + _at(ordered, above)) / 2)


median = _median_function(
    np.median,
    """Find the middle element in order, along axes; of an even number the mean of both. NaN where there is one.

    Derivative: 1 for the middle element, 0.5 each for the middle two. Of equal elements it goes to those that a stable
    sort puts there.

    On a Tensor `overwrite_input` has no effect.

    >>> float(tnp.median(np.array([3.0, 1.0, 2.0])))
    2.0
    >>> tn.grad(tnp.median)(np.array([3.0, 1.0, 2.0, 4.0]))
    array([0.5, 0. , 0.5, 0. ])
    """,
)
nanmedian = _median_function(
    np.nanmedian,
    """Find the median of the elements that are not NaN, along axes; NaN where there is none.

    Derivative: that of `median`, and 0 at NaN.

    On a Tensor `overwrite_input` has no effect.

    >>> float(tnp.nanmedian(np.array([3.0, np.nan, 1.0])))
    2.0
    """,
)


# ---- quantiles ----

# Place of the quantile q among n elements: (n + 1 - a - b) q + a - 1, by method. Hyndman and Fan, "Sample
# Quantiles in Statistical Packages", The American Statistician 50 (1996). Other methods jump between elements.
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_BETWEEN = ("averaged_inverted_cdf", "midpoint")
_OF_ELEMENTS = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")  # never between two
_METHODS = (*_CONTINUOUS, *_BETWEEN, *_OF_ELEMENTS)


def _find_places(q: Array, counts: Array, *, method: str) -> Array:
    """Find for each q, and each count, the place of the quantile among the elements in order.

    A quantile is a function of the place alone, so that of 0, 1, 2 ... is the place: NumPy's own arithmetic, for
    each of its methods.
    """
    counts = np.asarray(counts)
    q = q.astype(np.float64) if q.dtype.char == "e" else q  # float16 holds no place beyond 2048
    places = np.zeros(np.shape(q) + counts.shape)
    for count in np.unique(counts[counts > 0]):
        here = np.quantile(np.arange(count, dtype=float), q, method=method)  # type: ignore[call-overload]  # NumPy names literals
        places[..., counts == count] = np.asarray(here)[..., None]
    return places


_places = choice(_find_places, name="places")
_before = choice(lambda places: np.floor(places).astype(np.intp), name="before")


def _find_lies_in_front(q: Array, counts: Array, *, method: str) -> Array:
    """Find for each q, and each count, whether the quantile is the first element alone, without that behind it.

    Where that is infinite, it makes the quantile NaN even with the weight 0.
    """
    found = np.zeros(np.shape(q) + np.shape(counts), np.intp)
    if method in ("linear", *_BETWEEN, *_OF_ELEMENTS):
        return found
    for count in np.unique(counts[np.asarray(counts) > 1]):
        infinite = np.where(np.arange(count) == 0, 0, np.inf)
        with np.errstate(invalid="ignore"):
            here = np.quantile(infinite, q.astype(np.float64), method=method)  # type: ignore[call-overload]  # NumPy names literals
        found[..., counts == count] = np.asarray(here == 0)[..., None]
    return found


_lies_in_front = choice(_find_lies_in_front, name="lies_in_front")


def _find_slope(places: Array, counts: Array, *, method: str) -> Array:
    """Find the slope of each place by q; 0 at the ends."""
    a, b = _CONTINUOUS[method]
    return np.where((places > 0) & (places < counts - 1), counts + (1 - a - b), 0)


_slope = choice(_find_slope, name="slope")


def _fraction(q: Array, places: Array, counts: Array, method: str, dtype: Any) -> Array:
    """Compute how far each place is past the element before it; differentiable in q for continuous methods."""
    fraction = astype(subtract(places, _before(places)), dtype)
    if type(q) is not Tensor or method not in _CONTINUOUS:
        return fraction
    slope = astype(_slope(places, counts, method=method), fraction.dtype)
    # 0 in value, with the derivative of q: the places themselves are constants.
    from_q = reshape(subtract(q, detached(q)), q.shape + (1,) * (np.ndim(places) - q.ndim))
    return add(fraction, multiply(from_q, slope))


def _between(below: Array, above: Array, fraction: Array) -> Array:
    """Compute below + fraction (above - below), from the nearer end."""
    is_one = logical_and(equal(above, below), isinf(below))  # of which the difference is NaN
    step = where(is_one, 0, subtract(where(is_one, 0, above), where(is_one, 0, below)))
    return where(
        # As NumPy: from the nearer end both ends are exact.
        greater_equal(fraction, 0.5),
        subtract(above, multiply(step, 1 - fraction)),
        add(below, multiply(step, fraction)),
    )


def _quantile_function(theirs: Callable[..., Array], doc: str) -> Callable[..., Array]:
    """Return the public function of a quantile; by its name it takes percents, and passes over NaN."""
    name = theirs.__name__
    skips_nan = name.startswith("nan")

    def function(
        a: Array,
        q: Array,
        axis: Axis = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Array = None,
    ) -> Array:
        a = as_array(a)
        if a.dtype.kind == "c":
            raise ArgumentTypeError(f"{name}: a must be real; got {a.dtype}.")
        if method not in _METHODS:
            raise ArgumentError(f"{name}: method must be one of {', '.join(_METHODS)}; got {method!r}.")
        is_weak = type(q) in (int, float) and a.dtype.kind == "f"  # then quantiles have the dtype of the elements
        q = _checked_q(name, q)
        if skips_nan and a.size == 0:
            return nanmean(a, axis, keepdims=keepdims)  # as NumPy, whatever q is
        rows, kept = _as_rows(name, a, axis)
        if weights is not None:
            found = _weighted(name, rows, ravel(q), _weights_of_rows(name, a, weights, axis), method, skips_nan)
        else:
            found = _interpolated(name, rows, ravel(q), method, skips_nan, a.dtype if is_weak else q.dtype)
        if skips_nan and found.dtype != a.dtype and _begins_with_nothing(rows):
            found = astype(found, a.dtype)  # NumPy takes the dtype of the first quantile, and that of nothing from a
        found = reshape(found, q.shape + (kept if keepdims else rows.shape[:-1]))
        is_array = keepdims or (skips_nan and weights is not None)  # as NumPy gives also what has no axes
        return found if is_array else as_scalar(found)

    return published(function, theirs, doc)


@branch_condition
def _begins_with_nothing(rows: Array) -> bool:
    """Return whether the first row is NaN throughout; under `vmap` that of any example."""
    return bool(np.all(np.isnan(np.reshape(rows, (-1, rows.shape[-1]))[:1])))


def _checked_q(function: str, q: Array) -> Array:
    """Give q as an array of fractions."""
    q = as_array(q)
    top = 100 if function.endswith("percentile") else 1
    if holds_anywhere(logical_or(less(q, 0), greater(q, top))):
        raise ArgumentError(f"{function}: q must be in [0, {top}]; got {constant(q)}.")
    return divide(q, 100) if top == 100 else q


def _interpolated(function: str, rows: Array, q: Array, method: str, skips_nan: bool, dtype: Any) -> Array:
    """Compute the quantiles of each row, q first."""
    ordered = sort(rows)
    n = rows.shape[-1]
    if n == 0:
        raise ArgumentError(f"{function}: a must have an element along axis; got none.")
    counts = _counts(rows) if skips_nan else np.full(rows.shape[:-1], n)
    places = _places(q, counts, method=method)
    fraction = _fraction(q, places, counts, method, dtype if dtype.kind == "f" else np.float64)
    before = _before(places)
    behind = np.minimum(before + 1 - _lies_in_front(q, counts, method=method), np.maximum(counts - 1, 0))
    spread = broadcast_to(ordered, (*before.shape, n))
    below = _at(spread, before)
    if method in _OF_ELEMENTS:
        found = below
    else:
        found = _between(below, _at(spread, behind), fraction)
    missing = equal(counts, 0) if skips_nan else isnan(ordered[..., -1])
    return where(missing, np.nan, found)


def _weights_of_rows(function: str, a: Array, weights: Array, axis: Axis) -> Array:
    """Give weights the shape of the rows; they come for each element, or for each place along the axes."""
    weights = detached(as_array(weights))
    if weights.shape != a.shape:
        if axis is None:
            raise ArgumentTypeError(f"{function}: axis must be given where weights differ in shape; got None.")
        axes = axes_of(function, axis, a.ndim)
        if weights.shape != tuple(a.shape[i] for i in axes):
            raise ArgumentError(
                f"{function}: weights must have shape {a.shape}, or that along axis; got {weights.shape}."
            )
        weights = transpose(weights, np.argsort(axes))  # type: ignore[arg-type]  # an array of ints does
        lengths = tuple(length if i in axes else 1 for i, length in enumerate(a.shape))
        weights = broadcast_to(reshape(weights, lengths), a.shape)
    return _as_rows(function, weights, axis)[0]


def _find_places_by_weight(rows: Array, q: Array, weights: Array, *, method: str, skips_nan: bool) -> Array:
    """Find for each q, and each row, the first place of the element that is the quantile by weight."""
    quantile_of = np.nanquantile if skips_nan else np.quantile
    found = quantile_of(rows, q, axis=-1, weights=weights, method=method)[..., None]  # type: ignore[call-overload]  # NumPy names literals
    return np.argmax((rows == found) | (np.isnan(rows) & np.isnan(found)), -1)


_places_by_weight = choice(_find_places_by_weight, name="places_by_weight")


def _weighted(function: str, rows: Array, q: Array, weights: Array, method: str, skips_nan: bool) -> Array:
    if method != "inverted_cdf":
        raise ArgumentError(f"{function}: method must be 'inverted_cdf' with weights; got {method!r}.")
    places = _places_by_weight(rows, q, weights, method=method, skips_nan=skips_nan)
    return _at(broadcast_to(rows, (*places.shape, rows.shape[-1])), places)


quantile = _quantile_function(
    np.quantile,
    """Find the q-th quantiles along axes, q in [0, 1], by any of NumPy's methods. NaN where there is one.

    Derivatives: for a, 1 - f for the element before the quantile and f for the one behind it, with f the fraction of
    the way between them; of equal elements, those that a stable sort puts there. For q, the slope between the two
    elements with a continuous method, and 0 at the ends and with the other methods. For weights 0, as the quantile
    jumps from element to element.

    On a Tensor `overwrite_input` has no effect.

    Returns:
        An array with the axes of q first, then those of a that are left.

    Raises:
        ArgumentError: q outside of [0, 1]; weights with a method other than "inverted_cdf".

    >>> float(tnp.quantile(np.array([0.0, 1.0, 4.0]), 0.75))
    2.5
    """,
)
percentile = _quantile_function(
    np.percentile,
    """Find the q-th percentiles along axes, q in [0, 100]: `quantile` at q / 100.

    Derivatives: those of `quantile`.

    On a Tensor `overwrite_input` has no effect.

    >>> float(tnp.percentile(np.array([0.0, 1.0, 4.0]), 75))
    2.5
    """,
)
nanquantile = _quantile_function(
    np.nanquantile,
    """Find the q-th quantiles of the elements that are not NaN, along axes; NaN where there is none.

    Derivatives: those of `quantile`, and 0 at NaN.

    On a Tensor `overwrite_input` has no effect.

    >>> float(tnp.nanquantile(np.array([0.0, np.nan, 4.0]), 0.5))
    2.0
    """,
)
nanpercentile = _quantile_function(
    np.nanpercentile,
    """Find the q-th percentiles of the elements that are not NaN, along axes: `nanquantile` at q / 100.

    Derivatives: those of `quantile`, and 0 at NaN.

    On a Tensor `overwrite_input` has no effect.

    >>> float(tnp.nanpercentile(np.array([0.0, np.nan, 4.0]), 50))
    2.0
    """,
)


def holds_anywhere(test: Array) -> bool:
    """Tell whether a test of arguments holds somewhere; under `vmap`, where values are unknown, it is False."""
    return type(test) is not Tensor and bool(np.any(test))
