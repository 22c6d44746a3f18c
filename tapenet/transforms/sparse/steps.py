"""A record as the rules of sparsity read it: shapes, constants, and not values that another call may change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.primitive import Primitive
from tapenet.core.record import Shape
from tapenet.core.tensor import Tensor, record_guard, unwrap
from tapenet.transforms.sparse.links import Groups, Indices

Scope = Literal["global", "recorded", "local"]
UNKNOWN: Any = object()  # in place of an operand whose value may be another in the next call


@attrs.frozen(eq=False)
class Step:
    """One record.

    Attributes:
        primitive: the operation.
        shapes: of the operands.
        masks: which operands on the tape hold truth values.
        constants: the operands whose values may be read, and UNKNOWN in the places of others.
        kept: what the record keeps, for local links, which evaluate its rules.
        parameters: the operation's.
        shape: of the output; None for a tuple.
        dtype: of the output; None for a tuple.
        scope: which values of x the dependence is to hold for: all, those of these records, or these alone.
    """

    primitive: Primitive
    shapes: tuple[Shape, ...]
    masks: tuple[bool, ...]
    constants: tuple[Any, ...]
    kept: tuple[Any, ...]
    parameters: Mapping[str, Any]
    shape: Shape | None
    dtype: Any
    scope: Scope

    @property
    def is_local(self) -> bool:
        """Whether the dependence is wanted at these values alone."""
        return self.scope == "local"

    @property
    def out_shape(self) -> Shape:
        """The shape of the output, which is not a tuple."""
        assert self.shape is not None
        return self.shape

    @property
    def size(self) -> int:
        """The number of elements of the output."""
        return math.prod(self.out_shape)

    def knows(self, start: int = 0) -> bool:
        """Return whether all operands from a place on are constants."""
        return all(x is not UNKNOWN for x in self.constants[start:])

    def partial(self, index: int) -> Any:
        """Return what the rule of an operand gives for a cotangent of ones: zero where nothing depends on it."""
        pullback = self.primitive.pullbacks[index]
        assert pullback is not None
        kept = tuple(map(read, self.kept))
        if any(x is UNKNOWN for x in kept):  # mapped values
            return np.ones(1)
        with np.errstate(all="ignore"):
            found = pullback(np.ones(self.out_shape, self.dtype), kept, self.parameters, self.shapes[index])
        return np.asarray(unwrap(found))


def read(value: Any, function: Callable[[Any], Any] | None = None) -> Any:
    """Return the plain value under a Tensor, or a function of it; traces around guard it. UNKNOWN for a batch."""
    if type(value) is not Tensor:
        return value if function is None else function(value)
    plain = unwrap(value)
    if type(plain) is Tensor:
        return UNKNOWN
    answer = plain if function is None else function(plain)
    record_guard("the pattern of a matrix", function or np.asarray, (value,), {}, answer)
    return answer


def numbers(shape: Shape) -> Indices:
    """Return the element numbers of an array of a shape."""
    return np.arange(math.prod(shape)).reshape(shape)


def group_numbers(shape: Shape, axes: tuple[int, ...]) -> Indices:
    """Return for each element of an array the number of its group: all that differ along the axes alone are one."""
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return np.broadcast_to(numbers(kept), shape).ravel()


# Of tuples the axes of the first operand that are not a stack's.
LEADING = dict.fromkeys("slogdet qr svd eigh eig attention attention_pullback".split(), 2) | {"layer_norm": 1}


def groups_of_tuple(step: Step) -> Shape:
    """Return the shape of the groups whose dependences a tuple of results has: leading axes of all its parts."""
    leading = LEADING.get(step.primitive.name)
    return () if leading is None else step.shapes[0][: len(step.shapes[0]) - leading]


def dense(step: Step, index: int) -> Groups:
    """Return the link of an operation of which nothing is known: each result depends on all elements."""
    count = math.prod(groups_of_tuple(step)) if step.shape is None else step.size
    return Groups(np.zeros(math.prod(step.shapes[index]), np.intp), np.zeros(count, np.intp), 1)
