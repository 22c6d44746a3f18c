"""Updates in compiled functions: there an optimizer's step is one operation, which does as it does eagerly.

So what an optimizer decides by values (whether a step is skipped, how much gradients are clipped, which step of a
schedule it is) each run of the program decides again, without guards, and results are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from tapenet.core.primitive import as_numpy_number
from tapenet.core.pytrees import (
    TreeSpec,
    field_names,
    is_node,
    one_level,
    tree_flatten,
    tree_flatten_with_static,
    tree_leaves,
    tree_map,
    tree_unflatten,
)
from tapenet.core.tensor import NUMBERS, Tensor, is_kept, type_under, unwrap
from tapenet.errors import ArgumentError
from tapenet.optim.checks import as_number
from tapenet.optim.leafwise import Array, is_plain
from tapenet.optim.optimizer import Leaves, Optimizer, update_of

Params = TypeVar("Params")


@attrs.frozen(eq=False)
class WholeUpdate:
    """The update of an optimizer as a function of arrays alone, and of the optimizer's settings.

    Attributes:
        spec: the structure of `(optimizer, gradients, state, params, value)`, arrays in static fields among the leaves.
        numbers: for each leaf its class if it is a Python number, or None.
    """

    spec: TreeSpec
    numbers: tuple[type | None, ...]

    def __call__(self, leaves: Sequence[Array], donate: bool = False) -> tuple[list[Any], TreeSpec, bool]:
        """Return the leaves of `(params, state)` after the step, their structure, and whether it was left out."""
        own = [x if kind is None else kind(x) for x, kind in zip(leaves, self.numbers, strict=True)]
        optimizer, gradients, state, params, value = tree_unflatten(self.spec, own)
        optimizer = tree_map(as_number, optimizer)  # settings that were values of the program
        updated, state = optimizer.update(gradients, state, params, value=value, donate=donate)
        return *tree_flatten_with_static((updated, state)), updated is params


def _updated(
    *leaves: Array, update: WholeUpdate, spec: TreeSpec, written: tuple[int, ...], donate: bool = False
) -> tuple[Array, ...]:
    results, found, is_left_out = update(leaves, donate)
    if found != spec:
        raise ArgumentError(
            "optimizer.update: the structure of the state must not depend on values in a compiled function; "
            f"got {found} after {spec}."
        )
    return tuple([as_numpy_number(x) for x in (*results, np.bool_(is_left_out))])


_UPDATE = update_of(_updated)


def updated_in_program(
    optimizer: Optimizer, gradients: Any, state: Any, params: Params, value: Any
) -> tuple[Params, Any, Any] | None:
    """Record an update as one operation: `(params, state, whether the step was left out)`.

    Returns None where that is not to be: outside of a compiled function, where the update is differentiated, where
    it may evaluate the loss, or where a schedule or a part of one's own reads values of the program.
    """
    if not any(map(is_kept, tree_leaves(gradients))) or not optimizer.reads_gradients_alone:
        return None
    if not is_of_fields(optimizer):
        return None
    params_leaves, params_spec = tree_flatten(params)
    own = optimizer.of_leaves(params) if params_spec.num_nodes > 1 else None
    given: tuple[Any, Any, Any, Any] = optimizer, gradients, state, params
    if own is not None:
        gradients = Leaves(tuple(tree_leaves(gradients)))
        given = own, gradients, _with_leaves(state, params_spec), Leaves(tuple(params_leaves))
    leaves, spec = tree_flatten_with_static((*given, value))
    if not all(is_kept(x) or is_plain(x) for x in leaves):
        return None
    values = [unwrap(x) for x in leaves]
    numbers = tuple([type(x) if type(x) in NUMBERS else None for x in values])
    update = WholeUpdate(spec, numbers)
    results, new_spec, _ = update(values)
    if any(type(x) is Tensor for x in results):
        return None
    written = _written(*given[1:], leaves)
    *found, is_left_out = _UPDATE(*leaves, update=update, spec=new_spec, written=written)
    counts = any(type(x) in NUMBERS for x in map(unwrap, tree_leaves(state)))  # by Python's numbers, as eagerly
    new = [_as_number(x, type(y)) if counts and type(y) in NUMBERS else x for x, y in zip(found, results, strict=True)]
    updated, state = tree_unflatten(new_spec, new)
    if own is not None:
        updated, state = _restored(updated, params_spec), _restored(state, params_spec)
    return updated, state, is_left_out


def is_of_fields(node: Any) -> bool:
    """Return whether an optimizer and its parts hold nothing but their fields, of which they can be made again."""
    level = one_level(node)
    if level is None:
        return True
    extra = {*getattr(node, "__dict__", ())} - {*field_names(type(node))} if is_node(type(node)) else ()
    return not extra and all(map(is_of_fields, level.children))


def _with_leaves(state: Any, spec: TreeSpec) -> Any:
    """Return a state with `Leaves` in the places of pytrees like the parameters."""
    leaves, own = tree_flatten(state)
    if own == spec:
        return Leaves(tuple(leaves))
    level = one_level(state)
    return state if level is None else level.rebuilt([_with_leaves(child, spec) for child in level.children])


def _restored(tree: Any, spec: TreeSpec) -> Any:
    """Return a pytree with those like the parameters in the places of `Leaves`."""
    if type(tree) is Leaves:
        return tree_unflatten(spec, tree.items)
    level = one_level(tree)
    return tree if level is None else level.rebuilt([_restored(child, spec) for child in level.children])


def _as_number(x: Any, kind: type) -> Any:
    """Turn what the operation gives for a Python number into one again."""
    recorder: Any = x.owner if type(x) is Tensor else None  # of a program
    return kind(x) if recorder is None else recorder.apply_to_numbers(kind, (x,))


def _written(gradients: Any, state: Any, params: Any, leaves: Sequence[Any]) -> tuple[int, ...]:
    """Return the places of the leaves that an update writes into where they are donated."""
    own = {id(x) for x in tree_leaves((state, params))} - {id(x) for x in tree_leaves(gradients)}
    return tuple([i for i, x in enumerate(leaves) if id(x) in own and type_under(x) not in NUMBERS])
