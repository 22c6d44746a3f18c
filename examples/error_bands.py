"""Fit a curve, draw what its errors say of it, and bound the rounding errors of a formula.

    python examples/error_bands.py

Prints the parameters with their errors, and what rounding does to two formulas of the same number; draws
`error_bands.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
import tapenet.numpy as np

NAME = "error_bands"
TRUTH = {"height": 2.0, "rate": 0.8, "floor": 0.3}
NOISE = 0.08  # of the data that are made up


# ---- a fit, and how far it can be trusted ----


def decay(parameters, t):
    """A height that decays at a rate, down to a floor."""
    return parameters["height"] * np.exp(-parameters["rate"] * t) + parameters["floor"]


def make_data(rng: Generator, count: int):
    """Noisy values of a decay."""
    t = np.linspace(0.0, 3.0, count)
    return t, decay(TRUTH, t) + NOISE * rng.normal(size=count)


def fit(t, y):
    """Parameters by least squares, and their covariance: s^2 (J'J)^-1, with s^2 from what is left."""
    found = tn.optim.levenberg_marquardt(lambda p: decay(p, t) - y, dict.fromkeys(TRUTH, 1.0))
    curvature = tn.gauss_newton(lambda p: decay(p, t))(found.x).to_dense()
    variance = 2 * found.value / (len(t) - len(TRUTH))
    return found.x, variance * np.linalg.inv(curvature)


def band(parameters, covariance, at):
    """The mean and the standard deviation of the curve at each place."""

    def at_one(t):
        return tn.propagate(lambda p: decay(p, t), parameters, covariance)

    mean, variance = tn.vmap(at_one)(at)
    return mean, np.sqrt(variance)


# ---- two formulas of one number ----


def naive(x):
    """(1 - cos x) / x^2, as it is written."""
    return (1 - np.cos(x)) / x**2


def by_half(x):
    """The same by half the angle."""
    return 2 * (np.sin(x / 2) / x) ** 2


def exactly(x):
    """The same by its series, for small x."""
    return 0.5 - x**2 / 24 + x**4 / 720 - x**6 / 40320 + x**8 / 3628800


def rounding(f, places):
    """The bound of the rounding error at each place, and the error that is there."""
    reports = [tn.rounding_error(f)(float(x)) for x in places]
    errors = [abs(float(report.value) - exactly(x)) for report, x in zip(reports, places, strict=True)]
    return np.array([float(report.bound) for report in reports]), np.array(errors)


# ---- the run ----


def work(options: argparse.Namespace) -> None:
    """Fit, bound, draw, and print the result."""
    from figures import error_bands, save

    count, points = (20, 12) if options.quick else (40, 60)
    t, y = make_data(default_rng(options.seed), count)
    parameters, covariance = fit(t, y)
    at = np.linspace(0.0, 4.5, 200)
    places = np.geomspace(1e-8, 1e-1, points)
    formulas = {"(1 - cos x) / x²": rounding(naive, places), "by half the angle": rounding(by_half, places)}
    path = options.output / f"{NAME}.png"
    save(error_bands((t, y), at, decay(TRUTH, at), band(parameters, covariance, at), places, formulas), path)
    print(f"picture: {path}")
    half_life = tn.delta_method(lambda p: np.log(2) / p["rate"], parameters, covariance)
    print(f"half-life: {half_life.estimate:.3f} +/- {half_life.standard_error:.3f} (in truth {np.log(2) / 0.8:.3f})")
    before, after = (float(tn.rounding_error(f)(1e-6).relative) for f in (naive, by_half))
    print(f"rounding error at 1e-6: at most {before:.1e} of (1 - cos x) / x^2, {after:.1e} by half the angle")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Fit a curve with its errors.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
