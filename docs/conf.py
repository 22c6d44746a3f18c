"""The documentation site: `python -m sphinx -W --keep-going docs docs/_build`, then open docs/_build/index.html."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import reference_pages  # noqa: E402

import tapenet  # noqa: E402

project = "tapenet"
author = "the authors of tapenet"
copyright = "the authors of tapenet, MIT licence"
version = release = tapenet.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
nitpicky = True
# What docstrings give as types is text; errors are looked for where they are tapenet's.
nitpick_ignore_regex = [("py:class", ".*"), ("py:obj", ".*"), ("py:exc", r"(?!tapenet\.).*")]
suppress_warnings = ["ref.python"]  # a word in a type, such as "shape", that is the name of several attributes
default_role = "literal"  # docstrings put code between single backticks

autosummary_generate = False  # the entries are on the same page
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say what is taken, with shapes and dtypes
napoleon_custom_sections = [
    "Derivative",
    "Derivatives",
    "Derivative conventions",
    "Conventions",
    "Source",
    "Sources",
    "Differences",
]
python_maximum_signature_line_length = 100

myst_enable_extensions = ["deflist", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"tapenet {release}"
html_static_path = ["_static"]
html_css_files = ["tapenet.css"]
html_copy_source = False

ROLE = re.compile(r":\w+(?::\w+)?:`~?([^`<]+?)(?: ?<[^`]*>)?`")
CODE = re.compile(r"(``.*?``|`[^`]*`(?:_{1,2})?)")
SPECIAL = re.compile(r"(?<!\\)[|*]|(?<=\w)_(?=\W|$)")
OTHER_BLOCK = re.compile(r"\s*(?:[-*+] |\d+\. |>>> |\.\. )")
ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s")


def escaped(line: str) -> str:
    """A line of a docstring, whose `|`, `*` and trailing `_` mean themselves wherever they are not in backticks."""
    if line.lstrip().startswith((">>> ", "... ", "..")):
        return line
    bullet = ITEM.match(line)
    head = bullet.group() if bullet else ""
    parts = CODE.split(line[len(head) :])
    return head + "".join(part if i % 2 else SPECIAL.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


def with_literal_blocks(lines: list[str]) -> Iterator[str]:
    """A docstring whose indented blocks of formulas and code are shown as they are, and whose text is escaped."""
    paragraph, after_blank, literal = 0, False, False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip():
            literal = literal and indent > paragraph
            if after_blank and not literal and indent > paragraph and not OTHER_BLOCK.match(line):
                literal = True
                yield " " * paragraph + "::"
                yield ""
            paragraph = paragraph if literal else indent
        after_blank = not line.strip()
        yield line if literal else escaped(ROLE.sub(r"``\1``", line))


def without_versions(lines: list[str]) -> Iterator[str]:
    """A docstring without the versions of NumPy in which something came or changed, and what is indented below."""
    directive = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if directive is not None and line.strip() and indent <= directive:
            directive = None
        if line.lstrip().startswith((".. versionadded", ".. versionchanged")):
            directive = indent
        if directive is None:
            yield line


def without_references(lines: list[str], kept_sections: Collection[str]) -> list[str]:
    """A docstring in NumPy's form without the sections that only NumPy's own site can show."""
    rulers = [i for i, line in enumerate(lines) if re.fullmatch(r"-{3,}", line.strip())]
    bounds = [*(i - 1 for i in rulers), len(lines)]
    kept = lines[: bounds[0]] if rulers else lines
    for begin, end in itertools.pairwise(bounds):
        kept += lines[begin:end] if lines[begin].strip() in kept_sections else []
    return [re.sub(r" ?\[\d+\]_", "", line) for line in without_versions(kept)]


def escape_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Read docstrings as plain text with code in backticks, which is how they are written."""
    is_ours = str(getattr(obj, "__module__", "")).startswith("tapenet.")
    kept = ("Parameters", "Returns", "Raises", *(["Examples"] if is_ours else []))
    lines[:] = with_literal_blocks(without_references(lines, kept))


def without_rulers(app: Any, name: str, source: list[str]) -> None:
    """numpynet's document, which rules a line above each heading."""
    if name == "guides/numpynet":
        source[0] = re.sub(r"^---$", "", source[0], flags=re.MULTILINE)


def write_reference(app: Any) -> None:
    """Write the pages of the API reference."""
    reference_pages.write(HERE / "reference" / "api")


def setup(app: Any) -> None:
    app.connect("builder-inited", write_reference)
    app.connect("source-read", without_rulers)
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)  # before napoleon's, which is 500
