"""`propagate`: means and covariances through any function; `delta_method`: standard errors of estimates."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_flag, checked_function, checked_number
from tapenet.core.leaf_checks import check_differentiable, described, dtype_of, own_copy, zeros_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, leaf_paths, static_field, tree_flatten, tree_leaves, tree_map, tree_unflatten
from tapenet.core.record import Entry
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.transforms.jacobian import hessian
from tapenet.transforms.products import jvp
from tapenet.transforms.recording import Recording, run_recorded
from tapenet.uncertainty.covariances import Covariance, as_covariance
from tapenet.views.sizes import readable
from tapenet.walks.blocks import completed, ends_of, forward_mode_blocks, reverse_mode_blocks
from tapenet.walks.products import jvp_walk, vjp_walk

Matrices = list[list[Array]]  # for each leaf of y one for each leaf of x

_MOST_BYTES = 4 * 10**9  # of a covariance or a Jacobian: beyond, an error says what to write instead
_AT_ONCE = 2_000_000  # elements that each value in a walk has, at most
_KEEPS_PLACES = frozenset({"broadcast_to", "astype"})  # beside elementwise operations


def propagate(
    f: Callable[[Any], Any], mean: Tree, covariance: Tree, *, order: int = 1, diagonal: bool = False
) -> tuple[Tree, Tree]:
    """Compute the mean and the covariance of f(x) from those of x, by Taylor's formula at the mean.

    To first order, with J the Jacobian of f at the mean,

        mean of y = f(mean),    covariance of y = J C J^T.

    To second order, for normally distributed x and H_i the Hessian of y_i, the mean has 1/2 tr(H_i C) more, and the
    covariance of y_i and y_j has 1/2 tr(H_i C H_j C) more. To first order the distribution does not matter.

    Args:
        f: a function of one pytree, written with functions of NumPy or tapenet; several quantities are a tuple or a
            dict of them.
        mean: a pytree of real floating arrays and scalars.
        covariance: variances (squares of standard deviations) and covariances. For each leaf of mean variances, of
            the shape of the leaf, or one number for all its elements, which are independent then; or their
            covariance, of the leaf's shape twice: `(3, 3)` for a leaf of shape `(3,)`. Leaves are independent. Where
            they are not: in place of each leaf a pytree of the structure of mean, as `propagate` returns it; or one
            matrix of all elements, in the order of the leaves.
        order: 1 or 2.
        diagonal: whether to return the variances of y alone, of the shape of y. What goes element by element
            from independent elements costs as much memory as y then, and a few times the time of f.

    Returns:
        `(mean, covariance)` of y: the mean has its structure. The covariance of an array has its shape twice, that of
        a scalar is its variance; for a pytree the structure of y with, in place of each leaf, the structure of y. They
        can be propagated further, differentiated, and mapped by `vmap`.

    Raises:
        ArgumentError: a covariance of another structure or shape than mean; a negative variance; an order that is
            neither 1 nor 2; a covariance of y, or a Jacobian, of more than 4 GB.
        ArgumentTypeError: a leaf of mean or y that is not real and floating.

    Source: JCGM 100:2008, "Guide to the expression of uncertainty in measurement", section 5.

    >>> mean, variance = propagate(lambda x: x["u"] / x["i"], {"u": 10.0, "i": 2.0}, {"u": 0.04, "i": 0.01})
    >>> mean, variance.round(6)
    (np.float64(5.0), np.float64(0.0725))
    """
    return _propagated("propagate", "mean", f, mean, covariance, order, diagonal)


@attrs.frozen(eq=False)
class DeltaEstimate:
    """What `delta_method` returns: an estimate of f(x), and how far it can be trusted.

    Attributes:
        estimate: of f(x), a pytree.
        standard_error: of its structure; the square root of the variance.
        lower, upper: of its structure; the ends of the confidence interval of each element.
        level: of the intervals.
    """

    estimate: Tree
    standard_error: Tree
    lower: Tree
    upper: Tree
    level: float = static_field()

    def __str__(self) -> str:
        rows = zip(leaf_paths(self.estimate, "y"), *map(tree_leaves, (self.estimate, self.standard_error)), strict=True)
        lines = [f"{path} = {_shown(y)} +/- {_shown(error)}" for path, y, error in rows]
        ends = zip(lines, tree_leaves(self.lower), tree_leaves(self.upper), strict=True)
        return "\n".join(
            f"{line}, {100 * self.level:g} % interval from {_shown(low)} to {_shown(high)}" for line, low, high in ends
        )


def delta_method(
    f: Callable[[Any], Any], estimate: Tree, covariance: Tree, *, level: float = 0.95, order: int = 1
) -> DeltaEstimate:
    """Compute standard errors and confidence intervals of f(estimate), from the covariance of the estimate.

        standard error = sqrt(grad f C grad f^T),    interval = f -/+ z standard error

    with z the quantile of the normal distribution. It is `propagate` in the words of statistics: the estimate may be
    parameters of a fit, with the covariance that the fit gives.

    Args:
        f, covariance, order: as for `propagate`. To second order the estimate is corrected for its bias:
            subtracted, not added, is what the curvature of f adds to the mean of f(estimate).
        estimate: a pytree of real floating arrays and scalars.
        level: of the intervals, in (0, 1).

    Returns:
        A `DeltaEstimate` with `estimate`, `standard_error`, `lower`, `upper`, each of the structure of f(estimate).

    Raises:
        ArgumentError, ArgumentTypeError: as `propagate`; a level outside of (0, 1).

    Source: Casella and Berger, 2002, "Statistical Inference", section 5.5.4.

    >>> odds = delta_method(lambda p: np.log(p / (1 - p)), 0.2, 0.2 * 0.8 / 100)
    >>> odds.standard_error.round(6), odds.upper.round(3)
    (np.float64(0.25), np.float64(-0.896))
    """
    level = checked_number("delta_method", "level", level, "(0, 1)")
    y, variance = _propagated("delta_method", "estimate", f, estimate, covariance, order, True)
    if order == 2:
        plain = f(estimate)
        y = tree_map(lambda own, corrected: 2 * own - corrected, plain, y)
    error = tree_map(np.sqrt, variance)
    z = statistics.NormalDist().inv_cdf(0.5 + level / 2)
    lower = tree_map(lambda y, e: (y - z * e).astype(y.dtype), y, error)
    upper = tree_map(lambda y, e: (y + z * e).astype(y.dtype), y, error)
    return DeltaEstimate(y, error, lower, upper, level)


def _shown(x: Any) -> str:
    return f"{float(x):.6g}" if np.shape(x) == () and type(x) is not Tensor else str(x)


# ---- the parts ----


def _propagated(
    function: str, name: str, f: Callable[[Any], Any], mean: Tree, covariance: Tree, order: int, diagonal: bool
) -> tuple[Tree, Tree]:
    checked_function(function, "f", f)
    checked_flag(function, "diagonal", diagonal)
    checked_count(function, "order", order, high=2)
    check_differentiable(function, name, mean, tree_leaves(mean))
    _check_real(function, name, mean, tree_leaves(mean))
    given = as_covariance(function, covariance, name, mean)
    recording = run_recorded(function, f, (mean,), {}, (0,), False)
    targets = tree_leaves(recording.y)
    _check_real(function, "y", recording.y, targets)
    if diagonal and given.is_independent and _keeps_places(recording, targets):
        return _elementwise(f, mean, recording, given, order)
    _check_bytes(function, targets, given, order, diagonal)
    jacobians = _jacobians(recording, targets)
    hessians = _hessians(f, mean, targets, given, _chunk(recording)) if order == 2 else []
    ys = _own_values(recording)
    if order == 2:
        ys = [_as(y, y + np.reshape(_traces(h, given), np.shape(y)) / 2) for y, h in zip(ys, hessians, strict=True)]
    spec = tree_flatten(recording.y)[1]
    value = tree_unflatten(spec, ys)
    if diagonal:
        return value, tree_unflatten(spec, _variances(jacobians, hessians, given, ys))
    blocks = _covariances(jacobians, hessians, given, ys)
    return value, tree_unflatten(spec, [tree_unflatten(spec, row) for row in blocks])


def _check_real(function: str, name: str, tree: Tree, leaves: Sequence[Any]) -> None:
    for i, leaf in enumerate(leaves):
        dtype = dtype_of(leaf)
        if dtype is None or np.dtype(dtype).kind != "f":
            path = leaf_paths(tree, name)[i]
            raise ArgumentTypeError(f"{function}: {path} must be real and floating; got {described(leaf)}.")


def _check_bytes(function: str, targets: Sequence[Any], given: Covariance, order: int, diagonal: bool) -> None:
    """Raise before memory runs out."""
    outputs, inputs = sum(int(np.size(target)) for target in targets), sum(given.sizes())
    largest = 8 * max(outputs * inputs ** (2 if order == 2 else 1), 0 if diagonal else outputs**2)
    if largest > _MOST_BYTES:
        advice = "" if diagonal else " Pass diagonal=True for the variances of y alone."
        raise ArgumentError(
            f"{function}: the matrices of y must take at most {readable(_MOST_BYTES)}; got {readable(largest)} for "
            f"{outputs} elements of y and {inputs} of x.{advice} "
            "Or map groups of elements that belong together by tn.vmap."
        )


# ---- element by element ----


def _keeps_places(recording: Recording, targets: Sequence[Any]) -> bool:
    """Return whether each element of y depends on at most one element of each leaf: that at its own place.

    Places are matched as in broadcasting, from the last axis on; a leaf with one element is at every place.
    """
    slots = [target.slot for target in targets if type(target) is Tensor and target.owner is recording.trace]
    sources = [source.slot for source in recording.sources if source.size != 1]
    if not slots or not sources:
        return True
    moved = _moved(recording.trace.entries, sources, max(slots))
    return not any(moved[slot] for slot in slots)


def _moved(entries: Sequence[Entry], sources: Sequence[int], last: int) -> bytearray:
    """Return for each slot whether it depends on a source other than place by place."""
    reached, moved = bytearray(last + 1), bytearray(last + 1)
    for slot in sources:
        if slot <= last:
            reached[slot] = 1
    for slot in range(min(sources) + 1, last + 1):
        primitive, slots = entries[slot][:2]
        operands = [operand for operand in slots if operand is not None and reached[operand]]
        if operands:
            reached[slot] = 1
            keeps = primitive.is_elementwise or primitive.name in _KEEPS_PLACES
            moved[slot] = not keeps or any(moved[operand] for operand in operands)
    return moved


def _elementwise(
    f: Callable[[Any], Any], mean: Tree, recording: Recording, given: Covariance, order: int
) -> tuple[Tree, Tree]:
    """Propagate variances place by place."""
    count = len(given.shapes)
    targets, spec = tree_flatten(recording.y)
    ys = _own_values(recording)
    likes = list(ys)
    slopes = _slopes(recording, targets)
    parts: list[list[Array]] = [[] for _ in ys]
    for i, k in slopes:
        parts[i].append(_variance_from(slopes[i, k], _at_places_of(ys[i], given.blocks[k, k])))
    variances: list[Array] = [sum(own[1:], own[0]) if own else zeros_of(y) for y, own in zip(ys, parts, strict=True)]
    if order == 2:
        leaves, structure = tree_flatten(mean)
        for k, other in itertools.combinations_with_replacement(range(count), 2):
            bends = _second(f, mean, *(tree_unflatten(structure, _ones_at(leaves, place)) for place in (k, other)))
            for i, bend in enumerate(tree_leaves(bends)):  # no path: zeros, whatever the shapes
                if {(i, k), (i, other)} <= slopes.keys():
                    own, others = (_at_places_of(ys[i], given.blocks[place, place]) for place in (k, other))
                    variances[i] = variances[i] + (0.5 if k == other else 1.0) * bend * bend * own * others
                    ys[i] = ys[i] + (0.5 * bend * own if k == other else 0)
    pairs = list(zip(likes, ys, variances, strict=True))
    return tuple(tree_unflatten(spec, [_as(like, pair[place]) for like, *pair in pairs]) for place in (0, 1))


def _slopes(recording: Recording, targets: Sequence[Any]) -> dict[tuple[int, int], Array]:
    """Return for each leaf of y and each leaf of x that it depends on the derivatives, of the shape of y.

    Where a leaf of x has the shape of y, one walk backward from ones gives them for all such leaves; a leaf that is
    broadcast takes a walk forward, as its cotangent is a sum over places.
    """
    trace, sources = recording.trace, recording.sources
    found: dict[tuple[int, int], Array] = {}
    for i, target in enumerate(targets):
        shape = np.shape(target)
        alike = [k for k, source in enumerate(sources) if source.shape == shape]
        others = [k for k in range(len(sources)) if k not in alike]
        ones = np.broadcast_to(np.ones((), dtype_of(target)), shape)[()]
        pulled = vjp_walk(trace, [target], [ones], [sources[k] for k in alike]) if alike else []
        pushed = [jvp_walk(trace, [sources[k]], _ones_of([sources[k]]), [target])[0] for k in others]
        found |= {(i, k): s for k, s in zip([*alike, *others], [*pulled, *pushed], strict=True) if s is not None}
    return found


def _variance_from(slope: Array, variances: Array) -> Array:
    """Return slope^2 times variances; in place, as a new large array takes longer than a product."""
    if type(slope) is np.ndarray and type(variances) is np.ndarray and slope.ndim:
        np.multiply(slope, slope, out=slope)
        np.multiply(slope, variances, out=slope)
        return slope
    return slope * slope * variances


def _own_values(recording: Recording) -> list[Array]:
    """Return the leaves of y; what f passed on of x is copied."""
    given = [x for x in tree_leaves(recording.arguments) if type(x) is np.ndarray]
    leaves = [y if hasattr(y, "dtype") else np.asarray(y)[()] for y in tree_leaves(recording.value)]
    is_shared = [type(y) is np.ndarray and any(np.may_share_memory(y, x) for x in given) for y in leaves]
    return [own_copy(y) if shared else y for y, shared in zip(leaves, is_shared, strict=True)]


def _ones_of(leaves: Sequence[Any]) -> list[Array]:
    return [np.ones(np.shape(x), dtype_of(x))[()] for x in leaves]


def _ones_at(leaves: Sequence[Any], place: int) -> list[Array]:
    """Return tangents of one at a leaf, and zero at the others."""
    return [np.full(np.shape(x), float(i == place), dtype_of(x))[()] for i, x in enumerate(leaves)]


def _second(f: Callable[[Any], Any], mean: Tree, along: Tree, then: Tree) -> Tree:
    """Return the second derivative along two tangents."""
    return jvp(lambda x: jvp(f, (x,), (along,))[1], (mean,), (then,))[1]


def _at_places_of(y: Array, variances: Array) -> Array:
    """Return variances of a leaf as they broadcast to y."""
    return np.reshape(variances, ()) if np.size(variances) == 1 else variances


def _as(like: Array, x: Array) -> Array:
    """Return an array in the dtype of another, and a scalar where that is one."""
    cast = x if x.dtype == like.dtype else x.astype(like.dtype)
    return (np.broadcast_to(cast, np.shape(like)).copy() if np.shape(cast) != np.shape(like) else cast)[()]


# ---- by matrices ----


def _jacobians(recording: Recording, targets: Sequence[Any]) -> Matrices:
    """Return for each leaf of y and each leaf of x the matrix of derivatives, by the mode that carries less."""
    sources, trace = recording.sources, recording.trace
    ends, starts = ends_of(targets), ends_of(sources)
    chunk = _chunk(recording)
    if sum(end.size for end in ends) <= 2 * sum(start.size for start in starts):
        blocks = reverse_mode_blocks(
            lambda seeds: vjp_walk(trace, targets, seeds, sources), ends, starts, chunk, trace.entries
        )
    else:
        blocks = forward_mode_blocks(lambda seeds: jvp_walk(trace, sources, seeds, targets), ends, starts, chunk)
    found: Any = completed(blocks, ends, sources, "target")
    return [
        [np.reshape(block, (end.size, start.size)) for block, start in zip(row, starts, strict=True)]
        for row, end in zip(found, ends, strict=True)
    ]


def _chunk(recording: Recording) -> int:
    """Return how many rows or columns one walk carries: it holds each value on its way that many times."""
    largest = max((math.prod(shape) for *_, shape, _ in recording.trace.entries if shape is not None), default=1)
    return max(1, _AT_ONCE // max(largest, 1))


def _hessians(
    f: Callable[[Any], Any], mean: Tree, targets: Sequence[Any], given: Covariance, chunk: int
) -> list[Matrices]:
    """Return for each leaf of y, and each two leaves of x, an array (elements of y, of x, of x)."""
    sizes = given.sizes()
    count = len(sizes)
    leaves = tree_leaves(hessian(f, chunk_size=chunk)(mean))
    return [
        [
            [
                np.reshape(leaves[(t * count + i) * count + j], (int(np.size(target)), sizes[i], sizes[j]))
                for j in range(count)
            ]
            for i in range(count)
        ]
        for t, target in enumerate(targets)
    ]


def _times(matrices: Sequence[Array], given: Covariance) -> list[Array]:
    """Multiply matrices, one for each leaf, whose last axis is its elements, by the covariance."""
    found: list[Array] = [0.0] * len(matrices)
    for i, j, block, is_diagonal in given.matrices():
        found[j] = found[j] + (matrices[i] * block if is_diagonal else matrices[i] @ block)
    return [np.zeros_like(x) if type(own) is float else own for own, x in zip(found, matrices, strict=True)]


def _weighted(hessians: Matrices, given: Covariance) -> list[list[Array]]:
    """Return H C, by two leaves of x."""
    return [_times(row, given) for row in hessians]


def _traces(hessians: Matrices, given: Covariance) -> Array:
    """Return tr(H C) of each element of y."""
    weighted = _weighted(hessians, given)
    return sum(np.trace(weighted[i][i], axis1=1, axis2=2) for i in range(len(weighted)))


def _variances(
    jacobians: Matrices, hessians: Sequence[Matrices], given: Covariance, ys: Sequence[Array]
) -> list[Array]:
    found = []
    for t, y in enumerate(ys):
        row = jacobians[t]
        total: Array = sum((a * b).sum(1) for a, b in zip(_times(row, given), row, strict=True))
        if hessians:
            weighted = _weighted(hessians[t], given)
            n = range(len(weighted))
            total = total + sum((weighted[i][j] * weighted[j][i].swapaxes(1, 2)).sum((1, 2)) for i in n for j in n) / 2
        found.append(_as(y, np.reshape(total, np.shape(y))))
    return found


def _covariances(
    jacobians: Matrices, hessians: Sequence[Matrices], given: Covariance, ys: Sequence[Array]
) -> list[list[Array]]:
    """Return for each two leaves of y their covariance."""
    times = [_times(row, given) for row in jacobians]
    weighted = [_weighted(own, given) for own in hessians]

    def block(t: int, u: int) -> Array:
        total: Array = sum(a @ b.T for a, b in zip(times[t], jacobians[u], strict=True))
        n = range(len(given.shapes)) if weighted else ()
        for i, j in ((i, j) for i in n for j in n):
            total = total + np.einsum("aij,bji->ab", weighted[t][i][j], weighted[u][j][i]) / 2
        return _as_block(total, ys[t], ys[u])

    return [[block(t, u) for u in range(len(ys))] for t in range(len(ys))]


def _as_block(matrix: Array, y: Array, other: Array) -> Array:
    dtype = np.result_type(y.dtype, other.dtype)
    return np.reshape(matrix, (*np.shape(y), *np.shape(other))).astype(dtype)[()]
