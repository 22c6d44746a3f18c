"""Fixtures of the tests of kernels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tapenet as tn


@pytest.fixture
def llvm_backend() -> Iterator[None]:
    """Choose the code that LLVM compiles, whatever the process was started with."""
    before = tn.use_backend("llvm")
    yield
    tn.use_backend(before)
