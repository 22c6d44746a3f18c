"""Functions of higher layers that the core calls, so that imports run from operations to the core alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Provided:
    """Functions of higher layers, which `tapenet/__init__.py` sets.

    Attributes:
        array: a nested list or tuple that holds Tensors, as one Tensor.
        with_ufunc_keywords: `(name, function, operands, keywords)`, a function applied as a ufunc with these keywords.
        tape_of: the GradientTape of a trace, None for a trace that is not a tape's.
        is_large: whether an array is so large that its results are worth memory that is used again.
        pooled: an elementwise function with large results in such memory.
        scan: a loop whose body is recorded once.
        scipy: imports `tapenet.scipy`.
        compile: the transform of `tapenet.program`, for functions that offer to compile what they compute.
        jvp, vjp: the transforms, for the few rules that differentiate a function rather than state its derivative.
    """

    array: Callable[..., Any]
    with_ufunc_keywords: Callable[..., Any]
    tape_of: Callable[..., Any]
    is_large: Callable[[Any], bool]
    pooled: Callable[..., Callable[..., Any]]
    scan: Callable[..., Any]
    scipy: Callable[[], Any]
    compile: Callable[..., Any]
    jvp: Callable[..., Any]
    vjp: Callable[..., Any]


provided = Provided()
