"""The differentiated functions of the namespace, and how each is called: from NumPy's signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.docs.coverage import coverage

Draw = Callable[[st.SearchStrategy[Any]], Any]

# Expressions have them; or their results are of no certain value.
_NOT_DRAWN = {
    *("empty", "empty_like", "require", "frompyfunc", "vectorize", "fromfunction", "einsum_path", "put", "place"),
    *("putmask", "fill_diagonal", "copyto", "poly", "roots", "polyfit"),
    "polydiv",  # whose remainder may be nothing but rounding errors, as many as are not small
    "partition",  # whose elements at other places than kth may be in any order
}


def function_of(xp: Any, name: str) -> Any:
    """The function of a namespace by its name, such as `linalg.norm`."""
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp


def _is_numpys(name: str) -> bool:
    try:
        return callable(function_of(np, name))
    except AttributeError:
        return False


DIFFERENTIATED = tuple(
    row.name
    for part in ("", ".linalg", ".fft")
    for row in coverage.rows(part, strict=False)
    if row.kind in (coverage.BOTH, coverage.CONSTANT) and row.name not in _NOT_DRAWN and _is_numpys(row.name)
)
_ARRAYS = {
    *("a", "x", "x1", "x2", "arr", "m", "v", "ar", "ary", "y", "b", "A", "p", "val", "z", "condition", "array"),
    *("ar1", "ar2", "M", "obj", "object", "filt", "f", "u", "c"),
}
LISTS = {"arrays", "tup", "seq"}


def _axis(draw: Draw, ndim: int) -> Any:
    return draw(st.integers(-ndim, ndim - 1)) if ndim else draw(st.sampled_from([None, 0, -1]))


def _axes(draw: Draw, ndim: int) -> Any:
    several = st.lists(st.integers(0, max(ndim - 1, 0)), unique=True, max_size=ndim).map(tuple)
    return draw(st.none() | several) if draw(st.booleans()) else _axis(draw, ndim)


DTYPES = ("float16", "float32", "float64", "longdouble", "complex64", "complex128", "int64", "bool")


def _one_of(*choices: Any) -> Callable[[Draw, int], Any]:
    return lambda draw, ndim: draw(st.sampled_from(choices))


# What a parameter may be, by its name, given the number of axes of the first operand.
KEYWORDS: dict[str, Callable[[Draw, int], Any]] = {
    "axis": _axes,
    "axes": _axes,
    "axis1": _axis,
    "axis2": _axis,
    "an_axis": _axis,
    "keepdims": _one_of(True, False),
    "ddof": _one_of(0, 1, 0.5),
    "correction": _one_of(0, 1),
    "dtype": _one_of(*DTYPES),
    "initial": _one_of(0.0, -1.5, 2),
    "where": _one_of(True, [True, False, True], [[True], [False]]),
    "order": _one_of("C", "F", "A", "K"),
    "descending": _one_of(True, False),
    "stable": _one_of(True, False),
    "kind": _one_of("quicksort", "stable"),
    "k": _one_of(-2, -1, 0, 1, 2),
    "n": _one_of(0, 1, 2, 3),
    "kth": _one_of(-1, 0, 1),
    "q": _one_of(0.25, 0.5, 1.0, [0.1, 0.9], 0, 1),
    "method": _one_of("linear", "lower", "nearest", "midpoint", "hazen"),
    "shift": _one_of(-3, -1, 0, 2),
    "repeats": _one_of(0, 1, 3),
    "reps": _one_of(2, (2, 1), (1, 2, 1), 0),
    "decimals": _one_of(-1, 0, 2),
    "offset": _one_of(-1, 0, 1),
    "indices": _one_of(0, [0, 0], [[-1], [0]]),
    "mode": _one_of("wrap", "clip", "same", "full", "valid", "edge", "reflect"),
    "pad_width": _one_of(1, (0, 2)),
    "shape": _one_of((2, 2, 3), (-1,), (1, 2, 3)),
    "source": _axis,
    "destination": _axis,
    "rowvar": _one_of(True, False),
    "bias": _one_of(True, False),
    "nan": _one_of(0.5),
    "posinf": _one_of(3.0, None),
    "neginf": _one_of(-3.0),
    "min": _one_of(None, -1),
    "max": _one_of(None, 0.5),
    "discont": _one_of(None, 1.0),
    "period": _one_of(1.0, 6.25),
    "edge_order": _one_of(1, 2),
    "dx": _one_of(0.5),
    "include_initial": _one_of(True, False),
    "indices_or_sections": _one_of(1, [1]),
    "ord": _one_of(None, 1, 2, np.inf, -1, 3, "fro", "nuc", 0, 0.5),
    "p": _one_of(None, 1, 2, np.inf, "fro"),
    "norm": _one_of("backward", "ortho", "forward"),
    "full_matrices": _one_of(True, False),
    "s": _one_of(None, (2, 3)),
    "start": _one_of(0, 1),
    "returned": _one_of(True, False),
    "N": _one_of(2, 4),
    "increasing": _one_of(True, False),
    "upper": _one_of(True, False),
    "UPLO": _one_of("L", "U"),
    "m": _one_of(1, 2),
    "reflect_type": _one_of("even", "odd"),
    "indexing": _one_of("xy", "ij"),
    "endpoint": _one_of(True, False),
    "formula": _one_of("...->", "...i->...", "i...,i...->", "ij,jk->ik", "ii", "ii->i", "ij->ji", "i,j->ij"),
    "index": _one_of(
        *(
            "0",
            "-1",
            "...",
            "None",
            "1:",
            "::-1",
            "..., 0",
            "[0, 0]",
            "..., None",
            "()",
            "::2, ...",
            "[[0], [-1]]",
            "0:0",
        ),
        *("[True, False, True]", "..., [0, -1]", "np.array([0, 0]), ..., None", "np.True_", "-1, None, [0]"),
    ),
}


@attrs.frozen
class Signature:
    """How a function is called: its arrays first, then arguments that it needs, and keywords that it may have."""

    arrays: tuple[str, ...]
    needed: tuple[str, ...]
    optional: tuple[str, ...]


def signature_of(name: str) -> Signature | None:
    """The signature of a function of NumPy; None where something that it needs is not known here."""
    function = function_of(np, name)
    if isinstance(function, np.ufunc):
        return Signature(tuple(f"x{i}" for i in range(1, function.nin + 1)), (), ("dtype",))
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    arrays, needed, optional = [], [], []
    for parameter in parameters:
        is_array = parameter.name in _ARRAYS or parameter.name in LISTS
        if is_array and parameter.default is parameter.empty:
            arrays.append(parameter.name)
        elif parameter.name in KEYWORDS:
            (needed if parameter.default is parameter.empty else optional).append(parameter.name)
        elif parameter.default is parameter.empty:
            return None
    return Signature(tuple(arrays), tuple(needed), tuple(optional)) if arrays else None


SIGNATURES = {name: found for name in DIFFERENTIATED if (found := signature_of(name)) is not None}
