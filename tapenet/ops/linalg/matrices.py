"""Checks of the arguments of functions of matrices, and pieces of matrix calculus.

Stacks of matrices are arrays whose last two axes are rows and columns. Rules of complex functions are derived for the
inner product <X, Y> = Re tr(X^H Y), of which the cotangents of this library are the conjugates: such a rule conjugates
what it is given and what it returns.
"""

from __future__ import annotations

import numpy as np

from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array, Parts
from tapenet.errors import LinAlgError
from tapenet.ops.arrays.shaping import matrix_transpose
from tapenet.ops.elementwise.arithmetic import subgradient, where
from tapenet.ops.elementwise.choices import equal
from tapenet.ops.elementwise.complex import conjugate, imag, real
from tapenet.ops.reductions.reduction import sum

stack_rule = elementwise_rule  # a batch of matrices is a stack of them

# ---- arguments ----


def check_matrix(function: str, a: Array, name: str = "a") -> None:
    """Raise unless `a` has rows and columns."""
    if a.ndim < 2:
        raise LinAlgError(f"{function}: {name} must have at least two axes; got shape {a.shape}.")


def check_square(function: str, a: Array, name: str = "a") -> None:
    """Raise unless `a` is a square matrix or a stack of them."""
    check_matrix(function, a, name)
    if a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"{function}: {name} must be square in its last two axes; got shape {a.shape}.")


# ---- calculus ----


def conj(x: Array) -> Array:
    """Take the complex conjugate, of a real array at no cost."""
    return conjugate(x) if x.dtype.kind == "c" else x


def adjoint(x: Array) -> Array:
    """Take the conjugate transpose of the last two axes."""
    return conj(matrix_transpose(x))


def real_part(x: Array) -> Array:
    """Take the real part, of a real array at no cost."""
    return real(x) if x.dtype.kind == "c" else x


def on_diagonal(x: Array) -> Array:
    """Make matrices with the last axis of `x` on their diagonal, and 0 elsewhere."""
    return where(np.eye(x.shape[-1], dtype=bool), x[..., None, :], 0)


def diagonal_of(x: Array) -> Array:
    """Take the diagonals of square matrices, as a last axis."""
    return sum(where(np.eye(x.shape[-1], dtype=bool), x, 0), -1)


def imaginary_diagonal(x: Array) -> Array:
    """Make a diagonal matrix of the diagonal's imaginary part times i; only for complex `x`."""
    return where(np.eye(x.shape[-1], dtype=bool), imag(x) * 1j, 0)


def strictly_lower(x: Array) -> Array:
    """Keep the elements below the diagonal; 0 elsewhere."""
    return where(np.tri(*x.shape[-2:], -1, dtype=bool), x, 0)  # type: ignore[call-overload]  # two lengths


def undefined_at_0(x: Array) -> Array:
    """Compute 1 / x, with NaN in place of infinity, for where a derivative does not exist."""
    vanishes = equal(x, 0)
    return where(vanishes, np.nan, 1 / where(vanishes, 1, x))


def reciprocal_gaps(w: Array) -> Array:
    """Compute 1 / (w_j - w_i) at row i and column j: NaN where two are equal, 0 on the diagonal."""
    diagonal = np.eye(w.shape[-1], dtype=bool)
    return where(diagonal, 0, undefined_at_0(where(diagonal, 1, w[..., None, :] - w[..., :, None])))


# A cotangent of 0 says that nothing depends on a vector. Then it does not matter that the vector has no derivative.

used = choice(lambda t: np.any(t != 0, axis=-2, keepdims=True), name="used", batch=stack_rule)


def over_gaps(c: Array, w: Array, needed: Array) -> Array:
    """Compute c_ij / (w_j - w_i), 0 on the diagonal; where two are equal NaN, or 0 if the pair is not `needed`.

    The 0 is a convention, and has no derivative.
    """
    diagonal = np.eye(w.shape[-1], dtype=bool)
    gaps = where(diagonal, 1, w[..., None, :] - w[..., :, None])
    return where(diagonal, 0, over_unless_unused(c, gaps, needed))


def over_unless_unused(t: Array, x: Array, needed: Array) -> Array:
    """Compute t / x; where x is 0 NaN, or 0 if it is not `needed`."""
    vanishes = equal(x, 0)
    unused = vanishes & ~needed
    return subgradient(t * where(unused, 1, undefined_at_0(x)), unused)


# ---- Hermitian matrices, of which LAPACK reads one triangle ----


def _strict_triangle(n: int, upper: bool) -> Array:
    below = np.tri(n, k=-1, dtype=bool)
    return below.T if upper else below


def mirrored(x: Array, upper: bool) -> Array:
    """Make the Hermitian matrix of which `x` holds one triangle, as LAPACK reads it."""
    n = x.shape[-1]
    strict = where(_strict_triangle(n, upper), x, 0)
    return strict + adjoint(strict) + where(np.eye(n, dtype=bool), real_part(x), 0)


def mirrored_transpose(t: Array, upper: bool) -> Array:
    """Apply the transpose of `mirrored`: from a cotangent of the Hermitian matrix to one of the triangle."""
    n = t.shape[-1]
    return where(_strict_triangle(n, upper), t + adjoint(t), where(np.eye(n, dtype=bool), real_part(t), 0))


# ---- operations with several outputs ----


def cotangent_of(t: Parts, index: int, like: Array) -> Array:
    """Give the cotangent of one output of several; zeros where nothing depends on it."""
    return t.parts[index] if index in t.parts else np.zeros(like.shape, like.dtype)
