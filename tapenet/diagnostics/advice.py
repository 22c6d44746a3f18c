"""Advice for expressions that give NaN or infinity: what to write instead."""

from __future__ import annotations

_SECOND_WHERE = (
    "Where a branch avoids the point, keep the argument harmless inside it too: "
    "tnp.where(ok, {f}(tnp.where(ok, x, 1)), 0)."
)
_ROOT = (
    "The derivative of {f} at 0 is infinite. Use tnp.linalg.norm or tnp.std where they are meant (0 at 0), add a small "
    "number inside, or guard it twice: tnp.where(x > 0, {f}(tnp.where(x > 0, x, 1)), 0)."
)
_LARGE = "Take the largest off first, or use a stable form: logaddexp, softmax, log_softmax, expm1."

_CONVENTION = (
    "The first derivative of norm, std, hypot, arctan2 and abs of complex numbers is a convention at 0, and has no "
    "derivative of its own. Write the smooth function that is meant, such as tnp.sum(x * x) for the square of a norm."
)

_EIGENVECTORS = (
    "Vectors of {f} have a derivative only where their values are distinct. Write what is meant without them: "
    "functions of the values alone, or the projector on several vectors."
)
_QUOTIENT = "Keep the denominator away from 0 inside the branch too: tnp.where(ok, x / tnp.where(ok, y, 1), 0)."

_BY_NAME = {
    **dict.fromkeys(("eigh", "eig", "svd"), _EIGENVECTORS),
    **dict.fromkeys(("divide", "reciprocal"), _QUOTIENT),
    **dict.fromkeys(("subgradient", "direction", "inverse", "complex_sign"), _CONVENTION),
    **dict.fromkeys(("sqrt", "cbrt", "power", "float_power"), _ROOT),
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh"), _LARGE),
}


def numerical_advice(name: str) -> str:
    """Return advice for an operation that gives NaN or infinity."""
    return _BY_NAME.get(name, _SECOND_WHERE).format(f=f"tnp.{name}")
