"""What it takes to compile each scenario: by tn.compile, cold and from the disk, and by jax.jit.

python benchmarks/compile_times.py                  all scenarios
python benchmarks/compile_times.py rnn --rounds 5   one of them

Seconds of processor time of the first three calls, less those of the next three; the least of several processes. Each
process has run the function without compiling before, and has compiled it at a tiny size, so that modules are imported
and what is compiled once on each machine (products, say) is there. "Cold" is with nothing else on the disk.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interleaved import PROGRAM, TAPENET, available
from run import JAX, SCENARIOS, scenario

CALLS = 3


def seconds_to_compile(name: str, contender: str, *, tiny: bool) -> float:
    """The seconds that this process takes."""
    what = scenario(name)
    sizes = what.tiny if tiny else {}
    if contender == PROGRAM:
        for run in what.runs([TAPENET], **sizes).values():
            run()
        _calls(what.runs([PROGRAM], **what.tiny)[PROGRAM])
    else:
        jax: Any = importlib.import_module("jax")
        jax.block_until_ready(jax.jit(jax.numpy.sin)(1.0))
    run = what.runs([contender], **sizes)[contender]
    return _calls(run) - _calls(run)


def _calls(run: Callable[[], Any]) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        run()
    return time.process_time() - start


def in_a_process(name: str, contender: str, cache: Path, *, tiny: bool) -> float:
    command = [sys.executable, __file__, name, "--contender", contender, *["--tiny"] * tiny]
    environment = {**os.environ, "TAPENET_CACHE": str(cache)}
    finished = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(finished.stdout.split()[-1])


def measured(name: str, *, tiny: bool, rounds: int) -> dict[str, float]:
    """The seconds of each contender."""
    with tempfile.TemporaryDirectory() as folder:
        common = Path(folder) / "common"
        in_a_process(name, PROGRAM, common, tiny=True)
        times: dict[str, list[float]] = {"cold": [], "from the disk": []}
        for round_ in range(rounds):
            whole = Path(folder) / f"whole{round_}"
            shutil.copytree(common, whole)
            os.chmod(whole, 0o700)
            times["cold"].append(in_a_process(name, PROGRAM, whole, tiny=tiny))
            times["from the disk"].append(in_a_process(name, PROGRAM, whole, tiny=tiny))
            if _has_jax(name):
                times.setdefault(JAX, []).append(in_a_process(name, JAX, whole, tiny=tiny))
    return {title: min(found) for title, found in times.items()}


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
    options = parser.parse_args()
    unknown = set(options.names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario is named {', '.join(sorted(unknown))}")
    if options.contender:
        print(seconds_to_compile(options.names[0], options.contender, tiny=options.tiny))
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
