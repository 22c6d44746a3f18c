"""numpynet's graphs on tapenet's tape: `import numpynet as nn`, for scripts as they are, or `import compat as nn`.

Symbols are linked and added to a `Graph`; `forward` evaluates them once onto a tape, and `backward` walks that
tape once. New code is better off with tapenet itself: docs/guides/compat.md shows the two side by side.
"""

import numpy as np

from numpynet.activators import (
    IdentityActivator,
    ReluActivator,
    ReluActivator as Relu,
    SigmoidActivator,
    SigmoidActivator as Sigmoid,
    TanhActivator,
    TanhActivator as Tanh,
)
from numpynet.blocks import ResBlock
from numpynet.data import miniBatch, onehot, randomshuffle, scaleallimage
from numpynet.errors import GraphError
from numpynet.graph import Graph
from numpynet.initializers import NormalInit, NormalInit as Normal, UniformInit, UniformInit as Uniform
from numpynet.losses import MSE, Loss, Softmax
from numpynet.models import VGG16, LeNet
from numpynet.operations import (
    Add,
    BatchNorm,
    Conv2d,
    Dot,
    Dropout,
    Flatten,
    Identity,
    MaxPooling,
    MaxPooling as Maxpooling,
)
from numpynet.optimizers import (
    AdaDeltaOptimizer,
    AdaDeltaOptimizer as AdaDelta,
    AdaGramOptimizer,
    AdaGramOptimizer as AdaGradOptimizer,
    AdaGramOptimizer as AdaGram,
    AdamOptimizer,
    AdamOptimizer as Adam,
    MomentumOptimizer,
    MomentumOptimizer as Momentum,
    RMSPropOptimizer,
    RMSPropOptimizer as RMSprop,
    SGDOptimizer,
    SGDOptimizer as SGD,
)
from numpynet.symbols import Layer, Op, Placeholder, Variable

__all__ = [
    # values
    "Variable",
    "Placeholder",
    "UniformInit",
    "Uniform",
    "NormalInit",
    "Normal",
    # operations
    "Op",
    "Add",
    "Identity",
    "Dot",
    "Flatten",
    "Conv2d",
    "MaxPooling",
    "Maxpooling",
    "Dropout",
    "BatchNorm",
    # activators
    "Layer",
    "ReluActivator",
    "Relu",
    "IdentityActivator",
    "SigmoidActivator",
    "Sigmoid",
    "TanhActivator",
    "Tanh",
    # blocks
    "ResBlock",
    # losses
    "Loss",
    "MSE",
    "Softmax",
    # optimizers
    "SGDOptimizer",
    "SGD",
    "MomentumOptimizer",
    "Momentum",
    "AdaGramOptimizer",
    "AdaGradOptimizer",
    "AdaGram",
    "AdaDeltaOptimizer",
    "AdaDelta",
    "RMSPropOptimizer",
    "RMSprop",
    "AdamOptimizer",
    "Adam",
    # graphs
    "Graph",
    "GraphError",
    "LeNet",
    "VGG16",
    # data
    "onehot",
    "miniBatch",
    "randomshuffle",
    "scaleallimage",
    "np",  # `from numpynet import *` brought it along, and scripts came to count on it
]
