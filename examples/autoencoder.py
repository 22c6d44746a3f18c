"""Train an autoencoder to keep each handwritten digit as sixteen numbers.

    python examples/autoencoder.py

Prints the mean squared error of the digits that come back, before and after; draws `autoencoder.png`: digits, what
comes back of them, and the way from one to another through their codes. The digits are the sample of MNIST that comes
with the examples.

Source: Hinton and Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import digits
import numpy as np
import scripts
from numpy.random import default_rng

import tapenet as tn
from tapenet import nn

NAME = "autoencoder"
SAMPLE = Path(__file__).parent / "data" / "mnist"


def loss(model, images, rng):
    """The cross-entropy of each element of the images, and the model."""
    logits, model = model.train(images, rng)
    return nn.binary_cross_entropy(logits, images), model


def error(model, images) -> float:
    """The mean squared error of the images that come back."""
    return float(np.mean((nn.sigmoid(model(images)) - images) ** 2))


def between(model, first, last, count: int):
    """Images on the straight line from the code of one image to that of another."""
    start, end = model.encode(np.stack([first, last]))
    shares = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    return nn.sigmoid(model.decode(start + shares * (end - start)))


def work(options: argparse.Namespace) -> None:
    """Train, draw, and print the result."""
    from figures import reconstructions, save

    count, epochs, width = (640, 3, 8) if options.quick else (10_000, 10, 16)
    rng, data = default_rng(options.seed), digits.load(SAMPLE)
    images, test = data.train_images[:count], data.test_images[:500]
    model = tn.models.Autoencoder(16, rng=rng, width=width)
    before = error(model, test)
    batches = tn.data.batches((images,), 64, rng=rng)
    optimizer = tn.optim.adam(tn.optim.cosine_decay(4e-3, epochs * len(batches)))
    model, _, history = tn.training.fit(model, loss, optimizer, batches, epochs=epochs, rng=rng)
    path = options.output / f"{NAME}.png"
    back = nn.sigmoid(model(test[:10]))
    save(reconstructions(history.losses, test[:10], back, between(model, test[0], test[1], 10)), path)
    print(f"picture: {path}")
    print(f"mean squared error: {before:.4f} before, {error(model, test):.4f} after {epochs} epochs")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Keep digits as sixteen numbers.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
