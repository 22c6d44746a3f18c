"""Work shared among threads: every place once, errors and NumPy's settings as on one thread, and nothing afterwards."""

import queue
import signal
import sys
import threading
import time

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import convolution, elementwise, memory, pooling, products, threads

LARGE = 10 * threads.WORTH_SHARING


@pytest.fixture(autouse=True)
def helpers(monkeypatch):
    helpers = threads.Helpers()
    monkeypatch.setattr(threads, "_helpers", helpers)
    before = tn.set_num_threads(3)
    yield helpers
    tn.set_num_threads(before)


@pytest.mark.parametrize(("count", "size", "parts"), [(10, LARGE, 3), (2, LARGE, 2), (10, 10, 1), (1, LARGE, 1)])
def test_slices_make_up_the_range(count, size, parts):
    found = []
    threads.share(found.append, count, size)
    assert len(found) == parts
    assert sorted(i for part in found for i in range(count)[part]) == list(range(count))


def test_nothing_is_done_of_nothing():
    threads.share(lambda part: pytest.fail("called"), 0, LARGE)


def test_a_part_is_not_shared_again():
    inner = []

    def work(part):
        threads.share(lambda part: inner.append(threading.get_ident()), 3, LARGE)

    threads.share(work, 3, LARGE)
    assert len(inner) == 3


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_part_is_raised(failing):
    done = []

    def work(part):
        if part.start == failing:
            raise KeyError(part.start)
        done.append(part.start)

    with pytest.raises(KeyError, match=str(failing)):
        threads.share(work, 3, LARGE)
    assert set(done) <= {0, 1, 2} - {failing}


def test_numpys_error_settings_hold_in_all_threads():
    x = np.zeros(3)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.share(lambda part: 1 / x[part] if part.start else None, 3, LARGE)
    with np.errstate(divide="ignore"):
        threads.share(lambda part: 1 / x[part], 3, LARGE)


# ---- a call owns its parts ----


class Meeting:
    """Work on three parts, of which that of the calling thread begins when another thread has begun."""

    def __init__(self, in_caller=lambda: None, in_helper=lambda: None):
        self.caller = threading.get_ident()
        self.begun, self.meanwhile = threading.Event(), threading.Event()
        self.in_caller, self.in_helper, self.written = in_caller, in_helper, np.zeros(2**22)
        self.done = []

    def __call__(self, part):
        if threading.get_ident() == self.caller:
            assert self.begun.wait(60)
            self.meanwhile.set()
            self.in_caller()
        else:
            self.begun.set()
            assert self.meanwhile.wait(60)
            self.in_helper()
            for _ in range(10):
                self.written += 1
            self.done.append(part)

    def share(self):
        threads.share(self, 3, LARGE)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_is_written_once_a_call_has_raised(error):
    def fail():
        raise error

    meeting = Meeting(in_caller=fail)
    with pytest.raises(error):
        meeting.share()
    assert meeting.done
    found = meeting.written.copy()
    threads.share(lambda part: None, 3, LARGE)
    np.testing.assert_array_equal(meeting.written, found)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_a_helper_raises_is_raised(error):
    def fail():
        raise error("helper")

    with pytest.raises(error, match="helper"):
        Meeting(in_helper=fail).share()


@pytest.fixture
def interrupts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_while_others_are_waited_for(interrupts):
    caller = threading.get_ident()

    def send():
        for _ in range(3):
            signal.pthread_kill(caller, signal.SIGINT)

    meeting = Meeting(in_helper=send)
    with pytest.raises(KeyboardInterrupt):
        meeting.share()
    assert meeting.done
    assert threads._current.call is None


def test_a_signals_handler_may_share_work():
    found = []
    before = signal.signal(signal.SIGINT, lambda *_: threads.share(found.append, 3, LARGE))
    try:
        Meeting(in_caller=lambda: signal.raise_signal(signal.SIGINT)).share()
    finally:
        signal.signal(signal.SIGINT, before)
    assert {i for part in found for i in range(3)[part]} == {0, 1, 2}


def test_an_error_leaves_no_cycle():
    class Held:
        pass

    released = threading.Event()

    def fail():
        held = Held()
        held.signal = released
        raise ValueError("held")

    Held.__del__ = lambda held: held.signal.set()
    with pytest.raises(ValueError, match="held"):
        Meeting(in_helper=fail).share()
    # The helper's frame goes once it waits for the next call.
    threads.share(lambda part: None, 3, LARGE)
    assert released.wait(60)


# ---- where there are no helpers ----


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_without_threads_the_caller_does_it_all(helpers, error, monkeypatch):
    def fail(thread):
        raise error("can't start new thread")

    found = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        threads.share(found.append, 3, LARGE)
    assert sorted(i for part in found for i in range(3)[part]) == [0, 1, 2]
    assert not helpers.threads
    with pytest.raises(queue.Empty):  # nothing waits for a later call
        helpers.calls.get_nowait()
    Meeting().share()
    assert len(helpers.threads) == 2


def test_busy_helpers_are_not_waited_for(helpers):
    begun, end = threading.Barrier(4), threading.Event()

    def keep_busy(part):
        begun.wait(60)
        assert end.wait(60)

    other = threading.Thread(target=threads.share, args=(keep_busy, 3, LARGE))
    other.start()
    begun.wait(60)
    found = []
    threads.share(lambda part: found.append((threading.get_ident(), part)), 3, LARGE)
    assert {thread for thread, _ in found} == {threading.get_ident()}
    assert len(found) == 3
    end.set()
    other.join()
    threads.share(lambda part: None, 3, LARGE)
    assert len(found) == 3


def test_parts_of_a_call_that_is_over_keep_nothing(helpers):
    array = np.ones(3)
    held = sys.getrefcount(array)
    helpers.threads.extend([None, None])  # helpers that never come
    threads.share(lambda part: array, 3, LARGE)
    assert helpers.calls.qsize() == 2
    assert sys.getrefcount(array) == held


def test_many_callers_at_once():
    def work(mark):
        for _ in range(30):
            array = np.zeros(30)
            threads.share(lambda part, array=array: array[part].__iadd__(mark), 30, LARGE)
            found.append(np.array_equal(array, np.full(30, mark)))

    found = []
    callers = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 9)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert found == [True] * 240


GEOMETRY = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}


def convolutions(channels, size, window):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, size, size, channels))
    kernel = rng.normal(size=(window, window, channels, channels))
    y = convolution.convolve(x, kernel, **GEOMETRY)
    t = rng.normal(size=y.shape)
    return (
        y,
        convolution.convolve_input(t, kernel, input_size=x.shape[1:3], **GEOMETRY),
        convolution.convolve_kernel(x, t, kernel_size=kernel.shape[:2], **GEOMETRY),
    )


def pools(size):
    x = np.random.default_rng(0).normal(size=(7, size, size, 3))
    y, winners = pooling.max_pool_with_winners(x, **POOL)
    return (
        y,
        winners,
        pooling.pool_gather(x, winners, **POOL),
        pooling.pool_scatter(y, winners, input_size=x.shape[1:3], **POOL),
        pooling.avg_pool(x, **POOL),
        pooling.avg_pool_input(y, input_size=x.shape[1:3], **POOL),
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


@pytest.mark.parametrize(
    ("x_shape", "y_shape"),
    [
        ((600,), (600, 70)),
        ((70, 600), (600,)),
        ((9000,), (9000,)),
        ((3, 70, 65), (65, 80)),
        ((70, 65), (2, 65, 80)),
        ((2, 1, 70, 65), (3, 65, 80)),
        ((3, 0, 65), (65, 80)),
        ((9000,), (3, 9000, 2)),
    ],
)
def test_products_of_vectors_and_stacks_are_numpys(x_shape, y_shape):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-4, 4, shape).astype(float) for shape in (x_shape, y_shape))
    result, expected = products.matmul(x, y), np.matmul(x, y)
    np.testing.assert_array_equal(result, expected)
    assert (type(result), result.shape) == (type(expected), expected.shape)


@pytest.mark.parametrize("shape", [(9000, 1), (3001, 7), (5, 2000, 3), (300, 255), (4096, 64)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_of_short_rows_are_numpys(shape, keepdims):
    x = np.random.default_rng(0).integers(-4, 4, shape).astype(float)
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_array_equal(elementwise.add_up(x, axes, keepdims), np.sum(x, axes, keepdims=keepdims))


def test_one_thread_is_one_thread():
    """BLAS's threads would keep a processor busy: with one thread the process takes the time that the thread takes."""
    rng = np.random.default_rng(0)
    x, kernel, matrix = rng.normal(size=(4, 16, 16, 64)), rng.normal(size=(3, 3, 64, 64)), rng.normal(size=(500, 500))
    gradient = tn.grad(
        lambda x, kernel, matrix: tn.nn.conv(x, kernel).sum() + (matrix @ matrix @ matrix[0]).sum(), (0, 1, 2)
    )
    tn.set_num_threads(1)
    gradient(x, kernel, matrix)  # compiles loops, where those are asked for

    def share_of_others() -> float:
        process, thread = time.process_time(), time.thread_time()
        gradient(x, kernel, matrix)
        return (time.process_time() - process) / (time.thread_time() - thread)

    assert (
        min(share_of_others() for _ in range(5)) < 1.2
    )  # what other threads of this process do meanwhile does not count


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
    take = threads.Call.take
    monkeypatch.setattr(threads.Call, "take", lambda call: (shared.append(len(call.parts)), take(call)))
    for result, value in zip(compute(*arguments), expected, strict=True):
        np.testing.assert_allclose(result, value, rtol=1e-12, atol=1e-12)
    assert max(shared) >= 2
