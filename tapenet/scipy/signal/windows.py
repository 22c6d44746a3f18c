"""scipy.signal.windows on Tensors and arrays alike: windows by their real parameters.

The lengths of windows are counts. Windows without a real parameter are SciPy's own.

>>> from tapenet.scipy.signal import windows
>>> tn.grad(lambda std: windows.gaussian(3, std)[0])(1.0).round(6)
np.float64(0.606531)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.signal.windows

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, check_is_count, collected, holds_tensor
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import special
from tapenet.scipy.placing import counterpart, passed_on, refused

Function = Callable[..., Any]

_BY = "Derivative: by the real parameters, that of the formula."


def _length(name: str, M: Any, sym: bool) -> tuple[int, Callable[[Array], Array]]:
    """Return how many elements to compute, and what keeps those that are asked for."""
    check_is_count(f"signal.windows.{name}", "M", M)
    if int(M) != M or M < 0:
        raise ArgumentError(f"signal.windows.{name}: window length M must be a non-negative integer; got {M}.")
    if M <= 1 or sym:
        return int(M), lambda w: w
    return int(M) + 1, lambda w: w[:-1]


def _ones(M: int, *parameters: Any) -> Array:
    """Return a window of at most one element, which does not depend on the parameters."""
    return np.ones(M) + 0 * sum(tnp.sum(as_array(collected(p))) for p in parameters)


def _centered(M: int) -> Array:
    return np.arange(M) - (M - 1.0) / 2.0


@counterpart(scipy.signal.windows, _BY)
def general_cosine(M: int, a: Any, sym: bool = True) -> Array:
    n, kept = _length("general_cosine", M, sym)
    a = as_array(collected(a))
    if a.ndim != 1:
        raise ArgumentError(f"signal.windows.general_cosine: a must be a vector of weights; got shape {a.shape}.")
    if n <= 1:
        return _ones(n, a)
    at = np.linspace(-np.pi, np.pi, n)
    return kept(tnp.matmul(np.cos(np.outer(at, np.arange(a.shape[0]))), a))


@counterpart(scipy.signal.windows, _BY)
def general_hamming(M: int, alpha: Any, sym: bool = True) -> Array:
    alpha = as_array(collected(alpha))
    return general_cosine(M, tnp.stack([alpha, 1.0 - alpha]), sym)


@counterpart(scipy.signal.windows, _BY)
def gaussian(M: int, std: Any, sym: bool = True) -> Array:
    n, kept = _length("gaussian", M, sym)
    return kept(tnp.exp(-(_centered(n) ** 2) / (2 * std * std))) if n > 1 else _ones(n, std)


@counterpart(scipy.signal.windows, _BY)
def general_gaussian(M: int, p: Any, sig: Any, sym: bool = True) -> Array:
    n, kept = _length("general_gaussian", M, sym)
    return kept(tnp.exp(-0.5 * tnp.abs(_centered(n) / sig) ** (2 * p))) if n > 1 else _ones(n, p, sig)


@counterpart(scipy.signal.windows, _BY)
def kaiser(M: int, beta: Any, sym: bool = True) -> Array:
    n, kept = _length("kaiser", M, sym)
    if n <= 1:
        return _ones(n, beta)
    share = 1 - (_centered(n) / ((n - 1) / 2.0)) ** 2
    return kept(special.i0(beta * np.sqrt(share)) / special.i0(beta))


@counterpart(scipy.signal.windows, _BY)
def kaiser_bessel_derived(M: int, beta: Any, *, sym: bool = True) -> Array:
    name = "signal.windows.kaiser_bessel_derived"
    if not sym:
        raise ArgumentError(f"{name}: Kaiser-Bessel Derived windows are only defined for symmetric shapes.")
    n, _ = _length("kaiser_bessel_derived", M, sym)
    if n < 1:
        return np.zeros(0)
    if n % 2:
        raise ArgumentError(f"{name}: Kaiser-Bessel Derived windows are only defined for even number of points.")
    sums = tnp.cumsum(kaiser(n // 2 + 1, beta))
    half = tnp.sqrt(sums[:-1] / sums[-1])
    return tnp.concatenate([half, half[::-1]])


@branch_condition
def _at_most(x: Array, bound: float) -> bool:
    return bool(np.all(np.asarray(x) <= bound))


@branch_condition
def _at_least(x: Array, bound: float) -> bool:
    return bool(np.all(np.asarray(x) >= bound))


@counterpart(scipy.signal.windows, "Derivative: by alpha, that of the cosine of the slopes.")
def tukey(M: int, alpha: Any = 0.5, sym: bool = True) -> Array:
    n, kept = _length("tukey", M, sym)
    if n <= 1 or _at_most(alpha, 0):
        return kept(_ones(n, alpha))
    if _at_least(alpha, 1.0):
        return scipy.signal.windows.hann(M, sym) + 0 * alpha
    at = np.minimum(np.arange(n), n - 1 - np.arange(n)) / (n - 1.0)
    return kept(tnp.where(2 * at <= alpha, 0.5 * (1 + tnp.cos(np.pi * (-1 + 2.0 * at / alpha))), 1.0))


@counterpart(scipy.signal.windows, _BY)
def exponential(M: int, center: Any = None, tau: Any = 1.0, sym: bool = True) -> Array:
    if sym and center is not None:
        raise ArgumentError("signal.windows.exponential: If sym==True, center must be None.")
    n, kept = _length("exponential", M, sym)
    if n <= 1:
        return _ones(n, tau)
    center = (n - 1) / 2 if center is None else center
    return kept(tnp.exp(-tnp.abs(np.arange(n) - center) / tau))


@counterpart(scipy.signal.windows, "Derivative: by the attenuation, that of Chebyshev's polynomial.")
def chebwin(M: int, at: Any, sym: bool = True) -> Array:
    n, kept = _length("chebwin", M, sym)
    if n <= 1:
        return _ones(n, at)
    order = n - 1.0
    beta = tnp.cosh(tnp.arccosh(10 ** (tnp.abs(as_array(collected(at))) / 20.0)) / order)
    cosines = np.cos(np.pi * np.arange(n) / n)
    x = beta * cosines
    sizes = tnp.abs(x)
    is_large = sizes > 1
    inside = tnp.cos(order * tnp.arccos(tnp.where(is_large, 0.0, x)))
    outside = tnp.cosh(order * tnp.arccosh(tnp.where(is_large, sizes, 2.0)))
    p = tnp.where(is_large, outside * np.where((cosines < 0) & (n % 2 == 0), -1.0, 1.0), inside)
    if n % 2:
        w = tnp.real(tnp.fft.fft(p))
        half = w[: (n + 1) // 2]
        w = tnp.concatenate([half[:0:-1], half])
    else:
        w = tnp.real(tnp.fft.fft(p * np.exp(1j * np.pi / n * np.arange(n))))
        half = w[1 : n // 2 + 1]
        w = tnp.concatenate([half[::-1], half])
    return kept(w / tnp.max(w))


@counterpart(scipy.signal.windows, "Derivative: by the level of sidelobes, that of the sum of cosines.")
def taylor(M: int, nbar: int = 4, sll: Any = 30, norm: bool = True, sym: bool = True) -> Array:
    n, kept = _length("taylor", M, sym)
    if n <= 1:
        return _ones(n, sll)
    a = tnp.arccosh(10 ** (as_array(collected(sll)) / 20)) / math.pi
    s2 = nbar**2 / (a**2 + (nbar - 0.5) ** 2)
    m = np.arange(1, nbar)
    numerators = (-1.0) ** (m - 1) * tnp.prod(1 - m[:, None] ** 2 / s2 / (a**2 + (m - 0.5) ** 2), -1)
    denominators = [2 * np.prod([1 - i**2 / j**2 for j in m if j != i]) for i in m.astype(float)]
    factors = 2 * numerators / np.array(denominators)

    def at(places: Array) -> Array:
        cosines = np.cos(2 * np.pi * np.outer(places - n / 2.0 + 0.5, m) / n)
        return 1 + tnp.matmul(cosines, factors)

    w = at(np.arange(n))
    return kept(w / at(np.array([(n - 1) / 2])) if norm else w)  # of an even length the middle is between elements


dpss = refused(scipy.signal.windows, "dpss", "Write signal.windows.kaiser.")

_PLAIN = (
    *("barthann", "bartlett", "blackman", "blackmanharris", "bohman", "boxcar", "cosine", "flattop", "hamming", "hann"),
    *("lanczos", "nuttall", "parzen", "triang"),
)
globals().update({name: passed_on(scipy.signal.windows, name, "a window of no real parameter.") for name in _PLAIN})

_BY_PARAMETERS: dict[str, Function] = {
    "general_cosine": general_cosine,
    "general_hamming": general_hamming,
    "gaussian": gaussian,
    "gauss": gaussian,
    "gss": gaussian,
    "general_gaussian": general_gaussian,
    "general gaussian": general_gaussian,
    "general gauss": general_gaussian,
    "general_gauss": general_gaussian,
    "ggs": general_gaussian,
    "kaiser": kaiser,
    "ksr": kaiser,
    "tukey": tukey,
    "tuk": tukey,
    "exponential": exponential,
    "poisson": exponential,
    "chebwin": chebwin,
    "cheb": chebwin,
    "taylor": taylor,
    "taylorwin": taylor,
}


@counterpart(scipy.signal.windows, "Derivative: by the parameters of the window.")
def get_window(window: Any, Nx: int, fftbins: bool = True) -> Array:
    name = "signal.windows.get_window"
    if holds_tensor(window) and not isinstance(window, tuple):
        return kaiser(Nx, window, sym=not fftbins)
    kind, *parameters = window
    for suffix, bins in (("_periodic", True), ("_symmetric", False)):
        if kind.endswith(suffix):
            kind, fftbins = kind.removesuffix(suffix), bins
    if kind not in _BY_PARAMETERS:
        raise ArgumentError(f"{name}: {kind!r} has no parameter that may be a Tensor. Write it without.")
    return _BY_PARAMETERS[kind](Nx, *parameters, sym=not fftbins)


__all__ = sorted(
    [
        *("general_cosine", "general_hamming", "gaussian", "general_gaussian", "kaiser", "kaiser_bessel_derived"),
        *("tukey", "exponential", "chebwin", "taylor", "dpss", "get_window", *_PLAIN),
    ]
)


def __dir__() -> list[str]:
    return __all__
