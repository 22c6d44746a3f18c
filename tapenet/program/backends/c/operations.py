"""Matrix products, reductions, running sums and softmax as loop nests in C."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tapenet.core.record import Shape
from tapenet.program.backends.c.expressions import place_of, times
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import broadcast_steps, steps_of

Element = Callable[[list[str]], str]  # an element at indices, as text


def unless_empty(write: Step) -> Step:
    """Return a step that writes nothing for a result without elements."""

    def step(w: Writer, instruction: Instruction) -> None:
        if 0 in w.shape(instruction.out):
            w.make(instruction.out)
        else:
            write(w, instruction)

    return step


def product(w: Writer, instruction: Instruction) -> None:
    """Write a product of matrices or vectors, or of stacks of them; that of an affine map begins with its bias."""
    x, y, *rest = instruction.operands
    out = instruction.out
    w.make(out)
    x_shape, y_shape = w.shape(x), w.shape(y)
    is_turned = instruction.name == "product of transposed"
    x_matrix = x_shape[-2:] if len(x_shape) > 1 else (1, *x_shape)
    rows, depth = x_matrix[::-1] if is_turned else x_matrix
    columns = y_shape[-1] if len(y_shape) > 1 else 1
    stack = np.broadcast_shapes(x_shape[:-2], y_shape[:-2])
    x_steps, y_steps = (broadcast_steps(shape[:-2], stack) for shape in (x_shape, y_shape))

    def write(counters: list[str]) -> None:
        *outer, i, j = counters
        own = place_of(0, counters, steps_of((*stack, rows, columns)))
        place = f"{w.names[out]}[{own}]" if w.shape(out) else w.names[out]
        x_start, y_start = (
            place_of(0, outer, [step * size for step in steps])
            for steps, size in ((x_steps, rows * depth), (y_steps, depth * columns))
        )

        def term(inner: list[str]) -> str:
            (k,) = inner
            at = f"{times(k, rows)} + {i}" if is_turned else f"{times(i, depth)} + {k}"
            return f"{w.value(x)}[{x_start} + {at}] * {w.value(y)}[{y_start} + {times(k, columns)} + {j}]"

        w.sums(place, [depth], term, f"{w.value(rest[0])}[{j}]" if rest else "0")

    w.loops([*stack, rows, columns], write)


def reduction(w: Writer, instruction: Instruction) -> None:
    """Write sums, means, products, extrema, norms, variances and standard deviations over axes."""
    source, out, name = instruction.operands[0], instruction.out, instruction.name
    is_cast = instruction.parameters.get("dtype") is not None

    def write(place: str, lengths: list[int], given: Element) -> None:
        def element(inner: list[str]) -> str:
            return f"({w.type(out)}){given(inner)}" if is_cast else given(inner)

        if name in EXTREMA:
            w.add(f"{place} = {element(['0'] * len(lengths))};")
            if lengths:  # compilers warn of a number that is compared with itself
                w.loops(lengths, lambda inner: w.add(EXTREMA[name].format(best=place, x=element(inner))))
        elif name in TRUTHS:
            w.add(f"{place} = {TRUTHS[name][0]};")
            w.loops(lengths, lambda inner: w.add(f"{place} {TRUTHS[name][1]} {element(inner)} != 0;"))
        elif name == "prod":
            w.add(f"{place} = 1;")
            w.loops(lengths, lambda inner: w.add(f"{place} *= {element(inner)};"))
        elif name in ("var", "std"):
            _variance(w, instruction, place, lengths, element)
        else:
            w.sums(
                place, lengths, lambda inner: _squared(w, source, element(inner)) if name == "norm" else element(inner)
            )
            if name == "mean":
                w.add(f"{place} /= {math.prod(lengths)};")
            elif name == "norm":
                w.add(f"{place} = {_root(w, out)}({place});")

    each_result(w, instruction, write)


def each_result(w: Writer, instruction: Instruction, write: Callable[[str, list[int], Element], None]) -> None:
    """Write a loop nest over the results of a reduction.

    Args:
        write: is given where a result is written, the lengths of the axes that go, and what returns the element at
            indices along these.
    """
    source, out = instruction.operands[0], instruction.out
    shape, kept, over = cut(w, instruction)
    target = w.make(out)
    lengths = [shape[i] for i in over]

    def each(counters: list[str]) -> None:
        place = f"{target}[{place_of(0, counters, steps_of([shape[i] for i in kept]))}]" if w.shape(out) else target

        def element(inner: list[str]) -> str:
            return w.element(source, _every(kept, counters, over, inner))

        write(place, lengths, element)

    w.loops([shape[i] for i in kept], each)


def _every(kept: list[int], counters: list[str], over: list[int], inner: list[str]) -> list[str]:
    """Return the indices along all axes, of those along some and those along the others."""
    every = dict(zip((*kept, *over), (*counters, *inner), strict=True))
    return [every[i] for i in range(len(every))]


def _variance(w: Writer, instruction: Instruction, place: str, lengths: list[int], element: Element) -> None:
    source, out, count = instruction.operands[0], instruction.out, math.prod(lengths)
    degrees = max(count - instruction.parameters["ddof"], 0)
    with w.block():
        kind = w.type(source if w.is_complex(source) else out)
        w.add(f"{kind} mean = 0;")
        w.loops(lengths, lambda inner: w.add(f"mean += {element(inner)};"))
        w.add(f"mean /= {count};")
        w.sums(place, lengths, lambda inner: _squared(w, source, f"({element(inner)} - mean)"))
        w.add(f"{place} /= ({w.type(out)}){degrees};")
        if instruction.name == "std":
            w.add(f"{place} = {_root(w, out)}({place});")


def _squared(w: Writer, source: int, x: str) -> str:
    """Return the square of the magnitude of a number like those of a value."""
    if not w.is_complex(source):
        return f"{x} * {x}"
    f = "f" * w.type(source).startswith("float")
    return f"creal{f}({x}) * creal{f}({x}) + cimag{f}({x}) * cimag{f}({x})"


def _root(w: Writer, number: int) -> str:
    return f"sqrt{'f' * (w.type(number) == 'float')}"


def running(w: Writer, instruction: Instruction) -> None:
    """Write running sums or products along an axis, or a linear recurrence s_k = a_k s_(k-1) + b_k."""
    out, axis, name = instruction.out, instruction.parameters["axis"], instruction.name
    *factors, source = instruction.operands
    shape = w.shape(out)
    target, steps = w.make(out), steps_of(shape)
    others = [i for i in range(len(shape)) if i != axis]
    start = "1" if name == "cumprod" else "0"

    def write(counters: list[str]) -> None:
        w.add(f"{w.type(out)} total = {start};")

        def each(inner: list[str]) -> None:
            places = _every(others, counters, [axis], inner)
            x = f"({w.type(out)}){w.element(source, places)}"
            if factors:
                w.add(f"total = {w.element(factors[0], places)} * total + {x};")
            else:
                w.add(f"total {'*' if name == 'cumprod' else '+'}= {x};")
            w.add(f"{target}[{place_of(0, places, steps)}] = total;")

        w.loops([shape[axis]], each)

    with w.block():
        w.loops([shape[i] for i in others], write)


def cut(w: Writer, instruction: Instruction) -> tuple[Shape, list[int], list[int]]:
    """Return the shape of what is reduced, the axes that stay, and those that go."""
    whole = None if instruction.name in TRUTHS else 0  # what no axis means
    shape, axis = w.shape(instruction.operands[0]), instruction.parameters.get("axis", whole)
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    over = sorted({i % len(shape) for i in axes}) if shape else []  # NumPy takes axis 0 of a number for its only one
    return shape, [i for i in range(len(shape)) if i not in over], over


def softmax(w: Writer, instruction: Instruction) -> None:
    """Write softmax or log_softmax over axes."""
    (source, *_), out = instruction.operands, instruction.out
    shape, kept, over = cut(w, instruction)
    target, kind = w.make(out), w.type(out)
    suffix, is_log = "f" * (kind == "float"), instruction.name == "log_softmax"

    def write(counters: list[str]) -> None:
        steps, lengths = steps_of(shape), [shape[i] for i in over]

        def at(inner: list[str]) -> str:
            return place_of(0, _every(kept, counters, over, inner), steps)

        x = w.value(source)
        w.add(f"{kind} top = {x}[{at(['0'] * len(over))}], total = 0;")
        w.loops(lengths, lambda inner: w.add(f"if ({x}[{at(inner)}] > top) top = {x}[{at(inner)}];"))
        above = f"exp{suffix}({x}[{{}}] - top)"
        w.loops(lengths, lambda inner: w.add(f"total += {above.format(at(inner))};"))
        last = f"{x}[{{}}] - top - log{suffix}(total)" if is_log else f"{above} / total"
        w.loops(lengths, lambda inner: w.add(f"{target}[{at(inner)}] = {last.format(at(inner))};"))

    with w.block():
        w.loops([shape[i] for i in kept], write)


def einsum(w: Writer, instruction: Instruction) -> None:
    """Write a sum of products over letters."""
    labels, out_label = instruction.parameters["labels"], instruction.parameters["out"]
    sizes: dict[str, int] = {}
    for label, n in zip(labels, instruction.operands, strict=True):
        sizes |= dict(zip(label, w.shape(n), strict=True))
    summed = [letter for letter in sizes if letter not in out_label]
    target = w.make(instruction.out)

    def write(counters: list[str]) -> None:
        own = dict(zip(out_label, counters, strict=True))
        place = f"{target}[{place_of(0, counters, steps_of(w.shape(instruction.out)))}]" if out_label else target

        def term(inner: list[str]) -> str:
            every = own | dict(zip(summed, inner, strict=True))
            pairs = zip(labels, instruction.operands, strict=True)
            return " * ".join(w.element(n, [every[letter] for letter in label]) for label, n in pairs)

        w.sums(place, [sizes[letter] for letter in summed], term)

    w.loops([sizes[letter] for letter in out_label], write)


def convolution(w: Writer, instruction: Instruction) -> None:
    """Write a convolution of two vectors, or the products of one with parts of the other."""
    x, y = instruction.operands
    (length,), is_sliding = w.shape(y), instruction.name == "slide"
    (whole,) = w.shape(x)
    target, a, b = w.make(instruction.out), w.value(x), w.value(y)

    def write(counters: list[str]) -> None:
        (k,) = counters
        place = f"{target}[{k}]"
        w.add(f"{place} = 0;")
        if is_sliding:
            w.loops([length], lambda inner: w.add(f"{place} += {a}[{k} + {inner[0]}] * {b}[{inner[0]}];"))
            return
        w.loops(
            [length],
            lambda inner: w.add(
                f"if ({inner[0]} <= {k} && {k} - {inner[0]} < {whole}) "
                f"{place} += {a}[{k} - {inner[0]}] * {b}[{inner[0]}];"
            ),
        )

    w.loops(w.shape(instruction.out), write)


# NaN is the largest and the smallest, or passed over.
EXTREMA = {
    "nanmax": "if ({best} != {best} || {x} > {best}) {best} = {x};",
    "nanmin": "if ({best} != {best} || {x} < {best}) {best} = {x};",
    "max": "if ({best} == {best} && !({x} <= {best})) {best} = {x};",
    "min": "if ({best} == {best} && !({x} >= {best})) {best} = {x};",
}


# Of truth values, or of numbers taken for such: what the result begins as, and how each element is added.
TRUTHS = {"all": ("1", "&="), "any": ("0", "|="), "count_nonzero": ("0", "+=")}


OPERATIONS: dict[str, Step] = {
    **dict.fromkeys(("matmul", "matvec", "affine", "product of transposed"), product),
    **dict.fromkeys(("sum", "sum of rows", "mean", *EXTREMA, "norm", "prod", "var", "std", *TRUTHS), reduction),
    **dict.fromkeys(("cumsum", "cumprod", "recurrence"), unless_empty(running)),
    **dict.fromkeys(("softmax", "log_softmax"), unless_empty(softmax)),
    "einsum": einsum,
    **dict.fromkeys(("convolve", "slide"), convolution),
}
