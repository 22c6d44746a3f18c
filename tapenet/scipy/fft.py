"""scipy.fft on Tensors and arrays alike: Fourier transforms are linear, and their own derivatives.

>>> from tapenet.scipy import fft
>>> tn.grad(lambda x: fft.dct(x)[0])(np.ones(3))
array([2., 2., 2.])
"""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axes_of, axis_of, collected
from tapenet.core.families import linear
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy import special
from tapenet.scipy.placing import counterpart, passed_on

__all__ = [
    *("dct", "dctn", "dst", "dstn", "fft", "fft2", "fftfreq", "fftn", "fftshift", "fht", "fhtoffset", "get_workers"),
    *("hfft", "hfft2", "hfftn", "idct", "idctn", "idst", "idstn", "ifft", "ifft2", "ifftn", "ifftshift", "ifht"),
    *("ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "next_fast_len", "prev_fast_len", "register_backend"),
    *("rfft", "rfft2", "rfftfreq", "rfftn", "set_backend", "set_global_backend", "set_workers", "skip_backend"),
]

Function = Callable[..., Any]

_LINEAR = "Derivative: the transform of the tangent."

# ---- Fourier transforms ----


def _along(name: str) -> Function:
    theirs = getattr(tnp.fft, name)

    def function(
        x: Any,
        n: int | None = None,
        axis: int = -1,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        *,
        plan: None = None,
    ) -> Array:
        return theirs(as_array(x), n, axis, norm)

    function.__name__ = name
    return counterpart(scipy.fft, _LINEAR)(function)


fft, ifft, rfft, irfft, hfft, ihfft = map(_along, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))


def _over(name: str, transform: Function, axes: tuple[int, int] | None) -> Function:
    def function(
        x: Any,
        s: Any = None,
        axes: Any = axes,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        *,
        plan: None = None,
    ) -> Array:
        x = as_array(x)
        if axes is None:
            axes = range(x.ndim) if s is None else range(x.ndim - np.size(s), x.ndim)
        return transform(x, s, tuple(axes), norm)

    function.__name__ = name
    return counterpart(scipy.fft, _LINEAR)(function)


_SWAPPED: dict[str | None, Any] = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _hermitian(x: Array, s: Any, axes: Any, norm: str | None) -> Array:
    inverse: Function = tnp.fft.irfftn
    return inverse(tnp.conj(x), s, axes, _SWAPPED[norm])


def _to_hermitian(x: Array, s: Any, axes: Any, norm: str | None) -> Array:
    transform: Function = tnp.fft.rfftn
    return tnp.conj(transform(x, s, axes, _SWAPPED[norm]))


fft2, fftn = _over("fft2", tnp.fft.fftn, (-2, -1)), _over("fftn", tnp.fft.fftn, None)
ifft2, ifftn = _over("ifft2", tnp.fft.ifftn, (-2, -1)), _over("ifftn", tnp.fft.ifftn, None)
rfft2, rfftn = _over("rfft2", tnp.fft.rfftn, (-2, -1)), _over("rfftn", tnp.fft.rfftn, None)
irfft2, irfftn = _over("irfft2", tnp.fft.irfftn, (-2, -1)), _over("irfftn", tnp.fft.irfftn, None)
hfft2, hfftn = _over("hfft2", _hermitian, (-2, -1)), _over("hfftn", _hermitian, None)
ihfft2, ihfftn = _over("ihfft2", _to_hermitian, (-2, -1)), _over("ihfftn", _to_hermitian, None)


@counterpart(scipy.fft, _LINEAR)
def fftshift(x: Any, axes: Any = None) -> Array:
    return tnp.fft.fftshift(as_array(x), axes)


@counterpart(scipy.fft, _LINEAR)
def ifftshift(x: Any, axes: Any = None) -> Array:
    return tnp.fft.ifftshift(as_array(x), axes)


# ---- cosine and sine transforms ----
#
# Types I and IV are symmetric, and II and III transposes of each other, up to the weight of the ends: the sum of types
# I and III has each inner element twice and the elements at the ends once. With norm "ortho" the inverse is the
# transpose. To orthogonalize is to weigh the ends by sqrt(2): those that go in, of types I and III, divided for the
# cosine's and the sine's sums alike, and those that come out, of types I and II.

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


def _ends(n: int, kind: int, is_sine: bool) -> Any:
    """Return the weights of the elements in the sums of types I and III of the cosine, and III of the sine."""
    weights = np.full(n, 2.0)
    if kind == 3:
        weights[-1 if is_sine else 0] = 1.0
    elif kind == 1 and not is_sine:
        weights[[0, -1]] = 1.0
    return weights / 2.0


def _transposed(t: Array, kind: int, norm: str, is_sine: bool) -> Array:
    if norm == "ortho":
        return _transform(t, kind=_INVERSE[kind], norm=norm, is_sine=is_sine)
    n, other = t.shape[-1], _INVERSE[kind]
    weighted = t / _ends(n, other, is_sine).astype(t.dtype)
    return _ends(n, kind, is_sine).astype(t.dtype) * _transform(weighted, kind=other, norm=norm, is_sine=is_sine)


@linear(_transposed, name="fft.trigonometric")
def _transform(x: Array, *, kind: int, norm: str, is_sine: bool) -> Array:
    """Transform along the last axis."""
    return np.asarray((scipy.fft.dst if is_sine else scipy.fft.dct)(x, kind, norm=norm))


def _checked(name: str, kind: Any, norm: str | None) -> str:
    if kind not in (1, 2, 3, 4):
        raise ArgumentError(f"fft.{name}: type must be 1, 2, 3 or 4; got {kind!r}.")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ArgumentError(f"fft.{name}: norm must be 'backward', 'ortho' or 'forward'; got {norm!r}.")
    return norm or "backward"


def _with_ends(x: Array, kind: int, is_sine: bool, factor: float) -> Array:
    """Weigh the ends that the cosine's types I to III, and the sine's types II and III, weigh differently."""
    weights = np.ones(x.shape[-1], x.real.dtype if isinstance(x, np.ndarray) else np.finfo(x.dtype).dtype)
    if kind in (2, 3):
        weights[-1 if is_sine else 0] = factor
    elif kind == 1 and not is_sine:
        weights[[0, -1]] = factor
    return x * weights


def _orthogonalized(x: Array, kind: int, norm: str, is_sine: bool, is_asked: bool) -> Array:
    """Transform, with the ends of an orthogonal matrix or without; the norm "ortho" has them by itself."""
    if is_asked == (norm == "ortho") or kind == 4:
        return _transform(x, kind=kind, norm=norm, is_sine=is_sine)
    factor = np.sqrt(2.0) if is_asked else np.sqrt(0.5)
    if kind in (1, 3):
        x = _with_ends(x, kind, is_sine, factor)
    out = _transform(x, kind=kind, norm=norm, is_sine=is_sine)
    return _with_ends(out, kind, is_sine, 1 / factor) if kind in (1, 2) else out


def _fitted(x: Array, n: int | None) -> Array:
    """Return x with its last axis cut or padded with zeros to length n."""
    if n is None or n == x.shape[-1]:
        return x
    if n < x.shape[-1]:
        return x[..., :n]
    return tnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])])


def _trigonometric(name: str) -> Function:
    is_sine, is_inverse = "s" in name, name.startswith("i")

    def function(
        x: Any,
        type: int = 2,
        n: int | None = None,
        axis: int = -1,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        orthogonalize: bool | None = None,
    ) -> Array:
        chosen = _checked(name, type, norm)
        is_asked = chosen == "ortho" if orthogonalize is None else bool(orthogonalize)
        x = as_array(x)
        axis = axis_of(f"fft.{name}", axis, x.ndim)
        x = _fitted(tnp.moveaxis(x if x.dtype.kind in "fc" else x.astype(float), axis, -1), n)
        least = 2 if type == 1 and not is_sine else 1
        if x.shape[-1] < least:
            raise ArgumentError(f"fft.{name}: the length must be at least {least}; got {x.shape[-1]}.")
        kind, chosen = (_INVERSE[type], _SWAPPED[chosen]) if is_inverse else (type, chosen)
        return tnp.moveaxis(_orthogonalized(x, kind, chosen, is_sine, is_asked), -1, axis)

    function.__name__ = name
    return counterpart(scipy.fft, _LINEAR)(function)


dct, idct, dst, idst = map(_trigonometric, ("dct", "idct", "dst", "idst"))


def _of_several(name: str, one: Function) -> Function:
    def function(
        x: Any,
        type: int = 2,
        s: Any = None,
        axes: Any = None,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        *,
        orthogonalize: bool | None = None,
    ) -> Array:
        x = as_array(x)
        if axes is None:
            axes = range(x.ndim) if s is None else range(x.ndim - np.size(s), x.ndim)
        places = axes_of(f"fft.{name}", axes, x.ndim)
        sizes = [None] * len(places) if s is None else list(np.atleast_1d(s))
        for axis, size in zip(places, sizes, strict=True):
            x = one(x, type, size, axis, norm, orthogonalize=orthogonalize)
        return x

    function.__name__ = name
    return counterpart(scipy.fft, _LINEAR)(function)


dctn, idctn = _of_several("dctn", dct), _of_several("idctn", idct)
dstn, idstn = _of_several("dstn", dst), _of_several("idstn", idst)

# ---- fast Hankel transforms ----
#
# FFTLog: a product with the coefficients u in the frequencies of the logarithm. Hamilton (2000), MNRAS 312, 257.


@branch_condition
def _is_singular(u: Array) -> bool:
    return not bool(np.all(np.isfinite(u)))


@branch_condition
def _is_infinite(u: Array) -> bool:
    return bool(np.any(np.isinf(u)))


@branch_condition
def _is_zero(u: Array) -> bool:
    return bool(np.any(np.asarray(u) == 0))


def _first_coefficient(name: str, u: Array, mu: Any, bias: Any, is_inverse: bool) -> Array:
    """Return the coefficient of the constant, with its limit where gamma functions have poles."""
    if _is_singular(u):
        half = (mu + 1 - bias) / 2
        u = tnp.reshape(2**bias * special.poch(half, bias), (1,)) + 0j
    if not is_inverse and _is_infinite(u):
        warnings.warn("singular transform; consider changing the bias", stacklevel=4)
        return np.zeros(1, complex)
    if is_inverse and _is_zero(u):
        warnings.warn("singular inverse transform; consider changing the bias", stacklevel=4)
        return np.full(1, np.inf + 0j)
    return u


def _hankel_coefficients(name: str, n: int, dln: Any, mu: Any, offset: Any, bias: Any, is_inverse: bool) -> Array:
    y = np.arange(n // 2 + 1) * (np.pi / n) / dln
    above, below = (special.loggamma((mu + 1 + side) / 2 + 1j * y) for side in (bias, -bias))
    size = tnp.real(above) - tnp.real(below) + np.log(2) * bias
    angle = tnp.imag(above) + tnp.imag(below) + 2 * (np.log(2) - offset) * y
    u = tnp.exp(size + 1j * angle)
    first, last = _first_coefficient(name, u[:1], mu, bias, is_inverse), u[-1:]
    last = tnp.real(last) + 0j if n % 2 == 0 else last
    return tnp.concatenate([first, u[1:-1], last] if n > 1 else [first])


def _hankel(name: str, is_inverse: bool) -> Function:
    def function(a: Any, dln: Any, mu: Any, offset: Any = 0.0, bias: Any = 0.0) -> Array:
        a = as_array(collected(a))
        if a.ndim == 0 or a.shape[-1] < 1 or a.dtype.kind == "c":
            raise ArgumentError(f"fft.{name}: the array must be real with at least one axis; got shape {a.shape}.")
        dln, mu, offset, bias = (as_array(collected(x)) * 1.0 for x in (dln, mu, offset, bias))
        n = a.shape[-1]
        places = (np.arange(n) - (n - 1) / 2) * dln
        before, after = -bias * places, -bias * (places + offset)
        if is_inverse:
            before, after = -after, -before
        u = _hankel_coefficients(name, n, dln, mu, offset, bias, is_inverse)
        across = tnp.fft.rfft(a * tnp.exp(before))
        across = across / tnp.conj(u) if is_inverse else across * u
        return tnp.flip(tnp.fft.irfft(across, n), -1) * tnp.exp(after)

    function.__name__ = name
    return counterpart(scipy.fft, "Derivatives: by the array, dln, mu, offset and bias, those of FFTLog.")(function)


fht, ifht = _hankel("fht", False), _hankel("ifht", True)

# ---- without derivative ----

fftfreq, rfftfreq = (passed_on(scipy.fft, name, "numbers of a grid.") for name in ("fftfreq", "rfftfreq"))
next_fast_len, prev_fast_len = (passed_on(scipy.fft, f"{name}_fast_len", "a length.") for name in ("next", "prev"))
fhtoffset = passed_on(scipy.fft, "fhtoffset", "an offset of a grid.")
get_workers, set_workers = (passed_on(scipy.fft, f"{name}_workers", "a setting.") for name in ("get", "set"))
set_backend, skip_backend, set_global_backend, register_backend = (
    passed_on(scipy.fft, f"{name}_backend", "a setting.") for name in ("set", "skip", "set_global", "register")
)


def __dir__() -> list[str]:
    return __all__
