"""numpynet's quick start: tell two labels apart with two dense layers.

    python examples/graph_quick_start.py
    python examples/graph_quick_start.py --quick

As in numpynet's document the labels are drawn by chance, so that there is nothing to learn but the examples
themselves; here the network gets far enough to know nearly all of them.
"""

import argparse
from collections.abc import Sequence

import numpy as np

import numpynet as nn


def main(argv: Sequence[str] | None = None) -> float:
    """Run the example; give the accuracy on what it was trained with."""
    parser = argparse.ArgumentParser(prog="graph_quick_start.py", description="Tell two labels apart.")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the examples")
    rows = 50 if parser.parse_args(argv).quick else 1000
    np.random.seed(0)

    input = nn.Variable(nn.UniformInit([rows, 50]), lr=0)
    output = nn.Variable(nn.onehot(np.random.choice(["a", "b"], [rows, 1])), lr=0)

    graph = nn.Graph()
    X = nn.Placeholder()
    W0 = nn.Variable(nn.UniformInit([50, 30]), lr=0.01)
    graph.add_var(W0)
    W1 = nn.Variable(nn.UniformInit([30, 2]), lr=0.01)
    graph.add_var(W1)

    FC0 = nn.Op(nn.Dot(), X, W0)
    graph.add_op(FC0)
    act0 = nn.Layer(nn.SigmoidActivator(), FC0)
    graph.add_layer(act0)
    FC1 = nn.Op(nn.Dot(), act0, W1)
    graph.add_op(FC1)

    graph.add_loss(nn.Loss(nn.Softmax()))
    graph.add_optimizer(nn.SGDOptimizer())

    # The loss is summed over the rows, so that a thousand of them make steps that overshoot at first.
    for t in range(400):
        graph.forward(input)
        graph.calc_loss(output)
        graph.backward()
        graph.update()
        if t % 50 == 0:
            print(t, graph.loss)
    accuracy = graph.accuracy([[input, output]])
    print("accuracy", accuracy)
    return accuracy


if __name__ == "__main__":
    main()
