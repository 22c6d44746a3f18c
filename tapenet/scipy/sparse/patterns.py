"""Where the elements of a sparse matrix are, and products and solutions of the matrices with one pattern."""

# mypy: disable-error-code="has-type"
# Rules name the primitives whose rules they are, which mypy reads too late.

from __future__ import annotations

import functools
from typing import Any

import attrs
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from tapenet.core.families import general, linear, multilinear
from tapenet.core.primitive import Array
from tapenet.errors import LinAlgError

_TRANSPOSED = {"csr": "csc", "csc": "csr", "coo": "coo"}


@attrs.frozen(eq=False)
class Pattern:
    """The places of the elements of a sparse matrix, in the order of its data.

    Attributes:
        format: "csr", "csc" or "coo".
        places: (indices, indptr), or (rows, columns) of a "coo" matrix.
        shape: of the matrix.
    """

    format: str
    places: tuple[Any, Any]
    shape: tuple[int, int]

    @classmethod
    def of(cls, matrix: Any) -> Pattern:
        """Read the pattern of a matrix of SciPy's."""
        places = (matrix.row, matrix.col) if matrix.format == "coo" else (matrix.indices, matrix.indptr)
        return cls(matrix.format, places, matrix.shape)

    def matrix(self, data: Array) -> Any:
        """Return SciPy's array with these elements."""
        if self.format == "coo":
            return scipy.sparse.coo_array((data, self.places), shape=self.shape)
        kind = scipy.sparse.csr_array if self.format == "csr" else scipy.sparse.csc_array
        return kind((data, *self.places), shape=self.shape)

    @functools.cached_property
    def coordinates(self) -> tuple[Any, Any]:
        """The row and the column of each element."""
        if self.format == "coo":
            return self.places
        indices, starts = self.places
        across = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        return (across, indices) if self.format == "csr" else (indices, across)

    @functools.cached_property
    def T(self) -> Pattern:
        """The pattern of the transpose, with the data in the same order."""
        places = self.places[::-1] if self.format == "coo" else self.places
        return Pattern(_TRANSPOSED[self.format], places, self.shape[::-1])


# A x = sum_k d_k e_(i_k) x_(j_k), which is linear in d and in x; its transposes take the elements of t x^T.


@multilinear(
    lambda t, x, pattern: sampled(t, x, pattern=pattern),
    lambda t, data, pattern: product(data, t, pattern=pattern.T),
    name="sparse.product",
)
def product(data: Array, x: Array, *, pattern: Pattern) -> Array:
    """Compute the product with a vector or a matrix."""
    return np.asarray(pattern.matrix(data) @ x)


@multilinear(
    lambda t, x, pattern: product(t, x, pattern=pattern),
    lambda t, y, pattern: product(t, y, pattern=pattern.T),
    name="sparse.sampled",
)
def sampled(y: Array, x: Array, *, pattern: Pattern) -> Array:
    """Compute the elements of y x^T at the places of a pattern, of vectors or of matrices of columns."""
    rows, columns = pattern.coordinates
    if y.ndim == 1:
        return y[rows] * x[columns]
    return np.einsum("ij,ij->i", y[rows], x[columns])


@general(
    name="sparse.solution",
    pullbacks=[
        lambda t, data, out, pattern: -sampled(solution(data, t, pattern=pattern.T), out, pattern=pattern),
        lambda t, data, pattern: solution(data, t, pattern=pattern.T),
    ],
    pushforwards=[
        lambda t, data, out, pattern: -solution(data, product(t, out, pattern=pattern), pattern=pattern),
        lambda t, data, pattern: solution(data, t, pattern=pattern),
    ],
)
def solution(data: Array, b: Array, *, pattern: Pattern) -> Array:
    """Compute A^-1 b by a sparse factorization."""
    kind = np.result_type(data, b, np.float64)
    matrix = pattern.matrix(data.astype(kind)).tocsc()
    try:
        found = scipy.sparse.linalg.splu(matrix).solve(b.astype(kind))
    except RuntimeError as error:
        if "singular" in str(error):
            raise LinAlgError(
                f"sparse.linalg.spsolve: A must be regular; got a matrix that is not: {error}."
            ) from error
        raise
    return np.asarray(found, np.result_type(data, b))


def summed(data: Array, pattern: Pattern, axis: int) -> Array:
    """Return the sums of the rows, or of the columns."""
    of = pattern if axis == 1 else pattern.T
    return product(data, np.ones(of.shape[1], data.dtype), pattern=of)


@linear(lambda t, pattern: gathered(t, pattern=pattern), name="sparse.dense")
def dense(data: Array, *, pattern: Pattern) -> Array:
    """Return the matrix as an array; elements at one place add up."""
    return np.asarray(pattern.matrix(data).toarray())


@linear(lambda t, pattern: dense(t, pattern=pattern), name="sparse.gathered")
def gathered(a: Array, *, pattern: Pattern) -> Array:
    """Take the elements of a dense matrix at the places of a pattern."""
    return np.asarray(a[pattern.coordinates])
