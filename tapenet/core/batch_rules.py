"""Batch rules, and functions that make them: how a primitive is evaluated with an axis of examples in front.

    leading(axis=shifted)    all operands with the examples in front; parameters that name axes are changed to match
    leading_axes(2, 2)       functions of matrices or vectors, whose operands broadcast over leading axes
    along_axis               functions with NumPy's `axis=` argument
    into_images(0)           functions of images: the examples merge into their axis 0
    over_operand(1)          functions that are elementwise in one operand
    refused                  functions whose result has a shape that depends on values

`tapenet.core.batching` describes the arguments and the result of a rule.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.arguments import axis_of
from tapenet.core.batching import elementwise_rule as elementwise_rule, one_by_one
from tapenet.core.primitive import Array, BatchRule, Primitive
from tapenet.core.record import Parameters, Shape
from tapenet.core.source_lines import user_line
from tapenet.core.tensor import mapped_value_error
from tapenet.errors import MappedValueError

Change = Callable[[Any, int, Shape], Any]  # a parameter's value, the number of examples, the first operand's shape


def broadcast_examples(x: Array, is_mapped: bool, size: int) -> Array:
    """Return an operand with the examples along axis 0; one that is not mapped is broadcast."""
    return x if is_mapped else np.broadcast_to(x, (size, *np.shape(x)))


def aligned(x: Array, is_mapped: bool, ndim: int) -> Array:
    """Insert axes of length 1 behind the examples' axis of a mapped operand, up to `ndim` axes for each example."""
    if not is_mapped or np.ndim(x) - 1 >= ndim:
        return x
    size, *shape = x.shape
    return np.reshape(x, (size, *(1,) * (ndim - len(shape)), *shape))


# ---- examples in front ----


def leading(**changes: Change) -> BatchRule:
    """Make the rule of a primitive that works on leading axes as well, once its parameters are shifted by one axis.

    Args:
        changes: for each parameter that speaks of axes or shapes, how.
    """

    def rule(
        primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
    ) -> Any:
        operands = [broadcast_examples(x, is_mapped, size) for x, is_mapped in zip(arrays, mapped, strict=True)]
        shape = operands[0].shape[1:]
        changed = {
            name: changes[name](value, size, shape) if name in changes else value for name, value in parameters.items()
        }
        return primitive(*operands, **changed)

    return rule


def shifted(axis: Any, size: int, shape: Shape) -> Any:
    """Shift an axis, several, or None for all, behind the examples' axis."""
    if axis is None:
        return tuple(range(1, len(shape) + 1))
    if isinstance(axis, tuple):
        return tuple(i + 1 if i >= 0 else i for i in axis)
    return axis + 1 if axis >= 0 else axis


def reordered(axes: tuple[int, ...], size: int, shape: Shape) -> tuple[int, ...]:
    """Shift an order of axes behind the examples' axis."""
    return (0, *(i + 1 for i in axes))


def with_examples(shape: Shape, size: int, own_shape: Shape) -> Shape:
    """Put the examples' axis in front of a shape."""
    if -1 in shape and size == 0:  # the length that -1 stands for cannot be found from no elements
        known = math.prod(length for length in shape if length != -1)
        shape = tuple(math.prod(own_shape) // max(known, 1) if length == -1 else length for length in shape)
    return (size, *shape)


def untouched(width: tuple[tuple[int, int], ...], size: int, shape: Shape) -> tuple[tuple[int, int], ...]:
    """Widths by which axes are padded, with none for the examples' axis."""
    return ((0, 0), *width)


def broadcast_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate `broadcast_to`: operands are aligned at their last axes, as in broadcasting."""
    shape = parameters["shape"]
    return primitive(aligned(arrays[0], True, len(shape)), shape=(size, *shape))


def leading_axes(*cores: int) -> BatchRule:
    """Make the rule of a function that broadcasts over leading axes.

    Args:
        cores: for each operand the number of trailing axes that it works on: 2 for a matrix. Mapped operands get
            the examples' axis in front, and where others have more leading axes, axes of length 1 behind it.
    """

    def rule(
        primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
    ) -> Any:
        places = list(zip(arrays, mapped, cores, strict=True))
        ndim = max(np.ndim(x) - is_mapped - core for x, is_mapped, core in places)
        return primitive(*(aligned(x, is_mapped, ndim + core) for x, is_mapped, core in places), **parameters)

    return rule


# ---- functions with NumPy's signatures ----


@functools.lru_cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def along_axis(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate a function of one array with NumPy's argument `axis`, of which None stands for all elements."""
    if not mapped[0] or any(mapped[1:]):
        return one_by_one(primitive, arrays, mapped, size, parameters)
    signature = _signature(primitive.forward)
    call = signature.bind(*arrays, **parameters)
    x, ndim = arrays[0], arrays[0].ndim - 1
    axis = call.arguments.get("axis", signature.parameters["axis"].default)
    if axis is None:
        call.arguments[next(iter(signature.parameters))] = np.reshape(x, (size, math.prod(x.shape[1:])))
        call.arguments["axis"] = 1
    elif isinstance(axis, tuple):
        call.arguments["axis"] = tuple(axis_of(primitive.name, i, ndim) + 1 for i in axis)
    else:
        call.arguments["axis"] = axis_of(primitive.name, axis, ndim) + 1
    out = primitive(*call.args, **call.kwargs)
    if axis is None and call.arguments.get("keepdims") is True:
        return np.reshape(out, (size, *(1,) * ndim))
    return out


def over_operand(place: int) -> BatchRule:
    """Make the rule of a function that is elementwise in one operand: one call, if that one alone is mapped."""

    def rule(
        primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
    ) -> Any:
        if not mapped[place] or sum(mapped) > 1:
            return one_by_one(primitive, arrays, mapped, size, parameters)
        return primitive(*arrays, **parameters)

    return rule


def refused(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Raise: the shape of the result depends on values, which differ between examples."""
    raise depends_on_values(primitive.name, "Write tnp.where(condition, a, b), which keeps the shape.")


def one_value(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Raise: the result is not an array, such as a text, so that examples cannot be stacked."""
    raise mapped_value_error(primitive.name)


def depends_on_values(what: str, advice: str) -> MappedValueError:
    """Return the error for a result whose shape would differ from example to example."""
    return MappedValueError(
        f"vmap: {what}, at {user_line()}, needs the values of its argument for the shape of its result; got x of a "
        f"mapped function, where they differ from one example to the next. {advice}"
    )


# ---- products ----


def matmul_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate `matmul`, as one large product where one operand is the same matrix for all examples."""
    x, y = arrays
    if not mapped[1] and np.ndim(y) == 2:
        rows = primitive(np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])), y)
        return np.reshape(rows, (*x.shape[:-1], y.shape[-1]))
    if not mapped[0] and np.ndim(x) == 2 and y.ndim == 3 and y.shape[-1] == 1:
        return np.reshape(primitive(np.reshape(y, y.shape[:-1]), np.transpose(x)), (size, x.shape[0], 1))
    return _over_leading(primitive, arrays, mapped, size, parameters)


_over_leading = leading_axes(2, 2)


def einsum_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate `einsum` with a label for the examples, on each mapped operand and on the output."""
    labels = parameters["labels"]
    used = set().union(*labels)
    label = next((letter for letter in _LETTERS if letter not in used), None)
    if label is None:
        return one_by_one(primitive, arrays, mapped, size, parameters)
    extended = tuple(
        label + letters if is_mapped else letters for letters, is_mapped in zip(labels, mapped, strict=True)
    )
    return primitive(*arrays, labels=extended, out=label + parameters["out"])


_LETTERS = [chr(first + i) for first in (ord("A"), ord("a")) for i in range(26)]


# ---- images ----


def into_images(*places: int) -> BatchRule:
    """Make the rule of a function of images, shape (N, H, W, C), each by itself: the examples merge into N.

    Args:
        places: of the operands that are images; where another one is mapped, examples go one by one.
    """

    def rule(
        primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
    ) -> Any:
        if any(is_mapped and i not in places for i, is_mapped in enumerate(mapped)):
            return one_by_one(primitive, arrays, mapped, size, parameters)
        images = [broadcast_examples(x, mapped[i], size) if i in places else x for i, x in enumerate(arrays)]
        count = images[places[0]].shape[1]
        out = primitive(*(_merged(x) if i in places else x for i, x in enumerate(images)), **parameters)
        return np.reshape(out, (size, count, *out.shape[1:]))

    return rule


def _merged(x: Array) -> Array:
    return np.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def into_outputs(place: int, fallback: BatchRule = one_by_one) -> BatchRule:
    """Make the rule of a convolution in the operand whose last axis is the outputs: examples become outputs.

    Args:
        place: of that operand; the outputs are the last axis of the result too.
        fallback: the rule where it is not mapped, or not alone.
    """

    def rule(
        primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
    ) -> Any:
        if not mapped[place] or sum(mapped) > 1:
            return fallback(primitive, arrays, mapped, size, parameters)
        groups = parameters["groups"]  # each has its own outputs: (groups, examples, outputs of a group)
        x = arrays[place]
        outputs = x.shape[-1]
        x = np.reshape(x, (*x.shape[:-1], groups, outputs // groups))
        x = np.moveaxis(x, 0, -2)
        x = np.reshape(x, (*x.shape[:-3], size * outputs))
        out = primitive(*arrays[:place], x, *arrays[place + 1 :], **parameters)
        out = np.reshape(out, (*out.shape[:-1], groups, size, outputs // groups))
        out = np.moveaxis(out, -2, 0)
        return np.reshape(out, (*out.shape[:-2], outputs))

    return rule
