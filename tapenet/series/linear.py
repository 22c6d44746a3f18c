"""Series of linear and multilinear operations: one rule for all of them, as what a pushforward reads says enough."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.core.families import constant_rule
from tapenet.core.primitive import Array, Primitive, bind
from tapenet.core.record import Parameters
from tapenet.core.recorder import compute
from tapenet.series.arithmetic import Coefficient, Series, is_complex, is_constant, mapped, product_of, total

# Functions whose pushforwards read an operand or the output to find the piece that they are linear in.
PIECEWISE_LINEAR = frozenset(
    "assemble clip clip_through copysign fabs fmax fmin fmod heaviside max max_pool maximum min minimum nanmax nanmin "
    "relu remainder".split()
)


def of_family(primitive: Primitive, operands: Sequence[Series], parameters: Parameters) -> Series | None:
    """Return the series of the output of a linear or multilinear operation; None of another one."""
    active = [i for i, x in enumerate(operands) if not is_constant(x)]
    if primitive.is_users:
        return None
    if primitive.name in PIECEWISE_LINEAR and not any(is_complex(x[0]) for x in operands):
        return linearized(primitive, operands, active, parameters, reads_all=True)
    if primitive.family in ("linear", "multilinear") and all(primitive.pushforwards[i] for i in active):
        return multilinear(primitive, operands, active, parameters)
    return linearized(primitive, operands, active, parameters) if _is_linear(primitive, active) else None


def kind_of_family(primitive: Primitive) -> str:
    """Return in a word which of the rules of this module serves an operation in all its operands; "" for none."""
    if primitive.name in PIECEWISE_LINEAR:
        return "pieces"
    if primitive.family in ("linear", "multilinear"):
        return primitive.family
    differentiable = [i for i, pushforward in enumerate(primitive.pushforwards) if pushforward]
    return "linear" if _is_linear(primitive, differentiable or [0]) else ""


# ---- pushforwards that read no operand that changes: the operation is linear in those that do ----


def _is_linear(primitive: Primitive, active: Sequence[int]) -> bool:
    if primitive.joint_pushforward is not None:
        reads = primitive.joint_reads
        reads_active = reads == "all" or (reads == "others" and len(active) > 1)
        reads_active = reads_active or (isinstance(reads, int) and any(i >= reads for i in active))
        return not reads_active and not primitive.joint_reads_out
    read = frozenset[int]().union(*(primitive.reads[i] for i in active))
    return all(primitive.pushforwards[i] for i in active) and not read & {*active, len(primitive.operands)}


def linearized(
    primitive: Primitive,
    operands: Sequence[Series],
    active: Sequence[int],
    parameters: Parameters,
    *,
    reads_all: bool = False,
) -> Series:
    """Return the series of an operation by its pushforward of each coefficient.

    Args:
        reads_all: whether the pushforwards read operands that change, or the output, to choose a piece.
    """
    values = [x[0] for x in operands]
    out, residual = compute(primitive, values, parameters)
    held = values if reads_all else [None if i in active else value for i, value in enumerate(values)]
    kept = (*held, out if reads_all else None, *residual)
    shapes = [None if type(value) is tuple else np.shape(value) for value in values]
    joint = primitive.joint_pushforward
    slots = tuple(0 if i in active else None for i in range(len(values)))

    def pushed(k: int) -> Coefficient:
        if joint is not None:
            tangents = [x[k] for x in operands]
            return None if all(t is None for t in tangents) else joint(tangents, slots, kept, parameters, shapes)
        terms = [_pushed(primitive, i, operands[i][k], kept, parameters, shapes[i]) for i in active]
        found = None
        for term in terms:
            found = term if found is None else found if term is None else found + term
        return found

    return [out, *(pushed(k) for k in range(1, len(operands[0])))]


def _pushed(primitive: Primitive, i: int, t: Coefficient, kept: Any, parameters: Parameters, shape: Any) -> Coefficient:
    pushforward = primitive.pushforwards[i]
    assert pushforward is not None
    return None if t is None or pushforward is constant_rule else pushforward(t, kept, parameters, shape)


# ---- multilinear: Cauchy's rule ----


def multilinear(
    primitive: Primitive, operands: Sequence[Series], active: Sequence[int], parameters: Parameters
) -> Series:
    """Return the series of an operation that is linear in each of its active operands."""
    values = [x[0] for x in operands]

    def apply(*coefficients: Array) -> Array:
        for i, c in zip(active, coefficients, strict=True):
            values[i] = c
        return bind(primitive, values, parameters)

    if len(active) == 1:
        return mapped(apply, operands[active[0]])
    if len(active) == 2:
        return product_of(apply, operands[active[0]], operands[active[1]])
    series = [operands[i] for i in active]
    return [_term(apply, series, k) for k in range(len(series[0]))]


def _term(apply: Any, series: Sequence[Series], k: int) -> Coefficient:
    """Return the sum of the products whose orders add up to k."""
    picked = ([x[i] for x, i in zip(series, orders, strict=True)] for orders in _orders(len(series), k))
    return total(apply(*coefficients) for coefficients in picked if all(c is not None for c in coefficients))


def _orders(count: int, total_order: int) -> Iterator[tuple[int, ...]]:
    """Return all tuples of `count` orders that add up to `total_order`."""
    for bars in itertools.combinations(range(total_order + count - 1), count - 1):
        ends = (-1, *bars, total_order + count - 1)
        yield tuple(after - before - 1 for before, after in itertools.pairwise(ends))
