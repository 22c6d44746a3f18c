"""Off the tape tapenet.numpy is NumPy: the same bits, dtypes, types, strides and errors, for every function."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.numpy import reexports
from tests.numpy import subjects_arrangement, subjects_elementwise, subjects_formulas, subjects_reductions  # noqa: F401
from tests.numpy.subjects import SUBJECTS, Subject, named
from tests.numpy.test_without_derivative import CALLS, X, Y

Array = Any

DTYPES = "float64 float32 float16 longdouble complex128 complex64 int64 uint8 bool".split()
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, -1)[..., ::2] if x.ndim else x,
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x,
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "empty": lambda x: x[..., :0] if x.ndim else x,
    "0-d": lambda x: np.array(x.flat[0]) if x.size else x,
    "scalar": lambda x: x.flat[0] if x.size else x,
    "list": lambda x: x.tolist(),
    "subclass": lambda x: x.view(Subclass),
    "byte order": lambda x: x.astype(x.dtype.newbyteorder("S")),
}


# ---- functions of linear algebra and Fourier transforms ----

S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.5], [0.5, -0.5, 2.0]])  # positive-definite
V = np.array([0.5, -1.0, 2.0])

IN_LINALG: dict[str, Callable[[Any, Array, Array], Any]] = {
    "cross": lambda xp, s, v: xp.cross(s, v),
    "lstsq": lambda xp, s, v: xp.lstsq(s[:, :2], v),
    "matmul": lambda xp, s, v: xp.matmul(s, v),
    "matrix_power": lambda xp, s, v: (xp.matrix_power(s, 3), xp.matrix_power(s, -2), xp.matrix_power(s, 0)),
    "matrix_norm": lambda xp, s, v: (xp.matrix_norm(s), xp.matrix_norm(s, keepdims=True, ord="nuc")),
    "multi_dot": lambda xp, s, v: xp.multi_dot([v, s, s]),
    "norm": lambda xp, s, v: (xp.norm(s), xp.norm(s, 3, 0, True), xp.norm(s, ord="nuc"), xp.norm(v, -np.inf)),
    "cond": lambda xp, s, v: (xp.cond(s), xp.cond(s, 1)),
    "outer": lambda xp, s, v: xp.outer(v, v),
    "pinv": lambda xp, s, v: (xp.pinv(s), xp.pinv(s, rtol=None), xp.pinv(s, 0.1, True)),
    "qr": lambda xp, s, v: (xp.qr(s), xp.qr(s, "r"), xp.qr(s[:, :2], mode="complete")),
    "solve": lambda xp, s, v: (xp.solve(s, v), xp.solve(a=s, b=s)),
    "svd": lambda xp, s, v: (xp.svd(s), xp.svd(s[:2], False), xp.svd(s, hermitian=True), xp.svd(s, compute_uv=False)),
    "tensordot": lambda xp, s, v: (xp.tensordot(s, s), xp.tensordot(s, v, axes=1)),
    "tensorinv": lambda xp, s, v: xp.tensorinv(s[:2, :2], 1),
    "tensorsolve": lambda xp, s, v: xp.tensorsolve(s, v),
    "trace": lambda xp, s, v: (xp.trace(s), xp.trace(s, offset=1, dtype=np.float64)),
    "vecdot": lambda xp, s, v: xp.vecdot(s, v),
    "vector_norm": lambda xp, s, v: (xp.vector_norm(s), xp.vector_norm(s, axis=0, ord=1, keepdims=True)),
}
IN_FFT: dict[str, Callable[[Any, Array, Array], Any]] = {
    "fftfreq": lambda xp, s, v: (xp.fftfreq(4), xp.fftfreq(5, 0.3), xp.fftfreq(n=4, d=v[0])),
    "rfftfreq": lambda xp, s, v: (xp.rfftfreq(4), xp.rfftfreq(5, 0.3), xp.rfftfreq(n=4, d=v[0])),
    "fftshift": lambda xp, s, v: (xp.fftshift(v), xp.fftshift(s, axes=0)),
    "ifftshift": lambda xp, s, v: (xp.ifftshift(v), xp.ifftshift(s, axes=0)),
}


def of_one_matrix(name: str) -> Callable[[Any, Array, Array], Any]:
    return lambda xp, s, v: getattr(xp, name)(s)


def of_lengths(name: str) -> Callable[[Any, Array, Array], Any]:
    length = {"s": (4, 2)} if name[-1] in "n2" else {"n": 4}
    return lambda xp, s, v: (getattr(xp, name)(s), getattr(xp, name)(s, **length, norm="ortho"))


def public(module: Any) -> list[str]:
    return sorted(name for name, x in vars(module).items() if inspect.isfunction(x) and not name.startswith("_"))


class Subclass(np.ndarray):
    """Of arrays, as other libraries have theirs."""


def cast(x: Array, dtype: str) -> Array:
    x = np.nan_to_num(x) if np.dtype(dtype).kind not in "fc" else x
    return x.real.astype(dtype) if x.dtype.kind == "c" and np.dtype(dtype).kind != "c" else x.astype(dtype)


def variants(arrays: Any) -> Iterator[list[Array]]:
    """The arrays in each dtype and in each layout."""
    for dtype in DTYPES:
        yield [cast(x, dtype) for x in arrays]
    for dtype in DTYPES[:2]:
        for layout in LAYOUTS.values():
            yield [layout(cast(x, dtype)) for x in arrays]


def parts(x: Any) -> Iterator[Any]:
    """What a result consists of, each with what can be told of it."""
    yield type(x)
    if isinstance(x, (list, tuple)):
        yield len(x)
        for part in x:
            yield from parts(part)
    elif isinstance(x, (np.ndarray, np.generic)):
        yield x.dtype, x.shape, x.strides, x.flags.writeable
        value = np.ascontiguousarray(x)
        size = 10 if value.dtype.char in "gG" else value.dtype.itemsize  # x87 numbers are padded by anything
        yield value.view(np.uint8).reshape(-1, 16)[:, :size].tobytes() if size == 10 else value.tobytes()
    else:
        yield x


def outcome(call: Callable[..., Any], *arguments: Any) -> list[Any]:
    """The parts of a call's result, or the type of its error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return list(parts(call(*arguments)))
        except Exception as error:
            return [type(error)]


# NumPy 2.0 casts arrays alone; later versions cast NumPy's scalars too, and so does tapenet with each.
REFUSES_SCALARS = {"astype"} if np.lib.NumpyVersion(np.__version__) < "2.1.0" else set[str]()


def assert_identical(call: Callable[..., Any], arrays: list[Array], name: str = "") -> None:
    """A call answers alike with both namespaces; where NumPy's own answer varies it is left alone."""
    expected = outcome(call, np, *arrays)
    found = outcome(call, tnp, *arrays)
    if expected == [TypeError] and name in REFUSES_SCALARS and isinstance(arrays[0], np.generic):
        return
    if found != expected and expected == outcome(call, np, *arrays):
        assert found == expected, arrays


@pytest.mark.parametrize("subject", named([s for s in SUBJECTS if hasattr(np, s.name)]))
@settings(max_examples=1)
@given(data=st.data())
def test_the_answer_is_numpy_s_bit_for_bit(subject: Subject, data: st.DataObject) -> None:
    for arrays in variants(data.draw(subject.arrays)):
        assert_identical(subject.call, arrays, subject.name)


# NumPy gives arrays of no axes for scalars here, ours numpy's scalars; and poly of float16 is float64.
OTHER_TYPES = {"block", "i0", "pad", "piecewise", "real_if_close", "poly", "nan_to_num", "kaiser"}


@pytest.mark.parametrize("subject", named([s for s in SUBJECTS if hasattr(np, s.name) and s.name not in OTHER_TYPES]))
@settings(max_examples=1)
@given(data=st.data())
def test_values_on_a_tape_have_numpy_s_types(subject: Subject, data: st.DataObject) -> None:
    drawn = data.draw(subject.arrays)
    for dtype in ("float64", "float32", "float16", "longdouble", "complex128"):
        arrays = [cast(x, dtype) for x in drawn]
        expected = outcome(subject.call, np, *arrays)
        if isinstance(expected[0], type) and issubclass(expected[0], Exception):
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"), tn.GradientTape() as tape:
            warnings.simplefilter("ignore")
            found = subject.call(tnp, *tape.watch(tuple(arrays)))
            theirs = tree_leaves(subject.call(np, *arrays))
        for x, y in zip(tree_leaves(found), theirs, strict=True):
            value = x.value if type(x) is tn.Tensor else x
            assert (type(value), value.dtype, value.shape) == (type(y), y.dtype, y.shape)


@pytest.mark.parametrize("name", sorted(name for name in CALLS if hasattr(np, name)))
def test_the_answer_is_numpy_s_of_functions_without_a_derivative(name: str) -> None:
    for x, y in variants((X, Y)):
        assert_identical(CALLS[name], [x, y])


@pytest.mark.parametrize("name", public(tnp.linalg))
def test_the_answer_is_numpy_s_in_linear_algebra(name: str) -> None:
    call = IN_LINALG.get(name, of_one_matrix(name))
    for s, v in variants((S, V)):
        assert_identical(lambda xp, s, v: call(xp.linalg, s, v), [s, v])


@pytest.mark.parametrize("name", public(tnp.fft))
def test_the_answer_is_numpy_s_in_fourier_transforms(name: str) -> None:
    call = IN_FFT.get(name, of_lengths(name))
    for s, v in variants((S, V)):
        assert_identical(lambda xp, s, v: call(xp.fft, s, v), [s, v])


def test_every_function_is_called() -> None:
    ours = {name for name in tnp.__all__ if inspect.isfunction(getattr(tnp, name))} - reexports.GROUP_OF.keys()
    refused = {name for name in ours if getattr(tnp, name).__globals__["__name__"].endswith("refusals")}
    assert ours - refused <= {subject.name for subject in SUBJECTS} | CALLS.keys() | {"finfo"}


def test_large_arrays_are_added_up_and_multiplied_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64, np.complex64):
        x = rng.standard_normal((300, 400)).astype(dtype)
        for call in (
            lambda xp, x: xp.sum(x, (0,)),
            lambda xp, x: xp.sum(x[:, :20].copy(), axis=(0,), keepdims=True),
            lambda xp, x: xp.mean(x, 0),
            lambda xp, x: xp.matmul(x, x.T),
            lambda xp, x: xp.matmul(x[:3], np.asfortranarray(x.T)),
            lambda xp, x: xp.where(x > 0, x, 0),
            lambda xp, x: xp.where(x > 0, 0, x),
            lambda xp, x: xp.dot(x, x.T),
            lambda xp, x: xp.einsum("ij,kj->ik", x, x),
        ):
            assert_identical(call, [x])
