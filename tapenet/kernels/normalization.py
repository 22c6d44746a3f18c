"""Normalization by mean and variance, forward and backward: of channels over all rows, or of rows over their features.

Arrays are of shape (rows, channels). What is normalized is read piece by piece, and all passes over a piece are made
while it is in cache, or one pass by machine code (`normalization_code`). Rows of few channels are joined to long ones,
over which inner loops run. Sums over rows are those of pieces, added in their order: threads share pieces, and do not
matter.

Source: Ioffe and Szegedy, "Batch normalization", arXiv:1502.03167, section 3, for the cotangents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.memory import address, empty
from tapenet.kernels.products import matmul
from tapenet.kernels.threads import share
from tapenet.kernels.vector_functions import functions_for
from tapenet.kernels.windows import Array, computing_dtype

# Bytes of a piece, of which several are used at a time, and elements of a joined row.
PIECE_SIZE = 2**17
LONG_ROW = 1024

# Elements from which on machine code is called, which then costs less than NumPy's calls.
FEWEST = 2**11

# What the passes over a piece cost, in reads of its memory: so much smaller arrays are worth a thread.
FORWARD_COST, BACKWARD_COST = 4, 8


def batch_norm(x: Array, scale: Array, offset: Array, unused: None, *, eps: float) -> tuple[Array, ...]:
    """Compute scale (x - mean) / sqrt(var + eps) + offset of channels, mean, var and 1 / sqrt(var + eps)."""
    (x, scale, offset), dtype = _operands(x, scale, offset)
    rows, repeats = _long_rows(x)
    count, code = len(x), _code_for(x, "channels")
    (total,) = _summed(code.get("sums"), rows, repeats, [rows], [], lambda own: [own])
    mean = total / count
    tiled = np.tile(mean, repeats).astype(x.dtype)
    # In a second pass: mean(x^2) - mean(x)^2 cancels where the mean is large.
    (total,) = _summed(code.get("moments"), rows, repeats, [rows], [tiled], lambda own: [np.square(own - tiled)])
    var = total / count
    inverse = 1 / np.sqrt(var + eps)
    slope, added = (np.tile(v, repeats).astype(x.dtype) for v in (scale * inverse, offset))
    y = empty(rows.shape, x.dtype)

    def work(piece: slice) -> None:
        # The mean first: x slope + (offset - mean slope) takes a pass less, and cancels where the mean is large.
        np.subtract(rows[piece], tiled, out=y[piece])
        y[piece] *= slope
        y[piece] += added

    at_once = _over(code.get("scaled"), rows, [rows], [tiled, slope, added], [y])
    _by_pieces(work, at_once, rows, FORWARD_COST)
    return tuple(v.astype(dtype, copy=False) for v in (y.reshape(x.shape), mean, var, inverse))


def batch_norm_backward(
    operands: Sequence[Array],
    given: Sequence[Array],
    wanted: Sequence[bool],
    y_bar: Array | None,
    mean_bar: Array | None,
    var_bar: Array | None,
    *,
    eps: float,
) -> tuple[Array, ...]:
    """Compute the cotangents of x, scale and offset."""
    (x, scale), _ = _operands(*operands[:2])
    _, mean, _, inverse = given
    rows, repeats = _long_rows(x)
    count, code = len(x), _code_for(x, "channels")
    t = np.zeros(rows.shape, x.dtype) if y_bar is None else np.ascontiguousarray(y_bar, x.dtype).reshape(rows.shape)
    tiled = np.tile(mean, repeats).astype(x.dtype)
    offset_bar, moment = _summed(
        code.get("bar_sums"), rows, repeats, [t, rows], [tiled], lambda bar, own: [bar, bar * (own - tiled)]
    )
    slope = scale * inverse
    # x_bar = slope t + (x - mean) along + shift
    along, shift = -slope * inverse**2 * moment / count, -slope * offset_bar / count
    if var_bar is not None:
        along = along + 2 * np.asarray(var_bar) / count
    if mean_bar is not None:
        shift = shift + np.asarray(mean_bar) / count
    by_t, by_x, by_none = (np.tile(v, repeats).astype(x.dtype) for v in (slope, along, shift))
    x_bar = empty(rows.shape, x.dtype)

    def work(piece: slice) -> None:
        deviation = rows[piece] - tiled
        deviation *= by_x
        np.multiply(t[piece], by_t, out=x_bar[piece])
        x_bar[piece] += deviation
        x_bar[piece] += by_none

    at_once = _over(code.get("bar"), rows, [t, rows], [tiled, by_t, by_x, by_none], [x_bar])
    _by_pieces(work, at_once, rows, BACKWARD_COST)
    return x_bar.reshape(x.shape), moment * inverse, offset_bar


def layer_norm(x: Array, scale: Array, offset: Array, unused: None, *, eps: float) -> tuple[Array, ...]:
    """Compute scale (x - mean) / sqrt(var + eps) + offset of rows, mean and 1 / sqrt(var + eps)."""
    (x, scale, offset), dtype = _operands(x, scale, offset)
    y, mean, inverse = empty(x.shape, x.dtype), np.empty((len(x), 1), x.dtype), np.empty((len(x), 1), x.dtype)
    features = x.dtype.type(x.shape[1])
    code = _code_for(x, "rows")

    def work(piece: slice) -> None:
        own = y[piece]
        mean[piece] = np.add.reduce(x[piece], axis=1, keepdims=True) / features
        np.subtract(x[piece], mean[piece], out=own)
        var = np.einsum("rf,rf->r", own, own)[:, None] / features  # einsum makes no array of squares
        inverse[piece] = 1 / np.sqrt(var + x.dtype.type(eps))
        own *= inverse[piece]
        own *= scale
        own += offset

    numbers = (float(features), float(eps))
    at_once = _over(code.get("row"), x, [x], [scale, offset], [y, mean, inverse], numbers=numbers)
    _by_pieces(work, at_once, x, FORWARD_COST)
    return y.astype(dtype, copy=False), mean, inverse


def layer_norm_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], y_bar: Array | None, *, eps: float
) -> tuple[Array, ...]:
    """Compute the cotangents of x, scale and offset."""
    (x, scale), _ = _operands(*operands[:2])
    _, mean, inverse = (np.ascontiguousarray(a, x.dtype) for a in given)
    t = np.zeros(x.shape, x.dtype) if y_bar is None else np.ascontiguousarray(y_bar, x.dtype)
    x_bar = empty(x.shape, x.dtype)
    weights = scale / x.dtype.type(x.shape[1])  # of a mean
    code = _code_for(x, "rows")

    def work(piece: slice, sums: Array) -> None:
        normal, own = x[piece] - mean[piece], x_bar[piece]
        normal *= inverse[piece]
        product = t[piece] * normal
        np.add.reduce(product, axis=0, out=sums[0])
        np.add.reduce(t[piece], axis=0, out=sums[1])
        normal *= matmul(product, weights)[:, None]
        normal += matmul(t[piece], weights)[:, None]
        np.multiply(t[piece], scale, out=own)
        own -= normal
        own *= inverse[piece]

    arrays = ([t, x], [scale], [mean, inverse, x_bar])
    at_once = _over(code.get("row_backward"), x, *arrays, numbers=(float(x.shape[1]),))
    scale_bar, offset_bar = _sums_of_pieces(work, at_once, x, 2, BACKWARD_COST)
    return x_bar, scale_bar, offset_bar


def _operands(*arrays: Array) -> tuple[list[Array], np.dtype[Any]]:
    """Return arrays in C order and in the dtype to compute in, and the dtype of the result."""
    dtype = np.result_type(*arrays)
    return [np.ascontiguousarray(x, computing_dtype(dtype)) for x in arrays], dtype


def _long_rows(x: Array) -> tuple[Array, int]:
    """Join as many rows as divide their number, up to a long one; return the rows, and how many are joined in each."""
    # A divisor, so that joining is a view.
    repeats = next((n for n in range(LONG_ROW // x.shape[1], 1, -1) if len(x) % n == 0), 1)
    return x.reshape(-1, repeats * x.shape[1]), repeats


# ---- pieces ----


def _piece(x: Array) -> int:
    """Return how many rows of x are a piece."""
    return max(1, PIECE_SIZE // max(1, int(x.itemsize * x.shape[1])))


def _pieces(x: Array) -> list[slice]:
    step = _piece(x)
    return [slice(begin, min(begin + step, len(x))) for begin in range(0, len(x), step)]


def _by_pieces(work: Callable[[slice], None], at_once: Callable[[slice], None] | None, x: Array, cost: int) -> None:
    """Call `work` on each piece of the rows of x, or `at_once` on many; threads share the pieces."""
    pieces = _pieces(x)

    def mine(part: slice) -> None:
        if at_once is not None:
            at_once(slice(pieces[part.start].start, pieces[part.stop - 1].stop))
            return
        for piece in pieces[part]:
            work(piece)

    share(mine, len(pieces), cost * x.nbytes)


def _sums_of_pieces(
    work: Callable[[slice, Array], None],
    at_once: Callable[[slice, Array], None] | None,
    x: Array,
    count: int,
    cost: int,
) -> Array:
    """Return sums over all rows, in double precision from piece to piece; see `_by_pieces`.

    The functions write `count` sums over each piece, which are zero before: `work` of shape (count, columns), `at_once`
    of shape (count, pieces, columns).
    """
    pieces = _pieces(x)
    sums = np.zeros((count, len(pieces), x.shape[1]), x.dtype)

    def mine(part: slice) -> None:
        if at_once is not None:
            at_once(slice(pieces[part.start].start, pieces[part.stop - 1].stop), sums[:, part])
            return
        for i in range(part.start, part.stop):
            work(pieces[i], sums[:, i])

    share(mine, len(pieces), cost * x.nbytes)
    total: Array = np.add.reduce(sums, axis=1, dtype=np.result_type(x.dtype, np.float64))
    return total


def _summed(
    function: Callable[..., None] | None,
    rows: Array,
    repeats: int,
    arrays: Sequence[Array],
    channels: Sequence[Array],
    terms: Callable[..., list[Array]],
) -> list[Array]:
    """Add up terms over all rows, channel by channel.

    Args:
        function: machine code for the sums over pieces; None where NumPy adds up `terms` of pieces of `arrays`.
        channels: what the function reads beside these.
    """
    count = len(terms(*(x[:1] for x in arrays)))

    def work(piece: slice, sums: Array) -> None:
        for term, own in zip(terms(*(x[piece] for x in arrays)), sums, strict=True):
            np.add.reduce(term, axis=0, out=own)

    at_once = _over(function, rows, arrays, channels, [])
    return list(_sums_of_pieces(work, at_once, rows, count, FORWARD_COST).reshape(count, repeats, -1).sum(1))


# ---- machine code ----


def _code_for(x: Array, name: str) -> dict[str, Callable[..., None]]:
    """Return the functions of `normalization_code`; none of them where NumPy computes."""
    functions = functions_for(x.dtype, "tapenet.kernels.normalization_code", name) if x.size >= FEWEST else None
    return {} if functions is None else functions.by_name


def _over(
    function: Callable[..., None] | None,
    x: Array,
    before: Sequence[Array],
    shared: Sequence[Array],
    after: Sequence[Array],
    numbers: tuple[float, ...] = (),
) -> Callable[..., None] | None:
    """Return what calls a function on pieces of the rows of x, and on the arrays for their sums; None for no function.

    Args:
        before: arrays with a row for each of x, which come first.
        shared: those that all rows read.
        after: others with a row for each of x.
    """
    if function is None:
        return None
    places = [
        (address(a), 0 if is_shared else a.strides[0])
        for part, is_shared in ((before, False), (shared, True), (after, False))
        for a in part
    ]
    columns, piece = x.shape[1], _piece(x)

    def work(rows: slice, sums: Sequence[Array] = ()) -> None:
        given = [place + step * rows.start for place, step in places]
        function(*given, *map(address, sums), rows.stop - rows.start, columns, piece, *numbers)

    return work
