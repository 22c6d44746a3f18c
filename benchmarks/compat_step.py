"""Time a training step of a `compat` graph beside the same network's written with tapenet directly.

Both train the same network on the same numbers, each with its own Adam, interleaved in one process; the fastest round
counts. A ratio above 1 says that the graph is slower. "gradients" is a step without the optimizer: there the graph of
images (N, C, H, W) does the same work as the function of images (N, H, W, C), and what it may copy to transpose shows.

    python benchmarks/compat_step.py
    python benchmarks/compat_step.py --network dense --batch 1000 --rounds 100 --dtype float64
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from interleaved import fastest

import compat
import tapenet as tn

Step = Callable[[], Any]
Layers = list[tuple[str, tuple[int, ...]]]  # ("conv", kernel), ("pool", window), ("flatten", ()), ("dense", kernel)

NETWORKS: dict[str, tuple[tuple[int, ...], Layers]] = {
    "lenet": (
        (1, 28, 28),
        [
            ("conv", (5, 5, 1, 32)),
            ("pool", (2, 2)),
            ("conv", (5, 5, 32, 64)),
            ("pool", (2, 2)),
            ("flatten", ()),
            ("dense", (7 * 7 * 64, 256)),
            ("dense", (256, 10)),
        ],
    ),
    "vgg": (
        (3, 32, 32),
        [
            ("conv", (3, 3, 3, 32)),
            ("conv", (3, 3, 32, 32)),
            ("pool", (2, 2)),
            ("conv", (3, 3, 32, 64)),
            ("conv", (3, 3, 64, 64)),
            ("pool", (2, 2)),
            ("flatten", ()),
            ("dense", (8 * 8 * 64, 256)),
            ("dense", (256, 10)),
        ],
    ),
    "dense": ((50,), [("dense", (50, 30)), ("dense", (30, 10))]),
}


def graph_steps(layers: Layers, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[Step, Step]:
    """Gradients, and a whole step, of the graph. Every layer with weights but the last is followed by a relu."""
    graph = compat.Graph()
    graph.add_loss(compat.Loss(compat.Softmax()))
    graph.add_optimizer(compat.AdamOptimizer())
    node: Any = compat.Placeholder()
    remaining = iter(weights)
    operations = {"conv": compat.Conv2d, "dense": compat.Dot, "flatten": compat.Flatten}
    for i, (kind, shape) in enumerate(layers):
        if kind == "pool":
            node = compat.Op(compat.MaxPooling(*shape), node)
        elif kind == "flatten":
            node = compat.Op(compat.Flatten(), node)
        else:
            bias = np.zeros((shape[-1], 1), x.dtype)
            pair = [compat.Variable(next(remaining), 1e-3), compat.Variable(bias, 1e-3)]
            graph.add_vars(pair)
            node = compat.Op(operations[kind](), node, pair)
            if i < len(layers) - 1:
                graph.add_op(node)
                node = compat.Layer(compat.ReluActivator(), node)
        graph.add_op(node)
    images = compat.Variable(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    labels = compat.Variable(y)

    def gradients() -> None:
        graph.forward(images)
        graph.calc_loss(labels)
        graph.backward()

    def step() -> None:
        gradients()
        graph.update()

    return gradients, step


def direct_steps(layers: Layers, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[Step, Step]:
    """The same with tapenet; images (N, H, W, C)."""
    params = [(weight, np.zeros(weight.shape[-1], x.dtype)) for weight in weights]
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(params)

    def loss(params: Any) -> Any:
        remaining = iter(params)
        h: Any = x
        for i, (kind, shape) in enumerate(layers):
            if kind == "pool":
                h = tn.nn.max_pool(h, shape)
            elif kind == "flatten":
                h = h.reshape(h.shape[0], -1)
            elif kind == "conv":
                h = tn.nn.relu(tn.nn.conv(h, *next(remaining), padding=shape[0] // 2))
            else:
                h = tn.nn.dense(h, *next(remaining))
                h = tn.nn.relu(h) if i < len(layers) - 1 else h
        return tn.nn.cross_entropy(h, y, reduction="sum")

    gradients_of = tn.value_and_grad(loss)

    def gradients() -> Any:
        return gradients_of(params)

    def step() -> None:
        nonlocal params, state
        params, state = optimizer.update(gradients()[1], state, params)

    return gradients, step


def main() -> None:
    """Print, for each network, the times and their ratio."""
    parser = argparse.ArgumentParser(description="Time compat's training step beside tapenet's own.")
    parser.add_argument("--network", choices=[*NETWORKS, "all"], default="all")
    parser.add_argument("--batch", type=int, default=64, help="examples in a step (%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="steps of each (%(default)s)")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options = parser.parse_args()
    print(f"{'':18} {'compat':>10} {'tapenet':>10} {'ratio':>6}   (batch {options.batch}, {options.dtype})")
    for name in NETWORKS if options.network == "all" else [options.network]:
        shape, layers = NETWORKS[name]
        rng = np.random.default_rng(0)
        x = rng.normal(size=(options.batch, *shape[1:], shape[0])).astype(options.dtype)
        y = np.eye(10, dtype=options.dtype)[rng.integers(10, size=options.batch)]
        weights = [tn.nn.init.he_normal(rng, s, options.dtype) for kind, s in layers if kind in ("conv", "dense")]
        sides = [make(layers, list(weights), x, y) for make in (graph_steps, direct_steps)]
        for part, graph, direct in zip(("gradients", "step"), *sides, strict=True):
            times = fastest({"compat": graph, "tapenet": direct}, options.rounds)
            ours, theirs = times["compat"], times["tapenet"]
            print(f"{name:7} {part:10} {ours * 1e3:8.2f}ms {theirs * 1e3:8.2f}ms {ours / theirs:6.3f}", flush=True)


if __name__ == "__main__":
    main()
