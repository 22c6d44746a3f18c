"""The vector spaces of arrays."""

from __future__ import annotations

from compat.autograd.vspaces import ArrayVSpace as ArrayVSpace, ComplexArrayVSpace as ComplexArrayVSpace
