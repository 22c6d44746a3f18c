"""Functions without a derivative: they take values off their tapes and give plain arrays.

Comparisons, arguments of extrema, masks, counts: whatever is constant but for jumps, or no number at all. Each is a
primitive without rules, so that a function of mapped values (`vmap`) is mapped too, and each is noted by the tapes
that it reads from, so that a replay can see whether it would come out alike.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import collected, holds_tensor, refuse
from tapenet.core.batching import elementwise_rule
from tapenet.core.primitive import Array, BatchRule, Primitive, bind_plain
from tapenet.core.pytrees import TreeSpec, tree_flatten, tree_unflatten
from tapenet.core.signatures import elementwise_signature
from tapenet.core.tensor import Tensor, all_under, note_read, read_only
from tapenet.errors import ArgumentTypeError


def plain(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    doc: str | None = None,
    batch: BatchRule | None = None,
    hidden: bool = False,
) -> Callable[..., Any]:
    """The function on plain values; Tensors among its arguments are taken off their tapes first.

    Args:
        function: of plain arrays; a NumPy function, say.
        name: for errors; the function's own by default.
        doc: the docstring; the function's own by default.
        batch: how it is evaluated over a batch (see `tapenet.core.batching`); one by one by default.
        hidden: whether what it gives is seen by the library alone, and only as an operand, as it is, of primitives
            that have the values it was computed from (or values computed from them) as operands too. A replay of
            the tape then computes it anew, where it otherwise insists that it comes out as it did (see
            `tapenet.core.guards`). Arithmetic on it, or a view of it, would escape the replay.
    """
    primitive = Primitive(name or function.__name__, "plain", function, batch=batch, hidden=hidden)
    place = _place_of_out(function)

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        for x in (*arguments, *keywords.values()):
            if type(x) is Tensor or (type(x) in (list, tuple) and holds_tensor(x)):
                if holds_tensor(arguments[place:]) or holds_tensor(keywords.get("out")):
                    refuse(primitive.name, {"out": x})
                keywords = {key: collected(value) for key, value in keywords.items()}
                return bind_plain(primitive, list(map(collected, arguments)), keywords)
        return function(*arguments, **keywords)

    return documented(without_tape, function, doc)


def _place_of_out(function: Callable[..., Any]) -> int:
    """Where among its positional arguments those begin that NumPy's function writes into; past any for all others."""
    if isinstance(function, np.ufunc):
        return function.nin
    is_numpys = (getattr(function, "__module__", None) or "").startswith("numpy")
    try:
        names = list(inspect.signature(function).parameters) if is_numpys else []
    except ValueError:  # older versions of NumPy tell no signature of compiled functions, of which none has `out`
        names = []
    return names.index("out") if "out" in names else sys.maxsize


def documented(ours: Callable[..., Any], function: Callable[..., Any], doc: str | None) -> Callable[..., Any]:
    """Give a function that stands for another one a docstring of its own, and a signature that Python can read."""
    if doc is not None:
        ours.__doc__ = doc
    if isinstance(function, np.ufunc):
        ours.__signature__ = elementwise_signature(function)  # type: ignore[attr-defined]  # functions take attributes
    return ours


def of_lists(function: Callable[..., Any], *, doc: str | None = None, refuses: str = "") -> Callable[..., Any]:
    """A function without a derivative that takes lists of arrays, of which some may be Tensors.

    Args:
        doc: the docstring; the function's own by default.
        refuses: the name of an argument that must be no Tensor, as there would be a derivative by it.
    """

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        if refuses and type(inspect.signature(function).bind(*arguments, **keywords).arguments.get(refuses)) is Tensor:
            raise ArgumentTypeError(
                f"{function.__name__}: {refuses} must be no Tensor, as the result has no derivative. "
                f"Write tnp.bincount(tnp.digitize(x, edges), {refuses})."
            )
        leaves, structure = tree_flatten((arguments, keywords))
        if not any(type(x) is Tensor for x in leaves):
            return function(*arguments, **keywords)
        return bind_plain(primitive, leaves, {"structure": structure})

    def of_leaves(*leaves: Array, structure: TreeSpec) -> Any:
        arguments, keywords = tree_unflatten(structure, leaves)
        return function(*arguments, **keywords)

    primitive = Primitive(function.__name__, "plain", of_leaves)
    return documented(without_tape, function, doc)


def decision(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a question that a way of computing depends on, asked once for all examples under `vmap`.

    Args:
        function: of plain arrays, under `vmap` with the examples along an axis in front; answers by a bool or a number.
    """
    name = function.__name__.strip("_").replace("_", " ")

    @functools.wraps(function)
    def decided(*arguments: Array) -> Any:
        if not any(type(x) is Tensor for x in arguments):
            return function(*arguments)
        answer = function(*map(all_under, arguments))
        note_read(name, function, arguments, {}, answer, through_maps=True)
        return answer

    return decided


constant = plain(read_only, name="stop_gradient", batch=elementwise_rule)
