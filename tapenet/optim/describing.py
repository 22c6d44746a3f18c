"""Optimizers, their parts and their states in notebooks: tables of settings, and of what a state holds."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import attrs
import numpy as np

from tapenet.core.pytrees import tree_leaves
from tapenet.views.html import html_table
from tapenet.views.sizes import readable


def settings_html(optimizer: Any) -> str:
    """Format the settings of an optimizer, or of a part of one."""
    rows = [(field.name, _shown(getattr(optimizer, field.name))) for field in attrs.fields(type(optimizer))]
    return html_table((optimizer.name, "value"), rows)


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
