"""The progress of a training: a bar for each epoch, by tqdm."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from tapenet.core.packages import import_package
from tapenet.errors import MissingPackageError

RECENT = 50  # steps, of whose losses the mean is shown


class Bar:
    """A bar for one epoch, to be used in a `with` statement; without tqdm it shows nothing."""

    def __init__(self, tqdm: Any, title: str, total: int | None) -> None:
        options = {"total": total, "desc": title, "unit": " batches", "mininterval": 0.5, "dynamic_ncols": True}
        self._bar = None if tqdm is None else tqdm(**options)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def stepped(self, losses: list[float]) -> None:
        """Count a step, and show the mean of the last losses."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {np.mean(losses[-RECENT:]):.4f}", refresh=False)
            self._bar.update()

    def ended(self, numbers: Mapping[str, Any]) -> None:
        """Show the numbers of the epoch."""
        if self._bar is not None:
            shown = (
                f"{name.replace('_', ' ')} {x:.4f}" for name, x in numbers.items() if name not in ("epoch", "seconds")
            )
            self._bar.set_postfix_str(", ".join(shown))


def bar_class(progress: bool | None) -> Any:
    """Return tqdm, where progress is to be shown; else None.

    Raises:
        MissingPackageError: it is asked for, and tqdm is not installed.
    """
    if progress is False or (progress is None and not _is_watched()):
        return None
    try:
        return import_package("tqdm", "fit", "training").tqdm
    except MissingPackageError:
        if progress:
            raise
        return None


def _is_watched() -> bool:
    """Return whether somebody may be looking: at a terminal, or in a notebook."""
    is_notebook = "ipykernel" in sys.modules
    return is_notebook or bool(getattr(sys.stderr, "isatty", bool)())


def total_of(data: Any) -> int | None:
    """Return the number of batches, where the data tell it."""
    try:
        return len(data)
    except TypeError:
        return None
