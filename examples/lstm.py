"""Train an LSTM to write a poem, one character after the other.

    python examples/lstm.py

Prints what it writes and the loss before and after; draws `lstm.png`.

Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; the text is William Blake's, 1794.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
import tapenet.numpy as np
from tapenet import value_and_grad

NAME = "lstm"
POEM = """\
tyger tyger, burning bright,
in the forests of the night;
what immortal hand or eye,
could frame thy fearful symmetry?

in what distant deeps or skies,
burnt the fire of thine eyes?
on what wings dare he aspire?
what the hand, dare seize the fire?
"""
ALPHABET = sorted(set(POEM))


# ---- the model ----


def sigmoid(x):
    """1 / (1 + exp(-x)), for any x."""
    return 0.5 * (np.tanh(x / 2) + 1)


def init(rng: Generator, hidden: int):
    """Small random weights; gates that remember at first."""
    symbols = len(ALPHABET)
    bias = np.concatenate([np.ones(hidden), np.zeros(3 * hidden)])
    return {
        "gates": {"weight": rng.normal(size=(symbols + hidden, 4 * hidden)) / np.sqrt(hidden), "bias": bias},
        "out": {"weight": rng.normal(size=(hidden, symbols)) / np.sqrt(hidden), "bias": np.zeros(symbols)},
    }


def step(parameters, state, x):
    """One character on: from the state and a one-hot row to the next state and the next one's log probabilities."""
    cell, output = state
    gates = np.concatenate([x, output], axis=1) @ parameters["gates"]["weight"] + parameters["gates"]["bias"]
    forget, add, show, new = np.split(gates, 4, axis=1)
    cell = sigmoid(forget) * cell + sigmoid(add) * np.tanh(new)
    output = sigmoid(show) * np.tanh(cell)
    logits = output @ parameters["out"]["weight"] + parameters["out"]["bias"]
    logits = logits - np.max(logits, axis=1, keepdims=True)
    return (cell, output), logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))


def start(parameters, batch: int):
    """The state before the first character."""
    zeros = np.zeros((batch, parameters["out"]["weight"].shape[0]))
    return zeros, zeros


def loss(parameters, texts):
    """The mean negative log probability of each next character; `texts` is one-hot, (batch, length, symbols)."""
    state, total = start(parameters, len(texts)), 0.0
    for i in range(texts.shape[1] - 1):
        state, log_probabilities = step(parameters, state, texts[:, i])
        total = total - np.sum(log_probabilities * texts[:, i + 1])
    return total / (len(texts) * (texts.shape[1] - 1))


# ---- the run ----


def one_hot(text: str):
    """A text as rows of zeros with a one."""
    return np.eye(len(ALPHABET))[[ALPHABET.index(character) for character in text]]


def train(parameters, rng: Generator, steps: int, length: int, batch: int):
    """Take one step for each batch of passages; give the parameters and the losses."""
    optimizer = tn.optim.adam(0.01)
    state = optimizer.init(parameters)
    gradient_of = value_and_grad(loss)
    losses = []
    bar = scripts.Progress(steps, "training", "steps")
    for _ in bar:
        places = rng.integers(0, len(POEM) - length, batch)
        texts = np.stack([one_hot(POEM[place : place + length]) for place in places])
        value, gradient = gradient_of(parameters, texts)
        parameters, state = optimizer.update(gradient, state, parameters)
        losses.append(float(value))
        bar.show("loss", losses[-1])
    return parameters, losses


def read(parameters, text: str):
    """The probability of each symbol after each character of a text: (length, symbols)."""
    state, rows = start(parameters, 1), []
    for row in one_hot(text):
        state, log_probabilities = step(parameters, state, row[None])
        rows.append(np.exp(log_probabilities[0]))
    return np.stack(rows)


def write(parameters, text: str, count: int) -> str:
    """Go on with a text, each time by the most probable character."""
    for _ in range(count):
        text += ALPHABET[int(np.argmax(read(parameters, text)[-1]))]
    return text


def work(options: argparse.Namespace) -> None:
    """Train, draw, and print the result."""
    from figures import next_characters, save

    hidden, steps, length, batch = (16, 40, 12, 8) if options.quick else (64, 600, 32, 16)
    rng = default_rng(options.seed)
    parameters, losses = train(init(rng, hidden), rng, steps, length, batch)
    shown = POEM.splitlines()[0] + "\n"
    path = options.output / f"{NAME}.png"
    save(next_characters(losses, shown, read(parameters, shown[:-1]), ALPHABET), path)
    print(f"picture: {path}")
    print("written:", write(parameters, "tyger", 60).replace("\n", " / "))
    print(
        f"loss: {losses[0]:.3f} before, {losses[-1]:.3f} after {steps} steps (by guessing {np.log(len(ALPHABET)):.3f})"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Train an LSTM to write a poem.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
