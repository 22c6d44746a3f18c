"""Discrete Fourier transforms in C, of any length: by its prime factors, each by the sum that defines its transform.

Source: Swarztrauber, FFT algorithms for vector computers, 1984, for an order of passes in which none is for reordering.
"""

from __future__ import annotations

import numpy as np

from tapenet.errors import ArgumentError
from tapenet.program.backends.c.expressions import TYPES, literal, place_of
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import steps_of

_TRANSFORM = """/* Returns the transform of n elements x, by the factors of n; there is room for 2 n. */
static {kind} *{name}({kind} *x, const {kind} *roots, const size_t *factors, size_t n) {{
  {kind} *from = x, *to = x + n;
  for (size_t done = 1; done < n; factors++) {{
    const size_t p = *factors, whole = done * p, left = n / whole;
    for (size_t i = 0; i < whole; i++)
      for (size_t k = 0; k < left; k++) {{
        {kind} total = 0;
        for (size_t r = 0; r < p; r++)
          total += roots[i * r % whole * left] * from[i % done * p * left + r * left + k];
        to[i * left + k] = total;
      }}
    {kind} *const kept = from;
    from = to;
    to = kept;
    done = whole;
  }}
  return from;
}}"""


def fourier(w: Writer, instruction: Instruction) -> None:
    """Write a transform along axes, of complex numbers or of real ones, to all of a spectrum or its first half."""
    source, out, name = instruction.operands[0], instruction.out, instruction.name
    shape = w.shape(out) if name == "irfft" else w.shape(source)
    given = instruction.parameters
    axes = [axis % len(shape) for axis in (given["axes"] if "axes" in given else (given["axis"],))]
    if name == "irfft" and w.shape(source)[axes[0]] != shape[axes[0]] // 2 + 1:
        raise ArgumentError(
            f"to_c: irfft must read n // 2 + 1 elements; got {w.shape(source)[axes[0]]} for n={shape[axes[0]]}, at "
            f"{instruction.line}. Cut or pad the spectrum."
        )
    w.make(out)
    for i, axis in enumerate(axes):
        _lines(w, instruction, source if not i else out, axis)
    if not axes:
        w.loops(shape, lambda counters: w.add(f"{w.element(out, counters)} = {w.element(source, counters)};"))


def _lines(w: Writer, instruction: Instruction, source: int, axis: int) -> None:
    """Write the transforms of all lines along an axis."""
    out, name = instruction.out, instruction.name
    shape, made = w.shape(source), w.shape(out)
    n = made[axis] if name == "irfft" else shape[axis]
    dtype = np.result_type(w.program.spaces[out].dtype or "d", np.complex64)
    kind = TYPES[dtype.char]
    is_inverse = name in ("ifft", "irfft")
    power = {"ortho": 0.5, "backward": 1.0 * is_inverse, "forward": 1.0 - is_inverse}[instruction.parameters["norm"]]
    angles = (2 if is_inverse else -2) * np.pi * np.arange(n) / n
    roots = w.table((np.cos(angles) + 1j * np.sin(angles)).astype(dtype))
    factors = w.table(np.array([*_factors(n), 1]), "size_t")
    function = w.function("transform", kind, _TRANSFORM)
    suffix = "f" * (dtype.char == "F")
    scale = literal(np.dtype(dtype.char.lower()).type(1 / n**power))
    others = [i for i in range(len(shape)) if i != axis]
    steps, to_steps = steps_of(shape), steps_of(made)

    def write(counters: list[str]) -> None:
        start, to = (place_of(0, counters, [own[i] for i in others]) for own in (steps, to_steps))
        line = f"{w.value(source)}[{start} + {{}} * {steps[axis]}]"
        w.loops([shape[axis]], lambda i: w.add(f"{line_of}[{i[0]}] = {line.format(i[0])};"))
        if name == "irfft":
            rest = (n + 1) // 2 - 1
            w.loops([rest], lambda i: w.add(f"{line_of}[{n - 1} - {i[0]}] = conj{suffix}({line_of}[1 + {i[0]}]);"))
        w.add(f"const {kind} *const found = {function}({line_of}, {roots}, {factors}, {n});")
        value = f"creal{suffix}(found[{{}}])" if name == "irfft" else "found[{}]"
        target = f"{w.names[out]}[{to} + {{}} * {to_steps[axis]}]"
        w.loops([made[axis]], lambda i: w.add(f"{target.format(i[0])} = {value.format(i[0])} * {scale};"))

    if 0 not in made:
        with w.scratch(2 * n, dtype) as line_of:
            w.loops([shape[i] for i in others], write)


def _factors(n: int) -> list[int]:
    """Return the prime factors of a length."""
    found, p = [], 2
    while n > 1:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1
    return found


FOURIER: dict[str, Step] = dict.fromkeys(("fft", "ifft", "rfft", "irfft"), fourier)
