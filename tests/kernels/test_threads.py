"""Work shared among threads: every place once, errors and NumPy's settings as on one thread."""

import os
import threading

import numpy as np
import pytest

from tapenet.kernels import threads

LARGE = 10 * threads.WORTH_SHARING

count_threads = threads.thread_count.__wrapped__  # not the one that is cached


@pytest.fixture(autouse=True)
def _three_threads(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    threads._pool.cache_clear()
    yield
    threads._pool().shutdown()
    threads._pool.cache_clear()


@pytest.mark.parametrize(("count", "size", "parts"), [(10, LARGE, 3), (2, LARGE, 2), (10, 10, 1), (1, LARGE, 1)])
def test_slices_make_up_the_range(count, size, parts):
    found = []
    threads.share(found.append, count, size)
    assert len(found) == parts
    assert sorted(i for part in found for i in range(count)[part]) == list(range(count))


def test_nothing_is_done_of_nothing():
    threads.share(lambda part: pytest.fail("called"), 0, LARGE)


def test_a_share_is_not_shared_again():
    inner = []

    def work(part):
        threads.share(lambda part: inner.append(threading.get_ident()), 3, LARGE)

    threads.share(work, 3, LARGE)
    assert len(inner) == 3


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_share_is_raised_once_all_are_done(failing):
    done = []

    def work(part):
        if part.start == failing:
            raise KeyError(part.start)
        done.append(part.start)

    with pytest.raises(KeyError, match=str(failing)):
        threads.share(work, 3, LARGE)
    assert sorted(done) == [i for i in range(3) if i != failing]


def test_numpys_error_settings_hold_in_all_threads():
    x = np.zeros(3)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.share(lambda part: 1 / x[part] if part.start else None, 3, LARGE)
    with np.errstate(divide="ignore"):
        threads.share(lambda part: 1 / x[part], 3, LARGE)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TAPENET_NUM_THREADS": "5", "OMP_NUM_THREADS": "2"}, 5),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OPENBLAS_NUM_THREADS": "7"}, 7),
        ({"OMP_NUM_THREADS": "0", "OPENBLAS_NUM_THREADS": "many"}, None),
        ({}, None),
    ],
)
def test_the_thread_count_follows_the_environment(environment, expected, monkeypatch):
    for name in ("TAPENET_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert count_threads() == (expected or here)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_threads_of_its_own():
    threads.share(lambda part: None, 3, LARGE)
    child = os.fork()
    if child == 0:
        found = []
        threads.share(found.append, 3, LARGE)
        os._exit(len(found) != 3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
