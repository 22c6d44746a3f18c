"""Peak memory of a step, in a process for each library: how much it needs beyond what importing and data take.

python benchmarks/memory.py memory_lenet_step
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from interleaved import COMPILED, PROGRAM, PYTORCH, TAPENET, available, report

from tapenet.kernels.products import matmul

TITLES = {
    "memory_lenet_step": "Peak memory of the LeNet step",
    "memory_vgg16": "Peak memory of VGG16 forward and backward",
}
CONTENDERS = (TAPENET, COMPILED, PROGRAM, PYTORCH, "PyTorch, channels last")
MIB = 2**20


def measured(name: str, *, tiny: bool = False, steps: int = 5) -> dict[str, float]:
    """The bytes by which each contender's process grows at most, printed."""
    grown = {}
    for contender in filter(available, CONTENDERS):
        command = [sys.executable, __file__, name, "--contender", contender, "--steps", str(steps)]
        command += ["--tiny"] * tiny
        if contender == PROGRAM:  # whose machine code is on the disk after that: LLVM takes memory of its own
            subprocess.run(command, check=True, capture_output=True)
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
        grown[contender] = float(finished.stdout)
    report(TITLES[name], grown, unit=MIB, unit_name="MiB")
    return grown


def growth(name: str, contender: str, *, tiny: bool, steps: int) -> int:
    """The bytes by which this process grows at most while it takes a few steps, with parameters and state."""
    scenario = importlib.import_module(name.removeprefix("memory_")).SCENARIO
    sizes: Mapping[str, object] = scenario.tiny if tiny else scenario.sizes
    # Libraries load parts of themselves when they are first used: PyTorch at its import, tapenet its compiled products
    # at the first large one.
    scenario.runs([contender], **scenario.tiny)[contender]()
    if contender in (TAPENET, COMPILED, PROGRAM):
        matmul(np.ones((128, 128), np.float32), np.ones((128, 128), np.float32))
    _forget_peak()
    before = _status("VmRSS")
    run = scenario.runs([contender], **sizes)[contender]
    for _ in range(steps):
        run()
    return max(1, _status("VmHWM") - before)


def _forget_peak() -> None:
    """Let the kernel count the process's peak memory from now on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(key: str) -> int:
    """A figure of this process in bytes, as Linux tells it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}; peak memory is measured on Linux only.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=TITLES)
    parser.add_argument("--contender", help="measure this process, for this contender")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.contender:
        print(growth(options.name, options.contender, tiny=options.tiny, steps=options.steps))
    else:
        measured(options.name, tiny=options.tiny, steps=options.steps)


if __name__ == "__main__":
    main()
