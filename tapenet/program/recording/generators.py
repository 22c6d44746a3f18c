"""Generators of random numbers as arguments: each call of a program draws, the same numbers as eager code."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.deferred import as_read
from tapenet.core.nondifferentiable import choice
from tapenet.core.pytrees import TreeSpec, tree_flatten_with_none, tree_unflatten
from tapenet.core.tensor import Tensor, made_tensor
from tapenet.program.recording.recorder import RECORDING, ProgramRecorder, RefusedError, UnsupportedError

Generator = np.random.Generator | np.random.RandomState | random.Random


def _draw(generator: np.random.Generator, *arrays: Any, method: str, spec: TreeSpec, leaves: tuple[Any, ...]) -> Any:
    given = iter(arrays)
    args, kwargs = tree_unflatten(spec, [next(given) if leaf is _ARRAY else leaf for leaf in leaves])
    return getattr(np.random.Generator, method)(generator, *args, **kwargs)


class _Array:
    def __repr__(self) -> str:
        return "an array"


_ARRAY = _Array()  # in the place of an argument that is a value
DRAW = attrs.evolve(choice(_draw, name="draw"), has_effects=True)


class TracedGenerator(np.random.Generator):
    """A generator whose draws are recorded: it draws from the stream of the one that it stands for."""

    def __init__(self, real: np.random.Generator, trace: ProgramRecorder) -> None:
        super().__init__(real.bit_generator)
        self._real = real
        self._trace = trace
        self._slot = trace.watch_object()
        self._state = state_of(real)

    @property
    def slot(self) -> int:
        """The slot of the generator."""
        return self._slot

    def check(self) -> None:
        """Raise where the stream has moved by other draws than those that were recorded."""
        if state_of(self._real) != self._state:
            raise RefusedError(
                "compile: draws from a generator must be by its methods, in the function that is compiled; got another "
                "draw from its stream. Draw by rng.normal(...), rng.random(...) and their kin."
            )

    def recorded(self, method: str, args: Any, kwargs: Any) -> Any:
        """Draw, and record it."""
        if RECORDING.get() is not self._trace:
            raise UnsupportedError(f"rng.{method} in a loop whose body is recorded once")
        self.check()
        if kwargs.get("out") is not None:
            raise UnsupportedError(f"rng.{method} writes into an array (out=)")
        leaves, spec = tree_flatten_with_none((args, kwargs))
        on_trace = [x for x in leaves if type(x) is Tensor]
        if any(x.owner is not self._trace for x in on_trace):
            raise UnsupportedError(f"rng.{method} takes a Tensor of an open tape")
        drawn = _draw(
            self._real, *[as_read(x._value) for x in on_trace], method=method, spec=spec, leaves=_marked(leaves)
        )
        self._state = state_of(self._real)
        return self._written(drawn, on_trace, {"method": method, "spec": spec, "leaves": _marked(leaves)})

    def _written(self, drawn: Any, on_trace: Sequence[Tensor], parameters: Any) -> Tensor:
        is_number = type(drawn) in (int, float)
        if not is_number and not isinstance(drawn, np.ndarray | np.generic):
            raise UnsupportedError(f"rng.{parameters['method']} gives {type(drawn).__name__}")
        slots = (self._slot, *(x.slot for x in on_trace))
        shape, dtype = (() if is_number else drawn.shape), np.dtype(type(drawn)) if is_number else drawn.dtype
        slot = self._trace.write((DRAW, slots, (None,) * (len(slots) + 1), parameters, shape, dtype))
        if is_number:
            self._trace.numbers.add(slot)
        elif isinstance(drawn, np.generic):
            self._trace.scalars.add(slot)
        return made_tensor(drawn, self._trace, slot)


def _marked(leaves: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([_ARRAY if type(x) is Tensor else x for x in leaves])


def _recording(method: str) -> Callable[..., Any]:
    def draw(self: TracedGenerator, *args: Any, **kwargs: Any) -> Any:
        return self.recorded(method, args, kwargs)

    return draw


def _refused(method: str, instead: str) -> Callable[..., Any]:
    def refuse(self: TracedGenerator, *args: Any, **kwargs: Any) -> Any:
        raise RefusedError(f"compile: rng.{method} must not be called inside a compiled function. {instead}")

    return refuse


_REFUSED = {
    "shuffle": "Write x = rng.permutation(x).",
    "spawn": "Spawn generators outside, and pass them.",
}
for _name in dir(np.random.Generator):
    if not _name.startswith("_") and _name != "bit_generator":
        _method = _refused(_name, _REFUSED[_name]) if _name in _REFUSED else _recording(_name)
        setattr(TracedGenerator, _name, _method)


# ---- streams, and whether they moved ----


def state_of(generator: Generator) -> Any:
    """Return the state of a generator as a value that can be compared."""
    return _comparable(own_state(generator))


def _comparable(state: Any) -> Any:
    if isinstance(state, dict):
        return tuple((key, _comparable(value)) for key, value in state.items())
    return state.tobytes() if isinstance(state, np.ndarray) else state


def own_state(generator: Generator) -> Any:
    """Return the state of a generator as it has it, for `put_back`."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.bit_generator.state


def put_back(generator: Generator, state: Any) -> None:
    """Put a generator back into a state of its own."""
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state


def saved(generators: Sequence[Any]) -> Callable[[], None]:
    """Return a function that puts generators back into the state that they are in now."""
    states = [(generator, own_state(generator)) for generator in generators]

    def restore() -> None:
        for generator, state in states:
            put_back(generator, state)

    return restore


@attrs.frozen(eq=False)
class SharedStreams:
    """The states, at one time, of the streams that all code shares. To read them takes as long as 50 operations.

    Attributes:
        legacy: of NumPy's.
        own: of Python's.
    """

    legacy: Any
    own: tuple[Any, ...]

    @classmethod
    def now(cls) -> SharedStreams:
        """Return the states that they are in."""
        legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - that users may draw from
        return cls(legacy, random.getstate())

    def have_moved(self) -> bool:
        """Return whether they are in other states now."""
        now = SharedStreams.now()
        return bool(now.own != self.own or _comparable(now.legacy) != _comparable(self.legacy))

    def restore(self) -> None:
        """Put them back into these states."""
        np.random.set_state(self.legacy)  # noqa: NPY002 - as above
        random.setstate(self.own)
