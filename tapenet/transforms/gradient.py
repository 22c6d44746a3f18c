"""Gradients of functions: `grad`, and transforms that use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeGuard, TypeVar, overload

from tapenet.core.argument_checks import check_transform
from tapenet.core.leaf_checks import advice_on_aux, check_scalar
from tapenet.core.nondifferentiable import constant
from tapenet.core.pytrees import Tree, tree_leaves, tree_map
from tapenet.errors import ArgumentError
from tapenet.transforms.recording import (
    Argnums,
    argument_keys,
    by_argnums,
    gradient_by_leaf,
    is_leaf_of_floats,
    ones_for,
    run_recorded,
)
from tapenet.transforms.transformed import transformed

if TYPE_CHECKING:
    from tapenet.transforms.signatures import (
        Gradient,
        GradientAndAux,
        GradientByBoth,
        GradientBySecond,
        ValueAndGradient,
        ValueAndGradientByBoth,
        ValueAndGradientBySecond,
        ValueAuxAndGradient,
    )

P = ParamSpec("P")  # the parameters of f, without those that come before what it is differentiated by
First = TypeVar("First")
Value = TypeVar("Value")
Aux = TypeVar("Aux")
Same = TypeVar("Same")


def _is_by_leaf(argnums: Argnums, has_aux: bool, args: tuple[Any, ...]) -> TypeGuard[int]:
    """Return whether there is the short way: by one argument, a leaf of floats."""
    return type(argnums) is int and 0 <= argnums < len(args) and not has_aux and is_leaf_of_floats(args[argnums])


def _gradient_of(
    function: str, f: Callable[..., Any], argnums: Argnums, has_aux: bool, args: tuple[Any, ...], kwargs: Any
) -> tuple[Tree, Tree, Tree]:
    """Return the value of `f`, its gradient and aux."""
    if _is_by_leaf(argnums, has_aux, args):
        found = gradient_by_leaf(function, f, argnums, args, kwargs)
        if isinstance(found, tuple):
            return (*found, None)
        recording = found
    else:
        places = argument_keys(function, f, argnums, args, kwargs)
        recording = run_recorded(function, f, args, kwargs, places, has_aux)
    check_scalar(
        function, tree_leaves(recording.y), "For other outputs use tn.vjp or tn.jacobian, or sum it first: y.sum()."
    )
    gradients = recording.vjp(ones_for(recording.y), is_last=True)
    return recording.value, by_argnums(argnums, gradients), recording.aux


@overload
def value_and_grad(  # type: ignore[overload-overlap]  # a literal position says more than the last overloads do
    f: Callable[Concatenate[Any, P], Value], argnums: Literal[0] = 0
) -> ValueAndGradient[P, Value]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[Any, P], tuple[Value, Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> ValueAuxAndGradient[P, Value, Aux]: ...
@overload
def value_and_grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[First, Any, P], Value], argnums: Literal[1]
) -> ValueAndGradientBySecond[First, P, Value]: ...
@overload
def value_and_grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[Any, Any, P], Value], argnums: tuple[Literal[0], Literal[1]]
) -> ValueAndGradientByBoth[P, Value]: ...
@overload
def value_and_grad(f: Callable[P, Any], argnums: Argnums, has_aux: bool = False) -> Callable[P, Any]: ...
@overload
def value_and_grad(f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool) -> Callable[P, Any]: ...
def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the function of f's value and its gradient.

    Args:
        f: returns a real floating scalar, or with `has_aux` a pair of that and anything else.
        argnums: the argument to differentiate by, a pytree of float or complex arrays: its position, its name
            (of a parameter of f, or of the keyword it is given by), or a tuple of these.
        has_aux: whether f returns a pair (y, aux).

    Returns:
        A function of f's arguments that returns `(y, gradient)`, or `((y, aux), gradient)`; the gradient
        has the structure, shapes and dtypes of the argument, or is a tuple of such for a tuple of argnums.
        An argument that y does not depend on has gradient zero.

    Raises:
        ArgumentTypeError: a leaf that is not float or complex; a y that is not floating.
        ArgumentError: a y that is not a scalar; argnums that there is no argument for.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """

    check_transform("value_and_grad", f, has_aux)

    @transformed(value_and_grad, f, argnums, has_aux)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        y, gradient, aux = _gradient_of("value_and_grad", f, argnums, has_aux, args, kwargs)
        return ((y, aux), gradient) if has_aux else (y, gradient)

    return with_gradient


@overload
def grad(f: Callable[Concatenate[Any, P], Any], argnums: Literal[0] = 0) -> Gradient[P]: ...
@overload
def grad(
    f: Callable[Concatenate[Any, P], tuple[Any, Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> GradientAndAux[P, Aux]: ...
@overload
def grad(f: Callable[Concatenate[First, Any, P], Any], argnums: Literal[1]) -> GradientBySecond[First, P]: ...
@overload
def grad(f: Callable[Concatenate[Any, Any, P], Any], argnums: tuple[Literal[0], Literal[1]]) -> GradientByBoth[P]: ...
@overload
def grad(f: Callable[P, Any], argnums: Argnums, has_aux: bool = False) -> Callable[P, Any]: ...
@overload
def grad(f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool) -> Callable[P, Any]: ...
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

    check_transform("grad", f, has_aux)

    @transformed(grad, f, argnums, has_aux)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        _, gradient, aux = _gradient_of("grad", f, argnums, has_aux, args, kwargs)
        return (gradient, aux) if has_aux else gradient

    return gradient_of


@overload
def elementwise_grad(f: Callable[Concatenate[Any, P], Any], argnums: Literal[0] = 0) -> Gradient[P]: ...
@overload
def elementwise_grad(
    f: Callable[Concatenate[Any, P], tuple[Any, Aux]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> GradientAndAux[P, Aux]: ...
@overload
def elementwise_grad(
    f: Callable[Concatenate[First, Any, P], Any], argnums: Literal[1]
) -> GradientBySecond[First, P]: ...
@overload
def elementwise_grad(
    f: Callable[Concatenate[Any, Any, P], Any], argnums: tuple[Literal[0], Literal[1]]
) -> GradientByBoth[P]: ...
@overload
def elementwise_grad(f: Callable[P, Any], argnums: Argnums, has_aux: bool = False) -> Callable[P, Any]: ...
@overload
def elementwise_grad(f: Callable[P, Any], argnums: Argnums = 0, *, has_aux: bool) -> Callable[P, Any]: ...
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

    check_transform("elementwise_grad", f, has_aux)

    @transformed(elementwise_grad, f, argnums, has_aux)
    def derivative_of(*args: Any, **kwargs: Any) -> Any:
        if _is_by_leaf(argnums, has_aux, args):
            found = gradient_by_leaf("elementwise_grad", f, argnums, args, kwargs, of_sum=True)
            if isinstance(found, tuple):
                return found[1]
            recording = found
        else:
            places = argument_keys("elementwise_grad", f, argnums, args, kwargs)
            recording = run_recorded("elementwise_grad", f, args, kwargs, places, has_aux)
        leaves = tree_leaves(recording.y)
        if len(leaves) != 1:
            advice = advice_on_aux(recording.y)
            raise ArgumentError(f"elementwise_grad: y must be one array; got a pytree of {len(leaves)} leaves.{advice}")
        cotangents = ones_for(recording.y)
        check_scalar("elementwise_grad", [x.ravel()[0] if x.size else x.sum() for x in cotangents])
        gradients = recording.vjp(cotangents, is_last=True)
        gradient = by_argnums(argnums, gradients)
        return (gradient, recording.aux) if has_aux else gradient

    return derivative_of


def stop_gradient(x: Same) -> Same:
    """Return the values of x as constants: arrays that are not on a tape.

    Args:
        x: a pytree of anything.

    Returns:
        The same structure, with each Tensor replaced by its plain array, read-only, or scalar.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    constants: Same = tree_map(constant, x)
    return constants
