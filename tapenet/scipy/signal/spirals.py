"""Discrete transforms on spirals and arcs: Bluestein's convolution, by the signal and by where the points are.

With n k = (n^2 + k^2 - (k - n)^2) / 2, the sum of x_n a^-n w^(n k) is a convolution of x_n a^-n w^(n^2 / 2) with
w^(-n^2 / 2). Source: L. R. Rabiner, R. W. Schafer, C. M. Rader, The chirp z-transform algorithm (1969).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.fft
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, collected
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating


def _transformed(x: Array, chirp: Array, start: Array, m: int) -> Array:
    """Transform along the last axis, with w^(k^2 / 2) and a^-k given."""
    n = x.shape[-1]
    length = scipy.fft.next_fast_len(n + m - 1)
    kernel = 1 / tnp.concatenate([chirp[1:n][::-1], chirp[:m]])
    across = tnp.fft.fft(kernel, length) * tnp.fft.fft(x * start * chirp[:n], length)
    return tnp.fft.ifft(across)[..., n - 1 : n + m - 1] * chirp[:m]


def _signal(name: str, x: Any, m: Any, axis: int) -> tuple[Array, int, int]:
    x = floating(x)
    axis = axis_of(name, axis, x.ndim)
    x = tnp.moveaxis(x, axis, -1)
    count = x.shape[-1] if m is None else operator.index(m)
    if x.shape[-1] < 1 or count < 1:
        raise ArgumentError(f"{name}: Invalid number of data points or outputs; got {x.shape[-1]} and {count}.")
    return x, count, axis


@counterpart(scipy.signal, "Derivatives: by x, w and a, those of Bluestein's convolution.")
def czt(x: Any, m: int | None = None, w: Any = None, a: Any = 1 + 0j, *, axis: int = -1) -> Array:
    x, m, axis = _signal("signal.czt", x, m, axis)
    k = np.arange(max(m, x.shape[-1]))
    if w is None:
        chirp: Array = np.exp(-1j * np.pi * (k**2 % (2 * m)) / m)
    else:
        chirp = (as_array(collected(w)) + 0j) ** (k**2 / 2.0)
    start = (as_array(collected(a)) + 0j) ** -k[: x.shape[-1]].astype(float)
    return tnp.moveaxis(_transformed(x, chirp, start, m), -1, axis)


@counterpart(scipy.signal, "Derivatives: by x, the range of frequencies and fs, those of Bluestein's convolution.")
def zoom_fft(x: Any, fn: Any, m: int | None = None, *, fs: Any = 2, endpoint: bool = False, axis: int = -1) -> Array:
    name = "signal.zoom_fft"
    x, m, axis = _signal(name, x, m, axis)
    ends = tnp.ravel(floating(fn))
    if ends.shape[0] not in (1, 2):
        raise ArgumentError(f"{name}: fn must be a scalar or 2-length sequence; got shape {ends.shape}.")
    first, last = (ends[0], ends[1]) if ends.shape[0] == 2 else (0.0 * ends[0], ends[0])
    scale = (last - first) / fs * (m / (m - 1) if endpoint else 1.0)
    k = np.arange(max(m, x.shape[-1]))
    chirp = tnp.exp(-1j * np.pi * scale * k.astype(float) ** 2 / m)
    start = tnp.exp(-2j * np.pi * first / fs * k[: x.shape[-1]])
    return tnp.moveaxis(_transformed(x, chirp, start, m), -1, axis)
