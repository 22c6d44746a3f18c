"""Helpers that autograd has beside its operators."""

from __future__ import annotations

from compat.autograd.misc.flatten import flatten as flatten
from compat.autograd.misc.tracers import const_graph as const_graph
