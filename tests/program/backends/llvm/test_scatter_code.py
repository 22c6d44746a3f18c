"""Sums of pieces at places in machine code: NumPy's, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tests.program.backends.test_llvm import compiled
from tests.program.fusion.test_stretches import stretches_of

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)


def assert_equal_bits(f: Any, *args: Array) -> Any:
    """What LLVM compiled gives what the function does, to the last bit; returns it."""
    made: Any = tn.compile(f, backend="llvm")
    expected = f(*args)
    for _ in range(3):
        np.testing.assert_array_equal(made(*args), expected)
    assert made.programs
    return made


def numbers(shape: tuple[int, ...], char: str) -> Array:
    return (RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if char in "FD" else 0)).astype(char)


@settings(max_examples=18)
@given(data=st.data())
def test_sums_at_places(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    out = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    char = data.draw(st.sampled_from("fdFD"))
    kind = data.draw(st.sampled_from([np.int32, np.int64]))
    index: list[Any] = []
    for length in shape:
        own = tuple(n if data.draw(st.booleans()) else 1 for n in out)
        index.append(RNG.integers(-length, length, own).astype(kind))
    fixed = data.draw(st.integers(0, len(shape) - 1)) if len(shape) > 1 and data.draw(st.booleans()) else -1
    places = [part for i, part in enumerate(index) if i != fixed]

    def whole(places: Any) -> tuple[Any, ...]:
        remaining = iter(places)
        return tuple(-1 if i == fixed else next(remaining) for i in range(len(shape)))

    def f(x: Array, y: Array, *places: Array) -> Array:
        x = tn.at(x)[whole(places)].add(y * 0.5)
        return tn.at(x)[whole(places[::-1])].subtract(y) if fixed < 0 and len({*shape}) == 1 else x

    read = np.zeros(shape)[whole(places)].shape
    x = numbers(shape, char)
    y = numbers(tuple(n if data.draw(st.booleans()) else 1 for n in read), char)
    assert len(stretches_of(f, x, y, *places)) >= 1
    made = assert_equal_bits(f, x, y, *places)
    axis = data.draw(st.integers(0, len(places) - 1))
    length = [n for i, n in enumerate(shape) if i != fixed][axis]
    wrong = [part.copy() for part in places]
    wrong[axis].flat[data.draw(st.integers(0, wrong[axis].size - 1))] = data.draw(
        st.sampled_from([length, -length - 1, 2**31 - 1, -(2**31)])
    )
    for call in (f, made):
        with pytest.raises(IndexError, match="out of bounds"):
            call(x, y, *wrong)


@settings(max_examples=12)
@given(data=st.data())
def test_pieces_of_indices_and_slices(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))
    count, char = data.draw(st.integers(1, 30)), data.draw(st.sampled_from("fdFD"))
    start, step = data.draw(st.integers(-3, 3)), data.draw(st.sampled_from([-2, -1, 1, 3]))
    i, j = RNG.integers(-rows, rows, count), RNG.integers(-columns, columns, (3, 1))

    def parts(x: Array, i: Array, j: Array) -> Any:
        return x[i, j], x[start::step], x[j % rows, i % columns], x[:, -1], x[..., None, ::2], x[1, i % columns]

    x = numbers((rows, columns), char)
    weights = [numbers(part.shape, char) for part in parts(x, i, j)]

    def f(x: Array, i: Array, j: Array) -> Array:
        return tnp.real(sum(tnp.sum(part * w) for part, w in zip(parts(x, i, j), weights, strict=True)))

    assert len(stretches_of(tn.grad(f), x, i, j)) >= 1
    assert_equal_bits(tn.grad(f), x, i, j)


READ: list[Any] = [
    lambda x, i, j: x[i],
    lambda x, i, j: x[:, i],
    lambda x, i, j: x[..., i],
    lambda x, i, j: x[i, j],
    lambda x, i, j: x[i, :, j],
    lambda x, i, j: x[i[:, None], j, 1:],
    lambda x, i, j: x[None, i, ::-1],
    lambda x, i, j: x[::-2, i, -1],
    lambda x, i, j: x[-1, ..., i],
    lambda x, i, j: x[2, i][None, ..., 1:3],
]


@settings(max_examples=16)
@given(data=st.data())
def test_sums_of_rows(data: st.DataObject) -> None:
    length, width = data.draw(st.integers(3, 5)), data.draw(st.sampled_from([3, 7, 8, 16, 37]))
    char, count = data.draw(st.sampled_from("fdFD")), data.draw(st.integers(0, 6))
    i, j = (RNG.integers(-3, 3, count).astype(data.draw(st.sampled_from([np.int32, np.int64]))) for _ in range(2))
    read = data.draw(st.sampled_from(READ))
    x = numbers((length, 4, width), char)
    weights = numbers(read(x, i, j).shape, char)
    f = lambda x, i, j: tnp.real(tnp.sum(read(x, i, j) * weights))  # noqa: E731
    assert len(stretches_of(tn.grad(f), x, i, j)) >= (count > 0)
    made = assert_equal_bits(tn.grad(f), x, i, j)
    if count:
        wrong = i.copy()
        wrong[-1] = data.draw(st.sampled_from([99, -99]))
        with pytest.raises(IndexError, match="out of bounds"):
            made(x, wrong, j)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_of_an_interpolation_is_one_call(dtype: Any) -> None:
    from tests.program.backends.llvm.test_elements import bilinear

    f = lambda *args: tnp.mean(bilinear(*args) ** 2)  # noqa: E731
    field, y, x = ((RNG.normal(size=(9, 7)) * 30).astype(dtype) for _ in range(3))
    assert len(stretches_of(tn.value_and_grad(f, (0, 1, 2)), field, y, x)) == 1
    compiled(tn.value_and_grad(f, (0, 1, 2)), (field, y, x), scale=2**6, floor=1.0)
    compiled(tn.hvp(lambda y: f(field, y, x)), (y, x), scale=2**6, floor=1.0)
    compiled(tn.vmap(tn.grad(f), (None, 0, 0)), (field, np.stack([y, x]), np.stack([x, y])), scale=2**6, floor=1.0)


def test_other_sums_at_places_are_numpys() -> None:
    x, i = RNG.normal(size=(6, 5)), np.array([1, -2, 0, 1])
    f = lambda x, i: sum(tnp.sum(part**2) for part in (x[i], x[:, i], x[i, 1:3], x[i[:, None], i], x[2, 3], x[x > 0]))  # noqa: E731
    compiled(tn.grad(f), (x, i), (-x, i))
    compiled(lambda x, i: tn.at(x)[i].add(1.0) * 2, (x, i), (x, np.zeros(0, int)))
    compiled(lambda x, i: tn.at(x)[i, i].add(np.float64(2)), (x, i.astype(np.int16)))
    compiled(lambda n, i: tn.at(n)[i].add(3), (np.arange(5), i))
    compiled(tn.grad(lambda x: tnp.sum(x[0] * x[1:, 2:][-1, 0])), (x,))


def test_a_number_that_nothing_needs_does_not_cut_a_stretch() -> None:
    def f(x: Array, w: Array, i: Array) -> Any:
        h = tnp.tanh(x @ w)
        total = tnp.prod(h)
        return total, tnp.sin(h[i, i]) @ w, total * 2

    args = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4)), np.array([0, 2, 1, 1])
    assert len(stretches_of(f, *args)) == 1
    compiled(f, args, scale=16)

    def g(x: Array, w: Array) -> Any:
        h = x @ w @ w @ w
        return tnp.tanh(h * tnp.prod(h)) @ w @ w @ w

    assert len(stretches_of(g, *args[:2])) == 2
    compiled(g, args[:2], scale=2**8)


def test_what_nothing_needs_is_left_out() -> None:
    x, i = RNG.normal(size=5), np.array([1, -2, 0, 1])

    def f(x: Array, i: Array) -> Array:
        _ = tn.at(x)[i].add(x[i])
        return x * 2

    assert [step.name for step in tn.compile(f).lower(x, i)] == ["multiply"]
    masked = tn.compile(lambda x, mask: (x[mask], x * 2)[1]).lower(x, x > 0)
    assert "gather" in [step.name for step in masked]  # whose shape is checked
