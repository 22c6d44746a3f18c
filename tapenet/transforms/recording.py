"""The first step of every functional transform: run a function once on watched arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import shown
from tapenet.core.leaf_checks import check_differentiable, check_result, dtype_of, matched, zeros_of
from tapenet.core.ones import one
from tapenet.core.primitive import Array
from tapenet.core.pytrees import LEAF, Tree, TreeSpec, tree_flatten, tree_leaves, tree_map, tree_unflatten
from tapenet.core.recorder import Recorder, new_recorder
from tapenet.core.tensor import Tensor, resolve, unwrap_closed
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.walks.products import gradient_walk, jvp_walk, vjp_walk

Argnums = int | str | Sequence[int | str]  # a position or a name, or several
ArgumentKey = int | str  # of an argument: its position, or the name it was given by


def is_single(argnums: Argnums) -> bool:
    """Return whether argnums is one argument, not a sequence of them."""
    return isinstance(argnums, int | np.integer | str)


def _several(function: str, argnums: Any) -> Sequence[int | str]:
    """Return argnums as a sequence."""
    if is_single(argnums) and not isinstance(argnums, bool):
        return (argnums,)
    if not isinstance(argnums, Sequence):
        raise ArgumentTypeError(
            f"{function}: argnums must be an int, a name or a tuple of these; got {shown(argnums)}."
        )
    return argnums


def argument_keys(
    function: str, f: Callable[..., Any], argnums: Argnums, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[ArgumentKey, ...]:
    """Return the arguments that argnums names, checked against the arguments given."""
    count = len(args)
    if type(argnums) is int and 0 <= argnums < count:
        return (argnums,)
    places: list[ArgumentKey] = []
    for place in _several(function, argnums):
        if isinstance(place, str):
            places.append(_key_of_name(function, f, place, count, kwargs))
        elif isinstance(place, int | np.integer) and -count <= place < count:
            places.append(int(place) % count)
        else:
            raise ArgumentError(
                f"{function}: argnums must name positional arguments, of which there are {count}; got {argnums!r}."
            )
    return tuple(places)


def _key_of_name(function: str, f: Callable[..., Any], name: str, count: int, kwargs: Mapping[str, Any]) -> ArgumentKey:
    """Return how the argument of a name was given: by name, or at which position."""
    if name in kwargs:
        return name
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a callable without a signature
        parameters = []
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    if name not in by_position:
        given = ", ".join([*by_position, *kwargs]) or "none that has a name"
        raise ArgumentError(f"{function}: argnums must name an argument that was given, {given}; got {name!r}.")
    return by_position.index(name)


def by_argnums(argnums: Argnums, results: tuple[Tree, ...]) -> Tree:
    """Return the results: a bare one where argnums is one argument, else the tuple."""
    return results[0] if is_single(argnums) else results


@attrs.frozen(eq=False)
class Recording:
    """One run of a function, on a tape that has closed.

    Attributes:
        function: the transform, for its errors.
        trace: of the tape.
        sources: the watched leaves of all chosen arguments, one argument after the other.
        specs: the structure of each chosen argument.
        names: of the chosen arguments, for errors.
        arguments: the chosen arguments as they were given.
        y: what the function returned, with its Tensors.
        aux: what it returned beside, off the tape; None without `has_aux`.
    """

    function: str
    trace: Recorder
    sources: tuple[Tensor, ...]
    specs: tuple[TreeSpec, ...]
    names: tuple[str, ...]
    arguments: tuple[Tree, ...]
    y: Tree
    aux: Tree

    @property
    def value(self) -> Tree:
        """What the function returned, off the tape."""
        return _values_of(self.trace, self.y)

    @property
    def is_open(self) -> bool:
        """Whether its values are Tensors of another tape, which is open."""
        return any(type(resolve(x)) is Tensor for x in (*self.sources, *tree_leaves(self.y)))

    def arrays(self) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the arrays that walks read: what the tape keeps of its records, once or more."""
        for _, _, kept, *_ in self.trace.entries:
            yield from (x for x in map(resolve, kept) if type(x) is np.ndarray)

    def vjp(self, cotangents: Sequence[Array], *, is_last: bool = False) -> tuple[Tree, ...]:
        """Compute a cotangent for each chosen argument from one for each leaf of y; zeros without a path.

        The last walk frees what the tape keeps, record by record.
        """
        targets = tree_leaves(self.y)
        check = self.trace.gradient_check()
        pulled = vjp_walk(self.trace, targets, cotangents, self.sources, is_last=is_last and check is None)
        if check is not None:
            named = tuple(zip(self.names, self.arguments))
            check(self.function, named, targets, cotangents, self.sources, pulled)
        answers = [zeros_of(source) if answer is None else answer for source, answer in zip(self.sources, pulled)]
        if len(self.specs) == 1:
            return (tree_unflatten(self.specs[0], answers),)
        leaves = iter(answers)
        return tuple(tree_unflatten(spec, [next(leaves) for _ in range(spec.num_leaves)]) for spec in self.specs)

    def jvp(self, tangents: Sequence[Array]) -> Tree:
        """Compute the tangent of y from one for each source; zeros where y does not depend on any."""
        targets, spec = tree_flatten(self.y)
        pushed = jvp_walk(self.trace, self.sources, tangents, targets)
        zeros = (zeros_of(target) if dot is None else dot for target, dot in zip(targets, pushed))
        return tree_unflatten(spec, list(zeros))

    def matched_tangents(self, tangents: Sequence[Tree], name: str) -> list[Array]:
        """Return the leaves of one tangent tree for each chosen argument, checked against the arguments."""
        if len(tangents) != len(self.arguments):
            raise ArgumentError(
                f"{self.function}: {name} must be one for each of {len(self.arguments)} arguments; got {len(tangents)}."
            )
        return [
            leaf
            for i, (tangent, argument) in enumerate(zip(tangents, self.arguments, strict=True))
            for leaf in matched(self.function, f"{name}[{i}]", tangent, f"args[{i}]", argument)
        ]


def run_recorded(
    function: str,
    f: Callable[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    places: Sequence[ArgumentKey],
    has_aux: bool,
    recorder: Recorder | None = None,
) -> Recording:
    """Run `f` with the arguments at `places` watched, on an ordinary tape or the recorder given."""
    given: dict[ArgumentKey, Any] = {**dict(enumerate(arguments)), **keywords}  # type: ignore[dict-item]  # int and str keys
    names = tuple([place if isinstance(place, str) else f"args[{place}]" for place in places])
    for name, place in zip(names, places):
        check_differentiable(function, name, given[place], tree_leaves(given[place]))
    with recorder or new_recorder(replayable=False) as trace:
        watched = {place: tree_map(trace.watch, given[place]) for place in dict.fromkeys(places)}
        result = f(
            *(watched.get(i, x) for i, x in enumerate(arguments)),
            **{name: watched.get(name, x) for name, x in keywords.items()},
        )
    result, aux = split_aux(function, result, has_aux)
    check_result(function, result)
    result, aux = _on_trace(trace, result), _values_of(trace, _on_trace(trace, aux))
    sources: list[Tensor] = []
    specs: list[TreeSpec] = []
    for place in places:
        leaves, spec = tree_flatten(watched[place])
        sources += leaves
        specs.append(spec)
    chosen = tuple(given[place] for place in places)
    return Recording(function, trace, tuple(sources), tuple(specs), names, chosen, result, aux)


def is_leaf_of_floats(x: Any) -> bool:
    """Return whether x is one of the usual leaves that can be differentiated by, and not a pytree of such."""
    kind = type(x)
    return kind is float or kind is np.float64 or ((kind is np.ndarray or kind is Tensor) and x.dtype.kind in "fc")


def gradient_by_leaf(
    function: str,
    f: Callable[..., Any],
    place: int,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    of_sum: bool = False,
) -> tuple[Array, Array] | Recording:
    """Return the value of f and its gradient by one argument, a leaf of floats; the recording of what is not a scalar.

    It is `run_recorded` and `Recording.vjp` in half of their time: that of functions of a few operations.

    Args:
        function, f, args, kwargs: as for `run_recorded`.
        place: of the argument.
        of_sum: whether y may be any array, and the gradient is that of its sum.
    """
    with new_recorder(replayable=False) as trace:
        source = trace.watch(args[place])
        y = f(*args[:place], source, *args[place + 1 :], **kwargs)
    if type(y) is Tensor and y.owner is trace and trace.gradient_check() is None:
        *_, shape, dtype = trace.entries[y.slot]
        if dtype.kind == "f" and (shape == () or of_sum):
            bar = np.ones(shape, dtype) if shape else one(dtype)
            (gradient,) = gradient_walk(trace, y, (source,), bar, is_last=True)
            return y._value, zeros_of(source) if gradient is None else gradient
    check_result(function, y)
    given = (args[place],)
    return Recording(function, trace, (source,), (LEAF,), (f"args[{place}]",), given, _on_trace(trace, y), None)


def split_aux(function: str, result: Any, has_aux: bool) -> tuple[Tree, Tree]:
    """Return what a function returned, as y and aux; None for aux without `has_aux`."""
    if not has_aux:
        return result, None
    if type(result) is not tuple or len(result) != 2:
        raise ArgumentTypeError(
            f"{function}: with has_aux=True the function must return a pair (y, aux); got {type(result).__name__}."
        )
    return result


def _on_trace(trace: Recorder, tree: Tree) -> Tree:
    """Return a result as values on `trace` wherever it is that, also under tapes that have closed since."""
    if tree is None or (type(tree) is Tensor and tree.owner is trace):
        return tree
    return tree_map(lambda x: unwrap_closed(trace, x), tree)


def _values_of(trace: Recorder, tree: Tree) -> Tree:
    """Return a pytree with each Tensor of `trace` replaced by its value."""
    if tree is None:
        return None
    if type(tree) is Tensor:
        return trace.inner(tree) if tree.owner is trace else tree
    return tree_map(lambda x: trace.inner(x) if type(x) is Tensor and x.owner is trace else x, tree)


def ones_for(y: Tree) -> list[Array]:
    """Return a cotangent of ones for each leaf."""
    if type(y) is Tensor and y.shape == ():
        return [one(y.dtype)]
    return [np.ones(getattr(leaf, "shape", ()), dtype_of(leaf))[()] for leaf in tree_leaves(y)]
