"""The error of a fluid's smoke after some steps, and its gradient by the first velocities, as in `examples/fluid.py`.

python benchmarks/fluid_steps.py --size 49 --steps 20
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from interleaved import PLAIN, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, main


def contenders(size: int, steps: int) -> Makers:
    rng = np.random.default_rng(0)
    velocities = rng.normal(size=(2, size, size))
    smoke, wanted = rng.random((2, size, size))
    return {
        TAPENET: partial(with_tapenet, "tapenet.numpy", steps, velocities, smoke, wanted),
        PLAIN: partial(with_tapenet, "numpy", steps, velocities, smoke, wanted),
        PROGRAM: partial(with_compile, steps, velocities, smoke, wanted),
        PYTORCH: partial(with_torch, steps, velocities, smoke, wanted),
        "JAX (jit)": partial(with_jax, steps, velocities, smoke, wanted),
    }


def error_of(np_: Any, steps: int, smoke: Any, wanted: Any, whole: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of the first velocities: the mean square of what the smoke lacks in the end.

    Args:
        np_: a namespace like NumPy's.
        whole: converts an array to integers.
    """
    size = len(smoke)
    rows, columns = np_.arange(size)[:, None], np_.arange(size)[None, :]
    kx, ky = np_.fft.fftfreq(size)[None, :], np_.fft.fftfreq(size)[:, None]
    squared = kx**2 + ky**2 + (kx**2 + ky**2 == 0)

    def carried(field: Any, vx: Any, vy: Any) -> Any:
        y, x = rows - vy, columns - vx
        top, left = np_.floor(y), np_.floor(x)
        down, right = y - top, x - left
        i, j = whole(top) % size, whole(left) % size
        i_next, j_next = (i + 1) % size, (j + 1) % size
        above = (1 - right) * field[i, j] + right * field[i, j_next]
        below = (1 - right) * field[i_next, j] + right * field[i_next, j_next]
        return (1 - down) * above + down * below

    def without_divergence(vx: Any, vy: Any) -> Any:
        x, y = np_.fft.fft2(vx), np_.fft.fft2(vy)
        along = (kx * x + ky * y) / squared
        return np_.real(np_.fft.ifft2(x - kx * along)), np_.real(np_.fft.ifft2(y - ky * along))

    def error(velocities: Any) -> Any:
        vx, vy = without_divergence(velocities[0], velocities[1])
        moved = smoke
        for _ in range(steps):
            vx, vy = without_divergence(carried(vx, vx, vy), carried(vy, vx, vy))
            moved = carried(moved, vx, vy)
        return ((moved - wanted) ** 2).mean()

    return error


def with_tapenet(namespace: str, steps: int, velocities: Any, smoke: Any, wanted: Any) -> Run:
    import tapenet as tn

    np_ = importlib.import_module(namespace)
    step = tn.value_and_grad(error_of(np_, steps, smoke, wanted, lambda x: x.astype(int)))
    return lambda: step(velocities)


def with_compile(steps: int, velocities: Any, smoke: Any, wanted: Any) -> Run:
    import tapenet as tn
    import tapenet.numpy as tnp

    step = tn.compile(tn.value_and_grad(error_of(tnp, steps, smoke, wanted, lambda x: x.astype(int))), backend="llvm")
    return lambda: step(velocities)


def with_torch(steps: int, velocities: Any, smoke: Any, wanted: Any) -> Run:
    import torch

    smoke, wanted, leaf = (torch.from_numpy(x.copy()) for x in (smoke, wanted, velocities))
    leaf.requires_grad_()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # of the frequencies
    try:
        error = error_of(torch, steps, smoke, wanted, lambda x: x.long())
    finally:
        torch.set_default_dtype(before)

    def run() -> Any:
        value = error(leaf)
        return value, torch.autograd.grad(value, leaf)[0]

    return run


def with_jax(steps: int, velocities: Any, smoke: Any, wanted: Any) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    error = error_of(jax.numpy, steps, jax.numpy.asarray(smoke), jax.numpy.asarray(wanted), lambda x: x.astype(int))
    step = jax.jit(jax.value_and_grad(error))
    return lambda: jax.block_until_ready(step(velocities))


SCENARIO = Scenario(
    title="Fluid of 20 steps, forward and backward",
    contenders=contenders,
    sizes={"size": 49, "steps": 20},
    tiny={"size": 5, "steps": 2},
    target=1.0,
    tolerance=1e-7,
    rounds=10,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
