"""A long loop in little memory: the gradient of a wave equation by where the wave began.

    python benchmarks/long_loops.py [--steps 100000] [--size 256] [--memory 64] [--slots N] [--disk FOLDER] [--quick]

`--memory` is in MB. The wave goes over a square whose edges are held. Prints how many carries fit, how many steps were
computed against the published optimum, the peak that tracemalloc counts beyond arguments and results, and the time
against that of the loop alone.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
import tracemalloc
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp

STEPS = itertools.count()


def step(carry: Any, i: int) -> Any:
    """One step of u'' = laplace(u), by the leapfrog rule."""
    next(STEPS)
    u, before = carry
    p = tnp.pad(u, 1)
    around = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2]
    return 1.2 * u - before + 0.2 * around, u


def energy(u: Any, steps: int, **options: Any) -> Any:
    u, before = tn.checkpointed_loop(step, (u, u), steps, **options)
    return tnp.sum((u - before) ** 2)


def optimum(steps: int, slots: int) -> int:
    """The least number of steps to compute, those that are recorded among them."""
    repeats = next(r for r in itertools.count() if math.comb(slots + r, r) >= steps)
    return steps + (repeats * steps - math.comb(slots + repeats, repeats - 1) if repeats else 0)


def slots_of(steps: int, computed: int) -> int:
    """The least number of carries with which so few steps are computed."""
    return next(slots for slots in range(1, steps + 1) if optimum(steps, slots) <= computed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--memory", type=float, default=64)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--disk")
    parser.add_argument("--quick", action="store_true", help="400 steps of 64 x 64 in 4 MB")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.size, options.memory = 400, 64, 4
    x = np.linspace(-1, 1, options.size)
    start = np.exp(-30 * (x[:, None] ** 2 + (x[None, :] - 0.2) ** 2))
    memory = None if options.slots is not None else int(options.memory * 1e6)
    bounds = {"memory": memory, "slots": options.slots, "disk": options.disk}
    tn.grad(energy)(start, 2)
    began = time.process_time()
    energy(start, max(1, options.steps // 20))
    alone = (time.process_time() - began) * 20
    first = next(STEPS)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    began = time.process_time()
    gradient = tn.grad(energy)(start, options.steps, **bounds)
    seconds = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    computed = next(STEPS) - first - 1 - (memory is not None)  # with memory one step is recorded to be measured
    slots = slots_of(options.steps, computed)
    assert np.all(np.isfinite(gradient))
    print(f"{options.steps:,} steps of {options.size} x {options.size}, a carry of {2 * start.nbytes / 1e6:.2f} MB")
    print(f"carries kept    {slots:14,}")
    print(f"steps computed  {computed:14,}  the optimum is {optimum(options.steps, slots):,}")
    print(f"peak            {peak / 1e6 - before / 1e6:11.1f} MB" + (f"  of {options.memory:g} MB" if memory else ""))
    print(f"seconds (CPU)   {seconds:14.1f}  the loop alone {alone:.1f}, {seconds / alone:.1f} times")


if __name__ == "__main__":
    main()
