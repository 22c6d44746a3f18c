"""Who imports whom: compat the public tapenet, tapenet never compat; and no operation brings a backward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import compat as nn

ROOT = Path(__file__).parents[2]
PUBLIC = {"tapenet", "tapenet.numpy", "tapenet.core.argument_checks"}  # one vocabulary of checks serves both


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_compat_imports_the_public_tapenet() -> None:
    private = {
        (path.name, name)
        for path in (ROOT / "numpynet").glob("*.py")
        for name in imported(path)
        if name.split(".")[0] == "tapenet" and name not in PUBLIC
    }
    assert private == set()


def test_tapenet_does_not_import_compat() -> None:
    for path in (ROOT / "tapenet").rglob("*.py"):
        assert not [name for name in imported(path) if name.split(".")[0] in ("compat", "numpynet")], path


def test_no_operation_of_the_package_has_a_backward_of_its_own() -> None:
    assert [name for name in nn.__all__ if name != "Graph" and hasattr(getattr(nn, name), "backward")] == []
