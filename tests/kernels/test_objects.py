"""Machine code finds what objects hold, or says that it does not."""

from __future__ import annotations

import sys

import pytest

from tapenet.kernels import objects


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="another layout of objects")
def test_cpythons_objects_are_as_machine_code_takes_them() -> None:
    assert objects.finds_data()
    assert objects.finds_headers()


@pytest.mark.parametrize("name", ["DATA", "ITEMS", "NUMBER"])
def test_another_layout_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sizes of objects lie there, and are neither addresses of theirs nor values.
    monkeypatch.setattr(objects, name, 0)
    assert not objects.finds_data.__wrapped__()


@pytest.mark.parametrize("name", ["DATA", "AXES", "LENGTHS", "BASE", "DTYPE", "FLAGS"])
def test_another_layout_of_headers_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # An address lies there that is none of these; the class, where the class is looked for.
    monkeypatch.setattr(objects, name, 8)
    monkeypatch.setattr(objects, "finds_data", lambda: True)
    assert not objects.finds_headers.__wrapped__()
