"""NumPy's functions outside of its main namespace, and iterators: on Tensors, as plain NumPy dispatches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.core.source_lines import module_of
from tapenet.core.tensor import Tensor
from tapenet.errors import AssignmentError
from tapenet.numpy.in_scipy import advice_in_scipy


def _sliding_window_view(
    x: Array, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Array:
    """`numpy.lib.stride_tricks.sliding_window_view`: the windows, as copies."""
    places = np.arange(x.size).reshape(x.shape)
    return tnp.take(tnp.ravel(x), np.lib.stride_tricks.sliding_window_view(places, window_shape, axis))


# ---- numpy.emath: complex where the real function ends ----


def _below_zero(x: Array) -> Array:
    return tnp.less(tnp.real(x), 0)


def _beyond_one(x: Array) -> Array:
    return tnp.greater(tnp.abs(x), 1)


def _extended(function: Callable[..., Array], ends: Callable[[Array], Array]) -> Callable[..., Array]:
    """Return a function, of complex numbers where one of its real operands is past the end of its domain."""

    def extended(x: Array, *others: Array) -> Array:
        return function(_as_complex(x) if tnp.any(ends(x)) else x, *others)

    return extended


def _as_complex(x: Array) -> Array:
    return tnp.add(tnp.asarray(x), np.zeros((), np.result_type(x.dtype, np.complex64)))


_LOG, _POWER = _extended(tnp.log, _below_zero), _extended(tnp.power, _below_zero)

OUTSIDE: dict[Any, Callable[..., Array]] = {
    np.lib.stride_tricks.sliding_window_view: _sliding_window_view,
    np.emath.sqrt: _extended(tnp.sqrt, _below_zero),
    np.emath.log: _LOG,
    np.emath.log2: _extended(tnp.log2, _below_zero),
    np.emath.log10: _extended(tnp.log10, _below_zero),
    np.emath.logn: lambda n, x: tnp.divide(_LOG(tnp.asarray(x)), _LOG(tnp.asarray(n))),
    np.emath.power: lambda x, p: _POWER(tnp.asarray(x), p),
    np.emath.arccos: _extended(tnp.arccos, _beyond_one),
    np.emath.arcsin: _extended(tnp.arcsin, _beyond_one),
    np.emath.arctanh: _extended(tnp.arctanh, _beyond_one),
}


# ---- x.flat ----


@attrs.frozen(eq=False)
class Flat:
    """The elements of a Tensor in C order: `x.flat` iterates, has a length, and reads by index."""

    base: Tensor

    def __iter__(self) -> Iterator[Tensor]:
        return iter(tnp.ravel(self.base))

    def __len__(self) -> int:
        return self.base.size

    def __getitem__(self, index: Any) -> Array:
        return tnp.ravel(self.base)[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        raise AssignmentError(
            "x.flat[...] = ...: a Tensor is a value and never changes. "
            "Write x = x.ravel().at[index].set(value).reshape(x.shape)."
        )


# ---- what to write for what asks no protocol ----

_POLYNOMIAL = "For a polynomial with these coefficients write tnp.polyval(c, x), the highest power first."
_IN_X = "Write np.polynomial.polynomial.polyval(x, p.convert(kind=np.polynomial.Polynomial).coef)."
_ADVICE: list[tuple[str, str, str]] = [  # by the module and the function that ask for an array
    ("numpy.lib._function_base_impl", "vectorize.", "In place of np.vectorize(f)(x) write tn.vmap(f)(x)."),
    ("numpy.lib._index_tricks_impl", "ndenumerate.", "Write `for index in np.ndindex(x.shape)`, and x[index]."),
    ("numpy.lib._stride_tricks_impl", "", "Write np.lib.stride_tricks.sliding_window_view, or an index."),
    ("numpy.polynomial.polyutils", "as_series", _POLYNOMIAL),
    ("numpy.polynomial.polyutils", "mapdomain", _IN_X),
    ("numpy.polynomial.", "", _POLYNOMIAL),
    ("pandas.", "", "For the array of a DataFrame or Series write df.to_numpy() @ x."),
    ("numpy.ma", "", "A masked array is not supported: fill it first, a.filled(0.0)."),
]


def advice_for(asking: FrameType) -> str:
    """Return what to write in place of what asks for an array or a number, by the frame of the function that asks."""
    module, function = module_of(asking), asking.f_code.co_qualname
    found = (text for name, part, text in _ADVICE if module.startswith(name) and part in function)
    return next(found, "") or advice_in_scipy(asking)
