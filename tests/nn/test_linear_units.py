"""Activations in straight pieces, gates, and the limit with a derivative beyond it."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn


def slope(f, x):
    return float(tn.grad(f)(x))


def test_kinks_have_the_smaller_slope():
    for f, kinks in ((nn.relu6, (0.0, 6.0)), (nn.hardtanh, (-1.0, 1.0)), (nn.hardswish, (-3.0,))):
        assert [slope(f, kink) for kink in kinks] == [0] * len(kinks)
    assert slope(nn.hardswish, 3.0) == 1
    assert slope(nn.celu, 0.0) == 1
    assert slope(lambda x: nn.prelu(x, 0.25), 0.0) == 0.25
    np.testing.assert_allclose(slope(nn.mish, 0.0), 0.6, rtol=1e-15)


def test_prelu_has_a_slope_for_each_channel(rng, check_derivatives):
    x, slopes = rng.normal(size=(4, 3)), rng.uniform(0.1, 0.5, 3)
    np.testing.assert_array_equal(nn.prelu(x, slopes), np.where(x > 0, x, x * slopes))
    check_derivatives(nn.prelu, x, slopes)


def test_selu_keeps_mean_and_variance():
    y = nn.selu(np.random.default_rng(0).normal(size=10**6))
    np.testing.assert_allclose((y.mean(), y.var()), (0, 1), atol=1e-2)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_gates_halve_an_axis(data):
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] *= 2
    x = np.random.default_rng(0).normal(size=shape)
    a, b = np.split(x, 2, axis)
    np.testing.assert_allclose(nn.glu(x, axis), a / (1 + np.exp(-b)), rtol=1e-14)
    np.testing.assert_allclose(nn.swiglu(x, axis), a / (1 + np.exp(-a)) * b, rtol=1e-14)
    tn.testing.check_grads(lambda x: nn.glu(x, axis), (x,))
    tn.testing.check_grads(lambda x: nn.swiglu(x, axis), (x,))


@pytest.mark.parametrize("gate", [nn.glu, nn.swiglu])
def test_a_gate_needs_an_even_length(gate):
    with pytest.raises(
        tn.ArgumentError, match=rf"{gate.__name__}: x must have an even length along axis 1; got shape \(2, 3\)"
    ):
        gate(np.ones((2, 3)), 1)


def test_clip_goes_on_beyond_its_bounds():
    x = np.array([-5.0, 0.25, 7.0])
    np.testing.assert_array_equal(nn.clip(x, -1.0, 1.0), [-1, 0.25, 1])
    np.testing.assert_array_equal(tn.elementwise_grad(lambda x: nn.clip(x, -1.0, 1.0) ** 2)(x), [-2, 0.5, 2])
    np.testing.assert_array_equal(tn.jvp(lambda x: nn.clip(x, 0.0, 1.0), (x,), (x,))[1], x)
    second = tn.elementwise_grad(tn.elementwise_grad(lambda x: nn.clip(x, -1.0, 1.0) ** 3))(x)
    np.testing.assert_array_equal(second, [-6, 1.5, 6])  # 6 times the limited value


@pytest.mark.parametrize("function", [nn.clip, nn.hardtanh])
def test_bounds_in_the_wrong_order(function):
    with pytest.raises(tn.ArgumentError, match=rf"{function.__name__}: high must be at least low, 1.0; got 0.0\."):
        function(np.ones(2), 1.0, 0.0)


@pytest.mark.parametrize(
    "function",
    [nn.relu6, nn.hardtanh, nn.hardswish, nn.selu, nn.celu, nn.mish, nn.logsigmoid],
    ids=lambda f: f.__name__,
)
def test_complex_numbers_are_refused(function):
    with pytest.raises(tn.ArgumentTypeError, match=rf"{function.__name__}: x must be real; got complex128"):
        function(np.array([1j]))
