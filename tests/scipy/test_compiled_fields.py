"""Right-hand sides as machine code, solutions within compiled functions, and which functions are the same."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import CompileWarning
from tapenet.kernels import backends
from tapenet.scipy import integrate
from tapenet.scipy.identity import identity_of, identity_of_value
from tapenet.scipy.integrate import collocation
from tapenet.scipy.integrate.machine import Machine, flat, machine_of
from tapenet.scipy.straight import StraightField
from tests.scipy.test_straight import P, Q, Y, arithmetic, elementary, of_matrices

TABLEAU = collocation.radau(4)
TIMES = np.linspace(0.0, 2.0, 9)
RATES = np.array([1.2, 0.4])


def swing(y: Any, t: Any, p: Any) -> Any:
    return tnp.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1] + 0.1 * t])


def swinging(t: Any, y: Any, p: Any) -> Any:
    return swing(y, t, p)


def of_rates(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda p: tnp.sum(integrate.odeint(f, Y, TIMES, (p,), **options) ** 2)


def differences(f: Callable[..., Any], p: Any, step: float = 1e-5) -> Any:
    exact = of_rates(f, rtol=1e-12, atol=1e-12)
    return [(exact(p + d) - exact(p - d)) / (2 * step) for d in step * np.eye(len(p))]


# ---- machine code ----


def machine(f: Callable[..., Any]) -> tuple[StraightField, Machine]:
    pytest.importorskip("llvmlite")
    field = StraightField.of(f, 0.3, Y, [P, Q])
    assert field is not None
    found = machine_of(field, TABLEAU.nodes, TABLEAU.weights)
    assert found is not None
    return field, found


FIELDS = pytest.mark.parametrize("f", [arithmetic, elementary, of_matrices])


@FIELDS
def test_solutions_and_calls_are_those_of_python_to_the_last_bit(f: Callable[..., Any]) -> None:
    field, code = machine(f)
    seen: list[float] = []
    times = np.linspace(0.3, 0.5, 4)
    expected = scipy.integrate.odeint(field.of_calls([P, Q], pytest.fail, seen.extend), Y, times, tfirst=True)
    with code.calls() as calls:
        found = calls.solved(flat([P, Q]), pytest.fail, lambda g: scipy.integrate.odeint(g, Y, times, tfirst=True))
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(calls.seen, np.array(seen).reshape(-1, 3))


@FIELDS
def test_loops_over_steps_are_those_over_arrays(f: Callable[..., Any]) -> None:
    field, code = machine(f)
    mesh = np.linspace(0.3, 0.5, 12)
    y = scipy.integrate.odeint(field.of_numbers([P, Q], pytest.fail), Y, mesh, tfirst=True, rtol=1e-12, atol=1e-12)
    bars = np.random.default_rng(1).normal(size=y.shape)
    stages = code.stages_between(mesh, y, flat([P, Q]), np.full((2, 2), 1e-14))
    expected = collocation.stages_between(field, TABLEAU, mesh, y, [P, Q], lambda x: np.full(x.shape, 1e-14))
    assert stages is not None
    assert expected is not None
    np.testing.assert_allclose(stages, expected, rtol=1e-13)
    found, other = (
        code.pulled(mesh, stages, bars, [P, Q]),
        collocation.pulled(field, TABLEAU, stages, mesh, [P, Q], bars),
    )
    assert found is not None
    assert other is not None
    for one, same in zip((found[0], *found[1]), (other[0], *other[1]), strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("times", [TIMES, TIMES[::-1], np.array([0.0, 1e-6, 1.9]), np.array([0.0, 0.1])])
def test_gradients_by_machine_code_are_those_without(times: Any) -> None:
    pytest.importorskip("llvmlite")

    def misfit(y0: Any, p: Any) -> Any:
        return tnp.sum((integrate.odeint(swing, y0, times, (p,), rtol=1e-10, atol=1e-10) - 0.1) ** 2)

    gradient = tn.grad(misfit, argnums=(0, 1))
    before = backends.use_backend("numpy")
    try:
        expected = gradient(Y, RATES)
    finally:
        backends.use_backend(before)
    for found, one in zip(tn.compile(gradient)(Y, RATES), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-9, atol=1e-11)


def test_a_field_is_compiled_once_it_was_called_often() -> None:
    pytest.importorskip("llvmlite")
    gradient = tn.grad(of_rates(lambda y, t, p: [y[1], -p[0] * y[0] - 0.77 * p[1] * y[1]]))
    expected = gradient(RATES)
    found = [gradient(RATES) for _ in range(60)]
    np.testing.assert_allclose(found, np.broadcast_to(expected, (60, 2)), rtol=1e-8)
    np.testing.assert_array_equal(found[-1], found[-2])


def test_more_calls_than_there_is_room_for() -> None:
    def fast(y: Any, t: Any, p: Any) -> Any:
        return [y[1], -(p[0] ** 2) * y[0]]

    def end(p: Any) -> Any:
        return integrate.odeint(fast, [1.0, 0.0], [0.0, 1.0], (p,), rtol=1e-11, atol=1e-11, mxstep=5000)[-1, 0]

    p = np.array([60.0])
    assert tn.compile(tn.grad(end))(p)[0] == pytest.approx(-np.sin(60.0), rel=1e-6)


def test_stiff_systems_are_left_to_arrays() -> None:
    def stiff(y: Any, t: Any, p: Any) -> Any:
        return [-p[0] * (y[0] - tnp.cos(t)), -p[1] * y[1]]

    p = np.array([1e5, 0.4])
    np.testing.assert_allclose(
        tn.compile(tn.grad(of_rates(stiff)))(p), differences(stiff, p, 1e-3), rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("given", [(0.3, np.array([-1.0, 0.0])), (1, Y), (0.3, Y.tolist())])
def test_where_machine_code_gives_nan_or_gets_no_array_the_function_is_called(given: Any) -> None:
    _, code = machine(lambda t, y, p: [p[1] * np.sqrt(y[0]), 1 / y[1]])
    with code.calls() as calls:
        assert calls.solved(flat([P, Q]), lambda t, y: "itself", lambda f: f(*given)) == "itself"
        np.testing.assert_array_equal(calls.seen, [[given[0], *given[1]]])
        found = calls.solved(flat([P, Q]), pytest.fail, lambda f: f(0.3, Y))
        np.testing.assert_array_equal(found, [Q * np.sqrt(Y[0]), 1 / Y[1]])


def test_an_exception_of_the_function_is_the_users() -> None:
    def ending(y: Any, t: Any, p: Any) -> Any:
        with np.errstate(all="raise"):
            return [-p[0] / (y[0] - 0.7), -y[1]]

    with pytest.raises(FloatingPointError):
        tn.compile(tn.grad(of_rates(ending)))(RATES)


# ---- within compiled functions ----


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f: f,
        tn.grad,
        tn.hessian,
        tn.jacfwd,
        lambda f: lambda p: tn.jvp(tn.grad(f), (p,), (p,))[1],
        lambda f: lambda p: tn.vmap(tn.grad(f))(tnp.stack([p, 2 * p])),
        lambda f: tn.grad(lambda p: tnp.sum(tn.vmap(f)(tnp.stack([p, 2 * p])))),
    ],
)
@pytest.mark.parametrize(
    "loss",
    [
        of_rates(swing),
        lambda p: tnp.sum(integrate.solve_ivp(swinging, (0.0, 2.0), Y, t_eval=TIMES, args=(p,)).y ** 2),
    ],
    ids=["odeint", "solve_ivp"],
)
def test_one_program_fits_solutions_of_any_number_of_steps(
    loss: Callable[..., Any], transformed: Callable[..., Any]
) -> None:
    function = transformed(loss)
    compiled = tn.compile(function, fullgraph=True)
    for factor in (1.0, 1.0, 1.3, 8.0, 0.2):
        np.testing.assert_allclose(compiled(factor * RATES), function(factor * RATES), rtol=1e-7, atol=1e-8)
    assert len(compiled.programs) == 1


def test_second_derivatives_are_mapped_example_by_example() -> None:
    examples, loss = np.stack([RATES, 4 * RATES]), of_rates(swing)
    np.testing.assert_allclose(
        tn.vmap(tn.hessian(loss))(examples), [tn.hessian(loss)(p) for p in examples], rtol=1e-10, atol=1e-12
    )
    found = tn.vmap(tn.grad(lambda p: tnp.sum(tn.grad(loss)(p))))(examples)
    np.testing.assert_allclose(found, [tnp.sum(tn.hessian(loss)(p), 0) for p in examples], rtol=1e-10, atol=1e-12)


# ---- what a function reads ----


def test_what_a_function_reads_is_read_at_each_solution() -> None:
    numbers, arrays, place = {"k": 1.0}, np.array([1.0, 2.0]), types.SimpleNamespace(k=1.0)
    k = 1.0
    fields: list[Callable[..., Any]] = [
        lambda y, t, p: [y[1] * k, -p[0] * y[0]],
        lambda y, t, p: [y[1] * numbers["k"], -p[0] * y[0]],
        lambda y, t, p: [y[1] * arrays[0], -p[0] * y[0]],
        lambda y, t, p: [y[1] * place.k, -p[0] * y[0]],
    ]
    gradients = [(f, tn.grad(of_rates(f)), tn.compile(tn.grad(of_rates(f)))) for f in fields]
    for value in (1.0, 2.0, 0.5):
        k = numbers["k"] = arrays[0] = place.k = value
        for f, eager, compiled in gradients:
            expected = differences(f, RATES)
            np.testing.assert_allclose(eager(RATES), expected, rtol=1e-5, atol=1e-8)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CompileWarning)  # of arrays in closures of right-hand sides
                np.testing.assert_allclose(compiled(RATES), expected, rtol=1e-5, atol=1e-8)


def test_reads_past_the_tape_are_seen_where_code_is_kept() -> None:
    def frozen(y: Any, t: Any, p: Any) -> Any:
        return [-p[0] * y[0], -tn.stop_gradient(p)[1] * y[1]]

    for factor in (1.0, 2.0):
        assert tn.value_and_grad(of_rates(frozen))(factor * RATES)[0] == pytest.approx(of_rates(frozen)(factor * RATES))


def made(k: Any) -> Callable[..., Any]:
    return lambda t, y: k * y


class Callables:
    """Functions whose identity cannot be told."""

    counts = 0

    def method(self, t: Any, y: Any) -> Any:
        return y

    @staticmethod
    def counting(t: Any, y: Any) -> Any:
        global counted
        counted += 1
        return y


counted = 0


@pytest.mark.parametrize(
    "k", [2.0, 1, True, -0.0, np.float64(3.0), np.arange(3.0), (1.0, [2.0, {"a": 3.0}]), np.sin, "x"]
)
def test_functions_of_equal_closures_are_the_same(k: Any) -> None:
    assert identity_of(made(k)) is not None
    assert identity_of(made(k)) == identity_of(made(k.copy() if type(k) is np.ndarray else k))


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0.0, -0.0), (np.arange(3), np.arange(3.0)), ([1.0], (1.0,)), (np.sin, np.cos), ("1", 1)],
)
def test_functions_of_other_closures_are_not(one: Any, other: Any) -> None:
    assert identity_of(made(one)) != identity_of(made(other))
    assert identity_of_value(one) != identity_of_value(other)


@pytest.mark.parametrize(
    "f",
    [
        made(object()),
        made(np.zeros(10_000)),
        made(np.random),
        made(tn),
        made(Callables),
        made(Callables().method),
        Callables.counting,
        Callables().method,
        lambda t, y: y.value,
        lambda t, y: np.random.default_rng().random() * y,
        lambda t, y: print(y),
        np.sin,
    ],
)
def test_what_reads_anything_else_has_no_identity(f: Callable[..., Any]) -> None:
    assert identity_of(f) is None


def test_what_writes_into_its_closure_has_no_identity() -> None:
    seen: list[float] = []
    total = [0.0]

    def appending(t: Any, y: Any) -> Any:
        seen.append(t)
        return y

    def adding(t: Any, y: Any) -> Any:
        total[0] += 1
        return y

    def slicing(t: Any, y: Any) -> Any:
        total[:1] = [t]
        return y

    def building(t: Any, y: Any) -> Any:
        out = [0.0, 0.0]
        out[0] = y[1]
        return out

    assert identity_of(appending) is None
    assert identity_of(adding) is None
    assert identity_of(slicing) is None
    assert identity_of(building) is not None
