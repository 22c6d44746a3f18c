"""Matrix products with constant matrices of scipy.sparse."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from tapenet.core.arguments import as_array
from tapenet.core.families import linear
from tapenet.core.foreign import is_sparse
from tapenet.core.primitive import Array
from tapenet.ops.arrays.shaping import matrix_transpose


@attrs.frozen(eq=False)
class SparseMatrix:
    """A matrix of scipy.sparse as a parameter, which is hashable as itself."""

    matrix: Any

    @property
    def T(self) -> SparseMatrix:
        """The transpose, which shares its elements."""
        return SparseMatrix(self.matrix.T)


@linear(lambda t, matrix: _sparse_matmul(t, matrix=matrix.T), name="sparse_matmul")
def _sparse_matmul(x: Array, *, matrix: SparseMatrix) -> Array:
    return np.asarray(matrix.matrix @ x)


def is_sparse_product(x1: Any, x2: Any) -> bool:
    """Return whether operands are a sparse matrix and a dense matrix or vector, in either order."""
    if is_sparse(type(x1)):
        return not is_sparse(type(x2)) and as_array(x2).ndim in (1, 2)
    return is_sparse(type(x2)) and as_array(x1).ndim in (1, 2)


def sparse_product(x1: Any, x2: Any) -> Array:
    """Return the matrix product of a sparse and a dense operand. Derivative by the dense one: the transposed matrix."""
    if is_sparse(type(x1)):
        return _sparse_matmul(as_array(x2), matrix=SparseMatrix(x1))
    x = as_array(x1)
    product = _sparse_matmul(matrix_transpose(x) if x.ndim == 2 else x, matrix=SparseMatrix(x2).T)
    return matrix_transpose(product) if x.ndim == 2 else product
