"""One seed for each run, drawn anew: of Hypothesis's examples and of the generators that tests draw from.

`--hypothesis-seed=N` repeats a run, whose first and last lines name its seed. `--hypothesis-profile=deep` tries a
thousand examples of each property instead of ten. And JAX in float64, for tests that ask for it.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import tapenet as tn
from tapenet.kernels.backends import current_backend

# Many strategies build matrices and geometries, which costs more than Hypothesis expects of one example.
for name, count in (("quick", 10), ("deep", 1000)):
    settings.register_profile(
        name, max_examples=count, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("quick")

OPTION = "hypothesis_seed"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the run's seed, or in a process of xdist take it, before Hypothesis's plugin reads its option."""
    if config.getoption(OPTION) is None:
        setattr(config.option, OPTION, getattr(config, "workerinput", {}).get(OPTION) or str(secrets.randbelow(2**32)))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the seed to a process of xdist."""
    node.workerinput[OPTION] = node.config.getoption(OPTION)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption(OPTION)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        seed = config.getoption(OPTION)
        terminalreporter.write_line(f"The seed of this run was {seed}; --hypothesis-seed={seed} repeats it.")


@pytest.fixture(autouse=True)
def settings_stay() -> Iterator[None]:
    """Fail a test that leaves the process with another back end or threads: later ones would round otherwise."""
    before = current_backend(), tn.num_threads()
    yield
    after = current_backend(), tn.num_threads()
    tn.use_backend(before[0])
    tn.set_num_threads(before[1])
    assert after == before


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator for this test alone, of the run's seed: the same whichever tests run beside it, in any order."""
    name = zlib.crc32(request.node.nodeid.encode())
    return np.random.default_rng([zlib.crc32(str(request.config.getoption(OPTION)).encode()), name])


@pytest.fixture(scope="module")
def jax_in_double_precision() -> Iterator[None]:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
