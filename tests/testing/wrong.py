"""Functions whose derivative is made wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapenet.primitive import Primitive, bind


def function(
    forward: Callable[[Any], Any], pullback: Callable[[Any, Any], Any], push: Callable[[Any, Any], Any] | None = None
) -> Callable[[Any], Any]:
    """A function of one array with rules `(t, x) -> ...`, for both modes unless a push is given too."""

    def rule(of: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        return lambda t, kept, parameters, shape: of(t, kept[0])

    primitive = Primitive(
        "wrong", "general", forward, ("x",), (rule(pullback),), (rule(push or pullback),), (frozenset({0}),)
    )
    return lambda x: bind(primitive, (x,), {})
