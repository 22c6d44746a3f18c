"""The calls of `watch`, and the inputs that replace watched values in a replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapenet.core.argument_checks import check_array_class
from tapenet.core.leaf_checks import described, dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, TreeSpec, leaf_paths, tree_flatten, tree_unflatten
from tapenet.core.record import Entry
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError


class Watch(NamedTuple):
    """One call of `GradientTape.watch`.

    Attributes:
        spec: the structure of what was watched.
        slots: for each leaf its slot; None for one that was on the tape already.
        kinds: for each leaf its type.
    """

    spec: TreeSpec
    slots: tuple[int | None, ...]
    kinds: tuple[type, ...]

    def __reduce__(self) -> Any:
        # A structure is pickled as a tree that has it: its classes may not be registered where it is read.
        return _watch, (tree_unflatten(self.spec, [0.0] * len(self.slots)), self.slots, self.kinds)


def _watch(tree: Tree, slots: tuple[int | None, ...], kinds: tuple[type, ...]) -> Watch:
    return Watch(tree_flatten(tree)[1], slots, kinds)


def inputs_by_slot(function: str, watches: Sequence[Watch], inputs: Tree, entries: Sequence[Entry]) -> dict[int, Array]:
    """Return inputs by the slot of what they replace, after checking structures, shapes and dtypes against it."""
    if len(watches) != 1 and not (isinstance(inputs, tuple | list) and len(inputs) == len(watches)):
        raise ArgumentError(
            f"{function}: inputs must be a tuple with one entry for each of {len(watches)} calls of tape.watch; "
            f"got {described(inputs)}."
        )
    named = [("inputs", inputs)] if len(watches) == 1 else [(f"inputs[{i}]", x) for i, x in enumerate(inputs)]
    found: dict[int, Array] = {}
    for watch, (name, tree) in zip(watches, named, strict=True):
        leaves, spec = tree_flatten(tree)
        if spec != watch.spec:
            raise ArgumentError(
                f"{function}: {name} must have the structure that was watched, {watch.spec}; got {spec}."
            )
        for i, (slot, kind, leaf) in enumerate(zip(watch.slots, watch.kinds, leaves, strict=True)):
            if slot is not None:
                _, _, _, _, shape, dtype = entries[slot]
                found[slot] = _as_watched(function, (tree, name, i), leaf, kind, shape, dtype)
    return found


def _as_watched(
    function: str, where: tuple[Tree, str, int], leaf: Any, kind: type, shape: Any, dtype: np.dtype[Any]
) -> Array:
    """Return one input as the type of value that was watched, on which the dtypes of the program may depend."""
    if type(leaf) is not np.ndarray:
        check_array_class(function, where[1], leaf)
    if type(leaf) in (int, float, complex) and shape == () and not (type(leaf) is complex and dtype.kind == "f"):
        if kind in (float, complex):
            return kind(leaf)
        return np.asarray(leaf, dtype) if kind is np.ndarray else dtype.type(leaf)
    if getattr(leaf, "shape", None) != shape or dtype_of(leaf) != dtype:
        tree, name, i = where
        error = ArgumentTypeError if getattr(leaf, "shape", None) == shape else ArgumentError
        raise error(
            f"{function}: {leaf_paths(tree, name)[i]} must have shape {shape} and dtype {dtype}, as it was watched; "
            f"got {described(leaf)}."
        )
    if type(leaf) is Tensor:
        return leaf
    if kind in (float, complex):
        return kind(leaf)
    # The last bits of a product of complex numbers differ between NumPy's scalars and its arrays.
    if kind is np.ndarray and isinstance(leaf, np.generic):
        return np.asarray(leaf)
    return leaf[()] if issubclass(kind, np.generic) and type(leaf) is np.ndarray else leaf
