"""What the tests of networks share: derivatives checked against finite differences and against each other."""

import numpy as np
import pytest

import tapenet as tn
from tapenet.core.pytrees import tree_flatten, tree_leaves, tree_map


def inner(first, second):
    """The plain inner product of two pytrees of arrays."""
    pairs = zip(tree_leaves(first), tree_leaves(second), strict=True)
    return sum(float(np.sum(np.asarray(a, np.float64) * b)) for a, b in pairs)


def directions_like(rng, tree):
    """A random pytree of the structure, shapes and dtypes of another."""
    return tree_map(lambda leaf: np.asarray(rng.normal(size=np.shape(leaf)), np.asarray(leaf).dtype), tree)


def moved(args, tangents, step):
    return tree_map(lambda x, dot: x + step * dot, args, tangents)


def check_first_order(rng, f, args, step, tolerance):
    tangents = directions_like(rng, args)
    y, pullback = tn.vjp(f, *args)
    _, y_dot = tn.jvp(f, args, tangents)
    y_bar = directions_like(rng, y)
    pulled = pullback(y_bar)
    for gradient, arg in zip(tree_leaves(pulled), tree_leaves(args), strict=True):
        assert gradient.shape == arg.shape
        assert gradient.dtype == arg.dtype
    np.testing.assert_allclose(inner(y_bar, y_dot), inner(pulled, tangents), rtol=1e-9, atol=1e-9)
    after, before = f(*moved(args, tangents, step)), f(*moved(args, tangents, -step))
    difference = inner(y_bar, tree_map(lambda a, b: (a - b) / (2 * step), after, before))
    np.testing.assert_allclose(inner(y_bar, y_dot), difference, rtol=tolerance, atol=tolerance)


def check_second_order(rng, f, args, step, tolerance):
    weights = directions_like(rng, tree_flatten(f(*args))[0])

    def weighted(packed):
        leaves = tree_leaves(f(*packed))
        return sum((leaf * weight).sum() for leaf, weight in zip(leaves, weights, strict=True))

    args = tuple(args)
    v, u = directions_like(rng, args), directions_like(rng, args)
    product = tn.hvp(weighted)(args, v)
    twice = tn.grad(lambda x: sum((a * b).sum() for a, b in zip(tree_leaves(tn.grad(weighted)(x)), tree_leaves(v))))
    np.testing.assert_allclose(inner(product, u), inner(twice(args), u), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(inner(product, u), inner(tn.hvp(weighted)(args, u), v), rtol=1e-8, atol=1e-8)
    after, before = tn.grad(weighted)(moved(args, v, step)), tn.grad(weighted)(moved(args, v, -step))
    difference = inner(u, tree_map(lambda a, b: (a - b) / (2 * step), after, before))
    np.testing.assert_allclose(inner(product, u), difference, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="session")
def check_derivatives():
    """Check a function's derivatives, in both modes and to second order, along random directions in float64."""

    def check(f, *args, order=2, step=1e-6, tolerance=1e-6, seed=0):
        rng = np.random.default_rng(seed)
        args = tuple(np.asarray(x, np.float64) for x in args)
        copies = [x.copy() for x in args]
        check_first_order(rng, f, args, step, tolerance)
        if order > 1:
            check_second_order(rng, f, args, step, tolerance)
        for x, copy in zip(args, copies, strict=True):
            np.testing.assert_array_equal(x, copy)

    return check


@pytest.fixture(scope="session")
def check_dtype():
    """Check that values and gradients of a function keep the floating dtype of its operands."""

    def check(f, *args, dtype=np.float32):
        args = tuple(np.asarray(x, dtype) for x in args)
        y, pullback = tn.vjp(f, *args)
        for leaf in tree_leaves((f(*args), y)):
            assert leaf.dtype == dtype
        for leaf in tree_leaves(pullback(tree_map(np.ones_like, y))):
            assert leaf.dtype == dtype
            assert np.all(np.isfinite(leaf))
        _, y_dot = tn.jvp(f, args, args)
        for leaf in tree_leaves(y_dot):
            assert leaf.dtype == dtype

    return check
