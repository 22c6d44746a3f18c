"""Derivatives of complex functions on their branch cuts: those of the side that the sign of a zero names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

ON_THE_REAL_AXIS = [complex(x, y) for x in (5.0, -5.0, 1.25, -0.25) for y in (0.0, -0.0)]
ON_THE_IMAGINARY_AXIS = [complex(x, y) for x in (0.0, -0.0) for y in (5.0, -5.0, 1.25, -0.25)]
CASES = [
    *((name, z, 1.0) for name in ("arcsin", "arccos", "arctanh", "arccosh", "log", "sqrt") for z in ON_THE_REAL_AXIS),
    *((name, z, 1j) for name in ("arcsinh", "arctan") for z in ON_THE_IMAGINARY_AXIS),
]


@pytest.mark.parametrize(("name", "z", "direction"), CASES)
def test_the_derivative_is_that_of_the_side(name: str, z: complex, direction: complex) -> None:
    f: Any = getattr(tnp, name)
    point, step = np.array([z]), 1e-5
    ahead, behind = np.array([z]), np.array([z])
    part = np.real if direction == 1.0 else np.imag
    (ahead.real if direction == 1.0 else ahead.imag)[:] = part(z) + step
    (behind.real if direction == 1.0 else behind.imag)[:] = part(z) - step
    estimate = (getattr(np, name)(ahead) - getattr(np, name)(behind)) / (2 * step * direction)
    np.testing.assert_allclose(tn.jvp(f, (point,), (np.array([1.0 + 0j]),))[1], estimate, rtol=1e-7)
    second = tn.jvp(lambda z: tn.jvp(f, (z,), (np.array([1.0 + 0j]),))[1], (point,), (np.array([1.0 + 0j]),))[1]
    slopes = [tn.jvp(f, (at,), (np.array([1.0 + 0j]),))[1] for at in (behind, ahead)]
    np.testing.assert_allclose(second, (slopes[1] - slopes[0]) / (2 * step * direction), rtol=1e-6)


@pytest.mark.parametrize("x", [np.inf, -np.inf, 1e200])
def test_the_second_derivative_of_the_inverse_tangent_vanishes_far_out(x: float) -> None:
    assert tn.grad(tn.grad(tnp.arctan))(x) == 0
