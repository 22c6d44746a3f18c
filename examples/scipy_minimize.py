"""Minimize with SciPy: value and gradient from `tn.value_and_grad`, Hessian-vector products from `tn.hvp`.

    python examples/scipy_minimize.py

Prints how many evaluations each method took; draws `scipy_minimize.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts

import tapenet as tn
import tapenet.numpy as np

NAME = "scipy_minimize"
START = (-1.5, 2.0)


def rosenbrock(x):
    """A curved valley, with its minimum 0 where every coordinate is 1."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def minimize(method: str, x0, **options):
    """SciPy's result, and the points it came by."""
    from scipy.optimize import minimize

    path = [np.array(x0)]
    result = minimize(
        tn.value_and_grad(rosenbrock),
        x0,
        jac=True,
        method=method,
        callback=lambda intermediate_result: path.append(np.array(intermediate_result.x)),
        **options,
    )
    return result, np.stack(path)


def work(options: argparse.Namespace) -> None:
    """Minimize in several ways, draw, and print the result."""
    from figures import descents, save

    hessp = tn.hvp(rosenbrock)
    results = {
        "BFGS": minimize("BFGS", START),
        "L-BFGS-B": minimize("L-BFGS-B", START),
        "Newton-CG": minimize("Newton-CG", START, hessp=hessp),
        "trust-krylov": minimize("trust-krylov", START, hessp=hessp),
    }
    path = options.output / f"{NAME}.png"
    save(descents(rosenbrock, {name: points for name, (_, points) in results.items()}), path)
    print(f"picture: {path}")
    for name, (result, _) in results.items():
        products = f", {result.nhev} products with the Hessian" if result.get("nhev") else ""
        print(f"{name}: {result.nit} steps, {result.nfev} values and gradients{products}")
    size = 10 if options.quick else 100
    result, _ = minimize("trust-krylov", np.zeros(size), hessp=hessp)
    print(f"in {size} dimensions: minimum {result.fun:.1e} after {result.nit} steps")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    return scripts.run(scripts.parser(NAME, "Minimize with SciPy.").parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
