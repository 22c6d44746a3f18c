"""Whether memory stays where it is: many training steps of a small network, with the process's memory at intervals.

    python benchmarks/soak.py [--steps 100000]

Each step is a gradient through dense layers, a checkpointed block with dropout, an operation of custom rules and a
mapped function, and an update by Adam. The garbage collector is off, so that a reference cycle would show as growth.
Exits with 1 where memory grows by more than a few MiB after the first tenth.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp

ALLOWED = 4.0  # MiB


def resident() -> float:
    """MiB of this process in memory; where the system does not tell, the most there ever were."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


clipped = tn.custom_vjp(lambda x: x, lambda x: (x, None), lambda _, t: (np.clip(t, -1.0, 1.0),))


@tn.checkpoint
def block(params: Any, x: Any, rng: np.random.Generator) -> Any:
    return tn.nn.dropout(tnp.tanh(x @ params["w"] + params["b"]), 0.2, rng)


def loss(params: Any, x: Any, labels: Any, rng: np.random.Generator) -> Any:
    for layer in params["blocks"]:
        x = block(layer, x, rng)
    logits = clipped(x) @ params["out"]
    penalty = tnp.mean(tn.vmap(lambda row: tnp.sum(row * row))(logits))
    return tn.nn.cross_entropy(logits, labels) + 1e-3 * penalty


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(8, 8)), rng.integers(0, 4, 8)
    params: Any = {
        "blocks": [{"w": rng.normal(0, 0.3, (8, 8)), "b": np.zeros(8)} for _ in range(2)],
        "out": rng.normal(0, 0.3, (8, 4)),
    }
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(params)
    gradient = tn.value_and_grad(loss)
    gc.collect()
    gc.disable()
    interval = max(options.steps // 10, 1)
    start, settled = time.perf_counter(), 0.0
    for step in range(1, options.steps + 1):
        value, slope = gradient(params, data, labels, rng)
        params, state = optimizer.update(slope, state, params)
        if step % interval == 0:
            now = resident()
            settled = settled or now
            seconds = time.perf_counter() - start
            print(f"step {step:7d}  {now:7.1f} MiB  loss {value:.4f}  {seconds:6.1f} s", flush=True)
    grown = resident() - settled
    print(f"grown by {grown:.2f} MiB after the first tenth; {gc.get_count()[0]} objects uncollected")
    sys.exit(grown > ALLOWED)


if __name__ == "__main__":
    main()
