"""Maximum likelihood: the parameters of a gamma distribution, and their covariance from the Hessian.

    python examples/likelihood.py

Prints the parameters with their errors and that of a quantile; draws `likelihood.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import Generator, default_rng

import tapenet as tn
import tapenet.numpy as np

NAME = "likelihood"
TRUTH = {"shape": 2.5, "scale": 1.2}


def negative_log_likelihood(parameters, amounts):
    """Minus the sum of the log densities of gamma distributed amounts."""
    return -np.sum(tn.scipy.stats.gamma.logpdf(amounts, parameters["shape"], scale=parameters["scale"]))


def make_data(rng: Generator, count: int):
    """Amounts of rain, say."""
    return rng.gamma(TRUTH["shape"], TRUTH["scale"], count)


def fit(start, amounts):
    """SciPy's result, and the covariance of its parameters: the inverse of the Hessian at the minimum."""
    limits = dict.fromkeys(TRUTH, (1e-3, None))
    found = tn.scipy.optimize.minimize(negative_log_likelihood, start, (amounts,), bounds=limits, tol=1e-10)
    vector, unravel = tn.tree.ravel(found.x)
    curvature = tn.hessian(lambda v: negative_log_likelihood(unravel(v), amounts))(vector)
    return found, np.linalg.inv(curvature)


def quantile(parameters, chance):
    """The amount that is not reached with a chance."""
    return tn.scipy.stats.gamma.ppf(chance, parameters["shape"], scale=parameters["scale"])


# ---- the run ----


def work(options: argparse.Namespace) -> None:
    """Fit, draw, and print the result."""
    from figures import likelihood, save

    amounts = make_data(default_rng(options.seed), 100 if options.quick else 400)
    start = {"shape": 1.0, "scale": 1.0}
    found, covariance = fit(start, amounts)
    names, values = tn.tree.paths(found.x), np.array(tn.tree.leaves(found.x))
    errors = np.sqrt(np.diagonal(covariance))
    at = np.linspace(1e-3, amounts.max(), 200)
    density = tn.scipy.stats.gamma.pdf(at, found.x["shape"], scale=found.x["scale"])
    axes = [value + np.linspace(-3.5, 3.5, 25) * error for value, error in zip(values, errors, strict=True)]
    loss = [
        [negative_log_likelihood(dict(zip(names, (first, second))), amounts) for first in axes[names.index("shape")]]
        for second in axes[names.index("scale")]
    ]
    order = [names.index("shape"), names.index("scale")]
    path = options.output / f"{NAME}.png"
    center, spread = values[order], covariance[np.ix_(order, order)]
    picture = likelihood(amounts, at, density, [axes[i] for i in order], np.array(loss) - found.fun, center, spread)
    save(picture, path)
    print(f"picture: {path}")
    for name, value, error in zip(names, values, errors, strict=True):
        print(f"{name}: {value:.3f} +/- {error:.3f} (in truth {TRUTH[name]})")
    slopes = np.array(tn.tree.leaves(tn.grad(quantile)(found.x, 0.99)))
    amount, error = quantile(found.x, 0.99), np.sqrt(slopes @ covariance @ slopes)
    print(f"exceeded once in 100: {amount:.2f} +/- {error:.2f} (in truth {quantile(TRUTH, 0.99):.2f})")
    before = negative_log_likelihood(start, amounts)
    print(f"negative log likelihood: {before:.2f} before, {found.fun:.2f} after {found.nit} steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Maximum likelihood with its errors.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
