"""Initializers: fans and the exact distributions, bounds, dtypes, determinism, errors."""

import math

import numpy as np
import pytest

from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.nn import init

FAN_RULES = [init.glorot_uniform, init.glorot_normal, init.he_uniform, init.he_normal]
EVERY = [init.uniform, init.normal, *FAN_RULES]
DTYPES = ["float16", "float32", "float64", "longdouble"]

# shape, fan_in, fan_out
FANS = [
    ((300, 500), 300, 500),
    ((500, 300), 500, 300),
    ((5, 3, 40, 250), 600, 3750),
    ((1, 1, 250, 400), 250, 400),
    ((7, 100, 200), 700, 1400),
]


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


def assert_moments(x, mean, variance, fourth_moment):
    """The sample's mean and variance lie within five standard errors of the distribution's.

    The variance of the mean of (x - mean)^2 over n draws is (fourth central moment - variance^2) / n.
    """
    x = x.astype(np.float64)
    assert abs(x.mean() - mean) < 5 * math.sqrt(variance / x.size)
    assert abs(np.square(x - mean).mean() - variance) < 5 * math.sqrt((fourth_moment - variance**2) / x.size)


def assert_uniform(x, low, high):
    # Half precision rounds by up to 2^-11, relatively, which may reach past a bound.
    slack = 2.0**-10 * max(abs(low), abs(high)) if x.dtype == np.float16 else 0
    assert low - slack <= x.min() < low + (high - low) * 1e-3
    assert high - (high - low) * 1e-3 < x.max() <= high + slack
    half = (high - low) / 2
    assert_moments(x, (low + high) / 2, half**2 / 3, half**4 / 5)


def assert_normal(x, mean, std):
    assert_moments(x, mean, std**2, 3 * std**4)
    # The share beyond one standard deviation, which a uniform distribution of the same variance has not.
    share = math.erfc(math.sqrt(0.5))
    beyond = np.mean(np.abs(x.astype(np.float64) - mean) > std)
    assert abs(beyond - share) < 5 * math.sqrt(share * (1 - share) / x.size)
    assert np.abs(x - mean).max() > 3 * std


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform(rng, dtype):
    assert_uniform(init.uniform(rng, (300, 400), dtype=dtype), 0, 1)
    assert_uniform(init.uniform(rng, (300, 400), -0.5, 1.5, dtype), -0.5, 1.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal(rng, dtype):
    assert_normal(init.normal(rng, (300, 400), dtype=dtype), 0, 1)
    assert_normal(init.normal(rng, (300, 400), 2.0, 0.5, dtype), 2, 0.5)


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), FANS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fan_rules(rng, shape, fan_in, fan_out, dtype):
    bound = math.sqrt(6 / (fan_in + fan_out))
    assert_uniform(init.glorot_uniform(rng, shape, dtype), -bound, bound)
    assert_normal(init.glorot_normal(rng, shape, dtype), 0, math.sqrt(2 / (fan_in + fan_out)))
    assert_uniform(init.he_uniform(rng, shape, dtype), -math.sqrt(6 / fan_in), math.sqrt(6 / fan_in))
    assert_normal(init.he_normal(rng, shape, dtype), 0, math.sqrt(2 / fan_in))


def test_wrong_moments_are_found(rng):
    """A scale off by 1.5%, or the other shape of distribution, does not pass."""
    drawn = init.uniform(rng, (300, 400), -1, 1)
    for wrong in (drawn * 0.985, drawn + 0.02, init.normal(rng, (300, 400), std=math.sqrt(1 / 3))):
        with pytest.raises(AssertionError):
            assert_uniform(wrong, -1, 1)
    drawn = init.normal(rng, (300, 400))
    for wrong in (drawn * 0.985, drawn + 0.02, init.uniform(rng, (300, 400), -math.sqrt(3), math.sqrt(3))):
        with pytest.raises(AssertionError):
            assert_normal(wrong, 0, 1)


def test_constant_distributions(rng):
    np.testing.assert_array_equal(init.uniform(rng, 3, 0.25, 0.25), np.full(3, 0.25, np.float32))
    np.testing.assert_array_equal(init.normal(rng, 3, 0.25, 0.0), np.full(3, 0.25, np.float32))


@pytest.mark.parametrize("initializer", EVERY)
@pytest.mark.parametrize("dtype", [*DTYPES, np.float32, np.dtype(">f4"), float])
def test_dtypes_and_shapes(initializer, rng, dtype):
    assert initializer(rng, (3, 4)).dtype == np.float32
    for shape in [(3, 4), [2, 2, 3, 4], (0, 4), (4, 0), (0, 0), (np.int64(2), 3)]:
        drawn = initializer(rng, shape, dtype=dtype)
        assert type(drawn) is np.ndarray
        assert drawn.dtype == np.dtype(dtype)
        assert drawn.shape == tuple(shape)
        assert drawn.flags.writeable
        assert drawn.flags.c_contiguous


@pytest.mark.parametrize("initializer", [init.uniform, init.normal])
@pytest.mark.parametrize(("shape", "expected"), [(5, (5,)), ((), ()), ((2,), (2,)), (0, (0,))])
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_without_fans(initializer, rng, shape, expected, dtype):
    drawn = initializer(rng, shape, dtype=dtype)
    assert isinstance(drawn, np.ndarray)
    assert drawn.shape == expected
    assert drawn.dtype == np.dtype(dtype)


@pytest.mark.parametrize("initializer", EVERY)
def test_the_generator_alone_decides(initializer):
    first, same, other = (initializer(np.random.default_rng(seed), (8, 8)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.any(first == other)
    rng = np.random.default_rng(1)
    initializer(rng, (8, 8))
    assert not np.any(initializer(rng, (8, 8)) == first)


def test_float32_is_drawn_directly():
    """Half of the random bits of float64, and no array of twice the size on the way."""
    drawn = init.uniform(np.random.default_rng(1), 8)
    np.testing.assert_array_equal(drawn, np.random.default_rng(1).random(8, dtype=np.float32))
    drawn = init.normal(np.random.default_rng(1), 8)
    np.testing.assert_array_equal(drawn, np.random.default_rng(1).standard_normal(8, dtype=np.float32))


# ---- errors ----


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize("initializer", EVERY)
@pytest.mark.parametrize(("rng", "kind"), [(0, "int"), (None, "NoneType"), (np.random.RandomState(0), "RandomState")])
def test_no_generator(initializer, rng, kind):
    assert message(ArgumentTypeError, initializer, rng, (2, 3)) == (
        f"{initializer.__name__}: rng must be a numpy.random.Generator; got {kind}. "
        "Write rng = numpy.random.default_rng(seed)."
    )


@pytest.mark.parametrize("initializer", EVERY)
@pytest.mark.parametrize(("dtype", "name"), [(int, "int64"), (complex, "complex128"), (bool, "bool")])
def test_no_real_floating_dtype(initializer, rng, dtype, name):
    text = message(ArgumentTypeError, initializer, rng, (2, 3), dtype=dtype)
    assert text == f"{initializer.__name__}: dtype must be a real floating dtype; got {name}."


@pytest.mark.parametrize("initializer", EVERY)
def test_bad_shapes(initializer, rng):
    name = initializer.__name__
    text = message(ArgumentError, initializer, rng, (2, -3))
    assert text == f"{name}: shape must have sizes of at least 0; got (2, -3)."
    text = message(ArgumentTypeError, initializer, rng, (2, 3.0))
    assert text == f"{name}: shape must be an integer or a sequence of integers; got (2, 3.0)."
    text = message(ArgumentTypeError, initializer, rng, "ab")
    assert text == f"{name}: shape must be an integer or a sequence of integers; got 'ab'."


@pytest.mark.parametrize("initializer", FAN_RULES)
@pytest.mark.parametrize(("shape", "sizes"), [((), "()"), ((3,), "(3,)"), (3, "(3,)")])
def test_too_few_axes_for_fans(initializer, rng, shape, sizes):
    assert message(ArgumentError, initializer, rng, shape) == (
        f"{initializer.__name__}: shape must be (inputs, outputs) or (kh, kw, inputs, outputs); got {sizes}. "
        "Draw it with uniform or normal, or start it at zero."
    )


def test_numbers_out_of_range(rng):
    text = "uniform: low and high must be finite, low <= high; got {}."
    assert message(ArgumentError, init.uniform, rng, 2, 1.0, 0.5) == text.format("1.0 and 0.5")
    assert message(ArgumentError, init.uniform, rng, 2, -1e308, 1e308) == text.format("-1e+308 and 1e+308")
    assert message(ArgumentError, init.uniform, rng, 2, 0.0, math.inf) == "uniform: high must be finite; got inf."
    assert message(ArgumentError, init.uniform, rng, 2, math.nan) == "uniform: low must be finite; got nan."
    assert message(ArgumentError, init.normal, rng, 2, math.inf) == "normal: mean must be finite; got inf."
    assert message(ArgumentError, init.normal, rng, 2, 0.0, -1.0) == "normal: std must be in [0, inf); got -1.0."
    assert message(ArgumentError, init.normal, rng, 2, 0.0, math.nan) == "normal: std must be in [0, inf); got nan."
