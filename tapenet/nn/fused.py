"""Primitives that compute at once what are many operations, with kernels for the value and for the first derivative.

The derivative in reverse mode is a primitive of its own, so that a recorded walk is as fast as another. Beside its
outputs a primitive gives arrays that the derivative reads, and that no one else sees: they depend on the operands, and
the derivative is differentiated by the operands alone. It and forward mode are differentiated through the operations
written out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import NO_PATH, Array, BatchRule, Parts, Primitive, Shapes, register
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor
from tapenet.transforms.products import jvp, vjp

Function = Callable[..., tuple[Array, ...]]


@attrs.frozen(eq=False)
class Fused:
    """A function of arrays that is computed at once.

    Attributes:
        name: of the primitive.
        count: how many operands have derivatives; one more, the last, has none.
        outputs: how many outputs there are.
        forward: `(*operands, **parameters) -> outputs, and what backward reads`, in one tuple, on plain arrays.
        backward: `(operands, what forward gave, wanted, *cotangents of the outputs, **parameters) -> cotangents of the
            first `count` operands`; a cotangent that is not used comes as None, one that is not wanted may be None.
        written_out: the outputs alone, of operations that are recorded.
        batch: the rule of `vmap`.
        looped: as `written_out`, but with loops of `tn.scan`, for a program that is written in C.
    """

    name: str
    count: int
    outputs: int
    forward: Function
    backward: Callable[..., Sequence[Array | None]]
    written_out: Function
    batch: BatchRule | None = None
    looped: Function | None = None

    def primitive(self) -> Primitive:
        """Return the primitive of the function, and register it with that of its derivative."""
        pulled = register(
            Primitive(
                f"{self.name}_pullback",
                "joint",
                self._pulled,
                joint_pullback=_pullback(self._pulled_written_out, self._read_alone),
                joint_pushforward=_pushforward(self._pulled_written_out, self._read_alone),
                written_out=functools.partial(self._pulled_written_out, own=self.looped),
            )
        )

        def pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Sequence[Any]:
            operands, given = kept[: len(slots)], kept[len(slots)]
            own = [t.parts.get(i) for i in range(self.outputs)]  # without the zeros of what is not used
            wanted = tuple([slot is not None for slot in slots])
            if not any(type(x) is Tensor for x in (*operands, *given, *own)):
                return [*self.backward(operands, given, wanted, *own, **parameters), None]
            return [*pulled(*operands, *given, *own, wanted=wanted, **parameters), None]

        return register(
            Primitive(
                self.name,
                "joint",
                self.forward,
                joint_pullback=pullback,
                joint_pushforward=self._pushed,
                joint_reads_out=True,
                batch=self.batch,
                written_out=self.looped or self.written_out,
            )
        )

    def _pushed(
        self, tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> tuple[Array, ...]:
        """Push tangents to the outputs, and zeros to what the derivative reads, which is not differentiated by it."""
        pushed = _pushforward(self.written_out)(tangents, slots, kept, parameters, shapes)
        return (*pushed, *(np.zeros(np.shape(x), x.dtype) for x in kept[len(slots)][self.outputs :]))

    def _pulled(self, *arrays: Array, wanted: Sequence[bool], **parameters: Any) -> tuple[Array, ...]:
        operands, rest = arrays[: self.count + 1], arrays[self.count + 1 :]
        given, bars = rest[: len(rest) - self.outputs], rest[len(rest) - self.outputs :]
        pulled = self.backward(operands, given, wanted, *bars, **parameters)
        # What is not wanted is not read either.
        return tuple(
            np.zeros(x.shape, x.dtype) if bar is None else bar for x, bar in zip(operands, pulled, strict=False)
        )

    def _pulled_written_out(
        self, *arrays: Array, wanted: Sequence[bool], own: Function | None = None, **parameters: Any
    ) -> tuple[Array, ...]:
        function = own or self.written_out
        (*operands, last), bars = arrays[: self.count + 1], arrays[len(arrays) - self.outputs :]
        outputs, pullback = vjp(lambda *xs: function(*xs, last, **parameters), *operands)
        filled = [np.zeros(y.shape, y.dtype) if bar is None else bar for y, bar in zip(outputs, bars, strict=True)]
        pulled: tuple[Array, ...] = pullback(tuple(filled))
        return pulled

    def _read_alone(self, place: int, count: int) -> bool:
        """Return whether an operand of the derivative is one of those that depend on others."""
        return self.count < place < count - self.outputs


def _of(function: Function, operands: Sequence[Array], places: Sequence[int], parameters: Parameters) -> Function:
    """Return a function of the operands at some places alone."""

    def own(*given: Array) -> tuple[Array, ...]:
        arrays = list(operands)
        for place, x in zip(places, given, strict=True):
            arrays[place] = x
        return function(*arrays, **parameters)

    return own


def _nothing_alone(place: int, count: int) -> bool:
    return False


def _pullback(function: Function, read_alone: Callable[[int, int], bool] = _nothing_alone) -> Callable[..., Any]:
    def rule(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Sequence[Any]:
        operands = kept[: len(slots)]
        places = [i for i, slot in enumerate(slots) if slot is not None and not read_alone(i, len(slots))]
        answers: list[Any] = [NO_PATH if read_alone(i, len(slots)) else None for i in range(len(slots))]
        own = [operands[i] for i in places]
        bars = vjp(_of(function, operands, places, parameters), *own)[1](t.filled())
        for place, bar in zip(places, bars, strict=True):
            answers[place] = bar
        return answers

    return rule


def _pushforward(function: Function, read_alone: Callable[[int, int], bool] = _nothing_alone) -> Callable[..., Any]:
    def rule(
        tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> tuple[Array, ...]:
        operands = kept[: len(slots)]
        places = [i for i, t in enumerate(tangents) if t is not None and not read_alone(i, len(slots))]
        own, dots = (tuple(arrays[i] for i in places) for arrays in (operands, tangents))
        pushed: tuple[Array, ...] = jvp(_of(function, operands, places, parameters), own, dots)[1]
        return pushed

    return rule
