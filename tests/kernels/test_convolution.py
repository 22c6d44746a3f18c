"""Convolution kernels against loops over the padded input, against their defining form, against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet.kernels import convolution, direct, winograd
from tapenet.kernels.convolution import convolve, convolve_input, convolve_kernel
from tapenet.kernels.windows import lay

dtypes = [np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128, np.clongdouble]


choose_way = convolution._at_once
suits = winograd.suits


@pytest.fixture(autouse=True, params=["by_columns", "at_once", "by_places", "winograd", "direct"])
def _algorithm(request, monkeypatch):
    """Take one of the ways to multiply wherever it is possible, whatever the sizes."""
    if request.param != "direct":
        monkeypatch.setattr(direct, "direct_for", lambda *_: None)
    monkeypatch.setattr(direct, "FEWEST", 1)
    monkeypatch.setattr(direct, "CHUNK", 2**8)
    monkeypatch.setattr(convolution, "_at_once", lambda *_: request.param == "at_once")
    monkeypatch.setattr(convolution, "LARGE_KERNEL_SIZE", 0)
    monkeypatch.setattr(convolution, "FEW_PLACES", 10**6 if request.param == "by_places" else 0)
    monkeypatch.setattr(winograd, "suits", lambda shape, *_: request.param == "winograd" and shape[:2] == (3, 3))


@st.composite
def cases(draw):
    """Draw (shapes of x, kernel and t, geometry) with one output column and row at least."""
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    side = st.integers(0, 3)
    padding = draw(st.tuples(st.tuples(side, side), st.tuples(side, side)))
    reach = [(window[a] - 1) * dilation[a] + 1 for a in (0, 1)]
    size = tuple(max(1, reach[a] - sum(padding[a])) + draw(st.integers(0, 5)) for a in (0, 1))
    count = tuple((size[a] + sum(padding[a]) - reach[a]) // stride[a] + 1 for a in (0, 1))
    groups, inputs, outputs = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)))
    batch = draw(st.integers(0, 3))
    shapes = (
        (batch, *size, inputs * groups),
        (*window, inputs, outputs * groups),
        (batch, *count, outputs * groups),
    )
    return shapes, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def arrays(shapes, dtype, seed=0):
    rng = np.random.default_rng(seed)
    for shape in shapes:
        x = rng.normal(size=shape)
        if np.issubdtype(dtype, np.complexfloating):
            x = x + 1j * rng.normal(size=shape)
        yield x.astype(dtype)


def convolve_loops(x, kernel, *, stride, padding, dilation, groups):
    x = np.pad(x, ((0, 0), *padding, (0, 0)))
    reach = [(kernel.shape[a] - 1) * dilation[a] + 1 for a in (0, 1)]
    count = [(x.shape[a + 1] - reach[a]) // stride[a] + 1 for a in (0, 1)]
    inputs, outputs = kernel.shape[2], kernel.shape[3] // groups
    y = np.zeros((len(x), *count, kernel.shape[3]), np.result_type(x, kernel, np.float32))
    for oh, ow, i, j, o in np.ndindex(*count, *kernel.shape[:2], kernel.shape[3]):
        group = o // outputs
        place = x[:, oh * stride[0] + i * dilation[0], ow * stride[1] + j * dilation[1]]
        for c in range(inputs):
            y[:, oh, ow, o] += place[:, group * inputs + c] * kernel[i, j, c, o]
    return y


def run_all(x, kernel, t, geometry):
    return (
        convolve(x, kernel, **geometry),
        convolve_input(t, kernel, input_size=x.shape[1:3], **geometry),
        convolve_kernel(x, t, kernel_size=kernel.shape[:2], **geometry),
    )


@settings(max_examples=40, deadline=None)
@given(cases())
def test_convolve_is_the_loops(case):
    shapes, geometry = case
    x, kernel, _ = arrays(shapes, np.float64)
    y = convolve(x, kernel, **geometry)
    assert y.shape == shapes[2]
    np.testing.assert_allclose(y, convolve_loops(x, kernel, **geometry), rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([np.float64, np.complex128]))
def test_transposes_have_the_same_form(case, dtype):
    shapes, geometry = case
    x, kernel, t = arrays(shapes, dtype)
    y, x_bar, kernel_bar = run_all(x, kernel, t, geometry)
    assert (y.shape, x_bar.shape, kernel_bar.shape) == (t.shape, x.shape, kernel.shape)
    form = np.sum(t * y)
    np.testing.assert_allclose(np.sum(x_bar * x), form, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.sum(kernel_bar * kernel), form, rtol=1e-9, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(cases())
def test_transposes_are_the_loops_on_unit_vectors(case):
    (x_shape, kernel_shape, t_shape), geometry = case
    x, kernel, t = arrays((x_shape, kernel_shape, t_shape), np.float64)
    _, x_bar, kernel_bar = run_all(x, kernel, t, geometry)
    rng = np.random.default_rng(1)
    for _ in range(3):
        dx, dk = rng.integers(-2, 3, size=x_shape) * 1.0, rng.integers(-2, 3, size=kernel_shape) * 1.0
        expected = np.sum(t * convolve_loops(dx, kernel, **geometry))
        np.testing.assert_allclose(np.sum(x_bar * dx), expected, rtol=1e-9, atol=1e-9)
        expected = np.sum(t * convolve_loops(x, dk, **geometry))
        np.testing.assert_allclose(np.sum(kernel_bar * dk), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", dtypes)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_dtypes(dtype, groups, stride):
    geometry = {"stride": stride, "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": groups}
    x, kernel = arrays([(2, 6, 7, 4), (3, 2, 4 // groups, 8)], dtype)
    expected = convolve_loops(x, kernel, **geometry)
    (t,) = arrays([expected.shape], dtype, seed=1)
    tolerance = 20 * float(np.finfo(dtype).eps)
    y, x_bar, kernel_bar = run_all(x, kernel, t, geometry)
    assert {a.dtype for a in (y, x_bar, kernel_bar)} == {np.dtype(dtype)}
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * 10)
    exact = [a.astype(np.result_type(a, np.float64)) for a in (x, kernel, t)]
    for a, b in zip((x_bar, kernel_bar), run_all(*exact, geometry)[1:]):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * 10)


def test_mixed_dtypes_give_their_common_dtype():
    geometry = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    x, kernel, t = (
        np.ones((1, 3, 3, 1), np.float32),
        np.ones((2, 2, 1, 1)),
        np.ones((1, 2, 2, 1), np.complex64),
    )
    assert convolve(x, kernel, **geometry).dtype == np.float64
    assert convolve_input(t, kernel, input_size=(3, 3), **geometry).dtype == np.complex128
    assert convolve_kernel(x, t, kernel_size=(2, 2), **geometry).dtype == np.complex64


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("window", [(1, 1), (3, 2)])
def test_operands_in_any_memory_order_stay_as_they_are(groups, stride, window):
    geometry = {"stride": stride, "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": groups}
    x, kernel = arrays([(3, 7, 8, 6), (*window, 6 // groups, 12)], np.float32)
    (t,) = arrays([convolve(x, kernel, **geometry).shape], np.float32)
    expected = run_all(x, kernel, t, geometry)
    views = [np.asfortranarray(x), kernel[::-1, ::-1].copy()[::-1, ::-1], np.repeat(t, 2, axis=3)[..., ::2]]
    copies = [a.copy() for a in views]
    for a in views:
        a.flags.writeable = False
    results = run_all(*views, geometry)
    for result, value in zip(results, expected):
        np.testing.assert_allclose(result, value, rtol=1e-5, atol=1e-5)
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not any(np.may_share_memory(result, a) for a in views)
    for view, copy in zip(views, copies):
        np.testing.assert_array_equal(view, copy)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("outputs", [4, 64])
def test_a_batch_in_pieces_is_its_images(groups, outputs, monkeypatch):
    geometry = {"stride": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 1), "groups": groups}
    x, kernel = arrays([(5, 6, 7, 4), (3, 3, 4 // groups, outputs)], np.float64)
    (t,) = arrays([convolve(x, kernel, **geometry).shape], np.float64, seed=1)
    expected = run_all(x, kernel, t, geometry)
    monkeypatch.setattr(convolution, "STACK_SIZE", x[:2].nbytes * 3)
    monkeypatch.setattr(convolution, "DEPTHWISE_SIZE", x[:2].nbytes)
    for result, value in zip(run_all(x, kernel, t, geometry), expected):
        np.testing.assert_allclose(result, value, rtol=1e-12, atol=1e-12)
    images = [run_all(x[i : i + 1], kernel, t[i : i + 1], geometry) for i in range(5)]
    y, x_bar, kernel_bar = zip(*images)
    for result, value in zip([np.concatenate(y), np.concatenate(x_bar), sum(kernel_bar)], expected):
        np.testing.assert_allclose(result, value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("products", "kernel", "at_once"),
    [
        ((512, 8, 64), (5, 5, 32, 64), False),  # LeNet, a batch of 64
        ((8, 8, 64), (5, 5, 32, 64), True),  # fewer windows in a column than features
        ((24, 24, 8), (5, 5, 1, 8), True),  # little of everything
        ((512, 32, 64), (3, 1, 64, 64), True),  # nothing to gain from columns
    ],
)
def test_windows_are_multiplied_the_faster_way(products, kernel, at_once):
    columns = lay(products[1] + kernel[1] - 1, kernel[1], 1, (0, 0))
    x, k = np.empty(products, np.float32), np.empty(kernel, np.float32)
    assert choose_way(k, x, columns) == at_once


def test_winograd_is_taken_where_it_makes_fewer_multiplications_with_large_products():
    assert suits((3, 3, 64, 64), (16, 32, 32, 64), np.dtype(np.float32))
    assert suits((3, 3, 512, 512), (16, 4, 4, 512), np.dtype(np.float64))
    assert not suits((3, 3, 512, 512), (16, 2, 2, 512), np.dtype(np.float32))  # half of what windows see is padding
    assert not suits((3, 3, 512, 512), (1, 4, 4, 512), np.dtype(np.float32))  # transforming the kernel costs more
    assert not suits((3, 3, 3, 64), (16, 32, 32, 64), np.dtype(np.float32))
    assert not suits((5, 5, 64, 64), (16, 32, 32, 64), np.dtype(np.float32))
    assert not suits((3, 3, 64, 64), (16, 32, 32, 64), np.dtype(np.complex64))


def test_places_that_no_window_reads_have_no_gradient():
    geometry = {"stride": (3, 3), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    x_bar = convolve_input(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), input_size=(6, 7), **geometry)
    line = np.array([1, 1, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(x_bar[0, :, :, 0], np.outer(line[:6], line))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_reaches_only_the_windows_that_see_it(bad):
    geometry = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    x, kernel = np.zeros((1, 5, 5, 1)), np.ones((3, 3, 1, 1))
    x[0, 0, 3] = bad
    seen = np.zeros((5, 5), bool)
    seen[:2, 2:] = True
    y = convolve(x, kernel, **geometry)
    np.testing.assert_array_equal(y[0, :, :, 0], np.where(seen, bad, 0))
    x_bar = convolve_input(x, kernel, input_size=(5, 5), **geometry)
    np.testing.assert_array_equal(x_bar[0, :, :, 0], np.where(seen, bad, 0))
    kernel_bar = convolve_kernel(x, np.ones((1, 5, 5, 1)), kernel_size=(3, 3), **geometry)
    np.testing.assert_array_equal(kernel_bar[:, :, 0, 0], [[0, 0, 0], [bad] * 3, [bad] * 3][::-1])


def test_a_kernel_larger_than_the_input_is_an_error():
    with pytest.raises(ValueError, match=r"must fit into the padded input.*window 4.*size 3"):
        convolve(
            np.ones((1, 3, 3, 1)),
            np.ones((4, 1, 1, 1)),
            stride=(1, 1),
            padding=((0, 0), (0, 0)),
            dilation=(1, 1),
            groups=1,
        )


@settings(max_examples=30, deadline=None)
@given(cases())
def test_convolution_is_pytorchs(case):
    torch = pytest.importorskip("torch")
    shapes, geometry = case
    if shapes[0][0] == 0:
        shapes = tuple((1, *shape[1:]) if i != 1 else shape for i, shape in enumerate(shapes))
    x, kernel, t = arrays(shapes, np.float64)
    (top, bottom), (left, right) = geometry["padding"]
    torch_x = torch.from_numpy(x).requires_grad_()
    torch_kernel = torch.from_numpy(kernel).requires_grad_()
    torch_y = torch.nn.functional.conv2d(
        torch.nn.functional.pad(torch_x.permute(0, 3, 1, 2), (left, right, top, bottom)).contiguous(),
        torch_kernel.permute(3, 2, 0, 1).contiguous(),
        stride=geometry["stride"],
        dilation=geometry["dilation"],
        groups=geometry["groups"],
    ).permute(0, 2, 3, 1)
    torch_y.backward(torch.from_numpy(t))
    results = run_all(x, kernel, t, geometry)
    expected = [torch_y.detach().numpy(), torch_x.grad.numpy(), torch_kernel.grad.numpy()]
    for result, value in zip(results, expected):
        np.testing.assert_allclose(result, value, rtol=1e-10, atol=1e-10)
