"""Linear filters of images: extensions, and convolutions with weights, by the image, the weights and the fill value."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.ndimage

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, check_is_count, collected, holds_tensor
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.convolution import convolved, extended, reversed_along
from tapenet.scipy.ndimage.arguments import checked_modes, chosen_axes, finished, for_each, image, sorted_axes
from tapenet.scipy.placing import counterpart

_BY_BOTH = "Derivatives: by the input, the weights and cval, those of the sums."

# ---- correlation ----


def _margins(function: str, size: int, origin: Any) -> tuple[int, int]:
    """Return how many elements a filter reads before and behind its own."""
    check_is_count(f"ndimage.{function}", "origin", origin)
    before = size // 2 + operator.index(origin)
    if not 0 <= before < size:
        raise ArgumentError(f"ndimage.{function}: invalid origin; got {origin} for a filter of size {size}.")
    return before, size - 1 - before


def _along(function: str, x: Array, weights: Array, axis: int, mode: str, cval: Any, origin: int) -> Array:
    """Correlate along one axis."""
    before, after = _margins(function, weights.shape[0], origin)
    if 0 in x.shape:
        return x
    longer = tnp.moveaxis(extended(x, before, after, axis, mode, cval), axis, -1)
    kernel = _in_double(tnp.flip(weights, 0))
    return tnp.moveaxis(convolved(_in_double(longer), kernel, axes=1, valid=True, method="image"), -1, axis)


def _in_double(x: Array) -> Array:
    """Return an array in the precision that SciPy adds up in."""
    return x.astype(complex if x.dtype.kind == "c" else float)


def _row(function: str, weights: Any) -> Array:
    weights = as_array(collected(weights))
    if weights.ndim != 1 or weights.shape[0] < 1:
        raise ArgumentError(f"ndimage.{function}: no filter weights given: they must be 1-D; got {weights.shape}.")
    return weights


@counterpart(scipy.ndimage, _BY_BOTH)
def correlate1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    name = "correlate1d"
    x, weights = image(name, input), _row(name, weights)
    axis = axis_of(f"ndimage.{name}", axis, x.ndim)
    (mode,) = checked_modes(name, mode, 1)
    out = _along(name, x, tnp.conj(weights), axis, mode, cval, origin)
    return finished(name, out, x, output)


@counterpart(scipy.ndimage, _BY_BOTH)
def convolve1d(
    input: Any,
    weights: Any,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    name = "convolve1d"
    x, weights = image(name, input), _row(name, weights)
    axis = axis_of(f"ndimage.{name}", axis, x.ndim)
    (mode,) = checked_modes(name, mode, 1)
    origin = -operator.index(origin) - (1 - weights.shape[0] % 2)
    out = _along(name, x, tnp.flip(weights, 0), axis, mode, cval, origin)
    return finished(name, out, x, output)


def _over_axes(
    name: str, input: Any, weights: Any, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, convolves: bool
) -> Array:
    x, weights = image(name, input), as_array(collected(weights))
    places = chosen_axes(name, axes, x.ndim)
    if weights.ndim != len(places) or 0 in weights.shape:
        raise ArgumentError(
            f"ndimage.{name}: filter weights array has incorrect shape: it must have {len(places)} axes; got "
            f"{weights.shape}."
        )
    modes = checked_modes(name, mode, len(places))
    origins = for_each(name, "origin", origin, len(places))
    places, (modes, origins) = sorted_axes(places, modes, origins)
    if 0 in x.shape:
        return finished(name, x, x, output)
    longer = x
    for i, (axis, one) in enumerate(zip(places, modes, strict=True)):
        size = weights.shape[i]
        own = -origins[i] - (1 - size % 2) if convolves else origins[i]
        longer = extended(longer, *_margins(name, size, own), axis, one, cval)
    kernel = weights if convolves else reversed_along(tnp.conj(weights), weights.ndim)
    order = (*(i for i in range(x.ndim) if i not in places), *places)
    longer = _in_double(tnp.transpose(longer, order))
    out = convolved(longer, _in_double(kernel), axes=len(places), valid=True, method="image")
    return finished(name, tnp.transpose(out, tuple(np.argsort(order))), x, output)


@counterpart(scipy.ndimage, _BY_BOTH)
def correlate(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    return _over_axes("correlate", input, weights, output, mode, cval, origin, axes, False)


@counterpart(scipy.ndimage, _BY_BOTH)
def convolve(
    input: Any,
    weights: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    return _over_axes("convolve", input, weights, output, mode, cval, origin, axes, True)


# ---- uniform ----


def _sized(function: str, size: Any) -> int:
    check_is_count(f"ndimage.{function}", "size", size)
    if size < 1:
        raise ArgumentError(f"ndimage.{function}: incorrect filter size; it must be at least 1, got {size}.")
    return int(size)


@counterpart(scipy.ndimage, "Derivatives: by the input and cval, those of the mean.")
def uniform_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: int = 0
) -> Array:
    name = "uniform_filter1d"
    x, size = image(name, input), _sized(name, size)
    (mode,) = checked_modes(name, mode, 1)
    weights = np.full(size, 1.0 / size)
    out = _along(name, x, weights, axis_of(f"ndimage.{name}", axis, x.ndim), mode, cval, origin)
    return finished(name, out, x, output)


@counterpart(scipy.ndimage, "Derivatives: by the input and cval, those of the mean.")
def uniform_filter(
    input: Any,
    size: Any = 3,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    name = "uniform_filter"
    x = image(name, input)
    places = chosen_axes(name, axes, x.ndim)
    sizes = [_sized(name, size) for size in for_each(name, "size", size, len(places))]
    origins, modes = for_each(name, "origin", origin, len(places)), checked_modes(name, mode, len(places))
    out = x
    for axis, size, own, one in zip(places, sizes, origins, modes, strict=True):
        if size > 1:
            out = finished(name, _along(name, out, np.full(size, 1.0 / size), axis, one, cval, own), x, output)
    return finished(name, out, x, output)


# ---- Gauss ----


def _widths(sigma: Array, *, truncate: float) -> Array:
    return np.floor(truncate * np.asarray(sigma, float) + 0.5)


_radii = choice(_widths, name="ndimage.radius")


@branch_condition
def _largest(radius: Array) -> int:
    if not np.all(np.isfinite(radius)):
        raise ArgumentError(f"ndimage.gaussian_filter1d: sigma must be finite; got a radius of {np.max(radius)}.")
    return int(np.max(radius))


@branch_condition
def _is_flat(sigma: Array) -> bool:
    return bool(np.all(np.asarray(sigma) <= 1e-15))


@branch_condition
def _is_negative(radius: Array) -> bool:
    return bool(np.any(np.asarray(radius) < 0))


def _gauss(name: str, sigma: Any, order: int, truncate: float, radius: int | None) -> Array:
    """Return the weights of Gauss's function, or of its derivative, by its standard deviation."""
    if order < 0:
        raise ArgumentError(f"ndimage.{name}: order must be non-negative; got {order}.")
    own = _radii(sigma, truncate=float(truncate)) if radius is None else np.asarray(radius)
    if _is_negative(own) or (radius is not None and operator.index(radius) != radius):
        raise ArgumentError(f"ndimage.{name}: radius must be a nonnegative integer.")
    reach = _largest(own)
    x = np.arange(-reach, reach + 1.0)
    # Under vmap the radius is the largest of all examples.
    phi = tnp.where(np.abs(x) <= own, tnp.exp(-0.5 * x * x / (sigma * sigma)), 0.0)
    phi = phi / tnp.sum(phi)
    q: list[Any] = [1.0]  # the polynomial that the derivative has for a factor, of the constant coefficient first
    for _ in range(order):
        slope = [i * c for i, c in enumerate(q)][1:] + [0.0, 0.0]
        raised = [0.0] + [c / (sigma * sigma) for c in q]
        q = [a - b for a, b in zip(slope[: len(raised)], raised, strict=True)]
    factor: Any = 0.0
    for c in reversed(q):
        factor = factor * x + c
    return factor * phi


def _gaussian(
    name: str,
    x: Array,
    sigma: Any,
    order: Any,
    mode: Any,
    cval: Any,
    truncate: float,
    radius: Any,
    axes: Any,
) -> Array:
    places = chosen_axes(name, axes, x.ndim)
    every = [for_each(name, label, given, len(places)) for label, given in (("sigma", sigma), ("order", order))]
    modes, radii = checked_modes(name, mode, len(places)), for_each(name, "radius", radius, len(places))
    for axis, own, degree, one, reach in zip(places, *every, modes, radii, strict=True):
        own = own if holds_tensor(own) else float(own)
        if not _is_flat(own):
            weights = tnp.flip(_gauss(name, own, operator.index(degree), truncate, reach), 0)
            x = _along(name, x, weights, axis, one, cval, 0).astype(x.dtype)
    return x


_BY_SIGMA = "Derivatives: by the input, sigma and cval; the radius is piecewise constant."


@counterpart(scipy.ndimage, _BY_SIGMA)
def gaussian_filter1d(
    input: Any,
    sigma: Any,
    axis: int = -1,
    order: int = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Array:
    name = "gaussian_filter1d"
    x = image(name, input)
    axis = axis_of(f"ndimage.{name}", axis, x.ndim)
    out = _gaussian(name, x, sigma, order, mode, cval, truncate, radius, (axis,))
    return finished(name, out, x, output)


@counterpart(scipy.ndimage, _BY_SIGMA)
def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Array:
    x = image("gaussian_filter", input)
    out = _gaussian("gaussian_filter", x, sigma, order, mode, cval, truncate, radius, axes)
    return finished("gaussian_filter", out, x, output)


def _slopes(name: str, x: Array, sigma: Any, order: int, mode: Any, cval: Any, axes: Any, rest: Any) -> list[Array]:
    """Return Gauss's derivatives of an order along each axis."""
    places = chosen_axes(name, axes, x.ndim)
    settings = {"truncate": 4.0, "radius": None} | rest
    orders = [[order if i == j else 0 for j in range(len(places))] for i in range(len(places))]
    return [_gaussian(name, x, sigma, one, mode, cval, axes=places, **settings) for one in orders]


@counterpart(scipy.ndimage, _BY_SIGMA)
def gaussian_laplace(
    input: Any,
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
    **kwargs: Any,
) -> Array:
    x = image("gaussian_laplace", input)
    out = sum(_slopes("gaussian_laplace", x, sigma, 2, mode, cval, axes, kwargs))
    return finished("gaussian_laplace", out, x, output)


@counterpart(scipy.ndimage, f"{_BY_SIGMA[:-1]}; 0 where the gradient is 0.")
def gaussian_gradient_magnitude(
    input: Any,
    sigma: Any,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    *,
    axes: Any = None,
    **kwargs: Any,
) -> Array:
    x = image("gaussian_gradient_magnitude", input)
    slopes = _slopes("gaussian_gradient_magnitude", x, sigma, 1, mode, cval, axes, kwargs)
    return finished("gaussian_gradient_magnitude", tnp.linalg.norm(tnp.stack(slopes), axis=0), x, output)


# ---- differences ----


def _gradient(name: str, input: Any, axis: int, output: Any, mode: Any, cval: Any, across: list[float]) -> Array:
    x = image(name, input)
    axis = axis_of(f"ndimage.{name}", axis, x.ndim)
    modes = checked_modes(name, mode, x.ndim)
    out = _along(name, x, np.array([-1.0, 0.0, 1.0]), axis, modes[axis], cval, 0)
    for i in range(x.ndim):
        if i != axis:
            out = _along(name, out, np.array(across), i, modes[i], cval, 0)
    return finished(name, out, x, output)


_LINEAR = "Derivatives: by the input and cval, those of the sums."


@counterpart(scipy.ndimage, _LINEAR)
def sobel(input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Array:
    return _gradient("sobel", input, axis, output, mode, cval, [1.0, 2.0, 1.0])


@counterpart(scipy.ndimage, _LINEAR)
def prewitt(input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Array:
    return _gradient("prewitt", input, axis, output, mode, cval, [1.0, 1.0, 1.0])


@counterpart(scipy.ndimage, _LINEAR)
def laplace(input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None) -> Array:
    x = image("laplace", input)
    places = chosen_axes("laplace", axes, x.ndim)
    modes = checked_modes("laplace", mode, len(places))
    second = np.array([1.0, -2.0, 1.0])
    out = sum(_along("laplace", x, second, axis, one, cval, 0) for axis, one in zip(places, modes, strict=True))
    return finished("laplace", out, x, output)
