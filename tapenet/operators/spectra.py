"""Eigenvalues and singular values of operators by Lanczos' method, differentiable where they are simple."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from tapenet.core.argument_checks import checked_choice, checked_count, checked_number
from tapenet.core.packages import import_package
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.operators.linear_solves import (
    implicit_solution,
    krylov_solve,
    moved,
    named_rule,
    plain_operator,
    pulled_to,
)
from tapenet.operators.operator import Augmented, Deflated, LinearOperator, Matrix, as_operator

Which = Literal["LA", "SA", "LM"]


class EighResult(NamedTuple):
    """Eigenvalues, ascending, and eigenvectors as columns, as `numpy.linalg.eigh` gives them."""

    eigenvalues: Array
    eigenvectors: Array


class SVDResult(NamedTuple):
    """Singular vectors as columns of U and rows of Vh, and singular values, descending, as `numpy.linalg.svd`."""

    U: Array
    S: Array
    Vh: Array


def eigsh(
    a: Any, k: int = 6, *, which: Which = "LA", tolerance: float = 1e-10, max_steps: int | None = None
) -> EighResult:
    """Find k eigenvalues and eigenvectors of a symmetric operator, by products alone.

    Args:
        a: a symmetric `LinearOperator` (such as a Hessian), matrix or sparse matrix; real, and not looked at.
        k: how many, fewer than its size.
        which: "LA" for the largest, "SA" for the smallest, "LM" for the largest in magnitude.
        tolerance: relative, of eigenvalues.
        max_steps: how often Lanczos' method is restarted at most; 10 times the size by default.

    Returns:
        A named tuple `(eigenvalues, eigenvectors)`: eigenvalues ascend, eigenvectors are columns, of vectors of all
        elements, with a sign by which the element of largest magnitude is positive.

    Raises:
        ConvergenceError: no convergence.
        ArgumentError: an operator that is not square; k of its size or more.
        ArgumentTypeError: a complex operator.
        MissingPackageError: SciPy is not installed.

    Derivative: v^T A_dot v of an eigenvalue, -(A - value)^+ A_dot v of a vector, which is one solve by `minres`. Both
    are those of simple eigenvalues: at a multiple one, that of the vector does not exist.

    Source: ARPACK (Lehoucq, Sorensen and Yang, 1998), by SciPy.

    >>> eigsh(np.diag([1.0, 5.0, 3.0, 2.0]), 2).eigenvalues.round(6)
    array([3., 5.])
    """
    operator = _checked("eigsh", a, k, tolerance, max_steps, square=True)
    checked_choice("eigsh", "which", which, ("LA", "SA", "LM"))
    return _eigh("eigsh", operator, k, which, tolerance, max_steps)


def svds(a: Any, k: int = 6, *, tolerance: float = 1e-10, max_steps: int | None = None) -> SVDResult:
    """Find the k largest singular values and their vectors, by products with A and its transpose.

    Args:
        a: a `LinearOperator`, matrix or sparse matrix, real.
        k, tolerance, max_steps: as for `eigsh`; k is less than the smaller size.

    Returns:
        A named tuple `(U, S, Vh)` with A v_i = s_i u_i: of shapes (m, k), (k,), (k, n), singular values descending.

    Raises:
        As `eigsh`.

    Derivative: that of the eigenvalues and vectors of (0 A; A^T 0), for simple singular values that are not 0.

    >>> svds(np.diag([1.0, 5.0, 3.0, 2.0]), 2).S.round(6)
    array([5., 3.])
    """
    operator = _checked("svds", a, k, tolerance, max_steps, square=False)
    values, vectors = _eigh("svds", Augmented(operator), k, "LA", tolerance, max_steps)
    rows = operator.shape[0]
    both = math.sqrt(2.0) * vectors[:, ::-1]
    return SVDResult(both[:rows], values[::-1], both[rows:].T)


def _checked(name: str, a: Any, k: int, tolerance: float, max_steps: int | None, *, square: bool) -> LinearOperator:
    operator = as_operator(name, a, square=square)
    if operator.dtype.kind == "c":
        raise ArgumentTypeError(f"{name}: a must be real; got complex numbers.")
    checked_count(name, "k", k)
    checked_number(name, "tolerance", tolerance, "(0, 1)")
    if max_steps is not None:
        checked_count(name, "max_steps", max_steps)
    if k >= min(operator.shape):
        raise ArgumentError(
            f"{name}: k must be less than the size of a, {min(operator.shape)}; got {k}. "
            f"Take tnp.linalg.{'svd' if name == 'svds' else 'eigh'}(a.to_dense())."
        )
    return operator


def _eigh(name: str, a: LinearOperator, k: int, which: str, tolerance: float, max_steps: int | None) -> EighResult:
    """Return eigenvalues and vectors of a symmetric operator, with the derivative of simple ones."""
    minres = krylov_solve(name, "minres", max(tolerance / 10, 1e-13), None, None)

    def inner(deflated: LinearOperator, right: Array) -> Array:
        try:
            return minres(deflated, right)
        except ConvergenceError as error:
            raise ConvergenceError(
                f"{name}: an eigenvalue must be simple for its vector to have a derivative; got one that is near "
                "another, so that its equation was not solved. Differentiate by values alone."
            ) from error

    def found(a: LinearOperator) -> tuple[Array, Array]:
        return _lanczos(name, a, k, which, tolerance, max_steps)

    def forward(a: LinearOperator) -> tuple[Any, Any]:
        values, vectors = solution(a)
        return (values, vectors), (a, values, vectors)

    def resolvent(a: LinearOperator, value: Array, vector: Array, right: Array) -> Array:
        """Return (A - value)^+ right, of what is orthogonal to the vector."""
        own = right - vector * (vector @ right)
        return implicit_solution(inner, Deflated(a, value, vector), own, name=name)

    def backward(residuals: Any, bars: Any) -> tuple[Any]:
        a, values, vectors = residuals
        value_bars, vector_bars = bars
        pairs = []
        for i in range(k):
            v = vectors[:, i]
            pairs.append((v, value_bars[i] * v - resolvent(a, values[i], v, vector_bars[:, i])))
        return (pulled_to(a, pairs),)

    def pushed(primals: Any, tangents: Any) -> tuple[Any, Any]:
        (a,), (a_dot,) = primals, tangents
        values, vectors = solution(a)
        products = [moved(a, a_dot, vectors[:, i]) for i in range(k)]
        value_dots = np.stack([vectors[:, i] @ products[i] for i in range(k)])
        dots = [-resolvent(a, values[i], vectors[:, i], products[i]) for i in range(k)]
        return (values, vectors), (value_dots, np.stack(dots, 1))

    solution = named_rule(name, found, forward, backward, pushed)
    return EighResult(*solution(a))


def _lanczos(
    name: str, a: LinearOperator, k: int, which: str, tolerance: float, max_steps: int | None
) -> tuple[Array, Array]:
    linalg = import_package("scipy.sparse.linalg", f"operators.{name}", "scipy")
    start = np.random.default_rng(0).standard_normal(a.shape[0]).astype(a.dtype)  # the same at each call
    matrix = np.asarray(a.matrix) if type(a) is Matrix else plain_operator(name, a)
    product = np.asarray(matrix @ start)
    if not np.isfinite(product).all():
        raise ConvergenceError(f"{name}: products with a must be finite; got NaN or inf.")
    if not product.any():  # a is zero, which ARPACK takes for a start of zeros
        return _of_zero(a, k)
    within = max(tolerance, 10 * float(np.finfo(a.dtype).eps))  # rounding leaves no more
    try:
        values, vectors = linalg.eigsh(matrix, k, which=which, v0=start, tol=within, maxiter=max_steps)
    except linalg.ArpackError as error:
        raise ConvergenceError(
            f"{name}: eigenvalues must converge to tolerance {tolerance:.3g}; got {error}. Pass a larger tolerance or "
            "more steps."
        ) from error
    order = np.argsort(values)
    values, vectors = values[order], vectors[:, order]
    _check_symmetric(name, a, values, vectors, tolerance, float(np.linalg.norm(product) / np.linalg.norm(start)))
    if type(a) is Augmented:
        vectors = _with_null_vectors(values, vectors, a.of.shape[0])
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(k)]
    return values, vectors * np.where(largest < 0, -1, 1).astype(vectors.dtype)


def _of_zero(a: LinearOperator, k: int) -> tuple[Array, Array]:
    """Return eigenvalues and vectors of zero."""
    values, vectors = np.zeros(k, a.dtype), np.eye(a.shape[0], k, dtype=a.dtype)
    return values, _with_null_vectors(values, vectors, a.of.shape[0]) if type(a) is Augmented else vectors


def _check_symmetric(
    name: str, a: LinearOperator, values: Array, vectors: Array, tolerance: float, scale: float
) -> None:
    """Raise where these are not eigenvectors, as of a matrix that is not symmetric."""
    if a.is_symmetric:
        return
    within = max(10 * tolerance, 1e4 * float(np.finfo(a.dtype).eps)) * max(scale, float(np.max(np.abs(values))))
    rest = max(float(np.linalg.norm(np.asarray(a.matvec(v)) - value * v)) for value, v in zip(values, vectors.T))
    if not rest <= within:
        raise ConvergenceError(
            f"{name}: a must be symmetric, and eigenvalues must converge to tolerance {tolerance:.3g}; "
            f"got |a v - w v| = {rest:.3g} of an eigenvalue w. Take tn.operators.svds, or pass more steps."
        )


def _with_null_vectors(values: Array, vectors: Array, rows: int) -> Array:
    """Return eigenvectors of (0 A; A^T 0) whose halves are of one length, also for an eigenvalue of 0.

    There the vectors that were found are any pairs of null vectors. What is orthogonal to the other singular vectors is
    one, as there are fewer than k.
    """
    vanish = np.abs(values) <= 1e3 * float(np.finfo(values.dtype).eps) * np.max(np.abs(values), initial=0.0)
    if not vanish.any():
        return vectors
    halves = [_with_orthogonal(half, ~vanish) for half in (vectors[:rows], vectors[rows:])]
    return np.concatenate(halves)


def _with_orthogonal(half: Array, known: Array) -> Array:
    """Return a matrix with columns that are orthogonal to the known ones, of their length, in place of the others."""
    count = int(np.sum(known))
    drawn = np.random.default_rng(0).standard_normal((len(half), half.shape[1] - count))
    basis = np.linalg.qr(np.concatenate([half[:, known], drawn], 1))[0]
    found = half.copy()
    found[:, ~known] = basis[:, count:] / math.sqrt(2.0)
    return found
