"""Bayesian logistic regression: the posterior by Laplace's approximation, and by Hamiltonian Monte Carlo.

    python examples/posterior.py

Prints means and deviations of both, and the loss of the mean prediction; draws `posterior.png`.

Source: R. Neal, MCMC using Hamiltonian dynamics (2011), arXiv:1206.1901, section 5.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
import tapenet.numpy as np

NAME = "posterior"
TRUTH = (-0.5, 2.0, -1.0)  # the intercept and two weights
DEVIATION = 3.0  # of the prior of each


# ---- the model ----


def logits(weights, x):
    """The log odds of points in a plane."""
    return weights[..., :1] + weights[..., 1:] @ x.T


def energy(weights, x, labels):
    """Minus the log posterior, but for a constant: the loss of the labels, and the prior."""
    loss = np.sum(tn.nn.binary_cross_entropy(logits(weights, x), labels, reduction="none"))
    return loss + 0.5 * np.sum((weights / DEVIATION) ** 2)


def make_data(rng: Generator, count: int):
    """Points with labels drawn by their odds."""
    x = rng.normal(size=(count, 2))
    return x, (rng.random(count) < 1 / (1 + np.exp(-logits(np.array(TRUTH), x)))).astype(float)


def mean_loss(draws, x, labels):
    """The loss of the probabilities that the draws give on average."""
    p = np.mean(1 / (1 + np.exp(-logits(draws, x))), axis=0)
    return -np.mean(np.log(np.where(labels == 1, p, 1 - p)))


# ---- the posterior, twice ----


def laplace(x, labels):
    """The mode, and the covariance of the normal distribution that is curved as the posterior is there."""
    found = tn.scipy.optimize.minimize(energy, np.zeros(3), (x, labels), method="trust-exact", tol=1e-8)
    return found.x, np.linalg.inv(tn.hessian(energy)(found.x, x, labels))


def hamiltonian(rng: Generator, begin, covariance, x, labels, *, draws: int, steps: int = 8, size: float = 0.25):
    """Draws of the posterior: each a path of a particle, whose mass is the inverse of the covariance."""
    slope = tn.value_and_grad(energy)
    lower = np.linalg.cholesky(covariance)
    place, found, accepted = begin, [], 0
    height, steep = slope(place, x, labels)
    for _ in range(draws):
        velocity = rng.normal(size=3)  # in coordinates where the covariance is the identity
        new, down, level = place, steep, height
        before = height + 0.5 * velocity @ velocity
        for _ in range(steps):
            velocity = velocity - 0.5 * size * lower.T @ down
            new = new + size * lower @ velocity
            level, down = slope(new, x, labels)
            velocity = velocity - 0.5 * size * lower.T @ down
        if np.log(rng.random()) < before - level - 0.5 * velocity @ velocity:
            place, height, steep = new, level, down
            accepted += 1
        found.append(place)
    return np.stack(found), accepted / draws


# ---- the run ----


def work(options: argparse.Namespace) -> None:
    """Approximate, draw, and print the result."""
    from figures import posterior, save

    rng = default_rng(options.seed)
    x, labels = make_data(rng, 60)
    mode, covariance = laplace(x, labels)
    draws, accepted = hamiltonian(rng, mode, covariance, x, labels, draws=150 if options.quick else 4000)
    grid = np.linspace(-3.0, 3.0, 60)
    points = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    chances = np.mean(1 / (1 + np.exp(-logits(draws, points))), axis=0).reshape(60, 60)
    path = options.output / f"{NAME}.png"
    save(posterior(x, labels, grid, chances, draws[:, 1:], mode[1:], covariance[1:, 1:]), path)
    print(f"picture: {path}")
    for name, values, center, variance in zip(("intercept", "first", "second"), draws.T, mode, np.diagonal(covariance)):
        both = f"Laplace {center:.3f} +/- {variance**0.5:.3f}, Monte Carlo {values.mean():.3f} +/- {values.std():.3f}"
        print(f"{name} weight: {both}")
    print(f"accepted: {accepted:.0%} of {len(draws)} paths")
    print(f"loss: {np.log(2):.3f} by guessing, {mean_loss(draws, x, labels):.3f} by the mean of all draws")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Bayesian logistic regression.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
