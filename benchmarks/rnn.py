"""Backpropagation through time: the loss and gradients of a tanh RNN.

python benchmarks/rnn.py --steps 50 --batch-size 16 --width 64
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from interleaved import PLAIN, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, main

Loss = Callable[..., Any]


def loss_of(np_: Any, xs: Any) -> Loss:
    """A function of a namespace's (w, u, b): the mean square of the last state, h = tanh(h w + x u + b)."""

    def loss(w: Any, u: Any, b: Any) -> Any:
        h = xs[0] @ u
        for x in xs:
            h = np_.tanh(h @ w + x @ u + b)
        return (h * h).mean()

    return loss


def contenders(steps: int, batch_size: int, width: int) -> Makers:
    rng = np.random.default_rng(0)
    xs = list(rng.normal(size=(steps, batch_size, width)).astype(np.float32))
    scale = np.float32(width**-0.5)
    params = [rng.normal(size=(width, width)).astype(np.float32) * scale for _ in range(2)]
    params.append(np.zeros(width, np.float32))
    return {
        TAPENET: partial(with_tapenet, "tapenet.numpy", xs, params),
        PLAIN: partial(with_tapenet, "numpy", xs, params),
        PROGRAM: partial(with_compile, xs, params),
        PYTORCH: partial(with_torch, xs, params),
        "JAX (jit)": partial(with_jax, xs, params),
        "autograd": partial(with_autograd, xs, params),
        "MyGrad": partial(with_mygrad, xs, params),
    }


def with_tapenet(namespace: str, xs: Any, params: Any) -> Run:
    import tapenet as tn

    gradients_of = tn.grad(loss_of(importlib.import_module(namespace), xs), (0, 1, 2))
    return lambda: gradients_of(*params)


def with_compile(xs: Any, params: Any) -> Run:
    import tapenet as tn
    import tapenet.numpy as tnp

    gradients_of = tn.compile(tn.grad(loss_of(tnp, xs), (0, 1, 2)), backend="llvm")
    return lambda: gradients_of(*params)


def with_torch(xs: Any, params: Any) -> Run:
    import torch

    loss = loss_of(torch, [torch.from_numpy(x) for x in xs])
    leaves = [torch.from_numpy(p).requires_grad_() for p in params]
    return lambda: torch.autograd.grad(loss(*leaves), leaves)


def with_jax(xs: Any, params: Any) -> Run:
    import jax

    def loss(w: Any, u: Any, b: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return jax.numpy.tanh(h @ w + x @ u + b), None

        h, _ = jax.lax.scan(step, xs[0] @ u, np.stack(xs))
        return (h * h).mean()

    compiled = jax.jit(jax.grad(loss, (0, 1, 2)))
    return lambda: jax.block_until_ready(compiled(*params))


def with_autograd(xs: Any, params: Any) -> Run:
    import autograd
    import autograd.numpy as anp

    loss = loss_of(anp, xs)
    gradients_of = autograd.grad(lambda params: anp.mean(loss(*params)))
    return lambda: gradients_of(params)


def with_mygrad(xs: Any, params: Any) -> Run:
    import mygrad

    def run() -> Any:
        leaves = [mygrad.tensor(p) for p in params]
        loss_of(mygrad, xs)(*leaves).backward()
        return [leaf.grad for leaf in leaves]

    return run


SCENARIO = Scenario(
    title="RNN, forward and backward",
    contenders=contenders,
    sizes={"steps": 50, "batch_size": 16, "width": 64},
    tiny={"steps": 3, "batch_size": 2, "width": 4},
    target=0.7,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
