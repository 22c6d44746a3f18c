"""The derivative along a line from values of the function alone, with which both modes are compared."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.leaf_checks import dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, tree_leaves, tree_map
from tapenet.errors import ArgumentError
from tapenet.testing.accuracy import ACCURACY, Accuracy
from tapenet.testing.pairing import inner, largest, only, total, unit

Method = Literal["auto", "central", "complex"]

# So small that its square vanishes beside 1, and far from underflow.
COMPLEX_STEP = 2.0**-70
ROUNDING = 64  # how many roundings of its largest number a function is granted
ROUNDING_IN_RULES = 1024  # and how many its derivative's rules are, which are compared without cancellation


@attrs.frozen(eq=False, slots=False)  # a cached property needs a dictionary
class Line:
    """The function g(t) = <y_bar, f(args + t x_dot)>, whose derivative at 0 every mode must give.

    Attributes:
        f: a function of pytrees.
        args: its arguments.
        x_dot: the direction, of the structure of args.
        y_bar: a cotangent of f's result.
    """

    f: Callable[..., Any]
    args: tuple[Tree, ...]
    x_dot: Tree
    y_bar: Tree

    def at(self, t: float) -> float:
        """Compute g(t)."""
        return inner(self.y_bar, self.f(*self._moved(t))).real

    def at_imaginary(self, t: float) -> float:
        """Compute the imaginary part of g(it), in double precision at least."""

        def moved(x: Array, d: Array) -> Array:
            x = np.asarray(x)
            kind = np.result_type(x.dtype, np.complex128)
            # Written as a pair, because 1j * t * d would make zeros of d into zeros of either sign.
            z = x.astype(kind)
            z.imag = t * np.asarray(d)
            return z[()]

        with warnings.catch_warnings():
            warnings.simplefilter("error")  # above all NumPy's that an imaginary part is dropped
            y = self.f(*tree_map(moved, self.args, self.x_dot))
        for leaf in tree_leaves(y):
            if np.dtype(dtype_of(leaf)).kind != "c":
                raise NotAnalyticError("its values are real on complex arguments")
        return inner(self.y_bar, y).imag

    def in_double(self) -> Line:
        """Return the line with arguments of at least double precision."""
        if all(np.dtype(dtype_of(leaf)).itemsize >= 8 for leaf in tree_leaves(self.args)):
            return self

        def widened(x: Array) -> Array:
            x = np.asarray(x)
            return x.astype(np.result_type(x.dtype, np.float64))[()]

        return attrs.evolve(self, args=tree_map(widened, self.args))

    def restricted(self, place: int, index: tuple[int, ...] | None = None) -> Line:
        """Restrict the line to one leaf, or one element of it, that moves alone."""
        return attrs.evolve(self, x_dot=only(self.x_dot, place, index))

    def entry(self, place: int, index: tuple[int, ...], out_place: int, out_index: tuple[int, ...]) -> Line:
        """Make the line whose derivative is one entry of the Jacobian: of one element by one that moves."""
        x_dot, y_bar = unit(self.x_dot, place, index), unit(self.y_bar, out_place, out_index)
        return attrs.evolve(self, x_dot=x_dot, y_bar=y_bar)

    @functools.cached_property
    def magnitude(self) -> float:
        """The largest numbers that must be expected in g, to which rounding errors are relative."""
        return total(self.y_bar) * max(1.0, largest(self.args, self.f(*self.args)))

    @property
    def is_real(self) -> bool:
        """Whether all arguments and results are real."""
        leaves = tree_leaves((self.args, self.y_bar))
        return all(np.dtype(dtype_of(leaf)).kind == "f" for leaf in leaves)

    def _moved(self, t: float) -> tuple[Tree, ...]:
        moved: tuple[Tree, ...] = tree_map(
            lambda x, d: (np.asarray(x) + np.asarray(d).dtype.type(t) * d)[()], self.args, self.x_dot
        )
        return moved


class NotAnalyticError(Exception):
    """Why there is no complex step along a line."""


@attrs.frozen
class Reference:
    """A derivative from values, and how near to it another must be.

    Attributes:
        value: the derivative.
        relative: the tolerance relative to the larger of two numbers.
        floor: the absolute error that its rounding may have.
        method: how it was found, in words.
    """

    value: float
    relative: float
    floor: float
    method: str

    def agrees(self, other: float) -> bool:
        """Return whether another number is the same derivative; NaN is not."""
        error = abs(other - self.value)
        return bool(error <= self.relative * max(abs(other), abs(self.value)) + self.floor)


def reference(line: Line, accuracy: Accuracy, method: Method = "auto", tolerance: float | None = None) -> Reference:
    """Compute the derivative of g at 0, by a complex step where f is analytic, else by central differences.

    Raises:
        ArgumentError: with `method="complex"`, an f that is not analytic.
    """
    if method != "central":
        try:
            return _by_complex_step(line, accuracy, tolerance)
        except Exception as error:  # whatever f raises on complex numbers says that it does not take them
            if method == "complex":
                why = str(error) if isinstance(error, NotAnalyticError) else f"it raised {error!r}"
                raise ArgumentError(
                    f"check_grads: f must be analytic, with real arguments and results, for method='complex'; "
                    f"got one that is not: {why}. Use method='central'."
                ) from error
    return by_central_differences(line, accuracy, tolerance=tolerance)


def by_central_differences(
    line: Line, accuracy: Accuracy, *, step: float | None = None, tolerance: float | None = None
) -> Reference:
    """Differences at h and 2h, combined such that the error is of order h^4."""
    h = step or accuracy.step
    near, far = _slope(line, h), _slope(line, 2 * h)
    relative = tolerance or accuracy.difference
    # What is left of the error that the combination takes away: for a derivative that is zero, say.
    truncation = min(relative, abs(near - far) / 2)
    rounding = ROUNDING * accuracy.eps / h * line.magnitude
    return Reference((4 * near - far) / 3, relative, truncation + rounding, f"by central differences, step {h:.3g}")


def one_sided(line: Line, h: float) -> tuple[float, float]:
    """Compute the derivatives from the left and from the right, with an error of order h^2."""
    middle = line.at(0.0)

    def side(h: float) -> float:
        return (4 * line.at(h) - line.at(2 * h) - 3 * middle) / (2 * h)

    return side(-h), side(h)


def _slope(line: Line, h: float) -> float:
    return (line.at(h) - line.at(-h)) / (2 * h)


def _by_complex_step(line: Line, accuracy: Accuracy, tolerance: float | None) -> Reference:
    """Compute the imaginary part of g(ih) / h, after a check that g is analytic.

    Source: Squire and Trapp, Using complex variables to estimate derivatives of real functions, 1998.
    """
    if not line.is_real:
        raise NotAnalyticError("there are complex arguments or results")
    double = line.in_double()
    value = double.at_imaginary(COMPLEX_STEP) / COMPLEX_STEP
    _check_analytic(double, value, accuracy.complex_step / 10)
    rounding = ROUNDING_IN_RULES * accuracy.eps * line.magnitude
    if double is not line and not abs(line.at(0.0) - double.at(0.0)) <= rounding:
        raise NotAnalyticError("it has other values in double precision")
    return Reference(value, tolerance or accuracy.complex_step, rounding, "by a complex step")


def _check_analytic(line: Line, value: float, tolerance: float) -> None:
    """Raise unless a complex step is what differences around the point give, the second time with a smaller step."""
    accuracy = ACCURACY[np.dtype(np.float64)]
    for h in (accuracy.step, accuracy.step / 16):
        along, around = _along_and_around(line, h)
        rounding = ROUNDING * accuracy.eps / h * line.magnitude
        # Along the real axis too, because for the conjugate of an analytic function the mean of both axes is 0.
        near = abs(value - along) <= 0.01 * abs(value) + rounding
        if near and abs(value - around) <= tolerance * abs(value) + rounding:
            return
        if not near:
            break
    raise NotAnalyticError(
        f"a complex step gives {value:.9g}, differences {along:.9g} along the real axis and {around:.9g} around "
        "the point"
    )


def _along_and_around(line: Line, h: float) -> tuple[float, float]:
    """Compute the derivative from points on the real axis, and from points around 0 in the complex plane.

    Differences along both axes at h and at 2h. If g is analytic the terms of order h^2, h^4 and h^6 vanish from
    their mean, and the result is as good as rounding allows; if not, the axes differ, and there is no derivative.
    """
    near, far = _slope(line, h), _slope(line, 2 * h)
    near_mean, far_mean = (near + line.at_imaginary(h) / h) / 2, (far + line.at_imaginary(2 * h) / (2 * h)) / 2
    return (4 * near - far) / 3, (16 * near_mean - far_mean) / 15
