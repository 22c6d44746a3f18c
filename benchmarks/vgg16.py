"""VGG16's loss and its gradient: thirteen 3x3 convolutions, and dense layers of 4096, 4096 and 10.

python benchmarks/vgg16.py --batch-size 16
"""

from __future__ import annotations

import networks
from interleaved import Makers, Scenario, main


def contenders(batch_size: int, image_size: int, width: int) -> Makers:
    layers = networks.vgg16(image_size, width)
    return networks.contenders(layers, networks.examples(batch_size, image_size, image_size, 3), trained=False)


SCENARIO = Scenario(
    title="VGG16 forward and backward",
    contenders=contenders,
    sizes={"batch_size": 16, "image_size": 32, "width": 64},
    tiny={"batch_size": 2, "image_size": 32, "width": 2},
    target=0.8,
    rounds=10,
)

if __name__ == "__main__":
    main(SCENARIO, __doc__)
