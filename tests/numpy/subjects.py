"""Subjects: calls of NumPy's functions, each with arrays to call it with.

A function that `docs/coverage.md` counts as differentiated has at least one here; without it the tests do not start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.samples import INTERVALS, _complex, _distinct, _numbers, _off_grid, shapes

Array = Any
Strategy = st.SearchStrategy[Any]


@attrs.frozen(eq=False)
class Subject:
    """A call of a function of a namespace that is NumPy's or ours.

    Attributes:
        name: the function, which the namespace has under that name.
        call: `(xp, *arrays) -> result`.
        arrays: draws the arrays.
        dispatches: whether NumPy's own function finds its way to ours; not where Tensors come in a list alone.
    """

    name: str
    call: Callable[..., Any]
    arrays: Strategy
    dispatches: bool = True


SUBJECTS: list[Subject] = []


def case(name: str, call: Callable[..., Any], *arrays: Strategy, dispatches: bool = True) -> None:
    SUBJECTS.append(Subject(name, call, st.tuples(*arrays), dispatches))


# ---- arrays ----


def _of(number: Callable[..., Array], shape: Any, *arguments: float) -> Strategy:
    @st.composite
    def strategy(draw: Any) -> Array:
        drawn = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
        return np.asarray(number(draw, drawn, *arguments))

    return strategy()


ANY = shapes


def A(*shape: int) -> Strategy:
    """Numbers around 0."""
    return _of(_numbers, shape)


def P(*shape: int) -> Strategy:
    """Positive numbers, away from 0."""
    return _of(_numbers, shape, 0.4, 2.0)


def C(*shape: int) -> Strategy:
    """Complex numbers, away from 0 and from the axes."""
    return _of(_complex, shape)


def D(*shape: int) -> Strategy:
    """Numbers of which no two are near one another."""
    return _of(_distinct, shape)


def G(*shape: int) -> Strategy:
    """Numbers away from multiples of 0.5."""
    return _of(_off_grid, shape)


def either(*shape: int) -> Strategy:
    """Real or complex numbers."""
    return A(*shape) | C(*shape)


@st.composite
def with_nan(draw: Any, *shape: int) -> Array:
    """Numbers of which no two are near one another, and NaN."""
    x = _distinct(draw, shape)
    mask = np.random.default_rng(draw(st.integers(0, 1000))).uniform(size=shape) < 0.3
    return np.where(mask, np.nan, x)


# ---- elementwise ----

ALIASES = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atanh": "arctanh", "conj": "conjugate", "degrees": "rad2deg", "radians": "deg2rad",
}  # fmt: skip


def _unary(name: str, arrays: Strategy) -> None:
    case(name, lambda xp, x: getattr(xp, name)(x), arrays)
    case(
        name,
        lambda xp, x: xp.where(MASK, getattr(xp, name)(x, where=MASK), 0),
        _of(_numbers, (2, 3), *INTERVALS_OF[name][:2]),
    )


MASK = np.array([True, False, True])
INTERVALS_OF = {
    name: INTERVALS[ALIASES.get(name, name)] for name in (*INTERVALS, *ALIASES) if ALIASES.get(name, name) in INTERVALS
}

for name, (low, high, takes_complex) in INTERVALS_OF.items():
    if isinstance(getattr(np, name, None), np.ufunc):
        _unary(
            name, _of(_numbers, ANY, low, high) | _of(_complex, ANY) if takes_complex else _of(_numbers, ANY, low, high)
        )

for name in ("sinc", "i0", "angle", "real", "imag", "nan_to_num"):
    takes_complex = name not in ("sinc", "i0")
    case(
        name,
        lambda xp, x, name=name: getattr(xp, name)(x),
        _of(_numbers, ANY, 0.3, 2) | (_of(_complex, ANY) if takes_complex else A()),
    )
for name in ("absolute", "abs", "fabs"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x), _of(_off_grid, ANY))
for name in ("around", "ceil", "fix", "floor", "rint", "round", "sign", "spacing", "trunc"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x), _of(_off_grid, ANY))
case("round", lambda xp, x: xp.round(x, 1), _of(_off_grid, ANY, 0.01))
case("angle", lambda xp, z: xp.angle(z, deg=True), C(3))
case("real_if_close", lambda xp, x: xp.real_if_close(x + 0j), A(3))
case("real_if_close", lambda xp, z: xp.real_if_close(z), C(3))
case("frexp", lambda xp, x: xp.frexp(x)[0], _of(_numbers, ANY, 0.55, 0.95))
case("modf", lambda xp, x: xp.modf(x), _of(_off_grid, ANY))
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
    return _numbers(draw, shape, 0.4, 2.0)


def _off_grid_2(draw: Any, shape: tuple[int, ...]) -> Array:
    return _off_grid(draw, shape, 0.2)


def _near_one(draw: Any, shape: tuple[int, ...]) -> Array:
    return _numbers(draw, shape, 0.95, 1.05)


def _off_steps(draw: Any, shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(draw(st.integers(0, 999))).integers(-3, 3, shape) + _numbers(draw, shape, 0.35, 0.65)


BINARY = {
    "add subtract multiply": (_numbers, _numbers),
    "divide true_divide": (_numbers, _positive),
    "power pow float_power arctan2 atan2 hypot logaddexp logaddexp2": (_positive, _positive),
    "maximum minimum fmax fmin heaviside copysign nextafter": (_off_grid, _off_grid_2),
    "remainder mod fmod floor_divide divmod": (_off_steps, _near_one),
}
for names, numbers in BINARY.items():
    for name in names.split():
        SUBJECTS.append(Subject(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y), pair(*numbers)))
        SUBJECTS.append(
            Subject(name, lambda xp, x, y, name=name: getattr(xp, name)(1.1, y), pair(*numbers))
        ) if name in ("add", "power") else None
case("power", lambda xp, x: xp.power(x, 2), either(3))
case("add", lambda xp, x, y: xp.where(MASK, xp.add(x, y, where=MASK), 0), A(2, 3), A(3))
case("divmod", lambda xp, x: xp.where(MASK, xp.divmod(x, 1.0, where=MASK), 0), G(2, 3), dispatches=False)
case("heaviside", lambda xp, y: xp.heaviside(np.array([0.0, 1.0]), y), A(2))
case("imag", lambda xp, z: xp.imag(z), C(3))
case("clip", lambda xp, x: xp.clip(x, -0.5, 0.5), _of(_off_grid, ANY))
case("clip", lambda xp, x: xp.clip(x, None, 0.5), G(3))
case("clip", lambda xp, x, low: xp.clip(x, low, 2.0), G(2, 3), G(3).map(lambda x: x - 0.8))
case("where", lambda xp, x, y: xp.where(MASK, x, y), A(2, 3), A(3))
case("where", lambda xp, x: xp.where(MASK, x, 0.0), A(2, 3))

# ---- reductions ----

AXES: list[dict[str, Any]] = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}]
MASK3 = np.array([[[True], [False]], [[True], [True]]])

PLAIN_REDUCTIONS = "sum mean prod max min amax amin ptp var std median".split()
NAN_REDUCTIONS = "nansum nanmean nanprod nanmax nanmin nanvar nanstd nanmedian".split()
for name in PLAIN_REDUCTIONS + NAN_REDUCTIONS:
    numbers = D if any(part in name for part in ("max", "min", "ptp", "med")) else A
    for keywords in AXES:
        case(name, lambda xp, x, name=name, k=keywords: getattr(xp, name)(x, **k), numbers(2, 2, 3))
    if name not in ("ptp", "median", "nanmedian"):
        start = {"initial": -9.0 if "max" in name else 9.0} if name[-3:] in ("max", "min") else {}
        case(name, lambda xp, x, name=name, k=start: getattr(xp, name)(x, axis=1, where=MASK3, **k), numbers(2, 2, 3))
    if name.startswith("nan"):
        for axis in (None, 0, -1):
            case(
                name,
                lambda xp, x, name=name, axis=axis: getattr(xp, name)(x, axis),
                with_nan(4, 3).filter(
                    _has_numbers := lambda x: (~np.isnan(x)).sum(0).min() > 1 and (~np.isnan(x)).sum(1).min() > 1
                ),
            )
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([x, y, 0.125]), D(), G(), dispatches=False)
for name in ("sum", "prod"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x, axis=0, initial=2.0), A(2, 3))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x, dtype=np.longdouble), A(2, 3))
case("prod", lambda xp, x: xp.prod(x * np.array([0.0, 1.0, 0.0]), -1), A(2, 3))
case("prod", lambda xp, x: xp.prod(x * np.array([0.0, 1.0, 1.0]), -1), A(2, 3))
case("var", lambda xp, x: xp.var(x, ddof=1), either(4))
case("var", lambda xp, x: xp.var(x, axis=0, correction=1), A(4, 2))
case("var", lambda xp, x, m: xp.var(x, 0, mean=m), A(4, 2), A(1, 2))
case("std", lambda xp, x: xp.std(x, 0, ddof=1), either(4, 2))
case("mean", lambda xp, z: xp.mean(z), C(3))
case("average", lambda xp, x: xp.average(x, 0), A(3, 2))
case("average", lambda xp, x, w: xp.average(x, 1, w, True), A(3, 2), P(2))
case("average", lambda xp, x, w: xp.average(x, weights=w), A(3, 2), P(3, 2))
case("average", lambda xp, x, w: xp.average(x, (0, 2), w, keepdims=True), A(2, 3, 2), P(2, 2))

METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear "
    "median_unbiased normal_unbiased lower higher midpoint nearest"
).split()
CONTINUOUS = ("linear", "hazen", "weibull", "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf")
for method in METHODS:
    case("quantile", lambda xp, x, m=method: xp.quantile(x, [0.2, 0.73], axis=0, method=m), D(5, 2))
    case(
        "nanquantile",
        lambda xp, x, m=method: xp.nanquantile(x, 0.62, axis=1, method=m),
        with_nan(3, 4).filter(lambda x: (~np.isnan(x)).sum(1).min() > 0),
    )
for method in CONTINUOUS:
    case(
        "quantile",
        lambda xp, x, q, m=method: xp.quantile(x, q, method=m),
        D(5),
        st.sampled_from([0.33, 0.47, 0.68]).map(np.asarray),
    )
case("quantile", lambda xp, x: xp.quantile(x, np.array([[0.1], [0.9]]), axis=(0, 2), keepdims=True), D(2, 3, 2))
case(
    "quantile",
    lambda xp, x: xp.quantile(x, 0.6, axis=0, weights=np.array([0.5, 2.0, 1.0]), method="inverted_cdf"),
    D(3, 2),
)
case("nanquantile", lambda xp, x: xp.nanquantile(x, 0.6, weights=np.full((3, 2), 0.5), method="inverted_cdf"), D(3, 2))
for name in ("percentile", "nanpercentile"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x, 30), D(5))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x, [30, 80], axis=-1, keepdims=True), D(2, 5))

W, F = np.array([0.5, 1.0, 2.0, 0.7]), np.array([1, 2, 1, 3])
case("cov", lambda xp, x: xp.cov(x), either(2, 4))
case("cov", lambda xp, x: xp.cov(x), A(4))
case("cov", lambda xp, x, y: xp.cov(x, y, bias=True), A(4), A(4))
case("cov", lambda xp, x: xp.cov(x, rowvar=False, ddof=0), A(4, 2))
case("cov", lambda xp, x: xp.cov(x, fweights=F), A(2, 4))
case("cov", lambda xp, x, w: xp.cov(x, aweights=w, fweights=F), A(2, 4), P(4))
case("corrcoef", lambda xp, x: xp.corrcoef(x), _of(_numbers, (2, 5)) | C(2, 5))
case("corrcoef", lambda xp, x, y: xp.corrcoef(x, y), A(5), A(5))
case("bincount", lambda xp, w: xp.bincount(np.array([0, 2, 2]), w, 4), A(3))

# ---- cumulative ----

for name in "cumsum cumprod nancumsum nancumprod".split():
    for axis in (None, 0, -1):
        case(name, lambda xp, x, name=name, axis=axis: getattr(xp, name)(x, axis), either(2, 3))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x * np.array([1.0, 0.0, 1.0]), axis=1), A(2, 3))
case("nancumprod", lambda xp, x: xp.nancumprod(x, 0), with_nan(4, 2))
case("nancumsum", lambda xp, x: xp.nancumsum(x, 0), with_nan(4, 2))
for name in ("cumulative_sum", "cumulative_prod"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x), A(3))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x, axis=-2, include_initial=True), A(2, 3))

# ---- shapes ----

case("reshape", lambda xp, x: xp.reshape(x, (3, -1)), A(2, 3))
case("reshape", lambda xp, x: xp.reshape(x, 6, order="F"), A(2, 3))
case("ravel", lambda xp, x: xp.ravel(x), A(2, 3))
case("ravel", lambda xp, x: xp.ravel(x, order="F"), A(2, 3))
for name in ("transpose", "permute_dims"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x), A(2, 3))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x, axes=(2, 0, -2)), A(1, 2, 3))
case("matrix_transpose", lambda xp, x: xp.matrix_transpose(x), A(1, 2, 3))
case("swapaxes", lambda xp, x: xp.swapaxes(x, 0, -1), A(1, 2, 3))
case("moveaxis", lambda xp, x: xp.moveaxis(x, [0, 1], [-1, 0]), A(1, 2, 3))
case("rollaxis", lambda xp, x: xp.rollaxis(x, 2, -2), A(1, 2, 3))
case("rollaxis", lambda xp, x: xp.rollaxis(x, 0, 3), A(1, 2, 3))
case("expand_dims", lambda xp, x: xp.expand_dims(x, (0, -1)), A(2))
case("squeeze", lambda xp, x: xp.squeeze(x), A(1, 2, 1))
case("squeeze", lambda xp, x: xp.squeeze(x, axis=-1), A(1, 2, 1))
case("broadcast_to", lambda xp, x: xp.broadcast_to(x, (2, 3)), A(3))
case("broadcast_arrays", lambda xp, x, y: xp.broadcast_arrays(x, y), A(2, 1), A(3))
case("flip", lambda xp, x: xp.flip(x, axis=(0, -1)), A(2, 2, 3))
case("fliplr", lambda xp, x: xp.fliplr(x), A(2, 3))
case("flipud", lambda xp, x: xp.flipud(x), A(2, 3))
case("roll", lambda xp, x: xp.roll(x, 2), A(2, 3))
case("roll", lambda xp, x: xp.roll(x, (1, -1), axis=(0, 1)), A(2, 3))
for k in range(-1, 4):
    case("rot90", lambda xp, x, k=k: xp.rot90(x, k), A(2, 3))
case("rot90", lambda xp, x: xp.rot90(x, 1, axes=(2, 0)), A(1, 2, 3))
for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    case(name, lambda xp, x, name=name: getattr(xp, name)(x), _of(_numbers, ANY))
    case(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y), A(2), A(2, 3))
case("tile", lambda xp, x: xp.tile(x, (2, 1, 2)), A(2, 3))
case("tile", lambda xp, x: xp.tile(x, 2), A(2, 3))
case("repeat", lambda xp, x: xp.repeat(x, 2), A(2, 3))
case("repeat", lambda xp, x: xp.repeat(x, [1, 0, 2], axis=-1), A(2, 3))
case("repeat", lambda xp, x: xp.repeat(x, 0), A(3))
case("resize", lambda xp, x: xp.resize(x, (2, 4)), A(3))
case("astype", lambda xp, x: xp.astype(x, np.longdouble), A(3))

# ---- padding ----

WIDTHS = (1, (1, 2), ((1, 0), (0, 2)))
for width in WIDTHS:
    for mode in "constant edge linear_ramp maximum mean median minimum reflect symmetric wrap".split():
        case("pad", lambda xp, x, w=width, m=mode: xp.pad(x, w, m), D(3, 3))
case("pad", lambda xp, x: xp.pad(x, ((1, 2), (3, 0)), constant_values=((1, 2), (3, 4))), A(2, 2))
case("pad", lambda xp, x, v: xp.pad(x, (1, 2), constant_values=v), A(2, 2), A())
case("pad", lambda xp, x, v: xp.pad(x, (1, 2), constant_values=v), A(2, 2), A(2, 2))
case("pad", lambda xp, x: xp.pad(x, (2, 1), "linear_ramp", end_values=((1, -1), (2, 0))), A(3, 2))
case("pad", lambda xp, x: xp.pad(x, 2, "reflect", reflect_type="odd"), A(4, 3))
case("pad", lambda xp, x: xp.pad(x, 2, "symmetric", reflect_type="odd"), A(4, 3))
case("pad", lambda xp, x: xp.pad(x, 2, "mean", stat_length=2), A(4, 3))
case("pad", lambda xp, x: xp.pad(x, 2, "maximum", stat_length=((2, 1), (3, 2))), D(4, 3))

# ---- joining ----

for name in ("concatenate", "concat"):
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([x, y], axis=-1), A(2, 1), A(2, 2))
    case(name, lambda xp, x, y, name=name: getattr(xp, name)((x, y), None), A(2, 1), A(3))
    case(name, lambda xp, x, name=name: getattr(xp, name)([x, [1.0, 2.0]]), A(3))
case("stack", lambda xp, x, y: xp.stack([x, y], axis=-1), A(2, 2), A(2, 2))
case("stack", lambda xp, x: xp.stack([x, 1.0]), A())
for name in ("hstack", "vstack", "row_stack", "dstack", "column_stack"):
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([x, y]), A(2), A(2)) if name != "row_stack" else None
    case(name, lambda xp, x, y, name=name: getattr(xp, name)((x, y)), A(2, 2), A(2, 2)) if name != "row_stack" else None
case("row_stack", lambda xp, x, y: (xp.vstack if xp is np else xp.row_stack)([x, y]), A(2), A(2), dispatches=False)
case("append", lambda xp, x, y: xp.append(x, y, axis=-1), A(2, 2), A(2, 1))
case("append", lambda xp, x: xp.append(x, [1.0, 2.0]), A(2, 2))
case("append", lambda xp, x, y: xp.append([x, y], 3.0), A(), A(), dispatches=False)
case("block", lambda xp, x, y: xp.block([[x, np.zeros((2, 1))], [np.ones((1, 2)), y]]), A(2, 2), A(1, 1))
case("block", lambda xp, x, y: xp.block([x, y, 1.0]), A(2), A(3))
case("block", lambda xp, x: xp.block(x), A(2))
case("meshgrid", lambda xp, x, y: xp.meshgrid(x, y), A(2), A(3))
case("meshgrid", lambda xp, x, y, z: xp.meshgrid(x, y, z, indexing="ij", sparse=True), A(2), A(3), A(1))
case("split", lambda xp, x: xp.split(x, 2, axis=-1), A(2, 4))
case("split", lambda xp, x: xp.split(x, [1, 2]), A(4))
case("array_split", lambda xp, x: xp.array_split(x, 3), A(4))
case("hsplit", lambda xp, x: xp.hsplit(x, 2), A(3, 4))
case("vsplit", lambda xp, x: xp.vsplit(x, [1]), A(3, 2))
case("dsplit", lambda xp, x: xp.dsplit(x, 2), A(1, 2, 4))
case("unstack", lambda xp, x: xp.unstack(x, axis=-1), A(2, 3))
case("insert", lambda xp, x: xp.insert(x, 1, 5.0), A(3))
case("insert", lambda xp, x, v: xp.insert(x, [0, -1, 3], v), A(3), A(3))
case("insert", lambda xp, x, v: xp.insert(x, 1, v, axis=1), A(2, 3), A(2))
case("insert", lambda xp, x, v: xp.insert(x, [1], v, axis=1), A(2, 3), A(2, 1))
case("insert", lambda xp, x, v: xp.insert(x, slice(0, 2), v, axis=-1), A(2, 3), A(2, 2))
case("insert", lambda xp, x, v: xp.insert(x, 1, v, axis=0), A(2, 3), A(2, 3))
case("insert", lambda xp, x, v: xp.insert(x, 2, v), A(3), A(2))
case("delete", lambda xp, x: xp.delete(x, 1), A(2, 2))
case("delete", lambda xp, x: xp.delete(x, [0, -1], axis=-1), A(2, 3))
case("delete", lambda xp, x: xp.delete(x, slice(1, None), axis=0), A(2, 3))
case("delete", lambda xp, x: xp.delete(x, MASK, 1), A(2, 3))
case("trim_zeros", lambda xp, x: xp.trim_zeros(xp.concatenate([np.zeros(2), x, np.zeros(1)])), P(3))
case("trim_zeros", lambda xp, x: xp.trim_zeros(xp.concatenate([np.zeros(2), x, np.zeros(1)]), "f"), P(3))
case("trim_zeros", lambda xp, x: xp.trim_zeros(xp.concatenate([np.zeros(2), x, np.zeros(1)]), "b"), P(3))

# ---- indexing ----

case("take", lambda xp, x: xp.take(x, [0, -1, 0]), A(2, 2))
case("take", lambda xp, x: xp.take(x, np.array([[1, 1]]), axis=-1), A(2, 3))
case("take", lambda xp, x: xp.take(x, [7, -5], axis=0, mode="wrap"), A(3, 2))
case("take", lambda xp, x: xp.take(x, [7, -5], axis=0, mode="clip"), A(3, 2))
case("take_along_axis", lambda xp, x: xp.take_along_axis(x, np.array([[0, 2], [1, 1]]), axis=-1), A(2, 3))
case("take_along_axis", lambda xp, x: xp.take_along_axis(x, np.array([0, 5]), None), A(2, 3))
case("extract", lambda xp, x: xp.extract(np.array([[True], [False]]).repeat(3, 1), x), A(2, 3))
case("compress", lambda xp, x: xp.compress([True, False], x, axis=-1), A(2, 3))
case("compress", lambda xp, x: xp.compress([True, False, True], x), A(2, 3))
case("choose", lambda xp, x, y: xp.choose([0, 1, 0], [x, y]), A(2, 3), A(3))
case("choose", lambda xp, x, y: xp.choose([5, -1, 0], (x, y), mode="wrap"), A(3), A(3))
case("choose", lambda xp, x, y: xp.choose([5, -1, 0], (x, y), mode="clip"), A(3), A(3))
case("select", lambda xp, x, y: xp.select([MASK, ~MASK], [x, y], 7.0), A(2, 3), A(3))
case("select", lambda xp, x: xp.select([MASK, ~MASK & False], [x, x * x]), A(3))
case("piecewise", lambda xp, x: xp.piecewise(x, [x < 0, x >= 0], [lambda v: -v * v, lambda v: v * v * v]), G(2, 3))
case(
    "piecewise",
    lambda xp, x: xp.piecewise(
        x,
        [x < 0],
        [
            2.0,
            lambda v, k: k * v,
        ],
        3.0,
    ),
    G(3),
)
case("piecewise", lambda xp, x: xp.piecewise(x, x < 0, [lambda v: -v, lambda v: v]), G())
case("diag", lambda xp, x: xp.diag(x, 1), A(3))
case("diag", lambda xp, x: xp.diag(x, k=-1), A(3, 2))
case("diagflat", lambda xp, x: xp.diagflat(x, -2), A(2, 2))
case("diagonal", lambda xp, x: xp.diagonal(x, 1, -1, 0), A(3, 1, 3))
for name in ("tril", "triu"):
    for k in (-1, 0, 1):
        case(name, lambda xp, x, name=name, k=k: getattr(xp, name)(x, k), A(2, 3, 4))
    case(name, lambda xp, x, name=name: getattr(xp, name)(x), A(3))

# ---- order and sets ----

for axis in (None, 0, -1):
    case("sort", lambda xp, x, axis=axis: xp.sort(x, axis), D(3, 4))
    case("partition", lambda xp, x, axis=axis: xp.partition(x, 1, axis=axis), D(2, 2))
case("sort", lambda xp, x: xp.sort(x, axis=0, stable=True), D(3, 2))
case("sort_complex", lambda xp, z: xp.sort_complex(z), C(3) | D(4))
REPEATED = [0, 1, 2, 1, 0]
case("unique", lambda xp, x: xp.unique(x[REPEATED]), D(3))
case("unique", lambda xp, x: xp.unique(x[REPEATED], True, True, True)[0], D(3))
case("unique", lambda xp, x: xp.unique(x[REPEATED], axis=0), D(3, 2))
case("unique_all", lambda xp, x: xp.unique_all(x[REPEATED]).values, D(3))
case("unique_counts", lambda xp, x: xp.unique_counts(x[REPEATED]).values, D(3))
case("unique_inverse", lambda xp, x: xp.unique_inverse(x[REPEATED]).values, D(3))
case("unique_values", lambda xp, x: xp.sort(xp.unique_values(x[REPEATED])), D(3))
case("union1d", lambda xp, x, y: xp.union1d(x, y), D(3), D(3).map(lambda x: x + 0.125))
case("intersect1d", lambda xp, x: xp.intersect1d(x, x), D(3))
case("setdiff1d", lambda xp, x: xp.setdiff1d(x, np.array([5.0])), D(3))
case("setxor1d", lambda xp, x, y: xp.setxor1d(x, y), D(3), D(3).map(lambda x: x + 0.125))

# ---- products ----

case("dot", lambda xp, x, y: xp.dot(x, y), either(2, 3), A(3))
case("dot", lambda xp, x, y: xp.dot(x, y), A(2, 3), A(4, 3, 2))
case("dot", lambda xp, x: xp.dot(x, 2.0), A(3))
case("vdot", lambda xp, x, y: xp.vdot(x, y), either(2, 2), either(4))
case("inner", lambda xp, x, y: xp.inner(x, y), A(2, 3), A(4, 3))
case("outer", lambda xp, x, y: xp.outer(x, y), A(2), A(1, 2))
case("matmul", lambda xp, x, y: xp.matmul(x, y), A(2, 1, 3), A(3, 2))
case("matmul", lambda xp, x, y: xp.matmul(x, y, axes=[(0, 1), (-2, -1), (1, 0)]), A(2, 3), A(3, 2))
case("vecdot", lambda xp, x, y: xp.vecdot(x, y), either(2, 3), either(3))
case("vecdot", lambda xp, x, y: xp.vecdot(x, y, axis=0), A(3, 2), A(3, 1))
case("matvec", lambda xp, x, y: xp.matvec(x, y), either(2, 3), A(4, 3))
case("vecmat", lambda xp, x, y: xp.vecmat(x, y), either(2), A(3, 2, 4))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, axes=([0, 1], [1, 0])), A(2, 3, 1), A(3, 2))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, 1), A(2, 3), A(3, 2))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, 0), A(2), A(2))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, (1, 0)), A(2, 3), A(3))
for subscripts, first, second in (
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("...j,jk->...k", (2, 1, 3), (3, 2)),
    ("i...,i...->...", (2, 3), (2, 3)),
    ("ii,i->i", (3, 3), (3,)),
    ("ij,kl->", (2, 1), (1, 2)),
    (" i j , j -> i ", (2, 3), (3,)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,jk->ik", (2, 0), (0, 2)),
):
    case("einsum", lambda xp, x, y, s=subscripts: xp.einsum(s, x, y), A(*first), A(*second))
case("einsum", lambda xp, x, y: xp.einsum(x, [0, 1], y, [1, 2], [2, 0]), A(2, 3), A(3, 2))
case("einsum", lambda xp, x, y: xp.einsum(x, [Ellipsis, 1], y, [1]), A(2, 3), A(3))
case("einsum", lambda xp, x: xp.einsum("ii", x), A(3, 3))
case("einsum", lambda xp, x, y: xp.einsum("i,j,j", x, y, y, optimize=True), A(2), A(3))
case("kron", lambda xp, x, y: xp.kron(x, y), either(2, 1), A(2, 3))
case("kron", lambda xp, x, y: xp.kron(x, y), A(2), A(1, 3, 2))
case("cross", lambda xp, x, y: xp.cross(x, y), A(2, 3), A(3))
case("cross", lambda xp, x, y: xp.cross(x, y, axis=0), A(3, 2), A(3, 2))
case("cross", lambda xp, x, y: xp.cross(x, y, axisa=0, axisc=0), A(3, 2), A(2, 3))
case("trace", lambda xp, x: xp.trace(x, 1, axis1=-1, axis2=0), A(2, 3, 3))

# ---- polynomials ----

case("polyval", lambda xp, p, x: xp.polyval(p, x), either(3), A(2, 2))
case("vander", lambda xp, x: xp.vander(x), A(3))
case("vander", lambda xp, x: xp.vander(x, 4, increasing=True), either(3))
for name in ("polyadd", "polysub", "polymul"):
    case(name, lambda xp, p, q, name=name: getattr(xp, name)(p, q), A(3), A(2))
case("polydiv", lambda xp, p, q: xp.polydiv(p, q), P(4), P(2))
case("polydiv", lambda xp, p, q: xp.polydiv(p, q), P(3), P(1))
case("polyder", lambda xp, p: xp.polyder(p), A(4))
case("polyder", lambda xp, p: xp.polyder(p, 2), A(4))
case("polyint", lambda xp, p: xp.polyint(p), A(3))
case("polyint", lambda xp, p, k: xp.polyint(p, 2, k), A(3), A(2))
case("roots", lambda xp, p: xp.roots(np.array([1.0, 0.0, 0.0, -1.0]) + 0.1 * p) + 0j, A(4))
case(
    "roots",
    lambda xp, p: xp.roots(xp.concatenate([np.zeros(1), p, np.zeros(1)])) + 0j,
    st.just(np.array([1.0, 0.2, 1.0])),
)
case("poly", lambda xp, r: xp.poly(r), either(3))
case("poly", lambda xp, a: xp.poly(a + np.diag([1.0, 4.0, 9.0])), A(3, 3))
ABSCISSAE = st.just(np.array([-1.5, -0.4, 0.3, 1.1, 1.6]))
case("polyfit", lambda xp, x, y: xp.polyfit(x, y, 2), ABSCISSAE, A(5))
case("polyfit", lambda xp, x, y, w: xp.polyfit(x, y, 1, w=w), ABSCISSAE, A(5, 2), P(5))

# ---- calculus ----

case("diff", lambda xp, x: xp.diff(x), A(2, 3))
case("diff", lambda xp, x: xp.diff(x, n=2, axis=0, prepend=1.0, append=[[2.0, 3.0]]), A(3, 2))
case("diff", lambda xp, x, y: xp.diff(x, prepend=y), A(3), A())
case("ediff1d", lambda xp, x: xp.ediff1d(x, to_begin=[1.0, 2.0], to_end=3.0), A(2, 2))
case("gradient", lambda xp, x: xp.gradient(x), A(3, 4))
case("gradient", lambda xp, x: xp.gradient(x, 0.5, edge_order=2), A(4))
case("gradient", lambda xp, x, h: xp.gradient(x, h, axis=-1, edge_order=2), A(2, 4), P(4).map(np.cumsum))
case("gradient", lambda xp, x, h: xp.gradient(x, h, 2.0), A(3, 2), P())
case("trapezoid", lambda xp, x: xp.trapezoid(x, dx=0.5, axis=0), A(3, 2))
case("trapezoid", lambda xp, y, x: xp.trapezoid(y, x), A(2, 3), A(3))
case("trapezoid", lambda xp, y, x: xp.trapezoid(y, x, axis=0), A(3, 2), A(3, 2))
KNOTS = st.just(np.array([-1.5, -0.9, 0.1, 1.3]))
case("interp", lambda xp, x, xp_, fp: xp.interp(x, xp_, fp), G(2, 3), KNOTS, either(4))
case("interp", lambda xp, x, fp: xp.interp(x, [-1.5, -0.9, 0.1, 1.3], fp, left=7.0, right=-1.0), G(3), A(4))
case(
    "interp",
    lambda xp, x, fp: xp.interp(x, [1.0, -0.4, 0.0], fp, period=1.7),
    st.just(np.array([-2.9, 0.3, 4.3])),
    A(3),
)
case("interp", lambda xp, x, fp: xp.interp(x, [0.0], fp), G(3), A(1))
case("unwrap", lambda xp, x: xp.unwrap(x * 4), G(2, 4))
case("unwrap", lambda xp, x: xp.unwrap(x, axis=0, period=1.3), G(4, 2))
for mode in ("full", "same", "valid"):
    for n, m in ((5, 3), (3, 4), (2, 2), (1, 4)):
        case("convolve", lambda xp, x, y, mode=mode: xp.convolve(x, y, mode), either(n), A(m))
        case("correlate", lambda xp, x, y, mode=mode: xp.correlate(x, y, mode=mode), either(n), either(m))

# ---- functions along axes ----

case("apply_along_axis", lambda xp, x: xp.apply_along_axis(lambda v: xp.outer(v, v), 1, x), A(2, 3))
case("apply_along_axis", lambda xp, x: xp.apply_along_axis(lambda v, k: k * v.sum(), 0, x, 3.0), A(2, 3))
case("apply_over_axes", lambda xp, x: xp.apply_over_axes(xp.sum, x, (0, -1)), A(2, 2, 3))

# ---- creation ----

for name in ("array", "asarray", "asanyarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray"):
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([[x, 1.0], [2.0, y]]), A(), A(), dispatches=False)
    case(name, lambda xp, x, name=name: getattr(xp, name)(x) * x, A(3), dispatches=False)
case("array", lambda xp, x: xp.array([x, x], ndmin=4), A(3), dispatches=False)
case("copy", lambda xp, x: xp.copy(x) * x, A(3))
case("full", lambda xp, v: xp.full((2, 3), v), A(3), dispatches=False)
case("full_like", lambda xp, v: xp.full_like(np.zeros((2, 3)), v), A(3), dispatches=False)
case("full_like", lambda xp, x, v: xp.full_like(x, v) * x, A(2, 3), A(3))
for endpoint in (True, False):
    case("linspace", lambda xp, a, b, e=endpoint: xp.linspace(a, b, 4, endpoint=e), A(2), A(2))
    case("logspace", lambda xp, a, b, e=endpoint: xp.logspace(a, b, 4, endpoint=e, base=2.0), A(), A())
    case("geomspace", lambda xp, a, b, e=endpoint: xp.geomspace(a, b, 4, endpoint=e), P(2), P(2))
case("linspace", lambda xp, a: xp.linspace(a, 1.0, 3, retstep=True, axis=-1), A(2))
case("linspace", lambda xp, a: xp.linspace(a, 1.0, 1), A(2))
case("logspace", lambda xp, a, b: xp.logspace(a, 1.0, 3, base=b, axis=-1), A(2), P(2))
case("geomspace", lambda xp, a: xp.geomspace(-a, -3.0, 3), P())
case("geomspace", lambda xp, a: xp.geomspace(a, 2.0 + 1j, 3), C())
case(
    "arange",
    lambda xp, a, h: xp.arange(a, a + 2.2 * h, h) if xp is not np else np.arange(a, a + 2.2 * h, h),
    P(),
    P(),
    dispatches=False,
)
case("kaiser", lambda xp, beta: xp.kaiser(5, beta) if xp is not np else np.kaiser(5, beta), P(), dispatches=False)
