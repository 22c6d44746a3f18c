"""Well-known networks, ready to be trained."""

from tapenet.models.lenet import LeNet as LeNet
