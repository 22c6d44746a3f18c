"""A table of a model's layers: what each gives for an input, its parameters, its work, its memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_array
from tapenet.core.array_types import Array
from tapenet.core.notices import hidden
from tapenet.core.pytrees import Tree, joined, one_level, static_values, tree_flatten, tree_leaves, tree_unflatten
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentTypeError
from tapenet.nn.describing import own_text, parameter_count
from tapenet.nn.layers import Layer, check_has_fields
from tapenet.tape import GradientTape
from tapenet.views.flops import multiply_adds
from tapenet.views.html import html_table
from tapenet.views.sizes import readable
from tapenet.views.tables import aligned


@attrs.frozen
class LayerSummary:
    """One call of a layer.

    Attributes:
        path: of the layer in the model, as `tn.tree.paths` writes it; that of the model is empty.
        layer: the layer in a few words.
        output_shape: of what it gave; None for what is not one array.
        parameters: how many numbers it learns; 0 where a call before counted them.
        multiply_adds: products that it added up, in matrix products and convolutions.
        output_bytes: of what it gave.
        depth: how many layers it is within.
    """

    path: str
    layer: str
    output_shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    output_bytes: int
    depth: int


@attrs.frozen
class ModelSummary:
    """What a model does for an input; `str` gives a table, with a line for each call of a layer.

    Attributes:
        layers: in the order in which the calls began; the first is the model itself, with what is in all.
        parameter_bytes: of its parameters.
    """

    layers: tuple[LayerSummary, ...]
    parameter_bytes: int

    def __str__(self) -> str:
        rows = [(f"{'  ' * layer.depth}{row[0]}", *row[1:]) for layer, row in zip(self.layers, self._rows, strict=True)]
        table = aligned([_HEAD, *rows], [False, False, False, True, True, True])
        return f"{table}\nParameters: {self.layers[0].parameters:,}, {readable(self.parameter_bytes)}."

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._rows, indents=[layer.depth for layer in self.layers])

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                x.layer,
                x.path,
                "" if x.output_shape is None else str(x.output_shape),
                f"{x.parameters:,}",
                readable(x.multiply_adds, ""),
                readable(x.output_bytes),
            )
            for x in self.layers
        ]


_HEAD = ("layer", "path", "output shape", "parameters", "multiply-adds", "bytes")


def summary(model: Layer, x: Array, *more: Array) -> ModelSummary:
    """Run a model once, and make a table of its layers: output shapes, parameters, multiply-adds, bytes.

    Args:
        model: a layer, or a model made of them.
        x: its input, an array; one example is enough.
        more: further inputs of a model that takes several.

    Returns:
        A `ModelSummary`; `print` it for the table, or let a notebook show it.

    Raises:
        ArgumentTypeError: model is not a layer; x is not an array of numbers.

    What the model raises itself passes unchanged.

    >>> rng = np.random.default_rng(0)
    >>> model = tn.nn.Sequential(tn.nn.Dense(4, 8, rng=rng), np.tanh, tn.nn.Dense(8, 2, rng=rng))
    >>> tn.nn.summary(model, np.ones((5, 4), np.float32)).layers[0].multiply_adds
    240
    """
    if not isinstance(model, Layer):
        raise ArgumentTypeError(
            f"summary: model must be a layer; got {type(model).__name__}. Derive its class from tn.nn.Layer."
        )
    check_has_fields("summary", "model", model)
    inputs = [checked_array("summary", name, array) for name, array in _named(x, more)]
    with GradientTape(replayable=False) as tape, hidden():
        followed = _Followed(tape)
        watched = followed.followed(_watched(tape, model), "")
        given = [tape.watch(array) if array.dtype.kind in "fc" else array for array in inputs]
        with followed.active():
            watched(*given)
    sizes = [np.asarray(leaf).nbytes for leaf in tree_leaves(model) if hasattr(leaf, "nbytes")]
    return ModelSummary(tuple(followed.summaries()), sum(sizes))


def _named(x: Array, more: tuple[Array, ...]) -> Iterator[tuple[str, Array]]:
    yield "x", x
    yield from ((f"more[{i}]", array) for i, array in enumerate(more))


def _watched(tape: GradientTape, model: Layer) -> Layer:
    """Return a model with its parameters on a tape, as far as they are floating."""
    leaves, spec = tree_flatten(model)
    kinds = [getattr(getattr(leaf, "dtype", None), "kind", "") for leaf in leaves]
    on_tape = [tape.watch(leaf) if kind in ("f", "c") else leaf for leaf, kind in zip(leaves, kinds, strict=True)]
    made: Layer = tree_unflatten(spec, on_tape)
    return made


# ---- layers that note their calls ----


@attrs.define(eq=False)
class _Call:
    path: str
    layer: Any
    depth: int
    start: int
    end: int = 0
    output: Any = None


@attrs.define(eq=False)
class _Followed:
    """The calls of the layers of one model."""

    tape: GradientTape
    calls: list[_Call] = attrs.field(factory=list)
    paths: dict[int, str] = attrs.field(factory=dict)
    held: list[Any] = attrs.field(factory=list)  # whose ids are in `paths`
    running: list[Any] = attrs.field(factory=list)  # the layers whose calls have not ended, the innermost last

    def followed(self, node: Any, path: str) -> Any:
        """Return a pytree in which each layer notes its calls."""
        level = one_level(node)
        if level is None:
            return node
        named = zip(level.names, level.children, strict=True)
        made = level.rebuilt([self.followed(child, joined(path, name)) for name, child in named])
        for name, value in static_values(node).items():
            if isinstance(value, Layer):
                object.__setattr__(made, name, self.followed(value, joined(path, name)))
        if not isinstance(node, Layer):
            return made
        noting = _copied_as(_noting_class(type(node)), made)
        self.paths[id(noting)] = path
        self.held.append(noting)
        return noting

    @contextmanager
    def active(self) -> Iterator[None]:
        """Have layers note their calls inside the block."""
        token = _ACTIVE.set(self)
        try:
            yield
        finally:
            _ACTIVE.reset(token)

    def noted(self, layer: Any, name: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a layer by a method, and note its output, which comes first where a state or a layer is given too."""
        if self.running and self.running[-1] is layer:  # one way to call a layer goes by another
            return call(layer, *args, **kwargs)
        note = _Call(self.paths.get(id(layer), "?"), layer, len(self.running), len(self.tape.records))
        self.calls.append(note)
        self.running.append(layer)
        try:
            given = call(layer, *args, **kwargs)
        finally:
            self.running.pop()
        note.output = given if name == "__call__" or type(given) is not tuple else given[0]
        note.end = len(self.tape.records)
        return given

    def summaries(self) -> Iterator[LayerSummary]:
        """Yield what is known of each call; parameters that come again are counted once."""
        entries = [
            (record.primitive, record.slots, record.kept, record.parameters, record.shape, record.dtype)
            for record in self.tape.records
        ]
        work = [multiply_adds(entries, entry) for entry in entries]
        seen: set[str] = set()
        for call in self.calls:
            outputs = tree_leaves(call.output)
            yield LayerSummary(
                call.path,
                own_text(call.layer),
                outputs[0].shape if len(outputs) == 1 and hasattr(outputs[0], "shape") else None,
                0 if call.path in seen else parameter_count(call.layer),
                sum(work[call.start : call.end]),
                sum(map(_bytes_of, outputs)),
                call.depth,
            )
            seen.add(call.path)


_WAYS = ("__call__", "train", "with_state")  # to call a layer
_ACTIVE: ContextVar[_Followed | None] = ContextVar("tapenet.nn.summary", default=None)


@functools.cache
def _noting_class(kind: type) -> type:
    """Return a class that is as another, but that notes its calls while a summary is made."""

    def noting(name: str) -> Callable[..., Any]:
        call = getattr(kind, name)

        @functools.wraps(call)
        def called(self: Any, *args: Any, **kwargs: Any) -> Any:
            followed = _ACTIVE.get()
            return call(self, *args, **kwargs) if followed is None else followed.noted(self, name, call, args, kwargs)

        return called

    ways = {name: noting(name) for name in _WAYS if hasattr(kind, name)}
    names = {"__slots__": (), **ways, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), names)


def _copied_as(kind: type, layer: Any) -> Any:
    made: Any = object.__new__(kind)
    level = one_level(layer)
    assert level is not None
    for name, value in (*zip(level.names, level.children, strict=True), *static_values(layer).items()):
        object.__setattr__(made, name, value)
    return made


def _bytes_of(leaf: Tree) -> int:
    if type(leaf) is Tensor:
        return leaf.size * leaf.dtype.itemsize
    return int(getattr(leaf, "nbytes", 0))
