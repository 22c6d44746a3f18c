"""Compiled functions of many arrays find their programs without a key, and results stay the caller's own."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import CompileWarning
from tapenet.kernels.layouts import Layout
from tapenet.program.compiling.signatures import leaf_key

MANY = 20


def arrays(shape: Any = (3,), dtype: Any = np.float64) -> list[Any]:
    return [np.full(shape, i + 1.0, dtype) for i in range(MANY)]


def total(xs: list[Any], scale: Any = 1.0) -> Any:
    return sum(tnp.sum(x) for x in xs) * scale


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_every_signature_gets_its_own_program(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    f = tn.compile(total, backend=backend)
    calls = [
        (arrays(),),
        (arrays((2, 2)),),
        (arrays(dtype=np.float32),),
        (arrays(), 2.0),
        (arrays(), 3.0),
        (arrays(), 3),
        (arrays(), np.float32(3.0)),
        (arrays()[:-1],),
        (arrays()[:3],),
        (tuple(arrays()),),
    ]
    for _ in range(3):
        for call in calls:
            for _ in range(3):
                found, expected = f(*call), total(*call)
                np.testing.assert_allclose(found, expected)
                assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_results_have_the_memory_order_of_the_functions() -> None:
    f = tn.compile(lambda xs: [2 * x for x in xs])
    for order in ("C", "C", "C", "F", "F", "F", "C", "F"):
        given = [np.asarray(np.arange(6.0).reshape(2, 3), order=order) for _ in range(MANY)]
        for x, y in zip(f(given), given, strict=True):
            np.testing.assert_array_equal(x, 2 * y)
            assert x.flags.c_contiguous is (order == "C")
    assert len(f.programs) == 2


LEAVES = [
    *(np.ones(shape, dtype, order) for shape in [(2, 3), (3, 2), (6,)] for dtype in "fd" for order in "CF"),
    *(np.ones((4, 6))[:2, ::2], np.ones((4, 3))[:2], np.broadcast_to(np.ones(3), (2, 3)), np.ones(12)[::2]),
    *(1, 1.0, 1j, 2, np.float64(1.0), np.float32(1.0), np.int64(1), np.ones(()), np.ones((), np.float32)),
]


def test_layouts_tell_apart_what_keys_do() -> None:
    rest: list[Any] = [1.0] * MANY
    for x in LEAVES:
        layout = Layout.of([x, *rest])
        for y in LEAVES if layout is not None else ():
            assert layout is not None
            assert not layout.fits([y, *rest]) or leaf_key(x) == leaf_key(y)


@attrs.frozen
class Model:
    weights: list[Any]
    power: Any = tn.static_field()


class Unequal:
    """A static value that is not comparable."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("not comparable")

    __hash__ = None  # type: ignore[assignment]  # as lists have none


def test_static_fields_belong_to_the_signature() -> None:
    f = tn.compile(lambda model: sum(tnp.sum(w**model.power) for w in model.weights))
    for _ in range(3):
        for power in (1, 2, 2):
            np.testing.assert_allclose(f(Model(arrays(), power)), sum(np.sum(w**power) for w in arrays()))


def test_static_fields_that_are_not_comparable_are_met_again() -> None:
    f = tn.compile(lambda model: sum(tnp.sum(w) for w in model.weights))
    for _ in range(3):
        assert f(Model(arrays(), 1)) == 630.0
    with pytest.warns(CompileWarning, match="comparable"):
        assert f(Model(arrays(), Unequal())) == 630.0
    assert f(Model(arrays(), 1)) == 630.0


def test_results_share_no_memory() -> None:
    def f(xs: list[Any]) -> list[Any]:
        return [*xs[:5], *[x[:2] for x in xs[5:10]], xs[11] + 1, *[2 * x for x in xs]]

    compiled = tn.compile(f)
    for _ in range(3):
        given = arrays()
        found = compiled(given)
        for i, (x, y) in enumerate(zip(found, f(given), strict=True)):
            np.testing.assert_array_equal(x, y)
            assert x.flags.writeable
            others = [*given, *found[:i]]
            assert not any(np.shares_memory(x, other) for other in others)


def test_what_comes_twice_is_copied() -> None:
    def f(xs: list[Any]) -> list[Any]:
        made = [2 * x for x in xs]
        return [*made, made[0]]

    compiled = tn.compile(f)
    for _ in range(3):
        found = compiled(arrays())
        assert found[0] is not found[-1]
        assert not np.shares_memory(found[0], found[-1])
        np.testing.assert_array_equal(found[0], found[-1])


def test_a_recording_around_it_is_seen() -> None:
    f = tn.compile(lambda xs: sum(tnp.sum(x * x) for x in xs))
    for _ in range(3):
        f(arrays())
    for x, g in zip(arrays(), tn.grad(f)(arrays()), strict=True):
        np.testing.assert_allclose(g, 2 * x)
    np.testing.assert_allclose(f(arrays()), 3 * sum((i + 1) ** 2 for i in range(MANY)))


def test_values_around_it_that_change_class_are_seen() -> None:
    settings: dict[str, Any] = {"scale": 2.0}
    f = tn.compile(lambda xs: total(xs, settings["scale"]))
    for scale in (2.0, 2.0, 2.0, 3, 3, np.float64(0.5), 2.0, 2.0):
        settings["scale"] = scale
        np.testing.assert_allclose(f(arrays()), 630.0 * scale)
