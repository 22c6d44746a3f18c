"""Run the benchmarks: all, or those named.

python benchmarks/run.py                    # all scenarios at the sizes of the table, and peak memory
python benchmarks/run.py rnn lenet_step     # these
python benchmarks/run.py --apart            # each contender in a process of its own, in turns
python benchmarks/run.py --tiny             # at small sizes: compares the answers, asserts no time
python benchmarks/run.py --json FILE --chart FILE.svg
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

import chart
import memory
from interleaved import (
    COMPILED,
    PLAIN,
    PROGRAM,
    PYTORCH,
    TAPENET,
    Scenario,
    check_agreement,
    fastest,
    fastest_apart,
    report,
)

SCENARIOS = (
    "small_operations",
    "rnn",
    "elementwise_chain",
    "mlp_step",
    "lenet_step",
    "vgg16",
    "resnet18",
    "transformer_step",
    "lstm_sequence",
    "adam_update",
    "logistic_hvp",
    "marginal_likelihood",
    "fluid_steps",
)


PLAIN_TARGET = 1.3
JAX = "JAX (jit)"


def scenario(name: str) -> Scenario:
    """The scenario that a file of this directory declares."""
    found: Scenario = importlib.import_module(name).SCENARIO
    return found


def timed(name: str, *, tiny: bool, rounds: int | None, apart: bool) -> dict[str, float]:
    """The times of a scenario's contenders, printed; at tiny size after comparing their answers."""
    what = scenario(name)
    if apart:
        times = fastest_apart(name, what, what.tiny if tiny else {}, 1 if tiny else rounds or what.rounds)
    elif tiny:
        check_agreement(what.runs(**what.tiny), what.tolerance)
        times = fastest(what.runs(**what.tiny), 1, turn=0)
    else:
        times = fastest(what.runs(), rounds or what.rounds)
    report(what.title, times)
    return times


def title_of(name: str) -> str:
    """What a measurement is of."""
    return memory.TITLES[name] if name in memory.TITLES else scenario(name).title


def target_of(name: str) -> float | None:
    """The ratio to PyTorch that a measurement is to reach."""
    return 0.9 if name in memory.TITLES else scenario(name).target


def summary(results: dict[str, dict[str, float]]) -> list[tuple[str, float, float | None]]:
    """For each measurement its title, the ratio to PyTorch, and the one to reach; for plain NumPy that to tapenet."""
    rows = []
    for name, amounts in results.items():
        if PYTORCH in amounts:
            rows.append((title_of(name), amounts[TAPENET] / amounts[PYTORCH], target_of(name)))
        if COMPILED in amounts and PYTORCH in amounts:
            rows.append(("  compiled by Numba", amounts[COMPILED] / amounts[PYTORCH], target_of(name)))
        if PROGRAM in amounts and PYTORCH in amounts:
            rows.append(("  by tn.compile", amounts[PROGRAM] / amounts[PYTORCH], target_of(name)))
        if PROGRAM in amounts and JAX in amounts:
            rows.append(("  by tn.compile, against jax.jit", amounts[PROGRAM] / amounts[JAX], None))
        if PLAIN in amounts:
            rows.append(("  np.* against tapenet.numpy", amounts[PLAIN] / amounts[TAPENET], PLAIN_TARGET))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*SCENARIOS, *memory.TITLES))}")
    parser.add_argument("--tiny", action="store_true", help="small sizes; compares the contenders' answers")
    parser.add_argument("--apart", action="store_true", help="a process for each contender, in turns")
    parser.add_argument("--rounds", type=int, help="turns of each contender, instead of each scenario's own number")
    parser.add_argument("--json", type=Path, help="write what was measured: seconds and bytes")
    parser.add_argument("--chart", type=Path, help="draw all contenders relative to PyTorch (.png, .svg)")
    options = parser.parse_args()
    unknown = set(options.names) - {*SCENARIOS, *memory.TITLES}
    if unknown:
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    results = {}
    for name in options.names or (*SCENARIOS, *memory.TITLES):
        if name in memory.TITLES:
            results[name] = memory.measured(name, tiny=options.tiny)
        else:
            results[name] = timed(name, tiny=options.tiny, rounds=options.rounds, apart=options.apart)
    print(f"{'tapenet / PyTorch (eager)':46} ratio  to reach")
    for title, ratio, target in summary(results):
        print(f"  {title:44} {ratio:5.2f}  {target}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.chart:
        compared = {name: amounts for name, amounts in results.items() if PYTORCH in amounts}
        targets = {title_of(name): target_of(name) for name in compared}
        chart.draw({title_of(name): amounts for name, amounts in compared.items()}, targets, options.chart)


if __name__ == "__main__":
    main()
