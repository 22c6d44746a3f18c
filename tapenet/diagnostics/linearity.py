"""Whether a user's rule is linear: of one that is not, a walk gives a number that is not a derivative.

A rule is run once more, on -2 times what it got. The answer of a linear rule is then -2 times as large, exactly but for
rules that iterate. So powers, absolute values, maxima and added constants are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.core.leaf_checks import filled_like
from tapenet.core.primitive import Parts, Primitive
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.tensor import Tensor, unwrap
from tapenet.errors import RuleError

_FACTOR = -2


def check_rule_linear(
    primitive: Primitive,
    rule: Callable[..., Any],
    t: Any,
    rest: Sequence[Any],
    answer: Any,
    place: int | None,
    what: str,
) -> None:
    """Raise for a rule of a primitive whose answer does not scale with t.

    Args:
        primitive: what the rule belongs to.
        rule: of t and the rest, which gave the answer; see `tapenet.core.primitive`.
        t: a cotangent, the cotangents of a tuple, or a tangent for each operand, as `copied` gives it.
        rest: what else the rule gets, likewise.
        answer: an array, or one for each operand or output.
        place: the operand's; None for a rule that serves all operands.
        what: what t is called.
    """
    values = [t, _plain(answer), *rest]
    if any(type(x) is Tensor for value in values for x in _leaves(value)):
        return  # mapped: a rule may not be able to take all examples at once
    t, answer, *rest = values
    operand = f" for {primitive.operands[place]}" if place is not None and primitive.operands else ""
    _compare(f"{primitive.name}: the rule{operand}", answer, rule(_scaled(t), *rest), what)


def check_pushforward_linear(
    primitive: Primitive, slots: Slots, kept: Kept, parameters: Parameters, shapes: Sequence[Any]
) -> None:
    """Raise for a primitive whose pullback is the transpose of a pushforward that is not linear."""
    kept = _plain(kept)
    if any(type(x) is Tensor for x in _leaves(kept)):
        return
    assert primitive.joint_pushforward is not None
    ones = [None if slot is None else filled_like(x, 1.0) for slot, x in zip(slots, kept, strict=False)]
    answer = primitive.joint_pushforward(ones, slots, kept, parameters, shapes)
    scaled = primitive.joint_pushforward(_scaled(ones), slots, kept, parameters, shapes)
    _compare(f"{primitive.name}: the rule", answer, scaled, "tangent")


def _compare(who: str, answer: Any, scaled: Any, what: str) -> None:
    for one, other in zip(_leaves(answer), _leaves(scaled), strict=True):
        if not (hasattr(one, "dtype") and one.dtype.kind in "fc"):
            continue
        expected = _FACTOR * np.asarray(one)
        if not (np.isfinite(expected).all() and np.isfinite(other).all()):
            continue
        wrong = np.abs(other - expected) > np.sqrt(np.finfo(one.dtype).eps) * np.max(np.abs(expected), initial=0)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise RuleError(
                f"{who} must be linear in its {what}s; got {np.asarray(one)[place]}, and for {_FACTOR} times the "
                f"{what} {np.asarray(other)[place]}. Write {what}s times what does not depend on them, and "
                "sums of these."
            )


def _plain(x: Any) -> Any:
    """Return values off their tapes; mapped ones as they are."""
    if isinstance(x, list | tuple):
        return tuple([_plain(part) for part in x])
    if type(x) is Parts:
        return Parts({i: _plain(part) for i, part in x.parts.items()}, x.whole)
    return unwrap(x)


def copied(x: Any) -> Any:
    """Return values off their tapes, arrays as copies."""
    if isinstance(x, list | tuple):
        return tuple([copied(part) for part in x])
    if type(x) is Parts:
        return Parts({i: copied(part) for i, part in x.parts.items()}, x.whole)
    value = unwrap(x)
    return value.copy() if type(value) is np.ndarray else value


def _scaled(t: Any) -> Any:
    """Return -2 times a cotangent or tangent, or each of several."""
    if isinstance(t, list | tuple):
        return tuple([_scaled(part) for part in t])
    if type(t) is Parts:
        return Parts({i: _scaled(part) for i, part in t.parts.items()}, t.whole)
    return None if t is None else t * _FACTOR


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, list | tuple):
        for part in x:
            yield from _leaves(part)
    elif type(x) is Parts:
        yield from x.parts.values()
    else:
        yield x
