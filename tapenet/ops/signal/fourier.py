"""Discrete Fourier transforms along an axis.

All are linear. A transform's matrix is symmetric, and so its own transpose.

Of a transform between a real array and the half of its spectrum that is not redundant, the transpose is the opposite
transform, conjugated, with a weight: each element of that half counts for two of the whole, but for the first, and for
the last where the length is even.

`n` and `s` crop an axis or pad it with zeros before the transform. A `norm` says which direction divides by the length
n: "backward" (the default) the inverse, "forward" the other, "ortho" both by sqrt(n).
"""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tapenet.core.argument_checks import checked_dtype
from tapenet.core.arguments import axes_of, axis_of, numpy_function
from tapenet.core.batch_rules import leading, shifted
from tapenet.core.families import linear
from tapenet.core.primitive import Array, Primitive
from tapenet.core.shapes import along, at
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.ops.arrays.shaping import roll
from tapenet.ops.elementwise.arithmetic import divide
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.linalg.matrices import conj
from tapenet.ops.signal.padding import pad

Norm = Literal["backward", "ortho", "forward"]
Axes = Sequence[int] | None

_OPPOSITE: dict[Norm, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

# ---- primitives, on arrays that have their final length ----


_batched = leading(axis=shifted, axes=shifted)


@linear(lambda t, axes, norm: fft_primitive(t, axes=axes, norm=norm), name="fft", batch=_batched)
def fft_primitive(x: Array, *, axes: tuple[int, ...], norm: Norm) -> Array:
    return np.fft.fftn(x, axes=axes, norm=norm)


@linear(lambda t, axes, norm: ifft_primitive(t, axes=axes, norm=norm), name="ifft", batch=_batched)
def ifft_primitive(x: Array, *, axes: tuple[int, ...], norm: Norm) -> Array:
    return np.fft.ifftn(x, axes=axes, norm=norm)


@linear(
    lambda t, x_shape, axis, norm: _irfft(
        conj(t * _weights(t, x_shape[axis], axis, 0.5)), n=x_shape[axis], axis=axis, norm=_OPPOSITE[norm]
    ),
    name="rfft",
    batch=_batched,
)
def _rfft(x: Array, *, axis: int, norm: Norm) -> Array:
    return np.fft.rfft(x, axis=axis, norm=norm)


@linear(
    lambda t, n, axis, norm: conj(_rfft(t, axis=axis, norm=_OPPOSITE[norm])) * _weights(t, n, axis, 2.0),
    name="irfft",
    batch=_batched,
)
def _irfft(x: Array, *, n: int, axis: int, norm: Norm) -> Array:
    return np.fft.irfft(x, n, axis, norm)


def _weights(t: Array, n: int, axis: int, weight: float) -> Array:
    """Make the weights of half a spectrum: `weight` for each element that counts for two of the whole, else 1."""
    weights = np.full(n // 2 + 1, weight, np.finfo(t.dtype).dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights.reshape(along(axis, t.ndim))


# ---- arguments ----


def norm_of(function: str, norm: Any) -> Norm:
    """Check a norm; None is the default."""
    norm = "backward" if norm is None else norm
    if norm not in _OPPOSITE:
        raise ArgumentError(f"{function}: norm must be 'backward', 'ortho' or 'forward'; got {norm!r}.")
    found: Norm = norm
    return found


def length_of(function: str, n: Any, default: int, name: str = "n") -> int:
    """Find the length of an axis that is transformed."""
    length = default if n is None else operator.index(n)
    if length < 1:
        raise ArgumentError(f"{function}: {name} must be at least 1, the length to transform; got {length}.")
    return length


def resized(x: Array, n: int, axis: int) -> Array:
    """Crop x, or pad it with zeros at the end, to length n along the axis."""
    length = x.shape[axis]
    if n < length:
        return x[at(axis, slice(n))]
    return pad(x, [(0, n - length if i == axis else 0) for i in range(x.ndim)]) if n > length else x


# ---- along one axis ----


def _along_one(transform: Primitive, function: str, a: Array, n: int | None, axis: int, norm: Any) -> Array:
    scale, axis = norm_of(function, norm), axis_of(function, axis, a.ndim)
    return transform(resized(a, length_of(function, n, a.shape[axis]), axis), axes=(axis,), norm=scale)


@numpy_function(np.fft.fft)
def fft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """Compute the discrete Fourier transform y_k = sum_j a_j exp(-2 pi i j k / n) along an axis.

    Derivative: linear; the transform is its own transpose, without conjugation.

    >>> tnp.fft.fft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _along_one(fft_primitive, "fft", a, n, axis, norm)


@numpy_function(np.fft.ifft)
def ifft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """Compute the inverse of `fft`, x_j = (1 / n) sum_k a_k exp(2 pi i j k / n), along an axis.

    Derivative: linear; the transform is its own transpose, without conjugation.

    >>> tnp.fft.ifft(np.array([1.0, 1.0, 1.0]))
    array([1.+0.j, 0.+0.j, 0.+0.j])
    """
    return _along_one(ifft_primitive, "ifft", a, n, axis, norm)


@numpy_function(np.fft.rfft)
def rfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """Compute the first n // 2 + 1 elements of `fft` of a real array; the others are their conjugates.

    Derivative: linear; the transpose is the real part of `fft` of the cotangent padded to length n.

    Raises:
        ArgumentError: an n below 1, or another norm.
        ArgumentTypeError: a complex array.

    >>> tnp.fft.rfft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j])
    """
    return rfft_along("rfft", a, n, axis, norm_of("rfft", norm))


def rfft_along(function: str, a: Array, n: int | None, axis: int, norm: Norm) -> Array:
    """Compute `rfft` for a function, which errors name."""
    if a.dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: a must be real; got {a.dtype}. Write a.real, or use a complex transform.")
    axis = axis_of(function, axis, a.ndim)
    return _rfft(resized(a, length_of(function, n, a.shape[axis]), axis), axis=axis, norm=norm)


@numpy_function(np.fft.irfft)
def irfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """Compute the inverse of `rfft`: the real array of length n that has `a` as the first half of its transform.

    Derivative: linear; the transpose is conj(rfft(t)) / n, doubled but for the elements that count once, the
    first and for even n the last. Their imaginary parts are not read, and have derivative 0.

    >>> tnp.fft.irfft(np.array([1.0, 1.0]), 3)
    array([1., 0., 0.])
    """
    return irfft_along("irfft", a, n, axis, norm_of("irfft", norm))


def irfft_along(function: str, a: Array, n: int | None, axis: int, norm: Norm) -> Array:
    """Compute `irfft` for a function, which errors name."""
    axis = axis_of(function, axis, a.ndim)
    n = length_of(function, n, 2 * (a.shape[axis] - 1))
    return _irfft(resized(a, n // 2 + 1, axis), n=n, axis=axis, norm=norm)


@numpy_function(np.fft.hfft)
def hfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """Compute the real transform of an array with Hermitian symmetry, of which `a` is the first half: n irfft(conj(a)).

    Derivative: linear; that of `irfft`.

    >>> tnp.fft.hfft(np.array([1.0, 1.0]), 3)
    array([3., 0., 0.])
    """
    return irfft_along("hfft", conj(a), n, axis, _OPPOSITE[norm_of("hfft", norm)])


@numpy_function(np.fft.ihfft)
def ihfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """Compute the inverse of `hfft`: conj(rfft(a)) / n.

    Derivative: linear; that of `rfft`.

    Raises:
        ArgumentError: an n below 1, or another norm.
        ArgumentTypeError: a complex array.

    >>> tnp.fft.ihfft(np.array([3.0, 0.0, 0.0])).real
    array([1., 1.])
    """
    return conj(rfft_along("ihfft", a, n, axis, _OPPOSITE[norm_of("ihfft", norm)]))


# ---- frequencies, and the order that they come in ----


@numpy_function(np.fft.fftshift)
def fftshift(x: Array, axes: int | Axes = None) -> Array:
    """Move the zero frequency to the middle.

    Derivative: linear; the transpose is `ifftshift`.

    >>> tnp.fft.fftshift(np.array([0.0, 1.0, -1.0]))
    array([-1.,  0.,  1.])
    """
    places = _axes("fftshift", axes, x.ndim)
    return roll(x, [x.shape[axis] // 2 for axis in places], places)


@numpy_function(np.fft.ifftshift)
def ifftshift(x: Array, axes: int | Axes = None) -> Array:
    """Move the zero frequency from the middle to the front; the inverse of `fftshift`.

    Derivative: linear; the transpose is `fftshift`.

    >>> tnp.fft.ifftshift(np.array([-1.0, 0.0, 1.0]))
    array([ 0.,  1., -1.])
    """
    places = _axes("ifftshift", axes, x.ndim)
    return roll(x, [-(x.shape[axis] // 2) for axis in places], places)


def _axes(function: str, axes: int | Axes, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if axes is None else axes_of(function, axes, ndim, "axes")


def _with_dtype(theirs: Any) -> Any:
    """Return NumPy's function with the keyword `dtype` of the array API standard, which it lacks."""

    def frequencies(n: int, d: float = 1.0, device: Any = None, *, dtype: Any = None) -> Any:
        found = theirs(n, d, device)
        return found if dtype is None else found.astype(checked_dtype(theirs.__name__, "dtype", dtype))

    return frequencies


@numpy_function(_with_dtype(np.fft.fftfreq))
def fftfreq(n: int, d: Array = 1.0, device: str | None = None, *, dtype: Any = None) -> Array:
    """Give the frequencies that go with `fft` of n samples, d apart.

    `dtype` is that of the array API standard, a real floating one; NumPy's function lacks it.

    Derivative: -f / d for d, at the frequency f.

    >>> tnp.fft.fftfreq(4, 0.25)
    array([ 0.,  1., -2., -1.])
    """
    found = divide(np.fft.fftfreq(n, device=device), d)  # type: ignore[arg-type]  # NumPy checks it
    return found if dtype is None else astype(found, checked_dtype("fftfreq", "dtype", dtype))


@numpy_function(_with_dtype(np.fft.rfftfreq))
def rfftfreq(n: int, d: Array = 1.0, device: str | None = None, *, dtype: Any = None) -> Array:
    """Give the frequencies that go with `rfft` of n samples, d apart.

    `dtype` is that of the array API standard, a real floating one; NumPy's function lacks it.

    Derivative: -f / d for d, at the frequency f.

    >>> tnp.fft.rfftfreq(4, 0.25)
    array([0., 1., 2.])
    """
    found = divide(np.fft.rfftfreq(n, device=device), d)  # type: ignore[arg-type]  # NumPy checks it
    return found if dtype is None else astype(found, checked_dtype("rfftfreq", "dtype", dtype))
