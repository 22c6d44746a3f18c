"""A step of Adam over many parameters, in place as PyTorch's.

tapenet reuses the memory of what it is donated; the pure update writes to new arrays. PyTorch's default is followed
by its variants with other loops.

python benchmarks/adam_update.py --parameters 10000000 --arrays 30
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from interleaved import COMPILED, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, compiled, main


def contenders(parameters: int, arrays: int) -> Makers:
    rng = np.random.default_rng(0)
    size = parameters // arrays
    params = [rng.normal(size=size).astype(np.float32) for _ in range(arrays)]
    gradients = [rng.normal(size=size).astype(np.float32) for _ in range(arrays)]
    return {
        TAPENET: partial(with_tapenet, params, gradients, donate=True),
        COMPILED: partial(compiled, partial(with_tapenet, params, gradients, donate=True)),
        PROGRAM: partial(with_compile, params, gradients),
        "tapenet, pure": partial(with_tapenet, params, gradients, donate=False),
        PYTORCH: partial(with_torch, params, gradients),
        "PyTorch, foreach": partial(with_torch, params, gradients, foreach=True),
        "PyTorch, fused": partial(with_torch, params, gradients, fused=True),
    }


def with_tapenet(params: Any, gradients: Any, *, donate: bool) -> Run:
    import tapenet as tn

    optimizer = tn.optim.adam(1e-3)
    params = [p.copy() for p in params]
    state = optimizer.init(params)

    def run() -> Any:
        nonlocal params, state
        params, state = optimizer.update(gradients, state, params, donate=donate)
        return params[0]

    return run


def with_compile(params: Any, gradients: Any) -> Run:
    import tapenet as tn

    optimizer = tn.optim.adam(1e-3)
    params = [p.copy() for p in params]
    state = optimizer.init(params)

    @partial(tn.compile, backend="llvm", donate_argnums=(1, 2))
    def update(gradients: Any, state: Any, params: Any) -> Any:
        return optimizer.update(gradients, state, params)

    def run() -> Any:
        nonlocal params, state
        params, state = update(gradients, state, params)
        return params[0]

    return run


def with_torch(params: Any, gradients: Any, **options: Any) -> Run:
    import torch

    leaves = [torch.from_numpy(p.copy()).requires_grad_() for p in params]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = torch.from_numpy(gradient)
    optimizer: Any = torch.optim.Adam(leaves, 1e-3, **options)

    def run() -> Any:
        optimizer.step()
        return leaves[0]

    return run


SCENARIO = Scenario(
    title="Adam over 10 million parameters",
    contenders=contenders,
    sizes={"parameters": 10_000_000, "arrays": 30},
    tiny={"parameters": 30, "arrays": 3},
    target=0.5,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
