"""Teams: every part once, on any number of threads, and from several callers."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import tapenet as tn
from tapenet.kernels import gemm, products, teams, threads
from tapenet.kernels.memory import address

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")

Array = Any

pytestmark = [
    pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors"),
    pytest.mark.usefixtures("llvm_backend", "three_threads"),
]


@pytest.fixture
def three_threads():
    before = tn.set_num_threads(3)
    yield
    tn.set_num_threads(before)


def code_for(dtype: Any) -> gemm.Gemm:
    code = gemm.gemm_for(np.dtype(dtype))
    assert code is not None
    return code


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_each_part_is_done_once(count):
    code = code_for(np.float64)
    x, y = np.arange(12.0 * count).reshape(4 * count, 3), np.arange(15.0).reshape(3, 5)
    out = np.empty((4 * count, 5))
    strides = x.strides, y.strides, out.strides
    plan = teams.Plan.of([[code.planned(strides, 3, (4 * i, 4 * i + 4, 0, 5), i)] for i in range(count)])
    with teams.free_team() as team:
        assert team is not None
        for _ in range(20):
            out[...] = np.nan
            team.run_plan(plan, [address(x), address(y), address(out)])
            np.testing.assert_array_equal(out, x @ y)


def test_the_steps_of_a_part_follow_each_other():
    code = code_for(np.float32)
    x, first, second = np.ones((300, 300), np.float32), *(np.empty((300, 300), np.float32) for _ in range(2))
    addresses = [address(a) for a in (x, x, first, second)]
    step = code.planned((x.strides, x.strides, x.strides), 300, (0, 300, 0, 300), 0)
    # The second product is of the first and x.
    then = {0: 2, 1: 1, 2: 3}
    after = tuple([teams.At(then[a.which], a.offset) if type(a) is teams.At else a for a in step])
    plan = teams.Plan.of([[step, after]])
    with teams.free_team() as team:
        assert team is not None
        team.run_plan(plan, addresses)
    assert (second == 300.0 * 300.0).all()
    second[...] = 0
    plan.run(addresses)
    assert (second == 300.0 * 300.0).all()


def test_parts_with_addresses_of_their_own_are_done_as_those_of_a_plan():
    code = code_for(np.float64)
    x = np.arange(9.0).reshape(3, 3)
    outs = np.empty((2, 3, 3))
    strides = x.strides, x.strides, x.strides
    places = [address(x), address(x)]
    steps = [code.planned(strides, 3, (0, 3, 0, 3), i) for i in range(2)]
    parts = [
        [tuple([[*places, address(out)][a.which] if type(a) is teams.At else a for a in step])]
        for step, out in zip(steps, outs, strict=True)
    ]
    assert teams.done(parts) == 0
    np.testing.assert_array_equal(outs, [x @ x] * 2)


@pytest.mark.parametrize("order", ["C", "F"])
def test_products_of_views_are_those_of_copies(order):
    whole = np.asarray(np.random.default_rng(0).random((500, 700)), order=order)
    x, y = whole[100:400:2, 50:650], whole.T[50:650, ::-1]
    assert products.shared_product(x, y).tobytes() == products.shared_product(x.copy(), y.copy()).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(300, 200, 100), (100, 200, 300), (1, 4000, 2000)])
def test_products_are_the_same_for_any_number_of_threads(shape, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.random(shape[:2]).astype(dtype), rng.random(shape[1:]).astype(dtype)
    found = []
    for count in (1, 2, 3, 7):
        tn.set_num_threads(count)
        found.append(products.shared_product(x, y).tobytes())
    tn.set_num_threads(3)
    assert len(set(found)) == 1


@pytest.mark.parametrize("row", [0, 150, 299])
def test_warnings_of_any_part_are_raised(row):
    x = np.ones((300, 300), np.float32)
    x[row] = 3e38
    with pytest.warns(RuntimeWarning, match="overflow"):
        products.shared_product(x, x)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        products.shared_product(x, x)
    with np.errstate(over="ignore"):
        products.shared_product(x, x)


def test_many_callers_at_once():
    x = np.random.default_rng(0).random((200, 200))
    expected, wrong = products.shared_product(x, x), []

    def work():
        for _ in range(30):
            if not np.array_equal(products.shared_product(x, x), expected):
                wrong.append(1)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_there_is_no_team_inside_a_part_of_other_work_or_of_another_call():
    found = []

    def work(part):
        with teams.free_team() as team:
            found.append(team)

    threads.share(work, 3, 10 * threads.WORTH_SHARING)
    with teams.free_team() as team, teams.free_team() as another:
        assert team is not None
        assert another is None
    assert found == [None] * 3


def test_one_thread_needs_no_team():
    tn.set_num_threads(1)
    with teams.free_team() as team:
        assert team is None


def test_helpers_of_a_team_come_to_other_work():
    x = np.ones((300, 300))
    for _ in range(20):
        products.shared_product(x, x)
        begun = threading.Barrier(3, timeout=60)
        threads.share(lambda part, begun=begun: begun.wait(), 3, 10 * threads.WORTH_SHARING)
