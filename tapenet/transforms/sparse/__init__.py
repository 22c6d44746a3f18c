"""Sparse Jacobians and Hessians: patterns from the tape, colourings, and walks that carry all colours at once."""

from tapenet.core.packages import import_package

import_package("scipy", "tapenet.sparsity", extra="scipy")
