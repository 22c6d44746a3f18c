"""Train LeNet on handwritten digits with a graph of symbols, as scripts for numpynet do.

    python examples/mnist_graph.py                 the sample of MNIST that comes with the examples
    python examples/mnist_graph.py --data DIR      the whole of MNIST, from the four files in DIR
    python examples/mnist_graph.py --quick         a few seconds, to see that it runs

Prints the loss now and then, and the accuracy on the test digits after every epoch. `mnist.py` does the same
with tapenet itself.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import digits
import numpy as np

import numpynet as nn

SAMPLE = Path(__file__).resolve().parent / "data" / "mnist"


def images(array: np.ndarray) -> nn.Variable:
    """Put images (N, H, W, C) into the order of numpynet, (N, C, H, W)."""
    return nn.Variable(np.ascontiguousarray(array.transpose(0, 3, 1, 2)), lr=0)


def labels(array: np.ndarray) -> nn.Variable:
    """Put labels (N,) into rows of 0 and 1."""
    return nn.Variable(nn.onehot(np.expand_dims(array, axis=1)), lr=0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(prog="mnist_graph.py", description="Train LeNet with numpynet's graphs.")
    parser.add_argument("--data", type=Path, default=SAMPLE, metavar="DIR", help="folder of the four IDX files")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training digits (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="digits in a step (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one epoch of 2,560 digits")
    options = parser.parse_args(argv)
    try:
        data = digits.load(options.data)
    except (FileNotFoundError, digits.IdxError) as error:
        sys.exit(f"mnist_graph.py: error: {error}")
    train, test, epochs = (2560, 200, 1) if options.quick else (None, None, options.epochs)

    np.random.seed(options.seed)
    X_train, Y_train = images(data.train_images[:train]), labels(data.train_labels[:train])
    X_test, Y_test = images(data.test_images[:test]), labels(data.test_labels[:test])
    lenet = nn.LeNet(X_train.value.shape, 1024, 10, lr=1e-3)
    lenet.train(X_train, Y_train, X_test, Y_test, epochs, trbatchsize=options.batch_size, tebatchsize=200)


if __name__ == "__main__":
    main()
