"""Arguments by position and by keyword: our functions take them under NumPy's names."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tests.docs.coverage import coverage

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
OF_LAYOUT = {"like", "order", "subok", "device", "copy", "casting", "ndmax"}  # about memory, of which a value has none
DEPRECATED = {"interpolation"}  # of quantiles, by NumPy itself, which has left it out since
DEPRECATED_IN_CORRCOEF = {"bias", "ddof"}
# NumPy's name of the first operand differs from version to version, and it is given by position.
FIRST_BY_POSITION = {"arange", "astype", "einsum", "where", "concat", "concatenate", "copy", "reshape"}


def names(part: str) -> list[Any]:
    rows = [row for row in coverage.rows(part, strict=False) if row.kind in (coverage.BOTH, coverage.CONSTANT)]
    return [row.name.removeprefix(f"{part[1:]}.") for row in rows]


def positional(signature: inspect.Signature) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in signature.parameters.values() if p.kind in kinds]


def by_keyword(signature: inspect.Signature) -> set[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name for p in signature.parameters.values() if p.kind in kinds}


@pytest.mark.parametrize("name", [name for name in names("") if not isinstance(getattr(np, name), np.ufunc)])
def test_parameters_have_numpy_s_names_in_its_order(name: str) -> None:
    try:
        theirs = inspect.signature(getattr(np, name))
    except ValueError:
        pytest.skip("NumPy does not say what it takes")
    ours = inspect.signature(getattr(tnp, name))
    takes_all = any(p.kind in VARIADIC for p in ours.parameters.values())
    skipped = 1 if name in FIRST_BY_POSITION else 0
    shared = min(len(positional(ours)), len(positional(theirs)))  # later versions of NumPy take more
    assert positional(ours)[skipped:shared] == positional(theirs)[skipped:shared] or takes_all
    missing = by_keyword(theirs) - by_keyword(ours) - OF_LAYOUT - DEPRECATED
    missing -= DEPRECATED_IN_CORRCOEF if name == "corrcoef" else set()
    assert takes_all or name in FIRST_BY_POSITION or not missing


@pytest.mark.parametrize(("name", "operand"), [("real", "val"), ("imag", "val"), ("sinc", "x")])
def test_elementwise_functions_that_are_not_ufuncs_take_operands_by_name(name: str, operand: str) -> None:
    assert getattr(tnp, name)(**{operand: 0.5}) == getattr(np, name)(0.5)
    gradient = tn.grad(lambda x: getattr(np, name)(**{operand: x}))(0.5)
    assert gradient == tn.grad(getattr(tnp, name))(0.5)
