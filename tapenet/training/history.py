"""What a training was like: a row of numbers for each epoch, and the loss of each step."""

from __future__ import annotations

import csv
import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_choice, shown
from tapenet.core.packages import import_package
from tapenet.errors import ArgumentError, ArgumentTypeError, FileError, MissingFileError
from tapenet.views.tables import aligned

Array = np.ndarray[Any, Any]
Mode = Literal["min", "max"]

FALLING = ("loss", "perplexity", "seconds")  # names that end so are better the smaller


def _no_losses() -> Array:
    return np.empty(0)


@attrs.frozen(eq=False, repr=False)
class History:
    """The course of a training.

    `history["loss"]` is the column of a name. `print(history)` shows the table; a notebook renders it.

    Attributes:
        rows: for each epoch a number by name: `epoch`, `loss` (the mean over its steps), `seconds`; with validation
            `validation_loss` and the metrics.
        losses: float array, the loss of each step.
        interrupted: whether the training was ended by an interrupt.

    >>> history = History().added([3.0, 1.0], {"accuracy": 0.5}).added([1.0, 0.0], {"accuracy": 0.75})
    >>> print(history)
    epoch  loss  accuracy
        1     2       0.5
        2   0.5      0.75
    >>> history["accuracy"], history.best("accuracy")
    (array([0.5 , 0.75]), 2)
    """

    rows: tuple[Mapping[str, float], ...] = ()
    losses: Array = attrs.field(factory=_no_losses)
    interrupted: bool = False

    # ---- reading ----

    @property
    def names(self) -> list[str]:
        """The names of the columns, in the order of their first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.rows)

    def __getitem__(self, name: str) -> Array:
        """Return a column: float array, NaN where an epoch has no such number."""
        if name not in self.names:
            known = ", ".join(map(repr, self.names))
            raise ArgumentError(
                f"History: name must be that of a column, {known or 'of which there are none'}; got {name!r}."
            )
        return np.array([row.get(name, np.nan) for row in self.rows], float)

    def best(self, name: str, mode: Mode | None = None) -> int:
        """Return the number of the epoch, from 1, in which a column is best; of equal ones the first.

        Args:
            name: of the column.
            mode: "min" for the smallest or "max" for the largest; by default the smallest of a loss or a perplexity.

        Raises:
            ArgumentError: there is no such column, it holds no number, or another mode.
        """
        column = self[name] if checked_mode("History.best", name, mode) == "min" else -self[name]
        if np.isnan(column).all():
            raise ArgumentError(f"History.best: name must be that of a column with a number; got {name!r}.")
        return int(np.nanargmin(column)) + 1

    # ---- going on ----

    def added(self, losses: Any, row: Mapping[str, float] | None = None) -> History:
        """Return the history with one more epoch.

        Args:
            losses: of its steps.
            row: further numbers of the epoch, by name.
        """
        column = np.asarray(losses, float).reshape(-1)
        start = {"epoch": len(self.rows) + 1, **({"loss": float(column.mean())} if column.size else {})}
        return attrs.evolve(self, rows=(*self.rows, {**start, **(row or {})}), losses=np.append(self.losses, column))

    # ---- showing ----

    def __str__(self) -> str:
        """Return the table."""
        names = self.names
        rows = [names, *([_written(row.get(name)) for name in names] for row in self.rows)]
        return aligned(rows, [True] * len(names)) if names else "no epochs"

    def __repr__(self) -> str:
        """Return a line."""
        return f"History({len(self.rows)} epochs, {self.losses.size} steps: {', '.join(self.names) or 'no columns'})"

    def _repr_html_(self) -> str:
        """Return the table as HTML."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.names)
        cells = ("".join(f"<td>{_written(row.get(name))}</td>" for name in self.names) for row in self.rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the loss of steps and epochs, and every other column, with matplotlib.

        Args:
            path: of a file to write the picture to, by its ending; None to write none.

        Returns:
            A matplotlib `Figure`.

        Raises:
            ArgumentError: there are no epochs.
            MissingPackageError: matplotlib is not installed.
        """
        if not self.rows:
            raise ArgumentError("History.plot: history must have at least one epoch; got none.")
        figure_module = import_package("matplotlib.figure", "History.plot", "training")
        others = [name for name in self.names if name not in ("epoch", "seconds", "loss", "validation_loss")]
        figure = figure_module.Figure(figsize=(4.5 * (1 + len(others)), 3.5), layout="constrained")
        panels = figure.subplots(1, 1 + len(others), squeeze=False)[0]
        epochs = self["epoch"]
        steps = np.arange(1, self.losses.size + 1) / max(self.losses.size, 1) * len(self)
        panels[0].plot(steps, self.losses, color="#9fb3c8", linewidth=0.6, label="each step")
        for name in ("loss", "validation_loss"):
            if name in self.names:
                panels[0].plot(epochs, self[name], marker="o", markersize=3, label=name)
        panels[0].set(title="loss", xlabel="epoch")
        panels[0].legend(frameon=False)
        for panel, name in zip(panels[1:], others, strict=True):
            panel.plot(epochs, self[name], marker="o", markersize=3)
            panel.set(title=name, xlabel="epoch")
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure

    # ---- files ----

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV, with a head.

        Args:
            path: of the file; one that is there is replaced.

        Raises:
            FileError: there is no such folder, or the path is that of one.
        """
        place = Path(_checked_path("History.save_csv", path))
        if not place.parent.is_dir():
            raise MissingFileError(f"History.save_csv: path must be in a folder that exists; got {str(place)!r}.")
        if place.is_dir():
            raise FileError(f"History.save_csv: path must be that of a file; got the folder {str(place)!r}.")
        with place.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.names)
            writer.writerows([row.get(name, "") for name in self.names] for row in self.rows)

    def save_tensorboard(self, folder: str | os.PathLike[str]) -> None:
        """Write all columns by epoch, and the loss by step, as events for TensorBoard.

        Args:
            folder: of the events; it is made where it is not there.

        Raises:
            MissingPackageError: tensorboard is not installed.
        """
        with Events("History.save_tensorboard", folder) as events:
            for row in self.rows:
                events.add({f"epoch/{name}": x for name, x in row.items() if name != "epoch"}, int(row["epoch"]))
            for step, loss in enumerate(self.losses, 1):
                events.add({"step/loss": float(loss)}, step)


class Events:
    """A file of events for TensorBoard, to be used in a `with` statement."""

    def __init__(self, function: str, folder: str | os.PathLike[str]) -> None:
        place = os.fspath(_checked_path(function, folder))
        writing = import_package("tensorboard.summary.writer.event_file_writer", function, "tensorboard")
        self._event = import_package("tensorboard.compat.proto.event_pb2", function, "tensorboard").Event
        self._summary = import_package("tensorboard.compat.proto.summary_pb2", function, "tensorboard").Summary
        self._writer = writing.EventFileWriter(place)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, numbers: Mapping[str, float], step: int) -> None:
        """Write numbers of a step, by name."""
        values = [self._summary.Value(tag=name, simple_value=float(x)) for name, x in numbers.items()]
        self._writer.add_event(self._event(step=step, summary=self._summary(value=values)))


def checked_mode(function: str, name: str, mode: Any) -> Mode:
    """Return whether smaller or larger numbers of a column are better, where it is not said by the column's name."""
    if mode is None:
        return "min" if name.endswith(FALLING) else "max"
    checked: Mode = checked_choice(function, "mode", mode, ("min", "max"))
    return checked


def _checked_path(function: str, path: Any) -> str | os.PathLike[str]:
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"{function}: path must be a path; got {shown(path)}.")
    return path


def _written(value: float | None) -> str:
    """Write a number for a table."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"
