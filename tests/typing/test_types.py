"""The typed program of a user runs, and the stubs are up to date; mypy and pyright check both in `.ci/style`."""

from __future__ import annotations

from tests.typing import program
from tests.typing.stubs import stubs


def test_the_program_runs() -> None:
    program.main()


def test_the_stubs_are_what_the_script_writes() -> None:
    for name in stubs.NAMESPACES:
        committed = (stubs.FOLDER / f"{name}.pyi").read_text(encoding="utf-8")
        assert committed == stubs.stub(name), "run python docs/generate_stubs.py"
