"""Time gradients through solvers: of a differential equation beside autograd and JAX, of a root beside its solve.

All contenders take turns; the fastest of the rounds counts. Times are in milliseconds.

    python benchmarks/scipy_solvers.py --rounds 20
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate
import scipy.optimize

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import integrate, optimize

Run = Callable[[], Any]

RATES = np.array([1.0, 0.1, 1.5, 0.075])
START = np.array([10.0, 5.0])
TIMES = np.linspace(0, 10, 21)
TOLERANCE = 1.49e-8  # odeint's default


def predators(xp: Any) -> Callable[..., Any]:
    """The equations of Lotka and Volterra, in functions of a library."""
    return lambda y, t, p: xp.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])


def fits() -> dict[str, Run]:
    """For each contender the gradient of the misfit by the four rates, each time other ones, as in a fit."""
    steps = itertools.count()
    data = scipy.integrate.odeint(predators(np), START, TIMES, (RATES,)) + 0.1

    def misfit(p: Any) -> Any:
        return tnp.sum((integrate.odeint(predators(tnp), START, TIMES, (p,)) - data) ** 2)

    def rates() -> Any:
        return RATES * (1 + 1e-9 * next(steps))

    by_program = tn.compile(tn.grad(misfit))
    runs: dict[str, Run] = {
        "the solve alone": lambda: scipy.integrate.odeint(predators(np), START, TIMES, (rates(),)),
        "tapenet": lambda: tn.grad(misfit)(rates()),
        "tapenet compiled": lambda: by_program(rates()),
    }
    if importlib.util.find_spec("autograd"):
        import autograd
        import autograd.numpy as anp
        from autograd.builtins import tuple as boxes
        from autograd.scipy.integrate import odeint

        def of_autograd(p: Any) -> Any:
            return anp.sum((odeint(predators(anp), START, TIMES, boxes((p,))) - data) ** 2)

        runs["autograd"] = lambda: autograd.grad(of_autograd)(rates())
    if importlib.util.find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        from jax.experimental import ode

        def of_jax(p: Any) -> Any:
            states = ode.odeint(predators(jax.numpy), START, TIMES, p, rtol=TOLERANCE, atol=TOLERANCE)
            return jax.numpy.sum((states - data) ** 2)

        compiled = jax.jit(jax.grad(of_jax))
        runs["JAX compiled"] = lambda: np.asarray(compiled(rates()))
    return runs


def level(x: Any, a: Any) -> Any:
    """A function with a root that depends on a."""
    return np.exp(x) * x - a


def roots() -> dict[str, Run]:
    """A solve by brentq, and the gradient of the root."""
    by_program = tn.compile(tn.grad(lambda a: optimize.brentq(level, 0, 4, (a,))))
    number = np.float64(3.0)
    return {
        "brentq alone": lambda: scipy.optimize.brentq(level, 0, 4, (3.0,)),
        "brentq with gradient": lambda: tn.grad(lambda a: optimize.brentq(level, 0, 4, (a,)))(3.0),
        "the same compiled": lambda: by_program(number),
    }


WARM = 3  # calls that record and compile
TURNS_OF_ROOTS = 100  # for each round: they take microseconds


def fastest(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """The fastest time of each in milliseconds, all taking turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(WARM):
            run()
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - begin))
    return {name: min(own) for name, own in times.items()}


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description="Time gradients through solvers.")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    for runs, turns in ((fits(), rounds), (roots(), TURNS_OF_ROOTS * rounds)):
        for name, milliseconds in fastest(runs, turns).items():
            print(f"{name:24}{milliseconds:10.3f}")


if __name__ == "__main__":
    main()
