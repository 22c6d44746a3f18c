"""Train numpynet's VGG16 on handwritten digits, padded to 32 x 32.

python examples/graph_vgg16.py             2,000 digits, some minutes
python examples/graph_vgg16.py --quick     a few seconds, to see that it runs
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import digits
import numpy as np

import numpynet as nn

SAMPLE = Path(__file__).resolve().parent / "data" / "mnist"
BORDER = ((0, 0), (0, 0), (2, 2), (2, 2))


def variables(images: np.ndarray, labels: np.ndarray) -> tuple[nn.Variable, nn.Variable]:
    """Put images (N, 28, 28, 1) and labels (N,) into numpynet's order: (N, 1, 32, 32), and one-hot rows."""
    padded = np.pad(images.transpose(0, 3, 1, 2), BORDER)
    return nn.Variable(padded, lr=0), nn.Variable(np.eye(10)[labels], lr=0)


def main(argv: Sequence[str] | None = None) -> float:
    """Run the example; give the accuracy on the test digits."""
    parser = argparse.ArgumentParser(prog="graph_vgg16.py", description="Train VGG16 with numpynet's graphs.")
    parser.add_argument("--quick", action="store_true", help="two steps with four digits each")
    train, test, batch = (8, 4, 4) if parser.parse_args(argv).quick else (2000, 500, 20)
    np.random.seed(0)
    data = digits.load(SAMPLE)
    X_train, Y_train = variables(data.train_images[:train], data.train_labels[:train])
    X_test, Y_test = variables(data.test_images[:test], data.test_labels[:test])
    vgg16 = nn.VGG16(X_train.value.shape, 512, 10, lr=1e-4)
    vgg16.train(X_train, Y_train, X_test, Y_test, epochs=1, trbatchsize=batch, tebatchsize=batch)
    return vgg16.graph.accuracy(nn.miniBatch(X_test, Y_test, batch))


if __name__ == "__main__":
    main()
