"""Optimizers, as pure functions from gradients, state and parameters to new state and parameters.

>>> optimizer = adam(learning_rate=0.1)
>>> params = {"weight": 1.0}
>>> params, state = optimizer.update({"weight": 2.0}, optimizer.init(params), params)
>>> round(float(params["weight"]), 6), state.step
(0.9, 1)
"""

import importlib
from typing import TYPE_CHECKING, Any

from tapenet.optim import (
    adaptive,
    chain as chain_module,
    descent,
    lbfgs as lbfgs_module,
    moments,
    parts,
    signs,
    variants,
    whole,
)
from tapenet.optim.adaptive import adadelta, adagrad, rmsprop
from tapenet.optim.chain import chain, freeze, partition
from tapenet.optim.descent import momentum, nesterov, sgd
from tapenet.optim.describing import show_states
from tapenet.optim.lbfgs import lbfgs
from tapenet.optim.moments import adam, adamw
from tapenet.optim.optimizer import Optimizer
from tapenet.optim.parts import (
    SKIPPED,
    Part,
    accumulate,
    add_decayed_weights,
    average_params,
    clip_by_global_norm,
    clip_by_value,
    ema,
    plateau,
    scale,
    scale_by_schedule,
    skip_nonfinite,
)
from tapenet.optim.schedules import (
    Schedule,
    constant,
    cosine_decay,
    exponential_decay,
    linear_decay,
    warmup,
)
from tapenet.optim.signs import lion, rprop
from tapenet.optim.stages import (
    cosine_restarts,
    joined,
    multistep_decay,
    one_cycle,
    polynomial_decay,
    step_decay,
)
from tapenet.optim.variants import adamax, nadam, radam
from tapenet.optim.whole import adafactor, lamb

if TYPE_CHECKING:  # imported when first used
    from tapenet.optim.solvers import (
        Solution as Solution,
        levenberg_marquardt as levenberg_marquardt,
        newton_cg as newton_cg,
    )

show_states(adaptive, chain_module, descent, lbfgs_module, moments, parts, signs, variants, whole)

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
    "adamax",
    "nadam",
    "radam",
    "lion",
    "lamb",
    "adafactor",
    "rprop",
    "lbfgs",
    "Optimizer",
    # solvers
    "newton_cg",
    "levenberg_marquardt",
    "Solution",
    # parts of optimizers
    "chain",
    "partition",
    "freeze",
    "clip_by_value",
    "clip_by_global_norm",
    "add_decayed_weights",
    "scale",
    "scale_by_schedule",
    "plateau",
    "ema",
    "average_params",
    "accumulate",
    "skip_nonfinite",
    "Part",
    "SKIPPED",
    # schedules of learning rates
    "constant",
    "linear_decay",
    "exponential_decay",
    "cosine_decay",
    "polynomial_decay",
    "step_decay",
    "multistep_decay",
    "cosine_restarts",
    "one_cycle",
    "warmup",
    "joined",
    "Schedule",
]


if not TYPE_CHECKING:  # else every name would do

    def __getattr__(name: str) -> Any:
        """Import the solvers when they are first used, and with them `tapenet.operators`."""
        if name in ("Solution", "levenberg_marquardt", "newton_cg"):
            globals()[name] = value = getattr(importlib.import_module("tapenet.optim.solvers"), name)
            return value
        raise AttributeError(f"module 'tapenet.optim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
