"""Profiles: quick by default, deep by `--hypothesis-profile=deep`. And JAX in float64, for tests that ask for it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Many strategies build matrices and geometries, which costs more than Hypothesis expects of one example.
settings.register_profile(
    "quick", max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")


@pytest.fixture(scope="module")
def jax_in_double_precision() -> Iterator[None]:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
