"""Norms of vectors and matrices, and the functions of singular values.

At 0 the derivative of a norm of any order >= 1 is 0, the smallest of its subgradients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core import shapes
from tapenet.core.arguments import axes_of, numpy_function
from tapenet.core.batch_rules import leading, over_operand, shifted
from tapenet.core.families import general
from tapenet.core.nondifferentiable import branch_condition, choice, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.core.shapes import Axes
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, LinAlgError
from tapenet.ops.arrays.shaping import moveaxis, reshape
from tapenet.ops.elementwise.arithmetic import square, subgradient, where
from tapenet.ops.elementwise.casting import as_scalar, astype
from tapenet.ops.elementwise.choices import equal, isnan
from tapenet.ops.elementwise.complex import absolute, imag, real, sign
from tapenet.ops.elementwise.exponential import power
from tapenet.ops.linalg.decompositions import svdvals
from tapenet.ops.linalg.linear_solves import inv
from tapenet.ops.linalg.matrices import check_matrix, check_square, conj, real_part, stack_rule
from tapenet.ops.reductions.reduction import max, min, root_of_squares, sum

Order = float | str | None


# ---- sums of squares and of powers ----
#
# Their values are NumPy's, also where squares overflow or underflow. Derivatives are quotients by the largest element
# there, which is a constant: that of the quotient does not depend on it.


@branch_condition
def _is_in_range(out: Array) -> bool:
    """Return whether no square in norms overflows, and none that counts underflows."""
    limits = np.finfo(out.dtype)
    # Squares below tiny lose digits. In a norm above this bound they do not reach its last digit.
    low = np.sqrt(limits.tiny) / limits.eps
    return bool(np.all((out > low) & np.isfinite(out)))


def _find_largest_size(x: Array, *, axis: Axes) -> Array:
    size = np.max(np.abs(x), axis, keepdims=True, initial=0)
    # A scale of 1 leaves 0 and infinity as they are; by themselves they would give NaN.
    return np.where((size == 0) | ~np.isfinite(size), 1, size).astype(size.dtype)


_largest_size = choice(_find_largest_size, name="largest_size", batch=leading(axis=shifted))


def _unless_zero(z: Array, norm: Array) -> Array:
    """Compute z / norm; at 0 the smallest subgradient, which is 0, and has no derivative."""
    vanishes = equal(norm, 0)
    return subgradient(z / where(vanishes, 1, norm), vanishes)


def _sum_of_squares(x: Array, axis: Axes) -> Array:
    squares = square(real(x)) + square(imag(x)) if x.dtype.kind == "c" else square(x)
    return sum(squares, axis, keepdims=True)


def _direction(x: Array, out: Array, axis: Axes) -> Array:
    """Compute x / |x|, of which the derivative of the norm is the conjugate."""
    if _is_in_range(out):
        return x / out
    z = x / _largest_size(x, axis=axis)
    return _unless_zero(z, root_of_squares(_sum_of_squares(z, axis)))


def _kept(z: Array, shape: Sequence[int], axis: Axes) -> Array:
    """Return what was reduced, with length 1 along the reduced axes."""
    return reshape(z, shapes.kept(shape, axis))


def _norm_pullback(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
    return _kept(t, x.shape, axis) * conj(_direction(x, _kept(out, x.shape, axis), axis))


def _norm_pushforward(t: Array, x: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
    return sum(real_part(conj(_direction(x, _kept(out, x.shape, axis), axis)) * t), axis, keepdims=keepdims)


@general([_norm_pullback], [_norm_pushforward], name="norm", batch=leading(axis=shifted))
def _norm(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    if axis is None or len(axis) in (1, 2):
        return np.linalg.norm(x, axis=axis, keepdims=keepdims)
    return np.sqrt(np.sum((np.conj(x) * x).real, axis, keepdims=keepdims))  # more axes than NumPy's norm takes


def _power_direction(x: Array, order: float, axis: Axes) -> Array:
    """Compute sign(x) (|x| / norm)^(p - 1), of which the derivative of a norm of order p is the conjugate."""
    size = absolute(x / _largest_size(x, axis=axis))
    powers = sum(power(size, order), axis, keepdims=True)
    vanishes = equal(powers, 0)
    norm = where(vanishes, 0, power(where(vanishes, 1, powers), 1 / order))  # the root has an infinite slope at 0
    # The power of the quotient, which is at most 1: of |x| and of the norm by themselves it would overflow.
    return sign(x) * power(_unless_zero(size, norm), order - 1)


def _power_norm_pullback(t: Array, x: Array, order: float, axis: Axes, keepdims: bool) -> Array:
    return _kept(t, x.shape, axis) * conj(_power_direction(x, order, axis))


def _power_norm_pushforward(t: Array, x: Array, order: float, axis: Axes, keepdims: bool) -> Array:
    return sum(real_part(conj(_power_direction(x, order, axis)) * t), axis, keepdims=keepdims)


def _power_norm_written_out(x: Array, *, order: float, axis: Axes, keepdims: bool) -> Array:
    return power(sum(power(absolute(x), order), axis, keepdims=keepdims), 1 / order)


@general(
    [_power_norm_pullback],
    [_power_norm_pushforward],
    name="power_norm",
    batch=leading(axis=shifted),
    written_out=_power_norm_written_out,
)
def _power_norm(x: Array, *, order: float, axis: Axes, keepdims: bool) -> Array:
    (only,) = axis or ()
    return np.linalg.norm(x, order, only, keepdims=keepdims)


def _checked_order(function: str, ord: Any) -> None:
    if type(ord) is Tensor:
        raise ArgumentTypeError(
            f"{function}: ord must be a plain number, as no derivative by it is given; got a Tensor of an open tape. "
            "Write tnp.sum(tnp.abs(x) ** p) ** (1 / p), or pass ord.value."
        )


def _inexact(x: Array) -> Array:
    """Return integers and truth values as floats, as NumPy does for every order."""
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def _largest(x: Array, axis: int, keepdims: bool) -> Array:
    """Find the largest of numbers that are not negative; 0 where there are none."""
    return max(x, axis, keepdims=keepdims) if x.shape[axis] else sum(x, axis, keepdims=keepdims)


def _smallest(x: Array, axis: int, keepdims: bool) -> Array:
    if not x.shape[axis]:
        raise ArgumentError(f"norm: x must have elements where ord is negative; got shape {x.shape}.")
    return min(x, axis, keepdims=keepdims)


def _vector_norm(x: Array, ord: Order, axis: int, keepdims: bool) -> Array:
    if isinstance(ord, str):
        raise ArgumentError(f"norm: ord must be a number for a vector; got {ord!r}.")
    if ord is None or ord == 2:
        return _norm(x, axis=(axis,), keepdims=keepdims)
    magnitude = absolute(x)
    if ord == math.inf:
        return _largest(magnitude, axis, keepdims)
    if ord == -math.inf:
        return _smallest(magnitude, axis, keepdims)
    if ord == 0:
        return sum(where(isnan(magnitude), 1, sign(magnitude)), axis, keepdims=keepdims)  # NaN is not 0
    if ord == 1:
        return sum(magnitude, axis, keepdims=keepdims)
    ord = float(ord)
    if ord < 1:
        return power(sum(power(magnitude, ord), axis, keepdims=keepdims), 1 / ord)
    return _power_norm(x, order=ord, axis=(axis,), keepdims=keepdims)


def _matrix_norm(x: Array, ord: Order, axes: tuple[int, ...], keepdims: bool) -> Array:
    if ord is None or ord in ("fro", "f"):
        return _norm(x, axis=axes, keepdims=keepdims)
    matrix = moveaxis(x, axes, (-2, -1))
    if ord in (1, -1, math.inf, -math.inf):
        sums = sum(absolute(matrix), -2 if ord in (1, -1) else -1)
        found = _largest(sums, -1, False) if ord > 0 else _smallest(sums, -1, False)
    elif ord in (2, "nuc", -2):
        s = svdvals(matrix)
        found = sum(s, -1) if ord == "nuc" else _largest(s, -1, False) if ord == 2 else _smallest(s, -1, False)
    else:
        raise ArgumentError(f"norm: ord must be 'fro', 'nuc', 1, 2, inf or their negatives for a matrix; got {ord!r}.")
    return reshape(found, shapes.kept(x.shape, axes)) if keepdims else found


@numpy_function(np.linalg.norm)
def norm(x: Array, ord: Order = None, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Array:
    """Compute the norm of a vector or a matrix, or of stacks of them.

    Of a vector (one axis): order p is (sum |x|^p)^(1/p), by default 2; inf and -inf are the largest and smallest |x|,
    0 the count of elements that are not 0. Of a matrix (two axes): "fro", the default, is the root of the sum of
    squares; "nuc" the sum of singular values, 2 and -2 the largest and the smallest; 1 and -1 the largest and smallest
    sum of |x| over rows, inf and -inf over columns. With neither ord nor axis: the root of the sum of all squares.

    Derivative: that of the formula, also where squares overflow; 0 at 0 for any order >= 1, where the second derivative
    is NaN; split evenly among equal elements where one is chosen; 0 for order 0. None for a Tensor as the order.

    Args:
        x: float or complex array, or a list of numbers.
        ord: the order, as above.
        axis: one axis for vectors, two for matrices; None for an `x` that has only these.
        keepdims: leave the reduced axes in place, with length 1.

    Returns:
        A real array.

    Raises:
        ArgumentError: an order that does not exist; with an order, neither one axis nor two.
        ArgumentTypeError: an order that is a Tensor.

    >>> float(tnp.linalg.norm(np.array([3.0, 4.0])))
    5.0
    >>> tn.grad(tnp.linalg.norm)(np.zeros(2))
    array([0., 0.])
    """
    _checked_order("norm", ord)
    x = _inexact(x)
    if axis is None and ord is None:
        return _norm(x, axis=None, keepdims=keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axes_of("norm", axis, x.ndim)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ArgumentError(f"norm: axis must be one axis or two where ord is given; got {len(axes)} of shape {x.shape}.")


@numpy_function(np.linalg.vector_norm)
def vector_norm(
    x: Array, /, *, axis: int | Sequence[int] | None = None, keepdims: bool = False, ord: float = 2
) -> Array:
    """Compute the norm of vectors along any number of axes together, or of all elements.

    Derivative: that of `norm`; 0 at 0 for any order >= 1.

    Returns:
        A real array without the axes, or with length 1 along them where `keepdims` is true.

    >>> float(tnp.linalg.vector_norm(np.array([[3.0], [4.0]])))
    5.0
    """
    _checked_order("vector_norm", ord)
    axes = tuple(range(x.ndim)) if axis is None else axes_of("vector_norm", axis, x.ndim)
    rest = shapes.without(x.shape, axes)
    vectors = reshape(moveaxis(_inexact(x), axes, range(len(axes))), (shapes.count(x.shape, axes), *rest))
    found = _vector_norm(vectors, ord, 0, False)
    return reshape(found, shapes.kept(x.shape, axes)) if keepdims else found


@numpy_function(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: float | str = "fro") -> Array:
    """Compute the norm of matrices in the last two axes.

    Derivative: that of `norm`; 0 at 0.

    Returns:
        A real array without the last two axes, or with length 1 along them where `keepdims` is true.

    >>> float(tnp.linalg.matrix_norm(np.array([[3.0], [4.0]])))
    5.0
    """
    _checked_order("matrix_norm", ord)
    check_matrix("matrix_norm", x)
    return norm(x, ord, (-2, -1), keepdims)


matrix_rank = nondifferentiable(
    np.linalg.matrix_rank,
    batch=over_operand(0),
    doc="""Count the singular values of a matrix that are above a tolerance.

    No derivative: the result is plain integers.

    >>> int(tnp.linalg.matrix_rank(np.diag([1.0, 0.0])))
    1
    """,
)


# ---- condition ----


_is_singular = choice(lambda a: np.linalg.slogdet(a)[0] == 0, name="cond", batch=stack_rule)


def _quotient(x: Array, y: Array) -> Array:
    """Divide numbers that are not negative; where y is 0 the result is infinite, with derivative 0."""
    vanishes = equal(y, 0)
    return where(vanishes, math.inf, x / where(vanishes, 1, y))


@numpy_function(np.linalg.cond)
def cond(x: Array, p: Order = None) -> Array:
    """Compute the condition number |x| |x^-1|, by the norm of order p; infinite for a singular matrix.

    Derivative: that of the formula, by default of the largest singular value divided by the smallest; 0 at a singular
    matrix.

    Args:
        x: float or complex array, shape (..., m, n); square, but for p None, 2 and -2.
        p: an order that `norm` takes for matrices.

    Returns:
        A real array, shape (...,).

    Raises:
        LinAlgError: an empty matrix, or one that is not square where it must be.

    >>> float(tnp.linalg.cond(np.diag([4.0, 2.0])))
    2.0
    """
    _checked_order("cond", p)
    check_matrix("cond", x)
    if x.size == 0:
        raise LinAlgError(f"cond: x must not be empty; got shape {x.shape}.")
    if p is None or p in (2, -2):
        s = svdvals(x)
        return as_scalar(_quotient(s[..., -1], s[..., 0]) if p == -2 else _quotient(s[..., 0], s[..., -1]))
    check_square("cond", x)
    singular = _is_singular(x)
    # One singular matrix would make NumPy's inv raise for the whole stack.
    regular = where(singular[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
    return as_scalar(where(singular, math.inf, norm(regular, p, (-2, -1)) * norm(inv(regular), p, (-2, -1))))
