"""Gradients of functions: `grad` and what is made of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tapenet.batching import elementwise_rule
from tapenet.errors import ArgumentError
from tapenet.leaves import check_scalar
from tapenet.plain import plain
from tapenet.tensor import read_only
from tapenet.transforms.products import jvp
from tapenet.transforms.recording import Argnums, by_argnums, ones_for, positions_of, record
from tapenet.tree import Tree, tree_leaves, tree_map


def _gradient_of(
    function: str, f: Callable[..., Any], argnums: Argnums, has_aux: bool, args: tuple[Any, ...], kwargs: Any
) -> tuple[Tree, Tree, Tree]:
    """The value of `f`, its gradient and aux."""
    positions = positions_of(function, argnums, len(args))
    recording = record(function, f, args, kwargs, positions, has_aux)
    check_scalar(
        function, tree_leaves(recording.y), "For other outputs use tn.vjp or tn.jacobian, or sum it first: y.sum()."
    )
    gradients = recording.pull(ones_for(recording.y))
    return recording.value, by_argnums(argnums, gradients), recording.aux


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the function of f's value and its gradient.

    Args:
        f: returns a real floating scalar, or with `has_aux` a pair of that and anything else.
        argnums: the position of the argument to differentiate by, a pytree of float or complex arrays, or
            a tuple of positions.
        has_aux: whether f returns a pair (y, aux).

    Returns:
        A function of f's arguments that returns `(y, gradient)`, or `((y, aux), gradient)`; the gradient
        has the structure, shapes and dtypes of the argument, or is a tuple of such for a tuple of positions.
        An argument that y does not depend on has gradient zero.

    Raises:
        ArgumentTypeError: a leaf that is not float or complex; a y that is not floating.
        ArgumentError: a y that is not a scalar; a position that there is no argument for.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """

    @_like(f)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        y, gradient, aux = _gradient_of("value_and_grad", f, argnums, has_aux, args, kwargs)
        return ((y, aux), gradient) if has_aux else (y, gradient)

    return with_gradient


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the function of f's gradient.

    For a holomorphic f, `grad(lambda z: f(z).real)` is its complex derivative f'.

    Args:
        f, argnums, has_aux: as for `value_and_grad`.

    Returns:
        A function of f's arguments that returns the gradient, or with `has_aux` `(gradient, aux)`.

    Raises:
        ArgumentTypeError, ArgumentError: as for `value_and_grad`.

    >>> grad(lambda x: x * x)(3.0)
    np.float64(6.0)
    """

    @_like(f)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        _, gradient, aux = _gradient_of("grad", f, argnums, has_aux, args, kwargs)
        return (gradient, aux) if has_aux else gradient

    return gradient_of


def elementwise_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the function of the sum of f's columns: for an f that works element by element, its derivative.

    It is the vector-Jacobian product of f with a cotangent of ones: dy_i / dx_i where y_i depends on x_i alone.

    Args:
        f, argnums, has_aux: as for `grad`, but f returns an array of any shape.

    Raises:
        ArgumentError, ArgumentTypeError: as for `grad`; a y that is not one array of floats.

    >>> elementwise_grad(lambda x: x**2)(np.array([1.0, 2.0]))
    array([2., 4.])
    """

    @_like(f)
    def derivative_of(*args: Any, **kwargs: Any) -> Any:
        positions = positions_of("elementwise_grad", argnums, len(args))
        recording = record("elementwise_grad", f, args, kwargs, positions, has_aux)
        leaves = tree_leaves(recording.y)
        if len(leaves) != 1:
            raise ArgumentError(f"elementwise_grad: y must be one array; got a pytree of {len(leaves)} leaves.")
        cotangents = ones_for(recording.y)
        check_scalar("elementwise_grad", [x.ravel()[0] if x.size else x.sum() for x in cotangents])
        gradients = recording.pull(cotangents)
        gradient = by_argnums(argnums, gradients)
        return (gradient, recording.aux) if has_aux else gradient

    return derivative_of


def hvp(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Make the function of the Hessian-vector product: H(x) v, without the Hessian.

    The gradient is recorded, and differentiated forward along v: a small constant times the cost of f.

    Args:
        f: returns a real floating scalar.
        argnums: the position of the argument x, a pytree.

    Returns:
        A function `(*arguments of f, v) -> H v`; v and the result have the structure of x.

    >>> hvp(lambda x: x**3)(2.0, 1.0)
    np.float64(12.0)
    """

    def product(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise ArgumentError(f"hvp: there must be the arguments of f and a vector; got {len(args)} arguments.")
        *arguments, v = args
        (position,) = positions_of("hvp", argnums, len(arguments))

        def gradient_by(x: Any) -> Any:
            return grad(f, position)(*arguments[:position], x, *arguments[position + 1 :], **kwargs)

        return jvp(gradient_by, (arguments[position],), (v,))[1]

    return product


_constant = plain(read_only, name="stop_gradient", batch=elementwise_rule)


def stop_gradient(x: Tree) -> Tree:
    """The values of x as constants: arrays that no tape knows.

    Args:
        x: a pytree of anything.

    Returns:
        The same structure, with each Tensor replaced by its plain array, read-only, or scalar.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(_constant, x)


def _like(f: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return functools.wraps(f) if hasattr(f, "__name__") else lambda function: function
