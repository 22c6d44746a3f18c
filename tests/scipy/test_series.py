"""Taylor series of SciPy's functions: against mpmath to order 8, and against nested forward mode."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tests.comparing import nested_derivatives

scipy = pytest.importorskip("scipy")

from tapenet.scipy import interpolate, linalg, special  # noqa: E402  # behind the test for SciPy

Array = Any
Function = Callable[..., Any]
MP: Any = mpmath
ORDER = 8
PLACE = 1.3

FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "gamma": (special.gamma, MP.gamma),
    "gammaln": (special.gammaln, MP.loggamma),
    "psi": (special.psi, lambda x: MP.psi(0, x)),
    "beta": (lambda x: special.beta(x, 1.5), lambda x: MP.beta(x, 1.5)),
    "gammainc": (lambda x: special.gammainc(1.5, x), lambda x: MP.gammainc(1.5, 0, x, regularized=True)),
    "betainc": (lambda x: special.betainc(1.5, 2.5, x / 3), lambda x: MP.betainc(1.5, 2.5, 0, x / 3, regularized=True)),
    "erfc": (special.erfc, MP.erfc),
    "erfcx": (special.erfcx, lambda x: MP.exp(x * x) * MP.erfc(x)),
    "erfinv": (lambda x: special.erfinv(x / 3), lambda x: MP.erfinv(x / 3)),
    "ndtr": (special.ndtr, MP.ncdf),
    "jv": (lambda x: special.jv(1.3, x), lambda x: MP.besselj(MP.mpf(1.3), x)),
    "yv": (lambda x: special.yv(0.7, x), lambda x: MP.bessely(MP.mpf(0.7), x)),
    "iv": (lambda x: special.iv(1.3, x), lambda x: MP.besseli(MP.mpf(1.3), x)),
    "kv": (lambda x: special.kv(1.3, x), lambda x: MP.besselk(MP.mpf(1.3), x)),
    "j0": (special.j0, lambda x: MP.besselj(0, x)),
    "hankel1": (lambda x: tnp.real(special.hankel1(1, x)), lambda x: MP.besselj(1, x)),
    "hankel2": (lambda x: tnp.real(special.hankel2(1, x)), lambda x: MP.besselj(1, x)),
    "airy": (lambda x: special.airy(x)[0], MP.airyai),
    "expi": (special.expi, MP.ei),
    "lambertw": (lambda x: tnp.real(special.lambertw(x)), MP.lambertw),
    "hyp1f1": (lambda x: special.hyp1f1(1.5, 2.5, x), lambda x: MP.hyp1f1(1.5, 2.5, x)),
    "ellipk": (lambda x: special.ellipk(x / 3), lambda x: MP.ellipk(x / 3)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_functions_have_the_derivatives_of_mpmath(name: str) -> None:
    ours, theirs = FUNCTIONS[name]
    found = tn.jet(ours, (PLACE,), ([1.0] + [None] * (ORDER - 1),))[1]
    with mpmath.workdps(30):
        expected = [float(c * math.factorial(k)) for k, c in enumerate(MP.taylor(theirs, MP.mpf(PLACE), ORDER))][1:]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(("whole", "any_order"), [(special.yn, special.yv), (special.kn, special.kv)])
def test_functions_of_whole_orders_agree_with_those_of_any(whole: Function, any_order: Function) -> None:
    series = ([1.0, 0.5, None, None],)
    expected = tn.jet(lambda x: any_order(2.0, x), (PLACE,), series)[1]
    np.testing.assert_allclose(tn.jet(lambda x: whole(2, x), (PLACE,), series)[1], expected, rtol=1e-12)


A = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, -0.4], [0.0, 0.5, 1.0]])
E = np.array([[0.5, -1.0, 0.2], [0.3, 0.7, 0.1], [-0.2, 0.4, 0.9]])
B = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.2]])

ALONG: dict[str, Function] = {
    "expm": lambda a, t: linalg.expm(a),
    "logm": lambda a, t: linalg.logm(a),
    "sqrtm": lambda a, t: linalg.sqrtm(a),
    "sinm": lambda a, t: linalg.sinm(a),
    "power": lambda a, t: linalg.fractional_matrix_power(a, 0.3),
    "power that changes": lambda a, t: linalg.fractional_matrix_power(a, 0.3 + t),
    "power of a constant": lambda a, t: linalg.fractional_matrix_power(A, 0.3 + t),
    "solve": lambda a, t: linalg.solve(a, B + t),
    "solve_triangular": lambda a, t: linalg.solve_triangular(a, B + t),
    "solve_banded": lambda a, t: linalg.solve_banded((1, 1), a + 3 * np.array([[0], [1], [0]]), B + t),
    "solve_toeplitz": lambda a, t: linalg.solve_toeplitz((a[0], a[1]), B + t),
    "solve_toeplitz of a row": lambda a, t: linalg.solve_toeplitz((A[0], a[1]), B),
    "solve_sylvester": lambda a, t: linalg.solve_sylvester(a, a[:2, :2] + 1, B + t),
    "CubicSpline": lambda a, t: interpolate.CubicSpline(np.arange(3.0), a)(0.4 + t),
}


@pytest.mark.parametrize("name", ALONG)
def test_linear_algebra_agrees_with_nested_forward_mode(name: str) -> None:
    def along(t: Array) -> Array:
        return ALONG[name](A + t * E + t * t * E.T, t)

    found = tn.jet(along, (0.0,), ([1.0, None, None],))[1]
    for ours, theirs in zip(found, nested_derivatives(along, 3), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_matrix_functions_inside_other_transforms() -> None:
    def second(s: Array) -> Array:
        return tn.jet(lambda s: tnp.sum(linalg.expm(A * s)), (s,), ([1.0, None],))[1][1]

    expected = np.sum(A @ A @ linalg.expm(A * 0.5))
    assert float(second(0.5)) == pytest.approx(expected, rel=1e-12)
    assert float(tn.grad(second)(0.5)) == pytest.approx(np.sum(A @ A @ A @ linalg.expm(A * 0.5)), rel=1e-12)
    np.testing.assert_allclose(tn.vmap(second)(np.array([0.5, 0.6])), [second(0.5), second(0.6)], rtol=1e-12)
    np.testing.assert_allclose(tn.compile(second)(0.5), expected, rtol=1e-12)
