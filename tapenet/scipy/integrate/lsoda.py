"""SciPy's `odeint` on a tape: LSODA's steps, and derivatives along what it found (see `collocation`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.integrate

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.scipy.integrate import collocation
from tapenet.scipy.integrate.checking import checked_args, initial, is_on_tape, times_in_order
from tapenet.scipy.integrate.machine import Mesh, flat
from tapenet.scipy.integrate.problems import Problem, apart
from tapenet.scipy.placing import published

Function = Callable[..., Any]

# On half of the times that odeint calls f at, about its steps, 4 stages have smaller errors than its own: measured for
# tolerances from 1e-4 to 1e-11, of stiff problems, oscillators and relaxations.
_STAGES = 4


@attrs.frozen(eq=False)
class _Odeint:
    """SciPy's `odeint` as a solver.

    Attributes:
        options: of SciPy's function.
    """

    options: dict[str, Any]

    def __call__(self, problem: Problem, times: Array, y0: Array, given: Sequence[Array]) -> tuple[Mesh, Array]:
        """Return a mesh as fine as the solver's steps, and the stages."""
        field, straight = problem.plain_field(times, y0, given), problem.straight
        machine = problem.machine
        if machine is None:
            y, seen = self.called(problem, field, given, y0, times)
        else:
            parameters = flat(given)
            with machine.calls() as calls:
                y = calls.solved(parameters, field, lambda f: self.integrated(problem.name, f, y0, times))
                mesh = machine.mesh(calls.seen, times, y)
                stages = machine.stages_between(mesh.times, mesh.y, parameters, self.errors_of(len(y0)))
                if stages is not None:
                    return mesh, stages
                seen = calls.seen.copy()
        if straight is not None:
            straight.calls[0] += len(seen)
        sign = -1.0 if times[-1] < times[0] else 1.0
        called = _last_calls(seen, sign)[::2]

        def again(points: Array) -> Array:
            ordered, places = np.unique(sign * points, return_inverse=True)
            states, _ = self.called(problem, field, given, y0, sign * ordered)
            states[np.searchsorted(ordered, sign * times)] = y  # the first step depends on the first output time
            return states[places]

        def states(mesh: Array, nodes: Array) -> tuple[Array, Array]:
            if straight is not None:
                values, tableau = _at_mesh(mesh, times, y, called, sign), collocation.radau(problem.stages)
                stages = collocation.stages_between(straight, tableau, mesh, values, given, self.allowed)
                if stages is not None:
                    return values, stages
            found: tuple[Array, Array] = apart(again)(mesh, nodes)
            return found

        return problem.along(times, called[:, 0], states)

    def called(
        self, problem: Problem, field: Function, given: Sequence[Array], y0: Array, times: Array
    ) -> tuple[Array, Array]:
        """Return SciPy's solution, and what it called f with: rows of time and y."""
        seen = list[float]()
        if problem.straight is not None:
            f = problem.straight.of_calls(given, field, seen.extend)
        else:

            def f(t: float, y: Array) -> Array:
                seen.extend((t, *y.tolist()))
                return field(t, y)

        return self.integrated(problem.name, f, y0, times), np.array(seen).reshape(-1, 1 + len(y0))

    def errors_of(self, size: int) -> Array:
        """Return the errors of each element, relative and absolute."""
        found = np.empty((2, size))
        found[0], found[1] = self.errors
        return found

    @property
    def errors(self) -> tuple[Any, Any]:
        """A tenth of the errors that values may have for each step, relative and absolute."""
        rtol, atol = (_TOLERANCE if self.options[name] is None else self.options[name] for name in ("rtol", "atol"))
        return 0.1 * np.asarray(rtol), 0.1 * np.asarray(atol)

    def allowed(self, y: Array) -> Array:
        """Return a tenth of the error that values may have for each step."""
        relative, absolute = self.errors
        return relative * np.abs(y) + absolute

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
    if not is_on_tape(y0, t, args):
        return scipy.integrate.odeint(
            func, y0, t, args, Dfun, col_deriv, full_output, printmessg=printmessg, tfirst=tfirst, **options
        )
    name = "integrate.odeint"
    if full_output:
        raise ArgumentError(f"{name}: full_output must be 0 on a tape; got {full_output!r}.")
    f = func if tfirst else lambda t, y, *args: func(y, t, *args)
    args = checked_args(name, args if isinstance(args, tuple) else (args,))
    times, start = times_in_order(name, "t", t), initial(name, y0)
    if times.shape[0] < 2:
        return tnp.reshape(start, (1, -1))[: times.shape[0]]
    problem, arrays = Problem.of(name, f, args, _Odeint(options), _STAGES, func)
    return problem.trajectory(times, start, arrays)


published(
    odeint,
    scipy.integrate,
    "odeint",
    "Derivatives: by y0, t and args, pytrees included, as those of solve_ivp, a func that jumps too. Dfun is not used "
    "on a tape.",
)
