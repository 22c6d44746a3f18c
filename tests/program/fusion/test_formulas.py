"""Softmax and the shares of extrema, written out for regions, give what the operations do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.fusion.formulas import with_formulas
from tapenet.program.passes import optimized
from tests.program.comparing import assert_compiles
from tests.program.passes.test_passes import recorded

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)
SHAPES = [((70, 65), 0), ((4, 33, 40), 1), ((600, 9), 0), ((4, 33, 40), (0, 1)), ((30, 15, 10), 1)]


def names_in(f: Any, *args: Array) -> set[str]:
    """The operations of a program with formulas."""
    return {x.name for x in with_formulas(optimized(recorded(f, *args)[0]))}


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("char", "fd")
@pytest.mark.parametrize("function", [tn.nn.softmax, tn.nn.log_softmax])
def test_softmax_over_axes_that_are_not_the_last(function: Any, shape: tuple[int, ...], axis: Any, char: str) -> None:
    if isinstance(axis, tuple):
        shape, axis = (132, 40), 0
    x, weights = RNG.normal(size=(2, *shape)).astype(char)

    def f(x: Array) -> Any:
        return function(x * 3, axis=axis), tn.grad(lambda x: tnp.sum(function(x, axis=axis) ** 2 * weights))(x)

    assert "softmax" not in names_in(lambda x: tn.nn.softmax(x, axis=axis), x)
    assert_compiles(f, (x,), (-x,), backend="llvm", scale=16)


@pytest.mark.parametrize(("shape", "axis"), [*SHAPES, ((5000,), None), ((70, 65), -1), ((70, 65), None)])
@pytest.mark.parametrize("function", [tnp.max, tnp.min, tnp.nanmax])
def test_equal_elements_share_the_cotangent(function: Any, shape: tuple[int, ...], axis: Any) -> None:
    x = np.round(RNG.normal(size=shape) * 2)

    def f(x: Array) -> Array:
        return tn.grad(lambda x: tnp.sum(tnp.sin(function(x, axis=axis))))(x)

    assert "winners" not in names_in(f, x)
    assert_compiles(f, (x,), (-x,), (x + RNG.normal(size=shape),), backend="llvm", scale=16)


def test_infinities_and_nan_are_numpys() -> None:
    x = RNG.normal(size=(70, 65))
    x[3, 4], x[5, 6], x[:, 7], x[8, 9] = np.nan, np.inf, -np.inf, -np.inf

    def f(x: Array) -> Any:
        shares = tn.grad(lambda x: tnp.sum(tnp.max(x, axis=0)))(x), tn.grad(lambda x: tnp.sum(tnp.nanmax(x, axis=0)))(x)
        return tn.nn.softmax(x, axis=0), tn.nn.log_softmax(x, axis=0), *shares

    with np.errstate(all="ignore"):
        assert_compiles(f, (x,), (x[::-1],), backend="llvm")


@pytest.mark.parametrize(("shape", "axis"), [((70, 65), -1), ((8, 9), 0), ((20, 3, 100), 1)])
def test_others_are_left_as_they_are(shape: tuple[int, ...], axis: int) -> None:
    x = RNG.normal(size=shape)
    assert "softmax" in names_in(lambda x: tn.nn.softmax(x, axis=axis), x)
    assert_compiles(lambda x: tn.nn.softmax(x, axis=axis), (x,), backend="llvm")


@pytest.mark.parametrize("name", ["erf", "expit", "expm1", "log1p", "ndtr"])
@pytest.mark.parametrize("char", "fd")
def test_functions_of_scipy_that_kernels_know(name: str, char: str) -> None:
    special = pytest.importorskip("tapenet.scipy.special")
    function = getattr(special, name)
    x = RNG.uniform(-0.9, 3.0, 200).astype(char)
    is_known = name != "ndtr" or char == "f"
    assert (f"special.{name}" in names_in(function, x)) != is_known

    def f(x: Array) -> Any:
        return function(x) * 2, tn.grad(lambda x: tnp.sum(function(x)))(x)

    with np.errstate(all="ignore"):
        assert_compiles(f, (x,), (x * 0.5,), (np.array([np.nan, np.inf, -np.inf, 0.0] * 50, char),), backend="llvm")
