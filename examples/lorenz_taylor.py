"""Integrate the Lorenz system by Taylor series of order 20, whose coefficients `tn.jet` finds from the equation alone.

    python examples/lorenz_taylor.py

From x(0) and x' = f(x) follow all derivatives: k of x give k of f(x), and so k + 1 of x. The step is as long as the
last two of them allow. Prints how far the result is from a reference in 60 digits; draws `lorenz_taylor.png`.

Source: Jorba and Zou, "A software package for the numerical integration of ODEs by means of high-order Taylor methods",
Experimental Mathematics 14 (2005), for the control of the step.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from decimal import Decimal, localcontext
from itertools import pairwise

import scripts

import tapenet as tn
import tapenet.numpy as np

NAME = "lorenz_taylor"
START = (1.0, 1.0, 1.0)
SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0
ORDER = 20
TOLERANCE = 1e-16


def lorenz(state):
    """The velocity of a point."""
    x, y, z = state
    return np.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z])


# ---- the integrator, for any equation ----


def coefficients(f, state, order: int):
    """The Taylor coefficients of the solution of x' = f(x) that starts at a state, in rows."""
    derivatives: list = []
    for _ in range(order):
        slope, slopes = tn.jet(f, (state,), (derivatives,))
        derivatives = [slope, *slopes]
    return np.stack([state, *(d / math.factorial(k) for k, d in enumerate(derivatives, 1))])


def step_length(rows, tolerance: float) -> float:
    """How far the series can be trusted: until one of its last two terms reaches the tolerance."""
    allowed = tolerance * max(1.0, np.max(np.abs(rows[0])))
    last = len(rows) - 1
    return 0.9 * min((allowed / max(np.max(np.abs(rows[k])), 1e-300)) ** (1 / k) for k in (last - 1, last))


def value(rows, h: float):
    """The sum of the series after a time h, by Horner's rule."""
    total = rows[-1]
    for row in rows[-2::-1]:
        total = row + h * total
    return total


def integrate(f, state, end: float, *, order: int, tolerance: float):
    """The times and states at the ends of all steps, and the series of each step."""
    find = tn.compile(lambda state: coefficients(f, state, order))
    times, states, series = [0.0], [np.asarray(state)], []
    while times[-1] < end:
        series.append(find(states[-1]))
        h = min(step_length(series[-1], tolerance), end - times[-1])
        times.append(end if h == end - times[-1] else times[-1] + h)
        states.append(value(series[-1], h))
    return np.array(times), np.stack(states), series


# ---- the reference: the same system with 60 digits, its recurrences written by hand ----


def reference(start, times):
    """The states at these times, in floats."""
    with localcontext() as context:
        context.prec = 60
        state = [Decimal(c) for c in start]
        found = [start]
        for before, after in pairwise(times):
            state = exact_step(state, Decimal(after) - Decimal(before))
            found.append([float(c) for c in state])
    return np.array(found)


def exact_step(state, h):
    """One step by a series of order 40, whose remainder is below 1e-25."""
    sigma, rho, beta = Decimal(SIGMA), Decimal(RHO), Decimal(BETA)
    x, y, z = ([c] for c in state)
    for k in range(40):
        xz = sum(x[i] * z[k - i] for i in range(k + 1))
        xy = sum(x[i] * y[k - i] for i in range(k + 1))
        x.append(sigma * (y[k] - x[k]) / (k + 1))
        y.append((rho * x[k] - xz - y[k]) / (k + 1))
        z.append((xy - beta * z[k]) / (k + 1))
    return [sum(c * h**k for k, c in enumerate(row)) for row in (x, y, z)]


def work(options: argparse.Namespace) -> None:
    """Integrate, compare, draw, and print the result."""
    from figures import orbit, save

    end = 1.0 if options.quick else 25.0
    times, states, series = integrate(lorenz, np.array(START), end, order=ORDER, tolerance=TOLERANCE)
    errors = np.linalg.norm(states - reference(START, times), axis=1)
    path = options.output / f"{NAME}.png"
    save(orbit(times, between(times, series), errors), path)
    print(f"picture: {path}")
    lengths = np.diff(times)
    print(f"{len(lengths)} steps of order {ORDER}, from {lengths.min():.3f} to {lengths.max():.3f} long")
    print(
        f"distance from the reference: {errors[times <= 1.0].max():.1e} until time 1, {errors[-1]:.1e} at time {end:g}"
    )


def between(times, series):
    """States at many times in each step, for the picture."""
    parts = np.linspace(0, 1, 20, endpoint=False)
    return np.stack([value(rows, part * h) for rows, h in zip(series, np.diff(times), strict=True) for part in parts])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Integrate by Taylor series.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
