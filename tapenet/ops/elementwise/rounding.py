"""Rounding and signs: piecewise constant, with derivative zero also at the jumps."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import off_tape, refuse
from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.primitive import Array, bind
from tapenet.core.tensor import Tensor
from tapenet.ops.elementwise.comparison import equal

floor = elementwise(np.floor, piecewise_constant, doc="The largest integer <= x. Derivative: 0.")
ceil = elementwise(np.ceil, piecewise_constant, doc="The smallest integer >= x. Derivative: 0.")
trunc = elementwise(np.trunc, piecewise_constant, doc="The integer part of x. Derivative: 0.")
rint = elementwise(np.rint, piecewise_constant, doc="The nearest integer, halves to even. Derivative: 0.")
sign = elementwise(
    np.sign, piecewise_constant, doc="-1, 0 or 1 as x is; x / |x| for complex x. Derivative: 0, for real x."
)
heaviside = elementwise(
    np.heaviside,
    piecewise_constant,
    lambda t, x: t * equal(x, 0),
    doc="0 for x < 0, y for x = 0, 1 for x > 0. Derivatives: 0; 1 where x = 0, else 0.",
)


def _round_half_even(x: Array, *, decimals: int) -> Array:
    return np.round(x, decimals)


_round: Any = elementwise(_round_half_even, piecewise_constant, name="round")


def round(a: Array, decimals: int = 0, out: None = None) -> Array:
    """Round to a number of decimals, halves to even. Derivative: 0.

    >>> round(np.array([0.5, 1.26]), 1)
    array([0.5, 1.3])
    """
    if type(a) is not Tensor:
        return off_tape(round, np.round, a, decimals, out)
    refuse("round", {"out": out})
    return bind(_round.primitive, (a,), {"decimals": decimals})


around = round


def fix(x: Array, out: None = None) -> Array:
    """The integer part of x. Derivative: 0.

    >>> fix(np.array([-1.5, 1.5]))
    array([-1.,  1.])
    """
    if type(x) is not Tensor:
        return np.trunc(x) if out is None else np.trunc(x, out=out)
    refuse("fix", {"out": out})
    return trunc(x)
