"""What holds for every layer and every model: short text, files, pickle, copies, layouts of PyTorch."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
from tests.test_arguments import CASES

OPTIONS = {"rng": lambda: np.random.default_rng(0)}


def layers() -> dict[str, Any]:
    """A layer of each class of `tn.nn` and `tn.models`, as the tests of arguments make it."""
    classes = {
        kind: case
        for case in CASES
        for module in (tn.nn, tn.models)
        if isinstance(kind := getattr(module, case.name, None), type) and issubclass(kind, tn.nn.Layer)
        if case.call is kind and (case.valid or case.name == "Flatten")
    }
    return {kind.__name__: case for kind, case in classes.items()}


MADE = layers()


def test_there_is_a_case_of_each() -> None:
    public = {
        name
        for module in (tn.nn, tn.models)
        for name in module.__all__
        if isinstance(kind := getattr(module, name), type) and issubclass(kind, tn.nn.Layer)
    }
    without_arguments = {"Layer", "Stateless", "Flatten", "GlobalAvgPool", "Sequential", "Residual", "PReLU"}
    assert public - MADE.keys() <= without_arguments


@pytest.fixture(params=MADE)
def layer(request: pytest.FixtureRequest) -> Any:
    case = MADE[request.param]
    given = {name: OPTIONS[name]() if name in OPTIONS else value for name, value in case.valid.items()}
    return case.call(**given)


def test_its_text_is_short(layer: Any) -> None:
    lines = repr(layer).split("\n")
    assert lines[0].startswith(type(layer).__name__) or type(layer) is tn.nn.Function
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 120
    assert "array(" not in repr(layer)
    assert repr(tn.tree.map(lambda x: x > 0, layer))
    assert len(layer._repr_html_()) > len(type(layer).__name__)


def test_a_file_keeps_it(layer: Any, tmp_path: Path) -> None:
    tn.save(tmp_path / "x", layer)
    back = tn.load(tmp_path / "x", like=tn.tree.map(np.zeros_like, layer)) if tn.tree.leaves(layer) else layer
    assert type(back) is type(layer)
    assert tn.tree.allclose(back, layer, rtol=0, atol=0)


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])
def test_it_is_pickled_and_copied(copied: Any, layer: Any) -> None:
    again = copied(layer)
    assert type(again) is type(layer)
    assert tn.tree.allclose(again, layer, rtol=0, atol=0)
    assert repr(again) == repr(layer)


def test_its_fields_are_replaced(layer: Any) -> None:
    fields = [field.name for field in attrs.fields(type(layer))]
    same = layer.replace(**{name: getattr(layer, name) for name in fields})
    assert repr(same) == repr(layer)


def test_pytorchs_layouts_there_and_back(layer: Any) -> None:
    state = tn.nn.to_torch_state(layer)
    assert sum(array.size for array in state.values()) >= tn.tree.size(layer)
    again = tn.nn.from_torch_state(tn.tree.map(np.zeros_like, layer), state)
    assert tn.tree.allclose(again, layer, rtol=0, atol=0)
    assert repr(again) == repr(layer)
