"""Optimizers, their parts and their states in notebooks: tables of settings, and of what a state holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import attrs
import numpy as np

from tapenet.core.pytrees import tree_leaves
from tapenet.views.html import html_table
from tapenet.views.sizes import readable

_WIDTH, _HEIGHT = 240, 60  # of the picture of a schedule, in pixels
_POINTS = 120


def settings_html(optimizer: Any) -> str:
    """Format the settings of an optimizer, or of a part of one."""
    rows = [(field.name, _shown(getattr(optimizer, field.name))) for field in attrs.fields(type(optimizer))]
    return html_table((optimizer.name, "value"), rows)


def schedule_html(name: str, settings: Mapping[str, Any], schedule: Callable[[int], Any]) -> str:
    """Format the settings of a schedule, and plot its values over a few more steps than they name."""
    table = html_table((name, "value"), [(setting, _shown(value)) for setting, value in settings.items()])
    last = max(4, _steps_in(settings) * 5 // 4)
    steps = sorted({round(last * i / _POINTS) for i in range(_POINTS + 1)})
    values = [float(schedule(step)) for step in steps]
    top = max(values) or 1.0
    places = zip(steps, values, strict=True)
    line = " ".join(f"{_WIDTH * step / last:.1f},{_HEIGHT * (1 - value / top):.1f}" for step, value in places)
    box = f'viewBox="-2 -2 {_WIDTH + 4} {_HEIGHT + 4}" width="{_WIDTH}" height="{_HEIGHT}"'
    drawn = f'<polyline points="{line}" fill="none" stroke="currentColor"/>'
    return f"{table}<svg {box}>{drawn}</svg><div>0 to {readable(last, '')} steps, 0 to {top:.3g}</div>"


def _steps_in(settings: Mapping[str, Any]) -> int:
    """Return the largest number of steps that the settings of a schedule, and of those within it, name."""
    inner = [x for value in settings.values() for x in (value if isinstance(value, tuple) else (value,))]
    counts = [x for x in inner if isinstance(x, int)]
    return max([*counts, *(_steps_in(x.keywords) for x in inner if isinstance(x, partial))], default=0)


def state_html(state: Any) -> str:
    """Format what a state holds: numbers by their values, pytrees of arrays by their sizes."""
    rows = [(name, *_contents(part)) for name, part in zip(state._fields, state, strict=True)]
    return html_table((type(state).__name__, "value", "arrays", "elements", "bytes"), rows)


def show_states(*modules: ModuleType) -> None:
    """Have notebooks show the states that these modules define by `state_html`."""
    for module in modules:
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, tuple) and kind.__module__ == module.__name__:
                kind._repr_html_ = state_html  # type: ignore[attr-defined]  # named tuples share no class to have it


def _contents(part: Any) -> tuple[str, str, str, str]:
    leaves = [leaf for leaf in tree_leaves(part) if hasattr(leaf, "shape") and leaf.shape]
    if not leaves:
        return _shown(part), "", "", ""
    elements = sum(int(np.prod(leaf.shape)) for leaf in leaves)
    size = sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
    return type(part).__name__, str(len(leaves)), f"{elements:,}", readable(size)


def _shown(value: Any) -> str:
    text = str(getattr(value, "__name__", None) or repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
