"""scipy.ndimage on a tape: every mode and order, exact transposes, closed forms, and what is refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.ndimage

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import ndimage

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap")
IMAGE = np.sin(1.0 + np.arange(20.0) ** 2).reshape(5, 4)
# Inside, at the ends, between the ends and the next period, and several periods away.
PLACES = np.stack(
    np.meshgrid([-14.2, -5.3, -0.5, 0.0, 1.7, 3.9, 4.0, 4.5, 9.1, 17.6], [-9.4, -1.0, 0.4, 3.0, 3.7, 12.2])
)


def on_tape(call: Callable[..., Any], x: Any) -> Any:
    with tn.GradientTape() as tape:
        return call(ndimage, tape.watch(x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", range(6))
def test_values_at_all_places_are_those_of_scipy(mode: str, order: int) -> None:
    calls = [
        lambda xp, x: xp.map_coordinates(x, PLACES, order=order, mode=mode, cval=0.7),
        lambda xp, x: xp.map_coordinates(x[:1, :2], PLACES, order=order, mode=mode, cval=0.7),
        lambda xp, x: xp.map_coordinates(x, PLACES, order=order, mode=mode, prefilter=False),
        lambda xp, x: xp.shift(x, [1.3, -0.6], order=order, mode=mode, cval=0.7),
        lambda xp, x: xp.rotate(x, 33.0, order=order, mode=mode, cval=0.7),
        lambda xp, x: xp.zoom(x, [1.7, 0.6], order=order, mode=mode, cval=0.7),
        lambda xp, x: xp.zoom(x, [0.8, 1.0], order=order, mode=mode, cval=0.7, grid_mode=True),
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="It is recommended")
        for call in calls:
            found, expected = on_tape(call, IMAGE), call(scipy.ndimage, IMAGE)
            np.testing.assert_allclose(found.value, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_the_transpose_of_a_prefilter_is_exact_at_every_length(mode: str, order: int) -> None:
    for n in (1, 2, 3, 5, 31, 32, 40):
        x, t = np.sin(np.arange(float(n))), np.cos(2 + np.arange(float(n)))
        pulled = tn.grad(lambda x, t=t: tnp.sum(t * ndimage.spline_filter1d(x, order, mode=mode)))(x)
        expected = t @ scipy.ndimage.spline_filter1d(np.eye(n), order, 0, mode=mode)
        np.testing.assert_allclose(pulled, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_windows_at_odd_and_even_sizes_and_origins_are_those_of_scipy(mode: str) -> None:
    for size, origin in (((3, 3), 0), ((2, 4), (-1, 1)), ((7, 9), 0)):
        weights = np.cos(np.arange(float(np.prod(size)))).reshape(size)
        for name in ("convolve", "correlate"):
            call = lambda xp, x, name=name, w=weights, o=origin: getattr(xp, name)(x, w, mode=mode, cval=0.7, origin=o)  # noqa: E731
            np.testing.assert_allclose(on_tape(call, IMAGE).value, call(scipy.ndimage, IMAGE), rtol=1e-12, atol=1e-12)
        for name in ("maximum_filter", "minimum_filter", "median_filter"):
            call = lambda xp, x, name=name, s=size, o=origin: getattr(xp, name)(x, s, mode=mode, cval=0.7, origin=o)  # noqa: E731
            np.testing.assert_array_equal(on_tape(call, IMAGE).value, call(scipy.ndimage, IMAGE))


def test_axes_are_those_of_scipy() -> None:
    x = np.sin(np.arange(60.0) ** 2).reshape(5, 4, 3).astype(np.float32)
    weights = np.arange(9.0).reshape(3, 3) - 3.0
    calls: list[Callable[..., Any]] = [
        lambda xp, x: xp.gaussian_filter(x, [1.0, 2.0], axes=(0, 2), radius=2),
        lambda xp, x: xp.maximum_filter(x, 2, axes=(0, 2)),
        lambda xp, x: xp.uniform_filter(x, [2, 3], axes=(2, 0)),
        lambda xp, x: xp.rotate(x, 20.0, axes=(0, 2)),
        lambda xp, x: xp.gaussian_laplace(x, 1.0),
        lambda xp, x: xp.prewitt(x, 0),
        lambda xp, x: xp.affine_transform(x, weights[:, :2] / 9, 0.1, (3, 2), mode="mirror"),
        lambda xp, x: xp.sobel(x, 1, output=np.float64),
    ]
    for call in calls:
        found, expected = on_tape(call, x), call(scipy.ndimage, x)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.value, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", [0, 1, 3])
def test_places_that_are_nan_have_scipys_values(mode: str, order: int) -> None:
    def call(xp: Any, x: Any) -> Any:
        return xp.map_coordinates(x, [[np.nan, 1.2]], order=order, mode=mode, cval=0.7)

    row = np.arange(1.0, 6.0)
    np.testing.assert_allclose(on_tape(call, row).value, call(scipy.ndimage, row))


# ---- closed forms ----


def test_a_cubic_spline_of_a_line_has_the_slope_of_the_line() -> None:
    ramp = np.add.outer(2.0 * np.arange(20.0), 3.0 * np.arange(20.0))
    slope = tn.grad(lambda at: ndimage.map_coordinates(ramp, at)[0])(np.array([[9.3], [10.8]]))
    np.testing.assert_allclose(slope, [[2.0], [3.0]], rtol=1e-4)
    by_shift = tn.jacobian(lambda s: ndimage.shift(ramp, s)[10, 10])(np.array([0.2, 0.3]))
    np.testing.assert_allclose(by_shift, [-2.0, -3.0], rtol=1e-4)


def test_the_gradient_of_a_sum_of_smoothed_pixels_is_the_smoothed_mask() -> None:
    mask = np.eye(5, 4)
    gradient = tn.grad(lambda x: tnp.sum(mask * ndimage.gaussian_filter(x, 1.0, mode="wrap")))(IMAGE)
    np.testing.assert_allclose(gradient, scipy.ndimage.gaussian_filter(mask, 1.0, mode="wrap"), rtol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_small_weights_and_cotangents_are_not_taken_for_zero(scale: float) -> None:
    weights = np.array([[1.0, 2.0, 4.0], [3.0, -1.0, 0.5]])
    found = tn.jvp(lambda w: ndimage.convolve(IMAGE, w), [weights], [scale * weights])[1]
    np.testing.assert_allclose(found, scale * scipy.ndimage.convolve(IMAGE, weights), rtol=1e-13)
    along = tn.jvp(lambda w: ndimage.convolve1d(IMAGE, w), [weights[0]], [scale * weights[0]])[1]
    np.testing.assert_allclose(along, scale * scipy.ndimage.convolve1d(IMAGE, weights[0]), rtol=1e-13)
    gradient = tn.grad(lambda w: scale * tnp.sum(ndimage.convolve(IMAGE, w) * IMAGE))(weights)
    expected = tn.grad(lambda w: tnp.sum(ndimage.convolve(IMAGE, w) * IMAGE))(weights)
    np.testing.assert_allclose(gradient, scale * expected, rtol=1e-12)


def test_the_angle_of_a_rotation_is_found_by_its_gradient() -> None:
    x, y = np.meshgrid(np.linspace(-2, 2, 31), np.linspace(-2, 2, 31))
    image = np.exp(-(x**2) - 6 * y**2)
    goal = scipy.ndimage.rotate(image, 20.0, reshape=False)
    angle = 10.0
    for _ in range(8):
        residual, slope = tn.jvp(lambda a: ndimage.rotate(image, a, reshape=False) - goal, [angle], [1.0])
        angle -= float(np.sum(residual * slope) / np.sum(slope * slope))
    np.testing.assert_allclose(angle, 20.0, atol=1e-6)


def test_standard_deviations_of_examples_may_have_different_radii() -> None:
    widths = np.array([0.4, 1.1, 2.0])
    found = tn.vmap(lambda s: ndimage.gaussian_filter1d(IMAGE, s, 0))(widths)
    np.testing.assert_allclose(found, [scipy.ndimage.gaussian_filter1d(IMAGE, s, 0) for s in widths], rtol=1e-12)


def test_the_fill_value_has_a_derivative() -> None:
    gradient = tn.grad(lambda c: tnp.sum(ndimage.shift(IMAGE, (2, 0), order=1, mode="constant", cval=c)))(0.5)
    assert gradient == 8.0  # two rows of four
    by_filter = tn.grad(
        lambda c: ndimage.correlate1d(np.ones(3), np.array([1.0, 2.0, 3.0]), mode="constant", cval=c)[0]
    )
    assert by_filter(0.0) == 1.0


# ---- refusals ----

REFUSALS = [
    (lambda x: ndimage.correlate(x, np.ones(3)), "filter weights array has incorrect shape"),
    (lambda x: ndimage.correlate1d(x, np.ones((2, 2))), "no filter weights given"),
    (lambda x: ndimage.correlate1d(x, np.ones(3), origin=2), "invalid origin"),
    (lambda x: ndimage.correlate1d(x, np.ones(3), mode="x"), "boundary mode not supported"),
    (lambda x: ndimage.gaussian_filter(x, [1.0, 2.0, 3.0]), "sequence argument must have length equal to input rank"),
    (lambda x: ndimage.gaussian_filter(x, 1.0, -1), "order must be non-negative"),
    (lambda x: ndimage.gaussian_filter(x, 1.0, radius=-1), "radius must be a nonnegative integer"),
    (lambda x: ndimage.uniform_filter(x, 0), "incorrect filter size"),
    (lambda x: ndimage.maximum_filter(x), "no footprint or filter size provided"),
    (lambda x: ndimage.maximum_filter(x, footprint=np.ones(3)), "footprint array has incorrect shape"),
    (lambda x: ndimage.rank_filter(x, 9, 3), "rank not within filter footprint size"),
    (lambda x: ndimage.percentile_filter(x, 120, 3), "invalid percentile"),
    (lambda x: ndimage.map_coordinates(x, np.ones((3, 2))), "invalid shape for coordinate array"),
    (lambda x: ndimage.map_coordinates(x, np.ones((2, 2)) * 1j), "Complex type not supported"),
    (lambda x: ndimage.map_coordinates(x, np.ones((2, 2)), order=6), "spline order not supported"),
    (lambda x: ndimage.map_coordinates(x, np.ones((2, 2)), mode="x"), "boundary mode not supported"),
    (lambda x: ndimage.spline_filter(x, 1), "spline order not supported"),
    (lambda x: ndimage.affine_transform(x, np.ones((3, 5))), "affine matrix has wrong number of rows"),
    (lambda x: ndimage.affine_transform(x, np.float64(1)), "no proper affine matrix provided"),
    (lambda x: ndimage.rotate(x[0], 3.0), "input array should be at least 2D"),
    (lambda x: ndimage.rotate(x, 3.0, (0, 1, 0)), "axes should contain exactly two values"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_what_scipy_refuses_is_refused_on_a_tape(call: Callable[..., Any], words: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.errors.ArgumentError, match=re.escape(words)) as caught:
        call(tape.watch(IMAGE))
    assert str(caught.value).startswith("ndimage.")


def test_what_a_tensor_cannot_be_says_what_to_write() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(IMAGE)
        calls: list[tuple[Callable[[], Any], str]] = [
            (lambda: ndimage.zoom(x, x[0, 0]), "x.value"),
            (lambda: ndimage.gaussian_filter(np.arange(9), x[0, 0]), "input.astype(float)"),
            (lambda: ndimage.sobel(x, output=np.zeros((5, 4))), "y = ndimage.sobel(...)"),
            (lambda: ndimage.label(x), "x.value"),  # type: ignore[attr-defined]  # by name
        ]
        for call, words in calls:
            with pytest.raises(tn.errors.ArgumentTypeError, match=re.escape(words)):
                call()
    with pytest.raises(tn.errors.MappedValueError, match="reshape=False"):
        tn.vmap(lambda a: ndimage.rotate(IMAGE, a))(np.array([10.0, 20.0]))


def test_images_without_pixels() -> None:
    for call in (
        lambda xp, x: xp.gaussian_filter(x, 1.0),
        lambda xp, x: xp.correlate(x, np.ones((3, 3))),
        lambda xp, x: xp.maximum_filter(x, 3),
    ):
        assert on_tape(call, np.zeros((0, 3))).shape == (0, 3)


def test_widths_that_are_not_finite_and_images_without_axes_are_refused() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((3, 3)))
        with pytest.raises(tn.errors.ArgumentError, match=r"ndimage\.gaussian_filter1d: sigma must be finite"):
            ndimage.gaussian_filter(x, np.inf)
        with pytest.raises(tn.errors.ArgumentError, match=r"ndimage\.laplace: input must have at least one axis"):
            ndimage.laplace(x[0, 0])
