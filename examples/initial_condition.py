"""Recover how a wave began from what detectors around it heard, as photoacoustic tomography does.

    python examples/initial_condition.py

The gradient goes back through all steps of the wave equation in 8 MB, whatever their number. Prints the misfit before
and after; draws `initial_condition.png`.

Source: Treeby and Cox, k-Wave, Journal of Biomedical Optics 15 (2010), for the problem.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import default_rng

import tapenet as tn
import tapenet.numpy as np

NAME = "initial_condition"
MEMORY = 8e6  # bytes for the carries that a backward walk needs
SPEED = 0.5  # cells in a step
NOISE = 0.02  # of the loudest sound


# ---- the wave ----


def step(wave, damping):
    """The pressures now and one step ago, from those one step before; what reaches the edge is absorbed."""
    now, before = wave
    padded = np.pad(now, 1)
    around = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4 * now
    return damping * (2 * now - before + SPEED**2 * around), damping * now


def heard(start, detectors, damping, steps: int):
    """What each detector hears in each step."""
    wave, sounds = (start, start), []
    for _ in range(steps):
        wave = step(wave, damping)
        sounds.append(wave[0][detectors])
    return np.stack(sounds)


def misfit(start, sounds, detectors, damping):
    """Half the squared difference of what would be heard from what was."""

    def listen(carry, sound):
        wave, error = carry
        wave = step(wave, damping)
        return wave, error + 0.5 * np.sum((wave[0][detectors] - sound) ** 2)

    return tn.checkpointed_loop(listen, ((start, start), 0.0), sounds, memory=MEMORY)[1]


# ---- the run ----


def coordinates(size: int):
    """x and y from -1 to 1 of each cell."""
    line = np.linspace(-1, 1, size)
    return line[None, :] + np.zeros((size, 1)), line[:, None] + np.zeros((1, size))


def phantom(size: int):
    """The pressures at first: vessels and spots, with soft edges."""
    x, y = coordinates(size)
    discs = [(0.0, 0.05, 0.42, 0.5), (-0.16, 0.1, 0.12, 0.5), (0.2, 0.18, 0.09, -0.4), (0.02, -0.22, 0.07, 0.9)]
    soft = size / 3
    found = np.zeros((size, size))
    for left, down, radius, height in discs:
        found = found + height / (1 + np.exp(soft * (np.hypot(x - left, y - down) - radius)))
    return found


def edge(size: int):
    """How much of the pressure is left in each cell after a step: less the nearer the edge is."""
    x, y = coordinates(size)
    depth = np.maximum(np.abs(x), np.abs(y)) - 0.75
    return np.exp(-1.2 * np.maximum(depth, 0) ** 2)


def ring(size: int, count: int):
    """The cells of detectors on a circle."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    places = [np.round((0.68 * f(angles) + 1) / 2 * (size - 1)).astype(int) for f in (np.sin, np.cos)]
    return tuple(places)


def recover(sounds, detectors, size: int, rounds: int):
    """Change the first pressures against the misfit's gradient; give them and the misfits."""
    damping = edge(size)
    value_and_grad = tn.value_and_grad(lambda start: misfit(start, sounds, detectors, damping))
    optimizer = tn.optim.lbfgs()
    start = np.zeros((size, size))
    state, (value, gradient) = optimizer.init(start), value_and_grad(start)
    misfits = [float(value)]
    bar = scripts.Progress(rounds, "recovering", "rounds")
    for _ in bar:
        start, state = optimizer.update(gradient, state, start, value=value, value_and_grad=value_and_grad)
        value, gradient = state.value, state.gradients
        misfits.append(float(value))
        bar.show("misfit", misfits[-1])
    return start, misfits


def work(options: argparse.Namespace) -> None:
    """Listen, recover, draw, and print the result."""
    from figures import initial_condition, save

    size, count, steps, rounds = (25, 24, 60, 8) if options.quick else (81, 60, 240, 40)
    truth, detectors = phantom(size), ring(size, count)
    sounds = heard(truth, detectors, edge(size), steps)
    sounds = sounds + NOISE * np.max(np.abs(sounds)) * default_rng(options.seed).normal(size=sounds.shape)
    found, misfits = recover(sounds, detectors, size, rounds)
    path = options.output / f"{NAME}.png"
    save(initial_condition(truth, found, detectors, sounds, misfits), path)
    print(f"picture: {path}")
    error = np.linalg.norm(found - truth) / np.linalg.norm(truth)
    print(f"misfit: {misfits[0]:.3f} before, {misfits[-1]:.3f} after {rounds} rounds, error {error:.0%}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Recover how a wave began.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
