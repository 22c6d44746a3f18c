"""Linear algebra where derivatives need a convention: closed forms, singular matrices, repeated values, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

Array = Any
la = tnp.linalg

A = np.array([[2.0, -1.0, 0.5], [0.3, 1.5, -0.2], [1.0, 0.4, 3.0]])


def orthogonal(n: int, seed: int = 0) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


# ---- closed forms ----


def test_the_gradient_of_logdet_is_the_inverse_transposed() -> None:
    np.testing.assert_allclose(tn.grad(lambda a: la.slogdet(a)[1])(A), np.linalg.inv(A).T)


def test_the_gradient_of_det_is_the_cofactor_matrix() -> None:
    np.testing.assert_allclose(tn.grad(la.det)(A), np.linalg.det(A) * np.linalg.inv(A).T)


def test_the_gradient_of_a_quadratic_form_of_the_inverse() -> None:
    b = np.array([1.0, 2.0, 3.0])
    x = np.linalg.solve(A, b)
    y = np.linalg.solve(A.T, b)
    np.testing.assert_allclose(tn.grad(lambda a: b @ la.solve(a, b))(A), -np.outer(y, x))


def test_the_hessian_of_minus_logdet_is_the_product_of_inverses(rng: np.random.Generator) -> None:
    t = rng.standard_normal((3, 3))
    inverse = np.linalg.inv(A)
    found = tn.hvp(lambda a: -la.slogdet(a)[1])(A, t)
    np.testing.assert_allclose(found, inverse.T @ t.T @ inverse.T)


def test_slogdet_does_not_overflow_where_det_does() -> None:
    a = 1e100 * A
    with np.errstate(over="ignore"):
        assert np.isinf(np.linalg.det(np.kron(np.eye(2), a)))
    np.testing.assert_allclose(tn.grad(lambda a: la.slogdet(a).logabsdet)(a), np.linalg.inv(a).T)


def test_complex_cotangents_are_not_conjugated() -> None:
    a = A + 1j * A.T
    np.testing.assert_allclose(tn.grad(lambda a: la.det(a).real)(a), np.linalg.det(a) * np.linalg.inv(a).T)


# ---- det where nothing can be inverted ----


def cofactors(a: Array) -> Array:
    n = len(a)
    minors = [[np.delete(np.delete(a, i, 0), j, 1) for j in range(n)] for i in range(n)]
    return np.array([[(-1) ** (i + j) * np.linalg.det(minors[i][j]) for j in range(n)] for i in range(n)])


@given(rank=st.integers(0, 4), seed=st.integers(0, 1000), is_complex=st.booleans())
def test_det_has_its_gradient_at_singular_matrices_of_every_rank(rank: int, seed: int, is_complex: bool) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    if is_complex:
        a = a * (1 + 0.5j)
    np.testing.assert_allclose(tn.grad(lambda a: la.det(a).real)(a), cofactors(a), rtol=1e-8, atol=1e-8)
    t = rng.standard_normal((4, 4)).astype(a.dtype)
    np.testing.assert_allclose(tn.jvp(la.det, (a,), (t,))[1], np.sum(cofactors(a) * t), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_det_has_higher_derivatives_at_singular_matrices(rank: int) -> None:
    rng = np.random.default_rng(rank)
    a = rng.standard_normal((3, rank)) @ rng.standard_normal((rank, 3))
    check_grads(la.det, (a,), order=3)
    check_grads(la.det, (np.stack([a, A]),), order=2)


@pytest.mark.parametrize("smallest", np.geomspace(1e-14, 1e-4, 21))
def test_det_is_accurate_at_nearly_singular_matrices(smallest: float) -> None:
    a = orthogonal(3) @ np.diag([1.0, 0.5, smallest]) @ orthogonal(3, 1)
    np.testing.assert_allclose(tn.grad(la.det)(a), cofactors(a), rtol=1e-12, atol=1e-15)


def test_det_of_the_zero_matrix() -> None:
    np.testing.assert_array_equal(tn.grad(la.det)(np.zeros((2, 2))), np.zeros((2, 2)))
    np.testing.assert_array_equal(tn.grad(lambda a: la.det(a))(np.zeros((1, 1))), np.ones((1, 1)))
    found = tn.hvp(la.det)(np.zeros((2, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_allclose(found, [[4.0, -3.0], [-2.0, 1.0]], atol=1e-12)


# ---- Hermitian matrices: what is read ----

SYMMETRIC = A @ A.T


@pytest.mark.parametrize(
    ("function", "upper"),
    [
        (lambda a: la.cholesky(a).sum(), False),
        (lambda a: la.cholesky(a, upper=True).sum(), True),
        (lambda a: la.eigvalsh(a)[0], False),
        (lambda a: la.eigvalsh(a, "U")[0], True),
        (lambda a: la.eigh(a).eigenvalues[0], False),
        (lambda a: la.eigh(a, "U").eigenvalues[0], True),
        (lambda a: la.pinv(a, hermitian=True).sum(), False),
        (lambda a: la.svd(a, compute_uv=False, hermitian=True)[0], False),
    ],
    ids="cholesky cholesky-upper eigvalsh eigvalsh-upper eigh eigh-upper pinv svd".split(),
)
def test_the_triangle_that_is_not_read_has_gradient_zero(function: Callable[..., Array], upper: bool) -> None:
    gradient = tn.grad(function)(SYMMETRIC)
    unread = np.tril(gradient, -1) if upper else np.triu(gradient, 1)
    np.testing.assert_array_equal(unread, 0)
    symmetric = tn.grad(lambda a: function((a + a.T) / 2))(SYMMETRIC)
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-12)
    np.testing.assert_allclose(symmetric, (gradient + gradient.T) / 2, atol=1e-12)
    check_grads(function, (SYMMETRIC,))


def test_what_is_not_read_may_be_anything() -> None:
    a = np.tril(SYMMETRIC)
    a[0, 1] = np.nan
    assert np.isfinite(tn.grad(lambda a: la.eigvalsh(a).max())(a)).all()
    assert np.isfinite(tn.grad(lambda a: la.cholesky(a).sum())(a)).all()
    assert np.isfinite(tn.jvp(la.cholesky, (a,), (a,))[1]).all()


# ---- repeated values ----


def test_eigenvalues_have_derivatives_where_they_repeat() -> None:
    q = orthogonal(3)
    a = q @ np.diag([1.0, 1.0, 4.0]) @ q.T
    a = (a + a.T) / 2
    for values in (la.eigvalsh, lambda a: la.eigh(a).eigenvalues):
        gradient = tn.grad(lambda a, values=values: tnp.sum(values((a + a.T) / 2) ** 2))(a)
        np.testing.assert_allclose(gradient, 2 * a, atol=1e-12)
    np.testing.assert_allclose(tn.grad(lambda a: tnp.sum(la.eigvals(a) ** 2).real)(a), 2 * a, atol=1e-12)
    np.testing.assert_array_equal(tn.jvp(la.eigvalsh, (np.eye(2),), (np.eye(2),))[1], [1, 1])
    np.testing.assert_array_equal(tn.jvp(la.eigh, (np.eye(2),), (np.eye(2),))[1].eigenvalues, [1, 1])


def test_singular_values_have_derivatives_where_they_repeat() -> None:
    q = orthogonal(3)
    for values in (la.svdvals, lambda a: la.svd(a).S, lambda a: la.svd(a, compute_uv=False)):
        gradient = tn.grad(lambda a, values=values: tnp.sum(values(a)))(q)
        np.testing.assert_allclose(gradient, q, atol=1e-12)
    np.testing.assert_allclose(tn.jvp(la.svdvals, (np.eye(2),), (np.eye(2),))[1], [1, 1])


@pytest.mark.parametrize(
    "vectors",
    [lambda a: la.eigh(a).eigenvectors, lambda a: la.svd(a).U, lambda a: la.eig(a).eigenvectors],
    ids=["eigh", "svd", "eig"],
)
def test_vectors_of_repeated_values_have_the_derivative_nan_without_a_warning(vectors: Callable[..., Array]) -> None:
    assert np.isnan(tn.grad(lambda a: vectors(a)[0, 0])(np.eye(2))).any()
    assert np.isnan(tn.jvp(vectors, (np.eye(2),), (np.ones((2, 2)),))[1]).any()


def test_singular_values_that_are_zero_have_the_derivative_zero() -> None:
    a = np.diag([2.0, 0.0])
    np.testing.assert_allclose(tn.grad(lambda a: tnp.sum(la.svdvals(a)))(a), [[1, 0], [0, 0]])
    np.testing.assert_allclose(tn.grad(lambda a: tnp.sum(la.svd(a).S))(a), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(tn.jvp(la.svdvals, (a,), (np.ones((2, 2)),))[1], [1, 0])


def test_functions_of_singular_vectors_that_are_defined_where_values_repeat_nearly() -> None:
    a = np.diag([1.0, 1.0 + 1e-6, 2.0])

    def polar(a: Array) -> Array:
        u, _, vh = la.svd(a)
        return u @ vh

    check_grads(lambda a: polar(a), (a,), order=1, tolerance=1e-5)


# ---- rank ----


def test_pinv_and_lstsq_have_derivatives_at_fixed_rank(rng: np.random.Generator) -> None:
    left, right, b = rng.standard_normal((4, 2)), rng.standard_normal((2, 3)), rng.standard_normal(4)
    check_grads(lambda x, y: la.pinv(x @ y), (left, right), order=2)
    check_grads(lambda x, y, b: la.lstsq(x @ y, b)[0], (left, right, b), order=2)


def test_the_residuals_of_lstsq_have_the_envelope_as_gradient() -> None:
    a, b = A[:, :2], np.array([1.0, 2.0, -1.0])
    x = np.linalg.lstsq(a, b)[0]
    off = b - a @ x
    found_a, found_b = tn.grad(lambda a, b: la.lstsq(a, b)[1][0], argnums=(0, 1))(a, b)
    np.testing.assert_allclose(found_a, -2 * np.outer(off, x))
    np.testing.assert_allclose(found_b, 2 * off)


def test_the_rank_that_lstsq_gives_is_plain() -> None:
    with tn.GradientTape() as tape:
        x, residuals, rank, s = la.lstsq(tape.watch(np.ones((3, 2))), np.ones(3))
    assert rank == 1
    assert residuals.shape == (0,)
    assert type(x) is type(s) is tn.Tensor


# ---- norms at kinks ----


@pytest.mark.parametrize("ord", [None, 1, 1.5, 2, 3, np.inf, "fro", "nuc", -1, -2], ids=str)
def test_norms_at_zero_have_the_derivative_zero(ord: Any) -> None:
    if not isinstance(ord, str) and (ord is None or ord > 0):
        np.testing.assert_array_equal(tn.grad(lambda x: la.norm(x, ord, axis=0))(np.zeros(3)), 0)
        np.testing.assert_array_equal(tn.grad(lambda x: la.vector_norm(x, ord=ord or 2))(np.zeros((2, 3))), 0)
        np.testing.assert_array_equal(tn.grad(lambda x: la.norm(x, ord, axis=0))(np.zeros(3, complex)), 0)
    if ord not in (1.5, 3):
        np.testing.assert_array_equal(tn.grad(lambda x: la.norm(x, ord, axis=(0, 1)))(np.zeros((2, 3))), 0)


def test_a_gradient_penalty_at_zero_is_finite() -> None:
    penalty = tn.grad(lambda w: (la.norm(tn.grad(lambda x: tnp.sum(w * x))(np.ones(3))) - 1) ** 2)
    np.testing.assert_array_equal(penalty(np.zeros(3)), 0)


def test_ties_of_norms_split_evenly() -> None:
    np.testing.assert_allclose(tn.grad(lambda x: la.norm(x, np.inf))(np.array([2.0, -2.0, 1.0])), [0.5, -0.5, 0])
    np.testing.assert_allclose(tn.grad(lambda x: la.norm(x, 2))(np.eye(2)), np.eye(2) / 2)


def test_cond_of_a_singular_matrix_is_infinite_as_numpys() -> None:
    stack = np.stack([np.ones((2, 2)), np.diag([2.0, 1.0])])
    for p in (None, 1, "fro", np.inf):
        with tn.GradientTape() as tape:
            a = tape.watch(stack)
            found = la.cond(a, p)
        np.testing.assert_allclose(found.value[1], np.linalg.cond(stack, p)[1])
        assert found.value[0] > 1e15
        assert np.isfinite(tape.gradient(found[1] if tape.is_open else found, a, np.array([0.0, 1.0]))[1]).all()


def test_the_count_of_nonzero_elements_has_the_derivative_zero() -> None:
    np.testing.assert_array_equal(tn.grad(lambda x: la.norm(x, 0))(np.array([1.0, 0.0])), 0)


# ---- orthonormal factors ----


def test_the_derivative_of_an_orthonormal_factor_is_tangent_to_orthonormality(rng: np.random.Generator) -> None:
    a, t = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    for q, q_dot in (
        (np.linalg.qr(a, "complete").Q, tn.jvp(lambda a: la.qr(a, "complete").Q, (a,), (t,))[1]),
        (np.linalg.svd(a).U, tn.jvp(lambda a: la.svd(a).U, (a,), (t,))[1]),
    ):
        change = q.T @ q_dot
        np.testing.assert_allclose(change, -change.T, atol=1e-12)


def test_functions_of_the_completed_basis_have_derivatives() -> None:
    a = np.random.default_rng(3).standard_normal((4, 2))
    projected = np.random.default_rng(4).standard_normal((4, 4))

    def off_the_columns(q: Array) -> Array:
        return tnp.sum(projected * (q[:, 2:] @ q[:, 2:].T))

    check_grads(lambda a: off_the_columns(la.qr(a, "complete").Q), (a,))
    check_grads(lambda a: off_the_columns(la.svd(a).U), (a,))
    check_grads(lambda a: off_the_columns(la.svd(a).Vh.T), (a.T,))


# ---- errors ----

VECTOR, OBLONG = np.ones(3), np.ones((2, 3))

ERRORS: list[tuple[Callable[..., Any], Array, type[Exception], str]] = [
    (la.inv, OBLONG, np.linalg.LinAlgError, "inv: a must be square in its last two axes; got shape (2, 3)."),
    (la.inv, VECTOR, np.linalg.LinAlgError, "inv: a must have at least two axes; got shape (3,)."),
    (la.inv, np.zeros((2, 2)), np.linalg.LinAlgError, "inv: Singular matrix"),
    (la.det, OBLONG, np.linalg.LinAlgError, "det: a must be square in its last two axes; got shape (2, 3)."),
    (la.slogdet, OBLONG, np.linalg.LinAlgError, "slogdet: a must be square in its last two axes; got shape (2, 3)."),
    (la.cholesky, OBLONG, np.linalg.LinAlgError, "cholesky: a must be square in its last two axes; got shape (2, 3)."),
    (la.cholesky, -np.eye(2), np.linalg.LinAlgError, "cholesky: Matrix is not positive definite"),
    (la.eigh, OBLONG, np.linalg.LinAlgError, "eigh: a must be square in its last two axes; got shape (2, 3)."),
    (la.eig, OBLONG, np.linalg.LinAlgError, "eig: a must be square in its last two axes; got shape (2, 3)."),
    (la.svd, VECTOR, np.linalg.LinAlgError, "svd: a must have at least two axes; got shape (3,)."),
    (la.cond, np.ones((0, 2)), np.linalg.LinAlgError, "cond: x must not be empty; got shape (0, 2)."),
    (
        lambda a: la.matrix_power(a, 2),
        OBLONG,
        np.linalg.LinAlgError,
        "matrix_power: a must be square in its last two axes; got shape (2, 3).",
    ),
    (
        lambda a: la.solve(a, np.ones(2)),
        np.eye(3),
        ValueError,
        "solve: b must have 3 rows, as a; got shapes (3, 3) and (2,).",
    ),
    (
        lambda a: la.lstsq(a, np.ones(3)),
        OBLONG,
        np.linalg.LinAlgError,
        "lstsq: b must have 2 rows, as a; got shapes (2, 3) and (3,).",
    ),
    (
        la.tensorinv,
        np.ones((2, 3, 4)),
        np.linalg.LinAlgError,
        "in its first 2 axes as in the others; got shape (2, 3,",
    ),
    (lambda a: la.tensorinv(a, 0), VECTOR, ValueError, "tensorinv: ind must be positive; got 0."),
    (
        lambda a: la.tensorsolve(a, VECTOR),
        OBLONG,
        np.linalg.LinAlgError,
        "tensorsolve: a must have the shape of b, then as many elements again; got (2, 3) and (3,).",
    ),
    (
        lambda a: la.qr(a, "raw"),
        OBLONG,
        ValueError,
        "qr: mode must be 'reduced', 'complete' or 'r' for a Tensor; got 'raw'.",
    ),
    (lambda a: la.eigvalsh(a, "X"), np.eye(2), ValueError, "eigvalsh: UPLO must be 'L' or 'U'; got 'X'."),
    (
        lambda a: la.pinv(a, 0.1, rtol=0.2),
        OBLONG,
        ValueError,
        "rtol must not be given both; got 0.1 and 0.2.",
    ),
    (lambda x: la.norm(x, "fro"), VECTOR, ValueError, "norm: ord must be a number for a vector; got 'fro'."),
    (lambda x: la.norm(x, 3), OBLONG, ValueError, "or their negatives for a matrix; got 3."),
    (lambda x: la.norm(x, 2), np.ones((2, 2, 2)), ValueError, "where ord is given; got 3 of shape (2, 2, 2)."),
    (lambda x: la.norm(x, -np.inf, 0), np.ones(0), ValueError, "have elements where ord is negative; got shape (0,)."),
    (lambda x: la.norm(x, 2, 5), VECTOR, np.exceptions.AxisError, "norm: axis must be in [-1, 1)"),
    (lambda a: la.multi_dot([a]), OBLONG, ValueError, "multi_dot: arrays must be at least two; got 1."),
    (
        lambda a: la.multi_dot([a, VECTOR, VECTOR]),
        OBLONG,
        np.linalg.LinAlgError,
        "multi_dot: each array must have two axes, but for the ends; got shape (3,).",
    ),
    (lambda a: la.multi_dot([a, a.T], out=np.ones(4)), OBLONG, TypeError, "multi_dot: out= must not be given"),
    (lambda x: la.cross(x, np.ones(2)), VECTOR, ValueError, "must be of length 3 along axis -1; got 3 and 2."),
    (lambda x: la.vecdot(x, np.ones(2)), VECTOR, ValueError, "must be of one length along axis -1; got 3 and 2."),
    (lambda x: la.outer(x, OBLONG), VECTOR, ValueError, "must have one axis each; got shapes (3,) and (2, 3)."),
]


@pytest.mark.parametrize(("function", "array", "kind", "text"), ERRORS)
def test_errors_name_the_function_and_what_came(
    function: Callable[..., Any], array: Array, kind: type[Exception], text: str
) -> None:
    with tn.GradientTape() as tape, pytest.raises(kind) as caught:
        function(tape.watch(array))
    assert text in str(caught.value)
    assert isinstance(caught.value, tn.TapenetError)


def test_walking_over_slogdet_of_a_singular_matrix_is_an_error() -> None:
    with pytest.raises(np.linalg.LinAlgError) as caught:
        tn.grad(lambda a: la.slogdet(a)[1])(np.zeros((2, 2)))
    assert str(caught.value) == "slogdet: a must be nonsingular where it is differentiated; got shape (2, 2), singular."


def test_walking_over_qr_of_deficient_rank_is_an_error() -> None:
    with pytest.raises(np.linalg.LinAlgError) as caught:
        tn.grad(lambda a: la.qr(a, "r").sum())(np.zeros((3, 2)))
    assert str(caught.value) == "qr: r must be nonsingular where it is differentiated; got shape (2, 2), singular."


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of NaN
def test_a_matrix_that_is_not_finite_does_not_harm_the_others_of_its_stack() -> None:
    gradient = tn.grad(lambda a: la.det(a).sum())(np.stack([np.ones((2, 2)), np.full((2, 2), np.nan), np.eye(2)]))
    np.testing.assert_allclose(gradient[[0, 2]], [[[1, -1], [-1, 1]], np.eye(2)], atol=1e-12)
    assert np.isnan(gradient[1]).all()


# ---- over a batch ----


def test_a_batch_with_singular_matrices_has_each_ones_derivative_of_det() -> None:
    batch = np.stack([A, np.ones((3, 3)), np.zeros((3, 3)), np.diag([1.0, 2.0, 0.0])])
    np.testing.assert_allclose(tn.vmap(tn.grad(la.det))(batch), [cofactors(a) for a in batch], atol=1e-12)


def test_lstsq_of_a_batch_with_different_ranks_is_an_error() -> None:
    batch = np.stack([A[:, :2], np.ones((3, 2))])
    with pytest.raises(tn.TapenetError) as caught:
        tn.vmap(lambda a: la.lstsq(a, np.ones(3))[1])(batch)
    expected = "lstsq: under vmap a must have full rank in every example or in none; got some of each."
    assert str(caught.value) == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (3, 0), (1, 0), (3, 2)])
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_mapped_products_with_vectors_of_any_length(shape, axes):
    a = np.arange(2.0 * shape[0] * shape[1]).reshape(2, *shape)
    b = np.arange(2.0 * shape[1]).reshape(2, shape[1]) - 1
    args = tuple(x if axis == 0 else x[0] for x, axis in zip((a, b), axes, strict=True))
    found = tn.vmap(tn.grad(lambda a, b: np.sum((a @ b) ** 2), (0, 1)), axes)(*args)
    for i in range(2):
        x, y = (arg[i] if axis == 0 else arg for arg, axis in zip(args, axes, strict=True))
        np.testing.assert_array_equal(found[0][i], 2 * np.outer(x @ y, y))
        np.testing.assert_array_equal(found[1][i], 2 * x.T @ (x @ y))
