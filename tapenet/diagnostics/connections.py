"""Checks that a tape connects targets and sources, and errors that say why it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tapenet.core.leaf_checks import described, dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, leaf_paths
from tapenet.core.recorder import Recorder
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, UnconnectedError

Unconnected = Literal["error", "zero", "none"]


def check_unconnected(function: str, unconnected: str) -> None:
    """Raise unless `unconnected` is one of the three ways to treat unconnected sources."""
    if unconnected not in ("error", "zero", "none"):
        raise ArgumentError(f"{function}: unconnected must be 'error', 'zero' or 'none'; got {unconnected!r}.")


def check_sources(trace: Recorder, function: str, x: Tree, sources: Sequence[Any]) -> None:
    """Raise for a source that is not a value on the tape."""
    for i, source in enumerate(sources):
        if type(source) is Tensor and source.owner is trace:
            continue
        path = leaf_paths(x, "x")[i]
        if type(source) is Tensor:
            raise UnconnectedError(f"{function}: {path} is a Tensor of another tape.")
        raise UnconnectedError(
            f"{function}: {path} was never watched; got {described(source)}. "
            "Differentiate by what tape.watch returned: x = tape.watch(x0)."
        )


def check_targets(trace: Recorder, function: str, y: Tree, targets: Sequence[Any], unconnected: Unconnected) -> None:
    """Raise for a target that is not a value on the tape, unless it may be unconnected."""
    for i, target in enumerate(targets):
        if unconnected == "error" and (type(target) is not Tensor or target.owner is not trace):
            raise UnconnectedError(f"{function}: {leaf_paths(y, 'y')[i]} {why_not_on(trace, target)}")


def why_not_on(trace: Recorder, target: Any) -> str:
    """Return why a target is not a value on the tape, as errors say it."""
    if type(target) is Tensor:
        return "is a Tensor of another tape."
    if dtype_of(target) is None or np.dtype(dtype_of(target)).kind not in "fc":
        return (
            f"has no differentiable path to x: it is {described(target)}, and comparisons, argmax and "
            "other functions without a derivative give plain arrays."
        )
    if trace.outlived:
        return (
            f"was computed after the tape closed: it is {described(target)}, and operations outside the "
            "`with` block are not recorded. Move them into the block."
        )
    return (
        f"was never watched: it is {described(target)}, and was not computed from values on this tape. "
        "Use what tape.watch returned: x = tape.watch(x0)."
    )


def check_connected(function: str, x: Tree, pulled: Sequence[Array | None]) -> None:
    """Raise for sources that no walk reached."""
    if any(answer is None for answer in pulled):
        missing = [path for path, answer in zip(leaf_paths(x, "x"), pulled, strict=True) if answer is None]
        raise UnconnectedError(
            f"{function}: there is no differentiable path from {', '.join(missing)} to y. "
            "For sources that y does not depend on, pass unconnected='zero' or 'none'."
        )
