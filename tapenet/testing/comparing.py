"""`assert_same_gradient`: checks that two functions agree, in values and in derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import checked_count, checked_function, checked_rng
from tapenet.core.leaf_checks import check_differentiable
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves
from tapenet.testing.accuracy import ACCURACY, lowest_precision
from tapenet.testing.fixed import checked_args, checked_bound
from tapenet.testing.gradients import watched
from tapenet.testing.ownership import GradientError
from tapenet.testing.pairing import copied, direction
from tapenet.transforms.products import vjp

Pullback = Callable[[Tree], tuple[Tree, ...]]
Vjp = Callable[..., tuple[Tree, Pullback]]  # of the arguments


def assert_same_gradient(
    f: Callable[..., Any],
    g: Callable[..., Any],
    args: Sequence[Tree],
    *,
    order: int = 1,
    rng: np.random.Generator | None = None,
    tolerance: float | None = None,
) -> None:
    """Check that two functions give the same value and the same derivatives at a point.

    Use it for a function that was rewritten, to be faster or more stable, and the simple one that it replaces. Each
    derivative is compared through its product with a random cotangent, element by element.

    Args:
        f, g: functions of pytrees of float or complex arrays, returning such pytrees of one structure.
        args: where to compare, in a tuple or list.
        order: the highest derivative that is compared; 0 for values alone.
        rng: draws cotangents; by default one that draws the same each time.
        tolerance: relative to the largest number of the array compared; by default from the lowest precision
            among the arguments: 1e-10 for float64, 1e-4 for float32.

    Raises:
        GradientError: names what differs, where, and both numbers.
        ArgumentTypeError: arguments that are not float or complex.

    >>> assert_same_gradient(lambda x: x**2, lambda x: x * x, (np.array([1.0, 2.0]),))
    """
    args = _checked_arguments("assert_same_gradient", {"f": f, "g": g}, args)
    order = checked_count("assert_same_gradient", "order", order, 0)
    tolerance = checked_bound("assert_same_gradient", "tolerance", tolerance)
    rng = np.random.default_rng(0) if rng is None else checked_rng("assert_same_gradient", rng)
    with watched():
        _compare_to_order(f, g, tuple(args), order, rng, tolerance, 0)


def _compare_to_order(
    f: Callable[..., Any],
    g: Callable[..., Any],
    args: tuple[Tree, ...],
    order: int,
    rng: np.random.Generator,
    tolerance: float | None,
    level: int,
) -> None:
    y, of_g = f(*copied(args)), g(*copied(args))
    names = ("f", "g") if level == 0 else (f"derivative {level} of f", f"derivative {level} of g")
    path = "y" if level == 0 else "args"
    assert_same_leaves("assert_same_gradient", names, y, of_g, path, _tolerance(args, tolerance))
    if level == order:
        return
    y_bar = direction(y, rng)

    def pulled(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *xs: vjp(function, *xs)[1](y_bar)

    _compare_to_order(pulled(f), pulled(g), args, order, rng, tolerance, level + 1)


def assert_same_as_peer(
    function: str,
    f: Callable[..., Any],
    peer_vjp: Vjp,
    peer: str,
    args: Sequence[Tree],
    tolerance: float | None,
) -> None:
    """Compare the value and the first derivative of f with those of another library's function."""
    args = _checked_arguments(function, {"f": f}, args)
    tolerance = _tolerance(args, checked_bound(function, "tolerance", tolerance))
    with watched():
        y, pullback = vjp(f, *copied(tuple(args)))
        of_peer, peer_pullback = peer_vjp(*copied(tuple(args)))
        assert_same_leaves(function, ("f", peer), y, of_peer, "y", tolerance)
        y_bar = direction(y, np.random.default_rng(0))
        names = ("the gradient of f", f"that by {peer}")
        assert_same_leaves(function, names, pullback(y_bar), peer_pullback(y_bar), "args", tolerance)


def assert_same_leaves(function: str, names: tuple[str, str], a: Tree, b: Tree, path: str, tolerance: float) -> None:
    """Raise where two pytrees differ: in structure, in shape, or in an element by more than the tolerance."""
    leaves, spec = tree_flatten(a)
    others, other_spec = tree_flatten(b)
    first, second = names
    if spec != other_spec:
        raise GradientError(f"{function}: {second} must have the structure of {first}, {spec}; got {other_spec}.")
    for name, x, y in zip(leaf_paths(a, path), leaves, others, strict=True):
        if np.shape(x) != np.shape(y):
            raise GradientError(
                f"{function}: {second} must have the shapes of {first}; at {name} got {np.shape(y)} for {np.shape(x)}."
            )
        index = _worst(np.asarray(x), np.asarray(y), tolerance)
        if index is not None:
            where = name + (str(list(index)) if index else "")
            raise GradientError(
                f"{function}: {first} and {second} must agree to {tolerance:.0g} of the largest number; "
                f"at {where} got {np.asarray(x)[index]:.12g} and {np.asarray(y)[index]:.12g}."
            )


def _worst(x: Any, y: Any, tolerance: float) -> tuple[int, ...] | None:
    """Find where two arrays differ most, if by more than is allowed. NaN is equal to NaN, infinity to itself."""
    if x.size == 0:
        return None
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore"):  # inf - inf, which is the same
        error = np.where(same, 0.0, np.abs(x - y))
    finite = np.concatenate([np.abs(z[np.isfinite(z)]).ravel() for z in (x, y)])
    wrong = ~(error <= tolerance * np.max(finite, initial=0.0))
    if not wrong.any():
        return None
    place = np.argmax(np.where(np.isnan(error), np.inf, error))
    return tuple(int(i) for i in np.unravel_index(place, x.shape))


def _checked_arguments(function: str, functions: Mapping[str, Any], args: Any) -> tuple[Tree, ...]:
    for name, value in functions.items():
        checked_function(function, name, value)
    checked: tuple[Tree, ...] = checked_args(function, args)
    for i, arg in enumerate(checked):
        check_differentiable(function, f"args[{i}]", arg, tree_leaves(arg))
    return checked


def _tolerance(args: Sequence[Tree], given: float | None) -> float:
    return given or ACCURACY[lowest_precision(tuple(args))].identity
