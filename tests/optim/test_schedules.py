"""Schedules: values at their ends and between, errors, and their use by an optimizer."""

import math
import pickle

import numpy as np
import pytest

from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.optim import constant, cosine_decay, exponential_decay, linear_decay, sgd, warmup


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (constant(0.5), {0: 0.5, 1: 0.5, 10**9: 0.5}),
        (linear_decay(1.0, 4), {0: 1.0, 1: 0.75, 3: 0.25, 4: 0.0, 5: 0.0, 10**9: 0.0}),
        (linear_decay(1.0, 4, final=0.5), {0: 1.0, 1: 0.875, 4: 0.5, 5: 0.5}),
        (linear_decay(0.0, 2, final=1.0), {0: 0.0, 1: 0.5, 2: 1.0, 3: 1.0}),
        (cosine_decay(1.0, 4), {0: 1.0, 1: (1 + math.sqrt(0.5)) / 2, 2: 0.5, 4: 0.0, 5: 0.0}),
        (cosine_decay(1.0, 2, final=0.5), {0: 1.0, 1: 0.75, 2: 0.5, 10**9: 0.5}),
        (exponential_decay(2.0, 0.25), {0: 2.0, 1: 0.5, 2: 0.125}),
        (exponential_decay(2.0, 0.25, steps=4), {0: 2.0, 2: 1.0, 4: 0.5}),
        (exponential_decay(2.0, 0.0), {0: 2.0, 1: 0.0}),
        (warmup(0.5, 2), {0: 0.25, 1: 0.5, 2: 0.5}),
        (warmup(0.5, 0), {0: 0.5, 1: 0.5}),
        (warmup(linear_decay(1.0, 8), 4), {0: 0.25, 1: 0.4375, 3: 0.625, 4: 0.5, 8: 0.0}),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
def test_values(schedule, values):
    for step, value in values.items():
        np.testing.assert_allclose(schedule(step), value, atol=1e-15)


@pytest.mark.parametrize(
    "schedule", [constant(1), linear_decay(1, 4), cosine_decay(1, 4), exponential_decay(1, 0.5), warmup(1, 4)]
)
def test_a_schedule_gives_floats_and_survives_pickling(schedule):
    copy = pickle.loads(pickle.dumps(schedule))
    for step in range(6):
        assert type(schedule(step)) is float
        assert copy(step) == schedule(step)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: constant(-1), ArgumentError, "constant: value must be in [0, inf); got -1."),
        (lambda: constant("a"), ArgumentTypeError, "constant: value must be a real number; got 'a'."),
        (lambda: linear_decay(1, 0), ArgumentError, "linear_decay: steps must be a positive int; got 0."),
        (
            lambda: linear_decay(1, 2.5),
            ArgumentTypeError,
            "linear_decay: steps must be a positive int; got 2.5.",
        ),
        (
            lambda: linear_decay(math.nan, 2),
            ArgumentError,
            "linear_decay: init must be in [0, inf); got nan.",
        ),
        (lambda: cosine_decay(1, 2, -3), ArgumentError, "cosine_decay: final must be in [0, inf); got -3."),
        (lambda: cosine_decay(1, -2), ArgumentError, "cosine_decay: steps must be a positive int; got -2."),
        (
            lambda: exponential_decay(1, 1.5),
            ArgumentError,
            "exponential_decay: rate must be in [0, 1]; got 1.5.",
        ),
        (
            lambda: exponential_decay(1, 0.5, 0),
            ArgumentError,
            "exponential_decay: steps must be a positive int; got 0.",
        ),
        (lambda: warmup(1, -1), ArgumentError, "warmup: steps must be an int of at least 0; got -1."),
        (
            lambda: warmup(None, 1),
            ArgumentTypeError,
            "warmup: schedule must be a number or a schedule (step -> number); got None.",
        ),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == text


def test_an_optimizer_follows_its_schedule():
    steps = []

    def schedule(step):
        steps.append(step)
        return (0.5, 0.25, 0.0)[step]

    optimizer = sgd(schedule)
    params, state = 0.0, optimizer.init(0.0)
    path = []
    for _ in range(3):
        params, state = optimizer.update(1.0, state, params)
        path.append(float(params))
    assert steps == [0, 1, 2]
    assert path == [-0.5, -0.75, -0.75]


def test_a_schedule_that_fails_is_named_with_its_step():
    optimizer = sgd(lambda step: (1.0, math.nan)[step])
    params, state = optimizer.update(1.0, optimizer.init(0.0), 0.0)
    with pytest.raises(ArgumentError) as caught:
        optimizer.update(1.0, state, params)
    assert str(caught.value) == "sgd.update: learning_rate(1) must be in [0, inf); got nan."
    with pytest.raises(ArgumentTypeError) as caught:
        sgd(lambda step: None).update(1.0, optimizer.init(0.0), 0.0)
    assert str(caught.value) == "sgd.update: learning_rate(0) must be a real number; got None."
