"""Train a decoder-only transformer to write a poem, one character after the other.

    python examples/transformer.py

Prints what it writes and the loss before and after; draws `transformer.png`: the loss, and how sure it is of each
character of the poem. The poem is that of `lstm.py`, William Blake's.

Source: Vaswani et al., Attention is all you need, 2017.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import scripts
from lstm import ALPHABET, POEM
from numpy.random import Generator, default_rng

import tapenet as tn
from tapenet import nn

NAME = "transformer"
SYMBOLS = np.array([ALPHABET.index(character) for character in POEM])


def loss(model, texts, rng):
    """The mean negative log probability of each next character, and the model."""
    logits, model = model.train(texts[:, :-1], rng)
    return nn.cross_entropy(logits, texts[:, 1:]), model


def passages(steps: int, count: int, length: int):
    """Return a function that draws so many batches of passages."""

    def drawn(rng: Generator):
        for _ in range(steps):
            places = rng.integers(0, len(SYMBOLS) - length, count)
            yield (SYMBOLS[places[:, None] + np.arange(length + 1)],)

    return drawn


def written(model, text: str, count: int) -> str:
    """Go on with a text, each time by the most probable character."""
    symbols = model.generate([[ALPHABET.index(character) for character in text]], count)
    return "".join(ALPHABET[symbol] for symbol in symbols[0])


def probabilities(model):
    """How probable each character of the poem is, after those before it."""
    p = nn.softmax(model(SYMBOLS[None, :-1])[0])
    return np.take_along_axis(p, SYMBOLS[1:, None], 1)[:, 0]


def work(options: argparse.Namespace) -> None:
    """Train, draw, and print the result."""
    from figures import save, sureness

    features, layers, steps, length, epochs = (16, 1, 20, 16, 3) if options.quick else (64, 2, 50, 64, 8)
    rng = default_rng(options.seed)
    model = tn.models.Transformer(len(ALPHABET), rng=rng, features=features, layers=layers, heads=2, dropout=0.05)
    optimizer = tn.optim.adam(tn.optim.cosine_decay(5e-3, epochs * steps))
    model, _, history = tn.training.fit(model, loss, optimizer, passages(steps, 16, length), epochs=epochs, rng=rng)
    path = options.output / f"{NAME}.png"
    save(sureness(history.losses, POEM, probabilities(model)), path)
    print(f"picture: {path}")
    print("written:", written(model, "tyger", 60).replace("\n", " / "))
    first, last = history.losses[0], history.losses[-1]
    print(f"loss: {first:.3f} before, {last:.3f} after {len(history.losses)} steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Write a poem with a transformer.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
