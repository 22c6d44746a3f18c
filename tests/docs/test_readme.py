"""README's Python blocks run, in order, as one program; its first two blocks are the two commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_python_blocks_run_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, object] = {}
    python = blocks("python")
    assert len(python) >= 4
    for block in python:
        exec(compile(block, "README.md", "exec"), namespace)
    assert "Write x.value for the number alone" in capsys.readouterr().out


def test_the_first_two_blocks_are_one_line_each_and_make_an_environment() -> None:
    first, second = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)[:2]
    for language, block in (first, second):
        assert language == "sh"
        assert block.count("\n") == 1
        assert block.startswith("python3 -m venv .venv && ")
    assert "examples/mnist.py" in first[1]
    assert "pytest" in second[1]
