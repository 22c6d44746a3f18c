"""`assert_same_gradient`: equal functions pass, a difference in value or in derivative is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import GradientError, assert_same_gradient
from tests.testing import wrong

X = np.array([[0.5, -1.0], [2.0, 0.0]])


def test_functions_written_in_two_ways_are_the_same() -> None:
    for dtype in (np.float32, np.float64, np.complex128):
        x = X.astype(dtype)
        assert_same_gradient(lambda x: (x + 1) ** 2, lambda x: x * x + 2 * x + 1, (x,), order=3)
    assert_same_gradient(
        lambda p: {"y": p["a"] @ p["b"], "norm": tnp.sum(p["a"] ** 2)},
        lambda p: {"y": tnp.einsum("ij,jk->ik", p["a"], p["b"]), "norm": tnp.trace(p["a"] @ p["a"].T)},
        ({"a": X, "b": 2 * X},),
        order=2,
    )


@pytest.mark.parametrize(
    ("f", "g", "message"),
    [
        (
            lambda x: x,
            lambda x: x + tnp.astype(x == 2.0, float),
            "f and g must agree to 1e-10 of the largest number; at y[1, 0] got 2 and 3.",
        ),
        (lambda x: {"a": x}, lambda x: {"a": x.sum()}, "g must have the shapes of f; at y['a'] got () for (2, 2)."),
        (lambda x: (x,), lambda x: [x], "g must have the structure of f, PyTreeSpec((*,)"),
        (lambda x: x, lambda x: x * np.nan, "at y[0, 0] got 0.5 and nan."),
    ],
)
def test_other_values_are_named(f: Callable[..., Any], g: Callable[..., Any], message: str) -> None:
    with pytest.raises(GradientError, match=f"^assert_same_gradient: .*{re.escape(message)}"):
        assert_same_gradient(f, g, (X,))


def test_another_derivative_is_named() -> None:
    off = wrong.function(np.square, lambda t, x: t * 2.002 * x)
    with pytest.raises(GradientError) as caught:
        assert_same_gradient(lambda p: p["x"] ** 2, lambda p: off(p["x"]), ({"x": X},))
    assert re.fullmatch(
        r"assert_same_gradient: derivative 1 of f and derivative 1 of g must agree to 1e-10 of the largest number; "
        r"at args\[0\]\['x'\]\[1, 0\] got (-?\d\.\d+) and (-?\d\.\d+)\.",
        str(caught.value),
    )
    assert_same_gradient(lambda x: x**2, off, (X,), tolerance=1e-2)
    assert_same_gradient(lambda x: x**2, off, (X,), order=0)


def test_another_second_derivative_is_named() -> None:
    def half(x: Any) -> Any:
        return x * tn.stop_gradient(x) * 2 - tn.stop_gradient(x) ** 2

    assert_same_gradient(lambda x: x**2, half, (X,))
    with pytest.raises(GradientError, match=r"derivative 2 of f and derivative 2 of g must agree to 1e-10"):
        assert_same_gradient(lambda x: x**2, half, (X,), order=2)


def test_equal_infinities_and_nans_are_the_same() -> None:
    singular = np.array([1.0, np.inf, np.nan])
    assert_same_gradient(lambda x: x * singular, lambda x: singular * x, (np.ones(3),), order=0)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(
        tn.ArgumentTypeError, match=r"assert_same_gradient: args\[0\] must be float or complex; got int 3"
    ):
        assert_same_gradient(lambda x: x, lambda x: x, (3,))
    with pytest.raises(tn.ArgumentError, match="assert_same_gradient: order must be an int of at least 0; got -1"):
        assert_same_gradient(lambda x: x, lambda x: x, (X,), order=-1)
