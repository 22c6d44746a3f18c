"""Sparse Jacobians and Hessians beside the function itself, and beside dense ones where memory holds them.

    python benchmarks/sparse.py

For each problem it prints the number of products, the time of the first call, which finds and colours the pattern, and
of later ones, in milliseconds and as a multiple of the function's own; and the peak memory of a later call beside the
size of the matrix, for two sizes, which shows that it is linear.
"""

from __future__ import annotations

import argparse
import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from interleaved import fastest

import tapenet as tn

Array = Any
MOST_DENSE = 4000  # unknowns of a dense matrix


@attrs.frozen(eq=False)
class Problem:
    """A function of an array whose derivative is sparse.

    Attributes:
        title: for the table.
        function: of the array.
        start: makes an array of about so many elements.
        make: the transform to a sparse matrix.
        dense: that to a dense one.
    """

    title: str
    function: Callable[[Array], Array]
    start: Callable[[int], Array]
    make: Callable[..., Any] = tn.sparse_jacobian
    dense: Callable[..., Any] = tn.jacobian


# ---- the problems ----


def tridiagonal(x: Array) -> Array:
    """A chain of cells, each with its neighbours, and a reaction."""
    p = np.pad(x, 1)
    return p[2:] - 2 * x + p[:-2] - x**3


def five_points(u: Array) -> Array:
    """A plane of cells, each with four neighbours, and a reaction."""
    p = np.pad(u, 1)
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u + np.exp(u)


def brusselator(y: Array) -> Array:
    """Two chemicals on a ring of cells in both directions."""

    def spread(a: Array) -> Array:
        return np.roll(a, 1, 0) + np.roll(a, -1, 0) + np.roll(a, 1, 1) + np.roll(a, -1, 1) - 4 * a

    u, v = y[0], y[1]
    uuv = u * u * v
    return np.stack([1 - 4.4 * u + uuv + spread(u), 3.4 * u - uuv + spread(v)])


def arrow(x: Array) -> Array:
    """A sum of all, and each beside the first."""
    return np.concatenate([np.sum(x * x, keepdims=True), x[1:] * x[0]])


def at_random(size: int, per_row: int = 4) -> Callable[[Array], Array]:
    """Products of elements at random places."""
    places = np.random.default_rng(0).integers(0, size, (per_row, size))
    return lambda x: np.sin(x[places]).sum(axis=0)


def rosenbrock(x: Array) -> Array:
    """A curved valley."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def film(u: Array) -> Array:
    """The area of a soap film."""
    down, right = np.diff(u, axis=0)[:, :-1], np.diff(u, axis=1)[:-1]
    return np.sum(np.sqrt(1 + down**2 + right**2))


def line(size: int) -> Array:
    return np.random.default_rng(0).normal(size=size)


def square(size: int) -> Array:
    side = math.isqrt(size)
    return np.random.default_rng(0).normal(size=(side, side))


def two_squares(size: int) -> Array:
    side = math.isqrt(size // 2)
    return np.random.default_rng(0).normal(size=(2, side, side))


def problems(size: int) -> list[Problem]:
    return [
        Problem("tridiagonal", tridiagonal, line),
        Problem("five points", five_points, square),
        Problem("Brusselator", brusselator, two_squares),
        Problem("arrow", arrow, line),
        Problem("random, 4 in a row", at_random(size), line),
        Problem("Rosenbrock, Hessian", rosenbrock, line, tn.sparse_hessian, tn.hessian),
        Problem("soap film, Hessian", film, square, tn.sparse_hessian, tn.hessian),
    ]


# ---- measuring ----


def measure(problem: Problem, size: int, rounds: int) -> None:
    """Time a problem and print it."""
    x = problem.start(size)
    sparse, compiled = problem.make(problem.function), problem.make(problem.function, compile=True)
    begin = time.perf_counter()
    matrix = sparse(x)
    first = time.perf_counter() - begin
    for _ in range(3):
        compiled(x)
    runs = {
        "f": lambda: problem.function(x),
        "sparse": lambda: sparse(x),
        "compiled": lambda: compiled(x),
    }
    if x.size <= MOST_DENSE:
        dense = problem.dense(problem.function)
        found = np.reshape(dense(x), matrix.shape)
        np.testing.assert_allclose(matrix.toarray(), found, rtol=1e-9, atol=1e-9)
        runs["dense"] = lambda: dense(x)
    times = fastest(runs, rounds)
    of_f = times["f"]
    rest = ", ".join(f"{name} {t * 1e3:.3f} ms = {t / of_f:.1f} f" for name, t in times.items() if name != "f")
    print(f"{problem.title}, {x.size:,} unknowns, {matrix.nnz:,} entries, {products(problem, matrix, x)} products")
    print(f"  f {of_f * 1e3:.3f} ms, first {first * 1e3:.0f} ms, {rest}", flush=True)


def products(problem: Problem, matrix: Any, x: Array) -> int:
    """How many products the matrix takes."""
    kind = "star" if problem.make is tn.sparse_hessian else "auto"
    pattern = tn.sparsity(tn.grad(problem.function) if kind == "star" else problem.function)(x)
    return tn.color(pattern, kind, shape=x.shape).count


def peak(problem: Problem, size: int) -> tuple[int, int]:
    """The peak of the memory that a later call takes, and the bytes of its matrix."""
    x = problem.start(size)
    sparse = problem.make(problem.function)
    matrix = sparse(x)
    tracemalloc.start()
    sparse(x)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unknowns", type=int, nargs="*", default=[4000, 100_000])
    parser.add_argument("--only", nargs="*", default=(), metavar="TITLE", help="problems, by the start of their titles")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    for size in options.unknowns:
        for problem in problems(size):
            if not options.only or problem.title.startswith(tuple(options.only)):
                measure(problem, size, options.rounds)
    for size in options.unknowns:
        taken, matrix = peak(problems(size)[1], size)
        print(
            f"five points, {size:,} unknowns: a call takes {taken / 1e6:.2f} MB, {taken / matrix:.1f} times its matrix"
        )


if __name__ == "__main__":
    main()
