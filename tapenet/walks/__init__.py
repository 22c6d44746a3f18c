"""Walks over a tape: backward for cotangents, forward for tangents."""
