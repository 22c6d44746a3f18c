"""Filters designed by their cutoff frequencies: windowed sums of sinc functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
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
