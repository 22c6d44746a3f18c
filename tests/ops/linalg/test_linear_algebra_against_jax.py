"""Gradients of linear algebra and Fourier transforms against JAX's, where it is installed; both conjugate nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

jax = pytest.importorskip("jax")

Array = Any
RNG = np.random.default_rng(5)
REAL = RNG.standard_normal((3, 3)) + 2 * np.eye(3)
COMPLEX = REAL + 1j * RNG.standard_normal((3, 3))
TALL = RNG.standard_normal((4, 2))

pytestmark = pytest.mark.usefixtures("jax_in_double_precision")


def symmetrised(xp: Any, a: Array) -> Array:
    return (a + xp.conj(xp.matrix_transpose(a))) / 2


def polar(xp: Any, a: Array) -> Array:
    u, _, vh = xp.linalg.svd(a, full_matrices=False)
    return u @ vh


# Each gives a real number, of `xp`, numpy's namespace, and an array.
FUNCTIONS: dict[str, tuple[Callable[[Any, Array], Array], Array]] = {
    "inv": (lambda xp, a: xp.sum(xp.sin(xp.linalg.inv(a))), REAL),
    "inv complex": (lambda xp, a: xp.sum(xp.linalg.inv(a)).real, COMPLEX),
    "det": (lambda xp, a: xp.linalg.det(a).imag, COMPLEX),
    "slogdet": (lambda xp, a: xp.linalg.slogdet(a)[1], COMPLEX),
    "slogdet sign": (lambda xp, a: xp.linalg.slogdet(a)[0].imag, COMPLEX),
    "solve": (lambda xp, a: xp.sum(xp.linalg.solve(a, xp.ones((3, 1))) ** 2), REAL),
    "pinv": (lambda xp, a: xp.sum(xp.sin(xp.linalg.pinv(a))), TALL),
    "cholesky": (
        lambda xp, a: xp.sum(xp.sin(xp.linalg.cholesky(symmetrised(xp, a @ xp.conj(a.T)) + xp.eye(3))).real),
        COMPLEX,
    ),
    "qr": (lambda xp, a: sum(xp.sum(xp.sin(x)) for x in xp.linalg.qr(a)), TALL),
    "svd": (
        lambda xp, a: xp.sum(xp.sin(polar(xp, a))),
        TALL,
    ),
    "svdvals": (lambda xp, a: xp.sum(xp.sin(xp.linalg.svd(a, compute_uv=False))), COMPLEX),
    "eigh": (
        lambda xp, a: xp.sum(
            xp.arange(9.0).reshape(3, 3) * xp.abs(xp.linalg.eigh(symmetrised(xp, a))[1]) ** 2
            + xp.linalg.eigh(symmetrised(xp, a))[0] ** 2
        ),
        COMPLEX,
    ),
    "eigvalsh": (lambda xp, a: xp.sum(xp.sin(xp.linalg.eigvalsh(symmetrised(xp, a)))), REAL),
    "eigvals": (lambda xp, a: xp.sum(xp.exp(xp.linalg.eigvals(a))).real, REAL),
    **{
        f"norm {ord}": (lambda xp, a, ord=ord: xp.linalg.norm(a, ord), COMPLEX)
        for ord in (None, "nuc", 1, 2, -2, np.inf, -1)
    },
    "norm 3": (lambda xp, a: xp.sum(xp.linalg.norm(a, 3, axis=0)), TALL),
    "fft": (lambda xp, a: xp.sum(xp.abs(xp.fft.fft(a, 5, axis=0)) ** 3), REAL),
    "rfftn": (lambda xp, a: xp.sum(xp.abs(xp.fft.rfftn(a, norm="ortho")) ** 3), TALL),
    "irfft": (lambda xp, a: xp.sum(xp.sin(xp.fft.irfft(a, 5))), COMPLEX),
    "hfft": (lambda xp, a: xp.sum(xp.sin(xp.fft.hfft(a))), COMPLEX),
}


@pytest.mark.parametrize(("function", "a"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients_are_those_of_jax(function: Callable[[Any, Array], Array], a: Array) -> None:
    expected = jax.grad(lambda a: function(jax.numpy, a))(a)
    found = tn.grad(lambda a: function(tnp, a))(a)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
