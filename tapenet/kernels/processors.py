"""The number of threads that share work: what the user sets, or else what the process may use of the machine.

The first of these counts:

    tn.set_num_threads(n)                   at any time
    TAPENET_NUM_THREADS, OMP_NUM_THREADS    environment variables, read when work is first shared
    the processors that the process may run on, but no more than its control groups' quotas pay for

Containers are limited by quotas: a process that is granted the time of two processors may still run on all 64 of a
machine, and 64 threads would spend most of each period waiting for the next.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping

import attrs

from tapenet.core.argument_checks import checked_count

VARIABLES = ("TAPENET_NUM_THREADS", "OMP_NUM_THREADS")

Reader = Callable[[str], str | None]  # the text of a file, None where it cannot be read


@attrs.define
class _Setting:
    """The number of threads, once it has been asked for or set."""

    count: int | None = None


_setting = _Setting()


def num_threads() -> int:
    """Return how many threads tapenet shares large work among, the calling one included.

    The number is the one that `set_num_threads` set. Without it, it is that of the environment variable
    TAPENET_NUM_THREADS, or else OMP_NUM_THREADS. Without these, it is the number of processors that the process may run
    on, limited by the CPU quota of its control groups (cgroups v1 and v2, as containers have them).

    Matrix products are left to BLAS, which has threads and settings of its own.

    >>> num_threads() >= 1
    True
    """
    if _setting.count is None:
        _setting.count = default_count(os.environ)
    return _setting.count


def set_num_threads(n: int | None) -> int:
    """Set how many threads tapenet shares large work among, in this process from now on.

    Threads are started when work is first shared; those beyond the number stay idle. BLAS's threads are not changed:
    see threadpoolctl, or the environment variables of BLAS.

    Args:
        n: at least 1, where 1 starts no thread; or None, for the default that `num_threads` describes.

    Returns:
        The number so far.

    Raises:
        ArgumentTypeError: n is not an integer.
        ArgumentError: n is not positive.

    >>> before = set_num_threads(1)
    >>> num_threads(), set_num_threads(before)
    (1, 1)
    """
    before = num_threads()
    if n is not None:
        n = checked_count("set_num_threads", "n", n)
    _setting.count = n
    return before


def default_count(environment: Mapping[str, str], read: Reader | None = None) -> int:
    """Return how many threads to use where the user has not set a number.

    Args:
        environment: the environment variables.
        read: gives the text of a file; by default from the file system.
    """
    for name in VARIABLES:
        setting = environment.get(name, "").split(",")[0].strip()  # OpenMP takes a list, by nesting
        if setting.isdecimal() and int(setting) > 0:
            return int(setting)
    quota = cpu_quota(_read_file if read is None else read)
    # Rounded up: one thread cannot use the time of one and a half processors.
    return max(1, math.ceil(min(_processors(), quota)))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota(read: Reader) -> float:
    """Return how many processors' time the control groups of this process grant it; infinity without a limit."""
    return min((quota for group in _groups(read) for quota in (_quota(read, group),) if quota > 0), default=math.inf)


def _groups(read: Reader) -> Iterator[str]:
    """Return the folders that may limit this process: of its groups, and of those that these lie in.

    In a container the path may be that of the host, of which the root alone is seen.
    """
    for line in (read("/proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]  # version 2, alone or beside version 1
        elif "cpu" in controllers.split(","):
            roots = [f"/sys/fs/cgroup/{controllers}", "/sys/fs/cgroup/cpu"]
        else:
            continue
        inner = [part for part in path.split("/") if part]
        for root in roots:
            for depth in range(len(inner), -1, -1):
                yield "/".join([root, *inner[:depth]])


def _quota(read: Reader, folder: str) -> float:
    """Return the quota that one group sets, in processors; infinity where it sets none."""
    both = (read(f"{folder}/cpu.max") or "").split()  # version 2
    if len(both) != 2:
        both = [read(f"{folder}/cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    with contextlib.suppress(ValueError, ZeroDivisionError):
        quota, period = map(int, both)  # "max", and -1, mean without limit
        return quota / period if quota > 0 else math.inf
    return math.inf


def _read_file(path: str) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        with open(path) as file:  # pathlib would take as long to import as several modules of this package
            return file.read()
    return None
