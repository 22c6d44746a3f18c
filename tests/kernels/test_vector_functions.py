"""Elementary functions of large arrays by machine code: the values of NumPy's, in any number of threads."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.kernels import attention, error_function, normalization, recurrent, slopes, vector_functions
from tapenet.nn import activations

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")
pytestmark = pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors")

Array = Any
NUMPY = {
    "erf": error_function.erf,
    "gaussian": error_function.gaussian,
    "normal_cdf": error_function.normal_cdf,
    "normal_density": error_function.normal_density,
    "gelu": error_function.gelu,
    "gelu_slope": error_function.gelu_slope,
    "sigmoid": activations.sigmoid,
    "over_square_of_cosh": slopes.over_square_of_cosh,
}
OF_TWO = {"gelu_slope", "over_square_of_cosh"}
ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -200.0, 200.0, 30.0, -30.0]


def fewest(name: str) -> int:
    return vector_functions.FEWEST_OF.get(name, vector_functions.FEWEST)


def operands(name: str, size: int, dtype: Any) -> list[Array]:
    rng = np.random.default_rng(size)
    x = rng.uniform(-8, 8, size).astype(dtype)
    x[-len(ENDS) :] = ENDS
    return [rng.standard_normal(size).astype(dtype), x] if name in OF_TWO else [x]


@pytest.fixture
def llvm(restored_backend: None) -> None:
    tn.use_backend("llvm")


@pytest.fixture
def restored_backend() -> Any:
    before, threads = tn.use_backend("numpy"), tn.num_threads()
    yield
    tn.use_backend(before)
    tn.set_num_threads(threads)


@pytest.mark.parametrize("name", sorted(NUMPY))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@np.errstate(all="ignore")
def test_values_are_those_of_numpy(name: str, dtype: Any, restored_backend: None) -> None:
    given = operands(name, fewest(name) + 5, dtype)
    expected = NUMPY[name](*given)
    tn.use_backend("llvm")
    found = NUMPY[name](*given)
    assert found.dtype == dtype
    # Of Phi(x) + x phi(x) the parts cancel, where it is 0.
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=np.finfo(dtype).eps)


@given(extra=st.integers(0, 70), name=st.sampled_from(sorted(NUMPY)), dtype=st.sampled_from([np.float32, np.float64]))
@np.errstate(all="ignore")
def test_threads_and_ends_do_not_matter(extra: int, name: str, dtype: Any) -> None:
    before, backend = tn.num_threads(), tn.use_backend("llvm")
    given = operands(name, 2 * fewest(name) + extra, dtype)
    cut = len(given[0]) - extra - 3
    try:
        found = []
        for threads in (1, 3):
            tn.set_num_threads(threads)
            found.append(vector_functions.elementwise(name, *given))
        parts = vector_functions.elementwise(name, *(x[:cut] for x in given))
    finally:
        tn.set_num_threads(before)
        tn.use_backend(backend)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(parts, found[0][:cut])


def test_what_has_no_code_is_left_to_numpy(llvm: None) -> None:
    size = 2 * fewest("sigmoid")
    x = np.ones(size)
    for other in (x[:9], x[::2], x.astype(np.float16), x.astype(">f8"), x.astype(complex), 1.0, np.ma.array(x)):
        assert vector_functions.elementwise("sigmoid", other) is None
    assert vector_functions.elementwise("gelu_slope", x, x.astype(np.float32)) is None
    assert vector_functions.elementwise("gelu_slope", x, x[:-1]) is None


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_gelu_of_many_is_that_of_few(backend: str, restored_backend: None) -> None:
    tn.use_backend(backend)
    few = np.random.default_rng(0).uniform(-4, 4, 64)
    many = np.tile(few, fewest("gelu") // 64)

    def derivatives(x: Array) -> list[Array]:
        slope = tn.elementwise_grad(tn.nn.gelu)
        pushed = tn.jvp(tn.nn.gelu, (x,), (np.ones_like(x),))[1]
        second = tn.jvp(slope, (x,), (np.ones_like(x),))[1]
        return [tn.nn.gelu(x), slope(x), pushed, second, tn.elementwise_grad(slope)(x)]

    for small, large in zip(derivatives(few), derivatives(many), strict=True):
        np.testing.assert_allclose(large, np.tile(small, fewest("gelu") // 64), rtol=1e-12, atol=1e-14)


@pytest.fixture(params=[32, 64])
def vector_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, llvm: None) -> int:
    """Compile for vectors of so many bytes."""
    size: int = request.param
    if size > machine_code.processor().vector_size:
        pytest.skip("the processor has no vectors of this size")
    narrower = attrs.evolve(machine_code.processor(), vector_size=size)
    monkeypatch.setattr(machine_code, "processor", lambda: narrower)
    monkeypatch.setattr(vector_functions, "_compiled", {})
    return size


def test_every_width_of_vectors_is_right(vector_size: int) -> None:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    q, k, v = (drawn(2, 2, 40, 9) for _ in range(3))
    x, h, c, kernel, own, bias = drawn(9, 5, 7), drawn(5, 35), drawn(5, 35), drawn(7, 140), drawn(35, 140), drawn(140)
    rows = drawn(600, 37)

    def answers() -> list[Array]:
        lstm = recurrent.lstm(x, h, c, kernel, own, bias, None)
        attended = attention.attention(q, k, v, None, causal=True)
        of_rows = normalization.layer_norm(rows, rows[0], rows[1], None, eps=1e-3)
        of_channels = normalization.batch_norm(rows, rows[0], rows[1], None, eps=1e-3)
        return [
            *recurrent.lstm_backward((x, h, c, kernel, own, bias, None), lstm, (True,) * 6, lstm[0], None),
            *attention.attention_backward((q, k, v, None), attended, (True,) * 3, attended[0], causal=True),
            *normalization.layer_norm_backward((rows, rows[0]), of_rows, (True,) * 3, rows, eps=1e-3),
            *normalization.batch_norm_backward((rows, rows[0]), of_channels, (True,) * 3, rows, None, None, eps=1e-3),
            error_function.gelu(rows),
        ]

    found = answers()
    tn.use_backend("numpy")
    for mine, theirs in zip(found, answers(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5 * max(1, np.abs(theirs).max()))


def test_gelu_at_infinity_has_its_limits() -> None:
    for count in (1, fewest("gelu")):
        x = np.tile([-np.inf, np.inf], count)
        np.testing.assert_array_equal(error_function.gelu(x), np.tile([0, np.inf], count))
        np.testing.assert_array_equal(error_function.gelu_slope(np.ones_like(x), x), np.tile([0, 1], count))
