"""How many threads work is shared among: the user's number, the environment's, or what the process may use."""

import math
import os

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels.processors import cpu_quota, default_count

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture(autouse=True)
def _restored():
    before = tn.num_threads()
    yield
    tn.set_num_threads(before)


def no_files(path):
    return None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TAPENET_NUM_THREADS": "5", "OMP_NUM_THREADS": "2"}, 5),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"TAPENET_NUM_THREADS": "many", "OMP_NUM_THREADS": "3"}, 3),
        ({"TAPENET_NUM_THREADS": "0", "OMP_NUM_THREADS": "-1"}, HERE),
        ({"OPENBLAS_NUM_THREADS": "7"}, HERE),  # which is BLAS's own
        ({}, HERE),
    ],
)
def test_the_environment_says_how_many(environment, expected):
    assert default_count(environment, no_files) == expected


V2, V1 = "0::/a/b\n", "4:memory:/m\n3:cpu,cpuacct:/a/b\n"


@pytest.mark.parametrize(
    ("contents", "quota"),
    [
        ({}, math.inf),
        ({"/proc/self/cgroup": V2, "/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"}, 1.5),
        ({"/proc/self/cgroup": V2, "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, math.inf),
        (
            {
                "/proc/self/cgroup": V2,
                "/sys/fs/cgroup/a/b/cpu.max": "400000 100000",
                "/sys/fs/cgroup/a/cpu.max": "50000 100000",
                "/sys/fs/cgroup/cpu.max": "max 100000",
            },
            0.5,  # of the group that it lies in
        ),
        ({"/proc/self/cgroup": V2, "/sys/fs/cgroup/cpu.max": "200000 100000"}, 2),  # a container's view
        (
            {
                "/proc/self/cgroup": V1,
                "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "250000",
                "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
            },
            2.5,
        ),
        (
            {
                "/proc/self/cgroup": V1,
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        (
            {
                "/proc/self/cgroup": V1,
                "/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us": "-1",
                "/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us": "100000",
            },
            math.inf,
        ),
        (
            {
                "/proc/self/cgroup": V1 + V2,
                "/sys/fs/cgroup/unified/a/b/cpu.max": "300000 100000",
                "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "200000",
                "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        ({"/proc/self/cgroup": "nonsense\n0:::\n", "/sys/fs/cgroup/cpu.max": "1 0"}, math.inf),
        ({"/proc/self/cgroup": V2, "/sys/fs/cgroup/a/b/cpu.max": "a b c"}, math.inf),
    ],
)
def test_quotas_of_control_groups(contents, quota):
    assert cpu_quota(contents.get) == quota
    assert default_count({}, contents.get) == max(1, min(HERE, math.ceil(quota) if quota < math.inf else HERE))
    assert default_count({"TAPENET_NUM_THREADS": "9"}, contents.get) == 9


def test_the_machines_own_files_are_read():
    assert 1 <= default_count({}) <= HERE


def test_the_user_sets_the_number():
    before = tn.num_threads()
    assert tn.set_num_threads(5) == before
    assert tn.num_threads() == 5
    assert tn.set_num_threads(np.int64(2)) == 5
    assert tn.num_threads() == 2
    assert type(tn.num_threads()) is int
    assert tn.set_num_threads(None) == 2
    assert tn.num_threads() == default_count(os.environ)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True, np.array([1, 2])])
def test_other_numbers_are_refused(n):
    before = tn.num_threads()
    with pytest.raises(
        (tn.ArgumentError, tn.ArgumentTypeError), match=r"set_num_threads: n must be a positive int; got .*\."
    ):
        tn.set_num_threads(n)
    assert tn.num_threads() == before
