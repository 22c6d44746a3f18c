"""Recursive filters designed by their frequencies and ripples: a prototype, moved to its band, and made digital."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating
from tapenet.scipy.signal.forms import zpk2sos, zpk2tf
from tapenet.scipy.signal.prototypes import cheb1ap, cheb2ap, ellipap, has_at_most
from tapenet.scipy.signal.transformations import bilinear_zpk, lp2bp_zpk, lp2bs_zpk, lp2hp_zpk, lp2lp_zpk

_BANDS = {
    **dict.fromkeys(("band", "bandpass", "pass", "bp"), "bandpass"),
    **dict.fromkeys(("bs", "bandstop", "bands", "stop"), "bandstop"),
    **dict.fromkeys(("l", "low", "lowpass", "lp"), "lowpass"),
    **dict.fromkeys(("high", "highpass", "h", "hp"), "highpass"),
}
_KINDS = {
    **dict.fromkeys(("butter", "butterworth"), "butter"),
    **dict.fromkeys(("cauer", "elliptic", "ellip"), "ellip"),
    **dict.fromkeys(("cheby1", "chebyshev1", "chebyshevi"), "cheby1"),
    **dict.fromkeys(("cheby2", "chebyshev2", "chebyshevii"), "cheby2"),
    "bessel": "phase",
    **{f"bessel_{norm}": norm for norm in ("phase", "delay", "mag")},
}


@branch_condition
def _has_at_least(x: Array, bound: float) -> bool:
    return bool(np.any(np.asarray(x) >= bound))


@branch_condition
def _falls(x: Array) -> bool:
    return bool(np.any(np.diff(x, axis=-1) <= 0))


def _prototype(name: str, N: int, rp: Any, rs: Any, kind: str) -> Any:
    if kind == "cheby1" and rp is None:
        raise ArgumentError(f"{name}: passband ripple (rp) must be provided to design a Chebyshev I filter.")
    if kind == "cheby2" and rs is None:
        raise ArgumentError(f"{name}: stopband attenuation (rs) must be provided to design a Chebyshev II filter.")
    if kind == "ellip" and (rp is None or rs is None):
        raise ArgumentError(f"{name}: both rp and rs must be provided to design an elliptic filter.")
    match kind:
        case "butter":
            return scipy.signal.buttap(N)
        case "cheby1":
            return cheb1ap(N, rp)
        case "cheby2":
            return cheb2ap(N, rs)
        case "ellip":
            return ellipap(N, rp, rs)
        case _:
            return scipy.signal.besselap(N, kind)


def _cutoffs(name: str, Wn: Any, band: str, analog: bool, fs: Any) -> Array:
    """Return the frequencies at which the analog filter has its band's ends."""
    Wn = floating(Wn)
    if Wn.dtype.kind == "c":
        raise ArgumentError(f"{name}: Wn must be real; got dtype {Wn.dtype}.")
    Wn = Wn.astype(float)
    count = 1 if band in ("lowpass", "highpass") else 2
    if Wn.size != count or Wn.ndim > 1:
        raise ArgumentError(f"{name}: Wn must be {count} critical frequencies for a {band} filter; got {Wn.shape}.")
    Wn = tnp.reshape(Wn, (count,))
    if fs is not None:
        if analog:
            raise ArgumentError(f"{name}: fs cannot be specified for an analog filter.")
        Wn = Wn / (fs / 2)
    if has_at_most(Wn, 0.0):
        raise ArgumentError(f"{name}: filter critical frequencies must be greater than 0.")
    if count == 2 and _falls(Wn):
        raise ArgumentError(f"{name}: Wn[0] must be less than Wn[1].")
    if analog:
        return Wn
    if _has_at_least(Wn, 1.0):
        raise ArgumentError(f"{name}: digital filter critical frequencies must be 0 < Wn < 1, or below fs / 2.")
    return 4.0 * tnp.tan(np.pi * Wn / 2.0)


def _moved(z: Any, p: Any, k: Any, band: str, w: Array) -> Any:
    if band in ("lowpass", "highpass"):
        return (lp2lp_zpk if band == "lowpass" else lp2hp_zpk)(z, p, k, w[0])
    center, width = tnp.sqrt(w[0] * w[1]), w[1] - w[0]
    return (lp2bp_zpk if band == "bandpass" else lp2bs_zpk)(z, p, k, center, width)


def _designed(
    name: str, N: int, Wn: Any, rp: Any, rs: Any, btype: str, analog: bool, ftype: str, output: str, fs: Any
) -> Any:
    ftype, btype, output = ftype.lower(), btype.lower(), output.lower()
    if btype not in _BANDS or ftype not in _KINDS:
        label, given, known = ("btype", btype, _BANDS) if btype not in _BANDS else ("ftype", ftype, _KINDS)
        raise ArgumentError(f"{name}: {label} must be one of {', '.join(sorted(known))}; got {given!r}.")
    if output not in ("ba", "zpk", "sos"):
        raise ArgumentError(f"{name}: output must be 'ba', 'zpk' or 'sos'; got {output!r}.")
    w = _cutoffs(name, Wn, _BANDS[btype], analog, fs)
    z, p, k = _prototype(name, N, rp, rs, _KINDS[ftype])
    z, p, k = _moved(z, p, k, _BANDS[btype], w)
    if not analog:
        z, p, k = bilinear_zpk(z, p, k, 2.0)
    if output == "zpk":
        return z, p, k
    return zpk2tf(z, p, k) if output == "ba" else zpk2sos(z, p, k, analog=analog)


_BY_WN = "Derivatives: by the critical frequencies{} and fs, those of the prototype moved to its band."


@counterpart(scipy.signal, _BY_WN.format(", the ripples"))
def iirfilter(
    N: int,
    Wn: Any,
    rp: Any = None,
    rs: Any = None,
    btype: str = "band",
    analog: bool = False,
    ftype: str = "butter",
    output: str = "ba",
    fs: Any = None,
) -> Any:
    return _designed("signal.iirfilter", N, Wn, rp, rs, btype, analog, ftype, output, fs)


@counterpart(scipy.signal, _BY_WN.format(""))
def butter(N: int, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    return _designed("signal.butter", N, Wn, None, None, btype, analog, "butter", output, fs)


@counterpart(scipy.signal, _BY_WN.format(", the ripple"))
def cheby1(
    N: int, rp: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None
) -> Any:
    return _designed("signal.cheby1", N, Wn, rp, None, btype, analog, "cheby1", output, fs)


@counterpart(scipy.signal, _BY_WN.format(", the attenuation"))
def cheby2(
    N: int, rs: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None
) -> Any:
    return _designed("signal.cheby2", N, Wn, None, rs, btype, analog, "cheby2", output, fs)


@counterpart(scipy.signal, _BY_WN.format(", the ripples"))
def ellip(
    N: int, rp: Any, rs: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None
) -> Any:
    return _designed("signal.ellip", N, Wn, rp, rs, btype, analog, "ellip", output, fs)


@counterpart(scipy.signal, _BY_WN.format(""))
def bessel(
    N: int,
    Wn: Any,
    btype: str = "low",
    analog: bool = False,
    output: str = "ba",
    norm: str = "phase",
    fs: Any = None,
) -> Any:
    return _designed("signal.bessel", N, Wn, None, None, btype, analog, f"bessel_{norm}", output, fs)


# ---- notches and peaks ----

_BY_Q = "Derivatives: by the frequency, the quality factor and fs, those of the formulas."


def _notch_or_peak(name: str, w0: Any, Q: Any, fs: Any, is_notch: bool) -> tuple[Array, Array]:
    w0 = 2 * floating(w0) / fs
    if w0.dtype.kind == "c" or has_at_most(w0, 0.0) or _has_at_least(w0, 1.0):
        raise ArgumentError(f"signal.{name}: w0 must be a real number between 0 and fs / 2.")
    gain = 1 / (1 + tnp.tan(np.pi * w0 / Q / 2))
    inner = -2 * tnp.cos(np.pi * w0)
    one, zero = tnp.ones_like(gain), tnp.zeros_like(gain)
    b = gain * tnp.stack([one, inner, one]) if is_notch else (1 - gain) * tnp.stack([one, zero, -one])
    return b, tnp.stack([one, gain * inner, 2 * gain - 1])


@counterpart(scipy.signal, _BY_Q)
def iirnotch(w0: Any, Q: Any, fs: Any = 2.0) -> tuple[Array, Array]:
    return _notch_or_peak("iirnotch", w0, Q, fs, True)


@counterpart(scipy.signal, _BY_Q)
def iirpeak(w0: Any, Q: Any, fs: Any = 2.0) -> tuple[Array, Array]:
    return _notch_or_peak("iirpeak", w0, Q, fs, False)


@counterpart(scipy.signal, "Derivative: by the quality factor; fs is a multiple of w0, and both must be plain numbers.")
def iircomb(w0: Any, Q: Any, ftype: str = "notch", fs: Any = 2.0, *, pass_zero: bool = False) -> tuple[Array, Array]:
    name, kind = "signal.iircomb", ftype.lower()
    if holds_tensor(w0) or holds_tensor(fs):
        raise ArgumentError(f"{name}: w0 and fs must be plain numbers, as fs is a multiple of w0; got a Tensor.")
    try:
        teeth = len(scipy.signal.iircomb(w0, 1.0, kind, fs)[0]) - 1
    except ValueError as error:
        raise ArgumentError(f"{name}: {error}") from error
    Q = floating(Q)
    beta = tnp.tan(math.pi / (2 * Q))
    sign = -1.0 if (kind == "peak") == pass_zero else 1.0
    ends = (1.0, 1.0) if kind == "notch" else (beta, -beta)
    zeros = np.zeros(teeth - 1)

    def row(first: Any, last: Any) -> Array:
        return tnp.concatenate([tnp.atleast_1d(first), zeros, tnp.atleast_1d(last)])

    b = row(ends[0] / (1 + beta), sign * ends[1] / (1 + beta))
    return b, row(1.0 + 0 * beta, sign * (1 - beta) / (1 + beta))
