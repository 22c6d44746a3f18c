"""Cross-checks against PyTorch and JAX, which are imported when one is called."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.core.packages import import_package
from tapenet.core.primitive import Array
from tapenet.core.pytrees import Tree, tree_flatten, tree_leaves, tree_map, tree_unflatten
from tapenet.testing.comparing import assert_same_as_peer


def assert_same_as_torch(
    f: Callable[..., Any], torch_f: Callable[..., Any], args: Sequence[Tree], *, tolerance: float | None = None
) -> None:
    """Check that a function has the value and the gradient of one written with PyTorch.

    PyTorch's gradients of complex numbers are the conjugates of tapenet's, and are conjugated to compare.

    Args:
        f: a function of pytrees of float or complex arrays.
        torch_f: the same one with PyTorch's functions, of the same pytrees of torch.Tensor.
        args: where to compare, in a tuple or list; arrays in a dtype that PyTorch has.
        tolerance: relative to the largest number of the array compared; by default from the lowest precision
            among the arguments: 1e-10 for float64, 1e-4 for float32.

    Raises:
        MissingPackageError: PyTorch is not installed.
        GradientError: names what differs, where, and both numbers.

    >>> import pytest; torch = pytest.importorskip("torch")
    >>> assert_same_as_torch(lambda x: np.sin(x) * x, lambda x: torch.sin(x) * x, (np.array([1.0, 2.0]),))
    """
    torch = import_package("torch", "assert_same_as_torch")

    def numpied(tensor: Any) -> Array:
        return tensor.detach().resolve_conj().numpy()[()]

    def torch_vjp(*arguments: Tree) -> tuple[Tree, Callable[[Tree], tuple[Tree, ...]]]:
        leaves, spec = tree_flatten(arguments)
        tensors = [torch.tensor(np.asarray(leaf), requires_grad=True) for leaf in leaves]
        y = torch_f(*tree_unflatten(spec, tensors))

        def pullback(y_bar: Tree) -> tuple[Tree, ...]:
            cotangents = [torch.tensor(np.conj(leaf)) for leaf in tree_leaves(y_bar)]
            reached = [(t, bar) for t, bar in zip(tree_leaves(y), cotangents, strict=True) if t.requires_grad]
            if not reached:
                return _as_tuple(tree_map(np.zeros_like, arguments))
            outputs, bars = zip(*reached, strict=True)
            pulled = torch.autograd.grad(outputs, tensors, bars, allow_unused=True, materialize_grads=True)
            return _as_tuple(tree_unflatten(spec, [np.conj(numpied(bar)) for bar in pulled]))

        return tree_map(numpied, y), pullback

    assert_same_as_peer("assert_same_as_torch", f, torch_vjp, "PyTorch", args, tolerance)


def assert_same_as_jax(
    f: Callable[..., Any], jax_f: Callable[..., Any], args: Sequence[Tree], *, tolerance: float | None = None
) -> None:
    """Check that a function has the value and the gradient of one written with JAX.

    JAX computes in double precision for the time of the call.

    Args:
        f: a function of pytrees of float or complex arrays.
        jax_f: the same one with JAX's functions, of the same pytrees of jax.Array.
        args, tolerance: as for `assert_same_as_torch`.

    Raises:
        MissingPackageError: JAX is not installed.
        GradientError: names what differs, where, and both numbers.

    >>> import pytest; jnp = pytest.importorskip("jax.numpy")
    >>> assert_same_as_jax(lambda x: np.sin(x) * x, lambda x: jnp.sin(x) * x, (np.array([1.0, 2.0]),))
    """
    jax = import_package("jax", "assert_same_as_jax")

    def jax_vjp(*arguments: Tree) -> tuple[Tree, Callable[[Tree], tuple[Tree, ...]]]:
        leaves, spec = tree_flatten(arguments)
        structure: list[Any] = []

        def flat(*arrays: Any) -> list[Any]:
            y_leaves, y_spec = tree_flatten(jax_f(*tree_unflatten(spec, arrays)))
            structure.append(y_spec)
            return y_leaves

        # Leaves alone, because JAX does not know attrs classes.
        y, pull = jax.vjp(flat, *map(jax.numpy.asarray, leaves))

        def pullback(y_bar: Tree) -> tuple[Tree, ...]:
            pulled = pull([jax.numpy.asarray(leaf) for leaf in tree_leaves(y_bar)])
            return _as_tuple(tree_unflatten(spec, [np.asarray(bar)[()] for bar in pulled]))

        return tree_unflatten(structure[-1], [np.asarray(leaf)[()] for leaf in y]), pullback

    with _in_double(jax):
        assert_same_as_peer("assert_same_as_jax", f, jax_vjp, "JAX", args, tolerance)


def _in_double(jax: Any) -> contextlib.AbstractContextManager[Any]:
    """Return JAX's own context for 64-bit numbers, whose place differs between versions."""
    experimental = import_package("jax.experimental", "assert_same_as_jax")
    context: contextlib.AbstractContextManager[Any] = (
        jax.enable_x64(True) if hasattr(jax, "enable_x64") else experimental.enable_x64()
    )
    return context


def _as_tuple(gradients: Tree) -> tuple[Tree, ...]:
    """Return the gradients of a tuple of arguments as the tuple that they are."""
    return tuple(gradients)
