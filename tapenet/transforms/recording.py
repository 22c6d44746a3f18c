"""What every functional transform begins with: a function run once on watched arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.leaves import check_differentiable, dtype_of, matched, zeros_of
from tapenet.primitive import Array
from tapenet.tape import GradientTape
from tapenet.tensor import Tensor
from tapenet.tree import Tree, TreeSpec, tree_flatten, tree_leaves, tree_map, tree_unflatten

Argnums = int | Sequence[int]


def positions_of(function: str, argnums: Argnums, count: int) -> tuple[int, ...]:
    """Argument positions, checked against the number of arguments given."""
    positions = (argnums,) if isinstance(argnums, int | np.integer) else tuple(argnums)
    for position in positions:
        if not isinstance(position, int | np.integer) or not -count <= position < count:
            raise ArgumentError(
                f"{function}: argnums must name positional arguments, of which there are {count}; got {argnums!r}."
            )
    return tuple(int(position) % count for position in positions)


def by_argnums(argnums: Argnums, results: tuple[Tree, ...]) -> Tree:
    """Results, one for each position: a bare one where argnums is a number, else the tuple."""
    return results[0] if isinstance(argnums, int | np.integer) else results


@attrs.frozen(eq=False)
class Recording:
    """One run of a function, on a tape that has closed.

    Attributes:
        function: the transform, for its errors.
        tape: the tape.
        sources: the watched leaves of all chosen arguments, one argument after the other.
        specs: the structure of each chosen argument.
        arguments: the chosen arguments as they were given.
        y: what the function returned, with its Tensors.
        aux: what it returned beside, off the tape; None without `has_aux`.
    """

    function: str
    tape: GradientTape
    sources: tuple[Tensor, ...]
    specs: tuple[TreeSpec, ...]
    arguments: tuple[Tree, ...]
    y: Tree
    aux: Tree

    @property
    def value(self) -> Tree:
        """What the function returned, off the tape."""
        return _off(self.tape, self.y)

    def pull(self, cotangents: Sequence[Array]) -> tuple[Tree, ...]:
        """A cotangent for each chosen argument, from one for each leaf of y; zeros where y does not depend on it."""
        pulled = self.tape.pull(tree_leaves(self.y), cotangents, self.sources)
        leaves = iter(
            zeros_of(source) if answer is None else answer for source, answer in zip(self.sources, pulled, strict=True)
        )
        return tuple(tree_unflatten(spec, [next(leaves) for _ in range(spec.num_leaves)]) for spec in self.specs)

    def push(self, tangents: Sequence[Array]) -> Tree:
        """The tangent of y, from one for each source; zeros where y does not depend on any."""
        targets, spec = tree_flatten(self.y)
        pushed = self.tape.push(self.sources, tangents, targets)
        zeros = (zeros_of(target) if dot is None else dot for target, dot in zip(targets, pushed, strict=True))
        return tree_unflatten(spec, list(zeros))

    def matched_tangents(self, tangents: Sequence[Tree], name: str) -> list[Array]:
        """The leaves of one tangent tree for each chosen argument, checked against the arguments."""
        if len(tangents) != len(self.arguments):
            raise ArgumentError(
                f"{self.function}: {name} must be one for each of {len(self.arguments)} arguments; got {len(tangents)}."
            )
        return [
            leaf
            for i, (tangent, argument) in enumerate(zip(tangents, self.arguments, strict=True))
            for leaf in matched(self.function, f"{name}[{i}]", tangent, f"args[{i}]", argument)
        ]


def record(
    function: str,
    f: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    positions: Sequence[int],
    has_aux: bool,
) -> Recording:
    """Run `f` with the arguments at `positions` watched."""
    for position in positions:
        leaves = tree_leaves(arguments[position])
        check_differentiable(function, f"args[{position}]", arguments[position], leaves)
    with GradientTape(replayable=False) as tape:
        watched = {position: tape.watch(arguments[position]) for position in dict.fromkeys(positions)}
        result = f(*(watched.get(i, x) for i, x in enumerate(arguments)), **keywords)
    aux = None
    if has_aux:
        if type(result) is not tuple or len(result) != 2:
            raise ArgumentTypeError(
                f"{function}: with has_aux=True the function must return a pair (y, aux); got {type(result).__name__}."
            )
        result, aux = result[0], _off(tape, result[1])
    sources: list[Tensor] = []
    specs: list[TreeSpec] = []
    for position in positions:
        leaves, spec = tree_flatten(watched[position])
        sources += leaves
        specs.append(spec)
    chosen = tuple(arguments[position] for position in positions)
    return Recording(function, tape, tuple(sources), tuple(specs), chosen, result, aux)


def _off(tape: GradientTape, tree: Tree) -> Tree:
    """A pytree with each Tensor of `tape` replaced by its value."""
    return tree_map(lambda x: x._value if type(x) is Tensor and x.tape is tape else x, tree)


def ones_for(y: Tree) -> list[Array]:
    """A cotangent of ones for each leaf."""
    return [np.ones(np.shape(leaf), dtype_of(leaf))[()] for leaf in tree_leaves(y)]
