"""Conversions of Tensors: piecewise constant ones to numbers, and text, are noted by the tape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

CONSTANT: dict[str, Callable[[Any], Any]] = {
    "floor": tnp.floor,
    "ceil": tnp.ceil,
    "rint": tnp.rint,
    "trunc": tnp.trunc,
    "fix": tnp.fix,
    "sign": tnp.sign,
    "round": tnp.round,
    "x // 1": lambda x: x // 1,
    "1 // x": lambda x: 7 // x,
    "divmod": lambda x: divmod(x, 1)[0],
    "np.floor": np.floor,
    "heaviside": lambda x: tnp.heaviside(x, 0.5),
    "of it": lambda x: 2 * tnp.floor(x * x) + 1,
    "of two": lambda x: tnp.floor(x) + tnp.ceil(x),
    "an element": lambda x: tnp.floor(tnp.stack([x, 2 * x]))[1],
    "a sum": lambda x: tnp.sum(tnp.floor(tnp.stack([x, 2 * x]))),
}


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("convert", [int, float])
def test_piecewise_constant_values_convert(name: str, convert: type) -> None:
    f = CONSTANT[name]
    expected = convert(f(2.625))

    def g(x: Any) -> Any:
        n = convert(f(x))
        assert type(n) is convert
        assert n == expected
        return n * x

    assert tn.grad(g)(2.625) == expected
    assert tn.grad(tn.grad(lambda x: g(x) * x))(2.625) == 2 * expected
    assert tn.jvp(g, (2.625,), (1.0,))[1] == expected


@pytest.mark.parametrize("f", [lambda x: x, lambda x: x - tnp.floor(x), lambda x: x % 1, lambda x: tnp.floor(x) * x])
@pytest.mark.parametrize("convert", [int, float])
def test_other_values_do_not(f: Callable[[Any], Any], convert: type) -> None:
    with pytest.raises(tn.errors.ConversionError, match=rf"{convert.__name__}\(x\): x is a Tensor of an open tape"):
        tn.grad(lambda x: convert(f(x)) * x)(2.625)
    with tn.GradientTape() as outer:
        x = outer.watch(2.625)
        with tn.GradientTape() as inner:
            y = inner.watch(x) * 1.0
            with pytest.raises(tn.errors.ConversionError):
                convert(f(y))


def test_a_count_found_from_values() -> None:
    def f(x: Any) -> Any:
        return sum(x for _ in range(int(tnp.ceil(x))))

    assert tn.grad(f)(2.5) == 3
    with tn.GradientTape() as tape:
        x = tape.watch(2.5)
        y = f(x)
    assert tape.replay(2.75, y) == 8.25
    with pytest.raises(tn.ReplayError, match=r"int\(x\)"):
        tape.replay(3.5, y)
    with pytest.raises(tn.MappedValueError, match=r"int\(x\) needs one value"):
        tn.vmap(f)(np.array([1.5, 2.5]))


@pytest.mark.parametrize("convert", [round, math.floor, math.ceil, math.trunc])
def test_python_s_own_rounding(convert: Callable[[Any], int]) -> None:
    for kind in (float, np.float64):
        found = []

        def f(x: Any, found: list[Any] = found) -> Any:
            found.append(convert(x))
            return found[-1] * x

        assert tn.grad(f)(kind(2.625)) == convert(2.625)
        assert type(found[0]) is int
    np.testing.assert_array_equal(tn.grad(lambda x: tnp.sum(round(x) + x))(np.ones(2)), [1, 1])
    assert tn.grad(lambda x: round(x, 1) + x)(2.625) == 1


@pytest.mark.parametrize("convert", [str, repr, lambda x: f"{x:.1f}"])
def test_text_that_is_read_is_noted(convert: Callable[[Any], str]) -> None:
    def f(x: Any) -> Any:
        return 2 * x if "2.5" in convert(x) else 3 * x

    with tn.GradientTape() as tape:
        x = tape.watch(2.5)
        y = f(x)
    assert tape.gradient(y, x) == 2
    assert tape.replay(2.5, y) == 5
    with pytest.raises(tn.ReplayError, match=r"(str|repr|format)\(x\)"):
        tape.replay(3.5, y)
