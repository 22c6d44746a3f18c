"""Arrays of other libraries beside Tensors: containers take over, constants are their arrays, the rest is refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.primitive import REGISTRY

Array = Any
X = np.array([1.0, 2.0, 4.0])
D = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod]


class Duck:
    """A container that can hold any array, as pint's Quantity does, without operators of its own."""

    def __init__(self, data: Array) -> None:
        self.data = data

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **keywords: Any) -> Duck:
        return Duck(getattr(ufunc, method)(*map(inside, operands), **keywords))

    def __array_function__(self, function: Any, types: Any, operands: Any, keywords: Any) -> Duck:
        return Duck(function(*map(inside, operands), **keywords))


def inside(x: Any) -> Any:
    return x.data if isinstance(x, Duck) else list(map(inside, x)) if isinstance(x, list | tuple) else x


class Deferred:
    """A linear operator that takes part by its own operators alone."""

    __array_ufunc__ = None

    def __matmul__(self, x: Array) -> Array:
        return D @ x

    def __rmatmul__(self, x: Array) -> Array:
        return x @ D


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


# ---- containers that follow NumPy's protocols ----

BINARY = [
    name
    for name, primitive in sorted(REGISTRY.items())
    if primitive.family == "elementwise" and len(primitive.operands) == 2 and isinstance(primitive.forward, np.ufunc)
    if hasattr(np, name) and name != "ldexp"  # of integers
]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("namespace", [np, tnp])
def test_a_container_takes_an_elementwise_function_over_in_both_orders(name: str, namespace: Any) -> None:
    f, plain = getattr(namespace, name), getattr(tnp, name)
    for swap in (False, True):

        def order(x: Array, y: Array, swap: bool = swap) -> tuple[Array, Array]:
            return (y, x) if swap else (x, y)

        expected = tn.grad(lambda x: tnp.sum(plain(*order(x, 0.5 + x * x))))(X)
        same(tn.grad(lambda x: np.sum(f(*order(x, Duck(0.5 + x * x)))))(X), expected)


@pytest.mark.parametrize("operate", OPERATORS)
def test_operators_leave_the_operation_to_a_container(operate: Callable[..., Any]) -> None:
    expected = tn.grad(lambda x: tnp.sum(operate(x, 0.5 + x * x)))(X)
    same(tn.grad(lambda x: np.sum(operate(x, Duck(0.5 + x * x))))(X), expected)


def test_a_container_takes_over_a_function_of_several_arrays() -> None:
    same(tn.grad(lambda x: np.sum(np.concatenate([x, Duck(2 * x)])))(X), np.full(3, 3.0))
    with pytest.raises(tn.ArgumentTypeError, match=r"operands must not be of class .*Duck\. Pass its array: x"):
        tn.grad(lambda x: tnp.sum(tnp.concatenate([x, Duck(2 * x)])))(X)


RETURNED: dict[str, tuple[Callable[..., Any], Any]] = {
    "grad": (lambda f: tn.grad(lambda x: np.sum(f(x)))(X), 2 * X),
    "value_and_grad": (lambda f: tn.value_and_grad(lambda x: np.sum(f(x)))(X)[1], 2 * X),
    "elementwise_grad": (lambda f: tn.elementwise_grad(f)(X), 2 * X),
    "jacobian": (lambda f: tn.jacobian(f)(X), np.diag(2 * X)),
    "jacfwd": (lambda f: tn.jacfwd(f)(X), np.diag(2 * X)),
    "hessian": (lambda f: tn.hessian(lambda x: np.sum(f(x)))(X), 2 * np.eye(3)),
    "hvp": (lambda f: tn.hvp(lambda x: np.sum(f(x)))(X, X), 2 * X),
    "vjp": (lambda f: tn.vjp(f, X)[1](X)[0], 2 * X * X),
    "jvp": (lambda f: tn.jvp(f, (X,), (X,))[1], 2 * X * X),
    "linearize": (lambda f: tn.linearize(f, X)[1](X), 2 * X * X),
    "vmap": (lambda f: tn.vmap(f)(X), X * X),
    "checkpoint": (lambda f: tn.grad(lambda x: np.sum(tn.checkpoint(f)(x)))(X), 2 * X),
}


@pytest.mark.parametrize("name", RETURNED)
def test_every_transform_sees_through_a_container_that_is_returned(name: str) -> None:
    transform, expected = RETURNED[name]
    np.testing.assert_allclose(transform(lambda x: np.multiply(Duck(x), x)), expected)


def test_a_tape_sees_through_a_container() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = np.sum(np.multiply(Duck(x), x))
    same(tape.gradient(y, x), 2 * X)
    same(tape.jvp(y, x, X), np.float64(42.0))
    same(tape.replay(2 * X, y), np.float64(84.0))


# ---- what defers ----


def test_an_operand_that_opts_out_of_ufuncs_is_deferred_to() -> None:
    same(tn.grad(lambda x: tnp.sum(Deferred() @ x))(X), D.sum(0))
    same(tn.grad(lambda x: tnp.sum(x @ Deferred()))(X[:2]), D.sum(1))
    with pytest.raises(TypeError, match="unsupported operand"):
        tn.grad(lambda x: tnp.sum(x * Deferred()))(X)
    with pytest.raises(tn.ArgumentTypeError, match=r"multiply: operands must not be of class .*Deferred"):
        tn.grad(lambda x: tnp.sum(tnp.multiply(x, Deferred())))(X)


# ---- constants ----


class Subclass(np.ndarray):
    """A subclass of ndarray that changes nothing."""


@pytest.mark.parametrize("operate", OPERATORS)
def test_a_subclass_of_ndarray_is_its_plain_array(operate: Callable[..., Any]) -> None:
    constant = np.array([0.5, 1.5, 3.0])
    for f in (operate, lambda x, c: operate(c, x)):
        expected = tn.grad(lambda x, f=f: tnp.sum(f(x, constant)))(X)
        same(tn.grad(lambda x, f=f: tnp.sum(f(x, constant.view(Subclass))))(X), expected)


def test_derivatives_by_a_subclass_of_ndarray_are_plain_arrays() -> None:
    x = X.view(Subclass)
    same(tn.grad(lambda x: tnp.sum(x * x))(x), 2 * X)
    same(tn.jvp(lambda x: x * x, (x,), (x,))[1], 2 * X * X)
    same(tn.vjp(lambda x: x * x, X)[1](x)[0], 2 * X * X)


MASKED = np.ma.array(X, mask=[0, 1, 0])
IMAGE = np.ma.array(np.ones((1, 3, 3, 1)), mask=np.eye(3).reshape(1, 3, 3, 1))
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tn.grad(lambda x: tnp.sum(x * MASKED))(X), "multiply: operands must not be masked"),
        (lambda: tn.grad(tnp.sum)(MASKED), r"grad: args\[0\] must not be masked"),
        (lambda: tn.jvp(tnp.trace, (MATRIX,), (MATRIX,)), r"jvp: args\[0\] must not be of class numpy.matrix"),
        (lambda: tn.vmap(tnp.sum)(np.ma.array(D, mask=D > 1)), r"vmap: args\[0\] must not be masked"),
        (lambda: tn.vmap(tnp.sum)(MATRIX), r"vmap: args\[0\] must not be of class numpy.matrix"),
        (lambda: tn.vjp(tnp.sin, X)[1](MASKED), r"pullback: y_bar must not be masked"),
        (lambda: tn.grad(lambda x: tnp.sum(x[np.ma.array([0, 1])]))(X), "getitem: an index must not be masked"),
        (lambda: tn.grad(lambda x: tnp.sum(x @ MATRIX))(X[:2]), "of class numpy.matrix"),
        (lambda: tn.grad(lambda x: tn.nn.mean_squared_error(x, MASKED))(X), "must not be masked"),
        (lambda: tn.grad(lambda k: tnp.sum(tn.nn.conv(IMAGE, k)))(np.ones((2, 2, 1, 1))), "must not be masked"),
        (lambda: tn.optim.sgd(0.1).update(MASKED, tn.optim.sgd(0.1).init(X), X), "gradients must not be masked"),
        (lambda: tn.optim.sgd(0.1).init(MATRIX), "params must not be of class numpy.matrix"),
        (lambda: tn.grad(lambda x: tnp.sum(tnp.linalg.solve(MATRIX, x)))(X[:2]), "of class numpy.matrix"),
        (lambda: tn.grad(lambda x: tnp.sum(tnp.take(x, np.ma.array([0, 1]))))(X), "must not be masked"),
        (lambda: tn.grad(lambda x: tnp.sum(tnp.stack([x, MASKED])))(X), "must not be masked"),
        (lambda: tn.vmap(lambda x: tnp.sum(x * MASKED))(D), "multiply: operands must not be masked"),
        (lambda: tn.vmap(lambda x, y: x * y, in_axes=(0, None))(D, MASKED), "multiply: operands must not be masked"),
        (lambda: tn.grad(lambda x: tn.checkpoint(lambda a, b: tnp.sum(a * b))(x, MASKED))(X), "must not be masked"),
    ],
)
def test_masked_arrays_and_matrices_are_refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(tn.ArgumentTypeError, match=text):
        call()


def test_a_masked_array_s_own_operators_are_refused() -> None:
    with pytest.raises(tn.errors.ConversionError, match=r"masked array is not supported: fill it first"):
        tn.grad(lambda x: tnp.sum(MASKED * x))(X)


# ---- libraries ----


def test_xarray() -> None:
    xr = pytest.importorskip("xarray")
    labelled = xr.DataArray([1.0, 2.0, 3.0], dims="t", coords={"t": [10, 20, 30]})
    for product in (lambda w: labelled * w, lambda w: w * labelled, lambda w: np.multiply(w, labelled)):
        same(tn.grad(lambda w, product=product: product(w).sum())(X), labelled.values)
        same(tn.jacobian(lambda w, product=product: product(w).sel(t=20))(X), np.array([0.0, 2.0, 0.0]))
    same(tn.grad(lambda w: (w - xr.DataArray(w * w, dims="t")).sum())(X), 1 - 2 * X)
    same(tn.grad(lambda w: (xr.DataArray(w, dims="t") ** 2).mean("t"))(X), 2 * X / 3)
    with pytest.raises(tn.ArgumentTypeError, match=r"grad: args\[0\] must not be of class xarray.DataArray.* x.data"):
        tn.grad(lambda w: w.sum())(labelled)


def test_pint() -> None:
    pint = pytest.importorskip("pint")
    quantity = pint.UnitRegistry().Quantity
    same(tn.grad(lambda x: (x - quantity(2 * x)).sum())(X), -np.ones(3))
    same(tn.grad(lambda x: (quantity(2 * x) - x).sum())(X), np.ones(3))
    same(tn.grad(lambda x: np.maximum(x, quantity(2 * x)).sum())(X), np.full(3, 2.0))
    same(tn.grad(lambda x: (quantity(x, "m") * quantity(x, "s")).to("km*s").sum())(X), 2e-3 * X)
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = x * quantity(np.ones(3), "m")
        assert str(y.units) == "meter"
        assert type(y.magnitude) is tn.Tensor


def test_pandas() -> None:
    pd = pytest.importorskip("pandas")
    series = pd.Series([1.0, 2.0, 3.0], index=[5, 6, 7])
    for operate in OPERATORS:
        for f in (operate, lambda x, c, operate=operate: operate(c, x)):
            expected = tn.grad(lambda x, f=f: tnp.sum(f(x, series.to_numpy())))(X)
            same(tn.grad(lambda x, f=f: tnp.sum(f(x, series)))(X), expected)
    same(tn.grad(lambda x: tnp.sum(np.multiply(series, x)))(X), series.to_numpy())
    frame = pd.DataFrame(D, index=["a", "b"])
    same(tn.grad(lambda x: tnp.sum(tnp.matmul(frame, x) - pd.Series([1.0, 2.0], index=["a", "b"])))(X), D.sum(0))
    same(tn.grad(lambda x: tnp.sum(frame * x))(X), D.sum(0))
    with pytest.raises(tn.errors.ConversionError, match=r"write df\.to_numpy\(\) @ x"):
        tn.grad(lambda x: tnp.sum(frame @ x))(X)


def test_pandas_labels_that_would_have_been_aligned_are_an_error() -> None:
    pd = pytest.importorskip("pandas")
    a, b = pd.Series([1.0, 2.0, 3.0], index=[5, 6, 7]), pd.Series([1.0, 2.0, 3.0], index=[6, 7, 8])
    same(tn.grad(lambda x: tnp.sum(x * a + x * (a + 1)))(X), 2 * a.to_numpy() + 1)
    same(tn.grad(lambda x: tnp.sum(x * a) + tnp.sum(x[:2] * b[:2]))(X), np.array([2.0, 4.0, 3.0]))
    with pytest.raises(tn.ArgumentError, match=r"multiply: labels .* got \[6, 7, 8\] after \[5, 6, 7\]\. Align them"):
        tn.grad(lambda x: tnp.sum(x * a + x * b))(X)
    same(tn.grad(lambda x: tnp.sum(x * a + x * b.to_numpy()))(X), a.to_numpy() + b.to_numpy())


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_array", "csr_matrix", "coo_matrix"])
def test_scipy_sparse_matrices_are_constants_on_either_side(kind: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    s = getattr(sparse, kind)(D)
    w, v = X, np.array([2.0, -1.0])
    pairs: list[tuple[Callable[..., Any], Callable[..., Any], Array]] = [
        (lambda x: s @ x, lambda x: D @ x, w),
        (lambda x: x @ s, lambda x: x @ D, v),
        (lambda x: x @ s @ x.T, lambda x: x @ D @ x.T, np.outer([1.0, 2.0, 3.0], v)[:, :2]),
        (lambda x: np.matmul(s, x), lambda x: D @ x, w),
        (lambda x: s * 2.0 * x[0], lambda x: D * 2.0 * x[0], w),
        (lambda x: x[0] * s, lambda x: x[0] * D, w),
        (lambda x: s + x, lambda x: D + x, w),
        (lambda x: x - s, lambda x: x - D, w),
        (lambda x: s * x, (lambda x: D * x) if kind.endswith("array") else (lambda x: D @ x), w),
    ]
    pairs[2] = (lambda x: s @ x @ s, lambda x: D @ x @ D, np.arange(6.0).reshape(3, 2))
    for found, expected, at in pairs:
        y, expected_y = (tn.vjp(lambda x, f=f: tnp.sum(f(x) ** 2), at) for f in (found, expected))
        np.testing.assert_allclose(y[0], expected_y[0])
        same(y[1](1.0)[0], expected_y[1](1.0)[0])
        np.testing.assert_allclose(tn.jacfwd(found)(at), tn.jacobian(expected)(at))
    np.testing.assert_allclose(tn.vmap(lambda x: s @ x)(np.eye(3)), D.T)


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_arrays_of_other_libraries_are_refused(library: str) -> None:
    package = pytest.importorskip(library)
    other = package.asarray([1.0, 2.0, 3.0])
    for call in (lambda: tn.grad(tnp.sum)(other), lambda: tn.grad(lambda x: tnp.sum(tnp.multiply(x, other)))(X)):
        with pytest.raises(tn.ArgumentTypeError, match=r"must not be of class .*Write np\.asarray\(x\)"):
            call()
