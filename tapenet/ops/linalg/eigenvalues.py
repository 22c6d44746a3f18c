"""Eigenvalues and eigenvectors.

Eigenvalues have derivatives where they repeat, too, in the sense that functions of all of them have. Eigenvectors of a
repeated eigenvalue have none: the answer is NaN. Those of the others have theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import numpy_function
from tapenet.core.families import general
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array, Parts
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.shaping import matrix_transpose
from tapenet.ops.elementwise.arithmetic import where
from tapenet.ops.elementwise.complex import imag, real
from tapenet.ops.linalg.linear_solves import solve
from tapenet.ops.linalg.matrices import (
    adjoint,
    check_square,
    conj,
    cotangent_of,
    diagonal_of,
    mirrored,
    mirrored_transpose,
    on_diagonal,
    over_gaps,
    real_part,
    reciprocal_gaps,
    stack_rule,
    used,
)
from tapenet.ops.linalg.result_classes import result_class
from tapenet.ops.reductions.reduction import sum

# ---- Hermitian matrices ----
#
# With M = V^H a_dot V: w_dot = diag M, and V_dot = V (F * M), F_ij = 1 / (w_j - w_i).


def _eigh_pullback(t: Parts, out: tuple[Array, Array], UPLO: str) -> Array:
    w, v = out
    core = on_diagonal(cotangent_of(t, 0, w))
    if 1 in t.parts:
        core = core + over_gaps(matrix_transpose(v) @ t.parts[1], w, used(t.parts[1]))
    return mirrored_transpose(conj(v) @ core @ matrix_transpose(v), UPLO == "U")


def _eigh_pushforward(t: Array, out: tuple[Array, Array], UPLO: str) -> tuple[Array, Array]:
    w, v = out
    m = adjoint(v) @ mirrored(t, UPLO == "U") @ v
    return real_part(diagonal_of(m)), v @ (reciprocal_gaps(w) * m)


@general(name="eigh", pullbacks=[_eigh_pullback], pushforwards=[_eigh_pushforward], batch=stack_rule)
def _eigh(a: Array, *, UPLO: str) -> tuple[Array, Array]:
    w, v = np.linalg.eigh(a, UPLO)  # type: ignore[call-overload]  # NumPy names literals
    return w, v


def _eigvalsh_pullback(t: Array, a: Array, UPLO: str) -> Array:
    v = _eigh(a, UPLO=UPLO)[1]
    return mirrored_transpose(conj(v) * t[..., None, :] @ matrix_transpose(v), UPLO == "U")


def _eigvalsh_pushforward(t: Array, a: Array, UPLO: str) -> Array:
    v = _eigh(a, UPLO=UPLO)[1]
    return real_part(sum(conj(v) * (mirrored(t, UPLO == "U") @ v), -2))


@general(name="eigvalsh", pullbacks=[_eigvalsh_pullback], pushforwards=[_eigvalsh_pushforward], batch=stack_rule)
def _eigvalsh(a: Array, *, UPLO: str) -> Array:
    return np.linalg.eigvalsh(a, UPLO)  # type: ignore[call-overload]  # NumPy names literals


def _triangle(function: str, UPLO: str) -> str:
    if UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"{function}: UPLO must be 'L' or 'U'; got {UPLO!r}.")
    return UPLO.upper()


@numpy_function(np.linalg.eigh)
def eigh(a: Array, UPLO: str = "L") -> Any:
    """Compute eigenvalues w, ascending, and orthonormal eigenvectors v of a Hermitian matrix: a = v diag(w) v^H.

    Derivatives: w_dot = diag(v^H t v), with the tangent t, also where eigenvalues repeat; v_dot = v (F * v^H t v) with
    F_ij = 1 / (w_j - w_i) and 0 on the diagonal, NaN where they repeat. Of complex eigenvectors they hold for functions
    that do not change when one is multiplied by a phase. Only one triangle of `a` is read, and the derivative is with
    respect to what is read: that of the other triangle is 0, and an element that is read stands for its mirror image
    too. For a gradient that is symmetric, pass (a + a^H) / 2.

    Args:
        a: float or complex array, shape (..., n, n), Hermitian.
        UPLO: the triangle that is read, "L" or "U".

    Returns:
        EighResult(eigenvalues, eigenvectors), of shapes (..., n) and (..., n, n).

    Raises:
        LinAlgError: a matrix that is not square.
        ArgumentError: another UPLO.

    >>> tnp.linalg.eigh(np.diag([2.0, 1.0])).eigenvalues
    array([1., 2.])
    """
    check_square("eigh", a)
    return result_class(np.linalg.eigh)(*_eigh(a, UPLO=_triangle("eigh", UPLO)))


@numpy_function(np.linalg.eigvalsh)
def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    """Compute the eigenvalues of a Hermitian matrix, ascending.

    Derivative: diag(v^H t v), with eigenvectors v and the tangent t, also where eigenvalues repeat; with respect to the
    triangle that is read, as for `eigh`.

    Args:
        a: float or complex array, shape (..., n, n), Hermitian.
        UPLO: the triangle that is read, "L" or "U".

    Returns:
        A real array, shape (..., n).

    Raises:
        LinAlgError: a matrix that is not square.
        ArgumentError: another UPLO.

    >>> tnp.linalg.eigvalsh(np.diag([2.0, 1.0]))
    array([1., 2.])
    """
    check_square("eigvalsh", a)
    return _eigvalsh(a, UPLO=_triangle("eigvalsh", UPLO))


# ---- general matrices ----
#
# With M = V^-1 a_dot V: w_dot = diag M, and V_dot = U - V diag(c), where U = V (F * M), F_ij = 1 / (w_j - w_i), and c
# keeps LAPACK's normalization: columns of length 1, whose largest element is real.


def _find_largest(v: Array) -> Array:
    """Find the element of each complex eigenvector that LAPACK made real."""
    # Columns have length 1, so that 2 outweighs any magnitude: real elements come first, by their size.
    preference = np.abs(v) + 2 * (np.imag(v) == 0)
    return np.arange(v.shape[-2])[:, None] == np.argmax(preference, -2, keepdims=True)


_largest = choice(_find_largest, name="largest", batch=stack_rule)


def _normalized(u: Array, v: Array) -> Array:
    """Compute U - V diag(c)."""
    moved = u - v * real_part(sum(conj(v) * u, -2, keepdims=True))
    if v.dtype.kind != "c":
        return moved
    largest = _largest(v)
    turn = sum(where(largest, imag(moved), 0), -2, keepdims=True) / sum(where(largest, real(v), 0), -2, keepdims=True)
    return moved - v * (turn * 1j)


def _normalized_transpose(t: Array, v: Array) -> Array:
    """Compute the cotangent of U from that of U - V diag(c)."""
    share = sum(t * v, -2, keepdims=True)
    if v.dtype.kind != "c":
        return t - v * share
    largest = _largest(v)
    turn = imag(share) / sum(where(largest, real(v), 0), -2, keepdims=True)
    return t - conj(v) * real(share) - where(largest, turn * 1j, 0)


def _eig_pullback(t: Parts, out: tuple[Array, Array]) -> Array:
    w, v = out
    vt = matrix_transpose(v)
    core = on_diagonal(cotangent_of(t, 0, w))
    if 1 in t.parts:
        core = core + over_gaps(vt @ _normalized_transpose(t.parts[1], v), w, used(t.parts[1]))
    return solve(vt, core @ vt)


def _eig_pushforward(t: Array, out: tuple[Array, Array]) -> tuple[Array, Array]:
    w, v = out
    m = solve(v, t @ v)
    return diagonal_of(m), _normalized(v @ (reciprocal_gaps(w) * m), v)


@general(name="eig", pullbacks=[_eig_pullback], pushforwards=[_eig_pushforward], batch=stack_rule)
def _eig(a: Array) -> tuple[Array, Array]:
    w, v = np.linalg.eig(a)
    return w, v


def _eigvals_pullback(t: Array, a: Array) -> Array:
    vt = matrix_transpose(_eig(a)[1])
    return solve(vt, t[..., :, None] * vt)


def _eigvals_pushforward(t: Array, a: Array) -> Array:
    v = _eig(a)[1]
    return diagonal_of(solve(v, t @ v))


@general(name="eigvals", pullbacks=[_eigvals_pullback], pushforwards=[_eigvals_pushforward], batch=stack_rule)
def _eigvals(a: Array) -> Array:
    return np.linalg.eigvals(a)


@numpy_function(np.linalg.eig)
def eig(a: Array) -> Any:
    """Compute eigenvalues w and eigenvectors v, in columns, of a square matrix: a v = v diag(w).

    Eigenvectors have length 1, and where they are complex their largest element is real.

    Derivatives: w_dot = diag(m) with m = v^-1 t v and the tangent t; v_dot = v (F * m), F_ij = 1 / (w_j - w_i) and 0 on
    the diagonal, less what would change the normalization; NaN where eigenvalues repeat. They grow without bound as
    eigenvectors become dependent.

    Args:
        a: float or complex array, shape (..., n, n).

    Returns:
        EigResult(eigenvalues, eigenvectors), of shapes (..., n) and (..., n, n); complex, unless NumPy finds all real.

    Raises:
        LinAlgError: a matrix that is not square.

    >>> tnp.linalg.eig(np.diag([2.0, 1.0])).eigenvalues
    array([2., 1.])
    """
    check_square("eig", a)
    return result_class(np.linalg.eig)(*_eig(a))


@numpy_function(np.linalg.eigvals)
def eigvals(a: Array) -> Array:
    """Compute the eigenvalues of a square matrix.

    Derivative: diag(v^-1 t v), with eigenvectors v and the tangent t; where eigenvalues repeat it holds for functions
    of all of them. It grows without bound as eigenvectors become dependent.

    Args:
        a: float or complex array, shape (..., n, n).

    Returns:
        An array, shape (..., n); complex, unless NumPy finds all real.

    Raises:
        LinAlgError: a matrix that is not square.

    >>> tnp.linalg.eigvals(np.diag([2.0, 1.0]))
    array([2., 1.])
    """
    check_square("eigvals", a)
    return _eigvals(a)
