"""Checks of matrices, and shapes that the functions of several files share."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, LinAlgError


def matrix(function: str, name: str, a: Any) -> Array:
    """Return an argument as a matrix, a number as one of 1 x 1; a stack of them is for `vmap`."""
    a = as_array(a)
    a = tnp.reshape(a, (1, 1)) if a.ndim == 0 else a
    if a.ndim != 2:
        advice = f" Write tn.vmap(linalg.{function}) for a stack of matrices." if a.ndim > 2 else ""
        raise LinAlgError(f"linalg.{function}: {name} must be a matrix on a tape; got shape {a.shape}.{advice}")
    return floating(a)


def square(function: str, name: str, a: Any) -> Array:
    """Return an argument as a square matrix."""
    a = matrix(function, name, a)
    if a.shape[0] != a.shape[1]:
        raise LinAlgError(f"linalg.{function}: {name} must be square; got shape {a.shape}.")
    return a


def floating(a: Array) -> Array:
    """Return an array of integers as one of floats."""
    return a if a.dtype.kind in "fc" else a.astype(float)


def columns(function: str, b: Any, rows: int) -> tuple[Array, bool]:
    """Return right-hand sides as columns, and whether it was a single one."""
    b = floating(as_array(b))
    if b.ndim not in (1, 2) or b.shape[0] != rows:
        raise ArgumentError(
            f"linalg.{function}: b must have shape ({rows},) or ({rows}, k), with the rows of a; got {b.shape}."
        )
    return (tnp.reshape(b, (-1, 1)), True) if b.ndim == 1 else (b, False)


def adjoint(a: Array) -> Array:
    """Take the conjugate transpose."""
    return tnp.conj(a.T) if a.dtype.kind == "c" else a.T


def mirrored(a: Array, lower: bool, conjugate: bool = True) -> Array:
    """Make the Hermitian, or with conjugate=False the symmetric matrix of which one triangle is given."""
    strict = tnp.tril(a, -1) if lower else tnp.triu(a, 1)
    diagonal = tnp.diagonal(a)
    if not conjugate or a.dtype.kind != "c":
        return strict + strict.T + tnp.diag(diagonal)
    return strict + adjoint(strict) + tnp.diag(tnp.real(diagonal))


def identity(a: Array) -> Array:
    """Make the identity of the size and dtype of a square matrix."""
    return np.eye(a.shape[0], dtype=a.dtype)
