"""The log marginal likelihood of a Gaussian process, and its gradient by the kernel's three parameters.

python benchmarks/marginal_likelihood.py --points 200
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from interleaved import PLAIN, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, main


def contenders(points: int) -> Makers:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-4, 4, points))
    y = np.sin(1.3 * x) + 0.15 * rng.normal(size=points)
    parameters = np.array([0.1, 0.2, -1.0])  # logarithms of scale, length and noise
    return {
        TAPENET: partial(with_tapenet, "tapenet.numpy", x, y, parameters),
        PLAIN: partial(with_tapenet, "numpy", x, y, parameters),
        PROGRAM: partial(with_compile, x, y, parameters),
        PYTORCH: partial(with_torch, x, y, parameters),
        "JAX (jit)": partial(with_jax, x, y, parameters),
    }


def likelihood_of(np_: Any, x: Any, y: Any, solve: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """A function of the parameters: -1/2 (y' K^-1 y + log det K + n log 2 pi), for the kernel s^2 exp(-d^2 / 2 l^2).

    Args:
        solve: a lower triangular system.
    """

    def likelihood(parameters: Any) -> Any:
        scale, length, noise = np_.exp(parameters[0]), np_.exp(parameters[1]), np_.exp(parameters[2])
        distances = (x[:, None] - x[None, :]) / length
        covariances = scale**2 * np_.exp(-0.5 * distances**2) + noise**2 * np_.eye(len(x), dtype=x.dtype)
        lower = np_.linalg.cholesky(covariances)
        whitened = solve(lower, y)
        log_det = 2 * np_.log(np_.diagonal(lower)).sum()
        return -0.5 * ((whitened**2).sum() + log_det + len(x) * math.log(2 * math.pi))

    return likelihood


def with_tapenet(namespace: str, x: Any, y: Any, parameters: Any) -> Run:
    import tapenet as tn
    from tapenet.scipy.linalg import solve_triangular

    np_ = importlib.import_module(namespace)
    step = tn.value_and_grad(likelihood_of(np_, x, y, partial(solve_triangular, lower=True)))
    return lambda: step(parameters)


def with_compile(x: Any, y: Any, parameters: Any) -> Run:
    import tapenet as tn
    import tapenet.numpy as tnp
    from tapenet.scipy.linalg import solve_triangular

    likelihood = likelihood_of(tnp, x, y, partial(solve_triangular, lower=True))
    step = tn.compile(tn.value_and_grad(likelihood), backend="llvm")
    return lambda: step(parameters)


def with_torch(x: Any, y: Any, parameters: Any) -> Run:
    import torch

    def solve(lower: Any, y: Any) -> Any:
        return torch.linalg.solve_triangular(lower, y[:, None], upper=False)

    x, y, leaf = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(parameters).requires_grad_()
    likelihood = likelihood_of(torch, x, y, solve)

    def run() -> Any:
        value = likelihood(leaf)
        return value, torch.autograd.grad(value, leaf)[0]

    return run


def with_jax(x: Any, y: Any, parameters: Any) -> Run:
    import jax
    from jax.scipy.linalg import solve_triangular

    jax.config.update("jax_enable_x64", True)
    step = jax.jit(jax.value_and_grad(likelihood_of(jax.numpy, x, y, partial(solve_triangular, lower=True))))
    return lambda: jax.block_until_ready(step(parameters))


SCENARIO = Scenario(
    title="Marginal likelihood of a Gaussian process",
    contenders=contenders,
    sizes={"points": 200},
    tiny={"points": 6},
    target=1.0,
    tolerance=1e-7,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
