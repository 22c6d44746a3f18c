"""Samples of the primitives behind NumPy's main namespace that `tests/samples/core.py` has none of."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, strategies as st
from hypothesis.extra import numpy as hnp

import tapenet.numpy as tnp
from tapenet.core.primitive import Primitive
from tests.samples.core import Sample, axes_of, pair_of_shapes, sample, shapes
from tests.samples.drawing import Draw, complex_numbers, distinct, numbers, off_grid

vectors = hnp.array_shapes(max_dims=3, max_side=4)


@sample("copysign", "nextafter")
def _signs(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    return Sample(primitive, (off_grid(draw, x_shape), off_grid(draw, y_shape, 0.2)))


@sample("spacing", "fractional_part")
def _steps(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(primitive, (off_grid(draw, draw(shapes)),))


@sample("ldexp")
def _ldexp(draw: Draw, primitive: Primitive) -> Sample:
    x_shape, y_shape = pair_of_shapes(draw)
    exponent = np.round(numbers(draw, y_shape)).astype(int)
    return Sample(lambda x: primitive(x, exponent), (numbers(draw, x_shape),))


@sample("bessel")
def _bessel(draw: Draw, primitive: Primitive) -> Sample:
    order = draw(st.integers(0, 3))
    return Sample(lambda x: primitive(x, order=order), (numbers(draw, draw(shapes)),))


@sample("cumprod", "recurrence")
def _runs(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(vectors)
    axis = draw(st.integers(0, len(shape) - 1))
    number = draw(st.sampled_from([numbers, complex_numbers]))
    count = 1 if primitive.name == "cumprod" else 2
    return Sample(lambda *xs: primitive(*xs, axis=axis), tuple(number(draw, shape) for _ in range(count)))


@sample("prod")
def _prod(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axis, keepdims = axes_of(draw, shape), draw(st.booleans())
    x = numbers(draw, shape) * (numbers(draw, shape) > draw(st.sampled_from([-3, -1])))  # zeros among them
    return Sample(lambda x: primitive(x, axis=axis, keepdims=keepdims), (x,))


@sample("var", "std")
def _spread_out(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axis, keepdims = axes_of(draw, shape), draw(st.booleans())
    ddof = draw(st.sampled_from([0, -1.0]))
    x = draw(st.sampled_from([distinct, complex_numbers]))(draw, shape)
    assume(np.std(x, axis).min() > 0.1)  # at 0 the derivative is a convention
    return Sample(lambda x: primitive(x, axis=axis, keepdims=keepdims, ddof=ddof), (x,))


@sample("nanmax", "nanmin")
def _extrema(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(shapes)
    axis, keepdims = axes_of(draw, shape), draw(st.booleans())
    return Sample(lambda x: primitive(x, axis=axis, keepdims=keepdims), (distinct(draw, shape),))


@sample("unwrap")
def _unwrap(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(vectors)
    axis = draw(st.integers(0, len(shape) - 1))
    return Sample(lambda x: primitive(x, discont=None, axis=axis, period=1.3), (off_grid(draw, shape),))


@sample("convolve", "slide")
def _convolve(draw: Draw, primitive: Primitive) -> Sample:
    short, more = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    number = draw(st.sampled_from([numbers, complex_numbers]))
    return Sample(primitive, (number(draw, (short + more,)), number(draw, (short,))))


@sample("roots")
def _roots(draw: Draw, primitive: Primitive) -> Sample:
    # Near x^n - 1, whose roots stand far apart; a sum, as the order in which they come may change.
    n = draw(st.integers(1, 4))
    return Sample(
        lambda x: tnp.exp(primitive(x)).sum(),
        (np.eye(1, n + 1)[0] - np.eye(1, n + 1, n)[0] + numbers(draw, (n + 1,), -0.1, 0.1),),
    )
