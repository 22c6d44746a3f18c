"""Links of sums of products: of a constant factor its zeros count, of one that varies nothing is known."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapenet.core.record import Shape
from tapenet.transforms.sparse.links import Groups, Link, Pairs
from tapenet.transforms.sparse.required import sparse
from tapenet.transforms.sparse.selections import windows
from tapenet.transforms.sparse.steps import UNKNOWN, Step, numbers

MOST_PAIRS = 50_000_000  # of a link; beyond it the zeros of a constant factor do not count


# ---- einsum and the matrix products ----


def einsum(step: Step, index: int) -> Link:
    """Return the link of an operand of an einsum."""
    return contraction(step, index, step.parameters["labels"], step.parameters["out"])


def matmul(step: Step, index: int) -> Link:
    """Return the link of an operand of a product of stacks of matrices."""
    ndim = max(map(len, step.shapes)) - 2
    stack = string.ascii_letters[3 : 3 + ndim]
    x, y = (stack[ndim + 2 - len(shape) :] for shape in step.shapes)
    return contraction(step, index, (f"{x}ab", f"{y}bc"), f"{stack}ac")


def matvec(step: Step, index: int) -> Link:
    """Return the link of an operand of a product of a matrix and a vector."""
    return contraction(step, index, ("ab", "b"), "a")


def affine(step: Step, index: int) -> Link:
    """Return the link of an operand of `x @ kernel + bias`."""
    if index == 2:
        return contraction(step, index, ("ab", "bc", "c"), "ac", with_constants=False)
    return contraction(step, index, ("ab", "bc", "c"), "ac", with_constants=step.constants[1 - index] is not UNKNOWN)


def contraction(step: Step, index: int, labels: Sequence[str], out: str, *, with_constants: bool | None = None) -> Link:
    """Return the link of an operand of a sum of products over labelled axes."""
    others = [i for i in range(min(2, len(labels))) if i != index]
    known = len(labels) == 2 and step.constants[others[0]] is not UNKNOWN if with_constants is None else with_constants
    own, shape = labels[index], step.shapes[index]
    lengths = _lengths(labels, step.shapes)
    if known and lengths is not None:
        factor = np.asarray(step.constants[others[0]])
        found = _by_constant(own, shape, labels[others[0]], factor, out, lengths)
        if found is not None:
            return Pairs(*found, step.size)
    unique = "".join(dict.fromkeys(own))
    source = np.einsum(numbers(shape), [*map(ord_of, own)], [*map(ord_of, unique)])
    kept = [label if label in out else "" for label in unique]
    group = numbers(tuple(n if label else 1 for label, n in zip(kept, source.shape, strict=True)))
    of_source = np.full(math.prod(shape), -1)
    of_source[source.ravel()] = np.broadcast_to(group, source.shape).ravel()
    # The axes of `group` in the order of `out`, and one of length 1 for each label that the operand lacks.
    present = [unique.index(label) for label in out if label in unique]
    summed = [i for i, label in enumerate(kept) if not label]
    arranged = group.transpose(present + summed).reshape([group.shape[i] for i in present])
    for place, label in enumerate(out):
        if label not in unique:
            arranged = np.expand_dims(arranged, place)
    return Groups(of_source, np.broadcast_to(arranged, step.out_shape).ravel(), group.size)


def ord_of(label: str) -> int:
    """Return a label as the number that einsum takes."""
    return string.ascii_letters.index(label)


def _lengths(labels: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int] | None:
    """Return the length of each label; None where one is broadcast."""
    lengths: dict[str, int] = {}
    for label, n in (
        (a, n) for own, shape in zip(labels, shapes, strict=True) for a, n in zip(own, shape, strict=True)
    ):
        if lengths.setdefault(label, n) != n:
            return None
    return lengths


def _by_constant(
    own: str, shape: Shape, of_factor: str, factor: Any, out: str, lengths: dict[str, int]
) -> tuple[Any, Any] | None:
    """Return the pairs of an operand beside one constant factor, whose zeros count; None where they are too many."""
    unique, others = "".join(dict.fromkeys(own)), "".join(dict.fromkeys(of_factor))
    nonzero = np.einsum(factor != 0, [*map(ord_of, of_factor)], [*map(ord_of, others)]) if others else factor != 0
    at = np.nonzero(nonzero) if others else ()
    count = len(at[0]) if others else int(bool(nonzero))
    free = [label for label in unique if label not in others]
    grid = [lengths[label] for label in free]
    if count * math.prod(grid) > MOST_PAIRS:
        return None
    places = dict(zip(others, (a.reshape(-1, *[1] * len(free)) for a in at), strict=True))
    for i, label in enumerate(free):
        places[label] = np.arange(lengths[label]).reshape([1, *(-1 if j == i else 1 for j in range(len(free)))])
    source = np.einsum(numbers(shape), [*map(ord_of, own)], [*map(ord_of, unique)])
    full = (count, *grid)
    from_place = source[tuple(places[label] for label in unique)] if unique else source
    to_place = np.zeros((), np.intp)
    for label in out:
        to_place = to_place * lengths[label] + places[label]
    return np.broadcast_to(to_place, full).ravel(), np.broadcast_to(from_place, full).ravel()


def sparse_matmul(step: Step, index: int) -> Link:
    """Return the link of the product with a constant matrix of scipy.sparse."""
    matrix = sparse.coo_array(step.parameters["matrix"].matrix)
    width = math.prod(step.shapes[0][1:])
    columns = np.arange(width)
    out = matrix.row[:, None].astype(np.intp) * width + columns
    source = matrix.col[:, None].astype(np.intp) * width + columns
    return Pairs(out.ravel(), source.ravel(), step.size)


# ---- convolutions: three operations of one trilinear form, sum of x[a] k[b] y[c] over triples (a, b, c) ----

Triples = tuple[Any, Any, Any]


def _of_triples(step: Step, triples: Triples, roles: tuple[int, int, int], index: int) -> Link:
    """Return the link of an operand.

    Args:
        step: the operation.
        triples: the numbers of the elements whose product is a term.
        roles: which of the three the first operand, the second and the output are.
        index: the operand's.
    """
    own, other, out = triples[roles[index]], triples[roles[1 - index]], triples[roles[2]]
    factor = step.constants[1 - index]
    if factor is not UNKNOWN:
        counts = np.asarray(factor).ravel()[other] != 0
        own, out = own[counts], out[counts]
    return Pairs(out, own, step.size)


def convolution(step: Step, index: int) -> Link:
    """Return the link of an operand of `conv`, `conv_bias` or one of their transposes."""
    shapes = step.shapes
    match step.primitive.name:
        case "conv_input":
            return _of_triples(step, _image_triples(step, step.out_shape, shapes[1], shapes[0]), (2, 1, 0), index)
        case "conv_kernel":
            return _of_triples(step, _image_triples(step, shapes[0], step.out_shape, shapes[1]), (0, 2, 1), index)
    if index == 2:  # the bias
        n = shapes[2][0]
        return Groups(np.arange(n), np.broadcast_to(np.arange(n), step.out_shape).ravel(), n)
    return _of_triples(step, _image_triples(step, shapes[0], shapes[1], step.out_shape), (0, 1, 2), index)


def _image_triples(step: Step, x_shape: Shape, kernel_shape: Shape, y_shape: Shape) -> Triples:
    """Return the numbers of the elements of x, kernel and y whose products are the terms of a convolution."""
    of = step.parameters
    place, inside = windows(x_shape, y_shape, kernel_shape[:2], of["stride"], of["padding"], of["dilation"])
    (count, height, width, channels), (_, _, depth, outputs) = x_shape, kernel_shape
    block = outputs // of["groups"]
    # Axes: image, window's row and column, tap's row and column, the kernel's input channel, output channel.
    images = np.arange(count).reshape(-1, 1, 1, 1, 1, 1, 1)
    first = np.arange(outputs) // block * depth if block else np.zeros(outputs, np.intp)
    channel = first + np.arange(depth)[:, None]
    x = (images * (height * width) + place[None, ..., None, None]) * channels + channel
    k = np.broadcast_to(numbers(kernel_shape), x.shape)
    y = np.broadcast_to(numbers(y_shape)[:, :, :, None, None, None, :], x.shape)
    keep = np.broadcast_to(inside[None, ..., None, None], x.shape)
    return x[keep], k[keep], y[keep]


def vectors(step: Step, index: int) -> Link:
    """Return the link of an operand of `convolve` or `slide`."""
    if step.primitive.name == "convolve":
        x, y = np.meshgrid(*(np.arange(shape[0]) for shape in step.shapes), indexing="ij")
        triples = (x.ravel(), y.ravel(), (x + y).ravel())
    else:
        z, y = np.meshgrid(np.arange(step.out_shape[0]), np.arange(step.shapes[1][0]), indexing="ij")
        triples = ((z + y).ravel(), y.ravel(), z.ravel())
    return _of_triples(step, triples, (0, 1, 2), index)
