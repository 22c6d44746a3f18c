"""The normal distribution at complex numbers, against mpmath: in all directions, on the axes and far out."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from tapenet.kernels.error_function import normal_cdf, normal_density

mp: Any = mpmath.mp


def _exact(z: Any) -> Any:
    """A complex number of any dtype as one of mpmath's."""
    parts = (np.format_float_positional(part, unique=False, precision=80) for part in (z.real, z.imag))
    return mpmath.mpc(*map(mpmath.mpf, parts))


def _points(rng: np.random.Generator, dtype: str) -> Any:
    size, angle = 10 ** rng.uniform(-4, 1.1, 150), rng.uniform(0, 2 * np.pi, 150)
    square = rng.uniform(-6, 6, 150) + 1j * rng.uniform(-6, 6, 150)
    on_axes = [*rng.uniform(-6, 6, 20), *(1j * rng.uniform(-6, 6, 20)), 0]
    return np.concatenate([size * np.exp(1j * angle), square, on_axes]).astype(dtype)


@pytest.mark.parametrize(("dtype", "ulp"), [("complex64", 2), ("complex128", 16), ("clongdouble", 64)])
def test_relative_errors(dtype: str, ulp: float, rng: np.random.Generator) -> None:
    z = _points(rng, dtype)
    eps = float(np.finfo(dtype).eps)
    with mpmath.workdps(60):
        for x, cdf, density in zip(map(_exact, z), normal_cdf(z), normal_density(z), strict=True):
            right = mpmath.erfc(-x / mpmath.sqrt(2)) / 2
            size = max(abs(right), abs(1 - right)) if x.real > 0 else abs(right)  # it has zeros on the right
            assert abs(_exact(cdf) - right) <= ulp * eps * size, x
            right = mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)
            assert abs(_exact(density) - right) <= ulp * eps * abs(right), x


def test_on_the_real_axis_they_are_those_of_real_numbers() -> None:
    x = np.linspace(-8, 8, 201)
    np.testing.assert_allclose(normal_cdf(x + 0j), normal_cdf(x), rtol=4e-15)
    np.testing.assert_array_equal(normal_cdf(x + 0j).imag, 0)
