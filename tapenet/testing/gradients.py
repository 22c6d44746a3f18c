"""`check_grads`: derivatives against values, in both modes, to any order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_choice, checked_count, checked_function, checked_rng, shown
from tapenet.core.notices import hidden
from tapenet.core.pytrees import Tree, leaf_paths, tree_leaves
from tapenet.diagnostics.checks import checks
from tapenet.errors import ArgumentError
from tapenet.testing.accuracy import ACCURACY, Accuracy, lowest_precision
from tapenet.testing.diagnosis import Disagreement, narrowed, report
from tapenet.testing.differences import Line, Method, Reference, reference
from tapenet.testing.fixed import checked_bound, differentiated_part
from tapenet.testing.ownership import (
    GradientError,
    check_kinds,
    check_ownership,
    check_repeated,
    check_unchanged,
    check_values,
)
from tapenet.testing.pairing import copied, direction, inner, inner_of_magnitudes
from tapenet.transforms.products import jvp, vjp

MODES = ("forward", "reverse")


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Tree],
    *,
    modes: Sequence[str] = MODES,
    order: int = 2,
    method: Method = "auto",
    directions: int = 1,
    rng: np.random.Generator | None = None,
    step: float | None = None,
    tolerance: float | None = None,
    argnums: int | Sequence[int] | None = None,
) -> None:
    """Check the derivatives of a function at a point.

    Along a random direction x_dot, and for a random cotangent y_bar, the derivative of <y_bar, f(args + t x_dot)>
    at t = 0 by each mode is compared with one from values: by a complex step where f is analytic, which is good to
    rounding, else by central differences of fourth order. The modes are compared with each other by
    <y_bar, J x_dot> = <J^T y_bar, x_dot>. The derivatives themselves are functions that are checked in the same
    way, up to `order`. Also: f gives the same on a tape as off it; arguments and cotangents are not changed;
    gradients have their arguments' shapes and dtypes and share no memory with them or with each other; and a
    second pullback gives what the first gave. All of it runs under `tn.checks()`.

    Args:
        f: a function of pytrees of float or complex arrays, returning such a pytree; the same each time.
        args: where to check it, in a tuple or list. Keep away from kinks, by more than the step. Leaves that are not
            float or complex, such as integers, texts and None, are held fixed.
        modes: "forward", "reverse", or both.
        order: the highest derivative that is checked.
        method: "complex", "central", or "auto": complex where f takes complex numbers and is analytic there.
        directions: how many random directions are tried.
        rng: draws directions; by default one that draws the same each time.
        step: of the central differences; by default from the lowest precision among arguments and results.
        tolerance: relative, against the derivative from values; by default as for `step`.
        argnums: the position of the argument to differentiate by, or several; the others are held fixed. By default
            every argument.

    Raises:
        GradientError: names what failed, the argument, the direction, both numbers, and the likely reason.
        NumericalError: NaN or infinity appears, in f or in a derivative.
        MutationError: an array that f closes over, or that a rule reads, changes.
        ArgumentTypeError: arguments without a float or complex leaf.
        ArgumentError: other modes, orders or methods; `method="complex"` for an f that is not analytic.

    >>> check_grads(lambda x: np.sin(x) * x, (np.array([0.5, 2.0]),))
    """
    checked_function("check_grads", "f", f)
    if not isinstance(modes, list | tuple) or not modes or any(mode not in MODES for mode in modes):
        raise ArgumentError(f"check_grads: modes must hold 'forward', 'reverse' or both; got {shown(modes)}.")
    order, directions = (
        checked_count("check_grads", "order", order),
        checked_count("check_grads", "directions", directions),
    )
    checked_choice("check_grads", "method", method, get_args(Method))
    step, tolerance = checked_bound("check_grads", "step", step), checked_bound("check_grads", "tolerance", tolerance)
    rng = np.random.default_rng(0) if rng is None else checked_rng("check_grads", rng)
    f, args = differentiated_part("check_grads", f, args, argnums)
    check = Check(tuple(modes), order, method, rng, step, tolerance)
    with watched():
        for _ in range(directions):
            check.run(f, copied(args), 1)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Make the context that every check of the kit runs in."""
    with checks(), hidden():  # a model may be called as often as a check needs
        yield


@attrs.frozen(eq=False)
class Check:
    """The settings of one call of `check_grads`."""

    modes: Sequence[str]
    order: int
    method: Method
    rng: np.random.Generator
    step: float | None
    tolerance: float | None

    def run(self, f: Callable[..., Any], args: tuple[Tree, ...], level: int) -> None:
        """Check the first derivatives of f, which is a derivative of the user's function from level 2 on."""
        before = copied(args)
        y, pullback = vjp(f, *args)
        if not tree_leaves(y):
            raise ArgumentError("check_grads: f must return at least one array; got none.")
        check_unchanged("the arguments", "args", args, before, "f writes into it")
        if level == 1:
            check_values(f, before, y)
        line = Line(f, args, direction(args, self.rng), direction(y, self.rng))
        expected = self._reference(line)
        if "forward" in self.modes:
            y_dot = self._forward(line, y, level, expected)
        if "reverse" in self.modes:
            x_bar = self._reverse(line, pullback, level, expected)
        if len(set(self.modes)) == 2:
            check_identity(line, x_bar, y_dot, self._accuracy(line))
        check_unchanged("the arguments", "args", args, before, "A rule writes into it")
        if level < self.order:
            self._go_deeper(line, level + 1)

    def _go_deeper(self, line: Line, level: int) -> None:
        f, x_dot, y_bar = line.f, line.x_dot, line.y_bar
        if "reverse" in self.modes:
            self.run(lambda *xs: vjp(f, *xs)[1](y_bar), line.args, level)
        if "forward" in self.modes:
            self.run(lambda *xs: jvp(f, xs, x_dot)[1], line.args, level)

    def _forward(self, line: Line, y: Tree, level: int, expected: Reference) -> Tree:
        y_dot = jvp(line.f, line.args, line.x_dot)[1]
        check_kinds("forward mode", "the tangent", y_dot, "y", y)
        self._compare("forward", level, Disagreement(line, expected, inner(line.y_bar, y_dot).real))
        return y_dot

    def _reverse(self, line: Line, pullback: Callable[..., Any], level: int, expected: Reference) -> tuple[Tree, ...]:
        y_bar = copied(line.y_bar)
        x_bar: tuple[Tree, ...] = pullback(y_bar)
        check_unchanged("the cotangent", "y_bar", y_bar, line.y_bar, "A rule writes into it")
        check_kinds("reverse mode", "the gradient", x_bar, "args", line.args)
        self._compare("reverse", level, Disagreement(line, expected, inner(x_bar, line.x_dot).real))
        check_ownership(x_bar, line.args, y_bar)
        check_repeated(x_bar, pullback(y_bar))
        return x_bar

    def _compare(self, mode: str, level: int, found: Disagreement) -> None:
        if found.expected.agrees(found.got):
            return
        found = narrowed(found, by_forward if mode == "forward" else by_reverse, self._reference)
        raise GradientError(report(f"{mode} mode, order {level}", found, self._accuracy(found.line)))

    def _reference(self, line: Line) -> Reference:
        return reference(line, self._accuracy(line), self.method, self.tolerance)

    def _accuracy(self, line: Line) -> Accuracy:
        accuracy: Accuracy = ACCURACY[lowest_precision(line.args, line.y_bar)]
        return attrs.evolve(accuracy, step=self.step or accuracy.step)


def by_forward(line: Line) -> float:
    """Compute the derivative of a line at 0 by forward mode."""
    return inner(line.y_bar, jvp(line.f, line.args, line.x_dot)[1]).real


def by_reverse(line: Line) -> float:
    """Compute the derivative of a line at 0 by reverse mode."""
    return inner(vjp(line.f, *line.args)[1](line.y_bar), line.x_dot).real


def check_identity(line: Line, x_bar: Tree, y_dot: Tree, accuracy: Accuracy) -> None:
    """Both modes must be the same linear map: <y_bar, J x_dot> = <J^T y_bar, x_dot>."""
    left, right = inner(line.y_bar, y_dot).real, inner(x_bar, line.x_dot).real
    scale = max(inner_of_magnitudes(line.y_bar, y_dot), inner_of_magnitudes(x_bar, line.x_dot))
    rounding = 16 * accuracy.eps * line.magnitude
    if abs(left - right) <= accuracy.identity * scale + rounding:
        return
    alone = [line.restricted(i) for i in range(len(tree_leaves(line.args)))]
    errors = [abs(by_forward(one) - by_reverse(one)) for one in alone]
    path = leaf_paths(line.args, "args")[int(np.argmax(errors))]
    raise GradientError(
        "check_grads: the modes must agree, <y_bar, J x_dot> = <J^T y_bar, x_dot>; "
        f"got {left:.12g} forward and {right:.12g} in reverse. They differ most by {path}: "
        "one of its two rules is wrong, by less than the derivative from values can tell."
    )
