"""Filters of a neighbourhood, analytic signals of images, quotients of signals and delays of groups."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import axes_of
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import ndimage
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.convolutions import convolve, correlate
from tapenet.scipy.signal.filters import floating, lfilter
from tapenet.scipy.signal.responses import angles, on_circle, polynomial_at, row

_CHOSEN = "Derivative: by the element that is taken; which it is is piecewise constant."


def _odd(name: str, label: str, sizes: Any) -> None:
    if any(size % 2 != 1 for size in sizes):
        raise ArgumentError(f"{name}: each element of {label} should be odd; got {list(sizes)}.")


@counterpart(scipy.signal, _CHOSEN)
def order_filter(a: Any, domain: Any, rank: int) -> Array:
    domain = np.asarray(domain)
    _odd("signal.order_filter", "domain's shape", domain.shape)
    return ndimage.rank_filter(floating(a), rank, footprint=domain, mode="constant")


def _median(name: str, x: Array, kernel_size: Any) -> Array:
    sizes = [3] * x.ndim if kernel_size is None else np.broadcast_to(kernel_size, (x.ndim,)).tolist()
    _odd(name, "kernel_size", sizes)
    return ndimage.rank_filter(x, math.prod(sizes) // 2, size=sizes, mode="constant")


@counterpart(scipy.signal, _CHOSEN)
def medfilt(volume: Any, kernel_size: Any = None) -> Array:
    return _median("signal.medfilt", tnp.atleast_1d(floating(volume)), kernel_size)


@counterpart(scipy.signal, _CHOSEN)
def medfilt2d(input: Any, kernel_size: Any = 3) -> Array:
    x = floating(input)
    if x.ndim != 2:
        raise ArgumentError(f"signal.medfilt2d: input must have two axes; got shape {x.shape}.")
    return _median("signal.medfilt2d", x, kernel_size)


@counterpart(scipy.signal, "Derivatives: by the image and the noise, those of local means and variances.")
def wiener(im: Any, mysize: Any = None, noise: Any = None) -> Array:
    im = floating(im)
    sizes = np.broadcast_to(3 if mysize is None else mysize, (im.ndim,)).tolist()
    ones, count = np.ones(sizes), float(math.prod(sizes))
    mean = correlate(im, ones, "same") / count
    variance = correlate(im**2, ones, "same") / count - mean**2
    noise = tnp.mean(variance) if noise is None else noise
    is_noise = variance < noise
    share = 1 - noise / tnp.where(is_noise, 1.0, variance)
    return tnp.where(is_noise, mean, mean + (im - mean) * share)


@counterpart(scipy.signal, "Derivatives: by both signals, those of a filter and of a convolution.")
def deconvolve(signal: Any, divisor: Any) -> Any:
    name = "signal.deconvolve"
    above, below = row(name, "signal", signal), row(name, "divisor", divisor)
    count = above.shape[0] - below.shape[0] + 1
    if not (above.shape[0] and below.shape[0]):
        raise ArgumentError(f"{name}: signal and divisor must be non-empty; got {above.shape} and {below.shape}.")
    if count < 1:
        return [], above
    quotient = lfilter(above, below, np.eye(1, count)[0])
    return quotient, above - convolve(below, quotient)


def _one_sided(n: int) -> Any:
    """Return the factors that leave half of the frequencies."""
    half = (n + 1) // 2
    return np.where(np.arange(n) == 0, 1.0, np.where(np.arange(n) < half, 2.0, 0.0))


@counterpart(scipy.signal, "Derivative: the transform of the tangent.")
def hilbert2(x: Any, N: Any = None, axes: Any = (-2, -1)) -> Array:
    name, x = "signal.hilbert2", tnp.atleast_2d(floating(x))
    if x.dtype.kind == "c":
        raise ArgumentError(f"{name}: x must be real; got dtype {x.dtype}.")
    places = axes_of(name, axes, x.ndim)
    if len(places) != 2:
        raise ArgumentError(f"{name}: axes must contain 2 distinct axes; got {axes}.")
    sizes = [x.shape[axis] for axis in places] if N is None else np.broadcast_to(N, (2,)).tolist()
    if any(operator.index(size) <= 0 for size in sizes):
        raise ArgumentError(f"{name}: N must be positive; got {N}.")
    weights = np.outer(*map(_one_sided, sizes)).astype(x.dtype)
    across = tnp.moveaxis(tnp.fft.fft2(x, sizes, places), places, (-2, -1)) * weights
    return tnp.fft.ifft2(tnp.moveaxis(across, (-2, -1), places), axes=places)


@counterpart(scipy.signal, "Derivatives: by the coefficients and the frequencies, those of the quotient.")
def group_delay(system: Any, w: Any = 512, whole: bool = False, fs: Any = 2 * np.pi) -> tuple[Array, Array]:
    b, a = (row("signal.group_delay", label, c) for label, c in zip("ba", system, strict=True))
    c = convolve(b, tnp.conj(a[::-1]))
    w = angles(w, whole, fs, False, c.dtype)
    back = tnp.exp(-1j * w)
    delay = tnp.real(polynomial_at(c * np.arange(c.shape[0]), back) / polynomial_at(c, back)) - (a.shape[0] - 1)
    return on_circle(w, fs), delay
