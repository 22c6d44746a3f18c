"""Starting values for the parameters of a network, drawn from a generator that the caller passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_dtype, checked_number, checked_rng, checked_shape
from tapenet.errors import ArgumentError

__all__ = [
    "uniform",
    "normal",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = int | Sequence[int]


def uniform(
    rng: np.random.Generator, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float32
) -> Array:
    """Draw from the uniform distribution on [low, high].

    Args:
        rng: the generator to draw from.
        shape: an integer or a sequence of integers of at least 0.
        low: a finite number.
        high: a finite number of at least `low`; rounding may reach it.
        dtype: a real floating dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: a size is negative, or the numbers are out of order or not finite.
        ArgumentTypeError: no generator, no integers as shape, or no real floating dtype.

    >>> uniform(np.random.default_rng(0), (2, 3), low=-1.0).shape
    (2, 3)
    """
    sizes, kind = _checked("uniform", rng, shape, dtype)
    low, high = checked_number("uniform", "low", low), checked_number("uniform", "high", high)
    if not (math.isfinite(high - low) and low <= high):
        raise ArgumentError(f"uniform: low and high must be finite, low <= high; got {low} and {high}.")
    return _uniform(rng, sizes, low, high, kind)


def normal(
    rng: np.random.Generator, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: DTypeLike = np.float32
) -> Array:
    """Draw from the normal distribution.

    Args:
        rng: the generator to draw from.
        shape: an integer or a sequence of integers of at least 0.
        mean: a finite number.
        std: a finite number of at least 0, the standard deviation.
        dtype: a real floating dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: a size is negative, or a number is out of its range.
        ArgumentTypeError: no generator, no integers as shape, or no real floating dtype.

    >>> normal(np.random.default_rng(0), 3, std=0.1, dtype=np.float64).dtype
    dtype('float64')
    """
    sizes, kind = _checked("normal", rng, shape, dtype)
    mean, std = checked_number("normal", "mean", mean), checked_number("normal", "std", std, "[0, inf)")
    return _normal(rng, sizes, mean, std, kind)


def glorot_uniform(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
    """Draw a kernel uniformly, with variance 2 / (fan_in + fan_out): for layers that are linear or nearly so.

        bound = sqrt(6 / (fan_in + fan_out)),  values in [-bound, bound]

    fan_in and fan_out are, for a dense kernel (inputs, outputs), these two; for a convolution's kernel
    (kh, kw, C, O) they are kh * kw * C and kh * kw * O.

    Args:
        rng: the generator to draw from.
        shape: two or more integers of at least 0.
        dtype: a real floating dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: a size is negative, or there are fewer than two.
        ArgumentTypeError: no generator, no integers as shape, or no real floating dtype.

    Source: Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS, equation 16.

    >>> bool(np.max(np.abs(glorot_uniform(np.random.default_rng(0), (2, 4)))) <= 1)
    True
    """
    sizes, kind = _checked("glorot_uniform", rng, shape, dtype)
    bound = _root(6, sum(_fans("glorot_uniform", sizes)))
    return _uniform(rng, sizes, -bound, bound, kind)


def glorot_normal(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
    """Draw a kernel normally, with variance 2 / (fan_in + fan_out): for layers that are linear or nearly so.

        std = sqrt(2 / (fan_in + fan_out))

    For what fans are see `glorot_uniform`. The distribution is not truncated.

    Args:
        rng: the generator to draw from.
        shape: two or more integers of at least 0.
        dtype: a real floating dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: a size is negative, or there are fewer than two.
        ArgumentTypeError: no generator, no integers as shape, or no real floating dtype.

    Source: Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS, equation 12.

    >>> glorot_normal(np.random.default_rng(0), (5, 5, 3, 8)).shape
    (5, 5, 3, 8)
    """
    sizes, kind = _checked("glorot_normal", rng, shape, dtype)
    return _normal(rng, sizes, 0.0, _root(2, sum(_fans("glorot_normal", sizes))), kind)


def he_uniform(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
    """Draw a kernel uniformly, with variance 2 / fan_in: for layers that a ReLU follows.

        bound = sqrt(6 / fan_in),  values in [-bound, bound]

    For what fans are see `glorot_uniform`.

    Args:
        rng: the generator to draw from.
        shape: two or more integers of at least 0.
        dtype: a real floating dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: a size is negative, or there are fewer than two.
        ArgumentTypeError: no generator, no integers as shape, or no real floating dtype.

    Source: He et al., 2015, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet
    Classification", arXiv:1502.01852, equation 10.

    >>> bool(np.max(np.abs(he_uniform(np.random.default_rng(0), (6, 4)))) <= 1)
    True
    """
    sizes, kind = _checked("he_uniform", rng, shape, dtype)
    bound = _root(6, _fans("he_uniform", sizes)[0])
    return _uniform(rng, sizes, -bound, bound, kind)


def he_normal(rng: np.random.Generator, shape: Sequence[int], dtype: DTypeLike = np.float32) -> Array:
    """Draw a kernel normally, with variance 2 / fan_in: for layers that a ReLU follows.

        std = sqrt(2 / fan_in)

    For what fans are see `glorot_uniform`. The distribution is not truncated.

    Args:
        rng: the generator to draw from.
        shape: two or more integers of at least 0.
        dtype: a real floating dtype.

    Returns:
        An array of that shape and dtype.

    Raises:
        ArgumentError: a size is negative, or there are fewer than two.
        ArgumentTypeError: no generator, no integers as shape, or no real floating dtype.

    Source: He et al., 2015, "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet
    Classification", arXiv:1502.01852, equation 10.

    >>> he_normal(np.random.default_rng(0), (784, 10)).dtype
    dtype('float32')
    """
    sizes, kind = _checked("he_normal", rng, shape, dtype)
    return _normal(rng, sizes, 0.0, _root(2, _fans("he_normal", sizes)[0]), kind)


# ---- drawing ----


def _uniform(rng: np.random.Generator, sizes: tuple[int, ...], low: float, high: float, dtype: np.dtype[Any]) -> Array:
    drawn = np.asarray(rng.random(sizes, dtype=_drawn_dtype(dtype)))
    drawn *= high - low
    drawn += low
    return drawn.astype(dtype, copy=False)


def _normal(rng: np.random.Generator, sizes: tuple[int, ...], mean: float, std: float, dtype: np.dtype[Any]) -> Array:
    drawn = np.asarray(rng.standard_normal(sizes, dtype=_drawn_dtype(dtype)))
    drawn *= std
    drawn += mean
    return drawn.astype(dtype, copy=False)


def _drawn_dtype(dtype: np.dtype[Any]) -> Any:
    """Find the dtype to draw in: generators know float32 and float64 only."""
    return np.float32 if dtype.itemsize <= 4 else np.float64


def _root(numerator: float, fan: int) -> float:
    # A fan of 0 belongs to an array without elements, whose scale does not matter.
    return math.sqrt(numerator / max(fan, 1))


def _fans(function: str, sizes: tuple[int, ...]) -> tuple[int, int]:
    """Count the inputs that each output is computed from, and the outputs that each input goes into."""
    if len(sizes) < 2:
        raise ArgumentError(
            f"{function}: shape must be (inputs, outputs) or (kh, kw, inputs, outputs); got {sizes}. "
            "Draw it with uniform or normal, or start it at zero."
        )
    *window, inputs, outputs = sizes
    return math.prod(window) * inputs, math.prod(window) * outputs


# ---- checks ----


def _checked(function: str, rng: Any, shape: Any, dtype: DTypeLike) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Check the generator, the shape and the dtype."""
    checked_rng(function, rng)
    kind: np.dtype[Any] = checked_dtype(function, "dtype", dtype)
    return checked_shape(function, "shape", shape, max(kind.itemsize, 4)), kind
