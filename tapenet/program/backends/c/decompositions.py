"""Determinants, QR factors, eigenvalues of Hermitian matrices and singular values in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.program.backends.c.decomposition_texts import DETERMINANT, HERMITIAN, QR, SINGULAR
from tapenet.program.backends.c.expressions import place_of
from tapenet.program.backends.c.linalg import call, in_dtype, matrix_at
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import steps_of


def _decomposed(
    w: Writer,
    instruction: Instruction,
    parts: Mapping[int, int],
    function: tuple[str, str],
    arguments: Sequence[object],
    axes: Sequence[int],
    room: int,
) -> None:
    """Write a loop over a stack of matrices, with the call of a function of each.

    Args:
        parts: the numbers of results, by their place among the function's.
        function: its name, and its text.
        arguments: those between the matrix and the results.
        axes: of each result, how many belong to one matrix.
        room: how many elements the function works in.
    """
    (source,) = instruction.operands
    stack, own = w.shape(source)[:-2], w.program.spaces[source].dtype
    dtype: Any = own if own is not None and own.kind in "fc" else np.dtype(float)
    for n in parts.values():
        w.make(n)
    if 0 in stack:
        return

    def write(counters: list[str]) -> None:
        outs = [_result_at(w, parts.get(i), count, counters) for i, count in enumerate(axes)]
        call(w, *function, dtype, matrix_at(w, source, stack, counters), *arguments, *outs, work)

    with in_dtype(w, (source,), dtype), w.scratch(max(1, room), dtype) as work:
        w.loops(stack, write)


def _result_at(w: Writer, number: int | None, axes: int, counters: list[str]) -> str:
    """Return where a result of one matrix begins; NULL for one that nothing reads."""
    if number is None:
        return "NULL"
    shape, name = w.shape(number), w.names[number]
    return f"{name} + {place_of(0, counters, steps_of(shape)[: len(shape) - axes])}" if shape else f"&{name}"


def determinant(w: Writer, instruction: Instruction) -> None:
    """Write determinants, or their signs and the logarithms of their magnitudes."""
    n = w.shape(instruction.operands[0])[-1]
    is_log = instruction.name == "slogdet"
    parts = {i + 1: out for i, out in _parts(w, instruction).items()} if is_log else {0: instruction.out}
    _decomposed(w, instruction, parts, ("determinant", DETERMINANT), (n,), (0, 0, 0), n * n)


def qr(w: Writer, instruction: Instruction) -> None:
    """Write orthonormal and upper triangular factors."""
    m, n = w.shape(instruction.operands[0])[-2:]
    columns = m if instruction.parameters["mode"] == "complete" else min(m, n)
    function = "orthonormalized", QR
    _decomposed(w, instruction, _parts(w, instruction), function, (m, n, columns), (2, 2), (m + 1) * n)


def hermitian(w: Writer, instruction: Instruction) -> None:
    """Write eigenvalues of Hermitian matrices, and vectors."""
    n = w.shape(instruction.operands[0])[-1]
    is_upper = int(instruction.parameters["UPLO"] == "U")
    parts = _parts(w, instruction) if instruction.name == "eigh" else {0: instruction.out}
    _decomposed(w, instruction, parts, ("hermitian", HERMITIAN), (n, is_upper), (1, 2), (2 * n + 1) * n)


def singular(w: Writer, instruction: Instruction) -> None:
    """Write singular values, and vectors."""
    m, n = w.shape(instruction.operands[0])[-2:]
    length, is_full = max(m, n), instruction.parameters.get("full_matrices")
    counts = (m, n) if is_full else (min(m, n),) * 2
    parts = {0: instruction.out}
    if instruction.name == "svd":
        parts = {{0: 1, 1: 0, 2: 2}[i]: out for i, out in _parts(w, instruction).items()}
    function = "singular", SINGULAR
    _decomposed(w, instruction, parts, function, (m, n, *counts), (1, 2, 2), 2 * length * (length + 1))


def _parts(w: Writer, instruction: Instruction) -> Mapping[int, int]:
    return w.parts.get(instruction.out, {})


DECOMPOSITIONS: dict[str, Step] = {
    **dict.fromkeys(("det", "slogdet"), determinant),
    "qr": qr,
    **dict.fromkeys(("eigh", "eigvalsh"), hermitian),
    **dict.fromkeys(("svd", "svdvals"), singular),
}
