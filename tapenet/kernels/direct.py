"""Direct convolution by generated code, which LLVM compiles for this processor: images are read where they lie.

NumPy and BLAS need the places that windows look at as rows of a matrix, and so copies of each place, one for every row
of a window. This code sums up over the taps of a window with all sums in registers. Images are copied at most once, to
put padding around them. It is for float32 and float64, on processors with AVX2 or AVX-512.

See `convolution` for the three kernels. Each is one block of matrix products after another, in which the windows of a
row of outputs are the rows of a matrix, that begin less than their length apart:

    convolve          a block is a row of outputs; the sum runs over taps and channels
    convolve_input    a block is a row of cotangents, whose products with the rows of the kernel are added to the images
    convolve_kernel   a block is a row of taps; the sum runs over images and outputs
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels import backends
from tapenet.kernels.blocking import Blocking
from tapenet.kernels.gemm import INVALID, report_exceptions
from tapenet.kernels.memory import address, empty
from tapenet.kernels.processors import num_threads
from tapenet.kernels.teams import Following, Native, Parts, Step, done
from tapenet.kernels.threads import WORTH_SHARING, parts_of, share
from tapenet.kernels.windows import Array, Axis

# Imported where code is generated only: it needs llvmlite's builder.
_GENERATOR = "tapenet.kernels.convolution_code"

# Bytes of the part of a kernel that a tile reads: it stays in the second cache.
LARGEST_PANEL = 2**19

# Bytes of images and cotangents whose products are added to the kernel's cotangent at a time.
CHUNK = 2**19

# Bytes of the result of a part that is followed by another step: they stay in the second cache.
RESULT_BYTES = 2**18

# Features that are worth a vector.
FEWEST = 8

# Parts for each thread: they are not all equally fast.
PARTS = 2


@attrs.frozen(eq=False)
class Direct:
    """The code of one dtype.

    Attributes:
        dtype: of all arrays.
        native: the function, which takes what `convolution_code.Sums` describes.
        rows: of a tile.
        columns: of a tile.
        library: what holds the code.
    """

    dtype: np.dtype[Any]
    native: Native
    rows: int
    columns: int
    library: Any

    def step(
        self,
        arrays: tuple[int, int, int, int],
        *,
        block: tuple[int, int],
        row: tuple[int, int],
        loops: Sequence[tuple[int, int, int]],
        blocks: tuple[int, int, int],
        steps: tuple[int, int, int, int],
        taps: tuple[int, int, int] = (1, 0, 0),
        chunks: tuple[int, int, int] = (1, 0, 0),
        adds: bool = False,
    ) -> Step:
        """Return a call of the function, with its arguments in groups: see `convolution_code.Sums`."""
        nested = [x for one in (*[(1, 0, 0)] * (3 - len(loops)), *loops) for x in one]
        return (self.native, *arrays, *block, *row, *nested, *blocks, *steps, *taps, *chunks, int(adds))

    def run(self, parts: Parts, out: Array, following: Following | None = None) -> None:
        """Do all parts, which write to `out`, and report exceptions as NumPy does."""
        met = done(parts)
        if following is not None:
            following.met |= met
            met &= ~following.again
        # Lanes of a vector that lie behind the last feature multiply by zero, infinities too, and are not written.
        if met & INVALID and not np.isnan(out).any():
            met &= ~INVALID
        report_exceptions(self.dtype, met)


@attrs.frozen(eq=False)
class Windows:
    """Images with padding around them, and the windows on them.

    Attributes:
        images: array, shape (N, H, W, C), with its padding.
        window: (kh, kw).
        stride, dilation: (vertical, horizontal).
        count: (OH, OW), how many windows there are.
        groups: of channels and features.
    """

    images: Array
    window: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    count: tuple[int, int]
    groups: int

    @classmethod
    def on(cls, images: Array, rows: Axis, columns: Axis, groups: int) -> Windows:
        """Return the windows on images that have their padding."""
        return cls(
            images,
            (rows.window, columns.window),
            (rows.stride, columns.stride),
            (rows.dilation, columns.dilation),
            (rows.count, columns.count),
            groups,
        )

    @property
    def is_joined(self) -> bool:
        """Whether the places of a row of a window lie side by side, with all of their channels."""
        return self.dilation[1] == 1 and self.groups == 1

    @property
    def channels(self) -> int:
        """The channels of a group."""
        return int(self.images.shape[3]) // self.groups

    @property
    def across(self) -> int:
        """How far the next row of an image is."""
        return int(self.images.shape[2] * self.images.shape[3])


def direct_for(kernel_shape: tuple[int, ...], dtype: np.dtype[Any], groups: int) -> Direct | None:
    """Return the code for convolutions with kernels of a shape; None where there is none, or it does not pay."""
    kh, kw, channels, features = kernel_shape
    code = _code_for(dtype) if kh * kw > 1 and dtype.char in "fd" and dtype.isnative else None
    if code is None or not channels or not features:
        return None
    width = min(features // groups, code.columns)
    is_small = kh * kw * channels * width * dtype.itemsize <= LARGEST_PANEL
    is_wide = features // groups >= FEWEST and (groups == 1 or channels >= FEWEST)
    return code if is_small and is_wide else None


def padded(x: Array, rows: Axis, columns: Axis) -> Array:
    """Return images with zeros around them, as far as windows reach; the images themselves where none does."""
    if not (rows.padded or columns.padded):
        return x
    out = empty(padded_shape(x.shape, rows, columns), x.dtype)

    def work(part: slice) -> None:
        own = out[part]
        top, left = rows.before, columns.before
        high, wide = min(x.shape[1], own.shape[1] - top), min(x.shape[2], own.shape[2] - left)
        own[:, :top] = 0
        own[:, top + high :] = 0
        own[:, top : top + high, :left] = 0
        own[:, top : top + high, left + wide :] = 0
        own[:, top : top + high, left : left + wide] = x[part, :high, :wide]

    share(work, len(x), x.nbytes + out.nbytes)
    return out


def padded_shape(shape: tuple[int, ...], rows: Axis, columns: Axis) -> tuple[int, ...]:
    """Return the shape of images with their padding."""
    high, wide = (max(axis.before + axis.end, axis.before + axis.size) for axis in (rows, columns))
    return shape[0], high, wide, shape[3]


def unpadded(x: Array, shape: tuple[int, ...], rows: Axis, columns: Axis) -> Array:
    """Return images of a shape without the padding around them."""
    if x.shape == shape:
        return x
    out = empty(shape, x.dtype)
    inner = x[:, rows.before : rows.before + shape[1], columns.before : columns.before + shape[2]]
    share(lambda part: np.copyto(out[part], inner[part]), len(x), 2 * out.nbytes)
    return out


def shares_input(t: Array, kernel: Array) -> bool:
    """Return whether threads can share `convolve_input`, by images, or need not."""
    return len(t) > 1 or t.size * kernel[..., 0].size < 2 * WORTH_SHARING


def convolve(
    code: Direct,
    windows: Windows,
    kernel: Array,
    y: Array,
    bias: Array | None = None,
    following: Following | None = None,
) -> None:
    """Write the convolution of images with a kernel to y (N, OH, OW, O), plus a bias (O,), all in C order."""
    x, (kh, kw) = windows.images, windows.window
    (sh, sw), (dh, dw) = windows.stride, windows.dilation
    channels, features = windows.channels, kernel.shape[3]
    across = windows.across
    size = code.dtype.itemsize
    inner = [(kw * channels, 1, features)]
    if not windows.is_joined:
        inner = [(kw, dw * x.shape[3], channels * features), (channels, 1, features)]
    own = features // windows.groups
    addresses = [address(a) for a in (x, kernel, y)]
    begin = 0 if bias is None else address(bias)
    blocks = len(x) * windows.count[0]
    parts = [
        [
            code.step(
                (
                    addresses[0] + g * channels * size,
                    addresses[1] + g * own * size,
                    addresses[2] + g * own * size,
                    begin and begin + g * own * size,
                ),
                block=(windows.count[1], own),
                row=(sw * x.shape[3], features),
                loops=[(kh, dh * across, kw * channels * features), *inner],
                blocks=(part.start, part.stop, windows.count[0]),
                steps=(x.shape[1] * across, sh * across, y.shape[1] * y.shape[2] * features, y.shape[2] * features),
            )
            for g in range(windows.groups)
        ]
        + _then(following, part, windows.count[1])
        for part in _parts(blocks, y.size * kernel[..., 0].size, y.nbytes if following else 0)
    ]
    code.run(parts, y, following)


def convolve_input(code: Direct, windows: Windows, kernel: Array, t: Array, following: Following | None = None) -> None:
    """Add the cotangent of images to `windows.images`, given that of outputs, all in C order."""
    x, (kh, kw) = windows.images, windows.window
    (sh, sw), (dh, dw) = windows.stride, windows.dilation
    channels, features = windows.channels, kernel.shape[3]
    own, across, size = features // windows.groups, windows.across, code.dtype.itemsize
    # (kh, O, kw * C), or (kh, kw, O, C) where each tap is a block of its own.
    turned = kernel.transpose((0, 3, 1, 2) if windows.is_joined else (0, 1, 3, 2))
    turned = np.ascontiguousarray(turned)
    width = kw * channels if windows.is_joined else channels
    taps = [0] if windows.is_joined else range(kw)
    plane = features * width
    t_at, turned_at, x_at = map(address, (t, turned, x))
    parts = [
        [
            code.step(
                (
                    t_at + g * own * size,
                    turned_at + (j * plane + g * own * width) * size,
                    x_at + (j * dw * x.shape[3] + g * channels) * size,
                    0,
                ),
                block=(windows.count[1], width),
                row=(features, sw * x.shape[3]),
                loops=[(own, 1, width)],
                blocks=(part.start * windows.count[0], part.stop * windows.count[0], windows.count[0]),
                steps=(t[0].size, t[0, 0].size, x.shape[1] * across, sh * across),
                taps=(kh, len(taps) * plane, dh * across),
                adds=True,
            )
            for g in range(windows.groups)
            for j in taps
        ]
        + _then(following, part, x.shape[1] * x.shape[2])
        for part in _parts(len(x), t.size * kernel[..., 0].size, x.nbytes if following else 0)
    ]
    code.run(parts, x, following)


def convolve_kernel(code: Direct, windows: Windows, t: Array, kernel: Array) -> None:
    """Write the cotangent of a kernel, given that of outputs, all in C order."""
    x, (kh, kw) = windows.images, windows.window
    (sh, sw), (dh, dw) = windows.stride, windows.dilation
    channels, features = windows.channels, kernel.shape[3]
    own, across, size = features // windows.groups, windows.across, code.dtype.itemsize
    height = kw * channels if windows.is_joined else channels
    taps = [0] if windows.is_joined else range(kw)
    at_once = min(len(x), max(1, CHUNK // max(1, (x[0].size + t[0].size) * size)))
    whole, rest = divmod(len(x), at_once)
    chunks = [(0, at_once, whole), (whole * at_once, rest, 1)][: 1 + (rest > 0)]
    step = x[0].size, t[0].size
    x_at, t_at, kernel_at = map(address, (x, t, kernel))

    def steps(g: int, i: int, j: int, rows: slice) -> list[Step]:
        place = i * dh * across + j * dw * x.shape[3] + g * channels + rows.start
        target = ((i * kw + j) * channels + rows.start) * features + g * own
        return [
            code.step(
                (
                    x_at + (place + first * step[0]) * size,
                    t_at + (g * own + first * step[1]) * size,
                    kernel_at + target * size,
                    0,
                ),
                block=(rows.stop - rows.start, own),
                row=(1, features),
                loops=[
                    (count, step[0], step[1]),
                    (windows.count[0], sh * across, windows.count[1] * features),
                    (windows.count[1], sw * x.shape[3], features),
                ],
                blocks=(0, 1, 1),
                steps=(0, 0, 0, 0),
                chunks=(times, at_once * step[0], at_once * step[1]),
                adds=first > 0,
            )
            for first, count, times in chunks
        ]

    work = t.size * kernel[..., 0].size
    cut = _tiles(height, code.rows, -(-len(_parts(PARTS * num_threads(), work)) // (kh * len(taps) * windows.groups)))
    places = [(g, i, j, rows) for g in range(windows.groups) for i in range(kh) for j in taps for rows in cut]
    if len(_parts(len(places), work)) == 1:
        code.run([[one for place in places for one in steps(*place)]], kernel)
    else:
        code.run([steps(*place) for place in places], kernel)


def _then(following: Following | None, part: slice, rows: int) -> list[Step]:
    """Return the step that follows blocks of so many rows each."""
    return [] if following is None else [following.step(slice(part.start * rows, part.stop * rows))]


def _parts(count: int, work: int, size: int = 0) -> list[slice]:
    """Cut blocks into parts for threads, more than there are; one part where sharing so much work does not pay.

    Args:
        count: of the blocks.
        work: multiplications of all of them.
        size: bytes of the result that are to be in the cache when a part is done; 0 for no matter.
    """
    parts = 1 if len(parts_of(count, work, WORTH_SHARING)) == 1 else PARTS * num_threads()
    parts = min(count, max(parts, size // RESULT_BYTES))
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def _tiles(rows: int, height: int, parts: int) -> list[slice]:
    """Cut rows into parts of whole tiles."""
    tiles = -(-rows // height)
    step = -(-tiles // parts) * height
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]


_compiled: dict[str, Direct | None] = {}


def _code_for(dtype: np.dtype[Any]) -> Direct | None:
    """Return the code of a dtype, compiled or loaded from the disk at its first use."""
    if not backends.has_machine_code():
        return None
    if dtype.char not in _compiled:
        # Imported at the first convolution: it needs llvmlite, and modules that importing tapenet does not.
        machine_code = importlib.import_module("tapenet.kernels.machine_code")
        vector_size = machine_code.processor().vector_size
        _compiled[dtype.char] = _made(dtype, vector_size, machine_code) if vector_size else None
    return _compiled[dtype.char]


def _made(dtype: np.dtype[Any], vector_size: int, machine_code: Any) -> Direct:
    cut = Blocking.of(dtype.char, vector_size)
    shape = (cut.lanes, cut.rows, cut.vectors)
    library = machine_code.compile_module(
        lambda: importlib.import_module(_GENERATOR).sums_module(dtype.char, *shape),
        machine_code.source_of(_GENERATOR, "tapenet.kernels.ir_code"),
        dtype.char,
        repr(shape),
    )
    native = Native(library.address("window_sums"), "q" * 31)
    return Direct(dtype, native, cut.rows, cut.columns, library)
