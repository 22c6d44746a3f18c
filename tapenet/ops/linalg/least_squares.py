"""Pseudoinverses and least squares. Derivatives hold at fixed rank, which the cutoff decides.

The rules are those of matrices whose other singular values are 0, or rounding errors. Where a cutoff takes away more
than that, derivatives go through the singular value decomposition.

Source: G. H. Golub, V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate, 1973, equation 4.12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import ABSENT, as_array, numpy_function
from tapenet.core.batching import one_by_one
from tapenet.core.families import general
from tapenet.core.nondifferentiable import branch_condition, nondifferentiable
from tapenet.core.primitive import Array, Primitive
from tapenet.core.provided import provided
from tapenet.errors import ArgumentError, LinAlgError, MappedValueError
from tapenet.ops.arrays.shaping import matrix_transpose, reshape
from tapenet.ops.elementwise.arithmetic import square, where
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.choices import greater
from tapenet.ops.elementwise.complex import imag, real
from tapenet.ops.linalg.decompositions import svd, svdvals
from tapenet.ops.linalg.matrices import (
    adjoint,
    check_matrix,
    conj,
    mirrored,
    mirrored_transpose,
    stack_rule,
)
from tapenet.ops.reductions.reduction import sum

# ---- cutoffs ----


@branch_condition
def _cuts_off(a: Array, rcond: Array) -> bool:
    """Tell whether rcond cuts off singular values that are not just rounding errors."""
    # Singular values up to this size may be rounding errors of zeros, and count as zeros of the matrix.
    noise = 100 * float(np.finfo(a.dtype).eps) * max(a.shape[-2:], default=0)
    if a.size == 0 or np.max(rcond) <= noise:
        return False
    s = np.linalg.svdvals(a)
    return bool(np.any((s <= np.asarray(rcond)[..., None] * s[..., :1]) & (s > noise * s[..., :1])))


def _pinv_by_singular_values(a: Array, rcond: Array, hermitian: bool) -> Array:
    u, s, vh = svd(a, full_matrices=False, hermitian=hermitian)
    large = greater(s, np.asarray(rcond)[..., None] * s[..., :1])
    return adjoint(vh) * where(large, 1 / where(large, s, 1), 0)[..., None, :] @ adjoint(u)


# ---- pseudoinverse: x_dot = -x t x + x x^H t^H (1 - a x) + (1 - x a) t^H x^H x ----


def _pinv_pullback(t: Array, a: Array, rcond: Array, out: Array, hermitian: bool) -> Array:
    if _cuts_off(a, rcond):
        return provided.vjp(lambda a: _pinv_by_singular_values(a, rcond, hermitian), a)[1](t)[0]
    if hermitian:
        a = mirrored(a, upper=False)
    bar, xh = conj(t), adjoint(out)
    bar_h = adjoint(bar)
    left, right = bar_h @ out @ xh, xh @ out @ bar_h
    a_bar = conj(left - a @ (out @ left) + right - right @ out @ a - xh @ bar @ xh)
    return mirrored_transpose(a_bar, upper=False) if hermitian else a_bar


def _pinv_pushforward(t: Array, a: Array, rcond: Array, out: Array, hermitian: bool) -> Array:
    if _cuts_off(a, rcond):
        return provided.jvp(lambda a: _pinv_by_singular_values(a, rcond, hermitian), (a,), (t,))[1]
    if hermitian:
        a, t = mirrored(a, upper=False), mirrored(t, upper=False)
    th, xh = adjoint(t), adjoint(out)
    left, right = out @ xh @ th, th @ xh @ out
    return left - left @ a @ out + right - out @ (a @ right) - out @ t @ out


def _pinv_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
) -> Any:
    """Evaluate pinv over a batch: as a stack, or one by one where the cutoffs are mapped too."""
    rule = one_by_one if mapped[1] else stack_rule
    return rule(primitive, arrays, mapped, size, parameters)


@general(
    name="pinv",
    pullbacks=[_pinv_pullback, None],
    pushforwards=[_pinv_pushforward, None],
    batch=_pinv_rule,
    written_out=_pinv_by_singular_values,
)
def _pinv(a: Array, rcond: Array, *, hermitian: bool) -> Array:
    return np.linalg.pinv(a, rcond, hermitian)


@numpy_function(np.linalg.pinv)
def pinv(a: Array, rcond: Array = None, hermitian: bool = False, *, rtol: Array = ABSENT) -> Array:
    """Compute the Moore-Penrose pseudoinverse x of a matrix.

    Derivative: -x t x + x x^H t^H (1 - a x) + (1 - x a) t^H x^H x, with the tangent t, at fixed rank. Where rcond cuts
    off more than rounding errors, that of V diag(1 / S) U^H over the other singular values; NaN where some repeat. None
    for rcond.

    Args:
        a: float or complex array, shape (..., m, n).
        rcond: singular values up to rcond times the largest count as 0; 1e-15 by default. Broadcasts against (...,).
        hermitian: whether `a` is Hermitian; its lower triangle is read, as by `eigh`.
        rtol: the same as rcond, but max(m, n) times the machine epsilon where it is None.

    Returns:
        An array, shape (..., n, m).

    Raises:
        ArgumentError: rcond and rtol both.
        LinAlgError: fewer than two axes.

    >>> tnp.linalg.pinv(np.array([[2.0, 0.0], [0.0, 0.0]]))
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    check_matrix("pinv", a)
    if rcond is not None and rtol is not ABSENT:
        raise ArgumentError(f"pinv: rcond and rtol must not be given both; got {rcond!r} and {rtol!r}.")
    if rcond is None:
        rcond = 1e-15 if rtol is ABSENT else rtol
    if rcond is None:
        rcond = float(max(a.shape[-2:]) * np.finfo(a.dtype).eps)
    return _pinv(a, rcond, hermitian=bool(hermitian))


# ---- least squares: the rules of the pseudoinverse times b, with the residual b - a x in place of (1 - a x) b ----


def _cutoff(a: Array, rcond: float | None) -> float:
    """Compute the relative cutoff that NumPy's lstsq applies."""
    eps = float(np.finfo(np.float64).eps)  # it computes in double precision
    if rcond is None:
        return eps * float(max(a.shape[-2:]))
    return eps if rcond < 0 else rcond


def _lstsq_pullback_a(t: Array, a: Array, b: Array, out: Array, rcond: float | None) -> Array:
    cutoff = _cutoff(a, rcond)
    if _cuts_off(a, cutoff):
        return provided.vjp(lambda a: pinv(a, cutoff) @ b, a)[1](t)[0]
    p = pinv(a, cutoff)
    bar, ph = conj(t), adjoint(p)
    off_rows = bar - p @ (a @ bar)  # the part of `bar` outside the row space of a
    a_bar = (b - a @ out) @ (adjoint(bar) @ p @ ph) + (ph @ out) @ adjoint(off_rows) - ph @ bar @ adjoint(out)
    return conj(a_bar)


def _lstsq_pushforward_a(t: Array, a: Array, b: Array, out: Array, rcond: float | None) -> Array:
    cutoff = _cutoff(a, rcond)
    if _cuts_off(a, cutoff):
        return provided.jvp(lambda a: pinv(a, cutoff) @ b, (a,), (t,))[1]
    p = pinv(a, cutoff)
    th, ph = adjoint(t), adjoint(p)
    right = th @ (ph @ out)
    return p @ (ph @ (th @ (b - a @ out))) + right - p @ (a @ right) - p @ (t @ out)


def _lstsq_written_out(a: Array, b: Array, *, rcond: float | None) -> Array:
    u, s, vh = svd(a, full_matrices=False)
    large = greater(s, _cutoff(a, rcond) * s[:1])
    return adjoint(vh) @ (where(large, 1 / where(large, s, 1), 0)[:, None] * (adjoint(u) @ b))


@general(
    name="lstsq",
    pullbacks=[_lstsq_pullback_a, lambda t, a, rcond: matrix_transpose(pinv(a, _cutoff(a, rcond))) @ t],
    pushforwards=[_lstsq_pushforward_a, lambda t, a, rcond: pinv(a, _cutoff(a, rcond)) @ t],
    written_out=_lstsq_written_out,
)
def _lstsq(a: Array, b: Array, *, rcond: float | None) -> Array:
    return np.linalg.lstsq(a, b, rcond)[0]


_rank = nondifferentiable(lambda s, *, cutoff: np.int32(np.count_nonzero(s > cutoff * s[:1])), name="rank")


def _has_residuals(a: Array, rank: Array) -> bool:
    return a.shape[0] > a.shape[1] and bool(_is_full(rank, a.shape[1]))


@branch_condition
def _is_full(rank: Array, full: int) -> bool:
    """Tell whether a rank is full."""
    is_full = np.asarray(rank) == full
    if is_full.any() and not is_full.all():
        raise MappedValueError("lstsq: under vmap a must have full rank in every example or in none; got some of each.")
    return bool(is_full.all())


@numpy_function(np.linalg.lstsq)
def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[Array, Array, Any, Array]:
    """Find the x of smallest length that makes |b - a x| smallest, one for each column of b.

    Derivatives: those of pinv(a) b, at fixed rank; of the residuals, those of |b - a x|^2, in which x is stationary.

    Args:
        a: float or complex array, shape (m, n).
        b: array, shape (m,) or (m, k).
        rcond: singular values up to rcond times the largest count as 0; by default max(m, n) times float64's epsilon.

    Returns:
        A tuple: x, shape (n,) or (n, k); the sums of squared residuals, shape (1,) or (k,), or (0,) where the rank is
        below n or m <= n; the rank, a plain integer; the singular values of a, shape (min(m, n),).

    Raises:
        LinAlgError: an `a` that is not a matrix, or a `b` of another length.

    >>> x, residuals, rank, s = tnp.linalg.lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))
    >>> x, residuals
    (array([2.]), array([2.]))
    """
    a, b = as_array(a), as_array(b)
    if a.ndim != 2:
        raise LinAlgError(f"lstsq: a must have two axes; got shape {a.shape}.")
    if b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise LinAlgError(f"lstsq: b must have {a.shape[0]} rows, as a; got shapes {a.shape} and {b.shape}.")
    rcond = None if rcond is None else float(rcond)
    columns = reshape(b, (-1, 1)) if b.ndim == 1 else b
    x = _lstsq(a, columns, rcond=rcond)
    s = svdvals(astype(a, x.dtype))
    rank = _rank(s, cutoff=_cutoff(a, rcond))
    off = columns - a @ x if _has_residuals(a, rank) else np.zeros((a.shape[0], 0), x.dtype)
    residuals = sum(square(real(off)) + square(imag(off)), 0) if off.dtype.kind == "c" else sum(square(off), 0)
    return (x[:, 0] if b.ndim == 1 else x), residuals, rank, s
