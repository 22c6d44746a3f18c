"""What bounds the training steps of the MLP and of LeNet: their products and convolutions alone, and Adam's step alone.

And what bounds Adam over 10 million parameters: the same seven streams, four that are read and three that are written,
with one addition for each. Contenders have their turns in one run, as memory is not equally fast at all times.

Each piece of a training step is timed by itself with tapenet's kernels, on as many threads as the step has, beside the
compiled step. For the products BLAS's own time with its own threads, and for all the billions of operations or bytes in
a second, are printed.

    python benchmarks/roofline.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import adam_update
import networks
import numpy as np
from interleaved import PROGRAM, PYTORCH, TAPENET, fastest

import tapenet as tn
from tapenet.kernels import updates
from tapenet.kernels.convolution import convolve, convolve_input, convolve_kernel
from tapenet.kernels.formulas import Formula
from tapenet.kernels.products import matmul
from tapenet.kernels.rows import rows_of

GEOMETRY = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}

Piece = tuple[str, int, Callable[[], Any], Callable[[], Any] | None]  # its multiplications, ours, and BLAS's


def best(work: Callable[[], Any], rounds: int) -> float:
    """The fastest of some calls, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def dense_pieces(x: Any, kernel: Any, is_first: bool) -> list[Piece]:
    """The products of a dense layer: forward, for its weights, and for its inputs."""
    t = np.ones((len(x), kernel.shape[1]), np.float32)
    pairs = [("forward", x, kernel), ("weights", x.T, t), *([] if is_first else [("inputs", t, kernel.T)])]
    name = f"dense {kernel.shape[0]} to {kernel.shape[1]}"
    work = x.size * kernel.shape[1]
    return [(f"{name}, {what}", work, partial(matmul, a, b), partial(np.matmul, a, b)) for what, a, b in pairs]


def conv_pieces(x: Any, kernel: Any, is_first: bool) -> list[Piece]:
    """The three kernels of a convolution."""
    t = convolve(x, kernel, **GEOMETRY)
    name = f"conv {kernel.shape[0]}x{kernel.shape[1]}x{kernel.shape[2]} to {kernel.shape[3]}"
    ways = [
        ("forward", partial(convolve, x, kernel, **GEOMETRY)),
        ("weights", partial(convolve_kernel, x, t, kernel_size=kernel.shape[:2], **GEOMETRY)),
        ("inputs", partial(convolve_input, t, kernel, input_size=x.shape[1:3], **GEOMETRY)),
    ]
    work = t.size * kernel[..., 0].size
    return [(f"{name}, {what}", work, way, None) for what, way in ways[: 2 if is_first else 3]]


def pieces_of(layers: networks.Layers, x: Any) -> list[Piece]:
    """The products and convolutions of a training step."""
    found: list[Piece] = []
    kernels = iter(networks.parameters(layers)[::2])
    for kind, *_ in layers:
        if kind == "pool":
            x = tn.nn.max_pool(x, 2)
        elif kind in ("conv", "dense"):
            kernel = next(kernels)
            x = x.reshape(len(x), -1) if kind == "dense" else x
            found += (dense_pieces if kind == "dense" else conv_pieces)(x, kernel, not found)
            x = x @ kernel if kind == "dense" else convolve(x, kernel, **GEOMETRY)
    return found


def adam_step(layers: networks.Layers) -> tuple[int, Callable[[], Any]]:
    """The bytes that a step of Adam on a network's parameters moves, and the step."""
    params = networks.parameters(layers)
    optimizer = tn.optim.adam(1e-3)
    gradients = [np.ones_like(p) for p in params]
    params, state = optimizer.update(gradients, optimizer.init(params), params)

    def work() -> None:
        nonlocal params, state
        params, state = optimizer.update(gradients, state, params, donate=True)

    return 7 * sum(p.nbytes for p in params), work


def show(title: str, layers: networks.Layers, data: tuple[Any, Any], rounds: int) -> None:
    step = networks.contenders(layers, data, trained=True)[PROGRAM]()
    for _ in range(4):
        step()
    whole = best(step, rounds)
    print(f"{title}: the compiled step takes {whole * 1e3:.2f} ms on {tn.num_threads()} threads")
    total = 0.0
    for name, work, ours, blas in pieces_of(layers, data[0]):
        seconds = best(ours, rounds)
        total += seconds
        peer = "" if blas is None else f"   BLAS {best(blas, rounds) * 1e3:7.3f} ms"
        print(f"  {name:32} {seconds * 1e3:7.3f} ms {2e-9 * work / seconds:7.0f} GFLOP/s{peer}")
    size, adam = adam_step(layers)
    seconds = best(adam, rounds)
    print(f"  {'Adam':32} {seconds * 1e3:7.3f} ms {1e-9 * size / seconds:7.0f} GB/s")
    print(f"  {'all of these':32} {(total + seconds) * 1e3:7.3f} ms, {(total + seconds) / whole:.2f} of the step")


STREAMS = "seven streams alone"
ADDITIONS = Formula(4, (("add", (0, 1)), ("add", (2, 1)), ("add", (3, 1))), (4, 5, 6))


def streams(parameters: int, arrays: int) -> Callable[[], Any]:
    """What reads and writes the memory of a step of Adam, with an addition for each array that is written."""
    made = [np.ones(parameters // arrays, np.float32) for _ in range(4 * arrays)]  # zeros may share one page
    rows = rows_of(tuple(made), 4)
    code = None if rows is None else updates.code_for(ADDITIONS, rows.dtype, rows.total)
    if rows is None or code is None:
        raise SystemExit("roofline.py: the streams are read and written by code that llvmlite compiles; install it.")
    return partial(updates.update_rows, code, rows, None, ())


def show_streams(rounds: int) -> None:
    """Print the time of Adam's step on many parameters beside that of the memory that it moves."""
    scenario = adam_update.SCENARIO
    runs = scenario.runs([TAPENET, PROGRAM, PYTORCH, "PyTorch, fused"])
    times = fastest({STREAMS: streams(**scenario.sizes), **runs}, rounds)
    size = 7 * 4 * scenario.sizes["parameters"]
    print(f"{scenario.title}, on {tn.num_threads()} threads")
    for name, seconds in times.items():
        print(f"  {name:32} {seconds * 1e3:7.3f} ms {1e-9 * size / seconds:7.0f} GB/s", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args(arguments).rounds
    show("MLP", networks.perceptron([784, 512, 512, 10]), networks.examples(128, 784), rounds)
    show("LeNet", networks.lenet(28, 0.5), networks.examples(64, 28, 28, 1), rounds)
    show_streams(max(1, rounds // 4))


if __name__ == "__main__":
    main()
