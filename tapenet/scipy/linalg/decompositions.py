"""Factors of matrices, with SciPy's signatures.

Where a factor is determined up to a choice, its derivative holds for functions that do not depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, LinAlgError
from tapenet.scipy.linalg.shapes import adjoint, matrix, mirrored, square
from tapenet.scipy.placing import counterpart
from tapenet.scipy.solutions import solved

# ---- LU ----
#
# With F = L^-1 P a_dot U^-1 of the square parts: L_dot = L (F below the diagonal), U_dot = (F above it and on it) U.
# Source: S. F. Walter, L. Lehmann, Algorithmic differentiation of linear algebra functions, 2010, section 3.


def _lu(a: Array) -> tuple[Array, ...]:
    order, lower, upper = scipy.linalg.lu(a, p_indices=True)
    return order, lower, upper


def _lu_tangent(out: Any, args: Any, dots: Any) -> tuple[Any, Array, Array]:
    order, lower, upper = out
    t = tnp.take(dots[0], _inverse_order(order), 0)
    k = lower.shape[1]
    into = tnp.linalg.inv(upper[:, :k])
    first = tnp.linalg.inv(lower[:k]) @ t[:k, :k] @ into
    below, above = tnp.tril(first, -1), tnp.triu(first)
    lower_dot, upper_dot = lower[:k] @ below, above @ upper[:, :k]
    if lower.shape[0] > k:
        lower_dot = tnp.concatenate([lower_dot, t[k:] @ into - lower[k:] @ above], 0)
    if upper.shape[1] > k:
        rest = tnp.linalg.solve(lower[:k], t[:, k:]) - below @ upper[:, k:]
        upper_dot = tnp.concatenate([upper_dot, rest], 1)
    return None, lower_dot, upper_dot


@counterpart(
    scipy.linalg,
    "Derivatives: with F = L^-1 P t U^-1, L (F below the diagonal) and (F above it and on it) U; the permutation is "
    "piecewise constant.",
)
def lu(
    a: Any,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> Any:
    back, lower, upper = solved("linalg.lu", _lu, _lu_tangent, matrix("lu", "a", a))
    if permute_l:
        return lower[back], upper
    return (back if p_indices else tnp.take(np.eye(lower.shape[0], dtype=lower.dtype), back, 0)), lower, upper


_inverse_order = nondifferentiable(np.argsort, name="inverse_order")


@counterpart(
    scipy.linalg, "Derivatives: those of both factors, as of lu, in one matrix; the exchanges are piecewise constant."
)
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    a = matrix("lu_factor", "a", a)
    _, lower, upper = solved("linalg.lu_factor", _lu, _lu_tangent, a)
    m, n = a.shape
    below = tnp.pad(tnp.tril(lower, -1), ((0, 0), (0, n - lower.shape[1])))
    return below + tnp.pad(upper, ((0, m - upper.shape[0]), (0, 0))), _exchanges(a)


_exchanges = nondifferentiable(lambda a: scipy.linalg.lu_factor(a)[1], name="exchanges")

# ---- Cholesky ----


@counterpart(scipy.linalg, "Derivative: that of tapenet.numpy.linalg.cholesky, by the triangle that is read.")
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    return tnp.linalg.cholesky(square("cholesky", "a", a), upper=not lower)


@counterpart(scipy.linalg, "Derivative: that of cholesky; the other triangle is that of a, as SciPy leaves it there.")
def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    a = square("cho_factor", "a", a)
    rest = tnp.triu(a, 1) if lower else tnp.tril(a, -1)
    return tnp.linalg.cholesky(a, upper=not lower) + rest, bool(lower)


# ---- QR ----


def _pivots(a: Array) -> Array:
    return np.asarray(scipy.linalg.qr(a, mode="r", pivoting=True)[1])


_pivot = nondifferentiable(_pivots, name="pivots")


@counterpart(
    scipy.linalg,
    "Derivatives: those of tapenet.numpy.linalg.qr; the permutation of columns is piecewise constant. Mode 'raw' is "
    "refused.",
)
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: int | None = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    modes = {"full": "complete", "economic": "reduced", "r": "complete"}
    if mode not in modes:
        raise ArgumentError(f"linalg.qr: mode must be 'full', 'economic' or 'r' on a tape; got {mode!r}.")
    a = matrix("qr", "a", a)
    order = _pivot(a) if pivoting else None
    q, r = tnp.linalg.qr(a if order is None else a[:, order], modes[mode])
    found = (r,) if mode == "r" else (q, r)
    return found if order is None else (*found, order)


@counterpart(scipy.linalg, "Derivatives: those of qr of the matrix with rows and columns in reverse order.")
def rq(
    a: Any, overwrite_a: bool = False, lwork: int | None = None, mode: str = "full", check_finite: bool = True
) -> Any:
    a = matrix("rq", "a", a)
    if mode not in ("full", "r", "economic") or a.shape[0] > a.shape[1]:
        raise ArgumentError(
            f"linalg.rq: a must have at most as many rows as columns on a tape, and mode be 'full', 'r' or 'economic'; "
            f"got shape {a.shape} and {mode!r}."
        )
    q, r = tnp.linalg.qr(adjoint(a[::-1]), "reduced" if mode == "economic" else "complete")
    q, r = adjoint(q)[::-1], adjoint(r)[::-1, ::-1]
    turned = tnp.asarray(_phases(r, a, mode))
    r, q = r * turned, tnp.conj(turned)[:, None] * q
    return r if mode == "r" else (r, q)


def _rq_phases(r: Array, a: Array, mode: str) -> Array:
    """Return the phases that make columns of r SciPy's."""
    theirs = scipy.linalg.rq(a, mode=mode if mode != "r" else "full")[0]
    product = np.sum(np.conj(r) * theirs, 0)
    return np.where(product == 0, 1, product / np.where(product == 0, 1, np.abs(product)))


_phases = nondifferentiable(_rq_phases, name="phases")

# ---- singular values ----


@counterpart(scipy.linalg, "Derivatives: those of tapenet.numpy.linalg.svd.")
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    found = tnp.linalg.svd(matrix("svd", "a", a), full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@counterpart(scipy.linalg, "Derivative: that of tapenet.numpy.linalg.svdvals.")
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    return tnp.linalg.svdvals(matrix("svdvals", "a", a))


def _polar(a: Array) -> tuple[Array, Array]:
    u, p = scipy.linalg.polar(a)
    return u, p


def _polar_tangent(out: Any, args: Any, dots: Any) -> tuple[Array, Array]:
    """Solve W p + p W = u^H t - t^H u for the turn W = u^H u_dot, by the eigenvectors of p."""
    (u, p), t = out, dots[0]
    w, v = tnp.linalg.eigh(p)
    inner = adjoint(u) @ t
    turn = v @ (adjoint(v) @ (inner - adjoint(inner)) @ v / (w[:, None] + w)) @ adjoint(v)
    u_dot = u @ turn
    if u.shape[0] > u.shape[1]:
        u_dot = u_dot + (t - u @ inner) @ tnp.linalg.inv(p)
    return u_dot, inner - turn @ p


@counterpart(
    scipy.linalg,
    "Derivatives: u W and u^H t - W p, with W p + p W = u^H t - t^H u, for a matrix of full rank, also where singular "
    "values repeat.",
)
def polar(a: Any, side: str = "right") -> Any:
    if side not in ("left", "right"):
        raise ArgumentError(f"linalg.polar: side must be 'right' or 'left'; got {side!r}.")
    a = matrix("polar", "a", a)
    m, n = a.shape
    if m != n and (m < n) == (side == "right"):  # p is singular there
        raise LinAlgError(
            f"linalg.polar: a must have full rank for side={side!r}; got shape {a.shape}. Write "
            f"side={'left' if side == 'right' else 'right'!r}."
        )
    if side == "left":
        u, p = solved("linalg.polar", _polar, _polar_tangent, adjoint(a))
        return adjoint(u), p
    return tuple(solved("linalg.polar", _polar, _polar_tangent, a))


def _null_tangent(out: Array, args: Any, dots: Any) -> Array:
    return -tnp.linalg.pinv(args[0]) @ (dots[0] @ out)


@counterpart(
    scipy.linalg,
    "Derivative: -a^+ t N, of the basis that turns as little as possible: right for functions of the projector N N^H, "
    "as long as the rank stays.",
)
def null_space(
    A: Any,
    rcond: float | None = None,
    *,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Array:
    a = matrix("null_space", "A", A)
    return solved("linalg.null_space", lambda a: scipy.linalg.null_space(a, rcond), _null_tangent, a)


def _range_tangent(out: Array, args: Any, dots: Any) -> Array:
    across = tnp.linalg.pinv(args[0]) @ out
    t = dots[0] @ across
    return t - out @ (adjoint(out) @ t)


@counterpart(
    scipy.linalg,
    "Derivative: (1 - Q Q^H) t a^+ Q, of the basis that turns as little as possible: right for functions of the "
    "projector Q Q^H, as long as the rank stays.",
)
def orth(A: Any, rcond: float | None = None) -> Array:
    return solved("linalg.orth", lambda a: scipy.linalg.orth(a, rcond), _range_tangent, matrix("orth", "A", A))


# ---- eigenvalues ----


def _same_phases(v: Array, theirs: Array) -> Array:
    """Return for each column the phase that makes it SciPy's."""
    inner = np.sum(np.conj(v) * theirs, 0)
    return np.where(inner == 0, 1, inner / np.where(inner == 0, 1, np.abs(inner)))


_phase = nondifferentiable(_same_phases, name="phases")


def _standard(a: Array, b: Array, kind: int) -> tuple[Array, Array, bool]:
    """Return a Hermitian matrix of the same eigenvalues, the Cholesky factor, and whether vectors are L^-H y."""
    lower = tnp.linalg.cholesky(b)
    if kind == 1:
        into = tnp.linalg.inv(lower)
        return into @ a @ adjoint(into), lower, True
    return adjoint(lower) @ a @ lower, lower, kind == 2


def _window(w: Any, by_index: Any, by_value: Any) -> slice:
    """Return which eigenvalues were asked for."""
    if by_index is not None:
        return slice(int(by_index[0]), int(by_index[1]) + 1)
    if by_value is not None:
        return slice(*map(int, np.searchsorted(_values(w), by_value, side="right")))
    return slice(None)


def _values(w: Any) -> Array:
    return _values(w.value) if type(w) is Tensor else np.asarray(w)


@counterpart(
    scipy.linalg,
    "Derivatives: those of tapenet.numpy.linalg.eigh, by the triangles of a and b that are read; with b those of the "
    "problem that its Cholesky factor reduces it to. Eigenvectors have none where their value repeats.",
)
def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    if type not in (1, 2, 3):
        raise ArgumentError(f"linalg.eigh: type must be 1, 2 or 3; got {type!r}.")
    whole = mirrored(square("eigh", "a", a), bool(lower))
    settings: dict[str, Any] = {"lower": bool(lower), "type": type, "driver": driver}
    if b is None:
        reduced, factor, inverted = whole, None, True
    else:
        b = square("eigh", "b", b)
        reduced, factor, inverted = _standard(whole, mirrored(b, bool(lower)), type)
    if eigvals_only:
        values = tnp.linalg.eigvalsh(mirrored(reduced, True))
        return values[_window(values, subset_by_index, subset_by_value)]
    w, y = tnp.linalg.eigh(reduced)
    v = y if factor is None else tnp.linalg.solve(adjoint(factor), y) if inverted else factor @ y
    part = _window(w, subset_by_index, subset_by_value)
    theirs = _their_vectors(a, b, **settings) if b is not None else _their_vectors(a, **settings)
    v = v * tnp.asarray(_phase(v, theirs))
    return w[part], v[:, part]


_their_vectors = nondifferentiable(
    lambda *matrices, **settings: scipy.linalg.eigh(*matrices, **settings)[1], name="eigenvectors"
)


@counterpart(scipy.linalg, "Derivative: that of eigh's eigenvalues.")
def eigvalsh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Array:
    found: Array = eigh(
        a,
        b,
        lower=lower,
        eigvals_only=True,
        type=type,
        subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
    )
    return found


def _eig(a: Array) -> tuple[Array, Array]:
    w, v = scipy.linalg.eig(a)
    return w, v


def _eig_tangent(out: Any, args: Any, dots: Any) -> tuple[Array, Array]:
    w, v = out
    moved = tnp.linalg.solve(v, dots[0] @ v)
    same = np.eye(v.shape[0], dtype=bool)
    gaps = tnp.where(same, 1, w - w[:, None])
    v_dot = v @ tnp.where(same, 0, moved / gaps)
    along = tnp.sum(tnp.conj(v) * v_dot, 0)  # vectors keep their length and phase
    return tnp.diagonal(moved) + 0j, v_dot - v * along


@counterpart(
    scipy.linalg,
    "Derivatives: diag(F) and V (F_ij / (w_j - w_i)), with F = V^-1 t V, of vectors that keep length and phase; where "
    "eigenvalues differ. With b or left vectors it is refused on a tape.",
)
def eig(
    a: Any,
    b: Any = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    if b is not None or left or homogeneous_eigvals:
        raise ArgumentError(
            "linalg.eig: b, left and homogeneous_eigvals must be left out on a tape. Write "
            "linalg.eig(linalg.solve(b, a)), and tapenet.numpy.linalg.inv of the vectors for the left ones."
        )
    w, v = solved("linalg.eig", _eig, _eig_tangent, square("eig", "a", a))
    return (w, v) if right else w


def _order_of_eigvals(a: Array, w: Array) -> Array:
    """Return where SciPy's eigvals, which has an order of its own, has the values of eig."""
    distances = np.abs(scipy.linalg.eigvals(a)[:, None] - w)
    return scipy.optimize.linear_sum_assignment(distances)[1]


_order = nondifferentiable(_order_of_eigvals, name="order_of_eigvals")


@counterpart(scipy.linalg, "Derivative: diag(V^-1 t V), with eigenvectors V. With b it is refused on a tape.")
def eigvals(
    a: Any,
    b: Any = None,
    overwrite_a: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Array:
    if b is not None or homogeneous_eigvals:
        raise ArgumentError(
            "linalg.eigvals: b and homogeneous_eigvals must be left out on a tape. Write "
            "linalg.eigvals(linalg.solve(b, a))."
        )
    a = square("eigvals", "a", a)
    w, _ = solved("linalg.eigvals", _eig, _eig_tangent, a)
    return w[_order(a, w)]


# ---- Schur ----
#
# With F = Z^H a_dot Z and the turn W = Z^H Z_dot: T_dot = F + T W - W T is upper triangular, which determines W below
# the diagonal; above it W is skew-Hermitian, and the phases stay.


def _turn(t: Array, f: Array) -> Array:
    """Solve for the part below the diagonal of W T - T W = F."""
    n = t.shape[0]
    i, j = np.tril_indices(n, -1)
    eye = np.eye(n)
    # The entry at (i, j) of W T - T W is the sum over k of W_ik T_kj - T_ik W_kj.
    first = eye[i][:, i] * t[j][:, j].T
    second = t[i][:, i] * eye[j][:, j]
    found = tnp.linalg.solve(first - second, f[i, j])
    places = np.zeros((n, n), int)
    places[i, j] = np.arange(len(i))
    return tnp.where(np.tri(n, k=-1, dtype=bool), found[places], 0) if len(i) else tnp.zeros_like(t)


def _schur_tangent(out: Any, args: Any, dots: Any) -> tuple[Array, Array]:
    t, z = out
    f = adjoint(z) @ dots[0] @ z
    below = _turn(t, f)
    turn = below - adjoint(below)
    return tnp.triu(f + t @ turn - turn @ t), z @ turn


def _schur(a: Array, output: str) -> tuple[Array, Array]:
    t, z = scipy.linalg.schur(a, output=output)
    if np.any(np.diag(t, -1)):
        raise LinAlgError(
            "linalg.schur: a must have real eigenvalues for output='real' on a tape; got complex ones. "
            "Write output='complex'."
        )
    return t, z


@counterpart(
    scipy.linalg,
    "Derivatives: T_dot = F + T W - W T and Z_dot = Z W, with F = Z^H t Z and the skew-Hermitian W that keeps T upper "
    "triangular; where eigenvalues differ, and for functions that do not depend on the phases of Z. Sorting and "
    "2 x 2 blocks of complex eigenvalues are refused on a tape.",
)
def schur(
    a: Any,
    output: str = "real",
    lwork: int | None = None,
    overwrite_a: bool = False,
    sort: None = None,
    check_finite: bool = True,
) -> Any:
    if sort is not None:
        raise ArgumentError("linalg.schur: sort must be None on a tape; got an order.")
    if output not in ("real", "complex", "r", "c"):
        raise ArgumentError(f"linalg.schur: output must be 'real' or 'complex'; got {output!r}.")
    a = square("schur", "a", a)
    if output in ("complex", "c"):
        a = a.astype(np.result_type(a.dtype, np.complex64))
    return tuple(solved("linalg.schur", lambda a: _schur(a, output), _schur_tangent, a))
