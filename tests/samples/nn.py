"""Samples of the primitives that do at once what several would do together."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tapenet.core.primitive import Primitive
from tapenet.ops.linalg.sparse_products import SparseMatrix
from tests.samples.core import GEOMETRY, Sample, sample
from tests.samples.drawing import Draw, numbers


@sample("conv_bias")
def _conv_bias(draw: Draw, primitive: Primitive) -> Sample:
    geometry = draw(GEOMETRY)
    size = (draw(st.integers(4, 5)), draw(st.integers(4, 5)))
    window = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    x, kernel = numbers(draw, (2, *size, 2)), numbers(draw, (*window, 2 // geometry["groups"], 2))
    return Sample(lambda *arrays: primitive(*arrays, **geometry), (x, kernel, numbers(draw, (2,))))


@sample("affine")
def _affine(draw: Draw, primitive: Primitive) -> Sample:
    n, k, m = (draw(st.integers(1, 3)) for _ in range(3))
    return Sample(primitive, (numbers(draw, (n, k)), numbers(draw, (k, m)), numbers(draw, (m,))))


@sample("matvec")
def _matvec(draw: Draw, primitive: Primitive) -> Sample:
    n, k = (draw(st.integers(1, 3)) for _ in range(2))
    return Sample(primitive, (numbers(draw, (n, k)), numbers(draw, (k,))))


@sample("sparse_matmul")
def _sparse_matmul(draw: Draw, primitive: Primitive) -> Sample:
    n, k = (draw(st.integers(1, 3)) for _ in range(2))
    matrix = SparseMatrix(numbers(draw, (n, k)))  # it needs `@` and `T` alone, which an array has too
    shape = draw(st.sampled_from([(k,), (k, 2)]))
    return Sample(lambda x: primitive(x, matrix=matrix), (numbers(draw, shape),))


@sample("softmax", "log_softmax")
def _softmax(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(hnp.array_shapes(max_dims=3, max_side=3))
    axis = draw(st.integers(0, len(shape) - 1))
    return Sample(lambda x: primitive(x, axis=(axis,)), (numbers(draw, shape),))
