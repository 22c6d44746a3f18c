"""Whether one recorded call is another one with numbers that are inputs there as constants.

A Python number that becomes an input is a Tensor to the function, which may go another way for it without a guard: by
its class, say. Where the number was a constant, the function had the number itself. So the program of then is compared
with the program of now, in which all is computed that depends on these numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.core.guards import bitwise_equal, same_snapshots, snapshot
from tapenet.program.evaluating import check_guard, computed
from tapenet.program.instructions import Instruction, Program, Space, is_pure
from tapenet.program.recording.orders import Order, order_of
from tapenet.program.recording.tracing import Recorded


def is_specialized(special: Recorded, general: Recorded, numbers: Mapping[int, Any]) -> bool:
    """Return whether a recorded call is another one with some of its inputs as constants.

    Args:
        special: the one with the constants.
        general: the one with the inputs.
        numbers: the constants, by the places of the inputs.
    """
    if special.live or general.live or {*general.inputs} != {*special.inputs, *numbers}:
        return False
    places = dict(zip(special.inputs, special.program.inputs, strict=True))
    comparison = _Comparison(special.program, general.program)
    for place, number in zip(general.inputs, general.program.inputs, strict=True):
        if place in numbers:
            comparison.known[number] = numbers[place]
        else:
            comparison.same[number] = places[place]
    return comparison.of_instructions() and _are_results_same(special, general, comparison)


@attrs.define(eq=False)
class _Comparison:
    """Two programs as far as they were compared.

    Attributes:
        special, general: the programs.
        known: the values in the general one that are constants in the other, by number.
        same: the numbers in the special program of other values, by those in the general one.
    """

    special: Program
    general: Program
    known: dict[int, Any] = attrs.field(factory=dict)
    same: dict[int, int] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.known.update(self.general.constants)

    def of_instructions(self) -> bool:
        """Return whether the instructions are the same, but for those that compute constants."""
        left = iter(self.special)
        for x in self.general:
            if x.reads and all(n in self.known for n in x.reads):
                if not self._is_computed(x):
                    return False
                continue
            other = next(left, None)
            if other is None or not self._are_same(x, other):
                return False
            if x.guard is None:
                self.same[x.out] = other.out
        return next(left, None) is None

    def _is_computed(self, x: Instruction) -> bool:
        """Compute an instruction; return whether that is possible and guards hold."""
        try:
            with np.errstate(all="ignore"):
                if x.guard is not None:
                    check_guard(x, self.known)
                elif is_pure(x):
                    self.known[x.out] = computed(self.general, attrs.evolve(x, errors=()), self.known)
                else:
                    return False
        except Exception:  # of whatever class the operation raises for these numbers
            return False
        return True

    def _are_same(self, x: Instruction, other: Instruction) -> bool:
        if x.primitive is not other.primitive or x.errors != other.errors or {*x.keywords} != {*other.keywords}:
            return False
        reads = zip(x.reads, (*other.operands, *[other.keywords[name] for name in x.keywords]), strict=False)
        if len(x.reads) != len(other.reads) or not all(self.is_same_value(*pair) for pair in reads):
            return False
        if x.guard is None or other.guard is None:
            spaces = self.general.spaces[x.out], self.special.spaces[other.out]
            return _are_alike(dict(x.parameters), dict(other.parameters)) and _are_alike(*map(_parts_of, spaces))
        return x.guard.function is other.guard.function and same_snapshots(x.guard.answer, other.guard.answer)

    def is_same_value(self, number: int, other: int) -> bool:
        """Return whether a value of the general program is one of the special program."""
        if number not in self.known:
            return self.same.get(number) == other
        return other in self.special.constants and _are_alike(self.known[number], self.special.constants[other])


def _are_results_same(special: Recorded, general: Recorded, comparison: _Comparison) -> bool:
    """Return whether two recorded calls return the same, as far as their programs compute the same."""
    for x, y in ((special.spec, general.spec), (special.generators, general.generators)):
        if x != y:
            return False
    ours, others = _outputs(general), _outputs(special)
    for place, leaf in enumerate(general.leaves):
        (number, order), (other, other_order) = ours.get(place, _NONE), others.get(place, _NONE)
        if number is not None and other is not None:
            is_same = order == other_order and comparison.is_same_value(number, other)
        elif number is not None:
            is_same = number in comparison.known and _are_alike(comparison.known[number], special.leaves[place])
        else:
            is_same = other is None and _are_alike(leaf, special.leaves[place])
        if not is_same:
            return False
    return special.reads_order == general.reads_order


def _parts_of(space: Space) -> tuple[Any, ...]:
    return space.shape, space.dtype, space.is_number, space.is_array, space.parts


_NONE: tuple[int | None, Order] = (None, None)


def _outputs(made: Recorded) -> dict[int, tuple[int | None, Order]]:
    """Return the number and the memory order of each output, by its place in the result."""
    pairs = zip(made.program.outputs, made.orders, strict=True)
    return dict(zip(made.places, pairs, strict=True))


def _are_alike(x: Any, y: Any) -> bool:
    """Return whether two values are of one class, and equal to the last bit."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple | list):
        return len(x) == len(y) and all(map(_are_alike, x, y))
    if isinstance(x, dict):
        return {*x} == {*y} and all(_are_alike(value, y[key]) for key, value in x.items())
    if isinstance(x, np.ndarray):
        return order_of(x) == order_of(y) and bitwise_equal(snapshot(x), y)
    if isinstance(x, np.generic | float | complex):
        return bitwise_equal(x, y)
    try:
        return bool(x == y)
    except (TypeError, ValueError):
        return False
