"""Boxes, which are Tensors here."""

from __future__ import annotations

from typing import Any

import tapenet as tn
from compat.autograd.errors import BoxError


class _Boxes(type):
    """Makes `isinstance(x, Box)` true of Tensors."""

    def __instancecheck__(cls, x: Any) -> bool:
        return type(x) is tn.Tensor


class Box(metaclass=_Boxes):
    """Stands for `tapenet.Tensor` in `isinstance`; a Tensor has autograd's `_value` and `_node`.

    Containers need no boxes: lists, tuples, dicts, named tuples, dataclasses and attrs classes of arrays are
    differentiated as they are.
    """

    @classmethod
    def register(cls, value_type: type) -> None:
        """Refuse: tapenet differentiates by pytrees.

        Raises:
            BoxError: always; it says what to do.
        """
        raise BoxError(
            f"Box.register: tapenet has no boxes of other types; got {value_type.__name__}. Make it a dataclass or an "
            "attrs class, or register it with optree.register_pytree_node: pytrees are differentiated as they are."
        )


def isbox(x: Any) -> bool:
    """Return whether x is on a tape."""
    return type(x) is tn.Tensor


def getval(x: Any) -> Any:
    """Return the plain value, without the tapes around it."""
    while type(x) is tn.Tensor:
        x = x.value
    return x


def holds_box(x: Any) -> bool:
    """Return whether x is a box, or a container with one in it."""
    if isinstance(x, tuple | list | dict):
        return any(type(leaf) is tn.Tensor for leaf in tn.tree.leaves(x))
    return type(x) is tn.Tensor


def plain(x: Any) -> Any:
    """Return x with the plain value of each box in it."""
    return tn.tree.map(getval, x) if isinstance(x, tuple | list | dict) else getval(x)
