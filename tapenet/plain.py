"""Functions without a derivative: they take values off their tapes and give plain arrays.

Comparisons, arguments of extrema, masks, counts: whatever is constant but for jumps, or no number at all. Each is a
primitive without rules, so that a function of mapped values (`vmap`) is mapped too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tapenet.batching import elementwise_rule
from tapenet.primitive import Array, BatchRule, Primitive
from tapenet.tensor import Tensor, off_tapes


def plain(
    function: Callable[..., Any], *, name: str | None = None, batch: BatchRule | None = None
) -> Callable[..., Any]:
    """The function on plain values; Tensors among its arguments are taken off their tapes first.

    Args:
        function: of plain arrays; a NumPy function, say.
        name: for errors; the function's own by default.
        batch: how it is evaluated over a batch (see `tapenet.batching`); one by one by default.
    """
    primitive = Primitive(name or function.__name__, "plain", function, batch=batch)

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        for x in (*arguments, *keywords.values()):
            if type(x) is Tensor:
                return bind_plain(primitive, arguments, keywords)
        return function(*arguments, **keywords)

    return without_tape


def bind_plain(primitive: Primitive, arguments: Sequence[Array], keywords: Mapping[str, Any]) -> Any:
    """Apply a primitive without derivative to values of which some are Tensors."""
    values = [off_tapes(x) for x in arguments]
    parameters = {name: off_tapes(x) for name, x in keywords.items()}
    maps = [x.tape for x in (*values, *parameters.values()) if type(x) is Tensor]
    if maps:
        return max(maps, key=lambda mapping: mapping.level).apply(primitive, values, parameters)
    return primitive.forward(*values, **parameters)


constant = plain(lambda x: x, name="stop_gradient", batch=elementwise_rule)
