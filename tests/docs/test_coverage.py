"""docs/guides/coverage.md places every function of NumPy's, and is up to date."""

import re

import numpy as np

from tests.docs.coverage import coverage

LINE = re.compile(r"^\| `([\w.]+)` \| ([^|]+) \| (.*) \|$", re.MULTILINE)


FUNCTIONS, OPERATIONS = coverage.PAGE.read_text().split("## Operations")


def committed() -> dict[str, str]:
    return {found[1]: found[0] for found in LINE.finditer(FUNCTIONS)}


def version_of_the_page() -> tuple[int, ...]:
    found = re.search(r"with NumPy (\d+)\.(\d+)", coverage.PAGE.read_text())
    assert found is not None
    return int(found[1]), int(found[2])


def current() -> dict[str, str]:
    placed = [row for part in coverage.NAMESPACES for row in coverage.rows(part, strict=False)]
    return {row.name: str(row) for row in placed}


def test_every_function_of_this_numpy_has_a_place() -> None:
    here = tuple(map(int, np.__version__.split(".")[:2]))
    if here < version_of_the_page():
        return  # functions that NumPy has left out since need none
    assert not [name for part in coverage.NAMESPACES for name in coverage.unplaced(part)]


def test_the_page_is_what_the_script_writes() -> None:
    on_page, now = committed(), current()
    both = on_page.keys() & now.keys()
    assert len(both) > 400
    changed = {name: (on_page[name], now[name]) for name in both if on_page[name] != now[name]}
    assert not changed, "run python docs/generate_coverage.py"
    if tuple(map(int, np.__version__.split(".")[:2])) >= version_of_the_page():
        assert on_page.keys() >= now.keys(), "run python docs/generate_coverage.py"


def test_the_table_of_operations_is_what_the_script_writes() -> None:
    assert "\n".join(coverage.operations()) in OPERATIONS, "run python docs/generate_coverage.py"
