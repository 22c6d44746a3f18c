"""Sums of the elements of an image that have a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, check_is_count, collected
from tapenet.core.primitive import Array
from tapenet.scipy.ndimage.arguments import image
from tapenet.scipy.placing import counterpart

Function = Any


def _over_labels(name: str, of: Any, note: str) -> Function:
    def function(input: Any, labels: Any = None, index: Any = None) -> Array:
        x = image(name, input)
        for label, given in (("labels", labels), ("index", index)):
            check_is_count(f"ndimage.{name}", label, given)
        if labels is None:
            return of(x, None)
        labels = np.broadcast_to(np.asarray(labels), x.shape)
        if index is None:
            return of(x, labels > 0)
        parts = [of(x, labels == one) for one in np.ravel(index)]
        return parts[0] if np.ndim(index) == 0 else tnp.reshape(tnp.stack(parts), np.shape(index))

    function.__name__ = name
    return counterpart(scipy.ndimage, note)(function)


def _total(x: Array, mask: Any) -> Array:
    return tnp.sum(x if mask is None else tnp.where(mask, x, 0.0))


def _average(x: Array, mask: Any) -> Array:
    return _total(x, mask) / (x.size if mask is None else np.count_nonzero(mask))


def _spread(x: Array, mask: Any) -> Array:
    apart = tnp.abs(x - _average(x, mask))
    return _average(apart * apart, mask)


def _deviation(x: Array, mask: Any) -> Array:
    chosen = x if mask is None else x[mask]
    return tnp.std(chosen)


def _of_chosen(reduce: Any) -> Any:
    return lambda x, mask: reduce(x if mask is None else x[mask])


_BY_ELEMENTS = "Derivatives: by the elements that have the label."
sum_labels = _over_labels("sum_labels", _total, _BY_ELEMENTS)
sum = _over_labels("sum", _total, _BY_ELEMENTS)
mean = _over_labels("mean", _average, _BY_ELEMENTS)
variance = _over_labels("variance", _spread, _BY_ELEMENTS)
standard_deviation = _over_labels("standard_deviation", _deviation, f"{_BY_ELEMENTS[:-1]}; 0 where they are equal.")
maximum = _over_labels("maximum", _of_chosen(tnp.max), f"{_BY_ELEMENTS[:-1]}; equal ones share it.")
minimum = _over_labels("minimum", _of_chosen(tnp.min), f"{_BY_ELEMENTS[:-1]}; equal ones share it.")


@counterpart(scipy.ndimage, "Derivatives: of the quotient of sums, by the elements that have the label.")
def center_of_mass(input: Any, labels: Any = None, index: Any = None) -> Any:
    x = as_array(collected(input))
    grids = np.meshgrid(*(np.arange(float(n)) for n in x.shape), indexing="ij", sparse=True)
    total = sum_labels(x, labels, index)
    centers = [sum_labels(x * grid, labels, index) / total for grid in grids]
    if index is None or np.ndim(index) == 0:
        return tuple(centers)
    return [tuple(center[i] for center in centers) for i in range(len(index))]
