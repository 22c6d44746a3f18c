"""Well-known networks, ready to be trained."""

from tapenet.models.lenet import LeNet as LeNet
from tapenet.models.vgg16 import VGG16 as VGG16
