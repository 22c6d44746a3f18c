import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet.kernels.windows import cache_sized, inside, output_size, same_padding

sizes = st.integers(1, 12)
small = st.integers(1, 4)


@settings(max_examples=200, deadline=None)
@given(start=st.integers(-12, 12), step=small, count=st.integers(0, 8), size=st.integers(0, 8))
def test_inside_finds_the_places_in_range(start, step, count, size):
    indices, places = inside(start=start, step=step, count=count, size=size)
    expected = [k for k in range(count) if 0 <= start + k * step < size]
    assert list(range(count))[indices] == expected
    assert list(range(size))[places] == [start + k * step for k in expected]


@settings(max_examples=100, deadline=None)
@given(size=sizes, window=small, stride=small, before=st.integers(0, 3), after=st.integers(0, 3), dilation=small)
def test_output_size_counts_windows(size, window, stride, before, after, dilation):
    padded, reach = before + size + after, (window - 1) * dilation + 1
    expected = len(range(0, padded - reach + 1, stride))
    if expected:
        assert output_size(size, window, stride, (before, after), dilation) == expected
    else:
        with pytest.raises(ValueError, match=rf"reaches over {reach} places.*an input of {padded} "):
            output_size(size, window, stride, (before, after), dilation)


@settings(max_examples=100, deadline=None)
@given(size=sizes, window=small, stride=small, dilation=small)
def test_same_padding_gives_one_window_per_stride(size, window, stride, dilation):
    before, after = same_padding(size, window, stride, dilation)
    assert after - before in (0, 1)
    assert output_size(size, window, stride, (before, after), dilation) == -(-size // stride)


@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation", "expected"),
    [
        (28, 5, 1, 1, (2, 2)),
        (28, 2, 2, 1, (0, 0)),
        (7, 2, 2, 1, (0, 1)),
        (224, 3, 2, 1, (0, 1)),
        (5, 3, 1, 2, (2, 2)),
        (5, 1, 3, 1, (0, 0)),
    ],
)
def test_same_padding_is_tensorflows(size, window, stride, dilation, expected):
    assert same_padding(size, window, stride, dilation) == expected


@pytest.mark.parametrize("shape", [(0, 3), (1, 2**20), (7, 5), (64, 2**16), (5, 0)])
def test_cache_sized_slices_cover_the_batch_once(shape):
    x = np.broadcast_to(np.float32(0), shape)
    assert [i for images in cache_sized(x) for i in range(len(x))[images]] == list(range(len(x)))
