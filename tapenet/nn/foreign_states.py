"""Parameters in the layouts of PyTorch and Flax, by the names that those libraries give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_choice, shown
from tapenet.core.pytrees import joined, one_level, static_values
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.nn.attention_layers import MultiHeadAttention, TransformerBlock
from tapenet.nn.block_layers import GroupNorm, InstanceNorm, PReLU, RMSNorm
from tapenet.nn.layers import BatchNorm, Conv, Dense, Embedding, Layer, LayerNorm, Sequential
from tapenet.nn.recurrent_layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from tapenet.nn.spatial_layers import Conv1d, Conv3d, ConvTranspose, ConvTranspose1d
from tapenet.saving.trees import Item, mapped_tree

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]  # by name
Reading = dict[str, tuple[tuple[str, ...], Callable[..., Array]]]
Model = TypeVar("Model", bound=Layer)

_IGNORED = ("num_batches_tracked",)  # a count of PyTorch's, which says nothing of the function
_MOST_LISTED = 20


# ---- layouts ----


@attrs.frozen(eq=False)
class Entry:
    """One array of another library's.

    Attributes:
        name: within the layer.
        fields: what it is made of, by the path of the field in the layer: all must be there, and not None.
        write: makes it of these.
    """

    name: str
    fields: tuple[str, ...]
    write: Callable[..., Array]


@attrs.frozen(eq=False)
class Layout:
    """How another library holds the parameters of a layer.

    Attributes:
        entries: its arrays.
        read: for each of our fields, what it is made of by their names, and how.
    """

    entries: tuple[Entry, ...]
    read: Reading


def _same(x: Array) -> Array:
    return x


def _transposed(x: Array) -> Array:
    return x.T


def _channels_last(x: Array) -> Array:
    return np.moveaxis(x, (0, 1), (-1, -2))


def _channels_first(x: Array) -> Array:
    return np.moveaxis(x, (-1, -2), (0, 1))


def _layout(**pairs: tuple[str, Callable[[Array], Array], Callable[[Array], Array]]) -> Layout:
    """Make a layout in which each of our fields is one array of the other's; dots are written as double underscores."""
    named = {field.replace("__", "."): pair for field, pair in pairs.items()}
    entries = tuple(Entry(name, (field,), write) for field, (name, _, write) in named.items())
    return Layout(entries, {field: ((name,), read) for field, (name, read, _) in named.items()})


def _equal(**names: str) -> Layout:
    """Make a layout of arrays that are as ours."""
    return _layout(**{field: (name, _same, _same) for field, name in names.items()})


_SCALED = _equal(scale="weight", offset="bias")
_CONVOLUTION = _layout(kernel=("weight", _channels_last, _channels_first), bias=("bias", _same, _same))


def _recurrent(at: str, ending: str) -> Layout:
    """Make the layout of a recurrent layer, whose cell is `at` it; PyTorch has two biases that it adds up."""
    layout = _layout(
        kernel=(f"weight_ih{ending}", _transposed, _transposed),
        recurrent=(f"weight_hh{ending}", _transposed, _transposed),
    )
    entries = [Entry(entry.name, (at + entry.fields[0],), entry.write) for entry in layout.entries]
    entries += [
        Entry(f"bias_ih{ending}", (f"{at}bias",), _same),
        Entry(f"bias_hh{ending}", (f"{at}bias",), np.zeros_like),
    ]
    read: Reading = {at + field: how for field, how in layout.read.items()}
    read[f"{at}bias"] = ((f"bias_ih{ending}", f"bias_hh{ending}"), np.add)
    return Layout(tuple(entries), read)


def _gated(at: str, ending: str) -> Layout:
    """Make the layout of a GRU, of whose second bias a third goes in elsewhere."""
    layout = _recurrent(at, ending)
    own, its = f"bias_ih{ending}", f"bias_hh{ending}"

    def outer(first: Array, second: Array) -> Array:
        n = len(first) // 3
        return first + np.concatenate([second[: 2 * n], np.zeros(n, second.dtype)])

    def inner(second: Array) -> Array:
        return second[2 * len(second) // 3 :]

    def written(bias: Array, recurrent_bias: Array) -> Array:
        return np.concatenate([np.zeros(2 * len(recurrent_bias), bias.dtype), recurrent_bias])

    entries = [entry for entry in layout.entries if entry.name != its]
    entries.append(Entry(its, (f"{at}bias", f"{at}recurrent_bias"), written))
    read: Reading = {**layout.read, f"{at}bias": ((own, its), outer), f"{at}recurrent_bias": ((its,), inner)}
    return Layout(tuple(entries), read)


_TORCH: dict[type, Callable[[Any], Layout]] = {
    Dense: lambda layer: _layout(kernel=("weight", _transposed, _transposed), bias=("bias", _same, _same)),
    **dict.fromkeys((Conv, Conv1d, Conv3d, ConvTranspose, ConvTranspose1d), lambda layer: _CONVOLUTION),
    **dict.fromkeys((LayerNorm, GroupNorm, InstanceNorm), lambda layer: _SCALED),
    BatchNorm: lambda layer: _equal(
        scale="weight", offset="bias", running__mean="running_mean", running__var="running_var"
    ),
    RMSNorm: lambda layer: _equal(scale="weight"),
    Embedding: lambda layer: _equal(table="weight"),
    PReLU: lambda layer: _layout(slope=("weight", lambda x: x.reshape(layer.slope.shape), np.atleast_1d)),
    **dict.fromkeys((RNNCell, LSTMCell), lambda layer: _recurrent("", "")),
    GRUCell: lambda layer: _gated("", ""),
    **dict.fromkeys((RNN, LSTM), lambda layer: _recurrent("cell.", "_l0_reverse" if layer.reverse else "_l0")),
    GRU: lambda layer: _gated("cell.", "_l0_reverse" if layer.reverse else "_l0"),
    MultiHeadAttention: lambda layer: _layout(
        inputs__kernel=("in_proj_weight", _transposed, _transposed),
        inputs__bias=("in_proj_bias", _same, _same),
        output__kernel=("out_proj.weight", _transposed, _transposed),
        output__bias=("out_proj.bias", _same, _same),
    ),
}
# PyTorch's names for what is within a layer of several; for TransformerBlock those of TransformerEncoderLayer.
_TORCH_NAMES: dict[type, dict[str, str]] = {
    TransformerBlock: {
        "first_norm": "norm1",
        "attention": "self_attn",
        "second_norm": "norm2",
        "mlp.layers.0": "linear1",
        "mlp.layers.2": "linear2",
    }
}

_FLAX: dict[type, Callable[[Any], Layout]] = {
    **dict.fromkeys((Dense, Conv, Conv1d, Conv3d), lambda layer: _equal(kernel="kernel", bias="bias")),
    **dict.fromkeys((LayerNorm, GroupNorm, InstanceNorm), lambda layer: _equal(scale="scale", offset="bias")),
    BatchNorm: lambda layer: _equal(scale="scale", offset="bias", running__mean="mean", running__var="var"),
    RMSNorm: lambda layer: _equal(scale="scale"),
    Embedding: lambda layer: _equal(table="embedding"),
    PReLU: lambda layer: _equal(slope="negative_slope"),
}


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


def _places(
    function: str, node: Any, path: str, name: str, layouts: Mapping[type, Callable[[Any], Layout]]
) -> Iterator[Place]:
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
    renamed = _TORCH_NAMES.get(type(node), {}) if layouts is _TORCH else {}
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


def _named_places(function: str, model: Any, names: Any, layouts: Any) -> list[Place]:
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
    places = _named_places(function, model, names, _TORCH)
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
    places = _named_places("to_torch_state", model, names, _TORCH)
    return {joined(place.name, local): array for place in places for local, array in place.written().items()}


def from_flax_state(
    model: Model, variables: Mapping[str, Any], *, by: str = "order", names: Mapping[str, str] | None = None
) -> Model:
    """Return a model with the variables of a Flax (Linen) module, such as `module.init(key, x)` gives.

    Flax's layouts are those of tapenet; only names differ. For Dense, convolutions that are not transposed, norms,
    Embed and PReLU.

    Args:
        model: of the same layers.
        variables: nested dicts: "params", and "batch_stats" where there are running statistics.
        by: "order", or "name": by the path of the layer, or as `names` says.
        names: the Flax name of layers of the model, by their path, such as "Dense_0" or "encoder.Conv_1".

    Returns, Raises: as for `from_torch_state`.

    >>> layer = tn.nn.Dense(2, 3, rng=np.random.default_rng(0))
    >>> variables = {"params": {"kernel": np.ones((2, 3)), "bias": np.zeros(3)}}
    >>> from_flax_state(layer, variables).kernel.shape
    (2, 3)
    """
    function = "from_flax_state"
    checked_choice(function, "by", by, ("name", "order"))
    places = _named_places(function, model, names, _FLAX)
    if not isinstance(variables, Mapping) or not isinstance(variables.get("params"), Mapping):
        raise ArgumentTypeError(f"{function}: variables must be a dict with 'params'; got {shown(variables)}.")
    state = {}
    for collection in ("params", "batch_stats"):
        state.update(_flattened(variables.get(collection, {}), ""))
    groups = _grouped(function, state)
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
    for place in _named_places("to_flax_state", model, names, _FLAX):
        for local, array in place.written().items():
            inside = variables.setdefault("batch_stats" if local in ("mean", "var") else "params", {})
            for part in place.name.split(".") if place.name else ():
                inside = inside.setdefault(part, {})
            inside[local] = array
    return variables


def _flattened(tree: Any, path: str) -> Arrays:
    if not isinstance(tree, Mapping):
        return {path: tree}
    return {key: x for name, child in tree.items() for key, x in _flattened(child, joined(path, str(name))).items()}


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Return a key by which Dense_10 comes after Dense_9, within the kinds of a module."""
    parts = name.replace(".", "_").split("_")
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
