"""What it takes to compile each scenario: by tn.compile, cold and from the disk, and by jax.jit.

python benchmarks/compile_times.py                  all scenarios
python benchmarks/compile_times.py rnn --rounds 5   one of them

Seconds of processor time of the first three calls, less those of the next three; of both the least of several
processes. Each process has run the function without compiling before, has compiled it at a tiny size, and has compiled
another function, which no cache holds: so modules are imported, and the compilers have begun. "Cold" is with nothing
else on the disk than what is compiled once on each machine (products, say). The first call of tn.compile runs the
function without compiling, as it records: what that takes longer than a program is part of the time.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from interleaved import PROGRAM, TAPENET, available
from run import JAX, SCENARIOS, scenario

CALLS = 3
MACHINES = "--machines"  # the option of a process that fills the disk


def first_and_next(name: str, contender: str, *, tiny: bool) -> tuple[float, float]:
    """The seconds that this process takes for the first calls, and for as many after them."""
    what = scenario(name)
    sizes = what.tiny if tiny else {}
    if contender == PROGRAM:
        for run in what.runs([TAPENET], **sizes).values():
            run()
        _calls(what.runs([PROGRAM], **what.tiny)[PROGRAM])
        _begin_llvm()
    else:
        jax: Any = importlib.import_module("jax")
        jax.block_until_ready(jax.jit(jax.numpy.sin)(1.0))
    run = what.runs([contender], **sizes)[contender]
    gc.collect()  # what was imported is not to be looked through meanwhile
    return _calls(run), _calls(run)


def _begin_llvm() -> None:
    """Compile a function that no cache holds, and let threads share its work."""
    import tapenet as tn
    import tapenet.numpy as tnp

    scale = time.perf_counter()
    scaled = tn.compile(lambda x: tnp.exp(scale * x), backend="llvm")
    for _ in range(2):
        scaled(np.zeros(2**18))


def keep_what_is_the_machines() -> None:
    """Keep the code of programs off the disk, in this process, but not what all programs share."""
    from tapenet.kernels.machine_code import compile_module
    from tapenet.program.backends import llvm_code

    def compile_for_now(make: Callable[[], str], *depends: str, **options: Any) -> Any:
        with mock.patch.dict(os.environ, TAPENET_CACHE=""):
            return compile_module(make, *depends, **options)

    llvm_code.compile_module = compile_for_now


def _calls(run: Callable[[], Any]) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        run()
    return time.process_time() - start


def in_a_process(name: str, contender: str, cache: Path, *options: str, tiny: bool) -> tuple[float, float]:
    command = [sys.executable, __file__, name, "--contender", contender, *["--tiny"] * tiny, *options]
    environment = {**os.environ, "TAPENET_CACHE": str(cache)}
    finished = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    first, after = map(float, finished.stdout.split()[-2:])
    return first, after


def measured(name: str, *, tiny: bool, rounds: int) -> dict[str, float]:
    """The seconds of each contender."""
    with tempfile.TemporaryDirectory() as folder:
        common = Path(folder) / "common"
        in_a_process(name, PROGRAM, common, MACHINES, tiny=tiny)
        times: dict[str, list[tuple[float, float]]] = {"cold": [], "from the disk": []}
        for round_ in range(rounds):
            whole = Path(folder) / f"whole{round_}"
            shutil.copytree(common, whole)
            os.chmod(whole, 0o700)
            times["cold"].append(in_a_process(name, PROGRAM, whole, tiny=tiny))
            times["from the disk"].append(in_a_process(name, PROGRAM, whole, tiny=tiny))
            if _has_jax(name):
                times.setdefault(JAX, []).append(in_a_process(name, JAX, whole, tiny=tiny))
    return {title: _least(found) for title, found in times.items()}


def _least(found: Sequence[tuple[float, float]]) -> float:
    first, after = (min(seconds) for seconds in zip(*found, strict=True))
    return first - after


def _has_jax(name: str) -> bool:
    what = scenario(name)
    return available(JAX) and JAX in what.contenders(**{**what.sizes, **what.tiny})


def _is_compiled(name: str) -> bool:
    what = scenario(name)
    return PROGRAM in what.contenders(**{**what.sizes, **what.tiny})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--tiny", action="store_true", help="small sizes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contender", help="measure this process, for this contender")
    parser.add_argument(MACHINES, action="store_true", help="keep on the disk what all programs share, and no more")
    options = parser.parse_args()
    unknown = set(options.names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario is named {', '.join(sorted(unknown))}")
    if options.contender:
        if options.machines:
            keep_what_is_the_machines()
        print(*first_and_next(options.names[0], options.contender, tiny=options.tiny))
        return
    print(f"{'seconds to compile':45} cold  disk   jax  cold / jax")
    for name in filter(_is_compiled, options.names or SCENARIOS):
        times = measured(name, tiny=options.tiny, rounds=options.rounds)
        ratio = f"{times['cold'] / times[JAX]:5.2f}" if JAX in times else ""
        jax = f"{times[JAX]:5.2f}" if JAX in times else "    -"
        print(
            f"  {scenario(name).title:43}{times['cold']:5.2f} {times['from the disk']:5.2f} {jax}  {ratio}", flush=True
        )


if __name__ == "__main__":
    main()
