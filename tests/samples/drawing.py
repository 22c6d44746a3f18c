"""What samples are drawn of: arrays whose every element Hypothesis chooses by one byte, so that they shrink.

The simplest array of each kind has elements without order or ties, since most functions have derivatives there. One
byte away from that, elements may be equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

Array = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]

LEVELS = 256
SIMPLEST = np.random.default_rng(20260101).permutation(LEVELS)


def levels(draw: Draw, shape: Shape, start: int = 0) -> Array:
    """Integers from 0 to 255, one byte for each; of bytes that are all 0, those of `SIMPLEST` from `start` on."""
    size = math.prod(shape)
    drawn = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    return ((drawn + np.resize(np.roll(SIMPLEST, -start), size)) % LEVELS).reshape(shape)


def numbers(draw: Draw, shape: Shape, low: float = -2.0, high: float = 2.0, start: int = 0) -> Array:
    """Numbers within an interval, in steps of a 256th of it, half a step away from its ends and middle."""
    return low + (high - low) * ((levels(draw, shape, start) + 0.5) / LEVELS)


def integers(draw: Draw, shape: Shape, low: int, high: int) -> Array:
    """Integers from low, up to but without high."""
    return low + levels(draw, shape) % (high - low)


def complex_numbers(draw: Draw, shape: Shape) -> Array:
    """Numbers in the ring 0.5 <= |z| <= 1.5, off the axes, where branch cuts lie."""
    angle = numbers(draw, shape, 0.2, np.pi / 2 - 0.2) + integers(draw, shape, 0, 4) * (np.pi / 2)
    return np.asarray(numbers(draw, shape, 0.5, 1.5) * np.exp(1j * angle))


def gaussian(draw: Draw, shape: Shape, is_complex: bool = False) -> Array:
    """Numbers on both sides of 0, in both parts if complex."""
    x = numbers(draw, shape)
    return np.asarray(x + 1j * numbers(draw, shape, start=LEVELS // 2)) if is_complex else x


def off_grid(draw: Draw, shape: Shape, offset: float = 0.0) -> Array:
    """Numbers at least 0.1 away from multiples of 0.5, and from those with another offset."""
    return integers(draw, shape, -4, 4) * 0.5 + 0.15 + offset


def distinct(draw: Draw, shape: Shape) -> Array:
    """Multiples of 0.25, no two of them equal."""
    order = np.argsort(levels(draw, (math.prod(shape),)), kind="stable")
    return (order * 0.25 - 1.0).reshape(shape)


def mask(draw: Draw, shape: Shape, share: float) -> Array:
    """Booleans, of which about this share is true."""
    return levels(draw, shape) < share * LEVELS
