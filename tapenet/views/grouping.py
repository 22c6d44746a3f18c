"""Groups of a long tape's records, for its picture: by function, by layer, or cut where a single value goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs
import numpy as np

from tapenet.core.pytrees import leaf_paths, tree_unflatten
from tapenet.core.record import SLOTS
from tapenet.core.recorder import Recorder

LONG = 150  # records beyond which a picture is one of groups
_MOST = 40  # groups


@attrs.frozen(eq=False)
class Group:
    """Records that are one node of a picture.

    Attributes:
        name: of the function and the layer; empty where neither is known.
        slots: of the records, in order.
        operations: how many records of each operation.
    """

    name: str
    slots: tuple[int, ...]
    operations: Counter[str]


def grouped(trace: Recorder) -> list[Group]:
    """Return the records of a tape in groups, each of records that follow one another.

    A watched value belongs to the group that alone reads it, and is a group of its own where several do.
    """
    keys = _keys(trace)
    computed = [slot for slot, entry in enumerate(trace.entries) if entry[0].family != "leaf"]
    runs: list[list[int]] = []
    for slot in computed:
        if not runs or keys[runs[-1][-1]] != keys[slot]:
            runs.append([])
        runs[-1].append(slot)
    if len(runs) < 2:
        runs = _between_narrow_places(trace, computed)
    return _with_leaves(trace, _merged(runs), keys)


def _keys(trace: Recorder) -> list[str]:
    """Return for each record the function and the layer that it is of, as far as they are known."""
    paths = _layer_paths(trace)
    keys: list[str] = []
    layer = ""
    for slot, entry in enumerate(trace.entries):
        layer = next((paths[x] for x in entry[SLOTS] if x is not None and x in paths), layer)
        place = (trace.locations or {}).get(slot)
        function = "" if place is None or isinstance(place, str) else place[0].co_qualname
        keys.append(", ".join(filter(None, (layer, function.replace("<module>", "").replace(".<locals>", "")))))
    return keys


def _layer_paths(trace: Recorder) -> dict[int, str]:
    """Return for each watched leaf of a structure the path of what it is a field of."""
    found = {}
    for watch in trace.watches:
        tree = tree_unflatten(watch.spec, [0.0] * len(watch.slots))
        for slot, path in zip(watch.slots, leaf_paths(tree, ""), strict=True):
            parent = path[: max(path.rfind("."), path.rfind("["))].lstrip(".")
            if slot is not None and parent:
                found[slot] = parent
    return found


def _between_narrow_places(trace: Recorder, computed: Sequence[int]) -> list[list[int]]:
    """Return records in runs that end, where they can, where one value is all that later records read."""
    place = {slot: i for i, slot in enumerate(computed)}
    last = np.arange(len(computed))
    for slot in computed:
        for operand in trace.entries[slot][SLOTS]:
            if operand in place:
                last[place[operand]] = place[slot]
    live = np.zeros(len(computed) + 1, int)
    np.add.at(live, np.arange(len(computed)), 1)
    np.add.at(live, last, -1)
    is_narrow = np.cumsum(live)[:-1] <= 1
    size = max(len(computed) // (_MOST // 2), 2)
    runs: list[list[int]] = [[]]
    for i, slot in enumerate(computed):
        runs[-1].append(slot)
        if (len(runs[-1]) >= size and is_narrow[i]) or len(runs[-1]) >= 4 * size:
            runs.append([])
    return [run for run in runs if run]


def _merged(runs: Sequence[list[int]]) -> list[list[int]]:
    size = -(-len(runs) // _MOST) or 1
    return [[slot for run in runs[i : i + size] for slot in run] for i in range(0, len(runs), size)]


def _with_leaves(trace: Recorder, runs: Sequence[list[int]], keys: Sequence[str]) -> list[Group]:
    group_of = {slot: i for i, run in enumerate(runs) for slot in run}
    readers: dict[int, set[int]] = {}
    for slot, i in group_of.items():
        for operand in trace.entries[slot][SLOTS]:
            if operand is not None and trace.entries[operand][0].family == "leaf":
                readers.setdefault(operand, set()).add(i)
    own: dict[int, list[int]] = {}
    alone = []
    for slot, entry in enumerate(trace.entries):
        if entry[0].family == "leaf":
            if len(readers.get(slot, ())) == 1:
                own.setdefault(next(iter(readers[slot])), []).append(slot)
            else:
                alone.append(slot)
    groups = [_group(trace, [*own.get(i, []), *run], [keys[slot] for slot in run]) for i, run in enumerate(runs)]
    return [*(_group(trace, [slot], []) for slot in alone), *groups]


def _group(trace: Recorder, slots: Sequence[int], keys: Sequence[str]) -> Group:
    names = list(dict.fromkeys(filter(None, keys)))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    operations = Counter(trace.entries[slot][0].name for slot in slots if trace.entries[slot][0].family != "leaf")
    return Group("; ".join(names[:2]) + more, tuple(slots), operations)
