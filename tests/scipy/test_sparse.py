"""Sparse arrays on a tape: what they do, that derivatives are those of dense matrices, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import sparse
from tapenet.testing import check_grads

RNG = np.random.default_rng(3)
MATRIX = scipy.sparse.csr_array(np.diag([4.0, 5, 6]) + np.array([[0, 1.0, 0], [0, 0, -1], [0.5, 0, 0]]))
DATA, B = MATRIX.data, np.array([1.0, -2.0, 0.5])


def made(data: Any) -> Any:
    return sparse.csr_array((data, MATRIX.indices, MATRIX.indptr), shape=(3, 3))


OF_ARRAYS: list[Callable[[Any], Any]] = [
    lambda a: a @ B,
    lambda a: B @ a,
    lambda a: a.T @ np.ones((3, 2)),
    lambda a: np.ones((2, 3)) @ a,
    lambda a: a.dot(B),
    lambda a: a.toarray(),
    lambda a: a.tocsc().todense(),
    lambda a: a.tocoo() @ B,
    lambda a: a.diagonal(),
    lambda a: a.sum(),
    lambda a: a.sum(0),
    lambda a: a.sum(axis=-1),
    lambda a: (2 * a - a / 3 + (-a)).data,
    lambda a: (a + MATRIX).toarray(),
    lambda a: (MATRIX.tocsr() - a).toarray() if isinstance(a, scipy.sparse.csr_array) else (-a + MATRIX).toarray(),
    lambda a: a + np.ones((3, 3)),
    lambda a: a.asformat("csr").data,
]


@pytest.mark.parametrize("f", OF_ARRAYS)
def test_what_arrays_do_is_what_scipys_do(f: Callable[[Any], Any]) -> None:
    with tn.GradientTape() as tape:
        found = f(made(tape.watch(DATA)))
    np.testing.assert_allclose(found.value, f(made(DATA)), rtol=1e-14)
    check_grads(lambda data: f(made(data)), (DATA,))


def test_plain_data_make_scipys_arrays() -> None:
    assert type(made(DATA)) is scipy.sparse.csr_array
    assert sparse.issparse(made(DATA))
    assert type(sparse.coo_array(np.eye(2))) is scipy.sparse.coo_array
    with tn.GradientTape() as tape:
        a = made(tape.watch(DATA))
        assert isinstance(a, sparse.SparseArray)
        assert sparse.issparse(a)
        assert (a.shape, a.nnz, a.ndim, a.format, a.dtype) == ((3, 3), 6, 2, "csr", np.float64)
        assert repr(a) == "<SparseArray of shape (3, 3), float64>"
        np.testing.assert_array_equal(a.indices, MATRIX.indices)
        np.testing.assert_array_equal(a.indptr, MATRIX.indptr)
        np.testing.assert_array_equal(a.coords, MATRIX.tocoo().coords)
        dense = sparse.csc_array(tape.watch(np.eye(2)))
        np.testing.assert_array_equal(dense.toarray().value, np.eye(2))


def test_solutions_have_the_derivatives_of_dense_ones() -> None:
    def dense(data: Any, b: Any) -> Any:
        return np.linalg.solve(made(data).toarray(), b)

    for b in (B, RNG.normal(size=(3, 2))):
        found = tn.jacobian(lambda d, b: sparse.linalg.spsolve(made(d), b), argnums=(0, 1))(DATA, b)
        for one, other in zip(found, tn.jacobian(dense, argnums=(0, 1))(DATA, b), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-14)
    batch = tn.vmap(lambda d: sparse.linalg.spsolve(made(d), B))(np.stack([DATA, 2 * DATA]))
    np.testing.assert_allclose(batch[1], batch[0] / 2)


def test_solvers_take_operators_and_preconditioners() -> None:
    inverse = np.linalg.inv(MATRIX.toarray())
    jacobi = scipy.sparse.diags_array(1 / MATRIX.diagonal())
    for a in (
        MATRIX,
        scipy.sparse.linalg.aslinearoperator(MATRIX),
        MATRIX.toarray(),
        tn.linear_operator(made_product, B),
    ):
        found = tn.jacobian(lambda b, a=a: sparse.linalg.gmres(a, b, M=jacobi, rtol=1e-12)[0])(B)
        np.testing.assert_allclose(found, inverse, atol=1e-10)
    steps: list[Any] = []
    with tn.GradientTape() as tape:
        b = tape.watch(B)
        x, code = sparse.linalg.lgmres(MATRIX, b, np.ones(3), rtol=1e-12, callback=lambda x: steps.append(1))
    assert code == 0
    assert steps
    np.testing.assert_allclose(tape.jacobian(x, b), inverse, atol=1e-10)


def made_product(x: Any) -> Any:
    return MATRIX @ x


def test_operators_of_tapenet_take_sparse_arrays() -> None:
    def energy(data: Any) -> Any:
        a = made(data)
        return tnp.sum(tn.operators.gmres(a, B)) if isinstance(a, sparse.SparseArray) else None

    expected = tn.grad(lambda data: tnp.sum(sparse.linalg.spsolve(made(data), B)))(DATA)
    np.testing.assert_allclose(tn.grad(energy)(DATA), expected, rtol=1e-8)


def test_a_heat_equation_is_fitted_by_its_conductivities() -> None:
    def solved(k: Any) -> Any:
        a = sparse.diags_array([k[:-1] + k[1:], -k[1:-1], -k[1:-1]], offsets=[0, 1, -1], format="csr")
        return sparse.linalg.spsolve(a, np.ones(20))

    k = 1 + 0.5 * RNG.random(21)
    check_grads(lambda k: tnp.sum(solved(k) ** 2), (k,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a @ scipy.sparse.csr_array(np.ones((5, 2))), "B must have 3 rows"),
        (lambda a: a @ np.ones(4), r"x must have shape \(3,\) or \(3, k\); got \(4,\)"),
        (lambda a: a * np.ones(3), "x must be a number on a tape"),
        (lambda a: a + scipy.sparse.csr_array(np.ones((5, 2))), "a sum must be of one shape"),
        (lambda a: a.tocoo().indptr, "a coo array has none"),
        (lambda a: sparse.csr_array((a.data[:, None], MATRIX.indices, MATRIX.indptr)), "data must be a vector"),
        (lambda a: sparse.coo_array((a.data, ([0], [0]))), r"sparse\.coo_array: .*must have the same length"),
        (lambda a: sparse.csr_array((a.data[:2], [0, 5], [0, 1, 2]), shape=(2, 2)), r"sparse\.csr_array: .*indices"),
        (lambda a: sparse.linalg.spsolve(a, np.ones(2)), r"sparse\.linalg\.spsolve: b must have shape \(3,\)"),
        (lambda a: sparse.linalg.spsolve(0 * a, B), r"sparse\.linalg\.spsolve: A must be regular"),
        (lambda a: sparse.linalg.spsolve(a.data, B), r"sparse\.linalg\.spsolve: A must be a matrix"),
        (lambda a: sparse.linalg.spsolve_triangular(a, B), "A must be lower triangular"),
        (lambda a: sparse.linalg.cg(a, B, maxiter=1, rtol=1e-14), r"sparse\.linalg\.cg: x must converge; got the code"),
        (lambda a: sparse.linalg.cg(MATRIX, B, a.data[:3]), r"sparse\.linalg\.cg: x0 and settings must not be Tensors"),
        (lambda a: sparse.linalg.norm(a, 1), r"sparse\.linalg\.norm: ord must be None"),
        (lambda a: sparse.linalg.splu(a).solve(B, "X"), r"sparse\.linalg\.splu: trans must be 'N', 'T' or 'H'"),
        (lambda a: sparse.linalg.inv(a), r"Write sparse\.linalg\.spsolve"),
        (lambda a: sparse.linalg.matrix_power(a, 0), r"matrix_power: power must be at least 1"),
        (lambda a: sparse.block_array([[a, a], [a]]), "blocks must be rows of one length"),
        (lambda a: sparse.block_array([[a, None], [a, None]]), "each row and column of blocks must have a block"),
        (lambda a: sparse.hstack([a, np.ones((2, 2))]), r"must have as many rows; got \[3, 2\]"),
        (lambda a: sparse.vstack([a, a], format="dia"), "format must be 'coo', 'csr' or 'csc'"),
        (lambda a: sparse.kronsum(a, np.ones((2, 3))), "A and B must be square"),
        (lambda a: sparse.diags_array([a.data], offsets=[0, 1]), "diagonals must be as many as offsets"),
        (lambda a: sparse.diags_array([a.data], offsets=[1], shape=(3, 3)), "the diagonal at offset 1 must have 2"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[Any], Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(made(tape.watch(DATA)))


def test_matrices_multiply_by_their_star_as_scipys_do() -> None:
    theirs = scipy.sparse.csr_matrix(MATRIX)
    with tn.GradientTape() as tape:
        a = sparse.csr_matrix((tape.watch(theirs.data), theirs.indices, theirs.indptr), shape=(3, 3))
        np.testing.assert_allclose((a * a).toarray().value, (theirs * theirs).toarray())
        np.testing.assert_allclose((a * theirs * 2).toarray().value, (theirs * theirs).toarray() * 2)
        np.testing.assert_allclose((theirs @ a.T).toarray().value, (theirs @ theirs.T).toarray())
        np.testing.assert_allclose((np.ones(3) * a).value, np.ones(3) @ theirs)
        np.testing.assert_allclose((a.T + a).toarray().value, (theirs.T + theirs).toarray())
        assert (a.tocsc() * np.ones(3)).shape == (3,)


def test_a_factorization_is_used_again_for_each_right_hand_side() -> None:
    csc, b = scipy.sparse.csc_array(MATRIX), np.arange(6.0).reshape(3, 2) + 1j
    made, theirs = sparse.linalg.splu(csc), scipy.sparse.linalg.splu(csc)
    assert made.shape == theirs.shape
    assert made.nnz == theirs.nnz
    for trans in ("N", "T", "H"):
        np.testing.assert_array_equal(made.solve(b.real, trans), theirs.solve(b.real, trans))
        with tn.GradientTape() as tape:
            x = made.solve(tape.watch(b), trans)
        dense = {"N": csc, "T": csc.T, "H": csc.T}[trans]
        np.testing.assert_allclose((dense @ x.value), b, rtol=1e-12)
        check_grads(lambda b, trans=trans: made.solve(b, trans), (b,))
    with tn.GradientTape() as tape, pytest.raises(AttributeError, match="perm_c can be read where A is plain"):
        sparse.linalg.splu(sparse.csc_array((tape.watch(csc.data), csc.indices, csc.indptr))).perm_c  # noqa: B018


def test_arrays_whose_tape_has_closed_are_constants() -> None:
    with tn.GradientTape() as tape:
        a = sparse.csr_array((tape.watch(DATA), MATRIX.indices, MATRIX.indptr), shape=MATRIX.shape)
    dense = a.toarray()
    np.testing.assert_allclose(sparse.hstack([a, MATRIX]).toarray(), np.hstack([dense, MATRIX.toarray()]))
    np.testing.assert_allclose(sparse.kron(a, a).toarray(), np.kron(dense, dense))
    np.testing.assert_allclose(sparse.linalg.spsolve(a, B), np.linalg.solve(dense, B))
    np.testing.assert_allclose(sparse.linalg.norm(a), np.linalg.norm(dense))


def test_an_element_that_is_not_finite_stays_where_it_is() -> None:
    data = np.where(np.arange(len(DATA)) == 1, np.nan, DATA)
    with tn.GradientTape() as tape:
        found = sparse.csr_array((tape.watch(data), MATRIX.indices, MATRIX.indptr), shape=MATRIX.shape).toarray()
    assert np.isnan(found.value).sum() == 1
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentError, match=r"sparse\.linalg\.lgmres: RHS must contain"):
        sparse.linalg.lgmres(MATRIX, tape.watch(np.full(3, np.nan)))
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentError, match=r"sparse\.diags_array: diagonals must be v"):
        sparse.diags_array(tape.watch(np.ones(())))
