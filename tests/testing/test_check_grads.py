"""The tester tested: right rules pass, rules that are wrong by a tenth of a percent do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.primitive import REGISTRY, Primitive, bind
from tapenet.testing import GradientError, check_grads
from tests.samples import SAMPLES
from tests.testing import wrong as broken

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
        changes["pushforwards"] = tuple(map(off, right.pushforwards))
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

    with pytest.raises(GradientError, match="check_grads"):
        check_grads(replaced, sample.arrays, order=1)


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


def test_a_second_derivative_cut_off_fails_at_order_2_only() -> None:
    def square(x: Any) -> Any:
        return x * tn.stop_gradient(x) * 2 - tn.stop_gradient(x) ** 2  # value x^2, derivative 2x, second derivative 0

    check_grads(square, (np.array([1.5]),), order=1)
    with pytest.raises(GradientError, match="order 2"):
        check_grads(square, (np.array([1.5]),), order=2)


def test_wrong_modes_orders_and_arguments_are_named() -> None:
    with pytest.raises(tn.ArgumentError, match=r"modes must hold 'forward', 'reverse' or both; got \('backward',\)"):
        check_grads(lambda x: x, (X,), modes=("backward",))
    with pytest.raises(tn.ArgumentError, match="order must be a positive int; got 0"):
        check_grads(lambda x: x, (X,), order=0)
    with pytest.raises(tn.ArgumentError, match="method must be 'auto', 'central' or 'complex'; got 'magic'"):
        check_grads(lambda x: x, (X,), method="magic")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(tn.ArgumentTypeError, match=r"args\[1\]\['n'\] must be float or complex; got int 3"):
        check_grads(lambda x, p: x, (X, {"n": 3}), argnums=(0, 1))
    with pytest.raises(tn.ArgumentTypeError, match=r"got none among args\[0\], args\[1\]\['n'\]\."):
        check_grads(lambda x, p: x, (2, {"n": 3}))
    with pytest.raises(tn.ArgumentError, match=r"positions of arguments, of which there are 1; got \(0, 1\)\."):
        check_grads(lambda x: x, (X,), argnums=(0, 1))
    with pytest.raises(tn.ArgumentError, match="f must return at least one array; got none"):
        check_grads(lambda x: (), (X,))


@pytest.mark.parametrize("directions", [0, -1, 0.5, True])
def test_at_least_one_direction_is_tried(directions: Any) -> None:
    with pytest.raises(tn.TapenetError, match="check_grads: directions must be a positive int; got"):
        check_grads(lambda x: x, (X,), directions=directions)


def test_what_has_no_derivative_is_held_fixed() -> None:
    def f(x: Any, options: Any, count: int, nothing: None) -> Any:
        assert type(count) is int
        assert nothing is None
        return {"y": options["scale"] * tnp.sin(x) ** count, "same": tnp.cos(options["scale"]) * len(options["name"])}

    check_grads(f, (X, {"name": "sine", "scale": 2.0, "places": np.arange(3)}, 2, None))


def test_only_the_arguments_of_argnums_are_differentiated() -> None:
    wrong_by_k = tn.custom_vjp(lambda x, k: x * k, lambda x, k: (x * k, (x, k)), lambda r, t: (r[1] * t, 7 * r[0] * t))
    check_grads(wrong_by_k, (2.0, 3.0), modes=("reverse",), order=1, argnums=0)
    with pytest.raises(GradientError, match=r"args\[1\]"):
        check_grads(wrong_by_k, (2.0, 3.0), modes=("reverse",), order=1, argnums=(1,))
    with pytest.raises(GradientError, match=r"args\[1\]"):
        check_grads(wrong_by_k, (2.0, 3.0), modes=("reverse",), order=1, argnums=-1)


@pytest.mark.parametrize(("mode", "rules"), [("reverse", "pullbacks"), ("forward", "pushforwards")])
def test_a_rule_that_was_not_given_is_named(mode: str, rules: str) -> None:
    incomplete = attrs.evolve(REGISTRY["multiply"], **{rules: (None, None)})
    message = f"multiply: {mode} mode needs a rule for operand x, which has none"
    with pytest.raises(tn.MissingRuleError, match=message):
        check_grads(lambda x: bind(incomplete, (x, 2.0), {}), (X,), modes=(mode,))


# ---- references ----


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("method", ["central", "complex"])
def test_a_tenth_of_a_percent_shows_in_functions_of_every_scale(scale: float, method: Any) -> None:
    check_grads(lambda x: scale * tnp.sin(x), (X,), method=method)
    f = broken.function(np.sin, lambda t, x: 1.001 * t * tnp.cos(x))
    with pytest.raises(GradientError, match=r"it gives 1\.001 times what it must"):
        check_grads(lambda x: scale * f(x), (X,), method=method, order=1)


@pytest.mark.parametrize("method", ["auto", "central"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x**5,
        lambda x: x**7,
        lambda x: tnp.sin(x) - x,
        lambda x: tnp.cos(x + 1) + tnp.sin(1.0) * x,
        lambda x: tnp.sum((x + 3) - tnp.mean(x + 3)),
        lambda x: tnp.ones_like(x),
        lambda x: 0.0 * x,
        lambda x: 1e8 + x,
        lambda x: tnp.exp(-1 / (x * x + 0.01)),
    ],
)
def test_vanishing_derivatives_and_rounding_are_no_errors(f: Callable[..., Any], method: Any) -> None:
    check_grads(f, (np.zeros(3),), method=method)


def test_a_complex_step_sees_what_differences_cannot() -> None:
    f = broken.function(np.sin, lambda t, x: (1 + 1e-8) * t * tnp.cos(x))
    check_grads(f, (X,), method="central", order=1)
    for method in ("auto", "complex"):
        with pytest.raises(GradientError, match="by a complex step"):
            check_grads(f, (X,), method=method, order=1)  # type: ignore[arg-type]  # a list of strings


@pytest.mark.parametrize(
    "f",
    [
        tnp.abs,
        lambda x: tnp.sin(x) + 1e-7 * tnp.abs(x),
        lambda x: x * tnp.conj(x) + 1j * 0 * x,
        lambda x: tnp.real(x) ** 2,
        lambda x: x * (2.0 if tnp.iscomplexobj(x) else 3.0),
        lambda x: tnp.astype(x, np.float64) ** 2,
    ],
)
def test_functions_that_are_not_analytic_are_held_against_differences(f: Callable[..., Any]) -> None:
    check_grads(f, (X,))
    with pytest.raises(tn.ArgumentError, match="f must be analytic, with real arguments and results"):
        check_grads(f, (X,), method="complex")


def test_why_a_function_takes_no_complex_step_is_said() -> None:
    with pytest.raises(tn.ArgumentError, match=r"its values are real on complex arguments\. Use method='central'"):
        check_grads(tnp.abs, (X,), method="complex")
    with pytest.raises(
        tn.ArgumentError, match=r"gives 0, differences -?[\d.]+ along the real axis and -?[\d.]+ around"
    ):
        check_grads(lambda x: tnp.abs(x) + 0 * x, (2.0,), method="complex")
    with pytest.raises(tn.ArgumentError, match=r"it raised ZeroDivisionError\('no'\)"):
        check_grads(lambda x: refuse_complex(x), (X,), method="complex")
    with pytest.raises(tn.ArgumentError, match="there are complex arguments or results"):
        check_grads(lambda x: x, (X + 1j,), method="complex")
    with pytest.raises(tn.ArgumentError, match="ComplexWarning"):
        check_grads(lambda x: tnp.astype(x, np.float64), (X,), method="complex")


def refuse_complex(x: Any) -> Any:
    if tnp.iscomplexobj(x):
        raise ZeroDivisionError("no")
    return x


def test_single_precision_is_held_against_a_complex_step_in_double() -> None:
    f = broken.function(np.sin, lambda t, x: 1.001 * t * tnp.cos(x))
    single = X.astype(np.float32)
    check_grads(f, (single,), method="central", order=1)
    with pytest.raises(GradientError, match="by a complex step"):
        check_grads(f, (single,), order=1)


def test_directions_are_drawn_anew() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        return tnp.sum(x * x)

    class Counting(np.random.Generator):
        def uniform(self, *args: Any, **keywords: Any) -> Any:
            seen.append(args)
            return super().uniform(*args, **keywords)

    check_grads(f, (X,), order=1, directions=5, rng=Counting(np.random.PCG64(0)))
    assert len(seen) == 2 * 5


def test_empty_arrays_and_results_that_do_not_depend_on_arguments_pass() -> None:
    check_grads(lambda x: x * 2, (np.zeros((0, 3)),))
    check_grads(lambda x, p: {"y": x, "none": None}, (X, {"unused": 1.0, "empty": ()}))
    check_grads(lambda x: (x, 3.0), (X,), order=1)
