"""Networks for images and for vectors, as lists of layers, evaluated by each library in its own best manner.

A layer is ("conv", window, inputs, outputs, padding), ("pool",), ("dense", inputs, outputs) or ("dropout", rate).
Every conv, and every dense layer but the last, is followed by a relu; the loss is the mean cross-entropy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from interleaved import COMPILED, PROGRAM, PYTORCH, TAPENET, Makers, Run, compiled

Layers = Sequence[tuple[Any, ...]]


def lenet(image_size: int, dropout: float) -> Layers:
    """LeNet with 5x5x32, 5x5x64 and 1024 features, for images of one channel."""
    pooled = ((image_size - 4) // 2 - 4) // 2
    return [
        ("conv", 5, 1, 32, 0),
        ("pool",),
        ("conv", 5, 32, 64, 0),
        ("pool",),
        ("dense", 64 * pooled * pooled, 1024),
        ("dropout", dropout),
        ("dense", 1024, 10),
    ]


def vgg16(image_size: int, width: int) -> Layers:
    """VGG16: thirteen 3x3 convolutions from `width` to 8 `width` channels, and three dense layers."""
    layers: list[tuple[Any, ...]] = []
    channels = 3
    for multiple, count in ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)):
        for _ in range(count):
            layers.append(("conv", 3, channels, width * multiple, 1))
            channels = width * multiple
        layers.append(("pool",))
    features, hidden = channels * (image_size // 32) ** 2, 64 * width
    return [*layers, ("dense", features, hidden), ("dense", hidden, hidden), ("dense", hidden, 10)]


def perceptron(widths: Sequence[int]) -> Layers:
    """Dense layers from width to width."""
    return [("dense", *pair) for pair in itertools.pairwise(widths)]


def parameters(layers: Layers) -> list[Any]:
    """Kernels and biases in turn, float32, the same ones at each call; kernels (kh, kw, inputs, outputs)."""
    rng = np.random.default_rng(0)
    arrays: list[Any] = []
    for kind, *sizes in layers:
        if kind in ("conv", "dense"):
            shape = (sizes[0], sizes[0], *sizes[1:3]) if kind == "conv" else tuple(sizes)
            # He's normal initializer: tapenet's would bring tapenet into its peers' processes.
            deviation = np.float32(math.sqrt(2 / math.prod(shape[:-1])))
            arrays += [rng.standard_normal(shape, np.float32) * deviation, np.zeros(shape[-1], np.float32)]
    return arrays


def examples(batch_size: int, *shape: int) -> tuple[Any, Any]:
    """Random inputs of the shape, channels last, and labels below 10."""
    rng = np.random.default_rng(1)
    return rng.random((batch_size, *shape), np.float32), rng.integers(0, 10, batch_size)


def contenders(layers: Layers, data: tuple[Any, Any], *, trained: bool) -> Makers:
    """For each library one training step by Adam at a time, or, if not trained, the loss and its gradient."""
    makers = {
        TAPENET: partial(with_tapenet, layers, data, trained=trained),
        COMPILED: partial(compiled, partial(with_tapenet, layers, data, trained=trained)),
        PROGRAM: partial(with_compile, layers, data, trained=trained),
        PYTORCH: partial(with_torch, layers, data, trained=trained, channels_last=False),
        "PyTorch, channels last": partial(with_torch, layers, data, trained=trained, channels_last=True),
        "JAX (jit)": partial(with_jax, layers, data, trained=trained),
    }
    if not any(kind == "conv" for kind, *_ in layers):
        del makers["PyTorch, channels last"]
    return makers


# ---- tapenet ----


def with_tapenet(layers: Layers, data: tuple[Any, Any], *, trained: bool) -> Run:
    import tapenet as tn

    images, labels = data
    rng = np.random.default_rng(0)
    params = parameters(layers)
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(params)

    def loss_of(params: Any) -> Any:
        return tn.nn.cross_entropy(tapenet_logits(layers, params, images, rng), labels)

    def run() -> Any:
        nonlocal params, state
        loss, gradients = tn.value_and_grad(loss_of)(params)
        if trained:
            params, state = optimizer.update(gradients, state, params, donate=True)
        return loss

    return run


def with_compile(layers: Layers, data: tuple[Any, Any], *, trained: bool) -> Run:
    import tapenet as tn

    images, labels = data
    rng = np.random.default_rng(0)
    params = parameters(layers)

    def loss_of(params: Any, images: Any, labels: Any, rng: Any) -> Any:
        return tn.nn.cross_entropy(tapenet_logits(layers, params, images, rng), labels)

    if not trained:
        gradient_of = tn.compile(tn.value_and_grad(loss_of), backend="llvm")
        return lambda: gradient_of(params, images, labels, rng)[0]
    optimizer = tn.optim.adam(1e-3)
    state = optimizer.init(params)

    @partial(tn.compile, backend="llvm", donate_argnums=(0, 1))
    def step(params: Any, state: Any, images: Any, labels: Any, rng: Any) -> Any:
        loss, gradients = tn.value_and_grad(loss_of)(params, images, labels, rng)
        return loss, *optimizer.update(gradients, state, params)

    def run() -> Any:
        nonlocal params, state
        loss, params, state = step(params, state, images, labels, rng)
        return loss

    return run


def tapenet_logits(layers: Layers, params: Any, x: Any, rng: Any) -> Any:
    import tapenet as tn

    remaining = iter(params)
    for i, (kind, *sizes) in enumerate(layers):
        if kind == "conv":
            x = tn.nn.relu(tn.nn.conv(x, next(remaining), next(remaining), padding=sizes[3]))
        elif kind == "pool":
            x = tn.nn.max_pool(x, 2)
        elif kind == "dropout":
            x = tn.nn.dropout(x, sizes[0], rng)
        else:
            x = tn.nn.dense(x.reshape(len(x), -1), next(remaining), next(remaining))
            x = tn.nn.relu(x) if i < len(layers) - 1 else x
    return x


# ---- PyTorch ----


def with_torch(layers: Layers, data: tuple[Any, Any], *, trained: bool, channels_last: bool) -> Run:
    import torch

    images, labels = data
    x = torch.from_numpy(images if images.ndim == 2 else images.transpose(0, 3, 1, 2).copy())
    y = torch.from_numpy(labels)
    params = [torch.from_numpy(a) for a in torch_parameters(layers)]
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
        params = [p.contiguous(memory_format=torch.channels_last) if p.ndim == 4 else p for p in params]
    for p in params:
        p.requires_grad_(True)
    optimizer: Any = torch.optim.Adam(params, 1e-3)

    def run() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(torch_logits(layers, params, x), y)
        loss.backward()
        if trained:
            optimizer.step()
        return loss.detach()

    return run


def torch_parameters(layers: Layers) -> list[Any]:
    """`parameters` as PyTorch lays them out: outputs first, and flattened images with their channels first."""
    arrays = parameters(layers)
    kernels = iter(range(0, len(arrays), 2))
    channels = None
    for kind, *_ in layers:
        if kind == "conv":
            i = next(kernels)
            channels = arrays[i].shape[3]
            arrays[i] = arrays[i].transpose(3, 2, 0, 1).copy()
        elif kind == "dense":
            i = next(kernels)
            kernel = arrays[i]
            if channels is not None:
                kernel = kernel.reshape(-1, channels, kernel.shape[1]).swapaxes(0, 1).reshape(kernel.shape)
                channels = None
            arrays[i] = kernel.T.copy()
    return arrays


def torch_logits(layers: Layers, params: Any, x: Any) -> Any:
    from torch.nn import functional

    remaining = iter(params)
    for i, (kind, *sizes) in enumerate(layers):
        if kind == "conv":
            x = functional.relu(functional.conv2d(x, next(remaining), next(remaining), padding=sizes[3]))
        elif kind == "pool":
            x = functional.max_pool2d(x, 2)
        elif kind == "dropout":
            x = functional.dropout(x, sizes[0])
        else:
            x = functional.linear(x.flatten(1), next(remaining), next(remaining))
            x = functional.relu(x) if i < len(layers) - 1 else x
    return x


# ---- JAX ----


def with_jax(layers: Layers, data: tuple[Any, Any], *, trained: bool) -> Run:
    import jax
    from jax import numpy as jnp

    images, labels = (jnp.asarray(a) for a in data)
    params: Any = [jnp.asarray(a) for a in parameters(layers)]
    means: Any = [jnp.zeros_like(p) for p in params]
    squares, count = means, 0

    def loss_of(params: Any, key: Any) -> Any:
        log_p = jax.nn.log_softmax(jax_logits(layers, params, images, key))
        return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], 1))

    @jax.jit
    def step(params: Any, means: Any, squares: Any, count: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(params, jax.random.key(count))
        if not trained:
            return loss, gradients, means, squares
        means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients, strict=True)]
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, gradients, strict=True)]
        rate, correction = 1e-3 / (1 - 0.9 ** (count + 1.0)), 1 - 0.999 ** (count + 1.0)
        changes = [rate * m / (jnp.sqrt(s / correction) + 1e-8) for m, s in zip(means, squares, strict=True)]
        return loss, [p - c for p, c in zip(params, changes, strict=True)], means, squares

    def run() -> Any:
        nonlocal params, means, squares, count
        loss, *new = jax.block_until_ready(step(params, means, squares, count))
        if trained:
            (params, means, squares), count = new, count + 1
        return loss

    return run


def jax_logits(layers: Layers, params: Any, x: Any, key: Any) -> Any:
    import jax
    from jax import lax, numpy as jnp

    remaining = iter(params)
    for i, (kind, *sizes) in enumerate(layers):
        if kind == "conv":
            around = [(sizes[3], sizes[3])] * 2
            x = lax.conv_general_dilated(x, next(remaining), (1, 1), around, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + next(remaining))
        elif kind == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif kind == "dropout":
            kept = jax.random.bernoulli(key, 1 - sizes[0], x.shape)
            x = jnp.where(kept, x / (1 - sizes[0]), 0)
        else:
            x = x.reshape(len(x), -1) @ next(remaining) + next(remaining)
            x = jax.nn.relu(x) if i < len(layers) - 1 else x
    return x
