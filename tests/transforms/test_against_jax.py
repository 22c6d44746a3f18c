"""Every transform against JAX in float64, on random programs: a dozen, or 200 with `--hypothesis-profile=deep`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import tapenet as tn
import tapenet.numpy as tnp
from tests.transforms.programs import VOCABULARY, N, program_of

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

Array = Any
COUNT = 200 if settings().max_examples > 100 else 12


def transforms(lib: Any, f: Callable[[Array], Array], x: Array, v: Array, xs: Array) -> dict[str, Callable[[], Array]]:
    """What is compared, written once for tapenet and for JAX; f maps vectors to vectors."""

    def loss(x: Array) -> Array:
        return f(x).sum()

    def along(g: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda x: lib.jvp(g, (x,), (v,))[1]

    hvp = along(lib.grad(loss))
    return {
        "grad": lambda: lib.grad(loss)(x),
        "vjp": lambda: lib.vjp(f, x)[1](v)[0],
        "jvp": lambda: lib.jvp(f, (x,), (v,))[1],
        "linearize": lambda: lib.linearize(f, x)[1](v),
        "jacrev": lambda: lib.jacrev(f)(x),
        "jacfwd": lambda: lib.jacfwd(f)(x),
        "hessian": lambda: lib.hessian(loss)(x),
        "hessian of a vector": lambda: lib.hessian(f)(x),
        "hvp": lambda: hvp(x) if lib is jax else lib.hvp(loss)(x, v),
        "vmap": lambda: lib.vmap(f)(xs),
        "vmap of grad": lambda: lib.vmap(lib.grad(loss))(xs),
        "grad of vmap": lambda: lib.grad(lambda xs: (lib.vmap(f)(xs) ** 2).sum())(xs),
        "vmap of jacfwd": lambda: lib.vmap(lib.jacfwd(f))(xs),
        "jacrev of vmap": lambda: lib.jacrev(lib.vmap(loss))(xs),
        "vmap of hvp": lambda: lib.vmap(hvp)(xs),
        "grad of a jvp": lambda: lib.grad(lambda x: along(loss)(x) ** 2)(x),
        "jvp of vmap of grad": lambda: lib.jvp(lib.vmap(lib.grad(loss)), (xs,), (xs[::-1],))[1],
        "grad of grad of grad": lambda: lib.grad(lambda x: lib.grad(lambda x: lib.grad(loss)(x) @ v)(x) @ v)(x),
    }


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_random_program(seed: int) -> None:
    program, x = program_of(seed)
    rng = np.random.default_rng(seed + 10**6)
    v, xs = rng.uniform(-1, 1, N), rng.uniform(-1, 1, (3, N))
    ours = transforms(tn, lambda x: program.run(tnp, x), x, v, xs)
    theirs = transforms(jax, lambda x: program.run(jax.numpy, x), x, v, xs)
    for name in ours:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what JAX warns of is not ours
            expected = np.asarray(theirs[name]())
        scale = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(
            ours[name](), expected, rtol=1e-9, atol=1e-9 * scale, err_msg=f"{name} of program {seed}:\n{program}"
        )


def test_programs_use_every_word() -> None:
    used = {name for seed in range(200) for name, _ in program_of(seed)[0].steps}
    assert used == set(VOCABULARY)
