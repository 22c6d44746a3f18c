"""What `checkpoint` saves: the peak memory and the time of a gradient through a deep network, with and without.

    python benchmarks/checkpoint_memory.py [--layers 64] [--segment 8] [--width 256] [--batch 2048]

A chain of dense layers with tanh, plain and with each segment of layers checkpointed. The peak is what NumPy
allocates beyond parameters and data, as tracemalloc counts it; times are without it.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp


def network(segments: list[Any], x: Any, wrap: Callable[[Any], Any]) -> Any:
    def segment(weights: Any, h: Any) -> Any:
        for w in weights:
            h = tnp.tanh(h @ w)
        return h

    run = wrap(segment)
    for weights in segments:
        x = run(weights, x)
    return tnp.mean(x * x)


def measured(segments: list[Any], x: Any, wrap: Callable[[Any], Any]) -> tuple[float, float, Any]:
    """Peak memory in MiB, seconds, and the gradient."""
    gradient = tn.grad(lambda p: network(p, x, wrap))
    gradient(segments)
    start = time.perf_counter()
    gradient(segments)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    found = gradient(segments)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20, seconds, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=64)
    parser.add_argument("--segment", type=int, default=8)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2048)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    scale = options.width**-0.5
    weights = [rng.normal(0, scale, (options.width, options.width)) for _ in range(options.layers)]
    segments = [weights[i : i + options.segment] for i in range(0, options.layers, options.segment)]
    x = rng.normal(size=(options.batch, options.width))
    plain_peak, plain_seconds, expected = measured(segments, x, lambda f: f)
    peak, seconds, found = measured(segments, x, tn.checkpoint)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
    print(f"{options.layers} layers of {options.width}, batch {options.batch}, segments of {options.segment}")
    print(f"{'':12} {'peak':>10} {'seconds':>10}")
    print(f"{'plain':12} {plain_peak:6.1f} MiB {plain_seconds:10.3f}")
    print(f"{'checkpoint':12} {peak:6.1f} MiB {seconds:10.3f}")
    print(f"{'ratio':12} {peak / plain_peak:10.2f} {seconds / plain_seconds:10.2f}")


if __name__ == "__main__":
    main()
