"""Memory that is used again: never while anything refers to it, and no more of it than is said."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

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
    return sum(end.block.size for ends in pool.free.values() for end in ends)


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
    assert not pool.last_requests


def test_own_memory():
    x = empty(SHAPE, np.float32)
    assert is_own(x)
    assert not is_own(x.T)
    assert not is_own(x[1:])
    assert not is_own(x.reshape(-1))
    assert not is_own(x.view(np.int32))
    assert x[1:].base is x
    assert is_own(np.ones(SHAPE))
    assert not is_own(np.ones(SHAPE)[:])
    assert not is_own(np.frombuffer(bytearray(8)))


def test_free_blocks_are_released_beyond_a_limit_longest_out_of_use_first(pool, monkeypatch):
    monkeypatch.setattr(memory, "IDLE_BYTES", 3 * LARGE)
    held = [empty((factor * LARGE,), np.uint8) for factor in (1, 2, 3)]
    assert kept(pool) == 0
    held.clear()
    assert kept(pool) == 6 * LARGE
    held.append(empty((2 * LARGE,), np.uint8))  # found
    assert kept(pool) == 4 * LARGE
    held.clear()
    held.append(empty((4 * LARGE,), np.uint8))  # made
    assert [size for size, ends in pool.free.items() if ends] == [2 * LARGE]


def test_blocks_in_use_are_never_released(pool, monkeypatch):
    monkeypatch.setattr(memory, "IDLE_BYTES", 0)
    held = [empty((LARGE,), np.uint8) for _ in range(3)]
    for mark, x in enumerate(held):
        x.fill(mark)
    empty((2 * LARGE,), np.uint8)
    tn.empty_cache()
    assert kept(pool) == 0
    assert [np.unique(x).tolist() for x in held] == [[0], [1], [2]]
    assert len({address(x) for x in held}) == 3


def test_a_request_takes_as_many_steps_however_many_arrays_are_alive(monkeypatch):
    """Counted, not timed: no block is looked at but the one that is given."""
    looked_at = []

    class Counting(memory.deque):
        def __getattribute__(self, name):
            looked_at.append(name)
            return super().__getattribute__(name)

        def __iter__(self):
            looked_at.extend(["step"] * len(self))
            return super().__iter__()

    monkeypatch.setattr(memory, "deque", Counting)
    counts = []
    for live in (10, 200):
        held = [empty((LARGE,), np.uint8) for _ in range(live)]
        held.pop()
        looked_at.clear()
        held.append(empty((LARGE,), np.uint8))
        counts.append(len(looked_at))
        del held
        tn.empty_cache()
    assert counts[0] == counts[1]


def test_sizes_of_blocks_are_few_and_little_larger():
    sizes = {size: memory._rounded(size) for size in range(LARGE, 64 * LARGE, 1001)}
    assert all(size <= rounded <= 1.13 * size for size, rounded in sizes.items())
    assert len(set(sizes.values())) <= 6 * 8 + 1


def test_the_end_of_an_array_runs_no_code_that_a_signal_interrupts():
    x = empty(SHAPE, np.float32)
    called = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: called.append(event))
    try:
        del x
    finally:
        sys.setprofile(before)
    assert "call" not in called


def test_arrays_are_those_of_numpy():
    x = empty(SHAPE, np.float32)
    assert type(x) is np.ndarray
    assert x.dtype is np.dtype(np.float32)
    x[...] = 3
    assert pickle.loads(pickle.dumps(x)).sum() == x.sum()
    assert copy.deepcopy(x).base is None
    with pytest.raises(ValueError, match="does not own its data"):  # as the docs say
        x.resize((3, 4))


def test_a_system_that_maps_no_memory_does_without(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(memory.mmap, "mmap", fail)
    x = empty(SHAPE, np.float32)
    x.fill(2)
    assert x.sum() == 2 * x.size


RESIDENT = """
import os
import numpy as np
import tapenet as tn

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

x = np.ones((8, 64, 64, 64), np.float32)
tn.nn.relu(x)
before = resident()
ys = [tn.nn.relu(x) for _ in range(20)]
used = resident() - before
del ys
kept = resident() - before
tn.empty_cache()
print(used > 140, kept > 140, resident() - before < 10)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_an_emptied_cache_is_the_systems_again():
    command = [sys.executable, "-c", RESIDENT]
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert found.stdout.split() == ["True", "True", "True"]


FORK = """
import os
import numpy as np
from tapenet.kernels.memory import LARGE, empty

x = empty((LARGE,), np.uint8)
x.fill(1)
free = empty((LARGE,), np.uint8)
free.fill(2)
where = free.__array_interface__["data"][0]
del free
child = os.fork()
if child == 0:
    y = empty((LARGE,), np.uint8)
    y.fill(3)
    x.fill(4)
    os._exit(y.__array_interface__["data"][0] != where)
assert os.waitpid(child, 0)[1] == 0
z = empty((LARGE,), np.uint8)
print(set(x.tolist()), set(z.tolist()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
def test_a_forked_child_writes_to_memory_of_its_own():
    command = [sys.executable, "-c", FORK]
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert found.stdout == "{1} {2}\n"


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
    for mine, copied, other in zip(first, copies, second, strict=True):
        np.testing.assert_array_equal(mine, copied)
        assert not np.shares_memory(mine, other)


def test_nothing_is_kept_free_where_memory_is_spared():
    memory.empty_cache()
    sizes = [2**20, 2**21, 3 * 2**20, 2**22]
    with memory.sparing():
        for size in sizes:
            kept = memory.empty((size,), np.uint8)
            del kept
            assert memory.cached_bytes() <= max(sizes)
    assert memory.cached_bytes() == 0
    kept = [memory.empty((size,), np.uint8) for size in sizes]
    kept.clear()
    assert memory.cached_bytes() >= sum(sizes)


# ---- where an array begins ----


@pytest.mark.parametrize("knows_layout", [True, False])
@pytest.mark.parametrize(
    "x",
    [
        np.arange(6.0),
        np.arange(6.0)[2:],
        np.arange(6.0)[::-1],
        np.arange(6.0).reshape(2, 3).T[1:],
        np.broadcast_to(np.arange(3.0), (2, 3)),
        np.empty((0, 3)),
        np.float32(1.0)[...],
        np.ma.masked_array(np.arange(3.0)),
    ],
    ids=str,
)
def test_an_array_begins_where_its_interface_says(x, knows_layout, monkeypatch):
    monkeypatch.setattr(memory, "_HAS_KNOWN_LAYOUT", knows_layout)
    assert memory.address(x) == address(x)
