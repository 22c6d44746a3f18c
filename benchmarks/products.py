"""Time products of matrices by one thread: code that LLVM compiles, and BLAS in pieces and whole.

Every measurement is repeated in rounds that take all of a row's contenders in turn; the best round counts, in CPU time
of the thread. Figures are billions of floating-point operations per second; more is better.

    python benchmarks/products.py --rounds 30
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

import tapenet as tn
from tapenet.kernels import products

# name: rows, inner, columns; of layers' products of benchmarks/mlp_step.py, lenet_step.py and vgg16.py, and squares
SIZES = {
    "dense 784 to 512": (128, 784, 512),
    "dense 500 to 10": (128, 500, 10),
    "windows 5x5x1 to 32": (36864, 25, 32),
    "windows 5x5x32 to 64": (4096, 800, 64),
    "windows 3x3x64 to 64": (4096, 576, 64),
    "square 128": (128, 128, 128),
    "square 500": (500, 500, 500),
    "square 2000": (2000, 2000, 2000),
}
LAYOUTS = {"": ("C", "C"), "x transposed": ("F", "C"), "y transposed": ("C", "F")}


def contenders(x: Any, y: Any) -> dict[str, tuple[str, Any, Callable[[], Any]]]:
    """Each contender's backend, a context, and what it does."""
    own = {
        f"tapenet, {backend}": (backend, nullcontext, lambda: products.matmul(x, y))
        for backend, package in (("llvm", "llvmlite"), ("numpy", "numpy"))
        if importlib.util.find_spec(package)
    }
    if not importlib.util.find_spec("threadpoolctl"):
        return own
    one_thread = partial(importlib.import_module("threadpoolctl").threadpool_limits, 1)
    return own | {"BLAS, 1 thread": ("numpy", one_thread, lambda: np.matmul(x, y))}


def best_times(x: Any, y: Any, rounds: int) -> dict[str, float]:
    times = dict.fromkeys(contenders(x, y), float("inf"))
    for _ in range(rounds):
        for name, (backend, context, work) in contenders(x, y).items():
            tn.use_backend(backend)
            with context():
                work()
                start = time.thread_time()
                work()
                times[name] = min(times[name], time.thread_time() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--only", default="", help="part of the name of a row")
    arguments = parser.parse_args()
    tn.set_num_threads(1)
    rng = np.random.default_rng(0)
    for title, (rows, inner, columns) in SIZES.items():
        for layout, orders in LAYOUTS.items():
            name = f"{title} {layout}".strip()
            if arguments.only not in name:
                continue
            x = np.asarray(rng.standard_normal((rows, inner)), arguments.dtype, order=orders[0])
            y = np.asarray(rng.standard_normal((inner, columns)), arguments.dtype, order=orders[1])
            work = 2e-9 * rows * inner * columns
            times = best_times(x, y, arguments.rounds)
            print(f"{name:38}" + "".join(f"{who} {work / t:6.0f}   " for who, t in times.items()))


if __name__ == "__main__":
    main()
