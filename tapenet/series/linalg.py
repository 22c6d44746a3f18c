"""Series rules of linear algebra: each by its defining equation, solved order by order."""

from __future__ import annotations

from tapenet.core.primitive import Array
from tapenet.ops.linalg.linear_solves import inv
from tapenet.ops.linalg.matrices import adjoint, diagonal_of, mirrored, on_diagonal, strictly_lower
from tapenet.ops.linalg.products import matmul
from tapenet.series.arithmetic import Coefficient, Series, convolved, minus_coefficient, solution
from tapenet.series.rules import apply, rule


@rule("solve")
def _solve(a: Series, b: Series) -> Series:
    """Solve a x = b: a_0 x_k = b_k - sum of a_i x_(k-i), over i from 1 on."""
    return solution(lambda right: apply("solve", a[0], right), b, lambda k, x: convolved(matmul, a, x, k, 1))


@rule("inv")
def _inv(a: Series) -> list[Coefficient]:
    """Solve a x = 1."""
    out: list[Coefficient] = [inv(a[0])]
    for k in range(1, len(a)):
        moved = convolved(matmul, a, [*out, None], k, 1)
        out.append(None if moved is None else -(out[0] @ moved))
    return out


@rule("cholesky")
def _cholesky(a: Series, upper: bool) -> Series:
    """Solve L L^H = a."""
    first = apply("cholesky", a[0], upper=upper)
    lower: list[Coefficient] = [adjoint(first) if upper else first]
    adjoints: list[Coefficient] = [adjoint(lower[0])]
    inverse = inv(lower[0])
    for k in range(1, len(a)):
        own = None if a[k] is None else mirrored(a[k], upper)
        right = minus_coefficient(own, convolved(matmul, lower, adjoints, k, 1, k - 1))
        lower.append(None if right is None else lower[0] @ _half_lower(inverse @ right @ adjoint(inverse)))
        adjoints.append(None if right is None else adjoint(lower[-1]))
    return [first, *(adjoints if upper else lower)[1:]]


def _half_lower(x: Array) -> Array:
    """Keep the elements below the diagonal and half of those on it; 0 elsewhere."""
    return strictly_lower(x) + on_diagonal(0.5 * diagonal_of(x))
