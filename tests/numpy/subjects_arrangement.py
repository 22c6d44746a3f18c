"""Subjects: shapes, padding, joining, indexing and order: elements moved about."""

from __future__ import annotations

import numpy as np

from tests.numpy.subjects import ANY, MASK, A, C, D, G, P, _of, case, of
from tests.samples.drawing import numbers

# ---- shapes ----

case("reshape", lambda xp, x: xp.reshape(x, (3, -1)), A(2, 3))
case("reshape", lambda xp, x: xp.reshape(x, 6, order="F"), A(2, 3))
case("ravel", lambda xp, x: xp.ravel(x), A(2, 3))
case("ravel", lambda xp, x: xp.ravel(x, order="F"), A(2, 3))
for name in ("transpose", "permute_dims"):
    case(name, of(name), A(2, 3))
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
    case(name, of(name), _of(numbers, ANY))
    case(name, of(name), A(2), A(2, 3))
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
for name in ("hstack", "vstack", "dstack", "column_stack"):
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([x, y]), A(2), A(2))
    case(name, lambda xp, x, y, name=name: getattr(xp, name)((x, y)), A(2, 2), A(2, 2))
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
        case(name, of(name, k), A(2, 3, 4))
    case(name, of(name), A(3))

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
