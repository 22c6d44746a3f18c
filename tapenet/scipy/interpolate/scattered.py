"""Interpolation of scattered data: radial basis functions, and triangles with their linear functions."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import scipy.interpolate
import scipy.spatial

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected
from tapenet.core.nondifferentiable import choice, constant
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.errors import ArgumentError
from tapenet.scipy.interpolate.checks import Theirs, across, double, on_tape
from tapenet.scipy.interpolate.places import points_of

# ---- radial basis functions ----

_at_center = choice(lambda s: s == 0, name="interpolate.at_center")


def _of_distance(power: float, sign: float, s: Array) -> Array:
    """Raise a squared distance to half a power; the derivative at the center is 0."""
    center = _at_center(s)
    return tnp.where(center, 0.0, sign * tnp.where(center, 1.0, s) ** (power / 2))


def _thin_plate(s: Array) -> Array:
    center = _at_center(s)
    return tnp.where(center, 0.0, 0.5 * s * tnp.log(tnp.where(center, 1.0, s)))


_KERNELS: dict[str, Callable[[Array], Array]] = {  # of the squared distance, in which most are smooth at the center
    "linear": lambda s: _of_distance(1, -1.0, s),
    "thin_plate_spline": _thin_plate,
    "cubic": lambda s: _of_distance(3, 1.0, s),
    "quintic": lambda s: _of_distance(5, -1.0, s),
    "multiquadric": lambda s: -tnp.sqrt(s + 1.0),
    "inverse_multiquadric": lambda s: 1.0 / tnp.sqrt(s + 1.0),
    "inverse_quadratic": lambda s: 1.0 / (s + 1.0),
    "gaussian": lambda s: tnp.exp(-s),
}
_SCALE_INVARIANT = ("linear", "thin_plate_spline", "cubic", "quintic")
_LEAST_DEGREES = {"multiquadric": 0, "linear": 0, "thin_plate_spline": 1, "cubic": 1, "quintic": 2}
_RBF = "interpolate.RBFInterpolator"


def _powers(ndim: int, degree: int) -> list[tuple[int, ...]]:
    """Return the exponents of the monomials up to a degree."""
    found = itertools.product(range(degree + 1), repeat=ndim)
    return sorted((one for one in found if sum(one) <= degree), key=sum)


def _monomials(x: Array, powers: list[tuple[int, ...]]) -> Array:
    """Evaluate monomials at points, along a new last axis."""
    columns = []
    for exponents in powers:
        column: Array = tnp.ones_like(x[..., 0])
        for i, exponent in enumerate(exponents):
            if exponent:
                column = column * x[..., i] ** exponent
        columns.append(column)
    return tnp.stack(columns, -1) if columns else np.zeros((*x.shape[:-1], 0))


@attrs.frozen(eq=False, init=False)
class RBFInterpolator:
    """Interpolate scattered data by radial basis functions, as scipy.interpolate.RBFInterpolator.

    Derivatives: by the points, the data, their places, the smoothing and epsilon, through the system of the weights.
    At the center of a kernel the derivative by the distance is 0.

    Args:
        y: places, shape (number, dimensions).
        d: data, shape (number, ...).
        neighbors: how many of the nearest data count for a point; all by default.
        smoothing: added to the kernel's diagonal, a number or of shape (number,).
        kernel: "thin_plate_spline", "linear", "cubic", "quintic", "multiquadric", "inverse_multiquadric",
            "inverse_quadratic" or "gaussian".
        epsilon: scales distances.
        degree: of the polynomial that is added; -1 for none.

    >>> f = tn.scipy.interpolate.RBFInterpolator(np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 2.0, 4.0]))
    >>> tn.grad(lambda x: f(x)[0])(np.array([[0.5]])).round(6)
    array([[2.]])
    """

    y: Array
    d: Array
    smoothing: Array
    epsilon: Any
    kernel: str = static_field()
    neighbors: int | None = static_field()
    powers: Any = static_field()
    theirs: Theirs = static_field()

    def __init__(
        self,
        y: Any,
        d: Any,
        neighbors: int | None = None,
        smoothing: Any = 0.0,
        kernel: str = "thin_plate_spline",
        epsilon: Any = None,
        degree: int | None = None,
    ) -> None:
        made = None
        if not on_tape(y, d, smoothing, epsilon):
            made = scipy.interpolate.RBFInterpolator(y, d, neighbors, smoothing, kernel, epsilon, degree)
        y, d, smoothing, kernel = double(y), double(d), double(smoothing), kernel.lower()
        if y.ndim != 2:
            raise ArgumentError(f"{_RBF}: `y` must be a 2-dimensional array; got shape {y.shape}.")
        number, ndim = y.shape
        if d.ndim == 0 or d.shape[0] != number:
            raise ArgumentError(f"{_RBF}: Expected the first axis of `d` to have length {number}; got shape {d.shape}.")
        if smoothing.shape not in ((), (number,)):
            raise ArgumentError(
                f"{_RBF}: Expected `smoothing` to be a scalar or have shape ({number},); got shape {smoothing.shape}."
            )
        if kernel not in _KERNELS:
            raise ArgumentError(f"{_RBF}: `kernel` must be one of {', '.join(_KERNELS)}; got {kernel!r}.")
        if epsilon is None and kernel not in _SCALE_INVARIANT:
            raise ArgumentError(
                f"{_RBF}: `epsilon` must be specified if `kernel` is not one of {', '.join(_SCALE_INVARIANT)}."
            )
        degree = max(_LEAST_DEGREES.get(kernel, -1), 0) if degree is None else operator.index(degree)
        least = _LEAST_DEGREES.get(kernel, -1)
        if -1 < degree < least:
            warnings.warn(f"`degree` should not be below {least} except -1 when `kernel` is '{kernel}'.", stacklevel=2)
        if degree < -1:
            raise ArgumentError(f"{_RBF}: `degree` must be at least -1; got {degree}.")
        powers = _powers(ndim, degree) if degree >= 0 else []
        neighbors = None if neighbors is None else min(operator.index(neighbors), number)
        if len(powers) > (number if neighbors is None else neighbors):
            raise ArgumentError(
                f"{_RBF}: At least {len(powers)} data points are required when `degree` is {degree} and the number of "
                f"dimensions is {ndim}."
            )
        self.__attrs_init__(
            y,
            d,
            tnp.broadcast_to(smoothing, (number,)),
            1.0 if epsilon is None else as_array(collected(epsilon)),
            kernel,
            neighbors,
            tuple(powers),
            Theirs(made, d),
        )

    def __call__(self, x: Any) -> Array:
        """Evaluate the interpolant at points of shape (number, dimensions)."""
        if self.theirs.stands_for(self.d, x):
            return self.theirs.made(x)
        x = double(x)
        if x.ndim != 2 or x.shape[1] != self.y.shape[1]:
            raise ArgumentError(
                f"{_RBF}: `x` must be a 2-dimensional array with {self.y.shape[1]} columns; got shape {x.shape}."
            )
        d = tnp.reshape(self.d, (self.d.shape[0], -1))
        if self.neighbors is None:
            out = self._interpolated(x, self.y, d, self.smoothing)
        else:
            near = _nearest(self.y, x, count=self.neighbors)
            parts = [tnp.take(a, near, 0) for a in (self.y, d, self.smoothing)]
            out = self._interpolated(x[:, None], *parts)[:, 0]
        return tnp.reshape(out, (x.shape[0], *self.d.shape[1:]))

    def _interpolated(self, x: Array, y: Array, d: Array, smoothing: Array) -> Array:
        """Solve for the weights, and evaluate; all arrays may have one more axis in front."""
        shift, scale = constant(_middle(y)), constant(_extent(y))  # the interpolant does not depend on them
        powers = list(self.powers)
        p = _monomials((y - shift) / scale, powers)
        n, m = y.shape[-2], len(powers)
        kernel = self._kernel(y, y) + smoothing[..., None] * np.eye(n)
        corner = np.zeros((*y.shape[:-2], m, m))
        upper = tnp.concatenate([kernel, p], -1)
        lower = tnp.concatenate([tnp.swapaxes(p, -1, -2), corner], -1)
        right = tnp.concatenate([d, np.zeros((*d.shape[:-2], m, d.shape[-1]))], -2)
        weights = tnp.linalg.solve(tnp.concatenate([upper, lower], -2), right)
        functions = tnp.concatenate([self._kernel(x, y), _monomials((x - shift) / scale, powers)], -1)
        return tnp.matmul(functions, weights)

    def _kernel(self, x: Array, y: Array) -> Array:
        apart = (x[..., :, None, :] - y[..., None, :, :]) * self.epsilon
        return _KERNELS[self.kernel](tnp.sum(apart * apart, -1))


def _middle(y: Array) -> Array:
    return (tnp.max(y, -2, keepdims=True) + tnp.min(y, -2, keepdims=True)) / 2


def _extent(y: Array) -> Array:
    half = (tnp.max(y, -2, keepdims=True) - tnp.min(y, -2, keepdims=True)) / 2
    return tnp.where(half == 0.0, 1.0, half)


def _of_nearest(y: Array, x: Array, *, count: int) -> Array:
    found = scipy.spatial.cKDTree(y).query(x, count)[1]
    return np.sort(np.reshape(found, (*x.shape[:-1], count)), -1)


_nearest = choice(_of_nearest, name="interpolate.nearest")

# ---- triangles ----


def triangulation(points: Array, rescale: bool) -> tuple[Any, Array, Array]:
    """Return the triangulation, and what moves points into its coordinates."""
    points = np.asarray(points, float)
    if not rescale:
        return scipy.spatial.Delaunay(points), np.zeros(points.shape[1]), np.ones(points.shape[1])
    offset = points.mean(0)
    extent = np.ptp(points - offset, axis=0)
    extent[extent == 0] = 1.0
    return scipy.spatial.Delaunay((points - offset) / extent), offset, extent


def _of_corners(points: Array, xi: Array, *, rescale: bool) -> Array:
    try:
        triangles, offset, extent = triangulation(points, rescale)
    except scipy.spatial.QhullError as error:
        raise ArgumentError(
            f"interpolate.LinearNDInterpolator: the points must not lie in a line or a plane. {error}"
        ) from None
    place = triangles.find_simplex((np.asarray(xi, float) - offset) / extent)
    return np.where(place[:, None] < 0, -1, triangles.simplices[place])


corners_of = choice(_of_corners, name="interpolate.corners")
no_triangle = choice(lambda corners: corners[:, 0] < 0, name="interpolate.no_triangle")


def checked_scatter(name: str, points: Any, values: Any) -> tuple[Array, Array]:
    points = points.points if isinstance(points, scipy.spatial.Delaunay) else points
    points = points_of(points, 1) if isinstance(points, tuple) else double(points)
    values = as_array(collected(values))
    values = values.astype(complex if values.dtype.kind == "c" else float)
    if points.ndim != 2:
        raise ArgumentError(f"{name}: invalid shape for input data points; got {points.shape}.")
    if values.ndim == 0 or values.shape[0] != points.shape[0]:
        raise ArgumentError(
            f"{name}: different number of values and points; got shapes {values.shape} and {points.shape}."
        )
    return points, values


def scattered_points(name: str, args: tuple[Any, ...], ndim: int) -> Array:
    xi = points_of(args[0] if len(args) == 1 else args, ndim)
    if xi.shape[-1] != ndim:
        raise ArgumentError(
            f"{name}: number of dimensions in xi must be that of x, {ndim}; got points of {xi.shape[-1]}."
        )
    return xi


@attrs.frozen(eq=False, init=False)
class LinearNDInterpolator:
    """Interpolate scattered data linearly on triangles or simplices, as scipy.interpolate.LinearNDInterpolator.

    Derivatives: by the points, the data and their places, through the barycentric coordinates; the triangulation is
    piecewise constant.
    """

    points: Array
    values: Array
    fill_value: Any
    rescale: bool = static_field()
    theirs: Theirs = static_field()

    def __init__(self, points: Any, values: Any, fill_value: Any = np.nan, rescale: bool = False) -> None:
        made = None
        if not on_tape(points, values, fill_value):
            made = scipy.interpolate.LinearNDInterpolator(points, values, fill_value, rescale)
        points, values = checked_scatter("interpolate.LinearNDInterpolator", points, values)
        self.__attrs_init__(points, values, fill_value, bool(rescale), Theirs(made, values))

    def __call__(self, *args: Any) -> Array:
        """Interpolate at points, with the coordinates along the last axis or each by itself."""
        if self.theirs.stands_for(self.values, args):
            return self.theirs.made(*args)
        ndim = self.points.shape[1]
        xi = scattered_points("interpolate.LinearNDInterpolator", args, ndim)
        flat = tnp.reshape(xi, (-1, ndim))
        corners = corners_of(self.points, flat, rescale=self.rescale)
        ends = tnp.take(self.points, corners, 0)
        sides = tnp.swapaxes(ends[:, :-1] - ends[:, -1:], -1, -2)
        outside = no_triangle(corners)
        sides = tnp.where(outside[:, None, None], np.eye(ndim), sides)
        flat = tnp.where(outside[:, None], 0.0, flat)
        shares = tnp.linalg.solve(sides, (flat - ends[:, -1])[..., None])[..., 0]
        shares = tnp.concatenate([shares, 1 - tnp.sum(shares, -1, keepdims=True)], -1)
        values = tnp.take(self.values, corners, 0)
        out = tnp.sum(tnp.reshape(shares, (*shares.shape, *(1,) * (values.ndim - 2))) * values, 1)
        out = tnp.where(across(outside, out.ndim), self.fill_value, out)
        return tnp.reshape(out, (*xi.shape[:-1], *self.values.shape[1:]))


@attrs.frozen(eq=False, init=False)
class NearestNDInterpolator:
    """Take the value of the nearest of scattered data, as scipy.interpolate.NearestNDInterpolator.

    Derivative: by the data; which of them is the nearest is piecewise constant.
    """

    points: Array
    values: Array
    rescale: bool = static_field()
    theirs: Theirs = static_field()

    def __init__(self, x: Any, y: Any, rescale: bool = False, tree_options: Any = None) -> None:
        made = None
        if not on_tape(x, y):
            made = scipy.interpolate.NearestNDInterpolator(x, y, rescale, tree_options)
        points, values = checked_scatter("interpolate.NearestNDInterpolator", x, y)
        self.__attrs_init__(points, values, bool(rescale), Theirs(made, values))

    def __call__(self, *args: Any) -> Array:
        """Give the values at points, with the coordinates along the last axis or each by itself."""
        if self.theirs.stands_for(self.values, args):
            return self.theirs.made(*args)
        ndim = self.points.shape[1]
        xi = scattered_points("interpolate.NearestNDInterpolator", args, ndim)
        points, flat = self.points, tnp.reshape(xi, (-1, ndim))
        if self.rescale:
            scale = constant(2 * _extent(points))
            points, flat = points / scale, flat / scale
        near = _nearest(points, flat, count=1)[:, 0]
        return tnp.reshape(tnp.take(self.values, near, 0), (*xi.shape[:-1], *self.values.shape[1:]))
