"""Norms of each example by itself, the layers around others, and what drops channels and examples."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn

SETTINGS = settings(max_examples=15, deadline=None)


@SETTINGS
@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(1, 3), max_size=2))
def test_group_norm(groups, each, between):
    rng = np.random.default_rng(0)
    channels = groups * each
    x, scale, offset = (
        rng.normal(2, 3, size=(2, *between, channels)),
        rng.normal(size=channels),
        rng.normal(size=channels),
    )
    y = nn.group_norm(x, groups, scale, offset, eps=0.1)
    for n in range(2):
        for g in range(groups):
            own = np.s_[..., g * each : (g + 1) * each]
            part = x[n][own]
            normal = (part - part.mean()) / np.sqrt(part.var() + 0.1)
            np.testing.assert_allclose(y[n][own], normal * scale[own] + offset[own], rtol=1e-10, atol=1e-10)
    tn.testing.check_grads(lambda *a: nn.group_norm(a[0], groups, *a[1:], eps=0.1), (x, scale, offset))


@SETTINGS
@given(st.lists(st.integers(1, 3), min_size=1, max_size=2), st.integers(1, 3))
def test_instance_norm(between, channels):
    rng = np.random.default_rng(0)
    x, scale = rng.normal(2, 3, size=(2, *between, channels)), rng.normal(size=channels)
    axes = tuple(range(1, x.ndim - 1))
    normal = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 0.1)
    np.testing.assert_allclose(nn.instance_norm(x, scale, eps=0.1), normal * scale, rtol=1e-10, atol=1e-10)
    tn.testing.check_grads(lambda *a: nn.instance_norm(*a, eps=0.1), (x, scale))


@SETTINGS
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 4))
def test_rms_norm(shape, features):
    rng = np.random.default_rng(0)
    x, scale = rng.normal(size=(*shape, features)), rng.normal(size=features)
    expected = scale * x / np.sqrt((x**2).mean(-1, keepdims=True) + 0.1)
    np.testing.assert_allclose(nn.rms_norm(x, scale, eps=0.1), expected, rtol=1e-12)
    tn.testing.check_grads(lambda *a: nn.rms_norm(*a, eps=0.1), (x, scale))


def test_complex_numbers_are_normalized_by_their_size(rng):
    z = rng.normal(size=(2, 3, 4)) + 1j * rng.normal(size=(2, 3, 4))
    np.testing.assert_allclose((np.abs(nn.rms_norm(z, eps=0.0)) ** 2).mean(-1), 1)
    np.testing.assert_allclose((np.abs(nn.instance_norm(z, eps=0.0)) ** 2).mean(1), 1)
    np.testing.assert_allclose(nn.group_norm(z, 2, eps=0.0).reshape(2, 3, 2, 2).mean((1, 3)), 0, atol=1e-15)


@pytest.mark.parametrize("norm", [lambda x: nn.group_norm(x, 2), nn.instance_norm, nn.rms_norm])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_norms_keep_their_dtype_where_squares_would_not_fit(norm, dtype, check_dtype):
    x = np.array([[-800, 0, 800, 1200], [1, 2, 3, 5]], dtype).reshape(1, 2, 4)
    assert np.isfinite(norm(x)).all()
    check_dtype(norm, x, dtype=dtype)


# ---- layers ----


def test_layers_apply_their_functions(rng):
    x = rng.normal(size=(2, 3, 4))
    np.testing.assert_array_equal(nn.GroupNorm(4, 2, eps=0.1)(x), nn.group_norm(x, 2, eps=0.1))
    np.testing.assert_array_equal(nn.InstanceNorm(4, eps=0.1)(x), nn.instance_norm(x, eps=0.1))
    np.testing.assert_array_equal(nn.RMSNorm(4, eps=0.1)(x), nn.rms_norm(x, eps=0.1))
    np.testing.assert_array_equal(nn.PReLU(4, 0.5)(x), np.where(x > 0, x, 0.5 * x))
    assert nn.PReLU().slope.shape == ()


def test_spatial_dropout_drops_channels():
    x = np.ones((200, 3, 2, 5))
    y = nn.spatial_dropout(x, 0.25, np.random.default_rng(0))
    assert (y == y[:, :1, :1]).all()
    assert set(np.unique(y)) == {0, 4 / 3}
    np.testing.assert_allclose((y == 0).mean(), 0.25, atol=0.05)
    layer = nn.SpatialDropout(0.25)
    np.testing.assert_array_equal(layer.train(x, np.random.default_rng(0))[0], y)
    assert layer(x) is x
    assert nn.spatial_dropout(x, 0, np.random.default_rng(0)) is x


def test_stochastic_depth_drops_examples():
    x = np.ones((2000, 3))
    y = nn.stochastic_depth(x, 0.25, np.random.default_rng(0))
    assert (y == y[:, :1]).all()
    np.testing.assert_allclose((y == 0).mean(), 0.25, atol=0.05)
    layer = nn.StochasticDepth(0.25)
    np.testing.assert_array_equal(layer.train(x, np.random.default_rng(0))[0], y)
    assert layer(x) is x
    gradient = tn.grad(lambda x: nn.stochastic_depth(x, 0.25, np.random.default_rng(0)).sum())(x)
    np.testing.assert_array_equal(gradient, y)


@pytest.mark.filterwarnings("ignore::tapenet.errors.StatisticsWarning")  # of layers that were not trained
def test_residual_adds_both(rng):
    x = rng.normal(size=(8, 3))
    inside = nn.Sequential(nn.Dense(3, 3, rng=rng, dtype=np.float64), nn.BatchNorm(3, dtype=np.float64))
    layer = nn.Residual(inside)
    np.testing.assert_array_equal(layer(x), x + inside(x))
    y, after = layer.train(x, rng)
    np.testing.assert_array_equal(y, x + inside.train(x, rng)[0])
    assert np.any(after.inside[1].running.mean)
    assert type(after) is nn.Residual
    shortcut = nn.Dense(3, 2, rng=rng, dtype=np.float64)
    wide = nn.Residual(lambda x: x[:, :2], shortcut)
    np.testing.assert_array_equal(wide(x), shortcut(x) + x[:, :2])
    np.testing.assert_array_equal(wide.train(x, rng)[0], wide(x))
    assert tn.grad(lambda layer: layer(x).sum())(wide).shortcut.kernel.shape == (3, 2)
    with pytest.raises(tn.ArgumentError, match=r"Residual: inside must give the shape of x, \(8, 3\); got \(8, 2\)"):
        nn.Residual(lambda x: x[:, :2])(x)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.group_norm(np.ones((1, 4)), 3), "group_norm: groups must divide the channels, 4; got 3"),
        (lambda: nn.GroupNorm(4, 3), "GroupNorm: groups must divide the channels, 4; got 3"),
        (lambda: nn.group_norm(np.ones((1, 4)), 2, np.ones(2)), r"group_norm: scale must have shape \(4,\)"),
        (lambda: nn.instance_norm(np.ones((1, 4))), "instance_norm: x must have shape"),
        (lambda: nn.rms_norm(np.ones((1, 0))), "rms_norm: x must have shape"),
    ],
)
def test_errors(call, text):
    with pytest.raises(tn.ArgumentError, match=text):
        call()
