"""Augmentation of images: each image of a batch is changed at random, by a generator that is passed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tapenet.core.argument_checks import (
    checked_array,
    checked_choice,
    checked_number,
    checked_pair,
    checked_rng,
    shown,
)
from tapenet.errors import ArgumentError

Array = np.ndarray[Any, Any]
Window = int | tuple[int, int]
Axis = Literal["horizontal", "vertical"]


def random_shift(images: Array, rng: np.random.Generator, most: Window = 2, fill: float = 0.0) -> Array:
    """Move each image by whole pixels, up to `most` in each direction.

    Args:
        images: array, shape (N, H, W, C), of any dtype.
        rng: draws the shifts, uniformly.
        most: integer of at least 0, or a pair of them for rows and columns.
        fill: number that comes in at the edges.

    Returns:
        A new array of the shape and dtype of `images`.

    Raises:
        ArgumentError: another shape, or a number out of its range.
        ArgumentTypeError: an argument of another type.

    >>> random_shift(np.ones((1, 2, 2, 1)), np.random.default_rng(0), most=1)[0, :, :, 0]
    array([[1., 1.],
           [0., 0.]])
    """
    images = _checked_images("random_shift", images)
    checked_rng("random_shift", rng)
    rows, columns = checked_pair("random_shift", "most", most, 0)
    height, width = images.shape[1:3]
    padded = _padded(images, rows, columns, checked_number("random_shift", "fill", fill))
    return _windows(padded, rng, height, width)


def random_crop(images: Array, rng: np.random.Generator, size: Window, padding: Window = 0, fill: float = 0.0) -> Array:
    """Cut a window out of each image, at a random place.

    Args:
        images: array, shape (N, H, W, C), of any dtype.
        rng: draws the places, uniformly.
        size: integer of at least 1, or a pair of them: the height and width of a window.
        padding: integer of at least 0, or a pair of them: rows and columns that are added at each edge before.
        fill: number that they are filled with.

    Returns:
        A new array, shape (N, *size, C), of the dtype of `images`.

    Raises:
        ArgumentError: another shape, a window that is larger than the padded images, or a number out of its range.
        ArgumentTypeError: an argument of another type.

    >>> random_crop(np.ones((2, 4, 4, 3)), np.random.default_rng(0), size=3).shape
    (2, 3, 3, 3)
    """
    images = _checked_images("random_crop", images)
    checked_rng("random_crop", rng)
    height, width = checked_pair("random_crop", "size", size)
    rows, columns = checked_pair("random_crop", "padding", padding, 0)
    space = images.shape[1] + 2 * rows, images.shape[2] + 2 * columns
    if height > space[0] or width > space[1]:
        raise ArgumentError(f"random_crop: size must fit into the padded images, {space}; got {(height, width)}.")
    padded = _padded(images, rows, columns, checked_number("random_crop", "fill", fill))
    return _windows(padded, rng, height, width)


def random_flip(images: Array, rng: np.random.Generator, axis: Axis = "horizontal", rate: float = 0.5) -> Array:
    """Mirror some of the images.

    Args:
        images: array, shape (N, H, W, C), of any dtype.
        rng: draws which ones.
        axis: "horizontal" exchanges left and right, "vertical" top and bottom.
        rate: number in [0, 1], the probability for each image.

    Returns:
        A new array of the shape and dtype of `images`.

    Raises:
        ArgumentError: another shape or axis, or a number out of its range.
        ArgumentTypeError: an argument of another type.

    >>> random_flip(np.arange(3.0).reshape(1, 1, 3, 1), np.random.default_rng(0), rate=1.0).ravel()
    array([2., 1., 0.])
    """
    images = _checked_images("random_flip", images)
    checked_rng("random_flip", rng)
    checked_choice("random_flip", "axis", axis, ("horizontal", "vertical"))
    chosen = rng.random(len(images)) < checked_number("random_flip", "rate", rate, "[0, 1]")
    flipped = np.array(images)
    flipped[chosen] = images[chosen, :, ::-1] if axis == "horizontal" else images[chosen, ::-1]
    return flipped


def cutout(images: Array, rng: np.random.Generator, size: Window, fill: float = 0.0) -> Array:
    """Cover a rectangle of each image.

    Args:
        images: array, shape (N, H, W, C), of any dtype.
        rng: draws the centre of each rectangle, uniformly; parts of it may lie outside of the image.
        size: integer of at least 1, or a pair of them: its height and width.
        fill: number that it is filled with.

    Returns:
        A new array of the shape and dtype of `images`.

    Raises:
        ArgumentError: another shape, or a number out of its range.
        ArgumentTypeError: an argument of another type.

    Source: DeVries and Taylor, 2017, "Improved Regularization of Convolutional Neural Networks with Cutout",
    arXiv:1708.04552.

    >>> cutout(np.ones((1, 3, 3, 1)), np.random.default_rng(0), size=1).sum()
    np.float64(8.0)
    """
    images = np.array(_checked_images("cutout", images))
    checked_rng("cutout", rng)
    lengths = checked_pair("cutout", "size", size)
    fill = checked_number("cutout", "fill", fill)
    inside = []
    for extent, length in zip(images.shape[1:3], lengths, strict=True):
        start = rng.integers(0, max(extent, 1), size=(len(images), 1)) - length // 2
        places = np.arange(extent)
        inside.append((places >= start) & (places < start + length))
    images[inside[0][:, :, None] & inside[1][:, None, :]] = fill
    return images


def _checked_images(function: str, images: Any) -> Array:
    array = checked_array(function, "images", images)
    if not isinstance(array, np.ndarray) or array.ndim != 4:
        raise ArgumentError(f"{function}: images must have shape (N, H, W, C); got {shown(array)}.")
    return array


def _padded(images: Array, rows: int, columns: int, fill: float) -> Array:
    return np.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), constant_values=fill)


def _windows(padded: Array, rng: np.random.Generator, height: int, width: int) -> Array:
    """Take a window of each image, at random places."""
    count = len(padded)
    top = rng.integers(0, padded.shape[1] - height + 1, size=count)
    left = rng.integers(0, padded.shape[2] - width + 1, size=count)
    windows = sliding_window_view(padded, (height, width), axis=(1, 2))
    return np.ascontiguousarray(np.moveaxis(windows[np.arange(count), top, left], 1, -1))
