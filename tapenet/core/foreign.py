"""Arrays of other libraries as operands: which types are values, constants or containers, and which are refused.

An array type that is neither a value nor a constant is never treated as one. By its type an operand is

    a value      NumPy's arrays and scalars, Python's numbers, registered array types;
    a constant   ndarray's plain subclasses, pandas' Series and DataFrames, scipy.sparse matrices: their plain arrays;
    a container  follows NumPy's protocols (NEP 13, NEP 18) and may hold a Tensor, as xarray's DataArray and pint's
                 Quantity do: functions and operators on a Tensor leave the operation to it;
    deferred to  `__array_ufunc__ = None`: its own reflected operator answers;
    refused      arrays of other libraries (torch, JAX), masked arrays, numpy.matrix;
    other        anything else, which NumPy may be able to convert to an array.

Sources: https://numpy.org/neps/nep-0013-ufunc-overrides.html,
https://numpy.org/neps/nep-0018-array-function-protocol.html
"""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError


class Kind(enum.Enum):
    """How an operand of a type is treated."""

    VALUE = enum.auto()
    CONSTANT = enum.auto()
    CONTAINER = enum.auto()
    DEFERRED = enum.auto()
    REFUSED = enum.auto()
    OTHER = enum.auto()


USUAL = frozenset({Tensor, np.ndarray, float, int, np.float64, np.float32})  # operands that need no looking into

_KINDS: dict[type, Kind] = {}


def kind_of(of: type) -> Kind:
    """Return what an operand of this type is."""
    kind = _KINDS.get(of)
    if kind is None:
        kind = _KINDS[of] = _found_kind(of)
    return kind


# Without `__bool__` and `__array__` a branch or a conversion would take the array for an object, which is true.
_NEEDED = (
    "__array_ufunc__ __array_function__ __array__ __bool__ __len__ __getitem__ shape ndim dtype copy astype"
).split()
_FROM_NUMPY: dict[type, Callable[[np.ndarray[Any, Any]], Any] | None] = {}  # of registered array types


def register_array_type(of: type, *, from_numpy: Callable[[np.ndarray[Any, Any]], Any] | None = None) -> None:
    """Treat arrays of another library's type as values: they may be watched, and be operands without conversion.

    The type has `shape`, `ndim` and `dtype` (NumPy's dtypes), `copy()` and `astype`, indexing, `len`, `bool`, NumPy's
    operators and its protocols: `__array_ufunc__` (NEP 13) and `__array_function__` (NEP 18), which return
    `NotImplemented` where a Tensor is among the operands, and `__array__`, which converts or raises. Functions whose
    forward function and rules are NumPy's public functions then compute on it. Those that work on memory (reads by
    index walked back, orders, convolutions) convert it by `__array__`.

    Args:
        of: the array type.
        from_numpy: makes an array of the type from NumPy's. Gradients, tangents and zeros that came out as NumPy
            arrays, since a rule creates arrays, are given as the source's type by it; without it they stay NumPy's.

    Raises:
        ArgumentTypeError: `of` is not a class, or does not follow the protocols.

    Source: https://numpy.org/neps/nep-0018-array-function-protocol.html

    >>> register_array_type(list)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tapenet.errors.ArgumentTypeError: register_array_type: of must be a class with __array_ufunc__, ...
    """
    if not isinstance(of, type) or any(getattr(of, name, None) is None for name in _NEEDED):
        came = getattr(of, "__name__", repr(of))
        raise ArgumentTypeError(f"register_array_type: of must be a class with {', '.join(_NEEDED)}; got {came}.")
    if from_numpy is not None and not callable(from_numpy):
        raise ArgumentTypeError(
            f"register_array_type: from_numpy must be a function, or None; got {type(from_numpy).__name__}."
        )
    _KINDS[of] = Kind.VALUE
    _FROM_NUMPY[of] = from_numpy


def is_registered(of: type) -> bool:
    """Return whether a type was registered by `register_array_type`."""
    return of in _FROM_NUMPY


def as_registered(of: type, array: Any) -> Any:
    """Return a NumPy array or scalar as one of a registered type, as far as it is known how; anything else as it is."""
    convert = _FROM_NUMPY.get(of)
    return convert(np.asarray(array)) if convert is not None and isinstance(array, np.ndarray | np.generic) else array


def _found_kind(of: type) -> Kind:
    if issubclass(of, Tensor | np.generic | int | float | complex | None.__class__):
        return Kind.VALUE
    if issubclass(of, np.matrix) or is_masked(of):
        return Kind.REFUSED
    if issubclass(of, np.ndarray):
        return _kind_of_subclass(of)
    if is_pandas(of) or is_sparse(of):
        return Kind.CONSTANT
    if getattr(of, "__array_ufunc__", False) is None:
        return Kind.DEFERRED
    if hasattr(of, "__array_ufunc__") or hasattr(of, "__array_function__"):
        return Kind.CONTAINER
    if any(hasattr(of, name) for name in ("__array_namespace__", "__dlpack__", "__torch_function__")):
        return Kind.REFUSED
    return Kind.OTHER


def _kind_of_subclass(of: type[np.ndarray[Any, Any]]) -> Kind:
    if of is np.ndarray:
        return Kind.VALUE
    own = of.__array_ufunc__ is not np.ndarray.__array_ufunc__  # such as astropy's Quantity
    return Kind.CONTAINER if own else Kind.CONSTANT


def is_masked(of: type) -> bool:
    """Return whether a type is one of numpy.ma, without importing it."""
    return any(base.__module__.startswith("numpy.ma") and base.__name__ == "MaskedArray" for base in of.__mro__)


def is_pandas(of: type) -> bool:
    """Return whether a type is one of pandas' arrays with labels."""
    return any(base.__module__.partition(".")[0] == "pandas" for base in of.__mro__) and hasattr(of, "__array__")


def is_sparse(of: type) -> bool:
    """Return whether a type is one of scipy.sparse's matrices or arrays."""
    return any(base.__module__ == "scipy.sparse._base" and base.__name__ == "_spbase" for base in of.__mro__)


def is_sparse_matrix(of: type) -> bool:
    """Return whether a type is one of scipy.sparse's matrices, of which `*` is the matrix product; not an array."""
    return is_sparse(of) and any(base.__name__ == "spmatrix" for base in of.__mro__)


def is_container(x: Any) -> bool:
    """Return whether an operand is a container, which handles the operation itself."""
    return kind_of(type(x)) is Kind.CONTAINER


def holds_container(x: Any) -> bool:
    """Return whether an argument is a container, or a list or tuple with one in it."""
    return any(map(holds_container, x)) if isinstance(x, list | tuple) else is_container(x)


def defers_to(x: Any, reflected: str) -> bool:
    """Return whether a Tensor's operator leaves the operation to the other operand's reflected one."""
    kind = kind_of(type(x))
    if kind is Kind.DEFERRED:
        return True
    own = getattr(type(x), reflected, None)
    return kind is Kind.CONTAINER and own is not None and own is not getattr(object, reflected, None)


def as_constant(function: str, x: Any) -> Any:
    """Return an operand that is not on a tape as an array."""
    kind = kind_of(type(x))
    if kind is Kind.VALUE and type(x) is not np.ndarray:
        return x
    if kind in (Kind.REFUSED, Kind.CONTAINER, Kind.DEFERRED):
        raise ArgumentTypeError(refusal(function, "operands", x))
    array = plain_array(x) if kind is Kind.CONSTANT else np.asarray(x)
    if array.dtype.kind not in "biufc":
        got = f"an array of dtype {array.dtype}" if hasattr(x, "dtype") else f"{type(x).__name__} {x!r}"
        raise ArgumentTypeError(f"{function}: operands must be numeric; got {got}.{_cast_advice(array)}")
    return array


def _cast_advice(array: np.ndarray[Any, Any]) -> str:
    return " Cast it first: x.astype(float)." if array.dtype.kind in "OUS" and array.ndim else ""


def refusal(function: str, what: str, x: Any) -> str:
    """Return the text of the error for an array of a type that is not supported."""
    return f"{function}: {what} must not be {_described(x)}. {advice_for(x)}"


def _described(x: Any) -> str:
    if is_masked(type(x)):
        return f"masked; got {x!r}"
    of = type(x)
    return f"of class {of.__module__.partition('.')[0]}.{of.__name__}"


def advice_for(x: Any) -> str:
    """Return what to write in place of an array of a type that is not supported."""
    if is_masked(type(x)):
        return "Fill it first: x.filled(0.0)."
    if kind_of(type(x)) is Kind.CONTAINER:
        name = next((name for name in _INSIDE if hasattr(x, name)), None)
        return f"Pass its array: x.{name}." if name else "Pass its array."
    if kind_of(type(x)) is Kind.DEFERRED:
        return "Its own operators take arrays; a Tensor leaves x * y and x @ y to them."
    return "Write np.asarray(x)."


# ---- arrays of constants ----


def plain_array(x: Any) -> np.ndarray[Any, Any]:
    """Return the plain array of a constant. That of pandas' objects remembers their labels."""
    if is_sparse(type(x)):
        return np.asarray(x.toarray())
    array = np.asarray(x).view()
    if is_pandas(type(x)):
        labels = tuple((role, labels) for role, labels in _labels_of(x))
        key = id(array)
        _LABELS[key] = (weakref.ref(array, lambda _: _LABELS.pop(key, None)), labels)
    return array


_Labels = tuple[tuple[str, Any], ...]  # pairs of a role, "index" or "columns", and the labels
_LABELS: dict[int, tuple[weakref.ref[Any], _Labels]] = {}  # of arrays, by their identity
_SEEN: weakref.WeakKeyDictionary[Any, list[tuple[str, Any]]] = weakref.WeakKeyDictionary()  # by tape


def _labels_of(x: Any) -> list[tuple[str, Any]]:
    index = getattr(x, "index", None)
    if index is None or callable(index):
        return []
    columns = getattr(x, "columns", None)
    return [("both", index)] if columns is None else [("index", index), ("columns", columns)]


def check_labels(tape: Any, function: str, x: Any) -> None:
    """Raise for labels that differ from those of pandas arrays used before on the tape: pandas would align them.

    Labels are compared with those that they broadcast with ; an operation on others raises in any case.
    """
    noted = _LABELS.get(id(x))
    if noted is None or noted[0]() is not x:
        return
    seen = _SEEN.setdefault(tape, [])
    for role, labels in noted[1]:
        others = [other for own, other in seen if own == role or "both" in (own, role)]
        rivals = [other for other in others if len(other) == len(labels) or 1 in (len(other), len(labels))]
        if any(other is labels or other.equals(labels) for other in rivals):
            continue
        if rivals:
            raise ArgumentError(
                f"{function}: labels of pandas arrays that broadcast must be the same on a tape, which takes arrays in "
                f"order; got {_shown(labels)} after {_shown(rivals[0])}. Align them first (a, b = a.align(b)), or "
                "pass x.to_numpy() to go by order."
            )
        seen.append((role, labels))


def has_labels() -> bool:
    """Return whether any array in use came from pandas."""
    return bool(_LABELS)


def _shown(labels: Any) -> str:
    first = ", ".join(repr(label) for label in labels[:3].tolist())
    return f"[{first}{', ...' if len(labels) > 3 else ''}]"


# ---- containers ----

_INSIDE = ("magnitude", "data")  # of pint, of xarray and most others


def unwrap_container(x: Any) -> Any:
    """Return the Tensor that a container holds; anything else as it is."""
    if not is_container(x):
        return x
    for name in _INSIDE:
        inner = getattr(x, name, None)
        if type(inner) is Tensor:
            return inner
        if inner is not None and is_container(inner):
            return unwrap_container(inner)
    return x
