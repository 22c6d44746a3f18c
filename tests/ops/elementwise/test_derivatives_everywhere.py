"""Derivatives of elementwise functions in every dtype, far out, at singular points, and of complex numbers."""

from __future__ import annotations

import cmath
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.ops.special.functions import erf

mp: Any = mpmath.mp
Array = Any

# ---- closed forms ----

RIGHT: dict[str, tuple[Any, float, float]] = {
    "expm1": (tnp.expm1, -40.0, 4.248354255291589e-18),
    "tanh": (tnp.tanh, 20.0, 1.6993417021166355e-17),
    "tanh, second": (tn.grad(tnp.tanh), 20.0, -3.398683404233271e-17),
    "exp2": (tnp.exp2, 1024.0, 1.2460659279417838e308),
    "arcsinh": (tnp.arcsinh, 1e200, 1e-200),
    "arcsinh, second": (tn.grad(tnp.arcsinh), 1e100, -1e-200),
    "arctan": (tnp.arctan, 1e155, 1e-310),
    "arctan, second": (tn.grad(tnp.arctan), 1e100, -2e-300),
    "arcsin, second": (tn.grad(tnp.arcsin), 1e-20, 1e-20),
    "logaddexp, second": (tn.grad(lambda x: tnp.logaddexp(x, 0.0)), 40.0, 4.248354255291589e-18),
    "logaddexp, subnormal": (lambda x: tnp.logaddexp(x, 0.0), -720.0, float(mp.exp(-720))),
    "logaddexp2": (lambda x: tnp.logaddexp2(x, 0.0), -1000.0, 2.0**-1000),
    "log10, of a subnormal number": (tnp.log10, 3e-309, 0.4342944819032518 / 3e-309),
    "sinc": (tnp.sinc, 1e10 + 0.5, -1 / (np.pi * (1e10 + 0.5) ** 2)),
    "erf": (erf, 26.0, float(2 / mp.sqrt(mp.pi) * mp.exp(-676))),
    "power, in the exponent, at 0": (lambda y: tnp.power(0.0, y), 2.0, 0.0),
    "power, in the exponent, at infinity": (lambda y: tnp.power(np.inf, y), -2.0, 0.0),
}
LOOSE = {"logaddexp, subnormal": 1e-9}  # which has fewer digits


@pytest.mark.parametrize("name", RIGHT)
def test_the_derivative_is_right_in_both_modes(name: str) -> None:
    function, x, right = RIGHT[name]
    with np.errstate(over="ignore"):
        reverse, forward = tn.grad(function)(x), tn.jvp(function, (x,), (1.0,))[1]
    np.testing.assert_allclose([reverse, forward], right, rtol=LOOSE.get(name, 2e-15), atol=0)


@pytest.mark.parametrize("function", [tnp.tanh, tn.nn.sigmoid, tnp.arctan, tnp.arcsinh, tn.nn.gelu])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_nothing_is_warned_of_far_out(function: Any, dtype: Any) -> None:
    largest = np.finfo(dtype).max
    for x in (np.array([-largest, largest], dtype), np.array([-1e4, 1e4], dtype)):
        slopes = tn.elementwise_grad(function)(x)
        assert slopes.dtype == dtype
        assert np.isfinite(slopes).all()


# ---- every dtype ----

SMOOTH = {
    "tanh": (tnp.tanh, mp.tanh),
    "log2": (tnp.log2, lambda x: mp.log(x, 2)),
    "log10": (tnp.log10, mp.log10),
    "exp2": (tnp.exp2, lambda x: mp.power(2, x)),
    "expm1": (tnp.expm1, mp.expm1),
    "arcsin": (lambda x: tnp.arcsin(x / 8), lambda x: mp.asin(x / 8)),
    "arctan": (tnp.arctan, mp.atan),
    "arcsinh": (tnp.arcsinh, mp.asinh),
    "logaddexp2": (lambda x: tnp.logaddexp2(x, 1.0), lambda x: mp.log(mp.power(2, x) + 2, 2)),
    "sinc": (tnp.sinc, mp.sincpi),
    "i0": (tnp.i0, lambda x: mp.besseli(0, x)),
    "erf": (erf, mp.erf),
    "gelu": (tn.nn.gelu, lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2),
    "sigmoid": (tn.nn.sigmoid, lambda x: 1 / (1 + mp.exp(-x))),
    "hypot": (lambda x: tnp.hypot(x, 2.0), lambda x: mp.sqrt(x * x + 4)),
}


def _exactly(x: Any) -> Any:
    """A number of any dtype as one of mpmath's."""
    high = float(x)
    return mp.mpf(high) + mp.mpf(float(x - type(x)(high)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("name", SMOOTH)
@given(x=st.floats(0.125, 4.0, width=16))
def test_derivatives_hold_to_the_digits_of_the_dtype(name: str, dtype: Any, x: float) -> None:
    function, formula = SMOOTH[name]
    found = tn.elementwise_grad(function)(np.array([x], dtype))[0]
    assert found.dtype == dtype
    with mp.workdps(50):
        right = mp.diff(formula, mp.mpf(x))
        error = abs(_exactly(found) - right)
        assert error <= 16 * float(np.finfo(dtype).eps) * (abs(right) + mp.mpf("0.25"))


# ---- complex numbers ----


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_sinc_of_complex_numbers(a: float, b: float) -> None:
    z = complex(a, b)
    with mp.workdps(40):
        right = complex(mp.diff(mp.sincpi, mp.mpc(z)))
        second = complex(mp.diff(mp.sincpi, mp.mpc(z), 2))
    scale = abs(cmath.cos(cmath.pi * z)) + 1
    assert abs(tn.grad(lambda z: tnp.real(tnp.sinc(z)))(z) - right) < 1e-13 * scale
    found = tn.jvp(lambda z: tn.jvp(tnp.sinc, (z,), (1 + 0j,))[1], (z,), (1 + 0j,))[1]
    assert abs(found - second) < 1e-12 * scale


@pytest.mark.parametrize("z", [1 + 2j, -0.3 + 0.1j, 2j])
def test_sign_of_complex_numbers_is_the_quotient_in_both_modes(z: complex) -> None:
    t, w = 0.4 - 0.7j, 0.3 + 0.2j

    def quotient(z: Array) -> Array:
        return z / tnp.abs(z)

    for f, g in ((tnp.sign, quotient), (lambda z: tnp.sign(z) ** 2, lambda z: quotient(z) ** 2)):
        np.testing.assert_allclose(tn.jvp(f, (z,), (t,))[1], tn.jvp(g, (z,), (t,))[1], rtol=1e-13)
        ours, right = (tn.grad(lambda z, f=f: tnp.real(w * f(z)))(z) for f in (f, g))
        np.testing.assert_allclose(ours, right, rtol=1e-13)
    ours, right = (
        tn.hessian(lambda x, f=f: tnp.real(w * f(x[0] + 1j * x[1])))(np.array([z.real, z.imag]))
        for f in (tnp.sign, quotient)
    )
    np.testing.assert_allclose(ours, right, atol=1e-13)


def test_sign_of_real_numbers_stays_piecewise_constant() -> None:
    assert tn.grad(tnp.sign)(0.0) == 0
    with tn.checks(constant=True), pytest.raises(tn.errors.UnconnectedError, match="piecewise constant"):
        tn.grad(tnp.sign)(2.0)


@pytest.mark.parametrize("function", [tnp.tanh, tnp.arctan, tnp.arcsinh, tn.nn.sigmoid])
def test_complex_numbers_far_out(function: Any) -> None:
    for z in (800 + 1j, -800 + 0.3j, 30 - 2j):
        with mp.workdps(800):
            formula = {"tanh": mp.tanh, "arctan": mp.atan, "arcsinh": mp.asinh}.get(
                function.__name__, lambda z: 1 / (1 + mp.exp(-z))
            )
            right = complex(mp.diff(formula, mp.mpc(z)))
        np.testing.assert_allclose(tn.grad(lambda z: tnp.real(function(z)))(z), right, rtol=1e-13)
