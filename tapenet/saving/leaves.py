"""Leaves as a file holds them: arrays as tensors of safetensors' dtypes, anything else as JSON.

A leaf's text is a dict with one key for its kind: {"array": name of the tensor}, {"int": "3"}, {"float": "0x1.8p+0"},
{"complex": [real, imaginary]}, {"bool": true}, {"str": "..."}, {"generator": {...}}. With an array go "dtype", where
it is not the tensor's (complex arrays are pairs of floats along a last axis, dates are 64-bit integers, other byte
orders are swapped), "axes" where its axes lie in memory in another order than C's, and "scalar" for NumPy's scalars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import shown
from tapenet.core.foreign import Kind, kind_of
from tapenet.core.leaf_checks import advice_on_object
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ArgumentTypeError, FileFormatError, PicklingError

Text = dict[str, Any]
_STORED_KINDS = "biufcmM"
_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_MOST_POOL = 4096  # words of a SeedSequence's pool, of which NumPy's default has 4


# ---- arrays ----


@attrs.frozen(eq=False)
class StoredArray:
    """An array as a tensor of the file, and what the tensor does not say."""

    tensor: np.ndarray[Any, Any]
    text: Text


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype of the tensor that holds an array of `dtype`; None where there is none."""
    if dtype.kind not in _STORED_KINDS or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        return None
    if dtype.kind == "c":
        return np.dtype(f"<f{dtype.itemsize // 2}")
    if dtype.kind in "mM":
        return np.dtype("<i8")
    return dtype.newbyteorder("<")


def stored_array(function: str, what: str, x: Any) -> StoredArray:
    """Return an array or NumPy scalar as the file holds it."""
    array = np.asarray(x)
    dtype = array.dtype
    tensor_dtype = stored_dtype(dtype)
    if tensor_dtype is None:
        cast = "complex128" if dtype.kind == "c" else "float64"
        advice = f"Cast it: x.astype(numpy.{cast})." if dtype.kind in "fc" else "Keep it beside the file."
        raise ArgumentTypeError(
            f"{function}: {what} must have a dtype that safetensors can hold; got {dtype}. {advice}"
        )
    text: Text = {}
    axes = _axes_in_memory(array)
    if axes is not None:
        text["axes"] = axes
    if isinstance(x, np.generic):
        text["scalar"] = True
    if dtype.newbyteorder("<") != tensor_dtype or not dtype.isnative:
        text["dtype"] = dtype.str
    flat = np.asarray(array, dtype.newbyteorder("<"), order="C").reshape(-1)
    shape = (*array.shape, 2) if dtype.kind == "c" else array.shape
    return StoredArray(flat.view(tensor_dtype).reshape(shape), text)


def _axes_in_memory(array: np.ndarray[Any, Any]) -> list[int] | None:
    """Return the order in which the axes of an array without gaps lie in memory; None for C's order, or with gaps.

    Sums are added up in that order, so that a run that is resumed repeats them bit for bit.
    """
    if array.flags.c_contiguous:
        return None
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return axes if array.transpose(axes).flags.c_contiguous else None


def array_space(text: Text, dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the dtype and shape of the array that a tensor holds."""
    written = text.get("dtype")
    if written is None:
        return dtype.newbyteorder("="), shape
    own = _written_dtype(written)
    fits = stored_dtype(own) == dtype and (own.kind != "c" or shape[-1:] == (2,))
    if not fits:
        raise FileFormatError(f"its tensors and its structure must agree; got {written!r} for {dtype} of shape {shape}")
    return own, shape[:-1] if own.kind == "c" else shape


def _written_dtype(written: Any) -> np.dtype[Any]:
    """Return a dtype from the file's text: of the few kinds that are stored."""
    if isinstance(written, str) and written[:1] in "<>|=" and written[1:2] in tuple(_STORED_KINDS):
        try:
            return np.dtype(written)
        except TypeError:
            pass
    raise FileFormatError(f"its dtypes must be NumPy's; got {shown(written)}")


def array_of(text: Text, tensor: np.ndarray[Any, Any]) -> Any:
    """Return the array, or NumPy scalar, that a tensor holds, in the tensor's memory where it can be."""
    dtype, shape = array_space(text, tensor.dtype.newbyteorder("<"), tensor.shape)
    array = tensor
    if "dtype" in text:
        array = tensor.reshape(-1).view(dtype.newbyteorder("<")).reshape(shape)
    array = array.astype(dtype, copy=False)
    if "axes" in text:
        array = _in_memory_order(array, text["axes"])
    return array[()] if text.get("scalar") and not shape else array


def _in_memory_order(array: np.ndarray[Any, Any], axes: Any) -> np.ndarray[Any, Any]:
    is_ints = isinstance(axes, list) and all(type(axis) is int for axis in axes)
    if not is_ints or sorted(axes) != [*range(array.ndim)]:
        raise FileFormatError(f"its axes must be a permutation; got {shown(axes)} for {array.ndim}")
    return np.ascontiguousarray(array.transpose(axes)).transpose([axes.index(i) for i in range(array.ndim)])


# ---- other leaves ----


def encoded(function: str, what: str, value: Any) -> Text:
    """Return a leaf that is not an array as JSON's types."""
    kind = type(value)
    if kind is bool or kind is str:
        return {kind.__name__: value}
    if kind is int:
        return {"int": hex(value)}
    if kind is float:
        return {"float": value.hex()}
    if kind is complex:
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if isinstance(value, np.random.Generator):
        return {"generator": _encoded_generator(function, what, value)}
    advice = advice_on_object(value) or "Declare the field by tn.static_field(), if it is part of the structure."
    raise ArgumentTypeError(
        f"{function}: {what} must be an array, a number, a string or a numpy.random.Generator; "
        f"got {kind.__name__} {shown(value)}. {advice}"
    )


def decoded(text: Text) -> Any:
    """Return the leaf that `encoded` described."""
    try:
        ((kind, written),) = text.items()
        match kind:
            case "bool" | "str" if type(written).__name__ == kind:
                return written
            case "int":
                return int(written, 16)
            case "float":
                return float.fromhex(written)
            case "complex":
                real, imaginary = written
                return complex(float.fromhex(real), float.fromhex(imaginary))
            case "generator":
                return _decoded_generator(written)
    except (AttributeError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise FileFormatError(f"its leaves must be as `save` writes them; got {shown(text)} ({error})") from error
    raise FileFormatError(f"its leaves must be as `save` writes them; got {shown(text)}")


def plain_leaf(function: str, what: str, value: Any) -> Any:
    """Return a leaf off its tape; raise for what is not stored."""
    value = resolve(value)
    if type(value) is Tensor:
        raise PicklingError(
            f"{function}: {what} must be a value; got a Tensor of an open tape. "
            f"Save it once the tape has closed, or tn.stop_gradient of the tree."
        )
    kind = kind_of(type(value))
    if kind is Kind.REFUSED or (kind is Kind.CONSTANT and not isinstance(value, np.ndarray)):
        raise ArgumentTypeError(
            f"{function}: {what} must be a NumPy array; got {type(value).__module__}.{type(value).__name__}. "
            "Save numpy.asarray of it."
        )
    if kind is Kind.VALUE and not isinstance(value, np.ndarray | np.generic) and hasattr(value, "dtype"):
        return np.asarray(value)
    return value


# ---- generators ----


def _encoded_generator(function: str, what: str, rng: np.random.Generator) -> Text:
    bits = rng.bit_generator
    seed = bits.seed_seq
    name = type(bits).__name__
    if name not in _BIT_GENERATORS or type(seed) is not np.random.SeedSequence:
        raise ArgumentTypeError(
            f"{function}: {what} must be a generator of NumPy's own bit generators, made from a seed; "
            f"got {name} of {type(seed).__name__}."
        )
    return {
        "state": _as_json(dict(bits.state)),
        "seed": {
            "entropy": _as_json(seed.entropy),
            "spawn_key": _as_json(seed.spawn_key),
            "pool_size": seed.pool_size,
            "n_children_spawned": seed.n_children_spawned,
        },
    }


def _decoded_generator(text: Mapping[str, Any]) -> np.random.Generator:
    state = _from_json(text["state"])
    seed = {key: _from_json(text["seed"][key]) for key in ("entropy", "spawn_key", "pool_size", "n_children_spawned")}
    name = state["bit_generator"]
    if name not in _BIT_GENERATORS or not 4 <= seed["pool_size"] <= _MOST_POOL:
        raise ValueError(f"a bit generator {shown(name)} with a pool of {shown(seed['pool_size'])}")
    bits = getattr(np.random, name)(np.random.SeedSequence(**seed))
    bits.state = state
    return np.random.Generator(bits)


def bit_generator_of(text: Text) -> str:
    """Return the kind of generator that a leaf's text describes."""
    try:
        return str(text["generator"]["state"]["bit_generator"])
    except (KeyError, TypeError) as error:
        raise FileFormatError(f"its generators must be as `save` writes them; got {shown(text)}") from error


def _as_json(value: Any) -> Any:
    """Return a state as JSON's types; integers in base 16, which JSON readers do not round."""
    if isinstance(value, dict):
        return {key: _as_json(x) for key, x in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.newbyteorder("<").str, "values": [hex(x) for x in value.tolist()]}
    if isinstance(value, tuple | list):
        return [_as_json(x) for x in value]
    return hex(value) if isinstance(value, int | np.integer) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"dtype", "values"}:
        dtype = _written_dtype(value["dtype"])
        return np.array([int(x, 16) for x in value["values"]], dtype.newbyteorder("="))
    if isinstance(value, dict):
        return {key: _from_json(x) for key, x in value.items()}
    if isinstance(value, list):
        return [_from_json(x) for x in value]
    return int(value, 16) if isinstance(value, str) and value.startswith(("0x", "-0x")) else value


# ---- static fields ----


def static_text(value: Any) -> Text:
    """Return what is compared of a static field: numbers and strings by value, functions by name, others by class."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return {"none": None}
    if type(value) in (bool, int, float, complex, str):
        return encoded("save", "", value)
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if callable(value) and hasattr(value, "__qualname__"):
        return {"function": value.__qualname__}
    return {"object": f"{type(value).__module__}.{type(value).__qualname__}"}


def shown_static(text: Any) -> str:
    """Return a static field's value as errors show it."""
    if not isinstance(text, dict) or len(text) != 1:
        return shown(text)
    ((kind, written),) = text.items()
    if kind in ("int", "float", "complex", "str", "bool"):
        return shown(decoded(text))
    return "None" if kind == "none" else f"{kind} {written}"
