"""Curvature of losses of models: Gauss-Newton and Fisher operators, which are positive semidefinite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from tapenet.core.argument_checks import checked_function
from tapenet.core.leaf_checks import check_scalar
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, static_field, tree_leaves
from tapenet.errors import ArgumentTypeError
from tapenet.operators.operator import Derivative, LinearOperator
from tapenet.operators.spaces import Space


@attrs.frozen(eq=False, repr=False, slots=False)
class GaussNewton(LinearOperator):
    """J^T H J, with J the Jacobian of a model and H the Hessian of a loss of its outputs; see `gauss_newton`."""

    model: Derivative
    loss: Callable[[Any], Any] | None = static_field()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "kept"}  # a recording is made again

    @property
    def domain(self) -> Space:
        return self.model.domain

    @property
    def codomain(self) -> Space:
        return self.model.domain

    @property
    def is_symmetric(self) -> bool:
        return True

    @property
    def of_loss(self) -> LinearOperator:
        """The Hessian of the loss by the outputs."""
        kept: Derivative | None = self.__dict__.get("kept")
        if kept is None:
            assert self.loss is not None
            kept = Derivative(self.model.recording.value, (), self.loss, "hessian")
            self.__dict__["kept"] = kept
        return kept

    def matvec(self, v: Array) -> Array:
        pushed = self.model.matvec(v)
        return self.model.rmatvec(pushed if self.loss is None else self.of_loss.matvec(pushed))

    def rmatvec(self, u: Array) -> Array:
        return self.matvec(u)


def gauss_newton(f: Callable[..., Any], loss: Callable[[Any], Any] | None = None) -> Callable[..., LinearOperator]:
    """Make the function of the Gauss-Newton operator J^T H J of loss(f(x)): its Hessian without the curvature of f.

    J is the Jacobian of f by x, H the Hessian of the loss by f's outputs. For a convex loss it is positive
    semidefinite, where the Hessian need not be. For a loss that is the negative logarithm of a likelihood in
    natural parameters, such as cross-entropy of logits and squares of means, it is the Fisher information.

    Args:
        f: `f(x, *args)`, a model: pytrees of real arrays from and to.
        loss: from outputs of f to a scalar, such as `lambda logits: tn.nn.cross_entropy(logits, labels)`; half the
            sum of squares by default, so that the operator is J^T J.

    Returns:
        A function `(x, *args) -> LinearOperator`: symmetric, from pytrees like x to such. f runs once; each product
        is a walk forward, one along the loss, and a walk backward.

    Raises:
        ArgumentTypeError: complex x; what is not a function.
        ArgumentError: a loss that is not a scalar.

    Source: Schraudolph, 2002, "Fast curvature matrix-vector products for second-order gradient descent".

    >>> G = gauss_newton(lambda x: x**2)(np.array([1.0, 3.0]))
    >>> G @ np.ones(2)
    array([ 4., 36.])
    """
    checked_function("gauss_newton", "f", f)
    if loss is not None:
        checked_function("gauss_newton", "loss", loss)

    def operator(x: Tree, *args: Any) -> LinearOperator:
        return _made("gauss_newton", f, loss, x, args)

    return operator


def fisher(log_likelihoods: Callable[..., Any]) -> Callable[..., LinearOperator]:
    """Make the function of the empirical Fisher information: the sum over examples of g g^T, g the score of each.

    Args:
        log_likelihoods: `f(x, *args)`, the logarithm of the likelihood of each example, an array.

    Returns:
        A function `(x, *args) -> LinearOperator`, symmetric and positive semidefinite. Divide by the number of examples
        for the mean. `gauss_newton` with the negative logarithm of a likelihood gives the expected information.

    Raises:
        ArgumentTypeError: complex x; what is not a function.

    >>> F = fisher(lambda mean, data: -((data - mean) ** 2) / 2)(0.0, np.array([1.0, -2.0]))
    >>> F @ 1.0
    np.float64(5.0)
    """
    checked_function("fisher", "log_likelihoods", log_likelihoods)

    def operator(x: Tree, *args: Any) -> LinearOperator:
        return _made("fisher", log_likelihoods, None, x, args)

    return operator


def _made(
    function: str, f: Callable[..., Any], loss: Callable[[Any], Any] | None, x: Tree, args: tuple[Any, ...]
) -> LinearOperator:
    if Space.checked(function, "x", x).dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: x must be real; got complex numbers.")
    made = GaussNewton(Derivative(x, args, f, "jacobian"), loss)
    y = made.model.recording.value
    if Space.checked(function, "y", y).dtype.kind == "c":
        raise ArgumentTypeError(f"{function}: y must be real; got complex numbers.")
    if loss is not None:
        check_scalar(function, tree_leaves(loss(y)), "Sum it first, y.sum().")
    return made
