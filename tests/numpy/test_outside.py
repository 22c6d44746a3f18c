"""NumPy outside of its main namespace: windows, emath, polynomials, iterators; and what is probed for."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

Array = Any
X = np.array([0.5, 1.5, 2.0, 4.0])
sliding_window_view = np.lib.stride_tricks.sliding_window_view

WORKS: dict[str, tuple[Callable[..., Any], Array]] = {
    "windows": (lambda x: sliding_window_view(x, 2), X),
    "windows of two axes": (lambda x: sliding_window_view(x, (2, 2)), np.arange(12.0).reshape(3, 4)),
    "windows of one axis": (lambda x: sliding_window_view(x, 3, axis=1), np.arange(12.0).reshape(3, 4)),
    "emath.sqrt": (np.emath.sqrt, X),
    "emath.sqrt of negative": (lambda x: np.real(np.emath.sqrt(-x) * (1 - 2j)), X),
    "emath.log of negative": (lambda x: np.imag(np.emath.log(-x) * (1 - 2j)), X),
    "emath.log2": (np.emath.log2, X),
    "emath.log10": (np.emath.log10, X),
    "emath.logn": (lambda x: np.emath.logn(3.0, x), X),
    "emath.power": (lambda x: np.emath.power(x, 1.5), X),
    "emath.power of negative": (lambda x: np.abs(np.emath.power(-x, 1.5)), X),
    "emath.arccos": (lambda x: np.emath.arccos(x / 5), X),
    "emath.arctanh beyond": (lambda x: np.real(np.emath.arctanh(x + 1.0)), X),
    "poly1d": (lambda x: np.poly1d(x)(2.0), X),
    "poly1d of x": (np.poly1d([1.0, 2.0, 3.0]), X),
    "chebval of x": (lambda x: np.polynomial.chebyshev.chebval(x, [1.0, 2.0, 3.0]), X),
    "polyval of x": (lambda x: np.polynomial.polynomial.polyval(x, [1.0, 2.0]), X),
    "flat": (lambda x: x.flat[1:3] * x.flat[0], X.reshape(2, 2)),
    "flat iterates": (lambda x: sum(v * v for v in x.flat), X.reshape(2, 2)),
    "add.outer": (lambda x: tnp.add.outer(x, x), X),
    "multiply.reduce": (lambda x: tnp.multiply.reduce(x, axis=0), X.reshape(2, 2)),
    "add.accumulate": (lambda x: tnp.add.accumulate(x), X),
    "maximum.reduceat": (lambda x: tnp.maximum.reduceat(x, [0, 2]), X),
    "ndindex": (lambda x: sum(x[index] for index in np.ndindex(x.shape)), X.reshape(2, 2)),
    "33 axes": (lambda x: x.reshape((1,) * 32 + (4,))[..., np.array([0, 0, 2])].ravel(), X),
}


@pytest.mark.parametrize("name", WORKS)
def test_it_works(name: str) -> None:
    f, x = WORKS[name]
    y, pullback = tn.vjp(f, x)
    np.testing.assert_allclose(y, f(x), rtol=1e-13)
    assert pullback(np.ones(np.shape(y)))[0].shape == x.shape
    check_grads(f, (x,))


SAYS: dict[str, tuple[Callable[[Array], Any], str]] = {
    "vectorize": (lambda x: tnp.vectorize(lambda v: v * v)(x), r"write tn\.vmap\(f\)\(x\)"),
    "frompyfunc": (lambda x: tnp.frompyfunc(lambda v: v, 1, 1)(x), r"Write tn\.vmap\(f\)\(x\)"),
    "ndenumerate": (lambda x: list(tnp.ndenumerate(x)), r"`for index in np\.ndindex\(x\.shape\)`"),
    "Polynomial": (np.polynomial.Polynomial, r"write tnp\.polyval\(c, x\)"),
    "Polynomial of x": (np.polynomial.Polynomial([1.0, 2.0]), r"Write np\.polynomial\.polynomial\.polyval\(x, p\.conv"),
    "Chebyshev of x": (np.polynomial.Chebyshev([1.0, 2.0]), r"Write np\.polynomial\.polynomial\.polyval\(x, p\.conv"),
    "x.flat[0] = 1": (lambda x: x.flat.__setitem__(0, 1.0), r"x\.ravel\(\)\.at\[index\]"),
    "x[()] = 1": (lambda x: x.__setitem__((), 1.0), r"x = x\.at\[\(\)\]\.set"),
    "device": (lambda x: tnp.asarray(x, device="gpu"), "device must be 'cpu' or None; got 'gpu'"),
    "device of astype": (lambda x: tnp.astype(x, np.float32, device="gpu"), "astype: device must be 'cpu'"),
    "device of full": (lambda x: tnp.full(2, x[0], device="gpu"), "full: device must be 'cpu'"),
    "device of linspace": (lambda x: tnp.linspace(x[0], 1.0, device="gpu"), "linspace: device must be 'cpu'"),
    "object": (lambda x: x.astype(object), "astype: the result must be numeric; got dtype object from float64"),
    "text": (lambda x: tnp.astype(x, "U8"), "astype: the result must be numeric; got dtype <U"),
    "A @ x": (lambda x: np.ones((2, 3)) @ x, r"matmul: x1 and x2 must have one length.* \(2, 3\) and \(4,\)"),
    "x @ A": (lambda x: x @ np.ones((3, 2)), r"matmul: x1 and x2 must have one length.* \(4,\) and \(3, 2\)"),
}


@pytest.mark.parametrize("name", SAYS)
def test_it_says_what_to_write(name: str) -> None:
    call, text = SAYS[name]
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        with pytest.raises(tn.TapenetError, match=text):
            call(x)


def test_names_that_ported_code_looks_for() -> None:
    assert tnp.random is np.random
    assert tnp.__array_api_version__ == "2024.12"
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        for name in ("flags", "strides", "data", "ctypes"):
            assert not hasattr(x, name)
            assert getattr(x, name, "absent") == "absent"
            with pytest.raises(tn.errors.ConversionError, match=rf"x\.{name}: x is a Tensor of an open tape"):
                getattr(x, name)
        assert len(x.flat) == 4
    assert x.flags.c_contiguous


def test_in_place_operators_of_arrays_show_the_line_to_write() -> None:
    total = np.zeros(4)
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        with pytest.raises(tn.ArgumentTypeError, match=r"Write total = total \+ x\."):
            total += x
        with pytest.raises(tn.ArgumentTypeError, match=r"Write total = total \* \(x \+ 1\)\."):
            total *= x + 1  # with a comment
        with pytest.raises(tn.ArgumentTypeError, match=r"Write total = tn\.at\(total\)\[:2\]\.set\(total\[:2\] - \("):
            total[:2] -= x[:2]
    np.testing.assert_array_equal(total, np.zeros(4))


def test_a_mask_of_a_mapped_function_over_fixed_data() -> None:
    d, masks = np.array([0.5, 1.0, 2.0]), np.array([[True, False, True], [False, True, True]])
    for f in (lambda m: np.sin(d, where=m), lambda m: tnp.sin(d, where=m)):
        np.testing.assert_allclose(tn.vmap(f)(masks), np.where(masks, np.sin(d), 0))
    found = tn.grad(lambda x: tnp.sum(tn.vmap(lambda m: tnp.log(x, where=m))(masks)))(d)
    np.testing.assert_allclose(found, masks.sum(0) / d)
    zeros = tn.vmap(lambda x: tnp.divide(1.0, x, where=x > 0))(np.array([[0.0, 2.0], [4.0, 0.0]]))
    np.testing.assert_array_equal(zeros, [[0, 0.5], [0.25, 0]])
    with pytest.raises(tn.ArgumentTypeError, match="sin: where must be boolean; got float64"):
        tn.grad(lambda x: tnp.sum(np.sin(d, where=x)))(d)


LISTS: dict[str, Callable[..., Any]] = {
    "sqrt": lambda xp, a, b: xp.sqrt([a, b]),
    "add": lambda xp, a, b: xp.add([a, 1.0], [b, 2.0]),
    "maximum": lambda xp, a, b: xp.maximum([a, 1.0], [b, 2.0]),
    "where": lambda xp, a, b: xp.where([True, False], [a, b], [b, b]),
    "clip": lambda xp, a, b: xp.clip([a, b], 0.0, 1.0),
    "x * list": lambda xp, a, b: xp.atleast_1d(xp.sin(a)) * [a, b],
    "list / x": lambda xp, a, b: [a, b] / xp.sin(a),
    "nested": lambda xp, a, b: xp.exp([[a, b], [1.0, a]]),
    "tuple": lambda xp, a, b: xp.hypot((a, b), (b, 1.0)),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_hold_tensors_in_elementwise_functions(name: str) -> None:
    f = LISTS[name]
    y = tn.vjp(lambda a, b: f(tnp, a, b), 0.75, 2.5)[0]
    np.testing.assert_allclose(y, f(np, 0.75, 2.5), rtol=1e-14)
    check_grads(lambda a, b: f(tnp, a, b), (0.75, 2.5))


@pytest.mark.parametrize("name", ["argmax", "argmin", "argsort", "isnan", "count_nonzero", "any", "all", "signbit"])
def test_lists_that_hold_tensors_in_functions_without_a_derivative(name: str) -> None:
    f = getattr(tnp, name)
    found = []
    tn.grad(lambda a, b: found.append(f([a, b, 1.0])) or a)(0.75, 2.5)
    np.testing.assert_array_equal(found[0], getattr(np, name)([0.75, 2.5, 1.0]))


# ---- slips that the error names ----


RESULTS: dict[str, Callable[[Array], Any]] = {
    "a view of a dict": lambda x: {"a": x}.values(),
    "a set": lambda x: {x},
    "an iterator": lambda x: iter([x]),
    "text": lambda x: {"a": x, "b": "text"},
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_would_pass_for_constants_are_refused(name: str) -> None:
    f = RESULTS[name]
    for call in (
        lambda: tn.grad(f)(1.0),
        lambda: tn.vjp(f, 1.0),
        lambda: tn.jvp(f, (1.0,), (1.0,)),
        lambda: tn.jacobian(f)(1.0),
        lambda: tn.jacfwd(f)(1.0),
        lambda: tn.vmap(f)(np.ones(2)),
    ):
        with pytest.raises(tn.ArgumentTypeError, match=r"y.* must be an array or a number; got .*Return arrays"):
            call()


def test_other_slips() -> None:
    with pytest.raises(tn.ArgumentError, match=r"a pytree of 2 leaves\. .* \(y, aux\) pass has_aux=True"):
        tn.grad(lambda x: (x * x, x))(3.0)
    with pytest.raises(tn.ArgumentError, match=r"got shape \(1,\)\..* Or take its element: y\[0\]"):
        tn.grad(lambda x: x)(np.ones(1))
    deep: Any = 1.0
    for _ in range(2000):
        deep = [deep]
    cyclic: list[Any] = [1.0]
    cyclic.append(cyclic)
    for tree in (deep, cyclic):
        with pytest.raises(tn.ArgumentError, match=r"pytrees: containers must be nested less than 1,000 deep"):
            tn.grad(lambda x: 1.0)(tree)


# ---- tapes and byte orders ----


def test_tapes_are_copied_as_themselves_and_are_pickled_once_closed() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tnp.sum(x * x)
    copied, of_x, of_y = copy.deepcopy((tape, x, y))
    np.testing.assert_array_equal(copied.gradient(of_y, of_x), 2 * X)
    assert copy.copy(tape) is tape
    assert str(pickle.loads(pickle.dumps(tape))) == str(tape)
    with (
        tn.GradientTape() as tape,
        pytest.raises(tn.errors.PicklingError, match=r"pickle: a tape must be closed; got one that is open"),
    ):
        pickle.dumps(tape)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)), X)


@pytest.mark.parametrize("order", [">f8", ">f4", ">c16"])
def test_derivatives_have_the_byte_order_of_their_source(order: str) -> None:
    x = X.astype(order)
    real = (lambda y: tnp.sum(tnp.real(y))) if order == ">c16" else tnp.sum
    for gradient in (
        tn.grad(lambda x: real(x * x))(x),
        tn.vjp(lambda x: x * x, x)[1](x)[0],
        tn.grad(lambda x: real(x * 0 + 1))(x),
        tn.grad(lambda x: real(np.ones(3)))(x),
    ):
        assert gradient.dtype.str == order


@pytest.mark.parametrize("around", [{}, {"__name__": None}], ids=["no name", "None"])
@pytest.mark.parametrize("text", [
    "np.atleast_1d(x)", "np.isnan(x)", "np.asarray(x)", "np.array([x, x])", "np.linalg.norm(x)", "np.sort(x)", "x @ x",
    "float(x)", "float(x[0])", "np.isscalar(x)", "np.array2string(x)", "np.poly1d(x)", "np.ma.sum(x)",
    "scipy.optimize.brentq(lambda y: y - x[0], -9, 9)", "scipy.linalg.expm(x)",
])  # fmt: skip
def test_code_without_a_module_gets_what_other_code_gets(text: str, around: dict[str, Any]) -> None:
    def answer(**around: Any) -> str:
        with tn.GradientTape() as tape:
            try:
                return repr(eval(text, {"np": np, "scipy": pytest.importorskip("scipy"), "x": tape.watch(X), **around}))
            except Exception as error:
                return f"{type(error)} {error}"

    assert answer(**around) == answer(__name__="__main__")
