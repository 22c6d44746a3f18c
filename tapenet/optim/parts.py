"""Parts that `chain` puts in a row with an optimizer: each transforms gradients before it, or steps after it."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Literal, NamedTuple

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag, checked_number, shown
from tapenet.core.pytrees import Tree, static_field, tree_leaves, tree_map
from tapenet.errors import ArgumentTypeError, NumericalError
from tapenet.optim.checks import as_number, leaf_choices
from tapenet.optim.describing import settings_html
from tapenet.optim.leafwise import Array, as_dtype, is_plain, working_dtype, zeros_for
from tapenet.optim.norms import norm_of
from tapenet.optim.optimizer import Leaves
from tapenet.optim.schedules import Schedule

Mask = Any  # a pytree of bools, or a function (path, leaf) -> bool
Place = Literal["before", "after", "anywhere"]


class _Skipped:
    """What stands for gradients with which no step is to be taken."""

    def __reduce__(self) -> str:
        return "SKIPPED"


SKIPPED = _Skipped()


@attrs.frozen
class Part(abc.ABC):
    """A part of a `chain`: before the optimizer it transforms gradients, after it steps.

    It holds no state: what passes from step to step is a value, which `init` makes and `apply` takes and
    returns. A part of your own is a frozen attrs class that derives from this one.

    Attributes:
        name: the function that makes it.
        place: whether it may stand before the optimizer, after it, or anywhere.
    """

    name: ClassVar[str]
    place: ClassVar[Place] = "anywhere"

    def _repr_html_(self) -> str:
        return settings_html(self)

    def init(self, params: Tree) -> Any:
        """Make the first state, a pytree; None for a part without one."""
        return None

    def of_leaves(self, params: Tree) -> Part | None:
        """Return the part that does with `Leaves` of params what this one does with params; None if not known."""
        return None

    @abc.abstractmethod
    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Transform gradients or steps, pytrees like `params`.

        Args:
            updates: gradients before the optimizer, steps after it.
            state: what `init` or the last `apply` returned.
            params: the parameters before the step.
            value: the loss at `params`, or None where it was not given to `update`.

        Returns:
            What takes the place of `updates`, or `SKIPPED` for no step at all; and the next state.
        """


@attrs.frozen
class PartOfLeaves(Part):
    """A part to which the structure of parameters says nothing."""

    def of_leaves(self, params: Tree) -> Part | None:
        """See `Part`."""
        return self


def _field(interval: str) -> Any:
    def check(part: Part, field: attrs.Attribute[Any], value: Any) -> None:
        checked_number(part.name, field.name, value, interval)

    return attrs.field(converter=as_number, validator=check)


def _scaled(updates: Tree, factor: Any) -> Tree:
    """Multiply every leaf by a number, in the leaf's own dtype."""
    if type(factor) is float:
        return tree_map(lambda leaf: leaf * factor, updates)
    return tree_map(lambda leaf: leaf * as_dtype(factor, getattr(leaf, "dtype", np.dtype(float))), updates)


# ---- clipping ----


@attrs.frozen
class ClipByValue(PartOfLeaves):
    """See `clip_by_value`."""

    name: ClassVar[str] = "clip_by_value"

    limit: float = _field("[0, inf)")

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Clip every element."""
        return tree_map(self._clipped, updates), state

    def _clipped(self, leaf: Array) -> Array:
        if np.iscomplexobj(leaf):
            return self._clipped(leaf.real) + 1j * self._clipped(leaf.imag)
        return np.minimum(np.maximum(leaf, -self.limit), self.limit)


@attrs.frozen
class ClipByGlobalNorm(PartOfLeaves):
    """See `clip_by_global_norm`."""

    name: ClassVar[str] = "clip_by_global_norm"

    limit: float = _field("(0, inf)")

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Scale all leaves down where their common norm is too large."""
        norm = norm_of(tree_leaves(updates))
        if is_plain(norm) and is_plain(self.limit):
            return (_scaled(updates, self.limit / norm) if norm > self.limit else updates), state
        is_large = norm > self.limit  # of a Tensor both ways are taken, so that it can be mapped by `vmap`
        return _scaled(updates, np.where(is_large, self.limit / np.where(is_large, norm, 1.0), 1.0)), state


def clip_by_value(limit: float) -> Part:
    """Make the part that brings every element to between -limit and limit.

    Args:
        limit: number of at least 0. Real and imaginary parts are clipped apart.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not a real number.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.clip_by_value(1.0), optim.sgd(0.5))
    >>> optimizer.update(8.0, optimizer.init(1.0), 1.0)[0]
    np.float64(0.5)
    """
    return ClipByValue(limit)


def clip_by_global_norm(limit: float) -> Part:
    """Make the part that scales all leaves by one factor, so that the norm of all of them is at most `limit`.

        g <- g * min(1, limit / ||g||)     ||g|| over all leaves, `tn.tree.norm`

    A norm that is NaN or infinite makes NaN of gradients: put `skip_nonfinite()` before it where that may be.

    Args:
        limit: number above 0.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not a real number.

    Source: Pascanu, Mikolov and Bengio, 2013, "On the difficulty of training recurrent neural networks",
    arXiv:1211.5063, algorithm 1.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(1.0))
    >>> params, _ = optimizer.update([3.0, 4.0], optimizer.init([0.0, 0.0]), [0.0, 0.0])
    >>> [round(float(p), 6) for p in params]
    [-0.6, -0.8]
    """
    return ClipByGlobalNorm(limit)


# ---- scaling ----


@attrs.frozen
class Scale(PartOfLeaves):
    """See `scale`."""

    name: ClassVar[str] = "scale"

    factor: float = _field("(-inf, inf)")

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Multiply every leaf by the factor."""
        return _scaled(updates, self.factor), state


class ScaleByScheduleState(NamedTuple):
    """The number of times that the part was applied."""

    step: int


@attrs.frozen
class ScaleBySchedule(PartOfLeaves):
    """See `scale_by_schedule`."""

    name: ClassVar[str] = "scale_by_schedule"

    schedule: Schedule = static_field()

    def init(self, params: Tree) -> Any:
        """Start at step 0."""
        return ScaleByScheduleState(0)

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Multiply every leaf by the schedule's number."""
        factor = checked_number(self.name, f"schedule({state.step})", self.schedule(state.step))
        return _scaled(updates, factor), ScaleByScheduleState(state.step + 1)


def scale(factor: float) -> Part:
    """Make the part that multiplies gradients or steps by a number.

    Args:
        factor: number; a negative one turns the direction round, for a function to be maximized.

    Raises:
        ArgumentError: the number is not finite.
        ArgumentTypeError: the argument is not a real number.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.scale(-1.0), optim.sgd(0.5))
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)[0]
    np.float64(2.0)
    """
    return Scale(factor)


def scale_by_schedule(schedule: Schedule) -> Part:
    """Make the part that multiplies gradients or steps by a number that changes during the training.

    After the optimizer it multiplies what the learning rate has given; before an optimizer such as `adam`, which
    does not depend on the size of the gradients, it changes little.

    Args:
        schedule: function from the number of times that the part was applied, 0 at first, to a number.

    Raises:
        ArgumentTypeError: the argument is not a function.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.sgd(0.5), optim.scale_by_schedule(optim.exponential_decay(1.0, 0.5)))
    >>> params, state = optimizer.update(2.0, optimizer.init(1.0), 1.0)
    >>> optimizer.update(2.0, state, params)[0]
    np.float64(-0.5)
    """
    if not callable(schedule):
        raise ArgumentTypeError(
            f"scale_by_schedule: schedule must be a function (step -> number); got {shown(schedule)}."
        )
    return ScaleBySchedule(schedule)


class PlateauState(NamedTuple):
    """The state of `plateau`.

    Attributes:
        scale: the factor of steps.
        best: the best mean of values so far.
        waited: the number of means since, or, below 0, those to wait for before counting.
        total, taken: the sum and the number of the values since the last mean.
    """

    scale: float
    best: float
    waited: int
    total: float
    taken: int


@attrs.frozen
class Plateau(PartOfLeaves):
    """See `plateau`."""

    name: ClassVar[str] = "plateau"
    place: ClassVar[Place] = "after"

    factor: float = _field("(0, 1)")
    patience: int = static_field()
    every: int = static_field()
    threshold: float = _field("[0, 1)")
    cooldown: int = static_field()
    min_scale: float = _field("[0, 1]")

    def init(self, params: Tree) -> Any:
        """Start with whole steps."""
        return PlateauState(1.0, float("inf"), 0, 0.0, 0)

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Multiply steps by a factor that falls when the values do not."""
        if value is None:
            raise ArgumentTypeError("plateau: value must be given; write optimizer.update(..., value=loss).")
        total, taken = state.total + float(value), state.taken + 1
        new = state._replace(total=total, taken=taken) if taken < self.every else self._observed(state, total / taken)
        return (updates if new.scale == 1 else _scaled(updates, float(new.scale))), new

    def _observed(self, state: PlateauState, mean: float) -> PlateauState:
        """Compare a mean with the best."""
        state = state._replace(total=0.0, taken=0)
        margin = self.threshold * abs(state.best) if np.isfinite(state.best) else 0.0
        if mean < state.best - margin:
            return state._replace(best=mean, waited=min(state.waited + 1, 0) if state.waited < 0 else 0)
        waited = state.waited + 1
        if waited <= self.patience:
            return state._replace(waited=waited)
        return state._replace(scale=max(state.scale * self.factor, self.min_scale), waited=-self.cooldown)


def plateau(
    factor: float = 0.1,
    patience: int = 10,
    *,
    every: int = 1,
    threshold: float = 1e-4,
    cooldown: int = 0,
    min_scale: float = 0.0,
) -> Part:
    """Make the part that makes steps smaller when the loss has stopped falling. It stands after the optimizer.

    It reads `optimizer.update(..., value=loss)`. With `every=n` it looks at the means of n values: with as many as an
    epoch has steps, at the training loss of epochs.

    Args:
        factor: number in (0, 1), by which steps are multiplied.
        patience: integer of at least 0; so many means in a row may be no better than the best.
        every: integer of at least 1; how many values make a mean.
        threshold: number in [0, 1); a better mean is smaller by more than this part of the best.
        cooldown: integer of at least 0; how many means do not count after a change.
        min_scale: number in [0, 1]; the smallest product of factors.

    Raises:
        ArgumentError: a number out of its range.
        ArgumentTypeError: an argument that is not a real number, or not an integer.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.sgd(0.5), plateau(0.5, patience=1))
    >>> params, state = 0.0, optimizer.init(0.0)
    >>> for loss in (3.0, 3.0, 3.0):
    ...     params, state = optimizer.update(1.0, state, params, value=loss)
    >>> state.parts[1].scale, params
    (0.5, np.float64(-1.25))
    """
    return Plateau(
        factor,
        checked_count("plateau", "patience", patience, 0),
        checked_count("plateau", "every", every),
        threshold,
        checked_count("plateau", "cooldown", cooldown, 0),
        min_scale,
    )


# ---- weight decay ----


@attrs.frozen
class AddDecayedWeights(Part):
    """See `add_decayed_weights`."""

    name: ClassVar[str] = "add_decayed_weights"
    place: ClassVar[Place] = "before"

    weight_decay: float = _field("[0, inf)")
    mask: Mask = static_field()

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Add a part of the parameter to its gradient."""
        return tree_map(self._decayed, updates, params, self._mask(params)), state

    def of_leaves(self, params: Tree) -> Part | None:
        """See `Part`."""
        return attrs.evolve(self, mask=Leaves(tuple(tree_leaves(self._mask(params)))))

    def init(self, params: Tree) -> Any:
        """Check the mask; there is no state."""
        self._mask(params)

    def _mask(self, params: Tree) -> Tree:
        choices = leaf_choices(self.name, "mask", self.mask, params)
        for path, choice in choices:
            checked_flag(self.name, f"mask of {path}", choice)
        rest = iter(choices)
        return tree_map(lambda leaf: next(rest)[1], params)

    def _decayed(self, gradient: Array, parameter: Array, decays: bool) -> Array:
        if not decays:
            return gradient
        wide = as_dtype(parameter, working_dtype(parameter))
        # Of a complex parameter the conjugate, as gradients are conjugates of directions.
        return gradient + self.weight_decay * (wide.conj() if np.iscomplexobj(wide) else wide)


def add_decayed_weights(weight_decay: float, mask: Mask = True) -> Part:
    """Make the part that adds `weight_decay * p` to the gradient of p: the penalty ||p||^2 / 2 in the loss.

    It stands before the optimizer, as the `weight_decay` of `adam` does, and is for some parameters only where a mask
    says so: biases and the scales of normalizations are not to decay as a rule. For the decay of `adamw` by groups
    see `partition`.

    Args:
        weight_decay: number of at least 0.
        mask: True or False for all; a pytree of them, of the structure of the parameters or a prefix of it; or a
            function from `(path, leaf)` to one, with a path such as `params.conv1.kernel`.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not a real number. When it is used: a mask that does not fit.

    >>> from tapenet import optim
    >>> decay = add_decayed_weights(0.5, mask=lambda path, leaf: leaf.ndim > 1)
    >>> optimizer = optim.chain(decay, optim.sgd(1.0))
    >>> params = {"bias": np.ones(1), "kernel": np.ones((1, 1))}
    >>> optimizer.update({"bias": np.zeros(1), "kernel": np.zeros((1, 1))}, optimizer.init(params), params)[0]
    {'bias': array([1.]), 'kernel': array([[0.5]])}
    """
    return AddDecayedWeights(weight_decay, mask)


# ---- means ----


class EmaState(NamedTuple):
    """The number of times that the part was applied, and the running mean of each parameter's gradients or steps."""

    step: int
    mean: Tree


@attrs.frozen
class Ema(PartOfLeaves):
    """See `ema`."""

    name: ClassVar[str] = "ema"

    decay: float = _field("[0, 1)")
    debias: bool = static_field()

    def init(self, params: Tree) -> Any:
        """Start with zeros."""
        return EmaState(0, tree_map(zeros_for, params))

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Return the mean of the gradients or steps in their place."""
        step = state.step + 1
        mean = tree_map(self._moved, params, state.mean, updates)  # the static fields are those of `params`
        given = _scaled(mean, 1 / (1 - self.decay**step)) if self.debias else mean
        return given, EmaState(step, mean)

    def _moved(self, parameter: Array, mean: Array, x: Array) -> Array:
        return self.decay * mean + (1 - self.decay) * as_dtype(x, mean.dtype)


def ema(decay: float, debias: bool = True) -> Part:
    """Make the part that gives the running mean of gradients, or of steps, in their place.

        m <- decay * m + (1 - decay) * g     m = 0 at first
        g <- m / (1 - decay^t)               t = 1 in the first step; m itself without debias

    For a mean of the parameters see `average_params`.

    Args:
        decay: number in [0, 1); how much of the mean is kept.
        debias: whether the zero that it starts from is taken out.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not a real number, or `debias` is not True or False.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.ema(0.5), optim.sgd(0.5))
    >>> optimizer.update(2.0, optimizer.init(1.0), 1.0)[0]
    np.float64(0.0)
    """
    return Ema(decay, checked_flag("ema", "debias", debias))


class AverageParamsState(NamedTuple):
    """The running mean of each parameter."""

    mean: Tree


@attrs.frozen
class AverageParams(PartOfLeaves):
    """See `average_params`."""

    name: ClassVar[str] = "average_params"
    place: ClassVar[Place] = "after"

    decay: float = _field("[0, 1)")

    def init(self, params: Tree) -> Any:
        """Start with the parameters."""
        return AverageParamsState(tree_map(lambda leaf: +as_dtype(leaf, working_dtype(leaf)), params))

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Take the parameters after the step into the mean; the step is unchanged."""
        mean = tree_map(self._carried, params, state.mean, updates)  # the static fields are those of `params`
        return updates, AverageParamsState(mean)

    def _carried(self, parameter: Array, mean: Array, step: Array) -> Array:
        new = as_dtype(parameter, mean.dtype) + as_dtype(step, mean.dtype)
        return self.decay * mean + (1 - self.decay) * new


def average_params(decay: float) -> Part:
    """Make the part that keeps a running mean of the parameters, which often tests better than the last ones do.

        m <- decay * m + (1 - decay) * p     p after the step; m is p before the first

    It stands after the optimizer and changes nothing. The mean is `state.parts[i].mean`, for the i-th part of the
    chain: a model, where the parameters are one. Its static fields, such as the running statistics of `nn.BatchNorm`,
    are those of the last parameters that were given to `update`.

    Args:
        decay: number in [0, 1), such as 0.999; how much of the mean is kept.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not a real number.

    Source: Polyak and Juditsky, 1992, "Acceleration of Stochastic Approximation by Averaging", SIAM Journal on
    Control and Optimization 30(4).

    >>> from tapenet import optim
    >>> optimizer = optim.chain(optim.sgd(1.0), average_params(0.5))
    >>> params, state = optimizer.update(2.0, optimizer.init(0.0), 0.0)
    >>> params, state.parts[1].mean
    (np.float64(-2.0), np.float64(-1.0))
    """
    return AverageParams(decay)


# ---- steps that are left out ----


class AccumulateState(NamedTuple):
    """How many gradients are in the sum, and the sum."""

    taken: int
    total: Tree


@attrs.frozen
class Accumulate(PartOfLeaves):
    """See `accumulate`."""

    name: ClassVar[str] = "accumulate"
    place: ClassVar[Place] = "before"

    steps: int = static_field()

    def init(self, params: Tree) -> Any:
        """Start with zeros."""
        return AccumulateState(0, tree_map(zeros_for, params))

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Add gradients up, and give their mean when there are enough."""
        total = tree_map(lambda p, t, g: t + as_dtype(g, t.dtype), params, state.total, updates)
        if state.taken + 1 < self.steps:
            return SKIPPED, AccumulateState(state.taken + 1, total)
        return _scaled(total, 1 / self.steps), self.init(params)


def accumulate(steps: int) -> Part:
    """Make the part that waits for `steps` gradients, and passes on their mean: as if their batches were one.

    The parts after it, and the optimizer, are not run in between: the parameters come back as they are.

    Args:
        steps: integer of at least 1.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is not an integer.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(accumulate(2), optim.sgd(1.0))
    >>> params, state = optimizer.update(2.0, optimizer.init(0.0), 0.0)
    >>> params, optimizer.update(4.0, state, params)[0]
    (0.0, np.float64(-3.0))
    """
    return Accumulate(checked_count("accumulate", "steps", steps))


class SkipNonfiniteState(NamedTuple):
    """How many steps were left out, in all and since the last that was not."""

    skipped: int
    in_a_row: int


@attrs.frozen
class SkipNonfinite(PartOfLeaves):
    """See `skip_nonfinite`."""

    name: ClassVar[str] = "skip_nonfinite"
    place: ClassVar[Place] = "before"

    limit: int | None = static_field()

    def init(self, params: Tree) -> Any:
        """Start with none."""
        return SkipNonfiniteState(0, 0)

    def apply(self, updates: Tree, state: Any, params: Tree, value: Any) -> tuple[Tree, Any]:
        """Return the gradients if all are finite; else skip the step, or raise beyond the limit."""
        if all(bool(np.all(np.isfinite(leaf))) for leaf in tree_leaves(updates)):
            return updates, state._replace(in_a_row=0)
        if self.limit is not None and state.in_a_row >= self.limit:
            raise NumericalError(
                f"skip_nonfinite: gradients must be finite after at most {self.limit} that are not; got "
                f"{state.in_a_row + 1} in a row. Find the operation by `with tn.checks():`, or lower the learning rate."
            )
        return SKIPPED, SkipNonfiniteState(state.skipped + 1, state.in_a_row + 1)


def skip_nonfinite(limit: int | None = None) -> Part:
    """Make the part that leaves out a step whose gradients hold NaN or infinity.

    Parameters and states are unchanged, but for the count of such steps in this part's own state.

    Args:
        limit: integer of at least 0: more such steps in a row are an error; None for no limit.

    Raises:
        ArgumentError: the number is out of its range.
        ArgumentTypeError: the argument is neither an integer nor None.
        NumericalError: when it is used, after more than `limit` such steps in a row.

    >>> from tapenet import optim
    >>> optimizer = optim.chain(skip_nonfinite(), optim.adam())
    >>> params, state = optimizer.update(np.nan, optimizer.init(1.0), 1.0)
    >>> params, state.parts[0]
    (1.0, SkipNonfiniteState(skipped=1, in_a_row=1))
    """
    return SkipNonfinite(None if limit is None else checked_count("skip_nonfinite", "limit", limit, 0))
