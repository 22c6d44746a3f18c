"""Initial value problems on a tape, as one operation: what a solver finds, and derivatives along it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import NO_PATH, Array, Primitive, Shapes
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor, resolve
from tapenet.scipy.integrate import collocation
from tapenet.scipy.integrate.fields import Field
from tapenet.scipy.integrate.machine import Machine, Mesh, machine_of
from tapenet.scipy.integrate.opaque import at_places, is_opaque_needed, opaque, opaque_arrays
from tapenet.scipy.solutions import solved
from tapenet.scipy.straight import StraightField
from tapenet.transforms.calls import Structure, is_differentiable, split_arrays
from tapenet.transforms.products import jvp, vjp

Function = Callable[..., Any]


@attrs.frozen(eq=False)
class _Found:
    """A solution that was found, of plain values.

    Attributes:
        key: the values that it was found for.
        mesh: the points along it.
        stages: those of the collocation.
    """

    key: tuple[bytes, ...]
    mesh: Mesh
    stages: Array


@attrs.define(eq=False)
class Problem:
    """A problem on a tape.

    Attributes:
        name: the function, for errors.
        field: the right-hand side.
        structure: of the arguments, around their arrays.
        places: of the differentiable ones among the arrays.
        fixed: the arrays that are not.
        solver: `(problem, times, y0, arrays) -> mesh, stages`, of plain values.
        stages: of the collocation.
        is_compiled: whether it is part of a compiled function.
        last: the last solution.
    """

    name: str
    field: Field
    structure: Structure
    places: tuple[int, ...]
    fixed: tuple[Any, ...]
    solver: Function
    stages: int
    is_compiled: bool = False
    last: _Found | None = None

    @classmethod
    def of(
        cls, name: str, f: Function, args: Any, solver: Function, stages: int, users: Function
    ) -> tuple[Problem, list[Array]]:
        """Return the problem of f(t, y, *args), and the arrays that its solution is differentiated by."""
        arrays, structure = split_arrays(args)
        places = tuple(i for i, x in enumerate(arrays) if is_differentiable(x))
        fixed = tuple(None if i in places else x for i, x in enumerate(arrays))
        problem = cls(name, Field.of(name, f, users, args), structure, places, fixed, solver, stages)
        return problem, [arrays[i] for i in places]

    @property
    def straight(self) -> StraightField | None:
        """The right-hand side as straight code; None where it cannot be written so, or no solution was found yet."""
        return self.field.straight

    @property
    def machine(self) -> Machine | None:
        """Machine code of the right-hand side; None where there is none, or it would not pay."""
        straight = self.straight
        if straight is None or not (self.is_compiled or straight.calls[0] >= _WORTH):
            return None
        tableau = collocation.radau(self.stages)
        return machine_of(straight, tableau.nodes, tableau.weights)

    def rebuilt(self, arrays: Sequence[Array]) -> Any:
        """Return the arguments with these differentiable arrays."""
        filled = list(self.fixed)
        for place, array in zip(self.places, arrays, strict=True):
            filled[place] = array
        return self.structure.filled(filled)

    def plain_field(self, times: Array, y0: Array, arrays: Sequence[Array]) -> Function:
        """Return f(t, y) of plain values, and find straight code for it."""
        self.field.write(times, y0, arrays, self.rebuilt)
        return self.field.plain(self.rebuilt(arrays))

    def trajectory(self, times: Array, y0: Array, arrays: Sequence[Array]) -> Array:
        """Return the solution at the times, of which the first is that of y0; shape (m, d)."""
        operands = [resolve(x) for x in (times, y0, *arrays)]
        if _are_plain_within(operands):
            self.is_compiled = self.is_compiled or any(map(_is_of_program, map(_inside, operands)))
            return _solution(self.name)(*operands, problem=self)
        return opaque(self.name, self.general, *operands) if is_opaque_needed(operands) else self.general(*operands)

    def solution(self, times: Array, y0: Array, arrays: Sequence[Array]) -> _Found:
        """Return what the solver finds, of plain values. The last solution is kept, for the rules that need it."""
        # By the elements: a compiled function may write other ones into the same arrays.
        key = tuple([np.asarray(x).tobytes() for x in (times, y0, *arrays)])
        last = self.last
        if last is None or last.key != key:
            last = self.last = _Found(key, *self.solver(self, times, y0, arrays))
        return last

    def along(self, times: Array, steps: Array, at: Function) -> tuple[Mesh, Array]:
        """Return the mesh of a solver's steps, and the stages.

        Args:
            times: the output times.
            steps: where the solver's steps end.
            at: of a mesh and the collocation's nodes in its intervals, shape (intervals, stages), gives the states.
        """
        mesh, interval, fraction = _mesh(times, steps)
        between = mesh[:-1, None] + collocation.radau(self.stages).nodes * np.diff(mesh)[:, None]
        y, stages = at(mesh, between)
        return Mesh(mesh, y, interval, fraction, _find_ends(fraction)), stages

    def found(self, times: Array, y0: Array, *arrays: Array) -> tuple[Array, ...]:
        """Return y on the mesh, the stages, and for each point of the mesh its interval and fraction."""
        found = self.solution(times, y0, arrays)
        return found.mesh.y, found.stages, found.mesh.interval, found.mesh.fraction

    def general(self, times: Array, y0: Array, *arrays: Array) -> Array:
        """Return the same as `trajectory`, of the tangent as a rule, from which all else follows."""
        tableau = collocation.radau(self.stages)

        def tangent(out: Any, args: Any, dots: Any) -> Any:
            return collocation.tangent(self.field.f, self.rebuilt, tableau, out, args, dots)

        y, _, _, fraction = solved(self.name, self.found, tangent, times, y0, *arrays, is_users=True)
        return tnp.take(y, _ends(fraction), 0)

    def pulled(self, times: Array, y0: Array, arrays: Sequence[Array], t: Array) -> list[Array] | None:
        """Return the cotangents of y0 and the arrays, of plain values; None where f is not straight code."""
        found = self.solution(times, y0, arrays)
        if self.straight is None:
            return None
        bars = np.zeros(found.mesh.y.shape)
        bars[found.mesh.ends] = t
        machine, mesh = self.machine, found.mesh.times
        answer = None if machine is None else machine.pulled(mesh, found.stages, bars, arrays)
        if answer is None:
            tableau = collocation.radau(self.stages)
            answer = collocation.pulled(self.straight, tableau, found.stages, mesh, arrays, bars)
        return None if answer is None else [answer[0], *answer[1]]


# Calls of a right-hand side after which it is compiled, in some 50 to 200 ms, or less where its code is on disk.
_WORTH = 2**12


# ---- solutions as one operation: of plain values, which most gradients are of ----


def _are_plain_within(operands: Sequence[Array]) -> bool:
    """Return whether the Tensors among operands are of one tape, which only records, and hold values or examples.

    Those of a compiled function may be within, or beside.
    """
    tensors = [x for x in operands if type(x) is Tensor and not _is_of_program(x)]
    if not tensors:
        return any(type(x) is Tensor for x in operands)
    owner = tensors[0].owner
    return owner.is_fast and all(x.owner is owner and _is_plain(owner.inner(x)) for x in tensors)


def _is_plain(value: Any) -> bool:
    if type(value) is not Tensor or _is_of_program(value):
        return True
    return value.owner.holds_batch and type(value.owner.inner(value)) is not Tensor


def _inside(x: Any) -> Any:
    """Return what a Tensor of a tape holds; one of a compiled function as it is."""
    return x.owner.inner(x) if type(x) is Tensor and not x.owner.keeps_choices else x


def _is_of_program(x: Any) -> bool:
    """Return whether a value is that of a compiled function, of plain values."""
    return type(x) is Tensor and x.owner.keeps_choices and type(x.owner.inner(x)) is not Tensor


def _solved(times: Array, y0: Array, *arrays: Array, problem: Problem) -> Array:
    mesh = problem.solution(times, y0, arrays).mesh
    y: Array = mesh.y[mesh.ends]
    return y


def _pulled(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
    problem: Problem = parameters["problem"]
    places = tuple([i for i, slot in enumerate(slots) if slot is not None])
    given = [t, *kept[: len(slots)]]
    pulled = functools.partial(_pulled_at, problem=problem, places=places)
    if is_opaque_needed(given):
        found = opaque_arrays(f"{problem.name}'s pullback", pulled, [shapes[i] or () for i in places], *given)
    else:
        found = list(pulled(*given))
    bars = dict(zip(places, found, strict=True))
    return [bars.get(i, NO_PATH) for i in range(len(slots))]


def _pulled_at(t: Array, *operands: Array, problem: Problem, places: tuple[int, ...]) -> tuple[Array, ...]:
    """Return the cotangents of the operands at some places."""
    if places[0] != 0 and not any(type(x) is Tensor for x in (t, *operands)):
        times, y0, *arrays = operands
        found = problem.pulled(times, y0, arrays, t)
        if found is not None:
            return tuple([found[place - 1] for place in places])
    return tuple(vjp(at_places(problem.general, places, operands), *(operands[i] for i in places))[1](t))


def _pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
    problem: Problem = parameters["problem"]
    places = [i for i, dot in enumerate(tangents) if dot is not None]
    count = len(slots)

    def pushed(*given: Array) -> Array:
        operands, dots = given[:count], given[count:]
        return jvp(at_places(problem.general, places, operands), [operands[i] for i in places], dots)[1]

    given = (*kept[:count], *(tangents[i] for i in places))
    return opaque(f"{problem.name}'s pushforward", pushed, *given) if is_opaque_needed(given) else pushed(*given)


@functools.cache
def _solution(name: str) -> Primitive:
    return Primitive(name, "joint", _solved, joint_pullback=_pulled, joint_pushforward=_pushed, is_users=True)


def apart(at: Function) -> Function:
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
