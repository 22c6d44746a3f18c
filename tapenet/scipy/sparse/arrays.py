"""Sparse arrays whose elements are on a tape: a fixed pattern, and data that derivatives are taken by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import scipy.sparse

import tapenet.numpy as tnp
from tapenet.core.foreign import is_sparse
from tapenet.core.primitive import Array
from tapenet.core.pytrees import static_field, tree_leaves
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.operators.operator import LinearOperator
from tapenet.operators.spaces import Space
from tapenet.scipy.sparse.patterns import Pattern, dense, product, summed


@attrs.frozen(eq=False, repr=False)
class SparseArray(LinearOperator):
    """A sparse matrix with a fixed pattern; a pytree of its data, and an operator for `tn.operators` too.

    It has of SciPy's sparse arrays what is differentiable: `@`, `.T`, `data`, arithmetic with numbers, sums,
    differences and products of sparse arrays, `toarray`, `diagonal` and `sum`. One that `csr_matrix` and its like make
    has their `*`, the product of matrices.
    """

    data: Array
    pattern: Pattern = static_field()
    is_matrix: bool = static_field(default=False)

    # ---- as an operator ----

    @property
    def domain(self) -> Space:
        return Space.of(np.zeros(self.pattern.shape[1], self.data.dtype))

    @property
    def codomain(self) -> Space:
        return Space.of(np.zeros(self.pattern.shape[0], self.data.dtype))

    def matvec(self, v: Array) -> Array:
        return product(self.data, v, pattern=self.pattern)

    def rmatvec(self, u: Array) -> Array:
        return product(self.data, u, pattern=self.pattern.T)

    @property
    def T(self) -> SparseArray:
        """The transpose, which shares the data."""
        return attrs.evolve(self, pattern=self.pattern.T)

    # ---- as SciPy's ----

    @property
    def format(self) -> str:
        """The name of the format."""
        return self.pattern.format

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 2

    @property
    def nnz(self) -> int:
        """The number of elements that are stored."""
        return int(self.data.shape[0])

    @property
    def indices(self) -> Array:
        """The columns of a "csr" array's elements, or the rows of a "csc" array's."""
        return self._places("indices", 0)

    @property
    def indptr(self) -> Array:
        """Where each row of a "csr" array begins, or each column of a "csc" array."""
        return self._places("indptr", 1)

    @property
    def coords(self) -> tuple[Array, Array]:
        """The rows and the columns of the elements."""
        return self.pattern.coordinates

    def _places(self, name: str, index: int) -> Array:
        if self.format == "coo":
            raise ArgumentError(f"sparse.coo_array.{name}: a coo array has none. Read coords.")
        return self.pattern.places[index]

    def __matmul__(self, x: Any) -> Any:
        if isinstance(x, SparseArray) or is_sparse(type(x)):
            return self._times(as_sparse("sparse arrays", x))
        x = tnp.asarray(x)
        if x.ndim not in (1, 2) or x.shape[0] != self.shape[1]:
            raise ArgumentError(
                f"sparse array @ x: x must have shape ({self.shape[1]},) or ({self.shape[1]}, k); got {x.shape}."
            )
        return product(self.data, x, pattern=self.pattern)

    def _times(self, other: SparseArray) -> SparseArray:
        """Return the product with another sparse array: its pattern, and the sums of products of elements."""
        if self.shape[1] != other.shape[0]:
            raise ArgumentError(f"sparse array @ B: B must have {self.shape[1]} rows; got shape {other.shape}.")
        rows, columns = self.pattern.coordinates
        other = other.tocsr()
        indices, begins = other.pattern.places[:2]
        counts = begins[columns + 1] - begins[columns]
        mine = np.repeat(np.arange(len(columns)), counts)
        theirs = np.repeat(begins[columns] - np.cumsum(counts) + counts, counts) + np.arange(len(mine))
        products = tnp.take(self.data, mine, 0) * tnp.take(other.data, theirs, 0)
        found = collected(products, rows[mine], indices[theirs], (self.shape[0], other.shape[1]))
        return attrs.evolve(found, is_matrix=self.is_matrix or other.is_matrix)

    def __rmatmul__(self, x: Any) -> Any:
        if is_sparse(type(x)):
            return as_sparse("sparse arrays", x) @ self
        x = tnp.asarray(x)
        return self.T @ x if x.ndim == 1 else (self.T @ x.T).T

    def dot(self, x: Any) -> Any:
        """Multiply by a vector or a dense matrix."""
        return self @ x

    def __mul__(self, factor: Any) -> Any:
        if self.is_matrix and (np.ndim(factor) or isinstance(factor, SparseArray) or is_sparse(type(factor))):
            return self @ factor
        if np.ndim(factor):
            raise ArgumentError(
                f"sparse array * x: x must be a number on a tape; got shape {np.shape(factor)}. Multiply its data, or "
                "write A @ x for the matrix product."
            )
        return attrs.evolve(self, data=self.data * factor)

    def __rmul__(self, factor: Any) -> Any:
        if self.is_matrix and (np.ndim(factor) or is_sparse(type(factor))):
            return factor @ self
        return self * factor

    def __truediv__(self, factor: Any) -> Any:
        return self * (1 / factor)

    def __neg__(self) -> SparseArray:
        return attrs.evolve(self, data=-self.data)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, SparseArray) or is_sparse(type(other)):
            return self._plus(as_sparse("sparse arrays", other))
        return self.toarray() + other

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def _plus(self, other: SparseArray) -> SparseArray:
        """Return the sum with another sparse array, of the same pattern or of another one."""
        if self.shape != other.shape:
            raise ArgumentError(f"sparse arrays: a sum must be of one shape; got {self.shape} and {other.shape}.")
        if other.format == self.format:
            pairs = [*zip(self.pattern.places, other.pattern.places, strict=True)]
            if all(np.array_equal(one, another) for one, another in pairs):
                return attrs.evolve(self, data=self.data + other.data)
        both = zip(self.pattern.coordinates, other.pattern.coordinates, strict=True)
        rows, columns = (np.concatenate(places) for places in both)
        found = collected(tnp.concatenate([self.data, other.data]), rows, columns, self.shape)
        return attrs.evolve(found, is_matrix=self.is_matrix)

    def toarray(self) -> Array:
        """Return the dense matrix; elements at one place add up."""
        return dense(self.data, pattern=self.pattern)

    todense = toarray
    to_dense = toarray

    def diagonal(self) -> Array:
        """Return the main diagonal."""
        rows, columns = self.pattern.coordinates
        places = np.flatnonzero(rows == columns)
        column = Pattern("coo", (rows[places], np.zeros(len(places), int)), (min(self.shape), 1))
        return product(tnp.take(self.data, places, 0), np.ones(1, self.data.dtype), pattern=column)

    def sum(self, axis: int | None = None) -> Array:
        """Return the sum of all elements, of each column (axis 0) or of each row (axis 1)."""
        return tnp.sum(self.data) if axis is None else summed(self.data, self.pattern, axis % 2)

    def asformat(self, format: str | None) -> SparseArray:
        """Return the array in another format, with its data in the order of that."""
        if format in (None, self.format):
            return self
        numbered = self.pattern.matrix(np.arange(1.0, self.nnz + 1)).asformat(format)
        order = numbered.data.astype(int) - 1
        if len(order) != self.nnz:  # several elements at one place add up, as in SciPy
            found = collected(self.data, *self.pattern.coordinates, self.shape)
            return attrs.evolve(found, is_matrix=self.is_matrix).asformat(format)
        return attrs.evolve(self, data=tnp.take(self.data, order, 0), pattern=Pattern.of(numbered))

    def tocsr(self) -> SparseArray:
        """Return the array by rows."""
        return self.asformat("csr")

    def tocsc(self) -> SparseArray:
        """Return the array by columns."""
        return self.asformat("csc")

    def tocoo(self) -> SparseArray:
        """Return the array as places and elements."""
        return self.asformat("coo")


def collected(data: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> SparseArray:
    """Return a "csr" array of elements at places, of which those at one place add up."""
    places, which = np.unique(rows.astype(np.int64) * shape[1] + columns, return_inverse=True)
    sums = Pattern("coo", (which.ravel(), np.arange(len(which.ravel()))), (len(places), which.size))
    added = product(np.ones(which.size, data.dtype), data, pattern=sums)
    return SparseArray(added, Pattern("coo", (places // shape[1], places % shape[1]), shape)).asformat("csr")


def as_sparse(name: str, a: Any) -> SparseArray:
    """Return a sparse matrix of SciPy's, or a dense matrix, as a sparse array of this module's."""
    if isinstance(a, SparseArray):
        return a
    if is_sparse(type(a)):
        matrix = a if a.format in ("csr", "csc", "coo") else a.tocsr()
        return SparseArray(matrix.data, Pattern.of(matrix))
    a = tnp.asarray(a)
    if a.ndim != 2:
        raise ArgumentError(f"{name}: A must be a matrix; got shape {a.shape}.")
    rows, columns = np.indices(a.shape).reshape(2, -1)
    return SparseArray(tnp.ravel(a), Pattern("coo", (rows, columns), a.shape))


def on_tape(*values: Any) -> bool:
    """Return whether there is a Tensor or a `SparseArray`, which SciPy does not know, among values or in them."""
    return any(map(_is_ours, values))


def _is_ours(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_is_ours, x))
    return isinstance(x, SparseArray) or any(type(leaf) is Tensor for leaf in tree_leaves(x))


def constructor(format: str, kind: str = "array") -> Callable[..., Any]:
    """Return the function that makes sparse arrays of a format: SciPy's, or where data are Tensors this module's."""
    name = f"{format}_{kind}"
    theirs = getattr(scipy.sparse, name)

    def make(arg1: Any, shape: Any = None, dtype: Any = None, copy: bool = False) -> Any:
        if isinstance(arg1, SparseArray):
            return _of_kind(arg1.asformat(format))
        if not on_tape(arg1):
            return theirs(arg1, shape=shape, dtype=dtype, copy=copy)
        if type(arg1) is Tensor:
            return _of_kind(as_sparse(f"sparse.{name}", arg1).asformat(format))
        data, *places = arg1
        data = tnp.asarray(data) if dtype is None else tnp.asarray(data).astype(dtype)
        if data.dtype.kind not in "fc" or data.ndim != 1:
            raise ArgumentTypeError(
                f"sparse.{name}: data must be a vector of floats or complex numbers; got shape {data.shape}, "
                f"{data.dtype}."
            )
        if len(places) == 2 and format != "coo":
            given, make_model = (data, *places), theirs
        else:
            given, make_model = (data, tuple(places[0])), scipy.sparse.coo_array
        try:
            model = make_model((np.zeros(data.shape[0]), *given[1:]), shape=shape)
            if format != "coo" and len(places) == 2:
                model.check_format(full_check=True)
        except ValueError as error:
            raise ArgumentError(f"sparse.{name}: {error}.") from error
        return _of_kind(SparseArray(data, Pattern.of(model)).asformat(format))

    def _of_kind(made: SparseArray) -> SparseArray:
        return attrs.evolve(made, is_matrix=kind == "matrix")

    make.__name__ = make.__qualname__ = name
    make.__module__ = "tapenet.scipy.sparse"
    beside = "; `*` is the product of matrices" if kind == "matrix" else ""
    make.__doc__ = (
        f"Make a sparse {kind} in the format {format!r}.\n\nDerivative: by the data, which stay where they are; on a "
        f"tape a `SparseArray`{beside}.\n\nParameters are those of scipy.sparse.{name}."
    )
    return make
