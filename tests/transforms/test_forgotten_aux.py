"""A function that returns (y, aux), where has_aux=True was forgotten: each transform's error names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

X = np.ones(3)

TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: tn.grad(f)(X),
    "value_and_grad": lambda f: tn.value_and_grad(f)(X),
    "elementwise_grad": lambda f: tn.elementwise_grad(f)(X),
    "vjp": lambda f: tn.vjp(f, X)[1](1.0),
    "jacobian": lambda f: tn.jacobian(f)(X),
    "jacfwd": lambda f: tn.jacfwd(f)(X),
    "hessian": lambda f: tn.hessian(f)(X),
    "hvp": lambda f: tn.hvp(f)(X, X),
}
# They take any pytree of arrays as y; what is not an array names has_aux=.
OF_ANY_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "jvp": lambda f: tn.jvp(f, (X,), (X,)),
    "linearize": lambda f: tn.linearize(f, X)[1](X),
    "vmap": lambda f: tn.vmap(f)(X),
    "checkpoint": lambda f: tn.grad(tn.checkpoint(f))(X),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("aux", [3, {"step": 7, "norm": 1}, np.arange(2)], ids=["number", "dict", "array"])
def test_an_aux_of_numbers(name: str, aux: Any) -> None:
    with pytest.raises(tn.TapenetError, match=r"pass has_aux=True"):
        TRANSFORMS[name](lambda x: (tnp.sum(x**2), aux))


@pytest.mark.parametrize("name", TRANSFORMS | OF_ANY_ARRAYS)
def test_an_aux_of_text(name: str) -> None:
    with pytest.raises(tn.TapenetError, match=r"has_aux=True"):
        (TRANSFORMS | OF_ANY_ARRAYS)[name](lambda x: (tnp.sum(x**2), {"note": "text"}))


def test_where_it_was_given_no_error_names_it() -> None:
    pullback = tn.vjp(lambda x: ((x, x), "aux"), X, has_aux=True)[1]
    with pytest.raises(tn.errors.ArgumentError) as caught:
        pullback(X)
    assert "has_aux" not in str(caught.value)
