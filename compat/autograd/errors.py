"""The errors that only autograd's API has."""

from __future__ import annotations

from tapenet.errors import TapenetError


class InstallationError(TapenetError, RuntimeError):
    """`install` came after the real autograd."""


class BoxError(TapenetError, NotImplementedError):
    """A kind of box that tapenet does not have."""
