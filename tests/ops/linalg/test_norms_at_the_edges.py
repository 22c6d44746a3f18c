"""Norms whose squares overflow or underflow, norms at 0, and orders that are Tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

Array = Any
NORMS = {
    "norm": tnp.linalg.norm,
    "vector_norm": tnp.linalg.vector_norm,
    "norm, axis": lambda x: tnp.linalg.norm(x, axis=0),
    "order 3": lambda x: tnp.linalg.norm(x, 3),
    "frobenius": lambda x: tnp.linalg.norm(x[None], "fro"),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("scale", [1e200, 1e-200, 1.0])
def test_the_gradient_is_right_where_squares_are_not(name: str, scale: float) -> None:
    order = 3 if name == "order 3" else 2
    x, t = np.array([3.0, -4.0, 0.5]), np.array([1.0, 0.3, -0.2])
    right = np.sign(x) * (np.abs(x) / np.linalg.norm(x, order)) ** (order - 1)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(tn.grad(NORMS[name])(x * scale), right, rtol=1e-14)
        np.testing.assert_allclose(tn.jvp(NORMS[name], (x * scale,), (t,))[1], right @ t, rtol=1e-14)
        value = np.linalg.norm(x * scale, order)  # NumPy's, which may be infinite
    np.testing.assert_allclose(tn.value_and_grad(NORMS[name])(x)[0], np.linalg.norm(x, order), rtol=1e-15)
    with np.errstate(over="ignore"):
        assert tn.value_and_grad(NORMS[name])(x * scale)[0] == pytest.approx(value, rel=1e-15)


def test_second_derivatives_where_squares_overflow() -> None:
    with np.errstate(over="ignore"):
        found = tn.hessian(tnp.linalg.norm)(np.array([3e200, 4e200]))
    np.testing.assert_allclose(found, np.array([[16, -12], [-12, 9]]) / 125e200, rtol=1e-13)


def test_float16_whose_squares_overflow() -> None:
    with np.errstate(over="ignore"):
        gradient = tn.grad(tnp.linalg.norm)(np.full(9, 100, np.float16))
    np.testing.assert_allclose(gradient, 1 / 3, rtol=1e-3)


def test_complex_numbers_whose_squares_overflow() -> None:
    z = np.array([3 + 4j, 1j])
    with np.errstate(over="ignore", invalid="ignore"):
        gradient = tn.grad(tnp.linalg.norm)(z * 1e200)
    np.testing.assert_allclose(gradient, np.conj(z) / np.linalg.norm(z), rtol=1e-14)


SINGULAR = {
    "norm": (tnp.linalg.norm, np.zeros(2)),
    "order 3": (lambda x: tnp.linalg.norm(x, 3), np.zeros(2)),
    "frobenius": (lambda x: tnp.linalg.norm(x), np.zeros((2, 1))),
    "std": (tnp.std, np.ones(2)),
    "hypot": (lambda x: tnp.hypot(x[0], x[1]), np.zeros(2)),
    "arctan2": (lambda x: tnp.arctan2(x[0], x[1]), np.zeros(2)),
    "abs of complex": (lambda x: tnp.abs(x[0] + 1j * x[1]), np.zeros(2)),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_at_the_singular_point_the_first_derivative_is_0_and_the_second_nan(name: str) -> None:
    function, x = SINGULAR[name]
    np.testing.assert_array_equal(tn.grad(function)(x), np.zeros(x.shape))
    assert tn.jvp(function, (x,), (np.ones_like(x),))[1] == 0
    for hessian in (tn.hessian, lambda f: tn.jacobian(tn.grad(f)), lambda f: tn.jacfwd(tn.grad(f))):
        assert np.isnan(hessian(lambda x: function(x) ** 2)(x)).all()


@pytest.mark.parametrize("name", SINGULAR)
def test_checks_name_the_second_derivative_and_what_to_write(name: str) -> None:
    function, x = SINGULAR[name]
    with tn.checks(), pytest.raises(tn.errors.NumericalError, match=r"convention at 0.*tnp\.sum\(x \* x\)"):
        tn.hessian(lambda x: function(x) ** 2)(x)


@pytest.mark.parametrize("function", [tnp.abs, tnp.fabs, tn.nn.relu, tnp.maximum])
def test_piecewise_linear_functions_have_second_derivative_0(function: Any) -> None:
    at_kink = (lambda x: function(x, 0.0)) if function is tnp.maximum else function
    assert tn.grad(tn.grad(at_kink))(0.0) == 0


def test_hypot_is_smooth_at_equal_sides() -> None:
    right = np.array([[1, -1], [-1, 1]]) / 2**1.5
    np.testing.assert_allclose(tn.hessian(lambda x: tnp.hypot(x[0], x[1]))(np.ones(2)), right, rtol=1e-14)


def test_hypot_of_unequal_sides_loses_no_digits() -> None:
    second = tn.hessian(lambda x: tnp.hypot(x[0], x[1]))(np.array([1e8, 1.0]))
    np.testing.assert_allclose(second, [[1e-24, -1e-16], [-1e-16, 1e-8]], rtol=1e-14)


@pytest.mark.parametrize("name", ["norm", "vector_norm", "matrix_norm", "cond"])
def test_an_order_that_is_a_tensor_is_refused(name: str) -> None:
    function, word = getattr(tnp.linalg, name), "p" if name == "cond" else "ord"
    with pytest.raises(tn.errors.ArgumentTypeError, match=rf"^{name}: ord must be a plain number"):
        tn.grad(lambda p: function(np.eye(2), **{word: p}))(2.0)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_])
@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, 0.5, np.inf, -np.inf])
def test_recorded_norms_of_integers_have_the_dtype_of_numpys(dtype: Any, ord: Any) -> None:
    x = (np.arange(6) % 4 + 1).astype(dtype)
    vector_ord = 2 if ord is None else ord
    ours = tn.compile(lambda x: (tnp.linalg.norm(x, ord), tnp.linalg.vector_norm(x, ord=vector_ord)))(x)
    for found, expected in zip(ours, (np.linalg.norm(x, ord), np.linalg.vector_norm(x, ord=vector_ord)), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-14)
