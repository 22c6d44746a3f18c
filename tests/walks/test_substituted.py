"""Primitives whose rules are wrapped: every rule there is, and none that there is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tapenet.core.primitive import REGISTRY
from tapenet.walks.substituted import with_rules
from tests.samples import SAMPLES


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_rule_is_wrapped_with_its_place(name: str) -> None:
    primitive = REGISTRY[name]

    def wrapper(rule: Callable[..., Any], place: int | None) -> Any:
        return ("wrapped", rule, place)

    def expected(rules: Any) -> Any:
        return tuple(None if rule is None else ("wrapped", rule, place) for place, rule in enumerate(rules))

    def joint(rule: Any) -> Any:
        return None if rule is None else ("wrapped", rule, None)

    both = with_rules(primitive, pullback=wrapper, pushforward=wrapper)
    assert both.pullbacks == expected(primitive.pullbacks)
    assert both.pushforwards == expected(primitive.pushforwards)
    assert both.joint_pullback == joint(primitive.joint_pullback)
    assert both.joint_pushforward == joint(primitive.joint_pushforward)
    one = with_rules(primitive, pullback=wrapper)
    assert (one.pullbacks, one.pushforwards) == (both.pullbacks, primitive.pushforwards)
