"""Programs in the style of JAX's tutorials: pure functions, `vmap`, `.at`, pytrees of parameters."""

import numpy as np

import tapenet as tn
import tapenet.numpy as jnp
from tapenet import grad, jacfwd, jacrev, jvp, value_and_grad, vjp, vmap


def test_per_example_gradients():
    rng = np.random.default_rng(0)
    w, xs, ys = rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=5)

    def loss(w, x, y):
        return (jnp.dot(x, w) - y) ** 2

    each = vmap(grad(loss), in_axes=(None, 0, 0))(w, xs, ys)
    np.testing.assert_allclose(each, 2 * (xs @ w - ys)[:, None] * xs)


def test_updates_that_make_new_arrays():
    def smoothed(x):
        y = jnp.zeros_like(x)
        y = tn.at(y)[1:-1].set((x[:-2] + x[1:-1] + x[2:]) / 3)
        y = tn.at(y)[0].add(x[0])
        y = tn.at(y)[-2].multiply(x[-1])
        return jnp.sum(y**2)

    x = np.array([1.0, 4.0, 2.0, 3.0])
    numeric = [(smoothed(x + 1e-6 * e) - smoothed(x - 1e-6 * e)) / 2e-6 for e in np.eye(4)]
    np.testing.assert_allclose(grad(smoothed)(x), numeric, rtol=1e-6)


def test_a_dictionary_of_parameters_and_momentum():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 2))
    y = x @ np.array([2.0, -1.0]) + 0.5
    params = {"w": np.zeros(2), "b": 0.0}
    velocity = {"w": np.zeros(2), "b": 0.0}

    def loss(params):
        return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)

    step = value_and_grad(loss)
    for _ in range(150):
        value, slope = step(params)
        velocity = {name: 0.8 * velocity[name] - 0.05 * slope[name] for name in params}
        params = {name: params[name] + velocity[name] for name in params}
    assert value < 1e-8
    np.testing.assert_allclose(params["w"], [2.0, -1.0], atol=1e-4)


def test_both_modes_of_the_jacobian_and_their_products():
    def f(x):
        return jnp.stack([x[0] * jnp.sin(x[1]), x[0] ** 2, jnp.exp(-x[1])])

    x, v, u = np.array([1.5, 0.5]), np.array([0.3, -0.7]), np.array([1.0, 2.0, -1.0])
    jacobian = jacfwd(f)(x)
    np.testing.assert_allclose(jacobian, jacrev(f)(x))
    np.testing.assert_allclose(jvp(f, (x,), (v,))[1], jacobian @ v)
    np.testing.assert_allclose(vjp(f, x)[1](u)[0], u @ jacobian)


def test_where_with_both_sides_safe_and_a_count_found_from_values():
    def f(x):
        safe = jnp.where(x > 0, x, 1.0)
        series = sum(safe**k for k in range(int(jnp.floor(jnp.max(x)))))
        return jnp.sum(jnp.where(x > 0, jnp.log(safe), 0.0) * series)

    x = np.array([-1.0, 0.5, 3.25])
    numeric = [(f(x + 1e-6 * e) - f(x - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    np.testing.assert_allclose(grad(f)(x), numeric, rtol=1e-6)
