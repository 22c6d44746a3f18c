"""Patterns and functions that tests of sparse derivatives share."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

import tapenet.numpy as tnp

Array = Any


def band(n: int, width: int) -> Any:
    """A banded matrix with `width` diagonals on each side."""
    return sparse.csr_array(np.abs(np.arange(n)[:, None] - np.arange(n)) <= width)


def grid(n: int, m: int) -> Any:
    """The pattern of the five-point stencil on a grid."""
    rows, columns = (sparse.csr_array(band(size, 1).astype(int)) for size in (n, m))
    one = [sparse.eye_array(size, dtype=int) for size in (n, m)]
    return sparse.csr_array(sparse.kron(rows, one[1]) + sparse.kron(one[0], columns)) != 0


def arrow(n: int) -> Any:
    """A dense first row, first column and diagonal."""
    found = np.eye(n, dtype=bool)
    found[0] = found[:, 0] = True
    return sparse.csr_array(found)


def random_pattern(seed: int, m: int, n: int, density: float) -> Any:
    return sparse.csr_array(np.random.default_rng(seed).random((m, n)) < density)


def tridiagonal(x: Array) -> Array:
    inner = x[:-2] * x[1:-1] + np.sin(x[2:])
    return tnp.concatenate([x[:1] ** 2, inner, x[-1:] * x[-2:-1]])


def five_point(u: Array) -> Array:
    """A Laplacian with zeros around, and a reaction."""
    p = np.pad(u, 1)
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u + np.exp(u)


def brusselator(y: Array) -> Array:
    """Two reacting fields on a periodic grid."""

    def laplacian(a: Array) -> Array:
        return sum(np.roll(a, step, axis) for step in (1, -1) for axis in (0, 1)) - 4 * a

    u, v = y[0], y[1]
    return np.stack([1 + u * u * v - 4.4 * u + 0.1 * laplacian(u), 3.4 * u - u * u * v + 0.1 * laplacian(v)])


def rosenbrock(x: Array) -> Array:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
