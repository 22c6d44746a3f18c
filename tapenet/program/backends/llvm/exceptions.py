"""Floating-point exceptions of machine code, which NumPy is asked about where it reports them.

A kernel returns whether an argument was out of range, and which of the processor's flags were set while it ran. Flags
say that there may be something to report, and not what: a polynomial may set one for infinity. So a step that has set
one is computed again by NumPy, which warns, raises or calls as `numpy.errstate` says, operation by operation, and its
results are those of the step. Where all of it is ignored nothing is computed again. Underflow is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.machine_code import processor
from tapenet.program.instructions import Instruction

States = tuple[Mapping[str, str] | None, ...]

# Bits of what a kernel returns: an argument was out of range; then the flags of invalid, divided by zero and overflow
# of x86's register MXCSR, one place further up.
OUT_OF_RANGE = 1
_FLAGS = 1 | 4 | 8
_NAMES = {1 << 1: "invalid", 4 << 1: "divide", 8 << 1: "over"}


def has_flags() -> bool:
    """Return whether flags are read on this processor: on x86."""
    return processor().vector_size > 0


def declarations() -> list[str]:
    """Return the declarations of what reads and clears the flags."""
    return [f"declare void @llvm.x86.sse.{name}(ptr)" for name in ("stmxcsr", "ldmxcsr") if has_flags()]


def first_lines() -> list[str]:
    """Return the lines that a kernel begins with, which clear the flags."""
    if not has_flags():
        return []
    return [
        "%control = alloca i32",
        "call void @llvm.x86.sse.stmxcsr(ptr %control)",
        "%control.before = load i32, ptr %control",
        "%control.cleared = and i32 %control.before, -64",
        "store i32 %control.cleared, ptr %control",
        "call void @llvm.x86.sse.ldmxcsr(ptr %control)",
    ]


def read(name: str) -> list[str]:
    """Return the lines that read the flags as bits of what is returned, by the memory of `first_lines`."""
    return [
        "call void @llvm.x86.sse.stmxcsr(ptr %control)",
        f"%{name}.all = load i32, ptr %control",
        f"%{name}.flags = and i32 %{name}.all, {_FLAGS}",
        f"%{name} = shl i32 %{name}.flags, 1",
    ]


def last_lines(met: str, factor: int) -> list[str]:
    """Return the lines that a kernel ends with, which return what it met, and the flags, times a factor."""
    raised = read("raised") if has_flags() else ["%raised = add i32 0, 0"]
    return [*raised, f"%met.any = or i32 {met}, %raised", f"%met = mul i32 %met.any, {factor}", "ret i32 %met"]


def states_of(instructions: Sequence[Instruction]) -> States:
    """Return how NumPy reports exceptions of operations: as the function says; None for as its caller does."""
    return tuple([dict(errors) if errors else None for errors in dict.fromkeys(x.errors for x in instructions)])


def is_to_be_repeated(met: int, states: States) -> bool:
    """Return whether NumPy is to compute a step again, of which a kernel returned these bits."""
    if met & OUT_OF_RANGE:
        return True
    own: list[Any] = [np.geterr() if state is None else state for state in states]
    return any(met & bit and state[name] != "ignore" for bit, name in _NAMES.items() for state in own)
