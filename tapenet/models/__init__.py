"""Well-known networks, ready to be trained."""

from tapenet.models.autoencoder import Autoencoder as Autoencoder
from tapenet.models.lenet import LeNet as LeNet
from tapenet.models.mlp import MLP as MLP
from tapenet.models.resnet import ResNet as ResNet
from tapenet.models.transformer import Transformer as Transformer
from tapenet.models.unet import UNet as UNet
from tapenet.models.vgg16 import VGG16 as VGG16

__all__ = [
    "Autoencoder",
    "LeNet",
    "MLP",
    "ResNet",
    "Transformer",
    "UNet",
    "VGG16",
]


def __dir__() -> list[str]:
    return __all__
