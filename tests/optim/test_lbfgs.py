"""L-BFGS: PyTorch's path without a line search, the Wolfe conditions with one, minima, kinds of leaves and errors."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import optim
from tapenet.core.pytrees import tree_leaves, tree_map
from tapenet.errors import ArgumentTypeError
from tapenet.optim.line_search import CURVATURE, DECREASE, Search, Trial


def rosenbrock(params):
    x, y = params["x"], params["y"]
    return 100 * (y - x * x) ** 2 + (1 - x) ** 2


def minimized(loss, params, steps, **options):
    """The parameters and the state after so many steps, and the number of calls of the loss."""
    calls = []

    def counted(params):
        calls.append(params)
        return value_and_grad(params)

    value_and_grad, optimizer = tn.value_and_grad(loss), optim.lbfgs(**options)
    state, (value, gradients) = optimizer.init(params), value_and_grad(params)
    for _ in range(steps):
        params, state = optimizer.update(gradients, state, params, value=value, value_and_grad=counted)
        value, gradients = state.value, state.gradients
    return params, state, len(calls)


# ---- against PyTorch ----


@pytest.mark.parametrize("memory", [1, 3, 100])
@pytest.mark.parametrize("kind", [float, complex])
def test_the_path_without_a_search_is_that_of_torch(rng, memory, kind):
    torch = pytest.importorskip("torch")
    matrix = rng.normal(size=(5, 5))
    matrix = matrix @ matrix.T + np.eye(5)
    start = rng.normal(size=5).astype(kind) + (1j * rng.normal(size=5) if kind is complex else 0)

    def gradient_of(p):
        return np.conjugate(matrix @ p)

    tensor = torch.tensor(start)
    theirs = torch.optim.LBFGS(
        [tensor], 0.1, max_iter=1, tolerance_grad=0, tolerance_change=0, history_size=memory, line_search_fn=None
    )
    optimizer, params = optim.lbfgs(0.1, memory, line_search=False), start
    state = optimizer.init(params)

    def closure():
        tensor.grad = torch.tensor(np.conjugate(gradient_of(tensor.numpy())))
        return 0.0

    for _ in range(12):
        theirs.step(closure)
        params, state = optimizer.update(gradient_of(params), state, params)
        np.testing.assert_allclose(params, tensor.numpy(), rtol=1e-9, atol=1e-12)
    assert math.isnan(state.value)


# ---- minima ----


def test_rosenbrocks_valley():
    params, state, calls = minimized(rosenbrock, {"x": -1.2, "y": 1.0}, 50)
    np.testing.assert_allclose([params["x"], params["y"]], 1, atol=1e-8)
    assert state.value < 1e-16
    assert calls < 150


def test_a_complex_minimum():
    target = np.array([1 + 2j, -1.5 - 0.5j])
    params, _, _ = minimized(lambda z: (abs(z - target) ** 2 * [1.0, 30.0]).sum(), np.array([-1j, 1 + 0j]), 20)
    np.testing.assert_allclose(params, target, atol=1e-8)


def test_it_stays_at_a_minimum():
    params, state, _ = minimized(lambda p: (p * p).sum(), np.zeros(3), 3)
    np.testing.assert_array_equal(params, 0)
    assert state.step == 3


def test_a_function_that_is_not_defined_everywhere():
    """The first trials give NaN; the search goes back."""
    with np.errstate(invalid="ignore"):
        params, _, _ = minimized(lambda p: p - np.log(p), 1e-3, 30)
    np.testing.assert_allclose(params, 1, rtol=1e-6)


def test_a_saddle_where_pairs_are_of_no_use():
    params, _, _ = minimized(lambda p: np.cos(p).sum(), np.array([0.1, 0.2, -0.1]), 30)
    np.testing.assert_allclose(np.cos(params), -1, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_models_and_dtypes(rng, dtype):
    x, target = rng.normal(size=(32, 3)).astype(dtype), rng.normal(size=(32, 1)).astype(dtype)
    model = tn.nn.Dense(3, 1, rng=rng, dtype=dtype)

    def loss(model):
        return np.mean((model(x) - target) ** 2)

    trained, state, _ = minimized(loss, model, 15)
    assert {leaf.dtype for leaf in tree_leaves(trained)} == {np.dtype(dtype)}
    assert state.moves.dtype == np.result_type(dtype, np.float32)
    design = np.concatenate([x, np.ones((32, 1))], axis=1).astype(float)
    best = np.linalg.lstsq(design, target.astype(float))[0]
    tolerance = {"float16": 3e-2, "float32": 1e-3, "float64": 1e-6}[dtype]
    np.testing.assert_allclose(trained.kernel, best[:3], atol=tolerance)


def test_nothing_that_came_is_changed(rng):
    params = {"a": rng.normal(size=3), "b": rng.normal(size=2)}
    value_and_grad = tn.value_and_grad(lambda p: (p["a"] ** 4).sum() + (p["b"] ** 2).sum())
    optimizer = optim.lbfgs(memory=2)
    state = optimizer.init(params)
    for _ in range(4):
        value, gradients = value_and_grad(params)
        given = (gradients, state, params)
        kept = tree_map(np.array, given)
        updated, new = optimizer.update(*given, value=value, value_and_grad=value_and_grad)
        tree_map(np.testing.assert_array_equal, given, kept)
        again, _ = optimizer.update(gradients, tree_map(np.array, state), params, value_and_grad=value_and_grad)
        tree_map(np.testing.assert_array_equal, again, updated)
        params, state = updated, pickle.loads(pickle.dumps(new))


@pytest.mark.parametrize("params", [{}, [], np.zeros(0)], ids=str)
def test_nothing_to_move(params):
    optimizer = optim.lbfgs()
    updated, state = optimizer.update(params, optimizer.init(params), params, value_and_grad=lambda p: (0.0, p))
    assert str(updated) == str(params)
    assert state.step == 1


# ---- the line search ----


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.floats(1e-6, 1e6),
    width=st.floats(1e-3, 1e3),
)
def test_the_conditions_hold_where_the_search_ends(seed, first, width):
    """Of sums of a parabola and waves, which have many minima along the line."""
    rng = np.random.default_rng(seed)
    sizes, rates, phases = rng.normal(size=3) * 0.3, rng.uniform(0, 3, size=3), rng.uniform(0, 6, size=3)

    def evaluate(t):
        u = t / width
        value = (u - 2) ** 2 + float(np.sum(sizes * np.sin(rates * u + phases)))
        slope = (2 * (u - 2) + float(np.sum(sizes * rates * np.cos(rates * u + phases)))) / width
        return Trial(t, value, slope, None)

    start = evaluate(0.0)
    if start.slope < -1e-3 / width:
        found = Search(evaluate, start, 60).run(first)
        assert found.value <= start.value + DECREASE * found.distance * start.slope
        assert abs(found.slope) <= -CURVATURE * start.slope


def test_a_line_without_a_minimum():
    found = Search(lambda t: Trial(t, -t, -1.0, None), Trial(0.0, 0.0, -1.0, None), 4).run(1.0)
    assert found.distance == 1000.0


def test_a_line_that_only_rises_beyond_rounding():
    start = Trial(0.0, 1.0, -1e-30, None)
    assert Search(lambda t: Trial(t, 1.0 + t, 1.0, None), start, 10).run(1.0) is start


def test_a_line_search_ends_where_no_number_lies_between():
    start = Trial(0.0, 0.3, -1.0, None)
    found = Search(lambda t: Trial(t, abs(t - 0.3), -1.0 if t < 0.3 else 1.0, None), start, 10_000).run(1.0)
    assert abs(found.distance - 0.3) < 1e-15


# ---- errors ----


def test_errors():
    optimizer, params = optim.lbfgs(), {"a": np.ones(2)}
    state = optimizer.init(params)
    with pytest.raises(ArgumentTypeError) as caught:
        optimizer.update(params, state, params, value=1.0)
    assert str(caught.value) == (
        "lbfgs.update: value_and_grad must be a function from params to (loss, gradients); got None. Write "
        "optimizer.update(..., value_and_grad=tn.value_and_grad(loss)), or lbfgs(line_search=False)."
    )
    with pytest.raises(ArgumentTypeError) as caught:
        optimizer.update({"a": np.ones(3)}, state, {"a": np.ones(3)})
    assert str(caught.value) == (
        "lbfgs.update: state must have moves of shape (10, 3), (memory, numbers in params); got (10, 2)."
    )
    with tn.GradientTape() as tape, pytest.raises(ArgumentTypeError, match="got Tensor"):
        optimizer.init(tape.watch(params))
