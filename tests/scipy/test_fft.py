"""scipy.fft on a tape: transposes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

import tapenet as tn
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
        (lambda x: fft.dct(x, orthogonalize=True), r"fft\.dct: orthogonalize must be None on a tape; got True"),
        (lambda x: fft.fht(x, 0.1, 0.0), r"fft\.fht: not supported for a Tensor"),
    ],
)
def test_bad_arguments_are_refused_under_our_name(call: Callable[[Any], Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(np.ones(4)))
