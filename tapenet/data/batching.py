"""Batches of the examples in a pytree of arrays and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag, checked_function, checked_rng, shown
from tapenet.core.foreign import Kind, kind_of, refusal
from tapenet.core.leaf_checks import plain_leaf
from tapenet.core.pytrees import (
    Tree,
    TreeSpec,
    leaf_paths,
    static_field,
    tree_flatten_to,
    tree_leaves,
    tree_map,
    tree_unflatten,
)
from tapenet.data.prefetching import checked_iterable, prefetched
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.views.html import html_table

Indices = slice | np.ndarray[Any, Any]


@attrs.frozen(eq=False)
class Batches:
    """What `batches` makes: an iterable with a length, which starts over each time.

    Attributes:
        arrays: the pytree of examples.
        size: of a batch.
        rng: what shuffles; None for the order of the examples.
        drop_last: whether a last batch that would be smaller is left out.
        ahead: how many batches are prepared ahead, in a thread.
        count: the number of examples.
    """

    arrays: Tree
    size: int = static_field()
    rng: np.random.Generator | None = static_field()
    drop_last: bool = static_field()
    ahead: int = static_field()
    count: int = static_field()
    _leaves: list[Any] = static_field(repr=False)
    _spec: TreeSpec = static_field(repr=False)

    def _repr_html_(self) -> str:
        order = "of the examples" if self.rng is None else "drawn each time"
        settings = {"batches": len(self), "size": self.size, "examples": self.count, "order": order}
        settings |= {"last batch": self.count % self.size or self.size} if not self.drop_last else {}
        settings |= {"prepared ahead": self.ahead} if self.ahead else {}
        rows = [(name, str(value)) for name, value in settings.items()]
        return html_table(("batches", "value"), [*rows, *self._shapes()])

    def _shapes(self) -> list[tuple[str, str]]:
        """Return the shape and dtype of each array of a batch, as the first example has them."""
        if not self.count:
            return []
        first = tree_unflatten(self._spec, [_taken(leaf, slice(0, 1)) for leaf in self._leaves])
        arrays = [np.asarray(x) for x in tree_leaves(first)]
        pairs = zip(leaf_paths(first, "batch"), arrays, strict=True)
        return [(path, f"{(min(self.size, self.count), *x.shape[1:])} {x.dtype}") for path, x in pairs]

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.count // self.size if self.drop_last else -(-self.count // self.size)

    def __iter__(self) -> Iterator[Any]:
        """Start over. The order is drawn here, so that nothing is drawn from `rng` while batches are made."""
        order = None if self.rng is None else self.rng.permutation(self.count)
        made = (self._batch(order, start) for start in range(0, len(self) * self.size, self.size))
        return prefetched(made, self.ahead) if self.ahead else made

    def _batch(self, order: np.ndarray[Any, Any] | None, start: int) -> Tree:
        stop = min(start + self.size, self.count)
        indices = slice(start, stop) if order is None else order[start:stop]
        return tree_unflatten(self._spec, [_taken(leaf, indices) for leaf in self._leaves])


def batches(
    arrays: Tree,
    size: int,
    *,
    rng: np.random.Generator | None = None,
    shuffle: bool | None = None,
    drop_last: bool = False,
    prefetch: int = 0,
) -> Batches:
    """Cut arrays into batches along their first axis.

    Args:
        arrays: pytree of arrays, memory-mapped ones too, and of sequences, all with one length. A list is a sequence
            of examples; so is any object with a length that gives an example for an index. Examples are arrays,
            numbers, or pytrees of them, and a batch stacks them.
        size: integer of at least 1, how many examples make a batch.
        rng: draws the order of the examples, another each time that the batches are gone through.
        shuffle: whether the order is drawn; by default where there is an `rng`.
        drop_last: whether to leave out the last batch where it would be smaller.
        prefetch: integer of at least 0, how many batches a thread prepares ahead, while the last is used.

    Returns:
        An iterable of pytrees like `arrays`, with a length. What it gives are copies, which may be written to.

    Raises:
        ArgumentError: lengths that differ, no array at all, a number out of its range, or `shuffle` without `rng`.
        ArgumentTypeError: a leaf that has no length, or an argument of another type.

    >>> data = batches({"x": np.arange(5.0), "names": list("abcde")}, 2, rng=np.random.default_rng(0))
    >>> len(data), next(iter(data))
    (3, {'x': array([2., 4.]), 'names': array(['c', 'e'], dtype='<U1')})
    """
    size = checked_count("batches", "size", size)
    rng = _checked_order(rng, shuffle)
    drop_last = checked_flag("batches", "drop_last", drop_last)
    ahead = checked_count("batches", "prefetch", prefetch, 0)
    leaves, spec, paths = tree_flatten_to(arrays, is_sequence)
    leaves = [_checked_leaf(leaf, path("arrays")) for leaf, path in zip(leaves, paths, strict=True)]
    lengths = {path("arrays"): len(leaf) for leaf, path in zip(leaves, paths, strict=True)}
    if not lengths:
        raise ArgumentError(f"batches: arrays must hold an array; got {shown(arrays)}.")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{length} for {path}" for path, length in lengths.items())
        raise ArgumentError(f"batches: arrays must have one length; got {listed}.")
    return Batches(arrays, size, rng, drop_last, ahead, len(leaves[0]), leaves, spec)


def _checked_order(rng: np.random.Generator | None, shuffle: bool | None) -> np.random.Generator | None:
    """Return the generator that shuffles, where one is to."""
    if rng is not None:
        checked_rng("batches", rng)
    if shuffle is None:
        return rng
    if checked_flag("batches", "shuffle", shuffle) and rng is None:
        raise ArgumentError(
            "batches: rng must be a numpy.random.Generator to shuffle; got None. "
            "Write rng = numpy.random.default_rng(0)."
        )
    return rng if shuffle else None


def is_sequence(node: Any) -> bool:
    """Return whether a node of a pytree is a sequence of examples, and not a container."""
    return hasattr(node, "__getitem__") and hasattr(node, "__len__") and not isinstance(node, tuple | Mapping | str)


def _checked_leaf(leaf: Any, path: str) -> Any:
    """Return an array or a sequence."""
    if kind_of(type(leaf)) is Kind.CONSTANT:
        leaf = plain_leaf("batches", lambda: path, leaf)
    if kind_of(type(leaf)) is Kind.REFUSED:
        raise ArgumentTypeError(refusal("batches", path, leaf))
    shape = getattr(leaf, "shape", None)
    if not is_sequence(leaf) or shape == ():
        raise ArgumentTypeError(
            f"batches: {path} must be an array or a sequence of examples; got {shown(leaf)}. Tuples and dicts hold "
            "arrays; a list holds examples."
        )
    return leaf


def _taken(leaf: Any, indices: Indices) -> Any:
    """Return the examples at some indices, as new arrays."""
    if isinstance(leaf, np.ndarray):
        return np.array(leaf[indices])
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return leaf[indices]
    places = range(indices.start, indices.stop) if isinstance(indices, slice) else indices.tolist()
    return stacked([leaf[place] for place in places])


def stacked(examples: list[Any]) -> Tree:
    """Stack examples, pytrees of one structure, leaf by leaf."""
    try:
        return tree_map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *examples)
    except ValueError as error:
        raise ArgumentError(
            f"batches: arrays must have examples of one structure and shape in each sequence; got {error}."
        ) from error


@attrs.frozen(eq=False)
class Transformed:
    """What `transformed` makes."""

    data: Iterable[Any]
    function: Callable[[Any], Any]

    def __len__(self) -> int:
        """Return the number of batches, where the data have one."""
        return len(self.data)  # type: ignore[arg-type]  # raises as len does, where there is none

    def __iter__(self) -> Iterator[Any]:
        """Start over."""
        return map(self.function, self.data)


def transformed(data: Iterable[Any], function: Callable[[Any], Any]) -> Transformed:
    """Apply a function to each batch.

    Args:
        data: an iterable of batches.
        function: from a batch to what takes its place.

    Returns:
        An iterable, which starts over as `data` does and has its length.

    Raises:
        ArgumentTypeError: `data` is not an iterable, or `function` not a function.

    >>> data = transformed(batches(np.arange(4.0), 2), np.square)
    >>> len(data), list(data)
    (2, [array([0., 1.]), array([4., 9.])])
    """
    return Transformed(
        checked_iterable("transformed", "data", data), checked_function("transformed", "function", function)
    )
