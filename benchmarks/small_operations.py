"""What one recorded operation costs: 300 elementwise operations on 8 floats, forward and backward.

python benchmarks/small_operations.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from interleaved import fastest, installed, report

import tapenet as tn
import tapenet.numpy as tnp

Chain = Callable[[Any, Any], Any]


def chain_of(length: int) -> Chain:
    """A function of a namespace and x that applies `length` operations, five kinds in turn."""

    def chain(np_: Any, x: Any) -> Any:
        for _ in range(length // 5):
            a = np_.sin(x)
            b = a * x
            c = np_.tanh(b)
            d = c + a
            x = d * 0.5
        return x

    return chain


def with_tapenet(namespace: Any, chain: Chain, x0: Any, cotangent: Any) -> Callable[[], Any]:
    def run() -> Any:
        with tn.GradientTape() as tape:
            x = tape.watch(x0)
            y = chain(namespace, x)
        return tape.gradient(y, x, output_gradients=cotangent)

    return run


def by_hand(length: int, x0: Any, cotangent: Any) -> Callable[[], Any]:
    """Forward and backward written out in NumPy: what cannot be had for less."""

    def run() -> Any:
        x, kept = x0, []
        for _ in range(length // 5):
            a = np.sin(x)
            b = a * x
            c = np.tanh(b)
            kept.append((x, a, c))
            x = (c + a) * 0.5
        t = cotangent
        for x, a, c in reversed(kept):
            t = t * 0.5
            b_bar = t * (1 - c * c)
            a_bar = t + b_bar * x
            t = b_bar * a + a_bar * np.cos(x)
        return t

    return run


def peers(chain: Chain, x0: Any, cotangent: Any) -> dict[str, Callable[[], Any]]:
    runs: dict[str, Callable[[], Any]] = {}
    if installed("torch"):
        import torch

        torch_cotangent = torch.from_numpy(cotangent)

        def with_torch() -> Any:
            x = torch.tensor(x0, requires_grad=True)
            chain(torch, x).backward(torch_cotangent)
            return x.grad

        runs["PyTorch (eager)"] = with_torch
    if installed("autograd"):
        import autograd
        import autograd.numpy as anp

        runs["autograd"] = lambda: autograd.make_vjp(lambda x: chain(anp, x))(x0)[0](cotangent)
    if installed("mygrad"):
        import mygrad

        def with_mygrad() -> Any:
            x = mygrad.tensor(x0)
            chain(mygrad, x).backward(cotangent)
            return x.grad

        runs["MyGrad"] = with_mygrad
    if installed("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        compiled = jax.jit(lambda x, t: jax.vjp(lambda x: chain(jax.numpy, x), x)[1](t)[0])
        runs["JAX (jit)"] = lambda: compiled(x0, cotangent).block_until_ready()
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=300, help="operations in the chain")
    parser.add_argument("--size", type=int, default=8, help="floats in each array")
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    x0, cotangent = np.linspace(0.1, 0.8, options.size), np.ones(options.size)
    chain = chain_of(options.length)
    runs = {
        "tapenet": with_tapenet(tnp, chain, x0, cotangent),
        "tapenet, plain numpy": with_tapenet(np, chain, x0, cotangent),
        "NumPy by hand": by_hand(options.length, x0, cotangent),
        **peers(chain, x0, cotangent),
    }
    expected = runs["NumPy by hand"]()
    for name, run in runs.items():
        np.testing.assert_allclose(np.asarray(run()), expected, rtol=1e-9, err_msg=name)
    times = fastest(runs, options.rounds)
    title = f"{options.length} operations on {options.size} floats, forward and backward; for each operation:"
    report(title, {name: t / options.length for name, t in times.items()}, unit=1e-6, unit_name="us")


if __name__ == "__main__":
    main()
