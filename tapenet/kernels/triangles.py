"""Triangular matrices, and what Cholesky's factor is read backward by, on plain arrays and on stacks of them.

Small triangles are inverted by LAPACK, all else is products. LAPACK's functions for triangles are SciPy's; without it
NumPy's for general matrices take their place. Those that are called start no threads of BLAS, for whose reasons see
`tapenet.kernels.products`.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from tapenet.core.array_types import Array
from tapenet.kernels.forks import this_thread
from tapenet.kernels.products import matmul

# Most rows of a block: OpenBLAS starts threads to invert triangles of 64 complex rows, and products of smaller blocks
# take longer to call than to make.
BLOCK = 63


@functools.cache
def _lapack() -> Any:
    """Return SciPy's module of LAPACK's functions; None where SciPy is not installed."""
    # Imported at the first triangle: it takes longer than all of tapenet.
    try:
        return importlib.import_module("scipy.linalg.lapack")
    except ImportError:
        return None


def _of_lapack(name: str, dtype: np.dtype[Any]) -> Any:
    """Return one of LAPACK's functions for a dtype; None without SciPy, and for other dtypes than LAPACK's four."""
    module = _lapack() if dtype.char in "fdFD" and dtype.isnative else None
    return None if module is None else getattr(module, {"f": "s", "d": "d", "F": "c", "D": "z"}[dtype.char] + name)


def inverse_of_lower(a: Array) -> Array:
    """Invert lower triangular matrices without zeros on their diagonals; elements above these are not read."""
    n = a.shape[-1]
    if n > BLOCK:
        cut = n // 2
        inverse = np.zeros(a.shape, a.dtype)
        first = inverse[..., :cut, :cut] = inverse_of_lower(a[..., :cut, :cut])
        last = inverse[..., cut:, cut:] = inverse_of_lower(a[..., cut:, cut:])
        inverse[..., cut:, :cut] = -matmul(last, matmul(a[..., cut:, :cut], first))
        return inverse
    function = _of_lapack("trtri", a.dtype) if a.ndim == 2 and n else None
    if function is not None:
        with this_thread.lock:
            inverse, info = function(a.T, lower=0)  # in the order of Fortran, the transposed matrix lies in memory
        if info == 0:
            return _cleared(inverse.T)
    return _cleared(np.linalg.inv(_cleared(a.copy())))  # pivots leave rounding errors above the diagonal


def solution(a: Array, b: Array, lower: bool) -> Array | None:
    """Solve a x = b for a triangular matrix and one column; None where LAPACK cannot: other dtypes, zeros, NaN."""
    function = _of_lapack("trtrs", a.dtype)
    is_plain = a.ndim == b.ndim == 2 and a.size and b.shape[1] == 1 and a.dtype == b.dtype
    if function is None or not is_plain or not (_is_finite(a) and _is_finite(b)):
        return None
    with this_thread.lock:
        if a.flags.f_contiguous:
            x, info = function(a, b, lower=lower)
        else:
            x, info = function(a.T, b, lower=not lower, trans=1)
    return x if info == 0 else None


def _is_finite(x: Array) -> bool:
    """Return whether the sum of an array is, which is so for all elements but very large ones."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(x, axis=None)))


@functools.lru_cache(maxsize=BLOCK)
def _above(n: int) -> Array:
    """Return where a matrix is above its diagonal."""
    return ~np.tri(n, dtype=bool)


def _cleared(x: Array) -> Array:
    """Write 0 above the diagonals of square matrices, and return them."""
    np.copyto(x, 0, where=_above(x.shape[-1]))
    return x


def _halved(x: Array) -> Array:
    """Write 0 above the diagonals of square matrices and halve these, and return them."""
    diagonals = _diagonals(_cleared(x))
    diagonals *= 0.5
    return x


def _diagonals(x: Array) -> Array:
    """Return the diagonals of square matrices as a view."""
    diagonals: Array = np.einsum("...ii->...i", x)
    return diagonals


def cholesky_pullback(bar: Array, lower: Array) -> Array:
    """Return the cotangent of a for a = L L^H, L = `lower`, from `bar`, that of L, of which the lower triangle counts.

    Cotangents are those of the inner product Re tr(X^H Y), of the triangle of `a` that is read, the lower one.

    Source: I. Murray, Differentiation of the Cholesky decomposition, 2016, section 4.2; here also for complex matrices.
    """
    shape = np.broadcast_shapes(bar.shape, lower.shape)
    found = np.empty(shape, np.result_type(bar, lower))
    found[...] = bar
    n, count = shape[-1], -(-shape[-1] // BLOCK)
    for i in range(count, 0, -1):
        start, stop = n * (i - 1) // count, n * i // count
        found[..., :start, start:stop] = 0
        _block_pullback(found, lower, start, stop)
    return found


def _block_pullback(found: Array, lower: Array, start: int, stop: int) -> None:
    """Go back through the step that makes the columns of a block, from its diagonal downward."""
    own_bar = found[..., start:stop, start:stop]
    own = _cleared(lower[..., start:stop, start:stop].copy())
    inverse = inverse_of_lower(own)
    below_bar = found[..., stop:, start:stop]
    if below_bar.shape[-2]:
        below_bar[...] = matmul(below_bar, inverse)
        own_bar -= matmul(_adjoint(below_bar), lower[..., stop:, start:stop])
    moved = _halved(matmul(_adjoint(own), _cleared(own_bar)))
    moved = moved + _adjoint(moved)
    # Of both triangles, and twice of the diagonal.
    own_bar[...] = matmul(matmul(_adjoint(inverse), moved), inverse)
    if start:
        found[..., stop:, :start] -= matmul(below_bar, lower[..., start:stop, :start])
        found[..., start:stop, :start] -= matmul(_adjoint(found[..., start:, start:stop]), lower[..., start:, :start])
    _halved(own_bar)


def _adjoint(x: Array) -> Array:
    turned = np.swapaxes(x, -1, -2)
    return np.conj(turned) if x.dtype.kind == "c" else turned
