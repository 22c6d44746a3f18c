"""The blocks of docs/guides/testing.md run in order, and the report that it shows is the one that is printed."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "testing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def page() -> tuple[dict[str, Any], str]:
    """What the page defines and prints."""
    namespace: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for block in blocks("python"):
            exec(compile(block, "testing.md", "exec"), namespace)
    return namespace, printed.getvalue()


@pytest.fixture
def namespace(page: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """What the page defines, in whichever process the test runs."""
    return page[0]


def test_the_blocks_print_the_report_that_is_shown(page: tuple[dict[str, Any], str]) -> None:
    (shown,) = blocks("text")
    assert without_hypothesis_words(page[1]) == without_hypothesis_words(shown)


def without_hypothesis_words(report: str) -> str:
    """A report without what versions of Hypothesis say before the example."""
    return re.sub(r"^(Falsifying example|Failing test case): ", "", report, flags=re.MULTILINE)


def test_the_tests_of_the_page_pass(namespace: dict[str, Any]) -> None:
    for name in ("test_softplus", "test_quadratic_form"):
        namespace[name]()


@pytest.mark.parametrize("peer", ["jax", "torch"])
def test_the_cross_checks_of_the_page_pass(namespace: dict[str, Any], peer: str) -> None:
    pytest.importorskip(peer)
    namespace[f"test_gelu_against_{peer}"]()


def test_every_strategy_is_in_the_table() -> None:
    from tapenet.testing import strategies

    public = [name for name in vars(strategies) if not name.startswith("_") and callable(getattr(strategies, name))]
    assert len(public) >= 12
    for name in public:
        assert f"`{name}(" in PAGE, name
