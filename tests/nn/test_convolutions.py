"""Convolutions and pools of sequences and volumes against loops, and transposed ones against what they transpose."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn

SMALL = st.integers(1, 3)
SETTINGS = settings(max_examples=25, deadline=None)


def drawn_geometry(data, axes, dilated=True):
    """Size, window, stride, padding and dilation for each axis, so that at least one window fits."""
    window = [data.draw(SMALL) for _ in range(axes)]
    dilation = [data.draw(SMALL) if dilated else 1 for _ in range(axes)]
    size = [(w - 1) * d + data.draw(st.integers(1, 4)) for w, d in zip(window, dilation, strict=True)]
    stride = [data.draw(SMALL) for _ in range(axes)]
    padding = [tuple(data.draw(st.integers(0, w - 1)) for _ in range(2)) for w in window]
    return size, window, stride, padding, dilation


def patches(x, window, stride, padding, dilation, fill=0.0):
    """Each window: shape (*counts, N, *window, C)."""
    x = np.pad(x, [(0, 0), *padding, (0, 0)], constant_values=fill)
    reach = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    counts = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:-1], reach, stride, strict=True)]
    out = np.empty((*counts, len(x), *window, x.shape[-1]))
    for place in np.ndindex(*counts):
        parts = [slice(p * s, p * s + r, d) for p, s, r, d in zip(place, stride, reach, dilation, strict=True)]
        out[place] = x[(slice(None), *parts)]
    return out


def naive(x, kernel, stride, padding, dilation, groups):
    axes = x.ndim - 2
    windows = patches(x, kernel.shape[:axes], stride, padding, dilation)
    inputs, outputs = x.shape[-1] // groups, kernel.shape[-1] // groups
    parts = []
    for g in range(groups):
        own = windows[..., g * inputs : (g + 1) * inputs]
        over = list(range(axes + 1, 2 * axes + 2)), list(range(axes + 1))
        parts.append(np.tensordot(own, kernel[..., g * outputs : (g + 1) * outputs], over))
    return np.moveaxis(np.concatenate(parts, -1), axes, 0)


def one(values):
    """What a function of sequences takes: a number, and not one for each axis."""
    return values[0] if len(values) == 1 else tuple(values)


@pytest.mark.parametrize(("conv", "axes"), [(nn.conv1d, 1), (nn.conv3d, 3)])
@SETTINGS
@given(data=st.data())
def test_convolutions(conv, axes, data):
    size, window, stride, padding, dilation = drawn_geometry(data, axes)
    groups, multiple = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *size, 2 * groups)), rng.normal(size=(*window, 2, multiple * groups))
    bias = rng.normal(size=multiple * groups)
    options = {"stride": one(stride), "padding": one(padding), "dilation": one(dilation), "groups": groups}
    expected = naive(x, kernel, stride, padding, dilation, groups)
    np.testing.assert_allclose(conv(x, kernel, **options), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(conv(x, kernel, bias, **options), expected + bias, rtol=1e-10, atol=1e-12)
    assert conv(*(a.astype(np.float32) for a in (x, kernel, bias)), **options).dtype == np.float32


@pytest.mark.parametrize(
    ("conv", "shape", "window", "options"),
    [
        (nn.conv1d, (2, 5, 2), (3,), {"padding": "same", "stride": 2}),
        (nn.conv1d, (2, 5, 2), (2,), {"dilation": 2, "groups": 2, "padding": (2, 0)}),
        (nn.conv3d, (2, 3, 4, 3, 2), (2, 2, 3), {"padding": "same", "stride": (1, 2, 1)}),
        (nn.conv3d, (1, 4, 3, 3, 2), (2, 2, 1), {"dilation": (2, 1, 1), "groups": 2, "padding": (1, 0, 0)}),
    ],
)
def test_derivatives_of_convolutions(conv, shape, window, options, rng, check_derivatives):
    kernel = rng.normal(size=(*window, 2 // options.get("groups", 1), 2))
    check_derivatives(
        lambda x, kernel, bias: conv(x, kernel, bias, **options), rng.normal(size=shape), kernel, rng.normal(size=2)
    )


def test_same_keeps_the_size(rng):
    for stride, count in ((1, 7), (2, 4), (3, 3)):
        assert (
            nn.conv1d(rng.normal(size=(1, 7, 1)), np.ones((4, 1, 1)), padding="same", stride=stride).shape[1] == count
        )
    assert nn.conv3d(np.ones((1, 3, 4, 5, 1)), np.ones((2, 3, 4, 1, 1)), padding="same").shape == (1, 3, 4, 5, 1)


def test_batches_of_nothing():
    assert nn.conv1d(np.ones((0, 5, 1)), np.ones((2, 1, 3))).shape == (0, 4, 3)
    assert nn.conv3d(np.ones((0, 5, 5, 5, 1)), np.ones((2, 2, 2, 1, 3))).shape == (0, 4, 4, 4, 3)
    assert nn.conv_transpose(np.ones((0, 5, 5, 1)), np.ones((2, 2, 3, 1))).shape == (0, 6, 6, 3)


# ---- transposed ----


@pytest.mark.parametrize(
    ("transposed", "conv", "axes"), [(nn.conv_transpose1d, nn.conv1d, 1), (nn.conv_transpose, nn.conv, 2)]
)
@SETTINGS
@given(data=st.data())
def test_transposed_convolutions_are_transposes(transposed, conv, axes, data):
    size, window, stride, _, dilation = drawn_geometry(data, axes)
    groups = data.draw(st.integers(1, 2))
    added = [data.draw(st.integers(0, s - 1)) for s in stride]
    rng = np.random.default_rng(0)
    y, kernel = rng.normal(size=(2, *size, 2 * groups)), rng.normal(size=(*window, 3, 2 * groups))
    options = {"stride": one(stride), "dilation": one(dilation), "groups": groups}
    x = transposed(y, kernel, output_padding=one(added), **options)
    expected = [
        (n - 1) * s + d * (k - 1) + a + 1 for n, s, d, k, a in zip(size, stride, dilation, window, added, strict=True)
    ]
    assert x.shape == (2, *expected, 3 * groups)
    z = rng.normal(size=x.shape)
    np.testing.assert_allclose((x * z).sum(), (y * conv(z, kernel, **options)).sum(), rtol=1e-9)


@SETTINGS
@given(st.integers(1, 5), SMALL, SMALL, SMALL)
def test_transposed_with_same_multiplies_the_size(size, window, stride, dilation):
    rng = np.random.default_rng(0)
    y, kernel = rng.normal(size=(2, size, 2)), rng.normal(size=(window, 3, 2))
    options = {"padding": "same", "stride": stride, "dilation": dilation}
    x = nn.conv_transpose1d(y, kernel, **options)
    assert x.shape == (2, size * stride, 3)
    z = rng.normal(size=x.shape)
    np.testing.assert_allclose((x * z).sum(), (y * nn.conv1d(z, kernel, **options)).sum(), rtol=1e-9, atol=1e-12)


def test_derivatives_of_transposed_convolutions(rng, check_derivatives):
    check_derivatives(
        lambda *operands: nn.conv_transpose(*operands, stride=2, padding=1, output_padding=(1, 0), groups=2),
        rng.normal(size=(2, 3, 2, 4)),
        rng.normal(size=(3, 3, 1, 4)),
        rng.normal(size=2),
    )
    check_derivatives(
        lambda *operands: nn.conv_transpose1d(*operands, dilation=2, output_padding=1),
        rng.normal(size=(2, 3, 2)),
        rng.normal(size=(3, 2, 2)),
        rng.normal(size=2),
    )


# ---- pools ----


@pytest.mark.parametrize(("pools", "axes"), [((nn.max_pool1d, nn.avg_pool1d), 1), ((nn.max_pool3d, nn.avg_pool3d), 3)])
@SETTINGS
@given(data=st.data())
def test_pools(pools, axes, data):
    size, window, stride, padding, dilation = drawn_geometry(data, axes, dilated=False)
    stride = [min(s, w) for s, w in zip(stride, window, strict=True)]
    padding = [(before, min(before, after)) for before, after in padding]
    if any((n + sum(p) - w) // s * s - p[0] >= n for n, p, w, s in zip(size, padding, window, stride, strict=True)):
        return  # a window wholly in the padding
    x = np.round(np.random.default_rng(0).normal(size=(2, *size, 2)), 1)
    over = tuple(range(axes + 1, 2 * axes + 1))
    found = patches(x, window, stride, padding, dilation, np.nan)
    for pool, reduce in zip(pools, (np.nanmax, np.nanmean), strict=True):
        expected = np.moveaxis(reduce(found, over), axes, 0)
        np.testing.assert_allclose(pool(x, one(window), one(stride), one(padding)), expected, rtol=1e-12, atol=1e-14)


def test_derivatives_of_pools(rng, check_derivatives):
    x = rng.permutation(2 * 4 * 3 * 3 * 2).reshape(2, 4, 3, 3, 2) / 10
    check_derivatives(lambda x: nn.max_pool3d(x, 2, 1, 1), x)
    check_derivatives(lambda x: nn.avg_pool3d(x, (2, 3, 1), padding=(1, 1, 0)), x)
    check_derivatives(lambda x: nn.max_pool1d(x, 2, padding=(1, 0)), x[:, :, 0, 0])
    check_derivatives(lambda x: nn.avg_pool1d(x, 3, 2), x[:, :, 0, 0])


def test_the_first_winner_takes_all():
    x = np.ones((1, 2, 2, 2, 1))
    gradient = tn.grad(lambda x: nn.max_pool3d(x, 2).sum())(x)
    np.testing.assert_array_equal(gradient.ravel(), [1, 0, 0, 0, 0, 0, 0, 0])


@SETTINGS
@given(st.lists(st.integers(1, 7), min_size=1, max_size=3), st.data())
def test_adaptive_pool(size, data):
    counts = [data.draw(st.integers(1, 9)) for _ in size]
    x = np.random.default_rng(0).normal(size=(2, *size, 2))
    y = nn.adaptive_avg_pool(x, counts)
    assert y.shape == (2, *counts, 2)
    for place in np.ndindex(*counts):
        parts = [slice(p * n // c, -(-(p + 1) * n // c)) for p, n, c in zip(place, size, counts, strict=True)]
        window = x[(slice(None), *parts)]
        np.testing.assert_allclose(y[(slice(None), *place)], window.mean(tuple(range(1, x.ndim - 1))), atol=1e-14)


def test_pools_to_a_size(rng, check_derivatives, check_dtype):
    x = rng.normal(size=(2, 5, 3, 2))
    np.testing.assert_allclose(nn.global_avg_pool(x), x.mean((1, 2)))
    np.testing.assert_allclose(nn.adaptive_avg_pool(x, 1)[:, 0, 0], x.mean((1, 2)))
    np.testing.assert_allclose(nn.adaptive_avg_pool(x, (5, 3)), x)
    check_derivatives(nn.global_avg_pool, x)
    check_derivatives(lambda x: nn.adaptive_avg_pool(x, (3, 2)), x)
    for dtype in (np.float16, np.float32):
        check_dtype(lambda x: nn.adaptive_avg_pool(x, (3, 2)), x, dtype=dtype)
        check_dtype(nn.global_avg_pool, x, dtype=dtype)
    assert nn.adaptive_avg_pool(x + 1j, 2).dtype == np.complex128


# ---- layers ----


def test_layers_apply_their_functions(rng):
    sequences, volumes = np.float32(rng.normal(size=(2, 6, 4))), np.float32(rng.normal(size=(2, 4, 4, 4, 4)))
    images = volumes[:, 0]
    layer = nn.Conv1d(4, 2, 3, rng=rng, stride=2, padding=(2, 0), groups=2)
    np.testing.assert_array_equal(
        layer(sequences), nn.conv1d(sequences, layer.kernel, layer.bias, stride=2, padding=(2, 0), groups=2)
    )
    layer = nn.Conv3d(4, 2, (1, 2, 3), rng=rng, padding="same")
    np.testing.assert_array_equal(layer(volumes), nn.conv3d(volumes, layer.kernel, layer.bias, padding="same"))
    layer = nn.ConvTranspose(4, 6, 3, rng=rng, stride=2, padding=1, output_padding=1, groups=2, bias=False)
    assert layer.kernel.shape == (3, 3, 3, 4)
    np.testing.assert_array_equal(
        layer(images), nn.conv_transpose(images, layer.kernel, stride=2, padding=1, output_padding=1, groups=2)
    )
    layer = nn.ConvTranspose1d(4, 3, 3, rng=rng, stride=2)
    np.testing.assert_array_equal(layer(sequences), nn.conv_transpose1d(sequences, layer.kernel, layer.bias, stride=2))
    for pool, function, x in (
        (nn.MaxPool1d, nn.max_pool1d, sequences),
        (nn.AvgPool1d, nn.avg_pool1d, sequences),
        (nn.MaxPool3d, nn.max_pool3d, volumes),
        (nn.AvgPool3d, nn.avg_pool3d, volumes),
    ):
        np.testing.assert_array_equal(pool(2, 1)(x), function(x, 2, 1))
    np.testing.assert_array_equal(nn.GlobalAvgPool()(images), nn.global_avg_pool(images))
    np.testing.assert_array_equal(nn.AdaptiveAvgPool((3, 2))(images), nn.adaptive_avg_pool(images, (3, 2)))


LINE, POINT = np.ones((2, 3, 4)), np.ones((1, 1, 1))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.conv1d(LINE[0], POINT), r"conv1d: x must have shape \(N, L, C\); got \(3, 4\)"),
        (
            lambda: nn.conv1d(LINE, np.ones((2, 2, 1))),
            r"conv1d: kernel must have shape \(k, 4, O\) for x of 4 channels",
        ),
        (lambda: nn.conv1d(LINE, np.ones((4, 4, 1))), "conv1d: the window must fit into the padded input"),
        (
            lambda: nn.conv3d(np.ones((1, 2, 3, 4, 1)), POINT),
            r"conv3d: kernel must have shape \(kd, kh, kw, C // groups",
        ),
        (
            lambda: nn.conv_transpose(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), output_padding=1),
            "conv_transpose: output_padding must be below the stride or the dilation; got 1",
        ),
        (
            lambda: nn.conv_transpose1d(POINT, np.ones((2, 1, 1)), padding=1),
            r"conv_transpose1d: padding must leave places of the result; got 1, which leaves \(0,\)",
        ),
        (
            lambda: nn.conv_transpose1d(POINT, POINT, padding="same", stride=2, output_padding=1),
            "conv_transpose1d: output_padding must be 0 where padding is 'same'",
        ),
        (lambda: nn.max_pool1d(LINE, 1, padding=1), "max_pool1d: no window may lie wholly in the padding"),
        (lambda: nn.adaptive_avg_pool(LINE[0], 1), "adaptive_avg_pool: x must have shape"),
    ],
)
def test_errors(call, text):
    with pytest.raises(tn.ArgumentError, match=text):
        call()
