"""Contractions in Einstein's notation of two arrays, as stacks of matrix products.

NumPy's `einsum` calls BLAS only where no label that the operands share is kept. With one, as of heads in attention,
it takes ten times as long as the products.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapenet.kernels.products import matmul

# Multiplications of a matrix product from which on stacks of them are faster than NumPy's loops, and of all.
LEAST_OF_ONE, LEAST = 2**9, 2**13


def stacked_products(x: Any, y: Any, labels: tuple[str, str], out: str) -> Any | None:
    """Compute `np.einsum` as a stack of products of matrices; None where it is none, or a small one.

    Args:
        x, y: arrays of one dtype.
        labels: of their axes.
        out: the labels of the result.
    """
    a, b = labels
    stack = [i for i in out if i in a and i in b]
    rows, columns = ([i for i in out if i in own and i not in stack] for own in (a, b))
    inner = [i for i in a if i in b and i not in out]
    if not (stack and rows and columns and inner) or (len(a), len(b)) != (len({*a}), len({*b})):
        return None
    if {*a} != {*stack, *rows, *inner} or {*b} != {*stack, *columns, *inner} or x.dtype != y.dtype:
        return None
    sizes = dict(zip(a, x.shape, strict=True))
    if x.dtype.char not in "fdFD" or any(sizes.setdefault(i, n) != n for i, n in zip(b, y.shape, strict=True)):
        return None

    def shape(*groups: list[str]) -> tuple[int, ...]:
        return tuple([sizes[i] for i in stack] + [math.prod([sizes[i] for i in group]) for group in groups])

    one = math.prod(shape(rows, inner, columns)[len(stack) :])
    if one < LEAST_OF_ONE or one * math.prod(shape()) < LEAST:
        return None
    first = x.transpose([a.index(i) for i in (*stack, *rows, *inner)]).reshape(shape(rows, inner))
    second = y.transpose([b.index(i) for i in (*stack, *inner, *columns)]).reshape(shape(inner, columns))
    order = [*stack, *rows, *columns]
    found = matmul(first, second).reshape([sizes[i] for i in order])
    return np.ascontiguousarray(found.transpose([order.index(i) for i in out]))
