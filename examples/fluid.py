"""Find how to stir: the first velocities of a fluid that carry its smoke into the shape of a heart.

    python examples/fluid.py

The gradient goes back through the whole simulation. Prints the error before and after; draws `fluid.png`.

Source: Stam, Stable fluids, 1999: velocities are carried along themselves, then made free of divergence.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts

import tapenet as tn
import tapenet.numpy as np
from tapenet import value_and_grad

NAME = "fluid"


# ---- the simulation, on a square that goes round at its edges ----


def carried(field, vx, vy):
    """A field after one step along velocities, in cells: what is here comes from where the velocity points back to."""
    size = field.shape[0]
    rows, columns = np.arange(size)[:, None] - vy, np.arange(size)[None, :] - vx
    top, left = np.floor(rows), np.floor(columns)
    down, right = rows - top, columns - left  # the place within its cell, 0 to 1
    i, j = top.astype(int) % size, left.astype(int) % size
    i_next, j_next = (i + 1) % size, (j + 1) % size
    above = (1 - right) * field[i, j] + right * field[i, j_next]
    below = (1 - right) * field[i_next, j] + right * field[i_next, j_next]
    return (1 - down) * above + down * below


def without_divergence(vx, vy):
    """The nearest velocities that neither make nor lose fluid: less their gradient part, in Fourier space.

    The size must be odd: at an even one the highest frequency has no sign.
    """
    size = vx.shape[0]
    kx, ky = np.fft.fftfreq(size)[None, :], np.fft.fftfreq(size)[:, None]
    squared = kx**2 + ky**2 + (kx**2 + ky**2 == 0)
    x, y = np.fft.fft2(vx), np.fft.fft2(vy)
    along = (kx * x + ky * y) / squared
    return np.real(np.fft.ifft2(x - kx * along)), np.real(np.fft.ifft2(y - ky * along))


def simulate(velocities, smoke, steps: int):
    """The smoke at each step."""
    vx, vy = without_divergence(velocities[0], velocities[1])
    frames = [smoke]
    for _ in range(steps):
        vx, vy = without_divergence(carried(vx, vx, vy), carried(vy, vx, vy))
        smoke = carried(smoke, vx, vy)
        frames.append(smoke)
    return frames


# ---- the run ----


def disc(size: int):
    """The smoke at first, with a soft edge."""
    x, y = coordinates(size)
    return inside((0.35 - x**2 - y**2) * 15)


def heart(size: int):
    """The smoke that is wanted: x^2 + (y - sqrt|x|)^2 < 1, stretched to about the disc's area."""
    x, y = coordinates(size)
    x, y = 1.6 * x, 0.4 - 1.6 * y
    return inside((1 - x**2 - (1.15 * y - np.sqrt(np.abs(x))) ** 2) * 4)


def inside(x):
    """1 where a number is positive, 0 where it is negative, and softly in between."""
    return (np.tanh(x) + 1) / 2


def coordinates(size: int):
    """x and y from -1 to 1 of each cell."""
    line = np.linspace(-1, 1, size)
    return line[None, :] + np.zeros((size, 1)), line[:, None] + np.zeros((1, size))


def optimize(size: int, steps: int, rounds: int):
    """Change the first velocities against the error's gradient; give them and the errors."""
    smoke, wanted = disc(size), heart(size)

    def error(velocities):
        return np.mean((simulate(velocities, smoke, steps)[-1] - wanted) ** 2)

    gradient_of = value_and_grad(error)
    optimizer = tn.optim.adam(0.05)
    velocities, errors = np.zeros((2, size, size)), []
    state = optimizer.init(velocities)
    bar = scripts.Progress(rounds, "stirring", "rounds")
    for _ in bar:
        value, gradient = gradient_of(velocities)
        velocities, state = optimizer.update(gradient, state, velocities)
        errors.append(float(value))
        bar.show("mean squared error", errors[-1])
    return velocities, errors


def work(options: argparse.Namespace) -> None:
    """Optimize, draw, and print the result."""
    from figures import fluid, save

    size, steps, rounds = (21, 6, 15) if options.quick else (49, 20, 150)
    velocities, errors = optimize(size, steps, rounds)
    frames = simulate(velocities, disc(size), steps)
    path = options.output / f"{NAME}.png"
    save(fluid(frames, heart(size), np.stack(without_divergence(velocities[0], velocities[1])), errors), path)
    print(f"picture: {path}")
    print(f"mean squared error: {errors[0]:.4f} before, {errors[-1]:.4f} after {rounds} rounds")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Stir a fluid into a heart.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
