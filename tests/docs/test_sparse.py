"""docs/guides/sparse.md shows what its code prints."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytest.importorskip("scipy")

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "sparse.md"


def test_the_code_prints_what_is_shown() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert tried > 20
