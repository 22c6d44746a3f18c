"""Series rules of linear algebra: each by its defining equation, solved order by order."""

from __future__ import annotations

import numpy as np

from tapenet.core.primitive import Array
from tapenet.ops.arrays.shaping import matrix_transpose
from tapenet.ops.elementwise.complex import imag
from tapenet.ops.linalg.linear_solves import inv, inverse_for_rule
from tapenet.ops.linalg.matrices import (
    adjoint,
    diagonal_of,
    imaginary_diagonal,
    mirrored,
    on_diagonal,
    real_part,
    reciprocal_gaps,
    strictly_lower,
)
from tapenet.ops.linalg.products import matmul
from tapenet.ops.reductions.reduction import sum as sum_over
from tapenet.series.arithmetic import (
    Coefficient,
    Series,
    constant,
    convolved,
    derivative,
    divided,
    exponential,
    integral,
    mapped,
    minus_coefficient,
    multiply,
    product_of,
    solution,
)
from tapenet.series.rules import apply, rule


@rule("solve")
def _solve(a: Series, b: Series) -> Series:
    """Solve a x = b: a_0 x_k = b_k - sum of a_i x_(k-i), over i from 1 on."""
    return solution(lambda right: apply("solve", a[0], right), b, lambda k, x: convolved(matmul, a, x, k, 1))


@rule("inv")
def _inv(a: Series) -> list[Coefficient]:
    return _inverse_series(inv(a[0]), a)


def _inverse_series(first: Array, a: Series) -> list[Coefficient]:
    """Solve a x = 1, from x at t = 0."""
    out: list[Coefficient] = [first]
    for k in range(1, len(a)):
        moved = convolved(matmul, a, [*out, None], k, 1)
        out.append(None if moved is None else -(out[0] @ moved))
    return out


@rule("cholesky")
def _cholesky(a: Series, upper: bool) -> Series:
    """Solve L L^H = a."""
    first = apply("cholesky", a[0], upper=upper)
    lower: list[Coefficient] = [adjoint(first) if upper else first]
    adjoints: list[Coefficient] = [adjoint(lower[0])]
    inverse = inv(lower[0])
    for k in range(1, len(a)):
        own = None if a[k] is None else mirrored(a[k], upper)
        right = minus_coefficient(own, convolved(matmul, lower, adjoints, k, 1, k - 1))
        lower.append(None if right is None else lower[0] @ _half_lower(inverse @ right @ adjoint(inverse)))
        adjoints.append(None if right is None else adjoint(lower[-1]))
    return [first, *(adjoints if upper else lower)[1:]]


def _half_lower(x: Array) -> Array:
    """Keep the elements below the diagonal and half of those on it; 0 elsewhere."""
    return strictly_lower(x) + on_diagonal(0.5 * diagonal_of(x))


# ---- QR ----


@rule("qr")
def _qr(a: Series, mode: str) -> Series | None:
    """Solve Q R = a and Q^H Q = 1, for R square: with B and S what is left of order k,

    Q_0^H Q_k + Q_k^H Q_0 = S and Q_k R_0 + Q_0 R_k = B give X = Q_0^H Q_k from M = Q_0^H B R_0^-1 = X + R_k R_0^-1,
    whose last part is upper triangular with a real diagonal, as LAPACK's R has.
    """
    first = apply("qr", a[0], mode=mode)
    rows, columns = a[0].shape[-2:]
    if columns > rows or first[0].shape[-1] > columns:
        return None
    q: list[Coefficient] = [first[0]]
    r: list[Coefficient] = [first[1]]
    adjoints: list[Coefficient] = [adjoint(q[0])]
    inverse = inverse_for_rule("qr", "r", r[0])
    for k in range(1, len(a)):
        left = minus_coefficient(a[k], convolved(matmul, q, r, k, 1, k - 1))
        gram = convolved(matmul, adjoints, q, k, 1, k - 1)
        left = np.zeros(a[0].shape, a[0].dtype) if left is None else left
        m = adjoints[0] @ left @ inverse
        lower = strictly_lower(m)
        turn = lower - adjoint(lower)
        if m.dtype.kind == "c":
            turn = turn + imaginary_diagonal(m)
        if gram is not None:
            turn = turn - adjoint(_half_lower(gram))
        r.append((m - turn) @ r[0])
        q.append((left - q[0] @ r[k]) @ inverse)
        adjoints.append(adjoint(q[k]))
    return list(zip(q, r, strict=True))


# ---- eigenvalues of Hermitian matrices ----


@rule("eigh")
def _eigh(a: Series, UPLO: str) -> Series:
    """Solve V' = V F, w' = diag E, with E = V^H a' V and F_ij = E_ij / (w_j - w_i) off the diagonal."""
    first = apply("eigh", a[0], UPLO=UPLO)
    w: list[Coefficient] = [first[0]]
    v: list[Coefficient] = [first[1]]
    adjoints: list[Coefficient] = [adjoint(v[0])]
    slope = derivative([None if c is None else mirrored(c, UPLO == "U") for c in a])
    slope = [np.zeros(a[0].shape, a[0].dtype) if k == 0 and c is None else c for k, c in enumerate(slope)]
    over_gaps = reciprocal_gaps(w[0])
    gaps: list[Coefficient] = [None]
    moved: list[Coefficient] = []  # a' V
    turned: list[Coefficient] = []  # F
    for k in range(1, len(a)):
        moved.append(convolved(matmul, slope, v, k - 1))
        e = convolved(matmul, adjoints, moved, k - 1)
        turned.append(over_gaps * minus_coefficient(e, convolved(multiply, gaps, [*turned, None], k - 1, 1)))
        w.append(real_part(diagonal_of(e)) / k)
        gaps.append(w[k][..., None, :] - w[k][..., :, None])
        v.append(divided(convolved(matmul, v, turned, k - 1), k))
        adjoints.append(adjoint(v[k]))
    return list(zip(w, v, strict=True))


@rule("eigvalsh")
def _eigvalsh(a: Series, UPLO: str) -> Series:
    return [apply("eigvalsh", a[0], UPLO=UPLO), *(w for w, _ in _eigh(a, UPLO)[1:])]


# ---- logarithms of determinants ----


@rule("slogdet")
def _slogdet(a: Series) -> Series:
    """Integrate (log det a)' = tr(a^-1 a'); the sign turns by its imaginary part."""
    sign, logabsdet = apply("slogdet", a[0])
    inverse = _inverse_series(inverse_for_rule("slogdet", "a", a[0]), a)
    change = product_of(_trace_of_product, inverse[:-1], derivative(a))
    if sign.dtype.kind != "c":
        return list(zip(constant(sign, a), integral(logabsdet, change), strict=True))
    turned = exponential(sign, integral(logabsdet, mapped(lambda c: imag(c) * 1j, change)))
    return list(zip(turned, integral(logabsdet, mapped(real_part, change)), strict=True))


def _trace_of_product(x: Array, y: Array) -> Array:
    return sum_over(x * matrix_transpose(y), (-2, -1))
