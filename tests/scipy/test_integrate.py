"""scipy.integrate on a tape: events, dense output, stiff problems, error by tolerance, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import integrate

Y0 = np.array([1.0, 0.5])


def oscillator(t: Any, y: Any, k: Any) -> Any:
    return [y[1], -k * y[0]]


def fall(t: Any, y: Any, g: Any) -> Any:
    return [y[1], -g]


def ground(t: Any, y: Any, g: Any) -> Any:
    return y[0]


ground.terminal = True  # type: ignore[attr-defined]  # as SciPy takes it
ground.direction = -1  # type: ignore[attr-defined]


def landing(h: Any, v: Any, g: Any) -> Any:
    return integrate.solve_ivp(fall, (0.0, 100.0), tnp.stack([h, v]), events=ground, args=(g,), rtol=1e-10, atol=1e-10)


def test_times_of_events_move_by_the_implicit_derivative() -> None:
    def exact(h: Any, v: Any, g: Any) -> Any:
        return (v + np.sqrt(v * v + 2 * g * h)) / g

    arguments = (2.0, 3.0, 9.81)
    every = (0, 1, 2)

    def time(h: Any, v: Any, g: Any) -> Any:
        return landing(h, v, g).t_events[0][0]

    np.testing.assert_allclose(tn.grad(time, every)(*arguments), tn.grad(exact, every)(*arguments), rtol=1e-8)
    np.testing.assert_allclose(tn.hessian(time)(*arguments), tn.hessian(exact)(*arguments), rtol=1e-7)


def test_states_and_times_end_at_a_terminal_event() -> None:
    with tn.GradientTape() as tape:
        found = landing(tape.watch(2.0), 3.0, 9.81)
    expected = scipy.integrate.solve_ivp(
        fall, (0.0, 100.0), [2.0, 3.0], events=ground, args=(9.81,), rtol=1e-10, atol=1e-10
    )
    for name in ("t", "y"):
        np.testing.assert_allclose(found[name].value, expected[name], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.y_events[0].value, expected.y_events[0], atol=1e-12)
    assert (found.status, found.message, found.nfev) == (expected.status, expected.message, expected.nfev)
    # The speed where it lands: dv/dh = -g / v there, by the energy.
    speed = tn.grad(lambda h: landing(h, 3.0, 9.81).y[1, -1])(2.0)
    np.testing.assert_allclose(speed, -9.81 / np.sqrt(9 + 4 * 9.81), rtol=1e-8)


def test_dense_output_is_differentiable_by_time_and_parameters() -> None:
    t = np.array([0.7, 0.2, 0.2, 1.5])

    def state(t: Any, k: Any) -> Any:
        return integrate.solve_ivp(
            oscillator, (0.0, 2.0), Y0, dense_output=True, args=(k,), rtol=1e-10, atol=1e-10
        ).sol(t)[0]

    def exact(t: Any, k: Any) -> Any:
        w = np.sqrt(k)
        return Y0[0] * np.cos(w * t) + Y0[1] / w * np.sin(w * t)

    found, expected = tn.jacobian(state, (0, 1))(t, 2.0), tn.jacobian(exact, (0, 1))(t, 2.0)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    np.testing.assert_allclose(tn.grad(state, (0, 1))(0.7, 2.0), tn.grad(exact, (0, 1))(0.7, 2.0), atol=1e-7)


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"])
def test_the_error_of_derivatives_follows_the_tolerances(method: str) -> None:
    def final(k: Any, rtol: float) -> Any:
        return integrate.solve_ivp(oscillator, (0.0, 5.0), Y0, method, t_eval=[5.0], args=(k,), rtol=rtol, atol=rtol).y[
            0, -1
        ]

    def exact(k: Any) -> Any:
        w = np.sqrt(k)
        return Y0[0] * np.cos(w * 5) + Y0[1] / w * np.sin(w * 5)

    errors = [abs(tn.grad(final)(2.0, rtol) - tn.grad(exact)(2.0)) for rtol in (1e-4, 1e-7)]
    assert errors[0] < 300 * 1e-4
    assert errors[1] < 300 * 1e-7


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_stiff_problems_have_stable_derivatives_in_both_modes(method: str) -> None:
    def robertson(t: Any, y: Any, k: Any) -> Any:
        fast = k[1] * y[1] * y[2]
        slow = k[0] * y[0]
        return [fast - slow, slow - fast - k[2] * y[1] ** 2, k[2] * y[1] ** 2]

    rates = np.array([0.04, 1e4, 3e7])

    def last(k: Any, method: str = method, rtol: float = 1e-8) -> Any:
        return integrate.solve_ivp(
            robertson, (0.0, 40.0), [1.0, 0, 0], method, t_eval=[40.0], args=(k,), rtol=rtol, atol=1e-4 * rtol
        ).y[0, -1]

    gradient = tn.grad(last)(rates)
    _, pushed = tn.jvp(last, (rates,), (rates,))
    np.testing.assert_allclose(gradient @ rates, pushed, rtol=1e-8)
    step = 1e-4
    differences = [
        (last(rates * (1 + step * unit), "Radau", 1e-11) - last(rates * (1 - step * unit), "Radau", 1e-11))
        / (2 * step * rates[i])
        for i, unit in enumerate(np.eye(3))
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-5)


def test_arguments_are_pytrees_and_times_run_backward() -> None:
    arguments = {"k": 2.0, "names": ("a", 3)}

    def first(args: Any, y: Any) -> Any:
        return integrate.odeint(
            lambda t, y, args: oscillator(t, y, args["k"]), y, [2.0, 1.0, 0.0], args=(args,), tfirst=True
        )[-1, 0]

    gradient = tn.grad(lambda k: first({**arguments, "k": k}, Y0))(2.0)
    difference = (first({"k": 2.0 + 1e-5}, Y0) - first({"k": 2.0 - 1e-5}, Y0)) / 2e-5
    np.testing.assert_allclose(gradient, difference, rtol=1e-5)


def test_a_right_hand_side_that_cannot_be_mapped_goes_point_by_point() -> None:
    def branching(t: Any, y: Any, k: Any) -> Any:
        return [y[1], -k * y[0]] if y[0] > -100 else [y[1], y[0]]

    def last(f: Any, k: Any) -> Any:
        return integrate.solve_ivp(f, (0.0, 2.0), Y0, args=(k,)).y[0, -1]

    assert tn.grad(lambda k: last(branching, k))(2.0) == pytest.approx(tn.grad(lambda k: last(oscillator, k))(2.0))


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
@pytest.mark.parametrize("give", [lambda x: x, lambda x: [x], lambda x: tnp.reshape(x, (1,))])
def test_one_number_is_the_slope_of_all_components(method: str, give: Any) -> None:
    def slope(t: Any, y: Any, k: Any) -> Any:
        return give(-k * y[0])

    def last(k: Any) -> Any:
        return integrate.solve_ivp(slope, (0.0, 2.0), Y0, method, args=(k,), rtol=1e-8, atol=1e-10).y[:, -1]

    # y_0 = e^(-kt), and y_1 moves as it does.
    np.testing.assert_allclose(last(0.7), Y0 - 1.0 + np.exp(-1.4), rtol=1e-5)
    np.testing.assert_allclose(tn.jacobian(last)(0.7), [-2.0 * np.exp(-1.4)] * 2, rtol=1e-5)
    np.testing.assert_allclose(tn.jvp(last, (0.7,), (1.0,))[1], [-2.0 * np.exp(-1.4)] * 2, rtol=1e-5)


def test_a_solver_that_fails_gives_no_derivative() -> None:
    def explodes(t: Any, y: Any, k: Any) -> Any:
        return k * y * y

    with pytest.raises(tn.ConvergenceError, match=r"integrate\.solve_ivp: Required step size is less than spacing"):
        tn.grad(lambda k: integrate.solve_ivp(explodes, (0, 3), [1.0], args=(k,)).y[0, -1])(1.0)
    with pytest.raises(tn.ConvergenceError, match=r"integrate\.odeint: Excess work done"):
        tn.grad(lambda k: integrate.odeint(lambda y, t, k: k * y, [1.0], [0, 9.0], (k,), mxstep=3)[-1, 0])(-1e3)
    with pytest.raises(tn.ConvergenceError, match=r"integrate\.quad: The maximum number of subdivisions"):
        tn.grad(lambda k: integrate.quad(lambda x, k: np.sin(k / x) / x, 1e-9, 1, (k,), limit=3)[0])(1.0)


def ivp(**settings: Any) -> Callable[[Any], Any]:
    return lambda k: integrate.solve_ivp(**{"fun": oscillator, "t_span": (0, 1), "y0": Y0, "args": (k,), **settings}).y


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (ivp(method="Euler"), r"integrate\.solve_ivp: method must be one of RK23"),
        (ivp(t_eval=[0.5, 0.2]), r"integrate\.solve_ivp: t_eval must be sorted from the first time"),
        (ivp(t_eval=[0.5, 0.2, 0.3]), r"integrate\.solve_ivp: t_eval must be a vector of times that increase"),
        (ivp(t_eval=[0.2, 1.2]), r"integrate\.solve_ivp: t_eval must be within t_span"),
        (ivp(t_span=(1, 1)), r"integrate\.solve_ivp: t_span must be a vector of times"),
        (ivp(t_span=(1, 0), t_eval=[0.2, 0.5]), r"t_eval must be sorted from the first time"),
        (ivp(y0=[np.nan, 1.0]), r"integrate\.solve_ivp: y0 must be finite"),
        (ivp(y0=[1j, 1.0]), r"integrate\.solve_ivp: y0 must be a real vector"),
        (lambda k: ivp(args=k)(k), r"integrate\.solve_ivp: args must be a tuple"),
        (lambda k: ivp(rtol=k)(k), r"integrate\.solve_ivp: rtol must not be a Tensor"),
        (lambda k: ivp(fun=lambda t, y, _: k * y)(k), "must take every Tensor that it uses as an argument"),
        (lambda k: integrate.odeint(oscillator, Y0, [0, 1], (k,), full_output=1), "full_output must be 0"),
        (lambda k: integrate.odeint(oscillator, Y0, [0, 2, 1], (k,), tfirst=True), r"integrate\.odeint: t must be a"),
        (lambda k: integrate.quad(lambda x: k * x, 0, k), "must take every Tensor that it uses as an argument"),
        (lambda k: integrate.quad(np.sin, 0, k, full_output=1), r"integrate\.quad: full_output"),
        (lambda k: integrate.quad(np.sin, 0, k, weight="alg", wvar=(1, 1)), r"integrate\.quad: a and b must not be"),
        (lambda k: integrate.quad(np.sin, 0, [k, k]), r"integrate\.quad: b must be one real number"),
        (lambda k: integrate.quad("x", 0, k), r"integrate\.quad: func must be"),
        (lambda k: integrate.quad_vec(np.sin, 0, k, full_output=True), r"integrate\.quad_vec: full_output must be"),
        (lambda k: integrate.nquad(np.sin, [(0, k)], full_output=True), r"integrate\.nquad: full_output"),
        (lambda k: integrate.nquad(np.sin, [(0, k)], opts=[{}, {}]), r"integrate\.nquad: opts must have one entry"),
        (lambda k: integrate.fixed_quad(np.sin, 0, k * np.inf), r"integrate\.fixed_quad: Gaussian quadrature"),
        (lambda k: integrate.trapezoid([k, k], x=[1.0]), r"integrate\.trapezoid: x must have as many places"),
        (lambda k: integrate.trapezoid([k, k], x=np.ones((2, 2))), r"integrate\.trapezoid: x must have one axis"),
        (lambda k: integrate.cumulative_trapezoid([k, k], initial=2), "`initial` must be `None` or `0`"),
        (lambda k: integrate.romb([k, k, k, k]), r"integrate\.romb: Number of samples must be one plus"),
        (lambda k: integrate.tanhsinh(np.sin, 0, k), r"integrate\.tanhsinh: not supported for a Tensor"),
    ],
)
def test_bad_arguments_are_refused_under_our_name(call: Callable[..., Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(2.0))


@pytest.mark.parametrize("method", ["RK45", "DOP853", "Radau", "LSODA"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_right_hand_side_that_is_not_finite_at_the_start_is_refused(method: str, value: float) -> None:
    def field(t: Any, y: Any, k: Any) -> Any:
        return y * k if t > 0 else y * value

    with pytest.raises(tn.ConvergenceError, match=r"integrate\.solve_ivp: fun must be finite at the start"):
        tn.grad(lambda k: integrate.solve_ivp(field, (0.0, 1.0), [1.0], method, args=(k,)).y[0, -1])(1.0)


def test_one_output_time_is_that_of_the_start() -> None:
    def start(y0: Any, t: Any) -> Any:
        return integrate.odeint(oscillator, y0, t, (2.0,), tfirst=True)

    y, pullback = tn.vjp(start, Y0, np.array([0.5]))
    np.testing.assert_array_equal(y, [Y0])
    np.testing.assert_array_equal(pullback(np.array([[1.0, 3.0]]))[0], [1.0, 3.0])
    np.testing.assert_array_equal(pullback(np.ones((1, 2)))[1], [0.0])
    assert tn.vjp(start, Y0, np.zeros(0))[0].shape == (0, 2)


def test_an_event_that_does_not_cross_has_no_derivative() -> None:
    def touches(t: Any, y: Any, k: Any) -> Any:
        return np.where(y[0] > 1.0, 1.0, -1.0)

    def time(k: Any) -> Any:
        found = integrate.solve_ivp(lambda t, y, k: [k], (0, 2), [0.0], events=touches, args=(k,), max_step=0.3)
        return found.t_events[0][0]

    with pytest.raises(tn.ConvergenceError, match="must change sign with a slope"):
        tn.grad(time)(1.0)


def test_the_integral_of_a_derivative_is_taken_to_the_users_tolerance() -> None:
    def bump(x: Any, a: Any) -> Any:
        return np.exp(-(((x - a) / 1e-2) ** 2))

    found = tn.grad(lambda a: integrate.quad(bump, 0, 0.5, (a,), points=[0.5])[0])(0.5)
    assert found == pytest.approx(-1.0, abs=1e-7)


def test_complex_vectors_are_integrated() -> None:
    def phases(x: Any, w: Any) -> Any:
        return np.exp(1j * w * x)

    w = np.array([0.5, 1.5])
    _, found = tn.jvp(lambda w: integrate.quad_vec(phases, 0, 1, args=(w,))[0], (w,), (np.ones(2),))
    expected = (np.exp(1j * w) * (1j * w - 1) + 1) / (1j * w**2)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_the_integral_of_no_samples_is_zero() -> None:
    gradient = tn.grad(lambda y: tnp.sum(y) + integrate.trapezoid(y[:, :0], axis=1)[0])(np.ones((2, 3)))
    np.testing.assert_array_equal(gradient, np.ones((2, 3)))


def test_a_volume_by_the_radius_of_a_ball_in_three_nested_limits() -> None:
    def volume(r: Any) -> Any:
        inside = lambda *at: tnp.sqrt(tnp.maximum(r * r - sum(x * x for x in at), 0.0))  # noqa: E731
        ends = (lambda *at: -inside(*at)), inside
        return integrate.tplquad(lambda z, y, x: 1.0, -r, r, *ends, *ends, epsrel=1e-3)[0]

    value, slope = tn.value_and_grad(volume)(1.3)
    np.testing.assert_allclose([value, slope], [4 / 3 * np.pi * 1.3**3, 4 * np.pi * 1.3**2], rtol=1e-3)


def test_infinite_limits_and_what_does_not_converge_in_three_variables() -> None:
    def mass(k: Any) -> Any:
        density = lambda z, y, x, k: np.exp(-k * (x * x + y + z))  # noqa: E731
        return integrate.tplquad(density, -np.inf, np.inf, 0, np.inf, 0, 1, (k,), epsrel=1e-6)[0]

    def expected(k: Any) -> Any:
        return np.sqrt(np.pi / k) / k * (1 - np.exp(-k)) / k

    slope = (expected(1.5 + 1e-6) - expected(1.5 - 1e-6)) / 2e-6
    np.testing.assert_allclose(tn.value_and_grad(mass)(1.5), [expected(1.5), slope], rtol=1e-6)
    with pytest.raises(tn.ConvergenceError, match=r"integrate\.tplquad: Gauss' rule of 64 nodes"):
        tn.grad(lambda k: integrate.tplquad(lambda z, y, x, k: tnp.abs(x - k), 0, 1, 0, 1, 0, 1, k)[0])(0.3)
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"integrate\.tplquad: a and b must be numbers"):
        tn.grad(lambda k: integrate.tplquad(lambda z, y, x: x, k, 1, 0, 1, 0, 1)[0])(np.zeros(2))
