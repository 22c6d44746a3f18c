"""Eigenvectors and singular vectors of a value that is isolated, where others repeat: the derivative exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

Array = Any


def _orthonormal(n: int, is_complex: bool = False) -> Array:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if is_complex else 0)
    return np.linalg.qr(x)[0]


def _projector(v: Array) -> Array:
    """What does not depend on a vector's phase."""
    return v[:, None] * tnp.conj(v)[None, :]


def _turn(shape: tuple[int, ...], dtype: Any = float) -> Array:
    rng = np.random.default_rng(7)
    t = rng.normal(size=shape)
    return t + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else t


VALUES: dict[str, tuple[Callable[[Array], Array], Array]] = {
    "eigh": (lambda a: _projector(tnp.linalg.eigh((a + a.mT) / 2)[1][:, 2]), np.diag([4.0, 1.0, 1.0])),
    "eigh, complex": (
        lambda a: _projector(tnp.linalg.eigh((a + tnp.conj(a.mT)) / 2)[1][:, 2]),
        np.diag([4.0, 1.0, 1.0]).astype(complex),
    ),
    "eig": (lambda a: tnp.linalg.eig(a)[1][:, 0] ** 2, np.diag([4.0, 1.0, 1.0]) + np.eye(3, k=1) * [0, 0.5, 0]),
    "svd, u": (lambda a: _projector(tnp.linalg.svd(a)[0][:, 0]), np.diag([4.0, 1.0, 1.0])),
    "svd, v": (lambda a: _projector(tnp.linalg.svd(a)[2][0]), np.diag([4.0, 1.0, 1.0])),
    "svd, tall": (
        lambda a: _projector(tnp.linalg.svd(a, full_matrices=False)[0][:, 0]),
        np.eye(4, 3) * [4.0, 1.0, 1.0],
    ),
    "svd, complex": (lambda a: _projector(tnp.linalg.svd(a)[2][0]), np.diag([4.0, 1.0, 1.0]).astype(complex)),
    "svd, a rank below full": (
        lambda a: _projector(tnp.linalg.svd(a, full_matrices=False)[0][:, 0]),
        np.eye(4, 3) * [4.0, 1.0, 0.0],
    ),
    "svd, the space of the other columns": (
        lambda a: _space(tnp.linalg.svd(a)[0][:, 2:]),
        np.eye(4, 2) * [1.0, 1.0],
    ),
}


def _space(u: Array) -> Array:
    return u @ tnp.conj(u.mT)


@pytest.mark.parametrize("name", VALUES)
def test_both_modes_are_right(name: str) -> None:
    function, a = VALUES[name]
    t, step = _turn(a.shape, a.dtype), 1e-5
    right = (function(a + step * t) - function(a - step * t)) / (2 * step)
    pushed = tn.jvp(function, (a,), (t,))[1]
    np.testing.assert_allclose(pushed, right, atol=1e-8)
    weights = np.cos(np.arange(right.size)).reshape(right.shape)
    gradient = tn.grad(lambda a: tnp.real(tnp.sum(function(a) * weights)))(a)
    np.testing.assert_allclose(np.sum(gradient * t).real, np.sum(right * weights).real, atol=1e-8)


UNDEFINED: dict[str, Callable[[Array], Array]] = {
    "eigh": lambda a: tnp.linalg.eigh(a)[1][0, 0],
    "eig": lambda a: tnp.linalg.eig(a)[1][1, 1],
    "svd, u": lambda a: tnp.linalg.svd(a)[0][1, 1],
    "svd, v": lambda a: tnp.linalg.svd(a)[2][1, 1],
}


@pytest.mark.parametrize("name", UNDEFINED)
def test_vectors_of_a_repeated_value_have_none_in_either_mode(name: str) -> None:
    a = np.diag([4.0, 1.0, 1.0])
    assert np.isnan(tn.grad(UNDEFINED[name])(a)).any()
    assert np.isnan(tn.jvp(UNDEFINED[name], (a,), (_turn(a.shape),))[1])


def test_a_second_derivative_through_vectors_that_are_not_used_is_not_made_up() -> None:
    a = np.diag([4.0, 1.0, 1.0])

    def scaled(s: Array, a: Array) -> Array:
        return s * tnp.linalg.eigh(a)[1][0, 0]

    mixed = tn.jacfwd(tn.grad(scaled, 1))(0.0, a)
    assert np.isnan(mixed).any()
