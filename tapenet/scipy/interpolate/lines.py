"""Interpolation in one dimension by `interp1d`: straight lines, steps and splines."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, collected
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import across, in_place, interval, leaves
from tapenet.scipy.interpolate.splines import BSpline, make_interp_spline

_ORDERS = {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}
_KINDS = ("linear", "nearest", "nearest-up", "previous", "next")

_sorted_order = choice(lambda x: np.argsort(x, kind="mergesort"), name="interpolate.order")
_below = choice(lambda at, x: at < x[0], name="interpolate.below")
_above = choice(lambda at, x: at > x[-1], name="interpolate.above")


@branch_condition
def _holds_nan(y: Array) -> bool:
    return bool(np.any(np.isnan(y)))


def _extrapolates(fill_value: Any) -> bool:
    return isinstance(fill_value, str) and fill_value == "extrapolate"


@attrs.frozen(eq=False, init=False)
class interp1d:  # SciPy's name
    """Interpolate in one dimension by lines, steps or splines, as scipy.interpolate.interp1d.

    Derivatives: of lines and splines by the points, the data and the places, of steps by the data alone; by the fill
    value outside; at a place those of the line on the left.

    Args:
        x: places, shape (n,).
        y: data, with n of them along `axis`.
        kind: "linear", "nearest", "nearest-up", "zero", "slinear", "quadratic", "cubic", "previous", "next", or the
            degree of a spline.
        axis: of the places.
        copy: without a meaning here.
        bounds_error: whether points outside raise; by default where there is no fill value to extrapolate.
        fill_value: outside; a pair for below and above; or "extrapolate".
        assume_sorted: whether x is increasing.

    >>> f = tn.scipy.interpolate.interp1d([0.0, 1.0, 3.0], [0.0, 2.0, 3.0])
    >>> tn.grad(f)(2.0)
    np.float64(0.5)
    """

    x: Array
    y: Array  # with the places along the first axis
    spline: BSpline | None
    fill_value: Any
    kind: str = static_field()
    axis: int = static_field()
    bounds_error: bool = static_field()
    dtype: Any = static_field()

    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Any = "linear",
        axis: int = -1,
        copy: bool = True,
        bounds_error: bool | None = None,
        fill_value: Any = np.nan,
        assume_sorted: bool = False,
    ) -> None:
        name = "interpolate.interp1d"
        x, y = as_array(collected(x)), as_array(collected(y))
        if x.ndim != 1:
            raise ArgumentError(f"{name}: the x array must have exactly one dimension; got shape {x.shape}.")
        if y.ndim == 0:
            raise ArgumentError(f"{name}: the y array must have at least one dimension.")
        degree = _ORDERS.get(kind, kind) if isinstance(kind, str) else kind
        if isinstance(degree, str) and degree not in _KINDS:
            raise ArgumentError(f"{name}: {kind} is unsupported. Write one of {', '.join((*_ORDERS, *_KINDS))}.")
        axis = axis_of(name, axis, y.ndim)
        y = tnp.moveaxis(y if y.dtype.kind in "fc" else y.astype(float), axis, 0)
        if x.shape[0] != y.shape[0]:
            raise ArgumentError(
                f"{name}: x and y arrays must be equal in length along interpolation axis; got {x.shape} and {y.shape}."
            )
        least = 1 if isinstance(degree, str) else degree + 1
        if x.shape[0] < least:
            raise ArgumentError(f"{name}: x and y arrays must have at least {least} entries; got {x.shape[0]}.")
        x = x if x.dtype.kind == "f" else x.astype(float)
        if not assume_sorted:
            order = _sorted_order(x)
            x, y = tnp.take(x, order, 0), tnp.take(y, order, 0)
        if bounds_error and _extrapolates(fill_value):
            raise ArgumentError(f"{name}: Cannot extrapolate and raise at the same time.")
        strict = not _extrapolates(fill_value) if bounds_error is None else bool(bounds_error)
        is_lost = not isinstance(degree, str) and degree > 1 and _holds_nan(y)
        spline = None
        if not isinstance(degree, str):
            spline = make_interp_spline(x, tnp.zeros_like(y) if is_lost else y, degree, check_finite=False)
        fill_value = fill_value if isinstance(fill_value, str) else _filled(name, fill_value, y)
        kind = degree if isinstance(degree, str) else "lost" if is_lost else "spline"
        dtype = np.result_type(x.dtype, y.dtype)
        self.__attrs_init__(x, y, spline, fill_value, kind, axis, strict, dtype)

    def __call__(self, x: Any) -> Array:
        """Evaluate the interpolant at points of any shape."""
        x = as_array(collected(x))
        x = x if x.dtype.kind == "f" else x.astype(float)
        at = tnp.ravel(x)
        if self.bounds_error and leaves(at, self.x):
            raise ArgumentError(
                "interpolate.interp1d: points must be within the interpolation range; got one below the minimum or "
                'above the maximum. Give fill_value= with bounds_error=False, or fill_value="extrapolate".'
            )
        out = self._lines(at) if self.kind in ("linear", "spline", "lost") else self._steps(at)
        fills = self._fills()
        if fills is not None:
            for outside, fill in zip((_below, _above), fills, strict=True):
                out = tnp.where(across(outside(at, self.x), out.ndim), fill, out)
        return in_place(tnp.reshape(out, (*x.shape, *self.y.shape[1:])), x.ndim, self.axis)

    def _lines(self, at: Array) -> Array:
        if self.spline is not None:
            # One NaN among the data makes a spline NaN everywhere.
            return self.spline(at) + np.nan * tnp.sum(self.y) if self.kind == "lost" else self.spline(at)
        count = self.x.shape[0]
        if count == 1:
            return tnp.take(self.y, np.zeros(at.shape, int), 0) + 0 * across(at, self.y.ndim)
        low = interval(self.x, at, 0, count - 2, "left")
        (x0, x1), (y0, y1) = ((tnp.take(a, low, 0), tnp.take(a, low + 1, 0)) for a in (self.x, self.y))
        slope = (y1 - y0) / across(x1 - x0, self.y.ndim)
        return slope * across(at - x0, self.y.ndim) + y0

    def _steps(self, at: Array) -> Array:
        last = self.x.shape[0] - 1
        if self.kind == "previous":
            place = interval(self.x, at, 0, last)
        elif self.kind == "next":
            place = interval(self.x, at, -1, last - 1, "left") + 1
        else:
            middles = self.x[1:] / 2.0 + self.x[:-1] / 2.0
            place = interval(middles, at, -1, last - 1, "left" if self.kind == "nearest" else "right") + 1
        return tnp.take(self.y, place, 0)

    def _fills(self) -> tuple[Any, Any] | None:
        """Return what is below and above the range; None where the interpolant goes on."""
        if not _extrapolates(self.fill_value):
            return self.fill_value
        if self.kind == "previous":
            return np.nan, self.y[-1]
        return (self.y[0], np.nan) if self.kind == "next" else None


def _filled(name: str, fill_value: Any, y: Array) -> tuple[Array, Array]:
    """Return fill values for below and above, which broadcast to the data of one place, in their precision."""
    shape = y.shape[1:]
    pair = fill_value if isinstance(fill_value, tuple) and len(fill_value) == 2 else (fill_value, fill_value)
    below, above = (as_array(collected(x)) for x in pair)
    for x in (below, above):
        try:
            fits = np.broadcast_shapes(x.shape, shape or (1,)) == (shape or (1,))
        except ValueError:
            fits = False
        if not fits:
            raise ArgumentError(f"{name}: fill_value must broadcast to shape {shape}; got shape {x.shape}.")
    return below.astype(y.dtype), above.astype(y.dtype)
