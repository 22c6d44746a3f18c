"""Subjects: calls of NumPy's functions, each with arrays to call it with.

This module says what a subject is and draws arrays; the tables are in `subjects_*.py`.

A function that `docs/guides/coverage.md` counts as differentiated has at least one here; else the tests do not start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.samples.core import shapes
from tests.samples.drawing import complex_numbers, distinct, mask, numbers, off_grid

Array = Any
Strategy = st.SearchStrategy[Any]


@attrs.frozen(eq=False)
class Subject:
    """A call of a function of a namespace that is NumPy's or ours.

    Attributes:
        name: the function, which the namespace has under that name.
        call: `(xp, *arrays) -> result`.
        arrays: draws the arrays.
        dispatches: whether NumPy's own function finds its way to ours; not where Tensors come in a list alone.
    """

    name: str
    call: Callable[..., Any]
    arrays: Strategy
    dispatches: bool = True


SUBJECTS: list[Subject] = []

MASK = np.array([True, False, True])


def case(name: str, call: Callable[..., Any], *arrays: Strategy, dispatches: bool = True) -> None:
    SUBJECTS.append(Subject(name, call, st.tuples(*arrays), dispatches))


def of(name: str, *arguments: Any, **keywords: Any) -> Callable[..., Any]:
    """The call of a function with its arrays first, and these arguments behind them."""
    return lambda xp, *arrays: getattr(xp, name)(*arrays, *arguments, **keywords)


def named(subjects: list[Subject]) -> list[Any]:
    """Parameters of a test, each under the name of its function and a number."""
    counts = Counter[str]()
    parameters = []
    for subject in subjects:
        counts[subject.name] += 1
        parameters.append(pytest.param(subject, id=f"{subject.name}-{counts[subject.name]}"))
    return parameters


# ---- arrays ----


def _of(number: Callable[..., Array], shape: Any, *arguments: float) -> Strategy:
    @st.composite
    def strategy(draw: Any) -> Array:
        drawn = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
        return np.asarray(number(draw, drawn, *arguments))

    return strategy()


ANY = shapes


def A(*shape: int) -> Strategy:
    """Numbers around 0."""
    return _of(numbers, shape)


def P(*shape: int) -> Strategy:
    """Positive numbers, away from 0."""
    return _of(numbers, shape, 0.4, 2.0)


def C(*shape: int) -> Strategy:
    """Complex numbers, away from 0 and from the axes."""
    return _of(complex_numbers, shape)


def D(*shape: int) -> Strategy:
    """Numbers of which no two are near one another."""
    return _of(distinct, shape)


def G(*shape: int) -> Strategy:
    """Numbers away from multiples of 0.5."""
    return _of(off_grid, shape)


def either(*shape: int) -> Strategy:
    """Real or complex numbers."""
    return A(*shape) | C(*shape)


@st.composite
def with_nan(draw: Any, *shape: int) -> Array:
    """Numbers of which no two are near one another, and NaN."""
    x = distinct(draw, shape)
    return np.where(mask(draw, shape, 0.3), np.nan, x)


def has_numbers(x: Array) -> bool:
    """Whether each row and each column has two numbers."""
    return bool(min((~np.isnan(x)).sum(axis).min() for axis in (0, -1)) > 1)
