"""Orders in C: a stable merge sort of places, and the places of extrema."""

from __future__ import annotations

import attrs

from tapenet.errors import ArgumentError
from tapenet.program.backends.c.expressions import place_of
from tapenet.program.backends.c.operations import Element, each_result
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import steps_of

_FLOATS = ("float", "double")

# NaN comes last, as in NumPy. Compilers warn of an integer that is compared with itself.
_LESS, _LESS_OF_FLOATS = "(right < left)", "(right < left || (left != left && right == right))"

_ORDER = """/* Returns the places of n elements in order, of equals as they were; `places` has room for 2 n. */
static int64_t *{name}(const {kind} *x, size_t step, int64_t *places, size_t n) {{
  int64_t *from = places, *to = places + n;
  for (size_t i = 0; i < n; i++) from[i] = (int64_t)i;
  for (size_t width = 1; width < n; width *= 2) {{
    for (size_t start = 0; start < n; start += 2 * width) {{
      const size_t middle = n - start < width ? n : start + width;
      const size_t end = n - start < 2 * width ? n : start + 2 * width;
      for (size_t i = start, j = middle, k = start; k < end; k++) {{
        int is_right = i == middle;
        if (i < middle && j < end) {{
          const {kind} left = x[(size_t)from[i] * step], right = x[(size_t)from[j] * step];
          is_right = {less};
        }}
        to[k] = is_right ? from[j++] : from[i++];
      }}
    }}
    int64_t *const kept = from;
    from = to;
    to = kept;
  }}
  return from;
}}"""


def order(w: Writer, instruction: Instruction) -> None:
    """Write the places that put an array in order along an axis."""
    source, out = instruction.operands[0], instruction.out
    given, shape, kind = instruction.parameters, w.shape(source), w.type(source)
    if (
        set(given) - {"axis", "kind", "stable", "order", "kth"}
        or given.get("axis") is None
        or len(instruction.operands) > 1
    ):
        raise ArgumentError(
            f"to_c: {instruction.name} must be along an axis; got {dict(given)}, at {instruction.line}."
        )
    if not shape:
        raise ArgumentError(
            f"to_c: {instruction.name} must be of arrays with axes; got a number, at {instruction.line}."
        )
    axis = given["axis"] % len(shape)
    less = _LESS_OF_FLOATS if kind in _FLOATS else _LESS
    name = w.function("order", kind, _ORDER.replace("{less}", less))
    others, steps, length = [i for i in range(len(shape)) if i != axis], steps_of(shape), shape[axis]
    target = w.make(out)

    def write(counters: list[str]) -> None:
        start = place_of(0, counters, [steps[i] for i in others])
        w.add(f"const int64_t *const found = {name}({w.value(source)} + {start}, {steps[axis]}, {places}, {length});")
        w.loops([length], lambda own: w.add(f"{target}[{start} + {own[0]} * {steps[axis]}] = found[{own[0]}];"))

    if 0 not in shape:
        with w.scratch(2 * length, w.program.spaces[out].dtype) as places:
            w.loops([shape[i] for i in others], write)


def extremum(w: Writer, instruction: Instruction) -> None:
    """Write the places of the first largest or smallest elements, or of the first NaN."""
    source, *rest = instruction.operands
    given = {"axis": w.program.constants[rest[0]] if rest else None, **instruction.parameters}
    sign, kind = "<" if instruction.name == "argmax" else ">", w.type(source)
    is_nan = " || (best == best && {x} != {x})" if kind in _FLOATS else ""

    def write(place: str, lengths: list[int], element: Element) -> None:
        def each(inner: list[str]) -> None:
            x, at = element(inner), place_of(0, inner, steps_of(lengths))
            w.add(f"if (best {sign} {x}{is_nan.format(x=x)}) {{ best = {x}; {place} = (int64_t)({at}); }}")

        with w.block():
            w.add(f"{place} = 0;")
            w.add(f"{kind} best = {element(['0'] * len(lengths))};")
            w.loops(lengths, each)

    each_result(w, attrs.evolve(instruction, parameters=given), write)


_PLACE = """/* Returns the first place, or the last, at which x may be put into n elements in order. */
static int64_t {name}(const {kind} *sorted, size_t n, {kind} x, int is_last) {{
  size_t low = 0, high = n;
  while (low < high) {{
    const size_t middle = low + (high - low) / 2;
    const {kind} left = is_last ? x : sorted[middle], right = is_last ? sorted[middle] : x;
    if ({less} != is_last) low = middle + 1;
    else high = middle;
  }}
  return (int64_t)low;
}}"""


def search(w: Writer, instruction: Instruction) -> None:
    """Write where numbers belong in an array that is in order."""
    values, x, *rest = instruction.operands
    side = instruction.parameters.get("side", w.program.constants.get(rest[0]) if rest else "left")
    dtypes = [w.program.spaces[n].dtype for n in (values, x)]
    if set(instruction.parameters) - {"side"} or len(rest) > 1 or dtypes[0] != dtypes[1]:
        raise ArgumentError(
            f"to_c: searchsorted must be of two arrays of one dtype, without a sorter; got {dtypes[0]} and "
            f"{dtypes[1]}, at {instruction.line}. Cast them, and sort the first."
        )
    kind, out = w.type(values), instruction.out
    less = "(left < right || (right != right && left == left))" if kind in _FLOATS else "(left < right)"
    name, target, is_last = w.function("place", kind, _PLACE.replace("{less}", less)), w.make(out), int(side == "right")

    def write(counters: list[str]) -> None:
        place = w.element(out, counters) if w.shape(out) else target
        w.add(f"{place} = {name}({w.value(values)}, {w.shape(values)[0]}, {w.element(x, counters)}, {is_last});")

    w.loops(w.shape(out), write)


ORDERING: dict[str, Step] = {
    **dict.fromkeys(("order", "argsort", "partial_order", "argpartition"), order),
    **dict.fromkeys(("searchsorted", "places_among"), search),
    **dict.fromkeys(("argmax", "argmin"), extremum),
}
