"""autograd's differential operators. `argnum` is an int, or a tuple of ints for several arguments at once.

Integer arguments are differentiated by as if they were float64. Complex numbers are not conjugated, as in tapenet.
"""

from __future__ import annotations

import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import tapenet as tn
import tapenet.numpy as np
from compat.autograd import core
from compat.autograd.core import vspace
from compat.autograd.wrap_util import unary_to_nary
from tapenet.errors import ArgumentTypeError

Function = Callable[..., Any]

make_vjp = unary_to_nary(core.make_vjp)
make_jvp = unary_to_nary(core.make_jvp)

# autograd's names of those of one argument: operators of users' own, geomstats' among them, call them.
_make_vjp, _make_jvp = core.make_vjp, core.make_jvp


def _check_scalar(name: str, ans: Any) -> None:
    if type(ans) is not np.float64 and vspace(ans).size != 1:
        raise ArgumentTypeError(
            f"{name} only applies to real scalar-output functions; got {_shown(ans)}. Try jacobian, elementwise_grad "
            "or holomorphic_grad."
        )


_check_of_grad = partial(_check_scalar, "grad")
_check_of_value_and_grad = partial(_check_scalar, "value_and_grad")


def _shown(ans: Any) -> str:
    return f"shape {np.shape(ans)} of {ans.dtype}" if hasattr(ans, "dtype") else repr(ans)


@unary_to_nary
def grad(fun: Function, x: Any) -> Any:
    """Return a function that computes the gradient, of the structure of the argument.

    Raises:
        ArgumentTypeError: an output that is not one real number; shape (1,) will do.
    """
    return core.value_and_sum(fun, x, _check_of_grad)[1]


@unary_to_nary
def value_and_grad(fun: Function, x: Any) -> Any:
    """Return a function that computes the value and the gradient, as scipy.optimize wants them."""
    return core.value_and_sum(fun, x, _check_of_value_and_grad)


@unary_to_nary
def grad_and_aux(fun: Function, x: Any) -> Any:
    """Return a function that computes the gradient of the first output, and the second output as it is."""
    ans: Any
    aux: Any
    ans, pullback, aux = tn.vjp(lambda x: tuple(fun(x)), core.floating(x), has_aux=True)
    return pullback(vspace(ans).ones())[0], aux


@unary_to_nary
def elementwise_grad(fun: Function, x: Any) -> Any:
    """Return a function that computes the sums of the Jacobian's columns: its diagonal, if it is diagonal."""
    return core.value_and_sum(fun, x, _check_real)[1]


def _check_real(ans: Any) -> None:
    if vspace(ans).iscomplex:
        raise ArgumentTypeError("elementwise_grad only applies to real-output functions; got a complex output.")


@unary_to_nary
def deriv(fun: Function, x: Any) -> Any:
    """Return a function that computes the derivative along ones, in forward mode."""
    x = core.floating(x)
    return core.make_jvp(fun, x)(vspace(x).ones())[1]


@unary_to_nary
def jacobian(fun: Function, x: Any) -> Any:
    """Return a function that computes the Jacobian, of the output's shape followed by the argument's."""
    x = core.floating(x)
    seen = []

    def noted(x: Any) -> Any:
        y = fun(x)
        seen.append(y)
        return np.asarray(y) if isinstance(y, float | list) else y

    answer = tn.jacobian(noted)(x)
    if type(seen[0]) is not tn.Tensor:
        warnings.warn(core.INDEPENDENT, stacklevel=3)
    return answer


@unary_to_nary
def holomorphic_grad(fun: Function, x: Any) -> Any:
    """Return a function that computes the derivative of a holomorphic function."""
    if not vspace(x).iscomplex:
        warnings.warn("Input to holomorphic_grad is not complex", stacklevel=3)
    return grad(lambda x: np.real(fun(x)))(x)


def grad_named(fun: Function, argname: str) -> Function:
    """Return `grad` by the argument of a name."""
    names = list(inspect.signature(fun).parameters)
    if argname not in names:
        raise ArgumentTypeError(f"grad_named: argname must be one of {', '.join(names)}; got {argname!r}.")
    return grad(fun, names.index(argname))  # type: ignore[no-any-return]  # operators are untyped, as autograd's


@unary_to_nary
def hessian(fun: Function, x: Any) -> Any:
    """Return a function that computes the Jacobian of the Jacobian."""
    return jacobian(jacobian(fun))(x)


@unary_to_nary
def make_hvp(fun: Function, x: Any) -> Any:
    """Return a function that computes `(hvp, gradient)`; `hvp(v)` is the Hessian's product with v."""
    return core.make_vjp(grad(fun), x)


def hessian_tensor_product(fun: Function, argnum: int = 0) -> Function:
    """Return a function of fun's arguments and then a tensor: the Hessian times the tensor."""
    fun_grad = grad(fun, argnum)

    def vector_dot_grad(*args: Any, **kwargs: Any) -> Any:
        *args, vector = args  # type: ignore[assignment]  # a list from here on
        return np.tensordot(fun_grad(*args, **kwargs), vector, np.ndim(vector))

    return grad(vector_dot_grad, argnum)  # type: ignore[no-any-return]  # as above


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """Return a function of fun's arguments and then a tensor: the tensor times the Jacobian."""

    def vector_dot_fun(*args: Any, **kwargs: Any) -> Any:
        *args, vector = args  # type: ignore[assignment]  # a list from here on
        return np.tensordot(vector, fun(*args, **kwargs), axes=np.ndim(vector))

    return jacobian(vector_dot_fun, argnum)  # type: ignore[no-any-return]  # as above


vector_jacobian_product = tensor_jacobian_product


@unary_to_nary
def make_jvp_reversemode(fun: Function, x: Any) -> Any:
    """Return a function of a tangent that computes the derivative along it, by reverse mode applied twice."""
    vjp, y = core.make_vjp(fun, x)
    return core.make_vjp(vjp, vspace(y).zeros())[0]


def _half_of_squares(x: Any) -> Any:
    return 0.5 * np.sum(x**2, axis=-1)


def make_ggnvp(f: Function, g: Function = _half_of_squares, f_argnum: int = 0) -> Function:
    """Return a function that makes products with the generalized Gauss-Newton matrix of g(f(x))."""

    def of_unary(f: Function, x: Any) -> Any:
        f_vjp, f_x = core.make_vjp(f, x)
        g_hvp, _ = core.make_vjp(grad(g), f_x)
        f_jvp = core.make_jvp(f, x)
        return lambda v: f_vjp(g_hvp(f_jvp(v)[1]))

    return unary_to_nary(of_unary)(f, f_argnum)  # type: ignore[no-any-return]  # as above


def multigrad_dict(fun: Function) -> Function:
    """Return a function that computes the gradients by all arguments, in a dict by their names."""
    signature = inspect.signature(fun)

    def gradfun(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def of_dict(arguments: dict[str, Any]) -> Any:
            call = inspect.BoundArguments(signature, OrderedDict(arguments))
            return fun(*call.args, **call.kwargs)

        gradients = grad(of_dict)(dict(bound.arguments))
        return OrderedDict((name, gradients[name]) for name in bound.arguments)

    return gradfun


def checkpoint(fun: Function) -> Function:
    """Return a function that keeps its arguments alone, and computes its inside once more in the backward pass."""
    return partial(tn.checkpoint(fun))
