"""Work shared among threads: every place once, errors and NumPy's settings as on one thread."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tapenet import kernels
from tapenet.kernels import blas, elementwise, memory, products, threads

LARGE = 10 * threads.WORTH_SHARING

share = threads._share
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


PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


@pytest.fixture
def placement(monkeypatch):
    placement = threads._Placement()
    monkeypatch.setattr(threads, "_placement", placement)
    return placement


def affinities(placement):
    return [os.sched_getaffinity(thread) for thread in placement.threads]


@pytest.mark.skipif(len(PROCESSORS) < 2, reason="needs two processors, and a system that places threads")
def test_threads_keep_off_the_processor_of_the_one_that_shares_its_work(placement, monkeypatch):
    for processor in (*PROCESSORS[:2], PROCESSORS[0]):
        monkeypatch.setattr(threads, "_processor", lambda processor=processor: processor)
        threads.share(lambda part: time.sleep(0.01), 3, LARGE)  # long enough that each part needs a thread
        assert len(placement.threads) == 2
        assert affinities(placement) == [{*PROCESSORS} - {processor}] * 2
    assert os.sched_getaffinity(0) == {*PROCESSORS}


@pytest.mark.skipif(not PROCESSORS, reason="a system that does not place threads")
@pytest.mark.parametrize("processor", [None, PROCESSORS[0] if len(PROCESSORS) == 1 else -1])
def test_threads_stay_where_nothing_is_known_or_left(placement, monkeypatch, processor):
    monkeypatch.setattr(threads, "_processor", lambda: processor)
    threads.share(lambda part: time.sleep(0.01), 3, LARGE)
    assert affinities(placement) == [{*PROCESSORS}] * 2


@pytest.mark.skipif(not PROCESSORS, reason="a system that does not place threads")
def test_threads_that_have_ended_and_systems_that_refuse_do_no_harm(placement, monkeypatch):
    def refuse(thread, processors):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    found = []
    threads.share(found.append, 3, LARGE)
    assert len(found) == 3


def test_without_a_way_to_place_threads(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert threads._find_processor()() is None


FORK = """
import os
from tapenet.kernels import threads

threads.thread_count = lambda: 3
threads.share(lambda part: None, 3, 10 * threads.WORTH_SHARING)
child = os.fork()
if child == 0:
    found = []
    threads.share(found.append, 3, 10 * threads.WORTH_SHARING)
    os._exit(len(found) != 3)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
def test_a_forked_child_makes_threads_of_its_own():
    # In a process of its own: other libraries' hooks warn of forks.
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60, cwd=Path(__file__).parents[2])


GEOMETRY = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}


def convolutions(channels, size, window):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, size, size, channels))
    kernel = rng.normal(size=(window, window, channels, channels))
    y = kernels.convolve(x, kernel, **GEOMETRY)
    t = rng.normal(size=y.shape)
    return (
        y,
        kernels.convolve_input(t, kernel, input_size=x.shape[1:3], **GEOMETRY),
        kernels.convolve_kernel(x, t, kernel_size=kernel.shape[:2], **GEOMETRY),
    )


def pools(size):
    x = np.random.default_rng(0).normal(size=(7, size, size, 3))
    y, winners = kernels.max_pool_with_winners(x, **POOL)
    return (
        y,
        winners,
        kernels.pool_gather(x, winners, **POOL),
        kernels.pool_scatter(y, winners, input_size=x.shape[1:3], **POOL),
        kernels.avg_pool(x, **POOL),
        kernels.avg_pool_input(y, input_size=x.shape[1:3], **POOL),
    )


def passes(rows):
    rng = np.random.default_rng(0)
    x, bias = rng.normal(size=(rows, 7)), rng.normal(size=7)
    return elementwise.relu(x), elementwise.where(x > 1, x, 0), elementwise.add_bias(x.copy(), bias)


@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(300, 40, 70), (70, 40, 300), (20, 512, 300), (1, 600, 600), (600, 600, 1)]
)
@pytest.mark.parametrize("order", ["C", "F", "reversed"])
@pytest.mark.parametrize("dtype", ["float32", "complex128", "int64"])
def test_a_product_in_parts_is_numpys(rows, inner, columns, order, dtype, monkeypatch, rng):
    monkeypatch.setattr(products, "WORTH_SHARING", 1)
    x, y = (rng.integers(-4, 4, shape).astype(dtype) for shape in ((rows, inner), (inner, columns)))
    x, y = (a[::-1, ::-1] if order == "reversed" else np.asarray(a, order=order) for a in (x, y))
    result = products.matmul(x, y)
    np.testing.assert_array_equal(result, np.matmul(x, y))  # small integers: exact in any order of adding up
    assert result.dtype == x.dtype
    assert result.flags.c_contiguous
    assert memory.is_own(result)


def test_products_that_do_not_fit_are_numpys_errors():
    with pytest.raises(ValueError, match="matmul"):
        products.matmul(np.ones((1000, 1000)), np.ones((999, 1000)))


@pytest.mark.parametrize(
    ("compute", "arguments"),
    [
        (convolutions, (3, 6, 3)),
        (convolutions, (48, 8, 3)),  # by Winograd's filtering, all threads at each step
        (convolutions, (48, 24, 3)),  # by Winograd's filtering, each thread for its own images
        (convolutions, (16, 12, 5)),
        (pools, (6,)),
        (passes, (3001,)),
    ],
)
def test_results_do_not_depend_on_the_number_of_threads(compute, arguments, monkeypatch):
    monkeypatch.setattr(threads, "WORTH_SHARING", 2**62)
    expected = compute(*arguments)
    shared = []
    monkeypatch.setattr(threads, "WORTH_SHARING", 1)
    monkeypatch.setattr(threads, "_share", lambda work, part: (shared.append(part), share(work, part)))
    for result, value in zip(compute(*arguments), expected, strict=True):
        np.testing.assert_allclose(result, value, rtol=1e-12, atol=1e-12)
    assert len(shared) >= 3


def test_blas_has_its_threads_back_after_shared_products():
    if not blas.is_controllable():
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    get, set_ = blas._functions()
    before = get()
    set_(2)
    try:
        inside = []
        threads.share_products(lambda part: inside.append(get()), 3, LARGE)
        with pytest.raises(KeyError):
            threads.share_products(lambda part: {}[part.start], 3, LARGE)
        assert (inside, get()) == ([1, 1, 1], 2)
    finally:
        set_(before)


def test_numpys_blas_is_told_and_not_scipys():
    # In a process of its own, where SciPy comes first.
    code = "import scipy.linalg; from tapenet.kernels import blas; print(*blas._libraries(), sep='\\n')"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    libraries = [Path(line) for line in found.stdout.splitlines()]
    beside_numpy = Path(np.__file__).parents[1] / "numpy.libs"
    if not beside_numpy.exists():
        pytest.skip("NumPy brings no BLAS of its own here")
    assert libraries
    assert {path.parent for path in libraries} == {beside_numpy}


def test_products_are_left_to_a_blas_that_cannot_be_told(monkeypatch):
    monkeypatch.setattr(blas, "_functions", lambda: None)
    found = []
    threads.share_products(found.append, 3, LARGE)
    assert found == [slice(0, 3)]
