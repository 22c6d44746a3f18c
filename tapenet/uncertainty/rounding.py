"""`rounding_error`: a bound on what all roundings of a computation do to its result, by the adjoints of a tape."""

from __future__ import annotations

import html
import linecache
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_flag, checked_function
from tapenet.core.leaf_checks import check_result, described, dtype_of
from tapenet.core.primitive import Array, Primitive
from tapenet.core.pytrees import Tree, leaf_paths, tree_flatten, tree_leaves, tree_map, tree_unflatten
from tapenet.core.record import Entry, Parameters
from tapenet.core.recorder import Recorder, compute, partition, put_group, record_output
from tapenet.core.source_lines import CodeLocation, line_of, user_location
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingRuleError
from tapenet.transforms.transformed import transformed
from tapenet.uncertainty.kinks import at_kinks
from tapenet.uncertainty.rounding_rules import local_error
from tapenet.views.html import html_table
from tapenet.views.tables import aligned
from tapenet.walks.backward import backward
from tapenet.walks.blocks import ends_of
from tapenet.walks.reachability import descendants, needed_slots
from tapenet.walks.rows import rows

_ROWS = 64  # elements of y that one walk carries
_SHOWN = 8  # lines of a table
_MAGNIFIES = 10.0  # from where on it is said
_CANCELS = 100.0  # how many times larger than their difference operands are, where it is said


@attrs.frozen
class Contribution:
    """What the roundings of one operation in one line add to the bound.

    Attributes:
        operation: its name; "input" for the rounding of the inputs themselves.
        line: the user's, as `file.py:12`.
        records: how often it was recorded.
        bound: its part of the bound, of the element of y with the largest bound.
        share: its part of the whole, from 0 to 1.
        magnification: how many times more than the rounding of y itself, relative to y.
    """

    operation: str
    line: str
    records: int
    bound: float
    share: float
    magnification: float


@attrs.frozen
class Cancellation:
    """A difference of nearly equal numbers that come with roundings.

    Attributes:
        operation: "add" or "subtract".
        line: the user's, as `file.py:12`.
        digits: how many decimal digits the operands have in common.
    """

    operation: str
    line: str
    digits: float


@attrs.frozen(eq=False)
class RoundingReport:
    """What `rounding_error` finds; `print` it.

    Attributes:
        value: what f returned, a pytree.
        bound: of its structure: how far each element may be from what exact arithmetic gives.
        contributions: by operation and line, the largest first; of the element with the largest bound.
        cancellations: the differences through which the largest contribution goes, the worst first.
        element: the path and index of that element.
        largest: its bound.
        magnitude: of its value.
    """

    value: Tree
    bound: Tree
    contributions: tuple[Contribution, ...]
    cancellations: tuple[Cancellation, ...]
    element: str
    largest: float
    magnitude: float

    @property
    def relative(self) -> Tree:
        """The bound divided by the magnitude of the value; infinite where that is 0 and the bound is not."""
        return tree_map(_relative, self.bound, self.value)

    @property
    def worst(self) -> Contribution | None:
        """The largest contribution; None where nothing rounds."""
        return self.contributions[0] if self.contributions else None

    def __str__(self) -> str:
        return "\n".join([*self._sentences(), *self._table()])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self._sentences())
        return said + html_table(_HEAD, self._rows())

    def _sentences(self) -> list[str]:
        if self.worst is None:
            return ["No operation rounds: the result is exact."]
        if not math.isfinite(self.largest):
            return [f"{self.element} has no finite bound: values or derivatives on the way are not finite."]
        part = self.largest / self.magnitude if self.magnitude else math.inf
        digits = max(0, math.floor(-math.log10(part))) if 0 < part < math.inf else 0
        right = f", {part:.2g} of it: about {digits} decimal digits are right" if part < math.inf else ""
        where = f"{self.worst.line}{_text_of(self.worst.line)}"
        said = [
            f"{self.element} is off by at most {self.largest:.2g}{right}.",
            f"Worst is {self.worst.operation} in {where}: {100 * self.worst.share:.0f} % of the bound.",
        ]
        if self.worst.magnification > _MAGNIFIES:
            said.append(
                f"One rounding there changes {self.element} {self.worst.magnification:.2g} times as much as the last."
            )
        said += [
            f"After it {cancelled.operation} in {cancelled.line}{_text_of(cancelled.line)} cancels "
            f"{cancelled.digits:.1f} digits."
            for cancelled in self.cancellations[:2]
        ]
        return said

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (f"{100 * x.share:.1f} %", f"{x.bound:.2g}", x.operation, str(x.records), x.line)
            for x in self.contributions[:_SHOWN]
        ]

    def _table(self) -> list[str]:
        if not self.contributions:
            return []
        lines = ["", aligned([_HEAD, *self._rows()], [True, True, False, True, False])]
        left = len(self.contributions) - _SHOWN
        return [*lines, f"... {left} more ..."] if left > 0 else lines


_HEAD = ("share", "bound", "operation", "records", "line")


def rounding_error(f: Callable[..., Any], *, inputs: bool = False) -> Callable[..., RoundingReport]:
    """Make the function that bounds the rounding error of f: how far floating-point arithmetic may lead astray.

    Each operation k gives a result that is off by at most e_k from the exact one for its operands. With the derivative
    of y by that result, from a backward walk, to first order in the unit roundoff

        |computed y - exact y| <= sum over k of |dy / dk| e_k.

    e_k is half a unit in the last place for operations that are rounded correctly (sums, products, quotients, square
    roots), 0 for exact ones (indexing, negation, maxima, exact differences), two units for functions of the
    mathematical library (four in single precision), and for sums, products of matrices, norms and solves what the
    standard analysis gives: n u for n terms.

    Args:
        f: a function of pytrees of real arrays and scalars, written with functions of NumPy or tapenet.
        inputs: whether the inputs count as rounded themselves, as decimal numbers are. Else they are exact.

    Returns:
        A function of the arguments of f that returns a `RoundingReport`, with `value`, `bound` and the contribution of
        each operation and line. Branches are taken as they were; constants in f, and what it reads off the tape as by
        `stop_gradient`, are exact as the numbers that they are, and where NumPy rounds a Python number to the precision
        of an array beside it, that counts. At a kink, as of `abs` at 0 or of equal operands of `maximum`, the steepest
        slope counts in place of the subgradient. The walk holds for 64 elements of y at a time.

    Raises:
        ArgumentTypeError: complex arguments, results or numbers on the way; an argument that is on an open tape.
        ArgumentError: arguments without a real floating number.
        MissingRuleError: an operation on the way whose rounding has not been bounded: a user's own, a decomposition
            of a matrix, a convolution, a Fourier transform.

    Source: Higham, 2002, "Accuracy and Stability of Numerical Algorithms", 2nd edition; by adjoints: Linnainmaa,
    1976, "Taylor expansion of the accumulated rounding error", BIT 16.

    >>> report = rounding_error(lambda x: (1 - np.cos(x)) / x**2)(1e-5)
    >>> bool(abs(report.value - 0.5) < report.bound < 1e-5), report.cancellations[0].operation
    (True, 'subtract')
    """
    checked_function("rounding_error", "f", f)
    checked_flag("rounding_error", "inputs", inputs)

    @transformed(rounding_error, f, inputs=inputs)
    def bounded(*args: Any, **kwargs: Any) -> RoundingReport:
        run = _Run.of(f, args, kwargs)
        return run.report(inputs)

    return bounded


# ---- the recording ----


@attrs.define(eq=False)
class _ValueRecorder(Recorder):
    """A recorder that keeps the operands, the result and the line of each operation.

    Attributes:
        operands: by slot.
        results: by slot.
        lines: by slot.
    """

    operands: dict[int, Sequence[Any]] = attrs.field(factory=dict, init=False)
    results: dict[int, Any] = attrs.field(factory=dict, init=False)
    lines: dict[int, CodeLocation] = attrs.field(factory=dict, init=False)

    def apply(self, primitive: Primitive, operands: Sequence[Array], parameters: Parameters) -> Any:
        """Compute an operation, record it, and keep what its rounding depends on."""
        primitive = at_kinks(primitive)
        slots, values = partition(self, primitive, operands)
        out, residual = compute(primitive, values, parameters)
        kept = [np.array(x) if isinstance(x, np.ndarray) else x for x in values]
        answer = record_output(self, primitive, operands, slots, values, parameters, out, residual)
        for part in answer if type(answer) is tuple else (answer,):
            if type(part) is Tensor and part.owner is self:
                self.operands[part.slot], self.lines[part.slot] = kept, user_location()
                self.results[part.slot] = np.array(part._value)
        return answer

    write = Recorder.put

    def write_group(self, group: Callable[[int], list[Entry]]) -> int:
        """Append records that follow each other, and return the slot of the first."""
        return put_group(self.entries, group)

    def entries_to_walk(self, targets: Collection[int] = (), sources: Collection[int] = ()) -> Sequence[Entry]:
        """Return the entries."""
        return self.entries


@attrs.frozen(eq=False)
class _Run:
    """One run of a function, with all that was computed."""

    trace: _ValueRecorder
    y: Tree
    inputs: Mapping[int, Any]

    @classmethod
    def of(cls, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Run:
        """Run a function on its floating arguments, watched."""
        leaves, spec = tree_flatten((args, kwargs))
        paths = leaf_paths((args, kwargs), "args")
        given: dict[int, Any] = {}
        with _ValueRecorder(None) as trace:
            watched = [_watched(trace, path, leaf, given) for path, leaf in zip(paths, leaves, strict=True)]
            if not given:
                raise ArgumentError("rounding_error: arguments must hold a real floating number; got none.")
            positional, keywords = tree_unflatten(spec, watched)
            y = f(*positional, **keywords)
        check_result("rounding_error", y)
        return cls(trace, y, given)

    def report(self, inputs: bool) -> RoundingReport:
        """Bound the error of each element of y."""
        targets, spec = tree_flatten(self.y)
        _check_real(self.y, targets)
        ends = ends_of(targets)
        places = [t.slot if type(t) is Tensor and t.owner is self.trace else None for t in targets]
        errors = self._local_errors([slot for slot in places if slot is not None], inputs)
        slots = list(errors)
        found = rows(lambda seeds: self._weighed(places, seeds, errors), ends, _ROWS)
        total = sum(end.size for end in ends)
        parts = np.zeros((total, len(slots)))
        for column, part in enumerate(found):
            if part is not None:
                parts[:, column] = part
        whole = parts.sum(1)
        values = [self.trace.inner(t) if slot is not None else t for t, slot in zip(targets, places, strict=True)]
        bounds, start = [], 0
        for end in ends:
            bounds.append(whole[start : start + end.size].reshape(end.shape).astype(float)[()])
            start += end.size
        value, bound = tree_unflatten(spec, values), tree_unflatten(spec, bounds)
        if not whole.size or not whole.any():
            return RoundingReport(value, bound, (), (), "y", 0.0, 0.0)
        row = int(np.argmax(np.where(np.isnan(whole), np.inf, whole)))
        magnitude = abs(float(np.concatenate([np.ravel(x) for x in values])[row]))
        contributions = self._contributions(dict(zip(slots, parts[row], strict=True)), magnitude, _unit_of(value))
        worst = slots[int(np.argmax(parts[row]))]
        cancellations, element = self._cancellations(worst), _element(value, values, row)
        return RoundingReport(value, bound, contributions, cancellations, element, float(whole[row]), magnitude)

    def _local_errors(self, targets: Sequence[int], inputs: bool) -> dict[int, Array]:
        """Return by slot the rounding errors of the operations that y depends on."""
        errors: dict[int, Array] = {}
        trace = self.trace
        for slot in needed_slots(trace.entries, targets):
            primitive, _, _, parameters, _, _ = trace.entries[slot]
            if slot in self.inputs and inputs:
                x = np.asarray(self.inputs[slot])
                errors[slot] = float(np.finfo(x.dtype).eps) / 2 * np.abs(x.astype(float))
            elif slot in trace.results:
                result = trace.results[slot]
                error = local_error(primitive, trace.operands[slot], parameters, result)
                if error is None and result.dtype.kind == "c":
                    raise ArgumentTypeError(
                        f"rounding_error: numbers on the way must be real; got complex ones of "
                        f"{_called(trace, slot)} in {line_of(trace.lines[slot])}. "
                        "Write the real and imaginary parts apart."
                    )
                if error is None or (primitive.name == "part" and result.dtype.kind in "fc"):
                    raise MissingRuleError(
                        f"rounding_error: operations must have a bound of their rounding; got "
                        f"{_called(trace, slot)} in {line_of(trace.lines[slot])}, which has none. "
                        "Write it out in sums, products and functions."
                    )
                if error.any():
                    errors[slot] = error
        return errors

    def _weighed(
        self, targets: Sequence[int | None], seeds: Sequence[Array], errors: Mapping[int, Array]
    ) -> list[Array | None]:
        """Return for each rounding error the sum of its elements times the magnitudes of their cotangents."""
        cotangents: dict[int, Array] = {}
        for slot, seed in zip(targets, seeds, strict=True):
            if slot is not None:
                cotangents[slot] = cotangents[slot] + seed if slot in cotangents else seed
        bars = backward(self.trace.entries, cotangents, errors.keys())
        return [_weight(bars.get(slot), error) for slot, error in errors.items()]

    def _contributions(self, parts: Mapping[int, float], value: float, unit: float) -> tuple[Contribution, ...]:
        """Add up by operation and line."""
        groups: dict[tuple[str, str], list[float]] = {}
        for slot, part in parts.items():
            if part > 0 or math.isnan(part):
                groups.setdefault((_called(self.trace, slot), self._line(slot)), []).append(float(part))
        total = sum(sum(group) for group in groups.values())
        found = [
            Contribution(
                *key, len(group), sum(group), sum(group) / total, max(group) / (value * unit) if value else math.inf
            )
            for key, group in groups.items()
        ]
        return tuple(sorted(found, key=lambda x: -x.bound))

    def _line(self, slot: int) -> str:
        return line_of(self.trace.lines[slot]) if slot in self.trace.lines else "the arguments"

    def _cancellations(self, worst: int) -> tuple[Cancellation, ...]:
        """Return where nearly equal numbers are subtracted that depend on a record."""
        entries = self.trace.entries
        reached = descendants(entries, [worst], len(entries) - 1)
        found: dict[tuple[str, str], float] = {}
        for slot, result in self.trace.results.items():
            name = entries[slot][0].name
            if reached[slot] and slot != worst and name in ("add", "subtract"):
                ratio = _lost(self.trace.operands[slot], result)
                if ratio > _CANCELS:
                    key = (name, self._line(slot))
                    found[key] = max(found.get(key, 0.0), ratio)
        named = [Cancellation(*key, math.log10(ratio)) for key, ratio in found.items()]
        return tuple(sorted(named, key=lambda x: -x.digits))


def _watched(trace: _ValueRecorder, path: str, leaf: Any, given: dict[int, Any]) -> Any:
    """Return an argument on the trace where it is floating; else as it is."""
    leaf = resolve(leaf)
    if type(leaf) is Tensor:
        raise ArgumentTypeError(
            f"rounding_error: {path} must be plain; got {described(leaf)}. Pass its value, x.value."
        )
    dtype = dtype_of(leaf)
    if dtype is not None and dtype.kind == "c":
        raise ArgumentTypeError(f"rounding_error: {path} must be real; got {described(leaf)}.")
    if dtype is None or dtype.kind != "f":
        return leaf
    watched = trace.watch(leaf)
    given[watched.slot] = np.array(leaf)
    return watched


def _check_real(y: Tree, targets: Sequence[Any]) -> None:
    for i, target in enumerate(targets):
        if np.dtype(dtype_of(target)).kind == "c":
            raise ArgumentTypeError(
                f"rounding_error: {leaf_paths(y, 'y')[i]} must be real; got {described(target)}. Bound its parts."
            )


def _weight(bar: Array | None, error: Array) -> Array | None:
    if bar is None:
        return None
    weights = np.abs(bar).astype(float)
    with np.errstate(all="ignore"):  # a product of 0 and infinity is left out
        return np.sum(np.where((error == 0) | (weights == 0), 0.0, weights * error))


def _called(trace: _ValueRecorder, slot: int) -> str:
    primitive, slots = trace.entries[slot][:2]
    if primitive.name == "watch":
        return "input"
    return trace.entries[slots[0]][0].name if primitive.name == "part" and slots[0] is not None else primitive.name


def _lost(operands: Sequence[Any], result: Array) -> float:
    """Return how many times larger the operands of a sum are than the sum, at most."""
    x = np.max(np.abs(np.broadcast_arrays(*operands)), axis=0).astype(float)
    with np.errstate(all="ignore"):
        ratios = np.where(x > 0, x / np.maximum(np.abs(result), x * np.finfo(float).eps / 2), 0.0)
    return float(np.max(ratios, initial=0.0))


def _element(value: Tree, leaves: Sequence[Any], row: int) -> str:
    """Return the path and index of an element of y."""
    for path, leaf in zip(leaf_paths(value, "y"), leaves, strict=True):
        size = int(np.size(leaf))
        if row < size:
            index = np.unravel_index(row, np.shape(leaf)) if np.shape(leaf) else ()
            return path + (f"[{', '.join(map(str, map(int, index)))}]" if index else "")
        row -= size
    return "y"


def _unit_of(value: Tree) -> float:
    dtypes = [np.dtype(dtype_of(leaf)) for leaf in tree_leaves(value)]
    return max((float(np.finfo(dtype).eps) / 2 for dtype in dtypes if dtype.kind == "f"), default=2.0**-53)


def _relative(bound: Array, value: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.asarray(bound) == 0, 0.0, bound / np.abs(np.asarray(value, float)))[()]


def _text_of(line: str) -> str:
    """Return the text of a line in backticks; empty where it cannot be read."""
    path, _, number = line.rpartition(":")
    text = linecache.getline(path, int(number)).strip() if number.isdigit() else ""
    return f", `{text}`" if text else ""
