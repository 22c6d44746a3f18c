"""`Optimizer`, the base of all optimizers, and `Elementwise`, of those that update each element by itself."""

from __future__ import annotations

import abc
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag, checked_number
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Primitive, Shapes
from tapenet.core.pytrees import Tree, TreeSpec, tree_flatten, tree_unflatten
from tapenet.core.record import Parameters, Shape
from tapenet.core.tensor import Tensor, is_kept, unwrap
from tapenet.errors import ArgumentTypeError
from tapenet.kernels.backends import has_machine_code
from tapenet.kernels.formulas import Recorded, recorded
from tapenet.kernels.rows import Rows, rows_of
from tapenet.kernels.updates import FEWEST, GRADIENT
from tapenet.optim.checks import as_number, fitting_leaves, parameter_leaves
from tapenet.optim.describing import settings_html
from tapenet.optim.leafwise import Array, apply_rule, apply_to_rows, is_plain, zeros_for
from tapenet.optim.schedules import Schedule

Params = TypeVar("Params")
ValueAndGrad = Callable[[Any], tuple[Any, Any]]
Columns = Sequence[Sequence[Array]]  # of all leaves the parameters, then each kind of slot


def number_field(interval: str = "[0, inf)") -> Any:
    """Declare a field that holds a number of an interval."""

    def check(optimizer: Optimizer, field: attrs.Attribute[Any], value: Any) -> None:
        checked_number(optimizer.name, field.name, value, interval)

    return attrs.field(converter=as_number, validator=check)


def _check_learning_rate(optimizer: Optimizer, field: attrs.Attribute[Any], value: Any) -> None:
    if not callable(value):
        checked_number(optimizer.name, field.name, value, "[0, inf)", "a number or a schedule (step -> number)")


@attrs.frozen(eq=False)
class Leaves:
    """The leaves of parameters, or of what goes with them, in the place of a pytree that takes longer to take apart."""

    items: tuple[Any, ...]


class Optimizer(abc.ABC):
    """A rule that moves parameters along their gradients, with its settings.

    Made by `sgd`, `adam` and the others, by `chain`, which puts an optimizer and parts in a row, and by `partition`,
    which gives groups of parameters optimizers of their own. It remembers nothing: what it carries from step to step
    is a state, which `init` makes and `update` takes and returns.

        state = optimizer.init(params)
        params, state = optimizer.update(gradients, state, params)

    Parameters are any pytree of floating or complex arrays and scalars. They come back with the same
    structure, shapes and dtypes (a Python float as `numpy.float64`), in new memory; nothing that was passed
    is changed, unless it is donated (`update(..., donate=True)`). Arithmetic and state are in the precision
    of the parameter, but float32 for a float16 one. A parameter that a step leaves as it is, because it is frozen or
    the step is skipped, may come back as the same array.
    Tensors do as well: the update is then recorded, and can be differentiated.

    Complex parameters are updated as pairs of real ones, along the conjugate of the gradient: tapenet's
    gradients are not conjugated (PyTorch's are), so pass them as `tapenet.grad` gives them.

    Attributes:
        name: the function that makes it.
    """

    name: ClassVar[str]

    def _repr_html_(self) -> str:
        return settings_html(self)

    @property
    def reads_gradients_alone(self) -> bool:
        """Whether `update` is known to read the gradients and `value` alone, and never to evaluate the loss.

        A compiled training step then has the loss, its gradient and the update in one program.
        """
        return False

    def of_leaves(self, params: Tree) -> Optimizer | None:
        """Return the optimizer that does with `Leaves` of params what this one does with params; None if not known."""
        return None

    @abc.abstractmethod
    def init(self, params: Tree) -> Any:
        """Make the state that the first `update` takes.

        Args:
            params: pytree of floating or complex arrays and scalars.

        Returns:
            A named tuple: its `step` is 0.

        Raises:
            ArgumentTypeError: a leaf is neither floating nor complex.
        """

    @abc.abstractmethod
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
        """Take one step.

        Args:
            gradients: pytree of the structure and shapes of `params`, as `tapenet.grad` gives it.
            state: what `init` or the last `update` returned.
            params: pytree of floating or complex arrays and scalars.
            value: the loss at `params`. Read by `plateau` and `lbfgs` alone.
            value_and_grad: function from parameters to `(loss, gradients)`. Read by the line search of `lbfgs` alone.
            donate: whether the memory of `state` and `params` may be used for what is returned. It saves the
                memory and the time of new arrays; whatever else holds the old ones sees them change. Arrays that
                do not own their memory, are read-only or come twice are not overwritten.

        Returns:
            The parameters and the state after the step.

        Raises:
            ArgumentError: gradients or state do not have the structure and shapes of `params`, or the
                schedule gave a learning rate that is negative or not finite.
            ArgumentTypeError: a parameter is neither floating nor complex, a gradient is complex where the
                parameter is real, or the state is another optimizer's.
        """


@attrs.frozen
class Rated(Optimizer):
    """What optimizers with a learning rate share.

    Attributes:
        state_type: the named tuple of its states: the number of steps taken, then pytrees like params.
        learning_rate: a number, or a schedule from the number of steps taken so far to a number.
    """

    state_type: ClassVar[type[Any]]

    learning_rate: float | Schedule = attrs.field(converter=as_number, validator=_check_learning_rate)

    def of_leaves(self, params: Tree) -> Optimizer | None:
        """See `Optimizer`."""
        return self if self.reads_gradients_alone else None

    def check_state(self, function: str, state: Any) -> int:
        """Return the number of steps taken, after a check that a state is of this optimizer's kind."""
        if not isinstance(state, self.state_type):
            raise ArgumentTypeError(
                f"{function}: state must be {self.state_type.__name__}, from {self.name}.init or update; "
                f"got {type(state).__name__}. The order is update(gradients, state, params)."
            )
        return state.step if is_kept(state.step) else checked_count(function, "state.step", state.step, 0)

    def rate_at(self, function: str, step: int) -> Any:
        """Return the learning rate of the step after `step` steps."""
        if not callable(self.learning_rate):
            return self.learning_rate
        return checked_number(function, f"learning_rate({step})", self.learning_rate(step), "[0, inf)")


@attrs.frozen
class Elementwise(Rated):
    """An optimizer whose rule updates each element of each leaf by itself."""

    @property
    def reads_gradients_alone(self) -> bool:
        """See `Optimizer`; not of a class with an `update` of its own."""
        return type(self).update is Elementwise.update

    @abc.abstractmethod
    def rule(self, *arrays: Any, **now: Any) -> tuple[Array, ...]:
        """Update one leaf: `(parameter, gradient, *slots, rate=, step=) -> (parameter, *slots)`.

        Elementwise, on real arrays, and pure: made of operators and NumPy functions without `out`.
        `rate` is the learning rate of this step and `step` the number of steps before it.
        """

    def write(self, outputs: Sequence[Array], scratch: Sequence[Array], *arrays: Array, rate: Any, step: int) -> None:
        """Apply the rule to plain arrays, and write what it gives to `outputs`.

        Args:
            outputs: of the parameter and the slots; may be those arrays themselves.
            scratch: two arrays for intermediate results.
        """
        for output, result in zip(outputs, self.rule(*arrays, rate=rate, step=step), strict=True):
            output[...] = result

    def recorded(self, rate: Any, step: int) -> Recorded | None:
        """Return what `write` computes, for code that does the same; None where that is not known."""
        count = len(self.state_type._fields)
        return recorded(partial(self.write, rate=rate, step=step), count + 1, count)

    def init(self, params: Tree) -> Any:
        """Make a state of step 0 and zeros."""
        leaves, spec = parameter_leaves(f"{self.name}.init", params)
        slots = self.state_type._fields[1:]
        return self.state_type(0, *(tree_unflatten(spec, [zeros_for(leaf) for leaf in leaves]) for _ in slots))

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
        """Take one step: see `Optimizer.update`."""
        function = f"{self.name}.update"
        parameters, spec = tree_flatten(params)
        rows = _rows(parameters, spec, gradients, state)
        if rows is None:
            parameters, spec = parameter_leaves(function, params)
        step = self.check_state(function, state)
        donate = checked_flag(function, "donate", donate)
        width = len(state._fields) + 1
        if rows is not None:
            columns = self.moved(step, rows.arrays, width, donate, rows)
        else:
            trees = {"gradients": gradients} | {f"state.{slot}": getattr(state, slot) for slot in state._fields[1:]}
            given = [fitting_leaves(function, name, tree, parameters, spec, params) for name, tree in trees.items()]
            flat = tuple(itertools.chain.from_iterable(zip(parameters, *given, strict=True)))
            kept = self._recorded(function, step, flat, width) if any(map(is_kept, flat)) else None
            columns = self.moved(step, flat, width, donate) if kept is None else kept
        updated, *slots = (tree_unflatten(spec, column) for column in columns)
        return updated, self.state_type(step + 1, *slots)

    def _recorded(self, function: str, step: Any, flat: Sequence[Array], width: int) -> Columns | None:
        """Record the update in a program as one operation, which does as it does eagerly: on all leaves, in few passes.

        Returns None where it is not one, such as with a learning rate that a schedule makes of values of the program.
        """
        settings, spec = tree_flatten(self)
        operands = [*settings, step, *flat]
        if not all(is_kept(x) or is_plain(x) for x in operands):
            return None
        if callable(self.learning_rate) and isinstance(self.rate_at(function, as_plain(step)), Tensor):
            return None
        first = len(settings) + 1
        written = tuple([first + i for i in range(len(flat)) if i % width != GRADIENT])
        moved: Sequence[Array] = _UPDATE(*operands, spec=spec, width=width, written=written)
        return [moved[i :: width - 1] for i in range(width - 1)]

    def moved(self, step: int, arrays: Sequence[Array], width: int, donate: bool, rows: Rows | None = None) -> Columns:
        """Return the parameters after the step, and of each slot the arrays of all parameters.

        Args:
            step: the number of steps before.
            arrays: of each leaf the parameter, its gradient and its slots, one after the other.
            width: how many these are.
            donate: whether to overwrite parameters and slots.
            rows: the arrays, where they are plain and fit.
        """
        rate = self.rate_at(f"{self.name}.update", step)
        in_blocks = self._is_plain_at(rate)
        is_known = in_blocks and type(step) is int
        own = self.recorded(rate, step) if is_known and _is_worth_code(arrays[::width], rows) else None
        columns = apply_to_rows(own, rows, donate=donate) if own is not None and rows is not None else None
        if columns is not None:
            return columns
        rule, write = partial(self.rule, rate=rate, step=step), partial(self.write, rate=rate, step=step)
        leaves = [tuple(arrays[i : i + width]) for i in range(0, len(arrays), width)]
        moved = apply_rule(rule, write, leaves, recorded=own, in_blocks=in_blocks, donate=donate)
        return [[row[i] for row in moved] for i in range(width - 1)]

    def _is_plain_at(self, rate: Any) -> bool:
        """Return whether all settings are Python floats, which leave the dtype of an array as it is."""
        return type(rate) is float and all(type(getattr(self, name)) is float for name in _settings_of(type(self)))


def _rows(parameters: Sequence[Array], spec: TreeSpec, gradients: Tree, state: Any) -> Rows | None:
    """Return plain arrays that fit leaf for leaf; None where they do not, or are not known to."""
    if not parameters or type(parameters[0]) is not np.ndarray or not has_machine_code():
        return None
    columns = [parameters]
    for tree in (gradients, *state[1:]) if isinstance(state, tuple) else ():
        leaves, own = tree_flatten(tree)
        if own != spec:
            return None
        columns.append(leaves)
    return rows_of(tuple(itertools.chain.from_iterable(zip(*columns, strict=True))), len(columns))


def _is_worth_code(parameters: Sequence[Array], rows: Rows | None) -> bool:
    """Return whether parameters have so many elements that compiled code is called for them."""
    if not has_machine_code():
        return False
    total = rows.total if rows is not None else sum([getattr(x, "size", 1) for x in parameters])
    return bool(total >= FEWEST)


@functools.cache
def _settings_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the settings of a class of optimizers, without the learning rate."""
    return tuple([field.name for field in attrs.fields(kind) if field.name != "learning_rate"])


def as_plain(number: Any) -> Any:
    """Return a number of a program, such as a count of steps, as a Python number."""
    number = unwrap(number)
    return number.item() if hasattr(number, "item") else number


def with_plain_settings(spec: TreeSpec, settings: Sequence[Any]) -> Any:
    """Return an optimizer of a structure with these settings, as Python numbers: they leave dtypes as they are."""
    plain = [as_number(setting) for setting in settings]
    if all(type(setting) is float for setting in plain):
        return _with_settings(spec, *plain)
    return tree_unflatten(spec, plain)


@functools.lru_cache(maxsize=64)
def _with_settings(spec: TreeSpec, *settings: float) -> Any:
    return tree_unflatten(spec, settings)


def _update(
    *operands: Array, spec: TreeSpec, width: int, written: tuple[int, ...], donate: bool = False
) -> tuple[Array, ...]:
    count = spec.num_leaves
    optimizer: Elementwise = with_plain_settings(spec, operands[:count])
    step, *flat = operands[count:]
    columns = optimizer.moved(int(step), flat, width, donate, rows_of(tuple(flat), width))
    return tuple(itertools.chain.from_iterable(zip(*columns, strict=True)))


def _flops(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    """Count some three operations for each element of gradients, parameters and states."""
    return 3 * sum(math.prod(shape) for shape in shapes if shape is not None)


def update_of(function: Callable[..., tuple[Array, ...]]) -> Primitive:
    """Return the operation of an update: a choice, which may write into parameters and states that are given up."""
    made = choice(function, name="update", shape_depends_on="shapes")
    return attrs.evolve(made, flops=_flops, takes_donations=True)


_UPDATE = update_of(_update)


def with_decay(gradient: Array, parameter: Array, weight_decay: Any) -> Array:
    """Add the gradient of the penalty `weight_decay / 2 * sum(parameter ** 2)`."""
    # A Tensor of zero goes the long way, because a derivative with respect to it is not zero.
    if isinstance(weight_decay, float) and weight_decay == 0:
        return gradient
    return gradient + weight_decay * parameter
