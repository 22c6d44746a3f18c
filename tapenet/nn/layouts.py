"""How PyTorch and Flax hold the parameters of layers: names, orders of axes, what is added up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.nn.attention_layers import MultiHeadAttention, TransformerBlock
from tapenet.nn.block_layers import GroupNorm, InstanceNorm, PReLU, RMSNorm
from tapenet.nn.layers import BatchNorm, Conv, Dense, Embedding, LayerNorm
from tapenet.nn.recurrent_layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from tapenet.nn.spatial_layers import Conv1d, Conv3d, ConvTranspose, ConvTranspose1d

Array = np.ndarray[Any, Any]
Reading = dict[str, tuple[tuple[str, ...], Callable[..., Array]]]
Layouts = Mapping[type, Callable[[Any], "Layout"]]


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


def _flipped(x: Array) -> Array:
    """Turn a kernel of a transposed convolution: JAX's is that of a convolution, from inputs to outputs."""
    return np.flip(x, tuple(range(x.ndim - 2))).swapaxes(-1, -2)


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


TORCH: Layouts = {
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
TORCH_NAMES: dict[type, dict[str, str]] = {
    TransformerBlock: {
        "first_norm": "norm1",
        "attention": "self_attn",
        "second_norm": "norm2",
        "mlp.layers.0": "linear1",
        "mlp.layers.2": "linear2",
    }
}

# ---- Flax ----


def _part(count: int, index: int) -> Callable[[Array], Array]:
    """Return the function that takes a part of so many equal ones of the last axis."""

    def taken(x: Array) -> Array:
        return np.split(x, count, -1)[index]

    return taken


def _side_by_side(*arrays: Array) -> Array:
    return np.concatenate(arrays, -1)


def _of_gates(parts: Mapping[str, tuple[str, str]]) -> Layout:
    """Make the layout of a layer whose gates Flax holds one by one.

    Args:
        parts: for each of our fields the names of the gates, one letter each, and of the array of all of them, with a
            star for the letter.
    """
    entries, read = [], dict[str, tuple[tuple[str, ...], Callable[..., Array]]]()
    for field, (gates, pattern) in parts.items():
        names = tuple(pattern.replace("*", gate) for gate in gates)
        entries += [Entry(name, (field,), _part(len(gates), i)) for i, name in enumerate(names)]
        read[field] = names, _side_by_side
    return Layout(tuple(entries), read)


def _flax_rnn(at: str) -> Layout:
    names = {"kernel": "i.kernel", "recurrent": "h.kernel", "bias": "i.bias"}
    return _of_gates({at + field: ("-", name) for field, name in names.items()})


def _flax_lstm(at: str) -> Layout:
    names = {"kernel": "i*.kernel", "recurrent": "h*.kernel", "bias": "h*.bias"}
    return _of_gates({at + field: ("ifgo", name) for field, name in names.items()})


def _flax_gru(at: str) -> Layout:
    names = {"kernel": "i*.kernel", "recurrent": "h*.kernel", "bias": "i*.bias"}
    parts = {at + field: ("rzn", name) for field, name in names.items()}
    return _of_gates(parts | {f"{at}recurrent_bias": ("n", "h*.bias")})


def _flax_attention(layer: MultiHeadAttention) -> Layout:
    """Make the layout of an attention, whose heads Flax gives an axis of their own."""
    projections, heads = ("query", "key", "value"), layer.heads

    def of_projection(index: int) -> Callable[[Array], Array]:
        def written(x: Array) -> Array:
            own = np.split(x, 3, -1)[index]
            return own.reshape(*own.shape[:-1], heads, -1)

        return written

    def joined_heads(*arrays: Array) -> Array:
        return np.concatenate([x.reshape(*x.shape[:-2], -1) for x in arrays], -1)

    entries = [
        Entry(f"{name}.{array}", (f"inputs.{array}",), of_projection(i))
        for array in ("kernel", "bias")
        for i, name in enumerate(projections)
    ]
    entries.append(Entry("out.kernel", ("output.kernel",), lambda x: x.reshape(heads, -1, x.shape[-1])))
    entries.append(Entry("out.bias", ("output.bias",), _same))
    read: Reading = {
        f"inputs.{array}": (tuple(f"{name}.{array}" for name in projections), joined_heads)
        for array in ("kernel", "bias")
    }
    read["output.kernel"] = (("out.kernel",), lambda x: x.reshape(-1, x.shape[-1]))
    read["output.bias"] = (("out.bias",), _same)
    return Layout(tuple(entries), read)


FLAX: Layouts = {
    **dict.fromkeys((Dense, Conv, Conv1d, Conv3d), lambda layer: _equal(kernel="kernel", bias="bias")),
    **dict.fromkeys(
        (ConvTranspose, ConvTranspose1d),
        lambda layer: _layout(kernel=("kernel", _flipped, _flipped), bias=("bias", _same, _same)),
    ),
    **dict.fromkeys((LayerNorm, GroupNorm, InstanceNorm), lambda layer: _equal(scale="scale", offset="bias")),
    BatchNorm: lambda layer: _equal(scale="scale", offset="bias", running__mean="mean", running__var="var"),
    RMSNorm: lambda layer: _equal(scale="scale"),
    Embedding: lambda layer: _equal(table="embedding"),
    PReLU: lambda layer: _equal(slope="negative_slope"),
    RNNCell: lambda layer: _flax_rnn(""),
    LSTMCell: lambda layer: _flax_lstm(""),
    GRUCell: lambda layer: _flax_gru(""),
    RNN: lambda layer: _flax_rnn("cell."),
    LSTM: lambda layer: _flax_lstm("cell."),
    GRU: lambda layer: _flax_gru("cell."),
    MultiHeadAttention: _flax_attention,
}
# The names of what Flax holds within one layer of these; nothing else has exactly these within it.
FLAX_PARTS = (
    {"i", "h"},
    {f"{side}{gate}" for side in "ih" for gate in "ifgo"},
    {f"{side}{gate}" for side in "ih" for gate in "rzn"},
    {"query", "key", "value", "out"},
)
