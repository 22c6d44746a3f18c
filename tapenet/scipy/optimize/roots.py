"""Roots of functions of one number, as an operation of its own: short, as the solve itself takes microseconds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array, Primitive, Shapes
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.recorder import new_recorder
from tapenet.core.tensor import Tensor, unwrap_batches
from tapenet.errors import ConvergenceError, ConversionError, ForeignCodeError, MappedValueError
from tapenet.scipy.optimize.implicit import checked
from tapenet.transforms.calls import Structure, split_arrays
from tapenet.walks.products import gradient_walk, vjp_walk

Function = Callable[..., Any]


class _Alone:
    """The structure of arguments that are arrays alone."""

    def filled(self, arrays: Sequence[Any]) -> Any:
        return tuple(arrays)


@attrs.frozen(eq=False)
class _Equation:
    """The equation f(x, *args) = 0 of one number.

    Attributes:
        name: the function, for errors.
        f: the user's.
        solve: `solve(plain f, plain args)`, the root.
        structure: of the arguments, around their arrays.
        near: how far from the root the solver may stop.
        bracket: numbers between which the root is, or none.
    """

    name: str
    f: Function
    solve: Function
    structure: Structure | _Alone
    near: float
    bracket: tuple[float, ...]

    def root(self, *arrays: Array) -> Array:
        args = self.structure.filled(arrays)
        try:
            return np.float64(self.solve(self.f, args))
        except (ConversionError, ForeignCodeError, MappedValueError):  # f gave a Tensor that it captured: to say so
            return np.float64(self.solve(checked(self.name, self.f), args))

    def slopes(self, x: Array, arrays: Sequence[Array], wanted: Sequence[bool]) -> list[Array]:
        """Return the derivatives of the root by the wanted arrays, from one walk back over one call of f."""
        with new_recorder(replayable=False) as tape:
            root = tape.watch(x)
            watched = [tape.watch(a) if is_wanted else a for a, is_wanted in zip(arrays, wanted, strict=True)]
            y = self.f(root, *self.structure.filled(watched))
            if y.shape if type(y) is Tensor else np.shape(y):
                y = np.reshape(y, ())
        sources = [root, *(a for a, is_wanted in zip(watched, wanted, strict=True) if is_wanted)]
        if type(y) is Tensor and y.owner is tape:
            slope, *slopes = gradient_walk(tape, y, sources, _ONE)
        else:
            slope, *slopes = vjp_walk(tape, [y], [_ONE], sources)
        if slope is None or (not 0 < abs(slope) < np.inf if type(slope) is np.float64 else _is_flat(slope)):
            raise ConvergenceError(
                f"{self.name}: the Jacobian must be regular at the solution to have a derivative; got a singular one."
            )
        self.check_root(x, y, slope, arrays)
        pulled = iter(slopes)
        found: list[Array] = []
        for a, is_wanted in zip(arrays, wanted, strict=True):
            own = next(pulled) if is_wanted else None
            found.append(np.zeros(np.shape(a)) if own is None else -own / slope)
        return found

    def check_root(self, x: Any, y: Any, slope: Array, arrays: Sequence[Array]) -> None:
        """Raise at a jump, where Newton's step is long, and at a pole, where f is larger than at the bracket's ends."""
        x, y, slope = unwrap_batches(x), unwrap_batches(y), unwrap_batches(slope)
        is_root = not _exceeds(y, slope * (self.near + _JUMP * (1.0 + abs(x))))
        if is_root and self.bracket and _exceeds(y, _SUSPICIOUS):
            ends = [unwrap_batches(self.f(end, *self.structure.filled(arrays))) for end in self.bracket]
            is_root = not _exceeds(y, np.maximum(*np.abs(ends)))
        if not is_root:
            raise ConvergenceError(
                f"{self.name}: f must be zero at the root to have a derivative; got {np.max(np.abs(y)):.3g} at "
                f"{np.ravel(x)[0]:.6g}, where f leaps. Narrow the bracket, or begin nearer to the root."
            )


_ONE = np.float64(1.0)
_JUMP = 1e-3  # steps, relative to the root, that rounding errors of f still explain
_SUSPICIOUS = 1e-3  # values of f that are seldom those at a root


def _exceeds(y: Any, bound: Any) -> bool:
    """Return whether a value, or one of all examples, is larger in size."""
    exceeds = abs(y) > abs(bound)
    return bool(exceeds if type(exceeds) in (bool, np.bool) else np.any(exceeds))


@branch_condition
def _is_flat(slope: Array) -> bool:
    return not np.all(np.isfinite(slope)) or bool(np.any(slope == 0))


def _pulled(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Array | None]:
    wanted = [slot is not None for slot in slots]
    *arrays, x = kept
    slopes = parameters["equation"].slopes(x, arrays, wanted)
    return [t * slope if is_wanted else None for slope, is_wanted in zip(slopes, wanted, strict=True)]


def _pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
    *arrays, x = kept
    slopes = parameters["equation"].slopes(x, arrays, [dot is not None for dot in tangents])
    return sum(np.sum(slope * dot) for slope, dot in zip(slopes, tangents, strict=True) if dot is not None)


@functools.cache
def _primitive(name: str) -> Primitive:
    return Primitive(
        name,
        "joint",
        lambda *arrays, equation: equation.root(*arrays),
        joint_pullback=_pulled,
        joint_pushforward=_pushed,
        joint_reads_out=True,
        is_users=True,
    )


def scalar_root(
    name: str,
    f: Function,
    solve: Function,
    args: tuple[Any, ...],
    near: float = 0.0,
    bracket: tuple[float, ...] = (),
) -> Array:
    """Return the root x that `solve(plain f, plain args)` gives of f(x, *args), differentiable by args.

    Args:
        name: the function, for errors.
        f, solve, args: as above.
        near: how far from the root the solver may stop.
        bracket: numbers between which the root is, or none.
    """
    if all(type(x) is Tensor or type(x) is float for x in args):
        return _primitive(name)(*args, equation=_Equation(name, f, solve, _Alone(), near, bracket))
    arrays, structure = split_arrays(args)
    return _primitive(name)(*arrays, equation=_Equation(name, f, solve, structure, near, bracket))
