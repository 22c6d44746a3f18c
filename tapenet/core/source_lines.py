"""Locations in the user's code, for errors and warnings."""

from __future__ import annotations

import linecache
import os
import sys
import warnings
from types import CodeType, FrameType
from typing import Any

import numpy as np

# Frames of tapenet and of NumPy's Python wrappers are not the user's.
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_NOT_THE_USERS = (_PACKAGE + os.sep, os.path.dirname(np.__file__) + os.sep)

# Code and an instruction in it: taken in a fraction of the time that the line takes.
# That of a tape which was pickled is the line itself.
CodeLocation = tuple[CodeType, int] | str


_IS_THE_USERS: dict[str, bool] = {}  # by file name
_WARNED: dict[str, dict[Any, Any]] = {}  # by file name, what Python notes of warnings that were shown


def user_location() -> CodeLocation:
    """Return the innermost location on the stack outside of tapenet; `line_of` gives its line."""
    frame = sys._getframe(1)
    while True:
        code = frame.f_code
        is_the_users = _IS_THE_USERS.get(code.co_filename)
        if is_the_users is None:
            is_the_users = _IS_THE_USERS[code.co_filename] = not code.co_filename.startswith(_NOT_THE_USERS)
        outer = frame.f_back
        if is_the_users or outer is None:
            return code, frame.f_lasti
        frame = outer


def line_of(location: CodeLocation) -> str:
    """Return a location as `file.py:12`."""
    if isinstance(location, str):
        return location
    code, instruction = location
    line = next((line for start, end, line in code.co_lines() if start <= instruction < end), None)
    return f"{code.co_filename}:{code.co_firstlineno if line is None else line}"


def user_line() -> str:
    """Return the innermost line on the stack outside of tapenet, as `file.py:12`."""
    return line_of(user_location())


def warn_at_user_line(text: str, category: type[Warning]) -> None:
    """Warn of something in the innermost line on the stack outside of tapenet, once for each line."""
    path, _, number = user_line().rpartition(":")
    warnings.warn_explicit(text, category, path, int(number), registry=_WARNED.setdefault(path, {}))


def module_of(frame: FrameType) -> str:
    """Return the name of the module whose code runs in a frame; empty for code of `eval` and `exec` without one."""
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def user_text() -> str:
    """Return the text of that line; empty where its file cannot be read."""
    path, _, number = user_line().rpartition(":")
    return linecache.getline(path, int(number)).strip()
