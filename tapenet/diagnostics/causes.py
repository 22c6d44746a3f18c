"""Why a derivative is zero, small or not finite at an operation, in a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.families import constant_rule
from tapenet.core.pieces import Piece
from tapenet.core.primitive import Parts, Primitive
from tapenet.diagnostics.advice import numerical_advice
from tapenet.diagnostics.magnitudes import Magnitude, plain

# Of the elements that something came to: how many must get nothing, or next to nothing, for it to be said.
_MANY = 0.1
_MOST = 0.5
_SATURATED = 1e-3  # a derivative below it is small

_WORDS = {
    "relu": "inactive: its input is not positive",
    "clip": "clipped: its input is outside the bounds",
    "where": "masked: the condition chooses the other branch",
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), "not chosen: the other operand is"),
    **dict.fromkeys(("max", "min", "nanmax", "nanmin", "max_pool"), "not chosen: another element is"),
    **dict.fromkeys(("getitem", "gather"), "not selected by the index"),
    **dict.fromkeys(("prod", "cumprod"), "zero factor: another element is zero"),
    "set": "overwritten",
    "astype": "cast: the difference to the source's dtype vanishes",
    **dict.fromkeys(("multiply", "matmul", "matvec", "einsum", "conv", "affine", "conv_bias"), "zero"),
    **dict.fromkeys(("divide", "reciprocal"), "divided by infinity, or underflow"),
    **dict.fromkeys(("power", "float_power"), "zero base or exponent"),
    "square": "zero factor: its input is zero",
    **dict.fromkeys(("exp", "exp2", "expm1"), "underflow: its input is very negative"),
}
_SATURATING = frozenset(
    ("sigmoid", "tanh", "softmax", "log_softmax", "erf", "normal_cdf", "arctan", "logaddexp", "gaussian")
)


@attrs.frozen
class Cause:
    """Why what a record adds to an operand's cotangent is zero, small or not finite.

    Attributes:
        kind: "dead" where all of it is zero, "partly dead", "saturated" or "not finite".
        text: the reason, for a table.
        more: what else there is to say: at which element, of which values, and what to write instead.
    """

    kind: str
    text: str
    more: str = ""

    def __str__(self) -> str:
        return f"{self.text}. {self.more}" if self.more else f"{self.text}."


def cause_of(
    primitive: Primitive,
    place: int,
    cotangents: tuple[Any, Any],
    magnitudes: tuple[Magnitude, Magnitude],
    kept: Sequence[Any],
    partial: Callable[[Any], Any] | None,
) -> Cause | None:
    """Return why a rule's answer is as it is; None where there is nothing to say.

    Args:
        primitive: the operation.
        place: the operand's.
        cotangents: what came, and what the rule gave.
        magnitudes: of both.
        kept: what the record keeps.
        partial: the rule as a function of a cotangent; None for one that serves all operands.
    """
    came, went = magnitudes
    if not went.is_finite:
        return _not_finite(primitive, place, cotangents, came, kept, partial) if came.is_finite else None
    if came.is_zero or not came.is_finite:
        return None
    if went.is_zero:
        return Cause("dead", _why_zero(primitive, place, kept, went))
    return _partly(primitive, place, *cotangents, kept)


# ---- zero ----


def _why_zero(primitive: Primitive, place: int, kept: Sequence[Any], went: Magnitude) -> str:
    if not went.size:
        return "empty: it has no elements"
    if primitive.pullbacks and primitive.pullbacks[place] is constant_rule:
        return "piecewise constant: its derivative is zero"
    words = _WORDS.get(primitive.name, "saturated" if primitive.name in _SATURATING else "its derivative is zero here")
    return _zero_factors(primitive, place, kept) if words == "zero" else words


def _zero_factors(primitive: Primitive, place: int, kept: Sequence[Any]) -> str:
    """Return which other operands are zero, by name and shape."""
    names = primitive.operands or tuple(f"operand {i}" for i in range(len(kept) - 1))
    found = [
        f"{name}{_shape(x)}"
        for i, (name, x) in enumerate(zip(names, kept, strict=False))
        if i != place and x is not None and not isinstance(x, str | tuple) and not np.any(plain(x))
    ]
    return f"zero factor: {', '.join(found)}" if found else "zero factor, wherever the cotangent is not zero"


def _shape(x: Any) -> str:
    shape = np.shape(plain(x))
    return f" of shape {shape}" if shape else " (a number)"


def _partly(primitive: Primitive, place: int, t: Any, answer: Any, kept: Sequence[Any]) -> Cause | None:
    """Return the cause of zeros and small elements among others, of an operation that goes element by element."""
    is_array = type(t) is not Parts and type(answer) not in (Piece, Parts)
    if not is_array or not (primitive.is_elementwise or primitive.name in _SATURATING):
        return None
    came, went = np.abs(plain(t)), np.abs(plain(answer))
    if came.shape != went.shape:
        return None
    reached = came > 0
    dead = np.count_nonzero(reached & (went == 0)) / np.count_nonzero(reached)
    if dead >= _MANY:
        return Cause("partly dead", f"{dead:.0%} of the elements: {_why_zero(primitive, place, kept, _SOME)}")
    small = np.count_nonzero(reached & (went < _SATURATED * came)) / np.count_nonzero(reached)
    if small >= _MOST and primitive.name in _SATURATING:
        return Cause("saturated", f"saturated: the derivative is below {_SATURATED} at {small:.0%} of the elements")
    return None


_SOME = Magnitude(1, 0, 0, 0, 1.0, 1.0)


# ---- not finite ----


def _not_finite(
    primitive: Primitive,
    place: int,
    cotangents: tuple[Any, Any],
    came: Magnitude,
    kept: Sequence[Any],
    partial: Callable[[Any], Any] | None,
) -> Cause:
    t, answer = cotangents
    advice = numerical_advice(primitive.name)
    if type(t) is Parts or type(answer) is Parts:
        return Cause("not finite", "its rule gives it of a finite cotangent", advice)
    bad = plain(answer)
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(bad))[0])
    operands = _operands_at(primitive, kept, bad.shape, index)
    told = "".join(f" {name} = {x}," for name, x in operands.items()).rstrip(",")
    found = f"It is {bad[index]}{f' at index {index}' if index else ''}{f' for{told}' if told else ''}."
    if not all(np.isfinite(x) for x in operands.values()):
        return Cause("not finite", "an operand or the output is not finite", found)
    own = _element(t, bad.shape, index)
    derivative = None if partial is None or own is None else _derivative(partial, t, bad.shape, index)
    if derivative is None or own is None:
        return Cause("not finite", "its rule gives it of a finite cotangent", f"{found} {advice}")
    if own == 0 and not np.isfinite(derivative):
        words = f"0 * {_sized(derivative)}"
        why = "The value is not used there, so that its cotangent is 0, but times this derivative it is NaN."
        return Cause("not finite", words, f"{why} {found} {advice}")
    if np.isfinite(derivative):
        return Cause("not finite", f"overflow: {own:.3g} times the derivative {derivative:.3g}", found)
    return Cause("not finite", f"the derivative is {_sized(derivative)}", f"{found} {advice}")


def _sized(x: Any) -> str:
    return "NaN" if np.isnan(x) else "infinity"


def _element(x: Any, shape: tuple[int, ...], index: tuple[int, ...]) -> Any:
    """Return the element of an array that stands at an index of another; None where they have not one shape."""
    array = plain(x)
    return array[index] if array.shape == shape else None


def _derivative(partial: Callable[[Any], Any], t: Any, shape: tuple[int, ...], index: tuple[int, ...]) -> Any:
    """Return the rule's answer at an index for a cotangent of ones."""
    array = plain(t)
    answer = plain(partial(np.ones(array.shape, array.dtype)[()]))
    return answer[index] if answer.shape == shape else None


def _operands_at(
    primitive: Primitive, kept: Sequence[Any], shape: tuple[int, ...], index: tuple[int, ...]
) -> dict[str, Any]:
    """Return the operands and the output at an index by their names, of those that the record keeps."""
    names = (*(primitive.operands or [f"operand {i}" for i in range(len(kept) - 1)]), "the output")
    found = {}
    for name, x in zip(names, kept, strict=False):
        if x is None or isinstance(x, str | tuple) or plain(x).dtype.kind not in "biufc":
            continue
        array = plain(x)
        if array.shape in ((), shape):
            found[name] = array[index if array.shape else ()]
    return found
