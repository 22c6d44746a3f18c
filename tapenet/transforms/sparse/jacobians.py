"""`sparse_jacobian` and `sparse_hessian`: few products carry the entries of a sparse matrix."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal

import attrs
import numpy as np

from tapenet.core.argument_checks import check_transform, checked_choice, checked_flag
from tapenet.core.leaf_checks import check_chunk_size, check_scalar, described, zeros_of
from tapenet.core.provided import provided
from tapenet.core.pytrees import Tree, tree_leaves
from tapenet.core.recorder import Recorder
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingRuleError
from tapenet.transforms.recording import Argnums, argument_keys, ones_for, run_recorded, split_aux
from tapenet.transforms.sparse.coloring import Coloring, checked_pattern, colored
from tapenet.transforms.sparse.detection import Ends, key_of, pattern_of
from tapenet.transforms.sparse.links import Dependence
from tapenet.transforms.sparse.plans import MOST_ELEMENTS, MOST_IN_CACHE, Plan, plan_of
from tapenet.transforms.sparse.products import Vectors, vectors_of
from tapenet.transforms.sparse.stars import symmetric
from tapenet.transforms.transformed import transformed
from tapenet.walks.products import vjp_walk

Mode = Literal["auto", "forward", "reverse", "bidirectional"]
_KINDS = {"auto": "auto", "forward": "columns", "reverse": "rows", "bidirectional": "bidirectional"}
_MOST_PLANS = 32  # that a function keeps


def sparse_jacobian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    pattern: Any = None,
    mode: Mode = "auto",
    chunk_size: int | None = None,
    compile: bool = False,
) -> Callable[..., Any]:
    """Make the function of f's Jacobian as a sparse matrix, from as few products as its pattern allows.

    The tape gives the pattern (`sparsity`), a colouring of it (`color`) the vectors, and one walk carries all of them:
    a tridiagonal Jacobian takes 3 products, of any size. Pattern and colouring are kept, and serve every later call
    that records the same operations.

    Args:
        f: returns an array, or a pytree of arrays, of floats or complex numbers.
        argnums, has_aux: as for `grad`.
        pattern: matrix of scipy.sparse or 2-d array, where the Jacobian may not be zero; found from the tape by
            default. The first call checks it by one product.
        mode: "forward" colours columns, "reverse" rows, "bidirectional" both; "auto" takes what needs fewest products.
        chunk_size: how many products one walk carries, to bound memory; as many as take up 32 MB by default.
        compile: whether to compile the walk (`tn.compile`), for many calls with arguments of the same shapes.

    Returns:
        A function of f's arguments that returns the Jacobian: a `scipy.sparse.csr_array` with a row for each element
        of y and a column for each of x, both in C order, leaf after leaf of a pytree. Elements of the pattern that
        happen to be zero are stored. With `has_aux`, `(jacobian, aux)`.

        Complex numbers: as for `jacobian`; of a complex and a real side, forward is for real x, reverse for real y.

    Raises:
        ArgumentTypeError: a leaf of x or y that is not float or complex; values on a tape or under `vmap`, which a
            matrix of scipy.sparse cannot hold.
        ArgumentError: a pattern of another shape than the Jacobian, or that lacks an element; an unknown mode, or one
            that complex numbers do not allow.
        MissingPackageError: without SciPy.

    >>> print(sparse_jacobian(lambda x: x[1:] * x[:-1])(np.arange(1.0, 4.0)).toarray())
    [[2. 1. 0.]
     [0. 3. 2.]]
    """
    name = "sparse_jacobian"
    check_transform(name, f, has_aux)
    check_chunk_size(name, chunk_size)
    checked_choice(name, "mode", mode, tuple(_KINDS))
    given = _given(name, pattern)

    def recorded(args: Sequence[Any], kwargs: Any) -> tuple[Vectors, Tree]:
        places = argument_keys(name, f, argnums, args, kwargs)
        recording = run_recorded(name, f, args, kwargs, places, has_aux)
        return vectors_of(name, recording), recording.aux

    is_compiled = checked_flag(name, "compile", compile)
    call = _called(_SparseMatrix(name, recorded, given, mode, has_aux, chunk_size, False, is_compiled))
    make = transformed(
        sparse_jacobian, f, argnums, has_aux, pattern=given, mode=mode, chunk_size=chunk_size, compile=compile
    )
    return make(call)


def sparse_hessian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    pattern: Any = None,
    chunk_size: int | None = None,
    compile: bool = False,
) -> Callable[..., Any]:
    """Make the function of a scalar function's Hessian as a sparse matrix, from a few Hessian-vector products.

    The gradient is recorded on the tape of f, and the pattern found from both. A star colouring uses the symmetry: an
    arrow takes 2 products, of any size.

    Args:
        f: returns a real floating scalar.
        argnums, has_aux: as for `grad`; for several arguments the Hessian is by all of their elements.
        pattern: symmetric matrix of scipy.sparse or 2-d array, where the Hessian may not be zero; found from the tape
            by default. The first call checks it by one product.
        chunk_size, compile: as for `sparse_jacobian`.

    Returns:
        A function of f's arguments that returns the Hessian: a symmetric `scipy.sparse.csr_array` with a row and a
        column for each element of x, in C order, leaf after leaf of a pytree. With `has_aux`, `(hessian, aux)`.

    Raises:
        ArgumentTypeError, ArgumentError, MissingPackageError: as for `sparse_jacobian`; an f whose value is not a real
            scalar, a complex x, a pattern that is not symmetric.

    >>> print(sparse_hessian(lambda x: (x[1:] * x[:-1]).sum())(np.ones(3)).toarray())
    [[0. 1. 0.]
     [1. 0. 1.]
     [0. 1. 0.]]
    """
    name = "sparse_hessian"
    check_transform(name, f, has_aux)
    check_chunk_size(name, chunk_size)
    given = _given(name, pattern)
    if given is not None and (given.matrix.shape[0] != given.matrix.shape[1] or (given.matrix != given.matrix.T).nnz):
        raise ArgumentError(
            f"{name}: pattern must be symmetric; got one of shape {given.matrix.shape} that is not. Pass pattern + "
            "pattern.T."
        )

    def recorded(args: Sequence[Any], kwargs: Any) -> tuple[Vectors, Tree]:
        places = argument_keys(name, f, argnums, args, kwargs)

        def gradient(*args: Any, **kwargs: Any) -> Any:
            y, aux = split_aux(name, f(*args, **kwargs), has_aux)
            x = tree_leaves(tuple(args[place] if isinstance(place, int) else kwargs[place] for place in places))
            found = _gradient(name, y, x)
            return (found, aux) if has_aux else found

        recording = run_recorded(name, gradient, args, kwargs, places, has_aux)
        return vectors_of(name, recording), recording.aux

    is_compiled = checked_flag(name, "compile", compile)
    call = _called(_SparseMatrix(name, recorded, given, "auto", has_aux, chunk_size, True, is_compiled))
    make = transformed(sparse_hessian, f, argnums, has_aux, pattern=given, chunk_size=chunk_size, compile=compile)
    return make(call)


def _called(matrix: _SparseMatrix) -> Callable[..., Any]:
    """Return the function of a matrix, as `transformed` takes it."""
    made = _CompiledSparseMatrix(matrix, provided.compile(matrix.entries)) if matrix.is_compiled else matrix

    def call(*args: Any, **kwargs: Any) -> Any:
        return made(*args, **kwargs)

    return call


def _gradient(name: str, y: Tree, x: Sequence[Tensor]) -> list[Any]:
    """Return the gradient of y by the leaves of x, recorded on their tape."""
    targets = tree_leaves(y)
    check_scalar(name, targets, "Sum it first, y.sum(), or take tn.hessian.")
    for leaf in x:
        if leaf.dtype.kind == "c":
            raise ArgumentTypeError(f"{name}: x must be real; got {described(leaf)}. Take its two parts as arguments.")
    if not x:
        return []
    trace = x[0].owner
    assert isinstance(trace, Recorder)
    found = vjp_walk(trace, targets, ones_for(y), x)
    return [zeros_of(leaf) if bar is None else bar for leaf, bar in zip(x, found, strict=True)]


@attrs.frozen(eq=False)
class GivenPattern:
    """The user's pattern, checked; equal to itself alone, as a parameter of what it was given to."""

    matrix: Dependence


def _given(name: str, pattern: Any) -> GivenPattern | None:
    if pattern is None or type(pattern) is GivenPattern:
        return pattern
    return GivenPattern(checked_pattern(name, pattern))


@attrs.frozen(eq=False)
class _Made:
    """A plan, and the mode that it was made for."""

    plan: Plan
    mode: str


class _Plans:
    """Plans of one function, the latest last.

    It is not an attrs class, which a compiled function would look into: plans are added while programs are recorded.
    """

    def __init__(self) -> None:
        self.by_number: dict[int, _Made] = {}
        self.numbers: dict[Hashable, int] = {}  # by what patterns depend on
        self.counter = itertools.count()
        self.lock = threading.Lock()  # held while a plan is added

    def find(self, key: Hashable) -> tuple[int, _Made | None]:
        """Return the number of the plan for what a pattern depends on, and the plan; None where there is none."""
        number = self.numbers.get(key, -1)
        return number, self.by_number.get(number)

    def add(self, key: Hashable, made: _Made) -> int:
        """Keep a plan, and return its number."""
        number: int = next(self.counter)
        with self.lock:
            self.by_number[number] = made
            self.numbers[key] = number
            while len(self.by_number) > _MOST_PLANS:
                oldest = next(iter(self.by_number))
                del self.by_number[oldest]
                self.numbers = {key: number for key, number in self.numbers.items() if number != oldest}
        return number


@attrs.frozen(eq=False)
class _SparseMatrix:
    """The function of a sparse Jacobian or Hessian, with the plans that it has made.

    Attributes:
        name: of the transform.
        record: runs the user's function, and returns what is differentiated, and aux.
        given: the user's pattern.
        mode: which way products go.
        has_aux: whether the user's function returns something beside.
        chunk_size: how many products one walk carries.
        is_symmetric: whether the matrix is a Hessian.
        is_compiled: whether a program computes its entries.
        plans: those that were made.
    """

    name: str
    record: Callable[..., tuple[Vectors, Tree]]
    given: GivenPattern | None
    mode: str
    has_aux: bool
    chunk_size: int | None
    is_symmetric: bool
    is_compiled: bool
    plans: _Plans = attrs.field(factory=_Plans, init=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the matrix at these arguments."""
        data, _, made, aux = self._found(args, kwargs)
        return self.assembled(data, made, aux)

    def assembled(self, data: Any, made: _Made, aux: Tree) -> Any:
        """Return the matrix of entries that a plan is for."""
        if type(data) is Tensor:
            raise ArgumentTypeError(
                f"{self.name}: the arguments must be off tapes, and not mapped; got a value on a tape, which a matrix "
                "of scipy.sparse cannot hold. Differentiate products with it, tn.jvp, tn.vjp or tn.hvp, or take "
                f"tn.{self.name.removeprefix('sparse_')}; in place of tn.compile pass compile=True."
            )
        matrix = made.plan.matrix(data)
        return (matrix, aux) if self.has_aux else matrix

    def entries(self, *args: Any, **kwargs: Any) -> tuple[Any, int, Tree]:
        """Return the entries in CSR order, the number of their plan, and aux."""
        data, number, _, aux = self._found(args, kwargs)
        return data, number, aux

    def _found(self, args: Sequence[Any], kwargs: Any) -> tuple[Any, int, _Made, Tree]:
        """Return the entries in CSR order, their plan and its number, and aux."""
        vectors, aux = self.record(args, kwargs)
        mode = _allowed(self.name, self.mode, vectors)
        key = self._key(vectors, mode)
        number, known = self.plans.find(key)
        if known is not None:
            return self._values(vectors, known), number, known, aux
        try:
            made, data = self._made(vectors, mode)
        except MissingRuleError:
            if mode != "auto":
                raise
            made, data = self._made(vectors, "reverse")  # of functions with a rule for reverse mode alone
        return data, self.plans.add(key, made), made, aux

    def _key(self, vectors: Vectors, mode: str) -> Hashable:
        """Return what a plan depends on."""
        ends = vectors.ends()
        if self.given is None:
            return mode, key_of(vectors.entries, ends)
        return mode, ends.source_shapes, ends.target_shapes

    def _made(self, vectors: Vectors, mode: str) -> tuple[_Made, Any]:
        """Return a new plan, and the entries."""
        made = _Made(self._plan(vectors, mode), mode)
        data = self._values(vectors, made)
        if self.given is not None and type(data) is not Tensor:
            self._check_given(vectors, made, data)
        return made, data

    def _plan(self, vectors: Vectors, mode: str) -> Plan:
        ends = vectors.ends()
        pattern = pattern_of(vectors.entries, ends) if self.given is None else self.given.matrix
        if pattern.shape != ends.shape:
            raise ArgumentError(
                f"{self.name}: pattern must have the shape of the matrix, {ends.shape}; got {pattern.shape}."
            )
        if self.is_symmetric:
            return plan_of(*_colored(symmetric(pattern), "star", ends), self._step)
        return plan_of(*_colored(pattern, _KINDS[mode], ends), self._step)

    def _step(self, size: int) -> int:
        """Return how many vectors of a size one walk carries."""
        most = MOST_ELEMENTS if self.is_compiled else MOST_IN_CACHE
        return self.chunk_size or max(1, most // max(size, 1))

    def _values(self, vectors: Vectors, made: _Made) -> Any:
        push = vectors.pull if self.is_symmetric and made.mode == "reverse" else vectors.push
        return made.plan.values(push, vectors.pull, vectors.source_dtype, vectors.target_dtype)

    def _check_given(self, vectors: Vectors, made: _Made, data: Any) -> None:
        """Raise where a product with a random vector has more than the entries of the user's pattern give."""
        matrix = made.plan.matrix(data)
        is_forward = bool(made.plan.forward) and not (self.is_symmetric and made.mode == "reverse")
        if not is_forward:
            matrix = matrix.T
        product = vectors.push if is_forward else vectors.pull
        dtype = vectors.source_dtype if is_forward else vectors.target_dtype
        seed = np.random.default_rng(0).uniform(0.5, 1.5, matrix.shape[1]).astype(dtype)
        found, expected = np.asarray(product(seed[None]))[0], matrix @ seed
        scale = np.abs(found) + abs(matrix) @ np.abs(seed)
        with np.errstate(invalid="ignore"):
            wrong = np.abs(found - expected) > np.sqrt(np.finfo(scale.dtype).eps) * scale
        if wrong.any():
            side, other = ("row", "column") if is_forward else ("column", "row")
            raise ArgumentError(
                f"{self.name}: pattern must have every entry that may not be zero; got one that lacks some in {side} "
                f"{np.flatnonzero(wrong)[0]}, or next to it in a {other} of one colour. Leave pattern out to have it "
                "found."
            )


def _colored(pattern: Dependence, kind: str, ends: Ends) -> tuple[Dependence, Coloring]:
    """Return a pattern and its colouring; an array as x or y is a grid, on which stencils have regular ones."""
    x, y = (shapes[0] if len(shapes) == 1 else () for shapes in (ends.source_shapes, ends.target_shapes))
    return pattern, colored(pattern, kind, x, y)


def _allowed(name: str, mode: str, vectors: Vectors) -> str:
    """Return the mode; where some leaves are complex and others real, the one that has an answer.

    A real leaf of x takes the real part of a cotangent, and a real leaf of y that of a tangent.
    """
    of_x: set[str] = {dtype.kind for dtype in vectors.source_dtypes}
    of_y: set[str] = {dtype.kind for dtype in vectors.target_dtypes}
    wrong = {"forward": "c" in of_x and "f" in of_y, "reverse": "c" in of_y and "f" in of_x}
    fine = [way for way, is_wrong in wrong.items() if not is_wrong]
    if len(fine) == 2:
        return mode
    if not fine:
        raise ArgumentError(
            f"{name}: x and y must each be all real or all complex; got both in both. Take tn.jacobian, or the real "
            "and the imaginary parts apart."
        )
    if mode not in ("auto", fine[0]):
        raise ArgumentError(
            f"{name}: mode must be {fine[0]!r} for {_kinds(of_x)} x and {_kinds(of_y)} y; got {mode!r}."
        )
    return fine[0]


def _kinds(kinds: set[str]) -> str:
    return " and ".join(word for kind, word in (("f", "real"), ("c", "complex")) if kind in kinds)


@attrs.frozen(eq=False)
class _CompiledSparseMatrix:
    """The function of a sparse matrix whose entries a compiled program computes."""

    matrix: _SparseMatrix
    entries: Callable[..., tuple[Any, int, Tree]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the matrix at these arguments."""
        data, number, aux = self.entries(*args, **kwargs)
        made = self.matrix.plans.by_number.get(number)
        if made is None:  # dropped, and the program is still there
            return self.matrix(*args, **kwargs)
        return self.matrix.assembled(data, made, aux)
