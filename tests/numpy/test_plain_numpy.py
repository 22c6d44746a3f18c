"""Plain NumPy on Tensors: ufuncs with their keywords and methods, ndarray's methods and operators, lists, refusals."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.testing import check_grads

Array = Any
X = np.array([[0.5, -1.5, 2.0], [1.25, 0.75, -0.25]])
MASK = np.array([True, False, True])


def on_tape(f: Callable[..., Any], *arrays: Array) -> Any:
    with tn.GradientTape() as tape:
        y = f(*tape.watch(arrays))
        assert type(y) is tn.Tensor
    return np.asarray(y)


def assert_same(f: Callable[..., Array], *arrays: Array, exactly: bool = False) -> None:
    """Recorded and plain values agree, and derivatives are right."""
    expected = f(*arrays)
    found = on_tape(f, *arrays)
    assert found.shape == np.shape(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0 if exactly else 1e-12)
    check_grads(f, arrays)


# ---- keywords of ufuncs ----


def test_where_computes_nothing_off_the_mask_and_has_derivative_zero_there() -> None:
    x = np.array([2.0, 0.0, 4.0])
    y, pullback = tn.vjp(lambda x: np.log(x, where=x > 0), x)
    np.testing.assert_allclose(y, [np.log(2), 0, np.log(4)])
    np.testing.assert_array_equal(pullback(np.ones(3))[0], [0.5, 0.0, 0.25])
    np.testing.assert_array_equal(tn.grad(lambda x: tnp.sqrt(x, where=x > 0).sum())(np.array([0.0, 4.0])), [0, 0.25])


def test_where_broadcasts_and_takes_the_mask_from_a_comparison_of_tensors() -> None:
    f = lambda x, y: np.divide(x, y, where=MASK)  # noqa: E731  # read beside what it is compared with
    np.testing.assert_array_equal(on_tape(f, X, np.array([2.0, 0.0, 4.0])), X / [2, 1, 4] * MASK)
    g = tn.grad(lambda x: np.square(x, where=x > 0).sum())
    np.testing.assert_array_equal(g(X), 2 * X * (X > 0))


def test_where_of_a_scalar_and_of_nested_tapes() -> None:
    assert tn.grad(lambda x: np.exp(x, where=np.array(False)))(1.0) == 0
    assert tn.grad(tn.grad(lambda x: np.exp(x, where=np.array(True)).sum()))(0.0) == 1


def test_dtype_casts_the_operands() -> None:
    y = on_tape(lambda x: np.multiply(x, x, dtype=np.float32), X)
    assert y.dtype == np.float32
    assert tn.grad(lambda x: np.multiply(x, x, dtype=np.float32).sum())(X).dtype == np.float64
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"exp: dtype must be one that float64 casts to .* got int64"):
        on_tape(lambda x: np.exp(x, dtype=np.int64), X)


def test_out_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"sin: out= must not be given .* Write y = sin\(\.\.\.\)"):
        on_tape(lambda x: np.sin(x, out=np.empty(X.shape)), X)
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"sum: out= must not be given .* Write y = sum\(\.\.\.\)"):
        on_tape(lambda x: np.sum(x, out=np.empty(())), X)
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"cumprod: out= must not be given"):
        on_tape(lambda x: np.cumprod(x, 0, None, np.empty(X.shape)), X)
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"median: out= must not be given"):
        on_tape(lambda x: np.median(x, None, np.empty(())), X)
    a = np.zeros(X.shape)
    with pytest.raises(tn.errors.ArgumentTypeError, match=r"add: out= .* a = a \+ x in place of a \+= x"):
        on_tape(lambda x: operator.iadd(a, x), X)


def test_in_place_operators_on_a_tensor_bind_a_new_value() -> None:
    def f(x: Array) -> Array:
        y = x
        y += 1
        y *= x
        return y.sum()

    np.testing.assert_array_equal(tn.grad(f)(X), 2 * X + 1)


# ---- methods of ufuncs ----

REDUCED = ["add", "multiply", "maximum", "minimum", "fmax", "fmin", "subtract", "logaddexp", "hypot", "float_power"]


@pytest.mark.parametrize("name", REDUCED)
@pytest.mark.parametrize("keywords", [{}, {"axis": -1}, {"axis": 0, "keepdims": True}])
def test_reduce(name: str, keywords: dict[str, Any]) -> None:
    positive = np.abs(X) + 0.1 * np.arange(3)
    assert_same(lambda x: getattr(np, name).reduce(x, **keywords), positive)


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum"])
def test_reduce_with_initial_where_and_dtype(name: str) -> None:
    f = lambda x: getattr(np, name).reduce(x, axis=1, initial=0.6, where=MASK, dtype=np.longdouble)  # noqa: E731
    np.testing.assert_allclose(on_tape(f, X), f(X))
    check_grads(f, (X,))


def test_reduce_over_several_axes_and_over_none() -> None:
    assert_same(lambda x: np.add.reduce(x, axis=(0, 1)), X)
    assert_same(lambda x: np.add.reduce(x, axis=None), X)
    assert_same(lambda x: np.logaddexp.reduce(x, axis=None), X)
    with pytest.raises(tn.errors.ArgumentError, match=r"subtract.reduce: axis must be one axis, .* got \(0, 1\)"):
        on_tape(lambda x: np.subtract.reduce(x, axis=(0, 1)), X)


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "subtract", "logaddexp"])
def test_accumulate_and_outer_and_reduceat(name: str) -> None:
    ufunc = getattr(np, name)
    assert_same(ufunc.accumulate, X)
    assert_same(lambda x: ufunc.accumulate(x, axis=-1), X)
    assert_same(lambda x: ufunc.outer(x, [0.3, 1.7]), X)
    assert_same(lambda x: ufunc.outer([0.3, 1.7], x), X)
    assert_same(lambda x: ufunc.reduceat(x, [0, 2, 1], axis=1), X)


def test_at_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(tn.errors.AssignmentError, match=r"add.at: it writes into .* a = a\.at\[indices\]\.add\(b\)"):
        on_tape(lambda x: np.add.at(np.zeros(2), [0, 1], x), np.ones(2))


def test_methods_of_functions_without_a_derivative_give_plain_arrays() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        np.testing.assert_array_equal(np.greater.outer(x, [0.0]), np.greater.outer(X, [0.0]))
        np.testing.assert_array_equal(np.logical_and.reduce(x), np.logical_and.reduce(X))


# ---- ndarray's attributes ----

NOT_FOR_A_VALUE = {
    "__array_finalize__", "__array_interface__", "__array_priority__", "__array_struct__", "__array_wrap__",
    "__class_getitem__", "__setstate__", "tostring", "__iadd__", "__iand__", "__ifloordiv__", "__ilshift__",
    "__imatmul__", "__imod__", "__imul__", "__ior__", "__ipow__", "__irshift__", "__isub__", "__itruediv__", "__ixor__",
}  # fmt: skip  # how subclasses are made, and operators that write in place: without them `x += y` is `x = x + y`


def test_each_attribute_of_ndarray_is_there() -> None:
    assert set(dir(np.ndarray)) - set(dir(tn.Tensor)) <= NOT_FOR_A_VALUE


METHODS: dict[str, Callable[[Array], Array]] = {
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "real": lambda x: x.real,
    "imag": lambda x: (x * 1j).imag,
    "astype": lambda x: x.astype(np.longdouble),
    "choose": lambda x: np.array([1, 0, 1]).choose([1.0, 2.0]) * x,
    "clip": lambda x: x.clip(-1, max=1),
    "compress": lambda x: x.compress([True, False], axis=0),
    "conj": lambda x: x.conj(),
    "copy": lambda x: x.copy() * x,
    "cumprod": lambda x: x.cumprod(axis=1),
    "cumsum": lambda x: x.cumsum(),
    "diagonal": lambda x: x.diagonal(1),
    "dot": lambda x: x.dot([1.0, 2.0, 3.0]),
    "flatten": lambda x: x.flatten("F"),
    "max": lambda x: x.max(axis=0, keepdims=True),
    "mean": lambda x: x.mean((0, 1)),
    "min": lambda x: x.min(1),
    "prod": lambda x: x.prod(),
    "ravel": lambda x: x.ravel(),
    "repeat": lambda x: x.repeat([1, 2], axis=0),
    "reshape": lambda x: x.reshape(3, -1),
    "round": lambda x: (x + 0.02).round(1) + x,
    "squeeze": lambda x: x[None].squeeze(0),
    "std": lambda x: x.std(axis=0, ddof=1),
    "sum": lambda x: x.sum(axis=-1, where=MASK),
    "swapaxes": lambda x: x.swapaxes(0, -1),
    "take": lambda x: x.take([0, 2], axis=1),
    "to_device": lambda x: x.to_device("cpu") * x,
    "trace": lambda x: x.trace(),
    "transpose": lambda x: x.transpose(1, 0),
    "var": lambda x: x.var(axis=0),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    if name == "to_device" and not hasattr(np.ndarray, name):
        pytest.skip("this NumPy has none")
    assert_same(METHODS[name], X)


REFUSED = {
    "sort": r"x = tnp\.sort\(x\)",
    "fill": r"x = tnp\.full_like\(x, value\)",
    "put": r"x = x\.ravel\(\)\.at\[indices\]\.set\(values\)",
    "partition": r"x = tnp\.partition\(x, kth\)",
    "resize": r"x = tnp\.resize\(x, shape\)",
    "setfield": r"x = x\.at\[index\]\.set\(value\)",
    "byteswap": r"x\.value\.byteswap\(\)",
    "getfield": r"x\.value\.getfield\(dtype\)",
    "view": r"x\.astype\(dtype\)",
}


@pytest.mark.parametrize("name", REFUSED)
def test_methods_that_write_are_refused_with_the_line_to_write(name: str) -> None:
    with pytest.raises(tn.errors.AssignmentError, match=rf"x\.{name}\(\.\.\.\): .* Write {REFUSED[name]}"):
        on_tape(lambda x: getattr(x, name)(0), X)


@pytest.mark.parametrize("name", ["tobytes", "dumps", "__dlpack__"])
def test_bytes_are_given_once_the_tape_has_closed(name: str) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        with pytest.raises(tn.errors.ConversionError, match=rf"x\.{name}\(\.\.\.\): x is a Tensor of an open tape"):
            getattr(x, name)()
    assert getattr(x, name)() is not None
    assert x.tobytes() == X.tobytes()


def test_what_describes_an_array() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        assert (x.itemsize, x.nbytes, x.size, x.ndim, x.device) == (8, 48, 6, 2, "cpu")
        assert 0.75 in x
        assert 0.8 not in x
        assert [float(v.value) for v in x.flat] == X.ravel().tolist()
        with pytest.raises(tn.errors.ConversionError, match=r"x\.strides: x is a Tensor of an open tape"):
            _ = x.strides
    assert x.strides == X.strides


# ---- operators ----

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.floordiv]


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_with_an_array_on_either_side(op: Callable[[Array, Array], Array]) -> None:
    x, y = X + 0.03, np.array([1.1, 2.3, 0.7])  # no quotient is near an integer, where a remainder jumps
    assert_same(op, x, y)
    assert_same(lambda x: op(y, x), x)
    assert_same(lambda x: op(x, y), x)
    assert_same(lambda x: op(np.float64(1.3), x), x)
    assert_same(lambda x: op(1.3, x) + op(x, 2), x)


def test_matrix_products_powers_and_divmod_with_an_array_on_either_side() -> None:
    y = np.array([[1.1], [2.3], [0.7]])
    assert_same(lambda x: x @ y, X)
    assert_same(lambda x: y.T @ x.T, X)
    assert_same(lambda x: np.abs(x) ** y.T, X)
    assert_same(lambda x: np.abs(y.T) ** x, X)
    assert_same(lambda x: divmod(x, 0.7)[1] + divmod(9.1, x)[1], X)


@pytest.mark.parametrize("op", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_give_plain_arrays(op: Callable[[Array, Array], Array]) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        for found, expected in ((op(x, 0.5), op(X, 0.5)), (op(X, x), op(X, X))):
            assert type(found) is np.ndarray
            np.testing.assert_array_equal(found, expected)


# ---- lists ----

IN_LISTS: dict[str, Callable[[Array, Array], Array]] = {
    "array": lambda x, y: tnp.array([[x, 1.0], [y, x]]),
    "asarray": lambda x, y: tnp.asarray((x, y)),
    "stack": lambda x, y: np.stack([x, y, 2.0]),
    "concatenate": lambda x, y: np.concatenate([[x, 1.0], np.ones(2) * y]),
    "hstack": lambda x, y: np.hstack([x, 1.0, y]),
    "column_stack": lambda x, y: tnp.column_stack([[x, 1.0], [y, 2.0]]),
    "block": lambda x, y: np.block([[x, y], [1.0, x]]),
    "append": lambda x, y: tnp.append([x, y], [1.0]),
    "select": lambda x, y: np.select([np.array([True, False])], [x], y),
    "sum": lambda x, y: tnp.sum([x, y]),
    "mean": lambda x, y: tnp.mean([x, y, 0.0]),
    "std": lambda x, y: tnp.std([x, y, 0.0]),
    "max": lambda x, y: tnp.max([x, y]),
    "prod": lambda x, y: tnp.prod([x, y, x]),
    "median": lambda x, y: tnp.median([x, y, 0.0]),
    "cumsum": lambda x, y: tnp.cumsum([x, y]),
    "dot": lambda x, y: tnp.dot([x, y], [1.0, 2.0]),
    "matmul": lambda x, y: tnp.matmul([[x, y]], [x, 2.0]),
    "outer": lambda x, y: tnp.outer([x, 1.0], [y, 2.0]),
    "einsum": lambda x, y: tnp.einsum("i,i", [x, 1.0], [y, 2.0]),
    "where": lambda x, y: tnp.where([True, False], [x, y], [y, x]),
    "clip": lambda x, y: tnp.clip([x, y], -9, 9),
    "sort": lambda x, y: tnp.sort([x, y]),
    "reshape": lambda x, y: tnp.reshape([x, y], (2, 1)),
    "interp": lambda x, y: tnp.interp([0.5], [0.0, 1.0], [x, y]),
    "polyval": lambda x, y: tnp.polyval([x, y], 3.0),
    "norm": lambda x, y: tnp.linalg.norm([x, y]),
    "det": lambda x, y: tnp.linalg.det([[x, 1.0], [2.0, y]]),
    "fft": lambda x, y: tnp.fft.fft([x, y]),
    "r_": lambda x, y: tnp.r_[x, 1.0, y],
    "c_": lambda x, y: tnp.c_[np.ones(2) * x, np.ones(2) * y],
}


@pytest.mark.parametrize("name", IN_LISTS)
def test_lists_that_hold_tensors(name: str) -> None:
    check_grads(IN_LISTS[name], (0.6, -1.3))
    with tn.GradientTape() as tape:
        x, y = tape.watch((0.6, -1.3))
        assert type(IN_LISTS[name](x, y)) is tn.Tensor


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.array([x, x]),
        lambda x: np.asarray([x, 1.0]),
        lambda x: np.mean([x, x]),
        lambda x: np.r_[x, 1.0],
        lambda x: np.c_[x, 1.0],
        lambda x: np.full(2, x),
        lambda x: np.vectorize(lambda v: v)(x),
        lambda x: np.linalg.norm([x, x]),
    ],
)
def test_where_numpy_does_not_ask_a_tensor_it_raises_and_says_what_to_write(f: Callable[[Array], Array]) -> None:
    with pytest.raises(tn.errors.ConversionError, match=r"Write x\.value .* or a\s+function of tapenet\.numpy"):
        on_tape(f, np.float64(2.0))


def test_pad_takes_widths_by_axis() -> None:
    assert_same(lambda x: tnp.pad(x, {-1: (1, 2)}) if type(x) is tn.Tensor else np.pad(x, ((0, 0), (1, 2))), X)
    assert_same(
        lambda x: tnp.pad(x, {0: 2}, "edge") if type(x) is tn.Tensor else np.pad(x, ((2, 2), (0, 0)), "edge"), X
    )


# ---- r_ and c_ ----

JOINED: list[Callable[[Any, Array], Array]] = [
    lambda xp, x: xp.r_[x, 0:3, 1.5],
    lambda xp, x: xp.r_[x],
    lambda xp, x: xp.r_["0,2", x, x],
    lambda xp, x: xp.r_["-1,2,0", x, x],
    lambda xp, x: xp.r_["1,3,0", x, [1.0, 2.0]] if x.ndim == 1 and len(x) == 2 else xp.r_[x],
    lambda xp, x: xp.c_[x, x * x],
    lambda xp, x: xp.c_[x, [[1.0], [2.0]], 1:3],
]


@pytest.mark.parametrize("f", JOINED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_r_and_c_join_as_numpy_does(f: Callable[[Any, Array], Array], dtype: Any) -> None:
    x = np.array([0.5, -1.5], dtype)
    expected = f(np, x)
    found = on_tape(lambda x: f(tnp, x), x)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(f(tnp, x), expected)


def test_r_refuses_letters_with_a_tensor() -> None:
    with pytest.raises(tn.errors.ArgumentError, match=r"r_: a string must be numbers .* got 'r'"):
        on_tape(lambda x: tnp.r_["r", x], np.ones(2))


# ---- refusals ----

WRITERS: dict[str, Callable[[Array], Any]] = {
    "copyto": lambda x: np.copyto(np.zeros(2), x),
    "fill_diagonal": lambda x: np.fill_diagonal(x, 1.0),
    "place": lambda x: np.place(np.zeros(2), [True, True], x),
    "put": lambda x: np.put(np.zeros(2), [0, 1], x),
    "putmask": lambda x: tnp.putmask(np.zeros(2), [True, True], x),
    "put_along_axis": lambda x: np.put_along_axis(np.zeros(2), np.array([0, 1]), x, 0),
    "save": lambda x: np.save("never", x),
    "savez": lambda x: np.savez("never", x=x),
    "savez_compressed": lambda x: np.savez_compressed("never", x),
    "savetxt": lambda x: np.savetxt("never", x),
    "asmatrix": lambda x: tnp.asmatrix(x),
    "bmat": lambda x: tnp.bmat([[x]]),
    "require": lambda x: tnp.require(x, requirements="C"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_writes_is_refused_with_the_line_to_write(name: str) -> None:
    from tapenet.ops.arrays.refusals import REFUSED as INSTEAD

    instead = re.escape(INSTEAD[name])
    with pytest.raises((tn.errors.AssignmentError, tn.errors.ConversionError), match=rf"{name}: .* Write {instead}"):
        on_tape(WRITERS[name], np.ones(2))


def test_what_is_refused_with_a_tensor_is_numpy_s_own_without_one() -> None:
    a = np.zeros(3)
    tnp.put(a, [1], 5.0)
    tnp.copyto(a, 7.0, where=a == 0)
    assert a.tolist() == [7.0, 5.0, 7.0]


# ---- empty arrays and scalars ----

OF_ONE_ARRAY: dict[str, Callable[[Any, Array], Any]] = {
    "sum": lambda xp, x: xp.sum(x, axis=0),
    "sum-all": lambda xp, x: xp.sum(x),
    "prod": lambda xp, x: xp.prod(x, axis=-1),
    "max": lambda xp, x: xp.max(x, axis=-1),
    "max-initial": lambda xp, x: xp.max(x, axis=0, initial=3.0),
    "nanmax": lambda xp, x: xp.nanmax(x, axis=0),
    "ptp": lambda xp, x: xp.ptp(x, axis=-1),
    "cumsum": lambda xp, x: xp.cumsum(x, axis=-1),
    "cumprod": lambda xp, x: xp.cumprod(x),
    "cumprod-axis": lambda xp, x: xp.cumprod(x, axis=0),
    "diff": lambda xp, x: xp.diff(x),
    "diff-2": lambda xp, x: xp.diff(x, n=2, axis=0),
    "ediff1d": lambda xp, x: xp.ediff1d(x),
    "repeat": lambda xp, x: xp.repeat(x, 0),
    "repeat-2": lambda xp, x: xp.repeat(x, 2, axis=0),
    "tile": lambda xp, x: xp.tile(x, (2, 0)),
    "resize": lambda xp, x: xp.resize(x, (0,)),
    "sort": lambda xp, x: xp.sort(x, axis=-1),
    "sort-all": lambda xp, x: xp.sort(x, axis=None),
    "unique": lambda xp, x: xp.unique(x),
    "flip": lambda xp, x: xp.flip(x),
    "roll": lambda xp, x: xp.roll(x, 1),
    "rot90": lambda xp, x: xp.rot90(x),
    "pad": lambda xp, x: xp.pad(x, 1),
    "pad-edge": lambda xp, x: xp.pad(x, 1, "edge"),
    "pad-mean": lambda xp, x: xp.pad(x, 0, "mean"),
    "ravel": lambda xp, x: xp.ravel(x),
    "transpose": lambda xp, x: xp.transpose(x),
    "concatenate": lambda xp, x: xp.concatenate([x, x], axis=-1),
    "stack": lambda xp, x: xp.stack([x, x], axis=-1),
    "append": lambda xp, x: xp.append(x, x),
    "insert": lambda xp, x: xp.insert(x, 0, 1.0),
    "delete": lambda xp, x: xp.delete(x, []),
    "split": lambda xp, x: xp.split(x, 1),
    "atleast_3d": lambda xp, x: xp.atleast_3d(x),
    "diag": lambda xp, x: xp.diag(x),
    "tril": lambda xp, x: xp.tril(x),
    "trace": lambda xp, x: xp.trace(x),
    "dot": lambda xp, x: xp.dot(x, x.T),
    "vdot": lambda xp, x: xp.vdot(x, x),
    "outer": lambda xp, x: xp.outer(x, x),
    "inner": lambda xp, x: xp.inner(x, x),
    "kron": lambda xp, x: xp.kron(x, x),
    "einsum": lambda xp, x: xp.einsum("...i,...i->...", x, x),
    "tensordot": lambda xp, x: xp.tensordot(x, x, 0),
    "take": lambda xp, x: xp.take(x, []),
    "compress": lambda xp, x: xp.compress([], x),
    "extract": lambda xp, x: xp.extract(x > 0, x),
    "where": lambda xp, x: xp.where(x > 0, x, 0.0),
    "select": lambda xp, x: xp.select([x > 0], [x]),
    "piecewise": lambda xp, x: xp.piecewise(x, [x > 0], [lambda v: 2 * v]),
    "trim_zeros": lambda xp, x: xp.trim_zeros(xp.ravel(x)),
    "trapezoid": lambda xp, x: xp.trapezoid(x),
    "interp": lambda xp, x: xp.interp(x, [0.0, 1.0], [1.0, 2.0]),
    "unwrap": lambda xp, x: xp.unwrap(x),
    "nan_to_num": lambda xp, x: xp.nan_to_num(x),
    "clip": lambda xp, x: xp.clip(x, 0, 1),
    "round": lambda xp, x: xp.round(x),
    "polyval": lambda xp, x: xp.polyval(x, 2.0),
    "vander": lambda xp, x: xp.vander(x),
    "meshgrid": lambda xp, x: xp.meshgrid(x, x),
    "apply_over_axes": lambda xp, x: xp.apply_over_axes(xp.sum, x, 0),
    "linspace": lambda xp, x: xp.linspace(x, 1.0, 0),
    "full_like": lambda xp, x: xp.full_like(x, 2.0) + x,
    "sin": lambda xp, x: xp.sin(x),
    "add": lambda xp, x: xp.add(x, x),
    "modf": lambda xp, x: xp.modf(x),
    "frexp": lambda xp, x: xp.frexp(x)[0],
    "masked": lambda xp, x: xp.nan_to_num(xp.exp(x, where=np.zeros(x.shape, bool))) * 0,  # NumPy's memory is anything
}


def outcome(f: Callable[[], Any]) -> Any:
    """What a call gives, or the builtin kind of its error."""
    try:
        return f()
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        kinds = (IndexError, TypeError, ZeroDivisionError, ValueError)
        return next(kind for kind in kinds if isinstance(error, kind))


@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
@pytest.mark.parametrize("name", OF_ONE_ARRAY)
@settings(max_examples=max(8, settings().max_examples))
@given(
    shape=st.sampled_from([(), (1,), (0,), (0, 3), (2, 0), (1, 1), (3, 1)]) | hnp.array_shapes(max_dims=3, max_side=2)
)
def test_empty_arrays_and_scalars_are_taken_where_numpy_takes_them(name: str, shape: tuple[int, ...]) -> None:
    f = OF_ONE_ARRAY[name]
    x = np.linspace(0.3, 1.1, int(np.prod(shape))).reshape(shape)
    expected = outcome(lambda: f(np, x))
    with tn.GradientTape() as tape:
        watched = tape.watch(x)
        found = outcome(lambda: f(tnp, watched))
    if isinstance(expected, type):
        assert isinstance(found, type), f"NumPy raises {expected.__name__}; got {found}"
        return
    assert not isinstance(found, type), f"NumPy gives {expected}; got {found.__name__}"
    for ours, theirs in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-12)
        assert np.shape(ours) == np.shape(theirs)
        if type(ours) is tn.Tensor:
            gradient = tape.gradient(ours, watched, np.ones(ours.shape, ours.dtype), unconnected="zero")
            assert gradient.shape == x.shape
