"""Parameters in the layouts of PyTorch and Flax, by the names that those libraries give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_choice, shown
from tapenet.core.pytrees import joined, one_level, static_values
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.nn.layers import Layer, Sequential
from tapenet.nn.layouts import FLAX, FLAX_PARTS, TORCH, TORCH_NAMES, Array, Entry, Layout, Layouts
from tapenet.saving.trees import Item, mapped_tree

Arrays = dict[str, Array]  # by name
Model = TypeVar("Model", bound=Layer)

_IGNORED = ("num_batches_tracked",)  # a count of PyTorch's, which says nothing of the function
_MOST_LISTED = 20


# ---- the layers of a model ----


@attrs.frozen(eq=False)
class Place:
    """A layer of a model, with the arrays that another library would hold.

    Attributes:
        path: of the layer, as `tn.tree.paths` writes it.
        name: by which the other library would know it.
        layout: its arrays.
        fields: ours, by path within the layer; None for a bias that is not there.
    """

    path: str
    name: str
    layout: Layout
    fields: dict[str, Any]

    def entries(self) -> Iterator[Entry]:
        """Yield the arrays that the other library holds of this layer."""
        for entry in self.layout.entries:
            if all(self.fields.get(field) is not None for field in entry.fields):
                yield entry

    def written(self) -> Arrays:
        """Return the other's arrays by their names within the layer."""
        return {
            entry.name: np.array(entry.write(*(np.asarray(self.fields[field]) for field in entry.fields)))
            for entry in self.entries()
        }


def _places(function: str, node: Any, path: str, name: str, layouts: Layouts) -> Iterator[Place]:
    """Yield the layers with parameters; names leave out the field of a row of layers, as other libraries do."""
    layout = layouts.get(type(node))
    if layout is not None:
        made = layout(node)
        yield Place(path, name, made, {field: _field(node, field) for field in made.read})
        return
    level = one_level(node)
    if level is None:
        if hasattr(node, "shape"):
            raise ArgumentTypeError(
                f"{function}: model must be of layers that the other library has; got an array of "
                f"shape {node.shape} at {path!r}. Convert the layers around it one by one."
            )
        return
    renamed = TORCH_NAMES.get(type(node), {}) if layouts is TORCH else {}
    for child_name, child in (*zip(level.names, level.children, strict=True), *static_values(node).items()):
        is_row = isinstance(node, Sequential) and child_name == "layers"
        if isinstance(child, np.ndarray) or one_level(child) is not None:
            below = name if is_row else joined(name, child_name)
            for place in _places(function, child, joined(path, child_name), below, layouts):
                own = renamed.get(place.path.removeprefix(f"{path}.") if path else place.path)
                yield place if own is None else attrs.evolve(place, name=joined(name, own))


def _field(layer: Any, path: str) -> Any:
    for name in path.split("."):
        layer = getattr(layer, name)
    return layer


def _named_places(function: str, model: Any, names: Any, layouts: Layouts) -> list[Place]:
    if not isinstance(model, Layer) and type(model) not in layouts:
        raise ArgumentTypeError(f"{function}: model must be a layer; got {type(model).__name__}.")
    places = list(_places(function, model, "", "", layouts))
    if names is None:
        return places
    known = {place.path for place in places}
    if not isinstance(names, Mapping) or not all(isinstance(name, str) for name in (*names, *names.values())):
        raise ArgumentTypeError(f"{function}: names must be a dict from paths of layers to names; got {shown(names)}.")
    for path in names:
        if path not in known:
            raise ArgumentError(
                f"{function}: names must be of the paths of layers with parameters, "
                f"{', '.join(map(repr, sorted(known)))}; got {path!r}."
            )
    return [attrs.evolve(place, name=names.get(place.path, place.name)) for place in places]


# ---- from the other library ----


def _filled(function: str, model: Model, places: list[Place], groups: dict[str, Arrays], names: list[str]) -> Model:
    """Return a model with the arrays of other layers, which `names` names for each place; lists what does not fit."""
    problems: list[str] = []
    found: dict[str, Array] = {}
    for place, name in zip(places, names, strict=True):
        group = groups.get(name, {})
        expected = place.written()
        for local, array in expected.items():
            came = group.get(local)
            if came is None:
                problems.append(f"{joined(name, local)}: missing, of shape {array.shape}")
            elif came.shape != array.shape:
                problems.append(f"{joined(name, local)}: shape {came.shape} where the model has {array.shape}")
        problems += [f"{joined(name, local)}: not in the model" for local in group if local not in expected]
        if not problems:
            found |= {joined(place.path, field): array for field, array in _read(place, group).items()}
    problems += [
        f"{joined(name, local)}: not in the model" for name in groups if name not in names for local in groups[name]
    ]
    if problems:
        listed = "\n  ".join(problems[:_MOST_LISTED])
        more = f"\n  ... and {len(problems) - _MOST_LISTED} more" if len(problems) > _MOST_LISTED else ""
        raise ArgumentError(
            f"{function}: state must have the arrays of the model; got {len(problems)} differences:\n  {listed}{more}\n"
            'Where names differ pass names={"path": "name"}, or by="order".'
        )

    def visit(item: Item) -> Any:
        new = found.get(item.path)
        return item.value if new is None else np.array(new, np.asarray(item.value).dtype, order="C")

    filled: Model = mapped_tree(function, model, visit)
    return filled


def _read(place: Place, group: Arrays) -> Arrays:
    """Return our fields of a layer, from the other library's arrays."""
    return {
        field: how(*(group[name] for name in names))
        for field, (names, how) in place.layout.read.items()
        if place.fields[field] is not None
    }


def _in_order(function: str, places: list[Place], groups: dict[str, Arrays]) -> list[str]:
    """Return for each layer the name of the first group, of those not taken, with arrays of its names and shapes."""
    left = {name: {local: array.shape for local, array in group.items()} for name, group in groups.items()}
    taken = []
    for place in places:
        shapes = {local: array.shape for local, array in place.written().items()}
        name = next((name for name, group in left.items() if group == shapes), None)
        if name is None:
            raise ArgumentError(
                f"{function}: state must have a layer for each of the model's, in order; got none left for "
                f"{place.path or 'the model'!r}, of {shapes}."
            )
        taken.append(name)
        del left[name]
    return taken


def _grouped(function: str, state: Any) -> dict[str, Arrays]:
    """Return the arrays of a state by layer, and then by name."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(f"{function}: state must be a dict from names to arrays; got {shown(state)}.")
    groups: dict[str, Arrays] = {}
    for key, value in state.items():
        if not isinstance(key, str):
            raise ArgumentTypeError(f"{function}: state must have strings as keys; got {shown(key)}.")
        layer, _, local = key.rpartition(".")
        outer, _, inner = layer.rpartition(".")
        if inner == "out_proj":  # of an attention of PyTorch's, which has its other arrays itself
            layer, local = outer, f"{inner}.{local}"
        if local not in _IGNORED:
            groups.setdefault(layer, {})[local] = _as_array(function, key, value)
    return groups


def _as_array(function: str, name: str, value: Any) -> Array:
    if hasattr(value, "detach"):  # PyTorch's
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
        value = value.numpy()
    try:
        array = np.asarray(value)
    except Exception:  # of several classes: ragged lists, objects that refuse
        array = np.asarray(None)
    if array.dtype.kind not in "fiuc":
        raise ArgumentTypeError(f"{function}: state[{name!r}] must be an array of numbers; got {shown(value)}.")
    return array


def from_torch_state(
    model: Model, state: Mapping[str, Any], *, by: str = "name", names: Mapping[str, str] | None = None
) -> Model:
    """Return a model with the parameters of a PyTorch module, whose `state_dict()` is given.

    Kernels of convolutions (outputs, inputs, height, width) become (height, width, inputs, outputs), weights of
    Linear are transposed, the two biases of recurrent layers are added up, and running statistics are taken too. A
    layer in a `Sequential` is called by its number, one in a field by the field's name, as PyTorch calls it: where
    names differ, pass `names`, or take layers in their order.

    A model that flattens images sees their channels last, and PyTorch's first: the Linear after such a Flatten has its
    inputs in another order, which no layout of its own can tell.

    Args:
        model: of the same layers; its arrays say shapes and dtypes, and are not read.
        state: arrays by name, NumPy's or PyTorch's; `tn.load` gives it of a safetensors file.
        by: "name", or "order": for each layer of the model the next of the state with arrays of its names and shapes.
        names: the PyTorch name of layers of the model, by their path; for by="name".

    Returns:
        A model of the class, structure and dtypes of `model`.

    Raises:
        ArgumentError: arrays that are missing, that the model does not have, or of other shapes; all are listed.
        ArgumentTypeError: state is not a dict of arrays; a model with parameters outside of layers.

    >>> layer = tn.nn.Dense(2, 3, rng=np.random.default_rng(0))
    >>> from_torch_state(layer, {"weight": np.ones((3, 2)), "bias": np.zeros(3)}).kernel.shape
    (2, 3)
    """
    function = "from_torch_state"
    checked_choice(function, "by", by, ("name", "order"))
    places = _named_places(function, model, names, TORCH)
    groups = _grouped(function, state)
    taken = [place.name for place in places] if by == "name" else _in_order(function, places, groups)
    return _filled(function, model, places, groups, taken)


def to_torch_state(model: Layer, *, names: Mapping[str, str] | None = None) -> Arrays:
    """Return the parameters of a model in PyTorch's layouts and by its names, for `module.load_state_dict`.

    Args:
        model: of layers that PyTorch has.
        names: the PyTorch name of layers of the model, by their path.

    Returns:
        NumPy arrays by name, in memory of their own; `torch.from_numpy` makes each PyTorch's.

    Raises:
        ArgumentTypeError: a model with parameters outside of layers.
        ArgumentError: names of what is not a layer.

    >>> sorted(to_torch_state(tn.nn.BatchNorm(3)))
    ['bias', 'running_mean', 'running_var', 'weight']
    """
    places = _named_places("to_torch_state", model, names, TORCH)
    return {joined(place.name, local): array for place in places for local, array in place.written().items()}


def from_flax_state(
    model: Model, variables: Mapping[str, Any], *, by: str = "order", names: Mapping[str, str] | None = None
) -> Model:
    """Return a model with the variables of a Flax (Linen) module, such as `module.init(key, x)` gives.

    Most of Flax's layouts are those of tapenet under other names. Kernels of transposed convolutions are turned, the
    gates of SimpleCell, LSTMCell, OptimizedLSTMCell and GRUCell are put side by side, and so are the heads and the
    projections of MultiHeadDotProductAttention. What is not an array stays the model's: Flax's LayerNorm and GroupNorm
    have eps=1e-6 where ours have 1e-5 by default.

    Args:
        model: of the same layers; an LSTM has the arrays of Flax's RNN(LSTMCell), whose layer is the cell.
        variables: nested dicts: "params", and "batch_stats" where there are running statistics.
        by: "order", or "name": by the path of the layer, or as `names` says.
        names: the Flax name of layers of the model, by their path, such as "Dense_0", "encoder.Conv_1" or "rnn.cell".

    Returns, Raises: as for `from_torch_state`.

    >>> layer = tn.nn.Dense(2, 3, rng=np.random.default_rng(0))
    >>> variables = {"params": {"kernel": np.ones((2, 3)), "bias": np.zeros(3)}}
    >>> from_flax_state(layer, variables).kernel.shape
    (2, 3)
    """
    function = "from_flax_state"
    checked_choice(function, "by", by, ("name", "order"))
    places = _named_places(function, model, names, FLAX)
    if not isinstance(variables, Mapping) or not isinstance(variables.get("params"), Mapping):
        raise ArgumentTypeError(f"{function}: variables must be a dict with 'params'; got {shown(variables)}.")
    groups: dict[str, Arrays] = {}
    for collection in ("params", "batch_stats"):
        for layer, local, array in _flax_arrays(function, variables.get(collection, {}), ""):
            groups.setdefault(layer, {})[local] = array
    ordered = dict(sorted(groups.items(), key=lambda group: _natural(group[0])))
    taken = [place.name for place in places] if by == "name" or names else _in_order(function, places, ordered)
    return _filled(function, model, places, ordered, taken)


def to_flax_state(model: Layer, *, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the parameters of a model as the variables of a Flax (Linen) module: nested dicts of NumPy arrays.

    Args:
        model: of layers that `from_flax_state` takes.
        names: the Flax name of layers of the model, by their path; by default their path.

    Raises: as for `to_torch_state`.

    >>> to_flax_state(tn.nn.LayerNorm(2))
    {'params': {'scale': array([1., 1.], dtype=float32), 'bias': array([0., 0.], dtype=float32)}}
    """
    variables: dict[str, Any] = {"params": {}}
    for place in _named_places("to_flax_state", model, names, FLAX):
        for local, array in place.written().items():
            inside = variables.setdefault("batch_stats" if local in ("mean", "var") else "params", {})
            *within, name = joined(place.name, local).split(".")
            for part in within:
                inside = inside.setdefault(part, {})
            inside[name] = array
    return variables


def _flax_arrays(function: str, tree: Any, layer: str) -> Iterator[tuple[str, str, Array]]:
    """Yield the layer, the name within it and the array, of nested dicts."""
    if not isinstance(tree, Mapping) or not all(isinstance(name, str) for name in tree):
        raise ArgumentTypeError(f"{function}: variables must be nested dicts by strings; got {shown(tree)}.")
    is_layer = {*tree} in FLAX_PARTS and all(isinstance(child, Mapping) for child in tree.values())
    for name, child in tree.items():
        path = joined(layer, name)
        if not isinstance(child, Mapping):
            yield layer, name, _as_array(function, path, child)
        elif not is_layer:
            yield from _flax_arrays(function, child, path)
        else:
            yield from ((layer, f"{name}.{own}", _as_array(function, joined(path, own), x)) for own, x in child.items())


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Return a key by which Dense_10 comes after Dense_9, within the kinds of a module."""
    parts = name.replace(".", "_").split("_")
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
