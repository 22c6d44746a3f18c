"""Convolution and pooling as users call them, against loops over the padded images."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn


def both(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def same_sides(size, window, stride, dilation):
    """TensorFlow's rule: ceil(size / stride) windows, and the odd place at the end."""
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def all_sides(padding, size, window, stride, dilation):
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        return tuple(same_sides(*axis) for axis in zip(size, window, stride, dilation))
    return tuple(map(both, both(padding)))


def windows_of(x, window, stride, padding, dilation, fill):
    """Each window of the padded images, shape (OH, OW, N, kh, kw, C)."""
    window, stride, dilation = both(window), both(stride), both(dilation)
    padding = all_sides(padding, x.shape[1:3], window, stride, dilation)
    x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    reach = [(w - 1) * d + 1 for w, d in zip(window, dilation)]
    count = [(x.shape[a + 1] - reach[a]) // stride[a] + 1 for a in (0, 1)]
    out = np.empty((*count, len(x), *window, x.shape[3]))
    for i, j in np.ndindex(*count):
        top, left = i * stride[0], j * stride[1]
        out[i, j] = x[:, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
    return out


def naive_conv(x, kernel, bias=None, *, stride=1, padding="valid", dilation=1, groups=1):
    patches = windows_of(x, kernel.shape[:2], stride, padding, dilation, 0.0)
    inputs, outputs = x.shape[3] // groups, kernel.shape[3] // groups
    parts = [
        np.einsum(
            "ijnabc,abco->nijo",
            patches[..., g * inputs : (g + 1) * inputs],
            kernel[..., g * outputs : (g + 1) * outputs],
        )
        for g in range(groups)
    ]
    return np.concatenate(parts, -1) + (0 if bias is None else bias)


def naive_pool(reduce, x, window, stride=None, padding="valid"):
    patches = windows_of(x, window, window if stride is None else stride, padding, 1, np.nan)
    return np.moveaxis(reduce(patches, axis=(3, 4)), 2, 0)


@st.composite
def geometries(draw, dilated=True):
    """Images' size, and the window, stride, padding and dilation of windows that fit into them."""
    one = st.integers(1, 3)
    window, stride = (draw(st.one_of(one, st.tuples(one, one))) for _ in range(2))
    dilation = draw(st.one_of(st.integers(1, 2), st.tuples(one, one))) if dilated else 1
    reach = [(w - 1) * d + 1 for w, d in zip(both(window), both(dilation))]
    size = tuple(r + draw(st.integers(0, 4)) for r in reach)
    side = st.integers(0, min(both(window)) - 1 if not dilated else 2)
    both_sides = st.one_of(side, st.tuples(side, side))
    padding = draw(st.one_of(st.sampled_from(["valid", "same"]), side, st.tuples(both_sides, both_sides)))
    return size, window, {"stride": stride, "padding": padding} | ({"dilation": dilation} if dilated else {})


@settings(max_examples=25, deadline=None)
@given(geometries(), st.integers(1, 3), st.booleans())
def test_conv(check_derivatives, geometry, groups, with_bias):
    size, window, options = geometry
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *size, 2 * groups))
    kernel = rng.normal(size=(*both(window), 2, groups))
    operands = (x, kernel, rng.normal(size=groups))[: 3 if with_bias else 2]
    y = nn.conv(*operands, **options, groups=groups)
    np.testing.assert_allclose(y, naive_conv(*operands, **options, groups=groups), rtol=1e-12, atol=1e-12)
    check_derivatives(lambda *operands: nn.conv(*operands, **options, groups=groups), *operands)


@settings(max_examples=25, deadline=None)
@given(geometries(dilated=False))
def test_max_pool(check_derivatives, geometry):
    size, window, options = geometry
    shape = (2, *size, 3)
    x = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape) - 2.0 * np.prod(shape)
    np.testing.assert_array_equal(nn.max_pool(x, window, **options), naive_pool(np.nanmax, x, window, **options))
    check_derivatives(lambda x: nn.max_pool(x, window, **options), x, order=1, step=1e-3)


@settings(max_examples=25, deadline=None)
@given(geometries(dilated=False))
def test_avg_pool(check_derivatives, geometry):
    size, window, options = geometry
    x = np.random.default_rng(0).normal(size=(2, *size, 3))
    expected = naive_pool(np.nanmean, x, window, **options)
    np.testing.assert_allclose(nn.avg_pool(x, window, **options), expected, rtol=1e-12, atol=1e-12)
    check_derivatives(lambda x: nn.avg_pool(x, window, **options), x, order=1)


# ---- conventions ----


def test_conv_does_not_flip_the_kernel():
    x = np.arange(1.0, 5.0).reshape(1, 1, 4, 1)
    kernel = np.array([1.0, 10.0]).reshape(1, 2, 1, 1)
    np.testing.assert_array_equal(nn.conv(x, kernel).ravel(), [21, 32, 43])


def test_conv_of_a_cross_by_hand():
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1, 0] = 1
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    y = nn.conv(x, kernel, np.array([100.0]), padding="same")
    np.testing.assert_array_equal(y[0, :, :, 0], 100 + np.arange(9.0)[::-1].reshape(3, 3))


@pytest.mark.parametrize(("size", "stride"), list(itertools.product([4, 5, 6, 7], [1, 2, 3])))
def test_same_pads_the_odd_place_at_the_end(size, stride):
    x = np.ones((1, size, 1, 1))
    y = nn.conv(x, np.array([1.0, 10.0]).reshape(2, 1, 1, 1), stride=(stride, 1), padding="same").ravel()
    assert len(y) == -(-size // stride)
    reaches_over = (len(y) - 1) * stride + 2 > size
    np.testing.assert_array_equal(y, [11.0] * (len(y) - 1) + [1.0 if reaches_over else 11.0])


def test_padding_as_pairs_is_top_bottom_left_right():
    x = np.ones((1, 1, 1, 1))
    y = nn.conv(x, np.ones((1, 1, 1, 1)), padding=((1, 2), (3, 4)))
    expected = np.zeros((4, 8))
    expected[1, 3] = 1
    np.testing.assert_array_equal(y[0, :, :, 0], expected)
    np.testing.assert_array_equal(y, nn.conv(x, np.ones((1, 1, 1, 1)), padding=[[1, 2], [3, 4]]))


def test_groups_do_not_meet(rng):
    x, kernel = rng.normal(size=(2, 5, 5, 4)), rng.normal(size=(3, 3, 2, 6))
    y = nn.conv(x, kernel, groups=2)
    np.testing.assert_allclose(y[..., :3], nn.conv(x[..., :2], kernel[..., :3]), rtol=1e-12)
    np.testing.assert_allclose(y[..., 3:], nn.conv(x[..., 2:], kernel[..., 3:]), rtol=1e-12)


def test_max_pool_gives_all_to_the_first_winner():
    gradient = tn.grad(lambda x: nn.max_pool(x, 2).sum())(np.ones((1, 4, 4, 1)))
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[1, 0, 1, 0], [0] * 4] * 2)


def test_max_pool_adds_up_over_overlapping_windows():
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1, 0] = 5
    gradient = tn.grad(lambda x: nn.max_pool(x, 2, 1).sum())(x)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0, 0, 0], [0, 4, 0], [0, 0, 0]])


def test_padding_never_wins():
    x = np.full((1, 2, 2, 1), -7.0)
    y, pullback = tn.vjp(lambda x: nn.max_pool(x, 2, 1, 1), x)
    np.testing.assert_array_equal(y, np.full((1, 3, 3, 1), -7.0))
    # Row by row, each window of 3 by 3 meets its first element of the image.
    np.testing.assert_array_equal(pullback(np.ones_like(y))[0][0, :, :, 0], [[4, 2], [2, 1]])


def test_padding_is_not_counted():
    y = nn.avg_pool(np.full((1, 3, 3, 1), 6.0), 3, 1, "same")
    np.testing.assert_allclose(y, np.full((1, 3, 3, 1), 6.0), rtol=1e-15)


def test_pool_strides_default_to_the_window():
    x = np.arange(36.0).reshape(1, 6, 6, 1)
    for pool in (nn.max_pool, nn.avg_pool):
        assert pool(x, (2, 3)).shape == (1, 3, 2, 1)
        np.testing.assert_array_equal(pool(x, (2, 3)), pool(x, (2, 3), (2, 3)))


def test_max_pool_second_order(check_derivatives, rng):
    x = rng.permutation(64).reshape(1, 8, 8, 1) / 8.0
    check_derivatives(lambda x: nn.max_pool(x, 3, 2) ** 3, x, tolerance=1e-5)
    check_derivatives(lambda x: nn.avg_pool(x, 3, 2) ** 3, x, tolerance=1e-5)


def test_no_images_at_all():
    x = np.zeros((0, 4, 4, 2))
    assert nn.conv(x, np.ones((3, 3, 2, 5))).shape == (0, 2, 2, 5)
    assert nn.max_pool(x, 2).shape == nn.avg_pool(x, 2).shape == (0, 2, 2, 2)
    kernel_bar = tn.grad(lambda kernel: nn.conv(x, kernel).sum())(np.ones((3, 3, 2, 5)))
    np.testing.assert_array_equal(kernel_bar, np.zeros((3, 3, 2, 5)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_stays(dtype, check_dtype, rng):
    x, kernel, bias = rng.normal(size=(2, 5, 5, 2)), rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4)
    check_dtype(nn.conv, x, kernel, bias, dtype=dtype)
    check_dtype(lambda x: nn.max_pool(x, 2), x, dtype=dtype)
    check_dtype(lambda x: nn.avg_pool(x, 2, 1, "same"), x, dtype=dtype)


def test_second_use_of_a_pullback_is_like_the_first(rng):
    x, kernel = rng.normal(size=(2, 6, 6, 2)), rng.normal(size=(3, 3, 2, 4))
    y, pullback = tn.vjp(lambda x, kernel: nn.max_pool(nn.conv(x, kernel), 2), x, kernel)
    y_bar = rng.normal(size=y.shape)
    kept = y_bar.copy()
    first, second = pullback(y_bar), pullback(y_bar)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.shares_memory(a, b)
    np.testing.assert_array_equal(y_bar, kept)


@pytest.mark.parametrize("size", [(3, 4), (7, 6), (16, 16), (32, 24)])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (2, 5), (3, 4)])
@pytest.mark.parametrize(("count", "channels", "outputs"), [(0, 4, 6), (2, 0, 6), (2, 4, 0), (0, 0, 0), (0, 0, 4)])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"groups": 2}, {"dilation": 2}])
def test_conv_without_images_or_channels_gives_what_sums_of_nothing_give(
    size: tuple[int, int], window: tuple[int, int], count: int, channels: int, outputs: int, options: dict[str, int]
) -> None:
    groups = options.get("groups", 1)
    x, kernel = np.ones((count, *size, channels)), np.ones((*window, channels // groups, outputs))
    bias = np.arange(float(outputs))

    def f(x: Any, kernel: Any, bias: Any) -> Any:
        return nn.conv(x, kernel, bias, padding="same", **options)

    y, pullback = tn.vjp(f, x, kernel, bias)
    assert y.shape[0] == count
    np.testing.assert_array_equal(y, np.broadcast_to(bias, y.shape))
    x_bar, kernel_bar, bias_bar = pullback(np.ones(y.shape))
    assert x_bar.shape == x.shape
    assert kernel_bar.shape == kernel.shape
    assert not x_bar.any()
    assert not kernel_bar.any()
    np.testing.assert_array_equal(bias_bar, np.full(outputs, y[..., 0].size if outputs else 0.0))
    y_dot = tn.jvp(f, (x, kernel, bias), (x, kernel, bias))[1]
    np.testing.assert_array_equal(y_dot, y)


@pytest.mark.parametrize("pool", [nn.max_pool, nn.avg_pool])
@pytest.mark.parametrize("shape", [(0, 6, 7, 2), (2, 6, 7, 0), (0, 6, 7, 0)])
@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"padding": "same"}, {"padding": (1, 0)}])
def test_pools_without_images_or_channels_are_empty(pool: Any, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    y, pullback = tn.vjp(lambda x: pool(x, 2, **options), np.ones(shape))
    rows, columns = pool(np.ones((1, 6, 7, 1)), 2, **options).shape[1:3]
    assert y.shape == (shape[0], rows, columns, shape[3])
    assert pullback(np.ones(y.shape))[0].shape == shape
