"""numpynet's graphs on tapenet's tape: `import compat as nn`, or `import numpynet as nn` for scripts as they are.

Symbols are linked and added to a `Graph`; `forward` evaluates them once onto a tape, and `backward` walks that
tape once. New code is better off with tapenet itself: docs/compat.md shows the two side by side.
"""

import numpy as np

from compat.activators import (
    IdentityActivator,
    ReluActivator,
    ReluActivator as Relu,
    SigmoidActivator,
    SigmoidActivator as Sigmoid,
    TanhActivator,
    TanhActivator as Tanh,
)
from compat.blocks import ResBlock
from compat.data import miniBatch, onehot, randomshuffle, scaleallimage
from compat.errors import GraphError
from compat.graph import Graph
from compat.initializers import NormalInit, NormalInit as Normal, UniformInit, UniformInit as Uniform
from compat.losses import MSE, Loss, Softmax
from compat.models import VGG16, LeNet
from compat.operations import (
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
from compat.optimizers import (
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
from compat.symbols import Layer, Op, Placeholder, Variable

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
