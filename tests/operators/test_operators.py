"""Operators: their products against dense Jacobians and Hessians, on pytrees, transposed, mapped and differentiated."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

X = {"a": np.array([1.0, 2.0, 3.0]), "s": 0.5}
V = {"a": np.array([0.3, -0.2, 0.1]), "s": 0.7}


def model(x: Any, p: Any = 2.0) -> Any:
    return {"u": p * x["a"] ** 2 * x["s"], "v": tnp.sum(x["a"]) * x["s"]}


def energy(x: Any, p: Any = 1.5) -> Any:
    return p * tnp.sum(x["a"] ** 4) * x["s"] + tnp.prod(x["a"])


# ---- products ----


def test_the_products_of_a_jacobian() -> None:
    J = tn.linear_operator(model, X)
    y, y_dot = tn.jvp(model, (X,), (V,))
    assert J.shape == (4, 4)
    assert tn.tree.allclose(J @ V, y_dot)
    assert tn.tree.allclose(J.T @ y, tn.vjp(model, X)[1](y)[0])
    assert tn.tree.allclose(y @ J, J.T @ y)
    assert J.T.T is J
    assert repr(J) == "<Derivative of shape (4, 4), float64>"


def test_the_products_of_a_hessian() -> None:
    H = tn.linear_operator(energy, X, kind="hessian")
    assert tn.tree.allclose(H @ V, tn.hvp(energy)(X, V))
    assert H.T is H
    assert H.is_symmetric
    np.testing.assert_allclose(H.to_dense(), H.to_dense().T)


def test_a_hessian_of_a_function_with_a_rule_for_reverse_mode_alone() -> None:
    cube = tn.custom_vjp(lambda x: x**3, lambda x: (x**3, x), lambda x, t: (3 * x**2 * t,))
    H = tn.linear_operator(lambda x: tnp.sum(cube(x)), np.array([1.0, 2.0]), kind="hessian")
    np.testing.assert_allclose(H @ np.ones(2), [6.0, 12.0])


def test_vectors_and_matrices_of_all_elements() -> None:
    J = tn.linear_operator(model, X)
    dense = J.to_dense()
    v = np.array([0.3, -0.2, 0.1, 0.7])
    np.testing.assert_allclose(J @ v, dense @ v)
    np.testing.assert_allclose(J @ np.eye(4)[:, :2], dense[:, :2])
    np.testing.assert_allclose(v @ J, v @ dense)
    np.testing.assert_allclose(np.eye(4)[:2] @ J, dense[:2])
    np.testing.assert_allclose(J.T.to_dense(), dense.T)
    np.testing.assert_allclose(J.shifted(2.0).to_dense(), dense + 2 * np.eye(4))
    np.testing.assert_allclose(J.shifted(2.0).T.to_dense(), dense.T + 2 * np.eye(4))


def test_complex_operators_have_an_adjoint() -> None:
    z = np.array([1 + 1j, 2.0])
    A = tn.linear_operator(lambda z: z * (1 + 2j) + z[::-1] ** 2, z)
    dense = A.to_dense()
    np.testing.assert_allclose(dense, tn.jacobian(lambda z: z * (1 + 2j) + z[::-1] ** 2)(z))
    np.testing.assert_allclose(A.T.to_dense(), dense.T)
    np.testing.assert_allclose(A.H.to_dense(), dense.conj().T)
    np.testing.assert_allclose(A.H.T.to_dense(), dense.conj())


@pytest.mark.parametrize("kind", ["jacobian", "hessian"])
def test_a_function_runs_once(kind: Any) -> None:
    runs = []

    def f(x: Any) -> Any:
        runs.append(1)
        return tnp.sin(x) if kind == "jacobian" else tnp.sum(tnp.sin(x))

    A = tn.linear_operator(f, np.ones(3), kind=kind)
    for _ in range(5):
        A @ np.ones(3), A.T @ np.ones(3)
    assert len(runs) == 1


def test_scipy_takes_it() -> None:
    linalg = pytest.importorskip("scipy.sparse.linalg")
    J = tn.linear_operator(model, X)
    theirs = J.to_scipy()
    v = np.array([0.3, -0.2, 0.1, 0.7])
    np.testing.assert_allclose(theirs @ v, J @ v)
    np.testing.assert_allclose(theirs.T @ v, J.T @ v)
    np.testing.assert_allclose(theirs @ np.eye(4), J.to_dense())
    x, code = linalg.gmres(J.shifted(20.0).to_scipy(), v, rtol=1e-12)
    assert code == 0
    np.testing.assert_allclose(J.shifted(20.0) @ x, v)
    z = tn.linear_operator(lambda z: z * (1 + 2j), np.array([1 + 1j, 2.0]))
    np.testing.assert_allclose(z.to_scipy().H @ np.eye(2), np.eye(2) * (1 - 2j))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 2)])
def test_small_shapes_and_precisions(shape: tuple[int, ...]) -> None:
    for dtype in (np.float32, np.float64):
        x = np.full(shape, 0.5, dtype)[()]
        A = tn.linear_operator(lambda x: x * x, x)
        assert A.shape == (x.size, x.size)
        assert (A @ x).dtype == (A.T @ x).dtype == A.dtype == dtype
        np.testing.assert_array_equal(A @ x, 2 * x * x)
        assert A.to_dense().shape == A.shape


def test_products_are_differentiable_and_mapped() -> None:
    def product(x: Any, p: Any, v: Any) -> Any:
        J = tn.linear_operator(model, x, p)
        return J @ v, J.T @ model(v, p)

    check_grads(product, (X, 2.0, V), order=2)
    A = tn.linear_operator(lambda x: x**3, np.array([1.0, 2.0]))
    vs = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(tn.vmap(lambda v: A @ v)(vs), vs * [3.0, 12.0])
    points = np.array([[1.0, 2.0], [3.0, 4.0]])
    mapped = tn.vmap(lambda x: tn.linear_operator(lambda x: x**3, x) @ np.ones(2))(points)
    np.testing.assert_allclose(mapped, 3 * points**2)


def test_operators_are_pytrees_and_are_copied_and_pickled() -> None:
    A = tn.linear_operator(tnp.sin, np.array([0.0, 1.0]))
    A @ np.ones(2)
    for again in (copy.deepcopy(A), pickle.loads(pickle.dumps(A)), tn.tree.map(np.copy, A)):
        np.testing.assert_array_equal(again @ np.ones(2), A @ np.ones(2))
    G = tn.gauss_newton(tnp.sin)(np.array([0.0, 1.0]))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(G)) @ np.ones(2), G @ np.ones(2))


# ---- curvature ----


def outputs(x: Any, a: Any = 1.5) -> Any:
    return tnp.tanh(a * x["w"] @ x["b"])


def exponential(y: Any) -> Any:
    return tnp.sum(tnp.exp(y))


def parameters() -> Any:
    rng = np.random.default_rng(0)
    return {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}


def test_gauss_newton_is_the_formula() -> None:
    x = parameters()
    J = tn.linear_operator(outputs, x).to_dense()
    H = tn.hessian(exponential)(outputs(x))
    G = tn.gauss_newton(outputs, exponential)(x)
    np.testing.assert_allclose(G.to_dense(), J.T @ H @ J, atol=1e-14)
    np.testing.assert_allclose(tn.gauss_newton(outputs)(x).to_dense(), J.T @ J, atol=1e-14)
    np.testing.assert_allclose(tn.operators.fisher(outputs)(x).to_dense(), J.T @ J, atol=1e-14)
    assert np.linalg.eigvalsh(G.to_dense()).min() > -1e-14
    assert G.T is G


def test_gauss_newton_of_cross_entropy_is_the_fisher_information() -> None:
    rng = np.random.default_rng(0)
    W, data, labels = rng.standard_normal((4, 3)), rng.standard_normal((5, 4)), np.array([0, 2, 1, 1, 0])

    def logits(W: Any) -> Any:
        return data @ W

    G = tn.gauss_newton(logits, lambda y: tn.nn.cross_entropy(y, labels, reduction="sum"))(W)
    probabilities = tn.nn.softmax(logits(W))
    expected: Any = 0.0
    for label in range(3):  # the expectation over labels of the outer product of scores
        for i in range(5):
            score = tn.grad(lambda W, i=i, label=label: tn.nn.log_softmax(logits(W))[i, label])(W).ravel()
            expected = expected + probabilities[i, label] * np.outer(score, score)
    np.testing.assert_allclose(G.to_dense(), expected, atol=1e-12)
    np.testing.assert_allclose(
        G.to_dense(),
        tn.hessian(lambda W: -tnp.sum(tn.nn.log_softmax(logits(W))[np.arange(5), labels]))(W).reshape(12, 12),
        atol=1e-12,
    )


def test_gauss_newton_of_a_linear_model_is_the_hessian() -> None:
    A = np.arange(6.0).reshape(3, 2)
    x = np.array([0.1, -0.2])
    G = tn.gauss_newton(lambda x: A @ x, exponential)(x)
    np.testing.assert_allclose(G.to_dense(), tn.hessian(lambda x: exponential(A @ x))(x))


def test_derivatives_of_gauss_newton_products() -> None:
    x = parameters()
    check_grads(lambda a, v: tn.gauss_newton(outputs, exponential)(x, a) @ v, (1.5, x), order=2)


# ---- mistakes ----


@pytest.mark.parametrize("v", [np.ones(3), np.ones((3, 4)), {"a": np.ones(3)}, {"a": np.ones(2), "s": 1.0}, 1.0])
def test_what_does_not_fit(v: Any) -> None:
    with pytest.raises(
        tn.ArgumentError, match=r"operator @ v: v must have the structure and shapes of \[\(3,\), \(\)\]"
    ):
        tn.linear_operator(model, X) @ v


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(tn.ArgumentError, match="linear_operator: kind must be"):
        tn.linear_operator(model, X, kind="other")  # type: ignore[arg-type]
    with pytest.raises(tn.ArgumentError, match=r"linear_operator: y must be .*scalar"):
        tn.linear_operator(lambda x: x, np.ones(2), kind="hessian")
    with pytest.raises(tn.ArgumentTypeError, match="linear_operator: x must be real for a Hessian"):
        tn.linear_operator(lambda x: abs(x), 1j, kind="hessian")
    with pytest.raises(tn.ArgumentTypeError, match="linear_operator: y must be float or complex"):
        tn.linear_operator(lambda x: x > 0, 1.0)
    with pytest.raises(tn.ArgumentError, match=r"gauss_newton: y must be .*scalar"):
        tn.gauss_newton(lambda x: x, lambda y: y)(np.ones(2))
    with pytest.raises(tn.ArgumentError, match=r"shifted: the operator must be square; got shape \(1, 2\)"):
        tn.linear_operator(lambda x: x[:1], np.ones(2)).shifted(1.0)


def test_an_operator_on_a_tape_is_not_handed_to_scipy() -> None:
    pytest.importorskip("scipy")

    def f(p: Any) -> Any:
        return tn.linear_operator(lambda x, p: p * x, np.ones(2), p).to_scipy() @ np.ones(2)

    with pytest.raises(tn.ArgumentTypeError, match="must not depend on a Tensor of an open tape"):
        tn.grad(lambda p: f(p)[0])(2.0)
