"""What each pass does, and what the back end by NumPy makes of the result."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_flatten_with_none
from tapenet.program.backends import numpy_code
from tapenet.program.evaluating import GuardFailedError, evaluator
from tapenet.program.fusion.regions import Region, in_regions
from tapenet.program.instructions import Program
from tapenet.program.passes import optimized
from tapenet.program.passes.algebra import simplified
from tapenet.program.passes.dead_code import without_dead_code
from tapenet.program.passes.folding import folded
from tapenet.program.passes.pooling import with_relu_after_pool
from tapenet.program.passes.residuals import with_joined_residuals
from tapenet.program.passes.subexpressions import without_repetition
from tapenet.program.recording.environment import environment_of
from tapenet.program.recording.generators import SharedStreams
from tapenet.program.recording.tracing import record
from tests.program.comparing import assert_same

Array = Any


def recorded(f: Callable[..., Any], *args: Any) -> tuple[Program, list[Any]]:
    """The program of a function as it is recorded, and its inputs."""
    around = environment_of(f)
    leaves, spec = tree_flatten_with_none((args, {}, around.values()))
    made = record(f, around, leaves, spec, SharedStreams.now(), frozenset())
    return made.program, [leaves[i] for i in made.inputs]


def names(program: Program) -> list[str]:
    return [instruction.name for instruction in program]


def network(images: Array, kernel: Array, weights: Array, labels: Array) -> Array:
    h = tn.nn.max_pool(tn.nn.relu(tn.nn.conv(images, kernel)), 2)
    return tn.nn.cross_entropy(tnp.reshape(h, (len(h), -1)) @ weights, labels)


def _network() -> tuple[Any, tuple[Any, ...]]:
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(3, 6, 6, 1)), rng.normal(size=(3, 3, 1, 2)), rng.normal(size=(8, 4))
    return tn.value_and_grad(network, (1, 2)), (*arrays, rng.integers(0, 4, 3))


# ---- what each pass does ----


def test_dead_code_goes_and_draws_and_shapes_stay() -> None:
    def f(x: Array, rng: np.random.Generator) -> Array:
        rng.normal(size=3)
        tnp.exp(x)
        return x * len(tnp.flatnonzero(x > 0))

    program, _ = recorded(f, np.ones(3), np.random.default_rng(0))
    assert names(without_dead_code(program)) == ["draw", "greater", "flatnonzero", "multiply"]


def test_what_is_computed_twice_is_computed_once() -> None:
    program, inputs = recorded(lambda x: tnp.sin(x) * tnp.sin(x) + tnp.sum(x, 0) - tnp.sum(x, 0), np.ones(3))
    once = without_repetition(program)
    assert sorted(names(once)) == ["add", "multiply", "sin", "subtract", "sum"]
    assert_same(evaluator(once)(inputs), evaluator(program)(inputs))


CALLS = itertools.count()


def own(x: Array) -> Array:
    next(CALLS)
    return np.array(x)


def test_a_users_own_function_is_not_joined() -> None:
    operation = tn.custom_jvp(own, lambda primals, tangents: (own(*primals), tangents[0]))
    program, inputs = recorded(tn.jacfwd(lambda x: operation(x) + operation(x)), np.ones(3))
    run = evaluator(optimized(program))
    start = next(CALLS)
    evaluator(program)(inputs)
    middle = next(CALLS)
    run(inputs)
    assert next(CALLS) - middle == middle - start > 2


def test_constants_are_computed_once() -> None:
    program, _ = recorded(lambda x: x * tnp.sum(tnp.sin(tnp.exp(x * 0 + 1)) * 0) + x, np.ones(3))
    assert len(folded(program)) == len(program)
    table = np.arange(3.0)

    def f(x: Array) -> Array:
        with tn.GradientTape() as tape:
            constant = tape.watch(table * 1)
            y = tnp.sum(tnp.sin(constant))
        return x * tape.gradient(y, constant)

    program, inputs = recorded(tn.compile(f).inlined, np.ones(3))
    assert len(without_dead_code(folded(program))) <= len(program)
    assert_same(evaluator(folded(program))(inputs), evaluator(program)(inputs))


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: 1.0 * x, []),
        (lambda x: x / 1.0 * 1.0, []),
        (lambda x: tnp.negative(tnp.negative(x)), ["negative"]),
        (lambda x: x.T.T, ["transpose"]),
        (lambda x: tnp.reshape(tnp.reshape(x, 12), (4, 3)), ["reshape"]),
        (lambda x: tnp.reshape(x, (4, 3)), []),
        (lambda x: tnp.broadcast_to(x[0], (4, 3)) + x, ["add", "broadcast_to", "getitem"]),
        (lambda x: x * np.float64(1.0), []),
        (lambda x: x.astype(np.float64), []),
        (lambda x: tnp.conjugate(tnp.real(x)) * 2.0, ["multiply"]),
        (lambda x: tnp.conjugate(x + 1j), ["add", "conjugate"]),
        (lambda x: x * 2.0, ["multiply"]),
        (lambda x: x + 0.0, ["add"]),  # which makes 0 of -0
    ],
)
def test_identities_go(f: Any, left: list[str]) -> None:
    program, inputs = recorded(f, np.arange(12.0).reshape(4, 3) - 5)
    changed = simplified(program)
    assert sorted(names(changed)) == left
    assert_same(evaluator(changed)(inputs), evaluator(program)(inputs))
    if "broadcast_to" in left:
        assert "broadcast_to" not in names(without_dead_code(changed))


def test_a_one_that_changes_the_dtype_or_shape_stays() -> None:
    for f in (lambda x: x * np.float64(1.0), lambda x: x * np.ones((2, 3), np.float32)):
        program, _ = recorded(f, np.arange(3, dtype=np.float32))
        assert names(simplified(program)) == ["multiply"]


def test_residuals_are_computed_beside_what_they_are_of() -> None:
    f, args = _network()
    program, inputs = recorded(f, *args)
    assert "residual of max_pool" in names(program)
    joined = with_joined_residuals(program)
    assert "max_pool with residual" in names(joined)
    assert not {"max_pool", "residual of max_pool"} & set(names(joined))
    assert_same(evaluator(joined)(inputs), evaluator(program)(inputs))


def recurrent(w: Array, u: Array, b: Array, xs: list[Array]) -> Array:
    h = xs[0] @ u
    for x in xs[1:]:
        h = tnp.tanh(h @ w + x @ u + b)
    return tnp.sum(h * h) + tnp.sum(w * w)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_a_recurrence_are_joined(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    w, u, b = (rng.normal(size=size).astype(dtype) * dtype(0.4) for size in ((5, 5), (3, 5), (5,)))
    xs = [rng.normal(size=(4, 3)).astype(dtype) for _ in range(9)]
    f = tn.grad(recurrent, (0, 1, 2))
    program, inputs = recorded(f, w, u, b, xs)
    joined = optimized(program)
    assert names(program).count("matmul") >= 40
    assert names(joined).count("matmul") + names(joined).count("product of transposed") <= 19
    expected = f(w, u, b, xs)
    for run in (evaluator(joined), numpy_code.compiled(joined)):
        assert_same(tuple(run(inputs)), expected, scale=2**4)


def test_products_of_other_shapes_and_those_that_are_needed_stay() -> None:
    def f(a: list[Array], b: list[Array], v: Array) -> Any:
        products = [x.T @ y for x, y in zip(a, b, strict=True)]
        total = products[0] + products[1] + products[2] + products[3] + products[4]
        return total, products[0], [x @ v for x in a]

    rng = np.random.default_rng(0)
    for heights in ((2, 3, 4, 5, 6), (2, 2, 2, 2, 2)):
        a, b = ([rng.normal(size=(n, m)) for n in heights] for m in (3, 4))
        program, inputs = recorded(f, a, b, rng.normal(size=(3, 2)))
        joined = optimized(program)
        assert "product of transposed" in names(joined)
        assert "rows" in names(joined)
        assert_same(evaluator(joined)(inputs), evaluator(program)(inputs), scale=2)
        assert_same(numpy_code.compiled(joined)(inputs), evaluator(program)(inputs), scale=2)


# ---- regions ----


def test_regions_hold_operations_of_one_shape_in_an_order_that_computes() -> None:
    def f(x: Array, w: Array) -> Array:
        h = tnp.tanh(x) * 2.0
        s = tnp.sum(h)
        return tnp.exp(h - s) @ w @ w.T + tnp.sin(w).sum() * s

    program, _ = recorded(f, np.ones((4, 3)), np.ones((3, 3)))
    steps = in_regions(program, lambda x: isinstance(x.primitive.forward, np.ufunc))
    regions = [step for step in steps if isinstance(step, Region)]
    assert [[x.name for x in region.instructions] for region in regions][:2] == [
        ["tanh", "multiply"],
        ["subtract", "exp"],
    ]
    seen = {*program.inputs, *program.constants}
    for step in steps:
        assert set(step.inputs if isinstance(step, Region) else step.reads) <= seen
        seen |= set(step.outputs) if isinstance(step, Region) else {step.out}
    assert set(program.outputs) <= seen


@pytest.mark.parametrize("size", [3, 2**18 + 3])
def test_large_arrays_go_block_by_block(size: int) -> None:
    def f(x: Array, s: float) -> Any:
        a = tnp.sin(x)
        b = tnp.tanh(a * x) + a * s
        return b * 0.5, (b > 0) & (x < 1), tnp.sum(b)

    x = np.linspace(-2, 2, size, dtype=np.float32)
    program, inputs = recorded(tn.compile(f).inlined, x, np.float32(0.5))
    run = numpy_code.compiled(optimized(program))
    expected = evaluator(program)(inputs)
    for _ in range(2):
        outs = run(inputs)
        assert_same(outs, expected)
        assert not any(np.may_share_memory(out, x) for out in outs)
    kept = outs[0].copy()
    run(inputs)
    assert_same(outs[0], kept)
    assert_same(run([x[::-1], inputs[1]]), evaluator(program)([x[::-1], inputs[1]]))


def test_results_are_written_into_operands_that_nothing_needs() -> None:
    def f(x: Array) -> Array:
        a = tnp.floor_divide(x, 3.0)
        view = tnp.reshape(a, (-1, 2))
        b = tnp.fmod(a, 7.0)
        c = tnp.fmod(b, 5.0)
        return c, view * 1.5

    x = np.arange(2.0**18)
    program, inputs = recorded(f, x)
    assert_same(numpy_code.compiled(program)(inputs), evaluator(program)(inputs))
    assert_same(x, np.arange(2.0**18))


def test_guards_fail_in_the_back_end_too() -> None:
    program, _ = recorded(lambda x: x * 2 if x > 0 else x * float(x), np.float64(1.0))
    run = numpy_code.compiled(optimized(program))
    assert_same(run([np.float64(3.0)]), (np.float64(6.0),))
    with pytest.raises(GuardFailedError):
        run([np.float64(-3.0)])


def test_donated_parameters_are_updated_in_place() -> None:
    optimizer = tn.optim.adam(0.1)

    def step(params: Array, state: Any, x: Array) -> Any:
        value, gradient = tn.value_and_grad(lambda p: tnp.sum((p - x) ** 2))(params)
        return *optimizer.update(gradient, state, params), value

    made, eager = tn.compile(step, donate_argnums=(0, 1)), step
    params = other = np.zeros(2**16)
    state = other_state = optimizer.init(params)
    x = np.linspace(0, 1, 2**16)
    for i in range(6):
        before = params
        params, state, value = made(params, state, x)
        other, other_state, expected = eager(other, other_state, x)
        assert_same((params, value), (other, expected), scale=4)
        assert (params is before) == (i > 1)


def test_what_views_of_a_parameter_show_later_is_not_donated() -> None:
    optimizer = tn.optim.sgd(0.1)

    def step(params: Array, state: Any) -> Any:
        view = tnp.transpose(params)
        new, state = optimizer.update(params * 2.0, state, params)
        return new, state, tnp.floor_divide(view, 0.01) + 1.0

    made: Any = tn.compile(step, donate_argnums=0)
    for _ in range(4):
        params = np.arange(2.0**16).reshape(2**8, 2**8)
        expected = step(params.copy(), optimizer.init(params))
        assert_same(made(params, optimizer.init(params)), expected)


# ---- relu and pools ----


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 1), (2, 3), ((1, 3), (2, 1))])
def test_a_relu_before_a_pool_is_taken_after_it(window: Any, stride: Any) -> None:
    def f(x: Array, t: Array) -> Array:
        y = tn.nn.max_pool(tn.nn.relu(x * 1.0), window, stride)
        return tnp.sum(y * t[: y.shape[1], : y.shape[2]])

    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(2, 7, 8, 3)), rng.normal(size=(7, 8, 3))
    x[0, 2:5, 2:5] = [0.0, -0.0, -1.0]
    x[1, :3] = np.round(x[1, :3])
    x[1, 5, 5], x[1, 6, 1] = np.nan, 1e300
    for function in (f, tn.value_and_grad(f)):
        program, inputs = recorded(function, x, t)
        changed = with_relu_after_pool(without_repetition(program))
        assert_same(evaluator(changed)(inputs), evaluator(program)(inputs))
        shapes = {changed.spaces[x.out].shape for x in changed if x.name in ("relu", "greater", "where")}
        assert (2, 7, 8, 3) not in shapes
        assert len(shapes) == 1


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (tn.nn.max_pool(tn.nn.relu(x), 2), tn.nn.relu(x)),
        lambda x: tn.nn.max_pool(tn.nn.relu(x), 2, padding=1),
        tn.grad(lambda x: tnp.sum(tn.nn.max_pool(tn.nn.relu(x), 2) * tn.nn.max_pool(tn.nn.relu(x), 2, 1)[:, :3, :3])),
        tn.grad(lambda x: tnp.sum(tn.nn.relu(x) ** 2) + tnp.sum(tn.nn.max_pool(tn.nn.relu(x), 2) ** 2)),
        lambda x: tn.jvp(lambda x: tn.nn.max_pool(tn.nn.relu(x), 2), (x,), (x,)),
    ],
)
def test_a_relu_that_others_read_stays(f: Any) -> None:
    program, inputs = recorded(f, np.random.default_rng(0).normal(size=(2, 6, 6, 3)))
    before = without_repetition(program)
    changed = with_relu_after_pool(before)
    assert names(changed) == names(before)
    assert_same(evaluator(optimized(program))(inputs), evaluator(program)(inputs))
