"""Interpolation on grids of any number of dimensions: products of interpolants of one dimension."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np
import scipy.interpolate

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import Theirs, across, double, interval, is_increasing, leaves, on_tape
from tapenet.scipy.interpolate.piecewise import PchipInterpolator
from tapenet.scipy.interpolate.places import at_places, points_of
from tapenet.scipy.interpolate.splines import make_interp_spline
from tapenet.scipy.interpolate.surfaces import product_spline_at

_DEGREES = {"slinear": 1, "cubic": 3, "quintic": 5}
_LEAST = {**{name: degree + 1 for name, degree in _DEGREES.items()}, "pchip": 4}
_METHODS = ("linear", "nearest", "slinear", "cubic", "quintic", "pchip")


_out_of_bounds = choice(lambda at, grid: (at < grid[0]) | (at > grid[-1]), name="interpolate.out_of_bounds")
_far = choice(lambda share: share > 0.5, name="interpolate.far")
_any_nan = choice(lambda xi: np.any(np.isnan(xi), axis=-1), name="interpolate.any_nan")


@attrs.frozen(eq=False, init=False)
class RegularGridInterpolator:
    """Interpolate on a grid, as scipy.interpolate.RegularGridInterpolator.

    Derivatives: by the points, the values and the grid; "nearest" by the values alone. Splines solve their equations
    directly, so that their values are SciPy's to the tolerance of its iterative solver.

    Args:
        points: the grid's places along each dimension, increasing or decreasing.
        values: shape (n_1, ..., n_d, ...).
        method: "linear", "nearest", "slinear", "cubic", "quintic" or "pchip".
        bounds_error: whether points outside raise.
        fill_value: outside, where that does not raise; None to extrapolate.

    >>> f = tn.scipy.interpolate.RegularGridInterpolator(([0.0, 1.0], [0.0, 2.0]), [[0.0, 1.0], [2.0, 3.0]])
    >>> tn.grad(lambda at: f(at)[0])(np.array([0.5, 1.0]))
    array([2. , 0.5])
    """

    grid: tuple[Array, ...]
    values: Array
    fill_value: Any
    method: str = static_field()
    bounds_error: bool = static_field()
    theirs: Theirs = static_field()

    def __init__(
        self,
        points: Any,
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = np.nan,
        *,
        solver: Any = None,
        solver_args: Any = None,
    ) -> None:
        made = None
        if not on_tape(points, values, fill_value):
            options = {} if solver is None and solver_args is None else {"solver": solver, "solver_args": solver_args}
            made = scipy.interpolate.RegularGridInterpolator(
                points, values, method, bounds_error, fill_value, **options
            )
        if method not in _METHODS:
            raise ArgumentError(f"{_NAME}: Method {method!r} is not defined. Write one of {', '.join(_METHODS)}.")
        values = as_array(collected(values))
        values = values if values.dtype.kind in "fc" else values.astype(float)
        grid, values = _ordered([double(p) for p in points], values)
        _check_sizes(grid, method)
        self.__attrs_init__(grid, values, fill_value, method, bool(bounds_error), Theirs(made, values))

    def __call__(self, xi: Any, method: str | None = None, *, nu: Any = None) -> Array:
        """Interpolate at points, with the coordinates along the last axis."""
        if self.theirs.stands_for(self.values, xi):
            return self.theirs.made(xi, method) if nu is None else self.theirs.made(xi, method, nu=nu)
        method = self.method if method is None else method
        if method not in _METHODS:
            raise ArgumentError(f"{_NAME}: Method {method!r} is not defined. Write one of {', '.join(_METHODS)}.")
        if nu is not None and method not in _DEGREES:
            raise ArgumentError(f"{_NAME}: Can only compute derivatives for methods {(*_DEGREES,)}, got {method!r}.")
        _check_sizes(self.grid, method)
        ndim = len(self.grid)
        xi = points_of(xi, ndim)
        if xi.shape[-1] != ndim:
            raise ArgumentError(
                f"{_NAME}: The requested sample points xi have dimension {xi.shape[-1]} but this "
                f"RegularGridInterpolator has dimension {ndim}."
            )
        flat = tnp.reshape(xi, (-1, ndim))
        at = [flat[:, i] for i in range(ndim)]
        self._check_bounds(at)
        out = self._by_method(at, method, nu or [0] * ndim)
        if not self.bounds_error and self.fill_value is not None:
            outside = sum(_out_of_bounds(x, grid) for x, grid in zip(at, self.grid, strict=True)) > 0
            out = tnp.where(across(outside, out.ndim), self.fill_value, out)
        out = tnp.where(across(_any_nan(flat), out.ndim), np.nan, out)
        return tnp.reshape(out, (*xi.shape[:-1], *self.values.shape[ndim:]))

    def _check_bounds(self, at: list[Array]) -> None:
        if not self.bounds_error:
            return
        for i, (x, grid) in enumerate(zip(at, self.grid, strict=True)):
            if leaves(x, grid):
                raise ArgumentError(
                    f"{_NAME}: One of the requested xi is out of bounds in dimension {i}. "
                    "Give bounds_error=False, and fill_value=None to extrapolate."
                )

    def _by_method(self, at: list[Array], method: str, nu: Any) -> Array:
        if method in ("linear", "nearest"):
            places = [interval(grid, x, 0, grid.shape[0] - 2) for grid, x in zip(self.grid, at, strict=True)]
            shares = [_share(grid, place, x) for grid, place, x in zip(self.grid, places, at, strict=True)]
            return (_linear if method == "linear" else _nearest)(self.values, places, shares)
        if method == "pchip":
            return _pchip(self.grid, self.values, at)
        return _tensor_spline(self.grid, self.values, at, _DEGREES[method], nu)


_NAME = "interpolate.RegularGridInterpolator"


def _ordered(points: list[Array], values: Array) -> tuple[tuple[Array, ...], Array]:
    """Return the grid increasing, and the values with it."""
    if len(points) > values.ndim:
        raise ArgumentError(f"{_NAME}: There are {len(points)} point arrays, but values has {values.ndim} dimensions.")
    grid = []
    for i, places in enumerate(points):
        if places.ndim != 1:
            raise ArgumentError(f"{_NAME}: The points in dimension {i} must be 1-dimensional.")
        if values.shape[i] != places.shape[0]:
            raise ArgumentError(
                f"{_NAME}: There are {places.shape[0]} points and {values.shape[i]} values on axis {i}."
            )
        if not is_increasing(places):
            places, values = places[::-1], tnp.flip(values, i)
            if not is_increasing(places):
                raise ArgumentError(f"{_NAME}: The points in dimension {i} must be strictly ascending or descending.")
        grid.append(places)
    return tuple(grid), values


def _check_sizes(grid: Any, method: str) -> None:
    for i, places in enumerate(grid):
        if places.shape[0] < _LEAST.get(method, 1):
            raise ArgumentError(
                f"{_NAME}: There are {places.shape[0]} points in dimension {i}, but method {method} requires at least "
                f"{_LEAST.get(method, 1)} points per dimension."
            )


def _share(grid: Array, place: Array, x: Array) -> Array:
    """Return where in its interval each point is, from 0 to 1; 0 on a grid of one place."""
    if grid.shape[0] == 1:
        return 0 * x
    low = tnp.take(grid, place, 0)
    return (x - low) / (tnp.take(grid, place + 1, 0) - low)


def _linear(values: Array, places: list[Array], shares: list[Array]) -> Array:
    total: Array = 0.0
    trailing = values.ndim - len(places) + 1
    for corner in itertools.product((0, 1), repeat=len(places)):
        if any(side and values.shape[i] == 1 for i, side in enumerate(corner)):
            continue
        weight = 1.0
        for side, share in zip(corner, shares, strict=True):
            weight = weight * (share if side else 1 - share)
        total = total + at_places(values, [p + s for p, s in zip(places, corner, strict=True)]) * across(
            weight, trailing
        )
    return total


def _nearest(values: Array, places: list[Array], shares: list[Array]) -> Array:
    return at_places(values, [place + _far(share) for place, share in zip(places, shares, strict=True)])


def _tensor_spline(grid: Any, values: Array, at: list[Array], degree: int, nu: Any) -> Array:
    """Evaluate the product of splines: coefficients along each axis, then sums of products of B-splines."""
    knots = []
    c = values
    for axis, places in enumerate(grid):
        spline = make_interp_spline(places, c, degree, axis=axis)
        knots.append(spline.t)
        c = tnp.moveaxis(spline.c, 0, axis)
    return product_spline_at(knots, [degree] * len(at), c, at, nu)


def _pchip(grid: Any, values: Array, at: list[Array]) -> Array:
    """Evaluate along the last dimension, then for each point along the next ones."""
    ndim = len(grid)
    rest = tuple(range(ndim, values.ndim))
    folded = tnp.transpose(values, (*range(ndim - 1, -1, -1), *rest))
    folded = PchipInterpolator(grid[-1], folded)(at[-1])  # the points, then the other dimensions from the last on
    for axis in range(ndim - 2, -1, -1):
        folded = tnp.stack([PchipInterpolator(grid[axis], folded[j])(at[axis][j]) for j in range(at[axis].shape[0])])
    return folded.astype(values.dtype)


def interpn(
    points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan
) -> Array:
    """Interpolate on a grid.

    Derivatives: those of RegularGridInterpolator.

    Parameters and results are those of scipy.interpolate.interpn.
    """
    if not on_tape(points, values, xi, fill_value):
        return scipy.interpolate.interpn(points, values, xi, method, bounds_error, fill_value)
    if method == "splinef2d":
        raise ArgumentError("interpolate.interpn: method 'splinef2d' is not supported for a Tensor. Write 'cubic'.")
    return RegularGridInterpolator(points, values, method, bounds_error, fill_value)(xi)
