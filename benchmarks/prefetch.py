"""What of a loader's time prefetching hides, for a loader that takes as long as a training step.

    python benchmarks/prefetch.py

Three loaders: one that waits, as for a disk; one that reads and decodes images in NumPy; and one that computes in
Python, which takes turns with the step. Each is made about as slow as the step. Prints for each the time of an epoch
in steps alone, without and with prefetching, as ratios to the steps alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

import tapenet as tn

STEPS = 20

rng = np.random.default_rng(0)
MODEL = tn.models.LeNet(num_classes=10, rng=rng)
IMAGES, LABELS = rng.random((64, 28, 28, 1), np.float32), rng.integers(0, 10, size=64)
RAW = rng.integers(0, 256, size=(256, 256, 256), dtype=np.uint8)


def loss(model, images, labels, rng):
    logits, model = model.train(images, rng)
    return tn.nn.cross_entropy(logits, labels), model


OPTIMIZER = tn.optim.adam(1e-3)
STEP = tn.training.make_step(loss, OPTIMIZER)


def epoch(batches) -> float:
    """The seconds of an epoch."""
    model, state, drawn = MODEL, OPTIMIZER.init(MODEL), np.random.default_rng(0)
    begin = time.perf_counter()
    for batch in batches:
        model, state, _ = STEP(model, state, batch, drawn)
    return time.perf_counter() - begin


def waiting(seconds: float) -> None:
    time.sleep(seconds)


def decoding(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        RAW[:8].astype(np.float32).mean(axis=(1, 2))


def computing(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


def loaded(work: Callable[[float], None], seconds: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for _ in range(STEPS):
        work(seconds)
        yield IMAGES, LABELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="whose median counts (%(default)s)")
    rounds = parser.parse_args().rounds
    epoch([(IMAGES, LABELS)] * 3)
    for work in (waiting, decoding, computing):
        times: dict[str, list[float]] = {"alone": [], "without": [], "with": []}
        for _ in range(rounds):
            alone = epoch([(IMAGES, LABELS)] * STEPS)
            times["alone"].append(alone)
            times["without"].append(epoch(loaded(work, alone / STEPS)))
            times["with"].append(epoch(tn.data.prefetch(loaded(work, alone / STEPS))))
        alone, without, ahead = (statistics.median(column) for column in times.values())
        print(
            f"{work.__name__:10} step {alone / STEPS * 1e3:.1f} ms; epoch without prefetching {without / alone:.2f}, "
            f"with {ahead / alone:.2f} of the steps alone"
        )


if __name__ == "__main__":
    main()
