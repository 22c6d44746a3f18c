"""Run the benchmarks: all, or those named.

python benchmarks/run.py                    # all scenarios at the sizes of the table, and peak memory
python benchmarks/run.py rnn lenet_step     # these
python benchmarks/run.py --tiny             # at small sizes: compares the answers, asserts no time
python benchmarks/run.py --json FILE --chart FILE.svg
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import memory
from interleaved import PLAIN, PYTORCH, TAPENET, Scenario, check_agreement, fastest, report

SCENARIOS = (
    "small_operations",
    "rnn",
    "elementwise_chain",
    "mlp_step",
    "lenet_step",
    "vgg16",
    "adam_update",
    "logistic_hvp",
)


def scenario(name: str) -> Scenario:
    """The scenario that a file of this directory declares."""
    found: Scenario = importlib.import_module(name).SCENARIO
    return found


def timed(name: str, *, tiny: bool, rounds: int | None) -> dict[str, float]:
    """The times of a scenario's contenders, printed; at tiny size after comparing their answers."""
    what = scenario(name)
    if tiny:
        check_agreement(what.runs(**what.tiny), what.tolerance)
        times = fastest(what.runs(**what.tiny), 1, turn=0)
    else:
        times = fastest(what.runs(), rounds or what.rounds)
    report(what.title, times)
    return times


def summary(results: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """For each measurement the ratio to PyTorch, and the one to reach."""
    rows = []
    for name, amounts in results.items():
        if PYTORCH in amounts:
            target = 1.0 if name.startswith("memory") else scenario(name).target
            title = memory.TITLES[name] if name.startswith("memory") else scenario(name).title
            rows.append({"title": title, "ratio": amounts[TAPENET] / amounts[PYTORCH], "target": target})
        if PLAIN in amounts and name in ("small_operations", "rnn"):
            title = f"{scenario(name).title}: np.* against tapenet.numpy"
            rows.append({"title": title, "ratio": amounts[PLAIN] / amounts[TAPENET], "target": 1.3})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*SCENARIOS, *memory.TITLES))}")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=Path, help="write what was measured")
    parser.add_argument("--chart", type=Path, help="draw the times of all contenders")
    options = parser.parse_args()
    results = {}
    for name in options.names or (*SCENARIOS, *memory.TITLES):
        if name in memory.TITLES:
            results[name] = memory.measured(name, tiny=options.tiny)
        else:
            results[name] = timed(name, tiny=options.tiny, rounds=options.rounds)
    print(f"{'tapenet / PyTorch (eager)':64} ratio  to reach")
    for row in summary(results):
        print(f"  {row['title']:62} {row['ratio']:5.2f}  {row['target']}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.chart:
        import chart

        chart.draw({name: amounts for name, amounts in results.items() if PYTORCH in amounts}, options.chart)


if __name__ == "__main__":
    main()
