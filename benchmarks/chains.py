"""A chain of elementwise operations, forward and backward, in each library."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from interleaved import PLAIN, PROGRAM, PYTORCH, TAPENET, Makers, Run

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


def contenders(length: int, size: int, dtype: Any) -> Makers:
    x0, cotangent = np.linspace(0.1, 0.8, size, dtype=dtype), np.ones(size, dtype)
    chain = chain_of(length)
    return {
        TAPENET: partial(with_tapenet, "tapenet.numpy", chain, x0, cotangent),
        PLAIN: partial(with_tapenet, "numpy", chain, x0, cotangent),
        PROGRAM: partial(with_compile, chain, x0, cotangent),
        "NumPy by hand": partial(by_hand, length, x0, cotangent),
        PYTORCH: partial(with_torch, chain, x0, cotangent),
        "JAX (jit)": partial(with_jax, chain, x0, cotangent),
        "autograd": partial(with_autograd, chain, x0, cotangent),
        "MyGrad": partial(with_mygrad, chain, x0, cotangent),
    }


def with_tapenet(namespace: str, chain: Chain, x0: Any, cotangent: Any) -> Run:
    import tapenet as tn

    np_ = importlib.import_module(namespace)

    def run() -> Any:
        with tn.GradientTape() as tape:
            x = tape.watch(x0)
            y = chain(np_, x)
        return tape.gradient(y, x, output_gradients=cotangent)

    return run


def with_compile(chain: Chain, x0: Any, cotangent: Any) -> Run:
    import tapenet as tn
    import tapenet.numpy as tnp

    @partial(tn.compile, backend="llvm")
    def gradient(x: Any, cotangent: Any) -> Any:
        _, pullback = tn.vjp(lambda x: chain(tnp, x), x)
        return pullback(cotangent)[0]

    return lambda: gradient(x0, cotangent)


def by_hand(length: int, x0: Any, cotangent: Any) -> Run:
    """Forward and backward written out in NumPy: what cannot be had for less without a compiler."""

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


def with_torch(chain: Chain, x0: Any, cotangent: Any) -> Run:
    import torch

    x, t = torch.from_numpy(x0).requires_grad_(), torch.from_numpy(cotangent)
    return lambda: torch.autograd.grad(chain(torch, x), x, t)[0]


def with_jax(chain: Chain, x0: Any, cotangent: Any) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(lambda x, t: jax.vjp(lambda x: chain(jax.numpy, x), x)[1](t)[0])
    return lambda: compiled(x0, cotangent).block_until_ready()


def with_autograd(chain: Chain, x0: Any, cotangent: Any) -> Run:
    import autograd
    import autograd.numpy as anp

    return lambda: autograd.make_vjp(lambda x: chain(anp, x))(x0)[0](cotangent)


def with_mygrad(chain: Chain, x0: Any, cotangent: Any) -> Run:
    import mygrad

    def run() -> Any:
        x = mygrad.tensor(x0)
        chain(mygrad, x).backward(cotangent)
        return x.grad

    return run
