"""`jacobian`, `jacfwd`, `hessian`, `hvp`: closed forms, shapes, pytrees, dtypes and complex numbers, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet.core.pytrees import tree_leaves

Array = Any

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3))
S = A.T @ A
X = RNG.normal(size=3)

both_modes = pytest.mark.parametrize("transform", [tn.jacobian, tn.jacfwd])


class Pair(NamedTuple):
    first: Any
    second: Any


@attrs.frozen
class Layer:
    kernel: Any
    bias: Any


# ---- closed forms and shapes ----


@both_modes
def test_closed_forms(transform: Callable[..., Any]) -> None:
    np.testing.assert_allclose(transform(lambda x: A @ x)(X), A)
    np.testing.assert_allclose(transform(np.sin)(X), np.diag(np.cos(X)))
    softmax = np.exp(X) / np.exp(X).sum()
    np.testing.assert_allclose(
        transform(lambda x: np.exp(x) / np.exp(x).sum())(X), np.diag(softmax) - np.outer(softmax, softmax)
    )
    by_matrix = transform(lambda a: a @ X)(A)
    np.testing.assert_allclose(by_matrix, np.einsum("ij,k->ijk", np.eye(2), X))


@both_modes
@pytest.mark.parametrize("x_shape", [(), (3,), (2, 1), (0,)])
@pytest.mark.parametrize("y_shape", [(), (1,), (2, 4), (0,)])
def test_the_shape_is_that_of_the_output_and_then_of_the_input(
    transform: Callable[..., Any], x_shape: tuple[int, ...], y_shape: tuple[int, ...]
) -> None:
    weights = RNG.normal(size=(*y_shape, *x_shape))
    axes = tuple(range(len(y_shape), weights.ndim))
    jacobian = transform(lambda x: (weights * x).sum(axes))(np.ones(x_shape))
    assert type(jacobian) is np.ndarray
    np.testing.assert_allclose(jacobian, weights)


@both_modes
def test_scalars_give_scalars(transform: Callable[..., Any]) -> None:
    assert type(transform(lambda x: x * x)(3.0)) is np.float64
    assert transform(lambda x: x * x)(3.0) == 6
    assert transform(lambda x: x * X)(3.0).shape == (3,)


def test_names_are_synonyms() -> None:
    assert tn.jacrev is tn.jacobian


@both_modes
def test_pytrees_give_pytrees_of_pytrees(transform: Callable[..., Any]) -> None:
    def f(p: Layer, scale: Array) -> Pair:
        y = (p.kernel @ X + p.bias) * scale["s"]
        return Pair(y, {"sum": y.sum(), "constant": np.ones(2)})

    p = Layer(A, np.ones(2))
    jacobian = transform(f)(p, {"s": 2.0})
    assert type(jacobian) is Pair
    assert type(jacobian.first) is Layer
    np.testing.assert_allclose(jacobian.first.kernel, 2 * np.einsum("ij,k->ijk", np.eye(2), X))
    np.testing.assert_allclose(jacobian.first.bias, 2 * np.eye(2))
    np.testing.assert_allclose(jacobian.second["sum"].kernel, 2 * np.broadcast_to(X, (2, 3)))
    np.testing.assert_array_equal(jacobian.second["constant"].kernel, np.zeros((2, 2, 3)))
    both = transform(f, (1, 0))(p, {"s": 2.0})
    assert type(both.first) is tuple
    np.testing.assert_allclose(both.first[0]["s"], A @ X + 1)
    np.testing.assert_allclose(both.first[1].bias, 2 * np.eye(2))
    assert transform(lambda p: p)([]) == []
    assert transform(lambda p: {})(X) == {}
    assert transform(lambda x: (x, None))(2.0) == (1.0, None)


@both_modes
def test_aux_comes_back_off_the_tape(transform: Callable[..., Any]) -> None:
    jacobian, aux = transform(lambda x: (A @ x, {"x": x}), has_aux=True)(X)
    np.testing.assert_allclose(jacobian, A)
    assert type(aux["x"]) is np.ndarray


@both_modes
@pytest.mark.parametrize("chunk_size", [1, 2, 3, 5, 100])
def test_chunks_give_the_same(transform: Callable[..., Any], chunk_size: int) -> None:
    def f(p: Any) -> Any:
        return {"y": np.tanh(A @ p["x"]), "z": p["x"] * p["s"]}

    p = {"x": X, "s": 0.5}
    whole = tree_leaves(transform(f)(p))
    for part, expected in zip(tree_leaves(transform(f, chunk_size=chunk_size)(p)), whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-14)
    np.testing.assert_allclose(tn.hessian(lambda x: (x**3).sum(), chunk_size=chunk_size)(X), np.diag(6 * X))


@both_modes
def test_large_jacobians_are_carried_some_rows_at_a_time(
    transform: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def f(p: Any) -> Any:
        return {"y": np.tanh(A @ p["x"]), "z": p["x"] * p["s"] * (1 + 2j)}

    p = {"x": X, "s": 0.5}
    whole, hessian = tree_leaves(transform(f)(p)), tn.hessian(lambda x: np.prod(x))(X)
    monkeypatch.setattr("tapenet.walks.rows.LARGE_ROWS", 8)
    monkeypatch.setattr("tapenet.walks.rows.ROWS_AT_ONCE", 2 * X.nbytes)
    seen = []
    found = transform(lambda p: (seen.append(p), f(p))[1])(p)
    for part, expected in zip(tree_leaves(found), whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-14)
        assert part.flags.writeable
    assert len(seen) == 1
    np.testing.assert_allclose(tn.hessian(lambda x: np.prod(x))(X), hessian)


@both_modes
def test_results_are_writable_and_share_no_memory(transform: Callable[..., Any]) -> None:
    given = {"a": X.copy(), "b": X.copy()}
    leaves = tree_leaves(transform(lambda p: (p["a"], p["a"] + p["b"], p["b"][:2], np.ones(2)))(given))
    arrays = [*leaves, *given.values()]
    for i, leaf in enumerate(leaves):
        leaf += 1.0
        assert not any(np.shares_memory(leaf, other) for j, other in enumerate(arrays) if i != j)


def test_dtypes_are_those_of_the_input_in_reverse_and_of_the_output_forward() -> None:
    x = X.astype(np.float32)
    assert tn.jacobian(lambda x: x * np.float64(2.0))(x).dtype == np.float32
    assert tn.jacobian(np.sin)(x).dtype == tn.jacfwd(np.sin)(x).dtype == np.float32
    assert tn.jacfwd(lambda x: x * np.ones(3))(x).dtype == np.float64
    assert tn.hessian(lambda x: (x**3).sum())(x).dtype == np.float32


# ---- complex numbers ----


@both_modes
def test_complex_numbers(transform: Callable[..., Any]) -> None:
    z = X + 1j * np.cos(X)
    np.testing.assert_allclose(transform(lambda x: np.exp(1j * x))(X), np.diag(1j * np.exp(1j * X)))
    np.testing.assert_allclose(transform(np.exp)(z), np.diag(np.exp(z)))
    np.testing.assert_allclose(transform(lambda z: z.real * z.imag)(z), np.diag(z.imag - 1j * z.real))
    np.testing.assert_allclose(transform(lambda z: abs(z) ** 2)(z), np.diag(2 * np.conj(z)))
    mixed = transform(lambda p: (p[0] * p[1], abs(p[1])))((X, z))
    np.testing.assert_allclose(mixed[0][0], np.diag(z))
    np.testing.assert_allclose(mixed[0][1], np.diag(X))
    np.testing.assert_allclose(mixed[1][0], np.zeros((3, 3)))
    np.testing.assert_allclose(mixed[1][1], np.diag(np.conj(z) / abs(z)))


def test_hessians_of_complex_numbers() -> None:
    z = X + 1j
    np.testing.assert_allclose(tn.hessian(lambda z: (z**3).sum())(z), np.diag(6 * z))
    with pytest.raises(
        tn.ArgumentTypeError, match=re.escape("hessian: x must be real where y is; got a Tensor of shape (3,), complex")
    ):
        tn.hessian(lambda z: (abs(z) ** 2).sum())(z)


# ---- Hessians ----


def test_hessians_in_closed_form() -> None:
    np.testing.assert_allclose(tn.hessian(lambda x: x @ S @ x / 2)(X), S)
    assert tn.hessian(lambda x: x**3)(2.0) == 12
    per_element = tn.hessian(lambda x: x**3)(X)
    assert per_element.shape == (3, 3, 3)
    np.testing.assert_allclose(per_element, np.einsum("ij,jk,k->ijk", np.eye(3), np.eye(3), 6 * X))
    np.testing.assert_array_equal(tn.hessian(lambda x: x.sum())(X), np.zeros((3, 3)))


def test_hessians_of_pytrees() -> None:
    def f(p: Any, w: Array) -> Any:
        return {"y": p["x"] @ p["x"] * p["s"] * w}

    second = tn.hessian(f)({"x": X, "s": 2.0}, 3.0)["y"]
    np.testing.assert_allclose(second["x"]["x"], 12 * np.eye(3))
    np.testing.assert_allclose(second["x"]["s"], 6 * X)
    np.testing.assert_allclose(second["s"]["x"], 6 * X)
    assert second["s"]["s"] == 0
    both = tn.hessian(lambda x, w: x @ x * w, (0, "w"))(X, w=3.0)
    np.testing.assert_allclose(both[0][0], 6 * np.eye(3))
    np.testing.assert_allclose(both[0][1], 2 * X)
    assert both[1][1] == 0
    value, aux = tn.hessian(lambda x: (x**3, x), has_aux=True)(2.0)
    assert (value, aux) == (12, 2)


def test_hessian_vector_products() -> None:
    v = np.cos(X)
    np.testing.assert_allclose(tn.hvp(lambda x: x @ S @ x / 2)(X, v), S @ v)
    product = tn.hvp(lambda p: (p["x"] ** 3).sum() * p["s"])({"x": X, "s": 2.0}, {"x": v, "s": 1.0})
    np.testing.assert_allclose(product["x"], 12 * X * v + 3 * X**2)
    np.testing.assert_allclose(product["s"], 3 * X**2 @ v)
    by_both = tn.hvp(lambda a, b: (a**2 * b).sum(), (1, "a"))(X, 2 * X, (v, 2 * v))
    np.testing.assert_allclose(by_both[0], 2 * X * 2 * v)
    np.testing.assert_allclose(by_both[1], 2 * (2 * X) * 2 * v + 2 * X * v)
    product, aux = tn.hvp(lambda x, *, w: ((x**3).sum() * w, x), has_aux=True)(X, v, w=2.0)
    np.testing.assert_allclose(product, 12 * X * v)
    np.testing.assert_array_equal(aux, X)
    assert tn.hvp(lambda x: x.sum())(X, v).tolist() == [0, 0, 0]


def test_third_derivatives_nest_every_way() -> None:
    def f(x: Array) -> Array:
        return (np.sin(x) * x[::-1] ** 2).sum()

    expected = tn.jacfwd(tn.jacfwd(tn.jacfwd(f)))(X)
    for outer, inner in [
        (tn.jacobian, tn.hessian(f)),
        (tn.jacfwd, tn.hessian(f)),
        (tn.hessian, tn.grad(f)),
        (tn.hessian, tn.jacobian(f)),
        (tn.jacobian, tn.jacobian(tn.grad(f))),
    ]:
        np.testing.assert_allclose(outer(inner)(X), expected, rtol=1e-12, atol=1e-12)
    along = tn.jvp(lambda x: tn.hvp(f)(x, X), (X,), (X,))[1]
    np.testing.assert_allclose(along, expected @ X @ X, rtol=1e-12)


def test_functions_with_a_rule_for_reverse_mode_alone_have_second_derivatives() -> None:
    sine = tn.custom_vjp(np.sin, lambda x: (np.sin(x), x), lambda x, t: (t * np.cos(x),))
    v = np.cos(X)
    np.testing.assert_allclose(tn.hvp(lambda x: (x * sine(x)).sum())(X, v), (2 * np.cos(X) - X * np.sin(X)) * v)
    assert tn.hvp(lambda p: (p[0] * sine(p[0])).sum())([X, 2.0], [v, 1.0])[1] == 0
    np.testing.assert_allclose(tn.hessian(lambda x: sine(x).sum())(X), np.diag(-np.sin(X)))
    np.testing.assert_allclose(tn.hessian(sine)(X), tn.hessian(np.sin)(X), atol=1e-15)


# ---- arguments by name ----


def weighted(x: Array, w: Array = 1.0, *rest: Array, bias: Array = 0.0) -> Array:
    return (x * w).sum() + bias**2


@pytest.mark.parametrize("transform", [tn.grad, tn.jacobian, tn.jacfwd, tn.elementwise_grad])
def test_arguments_by_name(transform: Callable[..., Any]) -> None:
    np.testing.assert_allclose(transform(weighted, "w")(X, 2 * X), X)
    np.testing.assert_allclose(transform(weighted, "w")(X, w=2 * X), X)
    np.testing.assert_allclose(transform(weighted, "bias")(X, bias=3.0), 6.0)
    by_two = transform(weighted, ("bias", 0))(X, 2 * X, bias=3.0)
    np.testing.assert_allclose(by_two[0], 6.0)
    np.testing.assert_allclose(by_two[1], 2 * X)
    np.testing.assert_allclose(transform(transform(weighted, "bias"), "bias")(X, bias=3.0), 2.0)


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("grad: argnums must name an argument that was given, x; got 'w'.", lambda: tn.grad(weighted, "w")(X)),
        (
            "hvp: argnums must name an argument that was given, x, bias; got 'q'.",
            lambda: tn.hvp(weighted, "q")(X, X, bias=1.0),
        ),
        (
            "hessian: argnums must name positional arguments, of which there are 1; got 1.",
            lambda: tn.hessian(weighted, 1)(X),
        ),
        (
            "jacobian: bias must be float or complex; got int 1. Write float(bias).",
            lambda: tn.jacobian(weighted, "bias")(X, bias=1),
        ),
        (
            "jacobian: y must be float or complex; got a ndarray of shape (3,), bool.",
            lambda: tn.jacobian(lambda x: x > 0)(X),
        ),
        ("jacfwd: y['a'] must be float or complex; got int 1.", lambda: tn.jacfwd(lambda x: {"a": 1})(X)),
        (
            "jacobian: chunk_size must be a positive integer, or None for all; got 0.",
            lambda: tn.jacobian(weighted, chunk_size=0),
        ),
        (
            "hessian: with has_aux=True the function must return a pair (y, aux); got Tensor.",
            lambda: tn.hessian(weighted, has_aux=True)(X),
        ),
        (
            "hvp: with has_aux=True the function must return a pair (y, aux); got Tensor.",
            lambda: tn.hvp(weighted, has_aux=True)(X, X),
        ),
        (
            "hvp: y must be a scalar, of shape (); got shape (3,). Sum it first, y.sum(), or take tn.hessian.",
            lambda: tn.hvp(np.sin)(X, X),
        ),
        ("hvp: v must have shape (3,), as x; got (2,).", lambda: tn.hvp(weighted)(X, X[:2])),
        (
            "hvp: there must be the arguments of f and then a vector; got no positional argument.",
            lambda: tn.hvp(weighted)(),
        ),
    ],
)
def test_errors(text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(tn.TapenetError) as caught:
        call()
    assert str(caught.value) == text
