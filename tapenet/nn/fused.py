"""Primitives that compute at once what are many operations, with kernels for the value and for the first derivative.

The derivative in reverse mode is a primitive of its own, so that a recorded walk is as fast as another; it and forward
mode are differentiated through the operations written out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from tapenet.core.primitive import Array, BatchRule, Parts, Primitive, Shapes, register
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
        forward: `(*operands, **parameters) -> (outputs, residual)`, on plain arrays.
        backward: `(residual, last, wanted, *cotangents of the outputs, **parameters) -> cotangents of the first `count`
            operands`; a cotangent that is not used comes as None, one that is not wanted may be None.
        written_out: the same as forward, of operations that are recorded, without residual.
        batch: the rule of `vmap`.
    """

    name: str
    count: int
    forward: Callable[..., tuple[tuple[Array, ...], Any]]
    backward: Callable[..., Sequence[Array | None]]
    written_out: Function
    batch: BatchRule | None = None

    def primitive(self) -> Primitive:
        """Return the primitive of the function, and register it with that of its derivative."""
        pulled = register(
            Primitive(
                f"{self.name}_pullback",
                "joint",
                self._pulled_anew,
                joint_pullback=_pullback(self._pulled_written_out),
                joint_pushforward=_pushforward(self._pulled_written_out),
            )
        )

        def pullback(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Sequence[Any]:
            operands, residual = kept[: len(slots)], kept[len(slots) + 1 :]
            bars = t.filled()
            if residual and not any(type(x) is Tensor for x in (*operands, *bars)):
                own = [t.parts.get(i) for i in range(len(bars))]  # without the zeros of what is not used
                wanted = [slot is not None for slot in slots]
                return [*self.backward(*residual, operands[-1], wanted, *own, **parameters), None]
            return [*pulled(*operands, *bars, **parameters), None]

        return register(
            Primitive(
                self.name,
                "joint",
                lambda *operands, **parameters: self.forward(*operands, **parameters)[0],
                joint_pullback=pullback,
                joint_pushforward=_pushforward(self.written_out),
                with_residual=self.forward,
                batch=self.batch,
            )
        )

    def _pulled_anew(self, *arrays: Array, **parameters: Any) -> tuple[Array, ...]:
        operands, bars = arrays[: self.count + 1], arrays[self.count + 1 :]
        residual = self.forward(*operands, **parameters)[1]
        pulled = self.backward(residual, operands[-1], [True] * self.count, *bars, **parameters)
        return tuple(bar for bar in pulled if bar is not None)

    def _pulled_written_out(self, *arrays: Array, **parameters: Any) -> tuple[Array, ...]:
        (*operands, last), bars = arrays[: self.count + 1], arrays[self.count + 1 :]
        pullback = vjp(lambda *own: self.written_out(*own, last, **parameters), *operands)[1]
        pulled: tuple[Array, ...] = pullback(bars)
        return pulled


def _of(function: Function, operands: Sequence[Array], places: Sequence[int], parameters: Parameters) -> Function:
    """Return a function of the operands at some places alone."""

    def own(*given: Array) -> tuple[Array, ...]:
        arrays = list(operands)
        for place, x in zip(places, given, strict=True):
            arrays[place] = x
        return function(*arrays, **parameters)

    return own


def _pullback(function: Function) -> Callable[..., Sequence[Any]]:
    def rule(t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Sequence[Any]:
        operands = kept[: len(slots)]
        places = [i for i, slot in enumerate(slots) if slot is not None]
        bars = vjp(_of(function, operands, places, parameters), *(operands[i] for i in places))[1](t.filled())
        answers: list[Any] = [None] * len(slots)
        for place, bar in zip(places, bars, strict=True):
            answers[place] = bar
        return answers

    return rule


def _pushforward(function: Function) -> Callable[..., tuple[Array, ...]]:
    def rule(
        tangents: Sequence[Any], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> tuple[Array, ...]:
        operands = kept[: len(slots)]
        places = [i for i, t in enumerate(tangents) if t is not None]
        own = tuple(operands[i] for i in places)
        pushed: tuple[Array, ...] = jvp(
            _of(function, operands, places, parameters), own, tuple(tangents[i] for i in places)
        )[1]
        return pushed

    return rule
