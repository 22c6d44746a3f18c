"""A training step of a multilayer perceptron 784-512-512-10 by Adam.

python benchmarks/mlp_step.py --batch-size 128
"""

from __future__ import annotations

from functools import partial
from typing import Any

import networks
import numpy as np
from interleaved import Makers, Run, Scenario, main


def contenders(batch_size: int, inputs: int, width: int) -> Makers:
    layers = networks.perceptron([inputs, width, width, 10])
    data = networks.examples(batch_size, inputs)
    return {
        **networks.contenders(layers, data, trained=True),
        "autograd": partial(with_autograd, networks.parameters(layers), data),
    }


def with_autograd(params: Any, data: tuple[Any, Any]) -> Run:
    import autograd
    import autograd.numpy as anp

    x, labels = data

    def loss_of(params: Any) -> Any:
        h = x
        for i in range(0, len(params), 2):
            h = anp.dot(h, params[i]) + params[i + 1]
            h = anp.maximum(h, 0) if i + 2 < len(params) else h
        shifted = h - anp.max(h, 1, keepdims=True)
        log_p = shifted - anp.log(anp.sum(anp.exp(shifted), 1, keepdims=True))
        return -anp.mean(log_p[anp.arange(len(labels)), labels])

    step = autograd.value_and_grad(loss_of)
    means, squares, count = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params], 0

    def run() -> Any:
        nonlocal count
        loss, gradients = step(params)
        count += 1
        for i, g in enumerate(gradients):
            means[i] = 0.9 * means[i] + 0.1 * g
            squares[i] = 0.999 * squares[i] + 0.001 * g * g
            mean, square = means[i] / (1 - 0.9**count), squares[i] / (1 - 0.999**count)
            params[i] = params[i] - 1e-3 * mean / (np.sqrt(square) + 1e-8)
        return loss

    return run


SCENARIO = Scenario(
    title="MLP training step",
    contenders=contenders,
    sizes={"batch_size": 128, "inputs": 784, "width": 512},
    tiny={"batch_size": 4, "inputs": 8, "width": 8},
    target=0.8,
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
