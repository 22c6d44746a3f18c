"""`checkpoint`: the same derivatives, from a tape that keeps less."""

from __future__ import annotations

import functools
import gc
import re
import tracemalloc
import weakref
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.errors import ConversionError, TapeStateError
from tapenet.testing import check_grads

X = np.array([0.3, -1.2, 2.0])
W = np.random.default_rng(0).normal(size=(3, 3))


def layer(p: Any, x: Any) -> Any:
    return {"out": tnp.tanh(p["w"] @ x + p["b"]), "note": "seen", "none": None}


P = {"w": W, "b": X}


def loss(f: Any) -> Any:
    return lambda p, x: tnp.sum(f(p, f(p, x)["out"])["out"] ** 2)


def tree_close(a: Any, b: Any) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)


def test_off_the_tape_it_is_the_function() -> None:
    y = tn.checkpoint(layer)(P, X)
    np.testing.assert_array_equal(y["out"], layer(P, X)["out"])
    assert y["note"] == "seen"
    assert y["none"] is None
    assert tn.checkpoint(layer).__name__ == "layer"


def test_both_modes_to_third_order() -> None:
    check_grads(loss(tn.checkpoint(layer)), (P, X), order=3)


def test_the_tape_keeps_one_record_and_arguments_and_results_alone() -> None:
    with tn.GradientTape() as tape:
        p, x = tape.watch((P, X))
        y = tn.checkpoint(layer)(p, x)
        assert y["note"] == "seen"
    assert [record.primitive.name for record in tape.records[3:]] == ["checkpoint", "part"]


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: tn.grad(f)(P, X),
        lambda f: tn.grad(lambda x: tnp.sum(tn.grad(f, 1)(P, x) ** 3))(X),
        lambda f: tn.hvp(f, 1)(P, X, X[::-1]),
        lambda f: tn.jvp(lambda x: tn.jvp(lambda z: f(P, z), (x,), (X,))[1], (X,), (X,))[1],
        lambda f: tn.vmap(tn.grad(f, 1), in_axes=(None, 0))(P, W),
        lambda f: tn.grad(lambda p: tnp.sum(tn.vmap(f, in_axes=(None, 0))(p, W)))(P),
        lambda f: tn.vmap(tn.grad(lambda x: tnp.sum(tn.grad(f, 1)(P, x) ** 2)))(W),
        lambda f: tn.grad(lambda p: tnp.sum(tn.vmap(tn.grad(f, 1), in_axes=(None, 0))(p, W) ** 2))(P),
        lambda f: tn.hessian(f, 1)(P, X),
        lambda f: tn.jacobian(tn.jacfwd(f, 1), 1)(P, X),
        lambda f: tn.vmap(tn.hessian(f, 1), in_axes=(None, 0))(P, W),
    ],
    ids=[
        "grad",
        "grad of grad",
        "hvp",
        "jvp of jvp",
        "vmap of grad",
        "grad of vmap",
        "vmap of grad of grad",
        "grad of vmap of grad",
        "hessian",
        "jacobian of jacfwd",
        "vmap of hessian",
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_every_transform_agrees_with_the_function(transform: Any, whole: bool) -> None:
    checkpointed = tn.checkpoint(loss(layer)) if whole else loss(tn.checkpoint(layer))
    tree_close(transform(checkpointed), transform(loss(layer)))


def test_checkpoints_nest() -> None:
    inner = tn.checkpoint(layer)
    outer = tn.checkpoint(lambda p, x: inner(p, inner(p, x)["out"]))
    tree_close(tn.grad(lambda p: tnp.sum(outer(p, X)["out"] ** 2))(P), tn.grad(lambda p: loss(layer)(p, X))(P))
    check_grads(lambda p: outer(p, X)["out"], (P,), order=2)


def test_checkpoint_of_a_mapped_function() -> None:
    mapped = tn.checkpoint(tn.vmap(loss(layer), in_axes=(None, 0)))
    expected = tn.grad(lambda p: tnp.sum(tn.vmap(loss(layer), in_axes=(None, 0))(p, W)))(P)
    tree_close(tn.grad(lambda p: tnp.sum(mapped(p, W)))(P), expected)


def test_masks_of_mapped_values() -> None:
    def f(x: Any) -> Any:
        return tnp.sum(tnp.where(x > 0.1, x**2, 3 * x) * (x < 1.5))

    batch = np.array([[0.3, -1.2], [2.0, 0.05], [-0.2, 1.0]])
    tree_close(tn.vmap(tn.grad(tn.checkpoint(f)))(batch), tn.vmap(tn.grad(f))(batch))


def test_walks_recorded_in_the_block() -> None:
    f = loss(tn.checkpoint(layer))
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        first = tape.gradient(f(P, x), x)
        total = tnp.sum(first**2)
    tree_close(tape.gradient(total, x), tn.grad(lambda x: tnp.sum(tn.grad(loss(layer), 1)(P, x) ** 2))(X))
    tree_close(tape.gradient(total, x), tape.gradient(total, x))


def test_rules_of_ones_own_and_solvers_inside() -> None:
    cube = tn.primitive(lambda x: x**3, lambda t, x: 3 * t * x**2, name="cube")
    softplus = tn.custom_jvp(lambda x: np.logaddexp(x, 0.0), lambda p, t: (softplus(p[0]), t[0] / (1 + tnp.exp(-p[0]))))

    def f(w: Any, x: Any) -> Any:
        block = tn.checkpoint(lambda h: softplus(cube(h) * w))
        return block(tn.checkpoint(lambda a: tn.root(lambda y, a: y**3 + y - a, np.ones(3), a))(x) + block(x))

    check_grads(f, (X, X[::-1].copy()), order=2)


def test_the_peak_of_memory_falls() -> None:
    def deep(wrap: Any) -> Any:
        block = wrap(lambda h: functools.reduce(lambda h, _: tnp.tanh(h * 1.1), range(20), h))
        return lambda x: tnp.sum(functools.reduce(lambda h, _: block(h), range(20), x))

    def peak(f: Any) -> int:
        tracemalloc.start()
        tn.grad(f)(np.ones(10_000))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(deep(tn.checkpoint)) < 0.25 * peak(deep(lambda f: f))


# ---- captured Tensors ----


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value


def by_closure(w: Any) -> Any:
    return lambda x: tnp.tanh((w * 2) @ x)


def by_nested_closure(w: Any) -> Any:
    inner = by_closure(w)
    return lambda x: inner(x)


def by_attribute(w: Any) -> Any:
    holder = Holder(w)
    return lambda x: tnp.tanh((holder.value * 2) @ x)


def by_partial(w: Any) -> Any:
    return functools.partial(lambda w, x: tnp.tanh((w * 2) @ x), w)


@attrs.frozen
class Model:
    w: Any

    def __call__(self, x: Any) -> Any:
        return tnp.tanh((self.w * 2) @ x)


WAYS = [by_closure, by_nested_closure, by_attribute, by_partial, Model, lambda w: Model(w).__call__]


@pytest.mark.parametrize("around", WAYS)
@pytest.mark.parametrize("x_on_tape", [True, False])
def test_captured_tensors_get_their_gradients(around: Any, x_on_tape: bool) -> None:
    def total(wrap: Any) -> Any:
        def f(w: Any, x: Any) -> Any:
            return tnp.sum(wrap(around(w))(x if x_on_tape else X) ** 2)

        return f

    check_grads(lambda w: total(tn.checkpoint)(w, X), (W,), order=2)
    for argnums in (0, (0, 1)):
        tree_close(tn.grad(total(tn.checkpoint), argnums)(W, X), tn.grad(total(lambda f: f), argnums)(W, X))
    tree_close(
        tn.grad(lambda w: tnp.sum(tn.grad(total(tn.checkpoint), 1)(w, X) ** 2))(W),
        tn.grad(lambda w: tnp.sum(tn.grad(total(lambda f: f), 1)(w, X) ** 2))(W),
    )


@pytest.mark.parametrize("around", [by_closure, by_nested_closure, by_partial, Model])
def test_the_inside_of_captured_tensors_is_not_kept(around: Any) -> None:
    with tn.GradientTape() as tape:
        w = tape.watch(W)
        tn.checkpoint(around(w))(X)
    assert [record.primitive.name for record in tape.records] == ["watch", "checkpoint", "part"]


def test_captured_tensors_of_two_tapes() -> None:
    def mixed(wrap: Any) -> Any:
        def outer(u: Any) -> Any:
            def inner(v: Any) -> Any:
                f = wrap(lambda x: tnp.sin(x * u) * v + u * v)
                return tnp.sum(f(v * 2.0)) + tnp.sum(f(X))

            return tnp.sum(tn.grad(inner)(u * 3.0) ** 2)

        return outer

    tree_close(tn.grad(mixed(tn.checkpoint))(X), tn.grad(mixed(lambda f: f))(X))


def test_captured_mapped_values() -> None:
    def per_example(wrap: Any) -> Any:
        return tn.vmap(lambda u: tn.grad(lambda x: tnp.sum(wrap(lambda y: tnp.sin(y * u))(x)))(X))

    tree_close(per_example(tn.checkpoint)(W), per_example(lambda f: f)(W))
    scalar = lambda wrap: lambda w: tnp.sum(per_example(wrap)(w) ** 2)  # noqa: E731  # one line says it
    tree_close(tn.grad(scalar(tn.checkpoint))(W), tn.grad(scalar(lambda f: f))(W))


def test_a_tape_inside() -> None:
    def f(w: Any) -> Any:
        def step(x: Any) -> Any:
            with tn.GradientTape() as tape:
                z = tape.watch(x)
                v = tape.watch(w)
                y = tnp.sum(tnp.sin(z * v) * w)
            return tape.gradient(y, (z, v))

        return step

    def total(wrap: Any) -> Any:
        return lambda w, x: sum(tnp.sum(part**2) for part in wrap(f(w))(x))

    tree_close(tn.grad(total(tn.checkpoint), (0, 1))(X, X[::-1]), tn.grad(total(lambda f: f), (0, 1))(X, X[::-1]))


def test_a_tensor_of_an_inner_tape_that_cannot_be_seen_is_an_error() -> None:
    def outer(u: Any) -> Any:
        def inner(v: Any) -> Any:
            holder = Holder(v)
            return tnp.sum(tn.checkpoint(lambda x: x * holder.value)(u))

        return tnp.sum(tn.grad(inner)(u))

    text = "checkpoint: <lambda> must take as an argument every Tensor of a tape further in than those of its arguments"
    with pytest.raises(tn.ArgumentError, match=re.escape(text)):
        tn.grad(outer)(X)


# ---- randomness ----


@pytest.mark.parametrize("captured", [False, True])
def test_dropout_has_one_mask_and_the_generator_ends_where_it_would(captured: bool) -> None:
    def f(x: Any, rng: Any) -> Any:
        return tnp.sum(tn.nn.dropout(x * x, 0.5, rng) * rng.normal(size=8))

    def gradient(wrap: Any) -> Any:
        rng = np.random.default_rng(3)
        g = (lambda x: wrap(lambda y: f(y, rng))(x)) if captured else (lambda x: wrap(f)(x, rng))
        value, slope = tn.value_and_grad(g)(np.arange(8.0))
        return value, slope, rng.random()

    for got, expected in zip(gradient(tn.checkpoint), gradient(lambda f: f), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_function_runs_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return tnp.sin(x)

    tn.grad(tn.grad(tn.checkpoint(f)))(1.0)
    assert len(calls) == 1


# ---- trouble ----


def test_an_exception_leaves_the_tape_recording() -> None:
    class MyError(Exception):
        pass

    def fail(x: Any) -> Any:
        tnp.sin(x)
        raise MyError("mine")

    with tn.GradientTape() as tape:
        x = tape.watch(2.0)
        before = len(tape.records)
        with pytest.raises(MyError, match=r"^mine$"):
            tn.checkpoint(fail)(x)
        assert len(tape.records) == before
        y = x * x
    assert tape.gradient(y, x) == 4.0


def test_conversions_inside_are_errors_as_outside() -> None:
    with pytest.raises(ConversionError, match=r"float\(x\): x is a Tensor of an open tape"):
        tn.grad(tn.checkpoint(lambda x: x * float(x)))(2.0)

    def captured(w: Any) -> Any:
        return tn.checkpoint(lambda x: x * float(w))(w)

    with pytest.raises(ConversionError, match=r"float\(x\): x is a Tensor of an open tape"):
        tn.grad(captured)(2.0)


def test_the_paused_tape_does_not_walk() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(2.0)
        y = x * x
        text = "tape.gradient: the tape must record; got one that is paused by tn.checkpoint."
        with pytest.raises(TapeStateError, match=re.escape(text)):
            tn.checkpoint(lambda z: z * tape.gradient(y, x))(x)


def test_nothing_outlives_the_tape_with_the_garbage_collector_off() -> None:
    def use() -> Any:
        with tn.GradientTape() as tape:
            p = tape.watch({"w": W.copy(), "b": X.copy()})
            y = tnp.sum(tn.checkpoint(lambda x: layer(p, x)["out"])(p["b"]))
        tape.gradient(y, p)
        return weakref.ref(p["w"]._value)

    gc.collect()
    gc.disable()
    try:
        assert use()() is None
    finally:
        gc.enable()


def test_results_that_depend_on_nothing_watched_or_are_an_argument() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        same, constant, again = tn.checkpoint(lambda z: (z, np.ones(2), x))(x)
        assert type(constant) is np.ndarray
        y = tnp.sum(same * 2.0) + tnp.sum(again)
    np.testing.assert_array_equal(tape.gradient(y, x), np.full(3, 3.0))
