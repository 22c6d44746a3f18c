"""Exceptions leave nothing half-done: what comes after one is as if it had not been."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

X = np.array([0.3, -1.2, 2.0])
LIBRARY = str(Path(tn.__file__).parent)


class Trouble(BaseException):
    """Like KeyboardInterrupt, nothing that `except Exception` catches."""


class Switch:
    """An operation whose parts fail when told to."""

    def __init__(self) -> None:
        self.failing = ""

    def check(self, part: str) -> None:
        if self.failing == part:
            raise Trouble(part)

    def forward(self, x: Any) -> Any:
        self.check("forward")
        return np.sin(x)

    def primitive(self) -> Callable[[Any], Any]:
        def rule(t: Any, x: Any) -> Any:
            self.check("rule")
            return t * tnp.cos(x)

        return tn.primitive(self.forward, rule, name="switched", operands=("x",))

    def custom_vjp(self) -> Callable[[Any], Any]:
        def backward(x: Any, t: Any) -> Any:
            self.check("rule")
            return (t * tnp.cos(x),)

        return tn.custom_vjp(self.forward, lambda x: (self.forward(x), x), backward)

    def custom_jvp(self) -> Callable[[Any], Any]:
        def rule(primals: Any, tangents: Any) -> Any:
            self.check("rule")
            return tnp.sin(primals[0]), tangents[0] * tnp.cos(primals[0])

        return tn.custom_jvp(self.forward, rule)

    def inside_a_checkpoint(self) -> Callable[[Any], Any]:
        operation = self.primitive()
        return tn.checkpoint(lambda x: operation(x * 1.0) * 1.0)

    def inside_a_map(self) -> Callable[[Any], Any]:
        return tn.vmap(self.primitive())


KINDS = ["primitive", "custom_vjp", "custom_jvp", "inside_a_checkpoint", "inside_a_map"]
over_kinds = pytest.mark.parametrize("kind", KINDS)


@over_kinds
@pytest.mark.parametrize("part", ["forward", "rule"])
def test_after_a_failure_the_next_call_is_as_ever(kind: str, part: str) -> None:
    switch = Switch()
    operation = getattr(switch, kind)()
    gradient = tn.grad(lambda x: tnp.sum(operation(x) ** 2))
    expected = gradient(X)
    switch.failing = part
    with pytest.raises(Trouble, match=f"^{part}$"):
        gradient(X)
    switch.failing = ""
    np.testing.assert_array_equal(gradient(X), expected)


@over_kinds
def test_an_open_tape_goes_on_after_a_failing_operation(kind: str) -> None:
    switch = Switch()
    operation = getattr(switch, kind)()
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        before = len(tape.records)
        switch.failing = "forward"
        with pytest.raises(Trouble):
            operation(x)
        assert kind == "inside_a_map" or len(tape.records) == before
        switch.failing = ""
        y = tnp.sum(operation(x))
    np.testing.assert_allclose(tape.gradient(y, x), np.cos(X), rtol=1e-15)


@over_kinds
def test_a_walk_that_failed_is_walked_again(kind: str) -> None:
    switch = Switch()
    operation = getattr(switch, kind)()
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = operation(x)
        total = tnp.sum(y * y + y)
    expected = tape.gradient(total, x)
    length = len(tape.records)
    switch.failing = "rule"
    with pytest.raises(Trouble):
        tape.gradient(total, x)
    if kind != "custom_vjp":
        with pytest.raises(Trouble):
            tape.jvp(total, x, X)
    switch.failing = ""
    np.testing.assert_array_equal(tape.gradient(total, x), expected)
    assert len(tape.records) == length


@over_kinds
def test_a_recorded_walk_that_failed_leaves_the_tape_recording(kind: str) -> None:
    switch = Switch()
    operation = getattr(switch, kind)()
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tnp.sum(operation(x))
        switch.failing = "rule"
        with pytest.raises(Trouble):
            tape.gradient(y, x)
        switch.failing = ""
        slope = tnp.sum(tape.gradient(y, x))
    np.testing.assert_allclose(tape.gradient(slope, x), -np.sin(X), rtol=1e-15)


def test_a_failing_function_closes_its_tape_and_its_map() -> None:
    seen = []

    def fail(x: Any) -> Any:
        seen.append(x)
        raise Trouble

    for transform in (tn.grad, tn.vmap, lambda f: tn.vmap(tn.grad(f)), lambda f: tn.grad(tn.vmap(f))):
        seen.clear()
        with pytest.raises(Trouble):
            transform(fail)(X)
        (x,) = seen
        while type(x) is tn.Tensor:
            assert not x.owner.is_open
            x = x.owner.inner(x)


def test_a_failing_inner_gradient_leaves_the_outer_tape_recording() -> None:
    def fail(x: Any) -> Any:
        tnp.sin(x)
        raise Trouble

    def f(x: Any) -> Any:
        with pytest.raises(Trouble):
            tn.grad(fail)(x)
        with pytest.raises(Trouble):
            tn.vmap(fail)(x)
        with pytest.raises(Trouble):
            tn.checkpoint(fail)(x)
        return tnp.sum(x * x)

    np.testing.assert_array_equal(tn.grad(f)(X), 2 * X)


# ---- an interrupt anywhere ----

clipped = tn.custom_vjp(lambda x: x, lambda x: (x, x), lambda x, t: (tnp.where(x > 0, t, 0.5 * t),))
softplus = tn.custom_jvp(lambda x: np.log1p(np.exp(x)), lambda p, t: (p[0] * 1.0, t[0] / (1 + tnp.exp(-p[0]))))
cube = tn.primitive(lambda x: x**3, lambda t, x: 3 * t * x**2, name="cube")


def everything(x: Any) -> Any:
    w = x * 2.0
    block = tn.checkpoint(lambda h: softplus(h * w))
    mapped = tn.vmap(lambda a: cube(a) * a)(clipped(block(x)))
    return tnp.sum(mapped) + tnp.sum(tn.root(lambda y, a: y * y * y - a, np.ones(3), x + 3.0))


def interrupted(use: Callable[[], Any], at: int) -> bool:
    """Run with a KeyboardInterrupt at the n-th line of the library; whether there are that many."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(LIBRARY):
            return None
        if event == "line":
            count += 1
            if count == at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        use()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_the_next_call_as_it_was() -> None:
    gradient = tn.grad(lambda x: tnp.sum(tn.grad(everything)(x) ** 2))
    expected = gradient(X)
    at, interrupts = 1, 0
    while interrupted(lambda: gradient(X), at):
        interrupts += 1
        if interrupts % 5 == 0:
            np.testing.assert_array_equal(gradient(X), expected)
        at += 97 + at // 8
    assert interrupts > 20
    np.testing.assert_array_equal(gradient(X), expected)
