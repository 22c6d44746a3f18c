"""The walk that finds the pattern of a Jacobian: a dependence for each record, from the sources to the targets."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import PART
from tapenet.core.record import SLOTS, Entry, Shape, Slots
from tapenet.core.tensor import Tensor, unwrap
from tapenet.transforms.sparse.links import Dependence, matrix_of, rows_of, united
from tapenet.transforms.sparse.regions import Region, is_region, region_of
from tapenet.transforms.sparse.required import sparse
from tapenet.transforms.sparse.rules import is_factor, link_of, rule_of, unknown
from tapenet.transforms.sparse.steps import UNKNOWN, Scope, Step, groups_of_tuple, numbers, read
from tapenet.walks.reachability import ancestors, descendants


@attrs.frozen
class Ends:
    """Where a pattern's columns and rows are.

    Attributes:
        sources: the slots of the leaves of x, in order.
        targets: the slots of the leaves of y, in order; None for one that does not depend on x.
        source_shapes: the shapes of the leaves of x.
        target_shapes: the shapes of the leaves of y.
    """

    sources: tuple[int, ...]
    targets: tuple[int | None, ...]
    source_shapes: tuple[Shape, ...]
    target_shapes: tuple[Shape, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of elements of y and of x."""
        rows, columns = (sum(map(math.prod, shapes)) for shapes in (self.target_shapes, self.source_shapes))
        return rows, columns


def pattern_of(entries: Sequence[Entry], ends: Ends, scope: Scope = "recorded") -> Dependence:
    """Return the pattern of the Jacobian of the targets by the sources.

    Args:
        entries: the tape's records; one's place is its slot.
        ends: the sources and targets.
        scope: which values of x it is to hold for: all; those that make these records, with the same indices; or the
            recorded ones alone.
    """
    found = _dependences(entries, _sources(ends), _slots(ends.targets), scope)
    empty = [sparse.csr_array((math.prod(shape), ends.shape[1]), dtype=bool) for shape in ends.target_shapes]
    blocks = [
        blank if slot is None else found.get(slot, blank) for slot, blank in zip(ends.targets, empty, strict=True)
    ]
    pattern = sparse.csr_array(sparse.vstack(blocks, "csr")) if blocks else sparse.csr_array(ends.shape, dtype=bool)
    pattern.sum_duplicates()
    return pattern


def _sources(ends: Ends) -> dict[int, Dependence]:
    """Return the dependences of the sources: the identity, cut into the leaves of x."""
    width = ends.shape[1]
    found: dict[int, Dependence] = {}
    first = 0
    for slot, shape in zip(ends.sources, ends.source_shapes, strict=True):
        size = math.prod(shape)
        own = matrix_of(np.arange(size), first + np.arange(size), (size, width))
        found[slot] = united(found.get(slot), own)
        first += size
    return found


def _between(entries: Sequence[Entry], sources: Collection[int], wanted: Collection[int]) -> Iterator[int]:
    """Yield the slots between sources and targets, in order."""
    if not wanted or not sources:
        return
    first, last = min(sources), max(wanted)
    if last < first:
        return
    needed = ancestors(entries, wanted, first)
    reached = descendants(entries, {slot for slot in sources if slot <= last}, last)
    for slot in range(first, last + 1):
        if needed[slot - first] and reached[slot] and slot not in sources:
            yield slot


def _dependences(
    entries: Sequence[Entry], sources: Mapping[int, Dependence], wanted: Collection[int], scope: Scope
) -> dict[int, Any]:
    """Return by slot the dependences of the targets and the sources, from those of the sources."""
    found: dict[int, Any] = dict(sources)  # of a tuple's record that of its groups, of a region's one for each part
    groups: dict[int, Shape] = {}  # of tuples
    slots = list(_between(entries, sources, wanted))
    last_use = {operand: slot for slot in slots for operand in entries[slot][SLOTS] if operand is not None}
    for slot in slots:
        entry = entries[slot]
        operands = [None if operand is None else found.get(operand) for operand in entry[SLOTS]]
        if entry[0] is PART:
            made = _part(entry, operands[0], groups.get(entry[SLOTS][0], ()))  # type: ignore[arg-type]  # on the tape
        elif is_region(entry) and scope != "global":  # for all values its masks would have to be on the tape
            made = _inside(region_of(entry), operands, scope)
        else:
            step = step_of(entries, entry, scope)
            if step.shape is None:
                groups[slot] = groups_of_tuple(step)
            made = _joined(step, operands)
        if made is not None:
            found[slot] = made
        for operand in entry[SLOTS]:
            if operand is not None and last_use[operand] == slot and operand not in sources and operand not in wanted:
                found.pop(operand, None)
    return found


def _inside(region: Region, operands: Sequence[Dependence | None], scope: Scope) -> tuple[Dependence | None, ...]:
    """Return the dependence of each part of a region's result."""
    pairs = zip(region.sources, operands, strict=True)
    sources = {slot: of for slot, of in pairs if slot is not None and of is not None}
    found = _dependences(region.entries, sources, _slots(region.targets), scope)
    return tuple([None if slot is None else found.get(slot) for slot in region.targets])


def _slots(targets: Sequence[int | None]) -> set[int]:
    return {slot for slot in targets if slot is not None}


def _joined(step: Step, operands: Sequence[Dependence | None]) -> Dependence | None:
    """Return the union of what the operands contribute."""
    total = None
    for index, of in enumerate(operands):
        if of is None:
            continue
        link = link_of(step, index)
        if link is not None:
            total = united(total, link.apply(of))
    return total


def _part(entry: Entry, of: Any, groups: Shape) -> Dependence | None:
    """Return the dependence of a part of a tuple: that of its group for each of its elements."""
    shape: Shape = entry[4]
    if type(of) is tuple:
        return of[entry[3]["index"]]
    if of is None or entry[5].kind not in "fc":
        return None
    assert shape[: len(groups)] == groups, "every part has the axes of the stack"
    own = numbers(groups).reshape(groups + (1,) * (len(shape) - len(groups)))
    return rows_of(of, np.broadcast_to(own, shape).ravel())


def step_of(entries: Sequence[Entry], entry: Entry, scope: Scope) -> Step:
    """Return a record as rules read it."""
    primitive, slots, kept, parameters, shape, dtype = entry
    pairs = list(zip(slots, kept, strict=False))
    shapes = tuple([np.shape(unwrap(value)) if slot is None else entries[slot][4] for slot, value in pairs])
    masks = tuple([slot is not None and entries[slot][5] == np.bool_ for slot, _ in pairs])
    return Step(primitive, shapes, masks, _known(entry, scope), kept, parameters, shape, dtype, scope)


# ---- what a pattern depends on ----

_READS_ZEROS = frozenset("affine conv conv_input conv_kernel convolve conv_bias einsum matmul matvec slide".split())


def _known(entry: Entry, scope: Scope) -> tuple[Any, ...]:
    """Return for each operand its value where a pattern may depend on it, else UNKNOWN.

    A constant is known. So are, for these records alone, indices and masks that the library chose by other values; and
    for these values alone, whatever is kept. Of a value that is a constant here and not of the traces around, the read
    is guarded: of a factor that of where it is zero.
    """
    primitive, slots, kept, *_ = entry
    reads_zeros = primitive.name in _READS_ZEROS
    return tuple([_value(slot, value, scope, reads_zeros) for slot, value in zip(slots, kept, strict=False)])


def _value(slot: int | None, value: Any, scope: Scope, reads_zeros: bool) -> Any:
    if slot is None and type(value) is not Tensor:
        return value
    if value is None or scope == "global":
        return UNKNOWN
    if scope == "local" or _is_index(value):
        return read(value)
    return read(value, _nonzero) if slot is None and reads_zeros else UNKNOWN


def _is_index(value: Any) -> bool:
    """Return whether a value is an array of integers or truth values."""
    return type(value) in (Tensor, np.ndarray) and value.dtype.kind in "biu"


def _nonzero(x: Any) -> Any:
    return np.not_equal(x, 0)


def key_of(entries: Sequence[Entry], ends: Ends) -> tuple[Any, ...]:
    """Return what the pattern depends on, hashable: tapes of one key have one pattern."""
    return (ends, *_keys(entries, ends.sources, _slots(ends.targets)))


def _keys(entries: Sequence[Entry], sources: Collection[int], wanted: Collection[int]) -> Iterator[Any]:
    for slot in _between(entries, sources, wanted):
        primitive, slots, kept, parameters, shape, _ = entry = entries[slot]
        if is_region(entry):
            region = region_of(entry)
            inside = _keys(region.entries, _slots(region.sources), _slots(region.targets))
            yield slots, region.sources, region.targets, tuple(inside)
        elif rule_of(primitive) is unknown:  # which reads shapes alone; users' operations may be new at each call
            yield primitive.name, slots, shape, parameters["index"] if primitive is PART else None
        else:
            shapes = _constant_shapes(slots, kept)
            known = tuple(_zeros(entry) if primitive.is_elementwise else map(_key_of, _known(entry, "recorded")))
            yield primitive, slots, shape, _key_of_parameters(parameters), shapes, known


def _key_of_parameters(parameters: Mapping[str, Any]) -> Any:
    if not parameters:
        return ()
    matrix = getattr(parameters.get("matrix"), "matrix", None)
    if matrix is not None:  # of scipy.sparse
        matrix = sparse.csr_array(matrix)
        return matrix.shape, _digest(matrix.indptr), _digest(matrix.indices)
    return tuple(parameters.items())


def _zeros(entry: Entry) -> Iterator[Any]:
    """Yield what an elementwise rule reads of constants: where a factor is zero."""
    primitive, slots, kept, *_ = entry
    if primitive.name == "multiply" and None in slots:
        yield from (_key_of(x) for slot, x in zip(slots, kept, strict=False) if slot is None and is_factor(x))


def _constant_shapes(slots: Slots, kept: Sequence[Any]) -> tuple[Any, ...]:
    if None not in slots:
        return ()
    return tuple([() if slot is not None else np.shape(unwrap(x)) for slot, x in zip(slots, kept, strict=False)])


def _key_of(value: Any) -> Any:
    """Return what rules read of a value that is known: indices, and of numbers where they are zero."""
    if value is UNKNOWN or value is None:
        return None
    array = np.asarray(value)
    return _digest(array if array.dtype.kind in "biu" else np.packbits(array != 0))


def _digest(array: Any) -> tuple[Any, ...]:
    return array.dtype.str, array.shape, hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
