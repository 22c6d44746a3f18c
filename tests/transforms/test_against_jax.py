"""Every transform against JAX in float64, on random programs: a few, or 200 with `--hypothesis-profile=deep`.

JAX gives values, Jacobians, Hessians and one third derivative of a program; what transforms should give follows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import tapenet as tn
import tapenet.numpy as tnp
from tests.transforms.programs import VOCABULARY, N, Program, program_of

jax = pytest.importorskip("jax")

Array = Any
Results = dict[str, Callable[[], Array]]
COUNT = 200 if settings().max_examples > 100 else 4
QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}

pytestmark = pytest.mark.usefixtures("jax_in_double_precision")


def derivatives_by_jax(program: Program, xs: Array, v: Array, compiled: bool) -> tuple[Array, ...]:
    """y, J and H at each of some points, and at the first the third derivative of the sum along v and v."""

    def f(x: Array) -> Array:
        return program.run(jax.numpy, x)

    def along(g: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda x: jax.jvp(g, (x,), (v,))[1]

    def all_of_them(xs: Array) -> Array:
        third = along(along(jax.grad(lambda x: f(x).sum())))
        return jax.vmap(f)(xs), jax.vmap(jax.jacrev(f))(xs), jax.vmap(jax.hessian(f))(xs), third(xs[0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what JAX warns of is not ours
        run = jax.jit(all_of_them, compiler_options=QUICK_TO_COMPILE) if compiled else all_of_them
        return tuple(map(np.asarray, run(xs)))


def expected_results(y: Array, jacobian: Array, hessian: Array, third: Array, v: Array, xs: Array) -> dict[str, Array]:
    gradients, curvatures = jacobian.sum(1), hessian.sum(1)
    return {
        "grad": gradients[0],
        "vjp": v @ jacobian[0],
        "jvp": jacobian[0] @ v,
        "linearize": jacobian[0] @ v,
        "jacrev": jacobian[0],
        "jacrev in chunks": jacobian[0],
        "jacfwd": jacobian[0],
        "hessian": curvatures[0],
        "hessian of a vector": hessian[0],
        "hvp": curvatures[0] @ v,
        "vmap": y,
        "vmap of grad": gradients,
        "grad of vmap": 2 * np.einsum("bi,bij->bj", y, jacobian),
        "vmap of jacfwd": jacobian,
        "vmap of hessian": curvatures,
        "jacrev of vmap": np.einsum("bc,bi->bci", np.eye(len(xs)), gradients),
        "jvp of vmap of grad": np.einsum("bij,bj->bi", curvatures, xs[::-1]),
        "grad of a jvp": 2 * (gradients[0] @ v) * (curvatures[0] @ v),
        "grad of grad of grad": third,
        "jacfwd of hvp": curvatures[0],
        "batched jacobian of a tape": jacobian,
    }


def results(f: Callable[[Array], Array], v: Array, xs: Array) -> Results:
    x = xs[0]

    def loss(x: Array) -> Array:
        return f(x).sum()

    def on_a_tape() -> Array:
        with tn.GradientTape() as tape:
            given = tape.watch(xs)
            y = tn.vmap(f)(given)
        return tape.jacobian(y, given, batch_axis=0)

    return {
        "grad": lambda: tn.grad(loss)(x),
        "vjp": lambda: tn.vjp(f, x)[1](v)[0],
        "jvp": lambda: tn.jvp(f, (x,), (v,))[1],
        "linearize": lambda: tn.linearize(f, x)[1](v),
        "jacrev": lambda: tn.jacrev(f)(x),
        "jacrev in chunks": lambda: tn.jacrev(f, chunk_size=3)(x),
        "jacfwd": lambda: tn.jacfwd(f)(x),
        "hessian": lambda: tn.hessian(loss)(x),
        "hessian of a vector": lambda: tn.hessian(f)(x),
        "hvp": lambda: tn.hvp(loss)(x, v),
        "vmap": lambda: tn.vmap(f)(xs),
        "vmap of grad": lambda: tn.vmap(tn.grad(loss))(xs),
        "grad of vmap": lambda: tn.grad(lambda xs: (tn.vmap(f)(xs) ** 2).sum())(xs),
        "vmap of jacfwd": lambda: tn.vmap(tn.jacfwd(f))(xs),
        "vmap of hessian": lambda: tn.vmap(tn.hessian(loss))(xs),
        "jacrev of vmap": lambda: tn.jacrev(tn.vmap(loss))(xs),
        "jvp of vmap of grad": lambda: tn.jvp(tn.vmap(tn.grad(loss)), (xs,), (xs[::-1],))[1],
        "grad of a jvp": lambda: tn.grad(lambda x: tn.jvp(loss, (x,), (v,))[1] ** 2)(x),
        "grad of grad of grad": lambda: tn.grad(lambda x: tn.grad(lambda x: tn.grad(loss)(x) @ v)(x) @ v)(x),
        "jacfwd of hvp": lambda: tn.jacfwd(lambda v: tn.hvp(loss)(x, v))(v),
        "batched jacobian of a tape": on_a_tape,
    }


@pytest.mark.parametrize("seed", range(COUNT))
def test_a_random_program(seed: int) -> None:
    program, x = program_of(seed)
    rng = np.random.default_rng(seed + 10**6)
    v, xs = rng.uniform(-1, 1, N), np.stack([x, *rng.uniform(-1, 1, (2, N))])
    ours = {name: result() for name, result in results(lambda x: program.run(tnp, x), v, xs).items()}
    try:
        assert_agree(ours, expected_results(*derivatives_by_jax(program, xs, v, compiled=True), v, xs), program)
    except AssertionError:
        # JAX operation by operation is what counts, and compiled only the quicker way to ask: of extrema and sorted
        # values, XLA's fusion of operations gives some derivatives that neither the former nor differences give.
        assert_agree(ours, expected_results(*derivatives_by_jax(program, xs, v, compiled=False), v, xs), program)


def assert_agree(ours: dict[str, Array], expected: dict[str, Array], program: Program) -> None:
    for name, result in ours.items():
        scale = max(np.abs(expected[name]).max(), 0.01)  # of numbers that cancel, an absolute error
        np.testing.assert_allclose(
            result, expected[name], rtol=1e-9, atol=1e-9 * scale, err_msg=f"{name} of\n{program}"
        )


def test_programs_use_every_word() -> None:
    used = {name for seed in range(200) for name, _ in program_of(seed)[0].steps}
    assert used == set(VOCABULARY)
