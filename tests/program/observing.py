"""All that can be observed of a call: what it gives, raises, warns of and prints."""

from __future__ import annotations

import contextlib
import io
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

import tapenet as tn
from tapenet.core.pytrees import tree_flatten_with_static
from tapenet.program.recording.orders import order_of


@attrs.frozen(eq=False)
class Observed:
    """A call as its caller sees it.

    Attributes:
        result: what it gave.
        error: the class and the text of what it raised, and the line of this caller's code; None where it returned.
        warned: of each warning its class, its text and where it is reported.
        printed: what it wrote.
    """

    result: Any
    error: tuple[type, str, str] | None
    warned: list[tuple[type, str, str]]
    printed: str


def observed(f: Callable[..., Any], *args: Any, errors: str = "warn", **kwargs: Any) -> Observed:
    """Call a function, with `numpy.errstate(all=errors)` but for underflow."""
    text = io.StringIO()
    result = error = None
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(text):
        warnings.simplefilter("always")
        try:
            with np.errstate(all=errors, under="ignore"):  # type: ignore[call-overload]  # NumPy names literals
                result = f(*args, **kwargs)
        except Exception as raised:
            error = type(raised), str(raised), _line_of(raised)
    warned = [(x.category, str(x.message), f"{x.filename}:{x.lineno}") for x in caught]
    return Observed(result, error, [x for x in warned if x[0] is not tn.errors.CompileWarning], text.getvalue())


def _line_of(error: Exception) -> str:
    """Return the last line of the tests that a traceback shows, without those of this module."""
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/tests/" in frame.filename and frame.filename != __file__
    ]
    return lines[-1] if lines else ""


def kinds_of(tree: Any) -> Any:
    """The structure of a result, and of each leaf its type, dtype, shape and the order of its axes in memory."""
    leaves, spec = tree_flatten_with_static(tree, none_is_leaf=True)
    return spec, [_kind_of(x) for x in leaves]


def _kind_of(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return type(x), x.dtype.str, x.shape, order_of(x)
    return (type(x), x.dtype.str) if isinstance(x, np.generic) else type(x)


def arrays_of(tree: Any) -> list[Any]:
    return [x for x in tree_flatten_with_static(tree, none_is_leaf=True)[0] if isinstance(x, np.ndarray)]


def assert_owned(result: Any, others: Sequence[Any]) -> None:
    """Arrays of a result can be written into, and share memory neither with each other nor with others."""
    found = arrays_of(result)
    for i, x in enumerate(found):
        assert x.flags.writeable
        assert x.flags.owndata or type(x.base) is not np.ndarray
        for y in (*found[:i], *arrays_of(others)):
            assert not np.shares_memory(x, y)


def assert_equal_values(ours: Any, expected: Any) -> None:
    """Numbers are equal to rounding, everything else is equal."""
    found, theirs = (tree_flatten_with_static(x, none_is_leaf=True)[0] for x in (ours, expected))
    for x, y in zip(found, theirs, strict=True):
        if not isinstance(y, np.ndarray | np.generic | float | complex) or np.asarray(y).dtype.kind not in "fc":
            np.testing.assert_array_equal(x, y)
            continue
        digits = 2**6 * float(np.finfo(np.asarray(y).dtype).eps)
        size = np.max(np.abs(np.asarray(y)[np.isfinite(y)]), initial=0.0)
        np.testing.assert_allclose(x, y, rtol=digits, atol=digits * size)


def assert_observed_alike(ours: Observed, expected: Observed) -> None:
    """Two calls cannot be told apart."""
    assert ours.error == expected.error
    assert kinds_of(ours.result) == kinds_of(expected.result)
    assert_equal_values(ours.result, expected.result)
    assert ours.warned == expected.warned
    assert ours.printed == expected.printed


@contextlib.contextmanager
def unchanged(*arrays: Any) -> Iterator[None]:
    """Check that arrays have the same elements after as before."""
    kept = [np.array(x) for x in arrays]
    yield
    for x, y in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(x, y)
