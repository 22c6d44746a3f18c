"""Polynomials by their coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.families import general
from tapenet.core.nondifferentiable import branch_condition, nondifferentiable, numpys_of_integers
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.ops.arrays.joining import atleast_1d
from tapenet.ops.arrays.shaping import concatenate, reshape
from tapenet.ops.elementwise.arithmetic import add, divide, multiply, negative, subtract
from tapenet.ops.elementwise.casting import astype
from tapenet.ops.elementwise.complex import real
from tapenet.ops.elementwise.exponential import power
from tapenet.ops.linalg.eigenvalues import eigvals
from tapenet.ops.linalg.least_squares import lstsq
from tapenet.ops.linalg.products import matmul
from tapenet.ops.reductions.order_statistics import holds_anywhere
from tapenet.ops.reductions.reduction import sum
from tapenet.ops.signal.calculus import convolve

# ---- values ----


@numpy_function(np.polyval)
def polyval(p: Array, x: Array) -> Array:
    """Evaluate at x the polynomial with coefficients p, the highest power first, by Horner's rule.

    Derivatives: p'(x) for x, and the powers of x for p.

    >>> float(tnp.polyval([1.0, 0.0, -1.0], 3.0))
    8.0
    """
    p, x = as_array(p), as_array(x)
    value = np.zeros(x.shape, x.dtype)
    for k in range(len(p)):
        value = add(multiply(value, x), p[k])
    return value


@numpy_function(np.vander)
@numpys_of_integers(np.vander)
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """Make the matrix of the powers of the elements of a vector, one row for each, the highest power first.

    Derivative: that of the powers, k x^(k-1).

    >>> tnp.vander(np.array([2.0, 3.0]))
    array([[2., 1.],
           [3., 1.]])
    """
    x = as_array(x)
    if x.ndim != 1:
        raise ArgumentError(f"vander: x must have one axis; got shape {x.shape}.")
    powers = np.arange(len(x) if N is None else N, dtype=float)
    return power(x[:, None], powers if increasing else powers[::-1])


# ---- arithmetic ----


def _sum_of(function: Any, a1: Array, a2: Array) -> Array:
    a1, a2 = atleast_1d(as_array(a1)), atleast_1d(as_array(a2))
    if len(a1) == len(a2):
        return function(a1, a2)
    n = max(len(a1), len(a2))
    return function(*(a if len(a) == n else concatenate([np.zeros(n - len(a), a.dtype), a]) for a in (a1, a2)))


@numpy_function(np.polyadd)
def polyadd(a1: Array, a2: Array) -> Array:
    """Add two polynomials.

    Derivatives: 1 for each coefficient.

    >>> tnp.polyadd([1.0, 2.0], [1.0])
    array([1., 3.])
    """
    return _sum_of(add, a1, a2)


@numpy_function(np.polysub)
def polysub(a1: Array, a2: Array) -> Array:
    """Subtract two polynomials.

    Derivatives: 1 and -1 for each coefficient.

    >>> tnp.polysub([1.0, 2.0], [1.0])
    array([1., 1.])
    """
    return _sum_of(subtract, a1, a2)


@numpy_function(np.polymul)
def polymul(a1: Array, a2: Array) -> Array:
    """Multiply two polynomials.

    Derivatives: those of the convolution of their coefficients. Zeros in front are left out first, and receive 0.

    >>> tnp.polymul([1.0, 1.0], [1.0, -1.0])
    array([ 1.,  0., -1.])
    """
    return convolve(_without_zeros_in_front(a1), _without_zeros_in_front(a2))


def _without_zeros_in_front(p: Array) -> Array:
    p = atleast_1d(as_array(p))
    if not len(p):
        return np.zeros(1, p.dtype)
    count = 0
    while count < len(p) - 1 and _is_zero(p[count]):
        count += 1
    return p[count:]


@branch_condition
def _is_zero(x: Array) -> bool:
    return bool(np.all(x == 0))


@numpy_function(np.polydiv)
def polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """Divide two polynomials, by long division; return the quotient and the remainder.

    Derivatives: those of the steps of the division. Zeros in front of the remainder are left out.

    >>> tnp.polydiv([1.0, 0.0, -1.0], [1.0, 1.0])
    (array([ 1., -1.]), array([0.]))
    """
    u, v = (multiply(atleast_1d(as_array(p)), 1.0) for p in (u, v))
    u = astype(u, np.result_type(u.dtype, v.dtype))
    degree = len(v) - 1
    rest, quotient, scale = u, [], divide(1.0, v[0])
    for k in range(len(u) - degree):
        quotient.append(multiply(scale, rest[k]))
        # Taken off up to the last coefficient, so that each step leaves an array of the same length.
        tail = np.zeros(len(u) - k - degree - 1, u.dtype)
        rest = subtract(rest, concatenate([np.zeros(k, u.dtype), multiply(quotient[-1], v), tail]))
    found = concatenate([reshape(q, (1,)) for q in quotient]) if quotient else np.zeros(1, u.dtype)
    return found, _without_small_in_front(rest)


def _without_small_in_front(rest: Array) -> Array:
    """Leave out what is 0 within NumPy's `allclose`, but for the last coefficient."""
    start = 0
    while start < len(rest) - 1 and np.allclose(rest[start], 0, rtol=1e-14):
        start += 1
    return rest[start:]


# ---- derivatives and integrals ----


@numpy_function(np.polyder)
def polyder(p: Array, m: int = 1) -> Array:
    """Take the m-th derivative of a polynomial.

    Derivative: linear; the factors k of k x^(k-1).

    >>> tnp.polyder([1.0, 0.0, -1.0])
    array([2., 0.])
    """
    p = as_array(p)
    if m < 0:
        raise ArgumentError(f"polyder: m must not be negative; got {m}.")
    for _ in range(m):
        degree = len(p) - 1
        p = multiply(p[: max(degree, 0)], np.arange(max(degree, 0), 0, -1))
    return p


@numpy_function(np.polyint)
def polyint(p: Array, m: int = 1, k: Array = None) -> Array:
    """Take the m-th antiderivative of a polynomial, with the constants of integration k, else 0.

    Derivatives: linear; the factors 1 / (k + 1) of x^(k+1) / (k + 1); 1 for a constant.

    Returns:
        The coefficients, m more than those of p.

    >>> tnp.polyint([2.0, 0.0])
    array([1., 0., 0.])
    """
    p = as_array(p)
    if m < 0:
        raise ArgumentError(f"polyint: m must not be negative; got {m}.")
    constants = np.zeros(m) if k is None else atleast_1d(as_array(k))
    if len(constants) == 1 and m > 1:
        constants = multiply(constants, np.ones(m))
    if len(constants) < m:
        raise ArgumentError(f"polyint: k must hold {m} constants, or one; got {len(constants)}.")
    for i in range(m):
        p = concatenate([divide(p, np.arange(len(p), 0, -1)), reshape(constants[i], (1,))])
    return p


# ---- roots ----


# At a root r of p, p'(r) dr = -dp(r). At a double root p'(r) is 0 and the derivative infinite.
def _root_pullback(t: Array, x: Array, out: Array) -> Array:
    at_roots = negative(divide(t, polyval(polyder(x), out)))
    return matmul(at_roots, vander(out, len(x)))


def _root_pushforward(t: Array, x: Array, out: Array) -> Array:
    return negative(divide(polyval(t, out), polyval(polyder(x), out)))


@general([lambda t, x, out: _root_pullback(t, x, out)], [lambda t, x, out: _root_pushforward(t, x, out)], name="roots")
def _roots(x: Array) -> Array:
    return np.roots(x).astype(np.result_type(x, np.complex64))


@numpy_function(np.roots)
@numpys_of_integers(np.roots)
def roots(p: Array) -> Array:
    """Find the roots of a polynomial. On a Tensor they are complex, whether or not they are real.

    Derivative: -dp(r) / p'(r) at each root r; infinite at a double root.

    >>> tnp.roots([1.0, 0.0, -1.0])
    array([-1.,  1.])
    """
    p = as_array(p)
    if p.ndim != 1:
        raise ArgumentError(f"roots: p must have one axis; got shape {p.shape}.")
    return _roots(_without_zeros_in_front(p))


@numpy_function(np.poly)
def poly(seq_of_zeros: Array) -> Array:
    """Make the polynomial with the given roots, 1 x^n + ...; of a square matrix, with its eigenvalues.

    Derivative: that of the product of the factors x - r, and of the eigenvalues.

    >>> tnp.poly([1.0, -1.0])
    array([ 1.,  0., -1.])
    """
    zeros = as_array(seq_of_zeros)
    if zeros.shape == (0,):
        return 1.0  # as NumPy gives it
    zeros = astype(zeros, np.mintypecode(zeros.dtype.char))  # as NumPy, of float16 float64
    is_real = zeros.dtype.kind != "c"
    if zeros.ndim == 2:
        zeros = eigvals(zeros)
    is_real = is_real or holds_anywhere(_come_in_pairs(zeros))
    p = np.ones(1, zeros.dtype)
    for i in range(len(zeros)):
        p = subtract(concatenate([p, np.zeros(1, p.dtype)]), concatenate([np.zeros(1, p.dtype), multiply(p, zeros[i])]))
    return real(p) if is_real else p


@nondifferentiable
def _come_in_pairs(zeros: Array) -> bool:
    """Tell whether each complex root occurs with its conjugate, as NumPy does: then the polynomial is real."""
    return zeros.ndim == 1 and np.array_equal(np.sort(zeros), np.sort(zeros.conj()))


# ---- fits ----


@numpy_function(np.polyfit)
def polyfit(
    x: Array,
    y: Array,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Array = None,
    cov: bool = False,
) -> Array:
    """Fit a polynomial of a degree to points, in the sense of least squares.

    Derivatives: those of `linalg.lstsq`, for x, y and w. On a Tensor `full` and `cov` must be false; `linalg.lstsq`
    gives the residuals, the rank and the singular values.

    >>> np.round(tnp.polyfit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1), 6)
    array([2., 1.])
    """
    if full or cov:
        raise ArgumentError("polyfit: full and cov must be false with a Tensor; got one that is not. Use linalg.lstsq.")
    x, y = as_array(x), as_array(y)
    matrix = vander(x, deg + 1)
    if w is not None:
        w = as_array(w)
        matrix = multiply(matrix, w[:, None])
        y = multiply(y, w if y.ndim == 1 else w[:, None])
    scale = power(sum(multiply(matrix, matrix), 0), 0.5)
    # As NumPy: powers of very different size make the matrix ill conditioned, columns of length 1 less so.
    found = lstsq(divide(matrix, scale), y, len(x) * np.finfo(x.dtype).eps if rcond is None else rcond)[0]
    return divide(found, scale if y.ndim == 1 else scale[:, None])
