"""Spectra of segments of signals: gathered segments, windows, Fourier transforms and their sums."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, collected
from tapenet.core.batch_rules import leading
from tapenet.core.families import linear
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import detrend as detrended, floating, lengthened
from tapenet.scipy.signal.windows import get_window

# ---- segments ----


def _places(width: int, step: int, count: int) -> Array:
    return step * np.arange(count)[:, None] + np.arange(width)


@linear(lambda t, step, x_shape: _overlapped(t, step=step, length=x_shape[-1]), name="signal.segments", batch=leading())
def _segments(x: Array, *, width: int, step: int) -> Array:
    """Return segments of the last axis, along two axes: shape (..., count, width)."""
    count = (x.shape[-1] - width) // step + 1
    return np.asarray(x[..., _places(width, step, count)])


@linear(lambda t, step, x_shape: _segments(t, width=x_shape[-1], step=step), name="signal.overlapped", batch=leading())
def _overlapped(x: Array, *, step: int, length: int) -> Array:
    """Add up segments at their places: the transpose of taking them."""
    out = np.zeros((*x.shape[:-2], length), x.dtype)
    for i in range(x.shape[-2]):
        out[..., i * step : i * step + x.shape[-1]] += x[..., i, :]
    return out


def _window(name: str, window: Any, nperseg: int | None, n: int, dtype: Any) -> tuple[Array, int]:
    """Return the window, and the length of segments."""
    if isinstance(window, str | tuple):
        nperseg = 256 if nperseg is None else operator.index(nperseg)
        if nperseg < 1:
            raise ArgumentError(f"{name}: nperseg must be a positive integer; got {nperseg}.")
        if nperseg > n:
            warnings.warn(f"nperseg = {nperseg} is greater than input length = {n}, using it.", stacklevel=4)
            nperseg = n
        made = get_window(window, nperseg)
    else:
        made = floating(window)
        if made.ndim != 1:
            raise ArgumentError(f"{name}: window must be 1-D; got shape {made.shape}.")
        nperseg = made.shape[0] if nperseg is None else operator.index(nperseg)
        if made.shape[0] != nperseg:
            raise ArgumentError(f"{name}: window must have length of {nperseg}; got {made.shape[0]}.")
    return made.astype(dtype) if made.dtype.kind == "f" else made, nperseg


def _counts(name: str, nperseg: int, noverlap: int | None, nfft: int | None) -> tuple[int, int]:
    """Return the step between segments, and the length of transforms."""
    nfft = nperseg if nfft is None else operator.index(nfft)
    noverlap = nperseg // 2 if noverlap is None else operator.index(noverlap)
    if nfft < nperseg:
        raise ArgumentError(f"{name}: nfft must be greater than or equal to nperseg; got {nfft} and {nperseg}.")
    if noverlap >= nperseg:
        raise ArgumentError(f"{name}: noverlap must be less than nperseg; got {noverlap} and {nperseg}.")
    return nperseg - noverlap, nfft


def _transformed(x: Array, window: Array, step: int, nfft: int, detrend: Any, onesided: bool) -> Array:
    """Return the transforms of the segments of the last axis: shape (..., count, frequencies)."""
    parts = _segments(x, width=window.shape[0], step=step)
    if callable(detrend):
        parts = detrend(parts)
    elif detrend:
        parts = detrended(parts, -1, detrend)
    parts = parts * window
    return tnp.fft.rfft(parts, nfft) if onesided else tnp.fft.fft(parts, nfft)


def _frequencies(nfft: int, fs: Any, onesided: bool) -> Array:
    return (np.fft.rfftfreq if onesided else np.fft.fftfreq)(nfft) * as_array(collected(fs))


def _scale(name: str, scaling: str, window: Array, fs: Any) -> Array:
    """Return what squares of transforms are multiplied by."""
    if scaling == "density":
        return 1.0 / (fs * tnp.sum(window * window))
    if scaling == "spectrum":
        return 1.0 / tnp.sum(window) ** 2
    raise ArgumentError(f"{name}: scaling must be 'density' or 'spectrum'; got {scaling!r}.")


def _real_dtype(*arrays: Array) -> Any:
    return np.result_type(*(a.dtype for a in arrays), np.complex64).type(0).real.dtype


# ---- power ----


def _padded(x: Array, n: int) -> Array:
    return tnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])]) if x.shape[-1] < n else x


def _cross(
    name: str,
    x: Array,
    y: Array,
    fs: Any,
    window: Any,
    nperseg: int | None,
    noverlap: int | None,
    nfft: int | None,
    detrend: Any,
    onesided: bool,
    scaling: str,
) -> tuple[Array, Array, int, int]:
    """Return frequencies, and the products of the transforms of segments: shape (..., count, frequencies)."""
    same = y is x
    n = max(x.shape[-1], y.shape[-1])
    onesided = onesided and x.dtype.kind != "c" and y.dtype.kind != "c"
    made, nperseg = _window(name, window, nperseg, n, _real_dtype(x, y))
    step, nfft = _counts(name, nperseg, noverlap, nfft)
    across = _transformed(_padded(x, n), made, step, nfft, detrend, onesided)
    other = across if same else _transformed(_padded(y, n), made, step, nfft, detrend, onesided)
    power = tnp.conj(across) * other * _scale(name, scaling, made, fs)
    if onesided:
        twice = np.full(power.shape[-1], 2.0, power.dtype.type(0).real.dtype)
        twice[0] = 1
        if nfft % 2 == 0:
            twice[-1] = 1
        power = power * twice
    return _frequencies(nfft, fs, onesided), power, nperseg, step


def _averaged(name: str, power: Array, average: str) -> Array:
    if average == "mean":
        return tnp.mean(power, -2)
    if average != "median":
        raise ArgumentError(f"{name}: average must be 'median' or 'mean', got {average!r}.")
    count = power.shape[-2]
    bias = 1 + np.sum(
        1.0 / (2 * np.arange(1, (count - 1) // 2 + 1) + 1) - 1.0 / (2 * np.arange(1, (count - 1) // 2 + 1))
    )
    return (tnp.median(tnp.real(power), -2) + 1j * tnp.median(tnp.imag(power), -2)) / float(bias)


def _signal(name: str, x: Any, axis: int) -> Array:
    x = floating(x)
    return tnp.moveaxis(x, axis_of(name, axis, x.ndim), -1)


def _of_nothing(x: Any, count: int) -> Any:
    """Return what SciPy gives for a signal without elements: arrays without elements."""
    x = floating(x)
    return (np.zeros(x.shape),) * count if x.size == 0 else None


_SQUARES = "Derivatives: those of the squares of the transforms, by the signals, the window and fs."


@counterpart(scipy.signal, _SQUARES)
def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Array, Array]:
    nothing = _of_nothing(x, 2)
    if nothing is not None:
        return nothing
    name = "signal.csd"
    first = _signal(name, x, axis)
    second = first if y is x else _signal(name, y, axis)
    f, power, _, _ = _cross(name, first, second, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling)
    return f, tnp.moveaxis(_averaged(name, power, average), -1, axis)


@counterpart(scipy.signal, _SQUARES)
def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Array, Array]:
    x = floating(x)
    f, power = csd(x, x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)
    return f, tnp.real(power)


@counterpart(scipy.signal, _SQUARES)
def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[Array, Array]:
    nothing = _of_nothing(x, 2)
    if nothing is not None:
        return nothing
    x = floating(x)
    axis = axis_of("signal.periodogram", axis, x.ndim)
    n = x.shape[axis]
    window = "boxcar" if window is None else window
    nperseg = n if nfft is None or nfft > n else operator.index(nfft)
    x = x[(*(slice(None),) * axis, slice(nperseg))]
    nfft = None if nfft == nperseg else nfft
    return welch(x, fs, window, nperseg, 0, nfft, detrend, return_onesided, scaling, axis)


@counterpart(scipy.signal, "Derivatives: those of the quotient of the spectra.")
def coherence(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> tuple[Array, Array]:
    settings = (window, nperseg, noverlap, nfft, detrend)
    f, xx = welch(x, fs, *settings, axis=axis)
    _, yy = welch(y, fs, *settings, axis=axis)
    _, xy = csd(x, y, fs, *settings, axis=axis)
    return f, tnp.abs(xy) ** 2 / xx / yy


@counterpart(scipy.signal, _SQUARES)
def spectrogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = ("tukey", 0.25),
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> tuple[Array, Array, Array]:
    nothing = _of_nothing(x, 3)
    if nothing is not None:
        return nothing
    name = "signal.spectrogram"
    if mode != "psd":
        raise ArgumentError(f"{name}: mode must be 'psd' on a tape; got {mode!r}. Write signal.stft, and its angle.")
    along = _signal(name, x, axis)
    made, nperseg = _window(name, window, nperseg, along.shape[-1], _real_dtype(along))
    noverlap = nperseg // 8 if noverlap is None else noverlap
    f, power, _, step = _cross(name, along, along, fs, made, nperseg, noverlap, nfft, detrend, return_onesided, scaling)
    times = (nperseg / 2 + step * np.arange(power.shape[-2])) / fs
    out = tnp.moveaxis(tnp.swapaxes(tnp.real(power), -1, -2), -2, axis if axis >= 0 else axis - 1)
    return f, times, out


# ---- short-time transforms ----


@counterpart(scipy.signal, "Derivatives: those of the transforms, by x, the window and fs.")
def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> tuple[Array, Array, Array]:
    nothing = _of_nothing(x, 3)
    if nothing is not None:
        return nothing
    name = "signal.stft"
    if boundary not in ("even", "odd", "constant", "zeros", None):
        raise ArgumentError(f"{name}: boundary must be 'even', 'odd', 'constant', 'zeros' or None; got {boundary!r}.")
    along = _signal(name, x, axis)
    made, nperseg = _window(name, window, nperseg, along.shape[-1], _real_dtype(along))
    step, nfft = _counts(name, nperseg, noverlap, nfft)
    onesided = return_onesided and along.dtype.kind != "c"
    along = lengthened(along, nperseg // 2, boundary)
    if padded:
        along = _padded(along, along.shape[-1] + (-(along.shape[-1] - nperseg) % step) % nperseg)
    scale = tnp.sqrt(_scale(name, {"psd": "density"}.get(scaling, scaling), made, fs))
    across = _transformed(along, made, step, nfft, detrend, onesided) * scale
    start = 0.0 if boundary is not None else nperseg / 2
    times = (start + step * np.arange(across.shape[-2])) / fs
    out = tnp.moveaxis(tnp.swapaxes(across, -1, -2), -2, axis if axis >= 0 else axis - 1)
    return _frequencies(nfft, fs, onesided), times, out


@counterpart(scipy.signal, "Derivatives: those of the sums of inverse transforms, by Zxx, the window and fs.")
def istft(
    Zxx: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> tuple[Array, Array]:
    name = "signal.istft"
    z = as_array(collected(Zxx))
    if z.ndim < 2:
        raise ArgumentError(f"{name}: input stft must be at least 2d; got shape {z.shape}.")
    at, of = axis_of(name, time_axis, z.ndim, "time_axis"), axis_of(name, freq_axis, z.ndim, "freq_axis")
    if at == of:
        raise ArgumentError(f"{name}: must specify differing time and frequency axes; got {at}.")
    z = tnp.moveaxis(z, (at, of), (-2, -1)) * np.complex64(1)
    default = 2 * (z.shape[-1] - 1) if input_onesided else z.shape[-1]
    nperseg = default if nperseg is None else operator.index(nperseg)
    nfft = (nperseg if input_onesided and nperseg == default + 1 else default) if nfft is None else nfft
    step, nfft = _counts(name, nperseg, noverlap, nfft)
    made, nperseg = _window(name, window, nperseg, nperseg, _real_dtype(z))
    inverse = tnp.fft.irfft if input_onesided else tnp.fft.ifft
    parts = inverse(z, nfft)[..., :nperseg]
    if scaling not in ("spectrum", "psd"):
        raise ArgumentError(f"{name}: scaling must be 'spectrum' or 'psd'; got {scaling!r}.")
    parts = parts * (tnp.sum(made) if scaling == "spectrum" else tnp.sqrt(fs * tnp.sum(made * made)))
    count = parts.shape[-2]
    length = nperseg + (count - 1) * step
    x = _overlapped(parts * made, step=step, length=length)
    weights = _overlapped(tnp.broadcast_to(made * made, (count, nperseg)), step=step, length=length)
    if boundary:
        inner = slice(nperseg // 2, length - nperseg // 2)
        x, weights = x[..., inner], weights[inner]
    is_covered = weights > 1e-10
    if not np.all(is_covered):
        warnings.warn("NOLA condition failed, STFT may not be invertible.", stacklevel=2)
    x = x / tnp.where(is_covered, weights, 1.0)
    x = tnp.moveaxis(x, -1, at - (of < at))
    return np.arange(x.shape[0]) / fs, x
