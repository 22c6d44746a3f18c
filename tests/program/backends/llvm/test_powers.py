"""Powers with any exponent in kernels: in units of the last place, at special values, and which are left to NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import kernel_code
from tests.program.backends.test_llvm import kernels_of
from tests.program.comparing import assert_compiles

pytest.importorskip("llvmlite")
mpmath = pytest.importorskip("mpmath")

Array = Any
ULPS = {np.float32: 2.0, np.float64: 3.0}
SPECIAL = [0.0, 1.0, 2.0, 0.5, 3.0, 2.5, 1e30, 1e-30, 2.0**23 + 1, 2.0**52 + 1, 2.0**53, np.inf]


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels compute all powers, as on a processor of narrower vectors."""
    monkeypatch.setattr(kernel_code, "NUMPYS_POWERS", 2**10)


def power_of(x: Array, y: Array) -> Array:
    made = tn.compile(lambda x, y: tnp.power(x, y), backend="llvm")
    made(x, y)
    assert kernels_of(tnp.power, x, y) == 1
    found: Array = made(x, y)
    return found


def pairs(dtype: Any, count: int) -> tuple[Array, Array]:
    """Bases and exponents of all sizes: of random bits, beside 1, beside overflow, subnormal, and negative."""
    rng = np.random.default_rng(5)
    kind = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    info = np.finfo(dtype)
    bits = [rng.integers(0, np.iinfo(kind).max, count, kind, endpoint=True).view(dtype) for _ in range(2)]
    wide = np.exp(rng.uniform(-40, 40, count))
    edge = rng.choice(np.array([info.minexp + info.negep, info.maxexp]), count) + rng.uniform(-2, 2, count)
    near = np.nextafter(dtype(1), dtype(rng.integers(0, 2) * 2))
    found = [
        (bits[0], rng.normal(size=count)),
        (bits[0], bits[1]),
        (np.exp(rng.normal(size=count)), 20 * rng.normal(size=count)),
        (1 + 1e-3 * rng.normal(size=count), rng.uniform(-1e5, 1e5, count)),
        (np.full(count, near), rng.uniform(-800, 800, count) / info.eps),
        (wide, edge / np.log2(wide)),
        (-np.exp(rng.normal(size=count)), np.rint(30 * rng.normal(size=count))),
        (rng.uniform(0, 1, count) * info.tiny, rng.uniform(-1, 1, count)),
    ]
    with np.errstate(all="ignore"):
        x, y = (np.concatenate([pair[i].astype(dtype) for pair in found]) for i in range(2))
    keep = np.isfinite(x) & np.isfinite(y) & (x != 0) & ((x > 0) | (np.rint(y) == y))
    return x[keep], y[keep]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@np.errstate(all="ignore")
def test_powers_are_right_to_a_few_units_in_the_last_place(dtype: Any) -> None:
    x, y = pairs(dtype, 150)
    largest = float(np.finfo(dtype).max)
    with mpmath.workdps(50):
        for base, exponent, found in zip(x, y, power_of(x, y), strict=True):
            wanted = mpmath.power(abs(mpmath.mpf(float(base))), mpmath.mpf(float(exponent)))
            if base < 0 and float(exponent) % 2 == 1:
                wanted = -wanted
            assert np.signbit(found) == (wanted < 0)
            if abs(wanted) > largest:
                assert abs(found) >= largest
            else:
                unit = float(np.spacing(np.abs(dtype(float(wanted)))))
                assert abs(mpmath.mpf(float(found)) - wanted) <= ULPS[dtype] * unit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@np.errstate(all="ignore")
def test_special_values_are_numpys(dtype: Any) -> None:
    info = np.finfo(dtype)
    special = np.array([*SPECIAL, info.max, info.smallest_subnormal], dtype)
    special = np.concatenate([special, -special, [dtype(np.nan)]])
    x, y = (part.ravel() for part in np.meshgrid(special, special))
    found, expected = power_of(x, y), np.power(x, y)
    np.testing.assert_allclose(found, expected, rtol=4 * info.eps, atol=2 * info.smallest_subnormal)
    is_end = ~np.isfinite(expected) | (np.abs(expected) == 1) | (expected == 0)
    np.testing.assert_array_equal(found[is_end], expected[is_end])
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[is_number]), np.signbit(expected[is_number]))


def test_powers_and_their_derivatives_compile() -> None:
    x, y = np.linspace(0.1, 3, 40), np.linspace(-2, 2, 40)

    def f(x: Array, y: Array) -> Array:
        return tnp.sum((x + 1) ** y * x**2.5 + 2.0**y + x**0.5 + x**7)

    assert_compiles(tn.value_and_grad(f, (0, 1)), (x, y), (2 * x, y), (x, -y), backend="llvm", scale=16)
    assert_compiles(tn.hvp(lambda x: f(x, y)), (x, x), (2 * x, x), backend="llvm", scale=64)
    single = (x.astype(np.float32), y.astype(np.float32))
    assert_compiles(tn.value_and_grad(f, (0, 1)), single, (single[0], -single[1]), single, backend="llvm", scale=64)
    assert_compiles(lambda x: x[:, None] ** np.arange(4.0), (x,), (-x,), backend="llvm")


def test_powers_that_numpy_is_faster_at_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_code, "NUMPYS_POWERS", 0)
    x = np.linspace(0.1, 3, 40)
    assert kernels_of(lambda x: x**2.5 * x + 1, x) == 1
    assert kernels_of(lambda x: (x + 1) * 2.0**x, x) == 1
    monkeypatch.setattr(kernel_code, "NUMPYS_POWERS", 16)
    assert kernels_of(lambda x: (x + 1) ** 2.5 * 2 + 1, x) == 2
    assert kernels_of(lambda x: (x + 1) ** 3 * 2.0**x, x) == 1
