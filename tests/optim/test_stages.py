"""Schedules in stages: values, PyTorch's, pickling and errors."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

from tapenet import optim
from tapenet.errors import ArgumentError, ArgumentTypeError

ROWS = [
    (optim.step_decay(1.0, 0.5, 3), lambda s, o: s.StepLR(o, 3, 0.5)),
    (optim.multistep_decay(1.0, 0.1, [7, 2, 2, 11]), lambda s, o: s.MultiStepLR(o, [2, 2, 7, 11], 0.1)),
    (optim.polynomial_decay(1.0, 9, 2.5), lambda s, o: s.PolynomialLR(o, 9, 2.5)),
    (optim.cosine_restarts(1.0, 4), lambda s, o: s.CosineAnnealingWarmRestarts(o, 4)),
    (optim.cosine_restarts(1.0, 3, 2, 0.25), lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.25)),
    (optim.one_cycle(1.0, 20), lambda s, o: s.OneCycleLR(o, 1.0, 20)),
    (
        optim.one_cycle(2.0, 20, 0.55, 10.0, 100.0, "linear"),
        lambda s, o: s.OneCycleLR(o, 2.0, 20, None, None, 0.55, "linear", True, 0.85, 0.95, 10.0, 100.0),
    ),
    (
        optim.joined([optim.step_decay(1.0, 0.5, 1), optim.polynomial_decay(1.0, 9)], [5]),
        lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1, 0.5), s.PolynomialLR(o, 9, 1)], [5]),
    ),
]


@pytest.mark.parametrize(("schedule", "make"), ROWS)
def test_values_are_those_of_torch(schedule, make):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's own calls within SequentialLR
        theirs = make(torch.optim.lr_scheduler, optimizer)
        for step in range(20):
            np.testing.assert_allclose(schedule(step), optimizer.param_groups[0]["lr"], rtol=1e-12, atol=1e-15)
            optimizer.step()
            if step < 19:
                theirs.step()


@pytest.mark.parametrize("schedule", [row[0] for row in ROWS])
def test_a_schedule_gives_floats_and_survives_pickling(schedule):
    copy = pickle.loads(pickle.dumps(schedule))
    for step in (*range(25), 10**9):
        assert type(schedule(step)) is float
        assert schedule(step) >= 0
        assert copy(step) == schedule(step)


@pytest.mark.parametrize("rise", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_one_cycle_of_any_length_stays_between_its_ends(rise, steps):
    schedule = optim.one_cycle(1.0, steps, rise)
    values = [schedule(step) for step in range(steps + 3)]
    assert all(1 / 25e4 <= value <= 1 for value in values)
    assert values[-1] == values[-2]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: optim.multistep_decay(1, 0.5, 3),
            ArgumentTypeError,
            "multistep_decay: at must be a sequence of ints; got 3.",
        ),
        (
            lambda: optim.multistep_decay(1, 0.5, [1, 2.5]),
            ArgumentTypeError,
            "multistep_decay: at[1] must be an int of at least 0; got 2.5.",
        ),
        (
            lambda: optim.one_cycle(1, 5, shape="round"),
            ArgumentError,
            "one_cycle: shape must be 'cosine' or 'linear'; got 'round'.",
        ),
        (
            lambda: optim.joined([optim.constant(1.0)], [3]),
            ArgumentError,
            "joined: at must be ints that rise, one less than schedules, 0; got [3].",
        ),
        (
            lambda: optim.joined([optim.constant(1.0), optim.constant(2.0), optim.constant(2.0)], [3, 3]),
            ArgumentError,
            "joined: at must be ints that rise, one less than schedules, 2; got [3, 3].",
        ),
        (
            lambda: optim.joined([], []),
            ArgumentTypeError,
            "joined: schedules must be a sequence of functions; got [].",
        ),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == text
