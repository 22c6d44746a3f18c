"""Apply an elementwise update rule to one parameter, its gradient and what the optimizer remembers of it.

A rule is plain arithmetic on arrays of one floating dtype. For NumPy arrays it runs on one stretch of memory
after another, each small enough that its intermediate results stay in the processor's cache; for anything
else, such as Tensors, it runs once on the whole.

A complex number counts as two real ones. Gradients are those of `tapenet.grad`, which are not conjugated:
the direction of steepest ascent is their conjugate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.optim.checks import dtype_of

Array = Any
Rule = Callable[..., tuple[Array, ...]]

# 128 KiB: ten such stretches, as Adam works with, fit into a level-2 cache of 1 to 2 MiB.
BLOCK_BYTES = 1 << 17


def is_plain(value: Any) -> bool:
    """Whether a value is NumPy's or Python's own, and not on a tape or another library's."""
    return isinstance(value, np.ndarray | np.generic | int | float | complex)


def working_dtype(leaf: Array) -> np.dtype[Any]:
    """The dtype to compute in and to remember in: that of the leaf, but at least single precision.

    In half precision the square of a gradient of 1e-4 is zero already, and so is an `eps` of 1e-8.
    """
    return np.result_type(dtype_of(leaf), np.float32)


def zeros_for(leaf: Array) -> Array:
    """An array of zeros of the shape of a parameter, to start a state with."""
    if is_plain(leaf):
        return np.zeros(np.shape(leaf), working_dtype(leaf))
    return np.zeros_like(leaf, dtype=working_dtype(leaf))


def apply_rule(rule: Rule, in_blocks: bool, parameter: Array, gradient: Array, *slots: Array) -> tuple[Array, ...]:
    """Apply a rule to one leaf: `(parameter, *slots)` after the update.

    Args:
        rule: `(parameter, gradient, *slots) -> (parameter, *slots)` on real arrays, elementwise and pure.
        in_blocks: whether the rule may get NumPy arrays piece by piece, and gives their dtype back.
        parameter: array or scalar of any floating or complex dtype.
        gradient: array or scalar of the same shape.
        slots: arrays of the same shape.
    """
    arrays = (parameter, gradient, *slots)
    if in_blocks and all(map(is_plain, arrays)):
        return _apply_in_blocks(rule, *arrays)
    return _apply_whole(rule, *arrays)


def _apply_in_blocks(rule: Rule, parameter: Array, gradient: Array, *slots: Array) -> tuple[Array, ...]:
    """Apply a rule to NumPy arrays: `(parameter, *slots)` after the update, all in new memory."""
    working = working_dtype(parameter)
    real = np.finfo(working).dtype
    shape = np.shape(parameter)
    inputs = [np.asarray(array).reshape(-1) for array in (parameter, gradient, *slots)]
    outputs = [np.empty(shape, dtype_of(parameter)), *(np.empty(shape, working) for _ in slots)]
    flat_outputs = [output.reshape(-1) for output in outputs]
    length = BLOCK_BYTES // working.itemsize
    for start in range(0, inputs[0].size, length):
        block = slice(start, start + length)
        blocks = [array[block].astype(working, copy=False) for array in inputs]
        if working.kind == "c":
            blocks[1] = np.conjugate(blocks[1])
        results = rule(*(array.view(real) for array in blocks))
        for output, result in zip(flat_outputs, results, strict=True):
            output[block] = result.view(working)
    if not isinstance(parameter, np.ndarray):
        return outputs[0][()], *outputs[1:]
    return tuple(outputs)


def _apply_whole(rule: Rule, parameter: Array, gradient: Array, *slots: Array) -> tuple[Array, ...]:
    """Apply a rule by arithmetic alone: what `_apply_in_blocks` gives, for arrays of any kind."""
    working = working_dtype(parameter)
    arrays = [_as_dtype(array, working) for array in (parameter, gradient, *slots)]
    if working.kind == "c":
        imaginary = [array.imag for array in arrays]
        imaginary[1] = -imaginary[1]
        pairs = zip(rule(*(array.real for array in arrays)), rule(*imaginary), strict=True)
        results = tuple(x + 1j * y for x, y in pairs)
    else:
        results = rule(*arrays)
    return _as_dtype(results[0], dtype_of(parameter)), *(_as_dtype(result, working) for result in results[1:])


def _as_dtype(array: Array, dtype: np.dtype[Any] | None) -> Array:
    if is_plain(array):
        return np.asarray(array, dtype)
    return array if array.dtype == dtype else array.astype(dtype)
