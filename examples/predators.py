"""Fit an ordinary differential equation: the rates of predators and prey, by gradients through the solver.

    python examples/predators.py

Prints the misfit before and after, and the rates with their errors; draws `predators.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
import tapenet.numpy as np

NAME = "predators"
RATES = {"births": 1.0, "meals": 0.1, "deaths": 1.5, "growth": 0.075}
GUESS = {"births": 0.9, "meals": 0.12, "deaths": 1.35, "growth": 0.09}
START = (10.0, 5.0)  # prey and predators
NOISE = 0.1  # of the logarithms of the data that are made up


# ---- the model ----


def change(animals, t, rates):
    """The equations of Lotka and Volterra: prey are born and eaten, predators grow by it and die."""
    prey, predators = animals
    eaten = prey * predators
    return np.stack(
        [rates["births"] * prey - rates["meals"] * eaten, rates["growth"] * eaten - rates["deaths"] * predators]
    )


def populations(rates, times):
    """How many prey and predators there are at each time."""
    return tn.scipy.integrate.odeint(change, START, times, (rates,))


def residuals(logs, times, counts):
    """How far the logarithms of the populations are from those that were counted."""
    rates = tn.tree.map(np.exp, logs)
    return (np.log(populations(rates, times)) - np.log(counts)) / NOISE


def misfit(logs, times, counts):
    """Half the sum of squares of what is left."""
    return 0.5 * np.sum(residuals(logs, times, counts) ** 2)


def make_data(rng: Generator, count: int):
    """Counts of both, with errors in proportion."""
    times = np.linspace(0.0, 12.0, count)
    return times, populations(RATES, times) * np.exp(NOISE * rng.normal(size=(count, 2)))


def fit(start, times, counts):
    """The logarithms of the rates, their standard deviations, and how they were found."""
    found = tn.scipy.optimize.minimize(misfit, start, (times, counts), method="BFGS")
    slopes = tn.jacfwd(residuals)(found.x, times, counts)  # a pytree: for each rate its slopes
    columns = np.stack([np.ravel(slope) for slope in slopes.values()], -1)
    errors = np.sqrt(np.diagonal(np.linalg.inv(columns.T @ columns)))
    return found, dict(zip(slopes, errors, strict=True))


# ---- the run ----


def work(options: argparse.Namespace) -> None:
    """Fit, draw, and print the result."""
    from figures import predators, save

    times, counts = make_data(default_rng(options.seed), 13 if options.quick else 37)
    start = tn.tree.map(np.log, GUESS)
    found, errors = fit(start, times, counts)
    at = np.linspace(0.0, 18.0, 300)
    curves = [populations(tn.tree.map(np.exp, logs), at) for logs in (start, found.x)]
    path = options.output / f"{NAME}.png"
    save(predators(times, counts, at, *curves), path)
    print(f"picture: {path}")
    for name, error in errors.items():
        rate = np.exp(found.x[name])
        print(f"{name}: {rate:.4f} +/- {rate * error:.4f} (in truth {RATES[name]})")
    before = misfit(start, times, counts)
    print(f"misfit: {before:.2f} before, {found.fun:.2f} after {found.nit} steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Fit a differential equation.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
