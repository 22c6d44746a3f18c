"""Where in the user's code something happened."""

from __future__ import annotations

import os
import sys

_OURS = os.path.dirname(__file__) + os.sep


def user_line() -> str:
    """The innermost line on the stack outside of tapenet, as `file.py:12`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
