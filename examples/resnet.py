"""Train a narrow ResNet18 to read handwritten digits.

    python examples/resnet.py

Prints the share of test digits that it reads wrong before and after; draws `resnet.png`: the loss, and which digits it
takes for which. The digits are the sample of MNIST that comes with the examples.

Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2015.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import digits
import numpy as np
import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
from tapenet import nn

NAME = "resnet"
SAMPLE = Path(__file__).parent / "data" / "mnist"


def loss(model, images, labels, rng: Generator):
    """The cross-entropy of digits, each shifted by up to two places, and the model with its statistics moved."""
    logits, model = model.train(tn.data.random_shift(images, rng, 2), rng)
    return nn.cross_entropy(logits, labels), model


def read(model, images):
    """The digit that each image is taken for."""
    return np.concatenate([model(images[i : i + 500]).argmax(1) for i in range(0, len(images), 500)])


def work(options: argparse.Namespace) -> None:
    """Train, draw, and print the result."""
    from figures import confusions, save

    count, epochs, width = (480, 2, 4) if options.quick else (10_000, 6, 8)
    rng, data = default_rng(options.seed), digits.load(SAMPLE)
    images, labels = data.train_images[:count], data.train_labels[:count]
    test_images, test_labels = data.test_images[: count // 2], data.test_labels[: count // 2]
    model = tn.models.ResNet(18, 10, rng=rng, stem="cifar", channels=1, width=width)
    batches = tn.data.batches((images, labels), 32 if options.quick else 64, rng=rng)
    optimizer = tn.optim.adam(tn.optim.cosine_decay(4e-3, epochs * len(batches)))
    model, _, history = tn.training.fit(model, loss, optimizer, batches, epochs=epochs, rng=rng)
    found = read(model, test_images)
    path = options.output / f"{NAME}.png"
    save(confusions(history.losses, tn.training.confusion_matrix(found, test_labels, num_classes=10)), path)
    print(f"picture: {path}")
    print(f"wrong: 0.900 by guessing, {np.mean(found != test_labels):.3f} after {epochs} epochs")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Read digits with a ResNet.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
