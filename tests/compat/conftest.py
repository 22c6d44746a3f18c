"""Gradients of graphs against finite differences of their loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import compat as nn

Check = Callable[..., None]


class Weighted:
    """sum of output * Y: its gradient by the output is Y, so that Y is a cotangent of one's choice."""

    def forward(self, output: nn.Variable, Y: nn.Variable) -> Any:
        return np.sum(output.value * Y.value)


@pytest.fixture
def check_gradients() -> Check:
    """A function that checks `.D` of every Variable of a node against central differences."""

    def check(
        node: nn.Op, variables: Sequence[nn.Variable], nodes: Sequence[Any] = (), tolerance: float = 1e-6
    ) -> None:
        graph = nn.Graph()
        graph.add_vars(variables)
        graph.add_ops([*nodes, node])
        graph.add_loss(nn.Loss(Weighted()))

        def run() -> float:
            np.random.seed(0)
            graph.forward()
            return float(graph.calc_loss(Y))

        graph.forward()
        Y = np.random.default_rng(1).normal(size=graph.output.shape)
        run()
        graph.backward()
        for variable in variables:
            expected = central_differences(run, variable)
            assert variable.D.shape == variable.shape
            assert variable.D.dtype == variable.value.dtype
            np.testing.assert_allclose(variable.D, expected, rtol=tolerance, atol=tolerance)

    return check


def central_differences(run: Callable[[], float], variable: nn.Variable, step: float = 1e-6) -> np.ndarray:
    start = variable.value
    slopes = np.empty(start.shape)
    for place in np.ndindex(start.shape):
        losses = []
        for sign in (1, -1):
            variable.value = start.copy()
            variable.value[place] += sign * step
            losses.append(run())
        slopes[place] = (losses[0] - losses[1]) / (2 * step)
    variable.value = start
    return slopes
