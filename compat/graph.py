"""The graph: nodes evaluated along their links onto one tape, which is walked back once."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import attrs
import numpy as np

import tapenet as tn
from compat import calling
from compat.errors import GraphError
from compat.losses import Loss
from compat.symbols import (
    Array,
    Layer,
    Link,
    Node,
    Placeholder,
    Variable,
    holding,
    plain,
    shape_of,
    unique,
)
from tapenet.errors import ArgumentError, ArgumentTypeError, TapenetError, UnconnectedError
from tapenet.primitive import named_error


@attrs.define(eq=False)
class _Recorded:
    """What `forward` leaves for `calc_loss` and `backward`.

    Attributes:
        tape: the tape, open until `close` is called.
        close: closes it.
        watched: the Variables to differentiate by.
        tensors: their values on the tape.
        result: the output, on the tape.
        loss: the loss, on the tape; None before `calc_loss`.
    """

    tape: tn.GradientTape
    close: Callable[[], None]
    watched: list[Variable]
    tensors: list[Any]
    result: Array
    loss: Array = None


class Graph:
    """A network of nodes, with a loss and an optimizer.

        graph.forward(X); graph.calc_loss(Y); graph.backward(); graph.update()

    Nodes are evaluated along their links, in whatever order they were added; the original went by the order
    alone. The output is that of the node which no other reads (of several, the last added).

    Attributes:
        graph, ops, layers: the nodes in the order in which they were added: all, operations, and the others.
        variable: the Variables in the order in which they were added.
        loss, optimizer: what was added as such; None before.
        output: after `forward` the output as a Variable; after `predict` the prediction as an array.
        lossvalue: what `calc_loss` found last; None before.
    """

    def __init__(self) -> None:
        self.graph: list[Node] = []
        self.ops: list[Node] = []
        self.layers: list[Node] = []
        self.variable: list[Variable] = []
        self.loss: Any = None
        self.optimizer: Any = None
        self.output: Any = None
        self.lossvalue: Any = None
        self._fed: Variable | None = None
        self._labels: Variable | None = None
        self._recorded: _Recorded | None = None

    # ---- definition ----

    def add_var(self, var: Variable) -> None:
        """Add a Variable, for `update` to train unless its lr is 0. A second time changes nothing."""
        if not isinstance(var, Variable):
            raise ArgumentTypeError(f"add_var: var must be a Variable; got {type(var).__name__}.")
        if var not in self.variable:
            self.variable.append(var)

    def add_vars(self, varlist: Iterable[Variable]) -> None:
        """Add several Variables."""
        for var in varlist:
            self.add_var(var)

    def add_op(self, op: Node) -> None:
        """Add an operation. A second time changes nothing."""
        self._add("add_op", op, self.ops)

    def add_ops(self, oplist: Iterable[Node]) -> None:
        """Add several operations."""
        for op in oplist:
            self.add_op(op)

    def add_layer(self, layer: Node) -> None:
        """Add a layer. A second time changes nothing."""
        self._add("add_layer", layer, self.layers)

    def add_layers(self, layerlist: Iterable[Node]) -> None:
        """Add several layers."""
        for layer in layerlist:
            self.add_layer(layer)

    def add_block(self, block: Node) -> None:
        """Add a block, such as `ResBlock`. A second time changes nothing."""
        self._add("add_block", block, self.layers)

    def add_blocks(self, blocklist: Iterable[Node]) -> None:
        """Add several blocks."""
        for block in blocklist:
            self.add_block(block)

    def _add(self, function: str, node: Node, kind: list[Node]) -> None:
        if not isinstance(node, Node):
            raise ArgumentTypeError(
                f"{function}: a node must be an Op, a Layer or a block; got {type(node).__name__}. "
                "Write Op(operation, X1, X2) or Layer(activator, X)."
            )
        if node not in self.graph:
            self.graph.append(node)
            kind.append(node)

    def add_loss(self, loss: Any) -> None:
        """Set the loss, such as `Loss(Softmax())`."""
        if not isinstance(loss, Loss):
            raise ArgumentTypeError(f"add_loss: loss must be a Loss; got {type(loss).__name__}. Write Loss(Softmax()).")
        self.loss = loss

    def add_optimizer(self, optimizer: Any) -> None:
        """Set the optimizer: anything with `update(var)`."""
        if not callable(getattr(optimizer, "update", None)):
            raise ArgumentTypeError(
                f"add_optimizer: optimizer must have a method update(var); got {type(optimizer).__name__}."
            )
        self.optimizer = optimizer

    # ---- training ----

    def forward(self, X: Variable | Array = None) -> None:
        """Evaluate the nodes, recording them on a new tape.

        Args:
            X: the input, a Variable or an array, of any batch size; without it the last one again, if any.

        Raises:
            GraphError: no nodes, one that was linked but never added, a Placeholder that was never fed.
            ArgumentError, ArgumentTypeError: what a node cannot take; names it with its shapes.
        """
        if X is not None:
            self._fed = _as_variable(X)
            self._labels = None
        self._forget()
        watched = self._differentiated()
        opened = ExitStack()
        tape = opened.enter_context(tn.GradientTape())
        tensors = [_watch(tape, variable) for variable in watched]
        with holding(watched, tensors):
            result = self._evaluate("forward", self._fed, if_train=True)
        self._recorded = _Recorded(tape, opened.close, watched, tensors, result)
        self.output = Variable(plain(result))

    def calc_loss(self, Y: Variable | Array) -> Any:
        """Calculate the loss of the last `forward`.

        Args:
            Y: the labels, a Variable or an array; for `Softmax` one-hot.

        Returns:
            The loss, which is in `lossvalue` too.

        Raises:
            GraphError: no loss was added, or there was no forward.
            ArgumentError: labels that do not fit the output.
        """
        self._require_loss("calc_loss")
        recorded = self._require_forward("calc_loss")
        output, labels = Variable(recorded.result), _as_variable(Y)
        where = f"calc_loss: {self.loss.name} of output {output.shape}, Y {labels.shape}"
        with holding(recorded.watched, recorded.tensors):
            recorded.loss = _named(where, lambda: self.loss.forward(output, labels))
        output.value = plain(output.value)  # losses may keep what they were given, and with it the tape
        self._labels = labels
        self.lossvalue = self.loss.loss
        return self.lossvalue

    def backward(self) -> None:
        """Walk the tape back once, and set `.D` of every Variable that was added or is trained.

        After `forward()` without an argument the labels of the `calc_loss` before it hold still.

        Raises:
            GraphError: there was no forward, or no `calc_loss` after it.
            UnconnectedError: a trainable Variable that the loss does not depend on; names it.
        """
        recorded = self._require_forward("backward")
        if recorded.loss is None:
            if self._labels is None:
                raise GraphError("backward: calc_loss must be called before it. Write graph.calc_loss(Y).")
            self.calc_loss(self._labels)
        recorded.close()  # so that the walk itself is not recorded
        loss, tape = recorded.loss, recorded.tape
        if not isinstance(loss, tn.Tensor) or loss.tape is not tape:
            raise UnconnectedError(
                "backward: the loss must depend on a trainable Variable; got none on the tape. Give the Variable "
                "an lr that is not 0; and after backward, call forward before calc_loss."
            )
        gradients = tape.gradient(loss, recorded.tensors, unconnected="none")
        for variable, gradient in zip(recorded.watched, gradients, strict=True):
            variable.D = gradient
        missing = [v for v in self.variable if v.lr and v.D is None]
        if missing:
            raise UnconnectedError(
                f"backward: the loss does not depend on {', '.join(map(self._variable_name, missing))}. "
                "Link each into a node on the way to the output, or set its lr to 0."
            )

    def update(self) -> None:
        """Let the optimizer take one step on every added Variable, but for those with lr 0.

        Raises:
            GraphError: no optimizer was added, or a Variable has no gradient yet.
        """
        if self.optimizer is None:
            raise GraphError("update: an optimizer must be added before it. Write graph.add_optimizer(SGDOptimizer()).")
        trained = [variable for variable in self.variable if variable.lr]
        for variable in trained:
            if variable.D is None:
                raise GraphError(
                    f"update: backward must be called before it; {self._variable_name(variable)} has no gradient."
                )
        for variable in trained:
            variable.update(self.optimizer)

    # ---- inference ----

    def predict(self, X: Variable | Array) -> Array:
        """What the loss predicts for X, without dropout: for `Softmax` probabilities.

        Leaves a `forward` that waits for its `backward` as it is.

        Raises:
            GraphError: no loss was added; or as `forward`.
        """
        self._require_loss("predict")
        result = self._evaluate("predict", _as_variable(X), if_train=False)
        self.output = self.loss.predict(Variable(result))
        return self.output

    def accuracy(self, batches: Sequence[Any], batchs: int | None = None) -> float:
        """The share of rows whose largest prediction is where their largest label is.

        Args:
            batches: pairs (X, Y), such as `miniBatch` gives.
            batchs: how many of them to use, from the first; all by default.
        """
        right = total = 0
        for X, Y in batches[:batchs]:
            labels = np.asarray(_as_variable(Y).value)
            right += np.sum(np.argmax(self.predict(X), axis=1) == np.argmax(labels, axis=1))
            total += len(labels)
        if total == 0:
            raise ArgumentError(f"accuracy: batches must hold examples; got {len(batches)} batches of none.")
        return float(right / total)

    # ---- the evaluation ----

    def _forget(self) -> None:
        """Let go of the last evaluation, before the next needs the memory."""
        self._recorded = None
        self.output = None
        for node in self.graph:
            node.output = None

    def _differentiated(self) -> list[Variable]:
        """The Variables to differentiate by: those added, and those linked that are trained."""
        linked = [variable for node in self.graph for variable in node.variables if variable.lr]
        return unique([*self.variable, *linked])

    def _evaluate(self, function: str, fed: Variable | None, if_train: bool) -> Array:
        """Compute every node once, each after those that it reads; the value of the output."""
        order = self._order(function)
        root = self._root(order, fed)
        values: dict[Node, Array] = {}
        given: list[Variable] = []

        def read(link: Link, node: Node) -> Any:
            if isinstance(link, list | tuple):
                return [read(member, node) for member in link]
            if isinstance(link, Node):
                given.append(Variable(values[link]))
                return given[-1]
            if link is None or isinstance(link, Placeholder) or link is root:
                return self._input(function, fed, node)
            if not isinstance(link, Variable):
                raise ArgumentTypeError(
                    f"{function}: {self._node_name(node)} must read nodes, Variables or a Placeholder; "
                    f"got {type(link).__name__}. Write Variable(array)."
                )
            return link

        for node in order:
            inputs = [read(node.X1, node), *([] if node.X2 is None else [read(node.X2, node)])]
            where = f"{function}: {self._node_name(node)} of {', '.join(str(shape_of(x)) for x in inputs)}"
            values[node] = _computed(where, node, inputs, if_train)
        for variable in given:  # operations may keep what they were given, and with it the tape
            variable.value = plain(variable.value)
        for node, value in values.items():
            node.output = Variable(plain(value))
        return values[self._last(order)]

    def _order(self, function: str) -> list[Node]:
        """The nodes, each after those that it reads."""
        if not self.graph:
            raise GraphError(f"{function}: the graph must have a node. Write graph.add_op(...).")
        sources = {node: [link for link in node.links if isinstance(link, Node)] for node in self.graph}
        for node, links in sources.items():
            for link in links:
                if link not in sources:
                    kind = "add_layer" if isinstance(link, Layer) else "add_op"
                    raise GraphError(
                        f"{function}: {self._node_name(node)} reads {link.name}, which was never added to the "
                        f"graph. Write graph.{kind}(...) for it."
                    )
        try:
            return list(graphlib.TopologicalSorter(sources).static_order())
        except graphlib.CycleError as error:
            names = " -> ".join(self._node_name(node) for node in error.args[1])
            raise GraphError(f"{function}: nodes must not read one another in a circle; got {names}.") from None

    def _last(self, order: Sequence[Node]) -> Node:
        read = {link for node in order for link in node.links if isinstance(link, Node)}
        return next(node for node in reversed(self.graph) if node not in read)

    def _root(self, order: Sequence[Node], fed: Variable | None) -> Variable | None:
        """The Variable that the fed input takes the place of: where no Placeholder is, what the first node reads."""
        links = [link for node in order for link in node.links]
        first = self.graph[0].X1
        if fed is None or any(link is None or isinstance(link, Placeholder) for link in links):
            return None
        return first if isinstance(first, Variable) else None

    def _input(self, function: str, fed: Variable | None, node: Node) -> Variable:
        if fed is None:
            raise GraphError(
                f"{function}: {self._node_name(node)} reads a Placeholder that was never fed. Write graph.forward(X)."
            )
        return fed

    # ---- names in errors ----

    def _require_loss(self, function: str) -> None:
        if self.loss is None:
            raise GraphError(f"{function}: a loss must be added before it. Write graph.add_loss(Loss(Softmax())).")

    def _require_forward(self, function: str) -> _Recorded:
        if self._recorded is None:
            raise GraphError(f"{function}: forward must be called before it. Write graph.forward(X).")
        return self._recorded

    def _node_name(self, node: Node) -> str:
        return f"node {self.graph.index(node)}, {node.name},"

    def _variable_name(self, variable: Variable) -> str:
        return f"Variable {self.variable.index(variable)} of shape {variable.shape}"


def _watch(tape: tn.GradientTape, variable: Variable) -> Any:
    """The value of a Variable on a tape; integers, which have no derivative, as float64."""
    is_whole = np.asarray(variable.value).dtype.kind in "biu"
    return tape.watch(np.asarray(variable.value, np.float64) if is_whole else variable.value)


def _as_variable(X: Variable | Array) -> Variable:
    return X if isinstance(X, Variable) else Variable(X)


def _computed(where: str, node: Node, inputs: Sequence[Any], if_train: bool) -> Array:
    if isinstance(node, Layer):
        value = _named(where, lambda: calling.activate(where, node.operator, inputs[0], if_train))
    else:
        value = _named(where, lambda: calling.operate(where, node.operator, inputs, if_train))
    if not hasattr(value, "shape"):
        raise ArgumentTypeError(
            f"{where}: forward must return a Variable or an array; got {type(value).__name__} {value!r}."
        )
    return value


def _named(where: str, compute: Callable[[], Array]) -> Array:
    """Compute; what is wrong with the operands is told under the name of the node, any other error as it is."""
    try:
        return compute()
    except (TapenetError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, TapenetError):
            if str(error).startswith(where):
                raise
            raise type(error)(f"{where}: {error}") from error
        raise named_error(where, error) from error
