"""The Hessian-vector product of a logistic loss.

python benchmarks/logistic_hvp.py --examples 2000 --features 50
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from interleaved import PLAIN, PROGRAM, PYTORCH, TAPENET, Makers, Run, Scenario, main


def contenders(examples: int, features: int) -> Makers:
    rng = np.random.default_rng(0)
    x, signs = rng.normal(size=(examples, features)), rng.choice([-1.0, 1.0], examples)
    w, v = rng.normal(size=features) * 0.1, rng.normal(size=features)
    return {
        TAPENET: partial(with_tapenet, "tapenet.numpy", x, signs, w, v),
        PLAIN: partial(with_tapenet, "numpy", x, signs, w, v),
        PROGRAM: partial(with_compile, x, signs, w, v),
        PYTORCH: partial(with_torch, x, signs, w, v),
        "JAX (jit)": partial(with_jax, x, signs, w, v),
        "autograd": partial(with_autograd, x, signs, w, v),
    }


def loss_of(np_: Any, x: Any, signs: Any) -> Callable[[Any], Any]:
    """A function of the weights: the mean of log(1 + e^-z), of z = sign * (x w)."""
    return lambda w: np_.log1p(np_.exp(-signs * (x @ w))).mean()


def with_tapenet(namespace: str, x: Any, signs: Any, w: Any, v: Any) -> Run:
    import tapenet as tn

    product = tn.hvp(loss_of(importlib.import_module(namespace), x, signs))
    return lambda: product(w, v)


def with_compile(x: Any, signs: Any, w: Any, v: Any) -> Run:
    import tapenet as tn
    import tapenet.numpy as tnp

    product = tn.compile(tn.hvp(loss_of(tnp, x, signs)), backend="llvm")
    return lambda: product(w, v)


def with_torch(x: Any, signs: Any, w: Any, v: Any) -> Run:
    import torch

    x, signs, w, v = (torch.from_numpy(a) for a in (x, signs, w, v))
    loss = loss_of(torch, x, signs)
    w.requires_grad_()

    def run() -> Any:
        (gradient,) = torch.autograd.grad(loss(w), w, create_graph=True)
        return torch.autograd.grad(gradient, w, v)[0]

    return run


def with_jax(x: Any, signs: Any, w: Any, v: Any) -> Run:
    import jax

    jax.config.update("jax_enable_x64", True)
    loss = loss_of(jax.numpy, x, signs)
    compiled = jax.jit(lambda w, v: jax.jvp(jax.grad(loss), (w,), (v,))[1])
    return lambda: compiled(w, v).block_until_ready()


def with_autograd(x: Any, signs: Any, w: Any, v: Any) -> Run:
    import autograd
    import autograd.numpy as anp

    product = autograd.hessian_vector_product(lambda w: anp.mean(anp.log1p(anp.exp(-signs * anp.dot(x, w)))))
    return lambda: product(w, v)


SCENARIO = Scenario(
    title="Hessian-vector product",
    contenders=contenders,
    sizes={"examples": 2000, "features": 50},
    tiny={"examples": 8, "features": 3},
    target=0.8,
    tolerance=1e-9,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
