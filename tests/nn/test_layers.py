"""Layers as pytrees, in training and in inference."""

import warnings
from pathlib import Path

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.core.pytrees import tree_flatten, tree_leaves, tree_map
from tapenet.errors import PrecisionWarning


def made(kind, dtype=np.float64):
    """One layer of each kind with an input for it."""
    rng = np.random.default_rng(3)
    images, rows = rng.normal(size=(2, 6, 6, 4)).astype(dtype), rng.normal(size=(5, 4)).astype(dtype)
    layers = {
        "Dense": (lambda: nn.Dense(4, 3, rng=rng, dtype=dtype), rows, 2),
        "Dense without bias": (lambda: nn.Dense(4, 3, rng=rng, bias=False, dtype=dtype), rows, 1),
        "Conv": (
            lambda: nn.Conv(4, 6, (3, 2), rng=rng, stride=2, padding="same", groups=2, dtype=dtype),
            images,
            2,
        ),
        "Conv without bias": (
            lambda: nn.Conv(4, 6, 3, rng=rng, dilation=2, bias=False, dtype=dtype),
            images,
            1,
        ),
        "Embedding": (lambda: nn.Embedding(7, 3, rng=rng, dtype=dtype), np.array([[0, 6], [6, 1]]), 1),
        "BatchNorm": (lambda: nn.BatchNorm(4, dtype=dtype), images, 2),
        "LayerNorm": (lambda: nn.LayerNorm(4, dtype=dtype), rows, 2),
        "MaxPool": (lambda: nn.MaxPool(2), images, 0),
        "AvgPool": (lambda: nn.AvgPool(3, 1, "same"), images, 0),
        "Dropout": (lambda: nn.Dropout(0.5), rows, 0),
        "Flatten": (lambda: nn.Flatten(), images, 0),
        "Function": (lambda: nn.Function(nn.relu), rows, 0),
        "Sequential": (
            lambda: nn.Sequential(nn.Dense(4, 3, rng=rng, dtype=dtype), nn.BatchNorm(3, dtype=dtype), nn.relu),
            rows,
            4,
        ),
    }
    return layers[kind]


KINDS = [
    "Dense",
    "Dense without bias",
    "Conv",
    "Conv without bias",
    "Embedding",
    "BatchNorm",
    "LayerNorm",
    "MaxPool",
    "AvgPool",
    "Dropout",
    "Flatten",
    "Function",
    "Sequential",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::tapenet.errors.StatisticsWarning")  # of layers that were not trained
def test_a_layer_is_a_pytree_of_its_parameters(kind):
    make, x, count = made(kind)
    layer = make()
    leaves, spec = tree_flatten(layer)
    assert len(leaves) == count
    assert all(isinstance(leaf, np.ndarray) and leaf.dtype == np.float64 for leaf in leaves)
    copy = tree_map(np.copy, layer)
    assert type(copy) is type(layer)
    assert tree_flatten(copy)[1] == spec
    np.testing.assert_array_equal(copy(x), layer(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_by_a_layer_is_a_layer(kind, dtype):
    make, x, _ = made(kind, dtype)
    layer = make()

    def loss(layer):
        y, _ = layer.train(x, np.random.default_rng(0))
        return (y * y).sum().astype(dtype) * (1 if tree_leaves(layer) else 1.0)

    gradient = tn.grad(loss)(layer)
    assert type(gradient) is type(layer)
    assert tree_flatten(gradient)[1] == tree_flatten(layer)[1]
    for leaf, parameter in zip(tree_leaves(gradient), tree_leaves(layer), strict=True):
        assert leaf.shape == parameter.shape
        assert leaf.dtype == dtype


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::tapenet.errors.StatisticsWarning")  # of layers that were not trained
def test_float32_stays_float32(kind, training, rng):
    make, x, _ = made(kind, np.float32)
    y = make().train(x, rng)[0] if training else make()(x)
    assert y.dtype == np.float32


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("BatchNorm", "Dropout", "Sequential")])
def test_other_layers_train_as_they_infer(kind, rng):
    make, x, _ = made(kind)
    layer = make()
    y, after = layer.train(x, rng)
    np.testing.assert_array_equal(y, layer(x))
    assert after is layer


def test_layers_are_their_functions(rng):
    images = rng.normal(size=(2, 7, 8, 4))
    layer = nn.Conv(
        4, 6, (3, 2), rng=rng, dtype=np.float64, stride=(2, 1), padding=((0, 1), (1, 2)), dilation=(1, 2), groups=2
    )
    options = {"stride": (2, 1), "padding": ((0, 1), (1, 2)), "dilation": (1, 2), "groups": 2}
    np.testing.assert_array_equal(layer(images), nn.conv(images, layer.kernel, layer.bias, **options))
    np.testing.assert_array_equal(nn.MaxPool(3, 2, "same")(images), nn.max_pool(images, 3, 2, "same"))
    np.testing.assert_array_equal(nn.AvgPool(3, 2, 1)(images), nn.avg_pool(images, 3, 2, 1))
    np.testing.assert_array_equal(nn.Flatten()(images), images.reshape(2, -1))
    table = nn.Embedding(5, 2, rng=rng)
    np.testing.assert_array_equal(table([1, 4]), table.table[[1, 4]])
    norm = nn.LayerNorm(4, eps=0.1, dtype=np.float64)
    np.testing.assert_array_equal(norm(images), nn.layer_norm(images, eps=0.1))


def test_flatten_of_a_batch_without_examples():
    assert nn.Flatten()(np.zeros((0, 3, 2))).shape == (0, 6)
    assert nn.Flatten()([1.0, 2.0]).shape == (2, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_frozen(kind):
    layer = made(kind)[0]()
    fields = attrs.fields(type(layer))
    for name in [field.name for field in fields] or ["anything"]:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(layer, name, None)


def test_the_default_is_float32_and_a_seed_decides(rng):
    for make in (
        lambda g: nn.Dense(3, 4, rng=g),
        lambda g: nn.Conv(2, 3, 3, rng=g),
        lambda g: nn.Embedding(3, 4, rng=g),
    ):
        first, second, other = (tree_leaves(make(np.random.default_rng(seed))) for seed in (1, 1, 2))
        assert first[0].dtype == np.float32
        np.testing.assert_array_equal(first[0], second[0])
        assert np.any(first[0] != other[0])
    for layer in (nn.BatchNorm(2), nn.LayerNorm(2)):
        assert [leaf.dtype for leaf in tree_leaves(layer)] == [np.float32] * 2


def test_he_uniform_and_zero_bias(rng):
    layer = nn.Conv(8, 16, 5, rng=rng)
    bound = np.sqrt(6 / (8 * 25))
    assert 0.95 * bound < np.abs(layer.kernel).max() <= bound
    np.testing.assert_array_equal(layer.bias, np.zeros(16))


# ---- dropout ----


def test_dropout_works_in_training_only():
    layer, x = nn.Dropout(0.5), np.ones(1000)
    assert layer(x) is x
    y, after = layer.train(x, np.random.default_rng(0))
    assert after is layer
    np.testing.assert_array_equal(y, nn.dropout(x, 0.5, np.random.default_rng(0)))


# ---- batch norm ----


def test_batch_norm_moves_its_running_statistics(rng):
    layer = nn.BatchNorm(3, momentum=0.25, dtype=np.float64)
    x = rng.normal(2, 3, size=(8, 4, 4, 3))
    y, after = layer.train(x, rng)
    np.testing.assert_array_equal(y, nn.batch_norm(x)[0])
    np.testing.assert_allclose(after.running.mean, 0.25 * x.mean((0, 1, 2)))
    np.testing.assert_allclose(after.running.var, 0.75 + 0.25 * x.var((0, 1, 2)))
    np.testing.assert_array_equal(layer.running.mean, np.zeros(3))
    np.testing.assert_array_equal(layer.running.var, np.ones(3))
    _, twice = after.train(x, rng)
    np.testing.assert_allclose(twice.running.mean, (1 - 0.75**2) * x.mean((0, 1, 2)))


@pytest.mark.parametrize("momentum", [0, 1])
def test_batch_norm_at_the_ends_of_momentum(momentum, rng):
    x = rng.normal(2, 3, size=(8, 3))
    _, after = nn.BatchNorm(3, momentum=momentum, dtype=np.float64).train(x, rng)
    np.testing.assert_allclose(after.running.mean, momentum * x.mean(0), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::tapenet.errors.StatisticsWarning")  # of layers that were not trained
def test_batch_norm_infers_by_its_running_statistics(rng):
    layer = nn.BatchNorm(3, momentum=1, eps=0.5, dtype=np.float64)
    x = rng.normal(2, 3, size=(8, 3))
    y, after = layer.train(x, rng)
    np.testing.assert_allclose(after(x), y)
    np.testing.assert_allclose(layer(x), x / np.sqrt(1.5))


def test_running_statistics_keep_their_dtype(rng):
    _, after = nn.BatchNorm(3).train(rng.normal(size=(8, 3)), rng)
    assert after.running.mean.dtype == after.running.var.dtype == np.float32


def test_running_statistics_come_off_the_tape(rng):
    layer, x = nn.BatchNorm(3, dtype=np.float64), rng.normal(size=(8, 3))

    def loss(layer, x):
        y, after = layer.train(x, rng)
        assert type(after.running.mean) is np.ndarray
        return (y**3).sum(), after

    ((_, after), (layer_bar, x_bar)) = tn.value_and_grad(loss, (0, 1), has_aux=True)(layer, x)
    np.testing.assert_allclose(after.running.mean, 0.1 * x.mean(0))
    assert type(after.scale) is np.ndarray
    assert len(tree_leaves(layer_bar)) == 2
    np.testing.assert_allclose(x_bar, tn.grad(lambda x: (nn.batch_norm(x)[0] ** 3).sum())(x), atol=1e-12)


@pytest.mark.parametrize("optimizer", [tn.optim.sgd(0.1), tn.optim.adam(0.1), tn.optim.adamw(0.1, weight_decay=0.5)])
def test_optimizers_leave_running_statistics(optimizer, rng):
    model = nn.Sequential(nn.Dense(3, 4, rng=rng, dtype=np.float64), nn.BatchNorm(4, dtype=np.float64))
    state = optimizer.init(model)
    x = rng.normal(size=(8, 3))

    def loss(model):
        y, after = model.train(x, rng)
        return (y**2).sum() + y[0].sum(), after

    for _ in range(3):
        (_, after), gradient = tn.value_and_grad(loss, has_aux=True)(model)
        updated, state = optimizer.update(gradient, state, after)
        np.testing.assert_array_equal(updated[1].running.mean, after[1].running.mean)
        np.testing.assert_array_equal(updated[1].running.var, after[1].running.var)
        assert np.any(updated[1].running.mean != model[1].running.mean)
        assert np.any(updated[1].scale != after[1].scale)
        model = updated


# ---- sequential ----


def test_sequential_is_composition(rng):
    first, second = nn.Dense(2, 5, rng=rng), nn.Dense(5, 3, rng=rng)
    model, x = nn.Sequential(first, nn.relu, np.tanh, second), rng.normal(size=(4, 2)).astype(np.float32)
    np.testing.assert_array_equal(model(x), second(np.tanh(nn.relu(first(x)))))
    np.testing.assert_array_equal(model.train(x, rng)[0], model(x))
    assert len(model) == 4
    assert model[0] is first
    assert [type(layer) for layer in model] == [nn.Dense, nn.Function, nn.Function, nn.Dense]


def test_sequential_of_nothing_is_the_identity(rng):
    x = rng.normal(size=3)
    assert nn.Sequential()(x) is x
    assert nn.Sequential().train(x, rng)[0] is x


def test_sequential_trains_its_layers_in_order():
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm(2, dtype=np.float64), nn.Sequential(nn.Dropout(0.25)))
    x = np.random.default_rng(5).normal(size=(6, 2))
    rng = np.random.default_rng(1)
    dropped = nn.dropout(x, 0.5, rng)
    expected = nn.dropout(nn.batch_norm(dropped)[0], 0.25, rng)
    y, after = model.train(x, np.random.default_rng(1))
    np.testing.assert_array_equal(y, expected)
    assert type(after) is nn.Sequential
    np.testing.assert_allclose(after[1].running.mean, 0.1 * dropped.mean(0))
    np.testing.assert_array_equal(model[1].running.mean, [0, 0])


def test_a_layer_of_ones_own(rng):
    @attrs.frozen
    class Residual(nn.Stateless):
        inside: nn.Layer

        def __call__(self, x):
            return x + self.inside(x)

    model = nn.Sequential(Residual(nn.Dense(3, 3, rng=rng, dtype=np.float64)), nn.relu)
    x = rng.normal(size=(2, 3))
    gradient = tn.grad(lambda model: model(x).sum())(model)
    assert isinstance(gradient[0], Residual)
    assert gradient[0].inside.kernel.shape == (3, 3)


def test_double_precision_with_single_precision_parameters_is_noted_once_for_each_line(rng):
    model, x = nn.Sequential(nn.Conv(1, 2, 3, rng=rng), nn.Flatten(), nn.Dense(8, 3, rng=rng)), np.ones((1, 4, 4, 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            model(x)
            tn.grad(lambda m: m(x).sum())(model)
        model(x.astype(np.float32))
        nn.dense(x, np.ones((1, 2)))
        nn.dense(x.astype(np.float32), np.ones((1, 2)))
    assert {warning.category for warning in caught} == {PrecisionWarning}
    assert {Path(warning.filename) for warning in caught} == {Path(__file__)}
    lines = [(warning.lineno, str(warning.message).split(":")[0]) for warning in caught]
    first = min(line for line, _ in lines)
    assert lines == [(first, "conv"), (first, "dense"), (first + 1, "conv"), (first + 1, "dense")]
    assert "x should have the precision of the parameters, float32; got float64" in str(caught[0].message)
