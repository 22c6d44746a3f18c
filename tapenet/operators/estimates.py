"""Traces, diagonals and log-determinants of operators, estimated from products with random vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tapenet.core.argument_checks import checked_count, checked_number, checked_rng
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.operators.linear_solves import implicit_solution, krylov_solve, moved, named_rule, plain_product, pulled_to
from tapenet.operators.operator import LinearOperator, as_operator
from tapenet.transforms.mapping import vmap


class Estimate(NamedTuple):
    """A mean over random vectors, and the standard error of that mean."""

    value: Any
    error: Any


def trace(a: Any, rng: np.random.Generator, *, samples: int = 30) -> Estimate:
    """Estimate the trace of an operator: the mean of z^T A z over random signs z (Hutchinson's estimator).

    Args:
        a: a square `LinearOperator`, matrix or sparse matrix.
        rng: draws the vectors.
        samples: how many vectors, at least 2; each costs one product.

    Returns:
        A named tuple `(value, error)`: the estimate, whose mean is the trace, and its standard error. Both are
        differentiable by what the operator was made of; the derivative of the value estimates that of the trace.

    Raises:
        ArgumentError: an operator that is not square.
        ArgumentTypeError: an rng that is not a `numpy.random.Generator`.

    Source: Hutchinson, 1990, "A stochastic estimator of the trace of the influence matrix".

    >>> trace(np.diag([1.0, 2.0, 4.0]), np.random.default_rng(0)).value
    np.float64(7.0)
    """
    operator, signs = _probed("trace", a, rng, samples)
    return _mean(vmap(lambda z: z @ operator.matvec(z))(signs))


def diagonal(a: Any, rng: np.random.Generator, *, samples: int = 30) -> Estimate:
    """Estimate the diagonal of an operator: the mean of z * (A z) over random signs z.

    Args, Raises: as for `trace`.

    Returns:
        A named tuple `(value, error)`, each of the structure that A maps from: exact for a diagonal A, else with a
        variance of the squares of the other elements in the row.

    Source: Bekas, Kokiopoulou and Saad, 2007, "An estimator for the diagonal of a matrix".

    >>> diagonal(np.diag([1.0, 2.0, 4.0]), np.random.default_rng(0)).value
    array([1., 2., 4.])
    """
    operator, signs = _probed("diagonal", a, rng, samples)
    value, error = _mean(vmap(lambda z: z * operator.matvec(z))(signs))
    return Estimate(*map(operator.domain.tree, (value, error)))


def logdet(
    a: Any, rng: np.random.Generator, *, samples: int = 30, steps: int = 50, tolerance: float = 1e-8
) -> Estimate:
    """Estimate the logarithm of the determinant of a symmetric positive definite operator: the trace of log A.

    For each of `samples` random vectors z, some steps of Lanczos' method give the Gauss quadrature of z^T log(A) z.

    Args:
        a: a symmetric positive definite `LinearOperator`, matrix or sparse matrix, real.
        rng: draws the vectors.
        samples: how many vectors, at least 2.
        steps: how many products for each; as many as are needed where that is fewer.
        tolerance: of the solves by `cg` in the derivative.

    Returns:
        A named tuple `(value, error)`: the estimate and its standard error. The derivative of the value is the estimate
        of tr(A^-1 A_dot) by the same vectors, by one solve for each; the error is a constant.

    Raises:
        ArgumentError: an operator that is not square; one that is not positive definite.
        ArgumentTypeError: a complex operator.
        MissingPackageError: from the derivative, where SciPy is not installed.

    Source: Ubaru, Chen and Saad, 2017, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature".

    >>> found = logdet(np.diag([1.0, 2.0, 4.0]), np.random.default_rng(0))
    >>> bool(abs(found.value - np.log(8.0)) < 1e-12)
    True
    """
    operator, signs = _probed("logdet", a, rng, samples)
    checked_count("logdet", "steps", steps)
    checked_number("logdet", "tolerance", tolerance, "(0, 1)")
    if operator.dtype.kind == "c":
        raise ArgumentTypeError("logdet: a must be real; got complex numbers.")
    return Estimate(*_log_trace(operator, signs, steps, tolerance))


def _probed(name: str, a: Any, rng: Any, samples: int) -> tuple[LinearOperator, Array]:
    """Check the arguments of an estimate, and draw vectors of signs."""
    operator = as_operator(name, a)
    if operator.shape[0] != operator.shape[1]:
        raise ArgumentError(f"{name}: a must be square; got shape {operator.shape}.")
    checked_rng(name, rng)
    checked_count(name, "samples", samples, low=2)
    signs = rng.integers(0, 2, (samples, operator.shape[0])) * 2 - 1
    return operator, signs.astype(operator.domain.dtype)


def _mean(samples: Array) -> Estimate:
    return Estimate(samples.mean(0), samples.std(0, ddof=1) / np.sqrt(samples.shape[0]).astype(samples.real.dtype))


# ---- Lanczos quadrature ----


def _log_trace(a: LinearOperator, signs: Array, steps: int, tolerance: float) -> Any:
    count = len(signs)

    def found(a: LinearOperator, signs: Array) -> tuple[Array, Array]:
        product = plain_product("logdet", a.matvec)
        quadratures = np.array([_quadrature(product, z, steps) for z in signs])
        mean, error = quadratures.mean(), quadratures.std(ddof=1) / np.sqrt(count)
        return a.dtype.type(mean), a.dtype.type(error)

    def solves(a: LinearOperator, signs: Array) -> list[Array]:
        solve = krylov_solve("logdet", "cg", tolerance, None, None)
        return [implicit_solution(solve, a, z, name="logdet") for z in signs]

    def forward(a: LinearOperator, signs: Array) -> tuple[Any, Any]:
        return solution(a, signs), (a, signs)

    def backward(residuals: Any, bars: Any) -> tuple[Any, Array]:
        a, signs = residuals
        pairs = [(z, bars[0] / count * x) for z, x in zip(signs, solves(a, signs), strict=True)]
        return pulled_to(a, pairs), np.zeros_like(signs)

    def pushed(primals: Any, tangents: Any) -> tuple[Any, Any]:
        a, signs = primals
        dots = [x @ moved(a, tangents[0], z) for z, x in zip(signs, solves(a, signs), strict=True)]
        y = solution(a, signs)
        return y, (sum(dots) / count, np.zeros_like(y[1]))

    solution = named_rule("logdet", found, forward, backward, pushed)
    return solution(a, signs)


def _quadrature(matvec: Callable[[Array], Array], z: Array, steps: int) -> float:
    """Return the Gauss quadrature of z^T log(A) z: of the tridiagonal matrix of Lanczos' method."""
    size = float(np.linalg.norm(z))
    vectors = [np.asarray(z, float) / size]
    diagonal, beside = [], []
    for _ in range(min(steps, len(z))):
        product = matvec(vectors[-1].astype(z.dtype)).astype(float)
        diagonal.append(float(vectors[-1] @ product))
        basis = np.stack(vectors)
        for _ in range(2):  # twice is enough (Kahan and Parlett): without it vectors lose their right angles
            product = product - basis.T @ (basis @ product)
        beside.append(float(np.linalg.norm(product)))
        if beside[-1] <= _SMALL * max(map(abs, diagonal)):
            break
        vectors.append(product / beside[-1])
    values, rotation = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    if not values[0] > 0:
        raise ArgumentError(
            f"logdet: a must be positive definite; got one with an eigenvalue of at most {values[0]:.3g}. "
            "Add to it: a.shifted(1e-3)."
        )
    return size**2 * float(rotation[0] ** 2 @ np.log(values))


_SMALL = 1e-13  # relative, of a vector that Lanczos' method no longer needs
