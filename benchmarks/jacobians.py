"""Second derivatives and Jacobians, side by side: a Hessian, a Hessian-vector product, a Jacobian of many outputs.

python benchmarks/jacobians.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from interleaved import fastest, installed, report

import tapenet as tn
import tapenet.numpy as tnp

Run = Callable[[], Any]


def rosenbrock(x: Any) -> Any:
    """Rosenbrock's function of any number of variables."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2) @ np.ones(len(x) - 1)


def network(np_: Any, weights: Any, x: Any) -> Any:
    """Three dense layers with tanh, for an output of as many elements as x."""
    for w in weights:
        x = np_.tanh(w @ x)
    return x


def hessians(size: int) -> dict[str, Run]:
    x0 = np.linspace(-1.0, 1.0, size)
    runs: dict[str, Run] = {"tapenet": lambda: tn.hessian(rosenbrock)(x0)}
    if installed("autograd"):
        import autograd

        rows = autograd.hessian(rosenbrock)
        runs["autograd, row by row"] = lambda: rows(x0)
    if installed("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        compiled = jax.jit(jax.hessian(rosenbrock))
        runs["JAX (jit)"] = lambda: np.asarray(compiled(x0))
    return runs


def products(size: int) -> dict[str, Run]:
    """A Hessian-vector product, named for the ratio that matters: its cost to the gradient's."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0.0, size**-0.5, (size, size)) for _ in range(3)]
    x0, v = rng.normal(size=size), rng.normal(size=size)

    def energy(x: Any) -> Any:
        return (network(tnp, weights, x) ** 2).sum()

    hvp, gradient = tn.hvp(energy), tn.grad(energy)
    return {"tapenet": lambda: hvp(x0, v), "the gradient": lambda: gradient(x0)}


def jacobians(size: int) -> dict[str, Run]:
    """All rows at once, and row by row with the pullback of one recording."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0.0, size**-0.5, (size, size)) for _ in range(3)]
    x0 = rng.normal(size=size)

    def f(x: Any) -> Any:
        return network(tnp, weights, x)

    def by_pullbacks() -> Any:
        y, pullback = tn.vjp(f, x0)
        return np.stack([pullback(row)[0] for row in np.eye(len(y))])

    runs: dict[str, Run] = {"tapenet": lambda: tn.jacobian(f)(x0), "tapenet, by pullbacks": by_pullbacks}
    if installed("autograd"):
        import autograd
        import autograd.numpy as anp

        runs["autograd"] = lambda: autograd.jacobian(lambda x: network(anp, weights, x))(x0)
    if installed("torch"):
        import torch

        tensors, given = [torch.from_numpy(w) for w in weights], torch.from_numpy(x0)
        vectorized = torch.func.jacrev(lambda x: network(torch, tensors, x))
        runs["PyTorch, jacrev"] = lambda: vectorized(given).numpy()
    return runs


def compare(title: str, runs: dict[str, Run], rounds: int, *, same: bool = True) -> None:
    if same:
        expected = runs["tapenet"]()
        for name, run in runs.items():
            np.testing.assert_allclose(np.asarray(run()), expected, rtol=1e-8, atol=1e-10, err_msg=name)
    report(title, fastest(runs, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variables", type=int, default=100, help="of the Hessian")
    parser.add_argument("--outputs", type=int, default=200, help="of the Jacobian, and size of the product's x")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    n, m = options.variables, options.outputs
    compare(f"Hessian of Rosenbrock's function of {n} variables", hessians(n), options.rounds)
    compare(f"Hessian-vector product of a network, {m} wide", products(m), 20 * options.rounds, same=False)
    compare("the same, 8 wide: the overhead of recording", products(8), 20 * options.rounds, same=False)
    compare(f"Jacobian of {m} outputs by {m} inputs", jacobians(m), options.rounds)


if __name__ == "__main__":
    main()
