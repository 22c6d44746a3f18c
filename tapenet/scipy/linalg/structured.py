"""Matrices of a structure, made of vectors: each element is one of the vector's, or 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart

_PLACED = "Derivative: that of the elements, which are the argument's."


def _vector(function: str, name: str, x: Any) -> Array:
    x = as_array(x)
    x = tnp.reshape(x, (1,)) if x.ndim == 0 else x
    if x.ndim > 1:
        raise ArgumentError(
            f"linalg.{function}: {name} must be one-dimensional on a tape; got shape {x.shape}. "
            f"Write tn.vmap(linalg.{function}) for a stack of vectors."
        )
    return x


@counterpart(scipy.linalg, _PLACED)
def toeplitz(c: Any, r: Any = None) -> Array:
    c = _vector("toeplitz", "c", c)
    r = tnp.conj(c) if r is None else _vector("toeplitz", "r", r)
    m, n = c.shape[0], r.shape[0]
    values = tnp.concatenate([c[::-1], r[1:]])
    return values[m - 1 - np.arange(m)[:, None] + np.arange(n)]


@counterpart(scipy.linalg, _PLACED)
def circulant(c: Any) -> Array:
    c = _vector("circulant", "c", c)
    places = np.arange(c.shape[0])
    return c[(places[:, None] - places) % c.shape[0]]


@counterpart(scipy.linalg, _PLACED)
def hankel(c: Any, r: Any = None) -> Array:
    c = _vector("hankel", "c", c)
    r = tnp.zeros_like(c) if r is None else _vector("hankel", "r", r)
    values = tnp.concatenate([c, r[1:]])
    return values[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]


@counterpart(scipy.linalg, _PLACED)
def block_diag(*arrs: Any) -> Array:
    blocks = [tnp.atleast_2d(as_array(x)) for x in arrs]
    bad = [x.shape for x in blocks if x.ndim > 2]
    if bad:
        raise ArgumentError(f"linalg.block_diag: arguments must have at most 2 dimensions on a tape; got {bad[0]}.")
    width = sum(x.shape[1] for x in blocks)
    rows, start = [], 0
    for x in blocks:
        rows.append(tnp.pad(x, ((0, 0), (start, width - start - x.shape[1]))))
        start += x.shape[1]
    return tnp.concatenate(rows, 0)


@branch_condition
def _vanishes(x: Array) -> bool:
    return bool(np.any(np.asarray(x) == 0))


@counterpart(scipy.linalg, "Derivative: that of the first row, -a[1:] / a[0].")
def companion(a: Any) -> Array:
    a = _vector("companion", "a", a)
    if a.shape[0] < 2:
        raise ArgumentError(f"linalg.companion: a must have at least 2 elements; got shape {a.shape}.")
    if _vanishes(a[0]):
        raise ArgumentError("linalg.companion: a[0] must not be 0, as it divides the others; got 0.")
    n = a.shape[0] - 1
    first = tnp.reshape(-a[1:] / a[0], (1, n))
    return tnp.concatenate([first, np.eye(n, dtype=first.dtype)[: n - 1]], 0)


@counterpart(scipy.linalg, _PLACED)
def leslie(f: Any, s: Any) -> Array:
    f, s = _vector("leslie", "f", f), _vector("leslie", "s", s)
    n = f.shape[0]
    if s.shape[0] != n - 1 or n < 2:
        raise ArgumentError(
            f"linalg.leslie: s must have one element less than f, and f two or more; got {s.shape} and {f.shape}."
        )
    below = tnp.concatenate([tnp.diag(s), np.zeros((n - 1, 1), s.dtype)], 1)
    return tnp.concatenate([tnp.reshape(f, (1, n)), below], 0)


@counterpart(scipy.linalg, "Derivative: sign(a_i - a_j) by a_i; 0 on the diagonal.")
def fiedler(a: Any) -> Array:
    a = _vector("fiedler", "a", a)
    return tnp.abs(a[:, None] - a)


@counterpart(scipy.linalg, _PLACED)
def convolution_matrix(a: Any, n: int, mode: str = "full") -> Array:
    a = _vector("convolution_matrix", "a", a)
    if mode not in ("full", "valid", "same"):
        raise ArgumentError(f"linalg.convolution_matrix: mode must be 'full', 'valid' or 'same'; got {mode!r}.")
    m = a.shape[0]
    rows = np.arange(m + n - 1)[:, None] - np.arange(n)
    whole = tnp.where((rows >= 0) & (rows < m), a[np.clip(rows, 0, m - 1)], 0)
    if mode == "full":
        return whole
    cut = min(n, m) - 1
    if mode == "valid":
        return whole[cut : m + n - 1 - cut]
    return whole[cut // 2 : cut // 2 + max(n, m)]


@counterpart(scipy.linalg, "Derivatives: those of the columns, kron(a_j, b_j).")
def khatri_rao(a: Array, b: Array) -> Array:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ArgumentError(
            f"linalg.khatri_rao: a and b must be matrices of as many columns; got shapes {a.shape} and {b.shape}."
        )
    return tnp.reshape(a[:, None, :] * b[None], (a.shape[0] * b.shape[0], a.shape[1]))


@counterpart(scipy.linalg, "Derivative: that of the elements of the diagonal.")
def diagsvd(s: Any, M: int, N: int) -> Array:
    part = tnp.diag(_vector("diagsvd", "s", s))
    if part.shape[0] not in (M, N):
        raise ArgumentError(f"linalg.diagsvd: s must have length M or N; got {part.shape[0]}, M={M} and N={N}.")
    return tnp.pad(part, ((0, M - part.shape[0]), (0, N - part.shape[1])))
