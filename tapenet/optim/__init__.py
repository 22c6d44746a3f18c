"""Optimizers, as pure functions from gradients, state and parameters to new state and parameters.

>>> optimizer = adam(learning_rate=0.1)
>>> params = {"weight": 1.0}
>>> params, state = optimizer.update({"weight": 2.0}, optimizer.init(params), params)
>>> round(float(params["weight"]), 6), state.step
(0.9, 1)
"""

from tapenet.optim.adaptive import adadelta, adagrad, rmsprop
from tapenet.optim.descent import momentum, nesterov, sgd
from tapenet.optim.moments import adam, adamw
from tapenet.optim.optimizer import Optimizer
from tapenet.optim.schedules import (
    Schedule,
    constant,
    cosine_decay,
    exponential_decay,
    linear_decay,
    warmup,
)

__all__ = [
    # optimizers
    "sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "adadelta",
    "rmsprop",
    "adam",
    "adamw",
    "Optimizer",
    # schedules of learning rates
    "constant",
    "linear_decay",
    "exponential_decay",
    "cosine_decay",
    "warmup",
    "Schedule",
]


def __dir__() -> list[str]:
    return __all__
