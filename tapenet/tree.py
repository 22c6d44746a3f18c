"""Pytrees for users: map, leaves, paths, vectors, sizes, norms, comparisons, and replacement at a path.

A pytree is nested tuples, lists, dicts, named tuples, attrs classes and dataclasses, with arrays as leaves. Models,
gradients and states of optimizers are pytrees. None is an empty one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_array, checked_flag, checked_function, checked_number, shown
from tapenet.core.leaf_checks import advice_on_object, check_differentiable, dtype_of, plain_leaf
from tapenet.core.primitive import Array
from tapenet.core.pytrees import (
    Level,
    Tree,
    TreeSpec,
    dotted_paths,
    joined,
    one_level,
    static_values,
    tree_flatten,
    tree_leaves,
    tree_unflatten,
)
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels.squares import square_sum
from tapenet.numpy import allclose as arrays_are_close, concatenate, linalg, reshape, stack
from tapenet.saving.trees import is_state, mapped_tree

__all__ = ["map", "map_with_path", "leaves", "paths", "ravel", "size", "norm", "allclose", "replace"]

Same = TypeVar("Same")

_MOST_LISTED = 10


def map(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply a function leaf by leaf.

    Args:
        function: of a leaf of `tree` and one of each of `rest`.
        tree: a pytree.
        rest: further ones of its structure, or with subtrees in the places of its leaves.

    Returns:
        A pytree of the structure of `tree`, of what the function returned. Its static fields are those of `tree`, the
        running statistics of `nn.BatchNorm` among them: a mean of two models has the statistics of the first.

    Raises:
        ArgumentTypeError: function is not one.
        ArgumentError: one of `rest` has another structure; names the paths.

    >>> map(lambda x, y: x + y, {"a": 1, "b": [2]}, {"a": 10, "b": [20]})
    {'a': 11, 'b': [22]}
    """
    checked_function("tree.map", "function", function)
    leaves_of, spec = tree_flatten(tree)
    columns = [_column("tree.map", tree, spec, other, i) for i, other in enumerate(rest)]
    return tree_unflatten(spec, [function(*row) for row in zip(leaves_of, *columns, strict=True)])


def map_with_path(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply a function leaf by leaf, to the leaf's path and the leaf.

    Args:
        function: of the path, as `paths` gives it, a leaf of `tree` and one of each of `rest`.
        tree, rest: as for `map`.

    Returns, Raises: as for `map`.

    >>> map_with_path(lambda path, x: 0 if path == "b.0" else x, {"a": 1, "b": [2]})
    {'a': 1, 'b': [0]}
    """
    checked_function("tree.map_with_path", "function", function)
    found, spec = tree_flatten(tree)
    columns = [_column("tree.map_with_path", tree, spec, other, i) for i, other in enumerate(rest)]
    rows = zip(dotted_paths(tree), found, *columns, strict=True)
    return tree_unflatten(spec, [function(*row) for row in rows])


def leaves(tree: Tree) -> list[Any]:
    """Return the leaves of a pytree, from left to right; dicts in the order of their sorted keys.

    Args:
        tree: a pytree.

    >>> leaves({"b": [2, None], "a": 1})
    [1, 2]
    """
    return tree_leaves(tree)


def paths(tree: Tree) -> list[str]:
    """Return the path of each leaf: names of fields, keys and indices from the root, with dots between them.

    `tn.save` names arrays by these paths, and `replace` takes them.

    Args:
        tree: a pytree.

    Returns:
        A path for each of `leaves(tree)`. Where keys make two the same, the second ends in "#2".

    >>> paths({"b": [2, None], "a": 1})
    ['a', 'b.0']
    """
    return dotted_paths(tree)


def ravel(tree: Tree) -> tuple[Array, Callable[[Array], Tree]]:
    """Join all leaves into one vector, and return the function that makes a pytree of such a vector again.

    Both are differentiable: what takes vectors (SciPy's minimizers, a Hessian as one matrix) can take a model.

    Args:
        tree: a pytree of real floating, or of complex, arrays and scalars.

    Returns:
        (vector, unravel): the vector has shape (size(tree),) and the dtype that the leaves have in common;
        `unravel(vector)` has the structure, shapes and dtypes of `tree`, in new memory.

    Raises:
        ArgumentTypeError: a leaf that is not float or complex; real and complex leaves together.
        ArgumentError: from unravel, a vector of another shape.

    Derivative: both are linear, and each other's transpose.

    >>> vector, unravel = ravel({"a": np.ones((2, 2)), "b": 3.0})
    >>> vector, unravel(2 * vector)["b"]
    (array([1., 1., 1., 1., 3.]), np.float64(6.0))
    """
    found, spec = tree_flatten(tree)
    check_differentiable("tree.ravel", "tree", tree, found)
    kinds = {dtype_of(leaf).kind for leaf in found}
    if len(kinds) > 1:
        raise ArgumentTypeError(
            "tree.ravel: leaves of tree must be all real or all complex; got both, and a vector would make real "
            "ones complex. Ravel the two kinds by themselves."
        )
    spaces = [(getattr(leaf, "shape", ()), dtype_of(leaf)) for leaf in found]
    parts = [reshape(leaf if hasattr(leaf, "shape") else np.asarray(leaf), (-1,)) for leaf in found]
    vector = concatenate(parts) if parts else np.zeros(0)

    return vector, Unravel(spec, tuple(spaces))


@attrs.frozen(eq=False)
class Unravel:
    """See `ravel`; a class, so that it can be pickled.

    Attributes:
        spec: the structure of the pytree.
        spaces: of each leaf the shape and the dtype.
    """

    spec: TreeSpec
    spaces: tuple[tuple[tuple[int, ...], Any], ...]

    def __call__(self, vector: Array) -> Tree:
        """Make a pytree of a vector."""
        return tree_unflatten(self.spec, list(_split(vector, self.spaces)))

    def __reduce__(self) -> Any:
        # A structure is pickled as a tree that has it: its classes may not be registered where it is read.
        return _unravel_again, (tree_unflatten(self.spec, [0.0] * len(self.spaces)), self.spaces)


def _unravel_again(like: Tree, spaces: tuple[tuple[tuple[int, ...], Any], ...]) -> Unravel:
    return Unravel(tree_flatten(like)[1], spaces)


def _split(vector: Array, spaces: Sequence[tuple[tuple[int, ...], Any]]) -> Iterator[Array]:
    """Return the parts of a vector, each with its shape and dtype."""
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape, _ in spaces]
    vector = checked_array("unravel", "vector", vector)
    if vector.shape != (sum(sizes),):
        raise ArgumentError(f"unravel: vector must have shape ({sum(sizes)},); got {vector.shape}.")
    start = 0
    for count, (shape, dtype) in zip(sizes, spaces, strict=True):
        if vector.dtype.kind == "c" and dtype.kind == "f":
            raise ArgumentTypeError(f"unravel: vector must be real, as the tree; got {vector.dtype}.")
        part = reshape(vector[start : start + count], shape).astype(dtype)
        yield part if type(part) is Tensor or shape else part[()]
        start += count


def size(tree: Tree) -> int:
    """Count the elements of all leaves: of a model the number of its parameters.

    Args:
        tree: a pytree of arrays and numbers.

    Raises:
        ArgumentTypeError: a leaf that is not numeric.

    >>> size({"a": np.ones((2, 3)), "b": 1.0})
    7
    """
    return sum(int(np.prod(getattr(x, "shape", ()), dtype=np.int64)) for x in _numeric("tree.size", "tree", tree))


def norm(tree: Tree) -> Array:
    """Compute the Euclidean norm of all leaves together: the root of the sum of |x|^2 over all elements.

    Squares are summed in double precision, so that those of float16 and float32 do not overflow.

    Args:
        tree: a pytree of arrays and numbers.

    Returns:
        A real scalar of the dtype that the norms of the leaves have in common: float16 where all leaves are.

    Raises:
        ArgumentTypeError: a leaf that is not numeric.

    Derivative: x / norm; 0 where all elements are 0.

    >>> norm({"a": np.array([3.0]), "b": 4.0})
    np.float64(5.0)
    """
    leaves_of = _numeric("tree.norm", "tree", tree)
    if not leaves_of:
        return np.float64(0)
    dtype = np.result_type(*[_norm_dtype(dtype_of(x)) for x in leaves_of])
    is_plain = all(type(x) is not Tensor and dtype_of(x).itemsize <= _WIDEST[dtype_of(x).kind] for x in leaves_of)
    with np.errstate(over="ignore"):
        if is_plain:
            return dtype.type(np.sqrt(sum(square_sum(x, 1.0) for x in leaves_of)))
        # Along an axis NumPy squares and sums; else it calls BLAS, whose threads wait for busy processors.
        parts = [linalg.norm(_in_double(reshape(x, (-1,))), axis=0) for x in leaves_of]
        return linalg.norm(stack(parts), axis=0).astype(dtype)


_WIDEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}  # bytes, of dtypes that fit double precision


def _norm_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the real dtype of the norm of an array."""
    return np.finfo(dtype).dtype if dtype.kind in "fc" else np.dtype(float)


def _in_double(x: Array) -> Array:
    wide = np.result_type(x.dtype, np.float64)
    return x if x.dtype == wide else x.astype(wide)


def allclose(tree: Tree, other: Tree, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Return whether two pytrees agree: |x - y| <= atol + rtol |y| for all elements, as `numpy.allclose` says.

    Leaves that are not numeric, such as strings, must be equal. Arrays in static fields are compared too, such as the
    running statistics of `nn.BatchNorm`.

    Args:
        tree, other: pytrees of one structure, with equal shapes.
        rtol, atol: the tolerances, relative and absolute.
        equal_nan: whether NaN is equal to NaN.

    Raises:
        ArgumentError: the structures or shapes differ; names the paths.

    >>> allclose([1.0, np.ones(2)], [1.0, np.ones(2) + 1e-9])
    True
    """
    rtol = checked_number("tree.allclose", "rtol", rtol, "[0, inf)")
    atol = checked_number("tree.allclose", "atol", atol, "[0, inf)")
    checked_flag("tree.allclose", "equal_nan", equal_nan)
    own, others = dict(_static_arrays(tree)), dict(_static_arrays(other))
    if not _is_same_structure(tree, other) or own.keys() != others.keys():
        raise ArgumentError(f"tree.allclose: other must have the structure of tree; {_first_difference(tree, other)}")
    rows = [*zip(dotted_paths(tree), tree_leaves(tree), tree_leaves(other), strict=True)]
    rows += [(path, own[path], others[path]) for path in own]
    for path, x, y in rows:
        if np.shape(x) != np.shape(y):
            raise ArgumentError(
                f"tree.allclose: other must have the shapes of tree; got {np.shape(y)} for {np.shape(x)} at {path!r}."
            )
    return all(_is_close(x, y, rtol, atol, equal_nan) for _, x, y in rows)


def _is_same_structure(tree: Tree, other: Tree) -> bool:
    try:
        return bool(tree_flatten(other)[1] == tree_flatten(tree)[1])
    except ValueError:  # static fields that are arrays, which have no truth value
        return bool(_without_static_arrays(other) == _without_static_arrays(tree))


def _without_static_arrays(tree: Tree) -> TreeSpec:
    return tree_flatten(mapped_tree("tree.allclose", tree, lambda item: 0.0 if is_state(item.value) else item.value))[1]


def _static_arrays(node: Any, path: str = "", is_static: bool = False) -> Iterator[tuple[str, Array]]:
    """Yield each array in a static field with its path."""
    level = one_level(node)
    if level is None:
        if is_static and isinstance(node, np.ndarray | Tensor):
            yield path, node
        return
    for name, child in zip(level.names, level.children, strict=True):
        yield from _static_arrays(child, joined(path, name), is_static)
    for name, value in static_values(node).items():
        yield from _static_arrays(value, joined(path, name), True)


def _is_close(x: Any, y: Any, rtol: float, atol: float, equal_nan: bool) -> bool:
    x, y = plain_leaf("tree.allclose", lambda: "tree", x), plain_leaf("tree.allclose", lambda: "other", y)
    if _is_numeric(x) and _is_numeric(y):
        return bool(arrays_are_close(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))
    return bool(np.all(x == y))


def replace(tree: Same, path: str, value: Any) -> Same:
    """Return a copy of a pytree with another leaf, subtree or static field at a path.

    Args:
        tree: a pytree, such as a model.
        path: as `paths` gives it, or the beginning of one: `layers.0` is a whole layer.
        value: what stands there in the copy.

    Raises:
        ArgumentTypeError: path is not a string.
        ArgumentError: there is nothing at this path; names those that are like it.

    >>> replace({"a": 1, "b": [2, 3]}, "b.0", 5)
    {'a': 1, 'b': [5, 3]}
    """
    if not isinstance(path, str):
        raise ArgumentTypeError(f"tree.replace: path must be a string, such as 'layers.0.kernel'; got {shown(path)}.")
    made: Same = _replaced(tree, path, value) if path else _NOTHING
    if made is _NOTHING:
        known = _known_paths(tree)
        near = difflib.get_close_matches(path, known, 3) or known[:_MOST_LISTED]
        raise ArgumentError(
            f"tree.replace: path must lead to something in tree; got {path!r}. There are {', '.join(near) or 'none'}."
        )
    return made


_NOTHING: Any = object()


def _replaced(node: Any, path: str, value: Any) -> Any:
    """Return a node with what lies at a path below it replaced; `_NOTHING` where there is nothing."""
    if not path:
        return value
    level = one_level(node)
    if level is None:
        return _NOTHING
    children = dict(enumerate(zip(level.names, level.children, strict=True)))
    for place, (name, child) in children.items():
        new = _below(name, child, path, value)
        if new is not _NOTHING:
            return _with_child(level, place, new)
    for name, child in static_values(node).items():
        new = _below(name, child, path, value)
        if new is not _NOTHING:
            made = level.rebuilt(level.children)
            object.__setattr__(made, name, new)
            return made
    return _NOTHING


def _below(name: str, child: Any, path: str, value: Any) -> Any:
    if path == name:
        return value
    return _replaced(child, path.removeprefix(f"{name}."), value) if path.startswith(f"{name}.") else _NOTHING


def _with_child(level: Level, place: int, child: Any) -> Any:
    return level.rebuilt([*level.children[:place], child, *level.children[place + 1 :]])


def _known_paths(node: Any, path: str = "") -> list[str]:
    """Return the paths of leaves, subtrees and static fields."""
    level = one_level(node)
    if level is None:
        return [path] if path else []
    below = [*zip(level.names, level.children, strict=True), *static_values(node).items()]
    found = [path] if path else []
    return found + [each for name, child in below for each in _known_paths(child, joined(path, name))]


# ---- checks ----


def _is_numeric(x: Any) -> bool:
    if isinstance(x, int) and not -(2**63) <= x < 2**64:
        return False  # an object to NumPy
    return getattr(dtype_of(x), "kind", "") in ("b", "i", "u", "f", "c")


def _numeric(function: str, name: str, tree: Tree) -> list[Array]:
    """Return the leaves of a pytree, which must be arrays and numbers."""
    found = [plain_leaf(function, lambda: name, x) for x in tree_leaves(tree)]
    for place, x in enumerate(found):
        if not _is_numeric(x):
            path = joined(name, dotted_paths(tree)[place])
            advice = advice_on_object(x) or "Declare the field by tn.static_field(), if it is part of the structure."
            raise ArgumentTypeError(f"{function}: {path} must be numeric; got {shown(x)}. {advice}")
    return found


def _column(function: str, tree: Tree, spec: Any, other: Tree, place: int) -> list[Any]:
    try:
        return list(spec.flatten_up_to(other))
    except (ValueError, TypeError) as error:
        raise ArgumentError(
            f"{function}: rest[{place}] must have the structure of tree; {_first_difference(tree, other)}"
        ) from error


def _first_difference(tree: Tree, other: Tree) -> str:
    """Say which paths one of two trees has alone."""
    own, others = dotted_paths(tree), dotted_paths(other)
    missing = [path for path in own if path not in others][:_MOST_LISTED]
    extra = [path for path in others if path not in own][:_MOST_LISTED]
    if not missing and not extra:
        return f"got {tree_flatten(other)[1]} for {tree_flatten(tree)[1]}."
    return f"got {', '.join(extra) or 'nothing'} in the place of {', '.join(missing) or 'nothing'}."
