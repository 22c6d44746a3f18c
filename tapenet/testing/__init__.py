"""Checks of gradients, for the library's own operations and for users' functions alike.

`check_grads` compares a function's derivatives with its values, `assert_same_gradient` against another function,
`assert_same_as_torch` and `assert_same_as_jax` against those libraries; `gradient_test` makes a whole test of
Hypothesis strategies, of which `strategies` has those that derivatives need. docs/guides/testing.md is the tutorial.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tapenet.testing.comparing import assert_same_gradient as assert_same_gradient
from tapenet.testing.entry import gradient_test as gradient_test
from tapenet.testing.gradients import check_grads as check_grads
from tapenet.testing.ownership import GradientError as GradientError
from tapenet.testing.peers import assert_same_as_jax as assert_same_as_jax, assert_same_as_torch as assert_same_as_torch

__all__ = [
    # checks
    "check_grads",
    "gradient_test",
    "assert_same_gradient",
    "strategies",
    # against other libraries
    "assert_same_as_jax",
    "assert_same_as_torch",
    # errors
    "GradientError",
]

if TYPE_CHECKING:
    from tapenet.testing import strategies as strategies


if not TYPE_CHECKING:  # else every name would do

    def __getattr__(name: str) -> Any:
        """Import `strategies`, which needs Hypothesis, when it is first used."""
        if name == "strategies":
            return importlib.import_module("tapenet.testing.strategies")
        raise AttributeError(f"module 'tapenet.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
