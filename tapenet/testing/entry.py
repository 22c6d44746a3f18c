"""`gradient_test`: a whole test in one line, for pytest and Hypothesis."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tapenet.core.argument_checks import checked_function
from tapenet.core.packages import import_package
from tapenet.core.primitive import Primitive
from tapenet.errors import ArgumentError
from tapenet.testing.gradients import check_grads

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def gradient_test(f: Callable[..., Any], *arguments: Any, settings: Any = None, **options: Any) -> Callable[[], None]:
    """Make the test that a function's derivatives are right at whatever the strategies draw.

        test_softplus = gradient_test(softplus, strategies.arrays(low=-4, high=4))

    pytest collects it under the name that it is given, and Hypothesis reports the simplest arguments at which
    `check_grads` fails.

    Args:
        f: the function.
        arguments: for each of its positional arguments a Hypothesis strategy, or a value that it always has.
        settings: a `hypothesis.settings` for this test; by default those in force where it is made, without a deadline,
            as the first example imports what it needs.
        options: of `check_grads`: modes, order, method, tolerance ...

    Returns:
        A function without arguments.

    Raises:
        MissingPackageError: Hypothesis is not installed.
        ArgumentError: no arguments.

    >>> from tapenet.testing import strategies
    >>> gradient_test(lambda x: x**3, strategies.arrays((2,)))()
    """
    checked_function("gradient_test", "f", f)
    hypothesis = import_package("hypothesis", "gradient_test")
    if not arguments:
        raise ArgumentError("gradient_test: there must be a strategy for each argument of f; got none.")
    strategy = hypothesis.strategies
    names = _names(f, len(arguments))
    drawn = {
        name: given if isinstance(given, strategy.SearchStrategy) else strategy.just(given)
        for name, given in zip(names, arguments, strict=True)
    }

    def test(*positional: Any, **named: Any) -> None:
        check_grads(f, (*positional, *(named[name] for name in names[len(positional) :])), **options)

    # Named as f names them, so that Hypothesis's example reads as a call of f.
    keywords = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    test.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]  # functions take attributes
    test.__name__ = test.__qualname__ = f"test_{getattr(f, '__name__', 'function').strip('<>')}"
    test.__doc__ = f"The derivatives of {getattr(f, '__name__', 'a function')} agree with its values."
    made: Callable[[], None] = (settings or _settings_in_force(hypothesis))(hypothesis.given(**drawn)(test))
    return made


def _settings_in_force(hypothesis: Any) -> Any:
    """Return the settings in force, without a deadline and the phase that lists lines run by failing examples."""
    phases = [phase for phase in hypothesis.settings.default.phases if phase is not hypothesis.Phase.explain]
    return hypothesis.settings(phases=phases, deadline=None)


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """Return the names of a function's first parameters, and x0, x1 ... where it has none."""
    operation = getattr(f, "primitive", None)
    if isinstance(operation, Primitive):
        names = list(operation.operands)
    else:
        try:
            parameters = list(inspect.signature(f).parameters.values())
        except (TypeError, ValueError):  # a ufunc, or another builtin
            parameters = []
        names = [parameter.name for parameter in parameters if parameter.kind in POSITIONAL]
    return [*names[:count], *(f"x{i}" for i in range(len(names), count))]
