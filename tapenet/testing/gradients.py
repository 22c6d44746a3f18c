"""`check_grads`: derivatives against finite differences, in both modes, to any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.errors import ArgumentError, TapenetError
from tapenet.leaves import check_differentiable
from tapenet.primitive import Array
from tapenet.tensor import off_tapes
from tapenet.transforms.products import jvp, vjp
from tapenet.tree import Tree, leaf_paths, tree_flatten, tree_leaves, tree_map, tree_unflatten


class GradientError(TapenetError, AssertionError):
    """A derivative that is not the derivative of the function."""


@attrs.frozen
class Accuracy:
    """What can be expected of a dtype.

    Attributes:
        step: of the finite differences, relative to arguments of order 1.
        difference: tolerance against finite differences, relative to the larger number.
        identity: tolerance of the dot-product identity between modes, relative to the norms that go into it.
    """

    step: float
    difference: float
    identity: float


# Fourth-order central differences are best at a step of about eps^(1/5), and then good to about eps^(4/5).
ACCURACY = {
    np.dtype(np.float16): Accuracy(2.0**-2, 1e-1, 1e-2),
    np.dtype(np.float32): Accuracy(2.0**-5, 2e-3, 1e-4),
    np.dtype(np.float64): Accuracy(2.0**-10, 1e-6, 1e-10),
    np.dtype(np.longdouble): Accuracy(2.0**-10, 1e-6, 1e-10),
}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Tree],
    *,
    modes: Sequence[str] = ("forward", "reverse"),
    order: int = 2,
    rng: np.random.Generator | None = None,
    step: float | None = None,
    tolerance: float | None = None,
) -> None:
    """Check the derivatives of a function at a point.

    Along a random direction, the derivative by each mode is held against central differences of fourth order;
    the modes against each other by <y_bar, J x_dot> = <J^T y_bar, x_dot>; and the derivatives themselves are
    functions that are checked in the same way, up to `order`. Also: arguments and cotangents are not changed,
    gradients share no memory with them or with each other, and a second pullback gives what the first gave.

    Args:
        f: a function of pytrees of float or complex arrays, returning such a pytree; the same each time.
        args: where to check it, in a tuple or list. Keep away from kinks, by more than the step.
        modes: "forward", "reverse", or both.
        order: the highest derivative that is checked.
        rng: draws directions; by default one that draws the same each time.
        step: of the finite differences; by default from the lowest precision among the arguments, as `tolerance`.
        tolerance: relative, against finite differences.

    Raises:
        GradientError: names what failed, the argument, and both numbers.
        ArgumentTypeError: arguments that are not float or complex.

    >>> check_grads(lambda x: np.sin(x) * x, (np.array([0.5, 2.0]),))
    """
    unknown = set(modes) - {"forward", "reverse"}
    if unknown or not modes:
        raise ArgumentError(f"check_grads: modes must be 'forward', 'reverse' or both; got {tuple(modes)!r}.")
    if order < 1:
        raise ArgumentError(f"check_grads: order must be at least 1; got {order}.")
    for i, arg in enumerate(args):
        check_differentiable("check_grads", f"args[{i}]", arg, tree_leaves(arg))
    rng = np.random.default_rng(0) if rng is None else rng
    accuracy = _accuracy(args)
    accuracy = attrs.evolve(accuracy, step=step or accuracy.step, difference=tolerance or accuracy.difference)
    _check(f, tuple(args), modes, order, rng, accuracy, 1)


def _check(
    f: Callable[..., Any],
    args: tuple[Tree, ...],
    modes: Sequence[str],
    order: int,
    rng: np.random.Generator,
    accuracy: Accuracy,
    level: int,
) -> None:
    before = _copies(args)
    y, pullback = vjp(f, *args)
    if not tree_leaves(y):
        raise ArgumentError("check_grads: f must return at least one array; got none.")
    x_dot, y_bar = _direction(args, rng), _direction(y, rng)
    expected = _difference(f, args, x_dot, y_bar, accuracy.step)
    if "forward" in modes:
        y_dot = jvp(f, args, x_dot)[1]
        _compare(f"forward mode, order {level}", _inner(y_bar, y_dot), expected, f, args, x_dot, y_bar, accuracy)
    if "reverse" in modes:
        x_bar = pullback(y_bar)
        _compare(f"reverse mode, order {level}", _inner(x_bar, x_dot), expected, f, args, x_dot, y_bar, accuracy)
        _check_ownership(x_bar, (args, y_bar))
        _check_repeated(x_bar, pullback(y_bar))
    if "forward" in modes and "reverse" in modes:
        _check_identity(x_bar, x_dot, y_bar, y_dot, accuracy)
    if not _equal(before, args):
        raise GradientError("check_grads: the arguments must not change; f or a rule wrote into them.")
    if level == order:
        return
    if "reverse" in modes:
        _check(lambda *xs: vjp(f, *xs)[1](y_bar), args, modes, order, rng, accuracy, level + 1)
    if "forward" in modes:
        _check(lambda *xs: jvp(f, xs, x_dot)[1], args, modes, order, rng, accuracy, level + 1)


# ---- numbers ----


def _accuracy(tree: Tree) -> Accuracy:
    """That of the lowest precision among the leaves."""
    dtypes = [np.asarray(leaf).real.dtype for leaf in tree_leaves(tree)]
    return ACCURACY[min(dtypes, key=lambda dtype: np.finfo(dtype).precision, default=np.dtype(np.float64))]


def _direction(like: Tree, rng: np.random.Generator) -> Tree:
    """Random numbers of order 1 in the place of each element, real where it is real."""

    def drawn(leaf: Array) -> Array:
        plain = np.asarray(off_tapes(leaf))
        direction = rng.uniform(0.5, 1.5, plain.shape) * rng.choice([-1, 1], plain.shape)
        if plain.dtype.kind == "c":
            direction = direction + 1j * rng.uniform(-1, 1, plain.shape)
        return np.asarray(direction).astype(plain.dtype)[()]

    return tree_map(drawn, like)


def _inner(a: Tree, b: Tree) -> float:
    """The real part of the sum of products, without conjugation: the pairing that pullbacks transpose."""
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return float(sum(np.sum(np.asarray(x) * np.asarray(y), dtype=np.clongdouble).real for x, y in pairs))


def _difference(f: Callable[..., Any], args: tuple[Tree, ...], x_dot: Tree, y_bar: Tree, step: float) -> float:
    """<y_bar, J x_dot> by central differences at h and 2h, combined such that the error is of order h^4."""

    def value_at(h: float) -> float:
        moved = tree_map(lambda x, d: (np.asarray(x) + np.asarray(d).dtype.type(h) * d)[()], args, x_dot)
        return _inner(y_bar, f(*moved))

    def central(h: float) -> float:
        return (value_at(h) - value_at(-h)) / (2 * h)

    return (4 * central(step) - central(2 * step)) / 3


# ---- verdicts ----


def _compare(
    what: str,
    got: float,
    expected: float,
    f: Callable[..., Any],
    args: tuple[Tree, ...],
    x_dot: Tree,
    y_bar: Tree,
    accuracy: Accuracy,
) -> None:
    scale = max(abs(got), abs(expected), 1.0)
    if abs(got - expected) <= accuracy.difference * scale:
        return
    culprit = _culprit(f, args, x_dot, y_bar, accuracy, "forward" in what)
    raise GradientError(
        f"check_grads: {what}: the derivative along a random direction must be {expected:.9g}, by finite "
        f"differences with step {accuracy.step:.3g}; got {got:.9g}. {culprit}"
    )


def _culprit(
    f: Callable[..., Any], args: tuple[Tree, ...], x_dot: Tree, y_bar: Tree, accuracy: Accuracy, forward: bool
) -> str:
    """Which argument the two disagree on, taken alone."""
    leaves, spec = tree_flatten(x_dot)
    for i, path in enumerate(leaf_paths(args, "args")):
        alone = tree_unflatten(spec, [d if j == i else np.zeros_like(d) for j, d in enumerate(leaves)])
        expected = _difference(f, args, alone, y_bar, accuracy.step)
        got = _inner(y_bar, jvp(f, args, alone)[1]) if forward else _inner(vjp(f, *args)[1](y_bar), alone)
        if abs(got - expected) > accuracy.difference * max(abs(got), abs(expected), 1.0):
            return (
                f"By {path} alone: {expected:.9g} and {got:.9g}. "
                "A wrong rule, a kink nearer than the step, or a function that is not the same each time."
            )
    return "By each argument alone they agree to the tolerance: a sum of small errors."


def _check_identity(x_bar: Tree, x_dot: Tree, y_bar: Tree, y_dot: Tree, accuracy: Accuracy) -> None:
    left, right = _inner(y_bar, y_dot), _inner(x_bar, x_dot)
    scale = max(_magnitude(y_bar, y_dot), _magnitude(x_bar, x_dot), 1.0)
    if not abs(left - right) <= accuracy.identity * scale:
        raise GradientError(
            "check_grads: the modes must agree, <y_bar, J x_dot> = <J^T y_bar, x_dot>; "
            f"got {left:.12g} forward and {right:.12g} in reverse."
        )


def _magnitude(a: Tree, b: Tree) -> float:
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return float(sum(np.sum(np.abs(np.asarray(x) * np.asarray(y)), dtype=np.longdouble) for x, y in pairs))


def _check_ownership(gradients: Tree, given: Tree) -> None:
    arrays = [x for x in tree_leaves(gradients) if type(x) is np.ndarray]
    others = [x for x in tree_leaves(given) if type(x) is np.ndarray]
    for i, gradient in enumerate(arrays):
        for other in (*arrays[:i], *others):
            if np.shares_memory(gradient, other):
                raise GradientError(
                    "check_grads: gradients must share no memory with each other or with what was given; "
                    f"got two of shape {gradient.shape} that do."
                )


def _check_repeated(first: Tree, second: Tree) -> None:
    if not _equal(first, second):
        raise GradientError("check_grads: a second pullback must give what the first gave; got other numbers.")


def _copies(tree: Tree) -> list[Array]:
    return [np.array(off_tapes(leaf)) for leaf in tree_leaves(tree)]


def _equal(a: Tree, b: Tree) -> bool:
    pairs = zip(tree_leaves(a), tree_leaves(b), strict=True)
    return all(np.array_equal(off_tapes(x), off_tapes(y), equal_nan=True) for x, y in pairs)
