"""Train a multilayer perceptron to tell two spirals apart.

    python examples/mlp.py

Prints the share of points that it gets wrong before and after; draws `mlp.png`. The spirals are generated.

Source: Lang and Witbrock, Learning to tell two spirals apart, 1988.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
from tapenet import nn

NAME = "mlp"


def spirals(rng: Generator, count: int):
    """Draw points on two spirals, and which of them each is on."""
    labels = np.arange(count) % 2
    turns = 1.6 * np.sqrt(rng.uniform(0.02, 1, count))
    angles = 2 * np.pi * turns + np.pi * labels
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * turns[:, None] / 1.6
    return (points + rng.normal(size=points.shape) * 0.015).astype(np.float32), labels


def loss(model, points, labels, rng):
    """The cross-entropy, and the model as the pass leaves it."""
    logits, model = model.train(points, rng)
    return nn.cross_entropy(logits, labels), model


def error(logits, labels) -> float:
    """The share of examples that are told wrong."""
    return float(np.mean(logits.argmax(-1) != labels))


def train(rng: Generator, count: int, epochs: int, width: int):
    """Train on some points, and test on others; give the model, the history, and the errors before and after."""
    points, labels = spirals(rng, count)
    test = spirals(rng, 1000)
    model = tn.models.MLP(2, (width, width), 2, rng=rng, activation=nn.silu)
    before = error(model(test[0]), test[1])
    data = tn.data.batches((points, labels), 64, rng=rng)
    optimizer = tn.optim.adam(tn.optim.cosine_decay(0.02, epochs * len(data)))
    model, _, history = tn.training.fit(model, loss, optimizer, data, epochs=epochs, rng=rng)
    return model, history, test, (before, error(model(test[0]), test[1]))


def work(options: argparse.Namespace) -> None:
    """Train, draw, and print the result."""
    from figures import decisions, save

    count, epochs, width = (400, 25, 32) if options.quick else (1000, 150, 64)
    model, history, test, errors = train(default_rng(options.seed), count, epochs, width)
    path = options.output / f"{NAME}.png"
    save(decisions(history.losses, *test, lambda points: nn.softmax(model(points))[:, 1]), path)
    print(f"picture: {path}")
    print(f"wrong: {errors[0]:.3f} before, {errors[1]:.3f} after {epochs} epochs")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Tell two spirals apart.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
