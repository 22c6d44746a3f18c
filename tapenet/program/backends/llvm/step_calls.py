"""Python functions of steps that machine code computes: they make the arrays, call the code, and fall back to NumPy."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Collection, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.program.backends.llvm.exceptions import is_to_be_repeated, states_of
from tapenet.program.evaluating import evaluator
from tapenet.program.fusion.cells import Cells
from tapenet.program.fusion.closing import Closed
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.reducing import Reduced
from tapenet.program.fusion.regions import Region
from tapenet.program.fusion.stretches import Stretch
from tapenet.program.instructions import Program

AnyCompiled = Region | Stretch | Closed | Reduced | Panels | Cells


@attrs.frozen(eq=False)
class Call:
    """Writes the Python function of a region or a stretch; the text of steps that are alike is the same.

    Attributes:
        step: what it computes.
        program: that the step is of.
        names: that the function finds.
    """

    step: AnyCompiled
    program: Program
    names: dict[str, Any]

    def __attrs_post_init__(self) -> None:
        self.names["reference"] = by_numpy(self.step, self.program)
        self.names["contiguous"] = np.ascontiguousarray
        self.names["is_to_be_repeated"], self.names["states"] = is_to_be_repeated, states_of(self.step.instructions)

    @functools.cached_property
    def own(self) -> dict[int, str]:
        """What inputs and results are called, by their numbers."""
        inputs, outputs = enumerate(self.step.inputs), enumerate(self.step.outputs)
        return {n: f"v{i}" for i, n in inputs} | {n: f"o{i}" for i, n in outputs}

    def values(self, operands: Sequence[int], scalars: Sequence[int]) -> str:
        """Return what machine code takes: arrays, and numbers of Python's."""
        arrays = [self.own[n] for n in (*operands, *self.step.outputs)]
        return "".join(f"{x}, " for x in (*arrays, *(f"float({self.own[n]})" for n in scalars)))

    def beginning(
        self, operands: Sequence[int], contiguous: Collection[int], results: Sequence[int] | None = None
    ) -> list[str]:
        """Return the first lines of a function: operands in C order, and arrays for results, by default for all."""
        lines = [f"def called({', '.join(self.own[n] for n in self.step.inputs)}):"]
        for x in (self.own[n] for n in operands if n not in contiguous):
            lines.append(f"    if not {x}.flags.c_contiguous: {x} = contiguous({x})")
        for n in self.step.outputs if results is None else results:
            lines.append(f"    {self.own[n]} = empty({self.program.shape_of(n)}, {self.dtype(n)})")
        return lines

    def dtype(self, number: int) -> str:
        """Return what the dtype of a value is called."""
        dtype = self.program.spaces[number].dtype
        assert dtype is not None
        self.names[f"dtype{dtype.num}"] = dtype
        return f"dtype{dtype.num}"

    def function(self, lines: Sequence[str]) -> Callable[..., Any]:
        """Return the function of lines, of which the last is the condition for NumPy's."""
        inputs = "".join(f"{self.own[n]}, " for n in self.step.inputs)
        outputs = ", ".join(self.own[n] for n in self.step.outputs)
        exec(
            compiled_text("\n".join((*lines, f"        return reference(({inputs}))", f"    return {outputs}"))),
            self.names,
        )
        called: Callable[..., Any] = self.names["called"]
        return called


@functools.lru_cache(maxsize=1024)
def compiled_text(text: str) -> types.CodeType:
    """Return the code of a function; functions of the same text share it."""
    return compile(text, "<kernel>", "exec")


def by_numpy(step: AnyCompiled, program: Program) -> Callable[[Sequence[Any]], Any]:
    """Return the function of a step's inputs by NumPy."""

    @functools.cache
    def run() -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        return evaluator(
            attrs.evolve(program, instructions=step.instructions, inputs=step.inputs, outputs=step.outputs)
        )

    def computed(given: Sequence[Any]) -> Any:
        outs = [np.array(out, order="C") if isinstance(out, np.ndarray) else out for out in run()(given)]  # as kernels'
        return outs[0] if len(outs) == 1 else outs

    return computed
