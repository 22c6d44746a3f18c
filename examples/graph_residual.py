"""A small residual network on handwritten digits, at half their size: two blocks, one with a shortcut of its own.

python examples/graph_residual.py             2,000 digits, under a minute
python examples/graph_residual.py --quick     a few seconds, to see that it runs
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import digits
import numpy as np

import numpynet as nn

SAMPLE = Path(__file__).resolve().parent / "data" / "mnist"
SIZE = 14
LR = 2e-3


def variables(images: np.ndarray, labels: np.ndarray) -> tuple[nn.Variable, nn.Variable]:
    """Put images (N, 28, 28, 1) and labels (N,) into numpynet's order: (N, 1, 14, 14), and one-hot rows."""
    halved = images.reshape(-1, 1, SIZE, 2, SIZE, 2).mean(axis=(3, 5))
    return nn.Variable(halved, lr=0), nn.Variable(np.eye(10)[labels], lr=0)


def weights(graph: nn.Graph, *shape: int) -> list[nn.Variable]:
    """Make a kernel, scaled so that what comes out is as large as what goes in, and a bias."""
    W = nn.Variable(nn.NormalInit(shape, scale=(2 / np.prod(shape[:-1])) ** 0.5), lr=LR)
    b = nn.Variable(np.zeros((shape[-1], 1)), lr=LR)
    graph.add_vars([W, b])
    return [W, b]


def conv_norm(graph: nn.Graph, inputs: int, outputs: int, suffix: str = "") -> dict[str, nn.Variable]:
    """Make what a convolution and a batch norm take, under the names that ResBlock knows."""
    W, b = weights(graph, 3, 3, inputs, outputs)
    gamma = nn.Variable(np.ones((1, outputs, SIZE, SIZE)), lr=LR)
    beta = nn.Variable(np.zeros((1, outputs, SIZE, SIZE)), lr=LR)
    graph.add_vars([gamma, beta])
    return {"w" + suffix: W, "b" + suffix: b, "gamma" + suffix: gamma, "beta" + suffix: beta}


def network() -> nn.Graph:
    """Link two blocks, a relu after each, a pooling and a dense layer."""
    graph = nn.Graph()
    first = nn.ResBlock(
        nn.Placeholder(),
        X2s=conv_norm(graph, 1, 8, "1") | conv_norm(graph, 8, 8, "2"),
        scps=conv_norm(graph, 1, 8),
    )
    act0 = nn.Layer(nn.ReluActivator(), first)
    second = nn.ResBlock(act0, X2s=conv_norm(graph, 8, 8, "1") | conv_norm(graph, 8, 8, "2"))
    act1 = nn.Layer(nn.ReluActivator(), second)
    pool = nn.Op(nn.MaxPooling(2, 2), act1)
    flat = nn.Op(nn.Flatten(), pool)
    dense = nn.Op(nn.Dot(), flat, weights(graph, 8 * (SIZE // 2) ** 2, 10))
    graph.add_block(first)
    graph.add_layer(act0)
    graph.add_block(second)
    graph.add_layer(act1)
    graph.add_ops([pool, flat, dense])
    graph.add_loss(nn.Loss(nn.Softmax()))
    graph.add_optimizer(nn.AdamOptimizer())
    return graph


def main(argv: Sequence[str] | None = None) -> float:
    """Run the example; give the accuracy on the test digits."""
    parser = argparse.ArgumentParser(prog="graph_residual.py", description="Train a residual network.")
    parser.add_argument("--quick", action="store_true", help="one epoch of 200 digits")
    train, epochs = (200, 1) if parser.parse_args(argv).quick else (2000, 3)
    np.random.seed(0)
    data = digits.load(SAMPLE)
    X_train, Y_train = variables(data.train_images[:train], data.train_labels[:train])
    X_test, Y_test = variables(data.test_images, data.test_labels)
    graph = network()
    accuracy = 0.0
    for epoch in range(epochs):
        for X, Y in nn.miniBatch(*nn.randomshuffle(X_train, Y_train), batch_size=20):
            graph.forward(X)
            graph.calc_loss(Y)
            graph.backward()
            graph.update()
        accuracy = graph.accuracy(nn.miniBatch(X_test, Y_test, batch_size=100))
        print(f"epoch {epoch}: {graph.loss}, accuracy {accuracy:.4f}", flush=True)
    return accuracy


if __name__ == "__main__":
    main()
