"""The rules of sparsity: for each operation the links of its operands, by its family and by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.families import constant_rule
from tapenet.core.primitive import PART, REGISTRY, Primitive
from tapenet.core.record import Shape
from tapenet.transforms.sparse import contractions, selections
from tapenet.transforms.sparse.links import Groups, Link, Pairs, Rows, Same
from tapenet.transforms.sparse.steps import UNKNOWN, Step, dense, group_numbers, groups_of_tuple, numbers

Rule = Callable[[Step, int], Link | None]

# ---- elementwise ----


def elementwise(step: Step, index: int) -> Link | None:
    """Return the link of a function that goes element by element; none where its derivative is zero everywhere."""
    pullback, shape = step.primitive.pullbacks[index], step.shapes[index]
    if pullback is None or pullback is constant_rule:
        return None
    own = _partial_is_there(step, index)
    if own is None:
        is_same = shape == step.out_shape
        return Same() if is_same else Rows(np.broadcast_to(numbers(shape), step.out_shape).ravel())
    source = np.broadcast_to(numbers(shape), step.out_shape)
    return Rows(np.where(np.broadcast_to(own, step.out_shape), source, -1).ravel())


def _partial_is_there(step: Step, index: int) -> Any:
    """Return where an operand's partial derivative may not be zero; None where it may be anywhere.

    Masks are read for a pattern of all values alone: for others they are often made of x, and change with it.
    """
    if step.is_local:
        return step.partial(index) != 0
    if REGISTRY.get(step.primitive.name) is not step.primitive:
        return None
    if step.primitive.name == "where" and step.scope == "global" and step.constants[0] is not UNKNOWN:
        condition = np.asarray(step.constants[0]) != 0
        return condition if index == 1 else ~condition
    if step.primitive.name == "multiply":
        factor = step.constants[1 - index]
        if is_factor(factor) or (step.scope == "global" and type(factor) is np.ndarray):
            return None if np.all(factor) else factor != 0
    return None


def is_factor(x: Any) -> bool:
    """Return whether the zeros of a constant count: those of an array of numbers, not of a mask."""
    return type(x) is np.ndarray and x.size > 1 and x.dtype.kind in "fc"


# ---- along axes ----


def _axes(step: Step) -> tuple[int, ...]:
    """Return the axes of a reduction, counted from the front."""
    ndim = len(step.shapes[0])
    axes = step.parameters.get("axis", step.parameters.get("axes"))
    if axes is None:
        return tuple(range(ndim))
    return tuple(axis % ndim for axis in (axes if isinstance(axes, tuple | list) else (axes,)))


def reduction(step: Step, index: int) -> Link:
    """Return the link of a reduction: each result depends on all elements that it is of."""
    group = group_numbers(step.shapes[0], _axes(step))
    if step.is_local:
        group = np.where(_shaped(step.partial(0), step.shapes[0]).ravel() != 0, group, -1)
    return Groups(group, np.arange(step.size), step.size)


def _shaped(partial: Any, shape: Shape) -> Any:
    return partial.reshape(shape) if partial.size == math.prod(shape) else np.broadcast_to(partial, shape)


def mixing(step: Step, index: int) -> Link:
    """Return the link of what mixes all elements along its axes: `softmax`, Fourier transforms."""
    group = _kept_axes(step.shapes[0], _axes(step))
    return _spread(group, step.shapes[0], step.out_shape)


def _kept_axes(shape: Shape, axes: tuple[int, ...]) -> Any:
    return numbers(tuple(1 if i in axes else n for i, n in enumerate(shape)))


def _spread(group: Any, shape: Shape, out_shape: Shape) -> Groups:
    """Return the link of groups that broadcast to the operand and to the output."""
    return Groups(np.broadcast_to(group, shape).ravel(), np.broadcast_to(group, out_shape).ravel(), group.size)


def last_axis(step: Step, index: int) -> Link:
    """Return the link of what mixes all elements along the last axis."""
    shape = step.shapes[0]
    return _spread(_kept_axes(shape, (len(shape) - 1,)), shape, step.out_shape)


def running(step: Step, index: int) -> Link:
    """Return the link of what runs along an axis: each result depends on the elements up to its place."""
    shape = step.shapes[index]
    axis = step.parameters["axis"]
    lines = np.moveaxis(numbers(shape), axis, -1)
    later, earlier = np.tril_indices(shape[axis])
    if step.primitive.name == "recurrence" and index == 0:  # the first factor multiplies nothing
        later, earlier = later[earlier > 0], earlier[earlier > 0]
    return Pairs(lines[..., later].ravel(), lines[..., earlier].ravel(), step.size)


# ---- matrices ----


def matrices(step: Step, index: int) -> Link:
    """Return the link of functions of each matrix of a stack: each result depends on all of its matrix."""
    shape = step.shapes[index]
    group = numbers(shape[:-2])
    own = np.broadcast_to(group[..., None, None], shape).ravel()
    return Groups(own, _over(group, step, 2).ravel(), group.size)


def _over(group: Any, step: Step, axes: int) -> Any:
    """Return the numbers of stacked matrices for each element of the output, or each group of a tuple."""
    if step.shape is None:
        shape = groups_of_tuple(step)
        # An operand of fewer axes, such as the sums of attention, has the first of them.
        return np.broadcast_to(group.reshape(group.shape + (1,) * (len(shape) - group.ndim)), shape)
    further = len(step.shape) - max(len(shape) - axes for shape in step.shapes[:2])
    return np.broadcast_to(group.reshape(group.shape + (1,) * further), step.shape)


def solve(step: Step, index: int) -> Link:
    """Return the link of a solve: a column of x depends on the same column of b, and on all of a."""
    if index == 0:
        return matrices(step, index)
    return _spread(_kept_axes(step.shapes[1], (len(step.shapes[1]) - 2,)), step.shapes[1], step.out_shape)


def layer_norm(step: Step, index: int) -> Link:
    """Return the link of an operand of a normalization of rows."""
    if index:
        return dense(step, index)
    groups = numbers(groups_of_tuple(step))
    return Groups(np.broadcast_to(groups[..., None], step.shapes[0]).ravel(), groups.ravel(), groups.size)


def unknown(step: Step, index: int) -> Link:
    """Return the link of an operation without a rule: each result depends on all elements."""
    return dense(step, index)


def same(step: Step, index: int) -> Link:
    """Return the link of what keeps elements, in C order."""
    return Same()


# ---- the table ----

# For each rule what a result depends on, in a word for tables, and the operations that it is the rule of.
_FAMILIES: dict[Rule, tuple[str, str]] = {
    same: ("element", "astype complex_sign reshape unwrap"),
    selections.selection: ("moved", "broadcast_to concatenate getitem pad_zeros place roll transpose"),
    selections.reading: ("moved", "gather"),
    selections.writing: ("moved", "set"),
    selections.adding: ("moved", "assemble scatter"),
    selections.pooling: ("window", "avg_pool max_pool pool_gather"),
    selections.unpooling: ("window", "avg_pool_input pool_scatter"),
    reduction: ("axes", "max mean min nanmax nanmin norm power_norm prod std sum var"),
    mixing: ("axes", "fft ifft irfft log_softmax rfft softmax"),
    last_axis: ("axes", "fft.trigonometric"),
    layer_norm: ("axes", "layer_norm"),
    running: ("earlier", "cumprod cumsum recurrence"),
    contractions.einsum: ("factors", "einsum"),
    contractions.matmul: ("factors", "matmul"),
    contractions.matvec: ("factors", "matvec"),
    contractions.affine: ("factors", "affine"),
    contractions.sparse_matmul: ("factors", "sparse_matmul"),
    contractions.convolution: ("factors", "conv conv_bias conv_input conv_kernel"),
    contractions.vectors: ("factors", "convolve slide"),
    matrices: (
        "matrix",
        "attention attention_pullback cholesky cholesky_pullback det eig eigh eigvals eigvalsh inv pinv qr slogdet svd "
        "svdvals",
    ),
    solve: ("matrix", "solve"),
}
RULES: dict[str, Rule] = {name: rule for rule, (_, names) in _FAMILIES.items() for name in names.split()}


def kind_of_rule(primitive: Primitive) -> str:
    """Return in a word which elements a result is taken to depend on, for tables."""
    rule = rule_of(primitive)
    if primitive.is_discrete or (rule is elementwise and set(primitive.pullbacks) <= {constant_rule, None}):
        return "none"
    if primitive is PART:  # of which the walk takes the leading axes of its tuple
        return "moved"
    return "element" if rule is elementwise else "all" if rule is unknown else _FAMILIES[rule][0]


def rule_of(primitive: Primitive) -> Rule:
    """Return the rule of an operation; that of a user's may have the name of one of the library's."""
    if primitive.is_elementwise and primitive.pullbacks:
        return elementwise
    is_own = REGISTRY.get(primitive.name) is primitive or "." in primitive.name
    return RULES.get(primitive.name, unknown) if is_own else unknown


def link_of(step: Step, index: int) -> Link | None:
    """Return the link of an operand; None where the output does not depend on it."""
    return None if step.primitive.is_discrete else rule_of(step.primitive)(step, index)
