"""Recording: one call of a function becomes a `Program`."""
