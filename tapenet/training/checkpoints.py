"""Checkpoints of a training: its last state, to go on from, and its best model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import shown
from tapenet.core.pytrees import Tree
from tapenet.errors import ArgumentError, ArgumentTypeError, FileError, FileFormatError
from tapenet.files import load, load_metadata, save
from tapenet.training.callbacks import checked_monitor, monitored
from tapenet.training.history import History, Mode, checked_mode
from tapenet.training.running import Run

SUFFIX = ".safetensors"
LAST, BEST = f"last{SUFFIX}", f"best{SUFFIX}"
_ARGUMENTS = {"state": "optimizer", "generators": "rng or the generator of data"}  # by what is saved of them
_ROWS, _STEPS = "history", "steps"


@attrs.frozen(init=False)
class Checkpoints:
    """The checkpoints of one training.

    `last.safetensors` holds all that a training needs to go on as if it had not ended; `best.safetensors` holds the
    best model, for `tn.load(path, like=model)`. Each file is replaced whole: a process that is killed at any moment
    leaves the old one or the new one.

    Args:
        folder: of the two files, made where it is not there. A name that ends in `.safetensors` is that of a file for
            the last state, and no best model is kept.
        monitor: the column of the history that says which model is best; by default `validation_loss`, or `loss`
            without validation.
        mode: whether "min" or "max" of it is best; by default by its name: less of a loss or a perplexity, else more.

    Raises:
        ArgumentError: another mode.
        ArgumentTypeError: an argument of another type.

    >>> Checkpoints("run", monitor="accuracy").last
    PosixPath('run/last.safetensors')
    """

    last: Path
    best: Path | None
    monitor: str | None
    mode: Mode | None

    def __init__(self, folder: str | os.PathLike[str], monitor: str | None = None, mode: Mode | None = None) -> None:
        if not isinstance(folder, str | os.PathLike) or isinstance(os.fspath(folder), bytes):
            raise ArgumentTypeError(f"Checkpoints: folder must be a path; got {shown(folder)}.")
        checked_monitor("Checkpoints", monitor, mode)
        place = Path(folder)
        is_file = place.suffix == SUFFIX
        self.__attrs_init__(place if is_file else place / LAST, None if is_file else place / BEST, monitor, mode)

    def save(self, run: Run, generators: Sequence[np.random.Generator], callbacks: Tree = ()) -> None:
        """Write the state of a training at the end of an epoch, and its model where it is the best so far.

        Args:
            run: with at least one epoch.
            generators: that the training draws from.
            callbacks: states of the callbacks.

        Raises:
            MissingPackageError: safetensors is not installed.
            FileError, OSError: a file cannot be written.
        """
        self.last.parent.mkdir(parents=True, exist_ok=True)
        name = monitored("Checkpoints", run, self.monitor)
        # The best before the last: of a training that is killed in between, the last epoch is done once more.
        is_best = run.history.best(name, checked_mode("Checkpoints", name, self.mode)) == len(run.history)
        if self.best is not None and is_best:
            save(self.best, run.model, {"epoch": str(run.epoch)})
        texts = {_ROWS: json.dumps([dict(row) for row in run.history.rows]), _STEPS: str(run.history.losses.size)}
        save(self.last, _tree(run, generators, callbacks), texts)

    def load(
        self, run: Run, generators: Sequence[np.random.Generator], callbacks: Tree = ()
    ) -> tuple[Run, Tree] | None:
        """Read the last state.

        Args:
            run: with a model and a state of the structure that was saved.
            generators: get the states that were saved.
            callbacks: states of the structure that was saved.

        Returns:
            The run and the states of the callbacks; None, where nothing was saved yet.

        Raises:
            ArgumentError: the file is of another model, optimizer, generator or callbacks; every difference is listed.
            FileFormatError: the file is damaged, or of something else.
        """
        if not self.last.exists():
            return None
        texts = load_metadata(self.last)
        try:
            rows, steps = json.loads(texts[_ROWS]), int(texts[_STEPS])
        except (KeyError, ValueError) as error:
            raise FileFormatError(f"Checkpoints: {self.last} must be a checkpoint of fit; got {error!r}.") from error
        like = attrs.evolve(run, history=History(losses=np.empty(steps)))
        try:
            tree = load(self.last, like=_tree(like, generators, callbacks))
        except FileError:
            raise
        except ArgumentError as error:
            raise ArgumentError(_other_training(self.last, str(error))) from error
        for generator, saved in zip(generators, tree["generators"], strict=True):
            generator.bit_generator.state = saved.bit_generator.state
        history = History(tuple(rows), tree["losses"])
        counts = {name: int(tree[name]) for name in ("epoch", "step")}
        return Run(tree["model"], tree["state"], **counts, history=history, stop=bool(tree["stop"])), tree["callbacks"]


def _other_training(path: Path, text: str) -> str:
    """Say which arguments of `fit` a checkpoint differs in, from the differences that `load` lists."""
    differences = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    parts = dict.fromkeys(line.partition(":")[0].partition(".")[0] for line in differences)
    names = " and ".join(_ARGUMENTS.get(part, part) for part in parts)
    listed = "\n  ".join(differences)
    return (
        f"fit: {names} must be of the training in {str(path)!r}, which resume=True goes on with; got "
        f"{len(differences)} differences:\n  {listed}\nPass those it began with, or another checkpoint."
    )


def _tree(run: Run, generators: Sequence[np.random.Generator], callbacks: Tree) -> dict[str, Any]:
    """Return what is saved of a training."""
    return {
        "model": run.model,
        "state": run.state,
        "epoch": run.epoch,
        "step": run.step,
        "stop": run.stop,
        "losses": run.history.losses,
        "generators": list(generators),
        "callbacks": callbacks,
    }


def checked_checkpoints(checkpoint: Any, resume: bool) -> Checkpoints | None:
    """Return the checkpoints of a folder."""
    if checkpoint is None:
        if resume:
            raise ArgumentError("fit: checkpoint must be a folder or file to resume from; got None.")
        return None
    if not isinstance(checkpoint, Checkpoints | str | os.PathLike):
        raise ArgumentTypeError(
            f"fit: checkpoint must be a folder or tn.training.Checkpoints; got {shown(checkpoint)}."
        )
    checkpoints = checkpoint if isinstance(checkpoint, Checkpoints) else Checkpoints(checkpoint)
    if not resume and checkpoints.last.exists():
        raise ArgumentError(
            f"fit: checkpoint must be a place without a training; got {str(checkpoints.last)!r}, which is one. "
            "Pass resume=True to go on with it, or another place."
        )
    return checkpoints
