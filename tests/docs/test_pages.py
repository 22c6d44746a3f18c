"""The tutorials and the guides with programs: their Python blocks run in order, and print what is shown below them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    *sorted(DOCS.glob("tutorials/[!i]*.md")),
    DOCS / "guides" / "explain.md",
    DOCS / "guides" / "files.md",
    DOCS / "guides" / "layers.md",
    DOCS / "guides" / "long_loops.md",
    DOCS / "guides" / "networks.md",
    DOCS / "guides" / "optimizers.md",
    DOCS / "guides" / "training.md",
    DOCS / "guides" / "performance.md",
    DOCS / "guides" / "pytrees.md",
    DOCS / "guides" / "uncertainty.md",
    DOCS / "guides" / "taylor.md",
    DOCS / "guides" / "operators.md",
    DOCS / "index.md",
]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_blocks_run_and_print_what_is_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = path.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {}
    shown = 0
    for language, block in BLOCK.findall(text):
        if language == "python":
            exec(compile(block, path.name, "exec"), namespace)
        else:
            assert capsys.readouterr().out == block
            shown += 1
    assert shown > 0


def test_there_is_a_tutorial_for_each_kind_of_user() -> None:
    assert {path.stem for path in PAGES} >= {"functions", "graphs", "gradient_tests"}
