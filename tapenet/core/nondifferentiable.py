"""Functions without a derivative, which read values from tapes and return plain arrays.

Such are comparisons, `argmax`, masks, counts: functions that are piecewise constant, or that do not return numbers. A
function of mapped values (`vmap`) is mapped too. Each tape that a function reads from records the read as a guard, so
that a replay can check that it gives the same.

`choice` declares the library's own piecewise constant functions. Their results stay on the tape, as values without
derivative, and a replay computes them again. The result of any function of such a value is a choice as well.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import attrs
import numpy as np

from tapenet.core.arguments import collected, holds_tensor, refuse
from tapenet.core.batching import Map, elementwise_rule, one_by_one
from tapenet.core.primitive import NO_PATH, Array, BatchRule, Primitive, Shapes, ShapeSource, as_numpy_number
from tapenet.core.pytrees import TreeSpec, tree_flatten, tree_unflatten
from tapenet.core.record import Kept, Parameters, Slots
from tapenet.core.signatures import elementwise_signature
from tapenet.core.tensor import (
    PYTHONS,
    Tensor,
    innermost,
    is_chosen,
    is_kept,
    read_only,
    record_guard,
    resolve,
    unwrap,
    unwrap_batches,
    unwrap_to_choices,
)
from tapenet.core.trace import Trace
from tapenet.errors import ArgumentTypeError

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = (str, tuple, type(None), type)


@attrs.frozen(eq=False, repr=False)
class NondifferentiableFunction:
    """A function without a derivative, of the values under Tensors.

    Attributes:
        name: for errors.
        forward: computes it, on plain values.
        batch: evaluates it over a batch (see `tapenet.core.batching`); None to go through the batch one by one.
        is_users: whether `forward` is a user's own function, whose exceptions pass unchanged.
        shape_depends_on: as of a `Primitive`.
    """

    name: str
    forward: Callable[..., Any]
    batch: BatchRule | None = None
    is_users: bool = False
    shape_depends_on: ShapeSource | None = None
    as_choice: Primitive = attrs.field(init=False)  # the same of the library's own choices: it stays on their tape
    names: tuple[str, ...] = attrs.field(init=False)  # of its arguments by position; none of a ufunc, whose are numbers

    @names.default
    def _names(self) -> tuple[str, ...]:
        return () if isinstance(self.forward, np.ufunc) else _names_by_position(self.forward)

    @as_choice.default
    def _as_choice(self) -> Primitive:
        kept = choice(self.forward, name=self.name, batch=self.batch, shape_depends_on=self.shape_depends_on)
        return attrs.evolve(kept, is_users=self.is_users)

    def __repr__(self) -> str:
        return f"<function {self.name}, without derivative>"

    def __reduce__(self) -> Any:
        return type(self), (self.name, self.forward, self.batch, self.is_users, self.shape_depends_on)

    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        """Compute on the values under Tensors, return plain values or mapped ones, and record a guard."""
        if self.names and any(isinstance(x, _SETTINGS) for x in operands):
            operands, parameters = self._with_names(operands, parameters)
        if any(map(is_chosen, operands)):
            return self.as_choice(*operands, **parameters)
        values = [self._unwrapped_operand(x) for x in operands]
        keywords = {name: self._unwrapped_operand(x) for name, x in parameters.items()}
        trace: Any = innermost((*values, *keywords.values()))  # only traces that hold a batch or keep choices are left
        if trace is None:
            result = self.forward(*values, **keywords)
        elif trace.keeps_choices:
            result = self._kept(trace, values, keywords)
        else:
            result = self._mapped(trace, values, keywords)
        record_guard(self.name, self, operands, parameters, result)
        return result

    def _with_names(
        self, operands: tuple[Any, ...], parameters: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return settings behind the arrays by name, as an axis or a side: an operand on a trace is a number."""
        place = next(k for k, x in enumerate(operands) if isinstance(x, _SETTINGS))
        settings = operands[place:]
        if len(operands) > len(self.names) or any(type(x) is Tensor or hasattr(x, "dtype") for x in settings):
            return operands, dict(parameters)
        return operands[:place], {**dict(zip(self.names[place:], settings, strict=False)), **parameters}

    def _kept(self, trace: Trace, values: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """Return arrays as values on the trace, and anything else off it: that was read."""
        if not any(type(x) is Tensor for x in keywords.values()):
            if not keywords and self._gives_an_array(values):
                return trace.apply(self.as_choice, values, keywords)
            out = self.forward(*map(self._plain, values), **keywords)
            parts = out if type(out) is tuple and out else (out,)
            are_arrays = all(isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc" for x in parts)
            return trace.apply(self.as_choice, values, keywords) if are_arrays else out
        return self.forward(*map(self._plain, values), **{name: self._plain(x) for name, x in keywords.items()})

    def _gives_an_array(self, values: Sequence[Any]) -> bool:
        """Return whether `forward` is known to give one, as NumPy's functions of numbers by elements do."""
        if not isinstance(self.forward, np.ufunc) or self.forward.nout > 1:
            return False
        return all(type(x) in PYTHONS or getattr(getattr(x, "dtype", None), "kind", "O") in "biufc" for x in values)

    def _plain(self, x: Any) -> Any:
        """Return what is under a Tensor, for `forward`."""
        if type(x) is not Tensor:
            return x
        return unwrap(x) if isinstance(self.forward, np.ufunc) else as_numpy_number(unwrap(x))

    def _unwrapped_operand(self, x: Any) -> Any:
        """Return what is under a Tensor; a Python number that was watched stays one for a ufunc, as NEP 50 has it."""
        if type(x) is not Tensor:
            return x
        return self.plain(unwrap_to_choices(resolve(x)))

    def plain(self, value: Any) -> Any:
        """Return a value that was on a trace as `forward` takes it."""
        return value if isinstance(self.forward, np.ufunc) else as_numpy_number(value)

    def _mapped(self, mapping: Map, values: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        rule, arrays, mapped, parameters = mapping.batched(self.batch, values, keywords)

        def function(*arrays: Array) -> Any:
            return rule(self, arrays, mapped, mapping.size, parameters)

        if rule is one_by_one:  # it calls the function for each example, and so records each guard
            return mapping.mapped_results(function(*arrays))
        out = function(*map(unwrap_to_choices, arrays))
        record_guard(self.name, function, arrays, {}, out)
        return mapping.mapped_results(out)


def nondifferentiable(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    doc: str | None = None,
    batch: BatchRule | None = None,
    shape_depends_on: ShapeSource | None = None,
) -> Callable[..., Any]:
    """Declare a function without a derivative: it is called on plain values, those under Tensors.

    Args:
        function: of plain arrays; a NumPy function, say.
        name: for errors; the function's own by default.
        doc: the docstring; the function's own by default.
        batch: how it is evaluated over a batch (see `tapenet.core.batching`); one by one by default.
        shape_depends_on: what the shape of the result depends on, as for `choice`.

    >>> count = tn.extend.nondifferentiable(np.count_nonzero)
    >>> tn.grad(lambda x: x * count(x))(3.0)
    np.float64(1.0)
    """
    of_tensors = NondifferentiableFunction(
        name or function.__name__, function, batch, shape_depends_on=shape_depends_on
    )
    place = _place_of_out(function, of_tensors.names)

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        for x in (*arguments, *keywords.values()):
            if type(x) is Tensor or (type(x) in (list, tuple) and holds_tensor(x)):
                if holds_tensor(arguments[place:]) or holds_tensor(keywords.get("out")):
                    refuse(of_tensors.name, {"out": x})
                keywords = {key: collected(value) for key, value in keywords.items()}
                return of_tensors(*map(collected, arguments), **keywords)
        return function(*arguments, **keywords)

    return documented(without_tape, function, doc)


def numpys_of_integers(theirs: Callable[..., Any]) -> Callable[[F], F]:
    """Declare a function of Tensors that is NumPy's where all of them are choices of a trace that keeps them.

    They have no derivative, and NumPy's function may give another dtype for integers than a formula of floats.
    """
    of_choices = NondifferentiableFunction(theirs.__name__, theirs)

    def declare(ours: F) -> F:
        @functools.wraps(ours)
        def function(*arguments: Any, **keywords: Any) -> Any:
            tensors = [x for x in (*arguments, *keywords.values()) if type(x) is Tensor]
            if tensors and all(is_kept(x) and x.dtype.kind in "biu" for x in tensors):
                return of_choices(*arguments, **keywords)
            return ours(*arguments, **keywords)

        return cast("F", function)

    return declare


def _place_of_out(function: Callable[..., Any], names: Sequence[str]) -> int:
    """Return the index of the first positional argument that NumPy's function writes into; maxsize without one."""
    if isinstance(function, np.ufunc):
        return function.nin
    is_numpys = (getattr(function, "__module__", None) or "").startswith("numpy")
    return names.index("out") if is_numpys and "out" in names else sys.maxsize


def _names_by_position(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments that may be given by position and by name, up to the first that may not."""
    try:
        given = inspect.signature(function).parameters.values()
    except ValueError:  # older versions of NumPy tell no signature of compiled functions, of which none has `out`
        return ()
    return tuple(x.name for x in itertools.takewhile(lambda x: x.kind is x.POSITIONAL_OR_KEYWORD, given))


def documented(ours: Callable[..., Any], function: Callable[..., Any], doc: str | None) -> Callable[..., Any]:
    """Give a function that stands for another one a docstring of its own, and a signature that Python can read."""
    if doc is not None:
        ours.__doc__ = doc
    if isinstance(function, np.ufunc):
        ours.__signature__ = elementwise_signature(function)  # type: ignore[attr-defined]  # functions take attributes
    return ours


def choice(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    batch: BatchRule | None = None,
    shape_depends_on: ShapeSource | None = None,
) -> Primitive:
    """Declare a piecewise constant function whose result stays on the tape: an order, a mask, a sign.

    It has no derivative, and walks skip it. A replay of the tape computes it again, so that a derivative that was
    recorded with it is right for other inputs too.

    Args:
        function: `(*operands, **parameters)` of plain arrays.
        name: for listings and errors; the function's own by default.
        batch: how it is evaluated over a batch.
        shape_depends_on: what the shape of the result depends on: the "shapes" of operands, the elements of "masks" or
            of "integers" among them, or all "values", which is the default unless `batch` says that the function goes
            element by element. A compiled program checks shapes that depend on elements at each run.

    >>> order = tn.extend.choice(np.argsort, name="docs.order")
    >>> tn.grad(lambda x: tnp.sum(x[order(x)] * np.arange(3.0)))(np.array([5.0, 4.0, 6.0]))
    array([1., 0., 2.])
    """
    if shape_depends_on is None and batch is elementwise_rule:
        shape_depends_on = "shapes"
    return Primitive(
        name or function.__name__,
        "choice",
        function,
        joint_pullback=_no_cotangents,
        joint_pushforward=_no_tangent,
        joint_reads="none",
        batch=batch,
        is_discrete=True,
        shape_depends_on=shape_depends_on,
    )


def _no_cotangents(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> list[Any]:
    return [NO_PATH] * len(slots)


def _no_tangent(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> None:
    return None


def of_lists(function: Callable[..., Any], *, doc: str | None = None, refuses: str = "") -> Callable[..., Any]:
    """Make a function without a derivative that takes lists of arrays, of which some may be Tensors.

    Args:
        doc: the docstring; the function's own by default.
        refuses: the name of an argument that must not be a Tensor, as the function depends on it differentiably.
    """

    @functools.wraps(function, updated=())
    def without_tape(*arguments: Array, **keywords: Any) -> Any:
        if refuses and type(inspect.signature(function).bind(*arguments, **keywords).arguments.get(refuses)) is Tensor:
            raise ArgumentTypeError(
                f"{function.__name__}: {refuses} must not be a Tensor, as the result has no derivative. "
                f"Write tnp.bincount(tnp.digitize(x, edges), {refuses})."
            )
        leaves, structure = tree_flatten((arguments, keywords))
        if not any(type(x) is Tensor for x in leaves):
            return function(*arguments, **keywords)
        return of_tensors(*leaves, structure=structure)

    def of_leaves(*leaves: Array, structure: TreeSpec) -> Any:
        arguments, keywords = tree_unflatten(structure, leaves)
        return function(*arguments, **keywords)

    of_tensors = NondifferentiableFunction(function.__name__, of_leaves)
    return documented(without_tape, function, doc)


def branch_condition(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a function of values that a branch depends on, evaluated once for all examples under `vmap`.

    Args:
        function: of plain arrays, under `vmap` with the examples along an axis in front; answers by a bool or a number.
    """
    name = function.__name__.strip("_").replace("_", " ")

    @functools.wraps(function)
    def condition(*arguments: Array) -> Any:
        if not any(type(x) is Tensor for x in arguments):
            return function(*arguments)
        answer = function(*map(unwrap_batches, arguments))
        record_guard(name, function, arguments, {}, answer, through_batches=True)
        return answer

    return condition


constant = nondifferentiable(read_only, name="stop_gradient", batch=elementwise_rule)
