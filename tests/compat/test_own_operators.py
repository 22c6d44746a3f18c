"""Operations, activators, losses and optimizers of one's own, in every style that scripts have written them in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import compat as nn
import tapenet as tn
import tapenet.numpy as tnp

Variable = nn.Variable


# ---- the same product, written in every style ----


class OnTheTape:
    name = "Product"

    def forward(self, X1: Variable, X2: Variable, if_train: bool) -> Variable:
        return Variable(np.dot(X1.value, X2.value), lr=0)


class OnTheTapeAsDocumented:
    def forward(self, X1: Variable, X2: Variable) -> Variable:
        return Variable(tnp.matmul(X1.value, X2.value))


class OnTheTapeWithOtherName:
    def forward(self, X1: Variable, X2: Variable, train: bool) -> Variable:
        assert train is True
        return Variable(X1.value @ X2.value)


class OnTheTapeByKeyword:
    def forward(self, *inputs: Variable, if_train: bool = False) -> Any:
        assert if_train is True
        return inputs[0].value @ inputs[1].value


class WithBackward:
    def __init__(self) -> None:
        self.name = "Product"

    def forward(self, X1: Variable, X2: Variable, if_train: bool) -> Variable:
        self.X1, self.X2 = X1, X2
        assert isinstance(X1.value, np.ndarray)
        return Variable(np.dot(self.X1.value, self.X2.value), lr=0)

    def backward(self, nextop: Any) -> None:
        self.X1.D = np.dot(nextop.D, self.X2.value.T)
        self.X2.D = np.dot(self.X1.value.T, nextop.D)


class WithBackwardAsDocumented(WithBackward):
    def forward(self, X1: Variable, X2: Variable) -> Variable:  # type: ignore[override]
        return super().forward(X1, X2, True)


class WithBackwardThatReadsALayer(WithBackward):
    def backward(self, nextop: Any) -> None:
        super().backward(nextop.X1)


PRODUCTS = [
    OnTheTape,
    OnTheTapeAsDocumented,
    OnTheTapeWithOtherName,
    OnTheTapeByKeyword,
    WithBackward,
    WithBackwardAsDocumented,
    WithBackwardThatReadsALayer,
]


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_operation_of_ones_own(product: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    V, W = (Variable(rng.normal(size=shape), lr=0.1) for shape in ((2, 3), (3, 3)))
    first = nn.Op(product(), V, W)
    act = nn.Layer(nn.TanhActivator(), first)
    check_gradients(nn.Op(product(), act, W), [V, W], nodes=[first, act])


@pytest.mark.parametrize("product", [OnTheTape, WithBackward])
def test_one_operation_in_two_nodes_and_twice_in_one(product: Any, check_gradients: Any, rng: Any) -> None:
    V, W = (Variable(rng.normal(size=(3, 3)), lr=0.1) for _ in range(2))
    shared = product()
    first = nn.Op(shared, V, W)
    check_gradients(nn.Op(shared, first, first), [V, W], nodes=[first])


def test_predict_between_forward_and_backward_does_not_disturb_an_old_operation(rng: np.random.Generator) -> None:
    W = Variable(rng.normal(size=(3, 2)), lr=0.1)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_op(nn.Op(WithBackward(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(nn.MSE()))
    X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    graph.forward(X)
    graph.calc_loss(Y)
    graph.predict(np.ones((7, 3)))
    graph.backward()
    np.testing.assert_allclose(W.D, X.T @ (X @ W.value - Y), rtol=1e-12)


def test_what_an_old_backward_set_before_does_not_count_again(rng: np.random.Generator) -> None:
    class Once(WithBackward):
        calls = 0

        def backward(self, nextop: Any) -> None:
            self.calls += 1
            if self.calls == 1:
                super().backward(nextop)

    graph = nn.Graph()
    graph.add_op(nn.Op(Once(), nn.Placeholder(), Variable(rng.normal(size=(3, 3)), lr=0.1)))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.forward(np.ones((1, 3)))
    graph.calc_loss(np.ones((1, 3)))
    graph.backward()
    with pytest.raises(tn.ArgumentError, match=r"backward must set \.D of every input"):
        graph.backward()


class ScaleThatItHolds:
    """Holds its Variable, as BatchNorm does."""

    def __init__(self, scale: Variable) -> None:
        self.scale = scale

    def forward(self, X1: Variable, if_train: bool) -> Variable:
        self.X1 = X1
        return Variable(self.scale.value * X1.value)

    def backward(self, nextop: Any) -> None:
        self.X1.D = nextop.D * self.scale.value
        self.scale.D = nextop.D * self.X1.value  # of the output's shape: the axes that broadcast are summed away


def test_a_variable_that_an_old_operation_holds(check_gradients: Any, rng: np.random.Generator) -> None:
    V, scale = Variable(rng.normal(size=(4, 3)), lr=0.1), Variable(rng.normal(size=(1, 3)), lr=0.1)
    check_gradients(nn.Op(ScaleThatItHolds(scale), V), [V, scale])
    number = Variable(1.5, lr=0.1)
    check_gradients(nn.Op(ScaleThatItHolds(number), V), [V, number])


def test_an_old_operation_whose_backward_sets_a_number(check_gradients: Any, rng: np.random.Generator) -> None:
    class Shift:
        def forward(self, X1: Variable) -> Variable:
            self.X1 = X1
            return Variable(X1.value + 1)

        def backward(self, nextop: Any) -> None:
            self.X1.D = nextop.D

    class SumUp(Shift):
        def forward(self, X1: Variable) -> Variable:
            self.X1 = X1
            return Variable(np.sum(X1.value))

    V = Variable(rng.normal(size=(4, 3)), lr=0.1)
    shifted = nn.Op(Shift(), V)
    check_gradients(nn.Op(SumUp(), shifted), [V], nodes=[shifted])


def test_an_old_operation_that_forgets_an_input(rng: np.random.Generator) -> None:
    class Forgetful(WithBackward):
        def backward(self, nextop: Any) -> None:
            self.X1.D = nextop.D

    graph = nn.Graph()
    W = Variable(rng.normal(size=(3, 3)), lr=0.1)
    graph.add_var(W)
    graph.add_op(nn.Op(Forgetful(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.forward(np.ones((1, 3)))
    graph.calc_loss(np.ones((1, 3)))
    text = r"^forward: node 0, Product: backward must set \.D of every input .* the one of shape \(3, 3\) has none\.$"
    with pytest.raises(tn.ArgumentError, match=text):
        graph.backward()


@pytest.mark.parametrize("shape", [(2, 5), (3,), (2, 3, 4)])
def test_an_old_operation_that_sets_a_gradient_of_another_shape(shape: Any, rng: np.random.Generator) -> None:
    class Misshapen(WithBackward):
        def backward(self, nextop: Any) -> None:
            self.X2.D = np.ones(shape)

    graph = nn.Graph()
    W = Variable(rng.normal(size=(3, 3)), lr=0.1)
    graph.add_op(nn.Op(Misshapen(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.forward(np.ones((1, 3)))
    graph.calc_loss(np.ones((1, 3)))
    text = (
        "forward: node 0, Product: backward must set .D of the shape of its input, (3, 3), or of one that this "
        f"broadcasts to; got {shape}."
    )
    with pytest.raises(tn.ArgumentError, match=f"^{re.escape(text)}$"):
        graph.backward()


def test_an_old_operation_that_reads_a_variable_it_does_not_hold(rng: np.random.Generator) -> None:
    V, W = (Variable(rng.normal(size=(3, 3)), lr=0.1) for _ in range(2))

    class Elsewhere(WithBackward):
        def forward(self, X1: Variable) -> Variable:  # type: ignore[override]
            return Variable(X1.value @ W.value)

    graph = nn.Graph()
    graph.add_vars([V, W])
    graph.add_op(nn.Op(Elsewhere(), V))
    with pytest.raises(
        tn.ArgumentError, match=r"^forward: node 0, Product, of \(3, 3\): Product: .* must take every Tensor"
    ):
        graph.forward()


def test_an_operation_that_returns_nothing() -> None:
    class Nothing:
        def forward(self, X1: Variable) -> None:
            return None

    graph = nn.Graph()
    graph.add_op(nn.Op(Nothing(), nn.Placeholder()))
    with pytest.raises(tn.ArgumentTypeError, match=r"^forward: node 0, Nothing, of \(2,\): Variable: .*; got None\.$"):
        graph.forward(np.ones(2))


def test_an_exception_of_ones_own_comes_through() -> None:
    class Trouble(Exception):
        pass

    class Troubled:
        def forward(self, X1: Variable) -> Variable:
            raise Trouble

    graph = nn.Graph()
    graph.add_op(nn.Op(Troubled(), nn.Placeholder()))
    with pytest.raises(Trouble):
        graph.forward(np.ones(2))


# ---- activators ----


class SoftsignOnTheTape:
    def forward(self, X: Variable, if_train: bool) -> Variable:
        return Variable(X.value / (1 + np.abs(X.value)))


class CubeWithBackward:
    def __init__(self) -> None:
        self.name = "Cube"

    def forward(self, X: Variable, if_train: bool) -> Variable:
        return Variable(X.value**3, lr=0)

    def backward(self, output: Any) -> Any:
        output[...] = 3 * np.cbrt(output) ** 2  # writes into its argument, as the original's Relu did
        return output


class OldIdentity:
    def forward(self, X: Variable) -> Variable:
        return X

    def backward(self, output: Any) -> int:
        return 1


@pytest.mark.parametrize("activator", [SoftsignOnTheTape(), CubeWithBackward(), OldIdentity()])
def test_an_activator_of_ones_own(activator: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    V = Variable(rng.normal(size=(4, 3)), lr=0.1)
    first = nn.Layer(activator, V)
    check_gradients(nn.Layer(activator, first), [V], nodes=[first], tolerance=1e-5)


# ---- losses ----


class AbsoluteOnTheTape:
    def forward(self, output: Variable, Y: Variable) -> Any:
        return np.sum(np.abs(output.value - Y.value))


class AbsoluteWithBackward:
    def __init__(self) -> None:
        self.name = "Absolute"

    def forward(self, output: Variable, Y: Variable) -> Any:
        self.output, self.Y = output, Y
        self.loss = np.sum(np.abs(output.value - Y.value))
        return self.loss

    def backward(self) -> Any:
        return np.sign(self.output.value - self.Y.value)

    def predict(self, X: Variable) -> Any:
        return X.value * 2


@pytest.mark.parametrize("loss", [AbsoluteOnTheTape(), AbsoluteWithBackward()])
def test_a_loss_of_ones_own(loss: Any, rng: np.random.Generator) -> None:
    W = Variable(rng.normal(size=(3, 2)), lr=0.1)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_op(nn.Op(nn.Dot(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(loss))
    X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    graph.forward(X)
    assert graph.calc_loss(Y) == pytest.approx(np.abs(X @ W.value - Y).sum())
    graph.backward()
    np.testing.assert_allclose(W.D, X.T @ np.sign(X @ W.value - Y), rtol=1e-12)
    factor = 2 if hasattr(loss, "predict") else 1
    np.testing.assert_allclose(graph.predict(X), factor * X @ W.value)
    assert repr(graph.loss).startswith("Absolute")


def test_a_loss_that_reads_the_weights_as_well(rng: np.random.Generator) -> None:
    W = Variable(rng.normal(size=(3, 2)), lr=0.1)

    class Decayed:
        def forward(self, output: Variable, Y: Variable) -> Any:
            return np.sum((output.value - Y.value) ** 2) / 2 + 0.5 * np.sum(W.value**2)

    graph = nn.Graph()
    graph.add_var(W)
    graph.add_op(nn.Op(nn.Dot(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(Decayed()))
    X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    graph.forward(X)
    graph.calc_loss(Y)
    graph.backward()
    np.testing.assert_allclose(W.D, X.T @ (X @ W.value - Y) + W.value, rtol=1e-12)


def test_a_loss_that_is_not_one_number() -> None:
    class Rows:
        def forward(self, output: Variable, Y: Variable) -> Any:
            return np.sum(output.value - Y.value, axis=1)

    graph = nn.Graph()
    graph.add_op(nn.Op(nn.Identity(), nn.Placeholder()))
    graph.add_loss(nn.Loss(Rows()))
    graph.forward(np.ones((3, 2)))
    with pytest.raises(tn.ArgumentError, match=r"^calc_loss: Rows: a loss must be one number; got shape \(3,\)\.$"):
        graph.calc_loss(np.ones((3, 2)))


# ---- optimizers ----


def test_an_optimizer_of_ones_own() -> None:
    class Sign:
        def update(self, var: Variable) -> None:
            var.value = var.value - var.lr * np.sign(var.D)

    W = Variable(np.zeros((1, 1)), lr=0.5)
    graph = nn.Graph()
    graph.add_var(W)
    graph.add_op(nn.Op(nn.Dot(), nn.Placeholder(), W))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.add_optimizer(Sign())
    for _ in range(3):
        graph.forward([[1.0]])
        graph.calc_loss([[10.0]])
        graph.backward()
        graph.update()
    assert W.value == 1.5
