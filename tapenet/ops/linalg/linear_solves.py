"""Systems of linear equations, and inverses."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tapenet.core.arguments import as_array, axes_of, numpy_function
from tapenet.core.families import general
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, LinAlgError
from tapenet.ops.arrays.shaping import matrix_transpose, reshape, transpose
from tapenet.ops.linalg.matrices import check_square, stack_rule


@general(
    name="inv",
    pullbacks=[lambda t, out: -matrix_transpose(out) @ t @ matrix_transpose(out)],
    pushforwards=[lambda t, out: -out @ t @ out],
    batch=stack_rule,
)
def _inv(a: Array) -> Array:
    return np.linalg.inv(a)


@numpy_function(np.linalg.inv)
def inv(a: Array) -> Array:
    """Invert a square matrix.

    Derivative: -a^-1 t a^-1, with the tangent t.

    Args:
        a: float or complex array, shape (..., n, n).

    Returns:
        An array of the shape of a.

    Raises:
        LinAlgError: a matrix that is not square, or singular.

    >>> tnp.linalg.inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    check_square("inv", a)
    return _inv(a)


def inverse_for_rule(function: str, name: str, a: Array) -> Array:
    """Invert a matrix for a derivative; the error of a singular one says what was differentiated."""
    try:
        return inv(a)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(
            f"{function}: {name} must be nonsingular where it is differentiated; got shape {a.shape}, singular."
        ) from error


@general(
    name="solve",
    pullbacks=[
        lambda t, a, out: -_solve(matrix_transpose(a), t) @ matrix_transpose(out),
        lambda t, a: _solve(matrix_transpose(a), t),
    ],
    pushforwards=[
        lambda t, a, out: -_solve(a, t @ out),
        lambda t, a: _solve(a, t),
    ],
    batch=stack_rule,
)
def _solve(a: Array, b: Array) -> Array:
    return np.linalg.solve(a, b)


@numpy_function(np.linalg.solve)
def solve(a: Array, b: Array) -> Array:
    """Solve a x = b for x.

    Derivative: a^-1 (b_dot - a_dot x), with the tangents a_dot and b_dot.

    Args:
        a: float or complex array, shape (..., n, n).
        b: array, shape (n,), one right-hand side for all; or (..., n, k), one in each column. Leading axes broadcast.

    Returns:
        x, shape (..., n) or (..., n, k).

    Raises:
        LinAlgError: a matrix that is not square, or singular.
        ArgumentError: a right-hand side of another length.

    >>> tnp.linalg.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 1.0]))
    array([0.5 , 0.25])
    """
    a, b = as_array(a), as_array(b)
    check_square("solve", a)
    if b.ndim == 0 or b.shape[-2 if b.ndim > 1 else -1] != a.shape[-1]:
        raise ArgumentError(f"solve: b must have {a.shape[-1]} rows, as a; got shapes {a.shape} and {b.shape}.")
    # As NumPy 2: one axis is one vector for all matrices, more are stacks of matrices.
    if b.ndim > 1:
        return _solve(a, b)
    return _solve(a, reshape(b, (-1, 1)))[..., 0]


@numpy_function(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: Sequence[int] | None = None) -> Array:
    """Solve tensordot(a, x, x.ndim) = b for x.

    Derivative: that of `solve`.

    Args:
        a: array, shape b.shape + x.shape, with as many elements in either half.
        b: array of any shape.
        axes: of a, to move to its end first.

    Returns:
        x.

    Raises:
        LinAlgError: an `a` whose halves are of different sizes, or singular.

    >>> tnp.linalg.tensorsolve(np.eye(6).reshape(2, 3, 6), np.ones((2, 3)))
    array([1., 1., 1., 1., 1., 1.])
    """
    a, b = as_array(a), as_array(b)
    order = list(range(a.ndim))
    for axis in () if axes is None else axes_of("tensorsolve", axes, a.ndim, "axes"):
        order.remove(axis)
        order.append(axis)
    a = transpose(a, order)
    found = a.shape[b.ndim :] if a.ndim > b.ndim else a.shape  # as NumPy, whose slice from -0 is all of it
    if a.size != math.prod(found) ** 2 or b.size != math.prod(found):
        raise LinAlgError(
            f"tensorsolve: a must have the shape of b, then as many elements again; got {a.shape} and {b.shape}."
        )
    return reshape(solve(reshape(a, (b.size, b.size)), reshape(b, -1)), found)


@numpy_function(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    """Invert a as a map by `tensordot`, of its last axes onto its first `ind`.

    Derivative: that of `inv`.

    Args:
        a: array with as many elements in its first `ind` axes as in the others.
        ind: how many axes come first; positive.

    Returns:
        An array, shape a.shape[ind:] + a.shape[:ind].

    Raises:
        ArgumentError: an `ind` that is not positive.
        LinAlgError: parts of different sizes, or a singular `a`.

    >>> tnp.linalg.tensorinv(np.eye(6).reshape(2, 3, 6)).shape
    (6, 2, 3)
    """
    if ind < 1:
        raise ArgumentError(f"tensorinv: ind must be positive; got {ind}.")
    first, last = a.shape[:ind], a.shape[ind:]
    if math.prod(first) != math.prod(last):
        raise LinAlgError(
            f"tensorinv: a must have as many elements in its first {ind} axes as in the others; got shape {a.shape}."
        )
    return reshape(inv(reshape(a, (math.prod(first), -1))), last + first)
