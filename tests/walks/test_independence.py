"""What a walk answers depends on the tape and on its own arguments alone: no walk changes what a later one answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.samples import SAMPLES

Array = Any
Function = Callable[..., Array]
Walk = Callable[[Any, Any, tuple[Any, ...]], Any]

X = np.array([0.4, 1.1, -0.7])


def gradient(tape: Any, y: Any, arrays: tuple[Any, ...]) -> Any:
    return tape.gradient(y, arrays, np.ones(y.shape, y.dtype), unconnected="zero")


def jvp(tape: Any, y: Any, arrays: tuple[Any, ...]) -> Any:
    return tape.jvp(y, arrays, tuple(np.ones(x.shape, x.dtype) for x in arrays))


def jacobian(tape: Any, y: Any, arrays: tuple[Any, ...]) -> Any:
    return tape.jacobian(y, arrays, unconnected="zero")


def replay(tape: Any, y: Any, arrays: tuple[Any, ...]) -> Any:
    return tape.replay(tuple(x.value * 1 for x in arrays), y)


WALKS: dict[str, Walk] = {"gradient": gradient, "jvp": jvp, "jacobian": jacobian, "replay": replay}
# Every walk after every other one, and each of them first and last.
ORDERS = [["gradient", "jvp", "jacobian", "replay"], ["replay", "jacobian", "jvp", "gradient"],
          ["jvp", "replay", "gradient", "jacobian"], ["jacobian", "gradient", "replay", "jvp"]]  # fmt: skip


def answer(walk: str, tape: Any, y: Any, arrays: tuple[Any, ...]) -> list[Array] | str:
    """What a walk gives, as plain arrays; or its error."""
    try:
        return [np.array(leaf.value if isinstance(leaf, tn.Tensor) else leaf) for leaf in tree_leaves(
            WALKS[walk](tape, y, arrays))]  # fmt: skip
    except tn.TapenetError as error:
        return f"{type(error).__name__}: {error}"


def answers(f: Function, values: tuple[Array, ...], order: Sequence[str], is_open: bool) -> dict[str, Any]:
    """The answers of several walks over one tape, one after another; within its block, or when it has closed."""
    with tn.GradientTape() as tape:
        arrays = tape.watch(values)
        y = f(*arrays)
        if is_open:
            return {walk: answer(walk, tape, y, arrays) for walk in order}
    return {walk: answer(walk, tape, y, arrays) for walk in order}


def assert_independent(f: Function, values: tuple[Array, ...], orders: Sequence[Sequence[str]]) -> None:
    for is_open in (True, False):
        first = {walk: answers(f, values, [walk], is_open)[walk] for walk in WALKS}
        for order in orders:
            found = answers(f, values, order, is_open)
            for walk, expected in first.items():
                if isinstance(expected, str) or isinstance(found[walk], str):
                    assert found[walk] == expected, (walk, order)
                else:
                    for actual, wanted in zip(found[walk], expected, strict=True):
                        np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-12, strict=True)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=3)
@given(data=st.data())
def test_of_every_primitive(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    order = data.draw(st.sampled_from(ORDERS))
    assert_independent(sample.function, tuple(np.array(x) for x in sample.arrays), [order])


cube_by_vjp = tn.custom_vjp(lambda x: x**3, lambda x: (x**3, x), lambda x, t: (3 * x * x * t,))
cube_by_jvp = tn.custom_jvp(lambda x: x**3, lambda x, t: (x[0] ** 3, 3 * x[0] * x[0] * t[0]))
own = tn.primitive(lambda x: np.asarray(x) ** 3, lambda t, x: 3 * x * x * t, name="own_cube")

TRANSFORMS: dict[str, Function] = {
    "custom_vjp": cube_by_vjp,
    "custom_jvp": cube_by_jvp,
    "primitive": own,
    "checkpoint": tn.checkpoint(lambda x: tnp.sin(x) * x),
    "checkpoint of custom_vjp": tn.checkpoint(lambda x: cube_by_vjp(x) * x),
    "vmap": tn.vmap(lambda x: tnp.sin(x) * x),
    "vmap of custom_vjp": tn.vmap(cube_by_vjp),
    "several": lambda x: cube_by_vjp(tn.checkpoint(tnp.sin)(x)) * cube_by_jvp(x),
    "grad": lambda x: tn.grad(lambda x: (tnp.sin(x) * x).sum())(x),
    "grad of custom_vjp": lambda x: tn.grad(lambda x: cube_by_vjp(x).sum())(x),
    "jvp": lambda x: tn.jvp(lambda x: tnp.sin(x) * x, (x,), (x,))[1],
    "jacobian": lambda x: tn.jacobian(lambda x: tnp.cumsum(x * x))(x),
    "hvp": lambda x: tn.hvp(lambda x: (x**4).sum())(x, np.ones(3)),
    "vjp": lambda x: tn.vjp(cube_by_vjp, x)[1](np.ones(3))[0],
    "linearize": lambda x: tn.linearize(lambda x: tnp.sin(x) * x, x)[1](np.ones(3)),
    "fixed_point": lambda x: tn.fixed_point(lambda y, x: 0.5 * tnp.cos(y) + x, np.zeros(3), x),
    "root": lambda x: tn.root(lambda y, x: y**3 + y - x, np.zeros(3), x),
    "stop_gradient": lambda x: x * tn.stop_gradient(tnp.sin(x)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_of_every_transform(name: str) -> None:
    assert_independent(TRANSFORMS[name], (X,), list(itertools.permutations(WALKS)))
