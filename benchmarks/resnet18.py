"""A training step of ResNet18 by Adam, on images of 32x32.

python benchmarks/resnet18.py --batch-size 16
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import networks
import numpy as np
from interleaved import COMPILED, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, compiled, main

STAGES = 4
CLASSES = 10


def contenders(batch_size: int, image_size: int, width: int) -> Makers:
    data = networks.examples(batch_size, image_size, image_size, 3)
    params = parameters(width)
    return {
        TAPENET: partial(with_tapenet, data, params, width),
        COMPILED: partial(compiled, partial(with_tapenet, data, params, width)),
        PROGRAM: partial(with_compile, data, params, width),
        PYTORCH: partial(with_torch, data, params, channels_last=False),
        "PyTorch, channels last": partial(with_torch, data, params, channels_last=True),
    }


def blocks(width: int) -> Iterator[tuple[int, int, int]]:
    """Yield of each block the channels that it is given and gives, and its stride."""
    inputs = width
    for stage in range(STAGES):
        for i in range(2):
            outputs = width * 2**stage
            yield inputs, outputs, 2 if stage and not i else 1
            inputs = outputs


def parameters(width: int) -> list[Any]:
    """Kernels, scales and offsets in the order of tapenet's model: of a block those inside, then the shortcut's."""
    rng = np.random.default_rng(0)
    arrays: list[Any] = []

    def add(*shape: int) -> None:
        arrays.append(rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[:-1]))))
        arrays.extend([np.ones(shape[-1], np.float32), np.zeros(shape[-1], np.float32)])

    add(3, 3, 3, width)
    for inputs, outputs, stride in blocks(width):
        add(3, 3, inputs, outputs)
        add(3, 3, outputs, outputs)
        if stride > 1 or inputs != outputs:
            add(1, 1, inputs, outputs)
    add(width * 2 ** (STAGES - 1), CLASSES)
    del arrays[-2]  # a dense layer has no scale
    return arrays


def model_of(params: Any, width: int) -> Any:
    """A tapenet model of these parameters."""
    import tapenet as tn
    from tapenet.core.pytrees import tree_flatten, tree_unflatten

    model = tn.models.ResNet(18, CLASSES, rng=np.random.default_rng(0), stem="cifar", width=width)
    return tree_unflatten(tree_flatten(model)[1], [p.copy() for p in params])


def loss_of(model: Any, images: Any, labels: Any, rng: Any) -> tuple[Any, Any]:
    import tapenet as tn

    logits, model = model.train(images, rng)
    return tn.nn.cross_entropy(logits, labels), model


def with_tapenet(data: Any, params: Any, width: int) -> Run:
    import tapenet as tn

    model, rng = model_of(params, width), np.random.default_rng(0)
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(model)

    def run() -> Any:
        nonlocal model, state
        (loss, trained), gradients = tn.value_and_grad(loss_of, has_aux=True)(model, *data, rng)
        model, state = optimizer.update(gradients, state, trained, donate=True)
        return loss

    return run


def with_compile(data: Any, params: Any, width: int) -> Run:
    """The loss, its gradient and the update as one program, as `tn.training.fit(..., compile=True)` takes steps."""
    import tapenet as tn

    model, rng = model_of(params, width), np.random.default_rng(0)
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(model)

    @partial(tn.compile, backend="llvm", donate_argnums=(0, 1))
    def step(model: Any, state: Any, images: Any, labels: Any, rng: Any) -> Any:
        (loss, trained), gradients = tn.value_and_grad(loss_of, has_aux=True)(model, images, labels, rng)
        return loss, *optimizer.update(gradients, state, trained)

    def run() -> Any:
        nonlocal model, state
        loss, model, state = step(model, state, *data, rng)
        return loss

    return run


def with_torch(data: Any, params: Any, *, channels_last: bool) -> Run:
    import torch

    order = {"memory_format": torch.channels_last if channels_last else torch.contiguous_format}
    images, labels = (torch.from_numpy(a) for a in data)
    x = images.permute(0, 3, 1, 2).contiguous(**order)
    leaves: list[Any] = []
    for p in params:
        t = torch.from_numpy(p.copy())
        t = t.permute(3, 2, 0, 1).contiguous(**order) if t.ndim == 4 else t
        leaves.append(t.requires_grad_(True))
    running = [(torch.zeros(len(p)), torch.ones(len(p))) for p in leaves[1:-2:3]]
    optimizer: Any = torch.optim.Adam(leaves, 1e-3)

    def run() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(torch_logits(leaves, running, x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def torch_logits(leaves: Any, running: Any, x: Any) -> Any:
    from torch.nn import functional

    remaining, statistics = iter(leaves), iter(running)

    def conv(x: Any, stride: int = 1) -> Any:
        kernel, scale, offset = next(remaining), next(remaining), next(remaining)
        y = functional.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
        return functional.batch_norm(y, *next(statistics), scale, offset, training=True)

    x = functional.relu(conv(x))
    width = x.shape[1]
    for inputs, outputs, stride in blocks(width):
        y = conv(functional.relu(conv(x, stride)))
        x = functional.relu((conv(x, stride) if stride > 1 or inputs != outputs else x) + y)
    return x.mean((2, 3)) @ next(remaining) + next(remaining)


SCENARIO = Scenario(
    title="ResNet18 training step, 32x32",
    contenders=contenders,
    sizes={"batch_size": 16, "image_size": 32, "width": 64},
    tiny={"batch_size": 4, "image_size": 16, "width": 2},
    target=1.15,
    rounds=10,
    tolerance=2e-2,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
