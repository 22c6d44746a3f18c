"""What `compile` promises beside equal results: guards, arguments of all kinds, random numbers, what it refuses."""

from __future__ import annotations

import copy
import functools
import io
import itertools
import pickle
import sys
import threading
import weakref
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import CompileWarning
from tests.program.comparing import BACKENDS, assert_compiles, assert_same, compiled_quietly

Array = Any
X = np.array([0.5, -1.5, 2.0])


class Ran(Exception):
    """The Python code of a function ran, where its program should have."""


def once(f: Any, times: int) -> Any:
    """A function that raises when its Python code runs more often."""
    written = io.StringIO()  # what is written into files is not watched

    def limited(*args: Any) -> Any:
        if written.write("x") and len(written.getvalue()) > times:
            raise Ran
        return f(*args)

    return limited


# ---- programs and guards ----


def test_later_calls_run_the_program_and_not_the_function() -> None:
    made = tn.compile(once(lambda x: tnp.sum(tnp.sin(x) * 2.0), 2))
    for factor in (1.0, 2.0, 3.0, 4.0):
        assert_same(made(X * factor), np.sum(np.sin(X * factor) * 2.0))
    assert len(made.programs) == 1


def test_another_shape_dtype_or_structure_is_another_program() -> None:
    def f(x: Any) -> Any:
        return x["a"] * 2 if isinstance(x, dict) else x * 3

    assert len(assert_compiles(f, (X,), (X[:2],), (X.astype(np.float32),), ({"a": X},), (X,)).programs) == 4


def test_a_branch_is_guarded() -> None:
    def f(x: Array) -> Array:
        return x * 2 if x.sum() > 0 else tnp.exp(x)

    made = assert_compiles(f, (X,), (-X,), (X,), (-X,), (2 * X,), (-2 * X,))
    assert len(made.programs) == 2


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tnp.where(x > 0, x, 3 * x),
        lambda x: x * (x > 0),
        lambda x: x * tnp.floor(x),
        lambda x: x * tn.stop_gradient(x),
        lambda x: tnp.sum(x[tnp.argsort(x)] * X),
        lambda x: x[tnp.argmax(x)],
        lambda x: tnp.take_along_axis(x, tnp.argsort(x), 0),
        lambda x: (x > 0).astype(np.float64).sum() + ~(x > 1) * x,
    ],
)
def test_masks_and_indices_computed_from_values_are_computed_anew(f: Any) -> None:
    made = assert_compiles(lambda x: (f(x), tn.grad(lambda x: tnp.sum(f(x)))(x)), (X,), (-X,), (X[::-1],), (2 * X,))
    assert len(made.programs) == 1


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[x > 0] * 2,
        lambda x: x * float(x[0]),
        lambda x: x * x[0].item(),
        lambda x: x + len(tnp.flatnonzero(x > 0)),
        lambda x: x + np.asarray(x)[::-1],
        lambda x: tnp.concatenate([x, x[: int(abs(x[0])) + 1]]),
        lambda x: x * sum(1 for element in x if element > 0),
    ],
)
def test_what_is_read_off_is_guarded(f: Any) -> None:
    calls = [(X,), (X[::-1].copy(),), (-X,), (X,), (-X,), (X,)]
    made, results = compiled_quietly(f, *calls)
    for (x,), result in zip(calls, results, strict=True):
        assert_same(result, f(x))
    assert 2 <= len(made.programs) <= 4


def test_a_value_read_off_a_tape_inside_is_not_a_guard() -> None:
    def f(x: Array) -> Array:
        with tn.GradientTape() as tape:
            watched = tape.watch(x)
            y = tnp.sum(watched * watched.value)
        return tape.gradient(y, watched)

    assert len(assert_compiles(f, (X,), (-X,), (2 * X,)).programs) == 1


def test_after_eight_ways_it_runs_eagerly_and_says_so_once() -> None:
    made = tn.compile(lambda x: x * float(x[0]))
    for i in range(8):
        assert_same(made(X + i), (X + i) * (X[0] + i))
    with pytest.warns(CompileWarning, match="runs eagerly for arguments of this signature: it went more than 8 ways"):
        assert_same(made(X + 8), (X + 8) * (X[0] + 8))
    for i in range(9, 12):
        assert_same(made(X + i), (X + i) * (X[0] + i))
    assert len(made.programs) == 8


# ---- arguments ----


def test_integers_and_masks_are_arguments() -> None:
    def f(x: Array, labels: Array, mask: Array) -> Array:
        return tn.nn.cross_entropy(tnp.where(mask, x, 0.0), labels)

    rng = np.random.default_rng(0)
    calls = [(rng.normal(size=(4, 3)), rng.integers(0, 3, 4), rng.random((4, 3)) > 0.5) for _ in range(4)]
    assert len(assert_compiles(tn.value_and_grad(f), *calls).programs) == 1


def test_a_label_out_of_range_is_an_error_as_without() -> None:
    made = tn.compile(lambda x, labels: tn.nn.one_hot(labels, 3) @ x)
    for labels in ([0, 1], [2, 1], [0, 0]):
        made(X, np.array(labels))
    with pytest.raises(tn.ArgumentError, match="labels must be in"):
        made(X, np.array([0, 3]))


def test_numbers_of_python_that_vary_become_inputs_and_keep_the_precision_of_arrays() -> None:
    def f(x: Array, rate: float, step: int) -> tuple[Array, int]:
        return x * (rate / (1 - 0.9 ** (step + 1))) - -rate, step + 1

    x = X.astype(np.float32)
    made = assert_compiles(f, *[(x, 0.1 * i, i) for i in range(1, 9)])
    assert len(made.programs) == 2
    assert type(made(x, 0.5, 9)[1]) is int


def test_a_number_that_shapes_depend_on_stays_a_constant_of_each_program() -> None:
    def f(x: Array, count: int) -> Array:
        return tnp.tile(x, count) * tnp.ones(3 * count)

    assert_compiles(f, (X, 2), (X, 3), (X, 2), (X, 3), (X, 4), (X, 2))


def test_static_arguments_are_given_as_they_are() -> None:
    def f(x: Array, how: list[str], times: int = 1) -> Array:
        return x * times if how == ["a"] else x

    with pytest.warns(CompileWarning, match="must be hashable"):
        tn.compile(f, static_argnames="how")(X, ["a"])

    def g(x: Array, times: int) -> Array:
        return sum((x for _ in range(times)), start=0.0)

    made = tn.compile(g, static_argnames=("times",))
    for times in (1, 2, 1, 3, 2):
        assert_same(made(X, times), g(X, times))
        assert_same(made(X, times=times), g(X, times))
    with pytest.raises(tn.ArgumentError, match="static_argnames must name parameters of g; got other"):
        tn.compile(g, static_argnames="other")


@attrs.frozen
class Model:
    weight: Array
    bias: Array
    name: str = tn.static_field()

    def __call__(self, x: Array) -> Array:
        return tnp.tanh(x @ self.weight + self.bias)

    @tn.compile
    def loss(self, x: Array) -> Array:
        return tnp.sum(self(x) ** 2)


def test_models_and_methods_compile() -> None:
    model = Model(np.ones((3, 2)), np.zeros(2), "a model")
    assert_compiles(lambda model, x: model(x).sum(), (model, X), (model, 2 * X), (model, 3 * X))
    for _ in range(3):
        assert_same(model.loss(X), np.sum(model(X) ** 2))
    assert_compiles(model, (X,), (2 * X,))
    assert_compiles(model.__call__, (X,), (2 * X,))


@pytest.mark.parametrize("x", [np.array([None]), np.array(["a"]), np.ma.masked_array(X)])
def test_arrays_of_other_kinds_run_eagerly(x: Any) -> None:
    with pytest.warns(CompileWarning, match="runs eagerly"):
        found = tn.compile(lambda x: x)(x)
    assert type(found) is type(x)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, x)


# ---- what is around a function ----

WEIGHT = np.array([1.0, 2.0, 3.0])


def uses_global(x: Array) -> Array:
    return tnp.sum(tnp.exp(-x * WEIGHT))


def test_arrays_around_a_function_are_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"a": np.ones(3), "b": [np.full(3, 2.0)]}
    scale = 2.0
    made = tn.compile(tn.grad(lambda x: uses_global(x) + tnp.sum(x * weights["a"] * weights["b"][0] * scale)))

    def expected() -> Array:
        return -WEIGHT * np.exp(-X * WEIGHT) + weights["a"] * weights["b"][0] * scale

    assert_same(made(X), expected())
    assert_same(made(X), expected())
    monkeypatch.setattr(sys.modules[__name__], "WEIGHT", 2 * WEIGHT)
    assert_same(made(X), expected())
    weights["a"] = weights["a"] * 3
    assert_same(made(X), expected())
    weights["b"][0][1] = 7.0
    assert_same(made(X), expected())
    assert len(made.programs) == 1
    scale = 5.0
    assert_same(made(X), expected())


def test_what_is_computed_of_an_array_around_a_function_is_computed_anew() -> None:
    table = np.arange(3.0)
    made = tn.compile(lambda x: x * table.mean() if table[0] == 0 else x)
    for _ in range(3):
        assert_same(made(X), X * table.mean())
        table[1:] += 1
    table[0] = 1
    assert_same(made(X), X)


def doubled(x: Array) -> Array:
    return x * 2


def tripled(x: Array) -> Array:
    return x * 3


ACTIVATION = doubled


def uses_function(x: Array) -> Array:
    return ACTIVATION(x)


def test_another_function_around_a_function_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [doubled]
    scale: Any = None

    def f(x: Array) -> Array:
        for layer in layers:
            x = layer(x)
        return uses_function(x) if scale is None else x * scale

    made = tn.compile(f)
    for _ in range(3):
        assert_same(made(X), 4 * X)
    monkeypatch.setattr(sys.modules[__name__], "ACTIVATION", tripled)
    for _ in range(3):
        assert_same(made(X), 6 * X)
    layers.append(tripled)
    for _ in range(3):
        assert_same(made(X), 18 * X)
    scale = np.full(3, 5.0)
    for _ in range(3):
        assert_same(made(X), 30 * X)
        scale += 0.0


def test_a_program_holds_no_array_of_the_calls_that_recorded_it() -> None:
    made = tn.compile(lambda x: x * np.ones(3))
    results = [weakref.ref(made(x)) for x in (X, X, X)]
    assert all(result() is None for result in results)


class Holder:
    def __init__(self) -> None:
        self.array = np.ones(3)


def test_an_array_that_cannot_be_seen_is_found() -> None:
    holder = Holder()
    made = tn.compile(lambda x: x * holder.array)
    assert_same(made(X), X)
    with pytest.warns(CompileWarning, match="takes an array from where tn.compile does not see it"):
        assert_same(made(X), X)
    holder.array = np.full(3, 2.0)
    assert_same(made(X), 2 * X)


def test_what_differs_at_each_call_is_found() -> None:
    made = tn.compile(lambda x: x * np.random.default_rng().normal(size=3))
    made(X)
    with pytest.warns(CompileWarning, match="differs at each call"):
        made(X)
    assert not np.array_equal(made(X), made(X))


def test_constants_are_those_of_their_use() -> None:
    def f(x: Array) -> Array:
        buffer = np.ones(3)
        y = x * buffer
        buffer[:] = 5
        return y + x * buffer

    assert_compiles(f, (X,), (X,), (2 * X,), (3 * X,))


def test_writes_around_a_function_are_done_at_each_call() -> None:
    log: list[float] = []
    state = {"w": np.zeros(3)}

    def appends(x: Array) -> Array:
        log.append(1.0)
        return x * 2

    def assigns(x: Array) -> Array:
        state["w"] = state["w"] + x
        return state["w"] * 1.0

    for f in (appends, assigns):
        made = tn.compile(f)
        with pytest.warns(CompileWarning, match="writes into a container"):
            made(X)
        made(X)
    assert len(log) == 2
    assert_same(np.asarray(state["w"]), 2 * X)
    total = 0

    def counts(x: Array) -> Array:
        nonlocal total
        total += 1
        return x * 2

    made = tn.compile(counts)
    with pytest.warns(CompileWarning, match="counts assigns to total of the function around it"):
        made(X)
    made(X)
    assert total == 2


class Meter:
    def __init__(self) -> None:
        self.entered = self.left = 0

    def __enter__(self) -> None:
        self.entered += 1

    def __exit__(self, *_: object) -> None:
        self.left += 1


def test_what_a_with_statement_writes_is_written_at_each_call() -> None:
    meter = Meter()

    def f(x: Array) -> Array:
        with meter:
            return x * 2

    made = tn.compile(f)
    with pytest.warns(CompileWarning, match="assigns to the attribute"):
        assert_same(made(X), X * 2)
    for _ in range(4):
        assert_same(made(X), X * 2)
    assert (meter.entered, meter.left) == (5, 5)


@pytest.mark.filterwarnings("ignore::tapenet.errors.CompileWarning")
@pytest.mark.parametrize("place", ["variable", "attribute", "beside a text"])
@pytest.mark.parametrize("value", [lambda x: 1.0, lambda x: x[0]])
def test_writes_into_arrays_around_a_function_are_done_at_each_call(place: str, value: Any) -> None:
    written = []
    for compiles in (False, True):
        array, holder = np.zeros(2), Holder()
        holder.array = array
        mixed = ["text", array]

        def f(x: Array, array: Array = array, holder: Holder = holder, mixed: Any = mixed) -> Array:
            own = array if place == "variable" else holder.array if place == "attribute" else mixed[1]
            own[0] = own[0] + value(x)
            return x * 2

        made: Any = tn.compile(f) if compiles else f
        for i in range(1, 5):
            assert_same(made(X * i), X * 2 * i)
        written.append(array)
    assert_same(written[1], written[0])


# ---- random numbers ----


def draws(x: Array, rng: np.random.Generator) -> Any:
    noise = rng.normal(size=3)
    places = rng.integers(0, 3, 2)
    y = tn.nn.dropout(x + noise, 0.5, rng)[places] * rng.random()
    if rng.random() < 0.5:
        y = y + rng.permutation(x)[:2]
    return y, rng.standard_normal()


def test_random_numbers_are_those_of_eager_code() -> None:
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    made = tn.compile(draws)
    for _ in range(30):
        assert_same(made(X, ours), draws(X, theirs))
        assert ours.bit_generator.state == theirs.bit_generator.state
    assert len(made.programs) == 2


def test_a_generator_given_twice_is_one_stream() -> None:
    def f(a: np.random.Generator, b: np.random.Generator) -> Any:
        return a.normal(), b.normal()

    made = tn.compile(f)
    one, same = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(3):
        assert_same(made(one, one), f(same, same))
        assert_same(made(one, np.random.default_rng(5)), f(same, np.random.default_rng(5)))


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda x, rng: x * RNG.normal(), "a generator that is drawn from must be an argument"),
        (lambda x, rng: x * np.random.normal(), "must be drawn from a numpy.random.Generator that is an argument"),  # noqa: NPY002
        (lambda x, rng: x * np.random.Generator(rng.bit_generator).normal(), "must be by its methods"),
        (lambda x, rng: rng.shuffle(x), "rng.shuffle must not be called"),
    ],
)
def test_draws_that_could_not_be_repeated_are_refused(f: Any, says: str) -> None:
    with pytest.raises(tn.ArgumentError, match=says):
        tn.compile(f)(X, np.random.default_rng(0))


# ---- in place ----


def written_at(x: Array) -> Array:
    x[0] = 1.0
    return x


def added(x: Array) -> Array:
    x += 1.0
    return x


@pytest.mark.parametrize("f", [written_at, added, lambda x: x.sort()])
def test_writes_into_arguments_are_refused(f: Any) -> None:
    x = X.copy()
    with pytest.raises(tn.ArgumentError, match="compile: an argument must not be written into"):
        tn.compile(f)(x)
    np.testing.assert_array_equal(x, X)


def test_writes_into_other_arrays_run_eagerly() -> None:
    def f(x: Array) -> Array:
        y = x * 2
        alias = y
        y += 1
        return alias

    with pytest.warns(CompileWarning, match=r"x \+= \.\.\. in place"):
        assert_same(tn.compile(f)(X), X * 2 + 1)


def test_results_are_the_callers() -> None:
    made = tn.compile(lambda x: (x, x.T, tnp.reshape(x, -1), tn.grad(lambda x: tnp.sum(x * x) / 2)(x), np.ones(2)))
    for _ in range(4):
        x = np.ones((2, 2))
        results = made(x)
        for result in results:
            result[...] = 7
        np.testing.assert_array_equal(x, 1)
        assert not any(np.may_share_memory(a, b) for a in results for b in results if a is not b)


# ---- where it runs eagerly, or inside something else ----


def test_tensors_go_through_it() -> None:
    made = tn.compile(lambda x: tnp.sum(x**3))
    for _ in range(3):
        assert_same(tn.grad(made)(X), 3 * X**2)
        assert_same(tn.hessian(made)(X), np.diag(6 * X))
        assert_same(tn.vmap(made)(np.stack([X, X])), np.array([np.sum(X**3)] * 2))
    assert made.programs == ()


def test_compiled_functions_inside_compiled_functions_are_part_of_them() -> None:
    weight = np.ones(3)
    inner = tn.compile(lambda x: x * weight)
    outer = tn.compile(lambda x: inner(x) + inner(2 * x))
    for factor in (1.0, 2.0, 3.0):
        weight[:] = factor
        assert_same(outer(X), 3 * X * factor)
    assert inner.programs == ()


def test_checks_watch_the_eager_function() -> None:
    made = tn.compile(tn.grad(lambda x: tnp.sqrt(x)))
    for _ in range(3):
        with np.errstate(divide="ignore"):
            assert made(0.0 * X[0]) == np.inf
    with pytest.raises(tn.NumericalError), tn.checks():
        made(0.0 * X[0])


def test_a_debugger_sees_the_eager_function() -> None:
    class Stepping:
        __module__ = "pdb"

        def __call__(self, *event: Any) -> None:
            return None

    made = tn.compile(lambda x: x * 2)
    before = sys.gettrace()
    sys.settrace(Stepping())
    try:
        made(X)
    finally:
        sys.settrace(before)
    assert made.programs == ()


def test_fullgraph_raises_where_it_would_run_eagerly() -> None:
    made = tn.compile(lambda x: np.linalg.lapack_lite if x is None else [].append(1) or {1, 2}, fullgraph=True)
    with pytest.raises(tn.ArgumentError, match="runs eagerly for arguments of this signature: result is of class set"):
        made(X)


def test_errors_of_the_function_are_its_own_and_leave_nothing_behind() -> None:
    def f(x: Array) -> Array:
        if tnp.sum(x) < 0:
            raise ZeroDivisionError("my own")
        return x * 2

    made = tn.compile(f)
    with pytest.raises(ZeroDivisionError, match="my own"):
        made(-np.abs(X))
    for _ in range(3):
        assert_same(made(np.abs(X)), 2 * np.abs(X))
    with pytest.raises(ZeroDivisionError, match="my own"):
        made(-np.abs(X))
    assert len(made.programs) == 1


def test_errors_inside_a_program_name_the_line() -> None:
    made = tn.compile(lambda x: tnp.linalg.inv(x) * 2)
    for _ in range(3):
        made(np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"^Singular matrix") as caught:
        made(np.zeros((2, 2)))
    assert "test_functions.py" in caught.value.__notes__[0]
    assert caught.value.__notes__[0].endswith(": inv.")


def test_threads_share_it() -> None:
    made = tn.compile(lambda x: tnp.sum(tnp.sin(x) ** 2))
    failed: list[Any] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=50)
        for _ in range(20):
            if abs(made(x) - np.sum(np.sin(x) ** 2)) > 1e-12:
                failed.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


# ---- looking at programs ----


def test_lower_and_cost_show_what_runs() -> None:
    made: Any = tn.compile(tn.value_and_grad(lambda x: tnp.sum(x @ x)))
    program = made.lower(np.ones((3, 3)))
    assert "matmul(v0, v0)" in str(program)
    assert str(program).startswith("program(v0: float64[3, 3] = x)")
    cost = made.cost(np.ones((3, 3)))
    assert cost.flops >= 3 * 54
    assert cost.bytes > 0
    assert cost.seconds > 0
    assert repr(made).startswith("<compiled function <lambda>, 1 program")
    failing: Any = tn.compile(lambda x: {1})
    with pytest.warns(CompileWarning), pytest.raises(tn.ArgumentError, match="lower: the function must be one"):
        failing.lower(X)


def test_lowering_draws_nothing() -> None:
    made: Any = tn.compile(lambda rng: rng.normal(size=3))
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    made.lower(rng)
    assert rng.bit_generator.state == state


def test_a_training_step_with_its_optimizer_compiles() -> None:
    rng = np.random.default_rng(0)
    params = [
        rng.normal(size=(4, 6)).astype(np.float32),
        np.zeros(6, np.float32),
        rng.normal(size=(6, 3)).astype(np.float32),
    ]
    optimizer = tn.optim.adam(tn.optim.cosine_decay(0.1, 20))

    def loss(params: Any, x: Array, labels: Array) -> Array:
        return tn.nn.cross_entropy(tn.nn.relu(x @ params[0] + params[1]) @ params[2], labels)

    def step(params: Any, state: Any, x: Array, labels: Array) -> Any:
        value, gradients = tn.value_and_grad(loss)(params, x, labels)
        return *optimizer.update(gradients, state, params), value

    made: Any = tn.compile(step)
    ours = theirs = params
    state = other = optimizer.init(params)
    for _ in range(10):
        x, labels = rng.normal(size=(5, 4)).astype(np.float32), rng.integers(0, 3, 5)
        ours, state, value = made(ours, state, x, labels)
        theirs, other, expected = step(theirs, other, x, labels)
        assert_same((ours, value), (theirs, expected), scale=2**6)
    assert state.step == 10
    assert len(made.programs) == 2


compiled_by_name = tn.compile(tn.grad(uses_global), fullgraph=True)


def test_compiled_functions_are_pickled_without_their_programs() -> None:
    assert_same(compiled_by_name(X), tn.grad(uses_global)(X))
    again = pickle.loads(pickle.dumps(compiled_by_name))
    assert again.programs == ()
    assert_same(again(X), tn.grad(uses_global)(X))
    assert copy.deepcopy(compiled_by_name)(X).shape == X.shape


def test_partial_functions_compile() -> None:
    bound = functools.partial(lambda a, x: a * x, np.full(3, 2.0))
    made = assert_compiles(bound, (X,), (2 * X,))
    bound.args[0][:] = 5
    assert_same(made(X), 5 * X)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"f": 3}, "f must be a function"),
        ({"backend": "c"}, "backend must be"),
        ({"fullgraph": 1}, "fullgraph must be True or False"),
        ({"static_argnames": 3}, "static_argnames must be"),
        ({"donate_argnums": "a"}, "donate_argnums must be"),
    ],
)
def test_bad_arguments_are_named(arguments: Any, says: str) -> None:
    with pytest.raises((tn.ArgumentError, tn.ArgumentTypeError), match=says):
        tn.compile(**({"f": lambda x: x} | arguments))


# ---- arrays in static fields ----


@attrs.frozen(eq=False)
class Scaled:
    weight: Array
    factor: Any = tn.static_field()


def updated(model: Any, x: Array) -> Any:
    return model.train(x, np.random.default_rng(0))[1]


def batches_of_rows(count: int) -> list[Array]:
    return [np.random.default_rng(i).normal(i, 1.0 + i, size=(4, 3)) for i in range(count)]


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_running_statistics_of_results_are_those_of_each_call(backend: str) -> None:
    made = tn.compile(once(updated, 2), backend=backend)
    model = tn.nn.BatchNorm(3, dtype=np.float64)
    for x in batches_of_rows(4):
        running = made(model, x).running
        np.testing.assert_allclose(running.mean, 0.1 * x.mean(0), rtol=1e-12)
        np.testing.assert_allclose(running.var, 0.9 + 0.1 * x.var(0), rtol=1e-12)
    assert len(made.programs) == 1


def test_running_statistics_move_on_from_those_of_the_argument() -> None:
    made, model = tn.compile(updated), tn.nn.BatchNorm(3)
    expected = model
    for x in batches_of_rows(5):
        model, expected = made(model, x), updated(expected, x)
        np.testing.assert_allclose(model.running.mean, expected.running.mean, rtol=1e-6)
        np.testing.assert_allclose(model.running.var, expected.running.var, rtol=1e-6)


def test_inference_reads_the_running_statistics_of_the_argument() -> None:
    made = tn.compile(once(lambda model, x: model(x), 2))
    model = tn.nn.BatchNorm(3)
    for x in batches_of_rows(5):
        model = updated(model, x)
        np.testing.assert_allclose(made(model, x), model(x), rtol=1e-6)


def test_a_compiled_gradient_returns_the_updated_model_beside_the_loss() -> None:
    def loss(model: Any, x: Array) -> Any:
        y, model = model.train(x, np.random.default_rng(0))
        return tnp.sum(y**3), model

    made, plain = (f(tn.value_and_grad(loss, has_aux=True)) for f in (tn.compile, lambda f: f))
    model = tn.nn.BatchNorm(3)
    for x in batches_of_rows(4):
        (value, model), gradient = made(expected := model, x)
        (right, expected), slope = plain(expected, x)
        np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gradient.offset, slope.offset, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(model.running.mean, expected.running.mean, rtol=1e-6)
        assert not np.shares_memory(model.running.mean, gradient.running.mean)


def test_running_statistics_around_a_function_are_read_at_each_call() -> None:
    model = tn.nn.BatchNorm(3)

    def f(x: Array) -> Any:
        return updated(model, x)

    made = tn.compile(f)
    for x in batches_of_rows(4):
        np.testing.assert_allclose(made(x).running.mean, f(x).running.mean, rtol=1e-6)
        model = f(x)


def test_arrays_in_static_fields_may_differ() -> None:
    made = tn.compile(once(lambda x: x.weight * x.factor, 2))
    for factor in (X, X + 1, X * 2):
        assert_same(made(Scaled(X, factor)), X * factor)
    assert len(made.programs) == 1
    numbers = tn.compile(lambda x: x.weight * x.factor)
    for number in (np.float64(2.0), np.float64(3.0), np.float64(2.0)):
        assert_same(numbers(Scaled(X, number)), X * number)


def test_static_fields_that_cannot_be_compared_run_eagerly() -> None:
    made = tn.compile(lambda x: x.weight * float(x.factor[0]))
    assert_same(made(Scaled(X, np.array(["1", "2"]))), X)
    with pytest.warns(CompileWarning, match="must be hashable, and comparable by =="):
        assert_same(made(Scaled(X, np.array(["3", "4"]))), X * 3)
    assert_same(made(Scaled(X, np.array(["5", "4"]))), X * 5)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tnp.nonzero(x > 0)[0].size * x,
        lambda x: len(tnp.where(x > 0)[0]) * x,
        lambda x: tnp.unique(x, return_counts=True)[1].size * x,
        lambda x: x[x > 0].size * x,
        lambda x: len(tnp.argwhere(x > 0)) * x,
    ],
)
def test_numbers_of_elements_found_from_values_are_checked(f: Any) -> None:
    assert_compiles(f, (X,), (X,), (-X,), (np.abs(X),), (X,))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (2, 3)])
def test_masks_of_empty_arrays_are_masks(shape: tuple[int, ...]) -> None:
    assert_compiles(lambda x: x[x > 0], (np.ones(shape),), (np.ones(shape),))


def by_kind(x: Array, n: Any) -> Array:
    number = n[0] if isinstance(n, tuple) else n
    return x * 3 if type(number) is bool else x * np.copysign(2, number) if type(number) is int else x / number


@attrs.frozen
class WithStaticNumber:
    w: Any
    n: Any = tn.static_field()


@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: (n, "a")])
def test_static_values_that_are_equal_and_not_alike_are_told_apart(wrap: Any) -> None:
    given: Any = tn.compile(by_kind, static_argnames="n")
    field: Any = tn.compile(lambda model: by_kind(model.w, model.n))
    with np.errstate(divide="ignore"):
        for n in (1, 1.0, True, 0, 0.0, -0.0, False, 1):
            for _ in range(2):
                assert_same(given(X, wrap(n)), by_kind(X, wrap(n)))
                assert_same(given(X, n=wrap(n)), by_kind(X, wrap(n)))
                assert_same(field(WithStaticNumber(X, wrap(n))), by_kind(X, wrap(n)))


def test_containers_inside_others_around_a_function_are_watched() -> None:
    options: Any = {"a": {"rate": 2.0}, "b": [1, [3.0]], "c": ({"d": 5.0},)}

    def f(x: Array, defaults: Any = ({"e": 7.0},)) -> Array:
        return x * options["a"]["rate"] * options["b"][1][0] * options["c"][0]["d"] * defaults[0]["e"]

    made = tn.compile(f)
    changes = [(options["a"], "rate"), (options["b"][1], 0), (options["c"][0], "d"), (f.__defaults__[0][0], "e")]  # type: ignore[index]
    for container, key in changes:
        for _ in range(3):
            assert_same(made(X), f(X))
        container[key] = 11.0
        assert_same(made(X), f(X))


class Settings:
    shared = 2.0

    def __init__(self) -> None:
        self.scale = 3.0
        self.is_on = True
        self.rates = {"a": [5.0]}
        self.count = 0
        self.rng = np.random.default_rng(0)

    @property
    def rate(self) -> float:
        return self.rates["a"][0]

    def scaled(self, x: Array) -> Array:
        return x * self.scale if self.is_on else x * SCALE

    def __call__(self, x: Array) -> Array:
        return self.scaled(x) * self.shared * self.rate

    def counted(self, x: Array) -> Array:
        self.count += 1
        return x

    def noisy(self, x: Array) -> Array:
        return x * self.rng.random()


SCALE = 7.0


def test_numbers_in_objects_around_a_function_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    holder = [settings]
    changes: list[Any] = [
        lambda: setattr(settings, "scale", 11.0),
        lambda: setattr(settings, "is_on", False),
        lambda: monkeypatch.setattr(sys.modules[__name__], "SCALE", 13.0),
        lambda: monkeypatch.setattr(sys.modules[__name__], "SCALE", 17.0),
        lambda: settings.rates["a"].__setitem__(0, 19.0),
        lambda: setattr(settings, "rates", {"a": [23.0]}),
        lambda: monkeypatch.setattr(Settings, "shared", 29.0),
    ]
    functions: list[Any] = [settings, settings.__call__, lambda x: settings(x), lambda x: holder[0](x)]
    functions += [lambda x, given=settings: given.scaled(x) * given.rate * given.shared]
    made: list[Any] = [tn.compile(f, fullgraph=True) for f in functions]
    for change in (lambda: None, *changes):
        change()
        for f, own in zip(functions, made, strict=True):
            for _ in range(3):
                assert_same(own(X), f(X))


def test_methods_of_objects_around_a_function_that_write_or_draw_are_found() -> None:
    settings = Settings()
    compiled_quietly(lambda x: settings.counted(x), *[(X,)] * 4)
    assert settings.count == 4
    with pytest.raises(tn.errors.ArgumentError, match="a generator that is drawn from must be an argument"):
        tn.compile(lambda x: settings.noisy(x))(X)


@pytest.mark.parametrize(
    ("f", "dtype"),
    [
        *itertools.product(
            (tnp.tril, tnp.triu, tnp.nanmean, tnp.nanvar, tnp.nanstd, tnp.i0), (bool, np.int8, np.uint8)
        ),
        *itertools.product((tnp.gradient,), (np.int8, np.uint8, np.int64)),
    ],
)
def test_integers_and_masks_have_the_dtypes_of_numpys_functions(f: Any, dtype: Any) -> None:
    x = np.array([[1, 0, 3], [2, 5, 0]]).astype(dtype)
    assert_compiles(f, (x,), (x,), (x[::-1],), types=False)


# ---- pullbacks and pushforwards that were made before ----


def _maps(w: Array) -> tuple[Any, Any, Any]:
    """Functions that walk through a recording of a nonlinear function at w, from around them."""
    matrix = np.arange(12.0).reshape(4, 3) / 12

    def f(w: Array) -> Array:
        return tnp.tanh(matrix @ w)

    pull, push = tn.vjp(f, w)[1], tn.linearize(f, w)[1]
    return lambda u: pull(u[:4])[0], lambda u: push(u[:3]), lambda u: tn.grad(lambda u: tnp.sum(pull(u[:4])[0] ** 2))(u)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_walk_through_a_recording_made_before_is_the_same(backend: Any, place: int) -> None:
    u = np.array([0.5, -1.0, 2.0, 0.25])
    f = _maps(np.array([0.1, -0.4, 0.3]))[place]
    made = assert_compiles(f, (u,), (u,), (2 * u,), backend=backend)
    assert np.abs(made(u)).max() > 0.01


def test_a_pullback_that_is_replaced_is_seen() -> None:
    u, kept = np.array([0.5, -1.0, 2.0, 0.25]), {"f": _maps(np.zeros(3))[0]}
    made = assert_compiles(lambda u: kept["f"](u), (u,))
    kept["f"] = _maps(np.ones(3))[0]
    assert_same(made(u), kept["f"](u))


def test_arrays_of_a_recording_are_read_at_each_call() -> None:
    matrix, w = np.arange(12.0).reshape(4, 3) / 12, np.array([0.1, -0.4, 0.3])
    pull = tn.vjp(lambda w: matrix @ w, w)[1]
    made = assert_compiles(lambda u: (pull(u)[0], pull(u)), (np.ones(4),), (np.arange(4.0),))
    matrix *= 2
    assert_same(made(np.ones(4))[0], matrix.sum(axis=0))
    made(np.ones(4))[0][:] = 0  # the caller's own
    assert_same(made(np.ones(4))[0], matrix.sum(axis=0))
    squares = tn.vjp(lambda w: w * matrix[0], w)[1]
    whole = tn.compile(lambda u: squares(u)[0])
    whole(np.ones(3))[:] = 0
    assert_same(whole(np.ones(3)), matrix[0])


def test_a_loop_walks_through_a_recording_made_before() -> None:
    matrix, w = np.arange(12.0).reshape(4, 3) / 12, np.array([0.1, -0.4, 0.3])
    push, pull = tn.linearize(lambda w: tnp.tanh(matrix @ w), w)[1], tn.vjp(lambda w: tnp.tanh(matrix @ w), w)[1]

    def step(v: Array, x: Array) -> tuple[Array, Array]:
        return v - x * pull(push(v))[0], tnp.sum(v)

    def by_hand(v: Array) -> Array:
        for x in np.ones(3) / 4:
            v, _ = step(v, x)
        return v

    def scanned(v: Array) -> Array:
        return tn.scan(step, v, np.ones(3) / 4)[0]

    assert_same(scanned(w), by_hand(w))
    assert_same(tn.jacobian(scanned)(w), tn.jacobian(by_hand)(w), scale=4)
    assert_compiles(tn.grad(lambda v: tnp.sum(scanned(v) ** 2)), (w,), (2 * w,), scale=4)


def test_a_pullback_of_an_open_tape_keeps_its_derivative() -> None:
    u, w = np.array([0.5, -1.0, 2.0, 0.25]), np.array([0.1, -0.4, 0.3])

    def through(compiled: bool) -> Any:
        def f(w: Array) -> Array:
            pull = _maps(w)[0]
            return tnp.sum((tn.compile(pull) if compiled else pull)(u) ** 2)

        return f

    assert_same(tn.grad(through(True))(w), tn.grad(through(False))(w))
    assert_compiles(tn.grad(through(True)), (w,), (2 * w,))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_, np.float32, np.complex64])
def test_squares_have_the_dtype_that_the_exponent_gives(dtype: Any) -> None:
    x = np.array([1, 0, 1]).astype(dtype)
    for power in (2.0, 2, 1.0, -0.0):
        expected = x**power
        for found in (tn.compile(lambda x, power=power: x**power)(x), tn.vmap(lambda x, power=power: x**power)(x)):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
