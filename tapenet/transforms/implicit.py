"""Solutions of equations, differentiated by the implicit function theorem: `root` and `fixed_point`.

Where F(x*(a), a) = 0 and A = dF/dx is regular at the solution, A x*_dot + dF/da a_dot = 0: the derivative of the
solution is that of one linear system, however it was found (Blondel et al., Efficient and modular implicit
differentiation, 2022, arXiv:2105.15183, section 2). The solver runs on plain values, and is never recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import check_array_class, checked_count, checked_function, checked_number
from tapenet.core.leaf_checks import described, dtype_of, zeros_of
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, TreeSpec, leaf_paths, tree_flatten, tree_unflatten
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.ops.arrays.shaping import concatenate, ravel, reshape, transpose
from tapenet.ops.elementwise.casting import astype
from tapenet.transforms.calls import check_no_capture, is_differentiable, shown, split_arrays
from tapenet.transforms.custom import JvpRule, custom_jvp, operation
from tapenet.transforms.mapping import vmap
from tapenet.transforms.products import jvp, linearize

Function = Callable[..., Tree]
Root = TypeVar("Root")
Solver = Callable[..., Tree]


def root(
    f: Function,
    x0: Root,
    *args: Any,
    tolerance: float | None = None,
    max_steps: int = 50,
    solver: Solver | None = None,
) -> Root:
    """Solve f(x, *args) = 0 for x; the derivative is that of the solution by args.

    Args:
        f: `f(x, *args)`, of pytrees, gives the structure and shapes of x; written with functions of NumPy or
            tapenet, and differentiable at the solution, with a regular Jacobian by x.
        x0: where to begin; a pytree of real floating arrays. The solution does not depend on it.
        args: what the solution depends on; pytrees of anything.
        tolerance: on the largest step, relative to max(1, largest element of x); eps ** (2/3) by default. With a
            `solver` it is on max abs(f(x)), and checked where it is given.
        max_steps: of Newton's method, which solves by the dense Jacobian.
        solver: `solver(f, x0, *args) -> x`, of plain values, in place of Newton's method.

    Returns:
        The solution, of the structure of x0. Its derivatives, of any order and in both modes, solve dense linear
        systems of the size of x, and do not see the solver. Under `vmap` the solver runs for one example after the
        other.

    Raises:
        ConvergenceError: no convergence in `max_steps`; a singular Jacobian in a step; values that are not finite.
        ArgumentTypeError: an x0 that is not real and floating.
        ArgumentError: an f of another structure or shape than x0; an f that uses a Tensor that is not an argument.

    >>> tn.grad(lambda a: root(lambda x, a: x**2 - a, 1.0, a))(4.0).round(6)
    np.float64(0.25)
    """
    solution: Root = _Problem.of("root", f, x0, tolerance, max_steps, solver).solution(x0, args)
    return solution


def fixed_point(
    f: Function,
    x0: Root,
    *args: Any,
    tolerance: float | None = None,
    max_steps: int = 1000,
    solver: Solver | None = None,
) -> Root:
    """Solve x = f(x, *args) for x by plain iteration; the derivative is that of the solution by args.

    Args:
        f, x0, args: as for `root`, with f(x, *args) - x in place of f(x, *args).
        tolerance: on the largest change of x by a step, relative to max(1, largest element of x); eps ** (2/3) by
            default. With a `solver` it is checked where it is given.
        max_steps: how often x = f(x, *args) is repeated.
        solver: `solver(f, x0, *args) -> x`, of plain values, in place of the iteration.

    Returns, Raises:
        As `root`.

    >>> y = fixed_point(np.cos, 1.0)
    >>> bool(abs(np.cos(y) - y) < 1e-10)
    True
    >>> tn.grad(lambda a: fixed_point(lambda x, a: a / 2 + x / 2, 0.0, a))(3.0).round(6)
    np.float64(1.0)
    """
    solution: Root = _Problem.of("fixed_point", f, x0, tolerance, max_steps, solver).solution(x0, args)
    return solution


# ---- pytrees as vectors ----


@attrs.frozen(eq=False)
class _Layout:
    """How a pytree of real arrays lies in one vector."""

    spec: TreeSpec
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Any, ...]
    dtype: Any

    @classmethod
    def of(cls, function: str, x0: Tree) -> _Layout:
        leaves, spec = tree_flatten(x0)
        for i, leaf in enumerate(leaves):
            if type(leaf) is not np.ndarray:
                check_array_class(function, leaf_paths(x0, "x0")[i], leaf)
            dtype = dtype_of(leaf)
            if dtype is None or dtype.kind != "f":
                raise ArgumentTypeError(
                    f"{function}: {leaf_paths(x0, 'x0')[i]} must be real and floating; got {described(leaf)}."
                )
        dtypes = tuple(np.dtype(dtype_of(leaf)) for leaf in leaves)
        dtype = np.result_type(*dtypes) if dtypes else np.dtype(float)
        return cls(spec, tuple(np.shape(leaf) for leaf in leaves), dtypes, dtype)

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def vector(self, leaves: Sequence[Array]) -> Array:
        if not leaves:
            return np.zeros(0)
        parts = [ravel(x if hasattr(x, "shape") else np.asarray(x)) for x in leaves]
        return astype(concatenate(parts), self.dtype)

    def leaves(self, vector: Array) -> list[Array]:
        """Return the leaves of a vector; of shape () as scalars."""
        found = []
        start = 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            stop = start + int(np.prod(shape))
            found.append(astype(reshape(vector[start:stop], shape), dtype)[()])
            start = stop
        return found

    def tree(self, vector: Array) -> Tree:
        return tree_unflatten(self.spec, self.leaves(vector))


def _largest(x: Array) -> float:
    return float(np.max(np.abs(x), initial=0.0))


# ---- problems ----


@attrs.frozen(eq=False)
class _Problem:
    """An equation, and how it is solved."""

    name: str
    f: Function
    layout: _Layout
    tolerance: float | None
    max_steps: int
    solver: Solver | None

    @classmethod
    def of(
        cls, name: str, f: Function, x0: Tree, tolerance: float | None, max_steps: int, solver: Solver | None
    ) -> _Problem:
        """Check what a user gave, and return the problem."""
        checked_function(name, "f", f)
        if tolerance is not None:
            tolerance = checked_number(name, "tolerance", tolerance, "[0, inf)")
        if solver is not None:
            checked_function(name, "solver", solver)
        return cls(name, f, _Layout.of(name, x0), tolerance, checked_count(name, "max_steps", max_steps), solver)

    @property
    def bound(self) -> float:
        # Newton's next step is about the square of the last: behind one of this size the error is below eps.
        return float(np.finfo(self.layout.dtype).eps) ** (2 / 3) if self.tolerance is None else self.tolerance

    def solution(self, x0: Tree, args: tuple[Any, ...]) -> Tree:
        """Return the solution, on the tapes of the arguments."""
        if self.layout.size == 0:
            return x0
        arrays, structure = split_arrays(args)

        def solve(*operands: Array) -> Array:
            """Return the solution's vector, from those of x0 and the arguments' arrays."""
            return self.solve(operands[0], structure.filled(operands[1:]))

        start = self.layout.vector(tree_flatten(x0)[0])
        found = attrs.evolve(choice(solve, name=f"{self.name}'s solver"), is_users=True)(start, *arrays)
        return self.layout.tree(self.dependent(found, *args))

    def dependent(self, found: Array, *args: Any) -> Array:
        """Return a solution that was found, as a function of the arguments."""
        rule = JvpRule(self.name, _first, self.rule, maps=True)
        x: Array = operation(_first, rule.primitive(), (custom_jvp, _first, self.rule, {}))(found, *args)
        return x

    def rule(self, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
        """Return the derivative of the solution: A x_dot = -dF/da a_dot."""
        found, *args = primals
        x = self.dependent(found, *args)  # so that the derivative is differentiable itself
        arrays, structure = split_arrays(tuple(args))
        dots, _ = split_arrays(tuple(tangents[1:]))
        places = [i for i, array in enumerate(arrays) if is_differentiable(array)]

        def by_args(*values: Array) -> Array:
            replaced = dict(zip(places, values, strict=True))
            return self.equation(x, structure.filled([replaced.get(i, array) for i, array in enumerate(arrays)]))

        moved = jvp(by_args, [arrays[i] for i in places], dots)[1] if places else zeros_of(x)
        return x, -np.linalg.solve(self.jacobian(x, tuple(args)), moved)

    # ---- the equation ----

    def step(self, x: Array, args: tuple[Any, ...]) -> Array:
        """Evaluate f, from vector to vector."""
        y = self.f(self.layout.tree(x), *args)
        leaves, spec = tree_flatten(y)
        shapes = tuple(np.shape(leaf) for leaf in leaves)
        if spec != self.layout.spec or shapes != self.layout.shapes:
            raise ArgumentError(
                f"{self.name}: f must return the structure and shapes of x0, {shown(self.layout.spec)} of "
                f"{list(self.layout.shapes)}; got {shown(spec)} of {list(shapes)}."
            )
        return self.layout.vector(leaves)

    def equation(self, x: Array, args: tuple[Any, ...]) -> Array:
        """Evaluate what the solution makes zero."""
        return self.step(x, args) - x if self.name == "fixed_point" else self.step(x, args)

    def jacobian(self, x: Array, args: tuple[Any, ...]) -> Array:
        _, pushforward = linearize(lambda x: self.equation(x, args), x)
        return transpose(vmap(pushforward)(np.eye(self.layout.size, dtype=self.layout.dtype)))

    # ---- solvers, on plain values ----

    def solve(self, x0: Array, args: tuple[Any, ...]) -> Array:
        if self.solver is not None:
            return self._by_users_solver(x0, args)
        return self._by_iteration(x0, args) if self.name == "fixed_point" else self._by_newton(x0, args)

    def _by_iteration(self, x: Array, args: tuple[Any, ...]) -> Array:
        change = np.inf
        for count in range(1, self.max_steps + 1):
            y = self._plain_step(x, args)
            change = _largest(y - x)
            self._check_finite(change, count, "a change of x")
            x = y
            if change <= self.bound * max(1.0, _largest(x)):
                return x
        raise self._not_converged(change, "a change of x by", "A smaller step in f, x + h * (f(x) - x), may contract.")

    def _by_newton(self, x: Array, args: tuple[Any, ...]) -> Array:
        change = np.inf
        for count in range(1, self.max_steps + 1):
            value = self._plain_step(x, args)
            self._check_finite(_largest(value), count, "an f(x)")
            try:
                step = np.linalg.solve(self.jacobian(x, args), value)
            except np.linalg.LinAlgError as error:
                raise ConvergenceError(
                    f"{self.name}: the Jacobian of f must be regular; got a singular one at step {count}, where "
                    f"max abs(f(x)) is {_largest(value):.3g}. Begin elsewhere, or pass a solver."
                ) from error
            x = x - step
            change = _largest(step)
            self._check_finite(change, count, "a step")
            if change <= self.bound * max(1.0, _largest(x)):
                return x
        raise self._not_converged(change, "a step of", "Begin nearer to the solution, or pass a solver.")

    def _by_users_solver(self, x0: Array, args: tuple[Any, ...]) -> Array:
        assert self.solver is not None
        found = self.solver(self.f, self.layout.tree(x0), *args)
        leaves, spec = tree_flatten(found)
        check_no_capture(self.name, leaves)
        shapes = tuple(np.shape(leaf) for leaf in leaves)
        if spec != self.layout.spec or shapes != self.layout.shapes:
            raise ArgumentError(
                f"{self.name}: solver must return the structure and shapes of x0, {shown(self.layout.spec)} of "
                f"{list(self.layout.shapes)}; got {shown(spec)} of {list(shapes)}."
            )
        x = self.layout.vector(leaves)
        self._check_finite(_largest(x), None, "an x")
        if self.tolerance is not None:
            self._plain_step(x, args)
            rest = _largest(self.equation(x, args))
            scale = max(1.0, _largest(x)) if self.name == "fixed_point" else 1.0
            if not rest <= self.tolerance * scale:
                what = "f(x) - x" if self.name == "fixed_point" else "f(x)"
                raise ConvergenceError(
                    f"{self.name}: solver must give max abs({what}) within tolerance {self.tolerance:.3g}; "
                    f"got {rest:.3g}."
                )
        return x

    def _plain_step(self, x: Array, args: tuple[Any, ...]) -> Array:
        y = self.step(x, args)
        check_no_capture(self.name, [y])
        return y

    def _check_finite(self, largest: float, count: int | None, what: str) -> None:
        if not np.isfinite(largest):
            where = "from solver" if count is None else f"at step {count} of at most {self.max_steps}"
            raise ConvergenceError(f"{self.name}: x must stay finite; got {what} with NaN or inf {where}.")

    def _not_converged(self, change: float, what: str, advice: str) -> ConvergenceError:
        return ConvergenceError(
            f"{self.name}: x must converge to tolerance {self.bound:.3g} within max_steps={self.max_steps}; "
            f"got {what} {change:.3g} in the last one. {advice}"
        )


def _first(x: Array, *args: Any) -> Array:
    return x
