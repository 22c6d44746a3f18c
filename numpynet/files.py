"""What a graph has learnt, in a file: its Variables with their running means, and statistics of batch norms."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tapenet as tn
from numpynet.operations import BatchNorm
from numpynet.symbols import Node, Variable, plain

_KEPT = ("value", "m", "V")  # of a Variable


def save_graph(path: str | os.PathLike[str], variables: Sequence[Variable], nodes: Sequence[Node]) -> None:
    """Write what a graph has learnt."""
    state = {
        "variables": [{name: _stored(getattr(variable, name)) for name in _KEPT} for variable in variables],
        "statistics": [
            None if norm.bn_mu is None else {"mean": norm.bn_mu, "var": norm.bn_var} for norm in batch_norms(nodes)
        ],
    }
    tn.save(path, state)


def load_graph(path: str | os.PathLike[str], variables: Sequence[Variable], nodes: Sequence[Node]) -> None:
    """Put what a file holds into a graph of the same definition, after checking all of it."""
    found = tn.load(path)
    expected = {f"variables.{i}.value": variable for i, variable in enumerate(variables)}
    values = {name for name in found if name.startswith("variables.") and name.endswith(".value")}
    if values != expected.keys():
        raise tn.ArgumentError(
            f"Graph.load: path must be of a graph with {len(expected)} Variables; got one with {len(values)}."
        )
    for (name, variable), place in zip(expected.items(), range(len(variables)), strict=True):
        shape = np.shape(found[name])
        if shape != variable.shape:
            raise tn.ArgumentError(
                f"Graph.load: Variable {place} must have the shape of the graph's, {variable.shape}; got {shape}."
            )
    for i, variable in enumerate(variables):
        for name in _KEPT:
            setattr(variable, name, found.get(f"variables.{i}.{name}", 0))
        variable.D = None
    for i, norm in enumerate(batch_norms(nodes)):
        norm.bn_mu, norm.bn_var = (found.get(f"statistics.{i}.{name}") for name in ("mean", "var"))


def _stored(value: Any) -> Any:
    return value if isinstance(value, int) else np.asarray(plain(value))


def batch_norms(nodes: Sequence[Node]) -> list[BatchNorm]:
    """Return the batch norms of nodes, those in blocks too, in order."""
    seen: set[int] = set()
    return [norm for node in nodes for norm in _within(node.operator, seen)]


def _within(operator: Any, seen: set[int]) -> Iterator[BatchNorm]:
    if id(operator) in seen or isinstance(operator, Variable):
        return
    seen.add(id(operator))
    if isinstance(operator, BatchNorm):
        yield operator
        return
    for part in getattr(operator, "__dict__", {}).values():
        yield from _within(part, seen)
