"""What one recorded operation costs: elementwise operations on 8 floats, forward and backward.

python benchmarks/small_operations.py --length 300
"""

from __future__ import annotations

from functools import partial

import chains
import numpy as np
from interleaved import Scenario, main

SCENARIO = Scenario(
    title="300 operations on 8 floats",
    contenders=partial(chains.contenders, dtype=np.float64),
    sizes={"length": 300, "size": 8},
    tiny={"length": 10, "size": 8},
    target=0.45,
    tolerance=1e-9,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
