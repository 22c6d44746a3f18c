"""The one evaluation: every node of a graph along its links, each after those that it reads."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Sequence
from typing import Any

import tapenet as tn
from numpynet.calling import call
from numpynet.errors import GraphError
from numpynet.symbols import Array, Layer, Link, Node, Op, Placeholder, Symbol, Variable, mapped, plain


def evaluate(function: str, nodes: Sequence[Node], X: Variable | None, if_train: bool) -> Array:
    """Compute the nodes, which then hold their outputs, and return that of the last.

    The last is the one that no other reads; of several, the last in `nodes`.

    Args:
        function: names the caller in errors.
        nodes: in the order in which they were added.
        X: the input; None where nothing was fed.
        if_train: whether the graph trains or predicts.
    """
    order = _in_order_of_links(function, nodes)
    places = _places_of_input(function, nodes, X)

    def read(link: Link) -> Any:
        if link in places:
            if X is None:
                raise GraphError(f"{where}: a Placeholder must be fed before it is read. Write graph.forward(X).")
            return X
        return link.output if isinstance(link, Node) else link

    for node in order:
        where = f"{function}: {position(nodes, node)}"
        inputs = [mapped(read, link) for link in ([node.X1] if node.X2 is None else [node.X1, node.X2])]
        node.output = Variable(computed(node, where, inputs, if_train))
    outputs = {node: node.output for node in order if node.output is not None}
    last = outputs[_last(nodes)].value
    for output in outputs.values():
        output.value = plain(output.value)  # operators may keep it, and would keep the tape with it
    return last


def computed(symbol: Symbol, where: str, inputs: list[Any], if_train: bool) -> Array:
    """Compute the value of a symbol; errors of its inputs name it and their shapes."""
    try:
        return call(symbol, where, inputs, if_train)
    except (ValueError, TypeError, IndexError) as error:
        shapes = ", ".join(str(mapped(lambda variable: variable.shape, x)) for x in inputs)
        kind = tn.ArgumentTypeError if isinstance(error, TypeError) else tn.ArgumentError
        raise kind(f"{where}, of {shapes}: {error}") from error


def position(nodes: Sequence[Node], node: Node) -> str:
    """Return what errors call a node: its index in the order of adding, and its operation."""
    return f"node {nodes.index(node)}, {node.name}"


def _in_order_of_links(function: str, nodes: Sequence[Node]) -> list[Node]:
    if not nodes:
        raise GraphError(f"{function}: the graph must have a node. Write graph.add_op(...).")
    sources = {node: [link for link in node.links if isinstance(link, Node)] for node in nodes}
    for node, links in sources.items():
        for link in links:
            if link not in sources:
                add = {Op: "add_op", Layer: "add_layer"}.get(type(link), "add_block")
                raise GraphError(
                    f"{function}: {position(nodes, node)}, reads {link.name}, which was never added to the graph. "
                    f"Write graph.{add}(...) for it."
                )
    try:
        return list(graphlib.TopologicalSorter(sources).static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(position(nodes, node) for node in error.args[1])
        raise GraphError(f"{function}: nodes must not read one another in a circle; got {circle}.") from None


def _places_of_input(function: str, nodes: Sequence[Node], X: Variable | None) -> Collection[Link]:
    """Return the links that stand for the input: Placeholders, or else the Variable that the first node reads."""
    places = {link for node in nodes for link in node.links if link is None or isinstance(link, Placeholder)}
    if places or X is None:
        return places
    if not isinstance(nodes[0].X1, Variable):
        raise GraphError(f"{function}: a node must read a Placeholder for X to take its place; none does.")
    return {nodes[0].X1}


def _last(nodes: Sequence[Node]) -> Node:
    read = {link for node in nodes for link in node.links}
    return next(node for node in reversed(nodes) if node not in read)
