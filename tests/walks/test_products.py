"""Walks of a tape that is not walked again: what its records keep is freed as the walk passes them."""

import weakref

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

STEPS = 4


class Chain:
    """A chain of steps, each of which keeps an array of its own for the walk."""

    def __init__(self):
        self.kept = []
        self.alive = []  # for each step that the walk came to, which steps' arrays there were then

        def forward(x):
            residual = np.array(x)  # a new one, which the record alone refers to
            self.kept.append(weakref.ref(residual))
            return np.sin(x), residual

        def backward(residual, y_bar):
            self.alive.append([ref() is not None for ref in self.kept])
            return (np.cos(residual) * y_bar,)

        self.step = tn.custom_vjp(np.sin, forward, backward)

    def __call__(self, x):
        for _ in range(STEPS):
            x = self.step(x)
        return tnp.sum(x)


ONE_BY_ONE = [[i <= step for i in range(STEPS)] for step in reversed(range(STEPS))]
ALL = [[True] * STEPS] * STEPS


@pytest.mark.parametrize("size", [3, 2**17], ids=["small", "large"])
@pytest.mark.parametrize(
    "call",
    [
        lambda f, x: tn.grad(f)(x),
        lambda f, x: tn.value_and_grad(f)(x)[1],
        lambda f, x: tn.value_and_grad(lambda p: f(p["x"]))({"x": x})[1]["x"],
        lambda f, x: tn.value_and_grad(lambda x: (f(x), 1), has_aux=True)(x)[1],
        lambda f, x: tn.elementwise_grad(f)(x),
        lambda f, x: tn.elementwise_grad(lambda x: (f(x), 1), has_aux=True)(x)[0],
    ],
    ids=["grad", "value_and_grad", "of a tree", "with aux", "elementwise_grad", "elementwise_grad with aux"],
)
def test_a_gradient_frees_what_its_walk_has_passed(call, size):
    chain = Chain()
    x = np.linspace(0.0, 1.0, size)
    found = call(chain, x)
    assert chain.alive == ONE_BY_ONE
    np.testing.assert_allclose(found, tn.grad(lambda x: tnp.sum(tnp.sin(tnp.sin(tnp.sin(tnp.sin(x))))))(x))


def test_a_region_that_is_computed_again_frees_what_its_walk_has_passed():
    chain = Chain()
    tn.grad(tn.checkpoint(chain))(np.ones(3))
    again = [row[-STEPS:] for row in chain.alive]  # the first run was for the value
    assert again == ONE_BY_ONE


def test_a_gradient_inside_another_frees_its_own_records():
    chain = Chain()
    tn.grad(lambda x: tnp.sum(tn.grad(lambda y: chain(y) * 2.0)(tn.stop_gradient(x)) * x))(np.ones(3))
    assert chain.alive == ONE_BY_ONE


@pytest.mark.parametrize("size", [3, 2**17], ids=["small", "large"])
def test_what_may_be_walked_again_keeps_its_records(size):
    chain = Chain()
    x = np.ones(size)
    with tn.GradientTape() as tape:
        watched = tape.watch(x)
        y = chain(watched)
    first, second = tape.gradient(y, watched), tape.gradient(y, watched)
    np.testing.assert_array_equal(first, second)
    assert chain.alive == ALL * 2

    chain = Chain()
    _, pullback = tn.vjp(chain, x)
    np.testing.assert_array_equal(pullback(1.0)[0], first)
    np.testing.assert_array_equal(pullback(1.0)[0], first)
    assert chain.alive == ALL * 2


def test_checks_of_a_gradient_read_the_whole_tape():
    chain = Chain()
    with tn.checks():
        tn.grad(chain)(np.ones(3))
    assert all(all(row[:STEPS]) for row in chain.alive)


def test_a_value_that_the_user_keeps_can_be_read_after_the_walk():
    seen = []

    def f(x):
        y = tnp.sin(x)
        seen.append(y)
        return tnp.sum(y * y)

    gradient = tn.grad(f)(np.ones(3))
    assert (seen[0] + 1.0).tolist() == (np.sin(np.ones(3)) + 1).tolist()
    assert float(seen[0][0]) == np.sin(1.0)
    np.testing.assert_allclose(gradient, np.sin(2 * np.ones(3)))
