"""Matrix equations. A solution moves by the same equation with another right-hand side: Sylvester's for all of them."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.families import general
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.linalg.shapes import adjoint, floating, matrix, square
from tapenet.scipy.placing import counterpart
from tapenet.scipy.solutions import moved, solved
from tapenet.series.arithmetic import Series, convolved, solution, total
from tapenet.series.rules import rule


@general(
    name="linalg.solve_sylvester",
    pullbacks=[
        lambda t, a, b, out: -_sylvester(a.T, b.T, t) @ out.T,
        lambda t, a, b, out: -out.T @ _sylvester(a.T, b.T, t),
        lambda t, a, b: _sylvester(a.T, b.T, t),
    ],
    pushforwards=[
        lambda t, a, b, out: -_sylvester(a, b, t @ out),
        lambda t, a, b, out: -_sylvester(a, b, out @ t),
        lambda t, a, b: _sylvester(a, b, t),
    ],
)
def _sylvester(a: Array, b: Array, q: Array) -> Array:
    return np.asarray(scipy.linalg.solve_sylvester(a, b, q))


@rule("linalg.solve_sylvester")
def _sylvester_series(a: Series, b: Series, q: Series) -> Series:
    return solution(
        lambda right: _sylvester(a[0], b[0], right),
        q,
        lambda k, x: total([convolved(tnp.matmul, a, x, k, 1), convolved(tnp.matmul, x, b, k, 0, k - 1)]),
    )


@counterpart(
    scipy.linalg, "Derivatives: the x_dot of a x_dot + x_dot b = q_dot - a_dot x - x b_dot, with the tangents."
)
def solve_sylvester(a: Any, b: Any, q: Any) -> Array:
    return _sylvester(
        square("solve_sylvester", "a", a), square("solve_sylvester", "b", b), matrix("solve_sylvester", "q", q)
    )


@counterpart(
    scipy.linalg, "Derivatives: the x_dot of a x_dot + x_dot a^H = q_dot - a_dot x - x a_dot^H, with the tangents."
)
def solve_continuous_lyapunov(a: Any, q: Any) -> Array:
    a, q = square("solve_continuous_lyapunov", "a", a), square("solve_continuous_lyapunov", "q", q)
    return _sylvester(a, adjoint(a), q)


@counterpart(
    scipy.linalg,
    "Derivatives: the x_dot of a x_dot a^H - x_dot = -q_dot - a_dot x a^H - a x a_dot^H, with the tangents.",
)
def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Array:
    if method not in (None, "direct", "bilinear"):
        raise ArgumentError(f"linalg.solve_discrete_lyapunov: method must be 'direct' or 'bilinear'; got {method!r}.")
    a, q = square("solve_discrete_lyapunov", "a", a), square("solve_discrete_lyapunov", "q", q)
    return _discrete(a, adjoint(a), q)


def _discrete(a: Array, b: Array, q: Array) -> Array:
    """Solve a x b - x + q = 0."""
    n = a.shape[0]
    system = np.eye(n * n, dtype=np.result_type(a.dtype, b.dtype)) - tnp.kron(a, b.T)
    return tnp.reshape(tnp.linalg.solve(system, tnp.ravel(q)), (n, n))


# ---- Riccati equations ----


def _of(function: str, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> tuple[Array, ...]:
    """Return the coefficients as matrices; the identity for e and 0 for s where they are left out."""
    a, b = square(function, "a", a), matrix(function, "b", b)
    q, r = square(function, "q", q), square(function, "r", r)
    e = np.eye(a.shape[0], dtype=a.dtype) if e is None else square(function, "e", e)
    s = np.zeros(b.shape, b.dtype) if s is None else matrix(function, "s", s)
    return tuple(map(floating, (a, b, q, r, e, s)))


def _continuous(x: Array, a: Array, b: Array, q: Array, r: Array, e: Array, s: Array) -> Array:
    gained = adjoint(e) @ x @ b + s
    return adjoint(a) @ x @ e + adjoint(e) @ x @ a + q - gained @ tnp.linalg.solve(r, adjoint(gained))


def _continuous_tangent(x: Array, args: Any, dots: Any) -> Array:
    a, b, _, r, e, s = args
    rest = moved(_continuous, x, args, dots)
    into = tnp.linalg.inv(e)
    closed = (a - b @ tnp.linalg.solve(r, adjoint(adjoint(e) @ x @ b + s))) @ into
    return -_sylvester(adjoint(closed), closed, adjoint(into) @ rest @ into)


@counterpart(
    scipy.linalg, "Derivatives: those of a Lyapunov equation in the matrix of the closed loop, by all coefficients."
)
def solve_continuous_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Array:
    return solved(
        "linalg.solve_continuous_are",
        lambda *args: np.asarray(scipy.linalg.solve_continuous_are(*args, balanced=balanced)),
        _continuous_tangent,
        *_of("solve_continuous_are", a, b, q, r, e, s),
    )


def _discrete_riccati(x: Array, a: Array, b: Array, q: Array, r: Array, e: Array, s: Array) -> Array:
    gained = adjoint(a) @ x @ b + s
    weight = r + adjoint(b) @ x @ b
    return adjoint(a) @ x @ a - adjoint(e) @ x @ e + q - gained @ tnp.linalg.solve(weight, adjoint(gained))


def _discrete_tangent(x: Array, args: Any, dots: Any) -> Array:
    a, b, _, r, e, s = args
    rest = moved(_discrete_riccati, x, args, dots)
    into = tnp.linalg.inv(e)
    gain = tnp.linalg.solve(r + adjoint(b) @ x @ b, adjoint(adjoint(a) @ x @ b + s))
    closed = (a - b @ gain) @ into
    return _discrete(adjoint(closed), closed, adjoint(into) @ rest @ into)


@counterpart(
    scipy.linalg,
    "Derivatives: those of a discrete Lyapunov equation in the matrix of the closed loop, by all coefficients.",
)
def solve_discrete_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Array:
    return solved(
        "linalg.solve_discrete_are",
        lambda *args: np.asarray(scipy.linalg.solve_discrete_are(*args, balanced=balanced)),
        _discrete_tangent,
        *_of("solve_discrete_are", a, b, q, r, e, s),
    )
