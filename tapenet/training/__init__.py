"""A training loop of public parts, and metrics.

>>> import numpy as np
>>> from tapenet import optim
>>> x, rng = np.arange(4.0), np.random.default_rng(0)
>>> step, model, state = make_step(lambda w, x, rng: (((w * x - x) ** 2).mean(), w), optim.sgd(0.1)), 0.0, None
>>> model, state, loss = step(model, optim.sgd().init(model), x, rng)
>>> round(float(model), 3), loss
(0.7, 3.5)
"""

from tapenet.training.callbacks import Callback, early_stopping, keep_best, tensorboard
from tapenet.training.checkpoints import Checkpoints
from tapenet.training.fitting import fit
from tapenet.training.history import History
from tapenet.training.metrics import (
    accuracy,
    auc,
    confusion_matrix,
    f1,
    perplexity,
    precision,
    r2,
    recall,
    top_k,
)
from tapenet.training.running import Run, epoch_rng, evaluate, inference, make_step

__all__ = [
    # the loop
    "fit",
    "make_step",
    "evaluate",
    "inference",
    "epoch_rng",
    "Run",
    "History",
    "Checkpoints",
    # callbacks
    "early_stopping",
    "keep_best",
    "tensorboard",
    "Callback",
    # metrics
    "accuracy",
    "top_k",
    "confusion_matrix",
    "precision",
    "recall",
    "f1",
    "auc",
    "perplexity",
    "r2",
]


def __dir__() -> list[str]:
    return __all__
