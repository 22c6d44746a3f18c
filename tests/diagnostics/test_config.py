"""`show_config` tells what tapenet runs on."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tapenet as tn


def test_it_names_versions_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "somewhere")
    config = tn.show_config()
    assert config.tapenet == tn.__version__
    assert config.packages["numpy"] == np.__version__
    assert config.threads >= 1
    assert config.backend in ("numpy", "llvm", "numba")
    assert config.variables["NUMBA_CACHE_DIR"] == "somewhere"


def test_it_prints_a_row_for_each_entry() -> None:
    config = tn.show_config()
    lines = str(config).splitlines()
    assert repr(config) == str(config)
    assert lines[0].split() == ["tapenet", tn.__version__]
    starts = [line.split()[0] for line in lines]
    assert starts[1:3] == ["Python", "platform"]
    assert {*config.packages, "BLAS", "threads", "back", "cached", "environment"} <= set(starts)


def test_it_counts_the_memory_that_is_kept() -> None:
    tn.empty_cache()
    before = tn.show_config().cached_bytes
    image = np.ones((4, 64, 64, 8))
    tn.nn.conv(image, np.ones((3, 3, 8, 16)))
    assert tn.show_config().cached_bytes > before
    tn.empty_cache()
    assert tn.show_config().cached_bytes == 0


def test_without_threadpoolctl_blas_is_what_numpy_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert "threads" not in tn.show_config().blas


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    from importlib import metadata

    monkeypatch.setattr(metadata, "version", missing)
    config = tn.show_config()
    assert set(config.packages.values()) == {None}
    assert "numba         not installed" in str(config)
