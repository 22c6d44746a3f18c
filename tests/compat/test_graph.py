"""Graphs: evaluated by their links, fed again, differentiated, and what they say when something is missing."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
import weakref
from typing import Any

import numpy as np
import pytest

import compat as nn
import numpynet
import tapenet as tn
import tapenet.numpy as tnp


def raises(kind: type[Exception], text: str) -> Any:
    return pytest.raises(kind, match=f"^{re.escape(text)}$")


def dense_graph(rng: np.random.Generator, *sizes: int) -> tuple[nn.Graph, list[nn.Variable]]:
    """A graph of dense layers with biases and tanh between them, mean squared loss and SGD."""
    graph = nn.Graph()
    node: Any = nn.Placeholder()
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        if i:
            node = nn.Layer(nn.TanhActivator(), node)
            graph.add_layer(node)
        W = nn.Variable(rng.normal(size=(inputs, outputs)), lr=0.01)
        b = nn.Variable(rng.normal(size=(outputs, 1)), lr=0.01)
        graph.add_vars([W, b])
        node = nn.Op(nn.Dot(), node, [W, b])
        graph.add_op(node)
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.add_optimizer(nn.SGDOptimizer())
    return graph, graph.variable


def step(graph: nn.Graph, X: Any, Y: Any) -> float:
    graph.forward(X)
    loss = float(graph.calc_loss(Y))
    graph.backward()
    graph.update()
    return loss


def test_numpynet_is_another_name_of_the_same_classes() -> None:
    assert numpynet.__all__ == nn.__all__
    for name in nn.__all__:
        assert getattr(numpynet, name) is getattr(nn, name)


def test_the_gradient_is_that_of_the_function_that_the_graph_stands_for(rng: np.random.Generator) -> None:
    graph, variables = dense_graph(rng, 4, 3, 2)
    X, Y = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))

    def loss(values: list[Any]) -> Any:
        W0, b0, W1, b1 = values
        return tnp.sum((tnp.tanh(X @ W0 + b0.T) @ W1 + b1.T - Y) ** 2) / 2

    expected_loss, expected = tn.value_and_grad(loss)([variable.value for variable in variables])
    graph.forward(nn.Variable(X))
    assert graph.calc_loss(nn.Variable(Y)) == pytest.approx(float(expected_loss))
    graph.backward()
    for variable, gradient in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.D, gradient, rtol=1e-12)


def test_training_takes_steps_and_leaves_the_users_arrays_alone(rng: np.random.Generator) -> None:
    graph, (W0, *_) = dense_graph(rng, 4, 3, 2)
    start, as_it_was = W0.value, W0.value.copy()
    X, Y = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    losses = [step(graph, X, Y) for _ in range(50)]
    assert losses[-1] < 0.7 * losses[0]
    np.testing.assert_array_equal(start, as_it_was)
    assert W0.value.flags.writeable
    assert W0.D.flags.writeable


def test_a_node_may_feed_several_others(rng: np.random.Generator) -> None:
    W = nn.Variable(rng.normal(size=(3, 3)), lr=0.1)
    dot = nn.Op(nn.Dot(), nn.Placeholder(), W)
    squashed = nn.Layer(nn.TanhActivator(), dot)
    twice = nn.Op(nn.Add(), dot, dot)
    total = nn.Op(nn.Add(), squashed, twice)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_ops([dot, twice, total])
    graph.add_layers([squashed])
    graph.add_loss(nn.Loss(nn.MSE()))
    X, Y = rng.normal(size=(2, 3)), np.zeros((2, 3))
    graph.forward(X)
    graph.calc_loss(Y)
    graph.backward()
    gradient = tn.grad(lambda w: tnp.sum((tnp.tanh(X @ w) + 2 * (X @ w)) ** 2) / 2)(W.value)
    np.testing.assert_allclose(W.D, gradient, rtol=1e-12)


def test_a_variable_may_be_read_by_several_nodes(rng: np.random.Generator) -> None:
    W = nn.Variable(rng.normal(size=(3, 3)), lr=0.1)
    first = nn.Op(nn.Dot(), nn.Placeholder(), W)
    second = nn.Op(nn.Dot(), first, W)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_ops([first, second])
    graph.add_loss(nn.Loss(nn.MSE()))
    X, Y = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    graph.forward(X)
    graph.calc_loss(Y)
    graph.backward()
    gradient = tn.grad(lambda w: tnp.sum((X @ w @ w - Y) ** 2) / 2)(W.value)
    np.testing.assert_allclose(W.D, gradient, rtol=1e-12)


def test_the_order_of_adding_does_not_matter(rng: np.random.Generator) -> None:
    X = rng.normal(size=(2, 3))
    outputs = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        W = nn.Variable(np.eye(3), lr=0.1)
        dot = nn.Op(nn.Dot(), nn.Placeholder(), W)
        tanh = nn.Layer(nn.TanhActivator(), dot)
        nodes = [dot, tanh, nn.Op(nn.Add(), tanh, dot)]
        graph = nn.Graph()
        graph.add_ops([nodes[i] for i in order])
        graph.forward(X)
        outputs.append(graph.output.value)
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_of_several_ends_the_output_is_the_last_added() -> None:
    X = nn.Placeholder()
    ends = [nn.Op(nn.Identity(), X), nn.Layer(nn.ReluActivator(), X)]
    for first, last in ((0, 1), (1, 0)):
        graph = nn.Graph()
        graph.add_op(ends[first])
        graph.add_op(ends[last])
        graph.forward(np.array([[-1.0]]))
        assert graph.output.value == [[-1.0], [0.0]][last]
        assert ends[first].value == [[-1.0], [0.0]][first]


def test_the_placeholder_may_be_fed_another_batch_size(rng: np.random.Generator) -> None:
    graph, (W, b) = dense_graph(rng, 3, 2)
    for rows in (4, 1, 7):
        X, Y = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2))
        graph.forward(X)
        graph.calc_loss(Y)
        graph.backward()
        error = X @ W.value + b.value.T - Y
        np.testing.assert_allclose(W.D, X.T @ error, rtol=1e-12)
        np.testing.assert_allclose(b.D, error.sum(axis=0, keepdims=True).T, rtol=1e-12)


def test_without_a_placeholder_the_input_takes_the_place_of_what_the_first_node_reads() -> None:
    W = nn.Variable(np.eye(2), lr=0.1)
    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Dot(), nn.Variable(np.zeros((1, 2))), W))
    graph.forward()
    assert graph.output.value.tolist() == [[0.0, 0.0]]
    graph.forward(np.array([[1.0, 2.0]]))
    assert graph.output.value.tolist() == [[1.0, 2.0]]


def test_forward_again_takes_the_last_input_and_backward_the_last_labels(rng: np.random.Generator) -> None:
    graph, (W, _) = dense_graph(rng, 3, 2)
    graph.forward(rng.normal(size=(4, 3)))
    graph.calc_loss(rng.normal(size=(4, 2)))
    graph.backward()
    expected = W.D
    W.D = None
    graph.forward()
    graph.backward()
    np.testing.assert_array_equal(W.D, expected)


def test_calc_loss_and_backward_may_be_called_again(rng: np.random.Generator) -> None:
    graph, (W, _) = dense_graph(rng, 3, 2)
    X, zeros, ones = rng.normal(size=(4, 3)), np.zeros((4, 2)), np.ones((4, 2))
    graph.forward(X)
    graph.calc_loss(zeros)
    graph.backward()
    first = W.D
    graph.calc_loss(ones)
    graph.backward()
    np.testing.assert_allclose(W.D, first - X.T @ ones, rtol=1e-12, atol=1e-12)
    graph.backward()
    np.testing.assert_allclose(W.D, first - X.T @ ones, rtol=1e-12, atol=1e-12)


def test_predict_leaves_a_forward_that_waits_for_its_backward_as_it_is(rng: np.random.Generator) -> None:
    graph, (W, _) = dense_graph(rng, 3, 2)
    X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    graph.forward(X)
    graph.calc_loss(Y)
    graph.backward()
    expected = W.D
    graph.forward(X)
    graph.calc_loss(Y)
    graph.predict(rng.normal(size=(9, 3)))
    graph.backward()
    np.testing.assert_array_equal(W.D, expected)


def test_predict_gives_the_losss_prediction_without_dropout() -> None:
    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Dropout(0.1), nn.Placeholder()))
    graph.add_loss(nn.Loss(nn.Softmax()))
    prediction = graph.predict(nn.Variable(np.log([[1.0, 3.0]])))
    np.testing.assert_allclose(prediction, [[0.25, 0.75]])
    assert graph.output is prediction
    graph.add_loss(nn.Loss(nn.MSE()))
    np.testing.assert_allclose(graph.predict(np.array([[1.0, 3.0]])), [[1.0, 3.0]])


def test_accuracy_compares_the_largest_over_batches() -> None:
    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Identity(), nn.Placeholder()))
    graph.add_loss(nn.Loss(nn.Softmax()))
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    Y = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    batches = nn.miniBatch(X, Y, batch_size=2)
    assert graph.accuracy(batches) == 3 / 5
    assert graph.accuracy(batches, batchs=1) == 1 / 2
    assert graph.accuracy(iter(batches), batchs=2) == 3 / 4


@pytest.mark.parametrize("labels", [np.ones((1, 2)), np.ones((3, 2)), np.ones(2), np.ones((2, 2, 1)), 1.0])
def test_accuracy_takes_a_row_of_labels_for_each_row(labels: Any) -> None:
    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Identity(), nn.Placeholder()))
    graph.add_loss(nn.Loss(nn.Softmax()))
    text = "accuracy: Y must have a row of labels for each row that is predicted, of shape (N, classes); "
    with raises(tn.ArgumentError, f"{text}got {np.shape(labels)} for predictions of (2, 2)."):
        graph.accuracy([(np.ones((2, 2)), labels)])


@pytest.mark.parametrize("batches", [5, None, [np.ones((2, 2))], [(1, 2, 3)]])
def test_accuracy_takes_pairs(batches: Any) -> None:
    graph, _ = dense_graph(np.random.default_rng(0), 2, 2)
    with pytest.raises(tn.ArgumentTypeError, match=r"^accuracy: batches must hold pairs \(X, Y\); got "):
        graph.accuracy(batches)


def test_a_variable_with_lr_0_is_not_trained(rng: np.random.Generator) -> None:
    graph, (W, b) = dense_graph(rng, 3, 2)
    W.lr = 0
    fixed, moved = W.value, b.value
    step(graph, rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
    assert W.value is fixed
    assert np.all(b.value != moved)
    assert W.D.shape == (3, 2)


def test_whole_numbers_are_trained_as_floats() -> None:
    W = nn.Variable([[1], [2]], lr=1)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_op(nn.Op(nn.Dot(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.add_optimizer(nn.SGDOptimizer())
    step(graph, [[1, 1]], [[2.5]])
    np.testing.assert_allclose(W.value, [[0.5], [1.5]])


def test_float32_stays_float32(rng: np.random.Generator) -> None:
    graph, variables = dense_graph(rng, 3, 3, 2)
    for variable in variables:
        variable.value = variable.value.astype(np.float32)
    graph.add_optimizer(nn.AdamOptimizer())
    step(graph, rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32))
    assert graph.output.value.dtype == np.float32
    assert {v.D.dtype for v in variables} | {v.value.dtype for v in variables} == {np.dtype(np.float32)}


def test_adding_a_second_time_changes_nothing(rng: np.random.Generator) -> None:
    graph, (W, b) = dense_graph(rng, 3, 2)
    graph.add_vars([W, b])
    graph.add_ops(graph.ops)
    assert len(graph.variable) == 2
    assert len(graph.graph) == len(graph.ops) == 1


def test_a_graph_may_be_copied_and_pickled(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 3, 2)
    X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    step(graph, X, Y)
    losses = [step(other, X, Y) for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph)), graph)]
    assert losses[0] == losses[1] == losses[2]


def test_a_loss_can_be_formatted(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 2)
    graph.forward(np.ones((1, 3)))
    assert f"{graph.calc_loss(graph.output):.3f}" == f"{graph.lossvalue:.3f}" == "0.000"


def test_the_last_tapes_are_let_go_before_the_next_forward(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 2)
    graph.forward(np.ones((1, 3)))
    output = weakref.ref(graph.output.value.base)
    graph.forward(np.ones((1, 3)))
    assert output() is None


# ---- what is missing, and where ----


def test_backward_before_calc_loss_and_forward(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 2)
    with raises(nn.GraphError, "calc_loss: forward must be called before it. Write graph.forward(X)."):
        graph.calc_loss(np.zeros((1, 2)))
    with raises(nn.GraphError, "backward: forward must be called before it. Write graph.forward(X)."):
        graph.backward()
    graph.forward(np.ones((1, 3)))
    with raises(nn.GraphError, "backward: calc_loss must be called before it. Write graph.calc_loss(Y)."):
        graph.backward()
    graph.calc_loss(np.zeros((1, 2)))
    text = "update: backward must be called before it; Variable 0, of shape (3, 2) has no gradient."
    with raises(nn.GraphError, text):
        graph.update()
    graph.forward(np.ones((1, 3)))
    with raises(nn.GraphError, "backward: calc_loss must be called before it. Write graph.calc_loss(Y)."):
        graph.backward()


def test_no_loss_no_optimizer_and_no_node(rng: np.random.Generator) -> None:
    graph = nn.Graph()
    with raises(nn.GraphError, "forward: the graph must have a node. Write graph.add_op(...)."):
        graph.forward(np.ones((1, 3)))
    graph.add_op(nn.Op(nn.Identity(), nn.Placeholder()))
    graph.forward(np.ones((1, 3)))
    text = "a loss must be added before it. Write graph.add_loss(Loss(Softmax()))."
    with raises(nn.GraphError, f"calc_loss: {text}"):
        graph.calc_loss(np.ones((1, 3)))
    with raises(nn.GraphError, f"predict: {text}"):
        graph.predict(np.ones((1, 3)))
    text = "update: an optimizer must be added before it. Write graph.add_optimizer(SGDOptimizer())."
    with raises(nn.GraphError, text):
        graph.update()
    graph.add_loss(nn.Loss(nn.MSE()))
    with raises(tn.ArgumentError, "accuracy: batches must hold a row; got none."):
        graph.accuracy([])


def test_an_unfed_placeholder(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 2)
    text = "forward: node 0, Dot: a Placeholder must be fed before it is read. Write graph.forward(X)."
    with raises(nn.GraphError, text):
        graph.forward()


def test_an_input_that_no_node_reads() -> None:
    graph = nn.Graph()
    first = nn.Op(nn.Identity(), nn.Variable(np.ones(2)))
    graph.add_ops([nn.Op(nn.Identity(), first), first])
    with raises(nn.GraphError, "forward: a node must read a Placeholder for X to take its place; none does."):
        graph.forward(np.ones(2))


@pytest.mark.parametrize(("kind", "add"), [("op", "add_op"), ("layer", "add_layer")])
def test_a_node_that_was_linked_but_never_added(kind: str, add: str) -> None:
    X = nn.Placeholder()
    absent = nn.Op(nn.Flatten(), X) if kind == "op" else nn.Layer(nn.ReluActivator(), X)
    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Identity(), X))
    graph.add_op(nn.Op(nn.Add(), X, absent))
    text = (
        f"forward: node 1, Add, reads {absent.name}, which was never added to the graph. Write graph.{add}(...) for it."
    )
    with raises(nn.GraphError, text):
        graph.forward(np.ones((1, 1)))


def test_nodes_that_read_one_another() -> None:
    first = nn.Op(nn.Identity(), nn.Placeholder())
    second = nn.Layer(nn.ReluActivator(), first)
    first.X1 = second
    graph = nn.Graph()
    graph.add_ops([first, second])
    with pytest.raises(nn.GraphError, match=r"in a circle; got node \d, \w+ -> node \d, \w+ -> node \d, \w+\.$"):
        graph.forward(np.ones((1, 1)))


def test_a_trainable_variable_that_the_output_does_not_depend_on(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 2)
    graph.add_var(nn.Variable(np.ones((7, 1)), lr=0))
    graph.add_var(nn.Variable(np.ones((8, 1)), lr=0.1))
    graph.forward(np.ones((1, 3)))
    graph.calc_loss(np.ones((1, 2)))
    text = (
        "backward: the loss does not depend on Variable 3, of shape (8, 1). "
        "Link each into a node on the way to the output, or set its lr to 0."
    )
    with raises(tn.UnconnectedError, text):
        graph.backward()


def test_shapes_that_do_not_fit(rng: np.random.Generator) -> None:
    graph, _ = dense_graph(rng, 3, 4, 2)
    with pytest.raises(
        tn.ArgumentError,
        match=r"^forward: node 0, Dot, of \(5, 9\), \[\(3, 4\), \(4, 1\)\]: dense: x must have shape \(\.\.\., 3\)",
    ):
        graph.forward(np.ones((5, 9)))
    with pytest.raises(tn.ArgumentError, match=r"^predict: node 0, Dot, of \(5, 9\), \[\(3, 4\), \(4, 1\)\]: "):
        graph.predict(np.ones((5, 9)))
    graph.forward(np.ones((5, 3)))
    with pytest.raises(tn.ArgumentError, match=r"^calc_loss: MSE, of \(5, 2\), \(4, 2\): .*\(4, 2\)"):
        graph.calc_loss(np.ones((4, 2)))


def test_after_an_error_the_graph_goes_on(rng: np.random.Generator) -> None:
    graph, (W, b) = dense_graph(rng, 3, 2)
    values = [W.value, b.value]
    with pytest.raises(tn.ArgumentError):
        graph.forward(np.ones((5, 9)))
    assert [W.value is values[0], b.value is values[1]] == [True, True]
    assert step(graph, np.ones((5, 3)), np.ones((5, 2))) > 0


def test_what_is_no_symbol() -> None:
    graph = nn.Graph()
    with raises(tn.ArgumentTypeError, "add_var: var must be a Variable; got ndarray."):
        graph.add_var(np.ones(3))  # type: ignore[arg-type]
    text = (
        "add_op: a node must be an Op, a Layer or a block; got Dot. Write Op(operation, X1, X2) or Layer(activator, X)."
    )
    with raises(tn.ArgumentTypeError, text):
        graph.add_op(nn.Dot())  # type: ignore[arg-type]
    with raises(tn.ArgumentTypeError, "add_loss: loss must be a Loss; got MSE. Write Loss(Softmax())."):
        graph.add_loss(nn.MSE())  # type: ignore[arg-type]
    with pytest.raises(tn.ArgumentTypeError, match=r"^add_optimizer: optimizer must be an instance with a method upd"):
        graph.add_optimizer(nn.SGDOptimizer)
    with raises(tn.ArgumentTypeError, "Op: operation must be an instance; got the class Dot. Write Dot()."):
        nn.Op(nn.Dot, nn.Placeholder())
    with raises(tn.ArgumentTypeError, "Layer: activator must have a method forward; got str."):
        nn.Layer("relu", nn.Placeholder())
    text = "Op: X2 of Dot must be a node, a Variable or a Placeholder; got ndarray. Write Variable(array)."
    with raises(tn.ArgumentTypeError, text):
        nn.Op(nn.Dot(), nn.Placeholder(), np.ones((2, 2)))
    with raises(tn.ArgumentTypeError, "Variable: initial must be an array of numbers; got 'one'."):
        nn.Variable("one")
