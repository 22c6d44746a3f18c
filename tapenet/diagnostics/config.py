"""`show_config`: versions, libraries and settings, for bug reports."""

from __future__ import annotations

import os
import platform
from importlib import import_module
from typing import Any

import attrs
import numpy as np

from tapenet.core.version import __version__
from tapenet.kernels.backends import BACKENDS, current_backend
from tapenet.kernels.memory import cached_bytes
from tapenet.kernels.processors import num_threads

REQUIRED = ("numpy", "attrs", "optree")
EXTRAS = ("numba", "scipy", "threadpoolctl", "hypothesis", "pillow", "matplotlib", "tqdm")
PEERS = ("torch", "jax", "autograd")
VARIABLES = (
    "TAPENET_BACKEND",
    "TAPENET_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_CACHE_DIR",
)


@attrs.frozen(repr=False)
class Config:
    """What `show_config` found: printing it gives the text for a report.

    Attributes:
        tapenet, python, platform: versions, and the system.
        packages: the version of each package that tapenet needs or can use, None where it is not installed.
        blas: the library that NumPy's products call: name, version and threads, as far as they are known.
        threads: the threads among which tapenet shares large work.
        backend: what computes the kernels; see `use_backend`.
        cached_bytes: the memory that is kept for the next large arrays of kernels; see `empty_cache`.
        variables: the environment variables that are set, of those that tapenet and its libraries read.
    """

    tapenet: str
    python: str
    platform: str
    packages: dict[str, str | None]
    blas: dict[str, Any]
    threads: int
    backend: str
    cached_bytes: int
    variables: dict[str, str]

    def __str__(self) -> str:
        rows = [
            ("tapenet", self.tapenet),
            ("Python", self.python),
            ("platform", self.platform),
            *((name, version or "not installed") for name, version in self.packages.items()),
            ("BLAS", ", ".join(f"{key} {value}" for key, value in self.blas.items()) or "not known"),
            ("threads", str(self.threads)),
            ("back end", f"{self.backend} (of {', '.join(BACKENDS)})"),
            ("cached", f"{self.cached_bytes} bytes"),
            ("environment", ", ".join(f"{key}={value}" for key, value in self.variables.items()) or "nothing set"),
        ]
        return "\n".join(f"{name:<14}{value}" for name, value in rows)

    __repr__ = __str__


def show_config() -> Config:
    """Tell the versions, BLAS, threads, back end, caches and settings that tapenet runs with.

    Nothing is imported that is not imported yet, but for threadpoolctl, which is asked for BLAS where it is installed.

    Returns:
        A value that prints as a table; add it to reports of bugs. Its attributes are the entries.

    >>> print(show_config())  # doctest: +ELLIPSIS
    tapenet       ...
    Python        ...
    """
    return Config(
        tapenet=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=f"{platform.platform()}, {os.cpu_count()} processors",
        packages={name: _version(name) for name in (*REQUIRED, *EXTRAS, *PEERS)},
        blas=_blas(),
        threads=num_threads(),
        backend=current_backend(),
        cached_bytes=cached_bytes(),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def _version(package: str) -> str | None:
    from importlib import metadata  # it brings the email package along, which `import tapenet` does not need

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> dict[str, Any]:
    """Return what NumPy was built with, and what threadpoolctl sees of it in this process."""
    built: Any = np.show_config(mode="dicts")
    found = built.get("Build Dependencies", {}).get("blas", {})
    blas = {key: found[key] for key in ("name", "version") if key in found}
    return {**blas, **_loaded_blas()}


def _loaded_blas() -> dict[str, Any]:
    try:
        threadpoolctl = import_module("threadpoolctl")
    except ImportError:
        return {}
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return {"threads": "/".join(str(pool["num_threads"]) for pool in pools)} if pools else {}
