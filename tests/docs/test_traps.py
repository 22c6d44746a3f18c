"""The table of traps: every example does what it says, and the page is made of the table."""

from __future__ import annotations

import copy
import doctest
import importlib.util
import math
import pickle
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tests.docs.traps import SECTIONS, Trap

DOCS = Path(__file__).parents[2] / "docs"
TRAPS = [trap for traps in SECTIONS.values() for trap in traps]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate_traps", DOCS / "generate_traps.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.title)
def test_the_example_does_what_it_says(trap: Trap) -> None:
    names = {"np": np, "tn": tn, "tnp": tnp, "copy": copy, "math": math, "pickle": pickle}
    test = doctest.DocTestParser().get_doctest(trap.example, names, trap.title, "tests/docs/traps.py", 0)
    report: list[str] = []
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # infinities are what some examples show
        results = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert results.attempted > 0
    assert not results.failed, "".join(report)


def test_titles_are_unique() -> None:
    assert len({trap.title for trap in TRAPS}) == len(TRAPS)


def test_the_page_is_up_to_date() -> None:
    expected = generator().page(SECTIONS)
    assert (DOCS / "guides" / "traps.md").read_text(encoding="utf-8") == expected, "run `python docs/generate_traps.py`"
