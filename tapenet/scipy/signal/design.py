"""Filters without recursion, designed by cutoff frequencies or by gains: windowed sums of sines and cosines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating
from tapenet.scipy.signal.windows import get_window


@branch_condition
def _check(cutoff: Array, numtaps: Any, count: int, pass_zero: Any) -> bool:
    """Raise what SciPy raises for these frequencies; vmap gives those of all examples."""
    for one in np.reshape(cutoff, (-1, count)) if np.ndim(cutoff) > 1 else [np.asarray(cutoff)]:
        try:
            scipy.signal.firwin(numtaps, one, pass_zero=pass_zero)
        except ValueError as error:
            raise ArgumentError(f"signal.firwin: {error}") from error
    return True


@counterpart(
    scipy.signal, "Derivatives: by the cutoff frequencies and by fs, those of the windowed sum of sinc functions."
)
def firwin(
    numtaps: int,
    cutoff: Any,
    *,
    width: Any = None,
    window: Any = "hamming",
    pass_zero: Any = True,
    scale: bool = True,
    fs: Any = None,
) -> Array:
    half = 1.0 if fs is None else fs / 2
    if width is not None:
        window = ("kaiser", scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(numtaps, float(width / half))))
    cutoff = tnp.atleast_1d(floating(cutoff)) / half
    if cutoff.ndim != 1:
        raise ArgumentError(f"signal.firwin: cutoff must be a number or a vector; got shape {cutoff.shape}.")
    _check(cutoff, numtaps, cutoff.shape[0], pass_zero)
    begins = pass_zero is True or pass_zero in ("bandstop", "lowpass")
    ends = (cutoff.shape[0] % 2 == 0) == begins
    edges = tnp.concatenate([np.zeros(int(begins), cutoff.dtype), cutoff, np.ones(int(ends), cutoff.dtype)])
    m = np.arange(numtaps, dtype=cutoff.dtype) - (numtaps - 1) / 2
    left, right = tnp.expand_dims(edges[0::2], -1), tnp.expand_dims(edges[1::2], -1)
    taps = tnp.sum(right * tnp.sinc(right * m) - left * tnp.sinc(left * m), axis=0)
    taps = taps * np.asarray(get_window(window, numtaps, fftbins=False), cutoff.dtype)
    if not scale:
        return taps
    middle: Array = 0.0 if begins else 1.0 if edges.shape[0] == 2 and ends else (edges[0] + edges[1]) / 2
    return taps / tnp.sum(taps * tnp.cos(np.pi * m * middle))


@branch_condition
def _check_points(freq: Array, gain: Array, settings: Any) -> bool:
    """Raise what SciPy raises for these frequencies and gains; vmap gives those of all examples."""
    shape = np.broadcast_shapes(np.shape(freq), np.shape(gain))
    for f, g in zip(*(np.broadcast_to(a, shape).reshape(-1, shape[-1]) for a in (freq, gain)), strict=True):
        try:
            scipy.signal.firwin2(freq=f, gain=g, **settings)
        except ValueError as error:
            raise ArgumentError(f"signal.firwin2: {error}") from error
    return True


@counterpart(scipy.signal, "Derivatives: by the gains and their frequencies, those of the window times a Fourier sum.")
def firwin2(
    numtaps: int,
    freq: Any,
    gain: Any,
    *,
    nfreqs: int | None = None,
    window: Any = "hamming",
    antisymmetric: bool = False,
    fs: Any = None,
) -> Array:
    freq, gain = floating(freq), floating(gain)
    if freq.ndim != 1 or gain.shape != freq.shape:
        raise ArgumentError(f"signal.firwin2: freq and gain must be of same length; got {freq.shape} and {gain.shape}.")
    nyquist = 1.0 if fs is None else fs / 2
    settings = {"numtaps": numtaps, "nfreqs": nfreqs, "window": window, "antisymmetric": antisymmetric, "fs": fs}
    _check_points(freq, gain, settings)
    count = 1 + 2 ** math.ceil(math.log2(numtaps)) if nfreqs is None else nfreqs
    # At a frequency that is given twice the gain jumps: SciPy moves them apart by one rounding error.
    step = np.finfo(float).eps * nyquist
    same = tnp.asarray(_repeats(freq)) * 1.0
    freq = freq + step * (tnp.concatenate([np.zeros(1), same]) - tnp.concatenate([same, np.zeros(1)]))
    at = np.linspace(0.0, nyquist, count)
    shift = np.exp(-(numtaps - 1) / 2.0 * 1j * np.pi * at / nyquist) * (1j if antisymmetric else 1)
    taps = tnp.fft.irfft(tnp.interp(at, freq, gain) * shift)[:numtaps]
    if window is not None:
        taps = taps * get_window(window, numtaps, fftbins=False)
    if antisymmetric and numtaps % 2:
        taps = taps * (np.arange(numtaps) != numtaps // 2)
    return taps


_repeats = nondifferentiable(lambda freq: np.diff(freq) == 0, name="repeats")
