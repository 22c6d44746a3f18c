"""Chains, their parts, and partitions: values by hand, PyTorch's, dtypes, Tensors, states and errors."""

from __future__ import annotations

import pickle
import warnings

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet import optim
from tapenet.core.pytrees import tree_flatten, tree_leaves, tree_map
from tapenet.errors import ArgumentError, ArgumentTypeError, NumericalError

CHAINS = [
    optim.chain(optim.sgd(0.1)),
    optim.chain(optim.clip_by_value(0.3), optim.adam(0.1)),
    optim.chain(optim.clip_by_global_norm(0.3), optim.momentum(0.1)),
    optim.chain(optim.scale(0.5), optim.sgd(0.1), optim.clip_by_global_norm(0.01)),
    optim.chain(optim.add_decayed_weights(0.1), optim.sgd(0.1)),
    optim.chain(optim.sgd(0.1), optim.scale_by_schedule(optim.linear_decay(1.0, 4))),
    optim.chain(optim.ema(0.9), optim.rmsprop(0.1)),
    optim.chain(optim.adamw(0.1), optim.average_params(0.9)),
    optim.chain(optim.skip_nonfinite(), optim.adam(0.1)),
    optim.chain(optim.accumulate(1), optim.adam(0.1)),
    optim.chain(optim.adam(0.1), optim.plateau(0.5, patience=0)),
    optim.chain(optim.chain(optim.scale(2.0), optim.clip_by_value(1.0)), optim.sgd(0.1)),
    optim.partition(lambda path, leaf: "a" if path.endswith("'a']") else "b", {"a": optim.adam(), "b": optim.sgd()}),
    optim.partition("a", {"a": optim.chain(optim.clip_by_value(1.0), optim.sgd(0.1)), "b": optim.freeze()}),
]
CHAIN = pytest.mark.parametrize("optimizer", CHAINS, ids=lambda chain: chain.name)


def run(optimizer, gradients, params, **options):
    """The parameters after all gradients, and the last state."""
    state = optimizer.init(params)
    for gradient in gradients:
        params, state = optimizer.update(gradient, state, params, **options)
    return params, state


# ---- what every chain promises ----


@CHAIN
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_structures_and_dtypes_stay_and_nothing_changes(optimizer, dtype):
    params = {"a": np.ones((3, 2), dtype), "b": [np.full(4, 2, dtype), np.dtype(dtype).type(3)], "c": None}
    gradients = tree_map(lambda leaf: leaf * 2, params)
    state = optimizer.init(params)
    structure = tree_flatten(state)[1]
    for _ in range(3):
        arrays = [x for x in tree_leaves((params, gradients, state)) if isinstance(x, np.ndarray)]
        kept = [x.copy() for x in arrays]
        updated, state = optimizer.update(gradients, state, params, value=1.0)
        for array, copy in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        assert tree_flatten(updated)[1] == tree_flatten(params)[1]
        assert [leaf.dtype for leaf in tree_leaves(updated)] == [leaf.dtype for leaf in tree_leaves(params)]
        assert isinstance(updated["b"][1], np.generic)
        assert tree_flatten(state)[1] == structure
        params = updated
    assert state.step == 3


@CHAIN
def test_a_chain_survives_pickling_and_its_state_storing(optimizer, rng):
    if not callable(getattr(optimizer, "labels", None)):  # a lambda, which cannot be pickled
        optimizer = pickle.loads(pickle.dumps(optimizer))
    params, gradient = {"a": rng.normal(size=3)}, {"a": rng.normal(size=3)}
    _, state = optimizer.update(gradient, optimizer.init(params), params, value=1.0)
    expected, _ = optimizer.update(gradient, state, params, value=1.0)
    actual, _ = optimizer.update(gradient, tree_map(np.array, state), params, value=1.0)
    np.testing.assert_array_equal(actual["a"], expected["a"])


@CHAIN
def test_a_derivative_through_a_chain(optimizer):
    target, start = np.array([1.0, 2.0]), np.array([0.3, -0.7])

    def trained(params):
        params, state = {"a": params}, optimizer.init({"a": start})
        for _ in range(2):
            gradients = {"a": 3 * params["a"] ** 2 - 2 * params["a"] * target}
            params, state = optimizer.update(gradients, state, params, value=1.0)
        return (params["a"] * params["a"]).sum()

    slope = tn.grad(trained)(start)
    for i, e in enumerate(np.eye(2) * 1e-6):
        expected = (trained(start + e) - trained(start - e)) / 2e-6
        np.testing.assert_allclose(slope[i], expected, rtol=1e-5, atol=1e-7)


@CHAIN
def test_a_donated_step_is_the_pure_one(optimizer, rng):
    gradients = [{"a": rng.normal(size=5)} for _ in range(3)]
    start = rng.normal(size=5)
    expected, _ = run(optimizer, gradients, {"a": start}, value=1.0)
    actual, _ = run(optimizer, gradients, {"a": start.copy()}, value=1.0, donate=True)
    np.testing.assert_array_equal(actual["a"], expected["a"])


def test_a_chain_donates_what_it_is_given():
    optimizer, params = optim.chain(optim.clip_by_value(1.0), optim.adam()), np.ones(3)
    updated, _ = optimizer.update(np.ones(3), optimizer.init(params), params, donate=True)
    assert updated is params


# ---- the parts ----


@pytest.mark.parametrize("size", [1e30, 1e-30, 1.0])
def test_a_norm_is_clipped_over_the_whole_range_of_single_precision(size):
    """The square of each number is infinite, or zero, in its own precision."""
    optimizer = optim.chain(optim.clip_by_global_norm(size), optim.sgd(1.0))
    updated, _ = run(
        optimizer, [[np.full(4, size, np.float32), np.float32(0)]], [np.zeros(4, np.float32), np.float32(0)]
    )
    np.testing.assert_allclose(updated[0], -size / 2, rtol=1e-6)


@pytest.mark.parametrize("size", [1e200, 1e-200, 5e307, 3.0])
def test_a_norm_is_clipped_over_the_whole_range_of_double_precision(size):
    optimizer = optim.chain(optim.clip_by_global_norm(size), optim.sgd(1.0))
    updated, _ = run(optimizer, [[np.full(4, size), np.full(3, size * 1j)]], [np.zeros(4), np.zeros(3, complex)])
    np.testing.assert_allclose(updated[0], -size / np.sqrt(7), rtol=1e-12)
    zeros, _ = run(optimizer, [[np.zeros(4), np.zeros(0)]], [np.zeros(4), np.zeros(0)])
    np.testing.assert_array_equal(zeros[0], 0)


def test_a_norm_that_is_not_finite_is_not_hidden():
    optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(1.0))
    with np.errstate(invalid="ignore"):
        for bad in (np.nan, np.inf):
            assert np.isnan(run(optimizer, [np.array([bad, 1.0])], np.zeros(2))[0][0])


def test_clipping_complex_gradients():
    """By value each of the two numbers, by norm the complex one."""
    first, _ = run(optim.chain(optim.clip_by_value(1.0), optim.sgd(1.0)), [3 - 0.5j], 0j)
    assert first == -(1 + 0.5j)
    second, _ = run(optim.chain(optim.clip_by_global_norm(1.0), optim.sgd(1.0)), [3 - 4j], 0j)
    np.testing.assert_allclose(second, -(0.6 + 0.8j))


def test_a_decay_of_weights_is_that_of_adam(rng):
    """Also of complex ones, where the gradient of the penalty is the conjugate."""
    for start in (rng.normal(size=4), rng.normal(size=4) + 1j * rng.normal(size=4)):
        gradients = [np.conjugate(start) * i for i in range(4)]
        mine, _ = run(optim.chain(optim.add_decayed_weights(0.3), optim.adam(0.1)), gradients, start)
        expected, _ = run(optim.adam(0.1, weight_decay=0.3), gradients, start)
        np.testing.assert_allclose(mine, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("mask", "decays"),
    [
        (True, [1, 1, 1]),
        (False, [0, 0, 0]),
        ({"a": True, "b": {"c": False, "d": True}}, [1, 0, 1]),
        ({"a": False, "b": True}, [0, 1, 1]),
        (lambda path, leaf: "b" in path, [0, 1, 1]),
        (lambda path, leaf: np.ndim(leaf) == 0, [1, 0, 0]),
    ],
)
def test_masks(mask, decays):
    params = {"a": 1.0, "b": {"c": np.ones(1), "d": np.ones(1)}}
    zeros = tree_map(np.zeros_like, params)
    updated, _ = run(optim.chain(optim.add_decayed_weights(0.5, mask), optim.sgd(1.0)), [zeros], params)
    assert [float(np.sum(x)) for x in tree_leaves(updated)] == [1 - 0.5 * x for x in decays]


def test_accumulated_gradients_are_those_of_one_batch(rng):
    gradients = [rng.normal(size=3) for _ in range(6)]
    start = rng.normal(size=3)
    optimizer = optim.chain(optim.accumulate(3), optim.clip_by_global_norm(0.5), optim.adam(0.1))
    actual, state = run(optimizer, gradients, start)
    means = [np.mean(gradients[:3], axis=0), np.mean(gradients[3:], axis=0)]
    expected, inner = run(optim.chain(optim.clip_by_global_norm(0.5), optim.adam(0.1)), means, start)
    np.testing.assert_allclose(actual, expected, rtol=1e-13)
    assert state.step == 6
    assert state.parts[2].step == inner.parts[1].step == 2


def test_half_precision_gradients_add_up_in_single():
    params = np.zeros(1, np.float16)
    gradients = [np.full(1, 6e4, np.float16)] * 2  # whose sum overflows
    updated, _ = run(optim.chain(optim.accumulate(2), optim.sgd(1e-4)), gradients, params)
    np.testing.assert_allclose(updated, [-6.0], rtol=1e-3)


def test_a_limit_of_steps_left_out():
    optimizer = optim.chain(optim.skip_nonfinite(limit=2), optim.sgd(1.0))
    params, state = run(optimizer, [np.nan, np.inf, 1.0, np.nan, np.nan], 0.0)
    assert params == -1.0
    assert state.parts[0] == (4, 2)
    with pytest.raises(NumericalError) as caught:
        optimizer.update(np.nan, state, params)
    assert str(caught.value).startswith(
        "skip_nonfinite: gradients must be finite after at most 2 that are not; got 3 in a row."
    )


def test_a_plateau_is_that_of_torch(rng):
    torch = pytest.importorskip("torch")
    options = {"factor": 0.5, "patience": 2, "cooldown": 2, "threshold": 0.05}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, min_lr=0.1, **options)
    optimizer = optim.chain(optim.sgd(1.0), optim.plateau(**options, min_scale=0.1))
    params, state = 0.0, optimizer.init(0.0)
    for value in np.repeat(rng.uniform(0.5, 2.0, size=30), 3):
        params, state = optimizer.update(1.0, state, params, value=value)
        schedule.step(value)
        np.testing.assert_allclose(state.parts[1].scale, theirs.param_groups[0]["lr"], rtol=1e-12)
    assert state.parts[1].scale < 1


def test_a_plateau_of_means():
    optimizer = optim.chain(optim.sgd(1.0), optim.plateau(0.5, patience=0, every=2))
    _, state = run(optimizer, [1.0] * 3, 0.0, value=1.0)
    assert state.parts[1] == (1.0, 1.0, 0, 1.0, 1)
    _, state = run(optimizer, [1.0] * 4, 0.0, value=1.0)
    assert state.parts[1].scale == 0.5


def test_an_average_of_parameters():
    params, state = run(optim.chain(optim.sgd(1.0), optim.average_params(0.5)), [{"a": 1.0}] * 2, {"a": 4.0})
    assert params == {"a": 2.0}
    assert state.parts[1].mean == {"a": 0.5 * (0.5 * 4 + 0.5 * 3) + 0.5 * 2}


@attrs.frozen
class SignOnly(optim.Part):
    name = "sign_only"

    def apply(self, updates, state, params, value):
        return tree_map(np.sign, updates), state


@attrs.frozen
class Never(optim.Part):
    name = "never"

    def apply(self, updates, state, params, value):
        return optim.SKIPPED, state


def test_an_average_of_a_model_has_its_last_statistics(rng):
    layer = tn.nn.BatchNorm(3)
    optimizer = optim.chain(optim.sgd(0.1), optim.average_params(0.5))
    state, x = optimizer.init(layer), rng.normal(5, 2, (64, 3)).astype(np.float32)
    for _ in range(2):
        _, layer = layer.train(x, rng)
        updated, state = optimizer.update(tn.tree.map(np.zeros_like, layer), state, layer)
    mean = state.parts[1].mean
    assert tn.tree.allclose(mean, layer)
    np.testing.assert_array_equal(mean(x), updated(x))


def test_parts_of_ones_own():
    params, _ = run(optim.chain(SignOnly(), optim.sgd(0.5)), [[8.0, -3.0]], [0.0, 0.0])
    assert params == [-0.5, 0.5]
    params, state = run(optim.chain(optim.chain(Never(), SignOnly()), optim.sgd(0.5)), [8.0], 1.0)
    assert params == 1.0
    assert state.parts[1].step == 0


# ---- partitions ----


def test_a_partition_of_a_model(rng):
    """Each group as if it were alone, by labels of any kind."""
    model = tn.models.LeNet(num_classes=2, rng=rng, image_size=16)
    gradients = tree_map(np.ones_like, model)
    made = {"conv": optim.adam(0.1), "rest": optim.freeze()}
    optimizer = optim.partition(lambda path, leaf: "conv" if "conv" in path else "rest", made)
    updated, state = optimizer.update(gradients, optimizer.init(model), model)
    alone, _ = optim.adam(0.1).update(gradients, optim.adam(0.1).init(model), model)
    paths = tn.core.pytrees.leaf_paths(model, "model")
    for path, new, old, expected in zip(paths, *map(tree_leaves, (updated, model, alone)), strict=True):
        if "conv" in path:
            np.testing.assert_array_equal(new, expected)
        else:
            assert new is old
    assert state.groups["conv"].step == state.groups["rest"].step == 1
    labels = tree_map(lambda leaf: "rest", model)
    same, _ = optim.partition(labels, made).update(gradients, optimizer.init(labels_like(model)), model)
    assert all(new is old for new, old in zip(tree_leaves(same), tree_leaves(model), strict=True))


def labels_like(model):
    """A model without convolutions to train: its state of the group is empty."""
    return {"rest": tree_leaves(model)}


def valley(p):
    """Rosenbrock's function, with a parabola beside it."""
    return (1 - p["x"][0]) ** 2 + 100 * (p["x"][1] - p["x"][0] ** 2) ** 2 + np.sum((p["y"] - p["x"][0]) ** 2)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_line_search_in_a_group_is_that_of_the_group_alone(wrapped):
    """Beside frozen parameters it is L-BFGS for a part of them."""
    params, fixed = {"x": np.array([-1.2, 1.0]), "y": np.array([2.0])}, np.array([2.0])
    own = optim.lbfgs() if not wrapped else optim.chain(optim.scale(1.0), optim.lbfgs())
    optimizer = optim.partition({"x": "moves", "y": "stays"}, {"stays": optim.freeze(), "moves": own})
    both, alone = tn.value_and_grad(valley), tn.value_and_grad(lambda x: valley({"x": x, "y": fixed}))
    state, x, expected_state = optimizer.init(params), params["x"], own.init(params["x"])
    for _ in range(60):
        value, gradients = both(params)
        params, state = optimizer.update(gradients, state, params, value=value, value_and_grad=both)
        value, gradient = alone(x)
        x, expected_state = own.update(gradient, expected_state, x, value=value, value_and_grad=alone)
        np.testing.assert_array_equal(params["x"], x)
    np.testing.assert_allclose(tn.grad(lambda x: valley({"x": x, "y": fixed}))(x), 0, atol=1e-6)
    np.testing.assert_array_equal(params["y"], fixed)


@pytest.mark.parametrize("donate", [False, True])
def test_a_line_search_holds_the_other_groups_where_the_step_begins(donate):
    params, seen = {"x": np.array([-1.2, 1.0]), "y": np.array([2.0])}, []

    def watched(p):
        seen.append(p["y"].copy())
        return tn.value_and_grad(valley)(p)

    optimizer = optim.partition({"x": "b", "y": "a"}, {"a": optim.sgd(0.1), "b": optim.lbfgs()})
    state = optimizer.init(params)
    for _ in range(60):
        value, gradients = tn.value_and_grad(valley)(params)
        before = params["y"].copy()
        params, state = optimizer.update(gradients, state, params, value=value, value_and_grad=watched, donate=donate)
        assert all(np.array_equal(y, before) for y in seen)
        seen.clear()
    assert list(state.groups) == ["a", "b"]
    assert valley(params) < 1e-3  # from 25


def test_a_line_search_in_a_group_needs_the_function():
    optimizer = optim.partition("a", {"a": optim.lbfgs()})
    with pytest.raises(ArgumentTypeError, match=r"lbfgs.update: value_and_grad must be a function"):
        optimizer.update(1.0, optimizer.init(1.0), 1.0)


# ---- errors ----


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: optim.chain(optim.adam(), 3),
            ArgumentTypeError,
            "chain: parts[1] must be a part or an optimizer; got 3.",
        ),
        (
            lambda: optim.chain(optim.adam(), optim.sgd()),
            ArgumentError,
            "chain: parts must hold at most one optimizer; got adam, sgd. For groups of parameters write "
            "optim.partition.",
        ),
        (
            lambda: optim.chain(optim.adam(), optim.accumulate(2)),
            ArgumentError,
            "chain: accumulate must be before the optimizer; got it after the optimizer.",
        ),
        (
            lambda: optim.chain(optim.chain(optim.plateau()), optim.adam()),
            ArgumentError,
            "chain: plateau must be after the optimizer; got it before the optimizer.",
        ),
        (
            lambda: optim.partition("a", {"a": optim.scale(1.0)}),
            ArgumentTypeError,
            "partition: optimizers['a'] must be an optimizer, under a string; got Scale(factor=1.0).",
        ),
        (
            lambda: optim.chain(optim.clip_by_value(1.0)).update(1.0, None, 1.0),
            ArgumentTypeError,
            "chain.update: parts must hold an optimizer; got clip_by_value. Write optim.chain(..., optim.adam(1e-3)).",
        ),
        (
            lambda: optim.partition("a", []),
            ArgumentTypeError,
            "partition: optimizers must be a dict of optimizers by label; got [].",
        ),
        (
            lambda: optim.partition("b", {"a": optim.sgd()}).init([1.0]),
            ArgumentError,
            "partition: labels must be among 'a'; got 'b' for params[0].",
        ),
        (
            lambda: run(optim.chain(optim.add_decayed_weights(0.1, {"a": True}), optim.sgd()), [[1.0]], [1.0]),
            ArgumentError,
            "add_decayed_weights: mask must have the structure of params, or of a prefix of it; "
            "got PyTreeSpec({'a': *}, namespace='tapenet') for PyTreeSpec([*], namespace='tapenet').",
        ),
        (
            lambda: run(optim.chain(optim.add_decayed_weights(0.1, "yes"), optim.sgd()), [[1.0]], [1.0]),
            ArgumentTypeError,
            "add_decayed_weights: mask of params[0] must be True or False; got 'yes'.",
        ),
        (
            lambda: run(optim.chain(optim.sgd(), optim.plateau()), [1.0], 1.0),
            ArgumentTypeError,
            "plateau: value must be given; write optimizer.update(..., value=loss).",
        ),
        (
            lambda: optim.chain(optim.sgd()).update(1.0, optim.sgd().init(1.0), 1.0),
            ArgumentTypeError,
            "chain.update: state must be ChainState of 1 parts, from chain.init or update; got SgdState(step=0). "
            "The order is update(gradients, state, params).",
        ),
        (
            lambda: optim.partition("a", {"a": optim.sgd()}).update(1.0, None, 1.0),
            ArgumentTypeError,
            "partition.update: state must be PartitionState of a, from partition.init or update; got None. "
            "The order is update(gradients, state, params).",
        ),
        (
            lambda: run(optim.chain(optim.clip_by_value(1.0), optim.sgd()), [[1.0]], 1.0),
            ArgumentError,
            "chain.update: gradients must have the structure of params; got no array at gradients (None is not an "
            "array).",
        ),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).replace(", namespace='tapenet'", "") == text.replace(", namespace='tapenet'", "")
