"""Empty, infinite and mixed operands: values, dtypes and types are NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves

Array = Any

_NOTHING, _ROW = np.zeros((2, 0), np.float32), np.array([1.0, -2.5, 4.0], np.float32)
_INFINITE = np.array([np.inf, 1.0, np.nan, 3.0])

CASES: dict[str, tuple[Callable[[Any, Array], Any], Array]] = {
    "std about a mean of one element": (lambda xp, x: xp.std(x, mean=np.float64(2.0)), np.array(0.5)),
    "nanstd about a mean of one element": (lambda xp, x: xp.nanstd(x, mean=np.ones((1,))), np.array([4.0])),
    "polyval of no coefficients": (lambda xp, x: xp.polyval([], x), np.float16([1, 2])),
    "polyadd of matrices": (lambda xp, x: xp.polyadd(x, 2 * x), np.eye(3)),
    "polysub of matrices": (lambda xp, x: xp.polysub(x, x[:, :1]), np.eye(3)),
    "poly of no roots": (lambda xp, x: xp.poly(x), np.zeros(0)),
    "nanquantile of nothing": (lambda xp, x: xp.nanquantile(x, [0.1, 0.5]), _NOTHING),
    "nanpercentile of nothing": (lambda xp, x: xp.nanpercentile(x, 50, axis=0), _NOTHING),
    "nanmax of nothing": (lambda xp, x: xp.nanmax(x, initial=-1.5), _NOTHING),
    "nanmin of nothing": (lambda xp, x: xp.nanmin(x, axis=1, initial=2), _NOTHING),
    "count of NaN": (lambda xp, x: xp.linalg.vector_norm(x, ord=0), _INFINITE),
    "odd reflection beside infinity": (lambda xp, x: xp.pad(x, 2, "reflect", reflect_type="odd"), _INFINITE),
    "odd symmetry beyond the array": (lambda xp, x: xp.pad(x, 7, "symmetric", reflect_type="odd"), _ROW),
    "ramps beside infinity": (lambda xp, x: xp.pad(x, (2, 3), "linear_ramp", end_values=(1, 2)), _INFINITE),
    "ramps of a matrix": (lambda xp, x: xp.pad(x, ((1, 0), (2, 3)), "linear_ramp"), np.ones((2, 3))),
    "a scalar padded": (lambda xp, x: xp.pad(x, 2, "reflect"), np.float32(2)),
    "magnitude with a dtype": (lambda xp, x: xp.abs(x, dtype=np.float64), np.array([3 + 4j])),
    "sum with a dtype": (lambda xp, x: xp.add(x, 1, dtype=np.longdouble), _ROW),
    "vecdot with a dtype": (lambda xp, x: xp.vecdot(x, x, dtype=np.float64), _ROW),
    "matvec with a dtype": (lambda xp, x: xp.matvec(np.eye(3), x, dtype=np.complex64), _ROW),
    "whole numbers in line": (lambda xp, x: xp.linspace(x, 3, 5, dtype=int), _ROW),
    "interpolation at a scalar": (lambda xp, x: xp.interp(x, [0.0, 1.0], [1.0, 3.0]), np.array(0.5)),
    "covariance of nothing": (lambda xp, x: xp.cov(x, rowvar=False), np.zeros((2, 0), np.float32)),
    "least squares of two dtypes": (lambda xp, x: xp.linalg.lstsq(x, np.arange(2)), np.ones((2, 2), np.float32)),
    "a product of two arrays": (lambda xp, x: xp.linalg.multi_dot([x, 2 * x]), np.float64(3.0)),
    "tensorsolve of one number": (lambda xp, x: xp.linalg.tensorsolve(x, np.ones(1)), np.array([2.0])),
    "trapezoids at places of two axes": (
        lambda xp, x: xp.trapezoid(x, np.arange(6.0).reshape(2, 3) ** 2),
        np.arange(12.0).reshape(2, 2, 3),
    ),
    "truths multiplied": (lambda xp, x: xp.prod(x, where=[True, False, True], dtype=bool), _ROW),
    "truths multiplied along": (lambda xp, x: xp.cumprod(x, dtype=bool), _ROW),
    "a quantile before the first element": (lambda xp, x: xp.quantile(x, 0.1, method="hazen"), np.array([np.inf, 2.0])),
    "slopes beside NaN": (lambda xp, x: xp.gradient(x), np.array([1.0, np.nan, 2.0, 4.0, 1.0])),
    "slopes beside NaN, at equal steps": (
        lambda xp, x: xp.gradient(x, np.arange(5.0)),
        np.array([1.0, np.nan, 2.0, 4.0, 1.0]),
    ),
    "slopes beside infinity": (lambda xp, x: xp.gradient(x, [0.0, 1.0, 3.0]), np.array([1.0, np.inf, 2.0])),
    "the product of two polynomials of nothing": (lambda xp, x: xp.polymul(x, x), np.zeros(0, np.float32)),
    "a complex root at infinity": (lambda xp, x: x**0.5, np.array([complex(-np.inf, 0.0), 1j])),
    "a complex quotient at infinity": (lambda xp, x: x**-1, np.array([complex(0.0, -np.inf), 1j])),
    "a matrix of one row as the value of full": (lambda xp, x: tnp.full((3,), x), np.ones((1, 3))),
    "the 0-th difference of a scalar": (lambda xp, x: xp.diff(x, n=0), np.array(2.0)),
    "a standard deviation in integers": (lambda xp, x: xp.std(x, dtype=int, where=True), _ROW),
    "a deviation of truths about a complex mean": (
        lambda xp, x: xp.std(np.array([True]), mean=x),
        np.array([0.5 + 1j]),
    ),
    "a deviation of one number in float16": (lambda xp, x: xp.nanstd(x, dtype=np.float16), np.array([4.172325])),
    "a matrix inserted into a flat array": (lambda xp, x: xp.insert(x, 0, x), np.array([[2.0]])),
    "an average with its weight": (lambda xp, x: xp.average(x, weights=x, returned=True), np.float16([2.0])),
    "the largest quantile, infinite": (lambda xp, x: xp.nanquantile(x, 1), _INFINITE),
    "a union with a number": (lambda xp, x: xp.union1d(x, 0.5), _ROW),
    "numbers joined without axis": (lambda xp, x: xp.concatenate([x, 2.5], axis=None), _ROW),
    "a deviation about a mean of float32": (lambda xp, x: xp.std(x, mean=np.float32([1.5])), np.array(0.5)),
    "quantiles of NaN alone": (lambda xp, x: xp.nanquantile(x, [0.1, 0.9]), np.float16([np.nan, np.nan])),
    "a scalar filled from a row": (lambda xp, x: tnp.full_like(2.0, x), np.array([3.0])),
    "an average with complex weights": (
        lambda xp, x: xp.average(x, weights=np.complex64([1, 2j, 3]), returned=True),
        np.arange(3.0),
    ),
    "the polynomial of float16": (lambda xp, x: xp.poly(x), np.float16([1, 2])),
    "a variance with a mask and half a degree": (
        lambda xp, x: xp.var(x, ddof=0.5, where=[True, False, True]),
        _ROW,
    ),
    "slopes at places of uint8": (lambda xp, x: xp.gradient(x, np.array([200, 50, 0], np.uint8)), _ROW),
    "the polynomial of a complex matrix with real eigenvalues": (
        lambda xp, x: xp.poly(x),
        np.array([[2.0, 1j], [0, 3]]),
    ),
    "condition of a matrix": (lambda xp, x: xp.linalg.cond(x), np.diag([2.0, 1.0])),
}


# NumPy's own answers before 2.2: it has no matvec, and the largest quantile of infinite elements is NaN.
LATER = (
    ("matvec with a dtype", "the largest quantile, infinite") if np.lib.NumpyVersion(np.__version__) < "2.2.0" else ()
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [case for case in CASES if case not in LATER])
def test_values_are_numpys(case: str) -> None:
    f, x = CASES[case]
    with tn.GradientTape() as tape:
        found = [y.value if type(y) is tn.Tensor else y for y in tree_leaves(f(tnp, tape.watch(x)))]
    for actual, wanted in zip(found, tree_leaves(f(np, x)), strict=True):
        assert type(actual) is type(wanted) or type(wanted) in (float, int)
        np.testing.assert_array_equal(np.asarray(actual).dtype, np.asarray(wanted).dtype)
        np.testing.assert_allclose(actual, wanted, rtol=1e-6)


def test_derivatives_of_odd_reflections_and_ramps_are_those_of_their_formulas() -> None:
    x = np.array([1.0, 2.0, 4.0])
    pulled = tn.grad(lambda x: tnp.pad(x, 1, "reflect", reflect_type="odd") @ [1.0, 0, 0, 0, 10])(x)
    np.testing.assert_array_equal(pulled, [2.0, -11.0, 20.0])
    pulled = tn.grad(lambda x: tnp.pad(x, (2, 0), "linear_ramp").sum())(x)
    np.testing.assert_array_equal(pulled, [1.5, 1.0, 1.0])


def test_products_that_drop_imaginary_parts_have_derivatives_of_the_real_ones() -> None:
    z = np.array([1.5 + 1j, 2.5 + 2j])
    with pytest.warns(np.exceptions.ComplexWarning):
        np.testing.assert_array_equal(tn.grad(lambda z: tnp.prod(z, dtype=float))(z), [2.5, 1.5])
    with pytest.warns(np.exceptions.ComplexWarning):
        np.testing.assert_array_equal(tn.grad(lambda z: tnp.cumprod(z, dtype=float)[1])(z), [2.5, 1.5])


def test_the_sign_of_complex_numbers_with_keywords_has_its_derivative() -> None:
    z = np.array([2.0 - 1j])
    plain = tn.grad(lambda z: tnp.sum(tnp.real(tnp.sign(z))))(z)
    np.testing.assert_allclose(tn.grad(lambda z: tnp.sum(tnp.real(tnp.sign(z, dtype=complex))))(z), plain)
    np.testing.assert_allclose(tn.grad(lambda z: tnp.sum(tnp.real(tnp.sign(z, where=[True]))))(z), plain)


@pytest.mark.parametrize("function", [tnp.var, tnp.std, tnp.nanvar, tnp.nanstd])
def test_a_spread_of_complex_numbers_in_a_complex_dtype_has_a_real_derivative(function: Callable[..., Any]) -> None:
    z, t = np.array([1 + 2j, 3 - 1j, 0.5j]), np.array([0.3 + 1j, -2j, 1.0])
    value, slope = tn.jvp(lambda z: function(z, dtype=complex), (z,), (t,))
    assert value.dtype == complex
    np.testing.assert_allclose(slope, tn.jvp(function, (z,), (t,))[1] + 0j)


def test_a_python_number_in_a_product_has_a_dtype() -> None:
    for function, theirs in ((tnp.inner, np.inner), (tnp.dot, np.dot)):
        with tn.GradientTape() as tape:
            found = function(np.ones(2, np.float32), tape.watch(2.5))
        assert found.dtype == theirs(np.ones(2, np.float32), 2.5).dtype


@pytest.mark.parametrize("function", [tnp.nanmin, tnp.nanmax, tnp.max, tnp.median, tnp.sort, tnp.cumprod, tnp.prod])
def test_a_gradient_by_a_python_number_replays(function: Callable[..., Any]) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(0.5)
        y = tnp.sum(function(tnp.atleast_1d(x) if function is tnp.sort else x) ** 3)
        slope = tape.gradient(y, x)
    assert tape.replay(2.0, slope) == 12


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values", "sort", "argsort"])
def test_a_program_of_a_python_number_replays(name: str) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(0.5)
        found = getattr(tnp, name)(tnp.atleast_1d(x) if "sort" in name else x)
        y = 2 * x + 0 * np.size(found[0])
    assert tape.replay(0.75, y) == 1.5


def test_a_python_number_close_to_real_is_real() -> None:
    assert tn.grad(lambda z: tnp.real(tnp.real_if_close(z)))(2 + 0j) == 1
    assert tn.grad(lambda z: tnp.imag(tnp.real_if_close(z)))(2 + 1j) == -1j


def test_a_standard_deviation_about_a_given_mean_depends_on_it() -> None:
    assert tn.grad(lambda m: tnp.std(np.array([1.0]), mean=m))(3.0) == 1
    assert tn.grad(lambda x: tnp.std(x, mean=1.0))(np.array([4.0])) == 1


def test_a_power_with_a_modulo_is_refused() -> None:
    with (
        tn.GradientTape() as tape,
        pytest.raises(tn.errors.ArgumentTypeError, match=r"pow: modulo .* x \*\* y % modulo"),
    ):
        pow(tape.watch(5.0), 2, 3)  # type: ignore[misc]  # as a user would write it


def test_a_dtype_that_operands_do_not_cast_to_is_refused() -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.errors.ArgumentTypeError, match="exp: dtype must be one that"):
        tnp.exp(tape.watch(np.ones(2)), dtype=np.int64)
    with tn.GradientTape() as tape, pytest.raises(tn.errors.ArgumentTypeError, match=r"vecdot: dtype .* got float64"):
        tnp.vecdot(tape.watch(np.ones(2, complex)), np.ones(2), dtype=np.float64)


# ---- sums of float16 in derivatives, which stop at 2048 where float16 adds up ----

_MANY = np.ones((5000, 2), np.float16)
SUMS: dict[str, Callable[[Array], Any]] = {
    "multiply": lambda w: tnp.sum(_MANY * w),
    "matmul": lambda w: tnp.sum(_MANY @ w),
    "einsum": lambda w: tnp.einsum("ij,j->", _MANY, w),
    "einsum to rows": lambda w: tnp.sum(tnp.einsum("ij,j->i", _MANY, w)),
    "tensordot": lambda w: tnp.sum(tnp.tensordot(_MANY, w, 1)),
    "vecdot": lambda w: tnp.sum(tnp.vecdot(_MANY, w)),
    "inner": lambda w: tnp.sum(tnp.inner(_MANY, w)),
    "outer": lambda w: tnp.sum(tnp.outer(_MANY[:, 0], w)),
    "convolve": lambda w: tnp.sum(tnp.convolve(_MANY[:, 0], w)),
    "cumsum": lambda w: tnp.sum(tnp.cumsum(tnp.pad(w, (0, 4998)))),
    "take": lambda w: tnp.sum(tnp.take(w, np.arange(10000) % 2)),
    "repeat": lambda w: tnp.sum(tnp.repeat(w, 5000)),
    "broadcast_to": lambda w: tnp.sum(tnp.broadcast_to(w, (5000, 2))),
    "a loop": lambda w: sum([tnp.sum(w) for _ in range(5000)]),
}


@pytest.mark.parametrize("name", SUMS)
def test_derivatives_add_up_float16_beyond_2048(name: str) -> None:
    gradient = tn.grad(SUMS[name])(np.ones(2, np.float16))
    assert gradient.dtype == np.float16
    np.testing.assert_allclose(gradient, [5000, 5000], rtol=2e-3)
