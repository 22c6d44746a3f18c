"""Initial value problems: SciPy's solvers, and derivatives along what they found (see `collocation`)."""

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
from tapenet.core.nondifferentiable import branch_condition, nondifferentiable
from tapenet.core.primitive import NO_PATH, Array, Primitive, Shapes
from tapenet.core.pytrees import tree_leaves
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.scipy.integrate import collocation, stepping
from tapenet.scipy.placing import published
from tapenet.scipy.solutions import moved, solved
from tapenet.scipy.straight import StraightField
from tapenet.transforms.calls import Structure, by_example, check_no_capture, is_differentiable, split_arrays
from tapenet.transforms.products import jvp, vjp

Function = Callable[..., Any]

# Stages of the collocation, of order 2 s - 1: not below the order of the solver and its interpolant.
_STAGES = {"RK23": 2, "RK45": 3, "DOP853": 5, "Radau": 3, "BDF": 3, "LSODA": 6}
# On half of the times that odeint calls f at, about its steps, 4 stages have smaller errors than its own: measured for
# tolerances from 1e-4 to 1e-11, of stiff problems, oscillators and relaxations.
_STAGES_OF_ODEINT = 4


@attrs.define(eq=False)
class _Problem:
    """A problem on a tape.

    Attributes:
        name: the function, for errors.
        f: `f(t, y, *args)`.
        structure: of the arguments, around their arrays.
        places: of the differentiable ones among the arrays.
        fixed: the arrays that are not.
        solver: `(problem, times, y0, args) -> steps, and a function of a mesh and the collocation's nodes in its
            intervals, shape (intervals, stages), that gives the states at both`, of plain values.
        stages: of the collocation.
        straight: f as straight code, None where it cannot be written so; set by the first solution.
        known: the values that the last solution was found for, and what was found.
    """

    name: str
    f: Function
    structure: Structure
    places: tuple[int, ...]
    fixed: tuple[Any, ...]
    solver: Function
    stages: int
    straight: StraightField | None = None
    known: Any = None
    was_recorded: bool = False

    @classmethod
    def of(cls, name: str, f: Function, args: Any, solver: Function, stages: int) -> tuple[_Problem, list[Array]]:
        """Return the problem, and the arrays that its solution is differentiated by."""
        arrays, structure = split_arrays(args)
        places = tuple(i for i, x in enumerate(arrays) if is_differentiable(x))
        fixed = tuple(None if i in places else x for i, x in enumerate(arrays))
        return cls(name, f, structure, places, fixed, solver, stages), [arrays[i] for i in places]

    def rebuilt(self, arrays: Sequence[Array]) -> Any:
        """Return the arguments with these differentiable arrays."""
        filled = list(self.fixed)
        for place, array in zip(self.places, arrays, strict=True):
            filled[place] = array
        return self.structure.filled(filled)

    def plain_field(self, times: Array, y0: Array, args: Any, seen: Function | None = None) -> Function:
        """Return f of plain values, which the solver calls.

        Args:
            times, y0, args: of the problem.
            seen: called with the time and the elements of y in a tuple, before; for a solver that copies what f gives.
        """

        def field(t: float, y: Array) -> Array:
            value = self.f(t, y, *args)
            if type(value) is not np.ndarray:
                check_no_capture(self.name, tree_leaves(value))
            return value

        given = self.given(args)
        if not self.was_recorded:
            self.was_recorded = True
            self.straight = StraightField.of(
                lambda t, y, arrays: self.f(t, y, *self.rebuilt(arrays)), times[0], y0, given
            )
        if self.straight is not None and _are_same(self.straight.of_numbers(given, field), field, times, y0):
            if seen is None:
                return self.straight.of_numbers(given, field)
            return self.straight.of_calls(given, field, seen)
        self.straight = None
        return field if seen is None else lambda t, y: (seen((t, *y.tolist())), field(t, y))[1]

    def given(self, args: Any) -> list[Array]:
        """Return the differentiable arrays of arguments."""
        arrays = split_arrays(args)[0]
        return [arrays[i] for i in self.places]

    def trajectory(self, times: Array, y0: Array, arrays: Sequence[Array]) -> Array:
        """Return the solution at the times, of which the first is that of y0; shape (m, d)."""
        operands = [resolve(x) for x in (times, y0, *arrays)]
        if _is_of_one_tape(operands):
            return _solution(self.name)(*operands, problem=self)

        def one(given: list[Array]) -> list[Array]:
            return [self.general(given[0], given[1], given[2:])]

        return by_example(self.name, one, operands)[0]

    def found(self, times: Array, y0: Array, *arrays: Array) -> tuple[Array, ...]:
        """Return y on the mesh, the stages, and for each point of the mesh its interval and fraction, of plain values.

        The last solution is kept, for the rules that need it.
        """
        given = (times, y0, *arrays)
        if self.known is None or not all(map(_is_same, self.known[0], given)):
            tableau = collocation.radau(self.stages)
            steps, at = self.solver(self, times, y0, self.rebuilt(arrays))
            mesh, interval, fraction = _mesh(times, steps)
            between = mesh[:-1, None] + tableau.nodes * np.diff(mesh)[:, None]
            self.known = given, (*at(mesh, between), interval, fraction)
        out: tuple[Array, ...] = self.known[1]
        return out

    def general(self, times: Array, y0: Array, arrays: Sequence[Array]) -> Array:
        """Return the same as `trajectory`, of the tangent as a rule, from which all else follows."""
        tableau = collocation.radau(self.stages)

        def tangent(out: Any, args: Any, dots: Any) -> Any:
            return collocation.tangent(self.f, self.rebuilt, tableau, out, args, dots)

        y, _, _, fraction = solved(self.name, self.found, tangent, times, y0, *arrays, is_users=True)
        return tnp.take(y, _ends(fraction), 0)

    def pulled(self, out: Any, times: Array, arrays: Sequence[Array], t: Array) -> list[Array] | None:
        """Return the cotangents of y0 and the arrays, of plain values; None where f is not straight code."""
        if self.straight is None:
            return None
        bars = np.zeros_like(out[0])
        bars[_find_ends(out[3])] = t
        found = collocation.pulled(self.straight, collocation.radau(self.stages), out, times, arrays, bars)
        return None if found is None else [found[0], *found[1]]


def _is_same(x: Array, y: Array) -> bool:
    return x is y or bool(np.array_equal(x, y))


# ---- solutions as one operation: of plain values, which most gradients are of ----


def _is_of_one_tape(operands: Sequence[Array]) -> bool:
    """Return whether the Tensors among operands are of one tape, which only records, and hold values or examples."""
    tensors = [x for x in operands if type(x) is Tensor]
    owner = tensors[0].owner if tensors else None
    if owner is None or not owner.is_fast:
        return False
    return all(x.owner is owner and _is_plain(owner.inner(x)) for x in tensors)


def _is_plain(value: Any) -> bool:
    if type(value) is not Tensor:
        return True
    return value.owner.holds_batch and type(value.owner.inner(value)) is not Tensor


def _solved(times: Array, y0: Array, *arrays: Array, problem: _Problem) -> Array:
    y, _, _, fraction = problem.found(times, y0, *arrays)
    return y[_find_ends(fraction)]


def _on_tape_alone(operands: Sequence[Array], places: Sequence[int], problem: _Problem) -> tuple[list[Array], Function]:
    """Return the operands at some places, and the solution as a function of them."""

    def solution(*values: Array) -> Array:
        replaced = dict(zip(places, values, strict=True))
        times, y0, *arrays = [replaced.get(i, x) for i, x in enumerate(operands)]
        return problem.general(times, y0, arrays)

    return [operands[i] for i in places], solution


def _pulled(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
    problem: _Problem = parameters["problem"]
    places = [i for i, slot in enumerate(slots) if slot is not None]

    def one(given: list[Array]) -> list[Array]:
        t, *operands = given
        if places[0] != 0 and not any(type(x) is Tensor for x in given):
            times, _, *arrays = operands
            found = problem.pulled(problem.found(*operands), times, arrays, t)
            if found is not None:
                return [NO_PATH, *found]
        values, solution = _on_tape_alone(operands, places, problem)
        bars = dict(zip(places, vjp(solution, *values)[1](t), strict=True))
        return [bars.get(i, NO_PATH) for i in range(len(slots))]

    return by_example(problem.name, one, [t, *kept[: len(slots)]])


def _pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
    problem: _Problem = parameters["problem"]
    places = [i for i, dot in enumerate(tangents) if dot is not None]

    def one(given: list[Array]) -> list[Array]:
        values, solution = _on_tape_alone(given[: len(slots)], places, problem)
        return [jvp(solution, values, given[len(slots) :])[1]]

    return by_example(problem.name, one, [*kept[: len(slots)], *(tangents[i] for i in places)])[0]


@functools.cache
def _solution(name: str) -> Primitive:
    return Primitive(name, "joint", _solved, joint_pullback=_pulled, joint_pushforward=_pushed, is_users=True)


def _apart(at: Function) -> Function:
    """Return a function of times that gives states as one of a mesh and nodes, both at once."""

    def states(mesh: Array, nodes: Array) -> tuple[Array, Array]:
        values = at(np.concatenate([mesh, nodes.ravel()]))
        return values[: len(mesh)], values[len(mesh) :].reshape(*nodes.shape, -1)

    return states


def _find_ends(fraction: Array) -> Array:
    """Return which points of the mesh are output times: the ends of its intervals."""
    return np.flatnonzero((fraction == 0) | (fraction == 1))


_ends = nondifferentiable(_find_ends, name="output_times")


def _mesh(times: Any, steps: Any) -> tuple[Any, Any, Any]:
    """Return the output times and the steps between them, each with its interval and the fraction of it."""
    sign = -1.0 if times[-1] < times[0] else 1.0
    count = len(times) - 1
    where = np.searchsorted(sign * times, sign * steps, side="right") - 1
    is_inside = (where >= 0) & (where < count)
    where, steps = where[is_inside], steps[is_inside]
    part = (steps - times[where]) / (times[where + 1] - times[where])
    # A step that ends beside an output time would make an interval of rounding errors.
    is_apart = (part > 1e-9) & (part < 1 - 1e-9)
    interval = np.concatenate([np.arange(count), where[is_apart], [count - 1]])
    fraction = np.concatenate([np.zeros(count), part[is_apart], [1.0]])
    order = np.lexsort((fraction, interval))
    interval, fraction = interval[order], fraction[order]
    mesh = times[interval] + fraction * (times[interval + 1] - times[interval])
    mesh[-1] = times[-1]
    return mesh, interval, fraction


def _are_same(straight: Function, f: Function, times: Array, y0: Array) -> bool:
    """Return whether straight code gives what f does, at the start and at another time and state.

    What depends on more than its arguments, such as a counter, or reads values past the record, is another function
    there. Where f cannot be evaluated, the solver calls it itself.
    """
    try:
        for t, y in ((float(times[0]), y0), (float(times[-1]), y0 + 1e-3 * (1 + np.abs(y0)))):
            with np.errstate(all="ignore"):  # the other state is none that the user chose
                expected = np.asarray(f(t, y))
            pairs = zip(straight(t, y), expected.tolist(), strict=True)
            if expected.shape != y0.shape or not all(a == b or abs(a - b) <= 1e-10 * abs(b) for a, b in pairs):
                return False
    except Exception:
        return False
    return True


# ---- checks ----


@branch_condition
def _are_in_order(times: Array) -> bool:
    steps = np.diff(np.asarray(times), axis=-1)
    return bool(np.all(steps > 0) or np.all(steps < 0))


@branch_condition
def _are_within(times: Array, span: Array) -> bool:
    low, high = np.min(span), np.max(span)
    return bool(np.all((np.asarray(times) >= low) & (np.asarray(times) <= high)))


@branch_condition
def _is_finite(x: Array) -> bool:
    return bool(np.all(np.isfinite(np.asarray(x))))


@branch_condition
def _is_zero(x: Array) -> bool:
    return bool(np.any(np.asarray(x) == 0))


def _initial(function: str, y0: Any) -> Array:
    y0 = tnp.asarray(y0)
    if y0.ndim > 1 or y0.dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: y0 must be a real vector on a tape; got shape {y0.shape}, {y0.dtype}.")
    if not _is_finite(y0):
        raise ArgumentError(f"{function}: y0 must be finite, in all components; got inf or NaN.")
    return tnp.ravel(y0).astype(float)


def _in_order(function: str, name: str, times: Any) -> Array:
    times = tnp.asarray(times)
    if times.ndim != 1 or not _are_in_order(times):
        raise ArgumentError(
            f"{function}: {name} must be a vector of times that increase or decrease strictly; got shape {times.shape} "
            "with times out of order, repeated or NaN. Sort them, and begin at that of y0."
        )
    return times.astype(float)


def _on_tape(*values: Any) -> bool:
    return any(type(x) is Tensor for x in tree_leaves(values))


def _checked_args(function: str, args: Any) -> tuple[Any, ...]:
    if args is None:
        return ()
    if not isinstance(args, tuple | list):
        raise ArgumentTypeError(f"{function}: args must be a tuple; got {type(args).__name__}. Write args=(args,).")
    return tuple(args)


# ---- solve_ivp ----


@attrs.define(eq=False)
class _Ivp:
    """SciPy's `solve_ivp` as a solver, which solves once for the same values.

    Attributes:
        method, events, options: of SciPy's function.
        found: its last result.
        given: the values that that was found for.
    """

    method: str
    events: Sequence[Function]
    options: dict[str, Any]
    found: Any = None
    given: Any = None

    def __call__(self, problem: _Problem, times: Array, y0: Array, args: Any) -> Any:
        """Return the steps, and the interpolant."""
        first, last = float(times[0]), float(times[-1])
        arrays, _ = split_arrays(args)
        given = first, *(np.asarray(x).tobytes() for x in (y0, *arrays))
        if self.given is None or self.given[0] != given or abs(last - first) > abs(self.given[1] - first):
            self.given = given, last
            self.found = self.solved(problem, (first, last), y0, args)
        return self.found.t, _apart(self.found.states)

    def solved(self, problem: _Problem, span: tuple[float, float], y0: Array, args: Any) -> Any:
        """Return SciPy's result, with the function of times that gives states as `states`."""
        field = problem.plain_field(np.array(span), y0, args)
        straight = problem.straight
        attempt = None
        if straight is not None and self.method in stepping.SOLVERS and not self.events:
            attempt = stepping.attempt_of(straight, self.method, problem.given(args))
        if straight is None or attempt is None:
            events = [_with_args(event, args) for event in self.events]
            found = scipy.integrate.solve_ivp(
                field, span, y0, self.method, dense_output=True, events=events or None, **self.options
            )
            sol = found.sol
            found.states = lambda points: sol(points).T
        else:
            solver, taken = stepping.SOLVERS[self.method], list[Any]()
            found = scipy.integrate.solve_ivp(field, span, y0, solver, attempt=attempt, taken=taken, **self.options)
            values = functools.partial(straight.values, arrays=problem.given(args))
            found.states = stepping.Solution(found.t, found.y.T, np.array(taken), solver, values)
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
    if not _on_tape(t_span, y0, t_eval, args):
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
    problem, arrays = _Problem.of(name, fun, _checked_args(name, args), solver, _STAGES[method])
    y0, span = _initial(name, y0), _in_order(name, "t_span", tnp.stack([tnp.asarray(t) * 1.0 for t in t_span]))
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
    "by the implicit derivative. One that is not on the tape, such as a Tensor that fun captures, is refused.",
)


def _outputs(function: str, span: Array, t_eval: Any) -> Array:
    """Return the output times, None where the solver is to choose them."""
    if t_eval is None:
        return None
    times = tnp.asarray(t_eval)
    if times.shape[0] > 1:
        times = _in_order(function, "t_eval", times)
    if not _are_within(times, span):
        raise ArgumentError(f"{function}: t_eval must be within t_span; got times outside of it.")
    if not _are_in_order(tnp.concatenate([span[:1] * 2 - span[1:], times, span[1:] * 2 - span[:1]])):
        raise ArgumentError(f"{function}: t_eval must be sorted from the first time of t_span to the last.")
    return times.astype(float)


def _solver_times(problem: _Problem, solver: _Ivp) -> Function:
    """Return the function of the problem's values that gives the solver's steps, and the times of each event."""

    def times(span: Array, y0: Array, *arrays: Array) -> tuple[Array, ...]:
        steps, _ = solver(problem, span, y0, problem.rebuilt(arrays))
        return (np.asarray(steps), *map(np.asarray, solver.found.t_events or ()))

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


def _event_times(problem: _Problem, event: Function, t0: Array, y0: Array, arrays: Sequence[Array], at: Array) -> Array:
    """Return the times of an event, which move so that its function stays 0."""

    def level(t: Array, t0: Array, y0: Array, *arrays: Array) -> Array:
        y = problem.trajectory(tnp.stack([t0, t]), y0, arrays)[1]
        return tnp.reshape(tnp.asarray(event(t, y, *problem.rebuilt(arrays))), ())

    def tangent(t: Array, args: Any, dots: Any) -> Array:
        _, slope = jvp(lambda t: level(t, *args), (t,), (1.0,))
        if _is_zero(slope):
            raise ConvergenceError(
                f"{problem.name}: the function of an event must change sign with a slope to have a derivative; got "
                "slope 0 at its time."
            )
        return -moved(level, t, args, dots) / slope

    def time(value: Any) -> Array:
        return solved("integrate.event", lambda *given: np.float64(value), tangent, t0, y0, *arrays, is_users=True)

    return tnp.stack([time(value) for value in at]) if len(at) else np.zeros(0)


def _at_events(problem: _Problem, t0: Array, y0: Array, arrays: Sequence[Array], whens: list[Array]) -> dict[str, Any]:
    """Return the times of events, and the states at them."""

    def states(when: Array) -> Array:
        if not when.shape[0]:
            return np.zeros((0, y0.shape[0]))
        return problem.trajectory(tnp.concatenate([tnp.reshape(t0, (1,)), when]), y0, arrays)[1:]

    return {"t_events": whens, "y_events": [states(when) for when in whens]}


# ---- odeint ----


@attrs.frozen(eq=False)
class _Odeint:
    """SciPy's `odeint` as a solver.

    Attributes:
        options: of SciPy's function.
    """

    options: dict[str, Any]

    def __call__(self, problem: _Problem, times: Array, y0: Array, args: Any) -> Any:
        """Return a mesh as fine as the solver's steps, and a function of a mesh and nodes that gives the states."""
        seen: list[float] = []
        y = self.integrated(problem.name, problem.plain_field(times, y0, args, seen.extend), y0, times)
        sign = -1.0 if times[-1] < times[0] else 1.0
        called = _last_calls(np.array(seen).reshape(-1, 1 + len(y0)), sign)[::2]

        def again(points: Array) -> Array:
            ordered, places = np.unique(sign * points, return_inverse=True)
            states = self.integrated(problem.name, problem.plain_field(times, y0, args), y0, sign * ordered)
            states[np.searchsorted(ordered, sign * times)] = y  # the first step depends on the first output time
            return states[places]

        def states(mesh: Array, nodes: Array) -> tuple[Array, Array]:
            if problem.straight is not None:
                values = _at_mesh(mesh, times, y, called, sign)
                tableau = collocation.radau(nodes.shape[1])
                given = problem.given(args)
                stages = collocation.stages_between(problem.straight, tableau, mesh, values, given, self.allowed)
                if stages is not None:
                    return values, stages
            found: tuple[Array, Array] = _apart(again)(mesh, nodes)
            return found

        return called[:, 0], states

    def allowed(self, y: Array) -> Array:
        """Return a tenth of the error that values may have for each step."""
        rtol, atol = (_TOLERANCE if self.options[name] is None else self.options[name] for name in ("rtol", "atol"))
        return 0.1 * (np.asarray(rtol) * np.abs(y) + atol)

    def integrated(self, name: str, f: Function, y0: Array, times: Array) -> Array:
        """Return SciPy's solution."""
        try:
            y, info = scipy.integrate.odeint(f, y0, times, tfirst=True, full_output=True, **self.options)
        except scipy.integrate.ODEintWarning as warning:  # where warnings are errors
            raise ConvergenceError(f"{name}: {warning}") from warning
        if info["message"] != "Integration successful.":
            raise ConvergenceError(f"{name}: {info['message']}")
        return np.asarray(y)


_TOLERANCE = 1.49012e-8  # of odeint, by default


def _last_calls(seen: Array, sign: float) -> Array:
    """Return of the calls of f, rows of time and y, the last at each time; those of steps that were rejected are not.

    What the solver calls f with last is beside the solution by less than the tolerance.
    """
    earliest = np.minimum.accumulate(sign * seen[::-1, 0])[::-1]  # of the calls from here on
    is_last = np.append(sign * seen[:-1, 0] < earliest[1:], True)
    return seen[is_last]


def _at_mesh(mesh: Array, times: Array, y: Array, called: Array, sign: float) -> Array:
    """Return the states at the points of a mesh, which are output times and times that f was called at."""
    middles = sign * (called[1:, 0] + called[:-1, 0]) / 2
    values: Array = called[np.searchsorted(middles, sign * mesh), 1:]
    place = np.searchsorted(sign * mesh, sign * times)
    values[place] = y
    return values


def odeint(
    func: Function,
    y0: Any,
    t: Any,
    args: Any = (),
    Dfun: Function | None = None,
    col_deriv: int = 0,
    full_output: int = 0,
    ml: int | None = None,
    mu: int | None = None,
    rtol: float | None = None,
    atol: Any = None,
    tcrit: Any = None,
    h0: float = 0.0,
    hmax: float = 0.0,
    hmin: float = 0.0,
    ixpr: int = 0,
    mxstep: int = 0,
    mxhnil: int = 0,
    mxordn: int = 12,
    mxords: int = 5,
    printmessg: int = 0,
    tfirst: bool = False,
) -> Any:
    options: dict[str, Any] = {
        "rtol": rtol,
        "atol": atol,
        "tcrit": tcrit,
        "h0": h0,
        "hmax": hmax,
        "hmin": hmin,
        "mxstep": mxstep,
        "mxordn": mxordn,
        "mxords": mxords,
        "ml": ml,
        "mu": mu,
        "mxhnil": mxhnil,
        "ixpr": ixpr,
    }
    if not _on_tape(y0, t, args):
        return scipy.integrate.odeint(
            func, y0, t, args, Dfun, col_deriv, full_output, printmessg=printmessg, tfirst=tfirst, **options
        )
    name = "integrate.odeint"
    if full_output:
        raise ArgumentError(f"{name}: full_output must be 0 on a tape; got {full_output!r}.")
    f = func if tfirst else lambda t, y, *args: func(y, t, *args)
    args = _checked_args(name, args if isinstance(args, tuple) else (args,))
    problem, arrays = _Problem.of(name, f, args, _Odeint(options), _STAGES_OF_ODEINT)
    return problem.trajectory(_in_order(name, "t", t), _initial(name, y0), arrays)


published(
    odeint,
    scipy.integrate,
    "odeint",
    "Derivatives: by y0, t and args, pytrees included, as those of solve_ivp. Dfun is not used on a tape.",
)
