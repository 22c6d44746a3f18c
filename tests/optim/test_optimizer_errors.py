"""What optimizers refuse, and what they say: the function, the argument or path of the leaf, the values."""

import math

import numpy as np
import pytest

from tapenet.errors import ArgumentError, ArgumentTypeError, TapenetError
from tapenet.optim import adadelta, adagrad, adam, adamw, momentum, nesterov, rmsprop, sgd

EVERY = [sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, adamw]


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    assert isinstance(caught.value, TapenetError)
    return str(caught.value)


# ---- settings ----


@pytest.mark.parametrize(
    ("makers", "argument", "value", "interval"),
    [
        (EVERY, "learning_rate", -0.5, "[0, inf)"),
        (EVERY, "learning_rate", math.nan, "[0, inf)"),
        (EVERY, "learning_rate", math.inf, "[0, inf)"),
        (EVERY, "weight_decay", -0.5, "[0, inf)"),
        ([adagrad, adadelta, rmsprop, adam, adamw], "eps", -1e-8, "[0, inf)"),
        ([momentum, nesterov, rmsprop], "momentum", -0.5, "[0, 1]"),
        ([momentum, nesterov, rmsprop], "momentum", 1.5, "[0, 1]"),
        ([adagrad], "learning_rate_decay", -0.5, "[0, inf)"),
        ([adadelta], "rho", 1.5, "[0, 1]"),
        ([adadelta], "rho", -0.5, "[0, 1]"),
        ([rmsprop], "decay", 1.5, "[0, 1]"),
        ([rmsprop], "decay", -0.5, "[0, 1]"),
        ([adam, adamw], "b1", 1.0, "[0, 1)"),
        ([adam, adamw], "b1", -0.5, "[0, 1)"),
        ([adam, adamw], "b2", 1.0, "[0, 1)"),
        ([adam, adamw], "b2", math.nan, "[0, 1)"),
    ],
)
def test_a_setting_out_of_range(makers, argument, value, interval):
    for make in makers:
        text = message(ArgumentError, make, **{argument: value})
        assert text == f"{make.__name__}: {argument} must be in {interval}; got {value}."


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize(
    ("value", "described"),
    [
        (None, "None"),
        ("0.1", "'0.1'"),
        (1j, "1j"),
        (True, "True"),
        (np.zeros(2), "a ndarray of shape (2,), float64"),
    ],
)
def test_a_setting_that_is_no_number(make, value, described):
    text = message(ArgumentTypeError, make, weight_decay=value)
    assert text == f"{make.__name__}: weight_decay must be a real number; got {described}."
    text = message(ArgumentTypeError, make, value)
    assert text == (f"{make.__name__}: learning_rate must be a number or a schedule (step -> number); got {described}.")


def test_settings_at_the_ends_of_their_ranges():
    sgd(0.0, weight_decay=0.0)
    momentum(momentum=1.0)
    adadelta(rho=1.0, eps=0.0)
    adadelta(rho=0.0)
    rmsprop(decay=1.0, momentum=1.0)
    adam(b1=0.0, b2=0.0, eps=0.0)


# ---- parameters ----


@pytest.mark.parametrize(
    ("leaf", "described"),
    [
        (np.arange(3), "a ndarray of shape (3,), int64. Cast it: "),
        (np.array(True), "a ndarray of shape (), bool. Cast it: "),
        (3, "int 3. Write float("),
        (True, "bool True. Write float("),
        ("relu", "str 'relu'. Pass arrays"),
        (np.array(["a"]), "a ndarray of shape (1,), <U1. Pass arrays"),
    ],
)
def test_a_parameter_that_is_not_inexact(default_optimizer, leaf, described):
    params = {"dense": {"bias": np.zeros(2), "weight": [np.zeros(2), leaf]}}
    expected = f"params['dense']['weight'][1] must be float or complex; got {described}"
    name = default_optimizer.name
    assert message(ArgumentTypeError, default_optimizer.init, params).startswith(f"{name}.init: {expected}")
    state = default_optimizer.init({})
    text = message(ArgumentTypeError, default_optimizer.update, params, state, params)
    assert text.startswith(f"{name}.update: {expected}")


# ---- gradients and states ----

PARAMS = {"dense": {"bias": np.zeros(10), "weight": np.zeros((784, 10))}}


@pytest.mark.parametrize(
    ("gradients", "text"),
    [
        (
            {"dense": {"bias": np.zeros(10), "weight": np.zeros((10, 784))}},
            "gradients['dense']['weight'] must have shape (784, 10), as params; got (10, 784).",
        ),
        (
            {"dense": {"bias": 0.0, "weight": np.zeros((784, 10))}},
            "gradients['dense']['bias'] must have shape (10,), as params; got ().",
        ),
        (
            {"dense": {"weight": np.zeros((784, 10))}},
            "gradients must have the structure of params; "
            "got no array at gradients['dense']['bias'] (None is not an array).",
        ),
        (
            {"dense": {"bias": None, "weight": np.zeros((784, 10))}},
            "gradients must have the structure of params; "
            "got no array at gradients['dense']['bias'] (None is not an array).",
        ),
        (
            {"dense": {"bias": np.zeros(10), "weight": np.zeros((784, 10))}, "other": np.zeros(3)},
            "gradients must have the structure of params; got gradients['other'], which params lack.",
        ),
    ],
)
def test_gradients_that_do_not_fit(default_optimizer, gradients, text):
    state = default_optimizer.init(PARAMS)
    actual = message(ArgumentError, default_optimizer.update, gradients, state, PARAMS)
    assert actual == f"{default_optimizer.name}.update: {text}"


def test_structures_that_differ_in_type_only():
    optimizer = sgd()
    params, gradients = [np.zeros(1)], (np.zeros(1),)
    assert message(ArgumentError, optimizer.update, gradients, optimizer.init(params), params) == (
        "sgd.update: gradients must have the structure of params; got PyTreeSpec((*,)), not PyTreeSpec([*])."
    )


def test_gradients_that_are_no_arrays(default_optimizer):
    state = default_optimizer.init([1.0])
    text = message(ArgumentTypeError, default_optimizer.update, ["a"], state, [1.0])
    assert text == f"{default_optimizer.name}.update: gradients[0] must be an array or a scalar; got 'a'."


def test_a_complex_gradient_of_a_real_parameter(default_optimizer):
    params = [np.zeros(2, np.float32)]
    state = default_optimizer.init(params)
    text = message(ArgumentTypeError, default_optimizer.update, [np.zeros(2, complex)], state, params)
    assert text == (
        f"{default_optimizer.name}.update: gradients[0] must have a dtype that fits params (float32); got complex128."
    )


def test_a_state_for_other_parameters():
    optimizer = adam()
    state = optimizer.init({"weight": np.zeros(3)})
    params = {"weight": np.zeros(2)}
    assert message(ArgumentError, optimizer.update, params, state, params) == (
        "adam.update: state.mean['weight'] must have shape (2,), as params; got (3,)."
    )
    assert message(ArgumentError, optimizer.update, 1.0, state, 1.0) == (
        "adam.update: state.mean must have the structure of params; got no array at state.mean (None is not an array)."
    )


@pytest.mark.parametrize(("state", "described"), [(PARAMS, "dict"), (None, "NoneType"), (sgd().init(1.0), "SgdState")])
def test_a_state_of_another_kind(state, described):
    assert message(ArgumentTypeError, adam().update, PARAMS, state, PARAMS) == (
        f"adam.update: state must be AdamState, from adam.init or update; got {described}. "
        "The order is update(gradients, state, params)."
    )


def test_a_step_that_is_no_count():
    optimizer = adam()
    state = optimizer.init(1.0)
    assert message(ArgumentTypeError, optimizer.update, 1.0, state._replace(step=0.5), 1.0) == (
        "adam.update: state.step must be an int of at least 0; got 0.5."
    )
    assert message(ArgumentError, optimizer.update, 1.0, state._replace(step=-1), 1.0) == (
        "adam.update: state.step must be an int of at least 0; got -1."
    )
