"""`while_loop`: a loop that ends by a condition, whose steps are counted first, and then scanned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import checked_function
from tapenet.core.pytrees import (
    Tree,
    TreeSpec,
    tree_flatten,
    tree_flatten_with_none,
    tree_unflatten,
)
from tapenet.core.tensor import Tensor, read_only, read_single_value, record_guard, resolve, unwrap
from tapenet.program.loops.scan import scan
from tapenet.program.loops.steps import Loop, arrays_in
from tapenet.program.recording.copies import with_values
from tapenet.program.recording.environment import Environment, environment_of
from tapenet.program.recording.generators import SharedStreams


def while_loop(cond: Callable[[Any], Any], body: Callable[[Any], Any], carry: Tree) -> Tree:
    """Carry a value through a loop: `while cond(carry): carry = body(carry)`.

    On Tensors the steps are counted first, on values alone, and then scanned: the body is recorded once, and the
    derivative is that of as many steps. The number of steps is a guard of a tape and of a compiled program.

    Args:
        cond: of the carry, whether to go on.
        body: `carry -> carry`, of the structure, shapes and dtypes that it is given.
        carry: a pytree of arrays and numbers.

    Returns:
        The first carry for which `cond` is false.

    Raises:
        ArgumentError: a carry that changes its structure, shapes or dtypes.
        MappedValueError: under `vmap`, where each example would take its own number of steps.

    Derivative: that of the steps that were done, in both modes and of any order; cond has none.

    >>> float(while_loop(lambda x: x < 100.0, lambda x: x * 3.0, 1.0))
    243.0
    """
    checked_function("while_loop", "cond", cond)
    checked_function("while_loop", "body", body)
    start, spec = arrays_in("while_loop", "carry", carry, with_static=True)
    around = [environment_of(f) for f in (cond, body)]
    values = [tree_flatten_with_none(own.values()) for own in around]
    read = [resolve(x) if type(x) is Tensor else x for x in (*start, *(x for own, _ in values for x in own))]
    if not any(type(x) is Tensor for x in read):
        return tree_unflatten(spec, _looped(cond, body, spec, start)[0])
    ends = len(start), len(start) + len(values[0][0])

    def count(*plain: Any) -> int:
        parts = plain[: ends[0]], plain[ends[0] : ends[1]], plain[ends[1] :]
        pairs = zip((cond, body), around, values, parts[1:], strict=True)
        own = [with_values(f, env.places, tree_unflatten(held[1], list(part))) for f, env, held, part in pairs]
        return _looped(own[0], own[1], spec, parts[0])[1]

    steps = _counted(count, [_single(x) for x in read], around)
    if steps is None:
        return tree_unflatten(spec, _looped(cond, body, spec, start)[0])
    record_guard("while_loop", count, read, {}, steps)
    if steps == 0:
        return tree_unflatten(spec, start)
    return scan(lambda carry, _: (body(carry), None), tree_unflatten(spec, start), length=steps)[0]


def _counted(count: Callable[..., int], plain: Sequence[Any], around: Sequence[Environment]) -> int | None:
    """Return the number of steps; None where counting them changes something, as each step is to be done once."""
    if any(own.writes for own in around):
        return None
    streams = SharedStreams.now()
    watches, restores = [own.watched() for own in around], [own.saved(streams) for own in around]
    try:
        steps = count(*[read_only(x) if isinstance(x, np.ndarray) else x for x in plain])
        if all(is_still() for is_still in watches) and not streams.have_moved():
            return steps
    except Exception:  # done on Tensors the steps raise the same, or work
        pass
    for restore in restores:
        restore()
    return None


def _single(x: Any) -> Any:
    """Return the plain value under a Tensor; under `vmap`, where there is not one value, raise."""
    value = unwrap(x)
    return read_single_value(x, "while_loop") if type(value) is Tensor else value


def _looped(cond: Any, body: Any, spec: TreeSpec, leaves: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the leaves of the last carry, and the number of steps."""
    loop = Loop(lambda carry, _: (body(carry), None), spec, _EMPTY, False, 1, "while_loop")
    carried, steps = list(leaves), 0
    while bool(cond(tree_unflatten(spec, carried))):
        carried, _, _ = loop.stepped(carried, [])
        steps += 1
    return carried, steps


_EMPTY = tree_flatten(())[1]
