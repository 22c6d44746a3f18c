"""Filters of images by their Fourier transforms: products with functions of the frequencies, by their parameters."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import scipy.ndimage

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, collected
from tapenet.core.primitive import Array
from tapenet.scipy.ndimage.arguments import finished, for_each
from tapenet.scipy.placing import counterpart


def _frequencies(shape: tuple[int, ...], n: int, axis: int) -> list[Any]:
    """Return the frequencies along each axis, of a real transform those up to half of n."""
    found = []
    for i, length in enumerate(shape):
        of_axis = np.arange(length) / n if n >= 0 and i == axis else np.fft.fftfreq(length)
        found.append(np.reshape(of_axis, (-1, *(1,) * (len(shape) - 1 - i))))
    return found


def _product(name: str, input: Any, given: Any, n: int, axis: int, output: Any, factor: Any) -> Array:
    x = as_array(collected(input))
    x = x if x.dtype.kind in "fc" else x.astype(float)
    axis = axis_of(f"ndimage.{name}", axis, x.ndim)
    parameters = for_each(name, "the parameter", given, x.ndim)
    for f, parameter in zip(_frequencies(x.shape, operator.index(n), axis), parameters, strict=True):
        x = x * factor(f, parameter)
    return finished(name, x, x, output)


@counterpart(scipy.ndimage, "Derivatives: by the input and sigma, those of the product.")
def fourier_gaussian(input: Any, sigma: Any, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    def factor(f: Array, own: Array) -> Array:
        return tnp.exp(-2 * math.pi**2 * f * f * own * own)

    return _product("fourier_gaussian", input, sigma, n, axis, output, factor)


@counterpart(scipy.ndimage, "Derivatives: by the input and the size, those of the product.")
def fourier_uniform(input: Any, size: Any, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    return _product("fourier_uniform", input, size, n, axis, output, lambda f, own: tnp.sinc(f * own))


@counterpart(scipy.ndimage, "Derivatives: by the input and the shift, those of the product.")
def fourier_shift(input: Any, shift: Any, n: int = -1, axis: int = -1, output: Any = None) -> Array:
    return _product("fourier_shift", input, shift, n, axis, output, lambda f, own: tnp.exp(-2j * math.pi * f * own))
