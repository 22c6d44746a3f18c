"""Derivatives along a curve to any order, by one walk that carries Taylor series."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_transform, checked_count
from tapenet.core.leaf_checks import (
    advice_on_aux,
    check_chunk_size,
    check_differentiable,
    described,
    dtype_of,
    matched,
    zeros_of,
)
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves, tree_unflatten
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.series.arithmetic import Coefficient, Series
from tapenet.series.walk import series_walk
from tapenet.transforms.recording import Argnums, Recording, argument_keys, by_argnums, run_recorded
from tapenet.transforms.transformed import transformed
from tapenet.walks.blocks import ends_of
from tapenet.walks.results import as_kind_of, copy_shared
from tapenet.walks.rows import rows

_HIGHEST = 170  # 171! is beyond float64


def jet(f: Callable[..., Any], primals: Sequence[Tree], series: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Evaluate f and its derivatives along a curve, to any order, in one walk: Taylor mode.

    For a curve x(t) with x(0) the primals and x', x'', ... their series, the derivatives of y(t) = f(x(t)) at t = 0.
    The cost grows with the square of the order, where nested `jvp` doubles it with each.

    Args:
        f: any function of pytrees of arrays, returning a pytree of float or complex arrays.
        primals: its arguments, in a tuple or list.
        series: for each primal the list of its derivatives x', x'', ..., each of the structure and shapes of the
            primal, or None for zero. Shorter lists end in zeros. None in place of a list is for an argument that does
            not change, which may be anything that f takes.

    Returns:
        `(y, y_series)`, with y_series the list of y', y'', ..., as long as the longest list of series.

    Raises:
        ArgumentTypeError: primals or series that are not a tuple or list; a leaf that is not float or complex, of a
            primal that changes.
        ArgumentError: series of another number than the primals, or a derivative of another structure or other shapes
            than its primal.

    Derivative conventions: at edge points each derivative is that of the rule of the derivative before, as of nested
    `jvp`.

    Source: Griewank and Walther, "Evaluating Derivatives", 2nd edition, chapter 13.

    >>> tn.jet(tnp.exp, (0.0,), ([1.0, 0.0, 0.0],))
    (np.float64(1.0), [np.float64(1.0), np.float64(1.0), np.float64(1.0)])
    """
    check_transform("jet", f)
    for name, given in (("primals", primals), ("series", series)):
        if not isinstance(given, tuple | list):
            raise ArgumentTypeError(
                f"jet: {name} must be a tuple or list, one entry for each argument of f; "
                f"got {type(given).__name__}. Write jet(f, (x,), ([x1, x2],))."
            )
    if len(series) != len(primals):
        raise ArgumentError(f"jet: series must be one for each of {len(primals)} primals; got {len(series)}.")
    lists = [_checked_list(i, terms) for i, terms in enumerate(series)]
    order = max(map(len, lists), default=0)
    if order > _HIGHEST:
        raise ArgumentError(f"jet: series must have at most {_HIGHEST} derivatives; got {order}.")
    places = [i for i, terms in enumerate(lists) if any(term is not None for term in terms)]
    for i in places:
        check_differentiable("jet", f"primals[{i}]", primals[i], tree_leaves(primals[i]))
    recording = run_recorded("jet", f, primals, {}, places, False)
    given = [c for i in places for c in _coefficients(i, primals[i], lists[i], order)]
    found = _walked(recording, given, order)
    y_series = [_terms(recording, [x[k] for x in found], math.factorial(k), given) for k in range(1, order + 1)]
    return recording.value, y_series


def directional(f: Callable[..., Any], order: int = 1, argnums: Argnums = 0) -> Callable[..., Any]:
    """Make the function of a derivative of any order along a direction: of f(x + t v) by t, at t = 0.

    For order 2 it is v^T H v, with the Hessian H. One walk carries all orders up to it.

    Args:
        f: any function of pytrees of float or complex arrays, returning such a pytree.
        order: which derivative; 0 for f itself.
        argnums: as for `grad`.

    Returns:
        A function `(*arguments of f, v)`, with the result of the structure of f's; v has the structure and shapes of
        x, or is a tuple of such for a tuple of argnums.

    Raises:
        ArgumentError: an order below 0; a v of another structure or other shapes than x.
        ArgumentTypeError: a leaf that is not float or complex.

    >>> directional(lambda x: x**3, 2)(2.0, 1.0)
    np.float64(12.0)
    """
    check_transform("directional", f)
    order = checked_count("directional", "order", order, low=0, high=_HIGHEST)

    @transformed(directional, f, order, argnums, has_signature=False)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise ArgumentError(
                "directional: there must be the arguments of f and then a direction; got no positional argument."
            )
        *arguments, v = args
        places = argument_keys("directional", f, argnums, arguments, kwargs)
        x = by_argnums(argnums, tuple(arguments[i] if isinstance(i, int) else kwargs[i] for i in places))
        directions = matched("directional", "v", v, "x", x)
        recording = run_recorded("directional", f, arguments, kwargs, places, False)
        if order == 0:
            return recording.value
        found = _walked(recording, [[c, *[None] * (order - 1)] for c in directions], order)
        return _terms(recording, [y[order] for y in found], math.factorial(order), [directions])

    return derivative


def hessian_diagonal(
    f: Callable[..., Any], argnums: Argnums = 0, *, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make the function of the second derivatives by each element of x: the diagonal of the Hessian, without the rest.

    One walk carries the series along all unit vectors, to order 2.

    Args:
        f: any function of real arrays, returning a pytree of real arrays; or holomorphic of complex arrays.
        argnums: as for `grad`.
        chunk_size: how many unit vectors one walk carries, for memory; None for all.

    Returns:
        A function with the parameters of f. For a leaf of y and one of x an array of shape (*y.shape, *x.shape), so
        that a scalar f gives the structure of x; as for `jacobian` of pytrees.

    Raises:
        ArgumentTypeError: a leaf that is not float or complex; complex x where y is real.

    >>> hessian_diagonal(lambda x: tnp.sum(x**3))(np.array([1.0, 2.0]))
    array([ 6., 12.])
    """
    check_transform("hessian_diagonal", f)
    check_chunk_size("hessian_diagonal", chunk_size)

    @transformed(hessian_diagonal, f, argnums, chunk_size=chunk_size)
    def diagonal_of(*args: Any, **kwargs: Any) -> Any:
        places = argument_keys("hessian_diagonal", f, argnums, args, kwargs)
        recording = run_recorded("hessian_diagonal", f, args, kwargs, places, False)
        found = _second_derivatives("hessian_diagonal", recording, chunk_size)
        trees = [
            _along_sources(recording, y, columns) for y, columns in zip(tree_leaves(recording.y), found, strict=True)
        ]
        spec = tree_flatten(recording.y)[1]
        return tree_unflatten(spec, [by_argnums(argnums, tree) for tree in trees])

    return diagonal_of


def laplacian(f: Callable[..., Any], argnums: Argnums = 0, *, chunk_size: int | None = None) -> Callable[..., Any]:
    """Make the function of the Laplacian: the sum of the second derivatives by each element of x.

    One walk carries the series along all unit vectors, to order 2; there is no Hessian.

    Args:
        f, argnums, chunk_size: as for `hessian_diagonal`.

    Returns:
        A function with the parameters of f, whose result has the structure and shapes of y; for a tuple of argnums the
        sum over all of them.

    Raises:
        ArgumentTypeError: as for `hessian_diagonal`.

    >>> laplacian(lambda x: tnp.sum(x**3))(np.array([1.0, 2.0]))
    np.float64(18.0)
    """
    check_transform("laplacian", f)
    check_chunk_size("laplacian", chunk_size)

    @transformed(laplacian, f, argnums, chunk_size=chunk_size)
    def laplacian_of(*args: Any, **kwargs: Any) -> Any:
        places = argument_keys("laplacian", f, argnums, args, kwargs)
        recording = run_recorded("laplacian", f, args, kwargs, places, False)
        found = _second_derivatives("laplacian", recording, chunk_size)
        sums = [None if columns is None else columns.sum(axis=0) for columns in found]
        return _terms(recording, sums, 1, [])

    return laplacian_of


# ---- the parts ----


def _checked_list(i: int, terms: Any) -> Sequence[Any]:
    """Return the derivatives of a primal."""
    if terms is None:
        return ()
    if not isinstance(terms, tuple | list):
        raise ArgumentTypeError(
            f"jet: series[{i}] must be a list of derivatives, or None; got {described(terms)}. "
            "Write [x1, x2] for x' and x''."
        )
    return terms


def _coefficients(i: int, primal: Tree, terms: Sequence[Any], order: int) -> list[list[Coefficient]]:
    """Return for each leaf of a primal the Taylor coefficients from 1 on, of its derivatives."""
    count = len(tree_leaves(primal))
    found: list[list[Coefficient]] = [[None] * order for _ in range(count)]
    for k, term in enumerate(terms):
        if term is None:
            continue
        for own, leaf in zip(found, matched("jet", f"series[{i}][{k}]", term, f"primals[{i}]", primal), strict=True):
            own[k] = leaf / float(math.factorial(k + 1)) if k else leaf
    return found


def _walked(recording: Recording, coefficients: Sequence[Sequence[Coefficient]], order: int) -> list[Series]:
    """Return the series of each leaf of y, from the coefficients of each source from 1 on."""
    trace = recording.trace
    sources: Mapping[int, Series] = {
        source.slot: [trace.inner(source), *own] for source, own in zip(recording.sources, coefficients, strict=True)
    }
    leaves = tree_leaves(recording.y)
    slots = {y.slot for y in leaves if type(y) is Tensor and y.owner is trace}
    found = series_walk(trace.entries_to_walk(), sources, slots, order, spans=trace.spans) if slots else {}
    unmoved: Series = [None] * (order + 1)
    return [found[y.slot] if type(y) is Tensor and y.owner is trace else unmoved for y in leaves]


def _terms(recording: Recording, coefficients: Sequence[Coefficient], factor: int, given: Sequence[Any]) -> Tree:
    """Return one coefficient of each leaf of y times a factor, in the structure of y; zeros where it is None."""
    leaves, spec = tree_flatten(recording.y)
    inputs = [c for own in given for c in own if c is not None]
    scaled = [c if c is None or factor == 1 else c * float(factor) for c in coefficients]
    own = copy_shared(scaled, inputs)
    return tree_unflatten(
        spec, [zeros_of(y) if c is None else as_kind_of(y, c) for y, c in zip(leaves, own, strict=True)]
    )


def _second_derivatives(function: str, recording: Recording, chunk_size: int | None) -> list[Array | None]:
    """Return for each leaf of y its second derivative along each unit vector of all sources, in front."""
    targets = tree_leaves(recording.y)
    _check_kinds(function, recording, targets)
    if not recording.sources:
        return [None for _ in targets]

    def walk(seeds: Sequence[Array]) -> Sequence[Array | None]:
        found = _walked(recording, [[seed, None] for seed in seeds], 2)
        return [None if y[2] is None else 2 * y[2] for y in found]

    return rows(walk, ends_of(recording.sources), chunk_size)


def _check_kinds(function: str, recording: Recording, targets: Sequence[Any]) -> None:
    """Raise for y that is not float or complex, and for complex x where y is real."""
    for i, target in enumerate(targets):
        if np.dtype(dtype_of(target)).kind not in "fc":
            raise ArgumentTypeError(
                f"{function}: {leaf_paths(recording.y, 'y')[i]} must be float or complex; got {described(target)}."
                f"{advice_on_aux(recording.y)}"
            )
    wrong = [source for source in recording.sources if source.dtype.kind == "c"]
    if wrong and any(np.dtype(dtype_of(target)).kind == "f" for target in targets):
        raise ArgumentTypeError(
            f"{function}: x must be real where y is; got {described(wrong[0])}. "
            "Differentiate by the real and the imaginary part."
        )


def _along_sources(recording: Recording, y: Any, columns: Array | None) -> tuple[Tree, ...]:
    """Return one leaf's derivatives along the unit vectors as those along each argument, in its structure."""
    shape = getattr(y, "shape", ())
    blocks = []
    first = 0
    for source in recording.sources:
        if columns is None:
            block = np.zeros((*shape, *source.shape), dtype_of(y))
        else:
            own = np.moveaxis(columns[first : first + source.size], 0, -1)
            block = np.reshape(own, (*shape, *source.shape))
        blocks.append(as_kind_of(source, block))
        first += source.size
    leaves = iter(copy_shared(blocks, []))
    return tuple(tree_unflatten(spec, [next(leaves) for _ in range(spec.num_leaves)]) for spec in recording.specs)
