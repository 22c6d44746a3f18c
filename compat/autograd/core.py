"""autograd's core: pullbacks and pushforwards of functions of one argument, and rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from compat.autograd.basics import func as func, subval as subval, toposort as toposort
from compat.autograd.boxes import Box as Box, getval as getval, isbox as isbox
from compat.autograd.rules import (
    def_linear as def_linear,
    defjvp as defjvp,
    defjvp_argnum as defjvp_argnum,
    defjvp_argnums as defjvp_argnums,
    defvjp as defvjp,
    defvjp_argnum as defvjp_argnum,
    defvjp_argnums as defvjp_argnums,
    primitive_jvps as primitive_jvps,
    primitive_vjps as primitive_vjps,
    primitive_with_deprecation_warnings as primitive_with_deprecation_warnings,
    sum_outgrads as sum_outgrads,
)
from compat.autograd.tracer import EndNode, Node, is_start, root_of, trace as trace
from compat.autograd.vspaces import SparseObject as SparseObject, VSpace as VSpace, vspace as vspace
from tapenet.transforms.recording import gradient_by_leaf, is_leaf_of_floats, run_recorded

primitive = primitive_with_deprecation_warnings

INDEPENDENT = "Output seems independent of input."


def make_vjp(fun: Callable[..., Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """Return the pullback of a function at x, and its value there."""
    x = floating(x)
    connected = _Connected(fun)
    ans, pullback = tn.vjp(connected, x)
    if not connected.found:
        warnings.warn(INDEPENDENT, stacklevel=3)
        return lambda g: vspace(x).zeros(), ans
    return lambda g: pullback(_like(g, ans))[0], ans


def value_and_sum(fun: Callable[..., Any], x: Any, check: Callable[[Any], None]) -> tuple[Any, Any]:
    """Return the value of a function at x, which is checked, and the pullback of ones."""
    x = floating(x)
    if is_leaf_of_floats(x):
        found = gradient_by_leaf("grad", fun, 0, (x,), {}, of_sum=True)
        if isinstance(found, tuple):
            check(found[0])
            return found
    else:
        found = run_recorded("grad", fun, (x,), {}, (0,), False)
    ans = found.value
    check(ans)
    if not any(type(leaf) is tn.Tensor and leaf.owner is found.trace for leaf in tn.tree.leaves(found.y)):
        warnings.warn(INDEPENDENT, stacklevel=4)
        return ans, vspace(x).zeros()
    return ans, found.vjp(tn.tree.leaves(vspace(ans).ones()))[0]


def make_jvp(fun: Callable[..., Any], x: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return a function of a tangent of x: the function's value, and its derivative along it."""
    x = floating(x)

    def push(g: Any) -> tuple[Any, Any]:
        connected = _Connected(fun)
        ans, tangent = tn.jvp(connected, (x,), (_like(floating(g), x),))
        if not connected.found:
            warnings.warn(INDEPENDENT, stacklevel=3)
        return ans, tangent

    return push


class _Connected:
    """A function that notes whether its value is on the tape of its argument."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun, self.found = fun, False

    def __call__(self, x: Any) -> Any:
        y = self.fun(x)
        if type(x) is tn.Tensor and type(y) is tn.Tensor:
            self.found = y.owner is x.owner
            return y
        tapes = {id(leaf.owner) for leaf in tn.tree.leaves(x) if type(leaf) is tn.Tensor}
        self.found = any(type(leaf) is tn.Tensor and id(leaf.owner) in tapes for leaf in tn.tree.leaves(y))
        return y


def floating(x: Any) -> Any:
    """Return x with integers as float64: autograd differentiates by them, too."""
    return _floating(x) if isinstance(x, np.ndarray | tn.Tensor | float) else tn.tree.map(_floating, x)


def _floating(x: Any) -> Any:
    if isinstance(x, int | np.integer) or (isinstance(x, np.ndarray) and x.dtype.kind in "iub"):
        return np.asarray(x, np.float64)[()]
    return x


def _like(g: Any, y: Any) -> Any:
    """Return a cotangent, spread where one number stands for an array, in the dtype of y."""
    return tn.tree.map(_leaf_like, g, y)


def _leaf_like(g: Any, y: Any) -> Any:
    shape = y.shape if hasattr(y, "shape") else np.shape(y)
    g = g if hasattr(g, "dtype") else np.asarray(g)[()]
    if g.shape != shape:
        g = tnp.broadcast_to(g, shape)
    return g.astype(np.float64) if g.dtype.kind in "iub" else g


# ---- by hand ----


class VJPNode(Node):
    """The root of a box of `new_box`, for `backward_pass`."""

    __slots__ = ()

    def initialize_root(self) -> None:
        """Do nothing: the box's tape has all there is."""


class JVPNode(Node):
    """A root that holds a tangent.

    Attributes:
        g: the tangent.
    """

    __slots__ = ("g",)

    def initialize_root(self, g: Any) -> None:
        """Keep the tangent."""
        self.g = g


def backward_pass(g: Any, end_node: EndNode) -> Any:
    """Return the cotangent of a box of `new_box`, by that of a box computed from it, `end_node = y._node`."""
    tape, start = root_of(end_node.box)
    if tape.is_open:
        tape.__exit__(None, None, None)
    if isinstance(g, tn.Tensor) and is_start(g):
        g = tape.as_cotangent(g)
    return tape.gradient(end_node.box, start, output_gradients=_like(g, end_node.box), unconnected="zero")
