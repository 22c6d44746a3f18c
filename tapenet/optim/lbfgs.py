"""The limited-memory method of Broyden, Fletcher, Goldfarb and Shanno."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag
from tapenet.core.leaf_checks import dtype_of
from tapenet.core.pytrees import Tree, TreeSpec, static_field, tree_unflatten
from tapenet.errors import ArgumentTypeError
from tapenet.optim.checks import fitting_leaves, parameter_leaves
from tapenet.optim.in_programs import updated_in_program
from tapenet.optim.leafwise import Array, is_plain, working_dtype
from tapenet.optim.line_search import Search, Trial
from tapenet.optim.optimizer import Optimizer, Params, Rated, ValueAndGrad
from tapenet.optim.schedules import Schedule

LEAST_CURVATURE = 1e-10  # of a pair that is kept: the product of a step and the change of the gradient
MOST_TRIALS = 25  # in each phase of the line search


class LbfgsState(NamedTuple):
    """The state of `lbfgs`.

    Attributes:
        step: the number of steps taken.
        value, gradients: where the line search has computed them, the loss and the gradients at the new parameters;
            NaN and the gradients that came without a line search.
        pairs: how many pairs of steps and changes of gradients were ever stored.
        moves, changes: arrays of shape (memory, n), the stored pairs, over all n numbers of all parameters.
        last_move, last_gradient: of shape (n,), the last step, and the gradient at its start.
    """

    step: int
    value: float
    gradients: Tree
    pairs: int
    moves: Array
    changes: Array
    last_move: Array
    last_gradient: Array


@attrs.frozen
class Packing:
    """How the leaves of a pytree lie in one vector of real numbers.

    Attributes:
        leaves, spec: of the parameters.
        dtype: of the vector.
    """

    leaves: list[Any]
    spec: TreeSpec
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, function: str, params: Tree) -> Packing:
        """Read the layout from parameters, which must be plain arrays."""
        leaves, spec = parameter_leaves(function, params)
        for leaf in leaves:
            if not is_plain(leaf):
                raise ArgumentTypeError(
                    f"{function}: params must be NumPy arrays or numbers; got {type(leaf).__name__}. Steps of L-BFGS "
                    "are not recorded."
                )
        kinds = [np.finfo(working_dtype(leaf)).dtype for leaf in leaves]
        return cls(leaves, spec, np.result_type(*kinds) if kinds else np.dtype(float))

    def vector(self, leaves: Sequence[Any], conjugate: bool = False) -> Array:
        """Join leaves to one vector; gradients are conjugated, as they are conjugates of directions."""
        rows = [np.empty(0, self.dtype)]
        for leaf in leaves:
            flat = np.asarray(leaf).reshape(-1)
            pairs = flat.dtype.kind == "c"
            if pairs and conjugate:
                flat = flat.conj()
            rows.append(np.stack([flat.real, flat.imag], axis=-1).reshape(-1) if pairs else flat)
        return np.concatenate(rows, dtype=self.dtype)

    def moved(self, move: Array) -> Tree:
        """Return the parameters after a move, in their own dtypes."""
        new, place = [], 0
        for leaf in self.leaves:
            array = np.asarray(leaf)
            is_complex = array.dtype.kind == "c"
            part = move[place : place + array.size * (1 + is_complex)]
            place += part.size
            step = (part[::2] + 1j * part[1::2] if is_complex else part).reshape(array.shape)
            moved = np.asarray(array + step, dtype_of(leaf))
            new.append(moved if isinstance(leaf, np.ndarray) else moved[()])
        return tree_unflatten(self.spec, new)


@attrs.frozen
class Lbfgs(Rated):
    """See `lbfgs`."""

    name: ClassVar[str] = "lbfgs"
    state_type: ClassVar[type[Any]] = LbfgsState

    memory: int = static_field()
    line_search: bool = static_field()

    @property
    def reads_gradients_alone(self) -> bool:
        """See `Optimizer`: without a line search."""
        return type(self).update is Lbfgs.update and not self.line_search

    def init(self, params: Tree) -> Any:
        """Make a state without pairs."""
        packing = Packing.of("lbfgs.init", params)
        size = packing.vector(packing.leaves).size
        pairs, zeros = np.zeros((self.memory, size), packing.dtype), np.zeros(size, packing.dtype)
        gradients = tree_unflatten(packing.spec, [np.zeros_like(leaf)[()] for leaf in packing.leaves])
        return LbfgsState(0, math.nan, gradients, 0, pairs, pairs.copy(), zeros, zeros.copy())

    def update(
        self,
        gradients: Params,
        state: Any,
        params: Params,
        *,
        value: Any = None,
        value_and_grad: ValueAndGrad | None = None,
        donate: bool = False,
    ) -> tuple[Params, Any]:
        """Take one step: see `Optimizer.update`. Nothing is overwritten."""
        checked_flag("lbfgs.update", "donate", donate)
        recorded = updated_in_program(self, gradients, state, params, value)
        if recorded is not None:
            return recorded[:2]
        step = self.check_state("lbfgs.update", state)
        packing = Packing.of("lbfgs.update", params)
        leaves = fitting_leaves("lbfgs.update", "gradients", gradients, packing.leaves, packing.spec, params)
        gradient = packing.vector(leaves, conjugate=True)
        self._check_state_size(state, gradient.size)
        state = _with_pair(state, gradient) if step else state
        direction = _direction(state, gradient)
        slope = float(gradient @ direction)
        if not slope < 0:  # of pairs that no longer describe the function
            state, direction = state._replace(pairs=0), -gradient
            slope = float(gradient @ direction)
        rate = self.rate_at("lbfgs.update", step)
        distance = float(rate) * (1.0 if step else min(1.0, 1.0 / max(float(np.abs(gradient).sum()), 1e-300)))
        if self.line_search:
            line = _Line(packing, params, direction, self._checked(value_and_grad))
            found = line.searched(
                Trial(0.0, math.nan if value is None else float(value), slope, (params, gradients)), distance
            )
        else:
            found = Trial(distance, math.nan, slope, (packing.moved(distance * direction), gradients))
        updated, new_gradients = found.payload
        return updated, state._replace(
            step=step + 1,
            value=found.value,
            gradients=new_gradients,
            pairs=state.pairs if found.distance else 0,
            last_move=found.distance * direction,
            last_gradient=gradient,
        )

    def _checked(self, value_and_grad: ValueAndGrad | None) -> ValueAndGrad:
        if not callable(value_and_grad):
            raise ArgumentTypeError(
                "lbfgs.update: value_and_grad must be a function from params to (loss, gradients); got "
                f"{value_and_grad!r:.80}. Write optimizer.update(..., value_and_grad=tn.value_and_grad(loss)), or "
                "lbfgs(line_search=False)."
            )
        return value_and_grad

    def _check_state_size(self, state: LbfgsState, size: int) -> None:
        wanted = (self.memory, size)
        if np.shape(state.moves) != wanted:
            raise ArgumentTypeError(
                f"lbfgs.update: state must have moves of shape {wanted}, (memory, numbers in params); "
                f"got {np.shape(state.moves)}."
            )


@attrs.frozen
class _Line:
    """A line through parameters, along which a function is evaluated."""

    packing: Packing
    params: Tree
    direction: Array
    value_and_grad: ValueAndGrad

    def searched(self, start: Trial, distance: float) -> Trial:
        """Return what the line search finds, whose payload are parameters and gradients."""
        if math.isnan(start.value):
            start = attrs.evolve(start, value=float(self.value_and_grad(self.params)[0]))
        return Search(self.tried, start, MOST_TRIALS).run(distance) if start.slope < 0 else start

    def tried(self, distance: float) -> Trial:
        """Evaluate the function at a distance."""
        moved = self.packing.moved(distance * self.direction)
        value, gradients = self.value_and_grad(moved)
        fitting = (self.packing.leaves, self.packing.spec, self.params)
        vector = self.packing.vector(fitting_leaves("lbfgs.update", "gradients", gradients, *fitting), conjugate=True)
        return Trial(distance, float(value), float(vector @ self.direction), (moved, gradients))


def _with_pair(state: LbfgsState, gradient: Array) -> LbfgsState:
    """Store the last step and what it did to the gradient, where the function curves upward along it."""
    change = gradient - state.last_gradient
    if not float(change @ state.last_move) > LEAST_CURVATURE:
        return state
    moves, changes = np.array(state.moves), np.array(state.changes)
    place = state.pairs % len(moves)
    moves[place], changes[place] = state.last_move, change
    return state._replace(pairs=state.pairs + 1, moves=moves, changes=changes)


def _direction(state: LbfgsState, gradient: Array) -> Array:
    """Return minus the product of the approximate inverse Hessian and the gradient, by the two loops."""
    memory = len(state.moves)
    newest_first = [place % memory for place in range(state.pairs - 1, max(state.pairs - memory, 0) - 1, -1)]
    direction, weights = -gradient, {}
    for place in newest_first:
        curvature = float(state.moves[place] @ state.changes[place])
        weights[place] = float(state.moves[place] @ direction) / curvature
        direction = direction - weights[place] * state.changes[place]
    if newest_first:
        move, change = state.moves[newest_first[0]], state.changes[newest_first[0]]
        direction = direction * (float(move @ change) / float(change @ change))
    for place in reversed(newest_first):
        curvature = float(state.moves[place] @ state.changes[place])
        weight = float(state.changes[place] @ direction) / curvature
        direction = direction + (weights[place] - weight) * state.moves[place]
    return direction


def lbfgs(learning_rate: float | Schedule = 1.0, memory: int = 10, line_search: bool = True) -> Optimizer:
    """Make the quasi-Newton optimizer that estimates curvature from the last steps, for gradients of all the data.

        d <- -H g     H from the last `memory` pairs (s, y) of steps and changes of the gradient
        p <- p + a * d

    By the line search, a satisfies the strong Wolfe conditions; it calls `value_and_grad` until it does, which is once
    for most steps. It begins at the learning rate, which is 1 as a rule, and is smaller in the first step,
    learning_rate * min(1, 1 / ||g||_1). Without a line search that is a itself.

        value_and_grad = tn.value_and_grad(loss)
        value, gradients = value_and_grad(params)
        for _ in range(100):
            params, state = optimizer.update(
                gradients, state, params, value=value, value_and_grad=value_and_grad)
            value, gradients = state.value, state.gradients     # the line search has computed them

    Where the search finds no lower point, as happens at a minimum, the parameters stay as they are. Parameters are
    NumPy's arrays and numbers; steps are not recorded.

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        memory: integer of at least 1; PyTorch's default is 100, at ten times the memory.
        line_search: whether to search along the direction.

    Returns:
        An `Optimizer`; its state is an `LbfgsState`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument of another type.

    Source: Liu and Nocedal, 1989, "On the limited memory BFGS method for large scale optimization", Mathematical
    Programming 45, algorithm 2.1; the line search of Nocedal and Wright, 2006, algorithms 3.5 and 3.6.

    >>> import tapenet as tn
    >>> loss = tn.value_and_grad(lambda p: (p - 3.0) ** 2)
    >>> optimizer, params = lbfgs(), 0.0
    >>> params, state = optimizer.update(loss(params)[1], optimizer.init(params), params, value_and_grad=loss)
    >>> params, state = optimizer.update(state.gradients, state, params, value=state.value, value_and_grad=loss)
    >>> round(float(params), 6)
    3.0
    """
    return Lbfgs(
        learning_rate, checked_count("lbfgs", "memory", memory), checked_flag("lbfgs", "line_search", line_search)
    )
