"""Metrics of a model's outputs.

>>> import numpy as np
>>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
0.5
"""

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

__all__ = [
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
