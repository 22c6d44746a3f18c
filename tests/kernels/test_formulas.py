"""Formulas are recorded of functions of arrays, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tapenet.kernels.formulas import FUNCTIONS, Formula, recorded


def test_a_formula_holds_operations_in_their_order_and_numbers_apart() -> None:
    def write(outputs: Any, scratch: Any, x: Any, y: Any) -> None:
        np.multiply(x, 3, out=scratch[0])
        np.add(scratch[0], y, out=scratch[0])
        outputs[0][...] = 2.5 - scratch[0]
        np.sqrt(y, out=outputs[1])

    expected = Formula(2, (("multiply", (0, -1)), ("add", (2, 1)), ("subtract", (-2, 3)), ("sqrt", (1,))), (4, 5))
    assert recorded(write, 2, 2) == (expected, (3.0, 2.5))


def test_every_function_has_its_operator() -> None:
    def write(outputs: Any, scratch: Any, x: Any, y: Any) -> None:
        outputs[0][...] = abs(-(1 - x * 2) / (y + 3)) + 2 / (4 * x) - (5 + y) - y
        outputs[1][...] = np.sign(np.maximum(x, np.minimum(np.sqrt(y), 1.0)))

    made = recorded(write, 2, 2)
    assert made is not None
    assert {name for name, _ in made[0].steps} == set(FUNCTIONS.values())


def _no_output(outputs: Any, scratch: Any, x: Any) -> None:
    np.add(x, 1, out=scratch[0])


def _a_part(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][:1] = x


def _a_branch(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][...] = -x if x > 0 else x


def _a_truth(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][...] = -x if x else x


def _a_scalar_of_numpys(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][...] = x * np.float64(2.0)


def _a_truth_value(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][...] = x * True


def _a_number(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][...] = 1.0


def _unwritten_memory(outputs: Any, scratch: Any, x: Any) -> None:
    outputs[0][...] = x + scratch[0]


@pytest.mark.parametrize(
    "write",
    [
        _no_output,
        _a_part,
        _a_branch,
        _a_truth,
        _a_scalar_of_numpys,
        _a_truth_value,
        _a_number,
        _unwritten_memory,
        lambda outputs, scratch, x: np.exp(x, out=outputs[0]),
        lambda outputs, scratch, x: np.add.reduce(x),
        lambda outputs, scratch, x: np.add(x, x, out=outputs[0], where=False),
        lambda outputs, scratch, x: outputs[0].__setitem__(..., np.where(x, x, x)),
        lambda outputs, scratch, x: outputs[0].__setitem__(..., np.asarray(x)),
        lambda outputs, scratch, x: outputs[0].__setitem__(..., x**2),
        lambda outputs, scratch, x: outputs[0].__setitem__(..., x.real),
        lambda outputs, scratch, x: outputs[0].__setitem__(..., np.ones(3) * x),
    ],
)
def test_what_is_not_a_formula_is_not_recorded(write: Callable[..., Any]) -> None:
    assert recorded(write, 1, 1) is None
