"""The graph: symbols, linked; one evaluation of them onto a tape, and one walk back."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import tapenet as tn
from numpynet.errors import GraphError
from numpynet.evaluation import computed, evaluate
from numpynet.files import load_graph, save_graph
from numpynet.losses import Loss
from numpynet.recording import Recording, record
from numpynet.symbols import Array, Node, Variable, as_variable, plain
from tapenet.core.argument_checks import checked_count, shown


class Graph:
    """A network of nodes, with a loss and an optimizer.

        graph.forward(X); graph.calc_loss(Y); graph.backward(); graph.update()

    Nodes are evaluated along their links; the original went by the order in which they were added. The output
    is that of the node which no other reads (of several, the last added).

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
        self.loss: Loss | None = None
        self.optimizer: Any = None
        self.output: Any = None
        self.lossvalue: Any = None
        self._X: Variable | None = None
        self._Y: Variable | None = None
        self._differentiated: list[Variable] = []  # what the two recordings watch
        self._forward: Recording | None = None
        self._loss: Recording | None = None

    # ---- definition ----

    def add_var(self, var: Variable) -> None:
        """Add a Variable, for `update` to train unless its lr is 0. A second time changes nothing."""
        if not isinstance(var, Variable):
            raise tn.ArgumentTypeError(f"add_var: var must be a Variable; got {type(var).__name__}.")
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
            raise tn.ArgumentTypeError(
                f"{function}: a node must be an Op, a Layer or a block; got {type(node).__name__}. "
                "Write Op(operation, X1, X2) or Layer(activator, X)."
            )
        if node not in self.graph:
            self.graph.append(node)
            kind.append(node)

    def add_loss(self, loss: Loss) -> None:
        """Set the loss, such as `Loss(Softmax())`."""
        if not isinstance(loss, Loss):
            raise tn.ArgumentTypeError(
                f"add_loss: loss must be a Loss; got {type(loss).__name__}. Write Loss(Softmax())."
            )
        self.loss = loss

    def add_optimizer(self, optimizer: Any) -> None:
        """Set the optimizer: anything with `update(var)`."""
        if isinstance(optimizer, type) or not callable(getattr(optimizer, "update", None)):
            raise tn.ArgumentTypeError(
                f"add_optimizer: optimizer must be an instance with a method update(var); got {optimizer!r}."
            )
        self.optimizer = optimizer

    # ---- training ----

    def forward(self, X: Variable | Array = None) -> None:
        """Evaluate the nodes, recording them on a tape.

        Args:
            X: the input, a Variable or an array, of any batch size; without it the last one again, if any.

        Raises:
            GraphError: no node; one that was linked but never added; a Placeholder that was never fed.
            ArgumentError, ArgumentTypeError: what a node cannot take; names it with its shapes.
        """
        if X is not None:
            self._X, self._Y = as_variable("forward", "X", X), None
        self._forward = self._loss = None  # lets go of the last tapes before memory is needed again
        self._differentiated = self._variables()
        self._forward = record(self._differentiated, lambda: evaluate("forward", self.graph, self._X, if_train=True))
        self.output = Variable(plain(self._forward.result))

    def calc_loss(self, Y: Variable | Array) -> Any:
        """Calculate the loss of the last `forward`, recording it on a tape.

        Args:
            Y: the labels, a Variable or an array; for `Softmax` one-hot.

        Returns:
            The loss, which is in `lossvalue` too.

        Raises:
            GraphError: no loss was added, or there was no forward.
            ArgumentError: labels that do not fit the output.
        """
        loss = self._require_loss("calc_loss")
        forward = self._require_forward("calc_loss")
        self._Y = as_variable("calc_loss", "Y", Y)
        inputs = [Variable(plain(forward.result)), self._Y]
        where = f"calc_loss: {loss.name}"
        self._loss = record([inputs[0], *self._differentiated], lambda: computed(loss, where, inputs, if_train=True))
        self.lossvalue = loss.loss = plain(self._loss.result)[()]
        if self.lossvalue.shape != ():
            raise tn.ArgumentError(f"{where}: a loss must be one number; got shape {self.lossvalue.shape}.")
        return self.lossvalue

    def backward(self) -> None:
        """Walk the tapes back, and set `.D` of every Variable that was added, or is linked and has an lr.

        After `forward()`, without an input, the labels of the last `calc_loss` hold still.

        Raises:
            GraphError: there was no forward, or no `calc_loss` after it.
            UnconnectedError: a trainable Variable that the loss does not depend on; names it.
        """
        forward = self._require_forward("backward")
        if self._loss is None:
            if self._Y is None:
                raise GraphError("backward: calc_loss must be called before it. Write graph.calc_loss(Y).")
            self.calc_loss(self._Y)
        assert self._loss is not None
        by_output, *directly = self._loss.gradients()
        through_output = [None] * len(directly) if by_output is None else forward.gradients(by_output)
        for variable, *parts in zip(self._differentiated, directly, through_output, strict=True):
            found = [part for part in parts if part is not None]
            variable.D = sum(found[1:], start=found[0]) if found else None
        missing = [variable for variable in self.variable if variable.lr and variable.D is None]
        if missing:
            raise tn.UnconnectedError(
                f"backward: the loss does not depend on {', '.join(map(self._name_of, missing))}. "
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
                    f"update: backward must be called before it; {self._name_of(variable)} has no gradient."
                )
        for variable in trained:
            variable.update(self.optimizer)

    # ---- files ----

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what the graph has learnt to a file: its Variables, what optimizers keep, statistics of batch norms.

        Needs safetensors: `pip install "tapenet[files]"`.

        Args:
            path: of the file; by custom it ends in `.safetensors`.
        """
        save_graph(path, self._variables(), self.graph)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Put into the graph what `save` wrote of one of the same definition. Training goes on as if uninterrupted.

        Args:
            path: of the file.

        Raises:
            ArgumentError: another number of Variables, or other shapes. The graph is then as it was.
            FileFormatError: a file that is damaged, or of another format.
        """
        load_graph(path, self._variables(), self.graph)
        self._forward = self._loss = None

    def _variables(self) -> list[Variable]:
        """Return the Variables that were added, and those that are linked and trained."""
        linked = [link for node in self.graph for link in node.links if isinstance(link, Variable) and link.lr]
        return list(dict.fromkeys([*self.variable, *linked]))

    # ---- inference ----

    def predict(self, X: Variable | Array) -> Array:
        """Compute what the loss predicts for X, without dropout: for `Softmax` probabilities.

        Leaves a `forward` that waits for its `backward` as it is.

        Raises:
            GraphError: no loss was added; or as `forward`.
        """
        self.output = self._predicted("predict", X)
        return self.output

    def accuracy(self, batches: Iterable[Any], batchs: int | None = None) -> float:
        """Compute the fraction of rows whose largest prediction is where their largest label is.

        Args:
            batches: pairs (X, Y), such as `miniBatch` gives.
            batchs: how many of them to use, from the first; all by default.

        Raises:
            ArgumentError: there is no row; labels that have not a row for each row of X.
        """
        hits: list[Any] = []
        if batchs is not None:
            batchs = checked_count("accuracy", "batchs", batchs)
        for X, Y in itertools.islice(_pairs(batches), batchs):
            self.output = predicted = self._predicted("accuracy", X)
            labels = as_variable("accuracy", "Y", Y).value
            if np.ndim(predicted) != 2 or np.ndim(labels) != 2 or len(predicted) != len(labels):
                raise tn.ArgumentError(
                    "accuracy: Y must have a row of labels for each row that is predicted, of shape (N, classes); "
                    f"got {np.shape(labels)} for predictions of {np.shape(predicted)}."
                )
            hits.extend(np.argmax(predicted, axis=1) == np.argmax(labels, axis=1))
        if not hits:
            raise tn.ArgumentError("accuracy: batches must hold a row; got none.")
        return float(np.mean(hits))

    def _predicted(self, function: str, X: Variable | Array) -> Array:
        loss = self._require_loss(function)
        return loss.predict(Variable(evaluate(function, self.graph, as_variable(function, "X", X), if_train=False)))

    # ---- checks ----

    def _require_loss(self, function: str) -> Loss:
        if self.loss is None:
            raise GraphError(f"{function}: a loss must be added before it. Write graph.add_loss(Loss(Softmax())).")
        return self.loss

    def _require_forward(self, function: str) -> Recording:
        if self._forward is None:
            raise GraphError(f"{function}: forward must be called before it. Write graph.forward(X).")
        return self._forward

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_forward": None, "_loss": None}  # a tape does not travel

    def _name_of(self, variable: Variable) -> str:
        return f"Variable {self.variable.index(variable)}, of shape {variable.shape}"


def _pairs(batches: Any) -> Iterator[tuple[Any, Any]]:
    """Return the pairs (X, Y) among batches."""
    if not isinstance(batches, Iterable):
        raise tn.ArgumentTypeError(f"accuracy: batches must hold pairs (X, Y); got {shown(batches)}.")
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise tn.ArgumentTypeError(f"accuracy: batches must hold pairs (X, Y); got {shown(batch)}.")
        yield batch[0], batch[1]
