"""Signals by formulas: sweeps, pulses and periodic ones, by time and by their real parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating

_FORMULA = "Derivatives: by the time and all real parameters, those of the formula."


@branch_condition
def _is_equal(a: Array, b: Array) -> bool:
    return bool(np.all(np.asarray(a) == np.asarray(b)))


@branch_condition
def _has_below(x: Array, bound: float) -> bool:
    return bool(np.any(np.asarray(x) < bound))


def _linear(t: Array, f0: Array, t1: Array, f1: Array) -> Array:
    return f0 * t + (f1 - f0) / t1 * t * t / 2


def _quadratic(t: Array, f0: Array, t1: Array, f1: Array, vertex_zero: bool) -> Array:
    rate = (f1 - f0) / t1**2
    return f0 * t + rate * t**3 / 3 if vertex_zero else f1 * t + rate * ((t1 - t) ** 3 - t1**3) / 3


def _logarithmic(t: Array, f0: Array, t1: Array, f1: Array) -> Array:
    if not _has_below(-f0 * f1, 0.0):
        raise ArgumentError("signal.chirp: For a logarithmic chirp, f0 and f1 must be nonzero and have the same sign.")
    if _is_equal(f0, f1):
        return f0 * t
    return t1 / tnp.log(f1 / f0) * f0 * ((f1 / f0) ** (t / t1) - 1.0)


def _hyperbolic(t: Array, f0: Array, t1: Array, f1: Array) -> Array:
    if _is_equal(f0 * f1, 0.0):
        raise ArgumentError("signal.chirp: For a hyperbolic chirp, f0 and f1 must be nonzero.")
    if _is_equal(f0, f1):
        return f0 * t
    pole = f1 * t1 / (f1 - f0)
    return -pole * f0 * tnp.log(tnp.abs(1 - t / pole))


_KINDS = {
    **dict.fromkeys(("linear", "lin", "li"), _linear),
    **dict.fromkeys(("logarithmic", "log", "lo"), _logarithmic),
    **dict.fromkeys(("hyperbolic", "hyp"), _hyperbolic),
}


@counterpart(scipy.signal, _FORMULA)
def chirp(
    t: Any,
    f0: Any,
    t1: Any,
    f1: Any,
    method: str = "linear",
    phi: Any = 0,
    vertex_zero: bool = True,
    *,
    complex: bool = False,
) -> Array:
    t, f0, t1, f1 = (floating(x) for x in (t, f0, t1, f1))
    if method in ("quadratic", "quad", "q"):
        turns = _quadratic(t, f0, t1, f1, vertex_zero)
    elif method in _KINDS:
        turns = _KINDS[method](t, f0, t1, f1)
    else:
        raise ArgumentError(
            f"signal.chirp: method must be 'linear', 'quadratic', 'logarithmic', or 'hyperbolic'; got {method!r}."
        )
    phase = 2 * np.pi * turns + phi * (np.pi / 180)
    return tnp.exp(1j * phase) if complex else tnp.cos(phase)


@counterpart(scipy.signal, _FORMULA)
def sweep_poly(t: Any, poly: Any, phi: Any = 0) -> Array:
    poly = poly.coefficients if isinstance(poly, np.poly1d) else floating(poly)
    return tnp.cos(2 * np.pi * tnp.polyval(tnp.polyint(poly), floating(t)) + phi * (np.pi / 180))


@counterpart(scipy.signal, _FORMULA)
def gausspulse(
    t: Any, fc: Any = 1000, bw: Any = 0.5, bwr: Any = -6, tpr: Any = -60, retquad: bool = False, retenv: bool = False
) -> Any:
    name = "signal.gausspulse"
    if _has_below(fc, 0.0) or not _has_below(-tnp.asarray(bw), 0.0) or not _has_below(bwr, 0.0):
        raise ArgumentError(f"{name}: fc must be at least 0, bw above 0 and bwr below 0.")
    decay = -((np.pi * fc * bw) ** 2) / (4.0 * (bwr * (math.log(10.0) / 20.0)))
    if isinstance(t, str):
        if t != "cutoff" or not _has_below(tpr, 0.0):
            raise ArgumentError(f"{name}: t must be times, or 'cutoff' with tpr below 0; got {t!r}.")
        return tnp.sqrt(-(tpr * (math.log(10.0) / 20.0)) / decay)
    t = floating(t)
    envelope, angle = tnp.exp(-decay * t * t), 2 * np.pi * fc * t
    found = [envelope * tnp.cos(angle), *([envelope * tnp.sin(angle)] if retquad else []), *([envelope] * bool(retenv))]
    return tuple(found) if len(found) > 1 else found[0]


@counterpart(scipy.signal, "Derivatives: by the time and the width, those of the rising or the falling line.")
def sawtooth(t: Any, width: Any = 1) -> Array:
    t, width = tnp.broadcast_arrays(floating(t), floating(width))
    at = tnp.mod(t, 2 * np.pi)
    rises = at < 2 * np.pi * width
    up = at / (np.pi * tnp.where(rises, width, 1.0)) - 1
    down = (np.pi * (width + 1) - at) / (np.pi * (1 - tnp.where(rises, 0.0, width)))
    return tnp.where((width < 0) | (width > 1), np.nan, tnp.where(rises, up, down))


@counterpart(scipy.signal, "Piecewise constant: 1 and -1, or NaN where duty is not in [0, 1].")
def square(t: Any, duty: Any = 0.5) -> Array:
    t, duty = tnp.broadcast_arrays(floating(t), floating(duty))
    is_high = tnp.mod(t, 2 * np.pi) < 2 * np.pi * duty
    return tnp.where((duty < 0) | (duty > 1), np.nan, tnp.where(is_high, 1.0, -1.0)) + 0 * t + 0 * duty
