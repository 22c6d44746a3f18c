"""Functions of matrices: one rule for all of them.

The upper right block of f([[A, E], [0, A]]) is the Frechet derivative of f at A in the direction E, and its transpose
is that at A^T. Source: R. Mathias, A chain rule for matrix functions and applications, SIAM J. Matrix Anal. Appl. 17
(1996), theorem 3.1; N. J. Higham, Functions of Matrices (2008), section 3.2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.families import general
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.scipy.linalg.shapes import square
from tapenet.scipy.placing import counterpart
from tapenet.series.arithmetic import Coefficient, Series, constant, is_constant, times
from tapenet.series.rules import rule

_FRECHET = "Derivative: the Frechet derivative, the upper right block of the function of [[A, t], [0, A]]"


def _size_of(t: Array) -> Array:
    size = np.max(np.abs(t), initial=0.0)
    return size if np.isfinite(size) and size > 0 else np.ones_like(size)


_size = nondifferentiable(_size_of, name="size")


def _frechet(f: Callable[[Array], Array], a: Array, t: Array) -> Array:
    """Compute the derivative of f at `a` in the direction t, which is linear in t: of t of size 1, so that the size
    does not decide on how f is computed.
    """
    n = a.shape[0]
    size = _size(t)
    dtype = np.result_type(a.dtype, t.dtype)
    rows = tnp.concatenate([a, t / size], 1), tnp.concatenate([np.zeros((n, n), dtype), a], 1)
    return size * f(tnp.concatenate(rows, 0))[:n, n:]


def _series(f: Callable[[Array], Array], a: Series) -> list[Coefficient]:
    """Compute the series of f(a): the blocks of the first row of f at the block Toeplitz matrix of the series of `a`,
    as these matrices add up and multiply as the series do. Time is scaled so that no block is larger than 1.
    """
    n, count = a[0].shape[0], len(a)
    pace = functools.reduce(tnp.maximum, [_size(c) ** (1 / k) for k, c in enumerate(a) if k and c is not None])
    scaled = [c if c is None or k == 0 else c / pace**k for k, c in enumerate(a)]
    dtype = np.result_type(*(c.dtype for c in a if c is not None))
    zeros = np.zeros((n, n), dtype)
    blocks = [zeros if c is None else c for c in scaled]
    rows = [tnp.concatenate([*[zeros] * i, *blocks[: count - i]], 1) for i in range(count)]
    top = f(tnp.concatenate(rows, 0))[:n]
    return [f(a[0]), *(top[:, k * n : (k + 1) * n] * pace**k for k in range(1, count))]


def _declared(name: str, forward: Callable[[Array], Array]) -> Any:
    """Declare a primitive for a function of one matrix."""

    @general(
        name=f"linalg.{name}",
        pullbacks=[lambda t, a: _frechet(primitive, a.T, t)],
        pushforwards=[lambda t, a: _frechet(primitive, a, t)],
    )
    def primitive(a: Array) -> Array:
        return np.asarray(forward(a))

    rule(f"linalg.{name}")(lambda a: _series(primitive, a))
    return primitive


def _matrix_function(name: str, note: str = "") -> Any:
    primitive = _declared(name, getattr(scipy.linalg, name))

    def function(A: Any) -> Array:
        return primitive(square(name, "A", A))

    function.__name__ = name
    function.primitive = primitive  # type: ignore[attr-defined]  # by which pickle finds it
    return counterpart(scipy.linalg, f"{_FRECHET}{note}.")(function)


expm = _matrix_function("expm")
cosm = _matrix_function("cosm")
sinm = _matrix_function("sinm")
tanm = _matrix_function("tanm")
coshm = _matrix_function("coshm")
sinhm = _matrix_function("sinhm")
tanhm = _matrix_function("tanhm")


# ---- functions with a cut along the negative real axis ----


def _half(a: Array) -> tuple[Array, Array] | None:
    """Return x, and the order of the halves, of [[x, y], [0, x]] and [[x, 0], [y, x]]; None for other matrices."""
    n, odd = divmod(a.shape[0], 2)
    x = a[:n, :n]
    if not n or odd or not np.array_equal(x, a[n:, n:]):
        return None
    if not a[n:, :n].any():
        return x, np.eye(2)
    return None if a[:n, n:].any() else (x, np.eye(2)[::-1])


def _basis(a: Array) -> tuple[Array, Array]:
    """Return a unitary u for which u^H a u is upper triangular, and its diagonal. Halves share a basis, so that their
    eigenvalues stay equal.
    """
    half = _half(a)
    if half is not None:
        x, order = half
        u, eigenvalues = _basis(x)
        return np.kron(order.astype(u.dtype), u), np.tile(eigenvalues, 2)
    if a.dtype.kind == "c" and a.imag.any():
        t, u = scipy.linalg.schur(a)
    else:
        t, u = scipy.linalg.rsf2csf(*scipy.linalg.schur(a.real))  # leaves the real eigenvalues real
    return u, np.diagonal(t)


def _with_cut(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return f, which on derivatives' matrices [[a, t], [0, a]] takes all equal eigenvalues from one side of the cut.

    Rounding moves equal negative eigenvalues to both sides of it.
    """

    def function(a: Array) -> Array:
        if not np.isfinite(a).all() or _half(a) is None:
            return np.asarray(f(a))
        u, eigenvalues = _basis(a)
        if not ((eigenvalues.imag == 0) & (eigenvalues.real < 0)).any():
            return np.asarray(f(a))
        triangular = np.triu(u.conj().T @ a @ u)
        np.fill_diagonal(triangular, eigenvalues)
        return np.asarray(u @ f(triangular) @ u.conj().T)

    return function


_logm = _declared("logm", _with_cut(scipy.linalg.logm))
_sqrtm = _declared("sqrtm", _with_cut(scipy.linalg.sqrtm))


@counterpart(scipy.linalg, f"{_FRECHET}. It does not exist where an eigenvalue is 0 or negative.")
def logm(A: Any, disp: bool = True) -> Array:
    return _logm(square("logm", "A", A))


@counterpart(scipy.linalg, f"{_FRECHET}. It does not exist where an eigenvalue is 0.")
def sqrtm(A: Any, disp: bool = True, blocksize: int = 64) -> Array:
    return _sqrtm(square("sqrtm", "A", A))


def _by_power(t: Array, a: Array, p: Array, out: Array) -> Array:
    return tnp.sum(t * (_logm(a) @ out))


@general(
    name="linalg.fractional_matrix_power",
    pullbacks=[lambda t, a, p: _frechet(lambda x: _power(x, p), a.T, t), _by_power],
    pushforwards=[lambda t, a, p: _frechet(lambda x: _power(x, p), a, t), lambda t, a, out: t * (_logm(a) @ out)],
)
def _power(a: Array, p: Array) -> Array:
    return _with_cut(lambda x: scipy.linalg.fractional_matrix_power(x, float(p)))(a)


@rule("linalg.fractional_matrix_power")
def _power_series(a: Series, p: Series) -> Series:
    if is_constant(p):
        return _series(lambda x: _power(x, p[0]), a)
    logarithm = constant(_logm(a[0]), a) if is_constant(a) else _series(_logm, a)
    return [_power(a[0], p[0]), *_series(expm, times(p, logarithm))[1:]]


@counterpart(scipy.linalg, f"Derivatives: by A {_FRECHET.partition(': ')[2]}; by t log(A) A^t.")
def fractional_matrix_power(A: Any, t: Any) -> Array:
    a = square("fractional_matrix_power", "A", A)
    return _power(a, t if holds_tensor(t) else np.float64(t))


@counterpart(scipy.linalg, "Derivatives: those of expm at [[A, E], [0, A]], whose upper blocks it returns.")
def expm_frechet(A: Any, E: Any, method: None = None, compute_expm: bool = True, check_finite: bool = True) -> Any:
    a, e = square("expm_frechet", "A", A), square("expm_frechet", "E", E)
    size = _size(e)
    whole = expm(tnp.block([[a, e / size], [np.zeros(a.shape, a.dtype), a]]))
    n = a.shape[0]
    derivative = size * whole[:n, n:]
    return (whole[:n, :n], derivative) if compute_expm else derivative
