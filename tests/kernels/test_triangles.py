"""Triangular matrices: against the formulas, for stacks, dtypes, sizes around those of blocks, and without SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.kernels import triangles

Array = Any
SIZES = st.sampled_from([0, 1, 2, 3, 7, 62, 63, 64, 65, 127, 130])


@st.composite
def factors(draw: st.DrawFn) -> tuple[Array, Array]:
    """Cholesky factors, with numbers above the diagonal that are not read, and as many others."""
    char, n = draw(st.sampled_from("fdFD")), draw(SIZES)
    stack = draw(st.sampled_from([(), (2,), (0,), (2, 1)])) if n < 62 else ()
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))

    def numbers() -> Array:
        x = rng.normal(size=(*stack, n, n))
        return (x + 1j * rng.normal(size=x.shape) if char in "FD" else x).astype(char)

    lower = np.tril(numbers(), -1) / max(1, n) ** 0.5
    lower = lower + np.eye(n) * rng.uniform(0.5, 2, n)
    return (lower + np.triu(numbers(), 1)).astype(char), numbers()


def by_formula(bar: Array, lower: Array) -> Array:
    wide = np.result_type(bar, np.float64)
    lower, bar = np.tril(lower).astype(wide), np.tril(bar).astype(wide)
    inverse = np.linalg.inv(lower)
    diagonal = np.eye(lower.shape[-1], dtype=bool)
    moved = np.tril(np.conj(lower.swapaxes(-1, -2)) @ bar)
    whole = np.conj(inverse.swapaxes(-1, -2)) @ np.where(diagonal, moved / 2, moved) @ inverse
    both = np.tril(whole + np.conj(whole.swapaxes(-1, -2)))
    return np.where(diagonal, both / 2, both)


def assert_near(ours: Array, expected: Array, char: str) -> None:
    scale = np.max(np.abs(expected), initial=1e-300)
    digits = 300 * np.finfo(char).eps
    np.testing.assert_allclose(ours, expected, rtol=0, atol=digits * scale)


@settings(max_examples=60)
@given(factors())
def test_the_pullback_of_a_factor_is_that_of_the_formula(drawn: tuple[Array, Array]) -> None:
    lower, bar = drawn
    before = lower.copy(), bar.copy()
    found = triangles.cholesky_pullback(bar, lower)
    assert found.dtype == lower.dtype
    assert_near(found, by_formula(bar, lower), lower.dtype.char)
    assert not np.any(np.triu(found, 1))
    np.testing.assert_array_equal((lower, bar), before)


@settings(max_examples=40)
@given(factors())
def test_inverses_are_of_the_lower_triangle(drawn: tuple[Array, Array]) -> None:
    lower, _ = drawn
    found = triangles.inverse_of_lower(lower)
    assert found.dtype == lower.dtype
    assert not np.any(np.triu(found, 1))
    assert_near(found, np.linalg.inv(np.tril(lower).astype(np.result_type(lower, np.float64))), lower.dtype.char)


@pytest.mark.parametrize("n", [5, 100])
def test_without_scipy_numpy_takes_its_place(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(triangles, "_lapack", lambda: None)
    rng = np.random.default_rng(n)
    lower, bar = np.tril(rng.normal(size=(n, n)) / n) + np.eye(n), rng.normal(size=(n, n))
    assert_near(triangles.cholesky_pullback(bar, lower), by_formula(bar, lower), "d")
    assert_near(triangles.inverse_of_lower(lower), np.linalg.inv(lower), "d")
    assert triangles.solution(lower, bar[:, :1], True) is None


@settings(max_examples=40)
@given(factors(), st.booleans(), st.booleans())
def test_solutions_are_of_either_triangle_in_either_order(
    drawn: tuple[Array, Array], is_lower: bool, is_turned: bool
) -> None:
    pytest.importorskip("scipy")
    a, b = drawn
    if a.ndim > 2 or not a.size:
        assert triangles.solution(a, b, True) is None
        return
    a = np.tril(a) if is_lower else np.tril(a).T
    a = np.asfortranarray(a) if is_turned else np.ascontiguousarray(a)
    found = triangles.solution(a, b[:, :1], is_lower)
    expected = np.linalg.solve(a.astype(np.result_type(a, np.float64)), b[:, :1])
    assert found.dtype == a.dtype
    assert_near(found, expected, a.dtype.char)


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, 0.0])
def test_what_has_no_solution_is_left_to_others(spoiled: float) -> None:
    a = np.eye(3)
    a[1, 1] = spoiled
    assert triangles.solution(a, np.ones((3, 1)), True) is None


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_gradients_of_large_factors_are_those_of_their_products(complex_: bool, upper: bool) -> None:
    rng = np.random.default_rng(3)
    n = 60
    x, weights = rng.normal(size=(2, n, n)) + (1j * rng.normal(size=(2, n, n)) if complex_ else 0)
    a = x @ np.conj(x.T) / n + np.eye(n)

    def f(a: Array) -> Array:
        return tnp.sum(tnp.real(tnp.linalg.cholesky(a, upper=upper) * weights))

    direction = x + np.conj(x.T)
    slope = tnp.real(tnp.sum(tn.grad(f)(a) * direction))
    step = 1e-5
    expected = (f(a + step * direction) - f(a - step * direction)) / (2 * step)
    # The gradient is by the triangle that is read, of which each element stands for two.
    np.testing.assert_allclose(slope, expected, rtol=1e-6)
    pushed = tn.jvp(f, (a,), (direction,))[1]
    np.testing.assert_allclose(pushed, expected, rtol=1e-6)
