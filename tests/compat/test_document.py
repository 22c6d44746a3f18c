"""Every code block of numpynet's own document runs as it stands there, in order, in one namespace.

The document leaves open what it takes for granted, such as `w` or `operation`. What stands before a block in
`TAKEN_FOR_GRANTED` sets that; the blocks themselves are read from the document.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpynet

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "guides" / "numpynet.md").read_text(encoding="utf-8")
BLOCKS = [block for _, block in re.findall(r"^```(\w*)[ ]*\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)]
SHELL = (0, 2)  # how to get the original, and how to run its example

TAKEN_FOR_GRANTED = {
    3: "np.random.seed(0)",
    5: """
from numpynet import *
X, w = np.ones((1000, 50)), UniformInit([30, 2])
""",
    7: """
graph.add_op(Op(Dot(), FC0, w))
graph.add_loss(Loss(Softmax()))
""",
    8: """
class operation:
    def forward(self, X1, X2=None):
        return X1
W = W0
""",
    10: "graph.add_op(Op(Dot(), FC0, w))",
    11: "graph = Graph()",
    12: """
graph.forward(input)
graph, X, W0 = Graph(), Placeholder(), Variable(UniformInit([3, 3, 1, 2]), lr=0.01)
graph.add_loss(Loss(MSE()))
""",
    14: """
graph.forward(UniformInit([5, 1, 6, 6]))
graph.calc_loss(np.zeros((5, 2, 6, 6)))
graph.backward()
assert g0.D.shape == bt0.D.shape == ()
activator = ReluActivator
""",
    15: """
graph, W = Graph(), Variable(UniformInit([50, 2]), lr=0.01)
add0 = Op(Dot(), Placeholder(), W)
graph.add_var(W)
graph.add_op(add0)
graph.add_loss(Loss(MSE()))
""",
    16: """
graph.forward(input)
graph.calc_loss(output)
""",
    17: "loss_funtion = MSE",
    19: "Y = output",
    21: "Optimizer = SGDOptimizer",
    23: "before = W.value",
}


def test_the_document_has_the_blocks_that_are_taken_care_of() -> None:
    assert len(BLOCKS) == 24
    assert [i for i, block in enumerate(BLOCKS) if "python setup.py" in block or "cd examples" in block] == [*SHELL]


def test_every_block_runs_in_order() -> None:
    namespace: dict[str, Any] = {"np": np}
    for i, block in enumerate(BLOCKS):
        if i not in SHELL:
            exec(TAKEN_FOR_GRANTED.get(i, ""), namespace)
            exec(compile(block, f"docs/guides/numpynet.md, block {i}", "exec"), namespace)
    assert np.all(namespace["W"].value != namespace["before"])
    assert namespace["graph"].loss.name == "Softmax"


def test_the_example_that_the_document_runs_is_there() -> None:
    folder, command = BLOCKS[2].splitlines()
    assert (ROOT / folder.removeprefix("cd ") / command.removeprefix("python ").strip()).is_file()


def quick_start(passes: int, lr: float | None = None) -> list[float]:
    """The losses of the quick start, whose second block is run so many times."""
    namespace: dict[str, Any] = {"np": np, "nn": numpynet}
    np.random.seed(0)
    exec(BLOCKS[3], namespace)
    for variable in namespace["graph"].variable:
        variable.lr = lr or variable.lr
    losses = []
    for _ in range(passes):
        exec(BLOCKS[4], namespace)
        losses.append(float(namespace["graph"].lossvalue))
    return losses


def test_the_loss_of_the_quick_start_falls() -> None:
    # At the document's rate, for a loss summed over a thousand rows, it overshoots for some two hundred steps.
    losses = quick_start(passes=300)
    assert losses[0] == pytest.approx(1000 * np.log(2), rel=0.2)
    assert losses[-1] < 0.02 * losses[0]


def test_the_loss_of_the_quick_start_falls_in_every_step_at_a_smaller_rate() -> None:
    losses = quick_start(passes=30, lr=1e-4)
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))
