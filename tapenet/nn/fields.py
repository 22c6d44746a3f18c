"""Fields of layers: copies with others in their places."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import attrs

from tapenet.errors import ArgumentTypeError

Same = TypeVar("Same")


def replaced_fields(layer: Same, changes: dict[str, Any]) -> Same:
    """Return a copy of a layer, an attrs class or dataclass, with other fields; what they declare of checks is done."""
    kind: Any = type(layer)
    is_attrs = attrs.has(kind)
    if not is_attrs and not dataclasses.is_dataclass(kind):
        raise ArgumentTypeError(
            f"{kind.__name__}.replace: the layer must be an attrs class or a dataclass; got {kind.__name__}. "
            "Write @attrs.frozen above the class."
        )
    fields: Any = attrs.fields(kind) if is_attrs else dataclasses.fields(kind)
    names = [field.name for field in fields]
    for name in changes:
        if name not in names:
            raise ArgumentTypeError(
                f"{kind.__name__}.replace: fields must be of {', '.join(names) or 'none'}; got {name!r}."
            )
    # Past __init__, which takes sizes and not arrays.
    copy: Any = object.__new__(kind)
    for name in names:
        object.__setattr__(copy, name, changes.get(name, getattr(layer, name)))
    for field in fields if is_attrs else ():
        if field.validator is not None and field.name in changes:
            field.validator(copy, field, changes[field.name])
    return copy
