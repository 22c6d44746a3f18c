"""Python's containers and type tests: tapenet's pytrees need no others."""

from __future__ import annotations

import builtins
from typing import Any

from compat.autograd.boxes import Box as Box, getval, holds_box
from compat.autograd.vspaces import ContainerVSpace as ContainerVSpace, VSpace as VSpace, vspace as vspace

dict: Any = builtins.dict
list: Any = builtins.list
tuple: Any = builtins.tuple


def isinstance(x: Any, kind: Any) -> bool:
    """Return whether the plain value is of a type."""
    return builtins.isinstance(getval(x), kind)


def type(x: Any) -> Any:
    """Return the type of the plain value."""
    return builtins.type(getval(x))


class _Of(builtins.type):
    """Makes `isinstance` true of containers of some types that hold boxes."""

    types: Any = ()

    def __instancecheck__(cls, x: Any) -> bool:
        return builtins.isinstance(x, cls.types) and holds_box(x)


class SequenceBox(metaclass=_Of):
    """Stands for lists and tuples that hold boxes, in `isinstance`."""

    types = (builtins.list, builtins.tuple)


class DictBox(metaclass=_Of):
    """Stands for dicts that hold boxes, in `isinstance`."""

    types = (builtins.dict,)
