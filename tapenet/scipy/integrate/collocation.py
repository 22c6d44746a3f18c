"""Tangents of solutions of ordinary differential equations, along a solution that a solver found.

On the mesh of a solver's steps the solution satisfies, to its tolerance, the collocation equations

    Z_i = y_n + h sum_j a_ij f(t_n + c_j h, Z_j),   y_(n+1) = Z_s

of the Radau IIA method, with Z_i its value at the nodes c_i. Their exact tangent is the derivative. It is stable for
stiff problems, its transpose is that of reverse mode, and its error is that of the method on this mesh, whose order is
chosen not to be below that of the solver: it follows the tolerances. The tangents of the stages make the rule
differentiable itself. A naive continuous adjoint integrates the solution backward, and drifts where that is unstable;
this one reads the solution that was found.

Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II (1996), section IV.5, for the method.
"""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.linalg

import tapenet.numpy as tnp
from tapenet.core.families import general
from tapenet.core.primitive import Array
from tapenet.errors import MappedValueError
from tapenet.scipy.straight import StraightField
from tapenet.transforms.mapping import vmap
from tapenet.transforms.products import jvp, linearize

Function = Callable[..., Any]


@attrs.frozen(eq=False)
class Tableau:
    """The coefficients of the Radau IIA method with some number of stages."""

    nodes: Any
    weights: Any  # a_ij: the integral of the j-th Lagrange polynomial up to the i-th node


@functools.cache
def radau(stages: int) -> Tableau:
    """Return the coefficients; the order is 2 stages - 1."""
    legendre = np.polynomial.legendre.Legendre
    nodes = np.sort((legendre.basis(stages) - legendre.basis(stages - 1)).roots().real)
    nodes = (nodes + 1) / 2
    nodes[-1] = 1.0
    powers = np.arange(stages)
    at_nodes = nodes[:, None] ** powers
    integrals = nodes[:, None] ** (powers + 1) / (powers + 1)
    weights = np.ascontiguousarray(np.linalg.solve(at_nodes.T, integrals.T).T)
    for x in (nodes, weights):
        x.flags.writeable = False  # they are shared
    return Tableau(nodes, weights)


# ---- linear recurrences ----


def _reversed(m: Array) -> Array:
    """Return the matrices of the recurrence that runs backward."""
    return tnp.flip(tnp.swapaxes(m, -1, -2), 0)


def _cotangents(t: Array, m: Array) -> Array:
    """Return l_n = t_n + M_n^T l_(n+1) for all n."""
    return tnp.flip(recurrence(_reversed(m), tnp.flip(t[:-1], 0), t[-1]), 0)


def _m_pullback(t: Array, m: Array, out: Array) -> Array:
    return _cotangents(t, m)[1:, :, None] * out[:-1, None, :]


@general(
    name="integrate.recurrence",
    pullbacks=[
        _m_pullback,
        lambda t, m: _cotangents(t, m)[1:],
        lambda t, m: _cotangents(t, m)[0],
    ],
    pushforwards=[
        lambda t, m, out: recurrence(m, tnp.einsum("nij,nj->ni", t, out[:-1]), tnp.zeros_like(out[0])),
        lambda t, m, out: recurrence(m, t, tnp.zeros_like(out[0])),
        lambda t, m, c: recurrence(m, tnp.zeros_like(c), t),
    ],
)
def recurrence(m: Array, c: Array, y: Array) -> Array:
    """Compute y_(n+1) = M_n y_n + c_n, and return all y."""
    out = np.concatenate([y[None], c]).astype(np.result_type(m, c, y), copy=False)
    if 0 < len(y) <= _NARROW and out.dtype == float and len(c):
        return _substituted(m, out)
    for n in range(len(c)):
        out[n + 1] += m[n] @ out[n]
    return out


# Of vectors up to this length forward substitution in one banded system is faster than a product for each step.
_NARROW = 16


def _substituted(m: Array, right: Array) -> Array:
    """Return the y of y_0 = right_0, y_(n+1) - M_n y_n = right_(n+1), a triangular system of 2 d diagonals."""
    count, d = right.shape
    bands = np.zeros((2 * d, count * d))
    for i in range(d):
        for j in range(d):
            bands[d + i - j, j : (count - 1) * d : d] = -m[:, i, j]
    solution, _ = scipy.linalg.lapack.dtbtrs(bands, right.reshape(-1, 1), uplo="L", diag="U")
    found: Array = solution.reshape(count, d)
    return found


# ---- tangents ----


def mesh_times(times: Array, interval: Array, fraction: Array) -> Array:
    """Return the times of the mesh, which move with the output times."""
    before = tnp.take(times, interval, 0)
    return before + fraction * (tnp.take(times, interval + 1, 0) - before)


def field(f: Callable[..., Any], times: Array, states: Array, args: Any) -> Array:
    """Evaluate f at all points at once, or one after the other where it cannot be mapped."""

    def slope(t: Array, y: Array) -> Array:
        value = as_vector(f(t, y, *args))
        # SciPy's solvers of solve_ivp take one number as that of all components.
        return tnp.broadcast_to(value, y.shape) if value.shape == (1,) else value

    try:
        return vmap(slope)(times, states)
    except MappedValueError:
        return tnp.stack([slope(times[i], states[i]) for i in range(states.shape[0])])


def as_vector(value: Any) -> Array:
    """Return what f gave, an array or a list of numbers, as a vector."""
    return tnp.ravel(
        tnp.asarray(value) if not isinstance(value, list | tuple) else tnp.stack([*map(tnp.asarray, value)])
    )


def stages_between(
    field: StraightField, tableau: Tableau, mesh: Array, y: Array, arrays: Sequence[Array], allowed: Function
) -> Array | None:
    """Return the stages that solve the collocation equations between the points of a mesh, of plain values.

    They are found by iteration of the equations from the cubic polynomials through y and its derivative, which is fast
    where the problem is not stiff on this mesh; None where it does not converge.

    Args:
        field: the right-hand side.
        tableau: of the collocation.
        mesh, y: the times, and the solution there.
        arrays: the arguments of the right-hand side.
        allowed: of values, the error that they may have.
    """
    (count, d), c = y.shape, tableau.nodes
    h = np.diff(mesh)[:, None]
    nodes = np.ravel(mesh[:-1, None] + c * h)
    with np.errstate(all="ignore"):  # one row for each component, then the steps and their stages
        f = field.rows(mesh, y.T, arrays)
        first, across = y.T[:, :-1, None], np.diff(y.T)[:, :, None]
        before, after = h * f[:, :-1, None], h * f[:, 1:, None]
        stages = first + c * (before + c * (3 * across - 2 * before - after + c * (before + after - 2 * across)))
        most = np.moveaxis(allowed(np.moveaxis(stages, 0, -1)), -1, 0)
        for _ in range(_ITERATIONS):
            slopes = field.rows(nodes, stages.reshape(d, -1), arrays).reshape(d, count - 1, -1)
            improved = first + h * (slopes @ tableau.weights.T)
            is_near = bool(np.all(np.abs(improved - stages) <= most))
            stages = improved
            if is_near:
                return np.ascontiguousarray(np.moveaxis(stages, 0, -1))
    return None


_ITERATIONS = 8


def pulled(
    field: StraightField, tableau: Tableau, stages: Array, mesh: Array, arrays: Sequence[Array], bar: Array
) -> tuple[Array, list[Array]] | None:
    """Return the cotangents of the initial value and of the arguments' arrays, of plain values: tangent's transpose.

    None where the derivatives of the right-hand side would be large functions.

    Args:
        field, tableau, mesh, arrays: as for `stages_between`.
        stages: between the points of the mesh.
        bar: the cotangents of y at the points of the mesh.
    """
    (steps, count, d), a = stages.shape, tableau.weights
    h = np.diff(mesh)
    nodes, flat = np.ravel(mesh[:-1, None] + tableau.nodes * h[:, None]), stages.reshape(steps * count, d)
    slopes = field.slopes(nodes, flat, arrays)
    if slopes is None:
        return None
    moved = np.swapaxes(h[:, None, None, None] * slopes.reshape(steps, count, d, d), -1, -2)
    spread = a.T[:, None, :, None] * moved[:, :, :, None, :]  # transposed: (steps, j, b, i, a)
    system = np.eye(count * d) - spread.reshape(steps, count * d, count * d)
    last = np.broadcast_to(np.eye(count * d, d, -(count - 1) * d), (steps, count * d, d))
    across = np.linalg.solve(system, last)
    backward = np.sum(across.reshape(steps, count, d, d), axis=1)
    t = recurrence.forward(backward[::-1], bar[-2::-1], bar[-1])[::-1]
    pushed = (across @ t[1:, :, None]).reshape(steps, count, d)
    bars = (a.T @ pushed) * h[:, None, None]
    of_arrays = field.pulled(nodes, flat, arrays, bars.reshape(steps * count, d))
    return None if of_arrays is None else (t[0], of_arrays)


def tangent(
    f: Callable[..., Any], rebuilt: Callable[..., Any], tableau: Tableau, out: Any, args: Any, dots: Any
) -> tuple[Any, ...]:
    """Return the tangent of a solution, by the output times, the initial value and the arguments' arrays.

    Args:
        f: the right-hand side, `f(t, y, *args)`.
        rebuilt: makes the arguments of their differentiable arrays.
        tableau: of the collocation.
        out: y at the N + 1 points of the mesh, shape (N + 1, d); the stages between them, shape (N, s, d); for each
            point the interval of the output times that it is in, and the fraction of it.
        args: times, the initial value and arrays.
        dots: their tangents.
    """
    _, stages, interval, fraction = out
    times, _, *arrays = args
    times_dot, y0_dot, *arrays_dot = dots
    (steps, count, d), a = stages.shape, tableau.weights
    flat = tnp.reshape(stages, (steps * count, d))

    def nodes_of(times: Array) -> Array:
        mesh = mesh_times(times, interval, fraction)
        return tnp.ravel(mesh[:-1, None] + tableau.nodes * tnp.diff(mesh)[:, None])

    def by_arguments(times: Array, *arrays: Array) -> Array:
        return field(f, nodes_of(times), flat, rebuilt(arrays))

    values, moved = jvp(by_arguments, (times, *arrays), (times_dot, *arrays_dot))
    h = tnp.diff(mesh_times(times, interval, fraction))[:, None, None]
    h_dot = tnp.diff(mesh_times(times_dot, interval, fraction))[:, None, None]
    shape = (steps, count, d)
    pushed = a @ (h_dot * tnp.reshape(values, shape) + h * tnp.reshape(moved, shape))

    _, by_state = linearize(lambda z: field(f, nodes_of(times), z, rebuilt(arrays)), flat)
    basis = np.broadcast_to(np.eye(d, dtype=stages.dtype)[:, None, :], (d, steps * count, d))
    slopes = tnp.reshape(tnp.moveaxis(vmap(by_state)(basis), 0, -1), (*shape, d))
    spread = tnp.einsum("ij,njab->niajb", a, h[..., None] * slopes)
    system = np.eye(count * d) - tnp.reshape(spread, (steps, count * d, count * d))
    carried = np.broadcast_to(np.tile(np.eye(d), (count, 1)), (steps, count * d, d))
    across = tnp.linalg.solve(system, carried)
    beside = tnp.linalg.solve(system, tnp.reshape(pushed, (steps, count * d, 1)))[..., 0]
    y_dot = recurrence(across[:, -d:], beside[:, -d:], y0_dot)
    stages_dot = tnp.reshape(tnp.einsum("nij,nj->ni", across, y_dot[:-1]) + beside, shape)
    return y_dot, stages_dot, None, tnp.zeros_like(fraction)
