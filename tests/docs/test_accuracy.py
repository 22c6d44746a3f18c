"""docs/guides/accuracy.md holds: a sample of its points is computed again, and what is above the bound has a reason."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"
EVERY = 23  # one point of so many is computed again
PROCESSORS = 2.0  # ulp by which NumPy's own functions differ from one processor's instructions to another's


def _loaded(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


accuracy = _loaded("generate_accuracy")
compiled = _loaded("compiled_accuracy")
PAGE = accuracy.PAGE.read_text(encoding="utf-8")
CASES = [(np.dtype(dtype).name, name) for dtype in accuracy.DTYPES for name in accuracy.FUNCTIONS]


def bounds(title: str, name: str) -> list[float]:
    """The largest errors of a function that a section of the page gives: ours come first."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{title}\n")]
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
    return [float(cell.split()[0]) for cell in line.split(" | ")[1:] if cell.split()[0] != "-"]


@pytest.mark.parametrize(("dtype", "name"), CASES)
def test_a_sample_of_the_points_is_within_the_bounds(dtype: str, name: str) -> None:
    function = accuracy.FUNCTIONS[name]
    x = accuracy.points(function, np.dtype(dtype).type, EVERY)
    assert x.size > 10
    for order, bound in enumerate(bounds(dtype, name)[:3]):
        errors = accuracy.errors(function.formulas[order], x, accuracy.ours(function, order, x))
        assert errors.max() <= bound + PROCESSORS


@pytest.mark.parametrize("name", accuracy.TWO_ARGUMENTS)
@pytest.mark.parametrize("dtype", [np.dtype(dtype).name for dtype in accuracy.DTYPES])
def test_a_sample_of_the_pairs_is_within_the_bounds(dtype: str, name: str) -> None:
    function = accuracy.TWO_ARGUMENTS[name]
    x, y = accuracy.pairs(function, np.dtype(dtype).type, 11)
    assert x.size > 10
    at = [tuple(map(accuracy.mp.mpf, pair)) for pair in zip(x.tolist(), y.tolist(), strict=True)]
    rights = zip(*(function.formulas(*pair) for pair in at), strict=True)
    for right, places, bound in zip(
        rights, accuracy.DERIVATIVES.values(), bounds(f"{dtype}, two arguments", name), strict=True
    ):
        found = accuracy.errors_from(right, x.dtype, accuracy.ours_of_two(function, places, x, y))
        assert found.max() <= bound + PROCESSORS


@pytest.mark.parametrize("name", compiled.NAMES)
def test_a_sample_of_what_compiled_functions_give_is_within_the_bounds(name: str) -> None:
    pytest.importorskip("llvmlite")
    held = bounds("Compiled functions", name)
    assert held[0] <= 3
    assert held[3] <= 2
    for i, dtype in enumerate(accuracy.DTYPES):
        for order in range(3):
            errors = compiled.errors(accuracy, name, dtype, order, EVERY)
            assert errors.size > 10
            assert errors.max() <= held[3 * i + order] + PROCESSORS


def _largest_error(name: str) -> float:
    titles = [np.dtype(dtype).name for dtype in accuracy.DTYPES]
    if name in accuracy.TWO_ARGUMENTS:
        return max(max(bounds(f"{title}, two arguments", name)) for title in titles)
    return max(max(bounds(title, name)[:3]) for title in titles)


@pytest.mark.parametrize("name", [*accuracy.FUNCTIONS, *accuracy.TWO_ARGUMENTS])
def test_what_is_above_the_bound_has_a_reason(name: str) -> None:
    above = _largest_error(name) > accuracy.GOOD
    reasons = PAGE.partition("and why\n")[2].partition("\n## ")[0]
    assert (f"| `{name}` | {accuracy.REASONS.get(name)} |" in reasons) == above


@pytest.mark.parametrize("name", accuracy.MATRIX_FUNCTIONS)
def test_linear_algebra_is_within_its_errors(name: str) -> None:
    found = [error for family in accuracy.FAMILIES for error in accuracy.matrix_error(name, family)]
    # Another BLAS rounds otherwise: the errors of one matrix are random numbers of this size.
    assert np.all(np.array(found) <= 10 * np.array(bounds("Linear algebra", name)) + 1e-15)
