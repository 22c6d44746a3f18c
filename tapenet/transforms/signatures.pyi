"""Types of what the transforms return: functions of the same parameters, which keep their names.

A gradient is of the type of the argument that it is by: an array for an array, a model for a model. That argument is
positional, as `argnums` says a position; those behind it are the function's own.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, TypeVarTuple, overload

import numpy as np

from tapenet.core.array_types import Array, ArrayOrNumber

Function = TypeVar("Function", bound=Callable[..., Any])  # for what is called as the function it is made of
Parameters = ParamSpec("Parameters")  # of a function, without those that come before what it is differentiated by
First = TypeVar("First", contravariant=True)
Value = TypeVar("Value", covariant=True)
Aux = TypeVar("Aux", covariant=True)
Tree = TypeVar("Tree")
OtherTree = TypeVar("OtherTree")
Arguments = TypeVarTuple("Arguments")

class Gradient(Protocol[Parameters]):
    """`grad(f)`."""

    @overload
    def __call__(self, x: float, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> np.float64: ...
    @overload
    def __call__(self, x: Tree, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Tree: ...

class GradientAndAux(Protocol[Parameters, Aux]):
    """`grad(f, has_aux=True)`."""

    @overload
    def __call__(self, x: float, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> tuple[np.float64, Aux]: ...
    @overload
    def __call__(self, x: Tree, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> tuple[Tree, Aux]: ...

class GradientBySecond(Protocol[First, Parameters]):
    """`grad(f, 1)`."""

    @overload
    def __call__(
        self, first: First, x: float, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> np.float64: ...
    @overload
    def __call__(self, first: First, x: Tree, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Tree: ...

class GradientByBoth(Protocol[Parameters]):
    """`grad(f, (0, 1))`."""

    def __call__(
        self, x: Tree, y: OtherTree, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[Tree, OtherTree]: ...

class ValueAndGradient(Protocol[Parameters, Value]):
    """`value_and_grad(f)`."""

    @overload
    def __call__(
        self, x: float, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[Value, np.float64]: ...
    @overload
    def __call__(self, x: Tree, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> tuple[Value, Tree]: ...

class ValueAuxAndGradient(Protocol[Parameters, Value, Aux]):
    """`value_and_grad(f, has_aux=True)`."""

    @overload
    def __call__(
        self, x: float, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[tuple[Value, Aux], np.float64]: ...
    @overload
    def __call__(
        self, x: Tree, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[tuple[Value, Aux], Tree]: ...

class ValueAndGradientBySecond(Protocol[First, Parameters, Value]):
    """`value_and_grad(f, 1)`."""

    @overload
    def __call__(
        self, first: First, x: float, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[Value, np.float64]: ...
    @overload
    def __call__(
        self, first: First, x: Tree, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[Value, Tree]: ...

class ValueAndGradientByBoth(Protocol[Parameters, Value]):
    """`value_and_grad(f, (0, 1))`."""

    def __call__(
        self, x: Tree, y: OtherTree, /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> tuple[Value, tuple[Tree, OtherTree]]: ...

class Jacobian(Protocol[Parameters]):
    """`jacobian(f)`, `jacfwd(f)` and `hessian(f)` of a function from an array to an array."""

    def __call__(self, x: ArrayOrNumber, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Array: ...

class Pullback(Protocol[*Arguments]):
    """The pullback that `vjp` returns: from a cotangent of y to a cotangent for each argument."""

    def __call__(self, y_bar: Any, /) -> tuple[*Arguments]: ...

class Pushforward(Protocol[*Arguments, Value]):
    """The pushforward that `linearize` returns: from a tangent for each argument to the tangent of y."""

    def __call__(self, *tangents: *Arguments) -> Value: ...
