"""The places of elements, tests of whole arrays, and counts. They have no derivative, and give plain arrays."""

from __future__ import annotations

import numpy as np

from tapenet.core.batch_rules import along_axis, over_operand, refused
from tapenet.core.nondifferentiable import of_lists, plain

# ---- tests of whole arrays ----

allclose = plain(np.allclose)
array_equal = plain(np.array_equal)
array_equiv = plain(np.array_equiv)
all = plain(np.all, batch=along_axis)
any = plain(np.any, batch=along_axis)

# ---- places ----

argmax = plain(np.argmax, batch=along_axis)
argmin = plain(np.argmin, batch=along_axis)
argsort = plain(np.argsort, batch=along_axis)
argpartition = plain(np.argpartition, batch=along_axis)
argwhere = plain(np.argwhere, batch=refused)
nonzero = plain(np.nonzero, batch=refused)
flatnonzero = plain(np.flatnonzero, batch=refused)
count_nonzero = plain(np.count_nonzero, batch=along_axis)
searchsorted = plain(np.searchsorted, batch=over_operand(1))
digitize = plain(np.digitize, batch=over_operand(0))
nanargmax = plain(np.nanargmax, batch=along_axis)
nanargmin = plain(np.nanargmin, batch=along_axis)
lexsort = of_lists(np.lexsort)
isin = of_lists(np.isin)

# ---- counts ----

histogram_bin_edges = plain(np.histogram_bin_edges)
histogram = of_lists(np.histogram, refuses="weights")
histogram2d = of_lists(np.histogram2d, refuses="weights")
histogramdd = of_lists(np.histogramdd, refuses="weights")
