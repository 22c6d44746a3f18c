"""Apply an elementwise update rule to parameters, their gradients and the states of the optimizer.

A rule is plain arithmetic on arrays of one floating dtype. For NumPy arrays it runs on one stretch of memory
after another, each small enough that its intermediate results stay in the processor's cache, and on several
threads; for anything else, such as Tensors, it runs once on the whole.

A complex number counts as two real ones. Gradients are those of `tapenet.grad`, which are not conjugated:
the direction of steepest ascent is their conjugate.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import dtype_of
from tapenet.kernels.formulas import Recorded
from tapenet.kernels.memory import empty, is_own
from tapenet.kernels.rows import DOUBLE, SINGLE, Rows
from tapenet.kernels.threads import share
from tapenet.kernels.updates import GRADIENT, code_for, update_block, update_leaves, update_rows

Array = Any
Rule = Callable[..., tuple[Array, ...]]
Writer = Callable[..., None]

# Of each stretch of memory. With less, threads meet too often: each call of NumPy's ends in waiting for the
# interpreter's lock. With more, the nine stretches that Adam works with leave a level-3 cache.
BLOCK_BYTES = 1 << 19


def is_plain(value: Any) -> bool:
    """Return whether a value is NumPy's or Python's own, and not on a tape or another library's."""
    return isinstance(value, np.ndarray | np.generic | int | float | complex)


def working_dtype(leaf: Array) -> np.dtype[Any]:
    """Return the dtype of computations and of the state: that of the leaf, but at least single precision.

    In half precision the square of a gradient of 1e-4 is zero already, and so is an `eps` of 1e-8.
    """
    dtype = dtype_of(leaf)
    return dtype if dtype is SINGLE or dtype is DOUBLE else np.result_type(dtype, SINGLE)


def zeros_for(leaf: Array) -> Array:
    """Return zeros of the shape of a parameter, to start a state with; of a scalar a scalar, as later ones are."""
    if is_plain(leaf):
        zeros = np.zeros(np.shape(leaf), working_dtype(leaf))
        return zeros if isinstance(leaf, np.ndarray) else zeros[()]
    return np.zeros_like(leaf, dtype=working_dtype(leaf))


Row = tuple[Array, ...]  # a parameter, its gradient, and what the optimizer remembers of it


def apply_rule(
    rule: Rule, write: Writer, rows: Sequence[Row], *, recorded: Recorded | None, in_blocks: bool, donate: bool
) -> list[Row]:
    """Apply a rule to all leaves: for each `(parameter, *slots)` after the update.

    Args:
        rule: `(parameter, gradient, *slots) -> (parameter, *slots)` on real arrays, elementwise and pure.
        write: `(outputs, scratch, parameter, gradient, *slots)`, the same rule for plain arrays: it writes to
            `outputs`, which may be the arrays themselves, with two more arrays of their size for what comes between.
        rows: for each leaf arrays or scalars of one shape, of any floating or complex dtype.
        recorded: what `write` computes, for code that does the same; None where that is not known.
        in_blocks: whether the rule may get NumPy arrays piece by piece, and gives their dtype back.
        donate: whether to overwrite parameters and slots, where they are arrays that own their memory.
    """
    donated = _donated([x for row in rows for x in row], len(rows[0])) if donate and rows else frozenset[int]()
    jobs = [_Job.of(row, donated) if in_blocks else None for row in rows]
    plain = [job for job in jobs if job is not None]
    if recorded is not None:
        write = _by_code(recorded, write)
        plain = _without_joined(recorded, plain)
    _work(write, plain)
    return [_apply_whole(rule, *row) if job is None else job.results for row, job in zip(rows, jobs, strict=True)]


def _by_code(recorded: Recorded, write: Writer) -> Writer:
    """Return a writer that takes compiled code where there is some."""

    def written(outputs: Sequence[Array], scratch: Sequence[Array], *arrays: Array) -> None:
        if not update_block(recorded, outputs, arrays):
            write(outputs, scratch, *arrays)

    return written


def apply_to_rows(recorded: Recorded, rows: Rows, *, donate: bool) -> list[Sequence[Array]] | None:
    """Apply a rule to arrays that fit, by compiled code: a sequence of parameters, and one of each kind of slot.

    Returns None where there is no code.
    """
    formula, numbers = recorded
    code = code_for(formula, rows.dtype, rows.total)
    if code is None:
        return None
    if donate and rows.is_own:
        update_rows(code, rows, None, numbers)
        return [rows.arrays[i :: rows.width] for i in range(rows.width) if i != GRADIENT]
    width = rows.width
    donated = _donated(rows.arrays, width) if donate else frozenset[int]()
    outputs = tuple(
        [
            x if id(x) in donated else empty(x.shape, rows.dtype)
            for i, x in enumerate(rows.arrays)
            if i % width != GRADIENT
        ]
    )
    update_rows(code, rows, outputs, numbers)
    return [outputs[i :: width - 1] for i in range(width - 1)]


def _donated(arrays: Sequence[Array], width: int) -> frozenset[int]:
    """Return the ids of arrays that may be overwritten, of rows of some width, one after the other.

    Two arrays share memory only if they lie in that of the same array, which is the `base` of a view. Of other kinds of
    memory that is not known: where a gradient lies in such, nothing is overwritten.
    """
    owners = [x if type(x) is np.ndarray and x.base is None else _owner(x) for x in arrays]
    gradients = slice(GRADIENT, None, width)
    if any(owner is None for owner in owners[gradients]):
        return frozenset()
    counts = Counter(map(id, owners))
    kept = set(map(id, arrays[gradients]))
    own = [x for x, owner in zip(arrays, owners, strict=True) if x is owner and counts[id(x)] == 1]
    return frozenset([id(x) for x in own if x.flags.carray and id(x) not in kept])


def _owner(array: Array) -> Array:
    """Return the array that owns an array's memory, perhaps itself; None where that is not a plain ndarray."""
    if type(array) is np.ndarray and is_own(array):
        return array
    owner = getattr(array, "base", None)
    return owner if type(owner) is np.ndarray and is_own(owner) else None


@attrs.frozen(eq=False)
class _Job:
    """One leaf of NumPy arrays: what to read, what to write, and in which dtype to compute."""

    inputs: Sequence[Array]
    outputs: list[Array]
    working: np.dtype[Any]
    is_scalar: bool
    is_direct: bool  # whether all can be read and written as they are

    @classmethod
    def of(cls, row: Row, donated: Collection[int]) -> _Job | None:
        """Return the job of a row; None where an array of it is not plain."""
        parameter, _, *slots = row
        if _are_direct(row):
            shape, working = parameter.shape, parameter.dtype
            outputs = [old if id(old) in donated else empty(shape, working) for old in (parameter, *slots)]
            return cls(row, outputs, working, False, True)
        if not all(map(is_plain, row)):
            return None
        working = working_dtype(parameter)
        kinds = [dtype_of(parameter), *(working for _ in slots)]
        outputs = [
            old if id(old) in donated and old.dtype == kind else empty(np.shape(parameter), kind)
            for old, kind in zip((parameter, *slots), kinds, strict=True)
        ]
        inputs = [np.asarray(array).reshape(-1) for array in row]
        is_direct = working.kind == "f" and all(x.dtype is working and x.flags.c_contiguous for x in inputs)
        return cls(inputs, outputs, working, not isinstance(parameter, np.ndarray), is_direct)

    @property
    def results(self) -> Row:
        """What was written."""
        parameter, *slots = self.outputs
        return (parameter[()] if self.is_scalar else parameter, *slots)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.inputs[0].size)

    def blocks(self, begin: int, end: int) -> Iterator[slice]:
        """Split the elements from `begin` to `end` into pieces."""
        length = BLOCK_BYTES // self.working.itemsize
        return (slice(start, min(start + length, end)) for start in range(begin, end, length))

    def do(self, write: Writer, block: slice, scratch: Scratch) -> None:
        """Carry out one piece."""
        if self.is_direct:
            outputs, inputs = ([x.reshape(-1)[block] for x in some] for some in (self.outputs, self.inputs))
            write(outputs, scratch(block.stop - block.start, self.working), *inputs)
            return
        real = np.finfo(self.working).dtype
        inputs = [np.ascontiguousarray(array[block], self.working) for array in self.inputs]
        outputs = [array.reshape(-1)[block] for array in self.outputs]
        if self.working.kind == "c":
            inputs[1] = np.conjugate(inputs[1])
        # Where the parameter has a narrower dtype, its new value is computed beside it.
        written = [x if x.dtype == self.working else np.empty(x.shape, self.working) for x in outputs]
        views = [x.view(real) for x in written]
        write(views, scratch(views[0].size, real), *(x.view(real) for x in inputs))
        for output, value in zip(outputs, written, strict=True):
            if output is not value:
                output[...] = value


def _are_direct(row: Row) -> bool:
    """Return whether all are arrays of one dtype that optimizers compute in, in C order."""
    dtype = row[0].dtype if type(row[0]) is np.ndarray else None
    if dtype is not SINGLE and dtype is not DOUBLE:
        return False
    for x in row:
        if type(x) is not np.ndarray or x.dtype is not dtype or not x.flags.c_contiguous:
            return False
    return True


class Scratch:
    """Arrays for intermediate results, made once and used for one block after another."""

    def __init__(self) -> None:
        self._arrays: dict[np.dtype[Any], Array] = {}

    def __call__(self, size: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        arrays = self._arrays.get(dtype)
        if arrays is None or arrays.shape[1] < size:
            arrays = self._arrays[dtype] = np.empty((2, size), dtype)
        return arrays[0, :size], arrays[1, :size]


def _without_joined(recorded: Recorded, jobs: Sequence[_Job]) -> list[_Job]:
    """Carry out those jobs that compiled code does in one call, and return the others."""
    direct = [job for job in jobs if job.is_direct]
    if not direct:
        return list(jobs)
    done = update_leaves(recorded, [(job.outputs, job.inputs) for job in direct])
    joined = {id(job) for job, is_done in zip(direct, done, strict=True) if is_done}
    return [job for job in jobs if id(job) not in joined]


def _work(write: Writer, jobs: Sequence[_Job]) -> None:
    """Carry out all jobs, block by block, on several threads where that is worth it."""
    ends = list(itertools.accumulate(job.size for job in jobs))

    def work(part: slice) -> None:
        # Of all elements in a row, the leaf's own are those from `end - job.size` on.
        scratch = Scratch()
        for job, end in zip(jobs, ends, strict=True):
            begin = end - job.size
            for block in job.blocks(max(0, part.start - begin), min(job.size, part.stop - begin)):
                job.do(write, block, scratch)

    if not jobs:
        return
    share(work, ends[-1], sum(array.nbytes for job in jobs for array in (*job.inputs, *job.outputs)))


def _apply_whole(rule: Rule, parameter: Array, gradient: Array, *slots: Array) -> tuple[Array, ...]:
    """Apply a rule by arithmetic alone, to arrays of any kind."""
    working = working_dtype(parameter)
    arrays = [as_dtype(array, working) for array in (parameter, gradient, *slots)]
    if working.kind == "c":
        imaginary = [array.imag for array in arrays]
        imaginary[1] = -imaginary[1]
        pairs = zip(rule(*(array.real for array in arrays)), rule(*imaginary), strict=True)
        results = tuple(x + 1j * y for x, y in pairs)
    else:
        results = rule(*arrays)
    return as_dtype(results[0], dtype_of(parameter)), *(as_dtype(result, working) for result in results[1:])


def as_dtype(array: Array, dtype: np.dtype[Any] | None) -> Array:
    """Return an array of another dtype; itself, where it has it."""
    if is_plain(array):
        return np.asarray(array, dtype)
    return array if array.dtype == dtype else array.astype(dtype)
