"""Batches of examples, prefetched where that helps, and augmentation of images.

>>> import numpy as np
>>> x, labels = np.arange(10.0), np.arange(10) % 2
>>> for a, b in batches((x, labels), 4):
...     print(a, b)
[0. 1. 2. 3.] [0 1 0 1]
[4. 5. 6. 7.] [0 1 0 1]
[8. 9.] [0 1]
"""

from tapenet.data.augmentation import cutout, random_crop, random_flip, random_shift
from tapenet.data.batching import Batches, batches, transformed
from tapenet.data.prefetching import Prefetched, prefetch

__all__ = [
    # batches
    "batches",
    "Batches",
    "transformed",
    "prefetch",
    "Prefetched",
    # augmentation of images
    "random_shift",
    "random_flip",
    "random_crop",
    "cutout",
]


def __dir__() -> list[str]:
    return __all__
