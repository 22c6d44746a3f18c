"""Propagate errors through functions of arrays, beside the package `uncertainties`: CPU time of each, and the ratios.

`uncertainties` keeps one Python object for each number, so that a tenth of the numbers tells its time for all.

    python benchmarks/uncertainty.py --numbers 100000 --rounds 5
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from uncertainties import unumpy

import tapenet as tn
import tapenet.numpy as tnp

Function = Callable[[Any, Any], Any]  # of a namespace of functions, and of x

FUNCTIONS: dict[str, Function] = {
    "x**3 - 2*x": lambda xp, x: x * x * x - 2 * x,
    "(x - 1) / (x + 1)": lambda xp, x: (x - 1) / (x + 1),
    "sqrt(1 + x*x)": lambda xp, x: xp.sqrt(1 + x * x),
    "exp(-x) * sin(x) / x": lambda xp, x: xp.exp(-x) * xp.sin(x) / x,
}


def inputs(numbers: int) -> tuple[Any, Any]:
    """Means and standard deviations."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.5, 2.0, numbers), rng.uniform(0.01, 0.1, numbers)


def ours(f: Function, means: Any, deviations: Any) -> tuple[Any, Any]:
    """Means and standard deviations of f, by tapenet."""
    mean, variance = tn.propagate(lambda x: f(tnp, x), means, deviations**2, diagonal=True)
    return mean, np.sqrt(variance)


def theirs(f: Function, means: Any, deviations: Any) -> tuple[Any, Any]:
    """Means and standard deviations of f, by `uncertainties`, from arrays to arrays."""
    found = f(unumpy, unumpy.uarray(means, deviations))
    return unumpy.nominal_values(found), unumpy.std_devs(found)


def fastest(run: Callable[[], Any], rounds: int) -> float:
    """The least CPU time of a call in seconds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    """Compare the answers, time and print."""
    parser = argparse.ArgumentParser(description="Propagate errors, beside the package uncertainties.")
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    means, deviations = inputs(options.numbers)
    few = max(1, options.numbers // 10)
    share = options.numbers / few
    print(f"{options.numbers} numbers, ms{'uncertainties':>16}{'tapenet':>16}{'ratio':>8}{'compiled':>16}{'ratio':>8}")
    for name, f in FUNCTIONS.items():
        eager = partial(ours, f)
        compiled = tn.compile(eager)
        for run in (eager, compiled, compiled):
            for mine, other in zip(run(means[:few], deviations[:few]), theirs(f, means[:few], deviations[:few])):
                np.testing.assert_allclose(mine, other, rtol=1e-10)
        compiled(means, deviations)
        peer = share * fastest(partial(theirs, f, means[:few], deviations[:few]), options.rounds)
        times = [fastest(partial(run, means, deviations), 10 * options.rounds) for run in (eager, compiled)]
        cells = "".join(f"{1e3 * own:16.2f}{peer / max(own, 1e-9):8.0f}" for own in times)
        print(f"{name:22}{1e3 * peer:12.0f}{cells}", flush=True)


if __name__ == "__main__":
    main()
