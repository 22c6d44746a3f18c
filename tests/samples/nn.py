"""Samples of the primitives that do at once what several would do together."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tapenet.numpy as tnp
from tapenet.core.primitive import REGISTRY, Primitive
from tapenet.ops.linalg.sparse_products import SparseMatrix
from tests.samples.core import GEOMETRY, Sample, sample
from tests.samples.drawing import Array, Draw, numbers


@sample("conv_bias")
def _conv_bias(draw: Draw, primitive: Primitive) -> Sample:
    geometry = draw(GEOMETRY)
    size = (draw(st.integers(4, 5)), draw(st.integers(4, 5)))
    window = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    x, kernel = numbers(draw, (2, *size, 2)), numbers(draw, (*window, 2 // geometry["groups"], 2))
    return Sample(lambda *arrays: primitive(*arrays, **geometry), (x, kernel, numbers(draw, (2,))))


def _undone(primitive: Primitive) -> Primitive:
    """The primitive that one is the pullback of."""
    return REGISTRY[primitive.name.removesuffix("_pullback")]


def _sequences(draw: Draw, name: str) -> tuple[list[Array], Array | None]:
    """The operands of a recurrent loop over one step or two, and a mask or None."""
    steps, n, c, h = (draw(st.integers(1, 2)) for _ in range(4))
    loop = name.split("_")[0]
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[loop]
    states = 2 if loop == "lstm" else 1
    shapes = [(steps, n, c), *[(n, h)] * states, (c, gates * h), (h, gates * h), (gates * h,)]
    shapes += [(h,)] if loop == "gru" else []
    mask = draw(st.sampled_from([None, np.arange(steps * n).reshape(steps, n) % 3 != 1]))
    return [numbers(draw, shape, -1, 1, 20 * i) for i, shape in enumerate(shapes)], mask


@sample("rnn_sequence", "gru_sequence", "lstm_sequence")
def _recurrent(draw: Draw, primitive: Primitive) -> Sample:
    arrays, mask = _sequences(draw, primitive.name)
    outputs = 2 if "lstm" in primitive.name else 1
    return Sample(lambda *operands: tnp.concatenate(primitive(*operands, mask)[:outputs], 0), tuple(arrays))


@sample("rnn_sequence_pullback", "gru_sequence_pullback", "lstm_sequence_pullback")
def _recurrent_pullback(draw: Draw, primitive: Primitive) -> Sample:
    arrays, mask = _sequences(draw, primitive.name)
    (steps, n, _), h = arrays[0].shape, arrays[1].shape[1]
    bars = [numbers(draw, (steps, n, h), -1, 1, 200 + i) for i in range(2 if "lstm" in primitive.name else 1)]
    count = len(arrays)

    def joined(*operands: Array) -> Array:
        given = _undone(primitive)(*operands[:count], mask)
        bars = operands[count:]
        pulled = primitive(*operands[:count], mask, *given, *bars, wanted=(True,) * count)
        return tnp.concatenate([x.ravel() for x in pulled])

    return Sample(joined, (*arrays, *bars))


def _heads(draw: Draw) -> tuple[list[Array], Array | None, dict[str, bool]]:
    """Queries, keys and values of an example and head or two, a mask or None, and parameters."""
    n, heads, queries, keys, features, outputs = (draw(st.integers(1, 2)) for _ in range(6))
    shapes = [(n, heads, queries, features), (n, heads, keys, features), (n, heads, keys, outputs)]
    places = np.arange(n * heads * queries * keys).reshape(n, heads, queries, keys)
    mask = draw(st.sampled_from([None, places % 3 != 1]))
    arrays = [numbers(draw, shape, -1, 1, 30 * i) for i, shape in enumerate(shapes)]
    return arrays, mask, {"causal": draw(st.booleans())}


def _rows(draw: Draw) -> list[Array]:
    """Rows, a scale and an offset."""
    n, c = draw(st.integers(2, 3)), draw(st.integers(2, 3))
    return [numbers(draw, shape, -2, 2, 60 * i) for i, shape in enumerate(((n, c), (c,), (c,)))]


@sample("batch_norm", "layer_norm")
def _norms(draw: Draw, primitive: Primitive) -> Sample:
    def joined(*arrays: Array) -> Array:
        outputs = 3 if primitive.name == "batch_norm" else 1
        return tnp.concatenate([x.ravel() for x in primitive(*arrays, None, eps=0.5)[:outputs]])

    return Sample(joined, tuple(_rows(draw)))


@sample("batch_norm_pullback", "layer_norm_pullback")
def _norms_pullback(draw: Draw, primitive: Primitive) -> Sample:
    x, scale, offset = _rows(draw)
    shapes = [x.shape, *([scale.shape] * 2 if "batch" in primitive.name else [])]
    bars = [numbers(draw, shape, -1, 1, 200 + i) for i, shape in enumerate(shapes)]

    def joined(x: Array, scale: Array, *bars: Array) -> Array:
        given = _undone(primitive)(x, scale, offset, None, eps=0.5)
        pulled = primitive(x, scale, offset, None, *given, *bars, wanted=(True,) * 3, eps=0.5)
        return tnp.concatenate([y.ravel() for y in pulled])

    return Sample(joined, (x, scale, *bars))


@sample("attention")
def _attention(draw: Draw, primitive: Primitive) -> Sample:
    arrays, mask, parameters = _heads(draw)
    return Sample(lambda *operands: primitive(*operands, mask, **parameters)[0], tuple(arrays))


@sample("attention_pullback")
def _attention_pullback(draw: Draw, primitive: Primitive) -> Sample:
    (q, k, v), mask, parameters = _heads(draw)
    bar = numbers(draw, (*q.shape[:3], v.shape[3]), -1, 1, 200)

    def joined(q: Array, k: Array, v: Array, bar: Array) -> Array:
        given = _undone(primitive)(q, k, v, mask, **parameters)
        pulled = primitive(q, k, v, mask, *given, bar, wanted=(True,) * 3, **parameters)
        return tnp.concatenate([x.ravel() for x in pulled])

    return Sample(joined, (q, k, v, bar))


def _spelled(draw: Draw) -> tuple[Array, Array]:
    """Logits of two examples of two classes and the blank, and what they spell: a label or two, steps, a length."""
    targets = np.array([[1, draw(st.integers(1, 2)), 3, 2], [2, 1, draw(st.integers(2, 3)), draw(st.integers(0, 1))]])
    return numbers(draw, (2, 3, 3), -1, 1), targets


@sample("ctc")
def _ctc(draw: Draw, primitive: Primitive) -> Sample:
    logits, targets = _spelled(draw)
    return Sample(lambda x: primitive(x, targets, blank=0)[0], (logits,))


@sample("ctc_pullback")
def _ctc_pullback(draw: Draw, primitive: Primitive) -> Sample:
    logits, targets = _spelled(draw)

    def pulled(x: Array, bar: Array) -> Array:
        given = _undone(primitive)(x, targets, blank=0)
        return primitive(x, targets, *given, bar, wanted=(True,), blank=0)[0]

    return Sample(pulled, (logits, numbers(draw, (2,), -1, 1, 200)))


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
