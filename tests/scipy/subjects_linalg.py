"""Subjects of scipy.linalg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.scipy.subjects import Strategy, between, subject

SMALL = between(-0.5, 0.5, 3, 3)
VECTOR = between(0.3, 1.5, 3)
SPREAD = np.diag([1.0, 2.5, 4.5])
BAND = np.array([[0.0], [4.0], [0.0]])


def square() -> Strategy:
    """A matrix with eigenvalues that differ and are positive."""
    return SMALL.map(lambda a: a + SPREAD)


def rectangle(m: int, n: int) -> Strategy:
    return between(-0.5, 0.5, m, n).map(lambda a: a + 2 * np.eye(m, n) + 0.3 * np.tri(m, n))


def definite(a: Any) -> Any:
    """The symmetric part, so that differences move both triangles alike."""
    return (a + a.T) / 2


def declare(name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    subject("linalg", name, call, *arrays, **settings)


def complexly(strategy: Strategy) -> Strategy:
    return strategy.map(lambda a: a + 0.3j * np.cos(np.arange(a.size)).reshape(a.shape))


# ---- functions of matrices ----

for each in "expm cosm sinm tanm coshm sinhm tanhm".split():
    declare(each, lambda xp, a, each=each: getattr(xp, each)(a), SMALL)
# SciPy warns of the precision of logarithms in single precision.
declare("logm", lambda xp, a: xp.logm(a.astype(float)), square())
declare("sqrtm", lambda xp, a: xp.sqrtm(a), square())
declare("expm", lambda xp, a: xp.expm(a), complexly(SMALL))
declare(
    "fractional_matrix_power",
    lambda xp, a, p: xp.fractional_matrix_power(a.astype(float), p[0]),
    square(),
    between(0.3, 0.7, 1),
)
declare("expm_frechet", lambda xp, a, e: xp.expm_frechet(a, e), SMALL, SMALL)
declare("expm_frechet", lambda xp, a, e: xp.expm_frechet(a, e, compute_expm=False), SMALL, SMALL)

# ---- structures ----

declare("toeplitz", lambda xp, c: xp.toeplitz(c), VECTOR)
declare("toeplitz", lambda xp, c, r: xp.toeplitz(c, r), VECTOR, between(1, 2, 4))
declare("circulant", lambda xp, c: xp.circulant(c), VECTOR)
declare("hankel", lambda xp, c: xp.hankel(c), VECTOR)
declare("hankel", lambda xp, c, r: xp.hankel(c, r), VECTOR, between(1, 2, 4))
declare("block_diag", lambda xp, a, b, c: xp.block_diag(a, b, c), between(1, 2, 2, 3), VECTOR, between(1, 2, 2, 1))
declare("companion", lambda xp, a: xp.companion(a), VECTOR)
declare("leslie", lambda xp, f, s: xp.leslie(f, s), VECTOR, between(0, 1, 2))
declare("fiedler", lambda xp, a: xp.fiedler(a), between(0, 0.4, 3).map(lambda a: a + np.arange(3.0)))
for mode in ("full", "same", "valid"):
    declare("convolution_matrix", lambda xp, a, mode=mode: xp.convolution_matrix(a, 5, mode), VECTOR)
    declare("convolution_matrix", lambda xp, a, mode=mode: xp.convolution_matrix(a, 2, mode), between(1, 2, 4))
declare("khatri_rao", lambda xp, a, b: xp.khatri_rao(a, b), between(1, 2, 2, 3), between(1, 2, 4, 3))
declare("diagsvd", lambda xp, s: xp.diagsvd(s, 3, 4), VECTOR)

# ---- systems ----

RIGHT = between(-1, 1, 3, 2)
declare("solve", lambda xp, a, b: xp.solve(a, b), square(), RIGHT)
declare("solve", lambda xp, a, b: xp.solve(a, b, transposed=True), square(), between(-1, 1, 3))
for assumed in ("sym", "her", "pos"):
    for lower in (False, True):
        declare(
            "solve",
            lambda xp, a, b, assumed=assumed, lower=lower: xp.solve(a, b, lower=lower, assume_a=assumed),
            square(),
            RIGHT,
        )
declare("solve", lambda xp, a, b: xp.solve(definite(a), b, assume_a="pos"), square(), RIGHT)
for lower in (False, True):
    for trans in (0, "T"):
        declare(
            "solve_triangular",
            lambda xp, a, b, lower=lower, trans=trans: xp.solve_triangular(a, b, trans=trans, lower=lower),
            square(),
            RIGHT,
        )
declare(
    "solve_triangular",
    lambda xp, a, b: xp.solve_triangular(a, b, trans=2, unit_diagonal=True),
    complexly(square()),
    between(-1, 1, 3),
)
for lower in (False, True):
    declare("cho_solve", lambda xp, c, b, lower=lower: xp.cho_solve((c, lower), b), square(), RIGHT)
    declare("cho_factor", lambda xp, a, lower=lower: xp.cho_factor(definite(a), lower)[0], square())
    declare("cholesky", lambda xp, a, lower=lower: xp.cholesky(definite(a), lower), square())
for trans in (0, 1):
    declare(
        "lu_solve",
        lambda xp, lu, b, trans=trans: xp.lu_solve((lu, np.array([1, 2, 2])), b, trans),
        square(),
        RIGHT,
    )
declare("lu_solve", lambda xp, a, b: xp.lu_solve(xp.lu_factor(a), b), square(), between(-1, 1, 3))
declare(
    "solve_banded",
    lambda xp, ab, b: xp.solve_banded((1, 1), ab, b),
    between(-1, 1, 3, 4).map(lambda a: a + BAND),
    between(-1, 1, 4, 2),
)
declare(
    "solve_banded",
    lambda xp, ab, b: xp.solve_banded((2, 1), ab, b),
    between(-1, 1, 4, 5).map(lambda a: a + np.array([[0.0], [6.0], [0.0], [0.0]])),
    between(-1, 1, 5),
)
declare(
    "solveh_banded",
    lambda xp, ab, b: xp.solveh_banded(ab, b),
    between(-1, 1, 2, 4).map(lambda a: a + np.array([[0.0], [4.0]])),
    between(-1, 1, 4, 2),
)
declare(
    "solveh_banded",
    lambda xp, ab, b: xp.solveh_banded(ab, b, lower=True),
    between(-1, 1, 3, 4).map(lambda a: a + np.array([[6.0], [0.0], [0.0]])),
    between(-1, 1, 4),
)
DOMINANT = between(-0.5, 0.5, 3).map(lambda c: c + np.array([3.0, 0, 0]))
declare("solve_toeplitz", lambda xp, c, b: xp.solve_toeplitz(c, b), DOMINANT, between(-1, 1, 3))
declare("solve_toeplitz", lambda xp, c, r, b: xp.solve_toeplitz((c, r), b), DOMINANT, VECTOR, RIGHT)
declare("solve_circulant", lambda xp, c, b: xp.solve_circulant(c, b), DOMINANT, RIGHT)
declare("matmul_toeplitz", lambda xp, c, r, x: xp.matmul_toeplitz((c, r), x), DOMINANT, VECTOR, RIGHT)

# ---- equations ----

declare("solve_sylvester", lambda xp, a, b, q: xp.solve_sylvester(a, b, q), square(), square(), SMALL)
declare("solve_continuous_lyapunov", lambda xp, a, q: xp.solve_continuous_lyapunov(a, q), square(), SMALL)
declare("solve_lyapunov", lambda xp, a, q: xp.solve_lyapunov(a, q), square(), SMALL)
declare("solve_discrete_lyapunov", lambda xp, a, q: xp.solve_discrete_lyapunov(a / 6, q), square(), SMALL)
for each in ("solve_continuous_are", "solve_discrete_are"):
    declare(
        each,
        lambda xp, a, b, q, r, each=each: getattr(xp, each)(a, b, definite(q), definite(r)),
        SMALL.map(lambda a: a - np.eye(3)),
        between(0.5, 1, 3, 3),
        square(),
        square(),
        tolerance=1e-5,
    )
    declare(
        each,
        lambda xp, a, b, q, e, s, each=each: getattr(xp, each)(a, b, definite(q), np.eye(3), e, s),
        SMALL,
        between(0.5, 1, 3, 3),
        square(),
        square(),
        between(0, 0.1, 3, 3),
        tolerance=1e-5,
    )

# ---- factors ----

for shape in ((3, 3), (4, 3), (3, 4)):
    declare("lu", lambda xp, a: xp.lu(a, permute_l=True), rectangle(*shape))
    declare("lu", lambda xp, a: xp.lu(a, p_indices=True), rectangle(*shape))
    declare("lu_factor", lambda xp, a: xp.lu_factor(a)[0], rectangle(*shape))
    declare("svdvals", lambda xp, a: xp.svdvals(a), rectangle(*shape))
for mode in ("full", "economic", "r"):
    declare("qr", lambda xp, a, mode=mode: xp.qr(a, mode=mode), rectangle(3, 3))
    declare("qr", lambda xp, a, mode=mode: xp.qr(a, mode=mode, pivoting=True), rectangle(3, 3))
declare("qr", lambda xp, a: xp.qr(a, mode="economic"), rectangle(4, 3))
declare("rq", lambda xp, a: xp.rq(a), rectangle(3, 3))
declare("rq", lambda xp, a: xp.rq(a, mode="economic"), rectangle(2, 3))
declare("svd", lambda xp, a: xp.svd(a, full_matrices=False), rectangle(4, 3))
declare("svd", lambda xp, a: xp.svd(a, compute_uv=False), rectangle(3, 3))
declare("polar", lambda xp, a: xp.polar(a), rectangle(4, 3))
declare("polar", lambda xp, a: xp.polar(a, side="left"), rectangle(3, 4))
declare("polar", lambda xp, a: xp.polar(a), complexly(rectangle(3, 3)))


def projected(basis: Any) -> Any:
    return basis @ np.conj(basis).T


declare("null_space", lambda xp, a: projected(xp.null_space(a)), rectangle(2, 4))
declare("orth", lambda xp, a: projected(xp.orth(a)), rectangle(4, 2))
for lower in (True, False):
    declare("eigh", lambda xp, a, lower=lower: xp.eigh(a, lower=lower), square())
    declare("eigvalsh", lambda xp, a, lower=lower: xp.eigvalsh(a, lower=lower), square())
for kind in (1, 2, 3):
    declare("eigh", lambda xp, a, b, kind=kind: xp.eigh(a, b, type=kind), square(), rectangle(3, 3))
    declare("eigvalsh", lambda xp, a, b, kind=kind: xp.eigvalsh(a, b, type=kind), square(), rectangle(3, 3))
declare("eigh", lambda xp, a: xp.eigh(a, subset_by_index=[1, 2]), square())


def symmetric(w: Any) -> Any:
    """Functions of all eigenvalues, as their order changes."""
    return (w**3).sum(), (1 / w).sum()


def vectors(eig: Any) -> Any:
    """A function of eigenvectors that does not depend on their order and phases."""
    w, v = eig
    return ((np.conj(v) * v) * (1 / w)).sum(1)


declare("eig", lambda xp, a: symmetric(xp.eig(a)[0]), square())
declare("eig", lambda xp, a: vectors(xp.eig(a)), square())
declare("eigvals", lambda xp, a: symmetric(xp.eigvals(a)), complexly(square()))
declare("schur", lambda xp, a: xp.schur(definite(a)), square())
declare("schur", lambda xp, a: xp.schur(a)[0], square())

# ---- determinants, inverses, norms ----

declare("det", lambda xp, a: xp.det(a), square())
declare("inv", lambda xp, a: xp.inv(a), square())
for order in (None, "fro", "nuc", 2):
    declare("norm", lambda xp, a, order=order: xp.norm(a, order), square())
declare("norm", lambda xp, a: xp.norm(a, axis=0, keepdims=True), square())
declare("pinv", lambda xp, a: xp.pinv(a), rectangle(4, 3))
declare("pinvh", lambda xp, a: xp.pinvh(a), square())
declare("lstsq", lambda xp, a, b: xp.lstsq(a, b)[0], rectangle(4, 3), between(-1, 1, 4, 2))
declare("orthogonal_procrustes", lambda xp, a, b: xp.orthogonal_procrustes(a, b), rectangle(4, 3), rectangle(4, 3))
declare("subspace_angles", lambda xp, a, b: xp.subspace_angles(a, b), rectangle(4, 2), between(-1, 1, 4, 2))

# ---- few diagonals, and functions by eigenvalues ----

DIAGONAL, BESIDE = between(-0.2, 0.2, 4).map(lambda d: d + np.array([1.0, 2.0, 4.0, 7.0])), between(0.3, 0.6, 3)


def squares(pairs: Any) -> Any:
    """Functions of eigenvectors that do not depend on their signs."""
    w, v = pairs
    return w, np.conj(v) * v


declare("eigh_tridiagonal", lambda xp, d, e: squares(xp.eigh_tridiagonal(d, e)), DIAGONAL, BESIDE)
for how in (("i", (1, 2)), ("v", (1.4, 9.0))):
    declare("eigvalsh_tridiagonal", lambda xp, d, e, how=how: xp.eigvalsh_tridiagonal(d, e, *how), DIAGONAL, BESIDE)
BANDS = between(0.3, 0.6, 3, 4).map(lambda a: a + np.array([[0.0], [0.0], [1.0]]) * np.array([1.0, 3.0, 5.0, 8.0]))
declare("eig_banded", lambda xp, a: squares(xp.eig_banded(a)), BANDS)
declare("eigvals_banded", lambda xp, a: xp.eigvals_banded(a[::-1], True, select="i", select_range=(0, 1)), BANDS)
declare("cho_solve_banded", lambda xp, a, b: xp.cho_solve_banded((a, False), b), BANDS, between(-1, 1, 4, 2), order=1)
declare(
    "cho_solve_banded", lambda xp, a, b: xp.cho_solve_banded((a[::-1], True), b), complexly(BANDS), DIAGONAL, order=1
)
declare("funm", lambda xp, a: xp.funm(a, lambda w: w * w * np.exp(-w)), square(), closeness=1e-10, in_single=False)
declare("signm", lambda xp, a: xp.signm(a @ np.diag([1.0, -1.0, 1.0])), square(), closeness=1e-10, in_single=False)
for lower in (True, False):
    for shift in (SPREAD, np.ones((3, 3)) - np.eye(3)):  # the latter has a block of 2 x 2
        declare("ldl", lambda xp, a, low=lower, to=shift: xp.ldl(definite(0.2 * a) + to, low), SMALL, order=1 + lower)
declare("ldl", lambda xp, a: xp.ldl(a + np.conj(a.T) + SPREAD), complexly(SMALL), order=1)
declare("qr_multiply", lambda xp, a, c: xp.qr_multiply(a, c), rectangle(4, 3), between(-1, 1, 2, 4))
declare("qr_multiply", lambda xp, a, c: xp.qr_multiply(a, c, "left", True), rectangle(4, 3), between(-1, 1, 3), order=1)

# ---- stacks ----

STACK = between(-0.3, 0.3, 2, 3, 3).map(lambda a: a + SPREAD)
for each in ("det", "expm", "pinv"):
    declare(each, lambda xp, a, each=each: getattr(xp, each)(a), STACK, order=1)
declare("solve", lambda xp, a, b: xp.solve(a, b), STACK, between(-1, 1, 2, 1, 3, 2), order=1)
declare("solve_sylvester", lambda xp, a, q: xp.solve_sylvester(a, a[:1], q), STACK, between(-1, 1, 3, 3), order=1)
declare("cho_solve", lambda xp, a, b: xp.cho_solve((a, True), b), STACK, between(-1, 1, 3, 2), order=1)
declare("polar", lambda xp, a: list(xp.polar(a)), STACK, order=1)
