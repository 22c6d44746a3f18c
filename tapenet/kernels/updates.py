"""Updates of many arrays by an elementwise formula, in one pass over memory, by code that LLVM compiles.

NumPy makes a pass over each block for each operation, and meets the interpreter's lock after each. The code computes
what they do in their order, each operation rounded, so that both give the same numbers: which of them a block takes
does not matter.
"""

from __future__ import annotations

import functools
import importlib
from array import array
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.formulas import Formula, Recorded
from tapenet.kernels.objects import finds_data
from tapenet.kernels.rows import Rows
from tapenet.kernels.teams import At, Native, Plan, Step, free_team
from tapenet.kernels.threads import parts_of

Array = Any
Leaf = tuple[Sequence[Array], Sequence[Array]]  # what is written of a parameter, and what is read

# Elements from which on the code is compiled and called.
FEWEST = 2**14

# Parts of an update for each thread, more than one: threads are not all equally fast.
PARTS = 4

# How many plans of such updates, and how many formulas' codes, are kept.
PLANS = 64

# Bytes of new arrays from which on they are written past the caches. A processor reads what it is about to write in the
# ordinary way: ten streams in place of seven, in a step of Adam.
STREAMED = 2**25

# The place of the input that no output overwrites.
GRADIENT = 1

# Bits of the exceptions that NumPy reports, and operations that meet each.
_MET: tuple[tuple[int, Callable[[Any], Any]], ...] = (
    (1, lambda x: np.subtract(x(np.inf), x(np.inf))),
    (4, lambda x: np.divide(x(1), x(0))),
    (8, lambda x: np.multiply(x(np.finfo(x).max), x(2))),
    (16, lambda x: np.multiply(x(np.finfo(x).tiny), x(np.finfo(x).tiny))),
)
_REPORTED = sum(bit for bit, _ in _MET)


@attrs.frozen(eq=False)
class Code:
    """The code of a formula for one dtype.

    Attributes:
        native: takes a tuple of the inputs of all leaves, that of their outputs or 0 where these overwrite inputs, the
            sizes of leaves, which leaf is the first, how many elements of it are skipped, how many elements follow,
            whether new arrays are written past the caches, and the address of the numbers. It returns the exceptions
            that it met.
        dtype: of all arrays.
        streams: how many arrays of a leaf are read or written.
        outputs: how many are written.
    """

    native: Native
    dtype: np.dtype[Any]
    streams: int
    outputs: int

    def report(self, met: int) -> None:
        """Meet exceptions again in NumPy, which warns, raises or ignores them as `numpy.errstate` says."""
        for bit, meet in _MET if met & _REPORTED else ():
            if met & bit:
                meet(self.dtype.type)


def code_for(formula: Formula, dtype: np.dtype[Any], count: int) -> Code | None:
    """Return the code of a formula for so many elements; None where there is none, or it is not worth its while."""
    if count < FEWEST or not backends.has_machine_code() or not finds_data():
        return None
    return _code_for(formula, dtype) if dtype.char in "fd" and dtype.isnative else None


def update_rows(code: Code, rows: Rows, outputs: tuple[Array, ...] | None, numbers: Sequence[float]) -> None:
    """Update all rows, which threads share.

    Args:
        code: of the formula.
        rows: what is read.
        outputs: of all rows, one after the other; None to overwrite all that is read but the gradients.
        numbers: of the formula.
    """
    _update(code, rows.arrays, outputs, rows.sizes, rows.total, numbers)


def update_leaves(recorded: Recorded, leaves: Sequence[Leaf]) -> list[bool]:
    """Update leaves of several dtypes; return for which there was code.

    Args:
        recorded: the formula and its numbers.
        leaves: for each the arrays to write to, and those that are read, all in C order and of one dtype.
    """
    groups: dict[np.dtype[Any], list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(leaf[0][0].dtype, []).append(leaf)
    formula, numbers = recorded
    updated = {}
    for dtype, own in groups.items():
        sizes = array("q", [outputs[0].size for outputs, _ in own])
        total = sum(sizes)
        code = code_for(formula, dtype, total)
        updated[dtype] = code is not None
        if code is not None:
            inputs, outputs = (tuple([x for leaf in own for x in leaf[i]]) for i in (1, 0))
            _update(code, inputs, outputs, sizes, total, numbers)
    return [updated[outputs[0].dtype] for outputs, _ in leaves]


def update_block(recorded: Recorded, outputs: Sequence[Array], inputs: Sequence[Array]) -> bool:
    """Update flat arrays of one dtype in this thread; return whether there was code."""
    dtype, size = outputs[0].dtype, outputs[0].size
    for x in (*inputs, *outputs):
        if x.dtype is not dtype or not x.flags.c_contiguous:
            return False
    code = code_for(recorded[0], dtype, size)
    if code is None:
        return False
    given, written, sizes, numbers = tuple(inputs), tuple(outputs), array("q", [size]), array("d", recorded[1])
    addresses = sizes.buffer_info()[0], numbers.buffer_info()[0]
    code.report(code.native.call(id(given), id(written), addresses[0], 0, 0, size, 0, addresses[1]))
    return True


def _update(
    code: Code,
    inputs: tuple[Array, ...],
    outputs: tuple[Array, ...] | None,
    sizes: array[int],
    total: int,
    numbers: Sequence[float],
) -> None:
    given = array("d", numbers)
    addresses = [id(inputs), 0 if outputs is None else id(outputs), given.buffer_info()[0]]
    parts = PARTS * len(parts_of(total, code.streams * total * code.dtype.itemsize))
    with free_team() if parts > PARTS else nullcontext() as team:
        plan = _plan(code, sizes.tobytes(), parts if team is not None else 1)
        code.report(plan.run(addresses) if team is None else team.run_plan(plan, addresses))


@functools.lru_cache(PLANS)
def _plan(code: Code, sizes: bytes, count: int) -> Plan:
    """Return the plan of an update: all elements, cut into parts of one length.

    Its addresses are those of the tuples of inputs and of outputs, and of the numbers.
    """
    table = np.frombuffer(sizes, np.int64).copy()
    ends = np.cumsum(table)
    total = int(ends[-1])
    streams = int(code.outputs * total * code.dtype.itemsize >= STREAMED)
    parts: list[list[Step]] = []
    for start in range(0, total, -(-total // count)):
        leaf = int(np.searchsorted(ends, start, side="right"))
        place = leaf, start - int(ends[leaf] - table[leaf]), min(-(-total // count), total - start)
        parts.append([(code.native, At(0, 0), At(1, 0), table.ctypes.data, *place, streams, At(2, 0))])
    return Plan.of(parts, kept=table)


@functools.lru_cache(PLANS)
def _code_for(formula: Formula, dtype: np.dtype[Any]) -> Code | None:
    """Return the code of a formula, compiled or loaded at its first use; None on a processor that it is not for."""
    # Imported here: they need llvmlite, and modules that importing tapenet does not.
    machine_code = importlib.import_module("tapenet.kernels.machine_code")
    size = machine_code.processor().vector_size
    if not size:
        return None
    module_of = importlib.import_module("tapenet.kernels.update_code").module_of
    places = [i + (i >= GRADIENT) for i in range(len(formula.outputs))]
    text = module_of(formula, places, dtype.char, size // dtype.itemsize)
    library = machine_code.compile_module(lambda: text, text)
    native = Native(library.address("leaves"), "q" * 8, kept=library)
    return Code(native, dtype, formula.inputs + len(places), len(places))
