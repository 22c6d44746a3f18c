"""Determinants, inverses, norms and least squares, with SciPy's signatures: those of `tapenet.numpy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.linalg.shapes import adjoint, matrix, mirrored, square
from tapenet.scipy.placing import counterpart


@counterpart(scipy.linalg, "Derivative: det(a) trace(a^-1 t).")
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    return tnp.linalg.det(square("det", "a", a))


@counterpart(scipy.linalg, "Derivative: -a^-1 t a^-1, by the elements that are read where `assume_a` says so.")
def inv(
    a: Any,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
) -> Array:
    from tapenet.scipy.linalg.systems import solve

    a = square("inv", "a", a)
    if assume_a is None:
        return tnp.linalg.inv(a)
    found: Array = solve(a, np.eye(a.shape[0], dtype=a.dtype), lower=lower, assume_a=assume_a)
    return found


@counterpart(scipy.linalg, "Derivative: that of tapenet.numpy.linalg.norm.")
def norm(a: Array, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Array:
    return tnp.linalg.norm(a, ord, axis, keepdims)


def _found_rank(a: Array, atol: float, rtol: float) -> Array:
    s = scipy.linalg.svdvals(a)
    return np.sum(s > atol + rtol * s.max(initial=0.0))


def _found_cutoff(a: Array, atol: float, rtol: float) -> Array:
    """Return the smallest singular value that counts, over the largest one."""
    largest = scipy.linalg.svdvals(a).max(initial=0.0)
    return np.float64(rtol + (atol / largest if largest > 0 else 0.0))


_rank = nondifferentiable(_found_rank, name="rank")
_cutoff = nondifferentiable(_found_cutoff, name="cutoff")


@counterpart(scipy.linalg, "Derivative: that of tapenet.numpy.linalg.pinv, as long as the rank stays.")
def pinv(
    a: Any,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    a = matrix("pinv", "a", a)
    below = 0.0 if atol is None else float(atol)
    relative = (max(a.shape) * float(np.finfo(a.dtype).eps) if atol is None else 0.0) if rtol is None else float(rtol)
    found = tnp.linalg.pinv(a, rtol=_cutoff(a, atol=below, rtol=relative) if below else relative)
    return (found, _rank(a, atol=below, rtol=relative)) if return_rank else found


@counterpart(
    scipy.linalg, "Derivative: that of the pseudoinverse of the Hermitian matrix that one triangle of a gives."
)
def pinvh(
    a: Any,
    atol: float | None = None,
    rtol: float | None = None,
    lower: bool = True,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    return pinv(mirrored(square("pinvh", "a", a), bool(lower)), atol=atol, rtol=rtol, return_rank=return_rank)


@counterpart(scipy.linalg, "Derivatives: those of tapenet.numpy.linalg.lstsq.")
def lstsq(
    a: Any,
    b: Any,
    cond: float | None = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: str | None = None,
) -> Any:
    a, b = matrix("lstsq", "a", a), as_array(b)
    x, residues, rank, s = tnp.linalg.lstsq(a, b, cond)
    return x, residues if b.ndim > 1 or residues.shape == (0,) else residues[0], rank, s


@counterpart(scipy.linalg, "Derivatives: those of the polar factor of A^H B, and the sum of its singular values.")
def orthogonal_procrustes(A: Any, B: Any, check_finite: bool = True) -> Any:
    from tapenet.scipy.linalg.decompositions import polar

    a, b = matrix("orthogonal_procrustes", "A", A), matrix("orthogonal_procrustes", "B", B)
    if a.shape != b.shape:
        raise ArgumentError(f"linalg.orthogonal_procrustes: A and B must have one shape; got {a.shape} and {b.shape}.")
    inner = adjoint(adjoint(b) @ a)
    u, p = polar(inner)
    return u, tnp.real(tnp.trace(p))


@counterpart(scipy.linalg, "Derivatives: those of the singular values of Q_A^H Q_B, or of what is outside of them.")
def subspace_angles(A: Any, B: Any) -> Array:
    a, b = matrix("subspace_angles", "A", A), matrix("subspace_angles", "B", B)
    qa, _ = tnp.linalg.qr(a)
    qb, _ = tnp.linalg.qr(b)
    inner = adjoint(qa) @ qb
    cosines = tnp.linalg.svdvals(inner)
    outside = qb - qa @ inner if qa.shape[1] >= qb.shape[1] else qa - qb @ adjoint(inner)
    sines = tnp.linalg.svdvals(outside)
    small = tnp.asarray(cosines[::-1] ** 2 >= 0.5)
    count = cosines.shape[0]
    by_sine = tnp.arcsin(tnp.where(small, sines[:count], 0.0))
    by_cosine = tnp.arccos(tnp.where(small, 0.0, cosines[::-1]))
    return tnp.where(small, by_sine, by_cosine)
