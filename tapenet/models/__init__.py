"""Well-known networks, ready to be trained."""

from tapenet.models.lenet import LeNet as LeNet
from tapenet.models.vgg16 import VGG16 as VGG16

__all__ = [
    "LeNet",
    "VGG16",
]


def __dir__() -> list[str]:
    return __all__
