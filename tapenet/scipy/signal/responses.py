"""Frequency responses: quotients of polynomials on the unit circle or the imaginary axis."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating


def polynomial_at(c: Array, at: Array) -> Array:
    """Evaluate a polynomial, of the constant coefficient first."""
    total: Array = c[-1] + 0 * at
    for i in range(c.shape[0] - 2, -1, -1):
        total = total * at + c[i]
    return total


def angles(worN: Any, whole: bool, fs: Any, include_nyquist: bool, dtype: Any) -> Array:
    """Return angles on the unit circle; where they are only counted, in the precision of the coefficients."""
    worN = 512 if worN is None else worN
    if not holds_tensor(worN) and np.ndim(worN) == 0 and isinstance(worN, int | np.integer):
        count = operator.index(worN)
        end = 2 * np.pi if whole else np.pi
        w = np.linspace(0, end, count, endpoint=include_nyquist and not whole)
        return w.astype(np.result_type(dtype, np.complex64).type(0).real.dtype)
    return 2 * np.pi * tnp.atleast_1d(floating(worN)) / fs


def on_circle(w: Array, fs: Any) -> Array:
    """Return the frequencies of angles."""
    return w * (fs / (2 * np.pi))


def row(name: str, label: str, c: Any) -> Array:
    """Return coefficients as a vector."""
    c = tnp.atleast_1d(floating(c))
    if c.ndim != 1:
        raise ArgumentError(f"{name}: {label} must be one-dimensional on a tape; got shape {c.shape}.")
    return c


_BY = "Derivatives: by the coefficients and the frequencies, those of the quotient."


@counterpart(scipy.signal, _BY)
def freqz(
    b: Any,
    a: Any = 1,
    worN: Any = 512,
    whole: bool = False,
    plot: Any = None,
    fs: Any = 2 * np.pi,
    include_nyquist: bool = False,
) -> tuple[Array, Array]:
    b = row("signal.freqz", "b", b)
    a = row("signal.freqz", "a", np.asarray(a, b.dtype) if isinstance(a, int | float) else a)
    w = angles(worN, whole, fs, include_nyquist, np.result_type(b.dtype, a.dtype))
    back = tnp.exp(-1j * w)
    h = polynomial_at(b, back) / polynomial_at(a, back)
    w = on_circle(w, fs)
    if plot is not None:
        plot(w, h)
    return w, h


@counterpart(scipy.signal, "Derivatives: by zeros, poles, the gain and the frequencies, those of the quotient.")
def freqz_zpk(z: Any, p: Any, k: Any, worN: Any = 512, whole: bool = False, fs: Any = 2 * np.pi) -> tuple[Array, Array]:
    z, p = row("signal.freqz_zpk", "z", z), row("signal.freqz_zpk", "p", p)
    w = angles(worN, whole, fs, False, np.result_type(z.dtype, p.dtype))
    on = tnp.exp(1j * w)
    above, below = (tnp.prod(on[:, None] - roots, -1) for roots in (z, p))
    return on_circle(w, fs), k * above / below


def _of_sections(sos: Any, worN: Any = 512, whole: bool = False, fs: Any = 2 * np.pi) -> tuple[Array, Array]:
    sos = tnp.atleast_2d(floating(sos))
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ArgumentError(f"signal.freqz_sos: sos array must be shape (n_sections, 6); got {sos.shape}.")
    w = angles(worN, whole, fs, False, sos.dtype)
    back = tnp.exp(-1j * w)
    h: Array = 1.0
    for i in range(sos.shape[0]):
        h = h * (polynomial_at(sos[i, :3], back) / polynomial_at(sos[i, 3:], back))
    return on_circle(w, fs), h


def _named(name: str) -> Any:
    def function(sos: Any, worN: Any = 512, whole: bool = False, fs: Any = 2 * np.pi) -> tuple[Array, Array]:
        return _of_sections(sos, worN, whole, fs)

    function.__name__ = name
    return counterpart(scipy.signal, _BY)(function)


sosfreqz, freqz_sos = map(_named, ("sosfreqz", "freqz_sos"))


def _axis_points(name: str, worN: Any) -> Array:
    if worN is None or (not holds_tensor(worN) and np.ndim(worN) == 0):
        raise ArgumentError(f"{name}: worN must be an array of frequencies on a tape; got {worN!r}.")
    return tnp.atleast_1d(floating(worN))


@counterpart(scipy.signal, _BY)
def freqs(b: Any, a: Any, worN: Any = 200, plot: Any = None) -> tuple[Array, Array]:
    b, a = row("signal.freqs", "b", b), row("signal.freqs", "a", a)
    w = _axis_points("signal.freqs", worN)
    h = polynomial_at(b[::-1], 1j * w) / polynomial_at(a[::-1], 1j * w)
    if plot is not None:
        plot(w, h)
    return w, h


@counterpart(scipy.signal, "Derivatives: by zeros, poles, the gain and the frequencies, those of the quotient.")
def freqs_zpk(z: Any, p: Any, k: Any, worN: Any = 200) -> tuple[Array, Array]:
    z, p = row("signal.freqs_zpk", "z", z), row("signal.freqs_zpk", "p", p)
    w = _axis_points("signal.freqs_zpk", worN)
    above, below = (tnp.prod(1j * w[:, None] - roots, -1) for roots in (z, p))
    return w, k * above / below
