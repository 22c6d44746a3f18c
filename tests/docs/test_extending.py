"""The Python blocks of docs/guides/extending.md run, in order, as one program."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "extending.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run(blocks: list[str]) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), namespace)
    return namespace


def test_blocks_without_scipy() -> None:
    blocks = [block for block in BLOCKS if not block.startswith("# needs scipy")]
    assert len(blocks) == len(BLOCKS) - 2
    namespace = run(blocks)
    assert {
        "softsign",
        "shift",
        "norm",
        "stable",
        "quantized",
        "log1pexp",
        "flip",
        "polar",
        "loss",
        "anomaly",
    } <= namespace.keys()


@pytest.mark.skipif(importlib.util.find_spec("scipy") is None, reason="runs where SciPy is installed")
def test_blocks_with_scipy() -> None:
    assert "gammaln" in run(BLOCKS)


def test_what_the_page_says_of_errors() -> None:
    import tapenet as tn

    trigamma = tn.primitive(lambda x: x, name="trigamma")
    with pytest.raises(tn.MissingRuleError) as caught:
        tn.grad(trigamma)(1.0)
    assert str(caught.value) in PAGE.read_text(encoding="utf-8").replace("operand\nx", "operand x")
