"""Programs as autograd's users write them, of autograd's modules: run with the real one, too, where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as onp

X = onp.array([0.3, -1.2, 2.0])
M = onp.array([[1.5, 0.2, -0.3], [0.1, 2.0, 0.4], [-0.2, 0.3, 1.0]])
Z = onp.array([0.5 + 1.0j, -0.3 + 0.2j])

Program = Callable[[SimpleNamespace], Any]
PROGRAMS: dict[str, Program] = {}


def program(f: Program) -> Program:
    PROGRAMS[f.__name__] = f
    return f


@program
def gradient(a):
    return a.grad(lambda x: a.np.sum(a.np.tanh(x) ** 2))(X)


@program
def gradient_of_shape_one(a):
    return a.grad(lambda x: a.np.sum(x**2, keepdims=True))(X)


@program
def gradient_by_several(a):
    return a.grad(lambda x, y, z: a.np.dot(x, y) * z, argnum=[2, 0])(X, X**2, 3.0)


@program
def gradient_of_containers(a):
    tree = {"w": [M, (X, 2.0)], "b": X}
    return a.grad(lambda p: a.np.sum(a.np.dot(p["w"][0], p["w"][1][0]) * p["w"][1][1] + p["b"] ** 2))(tree)


@program
def gradient_of_float(a):
    return a.grad(lambda x: x**3 if x > 0 else -x)(2.0)


@program
def value_and_gradient(a):
    return a.value_and_grad(lambda x: a.np.linalg.norm(x))(X)


@program
def gradient_and_aux(a):
    return a.grad_and_aux(lambda x: (a.np.sum(x**2), x * 2))(X)


@program
def elementwise(a):
    return a.elementwise_grad(a.elementwise_grad(a.np.tanh))(X)


@program
def elementwise_of_integers(a):
    return a.elementwise_grad(lambda x: a.np.exp(-x))(onp.arange(4))


@program
def jacobian_of_integers(a):
    return a.jacobian(lambda x: a.np.dot(onp.array([[1, 2], [3, 4]]), x) ** 2)(onp.array([2, 3]))


@program
def jacobian_of_matrices(a):
    return a.jacobian(lambda m: a.np.dot(m, m))(M)


@program
def hessian(a):
    return a.hessian(lambda x: a.np.prod(x) + a.np.sum(a.np.sin(x)))(X)


@program
def hessian_product(a):
    return a.hessian_vector_product(lambda x: a.np.sum(x**3))(X, X + 1)


@program
def jacobian_product(a):
    return a.vector_jacobian_product(lambda x: a.np.dot(M, x) ** 2)(X, X + 1)


@program
def pullbacks_and_pushforwards(a):
    f = lambda x: a.np.sin(x) * a.np.sum(x)  # noqa: E731  as users write
    vjp, y = a.make_vjp(f)(X)
    hvp, g = a.make_hvp(lambda x: a.np.sum(f(x)))(X)
    return vjp(X), y, a.make_jvp(f)(X)(X + 1), hvp(X), g, a.make_ggnvp(f)(X)(X), a.deriv(f)(X)


@program
def named_and_all(a):
    f = lambda x, y=2.0: a.np.sum(x * y)  # noqa: E731
    return a.grad_named(f, "y")(X, 3.0), dict(a.grad(lambda d: f(**d))({"x": X, "y": 3.0}))


@program
def holomorphic(a):
    return a.holomorphic_grad(lambda z: a.np.sum(z**3))(Z), a.grad(lambda z: a.np.sum(a.np.abs(z) ** 2))(Z)


@program
def checkpointed(a):
    f = a.checkpoint(lambda x, y: a.np.sum(a.np.sin(x) * y))
    return a.grad(f)(X, X), a.grad(lambda x: a.grad(f, 1)(x, X)[0])(X)


@program
def third_order(a):
    f = lambda x: a.np.exp(a.np.sin(x))  # noqa: E731
    return a.grad(a.grad(a.grad(f)))(0.7)


@program
def accumulators(a):
    def f(x):
        total = 0.0
        pieces = []
        for i in range(3):
            total += x[i] ** 2
            pieces.append(x[i] * total)
        return a.np.sum(a.np.array(pieces)) + a.np.concatenate([x, a.np.stack(pieces)])[4]

    return a.grad(f)(X)


@program
def assembled_matrices(a):
    f = lambda x: a.np.linalg.det(a.np.array([[x[0], 1.0], [x[1], x[2]]]))  # noqa: E731
    return a.grad(f)(X)


@program
def joined_iterators(a):
    f = lambda x: a.np.sum(a.np.stack(map(a.np.sin, x)) * a.np.concatenate(x[i : i + 1] for i in range(3)))  # noqa: E731
    return a.grad(f)(X), a.np.hstack(x * X for x in (1.0, 2.0)), a.np.vstack(iter([X, X]))


@program
def linear_algebra(a):
    n = a.np
    return [
        a.grad(lambda m, f=f: n.sum(f(m)))(M @ M.T)
        for f in (n.linalg.inv, n.linalg.cholesky, lambda m: n.linalg.eigh(m)[0] ** 2, lambda m: n.linalg.solve(m, X))
    ]


@program
def transforms_and_selections(a):
    n = a.np
    f = lambda x: n.sum(n.real(n.fft.ifft(n.fft.fft(x) ** 2)) * n.where(x > 0, x, 2 * x))  # noqa: E731
    return a.grad(f)(X), a.grad(lambda x: n.sum(n.select([x > 1, x > 0], [x**2, x**3], 0.5 * x)))(X)


@program
def own_rules(a):
    @a.extend.primitive
    def logsumexp(x):
        assert isinstance(x, onp.ndarray)
        top = onp.max(x)
        return top + onp.log(onp.sum(onp.exp(x - top)))

    a.extend.defvjp(logsumexp, lambda ans, x: lambda g: a.np.full(x.shape, g) * a.np.exp(x - ans))
    a.extend.defjvp(logsumexp, lambda g, ans, x: a.np.sum(g * a.np.exp(x - ans)))
    a.test_util.check_grads(logsumexp, modes=["fwd", "rev"], order=2)(X)
    return a.grad(logsumexp)(X), a.hessian(logsumexp)(X), a.make_jvp(logsumexp)(X)(X)


@program
def own_rules_of_several_arguments(a):
    @a.extend.primitive
    def scaled(x, y, power, *, shift=0.0):
        return x * y**power + shift

    a.extend.defvjp(
        scaled,
        lambda ans, x, y, power, shift=0.0: lambda g: g * y**power,
        lambda ans, x, y, power, shift=0.0: lambda g: g * x * power * y ** (power - 1),
        None,
    )
    f = lambda x, y: a.np.sum(scaled(x, y, 3, shift=1.0))  # noqa: E731
    return a.grad(f, [0, 1])(X, X + 2), a.grad(f, 1)(X, X + 2), a.jacobian(a.grad(f, 1))(X, X + 2)


@program
def own_rules_by_number(a):
    @a.extend.primitive
    def total(*args):
        return sum(args)

    a.extend.defvjp_argnum(total, lambda argnum, ans, args, kwargs: lambda g: g * (argnum + 1))
    return a.grad(lambda x: a.np.sum(total(x, 2 * x, X, x)))(X)


@program
def unbroadcast_rules(a):
    @a.extend.primitive
    def product(x, y):
        return x * y

    unbroadcast_f = a.numpy_vjps.unbroadcast_f
    a.extend.defvjp(
        product,
        lambda ans, x, y: unbroadcast_f(x, lambda g: g * y),
        lambda ans, x, y: unbroadcast_f(y, lambda g: g * x),
    )
    return a.grad(lambda x, y: a.np.sum(product(x, y)), [0, 1])(X, M), a.grad(lambda c: a.np.sum(product(c, M)))(2.0)


@program
def without_trace(a):
    rounded = a.tracer.notrace_primitive(onp.round)
    known = []
    f = lambda x: known.extend([a.tracer.isbox(x), a.tracer.getval(x)]) or a.np.sum(x * rounded(x))  # noqa: E731
    return a.grad(f)(X), known


@program
def flattened(a):
    tree = {"b": [1.0, M], "a": (X,)}
    vector, unflatten = a.misc.flatten(tree)
    return vector, unflatten(2 * vector), a.grad(lambda v: a.np.sum(unflatten(v)["b"][1] ** 2))(vector)


@program
def optimized(a):
    g = lambda p, i: {"x": 2 * p["x"], "y": [4 * p["y"][0] ** 3]}  # noqa: E731
    start = {"x": X, "y": [onp.array([1.0])]}
    seen = []
    note = lambda p, i, g: seen.append((i, p["x"]))  # noqa: E731
    return [
        f(g, start, num_iters=7, callback=note) for f in (a.optimizers.adam, a.optimizers.sgd, a.optimizers.rmsprop)
    ] + seen


@program
def fixed_points(a):
    def f(c):
        return a.fixed_points.fixed_point(
            lambda c: lambda x: 0.5 * (x + c / x), c, 1.0, lambda x, y: onp.abs(a.tracer.getval(x - y)), 1e-12
        )

    return a.grad(f)(2.0)


@program
def constant_graphs(a):
    f = a.misc.const_graph(lambda x, y: a.np.sin(x) * y)
    return f(1.0, 2.0), f(2.0, 3.0), a.grad(lambda x: f(x, 3.0))(0.5)


@program
def traced_by_hand(a):
    start = a.core.VJPNode.new_root()
    x = a.tracer.new_box(X, 0, start)
    y = a.np.sin(x) * x
    return a.core.backward_pass(onp.ones(3), y._node), a.tracer.isbox(y), y._value


@program
def traced_by_hand_and_let_go(a):
    def traced(f, x):
        return f(a.tracer.new_box(x, 0, a.core.VJPNode.new_root()))

    y = traced(lambda x: a.np.sin(x) * x, X)
    rows = [a.core.backward_pass(row, y._node) for row in onp.eye(3)]
    boxed = [a.tracer.new_box(row, 0, a.core.VJPNode.new_root()) for row in onp.eye(3)]  # boxes as cotangents
    stacked = a.np.stack([a.core.backward_pass(row, y._node) for row in boxed])
    return rows, a.np.array(stacked._value)


@program
def graphs_of_own_nodes(a):
    class Counting(a.tracer.Node):
        __slots__ = ["depth"]

        def __init__(self, value, fun, args, kwargs, parent_argnums, parents):
            self.depth = 1 + max(parent.depth for parent in parents)

        def initialize_root(self):
            self.depth = 0

    value, node = a.tracer.trace(Counting.new_root(), lambda x: a.np.exp(a.np.sin(x)) + x, 0.5)
    return value, node.depth


@program
def vector_spaces(a):
    spaces = [a.extend.vspace(x) for x in (X, Z, 2.0, {"a": X, "b": (1.0, Z)})]
    return [
        (s.size, s.zeros(), s.ones(), len(list(s.standard_basis())), s.add(s.ones(), s.ones()))
        + (s.scalar_mul(s.ones(), 3.0), s.inner_prod(s.ones(), s.ones()), s.covector(s.ones()), s == s)
        for s in spaces
    ]


@program
def convolutions(a):
    f = lambda x, y: a.np.sum(a.signal.convolve(x, y, axes=[[1], [1]], dot_axes=[[0], [0]]) ** 2)  # noqa: E731
    return a.grad(f, [0, 1])(M, M[:, :2]), a.signal.convolve(X, X[:2], mode="same")


@program
def distributions(a):
    s = a.stats
    return [
        a.elementwise_grad(s.norm.logpdf)(X, 0.5, 2.0),
        a.elementwise_grad(s.norm.logcdf, 2)(X, 0.5, 2.0 + 0 * X),
        a.grad(lambda df: a.np.sum(s.t.logpdf(X, df, 0.1, 2.0)))(3.0),
        a.elementwise_grad(s.beta.logpdf)(onp.array([0.2, 0.7]), 2.0, 3.0),
        a.grad(lambda k: a.np.sum(s.gamma.logpdf(X + 2, k)))(1.5),
        a.elementwise_grad(s.chi2.logpdf)(X + 2, 3.0),
        a.grad(lambda mu: a.np.sum(s.poisson.logpmf(onp.arange(4), mu)))(1.5),
        a.grad(lambda alpha: s.dirichlet.logpdf(onp.array([0.2, 0.3, 0.5]), alpha))(onp.array([1.0, 2.0, 3.0])),
        a.grad(s.multivariate_normal.logpdf)(X, 0 * X, onp.eye(3) * 2),
    ]


@program
def triangular_systems(a):
    return a.grad(lambda m: a.np.sum(a.linalg.solve_triangular(m, X)))(onp.triu(M))


@program
def special_functions(a):
    return a.elementwise_grad(a.special.gammaln)(X + 3), a.elementwise_grad(a.special.erf)(X)


# ---- scipy.integrate ----


def oscillator(a):
    return lambda y, t, p: a.np.array([y[1], -p[0] * y[0] - p[1] * y[1]])


TIMES = onp.linspace(0.0, 2.0, 5)


@program
def differential_equation_by_its_arguments(a):
    def f(p):
        y = a.integrate.odeint(oscillator(a), onp.array([1.0, 0.0]), TIMES, a.tuple((p,)), rtol=1e-12, atol=1e-12)
        return a.np.sum(y[:, 0] ** 2)

    p = onp.array([3.0, 0.2])
    return [f(p), onp.round(a.grad(f)(p), 6)]


@program
def differential_equation_by_its_start(a):
    p = onp.array([3.0, 0.2])

    def f(y0):
        y = a.integrate.odeint(oscillator(a), y0, TIMES, a.tuple((p,)), rtol=1e-12, atol=1e-12)
        return a.np.sum(y[-1] * onp.array([1.0, 2.0]))

    return onp.round(a.grad(f)(onp.array([1.0, 0.0])), 6)


@program
def names_in_graphs(a):
    class Named(a.tracer.Node):
        __slots__ = ["names"]

        def __init__(self, value, fun, args, kwargs, parent_argnums, parents):
            assert fun(*args, **kwargs) == value
            self.names = [name for parent in parents for name in parent.names] + [fun.__name__]

        def initialize_root(self):
            self.names = []

    return a.tracer.trace(Named.new_root(), lambda x: a.np.sin(x * 2.0) - a.np.sqrt(x), 0.5)[1].names
