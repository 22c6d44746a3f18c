"""Sparse Jacobians and Hessians: exact against dense ones, from few products, with plans that are kept."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.transforms.sparse import jacobians
from tests.transforms.sparse.matrices import (
    arrow,
    brusselator,
    five_point,
    random_pattern,
    rosenbrock,
    tridiagonal,
)

Array = Any


def draw(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def by_matrix(seed: int, m: int, n: int) -> Callable[[Array], Array]:
    """Products of random pairs of elements, with a random sparse matrix."""
    matrix = sparse.csr_array(random_pattern(seed, m, n, 0.05).astype(float))
    return lambda x: tnp.sin(matrix @ x)


def arrowhead(x: Array) -> Array:
    return tnp.concatenate([tnp.sum(x**2, keepdims=True), x[1:] * x[0]])


FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Array, int]] = {  # with the number of products
    "tridiagonal": (tridiagonal, draw(40), 3),
    "five points": (five_point, draw(7, 9), 5),
    "brusselator": (brusselator, draw(2, 5, 6), 99),
    "random": (by_matrix(0, 60, 50), draw(50), 99),
    "wide": (by_matrix(1, 5, 60), draw(60), 99),
    "arrow": (arrowhead, draw(30), 3),
    "dense": (lambda x: np.ones((4, 6)) @ x, draw(6), 4),
    "convolution": (lambda x: np.convolve(x, [1.0, -2.0, 1.0]), draw(20), 3),
    "scalar": (lambda x: np.sin(x), 0.5, 1),
    "reduction": (lambda x: x.sum(axis=1), draw(4, 3), 1),
    "constant": (lambda x: np.ones(3), draw(2), 0),
    "empty": (lambda x: x * 2, np.zeros(0), 0),
}


def dense(f: Callable[[Array], Array], x: Array) -> Array:
    return np.reshape(tn.jacobian(f)(x), (np.size(f(x)), np.size(x)))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "options",
    [{}, {"mode": "forward"}, {"mode": "reverse"}, {"mode": "bidirectional"}, {"chunk_size": 1}, {"chunk_size": 2}],
)
def test_jacobians_are_the_dense_ones(name: str, options: Any) -> None:
    f, x, _ = FUNCTIONS[name]
    make = tn.sparse_jacobian(f, **options)
    for scale in (1.0, 0.5):  # the second call has a plan
        found = make(x * scale)
        assert type(found) is sparse.csr_array
        assert found.has_canonical_format
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.toarray(), dense(f, x * scale), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_few_products_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f, x, most = FUNCTIONS[name]
    plans = []
    real = jacobians.plan_of
    monkeypatch.setattr(jacobians, "plan_of", lambda *args: plans.append(real(*args)) or plans[-1])
    make = tn.sparse_jacobian(f)
    for _ in range(3):
        make(x)
    (plan,) = plans
    assert plan.coloring.count <= most
    assert plan.coloring.count < np.size(x) or np.size(x) <= 1 or name == "dense"


def values(tree: Any) -> Array:
    return tree["a"][1:] * tree["a"][:-1] + tree["b"].sum()


HESSIANS: dict[str, tuple[Callable[[Array], Array], Array]] = {
    "rosenbrock": (rosenbrock, draw(30)),
    "arrow": (lambda x: np.sum(x[0] * x[1:] ** 2) + np.sum(x**4), draw(25)),
    "grid": (lambda u: np.sum(five_point(u) ** 2), draw(6, 5)),
    "energy": (
        lambda u: np.sum((u[1:] - u[:-1]) ** 2) + np.sum((u[:, 1:] - u[:, :-1]) ** 2) + np.sum(u**4),
        draw(6, 5),
    ),
    "dense": (lambda x: np.sum(np.outer(x, np.sin(x))), draw(6)),
    "linear": (lambda x: np.sum(3 * x), draw(4)),
    "scalar": (lambda x: x**3, 0.5),
    "max": (lambda x: np.max(x) ** 2 + np.sum(x**2), draw(5)),
    "sorted": (lambda x: np.sum(np.sort(x)[:2] ** 3), draw(5)),
    "matrix": (lambda x: np.sum(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]) @ x[:, None] ** 2) ** 2, draw(3)),
    "solve": (lambda x: np.linalg.solve(np.diag(1 + x**2), np.ones(3)).sum(), draw(3)),
    "pooled": (lambda x: np.sum(tn.nn.avg_pool(tn.nn.conv(x, np.ones((2, 2, 1, 2))), 2) ** 2), draw(1, 5, 5, 1)),
    "pooled maxima": (lambda x: np.sum(tn.nn.max_pool(tn.nn.tanh(x), 2) ** 3), draw(1, 4, 4, 2)),
}


@pytest.mark.parametrize("name", HESSIANS)
@pytest.mark.parametrize("chunk_size", [None, 1])
def test_hessians_are_the_dense_ones(name: str, chunk_size: int | None) -> None:
    f, x = HESSIANS[name]
    make = tn.sparse_hessian(f, chunk_size=chunk_size)
    for scale in (1.0, 0.7):
        found = make(x * scale)
        expected = np.reshape(tn.hessian(f)(x * scale), (np.size(x), np.size(x)))
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found.toarray(), found.toarray().T, rtol=1e-10, atol=1e-10)


def test_an_arrow_hessian_takes_two_products() -> None:
    f, x = HESSIANS["arrow"]
    hessian = tn.sparse_hessian(f)(x)
    assert hessian.nnz == arrow(25).nnz
    assert tn.color(hessian, "star").count == 2


# ---- plans ----


def count_plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    plans: list[Any] = []
    real = jacobians.pattern_of
    monkeypatch.setattr(jacobians, "pattern_of", lambda *args: plans.append(None) or real(*args))
    return plans


def test_plans_serve_later_calls_and_are_made_anew_for_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = count_plans(monkeypatch)

    def f(x: Array, power: Any = 2) -> Array:
        return x[::-1] ** power if x[0] > 0 else x**power

    make = tn.sparse_jacobian(f)
    for x in (np.ones(3), 2 * np.ones(3), -np.ones(3), -2 * np.ones(3), np.ones(3), np.ones(4), np.ones(3)):
        np.testing.assert_array_equal(make(x).toarray(), dense(f, x))
    assert len(plans) == 3  # two branches, and another shape


def test_an_order_that_depends_on_values_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = count_plans(monkeypatch)
    make = tn.sparse_jacobian(np.sort)
    for x in ([3.0, 1.0, 2.0], [1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [30.0, 10.0, 20.0]):
        np.testing.assert_array_equal(make(np.array(x)).toarray(), dense(np.sort, np.array(x)))
    assert len(plans) == 2


def test_a_constant_matrix_that_gets_other_zeros_has_another_pattern() -> None:
    def f(x: Array, a: Array) -> Array:
        return a @ x

    make = tn.sparse_jacobian(f)
    for a in (np.eye(3), np.eye(3)[::-1], np.ones((3, 3)), np.eye(3), np.tri(3)):
        np.testing.assert_array_equal(make(np.ones(3), a).toarray(), a)
        np.testing.assert_array_equal(make(np.ones(3), sparse.csr_array(a)).toarray(), a)


def test_many_patterns_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = jacobians.pattern_of
    monkeypatch.setattr(jacobians, "pattern_of", lambda *args: made.append(None) or real(*args))
    monkeypatch.setattr(jacobians, "_MOST_PLANS", 4)
    make = tn.sparse_jacobian(lambda x: x * 2)
    for n in [*range(1, 8), 1, 7]:
        assert make(np.ones(n)).shape == (n, n)
    assert len(made) == 8  # the first was dropped, the last was not


def test_operations_of_users_have_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = count_plans(monkeypatch)
    own = tn.custom_jvp(np.sin, lambda primals, tangents: (np.sin(primals[0]), np.cos(primals[0]) * tangents[0]))
    make = tn.sparse_jacobian(tn.checkpoint(lambda x: own(x) * 2))
    for _ in range(3):
        np.testing.assert_allclose(make(draw(3)).toarray(), np.diag(2 * np.cos(draw(3))))
    assert len(plans) == 1


def test_threads_may_share_a_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobians, "_MOST_PLANS", 2)
    make = tn.sparse_jacobian(np.sin)
    sizes = [*range(1, 7)] * 4
    with ThreadPoolExecutor(4) as pool:
        for n, found in zip(sizes, pool.map(lambda n: make(np.ones(n)), sizes), strict=True):
            np.testing.assert_array_equal(found.toarray(), np.cos(1.0) * np.eye(n))


def test_matrices_share_nothing_with_plans() -> None:
    make = tn.sparse_jacobian(lambda x: x * np.array([1.0, 0.0, 2.0]))
    first = make(np.ones(3))
    first.data[:] = 7
    first.eliminate_zeros()
    first.indices[:] = 0
    np.testing.assert_array_equal(make(np.ones(3)).toarray(), np.diag([1.0, 0.0, 2.0]))


# ---- the user's pattern ----


def test_a_pattern_of_the_users_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = count_plans(monkeypatch)
    x = draw(12)
    expected = dense(tridiagonal, x)
    for pattern in (
        sparse.csr_array(expected),
        np.tri(12, k=1),
        tn.sparsity(tridiagonal)(x),
        sparse.coo_array(expected),
    ):
        for mode in ("auto", "forward", "reverse"):
            make = tn.sparse_jacobian(tridiagonal, pattern=pattern, mode=mode)
            np.testing.assert_allclose(make(x).toarray(), expected, rtol=1e-12)
            np.testing.assert_allclose(make(2 * x).toarray(), dense(tridiagonal, 2 * x), rtol=1e-12)
    hessian = tn.hessian(rosenbrock)(x)
    found = tn.sparse_hessian(rosenbrock, pattern=hessian)(x)
    np.testing.assert_allclose(found.toarray(), hessian, rtol=1e-12)
    assert not plans


def test_a_pattern_that_lacks_an_entry_is_an_error() -> None:
    x = draw(12)
    for mode in ("auto", "forward", "reverse"):
        with pytest.raises(
            tn.ArgumentError, match="sparse_jacobian: pattern must have every entry that may not be zero"
        ):
            tn.sparse_jacobian(tridiagonal, pattern=np.eye(12), mode=mode)(x)
    with pytest.raises(tn.ArgumentError, match="sparse_hessian: pattern must have every entry"):
        tn.sparse_hessian(rosenbrock, pattern=np.eye(12))(x)
    with pytest.raises(
        tn.ArgumentError, match=r"pattern must have the shape of the matrix, \(12, 12\); got \(12, 11\)"
    ):
        tn.sparse_jacobian(tridiagonal, pattern=np.ones((12, 11)))(x)
    with pytest.raises(tn.ArgumentError, match="sparse_hessian: pattern must be symmetric"):
        tn.sparse_hessian(rosenbrock, pattern=np.tri(12))


# ---- arguments and results ----


def test_pytrees_and_argnums_lie_side_by_side() -> None:
    tree = {"a": draw(4), "b": draw(2, 2)}
    found = tn.sparse_jacobian(values)(tree)
    blocks = tn.jacobian(values)(tree)
    np.testing.assert_allclose(found.toarray(), np.hstack([blocks["a"], blocks["b"].reshape(3, 4)]))

    def f(x: Array, y: Array, *, scale: Array) -> Any:
        return (x * y[0] * scale, {"sum": y.sum()})

    found, aux = tn.sparse_jacobian(lambda *args, **rest: (f(*args, **rest), "aux"), (1, "scale"), has_aux=True)(
        draw(3), draw(2), scale=2.0
    )
    (by_x, by_scale), sums = (
        tn.jacobian(lambda *args, **rest: f(*args, **rest)[0], (1, "scale"))(draw(3), draw(2), scale=2.0),
        np.array([[1.0, 1.0, 0.0]]),
    )
    np.testing.assert_allclose(found.toarray(), np.vstack([np.hstack([by_x, by_scale[:, None]]), sums]))
    assert aux == "aux"
    hessian, aux = tn.sparse_hessian(lambda x, y: (np.sum(x * y), 1), (0, 1), has_aux=True)(draw(2), draw(2))
    np.testing.assert_array_equal(hessian.toarray(), np.kron([[0, 1], [1, 0]], np.eye(2)))
    assert aux == 1


def test_dtypes_are_those_of_the_function() -> None:
    x = draw(5).astype(np.float32)
    assert tn.sparse_jacobian(tridiagonal)(x).dtype == np.float32
    assert tn.sparse_jacobian(tridiagonal, mode="reverse")(x).dtype == np.float32
    assert tn.sparse_hessian(rosenbrock)(x).dtype == np.float32
    np.testing.assert_allclose(tn.sparse_jacobian(tridiagonal)(x).toarray(), dense(tridiagonal, x), rtol=1e-6)


def test_complex_numbers_follow_the_dense_jacobian() -> None:
    z = draw(6) + 1j * draw(6)[::-1]
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(tn.sparse_jacobian(tridiagonal, mode=mode)(z).toarray(), dense(tridiagonal, z))
    for f, x, mode in ((np.abs, z, "reverse"), (lambda x: np.exp(1j * x), draw(4), "forward")):
        for given in ("auto", mode):
            np.testing.assert_allclose(tn.sparse_jacobian(f, mode=given)(x).toarray(), dense(f, x))
        other = {"reverse": "forward", "forward": "reverse"}[mode]
        with pytest.raises(tn.ArgumentError, match=f"sparse_jacobian: mode must be '{mode}' for .* got '{other}'"):
            tn.sparse_jacobian(f, mode=other)(x)  # type: ignore[arg-type]
    with pytest.raises(tn.ArgumentTypeError, match="sparse_hessian: x must be real"):
        tn.sparse_hessian(lambda z: np.sum(np.abs(z) ** 2))(z)


def test_real_and_complex_leaves_side_by_side_go_the_way_that_is_right() -> None:
    x, z = draw(3), draw(3) + 1j

    def both(f: Callable[..., Any], *args: Any) -> tuple[Array, Array]:
        blocks = tn.jacobian(f, (0, 1))(*args)
        return tn.sparse_jacobian(f, (0, 1))(*args).toarray(), np.hstack(blocks)

    for f, args in ((lambda x, z: x * z, (x, z)), (lambda x, z: np.abs(z) * 2, (z, z)), (np.convolve, (z, x))):
        found, expected = both(f, *args)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    found = tn.sparse_jacobian(lambda z: (np.abs(z), z.real))(z).toarray()
    np.testing.assert_allclose(found, np.vstack(tn.jacobian(lambda z: (np.abs(z), z.real))(z)))
    with pytest.raises(tn.ArgumentError, match="mode must be 'forward' for real and complex x and complex y; got 'rev"):
        tn.sparse_jacobian(lambda x, z: x * z, (0, 1), mode="reverse")(x, z)
    with pytest.raises(tn.ArgumentError, match="x and y must each be all real or all complex; got both in both"):
        tn.sparse_jacobian(lambda x, z: (x * z, np.abs(z)), (0, 1))(x, z)


def test_nan_and_infinity_stay_where_they_are() -> None:
    x = np.array([1.0, np.nan, np.inf, 4.0])
    with np.errstate(invalid="ignore"):
        found = tn.sparse_jacobian(np.sin)(x).toarray()
    np.testing.assert_array_equal(found, np.diag(np.array([np.cos(1.0), np.nan, np.nan, np.cos(4.0)])))


def test_functions_with_a_rule_for_reverse_mode_alone_go_backward() -> None:
    cube = tn.custom_vjp(lambda x: x**3, lambda x: (x**3, x), lambda x, t: (3 * t * x**2,))
    x = draw(4)
    make = tn.sparse_jacobian(cube, pattern=np.eye(4))
    for _ in range(2):
        np.testing.assert_allclose(make(x).toarray(), np.diag(3 * x**2))
    with pytest.raises(tn.MissingRuleError):
        tn.sparse_jacobian(cube, mode="forward")(x)
    found = tn.sparse_hessian(lambda x: np.sum(cube(x)), pattern=np.eye(4))(x)
    np.testing.assert_allclose(found.toarray(), np.diag(6 * x))


def test_a_loop_and_linear_algebra_go_through() -> None:
    def f(x: Array) -> Array:
        def body(carry: Array, i: Array) -> Any:
            return np.sin(carry) * i, carry.sum()

        final, sums = tn.scan(body, x, np.arange(1.0, 4.0))
        return tnp.concatenate([final, sums, np.linalg.eigvalsh(np.diag(x[:2]) + 0.1)])

    x = draw(3)
    np.testing.assert_allclose(tn.sparse_jacobian(f)(x).toarray(), dense(f, x), rtol=1e-10, atol=1e-12)


# ---- on tapes, mapped, compiled, pickled ----


def test_a_matrix_holds_no_values_on_a_tape() -> None:
    def total(x: Array) -> Array:
        return tn.sparse_jacobian(np.sin)(x).sum()

    for call in (tn.grad(total), tn.vmap(total), tn.hessian(total)):
        with pytest.raises(
            tn.ArgumentTypeError, match="sparse_jacobian: the arguments must be off tapes, and not mapped"
        ):
            call(draw(3, 2))
    with pytest.warns(tn.errors.CompileWarning, match="in place of tn.compile pass compile=True"):
        assert tn.compile(total)(draw(3)) == np.cos(draw(3)).sum()  # it runs as it is
    with pytest.raises(tn.ArgumentTypeError, match=r"take tn.hessian; in place of tn.compile pass compile=True"):
        tn.grad(lambda x: tn.sparse_hessian(rosenbrock)(x).sum())(draw(3))


def test_arrays_around_a_compiled_function_are_read_and_guarded() -> None:
    places, matrix = np.array([2, 0, 1]), np.eye(3)

    def f(x: Array) -> Array:
        return matrix @ x[places]

    make = tn.sparse_jacobian(f, compile=True)
    for _ in range(3):
        found = make(draw(3))
        np.testing.assert_array_equal(found.toarray(), np.eye(3)[places])
        assert found.nnz == 3
    places[:] = [0, 1, 2]
    matrix[0, 2] = 5
    for _ in range(3):
        np.testing.assert_array_equal(make(draw(3)).toarray(), matrix)
    assert make(draw(3)).nnz == 4


@pytest.mark.parametrize("name", ["tridiagonal", "five points", "brusselator", "arrow", "random", "constant", "scalar"])
def test_compiled_matrices_are_those_that_are_not(name: str) -> None:
    f, x, _ = FUNCTIONS[name]
    for mode in ("auto", "bidirectional"):
        make = tn.sparse_jacobian(f, mode=mode, compile=True)  # type: ignore[arg-type]
        for scale in (1.0, 2.0, 0.5, 3.0):
            np.testing.assert_allclose(make(x * scale).toarray(), dense(f, x * scale), rtol=1e-12, atol=1e-12)


def test_a_compiled_hessian_follows_branches_and_drops_no_plan_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobians, "_MOST_PLANS", 1)

    def f(x: Array) -> Array:
        return rosenbrock(x) if x[0] > 0 else np.sum(x**4)

    make = tn.sparse_hessian(f, compile=True)
    for scale in (1.0, -1.0, 2.0, -2.0, 1.5, -1.5, 3.0):
        x = np.linspace(0.5, 1.5, 5) * scale
        np.testing.assert_allclose(make(x).toarray(), tn.hessian(f)(x), rtol=1e-12)


def test_transforms_look_like_the_function_and_are_pickled() -> None:
    make = tn.sparse_jacobian(tridiagonal, pattern=np.ones((5, 5)), mode="forward")
    assert make.__name__ == "tridiagonal"
    again = pickle.loads(pickle.dumps(make))
    np.testing.assert_allclose(again(draw(5)).toarray(), dense(tridiagonal, draw(5)))
    assert tn.sparse_hessian(rosenbrock) == tn.sparse_hessian(rosenbrock)
    assert make != tn.sparse_jacobian(tridiagonal, pattern=np.ones((5, 5)), mode="forward")
    again = pickle.loads(pickle.dumps(tn.sparsity(tridiagonal, scope="local")))
    assert again(draw(5)).shape == (5, 5)


def test_checks_watch_the_walks() -> None:
    x = draw(6)
    with tn.checks():
        np.testing.assert_allclose(tn.sparse_jacobian(tridiagonal)(x).toarray(), dense(tridiagonal, x))
        np.testing.assert_allclose(tn.sparse_hessian(rosenbrock)(x).toarray(), tn.hessian(rosenbrock)(x))
        assert tn.sparsity(tridiagonal)(x).shape == (6, 6)


# ---- errors ----


def test_errors_name_the_function_and_the_leaf() -> None:
    for make in (tn.sparse_jacobian, tn.sparsity):
        with pytest.raises(tn.ArgumentTypeError, match="y must be float or complex"):
            make(lambda x: np.argsort(x))(draw(3))
        with pytest.raises(tn.ArgumentTypeError, match=r"args\[0\]"):
            make(lambda x: x)(np.arange(3))
    with pytest.raises(tn.ArgumentError, match=r"sparse_hessian: y must be a scalar, .* or take tn.hessian"):
        tn.sparse_hessian(lambda x: x)(draw(3))


def test_memory_is_linear() -> None:
    peaks = []
    for n in (20_000, 80_000):
        make = tn.sparse_jacobian(tridiagonal)
        x = draw(n)
        tracemalloc.start()
        make(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 6 * peaks[0]
