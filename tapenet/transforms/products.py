"""Products with the Jacobian, from either side, without the Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, overload

from tapenet.core.argument_checks import check_transform
from tapenet.core.leaf_checks import advice_on_aux, matched
from tapenet.core.pytrees import Tree
from tapenet.errors import ArgumentTypeError
from tapenet.transforms.recording import run_recorded

if TYPE_CHECKING:
    from tapenet.transforms.signatures import Pullback, Pushforward

Arguments = TypeVarTuple("Arguments")
Value = TypeVar("Value")
Aux = TypeVar("Aux")


@overload
def vjp(
    f: Callable[..., Value], *args: *Arguments, has_aux: Literal[False] = False
) -> tuple[Value, Pullback[*Arguments]]: ...
@overload
def vjp(
    f: Callable[..., tuple[Value, Aux]], *args: *Arguments, has_aux: Literal[True]
) -> tuple[Value, Pullback[*Arguments], Aux]: ...
def vjp(f: Callable[..., Any], *args: *Arguments, has_aux: bool = False) -> Any:
    """Evaluate f and return its pullback too, the vector-Jacobian product.

    Args:
        f: any function of pytrees of float or complex arrays, returning such a pytree.
        args: where to take it; each a pytree.
        has_aux: whether f returns a pair (y, aux).

    Returns:
        `(y, pullback)`, or `(y, pullback, aux)`. `pullback(y_bar)`, of a cotangent with the structure and
        shapes of y, returns a tuple with a cotangent for each argument, as often as it is called. Complex
        numbers are not conjugated.

    Raises:
        ArgumentTypeError: an argument with a leaf that is not float or complex.
        ArgumentError: from the pullback, a cotangent of another structure or of other shapes than y.

    >>> y, pullback = vjp(lambda x, w: x * w, 2.0, 5.0)
    >>> pullback(1.0)
    (np.float64(5.0), np.float64(2.0))
    """
    check_transform("vjp", f, has_aux)
    recording = run_recorded("vjp", f, args, {}, range(len(args)), has_aux)

    def pullback(y_bar: Tree) -> tuple[Tree, ...]:
        advice = "" if has_aux else advice_on_aux(recording.y)
        return recording.vjp(matched("pullback", "y_bar", y_bar, "y", recording.y, advice))

    value = recording.value
    return (value, pullback, recording.aux) if has_aux else (value, pullback)


@overload
def jvp(
    f: Callable[..., Value], args: Sequence[Tree], tangents: Sequence[Tree], has_aux: Literal[False] = False
) -> tuple[Value, Value]: ...
@overload
def jvp(
    f: Callable[..., tuple[Value, Aux]], args: Sequence[Tree], tangents: Sequence[Tree], has_aux: Literal[True]
) -> tuple[Value, Value, Aux]: ...
def jvp(f: Callable[..., Any], args: Sequence[Tree], tangents: Sequence[Tree], has_aux: bool = False) -> Any:
    """Evaluate f and its derivative along tangents, the Jacobian-vector product, in one forward walk.

    Args:
        f: any function of pytrees of float or complex arrays, returning such a pytree.
        args: its arguments, in a tuple or list.
        tangents: the direction, of the structure and shapes of args.
        has_aux: whether f returns a pair (y, aux).

    Returns:
        `(y, y_dot)`, or `(y, y_dot, aux)`.

    Raises:
        ArgumentTypeError: args or tangents that are not a tuple or list; a leaf that is not float or complex.
        ArgumentError: tangents of another structure or of other shapes than args.

    >>> jvp(lambda x: x * x, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    check_transform("jvp", f, has_aux)
    for name, given in (("args", args), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise ArgumentTypeError(
                f"jvp: {name} must be a tuple or list, one entry for each argument of f; "
                f"got {type(given).__name__}. Write jvp(f, (x,), (x_dot,))."
            )
    recording = run_recorded("jvp", f, args, {}, range(len(args)), has_aux)
    y_dot = recording.jvp(recording.matched_tangents(tangents, "tangents"))
    return (recording.value, y_dot, recording.aux) if has_aux else (recording.value, y_dot)


def linearize(f: Callable[..., Value], *args: *Arguments) -> tuple[Value, Pushforward[*Arguments, Value]]:
    """Evaluate f and return its pushforward too: f runs once, and the derivative as often as one likes.

    Args:
        f, args: as for `vjp`.

    Returns:
        `(y, push)`; `push(*tangents)`, with a tangent for each argument, returns the tangent of y.

    Raises:
        ArgumentTypeError: an argument with a leaf that is not float or complex.
        ArgumentError: from push, tangents of another structure or of other shapes than args.

    >>> y, push = linearize(lambda x: x * x, 3.0)
    >>> push(1.0), push(2.0)
    (np.float64(6.0), np.float64(12.0))
    """
    check_transform("linearize", f)
    recording = run_recorded("linearize", f, args, {}, range(len(args)), False)

    def push(*tangents: *Arguments) -> Value:
        y_dot: Value = recording.jvp(recording.matched_tangents(tangents, "tangents"))
        return y_dot

    return recording.value, push
