"""Memory that is used again: never while anything refers to it, and no more of it than is said."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

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


@pytest.fixture
def tight(monkeypatch):
    """Map nothing beside what is in use at the same time."""
    monkeypatch.setattr(memory, "SLACK", 0)
    monkeypatch.setattr(memory, "SLACK_PART", 0)


def bytes_of(count):
    return empty((count * LARGE,), np.uint8)


def free_sizes(pool):
    return {size // LARGE: len(ends) for size, ends in pool.free.items() if ends}


def test_what_is_free_makes_room_for_others_longest_out_of_use_first(pool, tight):
    held = [bytes_of(count) for count in (1, 2, 5)]
    assert kept(pool) == 0
    held.clear()
    assert kept(pool) == 8 * LARGE
    held.append(bytes_of(2))  # found
    assert kept(pool) == 6 * LARGE
    held.append(bytes_of(6))  # made: the others together are smaller, or not side by side
    assert free_sizes(pool) == {}
    assert pool.mapped_bytes() == 8 * LARGE
    held.clear()
    for count in (3, 3, 3):
        held.append(bytes_of(count))
    assert pool.mapped_bytes() <= 9 * LARGE


def test_memory_is_mapped_anew_up_to_what_was_in_use_at_the_same_time(pool, tight):
    held = [bytes_of(8)]
    held.clear()
    tn.empty_cache()
    held = [bytes_of(3), bytes_of(5)]
    held.clear()
    bytes_of(4)  # not cut: there is room for it beside what is free, had `empty_cache` not been called
    assert pool.mapped_bytes() == 8 * LARGE


def test_little_is_mapped_beside_the_peak(pool):
    mebi = 2**20 // LARGE
    held = [bytes_of(mebi), bytes_of(2 * mebi)]
    held.clear()
    bytes_of(3 * mebi)
    assert pool.mapped_bytes() == 6 * 2**20  # few: 4 MiB more may be mapped
    held = [bytes_of(20 * mebi), bytes_of(44 * mebi)]
    held.clear()
    held = [bytes_of(21 * mebi), bytes_of(25 * mebi)]
    assert pool.mapped_bytes() <= 66 * 2**20  # a 32nd


def test_a_large_block_is_cut_and_whole_again(pool, tight):
    whole = bytes_of(4)
    where = address(whole)
    del whole
    parts = [bytes_of(1) for _ in range(4)]
    assert sorted(map(address, parts)) == [where + i * LARGE for i in range(4)]
    parts[1:3] = []
    middle = bytes_of(2)
    assert address(middle) == where + LARGE
    assert pool.mapped_bytes() == 4 * LARGE
    del parts, middle
    assert address(bytes_of(4)) == where
    assert free_sizes(pool) == {4: 1}


def test_the_best_fitting_block_is_cut(pool, tight):
    held = [bytes_of(count) for count in (3, 7, 4)]
    where = [address(x) for x in held]
    held.clear()
    assert address(bytes_of(2)) == where[0]
    held = [bytes_of(3), bytes_of(4)]
    assert [address(x) for x in held] == [where[0], where[2]]
    assert address(bytes_of(6)) == where[1]


def test_a_block_is_not_cut_for_much_less(pool, tight):
    where = address(bytes_of(9))
    other = bytes_of(1)
    assert address(other) != where
    assert pool.mapped_bytes() == LARGE  # the large one has made room


def test_a_peak_long_ago_counts_less(pool, tight, monkeypatch):
    monkeypatch.setattr(memory, "PEAK_LASTS", 5)
    bytes_of(16)
    for _ in range(10):
        bytes_of(1)
    held = [bytes_of(1), bytes_of(1)]
    assert pool.mapped_bytes() <= 8 * LARGE
    assert len(held) == 2


def test_blocks_in_use_are_never_released(pool, tight):
    held = [empty((LARGE,), np.uint8) for _ in range(3)]
    for mark, x in enumerate(held):
        x.fill(mark)
    empty((2 * LARGE,), np.uint8)
    tn.empty_cache()
    assert kept(pool) == 0
    assert [np.unique(x).tolist() for x in held] == [[0], [1], [2]]
    assert len({address(x) for x in held}) == 3


def test_a_part_that_is_released_leaves_the_others_as_they_are(pool, tight):
    whole = bytes_of(4)
    del whole
    held = [bytes_of(1) for _ in range(4)]
    for mark, x in enumerate(held):
        x.fill(mark + 1)
    held[1:3] = []
    tn.empty_cache()
    assert [np.unique(x).tolist() for x in held] == [[1], [4]]
    assert pool.mapped_bytes() == 2 * LARGE
    del x
    held.clear()
    tn.empty_cache()
    assert pool.mapped_bytes() == 0


class Marked:
    """Arrays in blocks, each filled with a mark of its own."""

    def __init__(self):
        self.held = {}
        self.marks = itertools.count(1)

    def make(self, size):
        x = empty((size,), np.uint8)
        mark = next(self.marks) % 256
        x.fill(mark)
        self.held[id(x)] = x, mark

    def drop(self, place):
        if self.held:
            del self.held[list(self.held)[place % len(self.held)]]

    def check(self, pool):
        """Assert that no two arrays share memory, with each other or with a free block, and that no byte is missed."""
        places = [(address(x), memory._rounded(x.size)) for x, _ in self.held.values()]
        places += [(end.block.address, end.block.size) for ends in pool.free.values() for end in ends]
        places.sort()
        assert all(start + size <= after for (start, size), (after, _) in itertools.pairwise(places))
        assert pool.mapped_bytes() - pool.free_bytes() == self.used()
        assert sum(size for _, size in places) == pool.mapped_bytes()
        assert all((x[:: memory.mmap.PAGESIZE] == mark).all() for x, mark in self.held.values())

    def used(self):
        return sum(memory._rounded(x.size) for x, _ in self.held.values())


STEPS = st.one_of(st.integers(LARGE, 12 * LARGE), st.integers(-20, -1), st.just(0))


@given(st.lists(STEPS, max_size=60), st.sampled_from([0, 2**22]))
def test_blocks_never_overlap_and_all_bytes_come_back(steps, slack):
    pool, marked = memory._Pool(), Marked()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_pool", pool)
        patch.setattr(memory, "SLACK", slack)
        peak = 0
        for step in steps:
            if step > 0:
                marked.make(step)
                peak = max(peak, marked.used())
                assert pool.mapped_bytes() <= max(peak * (1 + memory.SLACK_PART), min(peak + slack, memory.FEW))
            elif step < 0:
                marked.drop(-step)
            else:
                memory.empty_cache()
                assert pool.free_bytes() == 0
                peak = marked.used()
            marked.check(pool)
        marked.held.clear()
        memory.empty_cache()
        assert pool.mapped_bytes() == pool.free_bytes() == 0


class Interrupt(BaseException):
    pass


def interrupted_at(line, run):
    """Run, and raise at the given line of the pool's methods that is executed; return whether there were so many."""
    lines = itertools.count()

    def traced(frame, event, argument):
        if event == "line" and next(lines) == line:
            raise Interrupt
        return traced

    def called(frame, event, argument):
        is_pools = frame.f_code.co_filename == memory.__file__
        return traced if is_pools else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        run()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_no_two_arrays_in_one_place(pool, tight, monkeypatch):
    page = memory.mmap.PAGESIZE
    monkeypatch.setattr(memory, "LARGE", page)

    def scene():
        pool = memory._Pool()
        monkeypatch.setattr(memory, "_pool", pool)
        marked = Marked()
        for size in (4, 6, 3, 3):
            marked.make(size * page)
        marked.drop(0)
        marked.drop(0)
        return pool, marked

    def run():
        for size in (2, 1, 4, 8):
            marked.make(size * page)
        marked.drop(2)
        marked.make(5 * page)
        memory.empty_cache()

    line, goes_on = 0, True
    while goes_on:
        pool, marked = scene()
        goes_on = interrupted_at(line, run)
        for size in (1, 2, 3, 2, 7):
            marked.make(size * page)
        assert all((x[::997] == mark).all() for x, mark in marked.held.values())
        marked.held.clear()
        memory.empty_cache()
        assert pool.mapped_bytes() == 0
        line += 1
    assert line > 200


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


@pytest.mark.parametrize("counts", [(2,), (1, 3, 2, 5, 4)], ids=["of one size", "cut and joined"])
def test_threads_never_get_the_same_block(counts, pool, tight):
    def work(mark):
        held = deque(maxlen=3)
        for i in range(50):
            x = bytes_of(counts[(i * i + mark) % len(counts)])
            x.fill(mark)
            held.append(x)
            found.append(max(np.unique(x[::97]).max() for x in held) - mark)

    found = []
    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert not np.any(found)
    tn.empty_cache()
    assert pool.mapped_bytes() == 0


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
