"""Systems of linear equations: x of a x = b moves by a^-1 (b_dot - a_dot x), whatever the structure of a.

Each solver is a primitive with rules for a and b, that of SciPy, and reads a matrix whose structure a composition has
made of the argument: the derivative is then by the elements that SciPy reads.
"""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array
from tapenet.core.families import general
from tapenet.core.nondifferentiable import branch_condition, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.linalg.shapes import adjoint, columns, floating, identity, matrix, mirrored, square
from tapenet.scipy.linalg.structured import toeplitz
from tapenet.scipy.placing import counterpart
from tapenet.series.arithmetic import Series, convolved, solution
from tapenet.series.rules import rule

_BY_BOTH = "Derivatives: a^-1 (b_dot - a_dot x), with the tangents a_dot and b_dot"

# ---- dense ----

_TRANSPOSED = {"upper triangular": "lower triangular", "lower triangular": "upper triangular"}
_SHORT = {"gen": "general", "sym": "symmetric", "her": "hermitian", "pos": "positive definite"}
_ASSUMED = (
    *_SHORT,
    *_SHORT.values(),
    *("diagonal", "tridiagonal", "banded", "upper triangular", "lower triangular"),
)


def _transposed(assume: str | None) -> str | None:
    return _TRANSPOSED.get(assume, assume) if assume is not None else None


@general(
    name="linalg.solve",
    pullbacks=[
        lambda t, a, out, assume: -_solve(a.T, t, assume=_transposed(assume)) @ out.T,
        lambda t, a, assume: _solve(a.T, t, assume=_transposed(assume)),
    ],
    pushforwards=[
        lambda t, a, out, assume: -_solve(a, t @ out, assume=assume),
        lambda t, a, assume: _solve(a, t, assume=assume),
    ],
)
def _solve(a: Array, b: Array, *, assume: str | None) -> Array:
    if assume in ("upper triangular", "lower triangular"):
        return np.asarray(scipy.linalg.solve_triangular(a, b, lower=assume == "lower triangular"))
    return np.asarray(scipy.linalg.solve(a, b) if assume is None else scipy.linalg.solve(a, b, assume_a=assume))


@rule("linalg.solve")
def _solve_series(a: Series, b: Series, assume: str | None) -> Series:
    return solution(lambda right: _solve(a[0], right, assume=assume), b, lambda k, x: convolved(tnp.matmul, a, x, k, 1))


def _as_read(a: Array, assume: str | None, lower: bool) -> Array:
    """Return the matrix that SciPy reads off `a`."""
    match _SHORT.get(assume, assume) if assume is not None else None:
        case "symmetric":
            return mirrored(a, lower, conjugate=False)
        case "hermitian" | "positive definite":
            return mirrored(a, lower)
        case "diagonal":
            return tnp.diag(tnp.diagonal(a))
        case "tridiagonal":
            return tnp.tril(tnp.triu(a, -1), 1)
        case "upper triangular":
            return tnp.triu(a)
        case "lower triangular":
            return tnp.tril(a)
        case _:
            return a


@counterpart(scipy.linalg, f"{_BY_BOTH}; by the elements of a that are read: of one triangle where `assume_a` says so.")
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Array:
    if assume_a is not None and assume_a not in _ASSUMED:
        raise ArgumentError(f"linalg.solve: assume_a must be one of {', '.join(_ASSUMED)}; got {assume_a!r}.")
    a = _as_read(square("solve", "a", a), assume_a, lower)
    b, is_vector = columns("solve", b, a.shape[0])
    x = _solve(a.T, b, assume=_transposed(assume_a)) if transposed else _solve(a, b, assume=assume_a)
    return x[:, 0] if is_vector else x


def _oriented(function: str, a: Array, lower: bool, trans: Any) -> tuple[Array, str]:
    """Return op(a) of a triangular matrix, and which triangle it fills."""
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ArgumentError(f"linalg.{function}: trans must be 0, 1, 2, 'N', 'T' or 'C'; got {trans!r}.")
    if trans in (0, "N"):
        return a, "lower triangular" if lower else "upper triangular"
    return a.T if trans in (1, "T") else adjoint(a), "upper triangular" if lower else "lower triangular"


def _unit(a: Array, lower: bool) -> Array:
    return (tnp.tril(a, -1) if lower else tnp.triu(a, 1)) + identity(a)


def _by_triangle(function: str, a: Array, b: Array, trans: Any, lower: bool, unit: bool) -> Array:
    read = _unit(a, lower) if unit else tnp.tril(a) if lower else tnp.triu(a)
    read, which = _oriented(function, read, lower, trans)
    return _solve(read, b, assume=which)


@counterpart(scipy.linalg, f"{_BY_BOTH}, by the elements of the triangle that is read.")
def solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    a = square("solve_triangular", "a", a)
    b, is_vector = columns("solve_triangular", b, a.shape[0])
    x = _by_triangle("solve_triangular", a, b, trans, bool(lower), bool(unit_diagonal))
    return x[:, 0] if is_vector else x


@counterpart(scipy.linalg, "Derivatives: those of two triangular solutions, by the triangle that is read, and by b.")
def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Array:
    c, lower = c_and_lower
    c = square("cho_solve", "c", c)
    b, is_vector = columns("cho_solve", b, c.shape[0])
    first, second = (0, 2) if lower else (2, 0)
    x = _by_triangle("cho_solve", c, b, first, bool(lower), False)
    x = _by_triangle("cho_solve", c, x, second, bool(lower), False)
    return x[:, 0] if is_vector else x


def _order(piv: Any) -> Any:
    """Return the permutation of rows that LAPACK's exchanges give."""
    order = np.arange(len(piv))
    for i, j in enumerate(np.asarray(piv)):
        order[[i, j]] = order[[j, i]]
    return order


_order_of_exchanges = nondifferentiable(_order, name="order_of_exchanges")
_inverse_order = nondifferentiable(np.argsort, name="inverse_order")


@counterpart(scipy.linalg, "Derivatives: those of two triangular solutions, by the factors and by b.")
def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Array:
    lu, piv = lu_and_piv
    lu = square("lu_solve", "lu", lu)
    b, is_vector = columns("lu_solve", b, lu.shape[0])
    order = _order_of_exchanges(piv)
    if trans == 0:
        x = _by_triangle("lu_solve", lu, b[order], 0, True, True)
        x = _by_triangle("lu_solve", lu, x, 0, False, False)
    else:
        x = _by_triangle("lu_solve", lu, b, trans, False, False)
        x = _by_triangle("lu_solve", lu, x, trans, True, True)[_inverse_order(order)]
    return x[:, 0] if is_vector else x


# ---- banded ----
#
# ab[above + i - j, j] = a[i, j]: row k holds the diagonal j - i = above - k.


def _places(ab: Array, below: int, above: int) -> tuple[Any, Any]:
    """Return for each element of ab the row of the matrix that it is in, and whether it is inside."""
    rows = np.arange(ab.shape[-1]) + np.arange(below + above + 1)[:, None] - above
    return np.clip(rows, 0, ab.shape[-1] - 1), (rows >= 0) & (rows < ab.shape[-1])


def _banded_transpose(ab: Array, below: int, above: int) -> Array:
    """Return the diagonals of the transposed matrix."""
    n = ab.shape[-1]
    columns = np.arange(n) + np.arange(below + above + 1)[:, None] - below
    inside = (columns >= 0) & (columns < n)
    return tnp.where(inside, ab[::-1][np.arange(below + above + 1)[:, None], np.clip(columns, 0, n - 1)], 0)


def _banded_product(ab: Array, x: Array, below: int, above: int) -> Array:
    """Multiply the matrix with columns."""
    across = _banded_transpose(ab, below, above)  # row k holds a[i, i + k - below] at i
    places, inside = _places(across, above, below)
    return tnp.sum(tnp.where(inside, across, 0)[:, :, None] * x[places], 0)


def _ab_pullback(t: Array, ab: Array, out: Array, below: int, above: int, definite: bool) -> Array:
    b_bar = _b_pullback(t, ab, below, above, definite)
    places, inside = _places(ab, below, above)
    return tnp.where(inside, -tnp.sum(b_bar[places] * out, -1), 0)


def _b_pullback(t: Array, ab: Array, below: int, above: int, definite: bool) -> Array:
    across = _banded_transpose(ab, below, above)
    return _solve_banded(across, t, below=above, above=below, definite=definite)


def _ab_pushforward(t: Array, ab: Array, out: Array, below: int, above: int, definite: bool) -> Array:
    product = _banded_product(t, out, below, above)
    return -_solve_banded(ab, product, below=below, above=above, definite=definite)


@general(
    name="linalg.solve_banded",
    pullbacks=[_ab_pullback, _b_pullback],
    pushforwards=[_ab_pushforward, lambda t, ab, **rest: _solve_banded(ab, t, **rest)],
)
def _solve_banded(ab: Array, b: Array, *, below: int, above: int, definite: bool) -> Array:
    if definite:
        return np.asarray(scipy.linalg.solveh_banded(ab[: above + 1], b))
    return np.asarray(scipy.linalg.solve_banded((below, above), ab, b))


@rule("linalg.solve_banded")
def _solve_banded_series(ab: Series, b: Series, below: int, above: int, definite: bool) -> Series:
    return solution(
        lambda right: _solve_banded(ab[0], right, below=below, above=above, definite=definite),
        b,
        lambda k, x: convolved(lambda own, y: _banded_product(own, y, below, above), ab, x, k, 1),
    )


def _checked_band(function: str, ab: Any, rows: int | None) -> Array:
    ab = matrix(function, "ab", ab)
    if rows is not None and ab.shape[0] != rows:
        raise ArgumentError(f"linalg.{function}: ab must have l + u + 1 = {rows} rows; got shape {ab.shape}.")
    return ab


@counterpart(scipy.linalg, f"{_BY_BOTH}, by the elements of the diagonals.")
def solve_banded(
    l_and_u: Any,
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    below, above = map(int, l_and_u)
    ab = _checked_band("solve_banded", ab, below + above + 1)
    b, is_vector = columns("solve_banded", b, ab.shape[1])
    x = _solve_banded(ab, b, below=below, above=above, definite=False)
    return x[:, 0] if is_vector else x


def whole_band(ab: Array, lower: bool) -> Array:
    """Return all diagonals of a Hermitian matrix, of which one half is given."""
    k = ab.shape[0] - 1
    if lower:
        below = ab[1:]
        padded = tnp.concatenate([np.zeros((k + 1, ab.shape[1]), ab.dtype), below], 0)
        above = tnp.conj(_banded_transpose(padded, k, k))[:k]
        return tnp.concatenate([above, ab], 0)
    padded = tnp.concatenate([ab[:-1], np.zeros((k + 1, ab.shape[1]), ab.dtype)], 0)
    return tnp.concatenate([ab, tnp.conj(_banded_transpose(padded, k, k))[k + 1 :]], 0)


@counterpart(scipy.linalg, f"{_BY_BOTH}, by the elements of the diagonals that are read.")
def solveh_banded(
    ab: Any,
    b: Any,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Array:
    ab = _checked_band("solveh_banded", ab, None)
    b, is_vector = columns("solveh_banded", b, ab.shape[1])
    k = ab.shape[0] - 1
    x = _solve_banded(whole_band(ab, bool(lower)), b, below=k, above=k, definite=True)
    return x[:, 0] if is_vector else x


# ---- Toeplitz and circulant ----


def _toeplitz_bar(t: Array, c: Array, r: Array, out: Array, of_row: bool) -> Array:
    """Return the cotangent of the column or the row: sums along diagonals of -b_bar x^T, the main one the column's."""
    outer = -_levinson(tnp.concatenate([c[:1], r[1:]]), c, t) @ out.T
    sums = [tnp.trace(outer, i if of_row else -i) for i in range(c.shape[0])]
    return tnp.stack([tnp.zeros_like(sums[0]), *sums[1:]] if of_row else sums)


@general(
    name="linalg.solve_toeplitz",
    pullbacks=[
        lambda t, c, r, out: _toeplitz_bar(t, c, r, out, False),
        lambda t, c, r, out: _toeplitz_bar(t, c, r, out, True),
        lambda t, c, r: _levinson(tnp.concatenate([c[:1], r[1:]]), c, t),
    ],
    pushforwards=[
        lambda t, c, r, out: -_levinson(c, r, toeplitz(t, tnp.zeros_like(r)) @ out),
        lambda t, c, r, out: -_levinson(c, r, toeplitz(tnp.zeros_like(c), t) @ out),
        lambda t, c, r: _levinson(c, r, t),
    ],
)
def _levinson(c: Array, r: Array, b: Array) -> Array:
    return np.asarray(scipy.linalg.solve_toeplitz((c, r), b))


@rule("linalg.solve_toeplitz")
def _levinson_series(c: Series, r: Series, b: Series) -> Series:
    def matrix_of(k: int) -> Any:
        if c[k] is None and r[k] is None:
            return None
        column = np.zeros(c[0].shape, c[0].dtype) if c[k] is None else c[k]
        return toeplitz(column, np.zeros(r[0].shape, r[0].dtype) if r[k] is None else r[k])

    matrices = [matrix_of(k) for k in range(len(c))]
    return solution(
        lambda right: _levinson(c[0], r[0], right), b, lambda k, x: convolved(tnp.matmul, matrices, x, k, 1)
    )


def _column_and_row(c_or_cr: Any) -> tuple[Array, Array]:
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)
    c = tnp.ravel(floating(as_array(c)))
    return c, tnp.conj(c) if r is None else tnp.ravel(floating(as_array(r)))


@counterpart(scipy.linalg, f"{_BY_BOTH}, by the column and the row.")
def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Array:
    c, r = _column_and_row(c_or_cr)
    b, is_vector = columns("solve_toeplitz", b, c.shape[0])
    if c.shape[0] == 0:
        return b[:, 0] if is_vector else b
    x = _levinson(c, r, b)
    return x[:, 0] if is_vector else x


@counterpart(scipy.linalg, "Derivatives: those of a product, by the column, the row and x.")
def matmul_toeplitz(c_or_cr: Any, x: Any, check_finite: bool = False, workers: Any = None) -> Array:
    c, r = _column_and_row(c_or_cr)
    return toeplitz(c, r) @ as_array(x)


@branch_condition
def _is_singular(across: Array, bound: float) -> bool:
    sizes = np.abs(np.asarray(across))
    floor = sizes.max(-1, keepdims=True) * np.finfo(sizes.dtype).eps * sizes.shape[-1] if bound < 0 else bound
    return bool(np.any(sizes <= floor))


@counterpart(scipy.linalg, f"{_BY_BOTH}, by the column c.")
def solve_circulant(
    c: Any,
    b: Any,
    singular: str = "raise",
    tol: float | None = None,
    caxis: int = -1,
    baxis: int = 0,
    outaxis: int = 0,
) -> Array:
    c, b = as_array(c), as_array(b)
    if singular != "raise" or (caxis, baxis, outaxis) != (-1, 0, 0) or c.ndim != 1:
        raise ArgumentError(
            "linalg.solve_circulant: c must be one-dimensional on a tape, and axes and singular as by default."
        )
    across = tnp.fft.fft(c)
    if _is_singular(across, -1.0 if tol is None else tol):
        raise ArgumentError("linalg.solve_circulant: near singular circulant matrix.")
    x = tnp.fft.ifft(tnp.fft.fft(b, axis=0) / tnp.reshape(across, (-1, *(1,) * (b.ndim - 1))), axis=0)
    return x if "c" in (c.dtype.kind, b.dtype.kind) else tnp.real(x)
