"""Products of several matrices, and those of `numpy.linalg` that differ from NumPy's of the same name."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axis_of, numpy_function
from tapenet.core.nondifferentiable import numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, LinAlgError
from tapenet.ops.arrays.shaping import moveaxis, reshape, roll
from tapenet.ops.elementwise.arithmetic import multiply, subtract, where
from tapenet.ops.linalg import products
from tapenet.ops.linalg.linear_solves import inv
from tapenet.ops.linalg.matrices import check_matrix, check_square, conj
from tapenet.ops.linalg.products import dot, matmul
from tapenet.ops.reductions.reduction import sum


@numpy_function(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    """Raise a square matrix to the n-th power, by repeated squaring; invert it first where n is negative.

    Derivative: that of the products. None for n.

    Args:
        a: float or complex array, shape (..., m, m).
        n: an integer.

    Raises:
        LinAlgError: a matrix that is not square; for negative n, a singular one.

    >>> tnp.linalg.matrix_power(np.diag([2.0, 3.0]), 3)
    array([[ 8.,  0.],
           [ 0., 27.]])
    """
    check_square("matrix_power", a)
    n = operator.index(n)
    if n == 0:
        return where(False, a, np.eye(a.shape[-1], dtype=a.dtype))
    base = power = inv(a) if n < 0 else a
    for bit in f"{abs(n):b}"[1:]:
        power = power @ power
        if bit == "1":
            power = power @ base
    return power


@numpy_function(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Array], *, out: None = None) -> Array:
    """Multiply two or more matrices, in the order that takes the fewest multiplications.

    Derivative: that of the products.

    Args:
        arrays: matrices; the first and the last may be vectors.

    Raises:
        ArgumentError: fewer than two arrays.
        LinAlgError: one between the ends that is not a matrix.

    >>> tnp.linalg.multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    if len(arrays) < 2:
        raise ArgumentError(f"multi_dot: arrays must be at least two; got {len(arrays)}.")
    parts = [as_array(x) for x in arrays]
    if len(parts) == 2:
        return dot(*parts)
    row, column = parts[0].ndim == 1, parts[-1].ndim == 1
    if row:
        parts[0] = reshape(parts[0], (1, -1))
    if column:
        parts[-1] = reshape(parts[-1], (-1, 1))
    for x in parts:
        if x.ndim != 2:
            raise LinAlgError(f"multi_dot: each array must have two axes, but for the ends; got shape {x.shape}.")
    product = _multiplied(parts, _splits([x.shape[0] for x in parts] + [parts[-1].shape[1]]), 0, len(parts))
    return reshape(product, product.shape[row : 1 if column else 2])


def _splits(lengths: Sequence[int]) -> dict[tuple[int, int], int]:
    """Find where to split each product of matrices i to j - 1, of `lengths` rows, for the least cost."""
    count = len(lengths) - 1
    cost = {(i, i + 1): 0 for i in range(count)}
    splits = {}
    for width in range(2, count + 1):
        for i in range(count - width + 1):
            j = i + width
            costs = {k: cost[i, k] + cost[k, j] + lengths[i] * lengths[k] * lengths[j] for k in range(i + 1, j)}
            splits[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[splits[i, j]]
    return splits


def _multiplied(parts: Sequence[Array], splits: dict[tuple[int, int], int], i: int, j: int) -> Array:
    if j == i + 1:
        return parts[i]
    k = splits[i, j]
    return matmul(_multiplied(parts, splits, i, k), _multiplied(parts, splits, k, j))


# ---- products of vectors ----


@numpy_function(np.linalg.cross)
def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Compute the cross product of vectors of three elements.

    Derivatives: t x x2 and x1 x t, with t the tangent.

    Args:
        x1, x2: arrays that broadcast, of length 3 along the axis.
        axis: the axis of the vectors.

    Raises:
        ArgumentError: another length.

    >>> tnp.linalg.cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    x, y = (moveaxis(v, axis_of("cross", axis, v.ndim), -1) for v in map(as_array, (x1, x2)))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ArgumentError(
            f"cross: x1 and x2 must be of length 3 along axis {axis}; got {x.shape[-1]} and {y.shape[-1]}."
        )
    product = subtract(
        multiply(roll(x, -1, -1), roll(y, -2, -1)),
        multiply(roll(x, -2, -1), roll(y, -1, -1)),
    )
    return moveaxis(product, -1, axis)


@numpy_function(np.linalg.vecdot)
@numpys_of_integers(np.linalg.vecdot)
def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Sum conj(x1) x2 over an axis, as `tapenet.numpy.vecdot` does.

    Derivatives: those of the products.

    >>> float(tnp.linalg.vecdot(np.ones(3), np.ones(3)))
    3.0
    """
    x, y = (moveaxis(v, axis_of("vecdot", axis, v.ndim), -1) for v in map(as_array, (x1, x2)))
    if x.shape[-1] != y.shape[-1]:
        raise ArgumentError(
            f"vecdot: x1 and x2 must be of one length along axis {axis}; got {x.shape[-1]} and {y.shape[-1]}."
        )
    return sum(multiply(conj(x), y), -1)


@numpy_function(np.linalg.outer)
def outer(x1: Array, x2: Array, /) -> Array:
    """Multiply each element of one vector with each of another.

    Derivatives: t x2 and t^T x1, with t the cotangent.

    Args:
        x1, x2: arrays, shapes (m,) and (n,).

    Raises:
        ArgumentError: an array that is not a vector.

    >>> tnp.linalg.outer(np.ones(2), np.ones(3)).shape
    (2, 3)
    """
    x, y = as_array(x1), as_array(x2)
    if x.ndim != 1 or y.ndim != 1:
        raise ArgumentError(f"outer: x1 and x2 must have one axis each; got shapes {x.shape} and {y.shape}.")
    return products.outer(x, y)


# ---- in the last two axes ----


@numpy_function(np.linalg.tensordot)
def tensordot(x1: Array, x2: Array, /, *, axes: int | Sequence[Any] = 2) -> Array:
    """Sum products over pairs of axes, as `tapenet.numpy.tensordot` does.

    Derivatives: for each operand, the tensordot of the cotangent with the other one.

    >>> tnp.linalg.tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    return products.tensordot(x1, x2, axes)


@numpy_function(np.linalg.diagonal)
def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """Take the diagonal of the last two axes, as a last axis.

    Derivative: linear; the cotangent goes to the diagonal of zeros.

    >>> tnp.linalg.diagonal(np.ones((5, 2, 3))).shape
    (5, 2)
    """
    check_matrix("diagonal", x)
    return products.diagonal(x, offset, -2, -1)


@numpy_function(np.linalg.trace)
def trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Sum along the diagonal of the last two axes.

    Derivative: linear; the cotangent goes to the diagonal of zeros.

    >>> tnp.linalg.trace(np.ones((5, 2, 3))).shape
    (5,)
    """
    check_matrix("trace", x)
    return products.trace(x, offset, -2, -1, dtype)
