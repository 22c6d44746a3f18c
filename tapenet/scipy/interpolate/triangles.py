"""A smooth interpolant of scattered data of two dimensions: cubic patches on triangles, and gradients that bend little.

Source: P. Alfeld, A trivariate Clough-Tocher scheme for tetrahedral data, Computer Aided Geometric Design 1 (1984);
G. Nielson, A method for interpolating scattered data based upon a minimum norm network, Math. Comp. 40 (1983); the
direction across edges, to the neighbour's centroid, is SciPy's.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import scipy.interpolate
import scipy.spatial

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import choice, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indexing import at
from tapenet.scipy.interpolate.checks import Theirs, across, double, on_tape
from tapenet.scipy.interpolate.lines import interp1d
from tapenet.scipy.interpolate.places import points_of
from tapenet.scipy.interpolate.scattered import (
    LinearNDInterpolator,
    NearestNDInterpolator,
    checked_scatter,
    no_triangle,
    scattered_points,
    triangulation,
)
from tapenet.scipy.sparse.arrays import collected
from tapenet.scipy.sparse.patterns import solution


def _triangles(points: Array) -> Any:
    try:
        return triangulation(points, False)[0]
    except scipy.spatial.QhullError as error:
        reason = str(error).partition("\n")[0]
        raise ArgumentError(
            f"interpolate.CloughTocher2DInterpolator: the points must be at least 3, and not lie in a line. {reason}"
        ) from None


def _of_patches(points: Array, xi: Array) -> Array:
    """Return for each point the corners of its triangle and of the neighbours of that: shape (points, 4, 3)."""
    triangles = _triangles(points)
    place = triangles.find_simplex(xi)
    beside = np.where(place[:, None] < 0, -1, triangles.neighbors[place])
    whole = np.concatenate([place[:, None], beside], 1)
    return np.where(whole[..., None] < 0, -1, triangles.simplices[whole])


def _of_edges(points: Array) -> Array:
    """Return the edges of the triangulation, in both directions, shape (2, edges)."""
    begins, ends = _triangles(points).vertex_neighbor_vertices
    return np.stack([np.repeat(np.arange(len(begins) - 1), np.diff(begins)), ends])


_patches = choice(_of_patches, name="interpolate.patches")
_edges = nondifferentiable(_of_edges, name="edges")


def _gradients(points: Array, values: Array) -> Array:
    """Return the gradients at the points, shape (points, 2, columns), for which the edges bend least.

    An edge with the cubic that values and gradients determine has the bending energy
    (4 a^2 + 4 b^2 + 4 a b - 12 (f2 - f1) (a + b) + ...) / L^3, with slopes a, b along it: a symmetric system.
    """
    edges = _edges(points)
    first, second = edges[0], edges[1]
    e = tnp.take(points, second, 0) - tnp.take(points, first, 0)
    size = tnp.sum(e * e, 1) ** -1.5
    rise = tnp.take(values, second, 0) - tnp.take(values, first, 0)
    n = points.shape[0]
    right = at(np.zeros((n, 2, values.shape[1]), values.dtype))[first].add(
        6 * (size[:, None] * e)[:, :, None] * rise[:, None, :]
    )
    block = size[:, None, None] * e[:, :, None] * e[:, None, :]
    right = tnp.reshape(right, (2 * n, -1))
    return tnp.reshape(_solved(first, second, block, right, n), (n, 2, -1))


def _solved(first: Any, second: Any, block: Array, right: Array, n: int) -> Array:
    """Solve the system with 4 and 2 times the blocks, on the diagonal and off it."""
    if type(first) is Tensor:  # the triangulations of examples differ
        a = at(np.zeros((n, n, 2, 2)))[first, first].add(4 * block)
        a = a + at(np.zeros((n, n, 2, 2)))[first, second].add(2 * block)
        return tnp.linalg.solve(tnp.reshape(tnp.transpose(a, (0, 2, 1, 3)), (2 * n, 2 * n)), right)
    alone = np.repeat(2 * np.setdiff1d(np.arange(n), first), 2) + np.tile([0, 1], n - len(np.unique(first)))
    inner = np.arange(2)
    rows = np.broadcast_to(2 * first[:, None, None] + inner[:, None], (len(first), 2, 2)).ravel()
    columns = [(2 * one[:, None, None] + inner + 0 * inner[:, None]).ravel() for one in (first, second)]
    data = tnp.concatenate([tnp.ravel(4 * block), tnp.ravel(2 * block), np.ones(len(alone))])
    matrix = collected(data, np.concatenate([rows, rows, alone]), np.concatenate([*columns, alone]), (2 * n, 2 * n))
    return solution(matrix.data, right, pattern=matrix.pattern)


def _barycentric(ends: Array, x: Array) -> Array:
    """Return the coordinates of points in triangles, along the last axis; ends has shape (..., 3, 2)."""
    one, other, x = (part - ends[..., 2, :] for part in (ends[..., 0, :], ends[..., 1, :], x))
    area = _cross(one, other)
    shares = _cross(x, other) / area, _cross(one, x) / area
    return tnp.stack([*shares, 1 - shares[0] - shares[1]], -1)


def _cross(x: Array, y: Array) -> Array:
    return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]


_is_missing = choice(lambda patches: patches[:, 1:, 0] < 0, name="interpolate.is_missing")


def _patch_values(ends: Array, beside: Array, missing: Array, f: Array, gradients: Array, x: Array) -> Array:
    """Evaluate cubic patches, of Bernstein's form on the three parts that a triangle's centroid cuts it into.

    Args:
        ends: corners, shape (points, 3, 2).
        beside: the corners of the neighbours, shape (points, 3, 3, 2).
        missing: which neighbours are not there, shape (points, 3).
        f: values at the corners, shape (points, 3, columns).
        gradients: those at the corners, shape (points, 3, 2, columns).
        x: the points.
    """
    following, previous = np.array([1, 2, 0]), np.array([2, 0, 1])

    def toward(order: Any) -> Array:
        return f + tnp.sum((ends[:, order] - ends)[..., None] * gradients, 2) / 3

    on, back = toward(following), toward(previous)
    near = (on + back + f) / 3  # the control points beside each corner, on the edges and inside
    c = _barycentric(tnp.expand_dims(ends, 1), tnp.sum(beside, 2) / 3)
    j, k = (tnp.stack([c[:, i, order[i]] for i in range(3)], 1) for order in (following, previous))
    across_edge = tnp.where(missing, -0.5, (2 * k + j - 1) / tnp.where(missing, 1.0, 2 - 3 * k - 3 * j))[..., None]
    fj, fk, onj, backk = f[:, following], f[:, previous], on[:, following], back[:, previous]
    bend = across_edge * (fk - fj + 3 * (onj - backk))
    middle = (bend - fj + 2 * onj - backk + near[:, previous] + near[:, following]) / 2
    inner = (middle[:, following] + middle[:, previous] + near) / 3
    b = _barycentric(ends, x)
    least = tnp.min(b, -1, keepdims=True)
    b, center = (b - least)[..., None], (3 * least)[..., None]
    bj, bk = b[:, following], b[:, previous]
    total = b**3 * f + 3 * b**2 * (bj * on + bk * back + center * near) + 3 * b * center**2 * inner
    total = total + 6 * bj * bk * center * middle + center**3 * inner / 3
    return tnp.sum(total, 1)


@attrs.frozen(eq=False, init=False)
class CloughTocher2DInterpolator:
    """Interpolate scattered data of two dimensions smoothly, as scipy.interpolate.CloughTocher2DInterpolator.

    Derivatives: by the points, the data and their places, through the system of the gradients; the triangulation is
    piecewise constant. On a tape the system is solved directly, so that values are SciPy's to its tolerance `tol`.
    """

    points: Array
    values: Array
    fill_value: Any
    rescale: bool = static_field()
    theirs: Theirs = static_field()

    def __init__(
        self,
        points: Any,
        values: Any,
        fill_value: Any = np.nan,
        tol: float = 1e-06,
        maxiter: int = 400,
        rescale: bool = False,
    ) -> None:
        name, made = "interpolate.CloughTocher2DInterpolator", None
        if not on_tape(points, values, fill_value):
            made = scipy.interpolate.CloughTocher2DInterpolator(points, values, fill_value, tol, maxiter, rescale)
        points, values = checked_scatter(name, points, values)
        if points.shape[1] != 2:
            raise ArgumentError(f"{name}: points must be of two dimensions; got shape {points.shape}.")
        self.__attrs_init__(points, values, fill_value, bool(rescale), Theirs(made, values))

    def __call__(self, *args: Any) -> Array:
        """Interpolate at points, with the coordinates along the last axis or each by itself."""
        if self.theirs.stands_for(self.values, args):
            return self.theirs.made(*args)
        xi = scattered_points("interpolate.CloughTocher2DInterpolator", args, 2)
        points, flat = self.points, tnp.reshape(xi, (-1, 2))
        if self.rescale:
            middle, extent = tnp.mean(points, 0), tnp.max(points, 0) - tnp.min(points, 0)
            points, flat = (points - middle) / extent, (flat - middle) / extent
        values = tnp.reshape(self.values, (self.values.shape[0], -1))
        patches = _patches(points, flat)
        corners = patches[:, 0]
        outside = no_triangle(corners)
        flat = tnp.where(outside[:, None], 0.0, flat)
        around = tnp.take(points, patches, 0)
        out = _patch_values(
            tnp.where(outside[:, None, None], np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), around[:, 0]),
            around[:, 1:],
            _is_missing(patches),
            tnp.take(values, corners, 0),
            tnp.take(_gradients(points, values), corners, 0),
            flat,
        )
        out = tnp.where(across(outside, out.ndim), self.fill_value, out)
        return tnp.reshape(out, (*xi.shape[:-1], *self.values.shape[1:]))


def griddata(
    points: Any, values: Any, xi: Any, method: str = "linear", fill_value: Any = np.nan, rescale: bool = False
) -> Array:
    """Interpolate scattered data of any number of dimensions.

    Derivatives: of "linear" those of LinearNDInterpolator, of "cubic" those of CloughTocher2DInterpolator, of "nearest"
    by the data alone, and in one dimension those of interp1d.

    Parameters and results are those of scipy.interpolate.griddata.
    """
    if not on_tape(points, values, xi, fill_value):
        return scipy.interpolate.griddata(points, values, xi, method, fill_value, rescale)
    points = points_of(points, 1) if isinstance(points, tuple) else double(points)
    ndim = 1 if points.ndim < 2 else points.shape[-1]
    if ndim == 1 and method in ("nearest", "linear", "cubic"):
        xi = xi[0] if isinstance(xi, tuple) else xi
        fill_value = "extrapolate" if method == "nearest" else fill_value
        return interp1d(tnp.ravel(points), values, method, 0, bounds_error=False, fill_value=fill_value)(xi)
    if method == "nearest":
        return NearestNDInterpolator(points, values, rescale)(xi)
    if method == "linear":
        return LinearNDInterpolator(points, values, fill_value, rescale)(xi)
    if method == "cubic" and ndim == 2:
        return CloughTocher2DInterpolator(points, values, fill_value, rescale=rescale)(xi)
    raise ArgumentError(f"interpolate.griddata: Unknown interpolation method {method!r} for {ndim} dimensional data.")
