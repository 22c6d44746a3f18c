"""The docstrings of functions of tapenet.nn."""

from __future__ import annotations

import inspect
import re
from types import FunctionType
from typing import Any

import pytest

from tapenet import nn

OF_MODELS = (
    nn.summary,
    nn.from_torch_state,
    nn.to_torch_state,
    nn.from_flax_state,
    nn.to_flax_state,
)  # which are not functions of arrays
FUNCTIONS = [
    x
    for name, x in vars(nn).items()
    if isinstance(x, FunctionType) and x.__module__.startswith("tapenet.nn.") and x not in OF_MODELS
]
RAISE_NOTHING = (nn.relu, nn.sigmoid, nn.leaky_relu, nn.elu, nn.gelu, nn.silu, nn.softplus)
RAISE_NOTHING += (nn.relu6, nn.hardswish, nn.selu, nn.mish, nn.logsigmoid)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_docstring_has_every_part(function: Any) -> None:
    text = inspect.getdoc(function) or ""
    summary = text.split("\n\n")[0]
    assert re.match(r"[A-Z][a-z]+\b.*\.$", summary)
    assert not re.match(r"(The|An?|Each) ", summary)
    assert len(re.findall(r"^(?:Derivatives?|No derivative): ", text, re.MULTILINE)) == 1
    headers = ["Args:", "Returns:", *([] if function in RAISE_NOTHING else ["Raises:"])]
    places = [text.find(f"\n{header}\n") for header in headers]
    assert -1 not in places
    assert places == sorted(places)
    names = re.split(r"\n\n", text[text.index("\nArgs:\n") :])[0]
    for name in inspect.signature(function).parameters:
        assert re.search(rf"^    (\w+, )*{name}(, \w+)*: ", names, re.MULTILINE), name
    example = text[text.index("\n>>> ") + 1 :]
    assert "tn.nn." in example
    assert example.count("\n") < 6


def test_there_are_functions() -> None:
    assert len(FUNCTIONS) > 20
