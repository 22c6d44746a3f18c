"""The pages of the API reference, made when the site is built: every name of each public module's `__all__`.

Names are in groups. Where the list `__all__` has comments between its names, they are the headings; else the files
are that the names come from.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

Groups = dict[str, list[str]]


@attrs.frozen
class Page:
    """A page of the reference.

    Attributes:
        name: of the file.
        title: of the page.
        modules: what it describes, one after the other.
        introduction: what stands above them.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    introduction: str


PAGES = (
    Page(
        "tapenet",
        "tapenet",
        ("tapenet",),
        "``import tapenet as tn``: tapes, transforms of functions, and own derivatives.",
    ),
    Page(
        "numpy",
        "tapenet.numpy",
        ("tapenet.numpy",),
        "``import tapenet.numpy as tnp``: NumPy's namespace on Tensors and arrays alike. On plain arrays each function "
        "gives NumPy's answer. :doc:`/guides/coverage` says of each whether it is differentiated.",
    ),
    Page("linalg", "tapenet.numpy.linalg", ("tapenet.numpy.linalg",), "``numpy.linalg`` on Tensors and arrays alike."),
    Page("fft", "tapenet.numpy.fft", ("tapenet.numpy.fft",), "``numpy.fft`` on Tensors and arrays alike."),
    Page(
        "nn",
        "tapenet.nn",
        ("tapenet.nn", "tapenet.nn.init"),
        "Functions, layers, losses and initializers. Images are channels last, ``(N, H, W, C)``.",
    ),
    Page(
        "operators",
        "tapenet.operators",
        ("tapenet.operators",),
        "Linear algebra without matrices. :doc:`/guides/operators` is the guide.",
    ),
    Page("optim", "tapenet.optim", ("tapenet.optim",), "Optimizers and schedules of learning rates."),
    Page(
        "scipy",
        "tapenet.scipy",
        (
            "tapenet.scipy",
            "tapenet.scipy.fft",
            "tapenet.scipy.integrate",
            "tapenet.scipy.interpolate",
            "tapenet.scipy.linalg",
            "tapenet.scipy.optimize",
            "tapenet.scipy.special",
        ),
        "SciPy's functions on Tensors and arrays alike. :doc:`/guides/scipy` says of each what becomes of it.",
    ),
    Page(
        "scipy_ndimage",
        "tapenet.scipy.ndimage",
        ("tapenet.scipy.ndimage",),
        "Filters of images, and images at other coordinates.",
    ),
    Page(
        "scipy_signal",
        "tapenet.scipy.signal",
        ("tapenet.scipy.signal",),
        "Filters, convolutions, spectra and resampling.",
    ),
    Page(
        "scipy_windows",
        "tapenet.scipy.signal.windows",
        ("tapenet.scipy.signal.windows",),
        "Windows by their real parameters.",
    ),
    Page(
        "scipy_sparse",
        "tapenet.scipy.sparse",
        ("tapenet.scipy.sparse",),
        "Sparse arrays of a fixed pattern, whose data derivatives are taken by.",
    ),
    Page(
        "scipy_sparse_linalg",
        "tapenet.scipy.sparse.linalg",
        ("tapenet.scipy.sparse.linalg",),
        "Solutions of sparse systems, direct and iterative.",
    ),
    Page(
        "scipy_spatial",
        "tapenet.scipy.spatial",
        ("tapenet.scipy.spatial", "tapenet.scipy.spatial.distance", "tapenet.scipy.spatial.transform"),
        "Distances and rotations.",
    ),
    Page(
        "scipy_stats",
        "tapenet.scipy.stats",
        ("tapenet.scipy.stats",),
        "Distributions, each as its formula, and descriptive statistics.",
    ),
    Page("tree", "tapenet.tree", ("tapenet.tree",), "Pytrees. :doc:`/guides/pytrees` is the guide."),
    Page(
        "data",
        "tapenet.data",
        ("tapenet.data",),
        "Batches of examples, and augmentation of images. :doc:`/guides/training` is the guide.",
    ),
    Page(
        "training",
        "tapenet.training",
        ("tapenet.training",),
        "The training of models, and metrics of their outputs. :doc:`/guides/training` is the guide.",
    ),
    Page("models", "tapenet.models", ("tapenet.models",), "Networks that are ready to be trained."),
    Page(
        "testing",
        "tapenet.testing",
        ("tapenet.testing", "tapenet.testing.strategies"),
        "Tests of derivatives. :doc:`/guides/testing` is the guide.",
    ),
    Page(
        "extend",
        "tapenet.extend",
        ("tapenet.extend",),
        "For authors of operations. :doc:`/guides/extending` is the guide.",
    ),
    Page(
        "errors", "tapenet.errors", ("tapenet.errors",), "Each error is a ``TapenetError`` and the builtin that fits."
    ),
    Page(
        "compat",
        "numpynet, also known as compat",
        ("numpynet",),
        "``import numpynet as nn`` or ``import compat as nn``: the same objects. :doc:`/guides/compat` is the guide.",
    ),
)


def source_of(module: ModuleType) -> str:
    """The text of a module's file."""
    assert module.__file__ is not None
    return Path(module.__file__).read_text(encoding="utf-8")


def groups_by_comment(source: str) -> Groups:
    """The names in a literal `__all__` by the comments between them; nothing where there are none."""
    found = re.search(r"^__all__ = \[\n(.*?)^\]", source, re.DOTALL | re.MULTILINE)
    groups: Groups = {}
    for line in found[1].splitlines() if found else ():
        if comment := re.fullmatch(r"\s*# (.*)", line):
            groups[comment[1][0].upper() + comment[1][1:]] = []
        elif groups and (name := re.match(r'\s*"(\w+)"', line)):
            list(groups.values())[-1].append(name[1])
    return groups


def groups_by_file(source: str) -> Groups:
    """The names that a module imports from below, by the chapter and file that they come from."""
    groups: Groups = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tapenet."):
            parts = node.module.split(".")[1:]
            heading = ": ".join(part.replace("_", " ") for part in parts[1:] or parts)
            groups.setdefault(heading[0].upper() + heading[1:], []).extend(
                alias.asname or alias.name for alias in node.names
            )
    return dict(sorted(groups.items(), key=lambda group: ":" not in group[0]))  # chapters of NumPy first


def groups_by_table(modules: Mapping[str, str]) -> Groups:
    """The names that a module imports when they are first used, by the chapter and file that they come from."""
    groups = {": ".join(module.split(".")[1:]).replace("_", " "): names.split() for module, names in modules.items()}
    return {heading[0].upper() + heading[1:]: names for heading, names in sorted(groups.items())}


def groups_of(module: ModuleType) -> Groups:
    """The public names of a module under headings; those that nothing places are under its own name."""
    source = source_of(module)
    if module.__name__ == "tapenet.numpy":
        groups = groups_by_table(module._PUBLIC)
    else:
        groups = groups_by_comment(source) or groups_by_file(source)
    public = [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    kept = {heading: [name for name in names if name in public] for heading, names in groups.items()}
    rest = [name for name in public if name not in {name for names in kept.values() for name in names}]
    if module.__name__ == "tapenet.numpy":
        kept["NumPy's own"] = rest
    elif rest:
        kept["Functions and classes" if not groups else "More"] = rest
    return {heading: names for heading, names in kept.items() if names}


def is_described_elsewhere(module: ModuleType, name: str) -> bool:
    """Whether a name has its entry on the page of the module that defines it."""
    home = getattr(getattr(module, name), "__module__", None)
    return home != module.__name__ and any(home in page.modules for page in PAGES)


def home_of(module: ModuleType, name: str) -> str:
    """The module that defines a name, from where `module` is."""
    return str(getattr(module, name).__module__).removeprefix(f"{module.__name__}.")


def entry(module: ModuleType, name: str) -> list[str]:
    """The directive that documents a name."""
    value = getattr(module, name)
    if inspect.isclass(value):
        bases = ["   :show-inheritance:"] if value.__bases__ != (object,) else []
        # NumPy's own classes have their place in the index on the page of tapenet.numpy.
        is_second = value.__module__.startswith("numpy.") and not module.__name__.startswith("tapenet.numpy")
        return [f".. autoclass:: {name}", "   :members:", *bases, *(["   :no-index:"] if is_second else []), ""]
    return [f".. {'autofunction' if callable(value) and hasattr(value, '__name__') else 'autodata'}:: {name}", ""]


def numpys_own(names: list[str]) -> list[str]:
    """A list of the names that are passed on from NumPy as they are, by what they are."""
    from tapenet.numpy import reexports

    lines = ["These are NumPy's, passed on as they are.", ""]
    for group, in_group in reexports.GROUPS.items():
        present = [f"``{name}``" for name in in_group.split() if name in names]
        lines += [f"- {' '.join(group.split())}: {', '.join(present)}"] if present else []
    return [*lines, ""]


def section(module: ModuleType, heading: str, names: list[str]) -> list[str]:
    """A heading, a table of what is under it, and the entries."""
    lines = [heading, "-" * len(heading), ""]
    if heading == "NumPy's own":
        return lines + numpys_own(names)
    own = [name for name in names if not is_described_elsewhere(module, name)]
    listed = [name if name in own else f"~{home_of(module, name)}.{name}" for name in names]
    lines += [".. autosummary::", "", *(f"   {name}" for name in listed), ""]
    return lines + [line for name in own for line in entry(module, name)]


def text_of(page: Page) -> str:
    """The reStructuredText of a page."""
    lines = [page.title, "=" * len(page.title), "", page.introduction, ""]
    for name in page.modules:
        module: Any = importlib.import_module(name)
        if name != page.modules[0]:
            lines += [name, "=" * len(name), ""]
        lines += [f".. module:: {name}", ""]
        for heading, names in groups_of(module).items():
            lines += section(module, heading, names)
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Write the pages, those whose text has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        path, text = folder / f"{page.name}.rst", text_of(page)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
