"""`numpy.linalg` on Tensors and arrays alike."""

import numpy as _np
from numpy.linalg import LinAlgError as LinAlgError

from tapenet.numpy.documentation import publish as _publish
from tapenet.ops.arrays.shaping import matrix_transpose as matrix_transpose
from tapenet.ops.linalg.decompositions import (
    cholesky as cholesky,
    qr as qr,
    svd as svd,
    svdvals as svdvals,
)
from tapenet.ops.linalg.determinants import det as det, slogdet as slogdet
from tapenet.ops.linalg.eigenvalues import (
    eig as eig,
    eigh as eigh,
    eigvals as eigvals,
    eigvalsh as eigvalsh,
)
from tapenet.ops.linalg.least_squares import lstsq as lstsq, pinv as pinv
from tapenet.ops.linalg.linear_solves import (
    inv as inv,
    solve as solve,
    tensorinv as tensorinv,
    tensorsolve as tensorsolve,
)
from tapenet.ops.linalg.matrix_products import (
    cross as cross,
    diagonal as diagonal,
    matrix_power as matrix_power,
    multi_dot as multi_dot,
    outer as outer,
    tensordot as tensordot,
    trace as trace,
    vecdot as vecdot,
)
from tapenet.ops.linalg.norms import (
    cond as cond,
    matrix_norm as matrix_norm,
    matrix_rank as matrix_rank,
    norm as norm,
    vector_norm as vector_norm,
)
from tapenet.ops.linalg.products import matmul as matmul

__all__ = [
    "LinAlgError",
    "matrix_transpose",
    "cholesky",
    "qr",
    "svd",
    "svdvals",
    "det",
    "slogdet",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "lstsq",
    "pinv",
    "inv",
    "solve",
    "tensorinv",
    "tensorsolve",
    "cross",
    "diagonal",
    "matrix_power",
    "multi_dot",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "cond",
    "matrix_norm",
    "matrix_rank",
    "norm",
    "vector_norm",
    "matmul",
]

_publish("tapenet.numpy", matmul, _np)  # the same functions as there
_publish("tapenet.numpy", matrix_transpose, _np)
for _name in __all__:
    _publish(__name__, globals()[_name], _np.linalg)


def __dir__() -> list[str]:
    return __all__
