"""Recurrences: all steps of a loop whose body is elementwise, as one kernel whose rows are the steps.

The carries of all steps are rows of one array: a step reads its row and writes the next. So the loop over the rows of
the kernel is the loop itself, and a step of a few operations takes nanoseconds rather than microseconds.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import REGISTRY
from tapenet.core.record import Shape
from tapenet.kernels.backends import has_machine_code
from tapenet.kernels.machine_code import Library, compile_module
from tapenet.kernels.memory import empty
from tapenet.kernels.objects import finds_data
from tapenet.program.backends.llvm.kernel_code import Kernel, is_known_elementwise, kernel_of, module_of
from tapenet.program.fusion.cell_rules import Component
from tapenet.program.fusion.regions import Region, inputs_of
from tapenet.program.instructions import Instruction, Program, Space
from tapenet.program.passes.rewriting import new_numbers

# Steps from which on the kernel is worth its compilation, and elements of a carry that one thread computes.
FEWEST_STEPS, MOST_ELEMENTS = 2**5, 2**15


@attrs.frozen(eq=False)
class Recurrence:
    """All steps of a loop.

    Attributes:
        program: of a step.
        carries, xs: how many of its inputs are of the carry, and of x; the others are the same in all steps.
        shape: of the carry.
        kernel: of all steps.
        library: holds its code.
        arrays: what the kernel reads and writes: "carry", "x", "around" or "y", and a place among these.
    """

    program: Program
    carries: int
    xs: int
    shape: Shape
    kernel: Kernel
    library: Library
    arrays: dict[int, tuple[str, int]]

    @functools.cached_property
    def entry(self) -> Callable[..., int]:
        """The machine code."""
        prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.py_object, *(ctypes.c_int64,) * 4)
        return prototype(self.library.address("kernel0.entry"))

    def run(self, operands: Sequence[Any], count: int, reverse: bool) -> tuple[list[Any], list[Any], list[Any]] | None:
        """Return the last carry, and the y and the carry before each step; None where NumPy is to compute them."""
        if not all(map(self._fits, operands, self.program.inputs, range(len(operands)))):
            return None
        size, spaces = math.prod(self.shape), self.program.spaces
        ends = self.carries, self.carries + self.xs
        given: dict[str, list[Any]] = {"around": [np.asarray(x, order="C") for x in operands[ends[1] :]]}
        given["x"] = [np.ascontiguousarray(x[::-1] if reverse else x) for x in operands[ends[0] : ends[1]]]
        given["carry"] = [empty((count + 1, size), np.asarray(x).dtype) for x in operands[: ends[0]]]
        given["y"] = [empty((count, size), spaces[n].dtype) for n in self.program.outputs[self.carries :]]
        for rows, first in zip(given["carry"], operands, strict=False):
            rows[0] = np.reshape(first, -1)
        values = [given[kind][place] for kind, place in (self.arrays[n] for n in self.kernel.operands)]
        values += [given[kind][place] for kind, place in list(self.arrays.values())[-self.kernel.results :]]
        numbers = (given[kind][place] for kind, place in (self.arrays[n] for n in self.kernel.scalars))
        if self.entry((*values, *(float(x) for x in numbers)), 0, count, 0, size):
            return None
        order = slice(None, None, -1) if reverse else slice(None)
        ends_of = [rows[count].reshape(self.shape).copy() for rows in given["carry"]]
        ends_of = [x if self._is_array(place, count) else x[()] for place, x in enumerate(ends_of)]
        befores = [np.ascontiguousarray(rows[:count][order]).reshape(count, *self.shape) for rows in given["carry"]]
        return ends_of, [np.ascontiguousarray(y[order]).reshape(count, *self.shape) for y in given["y"]], befores

    def _is_array(self, place: int, count: int) -> bool:
        """Return whether the last carry at a place is an array and not a scalar, as those of the steps are."""
        program, path = self.program, [place]
        carried = program.inputs[: self.carries]
        while (n := program.outputs[path[-1]]) in carried:  # it is moved from another place, or kept
            before = carried.index(n)
            if before in path:
                start = path.index(before)
                return program.spaces[carried[path[start + (count - start) % (len(path) - start)]]].is_array
            path.append(before)
        return program.spaces[n].is_array

    def _fits(self, x: Any, number: int, place: int) -> bool:
        """Return whether an operand is what was recorded."""
        space, shape = self.program.spaces[number], np.shape(x)
        own = shape[1:] if self.carries <= place < self.carries + self.xs else shape
        return own == space.shape and getattr(x, "dtype", None) == space.dtype


def recurrence_of(program: Program, carries: int, xs: int, count: int) -> Recurrence | None:
    """Return all steps of a loop as one kernel; None where the body is not elementwise, or the compiler is missing.

    Args:
        program: of a step, from the leaves of the carry, of x and of what is around to those of the carry and of y.
        carries, xs: how many leaves there are.
        count: of steps.
    """
    if count < FEWEST_STEPS or not carries or not has_machine_code() or not finds_data():
        return None
    shape = program.spaces[program.inputs[0]].shape
    known = all(x.primitive is not None and program.spaces[x.out].shape == shape for x in program.instructions)
    if shape is None or not known or not 0 < math.prod(shape) <= MOST_ELEMENTS:
        return None
    return _Writer(program, carries, xs, shape, count).recurrence()


@attrs.define(eq=False)
class _Writer:
    """Writes the kernel of a recurrence: a program of arrays whose rows are the steps."""

    program: Program
    carries: int
    xs: int
    shape: Shape
    count: int
    spaces: dict[int, Space] = attrs.field(factory=dict)
    sources: dict[int, Component] = attrs.field(factory=dict)
    arrays: dict[int, tuple[str, int]] = attrs.field(factory=dict)

    def recurrence(self) -> Recurrence | None:
        """Return the kernel with what it takes; None where an operation is not one of kernels."""
        size, numbers, program = math.prod(self.shape), new_numbers(self.program), self.program
        held = [next(numbers) for _ in range(self.carries)]
        for place, n in enumerate(program.inputs):
            if not self._read(place, n, held):
                return None
        made = list(program.instructions)
        self.spaces |= {x.out: Space((self.count, size), program.spaces[x.out].dtype) for x in made}
        for n in program.constants:
            if program.spaces[n].shape:
                return None
            self.spaces[n] = program.spaces[n]
        results: list[tuple[int, Component]] = []
        for place, n in enumerate(program.outputs):
            if program.spaces[n].shape != self.shape or program.spaces[n].dtype is None:
                return None
            if n not in {x.out for x in made}:
                made.append(Instruction(REGISTRY["positive"], (n,), {}, next(numbers)))
                self.spaces[made[-1].out] = Space((self.count, size), program.spaces[n].dtype)
                n = made[-1].out
            array = next(numbers)  # of a carry another one than is read, for the same memory
            self.arrays[array] = ("carry", place) if place < self.carries else ("y", place - self.carries)
            results.append((n, Component(array, size if place < self.carries else 0)))
        return self._compiled(made, results)

    def _read(self, place: int, n: int, held: Sequence[int]) -> bool:
        """Note what an input is to the kernel; return whether it can be one."""
        space, size = self.program.spaces[n], math.prod(self.shape)
        if space.dtype is None or space.is_number or space.shape not in (self.shape, ()):
            return False
        if place < self.carries:
            self.spaces[n] = self.spaces[held[place]] = Space((self.count, size), space.dtype)
            self.sources[n] = Component(held[place])
            self.arrays[held[place]] = ("carry", place)
            return space.shape == self.shape
        is_x = place < self.carries + self.xs
        width = size if space.shape == self.shape else 1
        shape = (self.count, width) if is_x else (1, width) if space.shape else ()
        self.spaces[n] = attrs.evolve(space, shape=shape, is_array=bool(shape))
        self.arrays[n] = ("x", place - self.carries) if is_x else ("around", place - self.carries - self.xs)
        return True

    def _compiled(self, made: Sequence[Instruction], results: Sequence[tuple[int, Component]]) -> Recurrence | None:
        constants = self.program.constants
        written = tuple(dict.fromkeys(n for n, _ in results))
        region = Region(tuple(made), tuple(n for n in inputs_of(made) if n not in constants), written)
        rows = Program(tuple(made), region.inputs, constants, written, self.spaces)
        if not all(is_known_elementwise(rows, x) for x in made):
            return None
        kernel = kernel_of(region, rows, cut=1, sources=self.sources, results=results)
        if kernel is None:
            return None
        library = _library(module_of({kernel.text: "kernel0"}, [kernel]))
        return Recurrence(self.program, self.carries, self.xs, self.shape, kernel, library, self.arrays)


@functools.lru_cache(maxsize=64)
def _library(module: str) -> Library:
    return compile_module(lambda: module, module, passes="")
