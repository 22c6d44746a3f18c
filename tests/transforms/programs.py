"""Random programs of some 25 operations, for tapenet and for JAX: the vocabulary, and what strings it together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

Array = Any
Shape = tuple[int, ...]

LENGTH = 25
N = 4
SHAPES: tuple[Shape, ...] = ((), (N,), (N, N))


@attrs.frozen(eq=False)
class Word:
    """An operation of the vocabulary.

    Attributes:
        apply: of a namespace, constants and operands.
        operands: how many axes each operand has; None for any.
    """

    apply: Callable[..., Array]
    operands: tuple[int | None, ...]


def _at(x: Array) -> Any:
    """`x.at`, of arrays on no tape too."""
    import tapenet as tn

    return x.at if hasattr(x, "at") else tn.at(x)


# Each keeps its values near 1, and needs no argument that it might not get.
VOCABULARY: dict[str, Word] = {
    # elementwise
    "sin": Word(lambda np_, c, x: np_.sin(x), (None,)),
    "cos": Word(lambda np_, c, x: np_.cos(1.5 * x), (None,)),
    "tanh": Word(lambda np_, c, x: np_.tanh(x), (None,)),
    "exp": Word(lambda np_, c, x: np_.exp(-x * x), (None,)),
    "log": Word(lambda np_, c, x: np_.log(2 + np_.sin(x)), (None,)),
    "sqrt": Word(lambda np_, c, x: np_.sqrt(1 + x * x), (None,)),
    "arctan": Word(lambda np_, c, x: np_.arctan(x), (None,)),
    "log1p": Word(lambda np_, c, x: np_.log1p(abs(x)), (None,)),
    "logaddexp": Word(lambda np_, c, x, y: np_.logaddexp(x, y) - 1, (1, 1)),
    "add": Word(lambda np_, c, x, y: 0.7 * (x + y), (None, 1)),
    "subtract": Word(lambda np_, c, x, y: x - y, (1, 0)),
    "multiply": Word(lambda np_, c, x, y: x * np_.cos(y), (2, 1)),
    "divide": Word(lambda np_, c, x, y: x / (1 + y * y), (None, 0)),
    "power": Word(lambda np_, c, x: (1.1 + np_.sin(x)) ** 1.7, (None,)),
    "cube": Word(lambda np_, c, x: 0.1 * x**3 - x, (1,)),
    "maximum": Word(lambda np_, c, x, y: np_.maximum(x, 0.3 + y), (1, 1)),
    "hypot": Word(lambda np_, c, x, y: np_.hypot(x, 0.5 + np_.exp(y)) - 1, (1, 1)),
    "clip": Word(lambda np_, c, x: np_.clip(x, -0.83, 0.91), (2,)),
    # choices
    "where": Word(lambda np_, c, x, y: np_.where(x > 0.05, x, np_.sin(y)), (1, 1)),
    "where of a matrix": Word(lambda np_, c, x, y: np_.where(c["mask"], x, y), (2, 1)),
    # reductions
    "sum": Word(lambda np_, c, x: 0.5 * np_.sum(x, axis=1), (2,)),
    "sum of all": Word(lambda np_, c, x: 0.2 * x.sum(), (2,)),
    "mean": Word(lambda np_, c, x: np_.mean(x, axis=0), (2,)),
    "max": Word(lambda np_, c, x: np_.max(x, axis=-1), (2,)),
    "min": Word(lambda np_, c, x: np_.min(x), (1,)),
    "prod": Word(lambda np_, c, x: np_.prod(np_.cos(x)), (1,)),
    "var": Word(lambda np_, c, x: np_.var(x, axis=0), (2,)),
    "std": Word(lambda np_, c, x: np_.std(x + c["vector"]), (1,)),
    "cumsum": Word(lambda np_, c, x: 0.4 * np_.cumsum(x), (1,)),
    "softmax": Word(lambda np_, c, x: np_.exp(x) / np_.sum(np_.exp(x), axis=-1, keepdims=True), (2,)),
    # products
    "matrix and vector": Word(lambda np_, c, x, y: 0.3 * (x @ y), (2, 1)),
    "matrices": Word(lambda np_, c, x, y: 0.3 * np_.matmul(x, y), (2, 2)),
    "a constant matrix": Word(lambda np_, c, x: c["matrix"] @ x, (1,)),
    "inner": Word(lambda np_, c, x, y: 0.3 * np_.dot(x, y), (1, 1)),
    "outer": Word(lambda np_, c, x, y: np_.outer(x, np_.tanh(y)), (1, 1)),
    "einsum": Word(lambda np_, c, x, y: 0.3 * np_.einsum("ij,jk,k->i", x, c["matrix"], y), (2, 1)),
    "trace": Word(lambda np_, c, x: 0.3 * np_.trace(x), (2,)),
    # indexing
    "element": Word(lambda np_, c, x: x[2], (1,)),
    "row": Word(lambda np_, c, x: x[1], (2,)),
    "slice": Word(lambda np_, c, x: x[::-1], (1,)),
    "fancy": Word(lambda np_, c, x: x[c["places"]], (1,)),
    "pairs": Word(lambda np_, c, x: x[c["places"], c["others"]], (2,)),
    "set": Word(lambda np_, c, x, y: _at(x)[1].set(y), (2, 1)),
    "add at": Word(lambda np_, c, x, y: _at(x)[c["places"]].add(0.3 * y), (1, 1)),
    "sort": Word(lambda np_, c, x: np_.sort(x), (1,)),
    "take along": Word(lambda np_, c, x: np_.take_along_axis(x, c["along"], 1), (2,)),
    # shapes
    "transpose": Word(lambda np_, c, x: x.T, (2,)),
    "reshape": Word(lambda np_, c, x: np_.reshape(np_.ravel(x)[::-1], (N, N)), (2,)),
    "concatenate": Word(lambda np_, c, x, y: np_.concatenate([x[:2], y[2:]]), (1, 1)),
    "stack": Word(lambda np_, c, x, y: np_.stack([x, y, x * y, 1 - x]), (1, 1)),
    "broadcast": Word(lambda np_, c, x: np_.broadcast_to(x, (N, N)) * c["matrix"], (1,)),
    "spread": Word(lambda np_, c, x: x * c["vector"], (0,)),
    "roll": Word(lambda np_, c, x: np_.roll(x, 1, axis=0), (2,)),
    "flip": Word(lambda np_, c, x: np_.flip(x, 1), (2,)),
    "pad": Word(lambda np_, c, x: np_.pad(x[1:-1], 1), (1,)),
    "tile": Word(lambda np_, c, x: np_.tile(x[:2], 2), (1,)),
}


@attrs.frozen(eq=False)
class Program:
    """Straight-line code: each step a word and the numbers of the values it is applied to."""

    steps: tuple[tuple[str, tuple[int, ...]], ...]
    constants: dict[str, Array]

    def run(self, np_: Any, x: Array) -> Array:
        """The vector that the program computes from a vector, in a namespace."""
        values = [x, x[0] * x[1], np_.outer(x, np_.sin(x))]
        for name, places in self.steps:
            values.append(VOCABULARY[name].apply(np_, self.constants, *(values[place] for place in places)))
        kept = [np_.ravel(value) for value in values[-6:]]
        return 0.5 * self.constants["vector"] * sum(np_.sum(value) for value in kept) + np_.tanh(x) * kept[-1][0]

    def __repr__(self) -> str:
        return "\n".join(f"v{i + 3} = {name} of {places}" for i, (name, places) in enumerate(self.steps))


def program_of(seed: int) -> tuple[Program, Array]:
    """A program, and a vector to run it at."""
    rng = np.random.default_rng(seed)
    constants = {
        "matrix": rng.uniform(-1, 1, (N, N)),
        "vector": rng.uniform(0.5, 1.5, N),
        "mask": rng.uniform(size=(N, N)) > 0.5,
        "places": np.array([3, 1, 1, 0])[rng.permutation(N)],
        "others": rng.integers(0, N, N),
        "along": rng.integers(0, N, (N, N)),
    }
    x = rng.uniform(-1, 1, N)
    ndims = [1, 0, 2]
    steps: list[tuple[str, tuple[int, ...]]] = []
    names = list(VOCABULARY)
    while len(steps) < LENGTH:
        name = names[rng.integers(len(names))]
        word = VOCABULARY[name]
        places = []
        for wanted in word.operands:
            fitting = [i for i, ndim in enumerate(ndims) if wanted is None or ndim == wanted]
            # Mostly one of the latest values, so that programs are deep.
            places.append(fitting[-min(len(fitting), 1 + rng.geometric(0.4))])
        steps.append((name, tuple(places)))
        stand_ins = [np.zeros(SHAPES[ndims[place]]) for place in places]
        ndims.append(np.ndim(word.apply(np, constants, *stand_ins)))
    return Program(tuple(steps), constants), x
