"""docs/guides/scipy.md is what the generator writes, and every function of SciPy's modules has a place in it."""

from __future__ import annotations

import importlib

import pytest
import scipy

from tests.docs.scipy_table import table


def test_the_page_is_the_generators() -> None:
    if table.PAGE.read_text(encoding="utf-8").count(f"with SciPy {scipy.__version__}."):
        assert table.PAGE.read_text(encoding="utf-8") == table.page()


@pytest.mark.parametrize("part", table.COMPLETE)
def test_every_function_of_scipys_has_a_place(part: str) -> None:
    assert table.unplaced(part) == []


@pytest.mark.parametrize("part", table.PARTS)
def test_every_function_of_ours_says_what_becomes_of_it(part: str) -> None:
    ours = importlib.import_module(f"tapenet.scipy.{part}")
    functions = [
        name for name in ours.__all__ if callable(getattr(ours, name)) and not isinstance(getattr(ours, name), type)
    ]
    assert [name for name in functions if table.row(part, name) is None] == []
