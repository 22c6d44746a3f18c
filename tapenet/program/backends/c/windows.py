"""Convolutions and pools of images, channels last, as loop nests in C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tapenet.program.backends.c.expressions import place_of, times
from tapenet.program.backends.c.indexing import zeros
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import steps_of

Taps = Sequence[tuple[str, str]]  # of rows and columns, the counters of windows and of places in them


class Windows:
    """The windows that lie over the rows and columns of images."""

    def __init__(self, w: Writer, geometry: Mapping[str, Any], size: Sequence[int], window: Sequence[int]) -> None:
        self.w, self.size, self.window = w, size, window
        self.stride, self.padding = geometry["stride"], geometry["padding"]
        self.dilation = geometry.get("dilation", (1, 1))

    def inside(self, taps: Taps, write: Callable[[str, str], None]) -> None:
        """Write what is done with a place of a window unless it lies in the padding; `write` is given its indices."""
        w, names = self.w, ("row", "column")
        tests = []
        for k, (output, tap) in enumerate(taps):
            first = f"{times(output, self.stride[k])} + {times(tap, self.dilation[k])}"
            w.add(f"const ptrdiff_t {names[k]} = (ptrdiff_t)({first}) - {self.padding[k][0]};")
            tests.append(f"{names[k]} >= 0 && {names[k]} < {self.size[k]}")
        with w.block(f"if ({' && '.join(tests)})"):
            write(*(f"(size_t){name}" for name in names))


def _place(shape: Sequence[int], *indices: str) -> str:
    """Return the place of an element of an array in C order."""
    return place_of(0, indices, steps_of(shape))


# ---- convolutions ----


def convolution(w: Writer, instruction: Instruction) -> None:
    """Write a convolution, or its transpose in the images or in the kernel: the same loops, with another sum."""
    name, out, given = instruction.name, instruction.out, instruction.parameters
    first, second, *bias = instruction.operands
    role = {"conv_input": 0, "conv_kernel": 1}.get(name, 2)  # of the result: the images, the kernel or what they make
    x, kernel, y = {0: (out, second, first), 1: (first, out, second), 2: (first, second, out)}[role]
    zeros(w, out)
    x_shape, kernel_shape, y_shape = w.shape(x), w.shape(kernel), w.shape(y)
    depth, outputs = kernel_shape[2], kernel_shape[3] // given["groups"]
    windows = Windows(w, given, x_shape[1:3], kernel_shape[:2])
    if bias:
        w.loops(y_shape, lambda counters: w.add(f"{w.element(y, counters)} = {w.element(bias[0], counters)};"))

    def write(counters: list[str]) -> None:
        image, i, j, group, p, q = counters

        def each(row: str, column: str) -> None:
            def sums(inner: list[str]) -> None:
                c, o = inner
                channel, output = (f"({times(group, n)} + {k})" for n, k in ((depth, c), (outputs, o)))
                elements = [
                    f"{w.value(x)}[{_place(x_shape, image, row, column, channel)}]",
                    f"{w.value(kernel)}[{_place(kernel_shape, p, q, c, output)}]",
                    f"{w.value(y)}[{_place(y_shape, image, i, j, output)}]",
                ]
                made = elements.pop(role)
                w.add(f"{made} += {elements[0]} * {elements[1]};")

            w.loops([depth, outputs], sums)

        windows.inside([(i, p), (j, q)], each)

    w.loops([x_shape[0], *y_shape[1:3], given["groups"], *kernel_shape[:2]], write)


# ---- pools ----


def _pooled(
    w: Writer, instruction: Instruction, x: int, y_shape: Sequence[int], write: Callable[[list[str], Windows], None]
) -> None:
    windows = Windows(w, instruction.parameters, w.shape(x)[1:3], instruction.parameters["window"])
    w.loops(y_shape, lambda counters: write(counters, windows))


def max_pool(w: Writer, instruction: Instruction) -> None:
    """Write the largest element of each window, and which one it was: the first of equal ones, and NaN before all."""
    (x,), parts = instruction.operands, {instruction.out: int(instruction.name == "residual of max_pool")}
    if instruction.name == "max_pool with residual":
        parts = {n: place for place, n in w.parts[instruction.out].items()}
    made = {place: w.make(n) for n, place in parts.items()}
    kinds = {place: w.type(n) for n, place in parts.items()}
    x_shape, y_shape = w.shape(x), w.shape(next(iter(parts)))
    width = instruction.parameters["window"][1]

    def write(counters: list[str], windows: Windows) -> None:
        image, i, j, c = counters
        w.add(f"{w.type(x)} best = 0;")
        w.add("int winner = -1;")

        def taps(inner: list[str]) -> None:
            p, q = inner

            def each(row: str, column: str) -> None:
                value = f"{w.value(x)}[{_place(x_shape, image, row, column, c)}]"
                with w.block(f"if (winner < 0 || (best == best && !({value} <= best)))"):
                    w.add(f"best = {value};")
                    w.add(f"winner = (int)({times(p, width)} + {q});")

            windows.inside([(i, p), (j, q)], each)

        w.loops(windows.window, taps)
        for place, target in made.items():
            found = "best" if place == 0 else f"({kinds[place]})winner"
            w.add(f"{target}[{_place(y_shape, *counters)}] = {found};")

    _pooled(w, instruction, x, y_shape, write)


def by_winners(w: Writer, instruction: Instruction) -> None:
    """Write the elements that won elsewhere, or add cotangents to where they were."""
    source, winners = instruction.operands
    out, is_gather = instruction.out, instruction.name == "pool_gather"
    x, y = (source, out) if is_gather else (out, source)
    zeros(w, out)
    x_shape, y_shape = w.shape(x), w.shape(winners)
    width = instruction.parameters["window"][1]

    def write(counters: list[str], windows: Windows) -> None:
        image, i, j, c = counters
        own = _place(y_shape, *counters)
        w.add(f"const size_t winner = (size_t){w.value(winners)}[{own}];")

        def each(row: str, column: str) -> None:
            place = _place(x_shape, image, row, column, c)
            to, of = (own, place) if is_gather else (place, own)
            w.add(f"{w.value(out)}[{to}] += {w.value(source)}[{of}];")

        windows.inside([(i, f"(winner / {width})"), (j, f"(winner % {width})")], each)

    _pooled(w, instruction, x, w.shape(y), write)


def avg_pool(w: Writer, instruction: Instruction) -> None:
    """Write the mean of each window without padding, or the transpose of that."""
    (source,), out, is_transposed = instruction.operands, instruction.out, instruction.name == "avg_pool_input"
    x, y = (out, source) if is_transposed else (source, out)
    zeros(w, out)
    x_shape, y_shape = w.shape(x), w.shape(y)

    def write(counters: list[str], windows: Windows) -> None:
        image, i, j, c = counters
        own = _place(y_shape, *counters)

        def over_taps(each: Callable[[str, str], None]) -> None:
            w.loops(windows.window, lambda inner: windows.inside([(i, inner[0]), (j, inner[1])], each))

        def place(row: str, column: str) -> str:
            return _place(x_shape, image, row, column, c)

        w.add(f"{w.type(out)} count = 0;")
        over_taps(lambda row, column: w.add("count += 1;"))
        target, value = w.value(out), w.value(source)
        if is_transposed:
            over_taps(lambda row, column: w.add(f"{target}[{place(row, column)}] += {value}[{own}] / count;"))
        else:
            over_taps(lambda row, column: w.add(f"{target}[{own}] += {value}[{place(row, column)}];"))
            w.add(f"{target}[{own}] /= count;")

    _pooled(w, instruction, x, y_shape, write)


WINDOWS: dict[str, Step] = {
    **dict.fromkeys(("conv", "conv_bias", "conv_input", "conv_kernel"), convolution),
    **dict.fromkeys(("max_pool", "max_pool with residual", "residual of max_pool"), max_pool),
    **dict.fromkeys(("pool_gather", "pool_scatter"), by_winners),
    **dict.fromkeys(("avg_pool", "avg_pool_input"), avg_pool),
}
