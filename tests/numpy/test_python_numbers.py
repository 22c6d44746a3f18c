"""Python numbers that are watched behave as NumPy's numbers do, in every function and method."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.numpy import reexports

Array = Any
WRITES_FILES = {"save", "savez", "savez_compressed", "savetxt"}
FUNCTIONS = [
    name
    for name in dir(tnp)
    if callable(getattr(tnp, name)) and name not in reexports.GROUP_OF and name not in WRITES_FILES
]
NUMBERS = [0.625, 0.5 + 0.25j]

METHODS: dict[str, Callable[[Array], Any]] = {
    **{
        name: lambda x, name=name: getattr(x, name)()
        for name in """all any argmax argmin argsort conj conjugate copy cumprod cumsum flatten max mean min
        prod ravel round squeeze std sum transpose var""".split()
    },
    **{name: lambda x, name=name: getattr(x, name) for name in "T real imag shape dtype ndim size itemsize".split()},
    "[None]": lambda x: x[None],
    "[...]": lambda x: x[...],
    "[()]": lambda x: x[()],
    "[None, None]": lambda x: x[None, None],
    "reshape": lambda x: x.reshape(1, 1),
    "astype": lambda x: x.astype(np.complex64),
    "clip": lambda x: x.clip(0, 0.5),
    "take": lambda x: x.take(0),
    "repeat": lambda x: x.repeat(3),
    "str": str,
    "format": lambda x: f"{x:.3}",
    "bool": bool,
    "piecewise": lambda x: tnp.piecewise(x, [x != 0], [lambda y: y * y]),
    "select": lambda x: tnp.select([x != 0], [x * x], x),
    "softplus": lambda x: tn.nn.softplus(x.real),
    "binary_cross_entropy": lambda x: tn.nn.binary_cross_entropy(x.real, 1.0),
    "mean_squared_error": lambda x: tn.nn.mean_squared_error(x.real, 1.0),
    "at": lambda x: tn.at(np.ones(3))[1].set(x.real),
    "add.reduce": lambda x: np.add.reduce(x[None]),
    "add.outer": lambda x: np.add.outer(x, [1.0, 2.0]),
}


def outcome(f: Callable[..., Any], x: Any, *arguments: Any) -> tuple[Any, Any]:
    """Values and dtypes of what a call gives, or the kind of its error; and its gradient."""
    try:
        with tn.GradientTape() as tape:
            watched = tape.watch(x)
            y = f(watched, *arguments)
        leaves = tree_leaves(y)
        on_tape = [leaf for leaf in leaves if type(leaf) is tn.Tensor]
        ones = [np.ones(leaf.shape, leaf.dtype) for leaf in on_tape]
        gradient = tape.gradient(on_tape, watched, ones, unconnected="zero") if on_tape else None
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        return type(error), None
    values = [leaf if isinstance(leaf, str) else np.asarray(leaf) for leaf in leaves]
    return repr([(value, getattr(value, "dtype", None)) for value in values]), gradient


def assert_alike(f: Callable[..., Any], number: complex, *arguments: Any) -> Any:
    """A Python number gives what NumPy's gives."""
    found, gradient = outcome(f, number, *arguments)
    numpys = np.float64(number) if type(number) is float else np.complex128(number)
    expected, expected_gradient = outcome(f, numpys, *arguments)
    assert found == expected
    assert type(gradient) is type(expected_gradient)
    if gradient is not None:
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-14)
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("arguments", [(), (0.75,), (0.5, 0.75)])
def test_functions(name: str, number: complex, arguments: tuple[float, ...]) -> None:
    for namespace in (tnp, np):
        f = getattr(namespace, name, None)
        if f is not None:
            assert_alike(f, number, *arguments)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("number", NUMBERS)
def test_methods(name: str, number: complex) -> None:
    found = assert_alike(METHODS[name], number)
    assert isinstance(found, str) or name == "clip"


@pytest.mark.parametrize("operate", [operator.add, operator.mul, operator.pow, np.hypot, tnp.maximum])
def test_they_leave_the_dtype_of_an_array_as_it_is(operate: Callable[..., Any]) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(0.5)
        assert operate(x, np.ones(2, np.float32)).dtype == np.float32
