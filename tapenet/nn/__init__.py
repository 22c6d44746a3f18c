"""Neural networks: functions, layers, losses and initializers. Images are channels last, (N, H, W, C)."""

from tapenet.nn import init as init
from tapenet.nn.activations import (
    elu as elu,
    gelu as gelu,
    leaky_relu as leaky_relu,
    log_softmax as log_softmax,
    relu as relu,
    sigmoid as sigmoid,
    silu as silu,
    softmax as softmax,
    softplus as softplus,
    tanh as tanh,
)
from tapenet.nn.functions import (
    BatchStatistics as BatchStatistics,
    avg_pool as avg_pool,
    batch_norm as batch_norm,
    conv as conv,
    dense as dense,
    dropout as dropout,
    embedding as embedding,
    layer_norm as layer_norm,
    max_pool as max_pool,
    normalize as normalize,
    one_hot as one_hot,
)
from tapenet.nn.layers import (
    AvgPool as AvgPool,
    BatchNorm as BatchNorm,
    Conv as Conv,
    Dense as Dense,
    Dropout as Dropout,
    Embedding as Embedding,
    Flatten as Flatten,
    Function as Function,
    Layer as Layer,
    LayerNorm as LayerNorm,
    MaxPool as MaxPool,
    Sequential as Sequential,
    Stateless as Stateless,
)
from tapenet.nn.losses import (
    binary_cross_entropy as binary_cross_entropy,
    cross_entropy as cross_entropy,
    huber as huber,
    mean_squared_error as mean_squared_error,
)
