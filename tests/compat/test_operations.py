"""Operations and activators against direct formulas, and their gradients against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import compat as nn
import tapenet as tn


def run(operation: Any, X: Any, X2: Any = None, if_train: bool = True) -> np.ndarray:
    """The output of one node."""
    graph = nn.Graph()
    graph.add_op(nn.Op(operation, nn.Placeholder(), X2))
    graph.add_loss(nn.Loss(nn.MSE()))
    if not if_train:
        return graph.predict(X)
    graph.forward(X)
    return graph.output.value


def direct_conv(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int, pads: tuple[int, int]) -> np.ndarray:
    """Images (N, C, H, W) by filters (kh, kw, C, outputs): one window after the other."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2))
    kh, kw = w.shape[:2]
    rows, columns = ((x.shape[axis] - k) // stride + 1 for axis, k in ((2, kh), (3, kw)))
    y = np.empty((x.shape[0], w.shape[3], rows, columns))
    for i, j in np.ndindex(rows, columns):
        window = x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
        y[:, :, i, j] = np.einsum("nchw,hwco->no", window, w) + b[:, 0]
    return y


def direct_pool(x: np.ndarray, window: tuple[int, int], stride: int, pad: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = ((x.shape[axis] - k) // stride + 1 for axis, k in zip((2, 3), window, strict=True))
    y = np.empty((*x.shape[:2], rows, columns))
    for i, j in np.ndindex(rows, columns):
        part = x[:, :, i * stride : i * stride + window[0], j * stride : j * stride + window[1]]
        y[:, :, i, j] = part.max(axis=(2, 3))
    return y


# ---- Add, Identity, Dot, Flatten ----


def test_add_and_its_broadcasting(check_gradients: Any, rng: np.random.Generator) -> None:
    V, W = (nn.Variable(rng.normal(size=shape), lr=0.1) for shape in ((3, 4), (1, 4)))
    np.testing.assert_array_equal(run(nn.Add(), V, W), V.value + W.value)
    check_gradients(nn.Op(nn.Add(), V, W), [V, W])


def test_identity_and_flatten(check_gradients: Any, rng: np.random.Generator) -> None:
    V = nn.Variable(rng.normal(size=(2, 3, 2, 2)), lr=0.1)
    np.testing.assert_array_equal(run(nn.Identity(), V), V.value)
    np.testing.assert_array_equal(run(nn.Flatten(), V), V.value.reshape(2, 12))
    identity = nn.Op(nn.Identity(), V)
    check_gradients(nn.Op(nn.Flatten(), identity), [V], nodes=[identity])


def test_dot_with_and_without_bias(check_gradients: Any, rng: np.random.Generator) -> None:
    X, W, b = (nn.Variable(rng.normal(size=shape), lr=0.1) for shape in ((5, 3), (3, 2), (2, 1)))
    product = X.value @ W.value
    np.testing.assert_allclose(run(nn.Dot(), X, W), product)
    np.testing.assert_allclose(run(nn.Dot(), X, [W]), product)
    np.testing.assert_allclose(run(nn.Dot(), X, [W, b]), product + b.value.T)
    check_gradients(nn.Op(nn.Dot(), X, W), [X, W])
    check_gradients(nn.Op(nn.Dot(), X, [W, b]), [X, W, b])


def test_a_bias_or_a_list_that_does_not_fit(rng: np.random.Generator) -> None:
    X, W, b = (nn.Variable(np.ones(shape)) for shape in ((5, 3), (3, 2), (3, 1)))
    text = (
        r"^forward: node 0, Dot, of \(5, 3\), \[\(3, 2\), \(3, 1\)\]: b must have shape \(2, 1\), .*; got \(3, 1\)\.$"
    )
    with pytest.raises(tn.ArgumentError, match=text):
        run(nn.Dot(), X, [W, b])
    with pytest.raises(tn.ArgumentError, match=r"X2 must be a Variable, or a list \[W, b\]; got a list of 3\.$"):
        run(nn.Dot(), X, [W, b, b])


# ---- Conv2d ----


@given(
    st.sampled_from(["same", "valid"]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 3),
    st.integers(0, 2),
    st.tuples(st.integers(4, 7), st.integers(4, 7)),
    st.integers(1, 3),
)
def test_conv2d_is_the_sum_over_windows(
    padding: str, window: tuple[int, int], stride: int, pad: int, size: tuple[int, int], channels: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, *size))
    W, b = nn.Variable(rng.normal(size=(*window, channels, 3))), nn.Variable(rng.normal(size=(3, 1)))
    if padding == "valid":
        pads = (pad, pad)
    else:
        pads = tuple(((length - 1) * (stride - 1) + k - 1) // 2 for length, k in zip(size, window, strict=True))
    y = run(nn.Conv2d(padding, stride, pad), x, [W, b])
    np.testing.assert_allclose(y, direct_conv(x, W.value, b.value, stride, pads), atol=1e-12)


@pytest.mark.parametrize("window", [(3, 3), (5, 3), (1, 1)])
def test_conv2d_same_keeps_the_size_and_pads_half_the_window(window: tuple[int, int]) -> None:
    W = nn.Variable(np.ones((*window, 2, 4)))
    assert run(nn.Conv2d(), np.ones((3, 2, 6, 7)), W).shape == (3, 4, 6, 7)


@pytest.mark.parametrize(
    "conv",
    [nn.Conv2d(), nn.Conv2d("valid"), nn.Conv2d("valid", 2, 1), nn.Conv2d("same", 2)],
    ids=["same", "valid", "strided", "same strided"],
)
@pytest.mark.parametrize("window", [(2, 2), (3, 2)])
def test_the_gradients_of_conv2d(conv: Any, window: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    X = nn.Variable(rng.normal(size=(2, 2, 5, 4)), lr=0.1)
    W, b = nn.Variable(rng.normal(size=(*window, 2, 3)), lr=0.1), nn.Variable(rng.normal(size=(3, 1)), lr=0.1)
    check_gradients(nn.Op(conv, X, [W, b]), [X, W, b])


def test_what_conv2d_cannot_take() -> None:
    with pytest.raises(tn.ArgumentError, match=r"^Conv2d: padding must be 'same' or 'valid'; got 'full'\.$"):
        nn.Conv2d(padding="full")
    W = nn.Variable(np.ones((3, 3, 2, 4)))
    text = r"^forward: node 0, Conv2d, of \(2, 6, 6\), \(3, 3, 2, 4\): Conv2d: X1 must have shape \(N, C, H, W\)"
    with pytest.raises(tn.ArgumentError, match=text):
        run(nn.Conv2d(), np.ones((2, 6, 6)), W)
    with pytest.raises(tn.ArgumentError, match=r"X2 must have shape \(kh, kw, C, outputs\); got \(3, 3\)\.$"):
        run(nn.Conv2d(), np.ones((1, 2, 6, 6)), nn.Variable(np.ones((3, 3))))
    with pytest.raises(
        tn.ArgumentError, match=r"^forward: node 0, Conv2d, of \(1, 5, 6, 6\), \(3, 3, 2, 4\): conv: ker"
    ):
        run(nn.Conv2d(), np.ones((1, 5, 6, 6)), W)


# ---- MaxPooling ----


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4)),
    st.integers(1, 3),
    st.integers(0, 1),
    st.tuples(st.integers(4, 7), st.integers(4, 7)),
)
def test_max_pooling_is_the_largest_of_windows(
    window: tuple[int, int], stride: int, pad: int, size: tuple[int, int]
) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, *size)) - 0.5
    y = run(nn.MaxPooling(*window, stride=stride, pad=pad), x)
    np.testing.assert_array_equal(y, direct_pool(x, window, stride, pad))


@pytest.mark.parametrize("pool", [nn.MaxPooling(2, 2), nn.Maxpooling(3, 2, stride=1), nn.MaxPooling(2, 3, 2, pad=1)])
def test_the_gradient_of_max_pooling(pool: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    X = nn.Variable(rng.permutation(48).reshape(2, 1, 4, 6) - 20.5, lr=0.1)
    check_gradients(nn.Op(pool, X), [X])


def test_of_equal_elements_the_first_takes_the_gradient() -> None:
    X = nn.Variable(np.zeros((1, 1, 2, 2)), lr=0.1)
    graph = nn.Graph()
    graph.add_var(X)
    graph.add_op(nn.Op(nn.MaxPooling(2, 2), X))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.forward()
    graph.calc_loss(np.ones((1, 1, 1, 1)))
    graph.backward()
    assert X.D.tolist() == [[[[-1.0, 0.0], [0.0, 0.0]]]]


# ---- Dropout ----


def test_dropout_keeps_with_probability_p_and_divides_by_it() -> None:
    np.random.seed(0)
    x = np.random.normal(size=(200, 300))
    y = run(nn.Dropout(0.3), x)
    kept = y != 0
    assert np.mean(kept) == pytest.approx(0.3, abs=0.01)
    np.testing.assert_array_equal(y[kept], (x / 0.3)[kept])
    np.testing.assert_array_equal(run(nn.Dropout(0.3), x, if_train=False), x)
    np.testing.assert_array_equal(run(nn.Dropout(1), x), x)


def test_dropout_follows_the_global_seed_and_stays_float32() -> None:
    outputs = []
    for _ in range(2):
        np.random.seed(3)
        outputs.append(run(nn.Dropout(0.5), np.ones((4, 5), np.float32)))
    np.testing.assert_array_equal(*outputs)
    assert outputs[0].dtype == np.float32


def test_the_gradient_of_dropout(check_gradients: Any, rng: np.random.Generator) -> None:
    X = nn.Variable(rng.normal(size=(3, 4)), lr=0.1)
    check_gradients(nn.Op(nn.Dropout(0.5), X), [X])


@pytest.mark.parametrize("p", [0, -0.1, 1.5])
def test_a_probability_that_is_none(p: float) -> None:
    text = rf"^Dropout: p must be in \(0, 1\]; got {p}\.$"
    with pytest.raises(tn.ArgumentError, match=text):
        nn.Dropout(p)


# ---- BatchNorm ----


def test_batch_norm_is_over_the_batch_axis_alone(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 2, 3, 3))
    gamma, beta = nn.Variable(rng.normal(size=(1, 2, 3, 3))), nn.Variable(0.5)
    expected = gamma.value * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-7) + 0.5
    np.testing.assert_allclose(run(nn.BatchNorm(gamma, beta), x), expected)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 1), (1, 2, 2, 3)])
def test_gamma_and_beta_broadcast_against_images(shape: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    X = nn.Variable(rng.normal(size=(4, 2, 2, 3)), lr=0.1)
    gamma, beta = (nn.Variable(rng.normal(size=shape), lr=0.1) for _ in range(2))
    x = X.value
    expected = gamma.value * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-7) + beta.value
    np.testing.assert_allclose(run(nn.BatchNorm(gamma, beta), X), expected)
    check_gradients(nn.Op(nn.BatchNorm(gamma, beta), X), [X, gamma, beta], tolerance=1e-5)


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (1, 1)])
def test_the_gradients_of_batch_norm(shape: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    X = nn.Variable(rng.normal(size=(5, 3)), lr=0.1)
    gamma, beta = (nn.Variable(rng.normal(size=shape), lr=0.1) for _ in range(2))
    check_gradients(nn.Op(nn.BatchNorm(gamma, beta), X), [X, gamma, beta], tolerance=1e-5)


def test_batch_norm_predicts_by_running_statistics(rng: np.random.Generator) -> None:
    norm = nn.BatchNorm(nn.Variable(2.0), nn.Variable(1.0))
    first, second, x = (rng.normal(size=(4, 3)) for _ in range(3))
    alone = 2 * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-7) + 1
    np.testing.assert_allclose(run(norm, x, if_train=False), alone)  # nothing else to go by
    run(norm, first)
    run(norm, second)
    mean = 0.9 * first.mean(0) + 0.1 * second.mean(0)
    var = 0.9 * first.var(0) + 0.1 * second.var(0)
    np.testing.assert_allclose(run(norm, x, if_train=False), 2 * (x - mean) / np.sqrt(var + 1e-7) + 1)
    np.testing.assert_allclose(run(norm, x[:1], if_train=False), 2 * (x[:1] - mean) / np.sqrt(var + 1e-7) + 1)


def test_batch_norm_starts_anew_for_images_of_another_size(rng: np.random.Generator) -> None:
    norm = nn.BatchNorm(nn.Variable(1.0), nn.Variable(0.0))
    run(norm, rng.normal(size=(4, 3)))
    x = rng.normal(size=(4, 5))
    trained = run(norm, x)
    np.testing.assert_allclose(run(norm, x, if_train=False), trained)


# ---- activators ----

ACTIVATORS = {
    nn.ReluActivator: lambda x: np.maximum(x, 0),
    nn.IdentityActivator: lambda x: x,
    nn.SigmoidActivator: lambda x: 1 / (1 + np.exp(-x)),
    nn.TanhActivator: np.tanh,
}


@pytest.mark.parametrize("activator", ACTIVATORS)
def test_activators(activator: Any, check_gradients: Any, rng: np.random.Generator) -> None:
    X = nn.Variable(rng.normal(size=(3, 4)), lr=0.1)
    node = nn.Layer(activator(), X)
    check_gradients(node, [X])
    np.testing.assert_allclose(run(activator(), X), ACTIVATORS[activator](X.value))


def test_activators_do_not_overflow_and_relu_has_slope_0_at_0() -> None:
    assert run(nn.SigmoidActivator(), [-1e4, 0.0, 1e4]).tolist() == [0.0, 0.5, 1.0]
    assert run(nn.TanhActivator(), [-1e4, 0.0, 1e4]).tolist() == [-1.0, 0.0, 1.0]
    X = nn.Variable([-1.0, 0.0, 1.0], lr=1)
    graph = nn.Graph()
    graph.add_layer(nn.Layer(nn.ReluActivator(), X))
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.forward()
    graph.calc_loss([-1.0, -1.0, -1.0])
    graph.backward()
    assert X.D.tolist() == [0.0, 0.0, 2.0]


def test_short_names() -> None:
    assert nn.Relu is nn.ReluActivator
    assert nn.Sigmoid is nn.SigmoidActivator
    assert nn.Tanh is nn.TanhActivator
    assert nn.Maxpooling is nn.MaxPooling
    assert nn.AdaGradOptimizer is nn.AdaGram is nn.AdaGramOptimizer
    for name in ("SGD", "Momentum", "AdaDelta", "Adam"):
        assert getattr(nn, name) is getattr(nn, f"{name}Optimizer")
    assert nn.RMSprop is nn.RMSPropOptimizer
    assert (nn.Uniform, nn.Normal) == (nn.UniformInit, nn.NormalInit)
    assert isinstance(nn.Op(nn.Identity(), nn.Placeholder()), nn.Op)  # the operation, not the activator


# ---- memory ----


def test_between_convolutions_nothing_is_copied(rng: np.random.Generator) -> None:
    """Outputs and their gradients lie channels last in memory, as tapenet's kernels want them."""
    gradients = []

    class Seen:
        def forward(self, X1: nn.Variable) -> nn.Variable:
            self.X1 = X1
            return X1

        def backward(self, nextop: Any) -> None:
            self.X1.D = nextop.D
            gradients.append(nextop.D)

    W, gamma = nn.Variable(rng.normal(size=(3, 3, 2, 4)), lr=0.1), nn.Variable(np.ones((1, 4, 8, 8)), lr=0.1)
    seen = nn.Op(nn.Conv2d(), nn.Placeholder(), W)
    nodes: list[Any] = [seen]
    for operator in (nn.BatchNorm(gamma, gamma), nn.ReluActivator(), nn.MaxPooling(2, 2)):
        node = (nn.Layer if isinstance(operator, nn.ReluActivator) else nn.Op)(operator, seen)
        seen = nn.Op(Seen(), node)
        nodes += [node, seen]
    nodes.append(nn.Op(nn.Conv2d(), nn.Op(nn.Add(), seen, seen), nn.Variable(rng.normal(size=(3, 3, 4, 4)), lr=0.1)))
    nodes.append(nodes[-1].X1)
    graph = nn.Graph()
    graph.add_ops(nodes)
    graph.add_loss(nn.Loss(nn.MSE()))
    graph.forward(rng.normal(size=(5, 2, 8, 8)))
    graph.calc_loss(np.zeros((5, 4, 4, 4)))
    graph.backward()
    assert len(gradients) == 3
    for array in [*(node.value for node in nodes), *gradients]:
        assert array.shape[:2] == (5, 4)
        assert array.transpose(0, 2, 3, 1).flags.c_contiguous
