"""Products of stacks of vectors and matrices; the cross product and the Kronecker product."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axis_of, numpy_function, refuse
from tapenet.core.nondifferentiable import numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.shaping import broadcast_to, expand_dims, moveaxis, reshape, squeeze, stack
from tapenet.ops.elementwise.arithmetic import multiply, subtract
from tapenet.ops.elementwise.complex import conjugate
from tapenet.ops.linalg.products import cast_operand, matmul
from tapenet.ops.reductions.reduction import sum


@numpy_function(getattr(np, "vecdot", None))
@numpys_of_integers(np.linalg.vecdot)
def vecdot(x1: Array, x2: Array, /, *, axis: int = -1, keepdims: bool = False, **keywords: Any) -> Array:
    """Sum conj(x1) x2 over an axis; the other axes broadcast.

    Derivatives: those of the products. On a Tensor the keywords of ufuncs other than `dtype` are refused.

    Args:
        x1, x2: arrays that broadcast, of the same length along the axis.
        axis: the axis to sum over.
        keepdims: whether the axis stays, with length 1.

    Returns:
        An array without the axis.

    >>> tnp.vecdot(np.ones((2, 3)), np.ones(3))
    array([3., 3.])
    """
    x, y = _operands("vecdot", x1, x2, 1, 1, **keywords)
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    _check_lengths("vecdot", x.shape[-1], y.shape[-1], x, y)
    product = sum(multiply(conjugate(x), y), -1)
    return expand_dims(product, axis) if keepdims else product


@numpy_function(getattr(np, "matvec", None))
def matvec(x1: Array, x2: Array, /, **keywords: Any) -> Array:
    """Multiply matrices with vectors: (..., n, k) and (..., k) give (..., n).

    Derivatives: those of `matmul`. On a Tensor keywords other than `dtype` are refused.

    Args:
        x1: array, shape (..., n, k).
        x2: array, shape (..., k).

    Returns:
        An array, shape (..., n).

    >>> tnp.matvec(np.ones((2, 3)), np.ones(3))
    array([3., 3.])
    """
    x, y = _operands("matvec", x1, x2, 2, 1, **keywords)
    _check_lengths("matvec", x.shape[-1], y.shape[-1], x, y)
    return squeeze(matmul(x, expand_dims(y, -1)), -1)


@numpy_function(getattr(np, "vecmat", None))
def vecmat(x1: Array, x2: Array, /, **keywords: Any) -> Array:
    """Multiply conjugated vectors with matrices: (..., n) and (..., n, k) give (..., k).

    Derivatives: those of `matmul` and `conj`. On a Tensor keywords other than `dtype` are refused.

    Args:
        x1: array, shape (..., n).
        x2: array, shape (..., n, k).

    Returns:
        An array, shape (..., k).

    >>> tnp.vecmat(np.ones(2), np.ones((2, 3)))
    array([2., 2., 2.])
    """
    x, y = _operands("vecmat", x1, x2, 1, 2, **keywords)
    _check_lengths("vecmat", x.shape[-1], y.shape[-2], x, y)
    return squeeze(matmul(expand_dims(conjugate(x), -2), y), -2)


def _operands(
    function: str, x1: Array, x2: Array, first: int, second: int, dtype: Any = None, **keywords: Any
) -> tuple[Array, Array]:
    refuse(function, keywords)
    x, y = (as_array(z) if dtype is None else cast_operand(function, z, dtype) for z in (x1, x2))
    if x.ndim < first or y.ndim < second:
        raise ArgumentError(
            f"{function}: operands must have at least {first} and {second} axes; got shapes {x.shape}, {y.shape}."
        )
    return x, y


def _check_lengths(function: str, n: int, m: int, x: Array, y: Array) -> None:
    if n != m:
        raise ArgumentError(f"{function}: the axes summed over must have equal lengths; got {n}, {m}.")


@numpy_function(np.kron)
def kron(a: Array, b: Array) -> Array:
    """Compute the Kronecker product: a with each element replaced by its multiple of b.

    Derivatives: for each operand, the sum of the cotangents of its products, times the other one.

    >>> tnp.kron([1.0, 2.0], [1.0, 1.0])
    array([1., 1., 2., 2.])
    """
    x, y = as_array(a), as_array(b)
    ndim = max(x.ndim, y.ndim)
    x_shape, y_shape = ((1,) * (ndim - z.ndim) + z.shape for z in (x, y))
    outer = multiply(
        reshape(x, [n for length in x_shape for n in (length, 1)]),
        reshape(y, [n for length in y_shape for n in (1, length)]),
    )
    return reshape(outer, [n * m for n, m in zip(x_shape, y_shape, strict=True)])


@numpy_function(np.cross)
def cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """Compute the cross product of vectors of 3 elements; of 2, the third element of that with 0 added.

    Derivatives: t x b and a x t, with t the tangent.

    >>> tnp.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = as_array(a), as_array(b)
    x, y = (
        moveaxis(z, axis_of("cross", i, z.ndim, name), -1) for z, i, name in ((x, axisa, "axisa"), (y, axisb, "axisb"))
    )
    if x.shape[-1] not in (2, 3) or y.shape[-1] not in (2, 3):
        raise ArgumentError(f"cross: vectors must have 2 or 3 elements; got {x.shape[-1]} and {y.shape[-1]}.")
    if x.shape[-1] == y.shape[-1] == 2:
        return _difference(x, y, 0, 1)
    product = stack([_difference(x, y, i, j) for i, j in ((1, 2), (2, 0), (0, 1))], -1)
    return moveaxis(product, -1, axisc)


def _difference(x: Array, y: Array, i: int, j: int) -> Array:
    """Compute x_i y_j - x_j y_i; an element that a vector of two lacks is 0."""

    def product(p: Array, k: int, q: Array, m: int) -> Array:
        shape = np.broadcast_shapes(p.shape[:-1], q.shape[:-1])
        if k >= p.shape[-1] or m >= q.shape[-1]:
            return np.zeros(shape, np.result_type(p.dtype, q.dtype))
        return broadcast_to(multiply(p[..., k], q[..., m]), shape)

    return subtract(product(x, i, y, j), product(x, j, y, i))
