"""Evaluation over a batch: how `vmap` applies each primitive.

A *mapped* Tensor stands for one example of a batch: its shape is that of the example. Its trace is a
`Map`, and its value a `Batch`, an array that holds all examples along its axis 0. An operation on it does not record
but evaluates at once for all of them, by the primitive's batch rule:

    rule(primitive, arrays, mapped, size, parameters) -> array, or tuple of arrays, with the examples along axis 0

`arrays` are the operands, those for which `mapped` holds with the examples along axis 0; `size` is their number. The
arrays may be Tensors themselves, of tapes and maps further outward: rules are written with NumPy's functions, which
dispatch, and with the primitive itself. Without a rule a primitive goes through the examples one by one. What makes
rules is in `tapenet.core.batch_rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import attrs
import numpy as np

from tapenet.core.foreign import Kind, as_constant, kind_of
from tapenet.core.guards import Guard
from tapenet.core.primitive import CONSTANTS, Array, BatchRule, Primitive
from tapenet.core.record import Parameters
from tapenet.core.tensor import Tensor, made_tensor
from tapenet.errors import ArgumentError, MappedValueError


@attrs.frozen(eq=False)
class Batch:
    """The value of a mapped Tensor: all examples, along axis 0 of one array."""

    array: Array

    __array_ufunc__: ClassVar[None] = None  # NumPy must not take it for a value

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        shape: tuple[int, ...] = self.array.shape
        return shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the examples."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype


@attrs.define(eq=False)
class Map:
    """The trace of mapped Tensors, while the mapped function runs.

    Attributes:
        size: the number of examples.
        level: its place among all traces in the order of opening.
        is_open: whether the mapped function still runs.
    """

    holds_batch: ClassVar[bool] = True
    keeps_choices: ClassVar[bool] = False
    is_fast: ClassVar[bool] = False
    guards: ClassVar[list[Guard] | None] = None

    size: int
    level: int
    is_open: bool = True

    def mapped(self, array: Array) -> Tensor:
        """Return the Tensor that stands for one of the examples along axis 0."""
        return made_tensor(Batch(array), self, 0)

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Evaluate a primitive for all examples at once."""
        operands = [
            x
            if type(x) in CONSTANTS or kind_of(type(x)) in (Kind.VALUE, Kind.OTHER)
            else as_constant(primitive.name, x)
            for x in operands
        ]
        rule, arrays, mapped, parameters = self.batched(primitive.batch, operands, parameters)
        return self.mapped_results(rule(primitive, arrays, mapped, self.size, parameters))

    def batched(
        self, rule: BatchRule | None, operands: Sequence[Array], parameters: Parameters
    ) -> tuple[BatchRule, list[Array], list[bool], Parameters]:
        """Return the batch rule to apply, the operands as arrays, which of them are mapped, and the parameters."""
        mapped = [type(x) is Tensor and x.owner is self for x in operands]
        arrays = [x._value.array if is_mapped else x for x, is_mapped in zip(operands, mapped, strict=True)]
        if any(type(x) is Tensor and x.owner is self for x in parameters.values()):
            # Batch rules read parameters as constants, the same for all examples.
            return one_by_one, arrays, mapped, self._unwrapped(parameters)
        return rule or one_by_one, arrays, mapped, parameters

    def mapped_results(self, out: Any) -> Any:
        """Return what a batch rule gave as mapped Tensors."""
        return tuple(map(self.mapped, out)) if type(out) is tuple else self.mapped(out)

    def _unwrapped(self, parameters: Parameters) -> Parameters:
        """Return parameters with the Batch in place of a mapped Tensor."""
        return {name: x._value if type(x) is Tensor and x.owner is self else x for name, x in parameters.items()}

    def refuse_write(self, x: Tensor, written: str) -> None:
        """Do nothing, as on a tape."""

    def resolve(self, x: Tensor) -> Tensor:
        """Return the Tensor itself, as long as its function runs."""
        if not self.is_open:
            raise MappedValueError(
                "vmap: a mapped value must not be used after the mapped function has returned; "
                "return it from the function instead of storing it."
            )
        return x

    def inner(self, x: Tensor) -> Array:
        """Return all examples."""
        return x._value.array

    def position(self) -> int:
        """Return 0: nothing is recorded."""
        return 0


# ---- the rules of most primitives ----


def one_by_one(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate a primitive without a rule: each example by itself, stacked."""

    def example(i: int) -> Any:
        operands = [x[i] if is_mapped else x for x, is_mapped in zip(arrays, mapped, strict=True)]
        return primitive(*operands, **{name: x.array[i] if type(x) is Batch else x for name, x in parameters.items()})

    if size == 0:
        # Without an example nothing tells the shape of the result.
        raise ArgumentError(f"vmap: {primitive.name} must be mapped over at least one example; got 0.")
    outs = [example(i) for i in range(size)]
    if type(outs[0]) is tuple:
        return tuple(stacked(primitive.name, parts) for parts in zip(*outs, strict=True))
    return stacked(primitive.name, outs)


def stacked(name: str, examples: Sequence[Array]) -> Array:
    """Stack what an operation gave for each example."""
    shapes = {np.shape(x) for x in examples}
    if len(shapes) > 1:
        raise MappedValueError(
            f"vmap: {name} must give every example one shape; got {', '.join(map(str, sorted(shapes)))}: "
            "the shape of its result depends on mapped values."
        )
    return np.stack(examples)


def elementwise_rule(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    """Evaluate an elementwise primitive by broadcasting, once the examples' axes are aligned at their ends."""
    ndims = [np.ndim(x) - is_mapped for x, is_mapped in zip(arrays, mapped, strict=True)]
    ndim = max(ndims)
    places = zip(arrays, mapped, ndims, strict=True)
    return primitive(
        *[
            _with_axes(x, ndim - core_ndim) if is_mapped and core_ndim < ndim else x
            for x, is_mapped, core_ndim in places
        ],
        **parameters,
    )


def _with_axes(x: Array, count: int) -> Array:
    """Mapped examples with axes of length 1 in front of each."""
    size, *shape = x.shape
    return np.reshape(x, (size, *(1,) * count, *shape))
