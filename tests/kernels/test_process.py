"""The process is the user's: threads, forks, signals, limits and memory are as if tapenet were not there.

Each program runs in a process of its own, with a time limit.
"""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

CONVOLUTION = """
import os, signal, sys, threading
import numpy as np
import tapenet as tn

tn.set_num_threads(3)
rng = np.random.default_rng(0)
x = rng.random((16, 32, 32, 16), np.float32)
kernel = rng.random((3, 3, 16, 32), np.float32)
"""


def run(program, *arguments, limit=120, **environment):
    """What a program prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    settings |= {"PYTHONPATH": str(ROOT), **environment}
    finished = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=settings, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.split()


# ---- forks ----


@FORKS
def test_forks_while_another_thread_computes():
    program = (
        CONVOLUTION
        + """
import threadpoolctl

def blas_threads():
    return [library.get_num_threads() for library in threadpoolctl.ThreadpoolController().lib_controllers]

expected, before = tn.nn.conv(x[:4], kernel), blas_threads()
stop = threading.Event()

def work():
    while not stop.is_set():
        tn.nn.conv(x, kernel)

thread = threading.Thread(target=work)
thread.start()
failed = []
for _ in range(60):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        same = np.array_equal(tn.nn.conv(x[:4], kernel), expected)
        os._exit((0 if same else 1) + (0 if blas_threads() == before else 2))
    status = os.waitpid(child, 0)[1]
    if status:
        failed.append(status)
stop.set()
thread.join()
print(failed, blas_threads() == before)
"""
    )
    pytest.importorskip("threadpoolctl")
    assert run(program, limit=200) == ["[]", "True"]


@FORKS
def test_a_forked_child_starts_helpers_of_its_own():
    program = (
        CONVOLUTION
        + """
from tapenet.kernels import threads
tn.nn.conv(x, kernel)
child = os.fork()
if child == 0:
    signal.alarm(20)
    caller, met = threading.get_ident(), threading.Event()
    def work(part):
        if threading.get_ident() == caller:
            met.wait()
        else:
            met.set()
    threads.share(work, 3, 10 * threads.WORTH_SHARING)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    )
    assert run(program) == ["0"]


@FORKS
def test_a_forked_child_has_a_team_of_its_own():
    program = (
        CONVOLUTION
        + """
from tapenet.kernels import products
x = rng.random((300, 300))
expected = products.shared_product(x, x)
statuses = []
for _ in range(5):
    products.shared_product(x, x)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if np.array_equal(products.shared_product(x, x), expected) else 1)
    statuses.append(os.waitpid(child, 0)[1])
print(sum(statuses))
"""
    )
    assert run(program) == ["0"]


@FORKS
def test_forks_while_another_thread_compiles(tmp_path):
    program = """
import os, signal, threading
import tapenet as tn
import tapenet.numpy as tnp
import numpy as np

x = np.linspace(0, 1, 1000)
stop = threading.Event()

def compile_one(factor):
    f = tn.compile(lambda x: tnp.sin(x * factor) + tnp.exp(-x), backend="llvm")
    return [f(x) for _ in range(3)][-1]

def work():
    factor = 1.0
    while not stop.is_set():
        factor += 1
        compile_one(factor)

compile_one(0.5)  # imports what it needs: Python itself hangs where another thread imports
thread = threading.Thread(target=work)
thread.start()
statuses = []
for i in range(6):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if np.allclose(compile_one(-1.5 - i), np.sin(x * (-1.5 - i)) + np.exp(-x)) else 1)
    statuses.append(os.waitpid(child, 0)[1])
stop.set()
thread.join()
print(sum(statuses))
"""
    pytest.importorskip("llvmlite")
    assert run(program, XDG_CACHE_HOME=str(tmp_path)) == ["0"]


@FORKS
def test_forks_while_another_thread_loads_llvm():
    program = """
import importlib, os, signal, threading
import tapenet
from tapenet.kernels import backends

loading, real = threading.Event(), importlib.import_module

def noted(name):
    if threading.current_thread() is thread:
        loading.set()
    return real(name)

thread = threading.Thread(target=backends.has_machine_code)
importlib.import_module = noted
thread.start()
loading.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if backends.has_machine_code() else 1)
print(os.waitpid(child, 0)[1])
thread.join()
"""
    pytest.importorskip("llvmlite")
    assert run(program, TAPENET_BACKEND="llvm") == ["0"]


@FORKS
def test_a_fork_in_the_midst_of_shared_work_is_an_error_in_the_child():
    program = (
        CONVOLUTION
        + """
from tapenet.kernels import threads
caller, begun, forked = threading.get_ident(), threading.Event(), threading.Event()
children = []
def work(part):
    if threading.get_ident() != caller:
        begun.set()
        forked.wait()
    elif not children:
        begun.wait()
        children.append(os.fork())
        signal.alarm(20)
        forked.set()
try:
    threads.share(work, 3, 10 * threads.WORTH_SHARING)
except RuntimeError as error:
    os._exit(0 if children == [0] and "forked" in str(error) else 1)
print(os.waitpid(children[0], 0)[1])
"""
    )
    assert run(program) == ["0"]


# ---- the end of the process ----


def test_work_in_threads_that_outlive_the_main_one_and_at_exit():
    program = (
        CONVOLUTION
        + """
import atexit

def train():
    main.join()
    for _ in range(5):
        tn.grad(lambda k: tn.nn.conv(x, k).sum())(kernel)
    print("trained")

def at_exit():
    tn.nn.conv(x, kernel)
    print("at-exit")

atexit.register(at_exit)
main = threading.main_thread()
threading.Thread(target=train).start()
"""
    )
    assert run(program) == ["trained", "at-exit"]


# ---- signals ----


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers of signals here")
def test_interrupts_at_any_time_leave_nothing_behind():
    program = (
        CONVOLUTION
        + """
import threadpoolctl
from tapenet.kernels import threads

blas = threadpoolctl.ThreadpoolController()
before = [library.get_num_threads() for library in blas.lib_controllers]
parameter = np.zeros(3_000_000, np.float32)
gradient, optimizer = np.ones_like(parameter), tn.optim.sgd(1.0)
state = optimizer.init(parameter)
signal.signal(signal.SIGALRM, signal.default_int_handler)
# What is compiled is compiled before: an interrupt within a finalizer of llvmlite's is lost.
optimizer.update(gradient, state, parameter, donate=True)
tn.nn.conv(x, kernel)
delays = rng.uniform(1e-4, 4e-3, 300)
written = changed = inside = lost = 0
for delay in delays:
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        for _ in range(1000):
            optimizer.update(gradient, state, parameter, donate=True)
            tn.nn.conv(x, kernel)
        lost += 1
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found = parameter.copy()
    threads.share(lambda part: None, 3, 10 * threads.WORTH_SHARING)
    written += not np.array_equal(found, parameter)
    changed += [library.get_num_threads() for library in blas.lib_controllers] != before
    inside += threads._current.call is not None
print(written, changed, inside, lost)
"""
    )
    pytest.importorskip("threadpoolctl")
    assert run(program, limit=200) == ["0", "0", "0", "0"]


# ---- limits ----


def test_limits_that_the_user_sets_meanwhile_stay():
    program = (
        CONVOLUTION
        + """
import threadpoolctl

blas = threadpoolctl.ThreadpoolController()
get = lambda: {library.get_num_threads() for library in blas.lib_controllers}
blas.limit(limits=2)
stop = threading.Event()

def work():
    while not stop.is_set():
        tn.nn.conv(x, kernel)
        tn.grad(lambda k: tn.nn.conv(x, k).sum())(kernel)

thread = threading.Thread(target=work)
thread.start()
wrong = 0
for i in range(400):
    limits = 1 + i % 2
    with blas.limit(limits=limits):
        for _ in range(50):
            wrong += get() != {limits}
    wrong += get() != {2}
stop.set()
thread.join()
print(wrong, get() == {2})
"""
    )
    pytest.importorskip("threadpoolctl")
    assert run(program, limit=200) == ["0", "True"]


@LINUX
def test_threads_may_run_on_every_processor():
    program = (
        CONVOLUTION
        + """
before = os.sched_getaffinity(0)
for _ in range(5):
    tn.nn.conv(x, kernel)
tasks = [int(task) for task in os.listdir("/proc/self/task")]
print(len(tasks) > 2, all(os.sched_getaffinity(task) == before for task in tasks))
"""
    )
    assert run(program) == ["True", "True"]


# ---- what an import does ----

STATE = """
import os, signal, sys, threading, warnings
import numpy as np
def state():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    threads = threading.active_count()
    return (list(warnings.filters), handlers, dict(os.environ), np.geterr(), threads, sys.getswitchinterval(),
            sys.getrecursionlimit(), np.get_printoptions()["precision"], os.getpriority(os.PRIO_PROCESS, 0))
"""


@LINUX
def test_an_import_changes_nothing_outside_of_tapenet():
    program = (
        STATE
        + """
before = state()
import tapenet, tapenet.nn, tapenet.optim, tapenet.models
print(state() == before)
"""
    )
    assert run(program) == ["True"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of GNU's C library")
def test_freed_arrays_go_back_to_the_system_as_without_tapenet():
    program = """
import sys
import numpy as np
if sys.argv[1] == "with":
    import tapenet

def pages():
    return int(open("/proc/self/statm").read().split()[1])

before = pages()
arrays = [np.ones(2_500_000) for _ in range(3)]
del arrays
print((pages() - before) * 4096 // 2**20)
"""
    without, with_ = (int(run(program, way)[0]) for way in ("without", "with"))
    assert with_ <= without + 2


def test_threads_that_use_packages_for_the_first_time_at_once():
    program = """
import sys, threading
import tapenet as tn
sys.setswitchinterval(1e-6)
uses = [
    lambda: tn.nn.relu(1.0), lambda: tn.optim.adam(), lambda: tn.models.LeNet, lambda: tn.testing.check_grads
]
barrier, errors = threading.Barrier(8), []

def use(i):
    barrier.wait()
    try:
        uses[i % 4]()
    except Exception as error:
        errors.append(repr(error))

threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(errors)
"""
    for _ in range(3):
        assert run(program) == ["[]"]


@pytest.mark.parametrize("file", ["activations.py", "pooling.py", "convolution.py", "special/functions.py"])
def test_an_import_that_was_interrupted_may_be_tried_again(file):
    program = """
import sys
import tapenet as tn

def interrupt(frame, event, argument):
    code = frame.f_code
    if event == "return" and code.co_filename.endswith(sys.argv[1]) and code.co_name != "<module>":
        sys.settrace(None)
        raise KeyboardInterrupt
    if code.co_filename.endswith(sys.argv[1]) and frame.f_lineno > 60:
        sys.settrace(None)
        raise KeyboardInterrupt
    return interrupt

sys.settrace(interrupt)
try:
    tn.nn
    sys.settrace(None)
except KeyboardInterrupt:
    print("interrupted")
print(tn.nn.relu(1.0))
"""
    assert run(program, file)[-1] == "1.0"


def test_an_import_loads_no_kernels_of_images_and_calls_no_lapack():
    program = """
import os, sys
os.environ.pop("TAPENET_BACKEND", None)  # which asks for compiled loops
import numpy as np
called = []
for name in ("slogdet", "det", "inv", "solve", "svd", "qr", "eig", "eigh", "eigvals", "eigvalsh", "cholesky", "lstsq"):
    setattr(np.linalg, name, lambda *_, name=name: called.append(name))
import tapenet
loaded = [name for name in ("convolution", "pooling", "winograd", "loops") if f"tapenet.kernels.{name}" in sys.modules]
heavy = [name for name in ("scipy", "numba", "threadpoolctl", "hypothesis", "ctypes.util") if name in sys.modules]
print(called + loaded + heavy)
"""
    assert run(program) == ["[]"]
