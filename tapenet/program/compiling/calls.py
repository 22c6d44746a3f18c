"""Calls of compiled functions: their leaves, their static arguments, and the signature that they are of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.pytrees import TreeSpec, told_apart
from tapenet.errors import ArgumentError
from tapenet.program.compiling.signatures import Same, leaf_key, shared_places, static_value
from tapenet.program.compiling.variants import Around, Signature, too_many
from tapenet.program.recording.environment import Environment
from tapenet.program.recording.generators import SharedStreams, saved
from tapenet.program.recording.recorder import UnsupportedError
from tapenet.transforms.calls import name_of


@attrs.frozen
class StaticArguments:
    """Which arguments are given to a function as they are.

    Attributes:
        names: of their parameters.
        positions: of those that may be positional.
    """

    names: frozenset[str]
    positions: frozenset[int]

    @classmethod
    def of(cls, f: Callable[..., Any], names: frozenset[str]) -> StaticArguments:
        """Find where a function takes parameters of these names."""
        if not names:
            return cls(names, frozenset())
        try:
            parameters = list(inspect.signature(f).parameters.values())
        except (TypeError, ValueError):
            return cls(names, frozenset())
        unknown = names - {p.name for p in parameters}
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise ArgumentError(
                f"compile: static_argnames must name parameters of {name_of(f)}; got {', '.join(sorted(unknown))}."
            )
        places = enumerate(parameters)
        return cls(names, frozenset(i for i, p in places if p.name in names and p.kind is not p.KEYWORD_ONLY))

    def split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Return the static arguments, by place and by name, and the others with None in their places."""
        if not self.names:
            return (), args, kwargs
        by_place = tuple([(i, static_value(x)) for i, x in enumerate(args) if i in self.positions])
        by_name = tuple([(name, static_value(kwargs[name])) for name in sorted(kwargs) if name in self.names])
        others = tuple([None if i in self.positions else x for i, x in enumerate(args)])
        return (by_place, by_name), others, {k: x for k, x in kwargs.items() if k not in self.names}


@attrs.frozen(eq=False)
class Call:
    """One call, split into leaves.

    Attributes:
        key: of its signature.
        around: what is around the function.
        known: what is known of the signature, None where it is met for the first time.
        count: of the programs that were known.
        leaves, spec: of (args, kwargs, values of the environment).
        static: the static arguments, by place and by name.
        generators: of random numbers among the leaves.
        args, kwargs: the arguments but for the static ones.
        reason: why it is to run eagerly, empty where it is not.
    """

    key: Hashable
    around: Around
    known: Signature | None
    count: int
    leaves: list[Any]
    spec: TreeSpec
    static: Any
    generators: list[np.random.Generator]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reason: str

    @property
    def merge(self) -> Callable[[Any, Any], tuple[Any, Any]] | None:
        """What puts static arguments back; None without any."""
        return self._merged if self.static else None

    def _merged(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        by_place, by_name = self.static
        whole = list(args)
        for place, value in by_place:
            whole[place] = value
        return whole, {**kwargs, **dict(by_name)}

    def whole(self) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return all arguments: those by position, and those by keyword."""
        return self._merged(self.args, self.kwargs) if self.static else (self.args, self.kwargs)

    def saved(self, environment: Environment, streams: SharedStreams) -> Callable[[], None]:
        """Return a function that undoes what is drawn and put into containers from now on."""
        restores = saved(self.generators), environment.saved(streams)

        def restore() -> None:
            for undo in restores:
                undo()

        return restore


def looked_up(
    around: Around, leaves: Sequence[Any], spec: TreeSpec, static: Any, generators: Sequence[int]
) -> tuple[Hashable, Signature | None, str]:
    """Return the key of a call's signature, what is known of that, and why the call is to run eagerly.

    Args:
        around: what is around the function.
        leaves, spec: of the arguments and of what is around.
        static: the static arguments.
        generators: the places of generators among the leaves.
    """
    key: Any = None
    known: Signature | None = None
    reason = ""
    try:
        keys: Any = tuple([leaf_key(leaf) for leaf in leaves])
        key = (spec, keys, static, static and told_apart(static))
        known = around.signatures.get(key)  # compares it with those of equal hash
    except UnsupportedError as error:
        reason = str(error)
    except (TypeError, ValueError):
        reason = "a static argument, or a static field of one, must be hashable, and comparable by =="
    if not reason and known is None and (functions := [i for i, x in enumerate(keys) if type(x) is Same]):
        reason = too_many(around, (spec, tuple([None if i in functions else x for i, x in enumerate(keys)]), static))
    if reason:
        key = ("unsupported", reason)
    if len(generators) > 1:
        key = (key, shared_places(leaves, generators))
    return key, around.signatures.get(key) if known is None else known, reason
