"""Ten elementwise operations on a million floats, forward and backward: what is bound by memory.

python benchmarks/elementwise_chain.py --size 1000000
"""

from __future__ import annotations

from functools import partial

import chains
import numpy as np
from interleaved import Scenario, main

SCENARIO = Scenario(
    title="10 operations on a million floats",
    contenders=partial(chains.contenders, dtype=np.float32),
    sizes={"length": 10, "size": 1_000_000},
    tiny={"length": 5, "size": 100},
    target=1.0,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
