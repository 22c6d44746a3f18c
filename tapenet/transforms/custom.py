"""Functions with users' derivative rules: `custom_vjp` for reverse mode, `custom_jvp` for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs

from tapenet.core.argument_checks import checked_function
from tapenet.core.leaf_checks import dtype_of, filled_like, unshared, zeros_of
from tapenet.core.primitive import Array, Parts, Primitive, Shapes
from tapenet.core.pytrees import Tree, tree_flatten_with_none
from tapenet.core.record import Kept, Parameters, Shape, Slots
from tapenet.core.recorder import Recorder, new_recorder
from tapenet.core.tensor import Tensor, resolve
from tapenet.errors import MissingRuleError, RuleError
from tapenet.transforms.calls import (
    Call,
    Structure,
    as_pair,
    by_example,
    check_no_capture,
    checked,
    is_differentiable,
    name_of,
    positional,
    resolve_leaves,
    shown,
    split_arrays,
)
from tapenet.transforms.transformed import Transformed
from tapenet.walks.products import vjp_walk

if TYPE_CHECKING:
    from tapenet.transforms.signatures import Function


def custom_vjp(
    f: Function,
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Sequence[Any]],
    *,
    jvp: Callable[[Any, Any], tuple[Any, Any]] | None = None,
) -> Function:
    """Make a function that computes what f does, and whose cotangents come from a rule of yours.

    Args:
        f: the function, of pytrees; runs where nothing is recorded.
        forward: `forward(*args) -> (y, residuals)`; runs in place of f where the call is recorded. Residuals are
            any pytree of what `backward` needs.
        backward: `backward(residuals, y_bar) -> one cotangent for each argument`, linear in y_bar; y_bar has the
            structure and shapes of y, with None for integers and for what is not an array. A cotangent has
            the structure and shapes of its argument; it is None for an integer, for what is not an array, and for
            an argument that there is no rule for. A complex cotangent of a real argument is projected onto the reals.
        jvp: the rule of forward mode, `jvp(primals, tangents) -> (y, y_dot)`, as that of `custom_jvp`. Without it
            forward mode raises.

    Returns:
        A function of f's arguments. Derivatives of higher order are those of the rule as it is written. Under
        `vmap` all functions run on one example after the other.

    Raises:
        RuleError: where the derivative is taken, a rule's answer of the wrong count, structure, shape or dtype.
        MissingRuleError: forward mode without `jvp`; reverse mode by an argument whose cotangent is None.
        ArgumentError: a result that depends on a Tensor that is not an argument.

    What the functions raise themselves passes unchanged. What a rule returns is copied: it may hold the array.

    >>> clipped = custom_vjp(lambda x: x, lambda x: (x, None), lambda _, t: (np.clip(t, -1, 1),))
    >>> tn.grad(lambda x: 5 * clipped(x))(2.0)
    np.float64(1.0)
    """
    checked_function("custom_vjp", "f", f)
    checked_function("custom_vjp", "forward", forward)
    checked_function("custom_vjp", "backward", backward)
    if jvp is not None:
        checked_function("custom_vjp", "jvp", jvp)
    made_by = (custom_vjp, f, forward, backward, {"jvp": jvp})
    return operation(f, _VjpRule(name_of(f), f, forward, backward, jvp).primitive(), made_by)


def custom_jvp(f: Function, rule: Callable[[Any, Any], tuple[Any, Any]]) -> Function:
    """Make a function that computes what f does, and whose derivative in both modes comes from a rule of yours.

    Args:
        f: the function, of pytrees.
        rule: `rule(primals, tangents) -> (y, y_dot)`, linear in the tangents; both are tuples with one entry for
            each argument. A tangent has the structure and shapes of its argument, with None for integers
            and for what is not an array; y_dot has that of y in the same way.

    Returns:
        A function of f's arguments. Reverse mode transposes the rule, by recording what it does with the tangents:
        it must be written with functions of NumPy or tapenet. Derivatives of higher order are those of the rule as
        it is written. Under `vmap` both run on one example after the other.

    Raises:
        RuleError: where the derivative is taken, a rule's answer of the wrong structure, shape or dtype.
        ArgumentError: a result that depends on a Tensor that is not an argument.
        RuleError: under `tn.checks()`, a rule that is not linear in the tangents.

    What the two functions raise themselves passes unchanged. What the rule returns is copied: it may hold the array.

    >>> cube = custom_jvp(lambda x: x**3, lambda p, t: (p[0] ** 3, 3 * p[0] ** 2 * t[0]))
    >>> tn.grad(cube)(2.0), tn.jvp(cube, (2.0,), (1.0,))[1]
    (np.float64(12.0), np.float64(12.0))
    """
    checked_function("custom_jvp", "f", f)
    checked_function("custom_jvp", "rule", rule)
    return operation(f, JvpRule(name_of(f), f, rule).primitive(), (custom_jvp, f, rule, {}))


def operation(f: Function, primitive: Primitive, made_by: tuple[Any, ...]) -> Function:
    """Return the function of pytrees that records f as one operation, and how it is made, for pickle."""
    primitive = primitive.named(str(getattr(f, "__module__", "")))

    def recorded(*args: Any, **kwargs: Any) -> Any:
        operands, structure = split_arrays(positional(primitive.name, f, args, kwargs))
        operands = [resolve(x) for x in operands]
        if not any(type(x) is Tensor for x in operands):
            return f(*args, **kwargs)
        call = Call(structure)
        parts = primitive(*operands, call=call)
        assert call.result is not None
        return call.result.filled(parts)

    transformed = Transformed(recorded, made_by, has_signature=True)
    transformed.primitive = primitive
    return cast("Function", transformed)


def _spaces(operands: Sequence[Array], shapes: Shapes, structure: Structure) -> list[tuple[Shape, Any] | None]:
    """Return for each leaf of the arguments the space of its cotangent, None where it has none."""
    spaces: list[tuple[Shape, Any] | None] = [None] * len(structure.leaves)
    for place, operand, shape in zip(structure.places, operands, shapes, strict=True):
        if is_differentiable(operand):
            assert shape is not None
            spaces[place] = (shape, dtype_of(operand))
    return spaces


# ---- reverse mode ----


@attrs.frozen(eq=False)
class _Residuals:
    """What `forward` passes to `backward`.

    Attributes:
        arrays, structure: the pytree of residuals.
        operands: the values that it was computed from.
    """

    arrays: list[Array]
    structure: Structure
    operands: tuple[Array, ...]


@attrs.frozen(eq=False)
class _VjpRule:
    name: str
    f: Callable[..., Any]
    forward: Callable[..., tuple[Any, Any]]
    backward: Callable[[Any, Any], Sequence[Any]]
    jvp: Callable[[Any, Any], tuple[Any, Any]] | None

    def primitive(self) -> Primitive:
        if self.jvp is None:
            return self._of_reverse_mode()
        return attrs.evolve(
            JvpRule(self.name, self.f, self.jvp).primitive(),
            family="custom_vjp",
            forward=lambda *operands, call: self.with_residual(*operands, call=call)[0],
            joint_pullback=self.pullback,
            with_residual=self.with_residual,
            residual=self.residual,
            users_rules="each",
        )

    def _of_reverse_mode(self) -> Primitive:
        further_out = Primitive(
            self.name,
            "custom_vjp",
            lambda *operands, call: self.with_residual(*operands, call=call)[0],
            joint_pullback=self.pullback,
            # Reached by a forward walk over what a backward walk on an inner tape has computed.
            joint_pushforward=self.pushforward_over_reverse,
            with_residual=self.with_residual,
            residual=self.residual,
            is_users=True,
            users_rules="each",
        )
        return attrs.evolve(
            further_out,
            joint_pushforward=self.pushforward,
            joint_pushforward_over_reverse=self.pushforward_over_reverse,
            further_out=further_out,
        )

    def _run(self, operands: Sequence[Array], call: Call) -> tuple[Tree, list[Array], Structure]:
        answer = self.forward(*call.arguments.filled(operands))
        y, residuals = as_pair(self.name, "forward", answer, "(y, residuals)")
        return y, *split_arrays(residuals)

    def with_residual(self, *operands: Array, call: Call) -> tuple[tuple[Array, ...], _Residuals]:
        y, arrays, structure = self._run(operands, call)
        arrays = [resolve(x) for x in arrays]
        check_no_capture(self.name, arrays)
        return call.evaluated(self.name, y), _Residuals(arrays, structure, operands)

    def residual(self, *operands: Array, call: Call) -> _Residuals:
        """Return the residuals of values that are Tensors themselves, by running `forward`."""
        structures = []

        def arrays_of(values: list[Array]) -> list[Array]:
            _, arrays, structure = self._run(values, call)
            structures.append(structure)
            return arrays

        arrays = by_example(self.name, arrays_of, operands)
        return _Residuals(arrays, structures[0], operands)

    def pullback(
        self, t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        call: Call = parameters["call"]
        *operands, _, residuals = kept
        y_bars = call.cotangents(t.parts)
        return self._pulled(call, operands, self._own(residuals, operands, call), y_bars, shapes)

    def _own(self, residuals: _Residuals, operands: Sequence[Array], call: Call) -> _Residuals:
        """Return the residuals of these operands, computed again where the walk is recorded and they are Tensors."""
        # By identity: a recorded walk passes Tensors, on which the derivative of the residuals depends.
        if all(x is known for x, known in zip(operands, residuals.operands, strict=True)):
            return residuals
        return self.residual(*operands, call=call)

    def _pulled(
        self,
        call: Call,
        operands: Sequence[Array],
        residuals: _Residuals,
        y_bars: Sequence[Array | None],
        shapes: Shapes,
    ) -> list[Array | None]:
        count = len(residuals.arrays)
        spaces = _spaces(operands, shapes, call.arguments)
        args = call.arguments.filled(operands)
        assert call.result is not None
        result = call.result

        def cotangents(arrays: list[Array]) -> list[Array | None]:
            y_bar = result.filled_alone(arrays[count:])
            answer = self.backward(residuals.structure.filled(arrays[:count]), y_bar)
            if not isinstance(answer, tuple | list) or len(answer) != len(args):
                came = f"{len(answer)}" if isinstance(answer, tuple | list) else f"a {type(answer).__name__}"
                raise RuleError(
                    f"{self.name}: backward must return a tuple with one cotangent for each of "
                    f"{len(args)} arguments; got {came}."
                )
            leaves = checked(self.name, "backward's cotangent", tuple(answer), args, "args", spaces)
            given = [*operands, *arrays[:count]]
            return [unshared(leaves[place], given) for place in call.arguments.places]

        return by_example(self.name, cotangents, [*residuals.arrays, *y_bars])

    def pushforward(
        self, tangents: Sequence[Array | None], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        """Refuse forward mode, which has no rule."""
        raise MissingRuleError(
            f"{self.name}: forward mode needs a rule, and custom_vjp gives one for reverse mode alone. "
            "Pass jvp=rule, or define the function by tn.custom_jvp, from which both modes follow."
        )

    def pushforward_over_reverse(
        self, tangents: Sequence[Array | None], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        """Return tangents for a forward walk over what a backward walk computed: the transpose of the rule."""
        call: Call = parameters["call"]
        *operands, _, residuals = kept
        residuals = self._own(residuals, operands, call)
        with new_recorder(replayable=False) as tape:
            y_bars = [None if y_bar is None else tape.watch(filled_like(y_bar, 1.0)) for y_bar in call.cotangents({})]
            x_bars = self._pulled(call, operands, residuals, y_bars, shapes)
        for place, (x_bar, tangent) in enumerate(zip(x_bars, tangents, strict=True)):
            if x_bar is None and tangent is not None:
                raise MissingRuleError(f"{self.name}: forward mode needs a rule for operand number {place}.")
        return _pulled_to(tape, x_bars, tangents, y_bars)


# ---- both modes ----


@attrs.frozen(eq=False)
class JvpRule:
    """A function with a rule for its tangents.

    Attributes:
        maps: whether the rule takes mapped values, all examples at once; else it runs on one after the other.
    """

    name: str
    f: Callable[..., Any]
    rule: Callable[[Any, Any], tuple[Any, Any]]
    maps: bool = False

    def primitive(self) -> Primitive:
        return Primitive(
            self.name,
            "custom_jvp",
            lambda *operands, call: call.evaluated(self.name, self.f(*call.arguments.filled(operands))),
            joint_pullback=self.pullback,
            joint_pushforward=self.pushforward,
            is_users=True,
            users_rules="none" if self.maps else "pushforward",
        )

    def _tangents(self, call: Call, operands: Sequence[Array], dots: Sequence[Array | None]) -> list[Array | None]:
        """Return the rule's answer: a tangent for each part of the result, None where it has none."""
        answer = self.rule(call.arguments.filled(operands), call.arguments.filled_alone(dots))
        y, y_dot = as_pair(self.name, "rule", answer, "(y, y_dot)")
        result = call.result
        assert result is not None
        _, spec = tree_flatten_with_none(y)
        if spec != result.spec:
            raise RuleError(
                f"{self.name}: rule's y must have the structure of f's, {shown(result.spec)}; got {shown(spec)}."
            )
        spaces: list[tuple[Shape, Any] | None] = [None] * len(result.leaves)
        for place, space in zip(result.places, call.parts, strict=True):
            spaces[place] = space if space[1].kind in "fc" else None
        leaves = checked(self.name, "rule's tangent", y_dot, resolve_leaves(y), "y", spaces)
        return [self._required(leaves[place], spaces[place]) for place in result.places]

    def _required(self, tangent: Array | None, space: tuple[Shape, Any] | None) -> Array | None:
        if tangent is None and space is not None:
            raise RuleError(f"{self.name}: rule's tangent must have shape {space[0]}, {space[1]}; got None.")
        return tangent

    def pushforward(
        self, tangents: Sequence[Array | None], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        call: Call = parameters["call"]
        operands = kept[: len(slots)]
        dots = [_tangent(x, dot) for x, dot in zip(operands, tangents, strict=True)]
        count = len(operands)
        return self._applied(lambda arrays: self._tangents(call, arrays[:count], arrays[count:]), [*operands, *dots])

    def pullback(
        self, t: Parts, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes
    ) -> list[Array | None]:
        """Reverse mode: the rule, linear in the tangents, recorded from them and walked back."""
        call: Call = parameters["call"]
        count = len(slots)
        on_tape = [slot is not None for slot in slots]

        def cotangents(arrays: list[Array]) -> list[Array | None]:
            with new_recorder(replayable=False) as tape:
                # At ones and not at zeros, where 0 * inf would warn of what no derivative meets.
                dots = [
                    tape.watch(filled_like(x, 1.0)) if own else _tangent(x, None)
                    for x, own in zip(arrays[:count], on_tape, strict=True)
                ]
                y_dots = self._tangents(call, arrays[:count], dots)
            return _pulled_to(tape, y_dots, arrays[count:], dots)

        return self._applied(cotangents, [*kept[:count], *call.cotangents(t.parts)])

    def _applied(self, function: Callable[[list[Any]], list[Any]], arrays: list[Any]) -> list[Any]:
        return function(arrays) if self.maps else by_example(self.name, function, arrays)


def _tangent(x: Array, dot: Array | None) -> Array | None:
    """Return a tangent for `x`: zero where there is none, None where it has no derivative."""
    return dot if dot is not None or not is_differentiable(x) else zeros_of(x)


def _pulled_to(
    trace: Recorder, ys: Sequence[Array | None], y_bars: Sequence[Array | None], xs: Sequence[Array | None]
) -> list[Array | None]:
    """Return the cotangents of x: zero where no y depends on it, None for what is not on the tape."""
    pairs = [(y, y_bar) for y, y_bar in zip(ys, y_bars, strict=True) if y is not None and y_bar is not None]
    sources = [x for x in xs if type(x) is Tensor and x.owner is trace]
    pulled = iter(vjp_walk(trace, [y for y, _ in pairs], [y_bar for _, y_bar in pairs], sources))

    def answer(x: Array | None) -> Array | None:
        if type(x) is not Tensor or x.owner is not trace:
            return None
        found = next(pulled)
        return zeros_of(x) if found is None else found

    return [answer(x) for x in xs]
