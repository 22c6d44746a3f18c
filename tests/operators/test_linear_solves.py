"""Krylov solvers: solutions against dense ones, and derivatives by operators, by right sides, and of higher order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

pytest.importorskip("scipy")
cg, minres, gmres, lsqr = tn.operators.cg, tn.operators.minres, tn.operators.gmres, tn.operators.lsqr

RNG = np.random.default_rng(0)
B = RNG.standard_normal((4, 4))
SPD = B @ B.T + 4 * np.eye(4)
INDEFINITE = SPD - 6 * np.eye(4)
b = RNG.standard_normal(4)


def symmetric(m: Any) -> Any:
    return (m + m.T) / 2


def same(m: Any) -> Any:
    return m


SOLVERS = [(cg, SPD, symmetric), (minres, INDEFINITE, symmetric), (gmres, B + 3 * np.eye(4), same), (lsqr, B, same)]


@pytest.mark.parametrize(("solver", "A", "as_is"), SOLVERS, ids=lambda x: getattr(x, "__name__", ""))
def test_solutions_and_derivatives_by_matrices(solver: Any, A: Any, as_is: Callable[[Any], Any]) -> None:
    np.testing.assert_allclose(solver(A, b), np.linalg.solve(A, b), rtol=1e-6)
    check_grads(lambda A, b: solver(as_is(A), b, tolerance=1e-13), (A, b), order=2)


@pytest.mark.parametrize("solver", [cg, minres, gmres, lsqr])
def test_operators_on_pytrees(solver: Any) -> None:
    x = {"a": np.array([1.0, 2.0, 3.0]), "s": 0.5}

    def loss(x: Any, p: Any) -> Any:
        return p * tnp.sum(x["a"] ** 4) + x["s"] ** 2 + 0.1 * tnp.sum(x["a"]) * x["s"]

    def solution(x: Any, p: Any) -> Any:
        return solver(tn.linear_operator(loss, x, p, kind="hessian"), x, tolerance=1e-12)

    found = solution(x, 1.5)
    H = tn.linear_operator(loss, x, 1.5, kind="hessian")
    assert tn.tree.allclose(H @ found, x)
    flat = np.array([1.0, 2.0, 3.0, 0.5])
    np.testing.assert_allclose(solver(H, flat, tolerance=1e-12), np.linalg.solve(H.to_dense(), flat))
    p = 1.5
    by_p = tn.jvp(lambda p: solution(x, p), (p,), (1.0,))[1]
    exactly = tn.jacfwd(lambda p: tnp.linalg.solve(tn.linear_operator(loss, x, p, kind="hessian").to_dense(), flat))(p)
    assert tn.tree.allclose(by_p, {"a": exactly[:3], "s": exactly[3]})
    by_x = tn.grad(lambda x: solution(x, p)["s"])(x)
    h = 1e-6
    higher, lower = (solution({"a": x["a"], "s": x["s"] + way * h}, p)["s"] for way in (1, -1))
    np.testing.assert_allclose(by_x["s"], (higher - lower) / (2 * h), rtol=1e-5)


def test_complex_equations() -> None:
    A = B + 1j * RNG.standard_normal((4, 4)) + 5 * np.eye(4)
    c = b + 1j
    np.testing.assert_allclose(gmres(A, c), np.linalg.solve(A, c))
    hermitian = A @ A.conj().T
    np.testing.assert_allclose(cg(hermitian, c), np.linalg.solve(hermitian, c), rtol=1e-6)
    check_grads(lambda A, c: gmres(A, c, tolerance=1e-13), (A, c))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_least_squares_of_any_shape(shape: tuple[int, int]) -> None:
    A, c = RNG.standard_normal(shape), RNG.standard_normal(shape[0])
    np.testing.assert_allclose(lsqr(A, c), np.linalg.pinv(A) @ c, rtol=1e-8)
    check_grads(lambda A, c: lsqr(A, c, tolerance=1e-13), (A, c), order=2)


def test_least_squares_without_full_rank() -> None:
    A = RNG.standard_normal((6, 2)) @ RNG.standard_normal((2, 4))
    c = RNG.standard_normal(6)
    np.testing.assert_allclose(lsqr(A, c), np.linalg.pinv(A) @ c, rtol=1e-8)
    derivative = tn.grad(lambda A: lsqr(A, c, tolerance=1e-13).sum())(A)
    np.testing.assert_allclose(derivative, tn.grad(lambda A: (tnp.linalg.pinv(A, rcond=1e-10) @ c).sum())(A), atol=1e-8)


def test_sparse_matrices_are_constants() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    n = 30
    A = sparse.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    c = RNG.standard_normal(n)
    for solver in (cg, minres, gmres, lsqr):
        np.testing.assert_allclose(solver(A, c), np.linalg.solve(A.toarray(), c), rtol=1e-6)
    np.testing.assert_allclose(
        tn.grad(lambda c: cg(A, c).sum())(c), np.linalg.solve(A.toarray(), np.ones(n)), rtol=1e-6
    )


def test_mapped_and_compiled() -> None:
    cs = np.stack([b, 2 * b])
    np.testing.assert_allclose(tn.vmap(lambda c: cg(SPD, c))(cs), np.linalg.solve(SPD, cs.T).T, rtol=1e-6)
    gradient = tn.compile(tn.grad(lambda c: cg(SPD, c).sum()))
    for _ in range(3):
        np.testing.assert_allclose(gradient(b), np.linalg.solve(SPD, np.ones(4)), rtol=1e-6)


@pytest.mark.parametrize("form", ["matrix", "operator", "function"])
def test_preconditioners_change_no_solution(form: str) -> None:
    A = np.diag(np.arange(1.0, 101.0) ** 2)
    c = np.ones(100)
    inverse = np.diag(1 / np.diag(A))
    given: Any = {
        "matrix": inverse,
        "operator": tn.linear_operator(lambda x: inverse @ x, c),
        "function": lambda x: x / np.diag(A),
    }[form]
    for solver in (cg, minres, gmres):
        x = solver(A, c, max_steps=5, preconditioner=given)
        np.testing.assert_allclose(x, 1 / np.diag(A), rtol=1e-8)
        by_c = tn.grad(lambda c, solver=solver: solver(A, c, max_steps=5, preconditioner=given).sum())(c)
        np.testing.assert_allclose(by_c, 1 / np.diag(A), rtol=1e-8)


def test_the_transpose_is_solved_with_the_transposed_preconditioner() -> None:
    n = 100
    A = np.diag(np.arange(1.0, n + 1) ** 2) + np.diag(np.arange(1.0, n) ** 2, 1)
    inverse = np.linalg.inv(A)
    slope = tn.grad(lambda c: (gmres(A, c, max_steps=3, preconditioner=inverse) ** 2).sum())(np.ones(n))
    x = np.linalg.solve(A, np.ones(n))
    np.testing.assert_allclose(slope, np.linalg.solve(A.T, 2 * x), rtol=1e-6)


def test_what_does_not_converge() -> None:
    A = np.diag(np.arange(1.0, 101.0) ** 2)
    for solver in (cg, minres, gmres):
        with pytest.raises(tn.ConvergenceError, match=rf"{solver.__name__}: x must converge .* max_steps=3; got"):
            solver(A, np.ones(100), max_steps=3)
    with pytest.raises(tn.ConvergenceError, match=r"lsqr: x must converge .* max_steps=3"):
        lsqr(A, np.ones(100), max_steps=3)
    with pytest.raises(tn.ConvergenceError, match="cg: x must converge"):
        cg(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0]))


def test_right_sides_of_zeros_and_nan() -> None:
    for solver in (cg, minres, gmres, lsqr):
        np.testing.assert_array_equal(solver(SPD, np.zeros(4)), np.zeros(4))
    for solver in (cg, minres, gmres):
        assert np.isnan(solver(SPD, np.full(4, np.nan))).all()


def test_an_operator_that_captures_a_tensor() -> None:
    def solution(p: Any) -> Any:
        return cg(tn.linear_operator(lambda x: p * x, np.ones(3)), np.ones(3)).sum()

    with pytest.raises(
        tn.ArgumentError,
        match=r"cg: .* must take every Tensor that it uses as an argument",
    ):
        tn.grad(solution)(2.0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: cg(np.ones((2, 3)), np.ones(2)), r"cg: a must be square; got shape \(2, 3\). Take lsqr"),
        (lambda: cg(SPD, np.ones(3)), r"cg: b must have the structure and shapes \[\(4,\)\]"),
        (lambda: gmres(np.ones(3), b), "gmres: a must be a matrix of floats or complex numbers"),
        (lambda: gmres(lambda x: x, b), "gmres: a must be an operator or a matrix; got function"),
        (lambda: minres(SPD * 1j, b), "minres: a must be real"),
        (lambda: lsqr(SPD * 1j, b), "lsqr: a must be real"),
        (lambda: cg(SPD, b, tolerance=0.0), r"cg: tolerance must be in \(0, 1\)"),
        (lambda: cg(SPD, b, max_steps=0), "cg: max_steps must be a positive int"),
        (
            lambda: cg(SPD, b, preconditioner=3),
            "cg: preconditioner must be an operator, a matrix or a function; got int",
        ),
        (lambda: cg(SPD, b, preconditioner=np.eye(3)), r"cg: preconditioner must have the shape of a, \(4, 4\)"),
    ],
)
def test_wrong_arguments(call: Any, text: str) -> None:
    with pytest.raises(tn.TapenetError, match=text):
        call()


def test_single_precision_stays() -> None:
    A, c = SPD.astype(np.float32), b.astype(np.float32)
    for solver in (cg, minres, gmres, lsqr):
        x = solver(A, c, tolerance=1e-5)
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, np.linalg.solve(SPD, b), rtol=1e-3, atol=1e-5)
        assert tn.grad(lambda A, solver=solver: solver(A, c, tolerance=1e-5).sum())(A).dtype == np.float32


@pytest.mark.parametrize("solver", [cg, minres, gmres, lsqr])
@pytest.mark.parametrize("size", [3, 10, 40])
def test_single_precision_converges_as_far_as_it_can(solver: Any, size: int) -> None:
    rng = np.random.default_rng(size)
    half = rng.standard_normal((size, size))
    A, c = (half @ half.T / size + np.eye(size)).astype(np.float32), rng.standard_normal(size).astype(np.float32)
    x = solver(A, c)
    assert x.dtype == np.float32
    np.testing.assert_allclose(A @ x, c, atol=1e-4)
