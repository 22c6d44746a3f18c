"""The back end that LLVM compiles: steps of a program in one call of machine code each, and NumPy for the rest.

Kernels are machine code for this processor, kept on disk. What is not elementwise, large products, and everything
around, is as in `numpy_code`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from tapenet.core.packages import import_package
from tapenet.kernels.machine_code import PASSES, Library, compile_module
from tapenet.kernels.objects import finds_data
from tapenet.program.backends import numpy_code
from tapenet.program.backends.llvm.closed_code import closed_code
from tapenet.program.backends.llvm.fusing import Kernels, fused
from tapenet.program.backends.llvm.kernel_calls import called, reducing
from tapenet.program.backends.llvm.kernel_code import (
    Kernel,
    can_join,
    module_of,
    panel_name,
)
from tapenet.program.backends.llvm.panel_calls import panels_function
from tapenet.program.backends.llvm.step_calls import AnyCompiled, by_numpy
from tapenet.program.backends.llvm.stretch_calls import SharedTransform, stretch_function
from tapenet.program.backends.llvm.stretch_code import StretchCode, code_of, texts_of
from tapenet.program.backends.numpy_code import Run
from tapenet.program.fusion.cells import Cells
from tapenet.program.fusion.closing import Closed, opened
from tapenet.program.fusion.formulas import with_formulas
from tapenet.program.fusion.moments import with_sums_of_squares
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.reducing import Reduced
from tapenet.program.fusion.regions import Region
from tapenet.program.fusion.stretches import Stretch
from tapenet.program.fusion.transforms import Transform
from tapenet.program.instructions import Instruction, Program


def compiled(program: Program, donated: frozenset[int] = frozenset()) -> Run:
    """Return the function of a program's inputs, with regions and stretches compiled by LLVM.

    Raises:
        MissingPackageError: llvmlite is not installed.
    """
    check_installed()
    if not finds_data():
        return numpy_code.compiled(program, donated)
    program = with_formulas(with_sums_of_squares(program))
    code = _Code.of(opened(program, functools.partial(can_join, program)))
    return numpy_code.code_of(code.program, code.steps, code.function, donated)


def check_installed() -> None:
    """Raise where the compiler is missing."""
    import_package("llvmlite.binding", "compile with backend='llvm'")


@attrs.define(eq=False)
class _Code:
    """The machine code of a program.

    Attributes:
        program: what it computes.
        steps: its instructions, regions and stretches.
        kernels: by the identity of the region, of those that have one.
        names: of kernels, by their texts.
        stretches: by the identity of the stretch.
        library: the kernels; None without any.
        contiguous: the values that machine code makes, which lie in C order.
    """

    program: Program
    steps: Sequence[Instruction | AnyCompiled]
    kernels: Mapping[int, Kernel]
    names: dict[str, str] = attrs.field(factory=dict)
    stretches: dict[int, StretchCode] = attrs.field(factory=dict)
    library: Library | None = None
    contiguous: Collection[int] = frozenset()

    @classmethod
    def of(cls, program: Program) -> _Code:
        """Compile what can be compiled."""
        kernels = Kernels(program)
        code = cls(program, fused(program, kernels), kernels.found)
        code._compile(kernels)
        return code

    def _compile(self, kernels: Kernels) -> None:
        closed = [step.region for step in self.steps if isinstance(step, Closed | Reduced | Cells)]
        alone = [*closed, *(step for step in self.steps if isinstance(step, Region) and kernels.is_worth(step))]
        joined = [step for step in self.steps if isinstance(step, Stretch)]
        parts = [part for stretch in joined for part in stretch.steps if isinstance(part, Region)]
        panels = [step for step in self.steps if isinstance(step, Panels)]
        cut = [region for step in panels for region in step.regions]
        entries, steps, in_panels = ([self.kernels[id(region)] for region in own] for own in (alone, parts, cut))
        if not alone and not joined and not panels:
            return
        texts = dict.fromkeys(kernel.text for kernel in (*entries, *steps, *in_panels))
        self.names |= {text: f"kernel{i}" for i, text in enumerate(texts)}
        for stretch in joined:
            self.stretches[id(stretch)] = code_of(stretch, self.program, self.kernels, self.names)
        others, declared = texts_of([x for code in self.stretches.values() for x in code.functions])
        if texts or others:
            module = module_of(self.names, entries, steps, in_panels, others, declared)
            self.library = _library(module, PASSES if others else "")
        cells = [step for step in self.steps if isinstance(step, Cells)]
        made: list[Region | Stretch | Panels | Cells] = [*alone, *joined, *panels, *cells]
        self.contiguous = {n for step in made for n in step.outputs}
        self.kernels = {id(region): self.kernels[id(region)] for region in (*alone, *cut)}

    def function(self, step: AnyCompiled, program: Program) -> Callable[..., Any] | None:
        """Return the Python function of a step that is compiled."""
        if isinstance(step, Reduced):
            assert self.library is not None
            kernel = self.kernels[id(step.region)]
            return reducing(kernel, self.library, self.names[kernel.text], step, program, self.contiguous)
        if isinstance(step, Closed):
            assert self.library is not None
            kernel = self.kernels[id(step.region)]
            name, reference = self.names[kernel.text], by_numpy(step, program)
            return closed_code(step, program, kernel, self.library, name, self.contiguous, reference)
        if isinstance(step, Panels):
            own = [self.kernels[id(region)] for region in step.regions]
            names = [panel_name(kernel, self.names[kernel.text]) for kernel in own]
            return panels_function(step, program, own, names, self.library, self.contiguous)
        if isinstance(step, Stretch):
            code = self.stretches[id(step)]
            first = code.functions[0] if code.functions else None
            if isinstance(first, Transform) and first.is_alone:
                assert self.library is not None
                return SharedTransform(first, self.library)
            return stretch_function(code, step, self.library, program, self.contiguous)
        region = step.region if isinstance(step, Cells) else step
        if id(region) not in self.kernels or self.library is None:
            return None
        kernel = self.kernels[id(region)]
        return called(kernel, self.library, self.names[kernel.text], step, program, self.contiguous)


@functools.lru_cache(maxsize=256)
def _library(module: str, passes: str) -> Library:
    return compile_module(lambda: module, module, passes=passes)
