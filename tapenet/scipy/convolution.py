"""The convolution that filters of signals and of images are made of, and the extension of arrays beyond their ends.

A convolution is linear in each of its operands, and its transposes are convolutions with the reversed other one: of a
full convolution the transposes are those of which only what overlaps entirely is kept, and the other way around.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.batch_rules import leading_axes
from tapenet.core.families import multilinear
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Parameters


def reversed_along(x: Array, axes: int) -> Array:
    """Reverse the last axes of an array."""
    return tnp.flip(x, tuple(range(-axes, 0)))


def _of_batch(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    axes = parameters["axes"]
    return leading_axes(axes, axes)(primitive, arrays, mapped, size, parameters)


def _x_bar(t: Array, y: Array, axes: int, valid: bool, method: str) -> Array:
    return convolved(t, reversed_along(y, axes), axes=axes, valid=not valid, method=method)


def _y_bar(t: Array, x: Array, axes: int, valid: bool, method: str) -> Array:
    if not valid:
        return convolved(t, reversed_along(x, axes), axes=axes, valid=True, method=method)
    return reversed_along(convolved(x, reversed_along(t, axes), axes=axes, valid=True, method=method), axes)


@multilinear(_x_bar, _y_bar, name="signal.convolve", batch=_of_batch)
def convolved(x: Array, y: Array, *, axes: int, valid: bool, method: str) -> Array:
    """Convolve along the last axes; the axes in front of them broadcast.

    Args:
        x, y: arrays.
        axes: how many.
        valid: whether only what overlaps entirely is kept; x is not shorter than y then.
        method: "direct", "fft" or "overlap-add", or "image" for the sums of scipy.ndimage.
    """
    x, y = np.asarray(x), np.asarray(y)
    ndim, mode = max(x.ndim, y.ndim), "valid" if valid else "full"
    x, y = (np.reshape(a, (*(1,) * (ndim - a.ndim), *a.shape)) for a in (x, y))
    if method in ("direct", "image"):
        return _directly(x, y, ndim - axes, mode, method == "image")
    transform = scipy.signal.fftconvolve if method == "fft" else scipy.signal.oaconvolve
    return np.asarray(transform(x, y, mode, tuple(range(ndim - axes, ndim))))


def _directly(x: Array, y: Array, leading: int, mode: str, of_images: bool) -> Array:
    if all(n == 1 for n in y.shape[:leading]):
        found = _by_images(x, y, leading, mode) if of_images else None
        return np.asarray(scipy.signal.convolve(x, y, mode, "direct")) if found is None else found
    shape = np.broadcast_shapes(x.shape[:leading], y.shape[:leading])
    x, y = (np.broadcast_to(a, (*shape, *a.shape[leading:])) for a in (x, y))
    rows = itertools.product(*(range(n) for n in shape))
    examples = [_directly(x[i], y[i], 0, mode, of_images) for i in rows]
    return np.reshape(np.stack(examples), (*shape, *examples[0].shape))


def _by_images(x: Array, y: Array, leading: int, mode: str) -> Array | None:
    """Convolve by scipy.ndimage, which is faster for images and small kernels; None where it is not."""
    size = np.max(np.abs(y), initial=0.0)
    kept = [n - (m - 1) if mode == "valid" else n + m - 1 for n, m in zip(x.shape, y.shape, strict=True)]
    if not 0 < size < np.inf or x.size > 4 * np.prod(kept) or y.size > x.size or x.dtype.char not in "fdFD":
        return None
    if mode == "full":
        x = np.pad(x, [(m - 1, m - 1) for m in y.shape])
    # It takes weights below 2.2e-16 for 0, and for equal where they differ by less.
    weights = y / size
    if leading == x.ndim - 1:
        whole = scipy.ndimage.convolve1d(x, np.ravel(weights), -1, np.result_type(x, y), "constant")
    else:
        whole = scipy.ndimage.convolve(x, weights, np.result_type(x, y), "constant")
    starts = [(m - 1) // 2 for m in y.shape]
    cut = tuple(slice(s, s + n - m + 1) for s, n, m in zip(starts, x.shape, y.shape, strict=True))
    return np.ascontiguousarray(whole[cut]) * size


# ---- extension ----

_MODES: dict[str, Any] = {  # ndimage's and signal's names, and NumPy's
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "symm": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


def extended(x: Array, before: int, after: int, axis: int, mode: str, fill: Any = 0.0) -> Array:
    """Extend an array along an axis.

    Args:
        x: the array.
        before, after: by how many elements.
        axis: counted from the first.
        mode: one of SciPy's; another one fills with a value.
        fill: the value, a number or a Tensor.
    """
    if before == after == 0:
        return x
    n = x.shape[axis]
    if mode in _MODES:
        return tnp.take(x, np.pad(np.arange(n), (before, after), mode=_MODES[mode]), axis)
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    out = tnp.pad(x, widths)
    if type(fill) in (int, float) and fill == 0:
        return out
    place = np.arange(before + n + after)
    outside = (place < before) | (place >= before + n)
    return tnp.where(np.reshape(outside, (-1, *(1,) * (x.ndim - axis - 1))), fill, out)
