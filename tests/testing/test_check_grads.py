"""The tester tested: right rules pass, rules that are wrong by a tenth of a percent do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.primitive import REGISTRY, Primitive, bind
from tapenet.testing import GradientError, check_grads
from tests.samples import SAMPLES

X = np.array([0.5, 1.0, 2.0])


def test_right_derivatives_pass_in_every_precision() -> None:
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        check_grads(lambda x: tnp.sin(x) * x, (X.astype(dtype),))


def test_complex_functions_pass_holomorphic_or_not() -> None:
    z = np.array([1 + 2j, -0.5 + 1j])
    check_grads(lambda z: z**3, (z,))
    check_grads(lambda z: abs(z) * z.real, (z,))


def test_pytrees_of_arguments_and_results_pass() -> None:
    check_grads(lambda p: {"y": p["w"] * p["x"][0]}, ({"w": X, "x": [2 * X]},), order=3)


def wrong(name: str, factor: float, *, modes: str) -> Primitive:
    """A primitive of the library's with derivatives off by a factor."""
    right = REGISTRY[name]

    def off(rule: Any) -> Any:
        return rule and (lambda t, *held: rule(t, *held) * factor)

    changes: dict[str, Any] = {}
    if "reverse" in modes:
        changes["pullbacks"] = tuple(map(off, right.pullbacks))
    if "forward" in modes:
        changes["pushes"] = tuple(map(off, right.pushes))
    return attrs.evolve(right, **changes)


def nonzero_derivative(name: str) -> bool:
    constant = {"floor", "ceil", "trunc", "rint", "sign", "round", "floor_divide", "heaviside", "part"}
    return name not in constant and REGISTRY[name].joint_pullback is None


@pytest.mark.parametrize("name", ["sin", "tanh", "multiply", "divide", "matmul", "max", "sum", "conv", "reshape"])
@pytest.mark.parametrize("modes", ["reverse", "forward", "forward and reverse"])
@given(data=st.data())
def test_a_rule_wrong_by_a_tenth_of_a_percent_fails(name: str, modes: str, data: st.DataObject) -> None:
    assert nonzero_derivative(name)
    sample = data.draw(SAMPLES[name])
    primitive = wrong(name, 1.001, modes=modes)

    def replaced(*arrays: Any) -> Any:
        return with_primitive(sample.function, REGISTRY[name], primitive, arrays)

    shift = 10 * np.ones(())  # away from derivatives too small for a relative error to show

    def amplified(*arrays: Any) -> Any:
        return tnp.sum(replaced(*arrays)) * shift

    def check_in_many_directions() -> None:
        for seed in range(20):
            check_grads(amplified, sample.arrays, order=1, rng=np.random.default_rng(seed), tolerance=1e-5)

    with pytest.raises(GradientError, match="check_grads"):
        check_in_many_directions()


def with_primitive(
    function: Callable[..., Any], right: Primitive, replacement: Primitive, arrays: tuple[Any, ...]
) -> Any:
    """A sample's function with its primitive replaced: what it records is rewritten to the replacement."""
    plain = [tn.stop_gradient(x) for x in arrays]
    if all(x is y for x, y in zip(plain, arrays, strict=True)):
        return function(*arrays)
    with tn.GradientTape() as tape:
        function(*tape.watch(tuple(plain)))
    (record,) = (record for record in tape.records if record.primitive is right)
    return bind(replacement, arrays, record.parameters)


def test_the_report_names_the_argument_and_both_numbers() -> None:
    def f(x: Any, p: Any) -> Any:
        return x * tn.stop_gradient(p["w"])

    with pytest.raises(GradientError) as caught:
        check_grads(f, (2.0, {"w": 3.0}), modes=("reverse",), order=1)
    message = str(caught.value)
    assert message.startswith("check_grads: reverse mode, order 1: the derivative along a random direction must be ")
    assert re.search(r"By args\[1\]\['w'\] alone: -?[\d.]+ and 0\. A wrong rule, a kink", message)


def test_a_second_derivative_cut_off_fails_at_order_2_only() -> None:
    def square(x: Any) -> Any:
        return x * tn.stop_gradient(x) * 2 - tn.stop_gradient(x) ** 2  # value x^2, derivative 2x, second derivative 0

    check_grads(square, (np.array([1.5]),), order=1)
    with pytest.raises(GradientError, match="order 2"):
        check_grads(square, (np.array([1.5]),), order=2)


def test_a_function_that_writes_into_its_argument_fails() -> None:
    def f(x: Any) -> Any:
        if isinstance(x, tn.Tensor):
            x._value[0] += 1.0
        return x * 2.0

    with pytest.raises(GradientError, match="arguments must not change"):
        check_grads(f, (X.copy(),), order=1)


def test_a_rule_that_answers_differently_each_time_fails() -> None:
    calls = iter(range(100))
    right = REGISTRY["sin"]
    moody = attrs.evolve(
        right,
        pullbacks=(lambda t, *held: right.pullbacks[0](t, *held) + next(calls) * 1e-9,),
    )
    with pytest.raises(GradientError, match="second pullback"):
        check_grads(lambda x: bind(moody, (x,), {}), (X,), modes=("reverse",), order=1)


def test_a_kink_nearer_than_the_step_fails() -> None:
    with pytest.raises(GradientError, match="a kink nearer than the step"):
        check_grads(lambda x: tnp.abs(x), (np.array([1e-5]),), order=1)


def test_wrong_modes_orders_and_arguments_are_named() -> None:
    with pytest.raises(tn.ArgumentError, match=r"modes must be 'forward', 'reverse' or both; got \('backward',\)"):
        check_grads(lambda x: x, (X,), modes=("backward",))
    with pytest.raises(tn.ArgumentError, match="order must be at least 1; got 0"):
        check_grads(lambda x: x, (X,), order=0)
    with pytest.raises(tn.ArgumentTypeError, match=r"args\[1\]\['n'\] must be float or complex; got int 3"):
        check_grads(lambda x, p: x, (X, {"n": 3}))
    with pytest.raises(tn.ArgumentError, match="f must return at least one array; got none"):
        check_grads(lambda x: (), (X,))


@pytest.mark.parametrize(("mode", "rules"), [("reverse", "pullbacks"), ("forward", "pushes")])
def test_a_rule_that_was_not_given_is_named(mode: str, rules: str) -> None:
    incomplete = attrs.evolve(REGISTRY["multiply"], **{rules: (None, None)})
    message = f"multiply: {mode} mode needs a rule for operand x, which has none"
    with pytest.raises(tn.MissingRuleError, match=message):
        check_grads(lambda x: bind(incomplete, (x, 2.0), {}), (X,), modes=(mode,))
