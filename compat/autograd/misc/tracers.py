"""Functions whose graph is recorded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tapenet as tn
from tapenet.errors import ArgumentError


def const_graph(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Return a function of the further arguments that records fun at its first call, and replays it from then on.

    Raises:
        ArgumentError: an output that does not depend on the arguments.
        ReplayError: a later call in which a branch would be taken the other way.
    """
    recorded: list[tuple[Any, Any]] = []

    def replayed(*rest: Any) -> Any:
        if not recorded:
            with tn.GradientTape() as tape:
                x = tape.watch(tuple(rest))
                y = fun(*args, *x, **kwargs)
            if not any(type(leaf) is tn.Tensor for leaf in tn.tree.leaves(y)):
                raise ArgumentError("const_graph: the output must depend on the input; got one that does not.")
            recorded.append((tape, y))
            return tn.tree.map(lambda leaf: leaf.value if type(leaf) is tn.Tensor else leaf, y)
        tape, y = recorded[0]
        return tape.replay(tuple(rest), y)

    return replayed
