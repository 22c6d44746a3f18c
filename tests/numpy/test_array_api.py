"""The Python array API standard, 2024.12: its names are there, and code written for it is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import check_grads

Array = Any

NAMES = {
    "constants": "e inf nan newaxis pi",
    "dtypes": """
        bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
        """,
    "creation": """
        arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu
        zeros zeros_like
        """,
    "data types": "astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type",
    "elementwise": """
        abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or
        bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide
        greater greater_equal hypot imag isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp
        logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive
        pow real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc
        """,
    "indexing": "take take_along_axis",
    "inspection": "__array_namespace_info__",
    "linear algebra": "matmul matrix_transpose tensordot vecdot",
    "manipulation": """
        broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack
        tile unstack
        """,
    "searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "sets": "unique_all unique_counts unique_inverse unique_values",
    "sorting": "argsort sort",
    "statistics": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "utilities": "all any diff",
}
LINALG = """
    cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer
    pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
    """
FFT = "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"
METHODS = """
    __abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__ __float__
    __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__
    __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ to_device
    dtype device mT ndim shape size T __radd__ __rsub__ __rmul__ __rtruediv__ __rpow__ __rmatmul__ __rmod__
    """


@pytest.mark.parametrize("name", " ".join(NAMES.values()).split())
def test_the_namespace_has_the_name(name: str) -> None:
    assert hasattr(tnp, name)


def test_the_extensions_and_the_array_object_have_theirs() -> None:
    assert not [name for name in LINALG.split() if not hasattr(tnp.linalg, name)]
    assert not [name for name in FFT.split() if not hasattr(tnp.fft, name)]
    assert not [name for name in METHODS.split() if not hasattr(tn.Tensor, name)]


def watched(x: Any) -> Any:
    with tn.GradientTape() as tape:
        return tape.watch(x)


def test_a_tensor_names_its_namespace() -> None:
    x = watched(1.0)
    assert x.__array_namespace__() is tnp
    assert x.__array_namespace__(api_version="2024.12") is tnp
    with pytest.raises(tn.errors.ArgumentError, match=r"api_version must be one of .*2024\.12; got '1999\.01'"):
        x.__array_namespace__(api_version="1999.01")


def test_inspection() -> None:
    info = tnp.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] is True
    assert info.default_device() == "cpu"
    assert info.devices() == ["cpu"]
    assert info.default_dtypes()["real floating"] == np.float64
    assert list(info.dtypes(kind="real floating")) == ["float32", "float64"]
    assert set(info.dtypes(kind=("bool", "integral"))) >= {"bool", "int64", "uint8"}
    assert len(info.dtypes(device="cpu")) == 13
    with pytest.raises(tn.errors.ArgumentError, match="kind must be one of the standard's; got 'real'"):
        info.dtypes(kind="real")
    with pytest.raises(tn.errors.ArgumentError, match="device must be 'cpu' or None; got 'gpu'"):
        info.dtypes(device="gpu")


def test_devices_and_dlpack() -> None:
    x = watched(np.ones(2))
    assert x.device == "cpu"
    assert x.to_device("cpu") is x
    with pytest.raises(tn.errors.ArgumentError, match="device must be 'cpu'; got 'gpu'"):
        x.to_device("gpu")
    np.testing.assert_array_equal(tnp.from_dlpack(x), np.ones(2))
    assert x.__dlpack_device__() == np.ones(2).__dlpack_device__()


def test_dtypes() -> None:
    x = watched(np.ones(2, np.float32))
    assert tnp.finfo(x).bits == 32
    assert tnp.result_type(x, tnp.float64) == np.float64
    assert tnp.result_type(x, 1.0) == np.float32
    assert tnp.can_cast(x, tnp.float64)
    assert tnp.isdtype(x.dtype, "real floating")
    assert tnp.astype(x, tnp.float64, copy=False).dtype == np.float64


# ---- programs of the standard's functions alone ----


def softmax(x: Array) -> Array:
    xp = x.__array_namespace__()
    shifted = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return shifted / xp.sum(shifted, axis=-1, keepdims=True)


def standardized(x: Array) -> Array:
    xp = x.__array_namespace__()
    mean = xp.mean(x, axis=0, keepdims=True)
    return xp.divide(x - mean, xp.sqrt(xp.var(x, axis=0, correction=1.0, keepdims=True) + 1e-3))


def distances(x: Array) -> Array:
    xp = x.__array_namespace__()
    steps = xp.expand_dims(x, axis=0) - xp.expand_dims(x, axis=1)
    far = xp.permute_dims(xp.sum(xp.square(steps), axis=-1), (1, 0)) + xp.astype(xp.eye(3), x.dtype)
    return xp.tril(xp.pow(far, xp.asarray(0.5, dtype=x.dtype)))


def shuffled(x: Array) -> Array:
    xp = x.__array_namespace__()
    parts = xp.unstack(xp.roll(xp.flip(x, axis=1), 1, axis=0), axis=0)
    joined = xp.concat([xp.repeat(part, 2) for part in parts], axis=0)
    moved = xp.moveaxis(xp.stack([joined, xp.tile(xp.take(x, xp.asarray([1]), axis=1)[:, 0], (8,))]), 0, -1)
    return xp.cumulative_sum(moved, axis=0, include_initial=True)


def ordered(x: Array) -> Array:
    xp = x.__array_namespace__()
    order = xp.argsort(x, axis=1, descending=True, stable=True)
    both = xp.take_along_axis(x, order, axis=1) * xp.sort(x, axis=1, descending=False)
    return xp.where(both > 0, both, xp.reciprocal(both + 5.0)) + xp.diff(x, axis=0, prepend=x[:1, :])


def bounded(x: Array) -> Array:
    xp = x.__array_namespace__()
    smooth = xp.atan2(xp.hypot(x, xp.asarray(1.0)), xp.logaddexp(x, xp.asarray(0.5)))
    return xp.clip(xp.copysign(smooth, x), -0.9, 5.0) * xp.maximum(x, 0.31) + xp.cumulative_prod(smooth, axis=-1)


def solved(x: Array) -> Array:
    xp = x.__array_namespace__()
    gram = xp.matmul(x, xp.matrix_transpose(x)) + 2.0 * xp.eye(3)
    factor = xp.linalg.cholesky(gram)
    solution = xp.linalg.solve(gram, x)
    sizes = xp.linalg.vector_norm(solution, axis=-1) + xp.linalg.slogdet(gram).logabsdet
    return xp.linalg.trace(factor) * xp.vecdot(x, solution) + sizes + xp.linalg.eigvalsh(gram)


def spectrum(x: Array) -> Array:
    xp = x.__array_namespace__()
    transformed = xp.fft.rfft(x, axis=-1)
    power = xp.real(transformed * xp.conj(transformed))
    return xp.fft.irfft(transformed * xp.astype(power, xp.complex128), n=x.shape[-1]) + xp.abs(transformed[:, 1:2])


PROGRAMS = [softmax, standardized, distances, shuffled, ordered, bounded, solved, spectrum]
X = np.array([[0.5, -1.25, 2.0, 0.8], [1.4, 0.7, -0.3, -2.1], [-0.6, 1.1, 0.2, 1.9]])


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_differentiated(program: Callable[[Array], Array]) -> None:
    check_grads(lambda x: through_tensors(program, x), (X,))


@pytest.mark.parametrize("program", [softmax, standardized, solved, bounded])
def test_programs_give_what_they_give_on_arrays(program: Callable[[Array], Array]) -> None:
    if not hasattr(np, "cumulative_prod") and program is bounded:
        pytest.skip("this NumPy lacks a name of the standard's")
    np.testing.assert_allclose(through_tensors(program, X), program(X), rtol=1e-12)


def through_tensors(program: Callable[[Array], Array], x: Array) -> Array:
    """A program on a Tensor, also where finite differences call it with plain arrays."""
    if type(x) is tn.Tensor:
        return program(x)
    with tn.GradientTape() as tape:
        y = program(tape.watch(x))
    return np.asarray(y)
