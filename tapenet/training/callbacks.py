"""Callbacks of `fit`: what is done at the end of each epoch and of the training."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import attrs

from tapenet.core.argument_checks import checked_count, checked_number, shown
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.training.history import Events, Mode, checked_mode
from tapenet.training.running import Run
from tapenet.views.html import html_table


class Callback:
    """What is done at the end of each epoch, and of the training.

    A callback remembers nothing by itself: what it carries from epoch to epoch is a state, a pytree, which checkpoints
    keep. A function from a `Run` to a `Run` or None is a callback too.
    """

    def _repr_html_(self) -> str:
        kind: Any = type(self)
        names = [field.name for field in attrs.fields(kind)] if attrs.has(kind) else []
        return html_table((kind.__name__, "value"), [(name, repr(getattr(self, name))) for name in names])

    def init(self, run: Run) -> Any:
        """Make the first state; None, where there is nothing to remember."""
        return None

    def epoch_end(self, run: Run, state: Any) -> tuple[Run, Any]:
        """Return the run to go on with, and the next state."""
        return run, state

    def fit_end(self, run: Run, state: Any) -> Run:
        """Return the run whose model `fit` returns; also after an interrupt."""
        return run


@attrs.frozen
class _Each(Callback):
    """A function as a callback."""

    function: Callable[[Run], Run | None]

    def epoch_end(self, run: Run, state: Any) -> tuple[Run, Any]:
        """Call the function."""
        answer = self.function(run)
        if answer is not None and not isinstance(answer, Run):
            raise ArgumentTypeError(f"fit: callbacks must return a Run or None; got {shown(answer)}.")
        return run if answer is None else answer, state


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """Return functions and callbacks as callbacks."""
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise ArgumentTypeError(f"fit: callbacks must be a sequence; got {shown(callbacks)}.")
    for i, callback in enumerate(callbacks):
        if not isinstance(callback, Callback) and (isinstance(callback, type) or not callable(callback)):
            raise ArgumentTypeError(
                f"fit: callbacks[{i}] must be a callback or a function of a Run; got {shown(callback)}."
            )
    return tuple(callback if isinstance(callback, Callback) else _Each(callback) for callback in callbacks)


def monitored(function: str, run: Run, monitor: str | None) -> str:
    """Return the name of the column to look at: the validation loss, where there is one and no other is given."""
    names = run.history.names
    name = monitor or ("validation_loss" if "validation_loss" in names else "loss")
    if name not in names:
        raise ArgumentError(f"{function}: monitor must be a column of the history, {', '.join(names)}; got {name!r}.")
    return name


def checked_monitor(function: str, monitor: Any, mode: Any) -> None:
    """Check the name of a column, and whether less of it is better."""
    if monitor is not None and (not isinstance(monitor, str) or not monitor):
        raise ArgumentTypeError(f"{function}: monitor must be the name of a column, or None; got {shown(monitor)}.")
    checked_mode(function, monitor or "loss", mode)


@attrs.frozen
class EarlyStopping(Callback):
    """See `early_stopping`."""

    patience: int
    monitor: str | None
    mode: Mode | None
    min_change: float

    def epoch_end(self, run: Run, state: Any) -> tuple[Run, Any]:
        """Stop, where the best epoch is too long ago."""
        name = monitored("early_stopping", run, self.monitor)
        column = run.history[name]
        sign = 1.0 if checked_mode("early_stopping", name, self.mode) == "min" else -1.0
        best, waited = math.inf, 0
        for value in sign * column:
            best, waited = (value, 0) if value < best - self.min_change else (best, waited + 1)
        return (run.stopped() if waited >= self.patience else run), state


def early_stopping(
    patience: int = 10, *, monitor: str | None = None, mode: Mode | None = None, min_change: float = 0.0
) -> Callback:
    """Make the callback that ends the training when a column of the history has not become better for long.

    Args:
        patience: integer of at least 1; so many epochs in a row may be no better than the best.
        monitor: the name of the column; by default `validation_loss`, or `loss` without validation.
        mode: whether "min" or "max" of it is better; by default by its name: less of a loss or a perplexity, else more.
        min_change: number of at least 0; a better value is better by more than this.

    Raises:
        ArgumentError: a number out of its range, or another mode. When it is used: no such column.
        ArgumentTypeError: an argument of another type.

    >>> early_stopping(3, monitor="accuracy").patience
    3
    """
    patience = checked_count("early_stopping", "patience", patience)
    checked_monitor("early_stopping", monitor, mode)
    return EarlyStopping(
        patience, monitor, mode, checked_number("early_stopping", "min_change", min_change, "[0, inf)")
    )


class Best(NamedTuple):
    """The best model so far, its epoch, and its value, with a sign for which less is better."""

    epoch: int
    value: float
    model: Any


@attrs.frozen
class KeepBest(Callback):
    """See `keep_best`."""

    monitor: str | None
    mode: Mode | None

    def init(self, run: Run) -> Any:
        """Start with the model that came."""
        return Best(0, math.inf, run.model)

    def epoch_end(self, run: Run, state: Any) -> tuple[Run, Any]:
        """Keep the model, where it is the best."""
        name = monitored("keep_best", run, self.monitor)
        value = float(run.history[name][-1]) * (1 if checked_mode("keep_best", name, self.mode) == "min" else -1)
        return run, Best(run.epoch, value, run.model) if value < state.value else state

    def fit_end(self, run: Run, state: Any) -> Run:
        """Give the best model."""
        return attrs.evolve(run, model=state.model) if state.epoch else run


def keep_best(monitor: str | None = None, mode: Mode | None = None) -> Callback:
    """Make the callback that has `fit` return the best model, and not the last one.

    The state that `fit` returns is that of the last step. Checkpoints keep the best model too, so that a training that
    is resumed returns the same.

    Args:
        monitor, mode: what is best, as for `early_stopping`.

    Raises:
        ArgumentError: another mode. When it is used: no such column.
        ArgumentTypeError: an argument of another type.

    >>> keep_best("accuracy").monitor
    'accuracy'
    """
    checked_monitor("keep_best", monitor, mode)
    return KeepBest(monitor, mode)


@attrs.frozen
class TensorBoard(Callback):
    """See `tensorboard`."""

    folder: str

    def init(self, run: Run) -> Any:
        """Count the steps that are written."""
        return run.history.losses.size

    def epoch_end(self, run: Run, state: Any) -> tuple[Run, Any]:
        """Write the last row, and the losses of the steps since."""
        done = run.history.losses.size
        with Events("tensorboard", self.folder) as events:
            row = run.history.rows[-1]
            events.add({f"epoch/{name}": x for name, x in row.items() if name != "epoch"}, run.epoch)
            for step in range(state, done):
                events.add({"step/loss": float(run.history.losses[step])}, step + 1)
        return run, done


def tensorboard(folder: str | os.PathLike[str]) -> Callback:
    """Make the callback that writes each epoch as events for TensorBoard: `tensorboard --logdir folder`.

    Args:
        folder: of the events; it is made where it is not there.

    Raises:
        ArgumentTypeError: the argument is not a path. When it is used: MissingPackageError, without tensorboard.

    >>> tensorboard("runs/1").folder
    'runs/1'
    """
    if not isinstance(folder, str | os.PathLike) or isinstance(os.fspath(folder), bytes):
        raise ArgumentTypeError(f"tensorboard: folder must be a path; got {shown(folder)}.")
    return TensorBoard(os.fspath(folder))
