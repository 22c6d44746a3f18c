"""Taylor mode: `jet`, `directional`, `hessian_diagonal` and `laplacian`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

Array = Any
Function = Callable[..., Array]

ORDER = 8
X = np.array([0.3, 0.7, 1.2])
V = np.array([1.0, -0.5, 2.0])


def derivatives(f: Function, x: float, order: int = ORDER) -> list[float]:
    """f, f', f'' ... of one number."""
    y, series = tn.jet(f, (x,), ([1.0] + [None] * (order - 1),))
    return [float(y), *map(float, series)]


def nested(f: Function, x: Array, series: Sequence[Array]) -> list[Array]:
    """The derivatives along the curve with these derivatives, by jvp of jvp."""

    def along(t: Array) -> Array:
        return f(x + sum(c * t**k / math.factorial(k) for k, c in enumerate(series, 1)))

    found = []
    for _ in series:
        along = (lambda g: lambda t: tn.jvp(g, (t,), (1.0,))[1])(along)
        found.append(along(0.0))
    return found


def program(x: Array) -> Array:
    h = tnp.tanh(tnp.outer(x, x) @ x) + tnp.sqrt(x) / (1 + x**2)
    return tnp.cumsum(tnp.where(h > 0.5, tnp.sin(h), h * h)) * tnp.max(x)


# ---- values, against mpmath ----

MP: Any = mpmath
FUNCTIONS: dict[str, tuple[Function, Function, float]] = {
    "exp": (tnp.exp, MP.exp, 0.3),
    "expm1": (tnp.expm1, MP.expm1, 0.3),
    "exp2": (tnp.exp2, lambda x: MP.mpf(2) ** x, 0.3),
    "log": (tnp.log, MP.log, 0.8),
    "log1p": (tnp.log1p, MP.log1p, 0.4),
    "log2": (tnp.log2, lambda x: MP.log(x, 2), 0.8),
    "log10": (tnp.log10, MP.log10, 0.8),
    "sqrt": (tnp.sqrt, MP.sqrt, 0.8),
    "cbrt": (tnp.cbrt, MP.cbrt, 0.8),
    "power": (lambda x: x**2.7, lambda x: x ** MP.mpf(2.7), 0.8),
    "cube": (lambda x: x**3, lambda x: x**3, 0.0),
    "inverse power": (lambda x: x**-2, lambda x: x**-2, 0.8),
    "power of itself": (lambda x: x**x, lambda x: x**x, 0.8),
    "power of a number": (lambda x: 3.0**x, lambda x: MP.mpf(3) ** x, 0.8),
    "reciprocal": (tnp.reciprocal, lambda x: 1 / x, 0.8),
    "quotient": (lambda x: (1 - x) / (2 + x * x), lambda x: (1 - x) / (2 + x * x), 0.8),
    "sin": (tnp.sin, MP.sin, 0.3),
    "cos": (tnp.cos, MP.cos, 0.3),
    "tan": (tnp.tan, MP.tan, 0.3),
    "arcsin": (tnp.arcsin, MP.asin, 0.3),
    "arccos": (tnp.arccos, MP.acos, 0.3),
    "arctan": (tnp.arctan, MP.atan, 0.3),
    "arctan at 0": (tnp.arctan, MP.atan, 0.0),
    "arctan2": (lambda x: tnp.arctan2(x, 1 - x), lambda x: MP.atan2(x, 1 - x), 0.3),
    "hypot": (lambda x: tnp.hypot(x, 1 - x), lambda x: MP.sqrt(x**2 + (1 - x) ** 2), 0.3),
    "sinc": (tnp.sinc, lambda x: MP.sincpi(x), 0.3),
    "sinh": (tnp.sinh, MP.sinh, 0.3),
    "cosh": (tnp.cosh, MP.cosh, 0.3),
    "tanh": (tnp.tanh, MP.tanh, 0.3),
    "tanh far out": (tnp.tanh, MP.tanh, 20.0),
    "arcsinh": (tnp.arcsinh, MP.asinh, 0.3),
    "arccosh": (tnp.arccosh, MP.acosh, 1.3),
    "arctanh": (tnp.arctanh, MP.atanh, 0.3),
    "sigmoid": (tn.nn.sigmoid, lambda x: 1 / (1 + MP.exp(-x)), 0.3),
    "sigmoid far out": (tn.nn.sigmoid, lambda x: 1 / (1 + MP.exp(-x)), 40.0),
    "softplus": (tn.nn.softplus, lambda x: MP.log1p(MP.exp(x)), 0.3),
    "gelu": (tn.nn.gelu, lambda x: x * MP.ncdf(x), 0.3),
    "logaddexp": (lambda x: tnp.logaddexp(x, x * x), lambda x: MP.log(MP.exp(x) + MP.exp(x * x)), 0.3),
    "i0": (tnp.i0, lambda x: MP.besseli(0, x), 0.7),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_to_order_8_are_those_of_mpmath(name: str) -> None:
    ours, theirs, x = FUNCTIONS[name]
    with mpmath.workdps(60):
        expected = [float(c * math.factorial(k)) for k, c in enumerate(mpmath.taylor(theirs, mpmath.mpf(x), ORDER))]
    np.testing.assert_allclose(derivatives(ours, x), expected, rtol=1e-10, atol=1e-13)


# ---- against other modes ----


def test_a_program_along_a_curve_agrees_with_nested_jvp() -> None:
    series = [V, 0.3 * V**2, np.ones(3), -V]
    y, found = tn.jet(program, (X,), (series,))
    np.testing.assert_array_equal(y, program(X))
    np.testing.assert_allclose(found, nested(program, X, series), rtol=1e-10)


def test_two_arguments_agree_with_one_that_holds_both() -> None:
    a, b = [V, V * V], [np.ones(3), -V]
    _, apart = tn.jet(lambda x, y: tnp.sum(tnp.exp(x * y) / y), (X, X + 1), (a, b))
    both = [np.concatenate(pair) for pair in zip(a, b, strict=True)]
    joined = np.concatenate([X, X + 1])
    _, together = tn.jet(lambda z: tnp.sum(tnp.exp(z[:3] * z[3:]) / z[3:]), (joined,), (both,))
    np.testing.assert_allclose(apart, together, rtol=1e-13)


def test_nested_jvp_has_the_high_derivatives_of_arctan_at_0() -> None:
    np.testing.assert_allclose(nested(tnp.arctan, 0.0, [1.0, 0.0, 0.0, 0.0, 0.0]), [1.0, 0.0, -2.0, 0.0, 24.0])


@pytest.mark.parametrize("f", [tnp.sqrt, tnp.log, lambda x: 1 / x, lambda x: x**2.5, lambda x: x**3, tnp.abs, tnp.cbrt])
def test_at_0_derivatives_are_those_of_nested_jvp(f: Function) -> None:
    with np.errstate(all="ignore"):
        for series in ([1.0, 0.5, 0.25], [0.0, 1.0, 0.0]):
            _, found = tn.jet(f, (0.0,), (series,))
            np.testing.assert_allclose(found, nested(f, 0.0, series), rtol=1e-12)


def test_only_the_elements_at_an_edge_are_treated_as_such() -> None:
    x = np.array([0.0, 0.5, 2.0])
    with np.errstate(all="ignore"):
        _, (first, second) = tn.jet(tnp.sqrt, (x,), ([np.ones(3), None],))
    np.testing.assert_allclose(first[1:], 0.5 * x[1:] ** -0.5)
    np.testing.assert_allclose(second[1:], -0.25 * x[1:] ** -1.5)
    assert np.isinf(first[0])


def test_pieces_are_chosen_by_the_value() -> None:
    def f(x: Array) -> Array:
        return tnp.maximum(x, 0.5) + tnp.clip(x * x, 0.2, 1.0) + tnp.sort(x)[::-1] * tn.nn.relu(x - 0.5) + tnp.abs(-x)

    np.testing.assert_allclose(tn.jet(f, (X,), ([V, V],))[1], nested(f, X, [V, V]), rtol=1e-12)


def test_against_jax() -> None:
    jax = pytest.importorskip("jax")
    from jax.experimental.jet import jet

    def f(np_: Any, x: Array) -> Array:
        return np_.sum(np_.exp(np_.sin(x)) * np_.log(1 + x * x) / np_.sqrt(1 + x @ x))

    series = [V, V * V, -V, np.ones(3)]
    jax.config.update("jax_enable_x64", True)
    try:
        _, expected = jet(lambda x: f(jax.numpy, x), (X,), (series,))
    finally:
        jax.config.update("jax_enable_x64", False)
    np.testing.assert_allclose(tn.jet(lambda x: f(tnp, x), (X,), (series,))[1], expected, rtol=1e-10)


# ---- what goes in and comes out ----


def test_pytrees_go_in_and_come_out() -> None:
    y, (first, second) = tn.jet(
        lambda p: {"product": p["a"] * p["b"], "same": p["a"]},
        ({"a": 2.0, "b": X},),
        ([{"a": 1.0, "b": V}, {"a": 0.0, "b": np.zeros(3)}],),
    )
    np.testing.assert_array_equal(y["product"], 2 * X)
    np.testing.assert_allclose(first["product"], X + 2 * V)
    np.testing.assert_allclose(second["product"], 2 * V)
    assert (first["same"], second["same"]) == (1.0, 0.0)


def test_missing_and_short_series_are_zero() -> None:
    full = tn.jet(lambda x, y: x * y, (X, X), ([V, np.zeros(3), np.zeros(3)], [np.zeros(3), V, np.zeros(3)]))
    short = tn.jet(lambda x, y: x * y, (X, X), ([V], [None, V, None]))
    np.testing.assert_array_equal(full[1], short[1])


def test_an_argument_without_series_may_be_anything() -> None:
    y, series = tn.jet(lambda x, n, name: x**n, (2.0, 3, "cube"), ([1.0, 0.0], None, []))
    assert (y, series) == (8.0, [12.0, 12.0])


@pytest.mark.parametrize("series", [(None,), ([],)])
def test_order_0_is_the_value(series: Any) -> None:
    y, found = tn.jet(tnp.sin, (X,), series)
    np.testing.assert_array_equal(y, np.sin(X))
    assert found == []


def test_what_does_not_depend_on_x_has_derivative_zero() -> None:
    (_, constant), series = tn.jet(lambda x: (tnp.floor(x), np.float64(5.0)), (X,), ([V, V],))
    assert constant == 5.0
    for first, second in series:
        np.testing.assert_array_equal(first, np.zeros(3))
        assert second == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.longdouble])
def test_dtypes_stay(dtype: Any) -> None:
    x, v = X.astype(dtype), V.astype(dtype)
    y, series = tn.jet(lambda x: tnp.exp(x) * 2.0 / tnp.sqrt(1 + x**3), (x,), ([v, v, v],))
    expected = tn.jet(lambda x: tnp.exp(x) * 2.0 / tnp.sqrt(1 + x**3), (X,), ([V, V, V],))[1]
    for found, reference in zip((y, *series), (y, *expected), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, reference, rtol=1e-4)


def test_holomorphic_functions_have_complex_derivatives() -> None:
    z = 0.3 + 0.4j
    _, series = tn.jet(lambda z: tnp.sin(z) * tnp.log(z), (z,), ([1.0 + 0j, None, None],))
    with mpmath.workdps(40):
        expected = mpmath.taylor(lambda z: MP.sin(z) * MP.log(z), mpmath.mpc(z), 3)
    np.testing.assert_allclose(series, [complex(c) * math.factorial(k) for k, c in enumerate(expected)][1:], rtol=1e-12)


def test_magnitudes_of_complex_numbers_are_differentiated_along_the_curve() -> None:
    z, direction = np.array([0.3 + 0.4j, 1.0 - 2.0j]), np.array([1.0 + 1.0j, 0.5j])
    for f in (tnp.abs, lambda z: tnp.real(z) * tnp.conj(z), tnp.sign):
        series = [direction, direction * 1j, direction]
        np.testing.assert_allclose(tn.jet(f, (z,), (series,))[1], nested(f, z, series), rtol=1e-11)


def test_results_share_no_memory() -> None:
    x, v = X.copy(), V.copy()
    y, (first, second) = tn.jet(lambda x: x, (x,), ([v, v],))
    for array in (first, second):
        assert not np.shares_memory(array, v)
        array += 1
    np.testing.assert_array_equal(v, V)
    np.testing.assert_array_equal(y, X)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3)])
def test_shapes(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5)
    y, (first, second) = tn.jet(lambda x: tnp.sin(x) * tnp.sum(x), (x,), ([np.ones(shape), np.ones(shape)],))
    assert y.shape == first.shape == second.shape == shape


# ---- inside other transforms, and others inside ----


def third(x: Array) -> Array:
    return tnp.sum(tn.jet(program, (x,), ([V, None, None],))[1][2])


def test_a_gradient_of_a_derivative_is_that_of_nested_jvp() -> None:
    def by_jvp(x: Array) -> Array:
        return tnp.sum(nested(program, x, [V, 0 * V, 0 * V])[2])

    np.testing.assert_allclose(tn.grad(third)(X), tn.grad(by_jvp)(X), rtol=1e-10)


def test_vmap_maps_values_and_series() -> None:
    rows = np.stack([X, X + 0.1])
    directions = np.stack([V, -V])
    mapped = tn.vmap(lambda x, v: tn.jet(program, (x,), ([v, v * v],))[1])(rows, directions)
    alone = [tn.jet(program, (x,), ([v, v * v],))[1] for x, v in zip(rows, directions, strict=True)]
    np.testing.assert_allclose(mapped, np.swapaxes(alone, 0, 1), rtol=1e-12)


def test_vmap_at_an_edge() -> None:
    x = np.array([0.0, 0.5])
    with np.errstate(all="ignore"):
        (first,) = tn.vmap(lambda x: tn.jet(tnp.sqrt, (x,), ([1.0],))[1])(x)
    np.testing.assert_allclose(first, [np.inf, 0.5**0.5])


def test_compiled_programs_follow_their_inputs() -> None:
    compiled = tn.compile(lambda x: tn.jet(program, (x,), ([V, V, V],)))
    for x in (X, X, 2 * X):
        expected = tn.jet(program, (x,), ([V, V, V],))
        np.testing.assert_allclose(compiled(x)[1], expected[1], rtol=1e-12)


def test_series_of_series() -> None:
    def inner(s: Array) -> Array:
        return tn.jet(lambda t: tnp.sin(s * t), (1.0,), ([1.0, None],))[1][1]

    _, (found,) = tn.jet(inner, (2.0,), ([1.0],))
    assert float(found) == pytest.approx(-2 * 2 * np.sin(2.0) - 4 * np.cos(2.0), rel=1e-13)


def test_the_series_of_a_gradient() -> None:
    f = tn.grad(lambda x: tnp.sum(program(x)))
    np.testing.assert_allclose(tn.jet(f, (X,), ([V, V],))[1], nested(f, X, [V, V]), rtol=1e-10)


def test_operations_of_ones_own() -> None:
    cube = tn.primitive(lambda x: x**3, lambda t, x: 3 * t * x**2, name="cube")
    total = tn.primitive(
        lambda x: np.sum(x), lambda t, x_shape: tnp.broadcast_to(t, x_shape), family="linear", name="total"
    )
    by_jvp = tn.custom_jvp(lambda x: tnp.sin(x), lambda xs, ts: (tnp.sin(xs[0]), ts[0] * tnp.cos(xs[0])))

    def f(x: Array) -> Array:
        return by_jvp(cube(x)) * total(x)

    series = [V, V, V]
    expected = nested(lambda x: tnp.sin(x**3) * tnp.sum(x), X, series)
    np.testing.assert_allclose(tn.jet(f, (X,), (series,))[1], expected, rtol=1e-10)


def test_a_rule_for_reverse_mode_alone_is_named() -> None:
    f = tn.custom_vjp(lambda x: np.sin(x), lambda x: (np.sin(x), x), lambda x, t: (t * np.cos(x),))
    with pytest.raises(tn.MissingRuleError, match="forward mode"):
        tn.jet(f, (X,), ([V],))


def test_checks_name_where_a_series_is_not_finite() -> None:
    with tn.checks():
        np.testing.assert_allclose(tn.jet(program, (X,), ([V, V],))[1], tn.jet(program, (X,), ([V, V],))[1])
        with pytest.raises(
            tn.NumericalError, match="exp: in the series walk the coefficient of order 1 must be finite"
        ):
            tn.jet(tnp.exp, (700.0,), ([1e200, None],))
        with pytest.raises(tn.NumericalError, match=r"sqrt: in the forward walk: divide.*test_taylor\.py"):
            tn.jet(tnp.sqrt, (0.0,), ([1.0],))
        with pytest.raises(tn.NumericalError, match="eigh: in the series walk"):
            tn.jet(lambda a: tnp.linalg.eigh(a)[1], (np.eye(2),), ([np.ones((2, 2))],))


def test_loops_regions_and_solutions() -> None:
    def f(x: Array) -> Array:
        carried, _ = tn.scan(lambda carry, k: (tnp.sin(carry) + k * x, carry), x, np.arange(3.0))
        checkpointed = tn.checkpoint(lambda x: tnp.exp(tnp.sin(x)))(carried)
        return tn.fixed_point(lambda z, x: 0.3 * tnp.cos(z) + x, 0 * X, checkpointed)

    series = [0.1 * V, V]
    np.testing.assert_allclose(tn.jet(f, (X,), (series,))[1], nested(f, X, series), rtol=1e-8)


# ---- factorizations and weights ----

SQUARE = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.5, 1.0]])
MOVE = np.array([[0.5, -1.0, 0.2], [0.3, 0.7, 0.1], [-0.2, 0.4, 0.9]])


def products_of_factors(name: str, a: Array) -> list[Array]:
    """What factors give back, with what they must be: series of equal things."""
    turned = tnp.conj(tnp.matrix_transpose(a))
    if name == "qr":
        q, r = tnp.linalg.qr(a)
        return [q @ r, a, tnp.conj(tnp.matrix_transpose(q)) @ q, np.eye(3) + 0 * a, tnp.tril(r, -1), 0 * a]
    if name == "eigh":
        w, v = tnp.linalg.eigh(a + turned)
        return [(v * w) @ tnp.conj(tnp.matrix_transpose(v)), a + turned, w, tnp.linalg.eigvalsh(a + turned)]
    if name == "svd":
        u, s, vh = tnp.linalg.svd(a)
        return [(u * s) @ vh, a, s, tnp.linalg.svdvals(a)]
    if name == "cholesky":
        lower = tnp.linalg.cholesky(a @ turned)
        return [lower @ tnp.conj(tnp.matrix_transpose(lower)), a @ turned]
    sign, logabsdet = tnp.linalg.slogdet(a)
    return [sign * tnp.exp(logabsdet), tnp.linalg.det(a), tnp.linalg.inv(a) @ a, np.eye(3) + 0 * a]


@pytest.mark.parametrize("name", ["qr", "eigh", "svd", "cholesky", "slogdet"])
@pytest.mark.parametrize("turn", [0.0, 1.0j])
def test_the_series_of_factors_multiply_to_that_of_the_matrix(name: str, turn: complex) -> None:
    a = SQUARE + turn * MOVE if turn else SQUARE
    move = MOVE + turn * SQUARE.T if turn else MOVE
    series = [0.2 * move, 0.04 * move.T, 0.008 * a, *[None] * 5]  # so that rounding errors stay small
    y, found = tn.jet(lambda a: products_of_factors(name, a), (a,), (series,))
    for parts in (y, *found):
        for factors, whole in zip(parts[::2], parts[1::2], strict=True):
            size = max(1.0, *(np.abs(x).max() for part in found for x in part))
            np.testing.assert_allclose(factors, whole, rtol=1e-9, atol=1e-11 * size)


def test_tall_and_wide_matrices_factor_too() -> None:
    for shape in ((4, 2), (2, 4)):
        a, move = np.random.default_rng(0).normal(size=(2, *shape))
        for factor in (lambda a: tnp.linalg.qr(a), lambda a: tnp.linalg.svd(a, full_matrices=False)):
            for place in range(2):

                def one(a: Array, factor: Function = factor, place: int = place) -> Array:
                    return factor(a)[place]

                found, expected = tn.jet(one, (a,), ([move, move],))[1], nested(one, a, [move, move])
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_small_weights_keep_their_digits() -> None:
    x = np.array([40.0, 0.0, -40.0])
    found = tn.jet(tn.nn.softmax, (x,), ([V, None, None, None],))[1]
    found_log = tn.jet(tn.nn.log_softmax, (x,), ([V, None, None, None],))[1]

    def weight(i: int, t: Any) -> Any:
        return MP.exp(x[i] + V[i] * t) / sum(MP.exp(x[j] + V[j] * t) for j in range(3))

    with mpmath.workdps(60):
        for i in range(3):
            expected = mpmath.taylor(partial(weight, i), 0, 4)
            log = mpmath.taylor(lambda t, i=i: MP.log(weight(i, t)), 0, 4)
            for k in range(1, 5):
                assert float(found[k - 1][i]) == pytest.approx(float(expected[k]) * math.factorial(k), rel=1e-12)
                assert float(found_log[k - 1][i]) == pytest.approx(float(log[k]) * math.factorial(k), rel=1e-12)


# ---- second derivatives ----


def scalar(x: Array) -> Array:
    return tnp.sum(program(x)) * x[0]


def test_the_diagonal_and_the_trace_are_those_of_the_hessian() -> None:
    hessian = tn.hessian(scalar)(X)
    np.testing.assert_allclose(tn.hessian_diagonal(scalar)(X), np.diag(hessian), rtol=1e-10)
    assert float(tn.laplacian(scalar)(X)) == pytest.approx(np.trace(hessian), rel=1e-10)
    for chunk_size in (1, 2):
        np.testing.assert_allclose(tn.hessian_diagonal(scalar, chunk_size=chunk_size)(X), np.diag(hessian), rtol=1e-10)
        assert float(tn.laplacian(scalar, chunk_size=chunk_size)(X)) == pytest.approx(np.trace(hessian), rel=1e-10)


def test_a_direction_is_a_form_of_the_hessian() -> None:
    assert float(tn.directional(scalar, 2)(X, V)) == pytest.approx(V @ tn.hessian(scalar)(X) @ V, rel=1e-10)
    np.testing.assert_allclose(tn.directional(program)(X, V), tn.jvp(program, (X,), (V,))[1], rtol=1e-12)
    np.testing.assert_array_equal(tn.directional(program, 0)(X, V), program(X))


def test_a_vector_has_a_diagonal_and_a_laplacian_for_each_element() -> None:
    hessian = tn.hessian(program)(X)
    np.testing.assert_allclose(tn.hessian_diagonal(program)(X), np.einsum("ijj->ij", hessian), rtol=1e-10)
    np.testing.assert_allclose(tn.laplacian(program)(X), np.einsum("ijj->i", hessian), rtol=1e-10)


def test_second_derivatives_of_pytrees() -> None:
    def f(p: dict[str, Array]) -> Array:
        return p["a"] ** 3 * tnp.sum(p["b"] ** 2)

    p = {"a": 2.0, "b": X}
    diagonal = tn.hessian_diagonal(f)(p)
    assert float(diagonal["a"]) == pytest.approx(12 * X @ X)
    np.testing.assert_allclose(diagonal["b"], np.full(3, 16.0))
    assert float(tn.laplacian(f)(p)) == pytest.approx(12 * X @ X + 48)
    assert float(tn.directional(f, 3)(p, {"a": 1.0, "b": np.zeros(3)})) == pytest.approx(6 * X @ X)


def test_second_derivatives_by_several_arguments() -> None:
    def f(x: Array, y: Array) -> Array:
        return tnp.sum(x**2 * y**3)

    by_x, by_y = tn.hessian_diagonal(f, (0, 1))(X, 2 * X)
    np.testing.assert_allclose(by_x, 2 * (2 * X) ** 3)
    np.testing.assert_allclose(by_y, 6 * X**2 * 2 * X)
    assert float(tn.laplacian(f, argnums=(0, 1))(X, 2 * X)) == pytest.approx(by_x.sum() + by_y.sum())
    np.testing.assert_allclose(tn.hessian_diagonal(f, 1)(X, 2 * X), by_y)


def test_second_derivatives_inside_other_transforms() -> None:
    expected = tn.grad(lambda x: tnp.trace(tn.hessian(scalar)(x)))(X)
    np.testing.assert_allclose(tn.grad(tn.laplacian(scalar))(X), expected, rtol=1e-9)
    rows = np.stack([X, X + 0.1])
    np.testing.assert_allclose(tn.vmap(tn.laplacian(scalar))(rows), [tn.laplacian(scalar)(x) for x in rows], rtol=1e-12)
    np.testing.assert_allclose(tn.compile(tn.laplacian(scalar))(X), tn.laplacian(scalar)(X), rtol=1e-12)


def test_a_linear_function_has_no_second_derivatives() -> None:
    assert tn.laplacian(lambda x: tnp.sum(x))(X) == 0.0
    np.testing.assert_array_equal(tn.hessian_diagonal(lambda x: 2.0 * x)(X), np.zeros((3, 3)))


def test_laplacians_of_holomorphic_functions_are_complex() -> None:
    z = np.array([1.0 + 1.0j, 2.0])
    assert complex(tn.laplacian(lambda z: tnp.sum(z**3))(z)) == pytest.approx(complex(6 * z.sum()))


# ---- errors ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tn.jet(1.0, (X,), ([V],)), "jet: f must be a function; got 1.0"),  # type: ignore[arg-type]
        (lambda: tn.jet(tnp.sin, X, ([V],)), "jet: primals must be a tuple or list"),
        (lambda: tn.jet(tnp.sin, (X,), V), "jet: series must be a tuple or list"),  # type: ignore[arg-type]
        (lambda: tn.jet(tnp.sin, (X,), ()), "jet: series must be one for each of 1 primals; got 0"),
        (lambda: tn.jet(tnp.sin, (X,), (V,)), r"jet: series\[0\] must be a list of derivatives"),
        (lambda: tn.jet(tnp.sin, (X,), ([V, 1.0],)), r"jet: series\[0\]\[1\] must have shape \(3,\)"),
        (lambda: tn.jet(tnp.sin, (X,), ([V * 1j],)), r"jet: series\[0\]\[0\] must be real"),
        (lambda: tn.jet(tnp.sin, (3,), ([1.0],)), r"jet: primals\[0\] must be float or complex; got int 3"),
        (lambda: tn.jet(tnp.sin, (1.0,), ([1.0] * 171,)), "jet: series must have at most 170 derivatives; got 171"),
        (lambda: tn.directional(tnp.sin, -1), "directional: order must be"),
        (lambda: tn.directional(tnp.sin, 2)(X, 1.0), r"directional: v must have shape \(3,\)"),
        (lambda: tn.directional(tnp.sin, 2)(), "directional: there must be the arguments of f"),
        (lambda: tn.laplacian(tnp.abs)(X * 1j), "laplacian: x must be real where y is"),
        (lambda: tn.hessian_diagonal(tnp.sin, chunk_size=0)(X), "hessian_diagonal: chunk_size must be"),
        (lambda: tn.hessian_diagonal(tnp.sin)(np.arange(3)), r"hessian_diagonal: args\[0\] must be float or complex"),
        (lambda: tn.laplacian(lambda x: np.arange(3))(X), "laplacian: y must be float or complex"),
    ],
)
def test_errors_say_what_is_wrong(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(tn.TapenetError, match=message):
        call()
