"""README's Python block runs; its first two blocks are the two commands; what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_python_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    namespace: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), namespace)
    assert "tanh" in capsys.readouterr().out
    assert {"y", "gradients", "model"} <= namespace.keys()


def test_the_python_block_fits_a_screen() -> None:
    (block,) = blocks("python")
    assert block.count("\n") <= 45


def test_the_first_two_blocks_are_one_line_each_and_make_an_environment() -> None:
    first, second = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[:2]
    for language, block in (first, second):
        assert language == "sh"
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv .venv && ")
    assert "examples/mnist.py" in first[1]
    assert "pytest" in second[1]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "RELEASING.md", "examples/README.md", "benchmarks/README.md"]
)
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


@pytest.mark.parametrize("folder", ["guides", "tutorials"])
def test_every_page_is_in_its_table_of_contents(folder: str) -> None:
    pages = {path.stem for path in (ROOT / "docs" / folder).glob("*.md")} - {"index"}
    contents = (ROOT / "docs" / folder / "index.md").read_text(encoding="utf-8")
    assert pages <= set(re.findall(r"^(\w+)$", contents, re.MULTILINE))
