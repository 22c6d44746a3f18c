"""Design under constraints: the lightest cantilever that carries a load, and how its weight depends on the load.

    python examples/beam.py

Prints the weight before and after, and its derivative by the load, by the conditions of the minimum; draws `beam.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts

import tapenet as tn
import tapenet.numpy as np

NAME = "beam"
LENGTH, WIDTH = 1.0, 0.05  # metres
STIFFNESS, STRENGTH, DENSITY = 70e9, 120e6, 2700.0  # of aluminium, in Pa, Pa and kg/m^3
BEND = 0.03  # metres, at the tip
LOAD = 2000.0  # newtons, at the tip
THICKEST = 0.3  # metres
UNIT = 0.05  # metres: heights are in it, so that numbers are of order 1


def weight(heights):
    """The mass of the segments, in kg."""
    return DENSITY * WIDTH * LENGTH * UNIT * np.mean(heights)


def ends(count):
    """Where segments begin and end, from the tip."""
    return np.linspace(0.0, LENGTH, count + 1)


def strength_left(heights, load):
    """For each segment how far its stress, at its end by the wall, is below the strength: 1 - 6 F x / (b h^2 s)."""
    return 1 - 6 * load * ends(len(heights))[1:] / (WIDTH * (UNIT * heights) ** 2 * STRENGTH)


def bend_left(heights, load):
    """How far the tip's deflection, the sum over segments of int F x^2 / (E I) dx, is below what is allowed."""
    cubes = np.diff(ends(len(heights)) ** 3) / 3
    return 1 - np.sum(load * cubes / (STIFFNESS * WIDTH * (UNIT * heights) ** 3 / 12)) / BEND


def design(load, count: int):
    """SciPy's result: the lightest heights of segments, from the tip to the wall."""
    constraints = [{"type": "ineq", "fun": fun, "args": (load,)} for fun in (strength_left, bend_left)]
    return tn.scipy.optimize.minimize(
        weight,
        np.full(count, 2.0),
        bounds=[(0.1, THICKEST / UNIT)] * count,
        constraints=constraints,
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 300},
    )


# ---- the run ----


def work(options: argparse.Namespace) -> None:
    """Design, draw, and print the result."""
    from figures import beam, save

    count = 6 if options.quick else 20
    found = design(LOAD, count)
    growth = tn.grad(lambda load: design(load, count).fun)(LOAD)
    loads = np.linspace(0.5 * LOAD, 1.5 * LOAD, 3 if options.quick else 15)
    weights = np.array([design(load, count).fun for load in loads])
    path = options.output / f"{NAME}.png"
    edges = ends(count)
    save(beam(edges, UNIT * found.x, loads, weights, (LOAD, found.fun, growth)), path)
    print(f"picture: {path}")
    left = [*strength_left(found.x, LOAD), bend_left(found.x, LOAD)]
    print(f"at their limits: {sum(abs(x) < 1e-6 for x in left)} of {len(left)} constraints")
    print(f"the weight grows by {1000 * growth:.4f} grams for each newton")
    uniform = max(6 * LOAD * LENGTH / (WIDTH * STRENGTH), (4 * LOAD / (STIFFNESS * WIDTH * BEND)) ** (2 / 3)) ** 0.5
    before = weight(np.full(count, uniform / UNIT))
    print(f"weight: {before:.3f} kg of one height, {found.fun:.3f} kg after {found.nit} steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Design a beam.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
