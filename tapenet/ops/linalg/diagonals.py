"""Diagonals and triangles of matrices."""

from __future__ import annotations

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indexing import at
from tapenet.ops.arrays.shaping import ravel
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.linalg.products import diagonal


@numpy_function(np.diag)
def diag(v: Array, k: int = 0) -> Array:
    """Take the k-th diagonal of a matrix; of a vector, make the square matrix with it there and zeros elsewhere.

    Derivative: linear; the cotangent goes to the diagonal of zeros, or is read from it.

    >>> tnp.diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    v = as_array(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ArgumentError(f"diag: v must have one or two axes; got shape {v.shape}.")
    n = len(v) + abs(k)
    along = np.arange(len(v))
    return at(np.zeros((n, n), v.dtype))[along + max(-k, 0), along + max(k, 0)].set(v)


@numpy_function(np.diagflat)
def diagflat(v: Array, k: int = 0) -> Array:
    """Make the square matrix with all elements of v on its k-th diagonal.

    Derivative: linear; the cotangent is read from the diagonal.

    >>> tnp.diagflat([[1.0, 2.0]]).shape
    (2, 2)
    """
    return diag(ravel(as_array(v)), k)


@numpy_function(np.tril)
def tril(m: Array, k: int = 0) -> Array:
    """Keep the lower triangle of the last two axes, from the k-th diagonal down; zeros above.

    Derivative: linear; 1 for elements that are kept, else 0.

    >>> tnp.tril(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    m = as_array(m)
    return where(np.tri(*m.shape[-2:], k=k, dtype=bool), m, m.dtype.type(0))  # type: ignore[call-overload]  # two lengths


@numpy_function(np.triu)
def triu(m: Array, k: int = 0) -> Array:
    """Keep the upper triangle of the last two axes, from the k-th diagonal up; zeros below.

    Derivative: linear; 1 for elements that are kept, else 0.

    Args:
        m: array, shape (..., n, m).
        k: the diagonal below which elements are set to 0; 0 is the main one.

    Returns:
        An array of the shape and dtype of m.

    >>> tnp.triu(np.ones((2, 2)))
    array([[1., 1.],
           [0., 1.]])
    """
    m = as_array(m)
    return where(np.tri(*m.shape[-2:], k=k - 1, dtype=bool), m.dtype.type(0), m)  # type: ignore[call-overload]  # two lengths
