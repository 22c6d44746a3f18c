"""The numerical kernels that NumPy does not have: convolution and pooling on plain arrays.

One function per kernel: arrays are positional, geometry is keyword-only and hashable, so that another array
type or a compiled backend can take the place of any of them. Nothing in here knows about tapes.
"""

from tapenet.kernels.convolution import convolve, convolve_input, convolve_kernel
from tapenet.kernels.pooling import (
    avg_pool,
    avg_pool_input,
    max_pool,
    max_pool_winners,
    max_pool_with_winners,
    pool_gather,
    pool_scatter,
)
from tapenet.kernels.windows import output_size, same_padding

__all__ = [
    "avg_pool",
    "avg_pool_input",
    "convolve",
    "convolve_input",
    "convolve_kernel",
    "max_pool",
    "max_pool_winners",
    "max_pool_with_winners",
    "output_size",
    "pool_gather",
    "pool_scatter",
    "same_padding",
]
