"""The same work side by side: in one process, interleaved, the fastest of several rounds, printed as ratios.

Only tapenet's own contenders import tapenet, when they are prepared: a peer in a process of its own does not have it.
Machines are noisy, so an absolute time means little; the fastest of interleaved rounds compares like with like.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

Run = Callable[[], Any]  # does the work once, and returns its answer: one array or a sequence of them
Makers = Mapping[str, Callable[[], Run]]

TURN = 0.05  # seconds

TAPENET, PYTORCH, PLAIN = "tapenet", "PyTorch (eager)", "tapenet, plain numpy"
COMPILED, PROGRAM = "tapenet, compiled", "tapenet, tn.compile"
LIBRARIES = {COMPILED: "numba", PROGRAM: "llvmlite", "PyTorch": "torch", "JAX": "jax"}
LIBRARIES |= {"autograd": "autograd", "MyGrad": "mygrad"}


@attrs.frozen
class Scenario:
    """Work to be done by several contenders.

    Attributes:
        title: what is done, for tables and charts.
        contenders: takes the sizes by name; for each contender a function that prepares it and returns its run.
        sizes: the sizes to report, by name; each is an option of the command line.
        tiny: sizes for keeping the benchmark alive, at which all contenders' answers are compared.
        target: the ratio to PyTorch's time to reach.
        rounds: how often each contender has its turn.
        tolerance: how far answers may be apart, relatively.
    """

    title: str
    contenders: Callable[..., Makers]
    sizes: Mapping[str, Any]
    tiny: Mapping[str, Any]
    target: float | None = None
    rounds: int = 20
    tolerance: float = 1e-3

    def runs(self, only: Sequence[str] = (), **sizes: Any) -> dict[str, Run]:
        """The contenders whose libraries are installed, prepared; with `only` just those."""
        makers = self.contenders(**{**self.sizes, **sizes})
        wanted = [name for name in makers if available(name) and (not only or name in only)]
        return {name: makers[name]() for name in wanted}


# ---- contenders ----


def installed(name: str) -> bool:
    """Whether a peer can be imported."""
    return importlib.util.find_spec(name) is not None


def available(contender: str) -> bool:
    """Whether the library that a contender's name begins with is installed."""
    return all(installed(module) for name, module in LIBRARIES.items() if contender.startswith(name))


def compiled(prepare: Callable[[], Run]) -> Run:
    """A run of tapenet with the loops that Numba compiles."""
    import tapenet as tn

    run = prepare()

    def with_numba() -> Any:
        before = tn.use_backend("numba")
        try:
            return run()
        finally:
            tn.use_backend(before)

    return with_numba


def check_agreement(runs: Mapping[str, Run], tolerance: float, calls: int = 3) -> None:
    """Raise AssertionError unless all contenders give the same answers in their first calls."""
    answers = {name: [as_arrays(run()) for _ in range(calls)] for name, run in runs.items()}
    first, *_ = answers.values()
    for name, given in answers.items():
        for mine, theirs in zip(given, first, strict=True):
            for x, y in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * np.abs(y).max(), err_msg=name)


def as_arrays(answer: Any) -> list[Any]:
    """An answer in any library's arrays as a list of NumPy's, of one dtype."""
    parts = answer if isinstance(answer, list | tuple) else [answer]
    return [np.asarray(part.detach() if hasattr(part, "detach") else part, np.float64) for part in parts]


# ---- times ----


def fastest(runs: Mapping[str, Run], rounds: int, turn: float = TURN) -> dict[str, float]:
    """The fastest call of each contender in seconds, all in this process."""
    return _fastest_of_turns({name: partial(_turn, run, turn) for name, run in runs.items()}, rounds)


def _fastest_of_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    times = [{name: take() for name, take in turns.items()} for _ in range(rounds)]
    return {name: min(found[name] for found in times) for name in turns}


def _turn(run: Run, turn: float = TURN) -> float:
    """The fastest of several calls, at least two and `turn` seconds.

    After a pause: threads of another library keep processors busy for a while, waiting for more. And the first call
    finds that library's data in the caches, and does not count.
    """
    time.sleep(turn)
    run()
    best = float("inf")
    end = time.perf_counter() + turn
    while True:
        start = time.perf_counter()
        run()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def fastest_apart(module: str, scenario: Scenario, sizes: Mapping[str, Any], rounds: int) -> dict[str, float]:
    """As `fastest`, with a process for each contender: none has another's threads, or memory kept by its allocator.

    Args:
        module: declares the scenario.
        sizes: as options of the scenario.
    """
    spawn = multiprocessing.get_context("spawn")
    connections = {}
    for name in filter(available, scenario.contenders(**{**scenario.sizes, **sizes})):
        ours, theirs = spawn.Pipe()
        spawn.Process(target=_take_turns, args=(module, name, dict(sizes), theirs), daemon=True).start()
        connections[name] = ours
    best = _fastest_of_turns({name: partial(_ask, connection) for name, connection in connections.items()}, rounds)
    for connection in connections.values():
        connection.send(False)
    return best


def _ask(connection: Any) -> float:
    connection.send(True)
    found: float = connection.recv()
    return found


def _take_turns(module: str, name: str, sizes: Mapping[str, Any], connection: Any) -> None:
    run = importlib.import_module(module).SCENARIO.runs([name], **sizes)[name]
    while connection.recv():
        connection.send(_turn(run))


def report(title: str, times: Mapping[str, float], *, unit: float = 1e-3, unit_name: str = "ms") -> None:
    """Print the times, and each as a ratio to tapenet's peers: tapenet / peer, lower is better."""
    ours = times[TAPENET]
    print(title)
    print(f"  {'':24}{unit_name:>10}  {'tapenet / it':>12}")
    for name, amount in times.items():
        print(f"  {name:24}{amount / unit:10.3f}  {ours / amount:12.3f}", flush=True)


# ---- the command line of one scenario ----


def main(scenario: Scenario, description: str | None) -> None:
    """Time a scenario as the options say, and print it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in scenario.sizes.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(size), default=size)
    parser.add_argument("--rounds", type=int, default=scenario.rounds)
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="contenders, by their names")
    options = vars(parser.parse_args())
    rounds, only = options.pop("rounds"), options.pop("only")
    times = fastest(scenario.runs([TAPENET, *only] if only else (), **options), rounds)
    sizes = ", ".join(f"{name} {size}" for name, size in options.items())
    report(f"{scenario.title} ({sizes})", times)
