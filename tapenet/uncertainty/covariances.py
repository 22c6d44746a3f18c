"""Covariances of pytrees, as users give and get them, as blocks: one for each two leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import described, dtype_of, plain_leaf
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_unflatten
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError

# How far the two halves of a covariance may be apart, relative to the product of the standard deviations: what
# computed inverses leave, such as the pcov of scipy.optimize.curve_fit.
_ASYMMETRY = 1e-4
_MOST_CHECKED = 300  # elements of a matrix whose eigenvalues are looked at, which takes some ten milliseconds


@attrs.frozen(eq=False)
class Covariance:
    """What is known of the errors of the leaves of a pytree.

    Attributes:
        shapes: of the leaves.
        blocks: by the places of two leaves; of shape (*shape, *other shape). The block of a leaf with itself has the
            leaf's shape where its elements are independent: their variances. Where there is not a block it is zero.
    """

    shapes: tuple[tuple[int, ...], ...]
    blocks: Mapping[tuple[int, int], Array]

    @property
    def is_independent(self) -> bool:
        """Whether all elements of all leaves are independent."""
        return all(i == j and np.shape(block) == self.shapes[i] for (i, j), block in self.blocks.items())

    def is_diagonal(self, i: int, j: int) -> bool:
        """Return whether a block consists of variances."""
        return i == j and np.shape(self.blocks[i, j]) == self.shapes[i]

    def sizes(self) -> list[int]:
        """Return the number of elements of each leaf."""
        return [math.prod(shape) for shape in self.shapes]

    def matrices(self) -> Iterator[tuple[int, int, Array, bool]]:
        """Give for each block its places, and its matrix, or True and the vector of its variances."""
        sizes = self.sizes()
        for (i, j), block in self.blocks.items():
            is_diagonal = self.is_diagonal(i, j)
            yield i, j, np.reshape(block, (sizes[i],) if is_diagonal else (sizes[i], sizes[j])), is_diagonal


def as_covariance(function: str, covariance: Tree, name: str, mean: Tree) -> Covariance:
    """Read a covariance in any of its forms.

    Args:
        function: for errors.
        name: of `mean`, for errors.
        covariance: for each leaf of `mean` variances, of the leaf's shape or one number, or a covariance, of the
            leaf's shape twice; a pytree of the structure of `mean` in place of each leaf, of covariances of two
            leaves; or one matrix of all elements, in the order of the leaves.
        mean: a pytree of real arrays.
    """
    leaves, spec = tree_flatten(mean)
    given, own = tree_flatten(covariance)
    shapes = tuple(np.shape(leaf) for leaf in leaves)
    count = len(leaves)
    if own == spec:
        paths = leaf_paths(covariance, "covariance")
        if count == 1 and _is_matrix(given[0], shapes) and np.shape(given[0]) != 2 * shapes[0]:
            return _of_matrix(function, given[0], leaves, shapes)
        blocks = {(i, i): _block_of_leaf(function, paths[i], x, leaf) for i, (x, leaf) in enumerate(zip(given, leaves))}
        return Covariance(shapes, blocks)
    if own == tree_flatten(tree_unflatten(spec, [mean] * count))[1]:
        paths = leaf_paths(covariance, "covariance")
        places = [(i, j) for i in range(count) for j in range(count)]
        pairs = {
            place: _block(function, path, x, (*shapes[place[0]], *shapes[place[1]]), dtype_of(leaves[place[0]]))
            for place, path, x in zip(places, paths, given)
        }
        for i, path in zip(range(count), paths[:: count + 1]):
            _check_symmetric(function, path, pairs[i, i], shapes[i])
        _check_together(function, pairs, shapes)
        return Covariance(shapes, pairs)
    if len(given) == 1 and _is_matrix(given[0], shapes):
        return _of_matrix(function, given[0], leaves, shapes)
    size = sum(map(math.prod, shapes))
    got = described(covariance) if len(given) == 1 and given[0] is covariance else str(own)
    raise ArgumentError(
        f"{function}: covariance must have the structure of {name}, {spec}, that twice, or be one matrix of shape "
        f"({size}, {size}); got {got}. Write np.asarray(covariance) for a matrix in lists."
    )


def _is_matrix(x: Any, shapes: Sequence[tuple[int, ...]]) -> bool:
    size = sum(map(math.prod, shapes))
    return np.shape(x) == (size, size) if hasattr(x, "shape") else False


def _of_matrix(function: str, matrix: Array, leaves: Sequence[Any], shapes: tuple[tuple[int, ...], ...]) -> Covariance:
    """Return a matrix of all elements in blocks."""
    dtype = np.result_type(*(dtype_of(leaf) for leaf in leaves))
    matrix = _block(function, "covariance", matrix, np.shape(matrix), dtype)
    _check_symmetric(function, "covariance", matrix, np.shape(matrix)[:1])
    stops = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    spans = [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]
    blocks = {
        (i, j): np.reshape(matrix[a, b], (*shapes[i], *shapes[j]))
        for i, a in enumerate(spans)
        for j, b in enumerate(spans)
    }
    return Covariance(shapes, blocks)


def _block_of_leaf(function: str, path: str, x: Any, leaf: Any) -> Array:
    """Return the covariance of a leaf with itself; variances where its elements are independent."""
    shape = np.shape(leaf)
    came = np.shape(x) if hasattr(x, "shape") or not isinstance(x, list | tuple) else None
    if came == () and shape:
        return np.broadcast_to(_variances(function, path, x, (), dtype_of(leaf)), shape)
    if came == shape:
        return _variances(function, path, x, shape, dtype_of(leaf))
    if came != (*shape, *shape):
        raise ArgumentError(
            f"{function}: {path} must have shape {shape}, for variances, or {(*shape, *shape)}; got {came}."
        )
    block = _block(function, path, x, came, dtype_of(leaf))
    _check_symmetric(function, path, block, shape)
    return block


def _variances(function: str, path: str, x: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    block = _block(function, path, x, shape, dtype)
    _check_least(function, path, block)
    return block


def _block(function: str, path: str, x: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a part of a covariance, checked for its shape, as an array of a dtype."""
    x = plain_leaf(function, lambda: path, x)
    own = dtype_of(x)
    if own is None or own.kind not in "iuf":
        raise ArgumentTypeError(f"{function}: {path} must be real; got {described(x)}.")
    if np.shape(x) != shape:
        raise ArgumentError(f"{function}: {path} must have shape {shape}; got {np.shape(x)}.")
    return x.astype(dtype) if hasattr(x, "astype") else np.asarray(x, dtype)[()]


def _check_least(function: str, path: str, variances: Array) -> None:
    """Raise for a negative variance, or NaN; values on a tape and mapped ones are not looked at."""
    if type(variances) is not Tensor and not np.all(np.asarray(variances) >= 0):
        least = np.asarray(variances).min(initial=math.inf)
        raise ArgumentError(f"{function}: {path} must hold variances of at least 0; got {least}.")


def _check_together(function: str, pairs: Mapping[tuple[int, int], Array], shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise where the covariances of pairs of leaves are not a covariance of all elements."""
    sizes = [math.prod(shape) for shape in shapes]
    if not sum(sizes) or any(type(block) is Tensor for block in pairs.values()):
        return
    whole = np.block([[np.reshape(pairs[i, j], (n, m)) for j, m in enumerate(sizes)] for i, n in enumerate(sizes)])
    _check_symmetric(function, "covariance", whole, (sum(sizes),))


def _check_symmetric(function: str, path: str, block: Array, shape: tuple[int, ...]) -> None:
    if type(block) is Tensor:
        return
    size = math.prod(shape)
    matrix = np.reshape(block, (size, size))
    _check_least(function, path, np.diagonal(matrix))
    deviations = np.sqrt(np.diagonal(matrix))
    bound = _ASYMMETRY * deviations[:, None] * deviations
    wrong = np.abs(matrix - matrix.T) > bound
    if wrong.any() or np.isnan(matrix).any():
        i, j = (int(place) for place in np.argwhere(wrong | np.isnan(matrix))[0])
        raise ArgumentError(
            f"{function}: {path} must be symmetric; got {matrix[i, j]} at {i, j} and {matrix[j, i]} at {j, i}."
        )
    if np.any(np.abs(matrix) > (1 + _ASYMMETRY) * deviations[:, None] * deviations):
        raise ArgumentError(
            f"{function}: {path} must hold covariances of at most the product of the standard deviations; got "
            "larger ones. Variances, not standard deviations, stand on the diagonal."
        )
    if 1 < size <= _MOST_CHECKED:
        least, *_, largest = np.linalg.eigvalsh(np.asarray(matrix, float))
        if least < -_ASYMMETRY * largest:
            raise ArgumentError(
                f"{function}: {path} must be positive semidefinite; got an eigenvalue of {least:.3g}, of at most "
                f"{largest:.3g}."
            )
