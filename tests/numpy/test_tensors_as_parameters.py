"""A Tensor in the place of a parameter: an output to write into, a count, an axis. An error that names it, or right."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.numpy import reexports

Array = Any
WRITES_FILES = {"save", "savez", "savez_compressed", "savetxt"}
FUNCTIONS = [
    name
    for name in dir(tnp)
    if callable(getattr(tnp, name)) and name not in reexports.GROUP_OF and name not in WRITES_FILES | {"r_", "c_"}
]
OPERANDS = [([5.0, 0.0, 2.0],), ([5.0, 0.0, 2.0], [1.0, 2.0, 3.0]), ([0, 1, 2], [1, 2, 3]), ([[1.0, 2.0], [3.0, 4.0]],)]
BUFFERS = [np.array([1.0, 2.0, 3.0]), np.array(1.0), np.ones((2, 2))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("namespace", [tnp, np])
def test_nothing_is_written_into_a_tensor(name: str, namespace: Any) -> None:
    f = getattr(namespace, name, None)
    if f is None:
        return  # this NumPy has none
    for operands in OPERANDS:
        for buffer in BUFFERS:
            out = buffer.copy()
            with tn.GradientTape() as tape:
                watched = tape.watch(out)
                for plain in (True, False):
                    first = [np.array(x) if plain else tape.watch(np.array(x, float)) for x in operands]
                    with pytest.raises((TypeError, ValueError)):
                        f(*first, out=watched)
            np.testing.assert_array_equal(out, buffer)


@pytest.mark.parametrize(
    "name", ["greater", "isnan", "logical_and", "any", "all", "argmax", "add", "sin", "sum", "clip"]
)
@pytest.mark.parametrize("namespace", [tnp, np])
def test_out_is_named(name: str, namespace: Any) -> None:
    operands = {"greater": 2, "logical_and": 2, "add": 2, "clip": 3}.get(name, 1)
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones(2))
        with pytest.raises(
            tn.ArgumentTypeError, match=rf"{name}: out= must not be given with a Tensor.*Write y = {name}"
        ):
            getattr(namespace, name)(*[np.ones(2)] * operands, out=x)


def placed(f: Callable[..., Any], x: Array) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each parameter of a function but the first a call with a Tensor there."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:
        return
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = [p for p in parameters if p.kind in kinds]
    for p in named[1:]:
        required = {q.name: np.ones(4) for q in named if q.default is inspect.Parameter.empty and q.name != p.name}
        yield p.name, {**required, p.name: x}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("namespace", [tnp, np])
def test_no_parameter_leads_to_an_endless_recursion(name: str, namespace: Any) -> None:
    f = getattr(namespace, name, None)
    if f is None:
        return  # this NumPy has none
    with tn.GradientTape() as tape:
        for value in (2.0, np.array([1.0, 2.0, 1.0, 1.0])):
            for parameter, arguments in placed(f, tape.watch(value)):
                try:
                    f(**arguments)
                except RecursionError:
                    pytest.fail(f"{name}: {parameter}")
                except (TypeError, ValueError, IndexError, AttributeError, NotImplementedError):
                    pass


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: np.tile(np.ones(3), x), "tile: reps must not be a Tensor"),
        (lambda x: np.split(np.ones(4), x), "split: indices_or_sections must not be a Tensor"),
        (lambda x: np.array_split(np.ones(4), x), "array_split: indices_or_sections must not be a Tensor"),
        (lambda x: np.hsplit(np.ones(4), x), "split: indices_or_sections must not be a Tensor"),
        (lambda x: np.delete(np.ones(4), x), "delete: obj must not be a Tensor"),
        (lambda x: tnp.delete(np.ones(4), x), "delete: obj must not be a Tensor"),
        (lambda x: tnp.tile(np.ones(4), x), "tile: reps must not be a Tensor"),
    ],
)
def test_the_parameter_is_named(call: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(tn.ArgumentTypeError, match=rf"{text}, as there is no derivative by it\. Write int\(x\.value\)"):
        tn.grad(lambda x: np.sum(call(x)[0]))(2.0)
