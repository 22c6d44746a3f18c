"""The loss and gradients of an LSTM layer over whole sequences.

python benchmarks/lstm_sequence.py --steps 100 --batch-size 64 --width 256
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from interleaved import PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, main


def contenders(steps: int, batch_size: int, width: int) -> Makers:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch_size, steps, width), np.float32)
    bound = np.float32(width**-0.5)
    shapes = [(width, 4 * width), (width, 4 * width), (4 * width,)]  # of the kernel, the recurrent one and the bias
    params = [bound * rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    return {
        TAPENET: partial(with_tapenet, x, params),
        PROGRAM: partial(with_compile, x, params),
        PYTORCH: partial(with_torch, x, params),
        "JAX (jit)": partial(with_jax, x, params),
    }


def gradients_by_tapenet(x: Any) -> Any:
    import tapenet as tn

    def loss(*params: Any) -> Any:
        y, _ = tn.nn.lstm(x, *params)
        return (y * y).mean()

    return tn.grad(loss, (0, 1, 2))


def with_tapenet(x: Any, params: Any) -> Run:
    gradients_of = gradients_by_tapenet(x)
    return lambda: gradients_of(*params)


def with_compile(x: Any, params: Any) -> Run:
    import tapenet as tn

    gradients_of = tn.compile(gradients_by_tapenet(x), backend="llvm")
    return lambda: gradients_of(*params)


def with_jax(x: Any, params: Any) -> Run:
    import jax
    from jax import numpy as jnp

    steps = jnp.asarray(x.swapaxes(0, 1))

    def loss(kernel: Any, recurrent: Any, bias: Any) -> Any:
        def step(carry: Any, given: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(given + h @ recurrent, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((steps.shape[1], len(recurrent)), steps.dtype)
        _, y = jax.lax.scan(step, (zero, zero), steps @ kernel + bias)
        return (y * y).mean()

    gradients_of = jax.jit(jax.grad(loss, (0, 1, 2)))
    return lambda: jax.block_until_ready(gradients_of(*params))


def with_torch(x: Any, params: Any) -> Run:
    import torch

    kernel, recurrent, bias = params
    layer = torch.nn.LSTM(len(kernel), len(recurrent), batch_first=True)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(kernel.T.copy()))
        layer.weight_hh_l0.copy_(torch.from_numpy(recurrent.T.copy()))
        layer.bias_ih_l0.copy_(torch.from_numpy(bias))
        layer.bias_hh_l0.zero_()
    inputs = torch.from_numpy(x)

    def run() -> Any:
        y, _ = layer(inputs)
        weights = (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0)
        kernel_bar, recurrent_bar, bias_bar = torch.autograd.grad((y * y).mean(), weights)
        return [kernel_bar.T, recurrent_bar.T, bias_bar]

    return run


SCENARIO = Scenario(
    title="LSTM of 100 steps, forward and backward",
    contenders=contenders,
    sizes={"steps": 100, "batch_size": 64, "width": 256},
    tiny={"steps": 3, "batch_size": 2, "width": 4},
    target=0.9,
    rounds=10,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
