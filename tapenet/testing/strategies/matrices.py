"""Strategies for matrices with a property, built such that they have it; all shrink to the identity.

Each takes the order of the matrix, or a strategy for it, and a batch shape for the dimensions before.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tapenet.core.argument_checks import checked_count, checked_number
from tapenet.errors import ArgumentError
from tapenet.testing.strategies.arrays import Array, DTypeLike, ShapeLike, as_strategy, dtype_strategy, shape_strategy

Order = int | SearchStrategy[int]
Build = Callable[[DrawFn, int, "np.dtype[Any]"], Array]

SMALL = [0.0, 0.25, -0.25, 0.5, -0.5]  # entries off the diagonal
MOST_ORDER = 1000  # of what Hypothesis can draw element by element
ORDERS = st.integers(1, 3)

# Pythagorean triples: rotations by the angles of right-angled triangles have short decimal entries.
ROTATIONS = [(1.0, 0.0), (0.8, 0.6), (0.6, 0.8), (0.28, 0.96), (0.0, 1.0), (0.8, -0.6)]
PHASES = [1, -1, 1j, -1j, 0.6 + 0.8j, 0.8 - 0.6j]


def well_conditioned(
    n: Order = ORDERS, dtype: DTypeLike = np.float64, *, batch: ShapeLike = ()
) -> SearchStrategy[Array]:
    """Square matrices that are safely invertible: dominated by their diagonal, with a condition number below 10.

    >>> from hypothesis import find
    >>> find(well_conditioned(2), lambda a: True)
    array([[1., 0.], [0., 1.]])
    """

    def build(draw: DrawFn, n: int, dtype: np.dtype[Any]) -> Array:
        diagonal = _entries(draw, n, [1.0, -1.0, 1.5, -1.5, 2.0])
        # Rows and columns off the diagonal add up to less than 0.71, so that singular values lie in 0.29 to 2.71.
        return np.asarray(np.diag(diagonal) + _off_diagonal(draw, n, dtype) / 2 ** math.ceil(math.log2(max(n, 1))))

    return _matrices("well_conditioned", build, n, dtype, batch)


def positive_definite(
    n: Order = ORDERS, dtype: DTypeLike = np.float64, *, batch: ShapeLike = ()
) -> SearchStrategy[Array]:
    """Symmetric (for complex dtypes Hermitian) positive-definite matrices: L L^H of a lower triangular L.

    >>> from hypothesis import find
    >>> find(positive_definite(2), lambda a: a[0, 0] > 1)
    array([[2.25, 0. ], [0. , 1. ]])
    """

    def build(draw: DrawFn, n: int, dtype: np.dtype[Any]) -> Array:
        lower = np.tril(_off_diagonal(draw, n, dtype)) + np.diag(_entries(draw, n, [1.0, 1.5, 2.0]))
        return np.asarray(lower @ lower.conj().T)

    return _matrices("positive_definite", build, n, dtype, batch)


def orthogonal(n: Order = ORDERS, dtype: DTypeLike = np.float64, *, batch: ShapeLike = ()) -> SearchStrategy[Array]:
    """Orthogonal (for complex dtypes unitary) matrices: products of plane rotations and reflections.

    >>> from hypothesis import find
    >>> find(orthogonal(2), lambda q: q[0, 1] != 0)
    array([[ 0.8, -0.6], [ 0.6, 0.8]])
    """
    return _matrices("orthogonal", _orthogonal, n, dtype, batch)


def symmetric(
    n: Order = ORDERS, dtype: DTypeLike = np.float64, *, gap: float = 0.5, batch: ShapeLike = ()
) -> SearchStrategy[Array]:
    """Symmetric (for complex dtypes Hermitian) matrices whose eigenvalues are at least `gap` apart.

    With gap 0 they may repeat, where eigenvectors have no derivative.

    >>> from hypothesis import find
    >>> find(symmetric(2), lambda a: True)
    array([[0. , 0. ], [0. , 0.5]])
    """
    gap = checked_number("symmetric", "gap", gap, "[0, inf)")

    def build(draw: DrawFn, n: int, dtype: np.dtype[Any]) -> Array:
        places = st.lists(st.integers(0, 2 * n), min_size=n, max_size=n, unique=gap > 0)
        values = np.array(draw(places)) * (gap or 0.5)
        q = _orthogonal(draw, n, dtype)
        a = (q * values) @ q.conj().T
        return np.asarray((a + a.conj().T) / 2)

    return _matrices("symmetric", build, n, dtype, batch)


def _matrices(function: str, build: Build, n: Order, dtype: DTypeLike, batch: ShapeLike) -> SearchStrategy[Array]:
    order = n if isinstance(n, SearchStrategy) else checked_count(function, "n", n, 0, MOST_ORDER)
    batches = shape_strategy(function, "batch", batch)
    return _batches(build, as_strategy(order), dtype_strategy(function, dtype), batches)


@st.composite
def _batches(
    draw: DrawFn, build: Build, n: SearchStrategy[int], dtype: SearchStrategy[Any], batch: SearchStrategy[Any]
) -> Array:
    order, kind, before = draw(n), np.dtype(draw(dtype)), draw(batch)
    if kind.kind not in "fc":
        raise ArgumentError(f"strategies: dtype must be float or complex; got {kind}.")
    matrices = [build(draw, order, kind) for _ in range(math.prod(before))]
    return np.array(matrices).reshape(*before, order, order).astype(kind)


def _entries(draw: DrawFn, count: int, choices: list[Any]) -> Array:
    return np.array(draw(st.lists(st.sampled_from(choices), min_size=count, max_size=count)))


def _off_diagonal(draw: DrawFn, n: int, dtype: np.dtype[Any]) -> Array:
    """Small entries with zeros on the diagonal; both parts of complex ones."""
    entries = _entries(draw, n * n, SMALL).reshape(n, n)
    if dtype.kind == "c":
        entries = entries + 1j * _entries(draw, n * n, SMALL).reshape(n, n)
    return np.asarray(entries * (1 - np.eye(n)))


def _orthogonal(draw: DrawFn, n: int, dtype: np.dtype[Any]) -> Array:
    signs = PHASES if dtype.kind == "c" else [1.0, -1.0]
    factors = [_rotation(n, i, *draw(st.sampled_from(ROTATIONS))) for i in range(n - 1)]
    return functools.reduce(np.matmul, factors, np.eye(n)) * _entries(draw, n, signs)


def _rotation(n: int, i: int, cos: float, sin: float) -> Array:
    """Return the rotation in the plane of axes i and i + 1."""
    rotation = np.eye(n)
    rotation[i : i + 2, i : i + 2] = [[cos, -sin], [sin, cos]]
    return rotation
