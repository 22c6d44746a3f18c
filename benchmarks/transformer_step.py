"""A training step of a decoder-only transformer by Adam: 4 layers, width 128, length 128.

python benchmarks/transformer_step.py --batch-size 16
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from interleaved import COMPILED, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, compiled, main

HEADS = 4
SYMBOLS = 64


def contenders(batch_size: int, length: int, width: int, layers: int) -> Makers:
    rng = np.random.default_rng(1)
    symbols = rng.integers(0, SYMBOLS, (batch_size, length + 1))
    positions = rng.standard_normal((length, width), np.float32)
    params = parameters(width, layers)
    ours = partial(with_tapenet, symbols, positions, params, width, layers)
    return {
        TAPENET: ours,
        COMPILED: partial(compiled, ours),
        PROGRAM: partial(with_compile, symbols, positions, params, width, layers),
        PYTORCH: partial(with_torch, symbols, positions, params, layers),
    }


def parameters(width: int, layers: int) -> list[Any]:
    """The table; of each block norm, attention's two dense layers, norm and the mlp's; a norm and a dense layer."""
    rng = np.random.default_rng(0)

    def norm() -> Iterator[Any]:
        yield from (np.ones(width, np.float32), np.zeros(width, np.float32))

    def dense(inputs: int, outputs: int) -> Iterator[Any]:
        yield rng.standard_normal((inputs, outputs), np.float32) * np.float32(inputs**-0.5)
        yield np.zeros(outputs, np.float32)

    def block() -> Iterator[Any]:
        yield from itertools.chain(norm(), dense(width, 3 * width), dense(width, width))
        yield from itertools.chain(norm(), dense(width, 4 * width), dense(4 * width, width))

    parts = itertools.chain.from_iterable(block() for _ in range(layers))
    table = rng.standard_normal((SYMBOLS, width), np.float32)
    return [table, *parts, *norm(), *dense(width, SYMBOLS)]


def model_of(params: Any, width: int, layers: int) -> Any:
    """A tapenet model of these parameters."""
    from tapenet import nn
    from tapenet.core.pytrees import tree_flatten, tree_unflatten

    rng = np.random.default_rng(0)
    blocks = nn.Sequential(*(nn.TransformerBlock(width, HEADS, rng=rng, causal=True) for _ in range(layers)))
    model: Any = (nn.Embedding(SYMBOLS, width, rng=rng), blocks, nn.LayerNorm(width), nn.Dense(width, SYMBOLS, rng=rng))
    return tree_unflatten(tree_flatten(model)[1], [p.copy() for p in params])


def loss_of(model: Any, symbols: Any, positions: Any) -> Any:
    from tapenet import nn

    embedding, blocks, norm, output = model
    x = blocks(embedding(symbols[:, :-1]) + positions)
    return nn.cross_entropy(output(norm(x)), symbols[:, 1:])


def with_tapenet(symbols: Any, positions: Any, params: Any, width: int, layers: int) -> Run:
    import tapenet as tn

    model = model_of(params, width, layers)
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(model)

    def run() -> Any:
        nonlocal model, state
        loss, gradients = tn.value_and_grad(loss_of)(model, symbols, positions)
        model, state = optimizer.update(gradients, state, model, donate=True)
        return loss

    return run


def with_compile(symbols: Any, positions: Any, params: Any, width: int, layers: int) -> Run:
    """The loss, its gradient and the update as one program, as `tn.training.fit(..., compile=True)` takes steps."""
    import tapenet as tn

    model = model_of(params, width, layers)
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(model)

    @partial(tn.compile, backend="llvm", donate_argnums=(0, 1))
    def step(model: Any, state: Any, symbols: Any, positions: Any) -> Any:
        loss, gradients = tn.value_and_grad(loss_of)(model, symbols, positions)
        return loss, *optimizer.update(gradients, state, model)

    def run() -> Any:
        nonlocal model, state
        loss, model, state = step(model, state, symbols, positions)
        return loss

    return run


def with_torch(symbols: Any, positions: Any, params: Any, layers: int) -> Run:
    import torch

    # Kernels as torch.nn.Linear holds them, outputs first.
    arrays = [params[0], *(p.T if p.ndim == 2 else p for p in params[1:])]
    leaves = [torch.from_numpy(np.array(p, order="C")).requires_grad_(True) for p in arrays]
    optimizer: Any = torch.optim.Adam(leaves, 1e-3)
    x, y, added = (torch.from_numpy(np.ascontiguousarray(a)) for a in (symbols[:, :-1], symbols[:, 1:], positions))

    def run() -> Any:
        optimizer.zero_grad()
        logits = torch_logits(leaves, x, added, layers)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def torch_logits(leaves: Any, symbols: Any, positions: Any, layers: int) -> Any:
    from torch.nn import functional

    remaining = iter(leaves)
    x = functional.embedding(symbols, next(remaining)) + positions
    n, length, width = x.shape

    def norm(x: Any) -> Any:
        return functional.layer_norm(x, (width,), next(remaining), next(remaining))

    def dense(x: Any) -> Any:
        return functional.linear(x, next(remaining), next(remaining))

    for _ in range(layers):
        q, k, v = dense(norm(x)).view(n, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + dense(y.transpose(1, 2).reshape(n, length, width))
        x = x + dense(functional.gelu(dense(norm(x))))
    return dense(norm(x))


SCENARIO = Scenario(
    title="Transformer training step",
    contenders=contenders,
    sizes={"batch_size": 16, "length": 128, "width": 128, "layers": 4},
    tiny={"batch_size": 2, "length": 5, "width": 16, "layers": 2},
    target=1.2,
    rounds=10,
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
