"""Errors about leaves that are not numbers: they name the path, what came, and what to write."""

from __future__ import annotations

import re
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp


@attrs.frozen
class Model:
    weights: Any
    mode: Any


FIELD = "Or declare the field by tn.static_field(), if it is not to be trained."
PASS = "Pass arrays and scalars, in tuples, lists, dicts, named tuples or attrs classes."
LEAVES = {
    "a text": ("loud", f"got str 'loud'. {PASS}"),
    "a function": (np.sin, f"got ufunc <ufunc 'sin'>. {PASS}"),
    "an integer": (3, "got int 3. Write float({path})."),
    "an array of integers": (np.arange(2), "got a ndarray of shape (2,), int64. Cast it: {path}.astype(float)."),
}
over_leaves = pytest.mark.parametrize(("leaf", "text"), LEAVES.values(), ids=list(LEAVES))
OF_FIELDS = {name: case for name, case in LEAVES.items() if name != "a function"}  # which is static by itself


@pytest.mark.parametrize(("leaf", "text"), OF_FIELDS.values(), ids=list(OF_FIELDS))
def test_in_the_field_of_a_class_static_field_is_named(leaf: Any, text: str) -> None:
    model = Model(np.ones(2), leaf)
    uses = [
        ("grad: args[0].mode", lambda: tn.grad(lambda m: tnp.sum(m.weights))(model)),
        ("grad: args[0]['first'].mode", lambda: tn.grad(lambda m: m["first"].weights[0])({"first": model})),
        ("adam.init: params.mode", lambda: tn.optim.adam(1e-3).init(model)),
    ]
    for who, use in uses:
        path = who.partition(": ")[2]
        expected = f"{who} must be float or complex; {text.format(path=path)} {FIELD}"
        with pytest.raises(tn.ArgumentTypeError, match=f"^{re.escape(expected)}$"):
            use()


@over_leaves
def test_elsewhere_it_is_not(leaf: Any, text: str) -> None:
    expected = f"grad: args[0][1] must be float or complex; {text.format(path='args[0][1]')}"
    with pytest.raises(tn.ArgumentTypeError, match=f"^{re.escape(expected)}$"):
        tn.grad(lambda pair: pair[0])((1.0, leaf))
