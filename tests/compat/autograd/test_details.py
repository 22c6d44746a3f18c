"""What a drop-in must take, and what it must say."""

from __future__ import annotations

import numpy as onp
import pytest

import compat.autograd as autograd
import compat.autograd.numpy as np
import tapenet as tn
from compat.autograd import grad
from compat.autograd.builtins import DictBox, SequenceBox, isinstance as isinstance_, type as type_
from compat.autograd.core import backward_pass
from compat.autograd.extend import (
    Box,
    SparseObject,
    VSpace,
    def_linear,
    defjvp,
    defvjp,
    defvjp_argnums,
    primitive,
    register_notrace,
    vspace,
)
from compat.autograd.misc import const_graph
from compat.autograd.numpy.numpy_boxes import ArrayBox
from compat.autograd.numpy.numpy_vjps import match_complex, repeat_to_match_shape, replace_zero, unbroadcast
from compat.autograd.test_util import check_equivalent, check_grads, combo_check
from compat.autograd.util import quick_grad_check

X = onp.array([0.3, -1.2, 2.0])


def test_an_output_that_does_not_depend_on_the_input_warns_and_gives_zeros() -> None:
    with pytest.warns(UserWarning, match="independent"):
        assert grad(lambda x: 3.0)(2.0) == 0.0
    with pytest.warns(UserWarning, match="independent"):
        onp.testing.assert_array_equal(autograd.jacobian(lambda x: onp.ones(2))(X), onp.zeros((2, 3)))
    with pytest.warns(UserWarning, match="independent"):
        value, tangent = autograd.make_jvp(lambda x: onp.ones(2))(X)(X)
    onp.testing.assert_array_equal((value, tangent), [onp.ones(2), onp.zeros(2)])


@pytest.mark.parametrize("operator", [autograd.grad, autograd.value_and_grad])
def test_outputs_that_are_not_one_real_number_are_refused(operator) -> None:
    with pytest.raises(TypeError, match=r"real scalar-output functions; got shape \(3,\)"):
        operator(np.sin)(X)
    with pytest.raises(TypeError, match="real scalar-output functions"):
        operator(lambda x: np.sum(x * 1j))(X)


def test_operators_refuse_what_is_not_theirs() -> None:
    with pytest.raises(TypeError, match="argnum must be an int or a tuple of ints; got 'x'"):
        grad(np.sin, "x")
    with pytest.raises(TypeError, match="real-output"):
        autograd.elementwise_grad(lambda x: x * 1j)(X)
    with pytest.raises(TypeError, match="grad_named: argname must be one of x; got 'y'"):
        autograd.grad_named(lambda x: x, "y")
    with pytest.warns(UserWarning, match="not complex"):
        autograd.holomorphic_grad(lambda x: x**2)(2.0)
    with pytest.raises(TypeError, match="vspace: value must be an array"):
        vspace("text")
    with pytest.raises(TypeError, match=r"defvjp: a rule of sin must be a function or None; got 3"):
        defvjp(np.sin, 3)
    with pytest.raises(tn.TapenetError, match="dataclass"):
        Box.register(int)
    with pytest.raises(TypeError, match="computed from one of new_box"), tn.GradientTape() as tape:
        backward_pass(1.0, tape.watch(2.0)._node)


def test_operators_of_users_own() -> None:
    pullback, y = getattr(autograd.differential_operators, "_make_vjp")(np.sin, X)  # noqa: B009
    assert onp.allclose(pullback(onp.ones(3)), onp.cos(X))
    assert onp.allclose(y, onp.sin(X))


def test_names_of_numpy_1() -> None:
    renamed = {
        "trapz": "trapezoid",
        "product": "prod",
        "cumproduct": "cumprod",
        "row_stack": "vstack",
        "alltrue": "all",
    }
    renamed |= {
        "alltrue": "all",
        "sometrue": "any",
        "round_": "round",
        "Inf": "inf",
        "infty": "inf",
        "float_": "float64",
    }
    assert all(getattr(np, old) is getattr(np, new) for old, new in renamed.items())
    assert grad(lambda x: getattr(np, "trapz")(x))(X).tolist() == [0.5, 1.0, 0.5]  # noqa: B009


def test_assignment_says_what_to_write() -> None:
    def f(x):
        x[0] = 1.0

    with pytest.raises(TypeError, match=r"x\.at\["):
        grad(f)(X)


def test_missing_rules_are_named() -> None:
    @primitive
    def mystery(x):
        return x * 2

    with pytest.raises(NotImplementedError, match=r"VJP of mystery wrt argnums \(0,\) not defined"):
        grad(mystery)(1.0)
    defvjp(mystery, None)
    assert grad(mystery)(1.0) == 0.0
    with pytest.raises(NotImplementedError):
        autograd.make_jvp(mystery)(1.0)(1.0)
    defjvp(mystery, "same")
    assert autograd.make_jvp(mystery)(1.0)(3.0)[1] == 6.0
    defvjp(mystery, lambda ans, x: lambda g: g, argnums=[1])
    with pytest.raises(NotImplementedError, match="VJP of mystery"):
        grad(mystery)(1.0)


def test_rules_take_part_in_every_transform() -> None:
    @primitive
    def cube(x):
        assert type(x) is not tn.Tensor
        return x**3

    defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
    defjvp(cube, lambda g, ans, x: g * 3 * x**2)
    total = lambda x: np.sum(cube(x))  # noqa: E731  as users write
    onp.testing.assert_allclose(tn.grad(total)(X), 3 * X**2)
    onp.testing.assert_allclose(tn.hessian(total)(X), onp.diag(6 * X))
    onp.testing.assert_allclose(tn.jacfwd(cube)(X), onp.diag(3 * X**2))
    onp.testing.assert_allclose(tn.vmap(tn.grad(cube))(X), 3 * X**2)
    onp.testing.assert_allclose(tn.hvp(total)(X, X), 6 * X**2)
    onp.testing.assert_allclose(tn.grad(tn.checkpoint(total))(X), 3 * X**2)
    tn.testing.check_grads(total, (X,))


def test_linear_rules_sparse_cotangents_and_rules_of_all_arguments() -> None:
    @primitive
    def first(x):
        return x[0]

    def put(x):
        def add(total):
            total[0] += x
            return total

        return SparseObject(vspace(X), add)

    defvjp(first, lambda ans, x: put)
    def_linear(first)
    onp.testing.assert_array_equal(grad(first)(X), [1, 0, 0])
    assert autograd.make_jvp(first)(X)(X)[1] == X[0]

    @primitive
    def product(x, y):
        return x * y

    defvjp_argnums(product, lambda argnums, ans, args, kwargs: lambda g: [g * args[1 - i] for i in argnums])
    assert grad(product, (0, 1))(2.0, 5.0) == (5.0, 2.0)


def test_containers_are_differentiated_as_a_whole() -> None:
    @primitive
    def total(items):
        return sum(items)

    defvjp(total, lambda ans, items: lambda g: [g for _ in items])
    assert grad(lambda x: total([x, 2 * x, 3.0]))(1.0) == 3.0


def test_functions_without_trace() -> None:
    @primitive
    def rounded(x):
        return onp.round(x)

    register_notrace(type_(VSpace), rounded)
    assert grad(lambda x: x * rounded(x))(2.6) == 3.0


def test_methods_of_old_versions() -> None:
    f = autograd.primitive(lambda x, y: x * y)
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        f.defgrad(lambda ans, x, y: lambda g: g * y)
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        f.defvjp(lambda g, ans, vs, gvs, x, y: g * x, argnum=1)
    assert grad(f, (0, 1))(2.0, 5.0) == (5.0, 2.0)
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        f.defvjp_is_zero(argnums=(0,))
    assert grad(f)(2.0, 5.0) == 0.0


def test_types_of_boxes() -> None:
    def f(x):
        assert isinstance(x, Box)
        assert isinstance(x, ArrayBox)
        assert isinstance_(x, onp.ndarray)
        assert type_(x) is onp.ndarray
        assert isinstance([x], SequenceBox)
        assert isinstance({"x": x}, DictBox)
        assert np.shape(x) == (3,)
        assert not isinstance(np.shape(x), SequenceBox)
        assert np.int64(x[2]) == 2
        assert x[0]._value == 0.3
        return np.sum(x)

    grad(f)(X)
    assert np.dtype(np.int64) == onp.int64
    assert onp.zeros(2, np.int32).dtype == onp.int32


def test_solve_takes_stacks_of_vectors_as_numpy_1_did() -> None:
    a, b = onp.stack([onp.eye(2) * 2, onp.eye(2) * 4, onp.eye(2) * 5]), onp.ones((3, 2))
    onp.testing.assert_allclose(np.linalg.solve(a, b), [[0.5, 0.5], [0.25, 0.25], [0.2, 0.2]])
    onp.testing.assert_allclose(np.linalg.solve(a, b[..., None]), np.linalg.solve(a, b)[..., None])
    check_grads(lambda b: np.linalg.solve(a, b))(b)


def test_helpers_of_rules() -> None:
    meta = np.metadata(onp.ones((1, 3)))
    onp.testing.assert_array_equal(unbroadcast(onp.ones((4, 2, 3)), meta), [[8, 8, 8]])
    onp.testing.assert_array_equal(unbroadcast(onp.ones((1, 3)) * 1j, meta), onp.zeros((1, 3)))
    assert match_complex(1.0, onp.array(2j)) == 0
    assert match_complex(1j, 2.0) == 2 + 0j
    onp.testing.assert_array_equal(replace_zero(onp.array([0.0, 2.0]), 1.0), [1, 2])
    spread, count = repeat_to_match_shape(onp.array([1.0, 2.0]), (2, 3), float, 1, False)
    onp.testing.assert_array_equal(spread, [[1, 1, 1], [2, 2, 2]])
    assert count == 3
    assert repeat_to_match_shape(1.0, (), float, None, False) == (1.0, 1)
    onp.testing.assert_array_equal(np.make_diagonal(X, axis1=-1, axis2=-2), onp.diag(X))


def test_checks_find_wrong_rules() -> None:
    wrong = primitive(onp.sin)
    defvjp(wrong, lambda ans, x: lambda g: g * np.cos(x) * 1.01)
    defjvp(wrong, lambda g, ans, x: g * np.cos(x) * 1.01)
    for mode in ("fwd", "rev"):
        with pytest.raises(AssertionError):
            check_grads(wrong, modes=[mode], order=1)(X)
    with pytest.raises(AssertionError, match="VSpace mismatch"):
        check_equivalent(X, X[:2])
    combo_check(lambda x, *, n: x**n, order=2)([X, 2.0], n=[2, 3])


def test_spaces_of_users_types() -> None:
    class Pair:
        pass

    class PairSpace(VSpace):
        size = 2

    PairSpace.register(Pair)
    assert vspace(Pair()).size == 2
    assert vspace(X) == vspace(X + 1) != vspace(X[:2])
    assert hash(vspace(X)) == hash(vspace(X[:2]))
    assert repr(vspace(2.0)).startswith("ArrayVSpace_")
    assert vspace(SparseObject(vspace(X), None)) == vspace(X)


def test_where_takes_names_and_gives_pythons_own_numbers_and_lists() -> None:
    assert type(np.where(True, 1, 2)) is int
    assert np.where([True, False], [1.0, 2.0], 0.0) == [1.0, 0.0]
    assert np.where(True, onp.float32(1.0), 2.0).dtype == onp.float32
    onp.testing.assert_array_equal(np.where(condition=X > 0, x=X, y=0.0), [0.3, 0, 2])
    onp.testing.assert_array_equal(grad(lambda x: np.sum(np.where(X > 0, x, y=0.0)))(X), [1, 0, 1])
    onp.testing.assert_array_equal(grad(lambda x: np.sum(x[np.where(x > 0)]))(X), [1, 0, 1])
    with pytest.raises(ValueError, match="x and y must be given both"):
        np.where(X > 0, X)


def test_a_constant_graph_holds_a_gradient_and_runs_what_depends_on_its_arguments() -> None:
    calls = []

    @primitive
    def noted(x, name):
        calls.append(name)
        return x

    @const_graph
    def f(x, y):
        return grad(lambda x: np.sin(x) * noted(2.0, "constant"))(noted(x, "argument") * y)

    for x in (0.0, 1.0, 1.0):
        assert f(x, 0.5) == pytest.approx(2 * onp.cos(x * 0.5))
    assert calls == ["argument", "constant", "argument", "argument"]


def test_names_in_old_code() -> None:
    with pytest.warns(DeprecationWarning, match="quick_grad_check"):
        quick_grad_check(lambda x, y: np.sin(x) * y, 0.3, (2.0,), verbose=False)
    a = onp.arange(12.0).reshape(2, 2, 3)
    onp.testing.assert_array_equal(np.linalg._dot(np.linalg.T(a), a), onp.einsum("bji,bjk->bik", a, a))


def test_integer_outputs_have_no_tangents() -> None:
    @primitive
    def squares(x):
        return x**2, onp.argsort(x)

    defvjp(squares, lambda ans, x: lambda g: g[0] * 2 * x)
    defjvp(squares, lambda g, ans, x: (g * 2 * x, onp.zeros(3)))
    for order in (1, 2):
        check_grads(lambda x: squares(x)[0] * np.sin(x), order=order)(X)
    assert squares(X)[1].tolist() == [1, 0, 2]


def test_users_declare_rules_of_scipys_functions_that_have_none() -> None:
    linalg = pytest.importorskip("compat.autograd.scipy.linalg")
    bands = onp.array([[4.0, 3.0], [1.0, 0.0]])  # the diagonal, and below it
    with pytest.raises(NotImplementedError, match=r"VJP of cholesky_banded .* Write linalg\.solveh_banded"):
        grad(lambda b: np.sum(linalg.cholesky_banded(b, lower=True)))(bands)

    def rule(ans, ab, lower):
        def vjp(g):  # of a = (p, q, r): l = (sqrt(p), q / l0, sqrt(r - l1^2))
            p, q, r = ans[0, 0], ans[1, 0], ans[0, 1]
            g_q = g[1, 0] - g[0, 1] * q / r
            return np.array([[(g[0, 0] - g_q * q / p) / (2 * p), g[0, 1] / (2 * r)], [g_q / p, 0.0 * p]])

        return vjp

    defvjp(linalg.cholesky_banded, rule)
    check_grads(lambda b: linalg.cholesky_banded(b, lower=True)[0], modes=["rev"], order=1)(bands)
