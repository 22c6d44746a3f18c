"""Time special functions and log densities on 1e5 elements: values, and values with gradients, beside their peers.

All contenders take turns; the fastest of the rounds counts. Times are in milliseconds; those with gradients are of the
sum and its gradient by every operand. JAX goes eager, as tapenet does. The file is not named scipy.py, which scripts of
this folder would import in SciPy's place.

    python benchmarks/scipy_functions.py --rounds 20
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import special, stats

Run = Callable[[], Any]

# name: the intervals of the operands; an operand before a colon is constant
FUNCTIONS: dict[str, list[tuple[float, float]]] = {
    "gammaln": [(0.1, 20)],
    "digamma": [(0.1, 20)],
    "erf": [(-3, 3)],
    "erfc": [(-3, 3)],
    "ndtr": [(-3, 3)],
    "log_ndtr": [(-9, 3)],
    "ndtri": [(0.01, 0.99)],
    "expit": [(-9, 9)],
    "xlogy": [(0.1, 2), (0.1, 2)],
    "betaln": [(0.1, 9), (0.1, 9)],
    "i0e": [(0.1, 9)],
    "gammainc": [(0.5, 9), (0.1, 15)],
    "betainc": [(0.5, 9), (0.5, 9), (0.05, 0.95)],
}
DENSITIES: dict[str, list[tuple[float, float]]] = {
    "norm": [(-3, 3), (-1, 1), (0.5, 2)],
    "t": [(-3, 3), (2, 9), (-1, 1), (0.5, 2)],
    "gamma": [(0.1, 9), (0.5, 9)],
    "beta": [(0.05, 0.95), (0.5, 9), (0.5, 9)],
    "laplace": [(-3, 3), (-1, 1), (0.5, 2)],
    "poisson": [(0.1, 9)],
}


def contenders(kind: str, name: str, arrays: list[Any]) -> dict[str, tuple[Run, Run]]:
    """For each contender what computes the value, and what computes it with the gradient."""
    k = np.floor(arrays[0]) if name == "poisson" else None

    def call(module: Any) -> Callable[..., Any]:
        if kind == "special":
            return getattr(module, name)
        if k is not None:
            return lambda mu: module.poisson.logpmf(k, mu)
        return getattr(module, name).logpdf

    places = tuple(range(len(arrays)))
    own = call(special if kind == "special" else stats)
    recorded = tn.value_and_grad(lambda *xs: tnp.sum(own(*xs)), places)
    plain = call(scipy.special if kind == "special" else scipy.stats)
    found = {"tapenet": (lambda: own(*arrays), lambda: recorded(*arrays)), "SciPy": (lambda: plain(*arrays), None)}
    for library, find in (("JAX", _of_jax), ("autograd", _of_autograd)):
        if importlib.util.find_spec(library.lower()) and (peer := find(kind, call, places, arrays)) is not None:
            found[library] = peer
    return found


def _works(run: Run) -> bool:
    try:
        run()
    except Exception:
        return False  # autograd and JAX lack some functions, and derivatives by some parameters
    return True


def _of_jax(kind: str, call: Any, places: Any, arrays: Any) -> tuple[Run, Run] | None:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    import jax.scipy.special
    import jax.scipy.stats

    jax.config.update("jax_enable_x64", True)
    xs = [jax.numpy.asarray(x) for x in arrays]
    try:
        f = call(jax.scipy.special if kind == "special" else jax.scipy.stats)
    except AttributeError:
        return None
    g = jax.value_and_grad(lambda *xs: jax.numpy.sum(f(*xs)), places)
    value, gradient = (lambda: jax.block_until_ready(f(*xs))), (lambda: jax.block_until_ready(g(*xs)))
    return (value, gradient if _works(gradient) else None) if _works(value) else None


def _of_autograd(kind: str, call: Any, places: Any, arrays: Any) -> tuple[Run, Run] | None:
    import autograd
    import autograd.numpy
    import autograd.scipy.special
    import autograd.scipy.stats

    try:
        f = call(autograd.scipy.special if kind == "special" else autograd.scipy.stats)
    except AttributeError:
        return None

    def gradient() -> Any:
        return [autograd.grad(lambda *xs: autograd.numpy.sum(f(*xs)), place)(*arrays) for place in places]

    return ((lambda: f(*arrays)), gradient if _works(gradient) else None) if _works(lambda: f(*arrays)) else None


def best(runs: dict[str, Run | None], rounds: int) -> dict[str, float]:
    """The fastest of the rounds, in milliseconds; NaN for what there is none."""
    times = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            if run is None:
                times[name] = float("nan")
                continue
            start = time.perf_counter()
            run()
            times[name] = min(times[name], 1e3 * (time.perf_counter() - start))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--only", default="", help="part of the name of a row")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| function | value: tapenet | SciPy | JAX | autograd | with gradient: tapenet | JAX | autograd |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, table in (("special", FUNCTIONS), ("stats", DENSITIES)):
        for name, intervals in table.items():
            if arguments.only not in name:
                continue
            arrays = [rng.uniform(low, high, arguments.size) for low, high in intervals]
            found = contenders(kind, name, arrays)
            values = best({library: runs[0] for library, runs in found.items()}, arguments.rounds)
            gradients = best({library: runs[1] for library, runs in found.items()}, arguments.rounds)
            cells = [values.get(library, float("nan")) for library in ("tapenet", "SciPy", "JAX", "autograd")]
            cells += [gradients.get(library, float("nan")) for library in ("tapenet", "JAX", "autograd")]
            print(f"| `{kind}.{name}` | " + " | ".join("-" if x != x else f"{x:.2f}" for x in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
