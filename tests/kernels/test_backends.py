"""The compiled backend: the same results as NumPy's, on all geometries; and how it is asked for."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
from tapenet.kernels import backends, convolution, elementwise, pooling, winograd
from tapenet.optim import adam, adamw
from tests.samples import drawing

DTYPES = st.sampled_from([np.float32, np.float64])


@pytest.fixture
def numba_backend():
    pytest.importorskip("numba")
    before = tn.use_backend("numba")
    yield
    tn.use_backend(before)


def by_both(compute):
    """What a function computes with NumPy, and compiled."""
    pytest.importorskip("numba")
    before = backends.use_backend("numpy")
    try:
        expected = compute()
        tn.use_backend("numba")
        return compute(), expected
    finally:
        tn.use_backend(before)


def assert_same(compute, tolerance=1e-5):
    results, expected = by_both(compute)
    for mine, theirs in zip(results, expected, strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@st.composite
def geometries(draw):
    """Sizes, windows, strides and paddings, of which at least one window fits and none lies wholly in the padding."""
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = tuple(draw(st.integers(w, w + 5)) for w in window)
    padding = tuple(draw(st.tuples(st.integers(0, w - 1), st.integers(0, w - 1))) for w in window)
    return size, {"window": window, "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))), "padding": padding}


@given(geometries(), DTYPES, st.integers(1, 5), st.sampled_from([0, 0.2]), st.data())
def test_pools(geometry, dtype, channels, nans, data):
    size, windows = geometry
    # Few values: windows have several largest elements.
    x = drawing.integers(data.draw, (2, *size, channels), -2, 3).astype(dtype)
    x[drawing.mask(data.draw, x.shape, nans)] = np.nan

    def compute():
        try:
            y, winners = pooling.max_pool_with_winners(x, **windows)
        except ValueError as error:
            return (np.array(str(error)),)
        return y, winners, pooling.pool_scatter(2 * np.ones_like(y), winners, input_size=size, **windows)

    results, expected = by_both(compute)
    for mine, theirs in zip(results, expected, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


@given(geometries(), DTYPES, st.integers(1, 4), st.tuples(st.integers(1, 2), st.integers(1, 2)), st.data())
def test_convolutions(geometry, dtype, channels, dilation, data):
    size, windows = geometry
    size = tuple(s + 3 for s in size)
    options = {"stride": windows["stride"], "padding": windows["padding"], "dilation": dilation, "groups": 1}
    shapes = (2, *size, channels), (*windows["window"], channels, 3)
    x, kernel = (drawing.numbers(data.draw, shape).astype(dtype) for shape in shapes)

    def compute():
        y = convolution.convolve(x, kernel, **options)
        return (
            y,
            convolution.convolve_input(y, kernel, input_size=size, **options),
            convolution.convolve_kernel(x, y, kernel_size=windows["window"], **options),
        )

    assert_same(compute, 1e-4)


@given(st.integers(1, 3), st.tuples(st.integers(3, 9), st.integers(3, 9)), st.integers(1, 5), DTYPES, st.data())
def test_minimal_filtering(count, size, channels, dtype, data):
    before = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    shapes = (count, *size, channels), (3, 3, channels, 4)
    x, kernel = (drawing.numbers(data.draw, shape).astype(dtype) for shape in shapes)
    outputs = tuple(s + b + data.draw(st.integers(0, 2)) - 2 for s, b in zip(size, before))

    def compute():
        y = np.empty((count, *outputs, 4), dtype)
        winograd.convolve(x, kernel, before, y)
        return y, winograd.convolve_kernel(x, y, before)

    assert_same(compute, 1e-4)


def test_masks(rng):
    x = np.where(rng.random(10**4) < 0.5, rng.normal(size=10**4), np.inf)
    assert_same(lambda: (elementwise.where(x > 0, x, 0), elementwise.where(x > 0, 0, x)), 0)


@pytest.mark.parametrize("optimizer", [adam(0.1), adam(0.1, weight_decay=0.1), adamw(0.1, weight_decay=0.1)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("donate", [False, True])
def test_steps_of_adam(optimizer, dtype, donate, rng):
    start, gradient = (rng.normal(size=(99, 2)) @ [1, 1j if dtype.startswith("c") else 1] for _ in range(2))
    start, gradient = start.astype(dtype), gradient.astype(dtype)

    def compute():
        params, state = start.copy(), optimizer.init(start)
        for _ in range(3):
            params, state = optimizer.update(gradient, state, params, donate=donate)
        return params, state.mean, state.square_mean

    assert_same(compute, 1e-3 if dtype == "float16" else 1e-5)


def test_a_step_of_adam_at_infinity():
    params, gradient = np.array([np.inf, 1.0], np.float32), np.ones(2, np.float32)

    def compute():
        new, state = adam(0.1).update(gradient, adam(0.1).init(params), params)
        return new, state.mean, state.square_mean

    assert_same(compute)


def test_a_wrong_loop_is_found(monkeypatch, rng):
    pytest.importorskip("numba")
    from tapenet.kernels import loops

    monkeypatch.setattr(loops, "keep", lambda mask, x, out: out.fill(0))
    with pytest.raises(AssertionError, match="Not equal"):
        test_masks(rng)


def test_it_is_used_where_it_fits(numba_backend):
    x = np.ones((4, 4), np.float32)
    assert backends.loops_for(x, x) is not None
    for other in (
        x.T[1:],
        x.astype(">f4"),
        x.astype(np.float64),
        x.astype(np.complex64),
        x.astype(np.float16),
        np.ma.masked_array(x),
    ):
        assert backends.loops_for(x, other) is None


def test_names():
    before = tn.use_backend("numpy")
    assert before in backends.BACKENDS
    assert backends.loops_for(np.ones(3)) is None
    assert tn.use_backend(before) == "numpy"
    with pytest.raises(
        tn.ArgumentError, match=r"use_backend: name must be one of 'numpy', 'llvm', 'numba'; got 'cuda'\."
    ):
        tn.use_backend("cuda")


def test_without_numba(monkeypatch):
    before = tn.use_backend("numpy")
    message = r"use_backend: numba must be installed; got .*\. Install it: pip install numba\."
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        with pytest.raises(tn.MissingPackageError, match=message):
            tn.use_backend("numba")
    assert tn.use_backend(before) == "numpy"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, r"use_backend: llvmlite must be installed; got .*\. Install it: pip install llvmlite\."),
        ("0.44.1", r"use_backend: llvmlite must be of version 0\.45 or newer\. Install it: pip install --upgrade"),
    ],
)
def test_without_a_fitting_llvmlite(monkeypatch, version, message):
    def find(name):
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    before = tn.use_backend("numpy")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", find)
        patch.setitem(sys.modules, "llvmlite", None if version is None else types.ModuleType("llvmlite"))
        with pytest.raises(tn.MissingPackageError, match=message):
            tn.use_backend("llvm")
    assert tn.use_backend(before) == "numpy"


@pytest.mark.parametrize("error", [ImportError("broken"), OSError("broken")])
def test_numpy_computes_where_llvmlite_cannot_be_loaded(error):
    pytest.importorskip("llvmlite")
    code = f"""
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("llvmlite"):
            raise {error!r}
sys.meta_path.insert(0, Broken())
import warnings, numpy as np, tapenet as tn, tapenet.numpy as tnp
tn.set_num_threads(2)
x = np.ones((600, 600))
with warnings.catch_warnings(record=True) as met:
    warnings.simplefilter("always")
    gradient = tn.grad(lambda w: tnp.sum(tn.nn.gelu(x @ w)))(x)
    tn.grad(lambda w: tnp.sum(x @ w))(x)
assert gradient.shape == x.shape
print(*(w.message for w in met))
print("backend", tn.use_backend("numpy"))
try:
    tn.compile(lambda x: x + 1, backend="llvm")(x)
except tn.MissingPackageError as error:
    print(error)
"""
    settings = {name: value for name, value in os.environ.items() if name != "TAPENET_BACKEND"}
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=settings)
    assert finished.stdout.count("broken") == 2, finished.stderr
    assert "llvmlite is installed and cannot be loaded" in finished.stdout
    assert "backend numpy" in finished.stdout


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("numpy", "numpy"),
        ("llvm", "llvm"),
        ("numba", "numba"),
        ("fortran", "got 'fortran'"),
        ("", "llvm" if importlib.util.find_spec("llvmlite") else "numpy"),
    ],
)
def test_the_environment_chooses(name, answer):
    if name in ("llvm", "numba"):
        pytest.importorskip({"llvm": "llvmlite"}.get(name, name))
    code = "import tapenet, sys; print(tapenet.use_backend('numpy'))"
    command = f"import os; os.environ['TAPENET_BACKEND'] = {name!r}; {code}"
    finished = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert answer in finished.stdout + finished.stderr
