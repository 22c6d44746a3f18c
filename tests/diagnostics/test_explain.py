"""`tape.explain`: why a gradient is zero, tiny, huge, not finite, or not there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.views.explanation import Explanation

A = np.array([1.0, 2.0, -3.0])


def explained(f: Callable[..., Any], *xs: Any, **options: Any) -> Explanation:
    with np.errstate(all="ignore"), tn.GradientTape() as tape:
        watched = tape.watch(xs)
        y = f(*watched)
    return tape.explain(y, watched if len(xs) > 1 else watched[0], **options)


ZERO: dict[str, tuple[Callable[..., Any], str]] = {
    "floor": (lambda x: tnp.sum(tnp.floor(x) * 2), r"floor \(%1\): piecewise constant: its derivative is zero"),
    "round": (lambda x: tnp.sum(tnp.round(x)), r"round \(%1\): piecewise constant"),
    "relu": (lambda x: tnp.sum(tn.nn.relu(-tnp.abs(x))), r"relu \(%3\): inactive: its input is not positive"),
    "maximum": (lambda x: tnp.sum(tnp.maximum(x, 9.0)), r"maximum \(%1\): not chosen: the other operand is"),
    "clip": (lambda x: tnp.sum(tnp.clip(x, 5, 6)), r"clip \(%1\): clipped: its input is outside the bounds"),
    "where": (lambda x: tnp.sum(tnp.where(x > 9, x, 0.0)), r"where \(%1\): masked: the condition chooses the other"),
    "sigmoid": (lambda x: tnp.sum(tn.nn.sigmoid(x * 1000)), r"sigmoid \(%2\): saturated"),
    "tanh": (lambda x: tnp.sum(tnp.tanh(x * 1000)), r"tanh \(%2\): saturated"),
    "exp": (lambda x: tnp.sum(tnp.exp(-tnp.square(x * 1000))), r"exp \(%4\): underflow: its input is very negative"),
    "multiply": (lambda x: tnp.sum(x * np.zeros(3)), r"multiply \(%1\): zero factor: y of shape \(3,\)"),
    "number": (lambda x: tnp.sum(x * 0.0), r"multiply \(%1\): zero factor: y \(a number\)"),
    "matmul": (lambda x: tnp.sum(x @ np.zeros((3, 2))), r"matvec \(%1\): zero factor: x of shape \(2, 3\)"),
    "prod": (lambda x: tnp.prod(x * np.array([0, 0, 1.0])), r"prod \(%2\): zero factor: another element is zero"),
    "power": (lambda x: tnp.sum((x - x.value) ** 2), r"square \(%2\): zero factor: its input is zero"),
    "cancel": (lambda x: tnp.sum(x - x), r"subtract \(%1\): what it gives to %0 cancels with what others give"),
    "empty": (lambda x: tnp.sum(x[:0]), r"sum \(%2\): empty: it has no elements"),
    "mask": (lambda x: tnp.sum(x[x > 9]), r"sum \(%2\): empty: it has no elements"),
    "set": (lambda x: tnp.sum(x.at[:].set(1.0)), r"set \(%1\): overwritten"),
}


@pytest.mark.parametrize("name", ZERO)
def test_a_zero_gradient_names_the_operation_where_it_dies(name: str) -> None:
    f, reason = ZERO[name]
    found = explained(f, A)
    assert found.verdict == "zero"
    assert found.sources[0].magnitude is not None
    assert found.sources[0].magnitude.is_zero
    assert re.search(reason, str(found))


NONFINITE: dict[str, tuple[Callable[..., Any], Any, str, str]] = {
    "sqrt": (
        lambda x: tnp.sum(tnp.sqrt(x)),
        A * 0,
        "infinite",
        r"sqrt \(%1\): the derivative is infinity\. It is inf at ",
    ),
    "0 * inf": (
        lambda x: tnp.sum(tnp.where(x > 0, tnp.sqrt(x), 0.0)),
        np.array([0.0, 1.0]),
        "nan",
        r"sqrt \(%1\): 0 \* infinity\. The value is not used there, so that its cotangent is 0.* nan at index \(0,\)",
    ),
    "power": (lambda x: x**0.5, 0.0, "infinite", r"power \(%1\): the derivative is infinity\. It is inf for x = 0\.0"),
    "log": (
        lambda x: tnp.sum(tnp.log(x)),
        A * 0,
        "infinite",
        r"The value itself is not finite, from log \(%1\) on: -inf",
    ),
    "exp": (lambda x: tnp.sum(tnp.exp(x * 1e3)), A, "infinite", r"from exp \(%2\) on: inf.*Take the largest off first"),
    "0 / 0": (
        lambda x: tnp.sum(x / tnp.sum(x)),
        A * 0,
        "nan",
        r"from divide \(%2\) on: nan.*Keep the denominator away",
    ),
    "constant": (lambda x: x * np.nan, 2.0, "nan", r"from multiply \(%1\) on: nan.*as it is in a constant operand"),
    "watched": (
        lambda x: tnp.sum(x * x),
        np.array([1.0, np.nan]),
        "nan",
        r"from watch \(%0\) on: nan.*as it was watched",
    ),
    "overflow": (
        lambda x: (x * 1e200) * 1e200,
        1e-300,
        "infinite",
        r"multiply \(%1\): overflow: 1e\+200 times the derivative 1e\+200",
    ),
    "eigh": (
        lambda x: tnp.sum(tnp.linalg.eigh(x)[1]),
        np.eye(2),
        "nan",
        r"eigh \(%1\): .* only where their values are",
    ),
    "unused": (lambda x: tnp.sum(tnp.where(x > 0, tnp.log(x), 0.0)), A * 0, "nan", r"0 \* infinity|value itself"),
}


@pytest.mark.parametrize("name", NONFINITE)
def test_a_gradient_that_is_not_finite_names_the_first_record_and_why(name: str) -> None:
    f, x, verdict, reason = NONFINITE[name]
    found = explained(f, x)
    assert found.verdict == verdict
    assert re.search(reason, str(found)), str(found)


def test_infinite_output_gradients_are_told() -> None:
    found = explained(lambda x: x * 2, 1.0, output_gradients=np.inf)
    assert (found.verdict, found.sources[0].reasons) == ("infinite", ("output_gradients is not finite.",))
    assert explained(lambda x: x * 2, 1.0, output_gradients=0.0).sources[0].reasons == ("output_gradients is zero.",)


def test_what_was_read_off_the_tape_is_named_with_its_line() -> None:
    found = explained(lambda x, z: tnp.sum(tn.stop_gradient(x) * z) * int(x[0] > 0), A, A)
    assert [source.verdict for source in found.sources] == ["unconnected", "finite"]
    text = str(found)
    assert "The gradient by x[0] is not there: y does not depend on it." in text
    assert re.search(rf"read off the tape by stop_gradient at {re.escape(__file__)}:\d+, greater at ", text)
    assert "y depends on %1 of shape (3,)." in text


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: x.astype(int).sum(), r"read off the tape by astype at "),
        (lambda x: tnp.argmax(x), r"y has no differentiable path to x.*\n.*read off the tape by argmax at "),
        (lambda x: np.ones(2), r"y was never watched"),
        (lambda x: tnp.sum(x.value), r"read off the tape by x\.value at "),
    ],
)
def test_a_target_off_the_tape_is_told(f: Callable[..., Any], reason: str) -> None:
    found = explained(f, A)
    assert found.verdict == "unconnected"
    assert re.search(reason, str(found))


def test_sources_off_the_tape_are_told() -> None:
    with tn.GradientTape() as other:
        z = other.watch(1.0)
    with tn.GradientTape() as tape:
        x = tape.watch(A)
        y = tnp.sum(x)
    text = str(tape.explain(y, {"a": A, "z": z, "x": x}))
    assert "It was never watched: it is a ndarray of shape (3,), float64. Differentiate by what tape.watch" in text
    assert "The gradient by x['z'] is not there: y does not depend on it.\n  It is a Tensor of another tape." in text
    assert "The gradient by x['x'] is finite (norm 1.73, largest 1)." in text
    late = tnp.sum(x * 2)
    assert "y was computed after the tape closed" in str(tape.explain(late, x))
    assert "y does not depend on anything that was watched" not in str(tape.explain(late, x))


def deep(x: Any, w: Any, steps: int = 60) -> Any:
    for _ in range(steps):
        x = tnp.tanh(x @ w)
    return tnp.sum(x)


def test_gradients_that_vanish_or_explode_step_by_step_name_the_steps() -> None:
    vanishing = explained(deep, np.full((2, 3), 0.1), np.eye(3) * 0.3)
    assert [source.verdict for source in vanishing.sources] == ["tiny", "tiny"]
    assert re.search(r"matmul \(%\d+, .* and \d+ more\): the norm shrinks by a factor of 0\.3\.", str(vanishing))
    saturated = explained(deep, np.full((2, 3), 0.1), np.eye(3) * 8)
    assert "(saturated: the derivative is below 0.001 at 100% of the elements)" in str(saturated)

    def tripled(x: Any) -> Any:
        for _ in range(60):
            x = x * 3
        return x

    exploding = explained(tripled, np.float32(1))
    assert exploding.verdict == "huge"
    assert "and 55 more): the norm grows by a factor of 3." in str(exploding)
    assert "... 41 more records ..." in str(exploding)
    assert explained(tripled, np.float32(1), exploding=1e40).verdict == "finite"
    assert explained(tripled, np.float32(1), exploding=1e40, vanishing=1e30).verdict == "tiny"


def test_steps_tell_norms_zeros_and_factors() -> None:
    found = explained(lambda x: tnp.sum(tn.nn.relu(x) * 2), A)
    assert [(step.slot, step.operation, step.shape) for step in found.steps] == [
        (3, "sum", ()),
        (2, "multiply", (3,)),
        (1, "relu", (3,)),
        (0, "watch", (3,)),
    ]
    assert [step.norm for step in found.steps] == pytest.approx([1, 3**0.5, 12**0.5, 8**0.5])
    assert [step.zeros for step in found.steps] == pytest.approx([0, 0, 0, 1 / 3])
    assert [step.factor for step in found.steps[:-1]] == pytest.approx([3**0.5, 2, (2 / 3) ** 0.5])
    assert found.steps[-1].factor is None
    assert found.steps[2].remark == "33% of the elements: inactive: its input is not positive"
    assert [step.status for step in found.steps] == ["", "", "partly dead", ""]
    assert found.sources[0].slots == (1,)


def test_under_checks_lines_are_told_and_nothing_is_recorded() -> None:
    with tn.checks(nan=False), tn.GradientTape() as tape:
        x = tape.watch(A)
        y = tnp.sum(tnp.floor(x))
        count = len(tape.records)
        text = str(tape.explain(y, x))
        assert len(tape.records) == count
    assert re.search(rf"floor \(%1, {re.escape(__file__)}:\d+\): piecewise constant", text)
    assert "line\n" in text
    assert "For the lines of your program" not in text
    assert "record inside `with tn.checks(nan=False):`" in str(explained(tnp.floor, A))


def test_an_explanation_agrees_with_the_gradient() -> None:
    with tn.GradientTape() as tape:
        x, w = tape.watch((A, np.ones((3, 2))))
        y = tnp.sum(tnp.sin(x @ w)) + tnp.linalg.slogdet(tnp.eye(2) + w.T @ w)[1]
    gradient = tape.gradient(y, (x, w))
    found = tape.explain(y, (x, w))
    for source, own in zip(found.sources, gradient, strict=True):
        assert source.magnitude is not None
        assert source.magnitude.norm == pytest.approx(np.linalg.norm(own))
        assert source.magnitude.largest == pytest.approx(np.max(np.abs(own)))


def test_models_dead_units_saturated_gates_and_detached_layers() -> None:
    rng = np.random.default_rng(0)
    layers = tn.nn.Sequential(*(tn.nn.Dense(*sizes, rng=rng, dtype=np.float64) for sizes in ((4, 8), (8, 2))))
    x0 = np.ones((3, 4))

    def found(loss: Callable[[Any], Any]) -> dict[str, Any]:
        with tn.GradientTape() as tape:
            model = tape.watch(layers)
            y = loss(model)
        return {source.path: source for source in tape.explain(y, model).sources}

    def with_dead_units(model: Any) -> Any:
        first, second = model.layers
        return tnp.mean((second(tn.nn.relu(first(x0) - 1e3)) - 1.0) ** 2)

    dead = found(with_dead_units)
    assert dead["x.layers[0].kernel"].verdict == dead["x.layers[0].bias"].verdict == "zero"
    assert re.search(r"relu \(%\d+\): inactive", dead["x.layers[0].kernel"].reasons[0])
    assert dead["x.layers[1].kernel"].verdict == "zero"  # of inputs that are zero
    assert re.search(r"affine \(%\d+\): zero factor: x of shape \(3, 8\)", dead["x.layers[1].kernel"].reasons[0])

    def with_saturated_gates(model: Any) -> Any:
        first, second = model.layers
        return tnp.mean(second(tn.nn.sigmoid(first(x0) + 1e4)))

    gates = found(with_saturated_gates)
    assert gates["x.layers[0].kernel"].verdict in ("tiny", "zero")
    assert re.search(r"sigmoid \(%\d+\): saturated", gates["x.layers[0].kernel"].reasons[0])
    assert gates["x.layers[1].bias"].verdict == "finite"

    def with_detached_layer(model: Any) -> Any:
        first, second = model.layers
        return tnp.mean(second(tn.stop_gradient(first(x0))))

    detached = found(with_detached_layer)
    assert detached["x.layers[0].kernel"].verdict == "unconnected"
    assert "read off the tape by stop_gradient" in detached["x.layers[0].kernel"].reasons[1]


def test_nested_tapes_and_open_tapes() -> None:
    with tn.GradientTape() as outer:
        a = outer.watch(3.0)
        with tn.GradientTape() as inner:
            x = inner.watch(a)
            y = x * a * 0.0
        count = len(outer.records)
        assert inner.explain(y, x).verdict == "zero"
        assert len(outer.records) == count
        assert outer.explain(y, a).verdict == "zero"


def test_shapes_and_dtypes_of_all_kinds() -> None:
    for x in (np.zeros(0), np.zeros((1,)), np.float32(2), np.float16(3), 1 + 2j, np.asfortranarray(np.ones((2, 3)))):
        found = explained(lambda x: tnp.sum(tnp.square(x)), x)
        assert found.verdict in ("empty", "zero", "finite")
        assert found._repr_html_()
    assert explained(lambda x: x, 1.0).steps[0].operation == "watch"
    assert explained(lambda x: {"a": x, "b": x * 2}, 1.0).sources[0].magnitude is not None
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
    assert str(tape.explain([], x)).startswith("The gradient by x is not there")
    assert str(tape.explain(x, [])) == ""


def test_html_is_escaped_and_shortened() -> None:
    def long(x: Any) -> Any:
        for _ in range(200):
            x = tnp.where(x > 0, x, x * 0.5)
        return tnp.sum(x)

    page = explained(long, A)._repr_html_()
    assert "<table>" in page
    assert "more records ..." in page
    assert "<p>The gradient by x is" in page
    assert repr(explained(long, A)).startswith("<Explanation, ")


def test_bad_arguments() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(A)
        y = tnp.sum(x)
    with pytest.raises(ArgumentError, match=re.escape("tape.explain: exploding must be in (0, inf); got -1.")):
        tape.explain(y, x, exploding=-1)
    with pytest.raises(ArgumentTypeError, match=r"tape\.explain: vanishing must be a real number"):
        tape.explain(y, x, vanishing="no")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ArgumentError, match=r"tape\.explain: output_gradients"):
        tape.explain(y, x, output_gradients=np.ones(3))
