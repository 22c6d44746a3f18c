"""Series rules of linear algebra: each by its defining equation, solved order by order."""

from __future__ import annotations

import attrs
import numpy as np

from tapenet.core.nondifferentiable import branch_condition
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
    plus_coefficient,
    product_of,
    solution,
    square_term,
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


# ---- singular values ----


@attrs.frozen(eq=False)
class _Quotient:
    """A series that is divided by another, coefficient by coefficient.

    Attributes:
        inverse: of the divisor at t = 0.
        divisor: its coefficients, as far as they are known; the first is not read.
        out: the quotient's.
    """

    inverse: Array
    divisor: list[Coefficient]
    out: list[Coefficient] = attrs.field(factory=list)

    def append(self, numerator: Coefficient) -> None:
        """Compute the next coefficient, from that of the numerator."""
        k = len(self.out)
        rest = minus_coefficient(numerator, convolved(multiply, self.divisor, [*self.out, None], k, 1))
        self.out.append(None if rest is None else self.inverse * rest)


@branch_condition
def _vanishes_anywhere(s: Array) -> bool:
    return bool(np.any(~(s > 0)))


@rule("svd")
def _svd(a: Series, full_matrices: bool) -> Series | None:
    first = apply("svd", a[0], full_matrices=full_matrices)
    rows, columns = a[0].shape[-2:]
    if (full_matrices and rows != columns) or _vanishes_anywhere(first[1]):
        return None
    return _singular_series(a, *first)


@rule("svdvals")
def _svdvals(a: Series) -> Series | None:
    first = apply("svd", a[0], full_matrices=False)
    if _vanishes_anywhere(first[1]):
        return None
    return [apply("svdvals", a[0]), *(s for _, s, _ in _singular_series(a, *first)[1:])]


def _singular_series(a: Series, u0: Array, s0: Array, vh0: Array) -> Series:
    """Solve s' = Re diag P, U' = U X + (a' V - U P) / s and V' = V Y + (a'^H U - V P^H) / s, with P = U^H a' V.

    X = (P s + s P^H) / gaps and Y = (s P + P^H s) / gaps off the diagonal, with gaps s_j^2 - s_i^2; on it, for complex
    matrices, i Im P / 2s and its negative. Both sides turn alike, so that each is a list of two.
    """
    vectors: list[list[Coefficient]] = [[u0], [adjoint(vh0)]]
    adjoints: list[list[Coefficient]] = [[adjoint(x[0])] for x in vectors]
    along: list[list[Coefficient]] = [[s0[..., None, :]], [s0[..., :, None]]]
    s, gaps = [s0], _Quotient(reciprocal_gaps(s0 * s0), [None])
    turns, phase = [gaps, _Quotient(gaps.inverse, gaps.divisor)], _Quotient(1 / along[0][0], along[0])
    away = [_Quotient(1 / along[0][0], along[0]) for _ in range(2)]
    slope = derivative(a)
    slope = [np.zeros(a[0].shape, a[0].dtype) if k == 0 and c is None else c for k, c in enumerate(slope)]
    slopes = [slope, mapped(adjoint, slope)]
    moved: list[list[Coefficient]] = [[], []]  # a' V and a'^H U
    cores: list[list[Coefficient]] = [[], []]  # P and P^H
    turned: list[list[Coefficient]] = [[], []]  # X and Y
    for k in range(1, len(a)):
        last = k - 1
        for side in range(2):
            moved[side].append(convolved(matmul, slopes[side], vectors[1 - side], last))
        core = convolved(matmul, adjoints[0], moved[0], last)
        cores[0].append(core)
        cores[1].append(adjoint(core))
        phase.append(0.5 * imaginary_diagonal(core) if core.dtype.kind == "c" else None)
        for side in range(2):
            by_rows = convolved(multiply, cores[side], along[0], last)
            turns[side].append(plus_coefficient(by_rows, convolved(multiply, along[1], cores[1 - side], last)))
            combine = minus_coefficient if side else plus_coefficient
            turned[side].append(combine(turns[side].out[-1], phase.out[-1]))
        for side in range(2):
            x = vectors[side]
            step = convolved(matmul, x, turned[side], last)
            if x[0].shape[-2] > x[0].shape[-1]:
                away[side].append(minus_coefficient(moved[side][-1], convolved(matmul, x, cores[side], last)))
                step = plus_coefficient(step, away[side].out[-1])
            moved_on = divided(step, k)
            adjoints[side].append(None if moved_on is None else adjoint(moved_on))
            x.append(moved_on)
        s.append(real_part(diagonal_of(core)) / k)
        along[0].append(s[k][..., None, :])
        along[1].append(s[k][..., :, None])
        squares = square_term(s, k)
        gaps.divisor.append(squares[..., None, :] - squares[..., :, None])
    return list(zip(vectors[0], s, adjoints[1], strict=True))
