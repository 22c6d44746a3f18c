"""Rounding and signs: piecewise constant, with derivative zero also at the jumps."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.families import elementwise, piecewise_constant
from tapenet.core.primitive import Array, bind
from tapenet.ops.elementwise.choices import equal

floor = elementwise(
    np.floor,
    piecewise_constant,
    doc="""Round down: the largest integer <= x.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> float(tnp.floor(-1.5)), float(tn.grad(tnp.floor)(-1.5))
    (-2.0, 0.0)
    """,
)
ceil = elementwise(
    np.ceil,
    piecewise_constant,
    doc="""Round up: the smallest integer >= x.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> float(tnp.ceil(1.5)), float(tn.grad(tnp.ceil)(1.5))
    (2.0, 0.0)
    """,
)
trunc = elementwise(
    np.trunc,
    piecewise_constant,
    doc="""Round towards 0: the integer part of x.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> float(tnp.trunc(-1.5)), float(tn.grad(tnp.trunc)(-1.5))
    (-1.0, 0.0)
    """,
)
rint = elementwise(
    np.rint,
    piecewise_constant,
    doc="""Round to the nearest integer, halves to even.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> float(tnp.rint(2.5)), float(tn.grad(tnp.rint)(2.5))
    (2.0, 0.0)
    """,
)
sign = elementwise(
    np.sign,
    piecewise_constant,
    doc="""Give the sign of x: -1, 0 or 1; for complex x the number x / |x|.

    Derivative: 0 for real x, also at 0. The function is piecewise constant.

    >>> float(tnp.sign(-2.0)), float(tn.grad(tnp.sign)(-2.0))
    (-1.0, 0.0)
    """,
)
heaviside = elementwise(
    np.heaviside,
    piecewise_constant,
    lambda t, x: t * equal(x, 0),
    doc="""Compute the step function: 0 for x1 < 0, x2 for x1 = 0, 1 for x1 > 0.

    Derivatives: 0 for x1, also at the jump; for x2, 1 where x1 = 0, else 0.

    >>> float(tn.grad(tnp.heaviside)(0.0, 0.5)), float(tn.grad(tnp.heaviside, argnums=1)(0.0, 0.5))
    (0.0, 1.0)
    """,
)


def _round_half_even(x: Array, *, decimals: int) -> Array:
    return np.round(x, decimals)


_round: Any = elementwise(_round_half_even, piecewise_constant, name="round")


@numpy_function(np.round, method=np.ndarray.round)
def round(a: Array, decimals: int = 0, out: None = None) -> Array:
    """Round to a number of decimals, halves to even.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> tnp.round(np.array([0.5, 1.26]), 1)
    array([0.5, 1.3])
    """
    return bind(_round.primitive, (a,), {"decimals": decimals})


around = round


@numpy_function(np.fix)
def fix(x: Array, out: None = None) -> Array:
    """Round towards 0: the integer part of x.

    Derivative: 0, also at a jump. The function is piecewise constant.

    >>> tnp.fix(np.array([-1.5, 1.5]))
    array([-1.,  1.])
    """
    return trunc(x)
