"""Each function of the array API standard takes the standard's parameters, of plain arrays and of Tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.fuzz.signatures import function_of
from tests.numpy.array_api_signatures import METHODS, SIGNATURES

pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.2.0", reason="NumPy took the standard's parameters later"
)

MATRIX = np.array([[2.0, 0.25, 0.5], [0.25, 3.0, 0.125], [0.5, 0.125, 4.0]])
INTEGERS = np.array([[3, 1, 2], [1, 1, 1], [2, 0, 1]])
# What stands for a parameter: in a function, "function.parameter", or in all, "parameter"; else the matrix.
ARGUMENTS: dict[str, Any] = {
    **{f"{name}.x": INTEGERS for name in ("bitwise_invert",)},
    **{
        f"bitwise_{name}.{x}": INTEGERS
        for name in ("and", "or", "xor", "left_shift", "right_shift")
        for x in ("x1", "x2")
    },
    **{f"{name}.x": MATRIX / 5 for name in ("acos", "asin", "atanh")},
    "acosh.x": MATRIX + 1,
    "squeeze.x": MATRIX[None],
    "squeeze.axis": 0,
    "searchsorted.x1": MATRIX[0],
    "linalg.outer.x1": MATRIX[0],
    "linalg.outer.x2": MATRIX[1],
    "reshape.shape": (9,),
    "permute_dims.axes": (1, 0),
    "can_cast.from_": np.dtype("f4"),
    "can_cast.to": np.dtype("f8"),
    "isdtype.dtype": np.dtype("f4"),
    "isdtype.kind": "real floating",
    "finfo.type": np.dtype("f4"),
    "iinfo.type": np.dtype("i4"),
    "take_along_axis.indices": np.array([[0], [1], [0]]),
    "indices": np.array([0, 2]),
    "condition": MATRIX > 1,
    "shape": (3, 3),
    "dtype": np.dtype("f4"),
    "start": 0.0,
    "stop": 3.0,
    "num": 4,
    "n_rows": 2,
    "n": 2,
    "fill_value": 2.0,
    "source": 1,
    "destination": 0,
    "shift": 1,
    "repeats": 1,
    "repetitions": (2, 1),
    "arrays": [MATRIX, MATRIX],
}
MUST_HAVE_AN_AXIS = {"cumulative_sum": {"axis": 0}, "cumulative_prod": {"axis": 0}}
OF_BYTES = {"from_dlpack"}  # which a Tensor of an open tape does not give


def _signature(text: str) -> inspect.Signature:
    names: dict[str, Any] = {}
    exec(f"def function({text}): ...", names)
    return inspect.signature(names["function"])


def _arguments(name: str) -> tuple[list[Any], dict[str, Any]]:
    """What the standard needs, and what it allows: by position, and by keyword with the standard's defaults."""
    needed, allowed = [], {}
    for parameter in _signature(SIGNATURES[name]).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            needed += [MATRIX, MATRIX[0]]
        elif parameter.default is parameter.empty:
            needed.append(ARGUMENTS.get(f"{name}.{parameter.name}", ARGUMENTS.get(parameter.name, MATRIX)))
        else:
            allowed[parameter.name] = parameter.default
    return needed, allowed | MUST_HAVE_AN_AXIS.get(name, {})


def _by_keyword(function: Callable[..., Any], name: str, needed: list[Any], allowed: dict[str, Any]) -> Any:
    """Call with what is positional only in the standard by position, and all else by keyword where that is allowed."""
    parameters = _signature(SIGNATURES[name]).parameters.values()
    optional = [p for p in parameters if p.default is not p.empty]
    positional = [allowed[p.name] for p in optional if p.kind is p.POSITIONAL_ONLY]
    return function(
        *needed, *positional, **{p.name: allowed[p.name] for p in optional if p.kind is not p.POSITIONAL_ONLY}
    )


def _values(answer: Any) -> list[Any]:
    return [np.asarray(x.value if type(x) is tn.Tensor else x) for x in tree_leaves(answer)]


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_parameter_of_the_standard_is_taken(name: str) -> None:
    function = function_of(tnp, name)
    needed, allowed = _arguments(name)
    plain = _by_keyword(function, name, needed, allowed)
    with tn.GradientTape() as tape:
        floats = [isinstance(x, np.ndarray) and x.dtype.kind == "f" and name not in OF_BYTES for x in needed]
        on_tape = [tape.watch(x) if is_float else x for x, is_float in zip(needed, floats, strict=True)]
        found = _by_keyword(function, name, on_tape, allowed)
    if name in ("empty", "empty_like"):
        return
    for actual, expected in zip(_values(found), _values(plain), strict=True):
        if expected.dtype.kind in "biufc":
            np.testing.assert_allclose(actual, expected, rtol=1e-14)
            assert actual.dtype == expected.dtype


@pytest.mark.parametrize("name", [name for name, text in SIGNATURES.items() if "device=" in text])
def test_another_device_is_refused(name: str) -> None:
    needed, _ = _arguments(name)
    with pytest.raises(ValueError, match=r"(?i)device"):
        function_of(tnp, name)(*needed, device="gpu")


@pytest.mark.parametrize("name", METHODS)
def test_methods_take_what_the_standard_says(name: str) -> None:
    own = inspect.signature(getattr(tn.Tensor, name))
    standard = _signature(METHODS[name]).parameters.values()
    by_place = [0 for p in standard if p.kind is p.POSITIONAL_ONLY]
    own.bind(*by_place, **{p.name: p.default for p in standard if p.kind is p.KEYWORD_ONLY})


def test_axes_in_front_and_frequencies_of_a_dtype() -> None:
    assert tnp.expand_dims(np.ones(3)).shape == (1, 3)
    for frequencies, theirs in ((tnp.fft.fftfreq, np.fft.fftfreq), (tnp.fft.rfftfreq, np.fft.rfftfreq)):
        found = frequencies(5, d=0.5, dtype=np.float32, device="cpu")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, theirs(5, 0.5), rtol=1e-6)
        slope = tn.grad(lambda d, frequencies=frequencies: frequencies(5, d, dtype=np.float32)[1])(0.5)
        np.testing.assert_allclose(slope, -theirs(5, 0.5)[1] / 0.5, rtol=1e-6)
        with pytest.raises(tn.errors.ArgumentTypeError, match="dtype must be a real floating dtype; got int64"):
            frequencies(5, dtype=np.int64)


def test_dlpack_of_an_open_tape_says_what_to_write_and_of_a_closed_one_gives_the_array() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.arange(3.0))
        with pytest.raises(tn.errors.ConversionError, match=r"__dlpack__.*Write x\.value"):
            x.__dlpack__(stream=None, max_version=(1, 0), dl_device=(1, 0), copy=None)
        with pytest.raises(tn.errors.ConversionError, match=r"__dlpack__.*Write x\.value"):
            np.from_dlpack(x)
        assert x.__dlpack_device__() == (1, 0)
    np.testing.assert_array_equal(np.from_dlpack(x), np.arange(3.0))
    np.testing.assert_array_equal(tnp.from_dlpack(x), np.arange(3.0))


def test_reshape_takes_copy() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((2, 3)))
        for copy in (True, False, None):
            assert tnp.reshape(x, (3, 2), copy=copy).shape == (3, 2)
    assert not np.shares_memory(tnp.reshape(x.value, (3, 2), copy=True), x.value)
