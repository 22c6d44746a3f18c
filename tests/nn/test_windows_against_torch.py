"""Convolutions, transposed ones, pools and norms of any number of axes against PyTorch's."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet import nn
from tests.against_torch import assert_same

torch = pytest.importorskip("torch")
F = torch.nn.functional

SMALL = st.integers(1, 3)
SETTINGS = settings(max_examples=12, deadline=None)


def first(x):
    """From channels last to channels first."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def one(values):
    return values[0] if len(values) == 1 else values


CONVS = {1: (nn.conv1d, F.conv1d), 3: (nn.conv3d, F.conv3d)}
TRANSPOSED = {1: (nn.conv_transpose1d, F.conv_transpose1d), 2: (nn.conv_transpose, F.conv_transpose2d)}
POOLS = {
    1: (nn.max_pool1d, F.max_pool1d, nn.avg_pool1d, F.avg_pool1d),
    3: (nn.max_pool3d, F.max_pool3d, nn.avg_pool3d, F.avg_pool3d),
}


def several(data, axes, drawn=SMALL):
    return tuple(data.draw(drawn) for _ in range(axes))


@pytest.mark.parametrize("axes", CONVS)
@SETTINGS
@given(data=st.data())
def test_convolutions(axes, data):
    window, stride, dilation, more = (several(data, axes) for _ in range(4))
    padding, groups = several(data, axes, st.integers(0, 2)), data.draw(SMALL)
    size = [(w - 1) * d + m for w, d, m in zip(window, dilation, more, strict=True)]
    rng = np.random.default_rng(0)
    ours, theirs = CONVS[axes]
    options = {"stride": one(stride), "dilation": one(dilation), "groups": groups}
    assert_same(
        lambda *operands: ours(*operands, padding=one(padding), **options),
        lambda x, k, b: last(theirs(first(x), k.movedim((-1, -2), (0, 1)), b, padding=padding, **options)),
        rng.normal(size=(2, *size, 2 * groups)),
        rng.normal(size=(*window, 2, 2 * groups)),
        rng.normal(size=2 * groups),
    )


@pytest.mark.parametrize("axes", TRANSPOSED)
@SETTINGS
@given(data=st.data())
def test_transposed_convolutions(axes, data):
    window, stride, dilation, size = (several(data, axes) for _ in range(4))
    groups = data.draw(SMALL)
    added = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    reach = [(n - 1) * s + d * (w - 1) + a for n, s, d, w, a in zip(size, stride, dilation, window, added, strict=True)]
    padding = tuple(data.draw(st.integers(0, min(2, n // 2))) for n in reach)
    rng = np.random.default_rng(0)
    ours, theirs = TRANSPOSED[axes]
    options = {"stride": one(stride), "dilation": one(dilation), "groups": groups, "output_padding": one(added)}
    assert_same(
        lambda *operands: ours(*operands, padding=one(padding), **options),
        lambda x, k, b: last(theirs(first(x), k.movedim((-1, -2), (0, 1)), b, padding=padding, **options)),
        rng.normal(size=(2, *size, 2 * groups)),
        rng.normal(size=(*window, 2, 2 * groups)),
        rng.normal(size=2 * groups),
    )


@pytest.mark.parametrize("axes", POOLS)
@SETTINGS
@given(data=st.data())
def test_pools(axes, data):
    window, stride, more = (several(data, axes) for _ in range(3))
    padding = tuple(w // 2 if data.draw(st.booleans()) else 0 for w in window)
    size = [w + m for w, m in zip(window, more, strict=True)]
    x = np.round(np.random.default_rng(0).normal(size=(2, *size, 3)), 1)  # windows hold equal elements
    our_max, their_max, our_mean, their_mean = POOLS[axes]
    options = one(window), one(stride), one(padding)
    assert_same(lambda x: our_max(x, *options), lambda x: last(their_max(first(x), window, stride, padding)), x)
    assert_same(
        lambda x: our_mean(x, *options),
        lambda x: last(their_mean(first(x), window, stride, padding, count_include_pad=False)),
        x,
    )


@pytest.mark.parametrize(
    ("size", "count", "theirs"),
    [
        ((7,), 3, F.adaptive_avg_pool1d),
        ((5, 4), (3, 6), F.adaptive_avg_pool2d),
        ((4, 3, 5), (2, 3, 2), F.adaptive_avg_pool3d),
    ],
)
def test_adaptive_pools(size, count, theirs, rng):
    x = rng.normal(size=(2, *size, 3))
    assert_same(lambda x: nn.adaptive_avg_pool(x, count), lambda x: last(theirs(first(x), count)), x)


def test_norms(rng):
    x, scale, offset = rng.normal(size=(3, 4, 5, 6)), rng.normal(size=6), rng.normal(size=6)
    assert_same(
        lambda x, s, o: nn.group_norm(x, 3, s, o),
        lambda x, s, o: last(F.group_norm(first(x), 3, s, o)),
        x,
        scale,
        offset,
    )
    assert_same(nn.instance_norm, lambda x, s, o: last(F.instance_norm(first(x), weight=s, bias=o)), x, scale, offset)
    assert_same(nn.rms_norm, lambda x, s: F.rms_norm(x, (6,), s, eps=1e-6), x, scale)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_norms_without_scales_over_any_number_of_axes(axes, rng):
    x = rng.normal(size=(2, *(3, 4, 2)[:axes], 6))
    assert_same(lambda x: nn.group_norm(x, 2), lambda x: last(F.group_norm(first(x), 2)), x)
    assert_same(nn.instance_norm, lambda x: last(F.instance_norm(first(x))), x)
    assert_same(lambda x: nn.batch_norm(x)[0], lambda x: last(F.batch_norm(first(x), None, None, training=True)), x)
