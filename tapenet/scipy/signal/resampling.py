"""Signals at other rates, all of them linear in the signal."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, check_is_count, collected, holds_tensor
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.convolution import convolved
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import filtered, floating, sosfiltfilt
from tapenet.scipy.signal.windows import get_window


def _spectral_window(name: str, window: Any, n: int, dtype: Any) -> Array | None:
    if window is None:
        return None
    if callable(window):
        return window(np.fft.fftfreq(n))
    if hasattr(window, "shape"):
        if window.shape != (n,):
            raise ArgumentError(f"{name}: window must have the length of the signal, {n}; got {window.shape}.")
        return window
    return tnp.fft.fftshift(get_window(window, n)).astype(dtype)


def _refitted(across: Array, n: int, num: int) -> Array:
    """Return a transform of length n as one of length num, with its unpaired frequency divided or united."""
    m = min(n, num)
    low, high = across[..., : m // 2 + 1], across[..., across.shape[-1] - (m - m // 2 - 1) :]
    if m % 2 == 0 and num != n:
        middle = low[..., -1:]
        middle = middle + across[..., n - m // 2, None] if num < n else middle / 2
        low = tnp.concatenate([low[..., :-1], middle], -1)
        if n < num:
            high = tnp.concatenate([middle, high], -1)
    missing = num - low.shape[-1] - high.shape[-1]
    between = np.zeros((*across.shape[:-1], missing), across.dtype)
    return tnp.concatenate([low, between, high], -1)


@counterpart(scipy.signal, "Derivatives: those of the transforms, by x, the window and t.")
def resample(x: Any, num: int, t: Any = None, axis: int = 0, window: Any = None, domain: str = "time") -> Any:
    name = "signal.resample"
    check_is_count(name, "num", num)
    if domain not in ("time", "freq"):
        raise ArgumentError(f"{name}: domain must be 'time' or 'freq'; got {domain!r}.")
    x = floating(x)
    axis = axis_of(name, axis, x.ndim)
    along = tnp.moveaxis(x, axis, -1)
    n = along.shape[-1]
    across = tnp.fft.fft(along) if domain == "time" else along
    weights = _spectral_window(name, window, n, across.dtype.type(0).real.dtype)
    is_real = domain == "time" and along.dtype.kind == "f"
    if weights is not None:
        if is_real:
            weights = (weights + tnp.concatenate([weights[:1], tnp.flip(weights[1:], 0)])) / 2
        across = across * weights
    out = tnp.fft.ifft(_refitted(across, n, num)) * (num / n)
    out = tnp.moveaxis(tnp.real(out) if is_real else out, -1, axis)
    if t is None:
        return out
    t = as_array(collected(t))
    return out, t[0] + (t[1] - t[0]) * (n / num) * np.arange(num)


def _sparse(x: Array, up: int) -> Array:
    """Put zeros between the elements of the last axis."""
    if up == 1:
        return x
    spread = x[..., None] * np.eye(1, up, dtype=x.dtype)[0]
    return tnp.reshape(spread, (*x.shape[:-1], -1))[..., : (x.shape[-1] - 1) * up + 1]


def _up_and_down(h: Array, x: Array, up: int, down: int) -> Array:
    return convolved(_sparse(x, up), h, axes=1, valid=False, method="direct")[..., ::down]


def _rates(name: str, up: Any, down: Any) -> tuple[int, int]:
    for label, rate in (("up", up), ("down", down)):
        check_is_count(name, label, rate)
    if up < 1 or down < 1:
        raise ArgumentError(f"{name}: up and down must be >= 1; got {up} and {down}.")
    return operator.index(up), operator.index(down)


@counterpart(scipy.signal, "Derivatives: by h and x, those of a convolution.")
def upfirdn(h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0) -> Array:
    name = "signal.upfirdn"
    up, down = _rates(name, up, down)
    if mode != "constant" or holds_tensor(cval) or cval != 0:
        raise ArgumentError(f"{name}: mode must be 'constant' with cval=0 on a tape; got {mode!r}.")
    h, x = floating(h), floating(x)
    if h.ndim != 1 or h.shape[0] == 0:
        raise ArgumentError(f"{name}: h must be 1-D with non-zero length; got shape {h.shape}.")
    axis = axis_of(name, axis, x.ndim)
    return tnp.moveaxis(_up_and_down(h, tnp.moveaxis(x, axis, -1), up, down), -1, axis)


_BACKGROUNDS: dict[str, Any] = {"mean": tnp.mean, "median": tnp.median, "minimum": tnp.min, "maximum": tnp.max}


@counterpart(scipy.signal, "Derivatives: by x and the filter that `window` may be, those of a convolution.")
def resample_poly(
    x: Any,
    up: int,
    down: int,
    axis: int = 0,
    window: Any = ("kaiser", 5.0),
    padtype: str = "constant",
    cval: Any = None,
) -> Array:
    name = "signal.resample_poly"
    up, down = _rates(name, up, down)
    if padtype != "constant" and padtype not in _BACKGROUNDS:
        raise ArgumentError(
            f"{name}: padtype must be 'constant', {', '.join(map(repr, _BACKGROUNDS))} on a tape; got {padtype!r}."
        )
    if cval is not None and (padtype != "constant" or holds_tensor(cval) or cval != 0):
        raise ArgumentError(f"{name}: cval must be None or 0 on a tape; got {cval!r}.")
    x = floating(x)
    axis = axis_of(name, axis, x.ndim)
    divisor = math.gcd(up, down)
    up, down = up // divisor, down // divisor
    if up == down == 1:
        return x * 1.0
    along = tnp.moveaxis(x, axis, -1)
    is_filter = isinstance(window, list) or hasattr(window, "shape")
    if is_filter:
        h = floating(window)
        if h.ndim != 1:
            raise ArgumentError(f"{name}: window must be 1-D; got shape {h.shape}.")
    else:
        h = scipy.signal.firwin(20 * max(up, down) + 1, 1.0 / max(up, down), window=window).astype(along.dtype)
    half, count = (h.shape[0] - 1) // 2, -(-along.shape[-1] * up // down)
    background = _BACKGROUNDS[padtype](along, -1, keepdims=True) if padtype in _BACKGROUNDS else 0.0
    whole = convolved(_sparse(along - background, up), h * up, axes=1, valid=False, method="direct")
    missing = max(half + (count - 1) * down + 1 - whole.shape[-1], 0)
    whole = tnp.concatenate([whole, np.zeros((*whole.shape[:-1], missing), whole.dtype)], -1) if missing else whole
    out = whole[..., half : half + (count - 1) * down + 1 : down] + background
    return tnp.moveaxis(out, -1, axis)


@counterpart(scipy.signal, "Derivative: by x, that of the filter.")
def decimate(
    x: Any, q: int, n: int | None = None, ftype: Any = "iir", axis: int = -1, zero_phase: bool = True
) -> Array:
    name = "signal.decimate"
    check_is_count(name, "q", q)
    if ftype not in ("iir", "fir"):
        raise ArgumentError(f"{name}: ftype must be 'iir' or 'fir' on a tape; got {ftype!r}. Write signal.lfilter.")
    x, q = floating(x), operator.index(q)
    axis = axis_of(name, axis, x.ndim)
    along = tnp.moveaxis(x, axis, -1)
    if ftype == "iir":
        sos = scipy.signal.cheby1(8 if n is None else n, 0.05, 0.8 / q, output="sos").astype(along.dtype)
        if zero_phase:
            out = sosfiltfilt(sos, along)
        else:
            out = along
            for section in sos:
                out, _ = filtered(section[:3], section[3:], out, None)
        return tnp.moveaxis(out[..., ::q], -1, axis)
    b = scipy.signal.firwin((20 * q if n is None else n) + 1, 1.0 / q, window="hamming").astype(along.dtype)
    if zero_phase:
        return tnp.moveaxis(resample_poly(along, 1, q, -1, b), -1, axis)
    count = -(-along.shape[-1] // q)
    return tnp.moveaxis(_up_and_down(b, along, 1, q)[..., :count], -1, axis)
