"""The same work side by side: in one process, interleaved, the fastest of several rounds, printed as ratios.

Machines are noisy, so an absolute time means little; the fastest of interleaved rounds compares like with like.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping


def installed(name: str) -> bool:
    """Whether a peer can be imported."""
    return importlib.util.find_spec(name) is not None


def fastest(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The fastest time of each contender in seconds, over rounds in which each runs once, after one to warm up."""
    best = dict.fromkeys(contenders, float("inf"))
    for round_number in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            elapsed = time.perf_counter() - start
            if round_number:
                best[name] = min(best[name], elapsed)
    return best


def report(title: str, times: Mapping[str, float], *, unit: float = 1e-3, unit_name: str = "ms") -> None:
    """Print the times, and each as a ratio to tapenet's peers: tapenet / peer, lower is better."""
    ours = times["tapenet"]
    print(title)
    print(f"  {'':24}{unit_name:>10}  {'tapenet / it':>12}")
    for name, seconds in times.items():
        print(f"  {name:24}{seconds / unit:10.3f}  {ours / seconds:12.3f}")
