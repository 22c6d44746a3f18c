"""Grey morphology: the least and the largest of windows, with and without a structure, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array
from tapenet.core.primitive import Array
from tapenet.scipy.ndimage.arguments import chosen_axes, finished, for_each, image
from tapenet.scipy.ndimage.ranks import windows
from tapenet.scipy.placing import counterpart

_NOTE = "Derivatives: by the input, the structure and cval, those of the chosen elements; equal ones share it."


def _shifted(x: Array, footprint: Any, structure: Any, sign: float) -> Array:
    """Return windows along a first axis with the structure added, or subtracted."""
    if structure is None:
        return x
    heights = as_array(structure)[np.nonzero(footprint)]
    return x + sign * tnp.reshape(heights, (-1,) + (1,) * (x.ndim - 1))


def _filled(size: Any, footprint: Any, structure: Any, count: int) -> Any:
    """Return the footprint: that which is given, that of the structure, or a block."""
    if footprint is not None:
        return np.asarray(footprint, bool)
    if structure is not None:
        return np.ones(np.shape(structure), bool)
    return None if size is None else np.ones(tuple(for_each("grey_erosion", "size", size, count)), bool)


def _eroded(
    name: str, x: Array, size: Any, footprint: Any, structure: Any, mode: Any, cval: Any, origin: Any, axes: Any
) -> Array:
    found = _filled(size, footprint, structure, len(chosen_axes(name, axes, x.ndim)))
    return tnp.min(_shifted(windows(name, x, None, found, mode, cval, origin, axes), found, structure, -1.0), axis=0)


def _dilated(
    name: str, x: Array, size: Any, footprint: Any, structure: Any, mode: Any, cval: Any, origin: Any, axes: Any
) -> Array:
    """Return the dilation: the largest of reflected windows, whose middle is one further where a size is even."""
    count = len(chosen_axes(name, axes, x.ndim))
    found = _filled(size, footprint, structure, count)
    origins = for_each(name, "origin", origin, count)
    if found is not None:
        found = np.flip(found)
        origins = [-at - (length + 1) % 2 for at, length in zip(origins, found.shape, strict=True)]
    turned = None if structure is None else tnp.flip(as_array(structure))
    return tnp.max(_shifted(windows(name, x, None, found, mode, cval, origins, axes), found, turned, 1.0), axis=0)


def _morphology(name: str, of: Callable[..., Array]) -> Any:
    """Declare a function of the image, erosion and dilation."""

    def function(
        input: Any,
        size: Any = None,
        footprint: Any = None,
        structure: Any = None,
        output: Any = None,
        mode: Any = "reflect",
        cval: Any = 0.0,
        origin: Any = 0,
        *,
        axes: Any = None,
    ) -> Array:
        x = image(name, input)
        given = size, footprint, structure, mode, cval, origin, axes
        return finished(name, of(x, lambda y: _eroded(name, y, *given), lambda y: _dilated(name, y, *given)), x, output)

    function.__name__ = name
    return counterpart(scipy.ndimage, _NOTE)(function)


grey_erosion = _morphology("grey_erosion", lambda x, erode, dilate: erode(x))
grey_dilation = _morphology("grey_dilation", lambda x, erode, dilate: dilate(x))
grey_opening = _morphology("grey_opening", lambda x, erode, dilate: dilate(erode(x)))
grey_closing = _morphology("grey_closing", lambda x, erode, dilate: erode(dilate(x)))
morphological_gradient = _morphology("morphological_gradient", lambda x, erode, dilate: dilate(x) - erode(x))
morphological_laplace = _morphology("morphological_laplace", lambda x, erode, dilate: dilate(x) + erode(x) - 2 * x)
white_tophat = _morphology("white_tophat", lambda x, erode, dilate: x - dilate(erode(x)))
black_tophat = _morphology("black_tophat", lambda x, erode, dilate: erode(dilate(x)) - x)
