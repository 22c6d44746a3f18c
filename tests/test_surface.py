"""The public names: each module lists its own, and shows nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tapenet as tn
import tapenet.numpy as tnp

MODULES = [
    "tapenet",
    "tapenet.data",
    "tapenet.errors",
    "tapenet.extend",
    "tapenet.models",
    "tapenet.nn",
    "tapenet.nn.init",
    "tapenet.numpy",
    "tapenet.numpy.fft",
    "tapenet.numpy.linalg",
    "tapenet.operators",
    "tapenet.optim",
    "tapenet.scipy",
    "tapenet.scipy.fft",
    "tapenet.scipy.integrate",
    "tapenet.scipy.interpolate",
    "tapenet.scipy.linalg",
    "tapenet.scipy.ndimage",
    "tapenet.scipy.optimize",
    "tapenet.scipy.signal",
    "tapenet.scipy.signal.windows",
    "tapenet.scipy.sparse",
    "tapenet.scipy.sparse.linalg",
    "tapenet.scipy.spatial",
    "tapenet.scipy.spatial.distance",
    "tapenet.scipy.spatial.transform",
    "tapenet.scipy.special",
    "tapenet.scipy.stats",
    "tapenet.testing",
    "tapenet.testing.strategies",
    "tapenet.training",
    "tapenet.tree",
    "numpynet",
    "compat",
]
PACKAGES = [
    "tapenet",
    "tapenet.training",
    "tapenet.data",
    "tapenet.models",
    "tapenet.nn",
    "tapenet.numpy",
    "tapenet.operators",
    "tapenet.optim",
    "tapenet.scipy",
    "tapenet.scipy.integrate",
    "tapenet.scipy.interpolate",
    "tapenet.scipy.linalg",
    "tapenet.scipy.ndimage",
    "tapenet.scipy.optimize",
    "tapenet.scipy.signal",
    "tapenet.scipy.sparse",
    "tapenet.scipy.sparse.linalg",
    "tapenet.scipy.spatial",
    "tapenet.scipy.spatial.distance",
    "tapenet.scipy.spatial.transform",
    "tapenet.scipy.special",
    "tapenet.scipy.stats",
    "tapenet.testing",
]


def reexported(module: ModuleType) -> list[str]:
    """The names that a module's source passes on, as `x as x`."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    aliases = [
        alias for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    ]
    return [alias.name for alias in aliases if alias.asname == alias.name and alias.name[0] != "_"]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_there_and_listed_once(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []
    assert [public for public in reexported(module) if public not in module.__all__] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    values = {public: getattr(module, public) for public in module.__all__}
    assert [
        public
        for public, value in values.items()
        if inspect.isroutine(value) or inspect.isclass(value)
        if not value.__doc__
    ] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_dir_shows_no_internals(name: str) -> None:
    module = importlib.import_module(name)
    shown = {public for public in dir(module) if not public.startswith("__")}
    assert shown - set(module.__all__) <= {*tnp.reexports.GROUPS["modules"].split()}


def test_help_lists_what_a_user_needs() -> None:
    text = pydoc.plain(pydoc.render_doc(tn))
    described = {*re.findall(r"^    (?:class )?(\w+)\(", text, re.MULTILINE)}
    assert {"GradientTape", "Tensor", "grad", "vmap", "custom_vjp", "show_config"} <= described
    assert described <= set(tn.__all__)


def test_help_starts_with_every_transform() -> None:
    assert tn.__doc__ is not None
    in_text = set(re.findall(r"\w+", tn.__doc__))
    errors = {name for name in tn.__all__ if name.endswith("Error")}
    beside = {
        "static_field",
        "use_backend",
        "num_threads",
        "set_num_threads",
        "empty_cache",
        "keep_freed_memory",
        "errors",
        "jacrev",
        "load_metadata",
    }  # found in help's body
    assert set(tn.__all__) - errors - beside <= in_text


def test_the_version_is_the_one_that_is_built() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", tn.__version__)


def test_a_star_import_leaves_numpys_modules_out() -> None:
    code = "from tapenet.numpy import *; print('linalg' in globals(), 'f2py' in globals(), sin(0.0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False 0.0\n"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'tapenet' has no attribute 'gradd'"):
        _ = tn.gradd  # type: ignore[attr-defined,unused-ignore]
