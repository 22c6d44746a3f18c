"""Programs that know of triangular matrices: the same answers, with less work, and the same errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.evaluating import evaluator
from tapenet.program.passes.triangles import with_triangular_matrices
from tests.program.comparing import assert_compiles, assert_same
from tests.program.passes.test_passes import names, recorded

Array = Any
RNG = np.random.default_rng(0)


def positive(n: int, char: str = "d") -> Array:
    x = RNG.normal(size=(n, n)) + (1j * RNG.normal(size=(n, n)) if char in "FD" else 0)
    return (x @ np.conj(x.T) / max(1, n) + np.eye(n)).astype(char)


def whitened(a: Array, b: Array) -> Array:
    lower = tnp.linalg.cholesky(a)
    return tnp.sum(tnp.real(tnp.linalg.solve(lower, b) ** 2)) + tnp.sum(tnp.log(tnp.real(tnp.linalg.diagonal(lower))))


def inverted(a: Array, b: Array) -> Array:
    upper = tnp.linalg.cholesky(a, upper=True)
    return tnp.sum(tnp.real(tnp.linalg.inv(upper) @ b * tnp.linalg.solve(tnp.conj(tnp.matrix_transpose(upper)), b)))


def masked(a: Array, b: Array) -> Array:
    lower = tnp.tril(a)
    parts = tnp.tril(lower, 1), tnp.tril(lower, -1), tnp.triu(lower), tnp.linalg.solve(lower, b[:, 0])
    return sum(tnp.sum(tnp.real(x) ** 2) for x in parts)


@pytest.mark.parametrize("f", [whitened, inverted, masked])
@pytest.mark.parametrize("char", "fdFD")
@pytest.mark.parametrize("n", [0, 1, 5, 60])
def test_values_and_gradients_are_the_same(f: Any, char: str, n: int) -> None:
    b = RNG.normal(size=(n, 1)).astype(char)
    given = positive(n, char), b
    assert_compiles(tn.value_and_grad(f, (0, 1)), given, given, scale=2**6, floor=float(n))


@pytest.mark.parametrize("stack", [(2,), (2, 3)])
def test_stacks_are_left_as_they_are(stack: tuple[int, ...]) -> None:
    a = np.broadcast_to(positive(4), (*stack, 4, 4)).copy()
    b = RNG.normal(size=(*stack, 4, 1))
    assert_compiles(tn.grad(whitened, (0, 1)), (a, b), (a, b), scale=2**4)


def test_second_derivatives_are_the_same() -> None:
    a, b = positive(4), RNG.normal(size=(4, 1))
    assert_compiles(tn.hvp(lambda a: whitened(a, b)), (a, a), (a, a), scale=2**4)


def test_masks_of_what_is_zero_are_dropped() -> None:
    scipy_linalg = pytest.importorskip("tapenet.scipy.linalg")

    def f(a: Array, b: Array) -> Array:
        return tnp.sum(scipy_linalg.solve_triangular(tnp.linalg.cholesky(a), b, lower=True))

    program, inputs = recorded(f, positive(4), np.ones(4))
    changed = with_triangular_matrices(program)
    assert "where" in names(program)
    assert "where" not in names(changed)
    assert_same(evaluator(changed)(inputs), evaluator(program)(inputs))


def test_masks_that_change_something_stay() -> None:
    program, inputs = recorded(lambda a: tnp.tril(tnp.tril(a), -1) + tnp.triu(tnp.tril(a)) + tnp.tril(a).T, positive(4))
    changed = with_triangular_matrices(program)
    assert names(changed) == names(program)
    assert_same(evaluator(changed)(inputs), evaluator(program)(inputs))


@pytest.mark.parametrize("spoiled", [0.0, np.nan, np.inf])
def test_what_lapack_cannot_solve_is_as_it_was(spoiled: float) -> None:
    def f(a: Array, b: Array) -> Array:
        return tnp.linalg.solve(tnp.tril(a), b)

    compiled = tn.compile(f)
    a, b = positive(4), np.ones(4)
    for _ in range(3):
        compiled(a, b)
    a[2, 2] = spoiled
    if spoiled == 0:
        for g in (f, compiled):
            with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
                g(a, b)
    else:
        np.testing.assert_array_equal(compiled(a, b), f(a, b))


def test_singular_inverses_raise_as_they_do() -> None:
    compiled: Any = tn.compile(lambda a: tnp.linalg.inv(tnp.tril(a)))
    for _ in range(3):
        compiled(np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match=r"^Singular matrix"):
        compiled(np.diag([1.0, 0.0, 1.0]))
