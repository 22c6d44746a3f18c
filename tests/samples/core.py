"""A sample strategy for each primitive: a function of arrays that applies it, and arrays to apply it to.

A primitive without one fails the collection of the tests that run over the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tapenet.nn  # noqa: F401  # declares the primitives of neural networks
from tapenet.core.primitive import REGISTRY, Primitive
from tapenet.ops.arrays.indexing import ARRAY, Slice
from tapenet.testing import strategies
from tests.samples.drawing import Array, Draw, complex_numbers, distinct, integers, numbers, off_grid


@attrs.frozen(eq=False)
class Sample:
    """A function of arrays, and float64 or complex128 arrays to apply it to."""

    function: Callable[..., Array]
    arrays: tuple[Array, ...]

    def __repr__(self) -> str:
        return f"Sample(arrays={self.arrays!r})"


SAMPLES: dict[str, st.SearchStrategy[Sample]] = {}

shapes = strategies.shapes()


def pair_of_shapes(draw: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    x_shape, y_shape = draw(strategies.broadcastable_shapes())
    return x_shape, y_shape


def sample(*names: str) -> Callable[[Callable[[Draw, Primitive], Sample]], None]:
    """Register a function from `draw` and the primitive to a sample, for each of these primitives."""

    def register(build: Callable[[Draw, Primitive], Sample]) -> None:
        for name in names:

            @st.composite
            def strategy(draw: Draw, name: str = name) -> Sample:
                return build(draw, REGISTRY[name])

            SAMPLES[name] = strategy()

    return register


# ---- elementwise, one operand: the interval they are smooth on, and whether they take complex numbers ----

INTERVALS: dict[str, tuple[float, float, bool]] = {
    "negative": (-2, 2, True),
    "positive": (-2, 2, True),
    "reciprocal": (0.4, 2, True),
    "square": (-2, 2, True),
    "sqrt": (0.3, 3, True),
    "cbrt": (0.3, 3, False),
    "exp": (-2, 2, True),
    "exp2": (-2, 2, False),
    "expm1": (-2, 2, True),
    "log": (0.3, 3, True),
    "log2": (0.3, 3, True),
    "log10": (0.3, 3, True),
    "log1p": (-0.6, 2, True),
    "sin": (-2, 2, True),
    "cos": (-2, 2, True),
    "tan": (-1, 1, True),
    "arcsin": (-0.8, 0.8, True),
    "arccos": (-0.8, 0.8, True),
    "arctan": (-2, 2, True),
    "deg2rad": (-90, 90, False),
    "rad2deg": (-2, 2, False),
    "one_less_square": (-0.8, 0.8, True),
    "sinh": (-2, 2, True),
    "cosh": (-2, 2, True),
    "tanh": (-2, 2, True),
    "arcsinh": (-2, 2, True),
    "arccosh": (1.3, 3, True),
    "arctanh": (-0.8, 0.8, True),
    "real": (-2, 2, True),
    "imag": (-2, 2, True),
    "conjugate": (-2, 2, True),
    "root_of_squares": (0.3, 3, False),
    "erf": (-3, 3, False),
    "gaussian": (-2, 2, False),
    "normal_cdf": (-3, 3, False),
    "normal_density": (-3, 3, False),
    "sigmoid": (-5, 5, True),
    "gelu": (-3, 3, True),
}


@sample(*INTERVALS)
def _unary(draw: Draw, primitive: Primitive) -> Sample:
    low, high, takes_complex = INTERVALS[primitive.name]
    shape = draw(shapes)
    if takes_complex and draw(st.booleans()):
        return Sample(primitive, (complex_numbers(draw, shape),))
    return Sample(primitive, (draw(strategies.arrays(shape, low=low, high=high)),))


@sample("sinc")
def _sinc(draw: Draw, primitive: Primitive) -> Sample:
    order, shape = draw(st.integers(0, 2)), draw(shapes)
    x = complex_numbers(draw, shape) if draw(st.booleans()) else numbers(draw, shape)
    return Sample(lambda x: primitive(x, order=order), (x,))


@sample("clip_through")
def _clip_through(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(lambda x: primitive(x, -3.0, 3.0), (numbers(draw, draw(shapes)),))


@sample("complex_sign")
def _complex_sign(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(primitive, (complex_numbers(draw, draw(shapes)),))


@sample("subgradient")
def _subgradient(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(lambda x: primitive(x, np.False_), (numbers(draw, draw(shapes)),))


@sample("absolute", "fabs", "relu")
def _kink_at_zero(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    if primitive.name == "absolute" and draw(st.booleans()):
        return Sample(primitive, (draw(strategies.arrays(shape, complex, off_axes=True)),))
    return Sample(primitive, (draw(strategies.arrays(shape, away_from=[0.0])),))


@sample("floor", "ceil", "trunc", "rint", "sign", "round")
def _steps(draw: Draw, primitive: Primitive) -> Sample:
    parameters = {"decimals": 0} if primitive.name == "round" else {}
    return Sample(lambda x: primitive(x, **parameters), (off_grid(draw, draw(shapes)),))


# ---- elementwise, several operands ----


@sample("add", "subtract", "multiply", "divide", "over_square_of_cosh", "over_one_more_square", "gelu_slope")
def _arithmetic(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    if draw(st.booleans()):
        return Sample(primitive, (complex_numbers(draw, x_shape), complex_numbers(draw, y_shape)))
    return Sample(primitive, (numbers(draw, x_shape), numbers(draw, y_shape, 0.4, 2)))


@sample(
    "power",
    "float_power",
    "arctan2",
    "hypot",
    "direction",
    "inverse",
    "logaddexp",
    "logaddexp2",
    "logaddexp_share",
    "logaddexp2_share",
)
def _positive_pairs(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    return Sample(primitive, (numbers(draw, x_shape, 0.4, 2), numbers(draw, y_shape, 0.4, 2)))


@sample("maximum", "minimum", "fmax", "fmin", "heaviside")
def _kink_where_equal(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    return Sample(primitive, (off_grid(draw, x_shape), off_grid(draw, y_shape, 0.2)))


@sample("remainder", "fmod", "floor_divide")
def _remainders(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    y = numbers(draw, y_shape, 0.95, 1.05)
    quotient = integers(draw, x_shape, -3, 3) + numbers(draw, x_shape, 0.35, 0.65)
    return Sample(primitive, (quotient, y))


@sample("where")
def _where(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    condition = numbers(draw, np.broadcast_shapes(x_shape, y_shape)) > 0
    return Sample(lambda x, y: primitive(condition, x, y), (numbers(draw, x_shape), numbers(draw, y_shape)))


@sample("clip")
def _clip(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    low, high = off_grid(draw, (), 0.1), off_grid(draw, (), 0.2)
    return Sample(primitive, (off_grid(draw, shape), np.asarray(low), np.asarray(high)))


# ---- shapes ----


@sample("reshape")
def _reshape(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    return Sample(lambda x: primitive(x, shape=shape[::-1]), (numbers(draw, shape),))


@sample("transpose")
def _transpose(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axes = tuple(draw(st.permutations(range(len(shape)))))
    return Sample(lambda x: primitive(x, axes=axes), (numbers(draw, shape),))


@sample("broadcast_to")
def _broadcast_to(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    shape = np.broadcast_shapes(x_shape, y_shape)
    return Sample(lambda x: primitive(x, shape=shape), (numbers(draw, x_shape),))


@sample("roll")
def _roll(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axis = tuple(range(len(shape)))
    shift = tuple(draw(st.integers(-4, 4)) for _ in shape)
    return Sample(lambda x: primitive(x, shift=shift, axis=axis), (numbers(draw, shape),))


@sample("concatenate")
def _concatenate(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    arrays = tuple(numbers(draw, (*shape[:axis], length, *shape[axis + 1 :])) for length in lengths)
    return Sample(lambda *xs: primitive(*xs, axis=axis), arrays)


@sample("pad_zeros")
def _pad_zeros(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    width = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape)
    return Sample(lambda x: primitive(x, width=width), (numbers(draw, shape),))


@sample("astype")
def _astype(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(lambda x: primitive(x, dtype=np.dtype(np.longdouble)), (numbers(draw, draw(shapes)),))


@sample("part")
def _part(draw: Draw, primitive: Primitive) -> Sample:
    cut = Primitive(
        "halves",
        "joint",
        lambda x: (x[:2], x[2:]),
        joint_pullback=lambda t, slots, kept, parameters, shapes: [
            PART_OF_HALVES(t.parts.get(0), t.parts.get(1), shapes[0]),
        ],
        joint_pushforward=lambda tangents, slots, kept, parameters, shapes: (tangents[0][:2], tangents[0][2:]),
        joint_reads="none",
    )
    weight = numbers(draw, ())
    return Sample(lambda x: weight * cut(x)[0].sum() * cut(x)[1].sum(), (numbers(draw, (5,)),))


def PART_OF_HALVES(first: Array, second: Array, shape: tuple[int, ...]) -> Array:
    """The cotangent of an array from those of its first two elements and of the rest."""
    from tapenet.numpy import concatenate

    return concatenate([np.zeros(2) if first is None else first, np.zeros(shape[0] - 2) if second is None else second])


# ---- indexing ----

IMAGE = (4, 3)
BASIC_INDICES = [(1,), (Slice(None, None, -1),), (Ellipsis, 0), (None, Slice(0, 2, None)), (Slice(3, None, -2), 1)]


def _fancy(draw: Draw) -> tuple[tuple[Any, ...], list[Array]]:
    rows = np.array(draw(st.lists(st.integers(-4, 3), min_size=1, max_size=5)))
    columns = np.array(draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))))
    mask = np.array(draw(st.lists(st.booleans(), min_size=4, max_size=4)))
    return draw(
        st.sampled_from(
            [
                ((ARRAY,), [rows]),
                ((ARRAY, ARRAY), [rows, columns]),
                ((ARRAY, Slice(0, 2, None)), [rows]),
                ((ARRAY,), [mask]),
                ((Slice(None, None, None), None, ARRAY), [columns]),
            ]
        )
    )


@sample("getitem", "place")
def _basic_index(draw: Draw, primitive: Primitive) -> Sample:
    index = draw(st.sampled_from(BASIC_INDICES))
    if primitive.name == "getitem":
        return Sample(lambda x: primitive(x, index=index), (numbers(draw, IMAGE),))
    read = REGISTRY["getitem"](np.zeros(IMAGE), index=index)
    return Sample(lambda x: primitive(x, index=index, shape=IMAGE), (numbers(draw, read.shape),))


@sample("gather", "scatter")
def _fancy_index(draw: Draw, primitive: Primitive) -> Sample:
    index, arrays = _fancy(draw)
    if primitive.name == "gather":
        return Sample(lambda x: primitive(x, *arrays, index=index), (numbers(draw, IMAGE),))
    read = REGISTRY["gather"](np.zeros(IMAGE), *arrays, index=index)
    return Sample(lambda x: primitive(x, *arrays, index=index, shape=IMAGE), (numbers(draw, read.shape),))


@sample("assemble")
def _assemble(draw: Draw, primitive: Primitive) -> Sample:
    basic, (index, arrays) = draw(st.sampled_from(BASIC_INDICES)), _fancy(draw)
    shapes = [REGISTRY["getitem"](np.zeros(IMAGE), index=basic).shape]
    shapes.append(REGISTRY["gather"](np.zeros(IMAGE), *arrays, index=index).shape)
    indices = ((basic, 0), (index, len(arrays)), (basic, 0))
    return Sample(
        lambda x, y, z: primitive(x, y, *arrays, z, indices=indices, shape=IMAGE),
        tuple(np.asarray(numbers(draw, shape)) for shape in (*shapes, shapes[0])),
    )


@sample("set")
def _set(draw: Draw, primitive: Primitive) -> Sample:
    if draw(st.booleans()):
        index, arrays = draw(st.sampled_from(BASIC_INDICES)), []
        read = REGISTRY["getitem"](np.zeros(IMAGE), index=index)
    else:
        index, arrays = _fancy(draw)
        read = REGISTRY["gather"](np.zeros(IMAGE), *arrays, index=index)
    shape = draw(st.sampled_from([read.shape, ()]))
    return Sample(
        lambda x, value: primitive(x, value, *arrays, index=index),
        (numbers(draw, IMAGE), np.asarray(numbers(draw, shape))),
    )


# ---- reductions ----


def axes_of(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    return draw(st.none() | st.sets(st.integers(0, len(shape) - 1)).map(sorted).map(tuple)) if shape else None


@sample("sum", "mean")
def _sums(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axis, keepdims = axes_of(draw, shape), draw(st.booleans())
    return Sample(lambda x: primitive(x, axis=axis, keepdims=keepdims), (numbers(draw, shape),))


@sample("max", "min")
def _extrema(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axis, keepdims = axes_of(draw, shape), draw(st.booleans())
    return Sample(lambda x: primitive(x, axis=axis, keepdims=keepdims), (distinct(draw, shape),))


@sample("cumsum")
def _cumsum(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(hnp.array_shapes(max_dims=3, max_side=3))
    axis = draw(st.integers(0, len(shape) - 1))
    return Sample(lambda x: primitive(x, axis=axis), (numbers(draw, shape),))


# ---- products ----


@sample("matmul")
def _matmul(draw: Draw, primitive: Primitive) -> Sample:
    drawn = draw(hnp.mutually_broadcastable_shapes(signature="(n,k),(k,m)->(n,m)", max_dims=2, max_side=3))
    x_shape, y_shape = drawn.input_shapes
    number = draw(st.sampled_from([numbers, complex_numbers]))
    return Sample(primitive, (number(draw, x_shape), number(draw, y_shape)))


EINSUMS = "i->i  ii->i  iij->j  ij->  ij,jk->ik  ij,ij->i  i,j->ij  ij,jk,kl->il  ii,i->  bij,bjk->bik".split()


@sample("einsum")
def _einsum(draw: Draw, primitive: Primitive) -> Sample:
    inputs, _, out = draw(st.sampled_from(EINSUMS)).partition("->")
    labels = tuple(inputs.split(","))
    lengths = {label: draw(st.integers(1, 3)) for label in inputs if label != ","}
    arrays = tuple(numbers(draw, tuple(lengths[label] for label in term)) for term in labels)
    return Sample(lambda *xs: primitive(*xs, labels=labels, out=out), arrays)


# ---- images ----

GEOMETRY = st.fixed_dictionaries(
    {
        "stride": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "padding": st.tuples(*[st.tuples(st.integers(0, 1), st.integers(0, 1))] * 2),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "groups": st.integers(1, 2),
    }
)


@sample("conv", "conv_input", "conv_kernel")
def _conv(draw: Draw, primitive: Primitive) -> Sample:
    geometry = draw(GEOMETRY)
    groups = geometry["groups"]
    size = (draw(st.integers(4, 5)), draw(st.integers(4, 5)))
    window = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    x = numbers(draw, (2, *size, 2))
    kernel = numbers(draw, (*window, 2 // groups, 2))
    y_bar = numbers(draw, REGISTRY["conv"](x, kernel, **geometry).shape)
    if primitive.name == "conv":
        return Sample(lambda x, kernel: primitive(x, kernel, **geometry), (x, kernel))
    if primitive.name == "conv_input":
        return Sample(lambda t, kernel: primitive(t, kernel, input_size=size, **geometry), (y_bar, kernel))
    return Sample(lambda x, t: primitive(x, t, kernel_size=window, **geometry), (x, y_bar))


POOLING = st.fixed_dictionaries(
    {
        "window": st.just((2, 2)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.tuples(*[st.tuples(st.integers(0, 1), st.integers(0, 1))] * 2),
    }
)


@sample("max_pool", "avg_pool", "avg_pool_input", "pool_gather", "pool_scatter")
def _pool(draw: Draw, primitive: Primitive) -> Sample:
    geometry = draw(POOLING)
    size = (draw(st.integers(4, 5)), draw(st.integers(4, 5)))
    x = distinct(draw, (2, *size, 2))
    y_bar = numbers(draw, REGISTRY["avg_pool"](x, **geometry).shape)
    winners = REGISTRY["max_pool"].with_residual(x, **geometry)[1]
    if primitive.name == "pool_gather":
        return Sample(lambda x: primitive(x, winners, **geometry), (x,))
    if primitive.name == "pool_scatter":
        return Sample(lambda t: primitive(t, winners, input_size=size, **geometry), (y_bar,))
    if primitive.name == "avg_pool_input":
        return Sample(lambda t: primitive(t, input_size=size, **geometry), (y_bar,))
    return Sample(lambda x: primitive(x, **geometry), (x,))
