"""The API reference describes every public name, each once."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_surface import MODULES

PATH = Path(__file__).parents[2] / "docs" / "reference_pages.py"


def load() -> ModuleType:
    specification = importlib.util.spec_from_file_location("reference_pages", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


reference_pages = load()
TEXTS = {module: reference_pages.text_of(page) for page in reference_pages.PAGES for module in page.modules}


def test_every_public_module_has_a_page() -> None:
    assert {*TEXTS, "compat"} == {*MODULES}  # compat is numpynet by its other name


@pytest.mark.parametrize("name", TEXTS)
def test_every_public_name_is_on_the_page_of_its_module(name: str) -> None:
    module = importlib.import_module(name)
    public = {n for n in module.__all__ if not isinstance(getattr(module, n), ModuleType)}
    _, _, text = TEXTS[name].partition(f".. module:: {name}\n")
    listed = re.findall(r"^   ~?(?:[\w.]+\.)?(\w+)$", text, re.MULTILINE) + re.findall(r"``(\w+)``", text)
    assert public <= set(listed)


@pytest.mark.parametrize("name", TEXTS)
def test_no_name_has_two_entries(name: str) -> None:
    entries = re.findall(r"^\.\. auto(?:class|function|data):: (\w+)$", TEXTS[name], re.MULTILINE)
    assert len(entries) >= 1
    assert len(set(entries)) == len(entries)


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (PATH.parent / "reference" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"^api/(\w+)$", contents, re.MULTILINE) == [page.name for page in reference_pages.PAGES]


def test_pages_are_written_where_they_changed(tmp_path: Path) -> None:
    reference_pages.write(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(written) == len(reference_pages.PAGES)
    reference_pages.write(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
