"""Products of matrices and tensors."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, axes_of, numpy_function, refuse
from tapenet.core.batch_rules import einsum_rule, matmul_rule
from tapenet.core.families import joint, multilinear
from tapenet.core.fast_path import product_function
from tapenet.core.nondifferentiable import numpys_of_integers
from tapenet.core.primitive import Array, Primitive, Shapes, bind
from tapenet.core.record import NO_PARAMETERS, Parameters
from tapenet.core.tensor import Tensor, read_single_value
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels import products as kernels
from tapenet.kernels.contractions import stacked_products
from tapenet.ops.arrays.indexing import at
from tapenet.ops.arrays.shaping import broadcast_to, matrix_transpose, moveaxis, ravel, reshape, transpose
from tapenet.ops.elementwise.arithmetic import multiply
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.complex import conjugate
from tapenet.ops.linalg.sparse_products import is_sparse_product, sparse_product
from tapenet.ops.reductions.reduction import sum


def _transposed(x: Array) -> Array:
    return x.mT if type(x) is np.ndarray else matrix_transpose(x)


# Large ones in parts, which differs from NumPy's product by rounding.
matrix_product = multilinear(
    lambda t, y: _product(t, _transposed(y)),
    lambda t, x: _product(_transposed(x), t),
    name="matmul",
    batch=matmul_rule,
)(kernels.matmul)
_product = product_function(matrix_product)


def _matvec_batched(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Array:
    """Compute one product of matrices where an operand is the same for all examples, else one for each."""
    x, y = arrays
    if not mapped[0]:
        return matrix_product(y, matrix_transpose(x))
    if not mapped[1]:
        return reshape(primitive(reshape(x, (x.shape[0] * x.shape[1], x.shape[2])), y), x.shape[:2])
    return reshape(matmul(x, reshape(y, (*y.shape, 1))), x.shape[:2])


@multilinear(
    lambda t, y: multiply(reshape(t, (-1, 1)), reshape(y, (1, -1))),
    lambda t, x: _matvec(matrix_transpose(x), t),
    name="matvec",
    batch=_matvec_batched,
)
def _matvec(x: Array, y: Array) -> Array:
    return np.matmul(x, y)


_ARRAYS = frozenset({Tensor, np.ndarray})


@numpy_function(np.matmul)
def matmul(x1: Array, x2: Array, /, **keywords: Any) -> Array:
    """Multiply matrices over the last two axes; leading axes broadcast, and a 1-d operand is a vector.

    Derivatives: t x2^T and x1^T t, with t the cotangent.

    Args:
        x1: array, shape (..., n, k) or (k,).
        x2: array, shape (..., k, m) or (k,).
        axes, dtype: as in NumPy. On a Tensor other keywords are refused.

    Returns:
        An array, shape (..., n, m), without the axis of a 1-d operand.

    Raises:
        ArgumentError: lengths k that differ, or a scalar.

    >>> tnp.matmul(np.ones((2, 3)), np.ones(3))
    array([3., 3.])
    """
    if keywords:
        return _matmul_with(x1, x2, **keywords)
    x, y = x1, x2
    if type(x) in _ARRAYS and type(y) in _ARRAYS:
        x_shape, y_shape = x.shape, y.shape
        if len(x_shape) == 2 == len(y_shape) and x_shape[1] == y_shape[0]:
            return _product(x, y)
    else:
        if is_sparse_product(x, y):
            return sparse_product(x, y)
        x, y = as_array(x), as_array(y)
        x_shape, y_shape = x.shape, y.shape
    x_ndim, y_ndim = len(x_shape), len(y_shape)
    if x_ndim and y_ndim and x_shape[-1] != y_shape[-2 if y_ndim > 1 else -1]:
        raise ArgumentError(
            f"matmul: x1 and x2 must have one length to sum over; got shapes {x_shape} and {y_shape}, "
            f"{x_shape[-1]} and {y_shape[-2 if y_ndim > 1 else -1]}."
        )
    if x_ndim == 2 and y_ndim == 2:
        return bind(matrix_product, (x, y), NO_PARAMETERS)
    if x_ndim == 2 and y_ndim == 1:
        return _matvec(x, y)
    if x_ndim == 1 and y_ndim == 2:
        return _matvec(matrix_transpose(y), x)
    if x_ndim == 0 or y_ndim == 0:
        raise ArgumentError(f"matmul: operands must have at least one axis; got shapes {x.shape}, {y.shape}. Use *.")
    product = matrix_product(
        reshape(x, (1, -1)) if x_ndim == 1 else x,
        reshape(y, (-1, 1)) if y_ndim == 1 else y,
    )
    if x_ndim == y_ndim == 1:
        return product[0, 0]
    if y_ndim == 1:
        product = reshape(product, product.shape[:-1])
    if x_ndim == 1:
        product = reshape(product, product.shape[:-2] + product.shape[-1:])
    return product


def _matmul_with(x1: Array, x2: Array, *, axes: Any = None, dtype: Any = None, **keywords: Any) -> Array:
    """Compute matmul with NumPy's keywords: the dtype, and the axes of the matrices in operands and result."""
    refuse("matmul", keywords)
    x, y = (as_array(z) if dtype is None else cast_operand("matmul", z, dtype) for z in (x1, x2))
    if axes is None:
        return matmul(x, y)
    of_x, of_y, of_out = ((place,) if isinstance(place, int) else tuple(place) for place in axes)
    product = matmul(moveaxis(x, of_x, range(-len(of_x), 0)), moveaxis(y, of_y, range(-len(of_y), 0)))
    return moveaxis(product, range(-len(of_out), 0), of_out)


def cast_operand(function: str, x: Array, dtype: Any) -> Array:
    """Cast an operand of a product to the dtype of its sums, as NumPy does."""
    x, dtype = as_array(x), np.dtype(dtype)
    if not np.can_cast(x.dtype, dtype, "same_kind"):
        raise ArgumentTypeError(f"{function}: dtype must be one that {x.dtype} casts to by 'same_kind'; got {dtype}.")
    return astype(x, dtype)


@numpy_function(np.tensordot)
def tensordot(a: Array, b: Array, axes: int | Sequence[Any] = 2) -> Array:
    """Sum products over pairs of axes: the last `axes` of a with the first of b, or two lists of axes.

    Derivatives: for each operand, the tensordot of the cotangent with the other one.

    >>> tnp.tensordot(np.ones((2, 3)), np.ones((3, 4)), 1).shape
    (2, 4)
    """
    x, y = as_array(a), as_array(b)
    if isinstance(axes, int | np.integer):
        over_x, over_y = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        over_x, over_y = axes_of("tensordot", axes[0], x.ndim), axes_of("tensordot", axes[1], y.ndim)
    summed_x, summed_y = [x.shape[i] for i in over_x], [y.shape[i] for i in over_y]
    if summed_x != summed_y:
        raise ArgumentError(
            f"tensordot: the axes summed over must have equal lengths; got {summed_x} in {x.shape} "
            f"and {summed_y} in {y.shape}."
        )
    free_x = [i for i in range(x.ndim) if i not in over_x]
    free_y = [i for i in range(y.ndim) if i not in over_y]
    count = int(np.prod(summed_x))
    rows = tuple(x.shape[i] for i in free_x)
    columns = tuple(y.shape[i] for i in free_y)
    left = reshape(transpose(x, (*free_x, *over_x)), (int(np.prod(rows)), count))
    right = reshape(transpose(y, (*over_y, *free_y)), (count, int(np.prod(columns))))
    return reshape(matrix_product(left, right), rows + columns)


@numpy_function(np.dot)
def dot(a: Array, b: Array, out: None = None) -> Array:
    """Sum products over the last axis of a and the second-to-last one of b, or its only one.

    Derivatives: for each operand, the product of the cotangent with the other one.

    >>> float(tnp.dot(np.ones(3), np.ones(3)))
    3.0
    """
    x, y = as_array(a), as_array(b)
    if x.ndim == 0 or y.ndim == 0:
        return multiply(_strong(x), _strong(y))
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, ([-1], [-2 if y.ndim > 1 else -1]))


def _strong(x: Array) -> Array:
    """Return a Python number that was watched with a dtype, which it has here for NumPy; anything else as it is."""
    return reshape(x, ()) if type(x) is Tensor and x.ndim == 0 else x


@numpy_function(np.vdot)
@numpys_of_integers(np.vdot)
def vdot(a: Array, b: Array, /) -> Array:
    """Sum the products of all elements, the first ones conjugated: sum_i conj(a_i) b_i.

    Derivatives: the tangent of the result is vdot(a_dot, b) + vdot(a, b_dot).

    >>> float(tnp.vdot(np.ones(3), np.ones(3)))
    3.0
    """
    return matmul(conjugate(ravel(as_array(a))), ravel(as_array(b)))


@numpy_function(np.inner)
def inner(a: Array, b: Array, /) -> Array:
    """Sum products over the last axis of both operands.

    Derivatives: for each operand, the product of the cotangent with the other one.

    >>> tnp.inner(np.ones((2, 3)), np.ones(3))
    array([3., 3.])
    """
    x, y = as_array(a), as_array(b)
    if x.ndim < 2 and y.ndim < 2:
        return dot(x, y)
    return multiply(_strong(x), _strong(y)) if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, ([-1], [-1]))


@numpy_function(np.outer)
def outer(a: Array, b: Array, out: None = None) -> Array:
    """Multiply each element of a with each of b; the shape is (a.size, b.size).

    Derivatives: t b and t^T a, with t the cotangent.

    >>> tnp.outer(np.ones(2), np.ones(3)).shape
    (2, 3)
    """
    return multiply(reshape(as_array(a), (-1, 1)), reshape(as_array(b), (1, -1)))


@numpy_function(np.trace, method=np.ndarray.trace)
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
    """Sum along a diagonal of two axes.

    Derivative: linear; the cotangent goes to the diagonal of zeros.

    >>> tn.grad(tnp.trace)(np.ones((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    return sum(diagonal(a, offset, axis1, axis2), -1, dtype)


@numpy_function(np.diagonal, method=np.ndarray.diagonal)
def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Take a diagonal of two axes, as a last axis.

    Derivative: linear; the cotangent goes to the diagonal of zeros.

    >>> tnp.diagonal(np.eye(2))
    array([1., 1.])
    """
    first, second = axes_of("diagonal", (axis1, axis2), a.ndim)
    rest = [i for i in range(a.ndim) if i not in (first, second)]
    matrix = transpose(a, (*rest, first, second))
    rows, columns = matrix.shape[-2:]
    along = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return matrix[(..., along - min(offset, 0), along + max(offset, 0))]


# ---- einsum ----


def _einsum_pullback(
    t: Array,
    operands: Sequence[Array],
    shapes: Shapes,
    on_tape: Sequence[bool],
    labels: tuple[str, ...],
    out: str,
) -> list[Array]:
    answers: list[Array] = []
    for i, own in enumerate(labels):
        if not on_tape[i]:
            answers.append(None)
            continue
        shape = shapes[i]
        assert shape is not None
        others = [(x, label) for j, (x, label) in enumerate(zip(operands, labels, strict=True)) if j != i]
        present = set(out).union(*(label for _, label in others))
        unique = "".join(dict.fromkeys(own))
        reached = "".join(label for label in unique if label in present)
        factors = [t, *(x for x, _ in others)]
        if t.dtype.char == "e":  # summed in float32, where NumPy's sums of float16 stop at 2048
            factors = [astype(x, np.result_type(x.dtype, np.float32)) for x in factors]
        c = _einsum(*factors, labels=(out, *(label for _, label in others)), out=reached)
        answers.append(_onto_labels(c, reached, own, shape))
    return answers


def _onto_labels(c: Array, reached: str, own: str, shape: tuple[int, ...]) -> Array:
    """Turn a cotangent with axes `reached` into one with axes `own`.

    Repeated labels go to a diagonal, and missing ones are broadcast.

    A label has length 1 in `c` where it has it in all other operands, and in `own` where it was broadcast.
    """
    unique = "".join(dict.fromkeys(own))
    lengths = {label: max(n for k, n in zip(own, shape, strict=True) if k == label) for label in unique}
    summed = tuple(i for i, label in enumerate(reached) if lengths[label] == 1 < c.shape[i])
    c = sum(c, summed, keepdims=True) if summed else c
    sizes = dict(zip(reached, c.shape, strict=True))
    c = reshape(c, [sizes.get(label, 1) for label in unique])
    c = broadcast_to(c, [lengths[label] for label in unique])
    if len(unique) == len(own):
        return c
    grid = dict(zip(unique, np.ogrid[tuple(slice(n) for n in c.shape)], strict=True))
    return at(np.zeros(shape, c.dtype))[tuple(grid[label] for label in own)].set(c)


def _einsum_pushforward(
    tangents: Sequence[Array], operands: Sequence[Array], shapes: Shapes, labels: tuple[str, ...], out: str
) -> Array:
    total = None
    for i, t in enumerate(tangents):
        if t is not None:
            term = _einsum(*operands[:i], t, *operands[i + 1 :], labels=labels, out=out)
            total = term if total is None else total + term
    return total


_SMALL = 4096  # elements below which finding a path for BLAS costs more than it saves


@joint(_einsum_pullback, _einsum_pushforward, name="einsum", reads="others", batch=einsum_rule)
def _einsum(*operands: Array, labels: tuple[str, ...], out: str) -> Array:
    if len(operands) == 2 and type(operands[0]) is type(operands[1]) is np.ndarray:
        found = stacked_products(*operands, (labels[0], labels[1]), out)
        if found is not None:
            return found
    large = len(operands) > 1 and max(np.size(x) for x in operands) > _SMALL
    found = np.einsum(f"{','.join(labels)}->{out}", *operands, optimize=large)
    return found if out else found[()]  # paths for BLAS end in an array of no axes


@numpy_function(np.einsum)
def einsum(subscripts: Any, *operands: Any, out: None = None, optimize: Any = None, **keywords: Any) -> Array:
    """Sum products over labelled axes, in Einstein's notation.

    It takes every form that NumPy takes: explicit and implicit output, ellipsis, repeated labels, and operands that
    alternate with lists of axis numbers. On a Tensor keywords other than `optimize` are refused.

    Derivatives: for each operand, the einsum of the cotangent with the others, onto its labels.

    >>> tnp.einsum("ij,j->i", np.ones((2, 3)), np.ones(3))
    array([3., 3.])
    """
    refuse("einsum", keywords)
    if not isinstance(subscripts, str):
        subscripts, operands = _as_string((subscripts, *operands))
    arrays = [as_array(x) for x in operands]
    labels, result = _explicit(subscripts, arrays)
    return _einsum(*arrays, labels=labels, out=result)


def _as_string(arguments: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Write operands that alternate with lists of axis numbers as a string and the operands."""
    letters = string.ascii_letters

    def written(axes: Sequence[Any]) -> str:
        numbers = [axis if axis is Ellipsis else read_single_value(axis, "einsum with axis numbers") for axis in axes]
        return "".join("..." if number is Ellipsis else letters[number] for number in numbers)

    pairs = len(arguments) // 2
    text = ",".join(written(arguments[2 * i + 1]) for i in range(pairs))
    if len(arguments) % 2:
        return f"{text}->{written(arguments[-1])}", tuple(arguments[0:-1:2])
    # Without output axes NumPy sorts the labels by number, where implicit output sorts letters: the same order.
    return text, tuple(arguments[0::2])


def _explicit(subscripts: str, arrays: Sequence[Array]) -> tuple[tuple[str, ...], str]:
    """Find the labels of each operand and of the output; an ellipsis gets letters of its own."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ArgumentError(
            f"einsum: subscripts must have one term for each operand; got {len(terms)} terms in "
            f"{subscripts!r} for {len(arrays)} operands."
        )
    free = [letter for letter in string.ascii_letters if letter not in text]
    hidden = [x.ndim - len(term.replace("...", "")) for term, x in zip(terms, arrays, strict=True)]
    for term, x, count in zip(terms, arrays, hidden, strict=True):
        if count < 0 or (count > 0 and "..." not in term):
            raise ArgumentError(
                f"einsum: term {term!r} of {subscripts!r} must label every axis of its operand; got shape {x.shape}."
            )
    longest = max([count for term, count in zip(terms, hidden, strict=True) if "..." in term], default=0)
    spelled = "".join(free[:longest])
    labels = tuple(term.replace("...", spelled[longest - count :]) for term, count in zip(terms, hidden, strict=True))
    if arrow:
        return labels, output.replace("...", spelled)
    named = text.replace("...", "").replace(",", "")
    return labels, spelled + "".join(sorted(label for label in set(named) if named.count(label) == 1))
