"""scipy.linalg on a tape: what is refused, choices by values, and structure that derivatives keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import LinAlgError
from tapenet.scipy import linalg

TURN = 9 * (np.tri(3, k=-1) - np.tri(3, k=-1).T)
A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 2.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: linalg.expm(a[:2]), r"linalg\.expm: A must be square; got shape \(2, 3\)"),
        (lambda a: linalg.expm(a[0]), r"linalg\.expm: A must be a matrix on a tape; got shape \(3,\)\.$"),
        (lambda a: linalg.qr(a * np.nan), r"linalg\.qr: array must not contain infs or NaNs"),
        (lambda a: linalg.cholesky(a + np.inf), r"linalg\.cholesky: array must not contain infs or NaNs"),
        (lambda a: linalg.signm(0 * a), r"linalg\.signm: A must have no eigenvalues on the imaginary axis"),
        (lambda a: linalg.qr_multiply(a, a, "above"), r"linalg\.qr_multiply: mode must be 'left' or 'right'"),
        (lambda a: linalg.qr_multiply(a, a[0, :2]), r"linalg\.qr_multiply: shapes of q \(3, 3\) and c \(2,\)"),
        (lambda a: linalg.eig_banded(a, select="few"), r"linalg\.eig_banded: invalid argument for select"),
        (lambda a: linalg.eigh_tridiagonal(a[0], a[0]), r"linalg\.eigh_tridiagonal: d and e must be real vectors"),
        (lambda a: linalg.solve(a, np.ones(2)), r"linalg\.solve: b must have shape \(3,\) or \(3, k\)"),
        (lambda a: linalg.solve(a, np.ones(3), assume_a="round"), r"linalg\.solve: assume_a must be one of gen, sym"),
        (lambda a: linalg.solve_triangular(a, np.ones(3), trans="X"), r"linalg\.solve_triangular: trans must be 0, 1"),
        (lambda a: linalg.solve(0 * a, np.ones(3)), r"linalg\.solve: .*singular"),
        (lambda a: linalg.solve_banded((1, 0), a, np.ones(3)), r"ab must have l \+ u \+ 1 = 2 rows"),
        (lambda a: linalg.solve_circulant(0 * a[0], np.ones(3)), "near singular circulant"),
        (lambda a: linalg.companion(0 * a[0]), r"linalg\.companion: a\[0\] must not be 0"),
        (lambda a: linalg.companion(a[0, :1]), r"linalg\.companion: a must have at least 2 elements"),
        (lambda a: linalg.toeplitz(a), r"linalg\.toeplitz: c must be one-dimensional on a tape"),
        (lambda a: linalg.convolution_matrix(a[0], 2, "x"), r"convolution_matrix: mode must be"),
        (lambda a: linalg.diagsvd(a[0], 2, 2), r"linalg\.diagsvd: s must have length M or N"),
        (lambda a: linalg.leslie(a[0], a[0]), r"linalg\.leslie: s must have one element less"),
        (lambda a: linalg.khatri_rao(a, a[:, :2]), r"linalg\.khatri_rao: a and b must be matrices of as many columns"),
        (lambda a: linalg.block_diag(a, a[None]), r"linalg\.block_diag: arguments must have at most 2"),
        (lambda a: linalg.qr(a, mode="raw"), r"linalg\.qr: mode must be"),
        (lambda a: linalg.rq(a[:, :2]), r"linalg\.rq: a must have at most as many rows"),
        (lambda a: linalg.polar(a, "up"), r"linalg\.polar: side must be"),
        (lambda a: linalg.polar(a[:2]), r"linalg\.polar: a must have full rank for side='right'"),
        (lambda a: linalg.eigh(a, type=4), r"linalg\.eigh: type must be 1, 2 or 3"),
        (lambda a: linalg.eig(a, left=True), r"linalg\.eig: b, left"),
        (lambda a: linalg.eigvals(a, a), r"linalg\.eigvals: b and"),
        (lambda a: linalg.schur(a, sort="lhp"), r"linalg\.schur: sort must be None"),
        (lambda a: linalg.schur(a, "x"), r"linalg\.schur: output must be"),
        (
            lambda a: linalg.schur(a + TURN),
            r"linalg\.schur: a must have real eigenvalues",
        ),
        (lambda a: linalg.solve_discrete_lyapunov(a, a, "x"), r"solve_discrete_lyapunov: method must be"),
        (lambda a: linalg.orthogonal_procrustes(a, a[:2]), r"orthogonal_procrustes: A and B must have one shape"),
        (lambda a: linalg.hessenberg(a), r"linalg\.hessenberg: not supported for a Tensor"),
        (lambda a: linalg.cholesky(-a), r"cholesky: .*[Pp]ositive"),
        (lambda a: linalg.solve_continuous_are(a, a, a + np.tri(3), a), "symmetric"),
    ],
)
def test_bad_arguments_are_refused_under_our_name(call: Callable[..., Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(A))


def test_eigh_takes_a_window_by_value() -> None:
    window = [2.2, 9.0]
    w, v = scipy.linalg.eigh(A, subset_by_value=window)
    with tn.GradientTape() as tape:
        found = linalg.eigh(tape.watch(A), subset_by_value=window)
    np.testing.assert_allclose(found[0].value, w)
    np.testing.assert_allclose(np.abs(found[1].value), np.abs(v))
    gradient = tn.grad(lambda a: tnp.sum(linalg.eigvalsh(a, subset_by_value=window)))(A)
    np.testing.assert_allclose(gradient, np.tril(2 * v @ v.T) - np.diag(np.diag(v @ v.T)), atol=1e-12)


def test_pinv_counts_the_rank_by_either_tolerance() -> None:
    a = np.diag([2.0, 1.0, 1e-3])
    for keywords in ({"atol": 0.01}, {"rtol": 0.01}, {"atol": 0.001, "rtol": 0.01}, {}):
        with tn.GradientTape() as tape:
            found, rank = linalg.pinv(tape.watch(a), return_rank=True, **keywords)
        expected, their_rank = scipy.linalg.pinv(a, return_rank=True, **keywords)
        np.testing.assert_allclose(found.value, expected, atol=1e-12)
        assert int(rank) == their_rank


def test_the_derivative_of_expm_does_not_depend_on_the_size_of_the_direction() -> None:
    a, e = A / 4, np.arange(9.0).reshape(3, 3)
    _, exact = tn.jvp(linalg.expm, (a,), (e,))
    _, large = tn.jvp(linalg.expm, (a,), (1e9 * e,))
    np.testing.assert_allclose(large / 1e9, exact, rtol=1e-12)
    np.testing.assert_allclose(exact, scipy.linalg.expm_frechet(a, e)[1], rtol=1e-12)


def test_the_polar_factor_has_a_derivative_where_singular_values_repeat() -> None:
    t = np.arange(9.0).reshape(3, 3)
    _, (u_dot, p_dot) = tn.jvp(linalg.polar, (np.eye(3),), (t,))
    np.testing.assert_allclose(u_dot, (t - t.T) / 2, atol=1e-12)
    np.testing.assert_allclose(p_dot, (t + t.T) / 2, atol=1e-12)


def test_the_permutation_of_lu_is_scipys() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
    with tn.GradientTape() as tape:
        found = linalg.lu(tape.watch(a))
    for one, other in zip(found, scipy.linalg.lu(a), strict=True):
        np.testing.assert_allclose(tn.stop_gradient(one), other, atol=1e-14)
    with tn.GradientTape() as tape:
        found, exchanges = linalg.lu_factor(tape.watch(a.T))
    np.testing.assert_array_equal(exchanges, scipy.linalg.lu_factor(a.T)[1])


def test_least_squares_give_scipys_residues() -> None:
    a, b = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([1.0, 0.0, 2.0])
    with tn.GradientTape() as tape:
        x, residues, rank, _ = linalg.lstsq(tape.watch(a), b)
    expected = scipy.linalg.lstsq(a, b)
    np.testing.assert_allclose(x.value, expected[0])
    np.testing.assert_allclose(residues.value, expected[1])
    assert int(rank) == expected[2]


@pytest.mark.parametrize("matrix", [A - 3 * np.eye(3), A - 3 * np.eye(3) + TURN / 20], ids=["symmetric", "general"])
@pytest.mark.parametrize(
    "function",
    [linalg.logm, linalg.sqrtm, lambda a: linalg.fractional_matrix_power(a, 0.3)],
    ids=["logm", "sqrtm", "fractional_matrix_power"],
)
def test_second_derivatives_stay_on_one_side_of_the_cut(function: Callable[..., Any], matrix: Any) -> None:
    assert (np.linalg.eigvals(matrix).real < 0).any()
    v, w = TURN / 9 + A / 4, np.tri(3)

    def along(a: Any) -> Any:
        return tn.jvp(function, (a,), (v,))[1]

    by_difference = (along(matrix + 1e-5 * w) - along(matrix - 1e-5 * w)) / 2e-5
    np.testing.assert_allclose(tn.jvp(along, (matrix,), (w,))[1], by_difference, rtol=1e-6, atol=1e-6)
    reverse = tn.grad(lambda a: tnp.sum(tnp.real(along(a))))(matrix)
    np.testing.assert_allclose(np.sum(reverse * w), np.sum(by_difference.real), rtol=1e-6, atol=1e-6)


def test_derivatives_across_the_cut_keep_single_precision() -> None:
    a = np.diag(np.array([-1.0, 2.0], np.float32))
    assert tn.jvp(linalg.sqrtm, (a,), (np.ones_like(a),))[1].dtype == np.complex64


STACKED = {
    "cho_factor": lambda xp, a: xp.cho_factor(a @ np.swapaxes(a, -1, -2)),
    "eigh": lambda xp, a: xp.eigh(a @ np.swapaxes(a, -1, -2), eigvals_only=True),
    "lu_solve": lambda xp, a: xp.lu_solve(xp.lu_factor(a), np.ones((3, 2))),
    "solve_banded": lambda xp, a: xp.solve_banded((1, 1), a, np.ones(3)),
    "solve_discrete_are": lambda xp, a: xp.solve_discrete_are(a / 4, np.eye(3), np.eye(3), np.eye(3)),
    "khatri_rao": lambda xp, a: xp.khatri_rao(a, a[0]),
    "leslie": lambda xp, a: xp.leslie(a[..., 0], a[..., :2, 1]),
    "svd": lambda xp, a: xp.svd(a, compute_uv=False),
}


@pytest.mark.parametrize("name", STACKED)
def test_stacks_of_matrices_give_stacks_as_in_scipy(name: str) -> None:
    a = np.random.default_rng(3).normal(size=(3, 2, 3, 3)) + 4 * np.eye(3)
    expected = STACKED[name](scipy.linalg, a)
    with tn.GradientTape() as tape:
        found = STACKED[name](linalg, tape.watch(a))
    leaves, others = (list(x) if isinstance(x, tuple | list) else [x] for x in (found, expected))
    for one, other in zip(leaves, others, strict=True):
        np.testing.assert_allclose(getattr(one, "value", one), other, rtol=1e-11, atol=1e-11)


def test_a_stack_moves_matrix_by_matrix() -> None:
    a = np.random.default_rng(3).normal(size=(2, 3, 3)) + 4 * np.eye(3)
    together = tn.grad(lambda a: tnp.sum(linalg.lu(a)[2] ** 2))(a)
    alone = [tn.grad(lambda a: tnp.sum(linalg.lu(a)[2] ** 2))(one) for one in a]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentError, match=r"linalg\.sinm: a stack must not be empty"):
        linalg.sinm(tape.watch(a)[:0])


def test_functions_of_matrices_with_dependent_eigenvectors_are_refused() -> None:
    with pytest.raises(LinAlgError, match="linearly independent eigenvectors"):
        tn.jvp(lambda a: linalg.funm(a, np.exp), (np.array([[2.0, 1.0], [0.0, 2.0]]),), (np.eye(2),))
