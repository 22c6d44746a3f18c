"""The types of arrays in public signatures.

To type checkers a Tensor is an ndarray (`array_interface.pyi`), so that a function annotated with ndarray takes both,
and what comes back is an ndarray without a cast. NumPy's scalars, which stand for arrays without axes, pass as such.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
ArrayOrNumber = Array | np.generic | complex  # one leaf; a float and an int are complex to type checkers
