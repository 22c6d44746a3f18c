"""pickle, copy and joblib: public names, transforms, models, optimizers, tapes; here and in another process."""

from __future__ import annotations

import concurrent.futures
import copy
import functools
import importlib
import inspect
import multiprocessing
import pickle
import subprocess
import sys
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tests.comparing import assert_same
from tests.samples import SAMPLES
from tests.test_arguments import CASES
from tests.test_surface import MODULES

X = np.array([1.0, -2.0, 3.0])
OPTIONS = {"rng": lambda: np.random.default_rng(0)}  # of which a case's own is used by others


def cube(x: Any) -> Any:
    return x**3


def total(x: Any, power: float = 3) -> Any:
    return tnp.sum(x**power)


def with_aux(x: Any) -> Any:
    return tnp.sum(x**2), x


@tn.grad
def decorated(x: Any) -> Any:
    return tnp.sum(x**3)


@tn.hvp
def decorated_too(x: Any) -> Any:
    return tnp.sum(x**3)


def half_forward(x: Any) -> Any:
    return x**2, x


def half_backward(x: Any, t: Any) -> Any:
    return (x * t,)


def half_rule(primals: Any, tangents: Any) -> Any:
    return primals[0] ** 2, primals[0] * tangents[0]


def sum_backward(x: Any, t: Any) -> Any:
    return (t * x,)


def sum_forward(x: Any) -> Any:
    return total(x), x


def doubled_forward(x: Any, y: Any) -> Any:
    return 2 * x * y


def rooted_forward(x: Any) -> Any:
    return np.sqrt(x), 0.5 / np.sqrt(x)


doubled = tn.primitive(doubled_forward, lambda t, y: 2 * t * y, lambda t, x: 2 * t * x)
rooted = tn.primitive(
    rooted_forward, lambda t, residual: t * residual, family="general", residual=True, name="root of x"
)


@functools.partial(tn.custom_jvp, rule=half_rule)
def half_decorated(x: Any) -> Any:
    return x**2 / 2


half = tn.custom_vjp(cube, half_forward, half_backward)
half_both = tn.custom_jvp(cube, half_rule)


class Holder:
    @tn.grad
    def gradient(self: Any) -> Any:
        return self**2


TRANSFORMED = {
    "grad": tn.grad(total),
    "grad of grad": tn.elementwise_grad(tn.elementwise_grad(cube)),
    "by name": tn.grad(total, "power"),
    "with aux": tn.value_and_grad(with_aux, has_aux=True),
    "jacobian": tn.jacobian(cube, chunk_size=2),
    "jacfwd": tn.jacfwd(cube),
    "hessian": tn.hessian(total),
    "vmap": tn.vmap(total, in_axes=0),
    "vmap of grad": tn.vmap(tn.elementwise_grad(cube)),
    "checkpoint": tn.checkpoint(cube),
    "a partial": tn.grad(functools.partial(total, power=2)),
    "a decorated function": decorated,
    "custom_vjp": tn.grad(tn.checkpoint(tn.custom_vjp(total, sum_forward, sum_backward))),
    "of a public function": tn.elementwise_grad(tnp.sin),
    "of a layer": tn.vmap(tn.nn.Flatten()),
}


def there_and_back(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


# ---- public names ----

NAMES = [
    (module, name)
    for module in MODULES
    for name in importlib.import_module(module).__all__
    if not isinstance(getattr(importlib.import_module(module), name), ModuleType)
]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_public_name_is_pickled_by_reference_or_is_equal(module: str, name: str) -> None:
    value = getattr(importlib.import_module(module), name)
    for other in (there_and_back(value), copy.copy(value), copy.deepcopy(value)):
        assert other is value or type(other) is type(value)
        if callable(value) and (inspect.isfunction(value) or isinstance(value, type | np.ufunc)):
            assert other is value


# ---- transforms ----


@pytest.mark.parametrize("name", TRANSFORMED)
def test_what_a_transform_returns_is_pickled(name: str) -> None:
    function = TRANSFORMED[name]
    given = X.reshape(3, 1, 1) if name == "of a layer" else X if "by name" != name else (X[0], 2.0)
    arguments = given if isinstance(given, tuple) else (given,)
    again = there_and_back(function)
    if name != "a partial":  # which equals itself alone
        assert again == function
        assert hash(again) == hash(function)
    assert copy.deepcopy(function) is function
    for x, y in zip(tn.tree.leaves(again(*arguments)), tn.tree.leaves(function(*arguments)), strict=True):
        assert_same(x, y)


def test_a_decorated_function_is_pickled_by_its_name() -> None:
    assert there_and_back(decorated) is decorated
    assert there_and_back(decorated_too) is decorated_too
    assert there_and_back(half) == half
    np.testing.assert_array_equal(tn.grad(there_and_back(half_both))(3.0), 3.0)
    assert tn.grad(total) != tn.grad(total, 1)


def test_what_a_transform_returns_looks_like_the_function() -> None:
    gradient = TRANSFORMED["grad"]
    assert inspect.signature(gradient) == inspect.signature(total)
    assert gradient.__name__ == "total"
    assert repr(gradient) == "<grad of total>"
    assert functools.wraps(gradient)(lambda: None).__name__ == "total"
    assert str(inspect.signature(tn.hvp(total))) == "(*args: 'Any', **kwargs: 'Any') -> 'Any'"
    assert inspect.signature(tn.grad(functools.partial(total, power=2))).parameters["power"].default == 2


def test_a_method_can_be_transformed() -> None:
    class Number(float):
        @tn.elementwise_grad
        def gradient(x: Any) -> Any:
            return x**2

        @functools.partial(tn.grad, argnums=1)
        def by_second(self, x: Any) -> Any:
            return self * x

    assert Number(3.0).by_second(2.0) == 3.0
    assert Holder.gradient(3.0) == 6.0


def test_a_function_that_cannot_be_pickled_is_pickles_error() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(tn.grad(lambda x: x))


# ---- models, optimizers, states ----


@attrs.frozen(eq=False)
class Own(tn.nn.Stateless):
    kernel: Any
    activation: Any = tnp.tanh
    slope: Any = tn.elementwise_grad(cube)

    def __call__(self, x: Any) -> Any:
        return self.slope(self.activation(x @ self.kernel))


def own() -> Own:
    return Own(np.ones((3, 2)))


@pytest.mark.parametrize("copied", [there_and_back, copy.deepcopy, copy.copy])
def test_models_of_functions_and_layers(copied: Any, rng: np.random.Generator) -> None:
    model = tn.nn.Sequential(own(), tn.nn.relu, tn.nn.BatchNorm(2), np.tanh, tn.nn.Dropout(0.5))
    _, model = model.train(rng.normal(size=(4, 3)), rng)
    again = copied(model)
    x = rng.normal(size=(5, 3))
    assert_same(again(x), model(x))
    optimizer = tn.optim.chain(tn.optim.clip_by_global_norm(1.0), tn.optim.adam(tn.optim.warmup(0.1, 3)))
    state = optimizer.init(model)
    other, *_ = optimizer.update(copied(model), copied(state), copied(model))
    one, *_ = copied(optimizer).update(model, state, model)
    assert tn.tree.allclose(one, other)


@pytest.mark.parametrize("make", [tn.models.LeNet, tn.models.VGG16])
def test_models_of_the_library(make: Any) -> None:
    options = {"image_size": 32, "width": 2} if make is tn.models.VGG16 else {}
    model = make(rng=np.random.default_rng(0), **options)
    again = there_and_back(model)
    assert tn.tree.allclose(again, model, rtol=0, atol=0)


def made() -> dict[str, Any]:
    """What the functions and classes for training return that is not an array, as the tests of arguments call them."""
    modules = (tn.nn, tn.optim, tn.models, tn.training, tn.data)
    found = {
        f"{case.name}-{number}": case.call(**{n: OPTIONS[n]() if n in OPTIONS else x for n, x in case.valid.items()})
        for number, case in enumerate(CASES)
        if case.valid and any(case.name.split(".")[0] in module.__all__ for module in modules)
    }
    return {name: value for name, value in found.items() if not isinstance(value, np.ndarray | np.generic | float)}


@pytest.fixture(scope="module")
def trained_with() -> dict[str, Any]:
    return made()


def test_what_is_made_for_training_is_pickled_and_copied(trained_with: dict[str, Any]) -> None:
    assert len(trained_with) > 90
    for name, value in trained_with.items():
        for again in (there_and_back(value), copy.deepcopy(value), copy.copy(value)):
            assert type(again) is type(value), name
            assert repr(again) == repr(value) or " at 0x" in repr(value), name


def test_what_ravels_and_unravels_is_pickled() -> None:
    vector, unravel = tn.tree.ravel({"layer": own(), "b": np.float32(2.0)})
    again = there_and_back(unravel)(vector)
    assert tn.tree.allclose(again, {"layer": own(), "b": 2.0}, rtol=0, atol=0)
    assert type(again["b"]) is np.float32


# ---- tapes ----


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"part"}))  # that of a user's operation
@given(data=st.data())
def test_a_closed_tape_of_every_primitive_is_the_same_program(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    arrays = tuple(np.asarray(x) for x in sample.arrays)
    with tn.GradientTape() as tape:
        y = sample.function(*tape.watch(arrays))
    again = there_and_back(tape)
    assert str(again) == str(tape)
    assert again.to_dot() == tape.to_dot()
    last = tape.records[-1].shape
    if last is not None and np.shape(y) == last:
        assert_same(again.replay(arrays), tape.replay(arrays))


def test_a_tape_that_was_pickled_is_replayed_and_differentiated_through() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch({"a": X, "layer": own()})
        if x["a"][0] > 0 and tnp.argmax(x["a"]) == 2:
            tnp.sum(x["layer"](x["a"]) ** 2)
    again = there_and_back(tape)
    inputs = {"a": X + 1, "layer": own()}
    assert again.replay(inputs) == tape.replay(inputs)
    gradient, other = (tn.grad(t.replay)(inputs) for t in (tape, again))
    assert tn.tree.allclose(gradient, other, rtol=0, atol=0)
    with pytest.raises(tn.ReplayError):
        again.replay({"a": -X, "layer": own()})
    assert again.profile(inputs).operations
    assert not again.is_open


def test_reads_that_do_not_travel_leave_a_tape_that_is_not_replayed() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones(2000))
        y = tnp.sum(x * (x > 0))
    again = there_and_back(tape)
    assert str(again) == str(tape)
    assert tape.replay(np.ones(2000), y) == 2000
    with pytest.raises(tn.errors.TapeStateError, match="whose reads could not be pickled"):
        again.replay(np.ones(2000))


USERS = {
    "primitive": lambda x: doubled(x, x + 1),
    "primitive with a residual": rooted,
    "custom_vjp": half,
    "custom_jvp": half_both,
    "decorator": half_decorated,
}


@pytest.mark.parametrize("name", sorted(USERS))
def test_a_tape_holds_users_operations_that_have_a_name(name: str) -> None:
    x = np.array([1.0, 2.0])
    with tn.GradientTape() as tape:
        y = USERS[name](tape.watch(x))
        with tn.GradientTape() as inner:  # what is recorded further out
            tnp.sum(USERS[name](inner.watch(y)))
    again = there_and_back(tape)
    assert str(again) == str(tape)
    assert_same(again.replay(3 * x), tape.replay(3 * x))
    gradient, other = (tn.grad(lambda x, tape=tape: tnp.sum(tape.replay(x)))(x) for tape in (tape, again))
    assert_same(other, gradient)


def branching(x: Any) -> Any:
    return tnp.sin(x) * x if x[0] > 0 else x


# Of functions that do not travel: their operations do.
REGIONS = {
    "scan": lambda a: tn.scan(lambda c, x: (tnp.tanh(c) * x + a, c), a, np.linspace(0, 1, 12).reshape(4, 3))[0],
    "scan of trees": lambda a: tn.scan(lambda c, x: (c * x + a, {"u": c * 2, "v": (c,)}), a, np.ones(4), reverse=True)[
        1
    ]["u"],
    "scan with checkpoints": lambda a: tn.scan(lambda c, x: (tnp.sin(c) + a, None), a, length=9, checkpoint=True)[0],
    "checkpoint": lambda a: tn.checkpoint(lambda z: tnp.sin(z) * z * np.arange(3.0))(a),
    "checkpoint that branches": lambda a: tn.checkpoint(branching)(a),
    "checkpoint with a mask": lambda a: tn.checkpoint(lambda z: tn.nn.dropout(z, 0.5, np.random.default_rng(0)))(a),
    "scan in a checkpoint": lambda a: tn.checkpoint(
        lambda z: tn.scan(lambda c, x: (tnp.sin(c) * z, None), z, length=3)
    )(a)[0],
}


@pytest.mark.parametrize("name", sorted(REGIONS))
def test_a_tape_of_loops_and_checkpoints_travels(name: str) -> None:
    with tn.GradientTape() as tape:
        tnp.sum(REGIONS[name](tape.watch(np.ones(3))))
    again = there_and_back(tape)
    assert str(again) == str(tape)
    x = np.array([0.5, 0.2, -0.3])
    for walk in (
        lambda f: f(x),
        lambda f: tn.grad(f)(x),
        lambda f: tn.jvp(f, (x,), (x,))[1],
        lambda f: tn.hessian(f)(x),
    ):
        assert_same(walk(again.replay), walk(tape.replay))


SCIPYS = {
    "special": lambda s, a: s.special.ndtr(a) + s.special.psi(a) * s.special.jv(1.0, a),
    "stats": lambda s, a: s.stats.norm.cdf(a) + s.stats.gamma.logpdf(a, 2.0),
    "linalg": lambda s, a: s.linalg.expm(tnp.diag(a)) @ s.linalg.sqrtm(tnp.diag(a + 1.0)),
    "ndimage": lambda s, a: s.ndimage.gaussian_filter(a, 1.0),
    "signal": lambda s, a: s.signal.lfilter([1.0, 0.5], [1.0, -0.2], a),
    "sparse": lambda s, a: s.sparse.csr_array(np.eye(3)) @ a,
}


@pytest.mark.parametrize("name", sorted(SCIPYS))
def test_a_tape_of_scipys_functions_travels(name: str) -> None:
    scipy = pytest.importorskip("tapenet.scipy")
    x = np.array([0.5, 1.5, 2.5])
    with tn.GradientTape() as tape:
        tnp.sum(SCIPYS[name](scipy, tape.watch(x)))
    again = there_and_back(tape)
    assert str(again) == str(tape)
    for walk in (lambda f: f(x + 1), lambda f: tn.grad(f)(x + 1)):
        assert_same(walk(again.replay), walk(tape.replay))


def test_what_of_loops_and_checkpoints_does_not_travel_is_named() -> None:
    with tn.GradientTape() as tape:
        tn.checkpointed_loop(lambda carry, i: tnp.sin(carry), tape.watch(np.ones(3)), 5)
    with pytest.raises(tn.errors.PicklingError, match=r"no checkpointed_loop; got one, .* Write tn\.scan\("):
        pickle.dumps(tape)
    with tn.GradientTape() as tape:
        tn.checkpoint(lambda x: x * (x > 0).any() * np.sum(np.asarray(x > 0)))(tape.watch(np.ones(2000)))
    with pytest.raises(tn.errors.PicklingError, match="greater must have read few numbers; got a read of a long array"):
        pickle.dumps(tape)
    with tn.GradientTape() as tape:
        tn.while_loop(lambda c: c < 9, lambda c: c * 2, tape.watch(1.0))  # whose number of steps is such a read
    again = there_and_back(tape)
    assert str(again) == str(tape)
    with pytest.raises(tn.errors.TapeStateError, match="whose reads could not be pickled"):
        again.replay(1.0)


def test_operations_of_functions_are_named_in_the_error() -> None:
    operation = tn.primitive(lambda x: 2 * x, lambda t: 2 * t, name="doubled", family="linear")
    with tn.GradientTape() as tape:
        operation(tape.watch(1.0))
    with pytest.raises(tn.errors.PicklingError, match="pickle: doubled must be an operation of tapenet's own"):
        pickle.dumps(tape)
    with pytest.raises(tn.errors.PicklingError, match=r"a tape must be closed; got one that is not entered"):
        pickle.dumps(tn.GradientTape())


# ---- other processes ----


def evaluated(function: Any, x: Any) -> Any:
    return function(x)


def replayed(tape: Any, x: Any) -> Any:
    return tape.replay(x)


def shown(values: list[Any]) -> list[str]:
    return [repr(value) for value in values]


def test_what_is_pickled_works_in_a_spawned_process() -> None:
    model = tn.nn.Sequential(own(), tn.nn.relu, tn.nn.LayerNorm(2, dtype=np.float64))
    with tn.GradientTape() as tape:
        tn.nn.softmax(tn.nn.conv(tape.watch(np.ones((1, 3, 3, 1))), np.ones((2, 2, 1, 2))))
    with tn.GradientTape() as users:
        half(doubled(users.watch(X), X))
    with tn.GradientTape() as regions:
        REGIONS["scan in a checkpoint"](regions.watch(X))
    spawn = multiprocessing.get_context("spawn")
    others = [value for value in made().values() if " at 0x" not in repr(value)]
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        texts = pool.submit(shown, others)
        jobs = [pool.submit(evaluated, function, X) for function in (TRANSFORMED["grad"], decorated, tnp.sin)]
        jobs += [pool.submit(evaluated, model, X[None]), pool.submit(replayed, tape, np.ones((1, 3, 3, 1)))]
        jobs += [pool.submit(replayed, users, 2 * X), pool.submit(replayed, regions, X)]
        found = [job.result() for job in jobs]
        assert texts.result() == shown(others)
    expected = [3 * X**2, 3 * X**2, np.sin(X), model(X[None]), tape.replay(np.ones((1, 3, 3, 1)))]
    expected += [(4 * X**2) ** 2, regions.replay(X)]
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-15)


def test_a_fresh_process_needs_no_import_of_its_own() -> None:
    with tn.GradientTape() as tape:
        tn.nn.conv(tape.watch(np.ones((1, 3, 3, 1))), np.ones((2, 2, 1, 2)))
    text = pickle.dumps((tape, tn.nn.Dense(2, 3, rng=np.random.default_rng(0)), tn.optim.adam()))
    code = f"import pickle; tape, *_ = pickle.loads({text!r}); print(len(tape.records))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(tape.records)


def test_joblib_keeps_models(tmp_path: Any, rng: np.random.Generator) -> None:
    joblib = pytest.importorskip("joblib")
    model = tn.nn.Sequential(tn.nn.Dense(3, 2, rng=rng, dtype=np.float64), tn.nn.relu)
    joblib.dump(model, tmp_path / "model")
    assert_same(joblib.load(tmp_path / "model")(X), model(X))
    assert joblib.hash(model) == joblib.hash(there_and_back(model))
