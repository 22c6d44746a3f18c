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


def test_a_state_whose_structure_depends_on_values_is_an_error() -> None:
    optimizer = optim.chain(Remembering(10.0), optim.sgd(0.0))
    compiled: Any = tn.compile(lambda params, state, x: step(optimizer, params, state, x))
    params, state = np.ones(3), optimizer.init(np.ones(3))
    for _ in range(5):
        params, state = compiled(params, state, np.float64(0.5))
    with pytest.raises(tn.ArgumentError, match=r"chain\.update: the structure of the state must not depend on values"):
        compiled(params, state, np.float64(50.0))


def test_which_optimizers_read_gradients_alone() -> None:
    assert all(optimizer.reads_gradients_alone for optimizer in OPTIMIZERS.values())
    searching = optim.lbfgs()
    of_groups = optim.partition(lambda path, leaf: "a", {"a": searching, "b": optim.sgd()})
    for optimizer in (searching, of_groups, optim.chain(optim.clip_by_value(1.0), searching)):
        assert not optimizer.reads_gradients_alone
