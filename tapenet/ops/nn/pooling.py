"""Pooling of images, channels last. Geometry comes normalized: pairs, and for padding pairs of pairs."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from typing import Any

from tapenet.core.batch_rules import into_images
from tapenet.core.families import general, linear
from tapenet.core.primitive import Array
from tapenet.kernels import pooling as kernels

Pair = tuple[int, int]


@general(
    [lambda t, residual, x_shape, **geometry: pool_scatter(t, residual, input_size=x_shape[1:3], **geometry)],
    [lambda t, residual, **geometry: pool_gather(t, residual, **geometry)],
    name="max_pool",
    with_residual=kernels.max_pool_with_winners,  # both in the time of the winners alone
    batch=into_images(0),
)
def max_pool(x: Array, **geometry: Any) -> Array:
    """Find the largest element of each window; the first winner takes the whole cotangent."""
    return kernels.max_pool(x, **geometry)


@linear(
    lambda t, winners, x_shape, **geometry: pool_scatter(t, winners, input_size=x_shape[1:3], **geometry),
    None,
    name="pool_gather",
    batch=into_images(0, 1),
)
def pool_gather(x: Array, winners: Array, **geometry: Any) -> Array:
    """Read from each window the element that won elsewhere: `max_pool` with the winners fixed."""
    return kernels.pool_gather(x, winners, **geometry)


@linear(
    lambda t, winners, input_size, **geometry: pool_gather(t, winners, **geometry),
    None,
    name="pool_scatter",
    batch=into_images(0, 1),
)
def pool_scatter(y_bar: Array, winners: Array, *, input_size: Pair, **geometry: Any) -> Array:
    """Apply the transpose of `pool_gather`: add each cotangent into zeros at its winner."""
    return kernels.pool_scatter(y_bar, winners, input_size=input_size, **geometry)


@linear(
    lambda t, x_shape, **geometry: avg_pool_input(t, input_size=x_shape[1:3], **geometry),
    name="avg_pool",
    batch=into_images(0),
)
def avg_pool(x: Array, **geometry: Any) -> Array:
    """Compute the mean of the elements of each window; padding is not counted."""
    return kernels.avg_pool(x, **geometry)


@linear(lambda t, input_size, **geometry: avg_pool(t, **geometry), name="avg_pool_input", batch=into_images(0))
def avg_pool_input(y_bar: Array, *, input_size: Pair, **geometry: Any) -> Array:
    """Apply the transpose of `avg_pool`."""
    return kernels.avg_pool_input(y_bar, input_size=input_size, **geometry)
