"""scipy.fft on a tape: transposes, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import fft


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ["dct", "dst", "idct", "idst"])
def test_jacobians_are_the_matrices_of_the_transforms(name: str, kind: int, norm: str) -> None:
    matrix = getattr(scipy.fft, name)(np.eye(5), kind, axis=0, norm=norm)
    found = tn.jacobian(lambda x: getattr(fft, name)(x, kind, norm=norm))(np.ones(5))
    np.testing.assert_allclose(found, matrix, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: fft.dct(x, 5), r"fft\.dct: type must be 1, 2, 3 or 4; got 5"),
        (lambda x: fft.idst(x, norm="x"), r"fft\.idst: norm must be 'backward', 'ortho' or 'forward'; got 'x'"),
        (lambda x: fft.fht(x * 1j, 0.1, 0.0), r"fft\.fht: the array must be real"),
    ],
)
def test_bad_arguments_are_refused_under_our_name(call: Callable[[Any], Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(np.ones(4)))


@pytest.mark.parametrize("n", [1, 2, 7, 8])
@pytest.mark.parametrize("bias", [0.0, 0.3, -1.5])
def test_a_fast_hankel_transform_is_undone_by_its_inverse(n: int, bias: float) -> None:
    def there_and_back(x: Any, mu: Any) -> Any:
        return fft.ifht(fft.fht(x, 0.2, mu, 0.3, bias), 0.2, mu, 0.3, bias)

    x = np.cos(np.arange(float(n)))
    np.testing.assert_allclose(tn.jacobian(there_and_back)(x, 1.2), np.eye(n), atol=1e-9)
    np.testing.assert_allclose(tn.jacfwd(there_and_back, 1)(x, 1.2), np.zeros(n), atol=1e-8)


@pytest.mark.parametrize(("name", "bias"), [("fht", -1.5), ("fht", 1.5), ("ifht", 1.5), ("fht", 3.5), ("ifht", -1.5)])
@pytest.mark.filterwarnings("ignore:singular")
def test_hankel_transforms_at_poles_have_scipys_values(name: str, bias: float) -> None:
    x = np.cos(np.arange(6.0))
    with tn.GradientTape() as tape:
        found = getattr(fft, name)(tape.watch(x), 0.2, 0.5, 0.1, bias)
    with np.errstate(all="ignore"):
        expected = getattr(scipy.fft, name)(x, 0.2, 0.5, 0.1, bias)
    np.testing.assert_allclose(found.value, expected, rtol=1e-10)


def test_a_singular_hankel_transform_warns() -> None:
    with pytest.warns(UserWarning, match="singular transform"):
        tn.grad(lambda x: tnp.sum(fft.fht(x, 0.2, 0.5, 0.0, -1.5)))(np.ones(4))


@pytest.mark.parametrize("name", ["dct", "dst", "idct", "idst"])
def test_orthogonalized_transforms_are_those_of_scipy_and_linear(name: str) -> None:
    x = np.arange(6.0) ** 2
    theirs, ours = getattr(scipy.fft, name), getattr(fft, name)
    for kind, norm, is_asked in itertools.product((1, 2, 3, 4), ("backward", "ortho", "forward"), (True, False)):
        settings = {"type": kind, "norm": norm, "orthogonalize": is_asked}
        matrix = theirs(np.eye(6), axis=0, **settings)
        np.testing.assert_allclose(tn.jacobian(lambda x, s=settings: ours(x, **s))(x), matrix, atol=1e-13)
        value = tn.vjp(lambda x, s=settings: ours(x, **s), x)[0]
        np.testing.assert_allclose(value, theirs(x, **settings), atol=1e-12)
    with tn.GradientTape() as tape:
        single = ours(tape.watch(x.astype(np.float32)), orthogonalize=True)
    assert single.dtype == np.float32
