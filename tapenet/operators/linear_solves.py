"""Solutions of linear equations by Krylov methods: the derivative is that of the solution, by one more solve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import checked_count, checked_number
from tapenet.core.leaf_checks import described, dtype_of
from tapenet.core.packages import import_package
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, tree_leaves
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ArgumentError, ArgumentTypeError, ConvergenceError
from tapenet.operators.operator import LinearOperator, as_operator
from tapenet.operators.tangents import cotangent_of, tangent_of
from tapenet.transforms.calls import check_no_capture
from tapenet.transforms.custom import custom_vjp

Solve = Callable[[LinearOperator, Array], Array]  # of a plain operator and a plain vector


# ---- the implicit derivative ----


def implicit_solution(
    solve: Solve, a: LinearOperator, b: Array, solve_transposed: Solve | None = None, *, name: str = "linear_solve"
) -> Array:
    """Return the vector x with A x = b, by `solve` on plain values, differentiable by the operator and by b.

    x_dot = A^-1 (b_dot - A_dot x), and backward with y = A^-T x_bar: b_bar = y, and A_bar that of -y^T A x. Each is one
    more solve, so that derivatives of any order follow.

    Args:
        solve: finds x; called with A and a vector, neither on a tape.
        a: square, and regular.
        b: a vector.
        solve_transposed: the same for the transpose; `solve` by default.
        name: of the operation that is recorded, for errors and listings.
    """

    def found(a: LinearOperator, b: Array) -> Array:
        return solve(a, b)

    def forward(a: LinearOperator, b: Array) -> tuple[Array, Any]:
        x = solution(a, b)
        return x, (a, x)

    def backward(residuals: Any, x_bar: Array) -> tuple[Any, Array]:
        a, x = residuals
        y = implicit_solution(solve_transposed or solve, a.T, x_bar, solve, name=name)
        return pulled_to(a, [(x, -y)]), y

    def pushed(primals: Any, tangents: Any) -> tuple[Array, Array]:
        a, b = primals
        x = solution(a, b)
        return x, solution(a, tangents[1] - moved(a, tangents[0], x))

    solution = named_rule(name, found, forward, backward, pushed)
    solved: Array = solution(a, b)
    return solved


def named_rule(
    name: str,
    found: Callable[..., Any],
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], tuple[Any, ...]],
    pushed: Callable[[Any, Any], tuple[Any, Any]],
) -> Callable[..., Any]:
    """Return a function with rules for both modes, which is recorded by a name."""
    found.__name__ = name
    return custom_vjp(found, forward, backward, jvp=pushed)


def pulled_to(a: LinearOperator, pairs: Sequence[tuple[Array, Array]]) -> Any:
    """Return the cotangent of an operator, of the sum over pairs (v, u) of u^T A v."""
    return cotangent_of(lambda a: tuple(a.matvec(v) for v, _ in pairs), a, tuple(u for _, u in pairs))


def moved(a: LinearOperator, a_dot: Any, v: Array) -> Array:
    """Return A_dot v: the product of the derivative of an operator along a tangent with a vector."""
    return tangent_of(lambda a: a.matvec(v), a, a_dot)


# ---- solvers ----


def krylov_solve(name: str, method: str, tolerance: float, max_steps: int | None, preconditioner: Any) -> Solve:
    """Return a solver of SciPy's as a function of plain values that raises where it did not converge."""
    linalg = import_package("scipy.sparse.linalg", f"operators.{name}", "scipy")

    def solve(a: LinearOperator, b: Array) -> Array:
        options = {} if preconditioner is None else {"M": _as_preconditioner(name, preconditioner, a)}
        size = float(np.linalg.norm(b))
        if size == 0 or not np.isfinite(size):
            return b * 0.0
        within = max(tolerance, _ATTAINABLE * float(np.finfo(b.dtype).eps))
        limits = {"rtol": within, "maxiter": max_steps}
        if method == "gmres":
            # As many vectors as fit: SciPy counts restarts, not steps.
            steps = max_steps or 10 * len(b)
            limits |= {"restart": min(len(b), steps, 100), "maxiter": -(-steps // min(len(b), steps, 100))}
        with np.errstate(all="ignore"):  # a method that fails divides by zero; what it gives is looked at
            x, code = getattr(linalg, method)(plain_operator(name, a), b, **limits, **options)
        rest = float(np.linalg.norm(np.asarray(a.matvec(x)) - b))
        if code != 0 or not rest <= max(_SLACK * tolerance, 100 * within) * size:
            raise ConvergenceError(
                f"{name}: x must converge to tolerance {within:.3g} within max_steps={max_steps or 10 * len(b)}; "
                f"got |a x - b| = {rest:.3g}, with |b| = {size:.3g}. Pass a preconditioner, a larger tolerance or more "
                f"steps{_ADVICE[method]}."
            )
        return np.asarray(x)

    return solve


_ATTAINABLE = 10  # times the spacing of 1: below that rounding decides, in single precision far above 1e-10
_SLACK = 1e3  # methods bound their own estimate of the residual, which rounding parts from the true one
_ADVICE = {
    "cg": ", or take gmres where a is not symmetric and positive definite",
    "minres": ", or take gmres where a is not symmetric",
    "gmres": "",
}


def plain_operator(name: str, a: LinearOperator) -> Any:
    """Return an operator as SciPy's, of values that must not be on a tape."""
    linalg = import_package("scipy.sparse.linalg", f"operators.{name}", "scipy")
    products = [plain_product(name, product) for product in (a.matvec, a.H.matvec)]
    return linalg.LinearOperator(a.shape, products[0], rmatvec=products[1], dtype=a.dtype)


def plain_product(name: str, product: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return a product with plain vectors, which raises where what it gives is on a tape."""

    def plain(v: Array) -> Array:
        found = product(np.reshape(v, (-1,)))
        check_no_capture(name, [found])
        return np.asarray(found)

    return plain


def _as_preconditioner(name: str, preconditioner: Any, a: LinearOperator) -> Any:
    """Return what approximates the inverse of an operator as SciPy takes it."""
    if isinstance(preconditioner, LinearOperator):
        _check_shape(name, preconditioner, a)
        return plain_operator(name, preconditioner)
    if callable(preconditioner) and not hasattr(preconditioner, "shape"):
        linalg = import_package("scipy.sparse.linalg", f"operators.{name}", "scipy")
        space = a.domain

        def product(v: Array) -> Array:
            answer = preconditioner(space.tree(np.reshape(v, (-1,))))
            return space.vector(tree_leaves(answer))

        return linalg.LinearOperator(a.shape, product, dtype=a.dtype)
    if not hasattr(preconditioner, "shape"):
        raise ArgumentTypeError(
            f"{name}: preconditioner must be an operator, a matrix or a function; got {described(preconditioner):.80}."
        )
    _check_shape(name, preconditioner, a)
    return preconditioner


def _check_shape(name: str, preconditioner: Any, a: LinearOperator) -> None:
    if preconditioner.shape != a.shape:
        raise ArgumentError(f"{name}: preconditioner must have the shape of a, {a.shape}; got {preconditioner.shape}.")


def solved(name: str, a: Any, b: Tree, tolerance: float, max_steps: int | None, preconditioner: Any) -> Tree:
    """Check the arguments of a solver, solve, and return x in the structure of what the operator maps from."""
    operator = as_operator(name, a, square=True)
    tolerance = float(checked_number(name, "tolerance", tolerance, "(0, 1)"))
    if max_steps is not None:
        checked_count(name, "max_steps", max_steps)
    vector, is_flat = right_side(name, b, operator)
    transposed = getattr(preconditioner, "T", preconditioner)
    solves = [krylov_solve(name, name, tolerance, max_steps, own) for own in (preconditioner, transposed)]
    x = implicit_solution(solves[0], operator, vector, solves[1], name=name)
    return x if is_flat else operator.domain.tree(x)


def right_side(name: str, b: Tree, a: LinearOperator) -> tuple[Array, bool]:
    """Return b as a vector, and whether it was one."""
    space = a.codomain
    if space.holds(b):
        _check_kinds(name, b)
        return space.vector(tree_leaves(b)), False
    array = resolve(b) if type(b) is Tensor else b
    if type(array) in (np.ndarray, Tensor) and array.shape == (space.size,):
        _check_kinds(name, array)
        dtype = np.result_type(a.dtype, array.dtype)
        return (array if array.dtype == dtype else array.astype(dtype)), True
    raise ArgumentError(
        f"{name}: b must have the structure and shapes {list(space.shapes)}, or be a vector of {space.size} elements; "
        f"got {described(b):.80}."
    )


def _check_kinds(name: str, b: Tree) -> None:
    for leaf in tree_leaves(b):
        dtype = dtype_of(leaf)
        if dtype is None or dtype.kind not in "biufc":
            raise ArgumentTypeError(f"{name}: b must be numeric; got {described(leaf):.80}.")


def cg(a: Any, b: Tree, *, tolerance: float = 1e-10, max_steps: int | None = None, preconditioner: Any = None) -> Tree:
    """Solve A x = b by conjugate gradients, for a symmetric (Hermitian) positive definite A.

    Args:
        a: a `LinearOperator`, a matrix, or a sparse matrix (by which nothing is differentiated).
        b: a pytree of the structure that A maps to, or a vector.
        tolerance: on |A x - b|, relative to |b|; at least 10 times the spacing of numbers at 1, as of single precision.
        max_steps: how many products at most; 10 times the size by default.
        preconditioner: what approximates A^-1: an operator, a matrix, or a function of pytrees. It does not change
            the solution, nor its derivative.

    Returns:
        x, of the structure that A maps from; a vector where b is one. Its derivatives by b, and by what the operator
        was made of, are those of the solution, in both modes and of any order: each is one more solve. Under `vmap` one
        solve follows the other.

    Raises:
        ConvergenceError: no convergence in `max_steps`.
        ArgumentError: an A that is not square; a b of another structure or size; an operator whose function captures a
            Tensor: pass that to `linear_operator` as an argument.
        ArgumentTypeError: an A that is neither an operator nor a matrix.
        MissingPackageError: SciPy is not installed.

    Source: Hestenes and Stiefel, 1952; SciPy's implementation.

    >>> A = tn.linear_operator(lambda x: (x**4).sum() / 12, np.array([1.0, 2.0]), kind="hessian")
    >>> cg(A, np.array([1.0, 8.0])).round(6)
    array([1., 2.])
    """
    return solved("cg", a, b, tolerance, max_steps, preconditioner)


def minres(
    a: Any, b: Tree, *, tolerance: float = 1e-10, max_steps: int | None = None, preconditioner: Any = None
) -> Tree:
    """Solve A x = b by minimal residuals, for a symmetric A that need not be positive definite.

    Args, Returns, Raises: as `cg`; the preconditioner must be positive definite, and A real.

    Source: Paige and Saunders, 1975; SciPy's implementation.

    >>> minres(np.array([[0.0, 2.0], [2.0, 1.0]]), np.array([4.0, 3.0])).round(6)
    array([0.5, 2. ])
    """
    if as_operator("minres", a).dtype.kind == "c":
        raise ArgumentTypeError("minres: a must be real; got complex numbers. Take gmres.")
    return solved("minres", a, b, tolerance, max_steps, preconditioner)


def gmres(
    a: Any, b: Tree, *, tolerance: float = 1e-10, max_steps: int | None = None, preconditioner: Any = None
) -> Tree:
    """Solve A x = b by generalized minimal residuals, for any regular A.

    Args, Returns, Raises: as `cg`. It holds up to 100 vectors, and begins again from the solution so far. Derivatives
        in reverse mode solve with the transpose, and that of the preconditioner; one that is a function serves both.

    Source: Saad and Schultz, 1986; SciPy's implementation.

    >>> gmres(np.array([[1.0, 2.0], [0.0, 4.0]]), np.array([5.0, 8.0])).round(6)
    array([1., 2.])
    """
    return solved("gmres", a, b, tolerance, max_steps, preconditioner)


# ---- least squares ----


def lsqr(a: Any, b: Tree, *, tolerance: float = 1e-10, max_steps: int | None = None) -> Tree:
    """Find the x of least norm that minimizes |A x - b|, for an A of any shape and rank: x = A^+ b.

    Args:
        a, b: as for `cg`; A need not be square.
        tolerance: of the residual or its gradient, relative to their scales.
        max_steps: how many steps at most; 4 times the larger size, and at least 100, by default.

    Returns:
        x, as `cg`. Its derivatives are those of A^+ b at fixed rank, by lsqr too.

    Raises:
        ConvergenceError, ArgumentError, ArgumentTypeError, MissingPackageError: as `cg`.

    Source: Paige and Saunders, 1982; SciPy's implementation. Derivative: Golub and Pereyra, 1973, "The
    differentiation of pseudo-inverses", equation 4.12.

    >>> lsqr(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])).round(6)
    array([1., 2.])
    """
    operator = as_operator("lsqr", a)
    tolerance = float(checked_number("lsqr", "tolerance", tolerance, "(0, 1)"))
    if max_steps is not None:
        checked_count("lsqr", "max_steps", max_steps)
    if operator.dtype.kind == "c":
        raise ArgumentTypeError("lsqr: a must be real; got complex numbers. Write the real and imaginary parts apart.")
    vector, is_flat = right_side("lsqr", b, operator)
    x = _least_squares(_lsqr_solve(tolerance, max_steps), operator, vector)
    return x if is_flat and not operator.domain.is_vector else operator.domain.tree(x)


def _lsqr_solve(tolerance: float, max_steps: int | None) -> Solve:
    linalg = import_package("scipy.sparse.linalg", "operators.lsqr", "scipy")

    def solve(a: LinearOperator, b: Array) -> Array:
        steps = max_steps or max(100, 4 * max(a.shape))
        if not b.any():
            return np.zeros(a.shape[1], a.dtype)
        x, code, count, rest = linalg.lsqr(
            plain_operator("lsqr", a), b, atol=tolerance, btol=tolerance, conlim=0, iter_lim=steps
        )[:4]
        if code == 7 or not np.isfinite(rest):
            raise ConvergenceError(
                f"lsqr: x must converge to tolerance {tolerance:.3g} within max_steps={steps}; got |a x - b| = "
                f"{rest:.3g} after {count} steps. Pass a larger tolerance or more steps."
            )
        return np.asarray(x, a.dtype)

    return solve


def _least_squares(solve: Solve, a: LinearOperator, b: Array) -> Array:
    """Return A^+ b, differentiable at fixed rank.

    x_dot = A^+ (b_dot - A_dot x) + A^+ A^+T A_dot^T (b - A x) + (1 - A^+ A) A_dot^T A^+T x.
    """

    def found(a: LinearOperator, b: Array) -> Array:
        return solve(a, b)

    def forward(a: LinearOperator, b: Array) -> tuple[Array, Any]:
        x = solution(a, b)
        return x, (a, b, x)

    def backward(residuals: Any, x_bar: Array) -> tuple[Any, Array]:
        a, b, x = residuals
        y = solution(a.T, x_bar)
        z, w = solution(a, y), solution(a.T, x)
        rest = x_bar - solution(a, a.matvec(x_bar))
        return pulled_to(a, [(x, -y), (z, b - a.matvec(x)), (rest, w)]), y

    def pushed(primals: Any, tangents: Any) -> tuple[Array, Array]:
        a, b = primals
        a_dot, b_dot = tangents
        x = solution(a, b)
        first = solution(a, b_dot - moved(a, a_dot, x))
        second = solution(a, solution(a.T, moved(a.T, _transposed(a, a_dot), b - a.matvec(x))))
        third = moved(a.T, _transposed(a, a_dot), solution(a.T, x))
        return x, first + second + third - solution(a, a.matvec(third))

    solution = named_rule("lsqr", found, forward, backward, pushed)
    least: Array = solution(a, b)
    return least


def _transposed(a: LinearOperator, a_dot: Any) -> Any:
    """Return the tangent of the transpose of an operator."""
    if type(a.T) is type(a):
        return a_dot
    return a_dot.T
