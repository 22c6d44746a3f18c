"""Every rule against PyTorch's, over several steps."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet.core.pytrees import tree_leaves, tree_map
from tapenet.optim import adam
from tests.optim.conftest import CASES

TOLERANCES = {"float32": 2e-5, "complex64": 2e-5, "float64": 1e-12, "complex128": 1e-12}
RENAMED = {"learning_rate": "lr", "decay": "alpha", "learning_rate_decay": "lr_decay"}
PAIRS = {"betas": ("b1", "b2"), "etas": ("shrink", "grow"), "step_sizes": ("min_size", "max_size")}
EXTRA = {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
CLASSES = {
    "sgd": "SGD",
    "momentum": "SGD",
    "nesterov": "SGD",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "radam": "RAdam",
    "rprop": "Rprop",
}


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # PyTorch's NAdam keeps its product of momenta in this dtype
    yield torch
    torch.set_default_dtype(before)


@pytest.fixture(params=[case for case in CASES if case.name in CLASSES], ids=str)
def case(request):
    return request.param


def torch_optimizer(torch, case, tensors):
    """PyTorch's optimizer of the same settings; where there are none, of its own defaults."""
    options = EXTRA.get(case.name, {}) | {RENAMED.get(key, key): value for key, value in case.settings.items()}
    for name, pair in PAIRS.items():
        given = [options.pop(key) for key in pair if key in options]
        options |= {name: tuple(given)} if given else {}
    return getattr(torch.optim, CLASSES[case.name])(tensors, **options)


def assert_same_path(torch, case, params, gradients):
    """Walk along the gradients with both, and compare after every step."""
    optimizer = case.optimizer
    state = optimizer.init(params)
    tensors = [torch.tensor(leaf) for leaf in tree_leaves(params)]
    theirs = torch_optimizer(torch, case, tensors)
    for step in gradients:
        for tensor, gradient in zip(tensors, tree_leaves(step), strict=True):
            # PyTorch's gradients are the conjugates of tapenet's.
            tensor.grad = torch.tensor(np.conjugate(gradient))
        theirs.step()
        params, state = optimizer.update(step, state, params)
        for tensor, leaf in zip(tensors, tree_leaves(params), strict=True):
            assert leaf.dtype == tensor.numpy().dtype
            tolerance = TOLERANCES[leaf.dtype.name]
            np.testing.assert_allclose(leaf, tensor.numpy(), rtol=tolerance, atol=tolerance)


def drawn(rng, shape, dtype):
    values = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return np.asarray(values, dtype)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_ten_steps(torch, case, rng, dtype):
    shapes = {"dense": {"weight": (4, 3), "bias": (3,)}, "list": [(), (2, 1, 3)]}

    def tree():
        return {
            "dense": {key: drawn(rng, shape, dtype) for key, shape in shapes["dense"].items()},
            "list": [drawn(rng, shape, dtype) for shape in shapes["list"]],
        }

    assert_same_path(torch, case, tree(), [tree() for _ in range(10)])


def test_more_elements_than_fit_into_a_block(torch, case, rng):
    size = 100_001
    params, *gradients = (drawn(rng, size, "float32") for _ in range(4))
    assert_same_path(torch, case, params, gradients)


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
TREES = st.recursive(
    SHAPES.map(lambda shape: np.zeros(shape)) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
).filter(tree_leaves)


@settings(max_examples=30, deadline=None)
@given(tree=TREES, seed=st.integers(0, 2**32 - 1))
def test_any_tree(tree, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    trees = [tree_map(lambda leaf: drawn(rng, leaf.shape, "float64"), tree) for _ in range(4)]

    class Case:
        name, settings, optimizer = "adam", {}, adam()

    assert_same_path(torch, Case, trees[0], trees[1:])


def test_a_schedule_counts_as_torch_does(torch, rng):
    params, *gradients = (rng.normal(size=3) for _ in range(6))
    optimizer = adam(lambda step: 0.1 / (1 + step))
    state = optimizer.init(params)
    tensor = torch.tensor(params)
    theirs = torch.optim.Adam([tensor], lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(theirs, lambda step: 1 / (1 + step))
    for gradient in gradients:
        tensor.grad = torch.tensor(gradient)
        theirs.step()
        schedule.step()
        params, state = optimizer.update(gradient, state, params)
    np.testing.assert_allclose(params, tensor.numpy(), rtol=1e-12)


def test_a_complex_loss_falls_along_the_same_path(torch):
    """Each library with its own gradient of |z - c|^2, which are each other's conjugates."""
    target = 1 + 2j
    params, tensor = np.array([3 - 1j]), torch.tensor([3 - 1j], dtype=torch.complex128, requires_grad=True)
    optimizer, theirs = adam(0.1), torch.optim.Adam([tensor], lr=0.1)
    state = optimizer.init(params)
    for _ in range(20):
        theirs.zero_grad()
        (tensor - target).abs().square().sum().backward()
        theirs.step()
        params, state = optimizer.update(2 * np.conjugate(params - target), state, params)
    np.testing.assert_allclose(params, tensor.detach().numpy(), rtol=1e-12)
