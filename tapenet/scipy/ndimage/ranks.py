"""Filters that choose an element of each window: by the input, whose order is piecewise constant."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.ndimage

import tapenet.numpy as tnp
from tapenet.core.arguments import axis_of, check_is_count
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.convolution import extended
from tapenet.scipy.ndimage.arguments import checked_modes, chosen_axes, finished, for_each, image, sorted_axes
from tapenet.scipy.placing import counterpart


def _footprint(name: str, size: Any, footprint: Any, count: int) -> Any:
    if footprint is None:
        if size is None:
            raise ArgumentError(f"ndimage.{name}: no footprint or filter size provided.")
        sizes = for_each(name, "size", size, count)
        check_is_count(f"ndimage.{name}", "size", sizes)
        return np.ones(tuple(map(operator.index, sizes)), bool)
    found = np.asarray(footprint, bool)
    if found.ndim != count or not found.any():
        raise ArgumentError(
            f"ndimage.{name}: footprint array has incorrect shape: it must have {count} axes; got {found.shape}."
        )
    return found


def windows(name: str, x: Array, size: Any, footprint: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Array:
    """Return the elements of each window along a new first axis."""
    places = chosen_axes(name, axes, x.ndim)
    found = _footprint(name, size, footprint, len(places))
    modes, origins = checked_modes(name, mode, len(places)), for_each(name, "origin", origin, len(places))
    places, (modes, origins) = sorted_axes(places, modes, origins)
    if 0 in x.shape:
        return tnp.stack([x] * int(np.count_nonzero(found)))
    longer = x
    for i, axis in enumerate(places):
        before = found.shape[i] // 2 + operator.index(origins[i])
        if not 0 <= before < found.shape[i]:
            raise ArgumentError(f"ndimage.{name}: invalid origin; got {origins[i]} for a size of {found.shape[i]}.")
        longer = extended(longer, before, found.shape[i] - 1 - before, axis, modes[i], cval)
    parts = []
    for start in np.argwhere(found):
        index = [slice(None)] * x.ndim
        for axis, first in zip(places, start, strict=True):
            index[axis] = slice(int(first), int(first) + x.shape[axis])
        parts.append(longer[tuple(index)])
    return tnp.stack(parts)


_CHOSEN = "Derivatives: by the input and cval, those of the chosen element"


def _extreme(name: str, reduce: Any) -> Any:
    def function(
        input: Any,
        size: Any = None,
        footprint: Any = None,
        output: Any = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Any = None,
    ) -> Array:
        x = image(name, input)
        return finished(name, reduce(windows(name, x, size, footprint, mode, cval, origin, axes), 0), x, output)

    function.__name__ = name
    return counterpart(scipy.ndimage, f"{_CHOSEN}; equal ones share it.")(function)


maximum_filter, minimum_filter = _extreme("maximum_filter", tnp.max), _extreme("minimum_filter", tnp.min)


def _extreme_along(name: str, reduce: Any) -> Any:
    def function(
        input: Any,
        size: int,
        axis: int = -1,
        output: Any = None,
        mode: str = "reflect",
        cval: Any = 0.0,
        origin: int = 0,
    ) -> Array:
        x = image(name, input)
        axes = (axis_of(f"ndimage.{name}", axis, x.ndim),)
        return finished(name, reduce(windows(name, x, size, None, mode, cval, origin, axes), 0), x, output)

    function.__name__ = name
    return counterpart(scipy.ndimage, f"{_CHOSEN}; equal ones share it.")(function)


maximum_filter1d = _extreme_along("maximum_filter1d", tnp.max)
minimum_filter1d = _extreme_along("minimum_filter1d", tnp.min)


def _ranked(name: str, input: Any, rank: Any, output: Any, *where: Any) -> Array:
    x = image(name, input)
    ordered = tnp.sort(windows(name, x, *where), 0)
    count = ordered.shape[0]
    place = rank(count)
    place = place + count if place < 0 else place
    if not 0 <= place < count:
        raise ArgumentError(f"ndimage.{name}: rank not within filter footprint size {count}; got {place}.")
    return finished(name, ordered[place], x, output)


@counterpart(scipy.ndimage, f"{_CHOSEN}.")
def median_filter(
    input: Any,
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    return _ranked("median_filter", input, lambda count: count // 2, output, size, footprint, mode, cval, origin, axes)


@counterpart(scipy.ndimage, f"{_CHOSEN}.")
def rank_filter(
    input: Any,
    rank: int,
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    check_is_count("ndimage.rank_filter", "rank", rank)
    chosen = operator.index(rank)
    return _ranked("rank_filter", input, lambda count: chosen, output, size, footprint, mode, cval, origin, axes)


@counterpart(scipy.ndimage, f"{_CHOSEN}.")
def percentile_filter(
    input: Any,
    percentile: float,
    size: Any = None,
    footprint: Any = None,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    name = "percentile_filter"
    check_is_count(f"ndimage.{name}", "percentile", percentile)
    share = percentile + 100.0 if percentile < 0.0 else percentile
    if not 0 <= share <= 100:
        raise ArgumentError(f"ndimage.{name}: invalid percentile; got {percentile}.")

    def place(count: int) -> int:
        return count - 1 if share == 100.0 else int(float(count) * share / 100.0)

    return _ranked(name, input, place, output, size, footprint, mode, cval, origin, axes)
