"""Series rules of products of arrays, and of what is made of products."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import REGISTRY, Array
from tapenet.ops.arrays.shaping import broadcast_to, concatenate, moveaxis, reshape
from tapenet.ops.elementwise.complex import conjugate, real
from tapenet.ops.linalg.products import matrix_product
from tapenet.ops.reductions.cumulative import shifted
from tapenet.ops.reductions.reduction import sum as sum_over
from tapenet.series.arithmetic import (
    Coefficient,
    Series,
    constant,
    convolved,
    is_complex,
    is_constant,
    mapped,
    minus,
    multiply,
    over_constant,
    plus,
    product_of,
    square_root,
    times,
)
from tapenet.series.linear import multilinear
from tapenet.series.rules import apply, rule


@rule("einsum")
def _einsum(*operands: Series, labels: tuple[str, ...], out: str) -> Series:
    active = [i for i, x in enumerate(operands) if not is_constant(x)]
    return multilinear(REGISTRY["einsum"], operands, active, {"labels": labels, "out": out})


@rule("part")
def _part(whole: Series, index: int) -> Series:
    return [None if c is None else c[index] for c in whole]


# ---- products along an axis ----


@rule("prod")
def _prod(x: Series, axis: Any, keepdims: bool, dtype: Any = None) -> Series:
    """Multiply halves, and halves of halves: nothing is divided, so that zeros are exact."""
    axes = tuple(range(x[0].ndim)) if axis is None else axis
    kept = shapes.kept(x[0].shape, axes) if keepdims else shapes.without(x[0].shape, axes)
    count = shapes.count(x[0].shape, axes)
    if count == 0:
        return constant(apply("prod", x[0], axis=axis, keepdims=keepdims), x)

    def as_factors(c: Array) -> Array:
        return reshape(moveaxis(c, axes, range(len(axes))), (count, *shapes.without(c.shape, axes)))

    factors = mapped(as_factors, x)
    while count > 1:
        half = count // 2
        product = times(_rows(factors, 0, half), _rows(factors, half, 2 * half))
        rest = _rows(factors, 2 * half, count)
        factors = product if count % 2 == 0 else _stacked(product, rest)
        count -= half
    return mapped(lambda c: reshape(c, kept), factors)


def _rows(x: Series, start: int, stop: int) -> list[Coefficient]:
    return mapped(lambda c: c[start:stop], x)


def _stacked(x: Series, y: Series) -> list[Coefficient]:
    """Join two series along the first axis."""

    def joined(a: Coefficient, b: Coefficient) -> Coefficient:
        if a is None and b is None:
            return None
        a = np.zeros(x[0].shape, x[0].dtype) if a is None else a
        return concatenate([a, np.zeros(y[0].shape, y[0].dtype) if b is None else b], 0)

    return [joined(a, b) for a, b in zip(x, y, strict=True)]


@rule("recurrence")
def _recurrence(a: Series, b: Series, axis: int) -> Series:
    """Solve s_n = a_n s_(n-1) + b_n order by order: each is a recurrence with the same factors."""
    out: list[Coefficient] = [apply("recurrence", a[0], b[0], axis=axis)]
    before: list[Coefficient] = [shifted(out[0], axis)]  # s_(n-1)
    shape = out[0].shape
    for k in range(1, len(a)):
        moved = convolved(multiply, a, [*before, None], k, 1)
        driven = b[k] if moved is None else moved if b[k] is None else moved + b[k]
        _append(out, before, driven if driven is None else broadcast_to(driven, shape), a[0], axis)
    return out


@rule("cumprod")
def _cumprod(x: Series, axis: int, dtype: Any = None) -> Series:
    """Solve y_n = x_n y_(n-1) order by order; nothing is divided, so that zeros are exact."""
    out: list[Coefficient] = [apply("cumprod", x[0], axis=axis)]
    before: list[Coefficient] = [shifted(out[0], axis, 1)]  # y_(n-1)
    for k in range(1, len(x)):
        _append(out, before, convolved(multiply, x, [*before, None], k, 1), x[0], axis)
    return out


def _append(out: list[Coefficient], before: list[Coefficient], driven: Coefficient, a: Array, axis: int) -> None:
    """Add the next coefficient of a recurrence, and that of the elements before."""
    out.append(None if driven is None else apply("recurrence", a, driven, axis=axis))
    before.append(None if driven is None else shifted(out[-1], axis))


# ---- products and biases ----


@rule("affine")
def _affine(x: Series, kernel: Series, bias: Series) -> Series:
    product = product_of(matrix_product, x, kernel)
    return [apply("affine", x[0], kernel[0], bias[0]), *plus(product, bias)[1:]]


@rule("conv_bias")
def _conv_bias(x: Series, kernel: Series, bias: Series, **geometry: Any) -> Series:
    product = product_of(lambda a, b: apply("conv", a, b, **geometry), x, kernel)
    return [apply("conv_bias", x[0], kernel[0], bias[0], **geometry), *plus(product, bias)[1:]]


# ---- lengths of vectors ----


@branch_condition
def _vanishes_anywhere(norm: Array) -> bool:
    return bool(np.any(~(np.abs(norm) > 0)))


@rule("norm")
def _norm(x: Series, axis: Any, keepdims: bool) -> Series | None:
    first = apply("norm", x[0], axis=axis, keepdims=True)
    if _vanishes_anywhere(first):
        return None
    return [apply("norm", x[0], axis=axis, keepdims=keepdims), *_length(x, first, axis, keepdims, 1.0)[1:]]


@rule("var")
def _var(x: Series, axis: Any, keepdims: bool, ddof: float, dtype: Any = None) -> Series | None:
    count = shapes.count(x[0].shape, axis)
    if dtype is not None or count - ddof <= 0:
        return None
    first = apply("var", x[0], axis=axis, keepdims=keepdims, ddof=ddof)
    deviation = minus(x, mapped(lambda c: sum_over(c, axis, keepdims=True) / count, x))
    squares = times(deviation, mapped(conjugate, deviation) if is_complex(x[0]) else deviation)
    total_of = mapped(lambda c: sum_over(real(c), axis, keepdims=keepdims) / (count - ddof), squares)
    return [first, *total_of[1:]]


@rule("std")
def _std(x: Series, axis: Any, keepdims: bool, ddof: float, dtype: Any = None) -> Series | None:
    first = apply("std", x[0], axis=axis, keepdims=True, ddof=ddof)
    count = shapes.count(x[0].shape, axis)
    if dtype is not None or count - ddof <= 0 or _vanishes_anywhere(first):
        return None
    center = mapped(lambda c: sum_over(c, axis, keepdims=True) / count, x)
    length = _length(minus(x, center), first, axis, keepdims, 1.0 / (count - ddof))
    return [apply("std", x[0], axis=axis, keepdims=keepdims, ddof=ddof), *length[1:]]


def _length(x: Series, first: Array, axis: Any, keepdims: bool, weight: float) -> list[Coefficient]:
    """Compute the root of a weighted sum of squares, `first` at t = 0: of x / first, so that none overflows."""
    unit = over_constant(x, first)
    conjugates = mapped(conjugate, unit) if is_complex(x[0]) else unit
    squares = mapped(lambda c: sum_over(real(c), axis, keepdims=True) * weight, times(unit, conjugates))
    shape = shapes.reduced(x[0].shape, axis, keepdims)
    return mapped(lambda c: reshape(c * first, shape), square_root(first / first, squares))
