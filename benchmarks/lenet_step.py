"""LeNet's training step, forward, backward and Adam, in tapenet and in PyTorch, in float32.

python benchmarks/lenet_step.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from interleaved import fastest, installed, report

import tapenet as tn


def with_tapenet(images: Any, labels: Any) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    optimizer = tn.optim.adam(1e-3)
    model = tn.models.LeNet(10, image_size=images.shape[1:3], rng=rng)
    state = optimizer.init(model)

    def loss_of(model: Any) -> Any:
        logits, _ = model.train(images, rng)
        return tn.nn.cross_entropy(logits, labels)

    def step() -> None:
        nonlocal model, state
        _, gradients = tn.value_and_grad(loss_of)(model)
        model, state = optimizer.update(gradients, state, model)

    return step


def with_torch(images: Any, labels: Any, *, channels_last: bool) -> Callable[[], None]:
    import torch
    from torch import nn

    pooled = ((images.shape[1] - 4) // 2 - 4) // 2
    model: Any = nn.Sequential(
        nn.Conv2d(1, 32, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * pooled * pooled, 1024),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1024, 10),
    )
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    y = torch.from_numpy(labels)
    optimizer, loss_of = torch.optim.Adam(model.parameters(), 1e-3), nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.random((options.batch_size, options.image_size, options.image_size, 1), np.float32)
    labels = rng.integers(0, 10, options.batch_size)
    steps = {"tapenet": with_tapenet(images, labels)}
    if installed("torch"):
        steps["PyTorch (eager)"] = with_torch(images, labels, channels_last=False)
        steps["PyTorch, channels last"] = with_torch(images, labels, channels_last=True)
    report(f"LeNet training step, batch {options.batch_size}", fastest(steps, options.rounds))


if __name__ == "__main__":
    main()
