"""Subjects: elementwise functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.numpy.subjects import (
    ANY,
    MASK,
    SUBJECTS,
    A,
    Array,
    C,
    G,
    P,
    Strategy,
    Subject,
    _of,
    case,
    either,
    of,
    with_nan,
)
from tests.samples.core import INTERVALS
from tests.samples.drawing import complex_numbers, integers, numbers, off_grid

# ---- elementwise ----

ALIASES = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atanh": "arctanh", "conj": "conjugate", "degrees": "rad2deg", "radians": "deg2rad",
}  # fmt: skip


def _unary(name: str, arrays: Strategy) -> None:
    case(name, of(name), arrays)
    case(
        name,
        lambda xp, x: xp.where(MASK, getattr(xp, name)(x, where=MASK), 0),
        _of(numbers, (2, 3), *INTERVALS_OF[name][:2]),
    )


INTERVALS_OF = {
    name: INTERVALS[ALIASES.get(name, name)] for name in (*INTERVALS, *ALIASES) if ALIASES.get(name, name) in INTERVALS
}

for name, (low, high, takes_complex) in INTERVALS_OF.items():
    if isinstance(getattr(np, name, None), np.ufunc):
        real = _of(numbers, ANY, low, high)
        _unary(name, real | _of(complex_numbers, ANY) if takes_complex else real)

for name in ("sinc", "i0", "angle", "real", "imag", "nan_to_num"):
    takes_complex = name not in ("sinc", "i0")
    case(
        name,
        of(name),
        _of(numbers, ANY, 0.3, 2) | (_of(complex_numbers, ANY) if takes_complex else A()),
    )
for name in ("absolute", "abs", "fabs"):
    case(name, of(name), _of(off_grid, ANY))
for name in ("around", "ceil", "fix", "floor", "rint", "round", "sign", "spacing", "trunc"):
    case(name, of(name), _of(off_grid, ANY))
case("round", lambda xp, x: xp.round(x, 1), _of(off_grid, ANY, 0.01))
case("angle", lambda xp, z: xp.angle(z, deg=True), C(3))
case("real_if_close", lambda xp, x: xp.real_if_close(x + 0j), A(3))
case("real_if_close", lambda xp, z: xp.real_if_close(z), C(3))
case("frexp", lambda xp, x: xp.frexp(x)[0], _of(numbers, ANY, 0.55, 0.95))
case("modf", lambda xp, x: xp.modf(x), _of(off_grid, ANY))
case("modf", lambda xp, x: xp.where(MASK, xp.modf(x, where=MASK), 0), G(2, 3), dispatches=False)
case("ldexp", lambda xp, x: xp.ldexp(x, np.array([1, -2, 0])), A(2, 3))
case("nan_to_num", lambda xp, x: xp.nan_to_num(x, nan=7.0), with_nan(2, 3))
case("nan_to_num", lambda xp, x, y: xp.nan_to_num(xp.where([True, False], x, np.inf), posinf=y, neginf=3.0), A(2), P(2))


@st.composite
def pair(draw: Any, first: Callable[..., Array], second: Callable[..., Array]) -> Any:
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=1))
    return tuple(
        np.asarray(number(draw, shape)) for number, shape in zip((first, second), drawn.input_shapes, strict=True)
    )


def _positive(draw: Any, shape: tuple[int, ...]) -> Array:
    return numbers(draw, shape, 0.4, 2.0)


def off_grid_from_another(draw: Any, shape: tuple[int, ...]) -> Array:
    return off_grid(draw, shape, 0.2)


def _near_one(draw: Any, shape: tuple[int, ...]) -> Array:
    return numbers(draw, shape, 0.95, 1.05)


def _off_steps(draw: Any, shape: tuple[int, ...]) -> Array:
    return integers(draw, shape, -3, 3) + numbers(draw, shape, 0.35, 0.65)


BINARY = {
    "add subtract multiply": (numbers, numbers),
    "divide true_divide": (numbers, _positive),
    "power pow float_power arctan2 atan2 hypot logaddexp logaddexp2": (_positive, _positive),
    "maximum minimum fmax fmin heaviside copysign nextafter": (off_grid, off_grid_from_another),
    "remainder mod fmod floor_divide divmod": (_off_steps, _near_one),
}
for names, operands in BINARY.items():
    for name in names.split():
        SUBJECTS.append(Subject(name, of(name), pair(*operands)))
case("power", lambda xp, x: xp.power(x, 2), either(3))
case("power", lambda xp, y: xp.power(1.1, y), A(3))
case("add", lambda xp, y: xp.add(1.1, y), A(3))
case("add", lambda xp, x, y: xp.where(MASK, xp.add(x, y, where=MASK), 0), A(2, 3), A(3))
case("divmod", lambda xp, x: xp.where(MASK, xp.divmod(x, 1.0, where=MASK), 0), G(2, 3), dispatches=False)
case("heaviside", lambda xp, y: xp.heaviside(np.array([0.0, 1.0]), y), A(2))
case("imag", lambda xp, z: xp.imag(z), C(3))
case("clip", lambda xp, x: xp.clip(x, -0.5, 0.5), _of(off_grid, ANY))
case("clip", lambda xp, x: xp.clip(x, None, 0.5), G(3))
case("clip", lambda xp, x, low: xp.clip(x, low, 2.0), G(2, 3), G(3).map(lambda x: x - 0.8))
case("where", lambda xp, x, y: xp.where(MASK, x, y), A(2, 3), A(3))
case("where", lambda xp, x: xp.where(MASK, x, 0.0), A(2, 3))
