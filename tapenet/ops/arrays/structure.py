"""What is known of an array without its elements, indices from shapes, bits and text. No derivative; plain results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.batch_rules import one_value
from tapenet.core.nondifferentiable import of_lists, plain
from tapenet.core.tensor import Tensor
from tapenet.ops.arrays.shaping import broadcast_to

# ---- indices ----

ix_ = plain(np.ix_)
ravel_multi_index = of_lists(np.ravel_multi_index)
unravel_index = plain(np.unravel_index)

# ---- bits ----

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
