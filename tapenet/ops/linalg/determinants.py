"""Determinants and their logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.families import general
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array, Parts
from tapenet.core.provided import provided
from tapenet.ops.arrays.shaping import flip, matrix_transpose
from tapenet.ops.elementwise.complex import imag
from tapenet.ops.linalg.linear_solves import inv, inverse_for_rule, solve
from tapenet.ops.linalg.matrices import (
    check_square,
    cotangent_of,
    diagonal_of,
    on_diagonal,
    real_part,
    stack_rule,
)
from tapenet.ops.linalg.result_classes import result_class
from tapenet.ops.reductions.reduction import sum


def _det_pullback(t: Array, a: Array, out: Array) -> Array:
    inverse = _accurate_inverse(a)
    if inverse is not None:
        return (t * out)[..., None, None] * matrix_transpose(inverse)
    return provided.vjp(_det_of_nearly_singular, a)[1](t)[0]


def _det_pushforward(t: Array, a: Array, out: Array) -> Array:
    inverse = _accurate_inverse(a)
    if inverse is not None:
        return out * _trace(inverse @ t)
    return provided.jvp(_det_of_nearly_singular, (a,), (t,))[1]


@general(name="det", pullbacks=[_det_pullback], pushforwards=[_det_pushforward], batch=stack_rule)
def _det(a: Array) -> Array:
    return np.linalg.det(a)


@numpy_function(np.linalg.det)
def det(a: Array) -> Array:
    """Compute the determinant of a square matrix.

    Derivative: tr(adj(a) t), with the adjugate adj(a) = det(a) a^-1 and the tangent t. Where `a` is singular, or nearly
    so, it is computed without a division by what vanishes, and is exact there too, to any order.

    Args:
        a: float or complex array, shape (..., n, n).

    Returns:
        An array, shape (...,).

    Raises:
        LinAlgError: a matrix that is not square.

    >>> float(tnp.linalg.det(np.diag([1.0, 2.0, 3.0])))
    6.0
    """
    check_square("det", a)
    return _det(a)


def _trace(x: Array) -> Array:
    return sum(diagonal_of(x), -1)


# ---- matrices that are singular, or nearly so ----
#
# With the singular vectors U, V of `a`, held constant, B = U^H a V has the determinant of `a` up to a factor of
# magnitude 1, for any `a`. Split off the singular values that are small: det B = det B11 det(B22 - B21 B11^-1 B12).
# B11 is safely inverted, and a determinant as small as the second is a polynomial that needs no division.


def _accurate_inverse(a: Array) -> Array | None:
    """Invert a matrix, or give None where the inverse would lose half of the digits."""
    try:
        inverse = inv(a)
    except np.linalg.LinAlgError:
        return None
    return inverse if _is_well_conditioned(a, inverse) else None


@branch_condition
def _is_well_conditioned(a: Array, inverse: Array) -> bool:
    """Tell whether all matrices of a stack are well conditioned; those that are not finite count as such."""
    condition = _largest_column_sum(a) * _largest_column_sum(inverse)
    # Not >=: the condition of an inverse that overflowed is NaN, and counts as bad.
    return not np.any(np.all(np.isfinite(a), axis=(-2, -1)) & ~(condition < _worst(a)))


def _largest_column_sum(a: Array) -> Array:
    return np.max(np.sum(np.abs(a), -2), -1, initial=0)  # the norm of order 1, of empty matrices too


def _worst(a: Array) -> float:
    return 1 / float(np.sqrt(np.finfo(a.dtype).eps))


def _finite(a: Array) -> Array:
    """Put the identity in place of matrices that are not finite, which have no singular values."""
    return np.where(np.isfinite(a).all((-2, -1), keepdims=True), a, np.eye(a.shape[-1], dtype=a.dtype))


@branch_condition
def _small_singular_values(a: Array) -> int:
    """Count the singular values of a matrix that are too small to divide by: the most in the stack, at least 1."""
    s = np.linalg.svdvals(_finite(a))
    return int(np.max(np.sum(s <= s[..., :1] / _worst(a), -1), initial=1))


def _find_singular_frame(a: Array) -> tuple[Array, Array, Array]:
    """Compute U^H and V of the singular value decomposition, and det(U V^H)."""
    u, _, vh = np.linalg.svd(_finite(a))
    return u.mT.conj(), vh.mT.conj(), np.linalg.det(u @ vh)


_singular_frame = choice(_find_singular_frame, name="singular_frame", batch=stack_rule)


def _det_of_nearly_singular(a: Array) -> Array:
    # Constants: the identity holds for any frame, so that no derivative by it is missing.
    uh, v, factor = _singular_frame(a)
    b = uh @ a @ v
    r = a.shape[-1] - _small_singular_values(a)
    b11, b12, b21, b22 = b[..., :r, :r], b[..., :r, r:], b[..., r:, :r], b[..., r:, r:]
    return factor * _det(b11) * _det_without_division(b22 - b21 @ solve(b11, b12))


def _det_without_division(a: Array) -> Array:
    """Compute the determinant by sums and products alone.

    Source: R. S. Bird, A simple division-free algorithm for computing determinants, 2011.
    """
    n = a.shape[-1]
    above = np.tri(n, k=-1, dtype=bool).T
    f = a
    for _ in range(n - 1):
        d = diagonal_of(f)
        later = flip(flip(d, -1).cumsum(-1), -1) - d  # for each diagonal element the sum of those below it
        f = (f * above - on_diagonal(later)) @ a
    return f[..., 0, 0] * (-1) ** (n - 1)


# ---- logarithms ----


def _slogdet_pullback(t: Parts, a: Array, out: tuple[Array, Array]) -> Array:
    sign, _ = out
    factor = cotangent_of(t, 1, out[1])
    if sign.dtype.kind == "c":
        factor = factor + 1j * imag(cotangent_of(t, 0, sign) * sign)
    return factor[..., None, None] * matrix_transpose(inverse_for_rule("slogdet", "a", a))


def _slogdet_pushforward(t: Array, a: Array, out: tuple[Array, Array]) -> tuple[Array, Array]:
    sign, _ = out
    change = _trace(inverse_for_rule("slogdet", "a", a) @ t)  # of log det
    if sign.dtype.kind == "c":
        return sign * (1j * imag(change)), real_part(change)
    return np.zeros(sign.shape, sign.dtype), change


@general(name="slogdet", pullbacks=[_slogdet_pullback], pushforwards=[_slogdet_pushforward], batch=stack_rule)
def _slogdet(a: Array) -> tuple[Array, Array]:
    sign, logabsdet = np.linalg.slogdet(a)
    return sign, logabsdet


@numpy_function(np.linalg.slogdet)
def slogdet(a: Array) -> Any:
    """Compute the sign of the determinant and the logarithm of its magnitude, without overflow.

    Derivatives: of logabsdet Re tr(a^-1 t), with the tangent t; of sign 0 for real matrices, sign i Im tr(a^-1 t) for
    complex ones.

    Args:
        a: float or complex array, shape (..., n, n).

    Returns:
        SlogdetResult(sign, logabsdet), each of shape (...,).

    Raises:
        LinAlgError: a matrix that is not square; when differentiated, one that is singular.

    >>> tnp.linalg.slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
    SlogdetResult(sign=np.float64(-1.0), logabsdet=np.float64(0.0))
    """
    check_square("slogdet", a)
    return result_class(np.linalg.slogdet)(*_slogdet(a))
