"""An operation, an activator, a loss and an optimizer of one's own, in a graph: fit a sum of two waves.

    python examples/graph_custom_operation.py
    python examples/graph_custom_operation.py --quick

`Wave` is written in NumPy's functions, and the tape differentiates it. `OldWave` does the same the way old scripts
do, with a `backward` of its own. Both train alike.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

import numpynet as nn


class Wave:
    """sin(X1 X2), where X1 is (N, 1) and X2 are the frequencies, (1, waves)."""

    name = "Wave"

    def forward(self, X1: nn.Variable, X2: nn.Variable, if_train: bool) -> nn.Variable:
        return nn.Variable(np.sin(np.dot(X1.value, X2.value)), lr=0)


class OldWave:
    """The same with a `backward`: it reads the gradient of its output, and sets those of its inputs."""

    def __init__(self) -> None:
        self.name = "OldWave"

    def forward(self, X1: nn.Variable, X2: nn.Variable) -> nn.Variable:
        self.X1, self.X2 = X1, X2
        return nn.Variable(np.sin(np.dot(X1.value, X2.value)), lr=0)

    def backward(self, nextop: Any) -> None:
        D = nextop.D * np.cos(np.dot(self.X1.value, self.X2.value))
        self.X1.D = np.dot(D, self.X2.value.T)
        self.X2.D = np.dot(self.X1.value.T, D)


class SoftClip:
    """x / (1 + |x| / 4): an activator, differentiated by the tape."""

    def forward(self, X: nn.Variable, if_train: bool) -> nn.Variable:
        return nn.Variable(X.value / (1 + np.abs(X.value) / 4), lr=0)


class LogCosh:
    """sum log cosh(output - Y): a loss that forgives outliers, with a `backward` that returns its gradient."""

    def __init__(self) -> None:
        self.name = "LogCosh"

    def forward(self, output: nn.Variable, Y: nn.Variable) -> Any:
        self.error = output.value - Y.value
        return np.sum(np.log(np.cosh(self.error)))

    def backward(self) -> np.ndarray:
        return np.tanh(self.error)

    def predict(self, X: nn.Variable) -> np.ndarray:
        return X.value


class SignOptimizer:
    """v -= lr sign(D), by less and less."""

    def update(self, var: nn.Variable) -> None:
        var.value = var.value - var.lr * np.sign(var.D)
        var.lr *= 0.99


def fit(wave: Any, steps: int) -> float:
    """Fit with one of the two operations; give the last loss."""
    x = np.linspace(-2, 2, 100)[:, None]
    y = 1.5 * np.sin(2 * x) + 0.5 * np.sin(5 * x)
    graph = nn.Graph()
    frequencies = nn.Variable([[1.7, 5.3]], lr=0.02)
    heights = nn.Variable([[1.0], [1.0]], lr=0.02)
    graph.add_vars([frequencies, heights])
    waves = nn.Op(wave, nn.Placeholder(), frequencies)
    total = nn.Op(nn.Dot(), waves, heights)
    graph.add_ops([waves, total])
    graph.add_layer(nn.Layer(SoftClip(), total))
    graph.add_loss(nn.Loss(LogCosh()))
    graph.add_optimizer(SignOptimizer())
    for t in range(steps):
        graph.forward(x)
        graph.calc_loss(y)
        graph.backward()
        graph.update()
        if t % 50 == 0:
            print(waves, t, graph.loss)
    print(waves, "frequencies", frequencies.value.round(2).tolist(), "loss", float(graph.lossvalue))
    return float(graph.lossvalue)


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Run the example; give the last loss of each way to write the operation."""
    parser = argparse.ArgumentParser(prog="graph_custom_operation.py", description="Operations of one's own.")
    parser.add_argument("--quick", action="store_true", help="50 steps instead of 300")
    steps = 50 if parser.parse_args(argv).quick else 300
    return fit(Wave(), steps), fit(OldWave(), steps)


if __name__ == "__main__":
    main()
