"""Arguments that the functions of images share."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axes_of, collected, holds_tensor
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap")


def image(function: str, x: Any) -> Array:
    """Return an image, of floats: one of integers would have a result of integers."""
    x = as_array(collected(x))
    if x.dtype.kind not in "fc":
        raise ArgumentTypeError(
            f"ndimage.{function}: input must be of floats on a tape; got dtype {x.dtype}. Write input.astype(float)."
        )
    if x.ndim == 0:
        raise ArgumentError(f"ndimage.{function}: input must have at least one axis on a tape; got a number.")
    return x


def finished(function: str, out: Array, like: Array, output: Any) -> Array:
    """Return a result in the dtype of the input, or in the one that `output` names."""
    if isinstance(output, np.ndarray):
        raise ArgumentTypeError(
            f"ndimage.{function}: output must not be an array on a tape, as values never change. "
            f"Write y = ndimage.{function}(...)."
        )
    dtype = like.dtype if output is None else np.dtype(output)
    if dtype.kind == "f" and out.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    return out if out.dtype == dtype else out.astype(dtype)


def for_each(function: str, name: str, given: Any, count: int) -> list[Any]:
    """Return an argument for each of some axes, where one may stand for all."""
    if holds_tensor(given) and not isinstance(given, list | tuple):
        one_for_all = given.ndim == 0
        if not one_for_all:
            given = [given[i] for i in range(given.shape[0])]
    else:
        one_for_all = isinstance(given, str) or (not isinstance(given, list | tuple) and np.ndim(given) == 0)
    several = [given] * count if one_for_all else list(given)
    if len(several) != count:
        raise ArgumentError(
            f"ndimage.{function}: sequence argument must have length equal to input rank: {name} must have {count} "
            f"elements; got {len(several)}."
        )
    return several


def checked_modes(function: str, mode: Any, count: int) -> list[str]:
    """Return the mode for each axis."""
    modes = for_each(function, "mode", mode, count)
    for one in modes:
        if one not in MODES:
            raise ArgumentError(
                f"ndimage.{function}: boundary mode not supported: {one!r}. Write one of {', '.join(MODES)}."
            )
    return modes


def sorted_axes(places: tuple[int, ...], *others: list[Any]) -> tuple[tuple[int, ...], list[list[Any]]]:
    """Return axes in their order, in which SciPy counts those of weights, and what is given for each with them."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    return tuple(places[i] for i in order), [[other[i] for i in order] for other in others]


def chosen_axes(function: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes to work along, all by default."""
    return tuple(range(ndim)) if axes is None else axes_of(f"ndimage.{function}", axes, ndim, "axes")
