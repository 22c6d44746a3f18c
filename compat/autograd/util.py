"""Small functions of autograd's that its users import."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from compat.autograd.basics import func as func, subval as subval, subvals as subvals, toposort as toposort
from compat.autograd.test_util import check_grads


def quick_grad_check(
    fun: Callable[..., Any], arg0: Any, extra_args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None, **_: Any
) -> None:
    """Compare the gradient by the first argument with differences: autograd 1.1's name of `test_util.check_grads`."""
    warnings.warn(
        "quick_grad_check is deprecated. Use autograd.test_util.check_grads.", DeprecationWarning, stacklevel=2
    )
    check_grads(lambda x: fun(x, *extra_args, **(kwargs or {})), modes=["rev"], order=1)(arg0)
