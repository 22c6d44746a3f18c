"""What stands beside the package agrees with it: versions, the scripts of continuous integration, the changelog."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import tapenet as tn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PARTS = {path.name for path in (ROOT / ".ci").iterdir()} - {"run"}


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "tapenet/core/version.py"
    assert f"\nversion: {tn.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1].startswith(tn.__version__)


def test_every_script_is_called_here_and_in_the_workflow() -> None:
    in_run = set(re.findall(r"\.ci/([a-z]+)", RUN)) | set(re.search(r"for part in (.*); do", RUN)[1].split())  # type: ignore[index]
    in_workflow = set(re.findall(r"\.ci/([a-z]+)", WORKFLOW)) | set(
        re.search(r"part: \[(.*)\]", WORKFLOW)[1].split(", ")
    )  # type: ignore[index]
    assert PARTS <= in_run
    assert PARTS <= in_workflow


def test_scripts_can_be_run() -> None:
    if os.name == "posix":
        assert [path.name for path in (ROOT / ".ci").iterdir() if not os.access(path, os.X_OK)] == []


def test_the_workflow_tries_every_python_that_is_supported() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    pythons = re.search(r"python: \[(.*)\]", WORKFLOW)
    assert pythons is not None
    assert pythons[1].split(", ")[0] == f'"{oldest}"'


def test_extras_that_pages_name_are_there() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
    named = {
        extra
        for page in pages
        for group in re.findall(r'"\.\[([\w,]+)\]"', page.read_text(encoding="utf-8"))
        for extra in group.split(",")
    }
    assert named <= set(extras)
    assert {"test", "docs", "examples"} <= named
