"""A training that is killed and resumed ends as one that is not: a few kills of `benchmarks/kills.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_few_kills(monkeypatch):
    pytest.importorskip("safetensors")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kills

    counts = kills.run(3, seed=0, epochs=5)
    assert counts.kills == 3
    assert counts.ends >= 1
