"""`ArrayBox`, for `isinstance`."""

from __future__ import annotations

from compat.autograd.boxes import Box


class ArrayBox(Box):
    """Stands for `tapenet.Tensor` in `isinstance`."""
