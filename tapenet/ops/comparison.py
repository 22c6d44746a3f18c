"""Functions of arrays without a derivative: comparisons, tests, and the places of elements. They give plain arrays."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.batch_rules import along_axis, one_value, over_operand, refused
from tapenet.batching import elementwise_rule
from tapenet.errors import ArgumentTypeError
from tapenet.ops.shaping import broadcast_to
from tapenet.plain import plain
from tapenet.primitive import Array, Primitive, bind_plain
from tapenet.tensor import Tensor
from tapenet.tree import TreeSpec, tree_flatten, tree_unflatten


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    return plain(function, batch=elementwise_rule)


def of_lists(function: Callable[..., Any], *, refuses: str = "") -> Callable[..., Any]:
    """A function without a derivative that takes lists of arrays, of which some may be Tensors.

    Args:
        refuses: the name of an argument that must be no Tensor, as there would be a derivative by it.
    """

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        if refuses and type(inspect.signature(function).bind(*arguments, **keywords).arguments.get(refuses)) is Tensor:
            raise ArgumentTypeError(
                f"{function.__name__}: {refuses} must be no Tensor, as the result has no derivative. "
                f"Write tnp.bincount(tnp.digitize(x, edges), {refuses})."
            )
        leaves, structure = tree_flatten((arguments, keywords))
        if not builtins.any(type(x) is Tensor for x in leaves):
            return function(*arguments, **keywords)
        return bind_plain(primitive, leaves, {"structure": structure})

    def of_leaves(*leaves: Array, structure: TreeSpec) -> Any:
        arguments, keywords = tree_unflatten(structure, leaves)
        return function(*arguments, **keywords)

    primitive = Primitive(function.__name__, "plain", of_leaves)
    return without_tape


# ---- truths ----

equal = _elementwise(np.equal)
not_equal = _elementwise(np.not_equal)
less = _elementwise(np.less)
less_equal = _elementwise(np.less_equal)
greater = _elementwise(np.greater)
greater_equal = _elementwise(np.greater_equal)
isclose = _elementwise(np.isclose)
allclose = plain(np.allclose)
array_equal = plain(np.array_equal)
array_equiv = plain(np.array_equiv)

isnan = _elementwise(np.isnan)
isinf = _elementwise(np.isinf)
isfinite = _elementwise(np.isfinite)
isposinf = _elementwise(np.isposinf)
isneginf = _elementwise(np.isneginf)
isreal = _elementwise(np.isreal)
iscomplex = _elementwise(np.iscomplex)
signbit = _elementwise(np.signbit)

logical_and = _elementwise(np.logical_and)
logical_or = _elementwise(np.logical_or)
logical_xor = _elementwise(np.logical_xor)
logical_not = _elementwise(np.logical_not)
all = plain(np.all, batch=along_axis)
any = plain(np.any, batch=along_axis)

# ---- places ----

argmax = plain(np.argmax, batch=along_axis)
argmin = plain(np.argmin, batch=along_axis)
argsort = plain(np.argsort, batch=along_axis)
argpartition = plain(np.argpartition, batch=along_axis)
argwhere = plain(np.argwhere, batch=refused)
nonzero = plain(np.nonzero, batch=refused)
flatnonzero = plain(np.flatnonzero, batch=refused)
count_nonzero = plain(np.count_nonzero, batch=along_axis)
searchsorted = plain(np.searchsorted, batch=over_operand(1))
digitize = plain(np.digitize, batch=over_operand(0))
nanargmax = plain(np.nanargmax, batch=along_axis)
nanargmin = plain(np.nanargmin, batch=along_axis)
lexsort = of_lists(np.lexsort)
isin = of_lists(np.isin)
ix_ = plain(np.ix_)
ravel_multi_index = of_lists(np.ravel_multi_index)
unravel_index = plain(np.unravel_index)

# ---- counts ----

histogram_bin_edges = plain(np.histogram_bin_edges)
histogram = of_lists(np.histogram, refuses="weights")
histogram2d = of_lists(np.histogram2d, refuses="weights")
histogramdd = of_lists(np.histogramdd, refuses="weights")

# ---- integers and their bits ----

gcd = _elementwise(np.gcd)
lcm = _elementwise(np.lcm)
bitwise_and = _elementwise(np.bitwise_and)
bitwise_or = _elementwise(np.bitwise_or)
bitwise_xor = _elementwise(np.bitwise_xor)
invert = bitwise_not = bitwise_invert = _elementwise(np.invert)
left_shift = bitwise_left_shift = _elementwise(np.left_shift)
right_shift = bitwise_right_shift = _elementwise(np.right_shift)
bitwise_count = _elementwise(np.bitwise_count)
packbits = plain(np.packbits)
unpackbits = plain(np.unpackbits)

# ---- text ----

array_repr = plain(np.array_repr, batch=one_value)
array_str = plain(np.array_str, batch=one_value)
array2string = plain(np.array2string, batch=one_value)
format_float_positional = plain(np.format_float_positional, batch=one_value)
format_float_scientific = plain(np.format_float_scientific, batch=one_value)

# ---- what is known without the values ----


def _of_structure(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of an array's shape and dtype alone."""

    @functools.wraps(function, updated=())
    def of_stand_in(*arguments: Any, **keywords: Any) -> Any:
        return function(*map(_stand_in, arguments), **{name: _stand_in(x) for name, x in keywords.items()})

    return of_stand_in


def _stand_in(x: Any) -> Any:
    return broadcast_to(x.dtype.type(0), x.shape) if type(x) is Tensor else x


shape = _of_structure(np.shape)
ndim = _of_structure(np.ndim)
size = _of_structure(np.size)
isrealobj = _of_structure(np.isrealobj)
iscomplexobj = _of_structure(np.iscomplexobj)
zeros_like = _of_structure(np.zeros_like)
ones_like = _of_structure(np.ones_like)
empty_like = _of_structure(np.empty_like)
result_type = _of_structure(np.result_type)
can_cast = _of_structure(np.can_cast)
min_scalar_type = _of_structure(np.min_scalar_type)
common_type = _of_structure(np.common_type)
isfortran = _of_structure(np.isfortran)
may_share_memory = _of_structure(np.may_share_memory)
shares_memory = _of_structure(np.shares_memory)
diag_indices_from = _of_structure(np.diag_indices_from)
tril_indices_from = _of_structure(np.tril_indices_from)
triu_indices_from = _of_structure(np.triu_indices_from)
einsum_path = _of_structure(np.einsum_path)
