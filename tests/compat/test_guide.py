"""The code of docs/guides/compat.md runs, and both of its programs take the same step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "compat.md").read_text(encoding="utf-8")


def test_the_graph_and_the_function_take_the_same_step() -> None:
    graph, function = re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    before_update, update = graph.rsplit("\n", 2)[0], "graph.update()"
    assert graph == f"{before_update}\n{update}\n"
    namespace: dict[str, Any] = {}
    np.random.seed(0)
    exec(before_update, namespace)
    exec(function, namespace)
    exec(update, namespace)
    for variable, ours in zip(namespace["graph"].variable, namespace["params"], strict=True):
        np.testing.assert_allclose(variable.value, ours, rtol=1e-12)
