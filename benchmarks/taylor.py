"""High derivatives along a direction, side by side: Taylor mode, nested forward mode, and JAX's jet.

python benchmarks/taylor.py --order 6 --width 128
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from interleaved import TAPENET, installed, report

import tapenet as tn
import tapenet.numpy as tnp

Run = Callable[[], Any]
NESTED = "tapenet, nested jvp"


def network(np_: Any, weights: Any, x: Any) -> Any:
    """Three dense layers with tanh."""
    for w, b in weights:
        x = np_.tanh(x @ w + b)
    return x


def contenders(order: int, width: int, batch: int) -> dict[str, Run]:
    """The last of the derivatives by t of the network at x + t v."""
    rng = np.random.default_rng(0)
    weights = [(rng.normal(0.0, width**-0.5, (width, width)), rng.normal(size=width)) for _ in range(3)]
    x, v = rng.normal(size=(batch, width)), rng.normal(size=(batch, width))
    series = [v] + [np.zeros_like(v)] * (order - 1)

    def f(x: Any) -> Any:
        return network(tnp, weights, x)

    def nested() -> Any:
        along = f
        for _ in range(order):
            along = (lambda g: lambda x: tn.jvp(g, (x,), (v,))[1])(along)
        return along(x)

    directional = tn.directional(f, order)
    runs: dict[str, Run] = {
        TAPENET: lambda: directional(x, v),
        "tapenet, dense series": lambda: tn.jet(f, (x,), (series,))[1][-1],
        NESTED: nested,
    }
    if installed("jax"):
        import jax
        from jax.experimental.jet import jet

        jax.config.update("jax_enable_x64", True)
        compiled = jax.jit(lambda x, *terms: jet(lambda x: network(jax.numpy, weights, x), (x,), (list(terms),))[1][-1])
        runs["JAX, jet (jit)"] = lambda: np.asarray(compiled(x, *series))
    return runs


def fastest(runs: Mapping[str, Run], rounds: int) -> dict[str, float]:
    """The least CPU time of a call of each in seconds, in turns."""
    times = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for name, run in runs.items():
            run()  # finds another contender's data in the caches
            begin = time.process_time()
            run()
            times[name] = min(times[name], time.process_time() - begin)
    return times


def main() -> None:
    """Compare the answers, time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order", type=int, default=6)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    runs = contenders(options.order, options.width, options.batch)
    expected = runs[NESTED]()
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max(), err_msg=name)
    sizes = f"{options.width} wide, batch {options.batch}"
    report(
        f"Derivative of order {options.order} of a 3-layer network, {sizes}; CPU time", fastest(runs, options.rounds)
    )


if __name__ == "__main__":
    main()
