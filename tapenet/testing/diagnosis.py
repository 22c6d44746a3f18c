"""Reports of wrong derivatives: where, by how much, and the likely reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np

from tapenet.core.leaf_checks import dtype_of
from tapenet.core.primitive import Array
from tapenet.core.pytrees import leaf_paths, tree_leaves
from tapenet.testing.accuracy import ACCURACY, Accuracy
from tapenet.testing.differences import Line, Reference, by_central_differences, one_sided

Derivative = Callable[[Line], float]  # by one of the modes
Judge = Callable[[Line], Reference]

KEEP_AWAY = "Keep away from it: strategies.arrays(..., away_from=[...])."
MOST_ELEMENTS = 32  # that are looked at one by one


@attrs.frozen(eq=False)
class Disagreement:
    """A line along which a mode and the values of the function disagree.

    Attributes:
        line: the line.
        expected: the derivative by values.
        got: the derivative by the mode.
        path: the expression that reaches what moves, or "args" for all arguments together.
        place: the leaf that moves alone, by its number.
        of: the expression that reaches the one element of the result whose derivative it is; None for a random
            combination of all.
    """

    line: Line
    expected: Reference
    got: float
    path: str = "args"
    place: int | None = None
    of: str | None = None

    @property
    def size(self) -> float:
        """The error in units of its tolerance; infinite where it is NaN."""
        allowed = self.expected.relative * max(abs(self.got), abs(self.expected.value)) + self.expected.floor
        error = abs(self.got - self.expected.value) / (allowed or np.finfo(float).tiny)
        return error if np.isfinite(error) else np.inf


def narrowed(found: Disagreement, derivative: Derivative, judge: Judge) -> Disagreement:
    """Narrow the disagreement to one argument that moves alone, and to one of its elements where it can."""
    by_leaf = [
        _along(found.line.restricted(i), derivative, judge, path, i)
        for i, path in enumerate(leaf_paths(found.line.args, "args"))
    ]
    worst = max((d for d in by_leaf if d.size > 1), key=lambda d: d.size, default=found)
    if worst.place is None:
        return worst
    by_element = [
        _along(worst.line.restricted(worst.place, index), derivative, judge, f"{worst.path}{list(index)}", worst.place)
        for index in _indices(tree_leaves(worst.line.args)[worst.place])
    ]
    worst_element = max((d for d in by_element if d.size > 1), key=lambda d: d.size, default=worst)
    return _as_entry(worst_element, derivative, judge)


def _as_entry(found: Disagreement, derivative: Derivative, judge: Judge) -> Disagreement:
    """Restrict the disagreement to one entry of the Jacobian, if one element moves and the result has few elements."""
    assert found.place is not None
    moving = np.argwhere(np.asarray(tree_leaves(found.line.x_dot)[found.place]))
    outputs = [
        (path, place, index)
        for place, (path, leaf) in enumerate(
            zip(leaf_paths(found.line.y_bar, "y"), tree_leaves(found.line.y_bar), strict=True)
        )
        for index in np.ndindex(np.shape(leaf))
    ]
    if len(moving) != 1 or len(outputs) > MOST_ELEMENTS:
        return found
    index = tuple(map(int, moving[0]))
    entries = (
        attrs.evolve(
            _along(found.line.entry(found.place, index, place, out_index), derivative, judge, found.path, found.place),
            of=f"{path}{list(out_index) if out_index else ''}",
        )
        for path, place, out_index in outputs
    )
    return max((d for d in entries if d.size > 1), key=lambda d: d.size, default=found)


def _along(line: Line, derivative: Derivative, judge: Judge, path: str, place: int) -> Disagreement:
    return Disagreement(line, judge(line), derivative(line), path, place)


def _indices(leaf: Array) -> Iterator[tuple[int, ...]]:
    if np.ndim(leaf) > 0 and 1 < np.size(leaf) <= MOST_ELEMENTS:
        yield from np.ndindex(np.shape(leaf))


# ---- the report ----


def report(what: str, found: Disagreement, accuracy: Accuracy) -> str:
    """Write the text of the error: what was compared, where they disagree, and the likely reason."""
    expected, got = found.expected.value, found.got
    error = abs(got - expected) / max(abs(got), abs(expected), np.finfo(float).tiny)
    return "\n".join(
        [
            f"check_grads: {what}: the derivative {_of(found)}by {found.path} must be {expected:.9g}; got {got:.9g}.",
            f"    at         {_arguments(found)}",
            f"    direction  {_direction(found)}" if found.of is None else f"    entry      {_entry(found)}",
            f"    expected   {expected:.12g}  ({found.expected.method})",
            f"    got        {got:.12g}  (off by {error:.2g} of it, {found.expected.relative:.0g} is allowed)",
            f"    likely     {likely_reason(found, accuracy)}",
        ]
    )


def _of(found: Disagreement) -> str:
    return "" if found.of is None else f"of {found.of} "


def _entry(found: Disagreement) -> str:
    return f"of the Jacobian: {found.of} by {found.path}"


def _arguments(found: Disagreement) -> str:
    paths = leaf_paths(found.line.args, "args")
    shown = zip(paths, tree_leaves(found.line.args), strict=True)
    return ", ".join(f"{path} = {_written(leaf)}" for path, leaf in shown)


def _direction(found: Disagreement) -> str:
    leaves = tree_leaves(found.line.x_dot)
    return ", ".join(map(_written, leaves)) if found.place is None else _written(leaves[found.place])


def _written(leaf: Array) -> str:
    """Format a leaf in one line, as source text; a large one without its middle."""
    if np.ndim(leaf) == 0:
        return f"{leaf:.6g}"
    numbers = np.array2string(
        np.asarray(leaf), separator=", ", threshold=12, max_line_width=10_000, formatter={"all": "{:.6g}".format}
    )
    return f"{' '.join(numbers.split())} (shape {np.shape(leaf)}, {dtype_of(leaf)})"


# ---- reasons ----


def likely_reason(found: Disagreement, accuracy: Accuracy) -> str:
    """Find the first explanation that fits: one of the function or of the differences, else a wrong rule."""
    explanations = (_not_repeatable, _not_finite, _too_long_a_step, _jump, _kink, _low_precision_inside, _no_path)
    for explain in explanations:
        reason = explain(found, accuracy)
        if reason:
            return reason
    return _wrong_rule(found, accuracy)


def _not_repeatable(found: Disagreement, accuracy: Accuracy) -> str | None:
    first, second = found.line.at(0.0), found.line.at(0.0)
    if first == second or np.isnan(first):
        return None
    return (
        f"f gives another value each time, {first:.9g} and then {second:.9g}: "
        "make its random numbers outside of it, or seed them in it."
    )


def _not_finite(found: Disagreement, accuracy: Accuracy) -> str | None:
    for name, number in (("the derivative", found.got), ("f, or f beside the point,", found.expected.value)):
        if not np.isfinite(number):
            return f"{name} is not finite ({number}): a singular point, or an overflow on the way."
    return None


def _jump(found: Disagreement, accuracy: Accuracy) -> str | None:
    """Differences that grow as their step shrinks."""
    wide, narrow = (max(map(abs, one_sided(found.line, accuracy.step / k))) for k in (1, 16))
    if not narrow > 4 * wide + 160 * accuracy.eps / accuracy.step * found.line.magnitude:
        return None
    return (
        f"a jump at the point or near it: differences grow from {wide:.6g} to {narrow:.6g} as the step shrinks from "
        f"{accuracy.step:.3g} to {accuracy.step / 16:.3g}. At order 2 and more what jumps is a derivative, at a kink. "
        f"{KEEP_AWAY}"
    )


def _kink(found: Disagreement, accuracy: Accuracy) -> str | None:
    left, right = one_sided(found.line, accuracy.step)
    scale = max(abs(left), abs(right))
    noise = 10 * accuracy.eps / accuracy.step * found.line.magnitude
    if abs(right - left) <= 0.01 * scale + noise:
        return None
    return (
        f"a kink or a jump nearer than the step {accuracy.step:.3g}: the derivative is {left:.6g} from the left and "
        f"{right:.6g} from the right. {KEEP_AWAY} Or pass a smaller step."
    )


def _too_long_a_step(found: Disagreement, accuracy: Accuracy) -> str | None:
    if not found.expected.method.startswith("by central"):
        return None
    shorter = by_central_differences(found.line, accuracy, step=accuracy.step / 16)
    if not shorter.agrees(found.got) or abs(shorter.value - found.got) > abs(found.expected.value - found.got) / 2:
        return None
    return (
        f"f bends, or has a kink, within the step {accuracy.step:.3g}: with step {accuracy.step / 16:.3g} the "
        f"differences give {shorter.value:.9g}. Pass a smaller step, or arguments of order 1."
    )


def _low_precision_inside(found: Disagreement, accuracy: Accuracy) -> str | None:
    """Rounding in f that its arguments' dtype does not explain: f does not see a change that it should."""
    change = 2.0**-30
    if abs(found.expected.value) * change <= 100 * accuracy.eps * found.line.magnitude:
        return None
    if all(found.line.at(k * change) != found.line.at((k - 1) * change) for k in range(1, 9)):
        return None
    return (
        "f computes in a lower precision than its arguments have, so that differences see steps: "
        "look for float32 or float16 inside it, in an astype or a constant's dtype."
    )


def _no_path(found: Disagreement, accuracy: Accuracy) -> str | None:
    if found.got != 0:
        return None
    return (
        f"f depends on {found.path}, but no derivative flows: a stop_gradient, x.value, a rounding or a comparison "
        "in f, or a rule that answers zero."
    )


def _wrong_rule(found: Disagreement, accuracy: Accuracy) -> str:
    precision = ""
    if accuracy.eps > ACCURACY[np.dtype(np.float64)].eps:
        precision = (
            f" Differences in this precision are good to {found.expected.relative:.0g} only: "
            "pass float64 arguments for a sharper answer."
        )
    if found.expected.value == 0:
        return f"a wrong rule: the derivative must vanish.{precision}"
    ratio = found.got / found.expected.value
    return f"a wrong rule: it gives {ratio:.6g} times what it must.{precision}"
