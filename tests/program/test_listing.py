"""Programs as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.listing import WIDTH

Array = Any


def text_of(f: Any, *args: Any, **keywords: Any) -> list[str]:
    """The lines of a function's program."""
    return str(tn.compile(f).lower(*args, **keywords)).splitlines()


table = np.arange(3.0)


def test_a_program_has_a_line_for_each_operation() -> None:
    def f(x: Array, *ys: Array, scale: float) -> Array:
        return x * ys[1]["a"] + table * scale + 2

    assert text_of(f, np.ones(3), 1.0, {"a": np.ones(3)}, scale=np.float32(2)) == [
        "program(v0: float64[3] = x, v1: float64[3] = ys[1]['a'], v2: float32[] = scale, v3: float64[3] = table)",
        "  v4: float64[3] = multiply(v0, v1)",
        "  v5: float64[3] = multiply(v3, v2)",
        "  v6: float64[3] = add(v4, v5)",
        "  v7: float64[3] = add(v6, 2)",
        "  return v7",
    ]


def test_guards_tell_what_they_gave_and_constants_what_they_are() -> None:
    def f(x: Array) -> Array:
        kept = x * np.array([1.0, 2.0]) if tnp.sum(x) > 0 else x
        return np.ones((30, 2)) @ kept

    assert text_of(f, np.ones(2))[1:5] == [
        "  constant c0: float64[2] = [1., 2.]",
        "  constant c1: float64[30, 2] = ...",
        "  v1: float64[] = sum(v0, axis=None, keepdims=False)",
        "  v2: bool[] = greater(v1, 0)",
    ]
    assert "  guard if x:(v2) gave True" in text_of(f, np.ones(2))


def test_parts_of_a_tuple_are_on_its_line_and_bodies_of_loops_below() -> None:
    def total(w: Array, xs: Array) -> Array:
        inner = lambda c, x: tn.scan(lambda c, y: (c * w + y, None), c, x, reverse=True)  # noqa: E731
        return tnp.sum(tn.scan(inner, np.zeros(2), xs)[0])

    lines = text_of(total, np.ones(2), np.ones((3, 4, 2)))
    assert "  v2: float64[2] = scan(c0, v1, v0, step=body0 (3 steps))" in lines
    assert not any("part(" in line for line in lines)
    first, second = (i for i, line in enumerate(lines) if line.startswith("body"))
    assert lines[first].startswith("body0(v0: float64[2], v1: float64[4, 2], v2: float64[2])")
    assert "step=body1 (4 steps, the last first)" in "\n".join(lines[first:second])


def test_long_lines_are_cut_and_hold_types_together() -> None:
    params = [np.ones((3, 4)) for _ in range(20)]
    lines = text_of(lambda params: sum(params), params)
    assert max(map(len, lines)) <= WIDTH
    head = " ".join(line.strip() for line in lines).partition(")")[0]
    assert head.startswith("program(v0: float64[3, 4] = params[0], v1: float64[3, 4] = params[1],")
    assert not any(line.endswith((":", "=", "[3,")) for line in lines)


@pytest.mark.parametrize("x", [np.float64(1.0), np.float32(1.0), np.ones(()), np.ones(0), np.ones(2, np.complex64)])
def test_inputs_of_any_kind_are_listed(x: Any) -> None:
    assert text_of(lambda x: x * 2, x)[0] == f"program(v0: {x.dtype}[{', '.join(map(str, x.shape))}] = x)"
