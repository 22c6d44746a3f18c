"""A user's program, for type checkers and to be run: what is inferred is what a user would write down."""

from __future__ import annotations

import tempfile
from typing import Any, assert_type

import attrs
import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from tapenet import nn, optim

Array = np.ndarray[Any, np.dtype[Any]]
Vector = np.ndarray[tuple[int], np.dtype[np.float64]]


# ---- functions annotated with ndarray take arrays and Tensors ----


def energy(x: Array, scale: float = 1.0) -> Array:
    return tnp.sum(tnp.sin(x) * x) * scale


def on_a_tape(start: Array) -> Array:
    with tn.GradientTape() as tape:
        x = tape.watch(start)
        assert_type(x, tn.Tensor)
        y = tnp.sum(tnp.square(x) * x)
        assert_type(y, tn.Tensor)
        z = energy(tnp.exp(x).reshape(-1)) + x[0] * x.mean()
        assert_type(x.at[0].add(1.0), tn.Tensor)
        shifted = tnp.sum(x.at[0].set(1.0) * x)
    assert_type(tape.gradient(y, x), Array)
    assert_type(tape.gradient(y, x, unconnected="none"), Array | None)
    assert_type(tape.jacobian(y, x), Array)
    assert_type(tape.jvp(y, x, start), Array)
    gradient: np.ndarray[Any, Any] = tape.gradient(z, x)
    return gradient + tape.gradient(shifted, x)


def by_several(a: float, b: Array) -> None:
    with tn.GradientTape() as tape:
        x, y = tape.watch(a), tape.watch(b)
        parameters = tape.watch({"scale": b, "shift": b})
        z = tnp.sum(x * y) + tnp.sum(parameters["scale"] * 2.0 + parameters["shift"])
    assert_type(x, tn.Tensor)
    assert_type(tape.gradient(z, (x, y)), tuple[Array, Array])
    assert_type(tape.gradient(z, parameters), dict[str, Array])


def arrays(x: Array, matrix: Array) -> None:
    assert_type(tnp.sin(x), Array)
    assert_type(tnp.maximum(x, 0.0), Array)
    assert_type(tnp.where(x > 0, x, 0.0), Array)
    assert_type(tnp.stack([x, x]), Array)
    assert_type(tnp.linalg.solve(matrix, x), Array)
    assert_type(tnp.linalg.eigh(matrix).eigenvalues, Array)
    assert_type(tnp.fft.fft(x), Array)
    assert_type(tnp.pi, float)
    assert_type(tnp.linalg.slogdet(matrix).logabsdet, Array)


# ---- transforms ----


def line(x: Array, slope: float, *, offset: float = 0.0) -> Array:
    return tnp.sum(x * slope + offset)


def with_count(x: Array) -> tuple[Array, int]:
    return tnp.sum(x), x.size


def transforms(x: Vector, matrix: Array) -> None:
    gradient = tn.grad(line)(x, slope=2.0, offset=1.0)
    assert_type(gradient, Vector)
    annotated: np.ndarray[Any, Any] = tn.grad(tnp.sum)(x)
    assert_type(tn.grad(lambda t: t * t)(2.0), np.float64)
    assert_type(tn.grad(line, 1)(x, 2.0), np.float64)
    assert_type(tn.grad(line, (0, 1))(x, 2.0), tuple[Vector, float])
    assert_type(tn.grad(with_count, has_aux=True)(x), tuple[Vector, int])
    assert_type(tn.grad(tn.grad(tnp.exp))(1.0), np.float64)
    assert_type(tn.value_and_grad(line)(x, 2.0), tuple[Array, Vector])
    assert_type(tn.value_and_grad(with_count, has_aux=True)(x), tuple[tuple[Array, int], Vector])
    assert_type(tn.grad(line)(matrix, 2.0), Array)
    assert_type(tn.elementwise_grad(tnp.sin)(x), Vector)
    assert_type(tn.jacobian(energy)(x, scale=2.0), Array)
    assert_type(tn.jacobian(line)(matrix, 2.0), Array)
    assert_type(tn.hessian(energy)(matrix), Array)
    assert_type(tn.vmap(energy)(annotated.reshape(1, -1)), Array)
    assert_type(tn.vmap(tn.grad(energy))(x.reshape(1, -1)).ndim, int)
    assert_type(tn.checkpoint(line)(x, slope=1.0), Array)
    assert_type(tn.stop_gradient(x), Vector)
    assert_type(tn.jvp(energy, (x,), (x,)), tuple[Array, Array])
    y, pullback = tn.vjp(energy, x)
    assert_type(y, Array)
    assert_type(pullback(1.0), tuple[Vector])
    y, push = tn.linearize(energy, x)
    assert_type(push(x), Array)


# ---- rules of one's own ----


def rules(x: Array) -> None:
    def forward(x: Array) -> tuple[Array, Array]:
        return tnp.sum(x * x), x

    def backward(kept: Array, y_bar: Array) -> tuple[Array]:
        return (2.0 * kept * y_bar,)

    square = tn.custom_vjp(sum_of_squares, forward, backward)
    assert_type(square(x), Array)
    assert_type(tn.grad(square)(x), Array)
    assert_type(tn.root(lambda y: y * y - 2.0, np.ones(())).ndim, int)


def sum_of_squares(x: Array) -> Array:
    return tnp.sum(x * x)


# ---- a network ----


@attrs.frozen
class Network:
    hidden: nn.Dense
    output: nn.Dense

    def __call__(self, x: Array) -> Array:
        return self.output(nn.tanh(nn.relu(self.hidden(x))))


def loss(network: Network, x: Array, labels: Array) -> Array:
    return nn.cross_entropy(network(x), labels)


def train(steps: int = 3) -> Network:
    rng = np.random.default_rng(0)
    network = Network(nn.Dense(4, 8, rng=rng), nn.Dense(8, 3, rng=rng))
    images, labels = rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16)
    optimizer = optim.adam(1e-2)
    state = optimizer.init(network)
    step = tn.value_and_grad(loss)
    for _ in range(steps):
        value, gradient = step(network, images, labels=labels)
        assert_type(value, Array)
        assert_type(gradient, Network)
        network, state = optimizer.update(gradient, state, network)
    assert_type(network, Network)
    return network


def fitted(network: Network) -> Network:
    def batch_loss(network: Network, x: Array, labels: Array, rng: np.random.Generator) -> tuple[Any, Network]:
        return loss(network, x, labels), network

    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16)
    clipped = optim.chain(optim.clip_by_global_norm(1.0), optim.adamw(optim.one_cycle(1e-2, 20)))
    assert_type(clipped, optim.Optimizer)
    assert_type(optim.chain(optim.scale(0.5), optim.ema(0.9)), optim.Part)
    network, _, history = tn.training.fit(
        network, batch_loss, clipped, tn.data.batches(arrays, 8), epochs=2, rng=rng, metrics={}, validation=None
    )
    assert_type(network, Network)
    assert_type(history, tn.training.History)
    step = tn.training.make_step(batch_loss, clipped)
    network, _, value = step(network, clipped.init(network), arrays, rng)
    assert_type(value, float)
    return network


def kept(network: Network) -> Network:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/network.safetensors"
        tn.save(path, network, metadata={"note": "trained"})
        assert_type(tn.load(path), dict[str, Any])
        assert_type(tn.load(path, like=network), Network)
        layer = tn.load(path, like=network, strict=False, mmap=True).hidden
    assert_type(layer.replace(bias=None), nn.Dense)
    assert_type(tn.tree.paths(network), list[str])
    assert_type(tn.tree.size(network), int)
    return tn.tree.replace(network, "hidden.bias", None)


def main() -> None:
    x = np.array([0.5, 1.0, 2.0])
    on_a_tape(x)
    by_several(2.0, x)
    arrays(x, np.eye(3))
    transforms(x, np.eye(3))
    rules(x)
    kept(fitted(train()))


if __name__ == "__main__":
    main()
