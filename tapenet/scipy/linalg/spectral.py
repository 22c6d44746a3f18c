"""Functions of matrices by their eigenvalues, the sign of a matrix, and eigenvalues of matrices of few diagonals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, LinAlgError
from tapenet.scipy.linalg.decompositions import eig, eigh, qr
from tapenet.scipy.linalg.equations import solve_sylvester
from tapenet.scipy.linalg.shapes import adjoint, columns, floating, matrix, mirrored, square
from tapenet.scipy.linalg.systems import solve_banded, whole_band
from tapenet.scipy.placing import counterpart
from tapenet.scipy.solutions import solved

# ---- functions of matrices ----


@branch_condition
def _is_as_good_as_real(f: Array) -> bool:
    f = np.asarray(f)
    scale = np.max(np.abs(f), initial=0.0)
    return bool(np.all(np.abs(f.imag) <= 1e3 * np.finfo(f.dtype).eps * max(scale, 1.0)))


@branch_condition
def _are_dependent(v: Array) -> bool:
    return bool(np.any(np.linalg.cond(np.asarray(v)) > _MOST_CONDITION)) if np.size(v) else False


_MOST_CONDITION = 1e8  # of eigenvectors, by which rounding errors of functions grow


@counterpart(
    scipy.linalg,
    "Derivatives: by A, and by what func takes from outside, those of V diag(func(w)) V^-1, with eigenvalues w that "
    "differ and eigenvectors V; func is called with complex arrays and written in functions of tapenet.numpy.",
)
def funm(A: Any, func: Callable[[Array], Array], disp: bool = True) -> Any:
    a = square("funm", "A", A)
    w, v = eig(a)
    if _are_dependent(v):
        raise LinAlgError(
            "linalg.funm: A must have linearly independent eigenvectors on a tape; got dependent ones. Write expm, "
            "logm or sqrtm, which do not need them."
        )
    found = v @ (func(w)[:, None] * tnp.linalg.inv(v))
    if a.dtype.kind != "c" and _is_as_good_as_real(found):
        found = tnp.real(found)
    return found if disp else (found, np.float64(0.0))


def _sign(a: Array) -> Array:
    sign = np.asarray(scipy.linalg.signm(a))
    if not np.allclose(sign @ sign, np.eye(len(a)), atol=1e-6):
        raise LinAlgError("linalg.signm: A must have no eigenvalues on the imaginary axis to have a sign.")
    return sign


def _sign_tangent(out: Array, args: Any, dots: Any) -> Array:
    size = out @ args[0]
    found: Array = solve_sylvester(size, size, dots[0] - out @ dots[0] @ out)
    return found


@counterpart(
    scipy.linalg,
    "Derivative: the X of N X + X N = t - S t S, with S = sign(A) and N = S A. C. Kenney, A. J. Laub, SIAM J. Matrix "
    "Anal. Appl. 12 (1991).",
)
def signm(A: Any, *disp: Any) -> Array:
    return solved("linalg.signm", _sign, _sign_tangent, square("signm", "A", A))


# ---- L D L^H ----


def _ldl_tangent(out: Any, args: Any, dots: Any, *, is_hermitian: bool) -> Any:
    """With F = L^-1 t L^-H, D moves by the blocks of F, and L by L X, X D the rest of F on the side of L."""
    factor, d, _, is_block, is_side = out
    into = tnp.linalg.inv(factor)
    f = into @ dots[0] @ (adjoint(into) if is_hermitian else into.T)
    x = tnp.where(is_side, f, 0) @ tnp.linalg.inv(d)
    return factor @ x, tnp.where(is_block, f, 0), None, None, None


@counterpart(
    scipy.linalg,
    "Derivatives: with F = L^-1 t L^-H, the blocks of F for D, and L (the rest of F on its side) D^-1 for L; by the "
    "triangle that is read. The permutation and the sizes of blocks are piecewise constant.",
)
def ldl(
    A: Any, lower: bool = True, hermitian: bool = True, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    a = mirrored(square("ldl", "A", A), bool(lower), bool(hermitian))

    def solve(a: Array) -> Any:
        factor, d, order = scipy.linalg.ldl(a, bool(lower), bool(hermitian))
        is_block = (d != 0) | np.eye(len(d), dtype=bool)
        side = np.tri(len(d), k=-1, dtype=bool)
        return factor, d, order, is_block, (side if lower else side.T) & ~is_block

    def tangent(out: Any, args: Any, dots: Any) -> Any:
        return _ldl_tangent(out, args, dots, is_hermitian=bool(hermitian))

    return solved("linalg.ldl", solve, tangent, a)[:3]


@counterpart(scipy.linalg, "Derivatives: those of the q of qr, and of the product.")
def qr_multiply(
    a: Any,
    c: Any,
    mode: str = "right",
    pivoting: bool = False,
    conjugate: bool = False,
    overwrite_a: bool = False,
    overwrite_c: bool = False,
) -> Any:
    name = "linalg.qr_multiply"
    if mode not in ("left", "right"):
        raise ArgumentError(f"{name}: mode must be 'left' or 'right'; got {mode!r}.")
    a, c = matrix("qr_multiply", "a", a), floating(as_array(collected(c)))
    q, *rest = qr(a, mode="economic", pivoting=pivoting)
    q = tnp.conj(q) if conjugate else q
    if c.shape[0 if mode == "left" and c.ndim == 2 else -1] not in q.shape:
        raise ArgumentError(f"{name}: shapes of q {q.shape} and c {c.shape} are not compatible.")
    if c.ndim == 1:
        found = q @ c if mode == "left" else c @ q
    elif mode == "left":
        found = (q @ c) if c.shape[0] == q.shape[1] else adjoint(q) @ c
    else:
        found = c @ q
    return (found, *rest)


# ---- few diagonals ----


def _dense(ab: Array, lower: bool) -> Array:
    """Return the Hermitian matrix of which the diagonals of one half are given."""
    whole = whole_band(ab, lower)
    k, n = ab.shape[0] - 1, ab.shape[1]
    rows = np.arange(n)[:, None] - np.arange(n) + k
    inside = (rows >= 0) & (rows <= 2 * k)
    return tnp.where(inside, whole[np.clip(rows, 0, 2 * k), np.arange(n)], 0)


def _selection(name: str, select: Any, select_range: Any) -> dict[str, Any]:
    """Return what eigh takes for which eigenvalues are wanted."""
    kinds = {"a": None, "all": None, 0: None, "i": "index", "index": "index", 2: "index"}
    kinds |= dict.fromkeys(("v", "value", 1), "value")
    if select not in kinds:
        raise ArgumentError(f"linalg.{name}: invalid argument for select; got {select!r}. Write 'a', 'v' or 'i'.")
    return {f"subset_by_{kinds[select]}": select_range} if kinds[select] else {}


@counterpart(scipy.linalg, "Derivatives: those of eigh of the dense matrix, by the diagonals.")
def eig_banded(
    a_band: Any,
    lower: bool = False,
    eigvals_only: bool = False,
    overwrite_a_band: bool = False,
    select: Any = "a",
    select_range: Any = None,
    max_ev: int = 0,
    check_finite: bool = True,
) -> Any:
    a = _dense(matrix("eig_banded", "a_band", a_band), bool(lower))
    return eigh(a, eigvals_only=eigvals_only, **_selection("eig_banded", select, select_range))


@counterpart(scipy.linalg, "Derivative: that of eig_banded's eigenvalues.")
def eigvals_banded(
    a_band: Any,
    lower: bool = False,
    overwrite_a_band: bool = False,
    select: Any = "a",
    select_range: Any = None,
    check_finite: bool = True,
) -> Array:
    found: Array = eig_banded(a_band, lower, True, select=select, select_range=select_range)
    return found


def _tridiagonal_tangent(out: Any, args: Any, dots: Any) -> tuple[Array, Array]:
    w, v = out
    d_dot, e_dot = (tnp.zeros_like(x) if dot is None else dot for x, dot in zip(args, dots, strict=True))
    zero = np.zeros((1, v.shape[1]))
    beside = tnp.concatenate([e_dot[:, None] * v[1:], zero], 0) + tnp.concatenate([zero, e_dot[:, None] * v[:-1]], 0)
    moved = v.T @ (d_dot[:, None] * v + beside)
    same = np.eye(w.shape[0], dtype=bool)
    turn = tnp.where(same, 0.0, moved / tnp.where(same, 1.0, w - w[:, None]))
    return tnp.diagonal(moved), v @ turn


_BY_DIAGONALS = "Derivatives: by d and e, those of eigh, of one product with the tridiagonal tangent."


@counterpart(scipy.linalg, _BY_DIAGONALS)
def eigh_tridiagonal(
    d: Any,
    e: Any,
    eigvals_only: bool = False,
    select: Any = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Any:
    name = "eigh_tridiagonal"
    d, e = floating(as_array(collected(d))), floating(as_array(collected(e)))
    if d.ndim != 1 or e.shape != (max(d.shape[0] - 1, 0),) or "c" in (d.dtype.kind, e.dtype.kind):
        raise ArgumentError(f"linalg.{name}: d and e must be real vectors, e one shorter; got {d.shape} and {e.shape}.")
    w, v = solved(
        "linalg.eigh_tridiagonal", lambda d, e: scipy.linalg.eigh_tridiagonal(d, e), _tridiagonal_tangent, d, e
    )
    chosen = _chosen(w, _selection(name, select, select_range))
    return w[chosen] if eigvals_only else (w[chosen], v[:, chosen])


@branch_condition
def _count_up_to(w: Array, bound: float) -> int:
    counts = np.unique(np.sum(np.asarray(w) <= bound, -1))
    if len(counts) > 1:
        raise ArgumentError("linalg.eigh_tridiagonal: select_range must hold as many eigenvalues of each example.")
    return int(counts[0])


def _chosen(w: Array, selection: dict[str, Any]) -> Any:
    if "subset_by_index" in selection:
        return slice(int(selection["subset_by_index"][0]), int(selection["subset_by_index"][1]) + 1)
    if "subset_by_value" in selection:
        return slice(*(_count_up_to(w, bound) for bound in selection["subset_by_value"]))
    return slice(None)


@counterpart(scipy.linalg, _BY_DIAGONALS)
def eigvalsh_tridiagonal(
    d: Any,
    e: Any,
    select: Any = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Array:
    found: Array = eigh_tridiagonal(d, e, True, select, select_range)
    return found


@counterpart(scipy.linalg, "Derivatives: those of two banded solutions, by the factor and by b.")
def cho_solve_banded(cb_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Array:
    cb, lower = cb_and_lower
    cb = matrix("cho_solve_banded", "cb", cb)
    b, is_vector = columns("cho_solve_banded", b, cb.shape[1])
    k = cb.shape[0] - 1
    factor = cb if lower else _other_half(cb)
    other = tnp.conj(_other_half(factor, to_upper=True))
    x = solve_banded((0, k), other, solve_banded((k, 0), factor, b))
    return x[:, 0] if is_vector else x


def _other_half(ab: Array, to_upper: bool = False) -> Array:
    """Return the diagonals of the transpose of a triangular matrix, lower ones of upper ones or the other way."""
    k, n = ab.shape[0] - 1, ab.shape[1]
    rows = np.arange(k + 1)[:, None]
    places = np.arange(n) - (k - rows) if to_upper else np.arange(n) + rows
    inside = (places >= 0) & (places < n)
    return tnp.where(inside, ab[::-1][rows, np.clip(places, 0, n - 1)], 0)
