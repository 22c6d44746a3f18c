"""Minima found by second derivatives: Newton's method with conjugate gradients, and Levenberg-Marquardt."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_function, checked_number
from tapenet.core.leaf_checks import check_scalar, described, dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, leaf_paths, tree_leaves
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.operators.linear_solves import implicit_solution, named_rule
from tapenet.operators.operator import Derivative, LinearOperator
from tapenet.operators.spaces import Space
from tapenet.operators.tangents import cotangent_of, tangent_of
from tapenet.optim.describing import state_html
from tapenet.transforms.calls import check_no_capture
from tapenet.transforms.gradient import grad, value_and_grad

Function = Callable[..., Any]
Product = Callable[[Array], Array]

_DENSE = 512  # elements up to which a matrix is made: solves by it do not depend on its condition
_LARGEST = 50_000_000  # elements of a Jacobian that is made
_ACCEPTED, _GOOD = 1e-4, 0.75  # shares of the predicted decrease, of a step that is taken, and of one that may grow


class Solution(NamedTuple):
    """What a solver found."""

    x: Any
    """The minimum, of the structure of x0."""
    value: Any
    """Of the function there; half the sum of squares for residuals."""
    steps: int
    """How many steps were tried."""

    def _repr_html_(self) -> str:
        return state_html(self)


def newton_cg(f: Function, x0: Tree, *args: Any, tolerance: float | None = None, max_steps: int = 1000) -> Solution:
    """Find a minimum of f(x, *args) by x: Newton's method within a trust region, by Hessian-vector products.

    Each step minimizes the quadratic model by conjugate gradients, which stop at the edge of the trust region or where
    the curvature is negative, so that f need not be convex, and n x n matrices are not made.

    Args:
        f: `f(x, *args)`, a real scalar, twice differentiable; written with functions of NumPy or tapenet.
        x0: where to begin; a pytree of real floating arrays. The solution does not depend on it.
        args: what else f takes; pytrees of anything.
        tolerance: on the largest element of the gradient, relative to max(1, that at x0); eps ** (2/3) by default.
        max_steps: how many steps at most, with those that are not taken.

    Returns:
        A named tuple `(x, value, steps)`. The derivative of x by args is that of the minimum, -H^-1 d(grad f)/d(args),
        in both modes and of any order; it does not see the solver. Beyond 512 elements it is found by conjugate
        gradients.

    Raises:
        ConvergenceError: no convergence in `max_steps`; values that are not finite at x0.
        ArgumentError: an f that is not a scalar; one that uses a Tensor that is not an argument.
        ArgumentTypeError: an x0 that is not real and floating.

    Source: Steihaug, 1983, "The conjugate gradient method and trust regions in large scale optimization"; Nocedal and
    Wright, 2006, "Numerical Optimization", algorithms 4.1 and 7.2.

    >>> newton_cg(lambda x, a: (x["u"] - a) ** 2 + (x["v"] - 2) ** 4, {"u": 0.0, "v": 1.0}, 3.0).x["u"].round(6)
    np.float64(3.0)
    >>> tn.grad(lambda a: newton_cg(lambda x, a: (x - a**2) ** 2, 0.0, a).x)(3.0).round(6)
    np.float64(6.0)
    """
    problem = _Problem.of("newton_cg", f, x0, args, tolerance, max_steps)
    return problem.solution(f, _newton)


def levenberg_marquardt(
    f: Function, x0: Tree, *args: Any, tolerance: float | None = None, max_steps: int = 1000
) -> Solution:
    """Find x that minimizes half the sum of squares of f(x, *args), by damped Gauss-Newton steps.

    A step p solves (J^T J + m D^2) p = -J^T r, with the damping m grown where a step fails and reduced where it
    succeeds, and D the norms of columns of J.

    Args:
        f: `f(x, *args)`, the residuals: an array or a pytree of arrays, such as a model minus data.
        x0, args, max_steps: as for `newton_cg`.
        tolerance: on the cosine between residuals and columns of J, and on a step relative to x; eps ** (2/3) by
            default. Up to 512 elements of x steps are solved by the matrix J, beyond by conjugate gradients.

    Returns:
        A named tuple `(x, value, steps)`; the value is half the sum of squares. The derivative of x by args is that of
        the minimum, with the whole Hessian and not J^T J alone, as of `newton_cg`.

    Raises:
        ConvergenceError, ArgumentError, ArgumentTypeError: as `newton_cg`.

    Source: Marquardt, 1963; More, 1978, "The Levenberg-Marquardt algorithm: implementation and theory"; damping of
    Nielsen, 1999, "Damping parameter in Marquardt's method".

    >>> t = np.array([0.0, 1.0, 2.0, 3.0])
    >>> start, data = {"a": 1.0, "k": 1.0}, 2 * np.exp(-0.5 * t)
    >>> fit = levenberg_marquardt(lambda p, y: p["a"] * np.exp(-p["k"] * t) - y, start, data)
    >>> fit.x["a"].round(6), fit.x["k"].round(6)
    (np.float64(2.0), np.float64(0.5))
    """
    problem = _Problem.of("levenberg_marquardt", f, x0, args, tolerance, max_steps)

    def half_squares(x: Tree, *args: Any) -> Array:
        return sum(0.5 * np.sum(r * r) for r in tree_leaves(f(x, *args)))

    return problem.solution(half_squares, _marquardt)


# ---- problems ----


@attrs.frozen(eq=False)
class _Problem:
    """What a user asked for, checked."""

    name: str
    f: Function
    x0: Tree
    args: tuple[Any, ...]
    space: Space
    tolerance: float
    max_steps: int

    @classmethod
    def of(
        cls, name: str, f: Function, x0: Tree, args: tuple[Any, ...], tolerance: float | None, max_steps: int
    ) -> _Problem:
        """Check what a user gave."""
        checked_function(name, "f", f)
        space = Space.checked(name, "x0", x0)
        for path, leaf in zip(leaf_paths(x0, "x0"), tree_leaves(x0), strict=True):
            if type(leaf) is Tensor:
                raise ArgumentError(
                    f"{name}: {path} must not be a Tensor, as the solution does not depend on it. Write "
                    "tn.stop_gradient(x0)."
                )
            if dtype_of(leaf).kind != "f":
                raise ArgumentTypeError(f"{name}: {path} must be real and floating; got {described(leaf)}.")
        epsilon = float(np.finfo(space.dtype).eps)
        bound = epsilon ** (2 / 3) if tolerance is None else checked_number(name, "tolerance", tolerance, "(0, 1)")
        return cls(name, f, x0, args, space, float(bound), checked_count(name, "max_steps", max_steps))

    def solution(self, objective: Function, solve: Callable[[_Problem, tuple[Any, ...]], Any]) -> Solution:
        """Return the minimum, differentiable by the arguments.

        Args:
            objective: the scalar whose gradient by x is zero at it.
            solve: finds it for plain arguments, and how many steps it took.
        """
        steps = []

        def found(args: tuple[Any, ...]) -> Array:
            if self.space.size == 0:
                return np.zeros(0)
            x, count = solve(self, args)
            steps.append(count)
            return x

        def gradient(x: Array, args: tuple[Any, ...]) -> Array:
            return self.space.vector(tree_leaves(grad(objective)(self.space.tree(x), *args)))

        def inverse(x: Array, args: tuple[Any, ...], right: Array) -> Array:
            hessian = Derivative(self.space.tree(x), args, objective, "hessian")
            return implicit_solution(self._solve_by_hessian, hessian, right, name=self.name)

        def forward(args: tuple[Any, ...]) -> tuple[Array, Any]:
            x = minimum(args)
            return x, (x, args)

        def backward(residuals: Any, x_bar: Array) -> tuple[Any]:
            x, args = residuals
            return (cotangent_of(lambda args: gradient(x, args), args, -inverse(x, args, x_bar)),)

        def pushed(primals: Any, tangents: Any) -> tuple[Array, Array]:
            (args,) = primals
            x = minimum(args)
            return x, -inverse(x, args, tangent_of(lambda args: gradient(x, args), args, tangents[0]))

        minimum = named_rule(self.name, found, forward, backward, pushed)
        x = self.space.tree(minimum(self.args))
        return Solution(x, objective(x, *self.args), sum(steps))

    def _solve_by_hessian(self, hessian: LinearOperator, right: Array) -> Array:
        """Solve for the derivative at the minimum, where the Hessian is positive definite."""
        if len(right) <= _DENSE:
            try:
                return np.asarray(np.linalg.solve(hessian.to_dense(), right))
            except np.linalg.LinAlgError as error:
                raise ConvergenceError(f"{self.name}: {_SINGULAR}") from error
        x, is_solved = _conjugate_gradients(hessian.matvec, right, 1e-10, 10 * len(right))
        if not is_solved:
            raise ConvergenceError(f"{self.name}: {_SINGULAR}")
        return x

    def plain(self, y: Any) -> Any:
        """Return what f gave for plain arguments; raise where it depends on a Tensor that is not one."""
        check_no_capture(self.name, tree_leaves(y))
        return y

    def start(self) -> Array:
        return np.array(self.space.vector(tree_leaves(self.x0)))

    def not_converged(self, what: str) -> ConvergenceError:
        return ConvergenceError(
            f"{self.name}: x must converge to tolerance {self.tolerance:.3g} within max_steps={self.max_steps}; "
            f"got {what} after the last one. Begin nearer to the minimum, or pass a larger tolerance or more steps."
        )

    def not_finite(self, what: str) -> ConvergenceError:
        return ConvergenceError(f"{self.name}: f must be finite at x0; got {what} with NaN or inf. Begin elsewhere.")


_SINGULAR = (
    "the Hessian must be regular at the minimum to have a derivative; got a singular one. Add a small penalty to f, "
    "such as 1e-6 * sum(x**2)."
)


# ---- Newton's method ----


def _newton(problem: _Problem, args: tuple[Any, ...]) -> tuple[Array, int]:
    """Return the minimum and the number of steps."""
    space = problem.space

    def evaluated(x: Array) -> tuple[float, Array]:
        tree = space.tree(x)
        y = problem.plain(problem.f(tree, *args))
        check_scalar(problem.name, tree_leaves(y), "Sum it first, y.sum().")
        value, gradient = value_and_grad(problem.f)(tree, *args)
        return float(value), space.vector(tree_leaves(gradient))

    x = problem.start()
    value, gradient = evaluated(x)
    if not math.isfinite(value) or not np.isfinite(gradient).all():
        raise problem.not_finite("a value or gradient")
    bound = problem.tolerance * max(1.0, float(np.abs(gradient).max()))
    radius, hessian = max(1.0, float(np.linalg.norm(x))), None
    rounding = 10 * float(np.finfo(space.dtype).eps)
    for count in range(problem.max_steps):
        largest = float(np.abs(gradient).max())
        if largest <= bound:
            return x, count
        hessian = hessian or Derivative(space.tree(x), args, problem.f, "hessian")
        step, decrease = _within(hessian.matvec, gradient, radius)
        with np.errstate(all="ignore"):
            new_value, new_gradient = evaluated(x + step)
        noise = rounding * max(abs(value), 1e-300)
        ratio = (value - new_value + noise) / (decrease + noise)
        length = float(np.linalg.norm(step))
        is_finite = math.isfinite(new_value) and bool(np.isfinite(new_gradient).all())
        if not is_finite or ratio < 0.25:
            radius = 0.25 * length
        elif ratio > _GOOD and length > 0.99 * radius:
            radius *= 2
        if is_finite and ratio > _ACCEPTED:
            x, value, gradient, hessian = x + step, new_value, new_gradient, None
        if radius <= rounding * float(np.linalg.norm(x)):
            break
    if float(np.abs(gradient).max()) <= bound:
        return x, problem.max_steps
    raise problem.not_converged(f"a gradient of up to {np.abs(gradient).max():.3g}")


def _within(product: Product, gradient: Array, radius: float) -> tuple[Array, float]:
    """Minimize g^T p + p^T H p / 2 over |p| <= radius by conjugate gradients; return p and the decrease."""
    size = float(np.linalg.norm(gradient))
    bound = size * min(0.5, math.sqrt(size))  # so that convergence is superlinear
    step, rest, direction = np.zeros_like(gradient), gradient, -gradient
    for _ in range(2 * len(gradient) + 10):
        image = product(direction)
        curvature = float(direction @ image)
        square = float(rest @ rest)
        if curvature <= 0:
            step = step + _to_the_edge(step, direction, radius) * direction
            break
        length = square / curvature
        if np.linalg.norm(step + length * direction) >= radius:
            step = step + _to_the_edge(step, direction, radius) * direction
            break
        step = step + length * direction
        rest = rest + length * image
        if np.linalg.norm(rest) <= bound:
            break
        direction = float(rest @ rest) / square * direction - rest
    return step, -float(gradient @ step + 0.5 * (step @ product(step)))


def _to_the_edge(step: Array, direction: Array, radius: float) -> float:
    """Return the positive t with |step + t direction| = radius."""
    a, b = float(direction @ direction), float(step @ direction)
    c = float(step @ step) - radius**2
    root = math.sqrt(max(b * b - a * c, 0.0))
    return -c / (b + root) if b > 0 else (root - b) / a


def _conjugate_gradients(product: Product, right: Array, tolerance: float, max_steps: int) -> tuple[Array, bool]:
    """Return x with A x = right, and whether it converged."""
    x, rest = np.zeros_like(right), right
    direction, square = rest, float(rest @ rest)
    bound = tolerance**2 * square
    for _ in range(max_steps):
        if square <= bound:
            return x, True
        image = product(direction)
        curvature = float(direction @ image)
        if not curvature > 0:
            return x, False
        x = x + square / curvature * direction
        rest = rest - square / curvature * image
        square, before = float(rest @ rest), square
        direction = rest + square / before * direction
    return x, square <= bound


# ---- Levenberg and Marquardt ----


def _marquardt(problem: _Problem, args: tuple[Any, ...]) -> tuple[Array, int]:
    """Return the minimum and the number of steps."""
    space = problem.space

    def jacobian_at(x: Array) -> Derivative:
        return Derivative(space.tree(x), args, problem.f, "jacobian")

    def residuals_of(jacobian: Derivative) -> Array:
        y = problem.plain(jacobian.recording.value)
        for path, leaf in zip(leaf_paths(y, "y"), tree_leaves(y), strict=True):
            if dtype_of(leaf).kind != "f":
                raise ArgumentTypeError(f"{problem.name}: {path} must be real and floating; got {described(leaf)}.")
        return Space.of(y).vector(tree_leaves(y))

    x = problem.start()
    jacobian = jacobian_at(x)
    residuals = residuals_of(jacobian)
    if not np.isfinite(residuals).all():
        raise problem.not_finite("residuals")
    system = _System.of(jacobian, residuals, None)
    damping, growth = 1e-3, 2.0
    for count in range(problem.max_steps):
        if system.largest_cosine <= problem.tolerance:
            return x, count
        step = system.step(damping)
        if np.linalg.norm(system.scale * step) <= problem.tolerance**1.5 * np.linalg.norm(system.scale * x):
            return x, count
        with np.errstate(all="ignore"):
            new_jacobian = jacobian_at(x + step)
            new_residuals = residuals_of(new_jacobian)
            decrease = 0.5 * float(residuals @ residuals - new_residuals @ new_residuals)
        expected = 0.5 * float(step @ (damping * system.scale**2 * step - system.gradient))
        ratio = decrease / expected if expected > 0 else -1.0
        if math.isfinite(ratio) and ratio > 0:
            x, residuals = x + step, new_residuals
            system = _System.of(new_jacobian, residuals, system.scale)
            damping, growth = damping * max(1 / 3, 1 - (2 * ratio - 1) ** 3), 2.0
        else:
            damping, growth = damping * growth, 2 * growth
        if not damping < 1e300:
            break
    if system.largest_cosine <= problem.tolerance:
        return x, problem.max_steps
    raise problem.not_converged(f"half a sum of squares of {0.5 * float(residuals @ residuals):.3g}")


@attrs.frozen(eq=False)
class _System:
    """The linear least-squares problem of one step.

    Attributes:
        product: with J^T J.
        matrix: J, where it is small enough to be made.
        residuals, gradient: r, and J^T r.
        scale: the largest norms of columns of J so far; ones where J is not made.
    """

    product: Product
    matrix: Array | None
    residuals: Array
    gradient: Array
    scale: Array

    @classmethod
    def of(cls, jacobian: Derivative, residuals: Array, before: Array | None) -> _System:
        """Evaluate the derivative at one point."""
        is_small = jacobian.shape[1] <= _DENSE and math.prod(jacobian.shape) <= _LARGEST
        matrix = np.asarray(jacobian.to_dense()) if is_small else None
        gradient = jacobian.rmatvec(residuals)
        norms = np.linalg.norm(matrix, axis=0) if matrix is not None else np.ones_like(gradient)
        scale = norms if before is None else np.maximum(norms, before)
        scale = np.where(scale > 0, scale, 1.0)
        return cls(lambda v: jacobian.rmatvec(jacobian.matvec(v)), matrix, residuals, gradient, scale)

    @property
    def largest_cosine(self) -> float:
        """The largest cosine between the residuals and a column of J; 0 for residuals of 0."""
        size = float(np.linalg.norm(self.residuals))
        return float(np.max(np.abs(self.gradient) / self.scale)) / size if size else 0.0

    def step(self, damping: float) -> Array:
        """Return the step with a damping."""
        if self.matrix is None:
            found, _ = _conjugate_gradients(
                lambda v: self.product(v) + damping * v, -self.gradient, 1e-8, 4 * len(self.gradient)
            )
            return found
        # By orthogonal factors of (J; sqrt(m) D), whose condition is the root of that of J^T J + m D^2.
        rows = np.concatenate([self.matrix, np.diag(math.sqrt(damping) * self.scale)])
        right = np.concatenate([-self.residuals, np.zeros_like(self.gradient)])
        q, r = np.linalg.qr(rows)
        return np.asarray(np.linalg.solve(r, q.T @ right))
