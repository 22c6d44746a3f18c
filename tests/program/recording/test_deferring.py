"""Recordings leave elementwise operations on large arrays to the program, where the function does not read them."""

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.errors import ArgumentError, CompileWarning
from tapenet.program.recording import deferring

X = np.linspace(-1.0, 1.0, 2**17)


@pytest.fixture(params=["numpy", "llvm"])
def backend(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


@pytest.fixture
def computed(monkeypatch):
    """The names of operations whose deferred result was computed."""
    names = []

    def noted(primitive, values, parameters):
        names.append(primitive.name)
        return original(primitive, values, parameters)

    original = deferring.compute
    monkeypatch.setattr(deferring, "compute", noted)
    return names


def _chain(x):
    y = tnp.tanh(tnp.sin(x) * x + 0.5)
    return tnp.where(y > 0.0, y, 2.0 * x)


def test_a_first_call_gives_what_its_program_gives_and_computes_nothing_itself(backend, computed):
    step = tn.compile(tn.grad(lambda x: tnp.sum(_chain(x))), backend=backend)
    pulled = tn.compile(lambda x, bar: tn.vjp(_chain, x)[1](bar)[0], backend=backend)
    first = pulled(X, np.ones_like(X))
    assert computed == []
    assert len(pulled.programs) == 1
    np.testing.assert_array_equal(first, pulled(X, np.ones_like(X)))
    np.testing.assert_allclose(first, tn.vjp(_chain, X)[1](np.ones_like(X))[0], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(step(X), first, rtol=1e-13, atol=1e-15)


def test_what_the_function_reads_is_computed_and_guarded(backend, computed):
    def branching(x):
        y = tnp.exp(x)
        z = y * 2.0
        if tnp.max(y) > 1.0:
            return z + 1.0
        return z - 1.0

    f = tn.compile(branching, backend=backend)

    np.testing.assert_allclose(f(X), 2.0 * np.exp(X) + 1.0, rtol=1e-14)
    assert computed == ["exp"]
    np.testing.assert_allclose(f(X - 2.0), 2.0 * np.exp(X - 2.0) - 1.0, rtol=1e-14)
    np.testing.assert_allclose(f(X), 2.0 * np.exp(X) + 1.0, rtol=1e-14)
    assert len(f.programs) == 2


@pytest.mark.filterwarnings("ignore::tapenet.errors.CompileWarning")  # it writes into a container
@pytest.mark.parametrize(
    "read",
    [
        lambda y: y.value[3],
        lambda y: float(y[3]),
        lambda y: float(np.asarray(y)[3]),
        lambda y: y.tolist()[3],
        lambda y: float(tnp.sort(y)[3]),
    ],
)
def test_values_are_there_in_whatever_way_they_are_read(read):
    seen = []

    def f(x):
        y = tnp.exp(x) + 1.0
        seen.append(read(y))
        return y * 2.0

    result = tn.compile(f)(X)
    np.testing.assert_array_equal(result, (np.exp(X) + 1.0) * 2.0)
    assert seen[0] == np.exp(X)[3] + 1.0


@pytest.mark.filterwarnings("ignore::tapenet.errors.CompileWarning")  # it writes into a container
def test_printing_shows_values():
    shown = []

    def f(x):
        y = x + 1.0
        shown.extend([str(y), repr(y)])
        return y

    tn.compile(f)(X)
    assert shown[0] == str(X + 1.0)
    assert repr(X + 1.0) in shown[1]


def test_a_value_that_outlives_the_recording_is_read_off_it():
    kept = []

    def f(x):
        y = tnp.exp(x)
        kept.append(y)
        return y + 1.0

    with pytest.warns(CompileWarning, match="writes into a container"):
        result = tn.compile(f)(X)
    np.testing.assert_array_equal(result, np.exp(X) + 1.0)
    np.testing.assert_array_equal(np.asarray(kept[0]), np.exp(X))
    np.testing.assert_array_equal(kept[0] + 1.0, np.exp(X) + 1.0)


def test_constants_count_as_they_were_when_they_were_used():
    def f(x):
        scratch = np.full(len(X), 2.0)
        y = x * scratch
        scratch[:] = 0.0
        return y + scratch

    step = tn.compile(f)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * 2.0)


def test_results_share_no_memory(backend):
    def f(x):
        y = x * 2.0
        return x, y, y, +y

    step = tn.compile(f, backend=backend)
    for _ in range(2):
        results = step(X)
        for i, a in enumerate(results):
            np.testing.assert_array_equal(a, X if i == 0 else X * 2.0)
            assert a.flags.writeable
            assert not any(np.shares_memory(a, b) for b in (X, *results[:i]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: 2.5 * x - 1,
        lambda x: x * np.float64(2.0),
        lambda x: x > 0.25,
        lambda x: tnp.where(x > 0.0, x, 0),
        lambda x: x[:, None] * np.arange(1.0, 3.0, dtype=np.float32),
        lambda x: tnp.floor(x) + tnp.sign(x),
        lambda x: tn.nn.relu(x) + tn.nn.sigmoid(x),
        lambda x: tnp.maximum(x, np.zeros((), np.float32)),
        lambda x: (x + 1j).real,
        lambda x: x**2 + x // 0.3,
        lambda x: tnp.logical_not(x > 0.0) & (x < 0.5),
        lambda x: x.reshape(2, -1).T * 2.0,
    ],
)
def test_dtypes_and_shapes_are_those_of_eager_code(f, dtype):
    x = np.linspace(-1.0, 1.0, 2**17, dtype=dtype)
    wanted, step = f(x), tn.compile(f)
    for _ in range(2):
        found = step(x)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_errors_are_raised_where_eager_code_raises_them():
    with pytest.raises(ArgumentError, match="add: operands could not be broadcast together"):
        tn.compile(lambda x: x + np.ones(len(X) - 1), fullgraph=True)(X)


def test_where_numpy_raises_for_overflow_so_does_a_recording():
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        tn.compile(lambda x: tnp.exp(x * 1e4))(X)


def test_what_draws_or_is_donated_is_computed_as_it_is_recorded(computed):
    drawn = tn.compile(lambda x, rng: x + rng.normal(size=len(X)))
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(2):
        np.testing.assert_array_equal(drawn(X, rng), X + other.normal(size=len(X)))
    given_up = tn.compile(lambda x: x * 2.0, donate_argnums=0)
    for _ in range(2):
        np.testing.assert_array_equal(given_up(X.copy()), X * 2.0)
    assert computed == []


def test_small_arrays_and_other_memory_orders_are_computed_at_once():
    transposed = np.linspace(0.0, 1.0, 2**17).reshape(256, 512).T
    result = tn.compile(lambda x: x * 2.0)(transposed)
    np.testing.assert_array_equal(result, transposed * 2.0)
    assert result.flags.f_contiguous
    np.testing.assert_array_equal(tn.compile(lambda x: x * 2.0)(np.ones(3)), np.full(3, 2.0))


def test_inside_other_transforms(backend):
    def f(x):
        return tnp.sum(tnp.tanh(x * 2.0) ** 2)

    rows = X.reshape(2, -1)
    for transform, given in [(tn.vmap(tn.grad(f)), rows), (lambda x: tn.jvp(f, (x,), (x,)), X), (tn.checkpoint(f), X)]:
        step = tn.compile(transform, backend=backend)
        for _ in range(2):
            for a, b in zip(tree_leaves(step(given)), tree_leaves(transform(given)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_gradients_of_sums_are_deferred_from_what_is_summed_on(computed: list[str]) -> None:
    step = tn.compile(tn.grad(lambda x: tnp.sum(tnp.sin(x) * x)))
    first = step(X)
    assert computed == ["sin", "multiply"]  # what is summed
    np.testing.assert_allclose(first, np.cos(X) * X + np.sin(X), rtol=1e-13, atol=1e-15)
    repeated = tn.compile(lambda x: np.broadcast_to(np.ones(()), x.shape) * x)
    for _ in range(3):
        result = repeated(X.reshape(2, -1))
        np.testing.assert_array_equal(result, X.reshape(2, -1))
        assert result.flags.c_contiguous
