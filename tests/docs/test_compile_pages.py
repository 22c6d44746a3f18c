"""The pages about compiled functions: what they show is what is printed, and the files that they name are there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
PACKAGE = ROOT / "tapenet" / "program"


@pytest.mark.parametrize("name", ["compile", "inside_compile", "c"])
def test_examples_give_what_is_shown(name: str) -> None:
    failed, tried = doctest.testfile(str(GUIDES / f"{name}.md"), module_relative=False)
    assert failed == 0
    assert tried > 10


def test_folders_and_files_that_are_named_are_there() -> None:
    text = (GUIDES / "inside_compile.md").read_text(encoding="utf-8")
    files = {path.name for path in PACKAGE.rglob("*.py")} | {"NAME.py", "test_every_pass.py"}
    assert {Path(name).name for name in re.findall(r"(?<![\w*])[\w/]+\.py\b", text)} <= files
    folders = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_dir()}
    named = {name.strip("/") for name in re.findall(r"`([a-z/]+/)`", text)}
    assert named <= {*folders, "checkpointing"}
    top = {folder for folder in folders if "/" not in folder and not folder.startswith("__")}
    assert top <= named | {"backends"}
