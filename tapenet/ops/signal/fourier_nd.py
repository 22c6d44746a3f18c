"""Discrete Fourier transforms along several axes: those along one axis, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import axis_of, numpy_function
from tapenet.core.primitive import Array, Primitive
from tapenet.errors import ArgumentError
from tapenet.ops.signal.fourier import (
    Axes,
    Norm,
    fft_primitive,
    ifft_primitive,
    irfft_along,
    length_of,
    norm_of,
    resized,
    rfft_along,
)

# ---- arguments ----


def _lengths_and_axes(
    function: str, x: Array, s: Axes, axes: Axes, *, half: bool = False
) -> tuple[list[int], tuple[int, ...]]:
    """Find the axes and their lengths after the transform; with `half`, the last one is from half a spectrum."""
    if axes is None:
        axes = range(x.ndim if s is None else len(s))
        axes = [axis + x.ndim - len(axes) for axis in axes]
    places = tuple(axis_of(function, axis, x.ndim, "axes") for axis in axes)
    given: Sequence[Any] = [-1] * len(places) if s is None else s
    if len(given) != len(places):
        raise ArgumentError(f"{function}: s must have a length for each axis of {tuple(axes)}; got {tuple(given)}.")
    lengths = [
        length_of(function, None if n is None or n == -1 else n, x.shape[axis], "s")
        for n, axis in zip(given, places, strict=True)
    ]
    if half and s is None and places:
        lengths[-1] = length_of(function, None, 2 * (x.shape[places[-1]] - 1), "s")
    return lengths, places


def _transformed(transform: Primitive, x: Array, lengths: Sequence[int], axes: Sequence[int], norm: Norm) -> Array:
    """Resize, then transform along axes, the last one first; a repeated axis is transformed repeatedly."""
    if len(set(axes)) < len(axes):
        for n, axis in reversed(list(zip(lengths, axes, strict=True))):
            x = _transformed(transform, x, (n,), (axis,), norm)
        return x
    for n, axis in zip(lengths, axes, strict=True):
        x = resized(x, n, axis)
    return transform(x, axes=tuple(axes), norm=norm) if axes else x


# ---- transforms ----


@numpy_function(np.fft.fftn)
def fftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """Compute `fft` along several axes, all of them by default.

    Derivative: linear; the transform is its own transpose, without conjugation.

    >>> tnp.fft.fftn(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _along_several(fft_primitive, "fftn", a, s, axes, norm)


@numpy_function(np.fft.ifftn)
def ifftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """Compute `ifft` along several axes, all of them by default; the inverse of `fftn`.

    Derivative: linear; the transform is its own transpose, without conjugation.

    >>> tnp.fft.ifftn(np.ones((2, 2))).real
    array([[1., 0.],
           [0., 0.]])
    """
    return _along_several(ifft_primitive, "ifftn", a, s, axes, norm)


@numpy_function(np.fft.fft2)
def fft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """Compute `fftn` along two axes, the last two by default.

    Derivative: linear; the transform is its own transpose, without conjugation.

    >>> tnp.fft.fft2(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _along_several(fft_primitive, "fft2", a, s, axes, norm)


@numpy_function(np.fft.ifft2)
def ifft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """Compute `ifftn` along two axes, the last two by default.

    Derivative: linear; the transform is its own transpose, without conjugation.

    >>> tnp.fft.ifft2(np.ones((2, 2))).real
    array([[1., 0.],
           [0., 0.]])
    """
    return _along_several(ifft_primitive, "ifft2", a, s, axes, norm)


def _along_several(transform: Primitive, function: str, a: Array, s: Axes, axes: Axes, norm: Norm | None) -> Array:
    return _transformed(transform, a, *_lengths_and_axes(function, a, s, axes), norm_of(function, norm))


@numpy_function(np.fft.rfftn)
def rfftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """Compute `rfft` along the last of several axes, then `fft` along the others.

    Derivative: linear; the transposes of these, in the opposite order.

    Raises:
        ArgumentError: no axis, an s of another length than axes, a length below 1, or another norm.
        ArgumentTypeError: a complex array.

    >>> tnp.fft.rfftn(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _real_along_several("rfftn", a, s, axes, norm)


@numpy_function(np.fft.rfft2)
def rfft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """Compute `rfftn` along two axes, the last two by default.

    Derivative: linear; that of `rfftn`.

    >>> tnp.fft.rfft2(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _real_along_several("rfft2", a, s, axes, norm)


def _real_along_several(function: str, a: Array, s: Axes, axes: Axes, norm: Norm | None) -> Array:
    scale, (lengths, places) = norm_of(function, norm), _lengths_and_axes(function, a, s, axes)
    _check_any(function, places)
    half = rfft_along(function, a, lengths[-1], places[-1], scale)
    return _transformed(fft_primitive, half, lengths[:-1], places[:-1], scale)


@numpy_function(np.fft.irfftn)
def irfftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """Compute `ifft` along all but the last of several axes, then `irfft` along the last; the inverse of `rfftn`.

    Derivative: linear; the transposes of these, in the opposite order.

    Raises:
        ArgumentError: no axis, an s of another length than axes, a length below 1, or another norm.

    >>> tnp.fft.irfftn(np.ones((2, 2)))
    array([[1., 0.],
           [0., 0.]])
    """
    return _back_to_real("irfftn", a, s, axes, norm)


@numpy_function(np.fft.irfft2)
def irfft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """Compute `irfftn` along two axes, the last two by default.

    Derivative: linear; that of `irfftn`.

    >>> tnp.fft.irfft2(np.ones((2, 2)))
    array([[1., 0.],
           [0., 0.]])
    """
    return _back_to_real("irfft2", a, s, axes, norm)


def _back_to_real(function: str, a: Array, s: Axes, axes: Axes, norm: Norm | None) -> Array:
    scale, (lengths, places) = norm_of(function, norm), _lengths_and_axes(function, a, s, axes, half=True)
    _check_any(function, places)
    # The first axis first, as NumPy does it.
    whole = _transformed(ifft_primitive, a, lengths[-2::-1], places[-2::-1], scale)
    return irfft_along(function, whole, lengths[-1], places[-1], scale)


def _check_any(function: str, axes: Sequence[int]) -> None:
    if not axes:
        raise ArgumentError(f"{function}: axes must name at least one axis; got none.")
