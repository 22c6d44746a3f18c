"""The glossary: terms are there once, and what it says is not used is used nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.partition("## Words that are not used")[2], re.MULTILINE)[1:]
TERMS = re.findall(r"^([\w-][\w -]*)\n  \w", PAGE, re.MULTILINE)
FOLDERS = ("tapenet", "numpynet", "compat", "examples", "benchmarks", "docs")
AS_THEY_ARE = {"docs/glossary.md", "docs/guides/numpynet.md"}  # the list itself, and a document of other authors
SAID_OTHERWISE = re.compile(r"\bthere\s+(?:is|are)\s+no\b|\b(?:is|are)\s+no\s+(?:more|longer)\b", re.IGNORECASE)


def texts() -> Iterator[tuple[str, str]]:
    """Each file that users or authors read, by its path, as one line of words."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    for path in [*found, *ROOT.glob("*.md")]:
        name = path.relative_to(ROOT).as_posix()
        if name not in AS_THEY_ARE and "_build" not in path.parts:
            words = re.sub(r"[\s#]+", " ", path.read_text(encoding="utf-8"))
            yield name, SAID_OTHERWISE.sub("", words)


def pattern(phrase: str) -> re.Pattern[str]:
    """What finds a phrase; dots at its end are any word."""
    words = re.escape(phrase.removesuffix(" ..."))
    return re.compile(rf"\b{words} \w+" if phrase.endswith("...") else rf"\b{words}\b", re.IGNORECASE)


@pytest.mark.parametrize("phrase", [row[0] for row in ROWS])
def test_a_phrase_that_is_not_used(phrase: str) -> None:
    wanted = pattern(phrase)
    found = [(name, match.group()) for name, text in texts() for match in wanted.finditer(text)]
    assert found == []


def test_the_lists_are_read() -> None:
    assert len(ROWS) >= 12
    assert len(list(texts())) > 150
    assert pattern("is no ...").search("a value that is no array")


def test_every_term_is_explained_once() -> None:
    assert len(TERMS) > 50
    assert len({*TERMS}) == len(TERMS)
    assert {"cotangent", "pullback", "residual", "guard", "fast path", "slow path", "pytree", "mapped value"} <= {
        *TERMS
    }
