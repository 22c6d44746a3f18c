"""Evenly spaced numbers, and what is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, check_device, numpy_function
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.ops.arrays.shaping import broadcast_arrays, concatenate, moveaxis
from tapenet.ops.arrays.structure import result_type
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, subtract
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.complex import sign
from tapenet.ops.elementwise.exponential import log10, power
from tapenet.ops.elementwise.rounding import floor
from tapenet.ops.special.functions import i0


@numpy_function(np.linspace)
def linspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: str | None = None,
) -> Any:
    """Make num evenly spaced numbers from start to stop, along a new axis.

    Derivatives: 1 - f for start and f for stop, at the fraction f of the way.

    On a Tensor `device` has no effect.

    >>> tnp.linspace(0.0, 1.0, 3)
    array([0. , 0.5, 1. ])
    """
    check_device("linspace", device)
    start, stop = (x if type(x) in (int, float, complex) else as_array(x) for x in (start, stop))
    kind = result_type(start, stop, float(num))  # Python scalars count only where both are
    start, stop = (astype(x, kind) for x in broadcast_arrays(start, stop))
    steps = num - 1 if endpoint else num
    span = subtract(stop, start)
    places = np.arange(num, dtype=kind).reshape((-1,) + (1,) * start.ndim)
    line = add(start, multiply(places, divide(span, steps))) if steps > 0 else add(start, multiply(places, span))
    if endpoint and num > 1:
        line = concatenate([line[:-1], stop[None]])
    if dtype is not None and np.dtype(dtype).kind in "iu":
        line = floor(line)  # as NumPy, where a cast alone would round towards zero
    line = moveaxis(line, 0, axis) if dtype is None else astype(moveaxis(line, 0, axis), dtype)
    return (line, divide(span, steps) if steps > 0 else np.nan) if retstep else line


@numpy_function(np.logspace)
def logspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    base: Array = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Raise base to evenly spaced powers: base^linspace(start, stop).

    Derivatives: those of the formula, for start, stop and base.

    >>> tnp.logspace(0.0, 2.0, 3)
    array([  1.,  10., 100.])
    """
    if np.ndim(base):
        start, stop, base = broadcast_arrays(as_array(start), as_array(stop), as_array(base))
        base = base[None]
        raised = moveaxis(power(base, linspace(start, stop, num, endpoint)), 0, axis)
    else:
        raised = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return raised if dtype is None else astype(raised, dtype)


@numpy_function(np.geomspace)
def geomspace(
    start: Array, stop: Array, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """Make num numbers from start to stop, each the same multiple of the one before. Complex ones lie on a spiral.

    Derivatives: those of the formula, start (stop / start)^f at the fraction f, for start and stop.

    >>> tnp.geomspace(1.0, 4.0, 3)
    array([1., 2., 4.])
    """
    start, stop = broadcast_arrays(as_array(start), as_array(stop))
    kind = result_type(start, stop, np.float64)
    start, stop = astype(start, kind), astype(stop, kind)
    unit = sign(start)
    first, last = divide(start, unit), divide(stop, unit)
    raised = logspace(log10(first), log10(last), num, endpoint)
    if num > 0:
        ends = [raised[1:-1]] if endpoint and num > 1 else [raised[1:]]
        raised = concatenate([first[None], *ends, last[None]] if endpoint and num > 1 else [first[None], *ends])
    line = moveaxis(multiply(unit, raised), 0, axis)
    return line if dtype is None else astype(line, dtype)


@nondifferentiable
def _length(start: Array, stop: Array, step: Array) -> int:
    return len(np.arange(start, stop, step))


@numpy_function(np.arange)
def arange(
    start: Array, /, stop: Array = None, step: Array = 1, dtype: Any = None, *, device: str | None = None
) -> Array:
    """Make the numbers start, start + step, ... before stop; from 0 where only stop is given.

    Derivatives: 1 for start; k for step at the k-th number; 0 for stop, which only decides how many there are.

    On a Tensor `device` has no effect, and `like` is refused.

    >>> tnp.arange(3.0)
    array([0., 1., 2.])
    >>> float(tn.grad(lambda h: tnp.arange(0.0, 3.0, h).sum())(1.0))
    3.0
    """
    check_device("arange", device)
    if stop is None:
        start, stop = 0, start
    kind = result_type(start, stop, step, np.int_)  # as in NumPy's arange, where float32 gives float64
    places = np.arange(_length(start, stop, step)).astype(kind)
    line = add(astype(as_array(start), kind), multiply(places, astype(as_array(step), kind)))
    return line if dtype is None else astype(line, dtype)


@numpy_function(np.kaiser)
def kaiser(M: int, beta: Array) -> Array:
    """Make the Kaiser window of M points: I_0(beta sqrt(1 - r^2)) / I_0(beta), with r from -1 to 1.

    Derivative: that of the formula, for beta.

    >>> tnp.kaiser(3, 0.0)
    array([1., 1., 1.])
    """
    if M <= 1:
        return np.ones(max(M, 0))
    r, beta = np.linspace(-1, 1, M), astype(as_array(beta), np.float64)
    # The root is a constant: that it ends in 0 must not meet its infinite derivative.
    return divide(i0(multiply(beta, np.sqrt(np.maximum(1 - r * r, 0)))), i0(beta))
