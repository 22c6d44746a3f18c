"""Updates in compiled functions are those of eager code, to the last bit, whatever they decide by values."""

from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet import optim

OPTIMIZERS = {
    "adam": optim.adam(optim.cosine_decay(0.1, 9)),
    "lamb": optim.lamb(0.1),
    "adafactor": optim.adafactor(0.1),
    "clipped": optim.chain(optim.skip_nonfinite(), optim.clip_by_global_norm(0.5), optim.adamw(0.05)),
    "scheduled": optim.chain(optim.clip_by_value(0.3), optim.sgd(0.1), optim.scale_by_schedule(optim.warmup(1.0, 4))),
    "accumulated": optim.chain(optim.accumulate(3), optim.momentum(0.1)),
    "means": optim.chain(optim.ema(0.5), optim.sgd(0.2), optim.average_params(0.5)),
    "plateau": optim.chain(optim.sgd(1.5), optim.plateau(0.5, patience=1, threshold=0.0)),
    "decayed": optim.chain(optim.add_decayed_weights(0.1, lambda path, leaf: leaf.ndim > 1), optim.sgd(0.1)),
    "decayed by path": optim.chain(optim.add_decayed_weights(0.1, lambda path, leaf: "kernel" in path), optim.sgd(0.1)),
    "decayed by a tree": optim.chain(
        optim.chain(optim.add_decayed_weights(0.1, {"bias": True, "kernel": False, "scale": True})), optim.adam(0.1)
    ),
    "groups by path": optim.partition(
        lambda path, leaf: path.removeprefix("params['").removesuffix("']"),
        {"kernel": optim.lamb(0.1), "bias": optim.adafactor(0.1), "scale": optim.freeze()},
    ),
    "groups by a tree": optim.chain(
        optim.clip_by_value(0.5),
        optim.partition({"bias": "b", "kernel": "a", "scale": "a"}, {"a": optim.sgd(0.1), "b": optim.adam(0.1)}),
        optim.ema(0.5),
    ),
    "groups": optim.partition(
        lambda path, leaf: "a" if leaf.ndim > 1 else "b",
        {"a": optim.chain(optim.clip_by_global_norm(0.1), optim.adam(0.1)), "b": optim.freeze()},
    ),
    "many numbers": optim.chain(
        optim.skip_nonfinite(),
        optim.accumulate(2),
        optim.ema(0.5),
        optim.adam(optim.cosine_decay(0.1, 9)),
        optim.scale_by_schedule(optim.warmup(1.0, 4)),
        optim.plateau(0.5, patience=1, every=2),
    ),
    "lbfgs": optim.lbfgs(0.1, memory=2, line_search=False),
}


def gradients_of(params: Any, x: Any) -> Any:
    return tn.tree.map(lambda p: p * x, params)


def step(optimizer: Any, params: Any, state: Any, x: Any) -> Any:
    return optimizer.update(gradients_of(params, x), state, params, value=tnp.abs(x) * 1.0)


def start() -> Any:
    rng = np.random.default_rng(0)
    return {"kernel": rng.normal(size=(4, 3)).astype(np.float32), "bias": rng.normal(size=3), "scale": np.float64(0.5)}


def assert_same(found: Any, expected: Any) -> None:
    assert tn.tree.paths(found) == tn.tree.paths(expected)
    for x, y in zip(tn.tree.leaves(found), tn.tree.leaves(expected), strict=True):
        assert type(x) is type(y)
        np.testing.assert_array_equal(x, y)
        assert np.asarray(x).dtype == np.asarray(y).dtype


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_the_same_to_the_last_bit_and_take_few_programs(name: str) -> None:
    optimizer = OPTIMIZERS[name]
    compiled: Any = tn.compile(lambda params, state, x: step(optimizer, params, state, x))
    params = other = start()
    state = other_state = optimizer.init(params)
    for x in [1.0, 2.0, 0.5, np.nan, 1.0, 3.0, 0.1, 0.2, 5.0, 0.3]:
        if name not in ("clipped", "many numbers") and np.isnan(x):
            continue
        kept = tn.tree.map(lambda leaf: +leaf, params)
        new, new_state = compiled(params, state, np.float64(x))
        assert_same(params, kept)
        assert not any(np.shares_memory(a, b) for a in tn.tree.leaves(new) for b in tn.tree.leaves(params))
        params, state = new, new_state
        other, other_state = step(optimizer, other, other_state, np.float64(x))
        assert_same((params, state), (other, other_state))
    assert len(compiled.programs) < 8  # beyond which it runs eagerly


@pytest.mark.parametrize("after", [(), (optim.average_params(0.5),)])
def test_a_donated_chain_is_updated_in_place(after: Any) -> None:
    optimizer = optim.chain(optim.clip_by_global_norm(0.5), optim.adam(0.1), *after)
    made: Any = tn.compile(lambda p, s, x: step(optimizer, p, s, x), donate_argnums=(0, 1))
    params = other = np.ones(2**16)
    state = other_state = optimizer.init(params)
    for i in range(6):
        before = params
        params, state = made(params, state, np.float64(i))
        other, other_state = step(optimizer, other, other_state, np.float64(i))
        assert_same((params, state), (other, other_state))
    assert (params is before) == (not after)


def test_the_derivative_of_an_update_is_that_of_its_formula() -> None:
    """Of which a program has the operations one by one."""
    optimizer = optim.chain(optim.clip_by_value(9.0), optim.lamb(0.1))

    def after(params: Any, x: Any) -> Any:
        new, _ = optimizer.update(params * x, optimizer.init(params), params)
        return tnp.sum(new**2)

    params, x = np.linspace(1.0, 2.0, 3), np.linspace(0.5, 1.0, 3)
    compiled = tn.compile(tn.grad(after))
    for _ in range(3):
        np.testing.assert_allclose(compiled(params, x), tn.grad(after)(params, x), rtol=1e-12)


class Counted(NamedTuple):
    history: tuple[Any, ...]


@attrs.frozen
class Remembering(optim.Part):
    """Keeps the last sums, at most two: the structure of its state differs from step to step at first."""

    name = "remembering"
    grows_at: float = np.inf

    def init(self, params: Any) -> Any:
        return Counted(())

    def apply(self, updates: Any, state: Any, params: Any, value: Any) -> Any:
        kept = 3 if np.sum(updates) > self.grows_at else 2
        return updates, Counted((*state.history, np.sum(updates))[-kept:])


def test_a_part_of_ones_own() -> None:
    optimizer = optim.chain(Remembering(), optim.sgd(0.1))
    compiled: Any = tn.compile(lambda params, state, x: step(optimizer, params, state, x))
    params = other = np.ones(3)
    state = other_state = optimizer.init(params)
    for _ in range(5):
        params, state = compiled(params, state, np.float64(0.5))
        other, other_state = step(optimizer, other, other_state, np.float64(0.5))
        assert_same((params, state), (other, other_state))


class Unfielded(optim.Part):
    """Holds what is not a field, and could not be made again of its fields."""

    name = "unfielded"
    factor = 1.0

    def __init__(self, factor: float) -> None:
        object.__setattr__(self, "factor", factor)

    def apply(self, updates: Any, state: Any, params: Any, value: Any) -> Any:
        return tn.tree.map(lambda x: self.factor * x, updates), state


def test_a_part_that_is_not_of_fields_keeps_what_it_holds() -> None:
    optimizer = optim.chain(Unfielded(3.0), optim.sgd(0.1))
    compiled: Any = tn.compile(lambda params, state, x: step(optimizer, params, state, x))
    params, state = np.ones(3), optimizer.init(np.ones(3))
    for _ in range(4):
        found, _ = compiled(params, state, np.float64(0.5))
        np.testing.assert_allclose(found, 1 - 0.1 * 3.0 * 0.5, rtol=1e-12)


def test_a_state_whose_structure_depends_on_values_is_an_error() -> None:
    optimizer = optim.chain(Remembering(10.0), optim.sgd(0.0))
    compiled: Any = tn.compile(lambda params, state, x: step(optimizer, params, state, x))
    params, state = np.ones(3), optimizer.init(np.ones(3))
    for _ in range(5):
        params, state = compiled(params, state, np.float64(0.5))
    with pytest.raises(
        tn.ArgumentError, match=r"optimizer\.update: the structure of the state must not depend on values"
    ):
        compiled(params, state, np.float64(50.0))


def test_which_optimizers_read_gradients_alone() -> None:
    assert all(optimizer.reads_gradients_alone for optimizer in OPTIMIZERS.values())
    searching = optim.lbfgs()
    of_groups = optim.partition(lambda path, leaf: "a", {"a": searching, "b": optim.sgd()})
    for optimizer in (searching, of_groups, optim.chain(optim.clip_by_value(1.0), searching)):
        assert not optimizer.reads_gradients_alone


# ---- settings that are values of the program ----

SETTINGS = {
    "learning rate": lambda a: optim.sgd(a),
    "schedule": lambda a: optim.adam(lambda step: a / (step + 1)),
    "decay": lambda a: optim.momentum(0.1, weight_decay=a),
    "of a chain": lambda a: optim.chain(optim.clip_by_value(1.5), optim.sgd(a)),
    "schedule of a chain": lambda a: optim.chain(optim.scale_by_schedule(lambda step: a), optim.sgd(0.1)),
    "of a part": lambda a: optim.chain(optim.clip_by_global_norm(a), optim.sgd(0.1)),
    "of a group": lambda a: optim.partition(lambda path, leaf: "a", {"a": optim.adam(a), "b": optim.sgd()}),
    "of whole leaves": lambda a: optim.lamb(a, weight_decay=a),
}


@pytest.mark.parametrize("kind", [float, np.float64, np.float32])
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_may_be_arguments(name: str, kind: Any) -> None:
    """Also as numbers, which are inputs once they have varied."""

    def step(setting: Any, params: Any, state: Any) -> Any:
        return SETTINGS[name](setting).update(params * 2.0, state, params)

    compiled: Any = tn.compile(step)
    params = other = np.linspace(0.5, 1.0, 3)
    state = other_state = SETTINGS[name](1.0).init(params)
    for i in range(1, 6):
        params, state = compiled(kind(0.1 * i), params, state)
        other, other_state = step(kind(0.1 * i), other, other_state)
        for x, y in zip(tn.tree.leaves((params, state)), tn.tree.leaves((other, other_state)), strict=True):
            assert not isinstance(x, tn.Tensor)
            np.testing.assert_allclose(x, y, rtol=1e-6 if kind is np.float32 else 1e-12)


def test_an_optimizer_that_is_exchanged_is_seen() -> None:
    held = [optim.sgd(0.1)]
    step: Any = tn.compile(lambda params, state: held[0].update(params, state, params))
    params, state = np.ones(3), held[0].init(np.ones(3))
    for rate in (0.1, 0.1, 0.1, 0.2, 0.3, 0.4):
        held[0] = optim.sgd(rate)
        np.testing.assert_allclose(step(params, state)[0], 1 - rate, rtol=1e-15)


@pytest.mark.parametrize("name", ["lamb", "adafactor", "clipped by norm"])
def test_updates_are_mapped(name: str) -> None:
    """Members of an ensemble have norms of their own."""
    optimizer = OPTIMIZERS.get(name, optim.chain(optim.clip_by_global_norm(1.0), optim.adam(0.1)))
    params = np.stack([np.zeros(3), np.linspace(0.1, 0.2, 3), np.linspace(1.0, 2.0, 3)])
    gradients = np.stack([np.ones(3), np.zeros(3), np.linspace(3.0, -1.0, 3)])

    def step(params: Any, gradient: Any) -> Any:
        return optimizer.update(gradient, optimizer.init(params), params)[0]

    expected = np.stack([step(p, g) for p, g in zip(params, gradients, strict=True)])
    for mapped in (tn.vmap(step), tn.compile(tn.vmap(step))):
        for _ in range(3):
            np.testing.assert_allclose(mapped(params, gradients), expected, rtol=1e-12)


def test_an_update_in_a_scan_is_that_of_a_loop() -> None:
    optimizer = optim.chain(optim.clip_by_global_norm(0.5), optim.adam(0.1), optim.average_params(0.5))

    def trained(params: Any) -> Any:
        def body(carry: Any, _: Any) -> Any:
            return optimizer.update(carry[0] * 2.0, carry[1], carry[0]), None

        (params, state), _ = tn.scan(body, (params, optimizer.init(params)), length=4)
        return params, state

    compiled: Any = tn.compile(trained)
    params, state = np.ones(3), optimizer.init(np.ones(3))
    for _ in range(4):
        params, state = optimizer.update(params * 2.0, state, params)
    for _ in range(3):
        found, found_state = compiled(np.ones(3))
        np.testing.assert_allclose(found, params, rtol=1e-14)
        assert found_state.step == state.step == 4


def test_models_in_states_have_the_statistics_of_the_parameters(rng: np.random.Generator) -> None:
    optimizer = optim.chain(optim.ema(0.5), optim.adam(0.1), optim.average_params(0.5))

    def step(model: Any, state: Any, x: Any) -> Any:
        def loss(model: Any) -> Any:
            y, model = model.train(x, rng)
            return tnp.sum(y**3), model

        gradients, model = tn.grad(loss, has_aux=True)(model)
        return optimizer.update(gradients, state, model)

    compiled: Any = tn.compile(step)
    model = other = tn.nn.BatchNorm(3, dtype=np.float64)
    state = other_state = optimizer.init(model)
    for _ in range(4):
        x = rng.normal(1.0, 2.0, size=(5, 3))
        model, state = compiled(model, state, x)
        other, other_state = step(other, other_state, x)
        assert tn.tree.allclose((model, state), (other, other_state), rtol=1e-10)
        for ours, theirs in ((model, other), (state.parts[2].mean, other_state.parts[2].mean)):
            assert type(ours) is tn.nn.BatchNorm
            np.testing.assert_allclose(ours.running.mean, theirs.running.mean, rtol=1e-12)
            np.testing.assert_allclose(ours.running.var, theirs.running.var, rtol=1e-12)
