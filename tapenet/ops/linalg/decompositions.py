"""Factors of matrices: Cholesky, QR and singular values.

Where factors are determined only up to a choice (phases of complex singular vectors, the columns that complete a
basis), derivatives hold for functions that do not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.families import general
from tapenet.core.primitive import Array, Parts
from tapenet.errors import ArgumentError
from tapenet.kernels import triangles
from tapenet.ops.arrays.indexing import take_along_axis
from tapenet.ops.arrays.searching import argsort
from tapenet.ops.arrays.shaping import concatenate, flip, matrix_transpose
from tapenet.ops.elementwise.arithmetic import square, where
from tapenet.ops.elementwise.choices import equal
from tapenet.ops.elementwise.complex import absolute
from tapenet.ops.elementwise.rounding import sign
from tapenet.ops.linalg.eigenvalues import eigh, eigvalsh
from tapenet.ops.linalg.linear_solves import inv, inverse_for_rule
from tapenet.ops.linalg.matrices import (
    adjoint,
    check_matrix,
    check_square,
    conj,
    cotangent_of,
    diagonal_of,
    imaginary_diagonal,
    mirrored,
    mirrored_transpose,
    on_diagonal,
    over_gaps,
    over_unless_unused,
    real_part,
    reciprocal_gaps,
    stack_rule,
    strictly_lower,
    undefined_at_0,
    used,
)
from tapenet.ops.linalg.result_classes import result_class
from tapenet.ops.reductions.reduction import sum
from tapenet.ops.reductions.sorting import sort

# ---- Cholesky ----
#
# a = L L^H gives L^-1 a_dot L^-H = S + S^H with S = L^-1 L_dot lower triangular. The pullback is an operation of its
# own: block by block it takes a tenth of the time of the formula, which its own derivatives are of.


def _half_lower(x: Array) -> Array:
    """Keep the elements below the diagonal and half of those on it; 0 elsewhere."""
    return strictly_lower(x) + on_diagonal(0.5 * diagonal_of(x))


def _lower(x: Array) -> Array:
    return where(np.tri(x.shape[-1], dtype=bool), x, 0)


def _inverse(lower: Array) -> Array:
    """Invert a lower triangular matrix, off the tape as what it is."""
    return triangles.inverse_of_lower(lower) if type(lower) is np.ndarray else inv(lower)


def _cholesky_pushforward(t: Array, out: Array, upper: bool) -> Array:
    lower = adjoint(out) if upper else out
    inverse = _inverse(lower)
    pushed = lower @ _half_lower(inverse @ mirrored(t, upper) @ adjoint(inverse))
    return adjoint(pushed) if upper else pushed


def _cholesky_pullback(t: Array, out: Array, upper: bool) -> Array:
    if upper:
        return adjoint(_factor_pullback(adjoint(t), adjoint(out)))
    return _factor_pullback(t, out)


def _whole_pullback(bar: Array, lower: Array, inverse: Array) -> Array:
    """Compute L^-H Phi(L^H bar) L^-1, of which the pullback takes one triangle."""
    return adjoint(inverse) @ _half_lower(adjoint(lower) @ bar) @ inverse


def _factor_pullback_by_lower(t: Array, bar: Array, lower: Array) -> Array:
    """Pull back to the factor: from each of the three places where the formula of the pullback has it."""
    lower, bar = _lower(lower), _lower(conj(bar))
    inverse, t = _inverse(lower), mirrored(t, False)
    whole = _whole_pullback(bar, lower, inverse)
    around = t @ adjoint(inverse)
    moved = bar @ adjoint(_half_lower(inverse @ around)) - (whole + adjoint(whole)) @ around
    return conj(_lower(moved))


def _factor_pushforward(t: Array, lower: Array) -> Array:
    return _factor_pullback(t, lower)


def _factor_pushforward_by_lower(t: Array, bar: Array, lower: Array) -> Array:
    lower, bar, t = _lower(lower), _lower(conj(bar)), _lower(t)
    inverse = _inverse(lower)
    moved, whole = t @ inverse, _whole_pullback(bar, lower, inverse)
    pushed = adjoint(inverse) @ _half_lower(adjoint(t) @ bar) @ inverse - adjoint(moved) @ whole - whole @ moved
    return conj(mirrored_transpose(pushed, False))


@general(
    name="cholesky_pullback",
    pullbacks=[lambda t, lower: _cholesky_pushforward(t, _lower(lower), False), _factor_pullback_by_lower],
    pushforwards=[_factor_pushforward, _factor_pushforward_by_lower],
    batch=stack_rule,
)
def _factor_pullback(bar: Array, lower: Array) -> Array:
    if type(bar) is np.ndarray and type(lower) is np.ndarray:
        return np.conj(triangles.cholesky_pullback(np.conj(bar), lower))
    own = _lower(lower)  # of another array type
    return conj(mirrored_transpose(_whole_pullback(_lower(conj(bar)), own, inv(own)), False))


@general(name="cholesky", pullbacks=[_cholesky_pullback], pushforwards=[_cholesky_pushforward], batch=stack_rule)
def _cholesky(a: Array, *, upper: bool) -> Array:
    return np.linalg.cholesky(a, upper=upper)


@numpy_function(np.linalg.cholesky)
def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """Factor a positive-definite matrix a = L L^H into the triangular L, or the upper one L^H.

    Derivative: L Phi(L^-1 t L^-H), where t is the tangent and Phi takes the lower triangle with half the diagonal. Only
    one triangle of `a` is read, the lower one, or with `upper` the upper one, and the derivative is with respect to
    what is read: that of the other triangle is 0, and an element that is read stands for its mirror image too. For a
    gradient that is symmetric, pass (a + a^H) / 2.

    Args:
        a: float or complex array, shape (..., n, n), Hermitian and positive-definite.
        upper: whether to give the upper triangular factor.

    Returns:
        An array of the shape and dtype of a.

    Raises:
        LinAlgError: a matrix that is not square, or not positive-definite.

    >>> tnp.linalg.cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    check_square("cholesky", a)
    return _cholesky(a, upper=bool(upper))


# ---- QR ----
#
# With R11 the square part of R: Q1^H a1_dot R11^-1 = W + T, with W = Q1^H Q1_dot skew-Hermitian and T = R11_dot R11^-1
# upper triangular. LAPACK's R has a real diagonal, so T has one, and W takes what is imaginary.
# Source: S. F. Walter, L. Lehmann, Algorithmic differentiation of linear algebra functions, 2010, section 3.


def _skew_part(c: Array) -> Array:
    """Compute W of C = W + T."""
    lower = strictly_lower(c)
    skew = lower - adjoint(lower)
    return skew + imaginary_diagonal(c) if c.dtype.kind == "c" else skew


def _skew_part_transpose(m: Array) -> Array:
    skew = strictly_lower(m - adjoint(m))
    return skew + imaginary_diagonal(m) if m.dtype.kind == "c" else skew


def _qr_pullback(t: Parts, out: tuple[Array, Array], mode: str) -> Array:
    q, r = out
    k = min(q.shape[-2], r.shape[-1])
    q_bar, r_bar = conj(cotangent_of(t, 0, q)), conj(cotangent_of(t, 1, r))[..., :k, :]
    q1, q1_bar = q[..., :k], q_bar[..., :k]
    if q.shape[-1] > k:
        q1_bar = q1_bar - q[..., k:] @ (adjoint(q_bar[..., k:]) @ q1)
    if r.shape[-1] > k:
        q1_bar = q1_bar + q1 @ (r[..., :k, k:] @ adjoint(r_bar[..., k:]))
    r1 = r[..., :k, :k]
    m = adjoint(q1) @ q1_bar - r_bar[..., :k] @ adjoint(r1)
    a_bar = (q1 @ (_skew_part_transpose(m) - m) + q1_bar) @ adjoint(inverse_for_rule("qr", "r", r1))
    return conj(a_bar if r.shape[-1] == k else concatenate([a_bar, q1 @ r_bar[..., k:]], -1))


def _qr_pushforward(t: Array, out: tuple[Array, Array], mode: str) -> tuple[Array, Array]:
    q, r = out
    k = min(q.shape[-2], r.shape[-1])
    q1, r1 = q[..., :k], r[..., :k, :k]
    moved = t[..., :k] @ inverse_for_rule("qr", "r", r1)
    c = adjoint(q1) @ moved
    w = _skew_part(c)
    q_dot, r_dot = q1 @ (w - c) + moved, (c - w) @ r1
    if r.shape[-1] > k:
        r_dot = concatenate([r_dot, adjoint(q1) @ t[..., k:] - w @ r[..., k:]], -1)
    if q.shape[-1] > k:
        q_dot = concatenate([q_dot, -q1 @ (adjoint(q_dot) @ q[..., k:])], -1)
        r_dot = concatenate([r_dot, np.zeros(r[..., k:, :].shape, r.dtype)], -2)
    return q_dot, r_dot


@general(name="qr", pullbacks=[_qr_pullback], pushforwards=[_qr_pushforward], batch=stack_rule)
def _qr(a: Array, *, mode: str) -> tuple[Array, Array]:
    q, r = np.linalg.qr(a, mode)  # type: ignore[call-overload]  # NumPy names literals
    return q, r


@numpy_function(np.linalg.qr)
def qr(a: Array, mode: str = "reduced") -> Any:
    """Factor a matrix a = q r into q with orthonormal columns and an upper triangular r.

    Derivatives: r_dot = T r and q_dot = q W + (1 - q q^H) t r^-1, where q^H t r^-1 = W + T with W skew-Hermitian and T
    upper triangular, and t the tangent. In mode "complete" the columns that complete q rotate as little as possible,
    and derivatives hold for functions of the space they span.

    Args:
        a: float or complex array, shape (..., m, n), of full rank; if m < n, in its first m columns.
        mode: "reduced", "complete", or "r" for r alone.

    Returns:
        QRResult(Q, R), of shapes (..., m, k), (..., k, n) with k = min(m, n); "complete": (..., m, m), (..., m, n).

    Raises:
        ArgumentError: mode "raw", whose result has no derivative, or another.
        LinAlgError: fewer than two axes; when differentiated, a rank that is not full.

    >>> tnp.linalg.qr(np.array([[1.0, 3.0], [0.0, 2.0]]), "r")
    array([[1., 3.],
           [0., 2.]])
    """
    check_matrix("qr", a)
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode must be 'reduced', 'complete' or 'r' for a Tensor; got {mode!r}.")
    q, r = _qr(a, mode="reduced" if mode == "r" else mode)
    return r if mode == "r" else result_class(np.linalg.qr)(q, r)


# ---- singular values ----
#
# With P = U^H a_dot V, X = U^H U_dot and Y = V^H V_dot: P = X S - S Y + S_dot. The diagonal gives S_dot; X and Y are
# skew-Hermitian, so the rest and its adjoint can be solved for both. Phases are turned by the same in U and in V.
# Columns beyond k = min(m, n) rotate as little as possible: U2_dot = -U1 U1_dot^H U2.


def _where_positive(t: Array, s: Array) -> Array:
    """Give `t`, but 0 where a singular value is 0: it has a kink there, as |x| has."""
    return where(equal(s, 0), 0, t)


def _column(s: Array) -> Array:
    return s[..., :, None]


def _row(s: Array) -> Array:
    return s[..., None, :]


def _svd_pullback(t: Parts, out: tuple[Array, Array, Array], full_matrices: bool) -> Array:
    u, s, vh = out
    k = s.shape[-1]
    u1, vh1 = u[..., :k], vh[..., :k, :]
    core = on_diagonal(_where_positive(cotangent_of(t, 1, s), s))
    # Of singular values alone: the products below would be of zeros.
    if t.parts.keys() == {1}:
        return conj(u1 @ core @ vh1)
    u_bar, v_bar = conj(cotangent_of(t, 0, u)), matrix_transpose(cotangent_of(t, 2, vh))
    in_u, in_v = adjoint(u1) @ u_bar[..., :k], vh1 @ v_bar[..., :k]
    # Which singular vectors anything depends on: where they have no derivative, only of these it is NaN.
    needed = used(u_bar[..., :k]) | used(v_bar[..., :k])
    either = needed | matrix_transpose(needed)
    turned_u, turned_v = in_u - adjoint(in_u), in_v - adjoint(in_v)
    core = core + over_gaps(turned_u, square(s), either) * _row(s) + _column(s) * over_gaps(turned_v, square(s), either)
    if u.dtype.kind == "c":
        core = core + over_unless_unused(0.5 * imaginary_diagonal(in_u - in_v), _row(s), needed)
    a_bar = u1 @ core @ vh1
    if u.shape[-2] > k:
        outside = _of_first_columns(u_bar, u, k)
        a_bar = a_bar + over_unless_unused(outside - u1 @ in_u, _row(s), used(outside)) @ vh1
    if vh.shape[-1] > k:
        outside = _of_first_columns(v_bar, adjoint(vh), k)
        a_bar = a_bar + u1 @ adjoint(over_unless_unused(outside - adjoint(vh1) @ in_v, _row(s), used(outside)))
    return conj(a_bar)


def _of_first_columns(u_bar: Array, u: Array, k: int) -> Array:
    """Turn the cotangent of all columns into one of the first k, which the others are orthogonal to."""
    if u.shape[-1] == k:
        return u_bar
    return u_bar[..., :k] - u[..., k:] @ (adjoint(u_bar[..., k:]) @ u[..., :k])


def _turned(u: Array, within: Array, beyond: Array, s: Array) -> Array:
    """Compute the tangent of u: of its first columns, which rotate, then of those that complete it."""
    k = s.shape[-1]
    first = u[..., :k] @ within
    if u.shape[-2] == k:
        return first
    away = beyond * _row(undefined_at_0(s))
    if u.shape[-1] == k:
        return first + away
    return concatenate([first + away, -u[..., :k] @ (adjoint(away) @ u[..., k:])], -1)


def _svd_pushforward(t: Array, out: tuple[Array, Array, Array], full_matrices: bool) -> tuple[Array, Array, Array]:
    u, s, vh = out
    k = s.shape[-1]
    u1, vh1 = u[..., :k], vh[..., :k, :]
    v1 = adjoint(vh1)
    tv, tu = t @ v1, adjoint(t) @ u1
    p = adjoint(u1) @ tv
    ph = adjoint(p)
    gaps = reciprocal_gaps(square(s))
    x, y = gaps * (p * _row(s) + _column(s) * ph), gaps * (_column(s) * p + ph * _row(s))
    if u.dtype.kind == "c":
        phase = imaginary_diagonal(p) * _row(0.5 * undefined_at_0(s))
        x, y = x + phase, y - phase
    u_dot, v_dot = _turned(u, x, tv - u1 @ p, s), _turned(adjoint(vh), y, tu - v1 @ ph, s)
    return u_dot, _where_positive(real_part(diagonal_of(p)), s), adjoint(v_dot)


@general(name="svd", pullbacks=[_svd_pullback], pushforwards=[_svd_pushforward], batch=stack_rule)
def _svd(a: Array, *, full_matrices: bool) -> tuple[Array, Array, Array]:
    u, s, vh = np.linalg.svd(a, full_matrices)
    return u, s, vh


def _svdvals_pullback(t: Array, a: Array, out: Array) -> Array:
    u, _, vh = svd(a, full_matrices=False)
    return conj(u * _row(_where_positive(t, out)) @ vh)


def _svdvals_pushforward(t: Array, a: Array, out: Array) -> Array:
    u, _, vh = svd(a, full_matrices=False)
    return _where_positive(real_part(sum(adjoint(u) @ t * conj(vh), -1)), out)


@general(name="svdvals", pullbacks=[_svdvals_pullback], pushforwards=[_svdvals_pushforward], batch=stack_rule)
def _svdvals(a: Array) -> Array:
    return np.linalg.svdvals(a)


@numpy_function(np.linalg.svd)
def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Decompose a matrix into singular values and vectors: a = U diag(S) Vh, with S in descending order.

    Derivatives: for S, Re diag(U^H t Vh^H), with the tangent t; 0 for a singular value of 0. It exists where values
    repeat, too. Singular vectors have no derivative where their value repeats, nor those of a 0 where `a` is not square
    or complex: it is NaN there. Derivatives hold for functions that do not change when u_i and v_i are multiplied by
    one phase, and the columns that `full_matrices` adds rotate as little as possible.

    Args:
        a: float or complex array, shape (..., m, n); k = min(m, n).
        full_matrices: whether U and Vh are square, or have only the k columns and rows that go with S.
        compute_uv: whether to give U and Vh, or S alone.
        hermitian: whether `a` is Hermitian; its lower triangle is read, as by `eigh`.

    Returns:
        SVDResult(U, S, Vh), of shapes (..., m, m or k), (..., k), (..., n or k, n); or S.

    Raises:
        LinAlgError: fewer than two axes.

    >>> tnp.linalg.svd(np.array([[3.0, 0.0], [0.0, 4.0]]), compute_uv=False)
    array([4., 3.])
    """
    check_matrix("svd", a)
    if hermitian:
        return _hermitian_svd(a) if compute_uv else flip(sort(absolute(eigvalsh(a))), -1)
    return result_class(np.linalg.svd)(*_svd(a, full_matrices=bool(full_matrices))) if compute_uv else _svdvals(a)


def _hermitian_svd(a: Array) -> Any:
    w, v = eigh(a)
    order = argsort(absolute(w), axis=-1)[..., ::-1]
    w, v = take_along_axis(w, order, -1), take_along_axis(v, order[..., None, :], -1)
    return result_class(np.linalg.svd)(v, absolute(w), adjoint(v * _row(sign(w))))


@numpy_function(np.linalg.svdvals)
def svdvals(x: Array, /) -> Array:
    """Compute the singular values of a matrix, in descending order.

    Derivative: Re diag(U^H t V), with singular vectors U, V and the tangent t, also where values repeat; 0 for one that
    is 0.

    Args:
        x: float or complex array, shape (..., m, n).

    Returns:
        A real array, shape (..., min(m, n)).

    Raises:
        LinAlgError: fewer than two axes.

    >>> tnp.linalg.svdvals(np.array([[3.0, 0.0], [0.0, 4.0]]))
    array([4., 3.])
    """
    check_matrix("svdvals", x)
    return _svdvals(x)
