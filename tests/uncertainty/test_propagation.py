"""Means and covariances through functions: closed forms, drawn samples, and the package `uncertainties`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp

X = np.array([1.0, 2.0, 3.0])
C = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, -0.02], [0.0, -0.02, 0.01]])


def polynomials(x: Any) -> Any:
    return tnp.stack([x[0] * x[1], x[2] ** 2 - x[0], tnp.sum(x)])


def dense_second_order(x: Any, covariance: Any) -> tuple[Any, Any]:
    """The formulas, of whole Jacobians and Hessians."""
    J, H = tn.jacobian(polynomials)(x), tn.hessian(polynomials)(x)
    mean = polynomials(x) + np.trace(H @ covariance, axis1=1, axis2=2) / 2
    bent = np.einsum("aij,jk,bkl,li->ab", H, covariance, H, covariance) / 2
    return mean, J @ covariance @ J.T + bent


# ---- closed forms ----


def test_a_linear_function_is_exact() -> None:
    A = np.arange(6.0).reshape(2, 3)
    mean, covariance = tn.propagate(lambda x: A @ x, X, C)
    np.testing.assert_allclose(mean, A @ X)
    np.testing.assert_allclose(covariance, A @ C @ A.T)


def test_first_and_second_order_are_the_formulas() -> None:
    J = tn.jacobian(polynomials)(X)
    mean, covariance = tn.propagate(polynomials, X, C)
    np.testing.assert_array_equal(mean, polynomials(X))
    np.testing.assert_allclose(covariance, J @ C @ J.T)
    mean, covariance = tn.propagate(polynomials, X, C, order=2)
    np.testing.assert_allclose(mean, dense_second_order(X, C)[0])
    np.testing.assert_allclose(covariance, dense_second_order(X, C)[1])


def test_second_order_is_exact_for_quadratic_functions_of_normal_numbers() -> None:
    # of x ~ N(m, s^2): E x^2 = m^2 + s^2, Var x^2 = 4 m^2 s^2 + 2 s^4; E xy = m n + c for a pair
    m, s = 1.5, 0.4
    mean, variance = tn.propagate(tnp.square, m, s**2, order=2)
    np.testing.assert_allclose([mean, variance], [m**2 + s**2, 4 * m**2 * s**2 + 2 * s**4])
    c = 0.3
    pair = np.array([[1.0, c], [c, 1.0]])
    mean, variance = tn.propagate(lambda x: x[0] * x[1], np.zeros(2), pair, order=2)
    np.testing.assert_allclose([mean, variance], [c, 1 + c**2])


@pytest.mark.parametrize("order", [1, 2])
def test_samples_have_the_moments(order: int) -> None:
    x, covariance = np.array([0.4, -0.3]), np.array([[2e-3, 1e-3], [1e-3, 3e-3]])

    def f(x: Any) -> Any:
        return tnp.stack([tnp.exp(x[..., 0]) * tnp.cos(x[..., 1]), x[..., 0] * x[..., 1] ** 2])

    drawn = f(np.random.default_rng(0).multivariate_normal(x, covariance, 400_000))
    mean, found = tn.propagate(f, x, covariance, order=order)
    # the order of the next term: cubes and fourth powers of the deviations
    np.testing.assert_allclose(mean, drawn.mean(1), atol=3e-3 if order == 1 else 2e-4)
    scale = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    np.testing.assert_allclose(found / scale, np.cov(drawn) / scale, atol=0.05 if order == 1 else 0.02)


# ---- forms of a covariance ----


def test_all_forms_say_the_same() -> None:
    mean = {"a": X, "b": np.float64(0.5)}
    whole = np.zeros((4, 4))
    whole[:3, :3], whole[3, 3] = C, 0.25

    def f(x: Any) -> Any:
        return tnp.sum(x["a"] ** 2) * x["b"]

    forms = [
        {"a": C, "b": 0.25},
        whole,
        {"a": {"a": C, "b": np.zeros(3)}, "b": {"a": np.zeros(3), "b": 0.25}},
    ]
    found = [tn.propagate(f, mean, form)[1] for form in forms]
    np.testing.assert_allclose(found, found[0])
    variances = {"a": 0.1, "b": 0.25}
    assert tn.propagate(f, mean, variances)[1] == tn.propagate(f, mean, {"a": np.full(3, 0.1), "b": 0.25})[1]


def test_a_leaf_of_two_axes_takes_its_shape_twice_or_a_matrix() -> None:
    x, matrix = np.arange(4.0).reshape(2, 2), np.diag([0.1, 0.2, 0.3, 0.4])
    first = tn.propagate(tnp.sum, x, matrix)[1]
    assert first == tn.propagate(tnp.sum, x, matrix.reshape(2, 2, 2, 2))[1]
    assert first == tn.propagate(tnp.sum, x, np.diag(matrix).reshape(2, 2))[1]
    np.testing.assert_allclose(first, 1.0)


def test_what_comes_out_goes_in_again() -> None:
    first = tn.propagate(lambda x: {"s": tnp.sum(x), "p": x[:2] * x[1]}, X, C)
    once = tn.propagate(lambda y: y["s"] * y["p"], *first)[1]
    at_once = tn.propagate(lambda x: tnp.sum(x) * (x[:2] * x[1]), X, C)[1]
    np.testing.assert_allclose(once, at_once)


@pytest.mark.parametrize(
    ("covariance", "text"),
    [
        (-C, "must hold variances of at least 0; got -0.09"),
        (np.array([1.0, 2.0, -3.0]), "must hold variances of at least 0; got -3.0"),
        (np.array([1.0, np.nan, 3.0]), "must hold variances of at least 0; got nan"),
        (C + np.triu(np.ones((3, 3)), 1), r"must be symmetric; got 1.01 at \(0, 1\) and 0.01 at \(1, 0\)"),
        (np.eye(3) + np.where(np.eye(3) == 1, 0.0, 2.0), "at most the product of the standard deviations"),
        (
            np.where(np.eye(3) == 1, 1.0, [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]),
            "must be positive semidefinite",
        ),
        (np.ones((2, 2)), r"must have shape \(3,\), for variances, or \(3, 3\); got \(2, 2\)"),
        ((C, C), r"must have the structure of mean, .*, that twice, or be one matrix of shape \(3, 3\)"),
    ],
)
def test_covariances_that_are_none(covariance: Any, text: str) -> None:
    with pytest.raises(tn.ArgumentError, match=text):
        tn.propagate(tnp.sum, X, covariance)


@pytest.mark.parametrize(
    ("cross", "other", "text"),
    [
        (0.03, 0.01, r"covariance must be symmetric; got 0.03 at \(0, 1\) and 0.01 at \(1, 0\)"),
        (0.2, 0.2, "covariance must hold covariances of at most the product"),
        (math.nan, math.nan, "covariance must be symmetric; got nan"),
    ],
)
def test_covariances_of_pairs_that_do_not_fit_together(cross: float, other: float, text: str) -> None:
    mean = {"a": 1.0, "b": 2.0}
    pairs = {"a": {"a": 0.1, "b": cross}, "b": {"a": other, "b": 0.1}}
    with pytest.raises(tn.ArgumentError, match=text):
        tn.propagate(lambda x: x["a"] * x["b"], mean, pairs)
    assert tn.propagate(lambda x: x, {}, {}) == ({}, {})


def test_a_covariance_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert tn.propagate(tnp.sum, X, pandas.DataFrame(C))[1] == tn.propagate(tnp.sum, X, C)[1]


# ---- place by place ----


@pytest.mark.parametrize("order", [1, 2])
def test_element_by_element_agrees_with_matrices(order: int) -> None:
    rng = np.random.default_rng(0)
    mean = {"a": rng.uniform(0.5, 2, (2, 3)), "b": rng.uniform(0.5, 2, 3), "c": np.array([[1.5]]), "d": 0.3}
    variances = {name: rng.uniform(0.01, 0.1, np.shape(x)) for name, x in mean.items()}

    def f(x: Any) -> Any:
        y = tnp.sin(x["a"] * x["b"]) + x["c"] ** 2 / x["a"]
        return y, tnp.broadcast_to(x["b"] * x["d"], (2, 3)), x["d"] ** 2

    matrices = {name: np.diag(np.ravel(v)).reshape(2 * np.shape(v)) for name, v in variances.items()}
    fast = tn.propagate(f, mean, variances, order=order, diagonal=True)
    slow = tn.propagate(f, mean, matrices, order=order, diagonal=True)
    full = tn.propagate(f, mean, variances, order=order)[1]
    assert tn.tree.allclose(fast, slow, rtol=1e-12, atol=1e-14)
    for i, variance in enumerate(fast[1]):
        size = np.size(variance)
        np.testing.assert_allclose(np.diag(np.reshape(full[i][i], (size, size))), np.ravel(variance), rtol=1e-12)


def test_large_arrays_take_memory_in_proportion() -> None:
    n = 100_000
    x, v = np.linspace(0.1, 1, n), np.full(n, 0.01)
    mean, variance = tn.propagate(lambda x: tnp.exp(-x) / x, x, v, diagonal=True)
    np.testing.assert_allclose(variance, (mean * (1 + 1 / x)) ** 2 * v)
    total, of_total = tn.propagate(tnp.sum, x, v)
    np.testing.assert_allclose([total, of_total], [x.sum(), v.sum()])
    with pytest.raises(tn.ArgumentError, match=r"at most 4 GB; got 80 GB .* Pass diagonal=True"):
        tn.propagate(tnp.exp, x, v)


@pytest.mark.parametrize("f", [tnp.cumsum, tnp.sort, tnp.flip, lambda x: x[::-1] * x, lambda x: x @ np.ones((3, 3))])
def test_what_moves_places_goes_by_matrices(f: Any) -> None:
    J = tn.jacobian(f)(X)
    v = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(tn.propagate(f, X, v, diagonal=True)[1], (J**2) @ v)


@pytest.mark.parametrize("f", [lambda x: x, tnp.positive, lambda x: x + 0, lambda x: tnp.broadcast_to(x, (2, 3))])
def test_what_leaves_x_as_it_is(f: Any) -> None:
    v = np.array([0.1, 0.2, 0.3])
    mean, variance = tn.propagate(f, X, v, diagonal=True)
    np.testing.assert_array_equal(variance, np.broadcast_to(v, mean.shape))
    mean[...] = variance[...] = 0.0
    np.testing.assert_array_equal([X, v], [[1, 2, 3], [0.1, 0.2, 0.3]])


def test_constants_have_no_error() -> None:
    mean, variance = tn.propagate(lambda x: (np.ones(3), x[0]), X, C, diagonal=True)
    np.testing.assert_array_equal(variance[0], np.zeros(3))
    assert variance[1] == C[0, 0]
    assert mean[1] == 1.0
    assert tn.propagate(lambda x: (3.0, x[0]), X, C)[1] == ((0.0, 0.0), (0.0, 0.04))
    assert tn.propagate(lambda x: (), X, C) == ((), ())


@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 1), (2, 0)])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("diagonal", [False, True])
def test_small_shapes(shape: tuple[int, ...], order: int, diagonal: bool) -> None:
    x = np.full(shape, 0.5)
    mean, covariance = tn.propagate(tnp.sin, x, 0.01, order=order, diagonal=diagonal)
    assert mean.shape == shape
    assert covariance.shape == (shape if diagonal else 2 * shape)
    assert type(mean) is type(covariance) is (np.float64 if shape == () else np.ndarray)


def test_precision_is_that_of_x() -> None:
    for diagonal in (False, True):
        mean, covariance = tn.propagate(tnp.sin, X.astype(np.float32), 0.01, order=2, diagonal=diagonal)
        assert mean.dtype == covariance.dtype == np.float32


@pytest.mark.parametrize("x", [np.arange(3), np.ones(3, complex), "abc", True])
def test_means_that_are_not_real_and_floating(x: Any) -> None:
    with pytest.raises(tn.ArgumentTypeError, match="propagate: mean must be"):
        tn.propagate(tnp.sum, x, 0.1)


def test_a_result_that_is_complex() -> None:
    with pytest.raises(tn.ArgumentTypeError, match="propagate: y must be real and floating; got a Tensor"):
        tn.propagate(lambda x: x * 1j, X, C)


# ---- with other transforms ----


def test_derivatives_of_a_variance() -> None:
    def variance(x: Any) -> Any:
        return tn.propagate(lambda x: tnp.sum(x**3), x, C)[1]

    tn.testing.check_grads(variance, (X,), order=2)
    tn.testing.check_grads(lambda v: tn.propagate(tnp.exp, X, v, diagonal=True)[1], (np.array([0.1, 0.2, 0.3]),))


def test_mapped_over_groups() -> None:
    xs, cs = np.stack([X, 2 * X]), np.stack([C, 3 * C])
    means, covariances = tn.vmap(lambda x, c: tn.propagate(polynomials, x, c))(xs, cs)
    for i in range(2):
        mean, covariance = tn.propagate(polynomials, xs[i], cs[i])
        np.testing.assert_allclose(means[i], mean)
        np.testing.assert_allclose(covariances[i], covariance)


def test_compiled() -> None:
    compiled = tn.compile(lambda x, v: tn.propagate(lambda x: tnp.sin(x) * x, x, v, diagonal=True))
    for scale in (1.0, 2.0, 3.0):
        mean, variance = compiled(scale * X, np.full(3, 0.1))
        again = tn.propagate(lambda x: tnp.sin(x) * x, scale * X, 0.1, diagonal=True)
        np.testing.assert_allclose((mean, variance), again)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(1e-3, 1), st.floats(1e-3, 1), st.floats(-1, 1))
def test_correlated_pairs_by_the_textbook(a: float, b: float, s: float, t: float, r: float) -> None:
    covariance = np.array([[s * s, r * s * t], [r * s * t, t * t]])
    variance = tn.propagate(lambda x: x[0] * x[1], np.array([a, b]), covariance)[1]
    np.testing.assert_allclose(variance, b * b * s * s + a * a * t * t + 2 * a * b * r * s * t, atol=1e-12)


# ---- the package `uncertainties`, on the examples of its documentation ----


def test_the_documented_examples_of_uncertainties() -> None:
    uncertainties = pytest.importorskip("uncertainties")
    from uncertainties import umath

    for f, ours in (
        (lambda x: x**2, lambda x: x**2),
        (lambda x: umath.sin(2 * x), lambda x: tnp.sin(2 * x)),
        (lambda x: 2 * x, lambda x: 2 * x),
        (lambda x: x**2 - x * x, lambda x: x**2 - x * x),
    ):
        theirs = f(uncertainties.ufloat(0.20, 0.01))
        mean, variance = tn.propagate(ours, 0.20, 0.01**2)
        np.testing.assert_allclose([mean, np.sqrt(variance)], [theirs.n, theirs.s], rtol=1e-12)

    u, v = uncertainties.ufloat(1, 0.1), uncertainties.ufloat(10, 0.1)
    theirs = uncertainties.covariance_matrix([u, v, u + 2 * v])
    both = tn.propagate(lambda x: tnp.stack([x[0], x[1], x[0] + 2 * x[1]]), np.array([1.0, 10.0]), np.full(2, 0.01))
    np.testing.assert_allclose(both[0], [1.0, 10.0, 21.0])
    np.testing.assert_allclose(both[1], theirs, atol=1e-16)
    # "correlated values": the sum that is made again from its covariance has no error
    rest, variance = tn.propagate(lambda x: x[2] - (x[0] + 2 * x[1]), *both)
    assert abs(rest) < 1e-12
    assert abs(variance) < 1e-15


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_the_inverse_of_a_matrix_as_in_uncertainties() -> None:
    pytest.importorskip("uncertainties")
    from uncertainties import unumpy

    matrix, errors = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[0.1, 0.02], [0.03, 0.2]])
    theirs = np.array(unumpy.ulinalg.inv(unumpy.umatrix(matrix, errors)))
    mean, variance = tn.propagate(tnp.linalg.inv, matrix, errors**2, diagonal=True)
    np.testing.assert_allclose(mean, unumpy.nominal_values(theirs))
    np.testing.assert_allclose(np.sqrt(variance), unumpy.std_devs(theirs), rtol=1e-6)  # theirs by differences


# ---- the delta method ----


def test_log_odds_and_their_interval() -> None:
    p, n = 0.2, 100
    found = tn.delta_method(lambda p: tnp.log(p / (1 - p)), p, p * (1 - p) / n)
    error = 1 / np.sqrt(n * p * (1 - p))
    np.testing.assert_allclose(found.standard_error, error)
    np.testing.assert_allclose(
        [found.lower, found.upper], found.estimate + 1.959963984540054 * error * np.array([-1, 1])
    )
    assert str(found) == "y = -1.38629 +/- 0.25, 95 % interval from -1.87629 to -0.896303"


def test_a_bias_is_taken_away_to_second_order() -> None:
    # of the variance s^2, estimated, x^2 is too large by s^2 on the average
    assert tn.delta_method(tnp.square, 3.0, 0.5, order=2).estimate == 9.0 - 0.5


def test_estimates_of_several_quantities_keep_structure_and_precision() -> None:
    found = tn.delta_method(lambda x: {"sum": tnp.sum(x), "first": x[:2]}, X.astype(np.float32), C, level=0.5)
    assert found.estimate.keys() == found.standard_error.keys() == found.upper.keys() == {"sum", "first"}
    assert found.upper["first"].dtype == np.float32
    assert str(found).startswith("y['first'] = [1. 2.] +/- [0.2")
    assert found.level == 0.5


def test_a_fit_of_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    t = np.linspace(0, 4, 30)
    data = 2.0 * np.exp(-0.7 * t) + 0.01 * np.random.default_rng(0).standard_normal(30)
    best, covariance = optimize.curve_fit(lambda t, a, k: a * np.exp(-k * t), t, data, [1.0, 1.0])
    half_life = tn.delta_method(lambda p: np.log(2) / p[1], best, covariance)
    np.testing.assert_allclose(half_life.standard_error, np.log(2) / best[1] ** 2 * np.sqrt(covariance[1, 1]))


def test_a_function_that_takes_a_value_from_around_it() -> None:
    def variance(a: Any) -> Any:
        return tn.propagate(lambda x: x * a, X, 0.1, diagonal=True)[1][0]

    np.testing.assert_allclose(tn.grad(variance)(3.0), 2 * 3.0 * 0.1)
