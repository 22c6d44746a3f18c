"""Arrays are rows where they fit, and are in memory of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels.memory import empty
from tapenet.kernels.rows import rows_of

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.usefixtures("llvm_backend")


def arrays(*shapes: tuple[int, ...], width: int = 3, dtype: Any = np.float32) -> list[Any]:
    return [np.ones(shape, dtype) for shape in shapes for _ in range(width)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_sizes_are_those_of_rows(width: int, dtype: Any) -> None:
    shapes = [(3, 5), (), (0, 4), (7,), (1, 2, 3, 4)]
    given = tuple(arrays(*shapes, width=width, dtype=dtype))
    rows = rows_of(given, width)
    assert rows is not None
    assert rows.arrays is given
    assert list(rows.sizes) == [15, 1, 0, 7, 24]
    assert (rows.total, rows.dtype, rows.is_own) == (47, dtype, True)


@pytest.mark.parametrize(
    "other",
    [
        np.ones((3, 4), np.float32),
        np.ones((5, 3), np.float32),
        np.ones(15, np.float32),
        np.ones((3, 5, 1), np.float32),
        np.ones((3, 5)),
        np.ones((3, 5), np.float16),
        np.ones((3, 5), ">f4"),
        np.asfortranarray(np.ones((3, 5), np.float32)),
        np.ones((3, 10), np.float32)[:, ::2],
        np.frombuffer(bytes(61), np.uint8)[1:].view(np.float32).reshape(3, 5),
        np.float32(1.0),
        1.0,
        None,
        np.ma.ones((3, 5), np.float32),
        np.ones((3, 5), np.float32).view(type("Own", (np.ndarray,), {})),
    ],
)
@pytest.mark.parametrize("place", range(6))
def test_what_does_not_fit_is_not_a_row(other: Any, place: int) -> None:
    given = arrays((3, 5), (3, 5))
    given[place] = other
    assert rows_of(tuple(given), 3) is None


def test_nothing_is_not_rows() -> None:
    assert rows_of((), 3) is None


def test_there_are_none_without_machine_code() -> None:
    before = tn.use_backend("numpy")
    try:
        assert rows_of(tuple(arrays((3,))), 3) is None
    finally:
        tn.use_backend(before)


def test_memory_that_others_hold_is_not_own() -> None:
    whole = np.ones((2, 5), np.float32)
    frozen = np.ones(5, np.float32)
    frozen.flags.writeable = False
    for place, other, expected in [
        (0, whole[0], False),
        (1, whole[0], False),
        (2, np.frombuffer(bytearray(20), np.float32), False),
        (0, frozen, False),
        (1, frozen, True),
        (2, frozen, False),
        (0, empty((2**17,), np.float32), True),
    ]:
        given = arrays(other.shape)
        given[place] = other
        rows = rows_of(tuple(given), 3)
        assert rows is not None
        assert rows.is_own is expected
    given = arrays((5,), (5,))
    given[4] = given[0]
    rows = rows_of(tuple(given), 3)
    assert rows is not None
    assert not rows.is_own
