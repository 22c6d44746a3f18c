"""Subjects: calls of SciPy's functions, each with arrays to call it with.

The tables are in `subjects_NAME.py`, one for each module. A function that `docs/guides/scipy.md` counts as
differentiable or as piecewise constant has at least one subject; else the tests do not start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.samples.drawing import numbers

Array = Any
Strategy = st.SearchStrategy[Any]


@attrs.frozen(eq=False)
class Subject:
    """A call of a function of a module that is SciPy's or ours.

    Attributes:
        module: "special", say.
        name: the function, which the module has under that name.
        call: `(module, *arrays) -> result`.
        arrays: draws the arrays.
        order: up to which derivatives are checked.
        dispatches: whether plain SciPy works on Tensors: its ufuncs do.
        tolerance: of derivatives against differences, where these are worse than usual.
        closeness: of values to SciPy's, where SciPy integrates.
        in_single: whether SciPy takes single precision without a warning.
    """

    module: str
    name: str
    call: Callable[..., Any]
    arrays: Strategy
    order: int = 2
    dispatches: bool = False
    tolerance: float | None = None
    in_single: bool = True
    closeness: float = 1e-12


SUBJECTS: list[Subject] = []


def subject(module: str, name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    """Add a subject."""
    SUBJECTS.append(Subject(module, name, call, st.tuples(*arrays), **settings))


def between(low: float, high: float, *shape: int) -> Strategy:
    """Draw numbers of an interval."""

    @st.composite
    def strategy(draw: Any) -> Array:
        return np.asarray(numbers(draw, shape or (3,), low, high))

    return strategy()


def off_axes(*shape: int) -> Strategy:
    """Draw complex numbers of the first quadrant, away from the axes."""

    def of(parts: tuple[Array, Array]) -> Array:
        return parts[0] + 1j * parts[1]

    return st.tuples(between(0.4, 1.5, *shape), between(0.3, 1.2, *shape)).map(of)


def named(subjects: list[Subject]) -> list[Any]:
    """Parameters of a test, each under the name of its function and a number."""
    counts = Counter[str]()
    parameters = []
    for one in subjects:
        name = f"{one.module}.{one.name}"
        counts[name] += 1
        parameters.append(pytest.param(one, id=f"{name}-{counts[name]}"))
    return parameters
