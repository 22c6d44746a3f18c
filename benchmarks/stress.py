"""Put tapenet under load, and count what goes wrong: threads, forks, interrupts, limits of BLAS, memory.

python benchmarks/stress.py                 # a few seconds for each
python benchmarks/stress.py --minutes 2     # two minutes for each

Each attack is a process of its own, which is ended as hung when it takes a minute longer than it should.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

import tapenet as tn

SECONDS, GRACE = 3.0, 60.0

rng = np.random.default_rng(0)
IMAGES = rng.random((16, 32, 32, 16), np.float32)
KERNEL = rng.random((3, 3, 16, 32), np.float32)


def gradient(images: np.ndarray = IMAGES) -> np.ndarray:
    return tn.grad(lambda kernel: tn.nn.relu(tn.nn.conv(images, kernel)).sum())(KERNEL)


def in_background(work: Callable[[], object], stop: threading.Event) -> threading.Thread:
    def repeat() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    return thread


def threads(until: float, seen: Counter[str]) -> None:
    """Gradients in eight threads at once are those of one, bit for bit."""
    expected, lock = gradient(), threading.Lock()

    def work() -> None:
        while time.monotonic() < until:
            same = np.array_equal(gradient(), expected)
            with lock:
                seen["right" if same else "wrong"] += 1

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def forks(until: float, seen: Counter[str]) -> None:
    """A child that is forked while another thread is inside of a kernel computes the same gradient."""
    expected, stop = gradient(), threading.Event()
    thread = in_background(gradient, stop)
    while time.monotonic() < until:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(not np.array_equal(gradient(), expected))
        status = os.waitpid(child, 0)[1]
        seen["right" if status == 0 else "hung" if os.WIFSIGNALED(status) else "wrong"] += 1
    stop.set()
    thread.join()


def interrupts(until: float, seen: Counter[str]) -> None:
    """After an interrupt nothing is written to parameters that were given away, and the next call is right."""
    parameter = np.zeros(3_000_000, np.float32)
    ones, optimizer, expected = np.ones_like(parameter), tn.optim.sgd(1.0), gradient()
    state = optimizer.init(parameter)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    while time.monotonic() < until:
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 5e-3))
            for _ in range(1000):
                optimizer.update(ones, state, parameter, donate=True)
                gradient()
            seen["lost"] += 1
        except KeyboardInterrupt:
            seen["interrupted"] += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        found = parameter.copy()
        seen["wrong"] += not np.array_equal(gradient(), expected)
        seen["written later"] += not np.array_equal(parameter, found)


def limits(until: float, seen: Counter[str]) -> None:
    """Limits of BLAS's threads that the user sets while another thread computes stay as they are."""
    import threadpoolctl

    blas, stop = threadpoolctl.ThreadpoolController(), threading.Event()
    thread = in_background(gradient, stop)
    while time.monotonic() < until:
        for limit in (1, 2):
            with blas.limit(limits=limit):
                numbers = {library.get_num_threads() for _ in range(50) for library in blas.lib_controllers}
            seen["kept" if numbers <= {limit} else "changed"] += 1
    stop.set()
    thread.join()


def memory(until: float, seen: Counter[str]) -> None:
    """Threads that make and drop large arrays of many sizes never share a block."""

    def work(mark: int) -> None:
        sizes = random.Random(mark)
        while time.monotonic() < until:
            x = tn.nn.relu(np.full(sizes.randrange(2**16, 2**20), mark, np.float32))
            seen["right" if np.all(x == mark) else "wrong"] += 1
            if sizes.random() < 0.02:
                tn.empty_cache()

    workers = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


ATTACKS = {attack.__name__: attack for attack in (threads, forks, interrupts, limits, memory)}
GOOD = {"right", "interrupted", "kept"}


def attack_alone(name: str, seconds: float) -> dict[str, int]:
    """What an attack counts, in a process of its own."""
    command = [sys.executable, __file__, name, "--alone", "--minutes", str(seconds / 60)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE, check=False)
    except subprocess.TimeoutExpired:
        return {"hung": 1}
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return {"crashed": 1}
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ATTACKS)}")
    parser.add_argument("--minutes", type=float, default=SECONDS / 60, help="for each attack")
    parser.add_argument("--alone", action="store_true", help="in this process, for a single one")
    options = parser.parse_args()
    names = options.names or list(ATTACKS)
    if options.alone:
        seen: Counter[str] = Counter()
        ATTACKS[names[0]](time.monotonic() + 60 * options.minutes, seen)
        print(json.dumps(seen))
        return
    failed = False
    for name in names:
        counts = attack_alone(name, 60 * options.minutes)
        print(f"{name:12}", ", ".join(f"{what}: {count}" for what, count in counts.items()), flush=True)
        failed |= any(count for what, count in counts.items() if what not in GOOD)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
