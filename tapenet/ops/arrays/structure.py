"""Functions of an array's shape and dtype alone, indices, bits and text. They have no derivative, and plain results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.batch_rules import one_value
from tapenet.core.nondifferentiable import documented, nondifferentiable, of_lists
from tapenet.core.tensor import Tensor, unwrap
from tapenet.ops.arrays.shaping import broadcast_to

# ---- indices ----

ix_ = nondifferentiable(
    np.ix_,
    doc="""Make an open grid of indices from vectors of integers or truths.

    No derivative: the results are plain integers. Index an array with them to read its elements with their derivative.

    >>> np.eye(3)[tnp.ix_([0, 1], [1])]
    array([[0.],
           [1.]])
    """,
)
ravel_multi_index = of_lists(
    np.ravel_multi_index,
    doc="""Turn indices along each axis into places in the flat array.

    No derivative: the result is plain integers.

    >>> int(tnp.ravel_multi_index((1, 2), (3, 4)))
    6
    """,
)
unravel_index = nondifferentiable(
    np.unravel_index,
    doc="""Turn places in the flat array into indices along each axis.

    No derivative: the results are plain integers.

    >>> tnp.unravel_index(6, (3, 4))
    (np.int64(1), np.int64(2))
    """,
)

# ---- bits ----

packbits = nondifferentiable(
    np.packbits,
    doc="""Pack truths into the bits of bytes.

    No derivative: a function of truths and integers, with a plain result.

    >>> tnp.packbits(np.array([True, False, True]))
    array([160], dtype=uint8)
    """,
)
unpackbits = nondifferentiable(
    np.unpackbits,
    doc="""Unpack the bits of bytes.

    No derivative: a function of bytes, with a plain result.

    >>> tnp.unpackbits(np.array([160], np.uint8))[:3]
    array([1, 0, 1], dtype=uint8)
    """,
)

# ---- text ----

array_repr = nondifferentiable(
    np.array_repr,
    batch=one_value,
    doc="""Write an array as text that makes it.

    No derivative: the result is text.

    >>> tnp.array_repr(np.array([1.0]))
    'array([1.])'
    """,
)
array_str = nondifferentiable(
    np.array_str,
    batch=one_value,
    doc="""Write the elements of an array as text.

    No derivative: the result is text.

    Returns:
        A str.

    >>> tnp.array_str(np.array([1.0]))
    '[1.]'
    """,
)
array2string = nondifferentiable(
    np.array2string,
    batch=one_value,
    doc="""Write the elements of an array as text, with options.

    No derivative: the result is text.

    >>> tnp.array2string(np.array([1.0, 2.0]), separator=",")
    '[1.,2.]'
    """,
)
format_float_positional = nondifferentiable(
    np.format_float_positional,
    batch=one_value,
    doc="""Write a number in positional notation.

    No derivative: the result is text.

    >>> tnp.format_float_positional(0.5)
    '0.5'
    """,
)
format_float_scientific = nondifferentiable(
    np.format_float_scientific,
    batch=one_value,
    doc="""Write a number in scientific notation.

    No derivative: the result is text.

    >>> tnp.format_float_scientific(0.5)
    '5.e-01'
    """,
)

# ---- functions of a number's value ----

min_scalar_type = nondifferentiable(
    np.min_scalar_type,
    batch=one_value,
    doc="""Find the smallest dtype of a number; of an array, its dtype.

    No derivative: the result is a dtype.

    >>> tnp.min_scalar_type(np.ones(2))
    dtype('float64')
    """,
)

# ---- functions of shape and dtype ----


def _of_structure(function: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """Make a function of an array's shape and dtype alone."""

    @functools.wraps(function, updated=())
    def of_stand_in(*arguments: Any, **keywords: Any) -> Any:
        return function(*map(_stand_in, arguments), **{name: _stand_in(x) for name, x in keywords.items()})

    return documented(of_stand_in, function, doc)


def _stand_in(x: Any) -> Any:
    """Return an array of the structure of a Tensor, which has no memory of its own and whose elements are not read."""
    if type(x) is not Tensor:
        return x
    value, one = unwrap(x), np.zeros((), x.dtype)
    if type(value) is np.ndarray and not value.flags.c_contiguous:
        return np.lib.stride_tricks.as_strided(one, value.shape, value.strides)
    return broadcast_to(one if x.shape else one[()], x.shape)


shape = _of_structure(
    np.shape,
    doc="""Give the length of each axis.

    No derivative: the result is a plain tuple of integers.

    >>> tnp.shape(np.ones((2, 3)))
    (2, 3)
    """,
)
ndim = _of_structure(
    np.ndim,
    doc="""Give the number of axes.

    No derivative: the result is a plain integer.

    >>> tnp.ndim(np.ones((2, 3)))
    2
    """,
)
size = _of_structure(
    np.size,
    doc="""Give the number of elements, or the length of axes.

    No derivative: the result is a plain integer.

    >>> tnp.size(np.ones((2, 3)))
    6
    """,
)
isrealobj = _of_structure(
    np.isrealobj,
    doc="""Tell whether the dtype is not complex.

    No derivative: the result is a plain truth.

    >>> tnp.isrealobj(np.ones(2))
    True
    """,
)
iscomplexobj = _of_structure(
    np.iscomplexobj,
    doc="""Tell whether the dtype is complex.

    No derivative: the result is a plain truth.

    >>> tnp.iscomplexobj(np.ones(2))
    False
    """,
)
zeros_like = _of_structure(
    np.zeros_like,
    doc="""Make an array of zeros of the shape and dtype of another.

    No derivative: the result is a plain array, which does not depend on the elements.

    >>> tnp.zeros_like(np.ones(2))
    array([0., 0.])
    """,
)
ones_like = _of_structure(
    np.ones_like,
    doc="""Make an array of ones of the shape and dtype of another.

    No derivative: the result is a plain array, which does not depend on the elements.

    >>> tnp.ones_like(np.zeros(2))
    array([1., 1.])
    """,
)
empty_like = _of_structure(
    np.empty_like,
    doc="""Make an array of the shape and dtype of another, without setting its elements.

    No derivative: the result is a plain array, which does not depend on the elements.

    >>> tnp.empty_like(np.zeros(2)).shape
    (2,)
    """,
)
result_type = _of_structure(
    np.result_type,
    doc="""Find the dtype of a result of arrays, dtypes and Python numbers.

    No derivative: the result is a dtype.

    >>> tnp.result_type(np.ones(2, np.float32), 1.0)
    dtype('float32')
    """,
)
can_cast = _of_structure(
    np.can_cast,
    doc="""Tell whether a cast between dtypes is allowed.

    No derivative: the result is a plain truth.

    >>> tnp.can_cast(np.float32, np.float64)
    True
    """,
)
common_type = _of_structure(
    np.common_type,
    doc="""Find the floating or complex type that arrays have in common.

    No derivative: the result is a type.

    >>> tnp.common_type(np.ones(2, np.float32)).__name__
    'float32'
    """,
)
isfortran = _of_structure(
    np.isfortran,
    doc="""Tell whether an array is in Fortran's order and not in C's.

    No derivative: the result is a plain truth. A Tensor has no layout, and the answer is False.

    >>> tnp.isfortran(np.ones((2, 3)))
    False
    """,
)
may_share_memory = _of_structure(
    np.may_share_memory,
    doc="""Tell whether two arrays may share memory, by their bounds.

    No derivative: the result is a plain truth. A Tensor shares memory with no array.

    >>> tnp.may_share_memory(np.ones(2), np.ones(2))
    False
    """,
)
shares_memory = _of_structure(
    np.shares_memory,
    doc="""Tell whether two arrays share memory.

    No derivative: the result is a plain truth. A Tensor shares memory with no array.

    >>> tnp.shares_memory(np.ones(2), np.ones(2))
    False
    """,
)
diag_indices_from = _of_structure(
    np.diag_indices_from,
    doc="""Give the indices of the main diagonal of an array.

    No derivative: the results are plain integers.

    Returns:
        A tuple of integer arrays, one for each axis.

    >>> tnp.diag_indices_from(np.ones((2, 2)))
    (array([0, 1]), array([0, 1]))
    """,
)
tril_indices_from = _of_structure(
    np.tril_indices_from,
    doc="""Give the indices of the lower triangle of a matrix.

    No derivative: the results are plain integers.

    Returns:
        A tuple of two integer arrays.

    >>> tnp.tril_indices_from(np.ones((2, 2)))
    (array([0, 1, 1]), array([0, 0, 1]))
    """,
)
triu_indices_from = _of_structure(
    np.triu_indices_from,
    doc="""Give the indices of the upper triangle of a matrix.

    No derivative: the results are plain integers.

    >>> tnp.triu_indices_from(np.ones((2, 2)))
    (array([0, 0, 1]), array([0, 1, 1]))
    """,
)
einsum_path = _of_structure(
    np.einsum_path,
    doc="""Find a cheap order of the contractions of `einsum`.

    No derivative: the results are a list and text.

    >>> tnp.einsum_path("ij,j", np.ones((2, 3)), np.ones(3))[0]
    ['einsum_path', (0, 1)]
    """,
)
