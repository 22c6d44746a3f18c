"""Profiles: quick by default, deep by `--hypothesis-profile=deep`."""

from hypothesis import HealthCheck, settings

# Many strategies build matrices and geometries, which costs more than Hypothesis expects of one example.
settings.register_profile(
    "quick", max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")
