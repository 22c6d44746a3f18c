"""Random programs: calls, operators and methods, with arguments drawn from each function's signature.

A program is a list of steps, whose operands are the inputs or what earlier steps gave. It runs on any namespace that
has NumPy's names, and prints as a script.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

import tapenet as tn
from tests.fuzz.expressions import EXPRESSIONS
from tests.fuzz.signatures import KEYWORDS, LISTS, SIGNATURES, function_of

Array = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

# ---- programs ----


@attrs.frozen
class Value:
    """An operand of a step: the number of an input or of a result."""

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
        return function_of(xp, self.name)(*(_placed(x, values) for x in self.operands), **self.keywords)

    def __repr__(self) -> str:
        arguments = [repr(x) for x in self.operands] + [f"{key}={value!r}" for key, value in self.keywords.items()]
        return f"xp.{self.name}({', '.join(arguments)})"


@attrs.frozen
class Expression:
    """An expression of `xp`, `np`, `nn` and of values, such as `v0 @ v1`, made from a template."""

    name: str
    text: str
    keywords: Mapping[str, Any]

    def run(self, xp: Any, values: Sequence[Any]) -> Any:
        names = {f"v{number}": value for number, value in enumerate(values)}
        return eval(_compiled(self.text), {"xp": xp, "np": np, "nn": tn.nn, **names})

    def __repr__(self) -> str:
        return self.text


@functools.cache
def _compiled(text: str) -> CodeType:
    return compile(text, text, "eval")


def _placed(x: Any, values: Sequence[Any]) -> Any:
    return [_placed(part, values) for part in x] if type(x) is list else values[x.number]


@attrs.frozen(eq=False)
class Program:
    """Steps, each of which may use what came before, and the inputs, of which some are held fixed."""

    inputs: tuple[Array, ...]
    fixed: frozenset[int]
    calls: tuple[Call | Expression, ...]

    @property
    def varied(self) -> tuple[Array, ...]:
        """The inputs that the program is differentiated by."""
        return tuple(x for number, x in enumerate(self.inputs) if number not in self.fixed)

    def run(self, xp: Any, varied: Sequence[Any] | None = None) -> Any:
        """What the last step gives, for other inputs than the fixed ones."""
        others = iter(self.varied if varied is None else varied)
        values = [x if number in self.fixed else next(others) for number, x in enumerate(self.inputs)]
        for call in self.calls:
            values[-1] = _first(values[-1])
            if "linalg." in call.name and not all(map(_is_finite, values)):
                raise FloatingPointError("LAPACK may run for ever with infinite elements")
            if "fft." in call.name and not all(map(np.size, values)):
                raise ValueError("NumPy's transforms of nothing leave memory as it is")
            values.append(call.run(xp, values))
            if getattr(values[-1], "size", 0) > MOST_ELEMENTS:
                raise OverflowError(f"{call!r} has {values[-1].size} elements")
        return values[-1]

    def __repr__(self) -> str:
        lines = ["import numpy as np", "import tapenet as tn", "import tapenet.numpy as tnp", "from tapenet import nn"]
        lines += ["", "first = lambda v: v[0] if isinstance(v, (list, tuple)) and v else v", "", "def f(xp, *inputs):"]
        lines += [f"    {', '.join(f'v{i}' for i in range(len(self.inputs)))}, = inputs"]
        *before, last = self.calls
        lines += [f"    v{len(self.inputs) + i} = first({call!r})" for i, call in enumerate(before)]
        lines += [f"    return {last!r}", ""]
        lines += [f"inputs = ({''.join(_written(x) + ', ' for x in self.inputs)})  # fixed: {sorted(self.fixed)}"]
        return "\n".join([*lines, "print(f(np, *inputs), f(tnp, *inputs))"])


def _is_finite(x: Any) -> bool:
    plain = getattr(x, "value", x)
    return np.asarray(plain).dtype.kind not in "fc" or bool(np.all(np.isfinite(plain)))


def _first(x: Any) -> Any:
    """The first of several results, which the next step takes."""
    return x[0] if isinstance(x, list | tuple) and x else x


def _written(x: Array) -> str:
    if not isinstance(x, np.ndarray):
        return f"np.{type(x).__name__}('{x!s}')" if isinstance(x, np.generic) else repr(x)
    elements = ", ".join(f"'{element}'" if x.dtype.char == "g" else str(element) for element in x.ravel().tolist())
    order = "" if x.flags.c_contiguous else ", order='F'"
    text = f"np.array([{elements}], '{x.dtype}').reshape({x.shape})".replace("nan", "np.nan").replace("inf", "np.inf")
    return text if not order else f"np.asarray({text}{order})"


# ---- drawing ----

MOST_ELEMENTS = 2000
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e-8, 1e8, 65504.0)
GENERIC = (0.3125, -0.8125, 1.4375, -1.1875, 0.6875, 2.3125, -2.5625, 0.1875)
SHAPES = ((), (1,), (3,), (2, 3), (3, 3), (0,), (2, 0), (1, 3), (2, 1), (2, 2, 3), (2, 4, 4, 2))
INPUT_DTYPES = ("float64", "float64", "float32", "float16", "longdouble", "complex128", "complex64")
FIXED = (2, -1.5, True, 1 + 2j, [1.0, 2.0, 0.5], [[1, 2, 3]])


@st.composite
def inputs(draw: Draw, special: bool) -> Array:
    """An array of any dtype, shape and order of memory, or a scalar."""
    dtype = np.dtype(draw(st.sampled_from(INPUT_DTYPES)))
    shape = draw(st.sampled_from(SHAPES))
    size = int(np.prod(shape))
    pool = SPECIAL + GENERIC if special else GENERIC
    seeds = [draw(st.integers(0, 10**6)) for _ in range(1 + (dtype.kind == "c"))]
    parts = [np.random.default_rng(seed).choice(pool, size) for seed in seeds]
    if not special:
        parts = [part + np.arange(size) / 16 for part in parts]
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
    if layout == "scalar" and not shape:
        return elements[()] if dtype not in ("float64", "complex128") or draw(st.booleans()) else elements.item()
    return elements


@st.composite
def fixed_inputs(draw: Draw) -> Array:
    """What is not differentiated by: integers, truths, Python numbers, lists."""
    if draw(st.booleans()):
        return draw(st.sampled_from(FIXED))
    shape = draw(st.sampled_from(SHAPES))
    dtype = np.dtype(draw(st.sampled_from(["int64", "bool", "int8", "uint8", "float32"])))
    return (np.arange(int(np.prod(shape))) * 3 % 4).astype(dtype).reshape(shape)


def _call(draw: Draw, given: Sequence[Array], count: int, is_first: bool) -> Call:
    name = draw(st.sampled_from(sorted(SIGNATURES)))
    signature = SIGNATURES[name]
    numbers = [draw(st.integers(0, count - 1)) for _ in signature.arrays]
    if not is_first and count - 1 not in numbers:
        numbers[0] = count - 1
    ndim = np.ndim(given[numbers[0]]) if numbers[0] < len(given) else draw(st.integers(0, 3))
    operands: list[Any] = [
        [Value(number), Value(draw(st.integers(0, count - 1)))] if part in LISTS else Value(number)
        for part, number in zip(signature.arrays, numbers, strict=True)
    ]
    keywords = {part: KEYWORDS[part](draw, ndim) for part in signature.needed}
    optional = signature.optional
    chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=2)) if optional else ()
    keywords |= {part: KEYWORDS[part](draw, ndim) for part in chosen}
    if keywords.get("order") in ("A", "K") and not is_first:
        keywords["order"] = "C"  # results lie in memory as they do
    return Call(name, tuple(operands), keywords)


def _expression(draw: Draw, given: Sequence[Array], count: int, is_first: bool) -> Expression:
    template = draw(st.sampled_from(EXPRESSIONS))
    first = draw(st.integers(0, count - 1)) if is_first else count - 1
    second = draw(st.integers(0, count - 1))
    ndim = np.ndim(given[first]) if first < len(given) else draw(st.integers(0, 3))
    fields = {part for _, part, _, _ in string.Formatter().parse(template) if part} - {"0", "1"}
    drawn = {part: KEYWORDS[part](draw, ndim) for part in sorted(fields)}
    if drawn.get("order") in ("A", "K") and not is_first:
        drawn["order"] = "C"
    texts = {part: value if part == "index" else repr(value) for part, value in drawn.items()}
    return Expression(template, template.format(Value(first), Value(second), **texts), drawn)


@st.composite
def programs(draw: Draw, special: bool) -> Program:
    """A program of one to three steps."""
    given = draw(st.lists(inputs(special), min_size=1, max_size=2))
    fixed = frozenset[int]()
    if draw(st.integers(0, 3)) == 0:
        fixed = frozenset([len(given)])
        given.append(draw(fixed_inputs()))
    calls: list[Call | Expression] = []
    for _ in range(draw(st.integers(1, 3))):
        step = draw(st.sampled_from([_call, _call, _expression]))
        calls.append(step(draw, given, len(given) + len(calls), not calls))
    return Program(tuple(given), fixed, tuple(calls))
