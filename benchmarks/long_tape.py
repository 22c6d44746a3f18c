"""Whether a long tape costs more for each record than a short one, and whether all of it is freed at once.

Records a chain of operations on 8 floats, walks it back, and drops it, with the garbage collector as it is and
off. Times are of the process, so that other processes on the machine do not count.

    python benchmarks/long_tape.py
"""

from __future__ import annotations

import argparse
import gc
import time
import weakref

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp


def seconds_for_each_record(length: int) -> float:
    x0 = np.ones(8)
    start = time.process_time()
    with tn.GradientTape() as tape:
        x = tape.watch(x0)
        y = x
        for _ in range(length // 2):
            y = tnp.sin(y * 1.0000001)
    tape.gradient(y, x, output_gradients=x0)
    del tape, x, y
    return (time.process_time() - start) / length


def freed_at_once(length: int) -> bool:
    """Whether the arrays on a tape go with its last name, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        with tn.GradientTape() as tape:
            x = tape.watch(np.ones(8))
            y = x
            for _ in range(length // 2):
                y = tnp.sin(y * 1.0000001)
        tape.gradient(y, x, output_gradients=np.ones(8))
        arrays = (kept for record in tape.records for kept in record.kept if isinstance(kept, np.ndarray))
        references = [weakref.ref(array) for array in arrays]
        del tape, x, y
        return all(reference() is None for reference in references)
    finally:
        gc.enable()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", type=int, default=1_000_000, help="records of the long tape")
    parser.add_argument("--short", type=int, default=1_000, help="records of the short tape")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for collector in ("on", "off"):
        (gc.enable if collector == "on" else gc.disable)()
        short = long = float("inf")
        for _ in range(options.rounds):
            short = min(short, *(seconds_for_each_record(options.short) for _ in range(50)))
            long = min(long, seconds_for_each_record(options.long))
        print(
            f"garbage collector {collector}: {options.long} records {long * 1e6:.2f} us each, "
            f"{options.short} records {short * 1e6:.2f} us each, ratio {long / short:.2f}"
        )
    gc.enable()
    print(f"freed at once, with the garbage collector off: {freed_at_once(options.long)}")


if __name__ == "__main__":
    main()
