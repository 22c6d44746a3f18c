"""Vector spaces of values: what arrays and containers of the same kind have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import ArgumentTypeError


class VSpace:
    """The space of values like one that is given; a type of users' own makes one by `register`."""

    __slots__ = ("__dict__",)
    mappings: ClassVar[dict[type, Callable[[Any], Any]]] = {}
    iscomplex = False

    def __init__(self, value: Any) -> None:
        pass

    def zeros(self) -> Any:
        """Return the zero of the space."""
        raise NotImplementedError

    def ones(self) -> Any:
        """Return the value of ones, 1 + 1j where it is complex."""
        raise NotImplementedError

    def standard_basis(self) -> Iterator[Any]:
        """Return the vectors of the standard basis, one after the other."""
        raise NotImplementedError

    def randn(self) -> Any:
        """Draw a value from a normal distribution, by NumPy's global generator."""
        raise NotImplementedError

    def add(self, x_prev: Any, x_new: Any) -> Any:
        """Return the sum."""
        return self._add(x_prev, x_new)

    def mut_add(self, x_prev: Any, x_new: Any) -> Any:
        """Return the sum; the first may be None, and may be written to."""
        return self._mut_add(self.zeros() if x_prev is None else x_prev, x_new)

    def scalar_mul(self, x: Any, a: Any) -> Any:
        """Return x times a number."""
        return self._scalar_mul(x, a)

    def inner_prod(self, x: Any, y: Any) -> Any:
        """Return the inner product, which is real."""
        return self._inner_prod(x, y)

    def covector(self, x: Any) -> Any:
        """Return the complex conjugate."""
        return self._covector(x)

    def _add(self, x: Any, y: Any) -> Any:
        return x + y

    def _mut_add(self, x: Any, y: Any) -> Any:
        return self._add(x, y)

    def _scalar_mul(self, x: Any, a: Any) -> Any:
        return x * a

    def _inner_prod(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def _covector(self, x: Any) -> Any:
        return x

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}_{self.__dict__}"

    @classmethod
    def register(cls, value_type: type, vspace_maker: Callable[[Any], Any] | None = None) -> None:
        """Make `vspace` of a type's values this class, or what the maker returns."""
        VSpace.mappings[value_type] = vspace_maker or cls


class ArrayVSpace(VSpace):
    """Real arrays of one shape and dtype."""

    def __init__(self, value: Any) -> None:
        value = value if hasattr(value, "dtype") else np.asarray(value)
        self.shape, self.dtype = value.shape, value.dtype

    @property
    def size(self) -> int:
        """The number of real dimensions."""
        return int(np.prod(self.shape, dtype=int)) * (2 if self.iscomplex else 1)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def zeros(self) -> Any:
        return np.zeros(self.shape, self.dtype)

    def ones(self) -> Any:
        return np.full(self.shape, self._units[-1] + (1 if self.iscomplex else 0), self.dtype)

    def standard_basis(self) -> Iterator[Any]:
        for index in np.ndindex(*self.shape):
            for unit in self._units:
                x = self.zeros()
                x[index] = unit
                yield x

    def randn(self) -> Any:
        parts = [np.random.standard_normal(self.shape) * unit for unit in self._units]  # noqa: NPY002  as autograd
        return np.asarray(sum(parts)).astype(self.dtype)

    @property
    def _units(self) -> tuple[complex, ...]:
        return (1.0,)

    def _inner_prod(self, x: Any, y: Any) -> Any:
        return tnp.real(tnp.sum(tnp.conj(x) * y))


class ComplexArrayVSpace(ArrayVSpace):
    """Complex arrays of one shape and dtype, as a space over the real numbers."""

    iscomplex = True

    @property
    def _units(self) -> tuple[complex, ...]:
        return (1.0, 1.0j)

    def _covector(self, x: Any) -> Any:
        return tnp.conj(x)


class ContainerVSpace(VSpace):
    """Containers of one structure: nested lists, tuples, dicts, named tuples, dataclasses and attrs classes.

    `shape` is the container, with the space of each leaf.
    """

    def __init__(self, value: Any) -> None:
        self.shape = tn.tree.map(vspace, value)

    @property
    def size(self) -> int:
        """The number of real dimensions."""
        return sum(space.size for space in self._spaces())

    def _spaces(self) -> list[Any]:
        return tn.tree.leaves(self.shape)

    def _map(self, function: Callable[..., Any], *values: Any) -> Any:
        return tn.tree.map(function, self.shape, *values)

    def zeros(self) -> Any:
        return self._map(lambda space: space.zeros())

    def ones(self) -> Any:
        return self._map(lambda space: space.ones())

    def randn(self) -> Any:
        return self._map(lambda space: space.randn())

    def standard_basis(self) -> Iterator[Any]:
        for path, space in zip(tn.tree.paths(self.shape), self._spaces(), strict=True):
            for x in space.standard_basis():
                yield tn.tree.replace(self.zeros(), path, x)

    def _add(self, x: Any, y: Any) -> Any:
        return self._map(lambda space, a, b: space.add(a, b), x, y)

    def _scalar_mul(self, x: Any, a: Any) -> Any:
        return self._map(lambda space, b: space.scalar_mul(b, a), x)

    def _inner_prod(self, x: Any, y: Any) -> Any:
        return sum(tn.tree.leaves(self._map(lambda space, a, b: space.inner_prod(a, b), x, y)))

    def _covector(self, x: Any) -> Any:
        return self._map(lambda space, a: space.covector(a), x)


class SparseObject:
    """A cotangent that is added to another by a function of its own.

    Attributes:
        vs: its space.
        mut_add: takes an array of the space, which it may write to, and returns the sum.
    """

    __slots__ = ("mut_add", "vs")

    def __init__(self, vs: Any, mut_add: Callable[[Any], Any]) -> None:
        self.vs, self.mut_add = vs, mut_add


def vspace(value: Any) -> Any:
    """Return the space of a value; of a box, that of its plain value.

    Raises:
        ArgumentTypeError: a value that is not an array, a float or complex number, or a container of these.
    """
    # A Tensor's value is not read: a replay would guard it.
    maker = VSpace.mappings.get(np.ndarray if type(value) is tn.Tensor else type(value))
    if maker is not None:
        return maker(value)
    if isinstance(value, tuple | list | dict) or tn.tree.leaves(value) != [value]:
        return ContainerVSpace(value)
    raise ArgumentTypeError(
        f"vspace: value must be an array, a float or complex number, or a container of these; got {value!r} of type "
        f"{type(value).__name__}."
    )


def _array_space(value: Any) -> ArrayVSpace:
    is_complex = value.dtype.kind == "c" if hasattr(value, "dtype") else isinstance(value, complex)
    return ComplexArrayVSpace(value) if is_complex else ArrayVSpace(value)


for _kind in (float, np.float16, np.float32, np.float64, np.longdouble, complex, np.complex64, np.complex128):
    VSpace.register(_kind, _array_space)
VSpace.register(np.clongdouble, _array_space)
VSpace.register(np.ndarray, _array_space)
VSpace.register(SparseObject, lambda x: x.vs)
