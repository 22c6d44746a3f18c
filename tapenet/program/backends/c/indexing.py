"""Parts of arrays, arrays put together, and elements at computed places, as loop nests in C."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from tapenet.core.record import Shape
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.indices import ARRAY
from tapenet.program.backends.c.expressions import place_of, times
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import Selection, broadcast_steps, distance, dummy, index_of, selection_of, steps_of


def copy(w: Writer, out: int, source: int, start: int, steps: Sequence[int]) -> None:
    """Write all of an array, in order, from places of another."""
    w.make(out)
    own = steps_of(w.shape(out))
    w.move((out, 0, own), (source, start, steps), w.shape(out), "=")


def view(w: Writer, instruction: Instruction) -> None:
    """Write a part of an array, its transpose, or its broadcast."""
    (source, *_), out, shape = instruction.operands, instruction.out, w.shape(instruction.operands[0])
    whole = dummy(shape)
    given = instruction.parameters
    parts: dict[str, Callable[[], Any]] = {
        "getitem": lambda: whole[index_of(given["index"])],
        "rows": lambda: whole[given["start"] : given["stop"]],
        "transpose": lambda: whole.transpose(given["axes"]),
        "broadcast_to": lambda: np.broadcast_to(whole, w.shape(out)),
    }
    part = parts[instruction.name]()
    copy(w, out, source, distance(whole, part), part.strides)


def reshape(w: Writer, instruction: Instruction) -> None:
    source, out = instruction.operands[0], instruction.out
    if w.shape(source) and w.shape(out):
        w.share(out, source)
    else:
        copy(w, out, source, 0, (0,) * len(w.shape(out)))


def concatenate(w: Writer, instruction: Instruction) -> None:
    out, axis = instruction.out, instruction.parameters.get("axis", 0)
    steps, start = steps_of(w.shape(out)), 0
    w.make(out)
    for n in instruction.operands:
        shape = w.shape(n)
        w.move((out, start * steps[axis], steps), (n, 0, steps_of(shape)), shape, "=")
        start += shape[axis]


def roll(w: Writer, instruction: Instruction) -> None:
    """Write an array whose elements move around along axes."""
    source, out, shape = instruction.operands[0], instruction.out, w.shape(instruction.out)
    shifts = [0] * len(shape)
    for shift, axis in zip(instruction.parameters["shift"], instruction.parameters["axis"], strict=True):
        shifts[axis] += shift
    target = w.make(out)

    def write(counters: list[str]) -> None:
        moved = [
            f"({i} + {shift % n}) % {n}" if shift % n else i
            for i, shift, n in zip(counters, shifts, shape, strict=True)
        ]
        place = place_of(0, [f"({i})" for i in moved], steps_of(shape))
        w.add(f"{target}[{place}] = {w.element(source, counters)};" if shape else f"{target} = {w.value(source)};")

    w.loops(shape, write)


def pad(w: Writer, instruction: Instruction) -> None:
    """Write an array within zeros."""
    source, out = instruction.operands[0], instruction.out
    zeros(w, out)
    steps = steps_of(w.shape(out))
    start = sum(before * step for (before, _), step in zip(instruction.parameters["width"], steps, strict=True))
    w.move((out, start, steps), (source, 0, steps_of(w.shape(source))), w.shape(source), "=")


def zeros(w: Writer, out: int) -> None:
    """Write zeros."""
    w.make(out)
    w.loops(w.shape(out), lambda counters: w.add(f"{w.element(out, counters)} = 0;"))


# ---- indices that are arrays ----


def _at_places(
    w: Writer,
    instruction: Instruction,
    index: Sequence[Any],
    arrays: Sequence[int],
    shape: Shape,
    read: Shape,
    write: Callable[[list[str], str], None],
) -> None:
    """Write a loop nest over what an index with arrays names.

    Args:
        index, arrays: the index, and the arrays in it.
        shape: of the array that it is of.
        read: the shape of what is read or written there, perhaps to be broadcast.
        write: is given the counters and the place.
    """
    masks = [n for n in arrays if _is_mask(w, n)]
    with w.block(), ExitStack() as memory:
        if masks and len(arrays) > 1:
            index, arrays = _as_integers(w, instruction, index, arrays, shape, read, memory)
            masks = []
        if masks:
            _where_mask_holds(w, index, masks[0], shape, read, write)
        else:
            chosen = selection_of(index, [w.shape(n) for n in arrays], shape)
            assert chosen is not None  # NumPy has read it
            w.loops(chosen.shape, functools.partial(_at_index, w, arrays, chosen, write))


def _at_index(
    w: Writer, arrays: Sequence[int], chosen: Selection, write: Callable[[list[str], str], None], counters: list[str]
) -> None:
    own = counters[chosen.before : chosen.before + chosen.count]
    terms = [place_of(chosen.start, counters, chosen.steps)]
    for i, (number, (length, step)) in enumerate(zip(arrays, chosen.arrays, strict=True)):
        w.add(f"ptrdiff_t at{i} = (ptrdiff_t){w.element(number, own)};")
        w.add(f"if (at{i} < 0) at{i} += {length};")
        w.add(f"if (at{i} < 0 || at{i} >= {length}) return 2;")
        terms.append(times(f"at{i}", step))
    write(counters, " + ".join(terms))


def _where_mask_holds(
    w: Writer,
    index: Sequence[Any],
    mask: int,
    shape: Shape,
    read: Shape,
    write: Callable[[list[str], str], None],
) -> None:
    """Write a loop nest over a mask; where it holds more or less often than when it was recorded, 1 is returned."""
    axes = len(w.shape(mask))
    if not axes:
        raise ArgumentError("to_c: masks must be arrays with axes; got the truth value of a number.")
    places = [x for part in index for x in ([ARRAY] * axes if part is ARRAY else [part])]
    chosen = selection_of(places, [(1,)] * axes, shape)
    assert chosen is not None
    own = len(read) - len(chosen.shape) + chosen.before
    count = read[own] if own >= 0 and read[own] != 1 else None
    others = [n for i, n in enumerate(chosen.shape) if i != chosen.before]

    def inner(at: list[str], counters: list[str]) -> None:
        every = [*counters[: chosen.before], "found", *counters[chosen.before :]]
        terms = [place_of(chosen.start, every, chosen.steps)]
        terms += [times(i, step) for i, (_, step) in zip(at, chosen.arrays, strict=True)]
        write(every, " + ".join(terms))

    _each_true(w, mask, count, lambda at: w.loops(others, lambda counters: inner(at, counters)))


def _each_true(w: Writer, mask: int, count: int | None, write: Callable[[list[str]], None]) -> None:
    """Write a loop nest over where a mask holds; 1 is returned where that is more or less often than is known."""

    def each(at: list[str]) -> None:
        w.add(f"if (!{w.element(mask, at)}) continue;")
        if count is not None:
            w.add(f"if (found == {count}) return 1;")
        write(at)
        w.add("found++;")

    w.add("size_t found = 0;")
    w.loops(w.shape(mask), each)
    w.add("(void)found;" if count is None else f"if (found != {count}) return 1;")


def _as_integers(
    w: Writer,
    instruction: Instruction,
    index: Sequence[Any],
    arrays: Sequence[int],
    shape: Shape,
    read: Shape,
    memory: ExitStack,
) -> tuple[list[Any], list[int]]:
    """Write the places where masks hold, and return an index with these in the place of the masks."""
    known = {n: _known_places(w, n) for n in arrays if _is_mask(w, n) and n in w.program.constants}
    index, arrays = _with_places(index, arrays, known)
    unknown = [n for n in arrays if _is_mask(w, n)]
    count = _count_of_masks(w, index, arrays, shape, read) if unknown else 0
    if count is None:
        raise ArgumentError(
            f"to_c: masks beside other arrays in an index must choose as many elements as those, or as there are "
            f"values; got a number that the shapes do not tell, at {instruction.line}. Broadcast the values."
        )
    return _with_places(index, arrays, {n: _places_of(w, n, count, memory) for n in unknown})


def _with_places(
    index: Sequence[Any], arrays: Sequence[int], places: Mapping[int, list[int]]
) -> tuple[list[Any], list[int]]:
    """Return an index in which arrays of places stand for some masks."""
    parts: list[Any] = []
    found: list[int] = []
    remaining = iter(arrays)
    for part in index:
        if part is not ARRAY:
            parts.append(part)
            continue
        n = next(remaining)
        own = places.get(n, [n])
        parts += [ARRAY] * len(own)
        found += own
    return parts, found


def _known_places(w: Writer, mask: int) -> list[int]:
    """Return the numbers of arrays of the places where a mask that is a constant holds."""
    numbers = []
    for places in np.nonzero(w.program.constants[mask]):
        numbers.append(w.new_value(places.shape, places.dtype))
        w.names[numbers[-1]] = w.table(places)
    return numbers


def _count_of_masks(w: Writer, index: Sequence[Any], arrays: Sequence[int], shape: Shape, read: Shape) -> int | None:
    """Return how often masks hold, as the shapes of other arrays and of what is read tell."""
    of_others = [w.shape(n) for n in arrays if not _is_mask(w, n)]
    joint = np.broadcast_shapes(*of_others)
    axes = [(1,) * len(w.shape(n)) if _is_mask(w, n) else None for n in arrays]
    for count in joint[-1:] if joint[-1:] not in ((), (1,)) else dict.fromkeys(read):
        remaining = iter(zip(arrays, axes, strict=True))
        parts: list[Any] = []
        shapes: list[Shape] = []
        for part in index:
            n, own = next(remaining) if part is ARRAY else (-1, None)
            parts += [part] if own is None else [ARRAY] * len(own)
            shapes += [] if n < 0 else [w.shape(n)] if own is None else [(count,)] * len(own)
        chosen = selection_of(parts, shapes, shape)
        if chosen is not None and (chosen.shape == read or joint[-1:] not in ((), (1,))):
            return count
    return None


def _places_of(w: Writer, mask: int, count: int, memory: ExitStack) -> list[int]:
    """Write the indices of the elements where a mask holds, and return the numbers of these arrays."""
    axes = len(w.shape(mask))
    numbers = [w.new_value((count,), np.dtype(np.int64)) for _ in range(axes)]
    for n in numbers:
        w.names[n] = memory.enter_context(w.scratch(max(1, count), np.dtype(np.int64)))

    def write(at: list[str]) -> None:
        for n, i in zip(numbers, at, strict=True):
            w.add(f"{w.names[n]}[found] = (int64_t){i};")

    with w.block():
        _each_true(w, mask, count, write)
    return numbers


def _is_mask(w: Writer, number: int) -> bool:
    dtype = w.program.spaces[number].dtype
    return dtype is not None and dtype.kind == "b"


def gather(w: Writer, instruction: Instruction) -> None:
    """Write the elements that an index with arrays names."""
    source, *arrays = instruction.operands
    out = instruction.out
    w.make(out)
    x = w.value(source)

    def write(counters: list[str], place: str) -> None:
        w.add(f"{w.element(out, counters)} = {x}[{place}];")

    _at_places(w, instruction, instruction.parameters["index"], arrays, w.shape(source), w.shape(out), write)


def assemble(w: Writer, instruction: Instruction) -> None:
    """Write zeros, and add pieces to parts of them."""
    out, given, count = instruction.out, instruction.parameters, len(instruction.operands) - 1
    zeros(w, out)
    remaining = iter(instruction.operands)
    for index, own in given["indices"] if "indices" in given else ((given["index"], count),):
        values, *arrays = (next(remaining) for _ in range(1 + own))
        _write_at(w, instruction, index, arrays, values, "+=")


def put(w: Writer, instruction: Instruction) -> None:
    """Write a copy of an array, with other elements where an index says."""
    source, values, *arrays = instruction.operands
    copy(w, instruction.out, source, 0, steps_of(w.shape(source)))
    _write_at(w, instruction, instruction.parameters["index"], arrays, values, "=")


def lasting(w: Writer, instruction: Instruction) -> None:
    """Write which elements of a value remain after it is set at an index: all that no later one overwrites."""
    out, given = instruction.out, instruction.parameters
    steps = steps_of(w.shape(out))
    w.make(out)
    with w.scratch(math.prod(given["shape"]), np.dtype(np.int64)) as last:
        for text in ("{last}[{place}] = (int64_t)({turn});", "{element} = {last}[{place}] == (int64_t)({turn});"):

            def write(counters: list[str], place: str, text: str = text) -> None:
                turn, element = place_of(0, counters, steps), w.element(out, counters)
                w.add(text.format(last=last, place=place, turn=turn, element=element))

            _at_places(w, instruction, given["index"], instruction.operands, given["shape"], w.shape(out), write)


def _write_at(
    w: Writer, instruction: Instruction, index: Sequence[Any], arrays: Sequence[int], values: int, sign: str
) -> None:
    """Write values, or add them, to where an index of a result says."""
    out = instruction.out
    if arrays:

        def write(counters: list[str], place: str) -> None:
            w.add(f"{w.names[out]}[{place}] {sign} {w.element(values, counters)};")

        _at_places(w, instruction, index, arrays, w.shape(out), w.shape(values), write)
        return
    whole = dummy(w.shape(out))
    part = whole[index_of(index)]
    own = (out, distance(whole, part), part.strides)
    w.move(own, (values, 0, broadcast_steps(w.shape(values), part.shape)), part.shape, sign)


INDEXING: dict[str, Step] = {
    **dict.fromkeys(("getitem", "rows", "transpose", "broadcast_to"), view),
    **dict.fromkeys(("concatenate", "stacked rows"), concatenate),
    **dict.fromkeys(("assemble", "scatter", "place"), assemble),
    "gather": gather,
    "lasting": lasting,
    "set": put,
    "roll": roll,
    "pad_zeros": pad,
    "reshape": reshape,
}
