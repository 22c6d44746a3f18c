"""A training step of LeNet by Adam: 5x5x32, pool, 5x5x64, pool, dense 1024, dropout, dense 10.

python benchmarks/lenet_step.py --batch-size 64
"""

from __future__ import annotations

import networks
from interleaved import Makers, Scenario, main


def contenders(batch_size: int, image_size: int, dropout: float) -> Makers:
    layers = networks.lenet(image_size, dropout)
    return networks.contenders(layers, networks.examples(batch_size, image_size, image_size, 1), trained=True)


SCENARIO = Scenario(
    title="LeNet training step",
    contenders=contenders,
    sizes={"batch_size": 64, "image_size": 28, "dropout": 0.5},
    tiny={"batch_size": 2, "image_size": 16, "dropout": 0.0},
    target=0.9,
    tolerance=1e-2,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
