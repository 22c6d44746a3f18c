"""Jacobians and Hessians: one walk carries all rows, or all columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, overload

import numpy as np

from tapenet.core.argument_checks import check_transform
from tapenet.core.leaf_checks import (
    advice_on_aux,
    check_chunk_size,
    check_scalar,
    described,
    dtype_of,
    matched,
    zeros_of,
)
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves, tree_unflatten
from tapenet.core.recorder import Recorder, new_recorder
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingRuleError
from tapenet.transforms.recording import (
    Argnums,
    ArgumentKey,
    Recording,
    argument_keys,
    by_argnums,
    ones_for,
    run_recorded,
    split_aux,
)
from tapenet.transforms.transformed import transformed
from tapenet.walks.blocks import Blocks, completed, ends_of, forward_mode_blocks, in_structure, reverse_mode_blocks
from tapenet.walks.products import jvp_walk, vjp_walk

if TYPE_CHECKING:
    from tapenet.core.array_types import Array, ArrayOrNumber
    from tapenet.transforms.signatures import Jacobian

P = ParamSpec("P")  # the parameters of f behind the first


@overload
def jacobian(
    f: Callable[Concatenate[Array, P], ArrayOrNumber], argnums: Literal[0] = 0, *, chunk_size: int | None = None
) -> Jacobian[P]: ...
@overload
def jacobian(
    f: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[P, Any]: ...
def jacobian(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make the function of f's Jacobian, by reverse mode: for fewer outputs than inputs. Also called `jacrev`.

    J[i..., j...] = dy[i...] / dx[j...]. One backward walk carries all rows, or as many as fit in a few
    megabytes.

    Args:
        f: returns an array, or a pytree of arrays, of floats or complex numbers.
        argnums, has_aux: as for `grad`.
        chunk_size: how many rows one walk carries, to bound memory; None for as many as are fastest.

    Returns:
        A function of f's arguments that returns the Jacobian: an array of shape y.shape + x.shape and the dtype of
        x; for pytrees, the structure of y with in place of each leaf the structure of x (a tuple of such for a
        tuple of argnums). With `has_aux`, `(jacobian, aux)`.

        Complex numbers: for real y it is `grad` of each element. For real x and complex y, the derivative of both
        parts. For both complex, f'(z) of a holomorphic f; `jacobian` and `jacfwd` agree on no other.

    Raises:
        ArgumentTypeError: a leaf of x or y that is not float or complex.
        ArgumentError: argnums that there is no argument for; a chunk_size that is not positive.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _transform(jacobian, f, argnums, has_aux, chunk_size, _pulled)


jacrev = jacobian


@overload
def jacfwd(
    f: Callable[Concatenate[Array, P], ArrayOrNumber], argnums: Literal[0] = 0, *, chunk_size: int | None = None
) -> Jacobian[P]: ...
@overload
def jacfwd(
    f: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[P, Any]: ...
def jacfwd(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make the function of f's Jacobian, by forward mode: for fewer inputs than outputs.

    One forward walk carries all columns.

    Args:
        f, argnums, has_aux: as for `jacobian`.
        chunk_size: how many columns one walk carries, to bound memory; None for as many as are fastest.

    Returns:
        As for `jacobian`, but with the dtype of y.

    Raises:
        ArgumentTypeError, ArgumentError: as for `jacobian`.

    >>> jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _transform(jacfwd, f, argnums, has_aux, chunk_size, _pushed)


@overload
def hessian(
    f: Callable[Concatenate[Array, P], ArrayOrNumber], argnums: Literal[0] = 0, *, chunk_size: int | None = None
) -> Jacobian[P]: ...
@overload
def hessian(
    f: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[P, Any]: ...
def hessian(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make the function of f's second derivatives: the Jacobian of its Jacobian.

    H[i..., j..., k...] = d^2 y[i...] / (dx[j...] dx[k...]). The first Jacobian is recorded on the tape of f, and one
    walk over both carries the whole of the second: backward for a scalar y, forward for one of many elements.

    Args:
        f: returns a scalar, an array, or a pytree of arrays.
        argnums, has_aux: as for `grad`.
        chunk_size: how many rows or columns one walk carries, to bound memory; None for as many as are fastest.

    Returns:
        A function of f's arguments that returns the Hessian: of shape y.shape + x.shape + x.shape; for pytrees,
        the structure of y, in place of each leaf that of x, in place of each of its leaves that of x again.

    Raises:
        ArgumentTypeError: as for `jacobian`; complex x where y is real, whose gradient is not holomorphic.
        ArgumentError: as for `jacobian`.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """

    check_transform("hessian", f, has_aux)
    check_chunk_size("hessian", chunk_size)

    @transformed(hessian, f, argnums, has_aux, chunk_size=chunk_size)
    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        places = argument_keys("hessian", f, argnums, args, kwargs)

        def first(y: Tree, x: tuple[Tree, ...], sources: Sequence[Tensor]) -> Tree:
            targets = tree_leaves(y)
            _check_outputs("hessian", y, targets)
            _check_real(x, sources, targets)
            blocks = _pulled(targets, sources, chunk_size)
            return in_structure(y, x, blocks, lambda trees: by_argnums(argnums, trees))

        recording = run_recorded("hessian", _then(first, "hessian", f, places, has_aux), args, kwargs, places, has_aux)
        second = _assembled(recording, argnums, _second(tree_leaves(recording.y), recording.sources, chunk_size))
        return (second, recording.aux) if has_aux else second

    return hessian_of


def hvp(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the function of the Hessian-vector product: H(x) v, without the Hessian.

    The gradient is recorded on the tape of f, and one forward walk along v goes over both: a small constant times
    the cost of the gradient.

    Args:
        f: returns a real floating scalar.
        argnums, has_aux: as for `grad`.

    Returns:
        A function `(*arguments of f, v) -> H v`; v and the result have the structure of x, or are tuples of such
        for a tuple of argnums. With `has_aux`, `(H v, aux)`.

    Raises:
        ArgumentTypeError, ArgumentError: as for `grad`; a v of another structure or other shapes than x.

    >>> hvp(lambda x: x**3)(2.0, 1.0)
    np.float64(12.0)
    """

    check_transform("hvp", f, has_aux)

    @transformed(hvp, f, argnums, has_aux, has_signature=False)
    def product(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise ArgumentError("hvp: there must be the arguments of f and then a vector; got no positional argument.")
        *arguments, v = args
        places = argument_keys("hvp", f, argnums, arguments, kwargs)
        x = by_argnums(argnums, tuple(arguments[i] if isinstance(i, int) else kwargs[i] for i in places))
        directions = matched("hvp", "v", v, "x", x)

        def gradient(y: Tree, x: tuple[Tree, ...], sources: Sequence[Tensor]) -> Tree:
            targets = tree_leaves(y)
            check_scalar("hvp", targets, "Sum it first, y.sum(), or take tn.hessian.")
            found = vjp_walk(_trace_of(sources), targets, ones_for(y), sources) if sources else []
            gradients = [zeros_of(x) if g is None else g for x, g in zip(sources, found)]
            return by_argnums(argnums, tree_unflatten(tree_flatten(x)[1], gradients))

        recording = run_recorded("hvp", _then(gradient, "hvp", f, places, has_aux), arguments, kwargs, places, has_aux)
        pushed = _pushed_along(recording, directions)
        return (pushed, recording.aux) if has_aux else pushed

    return product


# ---- the parts ----


def _transform(
    make: Callable[..., Any],
    f: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    chunk_size: int | None,
    blocks_of: Callable[..., Blocks],
) -> Callable[..., Any]:
    """Make the function of f's Jacobian, by one mode or the other."""
    function = make.__name__
    check_transform(function, f, has_aux)
    check_chunk_size(function, chunk_size)

    @transformed(make, f, argnums, has_aux, chunk_size=chunk_size)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        places = argument_keys(function, f, argnums, args, kwargs)
        recording = run_recorded(function, f, args, kwargs, places, has_aux)
        targets = tree_leaves(recording.y)
        _check_outputs(function, recording.y, targets)
        assembled = _assembled(recording, argnums, blocks_of(targets, recording.sources, chunk_size))
        return (assembled, recording.aux) if has_aux else assembled

    return jacobian_of


def _pulled(targets: Sequence[Any], sources: Sequence[Tensor], chunk_size: int | None) -> Blocks:
    if not sources:
        return [[] for _ in targets]
    trace = _trace_of(sources)
    blocks = reverse_mode_blocks(
        lambda seeds: vjp_walk(trace, targets, seeds, sources),
        ends_of(targets),
        ends_of(sources),
        chunk_size,
        trace.entries,
    )
    return completed(blocks, ends_of(targets), sources, "source")


def _pushed(targets: Sequence[Any], sources: Sequence[Tensor], chunk_size: int | None) -> Blocks:
    if not sources:
        return [[] for _ in targets]
    trace = _trace_of(sources)
    blocks = forward_mode_blocks(
        lambda seeds: jvp_walk(trace, sources, seeds, targets), ends_of(targets), ends_of(sources), chunk_size
    )
    return completed(blocks, ends_of(targets), sources, "target")


def _trace_of(sources: Sequence[Tensor]) -> Recorder:
    """Return the trace of what a transform watched."""
    trace = sources[0].owner
    assert isinstance(trace, Recorder)
    return trace


def _second(firsts: Sequence[Any], sources: Sequence[Tensor], chunk_size: int | None) -> Blocks:
    """Compute derivatives of first derivatives, by the mode that carries less; a row costs less than a column."""
    if sum(end.size for end in ends_of(firsts)) <= 2 * sum(source.size for source in sources):
        return _pulled(firsts, sources, chunk_size)
    try:
        return _pushed(firsts, sources, chunk_size)
    except MissingRuleError:  # of a function with a rule for reverse mode alone
        return _pulled(firsts, sources, chunk_size)


def _pushed_along(recording: Recording, directions: Sequence[Array]) -> Tree:
    """Compute the tangent of a recording's y, also through functions with a rule for reverse mode alone."""
    try:
        return recording.jvp(directions)
    except MissingRuleError:
        # A pullback is linear in the cotangent, and its transpose is the pushforward.
        targets, spec = tree_flatten(recording.y)
        with new_recorder(replayable=False) as trace:
            seeds = [trace.watch(zeros_of(target)) for target in targets]
            bars = vjp_walk(recording.trace, targets, seeds, recording.sources)
        pairs = [(bar, v) for bar, v in zip(bars, directions, strict=True) if bar is not None]
        pushed = vjp_walk(trace, [bar for bar, _ in pairs], [v for _, v in pairs], seeds)
        zeros = (zeros_of(x) if dot is None else dot for x, dot in zip(targets, pushed))
        return tree_unflatten(spec, list(zeros))


def _assembled(recording: Recording, argnums: Argnums, blocks: Blocks) -> Tree:
    return in_structure(recording.y, recording.arguments, blocks, lambda trees: by_argnums(argnums, trees))


def _then(
    compute: Callable[..., Tree], function: str, f: Callable[..., Any], places: Sequence[ArgumentKey], has_aux: bool
) -> Callable[..., Any]:
    """Make a function that runs f, then a computation on its y, arguments and leaves, on the same tape."""

    def followed(*args: Any, **kwargs: Any) -> Any:
        y, aux = split_aux(function, f(*args, **kwargs), has_aux)
        x = tuple(args[place] if isinstance(place, int) else kwargs[place] for place in places)
        found = compute(y, x, tree_leaves(x))
        return (found, aux) if has_aux else found

    return followed


# ---- checks ----


def _check_outputs(function: str, y: Tree, targets: Sequence[Any]) -> None:
    for i, target in enumerate(targets):
        dtype = dtype_of(target)
        if dtype is None or np.dtype(dtype).kind not in "fc":
            path = leaf_paths(y, "y")[i]
            raise ArgumentTypeError(
                f"{function}: {path} must be float or complex; got {described(target)}.{advice_on_aux(y)}"
            )


def _check_real(x: Tree, sources: Sequence[Tensor], targets: Sequence[Any]) -> None:
    """Raise for complex x: a real function's gradient is not holomorphic, so that it has no complex derivative."""
    wrong = [i for i, source in enumerate(sources) if source.dtype.kind == "c"]
    if wrong and any(np.dtype(dtype_of(target)).kind == "f" for target in targets):
        raise ArgumentTypeError(
            f"hessian: x must be real where y is; got {described(sources[wrong[0]])}. "
            "Differentiate by the real and the imaginary part, or take tn.hvp."
        )
