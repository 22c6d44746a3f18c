"""Train a U-Net to find discs and squares in noise.

    python examples/unet.py

Prints the share of places that it labels wrong before and after; draws `unet.png`: images, what they hold, and what the
network finds. The images are generated.

Source: Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, 2015.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
from tapenet import nn

NAME = "unet"
SIZE = 32
NOTHING, DISC, SQUARE = range(3)


def scene(rng: Generator):
    """Draw an image of discs and squares of one brightness, in noise, and what is at each place."""
    labels = np.full((SIZE, SIZE), NOTHING)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for _ in range(rng.integers(1, 5)):
        y, x = rng.uniform(0, SIZE, 2)
        radius = rng.uniform(3, 7)
        if rng.random() < 0.5:
            labels[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = DISC
        else:
            labels[(abs(rows - y) < radius) & (abs(columns - x) < radius)] = SQUARE
    image = (labels != NOTHING) + 0.5 * rng.normal(size=labels.shape)
    return image[..., None].astype(np.float32), labels


def scenes(rng: Generator, count: int):
    """Draw several images and their labels."""
    images, labels = zip(*(scene(rng) for _ in range(count)), strict=True)
    return np.stack(images), np.stack(labels)


def loss(model, images, labels, rng):
    """The cross-entropy of all places, and the model with its running statistics moved."""
    logits, model = model.train(images, rng)
    return nn.cross_entropy(logits, labels), model


def work(options: argparse.Namespace) -> None:
    """Train, draw, and print the result."""
    from figures import save, segmentations

    count, epochs, width = (64, 6, 4) if options.quick else (1000, 12, 8)
    rng = default_rng(options.seed)
    images, labels = scenes(rng, count)
    test_images, test_labels = scenes(rng, 64)
    model = tn.models.UNet(3, rng=rng, width=width)
    batches = tn.data.batches((images, labels), 8 if options.quick else 16, rng=rng)
    optimizer = tn.optim.adam(tn.optim.cosine_decay(1e-2, epochs * len(batches)))
    model, _, history = tn.training.fit(model, loss, optimizer, batches, epochs=epochs, rng=rng)
    found = model(test_images).argmax(-1)
    path = options.output / f"{NAME}.png"
    save(segmentations(history.losses, test_images[:4, ..., 0], test_labels[:4], found[:4]), path)
    print(f"picture: {path}")
    nothing, wrong = np.mean(test_labels != NOTHING), np.mean(found != test_labels)
    print(f"wrong: {nothing:.3f} by finding nothing, {wrong:.3f} after {epochs} epochs")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Find discs and squares in noise.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
