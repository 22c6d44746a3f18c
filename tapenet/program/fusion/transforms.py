"""Discrete Fourier transforms as steps of stretches: which ones machine code makes."""

from __future__ import annotations

import math
import struct
from typing import Any

import attrs
import numpy as np

from tapenet.core.record import Shape
from tapenet.program.instructions import Instruction, Program

NAMES = frozenset({"fft", "ifft", "rfft", "irfft"})
FACTORS = (4, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)

# Elements of a line: those of all lanes lie in the cache, twice.
LONGEST = 1024

# Lines below which NumPy transforms them one by one.
FEWEST_LINES = 4

# Bytes of an array from which on threads share its lines.
SHARED = 2**20


def factors_of(n: int) -> tuple[int, ...]:
    """Return the factors that a length is transformed by; none where it has others than small ones, or is 1."""
    found: list[int] = []
    for factor in FACTORS:
        while n % factor == 0:
            found.append(factor)
            n //= factor
    return tuple(found) if n == 1 else ()


@attrs.frozen
class Transform:
    """A transform of an array in C order.

    Attributes:
        shape: of the array; of what is made, where half a spectrum is read.
        axes: that are transformed, each once, not negative.
        char: of the parts of the complex result, "f" or "d".
        is_real: whether the array is real.
        is_inverse: whether the exponents are positive.
        scale: that the result is multiplied by.
        half: whether the first half of a spectrum, of which the rest is conjugate, is "read" or "written"; empty where
            neither is.
    """

    shape: Shape
    axes: tuple[int, ...]
    char: str
    is_real: bool
    is_inverse: bool
    scale: float
    half: str = ""

    @property
    def name(self) -> str:
        """The name of its function."""
        shape, axes = "x".join(map(str, self.shape)), "_".join(map(str, self.axes))
        bits = struct.pack(">d", self.scale).hex()
        return f"fourier_{self.char}{int(self.is_real)}{int(self.is_inverse)}{self.half}_{shape}_{axes}_{bits}"

    @property
    def made(self) -> tuple[Shape, np.dtype[Any]]:
        """The shape and the dtype of the result."""
        (axis, *_), shape = self.axes, list(self.shape)
        if self.half == "written":
            shape[axis] = shape[axis] // 2 + 1
        return tuple(shape), np.dtype(self.char if self.half == "read" else self.char.upper())

    @property
    def is_costly(self) -> bool:
        """Whether it is worth a call of its own."""
        return True

    @property
    def work(self) -> int:
        """Multiplications, about."""
        return math.prod(self.shape) * 8 * len(self.axes)

    @property
    def is_alone(self) -> bool:
        """Whether it is a call of its own, which threads share."""
        return self.size >= SHARED

    @property
    def arguments(self) -> int:
        """How many addresses its function takes."""
        return 3

    @property
    def between(self) -> int:
        """The bytes of a second array, where several axes are transformed."""
        return self.size if len(self.axes) > 1 else 0

    @property
    def size(self) -> int:
        """The bytes of the result, were it complex and whole."""
        return math.prod(self.shape) * 2 * np.dtype(self.char).itemsize


def transform_of(program: Program, instruction: Instruction) -> Transform | None:
    """Return the transform that an operation is; None for one that NumPy is left to do."""
    own, out = program.spaces[instruction.operands[0]], program.spaces[instruction.out]
    name, given = instruction.name, instruction.parameters
    if name not in NAMES or not own.is_array or not out.is_array or not own.shape or not out.shape or 0 in out.shape:
        return None
    if own.dtype is None or out.dtype is None or not own.dtype.isnative or out.dtype.char not in "fdFD":
        return None
    char, half = out.dtype.char.lower(), {"rfft": "written", "irfft": "read"}.get(name, "")
    if own.dtype.char != char.upper() and (own.dtype.char != char or half == "read"):
        return None
    shape = out.shape if half == "read" else own.shape
    axes = tuple([axis % len(shape) for axis in given["axes"]]) if "axes" in given else (given["axis"] % len(shape),)
    size, is_inverse = math.prod(shape[axis] for axis in axes), name in ("ifft", "irfft")
    power = {"ortho": 0.5, "backward": 1.0 * is_inverse, "forward": 1.0 - is_inverse}[given["norm"]]
    made = Transform(shape, axes, char, own.dtype.kind == "f", is_inverse, 1 / size**power, half)
    is_whole = half != "read" or own.shape[axes[0]] == shape[axes[0]] // 2 + 1
    return made if is_whole and _is_known(made) else None


def _is_known(transform: Transform) -> bool:
    lengths = [transform.shape[axis] for axis in transform.axes]
    every = math.prod(transform.shape)
    is_known = all(1 < n <= LONGEST and factors_of(n) and every // n >= FEWEST_LINES for n in lengths)
    return bool(lengths) and len(set(transform.axes)) == len(lengths) and is_known
