"""The section of docs/guides/accuracy.md on scipy.special holds: some of its points are computed again."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.2.0", reason="the page's figures are of a later NumPy"
)

PATH = Path(__file__).parents[2] / "docs" / "scipy_accuracy.py"
FEW = 5  # points of each function
VERSIONS = 1.5  # by which SciPy's own functions differ from one version and processor to another, and 4 ulp


def _loaded() -> ModuleType:
    specification = importlib.util.spec_from_file_location("scipy_accuracy", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


accuracy = _loaded()


@pytest.mark.parametrize("name", accuracy.CASES)
def test_errors_are_within_the_bounds_of_the_page(name: str) -> None:
    text = accuracy.PAGE.read_text(encoding="utf-8").partition(accuracy.TITLE)[2]
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
    bounds = [float(cell.split()[0]) for cell in line.split(" | ")[1:] if cell.split()[0] != "-"]
    for by, bound in zip((None, *range(len(bounds) - 1)), bounds, strict=True):
        assert accuracy.errors(name, by, FEW).max() <= VERSIONS * bound + 4
