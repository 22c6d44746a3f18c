"""A compiled function against the function itself, call by call."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_flatten

Array = Any

HAS_LLVM = importlib.util.find_spec("llvmlite") is not None
BACKENDS = ("numpy", pytest.param("llvm", marks=pytest.mark.skipif(not HAS_LLVM, reason="llvmlite is not installed")))


def assert_same(ours: Any, expected: Any, scale: float = 1.0, types: bool = True, floor: float = 0.0) -> None:
    """Two results have one structure, the same types, shapes and dtypes, and equal numbers to rounding.

    `scale` is how many times 16 units in the last place they may differ; `floor` the size that numbers cancelled from.
    """
    found, spec = tree_flatten(ours)
    leaves, expected_spec = tree_flatten(expected)
    assert spec == expected_spec
    for x, y in zip(found, leaves, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        if types and isinstance(y, np.ndarray | np.generic):
            assert type(x) is type(y)
        dtype = np.asarray(y).dtype
        digits = scale * 2**4 * (float(np.finfo(dtype).eps) if dtype.kind in "fc" else 0)
        size = np.max(np.abs(np.asarray(y)[np.isfinite(y)]), initial=floor) if dtype.kind in "fc" else 0.0
        np.testing.assert_allclose(x, y, rtol=digits, atol=digits * size)


def varied(arrays: Sequence[Array], factor: float) -> tuple[Array, ...]:
    """The same arrays with their floats times a factor near 1."""
    return tuple(np.asarray(x * factor, x.dtype) if x.dtype.kind in "fc" else x for x in arrays)


def derivatives(function: Callable[..., Array]) -> Callable[..., Any]:
    """A function's value, the gradient of a number that depends on all of it, and its tangent."""

    def scalar(*xs: Array) -> Array:
        y = tnp.real(function(*xs))
        return tnp.sum(y * np.cos(np.arange(1.0, y.size + 1)).reshape(y.shape))

    def together(*xs: Array) -> Any:
        places = tuple(range(len(xs)))
        return tn.value_and_grad(scalar, places)(*xs), tn.jvp(function, xs, xs)

    return together


def compiled_quietly(f: Callable[..., Any], *calls: Sequence[Any], **options: Any) -> tuple[Any, list[Any]]:
    """The compiled function, and what it gave for each call, wherever it ran."""
    made: Any = tn.compile(f, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tn.errors.CompileWarning)
        return made, [made(*call) for call in calls]


def assert_compiles(
    f: Callable[..., Any], *calls: Sequence[Any], backend: Literal["numpy", "llvm"] = "numpy", **tolerance: Any
) -> Any:
    """A compiled function gives what the function does in each call, and runs programs; returns it."""
    made: Any = tn.compile(f, backend=backend)
    for call in calls:
        assert_same(made(*call), f(*call), **tolerance)
    assert made.programs
    return made
