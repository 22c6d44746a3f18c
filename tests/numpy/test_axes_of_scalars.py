"""Arrays without axes, which for some of NumPy's functions have the axes 0 and -1: each as NumPy does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.docs.coverage import coverage
from tests.fuzz.signatures import function_of

# What some functions need beside an array, the number 1 for two arrays.
_FURTHER: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("take", "delete", "partition"), (0,)),
    **dict.fromkeys(("roll", "repeat", "split", "array_split"), (1,)),
    **dict.fromkeys(("quantile", "nanquantile", "percentile", "nanpercentile"), (0.5,)),
    "insert": (0, 1.0),
    "append": (2.0,),
    "take_along_axis": (np.array([0]),),
}
_OF_TWO = {"vecdot", "linalg.vecdot", "cross", "linalg.cross", "tensordot", "linalg.tensordot"}
_OF_LISTS = {"concatenate", "concat", "stack"}
# NumPy unpacks an empty tuple and fails there, in words of its own; the answer is the array itself.
_ANSWERED = {("roll", ()), ("fft.fftshift", None), ("fft.fftshift", ()), ("fft.ifftshift", None), ("fft.ifftshift", ())}


def _call(name: str, function: Callable[..., Any], x: Any, **keywords: Any) -> Any:
    if name == "compress":
        return function([True], x, **keywords)
    if name == "apply_along_axis":
        return function(lambda t: 2 * t, keywords["axis"], x)
    if name == "apply_over_axes":
        return function(tnp.sum, x, keywords["axes"])
    if name in _OF_LISTS:
        return function([x, x], **keywords)
    return function(x, *((x,) if name in _OF_TWO else _FURTHER.get(name, ())), **keywords)


def _axis_of(name: str) -> str | None:
    try:
        parameters = inspect.signature(function_of(tnp, name)).parameters
    except (AttributeError, ValueError):
        return None
    return next((key for key in ("axis", "axes") if key in parameters), None)


# NumPy trims arrays without axes since 2.2; before, it refuses them.
LATER = {"trim_zeros"} if np.lib.NumpyVersion(np.__version__) < "2.2.0" else set[str]()
NAMES = [
    row.name
    for part in ("", ".linalg", ".fft")
    for row in coverage.rows(part, strict=False)
    if _axis_of(row.name) and row.name not in LATER and row.kind in (coverage.BOTH, coverage.CONSTANT)
]


def _answer(call: Callable[[], Any]) -> list[Any] | None:
    try:
        return tree_leaves(call())
    except Exception:  # of several classes
        return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_an_array_without_axes_has_the_axes_that_it_has_for_numpy(name: str) -> None:
    theirs, ours, key = function_of(np, name), function_of(tnp, name), _axis_of(name)
    assert key is not None
    for axis in (None, 0, -1, 1, (), (0,)):
        if (name, axis) in _ANSWERED:
            continue
        for x in (np.array(1.5), np.float64(1.5)):
            expected = _answer(lambda x=x, axis=axis: _call(name, theirs, x, **{key: axis}))
            with tn.GradientTape() as tape:
                found = _answer(lambda x=x, axis=axis: _call(name, ours, tape.watch(x), **{key: axis}))
            assert (found is None) == (expected is None), (axis, found, expected)
            for actual, wanted in zip(found or (), expected or (), strict=True):
                actual = actual.value if type(actual) is tn.Tensor else actual
                assert np.shape(actual) == np.shape(wanted), axis
                np.testing.assert_array_equal(actual, wanted)


def test_their_derivatives() -> None:
    assert tn.grad(lambda x: tnp.take(x, [0, 0], axis=0).sum())(2.0) == 2
    assert tn.grad(lambda x: tnp.compress([True], x, axis=-1).sum())(2.0) == 1
    assert tn.grad(lambda x: tnp.cumulative_prod(x)[0])(2.0) == 1
    assert tn.grad(lambda x: tnp.squeeze(x, 0) ** 2)(3.0) == 6
