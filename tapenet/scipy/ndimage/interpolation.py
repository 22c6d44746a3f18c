"""Images at other coordinates, by splines: by the image and by the coordinates or what makes them.

A prefilter, the solution of a banded system along each axis, gives the coefficients of B-splines; a value is a sum of
the coefficients around its coordinates, with polynomials of their fractional parts for weights. Beyond the ends
coordinates are mapped back inside, by a sign and an offset that are piecewise constant.
"""

from __future__ import annotations

import functools
import itertools
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.ndimage

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, check_is_count, collected
from tapenet.core.batch_rules import leading
from tapenet.core.families import linear
from tapenet.core.nondifferentiable import branch_condition, choice, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, MappedValueError
from tapenet.scipy import special
from tapenet.scipy.convolution import extended
from tapenet.scipy.ndimage.arguments import MODES, checked_modes, finished, for_each, image
from tapenet.scipy.placing import counterpart

# ---- prefilter ----

_MIRRORED = ("mirror", "constant", "grid-constant", "wrap")  # modes whose splines are mirrored at the ends


def _filter_bar(t: Array, order: int, mode: str) -> Array:
    n = t.shape[-1]
    if mode not in (*_MIRRORED, "grid-wrap") and n < 32:
        # SciPy solves these approximately where n is small, so that its filter is not its own transpose.
        return tnp.matmul(t, scipy.ndimage.spline_filter1d(np.eye(n), order, 0, np.float64, mode))
    if mode not in _MIRRORED or n == 1:
        return _coefficients(t, order=order, mode=mode)  # the system is symmetric
    weights = np.ones(n)
    weights[[0, -1]] = 0.5  # each element but the ends is mirrored: weighted so, the system is symmetric
    return weights * _coefficients(t / weights, order=order, mode=mode)


@linear(_filter_bar, name="ndimage.spline_filter", batch=leading())
def _coefficients(x: Array, *, order: int, mode: str) -> Array:
    """Return the coefficients of splines along the last axis."""
    dtype = np.complex128 if x.dtype.kind == "c" else np.float64  # as the array API mode takes it
    return np.asarray(scipy.ndimage.spline_filter1d(x, order, -1, dtype, mode))


def _checked_order(name: str, order: Any, least: int = 0) -> int:
    check_is_count(f"ndimage.{name}", "order", order)
    order = operator.index(order)
    if not least <= order <= 5:
        raise ArgumentError(f"ndimage.{name}: spline order not supported; it must be {least} to 5, got {order}.")
    return order


def _double(x: Array) -> Array:
    return x.astype(complex if x.dtype.kind == "c" else float)


def _filtered(x: Array, order: int, mode: str, axes: Sequence[int]) -> Array:
    if order < 2:
        return x
    for axis in axes:
        x = tnp.moveaxis(_coefficients(tnp.moveaxis(x, axis, -1), order=order, mode=mode), -1, axis)
    return x


@counterpart(scipy.ndimage, "Derivative: the filter of the tangent.")
def spline_filter1d(
    input: Any, order: int = 3, axis: int = -1, output: Any = np.float64, mode: str = "mirror"
) -> Array:
    name = "spline_filter1d"
    x, order = image(name, input), _checked_order(name, order)
    checked_modes(name, mode, 1)
    out = _filtered(_double(x), order, mode, (axis_of(f"ndimage.{name}", axis, x.ndim),))
    return finished(name, out, x, output)


@counterpart(scipy.ndimage, "Derivative: the filter of the tangent.")
def spline_filter(input: Any, order: int = 3, output: Any = np.float64, mode: str = "mirror") -> Array:
    x, order = image("spline_filter", input), _checked_order("spline_filter", order, 2)
    checked_modes("spline_filter", mode, 1)
    return finished("spline_filter", _filtered(_double(x), order, mode, range(x.ndim)), x, output)


# ---- coordinates ----


@branch_condition
def _holds_nan(at: Array) -> bool:
    return bool(np.any(np.isnan(at)))


def _moves(at: Array, *, length: int, mode: str) -> Array:
    """Return the sign and the offset by which coordinates are mapped inside, along a new first axis."""
    at = np.asarray(at, float)
    sign, offset = np.ones_like(at), np.zeros_like(at)
    low, high = at < 0, at > length - 1
    out = low | high
    if length <= 1:
        sign[out] = 0.0
    elif mode in ("mirror", "reflect", "grid-mirror"):
        period = 2 * length - 2 if mode == "mirror" else 2 * length
        shift = 0 if mode == "mirror" else 1
        inside = at - period * np.floor(at / period)
        # Where both are inside, SciPy's choice counts: order 0 takes another element then.
        back = out & (inside > length - 1 if mode == "mirror" else inside >= length)
        back &= low | (inside >= length)
        turns = period * np.floor(at / period)
        sign[back] = -1.0
        offset[out] = -turns[out]
        offset[back] = period - shift + turns[back]
    elif mode in ("wrap", "grid-wrap"):
        period = length - 1 if mode == "wrap" else length
        turns = period * np.floor(at / period)
        if mode == "wrap":  # whose ends have different values: from below, whole periods lead to the last element
            turns = np.where(low, period * (np.ceil(at / period) - 1), turns)
        offset[out] = -turns[out]
    return np.stack([sign, offset])


_moved = choice(_moves, name="ndimage.mapped")
_outside = choice(lambda at, *, length: ~((at >= 0) & (at <= length - 1)), name="ndimage.outside")
_is_nan = choice(np.isnan, name="ndimage.is_nan")
_first = choice(
    lambda at, *, order: np.floor(np.nan_to_num(at if order % 2 else at + 0.5, nan=-1e9)).astype(int) - order // 2,
    name="ndimage.first",
)


def _folded(places: Array, *, length: int, mode: str) -> Array:
    """Return the places of coefficients, mapped inside."""
    mode = {"constant": "mirror", "wrap": "mirror", "grid-mirror": "reflect"}.get(mode, mode)
    if length == 1:
        return np.zeros_like(places)
    if mode == "mirror":
        found = np.mod(places, 2 * length - 2)
        return np.where(found >= length, 2 * length - 2 - found, found)
    if mode == "reflect":
        found = np.mod(places, 2 * length)
        return np.where(found >= length, 2 * length - 1 - found, found)
    return np.mod(places, length) if mode == "grid-wrap" else np.clip(places, 0, length - 1)


_places = choice(_folded, name="ndimage.places")
_is_missing = choice(lambda places, *, length: (places < 0) | (places >= length), name="ndimage.missing")


@functools.cache
def _polynomials(order: int) -> Any:
    """Return the B-splines of an order as polynomials: row j has what the power j of the fractional part gives each."""
    rows = [np.polynomial.Polynomial([1.0])]
    s = np.polynomial.Polynomial([0.0, 1.0])
    nothing = np.polynomial.Polynomial([0.0])
    for n in range(1, order + 1):
        before, after = [nothing, *rows], [*rows, nothing]
        rows = [((s + n - k) * before[k] + (1 + k - s) * after[k]) / n for k in range(n + 1)]
    matrix = np.zeros((order + 1, order + 1))
    for k, row in enumerate(rows):
        matrix[: len(row.coef), k] = row.coef[: order + 1]
    return matrix


def _taps(at: Array, length: int, order: int, mode: str, pad: int) -> tuple[Array, Array, Any, Any]:
    """Return for coordinates along an axis places and weights of coefficients, and which are outside or missing."""
    at = at + pad if pad else at
    outside: Any = None
    if mode == "constant" or (mode not in ("grid-constant", "nearest") and _holds_nan(at)):
        outside = _outside(at, length=length) if mode == "constant" else _is_nan(at)
        at = tnp.where(outside, 0.0, at)
    if mode not in ("constant", "grid-constant", "nearest"):
        moves = _moved(at, length=length, mode=mode)
        at = moves[0] * at + moves[1]
    first = _first(at, order=order)
    share = at - first - order // 2 + (0.0 if order % 2 else 0.5)
    powers = tnp.stack([share**j if j else tnp.ones_like(share) for j in range(order + 1)], -1)
    weights = tnp.matmul(powers, _polynomials(order)) if order else powers
    places = first[..., None] + np.arange(order + 1)
    missing = _is_missing(places, length=length) if mode == "grid-constant" else None
    return _places(places, length=length, mode=mode), weights, outside, missing


def _prepared(x: Array, order: int, mode: str, cval: Any, prefilter: bool) -> tuple[Array, int]:
    """Return coefficients, and by how much they are padded."""
    x = _double(x)
    if not prefilter or order < 2:
        return x, 0
    pad = 12 if mode in ("nearest", "grid-constant") else 0
    for axis in range(x.ndim):
        x = extended(x, pad, pad, axis, "constant" if mode == "grid-constant" else mode, cval)
    return _filtered(x, order, mode, range(x.ndim)), pad


def _sampled(x: Array, at: Sequence[Array], order: int, mode: str, cval: Any, prefilter: bool) -> Array:
    """Return values at coordinates, given for each axis in the shape of the result."""
    c, pad = _prepared(x, order, mode, cval, prefilter)
    taps = [_taps(one, n, order, mode, pad) for one, n in zip(at, c.shape, strict=True)]
    ndim, shape = len(taps), np.broadcast_shapes(*(one.shape for one in at))

    def spread(tap: Array, axis: int) -> Array:
        """Put the coefficients of an axis along an axis of their own behind those of the result."""
        return tnp.reshape(tap, (*tap.shape[:-1], *(1,) * axis, tap.shape[-1], *(1,) * (ndim - 1 - axis)))

    flat: Any = 0
    for axis, (places, _, _, _) in enumerate(taps):
        flat = flat + spread(places, axis) * int(np.prod(c.shape[axis + 1 :]))
    out = tnp.take(tnp.reshape(c, (-1,)), flat, 0)
    if mode == "grid-constant":
        missing: Any = False
        for axis, (_, _, _, own) in enumerate(taps):
            missing = missing | spread(own, axis)
        out = tnp.where(missing, cval, out)
    for axis in range(ndim - 1, -1, -1):
        weights = taps[axis][1]
        out = tnp.sum(out * tnp.reshape(weights, (*weights.shape[:-1], *(1,) * axis, weights.shape[-1])), -1)
    for _, _, outside, _ in taps:
        out = out if outside is None else tnp.where(outside, cval, out)
    return tnp.broadcast_to(out, shape)


def _sampled_by_axes(x: Array, at: Sequence[Array], order: int, mode: str, cval: Any, prefilter: bool) -> Array:
    """Return values on a grid, given by the coordinates along each axis."""
    if mode == "grid-constant":
        open_grid = [tnp.reshape(one, (-1, *(1,) * (len(at) - 1 - axis))) for axis, one in enumerate(at)]
        return _sampled(x, open_grid, order, mode, cval, prefilter)
    c, pad = _prepared(x, order, mode, cval, prefilter)
    outside: Any = False
    for axis, one in enumerate(at):
        places, weights, own, _ = _taps(one, c.shape[axis], order, mode, pad)
        c = tnp.sum(
            tnp.take(c, places, axis) * tnp.reshape(weights, (*weights.shape, *(1,) * (c.ndim - 1 - axis))), axis + 1
        )
        if own is not None:
            outside = outside | tnp.reshape(own, (-1, *(1,) * (len(at) - 1 - axis)))
    return c if outside is False else tnp.where(outside, cval, c)


# ---- transforms ----


def _arguments(name: str, input: Any, order: Any, mode: Any) -> tuple[Array, int, str]:
    x = image(name, input)
    if x.ndim < 1:
        raise ArgumentError(f"ndimage.{name}: input and output rank must be > 0.")
    if not isinstance(mode, str) or mode not in MODES:
        raise ArgumentError(f"ndimage.{name}: boundary mode not supported: {mode!r}. Write one of {', '.join(MODES)}.")
    return x, _checked_order(name, order), mode


@counterpart(scipy.ndimage, "Derivatives: by the input, the coordinates and cval, those of the splines.")
def map_coordinates(
    input: Any,
    coordinates: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Array:
    name = "map_coordinates"
    x, order, mode = _arguments(name, input, order, mode)
    coordinates = as_array(collected(coordinates))
    if coordinates.dtype.kind == "c":
        raise ArgumentError(f"ndimage.{name}: Complex type not supported for coordinates.")
    if coordinates.ndim < 1 or coordinates.shape[0] != x.ndim:
        raise ArgumentError(
            f"ndimage.{name}: invalid shape for coordinate array: its first axis must have length {x.ndim}; got "
            f"{coordinates.shape}."
        )
    coordinates = coordinates.astype(float)
    out = _sampled(x, [coordinates[i] for i in range(x.ndim)], order, mode, cval, prefilter)
    return finished(name, out, x, output)


def _matrix_and_offset(name: str, matrix: Any, offset: Any, rank: int, columns: int) -> tuple[Array, Array]:
    matrix = as_array(collected(matrix)).astype(float)
    if matrix.ndim not in (1, 2) or matrix.shape[0] < 1:
        raise ArgumentError(f"ndimage.{name}: no proper affine matrix provided; got shape {matrix.shape}.")
    offset = tnp.stack([tnp.asarray(one) * 1.0 for one in for_each(name, "offset", offset, rank)])
    if matrix.ndim == 2 and matrix.shape[1] == rank + 1 and matrix.shape[0] in (rank, rank + 1):
        return matrix[:rank, :rank], matrix[:rank, rank]  # of homogeneous coordinates, whose offset counts
    if matrix.shape[0] != rank or (matrix.ndim == 2 and matrix.shape[1] != columns):
        raise ArgumentError(f"ndimage.{name}: affine matrix has wrong number of rows or columns; got {matrix.shape}.")
    return matrix, offset


def _plane(x: Array, matrix: Array, offset: Array, shape: Any, *how: Any) -> Array:
    """Sample at the coordinates matrix @ place + offset of each place."""
    if matrix.ndim == 1:
        along = [matrix[i] * np.arange(float(n)) + offset[i] for i, n in enumerate(shape)]
        return _sampled_by_axes(x, along, *how)
    grid = np.stack(np.meshgrid(*(np.arange(float(n)) for n in shape), indexing="ij"))
    at = tnp.tensordot(matrix, grid, 1) + tnp.reshape(offset, (-1, *(1,) * len(shape)))
    return _sampled(x, [at[i] for i in range(x.ndim)], *how)


@counterpart(scipy.ndimage, "Derivatives: by the input, the matrix, the offset and cval, those of the splines.")
def affine_transform(
    input: Any,
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Any = None,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Array:
    name = "affine_transform"
    x, order, mode = _arguments(name, input, order, mode)
    shape = x.shape if output_shape is None else tuple(map(operator.index, output_shape))
    matrix, offset = _matrix_and_offset(name, matrix, offset, x.ndim, len(shape))
    out = _plane(x, matrix, offset, shape, order, mode, cval, prefilter)
    return finished(name, out, x, output)


@counterpart(scipy.ndimage, "Derivatives: by the input, the shift and cval, those of the splines.")
def shift(
    input: Any,
    shift: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Array:
    x, order, mode = _arguments("shift", input, order, mode)
    shifts = for_each("shift", "shift", shift, x.ndim)
    at = [np.arange(float(n)) - one for n, one in zip(x.shape, shifts, strict=True)]
    return finished("shift", _sampled_by_axes(x, at, order, mode, cval, prefilter), x, output)


@counterpart(scipy.ndimage, "Derivatives: by the input and cval, those of the splines; zoom gives a shape.")
def zoom(
    input: Any,
    zoom: Any,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
    *,
    grid_mode: bool = False,
) -> Array:
    x, order, mode = _arguments("zoom", input, order, mode)
    check_is_count("ndimage.zoom", "zoom", zoom)
    shape = [round(n * float(one)) for n, one in zip(x.shape, for_each("zoom", "zoom", zoom, x.ndim), strict=True)]
    if grid_mode and mode in ("constant", "wrap"):
        warnings.warn(f"It is recommended to use mode = grid-{mode} when grid_mode is True.", stacklevel=3)
    at = []
    for n, wanted in zip(x.shape, shape, strict=True):
        places = np.arange(float(wanted))
        if grid_mode:
            at.append((places + 0.5) * (n / wanted if wanted else 1.0) - 0.5)
        else:
            at.append(places * ((n - 1) / (wanted - 1) if wanted != 1 else 1.0))
    return finished("zoom", _sampled_by_axes(x, at, order, mode, cval, prefilter), x, output)


def _extents(angle: Array, *, shape: tuple[int, int]) -> Array:
    """Return the shape of a rotated plane, which holds all of it."""
    c, s = scipy.special.cosdg(angle), scipy.special.sindg(angle)
    height, width = shape
    corners = np.array([[c, s], [-s, c]]) @ np.array([[0, 0, height, height], [0, width, 0, width]])
    return (np.ptp(corners, axis=1) + 0.5).astype(int)


_rotated_shape = nondifferentiable(_extents, name="ndimage.rotated_shape")


def _reshaped(angle: Any, shape: tuple[int, int]) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in _rotated_shape(angle, shape=shape))
    except MappedValueError:
        raise MappedValueError(
            "ndimage.rotate: angle must be the same for all examples of vmap, as the result's shape depends on it. "
            "Write reshape=False."
        ) from None


@counterpart(
    scipy.ndimage, "Derivatives: by the input, the angle and cval, those of the splines; reshape gives a shape."
)
def rotate(
    input: Any,
    angle: Any,
    axes: Any = (1, 0),
    reshape: bool = True,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Array:
    name = "rotate"
    x, order, mode = _arguments(name, input, order, mode)
    if x.ndim < 2:
        raise ArgumentError(f"ndimage.{name}: input array should be at least 2D; got shape {x.shape}.")
    if len(axes) != 2:
        raise ArgumentError(f"ndimage.{name}: axes should contain exactly two values; got {axes!r}.")
    first, second = sorted(axis_of(f"ndimage.{name}", axis, x.ndim, "axes") for axis in axes)
    within = (x.shape[first], x.shape[second])
    wanted = _reshaped(angle, within) if reshape else within
    c, s = special.cosdg(angle), special.sindg(angle)
    matrix = tnp.stack([tnp.stack([c, s]), tnp.stack([-s, c])])
    offset = (np.array(within) - 1) / 2 - tnp.matmul(matrix, (np.array(wanted) - 1) / 2)
    planes = tnp.moveaxis(x, (first, second), (-2, -1))
    outer = planes.shape[:-2]
    rotated = [
        _plane(planes[i], matrix, offset, wanted, order, mode, cval, prefilter)
        for i in itertools.product(*map(range, outer))
    ]
    out = tnp.reshape(tnp.stack(rotated), (*outer, *wanted))
    return finished(name, tnp.moveaxis(out, (-2, -1), (first, second)), x, output)


@counterpart(scipy.ndimage, "Derivatives: by the input and by what the mapping gives, those of the splines.")
def geometric_transform(
    input: Any,
    mapping: Any,
    output_shape: Any = None,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
    extra_arguments: Any = (),
    extra_keywords: Any = None,
) -> Array:
    name = "geometric_transform"
    x, order, mode = _arguments(name, input, order, mode)
    shape = x.shape if output_shape is None else tuple(map(operator.index, output_shape))
    found = [
        tnp.stack([tnp.asarray(one) * 1.0 for one in mapping(place, *extra_arguments, **(extra_keywords or {}))])
        for place in itertools.product(*map(range, shape))
    ]
    at = tnp.moveaxis(tnp.reshape(tnp.stack(found), (*shape, x.ndim)), -1, 0)
    out = _sampled(x, [at[i] for i in range(x.ndim)], order, mode, cval, prefilter)
    return finished(name, out, x, output)
