"""Linear algebra in C: factors, inverses and solutions, by functions of their own for matrices of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from tapenet.errors import ArgumentError
from tapenet.program.backends.c.expressions import TYPES, place_of
from tapenet.program.backends.c.operations import unless_empty
from tapenet.program.backends.c.writer import Step, Writer
from tapenet.program.instructions import Instruction
from tapenet.program.selections import broadcast_steps, steps_of

LOWER, UPPER = "lower triangular", "upper triangular"

# Each returns 0, or 3 where a matrix is singular, or not positive definite.
_FUNCTIONS = {
    "cholesky": """/* Replaces a triangle of a by its Cholesky factor: the lower one, for the steps n and 1. */
static int {name}({kind} *a, size_t n, size_t row, size_t column) {{
  for (size_t j = 0; j < n; j++) {{
    for (size_t i = j; i < n; i++) {{
      {kind} rest = a[i * row + j * column];
      for (size_t k = 0; k < j; k++) rest -= a[i * row + k * column] * {conj}(a[j * row + k * column]);
      if (i == j && !({re}(rest) > 0)) return 3;
      a[i * row + j * column] = i == j ? sqrt{f}({re}(rest)) : rest / a[j * row + j * column];
    }}
    for (size_t i = 0; i < j; i++) a[i * row + j * column] = 0;
  }}
  return 0;
}}""",
    # S. P. Smith, Differentiation of the Cholesky Algorithm, 1995, section 4.
    "cholesky_pullback": """/* Replaces the cotangent of a Cholesky factor by that of the triangle it is of. */
static int {name}({kind} *bar, const {kind} *factor, size_t n) {{
  for (size_t k = n; k-- > 0;) {{
    for (size_t j = k + 1; j < n; j++)
      for (size_t i = j; i < n; i++) {{
        bar[i * n + k] -= bar[i * n + j] * {conj}(factor[j * n + k]);
        bar[j * n + k] -= {conj}(bar[i * n + j] * factor[i * n + k]);
      }}
    for (size_t j = k + 1; j < n; j++) {{
      bar[j * n + k] /= factor[k * n + k];
      bar[k * n + k] -= {re}(bar[j * n + k] * factor[j * n + k]);
      bar[k * n + j] = 0;
    }}
    bar[k * n + k] = {re}(bar[k * n + k]) / (2 * {re}(factor[k * n + k]));
  }}
  return 0;
}}""",
    "eliminate": """/* Replaces m columns b by the solution of a x = b, by Gaussian elimination; a is not kept. */
static int {name}({kind} *a, {kind} *b, size_t n, size_t m) {{
  for (size_t k = 0; k < n; k++) {{
    size_t best = k;
    for (size_t i = k + 1; i < n; i++)
      if ({mag}(a[i * n + k]) > {mag}(a[best * n + k])) best = i;
    if (a[best * n + k] == 0) return 3;
    for (size_t j = 0; best != k && j < n + m; j++) {{
      {kind} *const one = j < n ? a + k * n + j : b + k * m + j - n;
      {kind} *const other = j < n ? a + best * n + j : b + best * m + j - n;
      const {kind} kept = *one;
      *one = *other;
      *other = kept;
    }}
    for (size_t i = k + 1; i < n; i++) {{
      const {kind} factor = a[i * n + k] / a[k * n + k];
      for (size_t j = k + 1; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
      for (size_t j = 0; j < m; j++) b[i * m + j] -= factor * b[k * m + j];
    }}
  }}
  for (size_t i = n; i-- > 0;)
    for (size_t j = 0; j < m; j++) {{
      for (size_t k = i + 1; k < n; k++) b[i * m + j] -= a[i * n + k] * b[k * m + j];
      b[i * m + j] /= a[i * n + i];
    }}
  return 0;
}}""",
    "substitute": """/* Replaces m columns b by the solution of a x = b, of which one triangle is read. */
static int {name}(const {kind} *a, {kind} *b, size_t n, size_t m, int is_lower) {{
  for (size_t step = 0; step < n; step++) {{
    const size_t i = is_lower ? step : n - 1 - step;
    if (a[i * n + i] == 0) return 3;
    for (size_t j = 0; j < m; j++) {{
      for (size_t k = is_lower ? 0 : i + 1; k < (is_lower ? i : n); k++) b[i * m + j] -= a[i * n + k] * b[k * m + j];
      b[i * m + j] /= a[i * n + i];
    }}
  }}
  return 0;
}}""",
}


def of_matrices(w: Writer, out: int, first: int, last: int | str, write: Callable[[str, str], None]) -> None:
    """Write a loop over a stack of results.

    Args:
        first: a stack of matrices.
        last: those that results begin as copies of; a table of one matrix by its name.
        write: is given where a result begins, and where the matrix of the first does.
    """
    *stack, rows, columns = w.shape(out)
    target = w.make(out)

    def each(counters: list[str]) -> None:
        own = f"{target} + {place_of(0, counters, [step * rows * columns for step in steps_of(stack)])}"
        start = last if isinstance(last, str) else matrix_at(w, last, stack, counters)
        w.add(f"memcpy({own}, {start}, {rows * columns} * sizeof(*{target}));")
        write(own, matrix_at(w, first, stack, counters))

    operands = (first,) if isinstance(last, str) else (first, last)
    with in_dtype(w, operands, w.program.spaces[out].dtype):
        w.loops(stack, each)


def matrix_at(w: Writer, number: int, stack: Sequence[int], counters: list[str]) -> str:
    """Return where a matrix of a stack begins, for counters over a stack that it is broadcast to."""
    size = math.prod(w.shape(number)[-2:])
    steps = [step * size for step in broadcast_steps(w.shape(number)[:-2], tuple(stack))]
    return f"{w.value(number)} + {place_of(0, counters, steps)}"


@contextmanager
def in_dtype(w: Writer, numbers: Sequence[int], dtype: Any) -> Iterator[None]:
    """Write copies of values of another dtype, which stand for them meanwhile."""
    with ExitStack() as stack:
        kept = {}
        for n in dict.fromkeys(numbers):
            own = w.program.spaces[n].dtype
            if own is not None and own.char != dtype.char:
                count, source = math.prod(w.shape(n)), w.value(n)
                copy = stack.enter_context(w.scratch(max(1, count), dtype))
                w.loops([count], lambda at, to=copy, of=source: w.add(f"{to}[{at[0]}] = {of}[{at[0]}];"))  # type: ignore[misc]
                kept[n], w.names[n] = source, copy
        yield
        w.names |= kept


def call(w: Writer, function: str, text: str, dtype: Any, *arguments: object) -> None:
    """Write the call of a function for elements of a dtype; it returns what is not 0 where it fails."""
    if dtype.char not in "fdFD":
        raise ArgumentError(f"to_c: matrices must be of floats or complex numbers; got {dtype}.")
    w.add(f"if ({w.function(function, TYPES[dtype.char], text)}({', '.join(map(str, arguments))})) return 3;")


def _call(w: Writer, function: str, number: int, *arguments: object) -> None:
    call(w, function, _FUNCTIONS[function], w.program.spaces[number].dtype, *arguments)


def cholesky(w: Writer, instruction: Instruction) -> None:
    """Write Cholesky factors, of lower triangles or of upper ones."""
    (source,), out = instruction.operands, instruction.out
    n = w.shape(out)[-1]
    steps = (1, n) if instruction.parameters["upper"] else (n, 1)
    of_matrices(w, out, source, source, lambda own, _: _call(w, "cholesky", out, own, n, *steps))


def cholesky_pullback(w: Writer, instruction: Instruction) -> None:
    """Write what takes cotangents of lower Cholesky factors to those of the triangles that they are of."""
    (bar, factor), out = instruction.operands, instruction.out
    n = w.shape(out)[-1]
    of_matrices(w, out, factor, bar, lambda own, factor: _call(w, "cholesky_pullback", out, own, factor, n))


def solve(w: Writer, instruction: Instruction) -> None:
    """Write solutions of linear equations, for one matrix of columns or for stacks of them."""
    a, b = instruction.operands
    _solutions(w, instruction, a, b, instruction.parameters.get("assume"))


def inverse(w: Writer, instruction: Instruction) -> None:
    """Write inverses: solutions for the columns of the unit matrix."""
    unit = np.eye(w.shape(instruction.out)[-1], dtype=w.program.spaces[instruction.out].dtype)
    _solutions(w, instruction, instruction.operands[0], w.table(unit), None)


def _solutions(w: Writer, instruction: Instruction, a: int, b: int | str, assume: str | None) -> None:
    out, triangle = instruction.out, instruction.parameters.get("triangle") or assume
    n, columns = w.shape(out)[-2:]
    if triangle in (LOWER, UPPER):
        is_lower = int(triangle == LOWER)
        of_matrices(w, out, a, b, lambda own, a: _call(w, "substitute", out, a, own, n, columns, is_lower))
        return
    w.make(out)
    with w.scratch(n * n, w.program.spaces[out].dtype) as copy:

        def write(own: str, a: str) -> None:
            w.add(f"memcpy({copy}, {a}, {n * n} * sizeof(*{copy}));")
            _call(w, "eliminate", out, copy, own, n, columns)

        of_matrices(w, out, a, b, write)


LINALG: dict[str, Step] = {
    "cholesky": unless_empty(cholesky),
    "cholesky_pullback": unless_empty(cholesky_pullback),
    **dict.fromkeys(("solve", "linalg.solve"), unless_empty(solve)),
    **dict.fromkeys(("inv", "linalg.inv"), unless_empty(inverse)),
}
