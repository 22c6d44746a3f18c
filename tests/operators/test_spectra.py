"""Eigenvalues and singular values of operators, and estimates of traces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

RNG = np.random.default_rng(0)
B = RNG.standard_normal((5, 5))
SPD = B @ B.T + 4 * np.eye(5)
R = RNG.standard_normal((6, 4))


def symmetric(m: Any) -> Any:
    return (m + m.T) / 2


def generator() -> np.random.Generator:
    return np.random.default_rng(1)


# ---- spectra ----


@pytest.mark.parametrize(("which", "places"), [("LA", slice(-2, None)), ("SA", slice(0, 2)), ("LM", slice(-2, None))])
def test_eigenvalues_and_vectors(which: Any, places: slice) -> None:
    pytest.importorskip("scipy")
    values, vectors = tn.operators.eigsh(SPD, 2, which=which)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(SPD)[places])
    np.testing.assert_allclose(SPD @ vectors, vectors * values)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(2), atol=1e-12)
    assert (vectors[np.abs(vectors).argmax(0), [0, 1]] > 0).all()
    check_grads(lambda m: tuple(tn.operators.eigsh(symmetric(m), 2, which=which)), (SPD,), order=2)


def test_singular_values_and_vectors() -> None:
    pytest.importorskip("scipy")
    for matrix in (R, R.T):
        u, s, vh = tn.operators.svds(matrix, 2)
        np.testing.assert_allclose(s, np.linalg.svd(matrix)[1][:2])
        np.testing.assert_allclose(matrix @ vh.T, u * s)
        np.testing.assert_allclose(matrix.T @ u, vh.T * s)
    check_grads(lambda m: tuple(tn.operators.svds(m, 2)), (R,), order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("shape", [(5, 4), (3, 7), (4, 4)])
def test_singular_vectors_where_the_rank_is_less_than_k(shape: tuple[int, int], rank: int, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    A = (rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))).astype(dtype)
    k = min(shape) - 1
    U, S, Vh = tn.operators.svds(A, k)
    assert U.dtype == S.dtype == Vh.dtype == dtype
    atol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=atol)
    np.testing.assert_allclose(Vh @ Vh.T, np.eye(k), atol=atol)
    np.testing.assert_allclose(A @ Vh.T, U * S, atol=atol)
    np.testing.assert_allclose(S, np.linalg.svd(A)[1][:k], atol=atol)


def test_a_zero_operator_has_eigenvalues() -> None:
    values, vectors = tn.operators.eigsh(np.zeros((4, 4)), 2)
    np.testing.assert_array_equal(values, [0.0, 0.0])
    np.testing.assert_array_equal(vectors.T @ vectors, np.eye(2))


def test_a_cluster_of_eigenvalues_in_single_precision() -> None:
    A = (np.eye(30) + 1e-9 * np.diag(np.arange(30.0))).astype(np.float32)
    A[0, 1] = A[1, 0] = 1e-7
    values = tn.operators.eigsh(A, 2).eigenvalues
    np.testing.assert_allclose(values, 1, rtol=1e-6)


def test_a_matrix_that_is_not_symmetric_is_refused() -> None:
    A = np.random.default_rng(0).standard_normal((6, 6))
    with pytest.raises(tn.ConvergenceError, match=r"eigsh: a must be symmetric, .* got \|a v - w v\| = \d"):
        tn.operators.eigsh(A, 2)


def test_the_sharpness_of_a_loss_is_differentiable() -> None:
    pytest.importorskip("scipy")

    def loss(x: Any, p: Any) -> Any:
        return p * tnp.sum(x["a"] ** 4) + tnp.sum(x["a"]) * x["s"] + x["s"] ** 2

    x = {"a": np.array([0.5, 1.0, 1.5]), "s": 0.3}

    def sharpness(x: Any, p: Any) -> Any:
        return tn.operators.eigsh(tn.linear_operator(loss, x, p, kind="hessian"), 1).eigenvalues[0]

    dense = tn.linear_operator(loss, x, 2.0, kind="hessian").to_dense()
    np.testing.assert_allclose(sharpness(x, 2.0), np.linalg.eigvalsh(dense)[-1])
    check_grads(sharpness, (x, 2.0))


def test_the_spectral_norm_of_a_jacobian() -> None:
    pytest.importorskip("scipy")
    x = np.array([0.3, -0.5, 0.8])

    def norm(x: Any) -> Any:
        return tn.operators.svds(tn.linear_operator(lambda x: tnp.tanh(R[:, :3] @ x), x), 1).S[0]

    np.testing.assert_allclose(norm(x), np.linalg.norm(tn.jacobian(lambda x: tnp.tanh(R[:, :3] @ x))(x), 2))
    check_grads(norm, (x,))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: tn.operators.eigsh(SPD, 5),
            r"eigsh: k must be less than the size of a, 5; got 5. Take tnp.linalg.eigh",
        ),
        (lambda: tn.operators.svds(R, 4), r"svds: k must be less than the size of a, 4; got 4. Take tnp.linalg.svd"),
        (lambda: tn.operators.eigsh(R, 1), "eigsh: a must be square"),
        (lambda: tn.operators.eigsh(SPD * 1j, 1), "eigsh: a must be real"),
        (lambda: tn.operators.trace(R, generator()), "trace: a must be square"),
        (lambda: tn.operators.logdet(SPD * 1j, generator()), "logdet: a must be real"),
        (lambda: tn.operators.logdet(SPD - 6 * np.eye(5), generator()), "logdet: a must be positive definite"),
        (lambda: tn.operators.trace(SPD, 1), "trace: rng must be"),
    ],
)
def test_wrong_arguments(call: Any, text: str) -> None:
    pytest.importorskip("scipy")
    with pytest.raises(tn.TapenetError, match=text):
        call()


def test_eigenvalues_that_do_not_converge() -> None:
    pytest.importorskip("scipy")
    close = np.diag(1 + 1e-9 * np.arange(200.0))
    with pytest.raises(tn.ConvergenceError, match="eigsh: eigenvalues must converge to tolerance 1e-14"):
        tn.operators.eigsh(close, 1, tolerance=1e-14, max_steps=1)


def test_vectors_of_a_double_eigenvalue_have_no_derivative() -> None:
    pytest.importorskip("scipy")
    A = np.diag([1.0, 3.0, 3.0, 2.0])
    with pytest.raises(tn.ConvergenceError, match="eigsh: an eigenvalue must be simple for its vector"):
        tn.grad(lambda m: tn.operators.eigsh(m, 2).eigenvectors.sum())(A)
    sums = tn.grad(lambda m: tn.operators.eigsh(m, 2).eigenvalues.sum())(A)
    np.testing.assert_allclose(sums, np.diag([0.0, 1.0, 1.0, 0.0]), atol=1e-12)
    with pytest.raises(tn.ConvergenceError, match="eigsh: products with a must be finite"):
        tn.operators.eigsh(np.full((4, 4), np.nan), 2)


# ---- estimates ----


def test_estimates_have_their_means_and_errors() -> None:
    pytest.importorskip("scipy")
    value, error = tn.operators.trace(SPD, generator(), samples=2000)
    assert abs(value - np.trace(SPD)) < 4 * error < 1.0
    value, error = tn.operators.diagonal(SPD, generator(), samples=2000)
    assert (np.abs(value - np.diag(SPD)) < 4 * error).all()
    value, error = tn.operators.logdet(SPD, generator(), samples=500)
    assert abs(value - np.linalg.slogdet(SPD)[1]) < 4 * error < 0.3


def test_estimates_of_diagonal_operators_are_exact() -> None:
    pytest.importorskip("scipy")
    d = np.array([1.0, 2.0, 5.0, 0.5])
    for found, wanted in (
        (tn.operators.trace(np.diag(d), generator()), d.sum()),
        (tn.operators.diagonal(np.diag(d), generator()), d),
        (tn.operators.logdet(np.diag(d), generator()), np.log(d).sum()),
    ):
        np.testing.assert_allclose(found.value, wanted)
        np.testing.assert_allclose(found.error, 0, atol=1e-12)


def test_a_diagonal_has_the_structure_of_x() -> None:
    def loss(x: Any) -> Any:
        return tnp.sum(x["a"] ** 3) + x["s"] ** 2

    x = {"a": np.array([1.0, 2.0]), "s": 0.5}
    found = tn.operators.diagonal(tn.linear_operator(loss, x, kind="hessian"), generator())
    assert tn.tree.allclose(found.value, {"a": np.array([6.0, 12.0]), "s": 2.0})
    assert tn.tree.allclose(found.error, {"a": np.zeros(2), "s": 0.0})


def test_derivatives_of_estimates() -> None:
    pytest.importorskip("scipy")
    check_grads(lambda m: tuple(tn.operators.trace(m, generator())), (SPD,), order=2)
    check_grads(lambda m: tuple(tn.operators.diagonal(m, generator())), (SPD,), order=1)

    def estimate(m: Any) -> Any:
        return tn.operators.logdet(m, generator(), samples=1000).value

    inverse = np.linalg.inv(SPD)
    np.testing.assert_allclose(tn.grad(estimate)(SPD), inverse, atol=0.02)
    direction = symmetric(RNG.standard_normal((5, 5)))
    pushed = tn.jvp(estimate, (SPD,), (direction,))[1]
    np.testing.assert_allclose(pushed, np.sum(tn.grad(estimate)(SPD) * direction), rtol=1e-6)


def test_an_estimate_of_few_steps_is_near() -> None:
    n = 200
    A = np.diag(np.linspace(1.0, 4.0, n))
    value, _ = tn.operators.logdet(A, generator(), steps=8, samples=5)
    np.testing.assert_allclose(value, np.log(np.diag(A)).sum(), rtol=1e-5)
