"""Writes docs/guides/traps.md: what tapenet does where libraries differ or are quietly wrong.

    python docs/generate_traps.py

The table is `tests/docs/traps.py`, over which the tests run too.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).parent / "guides" / "traps.md"
TABLE = Path(__file__).parents[1] / "tests" / "docs" / "traps.py"

INTRODUCTION = """# What tapenet does at the traps

Where a derivative exists, it is that. Where it does not, it is the minimum-norm subgradient; else what is said here.
Where a derivative cannot be had, or would be a surprise, the answer is an error that says what to write instead, and
never a plausible number. `with tn.checks():` watches for more: NaN and infinity as they appear, and arrays that change
under a tape.

Every example on this page is run by the tests.
"""


def load(path: Path) -> ModuleType:
    """A module by its file."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def page(sections: dict[str, list[Any]]) -> str:
    """The page, from the table."""
    parts = [INTRODUCTION]
    for title, traps in sections.items():
        parts.append(f"## {title}\n")
        parts += [f"### {trap.title}\n\n{trap.says}\n\n```python\n{trap.example}\n```\n" for trap in traps]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(load(TABLE).SECTIONS), encoding="utf-8")
