"""Layouts tell arrays apart by shape and dtype, and numbers by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels.layouts import MANY, Layout, are_whole
from tapenet.kernels.memory import empty

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.usefixtures("llvm_backend")


def objects(**changed: Any) -> list[Any]:
    """Many objects, of which some are changed by their places."""
    made = [np.zeros((3, 5)), np.zeros((), np.float32), 1.5, np.float32(2.0), 3, np.zeros((0, 2), np.int8), 1j]
    made += [np.zeros(4, np.complex64) for _ in range(MANY)]
    for place, x in changed.items():
        made[int(place[1:])] = x
    return made


def layout_of(given: list[Any]) -> Layout:
    found = Layout.of(given)
    assert found is not None
    return found


def test_other_objects_of_the_same_kinds_fit() -> None:
    layout = layout_of(objects())
    assert layout.fits(objects())
    assert layout.fits(objects(x2=-0.0, x3=np.float32(5.0), x4=7, x0=np.ones((6, 5))[:3]))
    assert layout.fits(objects(x7=np.ones(8, np.complex64)[::2]))


@pytest.mark.parametrize(
    "other",
    [
        {"x0": np.zeros((5, 3))},
        {"x0": np.zeros((5, 3)).T},
        {"x0": np.zeros(15)},
        {"x0": np.zeros((3, 5, 1))},
        {"x0": np.zeros((3, 5), np.float32)},
        {"x1": np.zeros(1, np.float32)},
        {"x1": np.float32(0.0)},
        {"x2": 1},
        {"x2": True},
        {"x2": None},
        {"x2": np.float64(1.5)},
        {"x3": np.float64(2.0)},
        {"x4": 3.0},
        {"x4": "3"},
        {"x5": np.zeros((2, 0), np.int8)},
        {"x5": np.zeros((0, 2), np.uint8)},
        {"x20": np.zeros(5, np.complex64)},
        {"x20": np.ma.zeros(4, np.complex64)},
    ],
)
def test_what_differs_does_not_fit(other: dict[str, Any]) -> None:
    assert not layout_of(objects()).fits(objects(**other))


def test_fewer_and_more_do_not_fit() -> None:
    layout = layout_of(objects())
    assert not layout.fits(objects()[:-1])
    assert not layout.fits([*objects(), 1.0])
    assert not layout.fits([])


@pytest.mark.parametrize(
    "other", [None, True, "x", np.ones((2, 3)).T, np.random.default_rng(0), np.ma.zeros(4), object()]
)
def test_what_more_than_its_class_matters_of_has_none(other: Any) -> None:
    assert Layout.of(objects(x2=other)) is None


def test_few_objects_have_none() -> None:
    assert Layout.of([1.0] * (MANY - 1)) is None
    assert Layout.of([1.0] * MANY) is not None


def test_there_are_none_without_machine_code() -> None:
    layout = layout_of(objects())
    before = tn.use_backend("numpy")
    try:
        assert Layout.of(objects()) is None
        assert not layout.fits(objects())
        assert not are_whole(objects())
    finally:
        tn.use_backend(before)


def test_arrays_are_whole_that_own_their_memory_and_may_be_written() -> None:
    assert are_whole(objects())
    assert are_whole(objects(x9=empty((2**17,), np.float32)))
    assert not are_whole(objects()[:1])
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for other in (
        np.ones(3)[:2],
        frozen,
        np.frombuffer(bytearray(8), np.uint8),
        np.ones(3).T.reshape(3, 1),
        np.ones((2, 3), order="F"),
    ):
        for place in (0, 9, MANY):
            assert not are_whole(objects(**{f"x{place}": other}))
