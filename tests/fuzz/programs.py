"""Random programs: calls of NumPy's functions, with arguments drawn from each function's signature.

A program is a list of calls, whose operands are the inputs or what earlier calls gave. It runs on any namespace that
has NumPy's names, and prints as a script.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

from tests.docs.coverage import coverage

Array = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

# ---- programs ----


@attrs.frozen
class Value:
    """An operand of a call: the number of an input or of a result."""

    number: int

    def __repr__(self) -> str:
        return f"v{self.number}"


@attrs.frozen
class Call:
    """A call of a function by its name, such as `linalg.norm`."""

    name: str
    operands: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def run(self, xp: Any, values: Sequence[Any]) -> Any:
        return _function(xp, self.name)(*(_placed(x, values) for x in self.operands), **self.keywords)

    def __repr__(self) -> str:
        arguments = [repr(x) for x in self.operands] + [f"{key}={value!r}" for key, value in self.keywords.items()]
        return f"xp.{self.name}({', '.join(arguments)})"


def _function(xp: Any, name: str) -> Any:
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp


def _placed(x: Any, values: Sequence[Any]) -> Any:
    return [_placed(part, values) for part in x] if type(x) is list else values[x.number]


@attrs.frozen(eq=False)
class Program:
    """Calls, each of which may use what came before, and the inputs."""

    inputs: tuple[Array, ...]
    calls: tuple[Call, ...]

    def run(self, xp: Any, inputs: Sequence[Any] | None = None) -> Any:
        """What the last call gives."""
        values = list(self.inputs if inputs is None else inputs)
        for call in self.calls:
            values[-1] = _first(values[-1])
            values.append(call.run(xp, values))
        return values[-1]

    def __repr__(self) -> str:
        lines = ["import numpy as np", "import tapenet.numpy as tnp", ""]
        lines += ["first = lambda v: v[0] if isinstance(v, (list, tuple)) and v else v", "", "def f(xp, *inputs):"]
        lines += [f"    {', '.join(f'v{i}' for i in range(len(self.inputs)))}, = inputs"]
        *before, last = self.calls
        lines += [f"    v{len(self.inputs) + i} = first({call!r})" for i, call in enumerate(before)]
        lines += [f"    return {last!r}", ""]
        lines += [f"inputs = ({''.join(_written(x) + ', ' for x in self.inputs)})"]
        return "\n".join([*lines, "print(f(np, *inputs), f(tnp, *inputs))"])


def _first(x: Any) -> Any:
    """The first of several results, which the next call takes."""
    return x[0] if isinstance(x, list | tuple) and x else x


def _written(x: Array) -> str:
    if not isinstance(x, np.ndarray):
        return f"np.{type(x).__name__}({x!s})" if isinstance(x, np.generic) else repr(x)
    elements = ", ".join(f"'{element}'" if x.dtype.char == "g" else str(element) for element in x.ravel().tolist())
    order = "" if x.flags.c_contiguous else ", order='F'"
    text = f"np.array([{elements}], '{x.dtype}').reshape({x.shape})".replace("nan", "np.nan").replace("inf", "np.inf")
    return text if not order else f"np.asarray({text}{order})"


# ---- functions, by what takes their place in a program ----

_NOT_DRAWN = {
    *("empty", "empty_like", "require", "asarray_chkfinite", "frompyfunc", "vectorize", "piecewise", "select"),
    *("apply_along_axis", "apply_over_axes", "fromfunction", "einsum", "einsum_path", "block", "put", "place"),
    *("choose", "putmask", "fill_diagonal", "copyto", "extract", "compress", "poly", "roots"),
    "polyval",  # of no coefficients it has NumPy's dtype of x alone
    "polydiv",  # whose remainder may be nothing but rounding errors, as many as are not small
    "partition",  # whose elements at other places than kth may be in any order
}


def _is_numpys(name: str) -> bool:
    try:
        return callable(_function(np, name))
    except AttributeError:
        return False


DIFFERENTIATED = tuple(
    row.name
    for row in coverage.rows("", strict=False)
    if row.kind == coverage.BOTH and row.name not in _NOT_DRAWN and _is_numpys(row.name)
)
_ARRAYS = {
    *("a", "x", "x1", "x2", "arr", "m", "v", "ar", "ary", "y", "b", "A", "p", "val", "z", "condition", "array"),
    *("ar1", "ar2", "M", "obj", "object", "filt", "f", "u", "c"),
}
_LISTS = {"arrays", "tup", "seq"}


def _axis(draw: Draw, ndim: int) -> Any:
    return draw(st.integers(-ndim, ndim - 1)) if ndim else None


def _axes(draw: Draw, ndim: int) -> Any:
    several = st.lists(st.integers(0, max(ndim - 1, 0)), unique=True, max_size=ndim).map(tuple)
    return draw(st.none() | several) if draw(st.booleans()) else _axis(draw, ndim)


DTYPES = ("float16", "float32", "float64", "longdouble", "complex64", "complex128", "int64", "bool")

# What a parameter may be, by its name, given the number of axes of the first operand.
KEYWORDS: dict[str, Callable[[Draw, int], Any]] = {
    "axis": _axes,
    "axes": _axes,
    "axis1": _axis,
    "axis2": _axis,
    "keepdims": lambda draw, ndim: draw(st.booleans()),
    "ddof": lambda draw, ndim: draw(st.sampled_from([0, 1, 0.5])),
    "correction": lambda draw, ndim: draw(st.sampled_from([0, 1])),
    "dtype": lambda draw, ndim: draw(st.sampled_from(DTYPES)),
    "initial": lambda draw, ndim: draw(st.sampled_from([0.0, -1.5, 2])),
    "where": lambda draw, ndim: draw(st.sampled_from([True, np.array(True)])),
    "order": lambda draw, ndim: draw(st.sampled_from("CF")),  # A and K are of memory, which examples have another of
    "descending": lambda draw, ndim: draw(st.booleans()),
    "stable": lambda draw, ndim: draw(st.booleans()),
    "kind": lambda draw, ndim: draw(st.sampled_from(["quicksort", "stable"])),
    "k": lambda draw, ndim: draw(st.integers(-2, 2)),
    "n": lambda draw, ndim: draw(st.integers(0, 3)),
    "kth": lambda draw, ndim: draw(st.integers(-1, 1)),
    "q": lambda draw, ndim: draw(st.sampled_from([0.25, 0.5, 1.0, [0.1, 0.9]])),
    "method": lambda draw, ndim: draw(st.sampled_from(["linear", "lower", "nearest", "midpoint", "hazen"])),
    "shift": lambda draw, ndim: draw(st.integers(-3, 3)),
    "repeats": lambda draw, ndim: draw(st.integers(0, 3)),
    "reps": lambda draw, ndim: draw(st.sampled_from([2, (2, 1), (1, 2, 1)])),
    "decimals": lambda draw, ndim: draw(st.integers(-1, 2)),
    "offset": lambda draw, ndim: draw(st.integers(-1, 1)),
    "indices": lambda draw, ndim: draw(st.sampled_from([0, [0, 0], [[-1], [0]]])),
    "mode": lambda draw, ndim: draw(st.sampled_from(["wrap", "clip", "same", "full", "valid", "edge", "reflect"])),
    "pad_width": lambda draw, ndim: draw(st.sampled_from([1, (0, 2)])),
    "shape": lambda draw, ndim: draw(st.sampled_from([(2, 2, 3), (-1,), (1, 2, 3)])),
    "newshape": lambda draw, ndim: draw(st.sampled_from([(-1,), (3, -1)])),
    "source": _axis,
    "destination": _axis,
    "rowvar": lambda draw, ndim: draw(st.booleans()),
    "bias": lambda draw, ndim: draw(st.booleans()),
    "nan": lambda draw, ndim: 0.5,
    "posinf": lambda draw, ndim: 3.0,
    "neginf": lambda draw, ndim: -3.0,
    "a_min": lambda draw, ndim: draw(st.sampled_from([None, 0.0])),
    "a_max": lambda draw, ndim: draw(st.sampled_from([None, 1])),
    "min": lambda draw, ndim: draw(st.sampled_from([None, -1])),
    "max": lambda draw, ndim: draw(st.sampled_from([None, 0.5])),
    "discont": lambda draw, ndim: draw(st.sampled_from([None, 1.0])),
    "period": lambda draw, ndim: draw(st.sampled_from([1.0, 6.25])),
    "edge_order": lambda draw, ndim: draw(st.sampled_from([1, 2])),
    "dx": lambda draw, ndim: 0.5,
    "include_initial": lambda draw, ndim: draw(st.booleans()),
    "indices_or_sections": lambda draw, ndim: draw(st.sampled_from([1, [1]])),
    "ord": lambda draw, ndim: draw(st.sampled_from([None, 1, 2, np.inf, -1, 3, "fro", "nuc"])),
    "p": lambda draw, ndim: draw(st.sampled_from([None, 1, 2, np.inf, "fro"])),
    "norm": lambda draw, ndim: draw(st.sampled_from(["backward", "ortho", "forward"])),
    "full_matrices": lambda draw, ndim: draw(st.booleans()),
    "s": lambda draw, ndim: draw(st.sampled_from([None, (2, 3)])),
    "start": lambda draw, ndim: draw(st.integers(0, 1)),
}


@attrs.frozen
class Signature:
    """How a function is called: its arrays first, then arguments that it needs, and keywords that it may have."""

    arrays: tuple[str, ...]
    needed: tuple[str, ...]
    optional: tuple[str, ...]


def signature_of(name: str) -> Signature | None:
    """The signature of a function of NumPy; None where something that it needs is not known here."""
    function = _function(np, name)
    if isinstance(function, np.ufunc):
        return Signature(tuple(f"x{i}" for i in range(1, function.nin + 1)), (), ())
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    arrays, needed, optional = [], [], []
    for parameter in parameters:
        is_array = parameter.name in _ARRAYS or parameter.name in _LISTS
        if is_array and parameter.default is parameter.empty:
            arrays.append(parameter.name)
        elif parameter.name in KEYWORDS:
            (needed if parameter.default is parameter.empty else optional).append(parameter.name)
        elif parameter.default is parameter.empty:
            return None
    return Signature(tuple(arrays), tuple(needed), tuple(optional)) if arrays else None


SIGNATURES = {name: found for name in DIFFERENTIATED if (found := signature_of(name)) is not None}

# ---- drawing ----

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e-8, 1e8, 65504.0)
GENERIC = (0.3125, -0.8125, 1.4375, -1.1875, 0.6875, 2.3125, -2.5625, 0.1875)
SHAPES = ((), (1,), (3,), (2, 3), (3, 3), (0,), (2, 0), (1, 3), (2, 1), (2, 2, 3))
INPUT_DTYPES = ("float64", "float64", "float32", "float16", "longdouble", "complex128", "complex64")


@st.composite
def inputs(draw: Draw, special: bool) -> Array:
    """An array of any dtype, shape and order of memory, or a Python number."""
    dtype = np.dtype(draw(st.sampled_from(INPUT_DTYPES)))
    shape = draw(st.sampled_from(SHAPES))
    size = int(np.prod(shape))
    pool = st.sampled_from(SPECIAL + GENERIC if special else GENERIC)
    parts = [draw(st.lists(pool, min_size=size, max_size=size)) for _ in range(1 + (dtype.kind == "c"))]
    if not special:
        parts = [[x + i / 16 for i, x in enumerate(part)] for part in parts]
    elements = np.empty(shape, dtype)
    with np.errstate(all="ignore"):
        elements.real = np.reshape(parts[0], shape)
        if dtype.kind == "c":
            elements.imag = np.reshape(parts[1], shape)
    layout = draw(st.sampled_from(["C", "F", "reversed", "scalar"]))
    if layout == "F":
        return np.asfortranarray(elements)
    if layout == "reversed" and elements.ndim:
        return elements[::-1]
    return elements[()] if layout == "scalar" and not shape else elements


@st.composite
def programs(draw: Draw, special: bool, names: Sequence[str] = ()) -> Program:
    """A program of one to three calls."""
    given = tuple(draw(st.lists(inputs(special), min_size=1, max_size=2)))
    calls: list[Call] = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(list(names) or sorted(SIGNATURES)))
        signature = SIGNATURES[name]
        count = len(given) + len(calls)
        numbers = [draw(st.integers(0, count - 1)) for _ in signature.arrays]
        if calls and count - 1 not in numbers:
            numbers[0] = count - 1
        ndim = np.ndim(given[numbers[0]]) if numbers[0] < len(given) else draw(st.integers(0, 3))
        operands: list[Any] = [
            [Value(number), Value(draw(st.integers(0, count - 1)))] if part in _LISTS else Value(number)
            for part, number in zip(signature.arrays, numbers, strict=True)
        ]
        keywords = {part: KEYWORDS[part](draw, ndim) for part in signature.needed}
        optional = signature.optional
        chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=2)) if optional else ()
        keywords |= {part: KEYWORDS[part](draw, ndim) for part in chosen}
        calls.append(Call(name, tuple(operands), keywords))
    return Program(given, tuple(calls))
