"""Roots of functions of one number, as an operation of its own: short, as the solve itself takes microseconds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array, Primitive, Shapes
from tapenet.core.record import Kept, Parameters, Shape, Slots
from tapenet.core.recorder import new_recorder
from tapenet.core.tensor import Tensor, unwrap_batches
from tapenet.errors import ArgumentTypeError, ConvergenceError, ConversionError, ForeignCodeError, MappedValueError
from tapenet.program.recording.recorder import RECORDING
from tapenet.scipy.identity import identity_of, space_of
from tapenet.scipy.optimize.implicit import checked
from tapenet.scipy.optimize.native import Bracketed, level_of
from tapenet.scipy.straight import StraightField, agrees, beside, elements_of
from tapenet.transforms.calls import Structure, split_arrays
from tapenet.walks.products import gradient_walk, vjp_walk

Function = Callable[..., Any]


class _Alone:
    """The structure of arguments that are arrays alone."""

    def filled(self, arrays: Sequence[Any]) -> Any:
        return tuple(arrays)


@attrs.define(eq=False)
class _Equation:
    """The equation f(x, *args) = 0 of one number.

    Attributes:
        name: the function, for errors.
        f: the user's.
        solve: `solve(plain f, plain args)`, the root.
        structure: of the arguments, around their arrays.
        near: how far from the root the solver may stop.
        bracket: numbers between which the root is, or none.
        straight: f as straight code, where it is known.
        key: what tells f apart; None where nothing does.
        bracketed: the call of a solver that takes machine code; None of others.
        is_compiled: whether it is part of a compiled function.
    """

    name: str
    f: Function
    solve: Function
    structure: Structure | _Alone
    near: float
    bracket: tuple[float, ...]
    bracketed: Bracketed | None = None
    straight: StraightField | None = None
    key: Hashable = None
    is_compiled: bool = False

    def root(self, *arrays: Array) -> Array:
        args = self.structure.filled(arrays)
        self.straight = straight = self.written(arrays)
        if straight is not None:
            found = self.native_root(straight, arrays)
            if found is not None:
                return np.float64(found)
            return np.float64(self.solve(straight.of_one_number(elements_of(arrays), self.f), args))
        try:
            return self.real(self.solve(self.f, args))
        except (ConversionError, ForeignCodeError, MappedValueError):  # f gave a Tensor that it captured: to say so
            return self.real(self.solve(checked(self.name, self.f), args))

    def real(self, root: Any) -> Any:
        """Return what a solver of real numbers found; Newton's method leaves them where f does."""
        if np.iscomplexobj(root):
            raise ArgumentTypeError(
                f"{self.name}: f must give real numbers on a tape; got complex ones. Write optimize.root, of the real "
                "and the imaginary part."
            )
        return np.float64(root)

    def native_root(self, straight: StraightField, arrays: Sequence[Array]) -> float | None:
        """Return the root by machine code; None where there is none, or where Python is to raise."""
        straight.calls[0] += 1
        if self.bracketed is None or not (self.is_compiled or straight.calls[0] > _WORTH_CODE):
            return None
        level = level_of(straight)
        return None if level is None else self.bracketed.root(level, arrays)

    def written(self, arrays: Sequence[Array]) -> StraightField | None:
        """Return f as straight code, where a function that computes the same was met before."""
        self.key = self._key(arrays)
        met = _MET.get(self.key)
        return met if type(met) is StraightField else None

    def _key(self, arrays: Sequence[Array]) -> Hashable | None:
        own = identity_of(self.f) if type(self.structure) is _Alone else None
        return None if own is None else (own, *[space_of(x) for x in arrays])

    def write(self, x: Array, arrays: Sequence[Array]) -> None:
        """Write f as straight code at its second root, for those that follow."""
        met = _MET.get(self.key, 0)
        if self.key is None or type(met) is not int:
            return
        if len(_MET) >= _MOST_MET:
            _MET.clear()
        if met < _WORTH:
            _MET[self.key] = met + 1
            return
        if self.key != self._key(arrays):  # what f reads has changed since the root was found
            return
        straight = StraightField.of(lambda t, y, given: [self.f(y[0], *given)], 0.0, np.array([x], float), arrays)
        _MET[self.key] = straight if straight is not None and self._is_same(straight, float(x), arrays) else None

    def _is_same(self, straight: StraightField, x: float, arrays: Sequence[Array]) -> bool:
        """Return whether straight code gives what f does, at a number and arrays and beside them."""
        points = ((x, arrays), (beside(x), arrays), (beside(x), [*map(beside, arrays)]))
        try:
            with np.errstate(all="ignore"):
                values = [(straight.of_one_number(elements_of(a), self.f)(x), float(self.f(x, *a))) for x, a in points]
        except Exception:  # the solver's own calls raise what there is to raise
            return False
        return all(agrees(*pair) for pair in values)

    def slopes_of_numbers(self, x: Array, arrays: Sequence[Array]) -> list[Array] | None:
        """Return the derivatives of the root by straight code; None where that gives none."""
        if self.straight is None or type(x) is Tensor or any(type(a) is Tensor for a in arrays):
            return None
        try:
            found = self.straight.slopes_of_one_number(float(x), elements_of(arrays))
        except (ArithmeticError, ValueError):
            return None
        if found is None or not 0 < abs(found[1]) < np.inf:
            return None
        y, slope, *slopes = found
        x = float(x)
        if abs(y) > _SUSPICIOUS or abs(y) > abs(slope * (self.near + _JUMP * (1.0 + abs(x)))):
            self.check_root(x, y, slope, arrays)
        if all(type(a) in _NUMBERS for a in arrays):
            return [np.float64(-own / slope) for own in slopes]
        ends = np.cumsum([np.size(a) for a in arrays])[:-1]
        parts = zip(np.split(-np.array(slopes) / slope, ends), arrays, strict=True)
        return [part.reshape(np.shape(a))[()] for part, a in parts]

    def slopes(self, x: Array, arrays: Sequence[Array], wanted: Sequence[bool]) -> list[Array]:
        """Return the derivatives of the root by the wanted arrays, from one walk back over one call of f."""
        written = self.slopes_of_numbers(x, arrays)
        if written is not None:
            return written
        if not any(type(a) is Tensor for a in (x, *arrays)):
            self.write(x, arrays)
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


# What is known of functions, by what they compute: how many roots were differentiated, and then the code, None where
# they cannot be written. Users give a new lambda for each root.
_MET: dict[Any, int | StraightField | None] = {}
_MOST_MET = 256
_WORTH = 1  # roots before a function is written, which takes the time of some ten

_WORTH_CODE = 2**10  # roots before a function is compiled, in some 20 ms

_NUMBERS = frozenset((float, np.float64))
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
    wanted = tuple([slot is not None for slot in slots])
    slopes = _slopes(kept, wanted, parameters["equation"])
    return [t * slope if is_wanted else None for slope, is_wanted in zip(slopes, wanted, strict=True)]


def _slopes(kept: Kept, wanted: tuple[bool, ...], equation: _Equation) -> Sequence[Array]:
    """Return the derivatives by the wanted operands; in a compiled function as one operation of it."""
    *arrays, x = kept
    tensors = [a for a in kept if type(a) is Tensor]
    if tensors and all(a.owner.keeps_choices and type(a.owner.inner(a)) is not Tensor for a in tensors):
        found = _slopes_operation(equation.name)(x, *arrays, equation=equation, wanted=wanted)
        return [found] if len(arrays) == 1 else list(found)
    return equation.slopes(x, arrays, wanted)


def _plain_slopes(x: Array, *arrays: Array, equation: _Equation, wanted: tuple[bool, ...]) -> Any:
    found = equation.slopes(x, arrays, wanted)
    if len(arrays) == 1:
        return found[0]
    return tuple([np.zeros(np.shape(a)) if slope is None else slope for slope, a in zip(found, arrays, strict=True)])


@functools.cache
def _slopes_operation(name: str) -> Primitive:
    return attrs.evolve(choice(_plain_slopes, name=f"{name}'s derivatives"), is_users=True)


def _pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
    slopes = _slopes(kept, tuple([dot is not None for dot in tangents]), parameters["equation"])
    return sum(np.sum(slope * dot) for slope, dot in zip(slopes, tangents, strict=True) if dot is not None)


def _pulled_alone(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
    return t * _slopes(kept, (True,), parameters["equation"])[0]


def _pushed_alone(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
    return np.sum(_slopes(kept, (True,), parameters["equation"])[0] * t)


@functools.cache
def _primitive(name: str, count: int) -> Primitive:
    """Return the operation of some number of arrays; for one array with rules for each, whose walks are shorter."""
    rules: dict[str, Any] = {
        "family": "general",
        "operands": ("args",),
        "pullbacks": (_pulled_alone,),
        "pushforwards": (_pushed_alone,),
        "reads": (frozenset((0, 1)),),
    }
    if count != 1:
        rules = {
            "family": "joint",
            "joint_pullback": _pulled,
            "joint_pushforward": _pushed,
            "joint_reads_out": True,
        }
    return Primitive(name, forward=lambda *arrays, equation: equation.root(*arrays), is_users=True, **rules)


def scalar_root(
    name: str,
    f: Function,
    solve: Function,
    args: tuple[Any, ...],
    near: float = 0.0,
    bracket: tuple[float, ...] = (),
    bracketed: Bracketed | None = None,
) -> Array:
    """Return the root x that `solve(plain f, plain args)` gives of f(x, *args), differentiable by args.

    Args:
        name: the function, for errors.
        f, solve, args: as above.
        near: how far from the root the solver may stop.
        bracket: numbers between which the root is, or none.
        bracketed: the same call of a solver that takes machine code; None of others.
    """
    structure: Structure | _Alone = _ALONE
    arrays: Sequence[Any] = args
    if not all(type(x) is Tensor or type(x) is float for x in args):
        arrays, structure = split_arrays(args)
    is_compiled = RECORDING.get() is not None
    equation = _Equation(name, f, solve, structure, near, bracket, bracketed, is_compiled=is_compiled)
    return _primitive(name, len(arrays))(*arrays, equation=equation)


_ALONE = _Alone()
