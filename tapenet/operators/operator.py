"""`LinearOperator`, a matrix that is known by its products, and `linear_operator`, which makes one of a derivative."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_choice, checked_function
from tapenet.core.leaf_checks import check_scalar, described
from tapenet.core.packages import import_package
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, static_field, tree_flatten, tree_leaves
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingRuleError
from tapenet.operators.spaces import Space
from tapenet.transforms.gradient import grad
from tapenet.transforms.mapping import vmap
from tapenet.transforms.recording import Recording, run_recorded

Kind = Literal["jacobian", "hessian"]


class LinearOperator(abc.ABC):
    """A linear map between pytrees, known by its products: `A @ v`, `A.T @ u`. Made by `linear_operator`.

    It is a pytree of what the map depends on, and a value: nothing changes it. `@` takes a pytree of the structure that
    the operator maps from, and gives one of the structure that it maps to; a vector of all elements, in the order of
    the leaves; or a matrix of such vectors as columns. `u @ A` is `A.T @ u`.
    """

    __array_ufunc__ = None  # so that an array on the left leaves the product to the operator

    # ---- abstract ----

    @property
    @abc.abstractmethod
    def domain(self) -> Space:
        """The pytrees that it maps from."""

    @property
    @abc.abstractmethod
    def codomain(self) -> Space:
        """The pytrees that it maps to."""

    @abc.abstractmethod
    def matvec(self, v: Array) -> Array:
        """Return the product with a vector."""

    @abc.abstractmethod
    def rmatvec(self, u: Array) -> Array:
        """Return the product of the transpose, without conjugation, with a vector."""

    @property
    def is_symmetric(self) -> bool:
        """Whether it is its own transpose, by the way it was made."""
        return False

    # ---- as a matrix ----

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of elements of what it maps to and from."""
        return self.codomain.size, self.domain.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of its products with vectors of the dtype that it maps from."""
        return np.result_type(self.domain.dtype, self.codomain.dtype)

    @property
    def T(self) -> LinearOperator:
        """The transpose."""
        return self if self.is_symmetric else Transposed(self)

    @property
    def H(self) -> LinearOperator:
        """The conjugate transpose."""
        return self.T if self.dtype.kind == "f" else Conjugated(self.T)

    def __matmul__(self, v: Tree) -> Tree:
        space = self.domain
        if type(v) in (np.ndarray, Tensor) and not space.holds(v):
            if v.ndim == 1 and v.size == space.size:
                return self.matvec(v)
            if v.ndim == 2 and len(v) == space.size:
                return vmap(self.matvec, 1, 1)(v)
        if not space.holds(v):
            raise ArgumentError(
                f"operator @ v: v must have the structure and shapes of {list(space.shapes)}, or be a vector of "
                f"{space.size} elements or a matrix of such columns; got {_came(v)}."
            )
        return self.codomain.tree(self.matvec(space.vector(tree_leaves(v))))

    def __rmatmul__(self, u: Tree) -> Tree:
        if getattr(u, "ndim", 0) == 2:
            return (self.T @ u.T).T
        return self.T @ u

    def to_dense(self) -> Array:
        """Return the matrix, by a product with each unit vector, of the operator or of its transpose."""
        rows, columns = self.shape
        if 2 * rows < columns:
            return _dense(self.rmatvec, rows, columns, self.codomain.dtype)
        return _dense(self.matvec, columns, rows, self.domain.dtype).T

    def to_scipy(self) -> Any:
        """Return a `scipy.sparse.linalg.LinearOperator` of its products with plain vectors.

        Raises:
            MissingPackageError: SciPy is not installed.
            ArgumentTypeError: an operator that depends on a Tensor of an open tape.
        """
        linalg = import_package("scipy.sparse.linalg", "LinearOperator.to_scipy", "scipy")
        products = [_plain(product) for product in (self.matvec, self.H.matvec)]
        return linalg.LinearOperator(self.shape, products[0], rmatvec=products[1], dtype=self.dtype)

    def shifted(self, shift: Any) -> LinearOperator:
        """Return the operator plus `shift` times the identity.

        Raises:
            ArgumentError: an operator that is not square.
        """
        if self.shape[0] != self.shape[1]:
            raise ArgumentError(f"shifted: the operator must be square; got shape {self.shape}.")
        return Shifted(self, shift)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of shape {self.shape}, {self.dtype}>"


def _dense(product: Callable[[Array], Array], count: int, length: int, dtype: Any) -> Array:
    """Return the products with all unit vectors as rows, some at a time, as a walk holds what it computes for each."""
    step = max(1, _AT_ONCE // max(count, length, 1))
    units = np.eye(count, dtype=dtype)
    chunks = [vmap(product)(units[start : start + step]) for start in range(0, max(count, 1), step) if count]
    return np.concatenate(chunks) if chunks else np.zeros((0, length), dtype)


_AT_ONCE = 2_000_000  # elements that each value in a walk has, about


def _came(v: Any) -> str:
    leaves, spec = tree_flatten(v)
    return described(v) if len(leaves) == 1 and leaves[0] is v else f"{spec} of {[np.shape(x) for x in leaves]}"


def _plain(product: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def plain(v: Array) -> Array:
        found = product(np.reshape(v, (-1,)))
        if type(found) is Tensor:
            raise ArgumentTypeError(
                "LinearOperator.to_scipy: the operator must not depend on a Tensor of an open tape; got one that does. "
                "Take tn.operators.cg and the others, or tn.stop_gradient of what it was made of."
            )
        return np.asarray(found)

    return plain


# ---- derivatives ----


@attrs.frozen(eq=False, repr=False, slots=False)
class Derivative(LinearOperator):
    """The Jacobian of a function, or the Hessian as the Jacobian of its gradient; see `linear_operator`."""

    x: Tree
    args: tuple[Any, ...]
    f: Callable[..., Any] = static_field()
    kind: Kind = static_field()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "kept"}  # a recording is made again

    @property
    def recording(self) -> Recording:
        """The one run of the function, which all products share."""
        kept: Recording | None = self.__dict__.get("kept")
        if kept is None:
            function = grad(_scalar(self.f)) if self.kind == "hessian" else self.f
            kept = run_recorded("linear_operator", lambda x: function(x, *self.args), (self.x,), {}, (0,), False)
            self.__dict__["kept"] = kept
        return kept

    @property
    def domain(self) -> Space:
        return Space.of(self.x)

    @property
    def codomain(self) -> Space:
        return self.domain if self.kind == "hessian" else Space.of(self.recording.y)

    @property
    def is_symmetric(self) -> bool:
        return self.kind == "hessian"

    def matvec(self, v: Array) -> Array:
        try:
            pushed = self.recording.jvp(self.domain.leaves(v))
        except MissingRuleError:  # of a function with a rule for reverse mode alone
            if self.kind != "hessian":
                raise
            return self._pulled(v)
        return self.codomain.vector(tree_leaves(pushed))

    def rmatvec(self, u: Array) -> Array:
        return self.matvec(u) if self.kind == "hessian" else self._pulled(u)

    def _pulled(self, u: Array) -> Array:
        (pulled,) = self.recording.vjp(self.codomain.leaves(u))
        return self.domain.vector(tree_leaves(pulled))


def _scalar(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose result is checked."""

    def checked(x: Tree, *args: Any) -> Any:
        y = f(x, *args)
        check_scalar("linear_operator", tree_leaves(y), "Sum it first, y.sum().")
        return y

    return checked


def linear_operator(f: Callable[..., Any], x: Tree, *args: Any, kind: Kind = "jacobian") -> LinearOperator:
    """Make the derivative of f by x as an operator: its products, without its matrix.

    Args:
        f: `f(x, *args)`, of pytrees; for a Hessian it returns a real scalar.
        x: where the derivative is taken; a pytree of float or complex arrays, real for a Hessian.
        args: what else f takes. Solutions are differentiated by x and by these, not by what f captures.
        kind: "jacobian" or "hessian".

    Returns:
        A `LinearOperator` from pytrees like x to those like f(x), or like x for a Hessian: `A @ v`, `A.T @ u`, `A.H`,
        `A.shape`, `A.to_scipy()`, `A.to_dense()`. f runs once; each product is one walk, forward for `A @ v`, backward
        for `A.T @ u`. Products can be differentiated, by x, args and v.

    Raises:
        ArgumentTypeError: a leaf of x that is not float or complex; an f that is not a function.
        ArgumentError: a Hessian of what is not a scalar; another kind.

    >>> A = linear_operator(lambda x: np.array([1.0, 2.0]) * x**2, np.array([3.0, 5.0]))
    >>> A @ np.ones(2), A.shape
    (array([ 6., 20.]), (2, 2))
    """
    checked_function("linear_operator", "f", f)
    checked_choice("linear_operator", "kind", kind, ("jacobian", "hessian"))
    space = Space.checked("linear_operator", "x", x)
    if kind == "hessian" and space.dtype.kind == "c":
        raise ArgumentTypeError("linear_operator: x must be real for a Hessian; got complex numbers.")
    made = Derivative(x, args, f, kind)
    Space.checked("linear_operator", "y", made.recording.value)
    return made


# ---- operators of operators ----


@attrs.frozen(eq=False, repr=False)
class Transposed(LinearOperator):
    """The transpose of an operator."""

    of: LinearOperator

    @property
    def domain(self) -> Space:
        return self.of.codomain

    @property
    def codomain(self) -> Space:
        return self.of.domain

    @property
    def T(self) -> LinearOperator:
        return self.of

    def matvec(self, v: Array) -> Array:
        return self.of.rmatvec(v)

    def rmatvec(self, u: Array) -> Array:
        return self.of.matvec(u)


@attrs.frozen(eq=False, repr=False)
class Conjugated(LinearOperator):
    """The complex conjugate of an operator."""

    of: LinearOperator

    @property
    def domain(self) -> Space:
        return self.of.domain

    @property
    def codomain(self) -> Space:
        return self.of.codomain

    def matvec(self, v: Array) -> Array:
        return np.conj(self.of.matvec(np.conj(v)))

    def rmatvec(self, u: Array) -> Array:
        return np.conj(self.of.rmatvec(np.conj(u)))


@attrs.frozen(eq=False, repr=False)
class Shifted(LinearOperator):
    """A square operator plus a multiple of the identity."""

    of: LinearOperator
    shift: Any

    @property
    def domain(self) -> Space:
        return self.of.domain

    @property
    def codomain(self) -> Space:
        return self.of.codomain

    @property
    def is_symmetric(self) -> bool:
        return self.of.is_symmetric

    def matvec(self, v: Array) -> Array:
        return self.of.matvec(v) + self.shift * v

    def rmatvec(self, u: Array) -> Array:
        return self.of.rmatvec(u) + self.shift * u


@attrs.frozen(eq=False, repr=False)
class Deflated(LinearOperator):
    """A symmetric operator minus an eigenvalue, plus the projection onto the eigenvector: regular at a simple one."""

    of: LinearOperator
    value: Any
    vector: Array

    @property
    def domain(self) -> Space:
        return self.of.domain

    @property
    def codomain(self) -> Space:
        return self.of.domain

    @property
    def is_symmetric(self) -> bool:
        return True

    def matvec(self, v: Array) -> Array:
        return self.of.matvec(v) - self.value * v + self.vector * (self.vector @ v)

    def rmatvec(self, u: Array) -> Array:
        return self.matvec(u)


@attrs.frozen(eq=False, repr=False)
class Augmented(LinearOperator):
    """The symmetric operator (0 A; A^T 0), whose positive eigenvalues are the singular values of A."""

    of: LinearOperator

    @property
    def domain(self) -> Space:
        return Space.of(np.zeros(sum(self.of.shape), self.of.dtype))

    @property
    def codomain(self) -> Space:
        return self.domain

    @property
    def is_symmetric(self) -> bool:
        return True

    def matvec(self, v: Array) -> Array:
        rows = self.of.shape[0]
        return np.concatenate([self.of.matvec(v[rows:]), self.of.rmatvec(v[:rows])])

    def rmatvec(self, u: Array) -> Array:
        return self.matvec(u)


# ---- matrices ----


@attrs.frozen(eq=False, repr=False)
class Matrix(LinearOperator):
    """A matrix as an operator on vectors."""

    matrix: Array

    @property
    def domain(self) -> Space:
        return Space.of(np.zeros(self.matrix.shape[1], self.matrix.dtype))

    @property
    def codomain(self) -> Space:
        return Space.of(np.zeros(self.matrix.shape[0], self.matrix.dtype))

    def matvec(self, v: Array) -> Array:
        return self.matrix @ v

    def rmatvec(self, u: Array) -> Array:
        return self.matrix.T @ u


@attrs.frozen(eq=False, repr=False)
class Constant(LinearOperator):
    """A sparse matrix, or another library's operator with products, by which nothing is differentiated."""

    matrix: Any = static_field()

    @property
    def domain(self) -> Space:
        return Space.of(np.zeros(self.matrix.shape[1], self.matrix.dtype))

    @property
    def codomain(self) -> Space:
        return Space.of(np.zeros(self.matrix.shape[0], self.matrix.dtype))

    def matvec(self, v: Array) -> Array:
        return self.matrix @ v

    def rmatvec(self, u: Array) -> Array:
        return self.matrix.T @ u


def as_operator(function: str, a: Any, *, square: bool = False) -> LinearOperator:
    """Return an operator, or a matrix as one."""
    if type(a) is Tensor or isinstance(a, np.ndarray):
        if a.ndim != 2 or a.dtype.kind not in "fc":
            raise ArgumentError(f"{function}: a must be a matrix of floats or complex numbers; got {described(a)}.")
        a = Matrix(a)
    elif not isinstance(a, LinearOperator) and hasattr(a, "shape") and hasattr(a, "dot") and hasattr(a, "dtype"):
        a = Constant(a)
    if not isinstance(a, LinearOperator):
        raise ArgumentTypeError(
            f"{function}: a must be an operator or a matrix; got {described(a):.80}. "
            "Make one: tn.linear_operator(f, x)."
        )
    if square and a.shape[0] != a.shape[1]:
        raise ArgumentError(f"{function}: a must be square; got shape {a.shape}. Take lsqr.")
    return a
