"""Discrete Fourier transforms. All linear; a transform's matrix is symmetric, and so is its own transpose.

Of a transform between a real array and the half of its spectrum that is not redundant, the transpose is the opposite
transform, conjugated, with a weight: the elements of that half stand for two of the whole, but for the first, and for
the last where the length is even.

`n` and `s` crop an axis or pad it with zeros before the transform. A `norm` says which direction divides by the length
n: "backward" (the default) the inverse, "forward" the other, "ortho" both by sqrt(n).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.families import linear
from tapenet.ops.arguments import axes_of, axis_of, refuse
from tapenet.ops.matrices import collected, conj
from tapenet.ops.shaping import pad, roll
from tapenet.primitive import Array, Primitive
from tapenet.tensor import Tensor

Norm = Literal["backward", "ortho", "forward"]
Axes = Sequence[int] | None

_OPPOSITE: dict[Norm, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

# ---- primitives, on arrays that have their final length ----


@linear(lambda t, axes, norm: _fft(t, axes=axes, norm=norm), name="fft")
def _fft(x: Array, *, axes: tuple[int, ...], norm: Norm) -> Array:
    return np.fft.fftn(x, axes=axes, norm=norm)


@linear(lambda t, axes, norm: _ifft(t, axes=axes, norm=norm), name="ifft")
def _ifft(x: Array, *, axes: tuple[int, ...], norm: Norm) -> Array:
    return np.fft.ifftn(x, axes=axes, norm=norm)


@linear(
    lambda t, x_shape, axis, norm: _irfft(
        conj(t * _weights(t, x_shape[axis], axis, 0.5)), n=x_shape[axis], axis=axis, norm=_OPPOSITE[norm]
    ),
    name="rfft",
)
def _rfft(x: Array, *, axis: int, norm: Norm) -> Array:
    return np.fft.rfft(x, axis=axis, norm=norm)


@linear(
    lambda t, n, axis, norm: conj(_rfft(t, axis=axis, norm=_OPPOSITE[norm])) * _weights(t, n, axis, 2.0),
    name="irfft",
)
def _irfft(x: Array, *, n: int, axis: int, norm: Norm) -> Array:
    return np.fft.irfft(x, n, axis, norm)


def _weights(t: Array, n: int, axis: int, weight: float) -> Array:
    """For each of the n // 2 + 1 elements of half a spectrum `weight` if it stands for two of the whole, else 1."""
    weights = np.full(n // 2 + 1, weight, np.finfo(t.dtype).dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights.reshape([-1 if i == axis else 1 for i in range(t.ndim)])


# ---- arguments ----


def _norm_of(function: str, norm: Any) -> Norm:
    norm = "backward" if norm is None else norm
    if norm not in _OPPOSITE:
        raise ArgumentError(f"{function}: norm must be 'backward', 'ortho' or 'forward'; got {norm!r}.")
    found: Norm = norm
    return found


def _length_of(function: str, n: Any, default: int, name: str = "n") -> int:
    length = default if n is None else operator.index(n)
    if length < 1:
        raise ArgumentError(f"{function}: {name} must be at least 1, the length to transform; got {length}.")
    return length


def _lengths_and_axes(
    function: str, x: Array, s: Axes, axes: Axes, *, half: bool = False
) -> tuple[list[int], tuple[int, ...]]:
    """For each axis to transform its length after the transform; with `half`, that of the last from half a spectrum."""
    if axes is None:
        axes = range(x.ndim if s is None else len(s))
        axes = [axis + x.ndim - len(axes) for axis in axes]
    places = tuple(axis_of(function, axis, x.ndim, "axes") for axis in axes)
    given: Sequence[Any] = [-1] * len(places) if s is None else s
    if len(given) != len(places):
        raise ArgumentError(f"{function}: s must have a length for each axis of {tuple(axes)}; got {tuple(given)}.")
    lengths = [
        _length_of(function, None if n is None or n == -1 else n, x.shape[axis], "s")
        for n, axis in zip(given, places, strict=True)
    ]
    if half and s is None:
        lengths[-1] = _length_of(function, 2 * (x.shape[places[-1]] - 1), 1)
    return lengths, places


def _resized(x: Array, n: int, axis: int) -> Array:
    """Cropped or padded with zeros at the end, to length n along the axis."""
    length = x.shape[axis]
    if n < length:
        return x[(slice(None),) * axis + (slice(n),)]
    return pad(x, [(0, n - length if i == axis else 0) for i in range(x.ndim)]) if n > length else x


def _transformed(transform: Primitive, x: Array, lengths: Sequence[int], axes: Sequence[int], norm: Norm) -> Array:
    """Resized, then transformed along axes, the last one first; along an axis as often as it is named."""
    if len(set(axes)) < len(axes):
        for n, axis in reversed(list(zip(lengths, axes, strict=True))):
            x = _transformed(transform, x, (n,), (axis,), norm)
        return x
    for n, axis in zip(lengths, axes, strict=True):
        x = _resized(x, n, axis)
    return transform(x, axes=tuple(axes), norm=norm) if axes else x


# ---- along one axis ----


def _along_one(transform: Primitive, function: str, a: Tensor, n: int | None, axis: int, norm: Any, out: None) -> Array:
    refuse(function, {"out": out})
    axis = axis_of(function, axis, a.ndim)
    return _transformed(transform, a, [_length_of(function, n, a.shape[axis])], [axis], _norm_of(function, norm))


def fft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """The discrete Fourier transform y_k = sum_j a_j exp(-2 pi i j k / n) along an axis. Its transpose is itself.

    Args:
        a: float or complex array.
        n: the length to crop or pad to; that of the axis by default.
        axis: an axis.
        norm: "backward" by default, "ortho" to divide by sqrt(n), "forward" to divide by n.

    Raises:
        ArgumentError: an n below 1, or another norm.

    >>> fft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j, 1.+0.j])
    """
    a = collected(a)
    return _along_one(_fft, "fft", a, n, axis, norm, out) if type(a) is Tensor else np.fft.fft(a, n, axis, norm, out)


def ifft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """The inverse of `fft`, x_j = (1 / n) sum_k a_k exp(2 pi i j k / n). Its transpose is itself.

    Arguments and errors are those of `fft`.

    >>> ifft(np.array([1.0, 1.0, 1.0]))
    array([1.+0.j, 0.+0.j, 0.+0.j])
    """
    a = collected(a)
    return _along_one(_ifft, "ifft", a, n, axis, norm, out) if type(a) is Tensor else np.fft.ifft(a, n, axis, norm, out)


def rfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """The first n // 2 + 1 elements of `fft` of a real array; the others are their conjugates.

    Transpose: `fft` of the cotangent padded to length n, its real part.

    Args:
        a: float array; the rest as for `fft`.

    Raises:
        ArgumentError: an n below 1, or another norm.
        ArgumentTypeError: a complex array.

    >>> rfft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j])
    """
    a = collected(a)
    if type(a) is not Tensor:
        return np.fft.rfft(a, n, axis, norm, out)
    refuse("rfft", {"out": out})
    return _rfft_checked("rfft", a, n, axis, _norm_of("rfft", norm))


def _rfft_checked(function: str, a: Array, n: int | None, axis: int, norm: Norm) -> Array:
    if a.dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: a must be real; got {a.dtype}. Write a.real, or use a complex transform.")
    axis = axis_of(function, axis, a.ndim)
    return _rfft(_resized(a, _length_of(function, n, a.shape[axis]), axis), axis=axis, norm=norm)


def irfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """The inverse of `rfft`: the real array of length n that has `a` as the first half of its transform.

    Transpose: conj(rfft(t)) / n, doubled but for the elements that stand for themselves alone, the first and for
    even n the last. The imaginary parts of these are not read, and have derivative 0.

    Args:
        a: float or complex array, cropped or padded to n // 2 + 1 along the axis.
        n: the length of the result; 2 (m - 1) by default, for m along the axis.
        axis, norm: as for `ifft`.

    Raises:
        ArgumentError: an n below 1, or another norm.

    >>> irfft(np.array([1.0, 1.0]), 3)
    array([1., 0., 0.])
    """
    a = collected(a)
    if type(a) is not Tensor:
        return np.fft.irfft(a, n, axis, norm, out)
    refuse("irfft", {"out": out})
    return _irfft_checked("irfft", a, n, axis, _norm_of("irfft", norm))


def _irfft_checked(function: str, a: Array, n: int | None, axis: int, norm: Norm) -> Array:
    axis = axis_of(function, axis, a.ndim)
    n = _length_of(function, n, 2 * (a.shape[axis] - 1))
    return _irfft(_resized(a, n // 2 + 1, axis), n=n, axis=axis, norm=norm)


def hfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """The real transform of an array with Hermitian symmetry, of which `a` is the first half: n irfft(conj(a)).

    Args:
        a: float or complex array, cropped or padded to n // 2 + 1 along the axis.
        n: the length of the result; 2 (m - 1) by default, for m along the axis.
        axis, norm: as for `fft`.

    Raises:
        ArgumentError: an n below 1, or another norm.

    >>> hfft(np.array([1.0, 1.0]), 3)
    array([3., 0., 0.])
    """
    a = collected(a)
    if type(a) is not Tensor:
        return np.fft.hfft(a, n, axis, norm, out)
    refuse("hfft", {"out": out})
    return _irfft_checked("hfft", conj(a), n, axis, _OPPOSITE[_norm_of("hfft", norm)])


def ihfft(a: Array, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None) -> Array:
    """The inverse of `hfft`: conj(rfft(a)) / n.

    Args:
        a: float array; the rest as for `rfft`.

    Raises:
        ArgumentError: an n below 1, or another norm.
        ArgumentTypeError: a complex array.

    >>> ihfft(np.array([3.0, 0.0, 0.0])).real
    array([1., 1.])
    """
    a = collected(a)
    if type(a) is not Tensor:
        return np.fft.ihfft(a, n, axis, norm, out)
    refuse("ihfft", {"out": out})
    return conj(_rfft_checked("ihfft", a, n, axis, _OPPOSITE[_norm_of("ihfft", norm)]))


# ---- along several axes ----


def fftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """`fft` along several axes, all of them by default. Its transpose is itself.

    Args:
        a: float or complex array.
        s: for each of the axes the length to crop or pad to, -1 for its own.
        axes: the axes, each of them as often as it is to be transformed.
        norm: as for `fft`.

    Raises:
        ArgumentError: an s of another length than axes, a length below 1, or another norm.

    >>> fftn(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _along_several(_fft, "fftn", np.fft.fftn, a, s, axes, norm, out)


def ifftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """`ifft` along several axes, all of them by default; the inverse of `fftn`. Its transpose is itself.

    Arguments and errors are those of `fftn`.

    >>> ifftn(np.ones((2, 2))).real
    array([[1., 0.],
           [0., 0.]])
    """
    return _along_several(_ifft, "ifftn", np.fft.ifftn, a, s, axes, norm, out)


def fft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """`fftn` along two axes, the last two by default.

    >>> fft2(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _along_several(_fft, "fft2", np.fft.fft2, a, s, axes, norm, out)


def ifft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """`ifftn` along two axes, the last two by default.

    >>> ifft2(np.ones((2, 2))).real
    array([[1., 0.],
           [0., 0.]])
    """
    return _along_several(_ifft, "ifft2", np.fft.ifft2, a, s, axes, norm, out)


def _along_several(
    transform: Primitive,
    function: str,
    plain: Callable[..., Array],
    a: Array,
    s: Axes,
    axes: Axes,
    norm: Norm | None,
    out: None,
) -> Array:
    a = collected(a)
    if type(a) is not Tensor:
        return plain(a, s, axes, norm, out)
    refuse(function, {"out": out})
    return _transformed(transform, a, *_lengths_and_axes(function, a, s, axes), _norm_of(function, norm))


def rfftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """`rfft` along the last of several axes, then `fft` along the others.

    Args:
        a: float array; the rest as for `fftn`.

    Raises:
        ArgumentError: no axis, an s of another length than axes, a length below 1, or another norm.
        ArgumentTypeError: a complex array.

    >>> rfftn(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _real_along_several("rfftn", np.fft.rfftn, a, s, axes, norm, out)


def rfft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """`rfftn` along two axes, the last two by default.

    >>> rfft2(np.ones((2, 2))).real
    array([[4., 0.],
           [0., 0.]])
    """
    return _real_along_several("rfft2", np.fft.rfft2, a, s, axes, norm, out)


def _real_along_several(
    function: str, plain: Callable[..., Array], a: Array, s: Axes, axes: Axes, norm: Norm | None, out: None
) -> Array:
    a = collected(a)
    if type(a) is not Tensor:
        return plain(a, s, axes, norm, out)
    refuse(function, {"out": out})
    scale, (lengths, places) = _norm_of(function, norm), _lengths_and_axes(function, a, s, axes)
    _check_any(function, places)
    half = _rfft_checked(function, a, lengths[-1], places[-1], scale)
    return _transformed(_fft, half, lengths[:-1], places[:-1], scale)


def irfftn(a: Array, s: Axes = None, axes: Axes = None, norm: Norm | None = None, out: None = None) -> Array:
    """`ifft` along all but the last of several axes, then `irfft` along the last; the inverse of `rfftn`.

    Args:
        a: float or complex array.
        s: for each of the axes the length of the result; along the last 2 (m - 1) by default, for m along it.
        axes, norm: as for `ifftn`.

    Raises:
        ArgumentError: no axis, an s of another length than axes, a length below 1, or another norm.

    >>> irfftn(np.ones((2, 2)))
    array([[1., 0.],
           [0., 0.]])
    """
    return _back_to_real("irfftn", np.fft.irfftn, a, s, axes, norm, out)


def irfft2(a: Array, s: Axes = None, axes: Axes = (-2, -1), norm: Norm | None = None, out: None = None) -> Array:
    """`irfftn` along two axes, the last two by default.

    >>> irfft2(np.ones((2, 2)))
    array([[1., 0.],
           [0., 0.]])
    """
    return _back_to_real("irfft2", np.fft.irfft2, a, s, axes, norm, out)


def _back_to_real(
    function: str, plain: Callable[..., Array], a: Array, s: Axes, axes: Axes, norm: Norm | None, out: None
) -> Array:
    a = collected(a)
    if type(a) is not Tensor:
        return plain(a, s, axes, norm, out)
    refuse(function, {"out": out})
    scale, (lengths, places) = _norm_of(function, norm), _lengths_and_axes(function, a, s, axes, half=True)
    _check_any(function, places)
    whole = _transformed(_ifft, a, lengths[-2::-1], places[-2::-1], scale)  # the first axis first, as NumPy does
    return _irfft_checked(function, whole, lengths[-1], places[-1], scale)


def _check_any(function: str, axes: Sequence[int]) -> None:
    if not axes:
        raise ArgumentError(f"{function}: axes must name at least one axis; got none.")


# ---- frequencies, and the order that they come in ----


def fftshift(x: Array, axes: int | Axes = None) -> Array:
    """Move the zero frequency to the middle. Transpose: `ifftshift`.

    Args:
        x: array of any shape.
        axes: the axes to shift; all by default.

    >>> fftshift(np.array([0.0, 1.0, -1.0]))
    array([-1.,  0.,  1.])
    """
    x = collected(x)
    if type(x) is not Tensor:
        return np.fft.fftshift(x, axes)
    places = _axes("fftshift", axes, x.ndim)
    return roll(x, [x.shape[axis] // 2 for axis in places], places)


def ifftshift(x: Array, axes: int | Axes = None) -> Array:
    """Move the zero frequency from the middle to the front; the inverse of `fftshift`. Transpose: `fftshift`.

    >>> ifftshift(np.array([-1.0, 0.0, 1.0]))
    array([ 0.,  1., -1.])
    """
    x = collected(x)
    if type(x) is not Tensor:
        return np.fft.ifftshift(x, axes)
    places = _axes("ifftshift", axes, x.ndim)
    return roll(x, [-(x.shape[axis] // 2) for axis in places], places)


def _axes(function: str, axes: int | Axes, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim)) if axes is None else axes_of(function, axes, ndim, "axes")


def fftfreq(n: int, d: Array = 1.0, **keywords: Any) -> Array:
    """The frequencies that go with `fft` of n samples, d apart. Derivative with respect to d: -f / d.

    >>> fftfreq(4, 0.25)
    array([ 0.,  1., -2., -1.])
    """
    return np.fft.fftfreq(n, **keywords) / d if type(d) is Tensor else np.fft.fftfreq(n, d, **keywords)


def rfftfreq(n: int, d: Array = 1.0, **keywords: Any) -> Array:
    """The frequencies that go with `rfft` of n samples, d apart. Derivative with respect to d: -f / d.

    >>> rfftfreq(4, 0.25)
    array([0., 1., 2.])
    """
    return np.fft.rfftfreq(n, **keywords) / d if type(d) is Tensor else np.fft.rfftfreq(n, d, **keywords)
