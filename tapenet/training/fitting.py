"""`fit`, the loop of a training."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag, checked_function, checked_rng, shown
from tapenet.core.leaf_checks import check_differentiable, dtype_of
from tapenet.core.pytrees import leaf_paths, tree_leaves
from tapenet.data import Batches
from tapenet.data.prefetching import checked_iterable
from tapenet.diagnostics.checks import checks
from tapenet.errors import ArgumentError, ArgumentTypeError, NumericalError
from tapenet.optim import Optimizer
from tapenet.training.callbacks import Callback, checked_callbacks
from tapenet.training.checkpoints import Checkpoints, checked_checkpoints
from tapenet.training.history import History
from tapenet.training.progress import Bar, bar_class, total_of
from tapenet.training.running import (
    Loss,
    Metric,
    Metrics,
    Model,
    Run,
    Step,
    as_arguments,
    checked_metrics,
    checked_optimizer,
    epoch_rng,
    evaluation,
    make_step,
    rng_at,
)

Data = Any  # an iterable of batches, or a function from a generator to one


@attrs.frozen(eq=False)
class _Before:
    """What the last step was taken from."""

    model: Any
    batch: Any
    rng_state: Mapping[str, Any]


@attrs.frozen(eq=False)
class _Plan:
    """What `fit` was asked for."""

    step: Step
    loss: Loss
    data: Data
    epochs: int
    rng: np.random.Generator
    validation: Data
    metrics: Mapping[str, Metric]
    callbacks: tuple[Callback, ...]
    checkpoints: Checkpoints | None
    tqdm: Any

    @property
    def generators(self) -> list[np.random.Generator]:
        """All that a training draws from: what the caller passed, and what shuffles the data."""
        own = _generator_of(self.data)
        return [self.rng] if own is None or own is self.rng else [self.rng, own]

    # ---- epochs ----

    def runs(self, run: Run, states: list[Any]) -> Iterator[Run]:
        """Yield what was reached, after each step and each epoch. `states`, of the callbacks, are replaced in place."""
        while run.epoch < self.epochs and not run.stop:
            start, losses = time.monotonic(), []
            data = _opened("data", self.data, self.rng)
            with Bar(self.tqdm, f"epoch {run.epoch + 1}/{self.epochs}", total_of(data)) as bar:
                for reached, loss in self._steps(run, data):
                    run = reached
                    losses.append(loss)
                    bar.stepped(losses)
                    yield run
                if not losses:
                    raise ArgumentError(_no_batches(run.epoch + 1))
                row = self._row(run, losses, start)
                bar.ended(row)
            run = attrs.evolve(run, epoch=run.epoch + 1, history=run.history.added(losses, row))
            run = self._called_back(run, states)
            if self.checkpoints is not None:
                self.checkpoints.save(run, self.generators, states)
            yield run

    def _steps(self, run: Run, data: Iterable[Any]) -> Iterator[tuple[Run, float]]:
        """Take a step for each batch: yield what was reached, and the loss."""
        last = None
        for number, batch in enumerate(data, 1):
            if number == 1:
                _check_takes_batches(self.loss, batch)
            before = _Before(run.model, batch, self.rng.bit_generator.state)
            model, state, loss = self.step(run.model, run.state, batch, self.rng)
            if not np.isfinite(loss) and model is not run.model:
                self._explain(loss, run.epoch + 1, number, before, last)
            last = before
            run = attrs.evolve(run, model=model, state=state, step=run.step + 1)
            yield run, loss

    def _row(self, run: Run, losses: Sequence[float], start: float) -> dict[str, float]:
        """Return the numbers of an epoch."""
        row: dict[str, float] = {"loss": float(np.mean(losses))}
        if self.validation is not None:
            data = _opened("validation", self.validation, np.random.default_rng(0))
            found = evaluation("fit", run.model, data, self.metrics, self.loss, "validation")
            row["validation_loss"] = found.pop("loss")
            row |= {name: _as_number(name, value) for name, value in found.items()}
        return row | {"seconds": time.monotonic() - start}

    def _called_back(self, run: Run, states: list[Any]) -> Run:
        for i, callback in enumerate(self.callbacks):
            run, states[i] = callback.epoch_end(run, states[i])
        return run

    # ---- losses that are not finite ----

    def _explain(self, loss: float, epoch: int, number: int, now: _Before, last: _Before | None) -> None:
        """Raise an error that names the operation: of this step, or of the one that spoiled the model."""
        what = f"fit: the loss must be finite; got {loss} in epoch {epoch}, step {number}"
        spoiled = _nonfinite("model", now.model)
        if not spoiled:
            self._check(what, now)
        elif last is not None:
            self._check(f"{what}, after the step before it", last)
        where = spoiled or _nonfinite("batch", now.batch)
        of = f" NaN or infinity is in {', '.join(where[:5])}." if where else ""
        raise NumericalError(f"{what}.{of} Try a smaller learning rate, or optim.clip_by_global_norm.")

    def _check(self, what: str, before: _Before) -> None:
        """Do a step again under `checks`, whose error names the operation."""
        drawn = rng_at(self.rng, before.rng_state)
        try:
            with checks(mutation=False), np.errstate(all="ignore"):
                self.step.value_and_grad(before.model, *as_arguments(before.batch), drawn)
        except NumericalError as error:
            raise NumericalError(f"{what}. {error} Or try a smaller learning rate.") from error


def fit(
    model: Model,
    loss: Loss,
    optimizer: Optimizer,
    data: Data,
    *,
    epochs: int,
    rng: np.random.Generator,
    validation: Data = None,
    metrics: Metrics = (),
    callbacks: Sequence[Any] = (),
    checkpoint: Any = None,
    resume: bool = False,
    compile: bool = False,
    progress: bool | None = None,
) -> tuple[Model, Any, History]:
    """Train a model: a step for each batch, in each epoch, with validation, callbacks and checkpoints after each.

        step, state = make_step(loss, optimizer), optimizer.init(model)
        for epoch in range(epochs):
            for batch in data(epoch_rng(rng)):     # or in data
                model, state, value = step(model, state, batch, rng)

    That is all that it does to the model; the guide "Training" writes out the rest.

    Args:
        model: a model, or another pytree of parameters.
        loss: `loss(model, *batch, rng) -> (loss, model)`, with the model as the pass leaves it.
        optimizer: an `Optimizer`.
        data: an iterable of batches, gone through in each epoch; or a function `rng -> iterable`, called for each
            epoch with a generator of its own. A batch is a tuple of arguments for the loss; anything else is one.
        epochs: integer of at least 0, how many epochs in all; those before a resumption count.
        rng: is passed to the loss; data and dropout are drawn from it.
        validation: batches, as `data`, on which the loss for inference is computed after each epoch.
        metrics: functions `(outputs, targets) -> number` of the validation batches, by name or in a sequence: see
            `evaluate`.
        callbacks: functions of a `Run`, called after each epoch, and `Callback`s, such as `early_stopping(5)`.
        checkpoint: a folder for `last.safetensors` and `best.safetensors`, a file `*.safetensors` for the first alone,
            or `Checkpoints`. Needs safetensors.
        resume: whether to go on from the last checkpoint there, if there is one. The training then ends with the same
            weights, to the last bit, as one that was not interrupted.
        compile: whether to compile steps, by `tn.compile`: see `make_step`. Results are then those of the loss to
            rounding; a training that is resumed ends with the same bits all the same, but where the loss branches on
            values.
        progress: whether to show a bar for each epoch, by tqdm; by default where a terminal or a notebook shows it.

    Returns:
        `(model, state, history)`: the trained model, the state of the optimizer and a `History`. An interrupt (Ctrl-C)
        ends the training, and returns what was reached; `history.interrupted` tells.

    Raises:
        ArgumentError: a number out of its range, no batches, a folder that holds a training which is not to be
            resumed, or a checkpoint of another model.
        ArgumentTypeError: an argument of another type.
        NumericalError: the loss is NaN or infinite; names the operation. Steps that `optim.skip_nonfinite` leaves out
            are none such.
        MissingPackageError: safetensors or tqdm is asked for and not installed.

    >>> from tapenet import optim
    >>> x = np.arange(4.0)
    >>> model, _, history = fit(0.0, lambda w, x, rng: (((w * x - 2 * x) ** 2).mean(), w), optim.sgd(0.1), [(x,)],
    ...     epochs=20, rng=np.random.default_rng(0))
    >>> round(float(model), 3), len(history)
    (2.0, 20)
    """
    check_differentiable("fit", "model", model, tree_leaves(model))
    checked_function("fit", "loss", loss)
    checked_optimizer("fit", optimizer)
    resume = checked_flag("fit", "resume", resume)
    plan = _Plan(
        make_step(loss, optimizer, compile=checked_flag("fit", "compile", compile)),
        loss,
        _checked_data("data", data),
        checked_count("fit", "epochs", epochs, 0),
        checked_rng("fit", rng),
        None if validation is None else _checked_data("validation", validation),
        _checked_metrics(model, metrics, validation),
        checked_callbacks(callbacks),
        checked_checkpoints(checkpoint, resume),
        bar_class(None if progress is None else checked_flag("fit", "progress", progress)),
    )
    return _done(plan, Run(model, optimizer.init(model)), resume)


def _done(plan: _Plan, run: Run, resume: bool) -> tuple[Any, Any, History]:
    """Carry out a plan."""
    states = [callback.init(run) for callback in plan.callbacks]
    if resume and plan.checkpoints is not None:
        found = plan.checkpoints.load(run, plan.generators, states)
        run, states = found or (run, states)
    interrupted, runs = False, plan.runs(run, states)
    try:
        while (reached := next(runs, None)) is not None:
            run = reached
    except KeyboardInterrupt:
        interrupted = True
    for callback, state in zip(plan.callbacks, states, strict=True):
        run = callback.fit_end(run, state)
    return run.model, run.state, attrs.evolve(run.history, interrupted=interrupted)


# ---- checks and data ----


def _checked_data(name: str, data: Any) -> Any:
    if callable(data) and not isinstance(data, Iterable):
        return data
    if not isinstance(data, Iterable) or isinstance(data, str | Mapping):
        raise ArgumentTypeError(
            f"fit: {name} must be an iterable of batches, or a function rng -> iterable; got {shown(data)}. "
            "Write tn.data.batches(arrays, 32)."
        )
    if isinstance(data, np.ndarray) or (isinstance(data, tuple) and any(isinstance(x, np.ndarray) for x in data)):
        raise ArgumentTypeError(f"fit: {name} must give batches; got arrays. Write tn.data.batches({name}, 32).")
    return data


def _checked_metrics(model: Any, metrics: Any, validation: Any) -> dict[str, Metric]:
    named = checked_metrics("fit", metrics)
    if named and validation is None:
        raise ArgumentError(f"fit: validation must be given for metrics; got None with {', '.join(named)}.")
    if named:
        checked_function("fit", "model", model, "Metrics are of its outputs.")
    return named


def _opened(name: str, data: Any, rng: np.random.Generator) -> Any:
    """Return the batches of an epoch: of a function those that it makes with a generator of its own."""
    if callable(data) and not isinstance(data, Iterable):
        _check_takes("fit", name, data, 1, "rng -> iterable")
        return checked_iterable("fit", f"{name}(rng)", data(epoch_rng(rng)))
    return data


def _check_takes(function: str, name: str, called: Any, count: int, form: str, more: str = "") -> None:
    """Raise for a function that cannot be called with so many arguments."""
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):
        return  # of a builtin
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise ArgumentTypeError(
            f"{function}: {name} must be a function {form}; got {name}{signature}.{more}"
        ) from error


def _check_takes_batches(loss: Loss, batch: Any) -> None:
    """Raise for a loss that cannot be called with the arrays of a batch."""
    form, more = "(model, *batch, rng)", ""
    if not isinstance(batch, tuple | list) and hasattr(batch, "shape"):
        more = " Of a batch of one array: for several write tn.data.batches((x, y), 32), which gives tuples."
    _check_takes("fit", "loss", loss, len(as_arguments(batch)) + 2, form, more)


def _no_batches(epoch: int) -> str:
    advice = " An iterator gives them once: pass a list, tn.data.batches, or a function rng -> iterable."
    return f"fit: data must give a batch in each epoch; got none in epoch {epoch}.{advice if epoch > 1 else ''}"


def _generator_of(data: Any) -> np.random.Generator | None:
    """Return what shuffles batches, also within what prefetches or transforms them."""
    while not isinstance(data, Batches):
        inner = getattr(data, "data", None)
        if inner is None or isinstance(data, np.ndarray):
            return None
        data = inner
    return data.rng


def _as_number(name: str, value: Any) -> float:
    """Return what a metric gave as a number for the history."""
    if np.shape(value) != () or getattr(dtype_of(value), "kind", "") not in ("f", "i", "u", "b"):
        raise ArgumentTypeError(f"fit: metrics[{name!r}] must give a real number; got {shown(value)}.")
    return float(value)


def _nonfinite(name: str, tree: Any) -> list[str]:
    """Return the paths of leaves that hold NaN or infinity."""
    leaves = tree_leaves(tree)
    kinds = [getattr(dtype_of(leaf), "kind", "") for leaf in leaves]
    bad = [kind in ("f", "c") and not np.isfinite(leaf).all() for kind, leaf in zip(kinds, leaves, strict=True)]
    return [path for path, is_bad in zip(leaf_paths(tree, name), bad, strict=True) if is_bad] if any(bad) else []
