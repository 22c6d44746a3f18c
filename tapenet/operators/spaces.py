"""How a pytree of arrays lies in one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.leaf_checks import check_differentiable, dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, TreeSpec, tree_flatten, tree_unflatten


@attrs.frozen
class Space:
    """The pytrees of one structure, as vectors.

    Attributes:
        spec: of the pytrees.
        shapes, dtypes: of their leaves.
    """

    spec: TreeSpec
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]

    @classmethod
    def of(cls, tree: Tree) -> Space:
        """Read structure, shapes and dtypes of a pytree of arrays."""
        leaves, spec = tree_flatten(tree)
        return cls(spec, tuple(np.shape(x) for x in leaves), tuple(np.dtype(dtype_of(x)) for x in leaves))

    @classmethod
    def checked(cls, function: str, name: str, tree: Tree) -> Space:
        """Read a pytree that a user gave, of floats or complex numbers."""
        check_differentiable(function, name, tree, tree_flatten(tree)[0])
        return cls.of(tree)

    @property
    def sizes(self) -> list[int]:
        """The number of elements of each leaf."""
        return [math.prod(shape) for shape in self.shapes]

    @property
    def size(self) -> int:
        """The number of elements of all leaves."""
        return sum(self.sizes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of vectors."""
        return np.result_type(*self.dtypes) if self.dtypes else np.dtype(float)

    @property
    def is_vector(self) -> bool:
        """Whether its pytrees are vectors."""
        return self.spec.num_nodes == 1 and len(self.shapes) == 1 and len(self.shapes[0]) == 1

    def holds(self, tree: Tree) -> bool:
        """Return whether a pytree has the structure and shapes of this space."""
        leaves, spec = tree_flatten(tree)
        return spec == self.spec and tuple(np.shape(x) for x in leaves) == self.shapes

    def vector(self, leaves: Sequence[Array]) -> Array:
        """Lay leaves out in a row."""
        if not leaves:
            return np.zeros(0)
        parts = [np.reshape(x if hasattr(x, "dtype") else np.asarray(x), (-1,)) for x in leaves]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return whole if whole.dtype == self.dtype else whole.astype(self.dtype)

    def leaves(self, vector: Array) -> list[Array]:
        """Return the leaves of a vector."""
        found, start = [], 0
        for shape, size, dtype in zip(self.shapes, self.sizes, self.dtypes, strict=True):
            part = np.reshape(vector[start : start + size], shape)[()]
            found.append(_cast(part, dtype))
            start += size
        return found

    def tree(self, vector: Array) -> Tree:
        """Return the pytree of a vector."""
        return tree_unflatten(self.spec, self.leaves(vector))


def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    if x.dtype == dtype:
        return x
    return (x.real if x.dtype.kind == "c" and dtype.kind == "f" else x).astype(dtype)
