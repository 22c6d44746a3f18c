"""Functions of matrices over stacks of them: mapped over the axes in front, which broadcast."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_flatten, tree_unflatten
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.transforms.mapping import vmap

Function = Callable[..., Any]
Cores = dict[str, Any]

_ONE = """
det inv pinv pinvh cholesky cho_factor lu lu_factor polar qr rq schur svd svdvals
""".split()
_NAMED_A = """
expm cosm sinm tanm coshm sinhm tanhm logm sqrtm fractional_matrix_power funm signm ldl orth null_space
""".split()
_PAIRS = "eig eigh eigvals eigvalsh khatri_rao".split()
CORES: dict[str, Cores] = {
    **{name: {"a": 2} for name in _ONE},
    **{name: {"A": 2} for name in _NAMED_A},
    **{name: {"a": 2, "b": 2} for name in _PAIRS},
    **{name: {"A": 2, "B": 2} for name in ("orthogonal_procrustes", "subspace_angles")},
    **{name: {"a": 2, "b": "1|2"} for name in ("solve", "solve_triangular", "lstsq")},
    **{name: {"ab": 2, "b": "1|2"} for name in ("solve_banded", "solveh_banded")},
    "cho_solve": {"c_and_lower.0": 2, "b": "1|2"},
    "lu_solve": {"lu_and_piv.0": 2, "lu_and_piv.1": 1, "b": "1|2"},
    "solve_sylvester": {"a": 2, "b": 2, "q": 2},
    **{name: {"a": 2, "q": 2} for name in ("solve_continuous_lyapunov", "solve_discrete_lyapunov")},
    **{name: dict.fromkeys("abqres", 2) for name in ("solve_continuous_are", "solve_discrete_are")},
    "expm_frechet": {"A": 2, "E": 2},
    "diagsvd": {"s": 1},
    "leslie": {"f": 1, "s": 1},
}  # what SciPy, from 1.15 on, takes stacks of: how many axes each of its arguments has


def _core(ndim: Any, x: Array) -> int:
    return ndim if isinstance(ndim, int) else min(max(x.ndim, 1), 2)


def _part(arguments: dict[str, Any], path: str) -> Any:
    name, _, place = path.partition(".")
    value = arguments.get(name)
    return value[int(place)] if place and value is not None else value


def _with_parts(arguments: dict[str, Any], parts: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    replaced = dict(arguments)
    for path, value in parts:
        name, _, place = path.partition(".")
        if place:
            items = list(replaced[name])
            items[int(place)] = value
            value = tuple(items)
        replaced[name] = value
    return replaced


def _is_array(x: Any) -> bool:
    return type(x) is Tensor or isinstance(x, np.ndarray | np.generic)


def _over(function: Function, arguments: dict[str, Any], arrays: dict[str, Array], cores: Cores) -> Any:
    """Call a function with each of the matrices of stacks, which broadcast."""
    ndims = {path: _core(cores[path], x) for path, x in arrays.items()}
    shape = np.broadcast_shapes(*(x.shape[: x.ndim - ndims[path]] for path, x in arrays.items()))
    if 0 in shape:
        raise ArgumentError(f"linalg.{function.__name__}: a stack must not be empty; got shape {shape} of matrices.")
    flat = [
        tnp.reshape(tnp.broadcast_to(x, (*shape, *core)), (-1, *core))
        for x, core in ((x, x.shape[x.ndim - ndims[path] :]) for path, x in arrays.items())
    ]
    found: list[Any] = []

    def one(*parts: Array) -> list[Any]:
        leaves, structure = tree_flatten(function(**_with_parts(arguments, zip(arrays, parts, strict=True))))
        found[:] = [structure, [None if _is_array(x) else x for x in leaves]]
        return [x for x in leaves if _is_array(x)]

    mapped = iter(vmap(one)(*flat))
    structure, others = found
    leaves = [next(mapped) if x is None else x for x in others]
    leaves = [tnp.reshape(x, (*shape, *x.shape[1:])) if _is_array(x) else x for x in leaves]
    return tree_unflatten(structure, leaves)


@branch_condition
def _is_finite(x: Array) -> bool:
    return bool(np.all(np.isfinite(x)))


def _check_is_finite(function: Function, bound: dict[str, Any]) -> None:
    """Raise where an array is not finite, if the function's `check_finite` asks for that, as SciPy does."""
    for x in bound.values():
        for one in x if isinstance(x, tuple | list) else (x,):
            if type(one) is Tensor and one.dtype.kind in "fc" and not _is_finite(one):
                raise ArgumentError(f"linalg.{function.__name__}: array must not contain infs or NaNs.")


def _bound(signature: inspect.Signature, positional: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Return arguments by name; None where they do not fit, which the function itself says."""
    try:
        return signature.bind(*positional, **keywords).arguments
    except TypeError:
        return None


def checking_finite(function: Function) -> Function:
    """Return a function that looks at `check_finite`; others as they are."""
    signature = inspect.signature(function)
    if "check_finite" not in signature.parameters:
        return function
    default = signature.parameters["check_finite"].default

    @functools.wraps(function)
    def checked(*positional: Any, **keywords: Any) -> Any:
        bound = _bound(signature, positional, keywords)
        if bound is not None and bound.get("check_finite", default):
            _check_is_finite(function, bound)
        return function(*positional, **keywords)

    return checked


def over_stacks(function: Function, cores: Cores) -> Function:
    """Return a function of matrices that takes stacks of them too.

    Args:
        function: of matrices on a tape; with plain arrays alone SciPy's.
        cores: how many axes a matrix or vector has of each argument that may be a stack.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def with_stacks(*positional: Any, **keywords: Any) -> Any:
        bound = _bound(signature, positional, keywords)
        if bound is None:
            return function(*positional, **keywords)
        given = {path: _part(bound, path) for path in cores}
        arrays = {path: as_array(collected(x)) for path, x in given.items() if x is not None}
        is_plain = not any(type(x) is Tensor for x in arrays.values())
        if is_plain or all(x.ndim <= _core(cores[path], x) for path, x in arrays.items()):
            return function(*positional, **keywords)
        return _over(function, dict(bound), arrays, cores)

    return with_stacks
