"""Fixed points of iterations, and their derivatives by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tapenet as tn


def fixed_point(
    f: Callable[[Any], Callable[[Any], Any]], a: Any, x0: Any, distance: Callable[[Any, Any], Any], tol: float
) -> Any:
    """Repeat x = f(a)(x) from x0 until `distance(x, x_prev)` is at most tol; the derivative is by a."""

    def solve(step: Callable[..., Any], x: Any, a: Any) -> Any:
        previous, x = x, step(x, a)
        while distance(x, previous) > tol:
            previous, x = x, step(x, a)
        return x

    # The iteration has decided on convergence by a measure of its own.
    return tn.fixed_point(lambda x, a: f(a)(x), x0, a, solver=solve)
