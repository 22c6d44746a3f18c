"""Names that every doctest may use."""

import contextlib
import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

# It imports an extra, as the first thing it does.
NEEDS = {"numba": ["loops.py"], "llvmlite": ["machine_code.py", "ir_code.py", "gemm_code.py"]}
collect_ignore = [
    f"tapenet/kernels/{name}"
    for package, names in NEEDS.items()
    if not importlib.util.find_spec(package)
    for name in names
]


HERE = Path(__file__).parent
PACKAGES = ("tapenet", "compat", "numpynet")


@pytest.hookimpl(tryfirst=True)
def pytest_collect_file(file_path: Path) -> None:
    """Import a module of the library as anyone does, before pytest does.

    A module that is not imported yet pytest would make by itself, beside the one that the library then imports: two
    copies, whose classes are not each other's.
    """
    parts = file_path.relative_to(HERE).with_suffix("").parts if file_path.is_relative_to(HERE) else ()
    if parts and parts[0] in PACKAGES and file_path.suffix == ".py":
        with contextlib.suppress(Exception):  # which pytest meets again, and reports
            importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(np=np, tn=tn, tnp=tnp)
