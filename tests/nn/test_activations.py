"""Activations against their formulas, at their edges, and far out."""

import functools
import math

import numpy as np
import pytest

import tapenet as tn
from tapenet import nn
from tapenet.ops.special.functions import erf

POINTS = np.array([-30.0, -3.0, -1.0, -0.3, 0.0, 0.2, 1.0, 4.0, 30.0])


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def logistic(x):
    return 1 / (1 + math.exp(-x))


FORMULAS = {
    "relu": (nn.relu, lambda x: max(x, 0.0)),
    "leaky_relu": (nn.leaky_relu, lambda x: x if x > 0 else 0.01 * x),
    "elu": (nn.elu, lambda x: x if x > 0 else math.expm1(x)),
    "sigmoid": (nn.sigmoid, logistic),
    "tanh": (nn.tanh, math.tanh),
    "silu": (nn.silu, lambda x: x * logistic(x)),
    "softplus": (nn.softplus, lambda x: math.log1p(math.exp(x))),
    "gelu": (nn.gelu, lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2))),
    "gelu, approximate": (
        lambda x: nn.gelu(x, approximate=True),
        lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "relu6": (nn.relu6, lambda x: min(max(x, 0.0), 6.0)),
    "hardtanh": (nn.hardtanh, lambda x: min(max(x, -1.0), 1.0)),
    "hardswish": (nn.hardswish, lambda x: x * min(max(x + 3, 0), 6) / 6),
    "selu": (nn.selu, lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x))),
    "celu": (lambda x: nn.celu(x, 0.5), lambda x: x if x > 0 else 0.5 * math.expm1(x / 0.5)),
    "prelu": (lambda x: nn.prelu(x, 0.25), lambda x: x if x > 0 else 0.25 * x),
    "mish": (nn.mish, lambda x: x * math.tanh(math.log1p(math.exp(x)))),
    "logsigmoid": (nn.logsigmoid, lambda x: -math.log1p(math.exp(-x))),
    "clip": (lambda x: nn.clip(x, -50.0, 50.0), lambda x: x),
    "softmax": (nn.softmax, None),
    "log_softmax": (nn.log_softmax, None),
}
elementwise = [name for name, (_, formula) in FORMULAS.items() if formula]


@pytest.mark.parametrize("name", elementwise)
def test_value_is_the_formula(name):
    function, formula = FORMULAS[name]
    np.testing.assert_allclose(function(POINTS), [formula(x) for x in POINTS], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives(name, check_derivatives):
    x = np.array([[-2.5, -1.1, -0.3], [0.2, 1.1, 2.9]])  # away from the kinks at -3, -1, 0, 1 and 3
    check_derivatives(FORMULAS[name][0], x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", FORMULAS)
def test_dtype_stays(name, dtype, check_dtype):
    check_dtype(FORMULAS[name][0], [-3.0, -0.5, 0.0, 0.5, 3.0], dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [20.0, 200.0, 30000.0])
@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "gelu"])
def test_far_out_nothing_overflows(name, size, dtype, check_dtype):
    function = FORMULAS[name][0]
    x = np.array([-size, size], dtype)
    assert np.all(np.isfinite(function(x)))
    check_dtype(function, x, dtype=dtype)


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("relu", 0, 1),
        ("leaky_relu", 0.01, 1),
        ("elu", 0, 1),
        ("sigmoid", 0, 0),
        ("tanh", 0, 0),
        ("silu", 0, 1),
        ("softplus", 0, 1),
        ("gelu", 0, 1),
        ("gelu, approximate", 0, 1),
        ("relu6", 0, 0),
        ("hardtanh", 0, 0),
        ("hardswish", 0, 1),
        ("selu", 0, SELU_SCALE),
        ("celu", 0, 1),
        ("prelu", 0.25, 1),
        ("mish", 0, 1),
        ("logsigmoid", 1, 0),
        ("clip", 1, 1),
    ],
)
def test_slope_far_out(name, left, right):
    slopes = tn.elementwise_grad(FORMULAS[name][0])(np.array([-1000.0, 1000.0]))
    np.testing.assert_allclose(slopes, [left, right], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2**13])
def test_gelu_far_out(dtype, count, check_dtype):
    x = np.array([-np.inf, -1000.0, 1000.0, np.inf] * count, dtype)
    np.testing.assert_array_equal(nn.gelu(x), np.array([0, 0, 1000, np.inf] * count, dtype))
    np.testing.assert_array_equal(tn.elementwise_grad(nn.gelu)(x), np.array([0, 0, 1, 1] * count, dtype))
    check_dtype(nn.gelu, x[1:3], dtype=dtype)


def test_derivative_at_zero():
    zero = np.zeros(1)
    assert tn.elementwise_grad(nn.relu)(zero) == 0
    assert tn.elementwise_grad(nn.leaky_relu)(zero) == 0.01
    assert tn.elementwise_grad(lambda x: nn.leaky_relu(x, 0.25))(zero) == 0.25
    assert tn.elementwise_grad(nn.elu)(zero) == 1
    assert tn.elementwise_grad(lambda x: nn.elu(x, 2.0))(zero) == 2
    assert tn.elementwise_grad(nn.silu)(zero) == 0.5
    assert tn.elementwise_grad(nn.gelu)(zero) == 0.5
    assert tn.elementwise_grad(nn.softplus)(zero) == 0.5


def test_parameters_of_activations():
    x = np.array([-2.0, 3.0])
    np.testing.assert_allclose(nn.leaky_relu(x, 0.5), [-1, 3])
    np.testing.assert_allclose(nn.elu(x, 3.0), [3 * math.expm1(-2), 3])


def test_a_slope_can_be_differentiated_by():
    slope_bar = tn.grad(lambda slope: nn.leaky_relu(np.array([-2.0, 3.0]), slope).sum())(0.1)
    assert slope_bar == -2


def test_infinities():
    infinities = np.array([-np.inf, np.inf])
    np.testing.assert_array_equal(nn.relu(infinities), [0, np.inf])
    np.testing.assert_array_equal(nn.elu(infinities), [-1, np.inf])
    np.testing.assert_array_equal(nn.sigmoid(infinities), [0, 1])
    np.testing.assert_array_equal(nn.softplus(infinities), [0, np.inf])


def test_sigmoid_keeps_the_digits_of_small_values():
    np.testing.assert_allclose(nn.sigmoid(np.array([-100.0, -700.0])), [math.exp(-100), math.exp(-700)], rtol=1e-14)


def test_softplus_far_out_is_exact():
    np.testing.assert_array_equal(nn.softplus(np.array([-1000.0, 1000.0])), [0, 1000])
    np.testing.assert_allclose(nn.softplus(np.array([-40.0])), [math.exp(-40)], rtol=1e-14)


def test_activations_take_scalars_and_lists():
    for name in elementwise:
        function, formula = FORMULAS[name]
        assert math.isclose(function(0.7), formula(0.7))
        np.testing.assert_allclose(function([0.7]), [formula(0.7)])
        assert tn.grad(function)(0.7).shape == ()


# ---- the error function ----


def test_erf_is_maths():
    x = np.concatenate([np.linspace(-7, 7, 2001), [0.0, 1e-300, 1e-8, -0.5, 0.5, np.nextafter(0.5, 0), 30, 1e300]])
    expected = [math.erf(v) for v in x]
    np.testing.assert_allclose(erf(x), expected, rtol=4e-16, atol=0)


def test_erf_at_infinity_and_nan():
    np.testing.assert_array_equal(erf(np.array([-np.inf, np.inf, np.nan])), [-1, 1, np.nan])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_erf_is_as_good_as_its_dtype(dtype, check_dtype):
    x = np.linspace(-4, 4, 401).astype(dtype)
    np.testing.assert_allclose(erf(x), [math.erf(float(v)) for v in x], rtol=2 * np.finfo(dtype).eps)
    check_dtype(erf, x, dtype=dtype)


def test_erf_of_integers():
    assert math.isclose(erf(np.array([1]))[0], math.erf(1))


def test_erf_derivatives(check_derivatives):
    check_derivatives(erf, np.array([-2.0, -0.6, -0.4, 0.0, 0.3, 0.7, 3.0]))


# ---- softmax ----


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_softmax_along_an_axis(axis, rng, check_derivatives):
    x = rng.normal(size=(2, 3, 4))
    expected = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    np.testing.assert_allclose(nn.softmax(x, axis), expected, rtol=1e-14)
    np.testing.assert_allclose(nn.log_softmax(x, axis), np.log(expected), rtol=1e-12)
    check_derivatives(lambda x: nn.softmax(x, axis), x)
    check_derivatives(lambda x: nn.log_softmax(x, axis), x)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 4), (0, 0)])
@pytest.mark.parametrize("function", [nn.softmax, nn.log_softmax])
def test_softmax_takes_any_axes_without_elements_but_that_of_the_classes(function, shape):
    for axis, classes in enumerate(shape):
        of_axis = functools.partial(function, axis=axis)
        if classes:
            y, pullback = tn.vjp(of_axis, np.zeros(shape))
            assert y.shape == pullback(y)[0].shape == shape
        else:
            for call in (of_axis, functools.partial(tn.vjp, of_axis)):
                with pytest.raises(tn.ArgumentError, match=f"at least one class along axis {axis}; got shape"):
                    call(np.zeros(shape))


def test_softmax_jacobian_is_diag_minus_outer(rng):
    x = rng.normal(size=5)
    y, pullback = tn.vjp(nn.softmax, x)
    jacobian = np.stack([pullback(row)[0] for row in np.eye(5)])
    np.testing.assert_allclose(jacobian, np.diag(y) - np.outer(y, y), atol=1e-15)
    _, pullback = tn.vjp(nn.log_softmax, x)
    jacobian = np.stack([pullback(row)[0] for row in np.eye(5)])
    np.testing.assert_allclose(jacobian, np.eye(5) - y, atol=1e-15)


@pytest.mark.parametrize("shift", [-1e30, -1000.0, 1000.0, 1e30])
def test_softmax_does_not_mind_a_shift(shift):
    x = np.array([0.0, 0.0, shift])
    expected = [0.5, 0.5, 0] if shift < 0 else [0, 0, 1]
    np.testing.assert_allclose(nn.softmax(x), expected)
    np.testing.assert_allclose(tn.grad(lambda x: nn.softmax(x)[0])(x), [0.25, -0.25, 0] if shift < 0 else [0, 0, 0])


def test_softmax_with_impossible_classes():
    x = np.array([[0.0, -np.inf, 0.0], [-np.inf, 3.0, -np.inf]])
    np.testing.assert_array_equal(nn.softmax(x), [[0.5, 0, 0.5], [0, 1, 0]])
    log_half = -math.log(2)
    expected = [[log_half, -np.inf, log_half], [-np.inf, 0, -np.inf]]
    np.testing.assert_allclose(nn.log_softmax(x), expected)
    gradient = tn.grad(lambda x: nn.softmax(x)[0, 0] + nn.log_softmax(x)[1, 1])(x)
    np.testing.assert_allclose(gradient, [[0.25, 0, -0.25], [0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize("size", [1, 2, 5, 17, 300, 5000])
@pytest.mark.parametrize("function", [nn.softmax, nn.log_softmax])
@np.errstate(invalid="ignore")
def test_softmax_of_infinity_is_nan_in_the_whole_row(function, size, rng):
    for ends in ([np.inf], [np.inf, np.inf], [np.inf, -np.inf], [np.nan], [np.nan, np.inf]):
        for dtype in (np.float32, np.float64):
            x = rng.normal(size=(4, size)).astype(dtype)
            x[1, -1:], x[1, : len(ends)] = ends[0], ends[:size]
            for axis, rows in ((1, x), (0, x.T)):
                y, pullback = tn.vjp(functools.partial(function, axis=axis), rows)
                of_rows = [part if axis else part.T for part in (y, pullback(np.ones_like(rows))[0])]
                for found in of_rows:
                    np.testing.assert_array_equal(np.isnan(found), np.outer(np.arange(4) == 1, np.ones(size, bool)))


@pytest.mark.parametrize("function", [nn.softmax, nn.log_softmax])
def test_softmax_needs_an_axis_that_there_is(function):
    message = rf"{function.__name__}: axis must be in \[-2, 2\) for an array of 2 axes; got 2\."
    for call in (function, tn.grad(lambda x, axis: function(x, axis).sum())):
        with pytest.raises(np.exceptions.AxisError, match=message):
            call(np.ones((2, 3)), 2)


@pytest.mark.parametrize("function", [nn.softmax, nn.log_softmax])
def test_softmax_needs_an_axis(function):
    with pytest.raises(tn.ArgumentError, match=rf"^{function.__name__}: x must have at least one axis; got shape \(\)"):
        function(np.float64(1.0))
