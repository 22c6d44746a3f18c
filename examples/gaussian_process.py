"""Fit a Gaussian process: its kernel's parameters by the gradient of the marginal likelihood.

    python examples/gaussian_process.py

Prints the likelihood before and after, and the parameters that were found; draws `gaussian_process.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
import tapenet.numpy as np
from tapenet import value_and_grad

NAME = "gaussian_process"
NOISE = 0.15  # of the data that are made up


# ---- the model ----


def kernel(parameters, x, z):
    """Covariances of the values at x and at z: s^2 exp(-(x - z)^2 / 2 l^2)."""
    scale, length = np.exp(parameters["log_scale"]), np.exp(parameters["log_length"])
    distances = (x[:, None] - z[None, :]) / length
    return scale**2 * np.exp(-0.5 * distances**2)


def factor(parameters, x):
    """The Cholesky factor of the covariance of noisy values at x."""
    noise = np.exp(2 * parameters["log_noise"]) + 1e-9
    return np.linalg.cholesky(kernel(parameters, x, x) + noise * np.eye(len(x)))


def log_likelihood(parameters, x, y):
    """The log density of y under the prior: -1/2 (y' K^-1 y + log det K + n log 2 pi)."""
    lower = factor(parameters, x)
    whitened = np.linalg.solve(lower, y)
    log_det = 2 * np.sum(np.log(np.diagonal(lower)))
    return -0.5 * (np.sum(whitened**2) + log_det + len(x) * np.log(2 * np.pi))


def posterior(parameters, x, y, at):
    """Mean and standard deviation of the function's values, given y."""
    lower = factor(parameters, x)
    across = np.linalg.solve(lower, kernel(parameters, x, at))
    mean = across.T @ np.linalg.solve(lower, y)
    variance = np.diagonal(kernel(parameters, at, at)) - np.sum(across**2, axis=0)
    return mean, np.sqrt(np.maximum(variance, 0))


# ---- the run ----


def truth(x):
    """The function that the data come from."""
    return np.sin(1.3 * x) + 0.4 * np.cos(3.1 * x)


def make_data(rng: Generator, count: int):
    """Noisy values at places with a gap between them."""
    x = np.concatenate([rng.uniform(-4, -0.5, count // 2), rng.uniform(1.5, 4, count - count // 2)])
    return x, truth(x) + NOISE * rng.normal(size=count)


def fit(parameters, x, y, steps: int):
    """Climb the likelihood; give the parameters and the likelihood at each step."""
    optimizer = tn.optim.adam(0.05)
    state = optimizer.init(parameters)
    step = value_and_grad(lambda parameters: -log_likelihood(parameters, x, y))
    likelihoods = []
    bar = scripts.Progress(steps, "fitting", "steps")
    for _ in bar:
        value, gradient = step(parameters)
        parameters, state = optimizer.update(gradient, state, parameters)
        likelihoods.append(-float(value))
        bar.show("log likelihood", likelihoods[-1])
    return parameters, likelihoods


def work(options: argparse.Namespace) -> None:
    """Fit, draw, and print the result."""
    from figures import gaussian_process, save

    count, steps = (16, 60) if options.quick else (40, 300)
    x, y = make_data(default_rng(options.seed), count)
    start = {"log_scale": 0.0, "log_length": 1.0, "log_noise": 0.0}
    found, likelihoods = fit(start, x, y, steps)
    at = np.linspace(-5, 5, 300)
    beliefs = {"before": posterior(start, x, y, at), "after": posterior(found, x, y, at)}
    path = options.output / f"{NAME}.png"
    save(gaussian_process(x, y, at, truth(at), beliefs, likelihoods), path)
    print(f"picture: {path}")
    scale, length, noise = (float(np.exp(found[f"log_{name}"])) for name in ("scale", "length", "noise"))
    print(f"scale {scale:.3f}, length {length:.3f}, noise {noise:.3f} (in truth {NOISE})")
    print(f"log likelihood: {likelihoods[0]:.2f} before, {log_likelihood(found, x, y):.2f} after {steps} steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Fit a Gaussian process.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
