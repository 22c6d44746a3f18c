"""Memory that is used again: never while anything refers to it, and no more of it than is said."""

import threading

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import memory
from tapenet.kernels.memory import LARGE, empty, is_own, zeros

SHAPE = (LARGE // 4, 2)  # twice what is large, in single precision


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    pool = memory._Pool()
    monkeypatch.setattr(memory, "_pool", pool)
    return pool


def address(x):
    return x.__array_interface__["data"][0]


def kept(pool):
    return sum(block.nbytes for blocks in pool.blocks.values() for block in blocks)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "uint8", "bool"])
def test_what_nothing_refers_to_is_used_again(dtype):
    x = empty((LARGE, 3), dtype)
    before = address(x)
    assert (x.shape, x.dtype) == ((LARGE, 3), np.dtype(dtype))
    assert x.flags.c_contiguous
    assert x.flags.writeable
    del x
    assert address(empty((3, LARGE), dtype)) == before


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x,
        lambda x: x[3:5],
        lambda x: x[3:5].T[1:],
        lambda x: x.reshape(-1)[::7].view(np.int32),
        memoryview,
        lambda x: np.frombuffer(x[2:4]),
        lambda x: np.asarray(x).flat,
        lambda x: np.broadcast_to(x[0], (4, 2)),
        lambda x: np.ma.masked_array(x),
    ],
)
def test_what_something_refers_to_is_not(hold):
    x = empty(SHAPE, np.float32)
    before = address(x)
    held = hold(x)
    del x
    other = empty(SHAPE, np.float32)
    assert address(other) != before
    del held
    assert address(empty(SHAPE, np.float32)) == before


def test_zeros_are_zero_in_memory_used_before():
    x = empty(SHAPE, np.float32)
    x.fill(np.nan)
    before = address(x)
    del x
    again = zeros(SHAPE, np.float32)
    assert address(again) == before
    assert not again.any()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 4), np.float64), ((), np.float32), ((LARGE,), object), ((0, 5), int)]
)
def test_others_are_numpys_own(shape, dtype, pool):
    x = empty(shape, dtype)
    assert (x.shape, x.dtype) == (shape, np.dtype(dtype))
    assert x.base is None
    assert not pool.blocks


def test_own_memory():
    x = empty(SHAPE, np.float32)
    assert is_own(x)
    assert not is_own(x.T)
    assert not is_own(x[1:])
    view = x[:5]
    assert not is_own(x)
    del view
    assert is_own(x)
    assert is_own(np.ones(SHAPE))
    assert not is_own(np.ones(SHAPE)[:])
    assert not is_own(np.frombuffer(bytearray(8)))


def test_free_blocks_are_let_go_beyond_a_limit_longest_out_of_use_first(pool, monkeypatch):
    monkeypatch.setattr(memory, "IDLE_BYTES", 3 * LARGE)
    held = [empty((factor * LARGE,), np.uint8) for factor in (1, 2, 3)]
    assert kept(pool) == 6 * LARGE
    held.clear()
    empty((2 * LARGE,), np.uint8)  # found
    assert kept(pool) == 6 * LARGE
    empty((4 * LARGE,), np.uint8)  # made
    assert sorted(pool.blocks) == [2 * LARGE, 4 * LARGE]


def test_blocks_in_use_are_never_let_go(pool, monkeypatch):
    monkeypatch.setattr(memory, "IDLE_BYTES", 0)
    held = [empty((LARGE,), np.uint8) for _ in range(3)]
    empty((2 * LARGE,), np.uint8)
    assert kept(pool) == 5 * LARGE
    assert len({address(x) for x in held}) == 3


def test_threads_never_get_the_same_block():
    def work(mark):
        for _ in range(50):
            x = empty(SHAPE, np.float32)
            x.fill(mark)
            found.extend(np.unique(x[::97]) - mark)

    found = []
    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert not np.any(found)


def test_gradients_stay_as_they_are_while_others_are_computed(rng):
    x, kernel = rng.normal(size=(16, 16, 16, 16)), rng.normal(size=(3, 3, 16, 48))
    gradient = tn.grad(lambda x, kernel: (tn.nn.relu(tn.nn.conv(x, kernel)) ** 2).sum(), (0, 1))
    first = gradient(x, kernel)
    copies = [g.copy() for g in first]
    second = gradient(2 * x, kernel)
    assert all(is_own(g) for g in (*first, *second))
    for mine, copy, other in zip(first, copies, second, strict=True):
        np.testing.assert_array_equal(mine, copy)
        assert not np.shares_memory(mine, other)
