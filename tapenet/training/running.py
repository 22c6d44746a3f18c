"""`Run`, what a training has reached; steps of it; and the evaluation of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_flag, checked_function, checked_rng, shown
from tapenet.core.pytrees import Tree, tree_leaves, tree_map
from tapenet.data.prefetching import checked_iterable
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.optim import Optimizer, Part
from tapenet.optim.in_programs import is_of_fields, updated_in_program
from tapenet.optim.optimizer import Elementwise
from tapenet.program.compiling.functions import compile_ahead
from tapenet.training.history import History
from tapenet.transforms.gradient import value_and_grad

Model = TypeVar("Model")
Loss = Callable[..., tuple[Any, Any]]
Metric = Callable[[Any, Any], Any]
Metrics = Mapping[str, Metric] | Sequence[Metric]


@attrs.frozen(eq=False)
class Run:
    """What a training has reached, at the end of an epoch. Callbacks get it, and may return another.

    Attributes:
        model: as the last step left it.
        state: of the optimizer.
        epoch: how many epochs are done.
        step: how many steps were taken.
        history: a row for each epoch.
        stop: whether the training is to end here.
    """

    model: Any
    state: Any
    epoch: int = 0
    step: int = 0
    history: History = attrs.field(factory=History)
    stop: bool = False

    def stopped(self) -> Run:
        """Return the run as one that is to end here."""
        return attrs.evolve(self, stop=True)


# ---- steps ----


@attrs.frozen
class Update:
    """The loss, its gradient and the update of an optimizer that reads gradients alone, as one function to compile."""

    optimizer: Optimizer
    value_and_grad: Callable[..., Any]

    @property
    def __name__(self) -> str:
        return "the training step"  # in warnings of why it runs eagerly

    def __call__(self, model: Any, state: Any, arguments: tuple[Any, ...], rng: np.random.Generator) -> Any:
        """Return the model and the state after the step, whether the optimizer left the step out, and the loss."""
        (value, trained), gradients = self.value_and_grad(model, *arguments, rng)
        if not isinstance(self.optimizer, Elementwise):  # which leaves nothing out
            recorded = updated_in_program(self.optimizer, gradients, state, trained, value)
            if recorded is not None:
                return *recorded, value
        updated, state = self.optimizer.update(gradients, state, trained, value=value)
        return updated, state, updated is trained, value


@attrs.frozen
class Step:
    """See `make_step`.

    Attributes:
        optimizer: which updates the model.
        value_and_grad: of the loss.
        update: both, compiled; None where they run one after the other.
    """

    optimizer: Optimizer
    value_and_grad: Callable[..., Any]
    update: Callable[..., Any] | None = None

    def __call__(self, model: Model, state: Any, batch: Any, rng: np.random.Generator) -> tuple[Model, Any, float]:
        """Take one step: `(model, state, loss)` after it.

        Args:
            model: a pytree of parameters.
            state: of the optimizer.
            batch: a tuple or list of arguments for the loss, after the model; anything else is its only one.
            rng: for the loss.

        Raises:
            ArgumentTypeError: `rng` is not a generator; or as the loss and the optimizer raise.
        """
        checked_rng("step", rng)
        if self.update is not None:
            updated, state, is_left_out, value = self.update(model, state, tuple(as_arguments(batch)), rng)
            return model if is_left_out and not np.isfinite(value) else updated, state, float(value)
        before = rng.bit_generator.state
        (value, trained), gradients = self.value_and_grad(model, *as_arguments(batch), rng)

        def again(params: Any) -> tuple[Any, Any]:
            """Evaluate the loss of the same batch at other parameters, with the same random numbers."""
            (y, _), slopes = self.value_and_grad(params, *as_arguments(batch), rng_at(rng, before))
            return y, slopes

        value = float(value)
        updated, state = self.optimizer.update(gradients, state, trained, value=value, value_and_grad=again)
        if updated is trained and not np.isfinite(value):
            updated = model  # the optimizer has left the step out; what the pass has changed is left out as well
        return updated, state, value


def rng_at(rng: np.random.Generator, state: Mapping[str, Any]) -> np.random.Generator:
    """Make a generator of the kind of another, in a state of its bit generator."""
    bits: Any = type(rng.bit_generator)(0)  # a seed, which costs less than entropy of the system
    bits.state = state
    return np.random.Generator(bits)


@attrs.frozen
class CheckedLoss:
    """A loss whose answer is checked; a class, so that it can be pickled."""

    loss: Loss

    def __call__(self, model: Any, *arguments: Any) -> Any:
        """Return what the loss gives, a pair."""
        answer = self.loss(model, *arguments)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ArgumentTypeError(
                f"fit: loss must return (loss, model); got {shown(answer)}. Return the model that the pass leaves, or "
                "the one that came."
            )
        return answer


def make_step(loss: Loss, optimizer: Optimizer, *, compile: bool = False) -> Step:
    """Make the function that takes one training step, `step(model, state, batch, rng) -> (model, state, loss)`.

    It differentiates the loss by the model, and updates the model as the loss returns it. A step that the optimizer
    leaves out because the loss is not finite leaves the model as it came.

    Args:
        loss: `loss(model, *batch, rng) -> (loss, model)`, with the model as the pass leaves it.
        optimizer: an `Optimizer`.
        compile: whether to compile the step, by `tn.compile`, once for each shape of a batch: the loss, its gradient
            and the update in one program. The update runs by itself where it evaluates the loss, as the line search of
            `lbfgs` does, or is that of an optimizer of your own; for one that reads gradients alone see
            `Optimizer.reads_gradients_alone`.

    Returns:
        A function.

    Raises:
        ArgumentTypeError: `loss` is not a function, or `optimizer` not an optimizer.

    >>> from tapenet import optim
    >>> step = make_step(lambda w, x, rng: (((w * x) ** 2).sum(), w), optim.sgd(0.25))
    >>> step(1.0, optim.sgd().init(1.0), np.ones(1), np.random.default_rng(0))
    (np.float64(0.5), SgdState(step=1), 1.0)
    """
    optimizer = checked_optimizer("make_step", optimizer)
    slopes: Callable[..., Any] = value_and_grad(_checked_loss("make_step", loss), has_aux=True)
    if not checked_flag("make_step", "compile", compile):
        return Step(optimizer, slopes)
    ahead: Callable[..., Any] = compile_ahead(slopes)
    is_one_program = optimizer.reads_gradients_alone and is_of_fields(optimizer)
    return Step(optimizer, ahead, compile_ahead(Update(optimizer, slopes)) if is_one_program else None)


def as_arguments(batch: Any) -> Sequence[Any]:
    """Return a batch as arguments."""
    return batch if type(batch) in (tuple, list) else (batch,)


def _checked_loss(function: str, loss: Any) -> CheckedLoss:
    return CheckedLoss(checked_function(function, "loss", loss))


def checked_optimizer(function: str, optimizer: Any) -> Optimizer:
    """Check an optimizer."""
    if not isinstance(optimizer, Optimizer):
        made = "tn.optim.chain(part, tn.optim.adam(1e-3))" if isinstance(optimizer, Part) else "tn.optim.adam(1e-3)"
        raise ArgumentTypeError(
            f"{function}: optimizer must be a tn.optim.Optimizer; got {shown(optimizer)}. Write {made}."
        )
    return optimizer


def epoch_rng(rng: np.random.Generator) -> np.random.Generator:
    """Draw a generator for the data of an epoch.

    So data may be prepared by another thread while steps draw from `rng`, and each epoch is the same whether a
    training is resumed before it or not.

    Args:
        rng: is drawn from.

    Raises:
        ArgumentTypeError: the argument is not a generator.

    >>> epoch_rng(np.random.default_rng(0)).integers(10) == epoch_rng(np.random.default_rng(0)).integers(10)
    np.True_
    """
    checked_rng("epoch_rng", rng)
    return np.random.default_rng(rng.integers(0, 2**32, size=4, dtype=np.uint64).tolist())


# ---- evaluation ----


@attrs.frozen(eq=False)
class Inference:
    """A model whose training passes are those for inference: see `inference`."""

    model: Any

    def __call__(self, *inputs: Any) -> Any:
        """Apply the model."""
        return self.model(*inputs)

    def train(self, *inputs: Any, **options: Any) -> tuple[Any, Any]:
        """Apply the model for inference; the generator, which comes last or by its name, is not used."""
        given = inputs if "rng" in options else inputs[:-1]
        return self.model(*given), self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols of Python's are not the model's
            raise AttributeError(name)
        return inference(getattr(self.model, name))


def inference(model: Any) -> Any:
    """Wrap a model so that `model.train(x, rng)` is `(model(x), model)`, its layers' too: without dropout and updates.

    So a function that computes a training loss computes the same loss for validation.

    Args:
        model: a model or layer; anything without `train` comes back as it is.

    >>> from tapenet import nn
    >>> dropout = inference(nn.Dropout(0.5))
    >>> dropout.train(np.ones(3), np.random.default_rng(0))[0]
    array([1., 1., 1.])
    """
    return Inference(model) if hasattr(model, "train") and not isinstance(model, Inference) else model


def evaluate(model: Any, data: Iterable[Any], metrics: Metrics = (), *, loss: Loss | None = None) -> dict[str, Any]:
    """Compute metrics of a model's outputs, and the loss in inference, over all batches.

    Args:
        model: is called on all of a batch but its last array, which is the target.
        data: an iterable of batches, tuples or lists.
        metrics: functions `(outputs, targets) -> number`, such as `accuracy`, by name or in a sequence; they get the
            outputs of all batches in one array.
        loss: as for `fit`; the mean over examples is given as "loss".

    Returns:
        A dict from names to what metrics gave.

    Raises:
        ArgumentError: there are no batches, or a batch has no target.
        ArgumentTypeError: an argument of another type.

    >>> from tapenet import data
    >>> evaluate(np.sign, data.batches((np.arange(-2.0, 3.0), np.ones(5)), 2), {"mean": lambda y, t: y.mean()})
    {'mean': np.float64(0.0)}
    """
    named = checked_metrics("evaluate", metrics)
    checked_iterable("evaluate", "data", data)
    if loss is not None:
        checked_function("evaluate", "loss", loss)
    if named:
        checked_function("evaluate", "model", model)
    return evaluation("evaluate", model, data, named, loss)


def evaluation(
    function: str,
    model: Any,
    data: Iterable[Any],
    metrics: Mapping[str, Metric],
    loss: Loss | None,
    name: str = "data",
) -> dict[str, Any]:
    """See `evaluate`."""
    pairs: list[tuple[Any, Any]] = []
    total, count, frozen = 0.0, 0, inference(model)
    for batch in data:
        arguments = as_arguments(batch)
        if metrics:
            if len(arguments) < 2:
                raise ArgumentError(
                    f"{function}: {name} must give inputs and a target for metrics; got {shown(batch)}."
                )
            pairs.append((model(*arguments[:-1]), arguments[-1]))
        size = _length(batch)
        if loss is not None:
            value, _ = CheckedLoss(loss)(frozen, *arguments, np.random.default_rng(0))
            total += float(value) * size
        count += size
    if count == 0:
        raise ArgumentError(f"{function}: {name} must give a batch with an example; got none.")
    found: dict[str, Any] = {} if loss is None else {"loss": total / count}
    if metrics:
        outputs, targets = (_joined([pair[i] for pair in pairs]) for i in range(2))
        found |= {name: metric(outputs, targets) for name, metric in metrics.items()}
    return found


def _joined(trees: Sequence[Tree]) -> Tree:
    """Join pytrees of arrays along their first axes."""
    return tree_map(lambda *leaves: np.concatenate(leaves), *trees)


def _length(batch: Any) -> int:
    """Return the number of examples in a batch; 1, where its arrays have no axes."""
    for leaf in tree_leaves(batch):
        shape = np.shape(leaf)
        if shape:
            return int(shape[0])
    return 1


def checked_metrics(function: str, metrics: Any) -> dict[str, Metric]:
    """Return metrics by name."""
    if isinstance(metrics, Mapping):
        named = dict(metrics)
    elif isinstance(metrics, Sequence) and not isinstance(metrics, str):
        for i, metric in enumerate(metrics):
            checked_function(function, f"metrics[{i}]", metric)
            if not hasattr(metric, "__name__"):
                raise ArgumentTypeError(
                    f"{function}: metrics[{i}] must have a name; got {shown(metric)}. Pass a dict of metrics by name."
                )
        names = [metric.__name__ for metric in metrics]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ArgumentError(
                f"{function}: metrics must have different names; got two of {twice!r}. Pass a dict of metrics by name."
            )
        named = dict(zip(names, metrics, strict=True))
    else:
        raise ArgumentTypeError(
            f"{function}: metrics must be functions, by name or in a sequence; got {shown(metrics)}."
        )
    for name, metric in named.items():
        checked_function(function, f"metrics[{name!r}]", metric)
        if not isinstance(name, str) or name in ("epoch", "loss", "validation_loss", "seconds"):
            raise ArgumentError(f"{function}: metrics must have names other than fit's own columns; got {name!r}.")
    return named
