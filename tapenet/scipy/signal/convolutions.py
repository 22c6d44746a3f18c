"""Convolutions and correlations of signals and images: one bilinear operation, by either of its operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axes_of, collected
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.convolution import convolved, extended, reversed_along
from tapenet.scipy.placing import counterpart

_BOTH = "Derivatives: by each of the two arrays, convolutions with the other one reversed."


def _pair(name: str, in1: Any, in2: Any, mode: str) -> tuple[Array, Array]:
    in1, in2 = as_array(collected(in1)), as_array(collected(in2))
    if in1.ndim != in2.ndim:
        raise ArgumentError(
            f"{name}: in1 and in2 should have the same dimensionality; got shapes {in1.shape} and {in2.shape}."
        )
    if mode not in ("full", "valid", "same"):
        raise ArgumentError(f"{name}: acceptable mode flags are 'valid', 'same', or 'full'; got {mode!r}.")
    return in1, in2


def centered(out: Array, shape: tuple[int, ...]) -> Array:
    """Cut the middle of a shape out of an array."""
    starts = [(have - want) // 2 for have, want in zip(out.shape, shape, strict=True)]
    return out[tuple(slice(start, start + want) for start, want in zip(starts, shape, strict=True))]


def _with_mode(name: str, in1: Array, in2: Array, axes: int, mode: str, method: str) -> Array:
    """Convolve along the last axes, and keep what the mode says."""
    if 0 in in1.shape or 0 in in2.shape:
        return np.zeros(0)
    if mode != "valid":
        out = convolved(in1, in2, axes=axes, valid=False, method=method)
        return out if mode == "full" else centered(out, in1.shape)
    lengths = list(zip(in1.shape[-axes:], in2.shape[-axes:], strict=True))
    if all(a >= b for a, b in lengths):
        return convolved(in1, in2, axes=axes, valid=True, method=method)
    if all(a <= b for a, b in lengths):
        return convolved(in2, in1, axes=axes, valid=True, method=method)
    raise ArgumentError(
        f"{name}: for 'valid' mode, one must be at least as large as the other in every dimension; got shapes "
        f"{in1.shape} and {in2.shape}."
    )


def _chosen(name: str, method: str, in1: Array, in2: Array, mode: str) -> str:
    if method == "auto":
        shapes = (np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in (in1, in2))
        return scipy.signal.choose_conv_method(*shapes, mode=mode)
    if method not in ("direct", "fft"):
        raise ArgumentError(f"{name}: acceptable method flags are 'auto', 'direct', or 'fft'; got {method!r}.")
    return method


@counterpart(scipy.signal, _BOTH)
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    in1, in2 = _pair("signal.convolve", in1, in2, mode)
    if in1.ndim == 0:
        return in1 * in2
    method = _chosen("signal.convolve", method, in1, in2, mode)
    return _with_mode("signal.convolve", in1, in2, in1.ndim, mode, method)


@counterpart(scipy.signal, _BOTH)
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    in1, in2 = _pair("signal.correlate", in1, in2, mode)
    if in1.ndim == 0:
        return in1 * tnp.conj(in2)
    in2 = reversed_along(tnp.conj(in2), in2.ndim)
    method = _chosen("signal.correlate", method, in1, in2, mode)
    return _with_mode("signal.correlate", in1, in2, in1.ndim, mode, method)


def _along(name: str, method: str, in1: Any, in2: Any, mode: str, axes: Any) -> Array:
    in1, in2 = _pair(name, in1, in2, mode)
    if in1.ndim == 0:
        return in1 * in2
    places = axes_of(name, range(in1.ndim) if axes is None else axes, in1.ndim)
    others = [i for i in range(in1.ndim) if i not in places]
    if any(in1.shape[i] != in2.shape[i] and 1 not in (in1.shape[i], in2.shape[i]) for i in others):
        raise ArgumentError(f"{name}: incompatible shapes for in1 and in2: {in1.shape} and {in2.shape}.")
    order = (*others, *places)
    first, second = tnp.transpose(in1, order), tnp.transpose(in2, order)
    out = _with_mode(name, first, second, len(places), mode, method)
    return tnp.transpose(out, tuple(np.argsort(order))) if out.ndim == len(order) else out


@counterpart(scipy.signal, _BOTH)
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    return _along("signal.fftconvolve", "fft", in1, in2, mode, axes)


@counterpart(scipy.signal, _BOTH)
def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    return _along("signal.oaconvolve", "overlap-add", in1, in2, mode, axes)


def _in_two(name: str, in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, correlates: bool) -> Array:
    in1, in2 = _pair(name, in1, in2, mode)
    if in1.ndim != 2:
        raise ArgumentError(f"{name}: inputs must both be 2-D arrays; got shape {in1.shape}.")
    if boundary not in ("fill", "pad", "wrap", "circular", "symm", "symmetric"):
        raise ArgumentError(f"{name}: acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric'.")
    kernel = reversed_along(tnp.conj(in2), 2) if correlates else in2
    if mode == "valid":
        return _with_mode(name, in1, kernel, 2, mode, "direct")
    extension = {"circular": "wrap", "symmetric": "symm"}.get(boundary, boundary)
    out = in1
    for axis in (0, 1):
        out = extended(out, kernel.shape[axis] - 1, kernel.shape[axis] - 1, axis, extension, fillvalue)
    out = convolved(out, kernel, axes=2, valid=True, method="direct")
    return out if mode == "full" else _same(out, in1.shape, in2.shape, correlates)


def _same(out: Array, shape: tuple[int, ...], kernel: tuple[int, ...], correlates: bool) -> Array:
    starts = [(k // 2 if correlates else (k - 1) // 2) for k in kernel]
    return out[tuple(slice(start, start + n) for start, n in zip(starts, shape, strict=True))]


@counterpart(scipy.signal, f"{_BOTH[:-1]}; by the fill value too.")
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Array:
    return _in_two("signal.convolve2d", in1, in2, mode, boundary, fillvalue, False)


@counterpart(scipy.signal, f"{_BOTH[:-1]}; by the fill value too.")
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Array:
    return _in_two("signal.correlate2d", in1, in2, mode, boundary, fillvalue, True)
