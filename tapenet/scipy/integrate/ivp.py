"""SciPy's `solve_ivp` on a tape: its solvers, and derivatives along what they found (see `collocation`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.integrate
import scipy.optimize

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.scipy.integrate import stepping
from tapenet.scipy.integrate.checking import (
    are_in_order,
    are_within,
    checked_args,
    initial,
    is_on_tape,
    is_zero,
    times_in_order,
)
from tapenet.scipy.integrate.machine import Mesh
from tapenet.scipy.integrate.problems import Problem, apart
from tapenet.scipy.placing import published
from tapenet.scipy.solutions import moved, solved
from tapenet.transforms.products import jvp

Function = Callable[..., Any]

# Stages of the collocation, of order 2 s - 1: not below the order of the solver and its interpolant.
_STAGES = {"RK23": 2, "RK45": 3, "DOP853": 5, "Radau": 3, "BDF": 3, "LSODA": 6}


@attrs.define(eq=False)
class _Ivp:
    """SciPy's `solve_ivp` as a solver, which solves once for the same values.

    Attributes:
        method, events, options: of SciPy's function.
        last: the values that the last result was found for, its last time, and the result.
    """

    method: str
    events: Sequence[Function]
    options: dict[str, Any]
    last: tuple[Any, float, Any] | None = None

    @property
    def found(self) -> Any:
        """The last result of SciPy's; None before."""
        return None if self.last is None else self.last[2]

    def __call__(self, problem: Problem, times: Array, y0: Array, arrays: Sequence[Array]) -> tuple[Mesh, Array]:
        """Return the mesh of the steps, and the stages by the interpolant."""
        found = self.result(problem, times, y0, arrays)
        return problem.along(times, found.t, apart(found.states))

    def result(self, problem: Problem, times: Array, y0: Array, arrays: Sequence[Array]) -> Any:
        """Return SciPy's result, from the first of the times to the last or further."""
        first, last = float(times[0]), float(times[-1])
        given = first, *(np.asarray(x).tobytes() for x in (y0, *arrays))
        known = self.last
        if known is None or known[0] != given or abs(last - first) > abs(known[1] - first):
            known = self.last = given, last, self.solved(problem, (first, last), y0, arrays)
        return known[2]

    def solved(self, problem: Problem, span: tuple[float, float], y0: Array, given: Sequence[Array]) -> Any:
        """Return SciPy's result, with the function of times that gives states as `states`."""
        field = problem.plain_field(np.array(span), y0, given)
        if not np.all(np.isfinite(field(span[0], y0))):  # SciPy's solvers would never end
            raise ConvergenceError(f"{problem.name}: fun must be finite at the start to be solved; got NaN or inf.")
        straight = problem.straight
        if straight is not None:
            field = straight.of_numbers(given, field)
        attempt = None
        if straight is not None and self.method in stepping.SOLVERS and not self.events:
            attempt = stepping.attempt_of(straight, self.method, given)
        if straight is None or attempt is None:
            events = [_with_args(event, problem.rebuilt(given)) for event in self.events]
            found = scipy.integrate.solve_ivp(
                field, span, y0, self.method, dense_output=True, events=events or None, **self.options
            )
            sol = found.sol
            found.states = lambda points: sol(points).T
        else:
            solver, taken = stepping.SOLVERS[self.method], list[Any]()
            found = scipy.integrate.solve_ivp(field, span, y0, solver, attempt=attempt, taken=taken, **self.options)
            values = functools.partial(straight.values, arrays=given)
            found.states = stepping.Solution(found.t, found.y.T, np.array(taken), solver, values)
        if straight is not None:
            straight.calls[0] += found.nfev
        if not found.success:
            raise ConvergenceError(f"{problem.name}: {found.message}")
        return found


def _with_args(event: Function, args: Any) -> Function:
    """Return an event of plain values, with what says how the solver treats it."""

    def level(t: float, y: Array) -> Any:
        return event(t, y, *args)

    level.__dict__.update(getattr(event, "__dict__", {}))
    return level


class _Dense:
    """The solution as a function of time, differentiable by it."""

    def __init__(self, at: Function, t_min: Any, t_max: Any) -> None:
        self.at, self.t_min, self.t_max = at, t_min, t_max

    def __call__(self, t: Any) -> Array:
        """Evaluate the solution at a time, shape (d,), or at a vector of times, shape (d, m)."""
        t = tnp.asarray(t)
        if t.ndim == 0:
            return self.at(tnp.reshape(t, (1,)))[0]
        order = np.argsort(t)
        return tnp.take(self.at(tnp.take(t, order, 0)), np.argsort(order), 0).T


def solve_ivp(
    fun: Function,
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    **options: Any,
) -> Any:
    if not is_on_tape(t_span, y0, t_eval, args):
        return scipy.integrate.solve_ivp(
            fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options
        )
    name = "integrate.solve_ivp"
    if method not in _STAGES:
        raise ArgumentError(f"{name}: method must be one of {', '.join(_STAGES)} on a tape; got {method!r}.")
    for key, value in options.items():
        if holds_tensor(value):
            raise ArgumentTypeError(f"{name}: {key} must not be a Tensor, as there is no derivative by it.")
    listed = [] if events is None else [events] if callable(events) else list(events)
    solver = _Ivp(method, listed, options)
    problem, arrays = Problem.of(name, fun, checked_args(name, args), solver, _STAGES[method], fun)
    y0, span = initial(name, y0), times_in_order(name, "t_span", tnp.stack([tnp.asarray(t) * 1.0 for t in t_span]))
    times = _outputs(name, span, t_eval)
    result: dict[str, Any] = {"t_events": None, "y_events": None, "sol": None}
    last = span[-1]
    if times is None or listed:
        steps, *plain = _solver_times(problem, solver)(span, y0, *arrays)
        status = solver.found.status
        whens = [_event_times(problem, event, span[0], y0, arrays, t) for event, t in zip(listed, plain, strict=True)]
        if status == 1:
            last = _latest([when[-1] for when in whens if when.shape[0]], steps[-1])
        if events is not None:
            result |= _at_events(problem, span[0], y0, arrays, whens)
        if times is None:
            times = span[0] + (steps - steps[0]) / (steps[-1] - steps[0]) * (last - span[0])
        else:
            times = times[_before(times, steps)]

    def at(times: Array) -> Array:
        whole = tnp.concatenate([span[:1], times, tnp.reshape(last, (1,))])
        return problem.trajectory(whole, y0, arrays)[1:-1]

    y = at(times).T
    if dense_output:
        result["sol"] = _Dense(at, span[0], last)
    found = solver.found or {}
    counts = {key: found.get(key) for key in ("nfev", "njev", "nlu", "status", "message", "success")}
    return scipy.optimize.OptimizeResult(t=times, y=y, **result, **counts)


published(
    solve_ivp,
    scipy.integrate,
    "solve_ivp",
    "Derivatives: by y0, t_span, t_eval and args, pytrees included; those of a collocation method on the mesh of the "
    "solver's steps, along the solution that it found, so that the error follows rtol and atol. Times of events move "
    "by the implicit derivative. One that is not on the tape, such as a Tensor that fun captures, is refused. "
    "fun must give the same for the same arguments: on a tape it is recorded, and called less often than the solver "
    "evaluates it. Where fun jumps as a function of y, or at a time that depends on args, the derivative lacks what "
    "the jump adds as its time moves: end the solution there by an event, and begin another.",
)


def _outputs(function: str, span: Array, t_eval: Any) -> Array:
    """Return the output times, None where the solver is to choose them."""
    if t_eval is None:
        return None
    times = tnp.asarray(t_eval)
    if times.shape[0] > 1:
        times = times_in_order(function, "t_eval", times)
    if not are_within(times, span):
        raise ArgumentError(f"{function}: t_eval must be within t_span; got times outside of it.")
    if not are_in_order(tnp.concatenate([span[:1] * 2 - span[1:], times, span[1:] * 2 - span[:1]])):
        raise ArgumentError(f"{function}: t_eval must be sorted from the first time of t_span to the last.")
    return times.astype(float)


def _solver_times(problem: Problem, solver: _Ivp) -> Function:
    """Return the function of the problem's values that gives the solver's steps, and the times of each event."""

    def times(span: Array, y0: Array, *arrays: Array) -> tuple[Array, ...]:
        found = solver.result(problem, span, y0, arrays)
        return (np.asarray(found.t), *map(np.asarray, found.t_events or ()))

    return nondifferentiable(times, name="solver_times")


def _times_before(times: Array, steps: Array) -> Array:
    sign = np.sign(steps[-1] - steps[0])
    return np.flatnonzero(sign * np.asarray(times) <= sign * steps[-1])


_before = nondifferentiable(_times_before, name="times_before")


def _latest(candidates: list[Array], end: Array) -> Array:
    """Return the time of the event that ended the solution."""
    return min(candidates, key=lambda t: abs(float(_distance(t, end))))


_distance = nondifferentiable(lambda t, end: np.abs(t - end), name="distance")


# ---- events ----


def _event_times(problem: Problem, event: Function, t0: Array, y0: Array, arrays: Sequence[Array], at: Array) -> Array:
    """Return the times of an event, which move so that its function stays 0."""

    def level(t: Array, t0: Array, y0: Array, *arrays: Array) -> Array:
        y = problem.trajectory(tnp.stack([t0, t]), y0, arrays)[1]
        return tnp.reshape(tnp.asarray(event(t, y, *problem.rebuilt(arrays))), ())

    def tangent(t: Array, args: Any, dots: Any) -> Array:
        _, slope = jvp(lambda t: level(t, *args), (t,), (1.0,))
        if is_zero(slope):
            raise ConvergenceError(
                f"{problem.name}: the function of an event must change sign with a slope to have a derivative; got "
                "slope 0 at its time."
            )
        return -moved(level, t, args, dots) / slope

    def time(value: Any) -> Array:
        return solved("integrate.event", lambda *given: np.float64(value), tangent, t0, y0, *arrays, is_users=True)

    return tnp.stack([time(value) for value in at]) if len(at) else np.zeros(0)


def _at_events(problem: Problem, t0: Array, y0: Array, arrays: Sequence[Array], whens: list[Array]) -> dict[str, Any]:
    """Return the times of events, and the states at them."""

    def states(when: Array) -> Array:
        if not when.shape[0]:
            return np.zeros((0, y0.shape[0]))
        return problem.trajectory(tnp.concatenate([tnp.reshape(t0, (1,)), when]), y0, arrays)[1:]

    return {"t_events": whens, "y_events": [states(when) for when in whens]}
