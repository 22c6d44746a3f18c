"""The optimizers under test: each with its defaults, and again with every setting away from its default."""

import attrs
import pytest

from tapenet import optim

SETTINGS = [
    (optim.sgd, {}),
    (optim.sgd, {"learning_rate": 0.03, "weight_decay": 0.1}),
    (optim.momentum, {}),
    (optim.momentum, {"learning_rate": 0.03, "momentum": 0.7, "weight_decay": 0.1}),
    (optim.nesterov, {}),
    (optim.nesterov, {"learning_rate": 0.03, "momentum": 0.7, "weight_decay": 0.1}),
    (optim.adagrad, {}),
    (optim.adagrad, {"learning_rate": 0.03, "eps": 0.1, "weight_decay": 0.1, "learning_rate_decay": 0.2}),
    (optim.adadelta, {}),
    (optim.adadelta, {"learning_rate": 0.3, "rho": 0.7, "eps": 0.1, "weight_decay": 0.1}),
    (optim.rmsprop, {}),
    (optim.rmsprop, {"learning_rate": 0.03, "decay": 0.7, "eps": 0.1, "weight_decay": 0.1}),
    (optim.rmsprop, {"learning_rate": 0.03, "decay": 0.7, "eps": 0.1, "momentum": 0.6, "weight_decay": 0.1}),
    (optim.adam, {}),
    (optim.adam, {"learning_rate": 0.03, "b1": 0.7, "b2": 0.8, "eps": 0.1, "weight_decay": 0.1}),
    (optim.adamw, {}),
    (optim.adamw, {"learning_rate": 0.03, "b1": 0.7, "b2": 0.8, "eps": 0.1, "weight_decay": 0.1}),
    (optim.adamax, {}),
    (optim.adamax, {"learning_rate": 0.03, "b1": 0.7, "b2": 0.8, "eps": 0.1, "weight_decay": 0.1}),
    (optim.nadam, {}),
    (
        optim.nadam,
        {"learning_rate": 0.03, "b1": 0.7, "b2": 0.8, "eps": 0.1, "weight_decay": 0.1, "momentum_decay": 0.2},
    ),
    (optim.radam, {}),
    (optim.radam, {"learning_rate": 0.03, "b1": 0.7, "b2": 0.8, "eps": 0.1, "weight_decay": 0.1}),
    (optim.lion, {}),
    (optim.lion, {"learning_rate": 0.03, "b1": 0.7, "b2": 0.8, "weight_decay": 0.1}),
    (optim.rprop, {}),
    (optim.rprop, {"learning_rate": 0.03, "shrink": 0.7, "grow": 1.4, "min_size": 0.02, "max_size": 0.05}),
]


@attrs.frozen
class Case:
    """An optimizer and how it was made."""

    make: object
    settings: dict

    @property
    def name(self):
        return self.make.__name__

    @property
    def optimizer(self):
        return self.make(**self.settings)

    def __str__(self):
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.settings.items())})"


CASES = [Case(make, settings) for make, settings in SETTINGS]


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture
def optimizer(case):
    return case.optimizer


@pytest.fixture(params=[case for case in CASES if not case.settings], ids=str)
def default_optimizer(request):
    return request.param.optimizer
