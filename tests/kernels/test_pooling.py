"""Pooling kernels against loops over the windows, against their transposes, and against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet.kernels.pooling import (
    avg_pool,
    avg_pool_input,
    max_pool,
    max_pool_winners,
    max_pool_with_winners,
    pool_gather,
    pool_scatter,
)

dtypes = [np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128, np.clongdouble]
unpadded = ((0, 0), (0, 0))


@st.composite
def axes(draw):
    """Draw (size, window, stride, padding) of which no window lies wholly in the padding."""
    window = draw(st.integers(1, 4))
    stride = draw(st.integers(1, 5))
    before = draw(st.integers(0, window - 1))
    size = draw(st.integers(max(1, window - before), 9))
    after = draw(st.integers(0, window - 1))
    last = (size + before + after - window) // stride * stride - before
    return size, window, stride, (before, after if last < size else 0)


@st.composite
def cases(draw):
    """Draw (shape of x, geometry)."""
    size, window, stride, padding = zip(draw(axes()), draw(axes()))
    shape = (draw(st.integers(0, 3)), *size, draw(st.integers(1, 3)))
    return shape, {"window": window, "stride": stride, "padding": padding}


def windows(size, *, window, stride, padding):
    """Yield (output, the window's places in row-major order), both as pairs (row, column)."""
    counts = [(size[a] + sum(padding[a]) - window[a]) // stride[a] + 1 for a in (0, 1)]
    for output in np.ndindex(*counts):
        begin = [output[a] * stride[a] - padding[a][0] for a in (0, 1)]
        positions = [(begin[0] + i, begin[1] + j) for i, j in np.ndindex(*window)]
        yield output, positions


def is_inside(place, size):
    return 0 <= place[0] < size[0] and 0 <= place[1] < size[1]


def reduce_loops(x, function, geometry):
    """Apply the function to each window's real elements, shape (count, N, C)."""
    size = x.shape[1:3]
    values = {
        output: function(np.stack([x[:, h, w] for h, w in places if is_inside((h, w), size)]))
        for output, places in windows(size, **geometry)
    }
    y = np.empty((len(x), *(n + 1 for n in max(values)), x.shape[3]), next(iter(values.values())).dtype)
    for (oh, ow), value in values.items():
        y[:, oh, ow] = value
    return y


def winners_loops(x, geometry):
    """Find the first largest element of each window, NaN being the largest, element by element."""
    size = x.shape[1:3]
    found = {}
    for output, places in windows(size, **geometry):
        real = [(position, place) for position, place in enumerate(places) if is_inside(place, size)]
        winner = np.empty((len(x), x.shape[3]), int)
        for n, c in np.ndindex(*winner.shape):
            values = [x[n, h, w, c] for _, (h, w) in real]
            winner[n, c] = real[int(np.argmax(values))][0]
        found[output] = winner
    y = np.empty((len(x), *(n + 1 for n in max(found)), x.shape[3]), int)
    for (oh, ow), value in found.items():
        y[:, oh, ow] = value
    return y


def array(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * rng.normal(size=shape)
    return x.astype(dtype)


def few_values(shape, seed=0):
    """Draw values with many ties, infinities and NaN."""
    values = np.array([-np.inf, -np.inf, -1.0, 0.0, 0.0, 2.0, np.inf, np.nan])
    return np.random.default_rng(seed).choice(values, size=shape)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([array, few_values]))
def test_max_pool_is_the_loops(case, draw_values):
    shape, geometry = case
    x = draw_values(shape)
    expected = reduce_loops(x, lambda window: np.max(window, axis=0), geometry)
    np.testing.assert_array_equal(max_pool(x, **geometry), expected)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([array, few_values]))
def test_the_first_largest_element_wins(case, draw_values):
    shape, geometry = case
    x = draw_values(shape)
    y, winners = max_pool_with_winners(x, **geometry)
    np.testing.assert_array_equal(y, max_pool(x, **geometry))
    np.testing.assert_array_equal(winners, winners_loops(x, geometry))
    np.testing.assert_array_equal(winners, max_pool_winners(x, **geometry))
    np.testing.assert_array_equal(pool_gather(x, winners, **geometry), y)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([np.float64, np.complex128]))
def test_scatter_is_the_transpose_of_gather(case, dtype):
    shape, geometry = case
    winners = max_pool_winners(array(shape), **geometry)
    x, t = array(shape, dtype, seed=1), array(winners.shape, dtype, seed=2)
    x_bar = pool_scatter(t, winners, input_size=shape[1:3], **geometry)
    assert (x_bar.shape, x_bar.dtype) == (x.shape, x.dtype)
    form = np.sum(t * pool_gather(x, winners, **geometry))
    np.testing.assert_allclose(np.sum(x_bar * x), form, rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_avg_pool_is_the_loops(case):
    shape, geometry = case
    x = array(shape)
    expected = reduce_loops(x, lambda window: np.mean(window, axis=0), geometry)
    np.testing.assert_allclose(avg_pool(x, **geometry), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([np.float64, np.complex128]))
def test_avg_pool_input_is_the_transpose_of_avg_pool(case, dtype):
    shape, geometry = case
    x = array(shape, dtype)
    y = avg_pool(x, **geometry)
    t = array(y.shape, dtype, seed=1)
    x_bar = avg_pool_input(t, input_size=shape[1:3], **geometry)
    assert (x_bar.shape, x_bar.dtype) == (x.shape, x.dtype)
    np.testing.assert_allclose(np.sum(x_bar * x), np.sum(t * y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize(
    "geometry",
    [
        {"window": (2, 2), "stride": (2, 2), "padding": unpadded},
        {"window": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1))},
    ],
)
def test_dtypes(dtype, geometry):
    x = array((2, 6, 7, 3), dtype)
    tolerance = 10 * float(np.finfo(dtype).eps)
    y, winners = max_pool_with_winners(x, **geometry)
    mean = avg_pool(x, **geometry)
    t = array(y.shape, dtype, seed=1)
    size = {"input_size": (6, 7)}
    gathered = pool_gather(x, winners, **geometry)
    x_bar, mean_bar = pool_scatter(t, winners, **size, **geometry), avg_pool_input(t, **size, **geometry)
    assert {a.dtype for a in (y, mean, gathered, x_bar, mean_bar)} == {np.dtype(dtype)}
    np.testing.assert_array_equal(y, reduce_loops(x, lambda window: np.max(window, axis=0), geometry))
    np.testing.assert_array_equal(gathered, y)
    np.testing.assert_allclose(
        mean,
        reduce_loops(x, lambda window: np.mean(window, axis=0), geometry),
        rtol=tolerance,
        atol=tolerance,
    )
    np.testing.assert_allclose(np.sum(x_bar), np.sum(t), rtol=tolerance * 10, atol=tolerance * 10)
    np.testing.assert_allclose(np.sum(mean_bar), np.sum(t), rtol=tolerance * 10, atol=tolerance * 10)


def test_integers_pool():
    x = np.arange(-8, 8).reshape(1, 4, 4, 1).astype(np.int8)
    geometry = {"window": (2, 2), "stride": (2, 2), "padding": ((1, 1), (1, 1))}
    np.testing.assert_array_equal(max_pool(x, **geometry)[0, :, :, 0], [[-8, -6, -5], [0, 2, 3], [4, 6, 7]])
    mean = avg_pool(x, **geometry)
    assert mean.dtype == np.float64
    np.testing.assert_array_equal(mean[0, :, :, 0], [[-8, -6.5, -5], [-2, -0.5, 1], [4, 5.5, 7]])
    flags = x > 0
    np.testing.assert_array_equal(max_pool(flags, **geometry), max_pool(x, **geometry) > 0)


@pytest.mark.parametrize(("window", "dtype"), [((16, 16), np.uint8), ((16, 17), np.uint16)])
def test_winners_take_the_smallest_dtype(window, dtype):
    x = np.zeros((1, *window, 1))
    x[0, -1, -1] = 1
    winners = max_pool_winners(x, window=window, stride=(1, 1), padding=unpadded)
    assert winners.dtype == dtype
    assert winners.item() == window[0] * window[1] - 1


@pytest.mark.parametrize("padding", [unpadded, ((1, 0), (1, 0))])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_cotangents_that_are_not_finite_reach_the_winner_only(padding, stride):
    x = array((1, 4, 4, 1))
    geometry = {"window": (2, 2), "stride": stride, "padding": padding}
    winners = max_pool_winners(x, **geometry)
    t = np.zeros(winners.shape)
    t[0, 0, 0, 0], t[0, -1, -1, 0] = np.inf, np.nan
    x_bar = pool_scatter(t, winners, input_size=(4, 4), **geometry)
    assert np.isinf(x_bar).sum() == np.isnan(x_bar).sum() == 1


@pytest.mark.parametrize("stride", [(1, 2), (2, 2), (3, 3)])
@pytest.mark.parametrize("padding", [unpadded, ((1, 0), (0, 1))])
def test_operands_in_any_memory_order_stay_as_they_are(stride, padding):
    x = array((2, 7, 8, 4), np.float32)
    geometry = {"window": (2, 2), "stride": stride, "padding": padding}
    y, winners = max_pool_with_winners(x, **geometry)
    t = array(y.shape, np.float32, seed=1)

    def run(x, winners, t):
        size = {"input_size": (7, 8)}
        return (
            *max_pool_with_winners(x, **geometry),
            max_pool(x, **geometry),
            pool_gather(x, winners, **geometry),
            pool_scatter(t, winners, **size, **geometry),
            avg_pool(x, **geometry),
            avg_pool_input(t, **size, **geometry),
        )

    expected = run(x, winners, t)
    views = [np.asfortranarray(x), winners[::-1].copy()[::-1], np.repeat(t, 2, axis=3)[..., ::2]]
    copies = [a.copy() for a in views]
    for a in views:
        a.flags.writeable = False
    for result, value in zip(run(*views), expected):
        np.testing.assert_array_equal(result, value)
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not any(np.may_share_memory(result, a) for a in views)
    for view, copy in zip(views, copies):
        np.testing.assert_array_equal(view, copy)


def test_a_large_batch_is_its_images():
    geometry = {"window": (3, 2), "stride": (2, 2), "padding": ((1, 1), (0, 1))}
    x = array((5, 65, 65, 32))
    x[3, 10, 10, 0] = np.nan
    y, winners = max_pool_with_winners(x, **geometry)
    t, size = array(y.shape, seed=1), {"input_size": x.shape[1:3]}

    def run(images):
        return (
            *max_pool_with_winners(x[images], **geometry),
            max_pool(x[images], **geometry),
            pool_gather(x[images], winners[images], **geometry),
            pool_scatter(t[images], winners[images], **size, **geometry),
            avg_pool(x[images], **geometry),
            avg_pool_input(t[images], **size, **geometry),
        )

    for result, images in zip(run(slice(None)), zip(*(run([i]) for i in range(5)))):
        np.testing.assert_array_equal(result, np.concatenate(images))


@pytest.mark.parametrize("function", [max_pool, max_pool_winners, avg_pool])
@pytest.mark.parametrize(
    ("size", "padding"), [((4, 4), ((2, 0), (0, 0))), ((4, 4), ((0, 0), (0, 2))), ((4, 3), ((0, 0), (0, 3)))]
)
def test_a_window_wholly_in_the_padding_is_an_error(function, size, padding):
    with pytest.raises(ValueError, match=r"wholly in the padding; got windows of 2 that"):
        function(np.ones((1, *size, 1)), window=(2, 2), stride=(2, 2), padding=padding)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_pooling_is_pytorchs(case):
    torch = pytest.importorskip("torch")
    shape, geometry = case
    shape = (max(1, shape[0]), *shape[1:])
    # PyTorch pads symmetrically, by half of the window at most.
    padding = tuple(min(before, window // 2) for (before, _), window in zip(geometry["padding"], geometry["window"]))
    geometry = geometry | {"padding": tuple((p, p) for p in padding)}
    keywords = {"kernel_size": geometry["window"], "stride": geometry["stride"], "padding": padding}
    x = array(shape)
    for function in ("max", "avg"):
        torch_x = torch.from_numpy(x).requires_grad_()
        images = torch_x.permute(0, 3, 1, 2)
        if function == "max":
            torch_y = torch.nn.functional.max_pool2d(images, **keywords)
            y, winners = max_pool_with_winners(x, **geometry)
        else:
            torch_y = torch.nn.functional.avg_pool2d(images, **keywords, count_include_pad=False)
            y = avg_pool(x, **geometry)
        torch_y = torch_y.permute(0, 2, 3, 1)
        t = array(y.shape, seed=1)
        torch_y.backward(torch.from_numpy(t))
        size = {"input_size": shape[1:3]}
        x_bar = (
            pool_scatter(t, winners, **size, **geometry) if function == "max" else avg_pool_input(t, **size, **geometry)
        )
        np.testing.assert_allclose(y, torch_y.detach().numpy(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(x_bar, torch_x.grad.numpy(), rtol=1e-12, atol=1e-12)
