"""`where` as autograd has it."""

from __future__ import annotations

from typing import Any

import tapenet.numpy as tnp
from tapenet.errors import ArgumentError


def where(condition: Any, *choices: Any, **named: Any) -> Any:
    """Choose as `numpy.where` does, by name too, but give Python's own numbers and lists for such arguments."""
    if len(choices) == 2 and not named:
        return _chosen(condition, *choices)
    if not choices and not named:
        return tnp.where(condition)
    x, y = (choices[i] if i < len(choices) else named.pop(name, None) for i, name in enumerate("xy"))
    if x is None or y is None or named or len(choices) > 2:
        raise ArgumentError(f"where: x and y must be given both; got {len(choices)} choices and {sorted(named)}.")
    return _chosen(condition, x, y)


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    chosen = tnp.where(condition, x, y)
    return chosen if _is_array(condition) or _is_array(x) or _is_array(y) else chosen.tolist()


def _is_array(x: Any) -> bool:
    return hasattr(x, "dtype") or (isinstance(x, list | tuple) and any(map(_is_array, x)))
