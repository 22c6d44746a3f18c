"""Optimizers whose rule looks at a whole leaf: at norms of it, or at sums over its rows and columns."""

from __future__ import annotations

import abc
import math
from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_flag, checked_number
from tapenet.core.leaf_checks import dtype_of
from tapenet.core.pytrees import Tree, tree_unflatten
from tapenet.errors import ArgumentTypeError
from tapenet.optim.adaptive import running_mean
from tapenet.optim.checks import as_number, fitting_leaves, parameter_leaves
from tapenet.optim.in_programs import updated_in_program
from tapenet.optim.leafwise import Array, as_dtype, is_plain, working_dtype
from tapenet.optim.moments import AdamState
from tapenet.optim.norms import norm_of
from tapenet.optim.optimizer import Optimizer, Params, Rated, ValueAndGrad, number_field
from tapenet.optim.schedules import Schedule

Shape = tuple[int, ...]


class AdafactorState(NamedTuple):
    """The number of steps taken, and for each parameter running means of its squared gradients.

    Of a matrix, or a stack of matrices, those over each row and each column; of a vector or a scalar that of each
    element in `rows`, and an empty array in `columns`.
    """

    step: int
    rows: Tree
    columns: Tree


@attrs.frozen
class WholeLeaf(Rated):
    """An optimizer whose rule takes the arrays of one leaf at a time, as real arrays."""

    @property
    def reads_gradients_alone(self) -> bool:
        """See `Optimizer`; not of a class with an `update` of its own."""
        return type(self).update is WholeLeaf.update

    @abc.abstractmethod
    def rule(self, parameter: Array, gradient: Array, *slots: Array, rate: Any, step: int) -> tuple[Array, ...]:
        """Update one leaf, to `(parameter, *slots)`. The last axis of complex leaves holds pairs of real numbers."""

    def slot_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Return the shapes of the slots of a leaf: the arrays that its state holds."""
        return (shape,) * (len(self.state_type._fields) - 1)

    def init(self, params: Tree) -> Any:
        """Make a state of step 0 and zeros."""
        leaves, spec = parameter_leaves(f"{self.name}.init", params)
        columns = zip(*(self._zeros(leaf) for leaf in leaves), strict=True) if leaves else [()] * self._slot_count
        return self.state_type(0, *(tree_unflatten(spec, list(column)) for column in columns))

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
        function = f"{self.name}.update"
        parameters, spec = parameter_leaves(function, params)
        step = self.check_state(function, state)
        checked_flag(function, "donate", donate)
        columns = [fitting_leaves(function, "gradients", gradients, parameters, spec, params)]
        recorded = updated_in_program(self, gradients, state, params, value)
        if recorded is not None:
            return recorded[:2]
        wanted = [self._zeros(leaf) for leaf in parameters]
        for i, slot in enumerate(state._fields[1:]):
            likes = [row[i] for row in wanted]
            columns.append(fitting_leaves(function, f"state.{slot}", getattr(state, slot), likes, spec, params, ""))
        rate = self.rate_at(function, step)
        rows = [self._carried(*row, rate=rate, step=step) for row in zip(parameters, *columns, strict=True)]
        updated, *slots = (tree_unflatten(spec, [row[i] for row in rows]) for i in range(1 + self._slot_count))
        return updated, self.state_type(step + 1, *slots)

    @property
    def _slot_count(self) -> int:
        return len(self.state_type._fields) - 1

    def _zeros(self, leaf: Array) -> list[Array]:
        dtype = working_dtype(leaf)
        shapes = self.slot_shapes(np.shape(leaf))
        return [np.zeros(s, dtype) if is_plain(leaf) else np.zeros_like(leaf, dtype=dtype, shape=s) for s in shapes]

    def _carried(self, parameter: Array, gradient: Array, *slots: Array, rate: Any, step: int) -> tuple[Array, ...]:
        working = working_dtype(parameter)
        parts = [as_dtype(array, working) for array in (parameter, gradient, *slots)]
        if working.kind == "c":
            parts = [_as_pairs(x) for x in (parts[0], parts[1].conj(), *parts[2:])]
        results = self.rule(*parts, rate=rate, step=step)
        if working.kind == "c":
            results = tuple(x[..., 0] + 1j * x[..., 1] for x in results)
        new, *remembered = results
        new = as_dtype(new, dtype_of(parameter))
        is_scalar = is_plain(new) and not isinstance(parameter, np.ndarray)
        return (new[()] if is_scalar else new, *(as_dtype(x, working) for x in remembered))


def _as_pairs(x: Array) -> Array:
    return np.stack([x.real, x.imag], axis=-1)


@attrs.frozen
class Lamb(WholeLeaf):
    """See `lamb`."""

    name: ClassVar[str] = "lamb"
    state_type: ClassVar[type[Any]] = AdamState

    b1: float = number_field("[0, 1)")
    b2: float = number_field("[0, 1)")
    eps: float = number_field()
    weight_decay: float = number_field()

    def rule(self, parameter: Array, gradient: Array, *slots: Array, rate: Any, step: int) -> tuple[Array, ...]:
        mean, square_mean = slots
        mean = running_mean(mean, gradient, self.b1)
        square_mean = running_mean(square_mean, gradient * gradient, self.b2)
        root = np.sqrt(square_mean / (1 - self.b2 ** (step + 1)))
        direction = mean / (1 - self.b1 ** (step + 1)) / (root + self.eps) + self.weight_decay * parameter
        size, length = norm_of([parameter]), norm_of([direction])
        return parameter - rate * _trust(size, length) * direction, mean, square_mean


def _check_eps(optimizer: Optimizer, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        checked_number(optimizer.name, field.name, value, "[0, inf)", "a real number or None")


def _eps_field() -> Any:
    return attrs.field(converter=as_number, validator=_check_eps)


@attrs.frozen
class Adafactor(WholeLeaf):
    """See `adafactor`."""

    name: ClassVar[str] = "adafactor"
    state_type: ClassVar[type[Any]] = AdafactorState

    b2_power: float = number_field("(-inf, 0]")
    eps: float | None = _eps_field()
    min_scale: float = number_field()
    clip: float = number_field("[1, inf)")
    weight_decay: float = number_field()

    def slot_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """Return the shapes of the means of rows and of columns."""
        if len(shape) < 2:
            return shape, (0,)
        return (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])

    def rule(self, parameter: Array, gradient: Array, *slots: Array, rate: Any, step: int) -> tuple[Array, ...]:
        if parameter.size == 0:
            return (parameter, *slots)
        eps = float(np.finfo(parameter.dtype).eps) if self.eps is None else self.eps
        new = float(step + 1) ** self.b2_power
        slots, square_mean = self._square_mean(gradient, slots, new, eps)
        direction = gradient / np.sqrt(np.maximum(square_mean, eps * eps))
        count = math.sqrt(parameter.size)
        scale = _at_least(self.min_scale, norm_of([parameter]) / count) * _at_most(1 / math.sqrt(step + 1), rate)
        clip = _at_least(1.0, norm_of([direction]) / (count * self.clip))
        return (parameter * (1 - rate * self.weight_decay) - scale / clip * direction, *slots)

    def _square_mean(self, gradient: Array, slots: Any, new: Any, eps: Any) -> tuple[Any, Array]:
        """Update the slots by the part `new` of a gradient, and estimate the mean square of each element from them."""
        rows, columns = slots
        squares = gradient * gradient
        if gradient.ndim < 2:
            rows = rows + new * (squares - rows)
            return (rows, columns), rows
        rows = rows + new * (squares.mean(axis=-1, keepdims=True) - rows)
        columns = columns + new * (squares.mean(axis=-2, keepdims=True) - columns)
        return (rows, columns), rows * columns / np.maximum(rows.mean(axis=-2, keepdims=True), eps)

    def init(self, params: Tree) -> Any:
        """Make a state of step 0 and zeros."""
        for leaf in parameter_leaves("adafactor.init", params)[0]:
            if dtype_of(leaf).kind == "c":
                raise ArgumentTypeError(
                    f"adafactor.init: params must be real; got {dtype_of(leaf)}. Hold the real and the imaginary part "
                    "as two parameters."
                )
        return super().init(params)


# What branches by values takes both ways of a Tensor, so that it can be mapped by `vmap`.


def _trust(size: Any, length: Any) -> Any:
    """Return the quotient of two norms; 1 if one is 0."""
    if is_plain(size) and is_plain(length):
        return size / length if size > 0 and length > 0 else 1.0
    some = np.logical_and(size > 0, length > 0)
    return np.where(some, size / np.where(some, length, 1.0), 1.0)


def _at_least(bound: Any, x: Any) -> Any:
    return (x if x > bound else bound) if is_plain(x) else np.where(x > bound, x, bound)


def _at_most(bound: Any, x: Any) -> Any:
    return (x if x < bound else bound) if is_plain(x) else np.where(x < bound, x, bound)


def lamb(
    learning_rate: float | Schedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that is `adamw` with steps in proportion to the norm of each parameter, for large batches.

        m <- b1 * m + (1 - b1) * g               m = s = 0 at first
        s <- b2 * s + (1 - b2) * g^2
        u <- (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps) + weight_decay * p     t = 1 in the first step
        p <- p - learning_rate * ||p|| / ||u|| * u     norms of whole arrays; 1 for their quotient if one is 0

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one.
        b1: number in [0, 1); how much of the mean of gradients is kept at each step.
        b2: number in [0, 1); how much of the mean of squares is kept at each step.
        eps: number of at least 0; keeps the quotient finite.
        weight_decay: number of at least 0; the weight of the parameter in the direction of a step.

    Returns:
        An `Optimizer`; its state is `AdamState(step, mean, square_mean)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: You et al., 2020, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes",
    arXiv:1904.00962, algorithm 2.

    >>> optimizer = lamb(0.1)
    >>> params, state = optimizer.update(2.0, optimizer.init(3.0), 3.0)
    >>> round(float(params), 6)
    2.7
    """
    return Lamb(learning_rate, b1, b2, eps, weight_decay)


def adafactor(
    learning_rate: float | Schedule = 1e-2,
    b2_power: float = -0.8,
    eps: float | None = None,
    min_scale: float = 1e-3,
    clip: float = 1.0,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Make the optimizer that keeps the mean of squared gradients by rows and columns alone, to save memory.

        R <- R + t^b2_power * (mean of g^2 over each row - R)        t = 1 in the first step
        C <- C + t^b2_power * (mean of g^2 over each column - C)
        u <- g / sqrt(max(R C / max(mean of R, eps), eps^2))
        a <- max(min_scale, rms(p)) * min(learning_rate, 1 / sqrt(t))     rms(p) = ||p|| / sqrt(size of p)
        p <- (1 - learning_rate * weight_decay) * p - a * u / max(1, rms(u) / clip)

    Rows and columns are the last two axes. Of vectors and scalars the mean of squares of each element is kept.
    Parameters are real.

    Args:
        learning_rate: number of at least 0, or a schedule from the number of steps taken to one; relative to the
            size of the parameters.
        b2_power: number of at most 0; how fast the weight of a new gradient falls.
        eps: number of at least 0, or None for the machine epsilon of the parameter's dtype.
        min_scale: number of at least 0; what counts as the size of smaller parameters.
        clip: number of at least 1; the largest root mean square of a direction.
        weight_decay: number of at least 0; the part of a parameter that a learning rate of 1 takes away.

    Returns:
        An `Optimizer`; its state is `AdafactorState(step, rows, columns)`.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number.

    Source: Shazeer and Stern, 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    arXiv:1804.04235, algorithms 4 and 5; with the relative step size and the defaults of PyTorch.

    >>> optimizer = adafactor(0.1)
    >>> params, state = optimizer.update(np.full((2, 3), 4.0), optimizer.init(np.ones((2, 3))), np.ones((2, 3)))
    >>> round(float(params[0, 0]), 6), state.rows.shape, state.columns.shape
    (0.9, (2, 1), (1, 3))
    """
    return Adafactor(learning_rate, b2_power, eps, min_scale, clip, weight_decay)
