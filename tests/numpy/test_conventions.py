"""Where a function of NumPy's has a kink, a tie, NaN or nothing at all: what its derivative is taken to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

Array = Any
NAN, INF = np.nan, np.inf


def gradient(f: Callable[[Array], Array], x: Any) -> Array:
    """By both modes, which agree."""
    x = np.asarray(x, float)
    by_reverse = tn.grad(lambda x: tnp.sum(f(x)))(x)
    by_forward = [tn.jvp(lambda x: tnp.sum(f(x)), (x,), (row,))[1] for row in np.eye(x.size).reshape(x.size, *x.shape)]
    np.testing.assert_allclose(np.ravel(by_reverse), by_forward, rtol=1e-12, atol=1e-12)
    return by_reverse


CONVENTIONS: dict[str, tuple[Callable[[Array], Array], Any, Any]] = {
    "nan_to_num at NaN and the infinities": (tnp.nan_to_num, [1.0, NAN, INF, -INF], [1, 0, 0, 0]),
    "copysign at 0": (lambda x: tnp.copysign(x, -1.0), [0.0, 2.0, -2.0], [0, -1, 1]),
    "modf at a jump": (lambda x: tnp.modf(x)[0], [2.0, -1.0], [1, 1]),
    "frexp at a jump": (lambda x: tnp.frexp(x)[0], [4.0, 0.0], [0.125, 1]),
    "i0 at 0": (tnp.i0, [0.0], [0]),
    "sinc at 0": (tnp.sinc, [0.0], [0]),
    "unwrap at a jump": (tnp.unwrap, [0.0, np.pi, 2 * np.pi], [1, 1, 1]),
    "round at a half": (tnp.round, [0.5], [0]),
    "sort of ties is stable": (lambda x: tnp.sort(x) * [1, 2, 3], [1.0, 0.0, 1.0], [2, 1, 3]),
    "sort, largest first, of ties is stable": (
        lambda x: tnp.sort(x, descending=True) * [1, 2, 3],
        [1.0, 0.0, 1.0],
        [1, 3, 2],
    ),
    "unique gives to the first": (lambda x: tnp.unique(x) * [1, 2], [5.0, 3.0, 5.0], [2, 1, 0]),
    "median of even count": (tnp.median, [3.0, 1.0, 2.0, 0.0], [0, 0.5, 0.5, 0]),
    "median of ties is stable": (tnp.median, [2.0, 2.0, 2.0], [0, 1, 0]),
    "median with NaN": (tnp.median, [1.0, NAN], [0, 0]),
    "nanmedian passes over NaN": (tnp.nanmedian, [1.0, NAN, 5.0], [0.5, 0, 0.5]),
    "quantile between elements": (lambda x: tnp.quantile(x, 0.25), [0.0, 1.0, 5.0], [0.5, 0.5, 0]),
    "quantile at the ends": (lambda x: tnp.quantile(x, [0.0, 1.0]), [4.0, 1.0, 5.0], [0, 1, 1]),
    "nanmax of ties": (tnp.nanmax, [3.0, NAN, 3.0], [0.5, 0, 0.5]),
    "nanmax of -inf": (tnp.nanmax, [-INF, NAN], [1, 0]),
    "nanmin of nothing": (lambda x: tnp.nanmin(x, axis=0), [NAN, NAN], [0, 0]),
    "max against its start": (lambda x: tnp.max(x, initial=3.0), [3.0, 1.0], [0.5, 0]),
    "max of a mask": (lambda x: tnp.max(x, initial=-9.0, where=[True, False]), [1.0, 7.0], [1, 0]),
    "nansum at NaN": (tnp.nansum, [1.0, NAN], [1, 0]),
    "nanmean at NaN": (tnp.nanmean, [1.0, NAN, 3.0], [0.5, 0, 0.5]),
    "nanstd of equal values": (tnp.nanstd, [2.0, NAN, 2.0], [0, 0, 0]),
    "nanprod with NaN and a zero": (tnp.nanprod, [2.0, NAN, 0.0, 3.0], [0, 0, 6, 0]),
    "prod with a zero": (tnp.prod, [2.0, 0.0, 3.0], [0, 6, 0]),
    "prod with two zeros": (tnp.prod, [0.0, 0.0, 3.0], [0, 0, 0]),
    "prod that would overflow in another order": (tnp.prod, [1e200, 1e-200, 1e200, 1e-200], [1e-200, 1e200] * 2),
    "cumprod with zeros": (tnp.cumprod, [2.0, 0.0, 3.0, 0.0], [1, 8, 0, 0]),
    "interp at a point": (lambda x: tnp.interp(x, [0, 1, 2], [0.0, 1.0, 5.0]), [0.0, 1.0, 2.0], [1, 4, 4]),
    "interp beyond the ends": (lambda x: tnp.interp(x, [0, 1], [0.0, 1.0]), [-1.0, 3.0], [0, 0]),
    "average by weights": (lambda w: tnp.average([1.0, 3.0], weights=w), [1.0, 1.0], [-0.5, 0.5]),
    "corrcoef at 1": (lambda x: tnp.corrcoef(x, [2.0, 4.0, 6.0])[0, 1], [1.0, 2.0, 3.0], [0, 0, 0]),
    "clip at a bound": (lambda x: tnp.clip(x, 0, 1), [0.0, 1.0, 0.5], [0, 0, 1]),
    "piecewise calls only where it holds": (
        lambda x: tnp.piecewise(x, [x > 0], [tnp.log, 0.0]),
        [2.0, 0.0, -1.0],
        [0.5, 0, 0],
    ),
    "select takes the first that holds": (
        lambda x: tnp.select([np.array([True]), np.array([True])], [x, 5 * x]),
        [2.0],
        [1],
    ),
    "repeated places add up": (lambda x: tnp.take(x, [0, 0, 1]), [1.0, 2.0], [2, 1]),
    "pad by copies adds up": (lambda x: tnp.pad(x, 2, "edge"), [1.0, 2.0], [3, 3]),
    "bincount by weights": (lambda w: tnp.bincount([1, 0, 1], w) * [1, 10], [1.0, 1.0, 1.0], [10, 1, 10]),
    "arange by its start": (lambda a: tnp.arange(a, 2.6, 1.0), 0.5, 3),
    "kaiser at 0": (lambda b: tnp.kaiser(5, b), 0.0, 0),
    "trapezoid by coordinates": (lambda x: tnp.trapezoid([1.0, 3.0], x), [0.0, 1.0], [-2, 2]),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_convention(name: str) -> None:
    f, x, expected = CONVENTIONS[name]
    np.testing.assert_allclose(gradient(f, x), expected, rtol=1e-12, atol=1e-15 * np.max(np.abs(expected)) + 1e-15)


def test_prod_and_cumprod_are_exact_with_zeros_to_second_order() -> None:
    x = np.array([2.0, 0.0, 3.0])
    np.testing.assert_array_equal(tn.hessian(tnp.prod)(x), [[0, 3, 0], [3, 0, 2], [0, 2, 0]])
    np.testing.assert_array_equal(tn.hessian(lambda x: tnp.cumprod(x).sum())(x), [[0, 4, 0], [4, 0, 2], [0, 2, 0]])


def test_modified_bessel_functions_agree_with_their_series_to_high_order() -> None:
    x = np.array([1e-3, 0.5, 3.0, 30.0, 600.0])
    by_scipy = pytest.importorskip("scipy.special")
    first, second = tn.elementwise_grad(tnp.i0), tn.elementwise_grad(tn.elementwise_grad(tnp.i0))
    np.testing.assert_allclose(first(x), by_scipy.i1(x), rtol=1e-13)
    np.testing.assert_allclose(second(x), by_scipy.ivp(0, x, 2), rtol=1e-13)


ERRORS: dict[str, tuple[Callable[[Array], Any], str]] = {
    "quantile": (lambda x: tnp.quantile(x, 1.5), r"quantile: q must be in \[0, 1\]; got 1.5"),
    "percentile": (lambda x: tnp.percentile(x, 150), r"percentile: q must be in \[0, 100\]; got 150"),
    "method": (lambda x: tnp.quantile(x, 0.5, method="best"), r"quantile: method must be one of .*; got 'best'"),
    "weights": (
        lambda x: tnp.quantile(x, 0.5, weights=[1, 1, 1]),
        r"quantile: method must be 'inverted_cdf' with weights; got 'linear'",
    ),
    "average": (lambda x: tnp.average(x, weights=[1.0, -1.0, 0.0]), "average: weights must not add up to 0"),
    "average-shape": (lambda x: tnp.average(x, 0, [1.0, 2.0]), r"average: weights must have shape \(3,\).*got \(2,\)"),
    "cov": (lambda x: tnp.cov(x[None, None]), r"cov: observations must have one or two axes; got shape \(1, 1, 3\)"),
    "diff": (lambda x: tnp.diff(x, n=-1), "diff: n must not be negative; got -1"),
    "gradient": (lambda x: tnp.gradient(x, edge_order=3), "gradient: edge_order must be 1 or 2; got 3"),
    "gradient-short": (
        lambda x: tnp.gradient(x[:1]),
        "gradient: f must have at least 2 elements along axis 0; got 1",
    ),
    "interp": (lambda x: tnp.interp(x, [0, 1], x), r"interp: xp and fp must have one shape .* got \(2,\), \(3,\)"),
    "convolve": (lambda x: tnp.convolve(x, x, "half"), "convolve: mode must be 'full', .* got 'half'"),
    "choose": (lambda x: tnp.choose([0, 3], [x[:2], x[:2]]), r"choose: a must name one of 2 choices.* got \[0 3\]"),
    "select": (lambda x: tnp.select([True], [x, x]), "select: there must be one choice for each .* got 1 .* and 2"),
    "compress": (lambda x: tnp.compress([[True]], x), r"compress: condition must have one axis; got shape \(1, 1\)"),
    "block": (lambda x: tnp.block([x, [x]]), r"block: lists must be nested to one depth; got depths \[0, 1\]"),
    "meshgrid": (lambda x: tnp.meshgrid(x, indexing="yx"), "meshgrid: indexing must be 'xy' or 'ij'; got 'yx'"),
    "pad": (lambda x: tnp.pad(x, -1), "pad: pad_width must not be negative; got -1"),
    "pad-mode": (lambda x: tnp.pad(x, 1, lambda *_: None), "pad: mode must be one of NumPy's names for a Tensor"),
    "pad-width": (lambda x: tnp.pad(x, (1, 2, 3)), r"pad: pad_width must be an int, .* got \(1, 2, 3\)"),
    "diag": (lambda x: tnp.diag(x[None, None]), r"diag: v must have one or two axes; got shape \(1, 1, 3\)"),
    "cross": (lambda x: tnp.cross(x, [1.0] * 4), "cross: vectors must have 2 or 3 elements; got 3 and 4"),
    "vecdot": (lambda x: tnp.vecdot(x, x[:2]), "vecdot: the axes summed over must have equal lengths; got 3, 2"),
    "vander": (lambda x: tnp.vander(x[None]), r"vander: x must have one axis; got shape \(1, 3\)"),
    "polyint": (lambda x: tnp.polyint(x, 3, [1.0, 2.0]), "polyint: k must hold 3 constants, or one; got 2"),
    "polyfit": (lambda x: tnp.polyfit(x, x, 1, full=True), "polyfit: full and cov must be false with a Tensor"),
    "unstack": (lambda x: tnp.unstack(x[0]), r"unstack: x must have at least one axis; got shape \(\)"),
    "hsplit": (lambda x: tnp.vsplit(x, 1), r"vsplit: ary must have at least 2 axes; got shape \(3,\)"),
    "rollaxis": (lambda x: tnp.rollaxis(x, 0, 5), r"rollaxis: start must be in \[-1, 1\] for 1 axes; got 5"),
    "insert": (lambda x: tnp.insert(x, 0.5, 1.0), "insert: obj must be integers, a mask or a slice; got float64"),
    "resize": (lambda x: tnp.resize(x, -1), "resize: new_shape must not be negative; got -1"),
    "trim_zeros": (lambda x: tnp.trim_zeros(x, "x"), "trim_zeros: trim must be 'f', 'b' or 'fb'; got 'x'"),
    "cumulative_sum": (
        lambda x: tnp.cumulative_sum(x[None]),
        "cumulative_sum: axis must be given for an array of 2 axes; got None",
    ),
    "max": (lambda x: tnp.max(x, where=[True, False, True]), "max: initial must be given with where="),
    "chkfinite": (lambda x: tnp.asarray_chkfinite(x / 0), "asarray_chkfinite: a must hold finite numbers"),
    "bincount": (
        lambda x: tnp.bincount([0, 1], x),
        r"bincount: x and weights .* got \(2,\) and \(3,\)",
    ),
    "histogram": (lambda x: tnp.histogram([1.0, 2.0, 3.0], weights=x), "histogram: weights must not be a Tensor"),
    "astype": (lambda x: x.astype(int, casting="safe"), "x.astype: dtype must be one that float64 casts to by 'safe'"),
    "moveaxis": (
        lambda x: tnp.moveaxis(x[None], (0, 1), 0),
        "moveaxis: source and destination must be of equal length; got 2 and 1",
    ),
    "squeeze": (lambda x: tnp.squeeze(x, 0), r"squeeze: axis 0 must have length 1; got shape \(3,\)"),
    "concatenate": (
        lambda x: tnp.concatenate([x[0], x[1]]),
        r"concatenate: arrays must have at least one axis; got one of shape \(\)\. Use stack",
    ),
    "concatenate-dtype": (
        lambda x: tnp.concatenate([x, x], dtype=int),
        "concatenate: dtype must be one that float64 casts to by 'same_kind'; got int64",
    ),
    "stack": (lambda x: tnp.stack([x, x[:2]]), r"stack: arrays must have one shape; got \(2,\), \(3,\)"),
    "split": (lambda x: tnp.split(x, 2), "split: axis 0 must divide into 2 equal parts"),
    "diff-scalar": (lambda x: tnp.diff(x[0]), r"diff: a must have at least one axis; got shape \(\)"),
    "gradient-coordinates": (
        lambda x: tnp.gradient(tnp.stack([x, x]), [0.0, 1.0, 3.0]),
        "gradient: coordinates must be given for each of 2 axes; got one",
    ),
    "gradient-spacing": (
        lambda x: tnp.gradient(x, [0.0, 1.0]),
        r"gradient: coordinates must have shape \(3,\); got \(2,\)",
    ),
    "interp-period": (lambda x: tnp.interp(x, x, x, period=0), "interp: period must not be 0; got 0"),
    "convolve-empty": (
        lambda x: tnp.convolve(x, []),
        r"convolve: a and v must not be empty; got shapes \(3,\), \(0,\)",
    ),
    "correlate-empty": (
        lambda x: tnp.correlate(x[:0], x),
        r"correlate: a and v must not be empty; got shapes \(0,\), \(3,\)",
    ),
    "ufunc over axes": (
        lambda x: np.subtract.reduce(tnp.stack([x, x]), axis=(0, 1)),
        r"subtract.reduce: axis must be one axis, as the order matters; got \(0, 1\)",
    ),
    "ufunc of nothing": (
        lambda x: np.subtract.reduce(x[:0]),
        r"subtract.reduce: x must hold an element along axis; got shape \(0,\)",
    ),
    "reduceat": (
        lambda x: np.add.reduceat(x, [0, 3]),
        r"add.reduceat: indices must be in \[0, 3\); got 3",
    ),
    "apply_over_axes": (lambda x: tnp.apply_over_axes(lambda a, i: a[0, 0], x[:, None, None], 0), "must reduce"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_came(name: str) -> None:
    f, text = ERRORS[name]
    with tn.GradientTape() as tape:
        x = tape.watch(np.array([1.0, 2.0, 4.0]))
        with pytest.raises(tn.TapenetError, match=text):
            f(x)
